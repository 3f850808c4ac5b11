local netlua = require "netlua"

-- What the prompt prints for that input; the prompts themselves are on stderr.
local function session(input)
  local name = os.tmpname()
  local file <close> = assert(io.open(name, "w"))
  file:write(input)
  file:close()
  local out, err, status = netlua.shell("%s -i <" .. name)
  os.remove(name)
  return out, err, status
end

describe("the prompt", function()
  it("prints the values of an expression", function()
    local out, _, status = session "1 + 1, 'x'\n"

    assert.equal("2\tx\n", out)
    assert.equal(0, status)
  end)

  it("shows a failure as an error and what to do about it", function()
    local out, err = session "net.connect('127.0.0.1', 1)\n_err.code\n"

    assert.matches("connect 127.0.0.1:1: connection refused (ECONNREFUSED)\n", err, 1, true)
    assert.matches("nothing listens", err, 1, true)
    assert.equal("ECONNREFUSED\n", out)
  end)

  -- Errors that are no strings had neither hint nor traceback, and tables no contents.
  it("shows what to do about an error that an entry raises, and where it did", function()
    local _, err = session [[
local function f() assert(net.connect("127.0.0.1", 1)) end f()
error { code = 7 }
]]

    assert.matches("ECONNREFUSED%)\nThe host .*\nstack traceback:\n.*in global 'f'\n.*in main chunk\n", err)
    assert.matches("{ code = 7 }\nstack traceback:\n[^\n]*'error'\n[^\n]*in main chunk\n> ", err)
  end)

  -- What an expression calls had taken its place: "bad argument", without the entry, in a traceback that
  -- ended with "(...tail calls...)"; and its tasks were "spawned at lualib/net/chunk.lua".
  it("knows the entry that called what fails, or spawned a task", function()
    local out, err = session [[
net.listen("127.0.0.1")
.bg net.map({ 60 }, net.sleep)
net.sleep(0);
.tasks
.exit
]]

    assert.matches("> stdin:1: bad argument.-\n\tstdin:1: in main chunk\n> ", err)
    assert.matches("spawned at stdin:1\n", out)
  end)

  -- A string had its traceback with it, and a failure that was muted was not kept.
  it("keeps the last error in _err as it was raised or returned", function()
    local out = session [[
error "plain"
_err
error("x", 0)
_err
net.connect("127.0.0.1", 1);
_err.code
]]

    assert.equal("stdin:1: plain\nx\nECONNREFUSED\n", out)
  end)

  -- Only locals were: most variables of a prompt are declared by nobody.
  it("forgets all that entries have assigned after .reset", function()
    local out = session "x, string = 1\nlocal y = 2\n3\n.reset\nx, y, _, type(string)\n"

    assert.equal("3\nnil\tnil\tnil\ttable\n", out)
  end)

  it("keeps top-level locals, and the last results in _, __ and ___", function()
    local out = session "local a = 20\na + 1\na + 2\n_ + __\n___, a\n"

    assert.equal("21\n22\n43\n21\t20\n", out)
  end)

  it("is mute with a semicolon, and keeps the result", function()
    assert.equal("5\n", (session "5;\n_\n"))
  end)

  it("closes what has the attribute close at the end of its entry, and says that it stays there", function()
    local out, err = session [[
local s <close> = setmetatable({}, { __close = function() print "closed" end })
s
]]

    assert.equal("closed\nnil\n", out)
    assert.matches("-- s has an attribute: it ends with this entry", err, 1, true)
  end)

  it("shows nothing that a terminal acts on", function()
    local out, err = session "'\\27[2J\\7'\nerror '\\27[2J'\n{ ['\\27'] = '\\155' }\nx = = '\27'\n"

    assert.is_nil(out:find "[\0-\8\11-\31\127-\159]")
    assert.is_nil(err:find "[\0-\8\11-\31\127-\159]")
  end)

  it("prints nothing for a statement", function()
    assert.equal("", (session "x = 5\n"))
  end)

  it("asks for more until a statement is complete", function()
    local out, err = session "function f()\nreturn 7\nend\nf()\n"

    assert.equal("7\n", out)
    assert.matches(">> >> ", err, 1, true)
  end)

  it("shows an error and goes on", function()
    local out, err, status = session "error 'first'\nerror { 'x' }\n= 3\n'still here'\n"

    assert.matches("first", err)
    assert.equal("still here\n", out)
    assert.equal(0, status)
  end)

  it("lets tasks run while it waits for input", function()
    local out = netlua.shell [[
      { echo 'net.spawn(function() net.sleep(0.01) print "from a task" end)'
        sleep 0.3
        echo "'later'"; } | %s -i
    ]]

    assert.matches("from a task\nlater\n$", out)
  end)

  it("waits within an entry", function()
    local out = session "a, b = net.pair()\na:write 'hello\\n' and nil\nb:read()\n"

    assert.matches("hello\n$", out)
  end)

  -- The input ended at a line of more than 1 MiB.
  it("takes a line of 2 MB", function()
    local out = session(("x = #'%s'\nx\n"):format(("a"):rep(2000000)))

    assert.equal("2000000\n", out)
  end)

  it("ends with the input in the middle of a statement", function()
    local _, err, status = session "function f()\n"

    assert.matches("<eof>", err, 1, true)
    assert.equal(0, status)
  end)

  it("takes what begins with a dot or a question mark as a command, and never as Lua", function()
    local out, err = session "?net.pair\n.hepl\n.5\n?nosuchname\n.help json\n"

    assert.matches("^net.pair%(%[type%]%) %-> a, b\n", out)
    assert.matches("\n.json EXPR\n", out, 1, true)
    assert.matches("no command .hepl; did you mean .help?", err, 1, true)
    assert.matches("no command .5; .help shows all", err, 1, true)
    assert.matches("nothing is known of nosuchname", err, 1, true)
  end)

  it("shows how long a slow entry took", function()
    local _, slow = session "net.sleep(1.01)\n"
    local quick
    for _ = 1, 10 do -- not while the machine stalls
      _, quick = session "net.sleep(0)\n"
      if not quick:find "%-%-" then break end
    end

    assert.matches("> %-%- %d%.%d+ s\n", slow)
    assert.not_matches("%-%-", quick)
  end)

  it("leaves with .exit and its status, whatever else runs", function()
    local out, _, status = session "net.spawn(net.sleep, 60);\n.exit 3\nprint 'not here'\n"

    assert.equal("", out)
    assert.equal(3, status)
  end)
end)
