local server = require "server"

-- Of the programs named nc, OpenBSD's has -N and -U.
local nc = server.find "nc.openbsd"

local SCRIPT = "exec '%s' %s"

-- nc with its arguments; @PORT@ and @FOLDER@ as in server.start.
local function start(arguments, input, port)
  return server.start { command = SCRIPT:format(nc, arguments), input = input, port = port }
end

local function listen()
  local listener = assert(net.listen("127.0.0.1", 0))
  local _, port = listener:getsockname()
  return listener, port
end

describe("nc", function()
  local it = server.needing(nc, "the package netcat-openbsd", it, pending)

  it("as a client sends its input, ends it, and prints the answer", function()
    local listener <close>, port = listen()
    local peer <close> = start("-N 127.0.0.1 @PORT@", "one\ntwo\n", port)
    local client <close> = assert(listener:accept(10))

    local request = client:read "a"
    client:write(request:upper())
    client:close()
    local status, output = peer:wait()

    assert.equal("one\ntwo\n", request)
    assert.equal("ONE\nTWO\n", output)
    assert.equal(0, status)
  end)

  it("as a client gets a large answer whole", function()
    local listener <close>, port = listen()
    local peer <close> = start("-N 127.0.0.1 @PORT@", "", port)
    local client <close> = assert(listener:accept(10))
    local text = ("0123456789abcde\n"):rep(65536)

    client:write(text)
    client:close()
    local _, output = peer:wait()

    assert.is_true(output == text)
  end)

  it("as a server sends and receives, each side to its end", function()
    local peer <close> = start("-N -l 127.0.0.1 @PORT@", "from nc\n")
    local s
    repeat
      s = net.connect("127.0.0.1", peer.port, { timeout = 1 })
    until s or not net.sleep(0.01)
    local connection <close> = s

    connection:write "from netlua\n"
    connection:shutdown "w"
    local answer = connection:read "a"
    local status, output = peer:wait()

    assert.equal("from nc\n", answer)
    assert.equal("from netlua\n", output)
    assert.equal(0, status)
  end)

  it("reports an open port and a closed one", function()
    local listener <close>, port = listen()
    local closed = server.port()
    local open <close> = start("-z 127.0.0.1 @PORT@", "", port)
    local shut <close> = start("-z 127.0.0.1 @PORT@", "", closed)

    assert.equal(0, (open:wait()))
    assert.equal(1, (shut:wait()))
    assert.is_truthy(listener)
  end)

  it("talks through a unix socket", function()
    local folder <close> = server.folder()
    local listener <close> = assert(net.listen("unix:" .. folder.path .. "/peer"))
    local peer <close> = start("-N -U " .. folder.path .. "/peer", "by path\n")
    local client <close> = assert(listener:accept(10))

    local request = client:read "a"
    client:write "heard\n"
    client:close()
    local _, output = peer:wait()

    assert.equal("by path\n", request)
    assert.equal("heard\n", output)
  end)

  it("sends a datagram and prints the answer", function()
    local u <close> = assert(net.udp {})
    assert(u:bind("127.0.0.1", 0))
    local _, port = u:getsockname()
    local peer <close> = start("-u -W 1 127.0.0.1 @PORT@", "ping", port)

    local data, address, from = u:recvfrom(100, 10)
    u:sendto("pong", address, from)
    local _, output = peer:wait()

    assert.equal("ping", data)
    assert.equal("pong", output)
  end)
end)
