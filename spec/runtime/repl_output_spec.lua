-- What tasks write while a line is edited: it stands above the prompt, in order, and the line is whole.

local pty = require "pty"

-- A task that runs some code a moment after its entry; the entry shows nothing.
local function later(code)
  return ("net.spawn(function() net.sleep(0.02) %s end);"):format(code)
end

-- The lines on the screen, also those that scrolled away, that match a pattern.
local function matching(term, pattern)
  local found = {}
  for line in term.screen:all(true):gmatch "[^\n]+" do
    if line:find(pattern) then found[#found + 1] = line end
  end
  return found
end

local function numbered(name, count)
  local list = {}
  for i = 1, count do list[i] = name .. " " .. i end
  return list
end

-- What is typed while a task prints every 10 ms, for a second.
local function typing(cols, text)
  local term <close> = pty.prompt { cols = cols }
  term:enter "net.spawn(function() for i = 1, 100 do net.sleep(0.01) print('tick ' .. i) end end);"
  local pieces = math.min(#text, 40)
  for i = 1, pieces do
    term:expect("tick " .. i * 90 // pieces)
    term:type(text:sub((i - 1) * #text // pieces + 1, i * #text // pieces))
  end

  term:expect "tick 100"
  term:shows("tick 100\n> " .. text)

  assert.same(numbered("tick", 100), matching(term, "^tick"))
  assert.same({}, term.screen.unknown)
  term:type "\1'\5'\r"
  term:prompt()
  term:shows(("> '%s'\n%s\n>"):format(text, text))
end

describe("output while a line is edited", function()
  it("stands above it, every 10 ms", function()
    typing(80, "abc")
  end)

  it("stands above a line of three rows", function()
    typing(80, ("abcdefghij"):rep(18))
  end)

  it("stands above a line that fills its rows to the last column", function()
    typing(40, ("abcdefgh"):rep(14) .. "123456")
  end)

  it("stands above a line with the cursor in its middle", function()
    local term <close> = pty.prompt { cols = 20 }
    term:run(later "for i = 1, 30 do net.sleep(0.005) print('tick ' .. i) end")
    term:type("'" .. ("x"):rep(50) .. "'" .. ("\27[D"):rep(36))

    term:expect "tick 30"
    term:type "y"

    term:shows("tick 30\n> '" .. ("x"):rep(15) .. "y" .. ("x"):rep(35) .. "'")
    assert.same(numbered("tick", 30), matching(term, "^tick"))
    assert.equal(20, (select(2, term.screen:cursor())))
  end)

  -- What was typed and what was printed came together, and the line was drawn where the output had been.
  it("stands above it, also where both come in one turn of the loop", function()
    local term <close> = pty.prompt()
    term:run "function busy() local t = net.now() while net.now() < t + 0.02 do end end"
    term:run "net.spawn(function() for i = 1, 30 do net.sleep(0.005) print('tick ' .. i) end end);"
    term:run "net.spawn(function() for _ = 1, 30 do busy() net.sleep(0) end end);"
    local text = ("abcdefghij"):rep(4)

    for i = 1, #text do
      term:type(text:sub(i, i))
      net.sleep(0.01) -- at the pace of who types
    end
    term:expect "tick 30"

    term:shows("tick 30\n> " .. text)
    assert.same(numbered("tick", 30), matching(term, "tick %d"))
  end)

  it("may be 30,000 lines at once", function()
    local term <close> = pty.prompt()
    term:run(later "print('be' .. 'gin') for i = 1, 30000 do print('line ' .. i) end")

    term:type "abc"

    term:expect("line 30000", 30)
    term:shows "line 30000\n> abc"
    assert.same(numbered("line", 30000), matching(term, "^line"))
  end)

  it("keeps the order of both streams", function()
    local term <close> = pty.prompt()
    term:run(later("print 'out 1' io.stderr:write 'out 2\\n' io.write 'out 3\\n' " ..
      "io.stdout:write('out 4\\n') io.stderr:write 'out ' print '5'"))

    term:type "abc"

    term:shows "out 1\nout 2\nout 3\nout 4\nout 5\n> abc"
  end)

  it("that ends no line gets an end", function()
    local term <close> = pty.prompt()
    term:run(later "io.write 'half'")

    term:type "abc"

    term:shows "half\n> abc"
  end)

  it("stands above a search", function()
    local term <close> = pty.prompt()
    term:run "'needle'"
    term:run(later "for i = 1, 20 do net.sleep(0.01) print('tick ' .. i) end")

    term:type "\18need"
    term:expect "tick 20"

    term:shows "tick 20\n(reverse-i-search)`need': 'needle'"
    assert.same(numbered("tick", 20), matching(term, "^tick"))
    term:type "\r"
    term:prompt()
    assert.matches("\nneedle\n>$", term.screen:text())
  end)

  it("stands above a line that goes on", function()
    local term <close> = pty.prompt()
    term:run(later "for i = 1, 20 do net.sleep(0.01) print('tick ' .. i) end")
    term:enter "function f()"
    term:prompt ">> "
    term:type "return 7"

    term:expect "tick 20"

    term:shows "tick 20\n>> return 7"
    term:enter " end"
    term:prompt()
    assert.equal("7", term:run "f()")
  end)

  it("is nothing where a task is silent: not a byte", function()
    local term <close> = pty.prompt()
    term:run "net.spawn(function() while true do net.sleep(0.01) n = (n or 0) + 1 end end);"
    term:type "abc"
    term:shows "> abc"
    local before = #term.bytes

    assert(net.sleep(0.3))

    assert.equal(before, #term.bytes)
    term:type "\1\11while n <= 20 do net.sleep(0.01) end return n > 20\r"
    term:prompt()
    assert.matches("\ntrue\n>$", term.screen:text())
  end)

  it("comes through wide characters", function()
    local term <close> = pty.prompt { cols = 20 }
    term:run(later "for i = 1, 20 do net.sleep(0.01) print('日本 ' .. i) end")

    term:type "'語語語語語語語語語語語語'"
    term:expect "日本 20"

    term:wait("the line is not whole", function()
      local lines = term.screen:lines(1, true)
      return lines[#lines]:gsub(" ", "") == ">'語語語語語語語語語語語語'"
    end)
    assert.same(numbered("日本", 20), matching(term, "^日本"))
  end)
end)

describe("output of an entry", function()
  it("is seen as it comes", function()
    local term <close> = pty.prompt()
    term:enter "print('fi' .. 'rst') net.sleep(0.1) print('sec' .. 'ond') net.sleep(60)"

    term:expect "first"
    term:expect "second"

    term:type "\3"
    term:prompt()
  end)

  it("is whole, also where a program has left the terminal not to wait", function()
    local term <close> = pty.prompt()
    term:run [[os.execute "python3 -c 'import os; os.set_blocking(1, False)'";]]

    term:enter "for i = 1, 5000 do print(i, ('x'):rep(60)) end"
    term:prompt()

    local _, lines = term.bytes:gsub("[\r\n]%d+%s+x", "")
    assert.equal(5000, lines)
  end)

  it("that ends no line leaves the prompt a row of its own", function()
    local term <close> = pty.prompt()

    assert.equal("half", term:run "io.write 'half';")
    assert.equal("half", term:run "io.stderr:write 'half';")
  end)
end)

describe("a task that raises", function()
  it("is shown with its error, its place and a traceback, and the line is whole", function()
    local term <close> = pty.prompt()
    term:run("function fails() error 'boom' end")
    term:run(later "fails()")

    term:type "abc"
    term:expect "boom"
    term:prompt "> abc"

    local text = term.screen:text()
    assert.matches("stdin:1: boom\nstack traceback:\n.*'fails'.*in a task spawned at stdin:1.*\n> abc$", text)
    term:type "\1\11"
    assert.equal("2", term:run "1 + 1")
  end)

  it("is shown without what a terminal acts on", function()
    local term <close> = pty.prompt()
    term:run(later "error '\\27[2J\\7boom'")

    term:expect "in a task spawned"

    term:prompt()
    assert.is_nil(term.bytes:find("\27[2J", 1, true))
    assert.equal(0, term.screen.bells)
    assert.matches("\\x1b[2J", term.screen:text(), 1, true)
  end)

  -- Of those that failed in one turn of the scheduler only the first was told of.
  it("is shown with all others that do", function()
    local term <close> = pty.prompt()
    term:enter "for i = 1, 5 do net.spawn(function() error('boom ' .. i) end) end"

    for i = 1, 5 do
      term:expect("boom " .. i)
      term:expect "in a task spawned"
    end
    term:prompt()
  end)

  -- It was told of before anything was read, and the next had failed by then.
  it("again and again leaves the prompt its turns", function()
    local term <close> = pty.prompt()
    term:enter "n = 0 function f() n = n + 1 if n < 1e6 then net.spawn(f) end error('ag'..'ain', 0) end f()"
    term:expect "again"
    net.sleep(0.1)

    term:enter "n = 1e6 print('st'..'op')"
    term:expect "stop"
    term:prompt()
  end)

  it("and whose error never has a text is told of all the same", function()
    local term <close> = pty.prompt()

    term:enter(later "error(setmetatable({}, { __tostring = function() while true do end end }))")

    term:expect "takes too long"
    term:prompt()
    assert.equal("2", term:run "1 + 1")
  end)

  it("does not end the others", function()
    local term <close> = pty.prompt()
    term:run "net.spawn(function() while true do net.sleep(0.001) n = (n or 0) + 1 end end);"
    for i = 1, 3 do
      term:run(later(("error 'boom %d'"):format(i)))
      term:expect("boom " .. i)
      term:expect "in a task spawned"
      term:prompt()
    end

    term:run "m = n;"
    assert.equal("true", term:run "net.sleep(0.05) return n > m")
  end)
end)

describe("a server in the background", function()
  it("serves and logs while a line is half typed", function()
    local term <close> = pty.prompt()
    term:run "l = net.listen('127.0.0.1', 0);"
    local port = assert(math.tointeger(term:run "(select(2, l:getsockname()))"))
    term:run(("net.spawn(function() for c in l:clients() do %s end end);"):format(
      "for line in c:lines() do print('got ' .. line) c:write(line:upper(), '\\n') end"))
    term:type "half"

    do
      local s <close> = assert(net.connect("127.0.0.1", port, { timeout = 5 }))
      s:settimeout(5)
      s:write "hello\n"
      assert.equal("HELLO", s:read())
    end

    term:shows "got hello\n> half"
  end)
end)
