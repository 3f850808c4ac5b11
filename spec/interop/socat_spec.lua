local netlua = require "netlua"
local secure = require "secure"
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

  it("starts a program that speaks TLS on its standard input, and reads all that came", function()
    local a = secure.authority()
    local run <close> = server.start {
      command = ("exec '%s' TCP-LISTEN:@PORT@,bind=127.0.0.1,reuseaddr EXEC:'%s script.lua'")
        :format(socat, netlua.program),
      files = { ["cert.pem"] = a.chain, ["key.pem"] = a.key, ["script.lua"] = [[
        local s = assert(net.fromfd(0))
        assert(s:starttls({ server = true, cert = "cert.pem", key = "key.pem" }, 5))
        net.sleep(0.2) -- all of it is there by then
        for _ = 1, 5 do assert(#s:read(4000) == 4000) end
        s:write "all\n"
        s:close()]] },
    }
    local client
    repeat client = net.connect("127.0.0.1", run.port) until client or not net.sleep(0.01)
    local s <close> = client
    assert(s:starttls(secure.client(), 5))
    for _ = 1, 5 do assert(s:write(("x"):rep(4000))) end
    s:settimeout(5)

    assert.equal("all", s:read())
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
