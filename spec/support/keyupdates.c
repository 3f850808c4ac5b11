/*
 * keyupdates.c: a client that asks its server for new keys again and again for some seconds, and never reads
 * the answers. Prints how often.
 *
 * usage: keyupdates PORT SECONDS
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/ssl.h>

static double now (void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main (int argc, char **argv) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (argc != 3) return 2;
  a.sin_port = htons((uint16_t)atoi(argv[1]));
  double end = now() + atof(argv[2]);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
  (void)signal(SIGPIPE, SIG_IGN);
  if (ssl == NULL || connect(fd, (struct sockaddr *)&a, sizeof a) < 0) return 1;
  if (SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1) return 1;
  long n = 0;
  while (now() < end && SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(ssl) == 1) n++;
  (void)printf("%ld\n", n);
  return 0;
}
