-- TLS: handshakes and a download of a client against nginx, the line echo server, memory, the first connect.

local frame = require "frame"
local nginx = require "nginx"

local HANDSHAKES, RESUMED = frame.quick and 500 or 3000, frame.quick and 2000 or 15000
local SECONDS = frame.quick and 1 or 2 -- openssl counts time, not handshakes
local BYTES = (frame.quick and 64 or 1024) * 1024 * 1024
local REQUESTS = frame.quick and 20000 or 120000
local IDLE_CONNECTIONS = 2000
local FIRSTS = frame.quick and 5 or 20

local skipped = frame.skipped

-- Microseconds of processor time of a whole program, the median of some runs, and what it printed.
local function cpu(command, runs)
  local output = frame.capture(("%s %d %s 2>/dev/null"):format(frame.program "startup", runs or 1, command))
  return output and tonumber(output:match "cpu_us=(%d+)"), output
end

-- Microseconds of processor time for each of what a program did `count` times.
local function each(command, count)
  local us = cpu(command)
  return us and us / count
end

-- s_time with a trusted authority checks the certificate, but not whose it is, and would go on with any. It
-- prints an "r" for each session that was resumed.
local function s_time(server, options, again)
  local command = "openssl s_time -connect 127.0.0.1:%d -CAfile %s -verify 2 -time %d %s"
  local us, output = cpu(command:format(server.port, server:file "ca.pem", SECONDS, options))
  if again and output and not output:find "rrrrrrrrrr\n" then return nil end
  local count = output and output:match "(%d+) connections in %d+ real seconds"
  return us and count and us / count
end

local function handshakes(server)
  local arguments = (" %d %d %s"):format(HANDSHAKES, server.port, server:file "ca.pem")
  local subjects = {
    { name = "openssl s_time", run = function() return s_time(server, "-new -tls1_3") end },
    { name = frame.SUBJECT, run = function()
      return each(frame.netlua "handshake.lua" .. arguments, HANDSHAKES)
    end },
  }
  local python = frame.python()
  if python then
    local script = python .. " " .. frame.here .. "/peers/handshake_python.py" .. arguments
    subjects[3] = { name = "python3", run = function() return each(script, HANDSHAKES) end }
  end
  frame.compare("CPU us/TLS handshake", "%.0f", subjects, function(one) return one.run() end, 1.15, true)
end

-- TLS 1.2: s_time closes before it reads the tickets that TLS 1.3 sends behind the handshake.
local function resumed(server)
  local arguments = (" %d %d %s resume"):format(RESUMED, server.port, server:file "ca.pem")
  local subjects = {
    { name = "openssl s_time", run = function() return s_time(server, "-reuse -tls1_2", true) end },
    { name = frame.SUBJECT, run = function()
      return each(frame.netlua "handshake.lua" .. arguments, RESUMED)
    end },
  }
  frame.compare("CPU us/TLS handshake, resumed", "%.0f", subjects, function(one) return one.run() end, 1.15)
end

local function curl(server, name)
  local host = "example.test:" .. server.port
  local command = "curl -s -f -o /dev/null --cacert %s --resolve %s:127.0.0.1 https://%s/%s"
  return command:format(server:file "ca.pem", host, host, name)
end

local function download(server)
  local arguments = (" /large %d %d %s"):format(BYTES, server.port, server:file "ca.pem")
  local subjects = {
    { name = "curl", command = curl(server, "large") },
    { name = frame.SUBJECT, command = frame.netlua "fetch.lua" .. arguments },
  }
  frame.compare(("CPU ms/%d MiB with TLS"):format(BYTES // 1024 // 1024), "%.0f", subjects, function(one)
    return each(one.command, 1000)
  end, 1.1)
end

local function first(server)
  local arguments = (" 1 %d %s"):format(server.port, server:file "ca.pem")
  local subjects = {
    { name = "curl", command = curl(server, "empty") },
    { name = frame.SUBJECT, command = frame.netlua "handshake.lua" .. arguments },
  }
  local python = frame.python()
  if python then
    local script = python .. " " .. frame.here .. "/peers/handshake_python.py" .. arguments
    subjects[3] = { name = "python3", command = script }
  end
  frame.compare("CPU us, program that connects with TLS once", "%.0f", subjects, function(one)
    return (cpu(one.command, FIRSTS))
  end)
end

local function echoes(server)
  local arguments = (" %s %s"):format(server:file "cert.pem", server:file "key.pem")
  local subjects = {
    { name = "echo_tls.c", command = frame.program "echo_tls" .. arguments },
    { name = frame.SUBJECT, command = frame.netlua "echo_tls.lua" .. arguments },
  }
  local function load(options, field)
    return function(one)
      local values = frame.figures(frame.program "load" .. " -t " .. options .. " -- " .. one.command)
      return values and values[field]
    end
  end
  frame.compare("CPU ns/request, TLS, 50 connections", "%.0f", subjects,
    load("-c 50 -n " .. REQUESTS, "cpu_ns_per_request"), 1.25)
  frame.compare(("RSS bytes/connection, TLS, %d idle connections"):format(IDLE_CONNECTIONS), "%.0f", subjects,
    load("-m idle -c " .. IDLE_CONNECTIONS, "rss_bytes_per_connection"), 1.3)
end

return function()
  for _, name in ipairs { "openssl", "nginx", "curl" } do
    if not frame.succeeds("PATH=$PATH:/usr/sbin command -v " .. name) then
      skipped[#skipped + 1] = ("TLS (%s: not installed)"):format(name)
      return
    end
  end
  local server <close> = nginx.start { large = BYTES, empty = 0 }
  handshakes(server)
  resumed(server)
  download(server)
  first(server)
  echoes(server)
end
