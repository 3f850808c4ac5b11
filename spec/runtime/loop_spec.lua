local compile = require "compile"
local netlua = require "netlua"

local function elapsed(f, ...)
  local began = net.now()
  f(...)
  return net.now() - began
end

describe("sleep", function()
  it("takes at least the time it was given", function()
    for _, seconds in ipairs { 0, 0.001, 0.01, 0.0501 } do
      local took = elapsed(net.sleep, seconds)

      assert.is_true(took >= seconds, ("%g took %g"):format(seconds, took))
      assert.is_true(took < seconds + 20)
    end
  end)

  it("ends in the order of the deadlines, not of the calls", function()
    local order, tasks = {}, {}
    for i, ms in ipairs { 30, 10, 20, 5, 25 } do
      tasks[i] = net.spawn(function() net.sleep(ms / 1000) order[#order + 1] = ms end)
    end

    for _, task in ipairs(tasks) do task:join(30) end

    assert.same({ 5, 10, 20, 25, 30 }, order)
  end)

  it("of nothing gives every other task a turn", function()
    local order = {}
    local function worker(name)
      for _ = 1, 3 do
        order[#order + 1] = name
        net.sleep(0)
      end
    end
    local first, second = net.spawn(worker, "a"), net.spawn(worker, "b")

    first:join(30)
    second:join(30)

    assert.equal("ababab", table.concat(order))
  end)

  it("is not cut short by a clock that stood still while Lua was busy", function()
    local began = net.now()
    while net.now() - began < 0.03 do end

    assert.is_true(elapsed(net.sleep, 0.02) >= 0.02)
  end)

  it("forever waits for a cancellation", function()
    local task = net.spawn(net.sleep, 1e9)
    net.sleep(0.001)

    local waiting = task:status()
    task:cancel()
    task:join(30)

    assert.equal("waiting", waiting)
    assert.equal("canceled", task:status())
  end)

  for name, value in pairs {
    negative = -1, ["not a number"] = 0 / 0, infinite = math.huge, text = "x", ["a table"] = {},
  } do
    it("refuses what is no time: " .. name, function()
      assert.has_error(function() net.sleep(value) end)
    end)
  end
end)

describe("now", function()
  it("goes forward only", function()
    local last = net.now()
    for _ = 1, 1000 do
      local now = net.now()
      assert.is_true(now >= last)
      last = now
    end
  end)
end)

describe("a timeout", function()
  it("that is shorter than the one before it is kept", function()
    local a, b = net.pair()

    a:recv(1, 0.02)
    net.spawn(function() b:write "x" end)
    a:recv(1, 60)
    local took = elapsed(a.recv, a, 1, 0.01)
    a:close()
    b:close()

    assert.is_true(took >= 0.01 and took < 30)
  end)

  it("of an earlier call does not end a later one", function()
    local a, b = net.pair()
    net.spawn(function() b:write "x" end)
    a:recv(1, 0.01)

    local took = elapsed(a.recv, a, 1, 0.05)
    local task = net.spawn(function()
      b:write "y"
      assert(a:recv(1, 0.001))
      net.channel():receive(0.03)
      return true
    end)

    assert.is_true(took >= 0.05)
    assert.is_true(task:join(30))
    a:close()
    b:close()
  end)

  it("is kept by thousands of tasks at once", function()
    local tasks = {}
    local began = net.now()
    for i = 1, 5000 do
      tasks[i] = net.spawn(function()
        net.sleep((i % 50) / 1000)
        return net.now() - began
      end)
    end

    for i, task in ipairs(tasks) do
      local took = task:join(20)
      assert.is_true(took >= (i % 50) / 1000)
    end
  end)
end)

describe("a task that always has something to do", function()
  -- Runs `busy` beside a task that counts its turns, until that has had 20 of them or 20 seconds are over.
  local function turns(busy)
    local n, began = 0, net.now()
    local other <close> = net.spawn(function() while net.sleep(0) do n = n + 1 end end)
    while n < 20 and net.now() - began < 20 do busy() end
    local had = n
    other:cancel()
    return had
  end

  it("does not starve the others while it reads", function()
    local a, b = net.pair()
    b:write(("x"):rep(100000))
    b:close()

    local n = turns(function() assert(a:peek(1)) end)
    a:close()

    assert.equal(20, n)
  end)

  it("does not starve them while it sends", function()
    local sink <close> = net.udp {}
    sink:bind("127.0.0.1", 0)
    local _, port = sink:getsockname()
    local socket <close> = net.udp {}

    local n = turns(function() assert(socket:sendto("x", "127.0.0.1", port)) end)

    assert.equal(20, n)
  end)

  it("does not starve timers and descriptors while it sleeps for no time", function()
    local a, b = net.pair()
    local data
    local reader = net.spawn(function() data = a:recv(1, 30) end)
    local timer = net.spawn(function() net.sleep(0.005) b:write "x" end)

    local began = net.now()
    while not data and net.now() - began < 20 do net.sleep(0) end
    reader:join(30)
    timer:join(30)
    a:close()
    b:close()

    assert.equal("x", data)
  end)

  it("does not starve them in a ring of tasks that wake each other", function()
    local ping, pong, stop = net.channel(), net.channel(), false
    local one = net.spawn(function() for value in ping:values() do pong:send(value) end end)
    local two = net.spawn(function()
      while not stop do
        ping:send(1)
        pong:receive()
      end
      ping:close()
    end)

    local took = elapsed(net.sleep, 0.01)
    stop = true
    one:join(30)
    two:join(30)

    assert.is_true(took < 20)
  end)
end)

describe("a steady exchange", function()
  it("keeps the order of its bytes", function()
    local a, b = net.pair()
    local echo = net.spawn(function()
      for line in b:lines "L" do b:write(line) end
    end)

    for i = 1, 2000 do
      a:write(i, "\n")
      assert.equal(i, a:read "n")
      a:read "l"
    end
    a:close()
    echo:join(30)
    b:close()
  end)
end)

describe("without descriptors for an event loop", function()
  it("a wait fails with EMFILE", function()
    local out, err, status = netlua.run [[
      local held = {}
      while true do
        local s = net.socket("inet")
        if not s then break end
        held[#held + 1] = s
      end
      print(select(2, net.sleep(0.01)).code)
    ]]

    assert.same({ "EMFILE\n", "", 0 }, { out, err, status })
  end)
end)

-- libev stops what it cannot watch, and never asked for it again: the wait had no end.
describe("without room for another watch", function()
  local function run(script)
    local program = compile.variant("runtime/loop.c", "spec/support/noroom.c")
    if not program then return end
    local out, err, status = netlua.shell(("%s -e '%s'"):format(program, script))
    os.remove(program)
    assert.same({ "", 0 }, { err, status })
    return out
  end

  it("a wait fails with ENOSPC, and the next one asks anew", function()
    local out = run [[
      local l = net.listen("127.0.0.1", 0)
      print(select(2, l:accept(30)).code)
      local client = net.connect(l:getsockname())
      print((l:accept(30)))]]
    if not out then return pending "no objects of this build" end

    assert.matches("^ENOSPC\nnet.stream", out)
  end)

  it("a write says how much of it had left", function()
    local out = run [[
      local a, b = net.pair()
      local _, err = a:write(("x"):rep(1 << 24))
      print(err.code, #b:read(err.partial) == err.partial, b:recv(1, 0))]]
    if not out then return pending "no objects of this build" end

    assert.equal("ENOSPC\ttrue\tnil\trecv: timed out (TIMEOUT)\n", out)
  end)
end)
