describe("recvmsg from the error queue", function()
  it("ends with nil on a socket that is shut down", function()
    local s <close> = assert(net.udp { family = "inet" })
    assert(s:connect("127.0.0.1", 9))
    assert(s:shutdown "rw")

    local data, err = s:recvmsg(100, 5, { errqueue = true })

    assert.is_nil(data)
    assert.is_nil(err)
  end)

  -- It asked again and again, beyond its timeout.
  it("fails with what the socket keeps beside the queue", function()
    local s <close> = assert(net.udp { family = "inet" })
    assert(s:connect("127.0.0.1", 1))
    assert(s:send "lost")

    local data, err = s:recvmsg(100, 30, { errqueue = true })

    assert.is_nil(data)
    assert.equal("ECONNREFUSED", err.code)
    assert.equal("TIMEOUT", select(2, s:recvmsg(100, 0, { errqueue = true })).code)
  end)

  it("is woken by close and by cancellation", function()
    local s = assert(net.udp { family = "inet" })
    local function wait() return select(2, s:recvmsg(100, 5, { errqueue = true })) end
    local canceled, closed = net.spawn(wait), net.spawn(wait)
    net.sleep(0)

    canceled:cancel()
    s:close()

    assert.equal("CANCELED", select(2, canceled:join(30)).code)
    assert.equal("CLOSED", closed:join(30).code)
    assert.equal("CLOSED", select(2, s:recvmsg(100, 5, { errqueue = true })).code)
  end)
end)

describe("recvmsg with errors as results", function()
  local errors = { errors = true }

  local function refused(family, address)
    local s = assert(net.udp { family = family })
    assert(s:ancillary { error = true, timestamp = true })
    assert(s:sendto("lost", address, 1))
    return s
  end

  for family, address in pairs { inet = "127.0.0.1", inet6 = "::1" } do
    it("gives what was quoted, who says so and when, over " .. family, function()
      local began = net.now()
      local s <close> = refused(family, address)

      local data, info = s:recvmsg(100, 5, errors)

      assert.equal("lost", data)
      assert.equal(address, info.address)
      assert.equal(1, info.port)
      assert.equal("ECONNREFUSED", info.error.name)
      assert.equal(address, info.error.offender)
      assert.is_true(info.received >= began - 0.01 and info.received <= net.now())
      assert.equal("TIMEOUT", select(2, s:recvmsg(100, 0, errors)).code)
    end)
  end

  it("finds them without waiting, one for each datagram", function()
    local s <close> = refused("inet", "127.0.0.1")
    s:sendto("again", "127.0.0.1", 1) -- the first may be told of the refusal
    s:sendto("again", "127.0.0.1", 1)

    assert.equal("lost", (s:recvmsg(100, 0, errors)))
    assert.equal("again", (s:recvmsg(100, 0, errors)))
  end)

  it("gives datagrams as ever", function()
    local s <close> = assert(net.udp { family = "inet" })
    assert(s:bind("127.0.0.1", 0))
    s:sendto("data", s:getsockname())

    local data, info = s:recvmsg(100, 5, errors)

    assert.equal("data", data)
    assert.is_nil(info.error)
  end)

  it("tells when a datagram came on the clock of net.now", function()
    local s <close> = assert(net.udp { family = "inet" })
    assert(s:ancillary { timestamp = true })
    assert(s:bind("127.0.0.1", 0))
    local before, after, info

    -- The system begins to take down the time a little after it was asked; until then it says when we looked.
    for _ = 1, 20 do
      before = net.now()
      s:sendto("x", s:getsockname())
      after = net.now()
      net.sleep(0.05)
      info = select(2, s:recvmsg(100, 5))
      if info.received < after + 0.02 then break end
    end

    assert.is_true(info.received > before - 0.02, "too early")
    assert.is_true(info.received < after + 0.02, "the time of looking, not of coming")
  end)
end)
