-- Timed receives: recv(n, timeout), recvfrom(n, timeout) and the limits around them.

local function datagrams()
  local s = assert(net.udp { family = "inet" })
  assert(s:bind("127.0.0.1", 0))
  local _, port = s:getsockname()
  local out = assert(net.udp { family = "inet" })
  assert(out:connect("127.0.0.1", port))
  return s, out
end

describe("recv with a timeout", function()
  it("loses nothing when the end of a line comes after the timeout", function()
    local a <close>, b = net.pair()
    b:write "half a "
    local line, err = net.timeout(0.02, a.read, a, "l")
    assert.is_nil(line)
    assert.equal("TIMEOUT", err.code)

    b:write "line\n"

    assert.equal("half a line", a:read "l")
    b:close()
  end)

  it("loses nothing when bytes trickle in, each after a timeout", function()
    local a <close>, b = net.pair()
    a:settimeout(0.005)
    for byte in ("trickle\n"):gmatch "." do
      local line, err = a:read "l"
      assert.is_nil(line)
      assert.equal("TIMEOUT", err.code)
      b:write(byte)
    end

    assert.equal("trickle", a:read "l")
    b:close()
  end)

  it("tells the end, a timeout and data apart", function()
    local a <close>, b = net.pair()

    local none, err = a:recv(10, 0.01)
    b:write "x"
    local data = a:recv(10, 1)
    b:close()
    local last, nothing = a:recv(10, 1)

    assert.is_nil(none)
    assert.equal("TIMEOUT", err.code)
    assert.equal("x", data)
    assert.is_nil(last)
    assert.is_nil(nothing)
  end)

  it("takes what is there at timeout 0", function()
    local a <close>, b = net.pair()
    b:write "there"

    assert.equal("there", a:recv(10, 0))

    assert.equal("TIMEOUT", select(2, a:recv(10, 0)).code)
    b:close()
  end)

  it("ends at the nearest of the call's, the object's and the scope's deadline", function()
    local a <close>, b = net.pair()
    local limits = { { 0.02, nil, nil }, { 10, 0.02, nil }, { 10, 10, 0.02 } }
    for _, limit in ipairs(limits) do
      local began = net.now()
      a:settimeout(limit[2])

      local _, err = net.timeout(limit[3] or 10, a.recv, a, 1, limit[1])

      assert.equal("TIMEOUT", err.code)
      assert.is_true(net.now() - began < 9)
    end
    b:close()
  end)
end)

describe("recvfrom with a timeout", function()
  it("tells an empty datagram from a timeout", function()
    local s <close>, out = datagrams()

    out:send ""

    assert.equal("", (s:recvfrom(10, 5)))
    local data, err = s:recvfrom(10, 0.01)
    assert.is_nil(data)
    assert.equal("TIMEOUT", err.code)
    out:close()
  end)

  it("tells a cut datagram from one that fits exactly", function()
    local s <close>, out = datagrams()
    out:send "12345"
    out:send "12345"
    out:send ""

    local exact = table.pack(s:recvfrom(5, 5))
    local cut = table.pack(s:recvfrom(4, 5))
    local empty = table.pack(s:recvfrom(1, 5))

    assert.equal("12345", exact[1])
    assert.is_nil(exact[4])
    assert.equal("1234", cut[1])
    assert.equal(5, cut[4])
    assert.equal("", empty[1])
    assert.is_nil(empty[4])
    out:close()
  end)

  it("keeps a datagram that comes after the timeout for the next call", function()
    local s <close>, out = datagrams()
    assert.equal("TIMEOUT", select(2, s:recvfrom(10, 0.01)).code)

    out:send "late"

    assert.equal("late", (s:recvfrom(10, 5)))
    out:close()
  end)
end)

-- The kernel calls it readable and gives nothing: each receive asked again and again until its time was over.
describe("a datagram socket that is shut down for reading", function()
  local makers = {
    dgram = function() return net.pair "dgram" end,
    seqpacket = function() return net.pair "seqpacket" end,
    UDP = function()
      local a, b = assert(net.udp()), assert(net.udp())
      assert(a:bind("127.0.0.1", 0))
      assert(b:connect(a:getsockname()))
      assert(a:connect(b:getsockname()))
      return a, b
    end,
  }
  for kind, make in pairs(makers) do
    for _, receive in ipairs { "recv", "recvfrom", "recvmsg" } do
      it(("gives %s what came before, and the end: %s"):format(receive, kind), function()
        local a <close>, b = make()
        local held <close> = b -- luacheck: ignore held
        b:send "before"

        assert.is_true(a:shutdown "r")

        assert.equal("before", (a[receive](a, 10, 30)))
        for _, timeout in ipairs { 30, 0 } do
          local data, err = a[receive](a, 10, timeout)
          assert.is_nil(data)
          assert.is_nil(err)
        end
      end)
    end

    it("wakes who waits: " .. kind, function()
      local a <close>, b = make()
      local held <close> = b -- luacheck: ignore held
      local task = net.spawn(function() return table.pack(a:recv(10, 30)) end)
      net.sleep(0)

      a:shutdown "r"

      local results = task:join(30)
      assert.is_nil(results[1])
      assert.is_nil(results[2])
    end)
  end

  it("ends, too, where that was refused for want of a peer", function()
    local s <close> = assert(net.udp { family = "inet" })
    assert.equal("ENOTCONN", select(2, s:shutdown "r").code)

    local data, err = s:recv(10, 30)

    assert.is_nil(data)
    assert.is_nil(err)
  end)
end)
