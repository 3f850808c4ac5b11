local lfs = require "lfs"

-- How many epoll descriptors the process has.
local function pollers()
  local n = 0
  for name in lfs.dir "/proc/self/fd" do
    local target = lfs.symlinkattributes("/proc/self/fd/" .. name, "target")
    if target and target:find("eventpoll", 1, true) then n = n + 1 end
  end
  return n
end

-- As many idle objects, and what closes them.
local function many(count)
  local list = {}
  for i = 1, count, 2 do list[i], list[i + 1] = assert(net.pair()) end
  local function close()
    for _, object in ipairs(list) do object:close() end
  end
  return list, setmetatable({}, { __close = close })
end

-- What select gives when one of its readers becomes ready during the wait.
local function selected(readers, writer)
  net.spawn(writer.write, writer, "x")
  return assert(net.select(readers, nil, nil, 5))
end

describe("a poller", function()
  it("is not kept busy by what was asked about nothing", function()
    local a <close>, b = net.pair()
    b:write "data that nobody asks for"
    local turns = 0
    local counter = net.spawn(function()
      while true do
        turns = turns + 1
        net.sleep(0.01)
      end
    end)
    local cpu = os.clock()

    assert.same({}, net.poll({ { a, "" } }, 0.4))

    assert.is_true(os.clock() - cpu < 0.2)
    assert.is_true(turns > 2)
    counter:cancel()
    b:close()
  end)

  it("wakes every waiter that holds an object which is closed", function()
    local a, b = net.pair()
    local c <close>, d = net.pair()
    local function wait() return select(2, net.select({ c, a }, nil, nil, 5)) end
    local first, second = net.spawn(wait), net.spawn(wait)
    net.sleep(0)

    a:close()

    assert.equal("CLOSED", first:join(30).code)
    assert.equal("CLOSED", second:join(30).code)
    b:close()
    d:close()
  end)

  it("goes on waiting when something else is closed that was polled before", function()
    local a <close>, b = net.pair()
    local c, d = net.pair()
    net.select({ c }, nil, nil, 0.001)
    local waiting = net.spawn(function() return net.select({ a }, nil, nil, 5) end)
    net.sleep(0)

    c:close()
    net.sleep(0)
    b:write "x"

    assert.same({ a }, (waiting:join(30)))
    b:close()
    d:close()
  end)

  it("wakes every waiter that asked whether a stream can be read, when it was read in part", function()
    local a <close>, b = net.pair()
    local c <close>, d = net.pair()
    local function wait(readers, excepts) return net.select(readers, nil, excepts, 5) end
    local first, second = net.spawn(wait, { c, a }), net.spawn(wait, { a })
    local other = net.spawn(wait, { c }, { a })
    net.sleep(0)

    b:write "12"
    assert.equal("1", a:read(1))
    local one, two = first:join(), second:join()

    assert.same({ a }, one)
    assert.same({ a }, two)
    assert.equal("waiting", other:status())
    other:cancel()
    b:close()
    d:close()
  end)

  it("holds a socket that changes its family meanwhile", function()
    local s <close> = assert(net.udp())
    local waiting = net.spawn(function() return net.select({ s }, nil, nil, 5) end)
    net.sleep(0)

    assert(s:bind("::1", 0))
    net.sleep(0)
    local out <close> = assert(net.udp())
    out:sendto("x", "::1", select(2, s:getsockname()))

    assert.same({ s }, (waiting:join(30)))
  end)
end)

describe("a poller of many objects", function()
  it("is kept for the next wait, and closed when they are", function()
    net.sleep(0)
    local before = pollers()
    local during, again
    do
      local list <const>, all <close> = many(200) -- luacheck: ignore all
      assert.same({}, (net.select(list, nil, nil, 0.001)))
      during = pollers()
      assert.same({}, (net.select(list, nil, nil, 0.001)))
      again = pollers()
    end

    assert.same({ before + 1, before + 1, before }, { during, again, pollers() })
  end)

  it("is kept for what is nearly the same: objects join, leave and are asked other questions", function()
    local list <const>, all <close> = many(200) -- luacheck: ignore all
    local a <close>, b = net.pair()
    local last, peer = list[200], list[199]
    assert.same({}, (net.select(list, nil, nil, 0.001)))
    table.remove(list)
    list[#list + 1] = a

    local first = selected(list, b)
    a:recv(1)
    peer:write "nobody asks for this"
    local none = net.select(list, nil, nil, 0.01)
    list[#list + 1] = last
    local second = net.select(list, nil, nil, 5)
    last:recv(100)
    local _, writable = net.select(list, { last }, nil, 5)

    assert.same({ { a }, {}, { last }, { last } }, { first, none, second, writable })
    b:close()
    last:close()
    peer:close()
  end)

  it("knows the new owner of a number", function()
    local list <const>, all <close> = many(200) -- luacheck: ignore all
    local old, peer = list[200], list[199]
    assert.same({}, (net.select(list, nil, nil, 0.001)))
    local fd = old:fileno()
    old:close()
    table.remove(list)
    local spare = {}
    repeat spare[#spare + 1] = assert(net.udp()) until spare[#spare]:fileno() == fd
    local new = spare[#spare]
    assert(new:bind("127.0.0.1", 0))
    list[#list + 1] = new

    net.spawn(new.sendto, new, "x", new:getsockname())
    local ready = net.select({ table.unpack(list, 1, 198) }, nil, nil, 0.001)
    local hung = net.select({ peer, new }, nil, nil, 5)
    list[199] = nil
    local seen = net.select({ new, table.unpack(list, 1, 198) }, nil, nil, 5)

    assert.same({ {}, { peer, new }, { new } }, { ready, hung, seen })
    for _, s in ipairs(spare) do s:close() end
  end)

  it("is not kept where a bare descriptor is among them", function()
    local list <const>, all <close> = many(200) -- luacheck: ignore all
    net.sleep(0)
    local before = pollers()

    assert.same({}, (net.select({ list[1]:fileno(), table.unpack(list) }, nil, nil, 0.001)))

    assert.equal(before, pollers())
  end)

  it("serves several waits at a time", function()
    local list <const>, all <close> = many(200) -- luacheck: ignore all
    local a <close>, b = net.pair()
    local c <close>, d = net.pair()
    local lists = { { a, table.unpack(list) }, { c, table.unpack(list) } }
    local tasks = {}
    for i = 1, 2 do tasks[i] = net.spawn(net.select, lists[i], nil, nil, 5) end
    net.sleep(0)

    b:write "x"
    assert.same({ a }, (tasks[1]:join(30)))
    d:write "x"
    assert.same({ c }, (tasks[2]:join(30)))
    b:close()
    d:close()
  end)

  it("finds what was read ahead meanwhile", function()
    local list <const>, all <close> = many(200) -- luacheck: ignore all
    local reader, writer = list[1], list[2]
    local reading, waiting = net.spawn(reader.read, reader, "l"), net.spawn(net.select, list, nil, nil, 5)
    net.sleep(0)

    writer:write "line\nmore"

    assert.equal("line", (reading:join(30)))
    assert.same({ reader }, (waiting:join(30)))
  end)
end)
