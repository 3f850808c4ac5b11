/*
 * address.c: sockaddr to Lua and back; the only code that knows sockaddr layouts. Reads numeric
 * addresses strictly (inet_pton); what else glibc takes for an address is the resolver's business.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netlua.h"

#define UNIX "unix:"
#define UNIXLEN (sizeof UNIX - 1)
#define PATHMAX (sizeof((struct sockaddr_un *)0)->sun_path)

static struct sockaddr_in *in4 (nl_address *a) {
  return (struct sockaddr_in *)&a->sa.storage;
}

static struct sockaddr_in6 *in6 (nl_address *a) {
  return (struct sockaddr_in6 *)&a->sa.storage;
}

bool nl_isunix (const char *host) {
  return strncmp(host, UNIX, UNIXLEN) == 0;
}

/* A path is closed by a NUL; an abstract name begins with one and is as long as its bytes. */
static bool unixaddress (const char *name, size_t len, nl_address *a, const char **problem) {
  bool abstract = name[0] == '@';
  *problem = NULL;
  if (len == 0 || (abstract && len == 1)) *problem = "unix path is empty";
  else if (len > PATHMAX - 1) *problem = "unix path is longer than 107 bytes";
  else if (memchr(name, '\0', len) != NULL) *problem = "unix path holds a NUL byte";
  if (*problem != NULL) return false;
  memset(a, 0, sizeof *a);
  a->sa.un.sun_family = AF_UNIX;
  memcpy(a->sa.un.sun_path, name, len);
  if (abstract) a->sa.un.sun_path[0] = '\0';
  a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (abstract ? 0 : 1));
  return true;
}

static bool zoneindex (const char *zone, uint32_t *index) {
  char *end;
  *index = if_nametoindex(zone);
  if (*index != 0) return true;
  if (zone[0] < '0' || zone[0] > '9') return false;
  unsigned long n = strtoul(zone, &end, 10);
  *index = (uint32_t)n;
  return *end == '\0' && n > 0 && n <= UINT32_MAX;
}

static bool inet6address (const char *host, uint16_t port, nl_address *a, const char **problem) {
  char text[INET6_ADDRSTRLEN];
  struct sockaddr_in6 *sin6 = in6(a);
  const char *zone = strchr(host, '%');
  size_t len = zone != NULL ? (size_t)(zone - host) : strlen(host);
  memset(a, 0, sizeof *a);
  if (len >= sizeof text) return false;
  memcpy(text, host, len);
  text[len] = '\0';
  if (inet_pton(AF_INET6, text, &sin6->sin6_addr) != 1) return false;
  if (zone != NULL && !zoneindex(zone + 1, &sin6->sin6_scope_id)) {
    *problem = "no interface of the name or number after %";
    return false;
  }
  sin6->sin6_family = AF_INET6;
  sin6->sin6_port = htons(port);
  a->len = sizeof *sin6;
  return true;
}

static bool inet4address (const char *host, uint16_t port, nl_address *a) {
  memset(a, 0, sizeof *a);
  if (inet_pton(AF_INET, host, &in4(a)->sin_addr) != 1) return false;
  in4(a)->sin_family = AF_INET;
  in4(a)->sin_port = htons(port);
  a->len = sizeof(struct sockaddr_in);
  return true;
}

bool nl_parseaddress (const char *host, size_t len, uint16_t port, nl_address *a, const char **problem) {
  *problem = NULL;
  if (nl_isunix(host)) return unixaddress(host + UNIXLEN, len - UNIXLEN, a, problem);
  return inet4address(host, port, a) || inet6address(host, port, a, problem);
}

void nl_anyaddress (int family, uint16_t port, nl_address *a) {
  memset(a, 0, sizeof *a);
  a->sa.any.sa_family = (sa_family_t)family;
  if (family == AF_INET) in4(a)->sin_port = htons(port);
  else in6(a)->sin6_port = htons(port);
  a->len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

uint16_t nl_portof (const nl_address *a) {
  const struct sockaddr_in *sin = (const struct sockaddr_in *)&a->sa.storage;
  bool inet = a->len > 0 && (a->sa.any.sa_family == AF_INET || a->sa.any.sa_family == AF_INET6);
  return inet ? ntohs(sin->sin_port) : 0; /* it is in the same place in both */
}

bool nl_samehost (const nl_address *a, const nl_address *b) {
  const struct sockaddr_in *a4 = (const struct sockaddr_in *)&a->sa.storage,
                           *b4 = (const void *)&b->sa.storage;
  const struct sockaddr_in6 *a6 = (const void *)a4, *b6 = (const void *)b4;
  if (a->sa.any.sa_family != b->sa.any.sa_family) return false;
  if (a->sa.any.sa_family == AF_INET) return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
  return memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof a6->sin6_addr) == 0;
}

size_t nl_addressbytes (const nl_address *a, const void **bytes) {
  const struct sockaddr_in *a4 = (const struct sockaddr_in *)&a->sa.storage;
  const struct sockaddr_in6 *a6 = (const void *)a4;
  bool six = a->sa.any.sa_family == AF_INET6;
  *bytes = six ? (const void *)&a6->sin6_addr : (const void *)&a4->sin_addr;
  return six ? sizeof a6->sin6_addr : a->sa.any.sa_family == AF_INET ? sizeof a4->sin_addr : 0;
}

unsigned nl_zoneof (const nl_address *a) {
  if (a->sa.any.sa_family != AF_INET6) return 0;
  return ((const struct sockaddr_in6 *)&a->sa.storage)->sin6_scope_id;
}

bool nl_needszone (const nl_address *a) {
  const struct in6_addr *in6 = &((const struct sockaddr_in6 *)&a->sa.storage)->sin6_addr;
  if (a->sa.any.sa_family != AF_INET6) return false;
  return IN6_IS_ADDR_LINKLOCAL(in6) || IN6_IS_ADDR_MC_LINKLOCAL(in6);
}

void nl_mapaddress (nl_address *a) {
  struct sockaddr_in from = *in4(a);
  struct sockaddr_in6 *to = in6(a);
  memset(a, 0, sizeof *a);
  to->sin6_family = AF_INET6;
  to->sin6_port = from.sin_port;
  to->sin6_addr.s6_addr[10] = to->sin6_addr.s6_addr[11] = 0xff;
  memcpy(&to->sin6_addr.s6_addr[12], &from.sin_addr, 4);
  a->len = sizeof *to;
}

void nl_unmapaddress (nl_address *a) {
  struct sockaddr_in6 from = *in6(a);
  struct sockaddr_in *to = in4(a);
  if (a->sa.any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&from.sin6_addr)) return;
  memset(a, 0, sizeof *a);
  to->sin_family = AF_INET;
  to->sin_port = from.sin6_port;
  memcpy(&to->sin_addr, &from.sin6_addr.s6_addr[12], 4);
  a->len = sizeof *to;
}

static void pushunix (lua_State *L, const nl_address *a) {
  const char *path = a->sa.un.sun_path;
  size_t room = a->len > offsetof(struct sockaddr_un, sun_path)
                    ? a->len - offsetof(struct sockaddr_un, sun_path)
                    : 0;
  if (room == 0) {
    lua_pushliteral(L, UNIX); /* an unnamed socket */
  } else if (path[0] != '\0') {
    lua_pushliteral(L, UNIX);
    lua_pushlstring(L, path, strnlen(path, room));
    lua_concat(L, 2);
  } else {
    lua_pushliteral(L, UNIX "@");
    lua_pushlstring(L, path + 1, room - 1);
    lua_concat(L, 2);
  }
}

static void pushinet6 (lua_State *L, const struct sockaddr_in6 *sin6) {
  char text[INET6_ADDRSTRLEN], zone[IF_NAMESIZE];
  if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
    lua_pushstring(L, inet_ntop(AF_INET, &sin6->sin6_addr.s6_addr[12], text, sizeof text));
    return;
  }
  lua_pushstring(L, inet_ntop(AF_INET6, &sin6->sin6_addr, text, sizeof text));
  if (sin6->sin6_scope_id == 0) return;
  if (if_indextoname(sin6->sin6_scope_id, zone) != NULL) lua_pushfstring(L, "%%%s", zone);
  else lua_pushfstring(L, "%%%I", (LUAI_UACINT)sin6->sin6_scope_id);
  lua_concat(L, 2);
}

int nl_pushaddress (lua_State *L, const nl_address *a) {
  char text[INET_ADDRSTRLEN];
  const struct sockaddr_in *sin = (const struct sockaddr_in *)&a->sa.storage;
  const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)&a->sa.storage;
  switch (a->len == 0 ? AF_UNSPEC : a->sa.any.sa_family) {
    case AF_INET:
      lua_pushstring(L, inet_ntop(AF_INET, &sin->sin_addr, text, sizeof text));
      lua_pushinteger(L, ntohs(sin->sin_port));
      return 2;
    case AF_INET6:
      pushinet6(L, sin6);
      lua_pushinteger(L, ntohs(sin6->sin6_port));
      return 2;
    case AF_UNIX:
      pushunix(L, a);
      return 1;
    default:
      lua_pushnil(L);
      return 1;
  }
}

void nl_erroraddress (lua_State *L, const nl_address *a) {
  int n = nl_pushaddress(L, a);
  if (n == 2) lua_setfield(L, -3, "port");
  lua_setfield(L, -2, "address");
}
