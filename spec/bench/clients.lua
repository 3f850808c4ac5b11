-- Calls of a client: names looked up, connections made, many objects waited for.

local frame = require "frame"

local LOOKUPS, AT_A_TIME = frame.quick and 2000 or 10000, 64
local CONNECTIONS = frame.quick and 4000 or 20000
local IDLE, CALLS = 5000, frame.quick and 50 or 200

-- Microseconds of processor time of the whole program, for each of what it did `count` times.
local function each(command, count)
  local values = frame.figures(command)
  return values and values.cpu_us / count
end

local function bench_names()
  local arguments = string.format(" localhost %d %d", LOOKUPS, AT_A_TIME)
  local label = string.format("CPU us/getaddrinfo, %d at a time", AT_A_TIME)
  frame.compare(label, "%.1f", frame.trio "names", function(client)
    return each(frame.program "startup" .. " 1 " .. client.command .. arguments, LOOKUPS)
  end, 1.5)
end

local function bench_dial()
  frame.compare("CPU us/connect and close", "%.1f", frame.trio "dial", function(client)
    return each(frame.program "sink" .. " " .. client.command .. " " .. CONNECTIONS, CONNECTIONS)
  end, 1.5)
end

local function bench_select(label, field)
  frame.compare(string.format("CPU us/select, %d idle, %s", IDLE, label), "%.0f", frame.trio "select",
    function(client)
      local values = frame.figures(string.format("%s %d %d", client.command, IDLE, CALLS))
      return values and values[field]
    end, 1.5)
end

return function()
  bench_names()
  bench_dial()
  bench_select("one ready", "ready_us")
  bench_select("one gets ready", "waiting_us")
end
