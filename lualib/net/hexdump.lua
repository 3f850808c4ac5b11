-- net.hexdump: bytes as people read them.

local check = require "net.check"

---@class net
local hexdump = {}

local WIDEST = 256
local GROUP = 8 -- columns before a wider gap

-- One line: offset, the bytes in hexadecimal, the bytes as text.
local function line(bytes, offset, width)
  local columns = {}
  for i = 1, width do
    local byte = bytes:byte(i)
    local gap = i > 1 and (i - 1) % GROUP == 0 and " " or ""
    columns[i] = gap .. (byte and ("%02x"):format(byte) or "  ")
  end
  return ("%08x  %s  |%s|"):format(offset, table.concat(columns, " "), (bytes:gsub("[^\x20-\x7e]", ".")))
end

---Shows bytes in the form of `hexdump -C`: offset, hexadecimal, and what of them is printable ASCII. There is
---no newline at the end.
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
  local lines = {}
  for i = 1, #bytes, width do
    lines[#lines + 1] = line(bytes:sub(i, i + width - 1), offset + i - 1, width)
  end
  return table.concat(lines, "\n")
end

return hexdump
