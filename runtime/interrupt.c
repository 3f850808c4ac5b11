/*
 * interrupt.c: ^C. Lua's debug hook is the only thing that stops running Lua code, and hooks belong to
 * one lua_State: the handler arms the state that runs at this moment, and every switch of states passes
 * a pending interrupt on. The first ^C is an error raised once; after a second one within two seconds
 * every instruction raises, so that no protected call can hold on.
 *
 * A signal that asks a tool to end does the same, and ends it when it has tidied up; so it is with a script
 * from its first tool on.
 *
 * A program is canceled as a whole. At a prompt ^C is for the task in the foreground, and strikes no
 * other unless that one keeps the scheduler from coming round.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <lualib.h>

#include "core.h"

#define AGAIN_WITHIN 2.0
#define HOLDUP 100000 /* microseconds of processor time after ^C within which others get a turn */

static const int mask = LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT;

static bool ismeant (const nl_runtime *rt) {
  if (rt->prompt == NULL) return true;
  return rt->current != NULL && (rt->current == rt->foreground || rt->current == rt->hog);
}

/* Once for each ^C that cancels the program: the second also takes what was spawned after the first. */
static void cancel (nl_runtime *rt) {
  bool first = !rt->struck;
  rt->struck = true;
  if (rt->interrupt == 1) rt->interrupt = 0;
  if (rt->prompt != NULL) {
    if (rt->foreground != NULL) nl_canceltask(rt->foreground);
  } else if (first) {
    rt->interrupted = true;
    nl_cancelall(rt);
  }
}

static int strike (lua_State *L) {
  nl_runtime *rt = nl_rt(L);
  if (rt->prompt != NULL) nl_canceltask(rt->current);
  cancel(rt);
  nl_pusherror(L, "program", "CANCELED", "interrupted");
  return lua_error(L);
}

/* The hook may outlive its ^C, when a wait has raised it already. */
static void onhook (lua_State *L, lua_Debug *ar) {
  nl_runtime *rt = nl_rt(L);
  bool strikes = rt->interrupt > 0 && ismeant(rt);
  (void)ar;
  if (rt->interrupt < 2 || !strikes) lua_sethook(L, NULL, 0, 0);
  if (strikes) (void)strike(L);
}

void nl_rearm (nl_runtime *rt, lua_State *L) {
  if (rt->interrupt > 0 && ismeant(rt)) lua_sethook(L, onhook, mask, 1);
}

void nl_checkinterrupt (lua_State *L) {
  const nl_runtime *rt = nl_rt(L);
  if (rt->interrupt > 0 && ismeant(rt)) (void)strike(L);
}

static nl_runtime *volatile waiting; /* who has been interrupted */

static void leave (const nl_runtime *rt) {
  if (rt->leave != NULL) rt->leave();
  _exit(130);
}

static void onalarm (int number) {
  (void)number;
  if (waiting != NULL && !waiting->struck) leave(waiting);
}

/* Hooks are off in a message handler and in a finalizer: if none has run a second after the second ^C,
 * none will. */
static void giveasecond (nl_runtime *rt) {
  waiting = rt;
  (void)signal(SIGALRM, onalarm);
  (void)alarm(1);
}

static void onovertime (int number) {
  nl_runtime *rt = waiting;
  (void)number;
  if (rt == NULL) return;
  rt->interrupt = 2;
  rt->struck = 1; /* there is nothing to be canceled any more */
  if (rt->running != rt->L) lua_sethook(rt->running, onhook, mask, 1);
}

/* What still runs after so many seconds is struck until it ends. */
void nl_limit (nl_runtime *rt, unsigned seconds) {
  waiting = rt;
  (void)signal(SIGALRM, onovertime);
  (void)alarm(seconds);
}

void nl_forgetinterrupt (nl_runtime *rt) {
  (void)alarm(0);
  rt->interrupt = 0;
  rt->interrupted_at = 0;
}

static void onholdup (int number) {
  nl_runtime *rt = waiting;
  (void)number;
  bool held = rt != NULL && !rt->round && rt->current != NULL;
  if (rt != NULL) rt->round = 0;
  if (!held || rt->current == rt->prompt || (rt->current == rt->foreground && rt->struck)) return;
  rt->hog = rt->current;
  if (rt->interrupt == 0) rt->interrupt = 1;
  rt->struck = 0;
  lua_sethook(rt->running, onhook, mask, 1);
}

/* In processor time: on a busy machine a task may be late and hold up nobody. 0: no more. */
static void watchforhogs (nl_runtime *rt, long interval) {
  struct itimerval timer = {{0, interval}, {0, interval}};
  waiting = rt;
  rt->round = 0;
  if (interval > 0) (void)signal(SIGPROF, onholdup);
  (void)setitimer(ITIMER_PROF, &timer, NULL); /* its arguments are right */
}

/* At a prompt one that comes between two things in the foreground is for the second. */
void nl_takeinterrupt (nl_runtime *rt) {
  rt->round = 1;
  if (rt->interrupt == 0 || rt->struck) return;
  if (rt->prompt != NULL && rt->foreground == NULL) return;
  cancel(rt);
}

/* A ^C that has been for nobody yet stays. */
void nl_calm (nl_task *t) {
  nl_runtime *rt = t->rt;
  if (t == rt->prompt) rt->prompt = NULL;
  if (t == rt->hog) rt->hog = NULL;
  if (t != rt->foreground) return;
  rt->foreground = NULL;
  if (rt->interrupted_at == 0 || (rt->interrupt == 1 && !rt->struck)) return;
  rt->interrupt = 0;
  rt->interrupted_at = 0;
  watchforhogs(rt, 0);
}

/* foreground(task): what ^C cancels from now on, until it ends, instead of the program. The caller is the
 * prompt, which ^C never touches. */
int nl_foreground (lua_State *L) {
  nl_runtime *rt = nl_rt(L);
  nl_task *t = nl_check(L, 1, &nl_task_class);
  rt->prompt = rt->current;
  rt->foreground = t->state != NL_DONE ? t : NULL;
  return 0;
}

/* Async-signal-safe. C code that never comes back to Lua cannot be stopped by a hook: the second ^C
 * that finds the first one still pending ends the process; at a prompt, where more is lost, the third. */
void nl_interrupt (nl_runtime *rt) {
  double now = nl_now();
  bool again = rt->interrupted_at > 0 && now - rt->interrupted_at < AGAIN_WITHIN;
  if (again && (rt->interrupt == 2 || (rt->prompt == NULL && !rt->struck))) leave(rt);
  rt->interrupted_at = now;
  rt->interrupt = again ? 2 : 1;
  rt->struck = 0;
  if (rt->prompt != NULL) watchforhogs(rt, HOLDUP);
  else if (again) giveasecond(rt);
  if (rt->running != rt->L && ismeant(rt)) lua_sethook(rt->running, onhook, mask, 1);
  nl_loopwake(rt);
}

/* ---- signals of the program */

static volatile sig_atomic_t ending; /* the signal that is to end the program; 0: none */

static void onsignal (int number) {
  int saved = errno;
  if (number != SIGINT) {
    ending = number;
    (void)signal(number, SIG_DFL); /* a second one does not wait */
    if (waiting != NULL && waiting->prompt != NULL) (void)raise(number);
  }
  if (waiting != NULL) nl_interrupt(waiting);
  errno = saved;
}

/* One that is to be ignored stays ignored, except for ^C. */
void nl_catch (nl_runtime *rt, int number) {
  struct sigaction sa = {.sa_handler = onsignal, .sa_flags = SA_RESTART}, old;
  (void)sigemptyset(&sa.sa_mask);
  waiting = rt;
  bool ignored = sigaction(number, NULL, &old) == 0 && old.sa_handler == SIG_IGN;
  if (!ignored || number == SIGINT) (void)sigaction(number, &sa, NULL);
}

/* A prompt has its own way with them. */
void nl_toolruns (nl_runtime *rt) {
  rt->tool = true;
  if (rt->prompt != NULL) return;
  nl_catch(rt, SIGTERM);
  nl_catch(rt, SIGHUP);
}

void nl_uncatch (void) {
  (void)signal(SIGINT, SIG_DFL);
  waiting = NULL;
}

void nl_endbysignal (void) {
  if (ending != 0) (void)raise(ending);
}

/* os.execute([command]) -> true | nil, "exit" | "signal", number: system(3) keeps ^C from this process
 * while the command runs. At a prompt one that has died of it tells; a script has what Lua says. */
static int os_execute (lua_State *L) {
  const char *command = luaL_optstring(L, 1, NULL);
  errno = 0;
  int status = system(command);
  if (command == NULL) {
    lua_pushboolean(L, status);
    return 1;
  }
  bool died = status >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGINT;
  if (died && nl_rt(L)->prompt != NULL) {
    (void)raise(SIGINT);
    nl_checkinterrupt(L);
  }
  return luaL_execresult(L, status);
}

void nl_openinterrupt (lua_State *L) {
  lua_getglobal(L, LUA_OSLIBNAME);
  lua_pushcfunction(L, os_execute);
  lua_setfield(L, -2, "execute");
  lua_pop(L, 1);
}
