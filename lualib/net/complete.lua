-- net.complete: what may follow at the prompt. It looks without touching: tables are read raw, nothing of the
-- entry runs, no module loads. What is not loaded yet is known from the annotations.

local chunk = require "net.chunk"
local docs = require "net.docs"
local host = require "net.core.host"
local plain = require("net.text").escape
local net = package.loaded.net

local complete = {}

local MOST = 400      -- candidates
local KEYS = 20000    -- keys of one table that are looked at
local DEPTH = 10      -- tables behind each other by __index
local LONGEST = 16384 -- bytes of a line that is looked at

local NONE <const> = {}

-- ---- values, raw

local function variable(scope, name)
  local value = type(scope) == "table" and rawget(scope, name)
  if value ~= nil and value ~= false then return value end
  value = rawget(_G, name)
  if value == nil and chunk.modules[name] then return rawget(net, name) end
  return value
end

-- Where the members of a value are: itself, and the tables behind it.
local function tables(value)
  local list = {}
  while #list < DEPTH do
    if type(value) == "table" then list[#list + 1] = value end
    local meta = debug.getmetatable(value)
    value = type(meta) == "table" and rawget(meta, "__index") or nil
    if type(value) ~= "table" then break end
  end
  return list
end

local function member(value, key)
  for _, t in ipairs(tables(value)) do
    local found = rawget(t, key)
    if found ~= nil then return found end
  end
end

-- ---- places: a value, and the class that the annotations have for it

-- Classes under net whose functions are those of a module.
local function ismodule(class)
  local f = class and class.functions and class.functions[1]
  return f ~= nil and f.dot == "."
end

local function classbehind(class, key)
  if not class or type(key) ~= "string" then return nil end
  local full = class .. "." .. key
  if class == "net" and ismodule(docs.classes()[full]) then return full end
  local item, kind = docs.member(class, key)
  if kind ~= "field" or item.type:find "%[%]" then return nil end
  local named = docs.named(item.type)[1]
  return named and named.name
end

local function step(place, key)
  local value = member(place.value, key)
  local class = docs.classof(value)
  if value == nil then class = classbehind(place.class, key) end
  return { value = value, class = class }
end

-- What a chain of keys leads to.
local function follow(scope, keys, last)
  local value = variable(scope, keys[1])
  local class = docs.classof(value)
  if value == nil and chunk.modules[keys[1]] then class = "net." .. keys[1] end
  local place = { value = value, class = class }
  for index = 2, last do place = step(place, keys[index]) end
  return place
end

-- ---- what stands before the cursor

local function is(token, text)
  return token ~= nil and token.kind ~= "string" and token.text == text
end

local function isname(token)
  return token ~= nil and token.kind == "name" and not chunk.iskeyword(token.text)
end

-- One dot, not a part of two.
local function isdot(list, at)
  return is(list[at], ".") and not is(list[at - 1], ".")
end

local function literal(token)
  if not token then return nil end
  if token.kind == "string" then return token.text:match "^[\"']([^\\]*)[\"']$" end
  return math.tointeger(tonumber(token.text))
end

local function reversed(list)
  local other = {}
  for index = #list, 1, -1 do other[#other + 1] = list[index] end
  return other
end

-- The keys of the expression that ends at a token, as in `a.b[1].c`, and what is between the last two: "." or
-- ":"; nil if it is more than that.
local function chain(list, at)
  local keys, separator = {}, nil
  while true do
    local key = is(list[at], "]") and is(list[at - 2], "[") and literal(list[at - 1])
    if key then
      keys[#keys + 1], at = key, at - 3
    elseif isname(list[at]) then
      keys[#keys + 1] = list[at].text
      if not isdot(list, at - 1) and not is(list[at - 1], ":") then return reversed(keys), separator end
      separator, at = separator or list[at - 1].text, at - 2
    else
      return nil
    end
  end
end

local CLOSES = { [")"] = true, ["}"] = true, ["]"] = true }
local OPENS = { ["("] = true, ["{"] = true, ["["] = true }

-- The bracket around what ends at a token, and how many commas are in between.
local function enclosing(list, at)
  local depth, commas = 0, 0
  while at > 0 do
    local text = list[at].kind ~= "string" and list[at].text
    if CLOSES[text] then depth = depth + 1 end
    if depth == 0 and OPENS[text] then return at, commas end
    if OPENS[text] then depth = depth - 1 end
    if depth == 0 and text == "," then commas = commas + 1 end
    at = at - 1
  end
end

-- The type of an argument of the function whose name ends at a token.
local function argument(list, at, index, scope)
  local keys, separator = chain(list, at)
  if not keys or #keys < 2 then return nil end
  local class = follow(scope, keys, #keys - 1).class
  local f, kind = docs.member(class, keys[#keys])
  if kind ~= "function" then return nil end
  if separator ~= f.dot then index = index + (f.dot == ":" and -1 or 1) end
  local param = (f.params or NONE)[index]
  return param and param.type
end

local kindof

local function kindoffield(list, brace, name, scope)
  local kind = kindof(list, brace, scope)
  for _, field in ipairs(kind and docs.fields(kind) or NONE) do
    if field.name == name then return field.type end
  end
end

-- The type of the value that begins at a token, from what is in front of it.
kindof = function(list, at, scope)
  local open, commas = enclosing(list, at - 1)
  if isname(list[at - 1]) or is(list[at - 1], "]") then return argument(list, at - 1, 1, scope) end
  if not open then return nil end
  if is(list[at - 1], "=") and isname(list[at - 2]) and is(list[open], "{") then
    return kindoffield(list, open, list[at - 2].text, scope)
  end
  if not (is(list[at - 1], ",") or at - 1 == open) then return nil end
  if is(list[open], "(") then return argument(list, open - 1, commas + 1, scope) end
  return is(list[open], "{") and kindof(list, open, scope) or nil
end

-- ---- candidates

-- Keeps what a person can type and what begins as asked for; sorted, each once, not too many.
local function chosen(names, prefix, pattern)
  local found, seen = {}, {}
  for _, name in ipairs(names) do
    local fits = name:sub(1, #prefix) == prefix and name:find(pattern or "^[%a_][%w_]*$")
    if fits and not seen[name] then
      seen[name] = true
      found[#found + 1] = name
    end
  end
  table.sort(found)
  for index = #found, MOST + 1, -1 do found[index] = nil end
  return found
end

local function addkeys(names, t, wanted)
  local count = 0
  for key, value in next, t do
    count = count + 1
    if count > KEYS then return end
    local fits = type(key) == "string" and not chunk.iskeyword(key)
    if fits and wanted(key, value) then names[#names + 1] = key end
  end
end

-- Socket options and the like. They are many: they are offered to those who begin with a capital.
local function addconstants(names, prefix)
  if not prefix:find "^%u" then return end
  table.move(require("net.core.option").constants(), 1, MOST, #names + 1, names)
end

local function addnet(names, prefix)
  for name, class in pairs(docs.classes()) do
    local short = name:match "^net%.([^.]+)$"
    if short and ismodule(class) then names[#names + 1] = short end
  end
  addconstants(names, prefix)
end

local function members(place, separator, prefix)
  local names, methods = {}, separator == ":"
  local isnet = place.class == "net"
  local function wanted(key, value)
    if methods and type(value) ~= "function" then return false end
    if isnet and key:find "^%u" and not prefix:find "^%u" then return false end
    return key:sub(1, 2) ~= "__" or prefix:sub(1, 1) == "_"
  end
  for _, t in ipairs(tables(place.value)) do addkeys(names, t, wanted) end
  if place.class then
    docs.each(place.class, function(item, kind)
      local fits = kind == "field" and not methods or kind == "function" and (not methods or item.dot == ":")
      if fits and wanted(item.name, next) then names[#names + 1] = item.name end
    end)
  end
  if isnet and not methods then addnet(names, prefix) end
  return chosen(names, prefix)
end

local function variables(scope, prefix)
  local names = chunk.keywords()
  local function any() return true end
  if type(scope) == "table" then addkeys(names, scope, any) end
  addkeys(names, _G, any)
  addkeys(names, chunk.modules, any)
  return chosen(names, prefix)
end

local function modules(prefix)
  local names = {}
  local function public(key) return not key:find "^net%.core%." end
  addkeys(names, package.loaded, public)
  addkeys(names, package.preload, public)
  return chosen(names, prefix, "^[%w_.-]+$")
end

-- Fields that the table around a key takes and does not have yet.
local function fields(list, at, prefix, scope)
  local brace = enclosing(list, at)
  if not brace or not is(list[brace], "{") then return NONE end
  if at ~= brace and not is(list[at], ",") and not is(list[at], ";") then return NONE end
  local kind = kindof(list, brace, scope)
  local names, given, depth = {}, {}, 0
  for place = brace + 1, at do
    if OPENS[list[place].text] then depth = depth + 1 end
    if CLOSES[list[place].text] then depth = depth - 1 end
    if depth == 0 and is(list[place + 1], "=") then given[list[place].text] = true end
  end
  for _, field in ipairs(kind and docs.fields(kind) or NONE) do
    if not given[field.name] then names[#names + 1] = field.name end
  end
  return chosen(names, prefix)
end

-- Whether a string lacks its end.
local function isopen(token)
  local quote, level = token.text:sub(1, 1), token.text:match "^%[(=*)%["
  if level then return token.text:sub(-#level - 2) ~= "]" .. level .. "]" end
  return token.text:sub(2):gsub("\\.", ""):sub(-1) ~= quote
end

-- The names in a folder that a path may go on with, and where its last part begins. Hidden ones are offered
-- to those who type the dot, those that act on a terminal or are no text to nobody.
local function files(path)
  local folder, prefix = path:match "^(.-)([^/]*)$"
  local names = {}
  if not path:find "[%c\\]" then names = host.folder(folder == "" and "." or folder) end
  local function shown(name)
    if plain(name) ~= name then return false end
    return name:sub(1, 1) ~= "." or prefix:sub(1, 1) == "." and not name:find "^%.%.?/$"
  end
  local offered = {}
  for _, name in ipairs(names) do
    if shown(name) then offered[#offered + 1] = name end
  end
  return chosen(offered, prefix, "^[^%c\\\"']+$"), #path - #prefix
end

local function words(list, scope)
  local at = #list
  local prefix, first = list[at].text:sub(2), list[at].from + 1
  local before = is(list[at - 1], "(") and list[at - 2] or list[at - 1]
  if list[at].text:sub(1, 1) == "[" then return NONE, first end
  if is(before, "require") then return modules(prefix), first end
  local kind = kindof(list, at, scope)
  local names = kind and docs.words(kind) or {}
  if kind and kind:find "integer" then addconstants(names, prefix) end -- it takes names of numbers, too
  local found = chosen(names, prefix, "^[%w_.-]+$")
  if #found > 0 then return found, first end
  local paths, skipped = files(prefix)
  return paths, first + skipped
end

-- What follows a text in Lua.
local function lua(text, scope)
  local list, comment = chunk.tokens(text)
  local last, first = list[#list], #text + 1
  if comment then return NONE, first end
  if last and last.kind == "string" and last.to == #text and isopen(last) then return words(list, scope) end
  local at, prefix = #list, ""
  if last and last.kind == "name" and last.to == #text then
    at, prefix, first = at - 1, last.text, last.from
  end
  if prefix == "" and last and last.to == #text and last.text:find "^%.?%d" then return NONE, first end
  if isdot(list, at) or is(list[at], ":") then
    local keys = not is(list[at - 1], ":") and chain(list, at - 1)
    local place = keys and follow(scope, keys, #keys)
    return place and members(place, list[at].text, prefix) or NONE, first
  end
  local found = fields(list, at, prefix, scope)
  if #found > 0 then return found, first end
  return variables(scope, prefix), first
end

-- What help has an entry for: full names, and their last parts.
local function topics(prefix)
  local names = {}
  for _, entry in ipairs(docs.entries()) do
    local short = entry.path:gsub("^net%.", "")
    local partly = entry.kind ~= "field" or prefix:find "%."
    if partly and not entry.title:find " " then names[#names + 1] = entry.title end
    if partly and prefix ~= "" then names[#names + 1] = short end
    if partly and prefix ~= "" and entry.item.name then names[#names + 1] = entry.item.name end
  end
  return chosen(names, prefix, "^[%a_][%w_.:]*$")
end

local function command(text, scope)
  local name, at = text:match "^%s*(%.%S*)%s+()"
  local commands = require "net.commands"
  if not name then
    local prefix = text:match "%S*$"
    return chosen(commands.names(), prefix, "^%.%l*$"), #text - #prefix + 1
  end
  local rest = text:sub(at)
  if commands.code(text) then
    local found, first = lua(rest, scope)
    return found, first + at - 1
  end
  if name == ".load" or name == ".save" then
    local names, skipped = files(rest)
    return names, at + skipped
  end
  if name == ".help" then return topics(rest), at end
  return name == ".set" and chosen(commands.settings(), rest) or NONE, at
end

---What may stand at the cursor: the candidates, sorted, and the index in the line of the first byte that each
---of them replaces, up to the cursor. `point` is the number of bytes before the cursor; `scope` the table
---that the names of the prompt are in. Runs no code that is not netlua's own.
function complete.candidates(line, point, scope)
  local text = line:sub(1, point)
  local topic = text:match "^%s*%?%??%s*(%S*)$"
  if topic then return topics(topic), #text - #topic + 1 end
  if #text > LONGEST or text:find "^%s*%?" then return {}, #text + 1 end
  local found, first = (text:find "^%s*%." and command or lua)(text, scope)
  return { table.unpack(found) }, first
end

---How the function is called whose arguments begin at the cursor, as in `net.pair(`; or nil.
function complete.hint(line, point, scope)
  local text = line:sub(1, point)
  local list = #text <= LONGEST and chunk.tokens(text) or NONE
  local keys = is(list[#list], "(") and chain(list, #list - 1)
  if not keys then return nil end
  local owner = #keys > 1 and follow(scope, keys, #keys - 1).class
  local f, kind, class = docs.member(owner, keys[#keys])
  if kind == "function" then return docs.signature(class, f) end
  local value = follow(scope, keys, #keys).value
  return type(value) == "function" and require("net.show").value(value) or nil
end

---What a name as it is typed, such as `a.b[1]:c`, leads to: the value, the class that the annotations have
---for it, the class of what is in front of the last part, and that part. Nothing if it is no such name.
function complete.lookup(name, scope)
  local list = chunk.tokens(name)
  local keys = #list > 0 and chain(list, #list)
  if not keys then return nil end
  local owner = #keys > 1 and follow(scope, keys, #keys - 1) or nil
  local place = follow(scope, keys, #keys)
  return place.value, place.class, owner and owner.class, keys[#keys]
end

return complete
