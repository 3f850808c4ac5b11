-- net.dial: from "host and port" to a connected or a listening socket.

local task = require "net.core.task"
local socket = require "net.core.socket"
local resolve = require "net.resolve"
local check = require "net.check"

---@class net
local dial = {}

local TIMEOUT = 30

-- No domain ends in a number: such a host is an address in one of the forms of inet_aton, or a mistake, and
-- is never asked of a name server.
local function isnumeric(host)
  local label = host:match "([^.]*)%.?$"
  return label:match "^%d+$" or label:lower():match "^0x%x*$"
end

local function lookup(host, options)
  local family = options and options.family
  local numeric = isnumeric(host) and true or nil
  return resolve.getaddrinfo(host, nil, { socktype = "stream", family = family, numeric = numeric })
end

-- A unix path has no port: its options may stand in that place.
local function noport(host, port, options)
  local swap = options == nil and type(port) == "table" and type(host) == "string" and host:find "^unix:"
  if swap then return nil, port end
  return port, options
end

-- One address; false if it is a name. The socket of a failed connect is of no more use.
local function try(address, port, options, timeout)
  local s, err = check.call("connect", socket.open, address, port, options)
  if not s then return s, err end
  local began = task.now()
  local ok
  ok, err = s:connect(address, port, timeout)
  if ok then return s end
  s:close()
  err.address = err.address or address
  err.port = err.port or tonumber(port)
  err.ms = (task.now() - began) * 1000
  return nil, err
end

-- The last failure speaks for all; the others are in err.attempts.
local function failure(host, attempts)
  local err = {}
  for field, value in pairs(attempts[#attempts]) do err[field] = value end
  err.host, err.attempts = host, attempts
  return setmetatable(err, getmetatable(attempts[1]))
end

local function byname(host, port, options, timeout)
  local scope <close> = task.scope { timeout = timeout } -- luacheck: ignore scope
  local list, err = lookup(host, options)
  if not list then return nil, err end
  local attempts = {}
  for index, entry in ipairs(list) do
    local s
    s, attempts[index] = try(entry.address, port, options)
    if s then return s end
  end
  return nil, failure(host, attempts)
end

---Connects a stream. The name is looked up without stopping other tasks and its addresses are tried in
---order; lookup and attempts share one deadline.
---@async
---@param host string numeric address, name, "unix:/path" or "unix:@abstract"
---@param port? integer|string 0 to 65535; none for a unix path
---@param options? net.connect.options an unknown field raises
---@return net.stream? stream a datagram object for type "seqpacket" or "dgram"
---@return net.error? err ECONNREFUSED, TIMEOUT, ENETUNREACH, EHOSTUNREACH, EAI_NONAME ...; `attempts` has
--- every address tried with its own error and `ms`
---@see connect(2)
---```lua
---local server = assert(net.listen("127.0.0.1", 0))
---local _, port = server:getsockname()
---local s <close> = assert(net.connect("127.0.0.1", port, { timeout = 5 }))
---```
function dial.connect(host, port, options)
  port, options = noport(host, port, options)
  local timeout = type(options) == "table" and options.timeout or TIMEOUT
  local s, err = try(host, port, options, timeout)
  if s ~= false then return s, err end
  return byname(host, port, options, timeout)
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
  if not s then return s, err end
  local ok
  ok, err = bind(s, address, port, options)
  if ok then ok, err = s:listen(options and options.backlog) end
  if ok then return s end
  s:close()
  err.op, err.address, err.port = "listen", address, tonumber(port)
  return nil, err
end

local NO_IPV6 = { EAFNOSUPPORT = true, EADDRNOTAVAIL = true, EAI_ADDRFAMILY = true }

---Listens for streams. Without a host it takes IPv4 and IPv6 connections on every interface.
---@async
---@param host? string numeric address, name (its first address), "unix:/path" or "unix:@abstract"; nil: any
---@param port? integer|string 0 to 65535; 0: a free one, see getsockname
---@param options? net.listen.options an unknown field raises
---@return net.listener? listener
---@return net.error? err EADDRINUSE, EACCES, EADDRNOTAVAIL, EAI_NONAME ...
---@see bind(2), listen(2)
---```lua
---local server <close> = assert(net.listen("127.0.0.1", 0, { backlog = 16 }))
---local address, port = server:getsockname()
---```
function dial.listen(host, port, options)
  port, options = noport(host, port, options)
  if host == nil then
    local s, err = listenon("::", port, options)
    if s or not NO_IPV6[err.code] then return s, err end
    return listenon("0.0.0.0", port, options)
  end
  local s, err = listenon(host, port, options)
  if s ~= false then return s, err end
  local list
  list, err = lookup(host, options)
  if not list then return nil, err end
  return listenon(list[1].address, port, options)
end

return dial
