-- net.chunk: what is typed at the prompt, as a chunk of Lua whose top-level locals last.

local net = package.loaded.net

local chunk = {}

local KEYWORDS = {}
for word in ([[and break do else elseif end false for function goto if in local nil not or repeat return then
true until while]]):gmatch "%a+" do KEYWORDS[word] = true end

---Whether a word is one of the language.
function chunk.iskeyword(word)
  return KEYWORDS[word] == true
end

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

-- \z skips the blanks behind it, and the end of a line may be two bytes.
local function shortend(source, at)
  local quote, place = source:sub(at, at), at + 1
  while place <= #source do
    local c = source:sub(place, place)
    if c == quote or c == "\n" then return place end
    local behind = c == "\\" and (source:match("^z%s*()", place + 1) or source:match("^\r?\n()", place + 1))
    place = behind or place + (c == "\\" and 2 or 1)
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

---What a token adds to the depth of blocks and brackets.
function chunk.nesting(token)
  if token.kind == "string" then return 0 end
  return (OPENS[token.text] or 0) - (CLOSES[token.text] or 0)
end

local function isname(token)
  return token and token.kind == "name" and not KEYWORDS[token.text]
end

-- The names that are declared by `local` at a place in the list: names, the place behind them, and those that
-- have an attribute, as keys.
local function declared(list, place)
  local names, attributes = {}, {}
  place = place + 1
  while isname(list[place]) do
    names[#names + 1] = list[place].text
    place = place + 1
    if list[place] and list[place].text == "<" then
      attributes[names[#names]] = true
      place = place + 3
    end
    if not (list[place] and list[place].text == ",") then break end
    place = place + 1
  end
  return names, place, attributes
end

-- Turns `local` at the top level into assignments: the source without them, the names, those that stay local
-- because they have an attribute, those beside them, and the last token. Lines keep their numbers.
local function lasting(source)
  local list, depth = chunk.tokens(source), 0
  local names, kept, beside, parts, at = {}, {}, {}, {}, 1
  for place, token in ipairs(list) do
    if token.kind ~= "string" and CLOSES[token.text] then depth = depth - 1 end
    if token.kind == "name" and token.text == "local" and depth == 0 then
      local following = list[place + 1]
      local found, behind, attributes = declared(list, place)
      local attribute = next(attributes) ~= nil
      if following and following.text == "function" and isname(list[place + 2]) then
        found, attribute = { list[place + 2].text }, false
      elseif #found > 0 and not attribute and not (list[behind] and list[behind].text == "=") then
        local last = list[behind - 1]
        parts[#parts + 1] = source:sub(at, token.from - 1) .. source:sub(token.to + 1, last.to) .. " = nil;"
        at = last.to + 1
      end
      for _, name in ipairs(found) do
        table.insert(not attribute and names or attributes[name] and kept or beside, name)
      end
      if not attribute and #found > 0 and at <= token.from then
        parts[#parts + 1] = source:sub(at, token.from - 1)
        at = token.to + 1
      end
    end
    if token.kind ~= "string" and OPENS[token.text] then depth = depth + 1 end
  end
  parts[#parts + 1] = source:sub(at)
  return table.concat(parts), names, kept, beside, list[#list]
end

---The modules of net, as the keys of a table: their names alone mean them at the prompt.
chunk.modules = getmetatable(net).modules

---A place for the names of a prompt, in front of the globals. `declare` names what is assigned there; until
---then the name means what it did, as in `local print = print`. `forget` gives the globals that were assigned
---through this place what they were before.
function chunk.scope()
  local known = {}   -- true from the first assignment on
  local globals = {} -- name = { what it was before the first assignment }
  local meta = {}
  function meta.__index(_, name)
    if known[name] then return nil end
    local value = _G[name]
    if value == nil and chunk.modules[name] then return net[name] end
    return value
  end
  function meta.__newindex(scope, name, value)
    if known[name] == nil then
      globals[name] = globals[name] or { rawget(_G, name) }
      _G[name] = value
      return
    end
    known[name] = true
    rawset(scope, name, value)
  end
  local function declare(names)
    for _, name in ipairs(names) do known[name] = known[name] or false end
  end
  local function forget()
    for name, was in pairs(globals) do rawset(_G, name, was[1]) end
  end
  return setmetatable({}, meta), declare, forget
end

local function isunfinished(message)
  return message:sub(-5) == "<eof>"
end

-- A call behind `return` takes the place of the entry on the stack, and neither a traceback nor a task that
-- it spawns could tell of the entry any more. It does not where it is one of two values.
local function expression(source, name, scope)
  return load("return nil, " .. source, name, "t", scope)
end

---Compiles an entry: an expression first, then statements. Gives what chunk.run takes, {names, kept, beside,
---muted}, or nil, the message and whether more lines may complete it, as either.
function chunk.compile(source, name, scope)
  local f, unfit = expression(source, name, scope)
  local whole, err = f, nil
  if not f then whole, err = load(source, name, "t", scope) end
  if not whole then
    local better = isunfinished(unfit) or source:find "^\27" -- which looks like compiled Lua
    local message = better and unfit or err
    return nil, message, isunfinished(message)
  end
  local changed, names, kept, beside, last = lasting(source)
  local muted = last and last.text == ";" or false
  if not f and muted then f = expression(source:sub(1, last.from - 1), name, scope) end
  if f then return { f = f, padded = true, names = {}, kept = {}, beside = {}, muted = muted } end
  f = load(changed, name, "t", scope)
  if not f then f, names, beside = whole, {}, table.move(names, 1, #names, #beside + 1, beside) end
  return { f = f, names = names, kept = kept, beside = beside, muted = muted }
end

---Compiles what a file holds, as Lua does: without a byte order mark and a first line that begins with #.
function chunk.compilefile(text, name, scope)
  return chunk.compile(text:gsub("^\xef\xbb\xbf", ""):gsub("^#[^\n]*", ""), "@" .. name, scope)
end

---Runs an entry, and calls f with where its error was raised, up to the entry, or nil, and with what pcall
---would give.
function chunk.run(entry, f)
  local trace
  local function trap(err)
    trace = debug.traceback(nil, 2):gsub("^(.*)\n\t%[C%]: in function 'xpcall'.*$", "%1")
    return err
  end
  local function finish(ok, ...)
    if ok and entry.padded then return f(trace, ok, select(2, ...)) end
    f(trace, ok, ...)
  end
  finish(xpcall(entry.f, trap))
end

return chunk
