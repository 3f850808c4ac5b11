/*
 * coroutine.c: the parts of the coroutine library that must know of waits. To a script they behave as
 * Lua's own do: a task looks like a main chunk, and a coroutine that waits inside a task looks as if it
 * were running. What a wait needs is that its yield passes through every coroutine up to the task.
 */
#include <lualib.h>

#include "core.h"

#define NESTING 150 /* closes inside closes, before the C stack is in danger */

static lua_State *getco (lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "thread");
  return co;
}

static bool ispart (lua_State *co) {
  return *nl_space(co) & NL_PART;
}

static bool isdead (lua_State *co) {
  return (*nl_space(co) & NL_TAGS) == NL_DEAD;
}

/* Not to be resumed or closed by a script: the root of a task, and the state the scheduler runs in. */
static bool isbase (lua_State *co) {
  return nl_isroot(co) || co == nl_rt(co)->L;
}

/* ---- resume and wrap */

/* The state that runs changes hands; what waits below a C call that cannot yield has to block. */
static int enter (nl_runtime *rt, lua_State *L, lua_State *co, int nargs, int *nresults) {
  bool pin = !(L == rt->running && lua_isyieldable(L)) || rt->current == NULL;
  lua_State *outer = rt->running;
  rt->pinned += pin;
  rt->running = co;
  nl_rearm(rt, co);
  int status = lua_resume(co, L, nargs, nresults);
  rt->running = outer;
  nl_rearm(rt, L);
  rt->pinned -= pin;
  return status;
}

/* Returns how many results were moved to L, or -1 with the error moved. */
static int carry (lua_State *L, lua_State *co, int status, int nresults) {
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, nresults + 1)) {
    lua_pop(co, nresults);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, nresults);
  return nresults;
}

static int resumeanswer (lua_State *L, int moved) {
  lua_pushboolean(L, moved >= 0);
  lua_insert(L, moved >= 0 ? -moved - 1 : -2);
  return moved >= 0 ? moved + 1 : 2;
}

/* Lua 5.4.4 forgets the depth of the C stack when closes nest: this counts for it. */
static int reset (nl_runtime *rt, lua_State *L, lua_State *co) {
  lua_State *outer = rt->running;
  rt->closing++;
  rt->pinned++; /* its __close handlers run in co and cannot yield */
  rt->running = co;
  nl_rearm(rt, co);
  int status = lua_resetthread(co);
  rt->running = outer;
  nl_rearm(rt, L);
  rt->pinned--;
  rt->closing--;
  return status;
}

/* An error passes on to the caller of a wrapped function, with its place if it is text. */
static int wrapanswer (lua_State *L, lua_State *co, int moved) {
  if (moved >= 0) return moved;
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {
    status = reset(nl_rt(L), L, co);
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int iswrap (lua_State *L) {
  return lua_type(L, lua_upvalueindex(1)) == LUA_TTHREAD;
}

static int resumed (lua_State *L, int status, lua_KContext ctx);

static int run (lua_State *L, lua_State *co, int nargs) {
  nl_runtime *rt = nl_rt(L);
  int nresults = 0;
  int status = enter(rt, L, co, nargs, &nresults);
  if (status == LUA_YIELD && rt->parking) {
    *nl_space(co) = (uintptr_t)rt->current | NL_PART;
    return lua_yieldk(L, 0, (lua_KContext)co, resumed);
  }
  int moved = carry(L, co, status, nresults);
  return iswrap(L) ? wrapanswer(L, co, moved) : resumeanswer(L, moved);
}

/* The task has what the coroutine waited for. */
static int resumed (lua_State *L, int status, lua_KContext ctx) {
  lua_State *co = (lua_State *)ctx;
  (void)status;
  *nl_space(co) = (uintptr_t)nl_rt(L);
  return run(L, co, 0);
}

static int refused (lua_State *L, lua_State *co, const char *why) {
  lua_pushstring(L, why);
  return iswrap(L) ? wrapanswer(L, co, -1) : resumeanswer(L, -1);
}

static int start (lua_State *L, lua_State *co, int nargs) {
  if (isdead(co)) return refused(L, co, "cannot resume dead coroutine");
  if (ispart(co) || isbase(co)) return refused(L, co, "cannot resume non-suspended coroutine");
  if (!lua_checkstack(co, nargs)) return refused(L, co, "too many arguments to resume");
  lua_xmove(L, co, nargs);
  return run(L, co, nargs);
}

static int coroutine_resume (lua_State *L) {
  lua_State *co = getco(L);
  return start(L, co, lua_gettop(L) - 1);
}

static int wrapped (lua_State *L) {
  return start(L, lua_tothread(L, lua_upvalueindex(1)), lua_gettop(L));
}

static int coroutine_create (lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  return 1;
}

static int coroutine_wrap (lua_State *L) {
  (void)coroutine_create(L);
  lua_pushcclosure(L, wrapped, 1);
  return 1;
}

/* ---- what a coroutine may ask about itself and others */

static int coroutine_yield (lua_State *L) {
  if (nl_isroot(L)) {
    lua_pushliteral(L, "attempt to yield from outside a coroutine");
    return lua_error(L);
  }
  return lua_yield(L, lua_gettop(L));
}

static const char *statusof (lua_State *L, lua_State *co) {
  lua_Debug ar;
  if (L == co) return "running";
  if (isdead(co)) return "dead";
  if (ispart(co) || isbase(co)) return "normal";
  if (lua_status(co) == LUA_YIELD) return "suspended";
  if (lua_status(co) != LUA_OK) return "dead";
  if (lua_getstack(co, 0, &ar)) return "normal";
  return lua_gettop(co) == 0 ? "dead" : "suspended";
}

static int coroutine_status (lua_State *L) {
  lua_State *co = getco(L);
  lua_pushstring(L, statusof(L, co));
  return 1;
}

static int coroutine_isyieldable (lua_State *L) {
  lua_State *co = lua_isnone(L, 1) ? L : getco(L);
  lua_pushboolean(L, !nl_isroot(co) && lua_isyieldable(co));
  return 1;
}

static int coroutine_running (lua_State *L) {
  bool main = lua_pushthread(L);
  lua_pushboolean(L, main || nl_isroot(L));
  return 2;
}

static int coroutine_close (lua_State *L) {
  lua_State *co = getco(L);
  nl_runtime *rt = nl_rt(L);
  const char *status = statusof(L, co);
  if (status[0] != 's' && status[0] != 'd') return luaL_error(L, "cannot close a %s coroutine", status);
  if (rt->closing >= NESTING) return luaL_error(L, "C stack overflow");
  if (isdead(co) || reset(rt, L, co) == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  lua_xmove(co, L, 1);
  return 2;
}

void nl_opencoroutine (lua_State *L) {
  static const luaL_Reg functions[] = {
      {"create", coroutine_create},   {"wrap", coroutine_wrap},     {"resume", coroutine_resume},
      {"yield", coroutine_yield},     {"status", coroutine_status}, {"isyieldable", coroutine_isyieldable},
      {"running", coroutine_running}, {"close", coroutine_close},   {NULL, NULL}};
  lua_getglobal(L, LUA_COLIBNAME);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
