-- sweep: calls every public function with arguments it should not be given, one at a time. The annotations
-- say which functions there are and what they take, so a new one is covered as it comes.
--
-- Each call must work, raise a message that names the argument and the value, or answer nil, err. Where the
-- annotation forbids the value (another type, outside "0 to 255", NUL in text), it must not work.
--
-- For use in a program of its own, on an island: some calls look names up, connect or listen.

package.path = "./docs/reference/?.lua;" .. package.path

local annotations = require "annotations"

local sweep = {}

local BRIEFLY = 0.005 -- seconds for one call

local NUMBERS = { -1, 0, 1, 1 << 16, 1 << 31, 1 << 32, 1 << 53, 2.0 ^ 53, math.maxinteger, math.mininteger,
  0 / 0, 1 / 0, -1 / 0, 1.5, -0.0 }

local TEXTS = { "", "0x50", "80 ", " 80", "1e1", "a\0b", "127.0.0.1\0", ("x"):rep(300), ("1"):rep(300),
  "\xff\xfe\x80", "%s%n", "\27[31m" }

local OTHERS = { true, false, function() end, {}, io.stdout }

-- Bytes, in which NUL is one like the others; and formats, whose first letter counts, as for io.read.
local BINARY = { data = true, bytes = true, delimiter = true, format = true, ["net.stream.read...."] = true,
  ["net.tls.context.ocsp"] = true, label = true, context = true,
  message = true, sentence = true, target = true } -- the last are shown, escaped

-- Without an end is fine there.
local ENDLESS = { ["net.pings.count"] = true }

-- Numbers that are no seconds, and may be negative.
local SIGNED = { ["net.x509.make.days"] = true, ["net.x509.make_crl.days"] = true }

-- Read only after a level and a number, which the sweep does not give; or it would print, or write files.
local UNREAD = { ["net.handle.getsockopt...."] = true, ["net.tool.run...."] = true,
  ["net.tls.context.keylog"] = true }

-- A level may stand here, and what is wrong then is what follows it.
local LEVELS = { ["net.handle.setsockopt.option"] = true, ["net.handle.getsockopt.option"] = true }

-- Function, else option field = what fields need beside them.
local BESIDE = { address = { port = 9 }, ["net.tool.call"] = { run = type }, ["net.free_port"] = {},
  ["net.tool.run"] = { run = function() return 0 end, usage = "WORD" },
  ["net.is_port_available"] = {}, ["net.port.owner"] = {},
  ["net.stream.starttls"] = { host = "x" },
  ["net.x509.verify"] = { chain = "x" },
  ["net.x509.make_crl"] = { issuer = { certificate = "x", key = "x" } } }

-- Not tried: function = argument values that would take something away from the sweep itself.
local HARMFUL = { ["net.fromfd"] = { [0] = true, [1] = true } }

-- ---- what a type in an annotation takes

local function split(text)
  local found, depth, from, quoted = {}, 0, 1, false
  for at = 1, #text do
    local c = text:sub(at, at)
    if c == '"' then quoted = not quoted end
    if not quoted and c:find "[({<[]" then depth = depth + 1 end
    if not quoted and c:find "[)}>%]]" then depth = depth - 1 end
    if c == "|" and depth == 0 and not quoted then
      found[#found + 1] = text:sub(from, at - 1)
      from = at + 1
    end
  end
  found[#found + 1] = text:sub(from)
  return found
end

local PLAIN = { integer = true, number = true, string = true, boolean = true, any = true, table = true,
  ["false"] = true, ["function"] = true, ["file*"] = true }

local function addone(takes, word, all)
  local item = word:match "^%((.*)%)%[%]$" or word:match "^(.*)%[%]$"
  local class = all.classes[word]
  if item then
    takes.list = item
  elseif word:find "^\"" then
    takes.words = takes.words or {}
    takes.words[word:sub(2, -2)] = true
  elseif word:find "^fun%(" then
    takes["function"] = true
  elseif word:find "^{" then
    takes.fields = {}
    for name, kind in word:gmatch "([%w_]+): ([^,}]+)" do
      takes.fields[#takes.fields + 1] = { name = name, type = kind, text = "", optional = true }
    end
  elseif class and #class.functions == 0 and #class.fields > 0 and word ~= "net.handle" then
    takes.fields = class.fields
  else
    takes[PLAIN[word] and word or "object"] = true
  end
end

-- The set of what a type takes. `words` are texts, `list` the type of items, `fields` those of an option
-- table.
local function readtype(text, all)
  local takes = { optional = text:find "%?$" ~= nil }
  for _, word in ipairs(split((text:gsub("%?$", "")))) do addone(takes, word, all) end
  return takes
end

-- The first range in a parameter's text, such as "0 to 65535" or "0 to 2^53".
local function range(text)
  local low, high = text:match "(%d+) to (%d+%^?%d*)"
  if not low then return nil end
  local base, power = high:match "(%d+)%^(%d+)"
  return tonumber(low), base and tonumber(base) ^ tonumber(power) or tonumber(high)
end

local function numberforbidden(place, param, takes, value)
  if ENDLESS[place] and value == 1 / 0 then return false end
  if takes.number and takes.string then return false end -- data, as Lua prints it
  if not takes.integer and not takes.number then return true end
  if value ~= value or value == 1 / 0 or value == -1 / 0 then return true end
  if not takes.number and math.tointeger(value) == nil then return true end
  local low, high = range(param.text)
  if low and (value < low or value > high) then return true end
  return takes.number and value < 0 and not SIGNED[place] -- all of the others are seconds
end

local function textforbidden(place, param, takes, value)
  if takes.words and not takes.string then return not takes.words[value] end
  if not takes.string then return not (takes.object and param.type:find "string") end
  return value:find "\0" and not takes.number and not BINARY[param.name] and not BINARY[place]
end

-- Whether the annotation of the parameter excludes a value.
local function forbidden(place, param, takes, value)
  local kind = type(value)
  if takes.any then return false end
  if kind == "nil" then return not param.optional and not takes.optional end
  if kind == "number" then return numberforbidden(place, param, takes, value) end
  if kind == "string" then return textforbidden(place, param, takes, value) end
  if kind == "boolean" then return not takes.boolean and not (takes["false"] and not value) end
  if kind == "function" then return not takes["function"] end
  if kind == "table" then return not (takes.table or takes.list or takes.fields) end
  return not takes["file*"]
end

---Whether the annotation of a parameter, {name, type, text, optional}, excludes a value.
function sweep.excludes(param, value)
  return forbidden("", param, readtype(param.type, { classes = {} }), value) and true or false
end

-- ---- what is right

-- Closes what was made, and what came along.
local function discard(...)
  for index = 1, select("#", ...) do
    local value = select(index, ...)
    local kind = type(value)
    if (kind == "userdata" and not io.type(value) or kind == "table" and getmetatable(value))
      and value.close then pcall(value.close, value) end
  end
end

-- A stream that has an answer to everything at once, with its other end.
local function busy()
  local a, b = net.pair()
  b:write("12 line\n", ("x"):rep(2000), "\n")
  b:shutdown "w"
  return a, b
end

local function datagram()
  local s = assert(net.udp { family = "inet" })
  assert(s:bind("127.0.0.1", 0))
  return s
end

local function unconnected()
  return assert(net.socket "inet")
end

-- class or method = how to make what it is called on
local makers = {
  ["net.handle"] = unconnected,
  ["net.stream"] = busy,
  ["net.stream.connect"] = unconnected,
  ["net.stream.bind"] = unconnected,
  ["net.stream.listen"] = unconnected,
  ["net.datagram"] = datagram,
  ["net.datagram.bind"] = function() return assert(net.udp { family = "inet" }) end,
  ["net.listener"] = function() return assert(net.listen("127.0.0.1", 0)) end,
  ["net.listeners"] = function() return assert(net.listen({ "127.0.0.1", "127.0.0.2" }, 0)) end,
  ["net.task"] = function() return net.spawn(net.sleep, 1) end,
  ["net.scope"] = function() return net.scope() end,
  ["net.channel"] = function() return net.channel(1) end,
  ["net.semaphore"] = function() return net.semaphore(1) end,
  ["net.event"] = function() return net.event() end,
  ["net.error"] = function() return select(2, net.inet_aton "") end,
  ["net.ip.address"] = function() return net.ip "192.0.2.0/24" end,
  ["net.tool.output"] = function()
    local streams = { write = type, warn = type, terminal = {}, colored = {} }
    return require("net.output").new("tool", {}, { form = "human" }, streams)
  end,
  ["net.mac.address"] = function() return net.mac.parse "00:11:32:3c:c3:0b" end,
  ["net.linkwatch"] = function() return assert(net.watch_links()) end,
  ["net.x509.certificate"] = function() return net.x509.make() end,
}

-- parameter = a right value, or a function that makes one
local samples = {
  family = "inet", type = "stream", bytes = "\127\0\0\1", text = "127.0.0.1", mac = "00:11:32:3c:c3:0b",
  host = "127.0.0.1", address = "127.0.0.1", a = "127.0.0.1", b = "127.0.0.2", other = "192.0.2.1",
  name = "127.0.0.1", group = "224.1.1.1", port = 9, service = 9, prefix = 25, network = "fe80::/64",
  err = makers["net.error"], spec = function() return { run = type } end, words = {}, list = {},
  option = "SO_RCVBUF", targets = "127.0.0.1", ports = 9, seconds = 0, file = io.tmpfile,
  limits = function() return { max_line = 100 } end,
  ["net.mac.frombytes.bytes"] = "\0\17\50\60\195\11",
  ["net.mac.format.bytes"] = "\0\17\50\60\195\11",
  ["net.tool.load.name"] = "inet",
  ["net.getservbyname.name"] = "http",
  ["net.getprotobyname.name"] = "tcp",
  ["net.every.seconds"] = 1,
  ["net.stream.starttls.options"] = function() return { host = "x" } end,
  ["net.x509.certificate.issued.other"] = function() return net.x509.make() end,
  ["net.tls.negotiate.stream"] = busy,
  ["net.tls.negotiate.protocol"] = "smtp",
  ["net.listen.port"] = 0,
  ["net.datagram.bind.port"] = 0,
  ["net.stream.bind.port"] = 0,
}

local function sample(f, param, all)
  local known = samples[f.owner .. "." .. f.name .. "." .. param.name] or samples[param.name]
  if type(known) == "function" then return known() end
  if known ~= nil then return known end
  if param.optional or param.name == "..." then return nil end
  local takes = readtype(param.type, all)
  if takes["function"] then return function() end end
  if takes.list or takes.fields or takes.table then return {} end
  if takes.string then return "x" end
  return not takes.boolean and 1
end

-- ---- the calls

local calls = 0

local PLACES = { "a", "b", "c", "d", "e" }

-- Calls it as a script would, so that the message counts and names as it does for one.
local function caller(f)
  local list = table.concat(PLACES, ", ", 1, #f.params)
  local target = f.dot == ":" and "self:" .. f.name or f.owner .. "." .. f.name
  local code = ("local self%s = ... return %s(%s)"):format(#list > 0 and ", " .. list or "", target, list)
  return assert(load(code, "=call"))
end

local function make(f)
  if f.dot ~= ":" then return nil end
  local maker = makers[f.owner .. "." .. f.name] or makers[f.owner]
  assert(maker, "spec/support/sweep.lua lacks a maker for " .. f.owner)
  return maker()
end

-- One call. Returns the outcome of pcall.
local function try(f, all, index, value)
  return net.timeout(BRIEFLY, function()
    local arguments, n = {}, #f.params
    for i, param in ipairs(f.params) do
      if i ~= index then arguments[i] = sample(f, param, all) else arguments[i] = value end
    end
    local self, other = make(f)
    local result = table.pack(pcall(caller(f), self, table.unpack(arguments, 1, n)))
    discard(table.unpack(result, 2, result.n))
    discard(self, other, table.unpack(arguments, 1, n))
    -- A converter says in words what is wrong, as argparse wants it.
    local inwords = result[1] and result[2] == nil and f.returns[2] and f.returns[2].name == "message"
    if inwords then result[3] = type(result[3]) == "string" and makers["net.error"]() or nil end
    return table.unpack(result, 1, result.n)
  end)
end

local function show(value)
  return type(value) == "string" and ("%q"):format(value:sub(1, 20)) or tostring(value)
end

-- The deadline around a call is ours. Scans raise it, once they have taken the value.
local function late(result)
  local meta = getmetatable(result)
  return type(result) == "table" and meta and meta.__name == "net.error" and result.code == "TIMEOUT"
end

---What is wrong with an outcome of pcall, or nothing. `named` is how a message names the argument.
function sweep.verdict(named, mayfail, ok, result, err)
  if not ok and mayfail and late(result) then return nil end
  if not ok then
    if type(result) ~= "string" then return "raised no message: " .. tostring(result) end
    if not result:find(named) then return "does not name the argument: " .. result end
    if result:find "lualib/" then return "names the library, not the call: " .. result end
    local telling = result:find "got " or result:find "NUL" or result:find "unknown" or result:find '"'
    if not telling then return "does not tell the value: " .. result end
  elseif result == nil and err ~= nil then
    local meta = getmetatable(err)
    if not meta or meta.__name ~= "net.error" then return "answered no error object: " .. tostring(err) end
    if #tostring(err) == 0 or #err:explain() == 0 then return "answered an empty error" end
  elseif not mayfail then
    return "works"
  end
end

local function each(values, visit)
  for index = 1, values.n or #values do visit(values[index]) end
end

-- Every value in the place of one argument, wrapped: an option field, say.
local function tryall(f, all, index, param, wrap, named, report)
  local takes = readtype(param.type, all)
  local place = ("%s.%s.%s"):format(f.owner, f.name, param.name)
  local harmful = HARMFUL[f.owner .. "." .. f.name] or {}
  local function visit(value)
    calls = calls + 1
    if takes.any or UNREAD[place] or harmful[value] then return end
    local allowed = not forbidden(place, param, takes, value)
    local problem = sweep.verdict(named, allowed, try(f, all, index, wrap(value)))
    if problem then
      report(("%s%s%s, %s = %s: %s"):format(f.owner, f.dot, f.name, param.name, show(value), problem))
    end
  end
  each(NUMBERS, visit)
  each(TEXTS, visit)
  each(OTHERS, visit)
  return takes, visit
end

local function same(value) return value end

local function fields(f, all, index, takes, named, report)
  local problem = sweep.verdict('unknown option "nonesuch"', false, try(f, all, index, { nonesuch = 1 }))
  if problem then report(("%s%s%s, %s: %s"):format(f.owner, f.dot, f.name, "an unknown field", problem)) end
  for _, field in ipairs(takes.fields) do
    local function wrap(value)
      local options = { [field.name] = value }
      local beside = BESIDE[f.owner .. "." .. f.name] or BESIDE[field.name] or {}
      for name, other in pairs(beside) do
        if name ~= field.name then options[name] = other end
      end
      return options
    end
    tryall(f, all, index, field, wrap, named .. '.*"' .. field.name .. '"', report)
  end
end

---Sweeps the functions of a class. Returns how many calls there were and the list of what is wrong.
function sweep.class(name)
  local all = annotations.read(annotations.files())
  local problems, before = {}, calls
  local function report(text) problems[#problems + 1] = text end
  for _, f in ipairs(all.classes[name].functions) do
    for index, param in ipairs(f.params) do
      local number = LEVELS[("%s.%s.%s"):format(f.owner, f.name, param.name)] and "%d" or index
      local named = ("bad argument #%s to '[%%w_.]*%s'"):format(number, f.name)
      local takes, visit = tryall(f, all, index, param, same, named, report)
      if param.name ~= "..." then visit(nil) end
      if takes.fields then fields(f, all, index, takes, named, report) end
      if takes.list then
        local item = { name = param.name .. "[]", type = takes.list, text = "" }
        tryall(f, all, index, item, function(value) return { value } end, named, report)
      end
    end
  end
  return calls - before, problems
end

local function takessomething(class)
  for _, f in ipairs(class.functions) do
    if #f.params > 0 then return true end
  end
  return false
end

---The names of the classes that have functions with parameters, sorted.
function sweep.classes()
  local found = {}
  for name, class in pairs(annotations.read(annotations.files()).classes) do
    if takessomething(class) then found[#found + 1] = name end
  end
  table.sort(found)
  return found
end

return sweep
