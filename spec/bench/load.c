/*
 * Load generator for line echo servers. Starts a server, reads its port from the first line it
 * prints, and drives it over 127.0.0.1:
 *
 *   load [-c CONNECTIONS] [-n REQUESTS] [-m echo|idle|hold] [-t] -- COMMAND ARGS...
 *
 *   echo  closed loop of 64-byte lines; the processor time the server took for each request
 *   idle  connections left open after one line; the memory the server holds for each of them
 *   hold  many connections at once, then all closed; whether the server gave them all up
 *
 * With -t the lines go through TLS, whoever the server is.
 *
 * Prints one line of key=value pairs. Any failure to run is a message and a non-zero status.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "server.h"

#define LINE_BYTES 64
#define HOLD_BYTES 2  /* one byte and the newline */
#define OPEN_BATCH 50 /* below the smallest accept queue a server here is likely to ask for */
#define EVENT_BATCH 256
#define SPARE_FDS 64    /* what a process needs beside its connections */
#define TIMEOUT_S 60    /* the whole run */
#define SETTLE_MS 10000 /* the longest wait for a reading to settle */
#define POLL_MS 10

enum mode { MODE_ECHO, MODE_IDLE, MODE_HOLD };

struct options {
  enum mode mode;
  int connections;
  long requests;
  SSL_CTX *tls; /* or NULL */
  char **command;
};

struct connection {
  int fd;
  SSL *ssl;              /* NULL: no TLS */
  size_t length;         /* of its line */
  size_t got;            /* bytes of the reply so far */
  char line[LINE_BYTES]; /* differs between connections, so mixed-up replies are noticed */
};

/* --- Connections -------------------------------------------------------------------------- */

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

/* Who the server is does not matter here. */
static SSL_CTX *make_context (void) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (context == NULL) fail("no TLS");
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
  return context;
}

static void start_tls (struct connection *conn, SSL_CTX *tls) {
  conn->ssl = SSL_new(tls);
  if (conn->ssl == NULL || SSL_set_fd(conn->ssl, conn->fd) != 1 || SSL_connect(conn->ssl) != 1) {
    fail("the TLS handshake failed");
  }
}

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
  ssize_t sent = conn->ssl != NULL ? SSL_write(conn->ssl, conn->line, (int)conn->length)
                                   : send(conn->fd, conn->line, conn->length, MSG_NOSIGNAL);
  if (sent != (ssize_t)conn->length) fail("send: %s", sent < 0 ? strerror(errno) : "cut short");
  conn->got = 0;
}

static ssize_t receive_tls (SSL *ssl, char *to, size_t room) {
  int got = SSL_read(ssl, to, (int)room);
  if (got > 0) return got;
  int reason = SSL_get_error(ssl, got);
  errno = reason == SSL_ERROR_WANT_READ ? EAGAIN : EPROTO;
  return reason == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

/* One recv; true once the reply is complete. */
static int receive (struct connection *conn, int flags) {
  char reply[LINE_BYTES + 1]; /* one more, to notice a reply that is too long */
  ssize_t got = conn->ssl != NULL ? receive_tls(conn->ssl, reply, sizeof reply)
                                  : recv(conn->fd, reply, sizeof reply, flags);
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
static void open_all (struct connection *conns, int count, size_t length, in_port_t port, SSL_CTX *tls) {
  for (int from = 0; from < count; from += OPEN_BATCH) {
    int to = count - from < OPEN_BATCH ? count : from + OPEN_BATCH;
    for (int i = from; i < to; i++) connect_one(&conns[i], i, length, port);
    for (int i = from; i < to && tls != NULL; i++) start_tls(&conns[i], tls);
    for (int i = from; i < to; i++) send_line(&conns[i]);
    for (int i = from; i < to; i++) {
      while (!receive(&conns[i], 0)) continue;
    }
  }
}

static void close_all (struct connection *conns, int count) {
  for (int i = 0; i < count; i++) {
    SSL_free(conns[i].ssl);
    close(conns[i].fd);
  }
}

/* A first connection, so that what a server makes only once does not count as growth. */
static void prime (in_port_t port, SSL_CTX *tls) {
  struct connection first = {0};
  open_all(&first, 1, LINE_BYTES, port, tls);
  close_all(&first, 1);
  settle(read_fds);
}

/* --- Modes -------------------------------------------------------------------------------- */

/* OpenSSL has no MSG_DONTWAIT. */
static void unblock (const struct connection *conn) {
  if (conn->ssl == NULL) return;
  if (fcntl(conn->fd, F_SETFL, fcntl(conn->fd, F_GETFL) | O_NONBLOCK) != 0)
    fail("fcntl: %s", strerror(errno));
}

static int watch_all (struct connection *conns, int count) {
  int poll = epoll_create1(EPOLL_CLOEXEC);
  if (poll < 0) fail("epoll_create1: %s", strerror(errno));
  for (int i = 0; i < count; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &conns[i]};
    unblock(&conns[i]);
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

static void measure_echo (const struct options *options, struct connection *conns) {
  long warm_up = options->requests / 10;
  if (warm_up < 2L * options->connections) warm_up = 2L * options->connections;
  int poll = watch_all(conns, options->connections);
  exchange(poll, conns, options->connections, warm_up);
  long cpu = read_cpu();
  double start = now();
  exchange(poll, conns, options->connections, options->requests);
  double elapsed = now() - start;
  cpu = read_cpu() - cpu;
  if (cpu <= 0) fail("the server took no time: is it a wrapper?");
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
  in_port_t port = start_server(options->command, TIMEOUT_S);
  if (options->mode != MODE_ECHO) prime(port, options->tls);
  long before = options->mode == MODE_IDLE ? settle(read_rss) : read_fds();
  size_t length = options->mode == MODE_HOLD ? HOLD_BYTES : LINE_BYTES;
  open_all(conns, options->connections, length, port, options->tls);
  if (options->mode == MODE_ECHO) measure_echo(options, conns);
  else if (options->mode == MODE_IDLE) measure_idle(options, before);
  else measure_hold(options, conns, before);
  stop_server();
  free(conns);
}

/* --- Command line ------------------------------------------------------------------------- */

static enum mode parse_mode (const char *text) {
  if (strcmp(text, "echo") == 0) return MODE_ECHO;
  if (strcmp(text, "idle") == 0) return MODE_IDLE;
  if (strcmp(text, "hold") == 0) return MODE_HOLD;
  fail("no such mode: %s", text);
}

int main (int argc, char **argv) {
  struct options options = {.mode = MODE_ECHO, .connections = 50, .requests = 100000};
  for (int option; (option = getopt(argc, argv, "+c:n:m:t")) != -1;) {
    if (option == 'c') options.connections = (int)parse_count(optarg);
    else if (option == 'n') options.requests = parse_count(optarg);
    else if (option == 'm') options.mode = parse_mode(optarg);
    else if (option == 't') options.tls = make_context();
    else fail("usage: load [-c CONNECTIONS] [-n REQUESTS] [-m echo|idle|hold] [-t] -- COMMAND ARGS...");
  }
  if (optind == argc) fail("no server command");
  options.command = argv + optind;
  raise_fd_limit(options.connections);
  signal(SIGPIPE, SIG_IGN);
  run(&options);
  return EXIT_SUCCESS;
}
