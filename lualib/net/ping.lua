-- net.ping: is it there, how far away, and how many packets get lost.

local task = require "net.core.task"
local socket = require "net.core.socket"
local newerror = require "net.core.error".new
local check = require "net.check"
local probe = require "net.probe"

---@class net
local ping = {}

local SAMPLES = 10000 -- round trips that a report is made of; of more, the last ones
local WINDOW = 4096 -- probes that are remembered, for duplicates and what comes late

local OPTIONS = {
  count = { "count" },
  interval = { "number", 0, 2 ^ 32 },
  timeout = { "number", 0, 2 ^ 32 },
  size = { "integer", 0, 65507 },
  ttl = { "integer", 1, 255 },
  mode = { "word", "icmp", "tcp" },
  port = { "integer", 0, 65535 },
  family = { "word", "inet", "inet6" },
  source = { "text" },
  interface = { "interface" },
}

---What net.pings gives: called, the next reply; `for` does that.
---@class net.pings
local pings = {}
pings.__index = pings

-- ---- figures

local function percentile(sorted, share)
  return sorted[math.max(math.ceil(#sorted * share), 1)]
end

-- Mean, mean deviation as ping(8) has it, and the mean difference of one round trip to the next.
local function deviations(samples)
  local sum, squares, steps = 0, 0, 0
  for index, ms in ipairs(samples) do
    sum, squares = sum + ms, squares + ms * ms
    if index > 1 then steps = steps + math.abs(ms - samples[index - 1]) end
  end
  local mean = sum / #samples
  local mdev = math.sqrt(math.max(squares / #samples - mean * mean, 0))
  return mean, mdev, #samples > 1 and steps / (#samples - 1) or 0
end

local function figures(report, samples)
  if #samples == 0 then return report end
  report.avg_ms, report.mdev_ms, report.jitter_ms = deviations(samples)
  local sorted = table.move(samples, 1, #samples, 1, {})
  table.sort(sorted)
  report.min_ms, report.max_ms = sorted[1], sorted[#sorted]
  report.p50_ms, report.p95_ms = percentile(sorted, 0.5), percentile(sorted, 0.95)
  return report
end

---Gives the figures so far.
---@return net.ping.report report without `replies`
---```lua
---local replies <close> = assert(net.pings("127.0.0.1", { count = 2, interval = 0, mode = "tcp", port = 1 }))
---for reply in replies do assert(reply.reply == "refused") end
---assert(replies:report().received == 2)
---```
function pings:report()
  local lost = self.decided - self.received
  return figures({
    host = self.host,
    address = self.address,
    mode = self.mode,
    port = self.port,
    alive = self.received > 0,
    sent = self.sent,
    received = self.received,
    lost = lost,
    loss = self.decided > 0 and lost / self.decided or 0,
    duplicates = self.duplicates,
    late = self.late,
    ignored = self.transport and self.transport.ignored or 0,
  }, self.samples)
end

---Ends it: nothing more is sent, and the next call gives nil.
---```lua
---local replies = assert(net.pings("127.0.0.1", { mode = "tcp", port = 1 }))
---replies:close()
---assert(replies() == nil)
---```
function pings:close()
  self.count = self.sent
  self.pending = {}
  if self.transport then self.transport:close() end
end

pings.__close = pings.close

-- ---- what becomes of a probe

local function sample(self, ms)
  self.received = self.received + 1
  self.samples[(self.received - 1) % SAMPLES + 1] = ms
end

local function decide(self, seq)
  self.pending[seq] = nil
  self.decided = self.decided + 1
end

local function lost(self, seq, err)
  decide(self, seq)
  err.host = self.host
  return { seq = seq, address = err.address, error = err }
end

local function expired(self, seq)
  local err = newerror("ping", "TIMEOUT")
  err.address = self.address
  return lost(self, seq, err)
end

-- Which probe a number of 16 bits means: the last that had it.
local function whole(self, seq)
  return self.sent - ((self.sent - seq) & 0xffff)
end

local function settle(self, event)
  local seq = whole(self, event.seq)
  local began = self.times[seq]
  local first = self.pending[seq]
  if not began then return nil end
  if event.error then return first and lost(self, seq, event.error) end
  local reply = {
    seq = seq,
    ms = math.max(event.received - began, 0) * 1000,
    ttl = event.ttl,
    bytes = event.bytes,
    address = event.address,
    reply = event.reply,
    different = event.address ~= self.address or nil,
    damaged = event.damaged,
  }
  if first then
    decide(self, seq)
    sample(self, reply.ms)
    self.answered[seq] = true
  elseif self.answered[seq] then
    reply.duplicate, self.duplicates = true, self.duplicates + 1
  else
    reply.late, self.late, self.answered[seq] = true, self.late + 1, true
  end
  return reply
end

-- ---- ICMP

-- Whether that was refused because the address is the broadcast address of a network of ours; then it is no
-- more.
local function unlocked(self, err)
  if err.code ~= "EACCES" or self.unlocked then return false end
  local way = require("net.route").route(self.address)
  self.unlocked = true
  return way and way.type == "broadcast" and self.transport:allowbroadcast()
end

local function send(self)
  local seq = self.sent + 1
  local old = seq - WINDOW
  self.sent, self.last = seq, task.now()
  self.times[seq], self.pending[seq] = self.last, true
  self.times[old], self.answered[old] = nil, nil
  local ok, err = self.transport:send(seq, self.size, self.ttl)
  if not ok and unlocked(self, err) then ok, err = self.transport:send(seq, self.size, self.ttl) end
  if not ok then return lost(self, seq, err) end
end

-- The oldest probe that is undecided, or nil.
local function oldest(self)
  while self.first <= self.sent and not self.pending[self.first] do self.first = self.first + 1 end
  return self.first <= self.sent and self.first or nil
end

-- When the next probe is due: without an interval, when the one before is decided. `first`: the oldest that
-- is undecided; it is remembered.
local function due(self, first)
  if self.sent >= self.count then return math.huge end
  if first and self.sent - first >= WINDOW - 1 then return math.huge end
  if self.interval == 0 and first then return math.huge end
  return (self.last or -math.huge) + self.interval
end

-- The end of the time of an enclosing scope, not of a probe.
local function cutshort(self, err)
  self:close()
  err.op, err.host = "ping", self.host
  return nil, err
end

-- Where probes are always due no other wait notices that the time is over.
local function sendnext(self)
  local slept, err = task.sleep(0)
  if not slept then return cutshort(self, err) end
  return send(self)
end

-- What has come is read before more is sent: it would not fit into the socket for long.
local function wait(self, seq, next)
  local deadline = seq and self.times[seq] + self.timeout or math.huge
  local now = task.now()
  if not seq and now >= next then return sendnext(self) end
  local event, err = self.transport:receive(math.max(math.min(deadline, next) - now, 0))
  if event then return settle(self, event) end
  if err.code ~= "TIMEOUT" then return cutshort(self, err) end
  now = task.now()
  if now >= deadline then return expired(self, seq) end
  if now >= next then return sendnext(self) end
  if now + 1e-3 < math.min(deadline, next) then return cutshort(self, err) end
end

local function nexticmp(self)
  while true do
    local seq = oldest(self)
    local next = due(self, seq)
    if not seq and next == math.huge then
      self:close()
      return nil
    end
    local reply, err = wait(self, seq, next)
    if reply or err then return reply, err end
  end
end

-- ---- TCP

local function attempt(self)
  local s <close>, err = socket.open(self.address, self.port, self.connecting)
  if not s then return nil, err end
  local ok
  ok, err = s:connect(self.address, self.port, self.timeout)
  return ok and "open" or err.code == "ECONNREFUSED" and "refused", err
end

local function nexttcp(self)
  if self.sent >= self.count then return nil end
  local pause = self.last and self.last + self.interval - task.now() or 0
  local slept, cut = task.sleep(math.max(pause, 0))
  if not slept and cut then return cutshort(self, cut) end
  local seq = self.sent + 1
  self.sent, self.last = seq, task.now()
  local reply, err = attempt(self)
  local took = task.now() - self.last
  if not reply and err.code == "TIMEOUT" and took < self.timeout then return cutshort(self, err) end
  if not reply then
    err.op, err.address = "ping", err.address or self.address
    return lost(self, seq, err)
  end
  decide(self, seq)
  sample(self, took * 1000)
  return { seq = seq, ms = took * 1000, address = self.address, reply = reply }
end

function pings:__call()
  return self.step(self)
end

-- ---- beginning

local function opentcp(self, options)
  self.step, self.port = nexttcp, options.port or 80
  self.connecting = { source = options.source, interface = options.interface, ttl = options.ttl }
  local trial <close>, err = socket.open(self.address, self.port, self.connecting) -- luacheck: ignore trial
  if trial then return true end
  err.op, err.host = "ping", self.host
  return nil, err
end

local function openicmp(self, options)
  self.step, self.size = nexticmp, options.size or 56
  local err
  self.transport, err = probe.icmp("ping", self.address, {
    source = options.source,
    interface = options.interface,
    size = self.size,
    broadcast = probe.groupof(self.address) ~= nil,
  })
  if self.transport then return true end
  err.host = self.host
  return nil, err
end

local function new(host, address, options)
  return setmetatable({
    host = host,
    address = address,
    mode = options.mode or "icmp",
    count = options.count or 1,
    interval = options.interval or 1,
    timeout = options.timeout or 1,
    ttl = options.ttl,
    sent = 0,
    received = 0,
    decided = 0,
    duplicates = 0,
    late = 0,
    first = 1, -- no probe before it is undecided
    times = {}, -- when each was sent
    pending = {},
    answered = {},
    samples = {},
  }, pings)
end

local function open(name, host, options)
  check.text(name, 1, host)
  options = check.fields(name, 2, options, OPTIONS)
  local address, err = probe.lookup("ping", host, options)
  if not address then return nil, err end
  local self = new(host, address, options)
  local ok
  ok, err = (self.mode == "tcp" and opentcp or openicmp)(self, options)
  if not ok then return nil, err end
  return self
end

---Asks a host for replies, one after the other, and gives each as it comes: for tools that show them. The
---loop ends after `count` of them, by `break`, or when an enclosing deadline passes. What net.ping says of
---replies and options holds here too.
---@async
---@param host string numeric address or name; link-local with its zone, unless options say the link: EINVAL
---@param options? net.ping.options an unknown field raises
---@return net.pings? replies to be called for the next net.ping.reply; nil at the end, with an error if it
--- was cut short: TIMEOUT of an enclosing deadline
---@return net.error? err ICMP_DENIED, EAI_NONAME, EAI_AGAIN, TIMEOUT (of the lookup), EADDRNOTAVAIL (source),
--- ENODEV (interface), EMFILE ...
---@see ping(8)
---```lua
---local replies = assert(net.pings("127.0.0.1", { count = 2, interval = 0.01, mode = "tcp", port = 1 }))
---for reply in replies do print(reply.seq, reply.ms, reply.error) end
---assert(replies:report().alive)
---```
function ping.pings(host, options)
  local self, err = open("pings", host, options)
  if not self then return nil, err end
  return self, nil, nil, self
end

---Asks a host whether it is there, `count` times, and reports.
---
---An echo request goes out by a datagram socket of ICMP if the system lets this group have one (sysctl
---net.ipv4.ping_group_range), else by a raw socket (CAP_NET_RAW); without either the answer is ICMP_DENIED,
---whose `explain` has three remedies. With `mode = "tcp"` a connection is begun instead, which needs no
---privilege, and a host that refuses it is alive too.
---
---A reply counts only if it carries the random bytes that were sent. One that comes twice is a `duplicate`,
---one from another address is `different` (raw sockets hear the target only), one whose bytes changed is
---`damaged`. A router that says why there is no reply is the `address` of that failure: ENETUNREACH,
---EHOSTUNREACH, PROHIBITED, TTL_EXCEEDED ... A host that is silent is TIMEOUT.
---@async
---@param host string numeric address or name; link-local with its zone, unless options say the link: EINVAL
---@param options? net.ping.options an unknown field raises
---@return net.ping.report? report also where nothing came back: `alive` says so
---@return net.error? err nothing could be asked: ICMP_DENIED, EAI_NONAME, EAI_AGAIN, TIMEOUT (of the
--- lookup), EADDRNOTAVAIL (source), ENODEV (interface), EMFILE; or TIMEOUT of an enclosing deadline, with the
--- report so far as `partial`
---@see ping(8), icmp(7), RFC 792, RFC 4443
---```lua
---local report = assert(net.ping("127.0.0.1", { mode = "tcp", port = 1 }))
---assert(report.alive and report.replies[1].reply == "refused")
---local hosts = { "127.0.0.1", "127.0.0.2", "127.0.0.3" }
---local found = net.map(hosts, function(h) return net.ping(h, { mode = "tcp" }) end, { limit = 1000 })
---```
function ping.ping(host, options)
  local self <close>, failed = open("ping", host, options)
  if not self then return nil, failed end
  if self.count == math.huge then check.bad("ping", 2, 'option "count": finite number', self.count) end
  local replies = {}
  local reply, err = self()
  while reply do
    replies[#replies + 1] = reply
    reply, err = self()
  end
  local report = self:report()
  report.replies = replies
  if not err then return report end
  err.partial = report
  return nil, err
end

return ping
