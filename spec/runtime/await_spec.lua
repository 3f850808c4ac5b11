local function elapsed(f, ...)
  local began = net.now()
  local results = table.pack(f(...))
  return net.now() - began, table.unpack(results, 1, results.n)
end

-- A pair of connected streams for one test; both are closed after it.
local a, b

before_each(function() a, b = net.pair() end)

after_each(function()
  a:close()
  b:close()
end)

describe("waiting for a descriptor", function()
  it("gives the others their turn", function()
    net.spawn(function() b:write "hello" end)

    assert.equal("hello", a:recv(16, 1))
  end)

  it("with no time at all gives only what is there", function()
    local none, err = a:recv(16, 0)
    b:write "x"
    local one = a:recv(16, 0)

    assert.is_nil(none)
    assert.equal("TIMEOUT", err.code)
    assert.equal("recv", err.op)
    assert.equal("x", one)
  end)

  it("loses no bytes when the time is up", function()
    b:write "half a li"

    local line, err = a:read_until("\n", 100, 0.01)
    b:write "ne\n"
    local whole = a:read_until("\n", 100, 1)

    assert.is_nil(line)
    assert.equal("TIMEOUT", err.code)
    assert.equal("half a line", whole)
  end)

  it("says how much was written when the time is up", function()
    a:settimeout(0.02)

    local ok, err = a:write(("x"):rep(1 << 22))

    assert.is_nil(ok)
    assert.equal("TIMEOUT", err.code)
    assert.is_true(err.partial > 0 and err.partial < 1 << 22)
    assert.equal(err.partial, #b:read(err.partial))
  end)

  it("refuses a second reader", function()
    local first = net.spawn(function() return a:recv(1, 5) end)
    net.sleep(0)

    local data, err = a:recv(1, 5)
    b:write "x"

    assert.is_nil(data)
    assert.equal("BUSY", err.code)
    assert.equal("x", first:join(30))
  end)

  it("refuses a second writer", function()
    local first = net.spawn(function() return a:write(("x"):rep(1 << 22)) end)
    net.sleep(0)

    local ok, err = a:write "y"
    local all = b:read(1 << 22)

    assert.is_nil(ok)
    assert.equal("BUSY", err.code)
    assert.equal(1 << 22, #all)
    assert.equal(a, first:join(30))
    assert.equal(a, a:write "y")
  end)

  it("refuses a second accept", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local first = net.spawn(function() return server:accept(5) end)
    net.sleep(0)

    local client, err = server:accept(5)
    server:close()

    assert.is_nil(client)
    assert.equal("BUSY", err.code)
    assert.equal("CLOSED", select(2, first:join(30)).code)
  end)

  it("has a reader and a writer at the same time", function()
    local reader = net.spawn(function() return a:recv(1, 5) end)
    local writer = net.spawn(function() return a:write(("x"):rep(1 << 20)) end)
    net.sleep(0)

    b:write "y"
    local all = b:read(1 << 20)

    assert.equal("y", reader:join(30))
    assert.equal(a, writer:join(30))
    assert.equal(1 << 20, #all)
  end)

  it("leaves the place free after a timeout and after a cancellation", function()
    a:recv(1, 0.001)
    local doomed = net.spawn(function() a:recv(1) end)
    net.sleep(0)
    doomed:cancel()
    doomed:join(30)

    b:write "x"

    assert.equal("x", a:recv(1, 1))
  end)

  it("ends with CLOSED for the reader and the writer when the object is closed", function()
    local reader = net.spawn(function() return a:recv(1, 5) end)
    local writer = net.spawn(function() return a:write(("x"):rep(1 << 22)) end)
    net.sleep(0)

    a:close()

    assert.equal("CLOSED", select(2, reader:join(30)).code)
    assert.equal("CLOSED", select(2, writer:join(30)).code)
    assert.equal("CLOSED", select(2, a:recv(1)).code)
  end)

  it("gives what came before the object was asked again, however late", function()
    local reader = net.spawn(function() return a:recv(16, 0.001) end)
    net.sleep(0)
    b:write "x"
    local began = net.now()
    while net.now() - began < 0.005 do end

    local data, err = reader:join(30)

    assert.is_true(data == "x" or (err.code == "TIMEOUT" and a:recv(1, 0) == "x"))
  end)
end)

describe("a descriptor number that is used again", function()
  it("never wakes a task of its old owner", function()
    for _ = 1, 1000 do
      local old, far = net.pair()
      local number = old:fileno()
      local stale = net.spawn(function() return old:recv(1, 5) end)
      net.sleep(0)
      far:write "old"
      old:close()
      far:close()
      local new, peer = net.pair()
      assert.equal(number, new:fileno())
      local fresh = net.spawn(function() return new:recv(16, 5) end)
      net.sleep(0)
      local early = fresh:status()
      peer:write "new"
      local _, err = stale:join(30)
      local data = fresh:join(30)
      new:close()
      peer:close()
      if err == nil or err.code ~= "CLOSED" or early ~= "waiting" or data ~= "new" then
        error(("stale %s, early %s, data %s"):format(err, early, data))
      end
    end
  end)

  it("wakes its new owner, of the other direction too", function()
    for _ = 1, 200 do
      local old, far = net.pair()
      local reader = net.spawn(function() return old:recv(1, 5) end)
      net.sleep(0)
      old:close()
      far:close()
      reader:join(30)
      local new, peer = net.pair()
      local writer = net.spawn(function() return new:write(("x"):rep(1 << 19)) == new end)
      local all = peer:read(1 << 19)
      local ok = writer:join(30)
      new:close()
      peer:close()
      assert.equal(1 << 19, #all)
      assert.is_true(ok)
    end
  end)
end)

-- Places where Lua cannot yield. Each calls f once and gives what f gave.
local function through(call)
  return function(f, ...)
    local args, results = table.pack(...), nil
    call(function()
      results = results or table.pack(f(table.unpack(args, 1, args.n)))
    end)
    return table.unpack(results, 1, results.n)
  end
end

local places = {
  ["a table.sort comparator"] = through(function(f)
    table.sort({ 1, 2 }, function(x, y) f() return x < y end)
  end),
  ["a string.gsub callback"] = through(function(f) return ("x"):gsub("x", function() f() end) end),
  ["the top level of a module"] = through(function(f)
    package.preload["spec.await"] = function() f() return true end
    require "spec.await"
    package.loaded["spec.await"], package.preload["spec.await"] = nil, nil
  end),
  ["__lt under table.sort"] = through(function(f)
    local class = { __lt = function(x, y) f() return x[1] < y[1] end }
    table.sort { setmetatable({ 2 }, class), setmetatable({ 1 }, class) }
  end),
  ["a coroutine resumed from string.gsub"] = through(function(f)
    return ("x"):gsub("x", function() assert(coroutine.resume(coroutine.create(f))) end)
  end),
  ["a coroutine in a coroutine resumed from string.gsub"] = through(function(f)
    return ("x"):gsub("x", function() coroutine.wrap(function() coroutine.wrap(f)() end)() end)
  end),
  ["a message handler"] = through(function(f) xpcall(error, function() f() end) end),
  ["__gc"] = through(function(f)
    setmetatable({}, { __gc = f })
    collectgarbage()
    collectgarbage()
  end),
  ["a __close handler under coroutine.close"] = through(function(f)
    local co = coroutine.create(function()
      local x <close> = setmetatable({}, { __close = f }) -- luacheck: ignore x
      coroutine.yield()
    end)
    coroutine.resume(co)
    assert(coroutine.close(co))
  end),
}

for place, inside in pairs(places) do
  describe("waiting inside " .. place, function()
    it("finds what is there", function()
      b:write "x"

      assert.equal("x", inside(a.recv, a, 1, 1))
    end)

    it("obeys the call's timeout", function()
      local seconds, data, err = elapsed(inside, a.recv, a, 1, 0.01)

      assert.is_nil(data)
      assert.equal("TIMEOUT", err.code)
      assert.is_true(seconds >= 0.01 and seconds < 9)
    end)

    it("obeys the object's timeout", function()
      a:settimeout(0.01)

      local seconds, _, err = elapsed(inside, a.recv, a, 1)

      assert.equal("TIMEOUT", err.code)
      assert.is_true(seconds < 9)
    end)

    it("obeys the scope's deadline", function()
      local seconds, _, err = elapsed(net.timeout, 0.01, inside, a.recv, a, 1)

      assert.equal("TIMEOUT", err.code)
      assert.is_true(seconds < 9)
    end)

    it("sleeps", function()
      local seconds, ok = elapsed(inside, net.sleep, 0.01)

      assert.is_true(ok)
      assert.is_true(seconds >= 0.01 and seconds < 9)
    end)

    it("wakes when the kernel has something", function()
      local server <close> = assert(net.listen("127.0.0.1", 0))
      local host, port = server:getsockname()
      local client = assert(net.connect(host, port, { timeout = 1 }))

      local accepted = inside(server.accept, server, 1)
      accepted:write "x"
      accepted:close()

      assert.equal("x", inside(client.recv, client, 1, 1))
      client:close()
    end)

    it("looks a name up", function()
      local list = inside(net.getaddrinfo, "127.0.0.1", 80)

      assert.equal("127.0.0.1", list[1].address)
    end)

    it("for another task raises", function()
      local task <close> = net.spawn(net.sleep, 60)
      local channel, event, one = net.channel(), net.event(), net.semaphore(1)
      one:acquire()

      for _, f in ipairs {
        function() task:join(30) end, function() channel:receive(1) end, function() channel:send(1, 1) end,
        function() event:wait(1) end, function() one:acquire(1) end,
      } do
        local ok, err = inside(pcall, f)
        assert.is_false(ok)
        assert.matches("waiting for another task is not possible here", err)
      end
    end)

    it("for another task without time gives TIMEOUT", function()
      local channel = net.channel()

      local _, err = inside(channel.receive, channel, 0)

      assert.equal("TIMEOUT", err.code)
    end)

    it("leaves waiting outside as it was", function()
      inside(net.sleep, 0)
      net.spawn(function() b:write "x" end)

      assert.equal("x", a:recv(1, 1))
    end)

    it("is refused where another task is reading", function()
      local reader = net.spawn(function() return a:recv(1, 5) end)
      net.sleep(0)

      local _, err = inside(a.recv, a, 1, 1)
      b:write "x"

      assert.equal("BUSY", err.code)
      assert.equal("x", reader:join(30))
    end)
  end)
end

describe("a canceled task", function()
  it("is told so where Lua cannot yield, too", function()
    local task = net.spawn(function()
      net.current():cancel()
      table.sort({ 1, 2 }, function() net.sleep(60) end)
    end)

    assert.equal("CANCELED", select(2, task:join(30)).code)
  end)
end)

describe("metamethods and protected calls", function()
  local function slow() net.sleep(0.001) return 1 end
  local waits = {
    ["__index"] = function() return setmetatable({}, { __index = slow }).x end,
    ["__add"] = function() return setmetatable({}, { __add = slow }) + 1 end,
    ["__lt"] = function() return setmetatable({}, { __lt = slow }) < setmetatable({}, {}) and 1 end,
    ["__call"] = function() return (setmetatable({}, { __call = slow })()) end,
    ["__concat"] = function() return setmetatable({}, { __concat = slow }) .. "x" end,
    ["__close"] = function()
      do local x <close> = setmetatable({}, { __close = slow }) end -- luacheck: ignore x
      return 1
    end,
    ["for"] = function()
      local got
      for x in function(_, last) return not last and slow() or nil end do got = x end
      return got
    end,
    pcall = function() return select(2, pcall(slow)) end,
    xpcall = function() return select(2, xpcall(slow, print)) end,
    dofile = function() return select(2, pcall(load "net.sleep(0.001) return 1")) end,
  }
  for name, f in pairs(waits) do
    it("wait without stopping the others: " .. name, function()
      local turns = 0
      local other <close> = net.spawn(function() while net.sleep(0) do turns = turns + 1 end end)
      net.sleep(0)
      turns = 0

      local got = f()
      other:cancel()

      assert.equal(1, got)
      assert.is_true(turns > 0)
    end)
  end
end)

describe("a wait", function()
  -- lua_settop of Lua 5.4.4 wrote past a stack that grew while a buffer of the attempt was closed.
  it("may begin with the stack filled to any height", function()
    local function wait(s, ...) -- luacheck: ignore
      local data, err = s:recv(65536, 0.001)
      return data, err
    end

    for n = 0, 200 do
      local s <close> = assert(net.udp { family = "inet" })
      assert(s:bind("127.0.0.1", 0))
      local _, err = net.spawn(function() return wait(s, table.unpack({}, 1, n)) end):join(30)
      assert.equal("TIMEOUT", err.code)
    end
  end)
end)
