/*
 * interrupt.c: ^C. Lua's debug hook is the only thing that stops running Lua code, and hooks belong to
 * one lua_State: the handler arms the state that runs at this moment, and every switch of states passes
 * a pending interrupt on. The first ^C is an error raised once; after a second one within two seconds
 * every instruction raises, so that no protected call can hold on.
 */
#include <time.h>
#include <unistd.h>

#include "core.h"

#define AGAIN_WITHIN 2.0

static const int mask = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;

static int strike (lua_State *L) {
  nl_runtime *rt = nl_rt(L);
  bool first = !rt->struck;
  rt->struck = true;
  if (rt->interrupt == 1) rt->interrupt = 0;
  if (first && !rt->interrupted) {
    rt->interrupted = true;
    nl_cancelall(rt);
  }
  nl_pusherror(L, "program", "CANCELED", "interrupted");
  return lua_error(L);
}

/* The hook may outlive its ^C, when a wait has raised it already. */
static void onhook (lua_State *L, lua_Debug *ar) {
  nl_runtime *rt = nl_rt(L);
  (void)ar;
  if (rt->interrupt < 2) lua_sethook(L, NULL, 0, 0);
  if (rt->interrupt > 0) (void)strike(L);
}

void nl_rearm (nl_runtime *rt, lua_State *L) {
  if (rt->interrupt > 0) lua_sethook(L, onhook, mask, 1);
}

void nl_checkinterrupt (lua_State *L) {
  if (nl_rt(L)->interrupt > 0) (void)strike(L);
}

static nl_runtime *volatile waiting; /* who has been interrupted twice */

static void onalarm (int number) {
  (void)number;
  if (waiting != NULL && !waiting->struck) _exit(130);
}

/* Hooks are off in a message handler and in a finalizer: if none has run a second after the second ^C,
 * none will. */
static void giveasecond (nl_runtime *rt) {
  waiting = rt;
  (void)signal(SIGALRM, onalarm);
  (void)alarm(1);
}

/* Async-signal-safe. C code that never comes back to Lua cannot be stopped by a hook: the second ^C
 * that finds the first one still pending ends the process. */
void nl_interrupt (nl_runtime *rt) {
  double now = nl_now();
  bool again = rt->interrupted_at > 0 && now - rt->interrupted_at < AGAIN_WITHIN;
  if (again && (!rt->struck || rt->interrupt == 2)) _exit(130);
  rt->interrupted_at = now;
  rt->interrupt = again ? 2 : 1;
  rt->struck = 0;
  if (again) giveasecond(rt);
  if (rt->running != rt->L) lua_sethook(rt->running, onhook, mask, 1);
  nl_loopwake(rt);
}
