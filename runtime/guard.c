/*
 * guard.c: C resources that live no longer than the call that made them. A guard is a to-be-closed
 * stack slot: it frees on return, on a Lua error, and, through __gc, when even __close finds no memory.
 */
#include "netlua.h"

static int guard_drop (lua_State *L) {
  nl_guard *g = lua_touserdata(L, 1);
  void *ptr = g->ptr;
  g->ptr = NULL;
  if (ptr != NULL) g->drop(ptr);
  return 0;
}

static void pushmeta (lua_State *L) {
  static const char key = 0;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_pushcfunction(L, guard_drop);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, guard_drop);
  lua_setfield(L, -2, "__close");
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
}

nl_guard *nl_newguard (lua_State *L, void (*drop)(void *ptr)) {
  luaL_checkstack(L, 4, NULL);
  pushmeta(L);
  nl_guard *g = lua_newuserdatauv(L, sizeof *g, 0);
  g->drop = drop;
  g->ptr = NULL;
  lua_insert(L, -2);
  lua_setmetatable(L, -2);
  lua_toclose(L, -1);
  return g;
}
