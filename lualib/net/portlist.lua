-- net.portlist: what is to be scanned: port lists and target words, as text, to numbers and addresses.
-- Nothing large is made: targets are counted, and each address is made when its turn comes.

local core = require "net.core.resolve"
local newerror = require "net.core.error".new
local ip = require "net.ip"

local portlist = {}

-- Ports that servers are found at most often, the most common ones first.
local TOP = {
  tcp = "80 443 22 21 25 53 110 143 3389 445 139 135 8080 23 993 995 587 3306 5432 8443 "
    .. "111 389 465 636 1433 5900 6379 27017 9200 8000 8888 5060 1723 2049 1521 5672 11211 9090 3000 5000 "
    .. "161 179 88 113 119 123 199 427 443 444 500 512 513 514 515 543 548 554 631 646 "
    .. "873 902 990 1025 1080 1194 1720 1883 2000 2082 2083 2121 2181 2222 2375 2376 3128 3260 3268 3690 "
    .. "4369 4443 4444 5001 5061 5222 5269 5357 5601 5666 5800 5901 5984 5985 6000 6443 6667 7001 7070 8008 "
    .. "8009 8081 8086 8088",
  udp = "53 123 161 137 1900 5353 67 500 4500 69 111 514 138 162 1194 3478 5060 520 1434 5683 "
    .. "11211 389 88 443 623 5351 1701 3702 1812 1813 2049 7 9 13 17 19 37 68 177 464 "
    .. "631 853 1645 1646 3391 4789 5355 6081 10000 27015 51820",
}

local function fail(op, text, why)
  local err = newerror(op, "EINVAL", why)
  err.host = text
  return nil, err
end

-- ---- ports

local function first(list, count)
  local ports, seen = {}, {}
  for port in list:gmatch "%d+" do
    if #ports == count then break end
    if not seen[port] then ports[#ports + 1] = math.tointeger(port) end
    seen[port] = true
  end
  return ports
end

local function between(low, high)
  if low < 1 or high > 65535 or low > high then return nil end
  local ports = {}
  for port = low, high do ports[#ports + 1] = port end
  return ports
end

-- One word: "443", "8000-8100", "https", "top20".
local function expand(word, protocol)
  local low, high = word:match "^(%d%d?%d?%d?%d?)%-(%d%d?%d?%d?%d?)$"
  if low then return between(math.tointeger(low), math.tointeger(high)) end
  if word:find "^%d+$" then return #word <= 5 and between(math.tointeger(word), math.tointeger(word)) end
  local count = word:match "^top(%d%d?%d?)$"
  if count then return count:find "[1-9]" and first(TOP[protocol], math.tointeger(count)) end
  return not word:find "%z" and { (core.getservbyname(word, protocol)) } or nil
end

-- Calls f(word, number) for each word of a text, an integer or a list of them; the first answer that is not
-- nil ends it.
local function eachword(value, f)
  if math.type(value) == "integer" then return f(tostring(value), true) end
  if type(value) == "string" then
    local any = false
    for word in value:gmatch "[^,%s]+" do
      any = true
      local answer = f(word)
      if answer ~= nil then return answer end
    end
    return not any and value or nil
  end
  if type(value) ~= "table" then return value == nil and "nil" or value end
  for _, item in ipairs(value) do
    local answer = eachword(item, f)
    if answer ~= nil then return answer end
  end
end

---The ports that a list names, each once, in its order.
function portlist.ports(list, protocol)
  local ports, seen = {}, {}
  local wrong = eachword(list, function(word)
    local some = expand(word, protocol)
    if not some or #some == 0 then return word end
    for _, port in ipairs(some) do
      if not seen[port] then ports[#ports + 1] = port end
      seen[port] = true
    end
  end)
  if wrong == nil then return ports end
  return fail("net.port.parse", tostring(wrong), "no port, range of ports or service")
end

-- ---- targets

-- "10.0.0.1-10.0.0.20", "10.0.0.1-20"
local function range(word)
  local from, to = word:match "^([^-]+)%-([^-]+)$"
  from = from and ip.parse(from)
  if not from or not from.plain then return nil end
  if from.version == 4 and to:find "^%d+$" then to = tostring(from):gsub("%d+$", to) end
  to = ip.parse(to)
  if not to or not to.plain or to.version ~= from.version or to < from then return false end
  return { first = from, count = to - from + 1 }
end

-- All addresses that hosts of the network can have.
local function network(a)
  local from, count = a:first(), a:count()
  if count > 2 then
    from, count = from + 1, a.version == 4 and count - 2 or count - 1
  end
  return { first = from, count = count }
end

-- A range of addresses, a name, or nil and what is wrong.
local function target(word, number)
  if number then return nil, "a number" end
  if word:find("\0", 1, true) then return nil, "text with a NUL byte" end
  local some = range(word)
  if some == false then return nil, "the range ends before it begins, or is none" end
  if some then return some end
  local a = ip.parse(word)
  if a and a.plain then return { first = a, count = 1 } end
  if a then return network(a) end
  if word:find "/" then return nil, "not a network" end
  return { host = word }
end

---What a target, or a list of them, means: ranges {first =, count =} and names {host =}.
function portlist.targets(list, most)
  local targets, why = {}, nil
  local wrong = eachword(list, function(word, number)
    local one
    one, why = target(word, number)
    if one and one.count and one.count > most then
      one, why = nil, ("more than %d addresses: option max_addresses allows more"):format(most)
    end
    if not one then return word end
    targets[#targets + 1] = one
  end)
  if wrong == nil and #targets > 0 then return targets end
  return fail("net.port.count", tostring(wrong), why or "not an address, network, range or name")
end

-- ---- one address after the other, by number

local MEMO = 65536 -- addresses that are kept as text

local function at(ranges, index)
  local low, high = 1, #ranges
  while low < high do
    local middle = (low + high + 1) // 2
    if ranges[middle].before <= index then low = middle else high = middle - 1 end
  end
  local r = ranges[low]
  if r.entry then return r.entry end
  local address = tostring(r.first + (index - r.before))
  return { host = address, address = address }
end

---A function that gives entry 0 to count - 1, {host =, address =} or {host =, err =}, and count.
function portlist.entries(ranges)
  local count, memo = 0, {}
  for _, r in ipairs(ranges) do
    r.before = count
    count = count + (r.count or 1)
  end
  return function(index)
    local entry = memo[index]
    if entry then return entry end
    entry = at(ranges, index)
    if count <= MEMO then memo[index] = entry end
    return entry
  end, count
end

-- ---- order

local ROUNDS = 4

---A random permutation of 0 to n - 1 as a function: a Feistel network over the next even number of bits,
---which goes on from what lies outside until it comes back inside. It takes no room. Each round multiplies
---by a factor of its own: with one for all, rounds undo each other where the numbers are small.
function portlist.permutation(n)
  local half, keys, factors = 1, {}, {}
  while 1 << 2 * half < n do half = half + 1 end
  local mask = (1 << half) - 1
  for round = 1, ROUNDS do keys[round], factors[round] = math.random(0), math.random(0) | 1 end
  return function(index)
    repeat
      local left, right = index >> half, index & mask
      for round = 1, ROUNDS do
        local mixed = (right ~ keys[round]) * factors[round]
        left, right = right, left ~ (mixed >> 32 & mask)
      end
      index = left << half | right
    until index < n
    return index
  end
end

return portlist
