local netlua = require "netlua"

-- A task that waits until the event is set, so that a test decides when it goes on.
local function held(f)
  local gate = net.event()
  return net.spawn(function() gate:wait(5) return f() end), gate
end

describe("a task", function()
  it("gives its results to join", function()
    local task = net.spawn(function(a, b) net.sleep(0) return a + b, nil, "x" end, 1, 2)

    local got = table.pack(task:join(30))

    assert.same({ 3, nil, "x", n = 3 }, got)
  end)

  it("that returned nothing joins as true", function()
    local task = net.spawn(function() end)

    local got = table.pack(task:join(30))

    assert.same({ true, n = 1 }, got)
  end)

  it("runs a function written in C", function()
    assert.equal("abab", net.spawn(string.rep, "ab", 2):join(30))
    assert.is_true(net.spawn(net.sleep, 0.001):join(30))
  end)

  it("does not begin before the spawner waits", function()
    local began = false
    local task = net.spawn(function() began = true end)

    local before = began
    task:join(30)

    assert.is_false(before)
    assert.is_true(began)
  end)

  it("can be joined before and after its end, by many, each time with the same results", function()
    local task, gate = held(function() return 1, 2 end)
    local joiners = {}
    for i = 1, 3 do joiners[i] = net.spawn(function() return task:join(30) end) end
    net.sleep(0)

    gate:set()

    for _, joiner in ipairs(joiners) do assert.same({ 1, 2 }, { joiner:join(30) }) end
    assert.same({ 1, 2 }, { task:join() })
    assert.same({ 1, 2 }, { task:join(0) })
  end)

  it("gives many results", function()
    local task = net.spawn(function() return table.unpack({}, 1, 10000) end)

    assert.equal(10000, select("#", task:join(30)))
  end)

  for name, value in pairs { text = "boom", table = { 1 }, number = 7, ["true"] = true } do
    it("gives join what it raised: " .. name, function()
      local task = net.spawn(function() error(value, 0) end)

      local got = table.pack(task:join(30))

      assert.equal(2, got.n)
      assert.is_nil(got[1])
      assert.equal(value, got[2])
    end)
  end

  for _, value in ipairs { "nil", "false" } do
    it("gives join a true value when it raised " .. value, function()
      local task = net.spawn(load("error(" .. value .. ")"))

      local ok, err = task:join(30)

      assert.is_nil(ok)
      assert.equal(value, err)
    end)
  end

  it("gives every joiner its failure", function()
    local task, gate = held(function() error("boom", 0) end)
    local first = net.spawn(function() return select(2, task:join(30)) end)
    local second = net.spawn(function() return select(2, task:join(30)) end)
    net.sleep(0)

    gate:set()

    assert.equal("boom", first:join(30))
    assert.equal("boom", second:join(30))
    assert.equal("boom", select(2, task:join(30)))
  end)

  it("cannot join itself", function()
    local task = net.spawn(function() return net.current():join() end)

    local ok, err = task:join(30)

    assert.is_nil(ok)
    assert.matches("cannot join itself", err)
  end)

  it("goes on after a join that timed out", function()
    local task, gate = held(function() return "done" end)

    local early, err = task:join(0.001)
    local now, nowerr = task:join(0)
    gate:set()
    local late = task:join(30)

    assert.is_nil(early)
    assert.equal("TIMEOUT", err.code)
    assert.equal("join", err.op)
    assert.is_nil(now)
    assert.equal("TIMEOUT", nowerr.code)
    assert.equal("done", late)
  end)

  it("says how it is", function()
    local running
    local task, gate = held(function() running = net.current():status() end)
    local failing, failgate = held(error)
    local doomed = held(function() end)

    local waiting = task:status()
    gate:set()
    failgate:set()
    doomed:cancel()
    task:join(30)
    failing:join(30)
    doomed:join(30)

    assert.equal("waiting", waiting)
    assert.equal("running", running)
    assert.equal("done", task:status())
    assert.equal("failed", failing:status())
    assert.equal("canceled", doomed:status())
    assert.matches("^net%.task %(canceled, ", tostring(doomed))
  end)

  it("knows where it was spawned through pcall, and by the library after a tail call", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local _, task = pcall(net.spawn, function() end)
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local function serve() return server:serve(function(client) client:recv(1) end) end
    local serving = net.spawn(serve)
    local client <close> = assert(net.connect(server:getsockname()))
    net.sleep(0)

    local places = {}
    for _, each in ipairs(require("net.core.task").tasks()) do places[#places + 1] = each:place() end
    serving:cancel()
    serving:join(30)
    client:close()

    assert.matches("task_spec.lua:" .. line .. "$", task:place())
    assert.matches("lualib/net/stream.lua:%d+", table.concat(places, " "))
    assert.is_nil(table.concat(places, " "):find("[C]", 1, true))
  end)

  it("knows where it was spawned and where it failed", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local task = net.spawn(function() local function inner() error "boom" end inner() end)

    local fresh = task:traceback()
    task:join(30)

    assert.is_nil(fresh)
    assert.matches("task_spec.lua:" .. line .. "$", task:place())
    assert.matches("^stack traceback:.*'inner'", task:traceback())
  end)

  it("is what current gives, inside a coroutine too", function()
    local task
    task = net.spawn(function()
      return net.current() == task, coroutine.wrap(net.current)() == task
    end)

    assert.same({ true, true }, { task:join(30) })
  end)

  it("takes nothing but a function", function()
    for _, value in ipairs { 1, "f", {}, false } do assert.has_error(function() net.spawn(value) end) end
    assert.has_error(function() net.spawn() end)
  end)

  it("sees to its end what a caller left running", function()
    local out, err, status = netlua.run [[
      net.spawn(function() net.sleep(0.01) print "task" end)
      print "main"
    ]]

    assert.equal("main\ntask\n", out)
    assert.equal("", err)
    assert.equal(0, status)
  end)

  it("takes no memory once it is done", function()
    local function batch() return nil end
    local function round()
      for _ = 1, 200 do
        local tasks = {}
        for i = 1, 500 do tasks[i] = net.spawn(batch) end
        for i = 1, 500 do tasks[i]:join(30) end
      end
      collectgarbage()
      collectgarbage()
      return collectgarbage "count", #debug.getregistry()
    end
    local before, slots = round()

    local after, slotsafter = round()

    assert.is_true(after - before < 256, ("%d KB more"):format(after - before))
    assert.equal(slots, slotsafter)
  end)
end)

describe("cancel", function()
  it("before the start means the function never runs", function()
    local ran = false
    local task = net.spawn(function() ran = true end)

    task:cancel()
    local ok, err = task:join(30)

    assert.is_nil(ok)
    assert.equal("CANCELED", err.code)
    assert.is_false(ran)
  end)

  it("is raised at the wait", function()
    local after = false
    local task = net.spawn(function() net.sleep(60) after = true end)
    net.sleep(0)

    task:cancel()
    local ok, err = task:join(30)

    assert.is_nil(ok)
    assert.equal("CANCELED", err.code)
    assert.equal("canceled", err.kind)
    assert.equal("sleep", err.op)
    assert.is_false(after)
  end)

  local waits = {
    sleep = function() net.sleep(60) end,
    join = function()
      local other <close> = net.spawn(net.sleep, 60)
      other:join()
    end,
    ["scope:wait"] = function()
      local scope <close> = net.scope()
      scope:spawn(net.sleep, 60)
      scope:wait()
    end,
    recv = function()
      local a, b = net.pair()
      local one <close> = a
      local other <close> = b -- luacheck: ignore other
      one:recv(1)
    end,
    accept = function()
      local server <close> = assert(net.listen("127.0.0.1", 0))
      server:accept()
    end,
    receive = function() net.channel():receive() end,
    send = function() net.channel():send(1) end,
    acquire = function()
      local one = net.semaphore(1)
      one:acquire()
      one:acquire()
    end,
    ["event:wait"] = function() net.event():wait() end,
  }
  for name, f in pairs(waits) do
    it("reaches a task in " .. name, function()
      local task = net.spawn(f)
      net.sleep(0)

      task:cancel()
      local _, err = task:join(30)

      assert.equal("CANCELED", err.code)
    end)
  end

  it("is raised again at the next wait when it was caught", function()
    local seen = {}
    local task = net.spawn(function()
      for i = 1, 3 do
        local _, err = pcall(net.sleep, i == 3 and 0 or 60)
        seen[i] = err.code
      end
      return "went on"
    end)
    net.sleep(0)

    task:cancel()

    assert.equal("went on", task:join(30))
    assert.same({ "CANCELED", "CANCELED", "CANCELED" }, seen)
  end)

  it("of itself is raised at the next wait", function()
    local reached
    local task = net.spawn(function()
      net.current():cancel()
      reached = true
      net.sleep(0)
    end)

    local _, err = task:join(30)

    assert.equal("CANCELED", err.code)
    assert.is_true(reached)
  end)

  it("does nothing to a task that is done, and twice is as good as once", function()
    local done = net.spawn(function() return 1 end)
    done:join(30)
    local task = net.spawn(net.sleep, 60)

    assert.is_true(done:cancel())
    assert.is_true(task:cancel())
    assert.is_true(task:cancel())
    task:join(30)

    assert.equal("done", done:status())
    assert.equal(1, done:join(30))
    assert.equal("canceled", task:status())
  end)

  it("runs every __close handler, even behind one whose wait it ends", function()
    local log = {}
    local function closer(name, f)
      return setmetatable({}, { __close = function() log[#log + 1] = name if f then f() end end })
    end
    local task = net.spawn(function()
      local a <close> = closer "first" -- luacheck: ignore a
      local b <close> = closer("second", function() net.sleep(60) end) -- luacheck: ignore b
      local c <close> = closer "third" -- luacheck: ignore c
      net.sleep(60)
    end)
    net.sleep(0)

    task:cancel()
    local _, err = task:join(30)

    assert.equal("CANCELED", err.code)
    assert.same({ "third", "second", "first" }, log)
  end)

  it("lets a scope on its way out wait for its tasks", function()
    local log = {}
    local task = net.spawn(function()
      local scope <close> = net.scope()
      scope:spawn(function()
        pcall(net.sleep, 60)
        log[#log + 1] = "child"
      end)
      net.sleep(60)
    end)
    net.sleep(0)

    task:cancel()
    task:join(30)
    log[#log + 1] = "joined"

    assert.same({ "child", "joined" }, log)
  end)

  -- A task whose calls all succeed at once never came to a wait, so nothing could stop it.
  it("stops a task whose calls never have to wait", function()
    local sink <close> = net.udp {}
    sink:bind("127.0.0.1", 0)
    local _, port = sink:getsockname()
    local task = net.spawn(function()
      local socket <close> = net.udp {}
      while socket:sendto("x", "127.0.0.1", port) do end
    end)
    net.sleep(0.001)

    task:cancel()
    local _, err = task:join(30)

    assert.equal("CANCELED", err.code)
    sink:close()
  end)

  it("gives a task that ends in spite of it its results", function()
    local task = net.spawn(function()
      pcall(net.sleep, 60)
      return "saved"
    end)
    net.sleep(0)

    task:cancel()

    assert.equal("saved", task:join(30))
    assert.equal("done", task:status())
  end)

  it("that nobody joins is no failure of the program", function()
    local out, err, status = netlua.run [[
      local task = net.spawn(net.sleep, 60)
      net.sleep(0)
      task:cancel()
      net.sleep(0.01)
      print "fine"
    ]]

    assert.equal("fine\n", out)
    assert.equal("", err)
    assert.equal(0, status)
  end)

  it("comes with <close> at the end of the block", function()
    local kept
    do
      local task <close> = net.spawn(net.sleep, 60)
      kept = task
      net.sleep(0)
    end

    local _, err = kept:join(30)

    assert.equal("CANCELED", err.code)
  end)
end)

describe("a failure that nobody joined", function()
  it("may still be joined by a task that is ready, however long the one before it took", function()
    local out, err, status = netlua.run [[
      local a, b = net.pair()
      net.spawn(a.read, a)
      local failing = net.spawn(function()
        local began = net.now()
        while net.now() < began + 0.05 do end
        error("late", 0)
      end)
      net.sleep(0)
      print(failing:join())
      b:close()
    ]]

    assert.equal("", err)
    assert.equal("nil\tlate\n", out)
    assert.equal(0, status)
  end)

  it("ends the program with its traceback and the place of the spawn", function()
    local out, err, status = netlua.run [[
      local function inner() error "boom" end
      net.spawn(function()
        net.sleep(0)
        inner()
      end)
      net.sleep(5)
      print "not reached"
    ]]

    assert.equal("", out)
    assert.matches("^[^\n]*netlua: .*:1: boom\nstack traceback:\n.*inner", err)
    assert.matches("\nin a task spawned at [^\n]+:2\n$", err)
    assert.equal(1, status)
  end)

  it("ends it while the main chunk is over, too", function()
    local _, err, status = netlua.run [[net.spawn(function() net.sleep(0.01) error("late", 0) end)]]

    assert.matches("^[^\n]*netlua: late\n", err)
    assert.equal(1, status)
  end)

  it("shows an error object as its text", function()
    local _, err, status = netlua.run [[
      net.spawn(function() assert(net.channel():receive(0)) end)
      net.sleep(5)
    ]]

    assert.matches("^[^\n]*netlua: receive: timed out %(TIMEOUT%)\n", err)
    assert.equal(1, status)
  end)

  it("lets the other tasks run their __close handlers", function()
    local out, _, status = netlua.run [[
      net.spawn(function()
        local x <close> = setmetatable({}, { __close = function() print "closed" end })
        net.sleep(60)
      end)
      net.spawn(function() error "boom" end)
      net.sleep(60)
    ]]

    assert.equal("closed\n", out)
    assert.equal(1, status)
  end)

  it("is taken by a join that was waiting", function()
    local out, err, status = netlua.run [[
      print(net.spawn(function() net.sleep(0) error("boom", 0) end):join(30))
    ]]

    assert.equal("nil\tboom\n", out)
    assert.equal("", err)
    assert.equal(0, status)
  end)

  it("counts when a canceled task raises something else", function()
    local _, err, status = netlua.run [[
      local task = net.spawn(function()
        pcall(net.sleep, 60)
        error("another", 0)
      end)
      net.sleep(0)
      task:cancel()
      net.sleep(5)
    ]]

    assert.matches("^[^\n]*netlua: another\n", err)
    assert.equal(1, status)
  end)

  it("counts when a task raises the cancellation of another", function()
    local _, err, status = netlua.run [[
      local other = net.spawn(net.sleep, 60)
      net.spawn(function() assert(other:join()) end)
      net.sleep(0)
      other:cancel()
      net.sleep(5)
    ]]

    assert.matches("CANCELED", err)
    assert.equal(1, status)
  end)
end)

describe("tasks that all wait for each other", function()
  it("get EDEADLK", function()
    local out, err, status = netlua.run [[
      local main = net.current()
      local other = net.spawn(function() return select(2, pcall(main.join, main)).code end)
      local ok, err = pcall(other.join, other)
      print(ok, err.code, err.op)
      print(other:join(30))
    ]]

    assert.equal("", err)
    assert.equal("false\tEDEADLK\tjoin\nEDEADLK\n", out)
    assert.equal(0, status)
  end)

  it("end the program when they do not catch it", function()
    local _, err, status = netlua.run [[net.channel():receive()]]

    assert.matches("^[^\n]*netlua: .*EDEADLK", err)
    assert.equal(1, status)
  end)

  it("are left alone while one of them has a deadline", function()
    local out = netlua.run [[
      local channel = net.channel()
      net.spawn(function() channel:receive(0.05) channel:send "late" end)
      net.sleep(0)
      print(channel:receive())
    ]]

    assert.equal("late\n", out)
  end)
end)

describe("a task that never has to wait", function()
  -- Where it was the only one that was ready, 131,072 calls went by between two looks at the descriptors.
  it("lets the others hear of their descriptors soon", function()
    local a <close>, b = assert(net.pair())
    local other <close> = b
    local heard, calls, ready = false, 0, net.event()
    local reader = net.spawn(function()
      other:read(1)
      heard = true
    end)
    ready:set()
    net.sleep(0)
    a:write "x"

    while not heard do
      ready:wait()
      calls = calls + 1
    end

    reader:join(30)
    assert.is_true(calls < 1000, calls)
  end)

  -- The others had to wait for 1,024 turns, whatever one took.
  it("lets them do so sooner if its turns are long", function()
    local slept, turns = false, 0
    local sleeper = net.spawn(function()
      net.sleep(0.001)
      slept = true
    end)

    while not slept do
      local began = net.now()
      while net.now() < began + 0.002 do end
      net.sleep(0)
      turns = turns + 1
    end

    sleeper:join(30)
    assert.is_true(turns < 500, turns)
  end)
end)
