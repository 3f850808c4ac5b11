-- The line of the prompt as it is typed and pasted: with readline, and with no library at all.

local compile = require "compile"
local pty = require "pty"

local paste = pty.paste

local UP <const>, DOWN <const>, LEFT <const> = "\27[A", "\27[B", "\27[D"
local LONGEST = 1 << 20 -- bytes of a line

local function prompt(options)
  options = options or {}
  options.args = { "-q" }
  return pty.prompt(options)
end

describe("a paste", function()
  for name, ending in pairs { CR = "\r", LF = "\n", CRLF = "\r\n" } do
    it("has lines that end with " .. name, function()
      local term <close> = prompt()

      term:type(paste("do" .. ending .. "  a = 1" .. ending .. ending .. "end"))

      term:shows "> do\n  a = 1\n\nend"
      term:enter ""
      term:prompt()
      assert.equal("1", term:run "a")
    end)
  end

  it("loses newlines at its end, and is run by the key alone", function()
    local term <close> = prompt()

    term:type(paste "a = 1\r\nb = 2\r\n\r\n")
    term:shows "> a = 1\nb = 2"
    term:type " + 3\r"
    term:prompt()

    assert.equal("5", term:run "b")
  end)

  it("loses NUL", function()
    local term <close> = prompt()

    term:type(paste "#'a\0b\0\0c'" .. "\r")

    term:prompt()
    term:shows "> #'abc'\n3\n>"
  end)

  it("of a transcript loses the prompts, and the lines that were printed", function()
    local term <close> = prompt()

    term:type(paste "> function f()\r\n>>   return 5\r\n>> end\r\n> print 'x'\r\nx\r\n> y = f()\r\n")
    term:shows "> function f()\n  return 5\nend\nprint 'x'\ny = f()"
    term:enter ""
    term:prompt()

    assert.equal("5", term:run "y")
  end)

  it("that is no transcript keeps what looks like a prompt", function()
    local term <close> = prompt()

    term:type(paste "a = 3\r> 2")

    term:shows "> a = 3\n> 2"
  end)

  it("goes where the cursor is", function()
    local term <close> = prompt()

    term:type("#''" .. LEFT .. paste "abc" .. "\r")

    term:prompt()
    term:shows "> #'abc'\n3\n>"
  end)

  it("may be empty", function()
    local term <close> = prompt()

    term:type(paste "" .. paste "\r" .. paste "\0" .. "1 + 1\r")

    term:prompt()
    term:shows "> 1 + 1\n2\n>"
  end)

  it("may come byte by byte", function()
    local term <close> = prompt()

    for byte in paste("a = 1\rb = 2"):gmatch "." do
      term:type(byte)
      term:taken()
    end

    term:shows "> a = 1\nb = 2"
  end)

  it("has no keys: what looks like one is text", function()
    local term <close> = prompt()

    term:type(paste "#'\9\4\21\27[A\27[200~'" .. "\r")

    term:expect "\n12\n"
    term:prompt()
  end)

  it("of more than 1 MiB is refused with a bell, and none of it acts as keys", function()
    local term <close> = prompt()
    term:type "1 + 1"

    term:type(paste(("\rran = true\r"):rep(LONGEST // 12 + 1)))
    term:wait("no bell", function() return term.screen.bells > 0 end, 20)
    term:enter ""

    term:prompt()
    term:shows "> 1 + 1\n2\n>"
    assert.equal("nil", term:run "ran")
  end)

  it("in a search is looked for, up to the first control", function()
    for _, behind in ipairs { "\ranother", "\127\127\127" } do
      local term <close> = prompt()
      term:run "'a needle'"
      term:run "'hay'"

      term:type("\18" .. paste("needle" .. behind))

      term:shows "(reverse-i-search)`needle': 'a needle'"
    end
  end)

  -- readline read it all the way to its end: no task ran meanwhile, and ^C did nothing.
  it("in a search that has not ended lets tasks run, and is dropped with ^C", function()
    local term <close> = prompt()
    term:type "\18"
    term:expect "search"
    term:type "\27[200~needle"
    term:taken()

    term:strike()

    term:prompt()
    assert.equal("2", term:run "1 + 1")
  end)

  -- The first byte was the key that was asked for, the others were typed, and run at the first newline.
  it("is text also where a command asks for a key", function()
    for name, key in pairs { ["quoted-insert"] = "\22", ["character-search"] = "\29" } do
      local term <close> = prompt()

      term:type(key .. paste "a = 1\rb = 2")

      term:shows("> a = 1\nb = 2")
      term:type "\3"
      term:prompt()
      assert.equal("nil", term:run "a", name)
    end
  end)

  it("that has not ended is dropped with ^C, and what follows are keys", function()
    local term <close> = prompt()
    term:type "\27[200~ran = true\r"
    term:taken()

    term:strike()

    term:prompt()
    assert.equal("nil", term:run "ran")
    assert.equal("2", term:run "1 + 1")
  end)
end)

describe("TAB", function()
  it("inserts what candidates have in common, and lists them above the line", function()
    local term <close> = prompt()
    term:run "config = { timeout = 7, timer = 2, host = 'x' };"

    term:type "config.t\t"
    term:shows "> config.time"
    term:type "\t"
    term:expect "timeout"
    term:prompt "> config.time"

    assert.matches("timeout +timer\n> config.time$", term.screen:text())
  end)

  it("shows the signature of a function above the line, where its arguments begin", function()
    local term <close> = prompt()

    term:type "net.pair(\t"

    term:expect "net.pair([type]) -> a, b"
    term:prompt "> net.pair("
  end)

  it("is undone as one change", function()
    local term <close> = prompt()
    term:run "config = { timeout = 7 };"

    term:type "config.ti\t"
    term:shows "> config.timeout"
    term:type "\31"

    term:shows "> config.ti"
  end)
end)

describe("Up and Down", function()
  it("look for what begins as the line does before the cursor", function()
    local term <close> = prompt()
    for _, line in ipairs { "x = 1", "y = 2", "x = 3", "z = 4" } do term:run(line) end

    term:type("x" .. UP)
    term:shows "> x = 3"
    term:type(UP)
    term:shows "> x = 1"
    term:type(DOWN)
    term:shows "> x = 3"
  end)
end)

describe("the user's inputrc", function()
  local function with(text)
    return prompt { env = { INPUTRC = false }, files = { [".inputrc"] = text } }
  end

  it("has a condition that is true here: $if netlua", function()
    local term <close> = with [["\C-g": "every"
$if netlua
"\C-o": "1 + 1"
$endif
$if another
"\C-o": "no"
$endif
]]

    term:type "\15\7"

    term:shows "> 1 + 1every"
  end)

  it("wins over the keys that are bound here", function()
    local term <close> = with '"\\e[A": "up"\n"\\e[B": previous-history\n'
    term:run "'old'"

    term:type("x" .. UP)
    term:shows "> xup"
    term:type(DOWN)

    term:shows "> 'old'"
  end)

  it("may choose the keys of vi, with which pasting, TAB and ^C work too", function()
    local term <close> = with "set editing-mode vi\nset keyseq-timeout 20\n"
    term:run "config = { timeout = 7 };"

    term:type(paste "do\r  a = 1\rend" .. "\r")
    term:prompt()
    term:type "config.ti\t"
    term:shows "> config.timeout"
    term:type "\27"
    term:wait("the key has not acted", function() return select(2, term.screen:cursor()) == 16 end)
    term:type "0i1 + \r"
    term:prompt()
    assert.matches("\n8\n>$", term.screen:text())
    term:type "abc\27"
    term:taken()
    term:strike()

    term:prompt()
    assert.equal("1", term:run "a")
  end)
end)

describe("wide characters", function()
  it("are edited as such", function()
    local term <close> = prompt()

    term:type("'aé漢字x'" .. LEFT .. LEFT .. "\8\8語" .. "\r")

    term:prompt()
    term:shows "> 'aé語x'\naé語x\n>"
  end)

  it("are so without a word about the locale", function()
    local term <close> = prompt { env = { LC_ALL = false } }

    term:type("'漢字'" .. LEFT .. "\8" .. "\r")

    term:prompt()
    term:shows "> '漢'\n漢\n>"
  end)
end)

describe("without a library to edit lines", function()
  local program

  setup(function()
    program = assert(compile.variant("runtime/editor.c", [[-DNL_LINE_EDITOR='"libnothing.so.0"']]))
  end)

  teardown(function()
    os.remove(program)
  end)

  local function plain()
    return pty.prompt { program = program, args = { "-q" }, cols = 200 }
  end

  it("the prompt says so, and why, in one line", function()
    local term <close> = plain()

    assert.matches("^%-%- no line editing: libnothing%.so%.0: [^\n]+\n>$", term.screen:text())
  end)

  it("reads plain lines", function()
    local term <close> = plain()

    assert.equal("2", term:run "1 + 1")
    term:enter "function f()"
    term:prompt ">> "
    term:enter "return 7 end"
    term:prompt()
    assert.equal("7", term:run "f()")
    term:type "\4"

    assert.same({ "exited", 0 }, { term:exit() })
    assert.equal(term.before, term:attributes())
  end)

  it("stops an entry with ^C, and drops a line", function()
    local term <close> = plain()
    term:enter "print 'it runs' net.sleep(60)"
    term:expect "\nit runs"
    term:strike()
    term:expect "interrupted"
    term:prompt()
    term:enter "function f("
    term:prompt ">> "
    term:type "half"
    term:strike()
    term:prompt()

    assert.equal("nil", term:run "f")
  end)
end)
