-- net.check: argument checks for library functions written in Lua. Misuse raises at the line of the caller.

local check = {}

local LONGESTSHOWN = 60 -- bytes of a wrong value in a message, as in those of C

-- The place of the first frame that is not the library's.
local function raise(message)
  local level = 2
  local info = debug.getinfo(level, "S")
  while info and info.source:find("^@lualib/") do
    level = level + 1
    info = debug.getinfo(level, "S")
  end
  error(message, info and level or 0)
end

---Text as messages show it, which is not all of what is long.
function check.shown(text)
  return #text > LONGESTSHOWN and text:sub(1, LONGESTSHOWN) .. "..." or text
end

-- A wrong value in a message.
local function display(got)
  if type(got) ~= "string" then return check.shown(tostring(got)) end
  return ("%q"):format(check.shown(got))
end

---Raises "bad argument" in the name of a public function.
function check.bad(name, arg, want, got)
  raise(("bad argument #%d to '%s' (%s expected, got %s)"):format(arg, name, want, display(got)))
end

---Calls a function of a binding for the public function `name`, which has the same arguments.
function check.call(name, f, ...)
  local function answer(ok, err, ...)
    if ok then return err, ... end
    if type(err) ~= "string" then error(err, 0) end
    raise((err:gsub("^.-bad argument", "bad argument"):gsub("to '[%w_.?]+'", "to '" .. name .. "'")))
  end
  return answer(pcall(f, ...))
end

---The same for a function whose first argument is the argument `arg` of the public one.
function check.callat(name, arg, f, ...)
  local results = table.pack(pcall(f, ...))
  if results[1] then return table.unpack(results, 2, results.n) end
  local message = results[2]
  if type(message) ~= "string" then error(message, 0) end
  raise((message:gsub("^.-bad argument #1 to '[%w_.?]+'", ("bad argument #%d to '%s'"):format(arg, name))))
end

---An integer within bounds, or the default where it is nil.
function check.integer(name, arg, value, low, high, default)
  if value == nil and default then return default end
  if math.type(value) ~= "integer" or value < low or value > high then
    check.bad(name, arg, ("integer from %d to %d"):format(low, high), value)
  end
  return value
end

---A boolean, or nil.
function check.boolean(name, arg, value)
  if value ~= nil and type(value) ~= "boolean" then check.bad(name, arg, "boolean", value) end
end

---Text, which holds no NUL.
function check.text(name, arg, value)
  local good = type(value) == "string" and not value:find("\0", 1, true)
  if not good then check.bad(name, arg, "string without NUL", value) end
end

---Bytes, or what will be shown escaped.
function check.bytes(name, arg, value)
  if type(value) ~= "string" then check.bad(name, arg, "string", value) end
end

---A table.
function check.table(name, arg, value)
  if type(value) ~= "table" then check.bad(name, arg, "table", value) end
end

---A list of texts.
function check.texts(name, arg, value)
  check.table(name, arg, value)
  for index, item in ipairs(value) do
    local good = type(item) == "string" and not item:find("\0", 1, true)
    if not good then check.bad(name, arg, ("item %d: string without NUL"):format(index), item) end
  end
end

---An error, as a call gives it beside nil.
function check.error(name, arg, value)
  if type(value) ~= "table" or type(value.code) ~= "string" then check.bad(name, arg, "error", value) end
end

---Seconds, or nil.
function check.timeout(name, arg, value)
  if value == nil or math.type(value) and value >= 0 and value <= 2 ^ 53 then return end
  check.bad(name, arg, "seconds, a number from 0 to 2^53,", value)
end

-- What may have been meant by a field, of those that are keys of the tables; or "".
local function meant(field, ...)
  local names = {}
  for _, known in ipairs { ... } do
    for key in pairs(known) do names[#names + 1] = key end
  end
  local likest = type(field) == "string" and require("net.nearest").names(field, names)[1]
  return likest and (" (did you mean %q?)"):format(likest) or ""
end

---Raises for a field that no option has; those that there are are keys of the tables that follow.
function check.unknown(name, arg, field, ...)
  local hint, shown = meant(field, ...), check.shown(tostring(field))
  raise(("bad argument #%d to '%s' (unknown option %q%s)"):format(arg, name, shown, hint))
end

---An option table whose fields are integers: `known` gives each its bounds.
function check.options(name, arg, options, known)
  if options == nil then return {} end
  if type(options) ~= "table" then check.bad(name, arg, "table", options) end
  for field, value in pairs(options) do
    local bounds = known[field]
    if not bounds then check.unknown(name, arg, field, known) end
    if math.type(value) ~= "integer" or value < bounds[1] or value > bounds[2] then
      check.bad(name, arg, ("option %q: integer from %d to %d"):format(field, bounds[1], bounds[2]), value)
    end
  end
  return options
end

-- What is wanted of a field: a word for messages, and whether a value is it.
local kinds = {}

function kinds.integer(value, low, high)
  local good = math.type(value) == "integer" and value >= low and value <= high
  return good, ("integer from %d to %d"):format(low, high)
end

function kinds.number(value, low, high)
  local good = math.type(value) and value >= low and value <= high
  return good, ("number from %g to %g"):format(low, high)
end

function kinds.count(value)
  return value == math.huge or math.type(value) == "integer" and value >= 1, "positive integer or math.huge"
end

function kinds.text(value)
  return type(value) == "string" and not value:find("\0", 1, true), "string"
end

function kinds.interface(value, low)
  if math.type(value) ~= "integer" then return kinds.text(value), "name or index of an interface" end
  return kinds.integer(value, low or 1, 0x7fffffff)
end

function kinds.word(value, ...)
  for _, word in ipairs { ... } do
    if value == word then return true end
  end
  return false, '"' .. table.concat({ ... }, '" or "') .. '"'
end

function kinds.boolean(value)
  return type(value) == "boolean", "boolean"
end

function kinds.bytes(value)
  return type(value) == "string", "string"
end

function kinds.list(value)
  return type(value) == "table", "list"
end

function kinds.table(value)
  return type(value) == "table", "table"
end

-- A key or a password, which no message may show.
function kinds.secret(value)
  local shown = type(value) ~= "string" and "a " .. type(value) or value == "" and "an empty one"
    or "one with NUL"
  return kinds.text(value) and value ~= "", "string", shown
end

---An option table with fields of several kinds: `known` gives each {kind, bounds or words...}.
function check.fields(name, arg, options, known)
  if options == nil then return {} end
  if type(options) ~= "table" then check.bad(name, arg, "table", options) end
  for field, value in pairs(options) do
    local kind = known[field]
    if not kind then check.unknown(name, arg, field, known) end
    local good, wanted, shown = kinds[kind[1]](value, table.unpack(kind, 2))
    if not good then
      wanted = ("option %q: %s"):format(field, wanted)
      if shown then
        raise(("bad argument #%d to '%s' (%s expected, got %s)"):format(arg, name, wanted, shown))
      end
      check.bad(name, arg, wanted, value)
    end
  end
  return options
end

---An object whose methods are in that table.
function check.class(name, self, methods, class)
  local meta = getmetatable(self)
  if type(self) == "userdata" and meta and meta.__index == methods then return end
  local got = meta and meta.__name or type(self)
  raise(("calling '%s' on bad self (%s expected, got %s)"):format(name, class, got))
end

---A function.
function check.callable(name, arg, f)
  if type(f) ~= "function" then check.bad(name, arg, "function", f) end
end

return check
