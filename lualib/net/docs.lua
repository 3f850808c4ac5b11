-- net.docs: what the annotations and the list of error codes say, by name. The data is loaded with its first
-- use: it is for people who ask, not for programs.

local docs = {}

-- ---- classes and their members

local classes

---The classes, by name: name, parent, text, where, fields and functions, as docs/reference/annotations.lua
---reads them. Lists that are empty and texts of nothing are left out.
function docs.classes()
  classes = classes or require "net.core.docs"
  return classes
end

local NONE <const> = {}

local function listed(list, name)
  for _, item in ipairs(list or NONE) do
    if item.name == name then return item end
  end
end

---The function or field of a class or of its parents, and which of both it is; or nil.
function docs.member(class, name)
  class = docs.classes()[class]
  while class do
    local f = listed(class.functions, name)
    if f then return f, "function", class end
    local field = listed(class.fields, name)
    if field then return field, "field", class end
    class = docs.classes()[class.parent]
  end
end

-- A class with what it inherits, the class itself first.
local function lineage(name)
  local list, class = {}, docs.classes()[name]
  while class do
    list[#list + 1] = class
    class = docs.classes()[class.parent]
  end
  return list
end

---Calls f(item, kind) for every member of a class and of its parents.
function docs.each(name, f)
  for _, class in ipairs(lineage(name)) do
    for _, item in ipairs(class.functions or NONE) do f(item, "function") end
    for _, item in ipairs(class.fields or NONE) do f(item, "field") end
  end
end

---The class of a value, by the module it is or by the name in its metatable; or nil. Runs none of its code.
function docs.classof(value)
  local known = docs.classes()
  if type(value) ~= "table" and type(value) ~= "userdata" then return nil end
  if rawequal(value, package.loaded.net) then return "net" end
  for name in pairs(known) do
    if rawequal(value, rawget(package.loaded, name)) then return name end
  end
  local meta = debug.getmetatable(value)
  local name = meta and rawget(meta, "__name")
  if type(name) ~= "string" then return nil end
  return known[name .. ".address"] and name .. ".address" or known[name] and name or nil
end

---The classes that the type of an annotation names, such as "boolean|net.tls.options".
function docs.named(kind)
  local found = {}
  for name in kind:gmatch "net[%w_.]*" do
    if docs.classes()[name] then found[#found + 1] = docs.classes()[name] end
  end
  return found
end

---The words that the type of an annotation has in quotes.
function docs.words(kind)
  local found = {}
  for word in kind:gmatch '"([^"]*)"' do found[#found + 1] = word end
  return found
end

---The fields of a type: those of classes that are mere tables, and of a table that is written out.
function docs.fields(kind)
  local found = {}
  for _, class in ipairs(docs.named(kind)) do
    if not class.functions then
      for _, part in ipairs(lineage(class.name)) do
        table.move(part.fields or NONE, 1, #(part.fields or NONE), #found + 1, found)
      end
    end
  end
  for inside in kind:gmatch "%b{}" do
    for name, type in inside:sub(2, -2):gmatch "([%a_][%w_]*): *([^,]+)" do
      found[#found + 1] = { name = name, type = type:gsub("%?$", ""), optional = type:sub(-1) == "?" }
    end
  end
  return found
end

-- ---- names

local function variable(class)
  return class.name:match "[^.]+$"
end

---How a function is called: functions of modules by their full name, methods with a variable of that name.
function docs.title(class, f)
  return (f.dot == "." and class.name or variable(class)) .. f.dot .. f.name
end

local function sortedkeys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function add(list, kind, title, path, item, class)
  list[#list + 1] = { kind = kind, title = title, path = path, item = item, class = class }
end

local function addconstants(list)
  local option = require "net.core.option"
  local names = option.constants()
  table.sort(names)
  for index, name in ipairs(names) do
    local twice = name == names[index - 1] or docs.member("net", name)
    local item = { name = name, type = "integer", text = tostring(option.constant(name)) }
    if not twice then add(list, "constant", "net." .. name, "net." .. name, item) end
  end
end

local function isconstant(class, field)
  return class.name == "net" and field.name:find "^%u" ~= nil
end

local function addclass(list, class)
  add(list, "class", class.name, class.name, class, class)
  for _, f in ipairs(class.functions or NONE) do
    add(list, "function", docs.title(class, f), class.name .. "." .. f.name, f, class)
  end
  for _, field in ipairs(class.fields or NONE) do
    local path = class.name .. "." .. field.name
    add(list, isconstant(class, field) and "constant" or "field", path, path, field, class)
  end
end

local function toolnames()
  local names = require("net.core.host").tools()
  table.sort(names)
  return names
end

local entries

---Everything that has a name: {kind, title, path, item, class}; kind is class, function, field, constant,
---error or tool.
function docs.entries()
  if entries then return entries end
  local list = {}
  for _, name in ipairs(sortedkeys(docs.classes())) do addclass(list, docs.classes()[name]) end
  addconstants(list)
  for _, row in ipairs(require("net.core.error").codes()) do add(list, "error", row.code, row.code, row) end
  for _, name in ipairs(toolnames()) do
    add(list, "tool", "netlua " .. name, name, { name = name })
  end
  entries = list
  return list
end

---Up to the end of the first sentence of a text.
function docs.sentence(words)
  return words:match "^(.-[.:]) %u" or words:match "^(.-%.)$" or words
end

---How a function is called and what it gives: `net.pair([type]) -> a, b`.
function docs.signature(class, f)
  local args, results = {}, {}
  for index, param in ipairs(f.params or NONE) do
    args[index] = param.optional and "[" .. param.name .. "]" or param.name
  end
  for index, result in ipairs(f.returns or NONE) do results[index] = result.name or result.type end
  local call = ("%s(%s)"):format(docs.title(class, f), table.concat(args, ", "))
  return #results > 0 and call .. " -> " .. table.concat(results, ", ") or call
end

-- Whether a function of a class, as far as it is loaded, is this: a method, or one of a module.
local function isof(class, name, value)
  local short, public = class:match "^net%.(%l+)$", package.loaded.net
  local places = { package.loaded[class] or NONE, short and require("net.core.socket")[short] or NONE,
    short and rawget(public, short) or class == "net" and public or NONE }
  for _, place in ipairs(places) do
    if type(place) == "table" and rawequal(rawget(place, name), value) then return true end
  end
  return false
end

---How a function is called that the annotations know, by the value alone; nil if they do not.
function docs.signatureof(value)
  for name, class in pairs(docs.classes()) do
    for _, f in ipairs(class.functions or NONE) do
      if isof(name, f.name, value) then return docs.signature(class, f) end
    end
  end
end

return docs
