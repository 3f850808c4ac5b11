-- Interfaces as arguments, seen through what takes them.

describe("an interface", function()
  it("is found by name, index and address of either family", function()
    local s <close> = assert(net.udp { family = "inet6" })
    for _, lo in ipairs { "lo", 1, "127.0.0.1", "::1" } do
      local ok, err = s:interface(lo)
      if lo == "::1" and not ok then
        pending "no IPv6 on lo"
        return
      end

      assert.is_nil(err)
      assert.equal("lo", s:interface())
      assert(s:interface(false))
    end
  end)

  it("is the system's choice for false, 0 and a star", function()
    local s <close> = assert(net.udp { family = "inet" })
    for _, any in ipairs { false, 0, "*" } do
      assert(s:interface "lo")

      assert(s:interface(any))

      assert.is_false(s:interface())
    end
  end)

  it("is ENODEV if there is none, with what was asked for", function()
    local s <close> = assert(net.udp())
    local none = { "", "nope0", ("x"):rep(300), "\xff", "203.0.113.77", "2001:db8::77", 2000000000 }
    for _, nowhere in ipairs(none) do
      local ok, err = s:interface(nowhere)

      assert.is_nil(ok)
      assert.equal("ENODEV", err.code)
      assert.equal(nowhere, err.interface)
    end
  end)

  it("sends from its own address, not from 0.0.0.0", function()
    local s <close> = assert(net.udp { family = "inet" })
    assert(s:bind("0.0.0.0", 0))
    assert(s:join("224.1.1.1", { interface = 1 }))
    local out <close> = assert(net.udp { family = "inet" })
    assert(out:interface(1))

    out:sendto("x", "224.1.1.1", select(2, s:getsockname()))

    local _, address = s:recvfrom(10, 5)
    assert.equal("127.0.0.1", address)
  end)
end)
