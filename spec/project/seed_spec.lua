-- The recipes that introductions to socket programming show, as netlua scripts: each says what the original
-- says, and where that is a trap, what is right. Names and addresses of the Internet stand for a name server
-- and an interface on an island.

local connected = require "connected"
local island = require "island"

-- eth0 with index 2, which has an address of each family; a neighbour that never answers; a name server.
local PRELUDE = [[
package.path = "./spec/support/?.lua;" .. package.path
assert(os.execute "ip link add eth0 index 2 type veth peer name far index 3 && \
ip link set eth0 up && ip link set far up && ip addr add 172.217.10.1/24 dev eth0 && \
ip -6 addr add 2607:f8b0:4006:818::1/64 dev eth0 nodad && ip route add 224.0.0.0/4 dev lo && \
ip neigh add 172.217.10.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent")
local names = require("nameserver").serve {
  ["www.google.com"] = { { "A", "172.217.10.132" }, { "AAAA", "2607:f8b0:4006:818::2004" } },
  ["six.example"] = { { "AAAA", "2001:db8::6" } },
  ["example.com"] = { { "A", "127.0.0.1" } },
  ["8.8.8.8.in-addr.arpa"] = { { "PTR", "dns.google" } },
  ["4.112.82.140.in-addr.arpa"] = { { "PTR", "github.com" } },
  [net.ip "2001:4860:4860::8888":reverse()] = { { "PTR", "dns.google" } },
}
]]

-- Runs a script on the island and compares what it prints, with "|" for tabs.
local function prints(expected, script, ownaddress)
  if not island.possible() then return pending "no namespaces here" end
  local files = {
    ["/etc/hosts"] = ("127.0.0.1 localhost\n%s %s\n"):format(ownaddress or "172.20.10.4", net.gethostname()),
    ["/etc/resolv.conf"] = "nameserver 127.0.0.1\noptions attempts:1\n",
  }
  local out, err, status = island.run(PRELUDE .. script .. "\nnames.close()\n", files, 20)
  assert.equal("", err)
  assert.equal(expected, (out:gsub("\t", "|")))
  assert.equal(0, status)
end

describe("Get Hostname:", function()
  it("this host's name, its address, and that of localhost", function()
    prints("true|172.20.10.4\n127.0.0.1\n", [[
      local hostname = net.gethostname()
      print(#hostname > 0, net.gethostbyname(hostname))
      print(net.gethostbyname "localhost")
    ]])
  end)

  it("a name without an IPv4 address is an error that says where others are found", function()
    prints("nil|EAI_NONAME|dns\nnil|EAI_ADDRFAMILY|dns|true\n2001:db8::6\n", [[
      local address, err = net.gethostbyname "not-exist.example.com"
      print(address, err.code, err.kind)
      address, err = net.gethostbyname "six.example"
      print(address, err.code, err.kind, err.message:find "getaddrinfo" ~= nil)
      print(net.getaddrinfo("six.example", 80, { socktype = "stream" })[1].address)
    ]])
  end)

  it("its address may be of no use to others; a connected socket knows the one in use", function()
    prints("127.0.1.1\n172.217.10.1\n2607:f8b0:4006:818::1\n", [[
      print(net.gethostbyname(net.gethostname()))
      for _, target in ipairs { "172.217.10.132", "2607:f8b0:4006:818::2004" } do
        local s <close> = assert(net.udp())
        assert(s:connect(target, 9)) -- sends nothing
        print((s:getsockname()))
      end
    ]], "127.0.1.1")
  end)
end)

describe("Get Address Info (DNS Resolution):", function()
  -- The script of the recipe, which runs with one argument after the other.
  local GAI = [[
    local list = net.getaddrinfo(arg[1], nil, { protocol = "tcp" })
    for _, entry in ipairs(list or {}) do
      local family = entry.family == net.AF_INET and "AF_INET" or "AF_INET6"
      print(family, entry.address, entry.port, entry.scope_id)
    end
    if not list then print "Invalid" end
  ]]

  it("addresses, names, and what is neither", function()
    prints([[
AF_INET|192.0.2.244|0|nil
AF_INET6|2001:db8:f00d::1:d|0|0
AF_INET6|2607:f8b0:4006:818::2004|0|0
AF_INET|172.217.10.132|0|nil
Invalid
Invalid
AF_INET6|fe80::1%eth0|0|2
AF_INET6|::ffff:192.0.2.128|0|0
AF_INET|192.0.2.123|0|nil
]], ("local GAI = %q\n"):format(GAI) .. [[
      for _, name in ipairs { "192.0.2.244", "2001:db8:f00d::1:d", "www.google.com", "10.0.0.256",
        "not-exist.example.com", "fe80::1%eth0", "::ffff:192.0.2.128", "0xc000027b" } do
        arg = { name }
        load(GAI)()
      end
    ]])
  end)

  it("one entry for each address with a protocol, three without", function()
    assert.equal(1, #assert(net.getaddrinfo("192.0.2.244", nil, { protocol = net.IPPROTO_TCP })))
    assert.equal(3, #assert(net.getaddrinfo("192.0.2.244")))
  end)

  it("a zone that is no interface is an address, and a connect that fails with it", function()
    prints("fe80::1%99|99\nfe80::1%99|true\n", [[
      local entry = net.getaddrinfo("fe80::1%99", nil, { protocol = "tcp" })[1]
      print(entry.address, entry.scope_id)
      local s, err = net.connect(entry.address, 80, { timeout = 1 })
      print(err.address, s == nil)
    ]])
  end)

  it("an error has a code, so that a typing error and a dead name server are not the same", function()
    prints("EAI_NONAME\nEAI_AGAIN\n", [[
      print(select(2, net.getaddrinfo "not-exist.example.com").code)
      names.close()
      print(select(2, net.getaddrinfo "not-exist.example.com").code)
    ]])
  end)
end)

describe("Reverse DNS Lookup:", function()
  it("the name, aliases and addresses of an address, IPv4 or IPv6", function()
    prints([[
dns.google|0|8.8.8.8
github.com|0|140.82.112.4
dns.google|0|2001:4860:4860::8888
dns.google
]], [[
      for _, address in ipairs { "8.8.8.8", "140.82.112.4", "2001:4860:4860::8888" } do
        local name, aliases, addresses = net.gethostbyaddr(address)
        print(name, #aliases, table.unpack(addresses))
      end
      print(net.getfqdn "8.8.8.8")
    ]])
  end)

  it("an address without a name is an error, and getfqdn gives it back", function()
    prints("nil|EAI_NONAME\n192.0.2.1|EAI_NONAME\n", [[
      local name, err = net.gethostbyaddr "192.0.2.1"
      print(name, err.code)
      name, err = net.getfqdn "192.0.2.1"
      print(name, err.code)
    ]])
  end)
end)

describe("Network Byte Order Conversion:", function()
  it("the four functions on a little-endian machine", function()
    if string.pack("=I2", 1) ~= "\1\0" then return pending "a big-endian machine" end

    assert.equal(256, net.htons(1))
    assert.equal(16777216, net.htonl(1))
    assert.equal(1, net.ntohs(256))
    assert.equal(1, net.ntohl(16777216))
  end)

  it("on every machine the bytes are those that string.pack writes", function()
    assert.equal(string.pack(">I2", 1), string.pack("=I2", net.htons(1)))
    assert.equal(string.pack(">I4", 1), string.pack("=I4", net.htonl(1)))
  end)

  it("what does not fit raises, and is not cut", function()
    assert.error_matches(function() net.htons(65536) end, "integer from 0 to 65535 expected, got 65536")
    assert.error_matches(function() net.htonl(-1) end, "integer from 0 to 4294967295 expected, got %-1")
  end)
end)

describe("IP Address String/Binary Conversion:", function()
  it("IPv4 both ways", function()
    local addr = net.inet_aton "127.0.0.1"

    assert.equal("\x7f\x00\x00\x01", addr)
    assert.equal("127.0.0.1", net.inet_ntoa(addr))
  end)

  it("both families both ways", function()
    assert.equal("\xc0\xa8\x01\x01", net.inet_pton(net.AF_INET, "192.168.1.1"))
    assert.equal(("\0"):rep(15) .. "\1", net.inet_pton(net.AF_INET6, "::1"))
    assert.equal("::1", net.inet_ntop(net.AF_INET6, ("\0"):rep(15) .. "\1"))
  end)

  it("bytes of the wrong number raise, text that is no address is nil, err", function()
    assert.error_matches(function() net.inet_ntop(net.AF_INET, "abc") end, "4 bytes expected, got 3")
    assert.equal("EINVAL", select(2, net.inet_pton(net.AF_INET, "192.168.1.256")).code)
  end)
end)

describe("MAC Address Conversion:", function()
  it("text to bytes, bytes to digits and to text", function()
    local bytes = net.mac.bytes "00:11:32:3c:c3:0b"

    assert.equal("\x00\x112<\xc3\x0b", bytes)
    assert.equal("0011323cc30b", net.mac.format(bytes, "bare"))
    assert.equal("00:11:32:3c:c3:0b", net.mac.format(bytes))
  end)

  it("what is no address is nil, err", function()
    for _, text in ipairs { "00:11:32:3c:c3", "00:11:32:3c:c3:0g", "00:11:32:3c:c3:0" } do
      assert.equal("EINVAL", select(2, net.mac.bytes(text)).code)
    end
  end)
end)

describe("Check Port Availability:", function()
  it("a port elsewhere that is open, and one that is not, each with its reason", function()
    prints("true\nfalse|ECONNREFUSED|refused\nfalse|TIMEOUT|timeout\nfalse|EAI_NONAME|dns\n", [[
      local server <close> = assert(net.listen("127.0.0.1", 443))
      local task = net.spawn(server.serve, server, function() end)
      print(net.is_port_open("example.com", 443))
      local function why(...)
        local open, reason = net.is_port_open(...)
        print(open, reason.code, reason.kind)
      end
      why("example.com", 80)
      why("172.217.10.9", 443, 0.2)
      why("not-exist.example.com", 443)
      task:cancel()
    ]])
  end)

  it("both families of a name are asked, and the lookup counts in the timeout", function()
    prints("true\nfalse|TIMEOUT|true\n", [[
      local six <close> = assert(net.listen("::1", 8443))
      local hosts = assert(io.open("/etc/hosts", "a"))
      hosts:write "127.0.0.1 both.test\n::1 both.test\n"
      hosts:close()
      print((net.is_port_open("both.test", 8443)))
      names.close()
      local silent = assert(net.udp {})
      assert(silent:bind("127.0.0.1", 53))
      local began = net.now()
      local open, reason = net.is_port_open("slow.example", 443, 0.3)
      print(open, reason.code, net.now() - began < 8)
    ]])
  end)

  it("a port of this host: whether net.listen would have it, and who has it else", function()
    prints("true\nfalse|EADDRINUSE|true\nfalse|EADDRINUSE\ntrue\n", [[
      print(net.is_port_available(8080))
      local server = assert(net.listen(nil, 8080))
      local available, reason = net.is_port_available(8080)
      print(available, reason.code, reason.owner.pid ~= nil)
      server:close()
      local six = assert(net.listen("::", 8080, { v6only = true })) -- which a look at 0.0.0.0 does not see
      available, reason = net.is_port_available(8080)
      print(available, reason.code)
      six:close()
      print((net.is_port_available(8080)))
    ]])
  end)
end)

describe("Get Network Interfaces:", function()
  it("the addresses of this host come from the kernel, not from its name", function()
    prints("127.0.1.1\ntrue|true|true|nil\n", [[
      print(net.gethostbyname(net.gethostname()))
      local own = {}
      for _, address in ipairs(net.local_addresses()) do own[address] = true end
      print(own["127.0.0.1"], own["172.217.10.1"], own["2607:f8b0:4006:818::1"], own["127.0.1.1"])
    ]], "127.0.1.1")
  end)

  it("each interface with its IPv4 addresses", function()
    prints("lo: 127.0.0.1/8\neth0: 172.217.10.1/24\n", [[
      for _, interface in ipairs(net.interfaces()) do
        for _, a in ipairs(interface.addresses) do
          if a.family == "inet" then print(("%s: %s/%d"):format(interface.name, a.address, a.prefix)) end
        end
      end
    ]])
  end)

  it("the one in use towards a target is a question to the routes", function()
    prints("eth0|172.217.10.1\n", [[
      local way = assert(net.route "172.217.10.132")
      print(way.device, way.source)
    ]])
  end)
end)

describe("Troubleshooting: Connection Refused:", function()
  it("what each cause is called, and that the report has every address", function()
    prints(table.concat({
      "ok", "refused", "host-silent", "dns-nxdomain", "net-unreachable", "host-unreachable",
      "true|half-dual-stack|2", "",
    }, "\n"), [[
      local server <close> = assert(net.listen("127.0.0.1", 8080))
      local task = net.spawn(server.serve, server, function(s) s:read "a" end)
      assert(os.execute "ip route add unreachable 203.0.113.0/24")
      local function diagnose_connection(host, port)
        return assert(net.diagnose(host, { port = port, timeout = 0.3 }))
      end
      for _, target in ipairs {
        { "127.0.0.1", 8080 }, { "localhost", 8081 }, { "172.217.10.9", 80 }, { "not-exist.example.com", 80 },
        { "198.51.100.1", 80 }, { "203.0.113.1", 80 },
      } do
        print(diagnose_connection(target[1], target[2]).verdict)
      end
      local hosts = assert(io.open("/etc/hosts", "a"))
      hosts:write "127.0.0.1 both.test\n::1 both.test\n"
      hosts:close()
      local report, attempts = diagnose_connection("both.test", 8080), 0
      for _, step in ipairs(report.steps) do attempts = attempts + (step.step == "connect" and 1 or 0) end
      print(report.error.code == "ECONNREFUSED", report.verdict, attempts)
      task:cancel()
    ]])
  end)

  it("the error of a connect alone has a kind, every attempt and an explanation", function()
    prints("refused|1|true\n", [[
      local s, err = net.connect("localhost", 8080, { timeout = 2 })
      print(err.kind, #err.attempts, not s and err:explain():find "nothing listens" ~= nil)
    ]])
  end)
end)

describe("Socket Options:", function()
  it("each is set by level and number, or by name, and can be read back", function()
    local s <close> = assert(net.socket(net.AF_INET, net.SOCK_STREAM))
    for _, name in ipairs { "SO_REUSEADDR", "SO_REUSEPORT", "SO_KEEPALIVE" } do
      assert(s:setsockopt(net.SOL_SOCKET, net[name], 1))
    end

    assert.is_true(s:getsockopt "SO_REUSEADDR")
    assert.is_true(s:getsockopt "SO_REUSEPORT")
    assert.is_true(s:getsockopt "SO_KEEPALIVE")
  end)

  it("sizes of buffers are wishes: Linux doubles them, and has a least", function()
    local s <close> = assert(net.socket(net.AF_INET, net.SOCK_STREAM))

    assert(s:setsockopt(net.SOL_SOCKET, net.SO_SNDBUF, 65536))
    assert(s:setsockopt(net.SOL_SOCKET, net.SO_RCVBUF, 65536))
    assert.equal(131072, s:getsockopt(net.SOL_SOCKET, net.SO_SNDBUF))
    assert.equal(131072, s:getsockopt "SO_RCVBUF")

    assert(s:setsockopt("SO_SNDBUF", 1))
    assert(s:setsockopt("SO_RCVBUF", 1))
    assert.equal(4608, s:getsockopt "SO_SNDBUF")
    assert.equal(2304, s:getsockopt "SO_RCVBUF")
  end)

  it("the options of a listener and of a connection stand where it is made", function()
    local _ <close>, near, far = connected.tcp({ reuseport = true, sndbuf = 65536 }, { keepalive = true })

    assert.is_true(near:getsockopt "SO_KEEPALIVE")
    assert.equal(131072, far:getsockopt "SO_SNDBUF")
  end)

  it("without blocking, a call that would wait answers TIMEOUT, and the stream goes on", function()
    local _ <close>, near, far = connected.tcp()
    near:settimeout(10.0)
    near:setblocking(false)

    local data, err = near:recv(16)
    assert.is_nil(data)
    assert.equal("TIMEOUT", err.code)

    near:setblocking(true)
    far:write "late"
    assert.equal("late", near:recv(16, 5))
  end)
end)

describe("Timeout Handling:", function()
  it("a connect in time, one that is refused, one that nobody answers", function()
    prints("net.stream\nECONNREFUSED|refused\nTIMEOUT|timeout\n", [[
      local listener <close> = assert(net.listen("127.0.0.1", 0))
      local s <close> = assert(net.connect("localhost", select(2, listener:getsockname()), { timeout = 5 }))
      print((tostring(s):match "^%S+"))
      local _, err = net.connect("127.0.0.1", 1, { timeout = 5 })
      print(err.code, err.kind)
      _, err = net.connect("172.217.10.9", 80, { timeout = 0.05 })
      print(err.code, err.kind)
    ]])
  end)

  it("a receive tells data, a timeout and the end apart", function()
    local _ <close>, near, far = connected.tcp()
    far:write "data"

    assert.equal("data", near:recv(4096, 10))
    local data, err = near:recv(4096, 0.01)
    assert.is_nil(data)
    assert.equal("TIMEOUT", err.code)
    far:close()
    assert.same({ n = 1 }, table.pack(near:recv(4096, 10)))
  end)

  it("select before a receive, which sees what was received before too", function()
    local _ <close>, near, far = connected.tcp()
    local ready = net.select({ near }, {}, {}, 0.01)
    assert.equal(0, #ready)

    far:write "one\ntwo\n"
    assert.equal("one", near:read())

    ready = net.select({ near }, {}, {}, 10)
    assert.equal(near, ready[1])
    assert.equal("two\n", near:recv(4096))
  end)

  it("a peer that sends a byte now and then meets no timeout of the object, but the scope's", function()
    local _ <close>, near, far = connected.tcp()
    local drip <close> = net.every(0.01, function() far:write "." end) -- luacheck: ignore drip
    near:settimeout(5)

    local count = 0
    local _, err = net.timeout(0.1, function()
      while true do
        local byte, problem = near:recv(1)
        if not byte then return nil, problem end
        count = count + 1
      end
    end)

    assert.equal("TIMEOUT", err.code)
    assert.is_true(count > 1)
    assert.equal(".", near:recv(1)) -- the stream is as good as before
  end)
end)

describe("Graceful Shutdown:", function()
  it("the request, its end, all of the answer, close", function()
    prints("GET / HTTP/1.0|Host: example.com|\n200000\n", [[
      local listener <close> = assert(net.listen("127.0.0.1", 80))
      net.spawn(function()
        local client <close> = assert(listener:accept(5))
        local request = client:read "a" -- ends with the client's shutdown
        print((request:gsub("\r\n\r\n$", "\r\n"):gsub("\r\n", "\t")))
        client:write(("x"):rep(200000))
      end)

      local s <close> = assert(net.connect("example.com", 80))
      assert(s:write "GET / HTTP/1.0\r\nHost: example.com\r\n\r\n")
      s:shutdown(net.SHUT_WR)
      print(#assert(s:read "a"))
    ]])
  end)

  it("write sends all of what send would send a part of", function()
    local _ <close>, near, far = connected.tcp()
    local text = ("x"):rep(10000000)
    local part = assert(near:send(text))
    assert.is_true(part < #text)
    local got = net.spawn(function() return #assert(far:read "a") end)

    assert(near:write(text))
    near:shutdown "w"

    assert.equal(part + #text, got:join(30))
  end)

  it("reading to the end has a limit", function()
    local _ <close>, near, far = connected.tcp()
    near:setlimits { max_read = 1000 }
    far:write(("x"):rep(2000))
    far:shutdown "w"

    local all, err = near:read "a"

    assert.is_nil(all)
    assert.equal("TOOBIG", err.code)
  end)

  it("closing with input unread resets the peer, finish does not", function()
    for _, case in ipairs { { "close", "ECONNRESET" }, { "finish", nil } } do
      local _ <close>, near, far = connected.tcp()
      near:write "request"
      far:write "reply"

      local ending = net.spawn(far[case[1]], far)

      assert.equal("reply", near:read(5))
      local more, err = near:recv(1, 5)
      assert.is_nil(more)
      assert.equal(case[2], err and err.code)
      near:close()
      assert.equal(case[1] == "close" or 7, (ending:join(30)))
    end
  end)

  it("the three directions", function()
    local _ <close>, near, far = connected.tcp()
    far:write "unread"
    near:peek(1)

    assert.is_true(near:shutdown(net.SHUT_RD))
    assert.same({ n = 1 }, table.pack(near:recv(1)))
    assert(near:write "still sends")
    assert.is_true(near:shutdown(net.SHUT_RDWR))
    assert.equal("still sends", far:read "a")
  end)
end)

describe("Multicast UDP:", function()
  local RECEIVER = [[
    local group, port = "224.1.1.1", 5007
    local receiver <close> = assert(net.udp { reuseaddr = true })
    assert(receiver:bind("0.0.0.0", port))
  ]]

  it("a sender with two hops, a receiver that joined", function()
    prints("Hello Multicast!|172.217.10.1|2\n", RECEIVER .. [[
      assert(receiver:join(group))
      assert(receiver:ancillary { ttl = true })

      local sender <close> = assert(net.udp())
      assert(sender:ttl(2))
      assert(sender:sendto("Hello Multicast!", group, port))

      local data, from = assert(receiver:recvmsg(1024, 5))
      print(data, from.address, from.ttl)
    ]])
  end)

  it("one structure of the system serves every address only by chance; join takes a real one", function()
    prints("true\nENODEV\ntrue\n", RECEIVER .. [[
      local function packed(interface) return string.pack("!c4l", net.inet_aton(group), interface) end
      local function add(value) return receiver:setsockopt("IP_ADD_MEMBERSHIP", value) end
      local function raw(value) return receiver:setsockopt(net.IPPROTO_IP, net.IP_ADD_MEMBERSHIP, value) end
      print((raw(packed(0))) ~= nil) -- INADDR_ANY
      print(select(2, raw(packed(string.unpack("=I4", net.inet_aton "172.217.10.1")))).code)
      print((add { group = group, interface = "172.217.10.1" }) ~= nil)
    ]])
  end)
end)
