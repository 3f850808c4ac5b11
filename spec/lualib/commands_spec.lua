local chunk = require "net.chunk"
local commands = require "net.commands"

-- A session that keeps what it is told, and what ran in it.
local function newsession()
  local session = { entries = {}, options = {}, jobs = {}, saved = {}, told = {}, results = {} }
  session.scope, session.declare = chunk.scope()
  function session.tell(line) table.insert(session.told, line) end
  function session.perform(entry)
    session.declare(entry.names)
    table.insert(session.results, table.pack(entry.run()))
  end
  function session.reset() session.scope, session.declare = chunk.scope() end
  return session
end

local function run(line, session)
  return commands.run(session or newsession(), line)
end

-- Waits for the jobs of a session.
local function finish(session)
  for _, job in ipairs(session.jobs) do job.task:join(5) end
end

local function tempname()
  local name = os.tmpname()
  os.remove(name)
  return name
end

describe("the commands of the prompt", function()
  it("are listed by .help, which has a line for each and pages on names", function()
    local page = run ".help"

    for _, name in ipairs(commands.names()) do
      assert.is_truthy(page:find("\n  " .. name:gsub("%p", "%%%0") .. " "), name)
      assert.equal(name, (run(".help " .. name)):match "^%S+")
    end
    assert.matches("^net.pair%(", (run ".help net.pair"))
    assert.matches("^ECONNREFUSED", (run ".help ECONNREFUSED"))
    assert.matches("^[^\n]+$", select(2, run ".help nosuchname"))
  end)

  it("answer unknown ones with what was meant", function()
    assert.equal("no command .lod; did you mean .load?", select(2, run ".lod x"))
    assert.equal("no command .xyzzy; .help shows all", select(2, run ".xyzzy"))
    assert.equal("no command .\\x1b[2J; .help shows all", select(2, run ".\27[2J"))
  end)

  it("say what is wrong with a source", function()
    for _, name in ipairs { ".time", ".bg", ".json", ".table" } do
      local shown, remark = run(name .. " 1 +")

      assert.is_nil(shown)
      assert.matches("unexpected symbol", remark)
      assert.equal("what?", select(2, run(name)))
    end
  end)

  it("time an expression", function()
    local session = newsession()

    local shown, remark = run(".time 1 + 1", session)

    assert.is_nil(shown)
    assert.matches("^%-%- [%d.]+ [mu]?s$", remark)
    assert.equal(2, session.results[1][1])
    assert.equal("-- 12 us", commands.took(0.0000123))
    assert.equal("-- 1.5 ms", commands.took(0.0015))
    assert.equal("-- 2.25 s", commands.took(2.25))
  end)

  it("load a file, whose top-level locals last", function()
    local session, name = newsession(), tempname()
    local file <close> = assert(io.open(name, "w"))
    file:write "#!/usr/bin/env netlua\nlocal x = 5\nreturn x\n"
    file:close()

    local shown, remark = run(".load " .. name, session)
    os.remove(name)

    assert.is_nil(shown)
    assert.is_nil(remark)
    assert.equal(5, session.results[1][1])
    assert.matches("No such file", select(2, run(".load " .. name)))
    assert.matches("directory", select(2, run ".load /tmp"))
    assert.is_nil(select(2, run ".load /dev/null"))
    assert.equal("/dev/zero is too large", select(2, run ".load /dev/zero"))
    assert.equal(".load needs a file", select(2, run ".load"))
  end)

  it("save the entries, over no file but their own", function()
    local session, name = newsession(), tempname()
    session.entries = { "x = 1", "function f()\nend" }

    local _, remark = run(".save " .. name, session)
    table.insert(session.entries, "y = 2")
    run(".save " .. name, session)
    local _, refused = run(".save " .. name)

    local file <close> = assert(io.open(name))
    os.remove(name)
    assert.equal("-- 2 entries", remark)
    assert.equal("x = 1\nfunction f()\nend\ny = 2\n", file:read "a")
    assert.equal(name .. " is there already", refused)
    assert.matches("No such file", select(2, run ".save /nosuchdir/x"))
    assert.equal(".save needs a file", select(2, run ".save"))
  end)

  it("show the entries, or those with a text", function()
    local session = newsession()
    session.entries = { "x = 1", "function f()\nend", "'\27[2J'" }

    assert.equal("   1  x = 1\n   2  function f()\n      end\n   3  '\\x1b[2J'", (run(".history", session)))
    assert.equal("   2  function f()\n      end", (run(".history f(", session)))
    assert.is_nil((run(".history nosuch", session)))
  end)

  it("run tasks, list them and tell what came of them", function()
    local session = newsession()
    run(".bg 6 * 7", session)
    run(".bg error('no luck', 0)", session)
    local _, third = run(".bg net.sleep(60)", session)
    net.sleep(0)

    local list = run(".tasks", session)
    run(".kill 3", session)
    finish(session)

    assert.equal("[3]", third)
    assert.matches("^   1  done .*6 %* 7\n   2  failed .*\n   3  runs +[%d.]+ %l+ +net.sleep%(60%)", list)
    assert.equal("[1] 42", session.told[1])
    assert.matches("^%[2%] no luck\nstack traceback", session.told[2])
    assert.equal("[3] canceled", session.told[3])
    assert.matches("\n   3  canceled", (run(".tasks", session)))
    assert.equal("[3] has ended", select(2, run(".kill 3", session)))
    assert.matches("needs a number", select(2, run(".kill x", session)))
    assert.matches("needs a number", select(2, run(".kill 9", session)))
  end)

  it("show a failure in the background as the error that it is", function()
    local session = newsession()

    run(".bg net.connect('127.0.0.1', 1)", session)
    finish(session)

    assert.same({ "[1] connect 127.0.0.1:1: connection refused (ECONNREFUSED)" }, session.told)
  end)

  it("list the sockets of this program", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = server:getsockname()

    assert.matches("127.0.0.1:" .. port .. " +tcp +LISTEN", (run ".socks"))
  end)

  it("show values as JSON, and errors too", function()
    assert.equal('{\n  "a": [\n    1,\n    "x"\n  ]\n}', (run ".json { a = { 1, 'x' } }"))
    assert.matches('"code": "ECONNREFUSED"', (run ".json net.connect('127.0.0.1', 1)"))
    assert.equal('"\u{e9}\\u009b\\u202e\\udb40\\udc41\\u007f"',
      (run [[.json "\u{e9}\u{9b}\u{202e}\u{e0041}\x7f"]]))
    assert.matches("no luck", select(2, run ".json error 'no luck'"))
    assert.equal("string", type(select(2, run ".json print")))
  end)

  it("show values in columns", function()
    assert.equal("A  B\n1\n   x", (run ".table { { a = 1 }, { b = 'x' } }"))
    assert.equal("KEY  VALUE\na    1\nb    {..}", (run ".table { a = 1, b = {} }"))
    assert.equal("text", (run ".table 'text'"))
    assert.matches("^connect .*ECONNREFUSED", (run ".table net.connect('127.0.0.1', 1)"))
    assert.matches("no luck", select(2, run ".table error 'no luck'"))
  end)

  it("forget the variables", function()
    local session = newsession()
    session.declare { "x" }
    session.scope.x = 1

    run(".reset", session)

    assert.is_nil(session.scope.x)
  end)

  it("set how results are shown", function()
    local session = newsession()

    assert.is_nil(select(2, run(".set depth 2", session)))
    assert.equal(2, session.options.depth)
    assert.equal("  depth  2\n  items  as usual\n  width  as usual", (run(".set", session)))
    assert.equal("depth is a number from 1 to 100", select(2, run(".set depth x", session)))
    assert.equal("width is a number from 20 to 1000", select(2, run(".set width 5", session)))
    assert.equal("no setting colour: depth, items or width", select(2, run(".set colour 5", session)))
  end)

  it("leave with a status", function()
    local session = newsession()

    run(".exit", session)
    assert.equal(0, session.ending)
    run(".exit 7", session)
    assert.equal(7, session.ending)
    assert.equal("a status is a number from 0 to 255", select(2, run(".exit x", session)))
  end)
end)
