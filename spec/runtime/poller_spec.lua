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

    assert.same({}, net.poll({ { a, "" } }, 0.1))

    assert.is_true(os.clock() - cpu < 0.05)
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

    assert.equal("CLOSED", first:join(5).code)
    assert.equal("CLOSED", second:join(5).code)
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

    assert.same({ a }, (waiting:join(5)))
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

    assert.same({ s }, (waiting:join(5)))
  end)
end)
