-- mcast: multicast sent, received and tried out.

local DEFAULT_PORT = 5007
local GROUPS = { { "239.255.77.77", "inet" }, { "ff02::4d4d:4d4d", "inet6" } } -- for the probe
local PATIENCE = 1 -- seconds a probe waits

local function group(word)
  local target = net.tool.target(word)
  local address = target and target.host and net.ip.parse(target.host)
  if not address or not address.plain or address:classify() ~= "multicast" or not target.port then
    return nil, ('bad group "%s": use 224.1.1.1:5007 or [ff02::1%%eth0]:5007'):format(word)
  end
  target.family = address.version == 4 and "inet" or "inet6"
  target.host = tostring(address) -- as it stands in what a datagram tells: ff02:0::1 is ff02::1
  return target
end

local function zoneless(address)
  return (address:gsub("%%.*$", ""))
end

local function endpoint(address, port)
  return (address:find ":" and "[%s]:%d" or "%s:%d"):format(address, port)
end

-- ---- send

-- socket | nil, err
local function sender(to, args)
  local s, err = net.udp { family = to.family, source = args.source }
  local good = s
  if good and args.interface then good, err = s:interface(args.interface) end
  if good and args.ttl then good, err = s:ttl(args.ttl) end
  if good and args.loop then good, err = s:loop(args.loop == "1") end
  if good then return s end
  if s then s:close() end
  return nil, err
end

local function send(args, out)
  local to, began = args.GROUP, net.now()
  local s, err = sender(to, args)
  if not s then return out:fail(to.text, err, began, 1) end
  local held <close> = s -- luacheck: ignore held
  local count
  count, err = s:sendto(args.DATA, to.host, to.port, args.timeout)
  if not count then return out:fail(to.text, err, began) end
  out:record({
    target = to.text, group = to.host, port = to.port, bytes = count, ttl = s:ttl(),
    interface = s:interface() or nil,
  }, began)
  return 0
end

-- ---- recv

-- A member that is told where each datagram was sent. socket | nil, err
local function member(to, args)
  local s, err = net.udp { family = to.family, reuseaddr = true }
  local good = s
  if good then good, err = s:ancillary { pktinfo = true, ttl = true } end
  if good then good, err = s:bind(to.family == "inet" and "0.0.0.0" or "::", to.port) end
  if good then good, err = s:join(to.host, { interface = args.interface, source = args.from }) end
  if good then return s end
  if s then s:close() end
  return nil, err
end

-- The next datagram for the group, whatever else comes to the port. record | nil, err
local function nextone(s, to, timeout)
  local deadline = timeout and net.now() + timeout
  while true do
    local data, info = s:recvmsg(65536, deadline and math.max(deadline - net.now(), 0))
    if not data then return nil, info end
    local destination = info.destination
    if not destination or zoneless(destination.address) == zoneless(to.host) then
      return {
        target = to.text, group = to.host, port = to.port, from = endpoint(info.address, info.port),
        data_b64 = data, bytes = #data, ttl = info.ttl,
        interface = destination and destination.interface or nil,
      }
    end
  end
end

local function receive(args, out)
  local to, began = args.GROUP, net.now()
  local s, err = member(to, args)
  if not s then return out:fail(to.text, err, began, 1) end
  local held <close> = s -- luacheck: ignore held
  local count = 0
  out:note(("joined %s port %d"):format(to.host, to.port))
  while not args.count or count < args.count do
    began = net.now()
    local rec
    rec, err = nextone(s, to, args.timeout)
    if not rec and err.code == "TIMEOUT" and count > 0 then return 0 end
    if not rec then return out:fail(to.text, err, began) end
    count = count + 1
    out:record(rec, began)
  end
  return 0
end

-- ---- groups

local function lines(path)
  local file <close> = io.open(path)
  local list = {}
  for line in file and file:lines() or function() end do list[#list + 1] = line end
  return list
end

-- The kernel writes the four bytes as one number of this host.
local function ipv4groups(list)
  local name
  for _, line in ipairs(lines "/proc/net/igmp") do
    name = line:match "^%d+%s+(%S+)" or name
    local hex, users = line:match "^%s+(%x%x%x%x%x%x%x%x)%s+(%d+)"
    if hex then
      local address = net.inet_ntoa(string.pack("=I4", tonumber(hex, 16)))
      list[#list + 1] = { interface = name, group = address, users = math.tointeger(tonumber(users)) }
    end
  end
end

local function ipv6groups(list)
  for _, line in ipairs(lines "/proc/net/igmp6") do
    local name, hex, users = line:match "^%d+%s+(%S+)%s+(%x+)%s+(%d+)"
    if hex then
      local bytes = hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end)
      list[#list + 1] = {
        interface = name, group = net.inet_ntop("inet6", bytes), users = math.tointeger(tonumber(users)),
      }
    end
  end
end

-- An interface by name, index or address as its name, which is what the kernel's lists have. name | nil, err
local function nameof(interface)
  local s <close>, err = net.udp()
  if not s then return nil, err end
  local good, wrong = s:interface(interface)
  if not good then return nil, wrong end
  return s:interface()
end

local function groups(args, out)
  local list, only = {}, nil
  if args.interface then
    local err
    only, err = nameof(args.interface)
    if not only then return out:fail(tostring(args.interface), err, nil, 1) end
  end
  local sockets, unread = net.port.sockets { protocol = "udp" } -- who may not see these sees no groups
  if not sockets then return out:fail(nil, unread) end
  if not args.ipv6 then ipv4groups(list) end
  if not args.ipv4 then ipv6groups(list) end
  for _, rec in ipairs(list) do
    if not only or rec.interface == only then
      rec.target = rec.group
      out:record(rec)
    end
  end
  return 0
end

-- ---- probe

-- Sends to a group of its own and waits for that datagram. record | nil, err
local function probe(to, args)
  local s <close>, err = member(to, { interface = args.interface or "lo" })
  if not s then return nil, err end
  local out <close>, failed = sender(to, { interface = args.interface or "lo", ttl = 1, loop = "1" })
  if not out then return nil, failed end
  local word = ("netlua probe %s"):format(net.now())
  local count
  count, err = out:sendto(word, to.host, to.port)
  if not count then return nil, err end
  local deadline = net.now() + (args.timeout or PATIENCE)
  while true do
    local rec
    rec, err = nextone(s, to, math.max(deadline - net.now(), 0))
    if not rec then return nil, err end
    if rec.data_b64 == word then
      rec.data_b64, rec.state = nil, "received"
      return rec
    end
  end
end

local function probes(args, out)
  local list = {}
  for _, row in ipairs(GROUPS) do
    local other = args.ipv4 and "inet6" or args.ipv6 and "inet"
    if row[2] ~= other then
      list[#list + 1] = group(endpoint(row[1], DEFAULT_PORT))
    end
  end
  return out:each(list, function(to) return probe(to, args) end)
end

-- ----

local function declaregroup(command)
  command:argument("GROUP"):convert(group)
    :description "Group and port: 224.1.1.1:5007 or [ff02::1%eth0]:5007."
end

local function declareinterface(command)
  command:option "-I --interface":argname "IF":convert(net.tool.interface)
    :description "Name, index or address."
end

local commands = { send = send, recv = receive, groups = groups, probe = probes }

return {
  summary = "Multicast: send, receive, memberships of this host, a trial.",
  common = { "time" },
  examples = { "mcast recv 224.1.1.1:5007 -I lo -c 1 -w 5", 'mcast send 224.1.1.1:5007 "hello" -I lo',
    "mcast groups", "mcast probe -I lo" },
  options = function(parser)
    local command = parser:command "send":description "Send one datagram."
    declaregroup(command)
    command:argument("DATA"):description "What to send."
    declareinterface(command)
    command:option "--ttl":argname "N":convert(net.tool.integer(0, 255))
      :description "Hops: 0 stays on this host, 1 (the default) on the network."
    command:option "--loop":argname "0|1":choices { "0", "1" }
      :description "Whether members on this host get it, too."
    command:option "-s --source":argname "ADDR":convert(net.tool.address):description "Own address to use."

    command = parser:command "recv":description "Show what comes to a group."
    declaregroup(command)
    declareinterface(command)
    command:option "--from":argname "SOURCE":convert(net.tool.address):description "Only from this address."
    command:option "-c --count":argname "N":convert(net.tool.integer(1, math.maxinteger))
      :description "End after so many."

    for _, name in ipairs { "groups", "probe" } do
      command = parser:command(name):description(name == "groups" and "List what this host has joined."
        or "Send to a group of its own and see whether it comes back.")
      declareinterface(command)
      command:mutex(command:flag "-4":target "ipv4":description "IPv4 only.",
        command:flag "-6":target "ipv6":description "IPv6 only.")
    end
  end,
  columns = { "group", "port", "from", "data_b64", "bytes", "ttl", "interface", "users", "state" },
  human = function(rec)
    if rec.users then return { rec.interface, rec.group, rec.users } end
    local size = ("%d B"):format(rec.bytes)
    if rec.state then return { rec.group, rec.interface, rec.state, ("%.3f ms"):format(rec.ms) } end
    local to = endpoint(rec.group, rec.port)
    if not rec.data_b64 then return { to, size, rec.interface or "", ("ttl %d"):format(rec.ttl) } end
    return { rec.ts:sub(12, 23), ("%s > %s"):format(rec.from, to), size, '"' .. rec.data_b64 .. '"' }
  end,
  run = function(args, out)
    return commands[args.command](args, out)
  end,
}
