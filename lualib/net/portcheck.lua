-- net.portcheck: one port: is it open, would it be free.

local socket = require "net.core.socket"
local addr = require "net.core.addr"
local check = require "net.check"
local dial = require "net.dial"

---@class net
local portcheck = {}

local TIMEOUT = 5 -- seconds, lookup included

---Whether a TCP connection to a port succeeds; it is closed at once. All addresses of a name are tried.
---@async
---@param host string numeric address or name
---@param port integer|string 1 to 65535
---@param timeout? number seconds for lookup and connection together; 5 if absent
---@return boolean open
---@return net.error? reason why not: ECONNREFUSED, TIMEOUT, ENETUNREACH, EHOSTUNREACH, EACCES, EAI_NONAME
--- ...; its `kind` is refused, timeout, unreachable, permission or dns
---@see connect(2)
---```lua
---local open, reason = net.is_port_open("127.0.0.1", 1, 0.5)
---assert(not open and reason.kind == "refused")
---```
function portcheck.is_port_open(host, port, timeout)
  local number = tonumber(port)
  if number and (number < 1 or number > 65535) then
    check.bad("is_port_open", 2, "port from 1 to 65535", port)
  end
  check.timeout("is_port_open", 3, timeout)
  local s, err = check.call("is_port_open", dial.connect, host, port, { timeout = timeout or TIMEOUT })
  if not s then return false, err end
  local closed <close> = s -- luacheck: ignore closed
  err = dial.toitself(s)
  if err then return false, err end
  return true
end

-- ---- the other side

local function isnumeric(value)
  if type(value) ~= "string" or value:find("\0", 1, true) then return false end
  return addr.inet_pton("inet", value) ~= nil or addr.inet_pton("inet6", value:match "^[^%%]*") ~= nil
end

local KNOWN = { type = true, address = true }

-- The options of what binds: those of the public function `name`, as its argument `arg`.
function portcheck.options(name, arg, options)
  options = options == nil and {} or options
  if type(options) ~= "table" then check.bad(name, arg, "table", options) end
  for field, value in pairs(options) do
    if not KNOWN[field] then check.unknown(name, arg, field, KNOWN) end
    if field == "type" and value ~= "tcp" and value ~= "udp" then
      check.bad(name, arg, 'option "type": "tcp" or "udp"', value)
    end
    if field == "address" and not isnumeric(value) then
      check.bad(name, arg, 'option "address": numeric address', value)
    end
  end
  return options
end

-- A socket bound as net.listen and net.udp bind theirs.
local function boundat(address, port, kind)
  local s, err
  if kind == "udp" then
    s, err = socket.udp { family = address:find(":", 1, true) and "inet6" or "inet" }
  else
    s, err = socket.open(address, port, nil, true)
  end
  if not s then return nil, err end
  local ok
  ok, err = s:bind(address, port)
  if ok then return s end
  s:close()
  return nil, err
end

local NO_IPV6 = { EAFNOSUPPORT = true, EADDRNOTAVAIL = true, EAI_ADDRFAMILY = true }

-- Without an address: of both families, or of IPv4 where there is no other.
local function bound(options, port)
  local address, kind = options.address, options.type or "tcp"
  if address then return boundat(address, port, kind) end
  local s, err = boundat("::", port, kind)
  if s or not NO_IPV6[err.code] then return s, err end
  return boundat("0.0.0.0", port, kind)
end

---Whether net.listen, or bind of a socket of net.udp, would succeed at a port now. It is tried in the same
---way: for IPv4 and IPv6 on every interface unless an address is given, for TCP with SO_REUSEADDR.
---Connections that an earlier server left in TIME_WAIT are no obstacle if that server had set it too. The
---answer may be out of date at once: who wants the port had better listen, or take a free one with port 0.
---@param port integer|string 1 to 65535
---@param options? {type: string?, address: string?} type: "tcp" or "udp"; "tcp" if absent. address: numeric;
--- every interface if absent
---@return boolean available
---@return net.error? reason EADDRINUSE (`owner`: {pid, command, address}, as far as /proc tells, see
--- net.port.owner; where /proc tells nothing, `cause` says why), EACCES (a port below 1024 without
--- privilege), EADDRNOTAVAIL (not an address of this machine)
---@see bind(2)
---```lua
---local server <close> = assert(net.listen("127.0.0.1", 0))
---local _, port = server:getsockname()
---local available, reason = net.is_port_available(port)
---assert(not available and reason.code == "EADDRINUSE")
---```
function portcheck.is_port_available(port, options)
  local number = math.tointeger(tonumber(port))
  check.integer("is_port_available", 1, number or port, 1, 65535)
  options = portcheck.options("is_port_available", 2, options)
  local s, err = bound(options, number)
  if s then return s:close() end
  err.op = options.type == "udp" and "bind" or "listen"
  err.address, err.port = options.address, number
  if err.code ~= "EADDRINUSE" then return false, err end
  local list, unread = require("net.sockets").atport(number, options.type or "tcp", options.address)
  local first = list and list[1]
  err.cause = unread
  err.owner = first and { pid = first.pid, command = first.command, address = first.local_address }
  return false, err
end

---Gives a port that is free now. Another program may take it before this one does: where it can be, listen on
---port 0 and ask getsockname.
---@param options? {type: string?, address: string?} type: "tcp" or "udp"; "tcp" if absent. address: numeric;
--- every interface if absent
---@return integer? port
---@return net.error? err EADDRNOTAVAIL (not an address of this machine), EADDRINUSE (no port is free),
--- EMFILE ...
---@see bind(2)
---```lua
---local port = assert(net.free_port())
---assert(port > 0)
---```
function portcheck.free_port(options)
  local s, err = bound(portcheck.options("free_port", 1, options), 0)
  if not s then return nil, err end
  local closed <close> = s -- luacheck: ignore closed
  local _, port = s:getsockname()
  return port
end

return portcheck
