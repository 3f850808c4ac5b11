local netlua = require "netlua"

local function member(group, options, port)
  local s = assert(net.udp { reuseaddr = true })
  assert(s:bind("0.0.0.0", port or 0))
  assert(s:join(group, options))
  local _, bound = s:getsockname()
  return s, bound
end

local function sender(interface)
  local s = assert(net.udp { family = "inet" })
  assert(s:interface(interface))
  return s
end

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  return tostring(text)
end

-- A script in a network of its own, with two ends of a cable: v0 and v1.
local SETUP = [[ip link set lo up; (echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad) 2>/dev/null;
 ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up &&
ip addr add 10.9.0.1/24 dev v0 && ip addr add 10.9.1.1/24 dev v1 && ip -6 addr add fd09::1/64 dev v0 nodad &&
ip -6 addr add fd09:1::1/64 dev v1 nodad &&
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30; do
ip -6 addr show tentative | grep -q fe80 || break; sleep 0.1; done]]

local function isolated(script)
  local name = os.tmpname()
  local file = assert(io.open(name, "wb"))
  file:write(script)
  file:close()
  local setup = os.tmpname()
  file = assert(io.open(setup, "wb"))
  file:write(SETUP, "\nexec ", netlua.program, " ", name, "\n")
  file:close()
  local out, err, status = netlua.shell("unshare -rn sh " .. setup, 20)
  os.remove(name)
  os.remove(setup)
  if err:find "unshare:" or err:find "RTNETLINK" or err:find "Operation not permitted" then
    pending "no network namespaces here"
    return
  end
  assert.equal("", err)
  assert.equal(0, status)
  return out
end

describe("join", function()
  for _, lo in ipairs { "lo", "127.0.0.1", 1 } do
    it(("receives what is sent to the group, with the interface given as %s"):format(lo), function()
      local s <close>, port = member("224.1.1.1", { interface = lo })
      local out <close> = sender(lo)

      assert.equal(5, out:sendto("hello", "224.1.1.1", port))

      local data, address = s:recvfrom(100, 5)
      assert.equal("hello", data)
      assert.equal("127.0.0.1", address)
    end)
  end

  it("does not receive groups that only another socket joined", function()
    local first <close>, port = member("224.1.1.1", { interface = "lo" })
    local second <close> = member("224.1.1.2", { interface = "lo" }, port)
    local out <close> = sender "lo"

    out:sendto("for the first", "224.1.1.1", port)
    out:sendto("for the second", "224.1.1.2", port)

    assert.equal("for the first", (first:recv(100, 5)))
    assert.equal("for the second", (second:recv(100, 5)))
    assert.equal("TIMEOUT", select(2, first:recv(100, 0)).code)
    assert.equal("TIMEOUT", select(2, second:recv(100, 0)).code)
  end)

  it("takes an empty datagram for data, and the largest one whole", function()
    local s <close>, port = member("224.1.1.1", { interface = "lo" })
    local out <close> = sender "lo"
    local largest = ("x"):rep(65507)
    assert(s:setsockopt("SO_RCVBUF", 200000))

    assert.equal(0, out:sendto("", "224.1.1.1", port))
    assert.equal(65507, out:sendto(largest, "224.1.1.1", port))
    local sent, err = out:sendto(largest .. "x", "224.1.1.1", port)

    assert.is_nil(sent)
    assert.equal("EMSGSIZE", err.code)
    assert.equal("", (s:recvfrom(100, 5)))
    assert.is_true(largest == s:recvfrom(65536, 5))
  end)

  it("hears one source only where one is named", function()
    local s <close>, port = member("232.1.1.1", { interface = "lo", source = "127.0.0.2" })
    local wrong <close> = sender "lo"
    local right <close> = sender "lo"
    assert(right:bind("127.0.0.2", 0))

    wrong:sendto("wrong", "232.1.1.1", port)
    right:sendto("right", "232.1.1.1", port)

    local data, address = s:recvfrom(100, 5)
    assert.equal("right", data)
    assert.equal("127.0.0.2", address)
    assert(s:leave("232.1.1.1", { interface = "lo", source = "127.0.0.2" }))
  end)

  it("ends with leave", function()
    local s <close>, port = member("224.1.1.1", { interface = "lo" })
    local out <close> = sender "lo"

    assert.equal(s, (s:leave("224.1.1.1", { interface = "lo" })))
    out:sendto("late", "224.1.1.1", port)

    assert.equal("TIMEOUT", select(2, s:recv(100, 0)).code)
    assert.equal("EADDRNOTAVAIL", select(2, s:leave("224.1.1.1", { interface = "lo" })).code)
  end)

  it("makes a socket without family one of the group's family", function()
    local four <close> = assert(net.udp())
    local six <close> = assert(net.udp())

    assert(four:join("224.1.1.1", { interface = "lo" }))
    assert(six:join("ff15::1", { interface = "lo" }))

    assert.equal(net.AF_INET, four:getsockopt "SO_DOMAIN")
    assert.equal(net.AF_INET6, six:getsockopt "SO_DOMAIN")
    assert.is_false(four:getsockopt "IP_MULTICAST_ALL")
    assert.is_false(six:getsockopt "IPV6_MULTICAST_ALL")
  end)

  it("takes the zone of an IPv6 group for the interface", function()
    local s <close> = assert(net.udp())

    assert(s:join "ff02::1234%lo")

    assert(s:leave("ff02::1234", { interface = "lo" }))
  end)

  local wrong = {
    { "10.0.0.1", nil, "EINVAL" },
    { "fe80::1", nil, "EINVAL" },
    { "example", nil, "EAI_NONAME" },
    { "", nil, "EAI_NONAME" },
    { "unix:/tmp/x", nil, "EAI_NONAME" },
    { ("x"):rep(300), nil, "EAI_NONAME" },
    { "\xff\xfe", nil, "EAI_NONAME" },
    { "224.1.1.1", { interface = "nope0" }, "ENODEV" },
    { "224.1.1.1", { interface = "203.0.113.9" }, "ENODEV" },
    { "224.1.1.1", { interface = 2000000000 }, "ENODEV" },
    { "232.1.1.1", { interface = "lo", source = "x" }, "EAI_NONAME" },
    { "232.1.1.1", { interface = "lo", source = "::1" }, "EAFNOSUPPORT" },
  }
  for _, row in ipairs(wrong) do
    local with = row[2] and " with options" or ""
    it(("answers %s for the group %q%s"):format(row[3], row[1]:sub(1, 20), with), function()
      local s <close> = assert(net.udp())

      local ok, err = s:join(row[1], row[2])

      assert.is_nil(ok)
      assert.equal(row[3], err.code)
      if row[3] == "EINVAL" then assert.matches("^Groups are", err:explain()) end
    end)
  end

  it("raises on arguments of the wrong kind", function()
    local s <close> = assert(net.udp())

    assert.matches('unknown option "iface"', message(s.join, s, "224.1.1.1", { iface = "lo" }))
    assert.matches("string expected", message(s.join, s, 1))
    message(s.join, s, "224.1.1.1", "lo")
    message(s.join, s, "224.1.1.1\0", {})
    for _, value in ipairs { -1, 1 << 31, 1 << 53, 0 / 0, 1 / 0, 1.5, {}, true } do
      message(s.join, s, "224.1.1.1", { interface = value })
    end
    message(s.join, (net.pair()), "224.1.1.1")
  end)

  it("answers CLOSED on a closed socket, like its relatives", function()
    local s = assert(net.udp())
    s:close()

    for _, call in ipairs { "join", "leave" } do
      assert.equal("CLOSED", select(2, s[call](s, "224.1.1.1")).code)
    end
    for _, call in ipairs { "ttl", "loop", "interface" } do
      assert.equal("CLOSED", select(2, s[call](s)).code)
    end
  end)
end)

describe("ttl, loop and interface", function()
  it("begin with one hop, a loop and no interface of their own", function()
    for _, family in ipairs { "inet", "inet6" } do
      local s <close> = assert(net.udp { family = family })

      assert.equal(1, s:ttl())
      assert.is_true(s:loop())
      assert.is_false(s:interface())
    end
  end)

  it("give back what was set", function()
    for _, family in ipairs { "inet", "inet6" } do
      local s <close> = assert(net.udp { family = family })

      for _, n in ipairs { 0, 1, 255 } do
        assert.equal(s, (s:ttl(n)))
        assert.equal(n, s:ttl())
      end
      assert.equal(s, (s:loop(false)))
      assert.is_false(s:loop())
      assert.equal(s, (s:interface "lo"))
      assert.equal("lo", s:interface())
      assert(s:interface(false))
      assert.is_false(s:interface())
    end
  end)

  it("show in what arrives", function()
    local s <close>, port = member("224.1.1.1", { interface = "lo" })
    local out <close> = sender "lo"
    assert(s:ancillary { ttl = true, pktinfo = true })
    assert(out:ttl(9))

    out:sendto("x", "224.1.1.1", port)

    local _, info = assert(s:recvmsg(100, 5))
    assert.equal(9, info.ttl)
    assert.equal("224.1.1.1", info.destination.address)
    assert.equal("lo", info.destination.interface)
    assert.equal("127.0.0.1", info.address)
  end)

  it("survive the choice of the family", function()
    local s <close> = assert(net.udp())
    s:ttl(5)
    s:loop(false)
    s:interface "lo"

    assert(s:bind("::", 0))

    assert.equal(5, s:ttl())
    assert.is_false(s:loop())
    assert.equal("lo", s:interface())
  end)

  it("refuse what is out of range", function()
    local s <close> = assert(net.udp())
    for _, n in ipairs { -1, 256, 1 << 16, 1 << 31, 1 << 32, 1 << 53, 0 / 0, 1 / 0, "0x50", "80 ", 1.5 } do
      assert.matches("integer from 0 to 255", message(s.ttl, s, n))
    end
    message(s.loop, s, 1)
    message(s.loop, s, nil)
    assert.equal("ENODEV", select(2, s:interface "nope0").code)
  end)
end)

describe("multicast on a network", function()
  it("reaches members over IPv6 and IPv4, by interface name, index and address", function()
    local out = isolated [[
      local function try(group, interface, out)
        local s <close> = assert(net.udp { reuseaddr = true })
        assert(s:join(group, { interface = interface }))
        assert(s:bind(group:find ":" and "::" or "0.0.0.0", 0))
        assert(s:ancillary { pktinfo = true, ttl = true })
        local _, port = s:getsockname()
        local o <close> = assert(net.udp())
        assert(o:interface(out))
        assert(o:sendto("hello", group, port))
        local data, info = assert(s:recvmsg(100, 5))
        print(data, info.destination.address, info.destination.interface, info.ttl)
      end
      for _, interface in ipairs { "v0", "10.9.0.1", "fd09::1" } do try("239.1.1.1", interface, "v0") end
      for _, interface in ipairs { "v0", "10.9.0.1", "fd09::1" } do try("ff15::77", interface, "v0") end
      try("ff02::77%v0", nil, "v0")
    ]]
    if not out then return end

    local lines = {}
    for line in out:gmatch "[^\n]+" do lines[#lines + 1] = line end
    for i = 1, 3 do assert.equal("hello\t239.1.1.1\tv0\t1", lines[i]) end
    for i = 4, 6 do assert.equal("hello\tff15::77\tv0\t1", lines[i]) end
    assert.matches("^hello\tff02::77", lines[7])
    assert.equal(7, #lines)
  end)

  it("crosses from one interface to the other end of its cable", function()
    local out = isolated [[
      local s <close> = assert(net.udp { family = "inet6" })
      assert(s:bind("::", 0))
      assert(s:join("ff15::5", { interface = "v1" }))
      local _, port = s:getsockname()
      assert(s:ancillary { pktinfo = true })
      local o <close> = assert(net.udp { family = "inet6" })
      assert(o:interface "v0")
      assert(o:loop(false))
      assert(o:sendto("over", "ff15::5", port))
      local data, info = assert(s:recvmsg(100, 5))
      print(data, info.destination.interface)
      local six <close> = assert(net.udp { family = "inet6" })
      print(six:join("ff15::5", { interface = "v1", source = "fd09::1" }))
    ]]
    if not out then return end

    assert.matches("^over\tv1\nnet.datagram", out)
  end)

  it("of one link goes where the zone says, or the interface", function()
    local out = isolated [[
      local s <close> = assert(net.udp { family = "inet6" })
      assert(s:bind("::", 0))
      assert(s:join("ff02::77", { interface = "v0" }))
      local _, port = s:getsockname()
      local zoned <close> = assert(net.udp())
      local set <close> = assert(net.udp { family = "inet6" })
      assert(zoned:sendto("zone", "ff02::77%v0", port))
      print((s:recv(100, 5)))
      assert(set:interface "v0")
      assert(set:sendto("interface", "ff02::77", port))
      print((s:recv(100, 5)))
      print(select(2, zoned:sendto("x", "ff02::77%nope", port)).code)
    ]]
    if not out then return end

    assert.equal("zone\ninterface\nEAI_NONAME\n", out)
  end)

  it("comes back to members on the sending interface only with the loop", function()
    local out = isolated [[
      local s <close> = assert(net.udp { family = "inet" })
      assert(s:bind("0.0.0.0", 0))
      assert(s:join("239.1.1.1", { interface = "v0" }))
      local _, port = s:getsockname()
      local o <close> = assert(net.udp { family = "inet" })
      assert(o:interface "v0")
      assert(o:loop(false))
      assert(o:sendto("silent", "239.1.1.1", port))
      assert(o:loop(true))
      assert(o:sendto("heard", "239.1.1.1", port))
      print((s:recv(100, 5)))
    ]]
    if not out then return end

    assert.equal("heard\n", out)
  end)

  it("says ENODEV where no route chooses an interface", function()
    local out = isolated [[
      local s <close> = assert(net.udp())
      print(select(2, s:join "224.5.5.5").code)
    ]]
    if not out then return end

    assert.equal("ENODEV\n", out)
  end)
end)

describe("an interface among the options", function()
  -- The message counted the place of the value in the call as an argument of its own.
  it("that is wrong is named as that option", function()
    local s <close> = assert(net.udp())

    for _, value in ipairs { -1, 1 << 31, 1.5, true, {}, "lo\0" } do
      local options = { interface = value }
      assert.matches("#2 to 'join' %(option \"interface\": .* expected, got ",
        message(function() s:join("224.1.1.1", options) end))
      assert.matches("#2 to 'leave' %(option \"interface\": .* expected, got ",
        message(function() s:leave("224.1.1.1", options) end))
    end
    assert.matches('option "interface"', message(s.sendmsg, s, "x", { interface = true }))
  end)
end)
