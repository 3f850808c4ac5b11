/*
 * starve: a module for specs that lets allocations fail, those of OpenSSL or those of Lua, and counts what
 * OpenSSL holds. It has to be loaded before OpenSSL is used for the first time.
 */
#include <stdlib.h>

#include <lauxlib.h>
#include <lua.h>
#include <openssl/crypto.h>

typedef struct ration { /* allocations first to last fail; 0: none */
  size_t first, last, count, failed;
} ration;

static ration crypto, state;
static size_t live; /* blocks that OpenSSL holds */
static lua_Alloc plain;
static void *plaindata;

static int fails (ration *r) {
  r->count++;
  if (r->first == 0 || r->count < r->first || r->count > r->last) return 0;
  r->failed++;
  return 1;
}

static void *cryptomalloc (size_t size, const char *file, int line) {
  (void)file;
  (void)line;
  void *ptr = fails(&crypto) ? NULL : malloc(size);
  if (ptr != NULL) live++;
  return ptr;
}

static void *cryptorealloc (void *ptr, size_t size, const char *file, int line) {
  (void)file;
  (void)line;
  void *moved = fails(&crypto) ? NULL : realloc(ptr, size);
  if (ptr == NULL && moved != NULL) live++;
  return moved;
}

static void cryptofree (void *ptr, const char *file, int line) {
  (void)file;
  (void)line;
  if (ptr != NULL) live--;
  free(ptr);
}

/* Lua counts on it that making a block smaller never fails. */
static void *lualloc (void *ud, void *ptr, size_t osize, size_t nsize) {
  (void)ud;
  if (nsize > 0 && (ptr == NULL || nsize > osize) && fails(&state)) return NULL;
  return plain(plaindata, ptr, osize, nsize);
}

static void set (lua_State *L, ration *r) {
  r->first = (size_t)luaL_checkinteger(L, 1);
  r->last = luaL_checkinteger(L, 2) < 0 ? (size_t)-1 : (size_t)lua_tointeger(L, 2);
  r->count = r->failed = 0;
}

/* crypto(first, last): those of OpenSSL fail, from now on counted; last -1: until rest is called */
static int starve_crypto (lua_State *L) {
  set(L, &crypto);
  return 0;
}

/* lua(first, last): the same for Lua */
static int starve_lua (lua_State *L) {
  if (plain == NULL) {
    plain = lua_getallocf(L, &plaindata);
    lua_setallocf(L, lualloc, NULL);
  }
  set(L, &state);
  return 0;
}

/* rest() -> how many failed: from now on none does */
static int starve_rest (lua_State *L) {
  lua_Integer failed = (lua_Integer)(crypto.failed + state.failed);
  crypto = state = (ration){0, 0, 0, 0};
  if (plain != NULL) lua_setallocf(L, plain, plaindata);
  plain = NULL;
  lua_pushinteger(L, failed);
  return 1;
}

/* live() -> blocks that OpenSSL holds */
static int starve_live (lua_State *L) {
  lua_pushinteger(L, (lua_Integer)live);
  return 1;
}

int luaopen_starve (lua_State *L);

int luaopen_starve (lua_State *L) {
  static const luaL_Reg functions[] = {{"crypto", starve_crypto},
                                       {"lua", starve_lua},
                                       {"rest", starve_rest},
                                       {"live", starve_live},
                                       {NULL, NULL}};
  if (CRYPTO_set_mem_functions(cryptomalloc, cryptorealloc, cryptofree) != 1) {
    return luaL_error(L, "OpenSSL was used before");
  }
  luaL_newlib(L, functions);
  return 1;
}
