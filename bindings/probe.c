/*
 * probe.c: one question to one port, as cheap as the system allows: a scan asks tens of thousands. The
 * descriptor belongs to the prober until a stream takes it, so a port that refuses at once, as those of this
 * machine do, costs four system calls and no object.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "netlua.h"

typedef struct prober {
  nl_object base;
  int fd; /* between socket(2) and the stream that takes it; or -1 */
} prober;

static const nl_class prober_class;

static void drop (prober *p) {
  if (p->fd >= 0) (void)close(p->fd); /* nothing was sent on it */
  p->fd = -1;
}

static void prober_release (lua_State *L, void *self) {
  (void)L;
  drop(self);
}

/* Where the system takes the very port for the near end that is asked for at the far end, a socket of this
 * machine connects to itself: nobody listens there. */
static bool toitself (int fd, const nl_address *far) {
  nl_address near = {.len = sizeof near.sa};
  if (getsockname(fd, &near.sa.any, &near.len) < 0) return false;
  return nl_portof(&near) == nl_portof(far) && nl_samehost(&near, far);
}

/* 0: connected; EALREADY: not yet; or what it failed with. The second call finds the answer of this machine,
 * which came during the first. */
static int ask (int fd, const nl_address *a) {
  int result = nl_connect(fd, a);
  if (result < 0 && errno == EINPROGRESS) result = nl_connect(fd, a);
  int number = result < 0 ? errno : 0;
  if (number == EINTR || number == EINPROGRESS) number = EALREADY;
  return number == 0 && toitself(fd, a) ? ECONNREFUSED : number;
}

static int failed (lua_State *L, int number) {
  const char *code = nl_errnoname(number);
  lua_pushnil(L);
  lua_pushstring(L, code != NULL ? code : strerrorname_np(number)); /* nil for a number unknown to libc */
  return 2;
}

/* p:connect(address, port) -> stream, whether it is connected already | nil, code */
static int prober_connect (lua_State *L) {
  nl_address a;
  prober *p = nl_check(L, 1, &prober_class);
  if (nl_checkaddress(L, 2, "connect", &a) != 0) return failed(L, EINVAL);
  if (!p->base.open) {
    lua_pushnil(L);
    lua_pushliteral(L, "CLOSED");
    return 2;
  }
  drop(p);
  p->fd = nl_socket(a.sa.any.sa_family, SOCK_STREAM, 0);
  int number = p->fd < 0 ? errno : ask(p->fd, &a);
  if (number != 0 && number != EALREADY) {
    drop(p);
    return failed(L, number);
  }
  nl_stream *s = nl_newstream(L, &nl_stream_class); /* a failure leaves the descriptor with the prober */
  nl_openstream(s, p->fd, &nl_socket_layer);
  p->fd = -1;
  lua_pushboolean(L, number == 0);
  return 2;
}

static const luaL_Reg prober_methods[] = {{"connect", prober_connect}, {NULL, NULL}};
static const nl_class prober_class = {"net.prober", prober_methods, prober_release, NULL, NULL, NULL, NULL};

/* prober() -> prober */
static int probe_prober (lua_State *L) {
  prober *p = nl_new(L, &prober_class, sizeof *p);
  p->fd = -1;
  p->base.open = true;
  return 1;
}

static bool established (int fd) {
  nl_address far = {.len = sizeof far.sa};
  return getpeername(fd, &far.sa.any, &far.len) == 0;
}

/* wait(stream, [timeout]) -> true | nil, err: until that stream of a prober is connected. It was looked at
 * when it was made, so the first try is only after the event. */
static int probe_wait_try (lua_State *L, nl_wait *w) {
  nl_stream *s = (nl_stream *)w->self;
  int number = 0;
  socklen_t len = sizeof number;
  if (!w->woken && !w->poll) return NL_AGAIN;
  if (getsockopt(s->handle.fd, SOL_SOCKET, SO_ERROR, &number, &len) < 0) number = errno;
  if (number != 0) return nl_errno(L, "connect", number);
  if (!established(s->handle.fd)) return NL_AGAIN;
  lua_pushboolean(L, 1);
  return 1;
}
NL_WAITS(probe, wait, &nl_stream_class, NL_WRITE, 2)

int luaopen_net_probe (lua_State *L) {
  static const luaL_Reg functions[] = {{"prober", probe_prober}, {"wait", probe_wait}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
