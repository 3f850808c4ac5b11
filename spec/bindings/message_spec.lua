local connected = require "connected"

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  return tostring(text)
end

-- A bound socket with all ancillary data switched on, its port, and one that sends to it.
local function both(family, wanted)
  local address = family == "inet6" and "::1" or "127.0.0.1"
  local s = assert(net.udp { family = family })
  assert(s:bind(address, 0))
  assert(s:ancillary(wanted or { ttl = true, tos = true, pktinfo = true, timestamp = true }))
  local _, port = s:getsockname()
  return s, port, address, assert(net.udp { family = family })
end

-- A port where nobody listens.
local function deadport()
  local s <close> = assert(net.udp { family = "inet" })
  assert(s:bind("127.0.0.1", 0))
  local _, port = s:getsockname()
  return port
end

describe("recvmsg", function()
  for _, family in ipairs { "inet", "inet6" } do
    it("tells TTL, TOS, destination, interface and time over " .. family, function()
      local s <close>, port, address, out = both(family)
      local began = os.time()

      assert.equal(5, out:sendmsg("hello", { address = address, port = port, ttl = 33, tos = 8 }))
      local data, info = s:recvmsg(100, 5)

      assert.equal("hello", data)
      assert.equal(address, info.address)
      assert.equal(select(2, out:getsockname()), info.port)
      assert.equal(33, info.ttl)
      assert.equal(8, info.tos)
      assert.equal(address, info.destination.address)
      assert.equal("lo", info.destination.interface)
      assert.equal(1, info.destination.index)
      assert.is_true(info.timestamp >= began - 1 and info.timestamp <= os.time() + 2)
      assert.equal(info.timestamp_ns // 1000000000, math.floor(info.timestamp))
      assert.is_nil(info.truncated)
      assert.is_nil(info.control_truncated)
      out:close()
    end)
  end

  it("tells them of IPv4 datagrams on a socket for both families", function()
    local s <close> = assert(net.udp())
    assert(s:ancillary { ttl = true, pktinfo = true })
    assert(s:bind("::", 0))
    local out <close> = assert(net.udp())

    assert(out:sendmsg("four", { address = "127.0.0.1", port = select(2, s:getsockname()), ttl = 9 }))
    local data, info = s:recvmsg(100, 5)

    assert.equal("four", data)
    assert.equal("127.0.0.1", info.address)
    assert.equal("127.0.0.1", info.destination.address)
    assert.equal(9, info.ttl)
  end)

  it("tells nothing that was not switched on, or was switched off again", function()
    local s <close>, port, address, out = both("inet", { ttl = true })
    assert(s:ancillary { ttl = false })

    out:sendto("x", address, port)
    local _, info = assert(s:recvmsg(100, 5))

    assert.is_nil(info.ttl)
    assert.is_nil(info.destination)
    assert.is_nil(info.timestamp)
    out:close()
  end)

  it("gives an empty datagram as an empty string", function()
    local s <close>, port, address, out = both "inet"

    out:sendmsg("", { address = address, port = port })
    local data, info = s:recvmsg(100, 5)

    assert.equal("", data)
    assert.equal(64, info.ttl)
    out:close()
  end)

  it("reports what was cut, and goes on with the next datagram", function()
    local s <close>, port, address, out = both "inet"
    out:sendto(("x"):rep(3000), address, port)
    out:sendto("next", address, port)

    local data, info = s:recvmsg(1, 5)

    assert.equal("x", data)
    assert.equal(3000, info.truncated)
    assert.equal(net.MSG_TRUNC, info.flags & net.MSG_TRUNC)
    assert.equal("next", (s:recvmsg(100, 5)))
    out:close()
  end)

  it("carries the largest datagram, and refuses a larger one", function()
    local s <close>, port, address, out = both "inet"
    assert(s:setsockopt("rcvbuf", 1 << 20))
    local to = { address = address, port = port }

    assert.equal(65507, out:sendmsg(("x"):rep(65507), to))
    local ok, err = out:sendmsg(("x"):rep(65508), to)

    assert.equal(65507, #s:recvmsg(65536, 5))
    assert.is_nil(ok)
    assert.equal("EMSGSIZE", err.code)
    out:close()
  end)

  it("looks without taking with peek", function()
    local s <close>, port, address, out = both "inet"
    out:sendto("stays", address, port)

    assert.equal("stays", (s:recvmsg(100, 5, { peek = true })))

    assert.equal("stays", (s:recvmsg(100, 5)))
    out:close()
  end)

  it("waits, times out and is woken by close", function()
    local s <close>, port, address, out = both "inet"
    assert.equal("TIMEOUT", select(2, s:recvmsg(100, 0)).code)
    assert.equal("TIMEOUT", select(2, s:recvmsg(100, 0.01)).code)
    local waiting = net.spawn(function() return s:recvmsg(100, 5) end)
    net.sleep(0)

    out:sendto("woken", address, port)
    assert.equal("woken", (waiting:join(30)))
    local closed = net.spawn(function() return select(2, s:recvmsg(100, 5)) end)
    net.sleep(0)
    s:close()

    assert.equal("CLOSED", closed:join(30).code)
    assert.equal("CLOSED", select(2, s:recvmsg()).code)
    assert.equal("CLOSED", select(2, s:sendmsg "x").code)
    assert.equal("CLOSED", select(2, s:ancillary {}).code)
    out:close()
  end)

  it("tells datagrams apart that the kernel brought as one", function()
    local s <close>, port, address, out = both("inet", { segment = true })

    assert.equal(2500, out:sendmsg(("x"):rep(2500), { address = address, port = port, segment = 1000 }))
    local got = 0
    while got < 2500 do
      local data, info = assert(s:recvmsg(65536, 5))
      if #data > 1000 then assert.equal(1000, info.segment) end
      got = got + #data
    end

    assert.equal(2500, got)
    out:close()
  end)

  it("tells the process behind a unix datagram", function()
    local a <close>, b = net.pair "dgram"
    assert(a:ancillary { credentials = true })

    b:send "x"
    local _, info = assert(a:recvmsg(100, 5))

    local stat <close> = assert(io.open "/proc/self/stat")
    assert.equal(stat:read "n", info.credentials.pid)
    b:close()
  end)

  it("closes descriptors that a peer slips in, and says so", function()
    local pipe = io.popen "command -v python3"
    local found = pipe:read "l"
    pipe:close()
    if not found then pending "python3 is not installed" return end
    local path = os.tmpname()
    os.remove(path)
    local s <close> = assert(net.socket("unix", "dgram"))
    assert(s:bind("unix:" .. path))
    local lfs = require "lfs"
    local function open()
      local n = 0
      for _ in lfs.dir "/proc/self/fd" do n = n + 1 end
      return n
    end
    local before = open()

    os.execute(([[timeout 10 python3 -c '
import socket, array
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendmsg([b"gift"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))], 0, "%s")
s.sendmsg([b"flood"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * 253))], 0, "%s")
']]):format(path, path))
    local data, info = assert(s:recvmsg(100, 5))
    local flood, more = assert(s:recvmsg(100, 5))

    assert.equal("gift", data)
    assert.equal(3, info.refused_descriptors)
    assert.equal("flood", flood)
    assert.equal(253, more.refused_descriptors)
    assert.equal(before, open())
  end)

  it("closes the descriptor of the sending process, too", function()
    local _ <close>, near, far = connected.pair "dgram"
    if not far:setsockopt("SO_PASSPIDFD", true) then pending "this kernel has no SO_PASSPIDFD" end
    local function open()
      local n = 0
      for _ in require("lfs").dir "/proc/self/fd" do n = n + 1 end
      return n
    end
    local before = open()

    for _ = 1, 10 do
      assert(near:send "x")
      assert.equal("x", (far:recvmsg(10, 5)))
    end

    assert.equal(before, open())
  end)

  it("ends with a seqpacket connection", function()
    local a <close>, b = net.pair "seqpacket"
    b:send "last"
    b:close()

    assert.equal("last", (a:recvmsg(100, 5)))
    local data, err = a:recvmsg(100, 5)

    assert.is_nil(data)
    assert.is_nil(err)
  end)

  it("refuses arguments of the wrong kind", function()
    local s <close> = assert(net.udp())
    for _, max in ipairs { -1, 0, 1 << 31, 1 << 53, 0 / 0, 1 / 0, "80 ", 1.5 } do
      message(s.recvmsg, s, max)
    end
    for _, time in ipairs { -1, 0 / 0, 1 / 0, "1" } do message(s.recvmsg, s, 100, time) end
    local typo = message(s.recvmsg, s, 1, 1, { errqueu = true })
    assert.matches('unknown option "errqueu" %(did you mean "errqueue"', typo)
    message(s.recvmsg, s, 1, 1, { peek = 1 })
    assert.matches('unknown option "tttl"', message(s.ancillary, s, { tttl = true }))
    message(s.ancillary, s, { ttl = 1 })
    message(s.ancillary, s)
  end)
end)

describe("the error queue", function()
  it("tells which datagram failed, why and who said so", function()
    local s <close> = assert(net.udp { family = "inet" })
    local port = deadport()
    assert(s:ancillary { error = true })
    assert(s:sendto("lost", "127.0.0.1", port))

    local data, info = s:recvmsg(100, 5, { errqueue = true })

    assert.equal("lost", data)
    assert.equal("127.0.0.1", info.address)
    assert.equal(port, info.port)
    assert.same({ errno = 111, name = "ECONNREFUSED", origin = "icmp", type = 3, code = 3, info = 0,
      offender = "127.0.0.1" }, info.error)
  end)

  it("does the same over IPv6", function()
    local s <close> = assert(net.udp { family = "inet6" })
    assert(s:ancillary { error = true })
    local port = deadport()
    assert(s:sendto("lost", "::1", port))

    local data, info = s:recvmsg(100, 5, { errqueue = true })

    assert.equal("lost", data)
    assert.equal("icmp6", info.error.origin)
    assert.equal("::1", info.error.offender)
    assert.equal("::1", info.address)
  end)

  it("waits for an error although data is there, and takes no data", function()
    local s <close>, port, address, out = both("inet", { error = true })
    out:sendto("data", address, port)
    local dead = deadport()
    local waiting = net.spawn(function() return s:recvmsg(100, 5, { errqueue = true }) end)
    net.sleep(0)

    assert.equal("TIMEOUT", select(2, s:recvmsg(100, 0.02, { errqueue = true })).code)
    s:sendto("lost", "127.0.0.1", dead)

    assert.equal("lost", (waiting:join(30)))
    assert.equal("data", (s:recvmsg(100, 5)))
    out:close()
  end)

  it("obeys the object's timeout and a scope's", function()
    local s <close> = assert(net.udp { family = "inet" })
    s:settimeout(0.01)
    assert.equal("TIMEOUT", select(2, s:recvmsg(100, nil, { errqueue = true })).code)
    s:settimeout(nil)

    local _, err = net.timeout(0.01, s.recvmsg, s, 100, nil, { errqueue = true })

    assert.equal("TIMEOUT", err.code)
  end)

  it("comes as the failure of a plain receive, once", function()
    for _, method in ipairs { "recvmsg", "recvfrom", "recv" } do
      local s <close> = assert(net.udp { family = "inet" })
      assert(s:ancillary { error = true })
      assert(s:sendto("lost", "127.0.0.1", deadport()))

      local data, err = s[method](s, 100, 5)

      assert.is_nil(data)
      assert.equal("ECONNREFUSED", err.code)
      if method == "recvmsg" then
        assert.equal("icmp", err.detail.origin)
        assert.equal("127.0.0.1", err.address)
      end
      local cpu = os.clock()
      assert.equal("TIMEOUT", select(2, s[method](s, 100, 0.3)).code)
      assert.is_true(os.clock() - cpu < 0.2)
    end
  end)
end)

describe("sendmsg", function()
  it("chooses source address and interface", function()
    local s <close>, port, address, out = both "inet"

    assert(out:sendmsg("x", { address = address, port = port, source = "127.0.0.9", interface = "lo" }))
    local _, from = s:recvfrom(100, 5)

    assert.equal("127.0.0.9", from)
    out:close()
  end)

  it("does so for IPv4 addresses on an IPv6 socket", function()
    local s <close>, port, address, out = both "inet"
    local six <close> = assert(net.udp { family = "inet6" })

    assert(six:sendmsg("x", { address = address, port = port, source = "127.0.0.9", ttl = 5 }))
    local _, info = assert(s:recvmsg(100, 5))

    assert.equal("127.0.0.9", info.address)
    assert.equal(5, info.ttl)
    out:close()
  end)

  it("needs no address on a connected socket", function()
    local s <close>, port, address, out = both "inet"
    assert(out:connect(address, port))

    assert.equal(1, out:sendmsg("x", { ttl = 3 }))
    assert.equal(1, out:sendmsg "y")

    assert.equal(3, select(2, s:recvmsg(100, 5)).ttl)
    out:close()
  end)

  it("answers what cannot be", function()
    local s <close> = assert(net.udp { family = "inet" })
    local to = { address = "127.0.0.1", port = 9 }
    local function with(field, value)
      return { address = to.address, port = to.port, [field] = value }
    end

    assert.equal("EDESTADDRREQ", select(2, s:sendmsg "x").code)
    assert.equal("EAI_NONAME", select(2, s:sendmsg("x", { address = "localhost", port = 9 })).code)
    assert.equal("EAI_NONAME", select(2, s:sendmsg("x", with("source", "nope"))).code)
    assert.equal("EAFNOSUPPORT", select(2, s:sendmsg("x", with("source", "::1"))).code)
    assert.equal("ENODEV", select(2, s:sendmsg("x", with("interface", "nope0"))).code)
    assert.is_nil((s:sendmsg("x", with("source", "203.0.113.1"))))
    assert.matches("port", message(s.sendmsg, s, "x", { address = "127.0.0.1" }))
    assert.matches('unknown option "adress"', message(s.sendmsg, s, "x", { adress = "x" }))
    for _, n in ipairs { -1, 0, 256, 1 << 16, 1 << 31, 1 << 32, 0 / 0, 1 / 0, "8", 1.5 } do
      assert.matches("ttl", message(s.sendmsg, s, "x", with("ttl", n)))
    end
    message(s.sendmsg, s, "x", with("tos", 256))
    message(s.sendmsg, s, "x", with("segment", 65536))
    message(s.sendmsg, s, {}, to)
    message(s.sendmsg, s, "x", to, -1)
  end)
end)
