/*
 * resolve.c: names and addresses through the C library, in worker threads, so that the loop never stops:
 * a lookup that hangs costs a thread until it ends, and its task goes on at the deadline. What cannot hang
 * (addresses in numbers, the host's own name, /etc/services, /etc/protocols) is done here and now.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netlua.h"

#define SCRATCH ((size_t)16384) /* what the _r calls begin with; they say when it is too little */
#define MOSTSCRATCH ((size_t)1 << 20)
#define ENTRYROOM 4096 /* one line of /etc/services or /etc/protocols */
#define LONGESTNAME 253
#define LONGESTLABEL 63
#define ROW(name)                                                                                            \
  { #name, name }

enum kind { GETADDRINFO, GETNAMEINFO, BYNAME, BYADDR };

typedef struct lookup {
  nl_job job; /* first: the worker knows only this */
  enum kind kind;
  char *host, *service;
  struct addrinfo hints, *list; /* getaddrinfo */
  nl_address address;           /* getnameinfo, gethostbyaddr */
  int flags;
  char name[NI_MAXHOST], port[64];
  struct hostent entry; /* the _r calls, in scratch */
  char *scratch;
  int status, number; /* 0 or EAI_*, and its errno */
} lookup;

typedef struct request { /* keeps the job while its task waits; dropped by __gc and __close */
  nl_object base;
  lookup *lookup;
  bool direct; /* done already, no worker has it */
} request;

/* What can be said of a lookup before it is made; the other fields are the lookup's own. */
typedef struct question {
  enum kind kind;
  const char *host, *service;
  struct addrinfo hints;
  nl_address address;
  int flags;
} question;

static const char *const ops[] = {"getaddrinfo", "getnameinfo", "gethostbyname_ex", "gethostbyaddr"};

static const nl_word aiflags[] = {
    ROW(AI_PASSIVE), ROW(AI_CANONNAME),  ROW(AI_NUMERICHOST), ROW(AI_NUMERICSERV), ROW(AI_V4MAPPED),
    ROW(AI_ALL),     ROW(AI_ADDRCONFIG), ROW(AI_IDN),         ROW(AI_CANONIDN),    {NULL, 0}};
static const nl_word niflags[] = {ROW(NI_NUMERICHOST), ROW(NI_NUMERICSERV), ROW(NI_NOFQDN), ROW(NI_NAMEREQD),
                                  ROW(NI_DGRAM),       ROW(NI_IDN),         {NULL, 0}};

/* ---- in the worker */

static int hosterror (int h_error) {
  switch (h_error) {
    case HOST_NOT_FOUND:
      return EAI_NONAME;
    case NO_DATA:
      return EAI_NODATA;
    case TRY_AGAIN:
      return EAI_AGAIN;
    case NETDB_INTERNAL:
      return EAI_SYSTEM;
    default:
      return EAI_FAIL;
  }
}

static int calltheold (lookup *l, size_t size, struct hostent **found, int *h_error) {
  const void *bytes = &((struct sockaddr_in *)&l->address.sa)->sin_addr;
  socklen_t len = sizeof(struct in_addr);
  int family = l->address.sa.any.sa_family;
  if (l->kind == BYNAME) {
    return gethostbyname2_r(l->host, AF_INET, &l->entry, l->scratch, size, found, h_error);
  }
  if (family == AF_INET6) {
    bytes = &((struct sockaddr_in6 *)&l->address.sa)->sin6_addr;
    len = sizeof(struct in6_addr);
  }
  return gethostbyaddr_r(bytes, len, family, &l->entry, l->scratch, size, found, h_error);
}

/* gethostbyname_r(3) and gethostbyaddr_r(3): the only ones that tell aliases. 0 or EAI_*. */
static int old_run (lookup *l) {
  struct hostent *found = NULL;
  int h_error = 0, result = ERANGE;
  for (size_t size = SCRATCH; result == ERANGE && size <= MOSTSCRATCH; size *= 4) {
    char *larger = realloc(l->scratch, size);
    if (larger == NULL) return EAI_MEMORY;
    l->scratch = larger;
    result = calltheold(l, size, &found, &h_error);
  }
  if (result == ERANGE) return EAI_OVERFLOW;
  errno = result;
  return found != NULL ? 0 : hosterror(h_error);
}

static int callone (lookup *l) {
  switch (l->kind) {
    case GETADDRINFO:
      return getaddrinfo(l->host, l->service, &l->hints, &l->list);
    case GETNAMEINFO:
      return getnameinfo(&l->address.sa.any, l->address.len, l->name, sizeof l->name, l->port, sizeof l->port,
                         l->flags);
    default:
      return old_run(l);
  }
}

static void lookup_run (nl_job *job) {
  lookup *l = (lookup *)job;
  l->status = callone(l);
  l->number = errno;
}

static void lookup_free (nl_job *job) {
  lookup *l = (lookup *)job;
  if (l->list != NULL) freeaddrinfo(l->list);
  free(l->scratch);
  free(l->host);
  free(l->service);
  free(l);
}

/* ---- answers */

static void setstring (lua_State *L, const char *field, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, field);
}

static void setinteger (lua_State *L, const char *field, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, field);
}

/* Unlike the addresses of sockets these stay as they are: IPv4-mapped is IPv6 here. */
static int settext (lua_State *L, const struct addrinfo *i) {
  char text[NI_MAXHOST], port[16];
  int status = getnameinfo(i->ai_addr, i->ai_addrlen, text, sizeof text, port, sizeof port,
                           NI_NUMERICHOST | NI_NUMERICSERV);
  if (status != 0) return status;
  setstring(L, "address", text);
  setinteger(L, "port", strtol(port, NULL, 10));
  return 0;
}

static int pushentry (lua_State *L, const struct addrinfo *i) {
  lua_createtable(L, 0, 7);
  setinteger(L, "family", i->ai_family);
  setinteger(L, "socktype", i->ai_socktype);
  setinteger(L, "protocol", i->ai_protocol);
  if (i->ai_canonname != NULL) setstring(L, "canonname", i->ai_canonname);
  if (i->ai_family == AF_INET6) {
    setinteger(L, "scope_id", ((const struct sockaddr_in6 *)(const void *)i->ai_addr)->sin6_scope_id);
  }
  return settext(L, i);
}

static int pushlist (lua_State *L, const struct addrinfo *list) {
  lua_Integer n = 0;
  lua_newtable(L);
  for (const struct addrinfo *i = list; i != NULL; i = i->ai_next) {
    if (i->ai_family != AF_INET && i->ai_family != AF_INET6) continue;
    int status = pushentry(L, i);
    if (status != 0) return nl_gaierror(L, "getaddrinfo", status, errno);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

static int pushhost (lua_State *L, const struct hostent *h) {
  char text[INET6_ADDRSTRLEN];
  lua_pushstring(L, h->h_name);
  lua_newtable(L);
  for (int i = 0; h->h_aliases[i] != NULL; i++) {
    lua_pushstring(L, h->h_aliases[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_newtable(L);
  for (int i = 0; h->h_addr_list[i] != NULL; i++) {
    lua_pushstring(L, inet_ntop(h->h_addrtype, h->h_addr_list[i], text, sizeof text));
    lua_rawseti(L, -2, i + 1);
  }
  return 3;
}

static int answer (lua_State *L, const lookup *l) {
  if (l->status == EAI_SERVICE && l->service != NULL) {
    return nl_fail(L, ops[l->kind], "EAI_SERVICE", "unknown service \"%s\"", l->service);
  }
  if (l->status != 0) return nl_gaierror(L, ops[l->kind], l->status, l->number);
  if (l->kind == GETADDRINFO) return pushlist(L, l->list);
  if (l->kind != GETNAMEINFO) return pushhost(L, &l->entry);
  lua_pushstring(L, l->name);
  lua_pushstring(L, l->port);
  return 2;
}

/* ---- requests */

static void request_release (lua_State *L, void *self) {
  request *r = self;
  (void)L;
  if (r->direct) lookup_free(&r->lookup->job);
  else nl_jobdrop(r->lookup);
}

static const nl_class request_class = {"net.lookup", NULL, request_release, NULL, NULL, NULL, NULL};

static int request_wait_try (lua_State *L, nl_wait *w) {
  request *r = (request *)w->self;
  if (r->direct || nl_jobdone(&r->lookup->job)) return answer(L, r->lookup);
  w->job = &r->lookup->job;
  w->queue = &r->lookup->job.waiters;
  return NL_AGAIN;
}

/* wait(request, [timeout]) -> what was asked for | nil, err */
static int request_wait (lua_State *L) {
  static const nl_call calls[] = {
      [GETADDRINFO] = {request_wait_try, "getaddrinfo", &request_class, NL_NOSIDE, 2, false},
      [GETNAMEINFO] = {request_wait_try, "getnameinfo", &request_class, NL_NOSIDE, 2, false},
      [BYNAME] = {request_wait_try, "gethostbyname_ex", &request_class, NL_NOSIDE, 2, false},
      [BYADDR] = {request_wait_try, "gethostbyaddr", &request_class, NL_NOSIDE, 2, false}};
  request *r = nl_check(L, 1, &request_class);
  if (!r->base.open) return nl_closed(L, "wait");
  return nl_await(L, &calls[r->lookup->kind]);
}

static bool copy (char **to, const char *from) {
  if (from != NULL) *to = strdup(from);
  return from == NULL || *to != NULL;
}

static lookup *newlookup (const question *q) {
  lookup *l = calloc(1, sizeof *l);
  if (l == NULL) return NULL;
  l->job.run = lookup_run;
  l->job.free = lookup_free;
  l->kind = q->kind;
  l->hints = q->hints;
  l->address = q->address;
  l->flags = q->flags;
  if (copy(&l->host, q->host) && copy(&l->service, q->service)) return l;
  lookup_free(&l->job);
  return NULL;
}

static bool beginsnumeric (const char *host) {
  return (host[0] >= '0' && host[0] <= '9') || strchr(host, ':') != NULL;
}

/* Looks at a host that may be an address, without asking anybody: false if it is a name. */
static bool runnumeric (lookup *l) {
  int flags = l->hints.ai_flags;
  bool only = l->host == NULL || (flags & AI_NUMERICHOST);
  if (!only && ((flags & AI_IDN) || !beginsnumeric(l->host))) return false;
  l->hints.ai_flags |= AI_NUMERICHOST;
  lookup_run(&l->job);
  l->hints.ai_flags = flags;
  return only || l->status != EAI_NONAME;
}

/* Tries what cannot hang: false if that gives no answer. */
static bool runhere (lookup *l) {
  struct in_addr legacy;
  if (l->kind == GETADDRINFO) return runnumeric(l);
  bool direct = l->kind == GETNAMEINFO ? (l->flags & NI_NUMERICHOST) != 0
                                       : l->kind == BYNAME && inet_aton(l->host, &legacy) != 0;
  if (direct) lookup_run(&l->job);
  return direct;
}

/* Begins what is asked for. -> request | nil, err */
static int begin (lua_State *L, const question *q) {
  request *r = nl_new(L, &request_class, sizeof *r);
  lookup *l = newlookup(q);
  if (l == NULL) return nl_errno(L, ops[q->kind], ENOMEM);
  r->direct = runhere(l);
  int number = r->direct ? 0 : nl_submit(L, &l->job);
  if (number != 0) {
    lookup_free(&l->job);
    return nl_errno(L, ops[q->kind], number);
  }
  r->lookup = l;
  r->base.open = true;
  return 1;
}

/* ---- what can be told of a name by looking at it */

static bool isnumber (const char *label, size_t len) {
  if (len >= 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X')) {
    return strspn(label + 2, "0123456789abcdefABCDEF") >= len - 2;
  }
  return len > 0 && strspn(label, "0123456789") >= len;
}

/* Ends in a number, as only an address does, and is no address of four decimal numbers. */
static bool isloose (const char *host) {
  struct in_addr a;
  size_t len = strlen(host), start;
  if (inet_pton(AF_INET, host, &a) == 1) return false;
  if (len > 0 && host[len - 1] == '.') len--;
  for (start = len; start > 0 && host[start - 1] != '.'; start--) continue;
  return isnumber(host + start, len - start);
}

static bool islong (const char *host) {
  size_t len = strlen(host), label = 0;
  if (len > 0 && host[len - 1] == '.') len--;
  for (size_t i = 0; i < len; i++) {
    label = host[i] == '.' ? 0 : label + 1;
    if (label > LONGESTLABEL) return true;
  }
  return len > LONGESTNAME;
}

/* Why no name server can know that name; NULL if one may. Addresses are not meant here. */
static const char *unaskable (const char *host, bool idn) {
  if (host[0] == '\0') return "the name is empty";
  if (host[0] == '[') return "an address stands without brackets here";
  if (strpbrk(host, " \t\r\n:%/[]") != NULL) return "neither an address nor a host name";
  if (!idn && islong(host)) return "longer than a host name can be";
  return NULL;
}

/* Of an address that cannot be used, such as one whose zone does not exist, *problem says why. */
static bool numeric (const char *host, uint16_t port, nl_address *a, const char **problem) {
  *problem = NULL;
  return !nl_isunix(host) && nl_parseaddress(host, strlen(host), port, a, problem);
}

static int notaddress (lua_State *L, const char *op, const char *why) {
  return nl_fail(L, op, "EAI_NONAME", "%s", why != NULL ? why : "not an address");
}

/* nil, err for a host that is not worth a lookup; else 0 */
static int refusehost (lua_State *L, const question *q, bool strict) {
  nl_address a;
  const char *why;
  if (q->host == NULL || numeric(q->host, 0, &a, &why)) return 0;
  if (why == NULL) why = unaskable(q->host, q->hints.ai_flags & AI_IDN);
  if (why == NULL && strict && isloose(q->host)) why = "not an address of four decimal numbers";
  return why != NULL ? nl_fail(L, ops[q->kind], "EAI_NONAME", "%s", why) : 0;
}

/* strtoul(3) in the C library takes signs and blanks, and cuts what is too large. */
static int refuseservice (lua_State *L, int arg, const char *service) {
  char *end;
  if (service == NULL || service[0] == '\0') return 0;
  unsigned long n = strtoul(service, &end, 10);
  if (*end != '\0') return 0;
  if (service[0] < '0' || service[0] > '9') {
    return nl_fail(L, "getaddrinfo", "EAI_SERVICE", "unknown service \"%s\"", service);
  }
  if (n <= UINT16_MAX) return 0;
  return luaL_argerror(L, arg,
                       lua_pushfstring(L, "port from 0 to 65535 expected, got \"%s\"", nl_pushshown(L, arg)));
}

/* ---- arguments */

/* The flags on top of the stack: a number, a name or a list of them; -1 if it is none of these. */
static int toflags (lua_State *L, const nl_word *words) {
  int value = 0, one = 0;
  if (lua_isnil(L, -1)) return 0;
  if (!lua_istable(L, -1)) return nl_toname(L, -1, words, &value) ? value : -1;
  for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
    bool known = lua_isinteger(L, -2) && nl_toname(L, -1, words, &one);
    value = known ? value | one : -1; /* stays -1 */
  }
  return value;
}

/* Of the value on top of the stack, which is none. */
static const char *wantflags (lua_State *L, const nl_word *words) {
  luaL_Buffer b;
  const char *got = nl_pushshown(L, -1);
  luaL_buffinit(L, &b);
  luaL_addstring(&b, "a number, a name or a list of names expected: ");
  for (const nl_word *w = words; w->name != NULL; w++) {
    if (w != words) luaL_addstring(&b, ", ");
    luaL_addstring(&b, w->name);
  }
  luaL_pushresult(&b);
  return lua_pushfstring(L, "%s; got %s", lua_tostring(L, -1), got);
}

static void getfield (lua_State *L, int arg, const char *name) {
  if (!lua_istable(L, arg)) {
    lua_pushnil(L);
    return;
  }
  lua_pushstring(L, name);
  lua_rawget(L, arg);
}

static int fieldname (lua_State *L, int arg, const char *name, const nl_word *words) {
  int value = 0;
  getfield(L, arg, name);
  if (!lua_isnil(L, -1) && !nl_toname(L, -1, words, &value)) {
    const char *got = nl_pushshown(L, -1);
    luaL_argerror(L, arg, lua_pushfstring(L, "option \"%s\": \"%s\" is unknown", name, got));
  }
  lua_pop(L, 1);
  return value;
}

static int fieldflags (lua_State *L, int arg) {
  getfield(L, arg, "flags");
  int value = toflags(L, aiflags);
  if (value < 0) {
    luaL_argerror(L, arg, lua_pushfstring(L, "option \"flags\": %s", wantflags(L, aiflags)));
  }
  lua_pop(L, 1);
  return value;
}

static void gethints (lua_State *L, int arg, struct addrinfo *hints) {
  static const char *const names[] = {"family", "socktype", "protocol", "flags", "strict", "timeout", NULL};
  nl_checkoptions(L, arg, names);
  hints->ai_family = fieldname(L, arg, "family", nl_families);
  hints->ai_socktype = fieldname(L, arg, "socktype", nl_socktypes);
  hints->ai_protocol = fieldname(L, arg, "protocol", nl_protocols);
  hints->ai_flags = fieldflags(L, arg);
  (void)nl_fieldtimeout(L, arg, "timeout", NL_FOREVER); /* the caller's to pass on: wrong ones raise here */
}

/* ---- the four lookups */

/* getaddrinfo(host, service, [hints]) -> request | nil, err: the lookup has begun */
static int resolve_getaddrinfo (lua_State *L) {
  question q = {.kind = GETADDRINFO};
  if (!lua_isnoneornil(L, 1)) q.host = nl_checktext(L, 1);
  if (!lua_isnoneornil(L, 2)) q.service = nl_checktext(L, 2);
  gethints(L, 3, &q.hints);
  bool strict = nl_fieldbool(L, 3, "strict", false);
  int refused = refuseservice(L, 2, q.service);
  if (refused == 0) refused = refusehost(L, &q, strict);
  return refused != 0 ? refused : begin(L, &q);
}

/* getnameinfo(address, [port], [flags]) -> request | nil, err */
static int resolve_getnameinfo (lua_State *L) {
  question q = {.kind = GETNAMEINFO};
  const char *why, *host = nl_checktext(L, 1);
  uint16_t port = lua_isnoneornil(L, 2) ? 0 : nl_checkport(L, 2);
  lua_settop(L, 3);
  q.flags = toflags(L, niflags);
  if (q.flags < 0) return luaL_argerror(L, 3, wantflags(L, niflags));
  if (!numeric(host, port, &q.address, &why)) return notaddress(L, "getnameinfo", why);
  return begin(L, &q);
}

/* byname(name) -> request | nil, err */
static int resolve_byname (lua_State *L) {
  question q = {.kind = BYNAME, .host = nl_checktext(L, 1)};
  int refused = refusehost(L, &q, false);
  return refused != 0 ? refused : begin(L, &q);
}

/* byaddr(address) -> request | nil, err */
static int resolve_byaddr (lua_State *L) {
  question q = {.kind = BYADDR};
  const char *why, *host = nl_checktext(L, 1);
  if (!numeric(host, 0, &q.address, &why)) return notaddress(L, "gethostbyaddr", why);
  return begin(L, &q);
}

/* ---- at once */

/* gethostname() -> text | nil, err */
static int resolve_gethostname (lua_State *L) {
  char name[HOST_NAME_MAX + 1];
  if (gethostname(name, sizeof name) < 0) return nl_errno(L, "gethostname", errno);
  lua_pushstring(L, name);
  return 1;
}

static int noentry (lua_State *L, const char *op, int status) {
  if (status != 0 && status != ENOENT) return nl_errno(L, op, status);
  const char *sought = lua_tostring(L, 1), *over = lua_tostring(L, 2);
  if (op[3] == 's' && over != NULL) {
    return nl_fail(L, op, "EAI_SERVICE", "no service %s/%s in /etc/services", sought, over);
  }
  if (op[3] == 's') return nl_fail(L, op, "EAI_SERVICE", "no service %s in /etc/services", sought);
  return nl_fail(L, op, "EPROTONOSUPPORT", "no protocol %s in /etc/protocols", sought);
}

/* getservbyname(name, [protocol]) -> port | nil, err */
static int resolve_getservbyname (lua_State *L) {
  char room[ENTRYROOM];
  struct servent entry, *found = NULL;
  const char *name = nl_checktext(L, 1);
  const char *protocol = lua_isnoneornil(L, 2) ? NULL : nl_checktext(L, 2);
  int status = getservbyname_r(name, protocol, &entry, room, sizeof room, &found);
  if (found == NULL) return noentry(L, "getservbyname", status);
  lua_pushinteger(L, ntohs((uint16_t)found->s_port));
  return 1;
}

/* getservbyport(port, [protocol]) -> name | nil, err */
static int resolve_getservbyport (lua_State *L) {
  char room[ENTRYROOM];
  struct servent entry, *found = NULL;
  uint16_t port = nl_checkport(L, 1);
  const char *protocol = lua_isnoneornil(L, 2) ? NULL : nl_checktext(L, 2);
  int status = getservbyport_r(htons(port), protocol, &entry, room, sizeof room, &found);
  if (found == NULL) return noentry(L, "getservbyport", status);
  lua_pushstring(L, found->s_name);
  return 1;
}

static void endservices (void *unused) {
  (void)unused;
  endservent();
}

/* Notes the first name of each port, in a table of its protocol. [-0, +0, m] */
static void addservice (lua_State *L, int services, const struct servent *entry) {
  lua_Integer port = ntohs((uint16_t)entry->s_port);
  (void)luaL_getsubtable(L, services, entry->s_proto);
  if (lua_rawgeti(L, -1, port) == LUA_TNIL) {
    lua_pushstring(L, entry->s_name);
    lua_rawseti(L, -3, port);
  }
  lua_pop(L, 2);
}

/* services() -> {tcp = {[80] = "http", ...}, udp = ...}: all of them in one reading */
static int resolve_services (lua_State *L) {
  char room[ENTRYROOM];
  struct servent entry, *found = NULL;
  lua_settop(L, 0);
  lua_newtable(L);
  nl_guard *g = nl_newguard(L, endservices);
  g->ptr = &entry; /* whatever is not NULL */
  setservent(1);
  while (getservent_r(&entry, room, sizeof room, &found) == 0) addservice(L, 1, found);
  lua_pushvalue(L, 1);
  return 1;
}

/* getprotobyname(name) -> number | nil, err */
static int resolve_getprotobyname (lua_State *L) {
  char room[ENTRYROOM];
  struct protoent entry, *found = NULL;
  const char *name = nl_checktext(L, 1);
  int status = getprotobyname_r(name, &entry, room, sizeof room, &found);
  if (found == NULL) return noentry(L, "getprotobyname", status);
  lua_pushinteger(L, found->p_proto);
  return 1;
}

/* getprotobynumber(number) -> name | nil, err */
static int resolve_getprotobynumber (lua_State *L) {
  char room[ENTRYROOM];
  struct protoent entry, *found = NULL;
  int number = (int)nl_checkrange(L, 1, 0, INT32_MAX);
  int status = getprotobynumber_r(number, &entry, room, sizeof room, &found);
  if (found == NULL) return noentry(L, "getprotobynumber", status);
  lua_pushstring(L, found->p_name);
  return 1;
}

int luaopen_net_resolve (lua_State *L) {
  static const luaL_Reg functions[] = {{"getaddrinfo", resolve_getaddrinfo},
                                       {"getnameinfo", resolve_getnameinfo},
                                       {"byname", resolve_byname},
                                       {"byaddr", resolve_byaddr},
                                       {"wait", request_wait},
                                       {"gethostname", resolve_gethostname},
                                       {"getservbyname", resolve_getservbyname},
                                       {"getservbyport", resolve_getservbyport},
                                       {"services", resolve_services},
                                       {"getprotobyname", resolve_getprotobyname},
                                       {"getprotobynumber", resolve_getprotobynumber},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_newtable(L);
  nl_setnames(L, aiflags);
  nl_setnames(L, niflags);
  lua_setfield(L, -2, "constants");
  return 1;
}
