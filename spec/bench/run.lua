-- Benchmark report: netlua against a plain C server and its peers, every figure measured here
-- and now, in turns, on one machine. Traffic goes to 127.0.0.1 only.
--
--   ./netlua spec/bench/run.lua [--quick] [BUILD_DIR]
--
-- BUILD_DIR/bench holds the programs built from echo.c, load.c and startup.c ("build" unless
-- given). The environment variable NETLUA names another netlua than ./netlua. Missed bars are
-- reported and the status is still 0; it is 1 when something could not be run.

local REFERENCE, SUBJECT = "echo.c", "netlua"

local quick = false
local build = "build"
for _, argument in ipairs(arg) do
  if argument == "--quick" then quick = true else build = argument end
end

local ROUNDS = quick and 1 or 3
local REQUESTS = quick and 20000 or 120000
local TRACED_REQUESTS = quick and 5000 or 20000
local IDLE_CONNECTIONS = quick and 2000 or 8000
local HOLD_CONNECTIONS = 10000
local STARTS = quick and 20 or 100
local SPAWNS = quick and 50000 or 200000

local rows, skipped, failed = {}, {}, {}

-- Commands --------------------------------------------------------------------------------------

local function quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- What a command prints, or nil when it fails.
local function capture(command)
  local pipe = assert(io.popen(command))
  local output = pipe:read("a")
  return pipe:close() and output or nil
end

local function succeeds(command)
  return os.execute(command .. " >/dev/null 2>&1") == true
end

-- The key=value pairs a command prints, or nil; numbers as numbers.
local function figures(command)
  local output = capture(command)
  if not output then
    return nil
  end
  local values = {}
  for key, value in output:gmatch("([%w_]+)=(%S+)") do
    values[key] = tonumber(value) or value
  end
  return values
end

local function progress(...)
  io.stderr:write("bench: ", string.format(...), "\n")
end

local here = quote(arg[0]:match("^(.*)/[^/]*$") or ".")
local load, startup = quote(build .. "/bench/load"), quote(build .. "/bench/startup")
local netlua = quote(os.getenv("NETLUA") or "./netlua")

-- Subjects --------------------------------------------------------------------------------------

local reference = { name = REFERENCE, command = quote(build .. "/bench/echo") }
local subject = { name = SUBJECT, command = netlua .. " " .. here .. "/echo.lua" }

-- The interpreter itself: `python3` may be a shell script that picks one.
local function real_python()
  local path = capture("python3 -c 'import sys; print(sys.executable)' 2>/dev/null")
  return path and quote(path:match("[^\n]+"))
end

local function lua_peer(name, lua)
  return {
    name = name,
    installed = succeeds(lua .. " -e " .. quote("require '" .. name .. "'")),
    command = lua .. " " .. here .. "/peers/echo_" .. name .. ".lua",
  }
end

local function find_peers(python)
  -- Debian packages copas for Lua 5.1 and 5.2 only; the 5.2 file runs on 5.4 as it is.
  local copas = lua_peer("copas", "env 'LUA_PATH=;;/usr/share/lua/5.2/?.lua' lua5.4")
  copas.may_fail = true -- LuaSocket's select() ends at FD_SETSIZE, 1,024 descriptors
  local go = { name = "go", installed = succeeds("command -v go") }
  if go.installed then
    go.command = quote(build .. "/bench/echo_go")
    if not succeeds("go build -o " .. go.command .. " " .. here .. "/peers/echo_go.go") then
      failed[#failed + 1] = "go build"
      return {}
    end
  end
  local all = {
    lua_peer("luv", "lua5.4"),
    lua_peer("cqueues", "lua5.4"),
    copas,
    {
      name = "node",
      installed = succeeds("node -e 0"),
      command = "node " .. here .. "/peers/echo_node.js",
    },
    {
      name = "asyncio",
      installed = python ~= nil,
      command = (python or "") .. " " .. here .. "/peers/echo_asyncio.py",
    },
    go,
  }
  local found = {}
  for _, peer in ipairs(all) do
    if peer.installed then
      found[#found + 1] = peer
    else
      skipped[#skipped + 1] = peer.name .. " (not installed)"
    end
  end
  return found
end

-- Figures ---------------------------------------------------------------------------------------

local function median(values)
  table.sort(values)
  return values[(#values + 1) // 2]
end

-- Adds a row; bar is a limit on the value, or on the ratio when it starts with "ratio".
local function report(measure, format, value, base, bar, met)
  rows[#rows + 1] = {
    measure,
    value and format:format(value) or "-",
    base and format:format(base) or "-",
    value and base and string.format("%.2f", value / base) or "-",
    bar,
    met and "met" or "NOT met",
  }
end

-- Runs `measure` on every server in turn, several rounds; the median of each, by name.
local function in_turns(servers, label, measure)
  local values, broken = {}, {}
  for round = 1, ROUNDS do
    for _, server in ipairs(servers) do
      if not broken[server.name] then
        progress("%s, round %d of %d, %s", label, round, ROUNDS, server.name)
        local value = measure(server)
        broken[server.name] = not value
        values[server.name] = values[server.name] or {}
        table.insert(values[server.name], value)
      end
    end
  end
  local medians = {}
  for _, server in ipairs(servers) do
    local what = server.name .. " (" .. label .. ")"
    if not broken[server.name] then
      medians[server.name] = median(values[server.name])
    elseif server.may_fail then
      skipped[#skipped + 1] = what
    else
      failed[#failed + 1] = what
    end
  end
  return medians
end

local function load_command(options, command)
  return load .. " " .. options .. " -- " .. command
end

-- Measures --------------------------------------------------------------------------------------

local function bench_cpu(peers, connections)
  local servers = { reference, subject, table.unpack(peers) }
  local label = string.format("%d connections", connections)
  local cpu = in_turns(servers, label, function(server)
    local options = string.format("-c %d -n %d", connections, REQUESTS)
    local values = figures(load_command(options, server.command))
    return values and values.cpu_ns_per_request
  end)
  local value = cpu[SUBJECT]
  for _, server in ipairs(servers) do
    local base = cpu[server.name]
    local measure = string.format("CPU ns/request, %s, %s", label, server.name)
    if server == reference then
      report(measure, "%.0f", value, base, "ratio <= 1.25", value and base and value <= base * 1.25)
    elseif server ~= subject and base then
      report(measure, "%.0f", value, base, "ratio < 1.00", value and value < base)
    end
  end
end

local function bench_idle()
  local label = string.format("%d idle connections", IDLE_CONNECTIONS)
  local rss = in_turns({ reference, subject }, label, function(server)
    local values = figures(load_command("-m idle -c " .. IDLE_CONNECTIONS, server.command))
    return values and values.rss_bytes_per_connection
  end)
  local value = rss[SUBJECT]
  report("RSS bytes/connection, " .. label, "%.0f", value, rss[REFERENCE], "<= 3072",
    value and value <= 3072)
end

local function bench_hold()
  progress("%d connections held", HOLD_CONNECTIONS)
  local values = figures(load_command("-m hold -c " .. HOLD_CONNECTIONS, subject.command))
  if not values then
    failed[#failed + 1] = "hold"
  end
  report(string.format("descriptors leaked, %d connections held", HOLD_CONNECTIONS), "%d",
    values and values.leaked, nil, "0", values and values.result == "ok")
end

-- Total calls in a summary by strace, of a server that answers this many requests.
local function count_calls(server, requests)
  local name = os.tmpname()
  local trace = "strace -f -c -o " .. quote(name) .. " " .. server.command
  local calls
  if figures(load_command("-c 50 -n " .. requests, trace)) then
    for line in io.lines(name) do
      calls = line:match("^%s*100%.00%s+%S+%s+%d+%s+(%d+)%s.*total") or calls
    end
  end
  os.remove(name)
  return tonumber(calls)
end

-- Every system call counts. What starting up and opening connections take is the same in a
-- shorter run and a longer one, so the difference of the two is the requests alone. A tenth more
-- are sent as warm-up.
local function calls_per_request(server)
  local few = count_calls(server, 1000)
  local many = few and count_calls(server, 1000 + TRACED_REQUESTS)
  return many and (many - few) / (TRACED_REQUESTS * 1.1)
end

local function bench_calls()
  if not succeeds("strace -c -o /dev/null true") then
    skipped[#skipped + 1] = "strace (not installed, or not permitted)"
    return
  end
  local calls = {}
  for _, server in ipairs({ reference, subject }) do
    progress("system calls, %s", server.name)
    calls[server.name] = calls_per_request(server)
    if not calls[server.name] then
      failed[#failed + 1] = "system calls of " .. server.name
    end
  end
  local value = calls[SUBJECT]
  report("system calls/request, 50 connections", "%.3f", value, calls[REFERENCE], "<= 2.1",
    value and value <= 2.1)
end

local function bench_spawn()
  local one, batch, bare = {}, {}, {}
  for round = 1, ROUNDS do
    progress("tasks, round %d of %d", round, ROUNDS)
    local values = figures(string.format("%s %s/spawn.lua %d", netlua, here, SPAWNS))
    if not values then
      failed[#failed + 1] = "spawn.lua"
      return
    end
    one[round], batch[round] = values.spawn_join_us, values.batch_us
    bare[round] = values.coroutine_us
  end
  local base = median(bare)
  local function row(how, value)
    report("CPU us/spawn and join, " .. how .. ", bare coroutine", "%.3f", value, base,
      "<= 1.0", value <= 1.0)
  end
  row("one by one", median(one))
  row("in batches", median(batch))
end

local function bench_startup(python)
  local commands = { netlua .. " -e return", "lua5.4 -e return" }
  if python then
    commands[3] = python .. " -S -c 0" -- without what the packages installed here add to it
  end
  progress("start-up, %d runs", STARTS)
  local output = capture(startup .. " " .. STARTS .. " " .. table.concat(commands, " -- "))
  if not output then
    failed[#failed + 1] = "start-up"
    return
  end
  local cpu, wall = {}, {}
  for cpu_us, wall_us in output:gmatch("cpu_us=(%d+) wall_us=(%d+)") do
    cpu[#cpu + 1], wall[#wall + 1] = tonumber(cpu_us), tonumber(wall_us)
  end
  local function row(kind, us)
    local measure = "start-up, " .. kind .. " us, "
    report(measure .. "lua5.4", "%d", us[1], us[2], "ratio <= 3.00", us[1] <= us[2] * 3)
    if python then
      report(measure .. "python3 -S", "%d", us[1], us[3], "ratio <= 0.33", us[1] * 3 <= us[3])
    end
  end
  row("CPU", cpu)
  row("wall", wall)
end

-- Wall time of a command that answers for all of 1,000 hosts, or nil.
local function ping_ms(command)
  local began = net.now()
  local answered = succeeds(command)
  return answered and (net.now() - began) * 1000
end

local function bench_ping()
  local fping = "fping -q -c 1 -t 1000 -i %d -g 127.0.0.1 127.0.3.232"
  if not succeeds(netlua .. " ping 127.0.0.1 -c 1") then
    skipped[#skipped + 1] = "ping (no privilege for ICMP)"
    return
  end
  local ours, theirs = {}, {}
  for round = 1, ROUNDS do
    progress("ping of 1000 hosts, round %d of %d", round, ROUNDS)
    ours[#ours + 1] = ping_ms(netlua .. " " .. here .. "/ping.lua")
    theirs[#theirs + 1] = ping_ms(fping:format(0)) or ping_ms(fping:format(1)) -- 0 is for root
  end
  if #ours < ROUNDS then failed[#failed + 1] = "ping.lua" end
  local value = median(ours)
  report("wall ms, ping of 1000 hosts, fping", "%.0f", value, median(theirs), "< 1300",
    value and value < 1300)
end

-- Report ----------------------------------------------------------------------------------------

local function print_table()
  table.insert(rows, 1, { "measure, reference", SUBJECT, "reference", "ratio", "bar", "" })
  local widths = { 0, 0, 0, 0, 0, 0 }
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i], #cell)
    end
  end
  local format = string.format("%%-%ds  %%%ds  %%%ds  %%%ds  %%-%ds  %%s",
    table.unpack(widths, 1, 5))
  for _, row in ipairs(rows) do
    print((format:format(table.unpack(row)):gsub("%s+$", "")))
  end
  for _, name in ipairs(skipped) do
    print("skipped: " .. name)
  end
  for _, name in ipairs(failed) do
    print("failed: " .. name)
  end
end

for _, name in ipairs({ "load", "echo", "startup" }) do
  local path = build .. "/bench/" .. name
  assert(io.open(path), path .. " is not built"):close()
end
assert(succeeds(netlua .. " -e return"), netlua .. " does not run")
local python = real_python()
local peers = find_peers(python)
bench_cpu(peers, 50)
bench_cpu(peers, 1000)
bench_calls()
bench_idle()
bench_hold()
bench_spawn()
bench_ping()
bench_startup(python)
print_table()
os.exit(#failed == 0)
