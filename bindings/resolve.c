/*
 * resolve.c: names to addresses through the C library, in a worker thread, so that the loop never stops:
 * a lookup that hangs costs a thread until it ends, and its task goes on at the deadline.
 */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "netlua.h"

typedef struct lookup {
  nl_job job; /* first: the worker knows only this */
  char *host, *service;
  struct addrinfo hints, *list;
  int status, number;
} lookup;

typedef struct request { /* keeps the job while its task waits; dropped by __gc and __close */
  nl_object base;
  lookup *lookup;
} request;

static void lookup_run (nl_job *job) {
  lookup *l = (lookup *)job;
  l->status = getaddrinfo(l->host, l->service, &l->hints, &l->list);
  l->number = errno;
}

static void lookup_free (nl_job *job) {
  lookup *l = (lookup *)job;
  if (l->list != NULL) freeaddrinfo(l->list);
  free(l->host);
  free(l->service);
  free(l);
}

static void request_release (lua_State *L, void *self) {
  request *r = self;
  (void)L;
  if (r->lookup != NULL) nl_jobdrop(r->lookup);
  r->lookup = NULL;
}

static const nl_class request_class = {"net.lookup", NULL, request_release, NULL, NULL, NULL};

static lookup *newlookup (const char *host, const char *service, const struct addrinfo *hints) {
  lookup *l = calloc(1, sizeof *l);
  if (l == NULL) return NULL;
  l->job.run = lookup_run;
  l->job.free = lookup_free;
  l->host = host != NULL ? strdup(host) : NULL;
  l->service = service != NULL ? strdup(service) : NULL;
  l->hints = *hints;
  if ((host != NULL && l->host == NULL) || (service != NULL && l->service == NULL)) {
    lookup_free(&l->job);
    return NULL;
  }
  return l;
}

static const char *familyname (int family) {
  return family == AF_INET ? "inet" : family == AF_INET6 ? "inet6" : "unspec";
}

static const char *typename(int type) {
  return type == SOCK_STREAM ? "stream" : type == SOCK_DGRAM ? "dgram" : type == SOCK_RAW ? "raw" : "any";
}

static void setstring (lua_State *L, const char *field, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, field);
}

static void pushentry (lua_State *L, const struct addrinfo *i) {
  nl_address a = {.len = i->ai_addrlen};
  memcpy(&a.sa, i->ai_addr, i->ai_addrlen);
  lua_createtable(L, 0, 6);
  setstring(L, "family", familyname(i->ai_family));
  setstring(L, "socktype", typename(i->ai_socktype));
  lua_pushinteger(L, i->ai_protocol);
  lua_setfield(L, -2, "protocol");
  if (i->ai_canonname != NULL) setstring(L, "canonname", i->ai_canonname);
  (void)nl_pushaddress(L, &a);
  lua_setfield(L, -3, "port");
  lua_setfield(L, -2, "address");
}

static int pushlist (lua_State *L, const struct addrinfo *list) {
  lua_Integer n = 0;
  lua_newtable(L);
  for (const struct addrinfo *i = list; i != NULL; i = i->ai_next) {
    if (i->ai_family != AF_INET && i->ai_family != AF_INET6) continue;
    pushentry(L, i);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

static int answer (lua_State *L, lookup *l) {
  if (l->status == 0) return pushlist(L, l->list);
  int n = nl_gaierror(L, "getaddrinfo", l->status, l->number);
  if (l->host != NULL) setstring(L, "host", l->host);
  return n;
}

/* wait(request) -> list | nil, err */
static int request_wait_try (lua_State *L, nl_wait *w) {
  request *r = (request *)w->self;
  if (nl_jobdone(&r->lookup->job)) return answer(L, r->lookup);
  w->job = &r->lookup->job;
  w->queue = &r->lookup->job.waiters;
  return NL_AGAIN;
}
NL_WAITS(request, wait, &request_class, NL_NOSIDE, 2)

static void gethints (lua_State *L, int arg, struct addrinfo *hints) {
  static const nl_word families[] = {{"inet", AF_INET},     {"inet6", AF_INET6},      {"unix", AF_UNIX},
                                     {"AF_INET", AF_INET},  {"AF_INET6", AF_INET6},   {"AF_UNIX", AF_UNIX},
                                     {"unspec", AF_UNSPEC}, {"AF_UNSPEC", AF_UNSPEC}, {NULL, 0}};
  static const nl_word types[] = {
      {"stream", SOCK_STREAM},    {"dgram", SOCK_DGRAM},  {"raw", SOCK_RAW}, {"SOCK_STREAM", SOCK_STREAM},
      {"SOCK_DGRAM", SOCK_DGRAM}, {"SOCK_RAW", SOCK_RAW}, {NULL, 0}};
  static const char *const names[] = {"family", "socktype", "numeric", "canonname", "passive", NULL};
  nl_checkoptions(L, arg, names);
  memset(hints, 0, sizeof *hints);
  hints->ai_family = nl_fieldword(L, arg, "family", families, AF_UNSPEC);
  hints->ai_socktype = nl_fieldword(L, arg, "socktype", types, 0);
  if (nl_fieldbool(L, arg, "numeric", false)) hints->ai_flags |= AI_NUMERICHOST;
  if (nl_fieldbool(L, arg, "canonname", false)) hints->ai_flags |= AI_CANONNAME;
  if (nl_fieldbool(L, arg, "passive", false)) hints->ai_flags |= AI_PASSIVE;
}

/* start(host, service, [hints]) -> request | nil, err: the lookup has begun */
static int resolve_start (lua_State *L) {
  struct addrinfo hints;
  const char *host = lua_isnil(L, 1) ? NULL : nl_checktext(L, 1);
  const char *service = lua_isnoneornil(L, 2) ? NULL : nl_checktext(L, 2);
  gethints(L, 3, &hints);
  request *r = nl_new(L, &request_class, sizeof *r);
  lookup *l = newlookup(host, service, &hints);
  if (l == NULL) return nl_errno(L, "getaddrinfo", ENOMEM);
  int number = nl_submit(L, &l->job);
  if (number != 0) {
    lookup_free(&l->job);
    return nl_errno(L, "getaddrinfo", number);
  }
  r->lookup = l;
  r->base.open = true;
  return 1;
}

int luaopen_net_resolve (lua_State *L) {
  static const luaL_Reg functions[] = {{"start", resolve_start}, {"wait", request_wait}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
