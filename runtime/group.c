/*
 * group.c: network interfaces by name, number or address, for what multicast and the options of sockets
 * share. Memberships themselves pass the gate in permit.c.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

#include "netlua.h"

typedef bool match (const struct ifaddrs *i, const void *wanted);

static bool sameaddress (const struct ifaddrs *i, const void *wanted) {
  const nl_address *a = wanted;
  const struct sockaddr *sa = i->ifa_addr;
  if (sa == NULL || sa->sa_family != a->sa.any.sa_family) return false;
  if (sa->sa_family == AF_INET) {
    const struct sockaddr_in *x = (const struct sockaddr_in *)(const void *)sa;
    const struct sockaddr_in *y = (const struct sockaddr_in *)&a->sa.storage;
    return x->sin_addr.s_addr == y->sin_addr.s_addr;
  }
  if (sa->sa_family != AF_INET6) return false;
  const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)(const void *)sa;
  const struct sockaddr_in6 *y = (const struct sockaddr_in6 *)&a->sa.storage;
  if (y->sin6_scope_id != 0 && x->sin6_scope_id != y->sin6_scope_id) return false;
  return memcmp(&x->sin6_addr, &y->sin6_addr, sizeof x->sin6_addr) == 0;
}

static bool sameinterface (const struct ifaddrs *i, const void *wanted) {
  const nl_interface *in = wanted;
  bool inet = i->ifa_addr != NULL && i->ifa_addr->sa_family == AF_INET;
  return inet && if_nametoindex(i->ifa_name) == in->index;
}

static uint32_t inetof (const struct ifaddrs *i) {
  if (i->ifa_addr->sa_family != AF_INET) return 0;
  return ((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr.s_addr;
}

/* The first of the system's interface addresses that matches: its index and IPv4 address. */
static bool search (match *matches, const void *wanted, nl_interface *in) {
  struct ifaddrs *list, *i;
  nl_interface found = {0, 0};
  if (getifaddrs(&list) < 0) return false;
  for (i = list; i != NULL && !matches(i, wanted); i = i->ifa_next) continue;
  if (i != NULL) found = (nl_interface){if_nametoindex(i->ifa_name), inetof(i)};
  freeifaddrs(list);
  if (found.index == 0) return false;
  *in = found;
  return true;
}

bool nl_findinterface (const char *text, nl_interface *in) {
  nl_address a;
  const char *problem;
  *in = (nl_interface){if_nametoindex(text), 0};
  if (in->index != 0) return true;
  if (nl_isunix(text) || !nl_parseaddress(text, strlen(text), 0, &a, &problem)) return false;
  return search(sameaddress, &a, in);
}

void nl_interfaceaddress (nl_interface *in) {
  nl_interface found;
  if (in->inet == 0 && in->index != 0 && search(sameinterface, in, &found)) in->inet = found.inet;
}

static int nointerface (lua_State *L, int arg, const char *op) {
  const char *wanted = nl_pushshown(L, arg);
  int n = nl_fail(L, op, "ENODEV", "%s: no interface of that name, number or address", wanted);
  lua_remove(L, -1 - n); /* the text of the value */
  lua_pushvalue(L, arg);
  lua_setfield(L, -2, "interface");
  return n;
}

int nl_checkinterface (lua_State *L, int arg, const char *op, nl_interface *in) {
  char name[IF_NAMESIZE];
  *in = (nl_interface){0, 0};
  arg = lua_absindex(L, arg);
  if (lua_isnoneornil(L, arg) || (lua_isboolean(L, arg) && !lua_toboolean(L, arg))) return 0;
  if (lua_type(L, arg) == LUA_TNUMBER) {
    in->index = (unsigned)nl_checkrange(L, arg, 0, INT32_MAX);
    bool known = in->index == 0 || if_indextoname(in->index, name) != NULL;
    return known ? 0 : nointerface(L, arg, op);
  }
  const char *text = nl_checktext(L, arg);
  if (strcmp(text, "*") == 0 || nl_findinterface(text, in)) return 0;
  return nointerface(L, arg, op);
}

int nl_fieldinterface (lua_State *L, int arg, const char *op, nl_interface *in) {
  *in = (nl_interface){0, 0};
  if (!lua_istable(L, arg)) return 0;
  lua_pushliteral(L, "interface");
  int type = lua_rawget(L, arg);
  bool none = type == LUA_TBOOLEAN && !lua_toboolean(L, -1);
  if (type == LUA_TNUMBER) (void)nl_fieldint(L, arg, "interface", 0, INT32_MAX, 0); /* raise, naming it */
  else if (!none) (void)nl_fieldtext(L, arg, "interface");
  int bad = nl_checkinterface(L, -1, op, in);
  if (bad == 0) lua_pop(L, 1);
  return bad;
}

void nl_pushinterface (lua_State *L, unsigned index) {
  char name[IF_NAMESIZE];
  if (index == 0) lua_pushboolean(L, 0);
  else if (if_indextoname(index, name) != NULL) lua_pushstring(L, name);
  else lua_pushinteger(L, index);
}

/* On a loopback interface a datagram would leave from 0.0.0.0 if only the index were given. */
int nl_setinterface (int fd, int family, nl_interface *in) {
  if (family == AF_INET6) {
    int index = (int)in->index;
    return setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index);
  }
  nl_interfaceaddress(in);
  struct ip_mreqn r = {.imr_address.s_addr = in->inet, .imr_ifindex = (int)in->index};
  return setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &r, sizeof r);
}

/* IPv4 tells the address only; false: it cannot be told. */
int nl_getinterface (int fd, int family, nl_interface *in) {
  nl_address a;
  int index = 0;
  struct in_addr inet = {0};
  socklen_t len = family == AF_INET6 ? sizeof index : sizeof inet;
  *in = (nl_interface){0, 0};
  if (family == AF_INET6) {
    int result = getsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, &len);
    in->index = (unsigned)index;
    return result;
  }
  if (getsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &inet, &len) < 0) return -1;
  if (inet.s_addr == 0) return 0;
  nl_anyaddress(AF_INET, 0, &a);
  ((struct sockaddr_in *)&a.sa.storage)->sin_addr = inet;
  (void)search(sameaddress, &a, in); /* an address that is gone is no interface any more */
  return 0;
}

void nl_carryinterface (int from, int to, int family) {
  nl_interface in;
  if (family != AF_INET6 || nl_getinterface(from, AF_INET, &in) < 0 || in.index == 0) return;
  (void)nl_setinterface(to, family, &in); /* one that IPv6 cannot use is the system's choice again */
}
