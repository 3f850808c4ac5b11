local secure = require "secure"
local server = require "server"

local python = server.find "python3"

-- Runs a program: `ready(...)` tells the spec where it listens, `family` sockets are at hand.
local PRELUDE = [[
import os, socket, struct, sys
def ready(*words):
    print("ready", *words, flush=True)
]]

local function run(program)
  return server.start {
    command = ("exec '%s' program.py"):format(python),
    files = { ["program.py"] = PRELUDE .. program },
  }
end

local function has_ipv6()
  local s <close> = net.listen("::1", 0)
  return s ~= nil
end

local EVERY_BYTE = {}
for n = 0, 255 do EVERY_BYTE[n + 1] = string.char(n) end
EVERY_BYTE = table.concat(EVERY_BYTE)

-- A listener for a Python client, which gets its port as @PORT@; the client is served by f.
local function serve(f, program)
  local listener <close> = assert(net.listen("127.0.0.1", 0))
  local _, port = listener:getsockname()
  local connected = ("socket.create_connection(('127.0.0.1', %d))"):format(port)
  local peer <close> = run((program:gsub("@CLIENT@", connected)))
  local client <close> = assert(listener:accept(10))
  f(client)
  client:close()
  return peer:wait()
end

describe("a Python server", function()
  local it6 = server.needing(python and has_ipv6(), "python3, and IPv6 on loopback", it, pending)
  local it = server.needing(python, "the package python3", it, pending)

  it("echoes lines until the client has no more", function()
    local peer <close> = run [[
import socketserver
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
        self.wfile.write(b"that was all")
with socketserver.TCPServer(("127.0.0.1", 0), Echo) as server:
    ready(server.server_address[1])
    server.handle_request()
]]
    local s <close> = assert(net.connect("127.0.0.1", peer:expect "ready (%d+)"))

    s:write("one\n", "\n", "three\r\n")
    local lines = { s:read("l", "l", "L") }
    assert(s:shutdown "w")
    local rest = s:read "a"

    assert.same({ "one", "", "three\r\n" }, lines)
    assert.equal("that was all", rest)
  end)

  it("sends every byte value unchanged, and takes it so", function()
    local peer <close> = run [[
with socket.create_server(("127.0.0.1", 0)) as server:
    ready(server.getsockname()[1])
    client = server.accept()[0]
    data = b""
    while chunk := client.recv(65536):
        data += chunk
    client.sendall(data[::-1])
    client.close()
]]
    local s <close> = assert(net.connect("127.0.0.1", peer:expect "ready (%d+)"))

    s:write(EVERY_BYTE:rep(1000))
    s:shutdown "w"

    assert.is_true(s:read "a" == EVERY_BYTE:reverse():rep(1000))
  end)

  it("that closes in the middle of a line gives EOF and what came", function()
    local peer <close> = run [[
with socket.create_server(("127.0.0.1", 0)) as server:
    ready(server.getsockname()[1])
    client = server.accept()[0]
    client.sendall(b"whole\nhal")
    client.close()
]]
    local s <close> = assert(net.connect("127.0.0.1", peer:expect "ready (%d+)"))

    local whole = s:read()
    local half, err = s:read()

    assert.equal("whole", whole)
    assert.is_nil(half)
    assert.equal("EOF", err.code)
    assert.equal("hal", err.partial)
  end)

  it("that resets the connection gives ECONNRESET and never an end", function()
    local peer <close> = run [[
with socket.create_server(("127.0.0.1", 0)) as server:
    ready(server.getsockname()[1])
    client = server.accept()[0]
    client.recv(1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
]]
    local s <close> = assert(net.connect("127.0.0.1", peer:expect "ready (%d+)"))

    s:write "x"
    local first, err1 = s:read "a"
    local second, err2 = s:read "a"

    assert.same({}, { first, second })
    assert.same({ "ECONNRESET", "ECONNRESET" }, { err1.code, err2.code })
  end)

  it6("is reached over IPv6", function()
    local peer <close> = run [[
with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
    ready(server.getsockname()[1])
    client, address = server.accept()
    client.sendall(address[0].encode())
    client.close()
]]
    local s <close> = assert(net.connect("::1", peer:expect "ready (%d+)"))

    assert.equal("::1", s:read "a")
  end)

  -- name in Python -> address of netlua
  for kind, names in pairs {
    ["a socket file"] = { "'stream'", "unix:%s/stream" },
    ["an abstract name"] = { "'\\0netlua-spec-' + str(os.getpid())", "unix:@netlua-spec-%d" },
  } do
    it("is reached through " .. kind, function()
      local peer <close> = run(([[
with socket.socket(socket.AF_UNIX) as server:
    server.bind(%s)
    server.listen()
    ready(os.getpid(), os.getcwd())
    client = server.accept()[0]
    client.sendall(client.recv(100).upper())
    client.close()
]]):format(names[1]))
      local pid, folder = peer:expect "ready (%d+) (%S+)"
      local s <close> = assert(net.connect(names[2]:format(names[2]:find "%%d" and pid or folder)))

      s:write "hello"

      assert.equal("HELLO", s:read "a")
    end)
  end

  it("exchanges records over a sequenced-packet socket", function()
    local peer <close> = run [[
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
    server.bind("records")
    server.listen()
    ready()
    client = server.accept()[0]
    for _ in range(2):
        client.send(client.recv(100) * 2)
    client.close()
]]
    peer:expect "ready"
    local s <close> = assert(net.connect("unix:" .. peer.folder .. "/records", nil, { type = "seqpacket" }))

    s:send "one"
    s:send "two"

    assert.equal("oneone", s:recv())
    assert.equal("twotwo", s:recv())
    assert.same({ n = 1 }, table.pack(s:recv()))
  end)

  local UDP = [[
with socket.socket(socket.%s, socket.SOCK_DGRAM) as server:
    server.bind((%q, 0))
    ready(server.getsockname()[1])
    for _ in range(4):
        data, address = server.recvfrom(65536)
        server.sendto(data + b"!" + str(address[1]).encode(), address)
]]

  for family, address in pairs { AF_INET = "127.0.0.1", AF_INET6 = "::1" } do
    local test = family == "AF_INET6" and it6 or it
    test("answers datagrams over " .. family, function()
      local peer <close> = run(UDP:format(family, address))
      local port = math.tointeger(peer:expect "ready (%d+)")
      local u <close> = assert(net.udp {})
      local sizes, answers = { 0, 1, 1400, 9000 }, {}

      for n, size in ipairs(sizes) do
        assert(u:sendto(("d"):rep(size), address, port))
        answers[n] = { u:recvfrom(65536, 5) }
      end

      local _, own = u:getsockname()
      for n, size in ipairs(sizes) do
        assert.same({ ("d"):rep(size) .. "!" .. own, address, port }, answers[n])
      end
    end)
  end

  it("sends a datagram longer than asked for: the cut is reported", function()
    local peer <close> = run [[
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind(("127.0.0.1", 0))
    ready(server.getsockname()[1])
    address = server.recvfrom(100)[1]
    server.sendto(b"0123456789", address)
    server.sendto(b"next", address)
]]
    local port = math.tointeger(peer:expect "ready (%d+)")
    local u <close> = assert(net.udp {})

    u:sendto("go", "127.0.0.1", port)
    local cut = { u:recvfrom(4, 5) }
    local following = u:recvfrom(100, 5)

    assert.same({ "0123", "127.0.0.1", port, 10 }, cut)
    assert.equal("next", following)
  end)
end)

describe("a Python client", function()
  local it = server.needing(python, "the package python3", it, pending)

  it("that writes byte by byte is read line by line", function()
    local lines = {}

    local status = serve(function(client)
      for line in client:lines() do lines[#lines + 1] = line end
    end, [[
s = @CLIENT@
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for byte in b"first\n\nthird\r\nlast":
    s.send(bytes([byte]))
s.close()
]])

    assert.same({ "first", "", "third", "last" }, lines)
    assert.equal(0, status)
  end)

  it("gets all of a large answer although it begins late to read", function()
    local status, output = serve(function(client)
      assert.equal("go", client:read())
      assert(client:write(EVERY_BYTE:rep(32768)))
    end, [[
import time
s = @CLIENT@
s.sendall(b"go\n")
time.sleep(0.2)
data = s.makefile("rb").read()
print(len(data), data == bytes(range(256)) * 32768)
]])

    assert.equal("8388608 True\n", output)
    assert.equal(0, status)
  end)

  it("sees the end when the server shuts its sending side down, and may go on sending", function()
    local rest

    local _, output = serve(function(client)
      client:write "bye"
      client:shutdown "w"
      rest = client:read "a"
    end, [[
s = @CLIENT@
text = s.makefile("rb").read()
s.sendall(b"heard " + text)
s.close()
print(text)
]])

    assert.equal("heard bye", rest)
    assert.equal("b'bye'\n", output)
  end)

  it("sends binary records that are read by their length", function()
    local records = {}

    serve(function(client)
      for header in function() return client:read(4) end do
        records[#records + 1] = client:read((string.unpack(">I4", header)))
      end
    end, [[
s = @CLIENT@
for record in (b"", b"\0", bytes(range(256)) * 40):
    s.sendall(struct.pack(">I", len(record)) + record)
s.close()
]])

    assert.same({ "", "\0", EVERY_BYTE:rep(40) }, records)
  end)

  it("gets a reset when the server closes before it has received all", function()
    local _, output = serve(function(client)
      client:recv(1)
      client:close()
    end, [[
s = @CLIENT@
try:
    s.sendall(b"x" * 1000000)
    print("read", s.recv(10))
except (ConnectionResetError, BrokenPipeError):
    print("reset")
]])

    assert.equal("reset\n", output)
  end)
end)

describe("Python's ssl", function()
  local it = server.needing(python, "the package python3", it, pending)

  it("serves what reads to the end, and the end is one", function()
    local a = secure.authority()
    local peer <close> = server.start {
      command = ("exec '%s' program.py"):format(python),
      files = { chain = a.chain, key = a.key, ["program.py"] = PRELUDE .. [[
import ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("chain", "key")
with socket.create_server(("127.0.0.1", 0)) as listener:
    ready(listener.getsockname()[1])
    plain, address = listener.accept()
    with context.wrap_socket(plain, server_side=True) as client:
        client.sendall(client.recv(100)[::-1] + b"x" * 100000)
        client.unwrap()
    plain, address = listener.accept()
    client = context.wrap_socket(plain, server_side=True)
    client.sendall(b"half a")
    os.close(client.detach())
]] },
    }
    local port = peer:expect "ready (%d+)"
    local one <close> = assert(net.connect("127.0.0.1", port, { tls = secure.client() }))
    assert(one:write "abc")
    local all = one:read "a"
    one:close() -- unwrap waits for that
    local other <close> = assert(net.connect("127.0.0.1", port, { tls = secure.client() }))
    local none, err = other:read "a"

    assert.equal("cba" .. ("x"):rep(100000), all)
    assert.is_nil(none)
    assert.same({ "TLS_TRUNCATED", "half a" }, { err.code, err.partial })
  end)

  it("is served, and checks the name", function()
    local a = secure.authority()
    local web <close> = secure.serve { failed = function() end }
    local peer <close> = server.start {
      command = ("exec '%s' program.py"):format(python),
      files = { ca = a.capem, ["program.py"] = PRELUDE .. ([[
import ssl
context = ssl.create_default_context(cafile="ca")
for name in ("server.test", "other.test"):
    try:
        with socket.create_connection(("127.0.0.1", %d)) as plain:
            with context.wrap_socket(plain, server_hostname=name) as s:
                s.sendall(b"hello\n")
                print(s.version(), s.recv(6), flush=True)
    except ssl.SSLCertVerificationError as error:
        print(error.verify_message)
]]):format(web.port) },
    }

    local status, output, errors = peer:wait()

    assert.equal("", errors)
    assert.equal(0, status)
    assert.equal("TLSv1.3 b'hello\\n'\n"
      .. "Hostname mismatch, certificate is not valid for 'other.test'.\n", output)
  end)
end)
