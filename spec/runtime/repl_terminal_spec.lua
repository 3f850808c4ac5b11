-- The terminal is the prompt's only while a line is edited: whatever stops or ends the program leaves it as
-- it was.

local pty = require "pty"

-- What is typed or sent, and how the program ends of it.
local endings = {
  { "^D", "\4", "exited", 0 },
  { ".exit", ".exit\r", "exited", 0 },
  { ".exit 3", ".exit 3\r", "exited", 3 },
  { "os.exit(3)", "os.exit(3)\r", "exited", 3 },
  { "os.exit(3, true)", "os.exit(3, true)\r", "exited", 3 },
  { "os.exit in a task", "net.spawn(function() os.exit(4) end)\r", "exited", 4 },
  { "os.exit in a task later", "net.spawn(function() net.sleep(0.05) os.exit(4) end);\r", "exited", 4 },
  { "^\\", "\28", "signaled", pty.signals.QUIT },
}

local lethal = { "TERM", "HUP", "QUIT", "USR1", "ALRM", "XCPU" }

local function same(term)
  assert.equal(term.before, term:attributes())
  local off = term.bytes:match ".*\27%[%?2004(%a)"
  assert.equal("l", off or "l", "bracketed paste")
end

describe("the terminal is as before after", function()
  for _, row in ipairs(endings) do
    it(row[1], function()
      local term <close> = pty.prompt()

      term:type(row[2])

      assert.same({ row[3], row[4] }, { term:exit() })
      same(term)
    end)
  end

  for _, name in ipairs(lethal) do
    it("SIG" .. name .. " at a line that is half typed", function()
      local term <close> = pty.prompt()
      term:type "half"
      term:shows "> half"

      term:signal(name)

      assert.same({ "signaled", pty.signals[name] }, { term:exit() })
      same(term)
    end)

    for what, entry in pairs { ["a wait"] = "net.sleep(60)", ["a loop"] = "while true do end" } do
      it(("SIG%s in %s"):format(name, what), function()
        local term <close> = pty.prompt()
        term:enter("print('go'..'ing') " .. entry)
        term:expect "going"

        term:signal(name)

        assert.same({ "signaled", pty.signals[name] }, { term:exit() })
        same(term)
      end)
    end
  end

  it("a signal at the moment the prompt appears", function()
    for _ = 1, 10 do
      local term <close> = pty.prompt()
      term:signal "TERM"
      assert.same({ "signaled", pty.signals.TERM }, { term:exit() })
      same(term)
    end
  end)

  it("a signal, where a tool has run before the prompt", function()
    local code = "net.tool.run('inet', '::1', '-o', '/dev/null')"
    for _, name in ipairs { "TERM", "HUP" } do
      local term <close> = pty.prompt { args = { "-i", "-e", code } }
      term:signal(name)
      assert.same({ "signaled", pty.signals[name] }, { term:exit() })
      same(term)
    end
  end)

  -- It waited, until somebody typed ^Q, to tell the terminal that no pastes are to be marked any more.
  it("a signal where ^S has stopped the terminal", function()
    local term <close> = pty.prompt()
    term:type "\19"
    term:taken()

    term:signal "TERM"

    assert.same({ "signaled", pty.signals.TERM }, { term:exit() })
    assert.equal(term.before, term:attributes())
  end)

  it("an error in the start-up file, which does not end the session", function()
    local term <close> = pty.prompt { files = { ["config/netlua/repl.lua"] = "first = 1\nerror 'oops'" } }
    assert.matches("repl.lua:2: oops", term.screen:text(), 1, true)
    assert.equal("1", term:run "first")

    term:type "\4"

    assert.same({ "exited", 0 }, { term:exit() })
    same(term)
  end)

  it("os.exit in the start-up file", function()
    local term <close> = pty.open { files = { ["config/netlua/repl.lua"] = "os.exit(5)" } }

    assert.same({ "exited", 5 }, { term:exit() })
    same(term)
  end)

  it("the end of a terminal that somebody had changed", function()
    local term <close> = pty.open { program = "bash", args = { "--norc", "-c",
      ("stty -ixon -echoctl; stty -g; %s; stty -g"):format(require("netlua").program) } }
    term:prompt()
    term:type "\4"
    term:exit()

    local first, second = term.bytes:match "^(%x[%x:]+)\r.*\n(%x[%x:]+)\r\n$"
    assert.equal(first, second)
  end)

  it("the disappearance of the terminal: the program ends", function()
    local term <close> = pty.open { program = "bash", args = { "--norc", "-c",
      ("trap '' HUP; %s; echo $? >~/ended"):format(require("netlua").program) } }
    term:prompt()

    term:hangup()

    term:wait("it has not ended", function() return term:read "ended" end, nil, 0.01)
  end)
end)

describe("^D", function()
  it("lets canceled tasks close what they have, and not for longer than a second", function()
    local term <close> = pty.prompt()
    for _, code in ipairs { "print 'closed'", "net.sleep(60)", "while true do end",
      "table.sort({ 1, 2 }, function() net.sleep(60) end)" } do
      term:run(("net.spawn(function() %s net.sleep(60) end);"):format(
        ("local x <close> = setmetatable({}, { __close = function() %s end })"):format(code)))
    end
    local began = net.now()

    term:type "\4"

    assert.same({ "exited", 0 }, { term:exit() })
    assert.is_true(net.now() - began < 20)
    assert.matches("\nclosed", term.screen:text())
  end)

  it("deletes a character where there is one", function()
    local term <close> = pty.prompt()

    term:type "1x + 1\1\27[C\4\r"
    term:prompt()

    term:shows "> 1 + 1\n2\n>"
  end)

  it("in the middle of an entry ends that, and then the program", function()
    local term <close> = pty.prompt()
    term:enter "function f()"
    term:prompt ">> "

    term:type "\4"
    term:prompt()
    assert.matches("nil$", term:run "f")
    term:type "\4"

    assert.same({ "exited", 0 }, { term:exit() })
    same(term)
  end)
end)

describe("the modes of the terminal", function()
  it("are raw while a line is edited, those of before while an entry runs; signals work in both", function()
    local term <close> = pty.prompt()
    local editing = term:modes()
    term:enter "print('go'..'ing') net.sleep(60)"
    term:expect "going"

    local running = term:modes()

    assert.same({ false, false, true }, { editing.icanon, editing.echo, editing.isig })
    assert.same({ true, true, true }, { running.icanon, running.echo, running.isig })
    assert.equal(term.before, term:attributes())
    term:type "\3"
    term:prompt()
    assert.same(editing, term:modes())
  end)

  it("are those of before for a program that an entry starts", function()
    local term <close> = pty.prompt()
    local out = term:run "os.execute 'stty -a'; return"

    assert.matches("%f[%S]icanon%f[%s]", out)
    assert.matches("%f[%S]echo%f[%s]", out)
    assert.matches("%f[%S]opost%f[%s]", out)
  end)

  it("may be changed by an entry, for what comes after it too", function()
    local term <close> = pty.prompt()
    term:run "os.execute 'stty -echoctl';"
    assert.equal("2", term:run "1 + 1")
    assert.matches("%-echoctl", term:run "os.execute 'stty -a';")
  end)
end)

-- A shell in short, which unlike one does not set the terminal itself: runs a program as a job, says how the
-- terminal is when that has stopped, and continues it after a line; after a "b" in the background, with the
-- terminal as it is while a shell reads, until it has stopped once more.
local SHELL = [[
import os, signal, sys, termios
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
before = termios.tcgetattr(0)
pid = os.fork()
if pid == 0:
  os.setpgid(0, 0)
  os.tcsetpgrp(0, os.getpid())
  signal.signal(signal.SIGTTOU, signal.SIG_DFL)
  os.execv(sys.argv[1], sys.argv[1:])
while True:
  _, status = os.waitpid(pid, os.WUNTRACED)
  if not os.WIFSTOPPED(status): break
  os.tcsetpgrp(0, os.getpgrp())
  print("stopped", os.WSTOPSIG(status), termios.tcgetattr(0) == before, flush=True)
  if os.read(0, 1) == b"b":
    own = termios.tcgetattr(0)
    own[0] &= ~termios.ICRNL
    own[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(0, termios.TCSADRAIN, own)
    os.kill(-pid, signal.SIGCONT)
    os.waitpid(pid, os.WUNTRACED)
    termios.tcsetattr(0, termios.TCSADRAIN, before)
    print("stopped again", flush=True)
    os.read(0, 2)
  os.tcsetpgrp(0, pid)
  os.kill(-pid, signal.SIGCONT)
os.tcsetpgrp(0, os.getpgrp())
print("over", os.waitstatus_to_exitcode(status), flush=True)
]]

local function job()
  local term = pty.open { program = "python3", args = { "-c", SHELL, require("netlua").program } }
  local ok, message = pcall(term.prompt, term, nil, 10)
  if ok then return term end
  term:close()
  error(message, 0)
end

-- Stops the job by ^Z and continues it.
local function suspend(term)
  term:type "\26"
  term:expect "stopped 20 True"
  term:enter ""
end

describe("^Z", function()
  it("stops at a line that is half typed, with the terminal as before; fg brings the line back", function()
    local term <close> = job()
    for _ = 1, 3 do
      term:type "1 + "
      term:expect "1 + "
      suspend(term)

      term:prompt "> 1 + "
      term:enter "1"
      term:prompt()
      term:shows "> 1 + 1\n2\n>"
    end
    term:type "\4"
    term:expect "over 0"
    term:exit()
    same(term)
  end)

  it("stops an entry that waits or computes, which goes on with fg", function()
    for _, entry in ipairs { "net.sleep(0.3)", "local n = net.now() while net.now() < n + 0.3 do end" } do
      local term <close> = job()
      term:enter("print('go'..'ing') " .. entry .. " print('do' .. 'ne')")
      term:expect "going"
      suspend(term)

      term:expect "done"
      term:prompt()
      assert.equal("2", term:run "1 + 1")
    end
  end)

  it("stops in a line that goes on, and in a search", function()
    local term <close> = job()
    term:run "'needle'"
    term:enter "function f()"
    term:prompt ">> "
    term:type "return 7"
    term:expect ">> return 7"
    suspend(term)
    term:prompt ">> return 7"
    term:enter " end"
    term:prompt()
    assert.equal("7", term:run "f()")

    term:type "\18need"
    term:expect "'needle'"
    suspend(term)
    term:expect "needle"
    term:type "\3"
    term:prompt()
    assert.equal("2", term:run "1 + 1")
  end)

  -- What the shell had made of the terminal was taken for what entries are to have.
  it("and bg let an entry go on to its end; the prompt comes with fg", function()
    local term <close> = job()
    term:enter "print('go'..'ing') net.sleep(0.2)"
    term:expect "going"
    term:type "\26"
    term:expect "stopped 20 True"

    term:enter "b"
    term:expect "stopped again"
    term:enter ""

    term:prompt()
    term:enter "print('go'..'ing') net.sleep(0.2)"
    term:expect "going"
    assert.is_true(term:modes().icanon)
    term:prompt()
    term:type "\4"
    term:expect "over 0"
    term:exit()
    same(term)
  end)

  -- To put back the terminal, which is the shell's by then, stopped the program once more.
  it("stops what a signal can end before fg", function()
    local term <close> = job()
    local pid = term:run "(io.open('/proc/self/stat'):read 'n')"
    term:type "1 + "
    term:expect "1 + "
    term:type "\26"
    term:expect "stopped 20 True"

    for _, name in ipairs { "TERM", "CONT" } do assert(os.execute(("kill -%s %s"):format(name, pid))) end

    term:wait("it has not ended", function()
      local file <close> = assert(io.open("/proc/" .. pid .. "/stat"))
      return file:read("a"):match "%) Z "
    end, nil, 0.01)
    term:enter ""
    term:expect "over -15"
    term:exit()
    same(term)
  end)

  it("lets tasks print when they go on, above the line", function()
    local term <close> = job()
    term:run "net.spawn(function() for i = 1, 30 do net.sleep(0.01) print('tick ' .. i) end end);"
    term:type "abc"
    term:expect "tick 5"

    suspend(term)

    term:expect "tick 30"
    term:shows "tick 30\n> abc"
  end)
end)

describe("SIGSTOP", function()
  it("asks nobody; SIGCONT brings the line back, whatever the terminal's modes are by then", function()
    local term <close> = pty.prompt()
    term:type "1 + 1"
    term:shows "> 1 + 1"
    term:signal "STOP"
    assert.equal(pty.signals.STOP, term:stopped())
    term:restore()

    term:signal "CONT"

    term:prompt "> 1 + 1"
    term:wait("the terminal is not raw", function() return not term:modes().icanon end, nil, 0.005)
    term:enter ""
    term:prompt()
    term:shows "> 1 + 1\n2\n>"
  end)
end)

-- The terminal marked pastes after SIGCONT, and went on with it when the program had ended.
it("pastes are not marked where the user does not want it, also after SIGCONT", function()
  local term <close> = pty.prompt { env = { INPUTRC = false },
    files = { [".inputrc"] = "set enable-bracketed-paste off\n" } }
  term:type "1 + 1"
  term:shows "> 1 + 1"
  term:signal "STOP"
  term:stopped()
  term:signal "CONT"
  term:prompt "> 1 + 1"
  term:type "\r\4"

  assert.same({ "exited", 0 }, { term:exit() })

  assert.is_nil(term.bytes:find("\27[?2004", 1, true))
end)

describe("another size of the terminal", function()
  it("draws the line anew, in its width", function()
    local term <close> = pty.prompt { cols = 80 }
    local line = "'" .. ("abcdefghij"):rep(10) .. "'"
    term:type(line)
    term:shows("> " .. line)

    term:resize(24, 40)
    term:wait("the line is not whole", function()
      return (" " .. term.screen:all(true)):sub(-#line - 2) == "> " .. line
    end)
    term:enter ""
    term:prompt()

    assert.equal("2", term:run "1 + 1")
    assert.equal("nil", term:run "nil")
  end)

  -- Terminals that break rows anew have fewer of them above the cursor then: output above the line was lost.
  it("that is wider touches no row but those of the line, however the terminal has broken it anew", function()
    for cols, most in pairs { [100] = 0, [50] = 1, [20] = 2, [10] = 2 } do
      local term <close> = pty.prompt { cols = 40 }
      local line = "'\u{65e5}" .. ("abcdefghij"):rep(8) .. "e\u{301}'"
      term:type(line)
      term:shows("> " .. line)
      local from = #term.bytes

      term:resize(24, cols)
      term:wait("the line is not drawn anew", function()
        return term.bytes:find("> '\u{65e5}", from + 1, true)
      end)

      local up = 0
      for count in term.bytes:sub(from + 1):gmatch "\27%[(%d*)A" do up = up + (tonumber(count) or 1) end
      assert.is_true(up <= most, ("%d columns: %d rows up"):format(cols, up))
      term:type "\3"
      term:prompt()
      assert.equal("2", term:run "1 + 1")
    end
  end)

  it("is known to the next line and to what is shown", function()
    local term <close> = pty.prompt { cols = 80 }
    term:resize(10, 40)
    term:quiet(0.05)

    local list = term:run "(function() local t = {} for i = 1, 30 do t[i] = i end return t end)()"

    for _, line in ipairs(term.screen:lines(1)) do assert.is_true(#line <= 40) end
    assert.matches("30", list)
    term:type(("x"):rep(60))
    term:shows("> " .. ("x"):rep(60))
    assert.same({ 10, 23 }, { term.screen:cursor() })
  end)

  it("may come while an entry runs", function()
    local term <close> = pty.prompt { cols = 80 }
    term:enter "print('go'..'ing') net.sleep(0.1)"
    term:expect "going"

    term:resize(24, 20)
    term:prompt()

    term:type(("x"):rep(50))
    term:shows("> " .. ("x"):rep(50))
  end)

  -- On one row of two columns readline divided by zero.
  it("may be that of one row that shows nothing, from the start", function()
    for cols = 1, 4 do
      local term <close> = pty.open { args = { "-q" }, rows = 1, cols = cols }
      term:wait("it does not read", function() return not term:modes().icanon end, nil, 0.005)
      term:type "abcdefghij\1\5"
      term:taken()

      term:resize(24, 80)
      term:type "\3"
      term:expect "^C"
      term:prompt()

      assert.equal("2", term:run "1 + 1")
    end
  end)

  it("may be the smallest, and none", function()
    local term <close> = pty.prompt()
    for _, size in ipairs { { 1, 1 }, { 1, 80 }, { 24, 2 }, { 0, 0 }, { 24, 80 } } do
      term:resize(math.max(size[1], 1), math.max(size[2], 1), size[1], size[2])
      term:type "abc\8"
      term:taken()
    end

    term:type "\3"
    term:expect "^C"
    term:prompt()
    assert.equal("2", term:run "1 + 1")
  end)
end)
