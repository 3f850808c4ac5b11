-- Servers under load: line echo over connections, and datagram echo.

local frame = require "frame"

local REQUESTS = frame.quick and 20000 or 120000
local TRACED_REQUESTS = frame.quick and 5000 or 20000
local IDLE_CONNECTIONS = frame.quick and 2000 or 8000
local HOLD_CONNECTIONS = 10000
local DATAGRAMS = frame.quick and 20000 or 200000

local quote, succeeds, figures = frame.quote, frame.succeeds, frame.figures
local skipped, failed = frame.skipped, frame.failed
local reference = { name = "echo.c", command = frame.program "echo" }
local subject = { name = frame.SUBJECT, command = frame.netlua "echo.lua" }

local function lua_peer(name, lua)
  return {
    name = name,
    installed = succeeds(lua .. " -e " .. quote("require '" .. name .. "'")),
    command = lua .. " " .. frame.here .. "/peers/echo_" .. name .. ".lua",
  }
end

local function find_peers()
  local python = frame.python()
  -- Debian packages copas for Lua 5.1 and 5.2 only; the 5.2 file runs on 5.4 as it is.
  local copas = lua_peer("copas", "env 'LUA_PATH=;;/usr/share/lua/5.2/?.lua' lua5.4")
  copas.may_fail = true -- LuaSocket's select() ends at FD_SETSIZE, 1,024 descriptors
  local go = { name = "go", installed = succeeds("command -v go") }
  if go.installed then
    go.command = frame.program "echo_go"
    if not succeeds("go build -o " .. go.command .. " " .. frame.here .. "/peers/echo_go.go") then
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
      command = "node " .. frame.here .. "/peers/echo_node.js",
    },
    {
      name = "asyncio",
      installed = python ~= nil,
      command = (python or "") .. " " .. frame.here .. "/peers/echo_asyncio.py",
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

local function load_command(options, command)
  return frame.program "load" .. " " .. options .. " -- " .. command
end

-- Measures --------------------------------------------------------------------------------------

local function bench_cpu(peers, connections)
  local subjects = { reference, subject, table.unpack(peers) }
  local label = string.format("CPU ns/request, %d connections", connections)
  frame.compare(label, "%.0f", subjects, function(server)
    local options = string.format("-c %d -n %d", connections, REQUESTS)
    local values = figures(load_command(options, server.command))
    return values and values.cpu_ns_per_request
  end, 1.25, true)
end

-- Many datagrams under way are the rule of a busy server; one at a time is a server that sleeps between.
local function bench_datagrams(window, bar)
  local label = string.format("CPU ns/datagram, %d under way", window)
  local options = string.format(" -w %d -n %d -- ", window, DATAGRAMS)
  frame.compare(label, "%.0f", frame.trio "udp", function(server)
    local values = figures(frame.program "datagrams" .. options .. server.command)
    return values and values.cpu_ns_per_datagram
  end, bar)
end

local function bench_idle()
  local label = string.format("%d idle connections", IDLE_CONNECTIONS)
  local rss = frame.in_turns({ reference, subject }, label, function(server)
    local values = figures(load_command("-m idle -c " .. IDLE_CONNECTIONS, server.command))
    return values and values.rss_bytes_per_connection
  end)
  local value = rss[subject.name]
  frame.report("RSS bytes/connection, " .. label, "%.0f", value, rss[reference.name], "<= 3072",
    value and value <= 3072)
end

local function bench_hold()
  frame.progress("%d connections held", HOLD_CONNECTIONS)
  local values = figures(load_command("-m hold -c " .. HOLD_CONNECTIONS, subject.command))
  if not values then
    failed[#failed + 1] = "hold"
  end
  frame.report(string.format("descriptors leaked, %d connections held", HOLD_CONNECTIONS), "%d",
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
    frame.progress("system calls, %s", server.name)
    calls[server.name] = calls_per_request(server)
    if not calls[server.name] then
      failed[#failed + 1] = "system calls of " .. server.name
    end
  end
  local value = calls[subject.name]
  frame.report("system calls/request, 50 connections", "%.3f", value, calls[reference.name], "<= 2.1",
    value and value <= 2.1)
end

return function()
  local peers = find_peers()
  bench_cpu(peers, 50)
  bench_cpu(peers, 1000)
  bench_calls()
  bench_idle()
  bench_hold()
  bench_datagrams(50, 1.3)
  bench_datagrams(1)
end
