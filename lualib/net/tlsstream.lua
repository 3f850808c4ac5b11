-- net.tlsstream: TLS on streams: the handshake of both sides, and what is known after it.

local core = require "net.core.tls"
local session = require "net.core.tlssession"
local greeting = require "net.core.greeting"
local socket = require "net.core.socket"
local task = require "net.core.task"
local newerror = require "net.core.error".new
local check = require "net.check"
local contexts = require "net.tlscontext"
local hint = require "net.tlshint"
local escape = require("net.text").escape

---@class net.stream
local stream = {}

local HANDSHAKE = 10 -- seconds that a client has for it
local LONGEST_HOST = 255 -- bytes in SNI, as OpenSSL has it
local LARGEST_EXPORT = 1024 -- bytes
local BINDING = "EXPORTER-Channel-Binding" -- RFC 9266

-- ---- options

-- Fields of one connection; with these alone the context can be one that others use too.
local own = { context = true, host = true, verify = true, ocsp = true, alpn = true, dane = true }

-- Fields of a listener.
local serving = { context = true, servername = true, handshake_timeout = true, failed = true, verify = true }

-- A context of its own for options that are more than those of one connection.
local function contextof(name, arg, options, fields, server)
  local made, more = {}, false
  for field, value in pairs(options) do
    if not fields[field] and not contexts.isfield[field] then
      check.unknown(name, arg, field, fields, contexts.isfield)
    end
    if contexts.isfield[field] then made[field] = value end
    more = more or not fields[field]
  end
  if options.context == nil then
    if more or server then return contexts.make(name, arg, made, server) end
    return contexts.default()
  end
  if not contexts.is(options.context) then
    check.bad(name, arg, 'option "context": net.tls.context', options.context)
  end
  for field in pairs(made) do
    local place = ("option %q in the context, not beside it"):format(field)
    if not fields[field] then check.bad(name, arg, place, "both") end
  end
  return options.context
end

local function optiontable(name, arg, options)
  if options == true then return {} end
  if contexts.is(options) then return { context = options } end
  if type(options) ~= "table" then check.bad(name, arg, 'option "tls": true, table or context', options) end
  return options
end

-- The name as it stands in certificates: RFC 5280 has it without the dot at the end.
local function hostname(name, arg, host)
  if host == nil then return nil end
  if type(host) ~= "string" or host == "" or host:find "\0" then
    check.bad(name, arg, 'option "host": name or address', host)
  end
  return (host:gsub("%.$", ""))
end

local function checkrecords(name, arg, records)
  if records == nil then return end
  local function bad(value, want, ...)
    check.bad(name, arg, ('option "dane": ' .. want):format(...), value)
  end
  if type(records) ~= "table" or #records == 0 then bad(records, "list of TLSA records") end
  for index, record in ipairs(records) do
    if type(record) ~= "table" then bad(record, "record %d a table", index) end
    for _, field in ipairs { "usage", "selector", "matching" } do
      local value = record[field]
      local good = math.type(value) == "integer" and value >= 0 and value <= 255
      if not good then bad(value, "%s of record %d from 0 to 255", field, index) end
    end
    if type(record.data) ~= "string" then bad(record.data, "data of record %d as bytes", index) end
  end
end

local function wire(records)
  local list = {}
  for index, record in ipairs(records) do
    list[index] = { record.usage, record.selector, record.matching, record.data }
  end
  return list
end

-- What a client's handshake needs, checked before anything is connected. nil, err for what cannot be used.
local function clientplan(name, arg, options, host)
  options = optiontable(name, arg, options)
  if type(options.ocsp) == "string" and options.ocsp ~= "required" then
    check.bad(name, arg, 'option "ocsp": boolean or "required"', options.ocsp)
  end
  local context, err = contextof(name, arg, options, own)
  if not context then return nil, err end
  local function pick(field)
    if options[field] ~= nil then return options[field] end
    return context.options[field]
  end
  contexts.checkverify(name, arg, options.verify)
  contexts.checkocsp(name, arg, options.ocsp)
  checkrecords(name, arg, options.dane)
  local verify = pick "verify" ~= false
  if pick "verify" == "optional" or context.options.client_ca then
    check.bad(name, arg, 'option "tls": a context for clients', "one for servers")
  end
  if context.keys > 1 then check.bad(name, arg, 'option "psk": one key of a client', context.keys) end
  host = hostname(name, arg, options.host) or host
  if host and host:find "[\x80-\xff]" then
    return contexts.fail('"%s": international names in their form "xn--..."', escape(host))
  end
  local odd = host and (host:find "^%." or host:find "[%c%* ]" or host:find "^unix:")
  if host and (host == "" or #host > LONGEST_HOST or odd) then
    return contexts.fail('"%s" is no name or address that a certificate can be for', escape(host))
  end
  if options.dane and not verify then
    check.bad(name, arg, 'option "dane": verification that is not switched off', "verify = false")
  end
  if options.dane and host and contexts.isaddress(host) then
    return contexts.fail('"%s": TLSA records are those of a name', escape(host))
  end
  if not host and (verify or options.dane) then
    check.bad(name, arg, 'option "host": the name that the certificate has to be for', nil)
  end
  local ocsp = pick "ocsp"
  -- A resumed session has neither a staple nor records: what was refused for them would pass the second time.
  local resumes = context.options.session ~= false and not options.dane and not ocsp and not context.psk
  return {
    context = context, host = host, verify = verify,
    ocsp = ocsp == true and "asked" or ocsp == "required" and ocsp,
    alpn = options.alpn ~= nil and contexts.wirenames(name, arg, options.alpn) or nil,
    dane = options.dane and wire(options.dane), time = context.options.verify_time,
    resumes = resumes,
  }
end

-- ---- errors

-- Makes of what the binding says an error that a person understands.
local function explained(s, err, host, time)
  if err.code == "TLS_HANDSHAKE" then return hint.complete(err) end
  local facts = err.code == "TLS_VERIFY" and session.refusal(s)
  if not facts then return err end
  facts.host, facts.time = host, time
  return require("net.verification").failure("handshake", facts)
end

-- ---- clients

-- Sessions are kept apart by all that trust depends on. One that is resumed brings no OCSP response and no
-- certificate to hold against records.
local function sessionkey(plan, port)
  if not plan.resumes then return nil end
  return ("%q %q %s %q"):format(plan.host or "", tostring(port or ""), plan.verify, plan.alpn or "")
end

local function begin(s, plan, port)
  local context = plan.context
  local key = sessionkey(plan, port)
  local prepared, err = session.prepare(context.core, {
    host = plan.host, verify = plan.verify and "required" or "none", ocsp = plan.ocsp and true or nil,
    alpn = plan.alpn, dane = plan.dane or nil, cache = key and context.sessions, key = key,
  })
  if not prepared then return nil, err end
  return core.begin(s, prepared, {
    host = plan.host, cache = key and context.sessions, key = key, psk = context.psk,
  })
end

-- The response that came with the handshake, heeded: nil, err where it forbids to go on.
local function heed(s, plan)
  if not plan.ocsp or not plan.verify then return true end
  local ocsp, facts = require "net.ocsp", session.facts(s)
  local report, promised = ocsp.report(facts, plan.time), ocsp.promised(facts)
  if report.status == "good" or report.status ~= "revoked" and plan.ocsp ~= "required" and not promised then
    return true
  end
  return nil, ocsp.failure("handshake", report, plan.host, promised)
end

-- Puts TLS on a connected stream, as its client. It must be closed where this fails, and where it raises.
local function client(s, plan, port, timeout)
  local ok, err = begin(s, plan, port)
  if ok then ok, err = core.handshake(s, timeout) end
  if not ok then
    -- The alert for a certificate that is missing came with TLS 1.3: before it was any other.
    local missing = err.alert and not plan.context.options.cert and session.asked(s)
    err.wants_certificate = missing or nil
    return nil, explained(s, err, plan.host, plan.time)
  end
  greeting.policy(s, { plan = plan })
  return heed(s, plan)
end

-- ---- servers

local function modeof(context, verify)
  if verify == nil then verify = context.options.verify end
  if verify == nil then verify = context.options.client_ca ~= nil end
  return verify == "optional" and verify or verify and "required" or "none"
end

-- A key of servername as clients ask for it. One that nobody can ask for is a mistake.
local function askable(name, arg, pattern)
  if type(pattern) ~= "string" then check.bad(name, arg, 'option "servername": names as keys', pattern) end
  local bare = pattern:lower():gsub("%.$", "")
  local odd = bare:gsub("^%*%.", "")
  if #odd > LONGEST_HOST or odd:find "[%c%* \x80-\xff]" or odd:find "^%.?$" or odd:find "^%." then
    check.bad(name, arg, 'option "servername": keys such as "a.test", "*.a.test" or "xn--..."', pattern)
  end
  return bare
end

local function namedcontext(name, arg, pattern, value)
  if contexts.is(value) then return value end
  if type(value) ~= "table" then
    check.bad(name, arg, ('option "servername": context or options for %q'):format(pattern), value)
  end
  for field in pairs(value) do
    if not contexts.isfield[field] then check.unknown(name, arg, field, contexts.isfield) end
  end
  if not value.cert and not value.psk then
    check.bad(name, arg, ('option "servername": cert and key for %q'):format(pattern), "none")
  end
  return contexts.make(name, arg, value, true)
end

-- A function from the name that a client asks for to a context.
local function chooser(name, arg, servername)
  if servername == nil or type(servername) == "function" then return servername end
  if type(servername) ~= "table" then
    check.bad(name, arg, 'option "servername": function or table', servername)
  end
  local byname = {}
  for pattern, value in pairs(servername) do
    local key = askable(name, arg, pattern)
    local context, err = namedcontext(name, arg, pattern, value)
    if not context then return nil, err end
    byname[key] = context
  end
  return function(host)
    return byname[host] or byname[host:gsub("^[^.]+", "*", 1)]
  end
end

-- What a server's handshakes need. nil, err for what cannot be used.
local function serverplan(name, arg, options)
  options = optiontable(name, arg, options)
  local context, err = contextof(name, arg, options, serving, true)
  if not context then return nil, err end
  if not context.options.cert and not context.psk then
    check.bad(name, arg, 'option "tls": cert and key', "none")
  end
  contexts.checkverify(name, arg, options.verify)
  check.timeout(name, arg, options.handshake_timeout)
  if options.failed ~= nil then check.callable(name, arg, options.failed) end
  local choose
  choose, err = chooser(name, arg, options.servername)
  if err then return nil, err end
  local plan = {
    context = context, choose = choose, verify = options.verify, mode = modeof(context, options.verify),
    failed = options.failed, timeout = options.handshake_timeout or HANDSHAKE,
  }
  plan.done = { plan = plan } -- what its streams have in common after the handshake
  return plan
end

-- What a context for a name does not say of certificates of clients is as for the others.
local function namedmode(context, plan)
  local verify = context.options.verify
  if verify == nil and not context.options.client_ca then verify = plan.verify end
  return modeof(context, verify)
end

-- The context for the name that the client asks for, where it is another one.
local function choose(s, plan, asked)
  local context = asked and plan.choose and plan.choose((asked:lower():gsub("%.$", "")), s)
  if context == nil then return true end
  if context == false then
    session.refuse(s)
    core.handshake(s) -- ends in an alert
    return nil, newerror("handshake", "TLS_HANDSHAKE", ('no certificate for "%s"'):format(escape(asked)))
  end
  if not contexts.is(context) then
    error(("servername gave %s, not a net.tls.context"):format(type(context)), 0)
  end
  greeting.policy(s).context = context -- the function may have made it for this client alone
  return session.choose(s, context.core, { verify = namedmode(context, plan) })
end

-- Until `limit`, or for good until the deadline. What a client asked for is answered before the handshake
-- goes on, whichever call goes on with it: not with a context that was not chosen.
local function accept(s, state, limit)
  local timeout = require("net.task").timeout
  while true do
    if state.asked == nil then
      local ok, err = core.handshake(s, math.max(math.min(state.deadline, limit) - task.now(), 0))
      if ok then return true end
      local final = ok == nil and (err.code ~= "TIMEOUT" or task.now() >= state.deadline)
      local time = (state.context or state.plan.context).options.verify_time
      if ok == nil then return nil, explained(s, err, nil, time), final end
      state.asked = err or false
    end
    local left = math.max(math.min(state.deadline, limit) - task.now(), 0)
    local ok, err = timeout(left, choose, s, state.plan, state.asked or nil)
    -- A function that ran out of time may have answered nil for that reason: its answer does not count.
    if task.now() >= math.min(state.deadline, limit) then
      return nil, newerror("handshake", "TIMEOUT"), task.now() >= state.deadline
    end
    if not ok then return nil, err, true end
    state.asked = nil
  end
end

local function prepare(s, plan)
  local prepared, err = session.prepare(plan.context.core, { server = true, verify = plan.mode })
  if not prepared then return nil, err end
  return core.begin(s, prepared, { psk = plan.context.psk })
end

-- One task does it; others that come meanwhile wait for the end of it.
local function greet(s, timeout)
  local state, limit = greeting.policy(s), task.now() + (timeout or math.huge)
  if state.plan == nil then
    state = { plan = state, deadline = task.now() + state.timeout }
    greeting.policy(s, state)
    local ok, err = prepare(s, state.plan)
    if not ok then state.failure = err end
  end
  while state.turn do
    if state.task == task.current() then -- a servername function that reads from its own client
      return nil, newerror("handshake", "BUSY", "the handshake has to end before")
    end
    local ok, err = state.turn:wait(timeout and math.max(limit - task.now(), 0))
    if not ok then return nil, err end
  end
  if state.failure then return nil, state.failure end
  if not greeting.due(s) then return true end
  local turn = require("net.sync").event()
  state.turn, state.task = turn, task.current()
  local done <close> = setmetatable({}, { __close = function() -- luacheck: ignore done
    state.turn, state.task = nil, nil
    turn:set()
  end })
  local ok, err, final = accept(s, state, limit)
  if final then state.failure = err end
  if ok and not state.context then greeting.policy(s, state.plan.done) end -- an idle client needs no more
  return ok, err
end

greeting.greeter(greet)

-- ---- the methods

-- The error of a method whose stream is closed; nil otherwise.
local function closed(s, op)
  local fd, err = s:fileno()
  if fd then return nil end
  err.op = op
  return err
end

local function target(s, err)
  local address, port = s:getpeername()
  if type(port) ~= "number" then port = nil end
  if type(address) ~= "string" or address == "unix:" then return err end
  err.address, err.port = err.address or address, err.port or port
  return err
end

-- Runs a handshake; the stream is closed where it fails in any way.
local function orclose(s, f, ...)
  local results = table.pack(pcall(f, s, ...))
  if results[1] and results[2] then return true end
  local err = results[3]
  if results[1] and err.code ~= "BUSY" and err.code ~= "CLOSED" then target(s, err) end
  if not results[1] or err.code ~= "BUSY" then s:close() end
  if not results[1] then error(results[2], 0) end
  return nil, err
end

---Begins TLS on a stream that has been plain so far, or has TLS already, which then runs inside. What the
---peer sent before and nobody read would count as protected then: the call refuses. Where the handshake
---fails the stream is closed. Until it is done other tasks are told that the stream is BUSY.
---@async
---@param options? net.tls.options|net.tls.server.options|net.tls.context|true as the option tls of
--- net.connect; with the field `server = true` as that of net.listen
---@param timeout? number seconds; nil: as long as the enclosing deadline allows
---@return net.stream? self
---@return net.error? err TLS_PLAINTEXT (bytes were there already), TLS_VERIFY, TLS_HANDSHAKE, TLS_CONFIG,
--- TIMEOUT, ECONNRESET, BUSY or CLOSED
---@see RFC 3207
---```lua
---local a, b = net.pair()
---b:write "ready\n"
---a:peek(1)
---assert(select(2, a:starttls({ host = "example.test" })).code == "TLS_PLAINTEXT")
---```
function stream:starttls(options, timeout)
  check.class("starttls", self, socket.stream, "net.stream")
  check.timeout("starttls", 2, timeout)
  local over = closed(self, "starttls")
  if over then return nil, over end
  if options == nil then options = true end
  local server = type(options) == "table" and not contexts.is(options) and options.server
  if type(server or false) ~= "boolean" then check.bad("starttls", 1, 'option "server": boolean', server) end
  if type(options) == "table" and options.server ~= nil then
    local copy = {}
    for field, value in pairs(options) do
      if field ~= "server" then copy[field] = value end
    end
    options = copy
  end
  local plan, err
  if server then plan, err = serverplan("starttls", 1, options)
  else plan, err = clientplan("starttls", 1, options) end
  if not plan then return nil, err end
  if greeting.due(self) then
    return nil, newerror("handshake", "BUSY", "the handshake of the listener is not done")
  end
  local ok
  ok, err = orclose(self, function()
    if not server then return client(self, plan, nil, timeout) end
    local begun, why = prepare(self, plan)
    if not begun then return nil, why end
    local state = { plan = plan, deadline = task.now() + (timeout or plan.timeout) }
    greeting.policy(self, state)
    return accept(self, state, state.deadline)
  end)
  if not ok then return nil, err end
  return self
end

---Does the handshake that is due on a stream which a listener with TLS accepted. The first call that waits
---does it anyway; this one says how it went. It may be called again after TIMEOUT.
---@async
---@param timeout? number seconds, besides the listener's handshake_timeout
---@return net.stream? self
---@return net.error? err TLS_HANDSHAKE, TLS_VERIFY (the client's certificate), TIMEOUT, ECONNRESET,
--- CLOSED, or ENOTCONN: no TLS on this stream
---```lua
---local a, b = net.pair()
---assert(select(2, a:handshake()).code == "ENOTCONN")
---```
function stream:handshake(timeout)
  check.class("handshake", self, socket.stream, "net.stream")
  check.timeout("handshake", 1, timeout)
  local ok, err
  if greeting.due(self) then
    ok, err = greet(self, timeout)
  elseif (greeting.policy(self) or {}).asked ~= nil then
    err = newerror("handshake", "BUSY", "it waits for the answer of servername")
  else
    ok, err = core.handshake(self, timeout)
  end
  if not ok then return nil, err end
  return self
end

local function certificates(list)
  local parsed = {}
  for index, der in ipairs(list or {}) do parsed[index] = require("net.x509").parse(der) end
  return parsed
end

---What is known of a stream's TLS, after the handshake.
---@class net.tls.info
---@field protocol string "TLSv1.3", "TLSv1.2"
---@field cipher string as RFC 8446 and the IANA registry spell it: "TLS_AES_256_GCM_SHA384"
---@field group? string of the key exchange: "x25519", "secp256r1"
---@field alpn? string the application protocol that was agreed on
---@field resumed boolean an earlier session was resumed
---@field verified boolean the peer proved who it is: its certificate is trusted and, of a server, for the
--- host
---@field psk boolean it proved that by a key that both know
---@field host? string of a client: who was asked for; of a server: the name that the client asked for
---@field server boolean this side is the server
---@field early_data boolean always false: no data is sent before the handshake ends
---@field chain net.x509.certificate[] as the peer sent it, its own first; empty if it sent none
---@field certificate? net.x509.certificate the peer's own
---@field trusted? net.x509.certificate[] from there to the authority that is trusted; absent in resumed
--- sessions
---@field ocsp? net.ocsp.report what a stapled response says, where the option ocsp asked for one
---@field dane? {usage: integer, selector: integer, matching: integer, depth: integer} the TLSA record that
--- matched

---What is known of the TLS on this stream. Does the handshake first where it is due.
---@async
---@return net.tls.info? info nil alone: the stream is plain
---@return net.error? err as of handshake, or CLOSED
---```lua
---local a, b = net.pair()
---assert(a:tls() == nil)
---```
function stream:tls()
  check.class("tls", self, socket.stream, "net.stream")
  local over = closed(self, "tls")
  if over then return nil, over end
  if greeting.due(self) then
    local ok, err = greet(self)
    if not ok then return nil, err end
  end
  local info = session.facts(self)
  if not info then return nil end
  info.early_data = false
  local plan = (greeting.policy(self) or {}).plan or {}
  if plan.ocsp then info.ocsp = require("net.ocsp").report(info, plan.time) end
  info.staple, info.verdict = nil, nil
  info.chain = certificates(info.chain)
  info.certificate = info.chain[1]
  info.trusted = info.trusted and certificates(info.trusted)
  return info
end

---Bytes that both ends of the connection know and nobody between them does, for protocols that bind their own
---authentication to it.
---@param kind? "tls-exporter"|"tls-server-end-point" "tls-exporter" if absent
---@return string? bytes 32 of the exporter; the hash of the server's certificate otherwise
---@return net.error? err ENOTCONN: no TLS on this stream, or no certificate
---@see RFC 9266, RFC 5929
---```lua
---local a, b = net.pair()
---assert(select(2, a:channel_binding()).code == "ENOTCONN")
---```
function stream:channel_binding(kind)
  check.class("channel_binding", self, socket.stream, "net.stream")
  local over = closed(self, "channel_binding")
  if over then return nil, over end
  if kind == nil or kind == "tls-exporter" then return session.export(self, BINDING, 32, "") end
  if kind ~= "tls-server-end-point" then
    check.bad("channel_binding", 1, '"tls-exporter" or "tls-server-end-point"', kind)
  end
  return session.endpoint(self)
end

---Keying material of the connection, for a protocol that needs keys of its own.
---@param label string of the protocol, as registered with IANA
---@param length integer bytes, 1 to 1024
---@param context? string bytes that both ends mix in
---@return string? bytes
---@return net.error? err ENOTCONN: no TLS on this stream; TLS_PROTOCOL: the session has none
---@see RFC 5705
---```lua
---local a, b = net.pair()
---assert(select(2, a:export_key("EXPORTER-example", 16)).code == "ENOTCONN")
---```
function stream:export_key(label, length, context)
  check.class("export_key", self, socket.stream, "net.stream")
  check.bytes("export_key", 1, label)
  check.integer("export_key", 2, length, 1, LARGEST_EXPORT)
  if context ~= nil then check.bytes("export_key", 3, context) end
  local over = closed(self, "export_key")
  if over then return nil, over end
  return session.export(self, label, length, context)
end

for name, method in pairs(stream) do socket.stream[name] = method end

return {
  stream = stream, clientplan = clientplan, serverplan = serverplan, client = client, greet = greet,
  orclose = orclose,
}
