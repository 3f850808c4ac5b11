-- net.iface: this machine's interfaces and addresses, put together from what the kernel lists.

local core = require "net.core.iface"
local check = require "net.check"

---@class net
local iface = {}

---A network interface, as the kernel describes it at this moment. Fields that do not apply are absent.
---@class net.interface
---@field name string up to 15 bytes, whatever they are
---@field index integer from 1; stays when the name changes
---@field type string "ether", "loopback", "ppp", "none", ...; digits of ARPHRD_* for rare ones
---@field kind string? what made it: "veth", "bridge", "vlan", "wireguard", ...
---@field flags string[] lower-case names of netdevice(7): "up", "running", "broadcast", "multicast", ...
---@field up boolean switched on
---@field running boolean switched on and able to carry packets
---@field operstate string "up", "down", "dormant", "lowerlayerdown", "notpresent", "testing" or "unknown"
---@field mtu integer bytes
---@field mac string? "02:00:00:00:00:01"; zeros for the loopback
---@field master string? the bridge or bond it belongs to
---@field parent string? the interface below it, of a vlan for one; the other end of a veth in this namespace
---@field speed_mbit integer? megabits per second, where the driver tells; only while it is running
---@field addresses net.interface.address[]
---@field stats net.interface.stats

---An address of an interface. A link-local IPv6 address has its zone, so that it can be passed on.
---@class net.interface.address
---@field family "inet"|"inet6"
---@field address string
---@field prefix integer bits
---@field netmask string? IPv4 only
---@field broadcast string?
---@field peer string? the other end of a point-to-point link: the prefix is that of its network then
---@field scope string "global", "link", "host", "site", "nowhere"; digits for others
---@field flags string[] "permanent", "secondary", "temporary", "tentative", "deprecated", "dadfailed", ...
---@field label string? IPv4 only: mostly the name of the interface
---@field valid integer? seconds until it goes; absent: it stays
---@field preferred integer? seconds until it is deprecated; absent: never

---What an interface has counted since it is there.
---@class net.interface.stats
---@field rx_bytes integer
---@field rx_packets integer
---@field rx_errors integer
---@field rx_dropped integer
---@field tx_bytes integer
---@field tx_packets integer
---@field tx_errors integer
---@field tx_dropped integer
---@field multicast integer packets received
---@field collisions integer

---The options of net.local_addresses.
---@class net.local_addresses.options
---@field family? "inet"|"inet6"
---@field interface? string|integer name, index or address; all if absent or 0
---@field scope? "global"|"link"|"host" those that reach so far: "host" stands for the loopback

-- What the binding gives and no user needs.
local function tidy(link, names)
  link.mtu6 = nil
  link.master, link.parent = names[link.master or 0], names[link.parent or 0]
  link.speed_mbit = link.running and core.speed(link.name) or nil
  link.addresses = {}
end

local function having(list, field, value)
  for _, link in ipairs(list) do
    if link[field] == value then return link end
  end
end

-- An address stands for its interface in all the forms in which the kernel's lists are searched for it.
local byname = {
  __index = function(list, word)
    if type(word) ~= "string" or word:find("\0", 1, true) then return nil end
    return having(list, "name", word) or having(list, "index", core.index(word))
  end,
}

---Lists the network interfaces with their addresses and counters. The list has a field for each name too,
---and for each address: `net.interfaces().lo`, `net.interfaces()["127.0.0.1"]`.
---@return net.interface[]? interfaces in the order of their index
---@return net.error? err EMFILE, ENFILE, ENOBUFS, ENOMEM, EBUSY (they changed all the time), or in a sandbox
--- EACCES or EPERM
---@see rtnetlink(7), netdevice(7)
---```lua
---local lo = assert(net.interfaces()).lo
---assert(lo.type == "loopback" and lo.mtu > 0)
---```
function iface.interfaces()
  local links, err = core.links()
  if not links then return nil, err end
  local addresses, problem = core.addresses()
  if not addresses then return nil, problem end
  local names, byindex = {}, {}
  for _, link in ipairs(links) do names[link.index], byindex[link.index] = link.name, link end
  for _, link in ipairs(links) do tidy(link, names) end
  for _, address in ipairs(addresses) do
    local link = byindex[address.index]
    address.index = nil
    if link then link.addresses[#link.addresses + 1] = address end
  end
  table.sort(links, function(a, b) return a.index < b.index end)
  return setmetatable(links, byname)
end

local OPTIONS = {
  family = { "word", "inet", "inet6" },
  scope = { "word", "global", "link", "host" },
  interface = { "interface", 0 },
}

-- Others are there, but no socket can be bound to them yet, or ever.
local function usable(address)
  for _, flag in ipairs(address.flags) do
    if flag == "tentative" or flag == "dadfailed" then return false end
  end
  return true
end

---Lists the addresses of this machine, as the kernel has them: not what its host name happens to resolve to.
---Link-local IPv6 addresses have their zone, so that each can be passed to net.listen or as `source`.
---Interfaces that are down, and addresses not (or never) confirmed as unique, are left out: no socket can use
---them.
---@param options? net.local_addresses.options all must hold; an unknown field raises
---@return string[]? addresses in the order of net.interfaces
---@return net.error? err ENODEV (no such interface), and those of net.interfaces
---```lua
---local hosts = assert(net.local_addresses { family = "inet", scope = "host" })
---assert(hosts[1] == "127.0.0.1")
---```
function iface.local_addresses(options)
  options = check.fields("local_addresses", 1, options, OPTIONS)
  local index, err = check.call("local_addresses", core.index, options.interface)
  if not index then return nil, err end
  local links, problem = iface.interfaces()
  if not links then return nil, problem end
  local found = {}
  local function add(address)
    if options.family and options.family ~= address.family then return end
    if options.scope and options.scope ~= address.scope then return end
    if usable(address) then found[#found + 1] = address.address end
  end
  for _, link in ipairs(links) do
    if link.up and (index == 0 or index == link.index) then
      for _, address in ipairs(link.addresses) do add(address) end
    end
  end
  return found
end

return iface
