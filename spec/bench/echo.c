/*
 * Reference for the benchmarks: the least a line echo server in C can do. One thread, epoll
 * (level-triggered), one read and one write for each request. Prints its port, then serves.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_FD 20000
#define BATCH 256

/* Indexed by descriptor; pages are only touched for connections that exist. */
static struct pending {
  size_t used;
  char bytes[1024];
} connections[MAX_FD];

static void watch (int poll, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (fd >= MAX_FD || epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0) close(fd);
  else connections[fd].used = 0;
}

/* A line that does not fit, or a client that does not read, ends the connection: a full buffer
 * makes read return 0, a full socket makes write fall short. */
static int echo (int fd, struct pending *line) {
  ssize_t got = read(fd, line->bytes + line->used, sizeof line->bytes - line->used);
  if (got <= 0) return 0;
  line->used += (size_t)got;
  const char *newline = memrchr(line->bytes, '\n', line->used);
  if (newline == NULL) return 1;
  size_t whole = (size_t)(newline + 1 - line->bytes);
  if (write(fd, line->bytes, whole) != (ssize_t)whole) return 0;
  line->used -= whole;
  memmove(line->bytes, newline + 1, line->used);
  return 1;
}

int main (void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  struct epoll_event events[BATCH];
  int poll = epoll_create1(0), server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (poll < 0 || bind(server, (struct sockaddr *)&address, size) != 0 || listen(server, 4096) != 0 ||
      getsockname(server, (struct sockaddr *)&address, &size) != 0) {
    perror("echo");
    return EXIT_FAILURE;
  }
  signal(SIGPIPE, SIG_IGN);
  watch(poll, server);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    int count = epoll_wait(poll, events, BATCH, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd, client;
      if (fd != server) {
        if (!echo(fd, &connections[fd])) close(fd);
      } else
        while ((client = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= 0) watch(poll, client);
    }
  }
}
