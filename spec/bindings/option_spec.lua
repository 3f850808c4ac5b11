local connected = require "connected"

local SOCKETS = {
  tcp = function() return assert(net.socket("inet", "stream")) end,
  udp = function() return assert(net.socket("inet", "dgram")) end,
  tcp6 = function() return assert(net.socket("inet6", "stream")) end,
  udp6 = function() return assert(net.socket("inet6", "dgram")) end,
  unix = function() return assert(net.socket("unix", "dgram")) end,
}

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  return tostring(text)
end

local function output(command)
  local pipe <close> = io.popen("timeout 10 sh -c '" .. command .. "' 2>/dev/null")
  return pipe and pipe:read "a" or ""
end

describe("setsockopt and getsockopt", function()
  -- socket, name, values that come back as they were set
  local roundtrips = {
    { "tcp", "SO_REUSEADDR", true, false },
    { "tcp", "SO_KEEPALIVE", true, false },
    { "tcp", "SO_OOBINLINE", true, false },
    { "udp", "SO_BROADCAST", true, false },
    { "udp", "SO_REUSEPORT", true, false },
    { "udp", "SO_TIMESTAMPNS", true, false },
    { "udp", "SO_RXQ_OVFL", true, false },
    { "unix", "SO_PASSCRED", true, false },
    { "tcp", "SO_PRIORITY", 0, 6 },
    { "tcp", "SO_RCVLOWAT", 1, 100 },
    { "tcp", "SO_RCVTIMEO", 0.0, 1.5 },
    { "tcp", "SO_SNDTIMEO", 0.0, 2.5 },
    { "tcp", "SO_MAX_PACING_RATE", 1000000, -1 },
    { "tcp", "TCP_NODELAY", true, false },
    { "tcp", "TCP_CORK", true, false },
    { "tcp", "TCP_KEEPIDLE", 1, 32767 },
    { "tcp", "TCP_KEEPINTVL", 1, 32767 },
    { "tcp", "TCP_KEEPCNT", 1, 127 },
    { "tcp", "TCP_SYNCNT", 1, 127 },
    { "tcp", "TCP_USER_TIMEOUT", 0.0, 1.5 },
    { "tcp", "TCP_LINGER2", 10, 60 },
    { "tcp", "TCP_NOTSENT_LOWAT", 0, 4294967295 },
    { "tcp", "TCP_FASTOPEN_CONNECT", true, false },
    { "udp", "UDP_SEGMENT", 0, 1000 },
    { "udp", "UDP_GRO", true, false },
    { "udp", "UDP_CORK", true, false },
    { "udp", "IP_TTL", 1, 255 },
    { "udp", "IP_TOS", 0, 16 },
    { "udp", "IP_MTU_DISCOVER", 0, 2 },
    { "udp", "IP_PKTINFO", true, false },
    { "udp", "IP_RECVTTL", true, false },
    { "udp", "IP_RECVERR", true, false },
    { "udp", "IP_MULTICAST_TTL", 0, 255 },
    { "udp", "IP_MULTICAST_LOOP", false, true },
    { "udp", "IP_MULTICAST_ALL", false, true },
    { "udp", "IP_MULTICAST_IF", "lo", false },
    { "udp", "IP_UNICAST_IF", "lo", false },
    { "udp", "IP_FREEBIND", true, false },
    { "udp6", "IPV6_V6ONLY", true, false },
    { "udp6", "IPV6_UNICAST_HOPS", 1, 255 },
    { "udp6", "IPV6_TCLASS", 0, 16 },
    { "udp6", "IPV6_RECVPKTINFO", true, false },
    { "udp6", "IPV6_MULTICAST_IF", "lo", false },
    { "udp6", "IPV6_UNICAST_IF", "lo", false },
    { "udp6", "IPV6_MULTICAST_HOPS", 0, 255 },
    { "udp6", "IPV6_MULTICAST_LOOP", false, true },
    { "tcp6", "TCP_NODELAY", true, false },
  }
  for _, row in ipairs(roundtrips) do
    local kind, name = row[1], row[2]
    it("give " .. name .. " back as it was set", function()
      local s <close> = SOCKETS[kind]()

      for index = 3, #row do
        assert.equal(s, (assert(s:setsockopt(name, row[index]))))

        local value = s:getsockopt(name)
        assert.equal(row[index], value)
        assert.equal(math.type(row[index]), math.type(value))
      end
    end)
  end

  it("show the buffer size that Linux doubled", function()
    local s <close> = SOCKETS.tcp()

    assert(s:setsockopt(net.SOL_SOCKET, net.SO_RCVBUF, 65536))

    assert.equal(131072, s:getsockopt(net.SOL_SOCKET, net.SO_RCVBUF))
    assert.equal(131072, s:getsockopt "SO_RCVBUF")
  end)

  it("take numbers, names of numbers and LuaSocket's names for the same option", function()
    local s <close> = SOCKETS.tcp()
    local forms = {
      { "SO_REUSEADDR" }, { "reuseaddr" }, { net.SOL_SOCKET, net.SO_REUSEADDR },
      { "SOL_SOCKET", "SO_REUSEADDR" },
    }
    for _, form in ipairs(forms) do
      local words = table.pack(table.unpack(form))
      words[#form + 1] = true
      assert(s:setsockopt(table.unpack(words, 1, #form + 1)))

      assert.is_true(s:getsockopt(table.unpack(form)))
      assert(s:setsockopt(net.SOL_SOCKET, net.SO_REUSEADDR, 0))
    end
  end)

  local luasocket = {
    ["keepalive"] = "SO_KEEPALIVE", ["linger"] = "SO_LINGER", ["reuseaddr"] = "SO_REUSEADDR",
    ["reuseport"] = "SO_REUSEPORT", ["dontroute"] = "SO_DONTROUTE", ["broadcast"] = "SO_BROADCAST",
    ["tcp-nodelay"] = "TCP_NODELAY", ["tcp-keepidle"] = "TCP_KEEPIDLE", ["tcp-keepcnt"] = "TCP_KEEPCNT",
    ["tcp-keepintvl"] = "TCP_KEEPINTVL", ["tcp-defer-accept"] = "TCP_DEFER_ACCEPT", ["error"] = "SO_ERROR",
    ["recv-buffer-size"] = "SO_RCVBUF", ["send-buffer-size"] = "SO_SNDBUF",
    ["ip-multicast-ttl"] = "IP_MULTICAST_TTL", ["ip-multicast-loop"] = "IP_MULTICAST_LOOP",
  }
  for alias, name in pairs(luasocket) do
    it("know LuaSocket's name " .. alias, function()
      local s <close> = SOCKETS.tcp()

      assert.same(s:getsockopt(name), s:getsockopt(alias))
      assert.is_not_nil(s:getsockopt(alias))
    end)
  end

  it("take lingering as a table, and false for off", function()
    local s <close> = SOCKETS.tcp()

    assert(s:setsockopt("linger", { on = true, seconds = 3 }))
    assert.same({ on = true, seconds = 3 }, s:getsockopt "SO_LINGER")
    assert(s:setsockopt("linger", { on = true, timeout = 4 }))
    assert.same({ on = true, seconds = 4 }, s:getsockopt "SO_LINGER")
    assert(s:setsockopt("linger", false))

    assert.is_false(s:getsockopt("SO_LINGER").on)
    assert.matches('unknown option "secs"', message(s.setsockopt, s, "linger", { secs = 1 }))
    assert.matches("got 5", message(s.setsockopt, s, "linger", 5))
  end)

  it("take interfaces by name, index and address", function()
    local s <close> = SOCKETS.udp()

    for _, lo in ipairs { "lo", "127.0.0.1", s:getsockopt "IP_MULTICAST_IF" or 1 } do
      assert(s:setsockopt("IP_MULTICAST_IF", lo))

      assert.equal("lo", s:getsockopt "IP_MULTICAST_IF")
      assert(s:setsockopt("IP_MULTICAST_IF", false))
    end
    for _, nowhere in ipairs { "nope0", "203.0.113.1", 2000000000 } do
      local ok, err = s:setsockopt("IP_MULTICAST_IF", nowhere)
      assert.is_nil(ok)
      assert.equal("ENODEV", err.code)
      assert.equal(nowhere, err.interface)
    end
  end)

  it("join a group with any of the membership options", function()
    local s <close> = SOCKETS.udp()
    local group = { group = "224.1.1.1", interface = "lo" }

    assert(s:setsockopt("IP_ADD_MEMBERSHIP", group))
    local again, err = s:setsockopt(net.IPPROTO_IP, net.MCAST_JOIN_GROUP, group)
    assert.is_nil(again)
    assert.equal("EADDRINUSE", err.code)
    assert(s:setsockopt("ip-drop-membership", { multiaddr = "224.1.1.1", interface = 1 }))

    local sourced = { group = "232.1.1.1", interface = "127.0.0.1", source = "127.0.0.1" }
    assert(s:setsockopt("IP_ADD_SOURCE_MEMBERSHIP", sourced))
    assert(s:setsockopt("MCAST_LEAVE_SOURCE_GROUP", sourced))
    assert.is_false(s:getsockopt "IP_MULTICAST_ALL")
    assert.matches("address expected", message(s.setsockopt, s, "IP_ADD_MEMBERSHIP", {}))
    assert.matches("source", message(s.setsockopt, s, "IP_ADD_SOURCE_MEMBERSHIP", group))
    assert.matches("expected, got 1", message(s.setsockopt, s, "IP_ADD_MEMBERSHIP", 1))
  end)

  it("join an IPv6 group by its own options", function()
    local s <close> = SOCKETS.udp6()
    local group = { group = "ff15::1", interface = "lo" }

    assert(s:setsockopt("IPV6_ADD_MEMBERSHIP", group))
    assert(s:setsockopt(net.IPPROTO_IPV6, net.IPV6_LEAVE_GROUP, group))

    assert.is_false(s:getsockopt "IPV6_MULTICAST_ALL")
  end)

  it("name constants by strings as values", function()
    local s <close> = SOCKETS.udp()

    assert(s:setsockopt("IP_MTU_DISCOVER", "IP_PMTUDISC_DO"))

    assert.equal(net.IP_PMTUDISC_DO, s:getsockopt "IP_MTU_DISCOVER")
  end)

  it("reach options that the table does not know, and raw structures, as bytes", function()
    local s <close> = SOCKETS.tcp()

    assert(s:setsockopt(net.SOL_SOCKET, net.SO_LINGER, string.pack("i4i4", 1, 7)))

    assert.same({ on = true, seconds = 7 }, s:getsockopt "SO_LINGER")
    assert.equal(string.pack("i4i4", 1, 7), s:getsockopt(net.SOL_SOCKET, net.SO_LINGER, 8))
    assert.equal("\1", s:getsockopt(net.SOL_SOCKET, net.SO_LINGER, 1))
    assert.equal("", s:getsockopt(net.SOL_SOCKET, net.SO_LINGER, 0))
    local value, err = s:getsockopt(net.SOL_SOCKET, 9999)
    assert.is_nil(value)
    assert.equal("ENOPROTOOPT", err.code)
    assert.equal("ENOPROTOOPT", select(2, s:setsockopt(net.SOL_SOCKET, 9999, 1)).code)
  end)

  it("name the option that is refused", function()
    local a, b = net.pair()
    local function said(method, ...) return select(2, b[method](b, ...)).message end

    assert.equal("TCP_NODELAY: operation not supported", select(2, a:setsockopt("tcp_nodelay", true)).message)
    assert.equal("TCP_NODELAY: operation not supported", said("getsockopt", "TCP_NODELAY"))
    assert.equal("TCP_NODELAY: operation not supported", said("getsockopt", "TCP_NODELAY", 4))
    assert.equal("TCP_INFO: operation not supported", said "info")
    local unknown = "option 99 of level 1: protocol option not available"
    assert.equal(unknown, said("setsockopt", net.SOL_SOCKET, 99, 1))
    local s <close> = SOCKETS.tcp()
    local _, outgoing = s:setsockopt("IP_MULTICAST_IF", "127.0.0.1")
    assert.equal("IP_MULTICAST_IF: invalid argument", outgoing.message) -- of a stream
    a:close()
    b:close()
  end)

  it("tell the process at the other end of a unix socket, and that others have none", function()
    local a <close>, b = net.pair()
    local _ <close>, c = connected.tcp()

    local peer = assert(a:getsockopt "SO_PEERCRED")

    assert.equal(peer.pid, b:getsockopt("SO_PEERCRED").pid)
    local stat <close> = assert(io.open "/proc/self/stat")
    assert.equal(peer.pid, stat:read "n")
    assert.equal("integer", math.type(peer.uid))
    assert.equal("integer", math.type(peer.gid))
    assert.equal("ENOPROTOOPT", select(2, c:getsockopt "SO_PEERCRED").code)
    b:close()
  end)

  it("say what cannot be read or set", function()
    local s <close> = SOCKETS.udp()

    for _, name in ipairs { "IP_ADD_MEMBERSHIP", "SO_ATTACH_FILTER", "SO_DETACH_FILTER" } do
      local value, err = s:getsockopt(name)
      assert.is_nil(value)
      assert.equal(("getsockopt: %s: it can only be set (ENOPROTOOPT)"):format(name), tostring(err))
    end
    assert.matches("can only be read", tostring(select(2, s:setsockopt("SO_PEERCRED", 1))))
  end)

  it("filter packets with a BPF program", function()
    local s <close> = assert(net.udp { family = "inet" })
    assert(s:bind("127.0.0.1", 0))
    local _, port = s:getsockname()
    local drop, pass = string.pack("I2BBI4", 6, 0, 0, 0), string.pack("I2BBI4", 6, 0, 0, 65536)

    assert(s:setsockopt("SO_ATTACH_FILTER", drop))
    assert(s:sendto("dropped", "127.0.0.1", port))
    assert(s:setsockopt("SO_ATTACH_FILTER", pass))
    assert(s:sendto("passed", "127.0.0.1", port))

    assert.equal("passed", (s:recv(100, 5)))
    assert.matches("8 bytes", message(s.setsockopt, s, "SO_ATTACH_FILTER", "1234567"))
    assert(s:setsockopt("SO_DETACH_FILTER"))
  end)

  it("keep what was set before the first address chose the family", function()
    local s <close> = assert(net.udp())
    assert(s:setsockopt("rcvbuf", 65536))
    assert(s:setsockopt("IP_TTL", 7))
    assert(s:setsockopt("reuseaddr", true))

    assert(s:bind("::1", 0))

    assert.equal(131072, s:getsockopt "rcvbuf")
    assert.equal(7, s:getsockopt "IPV6_UNICAST_HOPS")
    assert.is_true(s:getsockopt "reuseaddr")
  end)

  it("make a socket without family IPv6 with its first IPv6 option", function()
    local s <close> = assert(net.udp())

    assert(s:setsockopt("IPV6_V6ONLY", true))

    assert.equal(net.AF_INET6, s:getsockopt "SO_DOMAIN")
  end)

  it("answer CLOSED on a closed object of every class", function()
    local a, b = net.pair()
    local objects = { a, b, SOCKETS.udp(), assert(net.listen("127.0.0.1", 0)) }
    for _, s in ipairs(objects) do
      s:close()

      assert.equal("CLOSED", select(2, s:setsockopt("SO_REUSEADDR", true)).code)
      assert.equal("CLOSED", select(2, s:getsockopt "SO_REUSEADDR").code)
    end
  end)

  local bad = {
    -1, 1 << 16, 1 << 31, 1 << 32, 1 << 53, math.maxinteger, 0 / 0, 1 / 0, "0x50", "80 ", 1.5, {},
  }
  it("refuse values that are none", function()
    local s <close> = SOCKETS.tcp()
    for _, value in ipairs(bad) do
      assert.matches("boolean", message(s.setsockopt, s, "SO_KEEPALIVE", value))
    end
    for _, value in ipairs { 1 << 31, 1 << 32, math.maxinteger, 0 / 0, 1 / 0, "0x50", "80 ", 1.5, {} } do
      message(s.setsockopt, s, "SO_RCVBUF", value)
      message(s.setsockopt, s, "SO_PRIORITY", value)
      message(s.setsockopt, s, value, 2, 1)
      message(s.setsockopt, s, 1, value, 1)
      message(s.setsockopt, s, 1, 9999, type(value) == "string" and {} or value)
      message(s.getsockopt, s, 1, 2, value)
    end
    for _, value in ipairs { -1, 0 / 0, 1 / 0, 1 << 40, "1", {} } do
      message(s.setsockopt, s, "TCP_USER_TIMEOUT", value)
      message(s.setsockopt, s, "TCP_KEEPIDLE", value)
    end
    assert.matches("whole seconds", message(s.setsockopt, s, "TCP_KEEPIDLE", 1.5))
    message(s.setsockopt, s, "SO_MARK", -1)
    message(s.setsockopt, s, "SO_MARK", 1 << 32)
    message(s.setsockopt, s, "TCP_CONGESTION", "cu\0bic")
    message(s.setsockopt, s, "SO_BINDTODEVICE", 1)
  end)

  it("name an option that does not exist, and the level that a number lacks", function()
    local s <close> = SOCKETS.tcp()

    assert.matches('unknown socket option "SO_REUSEADR"', message(s.setsockopt, s, "SO_REUSEADR", true))
    message(s.getsockopt, s, "")
    message(s.getsockopt, s, ("x"):rep(300))
    message(s.getsockopt, s, "SO_\0TYPE")
    assert.matches("needs its level", message(s.getsockopt, s, net.SO_TYPE))
    assert.matches("SO_KEEPALIVE", message(s.setsockopt, s, "keepalive"))
  end)
end)

describe("net.options", function()
  it("lists every option with level, number, kind, explanation and its value on a fresh socket", function()
    local seen = {}
    for _, row in ipairs(assert(net.options())) do
      assert.is_nil(seen[row.name])
      seen[row.name] = row
      assert.equal("integer", math.type(row.level))
      assert.equal(net[row.name], row.number)
      assert.is_true(#row.explanation > 5)
      assert.equal("string", type(row.kind))
    end

    local s <close> = SOCKETS.tcp()
    assert.equal(s:getsockopt "SO_RCVBUF", seen.SO_RCVBUF.value)
    assert.equal("boolean", seen.TCP_NODELAY.kind)
    assert.is_false(seen.TCP_NODELAY.value)
    assert.equal(1, seen.IP_MULTICAST_TTL.value)
    assert.is_true(seen.IP_MULTICAST_LOOP.value)
    assert.is_nil(seen.IP_ADD_MEMBERSHIP.value)
    assert.matches("doubles", seen.SO_SNDBUF.explanation)
    assert.same({ on = false, seconds = 0 }, seen.SO_LINGER.value)
  end)

  it("shows the values of a given object", function()
    local s <close> = SOCKETS.udp()
    s:setsockopt("IP_TTL", 9)

    for _, row in ipairs(assert(net.options(s))) do
      if row.name == "IP_TTL" then assert.equal(9, row.value) end
      if row.name == "TCP_NODELAY" then assert.is_nil(row.value) end
    end
    s:close()
    assert.equal("CLOSED", select(2, net.options(s)).code)
    assert.matches("net.handle", message(net.options, 1))
  end)

  it("agrees with python3 on the effective values of a fresh socket", function()
    local text = output [[python3 -c "import socket
s = socket.socket()
for k in (\"SO_RCVBUF\", \"SO_SNDBUF\", \"SO_TYPE\", \"SO_DOMAIN\", \"SO_PROTOCOL\", \"SO_PRIORITY\"):
    print(k, s.getsockopt(socket.SOL_SOCKET, getattr(socket, k)))
for k in (\"TCP_KEEPIDLE\", \"TCP_KEEPINTVL\", \"TCP_KEEPCNT\", \"TCP_MAXSEG\", \"TCP_SYNCNT\"):
    print(k, s.getsockopt(socket.IPPROTO_TCP, getattr(socket, k)))"]]
    if text == "" then pending "python3 is not installed" return end
    local s <close> = SOCKETS.tcp()

    for name, number in text:gmatch "(%g+) (%-?%d+)" do
      if net[name] then assert.equal(tonumber(number), s:getsockopt(name), name) end
    end
  end)
end)

describe("constants of net", function()
  it("are there when they are asked for and nil when they do not exist", function()
    assert.equal(1, net.SOL_SOCKET)
    assert.equal(6, net.SOL_TCP)
    assert.equal(20, net.IPV6_ADD_MEMBERSHIP)
    assert.equal(2, net.MSG_PEEK)
    assert.is_nil(net.SO_NOSUCH)
    assert.is_nil(net.RECV_BUFFER_SIZE)
    assert.is_nil(net[1])
  end)

  it("are listed for completion, options among them", function()
    local option, seen = require "net.core.option", {}

    for _, name in ipairs(option.constants()) do
      assert.equal("integer", math.type(option.constant(name)), name)
      seen[name] = true
    end

    for _, name in ipairs { "SOL_SOCKET", "MSG_PEEK", "SO_REUSEADDR", "IPV6_JOIN_GROUP" } do
      assert.is_true(seen[name], name)
    end
  end)
end)
