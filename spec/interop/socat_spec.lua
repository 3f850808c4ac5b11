local server = require "server"

local socat = server.find "socat"

local function start(arguments, input)
  return server.start { command = ("exec '%s' -d -d %s"):format(socat, arguments), input = input }
end

describe("socat", function()
  local it = server.needing(socat, "the package socat", it, pending)

  it("echoes what is written, to many clients", function()
    local peer <close> = start "TCP-LISTEN:@PORT@,bind=127.0.0.1,fork,reuseaddr PIPE"
    peer:listening()

    local answers = net.map({ "one", "two", "three", "four" }, function(word)
      local s <close> = assert(net.connect("127.0.0.1", peer.port))
      s:write(word:rep(10000), "\n")
      s:shutdown "w"
      return s:read "a"
    end)

    assert.same({ ("one"):rep(10000) .. "\n", ("two"):rep(10000) .. "\n", ("three"):rep(10000) .. "\n",
      ("four"):rep(10000) .. "\n", n = 4 }, answers)
  end)

  it("bridges a unix socket to a listener", function()
    local listener <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = listener:getsockname()
    local peer <close> = start("UNIX-LISTEN:bridge TCP:127.0.0.1:" .. port)
    local near
    repeat
      near = net.connect("unix:" .. peer.folder .. "/bridge")
    until near or not net.sleep(0.01)
    local client <close> = near
    local far <close> = assert(listener:accept(10))

    client:write "there\n"
    local there = far:read()
    far:write "back\n"
    local back = client:read()
    far:close()

    assert.equal("there", there)
    assert.equal("back", back)
    assert.same({ n = 1 }, table.pack(client:read()))
  end)

  it("echoes datagrams", function()
    local peer <close> = start "UDP-RECVFROM:@PORT@,bind=127.0.0.1,fork PIPE"
    local u <close> = assert(net.udp {})
    peer:expect("receiving on", 10, "errors")

    u:sendto("ping", "127.0.0.1", peer.port)

    assert.same({ "ping", "127.0.0.1", peer.port }, { u:recvfrom(100, 5) })
  end)
end)
