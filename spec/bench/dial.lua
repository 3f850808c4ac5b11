-- Makes connections to a port of 127.0.0.1, one after the other, each closed at once.
--
--   netlua spec/bench/dial.lua COUNT PORT
local net = require "net"

local count, port = tonumber(arg[1]), tonumber(arg[2])
for _ = 1, count do
  local s <close> = assert(net.connect("127.0.0.1", port)) -- luacheck: ignore s
end
