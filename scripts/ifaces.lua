-- ifaces: the interfaces of this host, and what changes about them.

-- ---- one interface

-- In text "192.168.1.5/24".
local prefixed = { __tostring = function(entry) return ("%s/%d"):format(entry.address, entry.prefix) end }

local function addressof(address)
  return setmetatable({
    family = address.family, address = address.address, prefix = address.prefix, netmask = address.netmask,
    broadcast = address.broadcast, peer = address.peer, scope = address.scope, flags = address.flags,
  }, prefixed)
end

-- What interfaces and events have in common.
local function basics(link)
  return {
    target = link.name, name = link.name, index = link.index, type = link.type, kind = link.kind,
    flags = link.flags, up = link.up, running = link.running, operstate = link.operstate, mtu = link.mtu,
    mac = link.mac, master = link.master, parent = link.parent, speed_mbit = link.speed_mbit,
  }
end

-- The default routes that leave by an interface. In text "via 192.168.1.1".
local viatext = { __tostring = function(route) return "via " .. (route.gateway or "the link") end }

local function routesof(link, gateways)
  local list = {}
  for _, gateway in ipairs(gateways) do
    if gateway.index == link.index then
      list[#list + 1] = setmetatable({
        family = gateway.family, destination = "default", gateway = gateway.via, metric = gateway.metric,
        source = gateway.source, protocol = gateway.protocol,
      }, viatext)
    end
  end
  return list
end

local function describe(link, gateways)
  local rec = basics(link)
  rec.stats, rec.addresses = link.stats, {}
  for i, address in ipairs(link.addresses) do rec.addresses[i] = addressof(address) end
  rec.routes = gateways and routesof(link, gateways)
  return rec
end

-- ---- the list

local function find(links, word)
  for _, link in ipairs(links) do
    if link.index == word then return link end
  end
  return links[tostring(word)] -- digits may be a name too
end

-- The error that there is no such interface is the system's.
local function unknown(word)
  local _, err = net.local_addresses { interface = tostring(word) }
  return nil, err, 1
end

-- Those that were named, else those that are up.
local function targets(links, args)
  if #args.IF > 0 then return args.IF end
  local list = {}
  for _, link in ipairs(links) do
    if args.all or link.up then list[#list + 1] = link.index end
  end
  return list
end

local function list(args, out)
  local links, err = net.interfaces()
  if not links then return out:fail(nil, err) end
  local gateways, problem
  if args.routes then gateways, problem = net.gateways() end
  if problem then return out:fail(nil, problem) end
  return out:each(targets(links, args), function(word)
    local link = find(links, word)
    if not link then return unknown(word) end
    return describe(link, gateways)
  end)
end

-- ---- changes

local function change(event)
  if not event.interface then return { event = event.event } end
  local rec = basics(event.interface)
  rec.event, rec.old_name, rec.changes = event.event, event.old_name, event.changes
  rec.address = event.address and addressof(event.address)
  return rec
end

local function wanted(event, words)
  if #words == 0 or not event.name then return true end
  for _, word in ipairs(words) do
    if word == event.name or word == event.index or word == event.old_name then return true end
  end
  return false
end

-- Whether silence is how it was meant to end: the whole time has passed, and no number was asked for.
local function enough(err, count, args)
  return err.code == "TIMEOUT" and not args.count and (count > 0 or not args.timeout)
end

-- The status.
local function follow(watch, args, out)
  local count = 0
  while not args.count or count < args.count do
    local began = net.now()
    local event, err = watch:read(args.timeout)
    if not event and enough(err, count, args) then return 0 end
    if not event then return out:fail(nil, err, began) end
    if wanted(event, args.IF) then
      count = count + 1
      out:record(change(event), began)
    end
  end
  return 0
end

-- The words, with an address as the index of the interface that has it now.
local function settled(words, links)
  local found = {}
  for place, word in ipairs(words) do
    local link = find(links, word)
    found[place] = link and link.name ~= word and link.index or word
  end
  return found
end

local function watch(args, out)
  local changes <close>, err = net.watch_links()
  if not changes then return out:fail(nil, err) end
  local links, problem = net.interfaces()
  if not links then return out:fail(nil, problem) end
  args.IF = settled(args.IF, links)
  out:note "waiting for changes"
  return follow(changes, args, out)
end

-- ---- rows

local function state(rec)
  if not rec.up then return "DOWN" end
  return rec.running and "UP" or "UP, no carrier"
end

local function counters(stats)
  local function side(name)
    local words = ("%s %d B %d packets"):format(name, stats[name .. "_bytes"], stats[name .. "_packets"])
    for _, what in ipairs { "errors", "dropped" } do
      local n = stats[name .. "_" .. what]
      if n > 0 then words = ("%s %d %s"):format(words, n, what) end
    end
    return words
  end
  return side "rx", side "tx"
end

local function changerow(rec)
  local what = rec.address or rec.old_name and "was " .. rec.old_name or ""
  local values = {}
  for i, field in ipairs(not rec.address and rec.changes or {}) do
    local value = rec[field] == nil and "none" or rec[field]
    if type(value) == "table" then value = table.concat(value, ",") end
    values[i] = ("%s %s"):format(field, value)
  end
  return { rec.ts:sub(12, 23), rec.name or "", rec.event, what, values }
end

local function row(rec, args)
  if rec.event then return changerow(rec) end
  local received, sent = "", ""
  if args.stats then received, sent = counters(rec.stats) end
  return { rec.name, state(rec), rec.mtu, rec.mac or "", rec.addresses, rec.routes or "", received, sent }
end

return {
  summary = "Interfaces of this host, and what changes about them.",
  common = { "time" },
  examples = { "ifaces", "ifaces lo --stats", "ifaces -a --routes --json", "ifaces --watch -c 1" },
  notes = "Those that are up, without -a. --watch tells what changes from now on, until ^C, --deadline, -c.",
  options = function(parser)
    parser:argument("IF"):args "*":convert(net.tool.interface)
      :description "Interfaces, by name, index or address."
    parser:flag "-a --all":description "Those that are switched off, too."
    parser:flag "--stats":description "What they have counted, too."
    parser:flag "--routes":description "The default routes that leave by them, too."
    parser:flag "--watch":description "Show changes as they come."
    parser:option "-c --count":argname "N":convert(net.tool.integer(1, math.maxinteger))
      :description "With --watch: end after so many."
  end,
  columns = { "name", "index", "flags", "mtu", "mac", "addresses", "event", "address", "changes" },
  human = row,
  run = function(args, out)
    return (args.watch and watch or list)(args, out)
  end,
}
