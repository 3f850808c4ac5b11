-- net.convert: the words of a command line as values: converters of net.tool, for argparse. Each gives nil
-- and a message that shows the word and the form it should have.

local check = require "net.check"
local text = require "net.text"

---What net.tool.target reads.
---@class net.tool.target
---@field text string as it was given, without user and password
---@field kind "host"|"url"|"unix"
---@field host? string name or address, without brackets
---@field port? integer
---@field scheme? string of a URL, in lower case
---@field path? string of a unix socket

---@class net.tool
local convert = {}

local LONGEST = 2 ^ 31 -- seconds
local LARGEST = 1 << 53 -- bytes
local MOST = 65535

local function bad(what, word, form)
  local quoted = '"' .. text.escape(text.brief(word)) .. '"'
  if word:find "^=" then form = form .. ', with a blank instead of "="' end
  return nil, ("bad %s %s: use %s"):format(what, quoted, form)
end

local SECONDS = { [""] = 1, us = 1e-6, ms = 1e-3, s = 1, m = 60, h = 3600, d = 86400 }

---A time in seconds.
---@param word string "5", "0.3", "300ms", "2m", "1h"
---@return number? seconds
---@return string? message
---```lua
---assert(net.tool.duration "300ms" == 0.3)
---```
function convert.duration(word)
  check.bytes("duration", 1, word)
  local digits, unit = word:match "^(%d*%.?%d*)(%a*)$"
  local n = digits and tonumber(digits)
  if n and SECONDS[unit] and n * SECONDS[unit] <= LONGEST then return n * SECONDS[unit] end
  return bad("duration", word, "5, 300ms, 2m")
end

local BYTES = { [""] = 1, k = 1 << 10, m = 1 << 20, g = 1 << 30, t = 1 << 40 }

---A number of bytes; k, M, G and T are powers of 1024.
---@param word string "512", "64k", "10M"
---@return integer? bytes
---@return string? message
---```lua
---assert(net.tool.size "64k" == 65536)
---```
function convert.size(word)
  check.bytes("size", 1, word)
  local digits, unit = word:match "^(%d+)(%a?)$"
  local factor = unit and BYTES[unit:lower()]
  local n = factor and #digits <= 16 and math.tointeger(tonumber(digits))
  if n and n <= LARGEST // factor then return n * factor end
  return bad("size", word, "512, 64k, 10M")
end

-- A number within bounds, or a name of the system's list of services.
local function port(word, low)
  local n = word:find "^%d+$" and #word < 6 and math.tointeger(tonumber(word))
  if not n and word:find "^%a[%w_.-]*$" then n = net.getservbyname(word) end
  if n and n >= low and n <= MOST then return n end
end

---A port to talk to, as number or name.
---@param word string "443", "https"
---@return integer? port 1 to 65535
---@return string? message
---```lua
---assert(net.tool.port "https" == 443)
---```
function convert.port(word)
  check.bytes("port", 1, word)
  local n = port(word, 1)
  if n then return n end
  return bad("port", word, "1 to 65535 or a service name such as https")
end

---A port to listen on.
---@param word string "8080", "0" for a free one
---@return integer? port 0 to 65535
---@return string? message
---```lua
---assert(net.tool.listenport "0" == 0 and not net.tool.port "0")
---```
function convert.listenport(word)
  check.bytes("listenport", 1, word)
  local n = port(word, 0)
  if n then return n end
  return bad("port", word, "0 to 65535 or a service name such as https")
end

local function range(item)
  local first, last = item:match "^(%d+)%-(%d+)$"
  first, last = port(first or item, 1), port(last or item, 1)
  if first and last and first <= last then return first, last end
end

---Several ports.
---@param word string "22,80,8000-8100,https"
---@return integer[]? ports in the order given, each once
---@return string? message
---```lua
---assert(#net.tool.ports "22,8000-8100" == 102)
---```
function convert.ports(word)
  check.bytes("ports", 1, word)
  local list, seen = {}, {}
  for item in (word .. ","):gmatch "([^,]*)," do
    local first, last = range(item)
    if not first then return bad("ports", word, "443, https or 22,80,8000-8100") end
    for n = first, last do
      if not seen[n] then list[#list + 1] = n end
      seen[n] = true
    end
  end
  return list
end

---A number within bounds, for an option of a tool.
---@param low integer
---@param high integer
---@return fun(word: string): integer?, string? converter
---```lua
---assert(net.tool.integer(0, 255) "64" == 64)
---```
function convert.integer(low, high)
  check.integer("integer", 1, low, math.mininteger, math.maxinteger)
  check.integer("integer", 2, high, math.mininteger, math.maxinteger)
  return function(word)
    local n = #word < 20 and word:find "^%-?%d+$" and math.tointeger(tonumber(word))
    if n and n >= low and n <= high then return n end
    return bad("number", word, ("%d to %d"):format(low, high))
  end
end

---A numeric address, perhaps with a zone.
---@param word string "192.0.2.1", "2001:db8::1", "fe80::1%eth0"
---@return string? address as it is
---@return string? message
---```lua
---assert(net.tool.address "::1" == "::1" and not net.tool.address "127.1")
---```
function convert.address(word)
  check.bytes("address", 1, word)
  local parsed = net.ip.parse(word)
  if parsed and parsed.plain then return word end
  return bad("address", word, "192.0.2.1 or 2001:db8::1")
end

---An interface, as name or index.
---@param word string "lo", "1"
---@return string|integer|nil interface as net.connect and others take it
---@return string? message
---```lua
---assert(net.tool.interface "lo" == "lo" and net.tool.interface "1" == 1)
---```
function convert.interface(word)
  check.bytes("interface", 1, word)
  local none = word == "" or word == "*" or word:find "\0" -- * is any interface to the library
  if none then return bad("interface", word, "a name such as lo, or an index") end
  local index = word:find "^%d+$" and math.tointeger(tonumber(word))
  return index and index >= 1 and index <= 0x7fffffff and index or word -- a name that nothing has
end

-- "host:port", "[v6]:port" or a host alone. An IPv6 address needs no brackets where no port follows. A colon
-- in brackets is no part of the pattern: of many each would be tried with all the others.
local function endpoint(word)
  local host, rest = word:match "^%[([^%[%]]*)%](.*)$"
  local bracketed = host and host:find(":", 2, true)
  if bracketed and rest == "" then return host end
  if bracketed then return host, rest:match "^:(.+)$" or "" end
  if net.inet_pton("inet6", (word:gsub("%%[^%%]+$", ""))) then return word end
  host, rest = word:match "^([^:]*):([^:]*)$"
  if host then return host, rest end
  return word
end

local LONGESTPATH = 107 -- bytes, unix(7)
local FORM = "a name, an address, host:port, [v6]:port, a URL or unix:/path"

-- `shown` stands for the word in messages, and in the target.
local function authority(word, shown)
  local host, service = endpoint(word)
  local number = service and port(service, 1)
  local wrong = host == "" or host:find "[/%[%]@]" or host:find ":" and not net.ip.parse(host)
  if wrong or service and not number then return bad("target", shown, FORM) end
  return { text = shown, kind = "host", host = host, port = number }
end

-- RFC 3986, as far as a connection needs it. What stands before "@" is a secret, and not repeated.
local function url(scheme, rest)
  local place, path = rest:match "^([^/?#]*)(.*)$"
  place = place:match "@([^@]*)$" or place
  local target, message = authority(place, ("%s://%s%s"):format(scheme, place, path))
  if not target then return nil, message end
  target.kind, target.scheme = "url", scheme:lower()
  target.port = target.port or net.getservbyname(target.scheme, "tcp")
  return target
end

---What a tool is pointed at. The port of a URL is that of its scheme where it names none; user and password
---are left out of `text`.
---@param word string name, address, "host:port", "[v6]:port", URL, "unix:/path"
---@return net.tool.target? target
---@return string? message
---```lua
---local target = net.tool.target "[::1]:https"
---assert(target.host == "::1" and target.port == 443)
---```
function convert.target(word)
  check.bytes("target", 1, word)
  if word == "" or word:find "[%c%s]" then return bad("target", word, FORM) end
  local path = word:match "^unix:(.+)$"
  if path and #path > LONGESTPATH then return bad("target", word, "a path of at most 107 bytes") end
  if path then return { text = word, kind = "unix", path = path } end
  local scheme, rest = word:match "^(%a[%w+.-]*)://(.+)$"
  if scheme then return url(scheme, rest) end
  return authority(word, word)
end

return convert
