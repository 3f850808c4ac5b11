/*
 * oom.c: allocation failure, one site after another. Runs a Lua script as a task in a fresh state while
 * allocation N fails, for N = 1, 2, 3 ... until a run meets no failing allocation. After each run every
 * byte must be given back and every descriptor closed. Linked with the objects of the program but
 * main.o, and with malloc and its like of these objects wrapped, so that C buffers fail too.
 *
 * usage: oom single|pair|all SCRIPT [FIRST [STEP]]
 *   single: N fails, and Lua collects and tries again; pair: N and N + 1; all: all from N on
 */
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lualib.h>

#include "core.h"

enum { SECONDS = 20 }; /* for one run, which takes milliseconds */

void *__real_malloc (size_t size);
void *__real_calloc (size_t n, size_t size);
void *__real_realloc (void *ptr, size_t size);
void __real_free (void *ptr);
void *__wrap_malloc (size_t size);
void *__wrap_calloc (size_t n, size_t size);
void *__wrap_realloc (void *ptr, size_t size);
void __wrap_free (void *ptr);
char *__wrap_strdup (const char *text);
char *__wrap_strndup (const char *text, size_t most);

static size_t site, last; /* allocations site to last of this run fail */
static size_t count, failed, used;

static bool fails (void) {
  count++;
  if (count < site || count > last) return false;
  failed++;
  return true;
}

/* ---- the allocators */

static void *take (void *ptr) {
  if (ptr != NULL) used += malloc_usable_size(ptr);
  return ptr;
}

static void *renew (void *ptr, size_t size) {
  size_t before = ptr != NULL ? malloc_usable_size(ptr) : 0;
  void *moved = __real_realloc(ptr, size);
  if (moved != NULL) used -= before;
  return take(moved);
}

void *__wrap_malloc (size_t size) {
  return fails() ? NULL : take(__real_malloc(size));
}

void *__wrap_calloc (size_t n, size_t size) {
  return fails() ? NULL : take(__real_calloc(n, size));
}

void *__wrap_realloc (void *ptr, size_t size) {
  return fails() ? NULL : renew(ptr, size);
}

void __wrap_free (void *ptr) {
  if (ptr != NULL) used -= malloc_usable_size(ptr);
  __real_free(ptr);
}

char *__wrap_strndup (const char *text, size_t most) {
  size_t len = strnlen(text, most);
  char *copy = __wrap_malloc(len + 1);
  if (copy == NULL) return NULL;
  memcpy(copy, text, len);
  copy[len] = '\0';
  return copy;
}

char *__wrap_strdup (const char *text) {
  return __wrap_strndup(text, SIZE_MAX);
}

/* Lua counts on it that making a block smaller never fails. */
static void *lualloc (void *ud, void *ptr, size_t osize, size_t nsize) {
  (void)ud;
  if (nsize == 0) {
    __wrap_free(ptr);
    return NULL;
  }
  if ((ptr == NULL || nsize > osize) && fails()) return NULL;
  return renew(ptr, nsize);
}

/* ---- one run */

static int panic (lua_State *L) {
  (void)L;
  (void)fprintf(stderr, "site %zu: an error outside of every protected call\n", site);
  _exit(1);
}

static void overtime (int number) {
  static const char text[] = "a run does not end\n";
  (void)number;
  if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(2);
  abort();
}

static int start (lua_State *L) {
  if (luaL_loadfilex(L, lua_touserdata(L, 1), "t") != LUA_OK) return lua_error(L);
  (void)nl_spawn(L, 0, NULL);
  return 1;
}

static int describe (lua_State *L) {
  nl_task *t = lua_touserdata(L, 1);
  (void)nl_pushfailure(L, t);
  (void)fprintf(stderr, "%s\n", luaL_tolstring(L, -1, NULL));
  return 0;
}

/* As the host does it. Returns whether the script came to its end. */
static bool runscript (lua_State *L, const char *script) {
  nl_runtime *rt = nl_rt(L);
  lua_pushcfunction(L, start);
  lua_pushlightuserdata(L, (void *)(uintptr_t)script);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) return false;
  nl_task *t = lua_touserdata(L, -1);
  bool fine = nl_run(rt, t) && !t->failed && nl_run(rt, NULL);
  if (t->failed && failed == 0) { /* a mistake in the script */
    lua_pushcfunction(L, describe);
    lua_pushvalue(L, -2);
    (void)lua_pcall(L, 1, 0, 0);
  }
  nl_cancelall(rt);
  nl_windup(rt, nl_now() + 0.2);
  return fine;
}

static bool run (const char *script) {
  count = failed = 0;
  (void)alarm(SECONDS);
  lua_State *L = nl_open(lualloc, NULL, NULL, false);
  if (L == NULL) return false;
  (void)lua_atpanic(L, panic);
  bool fine = runscript(L, script);
  nl_shut(L);
  return fine;
}

static size_t descriptors (void) {
  size_t n = 0;
  DIR *dir = opendir("/proc/self/fd");
  if (dir == NULL) return 0;
  while (readdir(dir) != NULL) n++;
  (void)closedir(dir);
  return n;
}

/* ---- the sweep */

static size_t complain (const char *what, size_t n) {
  (void)fprintf(stderr, "site %zu: %zu %s\n", site, n, what);
  return 1;
}

/* What site N left behind; more says whether an allocation failed at all. */
static size_t try (const char *script, size_t span, bool *more) {
  size_t open = descriptors(), leaks = 0;
  used = 0;
  last = span == 0 ? SIZE_MAX : site + span - 1;
  bool fine = run(script);
  size_t failures = failed, bytes = used;
  last = site = 0;
  *more = failures > 0;
  site = count;
  if (bytes != 0) leaks += complain("bytes not given back", bytes);
  if (descriptors() != open) leaks += complain("descriptors open that were not, or the reverse", 1);
  if (!fine && failures == 0) leaks += complain("failures of the script itself", 1);
  return leaks;
}

int main (int argc, char **argv) {
  if (argc < 3) return 2;
  size_t span = strcmp(argv[1], "single") == 0 ? 1 : strcmp(argv[1], "pair") == 0 ? 2 : 0;
  size_t first = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;
  size_t step = argc > 4 ? strtoul(argv[4], NULL, 10) : 1;
  size_t sites = 0, leaks = 0;
  bool more = true;
  (void)signal(SIGALRM, overtime);
  (void)signal(SIGPIPE, SIG_IGN);
  for (size_t n = first; more; n += step) {
    site = n;
    size_t left = try(argv[2], span, &more);
    if (left > 0) (void)fprintf(stderr, "  with site %zu of %s\n", n, argv[1]);
    leaks += left > 0;
    sites++;
  }
  (void)printf("sites %zu, ok %zu, failures %zu\n", sites, sites - leaks, leaks);
  return leaks == 0 ? 0 : 1;
}
