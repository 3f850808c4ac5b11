local chain = require "chain"
local island = require "island"

local function refusal(...)
  local ok, err = pcall(...)
  assert.is_false(ok)
  return err
end

describe("the path MTU", function()
  it("of the loopback is what packets can be at most", function()
    for _, address in ipairs { "127.0.0.1", "::1" } do
      local report = assert(net.path_mtu(address, { mode = "udp" }))

      assert.is_true(report.mtu >= 65535 and report.confirmed)
      assert.same({ address, address, report.mtu, false }, { report.host, report.address, report.first_mtu,
        report.black_hole })
      assert.same({}, report.routers)
    end
  end)

  it("answers what cannot be asked", function()
    local function code(host, options) return select(2, net.path_mtu(host, options)).code end

    assert.equal("EAI_ADDRFAMILY", code("127.0.0.1", { family = "inet6" }))
    assert.matches("^EAI_", code("name.invalid"))
    assert.equal("EADDRNOTAVAIL", code("127.0.0.1", { mode = "udp", source = "203.0.113.9" }))
    assert.equal("ENODEV", code("127.0.0.1", { mode = "udp", interface = "nope0" }))
  end)

  it("refuses misuse and says which", function()
    assert.matches("#1 to 'path_mtu' %(string without NUL expected, got nil", refusal(net.path_mtu))
    assert.matches('unknown option "size"', refusal(net.path_mtu, "127.0.0.1", { size = 1 }))
    for field, wrong in pairs { mode = "tcp", timeout = -1, tries = 0, port = 65001, family = "unix",
      source = 1, interface = 0 } do
      local message = refusal(net.path_mtu, "127.0.0.1", { [field] = wrong })
      assert.matches(('option "%s"'):format(field), message, 1, true)
    end
  end)
end)

if not chain.possible() then
  pending "the path MTU over routers needs namespaces"
  return
end

local SHOW = [[
local function show(host, options)
  local r, err = net.path_mtu(host, options)
  if not r then return print(err.op, err.code, err.address) end
  local routers = {}
  for n, router in ipairs(r.routers) do routers[n] = router.address .. "=" .. router.mtu end
  print(r.mtu, r.first_mtu, r.confirmed, r.black_hole, table.concat(routers, " "))
end
]]

local function run(script, options)
  return chain.output(SHOW .. script, options)
end

-- The links of the second and third hop carry less.
local NARROW = [[
ip -n one link set a2 mtu 1450; ip -n two link set b2 mtu 1450
ip -n two link set a3 mtu 1387; ip -n far link set b3 mtu 1387
]]

local BOTH = [[
for _, mode in ipairs { "udp", "icmp" } do
  show("10.9.0.9", { mode = mode, timeout = 0.2 })
  show("fd00:9::9", { mode = mode, timeout = 0.2 })
end
]]

describe("the path MTU over routers", function()
  it("is that of the interface where nothing is narrower", function()
    assert.equal(("1500\t1500\ttrue\tfalse\t\n"):rep(4), run(BOTH))
  end)

  it("is the smallest that a router names", function()
    for _, raw in ipairs { false, true } do
      local out = run(BOTH, { setup = NARROW, raw = raw })

      assert.equal(("1387\t1500\ttrue\tfalse\t10.1.0.2=1450 10.2.0.2=1387\n"
        .. "1387\t1500\ttrue\tfalse\tfd00:1::2=1450 fd00:2::2=1387\n"):rep(2), out)
    end
  end)

  it("agrees with tracepath(8)", function()
    if not chain.has "tracepath" then return pending "tracepath (iputils) is not installed" end

    local out = run("show '10.9.0.9'", { setup = NARROW .. "tracepath -n 10.9.0.9\n" })

    assert.equal(out:match "Resume: pmtu (%d+)", out:match "\n(%d+)\t1500\ttrue")
  end)

  it("is found where large packets vanish without a word", function()
    if not chain.firewall() then return pending "needs iptables in a namespace" end

    local out = run(BOTH, { setup = NARROW .. [[
      for n in one two; do
        ip netns exec $n iptables -A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP
        ip netns exec $n ip6tables -A OUTPUT -p icmpv6 --icmpv6-type packet-too-big -j DROP
      done
    ]] })

    assert.equal(("1387\t1500\ttrue\ttrue\t\n"):rep(4), out)
  end)

  it("is found where only the second of two routers says nothing", function()
    if not chain.firewall() then return pending "needs iptables in a namespace" end

    local out = run("show('10.9.0.9', { timeout = 0.2 })", { setup = NARROW ..
      "ip netns exec two iptables -A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP" })

    assert.equal("1387\t1500\ttrue\ttrue\t10.1.0.2=1450\n", out)
  end)

  it("is not confirmed where the host is silent", function()
    if not chain.firewall() then return pending "needs iptables in a namespace" end

    local out = run("show('10.9.0.9', { timeout = 0.1, tries = 1 })",
      { setup = NARROW .. "ip netns exec far iptables -A INPUT -j DROP" })

    assert.equal("1387\t1500\tfalse\tfalse\t10.1.0.2=1450 10.2.0.2=1387\n", out)
  end)

  it("is measured anew, whatever the system has learned or was told", function()
    local out = run("show '10.9.0.9'", { setup = "ip route add 10.9.0.9 via 10.1.0.2 mtu lock 1300" })

    assert.equal("1500\t1500\ttrue\tfalse\t\n", out)
  end)

  it("falls back on UDP where no ICMP is allowed, unless that was asked for", function()
    local out = run([[
      show "10.9.0.9"
      show("10.9.0.9", { mode = "icmp" })]],
      { raw = true, with = "setpriv --inh-caps=-net_raw --bounding-set=-net_raw" })

    assert.equal("1500\t1500\ttrue\tfalse\t\npath_mtu\tICMP_DENIED\tnil\n", out)
  end)

  it("is none where there is no way", function()
    local out = run([[
      show "10.51.0.1"
      show "10.52.0.1"
      net.timeout(0.1, show, "10.53.0.1")]], { setup = [[
      ip -n two route add prohibit 10.51.0.0/16; ip route add unreachable 10.52.0.0/16
      ip -n two route add blackhole 10.53.0.0/16]] })

    assert.equal("path_mtu\tPROHIBITED\t10.2.0.2\npath_mtu\tEHOSTUNREACH\t10.52.0.1\n"
      .. "path_mtu\tTIMEOUT\tnil\n", out)
  end)
end)

describe("a router's word on the size", function()
  -- A host that answers nothing, in front of which somebody says that packets are too big for `mtu`.
  local LIAR = [[
    local function sysctl(name, value)
      local file <close> = assert(io.open("/proc/sys/net/ipv4/" .. name, "w"))
      assert(file:write(value))
    end
    sysctl("icmp_echo_ignore_all", "1")
    local function checksum(p)
      local sum = 0
      for at = 1, #p, 2 do sum = sum + p:byte(at) * 256 + p:byte(at + 1) end
      while sum > 0xffff do sum = (sum & 0xffff) + (sum >> 16) end
      return ~sum & 0xffff
    end
    local raw = assert(net.socket("inet", "raw", 1))
    local mtu
    net.spawn(function()
      while true do
        local packet = raw:recvfrom(65536)
        if packet:byte(21) == 8 then
          local quote = packet:sub(1, 28)
          local sum = checksum((">BBI2I2I2"):pack(3, 4, 0, 0, mtu) .. quote)
          assert(raw:sendto((">BBI2I2I2"):pack(3, 4, sum, 0, mtu) .. quote, "127.0.0.1", 0))
        end
      end
    end)
    for _, value in ipairs { 0, 67, 65535, 1000 } do
      mtu = value
      local report = assert(net.path_mtu("127.0.0.1", { mode = "icmp", timeout = 0.05, tries = 1 }))
      print(value, report.mtu, #report.routers, report.confirmed)
    end
    os.exit(0)]]

  it("is believed where it is smaller, and no less than every path carries", function()
    local out, err = island.run(LIAR)

    assert.equal("", err)
    assert.equal("0\t65535\t0\tfalse\n67\t65535\t0\tfalse\n65535\t65535\t0\tfalse\n"
      .. "1000\t1000\t1\tfalse\n", out)
  end)
end)
