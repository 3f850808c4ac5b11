-- Lets every task run until it waits.
local function settle() for _ = 1, 5 do net.sleep(0) end end

local function refused(call)
  local ok, err = pcall(call)
  assert.is_false(ok)
  assert.matches("sync_spec.lua:%d+: bad argument", err)
end

describe("a timeout that is none", function()
  -- Where nothing had to be waited for, it went unnoticed.
  for name, call in pairs {
    send = function(t) return net.channel(1):send(1, t) end,
    receive = function(t)
      local c = net.channel(1)
      c:send(1)
      return c:receive(t)
    end,
    acquire = function(t) return net.semaphore(1):acquire(t) end,
    wait = function(t)
      local e = net.event()
      e:set()
      return e:wait(t)
    end,
  } do
    it("raises in " .. name .. ", even where no wait is needed", function()
      for _, wrong in ipairs { -1, 0 / 0, 1 / 0, "1", true } do
        assert.error_matches(function() call(wrong) end, "to '" .. name .. "' %(seconds, .* expected, got ")
      end
    end)
  end
end)

describe("a channel without capacity", function()
  it("hands a value from a waiting sender to a receiver", function()
    local c = net.channel()
    local sender = net.spawn(function() return c:send "x" end)
    settle()

    local waiting = sender:status()
    local value = c:receive(1)

    assert.equal("waiting", waiting)
    assert.equal("x", value)
    assert.is_true(sender:join(30))
  end)

  it("hands a value to a waiting receiver at once", function()
    local c = net.channel()
    local receiver = net.spawn(function() return c:receive(5) end)
    settle()

    assert.is_true(c:send("x", 0))
    assert.equal("x", receiver:join(30))
  end)

  it("takes nothing where nobody receives", function()
    local c = net.channel()

    local ok, err = c:send("x", 0)
    local none, noerr = c:receive(0)

    assert.is_nil(ok)
    assert.equal("TIMEOUT", err.code)
    assert.equal("send", err.op)
    assert.is_nil(none)
    assert.equal("TIMEOUT", noerr.code)
    assert.equal("receive", noerr.op)
  end)

  it("carries false, but not nil", function()
    local c = net.channel(1)

    c:send(false)

    assert.is_false(c:receive(0))
    refused(function() c:send(nil) end)
  end)

  it("carries false between tasks that wait", function()
    local c = net.channel()
    local receiver = net.spawn(function() return c:receive(5) end)
    settle()
    c:send(false)
    local sender = net.spawn(function() return c:send(false, 5) end)
    settle()

    assert.is_false(receiver:join(30))
    assert.is_false(c:receive(1))
    assert.is_true(sender:join(30))
  end)

  it("serves senders and receivers in the order they came", function()
    local c = net.channel()
    local tasks, got = {}, {}
    for i = 1, 5 do tasks[i] = net.spawn(function() got[i] = c:receive(5) end) end
    settle()
    for i = 1, 5 do c:send(i) end
    for i = 1, 5 do tasks[i]:join(30) end
    for i = 6, 10 do tasks[i] = net.spawn(function() c:send(i, 5) end) end
    settle()
    for i = 6, 10 do got[i] = c:receive(1) end
    for i = 6, 10 do tasks[i]:join(30) end

    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, got)
  end)
end)

describe("a channel with capacity", function()
  it("takes as many values without a receiver", function()
    local c = net.channel(3)

    for i = 1, 3 do assert.is_true(c:send(i, 0)) end
    local ok, err = c:send(4, 0)

    assert.is_nil(ok)
    assert.equal("TIMEOUT", err.code)
    assert.same({ 1, 2, 3 }, { c:receive(0), c:receive(0), c:receive(0) } )
    assert.equal("TIMEOUT", select(2, c:receive(0)).code)
  end)

  for _, capacity in ipairs { 0, 1, 2, 7, 1000 } do
    it("of " .. capacity .. " keeps the order", function()
      local c = net.channel(capacity)
      local sender = net.spawn(function()
        for i = 1, 500 do c:send(i) if i % 7 == 0 then net.sleep(0) end end
        c:close()
      end)

      local n = 0
      for value in c:values() do
        n = n + 1
        assert.equal(n, value)
      end

      assert.equal(500, n)
      sender:join(30)
    end)
  end

  it("lets the sender that has waited longest in first", function()
    local c = net.channel(1)
    c:send(1)
    local senders = {}
    for i = 2, 4 do senders[i] = net.spawn(function() return c:send(i, 5) end) end
    settle()

    local got = {}
    for i = 1, 4 do got[i] = c:receive(1) end

    assert.same({ 1, 2, 3, 4 }, got)
    for i = 2, 4 do assert.is_true(senders[i]:join(30)) end
  end)

  it("is shared by many senders and receivers without losing anything", function()
    local c = net.channel(3)
    local sum, tasks = 0, {}
    for i = 1, 10 do
      tasks[i] = net.spawn(function()
        for value in c:values() do
          sum = sum + value
          if value % 3 == 0 then net.sleep(0) end
        end
      end)
    end

    net.map({ 1, 2, 3, 4, 5 }, function(k)
      for n = 1, 100 do c:send(k * 1000 + n) end
    end)
    c:close()
    for i = 1, 10 do tasks[i]:join(30) end

    assert.equal(5 * 5050 + 100 * 15000, sum)
  end)
end)

describe("closing a channel", function()
  it("wakes waiting receivers with nil alone", function()
    local c = net.channel()
    local receivers = {}
    for i = 1, 3 do receivers[i] = net.spawn(function() return table.pack(c:receive(5)) end) end
    settle()

    c:close()

    for i = 1, 3 do assert.same({ n = 1 }, receivers[i]:join(30)) end
  end)

  it("wakes waiting senders with CLOSED, and their values are not delivered", function()
    local c = net.channel(1)
    c:send "kept"
    local senders = {}
    for i = 1, 3 do senders[i] = net.spawn(function() return table.pack(c:send(i, 5)) end) end
    settle()

    c:close()

    for i = 1, 3 do
      local got = senders[i]:join(30)
      assert.is_nil(got[1])
      assert.equal("CLOSED", got[2].code)
    end
    assert.equal("kept", c:receive())
    assert.same({ n = 1 }, table.pack(c:receive()))
  end)

  it("leaves what is in it to be received, and nothing to be sent", function()
    local c = net.channel(2)
    c:send(1)
    c:send(2)

    assert.is_true(c:close())
    assert.is_true(c:close())

    local ok, err = c:send(3)
    assert.is_nil(ok)
    assert.equal("CLOSED", err.code)
    assert.equal(1, c:receive())
    assert.equal(2, c:receive())
    assert.is_nil(c:receive())
    assert.is_nil(c:receive())
  end)

  it("comes with <close>", function()
    local kept
    do
      local c <close> = net.channel()
      kept = c
    end

    assert.equal("CLOSED", select(2, kept:send(1)).code)
  end)
end)

describe("a sender that gave up", function()
  it("after a timeout leaves no value behind", function()
    local c = net.channel()
    local sender = net.spawn(function() return c:send("late", 0.005) end)

    local _, err = sender:join(30)
    local value, none = c:receive(0)
    local after = net.spawn(function() return c:send("next", 5) end)

    assert.equal("TIMEOUT", err.code)
    assert.is_nil(value)
    assert.equal("TIMEOUT", none.code)
    assert.equal("next", c:receive(1))
    assert.is_true(after:join(30))
  end)

  it("after a cancellation leaves no value behind", function()
    local c = net.channel(1)
    c:send "first"
    local sender = net.spawn(function() c:send "never" end)
    settle()

    sender:cancel()
    sender:join(30)

    assert.equal("first", c:receive(0))
    assert.equal("TIMEOUT", select(2, c:receive(0)).code)
  end)

  it("in the middle of the line does not disturb the others", function()
    local c = net.channel()
    local senders = {}
    for i = 1, 3 do senders[i] = net.spawn(function() return c:send(i, 5) end) end
    settle()

    senders[2]:cancel()
    senders[2]:join(30)

    assert.equal(1, c:receive(1))
    assert.equal(3, c:receive(1))
    assert.is_true(senders[1]:join(30))
    assert.is_true(senders[3]:join(30))
  end)

  -- What could not be sent in time stayed in a list until somebody received.
  it("takes no memory", function()
    local c = net.channel()
    local function fill() for _ = 1, 5000 do c:send({}, 0) end collectgarbage() collectgarbage() end
    fill()
    local before = collectgarbage "count"

    fill()

    assert.is_true(collectgarbage "count" - before < 50)
  end)
end)

describe("a receiver that gave up", function()
  it("loses no value, after a cancellation", function()
    local c = net.channel()
    local receiver = net.spawn(function() c:receive() end)
    settle()
    receiver:cancel()

    local sender = net.spawn(function() return c:send("x", 5) end)
    receiver:join(30)

    assert.equal("x", c:receive(1))
    assert.is_true(sender:join(30))
  end)

  it("loses no value, after a timeout", function()
    local c = net.channel(1)

    local none, err = c:receive(0.001)
    c:send "x"

    assert.is_nil(none)
    assert.equal("TIMEOUT", err.code)
    assert.equal("x", c:receive(0))
  end)

  it("has the value that came before the cancellation", function()
    local c = net.channel()
    local receiver = net.spawn(function() return c:receive() end)
    settle()

    c:send "x"
    receiver:cancel()

    assert.equal("x", receiver:join(30))
  end)

  it("in the middle of the line does not disturb the others", function()
    local c = net.channel()
    local receivers = {}
    for i = 1, 3 do receivers[i] = net.spawn(function() return c:receive(5) end) end
    settle()

    receivers[2]:cancel()
    c:send(1)
    c:send(3)

    assert.equal(1, receivers[1]:join(30))
    assert.equal("CANCELED", select(2, receivers[2]:join(30)).code)
    assert.equal(3, receivers[3]:join(30))
  end)
end)

describe("values", function()
  it("raises the end of the time", function()
    local c = net.channel()

    local ok, err = pcall(net.timeout, 0.005, function() for _ in c:values() do end end)

    assert.is_false(ok)
    assert.equal("TIMEOUT", err.code)
  end)

  it("carries false like any value", function()
    local c = net.channel(2)
    c:send(false)
    c:close()

    local got = {}
    for value in c:values() do got[#got + 1] = value end

    assert.same({ false }, got)
  end)
end)

describe("a semaphore", function()
  it("gives as many permits as it has", function()
    local two = net.semaphore(2)

    assert.is_true(two:acquire(0))
    assert.is_true(two:acquire(0))
    local ok, err = two:acquire(0)

    assert.is_nil(ok)
    assert.equal("TIMEOUT", err.code)
    assert.equal("acquire", err.op)
    two:release()
    assert.is_true(two:acquire(0))
  end)

  it("serves in the order of asking", function()
    local one, order, tasks = net.semaphore(1), {}, {}
    one:acquire()
    for i = 1, 5 do
      tasks[i] = net.spawn(function()
        one:acquire(5)
        order[#order + 1] = i
        net.sleep(0)
        one:release()
      end)
    end
    settle()

    one:release()
    for i = 1, 5 do tasks[i]:join(30) end

    assert.same({ 1, 2, 3, 4, 5 }, order)
    assert.is_true(one:acquire(0))
  end)

  it("hands a permit over, so nobody comes in between", function()
    local one = net.semaphore(1)
    one:acquire()
    local task = net.spawn(function() return one:acquire(5) end)
    settle()

    one:release()
    local stolen = one:acquire(0)

    assert.is_nil(stolen)
    assert.is_true(task:join(30))
  end)

  it("loses no permit to a task that timed out or was canceled", function()
    local one = net.semaphore(1)
    one:acquire()
    local timed = net.spawn(function() return one:acquire(0.002) end)
    local canceled = net.spawn(function() return one:acquire() end)
    settle()
    canceled:cancel()
    timed:join(30)
    canceled:join(30)

    one:release()

    assert.is_true(one:acquire(0))
    assert.is_nil((one:acquire(0)))
  end)

  it("keeps tasks within its number", function()
    local three, now, most = net.semaphore(3), 0, 0

    net.map({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, function()
      three:acquire()
      now = now + 1
      most = math.max(most, now)
      net.sleep(0)
      now = now - 1
      three:release()
    end)

    assert.equal(3, most)
  end)
end)

describe("an event", function()
  it("wakes all who wait", function()
    local e, tasks = net.event(), {}
    for i = 1, 5 do tasks[i] = net.spawn(function() return e:wait(5) end) end
    settle()

    e:set()

    for i = 1, 5 do assert.is_true(tasks[i]:join(30)) end
    assert.is_true(e:isset())
    assert.is_true(e:wait(0))
  end)

  it("gives TIMEOUT", function()
    local ok, err = net.event():wait(0.002)

    assert.is_nil(ok)
    assert.equal("TIMEOUT", err.code)
    assert.equal("wait", err.op)
  end)

  it("can be cleared", function()
    local e = net.event()
    e:set()

    e:clear()

    assert.is_false(e:isset())
    assert.is_nil((e:wait(0)))
  end)

  it("that is set and cleared at once has still happened for those who waited", function()
    local e = net.event()
    local task = net.spawn(function() return e:wait(5) end)
    settle()

    e:set()
    e:clear()

    assert.is_true(task:join(30))
  end)
end)

describe("misuse", function()
  for name, call in pairs {
    ["a negative capacity"] = function() net.channel(-1) end,
    ["half a capacity"] = function() net.channel(1.5) end,
    ["a capacity beyond the limit"] = function() net.channel(1000001) end,
    ["a textual capacity"] = function() net.channel "1" end,
    ["no permits"] = function() net.semaphore(0) end,
    ["an unsaid number of permits"] = function() net.semaphore() end,
    ["half a permit"] = function() net.semaphore(0.5) end,
  } do
    it("is refused: " .. name, function() refused(call) end)
  end

  it("is refused: more releases than acquires", function()
    local one = net.semaphore(1)

    assert.error_matches(function() one:release() end, "released more often than acquired")

    one:acquire()
    assert.is_true(one:release())
  end)

  for name, call in pairs {
    ["channel:send"] = function() net.channel():send(1, -1) end,
    ["channel:receive"] = function() net.channel():receive "x" end,
    ["event:wait"] = function() net.event():wait {} end,
    ["semaphore:acquire"] = function()
      local one = net.semaphore(1)
      one:acquire()
      one:acquire(-1)
    end,
  } do
    it("of a timeout is refused by " .. name, function() assert.has_error(call) end)
  end
end)

describe("what succeeds at once", function()
  it("hears of the deadline, and lets others run", function()
    local others = 0
    local other <close> = net.spawn(function() while net.sleep(0) do others = others + 1 end end)

    local err = net.timeout(0.05, function()
      local c, s = net.channel(1), net.semaphore(1)
      while true do
        local ok, late = c:send(1)
        if not ok then return late end
        ok, late = c:receive()
        if not ok then return late end
        ok, late = s:acquire()
        if not ok then return late end
        s:release()
      end
    end)
    other:cancel()

    assert.equal("TIMEOUT", err.code)
    assert.is_true(others > 0)
  end)
end)
