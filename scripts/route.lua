-- route: the way that packets to a destination take.

-- The addresses of a name, each once; an address stands for itself. list | nil, err
local function addressesof(word, args)
  if net.ip.parse(word) then return { word } end
  local list, err = net.getaddrinfo(word, nil, {
    family = args.net.family, socktype = "stream", timeout = args.timeout,
  })
  if not list then return nil, err end
  local addresses = {}
  for i, entry in ipairs(list) do addresses[i] = entry.address end
  return addresses
end

-- record | nil, err
local function describe(word, address, args)
  local way, err = net.route(address, { source = args.source, interface = args.interface })
  if not way then return nil, err end
  return {
    target = word, destination = way.destination, gateway = way.via, interface = way.device,
    source = way.source, type = way.type, mtu = way.mtu, family = way.family,
  }
end

-- A name is on the way if one of its addresses is; the others are reported. list | nil, err
local function ways(word, args, out)
  local since = net.now()
  local addresses, err = addressesof(word, args)
  if not addresses then return nil, err end
  local found, failed = {}, {}
  for _, address in ipairs(addresses) do
    local rec, why = describe(word, address, args)
    if rec then found[#found + 1] = rec else failed[#failed + 1] = why end
  end
  if #found == 0 then return nil, failed[1] end
  for _, why in ipairs(failed) do out:fail(word, why, since, 0, { destination = why.address }) end
  return found
end

local function labeled(label, value)
  return value and ("%s %s"):format(label, value) or ""
end

return {
  summary = "The way that packets to a destination take.",
  common = { "net", "targets" },
  examples = { "route 192.0.2.1", "route localhost --json", "route 2001:db8::1 -I eth0" },
  notes = "The kernel is asked, and nothing is sent. Of a name every address is shown.",
  needs = "DEST",
  options = function(parser)
    parser:argument("DEST"):args "*":target "targets":description "Addresses or names."
  end,
  columns = { "destination", "gateway", "interface", "source", "type", "mtu" },
  human = function(rec)
    return {
      rec.destination, labeled("via", rec.gateway), labeled("dev", rec.interface), labeled("src", rec.source),
      rec.type ~= "unicast" and rec.type or "",
    }
  end,
  run = function(args, out)
    return out:each(args.targets, function(word) return ways(word, args, out) end)
  end,
}
