/*
 * object.c: one recipe for every userdata. A class becomes a metatable the first time an object of it
 * is made; the class pointer in the object, not the metatable, is what methods check.
 */
#include <string.h>

#include "netlua.h"

void nl_close (lua_State *L, nl_object *o) {
  if (!o->open) return;
  o->open = false;
  if (o->class->release != NULL) o->class->release(L, o);
}

/* o:close() -> true; also __close */
static int object_close (lua_State *L) {
  nl_object *o = lua_touserdata(L, 1);
  if (o->open && o->class->part != NULL) o->class->part(L, o);
  nl_close(L, o);
  lua_pushboolean(L, 1);
  return 1;
}

static int object_checkedclose (lua_State *L) {
  const nl_class *class = lua_touserdata(L, lua_upvalueindex(1));
  (void)nl_check(L, 1, class);
  return object_close(L);
}

/* Whether it is an object of any class of ours: a metamethod can be called with whatever there is. */
static bool isobject (lua_State *L, int arg) {
  const nl_object *o = lua_touserdata(L, arg);
  if (o == NULL || lua_rawlen(L, arg) < sizeof *o || lua_getmetatable(L, arg) == 0) return false;
  bool ours = lua_rawgetp(L, LUA_REGISTRYINDEX, o->class) == LUA_TTABLE && lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return ours;
}

static int object_gc (lua_State *L) {
  if (isobject(L, 1)) nl_close(L, lua_touserdata(L, 1));
  return 0;
}

/* tostring(o) -> "net.stream (0x55...)", or "net.stream (closed)" */
static int object_tostring (lua_State *L) {
  const nl_object *o = lua_touserdata(L, 1);
  if (!isobject(L, 1)) return luaL_typeerror(L, 1, "net object");
  if (o->open) lua_pushfstring(L, "%s (%p)", o->class->name, (void *)o);
  else lua_pushfstring(L, "%s (closed)", o->class->name);
  return 1;
}

static void addmethods (lua_State *L, const nl_class *class) {
  if (class->parent != NULL) addmethods(L, class->parent);
  if (class->methods != NULL) luaL_setfuncs(L, class->methods, 0);
}

static const nl_class *closer (const nl_class *class) {
  while (class->close == NULL && class->parent != NULL) class = class->parent;
  return class;
}

static void makeclass (lua_State *L, const nl_class *class) {
  lua_newtable(L);
  lua_pushstring(L, class->name);
  lua_setfield(L, -2, "__name");
  lua_pushcfunction(L, object_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_newtable(L);
  addmethods(L, class);
  if (closer(class)->close != NULL) {
    lua_pushcfunction(L, closer(class)->close);
  } else {
    lua_pushlightuserdata(L, (void *)(uintptr_t) class);
    lua_pushcclosure(L, object_checkedclose, 1);
  }
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "close");
  lua_setfield(L, -3, "__close");
  lua_setfield(L, -2, "__index");
  if (class->release != NULL) {
    lua_pushcfunction(L, object_gc);
    lua_setfield(L, -2, "__gc");
  }
  if (class->metamethods != NULL) luaL_setfuncs(L, class->metamethods, 0);
}

void nl_pushclass (lua_State *L, const nl_class *class) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, class) == LUA_TTABLE) return;
  lua_pop(L, 1);
  luaL_checkstack(L, 8, NULL);
  makeclass(L, class);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, class);
}

void *nl_newuv (lua_State *L, const nl_class *class, size_t size, int uservalues) {
  luaL_checkstack(L, 3, NULL);
  nl_pushclass(L, class);
  nl_object *o = lua_newuserdatauv(L, size, uservalues);
  memset(o, 0, size);
  o->class = class;
  lua_insert(L, -2);
  lua_setmetatable(L, -2);
  return o;
}

void *nl_new (lua_State *L, const nl_class *class, size_t size) {
  return nl_newuv(L, class, size, 0);
}

/* A userdata of somebody else's is told apart by its first word: it cannot hold our class pointers. */
void *nl_test (lua_State *L, int arg, const nl_class *class) {
  nl_object *o = lua_touserdata(L, arg);
  if (o == NULL || lua_rawlen(L, arg) < sizeof *o) return NULL;
  if (o->class == class) return o;
  if (!isobject(L, arg)) return NULL;
  for (const nl_class *c = o->class; c != NULL; c = c->parent) {
    if (c == class) return o;
  }
  return NULL;
}

void *nl_check (lua_State *L, int arg, const nl_class *class) {
  void *o = nl_test(L, arg, class);
  if (o == NULL) luaL_typeerror(L, arg, class->name);
  return o;
}

void nl_become (lua_State *L, int arg, const nl_class *class) {
  nl_object *o = lua_touserdata(L, arg);
  arg = lua_absindex(L, arg);
  nl_pushclass(L, class);
  lua_setmetatable(L, arg);
  o->class = class;
}

/* ---- what belongs to a library */

static void owned_release (lua_State *L, void *self) {
  nl_owned *o = self;
  (void)L;
  if (o->ptr != NULL) o->drop(o->ptr);
}

/* Others may still use what it owns. */
static int owned_close (lua_State *L) {
  lua_pushboolean(L, 1);
  return 1;
}

const nl_class nl_tlscontext_class = {"net.tls.context", NULL, owned_release, NULL, NULL, owned_close, NULL};
const nl_class nl_tlssession_class = {"net.tls.session", NULL, owned_release, NULL, NULL, owned_close, NULL};
