local connected = require "connected"
local netlua = require "netlua"

local pair = connected.pair

local function collect(...)
  local all = {}
  for piece in ... do all[#all + 1] = piece end
  return all
end

describe("lines", function()
  for _, case in ipairs {
    { "of nothing are none", "", nil, {} },
    { "end at the end", "one\ntwo\n", nil, { "one", "two" } },
    { "lose their CRLF", "one\r\ntwo\r\n", nil, { "one", "two" } },
    { "give an unterminated last line", "one\ntwo", nil, { "one", "two" } },
    { "give empty lines", "\n\n\n", nil, { "", "", "" } },
    { "keep their end with L", "one\r\ntwo", "L", { "one\r\n", "two" } },
    { "give numbers with n", "1 2 3.5", "n", { 1, 2, 3.5 } },
    { "give pieces of a size, the last shorter", "abcdefgh", 3, { "abc", "def", "gh" } },
  } do
    it(case[1], function()
      local _ <close>, s, other = pair()
      other:write(case[2])
      other:close()

      assert.same(case[4], collect(s:lines(case[3])))
    end)
  end

  it("come as they arrive", function()
    local _ <close>, s, other = pair()
    net.spawn(function()
      for i = 1, 100 do
        other:write(i, "\n")
        if i % 10 == 0 then net.sleep(0) end
      end
      other:close()
    end)

    assert.equal(100, #collect(s:lines()))
  end)

  it("raise what is no end: a reset", function()
    local _ <close>, s, other = connected.tcp()
    other:write "one\ntw"
    connected.reset(other, s)
    local got = {}

    local ok, err = pcall(function()
      for line in s:lines() do got[#got + 1] = line end
    end)

    assert.is_false(ok)
    assert.equal("ECONNRESET", err.code)
    assert.same({ "one" }, got)
  end)

  it("raise a timeout and can go on after it", function()
    local _ <close>, s, other = pair()
    other:write "one\ntw"
    s:settimeout(0.01)
    local got = {}

    local ok, err = pcall(function()
      for line in s:lines() do got[#got + 1] = line end
    end)

    assert.is_false(ok)
    assert.equal("TIMEOUT", err.code)
    other:write "o\n"
    other:close()
    for line in s:lines() do got[#got + 1] = line end
    assert.same({ "one", "two" }, got)
  end)

  it("raise for a line that is too long", function()
    local _ <close>, s, other = pair()
    s:setlimits { max_line = 10 }
    other:write(("x"):rep(20))

    local ok, err = pcall(s:lines())

    assert.is_false(ok)
    assert.equal("TOOBIG", err.code)
  end)

  it("raise for a format that is none", function()
    local _ <close>, s = pair()

    for _, wrong in ipairs { "x", "", 1.5, true } do
      -- The message named the library's line and `read`.
      assert.error_matches(function() s:lines(wrong) end,
        "bad argument #1 to 'lines' %(.* expected, got ")
    end
  end)

  it("of a closed stream raise CLOSED", function()
    local _ <close>, s = pair()
    s:close()

    local ok, err = pcall(s:lines())

    assert.is_false(ok)
    assert.equal("CLOSED", err.code)
  end)
end)

describe("finish", function()
  it("closes the stream even when the time is over before it began", function()
    local _ <close>, s = pair()

    local n, err = s:finish(0)

    assert.is_nil(n)
    assert.equal("TIMEOUT", err.code)
    assert.equal("net.stream (closed)", tostring(s))
  end)

  it("of a closed stream says CLOSED", function()
    local _ <close>, s = pair()
    s:close()

    local n, err = s:finish(1)

    assert.is_nil(n)
    assert.equal("CLOSED", err.code)
  end)

  it("sees the whole of what the peer gets", function()
    local _ <close>, s, other = connected.tcp()
    local reader = net.spawn(function()
      local got = other:read "a"
      other:close()
      return got
    end)
    local text = ("0123456789"):rep(100000)
    assert(s:write(text))

    assert.equal(0, s:finish(5))

    assert.is_true(text == reader:join(30))
  end)
end)

describe("clients", function()
  it("come one after the other until the listener is closed", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local host, port = server:getsockname()
    local dialer = net.spawn(function()
      for _ = 1, 3 do
        local s <close> = assert(net.connect(host, port))
        s:recv(1, 5)
      end
    end)

    local n = 0
    for client in server:clients() do
      n = n + 1
      client:close()
      if n == 3 then server:close() end
    end

    assert.equal(3, n)
    assert.is_true(dialer:join(30))
  end)

  it("end for who waits when the listener is closed", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local waiter = net.spawn(function() return #collect(server:clients()) end)
    net.sleep(0)

    server:close()

    assert.equal(0, waiter:join(30))
  end)

  it("raise a timeout", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    server:settimeout(0.01)

    local ok, err = pcall(server:clients())

    assert.is_false(ok)
    assert.equal("TIMEOUT", err.code)
  end)
end)

describe("serve", function()
  local function serve(handler, options)
    local server = assert(net.listen("127.0.0.1", 0))
    local host, port = server:getsockname()
    local task = net.spawn(server.serve, server, handler, options)
    local function dial() return assert(net.connect(host, port, { timeout = 5 })) end
    local function close()
      server:close()
      task:cancel()
    end
    return setmetatable({ server = server, task = task, dial = dial }, { __close = close })
  end

  local function echo(client)
    for line in client:lines "L" do client:write(line) end
  end

  it("serves many clients at a time", function()
    local service <close> = serve(echo)
    local clients <close> = setmetatable({}, {
      __close = function(self)
        for _, s in ipairs(self) do s:close() end
      end,
    })
    for i = 1, 20 do clients[i] = service.dial() end

    for i, s in ipairs(clients) do s:write(i, "\n") end

    for i, s in ipairs(clients) do assert.equal(tostring(i), net.timeout(30, s.read, s)) end
  end)

  it("closes a client when its handler returns", function()
    local service <close> = serve(function(client) client:write "bye" end)

    local s <close> = service.dial()

    assert.equal("bye", net.timeout(30, s.read, s, "a"))
  end)

  it("serves no more than the limit at a time, and all in the end", function()
    local now, most, served, full = 0, 0, 0, net.event()
    local service <close> = serve(function(client)
      now = now + 1
      most = math.max(most, now)
      if now == 3 then full:set() end
      full:wait(5)
      for _ = 1, 20 do net.sleep(0) end -- one too many would come now
      client:read()
      now, served = now - 1, served + 1
    end, { limit = 3 })

    net.map({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, function()
      local s <close> = service.dial()
      s:write "\n"
      return net.timeout(30, s.read, s, "a")
    end)

    service.server:close()
    assert.is_true(service.task:join(30))
    assert.equal(3, most)
    assert.equal(10, served)
  end)

  it("reports the error of a handler on standard error, ends that client and goes on", function()
    local out, err, status = netlua.run [[
      local server = assert(net.listen("127.0.0.1", 0))
      local host, port = server:getsockname()
      local task = net.spawn(server.serve, server, function(client)
        local word = client:read()
        if word == "bad" then error "handler broke" end
        client:write(word, "\n")
      end, { limit = 1 })
      for _, word in ipairs { "good", "bad", "still good" } do
        local s <close> = assert(net.connect(host, port))
        s:write(word, "\n")
        print(net.timeout(30, s.read, s, "a"))
      end
      server:close()
      print(task:join(30))
    ]]

    assert.equal("good\n\n\nstill good\n\ntrue\n", out)
    assert.equal(0, status)
    assert.matches("handler broke", err, 1, true)
    assert.matches("stack traceback", err, 1, true)
  end)

  it("reports a handler that raises an error object", function()
    local out, err, status = netlua.run [[
      local server = assert(net.listen("127.0.0.1", 0))
      local host, port = server:getsockname()
      local task = net.spawn(server.serve, server, function(client)
        assert(net.connect("10.0.0.256", 80))
      end)
      local s <close> = assert(net.connect(host, port))
      print(s:recv(1, 5))
      server:close()
      print(task:join(30))
    ]]

    assert.equal("nil\ntrue\n", out)
    assert.matches("EAI_NONAME", err, 1, true)
    assert.equal(0, status)
  end)

  it("ends when the listener is closed, after the last client", function()
    local service <close> = serve(echo)
    local s <close> = service.dial()
    s:write "one\n"
    assert.equal("one", net.timeout(30, s.read, s))

    service.server:close()

    assert.equal("TIMEOUT", select(2, service.task:join(0.02)).code)
    s:write "two\n"
    assert.equal("two", net.timeout(30, s.read, s))
    s:close()
    assert.is_true(service.task:join(30))
  end)

  it("ends at once when the listener is closed without clients", function()
    local service <close> = serve(echo)
    net.sleep(0)

    service.server:close()

    assert.is_true(service.task:join(30))
  end)

  it("ends when the listener is closed while it waits for a place", function()
    local service <close> = serve(echo, { limit = 1 })
    local s <close> = service.dial()
    s:write "x\n"
    assert.equal("x", net.timeout(30, s.read, s))

    service.server:close()
    s:close()

    assert.is_true(service.task:join(30))
  end)

  it("cancels its clients when it is canceled", function()
    local ended
    local service <close> = serve(function(client)
      local _, err = pcall(client.read, client)
      ended = err
      error(err)
    end)
    local s <close> = service.dial()
    net.sleep(0.001)

    service.task:cancel()

    assert.equal("CANCELED", select(2, service.task:join(30)).code)
    assert.is_nil((s:recv(1, 5)))
    assert.equal("CANCELED", ended.code)
  end)

  it("gives the timeout of the listener back", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    server:settimeout(0.01)

    local ok, err = server:serve(echo)

    assert.is_nil(ok)
    assert.equal("TIMEOUT", err.code)
  end)

  it("goes on when there are descriptors again", function()
    local name = os.tmpname()
    local file = assert(io.open(name, "w"))
    file:write [[
      local server = assert(net.listen("127.0.0.1", 0))
      local host, port = server:getsockname()
      local served = 0
      local task = net.spawn(server.serve, server, function(client)
        served = served + 1
        client:read "a"
      end)
      local held = {}
      repeat
        local s = net.connect(host, port, { timeout = 1 })
        held[#held + 1] = s
        net.sleep(0.001)
      until not s
      local cpu, before = os.clock(), served
      net.sleep(1)
      io.write(os.clock() - cpu < 0.2 and "rests" or "spins", served < #held and " short" or " full")
      for _, s in ipairs(held) do s:close() end
      local waited = 0
      while served < #held and waited < 1000 do net.sleep(0.01) waited = waited + 1 end
      print(served == #held and " served all" or " lost some")
      server:close()
      print(task:join(30))
    ]]
    file:close()
    local out, err = netlua.shell("ulimit -n 40 && exec %s " .. name, 20)
    os.remove(name)

    assert.equal("", err)
    assert.matches("^rests.* served all\ntrue\n$", out)
  end)

  for claim, wrong in pairs {
    ["a handler that is none"] = { 1 }, ["no handler"] = {}, ["options that are no table"] = { echo, 5 },
    ["a limit of 0"] = { echo, { limit = 0 } }, ["a limit with a fraction"] = { echo, { limit = 1.5 } },
    ["a limit that is text"] = { echo, { limit = "3" } }, ["an unknown option"] = { echo, { limits = 3 } },
  } do
    it("raises for " .. claim, function()
      local server <close> = assert(net.listen("127.0.0.1", 0))

      local ok, message = pcall(function()
        local done = server:serve(table.unpack(wrong, 1, 2))
        return done
      end)

      assert.is_false(ok)
      assert.matches("^spec/.*'serve'", message)
    end)
  end
end)

describe("a handler that fails with the cancellation of another task", function()
  it("ends its own client only", function()
    local out, err, status = require("netlua").run [[
      local server = assert(net.listen("127.0.0.1", 0))
      local _, port = server:getsockname()
      local serving = net.spawn(server.serve, server, function(client)
        if client:read() == "bad" then
          local task = net.spawn(net.sleep, 10)
          task:cancel()
          assert(task:join())
        end
        client:write "fine\n"
      end)
      local good, bad = assert(net.connect("127.0.0.1", port)), assert(net.connect("127.0.0.1", port))
      bad:write "bad\n"
      print(bad:read())
      good:write "good\n"
      print(good:read())
      good:close()
      server:close()
      print(serving:join())
    ]]

    assert.equal("nil\nfine\ntrue\n", out)
    assert.matches("client failed: .*CANCELED", err)
    assert.equal(0, status)
  end)
end)
