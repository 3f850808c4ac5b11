local complete = require "net.complete"
local netlua = require "netlua"

-- The candidates behind a line, in one text, and the index of what they replace.
local function behind(line, scope)
  local list, first = complete.candidates(line, #line, scope)
  return table.concat(list, " "), first
end

local function has(line, name, scope)
  return (" " .. behind(line, scope) .. " "):find(" " .. name .. " ", 1, true) ~= nil
end

local function forbidden() error "code ran" end

describe("completion", function()
  it("offers the members of tables, and where what they replace begins", function()
    local scope = { config = { timeout = 1, tries = 2, host = "x" } }

    local names, first = behind("print(config.t", scope)

    assert.equal("timeout tries", names)
    assert.equal(14, first)
    assert.equal("host timeout tries", behind("config.", scope))
    assert.equal("config", behind("x = 1 + con", scope))
    assert.equal("host", behind('print("a" .. config.ho', scope))
  end)

  it("looks at what is before the cursor only", function()
    local list, first = complete.candidates("config.ho, 5", 9, { config = { host = 1, hops = 1 } })

    assert.same({ "hops", "host" }, list)
    assert.equal(8, first)
  end)

  it("follows keys in brackets", function()
    local scope = { list = { { deep = { ["a b"] = { yes = 1 } } } } }

    assert.equal("yes", behind('list[1].deep["a b"].', scope))
    assert.equal("", behind("list[i].", scope))
  end)

  it("runs no code of a value", function()
    local trap = setmetatable({ own = 1 }, { __index = forbidden, __pairs = forbidden, __len = forbidden,
      __eq = forbidden, __call = forbidden, __tostring = forbidden, __name = "net.stream" })
    local scope = setmetatable({ trap = trap, f = forbidden }, { __index = forbidden })

    assert.is_true(has("trap.", "own", scope))
    assert.is_true(has("trap.o", "own", scope))
    assert.equal("", behind("trap.none.", scope))
    for _, line in ipairs { "f().", "f():", "f{}.", "(trap).", "f()[1].", "nosuch.", "nosuch:" } do
      assert.equal("", behind(line, scope))
    end
  end)

  it("goes behind tables by __index where it is a table, also in a circle", function()
    local class = { method = print, field = 1 }
    class.__index = class
    setmetatable(class, class)

    assert.equal("field method", behind("object.", { object = setmetatable({}, class) }))
    assert.equal("method", behind("object:", { object = setmetatable({}, class) }))
  end)

  it("knows the methods of sockets and of strings", function()
    local a <close> = net.udp()
    local scope = { a = a, s = "text" }

    assert.equal("recv recvfrom recvmsg", behind("a:rec", scope))
    assert.is_true(has("s:", "format", scope))
    assert.equal("", behind("a:recv():", scope))
  end)

  it("offers functions only behind a colon", function()
    assert.equal("go", behind("t:", { t = { go = print, stop = 1 } }))
    assert.equal("", behind("t::", { t = { go = print } }))
  end)

  it("offers nothing that nobody can type", function()
    local keys = { ["a\27[2J"] = 1, ["b c"] = 1, ["end"] = 1, [""] = 1, ["\226\128\174x"] = 1, [5] = 1,
      good = 1 }

    assert.equal("good", behind("keys.", { keys = keys }))
  end)

  it("knows what is not loaded yet, and loads nothing", function()
    local out, err = netlua.run [[
      local complete = require "net.complete"
      local function behind(line) return table.concat(complete.candidates(line, #line, {}), " ") end
      behind "net." -- the annotations are there now
      local before, fields = {}, {}
      for name in pairs(package.loaded) do before[name] = true end
      for name in next, net do fields[name] = true end
      print(behind "net.conn", behind "net.x509.make", behind "net.ip.pa", behind "net.connect('h', 1, { ti")
      for name in pairs(package.loaded) do if not before[name] then print(name) end end
      for name in next, net do if not fields[name] then print(name) end end
    ]]

    assert.equal("", err)
    assert.equal("connect\tmake make_crl\tparse\ttimeout\n", out)
  end)

  it("knows the modules of net by their names alone, and loads none", function()
    assert.is_true(has("x509.ma", "make", {}))
    assert.equal("x509", behind("x50", {}))
    assert.equal("field", behind("x509.", { x509 = { field = 1 } }))
  end)

  -- One that is no text left the others out, too.
  it("offers no file names that a terminal acts on, or that are no text", function()
    local folder = os.tmpname()
    netlua.shell(("rm %s; mkdir %s"):format(folder, folder))
    for _, name in ipairs { "good", "g\u{9b}m", "g\xff", "g\u{202e}txt" } do
      assert(io.open(folder .. "/" .. name, "w")):close()
    end

    local names = behind('dofile "' .. folder .. "/g")
    netlua.shell("rm -r " .. folder)

    assert.equal("good", names)
  end)

  it("offers file names in strings, and where their last part begins", function()
    local folder = os.tmpname()
    netlua.shell(("rm %s; mkdir -p %s/sub; touch %s/one.lua %s/.hidden '%s/a\"b' '%s/c\nd'"):format(
      folder, folder, folder, folder, folder, folder))
    local line = 'dofile "' .. folder .. "/"

    local names, first = behind(line)
    local hidden = behind(line .. ".")
    local part, command = behind(line .. "o"), behind(".load " .. folder .. "/")
    local inside, none = behind(line .. "sub/"), behind(line .. "nosuch/")
    netlua.shell("rm -r " .. folder)

    assert.equal("one.lua sub/", names)
    assert.equal(#line + 1, first)
    assert.equal(".hidden", hidden)
    assert.equal("one.lua", part)
    assert.equal("one.lua sub/", command)
    assert.equal("", inside)
    assert.equal("", none)
  end)

  it("offers constants to those who begin with a capital", function()
    assert.is_true(has("net.AF_", "AF_INET6"))
    assert.equal("SO_RESERVE_MEM SO_REUSEADDR SO_REUSEPORT", behind "net.SO_RE")
    assert.is_true(has("net.MSG_", "MSG_PEEK"))
    assert.is_false(has("net.", "AF_INET"))
  end)

  it("offers variables, globals and words of the language", function()
    local scope = { wharf = 1 }

    assert.equal("wharf while", behind("wh", scope))
    assert.equal("string", behind("strin", scope))
    assert.equal("net next", behind("'a'..ne", scope))
  end)

  it("offers the fields of an option table, but those it has", function()
    assert.equal("timeout", behind 'net.connect("h", 1, { ti')
    assert.equal("timeout", behind "net.scope {")
    assert.is_false(has('net.connect("h", 1, { timeout = 1, t', "timeout"))
    assert.is_true(has('net.connect("h", 1, { timeout = f(1, { timeout }), ', "tls"))
    assert.equal("host", behind 'net.connect("h", 1, { tls = { ho')
    assert.equal("selector", behind 'net.connect("h", 1, { tls = { dane = { { se')
    assert.equal("limit", behind "net.map(list, f, {")
    assert.equal("math", behind('net.connect("h", 1, { timeout = mat', {}))
  end)

  it("counts the arguments of methods from either side of the colon", function()
    local a <close> = assert(net.socket "inet")
    local scope = { a = a }

    assert.equal("r rw w", behind('a:shutdown("', scope))
    assert.equal("r rw w", behind('a.shutdown(a, "', scope))
    assert.is_false(has('a.shutdown("', "rw", scope))
  end)

  -- It offered files.
  it("offers the names of socket options where one is asked for", function()
    local a <close> = assert(net.socket "inet")
    local scope = { a = a }

    assert.equal("SO_RESERVE_MEM SO_REUSEADDR SO_REUSEPORT", behind('a:setsockopt("SO_RE', scope))
    assert.equal("TCP_NODELAY", behind("a:getsockopt('TCP_NOD", scope))
    assert.is_false(has('a:write("SO_RE', "SO_REUSEADDR", scope))
  end)

  it("offers the words that an argument or field can be", function()
    local names, first = behind 'net.connect("h", 1, { family = "in'

    assert.equal("inet inet6", names)
    assert.equal(33, first)
    assert.equal("unix", behind "net.socket('u")
    assert.equal("dgram", behind "net.pair 'd")
  end)

  it("offers modules to require, but those of the core", function()
    assert.is_true(has('require "net.t', "net.tls"))
    assert.is_true(has("require('str", "string"))
    assert.equal("", behind 'require "net.core.')
  end)

  it("does not take strings, comments and numbers for Lua", function()
    for _, line in ipairs { "'net.", "[[net.", "-- net.", "x = 5.", "--[[ net.", '"net.x" .. "net.',
      "'a\\' net." } do
      assert.equal("", behind(line))
    end
  end)

  it("offers topics of help behind question marks", function()
    assert.is_true(has("?net.conn", "net.connect"))
    assert.is_true(has("??conn", "connect"))
    assert.equal("stream:read stream:read_until stream:recv", behind "?stream:re")
    assert.is_true(has("?ECONN", "ECONNREFUSED"))
    assert.is_true(has("?x509.ma", "x509.make"))
    assert.equal(2, select(2, behind "?net.conn"))
  end)

  it("offers commands, and what they take", function()
    assert.equal(".table .tasks .time", behind ".t")
    assert.equal(1, select(2, behind ".t"))
    assert.equal("color depth items width", behind ".set ")
    assert.is_true(has(".help net.conn", "net.connect"))
    assert.equal("", behind ".load nosuchfile")

    local names, first = behind(".time config.t", { config = { timeout = 1 } })

    assert.equal("timeout", names)
    assert.equal(14, first)
  end)

  it("takes any line, in time that grows with it", function()
    local large = {}
    for index = 1, 100000 do large["key" .. index] = true end
    local worst = 0

    for _, line in ipairs { "large.", "large.key99", ("{"):rep(16000), ("f("):rep(8000),
      ("a."):rep(8000) .. "a.", ("x"):rep(1000000), "net.", "?", "\0\255", "[", "]", ")", "a.b.", "require",
      "{", "{{", "a[", "a[[", ".", ":" } do
      local began = net.now()
      local list = complete.candidates(line, #line, { large = large })
      worst = math.max(worst, net.now() - began)
      assert.is_true(#list <= 400)
    end

    assert.is_true(worst < 5, worst .. " seconds") -- some 50 ms; minutes, were one of them quadratic
  end)

  it("shows how a function is called where its arguments begin", function()
    local function add(_, _) end
    local hint = complete.hint

    assert.equal("net.pair([type]) -> a, b", hint("x = net.pair(", 13, {}))
    assert.matches("^function %(_, _%)  %-%- ", hint("add(", 4, { add = add }))
    assert.is_nil(hint("net.pair", 8, {}))
    assert.is_nil(hint("f()(", 4, { f = forbidden }))
    assert.is_nil(hint("(", 1, {}))
    assert.is_nil(hint("", 0, {}))
    assert.is_nil(hint("'net.pair('", 10, {}))
  end)
end)
