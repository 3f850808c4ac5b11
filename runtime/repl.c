/*
 * repl.c: the terminal of the prompt. A line is read while tasks run: what they print appears above it.
 * The terminal is raw only while a line is edited, and whatever ends or stops the program meanwhile leaves
 * it as it was. There is one terminal, so its state is the process's.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "core.h"
#include "readline.h"

#define STUCK 100 /* milliseconds after which a terminal that takes nothing is not waited for */

typedef struct terminal {
  nl_handle handle; /* descriptor 0 */
} terminal;

/* One of the standard streams, with what stands in for it. */
typedef struct channel {
  int fd;
  FILE **standard; /* stdout or stderr */
  FILE *before, *instead;
  luaL_Stream *file; /* of io.stdout or io.stderr, or NULL */
} channel;

static nl_runtime *runtime; /* of the open terminal, or NULL */
static channel channels[2];
static bool midline;                 /* the last byte that was printed ended no line */
static volatile sig_atomic_t echoed; /* the terminal has shown ^C by itself */
static struct termios cooked, raw;
static volatile sig_atomic_t edits;            /* the terminal is raw */
static volatile sig_atomic_t marks;            /* and marks pastes then */
static volatile sig_atomic_t resumed, resized; /* since the last look */

/* ---- the terminal's modes */

/* Async-signal-safe. */
static void putbytes (const char *bytes, size_t n) {
  (void)!write(STDOUT_FILENO, bytes, n); /* there is nobody to tell */
}

/* The terminal is somebody else's: to set it would stop the process. */
static bool inbackground (void) {
  pid_t owner = tcgetpgrp(STDIN_FILENO);
  return owner > 0 && owner != getpgrp();
}

static void markpastes (bool on) {
  if (marks) putbytes(on ? NL_PASTE_ON : NL_PASTE_OFF, sizeof NL_PASTE_ON - 1);
}

/* ^S stops a terminal. What ends or stops the program does not wait until that is undone. */
static bool isstuck (void) {
  struct pollfd p = {STDOUT_FILENO, POLLOUT, 0};
  return poll(&p, 1, STUCK) == 0;
}

static void restore (void) {
  if (!edits || inbackground()) return;
  if (!isstuck()) {
    markpastes(false);
    putbytes("\r\n", 2);
  }
  (void)tcsetattr(STDIN_FILENO, TCSANOW, &cooked); /* nor here */
}

/* ---- output above the line */

/* Programs that had the terminal may leave it so that a write does not wait. */
static bool await (int fd) {
  struct pollfd p = {fd, POLLOUT, 0};
  return poll(&p, 1, -1) == 1 || errno == EINTR;
}

/* Everything is written: a terminal takes what it is given. */
static bool writeall (int fd, const char *bytes, size_t n) {
  while (n > 0) {
    ssize_t written = write(fd, bytes, n);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN && await(fd)) continue;
    if (written < 0) return false;
    bytes += written;
    n -= (size_t)written;
  }
  return true;
}

static void endline (void) {
  if (midline || echoed) putbytes("\n", 1);
  midline = false;
  echoed = 0;
}

static ssize_t put (void *cookie, const char *bytes, size_t n) {
  const channel *c = cookie;
  if (n == 0) return 0;
  if (n == 1 && bytes[0] == '\a') return write(c->fd, bytes, n); /* moves nothing; readline's bell too */
  if (c->fd == STDERR_FILENO) (void)fflush(stdout);              /* in the order it was written */
  if (nl_editorvisible()) nl_editorhide();
  if (echoed) endline();
  if (!writeall(c->fd, bytes, n)) return 0;
  midline = bytes[n - 1] != '\n';
  return (ssize_t)n;
}

static void flush (void) {
  (void)fflush(stdout);
  (void)fflush(stderr);
}

/* A signal that comes after the look is for the next one. */
static bool taken (volatile sig_atomic_t *flag) {
  if (!*flag) return false;
  *flag = 0;
  return true;
}

/* The scheduler is about to look at the descriptors: what was printed is seen, and the line below it. */
static void attend (void) {
  flush();
  if (!edits) return;
  bool newsize = taken(&resized), back = taken(&resumed);
  if (!nl_editorvisible()) endline();
  if (newsize) nl_editorresize();
  nl_editorshow();
  if (back) nl_editorredraw();
}

/* How the terminal is set is the shell's affair until this is in the foreground again. Where nothing stops
 * the process, in an orphaned group, there is nothing to wait for. */
static void comeforward (void) {
  do resumed = 0;
  while (inbackground() && kill(0, SIGTTIN) == 0 && resumed);
}

/* ^C ends a call that waits in the kernel, open(2) of a FIFO say, but not what the editor writes: that would
 * be lost. */
static void setrestart (bool restarts) {
  struct sigaction sa;
  (void)sigaction(SIGINT, NULL, &sa);
  sa.sa_flags = restarts ? SA_RESTART : 0;
  (void)sigaction(SIGINT, &sa, NULL);
}

/* To stop, and go on, waits until it is known what raw is. */
static void enter (const char *prompt) {
  sigset_t stops, usual;
  (void)sigemptyset(&stops);
  (void)sigaddset(&stops, SIGTSTP);
  (void)sigaddset(&stops, SIGCONT);
  (void)pthread_sigmask(SIG_BLOCK, &stops, &usual);
  setrestart(true);
  (void)tcgetattr(STDIN_FILENO, &cooked); /* what an entry has made of it is kept */
  raw = cooked;
  marks = nl_editormarks();
  edits = 1; /* from here on a signal has something to undo */
  nl_editorbegin(prompt);
  (void)tcgetattr(STDIN_FILENO, &raw);
  raw.c_cc[VMIN] = 0; /* who reads what ^C has taken away shall not wait for more */
  (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  (void)pthread_sigmask(SIG_SETMASK, &usual, NULL);
}

/* The editor's library does not ask twice. */
static void makepatient (void) {
  int flags = fcntl(STDOUT_FILENO, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) != 0) (void)fcntl(STDOUT_FILENO, F_SETFL, flags & ~O_NONBLOCK);
}

static void begin (const char *prompt) {
  flush();
  comeforward();
  makepatient();
  endline();
  if (taken(&resized)) nl_editorresize();
  resumed = 0;
  enter(prompt);
}

/* The editor has left the terminal. A stop after that, before it was known here, has taken it once more. */
static void leave (void) {
  edits = 0;
  setrestart(false);
  if (!resumed) return;
  markpastes(false);
  (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &cooked);
}

static void divert (lua_State *L, channel *c, int fd, FILE **standard, const char *name) {
  static const cookie_io_functions_t functions = {.write = put};
  *c = (channel){.fd = fd, .standard = standard, .before = *standard};
  if (!isatty(fd)) return;
  c->instead = fopencookie(c, "w", functions);
  if (c->instead == NULL) return;
  (void)setvbuf(c->instead, NULL, fd == STDERR_FILENO ? _IONBF : _IOLBF, BUFSIZ);
  (void)fflush(*standard);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "io") == LUA_TTABLE && lua_getfield(L, -1, name) == LUA_TUSERDATA) {
    luaL_Stream *file = luaL_testudata(L, -1, LUA_FILEHANDLE);
    if (file != NULL && file->f == *standard) c->file = file;
  }
  if (c->file != NULL) c->file->f = c->instead;
  *standard = c->instead;
}

static void putback (channel *c) {
  if (c->instead == NULL) return;
  if (c->file != NULL && c->file->f == c->instead) c->file->f = c->before;
  *c->standard = c->before;
  (void)fclose(c->instead); /* flushes; the descriptor stays open */
  c->instead = NULL;
}

/* ---- signals */

/* All that end a process by default and can be caught, but SIGPROF, which interrupt.c has for itself. */
static const int fatal[] = {SIGTERM, SIGHUP,  SIGQUIT, SIGUSR1,   SIGUSR2, SIGALRM, SIGVTALRM,
                            SIGXCPU, SIGXFSZ, SIGPOLL, SIGSTKFLT, SIGPWR,  SIGSEGV, SIGBUS,
                            SIGABRT, SIGFPE,  SIGILL,  SIGSYS,    SIGTRAP};
enum { FATAL = sizeof fatal / sizeof fatal[0] };
static struct sigaction before[FATAL], beforestop, beforecontinue, beforeresize, beforeinterrupt;

static void onfatal (int number) {
  restore();
  edits = 0;
  for (size_t i = 0; i < FATAL; i++) {
    if (fatal[i] == number) (void)sigaction(number, &before[i], NULL);
  }
  (void)raise(number); /* takes effect when this handler returns */
}

static void resume (void) {
  if (edits) {
    (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw); /* in the background this stops the process again */
    markpastes(true);
  }
  resumed = 1;
  nl_loopwake(runtime);
}

static void onstop (int number) {
  int saved = errno;
  struct sigaction ours;
  restore();
  (void)sigaction(number, &beforestop, &ours);
  (void)raise(number); /* the handler does not block it: this is where it stops, and goes on */
  (void)sigaction(number, &ours, NULL);
  resume();
  errno = saved;
}

static void oncontinue (int number) {
  int saved = errno;
  (void)number;
  resume();
  errno = saved;
}

/* Only a terminal that is not raw shows it. */
static void oninterrupt (int number) {
  int saved = errno;
  (void)number;
  if (!edits) echoed = 1;
  nl_interrupt(runtime);
  errno = saved;
}

static void onresize (int number) {
  int saved = errno;
  (void)number;
  resized = 1;
  nl_loopwake(runtime);
  errno = saved;
}

/* What ends a stopped process comes with SIGCONT, whose handler must not be first. */
static void handle (int number, void (*handler)(int), int flags, struct sigaction *old) {
  struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};
  (void)sigemptyset(&sa.sa_mask);
  if (handler == onfatal) (void)sigaddset(&sa.sa_mask, SIGCONT);
  (void)sigaction(number, &sa, old);
  if (old->sa_handler == SIG_IGN) (void)sigaction(number, old, NULL); /* as nohup has it */
}

static void catchsignals (void) {
  for (size_t i = 0; i < FATAL; i++) handle(fatal[i], onfatal, SA_RESTART, &before[i]);
  handle(SIGTSTP, onstop, SA_RESTART | SA_NODEFER, &beforestop);
  handle(SIGCONT, oncontinue, SA_RESTART, &beforecontinue);
  handle(SIGWINCH, onresize, SA_RESTART, &beforeresize);
  handle(SIGINT, oninterrupt, 0, &beforeinterrupt);
}

static void releasesignals (void) {
  for (size_t i = 0; i < FATAL; i++) (void)sigaction(fatal[i], &before[i], NULL);
  (void)sigaction(SIGTSTP, &beforestop, NULL);
  (void)sigaction(SIGCONT, &beforecontinue, NULL);
  (void)sigaction(SIGWINCH, &beforeresize, NULL);
  (void)sigaction(SIGINT, &beforeinterrupt, NULL);
}

/* ---- a program that has the terminal for a while, an editor say */

typedef struct child {
  nl_handle handle; /* of the process */
  struct sigaction interrupt, quit;
} child;

/* Keys that make signals are meant for the program that has the terminal. */
static void cede (child *c) {
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  (void)sigaction(SIGINT, &ignore, &c->interrupt);
  (void)sigaction(SIGQUIT, &ignore, &c->quit);
}

static void takeback (child *c) {
  (void)sigaction(SIGINT, &c->interrupt, NULL);
  (void)sigaction(SIGQUIT, &c->quit, NULL);
}

static void child_release (lua_State *L, void *self) {
  child *c = self;
  int fd = c->handle.fd;
  nl_forget(L, &c->handle);
  (void)close(fd); /* it was only watched */
  takeback(c);
}

/* child:wait() -> exit status, 128 + n for a signal: nothing keeps from it, as it has the terminal */
static int child_wait_try (lua_State *L, nl_wait *w) {
  siginfo_t info = {.si_pid = 0};
  int result = waitid(P_PIDFD, (id_t)((nl_handle *)w->self)->fd, &info, WEXITED | WNOHANG);
  if (result < 0) return nl_errno(L, "wait", errno);
  if (info.si_pid == 0) return NL_AGAIN;
  lua_pushinteger(L, info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status);
  nl_close(L, w->self);
  return 1;
}
static const nl_class child_class;
static int child_wait (lua_State *L) {
  static const nl_call call = {child_wait_try, "wait", &child_class, NL_READ, 0, true};
  return nl_await(L, &call);
}

static const luaL_Reg child_methods[] = {{"wait", child_wait}, {NULL, NULL}};
static const nl_class child_class = {"net.child", child_methods, child_release, NULL, NULL, NULL, NULL};

static int spawn (pid_t *pid, const char *command, const char *file) {
  char shell[] = "sh", flag[] = "-c";
  char *argv[] = {shell, flag, (char *)(intptr_t)command, shell, (char *)(intptr_t)file, NULL};
  posix_spawnattr_t attributes;
  sigset_t defaults;
  int number = posix_spawnattr_init(&attributes);
  if (number != 0) return number;
  (void)sigemptyset(&defaults);
  (void)sigaddset(&defaults, SIGINT);
  (void)sigaddset(&defaults, SIGQUIT);
  (void)posix_spawnattr_setsigdefault(&attributes, &defaults);
  (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  number = posix_spawn(pid, "/bin/sh", NULL, &attributes, argv, environ);
  (void)posix_spawnattr_destroy(&attributes);
  return number;
}

/* start(command, file) -> child | nil, err: a command of the shell, to which $1 is the file */
static int start (lua_State *L) {
  const char *command = nl_checktext(L, 1), *file = nl_checktext(L, 2);
  child *c = nl_new(L, &child_class, sizeof *c);
  pid_t pid;
  flush();
  cede(c);
  int number = spawn(&pid, command, file);
  int fd = number == 0 ? pidfd_open(pid, 0) : -1;
  if (fd < 0) {
    if (number == 0) {
      number = errno;
      (void)kill(pid, SIGKILL); /* nobody could wait for it */
      (void)waitpid(pid, NULL, 0);
    }
    takeback(c);
    return nl_errno(L, "spawn", number);
  }
  nl_attach(&c->handle, fd);
  c->handle.timeout = NL_FOREVER;
  c->handle.base.open = true;
  return 1;
}

/* ---- the object */

static void end (void) {
  if (runtime == NULL) return;
  flush();
  restore();
  nl_editorend();
  edits = 0;
  runtime->attend = NULL;
  runtime->leave = NULL;
  putback(&channels[0]);
  putback(&channels[1]);
  releasesignals();
  runtime = NULL;
}

static void terminal_release (lua_State *L, void *self) {
  nl_forget(L, &((terminal *)self)->handle);
  end();
}

static const char completer = 0; /* the key of the function that completes, in the registry */

typedef struct question {
  const char *line;
  int point, from;
  char *text;
  bool answered;
} question;

/* complete(line, point) -> index of the first byte to be replaced, text | nil. question at 1 */
static int ask (lua_State *L) {
  question *q = lua_touserdata(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &completer);
  lua_pushstring(L, q->line);
  lua_pushinteger(L, q->point);
  lua_call(L, 2, 2);
  if (!lua_isinteger(L, -2)) return 0;
  q->answered = true;
  q->from = (int)lua_tointeger(L, -2) - 1;
  q->text = lua_isstring(L, -1) ? strdup(lua_tostring(L, -1)) : NULL;
  return 0;
}

/* The library's frames are below: no error may pass them. */
static bool complete (void *context, const char *line, int point, int *from, char **text) {
  lua_State *L = context;
  question q = {.line = line, .point = point};
  int top = lua_gettop(L);
  if (!lua_checkstack(L, 2)) return false;
  lua_pushcfunction(L, ask);
  lua_pushlightuserdata(L, &q);
  (void)lua_pcall(L, 1, 0, 0); /* q tells */
  lua_settop(L, top);
  *from = q.from;
  *text = q.text;
  attend(); /* what it has printed stands above the line */
  return q.answered;
}

/* terminal:readline(prompt) -> line | nil: waits until one has been entered; nil at the end of the input */
static int terminal_readline_try (lua_State *L, nl_wait *w) {
  const char *prompt = nl_checktext(L, 2);
  (void)w;
  if (!edits) begin(prompt);
  else attend(); /* what is typed now is drawn on the line, and for the size that the terminal has */
  if (!nl_editorread(L)) return NL_AGAIN;
  leave();
  nl_guard *g = nl_newguard(L, free);
  g->ptr = nl_editorline();
  if (g->ptr == NULL) return nl_eof(L);
  lua_pushstring(L, g->ptr);
  return 1;
}
static const nl_class terminal_class;
NL_WAITS(terminal, readline, &terminal_class, NL_READ, 0)

/* terminal:abandon() -> whether there was something on the line that is gone now */
static int terminal_abandon (lua_State *L) {
  (void)nl_check(L, 1, &terminal_class);
  lua_pushboolean(L, nl_editorabandon());
  leave();
  return 1;
}

/* terminal:remember(entry) */
static int terminal_remember (lua_State *L) {
  (void)nl_check(L, 1, &terminal_class);
  nl_editorremember(nl_checktext(L, 2));
  return 0;
}

/* terminal:width() -> columns | nil */
static int terminal_width (lua_State *L) {
  struct winsize size;
  (void)nl_check(L, 1, &terminal_class);
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0) lua_pushnil(L);
  else lua_pushinteger(L, size.ws_col);
  return 1;
}

static const luaL_Reg terminal_methods[] = {{"readline", terminal_readline},
                                            {"abandon", terminal_abandon},
                                            {"remember", terminal_remember},
                                            {"width", terminal_width},
                                            {NULL, NULL}};
static const nl_class terminal_class = {
    "net.terminal", terminal_methods, terminal_release, NULL, NULL, NULL, NULL};

/* open(complete) -> terminal | nil, why lines cannot be edited */
static int terminal_open (lua_State *L) {
  static bool registered;
  luaL_checktype(L, 1, LUA_TFUNCTION);
  terminal *t = nl_new(L, &terminal_class, sizeof *t);
  const char *problem = runtime != NULL ? "it is open" : nl_editoropen(stdin, stdout, complete);
  if (problem != NULL) {
    lua_pushnil(L);
    lua_pushstring(L, problem);
    return 2;
  }
  lua_pushvalue(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &completer);
  runtime = nl_rt(L);
  divert(L, &channels[0], STDOUT_FILENO, &stdout, "stdout");
  divert(L, &channels[1], STDERR_FILENO, &stderr, "stderr");
  catchsignals();
  runtime->attend = attend;
  runtime->leave = restore;
  if (!registered) registered = atexit(end) == 0;
  nl_attach(&t->handle, STDIN_FILENO);
  t->handle.timeout = NL_FOREVER;
  t->handle.base.open = true;
  lua_settop(L, 2);
  return 1;
}

int luaopen_terminal (lua_State *L) {
  static const luaL_Reg functions[] = {{"open", terminal_open}, {"start", start}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
