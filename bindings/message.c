/*
 * message.c: datagrams with what the kernel knows about them: recvmsg, sendmsg and the options that make
 * ancillary data come. The kernel, not the peer, writes that data, but every length in it is checked all
 * the same, and descriptors that a unix peer slips in are closed.
 */
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h> /* needs time.h before it */

#include "netlua.h"

#define DATAGRAM ((size_t)65536) /* default limit of one receive */
#define CONTROL ((size_t)4096)   /* room for ancillary data; what does not fit is reported */

#ifndef SCM_PIDFD /* younger than the C library */
#define SCM_PIDFD 4
#endif

/* ---- which ancillary data comes */

typedef struct switchrow { /* IPv6 sockets carry IPv4 too, so that both are set there */
  const char *name;
  int level, number; /* of IPv4, or of every family where level6 is 0 */
  int level6, number6;
} switchrow;

static const switchrow switches[] = {
    {"pktinfo", IPPROTO_IP, IP_PKTINFO, IPPROTO_IPV6, IPV6_RECVPKTINFO},
    {"ttl", IPPROTO_IP, IP_RECVTTL, IPPROTO_IPV6, IPV6_RECVHOPLIMIT},
    {"tos", IPPROTO_IP, IP_RECVTOS, IPPROTO_IPV6, IPV6_RECVTCLASS},
    {"error", IPPROTO_IP, IP_RECVERR, IPPROTO_IPV6, IPV6_RECVERR},
    {"original", IPPROTO_IP, IP_RECVORIGDSTADDR, IPPROTO_IPV6, IPV6_RECVORIGDSTADDR},
    {"timestamp", SOL_SOCKET, SO_TIMESTAMPNS, 0, 0},
    {"drops", SOL_SOCKET, SO_RXQ_OVFL, 0, 0},
    {"credentials", SOL_SOCKET, SO_PASSCRED, 0, 0},
    {"segment", IPPROTO_UDP, UDP_GRO, 0, 0}};

#define NSWITCHES (sizeof switches / sizeof *switches)

static const char *const switchnames[] = {"pktinfo",   "ttl",   "tos",         "error",   "original",
                                          "timestamp", "drops", "credentials", "segment", NULL};

static int flip (int fd, const switchrow *row, int on) {
  bool v6 = row->level6 != 0 && nl_domain(fd) == AF_INET6;
  if (!v6) return setsockopt(fd, row->level, row->number, &on, sizeof on);
  (void)setsockopt(fd, row->level, row->number, &on, sizeof on); /* refused where it is v6 only */
  return setsockopt(fd, row->level6, row->number6, &on, sizeof on);
}

/* s:ancillary(wanted) -> s | nil, err */
static int datagram_ancillary (lua_State *L) {
  nl_stream *s = nl_check(L, 1, &nl_datagram_class);
  int wanted[NSWITCHES]; /* -1: leave it */
  luaL_checktype(L, 2, LUA_TTABLE);
  nl_checkoptions(L, 2, switchnames);
  for (size_t i = 0; i < NSWITCHES; i++) {
    bool on = nl_fieldbool(L, 2, switches[i].name, false), off = !nl_fieldbool(L, 2, switches[i].name, true);
    wanted[i] = on ? 1 : off ? 0 : -1;
  }
  if (!s->handle.base.open) return nl_closed(L, "ancillary");
  for (size_t i = 0; i < NSWITCHES; i++) {
    if (wanted[i] < 0 || flip(s->handle.fd, &switches[i], wanted[i]) == 0) continue;
    int number = errno;
    return nl_fail(L, "ancillary", nl_errnoname(number) != NULL ? nl_errnoname(number) : "EINVAL",
                   "%s: not on this kind of socket", switches[i].name);
  }
  lua_settop(L, 1);
  return 1;
}

/* ---- ancillary data to Lua: each function gets bytes that are long enough for it */

static void setinteger (lua_State *L, const char *name, lua_Integer n) {
  lua_pushinteger(L, n);
  lua_setfield(L, -2, name);
}

static lua_Integer integer (const unsigned char *data, size_t len) {
  int n;
  if (len < sizeof n) return data[0];
  memcpy(&n, data, sizeof n);
  return n;
}

static void setttl (lua_State *L, const unsigned char *data, size_t len) {
  setinteger(L, "ttl", integer(data, len));
}

static void settos (lua_State *L, const unsigned char *data, size_t len) {
  setinteger(L, "tos", integer(data, len));
}

static void setsegment (lua_State *L, const unsigned char *data, size_t len) {
  setinteger(L, "segment", integer(data, len));
}

static void setdrops (lua_State *L, const unsigned char *data, size_t len) {
  uint32_t n;
  (void)len;
  memcpy(&n, data, sizeof n);
  setinteger(L, "drops", n);
}

/* When that was on the clock of net.now: never in the future, even where the time of day was set back. */
static double monotonic (int64_t seconds, int64_t nanoseconds) {
  struct timespec today;
  (void)clock_gettime(CLOCK_REALTIME, &today); /* cannot fail: the clock exists */
  double age = (double)(today.tv_sec - seconds) + (double)(today.tv_nsec - nanoseconds) / 1e9;
  return nl_now() - fmax(age, 0);
}

static void settime (lua_State *L, int64_t seconds, int64_t nanoseconds) {
  lua_pushnumber(L, (double)seconds + (double)nanoseconds / 1e9);
  lua_setfield(L, -2, "timestamp");
  lua_pushnumber(L, monotonic(seconds, nanoseconds));
  lua_setfield(L, -2, "received");
  setinteger(L, "timestamp_ns", seconds * 1000000000 + nanoseconds);
}

static void settimespec (lua_State *L, const unsigned char *data, size_t len) {
  struct timespec t;
  (void)len;
  memcpy(&t, data, sizeof t);
  settime(L, t.tv_sec, t.tv_nsec);
}

static void settimeval (lua_State *L, const unsigned char *data, size_t len) {
  struct timeval t;
  (void)len;
  memcpy(&t, data, sizeof t);
  settime(L, t.tv_sec, (int64_t)t.tv_usec * 1000);
}

static void setcredentials (lua_State *L, const unsigned char *data, size_t len) {
  struct ucred c;
  (void)len;
  memcpy(&c, data, sizeof c);
  lua_createtable(L, 0, 3);
  setinteger(L, "pid", c.pid);
  setinteger(L, "uid", c.uid);
  setinteger(L, "gid", c.gid);
  lua_setfield(L, -2, "credentials");
}

static void setaddress (lua_State *L, const char *name, const nl_address *a) {
  int n = nl_pushaddress(L, a);
  lua_pop(L, n - 1);
  lua_setfield(L, -2, name);
}

static void setdestination (lua_State *L, const nl_address *to, const nl_address *own, unsigned index) {
  lua_createtable(L, 0, 4);
  setaddress(L, "address", to);
  if (own != NULL) setaddress(L, "own", own);
  setinteger(L, "index", index);
  nl_pushinterface(L, index);
  lua_setfield(L, -2, "interface");
  lua_setfield(L, -2, "destination");
}

static void setpktinfo (lua_State *L, const unsigned char *data, size_t len) {
  struct in_pktinfo info;
  nl_address to, own;
  (void)len;
  memcpy(&info, data, sizeof info);
  nl_anyaddress(AF_INET, 0, &to);
  nl_anyaddress(AF_INET, 0, &own);
  ((struct sockaddr_in *)&to.sa.storage)->sin_addr = info.ipi_addr;
  ((struct sockaddr_in *)&own.sa.storage)->sin_addr = info.ipi_spec_dst;
  setdestination(L, &to, &own, (unsigned)info.ipi_ifindex);
}

static void setpktinfo6 (lua_State *L, const unsigned char *data, size_t len) {
  struct in6_pktinfo info;
  nl_address to;
  (void)len;
  memcpy(&info, data, sizeof info);
  nl_anyaddress(AF_INET6, 0, &to);
  ((struct sockaddr_in6 *)&to.sa.storage)->sin6_addr = info.ipi6_addr;
  setdestination(L, &to, NULL, info.ipi6_ifindex);
}

static bool toaddress (const unsigned char *data, size_t len, nl_address *a) {
  memset(a, 0, sizeof *a);
  if (len < sizeof a->sa.any.sa_family) return false;
  memcpy(&a->sa, data, len < sizeof a->sa ? len : sizeof a->sa);
  int family = a->sa.any.sa_family;
  size_t need = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
  a->len = (socklen_t)need;
  return (family == AF_INET || family == AF_INET6) && len >= need;
}

static void setoriginal (lua_State *L, const unsigned char *data, size_t len) {
  nl_address a;
  if (!toaddress(data, len, &a)) return;
  lua_createtable(L, 0, 2);
  (void)nl_pushaddress(L, &a);
  lua_setfield(L, -3, "port");
  lua_setfield(L, -2, "address");
  lua_setfield(L, -2, "original");
}

static const char *originname (unsigned origin) {
  static const char *const names[] = {"none", "local", "icmp", "icmp6", "timestamping", "zerocopy", "txtime"};
  return origin < sizeof names / sizeof *names ? names[origin] : "unknown";
}

/* struct sock_extended_err, and behind it who sent the ICMP message */
static void seterror (lua_State *L, const unsigned char *data, size_t len) {
  struct sock_extended_err e;
  nl_address offender;
  memcpy(&e, data, sizeof e);
  lua_createtable(L, 0, 8);
  setinteger(L, "errno", e.ee_errno);
  lua_pushstring(L, nl_errnoname((int)e.ee_errno));
  lua_setfield(L, -2, "name");
  lua_pushstring(L, originname(e.ee_origin));
  lua_setfield(L, -2, "origin");
  setinteger(L, "type", e.ee_type);
  setinteger(L, "code", e.ee_code);
  setinteger(L, "info", e.ee_info);
  if (toaddress(data + sizeof e, len - sizeof e, &offender)) setaddress(L, "offender", &offender);
  lua_setfield(L, -2, "error");
}

typedef struct reader {
  int level, type;
  size_t least;                                                     /* bytes; shorter data is not looked at */
  void (*set)(lua_State *L, const unsigned char *data, size_t len); /* [-0, +0, m] in the table on top */
} reader;

static const reader readers[] = {{IPPROTO_IP, IP_TTL, 1, setttl},
                                 {IPPROTO_IP, IP_TOS, 1, settos},
                                 {IPPROTO_IP, IP_PKTINFO, sizeof(struct in_pktinfo), setpktinfo},
                                 {IPPROTO_IP, IP_RECVERR, sizeof(struct sock_extended_err), seterror},
                                 {IPPROTO_IP, IP_ORIGDSTADDR, 2, setoriginal},
                                 {IPPROTO_IPV6, IPV6_HOPLIMIT, 1, setttl},
                                 {IPPROTO_IPV6, IPV6_TCLASS, 1, settos},
                                 {IPPROTO_IPV6, IPV6_PKTINFO, sizeof(struct in6_pktinfo), setpktinfo6},
                                 {IPPROTO_IPV6, IPV6_RECVERR, sizeof(struct sock_extended_err), seterror},
                                 {IPPROTO_IPV6, IPV6_ORIGDSTADDR, 2, setoriginal},
                                 {IPPROTO_UDP, UDP_GRO, 1, setsegment},
                                 {SOL_SOCKET, SCM_TIMESTAMPNS, sizeof(struct timespec), settimespec},
                                 {SOL_SOCKET, SCM_TIMESTAMP, sizeof(struct timeval), settimeval},
                                 {SOL_SOCKET, SO_RXQ_OVFL, sizeof(uint32_t), setdrops},
                                 {SOL_SOCKET, SCM_CREDENTIALS, sizeof(struct ucred), setcredentials}};

static void readone (lua_State *L, const struct cmsghdr *c, size_t len) {
  for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
    const reader *r = &readers[i];
    if (c->cmsg_level != r->level || c->cmsg_type != r->type || len < r->least) continue;
    r->set(L, CMSG_DATA(c), len);
    return;
  }
}

/* CMSG_NXTHDR stops at a header that does not fit; the data behind one is cut to what is there. */
static void readcontrol (lua_State *L, struct msghdr *m) {
  const unsigned char *end = (const unsigned char *)m->msg_control + m->msg_controllen;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
    const unsigned char *data = CMSG_DATA(c);
    if (c->cmsg_len < CMSG_LEN(0) || data > end) return;
    size_t len = c->cmsg_len - CMSG_LEN(0), left = (size_t)(end - data);
    readone(L, c, len < left ? len : left);
  }
}

/* ---- receiving */

typedef struct message {
  struct msghdr header;
  struct iovec data;
  nl_address from;
  ssize_t len; /* of the datagram, even where it was cut */
  int refused; /* descriptors that came along */
  union {
    struct cmsghdr align;
    char bytes[CONTROL];
  } control;
} message;

/* SCM_RIGHTS holds descriptors that a peer sent, SCM_PIDFD the one of SO_PASSPIDFD. */
static bool hasdescriptors (const struct cmsghdr *c) {
  bool kind = c->cmsg_type == SCM_RIGHTS || c->cmsg_type == SCM_PIDFD;
  return c->cmsg_level == SOL_SOCKET && kind && c->cmsg_len >= CMSG_LEN(0);
}

/* Nobody asked for descriptors: they are closed before anything else can fail. */
static int closerights (struct msghdr *m) {
  const unsigned char *end = (const unsigned char *)m->msg_control + m->msg_controllen;
  int closed = 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
    if (!hasdescriptors(c)) continue;
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (const unsigned char *at = CMSG_DATA(c); n > 0 && end - at >= (ptrdiff_t)sizeof(int); n--, closed++) {
      int fd;
      memcpy(&fd, at, sizeof fd);
      (void)close(fd); /* its error concerns nobody */
      at += sizeof fd;
    }
  }
  return closed;
}

/* As recvmsg(2), into a buffer of `room` bytes. */
static ssize_t receive (int fd, message *m, char *to, size_t room, int flags) {
  memset(&m->header, 0, sizeof m->header);
  m->data = (struct iovec){to, room};
  m->header.msg_iov = &m->data;
  m->header.msg_iovlen = 1;
  m->header.msg_name = &m->from.sa;
  m->header.msg_namelen = sizeof m->from.sa;
  m->header.msg_control = &m->control;
  m->header.msg_controllen = sizeof m->control;
  m->len = recvmsg(fd, &m->header, flags | MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
  if (m->len < 0) return m->len;
  m->from.len = m->header.msg_namelen;
  m->refused = closerights(&m->header);
  return m->len;
}

static void pushinfo (lua_State *L, message *m, size_t room) {
  lua_createtable(L, 0, 8);
  int top = lua_gettop(L);
  if (nl_pushaddress(L, &m->from) == 2) lua_setfield(L, top, "port");
  lua_setfield(L, top, "address");
  setinteger(L, "flags", m->header.msg_flags & ~MSG_CMSG_CLOEXEC); /* that is ours */
  if ((size_t)m->len > room) setinteger(L, "truncated", m->len);
  if (m->refused > 0) setinteger(L, "refused_descriptors", m->refused);
  if (m->header.msg_flags & MSG_CTRUNC) {
    lua_pushboolean(L, 1);
    lua_setfield(L, top, "control_truncated");
  }
  readcontrol(L, &m->header);
}

/* One message as data, info on the stack; how long it was, or -1 with errno. */
static ssize_t pushmessage (lua_State *L, int fd, size_t max, int flags) {
  luaL_Buffer b;
  message m;
  ssize_t next = flags & MSG_ERRQUEUE ? (ssize_t)max : nl_datagramroom(fd, max);
  if (next < 0) return -1;
  size_t room = (size_t)next;
  char *to = luaL_buffinitsize(L, &b, room);
  ssize_t n = receive(fd, &m, to, room, flags);
  if (n < 0) return n;
  luaL_pushresultsize(&b, (size_t)n < room ? (size_t)n : room);
  pushinfo(L, &m, room);
  return n;
}

/* An error that is left in the queue keeps the socket ready for ever: it is the answer. nil, err with what
 * the queue knows in err.detail; 0: nothing was queued. */
static int queuederror (lua_State *L, nl_stream *s) {
  char byte;
  message m;
  if (receive(s->handle.fd, &m, &byte, 1, MSG_ERRQUEUE) < 0) return 0;
  pushinfo(L, &m, 1);
  if (lua_getfield(L, -1, "error") != LUA_TTABLE || lua_getfield(L, -1, "errno") != LUA_TNUMBER) return 0;
  int n = nl_failedat(L, "recvmsg", (int)lua_tointeger(L, -1), &m.from);
  lua_pushvalue(L, -4);
  lua_setfield(L, -2, "detail");
  return n;
}

static size_t checkmax (lua_State *L, int arg) {
  return lua_isnoneornil(L, arg) ? DATAGRAM : nl_checksize(L, arg, 1, NL_MAXREAD);
}

static const char *const receiveoptions[] = {"errqueue", "errors", "peek", NULL};

typedef struct wanted { /* read before anything is pushed: an absent argument would be found in its slot */
  size_t max;
  bool peek, errors;
} wanted;

/* What the error queue has: a result like any other with the option errors, else the failure. */
static int takeerror (lua_State *L, nl_stream *s, const wanted *o) {
  if (!o->errors) return queuederror(L, s);
  return pushmessage(L, s->handle.fd, o->max, MSG_ERRQUEUE) < 0 ? 0 : 2;
}

static int failedreceive (lua_State *L, nl_stream *s, nl_wait *w, const wanted *o) {
  int number = errno;
  int n = number != EAGAIN || w->woken || w->poll ? takeerror(L, s, o) : 0;
  if (n != 0) return n;
  errno = number;
  return nl_nothing(L, s, w, "recvmsg");
}

static int datagram_recvmsg_try (lua_State *L, nl_wait *w) {
  nl_stream *s = (nl_stream *)w->self;
  wanted o = {checkmax(L, 2), nl_fieldbool(L, 4, "peek", false), nl_fieldbool(L, 4, "errors", false)};
  if (s->drained && !w->woken && !w->poll) return NL_AGAIN;
  ssize_t n = pushmessage(L, s->handle.fd, o.max, o.peek ? MSG_PEEK : 0);
  int number = errno;
  s->drained = n < 0;
  errno = number;
  if (n < 0) return failedreceive(L, s, w, &o);
  if (n == 0 && nl_endofrecords(s->handle.fd)) return nl_eof(L);
  return 2;
}
static const nl_call recvmsg_call = {datagram_recvmsg_try, "recvmsg", &nl_datagram_class, NL_READ, 3, false};

static int allresults (lua_State *L, int status, lua_KContext ctx) {
  (void)status;
  (void)ctx;
  return lua_gettop(L);
}

/* The error queue makes a socket ready in a way of its own: waiting for that is done in Lua. */
static int fromqueue (lua_State *L, const nl_stream *s) {
  double timeout = fmin(nl_opttimeout(L, 3), s->handle.timeout);
  lua_settop(L, 2);
  if (timeout == NL_FOREVER) lua_pushnil(L);
  else lua_pushnumber(L, timeout);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "net.message");
  lua_call(L, 1, 1);
  lua_getfield(L, -1, "fromqueue");
  lua_replace(L, -2);
  lua_insert(L, 1);
  lua_callk(L, 3, LUA_MULTRET, 0, allresults);
  return allresults(L, LUA_OK, 0);
}

/* s:recvmsg([max], [timeout], [options]) -> data, info | nil, err */
static int datagram_recvmsg (lua_State *L) {
  const nl_stream *s = nl_check(L, 1, &nl_datagram_class);
  (void)checkmax(L, 2);
  (void)nl_opttimeout(L, 3);
  nl_checkoptions(L, 4, receiveoptions);
  (void)nl_fieldbool(L, 4, "peek", false);
  (void)nl_fieldbool(L, 4, "errors", false);
  if (nl_fieldbool(L, 4, "errqueue", false)) return fromqueue(L, s);
  return nl_await(L, &recvmsg_call);
}

/* queued(s, max) -> data, info | nil, err EAGAIN: the queue is empty. A connecting stream has one too. */
static int message_queued (lua_State *L) {
  nl_handle *h = nl_check(L, 1, &nl_handle_class);
  size_t max = checkmax(L, 2);
  if (!h->base.open) return nl_closed(L, "recvmsg");
  if (pushmessage(L, h->fd, max, MSG_ERRQUEUE) < 0) return nl_errno(L, "recvmsg", errno);
  return 2;
}

/* ---- sending */

static const char *const sendoptions[] = {"address", "port",      "ttl",     "tos",
                                          "source",  "interface", "segment", NULL};

typedef struct outgoing {
  struct msghdr header;
  struct iovec data;
  nl_address to, source;
  nl_interface in;
  bool addressed, sourced;
  int ttl, tos, segment; /* -1: as the socket says */
  union {
    struct cmsghdr align;
    char bytes[256]; /* four of them, the largest an in6_pktinfo */
  } control;
} outgoing;

static void addcontrol (outgoing *o, int level, int type, const void *data, size_t len) {
  struct cmsghdr *c = (struct cmsghdr *)(void *)(o->control.bytes + o->header.msg_controllen);
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(len);
  memcpy(CMSG_DATA(c), data, len);
  o->header.msg_control = &o->control;
  o->header.msg_controllen += CMSG_SPACE(len);
}

static void addroute (outgoing *o, bool v6) {
  struct in_pktinfo four = {.ipi_ifindex = (int)o->in.index};
  struct in6_pktinfo six = {.ipi6_ifindex = o->in.index};
  if (!o->sourced && o->in.index == 0) return;
  if (o->sourced && v6) six.ipi6_addr = ((struct sockaddr_in6 *)&o->source.sa.storage)->sin6_addr;
  if (o->sourced && !v6) four.ipi_spec_dst = ((struct sockaddr_in *)&o->source.sa.storage)->sin_addr;
  if (v6) addcontrol(o, IPPROTO_IPV6, IPV6_PKTINFO, &six, sizeof six);
  else addcontrol(o, IPPROTO_IP, IP_PKTINFO, &four, sizeof four);
}

static void addall (outgoing *o, bool v6) {
  uint16_t segment = (uint16_t)o->segment;
  int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
  if (o->ttl >= 0) addcontrol(o, level, v6 ? IPV6_HOPLIMIT : IP_TTL, &o->ttl, sizeof o->ttl);
  if (o->tos >= 0) addcontrol(o, level, v6 ? IPV6_TCLASS : IP_TOS, &o->tos, sizeof o->tos);
  if (o->segment > 0) addcontrol(o, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
  addroute(o, v6);
}

/* The fields address and port. 0, or 2 with nil, err pushed. */
static int getdestination (lua_State *L, outgoing *o) {
  const char *problem, *host = nl_fieldtext(L, 3, "address");
  bool path = host != NULL && nl_isunix(host);
  lua_Integer port = nl_fieldint(L, 3, "port", 0, 65535, path ? 0 : -1);
  o->addressed = host != NULL;
  if (host == NULL) return 0;
  if (port < 0) return luaL_argerror(L, 3, "option \"port\": integer from 0 to 65535 expected, got nil");
  if (nl_parseaddress(host, strlen(host), (uint16_t)port, &o->to, &problem)) return 0;
  if (path) return luaL_argerror(L, 3, lua_pushfstring(L, "option \"address\": %s", problem));
  (void)nl_fail(L, "sendmsg", "EAI_NONAME", "%s", problem != NULL ? problem : "not a numeric address");
  lua_pushstring(L, host);
  lua_setfield(L, -2, "host");
  return 2;
}

static int getsource (lua_State *L, outgoing *o) {
  const char *problem, *source = nl_fieldtext(L, 3, "source");
  o->sourced = source != NULL;
  if (source == NULL) return 0;
  if (!nl_isunix(source) && nl_parseaddress(source, strlen(source), 0, &o->source, &problem)) return 0;
  return nl_fail(L, "sendmsg", "EAI_NONAME", "source: not a numeric address");
}

static int getoutgoing (lua_State *L, outgoing *o) {
  nl_checkoptions(L, 3, sendoptions);
  o->ttl = (int)nl_fieldint(L, 3, "ttl", 1, 255, -1);
  o->tos = (int)nl_fieldint(L, 3, "tos", 0, 255, -1);
  o->segment = (int)nl_fieldint(L, 3, "segment", 0, 65535, -1);
  int bad = getdestination(L, o);
  if (bad == 0) bad = getsource(L, o);
  return bad != 0 ? bad : nl_fieldinterface(L, 3, "sendmsg", &o->in);
}

/* IPv6 sockets reach IPv4 by mapped addresses, and then the IPv4 kind of ancillary data counts. */
static bool isv6 (int fd, const outgoing *o) {
  nl_address peer = {.len = sizeof peer.sa};
  if (o->addressed) return o->to.sa.any.sa_family == AF_INET6;
  if (nl_domain(fd) != AF_INET6) return false;
  if (getpeername(fd, &peer.sa.any, &peer.len) < 0) return true;
  return !IN6_IS_ADDR_V4MAPPED(&((struct sockaddr_in6 *)&peer.sa.storage)->sin6_addr);
}

/* s:sendmsg(data, [options], [timeout]) -> count | nil, err */
static int datagram_sendmsg_try (lua_State *L, nl_wait *w) {
  nl_stream *s = (nl_stream *)w->self;
  outgoing o;
  memset(&o, 0, sizeof o);
  o.data.iov_base = (void *)(uintptr_t)nl_checkbytes(L, 2, &o.data.iov_len);
  int bad = getoutgoing(L, &o);
  if (bad != 0) return bad;
  bool v6 = isv6(s->handle.fd, &o);
  if (o.sourced && o.source.sa.any.sa_family != (v6 ? AF_INET6 : AF_INET)) {
    return nl_fail(L, "sendmsg", "EAFNOSUPPORT", "source and destination are of different families");
  }
  addall(&o, v6);
  o.header.msg_iov = &o.data;
  o.header.msg_iovlen = 1;
  if (o.addressed && nl_fitaddress(L, s, &o.to) < 0) return nl_failedat(L, "sendmsg", errno, &o.to);
  if (o.addressed) {
    o.header.msg_name = &o.to.sa;
    o.header.msg_namelen = o.to.len;
  }
  ssize_t n = nl_sendmsg(s->handle.fd, &o.header);
  int number = errno;
  if (n < 0 && (number == EAGAIN || number == EINTR)) return nl_sendlater(w, o.addressed ? &o.to : NULL);
  if (n < 0) return o.addressed ? nl_unsent(L, "sendmsg", number, &o.to) : nl_errno(L, "sendmsg", number);
  lua_pushinteger(L, n);
  return 1;
}
NL_WAITS(datagram, sendmsg, &nl_datagram_class, NL_WRITE, 4)

int luaopen_net_message (lua_State *L) {
  static const luaL_Reg functions[] = {{"queued", message_queued}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"recvmsg", datagram_recvmsg},
                                     {"sendmsg", datagram_sendmsg},
                                     {"ancillary", datagram_ancillary},
                                     {NULL, NULL}};
  nl_pushclass(L, &nl_datagram_class);
  lua_getfield(L, -1, "__index");
  luaL_setfuncs(L, methods, 0);
  luaL_newlib(L, functions);
  return 1;
}
