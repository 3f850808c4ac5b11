-- gai: what getaddrinfo answers, plainly.

local FLAGS = { "passive", "numerichost", "numericserv", "canonname", "v4mapped", "all", "addrconfig" }
local FAMILIES = { [net.AF_INET] = "inet", [net.AF_INET6] = "inet6" }
local TYPES = { [net.SOCK_STREAM] = "stream", [net.SOCK_DGRAM] = "dgram", [net.SOCK_RAW] = "raw" }

local function flags(word)
  local known, list = {}, {}
  for _, name in ipairs(FLAGS) do known[name] = true end
  for name in (word .. ","):gmatch "([^,]*)," do
    if not known[name:lower()] then
      return nil, ('bad flags "%s": use some of %s'):format(word, table.concat(FLAGS, ","))
    end
    list[#list + 1] = name:lower()
  end
  return list
end

local function service(word)
  if not word:find "^%d+$" or #word < 6 and tonumber(word) < 65536 then return word end
  return nil, ('bad service "%s": use 0 to 65535 or a name such as https'):format(word)
end

local function protocol(number)
  return number == 0 and "ip" or net.getprotobynumber(number) or number
end

local function describe(entry)
  return {
    family = FAMILIES[entry.family], address = entry.address, port = entry.port, scope_id = entry.scope_id,
    socktype = TYPES[entry.socktype] or entry.socktype, protocol = protocol(entry.protocol),
    canonname = entry.canonname,
  }
end

local function endpoint(rec)
  return (rec.family == "inet6" and "[%s]:%d" or "%s:%d"):format(rec.address, rec.port)
end

return {
  summary = "What getaddrinfo answers.",
  common = { "family", "time" },
  examples = { "gai localhost https", "gai 0xc000027b -t stream", "gai fe80::1%lo --json" },
  options = function(parser)
    parser:argument("NAME")
      :description "Name or address; * for none, that is the wildcard address with --flags passive."
    parser:argument("SERVICE"):args "?":convert(service)
      :description "Port or name of a service."
    parser:option "-t --type":argname "TYPE":choices { "stream", "dgram", "raw" }
      :description "stream, dgram or raw; all if absent."
    parser:option "--flags":argname "A,B":convert(flags)
      :description("Some of " .. table.concat(FLAGS, ",") .. ".")
    parser:flag "--strict":description "Refuse addresses such as 127.1 and 0x7f000001."
  end,
  columns = { "family", "address", "port", "socktype", "protocol", "scope_id", "canonname" },
  human = function(rec)
    return { rec.family, endpoint(rec), rec.socktype, rec.protocol, rec.canonname }
  end,
  run = function(args, out)
    return out:each({ args.NAME }, function(name)
      local list, err = net.getaddrinfo(name ~= "*" and name or nil, args.SERVICE, {
        family = args.net.family, socktype = args.type, flags = args.flags, strict = args.strict or false,
        timeout = args.timeout,
      })
      if not list then return nil, err end
      local records = {}
      for i, entry in ipairs(list) do records[i] = describe(entry) end
      return records
    end)
  end,
}
