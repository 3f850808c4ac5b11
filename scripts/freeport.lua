-- freeport: whether a port of this machine is free, or which one is.

local TRIES = 100 -- to find one more free port that was not named yet

-- What net.is_port_available answers, where it was able to try.
local ANSWERS = { EADDRINUSE = "in use", EACCES = "not permitted", EADDRNOTAVAIL = "not an own address" }

-- ---- one port

local function owner(reason)
  local found = reason.owner
  return found and found.pid and { pid = found.pid, command = found.command } or nil
end

-- record and, where nobody can see who has the port, why | nil, net.error
local function try(port, args)
  local free, reason = net.is_port_available(port, args.place)
  if not free and not ANSWERS[reason.code] then return nil, reason end
  local rec = { port = port, proto = args.place.type, address = args.addr, available = free }
  if free then return rec end
  rec.reason = reason.code
  if reason.owner then rec.address = reason.owner.address end
  if args.who then rec.owner = owner(reason) end
  return rec, reason.cause
end

-- A free port that is not in `seen`: record | nil, net.error
local function another(args, seen)
  for _ = 1, TRIES do
    local port, err = net.free_port(args.place)
    if not port then return nil, err end
    if not seen[port] then
      seen[port] = true
      return { port = port, proto = args.place.type, address = args.addr, available = true }
    end
  end
  return nil
end

-- ---- what is asked

-- So many free ports, whichever they are.
local function name(args, out)
  local seen = {}
  for _ = 1, args.count or 1 do
    local rec, err = another(args, seen)
    if err then return out:fail(args.addr, err) end
    if not rec then return 1 end
    rec.target = tostring(rec.port)
    out:record(rec)
  end
  return 0
end

-- The first so many free ones of a list.
local function pick(ports, args, out)
  local found = 0
  for _, port in ipairs(ports) do
    local rec, err = try(port, args)
    if not rec then return out:fail(tostring(port), err) end
    if rec.available then
      found, rec.target = found + 1, tostring(port)
      out:record(rec)
    end
    if found == args.count then return 0 end
  end
  out:note(("%d of %d are free"):format(found, #ports))
  return 1
end

local function each(ports, args, out)
  local unknown, unread = false, nil
  local status = out:each(ports, function(port)
    local rec, err = try(port, args)
    if not rec then return nil, err end
    unknown = unknown or args.who and rec.reason == "EADDRINUSE" and not rec.owner
    unread = unread or err
    return rec, rec.available and 0 or 1
  end)
  if unknown then out:note(unread and unread.message or "processes of other users show to root only") end
  return status
end

-- Every port that the words name, once.
local function readports(words)
  local list, seen = {}, {}
  for _, word in ipairs(words) do
    local ports, message = net.tool.ports(word)
    if not ports then return nil, message end
    for _, port in ipairs(ports) do
      if not seen[port] then list[#list + 1] = port end
      seen[port] = true
    end
  end
  return list
end

-- A port that was asked to be named stands alone, for $(netlua freeport).
local function row(r, args)
  if args.count or #args.targets == 0 then return { r.port } end
  if r.available then return { r.port, "free", r.address or "" } end
  local address = r.address or "*"
  local where = (address:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(address, r.port)
  local who = r.owner and ("%s (%d)"):format(r.owner.command or "?", r.owner.pid) or ""
  return { r.port, ANSWERS[r.reason], where, who }
end

return {
  summary = "Whether a port of this machine is free.",
  examples = {
    "freeport 8080", "freeport 8080 --who", "freeport", "freeport 8000-8100 --count 1", "freeport 53 -u",
  },
  notes = "The answer is that of net.listen, which takes IPv4 and IPv6 together where there is no --addr. It "
    .. "may be out of date at once: a server had better listen on port 0.",
  options = function(parser)
    parser:argument("PORT"):args "*":target "targets"
      :description "8080, http, 8000-8100; without one, a free port is named."
    parser:flag "-u --udp":description "For UDP."
    parser:option "--addr":argname "ADDR":convert(net.tool.address)
      :description "At this own address; everywhere if absent."
    parser:option "--count":argname "N":convert(net.tool.integer(1, 10000))
      :description "Name so many free ones, of PORT where there are some."
    parser:flag "--who":description "The process that holds the port, as far as /proc shows it."
  end,
  columns = { "port", "proto", "address", "available", "reason", "owner" },
  heading = { "PORT", "STATE", "ADDRESS", "OWNER" },
  human = row,
  run = function(args, out)
    args.place = { type = args.udp and "udp" or "tcp", address = args.addr }
    local ports, message = readports(args.targets)
    if not ports then return out:usage(message) end
    if #ports == 0 then return name(args, out) end
    if args.count then return pick(ports, args, out) end
    return each(ports, args, out)
  end,
}
