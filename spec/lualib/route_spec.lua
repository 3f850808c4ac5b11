local network = require "network"

local function isolated(setup, script, seconds)
  if not network.possible() then pending "no network namespaces here" end
  return network.run(setup, script, seconds)
end

local NETWORK = network.CABLE .. [[
ip addr add 192.0.2.1/24 dev v0; ip addr add 198.51.100.1/24 dev v1; ip addr add 2001:db8::1/64 dev v0 nodad
]]

describe("net.gateways", function()
  it("lists default routes, IPv4 before IPv6, those that are taken first before others", function()
    local got = isolated(NETWORK .. [[
ip -6 route add default via 2001:db8::7 metric 2000; ip -6 route add default via fe80::7 dev v0 metric 100
ip route add default via 192.0.2.7 metric 500 proto dhcp
ip route add default via 198.51.100.7 metric 20 src 198.51.100.1
ip route add default dev v1 metric 900; ip route add 203.0.113.0/24 via 192.0.2.9
ip route add default via 192.0.2.99 table 100; ip route add unreachable default metric 9999]],
      "answer(assert(net.gateways()))")

    local seen = {}
    for index, g in ipairs(got) do
      seen[index] = table.concat({ g.family, tostring(g.via), g.device, g.metric // 1 | 0, g.protocol }, " ")
    end
    assert.same({
      "inet 198.51.100.7 v1 20 boot", "inet 192.0.2.7 v0 500 dhcp", "inet nil v1 900 boot",
      "inet6 fe80::7%v0 v0 100 boot", "inet6 2001:db8::7 v0 2000 boot",
    }, seen)
    assert.equal("198.51.100.1", got[1].source)
    assert.is_nil(got[2].source)
  end)

  it("lists each next hop of a route that has several", function()
    local got = isolated(NETWORK .. [[
ip route add default nexthop via 192.0.2.7 weight 3 nexthop via 198.51.100.7
ip -6 route add default nexthop via 2001:db8::7 dev v0 weight 2 nexthop via fe80::7 dev v1
ip route add default via inet6 fe80::9 dev v0 metric 5]], "answer(assert(net.gateways()))")

    local seen = {}
    for index, g in ipairs(got) do
      seen[index] = ("%s %s %s"):format(g.via, g.device, g.weight and g.weight // 1 | 0 or "")
    end
    assert.same({ "192.0.2.7 v0 3", "198.51.100.7 v1 1", "fe80::9%v0 v0 ", "2001:db8::7 v0 2",
      "fe80::7%v1 v1 1" }, seen)
  end)

  it("tells of a link that is down", function()
    local got = isolated(NETWORK .. "ip route add default via 192.0.2.7; ip link set v1 down",
      [[
      local flags, due = nil, net.now() + 5 -- the kernel tells of a carrier in its own time
      repeat
        net.sleep(0.01)
        flags = net.gateways()[1].flags
      until flags[1] or net.now() > due
      answer(flags)]])

    assert.same({ "linkdown" }, got)
  end)

  it("is empty where there is none, and finds one among thousands of routes", function()
    local got = isolated(NETWORK, [[
      local empty = net.gateways()
      local name = os.tmpname()
      local file = assert(io.open(name, "w"))
      for i = 1, 5000 do
        file:write(("route add 10.%d.%d.0/24 via 192.0.2.9\n"):format(i // 256, i % 256))
      end
      file:write "route add default via 192.0.2.7\n"
      file:close()
      sh("ip -batch " .. name)
      os.remove(name)
      answer { #empty, #net.gateways(), net.gateways()[1].via }]])

    assert.same({ 0, 1, "192.0.2.7" }, got)
  end)
end)

describe("the MTU of net.route", function()
  it("is the one that the kernel uses for a socket to there", function()
    local got = isolated(NETWORK .. [[
ip link set v0 mtu 1400; ip route add 203.0.113.0/24 via 192.0.2.9 mtu 1300
ip -6 route add 2001:db8:7::/64 via 2001:db8::9 mtu 1350
(echo 1290 >/proc/sys/net/ipv6/conf/v0/mtu) 2>/dev/null || true]], [[
      local found = {}
      for _, to in ipairs { "127.0.0.1", "::1", "192.0.2.9", "203.0.113.9", "2001:db8::9",
        "2001:db8:7::9" } do
        local s <close> = assert(net.udp())
        assert(s:connect(to, 9))
        local kernel = assert(s:getsockopt(to:find ":" and "IPV6_MTU" or "IP_MTU"))
        found[#found + 1] = { to, net.route(to).mtu, kernel }
      end
      answer(found)]])

    for _, row in ipairs(got) do assert.equal(row[3], row[2], row[1]) end
    assert.equal(65535, got[1][2])
    assert.equal(1400, got[3][2])
    assert.equal(1300, got[4][2])
  end)
end)
