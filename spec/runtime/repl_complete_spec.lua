-- TAB at the prompt: it runs nothing and loads nothing.

local pty = require "pty"

local SOON = 0.05 -- seconds from TAB to the candidates
local TRIES = 50  -- of which the best one counts

-- Types keys, clears the line, and waits for the prompt. (^C would throw away keys that wait to be read.)
local function try(term, keys)
  term:enter(keys .. "\1\11'tried'")
  term:expect "\ntried"
  term:prompt()
end

describe("TAB", function()
  it("calls no function to see what it would give", function()
    local term <close> = pty.prompt()
    term:run "function f() called = true return { x = 1 } end"

    for _, line in ipairs { "f().", "f():", "f().x.", "f{}.", "f'x'.", "(f()).", "x = f()[1].", "f()" } do
      try(term, line .. "\t\t")
    end

    assert.equal("nil", term:run "called")
  end)

  it("calls no metamethod", function()
    local term <close> = pty.prompt()
    term:run "function trap() called = true return {} end"
    term:run "m = { __index = trap, __pairs = trap, __len = trap, __eq = trap, __call = trap };"
    term:run "m.__tostring = trap"
    term:run "t = setmetatable({ own = 1 }, m);"

    for _, line in ipairs { "t.", "t:", "t.o", "t.none.", "t[1].", "t.own.", "#t.", "t().", "t(" } do
      try(term, line .. "\t\t")
    end
    try(term, "setmetatable(_G, { __index = trap }) called = nil")
    try(term, "nosuch.\t\t")

    assert.equal("nil", term:run "called")
  end)

  it("loads nothing", function()
    local term <close> = pty.prompt()
    try(term, "net.\t\t") -- its own modules are loaded by now
    term:run "before = {} for name in pairs(package.loaded) do before[name] = true end"

    for _, line in ipairs { "net.", "net.x509.", "net.p", "net.tls.context(", "require 'net.", "http." } do
      try(term, line .. "\t\t")
    end

    local now = "for name in pairs(package.loaded) do if not before[name] then print(name) end end"
    assert.equal("", term:run(now))
    assert.matches("^nil +nil$", term:run "rawget(net, 'ping'), rawget(net, 'x509')")
  end)

  it("completes what is the only candidate", function()
    local term <close> = pty.prompt()
    term:run "config = { timeout = 7, host = 'x' };"

    for _, row in ipairs {
      { "config.ti", "config.timeout" }, { "net.conn", "net.connect" }, { "strin", "string" },
      { "net.connect('h', 1, { ti", "net.connect('h', 1, { timeout" },
      { "require 'net.hexd", "require 'net.hexdump" }, { "?net.conn", "?net.connect" }, { ".hel", ".help" },
    } do
      term:type(row[1] .. "\t")
      term:wait("it is not completed: " .. row[1], function()
        local line = term.screen:row((term.screen:cursor()))
        return line:sub(1, #row[2] + 2) == "> " .. row[2]
      end)
      term:type "\1\11"
      term:shows ">"
    end
    term:type "config.ti\t\r"
    term:prompt()
    assert.matches("\n7\n>$", term.screen:text())
  end)

  it("completes in the middle of a line", function()
    local term <close> = pty.prompt()
    term:run "config = { timeout = 7 };"

    term:type("config.ti + 1" .. ("\27[D"):rep(4) .. "\t")

    term:shows "> config.timeout + 1"
    term:enter ""
    term:prompt()
    assert.matches("\n8\n>$", term.screen:text())
  end)

  -- It knew the line alone: in `>> ti` nothing of the call.
  it("knows the lines of the entry before this one", function()
    local term <close> = pty.prompt()

    term:enter "net.connect('h', 1, {"
    term:prompt ">> "
    term:type "hap\t"

    term:shows ">> happy_eyeballs"
  end)

  it("shows candidates above the line, which is whole", function()
    local term <close> = pty.prompt()
    term:run "config = { timeout = 7, tries = 2, host = 'x' };"

    term:type "1 + config.t\t\t"

    term:expect "tries"
    term:prompt "> 1 + config.t"
    assert.matches("timeout +tries\n> 1 %+ config%.t$", term.screen:text())
    term:enter "imeout"
    term:prompt()
    assert.matches("\n8\n>$", term.screen:text())
  end)

  it("rings where there is no candidate, and changes nothing", function()
    local term <close> = pty.prompt()
    term:type "nosuchname."
    term:shows "> nosuchname."
    local before = term.screen:text()

    term:type "\t"
    term:wait("no bell", function() return term.screen.bells > 0 end)
    term:type "x\8"
    term:taken()

    term:shows "> nosuchname."
    assert.equal(before, term.screen:text())
  end)

  it("shows many, and asks nothing", function()
    local term <close> = pty.prompt { rows = 12, cols = 40 }

    term:type "net.\t\t"

    term:expect "watch_links"
    term:prompt "> net."
    assert.is_nil(term.bytes:find "possibilities")
    assert.is_nil(term.bytes:find "More")
  end)

  it("shows candidates soon", function()
    local term <close> = pty.prompt()
    try(term, "net.pi\t\t")

    local best = pty.soonest(SOON * pty.slower, 1, TRIES, function()
      local began = net.now()
      term:type "net.pi\t\t"
      term:expect "pings"
      local seconds = net.now() - began
      try(term, "")
      return seconds
    end)

    assert.is_true(best < SOON * pty.slower, best .. " seconds")
  end)

  it("shows how a function is called, where its arguments begin", function()
    local term <close> = pty.prompt()

    term:type "net.pair(\t"

    term:expect "net.pair([type]) -> a, b"
    term:prompt "> net.pair("
  end)

  it("completes names of files in strings", function()
    local term <close> = pty.open { files = { ["folder/a file.txt"] = "1", ["folder/other.txt"] = "2" } }
    term:prompt()

    term:type(("x = '%s/folder/oth\t"):format(term.home))
    term:expect "folder/other.txt"
    term:type "'\r"
    term:prompt()

    assert.equal(term.home .. "/folder/other.txt", (term:run "x":gsub("\n", "")))
  end)

  it("knows locals of the session, and behind a colon only functions", function()
    local term <close> = pty.prompt()
    term:run "local object = { method = print, field = 1 };"

    term:type "obj\t:\t"

    term:shows "> object:method"
  end)

  it("shows nothing that a terminal acts on, and stands any line", function()
    local term <close> = pty.prompt()
    term:run "keys = { ['a\\27[2J'] = 1, ['\\7'] = 1, ['b\\n'] = 1, good = 1, gold = 1 };"

    for _, line in ipairs { "keys.", "keys[", "keys['", "'", "[[", "((((", "a.b.c.", ".", "?", "\22\27.",
      "日本.", "--" } do
      try(term, line .. "\t\t")
    end

    assert.is_nil(term.bytes:find("\27[2J", 1, true))
    assert.equal("2", term:run "1 + 1")
    assert.same({}, term.screen.unknown)
  end)

  it("leaves tasks running, and the line whole while they print", function()
    local term <close> = pty.prompt()
    term:run "net.spawn(function() for i = 1, 20 do net.sleep(0.01) print('tick ' .. i) end end);"

    for _ = 1, 5 do term:type "net.\t\t\1\11" end
    term:expect "tick 20"
    term:shows "tick 20\n>"

    assert.equal("2", term:run "1 + 1")
  end)
end)
