-- net.text: text for terminals: what came from the network is made harmless, and columns line up.

local text = {}

local NAMED = { [9] = "\\t", [10] = "\\n", [13] = "\\r" }

-- Code points that steer a terminal, or the direction of what stands around them: from, to.
local HOSTILE = {
  { 0x00, 0x1f }, { 0x7f, 0x9f }, { 0x61c, 0x61c }, { 0x200b, 0x200f }, { 0x2028, 0x202e },
  { 0x2060, 0x206f }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb }, { 0xe0000, 0xe007f },
}

-- Code points of no width, and of two columns.
local MARKS = { { 0x300, 0x36f }, { 0x483, 0x489 }, { 0x591, 0x5bd }, { 0x610, 0x61a }, { 0x64b, 0x65f },
  { 0x1ab0, 0x1aff }, { 0x1dc0, 0x1dff }, { 0x20d0, 0x20ff }, { 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f } }
local WIDE = { { 0x1100, 0x115f }, { 0x2e80, 0x303e }, { 0x3041, 0xa4cf }, { 0xa960, 0xa97f },
  { 0xac00, 0xd7a3 }, { 0xf900, 0xfaff }, { 0xfe30, 0xfe6f }, { 0xff00, 0xff60 }, { 0xffe0, 0xffe6 },
  { 0x1f300, 0x1f64f }, { 0x1f680, 0x1f6ff }, { 0x1f900, 0x1f9ff }, { 0x20000, 0x3fffd } }

local function within(ranges, code)
  for _, range in ipairs(ranges) do
    if code >= range[1] and code <= range[2] then return true end
  end
  return false
end

local function harmless(code)
  if NAMED[code] then return NAMED[code] end
  if not within(HOSTILE, code) then return utf8.char(code) end
  return (code < 0x80 and "\\x%02x" or "\\u{%x}"):format(code)
end

---Writes bytes so that they can be shown: control characters, what changes the direction of text and what is
---not UTF-8 become \n, \x1b, \u{202e}.
---@param bytes string
---@return string text valid UTF-8 without anything that a terminal acts on
---```lua
---assert(require("net.text").escape "\27[2Jhi\255" == "\\x1b[2Jhi\\xff")
---```
function text.escape(bytes)
  if not bytes:find "[^\x20-\x7e]" then return bytes end
  local parts, at = {}, 1
  while at <= #bytes do
    local length = utf8.len(bytes, at, at) -- of one character
    local code = length and utf8.codepoint(bytes, at)
    parts[#parts + 1] = code and harmless(code) or ("\\x%02x"):format(bytes:byte(at))
    at = at + (code and #utf8.char(code) or 1)
  end
  return table.concat(parts)
end

---Shortens words that are too long for a message, in the middle.
---@param words string
---@return string words 400 bytes at most
function text.brief(words)
  return #words <= 400 and words or words:sub(1, 240) .. " ... " .. words:sub(-155)
end

---An address and a port in one word: an IPv6 address stands in brackets.
---@param address string
---@param port integer|string
---@return string endpoint
---```lua
---assert(require("net.text").endpoint("::1", 80) == "[::1]:80")
---```
function text.endpoint(address, port)
  return (address:find(":", 1, true) and "[%s]:%s" or "%s:%s"):format(address, port)
end

---Leaves out the blanks at the end, in a time that does not grow with the square of their number, as that of
---the pattern "%s+$" does.
---@param words string
---@return string words
---```lua
---assert(require("net.text").trimend " a b \n" == " a b")
---```
function text.trimend(words)
  return words:match "^.*%S" or ""
end

---Writes bytes so that they can be shown, as escape does, but keeps the ends of lines and tabs.
---@param bytes string
---@return string text
function text.lines(bytes)
  return (bytes:gsub("[^\n\t]+", text.escape))
end

---Replaces what is not UTF-8 by U+FFFD, byte by byte.
---@param bytes string
---@return string text
function text.valid(bytes)
  local length, wrong = utf8.len(bytes)
  if length then return bytes end
  local parts, at = {}, 1
  while wrong do
    parts[#parts + 1] = bytes:sub(at, wrong - 1)
    parts[#parts + 1] = "\u{fffd}"
    at = wrong + 1
    length, wrong = utf8.len(bytes, at) -- luacheck: ignore length
  end
  parts[#parts + 1] = bytes:sub(at)
  return table.concat(parts)
end

---How many columns of a terminal a text takes.
---@param shown string valid UTF-8
---@return integer columns
function text.width(shown)
  if not shown:find "[\x80-\xff]" then return #shown end
  local columns = 0
  for _, code in utf8.codes(shown) do
    if within(WIDE, code) then columns = columns + 2
    elseif not within(MARKS, code) then columns = columns + 1 end
  end
  return columns
end

---Fills a text with blanks up to a width.
---@param shown string
---@param width integer
---@return string padded
function text.pad(shown, width)
  return shown .. (" "):rep(width - text.width(shown))
end

---Breaks a text between words.
---@param words string its blanks and ends of lines are nothing but gaps
---@param width integer columns of a line; a longer word stays whole
---@param indent? integer blanks before all lines but the first
---@return string lines
function text.wrap(words, width, indent)
  local lines, line, empty = {}, "", true
  for word in words:gmatch "%S+" do
    if not empty and text.width(line) + 1 + text.width(word) > width then
      lines[#lines + 1] = line
      line, empty = (" "):rep(indent or 0), true
    end
    line = line .. (empty and "" or " ") .. word
    empty = false
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

---What all texts of a list begin with, as whole characters.
---@param list string[] valid UTF-8
---@return string common
function text.common(list)
  local common = list[1] or ""
  for _, item in ipairs(list) do
    local length = 0
    while length < #common and common:byte(length + 1) == item:byte(length + 1) do length = length + 1 end
    while length > 0 and (item:find("^[\x80-\xbf]", length + 1) or common:find("^[\x80-\xbf]", length + 1)) do
      length = length - 1
    end
    common = common:sub(1, length)
  end
  return common
end

---Arranges a list in columns as even as `ls` makes them, read downwards.
---@param list string[]
---@param width integer columns of the terminal
---@return string rows
function text.inrows(list, width)
  local widest = 0
  for _, item in ipairs(list) do widest = math.max(widest, text.width(item) + 2) end
  local across = math.max((width + 1) // math.max(widest, 1), 1)
  local down = math.max(math.ceil(#list / across), 1)
  local rows = {}
  for row = 1, down do
    local parts = {}
    for at = row, #list, down do parts[#parts + 1] = text.pad(list[at], widest) end
    rows[row] = table.concat(parts):gsub(" +$", "")
  end
  return table.concat(rows, "\n")
end

return text
