-- net.evidence: facts about a connection that does not come about: what an attempt met, who says no, what
-- name servers answer, what listens here, where a silent path ends. It judges nothing: net.verdict does.

local addr = require "net.core.addr"
local iface = require "net.core.iface"
local socket = require "net.core.socket"
local core = require "net.core.task"
local message = require "net.core.message"
local probe = require "net.probe"
local task = require "net.task"
local dial = require "net.dial"
local errors = require "net.core.error"

local evidence = {}

local QUOTE = 128 -- bytes that a router may quote of ours
local SERVERS = 3 -- name servers that the system's resolver asks, see resolv.conf(5)
local PATIENCE = 1.5 -- seconds that silence is looked into
local HOPS = 20
local SIBLINGS = { 22, 80, 443, 53, 3389, 8080 } -- ports that often answer, and so show that a host is there

local function milliseconds(began)
  return (core.now() - began) * 1000
end

-- ---- one connection

-- A connected stream | nil, err. An ICMP message that ended it is the `cause`: who sent it is its address.
function evidence.connect(address, port, options)
  local s, err = socket.open(address, port, { source = options.source, interface = options.interface })
  if not s then return nil, err end
  s:setsockopt(address:find ":" and "IPV6_RECVERR" or "IP_RECVERR", true)
  local ran, ok
  ran, ok, err = pcall(s.connect, s, address, port, options.timeout)
  if ran and ok then err = dial.toitself(s) end
  if ran and not err then return s end
  local _, info = message.queued(s, QUOTE)
  s:close()
  if not ran then error(ok, 0) end
  local icmp = info and info.error and info.error.origin ~= "local"
  if icmp then err.cause = probe.meaning("connect", info.error) end
  return nil, err
end

-- "multicast" or "broadcast", where an address is of many hosts; nil of one.
function evidence.group(address, way)
  local kind = way and way.type
  return (kind == "multicast" or kind == "broadcast") and kind or probe.groupof(address)
end

-- ---- name servers

local RCODES = { [0] = "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED" }

local function lines(path)
  local list = {}
  local file <close> = io.open(path, "rb")
  for line in file and file:lines() or function() end do list[#list + 1] = line end
  return list
end

-- Whether names are looked up by asking servers at all: nsswitch.conf(5).
local function asksservers()
  for _, line in ipairs(lines "/etc/nsswitch.conf") do
    local sources = line:match "^%s*hosts:(.*)$"
    if sources then return sources:find "%f[%w]dns%f[%W]" ~= nil or sources:find "resolve" ~= nil end
  end
  return true
end

-- The name servers that the system asks: resolv.conf(5).
function evidence.nameservers()
  local servers = {}
  if not asksservers() then return servers end
  for _, line in ipairs(lines "/etc/resolv.conf") do
    local server = line:match "^nameserver%s+([%x.:]+[^%s#;]*)"
    if server and #servers < SERVERS then servers[#servers + 1] = server end
  end
  if #servers == 0 then servers[1] = "127.0.0.1" end
  return servers
end

-- A query for the addresses of a name, RFC 1035 section 4; nil for what is no domain name.
local function query(id, name)
  local parts = {}
  for label in (name:gsub("%.$", "") .. "."):gmatch "([^.]*)%." do
    if #label == 0 or #label > 63 then return nil end
    parts[#parts + 1] = ("s1"):pack(label)
  end
  return id .. (">I2I2I2I2I2"):pack(0x100, 1, 0, 0, 0) .. table.concat(parts) .. "\0" .. (">I2I2"):pack(1, 1)
end

-- Of the answer only the head is looked at: whether it is one, and its code.
local function rcode(id, answer)
  if #answer < 12 or answer:sub(1, 2) ~= id or answer:byte(3) < 0x80 then return nil end
  local number = answer:byte(4) & 15
  return RCODES[number] or ("RCODE %d"):format(number)
end

local function answerof(s, id, timeout)
  local due = core.now() + timeout
  repeat
    local answer, err = s:recv(4096, math.max(due - core.now(), 0))
    if not answer then return nil, err end
    local code = rcode(id, answer)
    if code then return code end
  until core.now() >= due
  return nil, errors.new("recv", "TIMEOUT")
end

-- What a name server says of a name: {address =, rcode = or error =, ms =}
local function ask(server, name, timeout)
  local began = core.now()
  local result = { address = server }
  local id = addr.random(2)
  local packet = id and query(id, name)
  local s <close>, err = socket.udp { family = server:find ":" and "inet6" or "inet" }
  local ok = s and packet
  if ok then ok, err = s:connect(server, 53) end
  if ok then ok, err = s:send(packet) end
  if ok then result.rcode, err = answerof(s, id, timeout) end
  result.error, result.ms = err, milliseconds(began)
  return result
end

-- All servers side by side, each with its own time.
function evidence.asknameservers(name, timeout)
  return (task.map(evidence.nameservers(), function(server)
    return ask(server, name, math.min(timeout, PATIENCE))
  end))
end

-- ---- this machine

-- What listens on a port here, at whatever address: list | nil, err
function evidence.listeners(port)
  local found, list, err = {}, require("net.port").owner(port, { type = "tcp" })
  if not list then return nil, err end
  for _, other in ipairs(list) do
    if other.state == "LISTEN" then found[#found + 1] = other end
  end
  return found
end

-- The next hop in the table of neighbours, with `gateway`, if it is one, and with `carrier`, whether the
-- interface has one; nil if it is not there.
function evidence.neighbor(way)
  local hop = way.via or way.destination
  for _, entry in ipairs(require("net.route").neighbors { family = way.family } or {}) do
    if entry.address == hop and entry.device == way.device then
      local links = iface.links(way.index)
      entry.gateway, entry.carrier = way.via ~= nil or nil, links and links[1] and links[1].running
      return entry
    end
  end
end

-- ---- silence

-- What this machine says of a datagram: EPERM where a rule drops whatever goes there.
local function sending(address)
  local s <close>, err = socket.udp { family = address:find ":" and "inet6" or "inet" }
  local ok = s
  if ok then ok, err = s:connect(address, 9) end
  if ok then ok, err = s:send "" end
  return not ok and err or nil
end

-- Each gives what answered, or nothing; or who says why not.
local looks = {}

function looks.ping(address, _, options)
  local report = require("net.ping").ping(address, {
    timeout = options.timeout, count = 1, source = options.source, interface = options.interface,
  })
  local reply = report and report.alive and report.replies[1]
  if reply then return ("it answers a ping after %.1f ms"):format(reply.ms) end
  local said = report and report.replies[1] and report.replies[1].error
  if said and said.code == "EPERM" then said = sending(address) end
  if said and (said.detail or said.code == "EPERM") then return nil, said end
end

function looks.siblings(address, port, options)
  local found
  task.map(SIBLINGS, function(other)
    if other == port then return end
    local s <close>, err = evidence.connect(address, other, options)
    if s then found = found or ("port %d is open"):format(other) end
    if err and err.code == "ECONNREFUSED" and not err.cause then
      found = found or ("port %d refuses"):format(other)
    end
  end)
  return found
end

-- Where the path ends: the last router that answers, and whether the host does.
function looks.path(address, port, options)
  local report = require("net.trace").trace(address, {
    mode = "tcp", port = port, max_hops = HOPS, probes = 1, timeout = options.timeout / 3,
    source = options.source, interface = options.interface,
  })
  local last
  for _, hop in ipairs(report and report.hops or {}) do
    if hop.address and not hop.reached then last = hop.address end
  end
  return nil, nil, last
end

-- What can be found out about a host that does not answer on a port: {alive = text or nil, said = err or nil,
-- last = the router where the path ends or nil}
function evidence.silence(address, port, options)
  local limits = {
    timeout = math.min(options.timeout, PATIENCE), source = options.source, interface = options.interface,
  }
  local found = {}
  task.map({ "ping", "siblings", "path" }, function(name)
    local alive, said, last = looks[name](address, port, limits)
    found.alive, found.said = found.alive or alive, found.said or said
    found.last = found.last or last
  end)
  return found
end

-- ---- an open connection

-- What comes of a connection that was opened: "silent", "data", "closed", or an error such as ECONNRESET.
function evidence.greeting(s, timeout)
  local data, err = s:recv(512, timeout)
  if data then return "data", data end
  if not err then return "closed" end
  if err.code == "TIMEOUT" then return "silent" end
  return nil, err
end

-- What the handshake of TLS tells on a connection, which is closed where it fails: as net.stream:tls() gives
-- it | nil, err
function evidence.handshake(s, plan, port, timeout)
  local tls = require "net.tlsstream"
  local ok, err = tls.orclose(s, tls.client, plan, port, timeout)
  if not ok then return nil, err end
  return s:tls()
end

return evidence
