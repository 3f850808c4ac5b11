/*
 * select.c: which of many descriptors are ready. A look is poll(2) without waiting, in small portions, so
 * that a call which finds something costs no more than that; only a call that must wait makes a poller.
 * lualib/net/select.lua puts the two together.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "netlua.h"

#define PORTION 256
#define TROUBLE (POLLERR | POLLHUP)

typedef struct entry {   /* what is asked of one object */
  nl_handle *handle;     /* NULL: a bare descriptor */
  const nl_class *class; /* of the last object: the next is likely to be the same, which is soon seen */
  int fd;
  short events;
} entry;

static const entry noentry = {.class = &nl_stream_class};

/* Lists 1 to 3 of a select have one question each; the single list of a poll has its own in each row. */
typedef struct shape {
  const char *op;
  int lists;
} shape;

static const shape select_shape = {"select", 3}, poll_shape = {"poll", 1};
static const char *const listnames[] = {"readers", "writers", "excepts"};
static const short listevents[] = {POLLIN, POLLOUT, POLLPRI};

/* ---- entries */

static int badentry (lua_State *L, const shape *s, int list, lua_Integer i, const char *problem) {
  const char *name = s->lists == 1 ? "entry" : listnames[list - 1];
  return luaL_argerror(L, list, lua_pushfstring(L, "%s[%I]: %s", name, (LUAI_UACINT)i, problem));
}

static short getevents (lua_State *L, const shape *s, lua_Integer i, int index) {
  static const char letters[] = "rwx";
  short events = 0;
  if (lua_type(L, index) != LUA_TSTRING) badentry(L, s, 1, i, "events are letters of \"rwx\"");
  for (const char *c = lua_tostring(L, index); *c != '\0'; c++) {
    const char *at = strchr(letters, *c);
    if (at == NULL) {
      lua_pushstring(L, c);
      badentry(L, s, 1, i, lua_pushfstring(L, "unknown event \"%s\"", nl_pushshown(L, -1)));
      return 0;
    }
    events |= listevents[at - letters];
  }
  return events;
}

/* The object or descriptor on top. */
static void getdescriptor (lua_State *L, const shape *s, int list, lua_Integer i, entry *e) {
  int exact = 0;
  e->handle = nl_test(L, -1, e->class);
  if (e->handle == NULL) e->handle = nl_test(L, -1, &nl_handle_class);
  if (e->handle != NULL) {
    e->class = e->handle->base.class;
    e->fd = e->handle->base.open ? e->handle->fd : -1;
    return;
  }
  lua_Integer fd = lua_type(L, -1) == LUA_TNUMBER ? lua_tointegerx(L, -1, &exact) : -1;
  if (exact && fd >= 0 && fd <= INT32_MAX) {
    e->fd = (int)fd;
    return;
  }
  const char *got = nl_pushshown(L, -1);
  const char *problem = "object with a descriptor, or its number, expected, got %s";
  badentry(L, s, list, i, lua_pushfstring(L, problem, got));
}

/* Reads entry i of a list; what stands for it in results stays on the stack. */
static void getentry (lua_State *L, const shape *s, int list, lua_Integer i, entry *e) {
  bool row = lua_rawgeti(L, list, i) == LUA_TTABLE && s->lists == 1;
  e->events = s->lists == 1 ? POLLIN : listevents[list - 1];
  if (!row) {
    getdescriptor(L, s, list, i, e);
    return;
  }
  lua_rawgeti(L, -1, 1);
  lua_rawgeti(L, -2, 2);
  if (!lua_isnil(L, -1)) e->events = getevents(L, s, i, -1);
  lua_pop(L, 1);
  getdescriptor(L, s, list, i, e);
  lua_remove(L, -2);
}

/* The entry as a stream, or NULL. */
static nl_stream *streamof (const entry *e) {
  const nl_class *class = e->handle != NULL ? e->handle->base.class : NULL;
  while (class != NULL && class != &nl_stream_class) class = class->parent;
  return class != NULL ? (nl_stream *)(void *)e->handle : NULL;
}

/* Bytes that were received and not read count: the kernel does not know of them. What a layer holds may be
 * half of something. */
static bool hasbytes (lua_State *L, const entry *e) {
  nl_stream *s = streamof(e);
  if (s != NULL && s->in.tail > s->in.head) return true;
  return e->handle != NULL && e->handle->pending && (s == NULL || nl_readable(L, s));
}

static lua_Integer lengthof (lua_State *L, int list) {
  if (lua_isnoneornil(L, list)) return 0;
  luaL_checktype(L, list, LUA_TTABLE);
  return (lua_Integer)lua_rawlen(L, list);
}

static int failedentry (lua_State *L, const shape *s, int list, lua_Integer i, const entry *e) {
  bool closed = e->handle != NULL && !e->handle->base.open;
  const char *name = s->lists == 1 ? "entry" : listnames[list - 1];
  if (closed) (void)nl_fail(L, s->op, "CLOSED", "%s[%lld] is closed", name, (long long)i);
  else (void)nl_fail(L, s->op, "EBADF", "%s[%lld]: descriptor %d is not open", name, (long long)i, e->fd);
  lua_pushinteger(L, i);
  lua_setfield(L, -2, "entry");
  return 2;
}

/* ---- a look */

typedef struct look { /* one portion of one list */
  const shape *shape;
  nl_poller *poller; /* that knows, or NULL: poll(2) is asked */
  int list;
  int results; /* stack index of the first list of results */
  lua_Integer first;
  nfds_t n;
  bool found;
  lua_Integer counts[3];
  struct pollfd fds[PORTION];
  bool bytes[PORTION];
  nl_stream *layered[PORTION]; /* whose bytes in the kernel may carry none of their own, or NULL */
} look;

static void setflag (lua_State *L, const char *name) {
  lua_pushboolean(L, 1);
  lua_setfield(L, -2, name);
}

/* The object on top becomes {object, "rw"}, with error and hangup where they are so. */
static void pushready (lua_State *L, short happened) {
  char letters[4];
  size_t n = 0;
  if (happened & POLLIN) letters[n++] = 'r';
  if (happened & POLLOUT) letters[n++] = 'w';
  if (happened & POLLPRI) letters[n++] = 'x';
  lua_createtable(L, 2, 2);
  lua_insert(L, -2);
  lua_rawseti(L, -2, 1);
  lua_pushlstring(L, letters, n);
  lua_rawseti(L, -2, 2);
  if (happened & POLLERR) setflag(L, "error");
  if (happened & POLLHUP) setflag(L, "hangup");
}

/* An error or a hang-up is the answer to whatever was asked: the call would not wait. */
static void addready (lua_State *L, look *k, nfds_t i, short happened) {
  entry e = noentry;
  getentry(L, k->shape, k->list, k->first + (lua_Integer)i, &e);
  if (happened & TROUBLE) happened |= k->fds[i].events;
  if (k->shape->lists == 1) pushready(L, happened);
  lua_rawseti(L, k->results + k->list - 1, ++k->counts[k->list - 1]);
  k->found = true;
}

/* As poll(2) without waiting. */
static int ask (look *k) {
  if (k->poller == NULL) return poll(k->fds, k->n, 0);
  for (nfds_t i = 0; i < k->n; i++) {
    struct pollfd *p = &k->fds[i];
    p->revents = (short)(nl_pollerready(k->poller, p->fd) & (p->events | TROUBLE));
  }
  return (int)k->n;
}

/* Whether what a layered stream received is nothing for its reader. */
static bool idle (lua_State *L, nl_stream *layered) {
  return layered != NULL && !nl_readable(L, layered);
}

static int flush (lua_State *L, look *k) {
  nfds_t n = k->n;
  int ready = ask(k);
  if (ready < 0 && errno != EINTR) return nl_errno(L, k->shape->op, errno);
  for (nfds_t i = 0; i < n; i++) {
    short happened = ready > 0 ? k->fds[i].revents : 0;
    if (happened & POLLNVAL) {
      entry e = noentry;
      getentry(L, k->shape, k->list, k->first + (lua_Integer)i, &e);
      return failedentry(L, k->shape, k->list, k->first + (lua_Integer)i, &e);
    }
    if (k->bytes[i]) happened |= POLLIN;
    else if ((happened & POLLIN) && idle(L, k->layered[i])) happened &= ~POLLIN;
    if (happened != 0) addready(L, k, i, happened);
  }
  k->first += (lua_Integer)n;
  k->n = 0;
  return 0;
}

static int looklist (lua_State *L, look *k, int list) {
  lua_Integer count = lengthof(L, list);
  entry e = noentry;
  k->list = list;
  k->first = 1;
  k->n = 0;
  for (lua_Integer i = 1; i <= count; i++) {
    getentry(L, k->shape, list, i, &e);
    lua_pop(L, 1);
    if (e.fd < 0) return failedentry(L, k->shape, list, i, &e);
    nl_stream *stream = streamof(&e);
    k->layered[k->n] = stream != NULL && stream->layer->below != NULL ? stream : NULL;
    k->bytes[k->n] = (e.events & POLLIN) && hasbytes(L, &e);
    k->fds[k->n++] = (struct pollfd){e.fd, e.events, 0};
    int bad = k->n == PORTION ? flush(L, k) : 0;
    if (bad != 0) return bad;
  }
  return k->n > 0 ? flush(L, k) : 0;
}

/* The lists at 1 to shape->lists -> as many lists of what is ready | nil, err; NL_AGAIN: nothing is. A
 * poller that holds them all need not ask the kernel for each. */
static int lookall (lua_State *L, const shape *s, nl_poller *poller) {
  look k;
  k.shape = s;
  k.poller = poller;
  k.found = false;
  memset(k.counts, 0, sizeof k.counts);
  luaL_checkstack(L, 16, NULL);
  for (int list = 1; list <= s->lists; list++) (void)lengthof(L, list);
  for (int list = 1; list <= s->lists; list++) lua_newtable(L);
  k.results = lua_gettop(L) - s->lists + 1;
  for (int list = 1; list <= s->lists; list++) {
    int bad = looklist(L, &k, list);
    if (bad != 0) return bad;
  }
  return k.found ? s->lists : NL_AGAIN;
}

/* ---- a look at once: an attempt that always answers, so that others get their turn */

static int atonce (lua_State *L, const shape *s) {
  int n = lookall(L, s, NULL);
  if (n != NL_AGAIN) return n;
  lua_pushboolean(L, 0);
  return 1;
}

/* look(readers, writers, excepts) -> the three lists of what is ready, or false | nil, err */
static int select_look_try (lua_State *L, nl_wait *w) {
  (void)w;
  return atonce(L, &select_shape);
}
static const nl_call select_look_call = {select_look_try, "select", NULL, NL_NOSIDE, 0, false};

static int select_look (lua_State *L) {
  return nl_await(L, &select_look_call);
}

/* lookone(list) -> what is ready, or false | nil, err */
static int select_lookone_try (lua_State *L, nl_wait *w) {
  (void)w;
  return atonce(L, &poll_shape);
}
static const nl_call select_lookone_call = {select_lookone_try, "poll", NULL, NL_NOSIDE, 0, false};

static int select_lookone (lua_State *L) {
  return nl_await(L, &select_lookone_call);
}

/* ---- pollers */

typedef struct members {
  nl_member *list;
  size_t n;
  bool owned; /* all are objects */
} members;

static int collect (lua_State *L, const shape *s, int list, members *all) {
  lua_Integer count = lengthof(L, list);
  entry e = noentry;
  for (lua_Integer i = 1; i <= count; i++) {
    getentry(L, s, list, i, &e);
    lua_pop(L, 1);
    if (e.fd < 0) return failedentry(L, s, list, i, &e);
    if (e.handle != NULL) e.handle->polled = true;
    else all->owned = false;
    all->list[all->n++] = (nl_member){e.fd, e.events};
  }
  return 0;
}

static int newpoller (lua_State *L, const shape *s) {
  size_t count = 1; /* so that there is something to allocate */
  lua_settop(L, s->lists);
  for (int list = 1; list <= s->lists; list++) count += (size_t)lengthof(L, list);
  nl_guard *g = nl_newguard(L, free);
  members all = {.list = malloc(count * sizeof *all.list), .owned = true};
  g->ptr = all.list;
  if (all.list == NULL) return nl_errno(L, s->op, ENOMEM);
  for (int list = 1; list <= s->lists; list++) {
    int bad = collect(L, s, list, &all);
    if (bad != 0) return bad;
  }
  return nl_pollerof(L, g, all.n, all.owned) != NULL ? 1 : nl_errno(L, s->op, errno);
}

/* poller(readers, writers, excepts) -> poller | nil, err */
static int select_poller (lua_State *L) {
  return newpoller(L, &select_shape);
}

/* pollerof(list) -> poller | nil, err */
static int select_pollerof (lua_State *L) {
  return newpoller(L, &poll_shape);
}

/* The poller and the timeout leave the front of the stack while the attempt looks: the lists stand there. */
static int waitfor (lua_State *L, nl_wait *w, const shape *s) {
  nl_poller *p = (nl_poller *)w->self;
  bool knows = p->owned && !p->stale; /* of a descriptor that is closed it cannot tell */
  if (knows) nl_pollerlook(p);
  lua_rotate(L, 1, -2);
  int n = lookall(L, s, knows ? p : NULL);
  if (n != NL_AGAIN) return n;
  lua_settop(L, w->top);
  lua_rotate(L, 1, 2);
  if (!p->stale) return NL_AGAIN;
  lua_pushboolean(L, 0);
  return 1;
}

/* wait(poller, timeout, readers, writers, excepts) -> the three lists, or false: it takes a new poller
 * | nil, err */
static int select_wait_try (lua_State *L, nl_wait *w) {
  return waitfor(L, w, &select_shape);
}
static const nl_call select_wait_call = {select_wait_try, "select", &nl_poller_class, NL_READ, 2, false};

static int select_wait (lua_State *L) {
  lua_settop(L, 5);
  return nl_await(L, &select_wait_call);
}

/* waitone(poller, timeout, list) -> the list, or false | nil, err */
static int select_waitone_try (lua_State *L, nl_wait *w) {
  return waitfor(L, w, &poll_shape);
}
static const nl_call select_waitone_call = {select_waitone_try, "poll", &nl_poller_class, NL_READ, 2, false};

static int select_waitone (lua_State *L) {
  lua_settop(L, 3);
  return nl_await(L, &select_waitone_call);
}

int luaopen_net_select (lua_State *L) {
  static const luaL_Reg functions[] = {{"look", select_look},
                                       {"lookone", select_lookone},
                                       {"poller", select_poller},
                                       {"pollerof", select_pollerof},
                                       {"wait", select_wait},
                                       {"waitone", select_waitone},
                                       {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
