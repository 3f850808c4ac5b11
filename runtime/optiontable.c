/*
 * optiontable.c: the socket options: what each is called, where it lives and what its values look like.
 * setsockopt, getsockopt, info, the list of options and the constants of `net` all follow this table.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "netlua.h"

/* Numbers of kernels younger than the C library. */
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif
#ifndef SO_RCVPRIORITY
#define SO_RCVPRIORITY 82
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IP_PROTOCOL
#define IP_PROTOCOL 52
#endif
#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO 11
#endif
#ifndef IPV6_FLOWINFO_SEND
#define IPV6_FLOWINFO_SEND 33
#endif
#ifndef TCP_IS_MPTCP
#define TCP_IS_MPTCP 43
#endif
#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS 44
#endif
#ifndef TCP_RTO_MIN_US
#define TCP_RTO_MIN_US 45
#endif
#ifndef TCP_DELACK_MAX_US
#define TCP_DELACK_MAX_US 46
#endif

const char *const nl_kindnames[] = {"boolean",   "integer",   "integer",   "integer",    "linger",
                                    "time",      "time",      "time",      "time",       "text",
                                    "interface", "interface", "interface", "membership", "credentials",
                                    "groups",    "tcp_info",  "filter",    "bytes",      "none"};

#define SO(name, kind, text)                                                                                 \
  { #name, SOL_SOCKET, name, NL_##kind, text }
#define IP4(name, kind, text)                                                                                \
  { #name, IPPROTO_IP, name, NL_##kind, text }
#define IP6(name, kind, text)                                                                                \
  { #name, IPPROTO_IPV6, name, NL_##kind, text }
#define TCP(name, kind, text)                                                                                \
  { #name, IPPROTO_TCP, name, NL_##kind, text }
#define UDP(name, kind, text)                                                                                \
  { #name, IPPROTO_UDP, name, NL_##kind, text }

const nl_option nl_options[] = {
    SO(SO_REUSEADDR, BOOLEAN,
       "bind although connections of an earlier server linger on that port; for UDP, "
       "share the port: multicast reaches all, unicast the last"),
    SO(SO_REUSEPORT, BOOLEAN,
       "share address and port with other sockets of this user that set it too; the "
       "kernel spreads connections and datagrams"),
    SO(SO_BROADCAST, BOOLEAN, "allow sending to broadcast addresses; else EACCES"),
    SO(SO_KEEPALIVE, BOOLEAN, "probe an idle connection, see TCP_KEEPIDLE"),
    SO(SO_LINGER, LINGER, "what close does with unsent data: on with 0 seconds resets the connection"),
    SO(SO_SNDBUF, INTEGER,
       "send buffer in bytes; Linux doubles what is set, caps it at net.core.wmem_max "
       "first and stops tuning it"),
    SO(SO_RCVBUF, INTEGER,
       "receive buffer in bytes; Linux doubles what is set, caps it at "
       "net.core.rmem_max first and stops tuning it"),
    SO(SO_SNDBUFFORCE, INTEGER, "SO_SNDBUF beyond the cap; needs CAP_NET_ADMIN; set only"),
    SO(SO_RCVBUFFORCE, INTEGER, "SO_RCVBUF beyond the cap; needs CAP_NET_ADMIN; set only"),
    SO(SO_SNDLOWAT, INTEGER, "always 1 on Linux; cannot be set"),
    SO(SO_RCVLOWAT, INTEGER, "bytes that make a stream readable"),
    SO(SO_SNDTIMEO, TIMEVAL, "a limit of blocking system calls; without effect here: see settimeout"),
    SO(SO_RCVTIMEO, TIMEVAL, "a limit of blocking system calls; without effect here: see settimeout"),
    SO(SO_ERROR, INTEGER, "the pending errno, 0 for none; reading clears it"),
    SO(SO_TYPE, INTEGER, "SOCK_STREAM, SOCK_DGRAM ...; read only"),
    SO(SO_DOMAIN, INTEGER, "AF_INET, AF_INET6, AF_UNIX ...; read only"),
    SO(SO_PROTOCOL, INTEGER, "IPPROTO_TCP, IPPROTO_UDP ...; read only"),
    SO(SO_ACCEPTCONN, BOOLEAN, "whether it listens; read only"),
    SO(SO_PEERCRED, CREDENTIALS, "process, user and group of the peer of a unix socket when it connected"),
    SO(SO_PEERGROUPS, GROUPS, "the supplementary groups of the peer of a unix socket"),
    SO(SO_PEERSEC, STRING, "security label of the peer of a unix socket"),
    SO(SO_PASSCRED, BOOLEAN, "unix datagrams tell who sent them"),
    SO(SO_PASSSEC, BOOLEAN, "unix datagrams tell the security label of the sender"),
    SO(SO_PASSPIDFD, BOOLEAN,
       "unix datagrams carry a descriptor of the sending process, which is closed at once"),
    SO(SO_PASSRIGHTS, BOOLEAN, "off: descriptors sent over a unix socket are refused"),
    SO(SO_BINDTODEVICE, STRING, "only packets of this interface; \"\" for any"),
    SO(SO_BINDTOIFINDEX, INDEX, "SO_BINDTODEVICE by index"),
    SO(SO_DONTROUTE, BOOLEAN, "send to hosts of the own networks only, past the gateways"),
    SO(SO_PRIORITY, INTEGER, "queueing class of what is sent, 0 to 6; more needs CAP_NET_ADMIN"),
    SO(SO_MARK, UNSIGNED, "mark for routing rules and the firewall; needs CAP_NET_ADMIN"),
    SO(SO_RCVMARK, BOOLEAN, "datagrams tell their mark"),
    SO(SO_RCVPRIORITY, BOOLEAN, "datagrams tell their priority"),
    SO(SO_OOBINLINE, BOOLEAN, "urgent data stays in the stream"),
    SO(SO_TIMESTAMP, BOOLEAN, "datagrams tell when they came, in microseconds"),
    SO(SO_TIMESTAMPNS, BOOLEAN, "datagrams tell when they came, in nanoseconds"),
    SO(SO_TIMESTAMPING, INTEGER, "flags of SOF_TIMESTAMPING_*: which clocks stamp what"),
    SO(SO_RXQ_OVFL, BOOLEAN, "datagrams tell how many were dropped before them"),
    SO(SO_PEEK_OFF, INTEGER, "where MSG_PEEK begins; -1: off"),
    SO(SO_BUSY_POLL, MICROS, "how long a blocking receive spins on the device queue"),
    SO(SO_PREFER_BUSY_POLL, BOOLEAN, "keep the device from interrupting while somebody polls"),
    SO(SO_BUSY_POLL_BUDGET, INTEGER, "packets per busy poll"),
    SO(SO_INCOMING_CPU, INTEGER, "the processor that handled the last packet, or that this socket prefers"),
    SO(SO_INCOMING_NAPI_ID, UNSIGNED, "the device queue of the last packet; read only"),
    SO(SO_MAX_PACING_RATE, WIDE, "bytes per second at most; -1: no limit"),
    SO(SO_ZEROCOPY, BOOLEAN, "allow MSG_ZEROCOPY"),
    SO(SO_TXREHASH, BOOLEAN, "choose another path when a connection stalls"),
    SO(SO_TXTIME, BYTES, "a struct sock_txtime: datagrams may carry their time of departure"),
    SO(SO_RESERVE_MEM, INTEGER, "bytes of memory set aside for this socket"),
    SO(SO_BUF_LOCK, INTEGER, "bit 0: the send buffer was set by hand, bit 1: the receive buffer"),
    SO(SO_SELECT_ERR_QUEUE, BOOLEAN, "a queued error counts as exceptional for select"),
    SO(SO_ATTACH_FILTER, FILTER, "a classic BPF program, 8 bytes each instruction: which packets come in"),
    SO(SO_DETACH_FILTER, NONE, "removes the filter"),
    SO(SO_LOCK_FILTER, BOOLEAN, "the filter cannot be changed any more"),
    SO(SO_ATTACH_BPF, INTEGER, "descriptor of an eBPF filter"),
    SO(SO_ATTACH_REUSEPORT_CBPF, FILTER, "which socket of a SO_REUSEPORT group gets a packet"),
    SO(SO_ATTACH_REUSEPORT_EBPF, INTEGER, "the same as descriptor of an eBPF program"),
    SO(SO_DETACH_REUSEPORT_BPF, NONE, "removes that program"),
    SO(SO_BPF_EXTENSIONS, INTEGER, "BPF extensions of this kernel; read only"),
    SO(SO_MEMINFO, BYTES, "nine 32-bit counters of socket memory; read only"),
    SO(SO_COOKIE, WIDE, "a number that no other socket of this system has had; read only"),
    SO(SO_NETNS_COOKIE, WIDE, "the same of its network namespace; read only"),
    SO(SO_CNX_ADVICE, INTEGER, "1: the path seems dead, look for another"),
    SO(SO_NO_CHECK, BOOLEAN, "UDP over IPv4 without checksums"),
    SO(SO_WIFI_STATUS, BOOLEAN, "report whether wireless frames were acknowledged"),
    SO(SO_NOFCS, BOOLEAN, "raw frames bring their own checksum"),
    SO(SO_DEBUG, BOOLEAN, "kernel debugging; needs CAP_NET_ADMIN"),

    TCP(TCP_NODELAY, BOOLEAN, "send at once instead of waiting to fill a segment; netlua sets it"),
    TCP(TCP_CORK, BOOLEAN, "hold back all but full segments, for 0.2 s at most"),
    TCP(TCP_QUICKACK, BOOLEAN, "acknowledge at once, for the time being"),
    TCP(TCP_MAXSEG, INTEGER, "largest segment in bytes"),
    TCP(TCP_KEEPIDLE, SECONDS, "idle seconds before the first probe of SO_KEEPALIVE; 1 to 32767"),
    TCP(TCP_KEEPINTVL, SECONDS, "seconds between probes; 1 to 32767"),
    TCP(TCP_KEEPCNT, INTEGER, "unanswered probes that end the connection; 1 to 127"),
    TCP(TCP_USER_TIMEOUT, MILLIS, "seconds that sent data may stay unacknowledged; 0: the system's rule"),
    TCP(TCP_SYNCNT, INTEGER, "how often connect repeats its SYN; 1 to 127"),
    TCP(TCP_LINGER2, INTEGER, "seconds in FIN_WAIT2 without a reader; -1: none"),
    TCP(TCP_DEFER_ACCEPT, SECONDS, "accept only with the first data, or after so many seconds"),
    TCP(TCP_WINDOW_CLAMP, INTEGER, "largest window to announce"),
    TCP(TCP_CONGESTION, STRING, "congestion control: \"cubic\", \"bbr\" ..."),
    TCP(TCP_CC_INFO, BYTES, "state of the congestion control; read only"),
    TCP(TCP_INFO, INFO, "state, times and counters of the connection; read only, see info()"),
    TCP(TCP_FASTOPEN, INTEGER, "listener: how many connections may bring data with their SYN"),
    TCP(TCP_FASTOPEN_CONNECT, BOOLEAN, "connect defers its SYN to carry the first data"),
    TCP(TCP_FASTOPEN_KEY, BYTES, "16 or 32 bytes: keys of the cookies"),
    TCP(TCP_FASTOPEN_NO_COOKIE, BOOLEAN, "fast open without a cookie"),
    TCP(TCP_NOTSENT_LOWAT, UNSIGNED, "unsent bytes below which a stream counts as writable"),
    TCP(TCP_TIMESTAMP, UNSIGNED, "the clock of timestamps; to set in repair mode"),
    TCP(TCP_INQ, BOOLEAN, "receives tell how much is still queued"),
    TCP(TCP_SAVE_SYN, INTEGER, "listener: keep the headers of the SYN; 2: with the link layer's"),
    TCP(TCP_SAVED_SYN, BYTES, "the headers that TCP_SAVE_SYN kept, once; read only"),
    TCP(TCP_ULP, STRING, "upper layer in the kernel: \"tls\""),
    TCP(TCP_MD5SIG, BYTES, "a struct tcp_md5sig: key for a peer (RFC 2385)"),
    TCP(TCP_MD5SIG_EXT, BYTES, "the same for a prefix"),
    TCP(TCP_THIN_LINEAR_TIMEOUTS, BOOLEAN, "no exponential backoff on streams with few packets"),
    TCP(TCP_THIN_DUPACK, BOOLEAN, "without effect since Linux 4.11"),
    TCP(TCP_TX_DELAY, MICROS, "delays what is sent, for tests"),
    TCP(TCP_IS_MPTCP, BOOLEAN, "whether it is multipath TCP; read only"),
    TCP(TCP_RTO_MAX_MS, MILLIS, "longest retransmission timeout, 1 to 120 seconds"),
    TCP(TCP_RTO_MIN_US, MICROS, "shortest retransmission timeout"),
    TCP(TCP_DELACK_MAX_US, MICROS, "longest delay of an acknowledgement"),
    TCP(TCP_REPAIR, INTEGER, "checkpoint mode: 1 on, 0 off; needs CAP_NET_ADMIN"),
    TCP(TCP_REPAIR_QUEUE, INTEGER, "which queue the next call is about, in repair mode"),
    TCP(TCP_QUEUE_SEQ, UNSIGNED, "sequence number of that queue, in repair mode"),
    TCP(TCP_REPAIR_OPTIONS, BYTES, "negotiated options, in repair mode"),
    TCP(TCP_REPAIR_WINDOW, BYTES, "window state, in repair mode"),

    UDP(UDP_CORK, BOOLEAN, "collect what is sent into one datagram until it is off"),
    UDP(UDP_SEGMENT, INTEGER, "the kernel cuts what is sent into datagrams of so many bytes; 0: off"),
    UDP(UDP_GRO, BOOLEAN, "a receive may bring several datagrams of one size at once"),
    UDP(UDP_NO_CHECK6_TX, BOOLEAN, "send over IPv6 without checksums"),
    UDP(UDP_NO_CHECK6_RX, BOOLEAN, "accept datagrams over IPv6 without checksums"),
    UDP(UDP_ENCAP, INTEGER, "encapsulation of IPsec or GTP in the kernel"),

    IP4(IP_TTL, INTEGER, "hops that what is sent may take, 1 to 255; -1: the system's default"),
    IP4(IP_TOS, INTEGER, "type of service: DSCP in the upper six bits"),
    IP4(IP_MINTTL, INTEGER, "packets with fewer hops left are dropped"),
    IP4(IP_MTU, INTEGER, "path MTU of a connected socket; read only"),
    IP4(IP_MTU_DISCOVER, INTEGER, "IP_PMTUDISC_*: whether packets may be fragmented"),
    IP4(IP_RECVERR, BOOLEAN, "ICMP errors queue up with their details, see recvmsg"),
    IP4(IP_RECVERR_RFC4884, BOOLEAN, "they carry the extensions of RFC 4884"),
    IP4(IP_PKTINFO, BOOLEAN, "datagrams tell where they were sent and where they came in"),
    IP4(IP_RECVTTL, BOOLEAN, "datagrams tell their TTL"),
    IP4(IP_RECVTOS, BOOLEAN, "datagrams tell their type of service"),
    IP4(IP_RECVOPTS, BOOLEAN, "datagrams tell their IP options"),
    IP4(IP_RETOPTS, BOOLEAN, "datagrams tell their IP options as an answer would carry them"),
    IP4(IP_RECVORIGDSTADDR, BOOLEAN, "datagrams tell where they were sent before a redirection"),
    IP4(IP_RECVFRAGSIZE, BOOLEAN, "datagrams tell their largest fragment"),
    IP4(IP_CHECKSUM, BOOLEAN, "datagrams tell their checksum"),
    IP4(IP_PASSSEC, BOOLEAN, "datagrams tell the security label of the sender"),
    IP4(IP_MULTICAST_IF, OUTGOING, "interface that multicast leaves by; false: as routes say"),
    IP4(IP_MULTICAST_TTL, INTEGER, "hops of multicast, 0 to 255: 1 stays on the network, 0 on this host"),
    IP4(IP_MULTICAST_LOOP, BOOLEAN, "what is sent comes back to members on this host"),
    IP4(IP_MULTICAST_ALL, BOOLEAN, "receive groups that only other sockets joined; joining turns it off"),
    IP4(IP_ADD_MEMBERSHIP, MEMBERSHIP, "joins a group; set only, see join"),
    IP4(IP_DROP_MEMBERSHIP, MEMBERSHIP, "leaves a group; set only"),
    IP4(IP_ADD_SOURCE_MEMBERSHIP, MEMBERSHIP, "joins a group for one source; set only"),
    IP4(IP_DROP_SOURCE_MEMBERSHIP, MEMBERSHIP, "leaves a group for one source; set only"),
    IP4(IP_BLOCK_SOURCE, MEMBERSHIP, "no more of one source of a group; set only"),
    IP4(IP_UNBLOCK_SOURCE, MEMBERSHIP, "that source again; set only"),
    IP4(MCAST_JOIN_GROUP, MEMBERSHIP, "joins a group of either family; set only"),
    IP4(MCAST_LEAVE_GROUP, MEMBERSHIP, "leaves a group of either family; set only"),
    IP4(MCAST_JOIN_SOURCE_GROUP, MEMBERSHIP, "joins a group of either family for one source; set only"),
    IP4(MCAST_LEAVE_SOURCE_GROUP, MEMBERSHIP, "leaves a group for one source; set only"),
    IP4(MCAST_BLOCK_SOURCE, MEMBERSHIP, "no more of one source of a group; set only"),
    IP4(MCAST_UNBLOCK_SOURCE, MEMBERSHIP, "that source again; set only"),
    IP4(IP_UNICAST_IF, NETINDEX, "interface that unicast leaves by where the route does not say"),
    IP4(IP_FREEBIND, BOOLEAN, "bind to an address that this host does not have yet"),
    IP4(IP_TRANSPARENT, BOOLEAN, "bind to addresses of others, for proxies; needs CAP_NET_ADMIN"),
    IP4(IP_BIND_ADDRESS_NO_PORT, BOOLEAN, "bind to port 0 chooses the port at connect only"),
    IP4(IP_LOCAL_PORT_RANGE, UNSIGNED, "lowest free port to choose, plus 65536 times the highest; 0: any"),
    IP4(IP_PROTOCOL, INTEGER, "protocol of a raw socket; read only"),
    IP4(IP_HDRINCL, BOOLEAN, "raw sockets: what is sent begins with its IP header"),
    IP4(IP_NODEFRAG, BOOLEAN, "raw sockets: fragments come in as they are"),
    IP4(IP_OPTIONS, BYTES, "IP options of what is sent"),
    IP4(IP_ROUTER_ALERT, BOOLEAN, "raw sockets: forwarded packets with a router alert come here"),
    IP4(IP_IPSEC_POLICY, BYTES, "IPsec policy of this socket"),
    IP4(IP_XFRM_POLICY, BYTES, "IPsec policy of this socket; needs CAP_NET_ADMIN"),

    IP6(IPV6_V6ONLY, BOOLEAN, "no IPv4 on this socket; netlua clears it unless asked"),
    IP6(IPV6_UNICAST_HOPS, INTEGER, "hops that what is sent may take; -1: the system's default"),
    IP6(IPV6_TCLASS, INTEGER, "traffic class: DSCP in the upper six bits; -1: the system's default"),
    IP6(IPV6_MINHOPCOUNT, INTEGER, "packets with fewer hops left are dropped"),
    IP6(IPV6_MTU, INTEGER, "path MTU of a connected socket; to set: a smaller limit"),
    IP6(IPV6_MTU_DISCOVER, INTEGER, "IPV6_PMTUDISC_*: whether packets may be fragmented"),
    IP6(IPV6_DONTFRAG, BOOLEAN, "never fragment here; too large a datagram is EMSGSIZE"),
    IP6(IPV6_RECVERR, BOOLEAN, "ICMPv6 errors queue up with their details, see recvmsg"),
    IP6(IPV6_RECVERR_RFC4884, BOOLEAN, "they carry the extensions of RFC 4884"),
    IP6(IPV6_RECVPKTINFO, BOOLEAN, "datagrams tell where they were sent and where they came in"),
    IP6(IPV6_RECVHOPLIMIT, BOOLEAN, "datagrams tell their hop limit"),
    IP6(IPV6_RECVTCLASS, BOOLEAN, "datagrams tell their traffic class"),
    IP6(IPV6_RECVPATHMTU, BOOLEAN, "changes of the path MTU come as ancillary data"),
    IP6(IPV6_RECVHOPOPTS, BOOLEAN, "datagrams tell their hop-by-hop options"),
    IP6(IPV6_RECVDSTOPTS, BOOLEAN, "datagrams tell their destination options"),
    IP6(IPV6_RECVRTHDR, BOOLEAN, "datagrams tell their routing header"),
    IP6(IPV6_RECVORIGDSTADDR, BOOLEAN, "datagrams tell where they were sent before a redirection"),
    IP6(IPV6_RECVFRAGSIZE, BOOLEAN, "datagrams tell their largest fragment"),
    IP6(IPV6_MULTICAST_IF, INDEX, "interface that multicast leaves by; false: as routes say"),
    IP6(IPV6_MULTICAST_HOPS, INTEGER, "hops of multicast, 0 to 255; -1: 1"),
    IP6(IPV6_MULTICAST_LOOP, BOOLEAN, "what is sent comes back to members on this host"),
    IP6(IPV6_MULTICAST_ALL, BOOLEAN, "receive groups that only other sockets joined; joining turns it off"),
    IP6(IPV6_JOIN_GROUP, MEMBERSHIP, "joins a group; set only, see join"),
    IP6(IPV6_LEAVE_GROUP, MEMBERSHIP, "leaves a group; set only"),
    IP6(IPV6_JOIN_ANYCAST, BYTES, "a struct ipv6_mreq: adds an anycast address; set only"),
    IP6(IPV6_LEAVE_ANYCAST, BYTES, "a struct ipv6_mreq: gives it up; set only"),
    IP6(IPV6_UNICAST_IF, NETINDEX, "interface that unicast leaves by where the route does not say"),
    IP6(IPV6_FREEBIND, BOOLEAN, "bind to an address that this host does not have yet"),
    IP6(IPV6_TRANSPARENT, BOOLEAN, "bind to addresses of others, for proxies; needs CAP_NET_ADMIN"),
    IP6(IPV6_ADDR_PREFERENCES, INTEGER, "which source addresses to prefer (RFC 5014)"),
    IP6(IPV6_AUTOFLOWLABEL, BOOLEAN, "the kernel chooses flow labels"),
    IP6(IPV6_FLOWINFO, BOOLEAN, "datagrams tell their flow label"),
    IP6(IPV6_FLOWINFO_SEND, BOOLEAN, "flow labels of addresses to send to count"),
    IP6(IPV6_ADDRFORM, INTEGER, "AF_INET turns a connected socket with mapped addresses into IPv4"),
    IP6(IPV6_CHECKSUM, INTEGER, "raw sockets: where the checksum goes; -1: none"),
    IP6(IPV6_HDRINCL, BOOLEAN, "raw sockets: what is sent begins with its IP header"),
    IP6(IPV6_ROUTER_ALERT, INTEGER, "raw sockets: packets with that router alert come here; -1: none"),
    IP6(IPV6_ROUTER_ALERT_ISOLATE, BOOLEAN, "only those of the own namespace"),
    IP6(IPV6_PKTINFO, BYTES, "a struct in6_pktinfo: source and interface of what is sent"),
    IP6(IPV6_NEXTHOP, BYTES, "a struct sockaddr_in6: the next hop"),
    IP6(IPV6_HOPOPTS, BYTES, "hop-by-hop options of what is sent"),
    IP6(IPV6_DSTOPTS, BYTES, "destination options of what is sent"),
    IP6(IPV6_RTHDRDSTOPTS, BYTES, "destination options before the routing header"),
    IP6(IPV6_RTHDR, BYTES, "routing header of what is sent"),
    IP6(IPV6_PATHMTU, BYTES, "a struct ip6_mtuinfo of a connected socket; read only"),
    IP6(IPV6_IPSEC_POLICY, BYTES, "IPsec policy of this socket"),
    IP6(IPV6_XFRM_POLICY, BYTES, "IPsec policy of this socket; needs CAP_NET_ADMIN"),
    {NULL, 0, 0, NL_NONE, NULL},
};

/* Other names: of older interfaces, and of LuaSocket where upper case and a prefix do not give ours. */
static const char *const aliases[][2] = {
    {"IPV6_ADD_MEMBERSHIP", "IPV6_JOIN_GROUP"}, {"IPV6_DROP_MEMBERSHIP", "IPV6_LEAVE_GROUP"},
    {"IP_ORIGDSTADDR", "IP_RECVORIGDSTADDR"},   {"IPV6_ORIGDSTADDR", "IPV6_RECVORIGDSTADDR"},
    {"IP_RECVRETOPTS", "IP_RETOPTS"},           {"SO_DETACH_BPF", "SO_DETACH_FILTER"},
    {"RECV_BUFFER_SIZE", "SO_RCVBUF"},          {"SEND_BUFFER_SIZE", "SO_SNDBUF"}};

#define NALIASES (sizeof aliases / sizeof *aliases)

#define C(name)                                                                                              \
  { #name, name }

const nl_word nl_levels[] = {C(SOL_SOCKET),
                             {"SOL_IP", 0},
                             {"SOL_TCP", 6},
                             {"SOL_UDP", 17},
                             {"SOL_IPV6", 41},
                             {"SOL_RAW", 255},
                             C(SOL_ICMPV6),
                             C(SOL_PACKET),
                             C(SOL_NETLINK),
                             {"SOL_UDPLITE", 136},
                             C(IPPROTO_IP),
                             C(IPPROTO_ICMP),
                             C(IPPROTO_IGMP),
                             C(IPPROTO_IPIP),
                             C(IPPROTO_TCP),
                             C(IPPROTO_EGP),
                             C(IPPROTO_PUP),
                             C(IPPROTO_UDP),
                             C(IPPROTO_IDP),
                             C(IPPROTO_TP),
                             C(IPPROTO_DCCP),
                             C(IPPROTO_IPV6),
                             C(IPPROTO_RSVP),
                             C(IPPROTO_GRE),
                             C(IPPROTO_ESP),
                             C(IPPROTO_AH),
                             C(IPPROTO_MTP),
                             C(IPPROTO_ENCAP),
                             C(IPPROTO_PIM),
                             C(IPPROTO_COMP),
                             C(IPPROTO_SCTP),
                             C(IPPROTO_UDPLITE),
                             C(IPPROTO_MPLS),
                             C(IPPROTO_RAW),
                             {"IPPROTO_MPTCP", 262},
                             C(IPPROTO_HOPOPTS),
                             C(IPPROTO_ROUTING),
                             C(IPPROTO_FRAGMENT),
                             C(IPPROTO_ICMPV6),
                             C(IPPROTO_NONE),
                             C(IPPROTO_DSTOPTS),
                             {"IPPROTO_VRRP", 112},
                             {NULL, 0}};

const nl_word nl_constants[] = {C(MSG_OOB),
                                C(MSG_PEEK),
                                C(MSG_DONTROUTE),
                                C(MSG_CTRUNC),
                                C(MSG_TRUNC),
                                C(MSG_DONTWAIT),
                                C(MSG_EOR),
                                C(MSG_WAITALL),
                                C(MSG_CONFIRM),
                                C(MSG_ERRQUEUE),
                                C(MSG_NOSIGNAL),
                                C(MSG_MORE),
                                C(MSG_WAITFORONE),
                                C(MSG_ZEROCOPY),
                                C(MSG_FASTOPEN),
                                C(MSG_CMSG_CLOEXEC),
                                C(IP_PMTUDISC_DONT),
                                C(IP_PMTUDISC_WANT),
                                C(IP_PMTUDISC_DO),
                                C(IP_PMTUDISC_PROBE),
                                C(IP_PMTUDISC_INTERFACE),
                                C(IP_PMTUDISC_OMIT),
                                C(IPV6_PMTUDISC_DONT),
                                C(IPV6_PMTUDISC_WANT),
                                C(IPV6_PMTUDISC_DO),
                                C(IPV6_PMTUDISC_PROBE),
                                C(IPV6_PMTUDISC_INTERFACE),
                                C(IPV6_PMTUDISC_OMIT),
                                {"SOMAXCONN", SOMAXCONN},
                                {NULL, 0}};

/* ---- finding options */

bool nl_findname (const nl_word *words, const char *name, int *value) {
  for (const nl_word *w = words; w->name != NULL; w++) {
    if (strcmp(w->name, name) != 0) continue;
    *value = w->value;
    return true;
  }
  return false;
}

const nl_option *nl_optionbyname (const char *name) {
  for (size_t i = 0; i < NALIASES; i++) {
    if (strcmp(aliases[i][0], name) == 0) name = aliases[i][1];
  }
  for (const nl_option *o = nl_options; o->name != NULL; o++) {
    if (strcmp(o->name, name) == 0) return o;
  }
  return NULL;
}

/* "tcp-nodelay" is TCP_NODELAY, "reuseaddr" is SO_REUSEADDR. */
const nl_option *nl_optionbyanyname (const char *name) {
  char text[48] = "SO_";
  size_t len = strlen(name);
  if (len > sizeof text - 4) return NULL;
  for (size_t i = 0; i <= len; i++) {
    char c = name[i];
    text[i + 3] = c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
  }
  const nl_option *o = nl_optionbyname(text + 3);
  return o != NULL ? o : nl_optionbyname(text);
}

const nl_option *nl_optionbynumber (int level, int number) {
  bool either = level == IPPROTO_IPV6 && number >= MCAST_JOIN_GROUP && number <= MCAST_LEAVE_SOURCE_GROUP;
  if (either) level = IPPROTO_IP;
  for (const nl_option *o = nl_options; o->name != NULL; o++) {
    if (o->level == level && o->number == number) return o;
  }
  return NULL;
}
