/*
 * multicast.c: joining and leaving groups, and how multicast is sent: hops, loop, interface. IPv4 and
 * IPv6 alike; interfaces by name, index or address. The membership itself passes the gate in permit.c.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "netlua.h"

typedef struct membership {
  nl_address group, source;
  nl_interface in;
  bool sourced;
} membership;

static bool ismulticast (const nl_address *a) {
  const struct sockaddr_in *sin = (const struct sockaddr_in *)&a->sa.storage;
  const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)&a->sa.storage;
  if (a->sa.any.sa_family == AF_INET) return IN_MULTICAST(ntohl(sin->sin_addr.s_addr));
  return IN6_IS_ADDR_MULTICAST(&sin6->sin6_addr);
}

static int wrongaddress (lua_State *L, const char *op, const char *code, const char *text,
                         const char *problem) {
  int n = nl_fail(L, op, code, "%s", problem);
  lua_pushstring(L, text);
  lua_setfield(L, -2, "address");
  return n;
}

static int getaddress (lua_State *L, const char *op, const char *text, nl_address *a) {
  const char *problem = NULL;
  if (!nl_isunix(text) && nl_parseaddress(text, strlen(text), 0, a, &problem)) return 0;
  return wrongaddress(L, op, "EAI_NONAME", text, problem != NULL ? problem : "not a numeric address");
}

/* The interface of the option, or of the zone of an IPv6 group. */
static int getinterface (lua_State *L, int arg, const char *op, membership *m) {
  if (m->group.sa.any.sa_family == AF_INET6) {
    m->in.index = ((const struct sockaddr_in6 *)&m->group.sa.storage)->sin6_scope_id;
  }
  if (!lua_istable(L, arg)) return 0;
  lua_pushliteral(L, "interface");
  if (lua_rawget(L, arg) == LUA_TNIL) return 0;
  return nl_fieldinterface(L, arg, op, &m->in);
}

/* group, {interface =, source =} at 2 and 3. 0, or 2 with nil, err pushed. */
static int getmembership (lua_State *L, const char *op, membership *m) {
  static const char *const names[] = {"interface", "source", NULL};
  const char *group = nl_checktext(L, 2);
  memset(m, 0, sizeof *m);
  nl_checkoptions(L, 3, names);
  const char *source = nl_fieldtext(L, 3, "source");
  int bad = getaddress(L, op, group, &m->group);
  if (bad == 0 && !ismulticast(&m->group)) {
    bad = wrongaddress(L, op, "EINVAL", group, "not a multicast address");
    lua_pushliteral(L, "Groups are 224.0.0.0 to 239.255.255.255, and ff00:: and above.");
    lua_setfield(L, -2, "hint");
  }
  if (bad == 0 && source != NULL) bad = getaddress(L, op, source, &m->source);
  m->sourced = source != NULL;
  if (bad == 0 && m->sourced && m->source.sa.any.sa_family != m->group.sa.any.sa_family) {
    bad = wrongaddress(L, op, "EAFNOSUPPORT", source, "source and group are of different families");
  }
  return bad != 0 ? bad : getinterface(L, 3, op, m);
}

static int change (lua_State *L, const char *op, int plain, int sourced) {
  nl_stream *s = nl_check(L, 1, &nl_datagram_class);
  membership m;
  int bad = getmembership(L, op, &m);
  if (!s->handle.base.open) return nl_closed(L, op);
  if (bad != 0) return bad;
  if (nl_matchfamily(L, s, m.group.sa.any.sa_family) < 0) return nl_failedat(L, op, errno, &m.group);
  int result = nl_membership(s->handle.fd, m.sourced ? sourced : plain, m.in.index, &m.group,
                             m.sourced ? &m.source : NULL);
  if (result < 0) {
    int number = errno;
    int n = nl_errno(L, op, number);
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "address");
    return n;
  }
  lua_settop(L, 1);
  return 1;
}

/* s:join(group, [options]) -> s | nil, err */
static int datagram_join (lua_State *L) {
  return change(L, "join", MCAST_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP);
}

/* s:leave(group, [options]) -> s | nil, err */
static int datagram_leave (lua_State *L) {
  return change(L, "leave", MCAST_LEAVE_GROUP, MCAST_LEAVE_SOURCE_GROUP);
}

/* ---- sending */

static int readoption (lua_State *L, const char *op, int fd, int four, int six) {
  int value = 0;
  socklen_t len = sizeof value;
  bool v6 = nl_domain(fd) == AF_INET6;
  int result = getsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? six : four, &value, &len);
  if (result < 0) return nl_errno(L, op, errno);
  lua_pushinteger(L, value);
  return 1;
}

/* An IPv6 socket may send to IPv4 groups too. */
static int writeoption (lua_State *L, const char *op, int fd, int four, int six, int value) {
  bool v6 = nl_domain(fd) == AF_INET6;
  int result = setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? six : four, &value, sizeof value);
  if (result < 0) return nl_errno(L, op, errno);
  if (v6) (void)setsockopt(fd, IPPROTO_IP, four, &value, sizeof value); /* refused where it is v6 only */
  lua_settop(L, 1);
  return 1;
}

/* s:ttl([n]) -> s, or the integer where there is no n | nil, err */
static int datagram_ttl (lua_State *L) {
  nl_stream *s = nl_check(L, 1, &nl_datagram_class);
  bool asks = lua_isnone(L, 2);
  int value = asks ? 0 : (int)nl_checkrange(L, 2, 0, 255);
  int fd = s->handle.fd;
  if (!s->handle.base.open) return nl_closed(L, "ttl");
  if (asks) return readoption(L, "ttl", fd, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS);
  return writeoption(L, "ttl", fd, IP_MULTICAST_TTL, IPV6_MULTICAST_HOPS, value);
}

/* s:loop([on]) -> s, or the boolean where there is no `on` | nil, err */
static int datagram_loop (lua_State *L) {
  nl_stream *s = nl_check(L, 1, &nl_datagram_class);
  bool asks = lua_isnone(L, 2);
  int fd = s->handle.fd;
  if (!asks) luaL_checktype(L, 2, LUA_TBOOLEAN);
  if (!s->handle.base.open) return nl_closed(L, "loop");
  if (!asks) return writeoption(L, "loop", fd, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP, lua_toboolean(L, 2));
  int n = readoption(L, "loop", fd, IP_MULTICAST_LOOP, IPV6_MULTICAST_LOOP);
  if (n == 1) lua_pushboolean(L, lua_tointeger(L, -1) != 0);
  return n;
}

/* IPv4 knows an interface by its address: one that has none is of use to IPv6 only. */
static int choose (lua_State *L, nl_stream *s, nl_interface *in) {
  nl_interfaceaddress(in);
  if (s->loose && in->index != 0 && in->inet == 0 && nl_matchfamily(L, s, AF_INET6) < 0) return -1;
  int family = nl_domain(s->handle.fd);
  if (nl_setinterface(s->handle.fd, family, in) < 0) return -1;
  if (family == AF_INET6) (void)nl_setinterface(s->handle.fd, AF_INET, in); /* refused where it is v6 only */
  return 0;
}

/* s:interface([name | index | address | false]) -> s, or name or false if nothing is given | nil, err */
static int datagram_interface (lua_State *L) {
  nl_stream *s = nl_check(L, 1, &nl_datagram_class);
  nl_interface in;
  bool asks = lua_isnone(L, 2);
  int bad = asks ? 0 : nl_checkinterface(L, 2, "interface", &in);
  if (!s->handle.base.open) return nl_closed(L, "interface");
  if (bad != 0) return bad;
  if (asks) {
    int result = nl_getinterface(s->handle.fd, nl_domain(s->handle.fd), &in);
    if (result < 0) return nl_errno(L, "interface", errno);
    nl_pushinterface(L, in.index);
    return 1;
  }
  if (choose(L, s, &in) < 0) return nl_errno(L, "interface", errno);
  lua_settop(L, 1);
  return 1;
}

int luaopen_net_multicast (lua_State *L) {
  static const luaL_Reg methods[] = {
      {"join", datagram_join}, {"leave", datagram_leave},         {"ttl", datagram_ttl},
      {"loop", datagram_loop}, {"interface", datagram_interface}, {NULL, NULL}};
  nl_pushclass(L, &nl_datagram_class);
  lua_getfield(L, -1, "__index");
  luaL_setfuncs(L, methods, 0);
  lua_newtable(L); /* all there is are methods */
  return 1;
}
