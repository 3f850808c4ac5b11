-- The harness of the prompt's specs, with other programs on its terminals.

local lfs = require "lfs"
local pty = require "pty"
local server = require "server"

local function sh(script, options)
  options = options or {}
  options.program, options.args = "bash", { "--norc", "-c", script }
  return pty.open(options)
end

-- Descriptors of this process that lead to terminals or processes.
local function held()
  local n = 0
  for name in lfs.dir "/proc/self/fd" do
    local target = lfs.symlinkattributes("/proc/self/fd/" .. name, "target")
    if target and (target:find "/dev/pt" or target:find "pidfd") then n = n + 1 end
  end
  return n
end

local function failure(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

describe("a program on a terminal", function()
  it("has it as its input, output, error output and controlling terminal", function()
    local term <close> = sh [[
      for fd in 0 1 2; do test -t $fd || echo no; done
      tty; echo hello >/dev/tty; ps -o tty= $$]]

    assert.same({ "exited", 0 }, { term:exit() })
    local name = term.bytes:match "^/dev/(pts/%d+)\r\n"
    assert.equal(("/dev/%s\r\nhello\r\n%s"):format(name, name), (term.bytes:gsub("%s+$", "")))
  end)

  it("leads a session, whose foreground group it is", function()
    local term <close> = pty.open { program = "cat" }
    term:enter "there"
    term:expect "there\nthere"

    assert.equal(term.pid, term:foreground())
  end)

  it("has the size that was asked for, and hears of another", function()
    local term <close> = sh([[
      trap 'stty size; exit' WINCH
      stty size
      while true; do sleep 0.01; done]], { rows = 7, cols = 33 })
    term:expect "7 33"

    term:resize(9, 44)

    term:expect "9 44"
    assert.equal("exited", (term:exit()))
  end)

  it("has no descriptor but the three, no signal ignored or blocked", function()
    local term <close> = pty.open { program = "cat", args = { "/proc/self/status", "-" } }
    term:expect "SigIgn:"
    term:expect "nonvoluntary"

    term:wait("more than three descriptors", function() return term:fds() == 3 end, nil, 0.005)
    for _, name in ipairs { "SigBlk", "SigIgn", "SigCgt" } do
      local mask = tonumber(term.bytes:match(name .. ":%s(%x+)"), 16)
      assert.equal(0, mask & 0x7fffffff, name) -- 32 and more are the C library's own
    end
  end)

  it("has an environment and a HOME of its own", function()
    local home
    do
      local term <close> = sh("echo $A-$B-$TERM; cat ~/config/x; cd; pwd; echo $XDG_CONFIG_HOME",
        { env = { A = "1", TERM = "dumb", XDG_CONFIG_HOME = false }, files = { ["config/x"] = "text\n" } })
      assert.equal("exited", (term:exit()))
      home = term.home
      assert.equal("1--dumb\ntext\n" .. home, term.screen:all())
      assert.equal("text\n", term:read "config/x")
      assert.is_nil(term:read "config/y")
    end

    assert.is_nil(lfs.attributes(home))
  end)

  it("can have the HOME of another", function()
    local folder <close> = server.folder()
    do
      local term <close> = sh("echo kept >~/it", { home = folder.path })
      term:exit()
    end

    local term <close> = sh("cat ~/it; pwd", { home = folder.path, cwd = folder.path })
    term:exit()

    assert.equal("kept\n" .. folder.path, term.screen:all())
  end)

  it("can have files in the place of the terminal", function()
    local folder <close> = server.folder()
    local term <close> = sh("cat; test -t 1 || echo file; echo seen >&2", { files = { input = "words\n" },
      home = folder.path, stdin = folder.path .. "/input", stdout = folder.path .. "/output" })

    assert.same({ "exited", 0 }, { term:exit() })
    assert.equal("seen", term.screen:all())
    assert.equal("words\nfile\n", term:read "output")
  end)

  it("raises when there is no such program, and leaves nothing", function()
    local before = held()

    local message = failure(pty.open, { program = "/nosuchprogram" })

    assert.matches("/nosuchprogram: No such file", message)
    assert.equal(before, held())
  end)

  it("is gone when its terminal is closed, whatever it ignores", function()
    local before = held()
    local proc
    do
      local term <close> = sh "trap '' HUP INT TERM; echo ready; while true; do sleep 100; done"
      term:expect "ready"
      assert.is_true(term:alive())
      proc = "/proc/" .. term.pid
    end

    assert.is_nil(lfs.attributes(proc))
    assert.equal(before, held())
  end)
end)

describe("the end of a program", function()
  it("is told: its status, or the signal", function()
    local ended <close> = sh "exit 3"
    assert.same({ "exited", 3 }, { ended:exit() })
    assert.is_false(ended:alive())

    local killed <close> = pty.open { program = "cat" }
    killed:signal "TERM"
    assert.same({ "signaled", 15 }, { killed:exit() })
  end)

  it("is a failure when it does not come", function()
    local term <close> = pty.open { program = "cat" }
    term:enter "still here"
    term:expect "still here\nstill here"

    local message = failure(term.exit, term, 0.01)

    assert.matches("has not ended", message)
    assert.matches("still here", message)
  end)

  it("comes with all that was written before", function()
    local term <close> = sh "seq 20000"

    term:exit()

    assert.matches("\r\n19999\r\n20000\r\n$", term.bytes)
    assert.equal("20000", term.screen:row(term.screen:last()))
  end)

  it("tells how the terminal was left", function()
    local same <close> = sh "stty raw -echo -isig; stty sane; stty sane"
    local changed <close> = sh "stty -echo"
    same:exit()
    changed:exit()

    assert.not_equal(changed.before, changed:attributes())
    assert.is_true(changed:modes().icanon)
    local twice <close> = sh "saved=$(stty -g); stty raw -echo; stty $saved"
    twice:exit()
    assert.equal(twice.before, twice:attributes())
  end)
end)

describe("typing at a program", function()
  it("sends bytes, lines, and signals by keys", function()
    local term <close> = pty.open { program = "cat" }

    term:enter "one"
    term:expect "one\none"
    term:type "\3"

    assert.same({ "signaled", 2 }, { term:exit() })
  end)

  it("tells the modes of the terminal", function()
    local term <close> = sh [[
      stty -icanon -echo; echo raw; read -n 1
      stty icanon echo -isig; echo normal; read]]
    term:expect "raw"
    local raw = term:modes()

    term:type "x"
    term:expect "normal"

    assert.same({ false, false, true }, { raw.icanon, raw.echo, raw.isig })
    local normal = term:modes()
    assert.same({ true, true, false }, { normal.icanon, normal.echo, normal.isig })
  end)

  it("notices a stop by ^Z, and more than one", function()
    local term <close> = sh [[
      trap 'echo back' CONT
      while true; do echo going; kill -STOP $$; done]]

    for _ = 1, 3 do
      term:expect "going"
      assert.equal(pty.signals.STOP, term:stopped())
      term:signal "CONT"
      term:expect "back"
    end
  end)

  it("fails to see a stop that does not come", function()
    local running <close> = pty.open { program = "cat" }
    assert.matches("was not stopped", failure(running.stopped, running, 0.02))

    local ended <close> = sh "exit 4"
    assert.matches("has ended %(exited 4%)", failure(ended.stopped, ended))
  end)
end)

describe("waiting for text", function()
  it("finds each text once, in order", function()
    local term <close> = sh "echo one two one; read; echo two"

    term:expect "one"
    term:expect "two"
    term:expect "one"
    assert.matches('no "two" within', failure(term.expect, term, "two", 0.01))
    term:enter ""
    term:expect "two"
  end)

  it("is woken by the text, and names what is missing, the place and the screen", function()
    local term <close> = sh "echo one; read; sleep 0.05; echo late; read"
    term:expect "one"
    local began = net.now()

    term:enter ""
    term:expect("late", 60)
    local message = failure(function() term:expect("never", 0.01) end)

    assert.is_true(net.now() - began < 10)
    assert.matches('^spec/support/pty_spec.lua:%d+: no "never" within [%d.]+ s; the cursor', message)
    assert.matches("the screen:\none\n\nlate$", message)
  end)

  it("ends with the program", function()
    local term <close> = sh "echo bye"
    local began = net.now()

    local message = failure(term.expect, term, "hello", 60)

    assert.matches("has closed its terminal", message)
    assert.is_true(net.now() - began < 10)
  end)

  it("sees the prompt only when the cursor is behind it and it is new", function()
    local term <close> = sh [[
      printf '> '; read; printf 'x\n> '; read; printf '> \nlast'; read; printf '\r\033[K>> '; read]]

    term:prompt()
    term:enter ""
    term:expect "x"
    term:prompt()
    term:prompt()
    term:enter ""
    term:expect "last"
    failure(term.prompt, term, nil, 0.01)
    term:enter ""
    failure(term.prompt, term, "> ", 0.05)
    term:prompt ">> "
  end)

  it("gives what an entry wrote, rows that wrapped in one", function()
    local term <close> = sh([[
      printf '> '; read; echo $REPLY $REPLY; printf 'end\n> '; read; printf '> '; read]], { cols = 20 })
    term:prompt()

    assert.equal("abcdefghijkl abcdefghijkl\nend", term:run "abcdefghijkl")
    assert.equal("", term:run "this is a line of several rows on the screen")
  end)

  it("waits until the screen ends with some lines, and fails with them", function()
    local term <close> = sh "printf 'one\ntwo'; read; printf '\rthree'; read"
    term:shows "one\ntwo"

    term:enter ""
    term:shows "two\nthree"

    assert.matches('the screen does not end with "one\\?\ntwo"', failure(term.shows, term, "one\ntwo", 0.01))
  end)

  it("knows when nothing is written any more", function()
    local term <close> = sh "for i in 1 2 3 4 5; do echo $i; sleep 0.02; done; read"
    term:expect "1"

    term:quiet(1)

    assert.matches("5$", term.screen:text())
  end)
end)

describe("the model of the terminal", function()
  local function shell(rows, cols)
    return pty.open { program = "bash", args = { "--norc", "--noprofile", "-i" }, rows = rows, cols = cols,
      env = { PS1 = "> ", HISTFILE = false, BASH_SILENCE_DEPRECATION_WARNING = "1" } }
  end

  it("understands what readline writes for a line of several rows that is edited", function()
    local term <close> = shell(6, 20)
    term:prompt()

    term:type "echo 0123456789abcdefghijklmnopqrstuvwxyz"
    term:expect "xyz"
    term:type "\1\27[C\27[CX\5Y" -- to the begin, right twice, X, to the end, Y
    term:shows "> ecXho 0123456789abcdefghijklmnopqrstuvwxyzY"
    term:type "\1\27[3~\27[3~\27[3~\5\8\8\8"
    term:shows "> ho 0123456789abcdefghijklmnopqrstuvwx"
    assert.same({}, term.screen.unknown)
  end)

  it("understands a search in the history, wide characters, and a scroll", function()
    local term <close> = shell(4, 50)
    term:prompt()
    term:run "echo 日本語 one"
    for i = 1, 5 do assert.equal(tostring(i), term:run("echo " .. i)) end

    term:type "\18日本"
    term:expect "(reverse-i-search)`日本': echo 日本語 one"
    term:type "\5\8\8\8two\1\27[C\27[C\27[C\27[C\27[C\27[C\8:"
    term:shows "> echo 5\n5\n> echo :本語 two"
    term:enter ""
    term:prompt()

    assert.equal(":本語 two", term.screen:row(3))
    assert.same({}, term.screen.unknown)
  end)
end)
