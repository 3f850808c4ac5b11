local chain = require "chain"

local function refusal(...)
  local ok, err = pcall(...)
  assert.is_false(ok)
  return err
end

describe("a trace to this machine", function()
  it("reaches it at the first hop, over both families", function()
    for _, address in ipairs { "127.0.0.1", "::1" } do
      local report = assert(net.trace(address, { port = 33434 }))

      assert.is_true(report.reached)
      assert.equal(1, #report.hops)
      assert.same({ address, address, "udp" }, { report.host, report.address, report.mode })
      local hop = report.hops[1]
      assert.same({ 1, address, 3, 0, true }, { hop.ttl, hop.address, hop.sent, hop.lost, hop.reached })
      assert.same({ address }, hop.addresses)
      for _, reply in ipairs(hop.replies) do
        assert.equal("refused", reply.reply)
        assert.is_true(reply.ms >= 0 and reply.ms < 1000)
      end
    end
  end)

  it("takes an answer from a port where somebody listens", function()
    local s <close> = assert(net.udp { family = "inet" })
    assert(s:bind("127.0.0.1", 0))
    local _, port = s:getsockname()
    local answering = net.spawn(function()
      local data, address, from = s:recvfrom(100, 5)
      s:sendto(data, address, from)
    end)

    local report = assert(net.trace("127.0.0.1", { port = port, probes = 1, max_hops = 1 }))

    assert(answering:join(30) or true)
    assert.is_true(report.reached)
    assert.equal("data", report.hops[1].replies[1].reply)
  end)

  it("finds TCP ports open and refused", function()
    for _, address in ipairs { "127.0.0.1", "::1" } do
      local server = assert(net.listen(address, 0))
      local _, port = server:getsockname()
      local open = assert(net.trace(address, { mode = "tcp", port = port }))
      server:close()
      local refused = assert(net.trace(address, { mode = "tcp", port = port }))

      assert.equal("open", open.hops[1].replies[3].reply)
      assert.equal("refused", refused.hops[1].replies[3].reply)
      assert.is_true(open.reached and refused.reached)
    end
  end)
end)

describe("a trace to an address in another form", function()
  it("knows the host when it answers", function()
    for _, host in ipairs { "0:0::1", "::ffff:127.0.0.1" } do
      local report = assert(net.trace(host))

      assert.is_true(report.reached)
      assert.equal(host, report.host)
    end
  end)
end)

describe("hops", function()
  it("come one by one, until they are closed", function()
    local seen = 0

    for hop in assert(net.hops "127.0.0.1") do
      seen = seen + 1
      assert.equal(1, hop.ttl)
    end
    local hops = assert(net.hops "127.0.0.1")
    hops:close()
    hops:close()

    assert.equal(1, seen)
    assert.is_nil(hops())
  end)
end)

describe("a trace", function()
  it("answers what cannot be asked", function()
    local function code(host, options) return select(2, net.trace(host, options)).code end

    assert.equal("EAI_ADDRFAMILY", code("127.0.0.1", { family = "inet6" }))
    assert.matches("^EAI_", code("name.invalid"))
    assert.equal("EADDRNOTAVAIL", code("127.0.0.1", { source = "203.0.113.9" }))
    for _, interface in ipairs { "nope0", 0x7fffffff } do
      assert.equal("ENODEV", code("127.0.0.1", { interface = interface }))
    end
    assert.equal("trace", select(2, net.trace("127.0.0.1", { source = "203.0.113.9" })).op)
  end)

  it("refuses misuse and says which", function()
    assert.matches("#1 to 'trace' %(string without NUL expected, got nil", refusal(net.trace))
    assert.matches("#2 to 'hops' %(table expected", refusal(net.hops, "127.0.0.1", 1))
    assert.matches('unknown option "hops"', refusal(net.trace, "127.0.0.1", { hops = 1 }))
    assert.matches('option "port": at most 65446', refusal(net.trace, "127.0.0.1", { port = 65447 }))
    assert.matches('option "first_hop": at most 2',
      refusal(net.trace, "127.0.0.1", { first_hop = 3, max_hops = 2 }))
    assert.matches('option "first_hop": at most 30', refusal(net.hops, "127.0.0.1", { first_hop = 31 }))
    for field, wrong in pairs { max_hops = 256, first_hop = 0, probes = 11, timeout = -1, size = -1,
      port = 0, mode = "sctp", family = "unix", source = 1, interface = 0 } do
      local message = refusal(net.trace, "127.0.0.1", { [field] = wrong })
      assert.matches(('option "%s"'):format(field), message, 1, true)
    end
  end)
end)

if not chain.possible() then
  pending "traces over routers need namespaces"
  return
end

-- What every script below begins with: a line for each hop.
local SHOW = [[
local function show(host, options)
  local report, err = net.trace(host, options)
  if not report then return print(err.code, err.partial and #err.partial.hops) end
  for _, hop in ipairs(report.hops) do
    print(hop.ttl, table.concat(hop.addresses, ","), hop.lost, hop.reached, hop.error and hop.error.code)
  end
  return report
end
]]

local function run(script, options)
  return chain.output(SHOW .. script, options)
end

local WHOLE = "1\t10.1.0.2\t0\tfalse\tnil\n2\t10.2.0.2\t0\tfalse\tnil\n3\t10.9.0.9\t0\ttrue\tnil\n"
local WHOLE6 = "1\tfd00:1::2\t0\tfalse\tnil\n2\tfd00:2::2\t0\tfalse\tnil\n3\tfd00:9::9\t0\ttrue\tnil\n"

describe("a trace over three hops", function()
  for _, mode in ipairs { "udp", "tcp", "icmp" } do
    it("names each by " .. mode .. ", over both families", function()
      for _, raw in ipairs { false, mode == "icmp" or nil } do
        local out = run(([[
          show("10.9.0.9", { mode = "%s" })
          show("fd00:9::9", { mode = "%s" })]]):format(mode, mode), { raw = raw })

        assert.equal(WHOLE .. WHOLE6, out)
      end
    end)
  end

  it("needs no privilege by udp and tcp", function()
    local out = run([[
      show("10.9.0.9")
      show("10.9.0.9", { mode = "tcp" })
      print(select(2, net.trace("10.9.0.9", { mode = "icmp" })).code)]],
      { raw = true, with = "setpriv --inh-caps=-net_raw --bounding-set=-net_raw" })

    assert.equal(WHOLE .. WHOLE .. "ICMP_DENIED\n", out)
  end)

  it("goes by the options: first and last hop, probes, source, interface, size", function()
    local out = run [[
      show("10.9.0.9", { first_hop = 2, max_hops = 2, probes = 1 })
      local report = show("10.9.0.9", { first_hop = 3, probes = 10, size = 1400, source = "10.1.0.1",
        interface = "a1" })
      print(#report.hops[1].replies, report.reached)
      print(show("10.9.0.9", { max_hops = 1 }).reached)]]

    assert.equal("2\t10.2.0.2\t0\tfalse\tnil\n3\t10.9.0.9\t0\ttrue\tnil\n10\ttrue\n"
      .. "1\t10.1.0.2\t0\tfalse\tnil\nfalse\n", out)
  end)

  it("agrees with traceroute(8)", function()
    if not chain.has "traceroute" then return pending "traceroute is not installed" end

    for host, version in pairs { ["10.9.0.9"] = "-4", ["fd00:9::9"] = "-6" } do
      local out = run(("show '%s'"):format(host),
        { setup = ("traceroute -n %s -q 1 %s"):format(version, host) })

      local theirs, ours = {}, {}
      for ttl, address in out:gmatch "\n *(%d+)  ([%x.:]+)  [%d.]+ ms" do
        theirs[#theirs + 1] = ttl .. " " .. address
      end
      for ttl, address in out:gmatch "(%d+)\t([%x.:]+)\t" do ours[#ours + 1] = ttl .. " " .. address end
      assert.equal(3, #theirs)
      assert.same(theirs, ours)
    end
  end)
end)

describe("a trace over silent hops", function()
  it("passes them, and waits for them together", function()
    if not chain.firewall() then return pending "needs iptables in a namespace" end

    for _, mode in ipairs { "udp", "tcp", "icmp" } do
      local out = run(([[
        local began = net.now()
        show("10.9.0.9", { mode = "%s", timeout = 2 })
        print(net.now() - began < 3.8)
        show("10.9.0.77", { mode = "%s", timeout = 0.2, max_hops = 4, probes = 2 })]]):format(mode, mode),
        { setup = [[
          for n in one two; do ip netns exec $n iptables -A OUTPUT -p icmp --icmp-type 11 -j DROP; done
          ip -n two route add blackhole 10.9.0.77
        ]] })

      assert.equal("1\t\t3\tfalse\tnil\n2\t\t3\tfalse\tnil\n3\t10.9.0.9\t0\ttrue\tnil\ntrue\n"
        .. "1\t\t2\tfalse\tnil\n2\t\t2\tfalse\tnil\n3\t\t2\tfalse\tnil\n4\t\t2\tfalse\tnil\n", out)
    end
  end)

  it("takes 30 of them in a few timeouts", function()
    if not chain.firewall() then return pending "needs iptables in a namespace" end

    local out = run([[
      local began = net.now()
      local report = net.trace("10.53.0.1", { timeout = 0.2 })
      print(#report.hops, report.reached, report.hops[30].replies[3].error.code, net.now() - began < 5)]],
      { setup = "ip -n one route add blackhole 10.53.0.0/16\n"
        .. "ip netns exec one iptables -A OUTPUT -p icmp --icmp-type 11 -j DROP" })

    assert.equal("30\tfalse\tTIMEOUT\ttrue\n", out)
  end)

  it("ends with the deadline of a scope, keeps what came, and can be canceled", function()
    local out = run([[
      net.timeout(0.3, show, "10.53.0.1")
      local task = net.spawn(net.trace, "10.53.0.1", { mode = "tcp" })
      net.sleep(0.05)
      task:cancel()
      print(select(2, task:join(30)).code)]], { setup = "ip -n two route add blackhole 10.53.0.0/16" })

    assert.equal("TIMEOUT\t1\nCANCELED\n", out)
  end)
end)

describe("a trace to where there is no way", function()
  -- A router says so five times and then once a second: each has a path of its own, and four probes at most.
  local cases = {
    { "unreachable", "10.51.0.1", "10.1.0.2", "10.2.0.2", "EHOSTUNREACH" },
    { "prohibit", "10.51.0.1", "10.1.0.2", "10.2.0.2", "PROHIBITED" },
    { "unreachable", "fd00:51::1", "fd00:1::2", "fd00:2::2", "ENETUNREACH" },
    { "prohibit", "fd00:51::1", "fd00:1::2", "fd00:2::2", "PROHIBITED" },
  }
  for _, case in ipairs(cases) do
    for _, mode in ipairs { "udp", "tcp", "icmp" } do
      local kind, host, first, second, code = table.unpack(case)
      it(("ends at the router that says %s, for %s by %s"):format(code, host, mode), function()
        local out = run(([[
          local report = show("%s", { mode = "%s", probes = 2, max_hops = 3, timeout = 5 })
          print(report.reached, report.error.code, report.error.address)]]):format(host, mode),
          { setup = ("ip -n two route add %s %s"):format(kind, host) })

        assert.equal(("1\t%s\t0\tfalse\tnil\n2\t%s\t0\tfalse\t%s\nfalse\t%s\t%s\n"):format(first, second,
          code, code, second), out)
      end)
    end
  end

  it("reaches a host that prohibits what is asked, and says so", function()
    if not chain.firewall() then return pending "needs iptables in a namespace" end

    local out = run([[
      for _, mode in ipairs { "udp", "tcp", "icmp" } do
        local hop = net.trace("10.9.0.9", { mode = mode }).hops[3]
        print(hop.reached, hop.error.code, hop.replies[1].error.address)
      end]], { setup =
      "ip netns exec far iptables -A INPUT -j REJECT --reject-with icmp-admin-prohibited" })

    assert.equal(("true\tPROHIBITED\t10.9.0.9\n"):rep(3), out)
  end)

  it("ends at once where this system itself knows none", function()
    for _, mode in ipairs { "udp", "tcp", "icmp" } do
      local out = run(([[
        show("10.51.0.1", { mode = "%s" })
        show("10.52.0.1", { mode = "%s" })]]):format(mode, mode),
        { setup = "ip route add prohibit 10.51.0.0/16; ip route add unreachable 10.52.0.0/16" })

      assert.equal("1\t\t3\tfalse\tEACCES\n1\t\t3\tfalse\tEHOSTUNREACH\n", out)
    end
  end)
end)

describe("a trace by TCP", function()
  it("takes answers that need a second attempt", function()
    if not chain.firewall() then return pending "needs iptables in a namespace" end

    local out = run([[
      local server <close> = assert(net.listen("10.1.0.1", 0))
      local _, open = server:getsockname()
      local function trace(port)
        local report = net.trace("10.1.0.1", { mode = "tcp", port = port, timeout = 5, max_hops = 1 })
        return report.hops[1].replies[3].reply
      end
      local tasks = { net.spawn(trace, open), net.spawn(trace, 1) }
      net.sleep(0.1)
      os.execute "iptables -F INPUT" -- now the kernel's own repetitions come through
      print(tasks[1]:join(8), tasks[2]:join(8))]], { setup = "iptables -A INPUT -p tcp --syn -j DROP" })

    assert.equal("open\trefused\n", out)
  end)
end)

describe("many traces at once", function()
  it("find their way, and leave nothing open", function()
    local out = run [[
      local function descriptors() -- as many as are open, where there are no holes
        local s <close> = assert(net.udp())
        return s:fileno()
      end
      net.sleep(0.001) -- the loop's own
      local before, whole, list = descriptors(), 0, {}
      for n = 1, 60 do list[n] = ({ "udp", "tcp", "icmp" })[n % 3 + 1] end
      local reports = net.map(list, function(mode) return net.trace("10.9.0.9", { mode = mode }) end)
      for n = 1, #list do if reports[n].reached and #reports[n].hops == 3 then whole = whole + 1 end end
      print(whole, descriptors() - before)]]

    assert.equal("60\t0\n", out)
  end)
end)
