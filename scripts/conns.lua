-- conns: the sockets of this host, and whose they are.

local PROTOCOLS = { "tcp", "udp", "unix" }
local ANY = { ["0.0.0.0"] = true, ["::"] = true }

local function endpoint(address, port)
  if not port then return address end
  if port == 0 and ANY[address] then return "*" end
  return (address:find(":", 1, true) and "[%s]:%s" or "%s:%s"):format(address, port ~= 0 and port or "*")
end

-- What a listener has in its queue are connections, not bytes.
local function describe(socket, who)
  local listens = socket.state == "LISTEN"
  local received, sent = socket.rx_queue_bytes, socket.tx_queue_bytes
  return {
    target = endpoint(socket.local_address, socket.local_port) or "-", proto = socket.protocol,
    family = socket.family, type = socket.type, state = socket.state,
    ["local"] = endpoint(socket.local_address, socket.local_port),
    remote = endpoint(socket.remote_address, socket.remote_port),
    queue_bytes = received and (listens and sent or received + sent),
    backlog = listens and received or nil, uid = socket.uid,
    pid = who and socket.pid, pids = who and socket.pids, command = who and socket.command,
  }
end

local function family(args)
  return args.ipv4 and "inet" or args.ipv6 and "inet6"
end

-- Whether the options ask for this one.
local function chosen(socket, args, ports)
  if args.tcp or args.udp or args.unix then
    if not args[socket.protocol] then return false end
  end
  if family(args) and socket.family ~= family(args) then return false end
  return not ports or ports[socket.local_port] or ports[socket.remote_port] or false
end

-- One reading where a single protocol is wanted: list | nil, err
local function sockets(args)
  local wanted = {}
  for _, name in ipairs(PROTOCOLS) do
    if args[name] then wanted[#wanted + 1] = name end
  end
  return net.port.sockets { protocol = #wanted == 1 and wanted[1] or nil, listen = args.listen or nil }
end

local function set(list)
  local members = {}
  for _, item in ipairs(list) do members[item] = true end
  return members
end

local function owner(rec)
  if not rec.command then return "" end
  return ("%s (%d)%s"):format(rec.command, rec.pid, rec.pids and " and others" or "")
end

return {
  summary = "Sockets of this host.",
  common = { "family" },
  examples = { "conns --tcp --listen --who", "conns --port 22,443", "conns --unix --json" },
  notes = "--who names the processes that this user may look at: all of them, for root.",
  options = function(parser)
    parser:flag "--tcp":description "TCP."
    parser:flag "--udp":description "UDP."
    parser:flag "--unix":description "Unix sockets."
    parser:flag "--listen":description "Those that wait for somebody."
    parser:option "--port":argname "N":convert(net.tool.ports)
      :description "Those of these ports, here or at the other side: 443 or 22,8000-8100."
    parser:flag "--who":description "The processes, too."
  end,
  columns = { "proto", "type", "state", "local", "remote", "queue_bytes", "backlog", "pid", "command" },
  human = function(rec)
    local queue = rec.queue_bytes and rec.queue_bytes > 0 and ("queue %d B"):format(rec.queue_bytes)
    local backlog = rec.backlog and rec.backlog > 0 and ("backlog %d"):format(rec.backlog)
    return { rec.proto, rec.type or "", rec.state, rec["local"] or "-", rec.remote or "",
      queue or backlog or "", owner(rec) }
  end,
  run = function(args, out)
    local ports, count = args.port and set(args.port), 0
    local list, err = sockets(args)
    if not list then return out:fail(nil, err) end
    for _, socket in ipairs(list) do
      if chosen(socket, args, ports) then
        count = count + 1
        out:record(describe(socket, args.who or nil))
      end
    end
    return count > 0 and 0 or 1
  end,
}
