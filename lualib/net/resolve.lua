-- net.resolve: host names to addresses and back, through the system's resolver in worker threads.

local core = require "net.core.resolve"
local addr = require "net.core.addr"
local task = require "net.core.task"
local check = require "net.check"

---@class net
local resolve = {}

local LONGEST = 2 ^ 53 -- seconds

-- Begins a lookup and waits for what it finds. Leaving drops it: a worker that is stuck frees it later.
local function ask(name, timeout, start, ...)
  local lookup <close>, err = check.call(name, start, ...)
  if not lookup then return nil, err end
  return core.wait(lookup, timeout)
end

local SLOW = "No answer came in the time allowed for the lookup. Check the name servers in /etc/resolv.conf "
  .. "and the way to them, or allow more time."

local function named(name, host, ...)
  local found, err = ...
  if found == nil then
    err.op, err.host = name, host
    if err.code == "TIMEOUT" then err.hint = SLOW end
  end
  return ...
end

-- The same for a host, which the error then names.
local function askhost(name, timeout, start, host, ...)
  return named(name, host, ask(name, timeout, start, host, ...))
end

local function checktext(name, arg, value)
  if type(value) ~= "string" then check.bad(name, arg, "string", value) end
  if value:find("\0", 1, true) then check.bad(name, arg, "text without NUL bytes", value) end
end

local function checktimeout(name, arg, value)
  local good = value == nil or type(value) == "number" and value >= 0 and value <= LONGEST
  if not good then check.bad(name, arg, "seconds, a number from 0 to 2^53,", value) end
end

---Looks a name up as getaddrinfo(3) does: hosts file, name servers, whatever the system is set up for. Other
---tasks go on meanwhile; the deadline and cancellation hold, even while the resolver is stuck.
---
---Constants are numbers (`net.AF_INET6`) or names, in any case and with or without prefix ("AF_INET6",
---"inet6"). `flags` is a number, a name or a list of names: passive, canonname, numerichost, numericserv,
---v4mapped, all, addrconfig, idn, canonidn. Without `socktype` or `protocol` there is one entry per address
---for each of stream, dgram and raw.
---
---The old forms of IPv4 addresses (0x7f.1, 127.1, 010.0.0.1, 2130706433) count as addresses, as they do
---elsewhere; `strict = true` refuses them.
---@async
---@param host? string name or numeric address, with a zone if need be ("fe80::1%eth0"); nil: the loopback
--- address, or the wildcard with flag passive
---@param service? integer|string port 0 to 65535, which is checked, or a service name
---@param hints? net.getaddrinfo.hints an unknown field raises
---@return net.getaddrinfo.entry[]? list in the order to try them
---@return net.error? err EAI_NONAME, EAI_AGAIN, EAI_FAIL, EAI_SERVICE, EAI_ADDRFAMILY ... (kind dns), TIMEOUT
---@see getaddrinfo(3)
---```lua
---local list = assert(net.getaddrinfo("127.0.0.1", 80, { protocol = "tcp" }))
---assert(list[1].address == "127.0.0.1" and list[1].port == 80)
---assert(list[1].family == net.AF_INET and list[1].socktype == net.SOCK_STREAM)
---```
function resolve.getaddrinfo(host, service, hints)
  if math.type(service) then
    service = ("%d"):format(check.integer("getaddrinfo", 2, service, 0, 65535))
  end
  local timeout = type(hints) == "table" and rawget(hints, "timeout") or nil
  return askhost("getaddrinfo", timeout, core.getaddrinfo, host, service, hints)
end

---Turns an address and a port into names, or into numbers where there are no names.
---@async
---@param address string numeric
---@param port? integer|string 0 to 65535; 0 if absent
---@param flags? integer|string|(integer|string)[] numerichost, numericserv, nofqdn, namereqd (no name is an
--- error), dgram (the service is one over UDP), idn; a number of NI_* constants, a name or a list of them
---@param timeout? number seconds
---@return string? host name, or the address
---@return string|net.error service name or port, as text; err EAI_NONAME (namereqd), EAI_AGAIN, TIMEOUT
---@see getnameinfo(3)
---```lua
---local host, service = net.getnameinfo("127.0.0.1", 9, { "numerichost", "numericserv" })
---assert(host == "127.0.0.1" and service == "9")
---```
function resolve.getnameinfo(address, port, flags, timeout)
  checktext("getnameinfo", 1, address)
  checktimeout("getnameinfo", 4, timeout)
  return askhost("getnameinfo", timeout, core.getnameinfo, address, port, flags)
end

local WITHOUT = { EAI_NONAME = true, EAI_NODATA = true, EAI_ADDRFAMILY = true }

-- A name that has IPv6 addresses only is said to be so.
local function explained(err, name)
  if not WITHOUT[err.code] then return err end
  if not resolve.getaddrinfo(name, nil, { family = "inet6", socktype = "stream" }) then return err end
  local new = require("net.core.error").new(err.op, "EAI_ADDRFAMILY",
    "the name has IPv6 addresses only, which getaddrinfo gives")
  new.host = name
  return new
end

---Gives the IPv4 address of a name.
---@async
---@param name string
---@param timeout? number seconds
---@return string? address "a.b.c.d", the first if there are several
---@return net.error? err EAI_NONAME, EAI_AGAIN ... (kind dns), TIMEOUT; EAI_ADDRFAMILY for a name that has
--- IPv6 addresses only: use getaddrinfo
---```lua
---assert(net.gethostbyname("localhost") == "127.0.0.1")
---```
function resolve.gethostbyname(name, timeout)
  checktext("gethostbyname", 1, name)
  checktimeout("gethostbyname", 2, timeout)
  local scope <close> = task.scope { timeout = timeout } -- luacheck: ignore scope
  local list, err = askhost("gethostbyname", nil, core.getaddrinfo, name, nil,
    { family = "inet", socktype = "stream" })
  if list then return list[1].address end
  return nil, explained(err, name)
end

---Gives all that is known of a name: its official form, its other names and its IPv4 addresses.
---@async
---@param name string
---@param timeout? number seconds
---@return string? canonical
---@return string[]|net.error aliases err as in gethostbyname
---@return string[]? addresses
---```lua
---local name, aliases, addresses = net.gethostbyname_ex("127.0.0.1")
---assert(name == "127.0.0.1" and #aliases == 0 and addresses[1] == "127.0.0.1")
---```
function resolve.gethostbyname_ex(name, timeout)
  checktext("gethostbyname_ex", 1, name)
  checktimeout("gethostbyname_ex", 2, timeout)
  local scope <close> = task.scope { timeout = timeout } -- luacheck: ignore scope
  local canonical, aliases, addresses = askhost("gethostbyname_ex", nil, core.byname, name)
  if canonical then return canonical, aliases, addresses end
  return nil, explained(aliases, name)
end

---Gives the name of an address, IPv4 or IPv6. It is a claim of whoever holds the address: look it up forward
---before relying on it.
---@async
---@param address string numeric
---@param timeout? number seconds
---@return string? name
---@return string[]|net.error aliases err EAI_NONAME, EAI_AGAIN ... (kind dns), TIMEOUT
---@return string[]? addresses
---```lua
---local name, aliases, addresses = net.gethostbyaddr("127.0.0.1")
---print(name, table.concat(addresses, " "))
---```
function resolve.gethostbyaddr(address, timeout)
  checktext("gethostbyaddr", 1, address)
  checktimeout("gethostbyaddr", 2, timeout)
  return askhost("gethostbyaddr", timeout, core.byaddr, address)
end

local function isaddress(text)
  local bare = text:match "^(.-)%%" or text
  return addr.inet_pton("inet", text) or addr.inet_pton("inet6", bare)
end

-- Name and aliases of a name or an address.
local function known(name)
  if isaddress(name) then return resolve.gethostbyaddr(name) end
  local canonical, aliases = resolve.gethostbyname_ex(name)
  if canonical or aliases.code ~= "EAI_ADDRFAMILY" then return canonical, aliases end
  local list, err = resolve.getaddrinfo(name, nil, { socktype = "stream", flags = "canonname" })
  if list then return list[1].canonname or name, {} end
  return nil, err
end

---Gives the full name of a host: the first with a dot among its name and aliases.
---@async
---@param name? string name or address; nil, "", "0.0.0.0" or "::": this host
---@param timeout? number seconds
---@return string fqdn `name` itself if nothing better is known
---@return net.error? err why nothing is
---```lua
---print(net.getfqdn())
---```
function resolve.getfqdn(name, timeout)
  if name == nil then name = "" end
  checktext("getfqdn", 1, name)
  checktimeout("getfqdn", 2, timeout)
  if name == "" or name == "0.0.0.0" or name == "::" then
    local err
    name, err = core.gethostname()
    if not name then return "localhost", err end
  end
  local scope <close> = task.scope { timeout = timeout } -- luacheck: ignore scope
  local canonical, aliases = known(name)
  if not canonical then return name, aliases end
  if canonical:find("%.") then return canonical end
  for _, alias in ipairs(aliases) do
    if alias:find("%.") then return alias end
  end
  return canonical
end

return resolve
