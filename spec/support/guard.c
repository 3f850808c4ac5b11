/*
 * guard.c: what guard_spec.lua calls to see when a guard frees what it holds.
 */
#include <stdlib.h>

#include "netlua.h"

static int dropped; /* how often */

static void drop (void *ptr) {
  dropped++;
  free(ptr);
}

/* hold(f, ...) -> what f returns, called while a guard holds something */
static int hold (lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  int given = lua_gettop(L);
  luaL_checkstack(L, given, NULL);
  nl_guard *g = nl_newguard(L, drop);
  g->ptr = malloc(1);
  for (int i = 1; i <= given; i++) lua_pushvalue(L, i);
  lua_call(L, given - 1, LUA_MULTRET);
  return lua_gettop(L) - given - 1;
}

/* keep() -> the guard itself, after its end, as no binding would */
static int keep (lua_State *L) {
  nl_guard *g = nl_newguard(L, drop);
  g->ptr = malloc(1);
  lua_pushvalue(L, -1);
  return 1;
}

/* empty(): a guard that never gets anything */
static int empty (lua_State *L) {
  (void)nl_newguard(L, drop);
  return 0;
}

/* count() -> how often something was freed since the last call */
static int count (lua_State *L) {
  lua_pushinteger(L, dropped);
  dropped = 0;
  return 1;
}

int luaopen_guard (lua_State *L);
int luaopen_guard (lua_State *L) {
  static const luaL_Reg functions[] = {
      {"hold", hold}, {"keep", keep}, {"empty", empty}, {"count", count}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
