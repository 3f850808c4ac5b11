/*
 * netlink.c: talking with the kernel's rtnetlink(7), for interfaces, routes and who watches them. Messages
 * come from the kernel, yet nothing is believed that was not checked: the sender, the port, the sequence
 * number, every length. Queries are answered while they are asked, so nothing here waits.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "netlua.h"

#define ROOM ((size_t)1 << 15)    /* for a datagram at first; the kernel fills lists up to this size */
#define LARGEST ((size_t)1 << 24) /* bytes of one datagram */
#define PASSES 16                 /* a list that changes while it is read is asked for so often */
#define CHANGED (-1)
#define LONGESTMAC 32 /* MAX_ADDR_LEN of the kernel */

static struct sockaddr_nl *netlinkaddress (nl_address *a) {
  return (struct sockaddr_nl *)&a->sa.storage;
}

static void kernel (nl_address *a, uint32_t groups) {
  memset(a, 0, sizeof *a);
  netlinkaddress(a)->nl_family = AF_NETLINK;
  netlinkaddress(a)->nl_groups = groups;
  a->len = sizeof(struct sockaddr_nl);
}

static int bindnetlink (nl_netlink *n, uint32_t groups) {
  nl_address a;
  kernel(&a, groups);
  if (nl_bind(n->fd, &a) < 0 || getsockname(n->fd, &a.sa.any, &a.len) < 0) return -1;
  n->port = netlinkaddress(&a)->nl_pid;
  return 0;
}

int nl_netlinkopen (nl_netlink *n, uint32_t groups) {
  int on = 1;
  *n = (nl_netlink){.fd = nl_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)};
  if (n->fd < 0) return -1;
  /* before Linux 4.20 lists are not filtered: whoever reads one filters too */
  (void)setsockopt(n->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  if (bindnetlink(n, groups) == 0) return 0;
  int number = errno;
  nl_netlinkclose(n);
  errno = number;
  return -1;
}

void nl_netlinkclose (nl_netlink *n) {
  free(n->bytes);
  if (n->fd >= 0) (void)close(n->fd); /* nothing useful can be done with its error */
  *n = (nl_netlink){.fd = -1};
}

/* ---- datagrams */

static bool grow (nl_netlink *n, size_t size) {
  if (size < ROOM) size = ROOM;
  if (size <= n->size) return true;
  if (size > LARGEST) {
    errno = EMSGSIZE;
    return false;
  }
  char *bytes = realloc(n->bytes, size);
  if (bytes == NULL) return false;
  n->bytes = bytes;
  n->size = size;
  return true;
}

/* Whether the lengths in it add up. */
static bool wellformed (nl_netlink *n) {
  while (nl_netlinknext(n) != NULL) continue;
  bool whole = n->at == n->length;
  n->at = 0;
  if (!whole) errno = EBADMSG;
  return whole;
}

static bool fromkernel (const struct msghdr *m) {
  const struct sockaddr_nl *from = m->msg_name;
  return m->msg_namelen == sizeof *from && from->nl_family == AF_NETLINK && from->nl_pid == 0;
}

/* 1; 0: not from the kernel, or longer than when it was measured; -1 with errno */
static int receiveone (nl_netlink *n) {
  struct sockaddr_nl from;
  struct iovec whole = {n->bytes, n->size};
  struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &whole, .msg_iovlen = 1};
  ssize_t length = recvmsg(n->fd, &m, MSG_DONTWAIT);
  if (length < 0) return errno == EINTR ? 0 : -1;
  if (!fromkernel(&m)) return 0;
  if (m.msg_flags & MSG_TRUNC) {
    errno = EMSGSIZE;
    return -1;
  }
  n->length = (size_t)length;
  n->at = 0;
  return wellformed(n) ? 1 : -1;
}

int nl_netlinkreceive (nl_netlink *n) {
  int got = 0;
  n->length = n->at = 0;
  while (got == 0) {
    ssize_t size = recv(n->fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 || !grow(n, (size_t)size)) return -1;
    got = receiveone(n);
  }
  return got < 0 ? -1 : 0;
}

const struct nlmsghdr *nl_netlinknext (nl_netlink *n) {
  struct nlmsghdr *m = (struct nlmsghdr *)(void *)(n->bytes + n->at);
  size_t left = n->length - n->at;
  if (left < sizeof *m || m->nlmsg_len < sizeof *m || m->nlmsg_len > left) return NULL;
  size_t step = NLMSG_ALIGN((size_t)m->nlmsg_len);
  n->at += step < left ? step : left;
  return m;
}

/* ---- a question and its answer */

static int ask (const nl_netlink *n, struct nlmsghdr *request) {
  nl_address to;
  struct iovec whole = {request, request->nlmsg_len};
  kernel(&to, 0);
  struct msghdr m = {.msg_name = &to.sa.any, .msg_namelen = to.len, .msg_iov = &whole, .msg_iovlen = 1};
  return nl_sendmsg(n->fd, &m) < 0 ? -1 : 0;
}

/* The errno that ends an answer; 0: it is complete. Both kinds of end carry it, negated. */
static int endof (const struct nlmsghdr *m) {
  int32_t status = 0;
  if (m->nlmsg_len >= NLMSG_LENGTH(sizeof status)) memcpy(&status, NLMSG_DATA(m), sizeof status);
  return status < 0 ? -status : 0;
}

typedef struct question {
  struct nlmsghdr *request;
  nl_visit *visit;
  void *context;
} question;

/* Reads an answer to its end: 0, CHANGED or an errno. */
static int hear (lua_State *L, nl_netlink *n, const question *q) {
  const struct nlmsghdr *m;
  bool changed = false;
  for (;;) {
    if (nl_netlinkreceive(n) < 0) return errno;
    while ((m = nl_netlinknext(n)) != NULL) {
      if (m->nlmsg_seq != q->request->nlmsg_seq || m->nlmsg_pid != n->port) continue;
      if (m->nlmsg_flags & NLM_F_DUMP_INTR) changed = true;
      if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR) {
        int number = endof(m);
        return number == 0 && changed ? CHANGED : number;
      }
      if (m->nlmsg_type >= NLMSG_MIN_TYPE) q->visit(L, m, q->context);
    }
  }
}

/* The answer as a table on top, after 0; else nothing is left there. */
static int answer (lua_State *L, nl_netlink *n, const question *q) {
  int status = CHANGED, top = lua_gettop(L);
  for (int pass = 0; pass < PASSES && status == CHANGED; pass++) {
    lua_settop(L, top);
    lua_newtable(L);
    q->request->nlmsg_seq++;
    status = ask(n, q->request) < 0 ? errno : hear(L, n, q);
  }
  if (status != 0) lua_settop(L, top);
  return status;
}

static void drop (void *ptr) {
  nl_netlinkclose(ptr);
  free(ptr);
}

int nl_netlinkask (lua_State *L, const char *op, struct nlmsghdr *request, nl_visit *visit, void *context) {
  question q = {request, visit, context};
  luaL_checkstack(L, 16, NULL);
  nl_guard *g = nl_newguard(L, drop);
  nl_netlink *n = g->ptr = calloc(1, sizeof *n);
  if (n == NULL) return nl_errno(L, op, ENOMEM);
  if (nl_netlinkopen(n, 0) < 0) return nl_errno(L, op, errno);
  bool list = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  request->nlmsg_flags |= list ? NLM_F_REQUEST : NLM_F_REQUEST | NLM_F_ACK;
  int status = answer(L, n, &q);
  if (status == CHANGED) return nl_fail(L, op, "EBUSY", "the list changed each time it was read");
  return status != 0 ? nl_errno(L, op, status) : 1;
}

/* ---- attributes */

void nl_attributesin (const void *first, size_t length, const struct rtattr *found[], unsigned count) {
  const struct rtattr *a = first;
  memset(found, 0, count * sizeof *found);
  for (; RTA_OK(a, length); a = RTA_NEXT(a, length)) {
    unsigned type = a->rta_type & (unsigned)NLA_TYPE_MASK;
    if (type < count) found[type] = a;
  }
}

bool nl_attributes (const struct nlmsghdr *m, size_t header, const struct rtattr *found[], unsigned count) {
  size_t first = NLMSG_SPACE(header);
  if (m->nlmsg_len < NLMSG_LENGTH(header)) return false;
  size_t length = m->nlmsg_len > first ? m->nlmsg_len - first : 0;
  nl_attributesin((const char *)m + first, length, found, count);
  return true;
}

void nl_nested (const struct rtattr *nest, const struct rtattr *found[], unsigned count) {
  nl_attributesin(nest != NULL ? RTA_DATA(nest) : NULL, nest != NULL ? RTA_PAYLOAD(nest) : 0, found, count);
}

bool nl_number (const struct rtattr *a, uint32_t *number) {
  if (a == NULL || RTA_PAYLOAD(a) != sizeof *number) return false;
  memcpy(number, RTA_DATA(a), sizeof *number);
  return true;
}

void nl_addattribute (struct nlmsghdr *m, unsigned short type, const void *data, size_t length) {
  struct rtattr *a = (struct rtattr *)(void *)((char *)m + NLMSG_ALIGN(m->nlmsg_len));
  a->rta_type = type;
  a->rta_len = (unsigned short)RTA_LENGTH(length);
  memcpy(RTA_DATA(a), data, length);
  m->nlmsg_len = (uint32_t)(NLMSG_ALIGN(m->nlmsg_len) + RTA_SPACE(length));
}

/* ---- values for Lua */

void nl_append (lua_State *L) {
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

void nl_settext (lua_State *L, const char *name, const struct rtattr *a) {
  if (a == NULL) return;
  lua_pushlstring(L, RTA_DATA(a), strnlen(RTA_DATA(a), RTA_PAYLOAD(a)));
  lua_setfield(L, -2, name);
}

void nl_setnumber (lua_State *L, const char *name, const struct rtattr *a) {
  uint32_t number;
  if (!nl_number(a, &number)) return;
  lua_pushinteger(L, number);
  lua_setfield(L, -2, name);
}

void nl_setword (lua_State *L, const char *name, const nl_word *words, int value) {
  while (words->name != NULL && words->value != value) words++;
  if (words->name != NULL) lua_pushstring(L, words->name);
  else lua_pushfstring(L, "%d", value);
  lua_setfield(L, -2, name);
}

void nl_setflags (lua_State *L, const char *name, const nl_word *words, uint32_t flags) {
  lua_Integer n = 0;
  lua_newtable(L);
  for (; words->name != NULL; words++) {
    if (!(flags & (uint32_t)words->value)) continue;
    lua_pushstring(L, words->name);
    lua_rawseti(L, -2, ++n);
  }
  lua_setfield(L, -2, name);
}

static bool islocal (const struct in6_addr *a) {
  return IN6_IS_ADDR_LINKLOCAL(a) || IN6_IS_ADDR_MC_LINKLOCAL(a);
}

bool nl_toaddress (const struct rtattr *a, int family, unsigned index, nl_address *to) {
  size_t length = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
  if (a == NULL || (family != AF_INET && family != AF_INET6) || RTA_PAYLOAD(a) != length) return false;
  nl_anyaddress(family, 0, to);
  struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)&to->sa.storage;
  if (family == AF_INET) memcpy(&((struct sockaddr_in *)&to->sa.storage)->sin_addr, RTA_DATA(a), length);
  else memcpy(&sin6->sin6_addr, RTA_DATA(a), length);
  if (family == AF_INET6 && islocal(&sin6->sin6_addr)) sin6->sin6_scope_id = index;
  return true;
}

void nl_setaddress (lua_State *L, const char *name, const struct rtattr *a, int family, unsigned index) {
  nl_address address;
  if (!nl_toaddress(a, family, index, &address)) return;
  lua_pop(L, nl_pushaddress(L, &address) - 1);
  lua_setfield(L, -2, name);
}

void nl_setmac (lua_State *L, const char *name, const struct rtattr *a) {
  static const char digits[] = "0123456789abcdef";
  char text[LONGESTMAC * 3];
  size_t n = 0;
  if (a == NULL || RTA_PAYLOAD(a) == 0 || RTA_PAYLOAD(a) > LONGESTMAC) return;
  const unsigned char *bytes = RTA_DATA(a);
  for (size_t i = 0; i < RTA_PAYLOAD(a); i++) {
    text[n++] = digits[bytes[i] >> 4];
    text[n++] = digits[bytes[i] & 15];
    text[n++] = ':';
  }
  lua_pushlstring(L, text, n - 1);
  lua_setfield(L, -2, name);
}
