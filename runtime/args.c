/*
 * args.c: argument readers. Misuse raises with the argument, the value and what would be right; nothing
 * wraps, truncates or is guessed.
 */
#include <math.h>
#include <string.h>

#include "netlua.h"

#define LONGEST 9007199254740992.0 /* 2^53: every second up to here is exact */
#define LONGESTSHOWN 60            /* bytes of a wrong value in a message */

static int absent (lua_State *L, int arg, const char *want) {
  return luaL_argerror(L, arg, lua_pushfstring(L, "%s expected, got no value", want));
}

const char *nl_pushshown (lua_State *L, int index) {
  size_t len;
  const char *text = luaL_tolstring(L, index, &len);
  if (len <= LONGESTSHOWN) return text;
  lua_pushlstring(L, text, LONGESTSHOWN);
  lua_pushliteral(L, "...");
  lua_concat(L, 2);
  lua_remove(L, -2);
  return lua_tostring(L, -1);
}

/* "WANT expected, got VALUE", with the value at `index`; text is quoted. */
static const char *expected (lua_State *L, int index, const char *want) {
  bool text = lua_type(L, index) == LUA_TSTRING;
  const char *got = nl_pushshown(L, index);
  return lua_pushfstring(L, text ? "%s expected, got \"%s\"" : "%s expected, got %s", want, got);
}

/* What is pushed to make `want` must not stand where the argument is missing. */
static int wrong (lua_State *L, int arg, const char *want) {
  if (lua_isnone(L, arg)) return absent(L, arg, want);
  return luaL_argerror(L, arg, expected(L, arg, want));
}

static const char *rangetext (lua_State *L, lua_Integer low, lua_Integer high) {
  return lua_pushfstring(L, "integer from %I to %I", (LUAI_UACINT)low, (LUAI_UACINT)high);
}

/* An integer value given as a number; strings are no integers. */
static bool tointeger (lua_State *L, int arg, lua_Integer *n) {
  int exact = 0;
  if (lua_type(L, arg) != LUA_TNUMBER) return false;
  *n = lua_tointegerx(L, arg, &exact);
  return exact;
}

lua_Integer nl_checkrange (lua_State *L, int arg, lua_Integer low, lua_Integer high) {
  lua_Integer n = 0;
  if (lua_isnone(L, arg)) absent(L, arg, rangetext(L, low, high));
  if (!tointeger(L, arg, &n) || n < low || n > high) wrong(L, arg, rangetext(L, low, high));
  return n;
}

size_t nl_checksize (lua_State *L, int arg, size_t low, size_t high) {
  return (size_t)nl_checkrange(L, arg, (lua_Integer)low, (lua_Integer)high);
}

static bool digits (const char *s, lua_Integer *n) {
  size_t len = strlen(s);
  if (len == 0 || len > 5 || strspn(s, "0123456789") != len) return false;
  for (*n = 0; *s != '\0'; s++) *n = *n * 10 + (*s - '0');
  return true;
}

uint16_t nl_checkport (lua_State *L, int arg) {
  lua_Integer n = -1;
  size_t len = 0;
  if (lua_type(L, arg) == LUA_TSTRING) {
    const char *s = lua_tolstring(L, arg, &len);
    if (strlen(s) != len || !digits(s, &n)) n = -1;
  } else if (!tointeger(L, arg, &n)) {
    n = -1;
  }
  if (n < 0 || n > 65535) wrong(L, arg, "port from 0 to 65535");
  return (uint16_t)n;
}

static bool isseconds (lua_State *L, int arg) {
  lua_Number n = lua_tonumber(L, arg);
  return lua_type(L, arg) == LUA_TNUMBER && n >= 0 && n <= LONGEST;
}

double nl_checkseconds (lua_State *L, int arg) {
  if (!isseconds(L, arg)) wrong(L, arg, "seconds, a number from 0 to 2^53,");
  return lua_tonumber(L, arg);
}

double nl_opttimeout (lua_State *L, int arg) {
  return lua_isnoneornil(L, arg) ? NL_FOREVER : nl_checkseconds(L, arg);
}

const char *nl_checktext (lua_State *L, int arg) {
  size_t len;
  luaL_checktype(L, arg, LUA_TSTRING);
  const char *s = lua_tolstring(L, arg, &len);
  if (strlen(s) != len) luaL_argerror(L, arg, "text without NUL bytes expected");
  return s;
}

const char *nl_checkbytes (lua_State *L, int arg, size_t *len) {
  if (lua_type(L, arg) != LUA_TSTRING && lua_type(L, arg) != LUA_TNUMBER) wrong(L, arg, "string");
  return lua_tolstring(L, arg, len);
}

static void wordlist (lua_State *L, luaL_Buffer *b, const nl_word *words) {
  luaL_buffinit(L, b);
  for (const nl_word *w = words; w->name != NULL; w++) {
    if (w != words) luaL_addstring(b, w[1].name != NULL ? ", " : " or ");
    luaL_addstring(b, w->name);
  }
  luaL_pushresult(b);
}

/* A name of the table, or its number. */
static bool isword (lua_State *L, int arg, const nl_word *words, const char *s, int *value) {
  lua_Integer n;
  bool number = tointeger(L, arg, &n);
  for (const nl_word *w = words; w->name != NULL; w++) {
    if (number ? w->value != n : s == NULL || strcmp(w->name, s) != 0) continue;
    *value = w->value;
    return true;
  }
  return false;
}

int nl_checkword (lua_State *L, int arg, const nl_word *words, const char *fallback) {
  luaL_Buffer b;
  int value;
  const char *s = lua_type(L, arg) == LUA_TSTRING ? lua_tostring(L, arg) : NULL;
  if (isword(L, arg, words, lua_isnoneornil(L, arg) ? fallback : s, &value)) return value;
  luaL_checkany(L, arg);
  wordlist(L, &b, words);
  return wrong(L, arg, lua_tostring(L, -1));
}

/* ---- option tables */

/* One letter too many, too few, wrong, or two swapped: for "did you mean". */
static bool near (const char *a, const char *b) {
  while (*a != '\0' && *a == *b) a++, b++;
  if (*a == '\0') return strlen(b) <= 1;
  if (*b == '\0') return strlen(a) <= 1;
  if (strcmp(a + 1, b) == 0 || strcmp(a, b + 1) == 0 || strcmp(a + 1, b + 1) == 0) return true;
  return a[0] == b[1] && a[1] == b[0] && strcmp(a + 2, b + 2) == 0;
}

static void unknown (lua_State *L, int arg, const char *const names[]) {
  const char *meant = NULL;
  if (lua_type(L, -2) != LUA_TSTRING) {
    luaL_argerror(L, arg, lua_pushfstring(L, "option names are strings, got a %s", luaL_typename(L, -2)));
  }
  const char *key = lua_tostring(L, -2);
  for (int i = 0; names[i] != NULL && meant == NULL; i++) {
    if (near(key, names[i])) meant = names[i];
  }
  if (meant == NULL) luaL_argerror(L, arg, lua_pushfstring(L, "unknown option \"%s\"", nl_pushshown(L, -2)));
  luaL_argerror(L, arg, lua_pushfstring(L, "unknown option \"%s\" (did you mean \"%s\"?)", key, meant));
}

static bool known (lua_State *L, int key, const char *const names[]) {
  if (lua_type(L, key) != LUA_TSTRING) return false;
  const char *s = lua_tostring(L, key);
  for (int i = 0; names[i] != NULL; i++) {
    if (strcmp(names[i], s) == 0) return true;
  }
  return false;
}

void nl_checkoptions (lua_State *L, int arg, const char *const names[]) {
  if (lua_isnoneornil(L, arg)) return;
  luaL_checktype(L, arg, LUA_TTABLE);
  luaL_checkstack(L, 6, NULL);
  lua_pushnil(L);
  while (lua_next(L, arg) != 0) {
    if (!known(L, -2, names)) unknown(L, arg, names);
    lua_pop(L, 1);
  }
}

static bool getfield (lua_State *L, int arg, const char *name) {
  if (lua_isnoneornil(L, arg)) {
    lua_pushnil(L);
    return false;
  }
  lua_pushstring(L, name);
  return lua_rawget(L, arg) != LUA_TNIL;
}

static int wrongfield (lua_State *L, int arg, const char *name, const char *want) {
  return luaL_argerror(L, arg, lua_pushfstring(L, "option \"%s\": %s", name, expected(L, -1, want)));
}

bool nl_fieldbool (lua_State *L, int arg, const char *name, bool fallback) {
  bool value = fallback;
  if (getfield(L, arg, name)) {
    if (!lua_isboolean(L, -1)) wrongfield(L, arg, name, "boolean");
    value = lua_toboolean(L, -1);
  }
  lua_pop(L, 1);
  return value;
}

double nl_fieldtimeout (lua_State *L, int arg, const char *name, double fallback) {
  double value = fallback;
  if (getfield(L, arg, name)) {
    if (!isseconds(L, -1)) wrongfield(L, arg, name, "seconds, a number from 0 to 2^53,");
    value = lua_tonumber(L, -1);
  }
  lua_pop(L, 1);
  return value;
}

lua_Integer nl_fieldint (lua_State *L, int arg, const char *name, lua_Integer low, lua_Integer high,
                         lua_Integer fallback) {
  lua_Integer value = fallback;
  if (getfield(L, arg, name)) {
    bool whole = tointeger(L, -1, &value);
    if (!whole || value < low || value > high) {
      const char *want = rangetext(L, low, high);
      lua_insert(L, -2);
      wrongfield(L, arg, name, want);
    }
  }
  lua_pop(L, 1);
  return value;
}

const char *nl_fieldtext (lua_State *L, int arg, const char *name) {
  const char *value = NULL;
  size_t len;
  if (getfield(L, arg, name)) {
    if (lua_type(L, -1) != LUA_TSTRING) wrongfield(L, arg, name, "string");
    value = lua_tolstring(L, -1, &len);
    if (strlen(value) != len) wrongfield(L, arg, name, "text without NUL bytes");
  }
  lua_pop(L, 1);
  return value;
}

int nl_fieldword (lua_State *L, int arg, const char *name, const nl_word *words, int fallback) {
  luaL_Buffer b;
  int value = fallback;
  if (getfield(L, arg, name)) {
    const char *s = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    if (!isword(L, lua_gettop(L), words, s, &value)) {
      wordlist(L, &b, words);
      lua_insert(L, -2);
      wrongfield(L, arg, name, lua_tostring(L, -2));
    }
  }
  lua_pop(L, 1);
  return value;
}
