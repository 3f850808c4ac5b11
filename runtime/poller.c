/*
 * poller.c: many descriptors as one: an epoll descriptor that is readable when one of its members is
 * ready, so that a wait for any of them is a wait for one. A large one is kept for the next call, which
 * often asks for nearly the same. An object that closes leaves the pollers that hold it and wakes whoever
 * waits for them; a bare descriptor cannot do that, so what holds one is not kept.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core.h"

#define MANY                                                                                                 \
  64 /* members of a poller that is worth keeping: fewer are added in less time than a task switch */

static const char keptkey = 0; /* where the registry has the one that is kept */

/* ---- members */

static int byfd (const void *a, const void *b) {
  int x = ((const nl_member *)a)->fd, y = ((const nl_member *)b)->fd;
  return x < y ? -1 : x > y;
}

static bool sorted (const nl_member *m, size_t n) {
  for (size_t i = 1; i < n; i++) {
    if (m[i - 1].fd > m[i].fd) return false;
  }
  return true;
}

/* In the order of descriptors, each once with all that is asked of it; how many there are then. */
static size_t arrange (nl_member *m, size_t n) {
  size_t kept = 0;
  if (!sorted(m, n)) qsort(m, n, sizeof *m, byfd);
  for (size_t i = 0; i < n; i++) {
    if (kept > 0 && m[kept - 1].fd == m[i].fd) m[kept - 1].events |= m[i].events;
    else m[kept++] = m[i];
    m[kept - 1].events |= POLLERR | POLLHUP; /* told in any case; so that no member has 0 */
  }
  return kept;
}

typedef struct walk { /* along two lists of members at once */
  const nl_member *had, *had_end, *wanted, *wanted_end;
  int fd;            /* the next that stands in either of them, */
  short was, events; /* and what they say of it; 0: it is not there */
} walk;

static walk compare (const nl_poller *p, const nl_member *wanted, size_t n) {
  return (walk){.had = p->members, .had_end = p->members + p->n, .wanted = wanted, .wanted_end = wanted + n};
}

static bool next (walk *w) {
  bool had = w->had < w->had_end, wanted = w->wanted < w->wanted_end;
  if (!had && !wanted) return false;
  w->fd = !wanted || (had && w->had->fd < w->wanted->fd) ? w->had->fd : w->wanted->fd;
  w->was = had && w->had->fd == w->fd ? (w->had++)->events : 0;
  w->events = wanted && w->wanted->fd == w->fd ? (w->wanted++)->events : 0;
  return true;
}

/* A file is always ready and no member of an epoll set: whoever asks for one rarely waits. */
static int setmember (const nl_poller *p, int fd, short was, short events) {
  struct epoll_event e = {.data.fd = fd};
  if (events & POLLIN) e.events |= EPOLLIN;
  if (events & POLLOUT) e.events |= EPOLLOUT;
  if (events & POLLPRI) e.events |= EPOLLPRI;
  int operation = events == 0 ? EPOLL_CTL_DEL : was == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  if (epoll_ctl(p->handle.fd, operation, fd, &e) == 0 || errno == EPERM || events == 0) return 0;
  return -1;
}

/* Room for the events of so many members. */
static int makeroom (nl_poller *p, size_t n) {
  struct epoll_event *room = realloc(p->ready, (n > 0 ? n : 1) * sizeof *room);
  if (room != NULL) p->ready = room;
  p->nready = 0;
  return room != NULL ? 0 : -1;
}

static size_t changes (const nl_poller *p, const nl_member *wanted, size_t n) {
  size_t count = 0;
  for (walk w = compare(p, wanted, n); next(&w);) count += w.was != w.events;
  return count;
}

static int change (const nl_poller *p, const nl_member *wanted, size_t n) {
  for (walk w = compare(p, wanted, n); next(&w);) {
    if (w.was != w.events && setmember(p, w.fd, w.was, w.events) < 0) return -1;
  }
  return 0;
}

/* ---- life and death */

static void unkeep (lua_State *L) {
  nl_rt(L)->kept = NULL;
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &keptkey);
}

static void poller_release (lua_State *L, void *self) {
  nl_poller *p = self;
  nl_runtime *rt = nl_rt(L);
  if (rt->kept == p) unkeep(L);
  nl_forget(L, &p->handle);
  if (p->before != NULL) p->before->after = p->after;
  else rt->pollers = p->after;
  if (p->after != NULL) p->after->before = p->before;
  (void)close(p->handle.fd); /* nothing useful can be done with its error */
  free(p->members);
  free(p->ready);
}

/* close: its wait is over. The next call may want it, in the place of the one that was kept before. */
static int poller_close (lua_State *L) {
  nl_poller *p = nl_check(L, 1, &nl_poller_class);
  nl_runtime *rt = nl_rt(L);
  bool keep = p->handle.base.open && p->owned && p->live >= MANY && rt->kept != p;
  if (keep && rt->kept != NULL) nl_close(L, &rt->kept->handle.base);
  if (keep) {
    lua_pushvalue(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &keptkey);
    rt->kept = p;
  } else if (rt->kept != p) {
    nl_close(L, &p->handle.base);
  }
  lua_pushboolean(L, 1);
  return 1;
}

const nl_class nl_poller_class = {"net.poller", NULL, poller_release, &nl_handle_class, NULL,
                                  poller_close, NULL};

static nl_poller *newpoller (lua_State *L) {
  nl_runtime *rt = nl_rt(L);
  nl_poller *p = nl_new(L, &nl_poller_class, sizeof *p);
  int fd = epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0) return NULL;
  nl_attach(&p->handle, fd);
  p->handle.timeout = NL_FOREVER;
  p->after = rt->pollers;
  if (p->after != NULL) p->after->before = p;
  rt->pollers = p;
  p->handle.base.open = true;
  return p;
}

static nl_poller *keptpoller (lua_State *L) {
  nl_poller *p = nl_rt(L)->kept;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &keptkey);
  unkeep(L);
  return p;
}

nl_poller *nl_pollerof (lua_State *L, nl_guard *members, size_t n, bool owned) {
  nl_poller *kept = nl_rt(L)->kept;
  n = arrange(members->ptr, n);
  bool near = kept != NULL && changes(kept, members->ptr, n) < n;
  nl_poller *p = near ? keptpoller(L) : newpoller(L);
  if (p == NULL) return NULL;
  if (makeroom(p, n) < 0 || change(p, members->ptr, n) < 0) {
    int number = errno;
    nl_close(L, &p->handle.base);
    errno = number;
    return NULL;
  }
  free(p->members);
  p->members = members->ptr;
  members->ptr = NULL;
  p->n = p->live = n;
  p->owned = owned;
  p->stale = false;
  return p;
}

/* ---- what happens to members */

static int byeventfd (const void *a, const void *b) {
  int x = ((const struct epoll_event *)a)->data.fd, y = ((const struct epoll_event *)b)->data.fd;
  return x < y ? -1 : x > y;
}

void nl_pollerlook (nl_poller *p) {
  int n = p->n > 0 ? epoll_wait(p->handle.fd, p->ready, (int)p->n, 0) : 0;
  p->nready = n > 0 ? (size_t)n : 0; /* EINTR is the only way to fail here, and leads to another look */
  if (p->nready > 1) qsort(p->ready, p->nready, sizeof *p->ready, byeventfd);
}

short nl_pollerready (const nl_poller *p, int fd) {
  struct epoll_event key = {.data.fd = fd};
  const struct epoll_event *e = bsearch(&key, p->ready, p->nready, sizeof key, byeventfd);
  uint32_t events = e != NULL ? e->events : 0;
  return (short)((events & EPOLLIN ? POLLIN : 0) | (events & EPOLLOUT ? POLLOUT : 0) |
                 (events & EPOLLPRI ? POLLPRI : 0) | (events & EPOLLERR ? POLLERR : 0) |
                 (events & EPOLLHUP ? POLLHUP : 0));
}

/* A duplicate of the descriptor elsewhere would keep it a member, beyond our reach. */
static void leave (nl_poller *p, nl_member *m) {
  (void)setmember(p, m->fd, m->events, 0);
  m->events = 0;
  p->live--;
  p->stale = true;
  if (p->handle.side[NL_READ].owner != NULL) nl_wake(p->handle.side[NL_READ].owner, NL_READY);
}

/* What was received is no event of the kernel's any more: who waits for the member looks again. */
void nl_tellpollers (lua_State *L, int fd) {
  nl_member key = {.fd = fd};
  for (nl_poller *p = nl_rt(L)->pollers; p != NULL; p = p->after) {
    nl_task *t = p->handle.side[NL_READ].owner;
    const nl_member *m = t != NULL ? bsearch(&key, p->members, p->n, sizeof key, byfd) : NULL;
    if (m != NULL && (m->events & POLLIN)) nl_wake(t, NL_READY);
  }
}

void nl_setpending (lua_State *L, nl_handle *h, bool pending) {
  h->pending = pending;
  if (pending && h->polled) nl_tellpollers(L, h->fd);
}

void nl_leavepollers (lua_State *L, int fd) {
  nl_runtime *rt = nl_rt(L);
  nl_member key = {.fd = fd};
  for (nl_poller *p = rt->pollers; p != NULL; p = p->after) {
    nl_member *m = p->n > 0 ? bsearch(&key, p->members, p->n, sizeof key, byfd) : NULL;
    if (m != NULL && m->events != 0) leave(p, m);
  }
  if (rt->kept != NULL && rt->kept->live < MANY) nl_close(L, &rt->kept->handle.base);
}
