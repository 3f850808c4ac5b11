-- net.hexdump: bytes as people read them.

local check = require "net.check"

---@class net
local hexdump = {}

local WIDEST = 256
local GROUP = 8 -- bytes before a wider gap

local HEX = {} -- byte = its two digits and a blank
for byte = 0, 255 do HEX[string.char(byte)] = ("%02x "):format(byte) end

local FULL = ("."):rep(3 * GROUP) -- what a group is in the form of HEX

---Shows bytes in the form of `hexdump -C`: offset, hexadecimal, and what of them is printable ASCII. There is
---no newline at the end. It takes a fifth of a second or so for a megabyte, and lets no other task run.
---@param bytes string
---@param options? {offset: integer?, width: integer?} offset of the first byte, 0 if absent; width: bytes per
--- line, 1 to 256, 16 if absent
---@return string text "" for no bytes
---```lua
---assert(net.hexdump("hi\n", { width = 4 }) == "00000000  68 69 0a     |hi.|")
---```
function hexdump.hexdump(bytes, options)
  if type(bytes) ~= "string" then check.bad("hexdump", 1, "string", bytes) end
  options = check.options("hexdump", 2, options, { offset = { 0, math.maxinteger }, width = { 1, WIDEST } })
  local width, offset = options.width or 16, options.offset or 0
  local hex, text, lines = bytes:gsub(".", HEX), bytes:gsub("[^\x20-\x7e]", "."), {}
  local columns = 3 * width + (width - 1) // GROUP + 1
  for i = 1, #bytes, width do
    local digits = hex:sub(3 * i - 2, 3 * (i + width) - 3):gsub(FULL, "%0 ")
    if #digits < columns then digits = digits .. (" "):rep(columns - #digits) end
    lines[#lines + 1] = ("%08x  %s|%s|"):format(offset + i - 1, digits, text:sub(i, i + width - 1))
  end
  return table.concat(lines, "\n")
end

return hexdump
