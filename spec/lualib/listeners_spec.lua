local ADDRESSES = { "127.0.0.1", "127.0.0.2", "127.0.0.3" }

local function open(options)
  local server = assert(net.listen(ADDRESSES, 0, options))
  return server, select(2, server:getsockname())
end

describe("a listener on several addresses", function()
  it("has the same port on each", function()
    local server <close>, port = open()

    assert.equal(#ADDRESSES, #server.list)
    for index, listener in ipairs(server.list) do
      assert.same({ ADDRESSES[index], port }, { listener:getsockname() })
    end
  end)

  it("is an ordinary one for a list of one", function()
    local server <close> = assert(net.listen({ "127.0.0.1" }, 0))

    assert.matches("^net%.listener %(", tostring(server))
  end)

  it("accepts at every one of them", function()
    local server <close>, port = open()

    for _, address in ipairs(ADDRESSES) do
      local s <close> = assert(net.connect(address, port, { timeout = 5 }))
      local client <close> = assert(server:accept(5))

      assert.equal(address, (client:getsockname()))
      assert.same({ s:getsockname() }, { client:getpeername() })
    end
  end)

  it("wakes for a connection that comes while it waits", function()
    local server <close>, port = open()
    local task = net.spawn(server.accept, server, 5)
    net.sleep(0)

    local s <close> = assert(net.connect(ADDRESSES[3], port, { timeout = 5 }))

    local client <close> = assert(task:join(30))
    assert.same({ s:getsockname() }, { client:getpeername() })
  end)

  it("is waited for in net.select and net.poll by the listeners in its list", function()
    local server <close>, port = open()
    local s <close> = assert(net.connect(ADDRESSES[2], port, { timeout = 5 })) -- luacheck: ignore s

    local ready, polled = assert(net.select(server.list, nil, nil, 5)), assert(net.poll(server.list, 5))

    assert.same({ server.list[2] }, ready)
    assert.equal(server.list[2], polled[1][1])
    local ok, message = pcall(net.select, { server })
    assert.is_false(ok)
    assert.matches("net%.listeners", message)
  end)

  it("takes who is there already at timeout 0", function()
    local server <close>, port = open()
    local s <close> = assert(net.connect(ADDRESSES[2], port, { timeout = 5 }))

    local client <close> = assert(server:accept(0))

    assert.same({ s:getsockname() }, { client:getpeername() })
    assert.equal("TIMEOUT", select(2, server:accept(0)).code)
  end)

  it("gives up after the call's, its own and the enclosing time", function()
    local server <close> = open()
    local ways = {
      function() return server:accept(0.02) end,
      function() return server:settimeout(0.02):accept() end,
      function() return net.timeout(0.02, server.accept, server:settimeout(nil)) end,
    }

    for index, way in ipairs(ways) do
      local began = net.now()
      local client, err = way()
      assert.is_nil(client)
      assert.equal("TIMEOUT", err.code, index)
      assert.equal("accept", err.op)
      assert.is_true(net.now() - began >= 0.015 and net.now() - began < 20)
    end
  end)

  it("answers CLOSED to a task that waits when it is closed", function()
    local server = open()
    local task = net.spawn(server.accept, server)
    net.sleep(0)

    assert.is_true(server:close())

    local client, err = task:join(30)
    assert.is_nil(client)
    assert.equal("CLOSED", err.code)
    assert.equal("accept", err.op)
  end)

  it("answers CLOSED once it is closed, and can be closed again", function()
    local server = open()
    server:close()

    assert.is_true(server:close())
    assert.equal("CLOSED", select(2, server:accept()).code)
    assert.equal("CLOSED", select(2, server:settimeout(1)).code)
    assert.equal("CLOSED", select(2, server:getsockname()).code)
    assert.is_nil(server:clients()())
  end)

  it("answers BUSY to a second task that accepts, and to none after the first has gone", function()
    local server <close> = open()
    local first = net.spawn(server.accept, server, 5)
    net.sleep(0)

    assert.equal("BUSY", select(2, server:accept(5)).code)

    first:cancel()
    first:join(30)
    assert.equal("TIMEOUT", select(2, server:accept(0)).code)
  end)

  it("iterates over its clients until it is closed", function()
    local server, port = open()
    local seen = {}
    local task = net.spawn(function()
      for client in server:clients() do
        seen[#seen + 1] = client:getsockname()
        client:close()
      end
    end)

    for _, address in ipairs(ADDRESSES) do
      local s <close> = assert(net.connect(address, port, { timeout = 5 }))
      assert.is_nil(s:read())
    end
    server:close()

    assert(task:join(30))
    assert.same(ADDRESSES, seen)
  end)

  it("serves each client in a task of its own, with a limit, and waits for the last", function()
    local server, port = open()
    local most, now = 0, 0
    local task = net.spawn(server.serve, server, function(client)
      now = now + 1
      most = math.max(most, now)
      client:write(client:read "L")
      now = now - 1
    end, { limit = 2 })

    local answers = net.map(ADDRESSES, function(address)
      local s <close> = assert(net.connect(address, port, { timeout = 5 }))
      s:write(address, "\n")
      return s:read()
    end)
    server:close()

    assert.same(ADDRESSES, { table.unpack(answers) })
    assert.is_true(task:join(30))
    assert.is_true(most <= 2)
  end)

  it("does not spin while there are no descriptors for a client", function()
    local turns = 0
    local server <close>, port = open()
    local s <close> = assert(net.connect(ADDRESSES[2], port, { timeout = 5 }))
    local function none() -- as accept where the process has no descriptors left
      turns = turns + 1
      return nil, require("net.core.error").new("accept", "TIMEOUT")
    end
    local methods = require("net.core.socket").listener
    local accept = methods.accept
    methods.accept = none
    local restore <close> = setmetatable({}, { __close = function() -- luacheck: ignore restore
      methods.accept = accept
    end })

    local client, err = server:accept(0.12)

    assert.is_nil(client)
    assert.equal("TIMEOUT", err.code)
    assert.is_true(turns <= 6 * #ADDRESSES, turns .. " turns")
    assert.truthy(s)
  end)

  it("leaves nothing open where one of the addresses cannot be had", function()
    local taken <close> = assert(net.listen("127.0.0.3", 0))
    local _, port = taken:getsockname()

    local server, err = net.listen(ADDRESSES, port)

    assert.is_nil(server)
    assert.equal("EADDRINUSE", err.code)
    assert.equal("127.0.0.3", err.address)
  end)

  it("takes no names in a list", function()
    local server, err = net.listen({ "127.0.0.1", "localhost" }, 0)

    assert.is_nil(server)
    assert.equal("EAI_NONAME", err.code)
  end)

  it("raises for wrong arguments, and for another self", function()
    local server <close> = open()
    local calls = {
      function() local _ = server:accept "1" end,
      function() local _ = server:accept(-1) end,
      function() local _ = server:settimeout(0 / 0) end,
      function() local _ = server:serve() end,
      function() local _ = server:serve(print, { limit = 0 }) end,
      function() local _ = net.listen({}, 0) end,
    }

    for _, call in ipairs(calls) do
      local ok, message = pcall(call)
      assert.is_false(ok)
      assert.matches("^spec/lualib/listeners_spec.lua:%d+: bad argument #%d to '", message)
    end
    for _, name in ipairs { "accept", "settimeout", "getsockname", "close", "clients", "serve" } do
      for _, self in ipairs { 1, {}, server.list[1] } do
        assert.error_matches(function() return server[name](self) end, "net%.listeners expected, got ")
      end
    end
  end)
end)
