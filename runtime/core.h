/*
 * core.h: what the files of runtime/ know of each other. Bindings see netlua.h only.
 */
#ifndef NETLUA_CORE_H
#define NETLUA_CORE_H

#include <signal.h>
#include <stdio.h>

#include "netlua.h"

typedef struct nl_scope nl_scope;
typedef struct nl_loop nl_loop;
typedef struct nl_pool nl_pool;

typedef struct nl_timer { /* wakes a task; only loop.c looks inside */
  union {
    void *align;
    char bytes[48];
  } event;
} nl_timer;

enum nl_state { NL_NEW, NL_QUEUED, NL_RUNNING, NL_PARKED, NL_DONE };
enum nl_reason { NL_READY, NL_TIMEDOUT, NL_ELAPSED, NL_CANCEL, NL_DEADLOCK, NL_UNWATCHED };

struct nl_task {
  nl_object base;
  struct nl_runtime *rt;
  lua_State *thread;
  nl_queue *queue;          /* where it stands: the ready queue or what it waits for */
  nl_task *before, *after;  /* its neighbours there */
  nl_scope *home;           /* the scope it was spawned in, or NULL */
  nl_task *elder, *younger; /* the other tasks of that scope */
  nl_scope *scope;          /* the innermost scope it is inside now, or NULL */
  nl_wait wait;
  nl_timer timer;
  double wake_at; /* when the timer has to wake it */
  nl_queue joiners;
  int ref;  /* keeps it alive in the registry until it is done */
  int line; /* where it was spawned */
  unsigned char state, reason;
  bool counted; /* waits for something outside: no deadlock */
  bool canceled, failed;
};

enum { NL_TRACEBACK = 1, NL_TEXT = 3 }; /* user values of a failed task */

struct nl_scope {
  nl_object base;
  nl_scope *parent;
  nl_task *owner;    /* the task that is inside it; NULL: left, or the task is done */
  lua_State *thread; /* the coroutine that entered it */
  double deadline;
  nl_task *tasks;   /* still running in it */
  nl_queue leavers; /* who waits for them */
  nl_task *failure; /* the first that failed and was not joined; still in the registry */
  bool leaving;     /* close has begun: no new tasks */
};

typedef struct nl_runtime {
  lua_State *L;                /* the main state, where the scheduler runs */
  lua_State *volatile running; /* the state whose code runs now: ^C arms its hook */
  nl_task *current;
  nl_task *main; /* the chunk that runs, for the host; or NULL */
  nl_queue ready;
  nl_loop *loop;                                /* made at the first wait */
  nl_pool *pool;                                /* made at the first job */
  nl_poller *pollers;                           /* all that are open */
  nl_poller *kept;                              /* one of them, for the next call, or NULL */
  nl_task *unclaimed;                           /* failed, and nobody joined it yet */
  char *spare;                                  /* one block for the next buffer */
  size_t tasks;                                 /* not done */
  size_t outside;                               /* parked on a descriptor, a timer or a job */
  void (*report)(const char *text, size_t len); /* the host's way to tell, or NULL */
  int budget;                                   /* calls that may succeed at once before others get a turn */
  int pinned;                                   /* a resume below cannot yield: waits must block */
  int closing;                                  /* nested coroutine.close */
  bool parking;                                 /* the yield under way is a wait, not the user's */
  volatile sig_atomic_t interrupt;              /* 0, 1: ^C came, 2: it came again, unwind everything */
  volatile sig_atomic_t struck;                 /* the hook has run since the last ^C */
  bool interrupted;                             /* ^C has canceled the program */
  bool tool;                                    /* one has run: ^C is told without a traceback */
  double interrupted_at;                        /* when ^C came last, or 0 */
  nl_task *prompt;                              /* who reads entries: ^C does not end it; or NULL */
  nl_task *foreground;                          /* what ^C cancels then: the entry, or its reading; or NULL */
  volatile sig_atomic_t round;                  /* the scheduler has come round since the last look */
  nl_task *volatile hog;                        /* who held up the others when ^C came, or NULL */
  void (*attend)(void);                         /* called before each look at the descriptors, or NULL */
  void (*leave)(void);                          /* async-signal-safe: called before ^C ends the process */
} nl_runtime;

/* The extra space of each lua_State holds its runtime, or, tagged, the task it is the root of
 * (NL_ROOT) or is a parked part of (NL_PART). */
#define NL_ROOT ((uintptr_t)1)
#define NL_PART ((uintptr_t)2)
#define NL_TAGS (NL_ROOT | NL_PART)
#define NL_DEAD NL_TAGS /* the root of a task that is done: its runtime again */

static inline uintptr_t *nl_space (lua_State *L) {
  return (uintptr_t *)lua_getextraspace(L);
}

static inline nl_runtime *nl_rt (lua_State *L) {
  uintptr_t p = *nl_space(L);
  uintptr_t tag = p & NL_TAGS;
  if (tag == 0) return (nl_runtime *)p;
  return tag == NL_DEAD ? (nl_runtime *)(p & ~NL_TAGS) : ((nl_task *)(p & ~NL_TAGS))->rt;
}

static inline bool nl_isroot (lua_State *L) {
  return *nl_space(L) & NL_ROOT;
}

/* state.c */
/* A state with everything in it, or NULL. path: a checkout to load the library from, or NULL; env:
 * whether Lua's own environment variables count. */
lua_State *nl_open (lua_Alloc alloc, void *ud, const char *path, bool env);
void nl_shut (lua_State *L);                          /* [-?, +0, -] closes the state, frees the runtime */
int nl_openhost (lua_State *L);                       /* [-0, +1, m] net.core.host */
int nl_loadembedded (lua_State *L, const char *name); /* [-0, +1, m] the chunk, or nil */

/* loop.c */
bool nl_loopready (nl_runtime *rt); /* false: errno says why there can be none */
void nl_loopfree (nl_runtime *rt);
bool nl_looprun (nl_runtime *rt, bool block);
void nl_loopwake (nl_runtime *rt); /* from a thread or a signal handler */
void nl_watchstart (nl_runtime *rt, nl_handle *h, int side);
void nl_watchstop (nl_runtime *rt, nl_handle *h, int side);
void nl_timerinit (nl_task *t);
void nl_timerset (nl_runtime *rt, nl_task *t); /* to fire at t->wake_at or before */
void nl_timerstop (nl_runtime *rt, nl_task *t);

/* task.c */
void nl_enqueue (nl_queue *q, nl_task *t);
void nl_dequeue (nl_task *t);
void nl_wake (nl_task *t, enum nl_reason reason);
void nl_wakeall (nl_queue *q);
void nl_canceltask (nl_task *t);
void nl_cancelall (nl_runtime *rt);
nl_task *nl_spawn (lua_State *L, int nargs, nl_scope *home); /* [-(nargs+1), +1, m] f, args -> task */
bool nl_run (nl_runtime *rt, nl_task *until);                /* false: a task failed that nobody joined */
bool nl_canwait (nl_runtime *rt, lua_State *L);              /* [-0, +0, -] by yielding */
void nl_windup (nl_runtime *rt, double until);               /* runs what is left, not beyond that time */
int nl_pushfailure (lua_State *L, nl_task *t);               /* [-0, +2, m] nil and what it raised */
void nl_unclaimed (lua_State *L, nl_task *t); /* [-0, +0, -] nobody will ask for its failure any more */
void nl_hold (lua_State *L, int task);        /* [-1, +0, m] the task keeps that value alive */
int luaopen_task (lua_State *L);              /* [-0, +1, m] spawn, sleep, scope ... */
extern const nl_class nl_task_class, nl_scope_class;

/* scope.c */
double nl_deadline (nl_runtime *rt);         /* of the scopes around the running code */
void nl_scopejoin (nl_scope *s, nl_task *t); /* t begins in it */
void nl_scopepart (nl_task *t);              /* t has ended */
void nl_scopeend (lua_State *L, nl_task *t); /* [-0, +0, -] t has ended and is inside no scope any more */
int nl_scopenew (lua_State *L);              /* [-0, +1, v] scope{timeout =} */
/* coroutine.c */
void nl_opencoroutine (lua_State *L); /* [-0, +0, m] replaces what must know of waits */

/* poller.c */
void nl_leavepollers (lua_State *L, int fd); /* [-0, +0, -] that object closes, or becomes another socket */
void nl_tellpollers (lua_State *L, int fd);  /* [-0, +0, -] bytes of it left the kernel for a buffer */

/* interrupt.c */
void nl_interrupt (nl_runtime *rt);               /* async-signal-safe */
void nl_catch (nl_runtime *rt, int number);       /* the signal cancels the program; not ^C: ends it after */
void nl_toolruns (nl_runtime *rt);                /* from now on SIGTERM and SIGHUP cancel the program too */
void nl_uncatch (void);                           /* the runtime goes: a signal finds nothing to cancel */
void nl_endbysignal (void);                       /* ends the program if one was to */
void nl_rearm (nl_runtime *rt, lua_State *L);     /* [-0, +0, -] a pending ^C strikes in L */
void nl_checkinterrupt (lua_State *L);            /* [-0, +0, v] raises if ^C is pending */
void nl_takeinterrupt (nl_runtime *rt);           /* cancels for a pending ^C that has struck nowhere */
void nl_calm (nl_task *t);                        /* t has ended: a ^C that was for it is over */
int nl_foreground (lua_State *L);                 /* [-0, +0, v] foreground(task) */
void nl_openinterrupt (lua_State *L);             /* [-0, +0, m] replaces os.execute, which knows of no ^C */
void nl_limit (nl_runtime *rt, unsigned seconds); /* beyond them everything is struck */
void nl_forgetinterrupt (nl_runtime *rt);         /* neither a limit nor a ^C is pending any more */

/* editor.c: a line on the terminal that descriptor 0 is. The line is not on the screen while hidden. */
/* What follows the cursor: true with the text that replaces the bytes from there to the cursor, malloc'ed,
 * or NULL for none; false: nothing does. */
typedef bool nl_completer (void *context, const char *line, int point, int *from, char **text);
/* NULL, or why there is no editor. */
const char *nl_editoropen (FILE *in, FILE *out, nl_completer *complete);
bool nl_editormarks (void); /* the user wants pastes to be marked by the terminal */
void nl_editorbegin (const char *prompt);
bool nl_editorread (void *context);        /* the bytes that are there; true: the line has ended */
char *nl_editorline (void);                /* malloc'ed; NULL: the end of the input */
bool nl_editorabandon (void);              /* for ^C; whether something had been typed */
bool nl_editorvisible (void);              /* a line is being edited, and on the screen */
void nl_editorhide (void);                 /* the cursor is then where the line began */
void nl_editorshow (void);                 /* at the beginning of a row */
void nl_editorresize (void);               /* the terminal has another size */
void nl_editorredraw (void);               /* something else has written on the screen */
void nl_editorremember (const char *line); /* to be recalled by Up */
void nl_editorend (void);                  /* the terminal is as before */

/* repl.c */
int luaopen_terminal (lua_State *L); /* [-0, +1, m] */

/* await.c */
int nl_awaitagain (lua_State *L, int status, lua_KContext ctx); /* [-?, +?, v] goes on after a yield */

/* error.c */
int nl_openerror (lua_State *L); /* [-0, +1, m] {new, codes} */

/* worker.c */
void nl_jobsdone (nl_runtime *rt);                            /* wakes those whose jobs have ended */
bool nl_jobblock (nl_runtime *rt, nl_job *job, double until); /* where Lua cannot yield */
void nl_poolshut (nl_runtime *rt);

#endif
