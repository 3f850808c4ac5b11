/*
 * poller.c: many descriptors as one: an epoll descriptor that is readable when one of its members is
 * ready, so that a wait for any of them is a wait for one. Closing an object that a poller holds wakes
 * whoever waits for the poller.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core.h"

static void poller_release (lua_State *L, void *self) {
  nl_poller *p = self;
  nl_runtime *rt = nl_rt(L);
  nl_forget(L, &p->handle);
  if (p->before != NULL) p->before->after = p->after;
  else rt->pollers = p->after;
  if (p->after != NULL) p->after->before = p->before;
  (void)close(p->handle.fd); /* nothing useful can be done with its error */
}

const nl_class nl_poller_class = {"net.poller", NULL, poller_release, &nl_handle_class, NULL, NULL};

nl_poller *nl_newpoller (lua_State *L) {
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

int nl_polleradd (nl_poller *p, int fd, short events) {
  struct epoll_event e = {.data.fd = fd};
  if (events & POLLIN) e.events |= EPOLLIN;
  if (events & POLLOUT) e.events |= EPOLLOUT;
  if (events & POLLPRI) e.events |= EPOLLPRI;
  return epoll_ctl(p->handle.fd, EPOLL_CTL_ADD, fd, &e);
}

void nl_stalepollers (nl_runtime *rt) {
  for (nl_poller *p = rt->pollers; p != NULL; p = p->after) p->stale = true;
}

void nl_wakepollers (nl_runtime *rt) {
  for (nl_poller *p = rt->pollers; p != NULL; p = p->after) {
    if (p->handle.side[NL_READ].owner != NULL) nl_wake(p->handle.side[NL_READ].owner, NL_READY);
  }
}
