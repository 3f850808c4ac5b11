/*
 * Reference for the benchmarks: the least a datagram echo server in C can do. One recvfrom and one sendto
 * for each datagram. Prints its port, then serves.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

int main (void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  char bytes[2048];
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
      getsockname(fd, (struct sockaddr *)&address, &size) != 0) {
    perror("udp");
    return EXIT_FAILURE;
  }
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    struct sockaddr_storage from;
    socklen_t length = sizeof from;
    ssize_t got = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &length);
    if (got < 0 || sendto(fd, bytes, (size_t)got, 0, (struct sockaddr *)&from, length) != got) {
      perror("udp");
      return EXIT_FAILURE;
    }
  }
}
