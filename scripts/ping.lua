-- ping: is a host there, how far away, and how many packets get lost.

local USAGE = "HOST [-c COUNT] [-i SECONDS] [-t SECONDS] [-4 | -6] [-s SOURCE] [-I INTERFACE] [--size BYTES] "
  .. "[--ttl HOPS] [--tcp PORT]"

-- option = field of net.pings, whether it is a number
local OPTIONS = {
  ["-c"] = { "count", true },
  ["-i"] = { "interval", true },
  ["-t"] = { "timeout", true },
  ["-s"] = { "source" },
  ["-I"] = { "interface" },
  ["--size"] = { "size", true },
  ["--ttl"] = { "ttl", true },
  ["--tcp"] = { "port", true },
}
local FAMILIES = { ["-4"] = "inet", ["-6"] = "inet6" }

-- Host and options, or nil and what is wrong.
local function parse(args)
  local options, host, index = { count = 4 }, nil, 1
  while index <= #args do
    local word = args[index]
    local option = OPTIONS[word]
    if option then
      index = index + 1
      local value = args[index]
      if option[2] then value = math.tointeger(value) or tonumber(value) end
      if value == nil then return nil, word .. " needs a " .. (option[2] and "number" or "value") end
      options[option[1]] = value
    elseif FAMILIES[word] then
      options.family = FAMILIES[word]
    elseif host or word:find "^%-" then
      return nil, "unknown argument " .. word
    else
      host = word
    end
    index = index + 1
  end
  if options.port then options.mode = "tcp" end
  return host, host and options or "no host given"
end

local function line(r)
  if r.error then return ("%4d  %s  %s"):format(r.seq, r.address or "-", r.error.message) end
  local words = { ("%4d  %s  %.3f ms"):format(r.seq, r.address, r.ms) }
  if r.ttl then words[#words + 1] = ("ttl %d"):format(r.ttl) end
  if r.reply ~= "echo" then words[#words + 1] = r.reply end
  for _, note in ipairs { "duplicate", "late", "damaged" } do
    if r[note] then words[#words + 1] = note end
  end
  if r.different then words[#words + 1] = "not the address that was asked" end
  return table.concat(words, "  ")
end

local function summary(r)
  print(("%d sent, %d received, %.4g %% lost"):format(r.sent, r.received, r.loss * 100))
  if not r.alive then return end
  print(("min %.3f  avg %.3f  p95 %.3f  max %.3f  mdev %.3f ms"):format(r.min_ms, r.avg_ms, r.p95_ms,
    r.max_ms, r.mdev_ms))
end

local function complain(...)
  io.stderr:write("netlua ping: ", ...)
  io.stderr:write "\n"
end

local function show(replies, host)
  local about = replies:report()
  local port = about.port and (" port %d"):format(about.port) or ""
  print(("ping %s (%s)%s"):format(host, about.address, port))
  for reply in replies do
    print(line(reply))
    io.flush()
  end
end

return {
  summary = "asks a host whether it is there, and says how long that took",
  usage = USAGE,
  run = function(args)
    local host, options = parse(args)
    if not host then
      complain(options, "\nusage: netlua ping ", USAGE)
      return 2
    end
    local made, replies, err = pcall(net.pings, host, options)
    if not made then
      complain(tostring(replies):match "%((.*)%)$" or tostring(replies))
      return 2
    end
    if not replies then
      complain(tostring(err), "\n", err:explain())
      return err.kind == "dns" and 6 or 1
    end
    local whole, problem = pcall(show, replies, host)
    summary(replies:report()) -- also after ^C
    if not whole then error(problem, 0) end
    return replies:report().alive and 0 or 1
  end,
}
