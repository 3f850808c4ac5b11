/*
 * names.c: the system's constants that take names: address families, socket types, protocols. Their numbers
 * come from the headers; Lua may say "AF_INET6", "inet6" or 10.
 */
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "netlua.h"

#define ROW(name)                                                                                            \
  { #name, name }

const nl_word nl_families[] = {ROW(AF_UNSPEC), ROW(AF_UNIX),  ROW(AF_INET),    ROW(AF_INET6),
                               ROW(AF_PACKET), ROW(AF_VSOCK), ROW(AF_NETLINK), {NULL, 0}};

const nl_word nl_socktypes[] = {ROW(SOCK_STREAM), ROW(SOCK_DGRAM),     ROW(SOCK_RAW),
                                ROW(SOCK_RDM),    ROW(SOCK_SEQPACKET), {NULL, 0}};

const nl_word nl_protocols[] = {ROW(IPPROTO_IP),       ROW(IPPROTO_ICMP),
                                ROW(IPPROTO_IGMP),     ROW(IPPROTO_IPIP),
                                ROW(IPPROTO_TCP),      ROW(IPPROTO_EGP),
                                ROW(IPPROTO_UDP),      ROW(IPPROTO_DCCP),
                                ROW(IPPROTO_IPV6),     ROW(IPPROTO_ROUTING),
                                ROW(IPPROTO_FRAGMENT), ROW(IPPROTO_RSVP),
                                ROW(IPPROTO_GRE),      ROW(IPPROTO_ESP),
                                ROW(IPPROTO_AH),       ROW(IPPROTO_ICMPV6),
                                ROW(IPPROTO_NONE),     ROW(IPPROTO_DSTOPTS),
                                ROW(IPPROTO_ENCAP),    ROW(IPPROTO_PIM),
                                ROW(IPPROTO_COMP),     ROW(IPPROTO_SCTP),
                                ROW(IPPROTO_UDPLITE),  ROW(IPPROTO_MPLS),
                                ROW(IPPROTO_RAW),      {NULL, 0}};

static bool isnamed (const char *full, const char *text) {
  const char *rest = strchr(full, '_');
  return strcasecmp(full, text) == 0 || (rest != NULL && strcasecmp(rest + 1, text) == 0);
}

bool nl_toname (lua_State *L, int index, const nl_word *words, int *value) {
  if (lua_isinteger(L, index)) {
    lua_Integer n = lua_tointeger(L, index);
    *value = (int)n;
    return n >= 0 && n <= INT32_MAX;
  }
  if (lua_type(L, index) != LUA_TSTRING) return false;
  size_t len;
  const char *text = lua_tolstring(L, index, &len);
  for (const nl_word *w = words; strlen(text) == len && w->name != NULL; w++) {
    *value = w->value;
    if (isnamed(w->name, text)) return true;
  }
  return false;
}

void nl_setnames (lua_State *L, const nl_word *words) {
  for (const nl_word *w = words; w->name != NULL; w++) {
    lua_pushinteger(L, w->value);
    lua_setfield(L, -2, w->name);
  }
}
