-- net.ip: addresses and networks of both versions as values. Text is read strictly, as inet_pton(3) does; the
-- numbers behind it are two 64-bit halves, of which IPv4 uses the lower 32 bits of the second.

local core = require "net.core.addr"
local fail = require "net.core.error".new
local check = require "net.check"

---An address ("10.0.0.1"), or one with a prefix ("10.0.0.0/8"), as net.ip.parse gives it; equal if their
---texts are. They are ordered as net.ip.compare orders them; `a + n` and `a - n` count on, `a - b` is the
---distance.
---@class net.ip.address
--- `a < b` orders them, `a + n` and `a - n` step, `a - b` counts. Not to be changed.
---@field version 4|6
---@field family integer net.AF_INET or net.AF_INET6
---@field prefix integer bits; 32 or 128 if the text had none
---@field zone string? what followed "%"
---@field hi integer the upper 64 bits
---@field lo integer the lower 64 bits
---@field plain boolean has no prefix of its own
local address = {}

---Addresses and networks of IPv4 and IPv6 as values. `net.ip "10.0.0.0/8"` is net.ip.parse for literals: text
---that is no address raises there.
---@class net.ip
local ip = {}
local meta = { __index = address, __name = "net.ip" }

local BITS = { [4] = 32, [6] = 128 }
local FAMILY = { [4] = core.constants.AF_INET, [6] = core.constants.AF_INET6 }
local REACH = 2.0 ^ 64

-- ---- numbers of 128 bits

local function new(version, hi, lo, prefix, zone)
  return setmetatable({
    version = version, family = FAMILY[version], hi = hi, lo = lo,
    prefix = prefix or BITS[version], plain = prefix == nil, zone = zone,
  }, meta)
end

-- The network bits of a prefix, as two halves.
local function maskof(version, prefix)
  local n = prefix + 128 - BITS[version]
  return -1 << math.max(64 - n, 0), -1 << (128 - n)
end

local function add(hi, lo, morehi, morelo)
  local sum = lo + morelo
  return hi + morehi + (math.ult(sum, lo) and 1 or 0), sum
end

-- The distance of two numbers: an integer, or a float where it does not fit.
local function distance(a, b)
  local hi, lo = a.hi - b.hi - (math.ult(a.lo, b.lo) and 1 or 0), a.lo - b.lo
  local less = math.ult(a.hi, b.hi) or a.hi == b.hi and math.ult(a.lo, b.lo)
  if less and hi == -1 and lo < 0 or not less and hi == 0 and lo >= 0 then return lo end
  local sign = less and -1.0 or 1.0
  if less then hi, lo = add(~hi, ~lo, 0, 1) end
  local function unsigned(n) return n >= 0 and n + 0.0 or n + REACH end
  return sign * (unsigned(hi) * REACH + unsigned(lo))
end

-- ---- text

local function bytesof(a)
  if a.version == 4 then return (">I4"):pack(a.lo) end
  return (">i8i8"):pack(a.hi, a.lo)
end

local function fromraw(bytes, prefix, zone)
  if #bytes == 4 then return new(4, 0, (">I4"):unpack(bytes), prefix, zone) end
  local hi, lo = (">i8i8"):unpack(bytes)
  return new(6, hi, lo, prefix, zone)
end

local PREFIXES = "A prefix is a number to 32, of IPv6 to 128, or a netmask of IPv4."
local FORMS = "An address is four numbers from 0 to 255 without leading zeros, or IPv6; a network has "
  .. "/prefix behind it. net.inet_aton reads the old forms."

local function bad(text, why)
  local err = fail("net.ip.parse", "EINVAL", why or "not an address or network")
  err.address = text
  err.hint = why and PREFIXES or FORMS
  return nil, err
end

-- "24", or a netmask of IPv4 such as "255.255.255.0"; nil if it is neither.
local function toprefix(text, bits)
  if text == "0" or text:find "^[1-9]%d?%d?$" then
    local prefix = math.tointeger(text)
    return prefix <= bits and prefix or nil
  end
  local mask = bits == 32 and core.inet_pton("inet", text)
  if not mask then return nil end
  local hosts = (">I4"):unpack(mask) ~ 0xffffffff
  if hosts & hosts + 1 ~= 0 then return nil end
  local prefix = 32
  while hosts >> (32 - prefix) > 0 do prefix = prefix - 1 end
  return prefix
end

local function legacyoption(options)
  if options == nil then return false end
  if type(options) ~= "table" then check.bad("parse", 2, "table", options) end
  for field, value in pairs(options) do
    if field ~= "legacy" then check.unknown("parse", 2, field, { legacy = true }) end
    if type(value) ~= "boolean" then check.bad("parse", 2, 'option "legacy": boolean', value) end
  end
  return options.legacy
end

---Reads an address, or an address with a prefix or an IPv4 netmask. Bits to the right of the prefix are kept:
---"10.1.2.3/8" is the address and says which network it is in.
---@param text string "10.0.0.1", "10.0.0.0/8", "10.0.0.0/255.0.0.0", "fe80::1%eth0", "2001:db8::/32"
---@param options? {legacy: boolean?} legacy: takes 0x7f.1, 127.1, 010.0.0.1 and 2130706433 too
---@return net.ip.address? ip
---@return net.error? err EINVAL
---```lua
---local lan = assert(net.ip.parse("192.168.1.0/24"))
---assert(lan:contains("192.168.1.77"))
---```
function ip.parse(text, options)
  if type(text) ~= "string" then check.bad("parse", 1, "string", text) end
  local legacy = legacyoption(options)
  if text:find("\0", 1, true) then return bad(text) end
  local body, tail = text:match "^([^/]*)/(.*)$"
  local base, zone = (body or text):match "^([^%%]*)%%([^%%%s]+)$"
  base = base or body or text
  local bytes = not zone and core.inet_pton("inet", base) or core.inet_pton("inet6", base)
  if not bytes and legacy and not zone then bytes = core.inet_aton(base) end
  if not bytes then return bad(text) end
  if not tail then return fromraw(bytes, nil, zone) end
  local prefix = toprefix(tail, #bytes * 8)
  if not prefix then return bad(text, "not a prefix: " .. check.shown(tail)) end
  return fromraw(bytes, prefix, zone)
end

---Makes an address from its bytes.
---@param bytes string 4 or 16; any other count raises
---@param prefix? integer
---@return net.ip.address ip
---```lua
---assert(tostring(net.ip.frombytes "\127\0\0\1") == "127.0.0.1")
---```
function ip.frombytes(bytes, prefix)
  if type(bytes) ~= "string" then check.bad("frombytes", 1, "string", bytes) end
  if #bytes ~= 4 and #bytes ~= 16 then check.bad("frombytes", 1, "4 or 16 bytes", #bytes) end
  if prefix ~= nil then check.integer("frombytes", 2, prefix, 0, #bytes * 8) end
  return fromraw(bytes, prefix)
end

-- An argument that is an object already, or text for one: bad text raises here.
local function object(name, arg, value)
  if getmetatable(value) == meta then return value end
  local a = type(value) == "string" and ip.parse(value)
  return a or check.bad(name, arg, "address or network", value)
end

function meta:__tostring()
  local text = core.inet_ntop(self.family, bytesof(self))
  if self.zone then text = text .. "%" .. self.zone end
  return self.plain and text or text .. "/" .. self.prefix
end

function meta.__concat(a, b)
  return tostring(a) .. tostring(b)
end

-- ---- order

local function order(a, b)
  if a.version ~= b.version then return a.version < b.version and -1 or 1 end
  if a.hi ~= b.hi then return math.ult(a.hi, b.hi) and -1 or 1 end
  if a.lo ~= b.lo then return math.ult(a.lo, b.lo) and -1 or 1 end
  local first, second = a.plain and 129 or a.prefix, b.plain and 129 or b.prefix
  if first == second then first, second = a.zone or "", b.zone or "" end
  if first == second then return 0 end
  return first < second and -1 or 1
end

function meta.__eq(a, b)
  return getmetatable(a) == getmetatable(b) and order(a, b) == 0
end

function meta.__lt(a, b)
  return order(object("<", 1, a), object("<", 2, b)) < 0
end

function meta.__le(a, b)
  return order(object("<=", 1, a), object("<=", 2, b)) <= 0
end

---Compares two addresses or networks. IPv4 comes before IPv6, low numbers before high ones, larger networks
---before smaller ones.
---@param a net.ip.address|string
---@param b net.ip.address|string
---@return -1|0|1 order
---```lua
---assert(net.ip.compare("10.0.0.9", "10.0.0.10") == -1)
---```
function ip.compare(a, b)
  return order(object("compare", 1, a), object("compare", 2, b))
end

---Sorts a list in place, in the order of compare. Texts stay texts.
---@param list (net.ip.address|string)[]
---@return (net.ip.address|string)[] list
---```lua
---assert(net.ip.sort({ "10.0.0.10", "10.0.0.9" })[1] == "10.0.0.9")
---```
function ip.sort(list)
  if type(list) ~= "table" then check.bad("sort", 1, "table", list) end
  local parsed = {}
  for _, item in ipairs(list) do parsed[item] = object("sort", 1, item) end
  table.sort(list, function(a, b) return order(parsed[a], parsed[b]) < 0 end)
  return list
end

-- ---- arithmetic

local function beyond(a, n)
  error(("address out of range: %s %s %s"):format(a, n < 0 and "-" or "+", tostring(n):gsub("^-", "")), 3)
end

local function stepped(a, n)
  if math.type(n) ~= "integer" then error("an address steps by an integer, got " .. tostring(n), 2) end
  local hi, lo = add(a.hi, a.lo, n < 0 and -1 or 0, n)
  local wrapped = hi ~= a.hi and math.ult(hi, a.hi) ~= (n < 0)
  if wrapped or a.version == 4 and (hi ~= 0 or lo >> 32 ~= 0) then beyond(a, n) end
  return new(a.version, hi, lo, not a.plain and a.prefix or nil, a.zone)
end

function meta.__add(a, b)
  if getmetatable(a) == meta then return stepped(a, b) end
  return stepped(b, a)
end

function meta.__sub(a, b)
  if getmetatable(a) ~= meta then error("an address cannot be subtracted from a number", 2) end
  if getmetatable(b) ~= meta then
    if b == math.mininteger then beyond(a, b) end
    return stepped(a, math.type(b) == "integer" and -b or b)
  end
  if a.version ~= b.version then error("addresses of two versions have no distance", 2) end
  return distance(a, b)
end

-- ---- networks

---The bytes in network order, as inet_pton gives them.
---@return string bytes 4 or 16
---```lua
---assert(#net.ip.parse("::1"):bytes() == 16)
---```
function address:bytes()
  return bytesof(self)
end

---The address alone, without prefix.
---@return net.ip.address address
---```lua
---assert(tostring(net.ip.parse("10.1.2.3/8"):address()) == "10.1.2.3")
---```
function address:address()
  return new(self.version, self.hi, self.lo, nil, self.zone)
end

---The network it is in: all bits to the right of the prefix are zero.
---@return net.ip.address network
---```lua
---assert(tostring(net.ip.parse("10.1.2.3/8"):network()) == "10.0.0.0/8")
---```
function address:network()
  local hi, lo = maskof(self.version, self.prefix)
  return new(self.version, self.hi & hi, self.lo & lo, self.prefix, self.zone)
end

---The first address of the network, its own.
---@return net.ip.address address
---```lua
---assert(tostring(net.ip.parse("10.1.2.3/8"):first()) == "10.0.0.0")
---```
function address:first()
  local hi, lo = maskof(self.version, self.prefix)
  return new(self.version, self.hi & hi, self.lo & lo, nil, self.zone)
end

---The last address of the network.
---@return net.ip.address address
---```lua
---assert(tostring(net.ip.parse("10.1.2.3/8"):last()) == "10.255.255.255")
---```
function address:last()
  local hi, lo = maskof(self.version, self.prefix)
  hi, lo = self.hi | ~hi, self.lo | ~lo
  if self.version == 4 then hi, lo = 0, lo & 0xffffffff end
  return new(self.version, hi, lo, nil, self.zone)
end

---The broadcast address: the last one of an IPv4 network.
---@return net.ip.address? address nil for IPv6, which has none, and for /31 and /32
---```lua
---assert(tostring(net.ip.parse("192.0.2.0/24"):broadcast()) == "192.0.2.255")
---```
function address:broadcast()
  if self.version == 6 or self.prefix > 30 then return nil end
  return self:last()
end

---The bits of the prefix as an address.
---@return net.ip.address mask
---```lua
---assert(tostring(net.ip.parse("192.0.2.0/24"):netmask()) == "255.255.255.0")
---```
function address:netmask()
  local hi, lo = maskof(self.version, self.prefix)
  if self.version == 4 then hi, lo = 0, lo & 0xffffffff end
  return new(self.version, hi, lo)
end

---How many addresses the network has.
---@return integer|number count a float from 2^63 on
---```lua
---assert(net.ip.parse("10.0.0.0/8"):count() == 16777216)
---```
function address:count()
  local free = BITS[self.version] - self.prefix
  return free < 63 and 1 << free or 2.0 ^ free
end

---Whether the network has that address or all of that network. IPv4-mapped IPv6 is IPv6 here.
---@param other net.ip.address|string
---@return boolean inside
---```lua
---assert(net.ip.parse("10.0.0.0/8"):contains("10.20.0.0/16"))
---```
function address:contains(other)
  other = object("contains", 1, other)
  if other.version ~= self.version or other.prefix < self.prefix then return false end
  if self.zone and self.zone ~= other.zone then return false end
  local hi, lo = maskof(self.version, self.prefix)
  return self.hi & hi == other.hi & hi and self.lo & lo == other.lo & lo
end

---Whether the two networks share an address.
---@param other net.ip.address|string
---@return boolean overlap
---```lua
---assert(net.ip.parse("10.20.0.0/16"):overlaps("10.0.0.0/8"))
---```
function address:overlaps(other)
  other = object("overlaps", 1, other)
  return self:contains(other) or other:contains(self)
end

-- Every step-th value from one number to the other, both included.
local function range(a, last, stephi, steplo, prefix)
  local hi, lo, more = a.hi, a.lo, true
  return function()
    if not more then return nil end
    local item = new(a.version, hi, lo, prefix, a.zone)
    local nexthi, nextlo = add(hi, lo, stephi, steplo)
    more = (math.ult(nexthi, last.hi) or nexthi == last.hi and not math.ult(last.lo, nextlo))
      and not (math.ult(nexthi, hi) or nexthi == hi and not math.ult(lo, nextlo))
    hi, lo = nexthi, nextlo
    return item
  end
end

---Iterates over the addresses that hosts can have, without the network's and IPv4's broadcast address; of
---/31, /32, /127 and /128 all. It makes one at a time, so that the size of the network does not matter.
---@return fun(): net.ip.address? iterator
---```lua
---for host in net.ip.parse("192.0.2.0/29"):hosts() do print(host) end
---```
function address:hosts()
  local first, last = self:first(), self:last()
  if BITS[self.version] - self.prefix > 1 then
    first = first + 1
    if self.version == 4 then last = last - 1 end
  end
  return range(first, last, 0, 1)
end

---Iterates over the networks of a longer prefix that this one divides into.
---@param prefix integer from its own to 32 or 128
---@return fun(): net.ip.address? iterator
---```lua
---for half in net.ip.parse("192.0.2.0/24"):split(25) do print(half) end
---```
function address:split(prefix)
  check.integer("split", 1, prefix, self.prefix, BITS[self.version])
  local free = BITS[self.version] - prefix
  local hi, lo = free < 64 and 0 or 1 << (free - 64), 1 << free
  local net = self:network()
  if free == 128 then return range(net, net, 0, 0, prefix) end
  return range(net, self:last(), hi, lo, prefix)
end

---The network of a shorter prefix around this one.
---@param prefix? integer from 0 to its own; one bit less if absent
---@return net.ip.address network
---```lua
---assert(tostring(net.ip.parse("192.0.2.0/24"):supernet(16)) == "192.0.0.0/16")
---```
function address:supernet(prefix)
  prefix = check.integer("supernet", 1, prefix, 0, self.prefix, math.max(self.prefix - 1, 0))
  return new(self.version, self.hi, self.lo, prefix, self.zone):network()
end

-- ---- what an address is for

-- RFC 6890 and the IANA registries that go on with it; the longest prefix that matches decides.
local BLOCKS = {
  ["this-network"] = "0.0.0.0/8",
  unspecified = "0.0.0.0/32 ::/128",
  private = "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16",
  shared = "100.64.0.0/10",
  loopback = "127.0.0.0/8 ::1/128",
  ["link-local"] = "169.254.0.0/16 fe80::/10",
  protocol = "192.0.0.0/24 2001::/23",
  documentation = "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20",
  benchmarking = "198.18.0.0/15 2001:2::/48",
  multicast = "224.0.0.0/4 ff00::/8",
  reserved = "240.0.0.0/4 ::/0",
  broadcast = "255.255.255.255/32",
  mapped = "::ffff:0:0/96",
  nat64 = "64:ff9b::/96 64:ff9b:1::/48",
  discard = "100::/64",
  teredo = "2001::/32",
  orchid = "2001:10::/28 2001:20::/28",
  ["6to4"] = "2002::/16",
  srv6 = "5f00::/16",
  ula = "fc00::/7",
  ["site-local"] = "fec0::/10",
  global = "0.0.0.0/0 2000::/3 192.0.0.9/32 192.0.0.10/32 2001:1::1/128 2001:1::2/128 2001:1::3/128 "
    .. "2001:3::/32 2001:4:112::/48 2001:30::/28",
}

local blocks

local function loadblocks()
  blocks = {}
  for word, list in pairs(BLOCKS) do
    for text in list:gmatch "%S+" do
      local block = assert(ip.parse(text))
      blocks[#blocks + 1] = { block = block, word = word }
    end
  end
  table.sort(blocks, function(a, b) return a.block.prefix > b.block.prefix end)
end

---Says what an address is for, by RFC 6890 and the registries of special addresses: loopback, private, shared
---(carrier NAT), link-local, ula, site-local, multicast, broadcast, documentation, benchmarking, unspecified,
---this-network, mapped, nat64, 6to4, teredo, orchid, srv6, discard, protocol, reserved; or global.
---@return string class of a network "mixed" if its addresses are of several
---```lua
---assert(net.ip.parse("10.0.0.1"):classify() == "private")
---```
function address:classify()
  if not blocks then loadblocks() end
  local inside = {}
  for _, row in ipairs(blocks) do
    if row.block:contains(self) then
      for _, word in ipairs(inside) do
        if word ~= row.word then return "mixed" end
      end
      return row.word
    end
    if self:contains(row.block) then inside[#inside + 1] = row.word end
  end
end

---The IPv4 address inside an IPv6 address: mapped, 6to4 or NAT64.
---@return net.ip.address? address nil if there is none
---```lua
---assert(tostring(net.ip.parse("::ffff:192.0.2.1"):ipv4()) == "192.0.2.1")
---```
function address:ipv4()
  local class = self.version == 6 and self:address():classify()
  if class == "6to4" then return new(4, 0, self.hi >> 16 & 0xffffffff) end
  local low = class == "mapped" or class == "nat64" and self.hi == 0x64ff9b << 32
  return low and new(4, 0, self.lo & 0xffffffff) or nil
end

-- The i-th label from the left of the address: a number of IPv4, a digit of IPv6.
local function label(a, i)
  if a.version == 4 then return tostring(a.lo >> (32 - 8 * i) & 255) end
  local half = i <= 16 and a.hi or a.lo
  return ("%x"):format(half >> (64 - 4 * ((i - 1) % 16 + 1)) & 15)
end

---The name under which the address stands in the reverse tree of the DNS. A network has one if its prefix
---ends between two labels.
---@return string? name "1.0.0.127.in-addr.arpa"
---@return net.error? err EINVAL
---```lua
---assert(net.ip.parse("127.0.0.1"):reverse() == "1.0.0.127.in-addr.arpa")
---```
function address:reverse()
  local width = self.version == 4 and 8 or 4
  if self.prefix % width ~= 0 then
    local err = fail("net.ip.reverse", "EINVAL", "a prefix that ends inside a label has no zone of its own")
    err.address = tostring(self)
    return nil, err
  end
  local name = { self.version == 4 and "in-addr.arpa" or "ip6.arpa" }
  for i = 1, self.prefix // width do table.insert(name, 1, label(self, i)) end
  return table.concat(name, ".")
end

---The address with all its digits, for columns that line up.
---@return string text
---```lua
---assert(net.ip.parse("::1"):expanded() == "0000:0000:0000:0000:0000:0000:0000:0001")
---```
function address:expanded()
  if self.version == 4 then return tostring(self:address()) end
  local text = ("%016x%016x"):format(self.hi, self.lo):gsub("%x%x%x%x", "%0:"):sub(1, -2)
  return self.zone and text .. "%" .. self.zone or text
end

-- ---- hardware addresses

---The address that a host makes of its hardware address (RFC 4291, modified EUI-64).
---@param mac net.mac.address|string
---@param network? net.ip.address|string IPv6 with a prefix of at most 64; "fe80::/64" if absent
---@return net.ip.address? address
---@return net.error? err EINVAL: not a hardware address
---```lua
---assert(tostring(net.ip.eui64("00:11:32:3c:c3:0b")) == "fe80::211:32ff:fe3c:c30b")
---```
function ip.eui64(mac, network)
  network = object("eui64", 2, network == nil and "fe80::/64" or network)
  if network.version ~= 6 or network.prefix > 64 then
    check.bad("eui64", 2, "IPv6 network of at most 64 bits", tostring(network))
  end
  local id, err = check.call("eui64", require("net.mac").bytes, mac)
  if not id then return nil, err end
  if #id == 6 then id = id:sub(1, 3) .. "\xff\xfe" .. id:sub(4) end
  local lo = (">i8"):unpack(id) ~ 1 << 57
  return new(6, network:first().hi, lo, nil, network.zone)
end

---The hardware address that an IPv6 address was made of, where it looks so.
---@return net.mac.address? mac
---```lua
---assert(tostring(net.ip.parse("fe80::211:32ff:fe3c:c30b"):mac()) == "00:11:32:3c:c3:0b")
---```
function address:mac()
  if self.version ~= 6 or self.lo >> 24 & 0xffff ~= 0xfffe then return nil end
  local id = (">i8"):pack(self.lo ~ 1 << 57)
  return require("net.mac").frombytes(id:sub(1, 3) .. id:sub(6))
end

-- net.ip "10.0.0.0/8" is for literals: bad text raises.
return setmetatable(ip, { __call = function(_, text) return object("net.ip", 1, text) end })
