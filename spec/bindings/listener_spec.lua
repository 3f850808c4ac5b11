local connected = require "connected"
local netlua = require "netlua"

-- Runs a script in this build under a shell's setting, say "ulimit -n 30".
local function under(setting, script)
  local name = os.tmpname()
  local file <close> = assert(io.open(name, "wb"))
  file:write(script)
  file:close()
  local out, err, status = netlua.shell(setting .. " && exec %s " .. name, 20)
  os.remove(name)
  return out, err, status
end

describe("accept", function()
  it("gives the connection of a client that came before", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local client <close> = assert(net.connect(server:getsockname()))

    local s <close> = assert(server:accept(5))

    client:write "hello"
    assert.equal("hello", s:recv(10))
    assert.same({ client:getsockname() }, { s:getpeername() })
  end)

  it("waits for a client", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local acceptor = net.spawn(server.accept, server)
    net.sleep(0)

    local client <close> = assert(net.connect(server:getsockname()))

    local s <close> = acceptor:join(30)
    assert.truthy(s)
    assert.truthy(client)
  end)

  it("has a timeout, the call's or the listener's", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))

    for _, wait in ipairs { 0, 0.01 } do
      local s, err = server:accept(wait)
      assert.is_nil(s)
      assert.equal("TIMEOUT", err.code)
      assert.equal("accept", err.op)
    end
    server:settimeout(0.01)
    local _, err = server:accept()
    assert.equal("TIMEOUT", err.code)
  end)

  it("with the time 0 takes a client that is there", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local _, nobody = server:accept(0)
    assert.equal("TIMEOUT", nobody.code)
    local client <close> = assert(net.connect(server:getsockname()))

    local s <close> = assert(server:accept(0))

    assert.truthy(client and s)
  end)

  for _, wrong in ipairs { -1, 0 / 0, math.huge, "1", true, {} } do
    it("raises for a timeout of " .. tostring(wrong):gsub(":.*", ""), function()
      local server <close> = assert(net.listen("127.0.0.1", 0))

      assert.is_false(pcall(server.accept, server, wrong))
    end)
  end

  it("is woken with CLOSED", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local acceptor = net.spawn(server.accept, server)
    net.sleep(0)

    server:close()

    local s, err = acceptor:join(30)
    assert.is_nil(s)
    assert.equal("CLOSED", err.code)
  end)

  it("is BUSY for a second task", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local acceptor = net.spawn(server.accept, server)
    net.sleep(0)

    local _, err = server:accept()

    assert.equal("BUSY", err.code)
    server:close()
    acceptor:join(30)
  end)

  it("hands the limits of the listener to its streams", function()
    local server <close> = assert(net.listen("127.0.0.1", 0, { max_line = 4 }))
    local client <close> = assert(net.connect(server:getsockname()))
    local s <close> = assert(server:accept(5))
    client:write "12345\n"

    local _, err = s:read()

    assert.equal("TOOBIG", err.code)
  end)

  it("gives a connection that was reset meanwhile, whose reads say so, and goes on", function()
    if not os.execute "command -v python3 >/dev/null" then pending "no python3 here" end
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local host, port = server:getsockname()
    assert(os.execute(([[timeout 10 python3 -c '
import socket, struct
s = socket.create_connection(("%s", %d))
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()']]):format(host, port)))
    local client <close> = assert(net.connect(host, port))

    local first <close> = assert(server:accept(5))
    local second <close> = assert(server:accept(5))

    local got, err = first:recv(1, 5)
    assert.is_nil(got)
    assert.equal("ECONNRESET", err.code)
    client:write "x"
    assert.equal("x", second:recv(1, 5))
  end)

  it("without descriptors waits, at rest, and goes on when there are some", function()
    -- Its watch fired all the time: the listener stays readable while nothing can be accepted.
    local out, err, status = under("ulimit -n 40", [[
      local server = assert(net.listen("127.0.0.1", 0))
      local client, held = assert(net.socket "inet"), {}
      local acceptor = net.spawn(server.accept, server)
      net.sleep(0.01) -- the listener is watched now
      while true do
        local s, err = net.socket "inet"
        if not s then assert(err.code == "EMFILE", err) break end
        held[#held + 1] = s
      end
      assert(client:connect(server:getsockname()))
      local cpu = os.clock()
      net.sleep(1)
      io.write(acceptor:status(), " ", os.clock() - cpu < 0.2 and "rests" or "spins " .. os.clock() - cpu,
        " ")
      held[1]:close()
      local s, err = acceptor:join(30)
      print(s and "goes on" or err)
    ]])

    assert.equal("", err)
    assert.matches("^%w+ rests goes on", out)
    assert.equal(0, status)
  end)

  it("without descriptors obeys its timeout", function()
    local out, err = under("ulimit -n 40", [[
      local server = assert(net.listen("127.0.0.1", 0))
      local held = {}
      net.sleep(0) -- the event loop has its descriptors now
      repeat held[#held + 1] = net.connect(server:getsockname()) until #held > 100 or not net.socket "inet"
      local began = net.now()
      local s, err = server:accept(0.2)
      print(s, err.code, net.now() - began < 20)
    ]])

    assert.equal("", err)
    assert.equal("nil\tTIMEOUT\ttrue\n", out)
  end)
end)

describe("listen", function()
  it("refuses a port that is taken", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))

    local s, err = net.listen(server:getsockname())

    assert.is_nil(s)
    assert.equal("EADDRINUSE", err.code)
    assert.equal("inuse", err.kind)
    assert.equal("listen", err.op)
    assert.equal("127.0.0.1", err.address)
    assert.equal(select(2, server:getsockname()), err.port)
  end)

  it("takes a port again at once after a connection of it has ended", function()
    local server = assert(net.listen("127.0.0.1", 0))
    local host, port = server:getsockname()
    local client <close> = assert(net.connect(host, port))
    local s = assert(server:accept(5))
    s:close()
    server:close()
    assert.is_nil((client:recv(1)))
    client:close()

    local again <close> = assert(net.listen(host, port))

    assert.truthy(again)
  end)

  it("refuses an address of another machine", function()
    local s, err = net.listen("192.0.2.1", 0)

    assert.is_nil(s)
    assert.equal("EADDRNOTAVAIL", err.code)
  end)

  it("does not answer the methods of streams", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))

    assert.is_nil(server.read)
    assert.is_nil(server.write)
    assert.equal("net.listener", tostring(server):match "^[%w.]+")
  end)

  it("makes a listener of a bound socket", function()
    local s <close> = assert(net.socket "inet")
    assert.equal(s, s:bind("127.0.0.1", 0))
    local host, port = s:getsockname()

    assert.equal(s, s:listen(1))

    assert.equal("net.listener", tostring(s):match "^[%w.]+")
    local client <close> = assert(net.connect(host, port))
    local accepted <close> = assert(s:accept(5))
    assert.truthy(client and accepted)
  end)

  it("is refused on a connected stream", function()
    local _ <close>, s = connected.tcp()

    local ok, err = s:listen()

    assert.is_nil(ok)
    assert.equal("EINVAL", err.code)
    assert.equal("net.stream", tostring(s):match "^[%w.]+")
  end)

  it("is refused on UDP", function()
    local s <close> = assert(net.udp())
    assert(s:bind("127.0.0.1", 0))

    local ok, err = s:listen()

    assert.is_nil(ok)
    assert.equal("EOPNOTSUPP", err.code)
  end)

  for _, wrong in ipairs { -1, 1.5, "10", 65536 } do
    it("raises for a backlog of " .. tostring(wrong) .. " and leaves no socket behind", function()
      local ok, message = pcall(function()
        local s = net.listen("127.0.0.1", 0, { backlog = wrong })
        return s
      end)

      assert.is_false(ok)
      assert.matches("backlog", message)
      assert.matches("'listen'", message)
      assert.matches("^spec/", message)
    end)
  end

  it("on every interface shows IPv4 peers as IPv4", function()
    local server <close> = assert(net.listen(nil, 0))
    local _, port = server:getsockname()
    local client <close> = assert(net.connect("127.0.0.1", port))

    local s <close> = assert(server:accept(5))

    assert.equal("127.0.0.1", (s:getpeername()))
    assert.equal("127.0.0.1", (s:getsockname()))
    assert.same({ client:getsockname() }, { s:getpeername() })
  end)

  it("on every interface takes IPv6 too", function()
    if not connected.has6() then pending "no ::1 here" end
    local server <close> = assert(net.listen(nil, 0))
    local _, port = server:getsockname()
    local client <close> = assert(net.connect("::1", port))

    local s <close> = assert(server:accept(5))

    assert.equal("::1", (s:getpeername()))
    assert.truthy(client)
  end)

  it("with v6only leaves IPv4 alone", function()
    if not connected.has6() then pending "no ::1 here" end
    local server <close> = assert(net.listen("::", 0, { v6only = true }))
    local _, port = server:getsockname()

    local s, err = net.connect("127.0.0.1", port)

    assert.is_nil(s)
    assert.equal("ECONNREFUSED", err.code)
  end)
end)
