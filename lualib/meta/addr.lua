---@meta
-- luacheck: ignore

-- Functions of bindings/addr.c, all fields of net: numbers and addresses in network form.

---@class net
---@field AF_UNSPEC integer 0, any family
---@field AF_UNIX integer 1, the family "unix"
---@field AF_INET integer 2, the family "inet"
---@field AF_INET6 integer 10, the family "inet6"
---@field AF_PACKET integer 17
---@field AF_VSOCK integer 40
---@field AF_NETLINK integer 16
---@field SOCK_STREAM integer 1, the type "stream"
---@field SOCK_DGRAM integer 2, the type "dgram"
---@field SOCK_RAW integer 3, the type "raw"
---@field SOCK_RDM integer 4
---@field SOCK_SEQPACKET integer 5, the type "seqpacket"
---@field SHUT_RD integer 0, the direction "r" of shutdown
---@field SHUT_WR integer 1, the direction "w" of shutdown
---@field SHUT_RDWR integer 2, the directions "rw" of shutdown
---@field IPPROTO_IP integer 0
---@field IPPROTO_ICMP integer 1
---@field IPPROTO_IGMP integer 2
---@field IPPROTO_IPIP integer 4
---@field IPPROTO_TCP integer 6
---@field IPPROTO_EGP integer 8
---@field IPPROTO_UDP integer 17
---@field IPPROTO_DCCP integer 33
---@field IPPROTO_IPV6 integer 41
---@field IPPROTO_ROUTING integer 43
---@field IPPROTO_FRAGMENT integer 44
---@field IPPROTO_RSVP integer 46
---@field IPPROTO_GRE integer 47
---@field IPPROTO_ESP integer 50
---@field IPPROTO_AH integer 51
---@field IPPROTO_ICMPV6 integer 58
---@field IPPROTO_NONE integer 59
---@field IPPROTO_DSTOPTS integer 60
---@field IPPROTO_ENCAP integer 98
---@field IPPROTO_PIM integer 103
---@field IPPROTO_COMP integer 108
---@field IPPROTO_SCTP integer 132
---@field IPPROTO_UDPLITE integer 136
---@field IPPROTO_MPLS integer 137
---@field IPPROTO_RAW integer 255
local net = {}

---Turns 16 bits from host order to network order.
---@param n integer 0 to 65535; anything else raises
---@return integer swapped
---@see byteorder(3)
---```lua
---assert(string.pack("=I2", net.htons(80)) == "\0\80")
---```
function net.htons(n) end

---Turns 16 bits from network order to host order.
---@param n integer 0 to 65535; anything else raises
---@return integer swapped
---@see byteorder(3)
---```lua
---assert(net.ntohs(net.htons(80)) == 80)
---```
function net.ntohs(n) end

---Turns 32 bits from host order to network order.
---@param n integer 0 to 4294967295; anything else raises
---@return integer swapped
---@see byteorder(3)
---```lua
---assert(string.pack("=I4", net.htonl(1)) == "\0\0\0\1")
---```
function net.htonl(n) end

---Turns 32 bits from network order to host order.
---@param n integer 0 to 4294967295; anything else raises
---@return integer swapped
---@see byteorder(3)
---```lua
---assert(net.ntohl(net.htonl(1)) == 1)
---```
function net.ntohl(n) end

---Turns 64 bits from host order to network order.
---@param n integer any; floats without an integer value raise
---@return integer swapped may be negative: all 64 bits count
---@see htobe64(3)
---```lua
---assert(string.pack("=i8", net.hton64(1)) == "\0\0\0\0\0\0\0\1")
---```
function net.hton64(n) end

---Turns 64 bits from network order to host order.
---@param n integer any; floats without an integer value raise
---@return integer swapped
---@see be64toh(3)
---```lua
---assert(net.ntoh64(net.hton64(-5)) == -5)
---```
function net.ntoh64(n) end

---Reads an address strictly: four decimal numbers without leading zeros, or IPv6 without a zone.
---@param family integer|string net.AF_INET, net.AF_INET6, "inet" or "inet6"; another one raises
---@param text string
---@return string? bytes 4 or 16, in network order
---@return net.error? err EINVAL
---@see inet_pton(3)
---```lua
---assert(net.inet_pton(net.AF_INET, "127.0.0.1") == "\127\0\0\1")
---```
function net.inet_pton(family, text) end

---Writes an address.
---@param family integer|string net.AF_INET, net.AF_INET6, "inet" or "inet6"; another one raises
---@param bytes string 4 or 16; another count raises
---@return string text
---@see inet_ntop(3)
---```lua
---assert(net.inet_ntop(net.AF_INET, "\127\0\0\1") == "127.0.0.1")
---```
function net.inet_ntop(family, bytes) end

---Reads an IPv4 address in any of its old forms: one to four numbers, decimal, octal (0177.0.0.1) or
---hexadecimal (0x7f.1), the last of which fills the bytes that are left. Nothing may follow the address. Use
---inet_pton where only the usual form is right.
---@param text string
---@return string? bytes 4, in network order
---@return net.error? err EINVAL
---@see inet_aton(3)
---```lua
---assert(net.inet_aton("127.1") == "\127\0\0\1")
---```
function net.inet_aton(text) end

---Writes an IPv4 address.
---@param bytes string 4; another count raises
---@return string text
---@see inet_ntoa(3)
---```lua
---assert(net.inet_ntoa("\127\0\0\1") == "127.0.0.1")
---```
function net.inet_ntoa(bytes) end

return net
