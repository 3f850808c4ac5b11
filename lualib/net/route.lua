-- net.route: which way packets go, and who is on the same network.

local core = require "net.core.route"
local iface = require "net.core.iface"
local check = require "net.check"

local OPTIONS = {
  source = { "text" },
  interface = { "interface", 0 },
  mark = { "integer", 0, 0xffffffff },
}
local WHICH = { family = { "word", "inet", "inet6" }, interface = { "interface", 0 } }
local LARGEST = 65535 -- bytes of an IPv4 packet, whatever the interface could take

---@class net
local route = {}

---A default route, or one next hop of it.
---@class net.gateway
---@field family "inet"|"inet6" of the destinations
---@field via string? the router, with its zone if link-local; absent: everything is taken to be on that link
---@field device string the interface
---@field index integer of the interface
---@field metric integer the route with the lowest is taken
---@field source string? the address packets leave from, where the route says so
---@field protocol string who made it: "static", "dhcp", "ra", "kernel", "boot", ...; digits for rare ones
---@field flags string[] "linkdown", "dead", "onlink", ...
---@field weight integer? where the route has several next hops

---The way to one destination.
---@class net.way
---@field destination string
---@field family "inet"|"inet6"
---@field via string? the next router; absent: the destination is on that link
---@field device string the interface
---@field index integer of the interface
---@field source string? the address a socket would send from
---@field type string "unicast", "local" (this machine itself), "broadcast", "multicast", "anycast"
---@field table integer? the number of the routing table that decided: 254 is the main one, 255 that of this
--- machine's own addresses; absent where none did
---@field mtu integer? bytes in one packet: what the route or path discovery says, else the interface
---@field hoplimit integer? where the route says so

---A neighbour: an address on the same link, and the hardware address that belongs to it.
---@class net.neighbor
---@field family "inet"|"inet6"
---@field address string with its zone if link-local
---@field device string the interface
---@field index integer of the interface
---@field mac string? absent as long as it is not known
---@field state string "reachable", "stale", "delay", "probe", "incomplete", "failed" or "permanent"
---@field router boolean it says that it is one (IPv6)

---The options of net.route.
---@class net.route.options
---@field source? string the numeric address to send from, one of this machine
---@field interface? string|integer name, index or address: leave there and nowhere else
---@field mark? integer 0 to 4294967295, as SO_MARK has it

---The options of net.neighbors.
---@class net.neighbors.options
---@field family? "inet"|"inet6"
---@field interface? string|integer name, index or address

-- Where it decides alone. A link that is gone again decides nothing.
local function linkmtu(way)
  local links = way.index and iface.links(way.index)
  local link = links and links[1]
  if not link then return nil end
  if way.family == "inet" then return math.min(link.mtu, LARGEST) end
  return link.mtu6 or link.mtu
end

---Asks the kernel which way packets to an address take, and sends nothing. It answers as `ip route get` does,
---for this user and without a socket: the source is the address that a connection would have.
---@param destination string numeric address; a link-local one with its zone, unless there is an interface
---@param options? net.route.options an unknown field raises
---@return net.way? way
---@return net.error? err ENETUNREACH (no route), EHOSTUNREACH (an unreachable route), EACCES (a prohibit
--- route), EINVAL (a blackhole route, with kind "unreachable"; or no address, with kind "address"),
--- EADDRNOTAVAIL (the source is not this machine's), EAFNOSUPPORT (families differ), ENODEV (no such
--- interface), and those of net.interfaces
---@see rtnetlink(7), ip-route(8)
---```lua
---local way = assert(net.route "127.0.0.1")
---assert(way.device == "lo" and way.type == "local" and not way.via)
---```
function route.route(destination, options)
  options = check.fields("route", 2, options, OPTIONS)
  local way, err = check.call("route", core.lookup, destination, options)
  if not way then return nil, err end
  if not way.mtu then way.mtu = linkmtu(way) end
  return way
end

-- As the kernel lists them, where family and metric are the same.
local function before(a, b)
  if a.family ~= b.family then return a.family < b.family end
  if a.metric ~= b.metric then return a.metric < b.metric end
  return a.order < b.order
end

---Lists the default routes of the main table, the one that is taken first: IPv4, then IPv6, each by metric.
---@return net.gateway[]? gateways empty where no default route is set
---@return net.error? err those of net.interfaces
---@see rtnetlink(7)
---```lua
---for _, gateway in ipairs(assert(net.gateways())) do
---  print(gateway.family, gateway.via, gateway.device)
---end
---```
function route.gateways()
  local gateways, err = core.defaults()
  if not gateways then return nil, err end
  for order, gateway in ipairs(gateways) do gateway.order = order end
  table.sort(gateways, before)
  for _, gateway in ipairs(gateways) do gateway.order = nil end
  return gateways
end

---Lists the neighbours that the kernel knows: the ARP table, and that of IPv6. Entries without a meaning,
---those of multicast and loopback, are left out.
---@param options? net.neighbors.options an unknown field raises
---@return net.neighbor[]? neighbors
---@return net.error? err ENODEV (no such interface), and those of net.interfaces
---@see arp(7), rtnetlink(7)
---```lua
---for _, neighbor in ipairs(assert(net.neighbors { family = "inet" })) do
---  print(neighbor.address, neighbor.mac, neighbor.state)
---end
---```
function route.neighbors(options)
  return check.call("neighbors", core.neighbors, check.fields("neighbors", 1, options, WHICH))
end

return route
