/*
 * greeting.c: what has to be said before the first byte of a stream that a listener accepted. A policy is a
 * table of the library's; the greeter is called with the stream before its first call that waits.
 */
#include "netlua.h"

/* policy(h, [table]) -> what was set last, or nil. A listener gives it to the streams that it accepts. */
static int greeting_policy (lua_State *L) {
  nl_handle *h = nl_check(L, 1, &nl_handle_class);
  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    (void)lua_setiuservalue(L, 1, 1);
    if (h->base.class == &nl_listener_class) ((nl_stream *)h)->greets = true;
  }
  (void)lua_getiuservalue(L, 1, 1);
  return 1;
}

/* due(s) -> whether the greeter has not had its way yet */
static int greeting_due (lua_State *L) {
  const nl_handle *h = nl_check(L, 1, &nl_handle_class);
  lua_pushboolean(L, h->greeting);
  return 1;
}

/* greeter(f): f(stream, timeout) -> true | nil, err */
static int greeting_greeter (lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  nl_setgreeter(L);
  return 0;
}

int luaopen_net_greeting (lua_State *L) {
  static const luaL_Reg functions[] = {
      {"policy", greeting_policy}, {"due", greeting_due}, {"greeter", greeting_greeter}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
