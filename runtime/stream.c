/*
 * stream.c: a descriptor, the layer that carries its bytes, and what was received and not yet read. The
 * reading methods are in reader.c; here are the layers, the writing half and the ends of a stream.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core.h"

#define VECTORS 64 /* strings in one system call */
#define PIECE 65536

/* ---- layers */

static ssize_t socket_read (nl_layer *l, nl_stream *s, void *to, size_t room) {
  (void)l;
  return recv(s->handle.fd, to, room, MSG_DONTWAIT);
}

static ssize_t socket_write (nl_layer *l, nl_stream *s, struct iovec *v, int n) {
  (void)l;
  struct msghdr m = {.msg_iov = v, .msg_iovlen = (size_t)n};
  if (n == 1) return send(s->handle.fd, v->iov_base, v->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
  return nl_sendmsg(s->handle.fd, &m);
}

static int socket_shutdown (nl_layer *l, nl_stream *s, int how) {
  (void)l;
  return shutdown(s->handle.fd, how);
}

bool nl_ready (const nl_stream *s, short events) {
  struct pollfd p = {s->handle.fd, events, 0};
  if (!s->blocking || poll(&p, 1, 0) != 0) return true;
  errno = EAGAIN;
  return false;
}

static ssize_t file_read (nl_layer *l, nl_stream *s, void *to, size_t room) {
  (void)l;
  return nl_ready(s, POLLIN) ? read(s->handle.fd, to, room) : -1;
}

/* Where there is room at all, PIPE_BUF bytes fit in. */
static ssize_t file_write (nl_layer *l, nl_stream *s, struct iovec *v, int n) {
  (void)l;
  if (!nl_ready(s, POLLOUT)) return -1;
  if (!s->blocking) return writev(s->handle.fd, v, n);
  return write(s->handle.fd, v->iov_base, v->iov_len < PIPE_BUF ? v->iov_len : PIPE_BUF);
}

static int file_shutdown (nl_layer *l, nl_stream *s, int how) {
  (void)l;
  (void)s;
  (void)how;
  errno = ENOTSOCK;
  return -1;
}

static const nl_layerclass socket_class = {"socket", socket_read, socket_write, socket_shutdown,
                                           NULL,     NULL,        NULL,         NULL};
static const nl_layerclass file_class = {"file", file_read, file_write, file_shutdown,
                                         NULL,   NULL,      NULL,       NULL};
nl_layer nl_socket_layer = {&socket_class, NULL};
nl_layer nl_file_layer = {&file_class, NULL};

static bool holds (const nl_stream *s) {
  return s->layer->class->holds != NULL && s->layer->class->holds(s->layer);
}

static ssize_t pass (nl_stream *s, struct iovec *v, int n) {
  return s->layer->class->write(s->layer, s, v, n);
}

/* What the layer took is not sent before that. */
static int flush (nl_stream *s) {
  return s->layer->class->flush != NULL ? s->layer->class->flush(s->layer, s) : 0;
}

static int end (nl_stream *s, int how) {
  return s->layer->class->shutdown(s->layer, s, how);
}

/* The new layer may have read ahead what a wait for the descriptor would never see. */
void nl_setlayer (lua_State *L, nl_stream *s, nl_layer *layer) {
  layer->below = s->layer;
  s->layer = layer;
  s->drained = false;
  nl_setpending(L, &s->handle, holds(s));
}

/* ---- handles: what every object with a descriptor has */

void nl_forget (lua_State *L, nl_handle *h) {
  nl_runtime *rt = nl_rt(L);
  if (h->polled) nl_leavepollers(L, h->fd);
  for (int side = NL_READ; side <= NL_WRITE; side++) {
    if (h->fd >= 0) nl_watchstop(rt, h, side);
    if (h->side[side].owner != NULL) nl_wake(h->side[side].owner, NL_READY);
  }
}

/* h:fileno() -> integer | nil, err */
static int handle_fileno (lua_State *L) {
  nl_handle *h = nl_check(L, 1, &nl_handle_class);
  if (!h->base.open) return nl_closed(L, "fileno");
  lua_pushinteger(L, h->fd);
  return 1;
}

/* h:settimeout(seconds | nil) -> h */
static int handle_settimeout (lua_State *L) {
  nl_handle *h = nl_check(L, 1, &nl_handle_class);
  luaL_checkany(L, 2);
  double timeout = nl_opttimeout(L, 2);
  if (!h->base.open) return nl_closed(L, "settimeout");
  h->timeout = timeout;
  lua_settop(L, 1);
  return 1;
}

/* h:setblocking(boolean) -> h: false is settimeout(0), true is settimeout(nil) */
static int handle_setblocking (lua_State *L) {
  nl_handle *h = nl_check(L, 1, &nl_handle_class);
  luaL_checktype(L, 2, LUA_TBOOLEAN);
  if (!h->base.open) return nl_closed(L, "setblocking");
  h->timeout = lua_toboolean(L, 2) ? NL_FOREVER : 0;
  lua_settop(L, 1);
  return 1;
}

static const luaL_Reg handle_methods[] = {{"fileno", handle_fileno},
                                          {"settimeout", handle_settimeout},
                                          {"setblocking", handle_setblocking},
                                          {NULL, NULL}};
const nl_class nl_handle_class = {"net.handle", handle_methods, nl_releasestream, NULL, NULL, NULL, NULL};

/* ---- the object */

nl_stream *nl_newstream (lua_State *L, const nl_class *class) {
  nl_stream *s = nl_newuv(L, class, sizeof *s, 1);
  s->handle.fd = -1;
  s->handle.timeout = NL_FOREVER;
  s->max_line = NL_MAXLINE;
  s->max_read = NL_MAXBODY;
  return s;
}

void nl_openstream (nl_stream *s, int fd, nl_layer *layer) {
  nl_attach(&s->handle, fd);
  s->layer = layer;
  s->handle.base.open = true;
}

void nl_ownfile (nl_stream *s, const nl_address *a) {
  struct stat st;
  if (lstat(a->sa.un.sun_path, &st) < 0) return;
  s->unlink = true;
  s->device = st.st_dev;
  s->inode = st.st_ino;
}

/* The path is asked of the socket; another server may have put its own file there meanwhile. */
static void unlinkfile (const nl_stream *s) {
  struct stat st;
  nl_address a = {.len = sizeof a.sa};
  if (getsockname(s->handle.fd, &a.sa.any, &a.len) < 0) return;
  if (lstat(a.sa.un.sun_path, &st) < 0 || st.st_dev != s->device || st.st_ino != s->inode) return;
  (void)unlink(a.sa.un.sun_path); /* gone is what it shall be */
}

void nl_releasestream (lua_State *L, void *self) {
  nl_stream *s = self;
  nl_forget(L, &s->handle);
  nl_discard(&s->in);
  for (nl_layer *l = s->layer, *below; l != NULL; l = below) {
    below = l->below;
    if (l->class->release != NULL) l->class->release(l, s);
  }
  if (s->handle.fd < 0) return;
  if (s->unlink) unlinkfile(s);
  (void)close(s->handle.fd); /* nothing useful can be done with its error */
}

/* An end after a reset is no end: the kernel reports the error only once. */
ssize_t nl_fill (lua_State *L, nl_stream *s, size_t room) {
  if (!nl_reserve(L, &s->in, room)) {
    errno = ENOMEM;
    return -1;
  }
  size_t space = s->in.size - s->in.tail;
  ssize_t n = s->layer->class->read(s->layer, s, s->in.data + s->in.tail, space);
  int number = errno;
  if (n == 0 && s->pending != 0) {
    n = -1;
    number = s->pending;
  }
  if (n > 0) s->in.tail += (size_t)n;
  else nl_consume(L, &s->in, 0);
  if (n > 0 && s->handle.polled) nl_tellpollers(L, s->handle.fd);
  bool more = holds(s);
  if (more != s->handle.pending) nl_setpending(L, &s->handle, more);
  bool answered = more || (n < 0 && number == NL_ELAYER); /* and no event would come for that */
  s->drained = (s->blocking || n < (ssize_t)space) && !answered;
  s->ended = n == 0;
  if (n < 0 && number == EPIPE) number = ECONNRESET; /* what Linux says of a reset after the peer's end */
  if (n < 0 && number != EAGAIN && number != EINTR) s->pending = number;
  errno = number;
  return n;
}

ssize_t nl_more (lua_State *L, nl_stream *s, nl_wait *w, size_t room) {
  if (s->ended || s->deaf) return 0;
  if (s->drained && !w->woken && !w->poll) {
    errno = EAGAIN;
    return -1;
  }
  w->woken = w->poll = false;
  return nl_fill(L, s, room);
}

/* A task that already waits to read is left to find out. */
bool nl_readable (lua_State *L, nl_stream *s) {
  if (s->handle.side[NL_READ].owner != NULL || s->ended || s->deaf) return true;
  return nl_fill(L, s, 1) >= 0 || (errno != EAGAIN && errno != EINTR);
}

/* ---- writing */

static int failedwrite (lua_State *L, nl_stream *s, nl_wait *w, const char *op) {
  int number = errno;
  if (number == ECONNRESET) s->pending = number;
  int n = nl_notready(L, w, op);
  if (n != NL_AGAIN && w->progress > 0) {
    lua_pushinteger(L, (lua_Integer)w->progress);
    lua_setfield(L, -2, "partial");
  }
  return n;
}

typedef struct place { /* in the strings of a write */
  int arg;
  size_t before; /* bytes of the strings before that one */
} place;

/* The strings that are left after `skip` bytes; `p` moves on to the first of them. */
static int gather (lua_State *L, int top, size_t skip, place *p, struct iovec *v) {
  int n = 0;
  for (int arg = p->arg; arg <= top && n < VECTORS; arg++) {
    size_t len;
    const char *bytes = nl_checkbytes(L, arg, &len);
    size_t cut = n > 0 ? 0 : skip - p->before < len ? skip - p->before : len;
    if (cut < len) v[n++] = (struct iovec){(void *)(uintptr_t)(bytes + cut), len - cut};
    if (n == 0) *p = (place){arg + 1, p->before + len};
  }
  return n;
}

/* s:write(...) -> s | nil, err: all of it */
static int stream_write_try (lua_State *L, nl_wait *w) {
  struct iovec v[VECTORS];
  nl_stream *s = (nl_stream *)w->self;
  place p = {2, 0};
  for (int arg = 2; arg <= w->top && w->progress == 0; arg++) (void)nl_checkbytes(L, arg, &(size_t){0});
  for (int n; (n = gather(L, w->top, w->progress, &p, v)) > 0;) {
    ssize_t sent = pass(s, v, n);
    if (sent < 0) return failedwrite(L, s, w, "write");
    w->progress += (size_t)sent;
  }
  if (flush(s) < 0) return failedwrite(L, s, w, "write");
  lua_pushvalue(L, 1);
  return 1;
}
NL_WAITS(stream, write, &nl_stream_class, NL_WRITE, 0)

/* s:send(data, [timeout]) -> count | nil, err: perhaps not all of it */
static int stream_send_try (lua_State *L, nl_wait *w) {
  nl_stream *s = (nl_stream *)w->self;
  struct iovec v;
  const char *bytes = nl_checkbytes(L, 2, &v.iov_len);
  v.iov_base = (void *)(uintptr_t)bytes;
  ssize_t sent = v.iov_len > 0 && w->progress == 0 ? pass(s, &v, 1) : 0;
  if (sent >= 0) w->progress += (size_t)sent;
  if (sent < 0 || flush(s) < 0) return failedwrite(L, s, w, "send");
  lua_pushinteger(L, (lua_Integer)w->progress);
  return 1;
}
NL_WAITS(stream, send, &nl_stream_class, NL_WRITE, 3)

static ssize_t copypiece (nl_stream *s, int file, off_t at, size_t count) {
  char piece[16384];
  ssize_t n = pread(file, piece, count < sizeof piece ? count : sizeof piece, at);
  if (n <= 0) return n;
  struct iovec v = {piece, (size_t)n};
  return pass(s, &v, 1);
}

static ssize_t sendpiece (nl_stream *s, int file, off_t at, size_t count) {
  if (s->layer != &nl_socket_layer) return copypiece(s, file, at, count);
  ssize_t n = sendfile(s->handle.fd, file, &at, count < PIECE ? count : PIECE);
  return n < 0 && errno == EINVAL ? copypiece(s, file, at, count) : n;
}

/* s:sendfile(file, [offset], [count], [timeout]) -> count | nil, err: fewer where the file ends */
static int stream_sendfile_try (lua_State *L, nl_wait *w) {
  nl_stream *s = (nl_stream *)w->self;
  luaL_Stream *f = luaL_checkudata(L, 2, LUA_FILEHANDLE);
  lua_Integer offset = lua_isnoneornil(L, 3) ? 0 : nl_checkrange(L, 3, 0, LUA_MAXINTEGER);
  size_t count = lua_isnoneornil(L, 4) ? SIZE_MAX : nl_checksize(L, 4, 0, LUA_MAXINTEGER);
  if (f->closef == NULL) return luaL_argerror(L, 2, "file is closed");
  if (w->progress == 0) (void)fflush(f->f); /* what was written to the file belongs to it */
  while (w->progress < count) {
    ssize_t n = sendpiece(s, fileno(f->f), (off_t)offset + (off_t)w->progress, count - w->progress);
    if (n < 0) return failedwrite(L, s, w, "sendfile");
    if (n == 0) break;
    w->progress += (size_t)n;
  }
  if (flush(s) < 0) return failedwrite(L, s, w, "sendfile");
  lua_pushinteger(L, (lua_Integer)w->progress);
  return 1;
}
NL_WAITS(stream, sendfile, &nl_stream_class, NL_WRITE, 5)

/* ---- ends */

static void deafen (nl_stream *s) {
  s->deaf = true;
  nl_discard(&s->in);
  if (s->handle.side[NL_READ].owner != NULL) nl_wake(s->handle.side[NL_READ].owner, NL_READY);
}

const nl_word nl_hows[] = {
    {"r", SHUT_RD},       {"w", SHUT_WR},           {"rw", SHUT_RDWR}, {"SHUT_RD", SHUT_RD},
    {"SHUT_WR", SHUT_WR}, {"SHUT_RDWR", SHUT_RDWR}, {NULL, 0}};

/* What the peer did before says more than that the connection is over. */
static int failedend (lua_State *L, nl_stream *s, const char *op) {
  int number = errno == ENOTCONN && s->pending != 0 ? s->pending : errno;
  return number == NL_ELAYER ? s->layer->class->fail(L, s->layer, op) : nl_errno(L, op, number);
}

static int stream_flush_try (lua_State *L, nl_wait *w) {
  nl_stream *s = (nl_stream *)w->self;
  if (flush(s) < 0) return failedwrite(L, s, w, "shutdown");
  lua_pushboolean(L, 1);
  return 1;
}

/* Where a greeting is due it comes first: what it has to say needs both directions. */
static int stream_shutdown_try (lua_State *L, nl_wait *w) {
  nl_stream *s = (nl_stream *)w->self;
  int how = nl_checkword(L, 2, nl_hows, "w");
  if (end(s, how) < 0) return failedend(L, s, "shutdown");
  if (how != SHUT_WR) deafen(s);
  return stream_flush_try(L, w);
}

/* s:shutdown("r" | "w" | "rw") -> true | nil, err. What a layer says to the peer then may have to wait for
 * room; a writer that already waits sends it along. */
static int stream_shutdown (lua_State *L) {
  static const nl_call wait = {stream_flush_try, "shutdown", &nl_stream_class, NL_WRITE, 0, false};
  static const nl_call whole = {stream_shutdown_try, "shutdown", &nl_stream_class, NL_WRITE, 0, false};
  nl_stream *s = nl_check(L, 1, &nl_stream_class);
  int how = nl_checkword(L, 2, nl_hows, "w");
  if (!s->handle.base.open) return nl_closed(L, "shutdown");
  if (s->handle.greeting && how != SHUT_RDWR) return nl_await(L, &whole);
  if (end(s, how) < 0) return failedend(L, s, "shutdown");
  if (how != SHUT_WR) deafen(s);
  if (flush(s) < 0 && errno == EAGAIN && s->handle.side[NL_WRITE].owner == NULL) return nl_await(L, &wait);
  lua_pushboolean(L, 1);
  return 1;
}

/* Before it waits for the peer's end: what says ours must have left. */
static bool said (nl_stream *s, nl_wait *w) {
  bool later = flush(s) < 0 && errno == EAGAIN && s->handle.side[NL_WRITE].owner == NULL;
  w->side = later ? NL_WRITE : NL_READ;
  return !later;
}

/* s:finish([timeout]) -> count | nil, err: says it has no more to send, reads to the peer's end and
 * throws that away; lualib closes it then. ENOTCONN is said of a connection that is over, too: reading
 * tells whether it ended or broke. */
static int stream_finish_try (lua_State *L, nl_wait *w) {
  nl_stream *s = (nl_stream *)w->self;
  if (!w->woken && !w->poll && end(s, SHUT_WR) < 0 && errno != ENOTCONN) {
    return failedend(L, s, "finish");
  }
  if (!said(s, w)) return NL_AGAIN;
  for (;;) {
    w->progress += s->in.tail - s->in.head;
    nl_consume(L, &s->in, s->in.tail - s->in.head);
    if (w->progress > s->max_read) {
      return nl_fail(L, "finish", "TOOBIG", "the peer sent more than max_read, %u bytes", s->max_read);
    }
    ssize_t n = nl_more(L, s, w, PIECE);
    if (n < 0) return nl_notready(L, w, "finish");
    if (n == 0) break;
  }
  lua_pushinteger(L, (lua_Integer)w->progress);
  return 1;
}
NL_WAITS(stream, finish, &nl_stream_class, NL_READ, 2)

/* s:setlimits{max_line =, max_read =} -> s */
static int stream_setlimits (lua_State *L) {
  static const char *const names[] = {"max_line", "max_read", NULL};
  nl_stream *s = nl_check(L, 1, &nl_stream_class);
  luaL_checktype(L, 2, LUA_TTABLE);
  nl_checkoptions(L, 2, names);
  lua_Integer line = nl_fieldint(L, 2, "max_line", 1, NL_MAXLIMIT, s->max_line);
  lua_Integer body = nl_fieldint(L, 2, "max_read", 1, NL_MAXLIMIT, s->max_read);
  if (!s->handle.base.open) return nl_closed(L, "setlimits");
  s->max_line = (uint32_t)line;
  s->max_read = (uint32_t)body;
  lua_settop(L, 1);
  return 1;
}

static const luaL_Reg stream_methods[] = {{"write", stream_write},
                                          {"send", stream_send},
                                          {"sendfile", stream_sendfile},
                                          {"shutdown", stream_shutdown},
                                          {"finish", stream_finish},
                                          {"setlimits", stream_setlimits},
                                          {NULL, NULL}};
/* A layer may have a word for the peer; it is not waited for. */
static void stream_part (lua_State *L, void *self) {
  nl_stream *s = self;
  (void)L;
  if (s->layer != NULL && s->layer->below != NULL && end(s, SHUT_WR) == 0) (void)flush(s);
}

const nl_class nl_stream_class = {"net.stream", stream_methods, nl_releasestream, &nl_handle_class,
                                  NULL,         NULL,           stream_part};
