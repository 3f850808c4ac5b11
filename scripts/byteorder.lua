-- byteorder: numbers in the order of this host and in that of the network.

local ENDIAN = string.pack("=I2", 1) == "\1\0" and "little" or "big"
local SIZES = { 16, 32, 64 }
local CONVERT = {
  [16] = { net.htons, net.ntohs }, [32] = { net.htonl, net.ntohl }, [64] = { net.hton64, net.ntoh64 },
}

-- All 64 bits count: a number from 2^63 on is a negative integer of Lua.
local function fromdecimal(digits)
  local n = 0
  for digit in digits:gmatch "%d" do
    local more = n * 10 + math.tointeger(tonumber(digit))
    if math.ult(1844674407370955161, n) or math.ult(more, n) then return nil end
    n = more
  end
  return n
end

local function todecimal(n)
  if n >= 0 then return tostring(n) end
  local tens = (n >> 1) // 5
  return ("%d%d"):format(tens, n - tens * 10)
end

local function parse(word)
  local digits = word:match "^0[xX]0*(%x*)$"
  if not digits then return word:find "^%d+$" and fromdecimal(word) end
  if #digits <= 16 and #word > 2 then return digits == "" and 0 or tonumber(digits, 16) end
end

local function fits(n, size)
  return size == 64 or n >= 0 and n < 1 << size
end

local function smallest(n)
  for _, size in ipairs(SIZES) do
    if fits(n, size) then return size end
  end
end

-- Numbers of 64 bits are text in records: many readers of JSON keep 53 of them.
local function written(n, size)
  return size == 64 and todecimal(n) or n
end

local function describe(word, size, fromnet)
  local n = parse(word)
  size = size or n and smallest(n)
  if not n or not fits(n, size) then return nil end
  local tonet, tohost = table.unpack(CONVERT[size])
  local host = fromnet and tohost(n) or n
  local wire = tonet(host)
  local hex = string.pack("=I" .. size // 8, wire):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  return {
    value = written(n, size), host = written(host, size), net = written(wire, size), hex = hex, size = size,
    endian = ENDIAN,
  }
end

local function spaced(hex)
  return (hex:gsub("%x%x", "%0 "):sub(1, -2))
end

local function hexof(n, size)
  return ("0x%%0%dx"):format(size // 4):format(parse(tostring(n)))
end

return {
  summary = "Numbers in host and network order.",
  common = { "file" },
  examples = { "byteorder 1", "byteorder 80 443 --size 16", "byteorder 0x0100 --from net --json" },
  notes = "Without --size it is the smallest that holds the number. In records, numbers of 64 bits are text.",
  needs = "VALUE",
  options = function(parser)
    parser:argument("VALUE"):args "*":target "targets":description "Decimal or 0x hexadecimal, not negative."
    parser:option "--size":argname "BITS":choices { "16", "32", "64" }:description "16, 32 or 64."
    parser:option "--from":argname "ORDER":choices { "host", "net" }
      :description "What VALUE is in: host or net."
  end,
  columns = { "size", "value", "host", "net", "hex", "endian" },
  human = function(rec)
    return { ("%d-bit"):format(rec.size), ("host %s %s"):format(rec.host, hexof(rec.host, rec.size)),
      ("net %s %s"):format(rec.net, hexof(rec.net, rec.size)), "bytes " .. spaced(rec.hex) }
  end,
  run = function(args, out)
    local size = args.size and math.tointeger(tonumber(args.size))
    local records = {}
    for i, word in ipairs(args.targets) do
      records[i] = describe(word, size, args.from == "net")
      if not records[i] then
        local form = "use 0 to 2^%d-1, or 0x and hexadecimal digits"
        return out:usage(('bad value "%s": ' .. form):format(word, size or 64))
      end
    end
    for i, rec in ipairs(records) do
      rec.target = args.targets[i]
      out:record(rec)
    end
    return 0
  end,
}
