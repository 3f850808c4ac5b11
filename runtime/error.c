/*
 * error.c: error objects and the one list of codes. A failure of the world is a table of class
 * net.error; its code, kind and explanation come from the table below, which docs/errors.md repeats
 * and a spec compares.
 */
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

typedef struct codeinfo {
  const char *code, *kind, *message, *explain;
  int number; /* errno, or EAI_* where the code begins so; 0: ours */
} codeinfo;

#define E(name, kind, message, explain)                                                                      \
  { #name, kind, message, explain, name }
#define N(name, kind, message, explain)                                                                      \
  { name, kind, message, explain, 0 }

static const codeinfo codes[] = {
    E(ECONNREFUSED, "refused", "connection refused",
      "The host answers, but nothing listens on that port, or a firewall rejects it. Check that the "
      "service runs and on which address and port it listens."),
    E(ETIMEDOUT, "timeout", "connection timed out",
      "The peer stopped answering, or packets are dropped on the way. Try another port of the same "
      "host to tell a dead host from a filtered port."),
    E(ENETUNREACH, "unreachable", "network is unreachable",
      "This machine has no route to that address. Check the routing table with netlua route, and whether "
      "IPv6 works here at all if the address is IPv6."),
    E(EHOSTUNREACH, "unreachable", "no route to host",
      "A router, or this machine when nobody answered its ARP or neighbour request, says that the host "
      "cannot be reached. Check that it is switched on and in that network."),
    E(ENETDOWN, "unreachable", "network is down", "The interface is down. Bring it up first."),
    E(EHOSTDOWN, "unreachable", "host is down", "The host does not answer on its own network."),
    E(ENONET, "unreachable", "machine is not on the network", "No network is configured."),
    E(ECONNRESET, "reset", "connection reset by peer",
      "The peer dropped the connection: it crashed, closed with unread data, or a middlebox cut it. "
      "Bytes in flight are lost; look at the peer's log."),
    E(ECONNABORTED, "reset", "connection aborted",
      "The connection ended before it was accepted. One client went away; go on accepting."),
    E(EPIPE, "closed", "the peer no longer reads",
      "The peer, or this side by shutdown, closed the direction that was written to. Read what the peer "
      "sent before it closed: it often says why. A TCP socket that never connected says so, too."),
    E(ENOTCONN, "closed", "not connected", "Connect the socket first, or it was shut down already."),
    E(EISCONN, "inuse", "already connected", "One socket connects once: make a new one."),
    E(EALREADY, "busy", "operation already in progress", "Wait for the first one to end."),
    E(EINPROGRESS, "busy", "operation in progress", "Wait for it to end."),
    E(EADDRINUSE, "inuse", "address already in use",
      "Another socket holds that address and port. Find it with netlua freeport PORT --who, choose another "
      "port, or port 0 for any free one."),
    E(EADDRNOTAVAIL, "address", "address not available",
      "No interface of this machine has that address (netlua ifaces lists those it has), or all local ports "
      "towards that target are used."),
    E(EDESTADDRREQ, "address", "destination address required",
      "A datagram needs a destination: use sendto, or connect first."),
    E(EAFNOSUPPORT, "address", "address family not supported",
      "The address is of another family than the socket, or that family is switched off here."),
    E(EPFNOSUPPORT, "address", "protocol family not supported", "The system lacks that family."),
    E(EINVAL, "address", "invalid argument",
      "An address, port or value is not of the form that is asked for, which the message then says, or the "
      "kernel takes it for wrong here. On connect: a blackhole route, or a link-local IPv6 address without "
      "a zone such as %eth0."),
    E(ENOENT, "address", "no such file or directory",
      "No such path. For a unix socket: the server is not running, or the path is another."),
    E(ENOTDIR, "address", "not a directory", "A part of the path is a file."),
    E(ENOTSOCK, "address", "not a socket", "The descriptor or path is something else than a socket."),
    E(ENXIO, "address", "no such device or address", "Nothing is attached at that address."),
    E(ENODEV, "address", "no such device",
      "No interface of that name or address (netlua ifaces -a lists them), or no route to the group."),
    E(ENAMETOOLONG, "address", "name too long", "The name or path is longer than the system takes."),
    E(EACCES, "permission", "permission denied",
      "The system refuses: a port below 1024 without privilege, a socket file's mode, a broadcast not "
      "switched on, or a prohibit route."),
    E(EPERM, "permission", "operation not permitted",
      "The system or a local firewall rule refuses. Try with the privilege that is needed."),
    E(EROFS, "permission", "read-only file system", "Choose a path that can be written."),
    E(EMFILE, "limit", "too many open files",
      "This process has no descriptors left. Close what is not needed, or raise the limit with ulimit -n."),
    E(ENFILE, "limit", "too many open files in the system", "The whole system has no descriptors left."),
    E(ENOBUFS, "limit", "no buffer space available", "The kernel is short of memory for the network."),
    E(ENOMEM, "limit", "out of memory", "Memory ran out. Lower the number of tasks or the read limits."),
    E(ENOSPC, "limit", "no space left", "The device or table is full."),
    E(EFBIG, "limit", "file too large", "The file is over the limit of the system."),
    E(EDQUOT, "limit", "quota exceeded", "The disk quota is used up."),
    E(EMSGSIZE, "limit", "message too long",
      "A datagram larger than the protocol or the path takes: at most 65,507 bytes over IPv4 UDP."),
    E(ENOPROTOOPT, "protocol", "protocol option not available", "This socket has no such option."),
    E(EPROTONOSUPPORT, "protocol", "protocol not supported",
      "The system lacks that protocol, or a socket of that type does not speak it."),
    E(EPROTOTYPE, "protocol", "wrong protocol type for socket",
      "The path is a socket of another type, say datagram where a stream was asked for."),
    E(ESOCKTNOSUPPORT, "protocol", "socket type not supported", "The system lacks that type."),
    E(EOPNOTSUPP, "protocol", "operation not supported", "This kind of socket cannot do that."),
    E(EPROTO, "protocol", "protocol error", "The peer broke the protocol."),
    E(EBADMSG, "protocol", "bad message",
      "The bytes that came are not of the form that was asked for. They stay in the buffer: look at "
      "them with peek."),
    E(EBADF, "closed", "bad file descriptor",
      "No descriptor of that number is open. That of an object was closed behind its back."),
    E(EIO, "reset", "input/output error", "The device failed."),
    E(EFAULT, "protocol", "bad address", "A defect of this program: please report it."),
    E(EINTR, "canceled", "interrupted", "A signal came in between."),
    E(ENOSYS, "protocol", "function not implemented", "The kernel lacks that call."),
    E(EEXIST, "inuse", "file exists", "Something stands at that path already."),
    E(ESPIPE, "protocol", "no positions in it",
      "A pipe or terminal stands where a file is needed: read what comes and write it."),
    E(EISDIR, "address", "is a directory", "The path names a directory."),
    E(ELOOP, "address", "too many symbolic links", "The path leads in a circle."),
    E(EBUSY, "busy", "device or resource busy",
      "The system is changing what was asked for. Try again in a moment."),
    E(EDEADLK, "busy", "every task waits for another task",
      "Nothing outside can wake any task any more. Look for a channel, event or join that nobody will "
      "serve."),
    E(EAI_NONAME, "dns", "name does not exist",
      "There is no such name, or the text is no address. Check the spelling."),
    E(EAI_AGAIN, "dns", "name server does not answer",
      "No name server could be reached just now. Check /etc/resolv.conf and the way to the servers in it."),
    E(EAI_FAIL, "dns", "name server failed", "The name server answered with a failure."),
    E(EAI_NODATA, "dns", "name has no address",
      "The name exists but has no address of that family. Ask for the other family."),
    E(EAI_ADDRFAMILY, "dns", "name has no address of that family", "Ask for the other family."),
    E(EAI_FAMILY, "dns", "address family not supported", "Ask for inet or inet6."),
    E(EAI_SERVICE, "dns", "unknown service",
      "Give the port as a number, or a name of /etc/services, which has some for TCP or UDP alone."),
    E(EAI_SOCKTYPE, "dns", "socket type not supported", "The service does not exist for that type."),
    E(EAI_BADFLAGS, "dns", "bad flags", "The flags contradict each other."),
    E(EAI_MEMORY, "limit", "out of memory", "Memory ran out in the resolver."),
    E(EAI_SYSTEM, "dns", "system error in the resolver", "See the errno beside it."),
    E(EAI_IDN_ENCODE, "dns", "name cannot be encoded",
      "The name is no text in the encoding of the locale, or no valid international name."),
    E(EAI_OVERFLOW, "dns", "name too long", "The name is longer than a host name can be."),
    N("TIMEOUT", "timeout", "timed out",
      "Nothing came within the time allowed. The peer may be slow, stuck or gone: raise the timeout to "
      "tell."),
    N("TTL_EXCEEDED", "unreachable", "the packet's hops ran out on the way",
      "A router dropped the packet because it had been forwarded as often as its TTL allows. With an "
      "ordinary TTL two routers send packets to each other in a loop: trace the path."),
    N("PROHIBITED", "unreachable", "a router or firewall prohibits it",
      "Whoever sent that ICMP message forwards nothing there by a rule. Ask its operator, or try another "
      "port or protocol: rules often pass some."),
    N("ICMP_DENIED", "permission", "no privilege for ICMP",
      "This group is outside of net.ipv4.ping_group_range and the program has no CAP_NET_RAW. Do one of "
      "these: sysctl -w net.ipv4.ping_group_range='0 2147483647' as root, for everybody; setcap "
      "cap_net_raw+ep on the program; or ask a TCP port (--tcp PORT, mode=\"tcp\"), which needs none."),
    N("EOF", "closed", "the stream ended in the middle of what was asked for",
      "The peer closed early; what came is in err.partial."),
    N("CLOSED", "closed", "object is closed", "It was closed by this program before or during the call."),
    N("CANCELED", "canceled", "canceled", "The task or its scope was canceled, or ^C was pressed."),
    N("BUSY", "busy", "another task already waits here",
      "One reader and one writer at a time: let one task own each direction and share through a channel."),
    N("TOOBIG", "limit", "more than the limit",
      "The peer sent more than allowed in one piece. Raise max_line or max_read, or read with recv."),
    N("TLS_HANDSHAKE", "tls", "the TLS handshake failed",
      "The two sides did not come to terms: the peer speaks no TLS there, or no version, cipher or name in "
      "common, or it refuses a certificate. err.alert is what the peer said, err.received how it began, "
      "err.wants_certificate that it asked for one. Ask what it speaks with netlua tls --protocols."),
    N("TLS_TRUNCATED", "tls", "the peer ended without the end of TLS",
      "The connection was cut before close_notify: by the peer, which may have crashed, or by somebody in "
      "between. What came may be a part only: take it for complete only if its own form says so."),
    N("TLS_ALERT", "tls", "the peer ended the session",
      "After the handshake the peer refused something: often the client's certificate, which TLS 1.3 tells "
      "of so late. err.alert is what it said."),
    N("TLS_PROTOCOL", "tls", "broken TLS",
      "The bytes are no valid records: they were changed on the way, or the peer is broken. Nothing after "
      "them can be believed."),
    N("TLS_PLAINTEXT", "tls", "plain bytes came before TLS began",
      "They would be taken for protected ones, which is how commands are smuggled in. Read all of the plain "
      "answer before starttls; if there is more than the answer, somebody tampers with the connection."),
    N("STARTTLS_REFUSED", "protocol", "the server does not begin TLS",
      "It does not offer TLS on this port, or says no: err.reply is what it said. Its operator has to give "
      "it "
      "a certificate, or the service has another port with TLS from the start. If it used to offer TLS, "
      "somebody in between may have removed the offer: do not go on in plain text."),
    N("X509_PARSE", "protocol", "not a certificate",
      "A certificate is a block between -----BEGIN CERTIFICATE----- and -----END CERTIFICATE-----, or the "
      "same as bytes (DER). The message says what is there instead: a private key or a request belongs "
      "elsewhere; text without such a block is often an error page, or the wrong file."),
    N("TLS_VERIFY", "tls", "certificate is not trusted",
      "The certificate is not for the name that was asked for, is out of date, or does not lead to an "
      "authority that is trusted here: err.reason says which, err.certificate is the one at fault. Turn "
      "verification off for nothing but a look."),
    N("TLS_CONFIG", "tls", "certificate, key or setting cannot be used",
      "What this program was given does not go together: a key that is not that of the certificate, a "
      "wrong password, a file of another kind. The peer has no part in it."),
};

#define LONGESTTARGET ((size_t)255) /* bytes of a host or address in the text of an error */
#define NCODES (sizeof codes / sizeof *codes)

static bool iseai (const codeinfo *c) {
  return strncmp(c->code, "EAI_", 4) == 0;
}

static const codeinfo *bycode (const char *code) {
  for (size_t i = 0; i < NCODES; i++) {
    if (strcmp(codes[i].code, code) == 0) return &codes[i];
  }
  return NULL;
}

static const codeinfo *bynumber (int number, bool eai) {
  for (size_t i = 0; i < NCODES; i++) {
    if (codes[i].number == number && number != 0 && iseai(&codes[i]) == eai) return &codes[i];
  }
  return NULL;
}

const char *nl_errnoname (int number) {
  const codeinfo *c = bynumber(number, false);
  return c != NULL ? c->code : NULL;
}

/* What is longer is no host name, nor a path of a socket. */
static const char *cut (lua_State *L, const char *target) {
  if (strlen(target) <= LONGESTTARGET) return target;
  return lua_pushfstring(L, "%s...", lua_pushlstring(L, target, LONGESTTARGET));
}

static void pushtarget (lua_State *L, int err) {
  const char *host = lua_getfield(L, err, "host") == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  const char *address = lua_getfield(L, err, "address") == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  if (address == NULL) address = host;
  if (address != NULL) address = cut(L, address);
  if (address == NULL) lua_pushliteral(L, "");
  else if (nl_isunix(address) || !lua_isinteger(L, (lua_getfield(L, err, "port"), -1)))
    lua_pushfstring(L, " %s", address);
  else if (strchr(address, ':') == NULL) lua_pushfstring(L, " %s:%I", address, lua_tointeger(L, -1));
  else lua_pushfstring(L, " [%s]:%I", address, lua_tointeger(L, -1));
  lua_replace(L, err + 1);
  lua_settop(L, err + 1);
}

/* tostring(err) -> "connect 127.0.0.1:81: connection refused (ECONNREFUSED)" */
static int error_tostring (lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  pushtarget(L, 1);
  lua_getfield(L, 1, "op");
  lua_getfield(L, 1, "message");
  lua_getfield(L, 1, "code");
  for (int i = 3; i <= 5; i++) {
    if (lua_type(L, i) == LUA_TSTRING) continue;
    lua_pushliteral(L, "?");
    lua_replace(L, i);
  }
  lua_pushfstring(L, "%s%s: %s (%s)", lua_tostring(L, 3), lua_tostring(L, 2), lua_tostring(L, 4),
                  lua_tostring(L, 5));
  return 1;
}

/* err .. text, text .. err */
static int error_concat (lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  luaL_tolstring(L, 2, NULL);
  lua_concat(L, 2);
  return 1;
}

/* What a code means of a unix path, where hosts, ports and firewalls have no part in it; or NULL. */
static const char *ofunix (const char *code) {
  if (strcmp(code, "ECONNREFUSED") == 0)
    return "No server accepts connections at that path: it ended and left its file, or the file is no "
           "socket. Check that the service runs and where it listens.";
  if (strcmp(code, "EADDRINUSE") == 0)
    return "A server listens at that path, or something stands there that is no socket, which netlua does "
           "not replace. Stop the server, choose another path, or remove the file.";
  return NULL;
}

/* err:explain() -> the likely cause and the next thing to try */
static int error_explain (lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_pushliteral(L, "hint");
  if (lua_rawget(L, 1) == LUA_TSTRING) return 1; /* who made the error knows better */
  const char *code = lua_getfield(L, 1, "code") == LUA_TSTRING ? lua_tostring(L, -1) : "";
  const char *address = lua_getfield(L, 1, "address") == LUA_TSTRING ? lua_tostring(L, -1) : "";
  const char *unixwords = nl_isunix(address) ? ofunix(code) : NULL;
  const codeinfo *c = bycode(code);
  if (unixwords != NULL) lua_pushstring(L, unixwords);
  else lua_pushstring(L, c != NULL ? c->explain : "The system gives no more than its message.");
  return 1;
}

/* The list itself, for the docs: {{code, kind, message, explain}, ...} */
static int error_codes (lua_State *L) {
  lua_createtable(L, NCODES, 0);
  for (size_t i = 0; i < NCODES; i++) {
    lua_createtable(L, 0, 4);
    lua_pushstring(L, codes[i].code);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, codes[i].kind);
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, codes[i].message);
    lua_setfield(L, -2, "message");
    lua_pushstring(L, codes[i].explain);
    lua_setfield(L, -2, "explain");
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static void pushmeta (lua_State *L) {
  static const luaL_Reg metamethods[] = {
      {"__tostring", error_tostring}, {"__concat", error_concat}, {NULL, NULL}};
  if (!luaL_newmetatable(L, "net.error")) return;
  luaL_setfuncs(L, metamethods, 0);
  lua_newtable(L);
  lua_pushcfunction(L, error_explain);
  lua_setfield(L, -2, "explain");
  lua_setfield(L, -2, "__index");
}

static void setstring (lua_State *L, const char *name, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, name);
}

void nl_pusherror (lua_State *L, const char *op, const char *code, const char *message) {
  const codeinfo *c = bycode(code);
  luaL_checkstack(L, 5, NULL);
  lua_createtable(L, 0, 6);
  setstring(L, "code", code);
  setstring(L, "kind", c != NULL ? c->kind : "protocol");
  setstring(L, "op", op);
  setstring(L, "message", message != NULL ? message : c != NULL ? c->message : code);
  pushmeta(L);
  lua_setmetatable(L, -2);
}

static void setnumber (lua_State *L, int number) {
  lua_pushinteger(L, number);
  lua_setfield(L, -2, "errno");
}

void nl_pusherrno (lua_State *L, const char *op, int number) {
  const codeinfo *c = bynumber(number, false);
  char code[32];
  if (c != NULL) {
    nl_pusherror(L, op, c->code, NULL);
  } else {
    const char *name = strerrorname_np(number);
    (void)snprintf(code, sizeof code, "E%d", number);
    nl_pusherror(L, op, name != NULL ? name : code, strerrordesc_np(number));
  }
  setnumber(L, number);
}

int nl_fail (lua_State *L, const char *op, const char *code, const char *fmt, ...) {
  char message[256];
  va_list ap;
  va_start(ap, fmt);
  if (fmt != NULL) (void)vsnprintf(message, sizeof message, fmt, ap);
  va_end(ap);
  luaL_pushfail(L);
  nl_pusherror(L, op, code, fmt != NULL ? message : NULL);
  return 2;
}

int nl_errno (lua_State *L, const char *op, int number) {
  luaL_pushfail(L);
  nl_pusherrno(L, op, number);
  return 2;
}

int nl_result (lua_State *L, const char *op, int result) {
  int number = errno;
  if (result < 0) return nl_errno(L, op, number);
  lua_pushboolean(L, 1);
  return 1;
}

int nl_closed (lua_State *L, const char *op) {
  return nl_fail(L, op, "CLOSED", NULL);
}

int nl_gaierror (lua_State *L, const char *op, int status, int number) {
  const codeinfo *c = bynumber(status, true);
  if (status == EAI_SYSTEM && number != 0) return nl_errno(L, op, number);
  luaL_pushfail(L);
  nl_pusherror(L, op, c != NULL ? c->code : "EAI_FAIL", c != NULL ? NULL : gai_strerror(status));
  return 2;
}

int nl_throw (lua_State *L, const char *op, const char *code) {
  nl_pusherror(L, op, code, NULL);
  return lua_error(L);
}

int nl_eof (lua_State *L) {
  lua_pushnil(L);
  return 1;
}

/* net.error(op, code, message) -> err: for library code in Lua */
static int error_new (lua_State *L) {
  const char *op = luaL_checkstring(L, 1);
  const char *code = luaL_checkstring(L, 2);
  nl_pusherror(L, op, code, luaL_optstring(L, 3, NULL));
  return 1;
}

/* errno(op, number) -> err: what SO_ERROR gives, as an error */
static int error_errno (lua_State *L) {
  const char *op = luaL_checkstring(L, 1);
  nl_pusherrno(L, op, (int)nl_checkrange(L, 2, 1, INT32_MAX));
  return 1;
}

int nl_openerror (lua_State *L) {
  static const luaL_Reg functions[] = {
      {"new", error_new}, {"errno", error_errno}, {"codes", error_codes}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
