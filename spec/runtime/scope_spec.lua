local netlua = require "netlua"

local function forever() net.sleep(60) end

local function elapsed(f, ...)
  local began = net.now()
  local results = table.pack(f(...))
  return net.now() - began, table.unpack(results, 1, results.n)
end

describe("a scope's deadline", function()
  it("makes waits return TIMEOUT", function()
    local scope <close> = net.scope { timeout = 0.02 } -- luacheck: ignore scope

    local seconds, ok, err = elapsed(net.sleep, 60)

    assert.is_nil(ok)
    assert.equal("TIMEOUT", err.code)
    assert.equal("sleep", err.op)
    assert.is_true(seconds >= 0.02 and seconds < 9)
  end)

  it("holds for every later wait too", function()
    local scope <close> = net.scope { timeout = 0 } -- luacheck: ignore scope

    for _ = 1, 3 do
      assert.equal("TIMEOUT", select(2, net.sleep(60)).code)
      assert.equal("TIMEOUT", select(2, net.channel():receive()).code)
    end
  end)

  it("is over when the scope is left", function()
    do
      local scope <close> = net.scope { timeout = 0 } -- luacheck: ignore scope
    end

    assert.is_true(net.sleep(0.001))
  end)

  local cases = {
    { "the call's", call = 0.02, object = 60, scope = 60 },
    { "the object's", call = 60, object = 0.02, scope = 60 },
    { "the scope's", call = 60, object = 60, scope = 0.02 },
    { "the scope's, where no other is set", scope = 0.02 },
    { "the object's, where no other is set", object = 0.02 },
    { "the call's, where no other is set", call = 0.02 },
    { "a call's of nothing", call = 0, object = 60, scope = 60 },
  }
  for _, case in ipairs(cases) do
    it("the nearest wins: " .. case[1], function()
      local scope <close> = net.scope { timeout = case.scope } -- luacheck: ignore scope
      local a, b = net.pair()
      a:settimeout(case.object)

      local seconds, data, err = elapsed(a.recv, a, 1, case.call)
      a:close()
      b:close()

      assert.is_nil(data)
      assert.equal("TIMEOUT", err.code)
      assert.is_true(seconds < 9)
    end)
  end

  it("of an outer scope holds in an inner one", function()
    local outer <close> = net.scope { timeout = 0.02 } -- luacheck: ignore outer
    local inner <close> = net.scope { timeout = 60 } -- luacheck: ignore inner

    local seconds, _, err = elapsed(net.sleep, 60)

    assert.equal("TIMEOUT", err.code)
    assert.is_true(seconds < 9)
  end)

  it("of an inner scope leaves the outer one its own", function()
    local outer <close> = net.scope { timeout = 5 }
    do
      local inner <close> = net.scope { timeout = 0 } -- luacheck: ignore inner
      assert.equal("TIMEOUT", select(2, net.sleep(60)).code)
    end

    assert.is_true(net.sleep(0.001))
    assert.is_true(outer:remaining() > 3)
  end)

  it("holds for the tasks spawned in it, and for their scopes and tasks", function()
    local scope <close> = net.scope { timeout = 0.02 }
    local codes = {}
    scope:spawn(function()
      local inner <close> = net.scope { timeout = 60 }
      inner:spawn(function() codes.grandchild = select(2, net.sleep(60)).code end)
      codes.child = select(2, net.sleep(60)).code
      assert(net.channel():receive() == nil)
    end)

    local seconds = elapsed(function() while scope:remaining() > 0 do net.sleep(60) end end)
    for _ = 1, 1000 do if not codes.grandchild then net.sleep(0) end end

    assert.is_true(seconds < 9)
    assert.same({ child = "TIMEOUT", grandchild = "TIMEOUT" }, codes)
  end)

  it("does not hold for a task of net.spawn", function()
    local task
    do
      local scope <close> = net.scope { timeout = 0 } -- luacheck: ignore scope
      task = net.spawn(function() return net.sleep(0.001) end)
    end

    assert.is_true(task:join(30))
  end)

  -- Reads that always find something never came to look at the clock.
  it("ends a loop whose calls never have to wait", function()
    local sink <close> = net.udp {}
    sink:bind("127.0.0.1", 0)
    local _, port = sink:getsockname()
    local socket <close> = net.udp {}

    local seconds, err = elapsed(net.timeout, 0.02, function()
      local began = net.now()
      while net.now() - began < 30 do
        local sent, err = socket:sendto("x", "127.0.0.1", port)
        if not sent then return err end
      end
    end)

    assert.equal("TIMEOUT", err.code)
    assert.is_true(seconds < 25)
  end)

  it("still lets calls have what is already there", function()
    local a, b = net.pair()
    b:write "hello"
    local scope <close> = net.scope { timeout = 0 } -- luacheck: ignore scope

    local data = a:recv(16)
    a:close()
    b:close()

    assert.equal("hello", data)
  end)

  it("is told by remaining", function()
    local endless <close> = net.scope()
    local short <close> = net.scope { timeout = 1 }
    local over <close> = net.scope { timeout = 0 }

    assert.equal(math.huge, endless:remaining())
    assert.is_true(short:remaining() > 0 and short:remaining() <= 1)
    assert.equal(0, over:remaining())
  end)

  for name, options in pairs {
    negative = { timeout = -1 }, ["not a number"] = { timeout = 0 / 0 }, text = { timeout = "x" },
    ["unknown field"] = { timout = 1 }, ["not a table"] = 5,
  } do
    it("must be sensible: " .. name, function()
      assert.has_error(function() net.scope(options) end)
    end)
  end
end)

describe("net.timeout", function()
  it("gives what the function gives", function()
    local got = table.pack(net.timeout(1, function(...) return ..., nil end, "a", "b"))

    assert.same({ "a", nil, n = 2 }, got)
  end)

  it("raises what the function raises", function()
    local ok, err = pcall(net.timeout, 1, error, "boom", 0)

    assert.is_false(ok)
    assert.equal("boom", err)
  end)

  it("cancels nothing of its caller's", function()
    local _, err = net.timeout(0.01, forever and net.sleep, 60)

    assert.equal("TIMEOUT", err.code)
    assert.is_true(net.sleep(0))
  end)
end)

describe("leaving a scope", function()
  it("cancels what still runs in it and waits for it", function()
    local log = {}

    do
      local scope <close> = net.scope()
      for i = 1, 3 do
        scope:spawn(function()
          local _, err = pcall(net.sleep, 60)
          log[#log + 1] = err.code .. i
        end)
      end
      net.sleep(0)
    end

    table.sort(log)
    assert.same({ "CANCELED1", "CANCELED2", "CANCELED3" }, log)
  end)

  it("does not start what has not begun", function()
    local ran = false

    do
      local scope <close> = net.scope()
      scope:spawn(function() ran = true end)
    end
    net.sleep(0)

    assert.is_false(ran)
  end)

  it("waits for the cleanup of its tasks, past its own deadline", function()
    local cleaned = false

    do
      local scope <close> = net.scope { timeout = 0 }
      scope:spawn(function()
        local inner <close> = net.scope()
        inner:spawn(function()
          pcall(net.sleep, 60)
          cleaned = true
        end)
        net.sleep(0)
        error "unseen"
      end)
      pcall(scope.wait, scope)
      net.sleep(0)
      net.sleep(0)
      pcall(scope.close, scope)
    end

    assert.is_true(cleaned)
  end)

  it("raises the failure of a task that nobody asked for", function()
    local ok, err = pcall(function()
      local scope <close> = net.scope()
      scope:spawn(error, { "boom" })
      net.sleep(0)
    end)

    assert.is_false(ok)
    assert.same({ "boom" }, err)
  end)

  it("with an error of its own raises that one", function()
    local ok, err = pcall(function()
      local scope <close> = net.scope()
      scope:spawn(error, "child", 0)
      net.sleep(0)
      error("owner", 0)
    end)

    assert.is_false(ok)
    assert.equal("owner", err)
  end)

  it("by return keeps the results", function()
    local function f()
      local scope <close> = net.scope()
      scope:spawn(forever)
      return 1, nil, 3
    end

    assert.same({ 1, nil, 3, n = 3 }, table.pack(f()))
  end)

  it("twice is as good as once, and ends its use", function()
    local scope = net.scope()

    assert.is_true(scope:close())
    assert.is_true(scope:close())

    local task, err = scope:spawn(forever)
    assert.is_nil(task)
    assert.equal("CLOSED", err.code)
    assert.equal("CLOSED", select(2, scope:wait()).code)
  end)

  it("is not possible for a task inside it", function()
    -- It waited for its own end.
    local scope <close> = net.scope()
    local child = scope:spawn(function()
      local inner <close> = net.scope()
      local _, err = inner:spawn(function() scope:close() end):join(30)
      return select(2, pcall(scope.close, scope)), select(2, pcall(scope.wait, scope)), err
    end)

    local close, wait, inner = child:join(30)

    assert.matches("scope that it runs in", close)
    assert.matches("scope that it runs in", wait)
    assert.matches("scope that it runs in", inner)
  end)

  it("is possible for a task outside it", function()
    local scope = net.scope()
    local child = scope:spawn(forever)
    net.sleep(0)

    local closed = net.spawn(function() return scope:close() end):join(30)

    assert.is_true(closed)
    assert.equal("canceled", child:status())
  end)
end)

describe("a failure in a scope", function()
  it("cancels the other tasks and is given by wait", function()
    local scope <close> = net.scope()
    local other = scope:spawn(forever)
    scope:spawn(function() net.sleep(0) error("boom", 0) end)

    local ok, err = scope:wait(1)

    assert.is_nil(ok)
    assert.equal("boom", err)
    assert.equal("canceled", other:status())
    assert.is_true(scope:wait(1))
  end)

  it("that was joined is the joiner's", function()
    local scope <close> = net.scope()
    local other = scope:spawn(forever)

    local ok, err = scope:spawn(error, "boom", 0):join(30)

    assert.is_nil(ok)
    assert.equal("boom", err)
    assert.equal("waiting", other:status())
  end)

  it("that is joined later is the joiner's as well", function()
    local scope <close> = net.scope()
    local task = scope:spawn(error, "boom", 0)
    net.sleep(0)

    local ok, err = task:join(30)

    assert.is_nil(ok)
    assert.equal("boom", err)
    assert.is_true(scope:wait(1))
  end)

  it("is the first one's when several fail", function()
    local scope <close> = net.scope()
    for i = 1, 3 do scope:spawn(error, "boom " .. i, 0) end

    local _, err = scope:wait(1)

    assert.equal("boom 1", err)
  end)

  it("does not touch the tasks of the scope around it", function()
    local outer <close> = net.scope()
    local other = outer:spawn(forever)
    local inner <close> = net.scope()
    inner:spawn(error, "boom", 0)

    inner:wait(1)

    assert.equal("waiting", other:status())
  end)

  it("of an inner scope that is raised becomes the outer one's", function()
    local outer <close> = net.scope()
    outer:spawn(function()
      local inner <close> = net.scope()
      inner:spawn(error, "deep", 0)
      net.sleep(0)
    end)

    assert.equal("deep", select(2, outer:wait(1)))
  end)
end)

describe("a scope", function()
  it("waits for its tasks", function()
    local scope <close> = net.scope()
    local done = 0
    for _ = 1, 3 do scope:spawn(function() net.sleep(0.001) done = done + 1 end) end

    local ok = scope:wait(1)

    assert.is_true(ok)
    assert.equal(3, done)
  end)

  it("without tasks has nothing to wait for", function()
    local scope <close> = net.scope()

    assert.is_true(scope:wait())
    assert.is_true(scope:wait(0))
  end)

  it("gives TIMEOUT to a wait that takes too long, and its tasks go on", function()
    local scope <close> = net.scope()
    local task = scope:spawn(forever)

    local ok, err = scope:wait(0.001)

    assert.is_nil(ok)
    assert.equal("TIMEOUT", err.code)
    assert.equal("waiting", task:status())
  end)

  it("cancels its tasks on demand, not its owner", function()
    local scope <close> = net.scope()
    local task = scope:spawn(forever)
    net.sleep(0)

    scope:cancel()
    local ok = scope:wait(1)

    assert.is_true(ok)
    assert.equal("canceled", task:status())
    assert.is_true(net.sleep(0))
  end)

  it("can go on with new tasks after a wait", function()
    local scope <close> = net.scope()
    scope:spawn(function() end)
    scope:wait(1)

    assert.equal(2, scope:spawn(function() return 2 end):join(30))
  end)

  -- The new task was never canceled, and whoever left the scope waited for its end.
  it("takes no new task while it is left", function()
    local scope = net.scope()
    local task, err
    scope:spawn(function()
      local cleanup <close> = setmetatable({}, { __close = function() -- luacheck: ignore cleanup
        task, err = scope:spawn(forever)
      end })
      forever()
    end)
    net.sleep(0)

    scope:close()

    assert.is_nil(task)
    assert.equal("CLOSED", err.code)
  end)

  it("can be closed out of order", function()
    local outer = net.scope { timeout = 0 }
    local inner = net.scope { timeout = 60 }

    outer:close()
    local free = net.sleep(0.001)
    inner:close()

    assert.is_true(free)
    assert.is_true(net.sleep(0.001))
  end)

  it("in the middle can go first", function()
    local scopes = {}
    for i, timeout in ipairs { 60, 0, 60 } do scopes[i] = net.scope { timeout = timeout } end

    scopes[2]:close()
    local free = net.sleep(0.001)
    scopes[1]:close()
    scopes[3]:close()

    assert.is_true(free)
  end)

  it("that is never closed ends with its owner, and its tasks keep its deadline", function()
    local code
    net.spawn(function()
      local scope = net.scope { timeout = 0.01 }
      scope:spawn(function() code = select(2, net.sleep(60)).code end)
    end):join(30)
    collectgarbage()

    local began = net.now()
    while not code and net.now() - began < 30 do net.sleep(0.001) end

    assert.equal("TIMEOUT", code)
  end)

  it("that was never closed loses its deadline when it is collected", function()
    (function() net.scope { timeout = 0 } end)()
    collectgarbage()
    collectgarbage()

    assert.is_true(net.sleep(0.001))
  end)

  it("needs nothing of an owner that is gone to report a failure", function()
    local _, err, status = netlua.run [[
      net.spawn(function()
        net.scope():spawn(function() net.sleep(0.01) error("orphan", 0) end)
      end):join()
      collectgarbage()
      net.sleep(5)
    ]]

    assert.matches("^[^\n]*netlua: orphan\n", err)
    assert.equal(1, status)
  end)

  it("whose failure nobody asked for hands it to the program when it is collected", function()
    local _, err, status = netlua.run [[
      (function() net.scope():spawn(error, "lost", 0) end)()
      net.sleep(0.01)
      collectgarbage()
      collectgarbage()
      net.sleep(5)
    ]]

    assert.matches("^[^\n]*netlua: lost\n", err)
    assert.equal(1, status)
  end)

  it("whose failure nobody asked for hands it to the program when its owner ends", function()
    local out, err, status = netlua.run [[
      kept = net.scope()
      kept:spawn(error, "lost", 0)
      net.sleep(0.01)
      print "end of main"
    ]]

    assert.equal("end of main\n", out)
    assert.matches("^[^\n]*netlua: lost\n", err)
    assert.equal(1, status)
  end)

  it("can be made and left ten thousand times", function()
    for _ = 1, 10000 do
      local scope <close> = net.scope { timeout = 60 } -- luacheck: ignore scope
    end

    assert.is_true(net.sleep(0))
  end)
end)

describe("a generator's scope", function()
  local function generator(timeout)
    return coroutine.wrap(function()
      local scope <close> = net.scope { timeout = timeout } -- luacheck: ignore scope
      while true do coroutine.yield(net.sleep(0.005)) end
    end)
  end

  it("holds inside it", function()
    local next = generator(0)

    local ok, err = next()

    assert.is_nil(ok)
    assert.equal("TIMEOUT", err.code)
  end)

  it("does not hold while it is suspended", function()
    local next = generator(0)
    next()

    assert.is_true(net.sleep(0.001))

    assert.is_nil((next()))
    assert.is_true(net.sleep(0.001))
  end)

  it("does not hold in a scope that was entered meanwhile", function()
    local next = generator(0)
    next()
    local scope <close> = net.scope { timeout = 60 } -- luacheck: ignore scope

    assert.is_true(net.sleep(0.001))
    assert.equal("TIMEOUT", select(2, next()).code)
    assert.is_true(net.sleep(0.001))
  end)

  it("holds in a coroutine that the generator runs", function()
    local next = coroutine.wrap(function()
      local scope <close> = net.scope { timeout = 0 } -- luacheck: ignore scope
      coroutine.yield(coroutine.wrap(function() return select(2, net.sleep(60)).code end)())
    end)

    assert.equal("TIMEOUT", next())
    assert.is_true(net.sleep(0.001))
  end)

  it("is under the deadline of its user", function()
    local next = generator(60)
    next()
    local scope <close> = net.scope { timeout = 0 } -- luacheck: ignore scope

    assert.equal("TIMEOUT", select(2, next()).code)
  end)

  it("that is never finished is forgotten with it", function()
    for _ = 1, 100 do generator(0)() end
    collectgarbage()
    collectgarbage()

    assert.is_true(net.sleep(0.001))
  end)

  it("cannot wait for its tasks while the generator is closed from outside, and says so", function()
    local co = coroutine.create(function()
      local scope <close> = net.scope()
      scope:spawn(forever)
      coroutine.yield()
    end)
    coroutine.resume(co)

    local ok, err = coroutine.close(co)

    assert.is_false(ok)
    assert.matches("waiting for another task", err)
  end)

  -- The scope stayed around its owner until it was collected.
  it("is over when the generator is closed from outside, though its tasks still tidy up", function()
    local task
    local co = coroutine.create(function()
      local scope <close> = net.scope { timeout = 0 }
      task = scope:spawn(forever)
      coroutine.yield()
    end)
    coroutine.resume(co)

    coroutine.close(co)

    assert.is_true(net.sleep(0))
    assert.equal("CANCELED", select(2, task:join(30)).code)
  end)

  it("stays that of its tasks, though the scopes around it are gone", function()
    local task
    do
      local outer <close> = net.scope { timeout = 0.001 } -- luacheck: ignore outer
      local co = coroutine.create(function()
        local scope <close> = net.scope()
        task = scope:spawn(function()
          pcall(forever)
          return pcall(forever)
        end)
        coroutine.yield()
      end)
      coroutine.resume(co)
      net.sleep(0)
      coroutine.close(co)
    end
    collectgarbage()
    collectgarbage()

    local ok, err = task:join(30)
    assert.is_false(ok)
    assert.equal("CANCELED", err.code)
  end)
end)
