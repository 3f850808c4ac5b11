/*
 * scope.c: scopes. A scope is a deadline for what its owner does inside it and a home for tasks that
 * must not outlive it. Leaving it cancels and awaits them; a failure nobody took is raised there.
 */
#include <math.h>
#include <stdlib.h>

#include "core.h"

enum { THREAD = 1, USERVALUES = THREAD }; /* user values */

/* Scopes that a suspended generator has entered do not count while it is suspended. */
static bool applies (const nl_scope *s, const nl_task *t) {
  return s->owner != t || lua_status(s->thread) == LUA_OK;
}

double nl_deadline (nl_runtime *rt) {
  nl_task *t = rt->current;
  double deadline = NL_FOREVER;
  if (t == NULL) return deadline;
  for (nl_scope *s = t->scope; s != NULL; s = s->parent) {
    if (s->deadline < deadline && applies(s, t)) deadline = s->deadline;
  }
  return deadline;
}

void nl_scopejoin (nl_scope *s, nl_task *t) {
  t->home = t->scope = s;
  if (s == NULL) return;
  t->elder = s->tasks;
  if (s->tasks != NULL) s->tasks->younger = t;
  s->tasks = t;
}

static void unlinktask (nl_scope *s, nl_task *t) {
  if (t->younger != NULL) t->younger->elder = t->elder;
  else s->tasks = t->elder;
  if (t->elder != NULL) t->elder->younger = t->younger;
  t->elder = t->younger = NULL;
}

static void cancelothers (nl_scope *s) {
  for (nl_task *t = s->tasks; t != NULL; t = t->elder) nl_canceltask(t);
}

/* After a failure the rest of the family is canceled. */
void nl_scopepart (nl_task *t) {
  nl_scope *s = t->home;
  if (s == NULL) return;
  unlinktask(s, t);
  if (s->failure == t) cancelothers(s);
  if (s->tasks == NULL) nl_wakeall(&s->leavers);
}

/* A failure that nobody will ask for any more is the program's. */
static void disown (lua_State *L, nl_scope *s) {
  nl_task *t = s->failure;
  s->failure = NULL;
  if (t == NULL) return;
  t->home = NULL;
  nl_unclaimed(L, t);
}

/* The tasks of a scope may outlive an owner who never left it: it keeps the deadlines around it, and no
 * pointer to what is the owner's. */
static void setfree (nl_scope *s) {
  for (nl_scope *p = s->parent; p != NULL; p = p->parent) s->deadline = fmin(s->deadline, p->deadline);
  s->owner = NULL;
  s->parent = NULL;
}

void nl_scopeend (lua_State *L, nl_task *t) {
  for (nl_scope *s = t->scope, *next; s != NULL && s->owner == t; s = next) {
    next = s->parent;
    setfree(s);
    disown(L, s);
  }
  t->scope = NULL;
}

/* Takes s out of the chain its owner is inside of. */
static void leave (nl_scope *s) {
  if (s->owner == NULL) return;
  nl_scope **link = &s->owner->scope;
  while (*link != NULL && *link != s) link = &(*link)->parent;
  if (*link == s) *link = s->parent;
  s->owner = NULL;
}

static void scope_release (lua_State *L, void *self) {
  nl_scope *s = self;
  leave(s);
  disown(L, s);
}

/* What a failed child raised. [-0, +0|2, m] */
static int pushfailure (lua_State *L, nl_scope *s) {
  nl_task *t = s->failure;
  if (t == NULL) return 0;
  s->failure = NULL;
  t->home = NULL;
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->ref); /* keeps it, whatever is raised below */
  luaL_unref(L, LUA_REGISTRYINDEX, t->ref);
  int n = nl_pushfailure(L, t);
  lua_remove(L, -n - 1);
  return n;
}

/* s:spawn(f, ...) -> task | nil, err. Once it is being left, as whoever leaves would never be done else. */
static int scope_spawn (lua_State *L) {
  nl_scope *s = nl_check(L, 1, &nl_scope_class);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  if (!s->base.open) return nl_closed(L, "spawn");
  if (s->leaving) return nl_fail(L, "spawn", "CLOSED", "the scope is being left");
  (void)nl_spawn(L, lua_gettop(L) - 2, s);
  lua_pushvalue(L, 1);
  nl_hold(L, -2);
  return 1;
}

/* A task that waits for the scope it runs in would wait for itself. [-0, +0, v] */
static void checkoutside (lua_State *L, const nl_scope *s) {
  const nl_task *t = nl_rt(L)->current;
  if (t == NULL || s->owner == t) return;
  for (const nl_scope *p = t->scope; p != NULL; p = p->parent) {
    if (p == s) luaL_error(L, "a task cannot wait for a scope that it runs in");
  }
}

/* s:wait([timeout]) -> true | nil, err: until all its tasks are done */
static int scope_wait_try (lua_State *L, nl_wait *w) {
  nl_scope *s = (nl_scope *)w->self;
  checkoutside(L, s);
  if (s->tasks != NULL) {
    w->queue = &s->leavers;
    return NL_AGAIN;
  }
  if (pushfailure(L, s) == 2) return 2;
  lua_pushboolean(L, 1);
  return 1;
}
NL_WAITS(scope, wait, &nl_scope_class, NL_NOSIDE, 2)

/* s:cancel() -> true | nil, err: every task in it, not its owner */
static int scope_cancel (lua_State *L) {
  nl_scope *s = nl_check(L, 1, &nl_scope_class);
  if (!s->base.open) return nl_closed(L, "cancel");
  cancelothers(s);
  lua_pushboolean(L, 1);
  return 1;
}

/* s:remaining() -> seconds to its deadline, or math.huge | nil, err */
static int scope_remaining (lua_State *L) {
  nl_scope *s = nl_check(L, 1, &nl_scope_class);
  if (!s->base.open) return nl_closed(L, "remaining");
  double left = s->deadline == NL_FOREVER ? s->deadline : s->deadline - nl_now();
  lua_pushnumber(L, left > 0 ? left : 0);
  return 1;
}

/* s:close(), and __close(s, err): cancels, awaits, leaves; raises a failure nobody took. Where it cannot
 * wait, which is an error, its tasks end later, and its deadline is over all the same. */
static int scope_close_try (lua_State *L, nl_wait *w) {
  nl_scope *s = (nl_scope *)w->self;
  checkoutside(L, s);
  s->leaving = true;
  if (s->tasks != NULL) {
    cancelothers(s);
    if (!nl_canwait(nl_rt(L), L)) {
      leave(s);
      setfree(s);
    }
    w->queue = &s->leavers;
    return NL_AGAIN;
  }
  bool raise = pushfailure(L, s) == 2 && lua_isnoneornil(L, 2); /* an error on its way out goes first */
  nl_close(L, &s->base);
  if (raise) return lua_error(L);
  lua_pushboolean(L, 1);
  return 1;
}

static int scope_close (lua_State *L) {
  static const nl_call call = {scope_close_try, "close", &nl_scope_class, NL_NOSIDE, 0, true};
  nl_scope *s = nl_check(L, 1, &nl_scope_class);
  lua_settop(L, 2);
  if (s->base.open) return nl_await(L, &call);
  lua_pushboolean(L, 1);
  return 1;
}

static const luaL_Reg scope_methods[] = {{"spawn", scope_spawn},
                                         {"wait", scope_wait},
                                         {"cancel", scope_cancel},
                                         {"remaining", scope_remaining},
                                         {NULL, NULL}};
const nl_class nl_scope_class = {"net.scope", scope_methods, scope_release, NULL, NULL, scope_close, NULL};

/* scope{timeout = seconds} -> scope: use it with <close> */
int nl_scopenew (lua_State *L) {
  static const char *const names[] = {"timeout", NULL};
  nl_task *t = nl_rt(L)->current;
  nl_checkoptions(L, 1, names);
  double timeout = nl_fieldtimeout(L, 1, "timeout", NL_FOREVER);
  if (t == NULL) return luaL_error(L, "a scope needs a task around it");
  nl_scope *s = nl_newuv(L, &nl_scope_class, sizeof *s, USERVALUES);
  s->thread = L;
  s->deadline = timeout == NL_FOREVER ? timeout : nl_now() + timeout;
  lua_pushthread(L);
  lua_setiuservalue(L, -2, THREAD);
  s->parent = t->scope;
  s->owner = t;
  t->scope = s;
  s->base.open = true;
  return 1;
}
