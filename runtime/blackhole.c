/*
 * blackhole.c: tells a route that throws packets away from other reasons for which connect(2) and send(2)
 * say EINVAL. Whoever set such a route wants to hear of it, and not of a wrong address.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/rtnetlink.h>

#include "netlua.h"

typedef union question {
  struct nlmsghdr header;
  struct {
    struct nlmsghdr header;
    struct rtmsg route;
    char destination[RTA_SPACE(sizeof(struct in6_addr))];
  } whole;
} question;

static void ignore (lua_State *L, const struct nlmsghdr *m, void *context) {
  (void)L;
  (void)m;
  (void)context;
}

static void makequestion (question *q, const nl_address *to) {
  const struct sockaddr_in *sin = (const struct sockaddr_in *)&to->sa.storage;
  const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)&to->sa.storage;
  bool v6 = to->sa.any.sa_family == AF_INET6;
  memset(q, 0, sizeof *q);
  q->header = (struct nlmsghdr){NLMSG_LENGTH(sizeof q->whole.route), RTM_GETROUTE, 0, 0, 0};
  q->whole.route.rtm_family = v6 ? AF_INET6 : AF_INET;
  q->whole.route.rtm_dst_len = v6 ? 128 : 32;
  if (v6) nl_addattribute(&q->header, RTA_DST, &sin6->sin6_addr, sizeof sin6->sin6_addr);
  else nl_addattribute(&q->header, RTA_DST, &sin->sin_addr, sizeof sin->sin_addr);
}

/* Asked without source and interface, the kernel says EINVAL for this reason only. What was asked with is
 * closed by itself: if the stack must grow for that, lua_settop of Lua 5.4.4 goes on with the old one. */
static bool isblackhole (lua_State *L, const nl_address *to) {
  int family = to->sa.any.sa_family, top = lua_gettop(L);
  nl_address whole = *to;
  question q;
  if (family != AF_INET && family != AF_INET6) return false;
  nl_unmapaddress(&whole);
  makequestion(&q, &whole);
  bool failed = nl_netlinkask(L, "route", &q.header, ignore, NULL) == 2;
  bool found = failed && lua_getfield(L, -1, "errno") == LUA_TNUMBER && lua_tointeger(L, -1) == EINVAL;
  lua_closeslot(L, top + 1);
  lua_settop(L, top);
  return found;
}

void nl_blackhole (lua_State *L) {
  lua_pushliteral(L, "unreachable");
  lua_setfield(L, -2, "kind");
  lua_pushliteral(L, "a blackhole route of this machine drops it");
  lua_setfield(L, -2, "message");
}

int nl_unsent (lua_State *L, const char *op, int number, const nl_address *to) {
  int n = nl_failedat(L, op, number, to);
  if (number == EINVAL && isblackhole(L, to)) nl_blackhole(L);
  return n;
}
