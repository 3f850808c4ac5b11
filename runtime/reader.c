/*
 * reader.c: the reading half of a stream. An attempt looks for all that was asked for in the buffer,
 * receives more while something is missing, and takes the bytes out only when everything is there: so
 * neither a timeout nor an error in between loses any.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "core.h"

#define CHUNK ((size_t)4096)
#define LARGE ((size_t)65536)
#define LONGESTNUMBER 200 /* as in Lua's own io library */

typedef struct piece { /* what one format found, from the start of the unread bytes */
  const char *start;
  size_t len;  /* what the caller gets */
  size_t take; /* what it uses up */
} piece;

enum found { FOUND, MORE, TOOLONG, MALFORMED };

static const char *bytes (const nl_stream *s) {
  return s->in.data != NULL ? s->in.data + s->in.head : "";
}

static size_t count (const nl_stream *s) {
  return s->in.tail - s->in.head;
}

/* ---- the formats: each looks at what is there behind `at` */

static enum found findline (const nl_stream *s, bool keep, piece *p) {
  const char *end = memchr(p->start, '\n', p->len < s->max_line ? p->len : s->max_line);
  if (end == NULL) return p->len < s->max_line ? MORE : TOOLONG;
  p->take = (size_t)(end - p->start) + 1;
  p->len = p->take;
  if (keep) return FOUND;
  p->len--;
  if (p->len > 0 && p->start[p->len - 1] == '\r') p->len--;
  return FOUND;
}

static enum found findcount (size_t n, piece *p) {
  if (p->len < n) return MORE;
  p->len = p->take = n;
  return FOUND;
}

static enum found findall (const nl_stream *s, piece *p) {
  if (p->len > s->max_read) return TOOLONG;
  p->take = p->len;
  return s->ended || s->deaf ? FOUND : MORE;
}

/* Accepts one character of the set. */
static bool one (const char **c, const char *end, const char *set) {
  if (*c == end || strchr(set, **c) == NULL || **c == '\0') return false;
  (*c)++;
  return true;
}

static int digits (const char **c, const char *end, bool hex) {
  int n = 0;
  while (*c < end && (hex ? isxdigit((unsigned char)**c) : isdigit((unsigned char)**c))) (*c)++, n++;
  return n;
}

/* The longest beginning that looks like a numeral; the character after it must be there to tell. */
static const char *numeral (const char *c, const char *end) {
  int n = 0;
  bool hex = false;
  (void)one(&c, end, "+-");
  if (one(&c, end, "0")) {
    hex = one(&c, end, "xX");
    n = !hex;
  }
  n += digits(&c, end, hex);
  if (one(&c, end, ".")) n += digits(&c, end, hex);
  if (n > 0 && one(&c, end, hex ? "pP" : "eE")) {
    (void)one(&c, end, "+-");
    (void)digits(&c, end, false);
  }
  return c;
}

/* Pushes the number that a numeral of at most LONGESTNUMBER characters stands for, if it does. */
static bool pushnumber (lua_State *L, const char *numeral, size_t len) {
  char text[LONGESTNUMBER + 1];
  memcpy(text, numeral, len);
  text[len] = '\0';
  return lua_stringtonumber(L, text) != 0;
}

static enum found findnumber (lua_State *L, const nl_stream *s, piece *p) {
  const char *end = p->start + p->len, *c = p->start;
  while (c < end && isspace((unsigned char)*c)) c++;
  const char *stop = numeral(c, end);
  if ((size_t)(stop - p->start) > s->max_line) return TOOLONG;
  if (stop - c > LONGESTNUMBER) return MALFORMED;
  if (stop == end && !s->ended && !s->deaf) return MORE; /* one byte beyond max_line tells where it ends */
  p->take = (size_t)(stop - p->start);
  p->start = c;
  p->len = (size_t)(stop - c);
  if (!pushnumber(L, c, p->len)) return stop == end ? MORE : MALFORMED;
  lua_pop(L, 1);
  return FOUND;
}

typedef struct format {
  char kind; /* l L n a, or # for a count */
  size_t n;
} format;

static format checkformat (lua_State *L, nl_stream *s, int arg) {
  if (lua_isnone(L, arg)) return (format){'l', 0};
  if (lua_type(L, arg) == LUA_TNUMBER) return (format){'#', nl_checksize(L, arg, 0, s->max_read)};
  const char *name = luaL_checkstring(L, arg);
  name += *name == '*';
  if (*name == '\0' || strchr("lLna", *name) == NULL) {
    luaL_argerror(L, arg, "invalid format: \"l\", \"L\", \"n\", \"a\" or a count expected");
  }
  return (format){*name, 0};
}

static enum found find (lua_State *L, const nl_stream *s, format f, piece *p) {
  switch (f.kind) {
    case '#':
      return findcount(f.n, p);
    case 'a':
      return findall(s, p);
    case 'n':
      return findnumber(L, s, p);
    default:
      return findline(s, f.kind == 'L', p);
  }
}

/* ---- how a read ends without what was asked for */

static void setpartial (lua_State *L, const nl_stream *s, size_t at) {
  if (count(s) == at) return;
  lua_pushlstring(L, bytes(s) + at, count(s) - at);
  lua_setfield(L, -2, "partial");
}

static int toobig (lua_State *L, const nl_stream *s, const char *op, format f) {
  const char *option = f.kind == 'a' ? "max_read" : "max_line";
  uint32_t limit = f.kind == 'a' ? s->max_read : s->max_line;
  return nl_fail(L, op, "TOOBIG", "more than %u bytes: raise %s with setlimits", limit, option);
}

static int failed (lua_State *L, nl_stream *s, nl_wait *w, const char *op, size_t at) {
  int n = nl_notready(L, w, op);
  if (n == NL_AGAIN) nl_settle(L, &s->in);
  else setpartial(L, s, at);
  return n;
}

/* The peer's end: clean where nothing is left over. */
static int ended (lua_State *L, nl_stream *s, const char *op, size_t at, int results) {
  lua_pushnil(L);
  if (count(s) == at) {
    nl_consume(L, &s->in, at);
    return results + 1;
  }
  nl_pusherror(L, op, "EOF", NULL);
  setpartial(L, s, at);
  nl_consume(L, &s->in, count(s));
  return results + 2;
}

static void pushpiece (lua_State *L, format f, const piece *p) {
  if (f.kind == 'n') (void)pushnumber(L, p->start, p->len); /* found only where it is one */
  else lua_pushlstring(L, p->start, p->len);
}

/* Room to receive into: what is missing, but memory only as the bytes arrive. */
static size_t wanted (format f, size_t have) {
  size_t missing = f.kind == 'a' ? LARGE : f.kind == '#' && f.n > have ? f.n - have : CHUNK;
  return missing < CHUNK ? CHUNK : missing > LARGE ? LARGE : missing;
}

/* ---- the methods */

/* s:read(...) -> value ... | nil | nil, err */
static int stream_read_try (lua_State *L, nl_wait *w) {
  nl_stream *s = (nl_stream *)w->self;
  int last = w->top > 1 ? w->top : 2;
  size_t at = 0;
  luaL_checkstack(L, last + 2, "too many formats");
  for (int arg = 3; arg <= w->top; arg++) (void)checkformat(L, s, arg); /* before it waits for the first */
  for (int arg = 2; arg <= last; arg++) {
    format f = checkformat(L, s, w->top > 1 ? arg : 2);
    piece p;
    enum found found;
    for (bool over = false;;) {
      p = (piece){bytes(s) + at, count(s) - at, 0};
      if (f.kind == '#' && f.n == 0 && p.len == 0 && (s->ended || s->deaf)) found = MORE;
      else found = find(L, s, f, &p);
      if (found != MORE) break;
      if (over) return ended(L, s, "read", at, arg - 2);
      ssize_t n = nl_more(L, s, w, wanted(f, count(s) - at));
      if (n < 0) return failed(L, s, w, "read", at);
      over = n == 0;
    }
    if (found == TOOLONG) return toobig(L, s, "read", f);
    if (found == MALFORMED) return nl_fail(L, "read", "EBADMSG", "no number there");
    pushpiece(L, f, &p);
    at += p.take;
  }
  nl_consume(L, &s->in, at);
  return last - 1;
}
NL_WAITS(stream, read, &nl_stream_class, NL_READ, 0)

static const char *findbytes (const char *hay, size_t n, const char *needle, size_t len) {
  return n < len ? NULL : memmem(hay, n, needle, len);
}

/* s:read_until(delimiter, [max], [timeout]) -> data | nil | nil, err: the delimiter is used up, not given */
static int stream_read_until_try (lua_State *L, nl_wait *w) {
  nl_stream *s = (nl_stream *)w->self;
  size_t len;
  const char *delimiter = nl_checkbytes(L, 2, &len);
  size_t max = lua_isnoneornil(L, 3) ? s->max_line : nl_checksize(L, 3, 1, NL_MAXLIMIT);
  if (len == 0) return luaL_argerror(L, 2, "one byte or more expected, got \"\"");
  for (;;) {
    size_t start = w->progress < count(s) ? w->progress : 0;
    const char *found = findbytes(bytes(s) + start, count(s) - start, delimiter, len);
    size_t before = found != NULL ? (size_t)(found - bytes(s)) : count(s);
    if (before > max && (found != NULL || before >= max + len)) {
      return nl_fail(L, "read_until", "TOOBIG", "no delimiter within %zu bytes", max);
    }
    if (found != NULL) {
      lua_pushlstring(L, bytes(s), before);
      nl_consume(L, &s->in, before + len);
      return 1;
    }
    w->progress = count(s) >= len ? count(s) - len + 1 : 0;
    ssize_t n = nl_more(L, s, w, CHUNK);
    if (n < 0) return failed(L, s, w, "read_until", 0);
    if (n == 0) return ended(L, s, "read_until", 0, 0);
  }
}
NL_WAITS(stream, read_until, &nl_stream_class, NL_READ, 4)

/* Waits until the buffer holds something. */
static int something (lua_State *L, nl_stream *s, nl_wait *w, const char *op, size_t max) {
  if (count(s) > 0) return 0;
  ssize_t n = nl_more(L, s, w, max < CHUNK ? CHUNK : max);
  if (n < 0) return failed(L, s, w, op, 0);
  return n == 0 ? nl_eof(L) : 0;
}

static int give (lua_State *L, nl_stream *s, size_t max, bool use) {
  size_t n = count(s) < max ? count(s) : max;
  lua_pushlstring(L, bytes(s), n);
  if (use) nl_consume(L, &s->in, n);
  return 1;
}

/* s:recv(max, [timeout]) -> data | nil | nil, err: what is there */
static int stream_recv_try (lua_State *L, nl_wait *w) {
  nl_stream *s = (nl_stream *)w->self;
  size_t max = nl_checksize(L, 2, 1, NL_MAXREAD);
  int answer = something(L, s, w, "recv", max < LARGE ? max : LARGE);
  return answer != 0 ? answer : give(L, s, max, true);
}
NL_WAITS(stream, recv, &nl_stream_class, NL_READ, 3)

/* s:peek(max, [timeout]) -> data | nil | nil, err: what is there, and it stays there */
static int stream_peek_try (lua_State *L, nl_wait *w) {
  nl_stream *s = (nl_stream *)w->self;
  size_t max = nl_checksize(L, 2, 1, NL_MAXREAD);
  int answer = something(L, s, w, "peek", CHUNK);
  return answer != 0 ? answer : give(L, s, max, false);
}
NL_WAITS(stream, peek, &nl_stream_class, NL_READ, 3)

/* What was read leaves room in front, mostly: then nothing has to move. False: out of memory. */
static bool prepend (lua_State *L, nl_buffer *b, const char *data, size_t len) {
  if (b->head < len) {
    if (!nl_reserve(L, b, len)) return false;
    memmove(b->data + b->head + len, b->data + b->head, b->tail - b->head);
    b->head += len;
    b->tail += len;
  }
  b->head -= len;
  memcpy(b->data + b->head, data, len);
  return true;
}

/* s:unread(data) -> s | nil, err: the next read begins with it */
static int stream_unread (lua_State *L) {
  nl_stream *s = nl_check(L, 1, &nl_stream_class);
  size_t len;
  const char *data = nl_checkbytes(L, 2, &len);
  if (!s->handle.base.open) return nl_closed(L, "unread");
  if (len + count(s) > s->max_read) return toobig(L, s, "unread", (format){'a', 0});
  if (len > 0 && !s->deaf) {
    if (!prepend(L, &s->in, data, len)) return nl_errno(L, "unread", ENOMEM);
    nl_task *reader = s->handle.side[NL_READ].owner;
    if (reader != NULL && reader->wait.call == &stream_read_until_call) reader->wait.progress = 0;
    if (reader != NULL) nl_wake(reader, NL_READY);
    if (s->handle.polled) nl_tellpollers(L, s->handle.fd);
  }
  lua_settop(L, 1);
  return 1;
}

/* s:buffered() -> bytes received and not yet read | nil, err */
static int stream_buffered (lua_State *L) {
  nl_stream *s = nl_check(L, 1, &nl_stream_class);
  if (!s->handle.base.open) return nl_closed(L, "buffered");
  lua_pushinteger(L, (lua_Integer)count(s));
  return 1;
}

const luaL_Reg nl_reader_methods[] = {
    {"read", stream_read}, {"read_until", stream_read_until}, {"recv", stream_recv},
    {"peek", stream_peek}, {"unread", stream_unread},         {"buffered", stream_buffered},
    {NULL, NULL}};
