local docs = require "net.docs"
local help = require "net.help"
local netlua = require "netlua"
local text = require "net.text"

local function about(line, scope)
  return help.answer(line, { scope = scope })
end

local function has(line, words, scope)
  local page, found = about(line, scope)
  assert.is_true(found, page)
  assert.is_truthy(page:find(words, 1, true), page)
end

-- A file with that text, whose functions are called from there.
local function loaded(source)
  local name = os.tmpname()
  local file <close> = assert(io.open(name, "w"))
  file:write(source)
  file:close()
  local value = assert(loadfile(name))()
  return value, name
end

describe("help", function()
  it("shows how a function is called, with text, arguments, results and example", function()
    local page = about "?net.connect"

    assert.matches("^net.connect%(host, %[port%], %[options%]%) %-> stream, err\n  waits", page)
    for _, words in ipairs { "\n\nConnects a stream.", "\narguments\n  host     (string) numeric",
      "\n  timeout, family", "\nresults\n  stream  (net.stream?)", "\nexample\n  local server",
      "\nsee connect(2), RFC 8305" } do
      assert.is_truthy(page:find(words, 1, true), words)
    end
  end)

  it("knows names as people type them", function()
    for line, first in pairs {
      ["?connect"] = "net.connect(", ["?net.connect()"] = "net.connect(", ["?stream:read"] = "stream:read(",
      ["?net.stream.read"] = "stream:read(", ["?read"] = "stream:read(", ["?x509.make"] = "net.x509.make(",
      [" ? make_crl"] = "net.x509.make_crl(", ["?stream:setsockopt"] = "handle:setsockopt(",
      ["?timeout"] = "net.timeout(", ["?net.stream"] = "net.stream\n", ["?stream"] = "net.stream\n",
      ["?x509"] = "net.x509\n", ["?net"] = "net\n", ["?AF_INET"] = "net.AF_INET = 2",
      ["?net.SO_REUSEADDR"] = "net.SO_REUSEADDR = ", ["?ECONNREFUSED"] = "ECONNREFUSED: connection refused",
      ["?econnrefused"] = "ECONNREFUSED: ", ["?hostname"] = "netlua hostname\n", ["?ping"] = "net.ping(",
      ["?netlua ping"] = "netlua ping\n", ["?connect.options.tls"] = "net.connect.options.tls\n",
    } do
      local page, found = about(line)

      assert.is_true(found, line)
      assert.equal(first, page:sub(1, #first))
    end
  end)

  it("names other things of the same name, or lists them if none is the first", function()
    has("?ping", "also ?netlua ping")
    has("?status", "task:status")
    has("?wait", "several are called wait:\n  event:wait")
  end)

  it("names Lua's own function beside one of net", function()
    has("?select", "#pdf-select")
    assert.is_nil(help.answer("?connect"):find("#pdf", 1, true))
  end)

  it("knows the class of what a variable holds", function()
    local s <close> = assert(net.udp())

    has("?s", "net.datagram", { s = s })
    has("?s:sendto", "datagram:sendto(", { s = s })
    has("?box.s:close", "handle:close()", { box = { s = s } })
  end)

  it("shows other values, and what Lua's manual has on its functions", function()
    has("?config", "timeout = 5", { config = { timeout = 5 } })
    has("?string.format", "#pdf-string.format")
    has("?print", "#pdf-print")
  end)

  it("has the comment above a function", function()
    local f, name = loaded "-- Adds.\nlocal function add(a, b)\n  return a + b\nend\nreturn add\n"

    local page = about("?f", { f = f })
    os.remove(name)

    assert.matches("^%-%- Adds%.\nfunction %(a, b%)  %-%- ", page)
  end)

  it("asks what was meant by an unknown name", function()
    local page, found = about "?conect"

    assert.equal("nothing is known of conect; did you mean connect, or context?", page)
    assert.is_false(found)
    assert.equal("nothing is known of xyzzyq", (about "?xyzzyq"))
    assert.equal("nothing is known of \\x1b[2J", (about "?\27[2J"))
  end)

  it("lists what fits a pattern, a line for each", function()
    local list, found = about "?x509.*"

    assert.is_true(found)
    assert.matches("\n  net.x509.make  +Makes a certificate", list)
    assert.equal(list, (about "?x509."))
    assert.matches("net.is_port_open", (about "?*port*"), 1, true)
    assert.matches("%.timeout ", (about "?net.connect.options.t*"))
    assert.same({ "nothing fits nosuch*", false }, { about "?nosuch*" })
    assert.same({ "nothing fits %d+*", false }, { about "?%d+*" })
  end)

  it("shows the source of functions in Lua, and the stub of those in C", function()
    local page, stub = about "??net.hexdump", about "??net.pair"

    assert.matches("^%-%- lualib/net/hexdump.lua:%d+\nfunction hexdump.hexdump%(.*\nend$", page)
    assert.matches("^%-%- lualib/meta/net.lua:%d+: a stub.*\n%-%-%-.*\nfunction net.pair%(type%) end$", stub)
    assert.same({ "config is no function", false }, { about("??config", { config = 5 }) })
  end)

  it("shows the source of a script's functions, escaped", function()
    local f, name = loaded "return function()\n\treturn '\27[2J'\nend\n"
    local g = load "return function() return 1 end"()
    local h = load("return function() end", "=stdin")()

    local page = about("??f", { f = f })
    os.remove(name)

    assert.matches(":1\nreturn function%(%)\n\treturn '\\x1b%[2J'\nend$", page)
    assert.matches("\nreturn function() return 1 end", (about("??g", { g = g })), 1, true)
    assert.matches("not at hand", (about("??h", { h = h })))
    assert.matches("not at hand", (about("??f", { f = f })))
  end)

  it("says what it answers", function()
    assert.matches("^%?name", (about "?"))
  end)

  it("keeps to a width, but for code", function()
    for _, entry in ipairs(docs.entries()) do
      local page = help.topic(entry.title, { width = 50 })
      local prose = page:gsub("\nexample\n.-\n\n", "\n"):gsub("\nexample\n.*", "")
      for line in prose:gsub("\n  netlua [^\n]*", ""):gmatch "[^\n]+" do
        assert.is_true(text.width(line) <= 50 or not line:find "^%S.* %S" or line:find '"|"', line)
      end
    end
  end)

  it("has a page for every name, and takes any line", function()
    for _, entry in ipairs(docs.entries()) do
      local page, found = help.topic(entry.title)
      assert.is_true(found and #page > 0, entry.title)
      if entry.kind == "function" then assert.is_true(select(2, help.source(entry.title))) end
    end
    for _, line in ipairs { "???", "?%", "?(", "?a b c", "?[", "?.", "?:", "??**", "?\0",
      "?" .. ("x"):rep(100000) } do
      assert.equal("string", type((about(line))))
    end
  end)

  it("is there as records, for programs", function()
    local records = help.records "net.pair"

    assert.equal(1, #records)
    assert.equal("net.pair", records[1].name)
    assert.equal("function", records[1].kind)
    assert.equal("net.pair([type]) -> a, b", records[1].signature)
    assert.equal("Makes two unix sockets that are connected to each other.", records[1].summary)
    assert.equal((about "?net.pair"), records[1].page)
    assert.equal("connection refused", help.records("ECONNREFUSED")[1].summary)
    assert.is_true(#help.records "x509.*" > 10)
    assert.is_true(#help.records "wait" > 1)
    assert.same({ n = 2, nil, "nothing is known of net.pear; did you mean net.pair?" },
      table.pack(help.records "net.pear"))
  end)

  it("refuses a pattern that would take long to try", function()
    assert.equal(1, #{ (about("?" .. ("*a"):rep(30))) })
    assert.matches("^nothing fits", (about("?" .. ("*a"):rep(30))))
  end)

  -- A pasted line: each blank was tried with all those behind it, each parenthesis with the rest of the line.
  it("takes no longer for a line of many blanks or parentheses", function()
    local began = os.clock()

    about("?a" .. (" "):rep(1 << 16) .. "b")
    about("?" .. ("("):rep(1 << 16))

    assert.is_true(os.clock() - began < 15) -- it was 80
  end)

  it("says that a source is not at hand, outside a checkout", function()
    local program = netlua.program:find "^/" and "%s" or "$OLDPWD/%s"
    local out = netlua.shell("cd /; printf '??net.connect\\n??net.pair\\n' | " .. program .. " -i")

    assert.matches("^%-%- lualib/net/dial.lua:%d+: its source is not at hand\nnet.connect%(", out)
    assert.matches("\n%-%- lualib/meta/net.lua:%d+: a stub, the function is written in C\nnet.pair%(", out)
  end)
end)
