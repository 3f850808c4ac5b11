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

/* The registry of IANA; those that TLS 1.2 and 1.3 still use. */
static const nl_word alerts[] = {{"close_notify", 0},
                                 {"unexpected_message", 10},
                                 {"bad_record_mac", 20},
                                 {"decryption_failed", 21},
                                 {"record_overflow", 22},
                                 {"decompression_failure", 30},
                                 {"handshake_failure", 40},
                                 {"no_certificate", 41},
                                 {"bad_certificate", 42},
                                 {"unsupported_certificate", 43},
                                 {"certificate_revoked", 44},
                                 {"certificate_expired", 45},
                                 {"certificate_unknown", 46},
                                 {"illegal_parameter", 47},
                                 {"unknown_ca", 48},
                                 {"access_denied", 49},
                                 {"decode_error", 50},
                                 {"decrypt_error", 51},
                                 {"protocol_version", 70},
                                 {"insufficient_security", 71},
                                 {"internal_error", 80},
                                 {"inappropriate_fallback", 86},
                                 {"user_canceled", 90},
                                 {"no_renegotiation", 100},
                                 {"missing_extension", 109},
                                 {"unsupported_extension", 110},
                                 {"certificate_unobtainable", 111},
                                 {"unrecognized_name", 112},
                                 {"bad_certificate_status_response", 113},
                                 {"bad_certificate_hash_value", 114},
                                 {"unknown_psk_identity", 115},
                                 {"certificate_required", 116},
                                 {"no_application_protocol", 120},
                                 {NULL, 0}};

const char *nl_pushalert (lua_State *L, int number) {
  const nl_word *w = alerts;
  while (w->name != NULL && w->value != number) w++;
  return w->name != NULL ? lua_pushstring(L, w->name) : lua_pushfstring(L, "alert %d", number);
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
