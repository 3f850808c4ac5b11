-- net.pathmtu: how large a packet may be to reach a host in one piece (RFC 1191, RFC 8201), also where a
-- router on the way drops what is too large and does not say so (RFC 4821, section 1).

local task = require "net.core.task"
local newerror = require "net.core.error".new
local check = require "net.check"
local probe = require "net.probe"

---@class net
local pathmtu = {}

local ROUNDS = 64 -- packets after which a path that names ever smaller sizes is given up
local SPREAD = 4 -- sizes that are tried at the same time in a search

-- Per family: bytes before the payload, and what every path carries (RFC 791, RFC 8200).
local HEADERS = { inet = 28, inet6 = 48 }
local LEAST = { inet = 68, inet6 = 1280 }
-- Small enough to tell a silent host from one that large packets do not reach.
local COMMON = { inet = 576, inet6 = 1280 }
local MOST = 65507 -- bytes of payload

local OPTIONS = {
  mode = { "word", "icmp", "udp" },
  tries = { "integer", 1, 10 },
  timeout = { "number", 0, 2 ^ 32 },
  port = { "integer", 1, 65000 },
  family = { "word", "inet", "inet6" },
  source = { "text" },
  interface = { "interface" },
}

-- ---- packets of a size

-- What came of the probes from `first` on: the sequence number of the largest that arrived; of a single one
-- also the router that says it is too big. The arrival of the first, the largest, ends the wait.
local function outcome(self, first, count)
  local due = task.now() + self.timeout
  local arrived
  while true do
    local event, err = self.transport:receive(math.max(due - task.now(), 0))
    if not event and err.code ~= "TIMEOUT" then return nil, err end
    if not event and task.now() + 1e-3 < due then return nil, err end
    if not event then return { arrived = arrived } end
    local seq, failure = event.seq, event.error
    if seq >= first and seq < first + count then
      local refused = failure and failure.code == "ECONNREFUSED" and failure.address == self.address
      local toobig = failure and failure.code == "EMSGSIZE"
      if failure and not refused and not toobig then return nil, failure end
      if toobig and count == 1 then return { router = failure } end
      if not toobig then arrived = math.min(arrived or seq, seq) end
      if arrived == first then return { arrived = arrived } end
    end
  end
end

-- Sends one packet of each size, the largest first, and gives what came of them.
local function try(self, sizes)
  local first = self.seq
  for _, size in ipairs(sizes) do
    local ok, err = self.transport:send(self.seq, size - self.headers)
    self.seq = self.seq + 1
    if not ok then return nil, err end
  end
  local found, err = outcome(self, first, #sizes)
  if found and found.arrived then found.size = sizes[found.arrived - first + 1] end
  return found, err
end

-- The same until something comes, `tries` times.
local function insist(self, sizes)
  local found, err
  for _ = 1, self.tries do
    found, err = try(self, sizes)
    if not found or found.arrived or found.router then return found, err end
  end
  return found, err
end

-- ---- a router that drops and says nothing

-- Sizes between two, the largest first.
local function between(low, high)
  local sizes, step = {}, (high - low) / (SPREAD + 1)
  for index = SPREAD, 1, -1 do
    local size = math.floor(low + step * index)
    if size > low and size ~= sizes[#sizes] then sizes[#sizes + 1] = size end
  end
  return sizes
end

-- The largest that arrives of sizes from `low`, which does, to below `high`, which does not.
local function search(self, low, high)
  while high - low > 1 do
    local sizes = between(low, high)
    local found, err = insist(self, sizes)
    if not found then return nil, err end
    local reached = found.size or low
    for _, size in ipairs(sizes) do
      if size > reached then high = size end
    end
    low = reached
  end
  return low
end

local function blackhole(self, report)
  local low = math.min(COMMON[self.family], report.mtu)
  local found, err = insist(self, { low })
  if not found then return nil, err end
  if not found.arrived then return report end
  report.confirmed = true
  if low == report.mtu then return report end
  report.black_hole = true
  report.mtu, err = search(self, low, report.mtu)
  return report.mtu and report, err
end

-- ---- the whole

-- The interface refuses what is larger than it takes, and says how much that is.
local function start(self)
  local found, err = try(self, { MOST + self.headers })
  if found or err.code ~= "EMSGSIZE" then return found and MOST + self.headers, err end
  if err.mtu then return err.mtu end
  return nil, err
end

-- A router named a size: one that is no smaller, or less than every path carries, is not believed.
local function lower(self, report, failure)
  local mtu = failure.detail.info
  if mtu >= report.mtu or mtu < LEAST[self.family] then return false end
  table.insert(report.routers, { address = failure.address, mtu = mtu })
  report.mtu = mtu
  return true
end

local function follow(self, report)
  for _ = 1, ROUNDS do
    local found, err = insist(self, { report.mtu })
    if not found and err.code == "EMSGSIZE" and err.mtu and err.mtu < report.mtu then
      report.mtu = err.mtu -- another interface by now
    elseif not found then
      return nil, err
    elseif found.arrived then
      report.confirmed = true
      return report
    elseif not found.router or not lower(self, report, found.router) then
      return blackhole(self, report)
    end
  end
  return nil, newerror("path_mtu", "EPROTO", "routers name ever smaller sizes")
end

local function opentransport(options, address)
  local settings = {
    size = MOST,
    whole = true,
    source = options.source,
    interface = options.interface,
    port = options.port,
  }
  local transport, err = probe[options.mode or "icmp"]("path_mtu", address, settings)
  if transport or options.mode or err.code ~= "ICMP_DENIED" then return transport, err end
  return probe.udp("path_mtu", address, settings)
end

local function failure(err, host)
  err.op, err.host = "path_mtu", host
  return nil, err
end

---Finds the largest packet that reaches a host in one piece: what interface and routers say, and where large
---packets vanish without a word (`black_hole`), what arrives.
---
---The packets are echo requests, or UDP datagrams where the system allows no ICMP. A host that answers
---neither leaves what the routers said: `confirmed` is false then.
---@async
---@param host string numeric address or name; link-local with its zone, unless options say the link: EINVAL
---@param options? net.path_mtu.options an unknown field raises
---@return net.path_mtu.report? report
---@return net.error? err ENETUNREACH, EHOSTUNREACH, PROHIBITED (there is no way), ICMP_DENIED (mode "icmp"
--- asked for), EAI_NONAME, EAI_AGAIN, EADDRNOTAVAIL (source), ENODEV (interface), EMFILE, or TIMEOUT of the
--- lookup or an enclosing deadline
---@see tracepath(8), RFC 1191, RFC 8201
---```lua
---local report = assert(net.path_mtu("127.0.0.1", { mode = "udp" }))
---assert(report.mtu > 1500 and report.confirmed)
---```
function pathmtu.path_mtu(host, options)
  check.text("path_mtu", 1, host)
  options = check.fields("path_mtu", 2, options, OPTIONS)
  local address, err = probe.lookup("path_mtu", host, options)
  if not address then return nil, err end
  local transport <close>, failed = opentransport(options, address)
  if not transport then return failure(failed, host) end
  local family = probe.familyof(address)
  local self = {
    transport = transport,
    address = address,
    family = family,
    headers = HEADERS[family],
    timeout = options.timeout or 1,
    tries = options.tries or 2,
    seq = 1,
  }
  local report = { host = host, address = address, routers = {}, confirmed = false, black_hole = false }
  report.mtu, err = start(self)
  if not report.mtu then return failure(err, host) end
  report.first_mtu = report.mtu
  report, err = follow(self, report)
  if not report then return failure(err, host) end
  return report
end

return pathmtu
