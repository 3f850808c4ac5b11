local chain = require "chain"
local island = require "island"

local function refusal(...)
  local ok, err = pcall(...)
  assert.is_false(ok)
  return err
end

-- A port of 127.0.0.1 where nobody listens.
local function deadport()
  local s <close> = assert(net.listen("127.0.0.1", 0))
  return select(2, s:getsockname())
end

describe("ping over TCP", function()
  it("counts a host that refuses as alive", function()
    local port = deadport()

    local report = assert(net.ping("127.0.0.1", { mode = "tcp", port = port, count = 3, interval = 0 }))

    assert.is_true(report.alive)
    assert.same({ 3, 3, 0, 0 }, { report.sent, report.received, report.lost, report.loss })
    assert.same({ "127.0.0.1", "127.0.0.1", "tcp", port },
      { report.host, report.address, report.mode, report.port })
    assert.equal(3, #report.replies)
    for seq, reply in ipairs(report.replies) do
      assert.equal(seq, reply.seq)
      assert.equal("refused", reply.reply)
      assert.is_true(reply.ms >= report.min_ms and reply.ms <= report.max_ms)
    end
    assert.is_true(report.min_ms <= report.avg_ms and report.p50_ms <= report.p95_ms)
    assert.is_true(report.p95_ms <= report.max_ms and report.jitter_ms >= 0 and report.mdev_ms >= 0)
  end)

  for family, address in pairs { inet = "127.0.0.1", inet6 = "::1" } do
    it("finds a port open over " .. family, function()
      local server <close> = assert(net.listen(address, 0))
      local _, port = server:getsockname()

      local report = assert(net.ping(address, { mode = "tcp", port = port, family = family }))

      assert.equal("open", report.replies[1].reply)
      assert.equal(address, report.address)
    end)
  end

  it("looks a name up, and takes an address of the family asked for", function()
    local report = assert(net.ping("localhost", { mode = "tcp", port = 1, family = "inet" }))

    assert.equal("localhost", report.host)
    assert.equal("127.0.0.1", report.address)
  end)

  it("keeps to the interval", function()
    local began = net.now()

    assert(net.ping("127.0.0.1", { mode = "tcp", port = 1, count = 3, interval = 0.03 }))

    local took = net.now() - began
    assert.is_true(took >= 0.06 and took < 20, took)
  end)

  it("leaves no more to others than it used", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = server:getsockname()

    for _ = 1, 20 do assert(net.ping("127.0.0.1", { mode = "tcp", port = port })) end

    assert.is_true((assert(net.ping("127.0.0.1", { mode = "tcp", port = port }))).alive)
  end)
end)

describe("pings", function()
  local options = { mode = "tcp", port = 1, count = math.huge, interval = 0 }

  it("gives each reply as it comes, and ends by break", function()
    local seen = {}

    for reply in assert(net.pings("127.0.0.1", options)) do
      seen[#seen + 1] = reply.seq
      if reply.seq == 3 then break end
    end

    assert.same({ 1, 2, 3 }, seen)
  end)

  it("reports so far", function()
    local replies <close> = assert(net.pings("127.0.0.1", options))
    assert.same({ 0, 0, false, 0 }, (function(r) return { r.sent, r.loss, r.alive, r.received } end)(
      replies:report()))
    assert.is_nil(replies:report().avg_ms)

    replies()
    replies()

    assert.equal(2, replies:report().received)
  end)

  it("is at its end once closed", function()
    local replies = assert(net.pings("127.0.0.1", options))
    replies:close()
    replies:close()

    assert.is_nil(replies())
  end)
end)

describe("ping", function()
  it("answers what cannot be asked", function()
    local function code(host, options) return select(2, net.ping(host, options)).code end

    assert.equal("EAI_ADDRFAMILY", code("127.0.0.1", { family = "inet6" }))
    assert.equal("EAI_ADDRFAMILY", code("::1", { source = "127.0.0.1" }))
    assert.matches("^EAI_", code("name.invalid"))
    assert.equal("EADDRNOTAVAIL", code("127.0.0.1", { mode = "tcp", source = "203.0.113.9" }))
    assert.equal("ENODEV", code("127.0.0.1", { mode = "tcp", interface = "nope0" }))
    assert.equal("ENODEV", code("127.0.0.1", { mode = "tcp", interface = 0x7fffffff }))
  end)

  it("refuses misuse and says which", function()
    assert.matches("#1 to 'ping' %(string without NUL expected, got nil", refusal(net.ping))
    assert.matches("#2 to 'pings' %(table expected", refusal(net.pings, "127.0.0.1", 1))
    assert.matches('unknown option "cuont"', refusal(net.ping, "127.0.0.1", { cuont = 1 }))
    assert.matches('option "count": finite number',
      refusal(net.ping, "127.0.0.1", { count = math.huge, mode = "tcp" }))
    for field, wrong in pairs { count = 0, interval = -1, timeout = "1", size = 65508, ttl = 0, mode = "udp",
      port = 65536, family = "unix", source = 1, interface = 0 } do
      local message = refusal(net.ping, "127.0.0.1", { [field] = wrong })
      assert.matches(('option "%s"'):format(field), message, 1, true)
    end
  end)

  it("ends with the deadline of its scope, and keeps what came", function()
    local began = net.now()

    local report, err = net.timeout(1, net.ping, "127.0.0.1",
      { mode = "tcp", port = 1, count = 10000, interval = 0.02 })

    assert.is_nil(report)
    assert.equal("TIMEOUT", err.code)
    assert.equal("ping", err.op)
    assert.is_true(err.partial.alive and #err.partial.replies >= 1 and #err.partial.replies < 10000)
    assert.is_true(net.now() - began < 20)
  end)

  it("can be canceled", function()
    local task = net.spawn(net.ping, "127.0.0.1", { mode = "tcp", port = 1, count = 100 })
    net.sleep(0.02)

    task:cancel()

    assert.equal("CANCELED", select(2, task:join(30)).code)
  end)
end)

if not chain.possible() then
  pending "ping over ICMP needs namespaces with routers between them"
  return
end

-- What every script below begins with: a line for each reply.
local SHOW = [[
local function show(host, options)
  local report = assert(net.ping(host, options))
  for _, r in ipairs(report.replies) do
    print(r.seq, r.reply or r.error.code, r.address, r.ttl, r.bytes)
  end
  return report
end
]]

local function run(script, options)
  return chain.output(SHOW .. script, options)
end

for _, kind in ipairs { "datagram", "raw" } do
  local raw = kind == "raw"

  describe("ping by " .. kind .. " sockets", function()
    it("gives number, TTL and size of each reply, over both families", function()
      local out = run([[
        show("10.9.0.9", { count = 2, interval = 0 })
        show("fd00:9::9", { count = 2, interval = 0, size = 3000 })
        show("10.9.0.9", { size = 0 })
        show("10.9.0.9", { size = 7, ttl = 3, source = "10.1.0.1", interface = net.interfaces().a1.index })
        show("fd00:9::9", { size = 65507 })]], { raw = raw })

      assert.equal("1\techo\t10.9.0.9\t62\t56\n2\techo\t10.9.0.9\t62\t56\n"
        .. "1\techo\tfd00:9::9\t62\t3000\n2\techo\tfd00:9::9\t62\t3000\n"
        .. "1\techo\t10.9.0.9\t62\t0\n1\techo\t10.9.0.9\t62\t7\n1\techo\tfd00:9::9\t62\t65507\n", out)
    end)

    it("reaches addresses with a zone, and all the hosts of a group", function()
      local out = run([[
        local file <close> = io.popen "ip -o -n one -6 addr show dev b1 scope link"
        local there = file:read "a":match "inet6 (fe80:[%x:]+)" .. "%a1"
        local report = assert(net.ping(there))
        local reply = report.replies[1]
        print(report.alive, reply.address == there, reply.different)
        for _, mode in ipairs { "udp", "tcp", "icmp" } do print(net.trace(there, { mode = mode }).reached) end
        report = assert(net.ping("ff02::1", { interface = "a1" }))
        print(report.alive)
        -- Replies come from an address with a zone: without one a trace by UDP knew none of them.
        local bare = there:match "^[^%%]*"
        reply = assert(net.ping(bare, { interface = "a1", timeout = 30 })).replies[1]
        print(reply.address == there, reply.different)
        local index = net.interfaces().a1.index
        for _, mode in ipairs { "udp", "tcp", "icmp" } do
          local options = { mode = mode, interface = index, max_hops = 1, timeout = 30 }
          print(net.trace(bare, options).reached)
          options = { mode = mode ~= "tcp" and mode or nil, interface = "a1", timeout = 30 }
          print(net.path_mtu(bare, options).confirmed)
        end]], { raw = raw })

      assert.equal("true\ttrue\tnil\ntrue\ntrue\ntrue\ntrue\ntrue\tnil\n" .. ("true\n"):rep(6), out)
    end)

    -- "permission denied": only 255.255.255.255 was known as a broadcast address.
    it("reaches the hosts of a network by its broadcast address", function()
      local out = run([[
        local report = assert(net.ping("10.1.0.255", { count = 2, interval = 0, timeout = 30 }))
        print(report.alive, report.received, report.replies[2].address, report.replies[2].different)
      ]], { raw = raw, setup = "ip netns exec one sysctl -qw net.ipv4.icmp_echo_ignore_broadcasts=0" })

      assert.equal("true\t2\t10.1.0.2\ttrue\n", out)
    end)

    it("names the router where the hops ran out", function()
      local out = run([[
        for ttl = 1, 2 do
          show("10.9.0.9", { ttl = ttl })
          show("fd00:9::9", { ttl = ttl })
        end]], { raw = raw })

      assert.equal("1\tTTL_EXCEEDED\t10.1.0.2\tnil\tnil\n1\tTTL_EXCEEDED\tfd00:1::2\tnil\tnil\n"
        .. "1\tTTL_EXCEEDED\t10.2.0.2\tnil\tnil\n1\tTTL_EXCEEDED\tfd00:2::2\tnil\tnil\n", out)
    end)

    it("names the router that says there is no way, and why", function()
      local out = run([[
        for n = 1, 4 do show(("10.5%d.0.1"):format(n), { timeout = 0.2 }) end
        for n = 1, 3 do show(("fd00:5%d::1"):format(n), { timeout = 0.2 }) end
        local report = show("10.3.0.77", { timeout = 0.2 })
        print(report.alive, report.lost, report.loss)]], { raw = raw, setup = [[
        ip -n two route add unreachable 10.51.0.0/16; ip -n two route add prohibit 10.52.0.0/16
        ip -n two route add blackhole 10.53.0.0/16
        ip -n two route add unreachable fd00:51::/32; ip -n two route add prohibit fd00:52::/32
        ip -n two route add blackhole fd00:53::/32
        ip -n two neigh add 10.3.0.77 lladdr 02:00:00:00:00:77 nud permanent dev a3
      ]] })

      assert.equal("1\tEHOSTUNREACH\t10.2.0.2\tnil\tnil\n1\tPROHIBITED\t10.2.0.2\tnil\tnil\n"
        .. "1\tTIMEOUT\t10.53.0.1\tnil\tnil\n1\tENETUNREACH\t10.2.0.2\tnil\tnil\n"
        .. "1\tENETUNREACH\tfd00:2::2\tnil\tnil\n1\tPROHIBITED\tfd00:2::2\tnil\tnil\n"
        .. "1\tTIMEOUT\tfd00:53::1\tnil\tnil\n1\tTIMEOUT\t10.3.0.77\tnil\tnil\n"
        .. "false\t1\t1.0\n", out)
    end)

    it("names the firewall that prohibits it", function()
      if not chain.firewall() then return pending "needs iptables in a namespace" end

      local out = run([[
        local detail = show("10.9.0.9").replies[1].error.detail
        print(detail.type, detail.code)]], { raw = raw, setup =
        "ip netns exec far iptables -A INPUT -p icmp -j REJECT --reject-with icmp-admin-prohibited" })

      assert.equal("1\tPROHIBITED\t10.9.0.9\tnil\tnil\n3\t13\n", out)
    end)

    it("says what this system's own routes refuse", function()
      local out = run([[
        for n = 1, 4 do show(("10.5%d.0.1"):format(n), { count = 2, interval = 0 }) end
      ]], { raw = raw, setup = [[
        ip route del default
        ip route add unreachable 10.51.0.0/16; ip route add prohibit 10.52.0.0/16
        ip route add blackhole 10.53.0.0/16]] })

      local codes = {}
      for code in out:gmatch "\t(E%u+)\t" do codes[#codes + 1] = code end
      assert.equal("EHOSTUNREACH EHOSTUNREACH EACCES EACCES EINVAL EINVAL ENETUNREACH ENETUNREACH",
        table.concat(codes, " "))
    end)

    it("goes on after errors, and keeps probes in flight at the same time", function()
      local out = run([[
        local began = net.now()
        local report = show("10.3.0.77", { count = 4, interval = 0.02, timeout = 2 })
        print(net.now() - began < 7, report.sent, report.lost)
        report = show("10.9.0.9", { count = 3, interval = 0.01, ttl = 2 })
        print(report.sent, report.lost, report.avg_ms)]], { raw = raw, setup =
        "ip -n two neigh add 10.3.0.77 lladdr 02:00:00:00:00:77 nud permanent dev a3\n" })

      assert.matches("true\t4\t4\n", out, 1, true)
      assert.matches("3\t3\tnil\n", out, 1, true)
    end)

    it("keeps count of more probes than it can send in time", function()
      local out = run([[
        local near = net.ping("127.0.0.1", { count = 3000, interval = 1e-6 })
        print(near.sent, near.received)
        local silent = net.ping("10.3.0.77", { count = 5000, interval = 1e-6, timeout = 0.2 })
        print(silent.sent, silent.lost)
        local cut = select(2, net.timeout(0.2, net.ping, "127.0.0.1", { count = 1 << 40, interval = 1e-6 }))
        print(cut.code)]], { raw = raw, setup =
        "ip link set lo up; ip -n two neigh add 10.3.0.77 lladdr 02:00:00:00:00:77 nud permanent dev a3\n" })

      assert.matches("3000\t3000\n5000\t5000\nTIMEOUT\n", out, 1, true)
    end)
  end)
end

describe("ping beside ping(8)", function()
  it("sees the same replies", function()
    if not chain.has "ping" then return pending "ping (iputils) is not installed" end

    for host, version in pairs { ["10.9.0.9"] = "-4", ["fd00:9::9"] = "-6" } do
      local out = run(([[show("%s", { count = 3, interval = 0 })]]):format(host),
        { setup = ("ping -n %s -c 3 -i 0.05 %s"):format(version, host) })

      local theirs, ours = {}, {}
      for bytes, seq, ttl in out:gmatch "(%d+) bytes from [%x.:]+: icmp_seq=(%d+) ttl=(%d+)" do
        theirs[#theirs + 1] = ("%d %s %s"):format(bytes - 8, seq, ttl)
      end
      for seq, ttl, bytes in out:gmatch "(%d+)\techo\t%S+\t(%d+)\t(%d+)\n" do
        ours[#ours + 1] = ("%s %s %s"):format(bytes, seq, ttl)
      end
      assert.equal(3, #theirs)
      assert.same(theirs, ours)
    end
  end)
end)

describe("ping without privilege", function()
  it("names what is missing and three remedies", function()
    local out, err, status = chain.run([[
      for _, host in ipairs { "10.9.0.9", "fd00:9::9" } do
        local report, err = net.ping(host)
        print(report, err.code, err.kind, err.host, err.cause.code)
        print(err:explain())
      end
      print(net.ping("10.9.0.9", { mode = "tcp", port = 1 }).alive)]],
      { raw = true, with = "setpriv --inh-caps=-net_raw --bounding-set=-net_raw" })

    assert.equal("", err)
    assert.equal(0, status)
    assert.matches("nil\tICMP_DENIED\tpermission\t10.9.0.9\tEPERM\n", out, 1, true)
    assert.matches("nil\tICMP_DENIED\tpermission\tfd00:9::9\tEPERM\n", out, 1, true)
    for _, remedy in ipairs { "sysctl -w net.ipv4.ping_group_range='0 2147483647'", "setcap cap_net_raw+ep",
      'mode="tcp"', "CAP_NET_RAW" } do
      assert.matches(remedy, out, 1, true)
    end
    assert.matches("\ntrue\n$", out)
  end)

  it("works by the group alone", function()
    local out = chain.run(SHOW .. [[show "10.9.0.9"]],
      { with = "setpriv --inh-caps=-net_raw --bounding-set=-net_raw" })

    assert.equal("1\techo\t10.9.0.9\t62\t56\n", out)
  end)
end)

-- A host that answers as a test wants: the kernel's own answers are off, and a task has the requests.
local HOST = [[
local function sysctl(name, value)
  local file <close> = assert(io.open("/proc/sys/net/ipv4/" .. name, "w"))
  assert(file:write(value))
end
sysctl("icmp_echo_ignore_all", "1")
if arg[1] ~= "raw" then sysctl("ping_group_range", "0 0") end

local function checksum(p)
  local sum = 0
  if #p % 2 == 1 then p = p .. "\0" end
  for at = 1, #p, 2 do sum = sum + p:byte(at) * 256 + p:byte(at + 1) end
  while sum > 0xffff do sum = (sum & 0xffff) + (sum >> 16) end
  return ~sum & 0xffff
end

local function reply(id, seq, body, source)
  local s <close> = assert(net.socket("inet", "raw", 1))
  if source then assert(s:bind(source, 0)) end
  local head = (">BBI2I2I2"):pack(0, 0, 0, id, seq)
  assert(s:sendto((">BBI2I2I2"):pack(0, 0, checksum(head .. body), id, seq) .. body, "127.0.0.1", 0))
end

local host = assert(net.socket("inet", "raw", 1))
local function serve(answer)
  return net.spawn(function()
    while true do
      local packet = host:recvfrom(4096)
      local kind, _, _, id, seq, at = (">BBI2I2I2"):unpack(packet, 21)
      if kind == 8 then answer(id, seq, packet:sub(at)) end
    end
  end)
end

local function show(options)
  local replies = assert(net.pings("127.0.0.1", options))
  for r in replies do
    local notes = {}
    for _, note in ipairs { "duplicate", "late", "different", "damaged" } do
      if r[note] then notes[#notes + 1] = note end
    end
    print(r.seq, r.reply or r.error.code, r.address, r.bytes, table.concat(notes, " "))
  end
  local r = replies:report()
  print(r.received, r.lost, r.duplicates, r.late, r.ignored)
end
]]

-- Runs in the namespace of datagram or of raw sockets; the output.
local function behave(script, raw)
  local out, err, status = island.run((HOST:gsub("arg%[1%]", raw and '"raw"' or '""')) .. script
    .. "\nos.exit(0)")
  assert.equal("", err)
  assert.equal(0, status)
  return out
end

for _, raw in ipairs { false, true } do
  local kind = raw and "raw" or "datagram"

  describe("ping by " .. kind .. " sockets believes", function()
    it("no reply without the bytes that were sent", function()
      local out = behave([[
        serve(function(id, seq, body)
          reply(id, seq, ("\0"):rep(#body))               -- no token
          reply(id, seq, "")                              -- nothing
          reply(id, seq, body:sub(1, 7))                  -- most of a token
          reply(id, seq, body:sub(9) .. body:sub(1, 8))   -- elsewhere
        end)
        show { timeout = 0.2 }]], raw)

      assert.equal("1\tTIMEOUT\t127.0.0.1\tnil\t\n0\t1\t0\t0\t4\n", out)
    end)

    it("no reply to a request that was not sent", function()
      local out = behave([[
        serve(function(id, seq, body)
          reply(id, seq + 1, body)
          reply(id, 65535, body)
          reply(id ~ 1, seq, body) -- somebody else's
        end)
        show { timeout = 0.2 }]], raw)

      assert.matches("1\tTIMEOUT\t127.0.0.1\tnil\t\n0\t1\t0\t0\t", out, 1, true)
    end)

    it("what it can tell: duplicates and damage", function()
      local out = behave([[
        serve(function(id, seq, body)
          reply(id, seq, body)
          reply(id, seq, body)
          if seq == 2 then reply(id, seq, body:sub(1, -2) .. "\0") end
        end)
        show { count = 2, interval = 0.1 }]], raw)

      assert.equal("1\techo\t127.0.0.1\t56\t\n1\techo\t127.0.0.1\t56\tduplicate\n2\techo\t127.0.0.1\t56\t\n",
        out:match "^.-\n.-\n.-\n")
    end)

    it("damaged replies, as such", function()
      local out = behave([[
        serve(function(id, seq, body) reply(id, seq, body:sub(1, -2) .. "\0") end)
        show {}
        show { size = 9 }]], raw)

      assert.equal("1\techo\t127.0.0.1\t56\tdamaged\n1\t0\t0\t0\t0\n1\techo\t127.0.0.1\t9\tdamaged\n"
        .. "1\t0\t0\t0\t0\n", out)
    end)

    it("late replies, which stay lost", function()
      local out = behave([[
        serve(function(id, seq, body)
          net.sleep(seq == 1 and 0.1 or 0)
          reply(id, seq, body)
        end)
        show { count = 2, interval = 0.2, timeout = 0.05 }]], raw)

      assert.equal("1\tTIMEOUT\t127.0.0.1\tnil\t\n1\techo\t127.0.0.1\t56\tlate\n2\techo\t127.0.0.1\t56\t\n"
        .. "1\t1\t0\t1\t0\n", out)
    end)
  end)
end

describe("ping by datagram sockets believes", function()
  it("replies from another address, as such", function()
    local out = behave [[
      serve(function(id, seq, body) reply(id, seq, body, "127.0.0.2") end)
      show {}]]

    assert.equal("1\techo\t127.0.0.2\t56\tdifferent\n1\t0\t0\t0\t0\n", out)
  end)
end)

describe("pings that are left", function()
  it("close their socket, by break and by cancellation", function()
    local out = run [[
      collectgarbage "stop"
      local function descriptors() -- as many as are open, where there are no holes
        local s <close> = assert(net.udp())
        return s:fileno()
      end
      net.sleep(0.001) -- the loop's own
      local before = descriptors()
      for _ = 1, 10 do
        for _ in assert(net.pings("10.9.0.9", { count = 5 })) do break end
        local task = net.spawn(net.ping, "10.9.0.9", { count = 5 })
        net.sleep(0.001)
        task:cancel()
        task:join(30)
        net.timeout(0.01, net.ping, "10.9.0.9", { count = 5 })
      end
      print(descriptors() - before)]]

    assert.equal("0\n", out)
  end)
end)

describe("ping of many hosts", function()
  it("asks a thousand at once, and leaves nothing open", function()
    local out = run [[
      local hosts = {}
      for n = 1, 1000 do hosts[n] = ("127.0.%d.%d"):format(n // 256, n % 256) end
      local function descriptors() -- as many as are open, where there are no holes
        local s <close> = assert(net.udp())
        return s:fileno()
      end
      net.sleep(0.001) -- the loop's own
      collectgarbage()
      local before, alive = descriptors(), 0
      local reports = net.map(hosts, function(h) return net.ping(h) end, { limit = 1000 })
      for n = 1, 1000 do if reports[n].alive then alive = alive + 1 end end
      print(alive, descriptors() - before)]]

    assert.equal("1000\t0\n", out)
  end)
end)
