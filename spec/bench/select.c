/*
 * Reference for the benchmarks: poll(2) over COUNT (even) idle sockets and one that is ready, CALLS times:
 * ready before the call, and made ready by another thread, so that poll mostly has to wait.
 *
 *   select COUNT CALLS
 *
 * Prints microseconds of processor time for each call.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int ends[2]; /* the one that gets ready, and who makes it so */
static int order;   /* tells the thread to do it */

static void check (int good, const char *what) {
  if (good) return;
  perror(what);
  exit(EXIT_FAILURE);
}

static void *make_ready (void *unused) {
  eventfd_t value;
  while (eventfd_read(order, &value) == 0) check(write(ends[1], "x", 1) == 1, "write");
  return unused;
}

static void here (void) {
  check(write(ends[1], "x", 1) == 1, "write");
}

static void there (void) {
  check(eventfd_write(order, 1) == 0, "eventfd_write");
}

static struct pollfd *open_all (long count) {
  struct pollfd *fds = calloc((size_t)count + 1, sizeof *fds);
  check(fds != NULL, "calloc");
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
  for (long i = 0; i < count; i += 2) {
    int pair[2];
    check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
    fds[i] = (struct pollfd){.fd = pair[0], .events = POLLIN};
    fds[i + 1] = (struct pollfd){.fd = pair[1], .events = POLLIN};
  }
  fds[count] = (struct pollfd){.fd = ends[0], .events = POLLIN};
  return fds;
}

static double measure (struct pollfd *fds, long count, long calls, void (*prompt)(void)) {
  clock_t start = clock();
  for (long i = 0; i < calls; i++) {
    char byte;
    prompt();
    check(poll(fds, (nfds_t)count + 1, -1) == 1 && fds[count].revents == POLLIN, "poll");
    check(read(ends[0], &byte, 1) == 1, "read");
  }
  return (double)(clock() - start) / (double)calls * 1e6 / CLOCKS_PER_SEC;
}

int main (int argc, char **argv) {
  struct rlimit limit;
  pthread_t thread;
  long count = argc == 3 ? atol(argv[1]) : 0, calls = argc == 3 ? atol(argv[2]) : 0;
  if (count < 2 || count % 2 != 0 || calls < 1) {
    fputs("usage: select COUNT CALLS\n", stderr);
    return EXIT_FAILURE;
  }
  check(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
  struct pollfd *fds = open_all(count);
  order = eventfd(0, 0);
  check(order >= 0 && pthread_create(&thread, NULL, make_ready, NULL) == 0, "thread");
  double ready = measure(fds, count, calls, here), waiting = measure(fds, count, calls, there);
  printf("ready_us=%.1f waiting_us=%.1f\n", ready, waiting);
  return EXIT_SUCCESS;
}
