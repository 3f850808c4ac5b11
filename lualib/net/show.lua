-- net.show: values as the prompt prints them. Nothing here runs code of the value but __tostring, which has
-- little time; whatever came from the network is escaped.

local text = require "net.text"

local show = {}

local DEPTH, ITEMS, WIDTH = 4, 40, 80
local SHORT = 64        -- bytes of a string that is no text, beyond which it is a dump
local LONG = 4096       -- bytes of a string beyond which its head is shown
local HEAD = 256        -- bytes of that head, or of a string inside a table
local COLUMNS = 8       -- fields of records that are shown as a table
local PATIENCE = 100000 -- instructions that a __tostring may take

-- ---- strings

local function quoted(s)
  return '"' .. text.escape((s:gsub('[\\"]', "\\%0"))) .. '"'
end

-- Letters, marks, line ends and tabs: what a person may have written.
local function istext(s)
  return utf8.len(s) and not s:find "[\0-\8\11\12\14-\31\127]"
end

local function shortstring(s)
  if #s <= HEAD then return quoted(s) end
  return ("%s..  -- %d bytes"):format(quoted(s:sub(1, HEAD)), #s)
end

-- A string that is a result of its own: text as it is.
local function fullstring(s)
  if istext(s) and #s <= LONG then return (s:gsub("[^\n\t]+", text.escape)) end
  if istext(s) then return ("%s..  -- %d bytes"):format(quoted(s:sub(1, HEAD)), #s) end
  if #s <= SHORT then return ("%s  -- %d byte%s"):format(quoted(s), #s, #s == 1 and "" or "s") end
  local dump = require("net.hexdump").hexdump(s:sub(1, #s <= LONG and #s or HEAD))
  return ("%s\n-- %d bytes"):format(dump, #s)
end

-- ---- what is no table

local function number(n)
  if math.type(n) == "integer" then return tostring(n) end
  if n ~= n then return "0/0" end
  if n == math.huge or n == -math.huge then return n > 0 and "math.huge" or "-math.huge" end
  return ("%.14g"):format(n):gsub("^%-?%d+$", "%0.0")
end

local function signature(f)
  local info = debug.getinfo(f, "Su")
  if info.what == "C" then return "function: built in" end
  local names = {}
  for index = 1, info.nparams do names[index] = debug.getlocal(f, index) end
  if info.isvararg then names[#names + 1] = "..." end
  local place = ("%s:%d"):format(text.escape(info.short_src), info.linedefined)
  return ("function (%s)  -- %s"):format(table.concat(names, ", "), place)
end

-- What the value's own __tostring says, if it says a string in time.
local function described(value, meta)
  local f = rawget(meta, "__tostring")
  if type(f) ~= "function" then return nil end
  local thread = coroutine.create(f)
  debug.sethook(thread, function() error("too slow", 0) end, "", PATIENCE)
  local ok, said = coroutine.resume(thread, value)
  return ok and type(said) == "string" and text.escape(said) or nil
end

local function address(host, port)
  if type(host) ~= "string" then return "?" end
  if type(port) ~= "number" then return text.escape(host) end
  return (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port)
end

-- Sockets by their two ends. Their methods are the runtime's: no code of a script runs.
local function socket(value, name)
  local classes = require "net.core.socket"
  local class = classes[name:match "^net%.(%l+)$" or ""]
  if type(value) ~= "userdata" or not class then return nil end
  local near, nearport = class.getsockname(value)
  if not near then return name .. " (closed)" end
  local far, farport = class.getpeername(value)
  local kind = near:find "^unix:" and "unix" or name == "net.datagram" and "udp" or "tcp"
  if name == "net.listener" then return ("%s %s listening"):format(kind, address(near, nearport)) end
  if not far then return ("%s %s not connected"):format(kind, address(near, nearport)) end
  return ("%s %s -> %s connected"):format(kind, address(near, nearport), address(far, farport))
end

-- A value with a metatable, or of a kind without a form of its own; nil for a table that is like others.
local function object(value)
  local meta = debug.getmetatable(value)
  if meta then
    local name = rawget(meta, "__name")
    local ends = type(name) == "string" and socket(value, name)
    if ends then return ends end
    local said = described(value, meta)
    if said then return said end
    if type(name) == "string" and type(value) ~= "table" then
      return ("%s (%p)"):format(text.escape(name), value)
    end
  end
  return type(value) ~= "table" and ("%s: %p"):format(type(value), value) or nil
end

local function scalar(value)
  local kind = type(value)
  if kind == "nil" or kind == "boolean" then return tostring(value) end
  if kind == "number" then return (number(value)) end
  if kind == "string" then return shortstring(value) end
  if kind == "function" then return signature(value) end
  return object(value)
end

-- ---- tables

local RANKS = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local left, right = RANKS[type(a)] or 4, RANKS[type(b)] or 4
  if left ~= right then return left < right end
  if left <= 2 then return a < b end
  return tostring(a) < tostring(b)
end

-- The length of the part from 1 on, and the other keys, sorted.
local function keysof(t)
  local length, rest = 0, {}
  while rawget(t, length + 1) ~= nil do length = length + 1 end
  for key in next, t do
    local index = math.type(key) == "integer" and key >= 1 and key <= length
    if not index then rest[#rest + 1] = key end
  end
  table.sort(rest, before)
  return length, rest
end

local RESERVED = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then
true until while]]):gmatch "%a+" do RESERVED[word] = true end

local function keytext(key)
  if type(key) == "string" and key:find "^[%a_][%w_]*$" and not RESERVED[key] then return key end
  return ("[%s]"):format(scalar(key) or ("table: %p"):format(key))
end

local render

-- The items of a table as texts, at most ITEMS of them.
local function items(t, state, depth, indent)
  local list, length, rest = {}, keysof(t)
  for index = 1, math.min(length, state.items) do
    list[index] = render(rawget(t, index), state, depth, indent)
  end
  for index = 1, math.min(#rest, state.items - #list) do
    local key = keytext(rest[index])
    list[#list + 1] = key .. " = " .. render(rawget(t, rest[index]), state, depth, indent + #key + 3)
  end
  local left = length + #rest - #list
  if left > 0 then list[#list + 1] = ("..  -- %d more"):format(left) end
  return list
end

local function width(list)
  local sum = 0
  for _, item in ipairs(list) do
    if item:find "\n" or item:find("  -- ", 1, true) then return math.huge end
    sum = sum + text.width(item) + 2
  end
  return sum + 2
end

render = function(value, state, depth, indent)
  local simple = scalar(value)
  if simple then return simple end
  if state.path[value] then return "<cycle>" end
  if next(value) == nil then return "{}" end
  if depth == 0 then return ("{..}  -- table: %p"):format(value) end
  state.path[value] = true
  local list = items(value, state, depth - 1, indent + 2)
  state.path[value] = nil
  if indent + width(list) <= state.width then return "{ " .. table.concat(list, ", ") .. " }" end
  local gap = (" "):rep(indent + 2)
  local lines = {}
  for index, item in ipairs(list) do
    local code, note = item:match "^([^\n]*)(  %-%- [^\n]*)$"
    lines[index] = gap .. (code or item) .. "," .. (note or "")
  end
  return "{\n" .. table.concat(lines, "\n") .. "\n" .. (" "):rep(indent) .. "}"
end

-- ---- lists of records as columns

-- The names of the fields, sorted, if all of the list are plain tables with the same fields and no tables in
-- them; or nil.
local function fieldsof(list)
  local length, rest = keysof(list)
  if length < 2 or #rest > 0 or debug.getmetatable(list) then return nil end
  local _, fields = keysof(rawget(list, 1))
  for index = 1, length do
    local count, names = keysof(rawget(list, index))
    local plain = count == 0 and not debug.getmetatable(rawget(list, index)) and #names == #fields
    if not plain or #names == 0 or #names > COLUMNS then return nil end
    for place, name in ipairs(names) do
      local value = rawget(rawget(list, index), name)
      if name ~= fields[place] or type(name) ~= "string" or type(value) == "table" then return nil end
    end
  end
  return fields
end

local function arerecords(value)
  if type(value) ~= "table" or debug.getmetatable(value) then return false end
  for _, item in next, value do
    if type(item) ~= "table" then return false end
  end
  return true
end

local function cell(value)
  if value == nil then return "" end
  if type(value) ~= "string" then return scalar(value) or "{..}" end
  return text.escape(#value > HEAD and value:sub(1, HEAD) .. ".." or value)
end

local function columns(list, fields, state)
  local rows, widths = { {} }, {}
  for place, name in ipairs(fields) do rows[1][place] = text.escape(name):upper() end
  local length = #list
  for index = 1, math.min(length, state.items) do
    local row = {}
    for place, name in ipairs(fields) do row[place] = cell(rawget(list[index], name)) end
    rows[#rows + 1] = row
  end
  for _, row in ipairs(rows) do
    for place, shown in ipairs(row) do widths[place] = math.max(widths[place] or 0, text.width(shown)) end
  end
  local lines = {}
  for index, row in ipairs(rows) do
    for place, shown in ipairs(row) do
      row[place] = place < #row and shown .. (" "):rep(widths[place] - text.width(shown)) or shown
    end
    lines[index] = table.concat(row, "  "):gsub(" +$", "")
  end
  if length > state.items then lines[#lines + 1] = ("..  -- %d more"):format(length - state.items) end
  return table.concat(lines, "\n")
end

-- ---- the module

---One value as text, over several lines where it is large. options: width, depth and items, how many of each
---table.
function show.value(value, options)
  options = options or {}
  local state = { width = options.width or WIDTH, items = options.items or ITEMS, path = {} }
  if type(value) == "string" then return fullstring(value) end
  local fields = arerecords(value) and fieldsof(value)
  if fields then
    local shown = columns(value, fields, state)
    if text.width(shown:match "^[^\n]*") <= state.width then return shown end
  end
  return render(value, state, options.depth or DEPTH, 0)
end

-- The names that records have for their fields, sorted.
local function allfields(list)
  local names, seen = {}, {}
  for _, item in ipairs(list) do
    for name in next, item do
      if type(name) == "string" and not seen[name] then names[#names + 1] = name end
      seen[name] = true
    end
  end
  table.sort(names)
  return names
end

---A list of records as columns, whatever their fields are; any other table as one of keys and values. The
---same options.
function show.columns(value, options)
  if type(value) ~= "table" then return show.value(value, options) end
  local state = { items = options and options.items or ITEMS }
  local length, rest = keysof(value)
  local list = {}
  for index = 1, length do list[index] = rawget(value, index) end
  if #rest == 0 and length > 0 and arerecords(list) then
    local names = allfields(list)
    if #names > 0 then return columns(list, names, state) end
  end
  for index = 1, length do list[index] = { key = index, value = rawget(value, index) } end
  for _, key in ipairs(rest) do list[#list + 1] = { key = key, value = rawget(value, key) } end
  return columns(list, { "key", "value" }, state)
end

local errors = debug.getmetatable(require("net.core.error").new("show", "EOF"))

local function iserror(value)
  return type(value) == "table" and debug.getmetatable(value) == errors
end

---All results of an entry, as select("#", ...) and the results: a text, or nil where there is nothing to
---show; and what to do about it, where they are nil and an error.
function show.results(options, count, ...)
  if count == 0 then return nil end
  local first, second = ...
  if first == nil and iserror(second) then return text.escape(tostring(second)), second:explain() end
  local list = {}
  for index = 1, count do list[index] = show.value((select(index, ...)), options) end
  local whole = table.concat(list, "\t")
  local long = whole:find "\n" or text.width(whole) > (options and options.width or WIDTH)
  return long and table.concat(list, "\n") or whole
end

return show
