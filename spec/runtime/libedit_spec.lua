-- The prompt with libedit in the place of readline: all of it but the search of Up and Down.

local compile = require "compile"
local pty = require "pty"
local server = require "server"

local paste = pty.paste

local UP <const>, LEFT <const>, HOME <const> = "\27[A", "\27[D", "\1"
local LONGEST = 8192 -- bytes of a line

local LIBRARY = "libedit.so.2"
local there = select(3, package.loadlib(LIBRARY, "none")) ~= "open"
local case = server.needing(there, LIBRARY, it, pending)
local program

local function prompt(options)
  options = options or {}
  options.program = program
  options.args = options.args or { "-q" }
  return pty.prompt(options)
end

-- A task that prints a moment after its entry, which shows nothing.
local function later(code)
  return ("net.spawn(function() net.sleep(0.02) %s end);"):format(code)
end

local TICKS <const> = later "for i = 1, 20 do net.sleep(0.01) print('tick ' .. i) end"

local function leave(term)
  term:type "\4"
  assert.same({ "exited", 0 }, { term:exit() })
  assert.equal(term.before, term:attributes())
end

describe("the prompt with libedit", function()
  setup(function()
    if not there then return end
    program = assert(compile.variant("runtime/editor.c", ([[-DNL_LINE_EDITOR='"%s"']]):format(LIBRARY)))
  end)

  teardown(function()
    if program then os.remove(program) end
  end)

  case("runs entries, also of several lines, and ends with ^D", function()
    local term <close> = prompt()

    assert.equal("2", term:run "1 + 1")
    term:enter "function f()"
    term:prompt ">> "
    term:enter "  return 7 end"
    term:prompt()
    assert.equal("7", term:run "f()")

    leave(term)
  end)

  case("edits wide characters as such", function()
    local term <close> = prompt()

    term:type("'aé漢字x'" .. LEFT .. LEFT .. "\8\8語" .. "\r")

    term:prompt()
    term:shows "> 'aé語x'\naé語x\n>"
  end)

  case("recalls entries, those of several lines in one", function()
    local term <close> = prompt()
    term:run "'first'"
    term:enter "do"
    term:prompt ">> "
    term:enter "  print 'second' end"
    term:prompt()

    term:type(UP)
    term:shows "> do\n  print 'second' end"
    term:type(UP)
    term:shows "> 'first'"
    term:enter ""

    term:prompt()
    term:shows "> 'first'\nfirst\n>"
  end)

  case("recalls entries of earlier sessions", function()
    local folder <close> = server.folder()
    do
      local term <close> = prompt { home = folder.path }
      term:run "'kept'"
      leave(term)
    end

    local term <close> = prompt { home = folder.path }
    term:type(UP)

    term:shows "> 'kept'"
  end)

  case("finds with ^R what contains the line", function()
    local term <close> = prompt()
    for _, line in ipairs { "'needle one'", "'needle two'", "'hay'" } do term:run(line) end

    term:type "needle\18"
    term:shows "> 'needle two'"
    term:type "\18"

    term:shows "> 'needle one'"
  end)

  case("completes with TAB what candidates have in common", function()
    local term <close> = prompt()
    term:run "config = { timeout = 7, timer = 2, host = 'x' };"

    term:type "config.ho\t"
    term:shows "> config.host"
    term:type "\21config.t\t"
    term:shows "> config.time"
    term:type "\t"
    term:expect "timeout"
    term:prompt "> config.time"
    assert.matches("timeout +timer\n> config.time$", term.screen:text())
    term:enter "out"

    term:prompt()
    term:shows "> config.timeout\n7\n>"
  end)

  case("completes with TAB in the middle of a line", function()
    local term <close> = prompt()
    term:run "config = { timeout = 7 };"

    term:type("config.t + 1" .. (LEFT):rep(4) .. "\t")
    term:shows "> config.timeout + 1"
    term:enter ""

    term:prompt()
    term:shows "> config.timeout + 1\n8\n>"
  end)

  case("shows with TAB how a function is called", function()
    local term <close> = prompt()

    term:type "net.pair(\t"

    term:expect "net.pair([type]) -> a, b"
    term:prompt "> net.pair("
  end)

  case("stops an entry with ^C", function()
    local term <close> = prompt()
    term:enter "print 'it runs' net.sleep(60)"
    term:expect "\nit runs"

    term:strike()

    term:expect "interrupted"
    term:prompt()
    assert.equal("2", term:run "1 + 1")
  end)

  case("drops with ^C what is on the line, wherever the cursor is", function()
    local term <close> = prompt { cols = 20 }
    term:run "'old'"

    for _, keys in ipairs { "abc", "abc" .. HOME, ("x"):rep(50) .. HOME, UP, "a\21b" } do
      term:type(keys)
      term:taken()
      term:strike()
      term:prompt()
    end

    assert.matches("> abc%^C\n> abc%^C\n> " .. ("x"):rep(50) .. "%^C\n> 'old'%^C\n> b%^C\n>$",
      term.screen:all(true))
    assert.equal("2", term:run "1 + 1")
  end)

  case("says how to leave if ^C comes on an empty line, also on one that became so", function()
    for _, keys in ipairs { "", "ab\8\8", "ab\21" } do
      local term <close> = prompt()
      term:type(keys)
      term:taken()

      term:strike()

      term:expect "^D to leave"
      term:prompt()
    end
  end)

  case("drops with ^C the lines before, too", function()
    local term <close> = prompt()
    term:enter "function f("
    term:prompt ">> "

    term:type "half"
    term:taken()
    term:strike()

    term:prompt()
    assert.equal("nil", term:run "f")
  end)

  case("leaves with ^C a command that asks for more keys", function()
    for _, keys in ipairs { "\27x", "\27xabc" } do
      local term <close> = prompt()
      term:type(keys)
      term:taken()

      term:strike()

      term:expect "^D to leave"
      term:prompt()
      assert.equal("2", term:run "1 + 1")
    end
  end)

  case("lets tasks run after an escape alone", function()
    local term <close> = prompt()
    term:run(TICKS)

    term:type "abc\27"

    term:expect "tick 20"
    term:shows "tick 20\n> abc"
  end)

  case("keeps the line whole below what tasks print", function()
    local text = ("abcdefgh"):rep(5)
    for _, columns in ipairs { 80, 21, 20 } do -- one row, three, and two that are full
      local term <close> = prompt { cols = columns }
      term:enter(TICKS)
      for i = 1, #text do
        if i % 2 == 0 then term:expect("tick " .. i // 2) end
        term:type(text:sub(i, i))
      end

      term:shows("tick 20\n> " .. text)

      local count = select(2, term.screen:all(true):gsub("%f[^\n]tick %d+%f[\n]", ""))
      assert.equal(20, count, columns)
    end
  end)

  case("draws the line anew for another size of the terminal", function()
    local term <close> = prompt()
    term:type "abc"
    term:shows "> abc"

    term:resize(20, 30)
    term:type(("d"):rep(40))

    term:shows("> abc" .. ("d"):rep(40))
  end)

  case("takes what is pasted as one entry, and its recall too", function()
    local term <close> = prompt()

    term:type(paste "> function g()\r\n>>   return 5\r\n>> end\r\n")
    term:shows "> function g()\n  return 5\nend"
    term:enter ""
    term:prompt()

    assert.equal("5", term:run "g()")
    term:type(UP .. UP)
    term:shows "> function g()\n  return 5\nend"
  end)

  case("drops an unfinished paste with ^C", function()
    local term <close> = prompt()
    term:type "\27[200~ran = true\r"
    term:taken()

    term:strike()

    term:prompt()
    assert.equal("nil", term:run "ran")
  end)

  case("keeps a line that was pasted whole below what tasks print", function()
    local term <close> = prompt()
    term:run(TICKS)

    term:type(paste "do\r  a = 1\rend")

    term:expect "tick 20"
    term:shows "tick 20\n> do\n  a = 1\nend"
  end)

  -- libedit wrote behind what it had freed.
  case("bears lines up to its limit, and rings at more", function()
    local term <close> = prompt()
    local text = ("x"):rep(LONGEST - 2)

    term:type(paste("'" .. text .. "'"))
    term:type "\1#\5"
    term:wait("no bell", function() return term.screen.bells > 0 end)
    term:type "\r"
    term:prompt()
    assert.equal(tostring(#text), term:run "#_")
    term:type(paste(("x"):rep(LONGEST + 1)))
    term:wait("no bell", function() return term.screen.bells > 1 end)

    term:shows ">"
    assert.equal("2", term:run "1 + 1")
  end)

  case("has the keys of the user's .editrc, and vi's", function()
    local term <close> = prompt { files = {
      [".editrc"] = "netlua:bind -v\nnetlua:bind ^G ed-move-to-beg\n",
    } }

    term:type "1 + 1\0072 + "
    term:shows "> 2 + 1 + 1"
    term:type "\27"
    term:taken()
    term:type "0x"
    term:shows ">  + 1 + 1"
  end)

  case("has the terminal raw while a line is edited, and as before meanwhile", function()
    local term <close> = prompt()
    term:wait("it is not raw", function() return not term:modes().icanon end, nil, 0.005)
    assert.is_true(term:modes().isig)

    term:run "os.execute 'stty -echoctl';"

    assert.matches("%-echoctl", term:run "os.execute 'stty -a';")
  end)

  for _, name in ipairs { "TERM", "HUP", "QUIT" } do
    case("leaves the terminal as it was on SIG" .. name, function()
      local term <close> = prompt()
      term:type "abc"
      term:shows "> abc"

      term:signal(name)

      assert.same({ "signaled", pty.signals[name] }, { term:exit() })
      assert.equal(term.before, term:attributes())
    end)
  end

  case("brings the line back on SIGCONT", function()
    local term <close> = prompt()
    term:type "1 + 1"
    term:shows "> 1 + 1"

    term:signal "STOP"
    term:stopped()
    term:restore()
    term:signal "CONT"
    term:wait("it is not raw", function() return not term:modes().icanon end, nil, 0.005)
    term:enter ""

    term:prompt()
    term:shows "> 1 + 1\n2\n>"
  end)
end)
