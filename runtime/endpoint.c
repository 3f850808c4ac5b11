/*
 * endpoint.c: what the bindings of sockets share: the classes of listeners and datagram sockets, addresses
 * as arguments, a socket that takes the family of its first address, and the errors that the kernel queued.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core.h"

#define SMALL ((size_t)2048) /* a receive buffer that is cheap at any time */
#define ADDRESSESONLY "Methods of sockets take addresses only: net.getaddrinfo finds those of a name."
#define ROOM 0.001 /* seconds before a full unix datagram socket is tried again */

/* Their methods come from the bindings. */
const nl_class nl_listener_class = {"net.listener", NULL, nl_releasestream, &nl_handle_class, NULL,
                                    NULL,           NULL};
const nl_class nl_datagram_class = {"net.datagram", NULL, nl_releasestream, &nl_handle_class, NULL,
                                    NULL,           NULL};

static const char *reason (const char *host, const char *problem) {
  if (problem != NULL) return problem;
  return *host == '\0' ? "the address is empty; 0.0.0.0 or :: stand for any" : "not a numeric address";
}

int nl_checkaddress (lua_State *L, int arg, const char *op, nl_address *a) {
  size_t len;
  const char *problem, *host = luaL_checklstring(L, arg, &len);
  uint16_t port = nl_isunix(host) ? 0 : nl_checkport(L, arg + 1);
  if (strlen(host) != len && !nl_isunix(host)) luaL_argerror(L, arg, "text without NUL bytes expected");
  if (nl_parseaddress(host, len, port, a, &problem)) return 0;
  if (nl_isunix(host)) luaL_argerror(L, arg, problem);
  int n = nl_fail(L, op, "EAI_NONAME", "%s", reason(host, problem));
  lua_pushvalue(L, arg);
  lua_setfield(L, -2, "host");
  lua_pushstring(L, problem != NULL ? "netlua ifaces -a lists the interfaces." : ADDRESSESONLY);
  lua_setfield(L, -2, "hint");
  return n;
}

/* Without a route to a group of the link it may be that nothing says which link, or that there is none. */
static bool isgroup (int number, const nl_address *a) {
  const void *bytes;
  return number == ENETUNREACH && nl_addressbytes(a, &bytes) == 16 && *(const unsigned char *)bytes == 0xff;
}

/* The kernel has several words for a zone that is missing or that is none, and none of them says so. */
static void setzonemessage (lua_State *L, int number, const nl_address *a) {
  char name[IF_NAMESIZE];
  unsigned zone = nl_zoneof(a);
  if (number != EINVAL && number != EADDRNOTAVAIL && number != ENETUNREACH && number != ENODEV) return;
  if (!nl_needszone(a) || (zone != 0 && if_indextoname(zone, name) != NULL)) return;
  lua_pushliteral(L, NL_PUTZONE);
  lua_setfield(L, -2, "hint");
  if (zone == 0 && isgroup(number, a)) return;
  if (zone == 0) lua_pushliteral(L, NL_NOZONE);
  else lua_pushfstring(L, "the zone names interface %I, and there is none", (LUAI_UACINT)zone);
  lua_setfield(L, -2, "message");
}

int nl_failedat (lua_State *L, const char *op, int number, const nl_address *a) {
  int n = nl_errno(L, op, number);
  nl_erroraddress(L, a);
  setzonemessage(L, number, a);
  return n;
}

int nl_badoption (lua_State *L, const char *op, int number, int arg, const char *name) {
  luaL_pushfail(L);
  if (number != 0) nl_pusherrno(L, op, number);
  else nl_pusherror(L, op, "EINVAL", "not a numeric address");
  lua_pushstring(L, name);
  lua_rawget(L, arg);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, name);
  const char *value = nl_pushshown(L, -1);
  (void)lua_getfield(L, -3, "message");
  lua_pushfstring(L, "%s %s: %s", name, value, lua_tostring(L, -1));
  lua_setfield(L, -5, "message");
  lua_pop(L, 3); /* the message, the text and the value */
  return 2;
}

int nl_domain (int fd) {
  int family = AF_UNSPEC;
  socklen_t len = sizeof family;
  (void)getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len); /* AF_UNSPEC where it is no socket */
  return family;
}

int nl_typeof (int fd) {
  int type = SOCK_STREAM;
  socklen_t len = sizeof type;
  (void)getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len); /* stream where it cannot say */
  return type;
}

int nl_familyof (nl_stream *s) {
  if (s->family == AF_UNSPEC) s->family = (uint16_t)nl_domain(s->handle.fd);
  return s->family;
}

/* ---- loose sockets: the family comes with the first address */

typedef struct twin { /* an option of an IPv4 socket and what it is called on an IPv6 socket */
  int level, number, level6, number6;
  int divisor; /* the kernel reports so many times what it was given */
} twin;

static const twin twins[] = {
    {SOL_SOCKET, SO_REUSEADDR, SOL_SOCKET, SO_REUSEADDR, 1},
    {SOL_SOCKET, SO_REUSEPORT, SOL_SOCKET, SO_REUSEPORT, 1},
    {SOL_SOCKET, SO_BROADCAST, SOL_SOCKET, SO_BROADCAST, 1},
    {SOL_SOCKET, SO_DONTROUTE, SOL_SOCKET, SO_DONTROUTE, 1},
    {SOL_SOCKET, SO_RCVBUF, SOL_SOCKET, SO_RCVBUF, 2},
    {SOL_SOCKET, SO_SNDBUF, SOL_SOCKET, SO_SNDBUF, 2},
    {SOL_SOCKET, SO_PRIORITY, SOL_SOCKET, SO_PRIORITY, 1},
    {SOL_SOCKET, SO_MARK, SOL_SOCKET, SO_MARK, 1},
    {SOL_SOCKET, SO_BINDTOIFINDEX, SOL_SOCKET, SO_BINDTOIFINDEX, 1},
    {SOL_SOCKET, SO_TIMESTAMP, SOL_SOCKET, SO_TIMESTAMP, 1},
    {SOL_SOCKET, SO_TIMESTAMPNS, SOL_SOCKET, SO_TIMESTAMPNS, 1},
    {SOL_SOCKET, SO_RXQ_OVFL, SOL_SOCKET, SO_RXQ_OVFL, 1},
    {SOL_SOCKET, SO_BUSY_POLL, SOL_SOCKET, SO_BUSY_POLL, 1},
    {SOL_SOCKET, SO_SELECT_ERR_QUEUE, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1},
    {IPPROTO_IP, IP_TTL, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 1},
    {IPPROTO_IP, IP_TOS, IPPROTO_IPV6, IPV6_TCLASS, 1},
    {IPPROTO_IP, IP_MULTICAST_TTL, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1},
    {IPPROTO_IP, IP_MULTICAST_LOOP, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1},
    {IPPROTO_IP, IP_MULTICAST_ALL, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 1},
    {IPPROTO_IP, IP_MTU_DISCOVER, IPPROTO_IPV6, IPV6_MTU_DISCOVER, 1},
    {IPPROTO_IP, IP_FREEBIND, IPPROTO_IPV6, IPV6_FREEBIND, 1},
    {IPPROTO_IP, IP_TRANSPARENT, IPPROTO_IPV6, IPV6_TRANSPARENT, 1},
    {IPPROTO_IP, IP_PKTINFO, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1},
    {IPPROTO_IP, IP_RECVTTL, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1},
    {IPPROTO_IP, IP_RECVTOS, IPPROTO_IPV6, IPV6_RECVTCLASS, 1},
    {IPPROTO_IP, IP_RECVERR, IPPROTO_IPV6, IPV6_RECVERR, 1},
    {IPPROTO_IP, IP_RECVORIGDSTADDR, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, 1},
    {IPPROTO_UDP, 104 /* UDP_GRO */, IPPROTO_UDP, 104, 1},
};

static bool getint (int fd, int level, int number, int *value) {
  socklen_t len = sizeof *value;
  *value = 0;
  return getsockopt(fd, level, number, value, &len) == 0;
}

/* What was set on the one holds for the other; what the kernel does not let us repeat stays behind. */
static void carryoptions (int from, int to, bool v6) {
  for (size_t i = 0; i < sizeof twins / sizeof *twins; i++) {
    const twin *t = &twins[i];
    int level = v6 ? t->level6 : t->level, number = v6 ? t->number6 : t->number, was, is;
    if (!getint(from, t->level, t->number, &was) || !getint(to, level, number, &is) || was == is) continue;
    was /= t->divisor;
    (void)setsockopt(to, level, number, &was, sizeof was);
    if (level != t->level) (void)setsockopt(to, t->level, t->number, &was, sizeof was); /* for IPv4 on it */
  }
}

int nl_matchfamily (lua_State *L, nl_stream *s, int family) {
  if (!s->loose) return 0;
  s->loose = false;
  if (nl_familyof(s) == family) return 0;
  int fd = nl_socket(family, SOCK_DGRAM, 0);
  if (fd < 0) return -1;
  carryoptions(s->handle.fd, fd, family == AF_INET6);
  nl_carryinterface(s->handle.fd, fd, family);
  nl_forget(L, &s->handle);
  int moved = dup3(fd, s->handle.fd, O_CLOEXEC);
  int number = errno;
  (void)close(fd); /* only a second name of the socket */
  nl_attach(&s->handle, s->handle.fd);
  s->family = AF_UNSPEC;
  errno = number;
  return moved < 0 ? -1 : 0;
}

int nl_fitaddress (lua_State *L, nl_stream *s, nl_address *a) {
  int wanted = a->sa.any.sa_family;
  if (nl_matchfamily(L, s, wanted) < 0) return -1;
  int family = nl_familyof(s);
  if (family == wanted || family == AF_UNSPEC) return 0; /* the kernel says that it is no socket */
  if (family == AF_INET6 && wanted == AF_INET) {
    nl_mapaddress(a);
    return 0;
  }
  errno = EAFNOSUPPORT;
  return -1;
}

/* ---- sending */

int nl_sendlater (nl_wait *w, const nl_address *to) {
  if (to != NULL && to->sa.any.sa_family == AF_UNIX) w->after = ROOM;
  return NL_AGAIN;
}

/* ---- receiving */

/* Datagram sockets of ICMP do not tell how long a message is that is looked at with MSG_TRUNC. */
static bool telling (int fd) {
  int protocol = 0;
  (void)getint(fd, SOL_SOCKET, SO_PROTOCOL, &protocol);
  return protocol != IPPROTO_ICMP && protocol != IPPROTO_ICMPV6;
}

ssize_t nl_datagramroom (int fd, size_t max) {
  if (max <= SMALL) return (ssize_t)max;
  ssize_t next = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
  if (next == 0 && !telling(fd)) return (ssize_t)max;
  return next < 0 ? -1 : next < 1 ? 1 : (size_t)next < max ? next : (ssize_t)max;
}

/* The kernel tells an empty record from the end only by what else holds: the peer is still there, or a byte
 * is left to receive, in whatever record; families without FIONREAD tell of the next one alone. Empty records
 * right before the end count as the end. */
bool nl_endofrecords (int fd) {
  struct pollfd peer = {.fd = fd, .events = POLLRDHUP};
  int left = 0;
  if (nl_typeof(fd) != SOCK_SEQPACKET) return false;
  if (poll(&peer, 1, 0) == 0) return false;
  if (ioctl(fd, FIONREAD, &left) == 0) return left == 0;
  return recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT) <= 0;
}

/* A socket that is shut down for reading counts as readable, though a receive that must not block finds what
 * it finds on one that is not. Who only looks is spared the question where it was not shut down here. */
int nl_nothing (lua_State *L, nl_stream *s, nl_wait *w, const char *op) {
  int number = errno;
  struct pollfd own = {.fd = s->handle.fd, .events = POLLRDHUP};
  bool looked = number == EAGAIN && (w->woken || (w->poll && s->deaf));
  if (looked && poll(&own, 1, 0) > 0 && (own.revents & POLLRDHUP)) return nl_eof(L);
  errno = number;
  return nl_notready(L, w, op);
}

int nl_queuederror (int fd) {
  union {
    struct cmsghdr align;
    char bytes[512];
  } control;
  char byte;
  struct iovec v = {&byte, 1};
  struct msghdr m = {
      .msg_iov = &v, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  if (recvmsg(fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
    struct sock_extended_err e;
    bool named = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                 (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
    if (!named || c->cmsg_len < CMSG_LEN(sizeof e)) continue;
    memcpy(&e, CMSG_DATA(c), sizeof e);
    return (int)e.ee_errno == ENOMSG ? 0 : (int)e.ee_errno; /* ENOMSG: a transmit timestamp */
  }
  return 0;
}
