/*
 * Load generator for line echo servers. Starts a server, reads its port from the first line it
 * prints, and drives it over 127.0.0.1:
 *
 *   load [-c CONNECTIONS] [-n REQUESTS] [-m echo|idle|hold] -- COMMAND ARGS...
 *
 *   echo  closed loop of 64-byte lines; the processor time the server took for each request
 *   idle  connections left open after one line; the memory the server holds for each of them
 *   hold  many connections at once, then all closed; whether the server gave them all up
 *
 * Prints one line of key=value pairs. Any failure to run is a message and a non-zero status.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES 64
#define HOLD_BYTES 2  /* one byte and the newline */
#define OPEN_BATCH 50 /* below the smallest accept queue a server here is likely to ask for */
#define EVENT_BATCH 256
#define SPARE_FDS 64    /* what a process needs beside its connections */
#define TIMEOUT_S 60    /* the whole run */
#define STOP_MS 2000    /* from SIGTERM to SIGKILL */
#define STABLE_MS 200   /* a reading that has not moved for this long has settled */
#define SETTLE_MS 10000 /* the longest wait for a reading to settle */
#define POLL_MS 10
#define SIGNALS 4

enum mode { MODE_ECHO, MODE_IDLE, MODE_HOLD };

struct options {
  enum mode mode;
  int connections;
  long requests;
  char **command;
};

struct connection {
  int fd;
  size_t length;         /* of its line */
  size_t got;            /* bytes of the reply so far */
  char line[LINE_BYTES]; /* differs between connections, so mixed-up replies are noticed */
};

static volatile sig_atomic_t server_pid = 0;

/* --- Failure ------------------------------------------------------------------------------ */

/* The server leads its own process group, so that a server behind a wrapper goes too. */
static void kill_server (void) {
  if (server_pid > 0) {
    kill(-server_pid, SIGKILL);
    waitpid(server_pid, NULL, 0);
  }
}

static void on_signal (int number) {
  static const char late[] = "load: timed out\n", ended[] = "load: interrupted\n";
  kill_server();
  ssize_t ignored = number == SIGALRM ? write(STDERR_FILENO, late, sizeof late - 1)
                                      : write(STDERR_FILENO, ended, sizeof ended - 1);
  (void)ignored;
  _exit(EXIT_FAILURE);
}

__attribute__((noreturn, format(printf, 1, 2))) static void fail (const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("load: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  kill_server();
  exit(EXIT_FAILURE);
}

/* --- Time --------------------------------------------------------------------------------- */

static double now (void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void sleep_ms (long ms) {
  struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

/* --- What /proc says of the server -------------------------------------------------------- */

static DIR *open_proc (const char *name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", (int)server_pid, name);
  DIR *directory = opendir(path);
  if (directory == NULL) fail("%s: %s", path, strerror(errno));
  return directory;
}

/* Nanoseconds on a processor, all threads together. */
static long read_cpu (void) {
  DIR *tasks = open_proc("task");
  long total = 0;
  for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
    char path[sizeof entry->d_name + 64];
    long time = 0;
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)server_pid, entry->d_name);
    FILE *file = fopen(path, "r");
    if (file == NULL) continue; /* the thread may just have ended */
    if (fscanf(file, "%ld", &time) == 1) total += time;
    fclose(file);
  }
  closedir(tasks);
  if (total == 0) fail("no processor time in /proc/%d/task/*/schedstat", (int)server_pid);
  return total;
}

/* Resident bytes. */
static long read_rss (void) {
  char path[64], line[256];
  long kib = -1;
  snprintf(path, sizeof path, "/proc/%d/status", (int)server_pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) fail("%s: %s", path, strerror(errno));
  while (kib < 0 && fgets(line, sizeof line, file) != NULL) {
    if (sscanf(line, "VmRSS: %ld kB", &kib) != 1) kib = -1;
  }
  fclose(file);
  if (kib < 0) fail("no VmRSS in %s", path);
  return kib * 1024;
}

/* Open descriptors. */
static long read_fds (void) {
  DIR *fds = open_proc("fd");
  long count = 0;
  for (struct dirent *entry; (entry = readdir(fds)) != NULL;) count += entry->d_name[0] != '.';
  closedir(fds);
  return count;
}

/* Reads until the value has stayed the same for a while, or time is up. */
static long settle (long (*reading)(void)) {
  long value = reading();
  for (long waited = 0, same = 0; same < STABLE_MS && waited < SETTLE_MS; waited += POLL_MS) {
    sleep_ms(POLL_MS);
    long next = reading();
    same = next == value ? same + POLL_MS : 0;
    value = next;
  }
  return value;
}

/* --- The server --------------------------------------------------------------------------- */

static void raise_fd_limit (int connections) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("getrlimit: %s", strerror(errno));
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail("setrlimit: %s", strerror(errno));
  if (limit.rlim_cur < (rlim_t)(connections + SPARE_FDS)) {
    fail("%d connections need more than the hard limit of %llu descriptors", connections,
         (unsigned long long)limit.rlim_cur);
  }
}

/* The load runs on the first processor it may use and the server on the second, so that they
 * neither move about nor take turns. With only one processor they have to share it. */
static void pin (int second) {
  cpu_set_t allowed, chosen;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2) return;
  for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &allowed) || second-- > 0) continue;
    CPU_ZERO(&chosen);
    CPU_SET(cpu, &chosen);
    sched_setaffinity(0, sizeof chosen, &chosen);
    return;
  }
}

static void run_command (char **command, const int *out) {
  pin(1);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(out[1], STDOUT_FILENO);
  close(out[0]);
  close(out[1]);
  execvp(command[0], command);
  fprintf(stderr, "load: %s: %s\n", command[0], strerror(errno));
  _exit(127);
}

/* Returns the port. The pipe stays open, so that the server may print more. */
static in_port_t start_server (char **command) {
  int out[2];
  char line[32];
  size_t used = 0;
  if (pipe(out) != 0) fail("pipe: %s", strerror(errno));
  pid_t pid = fork();
  if (pid < 0) fail("fork: %s", strerror(errno));
  if (pid == 0) run_command(command, out);
  pin(0);
  setpgid(pid, pid); /* in both processes, as either may come first */
  server_pid = pid;
  close(out[1]);
  while (used < sizeof line - 1 && read(out[0], line + used, 1) == 1 && line[used] != '\n') used++;
  int ended = line[used] == '\n';
  line[used] = '\0';
  char *rest;
  long port = strtol(line, &rest, 10);
  if (!ended || *rest != '\0' || port <= 0 || port > 65535) fail("%s: no port", command[0]);
  return (in_port_t)port;
}

static void stop_server (void) {
  pid_t pid = server_pid;
  int status;
  if (waitpid(pid, &status, WNOHANG) == pid) {
    server_pid = 0;
    fail("the server ended by itself, wait status %d", status);
  }
  kill(-pid, SIGTERM);
  for (long waited = 0; waited < STOP_MS; waited += POLL_MS) {
    if (waitpid(pid, &status, WNOHANG) == pid) {
      server_pid = 0;
      return;
    }
    sleep_ms(POLL_MS);
  }
  kill_server();
}

/* --- Connections -------------------------------------------------------------------------- */

static void connect_one (struct connection *conn, int index, size_t length, in_port_t port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  char label[16];
  int digits = snprintf(label, sizeof label, "%08d", index);
  memset(conn->line, 'a' + index % 26, length);
  if ((size_t)digits < length) memcpy(conn->line, label, (size_t)digits);
  conn->line[length - 1] = '\n';
  conn->length = length;
  conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (conn->fd < 0) fail("socket: %s", strerror(errno));
  if (connect(conn->fd, (struct sockaddr *)&address, sizeof address) != 0) {
    fail("connection %d: %s", index + 1, strerror(errno));
  }
}

static void send_line (struct connection *conn) {
  ssize_t sent = send(conn->fd, conn->line, conn->length, MSG_NOSIGNAL);
  if (sent != (ssize_t)conn->length) fail("send: %s", sent < 0 ? strerror(errno) : "cut short");
  conn->got = 0;
}

/* One recv; true once the reply is complete. */
static int receive (struct connection *conn, int flags) {
  char reply[LINE_BYTES + 1]; /* one more, to notice a reply that is too long */
  ssize_t got = recv(conn->fd, reply, sizeof reply, flags);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (got <= 0) fail("recv: %s", got < 0 ? strerror(errno) : "the server closed a connection");
  size_t size = (size_t)got;
  if (size > conn->length - conn->got || memcmp(reply, conn->line + conn->got, size) != 0) {
    fail("the reply is not what was sent");
  }
  conn->got += size;
  return conn->got == conn->length;
}

/* Opens connections a few at a time with one line echoed on each, which shows that the server
 * has taken them: no accept queue overflows, however slow the server. */
static void open_all (struct connection *conns, int count, size_t length, in_port_t port) {
  for (int from = 0; from < count; from += OPEN_BATCH) {
    int to = count - from < OPEN_BATCH ? count : from + OPEN_BATCH;
    for (int i = from; i < to; i++) connect_one(&conns[i], i, length, port);
    for (int i = from; i < to; i++) send_line(&conns[i]);
    for (int i = from; i < to; i++) {
      while (!receive(&conns[i], 0)) continue;
    }
  }
}

static void close_all (struct connection *conns, int count) {
  for (int i = 0; i < count; i++) close(conns[i].fd);
}

/* A first connection, so that what a server makes only once does not count as growth. */
static void prime (in_port_t port) {
  struct connection first;
  open_all(&first, 1, LINE_BYTES, port);
  close_all(&first, 1);
  settle(read_fds);
}

/* --- Modes -------------------------------------------------------------------------------- */

static int watch_all (struct connection *conns, int count) {
  int poll = epoll_create1(EPOLL_CLOEXEC);
  if (poll < 0) fail("epoll_create1: %s", strerror(errno));
  for (int i = 0; i < count; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &conns[i]};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, conns[i].fd, &event) != 0) {
      fail("epoll_ctl: %s", strerror(errno));
    }
  }
  return poll;
}

/* Closed loop: each connection sends its next line when the last has come back. */
static void exchange (int poll, struct connection *conns, int count, long requests) {
  struct epoll_event events[EVENT_BATCH];
  long sent = 0, done = 0;
  for (int i = 0; i < count && sent < requests; i++, sent++) send_line(&conns[i]);
  while (done < requests) {
    int ready = epoll_wait(poll, events, EVENT_BATCH, -1);
    if (ready < 0 && errno != EINTR) fail("epoll_wait: %s", strerror(errno));
    for (int i = 0; i < ready; i++) {
      struct connection *conn = events[i].data.ptr;
      if (!receive(conn, MSG_DONTWAIT)) continue;
      done++;
      if (sent < requests) {
        send_line(conn);
        sent++;
      }
    }
  }
}

/* The time of a running thread is only brought up to date now and then: let the server go to
 * sleep first. */
static long read_cpu_at_rest (void) {
  sleep_ms(POLL_MS);
  return read_cpu();
}

static void measure_echo (const struct options *options, struct connection *conns) {
  long warm_up = options->requests / 10;
  if (warm_up < 2L * options->connections) warm_up = 2L * options->connections;
  int poll = watch_all(conns, options->connections);
  exchange(poll, conns, options->connections, warm_up);
  long cpu = read_cpu_at_rest();
  double start = now();
  exchange(poll, conns, options->connections, options->requests);
  double elapsed = now() - start;
  cpu = read_cpu_at_rest() - cpu;
  if (cpu <= 0) fail("process %d took no time: is it a wrapper?", (int)server_pid);
  close(poll);
  printf("mode=echo connections=%d requests=%ld cpu_ns_per_request=%.0f requests_per_s=%.0f\n",
         options->connections, options->requests, (double)cpu / (double)options->requests,
         (double)options->requests / elapsed);
}

static void measure_idle (const struct options *options, long before) {
  long after = settle(read_rss);
  printf("mode=idle connections=%d rss_before=%ld rss_after=%ld rss_bytes_per_connection=%.0f\n",
         options->connections, before, after, (double)(after - before) / (double)options->connections);
}

static void measure_hold (const struct options *options, struct connection *conns, long before) {
  long peak = read_fds();
  if (peak < before + options->connections) fail("the server has only %ld descriptors", peak);
  close_all(conns, options->connections);
  long after = read_fds();
  for (long waited = 0; after > before && waited < SETTLE_MS; waited += POLL_MS) {
    sleep_ms(POLL_MS);
    after = read_fds();
  }
  long leaked = after - before;
  printf("mode=hold connections=%d fds_before=%ld fds_peak=%ld fds_after=%ld ", options->connections, before,
         peak, after);
  printf("leaked=%ld result=%s\n", leaked, leaked > 0 ? "leak" : "ok");
}

static void run (const struct options *options) {
  struct connection *conns = calloc((size_t)options->connections, sizeof *conns);
  if (conns == NULL) fail("out of memory");
  in_port_t port = start_server(options->command);
  if (options->mode != MODE_ECHO) prime(port);
  long before = options->mode == MODE_IDLE ? settle(read_rss) : read_fds();
  size_t length = options->mode == MODE_HOLD ? HOLD_BYTES : LINE_BYTES;
  open_all(conns, options->connections, length, port);
  if (options->mode == MODE_ECHO) measure_echo(options, conns);
  else if (options->mode == MODE_IDLE) measure_idle(options, before);
  else measure_hold(options, conns, before);
  stop_server();
  free(conns);
}

/* --- Command line ------------------------------------------------------------------------- */

static long parse_count (const char *text) {
  char *rest;
  errno = 0;
  long value = strtol(text, &rest, 10);
  if (errno != 0 || *rest != '\0' || value < 1 || value > 1000000000) fail("bad number: %s", text);
  return value;
}

static enum mode parse_mode (const char *text) {
  if (strcmp(text, "echo") == 0) return MODE_ECHO;
  if (strcmp(text, "idle") == 0) return MODE_IDLE;
  if (strcmp(text, "hold") == 0) return MODE_HOLD;
  fail("no such mode: %s", text);
}

int main (int argc, char **argv) {
  struct options options = {.mode = MODE_ECHO, .connections = 50, .requests = 100000};
  for (int option; (option = getopt(argc, argv, "+c:n:m:")) != -1;) {
    if (option == 'c') options.connections = (int)parse_count(optarg);
    else if (option == 'n') options.requests = parse_count(optarg);
    else if (option == 'm') options.mode = parse_mode(optarg);
    else fail("usage: load [-c CONNECTIONS] [-n REQUESTS] [-m echo|idle|hold] -- COMMAND ARGS...");
  }
  if (optind == argc) fail("no server command");
  options.command = argv + optind;
  struct sigaction action = {.sa_handler = on_signal};
  const int signals[SIGNALS] = {SIGALRM, SIGINT, SIGTERM, SIGHUP};
  for (int i = 0; i < SIGNALS; i++) sigaction(signals[i], &action, NULL);
  alarm(TIMEOUT_S);
  raise_fd_limit(options.connections);
  run(&options);
  return EXIT_SUCCESS;
}
