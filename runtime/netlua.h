/*
 * netlua.h: what a binding may use of the runtime. Every prototype shows its effect on the Lua
 * stack as [-popped, +pushed, raises]: m = only out of memory, v = misuse (and memory), - = never.
 */
#ifndef NETLUA_H
#define NETLUA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/uio.h>

#include <lauxlib.h>
#include <lua.h>

#define NETLUA_VERSION "0.1.0"

#define NL_MAXREAD ((size_t)1 << 24)  /* most bytes one recv may ask for */
#define NL_MAXLINE ((size_t)1 << 16)  /* default limit of one line */
#define NL_MAXBODY ((size_t)1 << 26)  /* default limit of one read by count or to the end */
#define NL_MAXLIMIT ((size_t)1 << 31) /* the highest that either limit can be raised to */
#define NL_FOREVER (1.0 / 0.0)        /* a deadline or timeout that never comes */
#define NL_AGAIN (-1)                 /* an attempt's answer: not yet */

/* ---- objects -------------------------------------------------------------------------------- */

typedef struct nl_class nl_class;

struct nl_class {
  const char *name;                          /* "net.stream": also what type errors say */
  const luaL_Reg *methods;                   /* on top of those of the parent */
  void (*release)(lua_State *L, void *self); /* runs once: close, __close or __gc; NULL: nothing to do */
  const nl_class *parent;                    /* whose methods it has too, or NULL */
  const luaL_Reg *metamethods;               /* besides __index, __gc, __close, __tostring; or NULL */
  int (*close)(lua_State *L);                /* replaces close and __close where they must wait */
  void (*part)(lua_State *L, void *self);    /* before release, but not from __gc; or NULL */
};

typedef struct nl_object { /* first member of every userdata */
  const nl_class *class;
  bool open; /* set last by constructors; methods of a closed object answer CLOSED */
} nl_object;

void *nl_new (lua_State *L, const nl_class *class, size_t size); /* [-0, +1, m] zeroed, closed */
void *nl_newuv (lua_State *L, const nl_class *class, size_t size, int uservalues); /* [-0, +1, m] */
void *nl_check (lua_State *L, int arg, const nl_class *class); /* [-0, +0, v] open or not */
void *nl_test (lua_State *L, int arg, const nl_class *class);  /* [-0, +0, -] NULL if not */
void nl_become (lua_State *L, int arg, const nl_class *class); /* [-0, +0, m] change of class */
void nl_close (lua_State *L, nl_object *o);                    /* [-0, +0, -] idempotent */
void nl_pushclass (lua_State *L, const nl_class *class);       /* [-0, +1, m] its metatable */

/* An object that owns something of a library's, which several bindings know: it is freed by the collector
 * only, as others may refer to it. */
typedef struct nl_owned {
  nl_object base;
  void *ptr;
  void (*drop)(void *ptr);
} nl_owned;

extern const nl_class nl_tlscontext_class, nl_tlssession_class; /* of nl_owned: SSL_CTX, SSL */

/* A guard frees what does not outlive the call. Read all arguments before making one, hold none
 * across a wait. */
typedef struct nl_guard {
  void (*drop)(void *ptr);
  void *ptr;
} nl_guard;

nl_guard *nl_newguard (lua_State *L, void (*drop)(void *ptr)); /* [-0, +1, m] empty, to be closed */

/* ---- errors: misuse raises, the world returns nil, err -------------------------------------- */

int nl_fail (lua_State *L, const char *op, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));                              /* [-0, +2, m] nil, err; returns 2 */
int nl_errno (lua_State *L, const char *op, int number);                /* [-0, +2, m] nil, err; returns 2 */
int nl_result (lua_State *L, const char *op, int result);               /* [-0, +1|2, m] true, or nil, err */
int nl_closed (lua_State *L, const char *op);                           /* [-0, +2, m] nil, err CLOSED */
int nl_gaierror (lua_State *L, const char *op, int status, int number); /* [-0, +2, m] EAI_* */
int nl_throw (lua_State *L, const char *op, const char *code); /* [-0, +0, v] raises an error object */
void nl_pusherror (lua_State *L, const char *op, const char *code, const char *message); /* [-0, +1, m] */
void nl_pusherrno (lua_State *L, const char *op, int number);                            /* [-0, +1, m] */
const char *nl_errnoname (int number); /* "ECONNREFUSED", or NULL */
int nl_eof (lua_State *L);             /* [-0, +1, -] nil and nothing else */

/* OpenSSL, before the first call of a function of it. Misuse is not the reason: the library is missing. */
void nl_loadlibraries (lua_State *L); /* [-0, +0, v] */

/* ---- arguments ------------------------------------------------------------------------------ */

typedef struct nl_word { /* one row of a table that gives numbers names */
  const char *name;
  int value;
} nl_word;

lua_Integer nl_checkrange (lua_State *L, int arg, lua_Integer low, lua_Integer high); /* [-0, +0, v] */
size_t nl_checksize (lua_State *L, int arg, size_t low, size_t high);                 /* [-0, +0, v] */
uint16_t nl_checkport (lua_State *L, int arg);                  /* [-0, +0, v] integer or decimal digits */
double nl_checkseconds (lua_State *L, int arg);                 /* [-0, +0, v] finite, not negative */
double nl_opttimeout (lua_State *L, int arg);                   /* [-0, +0, v] nil: NL_FOREVER */
const char *nl_checktext (lua_State *L, int arg);               /* [-0, +0, v] a string without NUL inside */
const char *nl_checkbytes (lua_State *L, int arg, size_t *len); /* [-0, +0, v] a string or number */
int nl_checkword (lua_State *L, int arg, const nl_word *words, const char *fallback); /* [-0, +0, v] */
const char *nl_pushshown (lua_State *L, int index); /* [-0, +1, m] for a message: cut where it is long */
void nl_checkoptions (lua_State *L, int arg, const char *const names[]); /* [-0, +0, v] table or nil */
/* The fields of an option table that nl_checkoptions has passed; arg may hold nil. */
bool nl_fieldbool (lua_State *L, int arg, const char *name, bool fallback);        /* [-0, +0, v] */
double nl_fieldtimeout (lua_State *L, int arg, const char *name, double fallback); /* [-0, +0, v] */
lua_Integer nl_fieldint (lua_State *L, int arg, const char *name, lua_Integer low, lua_Integer high,
                         lua_Integer fallback); /* [-0, +0, v] */
int nl_fieldword (lua_State *L, int arg, const char *name, const nl_word *words,
                  int fallback);                                    /* [-0, +0, v] */
const char *nl_fieldtext (lua_State *L, int arg, const char *name); /* [-0, +0, v] NULL if absent;
                                                                        lives as long as the table */

/* The system's constants under their full names; Lua may leave out what stands before the "_". */
extern const nl_word nl_families[], nl_socktypes[], nl_protocols[];
const char *nl_pushalert (lua_State *L, int number); /* [-0, +1, m] name of TLS, as RFC 8446, section 6
                                                        spells it, or "alert 238" */
bool nl_toname (lua_State *L, int index, const nl_word *words, int *value); /* [-0, +0, -] a name of the
                                                   table in any case, or an integer from 0 to 2^31 - 1 */
void nl_setnames (lua_State *L, const nl_word *words); /* [-0, +0, m] fields of the table on top */

/* ---- addresses ------------------------------------------------------------------------------ */

typedef struct nl_address {
  union {
    struct sockaddr any;
    struct sockaddr_storage storage;
    struct sockaddr_un un;
  } sa;
  socklen_t len;
} nl_address;

bool nl_isunix (const char *host); /* [-0, +0, -] spelled "unix:/path" or "unix:@name" */
/* Reads a numeric address or a "unix:" name. False: it is neither, so it may be a host name. A
 * unix path that is too long and a zone that does not exist are errors in *problem. */
bool nl_parseaddress (const char *host, size_t len, uint16_t port, nl_address *a, const char **problem);
void nl_anyaddress (int family, uint16_t port, nl_address *a); /* the wildcard of that family */
void nl_mapaddress (nl_address *a);                            /* IPv4 becomes IPv4-mapped IPv6 */
void nl_unmapaddress (nl_address *a);                          /* and back, where it is one */
uint16_t nl_portof (const nl_address *a);                      /* 0 for a unix address */
bool nl_samehost (const nl_address *a, const nl_address *b); /* IPv4 or IPv6, whatever the ports and zones */
size_t nl_addressbytes (const nl_address *a, const void **bytes); /* 4 or 16; 0 for a unix address */
unsigned nl_zoneof (const nl_address *a);                         /* the index of its interface, or 0 */
bool nl_needszone (const nl_address *a);                          /* link-local: says nothing without one */
int nl_pushaddress (lua_State *L, const nl_address *a);   /* [-0, +1|2, m] "a.b.c.d", port | "path"; count */
void nl_erroraddress (lua_State *L, const nl_address *a); /* [-0, +0, m] names it in the err on top */

/* ---- permission: the one gate, decided on the sockaddr --------------------------------------- */

int nl_socket (int family, int type, int protocol);  /* non-blocking, close-on-exec; as socket(2) */
int nl_connect (int fd, const nl_address *a);        /* as connect(2) */
int nl_bind (int fd, const nl_address *a);           /* as bind(2) */
int nl_listen (int fd, int backlog);                 /* as listen(2) */
ssize_t nl_sendmsg (int fd, const struct msghdr *m); /* as sendmsg(2), never blocks, no SIGPIPE */
/* As sendto(2), in the same way; to: NULL where it is connected. */
ssize_t nl_sendto (int fd, const void *data, size_t len, const nl_address *to);
/* MCAST_JOIN_GROUP and its relatives, for both families; index 0: the interface that the routes choose.
 * -1 with errno. A join stops the delivery of groups that only other sockets joined. */
int nl_membership (int fd, int operation, unsigned index, const nl_address *group, const nl_address *source);

/* ---- waiting -------------------------------------------------------------------------------- */

typedef struct nl_task nl_task;
typedef struct nl_job nl_job;
typedef struct nl_wait nl_wait;

enum { NL_NOSIDE = -1, NL_READ = 0, NL_WRITE = 1 };

typedef struct nl_watch { /* one direction of one descriptor; only loop.c looks inside */
  union {
    void *align;
    char bytes[48];
  } event;
  nl_task *owner; /* who waits here; a second gets BUSY */
} nl_watch;

typedef struct nl_handle { /* an object with a descriptor */
  nl_object base;
  int fd;
  double timeout; /* seconds for each call that has none of its own */
  bool polled;    /* a poller holds it, or did */
  bool greeting;  /* the first call that waits calls the function of nl_setgreeter before */
  bool pending;   /* more than the kernel knows of is there to be read: select must not wait for it */
  nl_watch side[2];
} nl_handle;

extern const nl_class nl_handle_class; /* close, fileno, settimeout, setblocking */

typedef struct nl_queue { /* tasks in line for something that is not a descriptor */
  nl_task *first, *last;
} nl_queue;

typedef struct nl_call {                    /* what a waiting function is */
  int (*attempt)(lua_State *L, nl_wait *w); /* results pushed, or NL_AGAIN */
  const char *op;                           /* its name in errors */
  const nl_class *class;                    /* of argument 1, or NULL */
  int side;                                 /* NL_READ, NL_WRITE of that handle, or NL_NOSIDE */
  int timeout;                              /* which argument is the timeout, or 0 */
  bool shielded;                            /* neither deadline nor cancellation: for closing */
} nl_call;

struct nl_wait { /* what one wait knows; kept while the task is parked */
  const nl_call *call;
  nl_object *self; /* argument 1 */
  int top;         /* how many arguments */
  bool woken;      /* not the first try: the event came */
  bool poll;       /* timeout 0: look, even where nothing is expected */
  bool elapsed;    /* the time of `after` is over */
  bool fresh;      /* parked only to give the others a turn: not tried yet */
  size_t progress; /* how far the attempt got; 0 at first */
  int side;        /* what to wait for: the call's side, unless the attempt says otherwise */
  double after;    /* attempt sets: try again after so many seconds; -1: only on the event */
  nl_queue *queue; /* attempt sets: wait here instead of on the descriptor */
  nl_job *job;     /* attempt sets: wait for this job */
  double until;    /* the deadline of the call before its greeting */
  double deadline;
};

/* NL_WAITS(stream, recv, &nl_stream_class, NL_READ, 3) defines the Lua function stream_recv on top of
 * the attempt stream_recv_try; argument 3 is the timeout. */
#define NL_WAITS(noun, name, class, side, timeout)                                                           \
  static const nl_call noun##_##name##_call = {noun##_##name##_try, #name, class, side, timeout, false};     \
  static int noun##_##name(lua_State *L) {                                                                   \
    return nl_await(L, &noun##_##name##_call);                                                               \
  }

int nl_await (lua_State *L, const nl_call *call); /* [-?, +?, v] the attempt's results */
/* f(object, timeout or nil) -> true | nil, err: runs before the first call that waits for an object whose
 * `greeting` is set. */
void nl_setgreeter (lua_State *L);                          /* [-1, +0, m] */
int nl_notready (lua_State *L, nl_wait *w, const char *op); /* [-0, +0|2, m] NL_AGAIN, or nil, err */
void nl_forget (lua_State *L, nl_handle *h);                /* [-0, +0, -] wakes waiters, off the loop */
/* Whether it holds what the kernel knows nothing of any more: select and poll count it as readable. */
void nl_setpending (lua_State *L, nl_handle *h, bool pending); /* [-0, +0, -] */
void nl_attach (nl_handle *h, int fd);                         /* its descriptor and watches */
double nl_now (void);                                          /* seconds, CLOCK_MONOTONIC */

/* A job runs in a worker thread and must not touch Lua. Its owner drops it once, whatever became of it:
 * one that still runs is freed by the worker. */
struct nl_job {
  void (*run)(nl_job *job);  /* in the worker */
  void (*free)(nl_job *job); /* in either thread, once */
  nl_job *next;
  struct nl_pool *pool;
  nl_queue waiters;
  int state;
};

int nl_submit (lua_State *L, nl_job *job); /* [-0, +0, -] hands it over; 0, or an errno: still yours */
bool nl_jobdone (nl_job *job);             /* finished: the owner may read it */
void nl_jobdrop (void *job);               /* the owner's last word */

/* What is kept under a key for later: a few values of each. */
typedef struct nl_cache nl_cache;

extern const nl_class nl_cache_class;                   /* of nl_owned: nl_cache */
nl_cache *nl_newcache (void (*dropvalue)(void *value)); /* NULL: out of memory; dropped once by who made it */
nl_cache *nl_cachekeep (nl_cache *c);                   /* one more to drop it */
void nl_cachedrop (nl_cache *c);
void nl_cacheput (nl_cache *c, const char *key, void *value); /* takes the value, or drops it */
void *nl_cachetake (nl_cache *c, const char *key);            /* the newest, the caller's now; or NULL */

/* ---- buffers and streams --------------------------------------------------------------------- */

typedef struct nl_buffer { /* bytes [head, tail) of data */
  char *data;
  size_t head, tail, size;
} nl_buffer;

bool nl_reserve (lua_State *L, nl_buffer *b, size_t room); /* [-0, +0, -] false: out of memory */
void nl_consume (lua_State *L, nl_buffer *b, size_t n);    /* [-0, +0, -] n bytes from the front */
void nl_settle (lua_State *L, nl_buffer *b);               /* [-0, +0, -] gives back what it does not need */
void nl_discard (nl_buffer *b);                            /* [-0, +0, -] all of it */

typedef struct nl_stream nl_stream;

typedef struct nl_layer nl_layer;

#define NL_ELAYER (-2) /* as errno: the layer itself knows what is wrong, and says it in `fail` */

typedef struct nl_layerclass { /* how bytes are carried: -1 sets errno, EAGAIN = wait */
  const char *name;
  ssize_t (*read)(nl_layer *l, nl_stream *s, void *to, size_t room); /* 0: the end */
  ssize_t (*write)(nl_layer *l, nl_stream *s, struct iovec *v, int n);
  int (*shutdown)(nl_layer *l, nl_stream *s, int how);
  /* The rest may be NULL. */
  int (*flush)(nl_layer *l, nl_stream *s); /* what write took and has not passed on: 0, or -1 */
  bool (*holds)(nl_layer *l);              /* read took more than it gave */
  int (*fail)(lua_State *L, nl_layer *l, const char *op); /* [-0, +2, m] nil, err, for NL_ELAYER */
  void (*release)(nl_layer *l, nl_stream *s);             /* the stream closes: never waits */
} nl_layerclass;

struct nl_layer {
  const nl_layerclass *class;
  nl_layer *below; /* what carries its bytes, or NULL: the descriptor */
};

#define NL_TLS "tls" /* the layer whose structure begins with: */

typedef struct nl_session { /* what the bindings of TLS share; the types are OpenSSL's */
  nl_layer layer;
  void *ssl;
  char *host;    /* who the peer has to be: a name or a numeric address; of a server: whom the client wants */
  void *refused; /* X509 that was not trusted, or NULL */
  void *sent;    /* STACK_OF(X509): what the peer sent then, or NULL */
  long verdict;  /* X509_V_* of it */
  int depth;     /* where it stands in the chain */
  bool server;
  bool verify;  /* the peer must prove who it is */
  bool asked;   /* a server: which context fits the name was asked */
  bool refuses; /* and the answer was that none does */
  bool established, verified;
  bool shared; /* a key that both know stands for a certificate */
  bool bound;  /* its keying material is that of no other session */
} nl_session;

struct nl_stream {
  nl_handle handle;
  nl_layer *layer;
  nl_buffer in;
  uint32_t max_line; /* bytes in one line, see NL_MAXLINE */
  uint32_t max_read; /* bytes in one read, see NL_MAXBODY */
  int pending;       /* an errno that ended the stream; an end that follows it is none */
  bool drained;      /* the last read was short: the next one waits first */
  bool ended;        /* the peer's end was read */
  bool deaf;         /* shutdown("r") */
  bool connecting;   /* connect(2) has begun */
  bool blocking;     /* the descriptor is shared and may block: always wait first */
  bool loose;        /* a datagram socket that takes the family of its first address */
  bool greets;       /* a listener: what it accepts has its user value, and `greeting` set */
  bool unlink;       /* it made a socket file, to be removed on close if it is still the same */
  dev_t device;      /* that file */
  ino_t inode;
  uint16_t mode;   /* of that file, with S_IFSOCK; 0: as the umask has it */
  uint16_t family; /* AF_*, once asked for; see nl_familyof */
};

extern const nl_class nl_stream_class;          /* read, write, recv, send, peek, unread, shutdown ... */
extern nl_layer nl_socket_layer, nl_file_layer; /* the descriptor itself */
extern const nl_word nl_hows[];                 /* "r", "w", "rw" of shutdown */
extern const luaL_Reg nl_reader_methods[];      /* the reading half, in reader.c */

nl_stream *nl_newstream (lua_State *L, const nl_class *class); /* [-0, +1, m] no descriptor yet */
void nl_openstream (nl_stream *s, int fd, nl_layer *layer);    /* takes the descriptor */
/* Whether a call would not block: a descriptor that other programs share stays blocking, and is asked. */
bool nl_ready (const nl_stream *s, short events);    /* false: errno is EAGAIN; POLLIN or POLLOUT */
void nl_ownfile (nl_stream *s, const nl_address *a); /* bound to a path: it removes the file on close */
void nl_releasestream (lua_State *L, void *self);    /* [-0, +0, -] the release of every class of streams */
/* Reads into `in`, at least `room` bytes of space: > 0, 0 the end, -1 with errno. */
ssize_t nl_fill (lua_State *L, nl_stream *s, size_t room); /* [-0, +0, -] */
/* The same for an attempt: waits first where nothing is to be expected. */
ssize_t nl_more (lua_State *L, nl_stream *s, nl_wait *w, size_t room); /* [-0, +0, -] */
/* Whether a layered stream whose descriptor is readable has bytes of its own, an end or an error to give. */
bool nl_readable (lua_State *L, nl_stream *s);                  /* [-0, +0, -] */
void nl_setlayer (lua_State *L, nl_stream *s, nl_layer *layer); /* [-0, +0, -] on top of the one it has */

/* ---- what the bindings of sockets share ------------------------------------------------------- */

extern const nl_class nl_listener_class, nl_datagram_class; /* nl_streams with methods of the bindings */

#define NL_NOZONE "a link-local address needs a zone, as in fe80::1%eth0"
#define NL_PUTZONE "Put the zone behind the address: %, and an interface that netlua ifaces lists."

/* Host and port at arg and arg + 1, no port for a unix path. 0, or 2 with nil, err pushed. */
int nl_checkaddress (lua_State *L, int arg, const char *op, nl_address *a); /* [-0, +0|2, v] */
/* The error of a system call about an address, which says what is wrong with its zone, if that is it. */
int nl_failedat (lua_State *L, const char *op, int number, const nl_address *a); /* [-0, +2, m] */
/* The same of what connect(2) and send(2) said; EINVAL for a blackhole route has kind "unreachable". */
int nl_unsent (lua_State *L, const char *op, int number, const nl_address *to); /* [-0, +2, m] */
void nl_blackhole (lua_State *L); /* [-0, +0, m] the kind and message of that, for the error on top */
/* What became of a field of the options at arg, which is named with its value; 0: it is no address. */
int nl_badoption (lua_State *L, const char *op, int number, int arg, const char *name); /* [-0, +2, m] */
int nl_domain (int fd);         /* AF_*, AF_UNSPEC where it is no socket */
int nl_typeof (int fd);         /* SOCK_* */
int nl_familyof (nl_stream *s); /* the same, asked of the kernel once */
/* A socket made without a family takes that of the first address it meets, with its options. */
int nl_matchfamily (lua_State *L, nl_stream *s, int family); /* [-0, +0, -] 0, or -1 with errno */
/* The same, and the address becomes one for the socket: an IPv6 socket reaches IPv4 by mapped ones. */
int nl_fitaddress (lua_State *L, nl_stream *s, nl_address *a); /* [-0, +0, -] 0, or -1 with errno */
ssize_t nl_datagramroom (int fd, size_t max); /* room that the next datagram needs; no more than max */
bool nl_endofrecords (int fd); /* whether a receive of no bytes was the end, and no empty datagram */
/* What a receive that failed answers: nil at the end, which is where this side was shut down. */
int nl_nothing (lua_State *L, nl_stream *s, nl_wait *w, const char *op); /* [-0, +0|1|2, m] */
/* NL_AGAIN, of a send that found no room at `to`, or NULL where it is connected: nothing tells when a unix
 * socket that it is not connected to has some again. */
int nl_sendlater (nl_wait *w, const nl_address *to); /* [-0, +0, -] */
int nl_queuederror (int fd); /* takes one error off the socket's queue: its errno, or 0 */

typedef struct nl_interface {
  unsigned index; /* 0: the system's choice */
  uint32_t inet;  /* an IPv4 address of it in network order, where known; or 0 */
} nl_interface;

bool nl_findinterface (const char *text, nl_interface *in); /* by name or address */
void nl_interfaceaddress (nl_interface *in);                /* finds its IPv4 address */
/* Name, index or address; nil, false, 0 and "*": the system's choice. 0, or 2 with nil, err ENODEV. */
int nl_checkinterface (lua_State *L, int arg, const char *op, nl_interface *in); /* [-0, +0|2, v] */
/* The same of the field "interface" of an option table. */
int nl_fieldinterface (lua_State *L, int arg, const char *op, nl_interface *in); /* [-0, +0|2, v] */
void nl_pushinterface (lua_State *L, unsigned index);       /* [-0, +1, m] name, or index, or false for 0 */
int nl_setinterface (int fd, int family, nl_interface *in); /* where multicast leaves; -1 with errno */
int nl_getinterface (int fd, int family, nl_interface *in); /* -1 with errno */
void nl_carryinterface (int from, int to, int family);      /* from an IPv4 socket to another */

typedef struct nl_member { /* of a poller */
  int fd;
  short events; /* POLLIN, POLLOUT, POLLPRI */
} nl_member;

typedef struct nl_poller { /* an epoll descriptor as an object: readable when a member is ready */
  nl_handle handle;
  struct nl_poller *before, *after;
  nl_member *members; /* by descriptor; those that left have no events */
  size_t n, live;
  struct epoll_event *ready; /* what nl_pollerlook found, by descriptor */
  size_t nready;
  bool owned; /* every member is an object and leaves when it closes */
  bool stale; /* a member left: make a new one */
} nl_poller;

extern const nl_class nl_poller_class;
/* One of the n members in *members, which it takes: made now or kept from before. Members may repeat.
 * NULL with errno: something closed is on the stack. */
nl_poller *nl_pollerof (lua_State *L, nl_guard *members, size_t n, bool owned); /* [-0, +1, m] */
void nl_pollerlook (nl_poller *p);                 /* which members are ready now */
short nl_pollerready (const nl_poller *p, int fd); /* how, at the last look: POLLIN ... POLLERR, POLLHUP */

/* ---- rtnetlink: interfaces, addresses, routes -------------------------------------------------- */

struct nlmsghdr;
struct rtattr;

typedef struct nl_netlink { /* a socket of NETLINK_ROUTE and the datagram that came last */
  int fd;
  uint32_t port;
  char *bytes;
  size_t size, length, at;
} nl_netlink;

typedef void nl_visit (lua_State *L, const struct nlmsghdr *m, void *context);
/* [-0, +0, m] adds what a message says to the table on top */

int nl_netlinkopen (nl_netlink *n, uint32_t groups);   /* 0, or -1 with errno: nothing to close */
void nl_netlinkclose (nl_netlink *n);                  /* the socket, and the memory */
int nl_netlinkreceive (nl_netlink *n);                 /* a datagram of the kernel: 0, or -1 with errno */
const struct nlmsghdr *nl_netlinknext (nl_netlink *n); /* its next message, or NULL */
/* A table that visit has filled with the answer to a request, to which this adds flags; or nil, err. */
int nl_netlinkask (lua_State *L, const char *op, struct nlmsghdr *request, nl_visit *visit,
                   void *context); /* [-0, +1|2, m] a guard stays below */

/* The attributes behind a header of that size, by their type; NULL where there is none of it. False: the
 * message is shorter than the header. */
bool nl_attributes (const struct nlmsghdr *m, size_t header, const struct rtattr *found[], unsigned count);
void nl_attributesin (const void *first, size_t length, const struct rtattr *found[], unsigned count);
void nl_nested (const struct rtattr *nest, const struct rtattr *found[], unsigned count); /* may be NULL */
bool nl_number (const struct rtattr *a, uint32_t *number); /* false: no attribute of four bytes */
void nl_addattribute (struct nlmsghdr *m, unsigned short type, const void *data, size_t length);
/* An address whose zone is that interface where it is link-local. False: no address of that family. */
bool nl_toaddress (const struct rtattr *a, int family, unsigned index, nl_address *to);
void nl_append (lua_State *L); /* [-1, +0, m] to the list below it */
/* Fields of the table on top; a field stays absent where there is no attribute, or one of another size. */
void nl_settext (lua_State *L, const char *name, const struct rtattr *a);   /* [-0, +0, m] */
void nl_setnumber (lua_State *L, const char *name, const struct rtattr *a); /* [-0, +0, m] */
void nl_setaddress (lua_State *L, const char *name, const struct rtattr *a, int family,
                    unsigned index);                                               /* [-0, +0, m] */
void nl_setmac (lua_State *L, const char *name, const struct rtattr *a);           /* [-0, +0, m] */
void nl_setword (lua_State *L, const char *name, const nl_word *words, int value); /* [-0, +0, m] or digits */
void nl_setflags (lua_State *L, const char *name, const nl_word *words, uint32_t flags); /* [-0, +0, m] */

/* ---- socket options --------------------------------------------------------------------------- */

enum nl_kind {
  NL_BOOLEAN, /* an int */
  NL_INTEGER,
  NL_UNSIGNED, /* 32 bits */
  NL_WIDE,     /* 64 bits */
  NL_LINGER,
  NL_TIMEVAL, /* these four are seconds in Lua */
  NL_SECONDS,
  NL_MILLIS,
  NL_MICROS,
  NL_STRING,
  NL_OUTGOING, /* these three are interfaces: IP_MULTICAST_IF, */
  NL_INDEX,    /* an index, */
  NL_NETINDEX, /* an index in network order */
  NL_MEMBERSHIP,
  NL_CREDENTIALS,
  NL_GROUPS,
  NL_INFO,
  NL_FILTER,
  NL_BYTES,
  NL_NONE /* takes no value and has none */
};

typedef struct nl_option {
  const char *name;
  int level, number;
  enum nl_kind kind;
  const char *explanation;
} nl_option;

extern const nl_option nl_options[];     /* ends with a row without a name */
extern const nl_word nl_levels[];        /* SOL_*, IPPROTO_* */
extern const nl_word nl_constants[];     /* MSG_* and values of options */
extern const char *const nl_kindnames[]; /* what a script is told of a kind */
bool nl_findname (const nl_word *words, const char *name, int *value);
const nl_option *nl_optionbyname (const char *name);    /* "SO_REUSEADDR" or an older name; or NULL */
const nl_option *nl_optionbyanyname (const char *name); /* "reuseaddr", "tcp-nodelay" too */
const nl_option *nl_optionbynumber (int level, int number);
int nl_pushoption (lua_State *L, int fd, const nl_option *o); /* [-0, +1|2, m] its value, or nil, err */

/* ---- what the bindings of OpenSSL share, in bindings/openssl.c; its types are void here -------- */

#define NL_MAXDER (1 << 20) /* bytes of a certificate: its tables take a hundred times as much */

void nl_dropx509 (void *x);        /* these are for guards: an X509, */
void nl_dropbio (void *bio);       /* a BIO, */
void nl_dropbytes (void *bytes);   /* what OPENSSL_malloc gave, */
void nl_dropcrl (void *crl);       /* an X509_CRL, */
void nl_dropkey (void *key);       /* an EVP_PKEY, */
void nl_dropobject (void *object); /* an ASN1_OBJECT, */
void nl_dropstore (void *store);   /* an X509_STORE */
/* The first guard of a call, the last to go: what is in the queue of errors is this call's. */
void nl_beginopenssl (lua_State *L);       /* [-0, +1, m] */
void nl_need (lua_State *L, bool fine);    /* [-0, +0, m] false: OpenSSL ran out of memory, which raises */
void *nl_newbio (lua_State *L);            /* [-0, +1, m] BIO in memory, in a guard */
unsigned long nl_sslreason (void);         /* [-0, +0, -] why, or 0; empties OpenSSL's queue */
void nl_pushbio (lua_State *L, void *bio); /* [-0, +1, m] what the BIO in memory holds, which is empty then */
void nl_pushhex (lua_State *L, const unsigned char *bytes, size_t n); /* [-0, +1, m] */
/* As hexadecimal digits, by that EVP_MD. */
void nl_pushdigest (lua_State *L, const void *bytes, size_t n, const void *md); /* [-0, +1, m] */
void nl_pushspki (lua_State *L, void *x); /* [-0, +1, m] SubjectPublicKeyInfo of an X509: key and algorithm */
/* The X509 that the bytes are, all of them, in a guard; or NULL. */
void *nl_tox509 (lua_State *L, const char *der, size_t len); /* [-0, +1, m] */
bool nl_isdelta (const void *crl); /* an X509_CRL with changes only: OpenSSL would take it for a whole one */
/* X509_PARSE, unless the queue of errors says that memory ran out. */
int nl_malformed (lua_State *L, const char *what); /* [-0, +2, m] nil, err; returns 2 */

/* ---- bindings: one entry each, all they export ------------------------------------------------ */

int luaopen_net_socket (lua_State *L);      /* [-0, +1, m] */
int luaopen_net_listener (lua_State *L);    /* [-0, +1, m] */
int luaopen_net_option (lua_State *L);      /* [-0, +1, m] */
int luaopen_net_multicast (lua_State *L);   /* [-0, +1, m] */
int luaopen_net_message (lua_State *L);     /* [-0, +1, m] */
int luaopen_net_select (lua_State *L);      /* [-0, +1, m] */
int luaopen_net_resolve (lua_State *L);     /* [-0, +1, m] */
int luaopen_net_addr (lua_State *L);        /* [-0, +1, m] */
int luaopen_net_iface (lua_State *L);       /* [-0, +1, m] */
int luaopen_net_route (lua_State *L);       /* [-0, +1, m] */
int luaopen_net_probe (lua_State *L);       /* [-0, +1, m] */
int luaopen_net_procfs (lua_State *L);      /* [-0, +1, m] */
int luaopen_net_tls (lua_State *L);         /* [-0, +1, v] */
int luaopen_net_tlscontext (lua_State *L);  /* [-0, +1, v] */
int luaopen_net_tlssession (lua_State *L);  /* [-0, +1, v] */
int luaopen_net_greeting (lua_State *L);    /* [-0, +1, m] */
int luaopen_net_ocsp (lua_State *L);        /* [-0, +1, v] */
int luaopen_net_certificate (lua_State *L); /* [-0, +1, v] */
int luaopen_net_x509 (lua_State *L);        /* [-0, +1, v] */
int luaopen_net_trust (lua_State *L);       /* [-0, +1, v] */
int luaopen_net_certify (lua_State *L);     /* [-0, +1, v] */

#endif
