/*
 * loop.c: the event loop, on libev, which is used here and nowhere else. A watch stays registered after
 * it fired and is stopped only when it fires with nobody waiting: a steady ping-pong changes nothing in
 * the kernel. A timer that is too early for a task's new deadline is left alone and corrected when it
 * fires, so a call with a timeout usually costs no heap operation.
 */
#include <errno.h>
#include <ev.h>
#include <math.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core.h"

struct nl_loop {
  struct ev_loop *ev;
  ev_async wake;
};

_Static_assert(sizeof(ev_io) <= sizeof(((nl_watch *)0)->event), "a watch holds an ev_io");
_Static_assert(sizeof(ev_timer) <= sizeof(((nl_timer *)0)->event), "a timer holds an ev_timer");

static ev_io *io (nl_handle *h, int side) {
  return (ev_io *)(void *)&h->side[side].event;
}

static ev_timer *timer (nl_task *t) {
  return (ev_timer *)(void *)&t->timer.event;
}

double nl_now (void) {
  struct timespec ts;
  (void)clock_gettime(CLOCK_MONOTONIC, &ts); /* cannot fail with this clock */
  return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static void onwake (struct ev_loop *ev, ev_async *w, int events) {
  (void)ev;
  (void)events;
  nl_jobsdone(w->data);
}

/* Just before it waits: what cannot be watched is told of as an event, which must not wait for others. */
static void onrelease (struct ev_loop *ev) {
  nl_loop *loop = ev_userdata(ev);
  if (ev_pending_count(ev) > 0) ev_async_send(ev, &loop->wake);
}

/* libev ends the process where it finds no descriptor for its wake-ups: look before. */
static bool haswakeup (void) {
  int fd = eventfd(0, EFD_CLOEXEC);
  if (fd < 0) return false;
  (void)close(fd); /* it was only tried */
  return true;
}

static nl_loop *makeloop (nl_runtime *rt) {
  nl_loop *loop = calloc(1, sizeof *loop);
  if (loop == NULL) return NULL;
  unsigned backends = ev_recommended_backends() & ~(unsigned)EVBACKEND_SELECT;
  loop->ev = ev_loop_new(EVFLAG_NOENV | EVFLAG_NOSIGMASK | backends);
  if (loop->ev == NULL) {
    free(loop);
    return NULL;
  }
  if (!haswakeup()) {
    int number = errno;
    ev_loop_destroy(loop->ev);
    free(loop);
    errno = number;
    return NULL;
  }
  ev_async_init(&loop->wake, onwake);
  loop->wake.data = rt;
  ev_async_start(loop->ev, &loop->wake);
  ev_set_userdata(loop->ev, loop);
  ev_set_loop_release_cb(loop->ev, onrelease, NULL);
  return loop;
}

void nl_loopfree (nl_runtime *rt) {
  nl_loop *loop = rt->loop;
  rt->loop = NULL;
  if (loop == NULL) return;
  ev_async_stop(loop->ev, &loop->wake);
  ev_loop_destroy(loop->ev);
  free(loop);
}

bool nl_loopready (nl_runtime *rt) {
  if (rt->loop == NULL) rt->loop = makeloop(rt);
  return rt->loop != NULL;
}

bool nl_looprun (nl_runtime *rt, bool block) {
  if (!block && rt->loop == NULL) return true;
  if (!nl_loopready(rt)) return false;
  (void)ev_run(rt->loop->ev, block ? EVRUN_ONCE : EVRUN_NOWAIT);
  return true;
}

void nl_loopwake (nl_runtime *rt) {
  if (rt->loop != NULL) ev_async_send(rt->loop->ev, &rt->loop->wake);
}

/* The system may have no room for one more watch, which libev has stopped then: set anew, it will be asked
 * for again. */
static void onevent (struct ev_loop *ev, ev_io *w, int events) {
  nl_watch *watch = (nl_watch *)(void *)w;
  nl_task *t = watch->owner;
  if (events & EV_ERROR) ev_io_set(w, w->fd, w->events);
  if (t == NULL) ev_io_stop(ev, w);
  else nl_wake(t, events & EV_ERROR ? NL_UNWATCHED : NL_READY); /* nothing if it is on its way already */
}

/* Writable is the usual state of a descriptor: that watch must not outlive its wait. */
static void onwritable (struct ev_loop *ev, ev_io *w, int events) {
  ev_io_stop(ev, w);
  onevent(ev, w, events);
}

void nl_attach (nl_handle *h, int fd) {
  h->fd = fd;
  ev_io_init(io(h, NL_READ), onevent, fd, EV_READ);
  ev_io_init(io(h, NL_WRITE), onwritable, fd, EV_WRITE);
}

void nl_watchstart (nl_runtime *rt, nl_handle *h, int side) {
  ev_io_start(rt->loop->ev, io(h, side)); /* does nothing if it is active */
}

void nl_watchstop (nl_runtime *rt, nl_handle *h, int side) {
  if (rt->loop != NULL) ev_io_stop(rt->loop->ev, io(h, side));
}

static void ontimer (struct ev_loop *ev, ev_timer *w, int events) {
  nl_task *t = w->data;
  (void)ev;
  (void)events;
  if (t->state != NL_PARKED || t->wake_at == NL_FOREVER) return;
  if (nl_now() < t->wake_at) nl_timerset(t->rt, t);
  else nl_wake(t, t->wake_at >= t->wait.deadline ? NL_TIMEDOUT : NL_ELAPSED);
}

void nl_timerinit (nl_task *t) {
  ev_timer_init(timer(t), ontimer, 0, 0);
  timer(t)->data = t;
}

void nl_timerset (nl_runtime *rt, nl_task *t) {
  ev_timer *w = timer(t);
  double left = fmax(t->wake_at - nl_now(), 0);
  if (ev_is_active(w)) {
    if (ev_timer_remaining(rt->loop->ev, w) <= left) return;
    ev_timer_stop(rt->loop->ev, w);
  }
  ev_timer_set(w, left, 0);
  ev_timer_start(rt->loop->ev, w);
}

void nl_timerstop (nl_runtime *rt, nl_task *t) {
  if (rt->loop != NULL) ev_timer_stop(rt->loop->ev, timer(t));
}
