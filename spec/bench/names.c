/*
 * Reference for the benchmarks: getaddrinfo(3) of one name COUNT times, by THREADS threads at a time:
 *
 *   names NAME COUNT THREADS
 */
#define _GNU_SOURCE
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define MOST_THREADS 1024

static const char *name;
static atomic_long left;

static void *look_up (void *unused) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
  while (atomic_fetch_sub(&left, 1) > 0) {
    int status = getaddrinfo(name, NULL, &hints, &list);
    if (status != 0) {
      fprintf(stderr, "names: %s: %s\n", name, gai_strerror(status));
      exit(EXIT_FAILURE);
    }
    freeaddrinfo(list);
  }
  return unused;
}

int main (int argc, char **argv) {
  pthread_t threads[MOST_THREADS];
  int count = argc == 4 ? atoi(argv[3]) : 0;
  if (count < 1 || count > MOST_THREADS) {
    fputs("usage: names NAME COUNT THREADS\n", stderr);
    return EXIT_FAILURE;
  }
  name = argv[1];
  left = atol(argv[2]);
  for (int i = 0; i < count; i++) {
    if (pthread_create(&threads[i], NULL, look_up, NULL) != 0) return EXIT_FAILURE;
  }
  for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
  return EXIT_SUCCESS;
}
