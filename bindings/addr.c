/*
 * addr.c: numbers and addresses in network form: byte order, inet_pton and its relatives; the system's
 * constants for families, types and protocols; random bytes to tell one's own packets by. Nothing here
 * waits or asks a name server.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>

#include "netlua.h"

/* ---- byte order */

static int swap16 (lua_State *L) {
  lua_pushinteger(L, htons((uint16_t)nl_checkrange(L, 1, 0, UINT16_MAX)));
  return 1;
}

static int swap32 (lua_State *L) {
  lua_pushinteger(L, htonl((uint32_t)nl_checkrange(L, 1, 0, UINT32_MAX)));
  return 1;
}

/* All 64 bits, so that the result may be negative. */
static int swap64 (lua_State *L) {
  lua_Integer n = nl_checkrange(L, 1, LUA_MININTEGER, LUA_MAXINTEGER);
  lua_pushinteger(L, (lua_Integer)htobe64((uint64_t)n));
  return 1;
}

/* htons(n) -> integer; a function for each direction, as Lua names a function in messages by what it is */
static int addr_htons (lua_State *L) {
  return swap16(L);
}

/* ntohs(n) -> integer */
static int addr_ntohs (lua_State *L) {
  return swap16(L);
}

/* htonl(n) -> integer */
static int addr_htonl (lua_State *L) {
  return swap32(L);
}

/* ntohl(n) -> integer */
static int addr_ntohl (lua_State *L) {
  return swap32(L);
}

/* hton64(n) -> integer */
static int addr_hton64 (lua_State *L) {
  return swap64(L);
}

/* ntoh64(n) -> integer */
static int addr_ntoh64 (lua_State *L) {
  return swap64(L);
}

/* ---- text and bytes */

/* The family in argument 1: AF_INET or AF_INET6, by number or name. */
static int checkfamily (lua_State *L) {
  int family = AF_UNSPEC;
  luaL_checkany(L, 1);
  if (nl_toname(L, 1, nl_families, &family) && (family == AF_INET || family == AF_INET6)) return family;
  const char *got = nl_pushshown(L, 1);
  return luaL_argerror(L, 1, lua_pushfstring(L, "AF_INET or AF_INET6 expected, got %s", got));
}

static int notaddress (lua_State *L, const char *op, int family, int arg) {
  (void)nl_fail(L, op, "EINVAL", "not an IPv%d address", family == AF_INET ? 4 : 6);
  lua_pushvalue(L, arg);
  lua_setfield(L, -2, "address");
  return 2;
}

/* inet_pton(family, text) -> bytes | nil, err */
static int addr_inet_pton (lua_State *L) {
  unsigned char bytes[16];
  int family = checkfamily(L);
  const char *text = nl_checktext(L, 2);
  if (inet_pton(family, text, bytes) != 1) return notaddress(L, "inet_pton", family, 2);
  lua_pushlstring(L, (char *)bytes, family == AF_INET ? 4 : 16);
  return 1;
}

static int pushtext (lua_State *L, int family, int arg) {
  char text[INET6_ADDRSTRLEN];
  size_t len, want = family == AF_INET ? 4 : 16;
  luaL_checktype(L, arg, LUA_TSTRING);
  const char *bytes = lua_tolstring(L, arg, &len);
  if (len != want) {
    return luaL_argerror(L, arg, lua_pushfstring(L, "%d bytes expected, got %d", (int)want, (int)len));
  }
  lua_pushstring(L, inet_ntop(family, bytes, text, sizeof text));
  return 1;
}

/* inet_ntop(family, bytes) -> text */
static int addr_inet_ntop (lua_State *L) {
  int family = checkfamily(L);
  return pushtext(L, family, 2);
}

/* inet_aton(text) -> four bytes | nil, err: the legacy forms too, but nothing behind the address */
static int addr_inet_aton (lua_State *L) {
  struct in_addr a;
  const char *text = nl_checktext(L, 1);
  bool plain = text[strspn(text, "0123456789abcdefABCDEFxX.")] == '\0';
  if (!plain || inet_aton(text, &a) == 0) return notaddress(L, "inet_aton", AF_INET, 1);
  lua_pushlstring(L, (char *)&a, sizeof a);
  return 1;
}

/* inet_ntoa(bytes) -> text */
static int addr_inet_ntoa (lua_State *L) {
  return pushtext(L, AF_INET, 1);
}

static const nl_word shutdowns[] = {
    {"SHUT_RD", SHUT_RD}, {"SHUT_WR", SHUT_WR}, {"SHUT_RDWR", SHUT_RDWR}, {NULL, 0}};

/* ---- random bytes */

#define RANDOM 256 /* so many never come in pieces: getrandom(2) */

/* random(n) -> string of n bytes that nobody can guess | nil, err */
static int addr_random (lua_State *L) {
  char bytes[RANDOM];
  size_t n = nl_checksize(L, 1, 1, sizeof bytes);
  if (getrandom(bytes, n, 0) < 0) return nl_errno(L, "getrandom", errno);
  lua_pushlstring(L, bytes, n);
  return 1;
}

int luaopen_net_addr (lua_State *L) {
  static const luaL_Reg functions[] = {
      {"htons", addr_htons},         {"ntohs", addr_ntohs},         {"htonl", addr_htonl},
      {"ntohl", addr_ntohl},         {"hton64", addr_hton64},       {"ntoh64", addr_ntoh64},
      {"inet_pton", addr_inet_pton}, {"inet_ntop", addr_inet_ntop}, {"inet_aton", addr_inet_aton},
      {"inet_ntoa", addr_inet_ntoa}, {"random", addr_random},       {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_newtable(L);
  nl_setnames(L, nl_families);
  nl_setnames(L, nl_socktypes);
  nl_setnames(L, nl_protocols);
  nl_setnames(L, shutdowns);
  lua_setfield(L, -2, "constants");
  return 1;
}
