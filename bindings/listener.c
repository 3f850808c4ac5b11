/*
 * listener.c: sockets that wait for connections, and what they accept.
 */
#include <errno.h>
#include <poll.h>

#include "netlua.h"

#define BACKOFF 0.05 /* seconds before accept tries again without descriptors */

/* s:listen([backlog]) -> s, a listener from now on | nil, err */
static int handle_listen (lua_State *L) {
  nl_handle *h = nl_check(L, 1, &nl_handle_class);
  int backlog = lua_isnoneornil(L, 2) ? SOMAXCONN : (int)nl_checkrange(L, 2, 0, 65535);
  if (!h->base.open) return nl_closed(L, "listen");
  if (nl_listen(h->fd, backlog) < 0) return nl_errno(L, "listen", errno);
  nl_become(L, 1, &nl_listener_class);
  lua_settop(L, 1);
  return 1;
}

static bool exhausted (int number) {
  return number == EMFILE || number == ENFILE || number == ENOBUFS || number == ENOMEM;
}

/* Of what it accepts. */
static const nl_class *classof (int fd) {
  return nl_typeof(fd) == SOCK_STREAM ? &nl_stream_class : &nl_datagram_class;
}

/* The client on top is greeted as the listener's user value has it. */
static void inherit (lua_State *L, nl_stream *s) {
  (void)lua_getiuservalue(L, 1, 1);
  (void)lua_setiuservalue(L, -2, 1);
  s->handle.greeting = s->handle.base.class == &nl_stream_class;
}

/* l:accept([timeout]) -> stream | nil, err. A client that is gone again is passed over; without
 * descriptors it waits for some, as the connection stays in the backlog. */
static int listener_accept_try (lua_State *L, nl_wait *w) {
  nl_stream *l = (nl_stream *)w->self;
  if (l->drained && !w->woken && !w->poll) return NL_AGAIN;
  if (!nl_ready(l, POLLIN)) return NL_AGAIN;
  nl_stream *s = nl_newstream(L, classof(l->handle.fd));
  for (;;) {
    int fd = accept4(l->handle.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    int number = errno;
    if (fd >= 0) {
      s->max_line = l->max_line;
      s->max_read = l->max_read;
      nl_openstream(s, fd, &nl_socket_layer);
      l->drained = false;
      if (l->greets) inherit(L, s);
      return 1;
    }
    if (exhausted(number)) {
      w->after = BACKOFF;
      return NL_AGAIN;
    }
    errno = number;
    l->drained = number == EAGAIN;
    if (number != ECONNABORTED && number != EPROTO) return nl_notready(L, w, "accept");
  }
}
NL_WAITS(listener, accept, &nl_listener_class, NL_READ, 2)

static void addmethods (lua_State *L, const nl_class *class, const luaL_Reg *methods) {
  nl_pushclass(L, class);
  lua_getfield(L, -1, "__index");
  luaL_setfuncs(L, methods, 0);
  lua_pop(L, 2);
}

int luaopen_net_listener (lua_State *L) {
  static const luaL_Reg accept[] = {{"accept", listener_accept}, {NULL, NULL}};
  static const luaL_Reg listen[] = {{"listen", handle_listen}, {NULL, NULL}};
  addmethods(L, &nl_listener_class, accept);
  addmethods(L, &nl_stream_class, listen);
  addmethods(L, &nl_datagram_class, listen);
  lua_pushboolean(L, 1);
  return 1;
}
