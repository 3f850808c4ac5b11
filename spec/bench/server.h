/*
 * What the load generators share: failing, time, a server started and ended, what /proc says of it.
 */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <netinet/in.h>

__attribute__((noreturn, format(printf, 1, 2))) void fail (const char *format, ...);
double now (void); /* seconds */
void sleep_ms (long ms);
long parse_count (const char *text);

/* Runs `command` on another processor than this program, all within `seconds`; the port it prints. The
 * pipe stays open, so that it may print more. */
in_port_t start_server (char **command, unsigned seconds);
void stop_server (void);

long read_cpu (void); /* nanoseconds on a processor, all threads together, now that it is at rest */
long read_rss (void); /* resident bytes */
long read_fds (void); /* open descriptors */
long settle (long (*reading)(void)); /* reads until the value has stayed the same for a while */

#endif
