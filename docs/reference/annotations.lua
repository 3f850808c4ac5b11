-- annotations: reads LuaCATS annotations from Lua sources. Only functions of tables that stand under a
-- ---@class are taken: they are the public ones.

local annotations = {}

local CLOSING = { ["("] = true, ["{"] = true, ["<"] = true, ["["] = true }
local OPENED = { [")"] = true, ["}"] = true, [">"] = true, ["]"] = true }

-- The end of the type that a text begins with: the first space outside brackets, unless the space stands before
-- one of a function's results.
local function typeend(text)
  local depth, quoted = 0, false
  local before = text:find "^fun%(" and "[:,]" or ":"
  for at = 1, #text do
    local c = text:sub(at, at)
    if c == '"' then quoted = not quoted end
    if not quoted then
      if CLOSING[c] then depth = depth + 1 end
      if OPENED[c] then depth = depth - 1 end
      if c == " " and depth == 0 and not text:sub(at - 1, at - 1):find(before) then return at - 1 end
    end
  end
  return #text
end

local function splittype(text)
  local stop = typeend(text)
  return text:sub(1, stop), text:sub(stop + 2)
end

local tags = {}

function tags.async(item)
  item.async = true
end

function tags.param(item, text)
  local name, rest = text:match "^(%S+)%s+(.*)$"
  local kind, words = splittype(rest)
  item.params[#item.params + 1] = { name = name:gsub("%?$", ""), optional = name:sub(-1) == "?", type = kind,
    text = words }
end

tags["return"] = function(item, text)
  local kind, words = splittype(text)
  local name, rest = words:match "^([%w_.]+)%s*(.*)$"
  item.returns[#item.returns + 1] = { type = kind, name = name, text = rest or "" }
end

function tags.see(item, text)
  for reference in text:gmatch "[^,%s]+" do item.see[#item.see + 1] = reference end
end

function tags.class(item, text)
  item.class, item.parent = text:match "^([%w_.]+):?%s*([%w_.]*)"
  if item.parent == "" then item.parent = nil end
end

function tags.field(item, text)
  local name, rest = text:match "^(%S+)%s+(.*)$"
  local kind, words = splittype(rest)
  item.fields[#item.fields + 1] = { name = name:gsub("%?$", ""), optional = name:sub(-1) == "?", type = kind,
    text = words }
end

-- A block of comment lines, without their dashes.
local function readblock(lines)
  local item = { params = {}, returns = {}, see = {}, fields = {}, text = "" }
  local logical, example = {}, nil
  for _, line in ipairs(lines) do
    if line:find "^```" then
      if example then item.example, example = table.concat(example, "\n"), nil else example = {} end
    elseif example then
      example[#example + 1] = line
    elseif line:find "^ " and #logical > 0 then
      logical[#logical] = logical[#logical] .. line
    else
      logical[#logical + 1] = line
    end
  end
  local text = {}
  for _, line in ipairs(logical) do
    local tag, rest = line:match "^@([%w]+)%s*(.*)$"
    if not tag then
      text[#text + 1] = line
    elseif tags[tag] then
      tags[tag](item, rest)
    else
      error("unknown tag @" .. tag)
    end
  end
  item.text = table.concat(text, " ")
  return item
end

local function names(list)
  local found = {}
  for name in list:gmatch "[%w_.]+" do found[#found + 1] = name end
  return found
end

-- What stands under a block: a table with a class, or a function of one.
local function place(all, owners, item, line, where)
  local owner = line:match "^local ([%w_]+) ="
  if item.class then
    local class = all.classes[item.class] or { name = item.class, functions = {}, fields = {}, text = "" }
    class.parent, class.where = class.parent or item.parent, class.where or where
    if #item.text > 0 then class.text, class.where = item.text, where end
    for _, field in ipairs(item.fields) do class.fields[#class.fields + 1] = field end
    all.classes[item.class] = class
    if owner then owners[owner] = class end
    return
  end
  local holder, dot, name, args = line:match "^function ([%w_]+)([.:])([%w_]+)%((.-)%)"
  local class = owners[holder]
  if not class then return end
  item.name, item.dot, item.args, item.where, item.owner = name, dot, names(args), where, class.name
  class.functions[#class.functions + 1] = item
end

local function readfile(all, file)
  local owners, block, number = {}, {}, 0
  for line in io.lines(file) do
    number = number + 1
    local comment = line:match "^%-%-%-(.*)$"
    if comment and not comment:find "^@meta" then
      block[#block + 1] = comment
    elseif #block > 0 then
      place(all, owners, readblock(block), line, file .. ":" .. number)
      block = {}
    end
  end
  if #block > 0 then place(all, owners, readblock(block), "", file .. ":" .. number) end
end

---Reads the files into {classes = {name = class}}. A class has name, where, parent, text, fields and
---functions; a function has name, dot, args, text, async, params, returns, see, example, owner and where.
function annotations.read(files)
  local all = { classes = {} }
  for _, file in ipairs(files) do readfile(all, file) end
  return all
end

---The files that hold the public annotations, in a fixed order.
function annotations.files()
  local files = {}
  local list <close> = assert(io.popen "LC_ALL=C ls lualib/net.lua lualib/meta/*.lua lualib/net/*.lua")
  for name in list:lines() do files[#files + 1] = name end
  return files
end

return annotations
