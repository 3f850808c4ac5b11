-- net.trace: the routers on the way to a host, by packets that may take one hop, two hops, and so on.

local task = require "net.core.task"
local newerror = require "net.core.error".new
local check = require "net.check"
local probe = require "net.probe"

---@class net
local trace = {}

local AHEAD = 8 -- hops that are asked at the same time

local OPTIONS = {
  mode = { "word", "udp", "icmp", "tcp" },
  max_hops = { "integer", 1, 255 },
  first_hop = { "integer", 1, 255 },
  probes = { "integer", 1, 10 },
  timeout = { "number", 0, 2 ^ 32 },
  size = { "integer", 0, 65507 },
  port = { "integer", 1, 65535 },
  family = { "word", "inet", "inet6" },
  source = { "text" },
  interface = { "interface" },
}

---What net.hops gives: called, the next hop; `for` does that.
---@class net.hops
---@field host string as it was given
---@field address string the address that is asked
---@field mode string
---@field reached boolean whether the host has answered
local hops = {}
hops.__index = hops

-- ---- numbering: probe 0 is the first to the first hop

local function hopof(self, seq)
  return self.first_hop + seq // self.probes
end

local function place(self, seq)
  return seq % self.probes + 1
end

-- ---- what becomes of a probe

local function gethop(self, ttl)
  local hop = self.found[ttl]
  if not hop then
    hop = { ttl = ttl, addresses = {}, replies = {}, sent = 0, lost = 0, decided = 0, reached = false }
    self.found[ttl] = hop
  end
  return hop
end

local function note(hop, address)
  for _, known in ipairs(hop.addresses) do
    if known == address then return end
  end
  table.insert(hop.addresses, address)
  hop.address = hop.addresses[1]
end

local function decide(self, seq, reply)
  local hop = gethop(self, hopof(self, seq))
  self.pending[seq] = nil
  self.transport:forget(seq)
  hop.replies[place(self, seq)] = reply
  hop.decided = hop.decided + 1
  return hop
end

-- The first hop that answers for the target, or that knows that there is no way, is the last one.
local function last(self, hop)
  self.final = math.min(self.final, hop.ttl)
end

-- What a target says of a UDP datagram or connection that nobody takes.
local function isrefusal(self, err)
  return err.address == self.address and (err.code == "ECONNREFUSED" or err.code == "ENOPROTOOPT")
end

local function failed(self, seq, err)
  err.host, err.address = self.host, err.address or self.address
  local hop = decide(self, seq, { error = err })
  hop.lost = hop.lost + 1
  return hop
end

-- This system sends nothing there: the next hop would fare no better.
local function unsent(self, seq, err)
  local hop = failed(self, seq, err)
  hop.error = err
  last(self, hop)
end

local function settle(self, event)
  local began = self.pending[event.seq]
  if not began then return end
  if not event.address then return unsent(self, event.seq, event.error) end
  local reply = { ms = math.max(event.received - began, 0) * 1000, address = event.address, ttl = event.ttl }
  local hop = decide(self, event.seq, reply)
  note(hop, event.address)
  local refusal = event.error and isrefusal(self, event.error)
  if event.error and event.error.code == "TTL_EXCEEDED" then return end
  last(self, hop)
  hop.reached = hop.reached or event.address == self.address
  reply.reply = event.reply or refusal and "refused" or nil
  if event.error and not refusal then
    reply.error, hop.error = event.error, event.error
    event.error.host = self.host
  end
end

-- ---- sending and waiting

local function send(self)
  local seq = self.next
  local ttl = hopof(self, seq)
  local hop = gethop(self, ttl)
  self.next, hop.sent, self.pending[seq] = seq + 1, hop.sent + 1, task.now()
  local ok, err = self.transport:send(seq, self.size, ttl)
  if not ok then unsent(self, seq, err) end
end

local function maysend(self)
  return hopof(self, self.next) <= math.min(self.final, self.ttl + AHEAD)
end

-- The oldest probe that counts and is undecided, or nil.
local function oldest(self)
  while self.first < self.next and not self.pending[self.first] do self.first = self.first + 1 end
  local open = self.first < self.next and hopof(self, self.first) <= self.final
  return open and self.first or nil
end

-- The end of the time of an enclosing scope, not of a probe.
local function cutshort(self, err)
  self:close()
  err.op, err.host = "trace", self.host
  return err
end

local function wait(self)
  local seq = oldest(self)
  local deadline = self.pending[seq] + self.timeout
  local event, err = self.transport:receive(math.max(deadline - task.now(), 0))
  if event then return settle(self, event) end
  if err.code ~= "TIMEOUT" then return cutshort(self, err) end
  if task.now() >= deadline then
    failed(self, seq, newerror("trace", "TIMEOUT"))
  elseif task.now() + 1e-3 < deadline then
    return cutshort(self, err)
  end
end

local function complete(self, ttl)
  local hop = self.found[ttl]
  return hop and hop.decided == self.probes
end

function hops:__call()
  local ttl = self.ttl + 1
  if ttl > self.final or self.closed then return nil end
  while not complete(self, ttl) do
    local err
    if maysend(self) then send(self) else err = wait(self) end
    if err then return nil, err end
    if ttl > self.final then return nil end
  end
  local hop = self.found[ttl]
  self.ttl, self.found[ttl], hop.decided = ttl, nil, nil
  self.reached = self.reached or hop.reached
  if ttl == self.final then self:close() end
  return hop
end

---Ends it: nothing more is sent, and the next call gives nil.
---```lua
---local hops = assert(net.hops("127.0.0.1"))
---hops:close()
---assert(hops() == nil)
---```
function hops:close()
  self.closed = true
  self.transport:close()
end

hops.__close = hops.close

-- ---- beginning

local function new(host, address, options)
  return setmetatable({
    host = host,
    address = address,
    mode = options.mode or "udp",
    size = options.size or 32,
    probes = options.probes or 3,
    timeout = options.timeout or 1,
    first_hop = options.first_hop or 1,
    final = options.max_hops or 30, -- the last hop that counts
    ttl = (options.first_hop or 1) - 1, -- of the hop given last
    found = {}, -- ttl = hop, of those not given yet
    pending = {}, -- seq = when it was sent
    first = 0, -- no probe before it is undecided
    next = 0,
    reached = false,
  }, hops)
end

-- There is a hop to look at, and ports of UDP probes, which are counted up, do not pass the last one.
local function checkhops(name, options)
  local most = options.max_hops or 30
  if options.first_hop and options.first_hop > most then
    check.bad(name, 2, ('option "first_hop": at most %d (max_hops)'):format(most), options.first_hop)
  end
  local count = (most - (options.first_hop or 1) + 1) * (options.probes or 3)
  if options.port and (options.mode or "udp") == "udp" and options.port + count > 65536 then
    check.bad(name, 2, ('option "port": at most %d'):format(65536 - count), options.port)
  end
end

local function open(name, host, options)
  check.text(name, 1, host)
  options = check.fields(name, 2, options, OPTIONS)
  checkhops(name, options)
  local address, err = probe.lookup("trace", host, options)
  if not address then return nil, err end
  local self = new(host, address, options)
  self.transport, err = probe[self.mode]("trace", address, options)
  if self.transport then return self end
  err.host = host
  return nil, err
end

---Finds the routers on the way to a host, and gives each hop when it and all before it are known: for tools
---that show them. What net.trace says of hops and options holds here too.
---@async
---@param host string numeric address or name; link-local with its zone, unless options say the link: EINVAL
---@param options? net.trace.options an unknown field raises
---@return net.hops? hops to be called for the next net.trace.hop; nil at the end, with an error if it was
--- cut short: TIMEOUT of an enclosing deadline
---@return net.error? err ICMP_DENIED (mode "icmp"), EAI_NONAME, EAI_AGAIN, TIMEOUT (of the lookup),
--- EADDRNOTAVAIL (source), ENODEV (interface), EMFILE ...
---@see traceroute(8)
---```lua
---for hop in assert(net.hops("127.0.0.1")) do
---  print(hop.ttl, hop.address, hop.replies[1].ms)
---end
---```
function trace.hops(host, options)
  local self, err = open("hops", host, options)
  if not self then return nil, err end
  return self, nil, nil, self
end

---Finds the routers on the way to a host. Several hops are asked at the same time, so that silent ones cost
---little; nothing needs a privilege but `mode = "icmp"`, which needs what net.ping needs.
---
---It ends at the first hop that answers for the host (`reached`), at one that says there is no way (its
---`error`: ENETUNREACH, EHOSTUNREACH, PROHIBITED ..., which traceroute shows as !N, !H and !X), or after
---`max_hops`.
---@async
---@param host string numeric address or name; link-local with its zone, unless options say the link: EINVAL
---@param options? net.trace.options an unknown field raises
---@return net.trace.report? report also where the host was not reached
---@return net.error? err nothing could be asked: ICMP_DENIED, EAI_NONAME, EAI_AGAIN, TIMEOUT (of the
--- lookup), EADDRNOTAVAIL (source), ENODEV (interface), EMFILE; or TIMEOUT of an enclosing deadline, with the
--- report so far as `partial`
---@see traceroute(8), ip(7)
---```lua
---local report = assert(net.trace("127.0.0.1"))
---assert(report.reached and #report.hops == 1)
---```
function trace.trace(host, options)
  local self <close>, failure = open("trace", host, options)
  if not self then return nil, failure end
  local report = { host = host, address = self.address, mode = self.mode, hops = {} }
  local hop, err = self()
  while hop do
    table.insert(report.hops, hop)
    report.error = hop.error
    hop, err = self()
  end
  report.reached = self.reached
  if not err then return report end
  err.partial = report
  return nil, err
end

return trace
