/*
 * pty.c: pseudo terminals for specs: starts a program on one, tells how it is set and what became of the
 * program. Descriptors and process ids are plain numbers; pty.lua owns them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

typedef struct order { /* what to start, and on what */
  char **argv, **envp;
  const char *cwd, *files[3]; /* NULL: where the caller is; the terminal */
  char slave[64];
  int report; /* where the child tells why it could not start */
} order;

static int failure (lua_State *L, const char *what, int number) {
  return luaL_error(L, "%s: %s", what, strerror(number));
}

/* The strings of the list at `arg`, with NULL behind them; they live as long as the list. [-0, +1, m] */
static char **strings (lua_State *L, int arg) {
  luaL_checktype(L, arg, LUA_TTABLE);
  size_t n = (size_t)lua_rawlen(L, arg);
  const char **list = lua_newuserdatauv(L, (n + 1) * sizeof *list, 0);
  for (size_t i = 0; i < n; i++) {
    if (lua_rawgeti(L, arg, (lua_Integer)i + 1) != LUA_TSTRING) luaL_argerror(L, arg, "strings expected");
    list[i] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  list[n] = NULL;
  return (char **)list;
}

/* ---- in the child: from fork to exec */

static void giveup (const order *o) {
  int number = errno;
  (void)!write(o->report, &number, sizeof number); /* there is nobody else to tell */
  _exit(127);
}

/* As a shell would leave it to a program: nothing blocked, nothing handled, nothing ignored. */
static void resetsignals (void) {
  struct sigaction sa = {.sa_handler = SIG_DFL};
  sigset_t none;
  for (int number = 1; number < NSIG; number++) (void)sigaction(number, &sa, NULL); /* not KILL and STOP */
  (void)sigemptyset(&none);
  (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void openfiles (const order *o, int terminal) {
  for (int fd = 0; fd < 3; fd++) {
    int flags = fd == 0 ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC;
    int from = o->files[fd] != NULL ? open(o->files[fd], flags, 0600) : terminal;
    if (from < 0 || dup2(from, fd) < 0) giveup(o);
  }
}

static void begin (const order *o) {
  struct rlimit nocore = {0, 0};
  resetsignals();
  (void)setrlimit(RLIMIT_CORE, &nocore);
  if (setsid() < 0) giveup(o);
  int terminal = open(o->slave, O_RDWR);
  if (terminal < 0 || ioctl(terminal, TIOCSCTTY, 0) < 0) giveup(o);
  openfiles(o, terminal);
  if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0) giveup(o);
  if (o->cwd != NULL && chdir(o->cwd) < 0) giveup(o);
  (void)execvpe(o->argv[0], o->argv, o->envp);
  giveup(o);
}

/* ---- in the parent */

/* The error number of a child that could not start; 0: it runs. */
static int outcome (int report, pid_t pid) {
  int number = 0;
  ssize_t n;
  while ((n = read(report, &number, sizeof number)) < 0 && errno == EINTR) continue;
  (void)close(report);
  if (n == 0) return 0;
  (void)waitpid(pid, NULL, 0);
  return number;
}

/* Starts it: the process, or -1 with errno. */
static pid_t start (order *o) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return -1;
  o->report = ends[1];
  pid_t pid = fork();
  int number = errno;
  if (pid == 0) begin(o);
  (void)close(ends[1]);
  if (pid > 0 && (number = outcome(ends[0], pid)) == 0) return pid;
  if (pid < 0) (void)close(ends[0]);
  errno = number;
  return -1;
}

/* The number of the new terminal, of the given size, or -1 with errno. */
static int openterminal (order *o, unsigned short rows, unsigned short columns) {
  struct winsize size = {.ws_row = rows, .ws_col = columns};
  int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return -1;
  if (grantpt(fd) == 0 && unlockpt(fd) == 0 && ptsname_r(fd, o->slave, sizeof o->slave) == 0 &&
      ioctl(fd, TIOCSWINSZ, &size) == 0) {
    return fd;
  }
  int number = errno;
  (void)close(fd);
  errno = number;
  return -1;
}

static unsigned short optsize (lua_State *L, int options, const char *name, lua_Integer absent) {
  lua_getfield(L, options, name);
  lua_Integer value = luaL_optinteger(L, -1, absent);
  luaL_argcheck(L, value >= 0 && value <= 65535, options, name);
  lua_pop(L, 1);
  return (unsigned short)value;
}

/* A text of the table, which keeps it alive; NULL: absent. */
static const char *opttext (lua_State *L, int options, const char *name) {
  lua_getfield(L, options, name);
  const char *text = luaL_optstring(L, -1, NULL);
  lua_pop(L, 1);
  return text;
}

/* The bytes of how a terminal is set, or nothing. [-0, +(0|1), m] */
static int pushattributes (lua_State *L, int fd) {
  struct termios t;
  memset(&t, 0, sizeof t); /* what lies between the fields is compared, too */
  if (tcgetattr(fd, &t) < 0) return 0;
  lua_pushlstring(L, (const char *)&t, sizeof t);
  return 1;
}

/* spawn({program, argument...}, {"NAME=value"...}, {rows=, cols=, cwd=, stdin=, stdout=, stderr=}) -> fd of
 * the terminal's other side, fd of the terminal, process id, attributes before the start. The last three
 * options are names of files. How a terminal is set is forgotten when nobody has it open any more. */
static int spawn (lua_State *L) {
  order o = {0};
  luaL_checktype(L, 3, LUA_TTABLE);
  unsigned short rows = optsize(L, 3, "rows", 24), columns = optsize(L, 3, "cols", 80);
  o.cwd = opttext(L, 3, "cwd");
  o.files[0] = opttext(L, 3, "stdin");
  o.files[1] = opttext(L, 3, "stdout");
  o.files[2] = opttext(L, 3, "stderr");
  o.argv = strings(L, 1);
  o.envp = strings(L, 2);
  luaL_argcheck(L, o.argv[0] != NULL, 1, "no program");
  int fd = openterminal(&o, rows, columns);
  if (fd < 0) return failure(L, "openpt", errno);
  int terminal = open(o.slave, O_RDWR | O_NOCTTY | O_CLOEXEC);
  lua_pushinteger(L, fd);
  lua_pushinteger(L, terminal);
  int pushed = terminal < 0 ? 0 : pushattributes(L, fd);
  pid_t pid = pushed == 0 ? -1 : start(&o);
  if (pid < 0) {
    int number = errno;
    (void)close(fd);
    if (terminal >= 0) (void)close(terminal);
    return failure(L, o.argv[0], number);
  }
  lua_pushinteger(L, pid);
  lua_insert(L, -2);
  return 4;
}

/* attributes(fd) -> bytes */
static int attributes (lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  return pushattributes(L, fd) != 0 ? 1 : failure(L, "tcgetattr", errno);
}

/* restore(fd, bytes) */
static int restore (lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1);
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  struct termios t;
  luaL_argcheck(L, len == sizeof t, 2, "no attributes");
  memcpy(&t, bytes, sizeof t);
  if (tcsetattr(fd, TCSANOW, &t) < 0) return failure(L, "tcsetattr", errno);
  return 0;
}

/* modes(fd) -> {icanon=, echo=, isig=, icrnl=, opost=} */
static int modes (lua_State *L) {
  struct termios t;
  if (tcgetattr((int)luaL_checkinteger(L, 1), &t) < 0) return failure(L, "tcgetattr", errno);
  const struct {
    const char *name;
    tcflag_t is;
  } flags[] = {{"icanon", t.c_lflag & ICANON},
               {"echo", t.c_lflag & ECHO},
               {"isig", t.c_lflag & ISIG},
               {"icrnl", t.c_iflag & ICRNL},
               {"opost", t.c_oflag & OPOST}};
  lua_newtable(L);
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
    lua_pushboolean(L, flags[i].is != 0);
    lua_setfield(L, -2, flags[i].name);
  }
  return 1;
}

/* resize(fd, rows, columns) */
static int resize (lua_State *L) {
  struct winsize size = {.ws_row = (unsigned short)luaL_checkinteger(L, 2),
                         .ws_col = (unsigned short)luaL_checkinteger(L, 3)};
  if (ioctl((int)luaL_checkinteger(L, 1), TIOCSWINSZ, &size) < 0) return failure(L, "resize", errno);
  return 0;
}

/* foreground(fd) -> process group */
static int foreground (lua_State *L) {
  pid_t group = tcgetpgrp((int)luaL_checkinteger(L, 1));
  if (group < 0) return failure(L, "tcgetpgrp", errno);
  lua_pushinteger(L, group);
  return 1;
}

/* kill(pid, signal) -> whether there was such a process; -pid: its group */
static int sendsignal (lua_State *L) {
  pid_t pid = (pid_t)luaL_checkinteger(L, 1);
  lua_pushboolean(L, kill(pid, (int)luaL_checkinteger(L, 2)) == 0);
  return 1;
}

/* wait(pid) -> nil: it runs | "exited", status | "signaled", number | "stopped", number. Never waits. */
static int await (lua_State *L) {
  int status = 0;
  pid_t pid = waitpid((pid_t)luaL_checkinteger(L, 1), &status, WNOHANG | WUNTRACED);
  if (pid < 0) return failure(L, "waitpid", errno);
  if (pid == 0) return 0;
  lua_pushstring(L, WIFEXITED(status) ? "exited" : WIFSIGNALED(status) ? "signaled" : "stopped");
  lua_pushinteger(L, WIFEXITED(status)     ? WEXITSTATUS(status)
                     : WIFSIGNALED(status) ? WTERMSIG(status)
                                           : WSTOPSIG(status));
  return 2;
}

/* unread(fd of the terminal) -> how much was typed that nobody has read: bytes, or those of whole lines */
static int unread (lua_State *L) {
  int count = 0;
  if (ioctl((int)luaL_checkinteger(L, 1), FIONREAD, &count) < 0) return failure(L, "unread", errno);
  lua_pushinteger(L, count);
  return 1;
}

/* close(fd) */
static int closefd (lua_State *L) {
  (void)close((int)luaL_checkinteger(L, 1)); /* nothing was written to it */
  return 0;
}

/* watch(pid) -> a descriptor that is readable when the process has ended */
static int watch (lua_State *L) {
  int fd = (int)syscall(SYS_pidfd_open, (pid_t)luaL_checkinteger(L, 1), 0);
  if (fd < 0) return failure(L, "pidfd_open", errno);
  lua_pushinteger(L, fd);
  return 1;
}

int luaopen_pty (lua_State *L);
int luaopen_pty (lua_State *L) {
  static const luaL_Reg functions[] = {
      {"spawn", spawn},   {"attributes", attributes}, {"modes", modes},     {"restore", restore},
      {"resize", resize}, {"foreground", foreground}, {"kill", sendsignal}, {"wait", await},
      {"unread", unread}, {"close", closefd},         {"watch", watch},     {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
