-- What a wait must not change: each case runs where nothing waits and where something does.
local function nothing() end
local function pause() net.sleep(0.001) end

describe("a wait in a coroutine", function()
  it("passes through a generator", function()
    local function numbers(n)
      return coroutine.wrap(function()
        for i = 1, n do
          net.sleep(0)
          coroutine.yield(i)
          net.sleep(0.0001)
        end
      end)
    end
    local turns = 0
    local other <close> = net.spawn(function() while net.sleep(0) do turns = turns + 1 end end)

    local sum = 0
    for i in numbers(100) do sum = sum + i end
    other:cancel()

    assert.equal(5050, sum)
    assert.is_true(turns >= 100)
  end)

  it("passes through many coroutines at once", function()
    local function deep(n)
      if n == 0 then return net.sleep(0.001) end
      return coroutine.wrap(function() return deep(n - 1) end)()
    end

    assert.is_true(deep(100))
  end)

  it("passes through wrap inside resume inside pcall", function()
    local ok, resumed, value = pcall(coroutine.resume, coroutine.create(function()
      return coroutine.wrap(function()
        net.sleep(0.001)
        return "value"
      end)()
    end))

    assert.is_true(ok)
    assert.is_true(resumed)
    assert.equal("value", value)
  end)

  it("gives its results to the code in the coroutine, not to the resume", function()
    local a, b = net.pair()
    local co = coroutine.create(function(first)
      local data = a:recv(16, 1)
      local second = coroutine.yield(first .. data)
      return second, (select(2, a:recv(16, 0.001))).code
    end)
    local peer = net.spawn(function() net.sleep(0.001) b:write "data" end)

    local results = { coroutine.resume(co, "first ") }
    local last = { coroutine.resume(co, "second") }
    peer:join(30)
    a:close()
    b:close()

    assert.same({ true, "first data" }, results)
    assert.same({ true, "second", "TIMEOUT" }, last)
  end)

  it("can be canceled", function()
    local closed
    local task = net.spawn(function()
      coroutine.wrap(function()
        local x <close> = setmetatable({}, { __close = function() closed = true end }) -- luacheck: ignore x
        net.sleep(60)
      end)()
    end)
    net.sleep(0)

    task:cancel()
    local _, err = task:join(30)

    assert.equal("CANCELED", err.code)
    assert.is_true(closed)
  end)

  it("can be in many tasks at once", function()
    local tasks = {}
    for i = 1, 100 do
      tasks[i] = net.spawn(function()
        local sum = 0
        for n in coroutine.wrap(function() for n = 1, 10 do net.sleep(0) coroutine.yield(n) end end) do
          sum = sum + n
        end
        return sum + i
      end)
    end

    for i, task in ipairs(tasks) do assert.equal(55 + i, task:join(30)) end
  end)

  it("can be in a generator that wanders from task to task", function()
    local next = coroutine.wrap(function()
      for i = 1, 3 do
        net.sleep(0.001)
        coroutine.yield(i)
      end
    end)

    assert.equal(1, net.spawn(next):join(30))
    assert.equal(2, next())
    assert.equal(3, net.spawn(next):join(30))
  end)

  it("works under the stress of the collector", function()
    for _ = 1, 100 do
      coroutine.wrap(function()
        net.sleep(0)
        collectgarbage()
        net.sleep(0)
      end)()
    end
  end)
end)

for name, wait in pairs { ["without a wait"] = nothing, ["with a wait"] = pause } do
  describe("errors " .. name, function()
    it("come out of resume as they were raised", function()
      local object = {}
      local co = coroutine.create(function() wait() error(object) end)

      local ok, err = coroutine.resume(co)

      assert.is_false(ok)
      assert.equal(object, err)
      assert.equal("dead", coroutine.status(co))
    end)

    it("come out of wrap with the place of the caller before their text", function()
      local f = coroutine.wrap(function() wait() error("boom", 0) end)

      local ok, err = pcall(function() f() end)

      assert.is_false(ok)
      assert.matches("coroutine_spec.lua:%d+: boom$", err)
    end)

    it("come out of wrap as the object they are", function()
      local object = {}
      local f = coroutine.wrap(function() wait() error(object) end)

      local ok, err = pcall(f)

      assert.is_false(ok)
      assert.equal(object, err)
    end)

    it("run the __close handlers before wrap raises", function()
      local closed
      local f = coroutine.wrap(function()
        local x <close> = setmetatable({}, { __close = function() closed = true end }) -- luacheck: ignore x
        wait()
        error "boom"
      end)

      pcall(f)

      assert.is_true(closed)
    end)

    it("leave a coroutine that cannot be resumed", function()
      local co = coroutine.create(function() wait() error "boom" end)
      coroutine.resume(co)

      assert.same({ false, "cannot resume dead coroutine" }, { coroutine.resume(co) })
      local ok, err = coroutine.close(co)
      assert.is_false(ok)
      assert.matches("boom", err)
      assert.same({ true }, { coroutine.close(co) })
    end)

    it("are caught inside", function()
      local co = coroutine.wrap(function()
        local ok, err = pcall(function() wait() error("boom", 0) end)
        wait()
        return ok, err
      end)

      assert.same({ false, "boom" }, { co() })
    end)
  end)

  describe("the coroutine library " .. name, function()
    it("gives the status of each", function()
      local inner, outer, seen
      outer = coroutine.create(function()
        inner = coroutine.create(function()
          wait()
          seen = { coroutine.status(outer), coroutine.status(inner) }
          coroutine.yield()
          wait()
        end)
        coroutine.resume(inner)
        coroutine.yield()
      end)

      local before = coroutine.status(outer)
      coroutine.resume(outer)

      assert.equal("suspended", before)
      assert.same({ "normal", "running" }, seen)
      assert.equal("suspended", coroutine.status(inner))
      coroutine.resume(inner)
      assert.equal("dead", coroutine.status(inner))
    end)

    it("knows who runs and who can yield", function()
      local main, ismain = coroutine.running()
      local seen
      local co = coroutine.create(function()
        wait()
        seen = { coroutine.running(), select(2, coroutine.running()), coroutine.isyieldable() }
      end)
      coroutine.resume(co)

      assert.equal("thread", type(main))
      assert.is_true(ismain)
      assert.is_false(coroutine.isyieldable())
      assert.same({ co, false, true }, seen)
    end)

    it("gives values both ways", function()
      local co = coroutine.wrap(function(...)
        wait()
        local more = table.pack(coroutine.yield(select("#", ...), ...))
        wait()
        return more.n, table.unpack(more, 1, more.n)
      end)

      assert.same({ n = 4, 3, nil, 2, nil }, table.pack(co(nil, 2, nil)))
      assert.same({ n = 1, 0 }, table.pack(co()))
    end)

    it("closes a suspended coroutine with its handlers", function()
      local closed
      local co = coroutine.create(function()
        local x <close> = setmetatable({}, { __close = function() closed = true end }) -- luacheck: ignore x
        wait()
        coroutine.yield()
      end)
      coroutine.resume(co)

      assert.is_true(coroutine.close(co))
      assert.is_true(closed)
      assert.equal("dead", coroutine.status(co))
    end)

    it("refuses to resume or close what runs", function()
      local co
      co = coroutine.create(function()
        wait()
        local resumed = { coroutine.resume(co) }
        local closed = { pcall(coroutine.close, co) }
        return resumed[2], closed[2]
      end)

      local _, resumed, closed = coroutine.resume(co)

      assert.equal("cannot resume non-suspended coroutine", resumed)
      assert.matches("cannot close a running coroutine", closed)
    end)
  end)
end

describe("a coroutine that is parked in another task's wait", function()
  local co, task

  before_each(function()
    co = coroutine.create(function()
      net.sleep(60)
      coroutine.yield()
    end)
    task = net.spawn(coroutine.resume, co)
    net.sleep(0)
  end)

  after_each(function()
    task:cancel()
    task:join(30)
  end)

  it("is normal", function()
    assert.equal("normal", coroutine.status(co))
  end)

  it("cannot be resumed", function()
    assert.same({ false, "cannot resume non-suspended coroutine" }, { coroutine.resume(co) })
    assert.equal("waiting", task:status())
  end)

  it("cannot be closed", function()
    local ok, err = pcall(coroutine.close, co)

    assert.is_false(ok)
    assert.matches("cannot close a normal coroutine", err)
  end)

  it("goes on undisturbed", function()
    local a, b = net.pair()
    local parked = coroutine.create(function() return a:recv(16, 5) end)
    local reader = net.spawn(coroutine.resume, parked)
    net.sleep(0)
    for _ = 1, 10 do coroutine.resume(parked) end

    b:write "data"

    assert.same({ true, "data" }, { reader:join(30) })
    assert.equal("dead", coroutine.status(parked))
    a:close()
    b:close()
  end)

  it("cannot be called when it is wrapped, and survives that", function()
    local a, b = net.pair()
    local f = coroutine.wrap(function() return a:recv(16, 5) end)
    local reader = net.spawn(f)
    net.sleep(0)

    local ok, err = pcall(f)
    b:write "data"

    assert.is_false(ok)
    assert.matches("cannot resume non%-suspended coroutine", err)
    assert.equal("data", reader:join(30))
    a:close()
    b:close()
  end)
end)

describe("the coroutine of a task", function()
  it("looks like a main chunk", function()
    local co, main, yieldable = net.spawn(function()
      local co, main = coroutine.running()
      return co, main, coroutine.isyieldable()
    end):join(30)

    assert.equal("thread", type(co))
    assert.is_true(main)
    assert.is_false(yieldable)
  end)

  it("cannot yield", function()
    local _, err = net.spawn(coroutine.yield):join(30)
    local caught = net.spawn(function() return select(2, pcall(coroutine.yield, 1)) end):join(30)

    assert.matches("attempt to yield from outside a coroutine", err)
    assert.matches("attempt to yield from outside a coroutine", caught)
  end)

  it("cannot be resumed or closed by another", function()
    local thread
    local task <close> = net.spawn(function()
      thread = coroutine.running()
      net.sleep(60)
    end)
    net.sleep(0)

    assert.equal("normal", coroutine.status(thread))
    assert.same({ false, "cannot resume non-suspended coroutine" }, { coroutine.resume(thread) })
    assert.is_false((pcall(coroutine.close, thread)))
    assert.equal("waiting", task:status())
    assert.is_false(coroutine.isyieldable(thread))
  end)

  it("is dead when the task is done", function()
    local thread = net.spawn(function() return (coroutine.running()) end):join(30)

    assert.is_true(coroutine.status(thread) ~= "running")
    assert.is_false((coroutine.resume(thread)))
  end)
end)

describe("arguments", function()
  for _, name in ipairs { "resume", "status", "close", "create", "wrap" } do
    it("of the wrong type are refused by coroutine." .. name, function()
      for _, value in ipairs { 1, "x", {}, false } do
        assert.has_error(function() coroutine[name](value) end)
      end
      assert.has_error(function() coroutine[name]() end)
    end)
  end
end)

describe("recursion", function()
  it("of coroutines without end is an error, not a crash", function()
    local function deeper() return coroutine.wrap(deeper)() end

    local ok, err = pcall(deeper)

    assert.is_false(ok)
    assert.matches("C stack overflow", tostring(err))
  end)

  it("of closes is an error, not a crash", function()
    local function nest(n)
      local co = coroutine.create(function()
        local x <close> = setmetatable({}, { -- luacheck: ignore x
          __close = function() if n > 0 then nest(n - 1) end end,
        })
        coroutine.yield()
      end)
      coroutine.resume(co)
      return coroutine.close(co)
    end

    assert.is_true(nest(50))
    assert.is_boolean((nest(1000)))
  end)
end)

describe("the coroutine of a task that is done", function()
  it("is dead and keeps the results", function()
    local co
    local task = net.spawn(function()
      co = coroutine.running()
      return "result"
    end)
    task:join(30)

    assert.equal("dead", coroutine.status(co))
    assert.is_false(coroutine.resume(co))
    assert.is_true(coroutine.close(co))
    assert.equal("result", (task:join(30)))
  end)
end)
