/*
 * iface.c: network interfaces and their addresses as rtnetlink(7) tells them, and a descriptor that becomes
 * readable when they change. Here messages become tables; lualib/net/iface.lua and linkwatch.lua put them
 * together.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include "netlua.h"

#define MEMORY (1 << 20) /* bytes that changes may take in the kernel until they are read */

typedef union request {
  struct nlmsghdr header;
  struct {
    struct nlmsghdr header;
    union {
      struct ifinfomsg link;
      struct ifaddrmsg address;
    } body;
    char attributes[RTA_SPACE(sizeof(uint32_t))];
  } whole;
} request;

static const nl_word families[] = {{"inet", AF_INET}, {"inet6", AF_INET6}, {NULL, 0}};

/* ---- links */

static const nl_word linktypes[] = {{"ether", ARPHRD_ETHER},
                                    {"loopback", ARPHRD_LOOPBACK},
                                    {"none", ARPHRD_NONE},
                                    {"ppp", ARPHRD_PPP},
                                    {"ipip", ARPHRD_TUNNEL},
                                    {"tunnel6", ARPHRD_TUNNEL6},
                                    {"sit", ARPHRD_SIT},
                                    {"gre", ARPHRD_IPGRE},
                                    {"gre6", ARPHRD_IP6GRE},
                                    {"slip", ARPHRD_SLIP},
                                    {"can", ARPHRD_CAN},
                                    {"infiniband", ARPHRD_INFINIBAND},
                                    {"ieee802.11", ARPHRD_IEEE80211},
                                    {"ieee802.11/radiotap", ARPHRD_IEEE80211_RADIOTAP},
                                    {"ieee802.15.4", ARPHRD_IEEE802154},
                                    {"6lowpan", ARPHRD_6LOWPAN},
                                    {"rawip", ARPHRD_RAWIP},
                                    {"netlink", ARPHRD_NETLINK},
                                    {"vsockmon", ARPHRD_VSOCKMON},
                                    {"void", ARPHRD_VOID},
                                    {NULL, 0}};

static const nl_word linkflags[] = {{"up", IFF_UP},
                                    {"broadcast", IFF_BROADCAST},
                                    {"debug", IFF_DEBUG},
                                    {"loopback", IFF_LOOPBACK},
                                    {"pointopoint", IFF_POINTOPOINT},
                                    {"notrailers", IFF_NOTRAILERS},
                                    {"running", IFF_RUNNING},
                                    {"noarp", IFF_NOARP},
                                    {"promisc", IFF_PROMISC},
                                    {"allmulti", IFF_ALLMULTI},
                                    {"master", IFF_MASTER},
                                    {"slave", IFF_SLAVE},
                                    {"multicast", IFF_MULTICAST},
                                    {"portsel", IFF_PORTSEL},
                                    {"automedia", IFF_AUTOMEDIA},
                                    {"dynamic", IFF_DYNAMIC},
                                    {"lower_up", IFF_LOWER_UP},
                                    {"dormant", IFF_DORMANT},
                                    {"echo", IFF_ECHO},
                                    {NULL, 0}};

static const nl_word operstates[] = {{"unknown", IF_OPER_UNKNOWN}, {"notpresent", IF_OPER_NOTPRESENT},
                                     {"down", IF_OPER_DOWN},       {"lowerlayerdown", IF_OPER_LOWERLAYERDOWN},
                                     {"testing", IF_OPER_TESTING}, {"dormant", IF_OPER_DORMANT},
                                     {"up", IF_OPER_UP},           {NULL, 0}};

static const struct counter {
  const char *name;
  size_t offset;
} counters[] = {
#define COUNTER(name)                                                                                        \
  { #name, offsetof(struct rtnl_link_stats64, name) }
    COUNTER(rx_bytes), COUNTER(rx_packets), COUNTER(rx_errors), COUNTER(rx_dropped), COUNTER(multicast),
    COUNTER(tx_bytes), COUNTER(tx_packets), COUNTER(tx_errors), COUNTER(tx_dropped), COUNTER(collisions),
#undef COUNTER
};

static void setstats (lua_State *L, const struct rtattr *a) {
  struct rtnl_link_stats64 stats = {0};
  if (a == NULL) return;
  size_t length = RTA_PAYLOAD(a) < sizeof stats ? RTA_PAYLOAD(a) : sizeof stats;
  memcpy(&stats, RTA_DATA(a), length);
  lua_createtable(L, 0, sizeof counters / sizeof *counters);
  for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
    uint64_t value;
    memcpy(&value, (const char *)&stats + counters[i].offset, sizeof value);
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, counters[i].name);
  }
  lua_setfield(L, -2, "stats");
}

/* Tunnels have IP addresses in that place. */
static bool hasmac (unsigned type) {
  switch (type) {
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
    case ARPHRD_IPGRE:
    case ARPHRD_IP6GRE:
      return false;
    default:
      return true;
  }
}

static void setflag (lua_State *L, const char *name, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, name);
}

static void setinteger (lua_State *L, const char *name, lua_Integer value) {
  lua_pushinteger(L, value);
  lua_setfield(L, -2, name);
}

/* What IPv6 takes for the MTU stands deep inside. */
static void setmtu6 (lua_State *L, const struct rtattr *spec) {
  const struct rtattr *byfamily[AF_INET6 + 1], *inet6[IFLA_INET6_MAX + 1];
  uint32_t mtu;
  nl_nested(spec, byfamily, AF_INET6 + 1);
  nl_nested(byfamily[AF_INET6], inet6, IFLA_INET6_MAX + 1);
  const struct rtattr *conf = inet6[IFLA_INET6_CONF];
  size_t offset = DEVCONF_MTU6 * sizeof mtu;
  if (conf == NULL || RTA_PAYLOAD(conf) < offset + sizeof mtu) return;
  memcpy(&mtu, (const char *)RTA_DATA(conf) + offset, sizeof mtu);
  setinteger(L, "mtu6", mtu);
}

static void setkind (lua_State *L, const struct rtattr *linkinfo) {
  const struct rtattr *info[IFLA_INFO_MAX + 1];
  nl_nested(linkinfo, info, IFLA_INFO_MAX + 1);
  nl_settext(L, "kind", info[IFLA_INFO_KIND]);
}

/* An index counts in the namespace that IFLA_LINK_NETNSID names, if it does. */
static void setrelatives (lua_State *L, const struct rtattr *const a[]) {
  nl_setnumber(L, "master", a[IFLA_MASTER]);
  if (a[IFLA_LINK_NETNSID] == NULL) nl_setnumber(L, "parent", a[IFLA_LINK]);
}

/* Messages of bridges about their ports, and of wireless drivers, are no news of the link itself. */
static bool islink (const struct ifinfomsg *link, const struct rtattr *const a[]) {
  return link->ifi_family == AF_UNSPEC && link->ifi_index > 0 && a[IFLA_IFNAME] != NULL &&
         a[IFLA_WIRELESS] == NULL;
}

/* Pushes the link of a message, if it is about one. */
static bool pushlink (lua_State *L, const struct nlmsghdr *m) {
  const struct rtattr *a[IFLA_MAX + 1];
  const struct ifinfomsg *link = NLMSG_DATA(m);
  if (!nl_attributes(m, sizeof *link, a, IFLA_MAX + 1) || !islink(link, a)) return false;
  lua_createtable(L, 0, 16);
  nl_settext(L, "name", a[IFLA_IFNAME]);
  setinteger(L, "index", link->ifi_index);
  nl_setword(L, "type", linktypes, link->ifi_type);
  nl_setflags(L, "flags", linkflags, link->ifi_flags);
  setflag(L, "up", link->ifi_flags & IFF_UP);
  setflag(L, "running", link->ifi_flags & IFF_RUNNING);
  nl_setnumber(L, "mtu", a[IFLA_MTU]);
  if (hasmac(link->ifi_type)) nl_setmac(L, "mac", a[IFLA_ADDRESS]);
  const struct rtattr *state = a[IFLA_OPERSTATE];
  if (state != NULL && RTA_PAYLOAD(state) == 1) {
    nl_setword(L, "operstate", operstates, *(const unsigned char *)RTA_DATA(state));
  }
  setrelatives(L, a);
  setkind(L, a[IFLA_LINKINFO]);
  setmtu6(L, a[IFLA_AF_SPEC]);
  setstats(L, a[IFLA_STATS64]);
  return true;
}

static void addlink (lua_State *L, const struct nlmsghdr *m, void *context) {
  (void)context;
  if (m->nlmsg_type == RTM_NEWLINK && pushlink(L, m)) nl_append(L);
}

/* links([index]) -> {link, ...} | nil, err */
static int iface_links (lua_State *L) {
  int index = lua_isnoneornil(L, 1) ? 0 : (int)nl_checkrange(L, 1, 1, INT32_MAX);
  request r = {.header = {NLMSG_LENGTH(sizeof r.whole.body.link), RTM_GETLINK, 0, 0, 0}};
  uint32_t mask = RTEXT_FILTER_BRVLAN_COMPRESSED; /* adds nothing, but has room made for the largest link */
  r.whole.body.link.ifi_index = index;
  if (index == 0) r.header.nlmsg_flags = NLM_F_DUMP;
  nl_addattribute(&r.header, IFLA_EXT_MASK, &mask, sizeof mask);
  return nl_netlinkask(L, "interfaces", &r.header, addlink, NULL);
}

/* ---- addresses */

static const nl_word scopes[] = {{"global", RT_SCOPE_UNIVERSE}, {"site", RT_SCOPE_SITE},
                                 {"link", RT_SCOPE_LINK},       {"host", RT_SCOPE_HOST},
                                 {"nowhere", RT_SCOPE_NOWHERE}, {NULL, 0}};

#define TEMPORARY (1 << 30) /* the kernel has one bit for it and for "secondary" */

static const nl_word addressflags[] = {{"secondary", IFA_F_SECONDARY},
                                       {"temporary", TEMPORARY},
                                       {"nodad", IFA_F_NODAD},
                                       {"optimistic", IFA_F_OPTIMISTIC},
                                       {"dadfailed", IFA_F_DADFAILED},
                                       {"home", IFA_F_HOMEADDRESS},
                                       {"deprecated", IFA_F_DEPRECATED},
                                       {"tentative", IFA_F_TENTATIVE},
                                       {"permanent", IFA_F_PERMANENT},
                                       {"mngtmpaddr", IFA_F_MANAGETEMPADDR},
                                       {"noprefixroute", IFA_F_NOPREFIXROUTE},
                                       {"autojoin", IFA_F_MCAUTOJOIN},
                                       {"stable-privacy", IFA_F_STABLE_PRIVACY},
                                       {NULL, 0}};

static void setaddressflags (lua_State *L, int family, uint32_t flags) {
  if (family == AF_INET6 && (flags & IFA_F_SECONDARY)) {
    flags = (flags & ~(uint32_t)IFA_F_SECONDARY) | TEMPORARY;
  }
  nl_setflags(L, "flags", addressflags, flags);
}

/* Seconds that are left; absent: forever. */
static void setlifetimes (lua_State *L, const struct rtattr *a) {
  struct ifa_cacheinfo info;
  if (a == NULL || RTA_PAYLOAD(a) < sizeof info) return;
  memcpy(&info, RTA_DATA(a), sizeof info);
  if (info.ifa_valid != UINT32_MAX) setinteger(L, "valid", info.ifa_valid);
  if (info.ifa_prefered != UINT32_MAX) setinteger(L, "preferred", info.ifa_prefered);
}

static void setnetmask (lua_State *L, unsigned prefix) {
  struct {
    struct rtattr header;
    unsigned char mask[4];
  } a = {.header = {RTA_LENGTH(sizeof a.mask), 0}};
  for (unsigned bit = 0; bit < prefix && bit < 32; bit++) a.mask[bit / 8] |= (unsigned char)(128 >> bit % 8);
  nl_setaddress(L, "netmask", &a.header, AF_INET, 0);
}

static bool sameaddress (const struct rtattr *a, const struct rtattr *b) {
  return a != NULL && b != NULL && a->rta_len == b->rta_len &&
         memcmp(RTA_DATA(a), RTA_DATA(b), RTA_PAYLOAD(a)) == 0;
}

/* On a point-to-point link IFA_ADDRESS is the other end, and the prefix is that of its network. */
static void setends (lua_State *L, const struct ifaddrmsg *i, const struct rtattr *const a[]) {
  const struct rtattr *own = a[IFA_LOCAL] != NULL ? a[IFA_LOCAL] : a[IFA_ADDRESS];
  nl_setaddress(L, "address", own, i->ifa_family, i->ifa_index);
  if (!sameaddress(own, a[IFA_ADDRESS]))
    nl_setaddress(L, "peer", a[IFA_ADDRESS], i->ifa_family, i->ifa_index);
  nl_setaddress(L, "broadcast", a[IFA_BROADCAST], i->ifa_family, i->ifa_index);
}

/* Pushes the address of a message, if it is one of IPv4 or IPv6. */
static bool pushaddress (lua_State *L, const struct nlmsghdr *m) {
  const struct rtattr *a[IFA_MAX + 1];
  const struct ifaddrmsg *i = NLMSG_DATA(m);
  if (!nl_attributes(m, sizeof *i, a, IFA_MAX + 1)) return false;
  if (i->ifa_family != AF_INET && i->ifa_family != AF_INET6) return false;
  uint32_t flags = i->ifa_flags;
  (void)nl_number(a[IFA_FLAGS], &flags); /* the header has room for the first eight only */
  lua_createtable(L, 0, 12);
  setinteger(L, "index", i->ifa_index);
  nl_setword(L, "family", families, i->ifa_family);
  setends(L, i, a);
  setinteger(L, "prefix", i->ifa_prefixlen);
  if (i->ifa_family == AF_INET) setnetmask(L, i->ifa_prefixlen);
  nl_setword(L, "scope", scopes, i->ifa_scope);
  nl_settext(L, "label", a[IFA_LABEL]);
  setaddressflags(L, i->ifa_family, flags);
  setlifetimes(L, a[IFA_CACHEINFO]);
  return true;
}

static void addaddress (lua_State *L, const struct nlmsghdr *m, void *context) {
  (void)context;
  if (m->nlmsg_type == RTM_NEWADDR && pushaddress(L, m)) nl_append(L);
}

/* addresses() -> {address, ...} | nil, err: those of all interfaces */
static int iface_addresses (lua_State *L) {
  request r = {.header = {NLMSG_LENGTH(sizeof r.whole.body.address), RTM_GETADDR, NLM_F_DUMP, 0, 0}};
  return nl_netlinkask(L, "interfaces", &r.header, addaddress, NULL);
}

/* ---- one interface */

/* speed(name) -> megabits per second, or nil where the driver does not tell */
static int iface_speed (lua_State *L) {
  const char *name = nl_checktext(L, 1);
  struct ethtool_cmd command = {.cmd = ETHTOOL_GSET};
  struct ifreq r = {.ifr_data = (void *)&command};
  if (strlen(name) >= sizeof r.ifr_name) return nl_eof(L);
  memcpy(r.ifr_name, name, strlen(name));
  int fd = nl_socket(AF_UNIX, SOCK_DGRAM, 0);
  if (fd < 0) return nl_errno(L, "interfaces", errno);
  int result = ioctl(fd, SIOCETHTOOL, &r);
  (void)close(fd); /* nothing useful can be done with its error */
  uint32_t speed = (uint32_t)command.speed_hi << 16 | command.speed;
  if (result < 0 || speed == 0 || speed == (uint32_t)SPEED_UNKNOWN || speed == UINT16_MAX) return nl_eof(L);
  lua_pushinteger(L, speed);
  return 1;
}

/* index(name | index | address) -> index | nil, err ENODEV */
static int iface_index (lua_State *L) {
  nl_interface in;
  int bad = nl_checkinterface(L, 1, "local_addresses", &in);
  if (bad != 0) return bad;
  lua_pushinteger(L, in.index);
  return 1;
}

/* ---- changes */

typedef struct watch {
  nl_handle handle;
  nl_netlink netlink;
  bool unread; /* a datagram came that could not be made a table of yet */
} watch;

static void watch_release (lua_State *L, void *self) {
  watch *w = self;
  nl_forget(L, &w->handle);
  nl_netlinkclose(&w->netlink);
}

static const nl_class watch_class = {
    "net.linkwatch", NULL, watch_release, &nl_handle_class, NULL, NULL, NULL};

/* open() -> watch | nil, err */
static int iface_open (lua_State *L) {
  int memory = MEMORY;
  watch *w = nl_new(L, &watch_class, sizeof *w);
  if (nl_netlinkopen(&w->netlink, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR) < 0) {
    return nl_errno(L, "watch_links", errno);
  }
  /* as much as the system allows */
  (void)setsockopt(w->netlink.fd, SOL_SOCKET, SO_RCVBUF, &memory, sizeof memory);
  nl_attach(&w->handle, w->netlink.fd);
  w->handle.timeout = NL_FOREVER;
  w->handle.base.open = true;
  return 1;
}

/* Adds {kind, gone, row} to the list on top. */
static void addchange (lua_State *L, const struct nlmsghdr *m) {
  bool link = m->nlmsg_type == RTM_NEWLINK || m->nlmsg_type == RTM_DELLINK;
  bool address = m->nlmsg_type == RTM_NEWADDR || m->nlmsg_type == RTM_DELADDR;
  if (!(link && pushlink(L, m)) && !(address && pushaddress(L, m))) return;
  lua_createtable(L, 0, 3);
  lua_insert(L, -2);
  lua_setfield(L, -2, link ? "link" : "address");
  setflag(L, "gone", m->nlmsg_type == RTM_DELLINK || m->nlmsg_type == RTM_DELADDR);
  nl_append(L);
}

/* A datagram stays until it has become a table: memory may run out meanwhile. */
static int iface_receive_try (lua_State *L, nl_wait *wait) {
  watch *w = (watch *)(void *)wait->self;
  const struct nlmsghdr *m;
  if (!w->unread && nl_netlinkreceive(&w->netlink) < 0) return nl_notready(L, wait, "read");
  w->unread = true;
  w->netlink.at = 0;
  luaL_checkstack(L, 8, NULL);
  lua_newtable(L);
  while ((m = nl_netlinknext(&w->netlink)) != NULL) addchange(L, m);
  w->unread = false;
  return 1;
}
static const nl_call iface_receive_call = {iface_receive_try, "read", &watch_class, NL_READ, 2, false};

/* receive(watch, timeout) -> {{link = link | address = address, gone = boolean}, ...} | nil, err */
static int iface_receive (lua_State *L) {
  return nl_await(L, &iface_receive_call);
}

/* drop(watch) -> true | nil, err: forgets what has come so far */
static int iface_drop (lua_State *L) {
  watch *w = nl_check(L, 1, &watch_class);
  if (!w->handle.base.open) return nl_closed(L, "read");
  w->unread = false;
  while (nl_netlinkreceive(&w->netlink) == 0 || errno == ENOBUFS || errno == EBADMSG) continue;
  if (errno != EAGAIN) return nl_errno(L, "read", errno);
  lua_pushboolean(L, 1);
  return 1;
}

/* pending(watch, boolean): whether there are events left, for select */
static int iface_pending (lua_State *L) {
  watch *w = nl_check(L, 1, &watch_class);
  nl_setpending(L, &w->handle, lua_toboolean(L, 2));
  return 0;
}

/* limit(watch) -> what settimeout has set, or nil */
static int iface_limit (lua_State *L) {
  const watch *w = nl_check(L, 1, &watch_class);
  if (w->handle.timeout == NL_FOREVER) return nl_eof(L);
  lua_pushnumber(L, w->handle.timeout);
  return 1;
}

int luaopen_net_iface (lua_State *L) {
  static const luaL_Reg functions[] = {{"links", iface_links}, {"addresses", iface_addresses},
                                       {"speed", iface_speed}, {"index", iface_index},
                                       {"open", iface_open},   {"receive", iface_receive},
                                       {"drop", iface_drop},   {"pending", iface_pending},
                                       {"limit", iface_limit}, {NULL, NULL}};
  luaL_newlib(L, functions);
  nl_pushclass(L, &watch_class);
  lua_setfield(L, -2, "class");
  return 1;
}
