-- net.select over idle objects and one that is ready: ready before the call, and made ready by another task,
-- so that select has to wait. Processor time of each call in microseconds.
--
--   netlua spec/bench/select.lua COUNT CALLS
local net = require "net"

local count, calls = tonumber(arg[1]), tonumber(arg[2])
local readers = {}
for i = 1, count, 2 do
  local a, b = assert(net.pair())
  readers[i], readers[i + 1] = a, b
end
local from, to = assert(net.pair())
readers[#readers + 1] = from

local function here()
  to:write("x")
end

local function there()
  net.spawn(here)
end

local function microseconds(prompt)
  local start = os.clock()
  for _ = 1, calls do
    prompt()
    local ready = assert(net.select(readers))
    assert(#ready == 1 and ready[1] == from and from:recv(1) == "x")
  end
  return (os.clock() - start) / calls * 1e6
end

print(string.format("ready_us=%.1f waiting_us=%.1f", microseconds(here), microseconds(there)))
