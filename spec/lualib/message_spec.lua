describe("recvmsg from the error queue", function()
  it("ends with nil on a socket that is shut down", function()
    local s <close> = assert(net.udp { family = "inet" })
    assert(s:connect("127.0.0.1", 9))
    assert(s:shutdown "rw")

    local data, err = s:recvmsg(100, 5, { errqueue = true })

    assert.is_nil(data)
    assert.is_nil(err)
  end)

  it("is woken by close and by cancellation", function()
    local s = assert(net.udp { family = "inet" })
    local function wait() return select(2, s:recvmsg(100, 5, { errqueue = true })) end
    local canceled, closed = net.spawn(wait), net.spawn(wait)
    net.sleep(0)

    canceled:cancel()
    s:close()

    assert.equal("CANCELED", select(2, canceled:join(5)).code)
    assert.equal("CLOSED", closed:join(5).code)
    assert.equal("CLOSED", select(2, s:recvmsg(100, 5, { errqueue = true })).code)
  end)
end)
