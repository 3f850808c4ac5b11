-- Holds the documentation and the program together, in both directions.

package.path = "./docs/reference/?.lua;" .. package.path

local annotations = require "annotations"
local netlua = require "netlua"

local all = annotations.read(annotations.files())

require "net.tlsstream"
require "net.stream" -- the methods written in Lua stand in their classes from now on

local function readfile(name)
  local file <close> = assert(io.open(name, "rb"))
  return file:read "a"
end

local function list(command)
  local names = {}
  local lines <close> = assert(io.popen(command))
  for name in lines:lines() do names[#names + 1] = name end
  return names
end

-- The functions and constants of `net`, but for the constants of options: net.options lists them.
local function livenet()
  local live = {}
  local constant = require("net.core.option").constant
  local eager = setmetatable({}, { __index = require("net.core.addr").constants })
  for name, value in pairs(require("net.core.resolve").constants) do eager[name] = value end
  for name, value in pairs(net) do
    local late = type(value) == "number" and not eager[name]
    assert(not late or constant(name) == value, name)
    if not late and type(value) ~= "table" then live[name] = value end
  end
  return live
end

-- class name -> its methods
local function liveclasses()
  local socket = require "net.core.socket"
  local scope <close> = net.scope()
  local watch <close> = assert(net.watch_links())
  local function methods(object) return getmetatable(object).__index end
  return {
    ["net"] = livenet(),
    ["net.stream"] = socket.stream,
    ["net.listener"] = socket.listener,
    ["net.datagram"] = socket.datagram,
    ["net.task"] = methods(net.current()),
    ["net.scope"] = methods(scope),
    ["net.error"] = methods(select(2, net.sleep(0)) or require("net.core.error").new("op", "EOF")),
    ["net.channel"] = methods(net.channel()),
    ["net.semaphore"] = methods(net.semaphore(1)),
    ["net.event"] = methods(net.event()),
    ["net.listeners"] = require("net.listeners").class,
    ["net.pings"] = methods(assert(net.pings("127.0.0.1", { mode = "tcp" }))),
    ["net.hops"] = methods(assert(net.hops("127.0.0.1", { mode = "tcp" }))),
    ["net.ip"] = net.ip,
    ["net.ip.address"] = methods(net.ip "127.0.0.1"),
    ["net.port"] = net.port,
    ["net.port.scanner"] = require("net.portscan").class,
    ["net.mac"] = net.mac,
    ["net.diagnose.report"] = methods(assert(net.diagnose "127.0.0.1:1")),
    ["net.tool"] = net.tool,
    ["net.tool.output"] = require("net.output").class,
    ["net.mac.address"] = methods(net.mac.parse "00:00:00:00:00:01"),
    ["net.linkwatch"] = methods(watch),
    ["net.tls"] = net.tls,
    ["net.x509"] = net.x509,
    ["net.x509.certificate"] = methods(net.x509.make()),
  }
end

local live = liveclasses()

-- name -> annotation, with those of the parents
local function documented(class)
  local found = class.parent and documented(all.classes[class.parent]) or {}
  for _, f in ipairs(class.functions) do found[f.name] = f end
  return found
end

local function sorted(set)
  local names = {}
  for name in pairs(set) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function functions()
  local found = {}
  for _, name in ipairs(sorted(all.classes)) do
    for _, f in ipairs(all.classes[name].functions) do found[#found + 1] = f end
  end
  return found
end

describe("the annotations", function()
  it("name every function and method that a script can reach", function()
    local missing = {}

    for class, methods in pairs(live) do
      local known = documented(all.classes[class])
      for name, value in pairs(methods) do
        if type(value) == "function" and name:sub(1, 2) ~= "__" and not known[name] then
          missing[#missing + 1] = class .. "." .. name
        end
      end
    end

    assert.same({}, missing)
  end)

  it("name only functions and methods that are there", function()
    local gone = {}

    for class, methods in pairs(live) do
      for name, f in pairs(documented(all.classes[class])) do
        if type(methods[name]) ~= "function" then gone[#gone + 1] = ("%s: %s"):format(f.where, name) end
      end
    end

    assert.same({}, gone)
  end)

  it("belong to a class that the program has", function()
    local parents, unknown = {}, {}
    for name in pairs(live) do parents[all.classes[name].parent or name] = true end

    for name, class in pairs(all.classes) do
      if #class.functions > 0 and not live[name] and not parents[name] then unknown[#unknown + 1] = name end
    end

    assert.same({}, unknown)
  end)

  it("name the constants of net with their values", function()
    local constants, fields = {}, {}

    for name, value in pairs(live.net) do
      if type(value) == "number" then constants[name] = tostring(value) end
    end
    for _, field in ipairs(all.classes.net.fields) do fields[field.name] = field.text:match "^%d+" end

    assert.same(constants, fields)
  end)

  it("name each argument as the function does", function()
    local wrong = {}

    for _, f in ipairs(functions()) do
      local names = {}
      for index, param in ipairs(f.params) do names[index] = param.name end
      local tags, args = table.concat(names, ", "), table.concat(f.args, ", ")
      if tags ~= args then wrong[#wrong + 1] = ("%s: (%s) has tags for (%s)"):format(f.where, args, tags) end
    end

    assert.same({}, wrong)
  end)

  it("have a sentence, and an example of at most 6 lines", function()
    local poor = {}

    for _, f in ipairs(functions()) do
      local _, lines = (f.example or ""):gsub("[^\n]+", "")
      if #f.text == 0 or lines == 0 or lines > 6 then poor[#poor + 1] = f.where .. ": " .. f.name end
    end

    assert.same({}, poor)
  end)

  it("keep all results of a function that is an argument in its type", function()
    local types = {}

    for _, f in ipairs(functions()) do
      for _, param in ipairs(f.params) do
        if param.type:find "^fun%(" then types[f.owner .. "." .. f.name .. "." .. param.name] = param.type end
      end
    end

    assert.equal("fun(item: any, index: integer): any, any", types["net.map.f"] or types["net.task.map.f"])
  end)

  it("name only error codes that are in the list", function()
    local known, unknown = { UDP = true, TCP = true, DSCP = true, PEM = true, TLS = true }, {}
    for _, row in ipairs(require("net.core.error").codes()) do known[row.code] = true end

    for _, f in ipairs(functions()) do
      for _, result in ipairs(f.returns) do
        for word in result.text:gmatch "%f[%w_][A-Z][A-Z0-9_]+%f[^%w_]" do
          if #word > 2 and not known[word] then unknown[#unknown + 1] = f.where .. ": " .. word end
        end
      end
    end

    assert.same({}, unknown)
  end)
end)

-- What a live function says of its own arguments: names for Lua, nothing for C.
local function parameters(f)
  local info, names = debug.getinfo(f, "uS"), {}
  if info.what == "C" then return nil end
  for index = 1, info.nparams do names[index] = debug.getlocal(f, index) end
  if info.isvararg then names[#names + 1] = "..." end
  return table.concat(names, ", ")
end

-- The pictures of calls above the functions in C, as in `/* s:recv(max, [timeout]) -> ...`: how many
-- arguments, as name -> {count = true}.
local function pictures()
  local counts = {}
  for _, file in ipairs(list "ls runtime/*.c bindings/*.c") do
    for object, name, args in readfile(file):gmatch "/%* (%l*:?)([%l_]+)(%b())" do
      local inside, n = args:sub(2, -2), 0
      for _ in inside:gmatch "[^,]+" do n = n + 1 end
      local key = (object:sub(-1) == ":" and ":" or ".") .. name
      counts[key] = counts[key] or {}
      counts[key][n] = true
    end
  end
  return counts
end

describe("an annotation", function()
  it("of a function in Lua has its arguments", function()
    local wrong = {}

    for class, methods in pairs(live) do
      for name, f in pairs(documented(all.classes[class])) do
        local has = methods[name] and parameters(methods[name])
        local says = table.concat(f.args, ", ")
        if f.dot == ":" then says = #says > 0 and "self, " .. says or "self" end
        if has and has ~= says then wrong[#wrong + 1] = ("%s: (%s) is (%s)"):format(f.where, says, has) end
      end
    end

    assert.same({}, wrong)
  end)

  it("of a function in C has as many arguments as the picture above the function", function()
    local wrong, drawn = {}, pictures()

    for class, methods in pairs(live) do
      for name, f in pairs(documented(all.classes[class])) do
        local counts = drawn[f.dot .. name]
        if methods[name] and not parameters(methods[name]) and counts and not counts[#f.args] then
          wrong[#wrong + 1] = f.where .. ": " .. name
        end
      end
    end

    assert.same({}, wrong)
  end)
end)

describe("the option classes", function()
  -- class -> a call that refuses unknown fields before it does anything
  local calls = {
    ["net.connect.options"] = function(options) return net.connect("127.0.0.1", 1, options) end,
    ["net.listen.options"] = function(options) return net.listen("127.0.0.1", 0, options) end,
    ["net.udp.options"] = net.udp,
    ["net.scope.options"] = net.scope,
    ["net.membership"] = function(options)
      local s <close> = assert(net.udp())
      return s:join("224.1.1.1", options)
    end,
    ["net.ancillary"] = function(options)
      local s <close> = assert(net.udp())
      return s:ancillary(options)
    end,
    ["net.sendmsg.options"] = function(options)
      local s <close> = assert(net.udp())
      return s:sendmsg("x", options)
    end,
    ["net.recvmsg.options"] = function(options)
      local s <close> = assert(net.udp())
      return s:recvmsg(1, 0, options)
    end,
    ["net.ping.options"] = function(options) return net.ping("127.0.0.1", options) end,
    ["net.trace.options"] = function(options) return net.trace("127.0.0.1", options) end,
    ["net.path_mtu.options"] = function(options) return net.path_mtu("127.0.0.1", options) end,
    ["net.local_addresses.options"] = net.local_addresses,
    ["net.route.options"] = function(options) return net.route("127.0.0.1", options) end,
    ["net.neighbors.options"] = net.neighbors,
    ["net.port.scan.options"] = function(options) return net.port.scan("127.0.0.1", 1, options) end,
    ["net.tls.context.options"] = net.tls.context,
    ["net.tls.options"] = function(options) return net.connect("127.0.0.1", 1, { tls = options }) end,
    ["net.tls.server.options"] = function(options) return net.listen("127.0.0.1", 0, { tls = options }) end,
    ["net.x509.verify.options"] = net.x509.verify,
    ["net.x509.generate_key.options"] = net.x509.generate_key,
    ["net.x509.request.options"] = net.x509.request,
    ["net.x509.make.options"] = net.x509.make,
    ["net.x509.make_crl.options"] = net.x509.make_crl,
    ["net.getaddrinfo.hints"] = function(hints) return net.getaddrinfo("127.0.0.1", 1, hints) end,
  }

  it("name only fields that the function takes", function()
    local refused = {}

    for class, call in pairs(calls) do
      for _, field in ipairs(all.classes[class].fields) do
        local made, message = pcall(call, { [field.name] = print }) -- of the wrong type, so nothing is made
        if made or message:find "unknown option" then refused[#refused + 1] = class .. "." .. field.name end
      end
    end

    assert.same({}, refused)
  end)

  it("name every field that a socket's function takes", function()
    local source, taken, named = readfile "bindings/socket.c", {}, {}

    for name, words in source:gmatch "const (%l+)options%[%] = (%b{})" do
      local class, fields = all.classes["net." .. name .. ".options"], {}
      for word in words:gmatch '"([%l_0-9]+)"' do fields[word] = true end
      taken[name], named[name] = sorted(fields), {}
      for _, field in ipairs(class.fields) do named[name][#named[name] + 1] = field.name end
      table.sort(named[name])
    end

    assert.same({ "connect", "listen", "udp" }, sorted(taken))
    assert.same(taken, named)
  end)
end)

describe("docs/errors.md", function()
  it("lists the codes of the program, each with its kind and what to do", function()
    local codes, rows = {}, {}

    for index, row in ipairs(require("net.core.error").codes()) do
      assert.is_true(#row.kind > 0 and #row.message > 0 and #row.explain > 0, row.code)
      codes[index] = row.code .. " " .. row.kind
    end
    for code, kind in readfile("docs/errors.md"):gmatch "\n| `([%u%d_]+)` | (%l+) |" do
      rows[#rows + 1] = code .. " " .. kind
    end

    assert.same(codes, rows)
  end)
end)

describe("net.error", function()
  it("names every kind that a code of the list has, and no other", function()
    local known, named = {}, {}
    for _, row in ipairs(require("net.core.error").codes()) do known[row.kind] = true end

    for _, field in ipairs(all.classes["net.error"].fields) do
      if field.name == "kind" then
        for kind in field.text:match(": (.*)"):gsub(" or ", ", "):gmatch "%l+" do named[kind] = true end
      end
    end

    assert.same(known, named)
  end)
end)

describe("the reference", function()
  it("is what generate.lua makes of the annotations", function()
    local stale, problem, status = netlua.shell "%s docs/reference/generate.lua --check"

    assert.equal("", stale)
    assert.equal("", problem)
    assert.equal(0, status)
  end)

  it("has no page that generate.lua does not make", function()
    local stray = {}

    for _, name in ipairs(list "ls docs/reference/*.md") do
      if not readfile(name):find "^<!%-%- Made by" then stray[#stray + 1] = name end
    end

    assert.same({}, stray)
  end)
end)

describe("the example of", function()
  for _, f in ipairs(functions()) do
    it(f.owner .. f.dot .. f.name .. " runs", function()
      local _, problem, status = netlua.run(f.example)

      assert.equal("", problem)
      assert.equal(0, status)
    end)
  end
end)

describe("the manual page", function()
  it("names the options that the program names", function()
    local usage, manual = {}, {}
    local _, text = netlua.shell "%s -?"

    for option in text:gmatch "\n  (%-%S*)" do usage[option] = true end
    for line in readfile("docs/netlua.1"):match("%.SH OPTIONS(.-)%.SH"):gmatch "%.TP\n%.BI? (%S+)" do
      manual[line:gsub("\\", "")] = true
    end

    assert.is_true(#sorted(usage) > 5)
    assert.same(usage, manual)
  end)

  it("has the version of the program", function()
    local version = netlua.shell "%s -v"

    assert.equal(version:match "netlua (%S+)", readfile("docs/netlua.1"):match '"netlua (%S-)"')
  end)
end)

-- The headings of a page as GitHub names them in links.
local function headings(text)
  local found = {}
  for heading in ("\n" .. text):gmatch "\n#+ ([^\n]+)" do
    found[heading:lower():gsub("[^%w _-]", ""):gsub(" ", "-")] = true
  end
  return found
end

-- Removes "x/.." from a path.
local function normal(path)
  local shorter, n = path:gsub("[^/]+/%.%./", "", 1)
  return n > 0 and normal(shorter) or path
end

local function exists(name)
  local file <close> = io.open(name, "rb")
  return file ~= nil
end

describe("the links between pages", function()
  it("lead to a file and a heading that are there", function()
    local broken = {}

    for _, page in ipairs(list "ls *.md docs/*.md docs/*/*.md") do
      for target in readfile(page):gsub("```.-\n```", ""):gmatch "%]%(([^)%s]+)%)" do
        local name, heading = target:match "^([^#]*)#?(.*)$"
        local file = name == "" and page or normal(page:gsub("[^/]*$", "") .. name)
        if not target:find "^https?:" and (not exists(file)
          or (heading ~= "" and not headings(readfile(file))[heading])) then
          broken[#broken + 1] = page .. ": " .. target
        end
      end
    end

    assert.same({}, broken)
  end)
end)

describe("the tools", function()
  for _, page in ipairs { "docs/guide/tools.md", "docs/netlua.1" } do
    it("have each its place in " .. page, function()
      local text, missing = readfile(page), {}

      for _, name in ipairs(net.tool.names()) do
        local row = text:find("| `" .. name .. "` |", 1, true) or text:find("\n.B " .. name .. "\n", 1, true)
        if not row then missing[#missing + 1] = name end
      end

      assert.same({}, missing)
    end)
  end
end)
