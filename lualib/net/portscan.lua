-- net.portscan: asks many ports at once. The next question is asked by the task that asks for the next
-- record, and only where the answer has to be waited for does a task of its own wait for it: most ports of
-- this machine answer before the call returns.

local task = require "net.core.task"
local probe = require "net.core.probe"
local resolve = require "net.core.resolve"
local check = require "net.check"
local map = require "net.task".map
local limited = require "net.task".timeout
local lookup = require "net.dial".lookup
local list = require "net.portlist"
local udp = require "net.portudp"

local LOOKUP = 5 -- seconds for the address of a name
local LOOKUPS = 32 -- names at a time
local BANNER = 512 -- bytes, unless told
local DATAGRAM = 65536 -- longest answer
local BACKOFF = 0.05 -- seconds before a try without descriptors is repeated, if nothing of ours ends before
local RETRIES = 20 -- of one port, for want of descriptors or local ports
local BURST = 0.01 -- seconds that a late start may be made up for
local PRECISION = 0.001 -- seconds: a wait that ends earlier than that was cut short by a deadline around it

-- ---- options

local function boolean(name)
  return function(value)
    if type(value) ~= "boolean" then check.bad("scan", 3, ("option %q: boolean"):format(name), value) end
  end
end

local function positive(name)
  return function(value)
    if not math.type(value) or not (value > 0 and value <= 2 ^ 53) then
      check.bad("scan", 3, ("option %q: number above 0"):format(name), value)
    end
  end
end

local function oneof(name, first, second)
  return function(value)
    if value == first or value == second then return end
    check.bad("scan", 3, ("option %q: %q or %q"):format(name, first, second), value)
  end
end

local function banner(value)
  local good = type(value) == "boolean" or math.type(value) == "integer" and value >= 1 and value <= 65536
  if not good then check.bad("scan", 3, 'option "banner": boolean or integer from 1 to 65536', value) end
end

local INTEGERS = { limit = { 1, 100000 }, max_addresses = { 1, 1 << 32 } }
local OTHERS = {
  timeout = positive "timeout", rate = positive "rate", banner = banner, randomize = boolean "randomize",
  udp = boolean "udp", protocol = oneof("protocol", "tcp", "udp"), family = oneof("family", "inet", "inet6"),
  exclude = function() end, -- read as ports are
}

local function checkoptions(options)
  if type(options) ~= "table" then check.bad("scan", 3, "table", options) end
  local integers = {}
  for field, value in pairs(options) do
    local good = OTHERS[field]
    if not good and not INTEGERS[field] then check.unknown("scan", 3, field, OTHERS, INTEGERS) end
    if good then good(value) else integers[field] = value end
  end
  check.options("scan", 3, integers, INTEGERS)
end

-- ---- what is asked

local function without(ports, excluded)
  local out, left = {}, {}
  for _, port in ipairs(excluded) do out[port] = true end
  for _, port in ipairs(ports) do
    if not out[port] then left[#left + 1] = port end
  end
  return left
end

local function readports(arg, want, value, protocol)
  local ports, err = list.ports(value, protocol)
  return ports or check.bad("scan", arg, want, err.host)
end

local function readtargets(value, options)
  local targets, err = list.targets(value, options.max_addresses or 4096)
  if targets then return targets end
  return check.bad("scan", 1, "addresses, networks, ranges or names (" .. err.message .. ")", err.host)
end

-- Names become their addresses; one that has none stays, with the error.
local function resolved(targets, family)
  local names, ranges = {}, {}
  for _, target in ipairs(targets) do names[#names + 1] = target.host end
  local found, errs = map(names, function(host)
    return limited(LOOKUP, lookup, host, { family = family })
  end, { limit = LOOKUPS })
  if not found then error(errs, 0) end
  local index = 0
  for _, target in ipairs(targets) do
    if target.host then index = index + 1 end
    for _, entry in ipairs(target.host and found[index] or {}) do
      ranges[#ranges + 1] = { entry = { host = target.host, address = entry.address } }
    end
    if target.host and not found[index] then
      ranges[#ranges + 1] = { entry = { host = target.host, err = errs[index] } }
    elseif not target.host then
      ranges[#ranges + 1] = target
    end
  end
  return ranges
end

-- protocol = {port = name}, read once.
local services

local function servicesof(protocol)
  services = services or resolve.services()
  return services[protocol] or {}
end

-- ---- the records

---One port of one address, as net.port.scan finds it.
---@class net.port.record
---@field host string the target that was given: the name, or the address
---@field address? string numeric; nil for a name without address
---@field port integer
---@field protocol "tcp"|"udp"
---@field state "open"|"closed"|"filtered"|"unreachable"|"open|filtered"|"unknown" closed: refused. filtered:
--- no answer. unreachable: the network, this system or the resolver says no. open|filtered: no answer of a
--- UDP port, which may be open all the same. unknown: never asked, as descriptors did not come free
---@field reason string "connect", "banner" or "reply" for an open port, otherwise the code of the error:
--- ECONNREFUSED, TIMEOUT, EHOSTUNREACH, EACCES, EAI_NONAME ...
---@field error? net.error why a name has no address
---@field service? string the name of the service usually found at that port
---@field banner? string what the server said, if the option banner asked for it: any bytes, not to be shown
--- as they are
---@field ms number milliseconds from the question to the answer, or until it was given up

-- A reset comes after the handshake only: somebody listened.
local STATE = { ECONNREFUSED = "closed", TIMEOUT = "filtered", ETIMEDOUT = "filtered", ECONNRESET = "open",
  EPIPE = "open" }
local SCARCE = { EMFILE = true, ENFILE = true, ENOBUFS = true, ENOMEM = true, EAGAIN = true,
  EADDRNOTAVAIL = true }

local function newrecord(self, pair, state, reason, text)
  local entry, port = pair.entry, pair.port
  return {
    host = entry.host, address = entry.address, port = port, protocol = self.protocol, state = state,
    reason = reason, service = self.services[port], banner = self.banner and text or nil,
    error = entry.err, ms = (task.now() - pair.began) * 1000,
  }
end

---What net.port.scan gives: call it for the next record, or let `for` do so.
---@class net.port.scanner
---@field total integer how many ports of how many addresses it asks
---@field reported integer how many records it has given
---@field limit integer how many questions it has open at a time: what was asked for, or less
---@field lowered? string why that is less: EMFILE, ENFILE (descriptors), EADDRNOTAVAIL (local ports),
--- ENOBUFS ...
local scanner = {}
scanner.__index = scanner
scanner.__name = "net.port.scanner"

-- Not now, but when one of ours has ended, or soon; fewer at a time from now on, and not every last
-- descriptor. False: it was tried often enough, or nothing that we could wait for holds what is lacking.
local function postpone(self, pair, code)
  local alone = self.inflight == 0
  if alone and (code == "EADDRNOTAVAIL" or self.starved) then return false end
  pair.tries = (pair.tries or 0) + 1
  if pair.tries > RETRIES then
    self.starved = true
    return false
  end
  if not alone then self.limit = math.max(1, math.min(self.limit, self.inflight * 3 // 4)) end
  self.lowered = code
  self.again[#self.again + 1] = pair
  self.hold = task.now() + BACKOFF
  return true
end

-- The record of a port that could not be asked or said no; nil if it will be tried again.
local function failed(self, pair, code)
  local state = STATE[code] or "unreachable"
  if SCARCE[code] then
    if postpone(self, pair, code) then return nil end
    if code ~= "EADDRNOTAVAIL" then state = "unknown" end
  end
  return newrecord(self, pair, state, code)
end

-- ---- waiting for one answer, each in a task of its own

-- What a task leaves behind, however it ends.
local ending = {}

function ending:__close()
  local scan = self.scan
  self.socket:close()
  scan.sockets[self.socket] = nil
  scan.inflight = scan.inflight - 1
  scan.hold = 0
  if self.record then
    scan.last = scan.last + 1
    scan.answers[scan.last] = self.record
  elseif not self.again then
    scan.broken = true
  end
  scan.waiters:wake(true)
end

local function follow(self, f, pair, s, ...)
  self.inflight = self.inflight + 1
  self.sockets[s] = false -- until it has its task
  self.sockets[s] = self.scope:spawn(f, setmetatable({ scan = self, socket = s }, ending), self, pair, s, ...)
end

local function left(self, pair)
  return math.max(pair.began + self.timeout - task.now(), 0)
end

-- Whether a deadline around the scan ended the wait, which says nothing of the port.
local function cutshort(self, pair, err)
  if err.code ~= "TIMEOUT" or left(self, pair) < PRECISION then return false end
  self.late = err
  return true
end

-- The first line, or what comes of it within the time and the limit.
local function readbanner(self, s)
  local text, deadline = "", task.now() + self.timeout
  repeat
    local data = s:recv(self.banner - #text, math.max(deadline - task.now(), 0))
    text = text .. (data or "")
  until not data or #text >= self.banner or text:find("\n", 1, true)
  return text ~= "" and text or nil
end

local function followstream(finish, self, pair, s, connected)
  local guard <close> = finish
  local ok, err = connected, nil
  if not ok then ok, err = probe.wait(s, left(self, pair)) end
  if not ok then
    if cutshort(self, pair, err) then return end
    guard.record = failed(self, pair, err.code)
    guard.again = true
    return
  end
  local record = newrecord(self, pair, "open", "connect")
  record.banner = self.banner and readbanner(self, s)
  if record.banner then record.reason = "banner" end
  guard.record = record
end

local function askstream(self, pair)
  local s, answer = self.prober:connect(pair.entry.address, pair.port)
  if not s then return failed(self, pair, answer) end
  if not answer or self.banner then return follow(self, followstream, pair, s, answer) end
  s:close()
  return newrecord(self, pair, "open", "connect")
end

local function answered(self, pair, data, err)
  if data then return newrecord(self, pair, "open", "reply", data) end
  if err.code == "TIMEOUT" then return newrecord(self, pair, "open|filtered", "TIMEOUT") end
  return failed(self, pair, err.code)
end

-- The answer, or that of a second question, after half of the time: the first, or the refusal, may be lost,
-- and systems send only so many refusals in a second.
local function followdatagram(finish, self, pair, s)
  local guard <close> = finish
  local half = math.max(left(self, pair) - self.timeout / 2, 0)
  local data, err = s:recv(DATAGRAM, half)
  if not data and err.code == "TIMEOUT" and left(self, pair) < self.timeout / 2 + PRECISION then
    data, err = s:send(udp.question(pair.entry.address, pair.port, 2))
    if data then data, err = s:recv(DATAGRAM, left(self, pair)) end
  end
  if not data and cutshort(self, pair, err) then return end
  guard.record = answered(self, pair, data, err)
  guard.again = true
end

local function askdatagram(self, pair)
  local s, err = udp.open(pair.entry.address, pair.port)
  if not s then return failed(self, pair, err.code) end
  local data
  data, err = s:recv(DATAGRAM, 0)
  if not data and err.code == "TIMEOUT" then return follow(self, followdatagram, pair, s) end
  s:close()
  return answered(self, pair, data, err)
end

-- ---- the iterator

-- The next pair of an entry and a port: every address gets its turn before the next port.
local function nextpair(self)
  local again = table.remove(self.again)
  if again then return again end
  local index = self.position
  self.position = index + 1
  if self.order then index = self.order(index) end
  return { entry = self.entryat(index % self.addresses), port = self.ports[index // self.addresses + 1] }
end

-- Asks the next port; its record if that is known at once.
local function start(self, now)
  local pair = nextpair(self)
  pair.began = now
  if self.rate then self.due = math.max(self.due, now - BURST) + 1 / self.rate end
  if pair.entry.err then return newrecord(self, pair, "unreachable", pair.entry.err.code) end
  return self.ask(self, pair)
end

local function take(self)
  if self.first > self.last then return nil end
  local record = self.answers[self.first]
  self.answers[self.first] = nil
  self.first = self.first + 1
  return record
end

-- A task that finds no memory even to begin leaves no word: its failure is the scope's.
local function lookforlost(self)
  for _, worker in pairs(self.sockets) do
    if worker and worker:status() == "failed" then self.broken = true end
  end
end

-- Until an answer is there, or the next question may be asked, or all answers should have come.
local function wait(self, more)
  local patience = task.now() + 2 * self.timeout
  local next = more and self.inflight < self.limit and math.max(self.due, self.hold) or math.huge
  local due = math.min(patience, next)
  local ok, err = self.waiters:wait(math.max(due - task.now(), 0))
  if ok then return end
  if task.now() < due then error(err, 0) end
  if due == patience then lookforlost(self) end
end

---Gives the next record, in the order of the answers.
---@async
---@return net.port.record? record nil when all have been given, or the scan was closed; a deadline that ends
--- the wait raises its error, TIMEOUT
---```lua
---local scan <close> = net.port.scan("127.0.0.1", 1)
---assert(scan:next().state == "closed" and scan:next() == nil)
---```
function scanner:next()
  while not self.closed do
    local ok, err = self.waiters:turn()
    if not ok then error(err, 0) end
    local more, now = self.position < self.total or #self.again > 0, task.now()
    local record = take(self)
    if not record and self.late then error(self.late, 0) end
    if not record and more and self.inflight < self.limit and now >= self.due and now >= self.hold then
      record = start(self, now)
    elseif not record and (self.broken or not more and self.inflight == 0) then
      self:close()
    elseif not record then
      wait(self, more)
    end
    if record then
      self.reported = self.reported + 1
      return record
    end
  end
end

scanner.__call = scanner.next

local function closeall(sockets)
  return setmetatable({}, { __close = function()
    for s in pairs(sockets) do
      s:close()
      sockets[s] = nil
    end
  end })
end

---Ends the scan: what is not answered is given up, all sockets are closed. Leaving a `for` does that, and so
---does the last record. Closing twice does nothing.
---@return true
---```lua
---local scan = net.port.scan("127.0.0.1", "1-100")
---scan:close()
---assert(scan:next() == nil)
---```
function scanner:close()
  if self.closed then return true end
  self.closed = true
  self.prober:close()
  local rest <close> = closeall(self.sockets) -- luacheck: ignore rest
  while self.waiters:wake(true) do end
  self.scope:close()
  return true
end

scanner.__close = scanner.close

-- A scan that has not begun. Arguments and options as net.port.scan takes them: no function of the class.
local function new(targets, ports, options)
  options = options == nil and {} or options
  checkoptions(options)
  local protocol = options.udp and "udp" or options.protocol or "tcp"
  local excluded = options.exclude == nil and {} or options.exclude
  local numbers = without(readports(2, "ports", ports, protocol),
    readports(3, 'option "exclude": ports', excluded, protocol))
  local ranges = resolved(readtargets(targets, options), options.family)
  local entryat, addresses = list.entries(ranges)
  local total = addresses * #numbers
  task.sleep(0) -- the event loop takes its own descriptors before the scan takes all
  return setmetatable({
    protocol = protocol, ports = numbers, entryat = entryat, addresses = addresses, total = total,
    reported = 0, position = 0, order = options.randomize and list.permutation(total), again = {},
    limit = options.limit or 256, inflight = 0, rate = options.rate, due = 0, hold = 0,
    timeout = options.timeout or 1, banner = options.banner == true and BANNER or options.banner or nil,
    services = servicesof(protocol), ask = protocol == "udp" and askdatagram or askstream,
    answers = {}, first = 1, last = 0, sockets = {}, waiters = task.waitlist(), prober = probe.prober(),
    scope = task.scope(), closed = false,
  }, scanner)
end

return { new = new, class = scanner }
