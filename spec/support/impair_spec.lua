local impair = require "impair"
local peer = require "peer"

local function dial(proxy)
  return assert(net.connect(proxy.host, proxy.port, { timeout = 5 }))
end

local function echoed()
  return peer.each(function(client) client:write(client:read "a") end)
end

local TEXT = ("0123456789"):rep(20000)

describe("the impairment proxy", function()
  it("without options forwards both ways and passes both ends on", function()
    local server <close> = echoed()
    local proxy <close> = impair.proxy(server.host, server.port)
    local s <close> = dial(proxy)

    net.spawn(function()
      s:write(TEXT)
      s:shutdown "w"
    end)

    assert.is_true(TEXT == net.timeout(30, s.read, s, "a"))
  end)

  it("serves several connections", function()
    local server <close> = peer.echo()
    local proxy <close> = impair.proxy(server.host, server.port)

    local answers = net.map({ "a", "b", "c", "d" }, function(word)
      local s <close> = dial(proxy)
      s:write(word, "\n")
      return net.timeout(30, s.read, s)
    end)

    assert.equal("a b c d", table.concat(answers, " "))
  end)

  for _, direction in ipairs { "up", "down" } do
    it("delays, " .. direction, function()
      local server <close> = peer.echo()
      local proxy <close> = impair.proxy(server.host, server.port, { [direction] = { delay = 0.05 } })
      local s <close> = dial(proxy)
      local began = net.now()
      s:write "x\n"

      assert.equal("x", net.timeout(30, s.read, s))

      assert.is_true(net.now() - began >= 0.05)
    end)

    it("limits the rate, " .. direction, function()
      local server <close> = echoed()
      local proxy <close> = impair.proxy(server.host, server.port, { [direction] = { rate = 20000 } })
      local s <close> = dial(proxy)
      local began = net.now()
      s:write(TEXT:sub(1, 2000))
      s:shutdown "w"

      assert.equal(TEXT:sub(1, 2000), net.timeout(30, s.read, s, "a"))

      assert.is_true(net.now() - began >= 0.09, net.now() - began)
    end)

    it("loses nothing when it cuts up, " .. direction, function()
      local server <close> = echoed()
      local proxy <close> = impair.proxy(server.host, server.port, { [direction] = { split = 7 } })
      local s <close> = dial(proxy)
      s:write(TEXT:sub(1, 500))
      s:shutdown "w"

      assert.equal(TEXT:sub(1, 500), net.timeout(30, s.read, s, "a"))
    end)
  end

  it("cuts into segments that arrive one by one", function()
    local server <close> = peer.once(function(s) s:write "0123456789" end)
    local proxy <close> = impair.proxy(server.host, server.port, { down = { split = 3 } })
    local s <close> = dial(proxy)

    local got = {}
    for piece in function() return s:recv(100, 5) end do got[#got + 1] = piece end

    assert.equal("0123456789", table.concat(got))
    assert.is_true(#got >= 2, #got)
  end)

  it("stalls after so many bytes and does not end", function()
    local server <close> = peer.once(function(s) s:write "0123456789" end)
    local proxy <close> = impair.proxy(server.host, server.port, { down = { stall_after = 4 } })
    local s <close> = dial(proxy)

    assert.equal("0123", s:read(4))
    local got, err = s:recv(1, 0.05)

    assert.is_nil(got)
    assert.equal("TIMEOUT", err and err.code)
  end)

  it("stalls from the beginning", function()
    local server <close> = peer.once(function(s) s:write "0123456789" end)
    local proxy <close> = impair.proxy(server.host, server.port, { down = { stall_after = 0 } })
    local s <close> = dial(proxy)

    local _, err = s:recv(1, 0.05)

    assert.equal("TIMEOUT", err and err.code)
  end)

  it("stalls one direction and leaves the other", function()
    local seen = net.channel(1)
    local server <close> = peer.once(function(s)
      s:write "0123456789"
      seen:send((s:read()))
    end)
    local proxy <close> = impair.proxy(server.host, server.port, { down = { stall_after = 4 } })
    local s <close> = dial(proxy)
    assert.equal("0123", s:read(4))

    s:write "still heard\n"

    assert.equal("still heard", net.timeout(30, seen.receive, seen))
  end)

  it("resets after so many bytes, once the other end sends more", function()
    local server <close> = peer.once(function(s)
      s:read()
      s:write "first\nsecond\n"
      s:recv(1)
    end)
    local proxy <close> = impair.proxy(server.host, server.port, { down = { reset_after = 9 } })
    local s <close> = dial(proxy)
    s:write "request\n"
    assert.equal("first", net.timeout(30, s.read, s))
    assert.equal("sec", net.timeout(30, s.peek, s, 3))
    s:write "more"

    local got, err = net.timeout(30, s.read, s)

    assert.is_nil(got)
    assert.equal("ECONNRESET", err and err.code)
    assert.equal("sec", err.partial)
  end)

  it("closes what goes through it", function()
    local server <close> = peer.echo()
    local proxy = impair.proxy(server.host, server.port)
    local s <close> = dial(proxy)
    s:write "x\n"
    assert.equal("x", net.timeout(30, s.read, s))

    proxy.close()

    local got, err = s:recv(1, 5)
    assert.is_true(got == nil and (err == nil or err.code == "ECONNRESET"))
    assert.is_nil((net.connect(proxy.host, proxy.port, { timeout = 5 })))
  end)

  it("ends the client where the server refuses", function()
    local listener <close> = assert(net.listen("127.0.0.1", 0))
    local host, port = listener:getsockname()
    listener:close()
    local proxy <close> = impair.proxy(host, port)
    local s <close> = dial(proxy)

    assert.is_nil((s:recv(1, 5)))
  end)

  for claim, options in pairs {
    ["an unknown direction"] = { left = {} }, ["an unknown option"] = { up = { speed = 1 } },
    ["an option that is no number"] = { down = { delay = "1" } }, ["a negative one"] = { up = { rate = -1 } },
  } do
    it("raises for " .. claim, function()
      assert.is_false(pcall(impair.proxy, "127.0.0.1", 9, options))
    end)
  end
end)

describe("a stream through a bad network", function()
  local function read(options, ...)
    local server <close> = peer.once(function(s)
      s:write "HTTP/1.1 200 OK\r\nLength: 5\r\n\r\n12345"
    end)
    local proxy <close> = impair.proxy(server.host, server.port, { down = options })
    local s <close> = dial(proxy)
    return net.timeout(30, s.read, s, ...)
  end

  for claim, options in pairs {
    ["cut into bytes"] = { split = 1 }, ["cut into twos"] = { split = 2 }, ["late"] = { delay = 0.02 },
    ["slow"] = { rate = 1000 }, ["slow, late and cut"] = { rate = 2000, delay = 0.01, split = 3 },
  } do
    it("reads the same, " .. claim, function()
      assert.same({ "HTTP/1.1 200 OK", "Length: 5", "", "12345" }, { read(options, "l", "l", "l", 5) })
    end)
  end
end)
