/*
 * host.c: what the library in Lua asks of the program: the tools that are in it, terminals, files, the time.
 */

#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core.h"
#include "embedded.h"

/* loadtool(name) -> chunk | nil */
static int loadtool (lua_State *L) {
  lua_pushfstring(L, "scripts.%s", luaL_checkstring(L, 1));
  return nl_loadembedded(L, lua_tostring(L, -1));
}

/* tools() -> {name, ...} */
static int tools (lua_State *L) {
  lua_Integer n = 0;
  lua_newtable(L);
  for (const nl_embedded *e = nl_embeddedfiles; e->name != NULL; e++) {
    if (strncmp(e->name, "scripts.", 8) != 0) continue;
    lua_pushstring(L, e->name + 8);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* isterminal(fd) -> boolean */
static int isterminal (lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* filetype(path) -> "file" | "other" | nil: there is none. A link is no file. */
static int filetype (lua_State *L) {
  struct stat st;
  if (lstat(luaL_checkstring(L, 1), &st) < 0) lua_pushnil(L);
  else lua_pushstring(L, S_ISREG(st.st_mode) ? "file" : "other");
  return 1;
}

/* clock() -> seconds since 1970, with their fraction */
static int wallclock (lua_State *L) {
  struct timespec t;
  (void)clock_gettime(CLOCK_REALTIME, &t); /* cannot fail */
  lua_pushnumber(L, (double)t.tv_sec + (double)t.tv_nsec / 1e9);
  return 1;
}

int nl_openhost (lua_State *L) {
  static const luaL_Reg functions[] = {{"loadtool", loadtool},     {"tools", tools},
                                       {"isterminal", isterminal}, {"clock", wallclock},
                                       {"filetype", filetype},     {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
