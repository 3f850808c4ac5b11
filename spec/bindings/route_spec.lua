local network = require "network"

local function isolated(setup, script, seconds)
  if not network.possible() then pending "no network namespaces here" end
  return network.run(setup, script, seconds)
end

local NETWORK = network.CABLE .. [[
ip addr add 192.0.2.1/24 brd + dev v0; ip addr add 192.0.2.5/24 dev v0
ip addr add 2001:db8::1/64 dev v0 nodad; ip addr add fe80::1/64 dev v0 nodad
ip addr add fe80::2/64 dev v1 nodad
]]

-- What `ip -j route get` prints, in our words.
local function asours(way)
  return {
    destination = way.dst, via = way.gateway or way.via and way.via.host, device = way.dev,
    source = way.prefsrc, type = way.type or "unicast",
  }
end

local function comparable(way)
  local function bare(text) return text and text:gsub("%%.*", "") end
  return {
    destination = bare(way.destination), via = bare(way.via), device = way.device,
    source = bare(way.source), type = way.type,
  }
end

describe("net.route", function()
  local destinations = {
    "127.0.0.1", "127.5.5.5", "192.0.2.1", "192.0.2.5", "192.0.2.9", "192.0.2.255", "198.51.100.1",
    "203.0.113.1", "203.0.113.200", "224.0.0.1", "255.255.255.255", "::1", "2001:db8::1", "2001:db8::9",
    "2001:db8:5::1", "2001:db8:6::1",
  }

  it("answers as ip route get does", function()
    local got = isolated(NETWORK .. [[
ip route add default via 192.0.2.7; ip route add 203.0.113.0/24 via 192.0.2.8 src 192.0.2.5
ip route add 203.0.113.128/25 via inet6 fe80::9 dev v0
ip -6 route add default via fe80::7 dev v0; ip -6 route add 2001:db8:6::/64 via 2001:db8::8]], ([[
      local ours, theirs = {}, {}
      for destination in (%q):gmatch "%%S+" do
        ours[#ours + 1] = assert(net.route(destination))
        theirs[#theirs + 1] = ip("-d route get " .. destination)[1]
      end
      answer { ours = ours, theirs = theirs }]]):format(table.concat(destinations, " ")))

    assert.equal(#destinations, #got.ours)
    for index in ipairs(destinations) do
      assert.same(asours(got.theirs[index]), comparable(got.ours[index]))
    end
    assert.equal("fe80::9%v0", got.ours[9].via)
  end)

  it("takes a link-local address with its zone, or with an interface", function()
    local got = isolated(NETWORK, [[
      for _ = 1, 400 do -- the kernel adds the route to its own address a moment after the link is up
        if net.route("fe80::1%v0").type == "local" then break end
        net.sleep(0.005)
      end
      answer { net.route "fe80::9%v1", net.route("fe80::9", { interface = "v0" }),
        net.route("ff02::1", { interface = net.interfaces().v1.index }),
        net.route("fe80::9%v0", { interface = "192.0.2.1" }),
        net.route "fe80::1%v0" }]])

    assert.equal("fe80::9%v1", got[1].destination)
    assert.equal("fe80::2%v1", got[1].source)
    assert.equal("fe80::1%v0", got[2].source)
    assert.equal("v1", got[3].device)
    assert.equal("multicast", got[3].type)
    assert.equal("v0", got[4].device)
    assert.equal("local", got[5].type)
  end)

  it("obeys source, interface and mark", function()
    local got = isolated(NETWORK .. [[ip route add default via 192.0.2.7
ip addr add 198.51.100.1/24 dev v1; ip route add default via 198.51.100.7 metric 9
ip rule add fwmark 77 table 100; ip route add default via 192.0.2.77 table 100
ip rule add from 192.0.2.5 table 101; ip route add default via 192.0.2.55 table 101]], [[
      local function way(options) return assert(net.route("203.0.113.1", options)) end
      answer { way(), way { source = "192.0.2.5" }, way { interface = "v1" }, way { mark = 77 },
        way { mark = 0xffffffff } }]])

    assert.equal("192.0.2.7", got[1].via)
    assert.equal(254, got[1].table)
    assert.equal("192.0.2.55", got[2].via)
    assert.equal("192.0.2.5", got[2].source)
    assert.equal("198.51.100.7", got[3].via)
    assert.equal("198.51.100.1", got[3].source)
    assert.equal("192.0.2.77", got[4].via)
    assert.equal(100, got[4].table)
    assert.equal("192.0.2.7", got[5].via)
  end)

  it("says what kinds of routes say, as a connection would hear it", function()
    local got = isolated(NETWORK .. [[
for kind in unreachable.1 prohibit.2 blackhole.3; do
ip route add ${kind%%.*} 10.${kind#*.}.0.0/16
ip -6 route add ${kind%%.*} 2001:db8:${kind#*.}::/48; done]], [[
      local found = {}
      for _, to in ipairs { "10.1.0.1", "10.2.0.1", "10.3.0.1", "10.4.0.1",
        "2001:db8:1::1", "2001:db8:2::1", "2001:db8:3::1", "2001:db8:4::1" } do
        local way, err = net.route(to)
        found[#found + 1] = { way == nil, err.code, err.kind, err.op, err.address == to }
        local s, failure = net.connect(to, 80, { timeout = 2 })
        assert(s == nil and failure.code == err.code, to)
      end
      answer(found)]])

    local four = {
      { true, "EHOSTUNREACH", "unreachable", "route", true },
      { true, "EACCES", "permission", "route", true },
      { true, "EINVAL", "unreachable", "route", true },
      { true, "ENETUNREACH", "unreachable", "route", true },
    }
    assert.same(four, { table.unpack(got, 1, 4) })
    assert.same(four, { table.unpack(got, 5, 8) })
  end)

  it("tells a blackhole from a source that cannot go there", function()
    local got = isolated(NETWORK .. "ip route add default via 192.0.2.7\n" ..
      "ip route add blackhole 10.0.0.0/8", [[
      local found = {}
      for index, case in ipairs { { "203.0.113.1", "127.0.0.1" }, { "10.1.1.1", "192.0.2.1" },
        { "10.1.1.1", "127.0.0.1" } } do
        local way, err = net.route(case[1], { source = case[2] })
        found[index] = { way == nil, err.code, err.kind }
      end
      answer(found)]])

    assert.same({ true, "EINVAL", "address" }, got[1])
    assert.same({ true, "EINVAL", "unreachable" }, got[2])
    assert.same({ true, "EINVAL", "unreachable" }, got[3])
  end)

  it("goes the way of IPv4 for an address in the clothes of IPv6", function()
    local way = assert(net.route "::ffff:127.0.0.1")

    assert.equal("inet", way.family)
    assert.equal("127.0.0.1", way.destination)
  end)

  it("says how a zone is given, where one is missing", function()
    local _, err = net.route "fe80::1"

    assert.matches("^Put the zone behind the address: %%, and an interface", err:explain())
  end)

  local wrong = {
    { "localhost", nil, "EINVAL" },
    { "", nil, "EINVAL" },
    { "127.0.0.1\0", nil, "EINVAL" },
    { "127.1", nil, "EINVAL" },
    { "10.0.0.0/8", nil, "EINVAL" },
    { "unix:/tmp/x", nil, "EINVAL" },
    { ("1"):rep(300), nil, "EINVAL" },
    { "fe80::1", nil, "EINVAL" },
    { "ff02::1", nil, "EINVAL" },
    { "fe80::1%nope0", nil, "EINVAL" },
    { "fe80::1%lo", { interface = 2000000000 }, "ENODEV" },
    { "127.0.0.1", { interface = "nope0" }, "ENODEV" },
    { "127.0.0.1", { source = "x" }, "EINVAL" },
    { "127.0.0.1", { source = "::1" }, "EAFNOSUPPORT" },
    { "127.0.0.1", { source = "203.0.113.77" }, "EADDRNOTAVAIL" },
    { "::1", { source = "2001:db8::77" }, "EADDRNOTAVAIL" },
    { "::1", { source = "::" }, "EADDRNOTAVAIL" },
  }
  for _, row in ipairs(wrong) do
    it(("answers %s, of kind address, for %q%s"):format(row[3], row[1]:sub(1, 20),
      row[2] and " with options" or ""), function()
      local way, err = net.route(row[1], row[2])

      assert.is_nil(way)
      assert.equal(row[3], err.code)
      assert.equal("address", err.kind)
    end)
  end

  local misuse = {
    { { nil }, "bad argument #1 to 'route' %(string expected, got n" },
    { { 1 }, "bad argument #1 to 'route' %(string expected, got number%)" },
    { { "::1", 1 }, "bad argument #2 to 'route' %(table expected, got 1%)" },
    { { "::1", { sauce = "x" } }, 'unknown option "sauce"' },
    { { "::1", { source = 1 } }, 'option "source": string expected, got 1' },
    { { "::1", { mark = -1 } }, 'option "mark": integer from 0 to 4294967295 expected, got %-1' },
    { { "::1", { mark = 2 ^ 32 } }, 'option "mark": integer' },
  }
  for index, case in ipairs(misuse) do
    it("raises misuse " .. index, function()
      local ok, message = pcall(net.route, table.unpack(case[1], 1, 2))

      assert.is_false(ok)
      assert.matches(case[2], message)
    end)
  end
end)

describe("net.neighbors", function()
  local NEIGHBORS = NETWORK .. [[
ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev v0 nud permanent
ip neigh add 192.0.2.10 lladdr 02:00:00:00:00:0a dev v0 nud stale
ip neigh add 2001:db8::9 lladdr 02:00:00:00:00:19 dev v0 nud reachable router
ip neigh add fe80::9 lladdr 02:00:00:00:00:29 dev v1 nud permanent
ip neigh add proxy 192.0.2.200 dev v0
]]

  it("agrees with ip neigh", function()
    local got = isolated(NEIGHBORS, "answer { ours = assert(net.neighbors()), theirs = ip 'neigh' }")

    local ours, theirs = {}, {}
    for _, n in ipairs(got.ours) do
      ours[n.address:gsub("%%.*", "")] = { n.device, n.mac, n.state, n.router, n.family }
    end
    for _, n in ipairs(got.theirs) do
      theirs[n.dst] = { n.dev, n.lladdr, n.state[1]:lower(), n.router ~= nil,
        n.dst:find ":" and "inet6" or "inet" }
    end
    assert.same(theirs, ours)
    assert.equal(4, #got.ours)
  end)

  it("lists those of one interface or family", function()
    local got = isolated(NEIGHBORS, [[
      local function addresses(options)
        local found = {}
        for index, n in ipairs(assert(net.neighbors(options))) do found[index] = n.address end
        table.sort(found)
        return table.concat(found, " ")
      end
      answer { addresses { family = "inet" }, addresses { family = "inet6" }, addresses { interface = "v1" },
        addresses { interface = "192.0.2.1", family = "inet6" }, addresses { interface = "lo" } }]])

    assert.same({ "192.0.2.10 192.0.2.9", "2001:db8::9 fe80::9%v1", "fe80::9%v1", "2001:db8::9", "" }, got)
  end)

  it("tells of a neighbour that does not answer", function()
    local got = isolated(NETWORK .. [[
sysctl -q net.ipv4.neigh.v0.retrans_time_ms=10 net.ipv4.neigh.v0.mcast_solicit=1]], [[
      local s <close> = assert(net.udp())
      s:sendto("x", "192.0.2.99", 9)
      local found
      for _ = 1, 400 do
        found = net.neighbors { interface = "v0", family = "inet" }[1]
        if found.state == "failed" then break end
        net.sleep(0.01)
      end
      answer(found)]])

    assert.equal("192.0.2.99", got.address)
    assert.equal("failed", got.state)
    assert.is_nil(got.mac)
  end)

  it("answers ENODEV for an interface that is not there, and raises misuse", function()
    local list, err = net.neighbors { interface = "nope0" }

    assert.is_nil(list)
    assert.equal("ENODEV", err.code)
    assert.has_error(function() net.neighbors { family = "unix" } end)
    assert.has_error(function() net.neighbors { families = "inet" } end)
    assert.has_error(function() net.neighbors "lo" end)
  end)
end)
