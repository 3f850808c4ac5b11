-- What the prompt remembers, in a session and from one to the next; and pasting, of which each is one entry.

local lfs = require "lfs"
local netlua = require "netlua"
local pty = require "pty"
local server = require "server"

local FILE = "state/netlua/history"
local UP <const>, DOWN <const> = "\27[A", "\27[B"

-- The entries of a history file; those of several lines in one, with newlines.
local function entries(term, name)
  local list = {}
  for line in (term:read(name or FILE) or ""):gmatch "([^\n]*)\n" do
    if line:find "^#%d+$" then
      list[#list + 1] = false
    elseif list[#list] then
      list[#list] = list[#list] .. "\n" .. line
    else
      list[math.max(#list, 1)] = line
    end
  end
  return list
end

local function leave(term)
  term:type "\4"
  assert.same({ "exited", 0 }, { term:exit() })
end

local function paste(text)
  return pty.paste((text:gsub("\n", "\r")))
end

describe("the history", function()
  it("goes up and down through the entries of this session", function()
    local term <close> = pty.prompt()
    term:run "'one'"
    term:run "'two'"

    term:type "'draft"
    term:shows "> 'draft"
    term:type "\1\11"
    term:shows ">"

    term:type(UP)
    term:shows "> 'two'"
    term:type(UP)
    term:shows "> 'one'"
    term:type(DOWN)
    term:shows "> 'two'"
    term:enter ""
    term:prompt()
    term:shows "> 'two'\ntwo\n>"
  end)

  it("goes through what begins like the line", function()
    local term <close> = pty.prompt()
    for _, line in ipairs { "x = 1", "y = 2", "x = 3", "z = 4" } do term:run(line) end

    term:type("x" .. UP)
    term:shows "> x = 3"
    term:type(UP)
    term:shows "> x = 1"
  end)

  -- What was to be undone was freed twice.
  it("goes up and down through lines that are edited on the way", function()
    local term <close> = pty.prompt()
    for _, line in ipairs { "x = 1", "xy = 2", "x = 3", "xy = 4" } do term:run(line) end
    term:type("xy" .. UP)
    term:shows "> xy = 4"
    term:type(UP)
    term:shows "> xy = 2"
    term:type(DOWN)
    term:shows "> xy = 4"
    term:type(UP)
    term:shows "> xy = 2"
    term:type "\3"
    term:prompt()
    local keys = { R = "\r", U = "\31", V = "\27r", P = "\16", N = "\14", B = "\127", A = "ab",
      D = DOWN, S = UP, C = "\3" }

    for key in ("APBAADASASPASNNPBDBSBUUVRBRCBUSDNAUSVDABPVNUAVUABPBUUPACCNRV" ..
        "SAAABRDDDNAUVACDAABVSRBPARPNVARUVDPCSBSAPDNVUPNBDBRRVUANDARA"):gmatch "." do
      term:type(keys[key])
      term:taken()
    end
    term:type "\3"
    term:prompt()

    assert.equal("2", term:run "1 + 1")
  end)

  it("is in the file after each entry, which only its owner reads", function()
    local term <close> = pty.prompt()

    term:run "'one'"
    assert.same({ "'one'" }, entries(term))
    term:run "'two'"
    assert.same({ "'one'", "'two'" }, entries(term))

    assert.equal("rw-------", lfs.attributes(term.home .. "/" .. FILE, "permissions"))
    term:signal "KILL"
    term:exit()
    assert.same({ "'one'", "'two'" }, entries(term))
  end)

  it("is there in the next session", function()
    local folder <close> = server.folder()
    do
      local term <close> = pty.prompt { home = folder.path }
      term:run "'one'"
      term:run "'two'"
      leave(term)
    end

    local term <close> = pty.prompt { home = folder.path }
    term:type(UP .. UP)
    term:shows "> 'one'"
    term:type "\3"
    term:prompt()
    term:type "\18one"
    term:expect "`one': 'one'"
  end)

  it("is below HOME if no XDG_STATE_HOME is set, or a relative one", function()
    for _, value in ipairs { false, "state" } do
      local term <close> = pty.prompt { env = { XDG_STATE_HOME = value } }
      term:run "'one'"

      assert.same({ "'one'" }, entries(term, ".local/state/netlua/history"))
    end
  end)

  it("leaves out repeats, empty lines and what begins with a blank", function()
    local term <close> = pty.prompt()

    for _, line in ipairs { "'one'", "'one'", "", " 'secret'", "'two'", "'one'" } do term:run(line) end

    assert.same({ "'one'", "'two'", "'one'" }, entries(term))
    term:type(UP .. UP)
    term:shows "> 'two'"
    term:type(UP)
    term:shows "> 'one'"
  end)

  it("has what was wrong, and commands", function()
    local term <close> = pty.prompt()

    for _, line in ipairs { "x = = 1", "error 'x'", ".help json", "?net.pair" } do term:run(line) end

    assert.same({ "x = = 1", "error 'x'", ".help json", "?net.pair" }, entries(term))
  end)

  it("is in the file that NETLUA_HISTORY names", function()
    local folder <close> = server.folder()
    local term <close> = pty.prompt { home = folder.path, env = { NETLUA_HISTORY = folder.path .. "/mine" } }
    term:run "'one'"

    assert.same({ "'one'" }, entries(term, "mine"))
    assert.is_nil(term:read(FILE))
  end)

  it("is kept nowhere with an empty NETLUA_HISTORY, but in the session", function()
    local term <close> = pty.prompt { env = { NETLUA_HISTORY = "" } }
    term:run "'one'"

    term:type(UP)
    term:shows "> 'one'"
    term:type "\1\11"
    leave(term)

    assert.is_nil(lfs.attributes(term.home .. "/state"))
    assert.is_nil(lfs.attributes(term.home .. "/.local"))
  end)

  it("that cannot be written is told of once, and hinders nothing", function()
    local term <close> = pty.prompt { env = { XDG_STATE_HOME = "/proc/nowhere" } }

    assert.matches("history", term:run "'one'")
    assert.equal("two", term:run "'two'")
    term:type(UP .. UP)
    term:shows "> 'one'"
  end)

  it("is cut to 10,000 entries, the newest", function()
    local old = {}
    for i = 1, 10050 do old[i] = ("#1700000000\nx = %d\n"):format(i) end
    local term <close> = pty.prompt { files = { [FILE] = table.concat(old) } }
    term:type(UP)
    term:shows "> x = 10050"
    term:type "\1\11"
    term:run "'last'"
    leave(term)

    local list = entries(term)

    assert.is_true(#list <= 10000 + 1, #list .. " entries") -- its own are cut by the next session
    assert.is_true(#list >= 9000, #list .. " entries")
    assert.equal("'last'", list[#list])
    assert.equal("x = 10050", list[#list - 1])
  end)

  it("keeps the entries of two sessions side by side, none torn", function()
    local folder <close> = server.folder()
    local one <close> = pty.prompt { home = folder.path }
    local two <close> = pty.prompt { home = folder.path }
    local expected = {}

    for i = 1, 20 do
      for name, term in pairs { one = one, two = two } do
        term:enter(("'%s %d %s'"):format(name, i, ("x"):rep(200)))
        expected[("'%s %d %s'"):format(name, i, ("x"):rep(200))] = true
      end
      one:prompt()
      two:prompt()
    end
    leave(one)
    leave(two)

    local list, found = entries(one), {}
    for _, entry in ipairs(list) do found[entry] = true end
    assert.equal(40, #list)
    assert.same(expected, found)
  end)

  it("recalls nothing that a terminal acts on", function()
    local past = "#1\n'good'\n#2\n'\u{9b}31m'\n#3\n'\xff'\n"
    local term <close> = pty.open { files = { ["state/netlua/history"] = past } }
    term:prompt()

    term:type "\27[A"

    term:shows "> 'good'"
    assert.is_nil(term.bytes:find("\u{9b}", 1, true))
  end)

  it("takes any bytes for a file", function()
    local term <close> = pty.prompt { files = { [FILE] = "#1700000000\nx = '\27[2J\255\0'\n#x\n\n\n#\n" ..
      ("y"):rep(100000) } }

    assert.equal("2", term:run "1 + 1")
    term:type(UP)
    term:shows "> 1 + 1"
    assert.is_nil(term.bytes:find("\27[2J", 1, true))
  end)
end)

-- A function of 200 lines that counts them.
local function long(name)
  local lines = { ("function %s()"):format(name), "  local n = 2" }
  for i = 3, 198 do lines[i] = ("  n = n + 1 -- %d"):format(i) end
  lines[199] = "  return n + 2"
  lines[200] = "end"
  return table.concat(lines, "\n")
end

-- Pastes a text, waits until its last line is seen, and enters it.
local function enterpaste(term, text, seen)
  term:type(paste(text))
  term:expect(seen)
  term:enter ""
  term:prompt()
end

describe("pasting", function()
  it("of a function of 200 lines is one entry", function()
    local term <close> = pty.prompt { rows = 250 }

    term:type(paste(long "counted"))
    term:shows("> " .. long "counted")
    term:enter ""
    term:prompt()

    assert.equal("200", term:run "counted()")
    assert.same({ long "counted", "counted()" }, entries(term))
  end)

  it("of more than the screen has rows works, although the line is not seen whole", function()
    local term <close> = pty.prompt { rows = 24 }

    enterpaste(term, long "counted", "end")

    assert.equal("200", term:run "counted()")
    assert.same({ long "counted", "counted()" }, entries(term))
  end)

  it("is recalled whole after a restart", function()
    local folder <close> = server.folder()
    do
      local term <close> = pty.prompt { home = folder.path }
      enterpaste(term, long "counted", "end")
      leave(term)
    end

    local term <close> = pty.prompt { home = folder.path, rows = 250 }
    term:type(UP)
    term:shows("> " .. long "counted")
    term:enter ""
    term:prompt()
    assert.equal("200", term:run "counted()")
    assert.same({ long "counted", "counted()" }, entries(term))
  end)

  it("runs nothing before the key, also where the text ends a line", function()
    local term <close> = pty.prompt()

    term:type(paste "ran = true\nran = 2\n")
    term:expect "ran = 2"
    term:type "\3"
    term:prompt()

    assert.equal("nil", term:run "ran")
  end)

  it("takes tabs and what completes as they are", function()
    local term <close> = pty.prompt()

    enterpaste(term, "do\n\tpasted = 'a\tb'\nend", "end")

    assert.equal("true", term:run [[pasted == 'a\tb']])
  end)

  it("leaves out the prompts that were copied with the text", function()
    local term <close> = pty.prompt()

    enterpaste(term, "> function g()\n>>   return 5\n>> end", "end")

    assert.equal("5", term:run "g()")
  end)

  -- They were one entry, and so an error of syntax.
  it("of entries that are no chunk together takes each as if it were typed", function()
    local term <close> = pty.prompt()

    local text = "> x = 1\n> x + 1\n2\n> for i = 1, 2 do\n>>   print(i)\n>> end\n1\n2\n> _ * 20"
    enterpaste(term, text, "_ * 20")

    term:shows "> x = 1\n> x + 1\n2\n> for i = 1, 2 do\n>>   print(i)\n>> end\n1\n2\n> _ * 20\n40\n>"
    assert.same({ "x = 1", "x + 1", "for i = 1, 2 do\n  print(i)\nend", "_ * 20" }, entries(term))
  end)

  it("of several entries ends with the first that fails; the others can be recalled", function()
    local term <close> = pty.prompt()

    enterpaste(term, "x = 1\nx\nerror 'oops'\nx = 2\nx", "x = 2")

    assert.matches("\n> error 'oops'\nstdin:1: oops\n.*\n%-%- 2 more not run; Up recalls what is left\n>$",
      term.screen:text())
    assert.equal("1", term:run "x")
    assert.same({ "x = 1", "x", "error 'oops'", "x = 2\nx", "x" }, entries(term))
  end)

  it("of several entries ends with ^C, and with .exit", function()
    local term <close> = pty.prompt()
    term:type(paste "1\nprint('go'..'ing') net.sleep(60)\nx = 2" .. "\r")
    term:expect "going"
    term:type "\3"
    term:prompt()
    assert.equal("nil", term:run "x")

    term:type(paste "1\n.exit 3\nprint('run'..'ning')" .. "\r")

    assert.same({ "exited", 3 }, { term:exit() })
    assert.is_nil(term.bytes:find("running", 1, true))
  end)

  it("of several entries goes on when one has spoiled the library", function()
    local term <close> = pty.prompt()

    term:type(paste "1\nstring.gsub, table.insert, table.move = nil\nerror 'x'\n2" .. "\r")
    term:expect "error 'x'"
    term:prompt()
    term:type "\4"

    assert.same({ "exited", 0 }, { term:exit() })
  end)

  it("joins what was typed before", function()
    local term <close> = pty.prompt()

    term:type("'typed ' .." .. paste " 'pasted'" .. " .. ' typed'\r")
    term:prompt()

    term:shows "> 'typed ' .. 'pasted' .. ' typed'\ntyped pasted typed\n>"
  end)
end)

describe("an entry of several lines", function()
  it("that was typed is one item of the history, recalled and edited whole", function()
    local term <close> = pty.prompt()
    term:enter "function h()"
    term:prompt ">> "
    term:enter "  return 6"
    term:prompt ">> "
    term:enter "end"
    term:prompt()

    assert.same({ "function h()\n  return 6\nend" }, entries(term))
    term:type(UP)
    term:shows "> function h()\n  return 6\nend"
    term:type "\8\8\8+ 1 end\r"
    term:prompt()
    assert.equal("7", term:run "h()")
  end)

  it("whose end never comes is told of, and is one item too", function()
    local term <close> = pty.prompt()
    term:enter "function broken()"
    term:prompt ">> "
    term:enter "x = = 1"
    term:prompt()

    assert.matches("stdin:2:", term.screen:text(), 1, true)
    assert.same({ "function broken()\nx = = 1" }, entries(term))
  end)
end)

describe("a history", function()
  it("is kept of no script, and of no input that is not typed", function()
    local folder <close> = server.folder()

    local _, err = netlua.shell(("echo 'x = 1' | env HOME=%s XDG_STATE_HOME=%s %%s -i"):format(folder.path,
      folder.path))

    assert.equal("> > \n", err)
    assert.is_nil(lfs.attributes(folder.path .. "/netlua"))
  end)
end)
