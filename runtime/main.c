/*
 * main.c: the program. Options, the script or tool, what is reported when something fails, and the exit
 * status. Each chunk runs as a task; the program ends when all tasks have ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lualib.h>

#include "core.h"
#include "embedded.h"

enum { OK = 0, FAILED = 1, USAGE = 2, INTERRUPTED = 130 };
enum { GRACE = 1 };          /* seconds that canceled tasks have to tidy up */
enum { PATIENCE = 1000000 }; /* instructions that the text of an error may take */

typedef struct options {
  bool interactive, quiet, version, help, noenv, code;
  int script; /* index of the script's name in argv, 0: none */
} options;

static nl_runtime *host; /* for the signal handlers */
static const char *program = "netlua";
static int toolstatus = OK; /* of the last one that ran, also in a script: that of the program */

/* ---- reports */

/* Controls, and what turns the direction of text, act on a terminal. */
static bool isharmless (uint32_t c) {
  if (c < 0x20) return c == '\n' || c == '\t';
  if ((c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0xfeff) return false;
  if ((c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f)) return false;
  return (c < 0x200b || c > 0x200f) && (c < 0x2028 || c > 0x202e) && (c < 0x2060 || c > 0x206f);
}

/* Bytes of the UTF-8 character that s begins with; 0: none that is fit to be seen. */
static size_t visible (const char *s, size_t len) {
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  unsigned char first = (unsigned char)s[0];
  size_t n = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 0;
  if (n == 0 || n > len) return 0;
  uint32_t c = n == 1 ? first : first & (0x7fU >> n);
  for (size_t i = 1; i < n; i++) {
    if (((unsigned char)s[i] & 0xc0) != 0x80) return 0;
    c = c << 6 | ((unsigned char)s[i] & 0x3f);
  }
  if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return 0;
  return isharmless(c) ? n : 0;
}

/* What came from the network must not steer the terminal. */
static void putescaped (FILE *f, const char *s, size_t len) {
  for (size_t i = 0; i < len;) {
    size_t n = visible(s + i, len - i);
    if (n > 0) (void)fwrite(s + i, 1, n, f);
    else (void)fprintf(f, "\\x%02x", (unsigned char)s[i]);
    i += n > 0 ? n : 1;
  }
}

static void putprogram (void) {
  putescaped(stderr, program, strlen(program));
  (void)fputs(": ", stderr);
}

static void report (const char *text, size_t len) {
  (void)fflush(stdout);
  putprogram();
  putescaped(stderr, text, len);
  (void)fputc('\n', stderr);
}

/* The text on top of the stack, which may be something else. [-1, +0, m] */
static void reporttop (lua_State *L) {
  size_t len = 0;
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
  if (text != NULL) report(text, len);
  else report("not enough memory", sizeof "not enough memory" - 1);
  lua_pop(L, 1);
}

/* The text of an error value, as the standalone Lua shows it. [-0, +1, m] */
static void pushmessage (lua_State *L, int err) {
  if (lua_type(L, err) == LUA_TSTRING || lua_type(L, err) == LUA_TNUMBER) lua_pushvalue(L, err);
  else if (luaL_callmeta(L, err, "__tostring") && lua_type(L, -1) == LUA_TSTRING) return;
  else lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, err));
}

/* Reports a failed task: message, where it failed, where it was spawned. task at 1, main or not at 2 */
static int reporttask (lua_State *L) {
  nl_task *t = lua_touserdata(L, 1);
  bool main = lua_toboolean(L, 2);
  lua_settop(L, 1);
  (void)nl_pushfailure(L, t);
  if (lua_getiuservalue(L, 1, NL_TEXT) != LUA_TSTRING) pushmessage(L, 3);
  if (lua_getiuservalue(L, 1, NL_TRACEBACK) == LUA_TSTRING) {
    lua_pushliteral(L, "\n");
    lua_insert(L, -2);
    lua_concat(L, 3);
  } else {
    lua_pop(L, 1);
  }
  if (!main) {
    lua_getfield(L, 1, "place");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    lua_pushliteral(L, "\nin a task spawned at ");
    lua_insert(L, -2);
    lua_concat(L, 3); /* any of them may have zero bytes */
  }
  reporttop(L);
  return 0;
}

static void ontoolong (lua_State *L, lua_Debug *ar) {
  (void)ar;
  (void)luaL_error(L, "the text of an error takes too long");
}

/* The task is on top of the stack. No ^C strikes here, so a __tostring has its limit. [-1, +0, -] */
static void reportfailure (lua_State *L, bool main) {
  lua_pushcfunction(L, reporttask);
  lua_insert(L, -2);
  lua_pushboolean(L, main);
  lua_sethook(L, ontoolong, LUA_MASKCOUNT, PATIENCE);
  int status = lua_pcall(L, 2, 0, 0);
  lua_sethook(L, NULL, 0, 0);
  if (status != LUA_OK) reporttop(L);
}

/* nl_run has stopped early: a task failed that nobody joined, or there is no event loop to be had. */
static void reportstop (lua_State *L, const nl_task *main) {
  nl_task *t = nl_rt(L)->unclaimed;
  if (t == NULL) {
    lua_pushfstring(L, "cannot wait for events: %s", strerror(errno));
    reporttop(L);
    return;
  }
  nl_rt(L)->unclaimed = NULL; /* reported: a prompt that follows goes on */
  lua_rawgeti(L, LUA_REGISTRYINDEX, t->ref);
  luaL_unref(L, LUA_REGISTRYINDEX, t->ref);
  reportfailure(L, t == main);
}

/* ---- running */

/* Lets canceled tasks run their __close, but not for ever. */
static void tidyup (nl_runtime *rt) {
  nl_cancelall(rt);
  nl_limit(rt, GRACE);
  nl_windup(rt, nl_now() + GRACE);
  nl_forgetinterrupt(rt);
}

static int spawnmain (lua_State *L) {
  (void)nl_spawn(L, lua_gettop(L) - 1, NULL);
  return 1;
}

/* Runs the function and arguments on top of the stack to their end and leaves the task there. */
static int runtask (lua_State *L, int nargs) {
  nl_runtime *rt = nl_rt(L);
  lua_pushcfunction(L, spawnmain);
  lua_insert(L, -nargs - 2);
  if (lua_pcall(L, nargs + 1, 1, 0) != LUA_OK) {
    lua_pushvalue(L, -1);
    reporttop(L);
    return FAILED;
  }
  nl_task *t = rt->main = lua_touserdata(L, -1);
  bool ran = nl_run(rt, t);
  while (!ran && rt->prompt == t && rt->unclaimed != NULL) { /* a prompt goes on */
    reportstop(L, t);
    ran = nl_run(rt, t);
  }
  bool failed = t->failed;
  rt->main = NULL;
  if (!ran) reportstop(L, t);
  if (ran && !failed) return OK;
  if (ran && !(rt->tool && rt->interrupted)) { /* canceled */
    lua_pushvalue(L, -1);
    reportfailure(L, true);
  }
  return rt->interrupted ? INTERRUPTED : FAILED;
}

/* Runs what is left when the main chunk has ended. */
static int runrest (lua_State *L) {
  nl_runtime *rt = nl_rt(L);
  bool before = rt->interrupted;
  bool fine = nl_run(rt, NULL);
  if (!fine) reportstop(L, NULL);
  if (rt->interrupted && !before) {
    report("interrupted", sizeof "interrupted" - 1);
    return INTERRUPTED;
  }
  return fine ? OK : FAILED;
}

static int failed (lua_State *L) {
  pushmessage(L, -1);
  reporttop(L);
  lua_pop(L, 1);
  return FAILED;
}

static int runmain (lua_State *L, int nargs) {
  int status = runtask(L, nargs);
  lua_pop(L, 1);
  return status;
}

static int runchunk (lua_State *L, int status) {
  return status != LUA_OK ? failed(L) : runmain(L, 0);
}

static int runstring (lua_State *L, const char *code, const char *name) {
  return runchunk(L, luaL_loadbufferx(L, code, strlen(code), name, "t"));
}

/* setlibrary(global, module) */
static int setlibrary (lua_State *L) {
  lua_setglobal(L, lua_tostring(L, 1));
  return 0;
}

/* -l name, -l global=name */
static int runlibrary (lua_State *L, const char *name) {
  const char *equals = strchr(name, '=');
  size_t len = equals != NULL ? (size_t)(equals - name) : strcspn(name, "-");
  lua_pushcfunction(L, setlibrary);
  lua_pushlstring(L, name, len);
  lua_getglobal(L, "require");
  lua_pushstring(L, equals != NULL ? equals + 1 : name);
  int status = runtask(L, 1);
  if (status == OK) {
    const nl_task *t = lua_touserdata(L, -1);
    lua_settop(t->thread, 1);
    lua_xmove(t->thread, L, 1);
    lua_remove(L, -2);
    return lua_pcall(L, 2, 0, 0) == LUA_OK ? OK : failed(L);
  }
  lua_pop(L, 3);
  return status;
}

/* The prompt, which may say with what status to leave at once: otherwise what it began goes on. */
static int runprompt (lua_State *L, const options *o, bool *leaves) {
  static const char code[] = "return require('net.repl').run(...)";
  nl_forgetinterrupt(nl_rt(L)); /* ^C that was for the script is over */
  if (luaL_loadbufferx(L, code, sizeof code - 1, "=netlua", "t") != LUA_OK) return failed(L);
  lua_pushboolean(L, o->quiet);
  lua_pushboolean(L, o->noenv);
  int status = runtask(L, 2);
  nl_task *t = lua_touserdata(L, -1);
  if (status == OK && lua_isinteger(t->thread, 1)) {
    status = (int)lua_tointeger(t->thread, 1);
    *leaves = true;
  }
  lua_pop(L, 1);
  toolstatus = OK; /* tools that a prompt ran have no part in how it ends */
  return status;
}

static int runinit (lua_State *L) {
  const char *name = "=LUA_INIT_5_4", *init = getenv(name + 1);
  if (init == NULL) init = getenv((name = "=LUA_INIT") + 1);
  if (init == NULL) return OK;
  if (init[0] == '@') return runchunk(L, luaL_loadfilex(L, init + 1, "t"));
  return runstring(L, init, name);
}

/* ---- the script */

/* What `arg` holds now, which -e and -l may have changed. */
static int getargs (lua_State *L) {
  if (lua_getglobal(L, "arg") != LUA_TTABLE) {
    lua_pushliteral(L, "'arg' is not a table");
    return lua_error(L);
  }
  int n = (int)luaL_len(L, 1);
  luaL_checkstack(L, n + 3, "too many arguments to script");
  for (int i = 1; i <= n; i++) lua_rawgeti(L, 1, i);
  return n > 0 ? n : 0;
}

/* Runs the chunk, or the chunk and the first argument, on top of the stack with the arguments. */
static int runwithargs (lua_State *L, int given) {
  int before = lua_gettop(L);
  lua_pushcfunction(L, getargs);
  if (lua_pcall(L, 0, LUA_MULTRET, 0) == LUA_OK) return runmain(L, given + lua_gettop(L) - before);
  int status = failed(L);
  lua_settop(L, before - given - 1);
  return status;
}

static void setarg (lua_State *L, int argc, char **argv, int script) {
  lua_createtable(L, argc, 0);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - script);
  }
  lua_setglobal(L, "arg");
}

/* A script is a file. Opening a FIFO would wait for a writer that may never come; the shell's <(...) and
 * /dev/stdin have theirs. */
static const char *notscript (const char *name) {
  struct stat st;
  bool descriptor = strncmp(name, "/dev/", 5) == 0 || strncmp(name, "/proc/", 6) == 0;
  if (stat(name, &st) < 0 || S_ISREG(st.st_mode)) return NULL; /* opening it says what is wrong */
  if (S_ISDIR(st.st_mode)) return strerror(EISDIR);
  if (strcmp(name, "/dev/stdin") == 0 || (descriptor && S_ISFIFO(st.st_mode))) return NULL;
  return "it is not a regular file; use - for standard input";
}

static int runscript (lua_State *L, char **argv, int script) {
  bool standard = strcmp(argv[script], "-") == 0 && strcmp(argv[script - 1], "--") != 0;
  const char *problem = standard ? NULL : notscript(argv[script]);
  if (problem != NULL) {
    lua_pushfstring(L, "cannot read %s: %s", argv[script], problem);
    return failed(L);
  }
  if (luaL_loadfilex(L, standard ? NULL : argv[script], "t") != LUA_OK) return failed(L);
  return runwithargs(L, 0);
}

static int runtool (lua_State *L, const char *name) {
  static const char code[] = "return require('net.tool').run(...)";
  if (luaL_loadbufferx(L, code, sizeof code - 1, "=netlua", "t") != LUA_OK) return failed(L);
  lua_pushstring(L, name);
  nl_toolruns(host);
  int status = runwithargs(L, 1);
  if (status != OK) return status == FAILED ? 3 : status;
  return toolstatus;
}

/* exitstatus(n): of the tool that runs, and so of the program */
static int exitstatus (lua_State *L) {
  toolstatus = (int)luaL_checkinteger(L, 1);
  return 0;
}

/* os.exit([status [, close]]): to close the state is also to close what the main chunk has open, and
 * that runs in a task. It has no way back, so it may be unwound even from below. */
static int osexit (lua_State *L) {
  nl_runtime *rt = nl_rt(L);
  lua_Integer status = lua_isboolean(L, 1) ? !lua_toboolean(L, 1) : luaL_optinteger(L, 1, OK);
  if (lua_toboolean(L, 2)) {
    const nl_task *chunk = rt->main;
    rt->main = NULL;
    rt->pinned++;
    nl_uncatch();
    if (chunk != NULL) (void)lua_resetthread(chunk->thread);
    lua_close(L);
  }
  exit((int)status);
}

static int openhost (lua_State *L) {
  lua_getglobal(L, LUA_OSLIBNAME);
  lua_pushcfunction(L, osexit);
  lua_setfield(L, -2, "exit");
  (void)nl_openhost(L);
  lua_pushcfunction(L, exitstatus);
  lua_setfield(L, -2, "exitstatus");
  return 1;
}

static bool istool (const char *name) {
  for (const nl_embedded *e = nl_embeddedfiles; e->name != NULL; e++) {
    if (strncmp(e->name, "scripts.", 8) == 0 && strcmp(e->name + 8, name) == 0) return true;
  }
  return false;
}

/* One letter too many, too few or wrong, or two swapped, at most. */
static bool resembles (const char *a, const char *b) {
  while (*a != '\0' && *a == *b) a++, b++;
  if (*a == '\0' || *b == '\0') return strlen(a) + strlen(b) <= 1;
  if (a[0] == b[1] && a[1] == b[0] && strcmp(a + 2, b + 2) == 0) return true;
  return strcmp(a + 1, b) == 0 || strcmp(a, b + 1) == 0 || strcmp(a + 1, b + 1) == 0;
}

static int unknownword (const char *word) {
  putprogram();
  (void)fputs("no script or tool named '", stderr);
  putescaped(stderr, word, strlen(word));
  (void)fputc('\'', stderr);
  for (const nl_embedded *e = nl_embeddedfiles; e->name != NULL; e++) {
    if (strncmp(e->name, "scripts.", 8) == 0 && resembles(word, e->name + 8)) {
      (void)fprintf(stderr, "; did you mean '%s'?", e->name + 8);
    }
  }
  (void)fputs("\ntry: netlua --help\n", stderr);
  return USAGE;
}

/* The first word: a path is a script, then a tool's name, then a file that is there. */
static int runword (lua_State *L, char **argv, int script) {
  const char *word = argv[script];
  const char *dot = strrchr(word, '.');
  struct stat st;
  bool isfile = dot != NULL && strcmp(dot, ".lua") == 0;
  bool path = isfile || strcmp(word, "-") == 0 || strchr(word, '/') != NULL;
  if (!path && istool(word)) return runtool(L, word);
  if (!path && stat(word, &st) < 0) return unknownword(word);
  return runscript(L, argv, script);
}

/* ---- options */

static const char usage[] =
    "usage: netlua [options] [script | tool [args]]\n"
    "  -e code   run code\n"
    "  -l name   require a library into a global; -l global=name\n"
    "  -i        prompt after the script\n"
    "  -q        no banner at the prompt\n"
    "  -v        show the version, as --version does\n"
    "  -E        ignore environment variables\n"
    "  -W        turn warnings on\n"
    "  --        stop handling options\n"
    "  -h        show this, and the tools, as --help does\n"
    "  -         run standard input\n";

static int badusage (const char *option) {
  bool lacks = (option[1] == 'e' || option[1] == 'l') && option[2] == '\0';
  putprogram();
  (void)fputs(lacks ? "'" : "unrecognized option '", stderr);
  putescaped(stderr, option, strlen(option));
  (void)fprintf(stderr, "'%s\n%s", lacks ? " needs argument" : "", usage);
  return USAGE;
}

static int help (lua_State *L) {
  static const char list[] =
      "for _, name in ipairs(net.tool.names()) do\n"
      "  print(('  %-9s %s'):format(name, net.tool.load(name).summary))\n"
      "end";
  (void)printf("%stools, with --help of their own:\n", usage);
  return runstring(L, list, "=netlua");
}

/* Reads one option word. False: it is wrong. */
static bool readoption (options *o, char **argv, int *i) {
  const char *arg = argv[*i];
  if (strcmp(arg, "-i") == 0) return o->interactive = true;
  if (strcmp(arg, "-q") == 0) return o->quiet = true;
  if (strcmp(arg, "-v") == 0 || strcmp(arg, "--version") == 0) return o->version = true;
  if (strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0) return o->help = true;
  if (strcmp(arg, "-E") == 0) return o->noenv = true;
  if (strcmp(arg, "-W") == 0) return true;
  if (arg[1] != 'e' && arg[1] != 'l') return false;
  o->code = o->code || arg[1] == 'e';
  if (arg[2] != '\0') return true;
  return argv[++*i] != NULL && argv[*i][0] != '-';
}

/* The wrong word, or NULL. */
static const char *readoptions (options *o, char **argv) {
  int i = 1;
  if (argv[0] == NULL) return NULL; /* argc is 0 */
  for (; argv[i] != NULL && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
    const char *word = argv[i];
    if (strcmp(word, "--") == 0) {
      i++;
      break;
    }
    if (!readoption(o, argv, &i)) return word;
  }
  if (argv[i] != NULL) o->script = i;
  return NULL;
}

static int runoptions (lua_State *L, const options *o, int argc, char **argv) {
  int last = o->script > 0 ? o->script : argc;
  for (int i = 1; i < last; i++) {
    char option = argv[i][1];
    int status = OK;
    if (option == 'W') lua_warning(L, "@on", 0);
    if (option != 'e' && option != 'l') continue;
    const char *value = argv[i][2] != '\0' ? argv[i] + 2 : argv[++i];
    status = option == 'e' ? runstring(L, value, "=(command line)") : runlibrary(L, value);
    if (status != OK) return status;
  }
  return OK;
}

/* ---- the process */

/* A broken pipe on standard output ends the program as it would end any filter; elsewhere the write
 * itself reports EPIPE. A handler, unlike SIG_IGN, is not inherited by the programs we start. */
static void onbrokenpipe (int number) {
  struct pollfd p = {STDOUT_FILENO, POLLOUT, 0};
  int saved = errno;
  if (poll(&p, 1, 0) == 1 && (p.revents & POLLERR) != 0) {
    (void)signal(number, SIG_DFL);
    (void)raise(number);
  }
  errno = saved;
}

static void handle (int number, void (*handler)(int)) {
  struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART};
  (void)sigemptyset(&sa.sa_mask);
  (void)sigaction(number, &sa, NULL);
}

/* A file opened as descriptor 0, 1 or 2 would be written to by print. */
static void openstandard (void) {
  for (int fd = 0; fd <= 2; fd++) {
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY);
  }
}

static int body (lua_State *L, const options *o, int argc, char **argv, bool *leaves) {
  setarg(L, argc, argv, o->script);
  if (o->help) return help(L);
  int status = o->noenv ? OK : runinit(L);
  if (status != OK) return status;
  status = runoptions(L, o, argc, argv);
  if (status != OK) return status;
  if (o->script > 0) status = runword(L, argv, o->script);
  bool bare = o->script == 0 && !o->code && !o->version;
  if (o->interactive || (bare && isatty(STDIN_FILENO))) {
    if (status != OK && !o->interactive) return status;
    return runprompt(L, o, leaves);
  }
  return bare ? runchunk(L, luaL_loadfilex(L, NULL, "t")) : status;
}

/* Output that could not be written is a failure too. */
static int flushall (int status) {
  if (fflush(stdout) == 0 && !ferror(stdout)) return status;
  int number = errno;
  putprogram();
  (void)fprintf(stderr, "standard output: %s\n", strerror(number));
  return status == OK ? FAILED : status;
}

typedef struct job { /* what the protected part of the program works on */
  const options *options;
  int argc;
  char **argv;
  int status;
} job;

static int protectedrun (lua_State *L) {
  job *j = lua_touserdata(L, 1);
  bool leaves = false;
  luaL_requiref(L, "net.core.host", openhost, 0);
  lua_settop(L, 0);
  j->status = body(L, j->options, j->argc, j->argv, &leaves);
  if (j->status == OK && !leaves) j->status = runrest(L);
  if (j->status == OK && !leaves) j->status = toolstatus;
  tidyup(host);
  return 0;
}

static int run (const options *o, int argc, char **argv) {
  job j = {o, argc, argv, FAILED};
  lua_State *L = nl_open(NULL, NULL, o->noenv ? NULL : getenv("NETLUA_PATH"), !o->noenv);
  if (L == NULL) return FAILED;
  host = nl_rt(L);
  host->report = report;
  nl_catch(host, SIGINT);
  handle(SIGPIPE, onbrokenpipe);
  lua_pushcfunction(L, protectedrun);
  lua_pushlightuserdata(L, &j);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) j.status = failed(L);
  nl_uncatch();
  nl_shut(L);
  int status = flushall(j.status);
  nl_endbysignal();
  return status;
}

int main (int argc, char **argv) {
  options o = {.noenv = getauxval(AT_SECURE) != 0};
  openstandard();
  if (argv[0] != NULL && argv[0][0] != '\0') program = argv[0];
  const char *wrong = readoptions(&o, argv);
  if (wrong != NULL) return badusage(wrong);
  if (o.version) (void)printf("netlua %s  %s\n", NETLUA_VERSION, LUA_COPYRIGHT);
  return run(&o, argc, argv);
}
