-- The prompt on a terminal: how it starts, what it reads and shows, and what it does without a terminal. Its
-- other sides have specs of their own: repl_interrupt, repl_output, repl_history, repl_terminal,
-- repl_complete, repl_fuzz.

local netlua = require "netlua"
local pty = require "pty"
local server = require "server"

local START = 0.03 -- seconds from the start to the prompt
local TRIES = 100  -- of which the best one counts

local STARTFILE = "config/netlua/repl.lua"

-- Escape sequences, but for those of readline's own: where the cursor goes, and bracketed paste.
local function colored(term)
  return term.bytes:find "\27%[[%d;]*m" ~= nil
end

describe("the start of the prompt", function()
  it("shows a banner of one line, then the prompt", function()
    local term <close> = pty.prompt()

    assert.same({ 2, 3 }, { term.screen:cursor() })
    local banner = term.screen:row(1)
    assert.matches("^netlua %d", banner)
    assert.matches("Lua 5.4", banner, 1, true)
    assert.matches(".help for help, ^D to leave", banner, 1, true)
  end)

  it("tells the versions of the libraries", function()
    local term <close> = pty.prompt()

    assert.matches("OpenSSL 3", term.screen:row(1), 1, true)
  end)

  it("shows no banner with -q", function()
    local term <close> = pty.prompt { args = { "-q" } }

    assert.equal(">", term.screen:text())
  end)

  it("takes less than 30 ms", function()
    if pty.slower > 1 then return pending "a sanitizer build" end

    local best = pty.soonest(START, 1, TRIES, function()
      local term <close> = pty.prompt()
      return net.now() - term.began
    end)

    assert.is_true(best < START, ("%.1f ms"):format(best * 1000))
  end)

  it("runs the file of the user, after LUA_INIT, and shows no result of it", function()
    local term <close> = pty.prompt { args = { "-q" }, env = { LUA_INIT = "order = 'init'" },
      files = { [STARTFILE] = "order = order .. ' file' local l = 5 print('from ' .. 'it') return 7" } }

    assert.equal("from it\n>", term.screen:text())
    assert.equal("init file", term:run "order")
  end)

  it("keeps the locals of that file", function()
    local term <close> = pty.prompt { files = { [STARTFILE] = "local kept = 5\n" } }

    assert.equal("5", term:run "kept")
  end)

  -- The first 16 MiB of it ran.
  it("runs no file that is too large, and says so", function()
    local large = "ran = true --" .. ("-"):rep(16 << 20)
    local term <close> = pty.prompt { args = { "-q" }, files = { [STARTFILE] = large } }

    assert.matches("repl.lua is too large\n>$", term.screen:text())
    assert.equal("nil", term:run "ran")
  end)

  it("looks for that file below HOME, if XDG_CONFIG_HOME is not set", function()
    local term <close> = pty.prompt { env = { XDG_CONFIG_HOME = false },
      files = { [".config/netlua/repl.lua"] = "found = 1" } }

    assert.equal("1", term:run "found")
  end)

  it("runs neither with -E", function()
    local term <close> = pty.prompt { args = { "-E" }, env = { LUA_INIT = "init = 1" },
      files = { [STARTFILE] = "file = 1" } }

    assert.matches("^nil +nil$", term:run "init, file")
  end)

  it("goes on after a file that is wrong, or waits until ^C", function()
    for text, message in pairs { ["x = = 1"] = "repl.lua:1:", ["error 'oops'"] = "repl.lua:1: oops" } do
      local term <close> = pty.prompt { files = { [STARTFILE] = text } }

      assert.matches(message, term.screen:text(), 1, true)
      assert.equal("2", term:run "1 + 1")
    end
    local term <close> = pty.open { files = { [STARTFILE] = "print('go' .. 'ing') net.sleep(60)" } }
    term:expect "going"
    term:type "\3"
    term:prompt()
    assert.equal("2", term:run "1 + 1")
  end)

  -- It waited for who would write to it.
  it("passes over a file of the user that is none", function()
    local home = os.tmpname()
    netlua.shell(("rm %s; mkdir -p %s/netlua; mkfifo %s/netlua/repl.lua"):format(home, home, home))
    local term <close> = pty.open { args = { "-q" }, env = { XDG_CONFIG_HOME = home } }

    term:prompt()
    netlua.shell("rm -r " .. home)
  end)

  it("comes after a script and code, with -i", function()
    local term <close> = pty.prompt { args = { "-q", "-i", "-e", "a = 1" } }

    assert.equal("1", term:run "a")
  end)
end)

describe("an entry on a terminal", function()
  it("shows what it gives", function()
    local term <close> = pty.prompt()

    assert.equal("2", term:run "1 + 1")
    assert.matches("^a +b$", term:run "'a', 'b'")
    assert.equal("", term:run "x = 5")
    assert.equal("nil", term:run "nil")
    assert.equal("", term:run "x;")
    assert.equal("6", term:run "x + 1")
    assert.equal("6", term:run "_")
    assert.equal("", term:run "")
    assert.same({}, term.screen.unknown)
  end)

  it("may have several lines", function()
    local term <close> = pty.prompt()
    term:enter "function f()"
    term:prompt ">> "
    term:enter "return 7"
    term:prompt ">> "
    term:enter "end"
    term:prompt()

    assert.equal("7", term:run "f()")
  end)

  it("leaves its locals to those after it, and closes what it is to close", function()
    local term <close> = pty.prompt()
    local open = term:fds()

    term:run "local a = 1"
    assert.equal("1", term:run "a")
    assert.matches("-- s has an attribute", term:run "local s <close> = net.udp()", 1, true)
    assert.equal("nil", term:run "s")
    assert.equal(open, term:fds())
  end)

  it("shows an error, with a traceback that ends at the entry, and lives", function()
    local term <close> = pty.prompt()
    term:run "function fails() error 'boom' end"

    local shown = term:run "fails()"

    assert.matches("^stdin:1: boom\nstack traceback:\n.*in function 'fails'", shown)
    for _, own in ipairs { "pcall", "net.repl", "lualib" } do assert.is_nil(shown:find(own, 1, true)) end
    assert.equal("2", term:run "1 + 1")
    assert.matches("stdin:1:.*near", term:run "x = = 1")
  end)

  it("lives through errors that cannot be told", function()
    local term <close> = pty.prompt()
    term:run "e = setmetatable({}, {}) getmetatable(e).__tostring = function() error(e) end"

    assert.matches("^{}\n", term:run "error(e)")
    assert.equal("2", term:run "1 + 1")
  end)

  it("may spoil the library, for itself and for others, but not end the prompt", function()
    for _, entry in ipairs { "string.find = nil", "string.format = nil", "string.gsub = nil",
      "table.insert = nil", "os.time = nil", "io.stderr = nil", "io = nil", "debug.setmetatable('', nil)" } do
      local term <close> = pty.prompt()
      term:run(entry)
      term:run "error 'boom'"
      term:run "1 + 1"

      assert.is_true(term:alive())
    end
  end)

  it("shows a failure of the world with what to do about it", function()
    local term <close> = pty.prompt()

    local shown = term:run "net.connect('127.0.0.1', 1)"

    assert.matches("^connect 127.0.0.1:1: connection refused %(ECONNREFUSED%)\n[^\n]*nothing listens", shown)
    assert.equal("ECONNREFUSED", term:run "_err.code")
  end)

  it("shows its time if it was long", function()
    local term <close> = pty.prompt()

    term:enter "net.sleep(1.01);"
    term:prompt()

    assert.matches("\n%-%- %d%.%d+ s\n>$", term.screen:text())
  end)

  it("lets tasks run while nobody types", function()
    local term <close> = pty.prompt()
    term:run "net.spawn(function() net.sleep(0.05) print('from' .. ' a task') end);"

    term:expect "from a task"

    term:prompt()
  end)

  it("reads the terminal itself, if it asks", function()
    local term <close> = pty.prompt()
    term:enter "word = io.read()"
    term:wait("the terminal is not as before", function() return term:modes().icanon end, nil, 0.005)
    term:enter "typed"
    term:prompt()

    assert.equal("typed", term:run "word")
  end)

  it("may be typed ahead", function()
    local term <close> = pty.prompt()
    term:enter "net.sleep(0.2);"
    term:enter "1 + 1"
    term:enter "'las' .. 't'"

    term:expect "\n2"
    term:expect "\nlast"
    term:prompt()
  end)

  it("shows no byte of a string that a terminal acts on", function()
    local term <close> = pty.prompt()

    local shown = term:run [['\27[2J\27]0;title\7\155\r']]
    term:run [[error '\27[2J\7']]
    term:run [[{ ['\27[2J'] = '\7' }]]
    term:run [[setmetatable({}, { __tostring = function() return '\27[2J\7' end })]]

    assert.equal([["\x1b[2J\x1b]0;title\x07\x9b\r"  -- 16 bytes]], shown)
    assert.is_nil(term.bytes:find("\27[2J", 1, true))
    assert.is_nil(term.bytes:find("\27]", 1, true))
    assert.equal(0, term.screen.bells)
    assert.same({}, term.screen.unknown)
  end)

  it("may have wide characters, which are edited as such", function()
    local term <close> = pty.prompt { cols = 20 }

    term:type "'日本語'"
    term:shows "> '日本語'"
    assert.equal(11, (select(2, term.screen:cursor())))
    term:type "\27[D\8\8é"
    term:shows "> '日é'"
    term:enter ""
    term:prompt()
    term:shows "> '日é'\n日é\n>"

    term:type "'語語語語語語語語語語語語'"
    term:type("\1\27[C\4")
    term:taken()
    term:enter ""
    term:prompt()
    assert.matches("\n語語語語語語語語語語\n語\n>$", term.screen:text())
    assert.same({}, term.screen.unknown)
  end)

  it("may be longer than the screen is high", function()
    local term <close> = pty.prompt { rows = 5, cols = 20 }

    term:type("#'" .. ("x"):rep(300) .. "'")
    term:taken()
    term:enter ""
    term:prompt()

    assert.equal("300", term.screen:row(4))
  end)
end)

describe("the editor of an entry", function()
  -- Writes what the file was and how the terminal was set into files, and another entry into the file.
  local EDITOR = [[
for file; do :; done
cp "$file" "$(dirname "$0")/was"
stty -a <&1 >"$(dirname "$0")/modes"
echo 'print(6 * 7)' >"$file"
]]

  it("has a normal terminal, and what it leaves is run", function()
    local folder <close> = server.folder()
    local term <close> = pty.prompt { home = folder.path, files = { editor = EDITOR },
      env = { VISUAL = "sh " .. folder.path .. "/editor" } }
    term:run "'first'"

    assert.matches("42$", term:run ".edit")

    assert.equal("'first'\n", (term:read "was":gsub("\n*$", "\n")))
    assert.matches("%f[%S]icanon%f[%s]", term:read "modes")
    assert.equal("2", term:run "1 + 1")
  end)
end)

-- It had failed assertions of the prompt's own, and opened itself for ever.
it(".edit says what is wrong with what the editor leaves, and does not open itself", function()
  local cases = { { ": >", "" }, { "rm -f", "/%S+%.lua: No such file or directory" },
    { "kill -9 $$;", "status 137" }, { "rm -f $1; mkdir", "/%S+%.lua: Is a directory" } }
  for _, case in ipairs(cases) do
    local folder <close> = server.folder()
    local term <close> = pty.prompt { home = folder.path, files = { editor = case[1] .. ' "$1"\n' },
      env = { EDITOR = "sh " .. folder.path .. "/editor" } }
    assert.matches("open itself", term:run ".edit 1")
    term:run "x = 1"

    local shown = term:run ".edit"

    assert.matches(case[2] == "" and "^$" or case[2], shown)
    assert.is_nil(shown:find("lualib", 1, true))
    assert.equal("1", term:run "x")
  end
end)

describe("on a terminal that can little", function()
  it("TERM=dumb gets plain lines without an escape", function()
    local term <close> = pty.prompt { env = { TERM = "dumb" } }

    assert.equal("2", term:run "1 + 1")
    term:enter "function f()"
    term:prompt ">> "
    term:enter "return 7 end"
    term:prompt()
    assert.equal("7", term:run "f()")
    assert.matches("boom", term:run "error 'boom'")
    assert.is_nil(term.bytes:find "\27")
    term:type "\4"
    assert.same({ "exited", 0 }, { term:exit() })
    assert.equal(term.before, term:attributes())
  end)

  it("^C drops a line and ends an entry there too", function()
    local term <close> = pty.prompt { env = { TERM = "dumb" } }
    term:type "half"
    term:expect "half"
    term:type "\3"
    term:prompt()
    assert.equal("2", term:run "1 + 1")
    term:enter "print('go' .. 'ing') net.sleep(60)"
    term:expect "going"

    term:type "\3"

    term:prompt()
    assert.equal("2", term:run "1 + 1")
  end)

  -- It stood behind the prompt.
  it("output that ends no line stands before the prompt", function()
    local term <close> = pty.prompt { env = { TERM = "dumb" } }

    term:enter "io.write 'half';"

    term:prompt "half> "
  end)

  it("no TERM at all is as little, an unknown one does not hurt", function()
    for _, name in ipairs { false, "", "nosuchterminal" } do
      local term <close> = pty.prompt { env = { TERM = name } }

      assert.equal("2", term:run "1 + 1")
      if name ~= "nosuchterminal" then assert.is_nil(term.bytes:find "\27") end
    end
  end)

  it("keeps colours out of a file that takes standard error", function()
    local folder <close> = server.folder()
    local term <close> = pty.prompt { stderr = folder.path .. "/errors" }

    term:run "error 'boom'"
    term:type "\4"
    term:exit()

    local file <close> = assert(io.open(folder.path .. "/errors", "rb"))
    assert.matches("^netlua .*\nstdin:1: boom\n[^\27]*$", file:read "a")
  end)

  it("NO_COLOR=1 gets no colours; an empty one says nothing", function()
    for value, expected in pairs { ["1"] = false, [""] = true } do
      local term <close> = pty.prompt { env = { NO_COLOR = value } }
      term:run "error 'boom'"
      term:run "net.connect('127.0.0.1', 1)"
      term:run "local s <close> = nil"

      assert.equal(expected, colored(term), value)
    end
  end)

  it("a standard output that is a file gets the results, the terminal the prompts, and no escape", function()
    local folder <close> = server.folder()
    local term <close> = pty.prompt { home = folder.path, stdout = folder.path .. "/output" }

    term:run "1 + 1"
    term:run "print 'printed'"
    term:type "\4"

    assert.same({ "exited", 0 }, { term:exit() })
    assert.equal("2\nprinted\n", term:read "output")
    assert.is_nil(term.bytes:find "\27")
  end)

  it("a standard error that is a file gets the errors", function()
    local folder <close> = server.folder()
    local term <close> = pty.prompt { home = folder.path, stderr = folder.path .. "/errors" }

    assert.equal("2", term:run "1 + 1")
    assert.equal("", term:run "error 'boom'")

    assert.matches("boom", term:read "errors")
  end)
end)

describe("without a terminal", function()
  it("standard input is a script, whole, without a prompt", function()
    local out, err, status = netlua.shell "echo 'print(1)' | %s"
    assert.same({ "1\n", "", 0 }, { out, err, status })

    out, err, status = netlua.shell "printf 'local a = 1\\nprint(a)\\n' | %s"
    assert.same({ "1\n", "", 0 }, { out, err, status })
  end)

  it("-i forces prompts: plain lines, and an error does not end the run", function()
    local name = os.tmpname()
    local file <close> = assert(io.open(name, "w"))
    file:write "1 + 1\nerror 'boom'\nfunction f()\nreturn 7 end\nf()"
    file:close()

    local out, err, status = netlua.shell("%s -i <" .. name)
    os.remove(name)

    assert.equal("2\n7\n", out)
    assert.matches("^> > stdin:1: boom\n.*> >> > > \n$", err)
    assert.is_nil((out .. err):find "\27")
    assert.equal(0, status)
  end)

  -- Each line had all before it looked at token by token: it took 20 s of the processor.
  it("-i takes a function of 2,000 lines soon", function()
    local name = os.tmpname()
    local file <close> = assert(io.open(name, "w"))
    file:write("function f()\n", ("x = tostring(1) .. 'abc' -- a comment\n"):rep(2000), "return 7 end\nf()")
    file:close()

    local out = netlua.shell(("ulimit -t %d; exec %%s -i <"):format(6 * pty.slower) .. name, 100)
    os.remove(name)

    assert.equal("7\n", out)
  end)

  -- It had a traceback of the prompt, and status 1.
  it("-i ends with ^C where nobody types, as a script does", function()
    local term <close> = pty.open { program = "sh", args = { "-c",
      ("mkfifo ~/fifo; exec 3<>~/fifo; exec %s -q -i <&3"):format(netlua.program) } }
    term:prompt()

    term:type "\3"

    assert.same({ "exited", 130 }, { term:exit() })
    assert.equal("> ^C", term.screen:text())
  end)

  it("-i reads a terminal's lines where only the output is none", function()
    local term <close> = pty.open { args = { "-i" }, stdin = "/dev/null" }

    assert.same({ "exited", 0 }, { term:exit() })
    assert.is_nil(term.bytes:find "\27%[%?")
  end)
end)
