-- Scans for the benchmark report: ports of 127.0.0.1 that refuse, or, with targets, ports that stay silent.
--
--   netlua spec/bench/scan.lua [COUNT]
--   netlua spec/bench/scan.lua COUNT TARGETS LIMIT
local net = require "net"

local count = tonumber(arg[1]) or 65535
local limit = tonumber(arg[3]) or 256
local states = {}
local began = net.now()

for r in net.port.scan(arg[2] or "127.0.0.1", "1-" .. count, { limit = limit }) do
  states[r.state] = (states[r.state] or 0) + 1
end

print(("closed=%d filtered=%d wall_s=%.3f"):format(states.closed or 0, states.filtered or 0,
  net.now() - began))
