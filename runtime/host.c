/*
 * host.c: what the library in Lua asks of the program: the tools that are in it, terminals, files, the time.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core.h"
#include "embedded.h"

enum { MOSTNAMES = 10000 }; /* of one folder */
enum { PATIENCE = 500 };    /* ms for a lock */

/* loadtool(name) -> chunk | nil */
static int loadtool (lua_State *L) {
  lua_pushfstring(L, "scripts.%s", luaL_checkstring(L, 1));
  return nl_loadembedded(L, lua_tostring(L, -1));
}

/* tools() -> {name, ...} */
static int tools (lua_State *L) {
  lua_Integer n = 0;
  lua_newtable(L);
  for (const nl_embedded *e = nl_embeddedfiles; e->name != NULL; e++) {
    if (strncmp(e->name, "scripts.", 8) != 0) continue;
    lua_pushstring(L, e->name + 8);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* isterminal(fd) -> boolean */
static int isterminal (lua_State *L) {
  lua_pushboolean(L, isatty((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* filetype(path) -> "file" | "other" | nil: there is none. A link is no file. */
static int filetype (lua_State *L) {
  struct stat st;
  if (lstat(luaL_checkstring(L, 1), &st) < 0) lua_pushnil(L);
  else lua_pushstring(L, S_ISREG(st.st_mode) ? "file" : "other");
  return 1;
}

/* target(path) -> "file" | "fifo" | "other" | nil: there is none. What a link leads to. */
static int target (lua_State *L) {
  struct stat st;
  if (stat(luaL_checkstring(L, 1), &st) < 0) lua_pushnil(L);
  else lua_pushstring(L, S_ISREG(st.st_mode) ? "file" : S_ISFIFO(st.st_mode) ? "fifo" : "other");
  return 1;
}

/* copymode(from, to): whoever may read or write `from` may do so with `to`, and nobody else */
static int copymode (lua_State *L) {
  const char *from = luaL_checkstring(L, 1), *to = luaL_checkstring(L, 2);
  struct stat st;
  if (stat(from, &st) == 0) (void)chmod(to, st.st_mode & 0777); /* refused: as a new file is */
  return 0;
}

/* clock() -> seconds since 1970, with their fraction */
static int wallclock (lua_State *L) {
  struct timespec t;
  (void)clock_gettime(CLOCK_REALTIME, &t); /* cannot fail */
  lua_pushnumber(L, (double)t.tv_sec + (double)t.tv_nsec / 1e9);
  return 1;
}

static void dropfd (void *ptr) {
  (void)close((int)(intptr_t)ptr - 1); /* whoever writes looks at fsync or write */
}

/* The folders above a file, for nobody else. */
static void makefolders (char *path) {
  for (char *p = path + 1; *p != '\0'; p++) {
    if (*p != '/') continue;
    *p = '\0';
    (void)mkdir(path, 0700); /* opening the file says what is wrong */
    *p = '/';
  }
}

/* Others hold it for a moment only: who does not shall not hold up the prompt. */
static int lock (int fd) {
  for (int n = 0; n < PATIENCE; n++) {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return 0;
    if (errno != EWOULDBLOCK) return -1;
    (void)poll(NULL, 0, 1);
  }
  return -1;
}

/* A file for its owner, made if it is not there and locked against others who do the same: -1 with errno.
 * What is no file, /dev/null say, stays as it is. */
static int openlocked (const char *path, int flags) {
  struct stat st;
  int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC, 0600);
  if (fd < 0) return fd;
  bool good = fstat(fd, &st) == 0;
  if (good && (!S_ISREG(st.st_mode) || (fchmod(fd, 0600) == 0 && lock(fd) == 0))) return fd;
  int number = errno;
  (void)close(fd); /* nothing was written */
  errno = number;
  return -1;
}

/* Whether the last line of a file lacks its end, as a write that was cut short leaves it. */
static bool istorn (const char *path) {
  struct stat st;
  char last = '\n';
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return false;
  bool file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
  if (file) (void)!pread(fd, &last, 1, st.st_size - 1); /* then it is whole, as far as anybody can see */
  (void)close(fd);                                      /* it was only read */
  return last != '\n';
}

/* appendfile(path, lines) -> true | nil, err: its folders too are made, if need be */
static int appendfile (lua_State *L) {
  const char *path = nl_checktext(L, 1);
  size_t length, room = strlen(path) + 1;
  const char *bytes = nl_checkbytes(L, 2, &length);
  char *folders = lua_newuserdatauv(L, room, 0);
  nl_guard *g = nl_newguard(L, dropfd);
  makefolders(memcpy(folders, path, room));
  int fd = openlocked(path, O_WRONLY | O_APPEND | O_CREAT);
  if (fd < 0) return nl_errno(L, "append", errno);
  g->ptr = (void *)(intptr_t)(fd + 1);
  if (istorn(path)) (void)!write(fd, "\n", 1); /* the next one tells what is wrong */
  ssize_t n = write(fd, bytes, length);
  if (n >= 0 && (size_t)n < length) return nl_errno(L, "append", ENOSPC);
  return nl_result(L, "append", n < 0 ? -1 : 0);
}

/* dropfront(path, n, size) -> true | nil, err: the first n bytes of a file that has at least that size,
 * which is what somebody who read it saw; what was appended since stays */
static int dropfront (lua_State *L) {
  const char *path = nl_checktext(L, 1);
  lua_Integer n = nl_checkrange(L, 2, 0, INT64_MAX), least = nl_checkrange(L, 3, n, INT64_MAX);
  nl_guard *g = nl_newguard(L, dropfd);
  struct stat st;
  int fd = openlocked(path, O_RDWR);
  if (fd < 0) return nl_errno(L, "truncate", errno);
  g->ptr = (void *)(intptr_t)(fd + 1);
  if (fstat(fd, &st) < 0) return nl_errno(L, "truncate", errno);
  if (st.st_size < least) return nl_fail(L, "truncate", "EAGAIN", NULL);
  size_t rest = (size_t)(st.st_size - n);
  char *bytes = lua_newuserdatauv(L, rest, 0);
  if (pread(fd, bytes, rest, n) != (ssize_t)rest || pwrite(fd, bytes, rest, 0) != (ssize_t)rest) {
    return nl_errno(L, "truncate", errno);
  }
  return nl_result(L, "truncate", ftruncate(fd, (off_t)rest));
}

static void dropfolder (void *ptr) {
  (void)closedir(ptr); /* it was only read */
}

/* folder(path) -> {name, ...}: those of folders end with "/"; empty where it cannot be read */
static int folder (lua_State *L) {
  const char *path = nl_checktext(L, 1);
  lua_Integer n = 0;
  nl_guard *g = nl_newguard(L, dropfolder);
  lua_newtable(L);
  DIR *d = g->ptr = opendir(path);
  if (d == NULL) return 1;
  for (const struct dirent *e; n < MOSTNAMES && (e = readdir(d)) != NULL;) {
    struct stat st;
    bool isfolder = fstatat(dirfd(d), e->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
    lua_pushfstring(L, "%s%s", e->d_name, isfolder ? "/" : "");
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* Whether the stream goes to that descriptor, where a write may be told to come again: another process has
 * made it so. At the prompt streams go elsewhere. */
static bool mayrefuse (int fd) {
  FILE *stream = fd == STDOUT_FILENO ? stdout : stderr;
  int flags = fileno(stream) == fd ? fcntl(fd, F_GETFL) : -1;
  return flags >= 0 && (flags & O_NONBLOCK) != 0;
}

/* put(fd, bytes) -> how many of them are written, whether to go on with the rest. What stdio would lose,
 * where descriptor 1 or 2 takes nothing for the time being, waits here. Without "go on" the rest is for
 * stdio. */
static int put (lua_State *L) {
  int fd = (int)nl_checkrange(L, 1, STDOUT_FILENO, STDERR_FILENO);
  size_t length, done = 0;
  const char *bytes = nl_checkbytes(L, 2, &length);
  struct pollfd p = {fd, POLLOUT, 0};
  bool more = mayrefuse(fd);
  while (more && done < length) {
    ssize_t n = write(fd, bytes + done, length - done);
    int number = errno;
    if (n >= 0) done += (size_t)n;
    else if (number != EAGAIN) more = false;
    else if (poll(&p, 1, -1) < 0) break; /* a signal, such as that of ^C, is for the caller */
  }
  lua_pushinteger(L, (lua_Integer)done);
  lua_pushboolean(L, more && done < length);
  return 2;
}

/* toolruns(): ^C and signals are a tool's from now on */
static int toolruns (lua_State *L) {
  nl_toolruns(nl_rt(L));
  return 0;
}

int nl_openhost (lua_State *L) {
  static const luaL_Reg functions[] = {{"loadtool", loadtool},
                                       {"tools", tools},
                                       {"isterminal", isterminal},
                                       {"clock", wallclock},
                                       {"filetype", filetype},
                                       {"appendfile", appendfile},
                                       {"dropfront", dropfront},
                                       {"folder", folder},
                                       {"target", target},
                                       {"copymode", copymode},
                                       {"put", put},
                                       {"toolruns", toolruns},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  lua_pushliteral(L, NETLUA_VERSION);
  lua_setfield(L, -2, "version");
  lua_pushliteral(L, LUA_RELEASE);
  lua_setfield(L, -2, "lua");
  return 1;
}
