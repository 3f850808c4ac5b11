-- Paths and diagnosis: a thousand pings at once, and how long it takes to say why a port refuses.

local frame = require "frame"

local HOSTS = 1000

-- Wall milliseconds of a command, or nil when it does not end with that status.
local function wall(command, status)
  local began = net.now()
  local _, _, code = os.execute(command .. " >/dev/null 2>&1")
  return code == (status or 0) and (net.now() - began) * 1000 or nil
end

local function pings()
  if not frame.succeeds(frame.netlua() .. " ping 127.0.0.1 -c 1") then
    frame.skipped[#frame.skipped + 1] = "ping (no privilege for ICMP)"
    return
  end
  local fping = "fping -q -c 1 -t 1000 -i %d -g 127.0.0.1 127.0.3.232"
  local subjects = { { name = "netlua", run = function() return wall(frame.netlua "ping.lua") end } }
  if frame.succeeds "fping -v" then
    local function run() return wall(fping:format(0)) or wall(fping:format(1)) end
    subjects[2] = { name = "fping", run = run }
  else
    frame.skipped[#frame.skipped + 1] = "fping (not installed)"
  end
  local ms = frame.in_turns(subjects, ("ping of %d hosts"):format(HOSTS), function(one) return one.run() end)
  frame.report(("wall ms, ping of %d hosts, fping"):format(HOSTS), "%.0f", ms.netlua, ms.fping, "< 1300",
    ms.netlua and ms.netlua < 1300)
end

local function diagnosis()
  local command = frame.netlua() .. " diagnose 127.0.0.1:1"
  local ms = frame.in_turns({ { name = "netlua" } }, "diagnose of a refused port", function()
    return wall(command, 7)
  end)
  frame.report("wall ms, diagnose of a refused local port", "%.1f", ms.netlua, nil, "<= 20",
    ms.netlua and ms.netlua <= 20)
end

return function()
  pings()
  diagnosis()
end
