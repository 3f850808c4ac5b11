-- oom_scan: a scan, for oom.c to run while allocations fail; it loads much, so it is not a part of oom.lua.

local net = require "net"

local scope <close> = net.scope { timeout = 10 }
local listener <close> = assert(net.listen("127.0.0.1", 0))
local _, port = listener:getsockname()
scope:spawn(function()
  local held <close> = listener -- luacheck: ignore held
  local client <close> = assert(listener:accept(5))
  client:write "hello\n"
end)

-- A port that refuses, and one whose answer a task waits for.
local count = 0
for _ in net.port.scan("127.0.0.1", { port, 1 }, { banner = true, timeout = 0.02 }) do count = count + 1 end
assert(count == 2)
