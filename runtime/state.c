/*
 * state.c: a Lua state with everything in it: standard libraries, the coroutine functions that know of
 * waits, and the modules that the program carries, which `require` finds in package.preload.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lualib.h>

#include "core.h"
#include "embedded.h"

typedef struct setup {
  const char *path;
  bool env;
} setup;

static const char pathkey = 0, environmentkey = 0;

/* A module of the tree in the folder that NETLUA_PATH names, for work on the library itself. */
static int loadfromtree (lua_State *L, const char *name) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &pathkey);
  const char *dir = lua_tostring(L, -1);
  const char *sub = strncmp(name, "scripts.", 8) == 0 ? "" : "lualib/";
  const char *file = luaL_gsub(L, name, ".", "/");
  lua_pushfstring(L, "%s/%s%s.lua", dir, sub, file);
  if (luaL_loadfilex(L, lua_tostring(L, -1), "t") != LUA_OK) return lua_error(L);
  return 1;
}

static const nl_embedded *findembedded (const char *name) {
  for (const nl_embedded *e = nl_embeddedfiles; e->name != NULL; e++) {
    if (strcmp(e->name, name) == 0) return e;
  }
  return NULL;
}

int nl_loadembedded (lua_State *L, const char *name) {
  const nl_embedded *e = findembedded(name);
  bool made = strcmp(name, "net.core.docs") == 0; /* by the build: it is in no tree */
  bool ours = (strncmp(name, "net", 3) == 0 && !made) || strncmp(name, "scripts.", 8) == 0;
  bool tree = lua_rawgetp(L, LUA_REGISTRYINDEX, &pathkey) == LUA_TSTRING && ours;
  lua_pop(L, 1);
  if (e == NULL) {
    lua_pushnil(L);
    return 1;
  }
  if (tree) (void)loadfromtree(L, name);
  else if (luaL_loadbufferx(L, (const char *)e->data, e->size, name, "b") != LUA_OK) return lua_error(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &environmentkey);
  (void)lua_setupvalue(L, -2, 1); /* _ENV */
  return 1;
}

/* The globals of the library: a script that gives `table` or `require` another value means its own. */
static void setenvironment (lua_State *L) {
  lua_newtable(L);
  lua_pushglobaltable(L);
  for (lua_pushnil(L); lua_next(L, -2) != 0;) {
    lua_pushvalue(L, -2);
    lua_insert(L, -2);
    lua_rawset(L, -5);
  }
  lua_createtable(L, 0, 2);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, "__index");
  lua_insert(L, -2);
  lua_setfield(L, -2, "__newindex");
  lua_setmetatable(L, -2);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &environmentkey);
}

/* What `require` calls for a module that the program carries. */
static int loader (lua_State *L) {
  (void)nl_loadembedded(L, luaL_checkstring(L, 1));
  lua_pushvalue(L, 1);
  lua_call(L, 1, 1);
  return 1;
}

static void preload (lua_State *L) {
  static const luaL_Reg bindings[] = {{"net.core.task", luaopen_task},
                                      {"net.core.error", nl_openerror},
                                      {"net.core.terminal", luaopen_terminal},
                                      {"net.core.socket", luaopen_net_socket},
                                      {"net.core.listener", luaopen_net_listener},
                                      {"net.core.option", luaopen_net_option},
                                      {"net.core.multicast", luaopen_net_multicast},
                                      {"net.core.message", luaopen_net_message},
                                      {"net.core.select", luaopen_net_select},
                                      {"net.core.resolve", luaopen_net_resolve},
                                      {"net.core.addr", luaopen_net_addr},
                                      {"net.core.iface", luaopen_net_iface},
                                      {"net.core.route", luaopen_net_route},
                                      {"net.core.probe", luaopen_net_probe},
                                      {"net.core.procfs", luaopen_net_procfs},
                                      {"net.core.tls", luaopen_net_tls},
                                      {"net.core.tlscontext", luaopen_net_tlscontext},
                                      {"net.core.tlssession", luaopen_net_tlssession},
                                      {"net.core.greeting", luaopen_net_greeting},
                                      {"net.core.ocsp", luaopen_net_ocsp},
                                      {"net.core.certificate", luaopen_net_certificate},
                                      {"net.core.x509", luaopen_net_x509},
                                      {"net.core.trust", luaopen_net_trust},
                                      {"net.core.certify", luaopen_net_certify},
                                      {NULL, NULL}};
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  luaL_setfuncs(L, bindings, 0);
  for (const nl_embedded *e = nl_embeddedfiles; e->name != NULL; e++) {
    if (strncmp(e->name, "scripts.", 8) == 0) continue;
    lua_pushcfunction(L, loader);
    lua_setfield(L, -2, e->name);
  }
  lua_pop(L, 1);
}

static int openall (lua_State *L) {
  const setup *s = lua_touserdata(L, 1);
  if (!s->env) {
    lua_pushboolean(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  }
  if (s->path != NULL) {
    lua_pushstring(L, s->path);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &pathkey);
  }
  luaL_openlibs(L);
  nl_opencoroutine(L);
  nl_openinterrupt(L);
  setenvironment(L);
  preload(L);
  lua_getglobal(L, "require");
  lua_pushliteral(L, "net");
  lua_call(L, 1, 1);
  lua_setglobal(L, "net");
  return 0;
}

lua_State *nl_open (lua_Alloc alloc, void *ud, const char *path, bool env) {
  setup s = {path, env};
  nl_runtime *rt = calloc(1, sizeof *rt);
  lua_State *L = rt == NULL ? NULL : alloc != NULL ? lua_newstate(alloc, ud) : luaL_newstate();
  if (L == NULL) {
    free(rt);
    return NULL;
  }
  *nl_space(L) = (uintptr_t)rt;
  rt->L = rt->running = L;
  lua_gc(L, LUA_GCSTOP);
  lua_pushcfunction(L, openall);
  lua_pushlightuserdata(L, &s);
  int status = lua_pcall(L, 1, 0, 0);
  lua_gc(L, LUA_GCRESTART);
  if (status == LUA_OK) return L;
  if (alloc == NULL) (void)fprintf(stderr, "netlua: %s\n", lua_tostring(L, -1));
  nl_shut(L);
  return NULL;
}

void nl_shut (lua_State *L) {
  nl_runtime *rt = nl_rt(L);
  lua_close(L);
  nl_poolshut(rt);
  nl_loopfree(rt);
  free(rt->spare);
  free(rt);
}
