-- net.chunk: what is typed at the prompt, as a chunk of Lua whose top-level locals last.

local chunk = {}

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then
true until while]]):gmatch "%a+" do KEYWORDS[word] = true end

---The words of the language, sorted.
function chunk.keywords()
  local list = {}
  for word in pairs(KEYWORDS) do list[#list + 1] = word end
  table.sort(list)
  return list
end

local OPENS = { ["do"] = 1, ["then"] = 1, ["else"] = 1, ["function"] = 1, ["repeat"] = 1, ["("] = 1,
  ["{"] = 1, ["["] = 1 }
local CLOSES = { ["end"] = 1, ["until"] = 1, [")"] = 1, ["}"] = 1, ["]"] = 1, ["elseif"] = 1, ["else"] = 1 }

-- The end of a string or comment in long brackets that begins at `at`, or of the source.
local function longend(source, at)
  local level = source:match("^%[(=*)%[", at)
  if not level then return nil end
  local _, finish = source:find("]" .. level .. "]", at, true)
  return finish or #source
end

local function shortend(source, at)
  local quote, place = source:sub(at, at), at + 1
  while place <= #source do
    local c = source:sub(place, place)
    if c == quote or c == "\n" then return place end
    place = place + (c == "\\" and 2 or 1)
  end
  return #source
end

-- Where the token that begins at `at` ends, and what it is: "name", "string", "space" or "other".
local function tokenend(source, at)
  local c = source:sub(at, at)
  if source:find("^%-%-", at) then
    local finish = longend(source, at + 2)
    return finish or (source:find("\n", at, true) or #source + 1) - 1, "space"
  end
  if c == '"' or c == "'" then return shortend(source, at), "string" end
  if c == "[" then
    local finish = longend(source, at)
    if finish then return finish, "string" end
  end
  local _, finish = source:find("^%s+", at)
  if finish then return finish, "space" end
  _, finish = source:find("^[%a_][%w_]*", at)
  if finish then return finish, "name" end
  _, finish = source:find("^%.?%d[%w_.]*", at)
  return finish or at, "other"
end

---The tokens of a source without blanks and comments: {text, from, to, kind}; and whether a comment is last.
function chunk.tokens(source)
  local list, at, comment = {}, 1, false
  while at <= #source do
    local finish, kind = tokenend(source, at)
    comment = source:find("^%-%-", at) ~= nil
    if kind ~= "space" then
      list[#list + 1] = { text = source:sub(at, finish), from = at, to = finish, kind = kind }
    end
    at = finish + 1
  end
  return list, comment
end

local function isname(token)
  return token and token.kind == "name" and not KEYWORDS[token.text]
end

-- The names that are declared by `local` at a place in the list: names, the place behind them, and whether
-- one of them has an attribute.
local function declared(list, place)
  local names, attribute = {}, false
  place = place + 1
  while isname(list[place]) do
    names[#names + 1] = list[place].text
    place = place + 1
    if list[place] and list[place].text == "<" then
      attribute = true
      place = place + 3
    end
    if not (list[place] and list[place].text == ",") then break end
    place = place + 1
  end
  return names, place, attribute
end

-- Turns `local` at the top level into assignments: the source without them, the names, those that stay local
-- because they have an attribute, and the last token. Lines keep their numbers.
local function lasting(source)
  local list, depth = chunk.tokens(source), 0
  local names, kept, parts, at = {}, {}, {}, 1
  for place, token in ipairs(list) do
    if token.kind ~= "string" and CLOSES[token.text] then depth = depth - 1 end
    if token.kind == "name" and token.text == "local" and depth == 0 then
      local following = list[place + 1]
      local found, behind, attribute = declared(list, place)
      if following and following.text == "function" and isname(list[place + 2]) then
        found, attribute = { list[place + 2].text }, false
      elseif #found > 0 and not attribute and not (list[behind] and list[behind].text == "=") then
        local last = list[behind - 1]
        parts[#parts + 1] = source:sub(at, token.from - 1) .. source:sub(token.to + 1, last.to) .. " = nil;"
        at = last.to + 1
      end
      for _, name in ipairs(found) do table.insert(attribute and kept or names, name) end
      if not attribute and #found > 0 and at <= token.from then
        parts[#parts + 1] = source:sub(at, token.from - 1)
        at = token.to + 1
      end
    end
    if token.kind ~= "string" and OPENS[token.text] then depth = depth + 1 end
  end
  parts[#parts + 1] = source:sub(at)
  return table.concat(parts), names, kept, list[#list]
end

---A place for the names of a prompt, in front of the globals. `declare` names what is assigned there.
function chunk.scope()
  local known = {}
  local meta = {}
  function meta.__index(_, name)
    if known[name] then return nil end
    return _G[name]
  end
  function meta.__newindex(scope, name, value)
    if known[name] then rawset(scope, name, value) else _G[name] = value end
  end
  local function declare(names)
    for _, name in ipairs(names) do known[name] = true end
  end
  return setmetatable({}, meta), declare
end

---Compiles an entry: an expression first, then statements. Gives {run, names, kept, muted}, or nil, the
---message and whether more lines may complete it.
function chunk.compile(source, name, scope)
  local f = load("return " .. source, name, "t", scope)
  local changed, names, kept, last = lasting(source)
  local muted = last and last.text == ";" or false
  if f then return { run = f, names = {}, kept = {}, muted = muted } end
  local whole, err = load(source, name, "t", scope)
  if not whole then return nil, err, err:sub(-5) == "<eof>" end
  if muted then
    local expression = load("return " .. source:sub(1, last.from - 1), name, "t", scope)
    if expression then return { run = expression, names = {}, kept = {}, muted = true } end
  end
  f = load(changed, name, "t", scope)
  if not f then return { run = whole, names = {}, kept = names, muted = muted } end
  return { run = f, names = names, kept = kept, muted = muted }
end

return chunk
