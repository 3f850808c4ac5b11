local connected = require "connected"
local island = require "island"
local lfs = require "lfs"
local netlua = require "netlua"

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  file:write(text)
end

-- A loopback port where nothing listens.
local function free(host)
  local server <close> = assert(net.listen(host or "127.0.0.1", 0))
  local _, port = server:getsockname()
  return port
end

-- Closes at the end of the block all that was put into it.
local function bag()
  return setmetatable({}, {
    __close = function(self)
      for _, object in ipairs(self) do object:close() end
    end,
  })
end

local function udp(address)
  local s = assert(net.udp {})
  assert(s:bind(address or "127.0.0.1", 0))
  return s, s:getsockname()
end

describe("net.socket", function()
  for _, case in ipairs {
    { "inet", "stream", "net.stream" }, { "inet6", "stream", "net.stream" },
    { "unix", "stream", "net.stream" },
    { "inet", "dgram", "net.datagram" }, { "unix", "dgram", "net.datagram" },
    { "unix", "seqpacket", "net.datagram" },
    { net.AF_INET, net.SOCK_STREAM, "net.stream" }, { net.AF_UNIX, net.SOCK_DGRAM, "net.datagram" },
    { "inet", nil, "net.stream" },
  } do
    it(("makes %s %s"):format(case[1], case[2] or "without a type"), function()
      if case[1] == "inet6" and not connected.has6() then pending "no IPv6 here" end
      local s <close> = assert(net.socket(case[1], case[2]))

      assert.equal(case[3], tostring(s):match "^[%w.]+")
    end)
  end

  for _, wrong in ipairs {
    { "ipv4" }, { "" }, { 99 }, { nil }, { "inet", "tcp" }, { "inet", 77 }, { "inet", "stream", 256 },
    { "inet", "stream", -1 }, { "inet", "stream", "tcp" }, { {} }, { 2.5 },
  } do
    it(("raises for %s, %s, %s"):format(tostring(wrong[1]):gsub(":.*", ""), wrong[2], wrong[3]), function()
      assert.is_false(pcall(net.socket, table.unpack(wrong, 1, 3)))
    end)
  end

  it("names the words it takes", function()
    local _, message = pcall(net.socket, "ipv4")

    assert.matches("inet, inet6", message, 1, true)
    assert.matches('got "ipv4"', message, 1, true)
  end)

  it("gives the system's refusal", function()
    local s, err = net.socket("unix", "stream", 200)

    assert.is_nil(s)
    assert.equal("EPROTONOSUPPORT", err.code)
    assert.equal("socket", err.op)
  end)
end)

describe("net.pair", function()
  it("makes two streams that are one connection", function()
    local _ <close>, a, b = connected.pair()

    a:write "to b"
    b:write "to a"

    assert.equal("to b", b:recv(10))
    assert.equal("to a", a:recv(10))
  end)

  for _, type in ipairs { "dgram", "seqpacket" } do
    it("keeps the borders of messages, as " .. type, function()
      local _ <close>, a, b = connected.pair(type)

      a:send "one"
      a:send "two"

      assert.equal("one", b:recv(10))
      assert.equal("two", b:recv(10))
    end)
  end

  it("ends a seqpacket with nil alone", function()
    local _ <close>, a, b = connected.pair "seqpacket"
    a:send "last"
    a:close()

    assert.equal("last", b:recv(10))
    assert.equal(1, select("#", b:recv(10)))
    assert.equal(1, select("#", b:recvfrom(10)))
  end)

  for _, method in ipairs { "recv", "recvfrom", "recvmsg" } do
    -- An empty record looked like the end of the connection.
    it("tells an empty record of a seqpacket from its end, by " .. method, function()
      local _ <close>, a, b = connected.pair "seqpacket"
      a:send ""
      local first = b[method](b, 10, 5)
      a:send ""
      a:send "" -- two at once counted as the end, too, whatever came behind them
      a:send "last"
      a:close()

      assert.equal("", first)
      assert.equal("", (b[method](b, 10, 5)))
      assert.equal("", (b[method](b, 10, 5)))
      assert.equal("last", (b[method](b, 10, 5)))
      assert.equal(1, select("#", b[method](b, 10, 5)))
    end)
  end

  it("raises for another type", function()
    assert.is_false(pcall(net.pair, "tcp"))
  end)
end)

describe("the port of an address", function()
  local makers = {
    connect = function(port) return net.connect("127.0.0.1", port) end,
    listen = function(port) return net.listen("127.0.0.1", port) end,
    bind = function(port)
      local s <close> = assert(net.udp {})
      return s:bind("127.0.0.1", port)
    end,
    sendto = function(port)
      local s <close> = assert(net.udp {})
      return s:sendto("x", "127.0.0.1", port)
    end,
  }
  for name, make in pairs(makers) do
    for _, wrong in ipairs {
      65536, -1, 1.5, 0 / 0, math.huge, "80 ", " 80", "+80", "0x50", "65536", "", "http", "8\0000", true,
      {}, "000080",
    } do
      it(("%s raises in %s"):format(type(wrong) == "string" and ("%q"):format(wrong) or
        tostring(wrong):gsub(":.*", ""), name), function()
        local ok, message = pcall(make, wrong)

        assert.is_false(ok)
        assert.matches("port from 0 to 65535", message, 1, true)
      end)
    end

    it("is needed in " .. name, function()
      assert.is_false(pcall(make))
    end)
  end

  it("may be a whole float or decimal digits", function()
    local _ <close>, s = connected.tcp()
    local server <close> = assert(net.listen("127.0.0.1", 0.0))
    local _, port = server:getsockname()

    local a <close> = assert(net.connect("127.0.0.1", port + 0.0))
    local b <close> = assert(net.connect("127.0.0.1", tostring(port)))

    assert.equal(port, select(2, a:getpeername()))
    assert.equal(port, select(2, b:getpeername()))
    assert.truthy(s)
  end)
end)

describe("IPv6", function()
  it("carries a connection over ::1", function()
    if not connected.has6() then pending "no ::1 here" end
    local _ <close>, s, other = connected.tcp6()

    s:write "six\n"

    assert.equal("six", other:read())
    assert.equal("::1", (s:getpeername()))
  end)

  it("connects to an IPv4-mapped address", function()
    if not connected.has6() then pending "no ::1 here" end
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = server:getsockname()

    local s <close> = assert(net.connect("::ffff:127.0.0.1", port))

    assert.equal("127.0.0.1", (s:getpeername()))
  end)
end)

describe("unix sockets", function()
  it("carry a stream by path", function()
    local directory <close> = connected.directory()
    local name = "unix:" .. directory.name .. "/s"
    local server <close> = assert(net.listen(name))
    local client <close> = assert(net.connect(name))
    local s <close> = assert(server:accept(5))

    client:write "hello\n"

    assert.equal("hello", s:read())
    assert.equal(name, s:getsockname())
    assert.equal(name, client:getpeername())
  end)

  it("carry a stream by abstract name, without a file", function()
    local name = ("unix:@netlua-%d"):format(net.now() * 1e6 // 1)
    local server <close> = assert(net.listen(name))
    local client <close> = assert(net.connect(name))
    local s <close> = assert(server:accept(5))

    client:write "hello\n"

    assert.equal("hello", s:read())
    assert.is_nil(lfs.attributes(name:sub(6)))
  end)

  it("carry records in seqpacket", function()
    local directory <close> = connected.directory()
    local name = "unix:" .. directory.name .. "/s"
    local server <close> = assert(net.listen(name, nil, { type = "seqpacket" }))
    local client <close> = assert(net.connect(name, nil, { type = "seqpacket" }))
    local s <close> = assert(server:accept(5))

    client:send "one"
    client:send "two"
    client:close()

    assert.equal("one", s:recv(100, 5))
    assert.equal("two", s:recv(100, 5))
    assert.is_nil((s:recv(100, 5)))
  end)

  it("carry datagrams with the sender's path", function()
    local directory <close> = connected.directory()
    local there, here = "unix:" .. directory.name .. "/there", "unix:" .. directory.name .. "/here"
    local a <close> = assert(net.socket("unix", "dgram"))
    local b <close> = assert(net.socket("unix", "dgram"))
    assert(a:bind(here))
    assert(b:bind(there))

    assert.equal(4, a:sendto("ping", there))

    assert.same({ "ping", here }, { b:recvfrom(100, 5) })
    b:sendto("pong", here)
    assert.equal("pong", a:recv(100, 5))
  end)

  it("report a datagram that was cut", function()
    local _ <close>, a, b = connected.pair "dgram"
    a:send "0123456789"

    assert.same({ "0123", 10 }, { b:recv(4) })
  end)

  it("remove their file when they are closed", function()
    local directory <close> = connected.directory()
    local path = directory.name .. "/s"
    local server = assert(net.listen("unix:" .. path))
    assert.equal("socket", lfs.attributes(path, "mode"))

    server:close()

    assert.is_nil(lfs.attributes(path))
  end)

  it("remove their file when they are collected", function()
    local directory <close> = connected.directory()
    local path = directory.name .. "/s"
    do assert(net.listen("unix:" .. path)) end

    collectgarbage()
    collectgarbage()

    assert.is_nil(lfs.attributes(path))
  end)

  it("leave the file alone when a client or an accepted stream is closed", function()
    local directory <close> = connected.directory()
    local path = directory.name .. "/s"
    local server <close> = assert(net.listen("unix:" .. path))
    local client = assert(net.connect("unix:" .. path))
    local s = assert(server:accept(5))

    client:close()
    s:close()

    assert.equal("socket", lfs.attributes(path, "mode"))
  end)

  it("replace the file of a server that is gone", function()
    local directory <close> = connected.directory()
    local path = directory.name .. "/s"
    assert(os.execute(("%s -e 'assert(net.listen(\"unix:%s\")) os.exit(0, false)'"):format(netlua.program,
      path)))
    if not lfs.attributes(path) then -- closed in order after all
      local stale = assert(net.socket("unix"))
      assert(stale:bind("unix:" .. path))
      assert(os.rename(path, path .. ".kept"))
      stale:close()
      assert(os.rename(path .. ".kept", path))
    end

    local server <close> = assert(net.listen("unix:" .. path))

    local client <close> = assert(net.connect("unix:" .. path))
    assert.truthy(server and client)
  end)

  it("leave a server that lives alone", function()
    local directory <close> = connected.directory()
    local name = "unix:" .. directory.name .. "/s"
    local server <close> = assert(net.listen(name))

    local s, err = net.listen(name)

    assert.is_nil(s)
    assert.equal("EADDRINUSE", err.code)
    assert.equal(name, err.address)
    local client <close> = assert(net.connect(name))
    assert.truthy(server and client)
  end)

  it("leave a live server of another type alone", function()
    local directory <close> = connected.directory()
    local name = "unix:" .. directory.name .. "/s"
    local server <close> = assert(net.socket("unix", "dgram"))
    assert(server:bind(name))

    local s, err = net.listen(name)

    assert.is_nil(s)
    assert.equal("EADDRINUSE", err.code)
    local client <close> = assert(net.socket("unix", "dgram"))
    assert.equal(1, client:sendto("x", name))
  end)

  it("never remove a file that is no socket", function()
    local directory <close> = connected.directory()
    local path = directory.name .. "/precious"
    write(path, "data")

    local s, err = net.listen("unix:" .. path)

    assert.is_nil(s)
    assert.equal("EADDRINUSE", err.code)
    local file <close> = assert(io.open(path))
    assert.equal("data", file:read "a")
  end)

  it("never remove what a symbolic link stands for, nor the link", function()
    local directory <close> = connected.directory()
    local path = directory.name .. "/link"
    assert(lfs.link(directory.name .. "/nothing", path, true))

    local s, err = net.listen("unix:" .. path)

    assert.is_nil(s)
    assert.equal("EADDRINUSE", err.code)
    assert.equal("link", lfs.symlinkattributes(path, "mode"))
  end)

  it("do not take a bound abstract name twice", function()
    local name = ("unix:@netlua-%d"):format(net.now() * 1e6 // 1)
    local server <close> = assert(net.listen(name))

    local _, err = net.listen(name)

    assert.equal("EADDRINUSE", err.code)
    assert.truthy(server)
  end)

  for _, mode in ipairs { 384, 432, 438, 511, 0 } do
    it(("give their file the mode %03o, whatever the umask"):format(mode), function()
      local directory <close> = connected.directory()
      local path = directory.name .. "/s"

      local server <close> = assert(net.listen("unix:" .. path, nil, { mode = mode }))

      local stat <close> = assert(io.popen("stat -c %a " .. path))
      assert.equal(("%o"):format(mode), stat:read())
      assert.truthy(server)
    end)
  end

  for _, wrong in ipairs { -1, 512, "600", 1.5 } do
    it("raise for a mode of " .. tostring(wrong), function()
      local directory <close> = connected.directory()

      local ok, message = pcall(net.listen, "unix:" .. directory.name .. "/s", nil, { mode = wrong })

      assert.is_false(ok)
      assert.matches("mode", message)
      collectgarbage()
    end)
  end

  for claim, case in pairs {
    ["is not there"] = { "unix:/nonexistent/s", "ENOENT" },
    ["is below a file"] = { "unix:/dev/null/s", "ENOTDIR" },
    ["is no socket"] = { "unix:/dev/null", "ECONNREFUSED" },
  } do
    it("say so when what is connected to " .. claim, function()
      local s, err = net.connect(case[1])

      assert.is_nil(s)
      assert.equal(case[2], err.code)
      assert.equal(case[1], err.address)
    end)
  end

  it("say so when the socket is of another type", function()
    local directory <close> = connected.directory()
    local name = "unix:" .. directory.name .. "/s"
    local server <close> = assert(net.socket("unix", "dgram"))
    assert(server:bind(name))

    local _, err = net.connect(name)

    assert.equal("EPROTOTYPE", err.code)
  end)

  it("wait for room in a full backlog", function()
    local directory <close> = connected.directory()
    local name = "unix:" .. directory.name .. "/s"
    local server <close> = assert(net.listen(name, nil, { backlog = 0 }))
    local first <close> = assert(net.connect(name))

    local _, err = net.connect(name, nil, { timeout = 0.05 })
    assert.equal("TIMEOUT", err.code)

    local second = net.spawn(net.connect, name, nil, { timeout = 5 })
    net.sleep(0)
    local accepted <close> = assert(server:accept(5))
    local s <close> = assert(second:join(30))
    assert.truthy(first and accepted and s)
  end)
end)

-- The kernel calls a socket writable that is not connected to where it sends: it was tried again and again.
describe("a full unix datagram socket", function()
  local function full(name)
    local receiver, sender = assert(net.socket("unix", "dgram")), assert(net.socket("unix", "dgram"))
    assert(receiver:bind(name))
    repeat local sent = sender:sendto("x", name, nil, 0) until not sent
    return receiver, sender
  end

  for _, name in ipairs { "sendto", "sendmsg" } do
    local address = "unix:@full-" .. name
    local function send(sender, timeout)
      if name == "sendto" then return sender:sendto("last", address, nil, timeout) end
      return sender:sendmsg("last", { address = address }, timeout)
    end

    it("is waited for without keeping the processor busy: " .. name, function()
      local receiver <close>, sender = full(address)
      local held <close> = sender -- luacheck: ignore held
      local began = os.clock()

      local sent, err = send(sender, 0.5)

      assert.is_nil(sent)
      assert.equal("TIMEOUT", err.code)
      assert.is_true(os.clock() - began < 0.25)
      assert.equal("x", receiver:recv(10, 0))
    end)

    it("is sent to when it has room again: " .. name, function()
      local receiver <close>, sender = full(address)
      local held <close> = sender -- luacheck: ignore held
      local task = net.spawn(send, sender, 30)
      net.sleep(0)

      local last
      repeat last = receiver:recv(10, 30) until last ~= "x"

      assert.equal("last", last)
      assert.equal(4, (task:join(30)))
    end)
  end
end)

describe("UDP", function()
  it("carries a datagram with the sender's address", function()
    local a <close>, host, port = udp()
    local b <close>, there, number = udp()

    assert.equal(5, a:sendto("hello", there, number))

    assert.same({ "hello", host, port }, { b:recvfrom(100, 5) })
  end)

  it("gives an empty datagram as an empty string", function()
    local a <close> = udp()
    local b <close>, host, port = udp()
    a:sendto("", host, port)
    a:sendto("", host, port)
    a:sendto("x", host, port)

    assert.equal("", b:recv(100, 5))
    assert.equal("", (b:recvfrom(100, 5)))
    assert.equal("x", b:recv(100, 5))
  end)

  it("reports a datagram that was cut, with its full length", function()
    local a <close>, from, number = udp()
    local b <close>, host, port = udp()
    a:sendto("0123456789", host, port)
    a:sendto("0123456789", host, port)
    a:sendto("0123456789", host, port)

    assert.same({ "0123", from, number, 10 }, { b:recvfrom(4, 5) })
    assert.same({ "0123", 10 }, { b:recv(4, 5) })
    assert.same({ "0123456789" }, { b:recv(10, 5) })
  end)

  it("reports a cut between sizes that are asked for first", function()
    local a <close> = udp()
    local b <close>, host, port = udp()
    a:sendto(("x"):rep(5000), host, port)
    a:sendto(("x"):rep(5000), host, port)

    assert.same({ ("x"):rep(3000), 5000 }, { b:recv(3000, 5) })
    assert.same({ ("x"):rep(5000) }, { b:recv(1 << 24, 5) })
  end)

  it("takes up to 65,536 bytes when it gets no max", function()
    local a <close> = udp()
    local b <close>, host, port = udp()
    a:sendto(("x"):rep(60000), host, port)

    assert.equal(60000, #b:recv(nil, 5))
  end)

  it("carries 65,507 bytes and refuses one more", function()
    local a <close> = udp()
    local b <close>, host, port = udp()

    assert.equal(65507, a:sendto(("x"):rep(65507), host, port))
    assert.equal(65507, #b:recv(nil, 5))

    local n, err = a:sendto(("x"):rep(65508), host, port)
    assert.is_nil(n)
    assert.equal("EMSGSIZE", err.code)
    assert.equal("limit", err.kind)
    assert.equal(host, err.address)
    assert.equal(port, err.port)
  end)

  it("sends to where it is connected and takes from nobody else", function()
    local a <close>, from, number = udp()
    local b <close>, host, port = udp()
    local stranger <close> = udp()
    assert.equal(a, a:connect(host, port))
    stranger:sendto("not for a", from, number)

    assert.equal(2, a:send "hi")

    assert.equal("hi", (b:recvfrom(100, 5)))
    b:sendto("ho", from, number)
    assert.equal("ho", a:recv(100, 5))
  end)

  it("needs a destination", function()
    local s <close> = udp()

    local n, err = s:send "x"

    assert.is_nil(n)
    assert.equal("EDESTADDRREQ", err.code)
  end)

  it("hears of a refusal when it is connected", function()
    local s <close> = assert(net.udp {})
    assert(s:connect("127.0.0.1", free()))
    assert.equal(1, s:send "x")

    local got, err = s:recv(10, 5)

    assert.is_nil(got)
    assert.equal("ECONNREFUSED", err.code)
    assert.equal("refused", err.kind)
  end)

  it("wakes a waiting receiver with a refusal", function()
    local s <close> = assert(net.udp {})
    assert(s:connect("127.0.0.1", free()))
    local receiver = net.spawn(s.recvfrom, s)
    net.sleep(0)

    s:send "x"

    local _, err = receiver:join(30)
    assert.equal("ECONNREFUSED", err.code)
  end)

  it("has timeouts", function()
    local s <close> = udp()

    for _, method in ipairs { "recv", "recvfrom" } do
      local got, err = s[method](s, 10, 0.01)
      assert.is_nil(got)
      assert.equal("TIMEOUT", err.code)
      assert.equal(method, err.op)
    end
    s:settimeout(0)
    local _, err = s:recv()
    assert.equal("TIMEOUT", err.code)
  end)

  it("with the time 0 takes what is there", function()
    local a <close> = udp()
    local b <close>, host, port = udp()
    b:recv(10, 0)
    a:sendto("x", host, port)

    assert.equal("x", b:recv(10, 0))
  end)

  it("receives a large datagram that comes while it waits, whole", function()
    local a <close> = udp()
    local b <close>, host, port = udp()
    local receiver = net.spawn(b.recvfrom, b, 65536)
    net.sleep(0)

    a:sendto(("x"):rep(50000), host, port)

    local data, from, number, length = receiver:join(30)
    assert.equal(50000, #data)
    assert.equal("127.0.0.1", from)
    assert.equal(select(2, a:getsockname()), number)
    assert.is_nil(length)
  end)

  it("takes the family of its first address", function()
    if not connected.has6() then pending "no ::1 here" end
    local four <close> = assert(net.udp {})
    local six <close> = assert(net.udp {})
    local number = six:fileno()

    assert(six:bind("::1", 0))
    assert(four:bind("127.0.0.1", 0))

    assert.equal("::1", (six:getsockname()))
    assert.equal("127.0.0.1", (four:getsockname()))
    assert.equal(number, six:fileno())
    local ok, err = six:sendto("x", "127.0.0.1", 9)
    assert.is_nil(ok)
    assert.truthy(err.code)
  end)

  it("takes the family of its first destination", function()
    if not connected.has6() then pending "no ::1 here" end
    local b <close>, host, port = udp "::1"
    local a <close> = assert(net.udp {})

    assert.equal(3, a:sendto("six", host, port))

    assert.equal("six", b:recv(10, 5))
  end)

  it("keeps its options when it takes another family", function()
    -- The socket of the other family was a new one without them.
    if not connected.has6() then pending "no ::1 here" end
    local first <close> = assert(net.udp { reuseport = true })
    assert(first:bind("::1", 0))
    local host, port = first:getsockname()

    local second <close> = assert(net.udp { reuseport = true })

    assert.equal(second, second:bind(host, port))
  end)

  it("takes the family of its source", function()
    if not connected.has6() then pending "no ::1 here" end
    local b <close>, host, port = udp "::1"
    local a <close> = assert(net.udp { source = "::1" })

    a:sendto("x", host, port)

    local data, from = b:recvfrom(10, 5)
    assert.equal("x", data)
    assert.equal("::1", from)
  end)

  it("keeps the family it is told", function()
    if not connected.has6() then pending "no ::1 here" end
    local s <close> = assert(net.udp { family = "inet6" })
    assert(s:bind("::", 0))
    local _, port = s:getsockname()
    local four <close> = assert(net.udp { family = "inet" })

    assert.equal(1, four:sendto("x", "127.0.0.1", port))

    local data, from, number = s:recvfrom(10, 5)
    assert.equal("x", data)
    assert.equal("127.0.0.1", from)
    assert.equal(1, s:sendto("y", from, number))
    assert.equal("y", four:recv(10, 5))
    local ok = four:bind("::1", 0)
    assert.is_nil(ok)
  end)

  for _, options in ipairs {
    { family = "inet5" }, { family = 4 }, { famly = "inet" }, { broadcast = 1 }, { rcvbuf = -1 },
    { rcvbuf = "1" },
    { source = 1 }, { source = "127.0.0.1\0" }, { 1 },
  } do
    local field, value = next(options)
    it(("raises for %s = %q"):format(field, value), function()
      local ok, message = pcall(function() return net.udp(options) end)

      assert.is_false(ok)
      assert.matches("bad argument #1 to 'udp'", message, 1, true)
    end)
  end

  it("gives an error for a source that is no address", function()
    local s, err = net.udp { source = "nonsense" }

    assert.is_nil(s)
    assert.equal("EINVAL", err.code)
  end)

  for _, call in ipairs {
    { "recv", 0 }, { "recv", -1 }, { "recv", 1.5 }, { "recv", (1 << 24) + 1 }, { "recv", 1, -1 },
    { "recvfrom", 0 },
    { "send", {} }, { "send" }, { "sendto", "x" }, { "sendto", "x", "127.0.0.1" },
    { "sendto", nil, "127.0.0.1", 9 },
    { "sendto", "x", "127.0.0.1", 9, "1" }, { "shutdown", "x" },
  } do
    it(("raises for wrong arguments: %s"):format(table.concat({ tostring(call[1]),
      tostring(call[2]):gsub(":.*", ""),
      tostring(call[3]), tostring(call[4]), tostring(call[5]) }, " ")), function()
      local s <close> = udp()

      assert.is_false(pcall(s[call[1]], s, table.unpack(call, 2, 5)))
    end)
  end

  it("does not look names up", function()
    local s <close> = udp()

    local n, err = s:sendto("x", "localhost", 9)

    assert.is_nil(n)
    assert.equal("EAI_NONAME", err.code)
    assert.equal("localhost", err.host)
  end)

  it("answers CLOSED after close and wakes the receiver with it", function()
    local s <close> = udp()
    local receiver = net.spawn(s.recvfrom, s)
    net.sleep(0)

    s:close()

    local _, err = receiver:join(30)
    assert.equal("CLOSED", err.code)
    for _, call in ipairs { { "recv" }, { "recvfrom" }, { "send", "x" }, { "sendto", "x", "127.0.0.1", 9 },
      { "shutdown" }, { "bind", "127.0.0.1", 0 }, { "connect", "127.0.0.1", 9 }, { "getsockname" } } do
      local _, e = s[call[1]](s, table.unpack(call, 2))
      assert.equal("CLOSED", e.code, call[1])
    end
  end)
end)

-- Without local ports the system says "try again", and nothing tells when: waiting would never end.
describe("a datagram socket where all local ports are taken", function()
  for call, script in pairs {
    connect = 'return s:connect("127.0.0.1", 9, 5)', sendto = 'return s:sendto("x", "127.0.0.1", 9, 5)',
  } do
    it("says so at " .. call, function()
      if not island.possible() then return pending "no network namespaces here" end

      local out, err = island.run(([[
        local range <close> = io.open("/proc/sys/net/ipv4/ip_local_port_range", "w")
        range:write "40000 40003"
        range:close()
        local held, began, ok, err = {}, net.now(), true, nil
        local function try(s) %s end
        while ok and #held < 9 do
          held[#held + 1] = assert(net.udp())
          ok, err = try(held[#held])
        end
        print(#held, err.code, net.now() - began < 20)
      ]]):format(script))

      assert.equal("", err)
      assert.equal("5\tEADDRNOTAVAIL\ttrue\n", out)
    end)
  end
end)

-- The message comes while the system is still sending, so connect(2) did not tell of it until the next
-- packet, and the descriptor counted as ready all the time.
describe("a connect that a firewall refuses by an ICMP message", function()
  it("fails at once, and keeps no processor busy", function()
    local rule = "iptables -A OUTPUT -p tcp --dport 81 -j REJECT 2>/dev/null"
    if not island.possible() then return pending "no network namespaces here" end

    local out, err = island.run(([[
      if not os.execute %q then return print "no iptables" end
      local s, err, soon
      local cpu = os.clock()
      for _ = 1, 20 do -- until the machine does not stall
        local began = net.now()
        s, err = net.connect("127.0.0.1", 81, { timeout = 5 })
        soon = net.now() - began < 0.9
        if soon then break end
      end
      print(s, err.code, soon, os.clock() - cpu < 0.5)
    ]]):format(rule))
    if out == "no iptables\n" then return pending "no iptables here" end

    assert.equal("", err)
    assert.equal("nil\tECONNREFUSED\ttrue\ttrue\n", out)
  end)
end)

describe("net.fromfd", function()
  it("reads a pipe to its end", function()
    local fifo = os.tmpname()
    os.remove(fifo)
    assert(os.execute("mkfifo " .. fifo))
    local held <close> = assert(io.open(fifo, "r+b"))
    held:write "one\ntwo\n"
    held:flush()
    -- Lua's own file keeps its descriptor: the number is looked up and a second name opened through a child.
    local script = "local s = assert(net.fromfd(3)) print(s:read(), s:read())"
    local out = netlua.shell(("%%s -e '%s' 3<%s"):format(script, fifo))
    os.remove(fifo)

    assert.equal("one\ttwo\n", out)
  end)

  it("waits for a pipe without stopping other tasks", function()
    local out = netlua.shell([[(sleep 0.3; echo late) | %s -e '
      local s = assert(net.fromfd(0))
      local ticks = 0
      local clock = net.every(0.01, function() ticks = ticks + 1 end)
      local line = s:read()
      clock:cancel()
      print(line, ticks > 5)']])

    assert.equal("late\ttrue\n", out)
  end)

  it("writes to standard output", function()
    local out, err, status = netlua.shell [[%s -e 'assert(net.fromfd(1)):write("a", 1, "\n")']]

    assert.equal("a1\n", out)
    assert.equal("", err)
    assert.equal(0, status)
  end)

  it("leaves the mode of standard input as it was", function()
    local out = netlua.shell [[echo x | (%s -e 'net.fromfd(0):read()';
      grep flags /proc/self/fdinfo/0 | grep -c "flags:.*4...$")]]

    assert.equal("0\n", out)
  end)

  it("reads and writes a regular file", function()
    local path = os.tmpname()
    write(path, "line one\nline two\n")
    local out = netlua.shell(([[%%s -e '
      local s = assert(net.fromfd(3))
      print(s:read("l", "l", "l"))
      local w = assert(net.fromfd(4))
      assert(w:write "new")
      assert(w:close())
      local ok, err = s:shutdown()
      print(ok, err.code, s:recv(1))' 3<%s 4>%s.new]]):format(path, path))
    local copy <close> = assert(io.open(path .. ".new"))
    os.remove(path)
    os.remove(path .. ".new")

    assert.equal("line one\tline two\tnil\nnil\tENOTSOCK\tnil\n", out)
    assert.equal("new", copy:read "a")
  end)

  it("knows the kind of a socket", function()
    local kinds = {}
    for i, script in ipairs {
      "return assert(net.listen('127.0.0.1', 0))", "return assert(net.udp {})", "return (assert(net.pair()))",
    } do
      kinds[i] = netlua.run(([[
        local s = (function() %s end)()
        local again = assert(net.fromfd(s:fileno()))
        local same = (again:getsockname()) == (s:getsockname())
        io.write(tostring(again):match "^[%%w.]+", " ", same and "same" or "other")
        os.exit(0, false)]]):format(script))
    end

    assert.same({ "net.listener same", "net.datagram same", "net.stream same" }, kinds)
  end)

  it("owns the descriptor: closing frees it", function()
    local out = netlua.shell [[%s -e '
      local s = assert(net.fromfd(3))
      assert(s:fileno() == 3)
      s:close()
      local again, err = net.fromfd(3)
      print(again, err.code, err.op)' 3</dev/null]]

    assert.equal("nil\tEBADF\tfromfd\n", out)
  end)

  for _, wrong in ipairs { -1, 1.5, "0", 1 << 31, 0 / 0 } do
    it("raises for " .. tostring(wrong), function()
      assert.is_false(pcall(net.fromfd, wrong))
    end)
  end

  it("raises without a number", function()
    assert.is_false(pcall(net.fromfd))
    assert.is_false(pcall(net.fromfd, nil))
  end)

  it("refuses a number that is not open", function()
    local s, err = net.fromfd(999999)

    assert.is_nil(s)
    assert.equal("EBADF", err.code)
  end)

  it("keeps children from inheriting what it took", function()
    local out = netlua.shell [[%s -e '
      local s = net.fromfd(3)
      os.execute "test -e /proc/self/fd/3; echo $?"' 3</dev/null]]

    assert.equal("1\n", out)
  end)
end)

-- The kernel said EINVAL of an address of another family, which is also what a blackhole route gives.
describe("an address of another family", function()
  for family, address in pairs { inet = "::1", unix = "127.0.0.1", inet6 = "unix:@none" } do
    for _, type in ipairs { "stream", "dgram" } do
      it(("is refused by connect and bind: %s for %s, %s"):format(address, family, type), function()
        if family == "inet6" and not connected.has6() then pending "no IPv6 here" end
        local s <close> = assert(net.socket(family, type))

        local ok, refused = s:connect(address, 1)
        local bound, unbound = s:bind(address, 0)

        assert.is_nil(ok)
        assert.same({ "EAFNOSUPPORT", address }, { refused.code, refused.address })
        assert.is_nil(bound)
        assert.equal("EAFNOSUPPORT", unbound.code)
      end)
    end

    it(("is refused by sendto and sendmsg: %s for %s"):format(address, family), function()
      if family == "inet6" and not connected.has6() then pending "no IPv6 here" end
      local s <close> = assert(net.socket(family, "dgram"))
      local port = family ~= "inet6" and 9 or nil

      local sent, refused = s:sendto("x", address, port)
      local passed, unsent = s:sendmsg("x", { address = address, port = port })

      assert.is_nil(sent)
      assert.same({ "EAFNOSUPPORT", address }, { refused.code, refused.address })
      assert.is_nil(passed)
      assert.same({ "EAFNOSUPPORT", address }, { unsent.code, unsent.address })
    end)
  end

  it("is reached by connect as by sendto where an IPv6 socket is given one of IPv4", function()
    if not connected.has6() then pending "no IPv6 here" end
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local s <close> = assert(net.socket "inet6")
    local u <close> = assert(net.udp { family = "inet6" })

    assert(s:connect(server:getsockname()))
    assert(u:bind("127.0.0.1", 0))

    assert.same({ server:getsockname() }, { s:getpeername() })
    assert.equal("127.0.0.1", (u:getsockname()))
  end)
end)

-- Both took whatever has a descriptor for a stream, and wrote into memory behind it.
describe("connect and bind as functions", function()
  for _, name in ipairs { "connect", "bind" } do
    it(name .. " refuses an object that is no socket", function()
      local s <close> = assert(net.socket "inet")
      local watch <close> = assert(net.watch_links())

      local ok, err = pcall(s[name], watch, "127.0.0.1", 0)

      assert.is_false(ok)
      assert.matches("net.stream or net.datagram expected, got net.linkwatch", err, 1, true)
      assert.is_number(watch:fileno())
    end)
  end
end)

describe("an option table with an __index", function()
  -- It ran while the text of `source` was in use, and that was freed.
  it("is read as if it had none", function()
    local called = false
    local source = "127.0.0.2" .. ("0"):rep(100)
    local options = setmetatable({ source = source }, { __index = function(self)
      called = true
      self.source = nil
      collectgarbage()
    end })
    source = nil -- luacheck: ignore source

    local s, err = net.udp(options)

    assert.is_nil(s)
    assert.matches("source 127.0.0.2000", err.message, 1, true)
    assert.is_false(called)
  end)
end)

describe("a child process", function()
  it("inherits no descriptor of any object", function()
    local held <close> = bag()
    local function children()
      local list <close> = assert(io.popen "ls /proc/self/fd")
      return list:read "a"
    end
    local before = children()

    local directory <close> = connected.directory()
    local a, b = net.pair()
    local server = assert(net.listen("127.0.0.1", 0))
    local client = assert(net.connect(server:getsockname()))
    local six = assert(net.udp {})
    if connected.has6() then assert(six:bind("::1", 0)) end
    for _, object in ipairs {
      a, b, server, client, assert(server:accept(5)), six, assert(net.udp {}), assert(net.socket "unix"),
      assert(net.listen("unix:" .. directory.name .. "/s")), assert(net.socket("unix", "seqpacket")),
    } do
      held[#held + 1] = object
    end

    assert.equal(before, children())
  end)
end)

describe("descriptors above 1,024", function()
  it("work, a thousand of them at once", function()
    if not os.execute "test $(ulimit -n) -ge 4000" then pending "the limit of open files is too low" end
    local held <close> = bag()
    for _ = 1, 550 do held[#held + 1], held[#held + 2] = assert(net.pair()) end
    local pairs_, tasks = {}, {}
    for i = 1, 500 do
      local a, b = assert(net.pair())
      held[#held + 1], held[#held + 2] = a, b
      pairs_[i] = { a, b }
    end
    assert.is_true(pairs_[1][1]:fileno() > 1024)

    for i, ends in ipairs(pairs_) do
      tasks[i] = net.spawn(function()
        local line = assert(ends[1]:read())
        return ends[1]:write(line, " back\n") and line
      end)
    end
    net.sleep(0.001)
    for i, ends in ipairs(pairs_) do ends[2]:write(i, "\n") end

    for i, ends in ipairs(pairs_) do
      assert.equal(i .. " back", net.timeout(5, ends[2].read, ends[2]))
      assert.equal(tostring(i), tasks[i]:join(30))
    end
  end)

  it("work where Lua cannot yield", function()
    if not os.execute "test $(ulimit -n) -ge 4000" then pending "the limit of open files is too low" end
    local held <close> = bag()
    for _ = 1, 520 do held[#held + 1], held[#held + 2] = assert(net.pair()) end
    local _ <close>, s, other = connected.pair()
    other:write "x"

    local got
    table.sort({ 1, 2 }, function(x, y)
      got = got or s:recv(1, 5)
      return x < y
    end)

    assert.equal("x", got)
  end)
end)

describe("a descriptor number that is used again", function()
  it("wakes the waiter of the new object only", function()
    local a, b = net.pair()
    local first = net.spawn(a.read, a)
    net.sleep(0.001)
    local number = a:fileno()
    a:close()

    local c, d = net.pair()
    local new = c:fileno() == number and c or d
    local other = new == c and d or c
    local second = net.spawn(new.read, new)
    net.sleep(0.001)
    other:write "new\n"

    local _, err = first:join(30)
    assert.equal("CLOSED", err.code)
    assert.equal("new", second:join(30))
    for _, s in ipairs { b, c, d } do s:close() end
  end)
end)

describe("what stays of a socket", function()
  it("is not the file that another server has put in its place", function()
    local path = "unix:" .. os.tmpname() .. ".sock"
    local first = assert(net.listen(path))
    assert(os.remove(path:sub(6)))
    local second <close> = assert(net.listen(path))

    first:close()

    local _ <close> = assert(net.connect(path, { timeout = 1 }))
    assert.is_truthy(second:accept(1))
  end)

  -- It said EALREADY for ever.
  it("of a connect that timed out is connected when the peer has answered", function()
    local server <close> = assert(net.listen("127.0.0.1", 0, { backlog = 0 }))
    local address, port = server:getsockname()
    local first <close> = assert(net.connect(address, port)) -- luacheck: ignore first
    local s <close> = assert(net.socket("inet"))
    assert.equal("TIMEOUT", select(2, s:connect(address, port, 0.01)).code) -- there is no room for a second
    assert.equal("EALREADY", select(2, s:connect(address, port, 5)).code)

    local _ <close> = assert(server:accept(5))
    local _, decided = assert(net.select(nil, { s }, nil, 20))

    assert.same({ s }, decided)
    assert.equal("EISCONN", select(2, s:connect(address, port)).code)
    assert.equal(port, select(2, s:getpeername()))
    assert(s:write "x")
  end)

  -- The error named the address of the second call, which nobody had asked.
  it("of a connect that timed out is told of without an address", function()
    local other <close> = assert(net.listen("127.0.0.2", 0))
    local server = assert(net.listen("127.0.0.1", 0, { backlog = 0 }))
    local address, port = server:getsockname()
    local first <close> = assert(net.connect(address, port)) -- luacheck: ignore first
    local s <close> = assert(net.socket("inet"))
    assert.equal("TIMEOUT", select(2, s:connect(address, port, 0.01)).code)
    server:close()
    assert(net.select(nil, { s }, nil, 20)) -- it is asked again, and refused

    local _, err = s:connect(other:getsockname())

    assert.equal("connect: connection refused (ECONNREFUSED)", tostring(err))
    assert.equal(s, s:connect(other:getsockname()))
  end)

  it("of a connect that timed out takes no other address", function()
    if not os.execute "unshare -rn true 2>/dev/null" then return pending "no network namespaces here" end
    local script = [[
      local s = assert(net.socket("inet", "stream"))
      print(select(2, s:connect("10.77.0.9", 80, 0.05)).code, select(2, s:connect("127.0.0.1", 80)).code)
    ]]
    local name = os.tmpname()
    local file <close> = assert(io.open(name, "w"))
    file:write(script)
    file:close()

    local out = require("netlua").shell("exec unshare -rn sh -c 'ip link set lo up;"
      .. "ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up;"
      .. "ip addr add 10.77.0.1/24 dev v0;"
      .. "ip neigh add 10.77.0.9 lladdr 02:00:00:00:00:09 dev v0 nud permanent; exec %s " .. name .. "'")
    os.remove(name)

    assert.equal("TIMEOUT\tEALREADY\n", out)
  end)
end)
