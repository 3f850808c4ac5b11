-- net: the public module. This file lists what `net` is; what is big loads when it is first touched.

local task = require "net.core.task"
local socket = require "net.core.socket"

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
}

-- field = the module that holds it
local later = {
  connect = "net.dial",
  listen = "net.dial",
  getaddrinfo = "net.resolve",
  timeout = "net.task",
  map = "net.task",
  every = "net.task",
  channel = "net.sync",
  semaphore = "net.sync",
  event = "net.sync",
}

local constants = {
  AF_UNIX = 1, AF_INET = 2, AF_INET6 = 10,
  SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_RAW = 3, SOCK_SEQPACKET = 5,
  SHUT_RD = 0, SHUT_WR = 1, SHUT_RDWR = 2,
}
for name, value in pairs(constants) do net[name] = value end

setmetatable(net, {
  __index = function(self, name)
    local holder = later[name]
    if not holder then return nil end
    local value = require(holder)[name]
    rawset(self, name, value)
    return value
  end,
})

socket.finish = socket.stream.finish

-- The methods that are written in Lua load with the first call of one.
for class, names in pairs { stream = { "lines", "finish" }, listener = { "clients", "serve" } } do
  for _, name in ipairs(names) do
    socket[class][name] = function(...)
      return require("net.stream")[class][name](...)
    end
  end
end

return net
