local evidence = require "net.evidence"
local island = require "island"
local peer = require "peer"

describe("evidence", function()
  it("of a connection is a stream, or the error", function()
    local server <close> = peer.each(function(s) s:read "a" end)

    local s <close> = assert(evidence.connect("127.0.0.1", server.port, { timeout = 1 }))
    local none, err = evidence.connect("127.0.0.1", 1, { timeout = 1 })

    assert.is_nil(none)
    assert.equal("ECONNREFUSED", err.code)
    assert.is_nil(err.cause)
    assert.equal(server.port, select(2, s:getpeername()))
  end)

  it("of listeners has those of every address, and no connections", function()
    local one <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = one:getsockname()
    local two <close> = assert(net.listen("127.0.0.2", port))
    local s <close> = assert(net.connect("127.0.0.1", port)) -- luacheck: ignore s

    local addresses = {}
    for i, listener in ipairs(evidence.listeners(port)) do addresses[i] = listener.local_address end
    table.sort(addresses)

    assert.same({ "127.0.0.1", "127.0.0.2" }, addresses)
    assert.equal(port, select(2, two:getsockname()))
  end)

  it("of an open connection is what it says first", function()
    local says = {
      silent = function(s) s:read "a" end, data = function(s) s:write "hi" s:read "a" end,
      closed = function(s) s:close() end,
    }
    for expected, f in pairs(says) do
      local server <close> = peer.once(f)
      local s <close> = assert(net.connect(server.host, server.port))

      local how, data = evidence.greeting(s, expected == "silent" and 0.01 or 2)

      assert.equal(expected, how)
      assert.equal(expected == "data" and "hi" or nil, data)
    end
  end)

  it("of name servers is what each says, whatever else comes", function()
    if not island.possible() then return pending "no namespaces here" end
    local out, err = island.run([[
      local evidence = require "net.evidence"
      local function serve(address, answers)
        local s = assert(net.udp {})
        assert(s:bind(address, 53))
        return net.spawn(function()
          local query, host, port = s:recvfrom(512)
          if not query then return end
          assert(query:find("\4name\4test\0\0\1\0\1", 13, true) == 13)
          for _, answer in ipairs(answers(query)) do s:sendto(answer, host, port) end
        end)
      end
      local function reply(query, rcode)
        return query:sub(1, 2) .. string.char(0x81, 0x80 | rcode) .. query:sub(5)
      end
      local tasks = {
        serve("127.0.0.1", function(q)
          return { "", "x", ("\0"):rep(12), q, "\0\0" .. reply(q, 0):sub(3), reply(q, 2) }
        end),
        serve("127.0.0.2", function(q) return { reply(q, 5) } end),
        serve("127.0.0.3", function() return {} end),
      }
      for _, answer in ipairs(evidence.asknameservers("name.test", 0.3)) do
        print(answer.address, answer.rcode, answer.error and answer.error.code, answer.ms > 0)
      end
      for _, task in ipairs(tasks) do task:cancel() end
    ]], { ["/etc/nsswitch.conf"] = "hosts: files dns\n",
      ["/etc/resolv.conf"] = "# none\nnameserver 127.0.0.1\nnameserver\t127.0.0.2 # two\n"
        .. "nameserver 127.0.0.3\nnameserver 127.0.0.4\n" })

    assert.equal("", err)
    assert.equal("127.0.0.1\tSERVFAIL\tnil\ttrue\n127.0.0.2\tREFUSED\tnil\ttrue\n"
      .. "127.0.0.3\tnil\tTIMEOUT\ttrue\n", out)
  end)

  it("asks no name server where the system asks none", function()
    if not island.possible() then return pending "no namespaces here" end

    local out = island.run([[
      local evidence = require "net.evidence"
      print(#evidence.nameservers(), #evidence.asknameservers("name.test", 0.1))
    ]], { ["/etc/nsswitch.conf"] = "hosts: files\n" })

    assert.equal("0\t0\n", out)
  end)

  it("of a name that is none stays without an answer", function()
    if not island.possible() then return pending "no namespaces here" end

    local out, err = island.run([[
      local evidence = require "net.evidence"
      for _, name in ipairs { "a..b", ("x"):rep(64) .. ".test", "" } do
        for _, answer in ipairs(evidence.asknameservers(name, 0.1)) do print(answer.rcode, answer.error) end
      end
    ]], { ["/etc/resolv.conf"] = "", ["/etc/nsswitch.conf"] = "hosts: dns\n" })

    assert.equal("", err)
    assert.equal(("nil\tnil\n"):rep(3), out)
  end)
end)
