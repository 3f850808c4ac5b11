/*
 * scan.c: what a scan of closed ports costs at least: socket, connect and close for each. Says how many
 * of the first COUNT ports of 127.0.0.1 refused.
 *
 *   scan [COUNT]
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int refuses (uint16_t port) {
  struct sockaddr_in a;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    perror("socket");
    exit(1);
  }
  memset(&a, 0, sizeof a);
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int refused = connect(fd, (const struct sockaddr *)&a, sizeof a) < 0 && errno == ECONNREFUSED;
  (void)close(fd);
  return refused;
}

int main (int argc, char *argv[]) {
  long count = argc > 1 ? strtol(argv[1], NULL, 10) : 65535;
  long closed = 0;
  for (long port = 1; port <= count && port <= 65535; port++) closed += refuses((uint16_t)port);
  printf("closed=%ld\n", closed);
  return 0;
}
