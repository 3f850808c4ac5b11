-- Scans: many ports that refuse, many that stay silent.

local frame = require "frame"

local PORTS = 65535
-- A network whose neighbours 10.9.0.2 to 10.9.0.9 never answer.
local SILENCE = "ip link set lo up && ip link add v0 type veth peer name v1 && ip link set v0 up"
  .. " && ip link set v1 up && ip addr add 10.9.0.1/24 dev v0 && for i in 2 3 4 5 6 7 8 9; do"
  .. " ip neigh add 10.9.0.$i lladdr 02:00:00:00:00:02 dev v0 nud permanent || exit 1; done"

-- Processor seconds of a command, start-up included, or nil when it fails: what the shell says of its
-- children.
local function cpu(command)
  local output = frame.capture("sh -c " .. frame.quote(command .. " >/dev/null && times"))
  if not output then return nil end
  local total = 0
  for minutes, seconds in output:match("\n(.*)$"):gmatch("(%d+)m([%d.]+)s") do
    total = total + minutes * 60 + seconds
  end
  return total
end

local function wall(command)
  local began = net.now()
  local output = frame.capture("unshare -rn sh -c "
    .. frame.quote(SILENCE .. " && " .. command .. " >/dev/null"))
  return output and net.now() - began
end

local function scanners()
  local python = frame.python()
  local c = { name = "scan.c", command = frame.program "scan" .. " " .. PORTS }
  local own = { name = "netlua", command = frame.netlua "scan.lua" .. " " .. PORTS }
  local all = { c, own }
  local function add(name, found, command)
    if found then
      all[#all + 1] = { name = name, command = command }
    else
      frame.skipped[#frame.skipped + 1] = name .. " for scans (not installed)"
    end
  end
  local go = frame.program "scan_go"
  local built = frame.succeeds("command -v go")
    and frame.succeeds("go build -o " .. go .. " " .. frame.here .. "/peers/scan_go.go")
  add("nmap", frame.succeeds("command -v nmap"), "nmap -sT -n -Pn -p- 127.0.0.1")
  add("asyncio", python ~= nil, (python or "") .. " " .. frame.here .. "/peers/scan_asyncio.py")
  add("go", built, go)
  return all
end

local function closed()
  local all, label = scanners(), "scan of 65,535 closed ports"
  local seconds = frame.in_turns(all, label, function(one) return cpu(one.command) end)
  local own = seconds.netlua
  local function per(one) return one and one / PORTS * 1e6 end
  for index, one in ipairs(all) do
    local base = seconds[one.name]
    if index == 1 then
      frame.report("CPU us/port, " .. label .. ", scan.c", "%.2f", per(own), per(base), "ratio <= 1.50",
        own and base and own <= base * 1.5)
    elseif one.name ~= "netlua" and base then
      frame.report("CPU us/port, " .. label .. ", " .. one.name, "%.2f", per(own), per(base), "ratio < 1.00",
        own and own < base)
    end
  end
end

local function filtered()
  if not frame.succeeds("unshare -rn true") then
    frame.skipped[#frame.skipped + 1] = "scan of filtered ports (no network namespaces)"
    return
  end
  local own = frame.netlua "scan.lua" .. " 250 10.9.0.2-9 2000"
  local label = "scan of 2,000 filtered ports, timeout 1 s"
  local seconds = frame.in_turns({ { name = "netlua", command = own } }, label, function(one)
    return wall(one.command)
  end)
  -- Once is enough, and without the repetitions that it makes unless told: it takes the better part of a
  -- minute.
  local nmap = frame.succeeds("command -v nmap")
    and wall("nmap -sT -T5 --max-retries 0 -n -Pn -p1-250 10.9.0.2-9") or nil
  frame.report("wall s, " .. label .. ", nmap -T5", "%.2f", seconds.netlua, nmap, "< 1.5",
    seconds.netlua and seconds.netlua < 1.5)
end

return function()
  closed()
  filtered()
end
