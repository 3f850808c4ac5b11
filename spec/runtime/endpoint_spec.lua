local island = require "island"

describe("a datagram socket without a family", function()
  it("takes that of its first address, whatever the call", function()
    local calls = {
      function(s, address) return s:bind(address, 0) end,
      function(s, address) return s:connect(address, 9) end,
      function(s, address) return s:sendto("x", address, 9) end,
      function(s, address) return s:sendmsg("x", { address = address, port = 9 }) end,
    }
    for _, call in ipairs(calls) do
      for address, family in pairs { ["127.0.0.1"] = net.AF_INET, ["::1"] = net.AF_INET6 } do
        local s <close> = assert(net.udp())

        assert(call(s, address))

        assert.equal(family, s:getsockopt "SO_DOMAIN")
      end
    end
  end)

  it("keeps its descriptor number and its options when it changes", function()
    local s <close> = assert(net.udp { broadcast = true, sndbuf = 32768 })
    local fd, size = s:fileno(), s:getsockopt "SO_SNDBUF"
    assert(s:setsockopt("IP_MULTICAST_TTL", 3))
    assert(s:ancillary { ttl = true, pktinfo = true, tos = true, error = true, timestamp = true })

    assert(s:bind("::1", 0))

    assert.equal(fd, s:fileno())
    assert.is_true(s:getsockopt "SO_BROADCAST")
    assert.equal(size, s:getsockopt "SO_SNDBUF")
    assert.equal(3, s:getsockopt "IPV6_MULTICAST_HOPS")
    for _, name in ipairs { "IPV6_RECVHOPLIMIT", "IPV6_RECVPKTINFO", "IPV6_RECVTCLASS", "IPV6_RECVERR" } do
      assert.is_true(s:getsockopt(name), name)
    end
    assert.is_true(s:getsockopt "SO_TIMESTAMPNS")
  end)

  it("reaches IPv4 once it has become IPv6", function()
    local server <close> = assert(net.udp())
    local s <close> = assert(net.udp())
    assert(server:bind("127.0.0.1", 0))
    assert(s:bind("::", 0))

    assert(s:sendto("x", server:getsockname()))

    assert.equal("x", (server:recvfrom(10, 5)))
  end)

  it("has a family from its first address on", function()
    local s <close> = assert(net.udp())
    assert(s:bind("127.0.0.1", 0))

    local ok, err = s:sendto("x", "::1", 9)

    assert.is_nil(ok)
    assert.equal("EAFNOSUPPORT", err.code)
  end)
end)

describe("a datagram socket of ICMP", function()
  if not island.possible() then
    pending "needs namespaces"
    return
  end

  it("gives a whole message where there is room for more", function()
    -- Such sockets answer a look with MSG_TRUNC by 0, which was taken for an empty datagram: one byte came.
    local out, err = island.run [[
      local file <close> = assert(io.open("/proc/sys/net/ipv4/ping_group_range", "w"))
      file:write("0 0"):flush()
      for family, protocol in pairs { ["127.0.0.1"] = 1, ["::1"] = 58 } do
        local s = assert(net.socket(family == "::1" and "inet6" or "inet", "dgram", protocol))
        local request = string.char(family == "::1" and 128 or 8, 0, 0, 0, 0, 0, 0, 1) .. ("x"):rep(3000)
        assert(s:sendto(request, family, 0))
        local data, _, _, length = assert(s:recvfrom(4096, 5))
        print(#data, length)
      end]]

    assert.equal("", err)
    assert.equal("3008\tnil\n3008\tnil\n", out)
  end)
end)

-- The kernel said EINVAL, EADDRNOTAVAIL, ENETUNREACH or ENODEV, and left it to the reader to think of zones.
describe("an error about a link-local address", function()
  local SCRIPT = [[
    local address = %q
    local function say(ok, err) print(ok and "done" or tostring(err)) end
    local function udp() return assert(net.udp()) end
    say(net.connect(address, 9, { timeout = 2 }))
    say(udp():connect(address, 9))
    say(udp():bind(address, 9))
    say(udp():sendto("x", address, 9))
    say(udp():sendmsg("x", { address = address, port = 9 }))
    say(net.listen(address, 9))
  ]]

  -- What each call says of that address on a machine with nothing but loopback.
  local function said(address)
    local out = island.run(SCRIPT:format(address))
    local lines = {}
    for line in out:gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.equal(6, #lines, out)
    return lines
  end

  it("says who looks a name up", function()
    local s <close> = assert(net.udp())

    local _, err = s:sendto("x", "localhost", 9)

    assert.equal("EAI_NONAME", err.code)
    assert.matches("net.getaddrinfo", err:explain(), 1, true)
  end)

  it("says where the interfaces are listed, of a zone that is none", function()
    local s <close> = assert(net.udp())

    local _, err = s:sendto("x", "fe80::1%nosuch0", 9)

    assert.equal("no interface of the name or number after %", err.message)
    assert.equal("netlua ifaces -a lists the interfaces.", err:explain())
  end)

  it("says that a zone is missing", function()
    if not island.possible() then return pending "no namespaces here" end

    for _, line in ipairs(said "fe80::1") do
      local message = "%[fe80::1%]:9: a link%-local address needs a zone, as in fe80::1%%eth0 %(E%u+%)$"
      assert.matches(message, line)
    end
  end)

  it("names a zone that is no interface", function()
    if not island.possible() then return pending "no namespaces here" end

    for _, line in ipairs(said "fe80::1%99") do
      assert.matches("%[fe80::1%%99%]:9: the zone names interface 99, and there is none %(E%u+%)$", line)
    end
  end)

  it("of a group blames no zone where the interface is said in another way", function()
    if not island.possible() then return pending "no namespaces here" end

    -- Loopback carries no multicast of IPv6, which was told as a zone that is missing.
    local out = island.run [[
      local s = net.udp { family = "inet6" }
      assert(s:interface "lo")
      local _, err = s:sendto("x", "ff02::1234", 9)
      print(err)
      print(err:explain())]]

    assert.matches("^sendto %[ff02::1234%]:9: network is unreachable %(ENETUNREACH%)\nPut the zone", out)
  end)

  it("is not about the zone where that is one", function()
    if not island.possible() then return pending "no namespaces here" end

    for _, line in ipairs(said "fe80::1%lo") do assert.not_matches("zone", line) end
  end)
end)
