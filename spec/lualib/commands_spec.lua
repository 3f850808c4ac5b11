local chunk = require "net.chunk"
local commands = require "net.commands"
local netlua = require "netlua"

-- A session that keeps what it is told, and what ran in it.
local function newsession()
  local session = { entries = {}, options = {}, set = {}, jobs = {}, saved = {}, told = {}, results = {},
    record = { entries = {} } }
  session.scope, session.declare = chunk.scope()
  function session.tell(line) table.insert(session.told, line) end
  function session.perform(entry)
    session.declare(entry.names)
    chunk.run(entry, function(_, _, ...) table.insert(session.results, table.pack(...)) end)
  end
  function session.reset() session.scope, session.declare = chunk.scope() end
  return session
end

local function run(line, session)
  return commands.run(session or newsession(), line)
end

-- Waits for what .bg began in a session; to .tasks the specs themselves are one, too.
local function finish(session)
  for _, job in ipairs(session.jobs) do
    if not job.spawned then job.task:join(30) end
  end
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

  -- Each blank was tried with all those behind it.
  it("take no longer for a line of many blanks", function()
    local began = os.clock()

    local _, remark = run(".lod a" .. (" "):rep(1 << 18) .. "b")

    assert.equal("no command .lod; did you mean .load?", remark)
    assert.is_true(os.clock() - began < 5)
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
    session.results = {}
    local marked <close> = assert(io.open(name, "w"))
    marked:write "\xef\xbb\xbf# a first line like that\nreturn x + 1"
    marked:close()
    run(".load " .. name, session)
    os.remove(name)
    assert.equal(6, session.results[1][1])
    assert.matches("^/tmp: .*directory", select(2, run ".load /tmp")) -- it did not say what
    assert.is_nil(select(2, run ".load /dev/null"))
    assert.equal("/dev/zero is too large", select(2, run ".load /dev/zero"))
    assert.equal(".load needs a file", select(2, run ".load"))
    netlua.shell("mkfifo " .. name)
    local waiting = { select(2, run(".load " .. name)), select(2, run(".save " .. name)) }
    os.remove(name)
    assert.same({ name .. " is a FIFO", name .. " is there already" }, waiting)
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

  -- An expression among the entries made a file that could not be loaded.
  it("save what can be loaded again", function()
    local session, name = newsession(), tempname()
    session.entries = { "x = tostring", "(function() y = 2 end)()", "1, 2", "return 3",
      "z = print", "--[[]] (type)(1)", "-- only\n3;", "-- none" }
    session.declare { "x", "y", "z", "_" }

    run(".save " .. name, session)
    local file <close> = assert(io.open(name))
    local text = file:read "a"
    local _, remark = run(".load " .. name, session)
    os.remove(name)

    assert.equal("x = tostring\n;(function() y = 2 end)()\n_ = 1, 2\n;(function(...) return 3\nend)(...)\n"
      .. "z = print\n;--[[]] (type)(1)\n_ = -- only\n3;\n-- none\n", text)
    assert.is_nil(remark)
    assert.same({ x = tostring, y = 2, z = print, _ = 3 }, session.scope)
  end)

  it("show the entries, or those with a text", function()
    local session = newsession()
    session.record.entries = { "x = 1", "function f()\nend", "'\27[2J'", ".history f(" }

    assert.equal("    1  x = 1\n    2  function f()\n       end\n    3  '\\x1b[2J'",
      (run(".history", session)))
    assert.equal("    2  function f()\n       end", (run(".history f(", session)))
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
    assert.matches("^   1  done .*6 %* 7\n   2  failed .*\n   3  waiting +[%d.]+ %l+ +net.sleep%(60%)", list)
    assert.equal("[1] 42", session.told[1])
    assert.matches("^%[2%] no luck\nstack traceback:\n[^\n]*'error'\n[^\n]*in main chunk$", session.told[2])
    assert.equal("[3] canceled", session.told[3])
    assert.matches("\n   3  canceled", (run(".tasks", session)))
    assert.equal("[3] has ended", select(2, run(".kill 3", session)))
    assert.matches("needs a number", select(2, run(".kill x", session)))
    assert.matches("needs a number", select(2, run(".kill 9", session)))
  end)

  it("tell of a task whose error cannot tell of itself", function()
    local session = newsession()
    run(".bg error(setmetatable({ 1 }, { __tostring = function() error 'no' end }))", session)
    net.sleep(0)

    assert.matches("^%[1%] { 1 }\n", session.told[1])
    assert.matches("^   1  failed ", (run(".tasks", session)))
  end)

  it("list the tasks that entries have spawned, and cancel them", function()
    local session = newsession()
    local other = net.spawn(net.sleep, 60)

    local list = run(".tasks", session)
    local id = list:match "(%d+)  waiting +spawned at [^\n]*commands_spec.lua:%d+"
    local _, problem = run(".kill " .. id, session)
    other:join()

    assert.is_nil(problem)
    assert.equal("canceled", other:status())
    assert.is_nil((run(".tasks", session) or ""):find("commands_spec", 1, true))
  end)

  it("show a failure in the background as the error that it is", function()
    local session = newsession()

    run(".bg net.connect('127.0.0.1', 1)", session)
    finish(session)

    assert.same({ "[1] connect 127.0.0.1:1: connection refused (ECONNREFUSED)" }, session.told)
  end)

  it("list the sockets of this program", function()
    local session = newsession()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = server:getsockname()

    local waiting = net.spawn(server.accept, server)
    net.sleep(0)
    local list = run(".socks", session)
    local id = (run(".tasks", session)):match "(%d+)  waiting +spawned at [^\n]*commands_spec.lua:%d+"
    waiting:cancel()

    assert.matches("127.0.0.1:" .. port .. " +tcp +LISTEN +" .. id, list)
  end)

  it("show values as JSON, and errors too", function()
    assert.equal('{\n  "a": [\n    1,\n    "x"\n  ]\n}', (run ".json { a = { 1, 'x' } }"))
    assert.matches('"code": "ECONNREFUSED"', (run ".json net.connect('127.0.0.1', 1)"))
    assert.equal('"\u{e9}\\u009b\\u202e\\udb40\\udc41\\u007f"',
      (run [[.json "\u{e9}\u{9b}\u{202e}\u{e0041}\x7f"]]))
    assert.matches("no luck", select(2, run ".json error 'no luck'"))
    assert.equal("string", type(select(2, run ".json print")))
    assert.equal("a JSON list cannot have the key a", select(2, run ".json { 1, a = 2 }"))
  end)

  it("end with what they run where that is canceled", function()
    for _, name in ipairs { ".json", ".table" } do
      local task <close> = net.spawn(run, name .. " net.sleep(60)")
      net.sleep(0)

      task:cancel()
      task:join()

      assert.equal("canceled", task:status())
    end
  end)

  -- It was told as an error of the value. Here writing the value is made to wait.
  it("end with what they show where that is canceled", function()
    local record = require "net.record"
    local json = record.json
    record.json = function() net.sleep(60) end
    local task <close> = net.spawn(run, ".json 1")
    net.sleep(0)

    task:cancel()
    task:join()
    record.json = json

    assert.equal("canceled", task:status())
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
    assert.equal("  color  as usual\n  depth  2\n  items  as usual\n  width  as usual",
      (run(".set", session)))
    assert.equal("depth is a number from 1 to 100", select(2, run(".set depth x", session)))
    assert.equal("width is a number from 20 to 1000", select(2, run(".set width 5", session)))
    assert.matches("no setting colour: color, depth", select(2, run(".set colour 5", session)), 1, true)
    assert.equal("color is on or off", select(2, run(".set color red", session)))
    assert.is_nil(select(2, run(".set color off", session)))
    assert.is_false(session.options.color)
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
