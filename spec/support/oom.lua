-- oom: what oom.c runs while allocations fail, a bit of everything. Where one side may fail, the other must
-- hear of it at once: a sweep has thousands of runs and none may wait for a timeout.

local net = require "net"

-- A pair: lines, counts, the end.
local function pair()
  local a <close>, b = assert(net.pair())
  local held <close> = b -- luacheck: ignore held
  local reader = net.spawn(function()
    local got = {}
    for line in b:lines() do got[#got + 1] = line end
    b:write("ok\n")
    return #got
  end)
  a:setlimits { max_line = 1000 }
  a:write("one\n", "two\n", ("x"):rep(500), "\n")
  a:shutdown "w"
  local n = assert(reader:join(30))
  local answer = a:read("l")
  assert(n == 3 and answer == "ok")
end

-- A server with a task for each client; if one side fails, the scope cancels the other.
local function server(host, port)
  local scope <close> = net.scope { timeout = 10 }
  local listener <close> = assert(net.listen(host, port))
  local address, number = listener:getsockname()
  scope:spawn(function()
    local held <close> = listener -- luacheck: ignore held
    listener:serve(function(client) client:write(client:read(5), client:read "n", "\n") end)
  end)
  scope:spawn(function()
    local s <close> = assert(net.connect(address, number, { timeout = 5 }))
    s:write("hello", "12 ")
    assert(s:read_until("\n", 100, 1) == "hello12")
    assert(s:finish(5))
    listener:close()
  end)
  assert(scope:wait(5))
end

local function datagrams()
  local a <close> = assert(net.udp())
  local b <close> = assert(net.udp())
  a:bind("127.0.0.1", 0)
  local address, port = a:getsockname()
  assert(b:sendto("ping", address, port))
  local data, from, number = a:recvfrom(100, 5)
  assert(data == "ping")
  assert(a:sendto("pong", from, number))
  assert(b:recv(100, 5) == "pong")
end

local function tasks()
  local channel, done = net.channel(1), net.event()
  local gate = net.semaphore(1)
  local scope <close> = net.scope()
  scope:spawn(function()
    for i = 1, 5 do channel:send(i) end
    channel:close()
  end)
  scope:spawn(function()
    local sum = 0
    for i in channel:values() do sum = sum + i end
    gate:acquire()
    done:set()
    gate:release()
    return sum
  end)
  assert(scope:wait(5))
  assert(done:wait(0))
  local list = net.map({ 1, 2, 3 }, function(i) net.sleep(0) return i * 2 end, { limit = 2 })
  assert(list[3] == 6)
end

local function interfaces()
  assert(#net.interfaces() > 0)
  assert(net.interfaces().lo)
  assert(net.local_addresses { family = "inet" })
  assert(net.route("127.0.0.1", { source = "127.0.0.1" }).type == "local")
  local way, err = net.route "x"
  assert(not way and err.code == "EINVAL")
  assert(net.gateways() and net.neighbors())
  local watch <close> = assert(net.watch_links())
  local event, nothing = watch:read(0)
  assert(event or nothing.code == "TIMEOUT")
end

local function errors()
  local s, err = net.connect("127.0.0.1", 1, { timeout = 5 })
  assert(s or err.code == "ECONNREFUSED")
  assert(not err or tostring(err) .. err:explain())
  local a <close>, other = assert(net.pair())
  local b <close> = other
  local ok, slow = net.timeout(0.001, b.recv, b, 1)
  assert(not ok and slow.code == "TIMEOUT")
  local failing = net.spawn(function() error { reason = "test" } end)
  local none, why = failing:join(30)
  assert(none == nil and why.reason == "test")
  local sleeper = net.spawn(function()
    local scope <close> = net.scope()
    scope:spawn(net.sleep, 100)
    net.sleep(100)
  end)
  net.sleep(0)
  sleeper:cancel()
  local _, canceled = sleeper:join(30)
  assert(canceled.code == "CANCELED")
  local wrapped = coroutine.wrap(function()
    net.sleep(0)
    coroutine.yield(1)
    a:write "x"
    error "inside"
  end)
  assert(wrapped() == 1 and not pcall(wrapped))
  assert(not pcall(net.connect, "127.0.0.1", 70000))
  assert(not pcall(net.listen, "127.0.0.1", 0, { blacklog = 1 }))
end

-- Nothing here is closed: collections and the end of the state have to do it.
local function dropped()
  net.pair()
  net.listen("127.0.0.1", 0)
  net.udp():bind("127.0.0.1", 0)
  net.scope():spawn(net.sleep, 0)
  net.watch_links()
  local a, b = net.pair()
  net.spawn(function() return b:read(1) end)
  net.sleep(0)
  a:write "x"
end

for _, case in ipairs { pair, datagrams, tasks, interfaces, errors, dropped } do case() end
server("127.0.0.1", 0)
server("unix:@netlua-oom-" .. tostring(net):match "0x(%x+)")
