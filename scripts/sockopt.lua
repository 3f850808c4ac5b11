-- sockopt: socket options as the kernel sees them.

local NOTES = { SO_SNDBUF = "Linux doubles it", SO_RCVBUF = "Linux doubles it" }
local WORDS = { on = true, yes = true, ["true"] = true, ["1"] = true,
  off = false, no = false, ["false"] = false, ["0"] = false }
local LEVELS = { SO = "SOL_SOCKET", IP = "IPPROTO_IP", IPV6 = "IPPROTO_IPV6", TCP = "IPPROTO_TCP",
  UDP = "IPPROTO_UDP", MCAST = "IPPROTO_IP" }

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function plain(kind, value)
  if value == nil then return nil end
  if kind == "bytes" or kind == "filter" then return hex(value) end
  return value
end

-- A socket like those that net.options looks at: datagrams for UDP, IP and IPv6.
local function socketfor(name, udp)
  local family = name:find "^IPV6_" and "inet6" or "inet"
  local datagram = udp or name:find "^UDP_" or name:find "^IP_" or name:find "^IPV6_" or name:find "^MCAST_"
  return net.socket(family, datagram and "dgram" or "stream")
end

-- ---- what is asked for, by kind of option

local read = {}

function read.boolean(word)
  return WORDS[word:lower()], "on or off"
end

function read.integer(word)
  local digits = word:find "^0[xX]%x+$" and #word <= 18 or word:find "^%-?%d+$"
  if digits then return math.tointeger(tonumber(word)), "an integer" end
  return word:find "^%u[%u%d_]+$" and net[word] or nil, "an integer"
end

function read.time(word)
  return (net.tool.duration(word)), "a time such as 5 or 300ms"
end

function read.linger(word)
  if WORDS[word:lower()] == false and word ~= "0" then return false end
  local seconds = word:find "^%d+$" and math.tointeger(tonumber(word))
  return seconds and { on = true, seconds = seconds } or nil, "off, or seconds"
end

function read.text(word)
  return word
end

function read.interface(word)
  if word:lower() == "off" then return false end
  return net.tool.interface(word)
end

function read.membership(word)
  local parts = {}
  for part in (word .. ","):gmatch "([^,]*)," do parts[#parts + 1] = part ~= "" and part or false end
  if not parts[1] or #parts > 3 then return nil, "GROUP[,INTERFACE[,SOURCE]]" end
  return { group = parts[1], interface = parts[2] or nil, source = parts[3] or nil }
end

function read.bytes(word)
  if #word % 2 ~= 0 or word:find "[^%x]" then return nil, "bytes in hexadecimal" end
  return (word:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

-- ---- one option

local function describe(option)
  return {
    name = option.name, level = LEVELS[option.name:match "^%u+%d?"] or option.level, type = option.kind,
    default = plain(option.kind, option.value), explanation = option.explanation,
  }
end

-- Sets it on a fresh socket and reads it back. record | nil, net.error
local function set(option, asked, udp)
  local s <close>, err = socketfor(option.name, udp)
  if not s then return nil, err end
  local good
  good, err = s:setsockopt(option.name, asked)
  if not good then return nil, err end
  local rec = describe(option)
  rec.asked, rec.value = plain(option.kind, asked), plain(option.kind, (s:getsockopt(option.name)))
  return rec
end

-- {text, option, asked} | nil, message
local function request(word, known)
  local name, value = word:match "^([^=]*)=(.*)$"
  local option = known[(name or word):upper()]
  if not option then return nil, ('unknown option "%s": netlua sockopt lists them'):format(name or word) end
  if not value then return { text = option.name, option = option } end
  local reader = read[option.kind]
  if not reader then return nil, ("%s cannot be set here"):format(option.name) end
  local asked, form = reader(value)
  if asked == nil then return nil, ('bad value "%s" for %s: use %s'):format(value, option.name, form) end
  return { text = option.name, option = option, asked = asked, given = true }
end

local function optionlist(udp)
  if not udp then return net.options() end
  local s <close>, err = net.udp {}
  if not s then return nil, err end
  return net.options(s)
end

local function shown(value)
  if type(value) ~= "table" then return value end
  if value.on ~= nil then return value.on and ("on %d s"):format(value.seconds) or "off" end
  if value.state then return value.state end
  local parts = {}
  for name, item in pairs(value) do parts[#parts + 1] = ("%s=%s"):format(name, item) end
  table.sort(parts)
  return table.concat(parts, " ")
end

local function labeled(label, value)
  if value == nil then return "" end
  value = shown(value)
  if type(value) == "boolean" then value = value and "on" or "off" end
  if value == "" then value = '""' end
  if math.type(value) == "float" then value = ("%.15g"):format(value) end
  return ("%s %s"):format(label, value)
end

return {
  summary = "Socket options as the kernel sees them.",
  examples = { "sockopt", "sockopt so_sndbuf=65536", "sockopt TCP_NODELAY=on --explain",
    "sockopt --udp --json" },
  notes = "Values are set on a fresh socket and read back: on or off, a number, a time such as 5 or 300ms, "
    .. "off or seconds for SO_LINGER, an interface, GROUP[,INTERFACE[,SOURCE]], bytes in hexadecimal.",
  options = function(parser)
    parser:argument("NAME[=VALUE]"):args "*":target "targets"
      :description "Options to read, or to set and read."
    parser:flag "--udp":description "On a UDP socket."
    parser:flag "--explain":description "Say what each means."
  end,
  columns = { "name", "level", "type", "default", "asked", "value" },
  human = function(rec, args)
    local note = NOTES[rec.name] and rec.asked and rec.value == 2 * rec.asked
    return {
      rec.name, labeled("default", rec.default), labeled("asked", rec.asked), labeled("kernel", rec.value),
      note and ("(%s)"):format(NOTES[rec.name]) or "", args.explain and rec.explanation or "",
    }
  end,
  run = function(args, out)
    local list, err = optionlist(args.udp)
    if not list then return out:fail(nil, err) end
    local known, requests = {}, {}
    for _, option in ipairs(list) do known[option.name] = option end
    for i, word in ipairs(args.targets) do
      local message
      requests[i], message = request(word, known)
      if not requests[i] then return out:usage(message) end
    end
    for i, option in ipairs(#args.targets == 0 and list or {}) do
      requests[i] = { text = option.name, option = option }
    end
    return out:each(requests, function(wanted)
      if not wanted.given then return describe(wanted.option) end
      local good, rec, failed = pcall(set, wanted.option, wanted.asked, args.udp)
      if good and not rec then return nil, failed, 1 end
      if good then return rec end
      if type(rec) ~= "string" then error(rec, 0) end
      local message = rec:gsub("^.-%((.*)%)$", "%1")
      return nil, { code = "EINVAL", kind = "address", op = "setsockopt", message = message }, 2
    end)
  end,
}
