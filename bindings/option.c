/*
 * option.c: socket options. The table of them is in optiontable.c, what the kernel gives becomes
 * a value of Lua in optionvalue.c; here values go in, and the calls are.
 */
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/tcp.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "netlua.h"

#define MOSTBYTES ((size_t)65536) /* the largest value that is read or written */
#define MOSTCODE ((size_t)4096)   /* instructions of one filter */

typedef struct target {    /* what a call is about */
  const nl_option *option; /* NULL: one that the table does not know */
  int level, number;
  int value;  /* the argument after it */
  bool plain; /* named by numbers: a string may be the bytes of the C structure */
} target;

static int argument (lua_State *L, int arg, const nl_word *words) {
  int n;
  if (lua_type(L, arg) != LUA_TSTRING) return (int)nl_checkrange(L, arg, INT_MIN, INT_MAX);
  const char *name = nl_checktext(L, arg);
  if (nl_findname(words, name, &n)) return n;
  const nl_option *o = nl_optionbyname(name);
  if (o == NULL || words != nl_constants) {
    luaL_argerror(L, arg, lua_pushfstring(L, "no such name: \"%s\"", nl_pushshown(L, arg)));
    return 0;
  }
  return o->number;
}

/* (name, ...) or (level, number, ...), where both may be names of nl_constants. */
static target gettarget (lua_State *L) {
  int level;
  const char *name = lua_type(L, 2) == LUA_TSTRING ? nl_checktext(L, 2) : NULL;
  if (name != NULL && !nl_findname(nl_levels, name, &level)) {
    const nl_option *o = nl_optionbyanyname(name);
    if (o == NULL) {
      luaL_argerror(L, 2, lua_pushfstring(L, "unknown socket option \"%s\"", nl_pushshown(L, 2)));
      return (target){0};
    }
    return (target){o, o->level, o->number, 3, false};
  }
  level = argument(L, 2, nl_levels);
  if (lua_isnone(L, 3)) {
    luaL_argerror(L, 3,
                  "an option given as number needs its level before it, as in (net.SOL_SOCKET, "
                  "net.SO_REUSEADDR)");
  }
  int number = argument(L, 3, nl_constants);
  return (target){nl_optionbynumber(level, number), level, number, 4, true};
}

/* ---- values from Lua */

typedef struct value {
  union {
    int integer;
    unsigned natural;
    uint64_t wide;
    struct linger linger;
    struct timeval time;
    struct sock_fprog program;
  } of;
  const void *bytes;
  socklen_t len;
} value;

static int expected (lua_State *L, int arg, const nl_option *o, const char *want) {
  if (lua_isnone(L, arg)) lua_pushliteral(L, "no value");
  else (void)nl_pushshown(L, arg);
  const char *text = lua_pushfstring(L, "%s: %s expected, got %s", o->name, want, lua_tostring(L, -1));
  return luaL_argerror(L, arg, text);
}

static int boolean (lua_State *L, int arg, const nl_option *o) {
  int exact = 0;
  lua_Integer n = lua_type(L, arg) == LUA_TNUMBER ? lua_tointegerx(L, arg, &exact) : 0;
  if (lua_isboolean(L, arg)) return lua_toboolean(L, arg);
  if (exact && (n == 0 || n == 1)) return (int)n;
  return expected(L, arg, o, "boolean, or 0 or 1,");
}

/* A whole number of the unit that the kernel counts in. */
static int duration (lua_State *L, int arg, const nl_option *o, double unit) {
  double n = round(nl_checkseconds(L, arg) * unit);
  if (n > INT_MAX) return expected(L, arg, o, "a shorter time");
  if (unit == 1 && n != lua_tonumber(L, arg)) return expected(L, arg, o, "whole seconds");
  return (int)n;
}

static struct timeval timeval (double seconds) {
  struct timeval t;
  double whole = floor(seconds);
  t.tv_sec = (time_t)whole;
  t.tv_usec = (suseconds_t)((seconds - whole) * 1e6);
  return t;
}

static struct linger linger (lua_State *L, int arg, const nl_option *o) {
  static const char *const names[] = {"on", "seconds", "timeout", NULL};
  if (lua_isboolean(L, arg) && !lua_toboolean(L, arg)) return (struct linger){0, 0};
  if (!lua_istable(L, arg)) expected(L, arg, o, "{on =, seconds =} or false");
  nl_checkoptions(L, arg, names);
  bool on = nl_fieldbool(L, arg, "on", true);
  lua_Integer seconds = nl_fieldint(L, arg, "timeout", 0, INT_MAX, 0); /* as LuaSocket calls it */
  return (struct linger){on, (int)nl_fieldint(L, arg, "seconds", 0, INT_MAX, seconds)};
}

static void program (lua_State *L, int arg, const nl_option *o, value *v) {
  size_t len, unit = sizeof(struct sock_filter);
  luaL_checktype(L, arg, LUA_TSTRING);
  const char *code = lua_tolstring(L, arg, &len);
  if (len == 0 || len % unit != 0 || len > MOSTCODE * unit) {
    expected(L, arg, o, "8 bytes for each of 1 to 4096 instructions");
  }
  v->of.program.len = (unsigned short)(len / unit);
  v->of.program.filter = (struct sock_filter *)(uintptr_t)code;
  v->len = sizeof v->of.program;
}

static void raw (lua_State *L, int arg, value *v) {
  size_t len;
  v->bytes = lua_tolstring(L, arg, &len);
  if (len > MOSTBYTES) luaL_argerror(L, arg, "more than 65536 bytes");
  v->len = (socklen_t)len;
}

static void text (lua_State *L, int arg, value *v) {
  v->bytes = nl_checktext(L, arg);
  v->len = (socklen_t)strlen(v->bytes);
}

static int interface (lua_State *L, int arg, const nl_option *o, value *v) {
  nl_interface in;
  int bad = nl_checkinterface(L, arg, "setsockopt", &in);
  v->of.integer = (int)(o->kind == NL_NETINDEX ? htonl(in.index) : in.index);
  return bad;
}

static int integer (lua_State *L, int arg) {
  return argument(L, arg, nl_constants);
}

/* One value in the form that the kernel takes. 0, or 2 with nil, err pushed. */
static int getvalue (lua_State *L, int arg, const nl_option *o, value *v) {
  v->bytes = &v->of;
  v->len = sizeof v->of.integer;
  switch (o->kind) {
    case NL_BOOLEAN:
      v->of.integer = boolean(L, arg, o);
      break;
    case NL_INTEGER:
      v->of.integer = integer(L, arg);
      break;
    case NL_UNSIGNED:
      v->of.natural = (unsigned)nl_checkrange(L, arg, 0, UINT32_MAX);
      break;
    case NL_WIDE:
      v->of.wide = (uint64_t)nl_checkrange(L, arg, LUA_MININTEGER, LUA_MAXINTEGER);
      v->len = sizeof v->of.wide;
      break;
    case NL_LINGER:
      v->of.linger = linger(L, arg, o);
      v->len = sizeof v->of.linger;
      break;
    case NL_TIMEVAL:
      v->of.time = timeval(nl_checkseconds(L, arg));
      v->len = sizeof v->of.time;
      break;
    case NL_SECONDS:
      v->of.integer = duration(L, arg, o, 1);
      break;
    case NL_MILLIS:
      v->of.integer = duration(L, arg, o, 1e3);
      break;
    case NL_MICROS:
      v->of.integer = duration(L, arg, o, 1e6);
      break;
    case NL_STRING:
      text(L, arg, v);
      break;
    case NL_INDEX:
    case NL_NETINDEX:
      return interface(L, arg, o, v);
    case NL_FILTER:
      program(L, arg, o, v);
      break;
    case NL_BYTES:
      luaL_checktype(L, arg, LUA_TSTRING);
      raw(L, arg, v);
      break;
    case NL_NONE:
      v->of.integer = 0;
      break;
    default:
      return nl_fail(L, "setsockopt", "ENOPROTOOPT", "%s can only be read", o->name);
  }
  return 0;
}

/* An option that the table does not know: an integer, a boolean or bytes. */
static void getunknown (lua_State *L, int arg, value *v) {
  v->bytes = &v->of;
  v->len = sizeof v->of.integer;
  if (lua_type(L, arg) == LUA_TSTRING) raw(L, arg, v);
  else if (lua_isboolean(L, arg)) v->of.integer = lua_toboolean(L, arg);
  else v->of.integer = (int)nl_checkrange(L, arg, INT_MIN, INT_MAX);
}

/* ---- memberships */

static int operationof (const nl_option *o) {
  switch (o->number) {
    case IP_ADD_MEMBERSHIP:
      return MCAST_JOIN_GROUP;
    case IP_DROP_MEMBERSHIP:
      return MCAST_LEAVE_GROUP;
    case IP_ADD_SOURCE_MEMBERSHIP:
      return MCAST_JOIN_SOURCE_GROUP;
    case IP_DROP_SOURCE_MEMBERSHIP:
      return MCAST_LEAVE_SOURCE_GROUP;
    case IP_BLOCK_SOURCE:
      return MCAST_BLOCK_SOURCE;
    case IP_UNBLOCK_SOURCE:
      return MCAST_UNBLOCK_SOURCE;
    case IPV6_JOIN_GROUP:
      return MCAST_JOIN_GROUP;
    case IPV6_LEAVE_GROUP:
      return MCAST_LEAVE_GROUP;
    default:
      return o->number;
  }
}

static bool needssource (int operation) {
  return operation != MCAST_JOIN_GROUP && operation != MCAST_LEAVE_GROUP;
}

/* An address in a field. 0, or 2 with nil, err pushed; false in *given: there is none. */
static int addressfield (lua_State *L, int arg, const char *name, nl_address *a, bool *given) {
  const char *problem, *host = nl_fieldtext(L, arg, name);
  *given = host != NULL;
  if (host == NULL) return 0;
  if (!nl_isunix(host) && nl_parseaddress(host, strlen(host), 0, a, &problem)) return 0;
  return nl_fail(L, "setsockopt", "EAI_NONAME", "%s: not a numeric address", name);
}

/* {group =, interface =, source =}; LuaSocket calls the group multiaddr */
static int setmembership (lua_State *L, nl_handle *h, const nl_option *o, int arg) {
  static const char *const names[] = {"group", "multiaddr", "interface", "source", NULL};
  nl_address group, source;
  nl_interface in;
  bool grouped, sourced;
  int operation = operationof(o);
  nl_stream *s = nl_test(L, 1, &nl_datagram_class);
  if (!lua_istable(L, arg)) return expected(L, arg, o, "{group =, interface =, source =}");
  nl_checkoptions(L, arg, names);
  int bad = addressfield(L, arg, "group", &group, &grouped);
  if (bad == 0 && !grouped) bad = addressfield(L, arg, "multiaddr", &group, &grouped);
  if (bad == 0) bad = addressfield(L, arg, "source", &source, &sourced);
  if (bad == 0) bad = nl_fieldinterface(L, arg, "setsockopt", &in);
  if (bad != 0) return bad;
  if (!grouped) return luaL_argerror(L, arg, "option \"group\": address expected, got nil");
  if (sourced != needssource(operation)) {
    return luaL_argerror(L, arg,
                         sourced ? "option \"source\" does not belong to this option"
                                 : "option \"source\": address expected, got nil");
  }
  int family = group.sa.any.sa_family;
  if (s != NULL && nl_matchfamily(L, s, family) < 0) return nl_failedat(L, "setsockopt", errno, &group);
  if (nl_membership(h->fd, operation, in.index, &group, sourced ? &source : NULL) < 0) {
    return nl_failedat(L, "setsockopt", errno, &group);
  }
  return 0;
}

/* ---- the calls */

static int settype (lua_State *L, const target *t) {
  if (t->option != NULL) return 0;
  int n = lua_type(L, t->value);
  if (n == LUA_TSTRING || n == LUA_TNUMBER || n == LUA_TBOOLEAN) return 0;
  if (n == LUA_TNONE) return luaL_argerror(L, t->value, "a value after level and number expected, got none");
  const char *got = luaL_typename(L, t->value);
  return luaL_argerror(L, t->value, lua_pushfstring(L, "integer, boolean or bytes expected, got %s", got));
}

/* A string for an option whose values are not strings is the C structure itself. */
static bool israw (lua_State *L, const target *t) {
  if (!t->plain || lua_type(L, t->value) != LUA_TSTRING || t->option == NULL) return false;
  switch (t->option->kind) {
    case NL_STRING:
    case NL_OUTGOING:
    case NL_INDEX:
    case NL_NETINDEX:
    case NL_FILTER:
    case NL_BYTES:
      return false;
    default:
      return true;
  }
}

/* The error on top says which option it is about. */
static int named (lua_State *L, const target *t) {
  if (t->option != NULL) lua_pushfstring(L, "%s: ", t->option->name);
  else lua_pushfstring(L, "option %d of level %d: ", t->number, t->level);
  lua_getfield(L, -2, "message");
  lua_concat(L, 2);
  lua_setfield(L, -2, "message");
  return 2;
}

static int setoutgoing (lua_State *L, int fd, const target *t) {
  nl_interface in;
  int bad = nl_checkinterface(L, t->value, "setsockopt", &in);
  if (bad != 0) return bad;
  if (nl_setinterface(fd, AF_INET, &in) == 0) return 0;
  (void)nl_errno(L, "setsockopt", errno);
  return named(L, t);
}

static int setany (lua_State *L, nl_handle *h, const target *t) {
  value v;
  int bad = 0;
  bool bytes = israw(L, t);
  memset(&v, 0, sizeof v);
  if (!bytes && t->option != NULL && t->option->kind == NL_MEMBERSHIP) {
    return setmembership(L, h, t->option, t->value);
  }
  if (!bytes && t->option != NULL && t->option->kind == NL_OUTGOING) return setoutgoing(L, h->fd, t);
  if (bytes) raw(L, t->value, &v);
  else if (t->option != NULL) bad = getvalue(L, t->value, t->option, &v);
  else getunknown(L, t->value, &v);
  if (bad != 0) return bad;
  if (setsockopt(h->fd, t->level, t->number, v.bytes, v.len) == 0) return 0;
  (void)nl_errno(L, "setsockopt", errno);
  return named(L, t);
}

/* A socket that has no family yet is IPv6 from its first IPv6 option on. */
static int settle (lua_State *L, int level) {
  nl_stream *s = nl_test(L, 1, &nl_datagram_class);
  return s != NULL && level == IPPROTO_IPV6 ? nl_matchfamily(L, s, AF_INET6) : 0;
}

/* s:setsockopt(name | level, number, value) -> s | nil, err */
static int handle_setsockopt (lua_State *L) {
  nl_handle *h = nl_check(L, 1, &nl_handle_class);
  target t = gettarget(L);
  (void)settype(L, &t);
  if (!h->base.open) return nl_closed(L, "setsockopt");
  if (settle(L, t.level) < 0) return nl_errno(L, "setsockopt", errno);
  int bad = setany(L, h, &t);
  if (bad != 0) return bad;
  lua_settop(L, 1);
  return 1;
}

/* Bytes as they are; four of them are an integer unless a size was given. */
static int pushraw (lua_State *L, int fd, const target *t) {
  luaL_Buffer b;
  bool sized = !lua_isnoneornil(L, t->value);
  size_t size = sized ? nl_checksize(L, t->value, 0, MOSTBYTES) : 256;
  char *to = luaL_buffinitsize(L, &b, size);
  socklen_t len = (socklen_t)size;
  int n = 0;
  if (getsockopt(fd, t->level, t->number, to, &len) < 0) {
    (void)nl_errno(L, "getsockopt", errno);
    return named(L, t);
  }
  if (len > size) len = (socklen_t)size;
  if (!sized && len == sizeof n) {
    memcpy(&n, to, sizeof n);
    lua_pushinteger(L, n);
    return 1;
  }
  luaL_pushresultsize(&b, len);
  return 1;
}

static int pushoption (lua_State *L, int fd, const target *t) {
  int n = nl_pushoption(L, fd, t->option);
  return n == 2 ? named(L, t) : n;
}

/* s:getsockopt(name | level, number, [size]) -> value | nil, err */
static int handle_getsockopt (lua_State *L) {
  nl_handle *h = nl_check(L, 1, &nl_handle_class);
  target t = gettarget(L);
  if (!lua_isnoneornil(L, t.value)) (void)nl_checksize(L, t.value, 0, MOSTBYTES);
  if (!h->base.open) return nl_closed(L, "getsockopt");
  if (settle(L, t.level) < 0) return nl_errno(L, "getsockopt", errno);
  if (t.option == NULL || !lua_isnoneornil(L, t.value)) return pushraw(L, h->fd, &t);
  return pushoption(L, h->fd, &t);
}

/* s:info() -> table | nil, err */
static int stream_info (lua_State *L) {
  nl_stream *s = nl_check(L, 1, &nl_stream_class);
  if (!s->handle.base.open) return nl_closed(L, "info");
  target t = {.option = nl_optionbyname("TCP_INFO")};
  return pushoption(L, s->handle.fd, &t);
}

/* ---- the list */

enum { STREAM, DATAGRAM, DATAGRAM6, NFRESH };

typedef struct fresh { /* sockets to look at */
  int fds[NFRESH];
} fresh;

static void dropfresh (void *ptr) {
  fresh *f = ptr;
  for (int i = 0; i < NFRESH; i++) {
    if (f->fds[i] >= 0) (void)close(f->fds[i]); /* never used */
  }
  free(f);
}

static fresh *openfresh (void) {
  fresh *f = malloc(sizeof *f);
  if (f == NULL) return NULL;
  f->fds[STREAM] = nl_socket(AF_INET, SOCK_STREAM, 0);
  f->fds[DATAGRAM] = nl_socket(AF_INET, SOCK_DGRAM, 0);
  f->fds[DATAGRAM6] = nl_socket(AF_INET6, SOCK_DGRAM, 0);
  return f;
}

static int freshfor (const fresh *f, int level) {
  if (level == IPPROTO_IPV6) return f->fds[DATAGRAM6];
  return f->fds[level == IPPROTO_TCP || level == SOL_SOCKET ? STREAM : DATAGRAM];
}

static void setinteger (lua_State *L, const char *name, lua_Integer n) {
  lua_pushinteger(L, n);
  lua_setfield(L, -2, name);
}

static void pushrow (lua_State *L, const nl_option *o, int fd) {
  lua_createtable(L, 0, 6);
  lua_pushstring(L, o->name);
  lua_setfield(L, -2, "name");
  setinteger(L, "level", o->level);
  setinteger(L, "number", o->number);
  lua_pushstring(L, nl_kindnames[o->kind]);
  lua_setfield(L, -2, "kind");
  lua_pushstring(L, o->explanation);
  lua_setfield(L, -2, "explanation");
  int top = lua_gettop(L);
  if (fd >= 0 && nl_pushoption(L, fd, o) == 1) lua_setfield(L, top, "value");
  lua_settop(L, top);
}

/* options([object]) -> {{name, level, number, kind, value, explanation}, ...} | nil, err */
static int option_options (lua_State *L) {
  nl_handle *h = lua_isnoneornil(L, 1) ? NULL : nl_check(L, 1, &nl_handle_class);
  if (h != NULL && !h->base.open) return nl_closed(L, "options");
  lua_Integer n = 0;
  lua_newtable(L);
  int list = lua_gettop(L);
  nl_guard *g = nl_newguard(L, dropfresh);
  const fresh *f = h == NULL ? g->ptr = openfresh() : NULL;
  if (h == NULL && f == NULL) return nl_errno(L, "options", ENOMEM);
  for (const nl_option *o = nl_options; o->name != NULL; o++) {
    pushrow(L, o, h != NULL ? h->fd : freshfor(f, o->level));
    lua_rawseti(L, list, ++n);
  }
  lua_pushvalue(L, list);
  return 1;
}

/* constant(name) -> integer, or nil */
static int option_constant (lua_State *L) {
  int n;
  const char *name = luaL_checkstring(L, 1);
  const nl_option *o = nl_optionbyname(name);
  if (o != NULL && strstr(name, "BUFFER") == NULL) n = o->number;
  else if (!nl_findname(nl_levels, name, &n) && !nl_findname(nl_constants, name, &n)) return 0;
  lua_pushinteger(L, n);
  return 1;
}

/* [-0, +0, m] appends words to the list on top, which has n so far */
static lua_Integer addwords (lua_State *L, const nl_word *words, lua_Integer n) {
  for (; words->name != NULL; words++) {
    lua_pushstring(L, words->name);
    lua_rawseti(L, -2, ++n);
  }
  return n;
}

/* constants() -> {name, ...}: what constant knows, but second names of options */
static int option_constants (lua_State *L) {
  lua_newtable(L);
  lua_Integer n = addwords(L, nl_constants, addwords(L, nl_levels, 0));
  for (const nl_option *o = nl_options; o->name != NULL; o++) {
    if (strstr(o->name, "BUFFER") != NULL) continue;
    lua_pushstring(L, o->name);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

static void addmethods (lua_State *L, const nl_class *class, const luaL_Reg *methods) {
  nl_pushclass(L, class);
  lua_getfield(L, -1, "__index");
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 2);
}

int luaopen_net_option (lua_State *L) {
  static const luaL_Reg functions[] = {{"options", option_options},
                                       {"constant", option_constant},
                                       {"constants", option_constants},
                                       {NULL, NULL}};
  static const luaL_Reg methods[] = {
      {"setsockopt", handle_setsockopt}, {"getsockopt", handle_getsockopt}, {NULL, NULL}};
  static const luaL_Reg more[] = {{"info", stream_info}, {NULL, NULL}};
  addmethods(L, &nl_handle_class, methods);
  addmethods(L, &nl_stream_class, methods);
  addmethods(L, &nl_stream_class, more);
  addmethods(L, &nl_listener_class, methods);
  addmethods(L, &nl_datagram_class, methods);
  luaL_newlib(L, functions);
  return 1;
}
