local lfs = require "lfs"
local netlua = require "netlua"

-- One object of each class, and how it is made.
local make = {
  stream = function() return (net.pair()) end,
  listener = function() return assert(net.listen("127.0.0.1", 0)) end,
  datagram = function() return assert(net.udp()) end,
  task = function() return net.spawn(function() end) end,
  scope = function() return net.scope() end,
}

local CLASSES = { "stream", "listener", "datagram", "task", "scope" }

-- Methods that every object with a descriptor has.
local SHARED = { fileno = true, settimeout = true, setblocking = true, getsockname = true, getpeername = true,
  connect = true, bind = true, listen = true, setsockopt = true, getsockopt = true }
local HANDLES = { stream = true, listener = true, datagram = true }

-- What a call of the method needs besides the object.
local ARGUMENTS = {
  stream = { recv = { 1, 0 }, peek = { 1, 0 }, read_until = { "x", 1, 0 }, write = { "x" }, send = { "x", 0 },
    unread = { "x" }, shutdown = { "w" }, setlimits = { { max_line = 10 } }, settimeout = { 1 },
    setblocking = { true }, connect = { "127.0.0.1", 1 }, bind = { "127.0.0.1", 0 },
    sendfile = { io.stdout }, export_key = { "EXPORTER-x", 16 }, setsockopt = { "SO_KEEPALIVE", true },
    getsockopt = { "SO_TYPE" } },
  listener = { settimeout = { 1 }, setblocking = { true }, setsockopt = { "SO_KEEPALIVE", true },
    getsockopt = { "SO_TYPE" } },
  datagram = { recv = { 1, 0 }, recvfrom = { 1, 0 }, send = { "x", 0 }, sendto = { "x", "127.0.0.1", 9 },
    shutdown = { "w" }, settimeout = { 1 }, setblocking = { true }, connect = { "127.0.0.1", 1 },
    bind = { "127.0.0.1", 0 }, setsockopt = { "SO_BROADCAST", true }, getsockopt = { "SO_TYPE" },
    ancillary = { { ttl = true } }, recvmsg = { 1, 0 }, sendmsg = { "x" }, join = { "224.1.1.1" },
    leave = { "224.1.1.1" }, ttl = { 1 }, loop = { true }, interface = { "lo" } },
  scope = { spawn = { print } },
  task = {},
}

local function methods(object)
  local names = {}
  for name in pairs(getmetatable(object).__index) do names[#names + 1] = name end
  table.sort(names)
  return names
end

local function descriptors()
  local n = 0
  for _ in lfs.dir "/proc/self/fd" do n = n + 1 end
  return n
end

local function close(object)
  if object.close then object:close() end
end

for _, class in ipairs(CLASSES) do
  describe("a net." .. class, function()
    it("raises with its name when a method gets another self", function()
      local object = make[class]()
      local wrong = table.pack(nil, 5, "x", true, {}, print, io.stdout, coroutine.create(print),
        setmetatable({}, getmetatable(object)))

      for _, name in ipairs(methods(object)) do
        for index = 1, wrong.n do
          local ok, err = pcall(object[name], wrong[index])
          assert.is_false(ok, name)
          assert.matches("net%.%l+ expected, got ", err)
        end
      end
      close(object)
    end)

    it("raises with its name when a method gets an object of another class", function()
      local object = make[class]()

      for _, other in ipairs(CLASSES) do
        if other ~= class then
          local self = make[other]()
          for _, name in ipairs(methods(object)) do
            if not (SHARED[name] and HANDLES[class] and HANDLES[other]) then
              local ok, err = pcall(object[name], self)
              assert.is_false(ok, name)
              assert.matches("net%.%l+ expected, got net%." .. other, err)
            end
          end
          close(self)
        end
      end
      close(object)
    end)

    it("has metamethods that take no other value for one", function()
      local object = make[class]()
      local meta = getmetatable(object)
      local values = { 5, "x", true, {}, print, io.stdout, io.tmpfile(), coroutine.create(print) }

      for index = 0, #values do
        local ok = pcall(meta.__tostring, values[index])
        assert.is_false(ok)
        pcall(meta.__gc, values[index])
        ok = pcall(meta.__close, values[index])
        assert.is_false(ok)
      end
      assert.is_true(meta.__gc == nil or pcall(meta.__gc))
      close(object)
    end)
  end)
end

for _, class in ipairs { "stream", "listener", "datagram", "scope" } do
  describe("a closed net." .. class, function()
    local QUIET = { close = true, lines = true, clients = true, serve = true } -- see below

    for _, name in ipairs(methods(make[class]())) do
      if not QUIET[name] then
        it("answers CLOSED to " .. name, function()
          local object = make[class]()
          object:close()

          local value, err = object[name](object, table.unpack(ARGUMENTS[class][name] or {}))

          assert.is_nil(value)
          assert.equal("CLOSED", err.code)
          assert.equal(name, err.op)
        end)
      end
    end

    it("can be closed again", function()
      local object = make[class]()

      assert.is_true(object:close())
      assert.is_true(object:close())
      getmetatable(object).__close(object)
      getmetatable(object).__gc(object)
    end)

    it("says that it is closed", function()
      local object = make[class]()
      local open = tostring(object)
      object:close()

      assert.matches("^net%." .. class .. " %(0x%x+%)$", open)
      assert.equal("net." .. class .. " (closed)", tostring(object))
    end)
  end)
end

describe("a closed stream", function()
  it("raises CLOSED from its lines", function()
    local a = make.stream()
    a:close()

    local ok, err = pcall(a:lines())

    assert.is_false(ok)
    assert.equal("CLOSED", err.code)
  end)
end)

describe("a closed listener", function()
  it("has no more clients", function()
    local listener = make.listener()
    listener:close()

    assert.is_nil(listener:clients()())
  end)

  it("has served them all", function()
    local listener = make.listener()
    listener:close()

    assert.is_true(listener:serve(print))
  end)
end)

describe("a task", function()
  it("shows what became of it", function()
    local done, failed = net.spawn(function() end), net.spawn(error, "x")
    local canceled = net.spawn(net.sleep, 10)
    local waiting = tostring(done)
    net.sleep(0)
    canceled:cancel()
    for _, task in ipairs { done, failed, canceled } do task:join(30) end

    assert.matches("^net%.task %(waiting, 0x%x+%)$", waiting)
    assert.matches("^net%.task %(running, 0x%x+%)$", tostring(net.current()))
    assert.matches("^net%.task %(done, 0x%x+%)$", tostring(done))
    assert.matches("^net%.task %(failed, 0x%x+%)$", tostring(failed))
    assert.matches("^net%.task %(canceled, 0x%x+%)$", tostring(canceled))
  end)

  it("is closed by being canceled, any number of times", function()
    local task = net.spawn(net.sleep, 10)
    net.sleep(0)

    assert.is_true(task:close())
    assert.is_true(task:close())
    local _, err = task:join(30)

    assert.equal("CANCELED", err.code)
    assert.is_true(task:close())
  end)
end)

describe("an object that is dropped", function()
  local kinds = {
    { "stream", function() net.pair() end },
    { "listener", function() net.listen("127.0.0.1", 0) end },
    { "datagram", function() net.udp() end },
    { "connected stream", function()
      local server = net.listen("127.0.0.1", 0)
      net.connect(server:getsockname())
      server:accept(5)
    end },
    { "stream that was waited for", function()
      local a, b = net.pair()
      assert(a:recv(1, 0.001) == nil and b:recv(1, 0.001) == nil)
    end },
    { "stream that a task had", function()
      net.spawn(function()
        local a, b = net.pair()
        a:write "x"
        b:recv(1)
      end):join(30)
    end },
    { "stream in a cycle", function()
      local a, b = net.pair()
      local cycle = { a, b }
      cycle[3] = cycle
      return #cycle
    end },
    { "stream of a coroutine that never ends", function()
      local co = coroutine.wrap(function()
        local a <close> = net.pair() -- luacheck: ignore a
        coroutine.yield()
      end)
      co()
    end },
  }
  for _, kind in ipairs(kinds) do
    it("gives its descriptors back after two collections: " .. kind[1], function()
      kind[2]()
      collectgarbage()
      collectgarbage()
      local before = descriptors()

      for _ = 1, 20 do kind[2]() end
      local during = descriptors()
      collectgarbage()
      collectgarbage()

      assert.is_true(during >= before)
      assert.equal(before, descriptors())
    end)
  end

  it("is not collected while a task waits for it", function()
    local a, b = net.pair()
    local task = net.spawn(function(s) return s:recv(1) end, b)
    b = nil -- luacheck: ignore b
    net.sleep(0)
    collectgarbage()
    collectgarbage()

    a:write "x"

    assert.equal("x", task:join(30))
    a:close()
  end)

  it("removes its socket file", function()
    local path = os.tmpname()
    os.remove(path)
    do net.listen("unix:" .. path) end
    assert.equal("socket", lfs.attributes(path, "mode"))

    collectgarbage()
    collectgarbage()

    assert.is_nil(lfs.attributes(path, "mode"))
  end)
end)

describe("an object at the end of the program", function()
  it("is closed, whatever refers to it", function()
    local path = os.tmpname()
    os.remove(path)

    local out, err, status = netlua.run([[
      keep = { net.listen("unix:" .. arg[1]), net.pair() }
      local scope = net.scope()
      scope:spawn(function() keep[1]:accept() end)
      scope:spawn(function() keep[2]:recv(1) end)
      net.sleep(0)
      os.exit(0, true)]], path)

    assert.same({ "", "", 0 }, { out, err, status })
    assert.is_nil(lfs.attributes(path, "mode"))
  end)
end)
