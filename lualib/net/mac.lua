-- net.mac: hardware addresses of 6 bytes (EUI-48) or 8 (EUI-64).

local fail = require "net.core.error".new
local check = require "net.check"

---A hardware address, as net.mac.parse gives it. `tostring` gives the colon form; equal if their bytes are,
---ordered by them.
---@class net.mac.address
---@field raw string the bytes
local address = {}

---Hardware addresses of 6 bytes (EUI-48) or 8 (EUI-64). `net.mac "00:11:32:3c:c3:0b"` is for addresses in
---the script itself: text that is none raises.
---@class net.mac
local mac = {}
local meta = { __index = address, __name = "net.mac" }

-- style = separator and how many bytes stand between two
local STYLES = { colon = { ":", 1 }, dash = { "-", 1 }, dot = { ".", 2 }, bare = { "", 8 } }

local function new(raw)
  return setmetatable({ raw = raw }, meta)
end

local function counted(n)
  return n == 6 or n == 8
end

---Makes an object of bytes.
---@param bytes string 6 or 8; any other count raises
---@return net.mac.address mac
---```lua
---assert(tostring(net.mac.frombytes "\0\17\50\60\195\11") == "00:11:32:3c:c3:0b")
---```
function mac.frombytes(bytes)
  if type(bytes) ~= "string" then check.bad("frombytes", 1, "string", bytes) end
  if not counted(#bytes) then check.bad("frombytes", 1, "6 or 8 bytes", #bytes) end
  return new(bytes)
end

local function render(raw, style, upper)
  local separator, size = table.unpack(STYLES[style])
  local groups = {}
  for i = 1, #raw, size do
    groups[#groups + 1] = raw:sub(i, i + size - 1):gsub(".", function(c) return ("%02x"):format(c:byte()) end)
  end
  local text = table.concat(groups, separator)
  return upper and text:upper() or text
end

-- Only what comes out again the same, in one style or another, is an address.
local function read(text)
  local digits = text:gsub("[:.-]", "")
  if digits:find "[^%x]" or not counted(#digits / 2) then return nil end
  local raw = digits:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end)
  for style in pairs(STYLES) do
    if render(raw, style) == text:lower() then return raw end
  end
end

---Reads a hardware address in any of the four styles: 00:11:32:3c:c3:0b, 00-11-32-3C-C3-0B, 0011.323c.c30b,
---0011323cc30b; or the same of 8 bytes.
---@param text string
---@return net.mac.address? mac
---@return net.error? err EINVAL
---```lua
---assert(net.mac.parse("0011.323C.C30B") == net.mac.parse("00:11:32:3c:c3:0b"))
---```
function mac.parse(text)
  if type(text) ~= "string" then check.bad("parse", 1, "string", text) end
  local raw = read(text)
  if raw then return new(raw) end
  local err = fail("net.mac.parse", "EINVAL", "not a hardware address")
  err.address = text
  err.hint = "It is 6 or 8 bytes in hexadecimal, with colons, dashes, dots or nothing between."
  return nil, err
end

---Gives the bytes of a hardware address.
---@param text net.mac.address|string
---@return string? bytes 6 or 8
---@return net.error? err EINVAL
---```lua
---assert(net.mac.bytes("00:11:32:3c:c3:0b") == "\0\17\50\60\195\11")
---```
function mac.bytes(text)
  if getmetatable(text) == meta then return text.raw end
  if type(text) ~= "string" then check.bad("bytes", 1, "hardware address", text) end
  local parsed, err = mac.parse(text)
  if not parsed then return nil, err end
  return parsed.raw
end

local function checkstyle(arg, style)
  if style == nil then return "colon" end
  if not STYLES[style] then check.bad("format", arg, '"colon", "dash", "dot" or "bare"', style) end
  return style
end

---Writes the bytes of a hardware address as text.
---@param bytes net.mac.address|string 6 or 8 bytes; any other count raises
---@param style? "colon"|"dash"|"dot"|"bare" colon if absent
---@param upper? boolean with capital letters
---@return string text
---```lua
---assert(net.mac.format("\0\17\50\60\195\11", "dash", true) == "00-11-32-3C-C3-0B")
---```
function mac.format(bytes, style, upper)
  if getmetatable(bytes) == meta then bytes = bytes.raw end
  if type(bytes) ~= "string" then check.bad("format", 1, "string", bytes) end
  if not counted(#bytes) then check.bad("format", 1, "6 or 8 bytes", #bytes) end
  style = checkstyle(2, style)
  check.boolean("format", 3, upper)
  return render(bytes, style, upper)
end

---The bytes.
---@return string bytes 6 or 8
---```lua
---assert(net.mac.parse("00:11:32:3c:c3:0b"):bytes() == "\0\17\50\60\195\11")
---```
function address:bytes()
  return self.raw
end

---The address as text in a style.
---@param style? "colon"|"dash"|"dot"|"bare" colon if absent
---@param upper? boolean with capital letters
---@return string text
---```lua
---assert(net.mac.parse("00:11:32:3c:c3:0b"):format("bare") == "0011323cc30b")
---```
function address:format(style, upper)
  style = checkstyle(1, style)
  check.boolean("format", 2, upper)
  return render(self.raw, style, upper)
end

---Whether it is the address of a group, broadcast included.
---@return boolean answer
---```lua
---assert(net.mac.parse("01:00:5e:00:00:01"):is_multicast())
---```
function address:is_multicast()
  return self.raw:byte() & 1 ~= 0
end

---Whether somebody made it up locally, such as the random ones of phones and virtual machines.
---@return boolean answer
---```lua
---assert(net.mac.parse("02:00:00:00:00:01"):is_local())
---```
function address:is_local()
  return self.raw:byte() & 2 ~= 0
end

---The three bytes that stand for the manufacturer.
---@return string text "00:11:32"
---```lua
---assert(net.mac.parse("0011323cc30b"):oui() == "00:11:32")
---```
function address:oui()
  return render(self.raw:sub(1, 3), "colon")
end

---The address as EUI-64: of 6 bytes with ff:fe in the middle, of 8 as it is.
---@return net.mac.address mac
---```lua
---assert(tostring(net.mac.parse("0011323cc30b"):eui64()) == "00:11:32:ff:fe:3c:c3:0b")
---```
function address:eui64()
  if #self.raw == 8 then return self end
  return new(self.raw:sub(1, 3) .. "\xff\xfe" .. self.raw:sub(4))
end

---The link-local IPv6 address made of it.
---@return net.ip.address address
---```lua
---assert(tostring(net.mac.parse("0011323cc30b"):link_local()) == "fe80::211:32ff:fe3c:c30b")
---```
function address:link_local()
  return (require("net.ip").eui64(self))
end

function meta:__tostring()
  return render(self.raw, "colon")
end

function meta.__concat(a, b)
  return tostring(a) .. tostring(b)
end

local function rawof(value)
  if getmetatable(value) ~= meta then error("hardware addresses compare with their like", 3) end
  return value.raw
end

-- By bytes, whatever the locale says.
local function before(a, b)
  local first, second = (">I6"):unpack(a), (">I6"):unpack(b)
  if first ~= second then return first < second end
  return #a < #b or #a == 8 and #b == 8 and a:byte(7) * 256 + a:byte(8) < b:byte(7) * 256 + b:byte(8)
end

function meta.__eq(a, b)
  return getmetatable(a) == getmetatable(b) and a.raw == b.raw
end

function meta.__lt(a, b)
  return before(rawof(a), rawof(b))
end

function meta.__le(a, b)
  return not before(rawof(b), rawof(a))
end

-- net.mac "00:11:32:3c:c3:0b" is for literals: text that is none raises.
return setmetatable(mac, { __call = function(_, text)
  if getmetatable(text) == meta then return text end
  local parsed = type(text) == "string" and mac.parse(text)
  return parsed or check.bad("net.mac", 1, "hardware address", text)
end })
