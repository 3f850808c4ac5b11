local island = require "island"
local probe = require "net.probe"

local function detail(origin, kind, code, name)
  return { origin = origin, type = kind, code = code, name = name, offender = "192.0.2.1" }
end

describe("what an ICMP message means", function()
  local cases = {
    icmp = {
      { 3, 0, "ENETUNREACH" }, { 3, 1, "EHOSTUNREACH" }, { 3, 2, "ENOPROTOOPT" }, { 3, 3, "ECONNREFUSED" },
      { 3, 4, "EMSGSIZE" }, { 3, 9, "PROHIBITED" }, { 3, 10, "PROHIBITED" }, { 3, 13, "PROHIBITED" },
      { 3, 15, "PROHIBITED" }, { 11, 0, "TTL_EXCEEDED" },
    },
    icmp6 = {
      { 1, 0, "ENETUNREACH" }, { 1, 1, "PROHIBITED" }, { 1, 3, "EHOSTUNREACH" }, { 1, 4, "ECONNREFUSED" },
      { 1, 5, "PROHIBITED" }, { 1, 6, "PROHIBITED" }, { 2, 0, "EMSGSIZE" }, { 3, 0, "TTL_EXCEEDED" },
    },
  }
  for origin, rows in pairs(cases) do
    for _, row in ipairs(rows) do
      it(("of %s, type %d, code %d, is %s"):format(origin, row[1], row[2], row[3]), function()
        local message = detail(origin, row[1], row[2], "EHOSTUNREACH")

        local err = probe.meaning("ping", message)

        assert.equal(row[3], err.code)
        assert.equal("192.0.2.1", err.address)
        assert.equal("ping", err.op)
        assert.equal(message, err.detail)
      end)
    end
  end

  it("is what the kernel makes of it where it has no name of its own", function()
    assert.equal("EHOSTUNREACH", probe.meaning("ping", detail("icmp", 11, 1, "EHOSTUNREACH")).code)
    assert.equal("EPROTO", probe.meaning("ping", detail("icmp6", 4, 0, "EPROTO")).code)
    assert.equal("EPROTO", probe.meaning("ping", detail("icmp", 99, 99)).code)
  end)
end)

describe("the address of a host", function()
  it("is itself where it is one", function()
    assert.equal("192.0.2.1", probe.lookup("ping", "192.0.2.1", {}))
    assert.equal("2001:db8::1", probe.lookup("ping", "2001:db8::1", { family = "inet6" }))
  end)

  it("is in the form that the system gives it", function()
    assert.equal("::1", probe.lookup("ping", "0:0::0001", {}))
    assert.equal("2001:db8::a", probe.lookup("ping", "2001:DB8:0::A", {}))
    assert.equal("127.0.0.1", probe.lookup("ping", "::ffff:127.0.0.1", {}))
  end)

  it("is of the family of the options or the source", function()
    for _, options in ipairs { { family = "inet6" }, { source = "::1" } } do
      local address, err = probe.lookup("trace", "192.0.2.1", options)

      assert.is_nil(address)
      assert.same({ "EAI_ADDRFAMILY", "trace", "192.0.2.1" }, { err.code, err.op, err.host })
    end
  end)

  -- The kernel sent the packets over some link, and nobody answered.
  it("needs a zone where it is link-local, unless something else says the link", function()
    local address, err = probe.lookup("ping", "fe80::1", {})

    assert.is_nil(address)
    assert.same({ "EINVAL", "ping", "fe80::1" }, { err.code, err.op, err.host })
    assert.matches("needs a zone", err.message)
    assert.matches("^Put the zone behind the address", err:explain())
    local index = net.interfaces().lo.index
    assert.equal("fe80::1%lo", probe.lookup("ping", "fe80::1", { interface = "lo" }))
    assert.equal("fe80::1%lo", probe.lookup("ping", "fe80::1", { interface = index }))
    assert.equal("fe80::1%lo", probe.lookup("ping", "fe80::1", { source = "fe80::2%lo" }))
    assert.equal("2001:db8::1", probe.lookup("ping", "2001:db8::1", { interface = "lo" }))
  end)

  -- What a file or a server has for a name has no zone, and was asked over any link.
  it("is the first of a name that can be asked", function()
    if not island.possible() then return pending "no namespaces here" end
    local out, err, status = island.run([[
      local lookup = require("net.probe").lookup
      print(select(2, lookup("ping", "link.test", {})))
      print(lookup("ping", "link.test", { interface = "lo" }))
      print(lookup("ping", "both.test", {}))
    ]], { ["/etc/hosts"] = "fe80::1 link.test both.test\n127.0.0.1 both.test\n",
      ["/etc/nsswitch.conf"] = "hosts: files\n" })

    assert.same({ "", 0 }, { err, status })
    assert.equal([[
ping link.test: a link-local address needs a zone, as in fe80::1%eth0 (EINVAL)
fe80::1%lo
127.0.0.1
]], out)
  end)

  -- The system's resolver alone decided how long a dead name server was asked: ten seconds and more.
  it("is waited for as long as for a probe, where the name servers are silent", function()
    if not island.possible() then return pending "no namespaces here" end
    local out, err, status = island.run([[
      local silent = assert(net.udp {})
      assert(silent:bind("127.0.0.1", 53))
      for _, f in ipairs { net.ping, net.pings, net.trace, net.hops, net.path_mtu } do
        local _, err = f("example.com", { timeout = 0.1 })
        print(err, err:explain():match "name servers in /etc/resolv.conf")
      end
    ]], { ["/etc/resolv.conf"] = "nameserver 127.0.0.1\n", ["/etc/nsswitch.conf"] = "hosts: dns\n" })

    assert.same({ "", 0 }, { err, status })
    local said = " example.com: timed out (TIMEOUT)\tname servers in /etc/resolv.conf\n"
    assert.equal(("ping%s"):format(said):rep(2) .. ("trace%s"):format(said):rep(2) .. "path_mtu" .. said, out)
  end)

  -- A raw socket took ::1 for any address, and the tool left it out in silence.
  it("is none where the source is of another family than is asked for", function()
    local address, err = probe.lookup("ping", "localhost", { family = "inet", source = "::1" })

    assert.is_nil(address)
    assert.same({ "EAFNOSUPPORT", "ping", "localhost", "::1" }, { err.code, err.op, err.host, err.source })
    assert.matches("^source ::1: ", err.message)
  end)

  it("is looked up for a name, with its zone if it has one", function()
    assert.equal("127.0.0.1", probe.lookup("ping", "localhost", { family = "inet" }))
    assert.equal("fe80::1%lo", probe.lookup("ping", "fe80::1%lo", {}))
    assert.equal("ping", select(2, probe.lookup("ping", "name.invalid", {})).op)
  end)
end)

describe("probes by UDP", function()
  it("answer with their number", function()
    local transport <close> = assert(probe.udp("trace", "127.0.0.1", { port = 33434 }))
    for seq = 0, 2 do assert(transport:send(seq, 32, 9)) end

    for seq = 0, 2 do
      local event = assert(transport:receive(5))

      assert.equal(seq, event.seq)
      assert.equal("ECONNREFUSED", event.error.code)
      assert.equal("127.0.0.1", event.address)
      assert.is_true(event.received <= net.now())
    end
    assert.equal("TIMEOUT", select(2, transport:receive(0)).code)
  end)

  it("tell how much the interface takes where it is too much", function()
    local transport <close> = assert(probe.udp("path_mtu", "127.0.0.1", { whole = true }))

    local ok, err = transport:send(0, 65508)

    assert.is_nil(ok)
    assert.equal("EMSGSIZE", err.code)
  end)

  it("do not believe data from elsewhere", function()
    local forger <close> = assert(net.udp { family = "inet" })
    assert(forger:bind("127.0.0.2", 0))
    local _, port = forger:getsockname()
    local transport <close> = assert(probe.udp("trace", "127.0.0.1", { port = port }))
    assert(transport:send(0, 8))
    assert(transport:receive(5)) -- refused
    assert(forger:sendto("forged", "127.0.0.1", select(2, transport.socket:getsockname())))

    assert.equal("TIMEOUT", select(2, transport:receive(0.05)).code)
    assert.equal(1, transport.ignored)
  end)

  it("are closed twice, and answer CLOSED", function()
    local transport = assert(probe.udp("trace", "127.0.0.1", {}))
    transport:close()
    transport:close()

    assert.equal("CLOSED", select(2, transport:send(0, 8)).code)
    assert.equal("CLOSED", select(2, transport:receive(1)).code)
  end)
end)

describe("probes by TCP", function()
  it("answer open and refused, several at a time", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = server:getsockname()
    local transport <close> = assert(probe.tcp("trace", "127.0.0.1", { port = port }))
    for seq = 1, 3 do assert(transport:send(seq, 0, 5)) end
    local seen = {}
    for _ = 1, 3 do
      local event = assert(transport:receive(5))
      seen[event.seq] = event.reply
    end

    assert.same({ "open", "open", "open" }, seen)
    assert.is_nil(next(transport.sockets))
    assert.equal("TIMEOUT", select(2, transport:receive(0)).code)
  end)

  it("close what nobody waits for", function()
    local transport = assert(probe.tcp("trace", "127.0.0.1", { port = 1 }))
    transport:forget(1)
    assert(transport:send(1, 0))
    transport:close()

    assert.is_nil(next(transport.sockets))
  end)
end)

if not island.possible() then
  pending "probes by ICMP need namespaces"
  return
end

describe("probes by ICMP", function()
  it("have right checksums by raw sockets, for sizes even and odd", function()
    local out, err = island.run [[
      local probe = require "net.probe"
      for _, address in ipairs { "127.0.0.1", "::1" } do
        local transport <close> = assert(probe.icmp("ping", address, { size = 65507 }))
        assert(transport.raw)
        for size = 0, 300 do
          assert(transport:send(size, size))
          local event = assert(transport:receive(1))
          assert(event.seq == size and event.bytes == size and not event.damaged)
        end
        assert(transport:send(1, 65507))
        print(transport:receive(1).bytes, transport.ignored)
      end]]

    assert.equal("", err)
    assert.equal("65507\t0\n65507\t0\n", out)
  end)

  it("do not take each other's replies", function()
    local out, err = island.run [[
      local probe = require "net.probe"
      local a <close> = assert(probe.icmp("ping", "127.0.0.1", { size = 8 }))
      local b <close> = assert(probe.icmp("ping", "127.0.0.1", { size = 8 }))
      assert(a:send(1, 8) and b:send(2, 8))
      print(a:receive(1).seq, b:receive(1).seq)
      print(select(2, a:receive(0.05)).code, select(2, b:receive(0.05)).code)]]

    assert.equal("", err)
    assert.equal("1\t2\nTIMEOUT\tTIMEOUT\n", out)
  end)
end)
