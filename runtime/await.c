/*
 * await.c: the one place that waits. A waiting function is an attempt that runs, perhaps often, until it
 * has an answer; in between the task is parked and the scheduler runs the others. Where Lua cannot yield
 * the wait blocks on that one descriptor.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <time.h>

#include "core.h"

#define GRACE 0.01 /* seconds beyond a deadline that calls may go on which find their answer at once */

static nl_handle *handle (const nl_wait *w) {
  return (nl_handle *)w->self;
}

static bool sided (const nl_wait *w) {
  return w->side != NL_NOSIDE;
}

bool nl_canwait (nl_runtime *rt, lua_State *L) {
  return rt->current != NULL && L == rt->running && rt->pinned == 0 && lua_isyieldable(L);
}

int nl_notready (lua_State *L, nl_wait *w, const char *op) {
  int number = errno;
  if (number == EAGAIN || number == EWOULDBLOCK || number == EINTR) return NL_AGAIN;
  if (number != NL_ELAYER) return nl_errno(L, op, number);
  nl_layer *layer = ((nl_stream *)w->self)->layer;
  return layer->class->fail(L, layer, op);
}

/* nil, err is on top. What was written before is said; what was read stays in the buffer. */
static int withpartial (lua_State *L, const nl_wait *w) {
  if (w->call->side == NL_WRITE && w->progress > 0) {
    lua_pushinteger(L, (lua_Integer)w->progress);
    lua_setfield(L, -2, "partial");
  }
  return 2;
}

static int timedout (lua_State *L, const nl_wait *w) {
  (void)nl_fail(L, w->call->op, "TIMEOUT", NULL);
  return withpartial(L, w);
}

static int unwatched (lua_State *L, const nl_wait *w) {
  (void)nl_errno(L, w->call->op, ENOSPC);
  return withpartial(L, w);
}

static double nearest (nl_runtime *rt, const nl_wait *w, double timeout) {
  if (sided(w)) timeout = fmin(timeout, handle(w)->timeout);
  double deadline = timeout == NL_FOREVER ? timeout : nl_now() + timeout;
  return fmin(fmin(deadline, w->until), nl_deadline(rt));
}

static int attempt (lua_State *L, nl_wait *w) {
  w->queue = NULL;
  w->after = -1;
  return w->call->attempt(L, w);
}

/* Removes what an attempt without an answer has left. A buffer among it is closed, and if the stack must
 * grow for that, lua_settop of Lua 5.4.4 goes on with the old one: it gets the room before. */
static void dropwork (lua_State *L, const nl_wait *w) {
  luaL_checkstack(L, 2 * LUA_MINSTACK, NULL);
  lua_settop(L, w->top);
}

static bool busy (lua_State *L, const nl_wait *w) {
  const nl_task *owner = sided(w) ? handle(w)->side[w->side].owner : NULL;
  return owner != NULL && owner != nl_rt(L)->current;
}

/* ---- parked: another task runs */

static int park (lua_State *L, nl_task *t) {
  nl_runtime *rt = t->rt;
  nl_wait *w = &t->wait;
  if (sided(w)) {
    handle(w)->side[w->side].owner = t;
    if (w->queue == NULL && w->after < 0) nl_watchstart(rt, handle(w), w->side);
    if (w->after > 0) nl_watchstop(rt, handle(w), w->side); /* it waits for time only */
  }
  t->state = NL_PARKED;
  t->wake_at = w->after < 0 ? w->deadline : fmin(w->deadline, nl_now() + w->after);
  t->counted = t->wake_at != NL_FOREVER || w->queue == NULL || w->job != NULL;
  if (t->counted) rt->outside++;
  if (w->queue != NULL) nl_enqueue(w->queue, t);
  if (w->after == 0) nl_wake(t, NL_ELAPSED);
  else if (t->wake_at != NL_FOREVER) nl_timerset(rt, t);
  rt->parking = true;
  return lua_yieldk(L, 0, (lua_KContext)t, nl_awaitagain);
}

/* Cancellation is raised; the end of the time allowed is an answer, and so is a watch that cannot be had. */
static int stop (lua_State *L, nl_wait *w, int reason) {
  if (reason == NL_TIMEDOUT) return timedout(L, w);
  if (reason == NL_UNWATCHED) return unwatched(L, w);
  return nl_throw(L, w->call->op, reason == NL_CANCEL ? "CANCELED" : "EDEADLK");
}

/* What it waits for now may be another side than before, and somebody may have come there meanwhile. */
static int again (lua_State *L, nl_task *t) {
  nl_wait *w = &t->wait;
  if (w->self != NULL && !w->self->open) return nl_closed(L, w->call->op);
  int n = attempt(L, w);
  if (n != NL_AGAIN) return n;
  dropwork(L, w);
  if (t->canceled && !w->call->shielded) return stop(L, w, NL_CANCEL);
  if (busy(L, w)) return nl_fail(L, w->call->op, "BUSY", NULL);
  return park(L, t);
}

/* ---- blocked: Lua cannot yield here */

/* ^C is let through only inside ppoll: one that came before is seen, one that comes now ends the call. One
 * that is for another task leaves this one with a look at a time. */
static bool pollone (nl_runtime *rt, const nl_wait *w, double until) {
  struct pollfd p = {-1, w->side == NL_WRITE ? POLLOUT : POLLIN, 0};
  bool waits = rt->interrupt == 0;
  double left = waits && until != NL_FOREVER ? fmax(until - nl_now(), 0) : 0;
  struct timespec ts = {(time_t)left, (long)((left - floor(left)) * 1e9)};
  sigset_t interrupt, usual;
  (void)sigemptyset(&interrupt);
  (void)sigaddset(&interrupt, SIGINT);
  (void)pthread_sigmask(SIG_BLOCK, &interrupt, &usual);
  if (sided(w) && w->after < 0) p.fd = handle(w)->fd;
  bool ready = ppoll(&p, 1, waits && until == NL_FOREVER ? NULL : &ts, &usual) > 0;
  (void)pthread_sigmask(SIG_SETMASK, &usual, NULL);
  return ready;
}

/* Signals end no wait, but for a ^C that is for this task. Gives the time at the end. */
static double blockonce (lua_State *L, const nl_wait *w, double until) {
  nl_runtime *rt = nl_rt(L);
  for (;;) {
    bool ready = w->job != NULL ? nl_jobblock(rt, w->job, until) : pollone(rt, w, until);
    nl_checkinterrupt(L);
    double now = nl_now();
    if (ready || now >= until) return now;
  }
}

static int block (lua_State *L, nl_wait *w) {
  for (;;) {
    double retry = w->after < 0 ? NL_FOREVER : nl_now() + w->after;
    if (w->queue != NULL && w->job == NULL) {
      return luaL_error(L,
                        "%s: waiting for another task is not possible here, inside a C function that "
                        "cannot yield",
                        w->call->op);
    }
    double now = blockonce(L, w, fmin(retry, w->deadline));
    w->elapsed = now >= retry;
    w->woken = true;
    int n = attempt(L, w);
    if (n != NL_AGAIN) return n;
    dropwork(L, w);
    if (now >= w->deadline) return timedout(L, w);
  }
}

/* ---- the way in */

static int wait (lua_State *L, nl_wait *w, double timeout) {
  nl_runtime *rt = nl_rt(L);
  nl_task *t = rt->current;
  w->deadline = w->call->shielded ? NL_FOREVER : nearest(rt, w, timeout);
  if (t != NULL && t->canceled && !w->call->shielded) return stop(L, w, NL_CANCEL);
  if (w->deadline != NL_FOREVER && w->after != 0 && nl_now() >= w->deadline) {
    w->poll = true;
    int n = attempt(L, w);
    return n != NL_AGAIN ? n : timedout(L, w);
  }
  if (!nl_canwait(rt, L)) return block(L, w);
  if (!nl_loopready(rt)) return nl_errno(L, w->call->op, errno);
  t->wait = *w;
  return park(L, t);
}

/* The first try, and what follows when it has no answer yet. */
static int begin (lua_State *L, nl_wait *w) {
  const nl_call *call = w->call;
  double timeout = call->timeout != 0 ? nl_opttimeout(L, call->timeout) : NL_FOREVER;
  if (call->class != NULL) {
    if (!w->self->open) return nl_closed(L, call->op);
    if (busy(L, w)) return nl_fail(L, call->op, "BUSY", NULL);
  }
  int n = attempt(L, w);
  if (n != NL_AGAIN) return n;
  dropwork(L, w);
  return wait(L, w, timeout);
}

/* Who takes a turn may never come to wait for anything: what a wait would see is looked at here. */
static int begun (lua_State *L, nl_wait *w, const nl_task *t) {
  w->fresh = false;
  if (w->call->shielded) return begin(L, w);
  if (t->canceled) return stop(L, w, NL_CANCEL);
  if (nl_now() >= nl_deadline(t->rt) + GRACE) return stop(L, w, NL_TIMEDOUT);
  return begin(L, w);
}

/* Resumed: by the event, the end of the time, a cancellation, or to take its turn. */
int nl_awaitagain (lua_State *L, int status, lua_KContext ctx) {
  nl_task *t = (nl_task *)ctx;
  nl_wait *w = &t->wait;
  (void)status;
  lua_settop(L, w->top);
  if (sided(w)) handle(w)->side[w->side].owner = NULL;
  if (t->reason != NL_READY && t->reason != NL_ELAPSED) return stop(L, w, t->reason);
  if (w->fresh) {
    nl_wait first = *w;
    return begun(L, &first, t);
  }
  w->elapsed = t->reason == NL_ELAPSED;
  if (w->elapsed && nl_now() >= w->deadline) return stop(L, w, NL_TIMEDOUT);
  w->woken = true;
  return again(L, t);
}

/* A call that always succeeds at once must not starve the others: now and then it waits its turn. */
static int taketurn (lua_State *L, nl_wait *w) {
  nl_task *t = nl_rt(L)->current;
  w->after = 0;
  w->deadline = NL_FOREVER;
  w->fresh = true;
  t->wait = *w;
  return park(L, t);
}

static int go (lua_State *L, nl_wait *w) {
  nl_runtime *rt = nl_rt(L);
  bool turn = --rt->budget < 0 && nl_canwait(rt, L) && nl_loopready(rt);
  if (turn && !(w->call->class != NULL && (!w->self->open || busy(L, w)))) return taketurn(L, w);
  return begin(L, w);
}

/* ---- a greeting: what must have happened before the first wait for an object */

static const char greeter = 0;

void nl_setgreeter (lua_State *L) {
  lua_rawsetp(L, LUA_REGISTRYINDEX, &greeter);
}

static int greeted (lua_State *L, int status, lua_KContext ctx) {
  const nl_call *call = (const nl_call *)ctx;
  (void)status;
  if (!lua_toboolean(L, -2)) return 2;
  double until = lua_tonumber(L, -3);
  lua_pop(L, 3);
  nl_wait w = {.call = call, .self = lua_touserdata(L, 1), .top = lua_gettop(L), .side = call->side};
  w.until = until;
  return go(L, &w);
}

static int greet (lua_State *L, const nl_wait *w) {
  double timeout = w->call->timeout != 0 ? nl_opttimeout(L, w->call->timeout) : NL_FOREVER;
  timeout = fmin(timeout, handle(w)->timeout);
  luaL_checkstack(L, 4, NULL);
  lua_pushnumber(L, timeout == NL_FOREVER ? timeout : nl_now() + timeout); /* what is left is for the call */
  lua_rawgetp(L, LUA_REGISTRYINDEX, &greeter);
  lua_pushvalue(L, 1);
  if (timeout == NL_FOREVER) lua_pushnil(L);
  else lua_pushnumber(L, timeout);
  lua_KContext ctx = (lua_KContext)w->call;
  lua_callk(L, 2, 2, ctx, greeted);
  return greeted(L, LUA_OK, ctx);
}

int nl_await (lua_State *L, const nl_call *call) {
  nl_wait w = {.call = call, .top = lua_gettop(L), .side = call->side, .until = NL_FOREVER};
  if (call->class != NULL) w.self = nl_check(L, 1, call->class);
  if (sided(&w) && w.self->open && handle(&w)->greeting) return greet(L, &w);
  return go(L, &w);
}
