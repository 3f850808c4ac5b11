/*
 * route.c: which way packets go: the kernel's answer for one destination, its default routes, and the
 * neighbours it knows, by rtnetlink(7). lualib/net/route.lua adds what stands elsewhere.
 */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "netlua.h"

#define ATTRIBUTES 128 /* bytes for those of a request */

typedef union request {
  struct nlmsghdr header;
  struct {
    struct nlmsghdr header;
    union {
      struct rtmsg route;
      struct ndmsg neighbor;
    } body;
    char attributes[ATTRIBUTES];
  } whole;
} request;

static const nl_word families[] = {{"inet", AF_INET}, {"inet6", AF_INET6}, {NULL, 0}};

static const nl_word types[] = {{"unicast", RTN_UNICAST},
                                {"local", RTN_LOCAL},
                                {"broadcast", RTN_BROADCAST},
                                {"anycast", RTN_ANYCAST},
                                {"multicast", RTN_MULTICAST},
                                {"nat", RTN_NAT},
                                {NULL, 0}};

static const nl_word protocols[] = {
    {"redirect", RTPROT_REDIRECT}, {"kernel", RTPROT_KERNEL}, {"boot", RTPROT_BOOT},
    {"static", RTPROT_STATIC},     {"ra", RTPROT_RA},         {"dhcp", RTPROT_DHCP},
    {"zebra", RTPROT_ZEBRA},       {"bird", RTPROT_BIRD},     {"babel", RTPROT_BABEL},
    {"bgp", RTPROT_BGP},           {"isis", RTPROT_ISIS},     {"ospf", RTPROT_OSPF},
    {"rip", RTPROT_RIP},           {"eigrp", RTPROT_EIGRP},   {NULL, 0}};

static const nl_word hopflags[] = {{"dead", RTNH_F_DEAD},
                                   {"pervasive", RTNH_F_PERVASIVE},
                                   {"onlink", RTNH_F_ONLINK},
                                   {"offload", RTNH_F_OFFLOAD},
                                   {"linkdown", RTNH_F_LINKDOWN},
                                   {"unresolved", RTNH_F_UNRESOLVED},
                                   {NULL, 0}};

static void setinteger (lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

static void setdevice (lua_State *L, unsigned index) {
  if (index == 0) return;
  setinteger(L, "index", index);
  nl_pushinterface(L, index);
  lua_setfield(L, -2, "device");
}

/* ---- what a route and one of several next hops have in common */

/* RTA_VIA is a gateway of another family: struct rtvia, then the address. */
static void setforeign (lua_State *L, const struct rtattr *a, unsigned index) {
  struct {
    struct rtattr header;
    char bytes[sizeof(struct in6_addr)];
  } copy;
  const struct rtvia *via = RTA_DATA(a);
  size_t length = RTA_PAYLOAD(a) - sizeof *via;
  if (RTA_PAYLOAD(a) < sizeof *via || length > sizeof copy.bytes) return;
  copy.header.rta_len = (unsigned short)RTA_LENGTH(length);
  memcpy(copy.bytes, via->rtvia_addr, length);
  nl_setaddress(L, "via", &copy.header, via->rtvia_family, index);
}

static void setvia (lua_State *L, int family, const struct rtattr *const a[], unsigned index) {
  if (a[RTA_VIA] != NULL) setforeign(L, a[RTA_VIA], index);
  else nl_setaddress(L, "via", a[RTA_GATEWAY], family, index);
}

static unsigned outgoing (const struct rtattr *const a[]) {
  uint32_t index = 0;
  (void)nl_number(a[RTA_OIF], &index);
  return index;
}

/* ---- default routes */

/* The header has room for the first 256 only. */
static uint32_t tableof (const struct rtmsg *r, const struct rtattr *const a[]) {
  uint32_t table = r->rtm_table;
  (void)nl_number(a[RTA_TABLE], &table);
  return table;
}

static bool isdefault (const struct rtmsg *r, const struct rtattr *const a[]) {
  if (r->rtm_family != AF_INET && r->rtm_family != AF_INET6) return false;
  return r->rtm_dst_len == 0 && r->rtm_src_len == 0 && tableof(r, a) == RT_TABLE_MAIN &&
         r->rtm_type == RTN_UNICAST && !(r->rtm_flags & RTM_F_CLONED);
}

typedef struct gateways {
  const struct rtmsg *route;
  const struct rtattr *const *a;
} gateways;

static void addgateway (lua_State *L, const gateways *g, const struct rtattr *const hop[], unsigned index,
                        unsigned flags) {
  uint32_t metric = 0;
  (void)nl_number(g->a[RTA_PRIORITY], &metric);
  lua_createtable(L, 0, 8);
  nl_setword(L, "family", families, g->route->rtm_family);
  setvia(L, g->route->rtm_family, hop, index);
  setdevice(L, index);
  setinteger(L, "metric", metric);
  nl_setaddress(L, "source", g->a[RTA_PREFSRC], g->route->rtm_family, index);
  nl_setword(L, "protocol", protocols, g->route->rtm_protocol);
  nl_setflags(L, "flags", hopflags, flags);
}

/* A route with several next hops is one gateway for each. */
static void addhops (lua_State *L, const gateways *g) {
  const struct rtattr *multi = g->a[RTA_MULTIPATH], *found[RTA_MAX + 1];
  const struct rtnexthop *hop = RTA_DATA(multi);
  size_t left = RTA_PAYLOAD(multi);
  while (left >= sizeof *hop && hop->rtnh_len >= sizeof *hop && hop->rtnh_len <= left) {
    size_t step = NLMSG_ALIGN((size_t)hop->rtnh_len); /* RTNH_ALIGN is the same with a sign */
    nl_attributesin(hop + 1, hop->rtnh_len - sizeof *hop, found, RTA_MAX + 1);
    addgateway(L, g, found, (unsigned)hop->rtnh_ifindex, hop->rtnh_flags);
    setinteger(L, "weight", hop->rtnh_hops + 1);
    nl_append(L);
    left -= step < left ? step : left;
    hop = (const struct rtnexthop *)(const void *)((const char *)hop + step);
  }
}

static void addroute (lua_State *L, const struct nlmsghdr *m, void *context) {
  (void)context;
  const struct rtattr *a[RTA_MAX + 1];
  gateways g = {NLMSG_DATA(m), a};
  if (m->nlmsg_type != RTM_NEWROUTE || !nl_attributes(m, sizeof *g.route, a, RTA_MAX + 1)) return;
  if (!isdefault(g.route, a)) return;
  if (a[RTA_MULTIPATH] != NULL) {
    addhops(L, &g);
    return;
  }
  addgateway(L, &g, a, outgoing(a), g.route->rtm_flags);
  nl_append(L);
}

/* defaults() -> {gateway, ...} | nil, err: in the order of the kernel */
static int route_defaults (lua_State *L) {
  uint32_t table = RT_TABLE_MAIN;
  request r = {.header = {NLMSG_LENGTH(sizeof r.whole.body.route), RTM_GETROUTE, NLM_F_DUMP, 0, 0}};
  nl_addattribute(&r.header, RTA_TABLE, &table, sizeof table);
  return nl_netlinkask(L, "gateways", &r.header, addroute, NULL);
}

/* ---- the way to one destination */

static const char *const lookupoptions[] = {"source", "interface", "mark", NULL};

typedef struct lookup {
  nl_address to, from;
  bool sourced;
  nl_interface in;
  uint32_t mark;
} lookup;

static int wrongaddress (lua_State *L, const char *code, const char *text, const char *problem) {
  int n = nl_fail(L, "route", code, "%s", problem);
  lua_pushstring(L, text);
  lua_setfield(L, -2, "address");
  return n;
}

static int getaddress (lua_State *L, const char *text, nl_address *a) {
  const char *problem = NULL;
  if (nl_isunix(text) || !nl_parseaddress(text, strlen(text), 0, a, &problem)) {
    return wrongaddress(L, "EINVAL", text, problem != NULL ? problem : "not a numeric address");
  }
  nl_unmapaddress(a); /* it goes the way of IPv4 */
  return 0;
}

/* The zone names an interface as the option does; connect(2) refuses link-local addresses without either. */
static int getinterface (lua_State *L, int arg, const char *text, lookup *k) {
  unsigned zone = nl_zoneof(&k->to);
  if (lua_istable(L, arg)) {
    (void)lua_getfield(L, arg, "interface");
    int bad = nl_checkinterface(L, -1, "route", &k->in);
    if (bad != 0) return bad;
  }
  if (zone != 0 && k->in.index != 0 && zone != k->in.index) {
    return wrongaddress(L, "EINVAL", text, "zone and interface differ");
  }
  if (zone != 0) k->in.index = zone;
  if (k->in.index != 0 || !nl_needszone(&k->to)) return 0;
  int n = wrongaddress(L, "EINVAL", text, NL_NOZONE);
  lua_pushliteral(L, NL_PUTZONE);
  lua_setfield(L, -2, "hint");
  return n;
}

/* destination, {source =, interface =, mark =} at 1 and 2. 0, or 2 with nil, err pushed. */
static int getlookup (lua_State *L, lookup *k) {
  size_t len;
  memset(k, 0, sizeof *k);
  luaL_checktype(L, 1, LUA_TSTRING);
  const char *to = lua_tolstring(L, 1, &len);
  nl_checkoptions(L, 2, lookupoptions);
  const char *from = nl_fieldtext(L, 2, "source");
  k->mark = (uint32_t)nl_fieldint(L, 2, "mark", 0, UINT32_MAX, 0);
  int bad = strlen(to) != len ? wrongaddress(L, "EINVAL", to, "text holds a NUL byte") : 0;
  if (bad == 0) bad = getaddress(L, to, &k->to);
  if (bad == 0 && from != NULL) bad = getaddress(L, from, &k->from);
  k->sourced = from != NULL;
  if (bad == 0 && k->sourced && k->from.sa.any.sa_family != k->to.sa.any.sa_family) {
    bad = wrongaddress(L, "EAFNOSUPPORT", from, "source and destination are of different families");
  }
  return bad != 0 ? bad : getinterface(L, 2, to, k);
}

/* Returns how many bits it has. */
static unsigned char addaddress (struct nlmsghdr *m, unsigned short type, const nl_address *a) {
  const struct sockaddr_in *sin = (const struct sockaddr_in *)&a->sa.storage;
  const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *)&a->sa.storage;
  if (a->sa.any.sa_family == AF_INET) nl_addattribute(m, type, &sin->sin_addr, sizeof sin->sin_addr);
  else nl_addattribute(m, type, &sin6->sin6_addr, sizeof sin6->sin6_addr);
  return a->sa.any.sa_family == AF_INET ? 32 : 128;
}

static void makerequest (request *r, const lookup *k) {
  uint32_t index = k->in.index;
  memset(r, 0, sizeof *r);
  r->header = (struct nlmsghdr){NLMSG_LENGTH(sizeof r->whole.body.route), RTM_GETROUTE, 0, 0, 0};
  r->whole.body.route.rtm_family = (unsigned char)k->to.sa.any.sa_family;
  if (k->to.sa.any.sa_family == AF_INET) r->whole.body.route.rtm_flags = RTM_F_LOOKUP_TABLE; /* IPv6 tells */
  r->whole.body.route.rtm_dst_len = addaddress(&r->header, RTA_DST, &k->to);
  if (k->sourced) r->whole.body.route.rtm_src_len = addaddress(&r->header, RTA_SRC, &k->from);
  if (index != 0) nl_addattribute(&r->header, RTA_OIF, &index, sizeof index);
  if (k->mark != 0) nl_addattribute(&r->header, RTA_MARK, &k->mark, sizeof k->mark);
}

static void setmetrics (lua_State *L, const struct rtattr *metrics) {
  const struct rtattr *a[RTAX_MAX + 1];
  nl_nested(metrics, a, RTAX_MAX + 1);
  nl_setnumber(L, "mtu", a[RTAX_MTU]);
  nl_setnumber(L, "hoplimit", a[RTAX_HOPLIMIT]);
}

static void fillway (lua_State *L, const struct nlmsghdr *m, void *type) {
  const struct rtattr *a[RTA_MAX + 1];
  const struct rtmsg *r = NLMSG_DATA(m);
  if (m->nlmsg_type != RTM_NEWROUTE || !nl_attributes(m, sizeof *r, a, RTA_MAX + 1)) return;
  unsigned index = outgoing(a);
  *(int *)type = r->rtm_type;
  nl_setword(L, "family", families, r->rtm_family);
  nl_setaddress(L, "destination", a[RTA_DST], r->rtm_family, index);
  setvia(L, r->rtm_family, a, index);
  setdevice(L, index);
  nl_setaddress(L, "source", a[RTA_SRC], r->rtm_family, index); /* the one that was asked for */
  nl_setaddress(L, "source", a[RTA_PREFSRC], r->rtm_family, index);
  nl_setword(L, "type", types, r->rtm_type);
  if (tableof(r, a) != 0) setinteger(L, "table", tableof(r, a));
  setmetrics(L, a[RTA_METRICS]);
}

static int errnoof (lua_State *L, int err) {
  (void)lua_getfield(L, err, "errno");
  int number = (int)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return number;
}

/* For the table on top: a way has no port. */
static void seterraddress (lua_State *L, const nl_address *a) {
  lua_pop(L, nl_pushaddress(L, a) - 1);
  lua_setfield(L, -2, "address");
}

static int ask (lua_State *L, const lookup *k, int *type) {
  request r;
  *type = RTN_UNSPEC;
  makerequest(&r, k);
  return nl_netlinkask(L, "route", &r.header, fillway, type);
}

/* Whether this machine has the address: without that no packet can leave from it. */
static bool isown (lua_State *L, const nl_address *a) {
  lookup k = {.to = *a, .in.index = nl_zoneof(a)};
  int type;
  lua_pop(L, ask(L, &k, &type));
  return type == RTN_LOCAL;
}

/* EINVAL has two causes, which the kernel leaves to us to tell apart: a source such as 127.0.0.1 that cannot
 * go there, and a route that throws packets away. */
static void explain (lua_State *L, int err, const lookup *k) {
  lookup free = *k;
  bool blackhole = true;
  int type;
  free.sourced = false;
  if (k->sourced) {
    int n = ask(L, &free, &type);
    blackhole = n == 2 && errnoof(L, lua_gettop(L)) == EINVAL;
  }
  lua_pushvalue(L, err);
  if (blackhole) {
    nl_blackhole(L);
  } else {
    lua_pushliteral(L, "packets from that source cannot go there");
    lua_setfield(L, -2, "message");
  }
}

/* lookup(destination, {source =, interface =, mark =}) -> way | nil, err */
static int route_lookup (lua_State *L) {
  lookup k;
  int type, bad = getlookup(L, &k);
  if (bad != 0) return bad;
  if (k.sourced && !isown(L, &k.from)) {
    (void)nl_fail(L, "route", "EADDRNOTAVAIL", "the source is no address of this machine");
    seterraddress(L, &k.from);
    return 2;
  }
  if (ask(L, &k, &type) == 1) return 1;
  int err = lua_gettop(L);
  if (errnoof(L, err) == EINVAL) explain(L, err, &k);
  lua_pushnil(L);
  lua_pushvalue(L, err);
  seterraddress(L, &k.to);
  return 2;
}

/* ---- neighbours */

static const nl_word states[] = {{"incomplete", NUD_INCOMPLETE},
                                 {"reachable", NUD_REACHABLE},
                                 {"stale", NUD_STALE},
                                 {"delay", NUD_DELAY},
                                 {"probe", NUD_PROBE},
                                 {"failed", NUD_FAILED},
                                 {"noarp", NUD_NOARP},
                                 {"permanent", NUD_PERMANENT},
                                 {"none", NUD_NONE},
                                 {NULL, 0}};

typedef struct neighbors {
  int family;     /* or AF_UNSPEC */
  unsigned index; /* or 0 */
} neighbors;

/* Multicast and loopback have entries that say nothing. */
static bool iswanted (const neighbors *all, const struct ndmsg *n) {
  if (n->ndm_family != AF_INET && n->ndm_family != AF_INET6) return false;
  if (all->family != AF_UNSPEC && n->ndm_family != all->family) return false;
  if (all->index != 0 && n->ndm_ifindex != (int)all->index) return false;
  return n->ndm_state != NUD_NONE && n->ndm_state != NUD_NOARP && !(n->ndm_flags & NTF_PROXY);
}

static void addneighbor (lua_State *L, const struct nlmsghdr *m, void *context) {
  const struct rtattr *a[NDA_MAX + 1];
  const struct ndmsg *n = NLMSG_DATA(m);
  const neighbors *all = context;
  if (m->nlmsg_type != RTM_NEWNEIGH || !nl_attributes(m, sizeof *n, a, NDA_MAX + 1)) return;
  if (!iswanted(all, n)) return;
  lua_createtable(L, 0, 8);
  nl_setword(L, "family", families, n->ndm_family);
  nl_setaddress(L, "address", a[NDA_DST], n->ndm_family, (unsigned)n->ndm_ifindex);
  setdevice(L, (unsigned)n->ndm_ifindex);
  nl_setmac(L, "mac", a[NDA_LLADDR]);
  nl_setword(L, "state", states, n->ndm_state);
  lua_pushboolean(L, n->ndm_flags & NTF_ROUTER);
  lua_setfield(L, -2, "router");
  nl_append(L);
}

/* neighbors({interface =, family =}) -> {neighbor, ...} | nil, err */
static int route_neighbors (lua_State *L) {
  static const char *const names[] = {"interface", "family", NULL};
  nl_interface in = {0, 0};
  nl_checkoptions(L, 1, names);
  neighbors all = {nl_fieldword(L, 1, "family", families, AF_UNSPEC), 0};
  if (lua_istable(L, 1)) {
    (void)lua_getfield(L, 1, "interface");
    int bad = nl_checkinterface(L, -1, "neighbors", &in);
    if (bad != 0) return bad;
  }
  all.index = in.index;
  request r = {.header = {NLMSG_LENGTH(sizeof r.whole.body.neighbor), RTM_GETNEIGH, NLM_F_DUMP, 0, 0}};
  r.whole.body.neighbor.ndm_family = (unsigned char)all.family;
  if (in.index != 0) nl_addattribute(&r.header, NDA_IFINDEX, &in.index, sizeof in.index);
  return nl_netlinkask(L, "neighbors", &r.header, addneighbor, &all);
}

int luaopen_net_route (lua_State *L) {
  static const luaL_Reg functions[] = {
      {"lookup", route_lookup}, {"defaults", route_defaults}, {"neighbors", route_neighbors}, {NULL, NULL}};
  luaL_newlib(L, functions);
  return 1;
}
