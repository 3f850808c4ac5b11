-- trace: the routers on the way to a host.

local USAGE = "HOST [--udp | --tcp PORT | --icmp] [--mtu] [-m HOPS] [-p PROBES] [-t SECONDS] [-4 | -6] "
  .. "[-s SOURCE] [-I INTERFACE]"

-- option = field of net.hops, whether it is a number
local OPTIONS = {
  ["-m"] = { "max_hops", true },
  ["-p"] = { "probes", true },
  ["-t"] = { "timeout", true },
  ["-s"] = { "source" },
  ["-I"] = { "interface" },
  ["--tcp"] = { "port", true },
}
local FLAGS = {
  ["-4"] = { "family", "inet" },
  ["-6"] = { "family", "inet6" },
  ["--udp"] = { "mode", "udp" },
  ["--icmp"] = { "mode", "icmp" },
}

-- Host and options, or nil and what is wrong; the third says whether the MTU is asked for.
local function parse(args)
  local options, host, mtu, index = {}, nil, false, 1
  while index <= #args do
    local word = args[index]
    local option, flag = OPTIONS[word], FLAGS[word]
    if option then
      index = index + 1
      local value = args[index]
      if option[2] then value = math.tointeger(value) or tonumber(value) end
      if value == nil then return nil, word .. " needs a " .. (option[2] and "number" or "value") end
      options[option[1]] = value
    elseif flag then
      options[flag[1]] = flag[2]
    elseif word == "--mtu" then
      mtu = true
    elseif host or word:find "^%-" then
      return nil, "unknown argument " .. word
    else
      host = word
    end
    index = index + 1
  end
  if options.port then options.mode = "tcp" end
  return host, host and options or "no host given", mtu
end

local function line(hop)
  local words = { ("%2d  %s "):format(hop.ttl, hop.address and table.concat(hop.addresses, " ") or "*") }
  for _, reply in ipairs(hop.replies) do
    words[#words + 1] = reply.ms and ("%.3f"):format(reply.ms) or "*"
  end
  if hop.lost < hop.sent then words[#words + 1] = "ms" end
  if hop.error then words[#words + 1] = " " .. hop.error.message end
  return table.concat(words, " ")
end

local function complain(...)
  io.stderr:write("netlua trace: ", ...)
  io.stderr:write "\n"
end

local function showmtu(host, options)
  local report, err = net.path_mtu(host, { family = options.family, source = options.source,
    interface = options.interface, timeout = options.timeout })
  if not report then return complain(tostring(err)) end
  local notes = { ("mtu %d"):format(report.mtu) }
  for _, router in ipairs(report.routers) do
    notes[#notes + 1] = ("%s says %d"):format(router.address, router.mtu)
  end
  if report.black_hole then notes[#notes + 1] = "larger packets vanish and no router says so" end
  if not report.confirmed then notes[#notes + 1] = "not confirmed: the host is silent" end
  print(table.concat(notes, "; "))
end

local function show(hops, host)
  local reached = false
  print(("trace to %s (%s) by %s"):format(host, hops.address, hops.mode))
  for hop in hops do
    print(line(hop))
    io.flush()
    reached = reached or hop.reached
  end
  return reached
end

return {
  summary = "finds the routers on the way to a host",
  usage = USAGE,
  run = function(args)
    local host, options, mtu = parse(args)
    if not host then
      complain(options, "\nusage: netlua trace ", USAGE)
      return 2
    end
    local made, hops, err = pcall(net.hops, host, options)
    if not made then
      complain(tostring(hops):match "%((.*)%)$" or tostring(hops))
      return 2
    end
    if not hops then
      complain(tostring(err), "\n", err:explain())
      return err.kind == "dns" and 6 or 1
    end
    local reached = show(hops, host)
    if mtu then showmtu(host, options) end
    return reached and 0 or 1
  end,
}
