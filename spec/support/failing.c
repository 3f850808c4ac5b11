/*
 * failing.c: a module that makes allocations of OpenSSL fail, those with the numbers that a script says. It
 * has to be loaded before OpenSSL is used: that is how OpenSSL takes an allocator.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <lauxlib.h>
#include <lua.h>

int luaopen_failing (lua_State *L);

typedef void *(*allocate)(size_t size, const char *file, int line);
typedef void *(*reallocate)(void *ptr, size_t size, const char *file, int line);
typedef void (*release)(void *ptr, const char *file, int line);
typedef int (*setfunctions)(allocate, reallocate, release);

static size_t first, last; /* allocations from first to last fail; first 0: none */
static size_t count, failed, blocks;
static const char *file; /* of OpenSSL's sources, where the last one failed */
static int line;

static int fails (const char *where, int number) {
  count++;
  if (first == 0 || count < first || count > last) return 0;
  failed++;
  file = where;
  line = number;
  return 1;
}

static void *get (size_t size, const char *where, int number) {
  if (fails(where, number)) return NULL;
  void *ptr = malloc(size > 0 ? size : 1);
  blocks += ptr != NULL;
  return ptr;
}

static void give (void *ptr, const char *where, int number) {
  (void)where;
  (void)number;
  blocks -= ptr != NULL;
  free(ptr);
}

static void *renew (void *ptr, size_t size, const char *where, int number) {
  if (ptr == NULL) return get(size, where, number);
  if (size == 0) {
    give(ptr, where, number);
    return NULL;
  }
  return fails(where, number) ? NULL : realloc(ptr, size);
}

/* arm([first, [last]]): begins to count; those from first to last fail */
static int arm (lua_State *L) {
  first = (size_t)luaL_optinteger(L, 1, 0);
  last = (size_t)luaL_optinteger(L, 2, (lua_Integer)first);
  count = failed = 0;
  file = NULL;
  return 0;
}

/* disarm() -> how many there were, how many failed, the place of the last that did */
static int disarm (lua_State *L) {
  first = 0;
  lua_pushinteger(L, (lua_Integer)count);
  lua_pushinteger(L, (lua_Integer)failed);
  if (file == NULL) return 2;
  lua_pushfstring(L, "%s:%d", file, line);
  return 3;
}

/* inuse() -> blocks that OpenSSL has, sockets of this process (OpenSSL may keep /dev/urandom open) */
static int inuse (lua_State *L) {
  lua_Integer n = 0;
  struct stat status;
  for (int fd = 0; fd < 1024; fd++) n += fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
  lua_pushinteger(L, (lua_Integer)blocks);
  lua_pushinteger(L, n);
  return 2;
}

int luaopen_failing (lua_State *L) {
  static const luaL_Reg functions[] = {{"arm", arm}, {"disarm", disarm}, {"inuse", inuse}, {NULL, NULL}};
  setfunctions set = NULL;
  void *library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
  void *found = library != NULL ? dlsym(library, "CRYPTO_set_mem_functions") : NULL;
  memcpy(&set, &found, sizeof set);
  if (set == NULL || set(get, renew, give) != 1) return luaL_error(L, "OpenSSL takes no allocator");
  luaL_newlib(L, functions);
  return 1;
}
