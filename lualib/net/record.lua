-- net.record: what tools report, as data: the fields that every record has, and JSON.

local text = require "net.text"

local record = {}

record.VERSION = 1 -- the field v: raised when a field changes its meaning
local DEEPEST = 100

---Stands for null in a record, where a field of a table cannot be nil.
record.null = setmetatable({}, { __name = "null", __tostring = function() return "null" end })

-- ---- bytes and times

local DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function sextets(piece)
  local a, b, c = piece:byte(1, 3)
  local n, chars = a << 16 | (b or 0) << 8 | (c or 0), {}
  for i = 1, 4 do
    local digit = n >> (24 - 6 * i) & 63
    chars[i] = i <= #piece + 1 and DIGITS:sub(digit + 1, digit + 1) or "="
  end
  return table.concat(chars)
end

---Writes bytes as RFC 4648 base64.
---@param bytes string
---@return string text
---```lua
---assert(require("net.record").base64 "hi" == "aGk=")
---```
function record.base64(bytes)
  return (bytes:gsub("..?.?", sextets))
end

---Cuts milliseconds to the microsecond.
---@param ms number
---@return number ms
function record.round(ms)
  if ms - ms ~= 0 then return ms end -- NaN, infinity
  return math.floor(ms * 1000 + 0.5) / 1000
end

---Writes a time as RFC 3339 does, in UTC with milliseconds.
---@param seconds number since 1970
---@return string text "2026-01-01T10:00:00.123Z"
function record.timestamp(seconds)
  local ms = math.floor(seconds * 1000)
  return os.date("!%Y-%m-%dT%H:%M:%S", ms // 1000) .. (".%03dZ"):format(ms % 1000)
end

-- ---- JSON

local ESCAPES = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function escaped(c)
  return ESCAPES[c] or ("\\u%04x"):format(c:byte())
end

-- DEL, the C1 controls and what turns the direction of text are legal in JSON, and escaped all the same: the
-- lines are looked at on terminals.
local function quoted(s)
  if not s:find '[%c"\\\x80-\xff]' then return '"' .. s .. '"' end -- most are plain
  s = text.valid(s):gsub('[%c"\\]', escaped)
  if s:find "[\xc2\xd8\xe2\xef]" then
    s = s:gsub(utf8.charpattern, function(c)
      local code = #c > 1 and utf8.codepoint(c)
      if code and code <= 0xffff and text.escape(c) ~= c then return ("\\u%04x"):format(code) end
    end)
  end
  return '"' .. s .. '"'
end

-- A float is told apart from an integer, and comes back as the same float.
local function number(n)
  if math.type(n) == "integer" then return ("%d"):format(n) end
  if n ~= n or n == math.huge or n == -math.huge then return "null" end
  local shown = ("%.15g"):format(n)
  if tonumber(shown) ~= n then shown = ("%.17g"):format(n) end
  shown = shown:gsub(",", ".")
  return shown:find "[.e]" and shown or shown .. ".0"
end

local function islist(value)
  return value[1] ~= nil or next(value) == nil
end

local encode

local function list(value, indent, depth)
  local parts = {}
  for i, item in ipairs(value) do parts[i] = encode(item, indent, depth + 1) end
  for key in next, value do
    if not parts[key] then error(("a JSON list cannot have the key %s"):format(key), 0) end
  end
  return "[", parts, "]"
end

-- The fields in the order of `first`, the others after them, sorted.
local function keysof(value, first)
  local keys, seen = {}, {}
  for _, key in ipairs(first or {}) do
    if value[key] ~= nil and not seen[key] then
      keys[#keys + 1] = key
      seen[key] = true
    end
  end
  local known = #keys
  for key in pairs(value) do
    if type(key) ~= "string" then error(("a JSON object cannot have the key %s"):format(key), 0) end
    if not seen[key] then keys[#keys + 1] = key end
  end
  local rest = table.move(keys, known + 1, #keys, 1, {})
  table.sort(rest)
  return table.move(rest, 1, #rest, known + 1, keys)
end

-- What the name of a field says of its value: bytes, or milliseconds to be cut to the microsecond.
local function shaped(key, item)
  if key:find "_b64$" and type(item) == "string" then return record.base64(item) end
  if key ~= "ms" and not key:find "_ms$" then return item end
  if math.type(item) == "float" then return record.round(item) end
  if type(item) ~= "table" or item == record.null or not islist(item) then return item end
  local cut = {}
  for i, ms in ipairs(item) do cut[i] = math.type(ms) == "float" and record.round(ms) or ms end
  return cut
end

local function object(value, indent, depth, first)
  local parts = {}
  for i, key in ipairs(keysof(value, first)) do
    local item = shaped(key, value[key])
    parts[i] = quoted(key) .. (indent and ": " or ":") .. encode(item, indent, depth + 1)
  end
  return "{", parts, "}"
end

-- `first` are the keys that lead, of the outermost object only.
encode = function(value, indent, depth, first)
  local kind = type(value)
  if kind == "string" then return quoted(value) end
  if kind == "number" then return number(value) end
  if kind == "boolean" then return tostring(value) end
  if value == nil or value == record.null then return "null" end
  if kind ~= "table" then error(("no JSON for a %s"):format(kind), 0) end
  if depth > DEEPEST then error("JSON nested too deeply, perhaps in a circle", 0) end
  local write = islist(value) and list or object
  local open, parts, close = write(value, indent, depth, first)
  if #parts == 0 or not indent then return open .. table.concat(parts, ",") .. close end
  local pad = "\n" .. indent:rep(depth + 1)
  return open .. pad .. table.concat(parts, "," .. pad) .. "\n" .. indent:rep(depth) .. close
end

---Writes a value as JSON. An empty table is an empty list. Strings become valid UTF-8; a field whose name
---ends in _b64 is written as base64 of its bytes; milliseconds, in `ms` and fields whose names end in _ms,
---are cut to the microsecond; NaN and the infinities are null.
---@param value any
---@param pretty? boolean over several lines
---@param first? string[] the keys that come first
---@return string json raises for functions, for tables within themselves and for lists that have other keys
---```lua
---assert(require("net.record").json { a = 1, b = 2.0 } == '{"a":1,"b":2.0}')
---```
function record.json(value, pretty, first)
  return encode(value, pretty and "  " or nil, 0, first)
end

-- ---- errors

local FIELDS = { "kind", "code", "op", "message", "errno", "address", "host", "port", "ms",
  "reason", "depth", "alert" }

---An error as the field `error` of a record.
---@param err net.error
---@return table fields kind, code, op, message; where known errno, address, host, port, ms, partial_b64,
--- attempts, cause, and reason, depth, alert of a handshake
function record.error(err)
  local fields = {}
  for _, name in ipairs(FIELDS) do fields[name] = err[name] end
  if fields.ms then fields.ms = record.round(fields.ms) end
  if type(err.partial) == "string" then fields.partial_b64 = err.partial end
  if err.cause then fields.cause = record.error(err.cause) end
  for i, attempt in ipairs(err.attempts or {}) do
    fields.attempts = fields.attempts or {}
    fields.attempts[i] = record.error(attempt)
  end
  return fields
end

return record
