-- ^C at the prompt: it ends what the entry does, or drops what was typed, and never the session.

local island = require "island"
local peer = require "peer"
local pty = require "pty"
local server = require "server"

local SOON = 0.2 -- seconds from ^C to the prompt
local TRIES = 3  -- of which the best one counts
local MOST = 30  -- tries, while none was soon

local BUSY = 0.02 -- seconds of processor time after which an entry is sure to be in its loop

-- What an entry begins with that is to be struck while it computes, or waits.
local GOING = 'print("go".."ing") '
local WAITING = 'net.spawn(function() print("go".."ing") end) '

-- Enters something and waits until it computes or waits.
local function begin(term, entry)
  local used = term:cpu()
  term:enter(entry)
  term:expect "going"
  if entry:find(WAITING, 1, true) then return end
  term:wait("it does not compute", function() return term:cpu() > used + BUSY end, nil, 0.005)
end

-- Enters what computes or waits and strikes ^C, `times` times: the seconds from the last one to the prompt.
local function strike(term, entry, times)
  begin(term, entry)
  for _ = 2, times or 1 do term:strike() end
  local began = net.now()
  term:type "\3"
  term:prompt()
  return net.now() - began
end

-- Tries something that gives its seconds, and asserts that it can be soon.
local function issoon(try)
  local best = pty.soonest(SOON * pty.slower, TRIES, MOST, try)
  assert.is_true(best < SOON * pty.slower, ("%.3f seconds"):format(best))
end

-- The entry, struck several times, is over soon each time; the session lives, and holds no more descriptors
-- after the last time than after the first.
local function endssoon(term, entry, times)
  local open
  issoon(function()
    local seconds = strike(term, entry, times)
    term:run "collectgarbage()"
    open = open or term:fds()
    return seconds
  end)

  assert.equal(open, term:fds())
  assert.equal("2", term:run "1 + 1")
end

local loops = {
  ["a loop"] = "while true do end",
  ["a loop in a coroutine"] = "coroutine.wrap(function() while true do end end)()",
  ["a loop in a coroutine of a coroutine"] =
    "coroutine.wrap(function() coroutine.wrap(function() while true do end end)() end)()",
  ["a loop in a comparator"] = "table.sort({ 1, 2 }, function() while true do end end)",
  ["a loop of short C calls"] = 'while true do ("x"):rep(100):upper() end',
}

local stubborn = {
  ["a loop that catches every error"] = "while true do pcall(function() while true do end end) end",
  ["a loop that catches every error of a coroutine"] =
    "while true do pcall(coroutine.wrap(function() while true do end end)) end",
  ["a __close that never ends"] =
    "local x <close> = setmetatable({}, { __close = function() while true do pcall(error) end end }) error()",
}

-- Each is the body of a function, so that its variables are none of the session's.
local waits = {
  ["sleep"] = "net.sleep(60)",
  ["sleep in a coroutine"] = "coroutine.wrap(function() net.sleep(60) end)()",
  ["sleep in a comparator"] =
    "net.sleep(0.01) table.sort({ 1, 2 }, function() net.sleep(60) end)", -- the others do not run meanwhile
  ["a loop of short sleeps"] = "while true do net.sleep(0) end",
  ["recv"] = "local a <close>, b = net.pair() local c <close> = b a:recv(1)",
  ["recv without a deadline of its own, in a scope"] =
    "local a <close>, b = net.pair() local c <close> = b net.timeout(60, function() a:recv(1) end)",
  ["recvfrom"] = "local u <close> = net.udp() u:bind('127.0.0.1', 0) u:recvfrom(100)",
  ["accept"] = "local l <close> = net.listen('127.0.0.1', 0) while true do l:accept() end",
  ["a channel's receive"] = "net.channel():receive()",
  ["the join of a task"] = "local t = net.spawn(net.sleep, 60) local x <close> = t t:join()",
  ["the end of a scope"] = "local s <close> = net.scope() s:spawn(net.sleep, 60) s:wait()",
  ["select"] = "local l <close> = net.listen('127.0.0.1', 0) net.select({ l }, nil, nil, 60)",
}

describe("^C ends", function()
  for name, entry in pairs(loops) do
    it(name, function()
      local term <close> = pty.prompt()

      endssoon(term, GOING .. entry)
    end)
  end

  for name, entry in pairs(waits) do
    it(name, function()
      local term <close> = pty.prompt()

      endssoon(term, ("(function() %s %s end)()"):format(WAITING, entry))
    end)
  end

  it("a connect that nobody answers", function()
    local listener <close> = assert(net.listen("127.0.0.1", 0, { backlog = 0 }))
    local _, port = listener:getsockname()
    local full = {}
    repeat
      full[#full + 1] = net.connect("127.0.0.1", port, { timeout = 0.1 })
      local more <close>, err = net.connect("127.0.0.1", port, { timeout = 0.05 }) -- luacheck: ignore more
    until err
    local term <close> = pty.prompt()

    endssoon(term, ("%s net.connect('127.0.0.1', %d)"):format(WAITING, port))

    for _, s in ipairs(full) do s:close() end
  end)

  it("a TLS handshake with a peer that says nothing", function()
    local mute <close> = peer.each(function(client)
      while client:recv(1000) do end
    end)
    local term <close> = pty.prompt()

    endssoon(term, ("%s net.connect('127.0.0.1', %d, { tls = true })"):format(WAITING, mute.port))
  end)

  it("a lookup of a name whose server says nothing", function()
    if not island.possible() then return pending "no namespaces here" end
    local netlua = require "netlua"
    local term <close> = pty.prompt { program = "unshare", args = { "-rmn", "sh", "-c", [[
      ip link set lo up && mount --bind ~/resolv.conf /etc/resolv.conf && exec ]] .. netlua.program },
      files = { ["resolv.conf"] = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n" } }
    assert.equal("", term:run "mute = net.udp() assert(mute:bind('127.0.0.1', 53));")
    local entry = WAITING .. "net.getaddrinfo('nowhere.test', 80)"
    term:run "net.getaddrinfo('localhost', 80);"
    local open = term:fds()

    issoon(function() return strike(term, entry) end)

    term:wait("more descriptors than before", function() return term:fds() == open end, nil, 0.01)
  end)

  it("opening a FIFO that nobody writes to", function()
    local folder <close> = server.folder()
    os.execute("mkfifo " .. folder.path .. "/fifo")
    local term <close> = pty.prompt { cwd = folder.path }

    term:enter(GOING .. "io.open 'fifo'")
    term:expect "going"
    term:wait("it does not wait", function()
      local file <close> = assert(io.open("/proc/" .. term.pid .. "/stat"))
      return file:read("a"):match "%) S "
    end, nil, 0.005)
    term:type "\3"

    term:prompt()
    assert.equal("2", term:run "1 + 1")
  end)

  it("a program that the entry waits for", function()
    local term <close> = pty.prompt()
    term:enter [[os.execute "echo go'i'ng; exec sleep 60"]]
    term:expect "going"

    term:type "\3"

    term:prompt()
    assert.equal("2", term:run "1 + 1")
  end)

  -- It ended a program, and the next one began.
  it("a loop of such programs, and a second one a loop that catches every error", function()
    local term <close> = pty.prompt()
    for times, loop in ipairs { "while true do %s end", "while true do pcall(function() %s end) end" } do
      term:enter(loop:format [[os.execute "echo go'i'ng; exec sleep 60"]])
      for _ = 1, times do
        term:expect "going"
        term:type "\3"
      end

      term:expect "interrupted"
      term:prompt()
    end
  end)
end)

describe("a second ^C ends", function()
  for name, entry in pairs(stubborn) do
    it(name, function()
      local term <close> = pty.prompt()

      endssoon(term, GOING .. entry, 2)
    end)
  end
end)

describe("a second ^C, too,", function()
  it("ends a loop that catches every error of a wait", function()
    local term <close> = pty.prompt()

    endssoon(term, WAITING .. "while true do pcall(net.sleep, 60) end", 2)
  end)
end)

describe("a third ^C", function()
  local endless = {
    ["C code that never comes back"] = 'local n = ("a"):rep(40):find(("a*"):rep(40) .. "b")',
    ["a finalizer, in which Lua calls no hook"] =
      "setmetatable({}, { __gc = function() while true do end end }) collectgarbage()",
  }

  for name, entry in pairs(endless) do
    it("ends the program in " .. name .. ", and leaves the terminal as it was", function()
      local term <close> = pty.prompt()
      begin(term, GOING .. entry)

      term:strike()
      term:strike()
      assert.is_true(term:alive())
      term:type "\3"

      assert.same({ "exited", 130 }, { term:exit() })
      assert.equal(term.before, term:attributes())
    end)
  end
end)

-- The second was for the prompt, too, which ended as soon as it began.
it("^C ends a script before the prompt, which -i opens all the same", function()
  local loop = "print 'going' while true do end"
  for times, code in ipairs { loop, ("while true do pcall(function() %s end) end"):format(loop) } do
    local folder <close> = server.folder()
    local term <close> = pty.open { args = { "-q", "-i", folder.path .. "/script.lua" }, home = folder.path,
      files = { ["script.lua"] = code } }

    for _ = 1, times do
      term:expect "going"
      term:strike()
    end

    term:prompt()
    assert.equal("2", term:run "1 + 1")
  end
end)

-- How `task` is after three ^C that were for entries.
local function bystander(term)
  for _ = 1, 3 do strike(term, WAITING .. "net.sleep(60)") end
  return term:run "task:status()"
end

describe("what ^C has ended", function()
  -- They stayed open until the collector came upon them, which may be never at a prompt.
  it("has its sockets closed", function()
    local term <close> = pty.prompt()
    term:run "1"
    local open = term:fds()

    local recv = "(function() local a, b = net.pair() a:recv(1) b:close() end)()"
    for _, entry in ipairs { "net.listen('127.0.0.1', 0):accept()", recv, ".json " .. recv,
      "coroutine.wrap(function() " .. recv .. " end)()" } do
      term:enter(entry)
      term:wait("nothing is open", function() return term:fds() > open end, nil, 0.005)
      term:type "\3"
      term:prompt()

      assert.equal(open, term:fds(), entry)
    end
  end)

  it("is told to have been interrupted, on a row of its own", function()
    local term <close> = pty.prompt()
    strike(term, WAITING .. "net.sleep(60)")

    local rows = term.screen:text()

    assert.matches("\ngoing\n%^C\n[^\n]*\n>$", rows)
    assert.is_nil(rows:find("traceback", 1, true))
  end)

  it("has run its __close handlers", function()
    local term <close> = pty.prompt()
    local entry =
      "local x <close> = setmetatable({}, { __close = function() closed = (closed or 0) + 1 end }) "

    strike(term, entry .. WAITING .. "net.sleep(60)")
    strike(term, entry .. GOING .. "while true do end")

    assert.equal("2", term:run "closed")
  end)

  it("can tell by CANCELED, and go on", function()
    local term <close> = pty.prompt()
    term:enter(WAITING .. "local ok, err = pcall(net.sleep, 60) print(ok, err.code, 'af' .. 'ter')")
    term:expect "going"

    term:strike()

    term:expect "CANCELED"
    term:expect "after"
    term:prompt()
    assert.equal("2", term:run "1 + 1")
  end)

  it("does not end tasks, neither those of other entries nor its own", function()
    local term <close> = pty.prompt()
    local ticker = "net.spawn(function() while true do net.sleep(0.001) NAME = (NAME or 0) + 1 end end) "
    term:run(ticker:gsub("NAME", "other") .. ";")
    strike(term, ticker:gsub("NAME", "own") .. WAITING .. "net.sleep(60)")
    strike(term, ticker:gsub("NAME", "own") .. GOING .. "while true do end")
    strike(term, WAITING .. "while true do pcall(net.sleep, 60) end", 2)

    term:run "a, b = other, own;"
    assert.matches("^true +true$", term:run "net.sleep(0.1) return other > a, own > b")
  end)

  -- The scheduler did not come round for 1,024 of its turns, and it was taken for one that gives none.
  it("does not end a task that computes and gives the others their turns", function()
    local term <close> = pty.prompt()
    term:run "function compute() local n = net.now() while net.now() < n + 0.005 do end end"
    term:run "task = net.spawn(function() while true do compute() net.sleep(0) end end);"

    assert.equal("waiting", bystander(term))
  end)

  -- Its wait began anew again and again, until it was taken for such a one, too.
  it("does not end a task that waits for a moment where it cannot give the others their turns", function()
    local term <close> = pty.prompt()
    term:run "function compare() net.sleep(0.01) end"
    term:run "function work() while true do table.sort({ 1, 2 }, compare) net.sleep(0.001) end end"
    term:run "task = net.spawn(work);"

    assert.equal("waiting", bystander(term))
  end)

  it("does not end a task that waits for its peer where it cannot give the others their turns", function()
    local listener <close> = assert(net.listen("127.0.0.1", 0))
    local feeder = net.spawn(function()
      local client <close> = assert(listener:accept(10))
      while client:write "x\n" do net.sleep(0.02) end
    end)
    local term <close> = pty.prompt()
    term:run(("s = assert(net.connect('127.0.0.1', %d));"):format(select(2, listener:getsockname())))
    term:run "function take() assert(s:read()) end"
    term:run "function work() while true do ('x'):gsub('x', take) net.sleep(0.001) end end"
    term:run "task = net.spawn(work);"

    assert.equal("waiting", bystander(term))
    term:close()
    assert.is_true(feeder:join(30))
  end)

  it("leaves no hook behind: what follows is not struck", function()
    local term <close> = pty.prompt()
    strike(term, GOING .. "while true do pcall(function() while true do end end) end", 2)

    assert.equal("1000000", term:run "local n = 0 for i = 1, 1000000 do n = n + 1 end return n")
    assert.equal("nil", term:run "debug.gethook()")
  end)
end)

describe("^C while no entry runs", function()
  it("drops a line that is half typed, and keeps the history", function()
    local term <close> = pty.prompt()
    term:run "'before'"
    term:type "half a line"
    term:shows "> half a line"

    term:type "\3"
    term:prompt()
    term:shows "> half a line^C\n>"

    assert.equal("2", term:run "1 + 1")
    term:type "\27[A\27[A"
    term:shows "> 'before'"
  end)

  it("drops a line of several rows, with the cursor in its middle", function()
    local term <close> = pty.prompt { cols = 20 }
    term:type(("x"):rep(70) .. ("\27[D"):rep(40))
    term:taken()

    term:type "\3"

    term:prompt()
    assert.equal("2", term:run "1 + 1")
  end)

  it("drops the lines before, too", function()
    local term <close> = pty.prompt()
    term:enter "function f()"
    term:prompt ">> "
    term:enter "return 1"
    term:prompt ">> "
    term:type "ret"
    term:expect ">> ret"

    term:type "\3"

    term:prompt()
    assert.equal("2", term:run "1 + 1")
    term:type "\27[A\27[A"
    term:quiet(0.1)
    assert.equal("> 1 + 1", term.screen:row(term.screen:last()))
  end)

  it("leaves a search", function()
    local term <close> = pty.prompt()
    term:run "'needle'"
    term:type "\18need"
    term:expect "'needle'"

    term:type "\3"

    term:prompt()
    assert.equal("2", term:run "1 + 1")
    term:type "\27[A\27[A"
    term:shows "> 'needle'"
  end)

  it("leaves an argument and a quoted character that are half typed", function()
    local term <close> = pty.prompt()
    for _, keys in ipairs { "\27" .. "5", "\22", "\27", "\24", "\27[" } do
      term:type(keys)
      term:taken()

      term:type "\3"

      term:prompt()
      assert.equal("2", term:run "1 + 1")
    end
  end)

  it("says how to leave on an empty line", function()
    for _ = 1, 5 do -- also at the moment the prompt appears
      local term <close> = pty.prompt()

      term:type "\3"
      term:expect "^C"
      term:prompt()

      term:shows "> ^C\n^D to leave\n>"
    end
  end)

  it("may come again and again", function()
    local term <close> = pty.prompt()

    for i = 1, 20 do
      term:type("x" .. i)
      term:expect("x" .. i)
      term:type "\3"
      term:prompt()
    end

    assert.equal("2", term:run "1 + 1")
    assert.same({}, term.screen.unknown)
  end)

  -- It emptied the terminal between a look at it and the read, which then waited for another key.
  it("may come at the moment something is typed", function()
    local term <close> = pty.prompt()

    for _ = 1, 300 do
      local _, before = term.bytes:gsub("%^C", "")
      term:type "abc"
      term:type "\3"
      term:wait("it is not seen", function() return select(2, term.bytes:gsub("%^C", "")) > before end)
      term:taken()
    end
  end)

  it("ends a task that computes", function()
    local term <close> = pty.prompt()
    term:enter "net.spawn(function() net.sleep(0.01) print('go'..'ing') while true do end end);"
    term:expect "going"

    term:type "\3"

    term:expect "^C"
    term:prompt()
    assert.equal("2", term:run "1 + 1")
  end)
end)

-- What was to be undone of lines that were edited and left for others was freed more than once.
it("^C at a line that was left for others of the history, edited too, frees nothing twice", function()
  local term <close> = pty.prompt()
  for _, line in ipairs { "1", "12", "ab=3" } do term:run(line) end
  local keys = { C = "\3", R = "\r", U = "\31", V = "\27r", P = "\16", N = "\14", B = "\127", A = "ab",
    D = "\27[B", S = "\27[A" }

  for key in ("RRUVUDVSCPADNBNPCCBPPCUBNVRCASNBDNCRRRNBDPVSSVNVUDDRUCVAPUBUC"):gmatch "." do
    term:type(keys[key])
    term:taken()
  end

  term:prompt()
  assert.equal("2", term:run "1 + 1")
end)
