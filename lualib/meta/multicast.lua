---@meta
-- luacheck: ignore

---@class net.datagram: net.handle
local datagram = {}

---The options of net.datagram.join and net.datagram.leave.
---@class net.membership
---@field interface? string|integer|false name, index or address; nil, false: as the routes say, or the zone
--- of an IPv6 group
---@field source? string numeric address: only what comes from there

---Joins a multicast group. From then on the socket receives the groups that it joined itself only, not those
---of other sockets on the same port (IP_MULTICAST_ALL, IPV6_MULTICAST_ALL). A socket made without a family
---takes the group's.
---@param group string numeric multicast address
---@param options? net.membership an unknown field raises
---@return net.datagram? self
---@return net.error? err ENODEV (no such interface, or no route to the group: name an interface), EADDRINUSE
--- (joined already), EINVAL (not a multicast address), EAI_NONAME, EAFNOSUPPORT, ENOBUFS (too many groups),
--- CLOSED
---@see ip(7), ipv6(7)
---```lua
---local s <close> = assert(net.udp { reuseaddr = true })
---assert(s:bind("0.0.0.0", 0))
---assert(s:join("224.1.1.1", { interface = "lo" }))
---```
function datagram:join(group, options) end

---Leaves a group, with the same arguments as join. Closing leaves all.
---@param group string numeric multicast address
---@param options? net.membership an unknown field raises
---@return net.datagram? self
---@return net.error? err EADDRNOTAVAIL (not joined there), ENODEV, EINVAL, EAI_NONAME, EAFNOSUPPORT, CLOSED
---```lua
---local s <close> = assert(net.udp())
---assert(s:join("224.1.1.1", { interface = "lo" }))
---assert(s:leave("224.1.1.1", { interface = "lo" }))
---```
function datagram:leave(group, options) end

---Sets or tells how many hops multicast may take: 0 stays on this host, 1, the default, on the network.
---@param n? integer 0 to 255; without: tells
---@return net.datagram|integer? result the socket, or the number
---@return net.error? err CLOSED
---```lua
---local s <close> = assert(net.udp())
---assert(s:ttl() == 1)
---assert(s:ttl(4):ttl() == 4)
---```
function datagram:ttl(n) end

---Sets or tells whether multicast comes back to members on this host. It is the sender's choice, on by
---default, and without effect on lo, which has no other end.
---@param on? boolean without: tells
---@return net.datagram|boolean? result the socket, or whether it is on
---@return net.error? err CLOSED
---```lua
---local s <close> = assert(net.udp())
---assert(s:loop(false):loop() == false)
---```
function datagram:loop(on) end

---Sets or tells the interface that multicast leaves by.
---@param interface? string|integer|false name, index or address; false: as the routes say; without: tells
---@return net.datagram|string|integer|false? result the socket; or the name of the interface, its index where
--- it has none any more, false where routes decide
---@return net.error? err ENODEV (no such interface), EADDRNOTAVAIL, CLOSED
---```lua
---local s <close> = assert(net.udp())
---assert(s:interface("lo"):interface() == "lo")
---```
function datagram:interface(interface) end

return datagram
