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

  it("that is no text has its bytes and their number, or a dump", function()
    assert.equal('"\\x7f\\x00\\x00\\x01"  -- 4 bytes', shown "\127\0\0\1")
    assert.equal('"\\xff"  -- 1 byte', shown "\255")
    assert.matches("^00000000  00 01.*\n%-%- 100 bytes$", shown("\0\1" .. ("x"):rep(98)))
    assert.matches("\n%-%- 100000 bytes$", shown(("\0"):rep(100000)))
    assert.is_true(#shown(("\0"):rep(100000)) < 2000)
    assert.matches("%.%.  %-%- 100000 bytes$", shown(("x"):rep(100000)))
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

  it("calls neither __index nor __pairs nor __len, and __tostring for a moment only", function()
    local called
    local function trap() called = true end
    local meta = { __index = trap, __pairs = trap, __len = trap, __eq = trap, __lt = trap, __concat = trap }

    assert.equal("{ 1, a = 2 }", shown(setmetatable({ 1, a = 2 }, meta)))
    assert.is_nil(called)
    assert.equal("{ 1 }", shown(setmetatable({ 1 }, { __tostring = function() while true do end end })))
    assert.equal("{ 1 }", shown(setmetatable({ 1 }, { __tostring = function() error "no" end })))
    assert.equal("it", shown(setmetatable({ 1 }, { __tostring = function() return "it" end })))
    assert.equal("{ 1 }", shown(setmetatable({ 1 }, { __tostring = function() return 5 end })))
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
  end)

  it("that are nil and an error are the error and what to do", function()
    local text, hint = show.results(nil, 2, nil, select(2, net.connect("127.0.0.1", 1)))

    assert.equal("connect 127.0.0.1:1: connection refused (ECONNREFUSED)", text)
    assert.matches("nothing listens", hint, 1, true)
  end)
end)
