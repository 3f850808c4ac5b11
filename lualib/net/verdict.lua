-- net.verdict: what the steps of a diagnosis mean: one verdict, a sentence, and what to do next. It looks at
-- nothing but the steps.

local endpoint = require("net.text").endpoint

local verdict = {}

-- ---- helpers

local function join(list)
  return table.concat(list, ", ")
end

local function steps(d, name, want)
  local found = {}
  for _, step in ipairs(d.steps) do
    if step.step == name and (not want or want(step)) then found[#found + 1] = step end
  end
  return found
end

local function failed(step) return not step.ok end
local function good(step) return step.ok end

local function family(address)
  return address:find ":" and "IPv6" or "IPv4"
end

-- ---- names

local function answers(d, code)
  return steps(d, "nameserver", function(step) return step.rcode == code end)
end

local function servers(list)
  local names = {}
  for i, step in ipairs(list) do names[i] = step.address end
  return join(names)
end

local resolution = {}

-- Name servers that cannot or will not look the name up, where none knows better.
local function faulty(d)
  local list = steps(d, "nameserver", function(step)
    return step.rcode and step.rcode ~= "NOERROR" and step.rcode ~= "NXDOMAIN"
  end)
  if #list == 0 or #answers(d, "NXDOMAIN") > 0 then return nil end
  local text = "the name server %s answers %s: it cannot look %s up"
  return "dns-servfail", text:format(servers(list), list[1].rcode, d.host), {
    "the fault is with that server, the servers of the domain, or its DNSSEC signatures",
    "ask another name server",
  }
end

-- The system's resolver says "no such name" where a server answers nonsense, too.
function resolution.EAI_NONAME(d, err)
  if d.host:find(":", 1, true) then -- in no name
    return "dns-nxdomain", ("%s: %s"):format(d.host, err.message), {
      "check the address; the interfaces of this machine: netlua ifaces -a",
    }
  end
  local name, sentence, advice = faulty(d)
  if name then return name, sentence, advice end
  return "dns-nxdomain", ("there is no host of the name %s"):format(d.host), {
    "check the spelling, and whether the name needs its domain behind it",
  }
end

function resolution.EAI_NODATA(d)
  local wanted = d.family == "inet6" and "IPv6" or d.family and "IPv4"
  local other = steps(d, "resolve", good)[1]
  if wanted and other then
    local source = not d.options.family and d.options.source
    return "dns-nodata", ("%s has no %s address, only %s"):format(d.host, wanted, join(other.addresses)), {
      source and ("the source %s leaves %s only: connect from another, or from any"):format(source, wanted)
        or "connect without asking for one family",
    }
  end
  return "dns-nodata", ("the name %s exists, but has no address"):format(d.host), {
    "look whether an A or AAAA record is missing in its zone",
  }
end

resolution.EAI_ADDRFAMILY = resolution.EAI_NODATA

function resolution.EAI_AGAIN(d)
  local name, sentence, advice = faulty(d)
  if name then return name, sentence, advice end
  local silent = steps(d, "nameserver", failed)
  if #silent > 0 then
    local told = silent[1].error and silent[1].error.message or "silent"
    return "dns-timeout", ("no name server answers: %s (%s)"):format(servers(silent), told), {
      "check the name servers in /etc/resolv.conf, and the way to them: netlua route " .. silent[1].address,
    }
  end
  return "dns-servfail", ("the system's resolver could not look %s up"):format(d.host), {
    "check /etc/resolv.conf and /etc/nsswitch.conf",
  }
end

resolution.TIMEOUT = resolution.EAI_AGAIN
resolution.EAI_FAIL = resolution.EAI_AGAIN

local function unresolved(d, err)
  local rule = resolution[err.code]
  if rule then return rule(d, err) end
  return err.kind, err.message, { err:explain() }
end

-- ---- connections by IP: each rule answers for one step that failed

local connection = {}

local function holder(socket)
  return socket.command and (" (%s, %d)"):format(socket.command, socket.pid or 0) or ""
end

-- The port of this machine refuses: what listens beside the address that was asked?
local function nothinghere(d, step)
  local looked = steps(d, "listeners")[1] or {}
  if looked.error then
    return "refused", ("port %d of this machine refuses"):format(step.port), {
      ("what listens here cannot be seen: %s"):format(looked.error.message), looked.error:explain(),
    }
  end
  local first = (looked.listeners or {})[1]
  if not first then
    return "refused", ("nothing listens on port %d of this machine"):format(step.port), {
      "start the service, or look for the port it has: netlua conns --listen",
    }
  end
  local text = "port %d of this machine is listened on at %s%s only, not at %s"
  return "refused", text:format(step.port, first.local_address, holder(first), step.address), {
    ("connect to %s, or let the service listen on every address"):format(
      endpoint(first.local_address, first.local_port)),
  }
end

-- A rule of this machine answers with its own address.
local function ownrule(step)
  local cause = step.error.cause
  return cause and cause.address == step.source
end

function connection.ECONNREFUSED(d, step)
  local cause = step.error.cause
  if ownrule(step) then
    return "refused", "a firewall rule of this machine rejects what goes out", {
      "look at the rules for what goes out: nft list ruleset, iptables -S OUTPUT",
    }
  end
  if cause then
    return "refused", ("%s rejects it by an ICMP message: a firewall does that, no service"):format(
      cause.address or step.address), { "ask who runs that firewall to let the port pass" }
  end
  if step["local"] then return nothinghere(d, step) end
  return "refused", ("the host answers but nothing listens on %d"):format(step.port), {
    "check on that host that the service runs, and on which address and port it listens",
    "which ports are open: netlua portcheck " .. step.address .. " -p top20",
  }
end

-- ICMP's "protocol unreachable": of TCP only a firewall says that.
function connection.ENOPROTOOPT(d, step)
  if step.error.cause then return connection.ECONNREFUSED(d, step) end
end

function connection.ECONNRESET(_, step)
  return "reset", ("%s resets the connection"):format(endpoint(step.address, step.port)), {
    "the service ended it at once, or a firewall on the way does: look at the log of the service",
  }
end

local function silence(d, address)
  return steps(d, "silence", function(step) return step.address == address end)[1] or {}
end

-- Whether nobody has said whose address it is.
local function unanswered(neighbor)
  return neighbor and (neighbor.state == "failed" or neighbor.state == "incomplete")
end

-- Somebody gives another packet the answer that the connection did not get.
local function said(d, step, err)
  local rule = err and connection[err.code]
  if rule and err.code ~= "TIMEOUT" then
    return rule(d, setmetatable({ error = { code = err.code, cause = err } }, { __index = step }))
  end
end

local ANY = { ["0.0.0.0"] = true, ["::"] = true }

-- The socket of this machine that should have accepted, if connections wait there already.
local function stuck(d, step)
  for _, socket in ipairs(step["local"] and (steps(d, "listeners")[1] or {}).listeners or {}) do
    local here = socket.local_address == step.address or ANY[socket.local_address]
    if here and socket.rx_queue_bytes > 0 then return socket end
  end
end

function connection.TIMEOUT(d, step)
  local busy = stuck(d, step)
  if busy then
    local text = "what listens on port %d%s does not accept: %d in its queue"
    return "timeout", text:format(step.port, holder(busy), busy.rx_queue_bytes), {
      "the service is stuck or overloaded: look at it, or let it listen with a larger backlog",
    }
  end
  local found = silence(d, step.address)
  local neighbor = found.neighbor
  if found.alive then
    return "filtered", ("the host is there (%s), but packets to port %d are dropped"):format(
      found.alive, step.port), { "a firewall drops them, on the host or on the way: let the port pass there" }
  end
  if unanswered(neighbor) then
    return connection.EHOSTUNREACH(d, step)
  end
  local name, sentence, advice = said(d, step, found.said)
  if name then return name, sentence, advice end
  local last = found.last and (": the last router that answers is %s"):format(found.last) or ""
  return "host-silent", ("%s gives no sign of life%s"):format(step.address, last), {
    "the host is down, or everything to it is dropped",
    ("see where the path ends: netlua trace %s --tcp %d"):format(step.address, step.port),
  }
end

connection.ETIMEDOUT = connection.TIMEOUT

local function prohibited(_, step)
  local cause = not ownrule(step) and step.error.cause or nil
  return "prohibited", ("%s prohibits it"):format(cause and cause.address or "a rule of this machine"), {
    cause and "ask who runs that router or firewall"
      or "look for a prohibit route, or a firewall rule for what goes out: ip route get, nft list ruleset",
  }
end

-- What a router says of a host is a rule's word where the host itself says it, or this machine.
local function isrule(step)
  local cause = step.error.cause
  return cause and (cause.code == "PROHIBITED" or cause.address == step.address or ownrule(step))
end

function connection.ENETUNREACH(_, step)
  local cause = step.error.cause
  if isrule(step) then return prohibited(_, step) end
  if cause and cause.address then
    return "net-unreachable", ("the router %s knows no way to %s"):format(cause.address, step.address), {
      "the routing there is broken, or the address is wrong",
    }
  end
  return "net-unreachable", ("this machine has no route to %s"):format(step.address), {
    ("check the routing table and whether %s works here at all: netlua route %s"):format(
      family(step.address), step.address),
  }
end

function connection.TTL_EXCEEDED(_, step)
  local cause, text = step.error.cause, "packets to %s run out of hops at %s: routers send them in a circle"
  return "host-unreachable", text:format(step.address, cause and cause.address or "a router"), {
    "see which ones: netlua trace " .. step.address,
  }
end

-- A sentence and advice, where nobody says whose address the next hop is.
local function nobody(step, neighbor)
  local device = neighbor.device
  if neighbor.carrier == false then
    return ("the interface %s has no link: nothing goes out by it"):format(device), {
      "look at the cable, the port of the switch, or the other end: netlua ifaces " .. device,
    }
  end
  if neighbor.gateway then
    local text = "nobody on %s answers for %s, the router on the way to %s"
    return text:format(device, neighbor.address, step.address), {
      "the router is off, or the route leads to a wrong one: netlua route " .. step.address,
      "the neighbours of this machine: ip neigh",
    }
  end
  return ("nobody on %s answers for %s"):format(device, neighbor.address), {
    "the host is off, on another network, or the address is wrong",
    "the neighbours of this machine: ip neigh",
  }
end

function connection.EHOSTUNREACH(d, step)
  local cause = step.error.cause
  if cause and cause.code == "PROHIBITED" then return prohibited(d, step) end
  if cause and cause.code == "TTL_EXCEEDED" then return connection.TTL_EXCEEDED(d, step) end
  if cause and cause.address and not step["local"] and not isrule(step) then
    return "host-unreachable", ("the router %s cannot reach %s"):format(cause.address, step.address), {
      "the host is off, or its network is cut off behind that router",
    }
  end
  local neighbor = step.neighbor or silence(d, step.address).neighbor
  if unanswered(neighbor) then return "host-unreachable", nobody(step, neighbor) end
  if isrule(step) then return prohibited(d, step) end
  local text = "a route of this machine says that %s cannot be reached"
  return "host-unreachable", text:format(step.address), {
    "look for an unreachable route: ip route get " .. step.address,
  }
end

connection.EACCES, connection.EPERM, connection.PROHIBITED = prohibited, prohibited, prohibited

function connection.EINVAL(_, step)
  if not step.blackhole then return nil end
  return "blackhole", ("a blackhole route of this machine drops what goes to %s"):format(step.address), {
    "remove it: ip route del blackhole ...",
  }
end

-- ---- addresses of many hosts, whatever the kernel says of them

local group = {}

function group.multicast(_, step)
  return "multicast", ("%s is a multicast group: connections go to single hosts only"):format(step.address), {
    ("datagrams go there: netlua mcast send %s, netlua mcast recv"):format(endpoint(step.address, step.port)),
    "or connect to one host, by its own address",
  }
end

function group.broadcast(_, step)
  local text = "%s is a broadcast address, of all hosts of a network: connections go to single hosts only"
  return "broadcast", text:format(step.address), {
    "use the address of one host; who is there: netlua ping " .. step.address,
  }
end

-- ---- unix sockets, which have neither a port nor a way

local unix = {}

function unix.ECONNREFUSED(_, step)
  return "refused", ("nobody listens at %s"):format(step.address), {
    "start the service: the path may be left over from a run before, or be no socket",
  }
end

function unix.TIMEOUT(_, step)
  return "timeout", ("%s has a listener that accepts nobody: its queue is full"):format(step.address), {
    "the service is stuck or overloaded: look at it, or let it listen with a larger backlog",
  }
end

function unix.EACCES(_, step)
  return "prohibited", ("this user may not connect to %s"):format(step.address), {
    "look at who may write to the socket and enter its directories: ls -ld",
  }
end

-- The best informed of several failures speaks for all.
local RANK = { "refused", "reset", "prohibited", "filtered", "host-silent", "host-unreachable", "blackhole",
  "multicast", "broadcast", "net-unreachable" }

local function rankof(name)
  for rank, other in ipairs(RANK) do
    if other == name then return rank end
  end
  return #RANK + 1
end

local function one(d, step)
  local rule = step.group and group[step.group] or (step.port and connection or unix)[step.error.code]
  local name, sentence, advice
  if rule then name, sentence, advice = rule(d, step) end
  if name then return { name, sentence, advice, step } end
  return { step.error.kind, step.error.message, { step.error:explain() }, step }
end

local function worst(d, list)
  local best
  for _, step in ipairs(list) do
    local found = one(d, step)
    if not best or rankof(found[1]) < rankof(best[1]) then best = found end
  end
  return table.unpack(best)
end

-- ---- some addresses connect

local function familiesof(list)
  local set = {}
  for _, step in ipairs(list) do set[family(step.address)] = true end
  return set
end

-- A machine without IPv6 is no fault of the service.
local function unused(step)
  if step.group then return false end
  return step.error.code == "ENETUNREACH" and not step.error.cause
    or step.error.code == "EADDRNOTAVAIL" or step.error.code == "EAFNOSUPPORT"
end

local function partly(d, open, closed)
  local _, sentence, advice, step = worst(d, closed)
  local name = "some-addresses"
  local works, fails = familiesof(open), familiesof(closed)
  if not (works.IPv4 and fails.IPv4 or works.IPv6 and fails.IPv6) then name = "half-dual-stack" end
  local text = "open on %s, but not on %s: %s"
  return name, text:format(open[1].address, step.address, sentence), advice, step
end

-- ---- TLS

-- What a server says first that begins in plain text: its protocol for netlua tls --starttls.
local PLAIN = { { "^220[ %-][^\n]*FTP", "ftp" }, { "^220[ %-]", "smtp" }, { "^%* OK", "imap" },
  { "^%+OK", "pop3" }, { "^.\0\0\0\10", "mysql" } }

-- How to look at it with the tool.
local function lookat(step, more)
  local name = step.name and step.name ~= step.address and (" --name %s"):format(step.name) or ""
  local place = step.port and endpoint(step.address, step.port) or step.address
  return ("look closer: netlua tls %s%s%s"):format(place, name, more or "")
end

local handshake = {}

function handshake.TIMEOUT(step)
  local where = step.port and endpoint(step.address, step.port) or step.address
  return ("%s accepts the connection and is silent in the TLS handshake"):format(where), {
    "it may wait for plain text: try without TLS, or begin in plain text with starttls",
    "else the service is stuck, or something on the way drops what TLS sends",
  }
end

local function cutoff(step)
  local where = step.port and endpoint(step.address, step.port) or step.address
  return ("%s ends the connection in the TLS handshake"):format(where), {
    "it may speak no TLS there, or refuse this client or the name: look at the log of the service",
    "a firewall that looks into TLS does that too, to names that it does not allow",
  }
end

handshake.ECONNRESET, handshake.EOF, handshake.EPIPE = cutoff, cutoff, cutoff

-- Name, sentence and advice for a handshake that failed.
local function broken(step)
  local err = step.error
  if err.code == "TLS_VERIFY" then return "tls-cert", err.message, { err:explain(), lookat(step) } end
  local rule = handshake[err.code]
  if rule then return "tls-proto", rule(step) end
  for _, row in ipairs(PLAIN) do
    if err.received and err.received:find(row[1]) then
      return "tls-proto", err.message, { err:explain(), lookat(step, " --starttls " .. row[2]) }
    end
  end
  return "tls-proto", err.message, { err:explain(), lookat(step, " --protocols") }
end

-- The verdict on the handshakes, where one failed. A certificate says more than an end.
local function protected(d)
  local bad, fine = steps(d, "tls", failed), steps(d, "tls", good)[1]
  local chosen = bad[1]
  for _, step in ipairs(bad) do
    if chosen.error.code ~= "TLS_VERIFY" and step.error.code == "TLS_VERIFY" then chosen = step end
  end
  if not chosen then return nil end
  local name, sentence, advice = broken(chosen)
  if fine then
    sentence = ("TLS is well on %s, but not on %s: %s"):format(fine.address, chosen.address, sentence)
  end
  return name, sentence, advice, chosen
end

local SOON = 14 -- days before the end of a certificate at which it is worth a word

-- What is to be said of handshakes that went well.
local function praise(d, where)
  local step = steps(d, "tls")[1]
  if not step then return ("connected to %s"):format(where), {} end
  local trust = step.verified and ("and the certificate is good for %s"):format(step.name)
    or "but the certificate was not checked"
  local soon = step.verified and step.days_left and step.days_left < SOON
  return ("connected to %s with %s, %s"):format(where, step.protocol, trust), {
    soon and ("the certificate ends in %d days: have it renewed"):format(step.days_left // 1) or nil,
  }
end

-- ---- open connections

local function opened(d, open)
  local silent = steps(d, "greeting", failed)[1]
  if silent then
    local how = silent.error and "resets" or "closes"
    return "reset", ("the service accepts and %s the connection at once"):format(how), {
      "it may refuse this client, speak only after TLS, or fail as it starts: look at its log",
    }, silent
  end
  local hole = steps(d, "mtu", failed)[1]
  local name, sentence, advice, step = protected(d)
  if name and not (hole and step.error.code == "TIMEOUT") then return name, sentence, advice, step end
  if hole then
    local text = "small packets arrive, but those over %d bytes vanish, and no router says so"
    return "mtu-blackhole", text:format(hole.mtu), {
      "a firewall drops the ICMP messages that would say so: let type 3 code 4, or ICMPv6 type 2, pass",
      ("until then: ip route add %s mtu %d ..."):format(hole.address, hole.mtu),
    }, hole
  end
  local where = open[1].port and endpoint(open[1].address, open[1].port) or open[1].address
  sentence, advice = praise(d, where)
  return "ok", sentence, advice
end

local function judge(d)
  local resolve = steps(d, "resolve")[1]
  if resolve and resolve.error then
    local name, sentence, advice = unresolved(d, resolve.error)
    return name, sentence, advice, resolve
  end
  local open, closed = steps(d, "connect", good), steps(d, "connect", failed)
  if #open == 0 then return worst(d, closed) end
  local counted = steps(d, "connect", function(step) return failed(step) and not unused(step) end)
  if #counted > 0 then return partly(d, open, counted) end
  local name, sentence, advice, step = opened(d, open)
  if name == "ok" and #closed > 0 then
    advice[#advice + 1] = ("%s does not work here (%s): programs that try it first lose time"):format(
      family(closed[1].address), closed[1].error.message)
  end
  return name, sentence, advice, step
end

---The verdict on the steps of a diagnosis: its name, a sentence, a list of what to do, and the step that
---decided it, if one failed.
function verdict.of(d)
  local name, sentence, advice, decisive = judge(d)
  for _, step in ipairs(steps(d, "connect")) do
    if ANY[step.address] then
      advice[#advice + 1] = step.address .. " is this machine on Linux only: say 127.0.0.1 or ::1"
    end
  end
  return name, sentence, advice, decisive
end

return verdict
