/*
 * permit.c: the one gate. Every socket is made here, and everything that connects, binds, listens or
 * sends passes here with its sockaddr, so that a rule set has one place to decide in. All is allowed now.
 * A refusal will be -1 with errno EACCES.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "netlua.h"

enum operation { CONNECT, BIND, LISTEN, SEND, JOIN };

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

ssize_t nl_sendto (int fd, const void *data, size_t len, const nl_address *to) {
  if (to == NULL) return send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (!allowed(SEND, &to->sa.any, to->len)) return refuse();
  return sendto(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT, &to->sa.any, to->len);
}

/* Linux otherwise hands a socket that is bound to the port all groups that anybody joined. */
static int onlyown (int fd, int family) {
  int off = 0;
  if (family == AF_INET) return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_ALL, &off, sizeof off);
  return setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_ALL, &off, sizeof off);
}

int nl_membership (int fd, int operation, unsigned index, const nl_address *group, const nl_address *source) {
  int family = group->sa.any.sa_family;
  int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
  bool joins = operation == MCAST_JOIN_GROUP || operation == MCAST_JOIN_SOURCE_GROUP;
  struct group_source_req r = {.gsr_interface = index}; /* begins as a struct group_req does */
  if (joins && !allowed(JOIN, &group->sa.any, group->len)) return refuse();
  if (joins && onlyown(fd, family) < 0) return -1;
  memcpy(&r.gsr_group, &group->sa.storage, sizeof r.gsr_group);
  if (source != NULL) memcpy(&r.gsr_source, &source->sa.storage, sizeof r.gsr_source);
  return setsockopt(fd, level, operation, &r, source != NULL ? sizeof r : sizeof(struct group_req));
}
