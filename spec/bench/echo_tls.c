/*
 * Reference for the benchmarks: echo.c with TLS, the least that OpenSSL's own way takes. One thread, epoll
 * (level-triggered), the handshake as a part of the first read.
 *
 *   echo_tls CERTIFICATE KEY
 *
 * Prints its port, then serves.
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

#include <openssl/err.h>
#include <openssl/ssl.h>

#define MAX_FD 20000
#define BATCH 256

/* Indexed by descriptor; pages are only touched for connections that exist. */
static struct connection {
  SSL *ssl;
  size_t used;
  char bytes[1024];
} connections[MAX_FD];

/* An idle connection keeps no buffers, a record comes with one system call, and sessions are in the tickets
 * that clients keep. */
static SSL_CTX *make_context (const char *certificate, const char *key) {
  SSL_CTX *context = SSL_CTX_new(TLS_server_method());
  if (context == NULL || SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
    ERR_print_errors_fp(stderr);
    exit(EXIT_FAILURE);
  }
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return context;
}

static int watch (int poll, int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  return fd < MAX_FD && epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void greet (int poll, int fd, SSL_CTX *context) {
  SSL *ssl = SSL_new(context);
  if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || !watch(poll, fd)) {
    SSL_free(ssl);
    close(fd);
    return;
  }
  SSL_set_accept_state(ssl);
  connections[fd].ssl = ssl;
  connections[fd].used = 0;
}

/* A line that does not fit, or a client that does not read, ends the connection: the read gets no room, the
 * write falls short. */
static int echo (struct connection *c) {
  do {
    int got = SSL_read(c->ssl, c->bytes + c->used, (int)(sizeof c->bytes - c->used));
    if (got <= 0) return c->used < sizeof c->bytes && SSL_get_error(c->ssl, got) == SSL_ERROR_WANT_READ;
    c->used += (size_t)got;
    const char *newline = memrchr(c->bytes, '\n', c->used);
    if (newline == NULL) continue;
    size_t whole = (size_t)(newline + 1 - c->bytes);
    if (SSL_write(c->ssl, c->bytes, (int)whole) != (int)whole) return 0;
    c->used -= whole;
    memmove(c->bytes, newline + 1, c->used);
  } while (SSL_has_pending(c->ssl));
  return 1;
}

static void part (int fd, struct connection *c) {
  ERR_clear_error();
  SSL_free(c->ssl);
  c->ssl = NULL;
  close(fd);
}

int main (int argc, char **argv) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  struct epoll_event events[BATCH];
  if (argc != 3) {
    fputs("usage: echo_tls CERTIFICATE KEY\n", stderr);
    return EXIT_FAILURE;
  }
  SSL_CTX *context = make_context(argv[1], argv[2]);
  int poll = epoll_create1(0), server = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (poll < 0 || bind(server, (struct sockaddr *)&address, size) != 0 || listen(server, 4096) != 0 ||
      getsockname(server, (struct sockaddr *)&address, &size) != 0 || !watch(poll, server)) {
    perror("echo_tls");
    return EXIT_FAILURE;
  }
  signal(SIGPIPE, SIG_IGN);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (;;) {
    int count = epoll_wait(poll, events, BATCH, -1);
    for (int i = 0; i < count; i++) {
      int fd = events[i].data.fd, client;
      if (fd != server) {
        if (!echo(&connections[fd])) part(fd, &connections[fd]);
      } else
        while ((client = accept4(server, NULL, NULL, SOCK_NONBLOCK)) >= 0) greet(poll, client, context);
    }
  }
}
