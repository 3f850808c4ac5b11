/*
 * keyupdates.c: a client that asks its server for new keys again and again, faster than anybody can follow:
 * it makes all of its messages first. It says "sent" when no more of them fit into the kernel, and reads no
 * answers until all are sent.
 *
 * usage: keyupdates PORT COUNT
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/ssl.h>

static int dial (const char *port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  a.sin_port = htons((uint16_t)atoi(port));
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  return fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0 ? fd : -1;
}

static long sendall (int fd, char **data, long len, int flags) {
  long sent = 0;
  for (ssize_t n; sent < len && (n = send(fd, *data, (size_t)(len - sent), flags)) > 0; sent += n) *data += n;
  return sent;
}

/* Into memory, from where they go out at once. */
static int flood (SSL *ssl, int fd, int count) {
  char *data, answers[4096];
  BIO *memory = BIO_new(BIO_s_mem());
  if (memory == NULL) return 1;
  SSL_set0_wbio(ssl, memory);
  for (int i = 0; i < count; i++) {
    if (SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED) != 1 || SSL_do_handshake(ssl) != 1) return 1;
  }
  long len = BIO_get_mem_data(memory, &data);
  len -= sendall(fd, &data, len, MSG_DONTWAIT);
  (void)puts("sent");
  (void)fflush(stdout);
  len -= sendall(fd, &data, len, 0);
  (void)shutdown(fd, SHUT_WR);
  while (read(fd, answers, sizeof answers) > 0) continue;
  return len == 0 ? 0 : 1;
}

int main (int argc, char **argv) {
  int fd = argc == 3 ? dial(argv[1]) : -1;
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  SSL *ssl = context != NULL ? SSL_new(context) : NULL;
  if (fd < 0 || ssl == NULL || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1) return 1;
  int status = flood(ssl, fd, atoi(argv[2]));
  SSL_free(ssl);
  SSL_CTX_free(context);
  return status;
}
