/*
 * Reference for the benchmarks: COUNT connections to a port of 127.0.0.1, one after the other, each closed
 * at once:
 *
 *   dial COUNT PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main (int argc, char **argv) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (argc != 3) {
    fputs("usage: dial COUNT PORT\n", stderr);
    return EXIT_FAILURE;
  }
  address.sin_port = htons((in_port_t)atoi(argv[2]));
  for (long left = atol(argv[1]); left > 0; left--) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
      perror("dial");
      return EXIT_FAILURE;
    }
    close(fd);
  }
  return EXIT_SUCCESS;
}
