-- hostname: what this host is called, and where names lead.

-- Every family in the order of trying, or the one address that gethostbyname gives. Who asks for the name of
-- an IPv6 address wants no IPv4 address of it.
local function addressesof(name, args)
  if not args.all and not (args.fqdn and name:find ":") then
    local address, err = net.gethostbyname(name, args.timeout)
    if err and err.code == "EAI_ADDRFAMILY" then err.hint = "With --all its addresses are shown." end
    return address and { address }, err
  end
  local list, err = net.getaddrinfo(name, nil, { socktype = "stream", timeout = args.timeout })
  if not list then return nil, err end
  local addresses = {}
  for i, entry in ipairs(list) do addresses[i] = entry.address end
  return addresses
end

local function describe(name, args)
  local addresses, err = addressesof(name, args)
  if not addresses then return nil, err end
  return { host = name, fqdn = net.getfqdn(name, args.timeout), addresses = addresses }
end

-- A host whose own name leads nowhere works all the same.
local function own(args, out)
  local began = net.now()
  local name, err = net.gethostname()
  if not name then return out:fail(nil, err, began) end
  local rec
  rec, err = describe(name, args)
  if not rec then
    out:note(("the name of this host does not resolve: %s"):format(err.message))
    rec = { host = name, fqdn = name, addresses = {} }
  end
  rec.target = name
  out:record(rec, began)
  return 0
end

return {
  summary = "Who am I; where names lead.",
  common = { "time", "targets" },
  examples = { "hostname", "hostname --fqdn --all", "hostname localhost --json" },
  options = function(parser)
    parser:argument("NAME"):args "*":target "targets":description "Names to look up instead of this host's."
    parser:flag "--fqdn":description "Show the full name."
    parser:flag "--all":description "Every address of both families, not the first IPv4 address only."
  end,
  columns = { "host", "fqdn", "addresses" },
  human = function(rec, args) return { args.fqdn and rec.fqdn or rec.host, rec.addresses } end,
  run = function(args, out)
    if #args.targets == 0 and #args.files > 0 then return out:usage "missing NAME" end
    if #args.targets == 0 then return own(args, out) end
    return out:each(args.targets, function(name) return describe(name, args) end)
  end,
}
