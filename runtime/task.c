/*
 * task.c: tasks and the scheduler. A task is a coroutine that the scheduler resumes; its body runs in a
 * protected call inside that coroutine, so that its __close handlers may wait too. Everything that
 * wakes a task ends in nl_wake, and the first reason to wake wins.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core.h"

#define TURN 1024   /* resumes between two looks at the descriptors */
#define SLICE 0.005 /* seconds after which they are looked at all the same */
#define BUDGET 128  /* calls of one task that succeed at once before the others get a turn */

/* user values of a task; one that has failed waits no more, so a place is free for the text */
enum { TRACEBACK = NL_TRACEBACK, PLACE, VALUE, THREAD, HOME, USERVALUES = HOME, TEXT = NL_TEXT };

/* ---- queues */

void nl_enqueue (nl_queue *q, nl_task *t) {
  t->queue = q;
  t->after = NULL;
  t->before = q->last;
  if (q->last != NULL) q->last->after = t;
  else q->first = t;
  q->last = t;
}

void nl_dequeue (nl_task *t) {
  nl_queue *q = t->queue;
  if (q == NULL) return;
  if (t->before != NULL) t->before->after = t->after;
  else q->first = t->after;
  if (t->after != NULL) t->after->before = t->before;
  else q->last = t->before;
  t->queue = NULL;
  t->before = t->after = NULL;
}

void nl_wake (nl_task *t, enum nl_reason reason) {
  if (t->state != NL_PARKED) return;
  nl_dequeue(t);
  if (t->counted) t->rt->outside--;
  t->counted = false;
  t->state = NL_QUEUED;
  t->reason = (unsigned char)reason;
  nl_enqueue(&t->rt->ready, t);
}

void nl_wakeall (nl_queue *q) {
  while (q->first != NULL) nl_wake(q->first, NL_READY);
}

/* ---- the body of a task */

static void pushtask (lua_State *L, nl_task *t) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->ref);
}

/* What the scheduler says outside of every protected call is made beforehand: it must not allocate. */
static const char codekey = 0, straykey = 0;

static bool iscancel (lua_State *L) {
  if (!lua_istable(L, -1)) return false;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &codekey);
  lua_rawget(L, -2);
  bool canceled = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "CANCELED") == 0;
  lua_pop(L, 1);
  return canceled;
}

/* The text of what the main chunk raised is made here, as __tostring may look at the stack. */
static bool pushtext (lua_State *L) {
  if (lua_toboolean(L, 1)) return luaL_callmeta(L, 1, "__tostring");
  lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
  return true;
}

/* Keeps the traceback beside the error, which stays what was raised. */
static int task_handler (lua_State *L) {
  nl_task *t = nl_rt(L)->current;
  if (t == NULL || !lua_checkstack(L, 6)) return 1;
  pushtask(L, t);
  if (t == t->rt->main && pushtext(L)) lua_setiuservalue(L, -2, TEXT);
  luaL_traceback(L, L, NULL, 1);
  lua_setiuservalue(L, -2, TRACEBACK);
  lua_settop(L, 1);
  return 1;
}

static int task_ended (lua_State *L, int status, lua_KContext ctx) {
  nl_task *t = (nl_task *)ctx;
  t->failed = status != LUA_OK && status != LUA_YIELD;
  return lua_gettop(L) - 1;
}

static int task_body (lua_State *L) {
  nl_task *t = nl_rt(L)->current;
  if (t->canceled) { /* before it began */
    t->failed = true;
    nl_pusherror(L, "task", "CANCELED", NULL);
    return 1;
  }
  lua_pushcfunction(L, task_handler);
  lua_insert(L, 1);
  int nargs = lua_gettop(L) - 2;
  return task_ended(L, lua_pcallk(L, nargs, LUA_MULTRET, 1, (lua_KContext)t, task_ended), (lua_KContext)t);
}

/* ---- life and death */

/* Code of a script's, no C function. */
static bool istheirs (const lua_Debug *ar) {
  return ar->currentline >= 0 && strncmp(ar->source, "@lualib/", 8) != 0;
}

/* The place is for the report should it fail: cheap enough to be always there. It is the user's, not
 * the library's, unless a tail call has left nothing of theirs. */
static void keepplace (lua_State *L, nl_task *t) {
  lua_Debug ar, above;
  if (!lua_getstack(L, 1, &ar)) return;
  lua_getinfo(L, "Sl", &ar);
  for (int level = 2; !istheirs(&ar) && lua_getstack(L, level, &above); level++) {
    lua_getinfo(L, "Sl", &above);
    if (above.currentline >= 0) ar = above;
  }
  t->line = ar.currentline;
  lua_pushstring(L, ar.short_src);
  lua_setiuservalue(L, -2, PLACE);
}

nl_task *nl_spawn (lua_State *L, int nargs, nl_scope *home) {
  nl_runtime *rt = nl_rt(L);
  luaL_checkstack(L, 4, NULL);
  nl_task *t = nl_newuv(L, &nl_task_class, sizeof *t, USERVALUES);
  t->rt = rt;
  nl_timerinit(t);
  t->thread = lua_newthread(L);
  lua_setiuservalue(L, -2, THREAD);
  keepplace(L, t);
  lua_insert(L, -nargs - 2);
  if (!lua_checkstack(t->thread, nargs + 2)) luaL_error(L, "too many arguments");
  lua_pushcfunction(t->thread, task_body);
  lua_xmove(L, t->thread, nargs + 1);
  lua_pushvalue(L, -1);
  t->ref = luaL_ref(L, LUA_REGISTRYINDEX);
  *nl_space(t->thread) = (uintptr_t)t | NL_ROOT;
  t->base.open = true;
  rt->tasks++;
  nl_scopejoin(home, t);
  t->state = NL_QUEUED;
  nl_enqueue(&rt->ready, t);
  return t;
}

void nl_canceltask (nl_task *t) {
  if (t->state == NL_DONE || t->canceled) return;
  t->canceled = true;
  if (!(t->wait.call != NULL && t->wait.call->shielded)) nl_wake(t, NL_CANCEL);
}

/* The next task in the registry from *i on, which is pushed; NULL: there is none, and nothing is pushed. */
static nl_task *nexttask (lua_State *L, lua_Integer *i) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, LUA_REGISTRYINDEX);
  while (++*i <= n) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, *i);
    nl_task *t = nl_test(L, -1, &nl_task_class);
    if (t != NULL && t->state != NL_DONE) return t;
    lua_pop(L, 1);
  }
  return NULL;
}

/* Every task hears of it, the queued ones at their next wait. */
void nl_cancelall (nl_runtime *rt) {
  lua_State *L = rt->L;
  for (lua_Integer i = 0; nexttask(L, &i) != NULL; lua_pop(L, 1)) {
    nl_canceltask(lua_touserdata(L, -1));
  }
}

void nl_hold (lua_State *L, int task) {
  lua_setiuservalue(L, task, HOME);
}

void nl_unclaimed (lua_State *L, nl_task *t) {
  if (t->rt->unclaimed == NULL) t->rt->unclaimed = t;
  else luaL_unref(L, LUA_REGISTRYINDEX, t->ref);
}

/* Who takes the failure: those who wait in join, else the scope, else the program. True if it is kept
 * for later. */
static bool keepfailure (nl_task *t) {
  if (!t->failed || t->joiners.first != NULL) return false;
  if (t->canceled && lua_checkstack(t->thread, 4) && iscancel(t->thread)) return false;
  nl_task **place = t->home != NULL && t->home->owner != NULL ? &t->home->failure : &t->rt->unclaimed;
  if (*place != NULL) return false;
  *place = t;
  return true;
}

/* A scope that keeps a failure must not be kept by it: it could never be collected. */
static void letgo (lua_State *L, nl_task *t) {
  if (t->home == NULL || t->home->failure != t) return;
  pushtask(L, t);
  lua_pushnil(L);
  nl_hold(L, -2);
  lua_pop(L, 1);
}

static void finish (lua_State *L, nl_task *t, int status) {
  nl_runtime *rt = t->rt;
  if (status != LUA_OK) t->failed = true;
  t->state = NL_DONE;
  nl_calm(t);
  rt->tasks--;
  nl_timerstop(rt, t);
  *nl_space(t->thread) = (uintptr_t)rt | NL_DEAD; /* its stack holds the results */
  bool kept = keepfailure(t);
  nl_scopeend(L, t);
  nl_wakeall(&t->joiners);
  nl_scopepart(t);
  if (kept) letgo(L, t);
  else luaL_unref(L, LUA_REGISTRYINDEX, t->ref);
}

/* A C module's own lua_yield at the root of a task has nobody to go to. Its __close handlers cannot wait. */
static int strayyield (nl_runtime *rt, lua_State *T) {
  rt->pinned++;
  (void)lua_resetthread(T);
  rt->pinned--;
  lua_settop(T, 0);
  lua_rawgetp(T, LUA_REGISTRYINDEX, &straykey);
  return LUA_ERRRUN;
}

static void step (nl_runtime *rt, nl_task *t) {
  int nresults = 0;
  lua_State *T = t->thread;
  int nargs = lua_status(T) == LUA_OK ? lua_gettop(T) - 1 : 0;
  rt->current = t;
  rt->running = T;
  rt->budget = BUDGET;
  t->state = NL_RUNNING;
  nl_rearm(rt, T);
  int status = lua_resume(T, rt->L, nargs, &nresults);
  if (status == LUA_YIELD && !rt->parking) status = strayyield(rt, T);
  rt->parking = false;
  rt->running = rt->L;
  rt->current = NULL;
  if (status != LUA_YIELD) finish(rt->L, t, status);
}

/* Nothing can happen any more unless a task makes it happen, and none can. */
static void deadlock (nl_runtime *rt) {
  lua_State *L = rt->L;
  if (rt->prompt != NULL) { /* the next entry may be what the others wait for */
    if (rt->foreground != NULL) nl_wake(rt->foreground, NL_DEADLOCK);
    return;
  }
  for (lua_Integer i = 0; nexttask(L, &i) != NULL; lua_pop(L, 1)) {
    nl_wake(lua_touserdata(L, -1), NL_DEADLOCK);
  }
}

/* There is a place for one failure: at a prompt, which goes on, it is told of before the next. */
static bool hasnews (const nl_runtime *rt) {
  return rt->prompt != NULL && rt->unclaimed != NULL;
}

/* Who has used up its budget would go on at once if nobody else is ready: the descriptors come before. But
 * who is ready may be about to join a task that has failed. */
static void runready (nl_runtime *rt, const nl_task *until) {
  double end = nl_now() + SLICE;
  for (int turn = TURN; turn > 0 && rt->ready.first != NULL; turn--) {
    nl_task *t = rt->ready.first;
    nl_dequeue(t);
    step(rt, t);
    if (hasnews(rt) || (until != NULL && until->state == NL_DONE)) return;
    bool due = rt->budget < 0 || (rt->outside > 0 && nl_now() >= end);
    if (due && rt->unclaimed == NULL) return;
  }
}

bool nl_run (nl_runtime *rt, nl_task *until) {
  while (until != NULL ? until->state != NL_DONE : rt->tasks > 0) {
    runready(rt, until);
    if (hasnews(rt)) { /* tasks that go on failing do not keep it from reading */
      nl_takeinterrupt(rt);
      (void)nl_looprun(rt, false);
    }
    if (rt->unclaimed != NULL) return false;
    nl_takeinterrupt(rt);
    if (rt->tasks == 0 || (until != NULL && until->state == NL_DONE)) continue;
    if (rt->ready.first == NULL && rt->outside == 0) deadlock(rt);
    bool idle = rt->ready.first == NULL;
    if (idle) (void)fflush(stdout); /* what was printed is seen before the program waits */
    if (rt->attend != NULL) rt->attend();
    if (!nl_looprun(rt, idle)) return false;
  }
  return true;
}

void nl_windup (nl_runtime *rt, double until) {
  while (rt->tasks > 0 && nl_now() < until) {
    runready(rt, NULL);
    if (rt->ready.first == NULL && rt->outside == 0) return;
    if (rt->ready.first == NULL) (void)poll(NULL, 0, 1);
    if (!nl_looprun(rt, false)) return;
  }
}

/* ---- the Lua side */

static int pushresults (lua_State *L, nl_task *t) {
  int n = lua_gettop(t->thread);
  if (n == 0) {
    lua_pushboolean(L, 1);
    return 1;
  }
  luaL_checkstack(L, n, "too many results to join");
  if (!lua_checkstack(t->thread, n)) return luaL_error(L, "too many results to join");
  for (int i = 1; i <= n; i++) lua_pushvalue(t->thread, i);
  lua_xmove(t->thread, L, n);
  return n;
}

int nl_pushfailure (lua_State *L, nl_task *t) {
  luaL_checkstack(L, 3, NULL);
  luaL_pushfail(L);
  if (!lua_checkstack(t->thread, 1)) return luaL_error(L, "not enough memory");
  lua_pushvalue(t->thread, -1);
  lua_xmove(t->thread, L, 1);
  if (lua_toboolean(L, -1)) return 2;
  luaL_tolstring(L, -1, NULL); /* whoever asks "is there an error?" is told so */
  lua_remove(L, -2);
  return 2;
}

/* A failure that was kept for the scope or the program is taken now. */
static void takefailure (lua_State *L, nl_task *t) {
  nl_task **place = &t->rt->unclaimed;
  if (*place != t && t->home != NULL) place = &t->home->failure;
  if (*place != t) return;
  *place = NULL;
  t->home = NULL;
  luaL_unref(L, LUA_REGISTRYINDEX, t->ref);
}

/* task:join([timeout]) -> results | nil, err */
static int task_join_try (lua_State *L, nl_wait *w) {
  nl_task *t = (nl_task *)w->self;
  if (t == t->rt->current) return luaL_error(L, "a task cannot join itself");
  if (t->state != NL_DONE) {
    w->queue = &t->joiners;
    return NL_AGAIN;
  }
  takefailure(L, t);
  return t->failed ? nl_pushfailure(L, t) : pushresults(L, t);
}
NL_WAITS(task, join, &nl_task_class, NL_NOSIDE, 2)

/* task:cancel() -> true */
static int task_cancel (lua_State *L) {
  nl_task *t = nl_check(L, 1, &nl_task_class);
  nl_canceltask(t);
  lua_pushboolean(L, 1);
  return 1;
}

static const char *statename (nl_task *t) {
  if (t->state != NL_DONE) return t->state == NL_RUNNING ? "running" : "waiting";
  if (t->failed) return t->canceled ? "canceled" : "failed";
  return "done";
}

/* task:status() -> "running" | "waiting" | "done" | "failed" | "canceled" */
static int task_status (lua_State *L) {
  lua_pushstring(L, statename(nl_check(L, 1, &nl_task_class)));
  return 1;
}

/* task:traceback() -> where it failed, or nil */
static int task_traceback (lua_State *L) {
  (void)nl_check(L, 1, &nl_task_class);
  lua_getiuservalue(L, 1, TRACEBACK);
  return 1;
}

/* task:place() -> "file:line" of its spawn */
static int task_place (lua_State *L) {
  nl_task *t = nl_check(L, 1, &nl_task_class);
  if (lua_getiuservalue(L, 1, PLACE) != LUA_TSTRING) lua_pushliteral(L, "?");
  lua_pushfstring(L, "%s:%d", lua_tostring(L, -1), t->line);
  return 1;
}

static int task_tostring (lua_State *L) {
  nl_task *t = nl_check(L, 1, &nl_task_class);
  lua_pushfstring(L, "net.task (%s, %p)", statename(t), (void *)t);
  return 1;
}

static const luaL_Reg task_methods[] = {{"join", task_join},     {"cancel", task_cancel},
                                        {"status", task_status}, {"traceback", task_traceback},
                                        {"place", task_place},   {NULL, NULL}};
static const luaL_Reg task_metamethods[] = {{"__tostring", task_tostring}, {NULL, NULL}};
/* No release: a task is held by the registry until its timer is stopped, and a finalizer costs. */
const nl_class nl_task_class = {"net.task", task_methods, NULL, NULL, task_metamethods, task_cancel, NULL};

/* spawn(f, ...) -> task: of no scope; it outlives the one who spawned it */
static int task_spawn (lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  (void)nl_spawn(L, lua_gettop(L) - 1, NULL);
  return 1;
}

/* sleep(seconds) -> true | nil, err */
static int task_sleep_try (lua_State *L, nl_wait *w) {
  double seconds = nl_checkseconds(L, 1);
  if (!w->elapsed) {
    w->after = seconds;
    return NL_AGAIN;
  }
  lua_pushboolean(L, 1);
  return 1;
}
NL_WAITS(task, sleep, NULL, NL_NOSIDE, 0)

/* now() -> seconds of a clock that only goes forward */
static int task_now (lua_State *L) {
  lua_pushnumber(L, nl_now());
  return 1;
}

/* canwait() -> whether others can run while the caller waits */
static int task_canwait (lua_State *L) {
  lua_pushboolean(L, nl_canwait(nl_rt(L), L));
  return 1;
}

/* count() -> tasks that are not done */
static int task_count (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)nl_rt(L)->tasks);
  return 1;
}

/* tasks() -> {task, ...} that are not done, but for the one that runs and the prompt */
static int task_tasks (lua_State *L) {
  const nl_runtime *rt = nl_rt(L);
  lua_Integer found = 0;
  lua_newtable(L);
  for (lua_Integer i = 0; nexttask(L, &i) != NULL;) {
    const nl_task *t = lua_touserdata(L, -1);
    if (t != rt->current && t != rt->prompt) lua_rawseti(L, -2, ++found);
    else lua_pop(L, 1);
  }
  return 1;
}

/* waits() -> {[inode] = task}: who waits for which file */
static int task_waits (lua_State *L) {
  lua_newtable(L);
  for (lua_Integer i = 0; nexttask(L, &i) != NULL;) {
    const nl_task *t = lua_touserdata(L, -1);
    struct stat st;
    bool waits = t->state == NL_PARKED && t->wait.side != NL_NOSIDE;
    if (waits && fstat(((const nl_handle *)t->wait.self)->fd, &st) == 0) {
      lua_rawseti(L, -2, (lua_Integer)st.st_ino);
    } else {
      lua_pop(L, 1);
    }
  }
  return 1;
}

/* current() -> the running task */
static int task_current (lua_State *L) {
  nl_task *t = nl_rt(L)->current;
  if (t == NULL) lua_pushnil(L);
  else pushtask(L, t);
  return 1;
}

/* report(text): tells the host of a failure that ends nothing else */
static int task_report (lua_State *L) {
  nl_runtime *rt = nl_rt(L);
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  if (rt->report != NULL) rt->report(text, len);
  return 0;
}

/* ---- waitlist: what channels, semaphores and events stand on */

typedef struct waitlist {
  nl_object base;
  nl_queue queue;
} waitlist;

static void waitlist_release (lua_State *L, void *self) {
  (void)L;
  nl_wakeall(&((waitlist *)self)->queue);
}

/* list:wait([timeout], [offer]) -> the value given to wake | nil, err */
static int waitlist_wait_try (lua_State *L, nl_wait *w) {
  waitlist *list = (waitlist *)w->self;
  nl_task *t = nl_rt(L)->current;
  if (!w->woken || t == NULL) {
    w->queue = &list->queue;
    if (t == NULL) return NL_AGAIN;
    pushtask(L, t);
    if (w->top >= 3) lua_pushvalue(L, 3);
    else lua_pushnil(L);
    lua_setiuservalue(L, -2, VALUE);
    return NL_AGAIN;
  }
  pushtask(L, t);
  lua_getiuservalue(L, -1, VALUE);
  lua_pushnil(L);
  lua_setiuservalue(L, -3, VALUE);
  return 1;
}
static const nl_class waitlist_class;
NL_WAITS(waitlist, wait, &waitlist_class, NL_NOSIDE, 2)

/* list:turn() -> true | nil, err: for what succeeds at once, so that the others get a turn now and then */
static int waitlist_turn_try (lua_State *L, nl_wait *w) {
  (void)w;
  lua_pushboolean(L, 1);
  return 1;
}
NL_WAITS(waitlist, turn, &waitlist_class, NL_NOSIDE, 0)

/* list:wake(value) -> whether somebody waited, the longest waiting first, and what it offered */
static int waitlist_wake (lua_State *L) {
  waitlist *list = nl_check(L, 1, &waitlist_class);
  luaL_checkany(L, 2);
  nl_task *t = list->queue.first;
  lua_pushboolean(L, t != NULL);
  if (t == NULL) return 1;
  pushtask(L, t);
  lua_getiuservalue(L, -1, VALUE);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, -3, VALUE);
  nl_wake(t, NL_READY);
  lua_remove(L, -2);
  return 2;
}

/* list:waiting() -> whether somebody waits */
static int waitlist_waiting (lua_State *L) {
  waitlist *list = nl_check(L, 1, &waitlist_class);
  lua_pushboolean(L, list->queue.first != NULL);
  return 1;
}

static const luaL_Reg waitlist_methods[] = {{"wait", waitlist_wait},
                                            {"turn", waitlist_turn},
                                            {"wake", waitlist_wake},
                                            {"waiting", waitlist_waiting},
                                            {NULL, NULL}};
static const nl_class waitlist_class = {
    "net.waitlist", waitlist_methods, waitlist_release, NULL, NULL, NULL, NULL};

/* waitlist() -> list */
static int task_waitlist (lua_State *L) {
  waitlist *list = nl_new(L, &waitlist_class, sizeof *list);
  list->base.open = true;
  return 1;
}

int luaopen_task (lua_State *L) {
  static const luaL_Reg functions[] = {{"spawn", task_spawn},
                                       {"sleep", task_sleep},
                                       {"now", task_now},
                                       {"count", task_count},
                                       {"tasks", task_tasks},
                                       {"waits", task_waits},
                                       {"canwait", task_canwait},
                                       {"current", task_current},
                                       {"scope", nl_scopenew},
                                       {"waitlist", task_waitlist},
                                       {"report", task_report},
                                       {"foreground", nl_foreground},
                                       {NULL, NULL}};
  lua_pushliteral(L, "code");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &codekey);
  lua_pushliteral(L, "attempt to yield from outside a coroutine");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &straykey);
  luaL_newlib(L, functions);
  return 1;
}
