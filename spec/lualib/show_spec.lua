local connected = require "connected"
local show = require "net.show"

local function shown(value, options) return show.value(value, options) end

describe("a value at the prompt", function()
  it("is written as Lua would have it", function()
    for text, value in pairs {
      ["1"] = 1, ["1.0"] = 1.0, ["0.1"] = 0.1, ["-math.huge"] = -1 / 0, ["true"] = true, ["text"] = "text",
      ['{ "a\\"b\\\\c" }'] = { 'a"b\\c' }, ["line\nend\t"] = "line\nend\t", ["{}"] = {},
      ['{ "line\\nend\\t" }'] = { "line\nend\t" },
    } do
      assert.equal(text, shown(value))
    end
    assert.equal("nil", shown(nil))
    assert.equal("0/0", shown(0 / 0))
    assert.equal("-9223372036854775808", shown(math.mininteger))
  end)

  -- The report of net.diagnose was one row, with "\n" in it.
  it("that says several lines has them, and one row inside a table", function()
    local report = setmetatable({}, { __tostring = function() return "ok\27\nverdict" end })

    assert.equal("ok\\x1b\nverdict", shown(report))
    assert.equal("{ ok\\x1b\\nverdict }", shown { report })
  end)

  it("that is no text has its bytes and their number, or a dump", function()
    assert.equal('"\\x7f\\x00\\x00\\x01"  -- 4 bytes', shown "\127\0\0\1")
    assert.equal('"\\xff"  -- 1 byte', shown "\255")
    assert.matches("^00000000  00 01.*\n%-%- 100 bytes$", shown("\0\1" .. ("x"):rep(98)))
    assert.matches("\n%-%- 100000 bytes$", shown(("\0"):rep(100000)))
    assert.is_true(#shown(("\0"):rep(100000)) < 2000)
    assert.is_true(#shown { [("x"):rep(100000)] = 1 } < 2000)
    assert.is_true(#shown(setmetatable({}, { __tostring = function() return ("x"):rep(100000) end })) < 2000)
    local accents = ("\u{e9}"):rep(2500)
    assert.equal(('"x%s"..  -- 5001 bytes'):format(accents:sub(1, 254)), shown("x" .. accents))
    assert.matches("%.%.  %-%- 100000 bytes$", shown(("x"):rep(100000)))
    -- All of it was looked at, three times: seconds for 50 MB, in which no other task had its turn.
    assert.matches('^"x+"%.%.  %-%- 100001 bytes$', shown(("x"):rep(100000) .. "\0"))
    assert.matches('^"x+"%.%.  %-%- 9095 bytes$', shown(("x"):rep(4095) .. accents))
  end)

  it("never lets a terminal act on it", function()
    local hostile = "\27[2J\27]0;x\7\194\155\226\128\174"
    for _, value in ipairs {
      hostile, { hostile }, { [hostile] = 1 }, { { a = hostile }, { a = 2 } }, setmetatable({}, {
        __tostring = function() return hostile end }), setmetatable({}, { __name = hostile }),
    } do
      assert.is_nil(shown(value):find "[\0-\8\11-\31\127]")
      assert.is_nil(shown(value):find "\226\128\174")
      assert.is_nil(shown(value):find "\194\155")
    end
  end)

  it("that is a function has its parameters and place", function()
    local function f(a, b, ...) return a, b, ... end
    assert.matches("^function %(a, b, %.%.%.%)  %-%- .*show_spec.lua:%d+$", shown(f))
    assert.equal("function: built in", shown(print))
    assert.equal("net.pair([type]) -> a, b", shown(net.pair))
    assert.equal("stream:recv(max, [timeout]) -> data, err", shown(require("net.core.socket").stream.recv))
  end)

  it("that is a socket has its ends", function()
    local held <close>, near = connected.tcp() -- luacheck: ignore held
    local listener <close> = assert(net.listen("127.0.0.1", 0))

    assert.matches("^tcp 127.0.0.1:%d+ %-> 127.0.0.1:%d+ connected$", shown(near))
    assert.matches("^tcp 127.0.0.1:%d+ listening$", shown(listener))
    near:close()
    assert.equal("net.stream (closed)", shown(near))
  end)
end)

describe("a table at the prompt", function()
  it("has its list first and then its keys, sorted", function()
    assert.equal('{ 1, 2, [-1] = 4, a = 3, b = "x", ["end"] = 5 }',
      shown { 1, 2, b = "x", a = 3, ["end"] = 5, [-1] = 4 })
    assert.equal("{ [true] = 1 }", shown { [true] = 1 })
  end)

  it("takes several lines where it is wide", function()
    assert.equal("{\n  aaaaaaaaaa = 1,\n  bbbbbbbbbb = { 1, 2 },\n}",
      shown({ aaaaaaaaaa = 1, bbbbbbbbbb = { 1, 2 } }, { width = 30 }))
  end)

  -- A comma was put into strings that look as if a comment began in them.
  it("has its commas behind values, whatever is in a string", function()
    assert.equal('{ "a  -- b", ["c  -- d"] = 1 }', shown { "a  -- b", ["c  -- d"] = 1 })
    assert.equal('{\n  "aaaaaaaaaaaaaaaaaaaa  -- b",\n  c = 1,\n}',
      shown({ "aaaaaaaaaaaaaaaaaaaa  -- b", c = 1 }, { width = 20 }))
    assert.matches('^{\n  "x+"%.%.,  %-%- 300 bytes\n}$', shown { ("x"):rep(300) })
  end)

  it("has the name of its class", function()
    local point = { __name = "point" }

    assert.equal("point { x = 1 }", shown(setmetatable({ x = 1 }, point)))
    assert.equal("{ point {}, 2 }", shown { setmetatable({}, point), 2 })
    assert.equal("point {\n  x = 1111111,\n}", shown(setmetatable({ x = 1111111 }, point), { width = 20 }))
    assert.equal("{ 1 }", shown(setmetatable({ 1 }, { __name = 5 })))
  end)

  it("ends: cycles, depth, number of items", function()
    local t = { 1 }
    t.self = t
    assert.equal("{ 1, self = <cycle> }", shown(t))
    assert.matches("{%.%.}", shown { { { { { {} , 1 } } } } })
    local many = {}
    for index = 1, 1000 do many[index] = index end
    assert.matches("%.%.,  %-%- 960 more\n}$", shown(many))
    local same = { 1 }
    assert.equal("{ { 1 }, { 1 }, 2 }", shown { same, same, 2 })
  end)

  it("of records with the same fields is shown as columns", function()
    assert.equal("HOST  PORT\na     1\nlong  22",
      shown { { host = "a", port = 1 }, { host = "long", port = 22 } })
    assert.equal("{ { a = 1 }, { b = 1 } }", shown { { a = 1 }, { b = 1 } })
    assert.equal("{ { a = 1 } }", shown { { a = 1 } })
  end)

  -- The width was that of the names, which the last column went beyond.
  it("of records that are too wide for columns is shown as others are", function()
    local wide = { { a = 1, b = ("x"):rep(20) }, { a = 2, b = "y" } }

    assert.matches("^A  B\n", shown(wide, { width = 23 }))
    assert.matches("^{\n", shown(wide, { width = 22 }))
  end)

  it("of very many items has the first of them", function()
    local records, keys = {}, {}
    for index = 1, 5000 do records[index] = { a = index, b = 1 } end
    for index = 5000, 1, -1 do keys[("k%04d"):format(index)] = index end

    assert.matches("^A   B\n1   1\n.*\n40  1\n%.%.  %-%- 4960 more$", shown(records))
    assert.equal("{\n  k0001 = 1,\n  k0002 = 2,\n  ..,  -- 4998 more\n}", shown(keys, { items = 2 }))
    assert.equal("{\n  k0001 = 1,\n  ..,  -- 4999 more\n}", shown(keys, { items = 1 }))
  end)

  it("calls neither __index nor __pairs nor __len, and __tostring for a moment only", function()
    local called
    local function trap() called = true end
    local meta = { __index = trap, __pairs = trap, __len = trap, __eq = trap, __lt = trap, __concat = trap }

    assert.equal("{ 1, a = 2 }", shown(setmetatable({ 1, a = 2 }, meta)))
    assert.is_nil(called)
    assert.equal("{ 1 }", shown(setmetatable({ 1 }, { __tostring = function() while true do end end })))
    assert.equal("{ 1 }", shown(setmetatable({ 1 }, { __tostring = function()
      while true do pcall(function() while true do end end) end
    end })))
    assert.equal("{ 1 }", shown(setmetatable({ 1 }, { __tostring = function() assert(net.sleep(60)) end })))
    assert.equal("{ 1 }", shown(setmetatable({ 1 }, { __tostring = function() error "no" end })))
    assert.equal("it", shown(setmetatable({ 1 }, { __tostring = function() return "it" end })))
    local key, other = setmetatable({}, { __tostring = trap }), setmetatable({}, { __tostring = trap })
    assert.matches("^{ %[table: 0x%x+%] = 1, %[table: 0x%x+%] = 1 }$", shown { [key] = 1, [other] = 1 })
    assert.equal("{ [false] = 1, [true] = 2 }", shown { [true] = 2, [false] = 1 })
    assert.equal("{ 1 }", shown(setmetatable({ 1 }, { __tostring = function() return {} end })))
  end)
end)

describe("columns", function()
  it("have every field of all records", function()
    assert.equal("A  B\n1\n   x\n2  {..}", show.columns { { a = 1 }, { b = "x" }, { a = 2, b = {} } })
    assert.equal("A\n1\n..  -- 2 more", show.columns({ { a = 1 }, { a = 2 }, { a = 3 } }, { items = 1 }))
  end)

  it("are keys and values of another table, and no columns of what is none", function()
    assert.equal("KEY  VALUE\n1    one\nx    \\x1b", show.columns { "one", x = "\27" })
    assert.equal("KEY  VALUE", show.columns {})
    assert.equal("text", show.columns "text")
    assert.equal("5", show.columns(5))
  end)
end)

describe("the results of an entry", function()
  it("are nothing, one line, or a line each", function()
    assert.is_nil(show.results(nil, 0))
    assert.equal("nil", show.results(nil, 1, nil))
    assert.equal("1\tnil\ttrue", show.results(nil, 3, 1, nil, true))
    assert.matches("\n", show.results({ width = 10 }, 2, "long text", "long text"))
    assert.equal("120\n120\n..  -- 58 more", show.results({ items = 2 }, 60, ("x"):rep(60):byte(1, -1)))
  end)

  it("that are nil and an error are the error and what to do", function()
    local _, err = net.connect("127.0.0.1", 1)

    local text, hint = show.results(nil, 2, nil, err), show.hint(err)

    assert.equal("connect 127.0.0.1:1: connection refused (ECONNREFUSED)", text)
    assert.matches("nothing listens", hint, 1, true)
  end)
end)

describe("what is shown is bounded", function()
  it("in all, not for each table alone", function()
    local leaf = ("x"):rep(200)
    local function deep(level)
      local t = {}
      for index = 1, 40 do t[index] = level == 0 and leaf or deep(level - 1) end
      return t
    end

    local many, few = show.value(deep(2)), show.value(deep(0))

    local leaves, tables = select(2, many:gsub(leaf, "")), select(2, many:gsub("{\n", ""))
    assert.equal(2000, leaves + tables - 1)
    assert.matches("\n  %.%.,  %-%- 38 more\n}$", many)
    assert.equal(40, select(2, few:gsub(leaf, "")))
  end)

  it("for what an error says, too", function()
    local said = show.failure(("x"):rep(1000000))

    assert.is_true(#said < 66000)
    assert.matches("\n%.%.  %-%- 934464 bytes more$", said)
    assert.equal("a\n\\x1b", show.failure "a\n\27")
    assert.equal("{ code = 1 }", show.failure { code = 1 })
    assert.equal("it", show.failure(setmetatable({}, { __tostring = function() return "it" end })))
    assert.equal("{}", show.failure(setmetatable({}, { __tostring = function() while true do end end })))
    assert.equal("{ 1 }", show.failure(setmetatable({ 1 }, { __tostring = function() error "no" end })))
  end)
end)
