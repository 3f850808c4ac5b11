local connected = require "connected"
local island = require "island"
local netlua = require "netlua"
local peer = require "peer"

local function free(host)
  local server <close> = assert(net.listen(host or "127.0.0.1", 0))
  local _, port = server:getsockname()
  return port
end

-- A server that takes no more connections: what comes then is not answered.
local function full()
  local server = assert(net.listen("127.0.0.1", 0, { backlog = 0 }))
  local host, port = server:getsockname()
  local held = { server }
  for _ = 1, 8 do
    local s, err = net.connect(host, port, { timeout = 0.05 })
    if not s then
      assert(err.code == "TIMEOUT", err)
      break
    end
    held[#held + 1] = s
  end
  return setmetatable({}, { __close = function() for _, s in ipairs(held) do s:close() end end }), host, port
end

-- A child in a network of its own, in which `setup` has run.
local function isolated(setup, script)
  if not os.execute "unshare -rn true 2>/dev/null" then pending "no network namespaces here" end
  local name = os.tmpname()
  local file = assert(io.open(name, "w"))
  file:write(script)
  file:close()
  local out, err, status = netlua.shell(("exec unshare -rn sh -c '%s; exec %%s %s'"):format(setup, name), 20)
  os.remove(name)
  return out, err, status
end

describe("net.connect", function()
  it("connects to an address", function()
    local server <close> = peer.echo()

    local s <close> = assert(net.connect(server.host, server.port))

    s:write "hello\n"
    assert.equal("hello", s:read())
    assert.same({ server.host, server.port }, { s:getpeername() })
  end)

  it("does not wait for a server of this host, which answers at once", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local others = 0
    net.sleep(0)
    local other = net.spawn(function() others = others + 1 end)

    local s <close> = assert(net.connect(server:getsockname())) -- luacheck: ignore s

    assert.equal(0, others)
    other:join()
  end)

  it("connects to a name", function()
    local server <close> = peer.echo()

    local s <close> = assert(net.connect("localhost", server.port, { timeout = 5 }))

    s:write "hello\n"
    assert.equal("hello", s:read())
  end)

  it("takes the short forms of an address without asking a name server", function()
    local server <close> = peer.echo()

    local s <close> = assert(net.connect("127.1", server.port, { timeout = 5 }))

    assert.equal("127.0.0.1", (s:getpeername()))
  end)

  for _, host in ipairs { "10.0.0.256", "1.2.3.4.5", "1.2.3.0x100000000", "256.256.256.256." } do
    it(("says at once that %s is no address"):format(host), function()
      local began = net.now()

      local s, err = net.connect(host, 80)

      assert.is_nil(s)
      assert.equal("EAI_NONAME", err.code)
      assert.equal("dns", err.kind)
      assert.equal(host, err.host)
      assert.is_true(net.now() - began < 4)
    end)
  end

  it("does not ask a name server for what ends in a number", function()
    local out, err = isolated("ip link set lo up", [[
      for _, host in ipairs { "10.0.0.256", "10.0.0.256.", "1.2.3.0xfff", "a.b.3", "no-such-host.invalid" } do
        local s, err = net.connect(host, 80, { timeout = 10 })
        print(s, err.code)
      end
    ]])

    assert.equal("", err)
    assert.matches("^" .. ("nil\tEAI_NONAME\n"):rep(4), out)
    assert.not_matches("nil\tEAI_NONAME\n$", out)
  end)

  it("refuses a name of any length at once", function()
    local began = net.now()

    for _, host in ipairs { ("a"):rep(200000) .. ".b", ("a."):rep(100000), ("."):rep(200000) } do
      local s, err = net.connect(host, 80, { timeout = 30 })

      assert.is_nil(s)
      assert.equal("EAI_NONAME", err.code)
    end
    assert.is_true(net.now() - began < 20)
  end)

  it("says that an empty name is none", function()
    local s, err = net.connect("", 80, { timeout = 5 })

    assert.is_nil(s)
    assert.equal("dns", err.kind)
  end)

  it("says that a connection is refused, by whom and after which time", function()
    local port = free()

    local s, err = net.connect("127.0.0.1", port)

    assert.is_nil(s)
    assert.equal("ECONNREFUSED", err.code)
    assert.equal("refused", err.kind)
    assert.equal("connect", err.op)
    assert.equal("127.0.0.1", err.address)
    assert.equal(port, err.port)
    assert.is_true(err.ms >= 0 and err.ms < 5000)
  end)

  it("lists every address that it tried for a name", function()
    local port = free()

    local s, err = net.connect("localhost", port, { timeout = 5 })

    assert.is_nil(s)
    assert.equal("ECONNREFUSED", err.code)
    assert.equal("localhost", err.host)
    assert.equal(#assert(net.getaddrinfo("localhost", nil, { socktype = "stream" })), #err.attempts)
    for _, attempt in ipairs(err.attempts) do
      assert.equal("ECONNREFUSED", attempt.code)
      assert.equal(port, attempt.port)
      assert.is_string(attempt.address)
      assert.is_true(attempt.ms >= 0)
    end
    assert.is_string(tostring(err))
    assert.is_string(err:explain())
  end)

  it("obeys family for a name", function()
    local server <close> = peer.echo()

    local s <close> = assert(net.connect("localhost", server.port, { family = "inet" }))
    local none, err = net.connect("127.0.0.1", server.port, { family = "inet6" })

    assert.equal("127.0.0.1", (s:getpeername()))
    assert.is_nil(none)
    assert.equal("EAI_ADDRFAMILY", err.code)
  end)

  it("names the port of a failure, in whatever way it was given", function()
    local closed = free()
    for _, port in ipairs { closed, closed + 0.0, tostring(closed) } do
      local _, err = net.connect("localhost", port, { family = "inet", timeout = 30 })

      assert.equal("ECONNREFUSED", err.code)
      assert.equal("integer", math.type(err.port))
      assert.matches(("127.0.0.1:%d"):format(closed), tostring(err), 1, true)
    end
  end)

  it("gives up after its timeout", function()
    local _ <close>, host, port = full()
    local began = net.now()

    local s, err = net.connect(host, port, { timeout = 0.05 })

    assert.is_nil(s)
    assert.equal("TIMEOUT", err.code)
    assert.equal("connect", err.op)
    assert.equal(host, err.address)
    assert.equal(port, err.port)
    assert.is_nil(err.partial)
    assert.matches(("To tell: netlua diagnose %s:%d"):format(host, port), err:explain(), 1, true)
    assert.is_true(err.ms >= 40)
    assert.is_true(net.now() - began < 20)
  end)

  it("gives up after its timeout for a name too", function()
    local _ <close>, _, port = full()

    local s, err = net.connect("localhost", port, { timeout = 0.1, family = "inet" })

    assert.is_nil(s)
    assert.equal("TIMEOUT", err.code)
    assert.equal("localhost", err.host)
    assert.equal(port, err.port)
    assert.matches("To tell: netlua diagnose localhost:" .. port, err:explain(), 1, true)
  end)

  it("says that no name server answered, where that is why", function()
    if not island.possible() then return pending "no namespaces here" end

    local out = island.run([[
      local silent = assert(net.udp())
      assert(silent:bind("127.0.0.1", 53))
      local _, err = net.connect("example.test", 80, { timeout = 0.1 })
      print(err)
      print(err:explain())]], { ["/etc/resolv.conf"] = "nameserver 127.0.0.1\n",
      ["/etc/nsswitch.conf"] = "hosts: dns\n" })

    assert.equal("connect example.test:80: timed out (TIMEOUT)\n"
      .. "No name server answered in that time. To ask each of them: netlua diagnose example.test:80\n", out)
  end)

  it("gives up at the deadline around it", function()
    local _ <close>, host, port = full()

    local s, err = net.timeout(0.05, net.connect, host, port)

    assert.is_nil(s)
    assert.equal("TIMEOUT", err.code)
  end)

  it("can be canceled, and leaves no socket", function()
    local _ <close>, host, port = full()
    local task = net.spawn(net.connect, host, port)
    net.sleep(0)

    task:cancel()

    local s, err = task:join(30)
    assert.is_nil(s)
    assert.equal("CANCELED", err.code)
    collectgarbage()
  end)

  it("says that a network is unreachable", function()
    local out, err = isolated("ip link set lo up", [[
      local s, err = net.connect("192.0.2.1", 80, { timeout = 5 })
      print(s, err.code, err.kind, err)
      local six, e = net.connect("2001:db8::1", 80, { timeout = 5 })
      print(six, e.code)
      local u <close> = net.udp {}
      local n, f = u:sendto("x", "192.0.2.1", 9)
      print(n, f.code)
    ]])

    assert.equal("", err)
    assert.equal(
      "nil\tENETUNREACH\tunreachable\tconnect 192.0.2.1:80: network is unreachable (ENETUNREACH)\n" ..
      "nil\tENETUNREACH\nnil\tENETUNREACH\n", out)
  end)

  it("says what a route says", function()
    local out, err = isolated("ip link set lo up; ip route add unreachable 192.0.2.0/24; " ..
      "ip route add prohibit 198.51.100.0/24; ip route add blackhole 203.0.113.0/24", [[
      for _, host in ipairs { "192.0.2.1", "198.51.100.1", "203.0.113.1" } do
        local s, err = net.connect(host, 80, { timeout = 5 })
        print(err.code, err.kind, err.message)
      end
    ]])

    assert.equal("", err)
    assert.equal("EHOSTUNREACH\tunreachable\tno route to host\nEACCES\tpermission\tpermission denied\n"
      .. "EINVAL\tunreachable\ta blackhole route of this machine drops it\n", out)
  end)

  it("waits for a host that never answers no longer than its timeout", function()
    local out = isolated("ip link add v0 type veth peer name v1 && ip addr add 192.0.2.1/24 dev v0 && " ..
      "ip link set v0 up && ip link set v1 up && " ..
      "ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev v0 nud permanent && echo ready", [[
      local began = net.now()
      local s, err = net.connect("192.0.2.9", 80, { timeout = 0.3 })
      print(s, err.code, err.address, net.now() - began > 0.2 and net.now() - began < 20)
    ]])
    if not out:find "ready" then pending "no veth here" end

    assert.equal("ready\nnil\tTIMEOUT\t192.0.2.9\ttrue\n", out)
  end)

  it("binds to a source", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local host, port = server:getsockname()

    local s <close> = assert(net.connect(host, port, { source = "127.0.0.9" }))

    local accepted <close> = assert(server:accept(5))
    assert.equal("127.0.0.9", (accepted:getpeername()))
    assert.truthy(s)
  end)

  it("reports a source that is not of this machine", function()
    local s, err = net.connect("127.0.0.1", 9, { source = "192.0.2.1" })

    assert.is_nil(s)
    assert.equal("EADDRNOTAVAIL", err.code)
    assert.equal("192.0.2.1", err.source)
    local text = "connect 127.0.0.1:9: source 192.0.2.1: address not available (EADDRNOTAVAIL)"
    assert.equal(text, tostring(err))
  end)

  -- It said that the address was not available.
  it("says that a source is no address", function()
    local s, err = net.connect("127.0.0.1", 9, { source = "bad" })

    assert.is_nil(s)
    assert.same({ "address", "bad" }, { err.kind, err.source })
    assert.equal("connect 127.0.0.1:9: source bad: not a numeric address (EINVAL)", tostring(err))
  end)

  it("hands the limits to the stream", function()
    local server <close> = peer.once(function(s) s:write "12345\n" end)
    local s <close> = assert(net.connect(server.host, server.port, { max_line = 4 }))

    local _, err = s:read()

    assert.equal("TOOBIG", err.code)
  end)

  local misuse = {
    { "no host" }, { "a host that is a number", 127, 80 }, { "a table for a host", {}, 80 },
    { "a boolean", true, 80 }, { "a NUL in the host", "127.0.0.1\0x", 80 },
    { "a NUL in a name", "localhost\0", 80 }, { "no port", "127.0.0.1" },
    { "a port too high", "127.0.0.1", 65536 }, { "a negative port", "127.0.0.1", -1 },
    { "half a port", "127.0.0.1", 1.5 }, { "a port with a blank", "127.0.0.1", "80 " },
    { "a port too high for a name", "localhost", 65536 },
    { "options that are no table", "127.0.0.1", 80, 5 },
    { "a timeout of NaN", "127.0.0.1", 80, { timeout = 0 / 0 } },
    { "an infinite timeout", "127.0.0.1", 80, { timeout = math.huge } },
    { "a negative timeout", "127.0.0.1", 80, { timeout = -1 } },
    { "a timeout that is text", "127.0.0.1", 80, { timeout = "1" } },
    { "a timeout of NaN for a name", "localhost", 80, { timeout = 0 / 0 } },
    { "an unknown option", "127.0.0.1", 80, { nodely = true } },
    { "an unknown option for a name", "localhost", 80, { nodely = true } },
    { "an option without a name", "127.0.0.1", 80, { "nodelay" } },
    { "an option of listen", "127.0.0.1", 80, { backlog = 5 } },
    { "a boolean option that is a number", "127.0.0.1", 80, { nodelay = 1 } },
    { "a size that is negative", "127.0.0.1", 80, { rcvbuf = -1 } },
    { "a family that is none", "127.0.0.1", 80, { family = "ipv4" } },
    { "a type that is none", "127.0.0.1", 80, { type = "tcp" } },
    { "a ttl of 0", "127.0.0.1", 80, { ttl = 0 } },
    { "a tos too high", "127.0.0.1", 80, { tos = 256 } },
    { "an interface that is a fraction", "127.0.0.1", 80, { interface = 1.5 } },
    { "an index that is none", "127.0.0.1", 80, { interface = 0 } },
    { "an interface that is a boolean", "127.0.0.1", 80, { interface = false } },
    { "a negative happy_eyeballs", "127.0.0.1", 80, { happy_eyeballs = -1 } },
    { "a happy_eyeballs that is text", "localhost", 80, { happy_eyeballs = "no" } },
    { "a strict that is none", "localhost", 80, { strict = 1 } },
    { "a size that is negative, for a name", "localhost", 80, { rcvbuf = -1 } },
  }
  for _, case in ipairs(misuse) do
    it(("raises for %s, at the caller's line"):format(case[1]), function()
      local ok, message = pcall(function()
        local s = net.connect(table.unpack(case, 2, 4))
        return s
      end)

      assert.is_false(ok)
      assert.matches("^spec/lualib/dial_spec.lua:%d+: bad argument #%d to 'connect'", message)
      collectgarbage()
    end)
  end

  it("suggests the option that was meant", function()
    local _, message = pcall(net.connect, "127.0.0.1", 80, { timeot = 1 })

    assert.matches('unknown option "timeot" (did you mean "timeout"?)', message, 1, true)
  end)

  it("shortens a wrong value in its message", function()
    local _, message = pcall(net.connect, "127.0.0.1", ("9"):rep(1 << 20))

    assert.is_true(#message < 300)
  end)
end)

describe("net.connect to a name with several addresses", function()
  -- Nothing answers at 2001:db8::9 and 192.0.2.9: their hardware addresses are known and nobody has them. The
  -- resolver puts IPv6 first.
  local HOSTS = table.concat({ "127.0.0.1 localhost", "2001:db8::9 half.test both.test",
    "127.0.0.1 half.test", "192.0.2.9 both.test", "127.0.0.2 refused.test good.test",
    "127.0.0.3 refused.test", "127.0.0.1 twice.test", "::1 twice.test", "" }, "\n")
  local SETUP = [[
    assert(os.execute [=[
      { ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up &&
      ip addr add 192.0.2.1/24 dev v0 && ip addr add 2001:db8::1/64 dev v0 nodad &&
      ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev v0 nud permanent &&
      ip neigh add 2001:db8::9 lladdr 02:00:00:00:00:09 dev v0 nud permanent; } 2>/dev/null]=], "no veth")
    local server = assert(net.listen("0.0.0.0", 0))
    local _, port = server:getsockname()
    local unused
    do
      local other <close> = assert(net.listen("127.0.0.1", 0))
      unused = select(2, other:getsockname())
    end
    -- Not all descriptors: the pipe from ls is one or two of them. One that a worker closes meanwhile is one
    -- that ls does not find any more, and says so.
    local function sockets()
      local n = 0
      local list <close> = io.popen "ls -l /proc/$PPID/fd 2>/dev/null"
      for line in list:lines() do n = n + (line:find "socket:" and 1 or 0) end
      return n
    end
    local function once(connect, ...)
      local before, began = sockets(), net.now()
      local s, err = connect(...)
      local took = net.now() - began
      if s then s:close() end
      for _ = 1, 100 do -- a worker may still be closing what its lookup had open
        if sockets() <= before then break end
        net.sleep(0.01)
      end
      assert(sockets() <= before, "sockets")
      return s, err, took
    end
    -- A machine that stalls makes it longer than `high`, and other attempts begin: then it is tried again.
    local function timed(high, ...)
      local s, facts, took
      for _ = 1, 30 do
        s, facts, took = once(...)
        if took <= high then return s, facts, took end
      end
      error(("at best %g s"):format(took))
    end
    local function within(low, value, high)
      assert(low <= value and value <= high, value)
    end
  ]]

  local function onisland(claim, script)
    it(claim, function()
      if not island.possible() then pending "no namespaces here" return end

      local out, err, status = island.run(SETUP .. script .. "\nprint 'done'", { ["/etc/hosts"] = HOSTS })
      if err:find "no veth" then pending "no veth here" return end

      assert.same({ "done\n", "", 0 }, { out, err, status })
    end)
  end

  onisland("tries the second beside a first that is silent, after 250 ms, and closes the first", [[
    local s, facts, took = timed(0.6, net.connect, "half.test", port, { timeout = 5 })
    assert(s, facts)
    within(0.24, took, 0.6)
    assert(facts.address == "127.0.0.1" and facts.port == port and facts.host == "half.test")
    within(0, facts.lookup_ms, 200)
    within(0, facts.ms, 200)
    assert(#facts.attempts == 2)
    assert(facts.attempts[1].address == "2001:db8::9" and facts.attempts[2].address == "127.0.0.1")
    within(240, facts.attempts[1].ms, 600)
    assert(facts.attempts[1].code == nil and facts.attempts[2].ms == facts.ms)
  ]])

  -- It raised: the race waits for its tasks.
  onisland("tries one after the other, each for its share of the time, where no other task can run", [[
    local function connect(options)
      local results
      string.gsub("x", "x", function() results = table.pack(net.connect("half.test", port, options)) end)
      return table.unpack(results)
    end

    local s, facts = connect { timeout = 6 }

    assert(s, facts)
    assert(facts.address == "127.0.0.1" and #facts.attempts == 2)
    assert(facts.attempts[1].address == "2001:db8::9" and facts.attempts[1].code == "TIMEOUT")
    local none, err = connect { timeout = 0.2, happy_eyeballs = false }
    assert(none == nil and err.code == "TIMEOUT")
  ]])

  onisland("tries no second where the first answers", [[
    local s, facts = timed(0.2, net.connect, "good.test", port, { timeout = 5 })
    assert(s, facts)
    assert(facts.address == "127.0.0.2" and #facts.attempts == 1 and facts.attempts[1].address == "127.0.0.2")
  ]])

  onisland("waits as long as happy_eyeballs says, or for the first alone", [[
    local s, facts, took = timed(0.2, net.connect, "half.test", port, { timeout = 5, happy_eyeballs = 0.05 })
    assert(s, facts)
    within(0.05, took, 0.2)
    assert(timed(0.2, net.connect, "half.test", port, { timeout = 5, happy_eyeballs = 0 }))
    assert(timed(0.6, net.connect, "half.test", port, { timeout = 5, happy_eyeballs = true }))
    s, facts, took = timed(1.5, net.connect, "half.test", port, { timeout = 0.6, happy_eyeballs = false })
    assert(not s and facts.code == "TIMEOUT" and #facts.attempts == 1)
    within(0.55, took, 1.5)
  ]])

  onisland("goes on to the next at once where one is refused, and tells of all in their order", [[
    local list = net.getaddrinfo("refused.test", nil, { socktype = "stream" })
    local s, err = timed(0.2, net.connect, "refused.test", unused, { timeout = 5, happy_eyeballs = false })
    assert(not s and err.code == "ECONNREFUSED" and err.host == "refused.test" and err.op == "connect")
    assert(#err.attempts == 2 and #list == 2)
    for index, attempt in ipairs(err.attempts) do
      assert(attempt.address == list[index].address and attempt.port == unused)
      assert(attempt.code == "ECONNREFUSED" and attempt.op == "connect")
      within(0, attempt.ms, 200)
    end
  ]])

  -- The C library takes ::1 in a hosts file for 127.0.0.1, too, so that it comes twice.
  onisland("tries an address that the resolver names twice once", [[
    local options = { timeout = 5, family = "inet" }
    assert(#net.getaddrinfo("twice.test", nil, { socktype = "stream", family = "inet" }) == 2)
    local s, err = timed(0.2, net.connect, "twice.test", unused, options)
    assert(not s and #err.attempts == 1, err)
    local ports = {}
    for found in net.port.scan("twice.test", { unused }, { family = "inet" }) do
      ports[#ports + 1] = found.port
    end
    assert(#ports == 1)
    local listener <close> = assert(net.listen("twice.test", 0, { family = "inet" }))
  ]])

  onisland("ends at its timeout with TIMEOUT and every attempt", [[
    local s, err, took = timed(1.5, net.connect, "both.test", port, { timeout = 0.6 })
    assert(not s and err.code == "TIMEOUT" and err.kind == "timeout" and err.host == "both.test")
    within(0.55, took, 1.5)
    assert(#err.attempts == 2)
    assert(err.attempts[1].address == "2001:db8::9" and err.attempts[2].address == "192.0.2.9")
    assert(err.attempts[1].code == "TIMEOUT" and err.attempts[2].code == "TIMEOUT")
    within(550, err.attempts[1].ms, 1500)
    within(0, err.attempts[2].ms, 1250)
  ]])

  onisland("ends at the deadline around it, with attempts left and with none", [[
    for _, seconds in ipairs { 0.1, 0.4 } do
      local s, err, took = timed(seconds + 0.1, net.timeout, seconds, net.connect, "both.test", port)
      assert(not s and err.code == "TIMEOUT" and #err.attempts == (seconds < 0.25 and 1 or 2))
      within(seconds - 0.05, took, seconds + 0.1)
    end
  ]])

  onisland("can be canceled in the middle of the race, and leaves no socket", [[
    local before = sockets()
    local task = net.spawn(net.connect, "both.test", port, { happy_eyeballs = 0.01 })
    net.sleep(0.1)
    task:cancel()
    assert(select(2, task:join(30)).code == "CANCELED")
    assert(sockets() == before)
  ]])

  onisland("asks for the family of its source only", [[
    local s, facts = timed(0.6, net.connect, "half.test", port, { timeout = 5, source = "127.0.0.9" })
    assert(s, facts)
    assert(facts.address == "127.0.0.1" and #facts.attempts == 1)
  ]])

  onisland("goes through the interface that it is told", [[
    local s, err = net.connect("127.0.0.1", port, { timeout = 0.2, interface = "v0" })
    assert(not s and err.code ~= "ECONNREFUSED", err)
    s = assert(net.connect("127.0.0.1", port, { timeout = 5, interface = "lo" }))
    assert(s:getsockopt "SO_BINDTODEVICE" == "lo")
    s = assert(net.connect("127.0.0.1", port, { timeout = 5, interface = net.interfaces().lo.index }))
    assert(s:getsockopt "SO_BINDTODEVICE" == "lo")
  ]])
end)

describe("the options of net.connect", function()
  for _, host in ipairs { "127.0.0.1", "::1" } do
    it("reach a socket for " .. host, function()
      local server <close> = assert(net.listen(host, 0))
      local _, port = server:getsockname()
      local level = host == "::1" and "ipv6" or "ip"
      local names = { ip = { "IP_TTL", "IP_TOS" }, ipv6 = { "IPV6_UNICAST_HOPS", "IPV6_TCLASS" } }

      local s <close> = assert(net.connect(host, port,
        { ttl = 9, tos = 0x10, fastopen = true, keepalive = true }))

      assert.equal(9, s:getsockopt(names[level][1]))
      assert.equal(0x10, s:getsockopt(names[level][2]))
      assert.is_true(s:getsockopt "SO_KEEPALIVE")
      assert.is_true(s:getsockopt "TCP_FASTOPEN_CONNECT")
    end)
  end

  it("say which interface there is not", function()
    for _, name in ipairs { "nosuch0", "", ("x"):rep(16), "lo" .. ("x"):rep(20), 0x7fffffff } do
      local s, err = net.connect("127.0.0.1", 9, { interface = name })

      assert.is_nil(s)
      assert.same({ "ENODEV", name, "127.0.0.1" }, { err.code, err.interface, err.address })
      assert.equal(("interface %s: no such device"):format(name), err.message)
    end
  end)

  it("refuse the short forms of an address when strict", function()
    local server <close> = peer.echo()

    for _, host in ipairs { "127.1", "0x7f000001", "2130706433", "0177.0.0.1" } do
      local s, err = net.connect(host, server.port, { strict = true, timeout = 5 })
      assert.is_nil(s)
      assert.equal("EAI_NONAME", err.code)
      local other <close> = assert(net.connect(host, server.port, { strict = false, timeout = 5 }))
      assert.truthy(other)
    end
  end)

  it("give the second result: who answered, and how long that took", function()
    local server <close> = peer.echo()

    local s <close>, facts = net.connect(server.host, server.port, { timeout = 5 })

    assert.truthy(s)
    assert.same({ server.host, server.port }, { facts.address, facts.port })
    assert.is_true(facts.ms >= 0 and facts.ms < 5000)
  end)
end)

describe("connect on a socket", function()
  it("is refused once it is connected", function()
    local server <close> = peer.echo()
    local s <close> = assert(net.connect(server.host, server.port))

    local ok, err = s:connect(server.host, server.port)

    assert.is_nil(ok)
    assert.equal("EISCONN", err.code)
  end)

  it("takes no names", function()
    local s <close> = assert(net.socket "inet")

    local ok, err = s:connect("localhost", 80)

    assert.is_nil(ok)
    assert.equal("EAI_NONAME", err.code)
  end)

  it("works again after a refusal", function()
    local server <close> = peer.echo()
    local s <close> = assert(net.socket "inet")
    local _, err = s:connect("127.0.0.1", free())
    assert.equal("ECONNREFUSED", err.code)

    assert.equal(s, s:connect(server.host, server.port, 5))

    s:write "again\n"
    assert.equal("again", s:read())
  end)

  it("goes on after a timeout of 0", function()
    local server <close> = peer.echo()
    local s <close> = assert(net.socket "inet")
    local ok, err = s:connect(server.host, server.port, 0)
    if not ok then assert.equal("TIMEOUT", err.code) end

    if not ok then assert.equal(s, s:connect(server.host, server.port, 5)) end

    s:write "on\n"
    assert.equal("on", s:read())
  end)

  it("is refused on a listener", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))

    assert.is_nil(server.connect)
  end)

  it("of another family is refused", function()
    local s <close> = assert(net.socket "unix")

    local ok, err = s:connect("127.0.0.1", 80)

    assert.is_nil(ok)
    assert.is_true(err.code == "EINVAL" or err.code == "EAFNOSUPPORT", err.code)
  end)
end)

describe("net.listen", function()
  -- There was a nil behind the listener, which the prompt showed.
  it("gives one value where it listens", function()
    for _, host in ipairs { "127.0.0.1", "localhost", "", { "127.0.0.1" } } do
      local results = table.pack(net.listen(host ~= "" and host or nil, 0))
      local server <close> = assert(results[1], results[2]) -- luacheck: ignore server

      assert.equal(1, results.n)
    end
  end)

  it("takes a name", function()
    local server <close> = assert(net.listen("localhost", 0))

    local host, port = server:getsockname()

    assert.is_true(host == "127.0.0.1" or host == "::1")
    local s <close> = assert(net.connect(host, port))
    assert.truthy(s)
  end)

  it("says when a name is none", function()
    local s, err = net.listen("10.0.0.256", 0)

    assert.is_nil(s)
    assert.equal("EAI_NONAME", err.code)
  end)

  it("obeys family without a host", function()
    local server <close> = assert(net.listen(nil, 0, { family = "inet" }))

    assert.equal("0.0.0.0", (server:getsockname()))
  end)

  local misuse = {
    { "a host that is a number", 127, 80 }, { "a NUL in the host", "127.0.0.1\0", 80 },
    { "no port", "127.0.0.1" }, { "no port and no host" }, { "a port too high", nil, 65536 },
    { "options that are no table", nil, 0, 5 }, { "an unknown option", nil, 0, { backlogs = 1 } },
    { "an option of connect", nil, 0, { source = "127.0.0.1" } },
    { "a negative backlog", nil, 0, { backlog = -1 } },
    { "a backlog that is text", "localhost", 0, { backlog = "1" } },
    { "a boolean that is text", nil, 0, { v6only = "yes" } },
    { "a family that is none", nil, 0, { family = "ip" } },
  }
  for _, case in ipairs(misuse) do
    it(("raises for %s, at the caller's line"):format(case[1]), function()
      local ok, message = pcall(function()
        local s = net.listen(table.unpack(case, 2, 4))
        return s
      end)

      assert.is_false(ok)
      assert.matches("^spec/lualib/dial_spec.lua:%d+: bad argument #%d to 'listen'", message)
      collectgarbage()
    end)
  end

  -- The first address chose a port that was taken at the second, and that was final.
  it("chooses a port that is free at every address", function()
    local range = "echo 40000 40007 >/proc/sys/net/ipv4/ip_local_port_range"
    local out, err = isolated("ip link set lo up; " .. range, [[
      local held = {}
      for port = 40000, 40006 do held[#held + 1] = assert(net.listen("127.0.0.2", port)) end
      local server <close> = assert(net.listen({ "127.0.0.1", "127.0.0.2" }, 0))
      for _, listener in ipairs(server.list) do print(listener:getsockname()) end
      local _, failure = net.listen({ "127.0.0.1", "127.0.0.2" }, 0)
      print(failure.op, failure.code)
      print(#assert(net.port.sockets { protocol = "tcp", listen = true }))
    ]])

    assert.equal("", err)
    assert.equal("127.0.0.1\t40007\n127.0.0.2\t40007\nlisten\tEADDRINUSE\n9\n", out)
  end)

  -- Some errors spoke of getaddrinfo or of no address at all.
  it("says which address of a list, or which name, it could not have", function()
    local taken <close> = assert(net.listen("127.0.0.2", 0))
    local _, port = taken:getsockname()
    local cases = {
      { { "127.0.0.1", "127.0.0.2" }, "127.0.0.2", "EADDRINUSE" },
      { { "127.0.0.1", "nowhere" }, "nowhere", "EAI_NONAME" },
      { { "127.0.0.1", "::1" }, "::1", "EAI_ADDRFAMILY" },
      { "10.0.0.256", "10.0.0.256", "EAI_NONAME" },
    }
    for _, case in ipairs(cases) do
      local s, err = net.listen(case[1], port, { family = "inet" })

      assert.is_nil(s)
      assert.same({ "listen", port, case[3] }, { err.op, err.port, err.code })
      assert.equal(case[2], err.address or err.host)
    end
  end)

  it("leaves nothing behind when it fails", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local host, port = server:getsockname()

    for _ = 1, 20 do
      local s, err = net.listen(host, port)
      assert.is_nil(s)
      assert.equal("EADDRINUSE", err.code)
    end
  end)

  it("refuses a path whose directory is not there", function()
    local s, err = net.listen "unix:/nonexistent/dir/s"

    assert.is_nil(s)
    assert.equal("ENOENT", err.code)
    assert.equal("unix:/nonexistent/dir/s", err.address)
  end)

  it("takes the options of a unix path in the place of the port", function()
    local directory <close> = connected.directory()

    local server <close> = assert(net.listen("unix:" .. directory.name .. "/s", { backlog = 1 }))

    assert.equal("net.listener", tostring(server):match "^[%w.]+")
  end)
end)
