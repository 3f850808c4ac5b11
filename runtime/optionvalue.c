/*
 * optionvalue.c: the values of socket options as the kernel gives them, turned into values of Lua.
 */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/time.h>

#include "netlua.h"

static void setinteger (lua_State *L, const char *name, lua_Integer n) {
  lua_pushinteger(L, n);
  lua_setfield(L, -2, name);
}

static void setnumber (lua_State *L, const char *name, double n) {
  lua_pushnumber(L, n);
  lua_setfield(L, -2, name);
}

static void setboolean (lua_State *L, const char *name, bool b) {
  lua_pushboolean(L, b);
  lua_setfield(L, -2, name);
}

typedef struct field { /* of struct tcp_info */
  const char *name;
  size_t offset, size;
  double unit;   /* divides into seconds; 0: a count */
  uint64_t none; /* what stands for "not known" or "no limit"; 0: nothing does */
} field;

#define F(name, unit)                                                                                        \
  { #name, offsetof(struct tcp_info, tcpi_##name), sizeof(((struct tcp_info *)0)->tcpi_##name), unit, 0 }
#define OPEN(name, unit, none)                                                                               \
  { #name, offsetof(struct tcp_info, tcpi_##name), sizeof(((struct tcp_info *)0)->tcpi_##name), unit, none }

static const field fields[] = {F(ca_state, 0),
                               F(retransmits, 0),
                               F(probes, 0),
                               F(backoff, 0),
                               F(rto, 1e6),
                               F(ato, 1e6),
                               F(snd_mss, 0),
                               F(rcv_mss, 0),
                               F(unacked, 0),
                               F(sacked, 0),
                               F(lost, 0),
                               F(retrans, 0),
                               F(last_data_sent, 1e3),
                               F(last_data_recv, 1e3),
                               F(last_ack_recv, 1e3),
                               F(pmtu, 0),
                               F(rcv_ssthresh, 0),
                               F(rtt, 1e6),
                               F(rttvar, 1e6),
                               F(snd_ssthresh, 0),
                               F(snd_cwnd, 0),
                               F(advmss, 0),
                               F(reordering, 0),
                               F(rcv_rtt, 1e6),
                               F(rcv_space, 0),
                               F(total_retrans, 0),
                               OPEN(pacing_rate, 0, UINT64_MAX),
                               OPEN(max_pacing_rate, 0, UINT64_MAX),
                               F(bytes_acked, 0),
                               F(bytes_received, 0),
                               F(segs_out, 0),
                               F(segs_in, 0),
                               F(notsent_bytes, 0),
                               OPEN(min_rtt, 1e6, UINT32_MAX),
                               F(data_segs_in, 0),
                               F(data_segs_out, 0),
                               F(delivery_rate, 0),
                               F(busy_time, 1e6),
                               F(rwnd_limited, 1e6),
                               F(sndbuf_limited, 1e6),
                               F(delivered, 0),
                               F(delivered_ce, 0),
                               F(bytes_sent, 0),
                               F(bytes_retrans, 0),
                               F(dsack_dups, 0),
                               F(reord_seen, 0),
                               F(rcv_ooopack, 0),
                               F(snd_wnd, 0)};

static uint64_t number (const char *bytes, const field *f) {
  uint64_t wide = 0;
  uint32_t half = 0;
  if (f->size == 1) return (unsigned char)bytes[f->offset];
  if (f->size == sizeof half) {
    memcpy(&half, bytes + f->offset, sizeof half);
    return half;
  }
  memcpy(&wide, bytes + f->offset, sizeof wide);
  return wide;
}

/* An older kernel knows fewer fields. */
static void pushinfo (lua_State *L, const char *bytes, size_t len) {
  static const char *const states[] = {"?",         "ESTABLISHED", "SYN_SENT",    "SYN_RECV",   "FIN_WAIT1",
                                       "FIN_WAIT2", "TIME_WAIT",   "CLOSE",       "CLOSE_WAIT", "LAST_ACK",
                                       "LISTEN",    "CLOSING",     "NEW_SYN_RECV"};
  struct tcp_info info;
  memset(&info, 0, sizeof info);
  memcpy(&info, bytes, len < sizeof info ? len : sizeof info);
  size_t state = info.tcpi_state < sizeof states / sizeof *states ? info.tcpi_state : 0;
  lua_createtable(L, 0, 56);
  lua_pushstring(L, states[state]);
  lua_setfield(L, -2, "state");
  setboolean(L, "timestamps", info.tcpi_options & TCPI_OPT_TIMESTAMPS);
  setboolean(L, "sack", info.tcpi_options & TCPI_OPT_SACK);
  setboolean(L, "ecn", info.tcpi_options & TCPI_OPT_ECN);
  setboolean(L, "window_scaling", info.tcpi_options & TCPI_OPT_WSCALE);
  setinteger(L, "snd_wscale", info.tcpi_snd_wscale);
  setinteger(L, "rcv_wscale", info.tcpi_rcv_wscale);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    const field *f = &fields[i];
    if (f->offset + f->size > len) continue;
    uint64_t value = number(bytes, f);
    if (f->none != 0 && value == f->none) continue;
    if (f->unit == 0) setinteger(L, f->name, (lua_Integer)value);
    else setnumber(L, f->name, (double)value / f->unit);
  }
}

static void pushgroups (lua_State *L, const char *bytes, size_t len) {
  lua_newtable(L);
  for (size_t i = 0; (i + 1) * sizeof(gid_t) <= len; i++) {
    gid_t group;
    memcpy(&group, bytes + i * sizeof group, sizeof group);
    lua_pushinteger(L, group);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* Other sockets than those of AF_UNIX have a peer without a user. */
static int pushcredentials (lua_State *L, const char *bytes, size_t len) {
  struct ucred peer = {0, (uid_t)-1, 0};
  memcpy(&peer, bytes, len < sizeof peer ? len : sizeof peer);
  if (peer.uid == (uid_t)-1) {
    return nl_fail(L, "getsockopt", "ENOPROTOOPT", "only a connected unix socket has peer credentials");
  }
  lua_createtable(L, 0, 3);
  setinteger(L, "pid", peer.pid);
  setinteger(L, "uid", peer.uid);
  setinteger(L, "gid", peer.gid);
  return 1;
}

static void pushlinger (lua_State *L, const struct linger *l) {
  lua_createtable(L, 0, 2);
  setboolean(L, "on", l->l_onoff);
  setinteger(L, "seconds", l->l_linger);
}

typedef union result {
  int integer;
  unsigned natural;
  uint64_t wide;
  struct linger linger;
  struct timeval time;
  char bytes[4096];
} result;

static int pushresult (lua_State *L, const nl_option *o, const result *r, size_t len) {
  switch (o->kind) {
    case NL_BOOLEAN:
      lua_pushboolean(L, r->integer);
      break;
    case NL_INTEGER:
      lua_pushinteger(L, r->integer);
      break;
    case NL_UNSIGNED:
      lua_pushinteger(L, r->natural);
      break;
    case NL_WIDE:
      lua_pushinteger(L, (lua_Integer)r->wide);
      break;
    case NL_LINGER:
      pushlinger(L, &r->linger);
      break;
    case NL_TIMEVAL:
      lua_pushnumber(L, (double)r->time.tv_sec + (double)r->time.tv_usec / 1e6);
      break;
    case NL_SECONDS:
      lua_pushinteger(L, r->integer);
      break;
    case NL_MILLIS:
      lua_pushnumber(L, r->integer / 1e3);
      break;
    case NL_MICROS:
      lua_pushnumber(L, r->integer / 1e6);
      break;
    case NL_STRING:
      lua_pushlstring(L, r->bytes, strnlen(r->bytes, len));
      break;
    case NL_INDEX:
      nl_pushinterface(L, r->natural);
      break;
    case NL_NETINDEX:
      nl_pushinterface(L, ntohl(r->natural));
      break;
    case NL_CREDENTIALS:
      return pushcredentials(L, r->bytes, len);
    case NL_GROUPS:
      pushgroups(L, r->bytes, len);
      break;
    case NL_INFO:
      pushinfo(L, r->bytes, len);
      break;
    default:
      lua_pushlstring(L, r->bytes, len);
  }
  return 1;
}

static socklen_t sizeofkind (enum nl_kind kind) {
  switch (kind) {
    case NL_BOOLEAN:
    case NL_INTEGER:
    case NL_UNSIGNED:
    case NL_SECONDS:
    case NL_MILLIS:
    case NL_MICROS:
    case NL_INDEX:
    case NL_NETINDEX:
      return sizeof(int);
    case NL_WIDE:
      return sizeof(uint64_t);
    case NL_LINGER:
      return sizeof(struct linger);
    case NL_TIMEVAL:
      return sizeof(struct timeval);
    case NL_CREDENTIALS:
      return sizeof(struct ucred);
    default:
      return sizeof(result);
  }
}

static int pushoutgoing (lua_State *L, int fd) {
  nl_interface in;
  if (nl_getinterface(fd, AF_INET, &in) < 0) return nl_errno(L, "getsockopt", errno);
  nl_pushinterface(L, in.index);
  return 1;
}

/* The value of a known option of a descriptor, or nil, err. */
int nl_pushoption (lua_State *L, int fd, const nl_option *o) {
  result r;
  socklen_t len = sizeofkind(o->kind);
  bool unreadable = o->kind == NL_MEMBERSHIP || o->kind == NL_NONE || o->kind == NL_FILTER;
  memset(&r, 0, sizeof r);
  if (o->kind == NL_OUTGOING) return pushoutgoing(L, fd);
  if (unreadable) return nl_fail(L, "getsockopt", "ENOPROTOOPT", "it can only be set");
  if (getsockopt(fd, o->level, o->number, &r, &len) < 0) return nl_errno(L, "getsockopt", errno);
  return pushresult(L, o, &r, len < sizeof r ? len : sizeof r);
}
