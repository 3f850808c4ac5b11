-- net.diagnose: why a connection does not come about, or that it does. Stages gather evidence, one after the
-- other; net.verdict makes one verdict of it.

local core = require "net.core.task"
local check = require "net.check"
local convert = require "net.convert"
local dial = require "net.dial"
local evidence = require "net.evidence"
local newerror = require "net.core.error".new
local route = require "net.route"
local task = require "net.task"
local text = require "net.text"
local verdict = require "net.verdict"

---@class net
local diagnose = {}

local TIMEOUT = 5 -- seconds for the lookup, and for each connection
local GREETING = { 0.02, 0.25 } -- seconds that an open connection is listened to: least, most
local PATH = 1 -- seconds for a packet of full size and its answer

local OPTIONS = {
  port = { "integer", 1, 65535 },
  timeout = { "number", 0, 2 ^ 32 },
  family = { "word", "inet", "inet6" },
  source = { "text" },
  interface = { "interface" },
}

-- Schemes of URLs that begin with TLS.
local SECURE = { https = true, wss = true, ldaps = true, imaps = true, pop3s = true, smtps = true,
  submissions = true, ftps = true, ircs = true, nntps = true, telnets = true, tls = true }

-- ---- the diagnosis, as stages see it

---A diagnosis under way, as a stage sees it.
---@class net.diagnosis
---@field host? string name or address; nil: a unix socket
---@field port? integer
---@field scheme? string of the URL, if the target is one
---@field path? string of the unix socket
---@field options net.diagnose.options with the timeout filled in
---@field family? "inet"|"inet6" the only one that the options leave: that asked for, or that of the source
---@field plan? table what TLS is to be like, where it is looked at
---@field addresses string[] what the name resolved to
---@field connections {stream: net.stream, step: table}[] those that are open; they are closed at the end
---@field steps table[] what was done so far
local Diagnosis = {}
Diagnosis.__index = Diagnosis

-- Adds a step that began at that time: the fields of the step, with `step`, `ok` and `ms`.
local function add(d, name, began, step)
  step.step, step.ms = name, (core.now() - began) * 1000
  step.ok = step.error == nil and step.ok ~= false
  d.steps[#d.steps + 1] = step
  return step
end

Diagnosis.add = add

function Diagnosis:__close()
  for _, connection in ipairs(self.connections) do connection.stream:close() end
end

-- ---- stages

local function lookup(d, options)
  return task.timeout(d.options.timeout, dial.lookup, d.host, options)
end

local function resolve(d)
  local began = core.now()
  local list, err = lookup(d, { family = d.options.family, source = d.options.source })
  for i, entry in ipairs(list or {}) do d.addresses[i] = entry.address end
  add(d, "resolve", began, { host = d.host, addresses = list and d.addresses, error = err })
end

local MISSING = { EAI_NODATA = true, EAI_ADDRFAMILY = true, EAI_NONAME = true }

-- What a failed lookup leaves to find out: whether there are addresses of the other family, or what each name
-- server says.
local function asknames(d)
  local err = d.steps[1].error
  local began = core.now()
  if d.family and MISSING[err.code] then
    local list = lookup(d)
    if not list then return end
    local addresses = {}
    for i, entry in ipairs(list) do addresses[i] = entry.address end
    d.steps[1].error = newerror("getaddrinfo", "EAI_ADDRFAMILY")
    add(d, "resolve", began, { host = d.host, addresses = addresses })
  elseif err.code ~= "EAI_NODATA" and not dial.isnumeric(d.host) and not d.host:find(":", 1, true) then
    for _, answer in ipairs(evidence.asknameservers(d.host, d.options.timeout) or {}) do
      local ms = answer.ms
      add(d, "nameserver", began, answer).ms = ms
    end
  end
end

-- To connect to the wildcard address is to connect to this machine, on Linux.
local LOOPBACK = { ["0.0.0.0"] = "127.0.0.1", ["::"] = "::1" }

local function routes(d)
  for _, address in ipairs(d.addresses) do
    local began = core.now()
    local way, err = route.route(LOOPBACK[address] or address, {
      source = d.options.source, interface = d.options.interface,
    })
    d.ways[address] = way
    local step = add(d, "route", began, { address = address, error = err })
    if way then
      step.via, step.device, step.source, step["local"] = way.via, way.device, way.source, way.type == "local"
    end
  end
end

local function connectone(d, address)
  local began = core.now()
  local s, err = evidence.connect(address, d.port, d.options)
  local way = d.ways[address]
  local step = add(d, "connect", began, {
    address = address, port = d.port, error = err,
    blackhole = err and err.code == "EINVAL" and err.kind == "unreachable" or nil,
    ["local"] = way and way.type == "local" or nil, source = way and way.source,
    group = err and evidence.group(address, way) or nil,
  })
  if s then table.insert(d.connections, { stream = s, step = step }) end
  if err and err.code == "EHOSTUNREACH" and way then step.neighbor = evidence.neighbor(way) end
end

-- Puts the steps from there on in the order of the addresses.
local function arrange(d, first)
  local order = {}
  for i, address in ipairs(d.addresses) do order[address] = i end
  local list = table.move(d.steps, first, #d.steps, 1, {})
  table.sort(list, function(a, b) return order[a.address] < order[b.address] end)
  table.move(list, 1, #list, first, d.steps)
end

-- All addresses side by side: the answer is what each says, not which is first.
local function connects(d)
  local first = #d.steps + 1
  task.map(d.addresses, function(address) connectone(d, address) end)
  arrange(d, first)
end

local function unixconnect(d)
  local began = core.now()
  local s, err = dial.connect("unix:" .. d.path, nil, { timeout = d.options.timeout })
  local step = add(d, "connect", began, { address = "unix:" .. d.path, error = not s and err or nil })
  if s then table.insert(d.connections, { stream = s, step = step }) end
end

-- The connections by IP that failed so.
local function failedwith(d, ...)
  local found = {}
  for _, step in ipairs(d.steps) do
    for _, code in ipairs { ... } do
      local matches = step.step == "connect" and step.port and step.error and step.error.code == code
      if matches then found[#found + 1] = step end
    end
  end
  return found
end

local function listeners(d)
  local began = core.now()
  local found, err = evidence.listeners(d.port)
  add(d, "listeners", began, { port = d.port, listeners = found, error = err })
end

local function failedhere(d)
  for _, step in ipairs(failedwith(d, "ECONNREFUSED", "TIMEOUT", "ETIMEDOUT")) do
    if step["local"] then return true end
  end
end

local function silent(d)
  return failedwith(d, "TIMEOUT", "ETIMEDOUT")
end

local function lookintosilence(d)
  task.map(silent(d), function(step)
    local began = core.now()
    local found = evidence.silence(step.address, d.port, d.options)
    found.address = step.address
    found.neighbor = d.ways[step.address] and evidence.neighbor(d.ways[step.address])
    add(d, "silence", began, found)
  end)
end

-- Some services accept only to hang up at once.
local function greet(d)
  task.map(d.connections, function(connection)
    local began, step = core.now(), connection.step
    local patience = math.max(GREETING[1], math.min(3 * step.ms / 1000, GREETING[2]))
    local how, err = evidence.greeting(connection.stream, patience)
    local said = how == "data" and err or nil
    add(d, "greeting", began, {
      address = step.address, ok = how ~= "closed", error = not how and err or nil,
      greeting = how, data = said,
    })
  end)
end

-- All connections side by side: one server of several may have another certificate.
local function handshakes(d)
  local first = #d.steps + 1
  task.map(d.connections, function(connection)
    local began, step = core.now(), connection.step
    local info, err = evidence.handshake(connection.stream, d.plan, step.port, d.options.timeout)
    local found = { address = step.address, port = step.port, name = d.plan.host, error = err }
    if info then
      local c = info.certificate
      found.protocol, found.cipher, found.alpn = info.protocol, info.cipher, info.alpn
      found.verified = info.verified
      found.subject, found.not_after = c and c.subject, c and c.not_after_text
      found.days_left = c and c:days_left()
    else
      found.names, found.data = err.names, err.received
    end
    add(d, "tls", began, found)
  end)
  if d.addresses[1] then arrange(d, first) end
end

local function faraway(d)
  for _, connection in ipairs(d.connections) do
    local step = connection.step
    if step.port and not step["local"] then return step end
  end
end

-- Does a packet of full size arrive? A host that answers neither way leaves nothing to say.
local function measure(d)
  local far = faraway(d)
  local began = core.now()
  local report = require("net.pathmtu").path_mtu(far.address, {
    timeout = math.min(PATH, math.max(0.1, 5 * far.ms / 1000)),
    source = d.options.source, interface = d.options.interface,
  })
  if not report or not report.confirmed then return end
  add(d, "mtu", began, { address = far.address, mtu = report.mtu, ok = not report.black_hole })
end

---A part of a diagnosis. `require("net.diagnose").stages` lists them; another one may be put in between.
---@class net.diagnosis.stage
---@field name string
---@field applies fun(d: net.diagnosis): any whether it has something to do, after those before it
---@field run fun(d: net.diagnosis) does it: d:add(name, began, {...}) reports a step
diagnose.stages = {
  { name = "resolve", applies = function(d) return d.host end, run = resolve },
  { name = "nameserver", applies = function(d) return d.host and d.steps[1].error end, run = asknames },
  { name = "route", applies = function(d) return d.addresses[1] end, run = routes },
  { name = "connect", applies = function(d) return d.addresses[1] end, run = connects },
  { name = "connect", applies = function(d) return d.path end, run = unixconnect },
  { name = "listeners", applies = failedhere, run = listeners },
  { name = "silence", applies = function(d) return silent(d)[1] end, run = lookintosilence },
  { name = "greeting", applies = function(d) return d.connections[1] and not d.plan end, run = greet },
  { name = "tls", applies = function(d) return d.connections[1] and d.plan end, run = handshakes },
  { name = "mtu", applies = faraway, run = measure },
}

-- ---- the report

---The options of net.diagnose. All are optional.
---@class net.diagnose.options
---@field port? integer 1 to 65535, where the target names none
---@field timeout? number seconds for the lookup, and for each connection; 5 if absent. To look into silence
--- takes as long again, at most 1.5 seconds
---@field family? "inet"|"inet6" addresses of that family only
---@field source? string numeric address of this machine to connect from
---@field interface? string|integer name or index of the interface to connect through
---@field tls? boolean|net.tls.options|net.tls.context true, or options as net.connect takes them: looks at
--- the TLS handshake of every connection; false: does not. Absent: for URLs such as https, and for port 443

---What net.diagnose found. `tostring` shows it as a person reads it.
---@class net.diagnose.report
---@field target string as it was given, without a secret
---@field host? string
---@field port? integer
---@field verdict string "ok", or why not: "dns-nxdomain", "dns-nodata", "dns-servfail", "dns-timeout",
--- "refused", "reset", "filtered", "host-silent", "host-unreachable", "net-unreachable", "prohibited",
--- "blackhole", "multicast", "broadcast", "half-dual-stack", "some-addresses", "mtu-blackhole", "tls-cert",
--- "tls-proto"; else the kind of an error
---@field ok boolean whether every address that this machine can use connects, and does the handshake of TLS
--- where that was asked for
---@field explanation string the verdict as a sentence
---@field advice string[] what to do next
---@field steps table[] what was done: each has `step` (its name), `ok`, `ms`, and where they apply `address`,
--- `port`, `error` and what it found
---@field error? net.error of the step that decided
---@field ms number milliseconds that all of it took
local Report = {}
Report.__index = Report
Report.__name = "net.diagnose.report"

local function readtarget(name, target, options)
  local found, message = convert.target(target)
  if not found then return nil, newerror(name, "EINVAL", message) end
  found.port = found.port or options.port
  if found.kind == "unix" or found.port then return found end
  local lacking = 'no port in "%s": use host:port, a URL, or the option port'
  return nil, newerror(name, "EINVAL", lacking:format(found.text))
end

local function checkoptions(name, options)
  if options ~= nil then check.table(name, 2, options) end
  local settings = {}
  for field, value in pairs(options or {}) do settings[field] = value end
  settings.tls = nil -- is checked by those who know it
  check.fields(name, 2, settings, OPTIONS)
  settings.timeout, settings.tls = settings.timeout or TIMEOUT, options and options.tls
  return settings
end

-- What the handshakes are to be like; nil: there are none. A session resumed would hide the certificate.
local function planof(name, place, wanted)
  if wanted == nil then
    wanted = SECURE[place.scheme] or place.port == 443 and place.kind == "host"
  end
  if not wanted then return nil end
  local host = place.host and place.host:gsub("%.$", "") or nil
  local plan, err = require("net.tlsstream").clientplan(name, 2, wanted, host)
  if not plan then return nil, err end
  plan.resumes = false
  return plan
end

local function conclude(d, target, began)
  local name, sentence, advice, step = verdict.of(d)
  return setmetatable({
    target = target.text, host = target.host, port = target.port, verdict = name, ok = name == "ok",
    explanation = sentence, advice = advice, steps = d.steps, error = step and step.error,
    ms = (core.now() - began) * 1000,
  }, Report)
end

---Finds out why a connection does not come about, or that it does: looks the name up, asks the kernel for the
---way, connects to every address side by side, and where that fails looks for the reason: what each name
---server says, what listens on this machine instead, whether a silent host is there at all and where the path
---to it ends. With TLS it does the handshake on every connection, and judges the certificates. Needs no
---privilege, and says what it saw.
---@async
---@param target string "host:port", "[v6]:port", URL, or "unix:/path"
---@param options? net.diagnose.options an unknown field raises
---@return net.diagnose.report? report also where nothing connects: `verdict` says why
---@return net.error? err EINVAL: no target, or one without a port; TLS_CONFIG (the option tls cannot be
--- used); TIMEOUT of an enclosing deadline
---@see net.connect
---```lua
---local report = assert(net.diagnose("127.0.0.1:1", { timeout = 1 }))
---assert(report.verdict == "refused" and not report.ok)
---print(report.explanation, report.advice[1])
---```
function diagnose.diagnose(target, options)
  check.text("diagnose", 1, target)
  local settings = checkoptions("diagnose", options)
  local place, err = readtarget("diagnose", target, settings)
  if not place then return nil, err end
  local plan
  plan, err = planof("diagnose", place, settings.tls)
  if err then return nil, err end
  local began = core.now()
  local d <close> = setmetatable({
    host = place.host, port = place.port, scheme = place.scheme, path = place.path, options = settings,
    family = dial.familyof(settings),
    plan = plan, addresses = {}, connections = {}, steps = {}, ways = {},
  }, Diagnosis)
  for _, stage in ipairs(diagnose.stages) do
    if stage.applies(d) then stage.run(d) end
    local inside, late = core.sleep(0)
    if not inside then -- what a stage saw after the end of the time is no evidence
      late.op = "diagnose"
      return nil, late
    end
  end
  return conclude(d, place, began)
end

-- ---- for people

local details = {}

function details.resolve(step)
  return step.host .. (step.addresses and " -> " .. table.concat(step.addresses, ", ") or "")
end

function details.nameserver(step)
  return ("%s  %s"):format(step.address, step.rcode or step.error and step.error.message or "")
end

function details.route(step)
  if step.error then return step.address end
  local via = step.via and " via " .. step.via or ""
  return ("%s%s dev %s src %s"):format(step.address, via, step.device, step.source or "?")
end

function details.connect(step)
  if not step.port then return step.address end
  return text.endpoint(step.address, step.port)
end

function details.listeners(step)
  if step.error then return "" end
  local list = {}
  for i, socket in ipairs(step.listeners) do
    local who = socket.command and (" (%s)"):format(socket.command) or ""
    list[i] = details.connect { address = socket.local_address, port = socket.local_port } .. who
  end
  return list[1] and table.concat(list, ", ") or ("nothing listens on port %d"):format(step.port)
end

function details.silence(step)
  local found = {}
  found[#found + 1] = step.alive
  found[#found + 1] = step.neighbor and ("neighbour %s %s"):format(step.neighbor.address, step.neighbor.state)
  found[#found + 1] = step.last and "path ends after " .. step.last
  return ("%s  %s"):format(step.address, found[1] and table.concat(found, ", ") or "no sign of life")
end

function details.greeting(step)
  local how = { silent = "waits for us", data = "speaks first", closed = "closes at once" }
  return ("%s  %s"):format(step.address, how[step.greeting] or "")
end

function details.tls(step)
  local trust = step.verified and "verified" or "not verified"
  local seen = step.protocol and ("  %s %s %s"):format(step.protocol, step.cipher, trust) or ""
  return details.connect(step) .. seen
end

function details.mtu(step)
  return ("%s  %d bytes arrive%s"):format(step.address, step.mtu, step.ok and "" or ", more vanish")
end

local function cells(step)
  local detail = details[step.step] and details[step.step](step) or step.address or ""
  local failure = step.error and step.step ~= "nameserver" and step.error.message or ""
  return { step.ok and "ok" or "FAIL", step.step, detail, failure, ("%.1f ms"):format(step.ms) }
end

---Gives the steps as a person reads them.
---@return string[][] rows of each step whether it went well ("ok"), its name, what it found, what failed, its
--- time; bytes as they came from the network, not to be shown as they are
---```lua
---for _, row in ipairs(net.diagnose("127.0.0.1:1"):rows()) do print(row[1], row[2], row[3]) end
---```
function Report:rows()
  local rows = {}
  for i, step in ipairs(self.steps) do rows[i] = cells(step) end
  return rows
end

function Report.__tostring(report)
  local lines = {}
  for i, row in ipairs(report:rows()) do
    if row[4] == "" then table.remove(row, 4) end
    lines[i] = text.escape(table.concat(row, "  "))
  end
  lines[#lines + 1] = text.escape(("verdict %s: %s"):format(report.verdict, report.explanation))
  for _, advice in ipairs(report.advice) do lines[#lines + 1] = text.escape("try     " .. advice) end
  return table.concat(lines, "\n")
end

return diagnose
