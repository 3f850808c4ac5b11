/*
 * Load generator for datagram echo servers. Starts a server, reads its port from the first line it prints,
 * and keeps datagrams of 64 bytes under way from one socket:
 *
 *   datagrams [-w WINDOW] [-n COUNT] -- COMMAND ARGS...
 *
 * Prints the processor time the server took for each. One that is lost ends the run with an error: on
 * loopback none is, as the window fits into the sockets' buffers.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

#define BYTES 64
#define MOST_UNDER_WAY 100
#define PATIENCE_S 2 /* for one echo */
#define TIMEOUT_S 60 /* the whole run */

static int open_socket (in_port_t port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    fail("socket: %s", strerror(errno));
  }
  return fd;
}

/* Every datagram has its number: they come back in the order in which they went. */
static void fill (char *bytes, long number) {
  memset(bytes, 'a' + (int)(number % 26), BYTES);
  memcpy(bytes, &number, sizeof number);
}

static void send_one (int fd, long number) {
  char bytes[BYTES];
  fill(bytes, number);
  if (send(fd, bytes, BYTES, 0) != BYTES) fail("send: %s", strerror(errno));
}

/* Does not sleep: waking the generator would be among the work of the server's sendto, more often for a
 * slow server than for a fast one. */
static ssize_t receive (int fd, char *bytes, size_t room) {
  ssize_t got;
  double patience = now() + PATIENCE_S;
  while ((got = recv(fd, bytes, room, MSG_DONTWAIT)) < 0 && errno == EAGAIN && now() < patience)
    sched_yield();
  return got;
}

static void receive_one (int fd, long number) {
  char expected[BYTES], bytes[BYTES + 1]; /* one more, to notice an echo that is too long */
  fill(expected, number);
  ssize_t got = receive(fd, bytes, sizeof bytes);
  if (got < 0) fail("datagram %ld: %s", number, strerror(errno));
  if (got != BYTES || memcmp(bytes, expected, BYTES) != 0) fail("the echo is not what was sent");
}

static void exchange (int fd, long window, long count) {
  long sent = 0;
  while (sent < window && sent < count) send_one(fd, sent++);
  for (long received = 0; received < count; received++) {
    receive_one(fd, received);
    if (sent < count) send_one(fd, sent++);
  }
}

int main (int argc, char **argv) {
  long window = 1, count = 100000;
  for (int option; (option = getopt(argc, argv, "+w:n:")) != -1;) {
    if (option == 'w') window = parse_count(optarg);
    else if (option == 'n') count = parse_count(optarg);
    else fail("usage: datagrams [-w WINDOW] [-n COUNT] -- COMMAND ARGS...");
  }
  if (optind == argc || window > MOST_UNDER_WAY)
    fail("a server command, and a window up to %d", MOST_UNDER_WAY);
  int fd = open_socket(start_server(argv + optind, TIMEOUT_S));
  exchange(fd, window, count / 10 + 1); /* to warm up */
  long cpu = read_cpu();
  exchange(fd, window, count);
  cpu = read_cpu() - cpu;
  printf("window=%ld datagrams=%ld cpu_ns_per_datagram=%.0f\n", window, count, (double)cpu / (double)count);
  stop_server();
  return EXIT_SUCCESS;
}
