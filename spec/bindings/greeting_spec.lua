local greeting = require "net.core.greeting"
local secure = require "secure"

describe("a policy", function()
  it("is what was set last, and nothing before", function()
    local a <close> = assert(net.pair())
    local policy = { 1 }

    assert.is_nil(greeting.policy(a))
    assert.equal(policy, greeting.policy(a, policy))
    assert.equal(policy, greeting.policy(a))
    assert.is_false(greeting.due(a))
  end)

  it("of a listener goes to what it accepts, whose greeting is due", function()
    local listener <close> = assert(net.listen("127.0.0.1", 0))
    local policy = { timeout = 1 }
    greeting.policy(listener, policy)
    local a <close> = assert(net.connect(listener:getsockname()))

    local b <close> = assert(listener:accept(5))

    assert.equal(policy, greeting.policy(b))
    assert.is_true(greeting.due(b))
    assert.is_false(greeting.due(a))
  end)

  it("is a table, of an object with a descriptor", function()
    local a <close> = assert(net.pair())

    assert.is_false(pcall(greeting.policy, a, 1))
    assert.is_false(pcall(greeting.policy, 1, {}))
    assert.is_false(pcall(greeting.greeter, 1))
  end)
end)

describe("the greeter", function()
  -- A stream of a listener with TLS, before its handshake, and the client's plain end of it.
  local function accepted(f)
    local options = { tls = secure.server { handshake_timeout = 5 } }
    local listener <close> = assert(net.listen("127.0.0.1", 0, options))
    local raw <close> = assert(net.connect(listener:getsockname()))
    local s <close> = assert(listener:accept(5))
    f(s, raw)
  end

  it("runs before the first call that waits, within the time of that call", function()
    for _, call in ipairs { "recv", "peek" } do
      accepted(function(s)
        local began = net.now()
        assert.equal("TIMEOUT", select(2, s[call](s, 1, 0.01)).code)
        assert.is_true(net.now() - began < 4.5)
      end)
    end
  end)

  it("leaves to the call what is left of its time", function()
    accepted(function(s, raw)
      local client = net.spawn(function()
        net.sleep(2)
        return raw:starttls(secure.client(), 5)
      end)
      local began = net.now()

      assert.equal("TIMEOUT", select(2, s:recv(1, 4)).code)
      assert.is_true(net.now() - began < 5.9)
      assert(client:join(30))
      s:settimeout(0.05)
      assert.equal("TIMEOUT", select(2, s:read()).code)
    end)
  end)

  it("leaves nothing of its own trouble to the stream", function()
    accepted(function(s, raw)
      assert.equal("TIMEOUT", select(2, s:handshake(0.01)).code)
      local client = net.spawn(function()
        assert(raw:starttls(secure.client(), 5))
        assert(raw:write "x")
        return raw:finish(5)
      end)
      net.sleep(0.05)
      net.select({ s }, nil, nil, 1) -- looks at a stream in the middle of its handshake

      assert(s:handshake(5))
      assert.equal("x", s:read "a")
      assert.same({ n = 1 }, table.pack(s:read(1)))
      s:close()
      assert(client:join(30))
    end)
  end)

  it("obeys the time of the object", function()
    accepted(function(s)
      s:settimeout(0.01)
      assert.equal("TIMEOUT", select(2, s:read()).code)
    end)
  end)

  it("does not run for calls that do not wait", function()
    accepted(function(s)
      assert.equal(0, s:buffered())
      assert(s:getpeername())
      assert(s:setsockopt("SO_KEEPALIVE", true))
      assert.is_true(greeting.due(s))
    end)
  end)

  it("gives each call of several tasks its answer", function()
    accepted(function(s, raw)
      local tasks = {}
      for index = 1, 3 do tasks[index] = net.spawn(s.write, s, index, "\n") end
      net.sleep(0)
      assert(raw:starttls(secure.client(), 5))

      local lines = {}
      for index = 1, 3 do lines[index] = raw:read() end
      table.sort(lines)

      assert.same({ "1", "2", "3" }, lines)
      for _, task in ipairs(tasks) do assert(task:join(30)) end
    end)
  end)

  it("lets another task go on where the one that began is canceled", function()
    accepted(function(s, raw)
      local first = net.spawn(s.read, s)
      net.sleep(0)
      local second = net.spawn(s.write, s, "hello\n")
      net.sleep(0)
      first:cancel()
      assert.equal("CANCELED", select(2, first:join(30)).code)

      assert(raw:starttls(secure.client(), 5))

      assert.equal("hello", raw:read())
      assert(second:join(30))
    end)
  end)

  it("answers CLOSED where the stream is closed meanwhile", function()
    accepted(function(s)
      local reader = net.spawn(s.read, s)
      net.sleep(0)
      s:close()

      assert.equal("CLOSED", select(2, reader:join(30)).code)
    end)
  end)

  it("works where Lua cannot yield", function()
    accepted(function(s, raw)
      local client = net.spawn(raw.starttls, raw, secure.client(), 5)
      net.sleep(0)
      local code
      table.sort({ 1, 2 }, function(a, b)
        code = code or select(2, s:recv(1, 0.01)).code -- the client has to go on, which it cannot
        return a < b
      end)

      assert.equal("TIMEOUT", code)
      assert(s:handshake(5))
      assert(client:join(30))
    end)
  end)
end)
