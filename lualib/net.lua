-- net: the public module. This file lists what `net` is; what is big loads when it is first touched.

local task = require "net.core.task"
local socket = require "net.core.socket"
local option = require "net.core.option"
local addr = require "net.core.addr"
local resolve = require "net.core.resolve"

---@class net
local net = {
  now = task.now,
  sleep = task.sleep,
  spawn = task.spawn,
  scope = task.scope,
  current = task.current,
  socket = socket.socket,
  pair = socket.pair,
  udp = socket.udp,
  fromfd = socket.fromfd,
  options = option.options,
  htons = addr.htons,
  htonl = addr.htonl,
  ntohs = addr.ntohs,
  ntohl = addr.ntohl,
  hton64 = addr.hton64,
  ntoh64 = addr.ntoh64,
  inet_pton = addr.inet_pton,
  inet_ntop = addr.inet_ntop,
  inet_aton = addr.inet_aton,
  inet_ntoa = addr.inet_ntoa,
  gethostname = resolve.gethostname,
  getservbyname = resolve.getservbyname,
  getservbyport = resolve.getservbyport,
  getprotobyname = resolve.getprotobyname,
  getprotobynumber = resolve.getprotobynumber,
}

-- field = the module that holds it
local later = {
  connect = "net.dial",
  listen = "net.dial",
  getaddrinfo = "net.resolve",
  getnameinfo = "net.resolve",
  gethostbyname = "net.resolve",
  gethostbyname_ex = "net.resolve",
  gethostbyaddr = "net.resolve",
  getfqdn = "net.resolve",
  hexdump = "net.hexdump",
  timeout = "net.task",
  map = "net.task",
  every = "net.task",
  channel = "net.sync",
  semaphore = "net.sync",
  event = "net.sync",
  select = "net.select",
  poll = "net.select",
  diagnose = "net.diagnose",
  interfaces = "net.iface",
  local_addresses = "net.iface",
  gateways = "net.route",
  route = "net.route",
  neighbors = "net.route",
  watch_links = "net.linkwatch",
  is_port_open = "net.portcheck",
  is_port_available = "net.portcheck",
  free_port = "net.portcheck",
  ping = "net.ping",
  pings = "net.ping",
  trace = "net.trace",
  hops = "net.trace",
  path_mtu = "net.pathmtu",
}

-- AF_*, SOCK_*, IPPROTO_*, SHUT_*, AI_*, NI_*
for _, binding in ipairs { addr, resolve } do
  for name, value in pairs(binding.constants) do net[name] = value end
end

-- Modules under net that are fields as a whole.
local modules = {
  ip = "net.ip", mac = "net.mac", port = "net.port", tool = "net.tool", tls = "net.tls", x509 = "net.x509",
}

-- SO_*, TCP_*, IP_*, IPV6_*, UDP_*, SOL_*, IPPROTO_*, MSG_*: there are many, and few are ever used.
local function constant(self, name)
  local value = type(name) == "string" and name:find "^%u" and option.constant(name) or nil
  rawset(self, name, value)
  return value
end

-- A script that looks at all of it finds all of it: what waits for its first touch is touched.
local function all(self)
  for _, fields in ipairs { later, modules } do
    for name in pairs(fields) do local _ = self[name] end
  end
  for _, name in ipairs(option.constants()) do local _ = self[name] end
  return next, self
end

setmetatable(net, {
  __pairs = all,
  modules = modules, -- the prompt knows them by their names alone
  __index = function(self, name)
    local holder = later[name] or modules[name]
    if not holder then return constant(self, name) end
    local value = require(holder)
    if not modules[name] then value = value[name] end
    rawset(self, name, value)
    return value
  end,
})

socket.finish = socket.stream.finish

-- These add methods to the classes.
require "net.core.listener"
require "net.core.multicast"
require "net.core.message"

-- The methods that are written in Lua load with the first call of one.
local late = {
  { "stream", "net.stream", { "lines", "finish" } },
  { "listener", "net.stream", { "clients", "serve" } },
  { "stream", "net.tlsstream", { "starttls", "handshake", "tls", "channel_binding", "export_key" } },
}
for _, row in ipairs(late) do
  local class, module, names = table.unpack(row)
  for _, name in ipairs(names) do
    socket[class][name] = function(...)
      return require(module)[class][name](...)
    end
  end
end

-- Where a call has no name for a C function, as in pcall(net.htons, -1), Lua's messages take that of a module
-- in package.loaded which holds it. That shall be `net`: from now on those below it only lead to theirs.
for name, module in pairs(package.loaded) do
  if name:find "^net%.core%." then package.loaded[name] = setmetatable({}, { __index = module }) end
end

return net
