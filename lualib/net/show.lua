-- net.show: values as the prompt prints them. Nothing here runs code of the value but __tostring, which has
-- little time; whatever came from the network is escaped.

local core = require "net.core.task"
local text = require "net.text"

local tostring = tostring -- whatever an entry makes of it

local show = {}

local DEPTH, ITEMS, WIDTH = 4, 40, 80
local SHORT = 64        -- bytes of a string that is no text, beyond which it is a dump
local LONG = 4096       -- bytes of a string beyond which its head is shown
local HEAD = 256        -- bytes of that head, or of a string inside a table
local VALUES = 2000     -- all that is shown of one, tables in tables included
local LONGEST = 65536   -- bytes of what an error says
local COLUMNS = 8       -- fields of records that are shown as a table
local PATIENCE = 100000 -- instructions that a __tostring may take
local MOMENT = 0.1      -- seconds that it may wait

-- ---- strings

local function quoted(s)
  return '"' .. text.escape((s:gsub('[\\"]', "\\%0"))) .. '"'
end

-- Letters, marks, line ends and tabs: what a person may have written. What a long string begins with decides.
local function istext(s)
  return utf8.len(s, 1, math.min(#s, LONG)) and not s:sub(1, LONG):find "[\0-\8\11\12\14-\31\127]"
end

-- What is shown of a long string: whole characters, if it is text.
local function head(s)
  if #s <= HEAD then return s end
  local last = utf8.len(s, 1, HEAD) and utf8.offset(s, 0, HEAD + 1) - 1 or HEAD
  return s:sub(1, last)
end

-- Code, and what there is to remark on it; most values need no remark.
local function noted(code, note)
  return note and code .. "  -- " .. note or code
end

local function shortstring(s)
  if #s <= HEAD then return quoted(s) end
  return quoted(head(s)) .. "..", #s .. " bytes"
end

-- A string that is a result of its own: text as it is.
local function fullstring(s)
  if istext(s) and #s <= LONG then return (s:gsub("[^\n\t]+", text.escape)) end
  if istext(s) then return noted(shortstring(s)) end
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

-- As the annotations have it, or the source; and where that is.
local function signature(f)
  local known = require("net.docs").signatureof(f)
  if known then return known end
  local info = debug.getinfo(f, "Su")
  if info.what == "C" then return "function: built in" end
  local names = {}
  for index = 1, info.nparams do names[index] = debug.getlocal(f, index) end
  if info.isvararg then names[#names + 1] = "..." end
  local place = ("%s:%d"):format(text.escape(info.short_src), info.linedefined)
  return ("function (%s)"):format(table.concat(names, ", ")), place
end

-- What the value's own __tostring says, if it says a string in time. Once that is over, each instruction
-- fails: it is of no use to catch the error.
local function saidby(value, meta)
  if rawget(meta, "__tostring") == nil then return nil end
  local scope <close> = core.scope { timeout = MOMENT } -- luacheck: ignore scope
  local thread = coroutine.create(tostring)
  local function strike()
    debug.sethook(thread, strike, "", 1)
    error("too slow", 0)
  end
  debug.sethook(thread, strike, "", PATIENCE)
  local ok, said = coroutine.resume(thread, value)
  return ok and said or nil
end

local function described(value, meta, clean)
  local said = saidby(value, meta)
  return said and clean(#said > LONG and head(said) .. ".." or said)
end

local function address(host, port)
  if type(host) ~= "string" then return "?" end
  if type(port) ~= "number" then return text.escape(host) end
  return text.endpoint(host, port)
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

local function nameof(meta)
  local name = rawget(meta, "__name")
  return type(name) == "string" and head(name) or nil
end

-- A value with a metatable, or of a kind without a form of its own; nil for a table that is like others.
-- `clean` makes harmless what it says of itself.
local function object(value, clean)
  local meta = debug.getmetatable(value)
  if meta then
    local name = nameof(meta)
    local ends = name and socket(value, name)
    if ends then return ends end
    local said = described(value, meta, clean)
    if said then return said end
    if name and type(value) ~= "table" then return ("%s (%p)"):format(text.escape(name), value) end
  end
  return type(value) ~= "table" and ("%s: %p"):format(type(value), value) or nil
end

local function scalar(value, clean)
  local kind = type(value)
  if kind == "nil" or kind == "boolean" then return tostring(value) end
  if kind == "number" then return (number(value)) end
  if kind == "string" then return shortstring(value) end
  if kind == "function" then return signature(value) end
  return object(value, clean or text.escape)
end

-- ---- tables

local RANKS = { number = 1, string = 2, boolean = 3 }

local function before(a, b)
  local left, right = RANKS[type(a)] or 4, RANKS[type(b)] or 4
  if left ~= right then return left < right end
  if left <= 2 then return a < b end
  if left == 3 then return not a and b end
  return ("%p"):format(a) < ("%p"):format(b) -- no code of theirs
end

-- Sorts a list and leaves the first of it.
local function trim(list, most)
  table.sort(list, before)
  for index = #list, most + 1, -1 do list[index] = nil end
end

-- The length of the part from 1 on; the first of the other keys, sorted; and how many there are of these. Not
-- all of a million are sorted for some to be shown.
local function keysof(t, most)
  local length, rest, count = 0, {}, 0
  while rawget(t, length + 1) ~= nil do length = length + 1 end
  local last
  for key in next, t do
    local index = math.type(key) == "integer" and key >= 1 and key <= length
    if not index then count = count + 1 end
    if not index and (last == nil or before(key, last)) then rest[#rest + 1] = key end
    if #rest == 2 * most then
      trim(rest, most)
      last = rest[most]
    end
  end
  trim(rest, most)
  return length, rest, count
end

local function isname(key)
  return key:find "^[%a_][%w_]*$" and not require("net.chunk").iskeyword(key)
end

local function keytext(key)
  if type(key) == "string" and #key <= HEAD and isname(key) then return key end
  return ("[%s]"):format((scalar(key) or ("table: %p"):format(key)))
end

local render

-- Whether one more value is to be shown.
local function goeson(state)
  state.left = state.left - 1
  return state.left >= 0
end

-- The items of a table, at most ITEMS of them: {code, note}.
local function items(t, state, depth, indent)
  local list, length, rest, count = {}, keysof(t, state.items)
  local function add(key, value)
    local code, note = render(value, state, depth, indent + text.width(key))
    list[#list + 1] = { code = key .. code, note = note }
  end
  for index = 1, math.min(length, state.items) do
    if not goeson(state) then break end
    add("", rawget(t, index))
  end
  for index = 1, math.min(#rest, state.items - #list) do
    if not goeson(state) then break end
    add(keytext(rest[index]) .. " = ", rawget(t, rest[index]))
  end
  local left = length + count - #list
  if left > 0 then list[#list + 1] = { code = "..", note = left .. " more" } end
  return list
end

-- The items in one line, if none needs one of its own.
local function inline(list)
  local codes = {}
  for index, item in ipairs(list) do
    if item.note or item.code:find "\n" then return nil end
    codes[index] = item.code
  end
  return ("{ %s }"):format(table.concat(codes, ", "))
end

local function classname(t)
  local meta = debug.getmetatable(t)
  local name = meta and nameof(meta)
  return name and text.escape(name) .. " " or ""
end

render = function(value, state, depth, indent, clean)
  local simple, note = scalar(value, clean)
  if simple then return simple, note end
  if state.path[value] then return "<cycle>" end
  local class = classname(value)
  if next(value) == nil then return class .. "{}" end
  if depth == 0 then return class .. "{..}", ("table: %p"):format(value) end
  state.path[value] = true
  local list = items(value, state, depth - 1, indent + 2)
  state.path[value] = nil
  local line = inline(list)
  if line and indent + text.width(class .. line) <= state.width then return class .. line end
  local gap = (" "):rep(indent + 2)
  local lines = {}
  for index, item in ipairs(list) do lines[index] = gap .. noted(item.code .. ",", item.note) end
  return class .. "{\n" .. table.concat(lines, "\n") .. "\n" .. (" "):rep(indent) .. "}"
end

-- ---- lists of records as columns

-- The names of the fields, sorted, if all that is shown of the list are plain tables with the same fields and
-- no tables in them; or nil.
local function fieldsof(list, most)
  local length, rest = keysof(list, 1)
  if length < 2 or #rest > 0 or debug.getmetatable(list) then return nil end
  local _, fields = keysof(rawget(list, 1), COLUMNS + 1)
  for index = 1, math.min(length, most) do
    local count, names = keysof(rawget(list, index), COLUMNS + 1)
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
  if type(value) ~= "string" then
    local code, note = scalar(value)
    return noted(code or "{..}", note)
  end
  return text.escape(head(value)) .. (#value > HEAD and ".." or "")
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

local function widest(shown)
  local most = 0
  for line in shown:gmatch "[^\n]+" do most = math.max(most, text.width(line)) end
  return most
end

-- ---- the module

---One value as text, over several lines where it is large. options: width, depth and items, how many of each
---table.
function show.value(value, options)
  options = options or {}
  local most = options.items or ITEMS
  local state = { width = options.width or WIDTH, items = most, left = math.max(most, VALUES), path = {} }
  if type(value) == "string" then return fullstring(value) end
  local fields = arerecords(value) and fieldsof(value, most)
  if fields then
    local shown = columns(value, fields, state)
    if widest(shown) <= state.width then return shown end
  end
  return noted(render(value, state, options.depth or DEPTH, 0, text.lines)) -- a report has lines
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
  local length, rest = keysof(value, math.huge)
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

---Whether a value is an error of netlua's.
function show.iserror(value)
  return type(value) == "table" and debug.getmetatable(value) == errors
end

---Whether it is the one that cancellation raises.
function show.iscancellation(err)
  return type(err) == "table" and rawget(err, "code") == "CANCELED"
end

---What to do about an error, or nil.
function show.hint(err)
  return show.iserror(err) and err:explain() or nil
end

---What an error says, in lines that are fit for a terminal; a long one is cut. One that says nothing of its
---own, in time, is shown as values are.
function show.failure(err, options)
  local meta = type(err) ~= "string" and debug.getmetatable(err)
  local said = meta and saidby(err, meta) or type(err) == "string" and err or show.value(err, options)
  if #said <= LONGEST then return text.lines(said) end
  return ("%s\n..  -- %d bytes more"):format(text.lines(said:sub(1, LONGEST)), #said - LONGEST)
end

---The results of an entry, as select("#", ...) and the results, no more of them than items of a table: a
---text, or nil where there is nothing to show.
function show.results(options, count, ...)
  if count == 0 then return nil end
  local first, second = ...
  if first == nil and show.iserror(second) then return show.failure(second) end
  local list, most = {}, options and options.items or ITEMS
  for index = 1, math.min(count, most) do list[index] = show.value((select(index, ...)), options) end
  if count > most then list[most + 1] = noted("..", count - most .. " more") end
  local whole = table.concat(list, "\t")
  local long = count > most or whole:find "\n" or text.width(whole) > (options and options.width or WIDTH)
  return long and table.concat(list, "\n") or whole
end

return show
