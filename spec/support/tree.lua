-- tree: the project's own sources, for the specs that check its rules.

local lfs = require "lfs"

local tree = {}

---The text of a file.
function tree.read(name)
  local file <close> = assert(io.open(name, "rb"))
  return file:read "a"
end

---Whether there is such a file.
function tree.exists(name)
  return lfs.attributes(name, "mode") == "file"
end

---The files whose name ends in `suffix`, of a folder and, if `deep`, of those below it; sorted.
function tree.files(folder, suffix, deep)
  local found = {}
  if not lfs.attributes(folder) then return found end
  for name in lfs.dir(folder) do
    local path = folder .. "/" .. name
    local mode = lfs.attributes(path, "mode")
    if mode == "file" and name:sub(-#suffix) == suffix then
      found[#found + 1] = path
    elseif deep and mode == "directory" and name:sub(1, 1) ~= "." then
      table.move(tree.files(path, suffix, true), 1, math.maxinteger >> 40, #found + 1, found)
    end
  end
  table.sort(found)
  return found
end

---Several such lists in one: { folder, suffix, deep } ...
function tree.all(...)
  local found = {}
  for _, query in ipairs { ... } do
    for _, path in ipairs(tree.files(table.unpack(query))) do found[#found + 1] = path end
  end
  return found
end

---Iterates over number and text of a text's lines.
function tree.lines(text)
  local number, iterate = 0, text:gmatch "([^\n]*)\n?"
  return function()
    local line = iterate()
    number = number + 1
    return line and number, line
  end
end

-- Blanks of the same shape, so that line numbers stay.
local function blank(text)
  return (text:gsub("[^\n]", " "))
end

-- Replaces what begins at one of the openings by what its rule makes of it. `rules` is a list of
-- { opening, rest }: patterns of what it begins with and of the rest.
local function without(text, rules)
  local pieces, at = {}, 1
  while at <= #text do
    local first, last
    for _, rule in ipairs(rules) do
      local from = text:find(rule[1], at)
      if from and (not first or from < first) then
        first = from
        last = select(2, text:find("^" .. rule[1] .. rule[2], from)) or from
      end
    end
    if not first then break end
    pieces[#pieces + 1] = text:sub(at, first - 1)
    pieces[#pieces + 1] = blank(text:sub(first, last))
    at = last + 1
  end
  pieces[#pieces + 1] = text:sub(at)
  return table.concat(pieces)
end

-- Backslash pairs would end a string early: they are no quotes.
local function plain(text)
  return (text:gsub("\\[^\n]", "  "))
end

---C code without comments and without what stands in strings.
function tree.barec(text)
  return without(plain(text), { { "/%*", ".-%*/" }, { "//", "[^\n]*" }, { '"', '[^"\n]*"' },
    { "'", "[^'\n]*'" } })
end

---Lua code without comments and without what stands in strings.
function tree.barelua(text)
  return without(plain(text), { { "%-%-%[%[", ".-%]%]" }, { "%-%-", "[^\n]*" }, { "%[%[", ".-%]%]" },
    { '"', '[^"\n]*"' }, { "'", "[^'\n]*'" } })
end

---The places "file:line: text" where a word stands in bare code.
function tree.uses(name, bare, word)
  local found = {}
  for number, line in tree.lines(bare) do
    if line:find("%f[%w_]" .. word .. "%f[^%w_]") then
      found[#found + 1] = ("%s:%d: %s"):format(name, number, word)
    end
  end
  return found
end

return tree
