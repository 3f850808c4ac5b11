-- portcheck: which ports are open.

local USUAL = "top100" -- ports that are asked where none are named
local FEW = 100 -- ports, up to which people see those that are not open too
local MOST, ALL = 4096, 1 << 32 -- addresses of one word, without and with --yes-large
local PARALLEL = 256 -- questions at a time
local PERIOD = 0.1 -- seconds between two looks at the progress
local STATES = { "open", "closed", "filtered", "open|filtered", "unreachable", "unknown" }
local SILENT = { filtered = true, ["open|filtered"] = true }

-- ---- what is asked

local PORTS = "443, https, 22,80,8000-8100 or top20"
local HOSTS = "a name, an address, 192.0.2.0/24, 192.0.2.1-9, host:ports, [v6]:ports or a URL"

-- host, ports | nil, message: "host:ports", "[v6]:ports", a URL; without ports all of it is hosts
local function split(word)
  if word:find "^%a[%w+.-]*://" then
    local target, message = net.tool.target(word)
    if not target then return nil, message end
    return target.host, target.port and tostring(target.port)
  end
  local host, ports = word:match "^%[([^%[%]]+)%]:(.+)$"
  if not host then host = word:match "^%[([^%[%]]+)%]$" end
  if not host then host, ports = word:match "^([^:]+):([^:]+)$" end
  return host or word, ports
end

-- How many addresses the hosts of a word are; nil, message
local function countaddresses(hosts, most)
  for item in hosts:gmatch "[^,%s]+" do
    local wrong = item:find("@", 1, true) or item:find(":", 1, true) and not net.ip.parse(item:match "^[^-]+")
    if wrong then return nil, ('bad target "%s": use %s'):format(item, HOSTS) end
  end
  local count = net.port.count(hosts, most)
  if count then return count end
  if most < ALL and net.port.count(hosts, ALL) then
    return nil, ("%s has more than %d addresses: --yes-large asks them all"):format(hosts, most)
  end
  if net.ip.parse(hosts) then return nil, ("%s has more than %d addresses: too many"):format(hosts, ALL) end
  return nil, ('bad target "%s": use %s'):format(hosts, HOSTS)
end

-- How many ports a list names, without those that are excluded; nil, message
local function countports(ports, args)
  local list = net.port.parse(ports, args.protocol)
  if not list then return nil, ('bad ports "%s": use %s'):format(ports, PORTS) end
  local count = #list
  for _, port in ipairs(list) do
    if args.excluded[port] then count = count - 1 end
  end
  if count == 0 then return nil, ("--exclude leaves nothing of %s"):format(ports) end
  return count
end

-- Ports where a host belongs, as in "nc HOST PORT". As an address in the old forms 22 is 0.0.0.22.
local function isports(word)
  return word:find "^[%d,-]+$" and net.port.parse(word) ~= nil
end

-- What one word asks: {hosts, ports, total} | nil, message
local function question(word, args)
  if isports(word) then return nil, ('"%s" is no host: use HOST:%s, or -p %s'):format(word, word, word) end
  local hosts, ports = split(word)
  if not hosts then return nil, ports end
  ports = ports or args.ports or USUAL
  local count, message = countports(ports, args)
  if not count then return nil, message end
  local addresses
  addresses, message = countaddresses(hosts, args.yes_large and ALL or MOST)
  if not addresses then return nil, message end
  return { hosts = hosts, ports = ports, total = addresses * count }
end

-- Words that ask the same ports are one scan: list of {hosts = {}, ports, total}, their total | nil, message
local function questions(args)
  local list, of, total = {}, {}, 0
  for _, word in ipairs(args.targets) do
    local one, message = question(word, args)
    if not one then return nil, message end
    local scan = of[one.ports]
    if not scan then
      scan = { hosts = {}, ports = one.ports, total = 0 }
      list[#list + 1], of[one.ports] = scan, scan
    end
    table.insert(scan.hosts, one.hosts)
    scan.total, total = scan.total + one.total, total + one.total
  end
  return list, total, of[USUAL] ~= nil and args.ports == nil
end

-- Marks the ports that are left out. nil, message
local function readexcluded(args)
  args.excluded = {}
  if not args.exclude then return true end
  local list = net.port.parse(args.exclude, args.protocol)
  if not list then return nil, ('bad ports "%s": use %s'):format(args.exclude, PORTS) end
  for _, port in ipairs(list) do args.excluded[port] = true end
  return true
end

-- ---- what is told

-- What came of it so far. `total` is a guess as long as names have not said how many addresses they have.
local tally = {}
tally.__index = tally

local function newtally(args, out, total, usual)
  local everything = out.machine or args.verbose > 0 or total <= FEW and not usual
  return setmetatable({
    out = out, total = total, asked = 0, counts = {}, nameless = {}, names = 0, began = net.now(),
    any = args.any or usual, openonly = args.open or not everything, wished = args.open,
  }, tally)
end

-- A name without an address is told once, whatever the number of ports.
local function nameless(self, r)
  if self.nameless[r.host] then return end
  self.nameless[r.host] = true
  self.names = self.names + 1
  self.status = self.out:fail(r.host, r.error, net.now() - r.ms / 1000)
end

function tally:add(r)
  self.asked = self.asked + 1
  if r.error then return nameless(self, r) end
  self.counts[r.state] = (self.counts[r.state] or 0) + 1
  if self.openonly and r.state ~= "open" then return end
  local form = r.host:find(":", 1, true) and "[%s]:%d" or "%s:%d"
  self.out:record({
    target = form:format(r.host, r.port), host = r.host, address = r.address, port = r.port,
    proto = r.protocol, state = r.state, reason = r.reason, service = r.service, banner_b64 = r.banner,
    ms = tonumber(("%.3f"):format(r.ms)),
  }, net.now() - r.ms / 1000)
end

-- Tells of the progress, beside the scan: no port costs anything for it.
function tally:show()
  while true do
    net.sleep(PERIOD)
    local rate = self.asked / (net.now() - self.began)
    local text = ("%d open  %.0f/s"):format(self.counts.open or 0, rate)
    local left = math.max(self.total - self.asked, 0) / rate
    if rate > 0 then text = text .. ("  %.0f s left"):format(left) end
    self.out:progress(self.asked, self.total, text)
  end
end

local function sentence(self, seconds)
  local parts, answers = {}, 0
  for _, state in ipairs(STATES) do
    local count = self.counts[state]
    if count then parts[#parts + 1] = ("%d %s"):format(count, state) end
    answers = answers + (count or 0)
  end
  local rest = self.asked < self.total and (", %d left"):format(self.total - self.asked) or ""
  local hidden = self.openonly and not self.wished and answers > (self.counts.open or 0)
  return ("%s%s in %.1f s%s"):format(#parts > 0 and table.concat(parts, ", ") or "no answer", rest, seconds,
    hidden and "; -v shows all" or "")
end

function tally:sum()
  local seconds = net.now() - self.began
  local fields = { asked = self.asked, total = self.total, nameless = self.names }
  fields.ms = math.floor(seconds * 1000)
  for _, state in ipairs(STATES) do fields[state:gsub("|", "_")] = self.counts[state] or 0 end
  self.out:summary(fields, self.total > 1 and sentence(self, seconds) or nil)
end

-- 0 or 1 is the answer; a single name that has no address has none.
function tally:answer(words)
  local open = self.counts.open or 0
  if words == 1 and self.names > 0 and next(self.counts) == nil then return self.status end
  return (self.any and open > 0 or open > 0 and open == self.asked) and 0 or 1
end

-- ---- the work

-- Scans run beside each other, and share what is allowed.
local function scanall(list, args, count)
  local parallel = args.parallel or PARALLEL
  local scans = math.min(#list, parallel)
  local options = {
    protocol = args.protocol, family = args.net.family, timeout = args.timeout, exclude = args.exclude,
    banner = args.banner or false, randomize = args.randomize or false, max_addresses = ALL,
    limit = parallel // scans, rate = args.rate and args.rate / scans,
  }
  local done, err = net.map(list, function(one)
    local scan <close> = net.port.scan(one.hosts, one.ports, options)
    count.total = count.total + scan.total - one.total
    for r in scan do count:add(r) end
    count.lowered = scan.lowered or count.lowered
    return true
  end, { limit = scans })
  if not done then error(err, 0) end
end

-- The status, after what the deadline left.
local function run(list, args, count)
  local last <close> = setmetatable({}, { -- luacheck: ignore last
    __close = function() count:sum() end, -- also after ^C
  })
  local ticker <close> = net.scope()
  ticker:spawn(count.show, count)
  local done, err = pcall(scanall, list, args, count)
  ticker:close()
  if not done and not (type(err) == "table" and err.code == "TIMEOUT") then error(err, 0) end
  local single = #args.targets == 1 and args.targets[1] or nil
  local late = not done and count.out:fail(single, err, count.began, 28)
  if count.lowered then
    count.out:note(("fewer at a time than allowed, for want of resources (%s)"):format(count.lowered))
  end
  return late or count:answer(#args.targets)
end

local function row(r, args)
  local said = r.service or ""
  if SILENT[r.state] then
    said = ("no answer in %g s"):format(args.timeout or 1)
  elseif r.state ~= "open" and r.state ~= "closed" then
    said = r.reason
  end
  local ms = SILENT[r.state] and "" or ("%.1f"):format(r.ms)
  local port = ("%d/%s"):format(r.port, r.proto)
  local banner = (r.banner_b64 or ""):gsub("[\r\n]+$", "")
  return { r.host, r.address ~= r.host and r.address or "", port, r.state, ms, said, banner }
end

return {
  summary = "Which ports are open.",
  common = { "family", "time", "targets" },
  examples = {
    "portcheck example.com:443", "portcheck localhost -p 1-65535", "portcheck 192.0.2.0/24 -p 22,80 --open",
    "portcheck [::1]:22 https://example.com/ --banner", "portcheck 192.0.2.1 -u -p 53,123 -w 2 --json",
  },
  notes = "A HOST is a name, an address, a network such as 192.0.2.0/24, a range such as 192.0.2.1-9 or a "
    .. "URL; PORTS are numbers, ranges, services, top20 and top100. Without PORTS the 100 most common are "
    .. "asked, and one that is open is enough. Of more than 100 ports people see those that are open; "
    .. "records tell of all. -w is 1 if absent, and -P, the questions at a time, 256. The lookup of a name "
    .. "has 5 seconds. Scan what is yours, or what you were asked to scan.",
  needs = "HOST",
  options = function(parser)
    parser:argument("HOST[:PORTS]"):args "*":target "targets":description "What to ask."
    parser:option "-p --ports":argname "PORTS":description "Ports, where a word names none: 22,80,8000-8100."
    parser:flag "-u --udp":description "UDP. Silence is open|filtered, never open."
    parser:flag "--banner":description "Wait for what an open port says first."
    parser:flag "--open":description "Only those that are open."
    parser:flag "--any":description "One open port is enough for exit status 0."
    parser:flag "--randomize":description "In random order."
    parser:option "--exclude":argname "PORTS":description "Leave these ports out."
    parser:option "--rate":argname "N":convert(net.tool.integer(1, 10000000))
      :description "So many questions per second at most."
    parser:flag "--yes-large":description "More than 4096 addresses from one word."
  end,
  columns = { "host", "address", "port", "proto", "state", "ms", "reason", "service", "banner_b64" },
  heading = { "HOST", "ADDRESS", "PORT", "STATE", "MS", "SERVICE", "BANNER" },
  human = row,
  run = function(args, out)
    args.protocol = args.udp and "udp" or "tcp"
    if args.timeout == 0 then return out:usage "-w 0 leaves no time for an answer" end
    local good, message = readexcluded(args)
    if not good then return out:usage(message) end
    local list, total, usual = questions(args)
    if not list then return out:usage(total) end
    return run(list, args, newtally(args, out, total, usual))
  end,
}
