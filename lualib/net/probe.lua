-- net.probe: packets that ask a path something, and what comes back for each: ICMP echo requests, UDP
-- datagrams, TCP connections. Ping, trace and path MTU are policy on top. Every probe has a number, `seq`,
-- and what cannot be shown to answer one of ours is counted and passed over.
--
-- A transport has send(seq, size, ttl) -> true | nil, err; receive(timeout) -> event | nil, err; and close.
-- An event is {seq, address, received} with either `error`, for an ICMP message, or `reply`: "echo", "data",
-- "open", "refused"; and ttl, bytes, damaged where they are known. Without an address it is an error of this
-- system.

local task = require "net.core.task"
local core = require "net.core.message"
local addr = require "net.core.addr"
local iface = require "net.core.iface"
local socket = require "net.core.socket"
local errors = require "net.core.error"
local resolve = require "net.resolve"

local probe = {}

local newerror = errors.new

local TOKEN = 8 -- random bytes that every payload begins with
local QUOTE = 128 -- bytes that a router may quote of ours and that are looked at
local PATIENCE = 1 -- seconds that a lookup has at least, however short the time of a probe is

-- ICMP's numbers, per family.
local ICMP = {
  inet = { protocol = 1, request = 8, reply = 0 },
  inet6 = { protocol = 58, request = 128, reply = 129 },
}

-- ---- what ICMP messages mean

local UNREACHABLE = {
  [0] = "ENETUNREACH", "EHOSTUNREACH", "ENOPROTOOPT", "ECONNREFUSED", "EMSGSIZE", "EOPNOTSUPP", "ENETUNREACH",
  "EHOSTUNREACH", "EHOSTUNREACH", "PROHIBITED", "PROHIBITED", "ENETUNREACH", "EHOSTUNREACH", "PROHIBITED",
  "PROHIBITED", "PROHIBITED",
}
local UNREACHABLE6 = {
  [0] = "ENETUNREACH", "PROHIBITED", "EHOSTUNREACH", "EHOSTUNREACH", "ECONNREFUSED", "PROHIBITED",
  "PROHIBITED",
}

local meanings = {
  icmp = {
    [3] = function(code) return UNREACHABLE[code] end,
    [11] = function(code) return code == 0 and "TTL_EXCEEDED" end,
  },
  icmp6 = {
    [1] = function(code) return UNREACHABLE6[code] end,
    [2] = function() return "EMSGSIZE" end,
    [3] = function(code) return code == 0 and "TTL_EXCEEDED" end,
  },
}

-- The error that an entry of the error queue stands for. `address` is who sent the message.
function probe.meaning(op, detail)
  local meaning = (meanings[detail.origin] or {})[detail.type]
  local code = meaning and meaning(detail.code) or detail.name or "EPROTO"
  local err = newerror(op, code)
  err.address, err.detail = detail.offender, detail
  return err
end

-- ---- sockets

function probe.familyof(address)
  return address:find(":", 1, true) and "inet6" or "inet"
end

-- Whether an address is of many hosts, as far as it tells itself: "multicast", "broadcast" or nil. That of a
-- network of ours only the routes know.
function probe.groupof(address)
  local ip = require("net.ip").parse(address)
  local class = ip:classify()
  if class == "mapped" then class = ip:ipv4():classify() end
  return (class == "multicast" or class == "broadcast") and class or nil
end

-- An address as it stands needs no resolver, and so no thread: in the form that the system gives it, and a
-- mapped one as what it is. Nil for a name.
local function numeric(host)
  local four = addr.inet_pton("inet", host)
  if four then return addr.inet_ntop("inet", four) end
  local six = addr.inet_pton("inet6", host)
  local text = six and addr.inet_ntop("inet6", six)
  return text and (text:match "^::ffff:(%d+%.%d+%.%d+%.%d+)$" or text)
end

-- The kernel binds to a name only. One of no interface stays what it is, and is refused.
local function nameof(interface)
  if type(interface) == "string" then return interface end
  local links = iface.links(interface)
  return links and links[1] and links[1].name or ("%d"):format(interface)
end

-- A link-local address is on every link: without a zone the options have to say which is meant, or the kernel
-- would take any. Replies come from an address with its zone.
local function zoned(op, address, options)
  if not address:find "^fe[89ab]%x:[^%%]*$" then return address end
  local link = options.interface and nameof(options.interface)
    or options.source and options.source:match "%%(.+)$"
  if link then return address .. "%" .. link end
  local err = newerror(op, "EINVAL", "a link-local address needs a zone, as in fe80::1%eth0")
  err.hint = "Put the zone behind the address: %, and an interface that netlua ifaces lists."
  return nil, err
end

-- An address, with its zone, if it can be asked.
local function usable(op, address, family, options)
  if family and family ~= probe.familyof(address) then return nil, newerror(op, "EAI_ADDRFAMILY") end
  return zoned(op, address, options)
end

-- Raw sockets bind to a source of the other family as if it were any.
local function wrongsource(op, options)
  local source, family = options.source, options.family
  if not source or not family or probe.familyof(source) == family then return nil end
  local err = newerror(op, "EAFNOSUPPORT")
  err.message, err.source = ("source %s: %s"):format(source, err.message), source
  return err
end

-- The addresses of a host. The time of a probe, where there is one among the options, holds for the lookup
-- too.
local function addresses(op, host, family, options)
  local address = numeric(host)
  if address then return { { address = address } } end
  local timeout = options.timeout and math.max(options.timeout, PATIENCE)
  local list, err = resolve.getaddrinfo(host, nil, { socktype = "dgram", family = family, timeout = timeout })
  if not list then err.op = op end
  return list, err
end

-- The first address of a host that can be asked, of the family of the options or of their source.
function probe.lookup(op, host, options)
  local family = options.family or options.source and probe.familyof(options.source)
  local list, err = {}, wrongsource(op, options)
  if not err then list, err = addresses(op, host, family, options) end
  local good
  for _, entry in ipairs(list or {}) do
    good, err = usable(op, entry.address, family, options)
    if good then return good end
  end
  err.host = host
  return nil, err
end

local function bindtodevice(s, interface)
  local ok, err = s:setsockopt("SO_BINDTODEVICE", nameof(interface))
  if ok then return ok end
  err.interface, err.message = interface, ("interface %s: %s"):format(interface, err.message)
  return nil, err
end

-- Source, interface and the rest of the options, on a socket just made.
local function setup(s, op, address, options)
  local v6 = probe.familyof(address) == "inet6"
  local ok, err = true, nil
  if options.interface then ok, err = bindtodevice(s, options.interface) end
  if ok and options.source then ok, err = s:bind(options.source, 0) end
  if ok and options.whole then
    -- Never in fragments, and as large as the interface takes: what is known of the path does not count.
    ok, err = s:setsockopt(v6 and "IPV6_MTU_DISCOVER" or "IP_MTU_DISCOVER", 3)
  end
  if ok and options.broadcast then ok, err = s:setsockopt("SO_BROADCAST", true) end
  if ok then ok, err = s:ancillary { error = true, ttl = true, timestamp = true } end
  if ok then return s end
  s:close()
  err.op = op
  return nil, err
end

-- The packets are sent with what the socket of a transport has; errors that came meanwhile would be taken for
-- those of sending. So they are put aside, and what they stopped is sent again.
local function collect(transport)
  local found = false
  while true do
    local data, info = core.queued(transport.socket, QUOTE)
    if not data then return found end
    if info.error and info.error.origin == "local" then
      transport.mtu = info.error.info
    elseif info.error then
      found = true
      table.insert(transport.early, { data, info })
    end
  end
end

local function sendmsg(transport, packet, port, ttl)
  local ok, err
  for _ = 1, 16 do
    ok, err = transport.socket:sendmsg(packet, { address = transport.address, port = port, ttl = ttl })
    if ok then return true end
    transport.mtu = nil
    if err.code == "CLOSED" or not collect(transport) then break end
  end
  err.op, err.mtu = transport.op, err.code == "EMSGSIZE" and transport.mtu or nil
  return nil, err
end

-- One event within the time, of what `read` makes of messages; it answers nil for what is not ours.
local function receive(transport, timeout)
  local due = timeout and task.now() + timeout
  repeat
    local early = table.remove(transport.early, 1)
    local data, info
    if early then
      data, info = early[1], early[2]
    else
      local left = due and math.max(due - task.now(), 0)
      data, info = transport.socket:recvmsg(transport.room, left, { errors = true })
    end
    if not data then return nil, info end
    local event = transport:read(data, info)
    if event then
      event.received, event.ttl = info.received or task.now(), info.ttl
      return event
    end
    transport.ignored = transport.ignored + 1
  until due and task.now() >= due
  return nil, newerror(transport.op, "TIMEOUT")
end

local function payload(transport, size)
  if transport.size ~= size then
    local token = transport.token:sub(1, size)
    transport.size, transport.payload = size, token .. ("\xa5"):rep(size - #token)
  end
  return transport.payload
end

-- An ICMP message about one of ours, in the form of an event.
local function failed(transport, seq, info)
  local err = probe.meaning(transport.op, info.error)
  return { seq = seq, address = err.address, error = err }
end

local Transport = { receive = receive }

-- A probe that nobody waits for any more.
function Transport.forget() end

function Transport:close()
  self.socket:close()
end

local function new(class, op, address, s, options)
  local token, err = addr.random(TOKEN)
  if not token then
    s:close()
    return nil, err
  end
  return setmetatable({
    op = op,
    address = address,
    socket = s,
    room = (options.size or 0) + QUOTE,
    token = token,
    early = {},
    ignored = 0,
  }, class)
end

local function class()
  local methods = setmetatable({}, { __index = Transport })
  methods.__index, methods.__close = methods, Transport.close
  return methods
end

-- ---- ICMP echo

local Echo = class()

-- RFC 1071. The kernel computes those of ICMPv6 and of datagram sockets.
local function checksum(packet)
  local sum = 0
  if #packet % 2 == 1 then packet = packet .. "\0" end
  for at = 1, #packet, 2 do
    local high, low = packet:byte(at, at + 1)
    sum = sum + high * 256 + low
  end
  while sum > 0xffff do sum = (sum & 0xffff) + (sum >> 16) end
  return ~sum & 0xffff
end

function Echo:send(seq, size, ttl)
  local body = payload(self, size)
  local head = (">BBI2I2I2"):pack(self.icmp.request, 0, 0, self.id, seq & 0xffff)
  if self.raw and self.icmp == ICMP.inet then
    head = (">BBI2I2I2"):pack(self.icmp.request, 0, checksum(head .. body), self.id, seq & 0xffff)
  end
  return sendmsg(self, head .. body, 0, ttl)
end

-- Type, sequence number and payload of an ICMP message that has our identifier.
local function parse(self, data)
  if #data < 8 then return nil end
  local kind, code, _, id, seq, at = (">BBI2I2I2"):unpack(data)
  if code ~= 0 or self.raw and id ~= self.id then return nil end
  return kind, seq, data:sub(at)
end

local function unwrapped(self, data)
  if not self.raw or self.icmp ~= ICMP.inet then return data end
  if #data < 20 then return "" end
  return data:sub((data:byte() & 0xf) * 4 + 1)
end

-- A router may quote as little as the header: what there is has to be ours.
local function quoted(self, data, info)
  local kind, seq, body = parse(self, data)
  if kind ~= self.icmp.request or info.address ~= self.address then return nil end
  local ours = self.payload or ""
  local known = math.min(#body, TOKEN, #ours)
  if body:sub(1, known) ~= ours:sub(1, known) then return nil end
  return failed(self, seq, info)
end

-- Lets packets go to the broadcast address of a network.
function Echo:allowbroadcast()
  return self.socket:setsockopt("SO_BROADCAST", true)
end

function Echo:read(data, info)
  if info.error then return quoted(self, data, info) end
  local kind, seq, body = parse(self, unwrapped(self, data))
  local ours = self.payload or ""
  if kind ~= self.icmp.reply or body:sub(1, TOKEN) ~= ours:sub(1, TOKEN) then return nil end
  return {
    seq = seq,
    address = info.address,
    reply = "echo",
    bytes = #body,
    damaged = body ~= ours or nil,
  }
end

local FORBIDDEN = { EACCES = true, EPERM = true }

-- A socket for echo requests: the kind that needs a group only, or else the kind that needs a capability.
local function echosocket(op, family)
  local protocol = ICMP[family].protocol
  local s, denied = socket.socket(family, "dgram", protocol)
  if s then return s, false end
  local raw, err = socket.socket(family, "raw", protocol)
  if raw then return raw, true end
  if not (FORBIDDEN[err.code] and (FORBIDDEN[denied.code] or denied.code == "EPROTONOSUPPORT")) then
    err.op = op
    return nil, err
  end
  local all = newerror(op, "ICMP_DENIED")
  all.cause = err
  return nil, all
end

-- Raw sockets see all ICMP of this host: only echo replies, and those of the target, are let through.
local function narrow(s, address, icmp, options)
  if icmp == ICMP.inet then
    s:setsockopt("SOL_RAW", 1, ~(1 << icmp.reply))
  else
    local blocked = {} -- a bit for each type, 32 to a word
    for word = 0, 7 do
      local passed = word == icmp.reply // 32 and 1 << icmp.reply % 32 or 0
      blocked[word + 1] = ("=I4"):pack(~passed & 0xffffffff)
    end
    s:setsockopt("IPPROTO_ICMPV6", 1, table.concat(blocked))
  end
  if not options.broadcast then s:connect(address, 0) end -- where no route leads there, sending says so
end

function probe.icmp(op, address, options)
  local family = probe.familyof(address)
  local s, raw = echosocket(op, family)
  if not s then return nil, raw end
  local ok, err = setup(s, op, address, options)
  if not ok then return nil, err end
  if raw then narrow(s, address, ICMP[family], options) end
  local self
  self, err = new(Echo, op, address, s, options)
  if not self then return nil, err end
  self.raw, self.icmp = raw, ICMP[family]
  self.room = self.room + 68 -- both headers
  self.id = (">I2"):unpack(assert(addr.random(2)))
  return self
end

-- ---- UDP

local Udp = class()

-- The number of a probe is in its port: that much of it every router quotes.
function Udp:send(seq, size, ttl)
  return sendmsg(self, payload(self, size), self.port + seq, ttl)
end

function Udp:read(data, info)
  local seq = (info.port or 0) - self.port
  if seq < 0 or info.address ~= self.address then return nil end
  if info.error then
    local known = math.min(#data, TOKEN)
    if data:sub(1, known) ~= self.payload:sub(1, known) then return nil end
    return failed(self, seq, info)
  end
  return { seq = seq, address = info.address, reply = "data", bytes = #data }
end

function probe.udp(op, address, options)
  local s, err = socket.socket(probe.familyof(address), "dgram")
  if not s then return nil, err end
  local ok
  ok, err = setup(s, op, address, options)
  if not ok then return nil, err end
  local self
  self, err = new(Udp, op, address, s, options)
  if self then self.port = options.port or 33434 end
  return self, err
end

-- ---- TCP

local Tcp = {}
Tcp.__index = Tcp

-- A connection that is begun and not waited for.
local function begin(self, seq, ttl)
  local s, err = socket.open(self.address, self.port, {
    source = self.options.source,
    interface = self.options.interface,
    ttl = ttl,
  })
  if not s then return nil, err end
  s:setsockopt(self.v6 and "IPV6_RECVERR" or "IP_RECVERR", true)
  s:setsockopt("SO_TIMESTAMPNS", true)
  self.sockets[seq] = s
  local ok
  ok, err = s:connect(self.address, self.port, 0)
  return s, (ok or err.code ~= "TIMEOUT") and { err = err } or nil
end

-- What came of a connection: the error queue knows who said no; without it that was the target itself.
local function outcome(self, seq, s, err)
  self.sockets[seq] = nil
  local _, info = core.queued(s, QUOTE)
  s:close()
  if info and info.error then
    local event = failed(self, seq, info)
    event.received = info.received or task.now()
    return event
  end
  if not err or err.code == "ECONNREFUSED" then
    return { seq = seq, address = self.address, received = task.now(), reply = err and "refused" or "open" }
  end
  err.op = self.op
  return { seq = seq, received = task.now(), error = err }
end

function Tcp:send(seq, _, ttl)
  local s, decided = begin(self, seq, ttl)
  if not s then
    decided.op = self.op
    return nil, decided
  end
  if decided then table.insert(self.early, outcome(self, seq, s, decided.err)) end
  return true
end

-- The error that a socket has after its connect was decided, or nil.
local function verdict(s)
  local number = s:getsockopt "SO_ERROR"
  return number and number ~= 0 and errors.errno("connect", number) or nil
end

function Tcp:receive(timeout)
  if self.early[1] then return table.remove(self.early, 1) end
  local list, seqs = {}, {}
  for seq, s in pairs(self.sockets) do
    list[#list + 1], seqs[s] = { s, "w" }, seq
  end
  if #list == 0 then return nil, select(2, task.sleep(timeout)) or newerror(self.op, "TIMEOUT") end
  local ready, err = require("net.select").poll(list, timeout)
  if not ready then return nil, err end
  for _, entry in ipairs(ready) do
    local s = entry[1]
    table.insert(self.early, outcome(self, seqs[s], s, verdict(s)))
  end
  if self.early[1] then return table.remove(self.early, 1) end
  return nil, newerror(self.op, "TIMEOUT")
end

-- A probe that nobody waits for any more.
function Tcp:forget(seq)
  local s = self.sockets[seq]
  self.sockets[seq] = nil
  if s then s:close() end
end

function Tcp:close()
  for _, s in pairs(self.sockets) do s:close() end
  self.sockets = {}
end

Tcp.__close = Tcp.close

function probe.tcp(op, address, options)
  return setmetatable({
    op = op,
    address = address,
    port = options.port or 80,
    v6 = probe.familyof(address) == "inet6",
    options = options,
    sockets = {},
    early = {},
    ignored = 0,
  }, Tcp)
end

return probe
