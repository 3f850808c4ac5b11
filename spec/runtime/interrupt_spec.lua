local netlua = require "netlua"

-- Runs a script that gets ^C (SIGINT) `times` times, 0.2 s apart, the first one after 0.1 s. The seconds
-- it took come last. The shell is started by popen: system(3), which os.execute calls, ignores SIGINT until
-- the shell has ended, and on a busy machine the first ^C came before that and was lost.
local function struck(times, script)
  local kills = "sleep 0.1; kill -INT $PPID" .. ("; sleep 0.2; kill -INT $PPID"):rep(times - 1)
  local began = net.now()
  local out, err, status = netlua.run(("io.popen '(%s) 2>/dev/null &'\n"):format(kills) .. script)
  return out, err, status, net.now() - began
end

-- Whoever accepts does it again and again: any program of this machine may connect, and one that scans all
-- ports did, so that the script came to its end.
local once = {
  ["a tight loop"] = "while true do end",
  ["a tight loop in a coroutine"] = "coroutine.wrap(function() while true do end end)()",
  ["a tight loop in a coroutine of a coroutine"] = [[
    coroutine.wrap(function() coroutine.wrap(function() while true do end end)() end)()]],
  ["a tight loop after a coroutine"] = [[
    local f = coroutine.wrap(function() while true do coroutine.yield() end end)
    while true do f() end]],
  ["a tight loop in a task"] = "net.spawn(function() while true do end end) net.sleep(60)",
  ["a tight loop in a task when the main chunk is over"] = "net.spawn(function() while true do end end)",
  ["a tight loop in a comparator"] = "table.sort({ 1, 2 }, function() while true do end end)",
  ["a tight loop in a module"] = [[
    package.preload.m = function() while true do end end
    require "m"]],
  ["a tight loop in a __close handler under coroutine.close"] = [[
    local co = coroutine.create(function()
      local x <close> = setmetatable({}, { __close = function() while true do end end })
      coroutine.yield()
    end)
    coroutine.resume(co)
    assert(coroutine.close(co))]],
  ["a loop of short C calls"] = "while true do ('x'):rep(100):upper() end",
  ["sleep"] = "net.sleep(60)",
  ["sleep in a coroutine"] = "coroutine.wrap(function() net.sleep(60) end)()",
  ["sleep of nothing, again and again"] = "while true do net.sleep(0) end",
  ["sleep in a comparator"] = "table.sort({ 1, 2 }, function() net.sleep(60) end)",
  ["accept"] = [[
    local server = assert(net.listen("127.0.0.1", 0))
    while true do server:accept() end]],
  ["accept in a comparator"] = [[
    local server = assert(net.listen("127.0.0.1", 0))
    table.sort({ 1, 2 }, function()
      while true do server:accept() end
    end)]],
  ["receive"] = "net.spawn(net.sleep, 60) net.channel():receive()",
  ["scope:wait"] = [[
    local scope <close> = net.scope()
    scope:spawn(net.sleep, 60)
    scope:wait()]],
  ["a task's wait when the main chunk is over"] = "net.spawn(net.sleep, 60)",
}

describe("^C", function()
  for name, script in pairs(once) do
    it("ends the program in " .. name, function()
      local _, err, status, seconds = struck(1, script)

      assert.equal(130, status)
      assert.matches("^[^\n]*netlua: ", err)
      assert.is_true(seconds < 20)
    end)
  end

  it("twice ends what catches every error", function()
    local _, _, status, seconds = struck(2, "while true do pcall(function() while true do end end) end")

    assert.equal(130, status)
    assert.is_true(seconds < 20)
  end)

  it("twice ends what catches every error around a wait", function()
    local _, _, status, seconds = struck(2, "while true do pcall(net.sleep, 60) end")

    assert.equal(130, status)
    assert.is_true(seconds < 20)
  end)

  it("twice ends what catches every error in a coroutine", function()
    local _, _, status, seconds = struck(2, [[
      local f = coroutine.wrap(function() while true do pcall(function() while true do end end) end end)
      while true do pcall(f) end
    ]])

    assert.equal(130, status)
    assert.is_true(seconds < 20)
  end)

  it("twice ends C code that never comes back", function()
    local _, _, status, seconds = struck(2, "return ('a'):rep(40):find(('a*'):rep(40) .. 'b')")

    assert.equal(130, status)
    assert.is_true(seconds < 20)
  end)

  it("can be caught, and is raised once", function()
    local out, _, status = struck(1, [[
      local ok, err = pcall(function() while true do end end)
      for i = 1, 100000 do end
      print(ok, err.code, err.kind)
    ]])

    assert.equal("false\tCANCELED\tcanceled\n", out)
    assert.equal(0, status)
  end)

  -- The hook that the signal had set was still there after the wait had raised.
  it("is raised once by a wait that blocks", function()
    local out, err, status = struck(1, [[
      local ok, err = pcall(table.sort, { 1, 2 }, function() net.sleep(60) end)
      for i = 1, 100000 do end
      print(ok, err.code)
    ]])

    assert.equal("", err)
    assert.equal("false\tCANCELED\n", out)
    assert.equal(0, status)
  end)

  it("runs the __close handlers of every task", function()
    local out, _, status = struck(1, [[
      local function closer(name) return setmetatable({}, { __close = function() print(name) end }) end
      net.spawn(function()
        local x <close> = closer "task"
        net.sleep(60)
      end)
      local x <close> = closer "main"
      while true do net.sleep(0.01) end
    ]])

    assert.equal(130, status)
    assert.matches("main", out)
    assert.matches("task", out)
  end)

  it("twice ends a __close handler that does not end", function()
    local _, _, status, seconds = struck(2, [[
      local x <close> = setmetatable({}, { __close = function() while true do pcall(error) end end })
      net.sleep(60)
    ]])

    assert.equal(130, status)
    assert.is_true(seconds < 20)
  end)
end)
