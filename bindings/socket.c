/*
 * socket.c: sockets of every family as objects: streams, datagram sockets, and what becomes a listener.
 * Numeric addresses and unix paths only; names are the dialer's business. Leans on stream.c for the bytes of
 * a stream.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "netlua.h"

#define RETRY 0.01 /* before connect tries a full unix backlog again */
#define DATAGRAM ((size_t)65536)
#define SMALL ((size_t)2048) /* most datagrams */

static const nl_word families[] = {
    {"inet", AF_INET},      {"inet6", AF_INET6},  {"unix", AF_UNIX}, {"AF_INET", AF_INET},
    {"AF_INET6", AF_INET6}, {"AF_UNIX", AF_UNIX}, {NULL, 0}};
static const nl_word types[] = {{"stream", SOCK_STREAM},
                                {"dgram", SOCK_DGRAM},
                                {"seqpacket", SOCK_SEQPACKET},
                                {"raw", SOCK_RAW},
                                {"SOCK_STREAM", SOCK_STREAM},
                                {"SOCK_DGRAM", SOCK_DGRAM},
                                {"SOCK_SEQPACKET", SOCK_SEQPACKET},
                                {"SOCK_RAW", SOCK_RAW},
                                {NULL, 0}};

static const nl_class *classof (int type) {
  return type == SOCK_STREAM ? &nl_stream_class : &nl_datagram_class;
}

/* ---- names of both ends */

static int nameof (lua_State *L, const char *op, int (*call)(int, struct sockaddr *, socklen_t *)) {
  nl_handle *h = nl_check(L, 1, &nl_handle_class);
  nl_address a = {.len = sizeof a.sa};
  if (!h->base.open) return nl_closed(L, op);
  if (call(h->fd, &a.sa.any, &a.len) < 0) return nl_errno(L, op, errno);
  return nl_pushaddress(L, &a);
}

/* h:getsockname() -> address, port | "unix:path" | nil, err */
static int handle_getsockname (lua_State *L) {
  return nameof(L, "getsockname", getsockname);
}

/* h:getpeername() -> address, port | "unix:path" | nil, err */
static int handle_getpeername (lua_State *L) {
  return nameof(L, "getpeername", getpeername);
}

/* ---- options of new sockets */

static const char *const connectoptions[] = {
    "timeout",  "type",           "family",    "nodelay",  "keepalive", "reuseaddr", "reuseport",
    "rcvbuf",   "sndbuf",         "broadcast", "source",   "interface", "tos",       "ttl",
    "fastopen", "happy_eyeballs", "strict",    "max_line", "max_read",  "tls",       NULL};
static const char *const listenoptions[] = {"type",      "family",   "nodelay",  "keepalive", "reuseaddr",
                                            "reuseport", "v6only",   "rcvbuf",   "sndbuf",    "backlog",
                                            "mode",      "max_line", "max_read", "tls",       NULL};
static const char *const udpoptions[] = {"family", "reuseaddr", "reuseport", "v6only", "rcvbuf",
                                         "sndbuf", "broadcast", "source",    NULL};

typedef struct settings { /* what an option table says of the sockets to be made; -1: nothing */
  bool nodelay, keepalive, reuseaddr, reuseport, broadcast, v6only, fastopen;
  int rcvbuf, sndbuf, tos, ttl, mode;
  uint32_t max_line, max_read;
  const char *source, *interface; /* live as long as the table */
  unsigned index;                 /* of the interface, where it is no name; or 0 */
  const char *tried;              /* which of the two was set last, so that its error can name it; or NULL */
} settings;

static int getint (lua_State *L, int arg, const char *field, int low, int high) {
  return (int)nl_fieldint(L, arg, field, low, high, -1);
}

/* Of a field, without __index: that could replace what has been read of the table. */
static int typeoffield (lua_State *L, int arg, const char *name) {
  if (!lua_istable(L, arg)) return LUA_TNIL;
  lua_pushstring(L, name);
  int type = lua_rawget(L, arg);
  lua_pop(L, 1);
  return type;
}

static void getdevice (lua_State *L, int arg, settings *o) {
  bool number = typeoffield(L, arg, "interface") == LUA_TNUMBER;
  if (number) o->index = (unsigned)nl_fieldint(L, arg, "interface", 1, INT32_MAX, 0);
  else o->interface = nl_fieldtext(L, arg, "interface");
}

/* What the dialer goes by is checked here too, before anything is made. */
static settings getsettings (lua_State *L, int arg, bool serving) {
  settings o = {.nodelay = nl_fieldbool(L, arg, "nodelay", true),
                .keepalive = nl_fieldbool(L, arg, "keepalive", false),
                .reuseaddr = nl_fieldbool(L, arg, "reuseaddr", serving),
                .reuseport = nl_fieldbool(L, arg, "reuseport", false),
                .broadcast = nl_fieldbool(L, arg, "broadcast", false),
                .v6only = nl_fieldbool(L, arg, "v6only", false),
                .fastopen = nl_fieldbool(L, arg, "fastopen", false),
                .rcvbuf = getint(L, arg, "rcvbuf", 0, INT32_MAX),
                .sndbuf = getint(L, arg, "sndbuf", 0, INT32_MAX),
                .tos = getint(L, arg, "tos", 0, 255),
                .ttl = getint(L, arg, "ttl", 1, 255),
                .mode = getint(L, arg, "mode", 0, 0777),
                .max_line = (uint32_t)nl_fieldint(L, arg, "max_line", 1, NL_MAXLIMIT, NL_MAXLINE),
                .max_read = (uint32_t)nl_fieldint(L, arg, "max_read", 1, NL_MAXLIMIT, NL_MAXBODY),
                .source = nl_fieldtext(L, arg, "source")};
  getdevice(L, arg, &o);
  (void)nl_fieldtimeout(L, arg, "timeout", 0);
  (void)nl_fieldint(L, arg, "backlog", 0, 65535, 0);
  (void)nl_fieldbool(L, arg, "strict", false);
  bool boolean = typeoffield(L, arg, "happy_eyeballs") == LUA_TBOOLEAN;
  if (!boolean) (void)nl_fieldtimeout(L, arg, "happy_eyeballs", 0);
  return o;
}

static int setint (int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value);
}

static int setif (bool wanted, int fd, int level, int name, int value) {
  return wanted ? setint(fd, level, name, value) : 0;
}

/* The kernel would take the first 15 bytes of a longer name. */
static int setdevice (int fd, const settings *o) {
  char found[IF_NAMESIZE] = "";
  const char *name = o->interface;
  if (o->index != 0) name = if_indextoname(o->index, found) != NULL ? found : "";
  if (name == NULL) return 0;
  socklen_t len = (socklen_t)strlen(name);
  if (len > 0 && len < IF_NAMESIZE) return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, len);
  errno = ENODEV;
  return -1;
}

/* errno 0: it is no address. */
static int setsource (int fd, const char *source) {
  nl_address a;
  const char *problem;
  if (source == NULL) return 0;
  if (nl_parseaddress(source, strlen(source), 0, &a, &problem)) return nl_bind(fd, &a);
  errno = 0;
  return -1;
}

static int sethops (int fd, int family, const settings *o) {
  bool v6 = family == AF_INET6;
  int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
  if (family == AF_UNIX) return 0;
  if (setif(o->ttl >= 0, fd, level, v6 ? IPV6_UNICAST_HOPS : IP_TTL, o->ttl) < 0) return -1;
  return setif(o->tos >= 0, fd, level, v6 ? IPV6_TCLASS : IP_TOS, o->tos);
}

/* What the options say of a socket just made; -1 with errno. */
static int apply (settings *o, nl_stream *s, int fd, int family, int type) {
  bool tcp = type == SOCK_STREAM && family != AF_UNIX;
  s->handle.timeout = NL_FOREVER;
  s->max_line = o->max_line;
  s->max_read = o->max_read;
  s->mode = o->mode >= 0 ? (uint16_t)(S_IFSOCK | o->mode) : 0;
  if (setif(family == AF_INET6, fd, IPPROTO_IPV6, IPV6_V6ONLY, o->v6only) < 0) return -1;
  if (setif(tcp && o->nodelay, fd, IPPROTO_TCP, TCP_NODELAY, 1) < 0) return -1;
  if (setif(tcp && o->fastopen, fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1) < 0) return -1;
  if (setif(o->keepalive, fd, SOL_SOCKET, SO_KEEPALIVE, 1) < 0) return -1;
  if (setif(o->reuseaddr, fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0) return -1;
  if (setif(o->reuseport, fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0) return -1;
  if (setif(o->broadcast, fd, SOL_SOCKET, SO_BROADCAST, 1) < 0) return -1;
  if (setif(o->rcvbuf >= 0, fd, SOL_SOCKET, SO_RCVBUF, o->rcvbuf) < 0) return -1;
  if (setif(o->sndbuf >= 0, fd, SOL_SOCKET, SO_SNDBUF, o->sndbuf) < 0) return -1;
  if (o->mode >= 0 && family == AF_UNIX && fchmod(fd, (mode_t)o->mode) < 0) return -1;
  if (sethops(fd, family, o) < 0) return -1;
  o->tried = "interface";
  if (setdevice(fd, o) < 0) return -1;
  o->tried = "source";
  return setsource(fd, o->source);
}

/* The error in errno of a socket that did not take the options at arg. */
static int unfit (lua_State *L, const char *op, nl_stream *s, int arg, const settings *o) {
  int number = errno;
  nl_close(L, &s->handle.base);
  return o->tried != NULL ? nl_badoption(L, op, number, arg, o->tried) : nl_errno(L, op, number);
}

/* ---- making sockets */

static nl_stream *opened (lua_State *L, const char *op, int family, int type, int protocol) {
  nl_stream *s = nl_newstream(L, classof(type));
  int fd = nl_socket(family, type, protocol);
  if (fd < 0) {
    (void)nl_errno(L, op, errno);
    return NULL;
  }
  nl_openstream(s, fd, &nl_socket_layer);
  s->family = (uint16_t)family;
  return s;
}

/* socket(family, [type], [protocol]) -> stream or datagram socket | nil, err */
static int socket_socket (lua_State *L) {
  int family = nl_checkword(L, 1, families, NULL);
  int type = nl_checkword(L, 2, types, "stream");
  int protocol = lua_isnoneornil(L, 3) ? 0 : (int)nl_checkrange(L, 3, 0, 255);
  return opened(L, "socket", family, type, protocol) != NULL ? 1 : 2;
}

/* open(host, port, options, serving) -> socket of that address's family, not connected | nil, err; false
 * where the host is no numeric address */
static int socket_open (lua_State *L) {
  nl_address a;
  const char *problem;
  size_t len;
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *host = lua_tolstring(L, 1, &len);
  bool serving = lua_toboolean(L, 4);
  const char *op = serving ? "listen" : "connect";
  nl_checkoptions(L, 3, serving ? listenoptions : connectoptions);
  if (!nl_isunix(host)) (void)nl_checkport(L, 2);
  settings o = getsettings(L, 3, serving);
  int type = nl_fieldword(L, 3, "type", types, SOCK_STREAM);
  int wanted = nl_fieldword(L, 3, "family", families, AF_UNSPEC);
  if (!nl_isunix(host)) (void)nl_checktext(L, 1);
  if (!nl_parseaddress(host, len, 0, &a, &problem) && problem == NULL) {
    lua_pushboolean(L, 0);
    return 1;
  }
  if (problem != NULL) return nl_checkaddress(L, 1, op, &a);
  int family = a.sa.any.sa_family;
  if (wanted != AF_UNSPEC && wanted != family) return nl_fail(L, op, "EAI_ADDRFAMILY", NULL);
  nl_stream *s = opened(L, "socket", family, type, 0);
  if (s == NULL) return 2;
  if (apply(&o, s, s->handle.fd, family, type) == 0) return 1;
  return unfit(L, op, s, 3, &o);
}

/* The family that other fields leave no choice in. */
static int sourcefamily (lua_State *L, int arg) {
  nl_address a;
  const char *problem, *source = nl_fieldtext(L, arg, "source");
  if (nl_fieldbool(L, arg, "v6only", false)) return AF_INET6;
  bool known = source != NULL && nl_parseaddress(source, strlen(source), 0, &a, &problem);
  return known ? a.sa.any.sa_family : AF_UNSPEC;
}

/* udp([options]) -> datagram socket | nil, err: not bound; of the family of its first address */
static int socket_udp (lua_State *L) {
  nl_checkoptions(L, 1, udpoptions);
  int wanted = nl_fieldword(L, 1, "family", families, sourcefamily(L, 1));
  int family = wanted == AF_UNSPEC ? AF_INET : wanted;
  settings o = getsettings(L, 1, false);
  nl_stream *s = opened(L, "udp", family, SOCK_DGRAM, 0);
  if (s == NULL) return 2;
  s->loose = wanted == AF_UNSPEC;
  if (apply(&o, s, s->handle.fd, family, SOCK_DGRAM) == 0) return 1;
  return unfit(L, "udp", s, 1, &o);
}

/* pair([type]) -> a, b | nil, err */
static int socket_pair (lua_State *L) {
  int fds[2];
  int type = nl_checkword(L, 1, types, "stream");
  nl_stream *a = nl_newstream(L, classof(type));
  nl_stream *b = nl_newstream(L, classof(type));
  if (socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0) {
    return nl_errno(L, "socketpair", errno);
  }
  nl_openstream(a, fds[0], &nl_socket_layer);
  nl_openstream(b, fds[1], &nl_socket_layer);
  return 2;
}

/* issocket("unix:path") -> whether that is a socket file */
static int socket_issocket (lua_State *L) {
  struct stat st;
  nl_address a;
  if (nl_checkaddress(L, 1, "stat", &a) != 0) return 2;
  lua_pushboolean(L, lstat(a.sa.un.sun_path, &st) == 0 && S_ISSOCK(st.st_mode));
  return 1;
}

static const nl_class *classofsocket (int fd) {
  int type = 0, accepting = 0;
  socklen_t len = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0) return NULL;
  len = sizeof accepting;
  (void)getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &len); /* 0 where it does not apply */
  return accepting ? &nl_listener_class : classof(type);
}

/* fromfd(fd) -> object | nil, err: it owns the descriptor from now on; 0 to 2 keep their mode */
static int socket_fromfd (lua_State *L) {
  int fd = (int)nl_checkrange(L, 1, 0, INT32_MAX);
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return nl_errno(L, "fromfd", errno);
  const nl_class *class = classofsocket(fd);
  nl_stream *s = nl_newstream(L, class != NULL ? class : &nl_stream_class);
  if (fd > 2 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) return nl_errno(L, "fromfd", errno);
  if (fd > 2 && fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return nl_errno(L, "fromfd", errno);
  nl_openstream(s, fd, class != NULL ? &nl_socket_layer : &nl_file_layer);
  s->drained = s->blocking = fd <= 2;
  return 1;
}

/* ---- connect, bind, listen */

/* Argument 1: other objects with a descriptor are no streams inside. */
static nl_stream *checksocket (lua_State *L) {
  static const nl_class *const classes[] = {&nl_stream_class, &nl_datagram_class, &nl_listener_class};
  nl_stream *s = NULL;
  for (size_t i = 0; i < sizeof classes / sizeof *classes && s == NULL; i++) s = nl_test(L, 1, classes[i]);
  if (s == NULL) luaL_typeerror(L, 1, "net.stream or net.datagram");
  return s;
}

/* What reading said before there was a connection is over. */
static int connected (lua_State *L, nl_stream *s) {
  s->pending = 0;
  s->connecting = false;
  lua_pushvalue(L, 1);
  return 1;
}

/* Whether a socket of the internet has no local port: UDP says EAGAIN where none is left. */
static bool unbound (int fd) {
  nl_address own = {.len = sizeof own.sa};
  if (getsockname(fd, &own.sa.any, &own.len) < 0 || own.sa.any.sa_family == AF_UNIX) return false;
  return nl_portof(&own) == 0;
}

/* A full unix backlog is EAGAIN and nothing tells when there is room again. */
static int connectlater (nl_wait *w, nl_stream *s, int number) {
  if (number == EAGAIN) w->after = RETRY;
  else s->connecting = true;
  return NL_AGAIN;
}

/* An ICMP message that came while the system was sending: connect(2) tells of it with the next packet only,
 * a second later, and until then the descriptor counts as ready. 0: none. */
static int refusal (int fd) {
  int number = 0;
  socklen_t len = sizeof number;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &len) < 0 ? errno : number;
}

/* s:connect(address, port, [timeout]) -> s | nil, err. How it ended is asked of connect itself: after
 * SO_ERROR the next call would still be told of this one. */
static int handle_connect_try (lua_State *L, nl_wait *w) {
  nl_stream *s = checksocket(L);
  nl_address a;
  if (s->handle.base.class == &nl_listener_class) return nl_errno(L, "connect", EOPNOTSUPP);
  int bad = nl_checkaddress(L, 2, "connect", &a);
  if (bad != 0) return bad;
  if (nl_fitaddress(L, s, &a) < 0) return nl_failedat(L, "connect", errno, &a);
  bool resumed = s->connecting && !w->woken && !w->poll; /* one that timed out goes on, to whatever address */
  int result = nl_connect(s->handle.fd, &a);
  if (result < 0 && errno == EINPROGRESS)
    result = nl_connect(s->handle.fd, &a); /* this host answers at once */
  int number = errno;
  if (result == 0 || (number == EISCONN && s->connecting)) {
    int n = connected(L, s);
    return resumed ? nl_errno(L, "connect", EISCONN) : n;
  }
  if (number == EAGAIN && unbound(s->handle.fd)) number = EADDRNOTAVAIL;
  if (number == EALREADY && resumed) return nl_errno(L, "connect", EALREADY);
  if (number == EALREADY && w->woken && (result = refusal(s->handle.fd)) != 0) number = result;
  if (number == EINPROGRESS || number == EALREADY || number == EINTR || number == EAGAIN) {
    return connectlater(w, s, number);
  }
  s->connecting = false;
  return resumed ? nl_errno(L, "connect", number) : nl_unsent(L, "connect", number, &a);
}
NL_WAITS(handle, connect, &nl_handle_class, NL_WRITE, 4)

/* s:bind(address, port) -> s | nil, err */
static int handle_bind (lua_State *L) {
  nl_stream *s = checksocket(L);
  nl_address a;
  if (!s->handle.base.open) return nl_closed(L, "bind");
  int bad = nl_checkaddress(L, 2, "bind", &a);
  if (bad != 0) return bad;
  if (nl_fitaddress(L, s, &a) < 0) return nl_failedat(L, "bind", errno, &a);
  if (nl_bind(s->handle.fd, &a) < 0) return nl_failedat(L, "bind", errno, &a);
  if (a.sa.any.sa_family == AF_UNIX && a.sa.un.sun_path[0] != '\0') {
    nl_ownfile(s, &a);
    /* The file has the mode without the bits of the umask until here: too strict, never too open. */
    if (s->mode != 0 && chmod(a.sa.un.sun_path, s->mode & 0777) < 0) return nl_failedat(L, "bind", errno, &a);
  }
  lua_settop(L, 1);
  return 1;
}

/* ---- datagrams */

static ssize_t receive (nl_stream *s, char *to, size_t room, nl_address *from) {
  from->len = sizeof from->sa;
  return recvfrom(s->handle.fd, to, room, MSG_DONTWAIT | MSG_TRUNC, &from->sa.any, &from->len);
}

/* The usual sizes need no more memory than the string. */
static ssize_t receivestring (lua_State *L, nl_stream *s, size_t room, nl_address *from) {
  luaL_Buffer b;
  char small[SMALL];
  char *to = room <= sizeof small ? small : luaL_buffinitsize(L, &b, room);
  ssize_t n = receive(s, to, room, from);
  if (n < 0) return n;
  size_t len = (size_t)n < room ? (size_t)n : room;
  if (to == small) lua_pushlstring(L, small, len);
  else luaL_pushresultsize(&b, len);
  return n;
}

/* An error that is left in the socket's queue keeps it ready for ever: it is what happened. */
static int unqueued (int fd, int number) {
  int queued = nl_queuederror(fd);
  return queued != 0 ? queued : number;
}

/* One datagram as a string on the stack; how long it was, or -1 with errno. */
static ssize_t pushdatagram (lua_State *L, nl_stream *s, nl_wait *w, size_t max, nl_address *from) {
  if (s->drained && !w->woken && !w->poll) {
    errno = EAGAIN;
    return -1;
  }
  ssize_t room = nl_datagramroom(s->handle.fd, max);
  ssize_t n = room < 0 ? room : receivestring(L, s, (size_t)room, from);
  int number = errno;
  s->drained = n < 0;
  if (n < 0 && (number != EAGAIN || w->woken)) number = unqueued(s->handle.fd, number);
  errno = number;
  return n;
}

static size_t checkmax (lua_State *L, int arg) {
  return lua_isnoneornil(L, arg) ? DATAGRAM : nl_checksize(L, arg, 1, NL_MAXREAD);
}

/* s:recvfrom([max], [timeout]) -> data, address, port, [length where it was cut] | nil, err */
static int datagram_recvfrom_try (lua_State *L, nl_wait *w) {
  nl_stream *s = (nl_stream *)w->self;
  nl_address from;
  size_t max = checkmax(L, 2);
  ssize_t n = pushdatagram(L, s, w, max, &from);
  if (n < 0) return nl_nothing(L, s, w, "recvfrom");
  if (n == 0 && nl_endofrecords(s->handle.fd)) return nl_eof(L);
  bool whole = lua_rawlen(L, -1) == (size_t)n;
  if (nl_pushaddress(L, &from) == 1) lua_pushnil(L);
  if (whole) return 3;
  lua_pushinteger(L, n);
  return 4;
}
NL_WAITS(datagram, recvfrom, &nl_datagram_class, NL_READ, 3)

/* s:recv([max], [timeout]) -> data, [length where it was cut] | nil, err */
static int datagram_recv_try (lua_State *L, nl_wait *w) {
  nl_stream *s = (nl_stream *)w->self;
  nl_address from;
  size_t max = checkmax(L, 2);
  ssize_t n = pushdatagram(L, s, w, max, &from);
  if (n < 0) return nl_nothing(L, s, w, "recv");
  if (n == 0 && nl_endofrecords(s->handle.fd)) return nl_eof(L);
  if (lua_rawlen(L, -1) == (size_t)n) return 1;
  lua_pushinteger(L, n);
  return 2;
}
NL_WAITS(datagram, recv, &nl_datagram_class, NL_READ, 3)

static int sendone (lua_State *L, nl_wait *w, const char *op, const nl_address *to) {
  nl_stream *s = (nl_stream *)w->self;
  size_t len;
  const char *data = nl_checkbytes(L, 2, &len);
  ssize_t n = nl_sendto(s->handle.fd, data, len, to);
  int number = errno;
  if (n >= 0) {
    lua_pushinteger(L, n);
    return 1;
  }
  if (number == EAGAIN && unbound(s->handle.fd)) number = EADDRNOTAVAIL;
  if (number == EAGAIN || number == EINTR) return nl_sendlater(w, to);
  return to != NULL ? nl_unsent(L, op, number, to) : nl_errno(L, op, number);
}

/* s:sendto(data, address, port, [timeout]) -> count | nil, err */
static int datagram_sendto_try (lua_State *L, nl_wait *w) {
  nl_stream *s = (nl_stream *)w->self;
  nl_address to;
  size_t len;
  (void)nl_checkbytes(L, 2, &len);
  int bad = nl_checkaddress(L, 3, "sendto", &to);
  if (bad != 0) return bad;
  if (nl_fitaddress(L, s, &to) < 0) return nl_failedat(L, "sendto", errno, &to);
  return sendone(L, w, "sendto", &to);
}
NL_WAITS(datagram, sendto, &nl_datagram_class, NL_WRITE, 5)

/* s:send(data, [timeout]) -> count | nil, err: to where it is connected */
static int datagram_send_try (lua_State *L, nl_wait *w) {
  return sendone(L, w, "send", NULL);
}
NL_WAITS(datagram, send, &nl_datagram_class, NL_WRITE, 3)

/* s:shutdown("r" | "w" | "rw") -> true | nil, err */
static int datagram_shutdown (lua_State *L) {
  nl_stream *s = nl_check(L, 1, &nl_datagram_class);
  int how = nl_checkword(L, 2, nl_hows, "w");
  if (!s->handle.base.open) return nl_closed(L, "shutdown");
  if (how != SHUT_WR) s->deaf = true; /* also where that is refused for want of a peer */
  return nl_result(L, "shutdown", shutdown(s->handle.fd, how));
}

static const luaL_Reg datagram_methods[] = {{"recvfrom", datagram_recvfrom}, {"recv", datagram_recv},
                                            {"sendto", datagram_sendto},     {"send", datagram_send},
                                            {"shutdown", datagram_shutdown}, {NULL, NULL}};

/* ---- the module */

/* The method table of a class, with what this file adds. [-0, +1, m] */
static void pushmethods (lua_State *L, const nl_class *class, const luaL_Reg *more) {
  nl_pushclass(L, class);
  lua_getfield(L, -1, "__index");
  luaL_setfuncs(L, more, 0);
  lua_remove(L, -2);
}

int luaopen_net_socket (lua_State *L) {
  static const luaL_Reg functions[] = {{"socket", socket_socket},
                                       {"open", socket_open},
                                       {"pair", socket_pair},
                                       {"fromfd", socket_fromfd},
                                       {"udp", socket_udp},
                                       {"issocket", socket_issocket},
                                       {NULL, NULL}};
  static const luaL_Reg names[] = {
      {"getsockname", handle_getsockname}, {"getpeername", handle_getpeername}, {NULL, NULL}};
  static const luaL_Reg makers[] = {{"connect", handle_connect}, {"bind", handle_bind}, {NULL, NULL}};
  luaL_newlib(L, functions);
  pushmethods(L, &nl_stream_class, names);
  luaL_setfuncs(L, makers, 0);
  luaL_setfuncs(L, nl_reader_methods, 0);
  lua_setfield(L, -2, "stream");
  pushmethods(L, &nl_listener_class, names);
  lua_setfield(L, -2, "listener");
  pushmethods(L, &nl_datagram_class, names);
  luaL_setfuncs(L, makers, 0);
  luaL_setfuncs(L, datagram_methods, 0);
  lua_setfield(L, -2, "datagram");
  return 1;
}
