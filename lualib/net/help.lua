-- net.help: what there is to say of a name: from the annotations, the error codes, the tools, and for other
-- values from the source. It makes text and prints nothing.

local complete = require "net.complete"
local docs = require "net.docs"
local nearest = require "net.nearest"
local show = require "net.show"
local text = require "net.text"

local help = {}

local WIDTH = 80
local ROWS = 200  -- of a list
local ALSO = 6    -- other things of the same name
local COLUMN = 30 -- the widest first column
local STARS = 4   -- of a pattern: more take long to try

local NONE <const> = {}

-- ---- text of a width

local function cut(line, width)
  return #line <= width and line or line:sub(1, width - 2) .. ".."
end

-- A row of two columns: a name and words, which go on under themselves.
local function row(name, words, column, width)
  local first = "  " .. name .. (" "):rep(math.max(column - #name, 0) + 2)
  local rest = text.wrap(words, width - column - 4, 0):gsub("\n", "\n" .. (" "):rep(column + 4))
  return (first .. rest):gsub("%s+$", "")
end

local function rows(list, width)
  local column, lines = 0, {}
  for _, pair in ipairs(list) do column = math.max(column, #pair[1]) end
  column = math.min(column, COLUMN)
  for index, pair in ipairs(list) do lines[index] = row(pair[1], pair[2], column, width) end
  return table.concat(lines, "\n")
end

local function indented(lines)
  return "  " .. lines:gsub("\n", "\n  ")
end

-- ---- pages

-- A `?` behind a function's type would be that of its last result.
local function typed(item)
  local form = not item.optional and "(%s) %s" or item.type:find "^fun%(" and "((%s)?) %s" or "(%s?) %s"
  return form:format(item.type, item.text or "")
end

local function section(out, title, list, width)
  if not list or #list == 0 then return end
  local found = {}
  for index, item in ipairs(list) do found[index] = { item.name or "", typed(item) } end
  out[#out + 1] = title .. "\n" .. rows(found, width)
end

-- The option tables that arguments take: the names of their fields.
local function optionnames(out, f, width)
  for _, param in ipairs(f.params or NONE) do
    for _, class in ipairs(docs.named(param.type)) do
      local names, fields = {}, not class.functions and class.fields or NONE
      for index, field in ipairs(fields) do names[index] = field.name end
      if #names > 0 then
        out[#out + 1] = ("fields of %s (?%s)\n%s"):format(param.name, class.name,
          indented(text.wrap(table.concat(names, ", "), width - 2)))
      end
    end
  end
end

local pages = {}

pages["function"] = function(entry, width)
  local f = entry.item
  local out = { text.wrap(docs.signature(entry.class, f), width, 4) }
  if f.async then out[1] = out[1] .. "\n  waits; other tasks go on" end
  out[2] = text.wrap(f.text or "", width)
  section(out, "arguments", f.params, width)
  optionnames(out, f, width)
  section(out, "results", f.returns, width)
  if f.example then out[#out + 1] = "example\n" .. indented(f.example) end
  if f.see then
    out[#out + 1] = text.wrap("see " .. table.concat(f.see, ", "):gsub("RFC, ", "RFC "), width)
  end
  return table.concat(out, "\n\n")
end

local function summary(class, functions, width)
  local list = {}
  for index, f in ipairs(functions) do list[index] = { docs.title(class, f), docs.sentence(f.text or "") } end
  table.sort(list, function(a, b) return a[1] < b[1] end)
  return rows(list, width)
end

function pages.class(entry, width)
  local class = entry.class
  local out = { class.name, text.wrap(class.text or "", width) }
  local fields = {}
  for _, field in ipairs(class.fields or NONE) do
    if class.name ~= "net" then fields[#fields + 1] = field end -- those are the constants
  end
  section(out, "fields", fields, width)
  if class.functions then out[#out + 1] = "functions\n" .. summary(class, class.functions, width) end
  if class.parent and docs.classes()[class.parent] then
    out[#out + 1] = ("and what every %s has: ?%s"):format(class.parent:match "[^.]+$", class.parent)
  end
  return table.concat(out, "\n\n")
end

function pages.field(entry, width)
  local of = ("field of %s (?%s)"):format(entry.class.name, entry.class.name)
  return ("%s\n  %s\n\n%s"):format(entry.title, of, text.wrap(typed(entry.item), width))
end

local function option(name)
  for _, known in ipairs(require("net.core.option").options() or NONE) do
    if known.name == name then return known end
  end
end

function pages.constant(entry, width)
  local name, known = entry.item.name, option(entry.item.name)
  local first = ("net.%s = %s"):format(name, entry.item.text)
  if not known then return first end
  return ("%s\n  socket option, %s\n\n%s"):format(first, known.kind, text.wrap(known.explanation, width))
end

function pages.error(entry, width)
  local code = entry.item
  local first = text.wrap(("%s: %s"):format(code.code, code.message), width)
  return ("%s\n  kind %s\n\n%s"):format(first, code.kind, text.wrap(code.explain, width))
end

local function toolspec(entry)
  return require("net.core.host").loadtool(entry.item.name)()
end

function pages.tool(entry)
  local name, spec = entry.item.name, toolspec(entry)
  local out = { ("netlua %s\n  a tool: %s\n"):format(name, spec.summary) }
  for _, example in ipairs(spec.examples or NONE) do out[#out + 1] = "  netlua " .. example end
  out[#out + 1] = ("\nnetlua %s --help"):format(name)
  return table.concat(out, "\n")
end

-- ---- finding

local function dotted(name)
  return (name:gsub(":", "."))
end

local function endswith(name, tail)
  return name:sub(-#tail - 1) == "." .. tail
end

local RANKS = { class = 4, error = 5, constant = 5, tool = 6, field = 7 }
local FIRST = { ["net.stream"] = true, ["net.handle"] = true } -- their methods are asked for most

-- How well an entry fits a name: 1 is best; nil if it does not.
local function rank(entry, name)
  local kind, title = entry.kind, dotted(entry.title)
  if title == name or kind ~= "tool" and entry.path == name then return 1 end
  if entry.path == "net." .. name then return 2 end
  local anycase = kind == "tool" or kind == "error"
  if anycase then return entry.path:lower() == name:lower() and RANKS[kind] or nil end
  if not endswith(entry.path, name) then return nil end
  return RANKS[kind] or (entry.item.dot == "." or FIRST[entry.class.name]) and 3 or 4
end

-- The entries that fit best, and the others.
local function find(name)
  local best, others, least = {}, {}, math.huge
  for _, entry in ipairs(docs.entries()) do
    local place = rank(entry, name)
    if place and place < least then
      table.move(best, 1, #best, #others + 1, others)
      best, least = { entry }, place
    elseif place then
      table.insert(place == least and best or others, entry)
    end
  end
  return best, others
end

-- The member of a class, one that it inherits too.
local function memberof(class, name)
  local item, kind, owner = docs.member(class, name)
  if not item then return nil end
  local path = owner.name .. "." .. name
  if kind == "field" and owner.name == "net" then kind = "constant" end
  local title = kind == "function" and docs.title(owner, item) or path
  return { kind = kind, title = title, path = path, item = item, class = owner }
end

-- What a name stands for: an entry, other ones; or several that fit the same.
local function entryof(name, scope)
  local value, class, owner, last = complete.lookup(name, scope)
  local found = owner and type(last) == "string" and memberof(owner, last)
  if found then return found, NONE end
  local known = docs.classes()[class]
  if known and value ~= nil then
    return { kind = "class", title = class, class = known, item = known }, NONE
  end
  name = dotted(name)
  local best, others = find(name)
  local head, tail = name:match "^(.*)%.([^.]+)$"
  if #best == 0 and head then
    found = memberof(head, tail) or memberof("net." .. head, tail)
    if found then return found, NONE end
  end
  if #best > 1 then return nil, others, best end
  return best[1], others
end

-- ---- lists

local function summaryof(entry)
  if entry.kind == "error" then return entry.item.message end
  if entry.kind == "tool" then return toolspec(entry).summary end
  return docs.sentence(entry.item.text or "")
end

local function list(entries, width)
  local found = {}
  for index = 1, math.min(#entries, ROWS) do
    found[index] = cut(row(entries[index].title, summaryof(entries[index]), COLUMN, math.huge), width)
  end
  if #entries > ROWS then found[#found + 1] = ("  ..  -- %d more"):format(#entries - ROWS) end
  return table.concat(found, "\n")
end

local function matching(pattern)
  local found, fields = {}, {}
  if select(2, pattern:gsub("%*+", "")) > STARS then return found end
  local magic = "^" .. dotted(pattern):gsub("[^%w_*]", "%%%0"):gsub("%*+", ".*") .. "$"
  for _, entry in ipairs(docs.entries()) do
    local path = entry.path
    local last = not pattern:find "[.:]" and path:match "[^.]+$"
    if path:find(magic) or path:gsub("^net%.", ""):find(magic) or last and last:find(magic) then
      table.insert(entry.kind == "field" and fields or found, entry)
    end
  end
  return #found > 0 and found or fields
end

---The names that fit a pattern with `*` in it, each with its first sentence, and whether there are any.
function help.list(pattern, options)
  local found = matching(pattern)
  if #found == 0 then return ("nothing fits %s"):format(text.escape(pattern)), false end
  return list(found, options and options.width or WIDTH), true
end

local function unknown(name)
  local names = {}
  for _, entry in ipairs(docs.entries()) do
    names[#names + 1] = entry.title
    if entry.kind ~= "field" then names[#names + 1] = entry.path:match "[^.]+$" end
  end
  local question = nearest.question(name, names)
  if #question > 0 then question = "; " .. question end
  return ("nothing is known of %s%s"):format(text.escape(name), question), false
end

local function entriesof(name)
  if name:sub(-1) == "." then name = name .. "*" end
  if name:find("*", 1, true) then return matching(name) end
  local entry, _, several = entryof(name)
  return several or { entry }
end

---What fits a name or a pattern, as records with name, kind, signature (of a function), summary and page;
---or nil and what may have been meant.
function help.records(name, options)
  local width = options and options.width or WIDTH
  local found = {}
  for index, entry in ipairs(entriesof(name)) do
    found[index] = {
      name = entry.title, kind = entry.kind, summary = summaryof(entry),
      page = pages[entry.kind](entry, width),
      signature = entry.kind == "function" and docs.signature(entry.class, entry.item) or nil,
    }
  end
  if #found > 0 then return found end
  return nil, (unknown(name))
end

-- ---- other values

local LIBRARIES = { "string", "table", "math", "io", "os", "coroutine", "utf8", "debug", "package" }
local BASIC = [[ assert collectgarbage dofile error getmetatable ipairs load loadfile next pairs pcall print
rawequal rawget rawlen rawset require select setmetatable tonumber tostring type warn xpcall ]]

-- The name that Lua's manual has for a function.
local function manualname(f)
  if type(f) ~= "function" or debug.getinfo(f, "S").what ~= "C" then return nil end
  for _, library in ipairs(LIBRARIES) do
    for name, value in next, package.loaded[library] or NONE do
      if rawequal(value, f) and type(name) == "string" then return library .. "." .. name end
    end
  end
  for name in BASIC:gmatch "%l+" do
    if rawequal(rawget(_G, name), f) then return name end
  end
end

local function readlines(name)
  local place = os.getenv "NETLUA_PATH"
  local file <close> = io.open(name, "rb") or place and io.open(place .. "/" .. name, "rb") or nil
  if not file then return nil end
  local lines = {}
  for line in file:lines() do lines[#lines + 1] = line end
  return lines
end

local function safe(lines, from, to)
  local out = {}
  for index = from, math.min(to, #lines) do
    out[#out + 1] = lines[index]:gsub("[^\t]+", text.escape)
  end
  return table.concat(out, "\n")
end

-- The lines that a function in Lua was made of, or nil; and the number of the first.
local function sourceof(f)
  local info = debug.getinfo(f, "S")
  local mark, rest = info.source:sub(1, 1), info.source:sub(2)
  if info.what == "C" or mark == "=" then return nil, info end
  if mark == "@" then return readlines(rest), info end
  local lines = {}
  for line in (info.source .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
  return lines, info
end

-- Where to read of a function of Lua's own, or nil.
local function manual(value)
  local name = manualname(value)
  if not name then return nil end
  return ("%s: of Lua itself\n  https://www.lua.org/manual/5.4/manual.html#pdf-%s"):format(name, name)
end

local function describe(value)
  local shown = show.value(value)
  if type(value) ~= "function" then return shown end
  local own = manual(value)
  if own then return own end
  local lines, info = sourceof(value)
  local first = info.linedefined
  if not lines or not lines[first] then return shown end
  while first > 1 and lines[first - 1]:find "^%s*%-%-" do first = first - 1 end
  return first == info.linedefined and shown or safe(lines, first, info.linedefined - 1) .. "\n" .. shown
end

-- ---- the module

local function also(others)
  if #others == 0 then return "" end
  local names = {}
  for index = 1, math.min(#others, ALSO) do names[index] = "?" .. others[index].title end
  if #others > ALSO then names[#names + 1] = ("and %d more"):format(#others - ALSO) end
  return "also " .. table.concat(names, ", ")
end

---What is known of a name as it is typed, and whether anything is. options: width; scope, the table that the
---names of the prompt are in.
function help.topic(name, options)
  local width, scope = options and options.width or WIDTH, options and options.scope
  local entry, others, several = entryof(name, scope)
  if several then return ("several are called %s:\n%s"):format(name, list(several, width)), true end
  local value = complete.lookup(name, scope)
  if entry then
    local page = pages[entry.kind](entry, width)
    local own = manual(value)
    if own then page = page .. "\n\n" .. own end
    if #others > 0 then page = page .. "\n\n" .. text.wrap(also(others), width) end
    return page, true
  end
  if value ~= nil then return describe(value), true end
  return unknown(name)
end

-- A function that the annotations know: its source, or its stub.
local function written(entry)
  local file, number = entry.item.where:match "^(.*):(%d+)$"
  local lines, from = readlines(file), tonumber(number)
  local stub = file:find("lualib/meta/", 1, true) ~= nil
  local head = ("-- %s:%d%s"):format(file, from, stub and ": a stub, the function is written in C" or "")
  if not lines or not lines[from] then
    if not stub then head = head .. ": its source is not at hand" end
    return head .. "\n" .. docs.signature(entry.class, entry.item)
  end
  local to = from
  while not stub and to < #lines and not lines[to]:find "^end" do to = to + 1 end
  while stub and from > 1 and lines[from - 1]:find "^%-%-%-" do from = from - 1 end
  return head .. "\n" .. safe(lines, from, to)
end

---The source of a function in Lua, or the stub of one in C, and whether there is such a function.
function help.source(name, options)
  local scope = options and options.scope
  local entry, _, several = entryof(name, scope)
  if entry and entry.kind == "function" then return written(entry), true end
  if several then return help.topic(name, options) end
  local value = complete.lookup(name, scope)
  if type(value) ~= "function" then
    if entry or value ~= nil then return ("%s is no function"):format(text.escape(name)), false end
    return unknown(name)
  end
  local lines, info = sourceof(value)
  if info.what == "C" then return describe(value), true end
  local place = ("-- %s:%d"):format(text.escape(info.short_src), info.linedefined)
  if not lines then return place .. ": its source is not at hand", true end
  return place .. "\n" .. safe(lines, info.linedefined, info.lastlinedefined), true
end

local USAGE = [[
?name     what net.connect, stream:read, connect, ECONNREFUSED or ping is
??name    the source of a function
?x509.*   what fits, each with its first sentence]]

---Answers what begins with a question mark: `?name`, `??name`, `?pattern*`; and says whether it could.
function help.answer(line, options)
  local marks, name = line:match "^%s*(%?+)%s*(.*)"
  name = text.trimend(name)
  name = name:match "^([^(]*)%(.*%)$" or name
  if name == "" then return USAGE, true end
  if name:sub(-1) == "." then name = name .. "*" end
  if name:find("*", 1, true) then return help.list(name, options) end
  if marks == "?" then return help.topic(name, options) end
  return help.source(name, options)
end

return help
