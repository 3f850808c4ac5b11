/*
 * permit.c: the one gate. Every socket is made here, and everything that connects, binds, listens or
 * sends passes here with its sockaddr, so that a rule set has one place to decide in. All is allowed now.
 * A refusal will be -1 with errno EACCES.
 */
#include <errno.h>

#include "netlua.h"

enum operation { CONNECT, BIND, LISTEN, SEND };

static bool allowed (enum operation operation, const struct sockaddr *a, socklen_t len) {
  (void)operation;
  (void)a;
  (void)len;
  return true;
}

static int refuse (void) {
  errno = EACCES;
  return -1;
}

int nl_socket (int family, int type, int protocol) {
  return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

int nl_connect (int fd, const nl_address *a) {
  if (!allowed(CONNECT, &a->sa.any, a->len)) return refuse();
  return connect(fd, &a->sa.any, a->len);
}

int nl_bind (int fd, const nl_address *a) {
  if (!allowed(BIND, &a->sa.any, a->len)) return refuse();
  return bind(fd, &a->sa.any, a->len);
}

int nl_listen (int fd, int backlog) {
  if (!allowed(LISTEN, NULL, 0)) return refuse();
  return listen(fd, backlog);
}

ssize_t nl_sendmsg (int fd, const struct msghdr *m) {
  if (m->msg_name != NULL && !allowed(SEND, m->msg_name, m->msg_namelen)) return refuse();
  return sendmsg(fd, m, MSG_NOSIGNAL | MSG_DONTWAIT);
}
