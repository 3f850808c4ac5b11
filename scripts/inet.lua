-- inet: addresses as text, bytes and networks.

local MOST = 65536 -- rows of one --split or --hosts

local function fromhex(word)
  if #word ~= 8 and #word ~= 32 or word:find "[^%x]" then return nil end
  return net.ip.frombytes((word:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end)))
end

-- net.ip | nil, net.error
local function read(word, args)
  local found = args.hex and fromhex(word)
  if found then return found end
  return net.ip.parse(word, { legacy = args.legacy or false })
end

local function hex(address)
  return (address:bytes():gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

-- What net.ip's hosts() would give, counted.
local function hostcount(network)
  local count, free = network:count(), (network.version == 4 and 32 or 128) - network.prefix
  if free < 2 then return count end
  return count - (network.version == 4 and 2 or 1)
end

local function text(value)
  return value and tostring(value) or nil
end

local function describe(address)
  local rec = {
    address = text(address:address()), family = address.version == 4 and "inet" or "inet6",
    hex = hex(address), class = address:classify(), ptr = address:address():reverse(),
  }
  if not address.plain then
    rec.prefix, rec.network = address.prefix, text(address:first())
    rec.broadcast, rec.hosts = text(address:broadcast()), hostcount(address)
  end
  return rec
end

-- The rows of an iterator over addresses or networks; nil if they are too many.
local function rows(iterator, count)
  if count > MOST then return nil end
  local records = {}
  for address in iterator do records[#records + 1] = describe(address) end
  return records
end

local function expand(address, args)
  if args.hosts then return rows(address:hosts(), hostcount(address)) end
  return rows(address:split(args.split), 2.0 ^ (args.split - address.prefix))
end

-- What is wrong with --split for these networks, if anything is.
local function checkrows(list, args)
  for _, address in ipairs(list) do
    local bits = address.version == 4 and 32 or 128
    local n = args.split
    if n and (n < address.prefix or n > bits) then
      return ("--split /%d does not divide %s: use /%d to /%d"):format(n, address, address.prefix, bits)
    end
    local count = args.hosts and hostcount(address) or n and 2.0 ^ (n - address.prefix) or 0
    if count > MOST then return ("%s makes more than %d rows"):format(address, MOST) end
  end
end

local function wrongword(word, out)
  return out:usage(('bad address "%s": use 192.0.2.1, 2001:db8::1 or 10.0.0.0/8'):format(word))
end

-- list | nil, status: every word is read before anything is said
local function readall(args, out)
  local list = {}
  for i, word in ipairs(args.targets) do
    list[i] = read(word, args)
    if not list[i] then return nil, wrongword(word, out) end
  end
  return list
end

local function prefix(word)
  local n = word:match "^/?(%d%d?%d?)$"
  if n and tonumber(n) <= 128 then return math.tointeger(tonumber(n)) end
  return nil, ('bad prefix "%s": use /26'):format(word)
end

local function one(address, args)
  if args.hosts or args.split then return expand(address, args) end
  local rec = describe(address)
  if not args.contains then return rec end
  rec.contains = address:contains(args.contains)
  return rec, rec.contains and 0 or 1
end

return {
  summary = "Addresses as text, bytes and networks.",
  common = { "file" },
  examples = { "inet 192.168.1.1/24", "inet 10.0.0.0/8 --contains 10.1.2.3", "inet 192.0.2.0/24 --split /26",
    "inet 0xc000027b --legacy" },
  notes = "An address is read strictly; --legacy takes the old forms of inet_aton too.",
  needs = "ADDRESS",
  options = function(parser)
    parser:argument("ADDRESS"):args "*":target "targets":description "Address, or network such as 10.0.0.0/8."
    parser:option "--contains":argname "ADDR":description "Whether the networks have this one: exit 0 or 1."
    parser:option "--split":argname "/N":convert(prefix):description "The networks of that prefix inside."
    parser:flag "--hosts":description "The addresses that hosts can have."
    parser:flag "--sort":description "In order of version, number and size."
    parser:flag "--hex":description "Take 8 or 32 hexadecimal digits as an address, too."
    parser:flag "--legacy":description "Take 0xc000027b, 127.1, 010.0.0.1, too."
  end,
  columns = { "address", "prefix", "network", "broadcast", "hosts", "hex", "class", "ptr", "contains" },
  human = function(rec)
    local function labeled(label, value) return value and label .. " " .. value or "" end
    local contains = rec.contains and "contains it" or rec.contains == false and "does not contain it" or ""
    return {
      rec.prefix and ("%s/%d"):format(rec.address, rec.prefix) or rec.address, labeled("net", rec.network),
      labeled("broadcast", rec.broadcast), labeled("hosts", rec.hosts and ("%.15g"):format(rec.hosts)),
      labeled("hex", rec.hex), rec.class, labeled("ptr", rec.ptr), contains,
    }
  end,
  run = function(args, out)
    if args.contains then
      local wanted = read(args.contains, args)
      if not wanted then return wrongword(args.contains, out) end
      args.contains = wanted
    end
    local list, status = readall(args, out)
    if not list then return status end
    local wrong = checkrows(list, args)
    if wrong then return out:usage(wrong) end
    if args.sort then net.ip.sort(list) end
    return out:each(list, function(address) return one(address, args) end)
  end,
}
