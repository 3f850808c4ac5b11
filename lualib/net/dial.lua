-- net.dial: from "host and port" to a connected or a listening socket.

local task = require "net.core.task"
local socket = require "net.core.socket"
local newerror = require "net.core.error".new
local resolve = require "net.resolve"
local check = require "net.check"

---@class net
local dial = {}

local STREAM = require("net.core.addr").constants.SOCK_STREAM
local TIMEOUT = 30 -- seconds for everything, lookup included
local TRIES = 16 -- ports that the first address of a list may choose, where they are taken at another
local STAGGER = 0.25 -- RFC 8305, section 5: before the next address is tried beside the last one

-- No domain ends in a number: such a host is an address in one of the forms of inet_aton, or a mistake, and
-- is never asked of a name server. The patterns take time in proportion to the text, however long.
local function isnumeric(host)
  host = host:gsub("%.$", "")
  local label = host:match "^.*%.(.*)$" or host
  return label:match "^%d+$" or label:lower():match "^0x%x*$"
end

-- A source address leaves no choice of the family.
local function familyof(options)
  local source = options.source
  return options.family or source and (source:find(":", 1, true) and "inet6" or "inet")
end

-- As errors and facts have it, whatever way it was given.
local function portnumber(port)
  return math.tointeger(tonumber(port))
end

local SILENT = "Nobody answered: packets are dropped on the way, or the host is off. "
  .. "To tell: netlua diagnose %s"
local UNNAMED = "No name server answered in that time. To ask each of them: netlua diagnose %s"

-- What to do about silence.
local function hint(words, host, port)
  return words:format(require("net.text").endpoint(host, portnumber(port)))
end

-- The entries of a list, without those whose address came before.
local function distinct(list)
  local entries, seen = {}, {}
  for _, entry in ipairs(list) do
    if not seen[entry.address] then entries[#entries + 1] = entry end
    seen[entry.address] = true
  end
  return entries
end

-- What to connect to, each address once: the C library takes the "::1 localhost" of a hosts file for
-- 127.0.0.1, too, where IPv4 is asked for.
local function lookup(host, options, timeout)
  options = options or {}
  local list, err = resolve.getaddrinfo(host, nil, {
    timeout = timeout,
    socktype = "stream",
    family = familyof(options),
    strict = options.strict,
    flags = isnumeric(host) and "numerichost" or nil,
  })
  return list and distinct(list), err
end

dial.lookup, dial.isnumeric, dial.familyof = lookup, isnumeric, familyof -- for the library

-- The refusal that it is when a socket connected to itself: the system chose the very port that was asked
-- for, so nobody listens there. For the library.
function dial.toitself(s)
  local near, nearport = s:getsockname()
  local far, farport = s:getpeername()
  if not nearport or nearport ~= farport or near ~= far then return nil end
  local err = newerror("connect", "ECONNREFUSED")
  err.address, err.port = far, farport
  return err
end

-- A unix path has no port: its options may stand in that place.
local function noport(host, port, options)
  local swap = options == nil and type(port) == "table" and type(host) == "string" and host:find "^unix:"
  if swap then return nil, port end
  return port, options
end

local function milliseconds(began)
  return (task.now() - began) * 1000
end

-- One address; false if it is a name. The socket of a failed or canceled connect is of no more use.
local function try(address, port, options, timeout)
  local s, err = check.call("connect", socket.open, address, port, options)
  if s == nil and not err.host then err.address, err.port = address, portnumber(port) end
  if not s then return s, err end
  local began = task.now()
  local ran, ok
  ran, ok, err = pcall(s.connect, s, address, port, timeout)
  if ran and ok then return s, { address = address, port = portnumber(port), ms = milliseconds(began) } end
  s:close()
  if not ran then error(ok, 0) end
  err.address = err.address or address
  err.port = err.port or portnumber(port)
  err.ms = milliseconds(began)
  if err.code == "TIMEOUT" and err.port then err.hint = hint(SILENT, err.address, err.port) end
  return nil, err
end

-- RFC 8305, section 4: the families take turns, beginning with the resolver's first choice.
local function interleave(list)
  local first, second, mixed = {}, {}, {}
  for _, entry in ipairs(list) do
    local same = entry.family == list[1].family
    table.insert(same and first or second, entry)
  end
  for index = 1, math.max(#first, #second) do
    mixed[#mixed + 1] = first[index]
    mixed[#mixed + 1] = second[index]
  end
  return mixed
end

local function newattempt(entry, port)
  return { address = entry.address, port = portnumber(port), began = task.now() }
end

-- Makes an attempt and notes in it what came of it.
local function carryout(attempt, port, options, timeout)
  local s, facts = try(attempt.address, port, options, timeout)
  attempt.stream, attempt.facts, attempt.ms = s, facts, facts.ms
end

-- Begins an attempt in a task of its own.
local function begin(scope, entry, port, options, ended)
  local attempt = newattempt(entry, port)
  scope:spawn(function()
    carryout(attempt, port, options)
    ended:send(attempt)
  end)
  return attempt
end

-- Runs the attempts side by side, each begun when the one before has failed or `stagger` has passed. Gives
-- the winner, or nil and the last error. What is known of every attempt is in `attempts`.
local function race(list, port, options, attempts, timeout)
  local stagger = options and options.happy_eyeballs
  if stagger == nil or stagger == true then stagger = STAGGER end
  local ended = require("net.sync").channel(#list)
  local scope <close> = task.scope { timeout = timeout }
  local failed = 0
  while true do
    local more = #attempts < #list
    if more then
      attempts[#attempts + 1] = begin(scope, list[#attempts + 1], port, options, ended)
      more = #attempts < #list
    end
    local patience = more and stagger or nil
    local due = patience and task.now() + patience
    local attempt, err = ended:receive(patience)
    if attempt and attempt.stream then return attempt end
    if attempt then failed = failed + 1 end
    if failed == #list then return nil, attempt.facts end
    if not attempt and not (due and task.now() >= due) then return nil, err end
  end
end

-- The same where no other task can run meanwhile: one after the other, each with its share of the time.
local function inturn(list, port, options, attempts, timeout)
  local patient = options and options.happy_eyeballs == false
  local began = task.now()
  for index, entry in ipairs(list) do
    local left = math.max(timeout - (task.now() - began), 0)
    if left == 0 and index > 1 then break end
    attempts[index] = newattempt(entry, port)
    carryout(attempts[index], port, options, patient and left or left / (#list - index + 1))
    if attempts[index].stream then return attempts[index] end
  end
  return nil, attempts[#attempts].facts
end

-- What became of every attempt, in the order of starting: the errors of those that failed, and for the ones
-- that were overtaken or cut short what is known of them.
local function history(attempts, err)
  local list = {}
  for index, attempt in ipairs(attempts) do
    local entry = not attempt.stream and attempt.facts or err and newerror("connect", err.code) or {}
    entry.address, entry.port = attempt.address, attempt.port
    entry.ms = attempt.ms or milliseconds(attempt.began)
    list[index] = entry
  end
  return list
end

-- The last failure speaks for all; every attempt is in err.attempts.
local function failure(host, port, err, attempts)
  local all = newerror("connect", err.code, err.message)
  for field, value in pairs(err) do all[field] = value end
  all.op, all.host, all.port, all.attempts = "connect", host, portnumber(port), history(attempts, err)
  if all.code == "TIMEOUT" then all.hint = hint(SILENT, host, port) end
  return all
end

-- Closes every connection but one, however the race ended.
local function losers(attempts)
  local function close()
    for _, attempt in ipairs(attempts) do
      if attempt.stream and attempt ~= attempts.winner then attempt.stream:close() end
    end
  end
  return setmetatable({}, { __close = close })
end

local function byname(host, port, options, timeout)
  local began = task.now()
  local list, err = lookup(host, options, timeout)
  if not list then
    err.op, err.port = "connect", portnumber(port)
    if err.code == "TIMEOUT" then err.hint = hint(UNNAMED, host, port) end
    return nil, err
  end
  local lookup_ms = milliseconds(began)
  local attempts = {}
  local rest <close> = losers(attempts) -- luacheck: ignore rest
  local left = math.max(timeout - lookup_ms / 1000, 0)
  local connect = task.canwait() and race or inturn
  attempts.winner, err = connect(interleave(list), port, options, attempts, left)
  if not attempts.winner then return nil, failure(host, port, err, attempts) end
  local s, facts = attempts.winner.stream, attempts.winner.facts
  facts.host, facts.lookup_ms, facts.attempts = host, lookup_ms, history(attempts)
  return s, facts
end

local function plain(host, port, options, timeout)
  local s, facts = try(host, port, options, timeout)
  if s ~= false then return s, facts end
  return byname(host, port, options, timeout)
end

-- The same with TLS on top. A mistake in its options is told before anything is connected.
local function protected(host, port, options, timeout, wanted)
  local tls = require "net.tlsstream"
  local name = type(host) == "string" and not host:find "^unix:" and host:gsub("%.$", "") or nil
  local plan, problem = tls.clientplan("connect", 3, wanted, name)
  if not plan then return nil, problem end
  local began = task.now()
  local s, facts = plain(host, port, options, timeout)
  if not s then return nil, facts end
  local connected = task.now()
  if getmetatable(s).__index ~= socket.stream then
    s:close()
    check.bad("connect", 3, 'option "tls": a stream, not a socket of type', options.type)
  end
  local ok, err = tls.orclose(s, tls.client, plan, port, math.max(timeout - (connected - began), 0))
  if not ok then
    err.host, err.port = err.host or name, err.port or portnumber(port)
    return nil, err
  end
  facts.tls_ms = milliseconds(connected)
  return s, facts
end

---Connects a stream. A name is looked up without stopping other tasks. Its addresses race as in RFC 8305, in
---the order of RFC 6724 with the families taking turns: each is tried when the one before has failed or has
---not answered within 250 ms, the first that connects wins and the others are closed. Lookup and attempts
---share one deadline. Where no other task can run meanwhile, as while `require` loads a module, they are
---tried one after the other, each with its share of the time.
---@async
---@param host string numeric address, name, "unix:/path" or "unix:@abstract"
---@param port? integer|string 0 to 65535; none for a unix path, where the options may stand here
---@param options? net.connect.options an unknown field raises
---@return net.stream? stream a datagram object for type "seqpacket" or "dgram"
---@return net.error|table? err ECONNREFUSED, TIMEOUT, ENETUNREACH, EHOSTUNREACH, EAI_NONAME ...; `attempts`
--- has every address tried with its own error and `ms`. With tls also TLS_VERIFY, TLS_HANDSHAKE, TLS_CONFIG.
--- On success: {address, port, ms} of the connection, for a name also host, lookup_ms and attempts, with tls
--- also tls_ms
---@see connect(2), RFC 8305
---```lua
---local server = assert(net.listen("127.0.0.1", 0))
---local _, port = server:getsockname()
---local s <close> = assert(net.connect("127.0.0.1", port, { timeout = 5 }))
---```
function dial.connect(host, port, options)
  port, options = noport(host, port, options)
  local timeout = type(options) == "table" and options.timeout or TIMEOUT
  local wanted = type(options) == "table" and options.tls
  if not wanted then return plain(host, port, options, timeout) end
  return protected(host, port, options, timeout, wanted)
end

-- A socket file whose server is gone refuses connections: it may be replaced.
local function removestale(host, options)
  local probe <close> = socket.open(host, nil, { type = options and options.type })
  if not probe or not socket.issocket(host) then return false end
  local ok, err = probe:connect(host, nil, 1)
  return not ok and err.code == "ECONNREFUSED" and os.remove(host:sub(6))
end

local function bind(s, address, port, options)
  local ok, err = s:bind(address, port)
  if not ok and err.code == "EADDRINUSE" and address:find("^unix:[^@]") and removestale(address, options) then
    ok, err = s:bind(address, port)
  end
  return ok, err
end

local function listenon(address, port, options)
  local s, err = check.call("listen", socket.open, address, port, options, true)
  if s == nil and not err.host then err.address, err.port = address, portnumber(port) end
  if not s then return s, err end
  local ok
  ok, err = bind(s, address, port, options)
  if ok then ok, err = s:listen(options and options.backlog) end
  if ok then return s end
  s:close()
  err.op, err.address, err.port = "listen", address, portnumber(port)
  return nil, err
end

local NO_IPV6 = { EAFNOSUPPORT = true, EADDRNOTAVAIL = true, EAI_ADDRFAMILY = true }

local function onany(port, options)
  local s, err = listenon("::", port, options)
  if s then return s end
  if not NO_IPV6[err.code] then return nil, err end
  return listenon("0.0.0.0", port, options)
end

local function closeall(list)
  for _, s in ipairs(list) do s:close() end
end

-- A listener for each address, all on the same port: the first one chooses where that is 0. Where one fails:
-- nil, err, those that were open.
local function together(addresses, port, options)
  local listeners = {}
  for index, address in ipairs(addresses) do
    local s, err = listenon(address, port, options)
    if s == false then
      err = newerror("listen", "EAI_NONAME", "not a numeric address")
      err.host, err.port = address, portnumber(port)
    end
    if not s then return nil, err, listeners end
    listeners[index] = s
    if portnumber(port) == 0 then port = select(2, s:getsockname()) or port end
  end
  return listeners
end

-- The port that the first address chose may be taken at another. It stays open there until the end, so that
-- the next choice is a new one.
local function onlist(addresses, port, options)
  if #addresses == 0 then check.bad("listen", 1, "address, or a list of them,", "an empty list") end
  local taken <close> = setmetatable({}, { __close = closeall })
  for count = 1, TRIES do
    local listeners, err, rest = together(addresses, port, options)
    if listeners and #listeners == 1 then return listeners[1] end
    if listeners then return require("net.listeners").new(listeners) end
    local first = table.remove(rest, 1)
    taken[count] = first
    closeall(rest)
    local again = first and err.code == "EADDRINUSE" and portnumber(port) == 0 and count < TRIES
    if not again then return nil, err end
  end
end

local function addressesof(list)
  local addresses = {}
  for index, entry in ipairs(list) do addresses[index] = entry.address end
  return addresses
end

local function listen(host, port, options)
  if host == nil then return onany(port, options) end
  if type(host) == "table" then return onlist(host, port, options) end
  local s, err = listenon(host, port, options)
  if s then return s end
  if s == nil then return nil, err end
  local list
  list, err = lookup(host, options)
  if not list then
    err.op, err.port = "listen", portnumber(port)
    return nil, err
  end
  return onlist(addressesof(list), port, options)
end

---Listens for streams. Without a host it takes IPv4 and IPv6 connections on every interface; a name with
---several addresses, or a list of addresses, is listened on at all of them, on one port.
---@async
---@param host? string|string[] numeric address, name, "unix:/path" or "unix:@abstract", or a list of numeric
--- addresses; nil: any
---@param port? integer|string 0 to 65535; 0: a free one, see getsockname
---@param options? net.listen.options an unknown field raises
---@return net.listener? listener
---@return net.error? err EADDRINUSE, EACCES, EADDRNOTAVAIL, EAI_NONAME ...; TLS_CONFIG: certificate or key
--- cannot be used
---@see bind(2), listen(2)
---```lua
---local server <close> = assert(net.listen("127.0.0.1", 0, { backlog = 16 }))
---local address, port = server:getsockname()
---```
function dial.listen(host, port, options)
  port, options = noport(host, port, options)
  local wanted = type(options) == "table" and options.tls
  if not wanted then return listen(host, port, options) end
  local plan, err = require("net.tlsstream").serverplan("listen", 3, wanted)
  if not plan then return nil, err end
  local kind = options.type
  if kind ~= nil and kind ~= "stream" and kind ~= "SOCK_STREAM" and kind ~= STREAM then
    check.bad("listen", 3, 'option "tls": a listener of streams', kind)
  end
  local s
  s, err = listen(host, port, options)
  if not s then return nil, err end
  for _, one in ipairs(s.list or { s }) do require("net.core.greeting").policy(one, plan) end
  return s
end

return dial
