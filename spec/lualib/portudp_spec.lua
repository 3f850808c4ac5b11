local udp = require "net.portudp"

-- The ports that have a question of their own.
local known = {}
for port = 1, 65535 do
  if udp.question("127.0.0.1", port, 1) ~= "" then known[#known + 1] = port end
end

describe("the questions to UDP ports", function()
  it("are there for the usual services, and empty for the rest", function()
    for _, port in ipairs { 53, 69, 111, 123, 137, 161, 500, 1900, 3478, 5060, 5353, 5683, 11211 } do
      assert.is_true(#udp.question("192.0.2.1", port, 1) > 0, port)
    end
    assert.equal("", udp.question("192.0.2.1", 40000, 1))
    assert.is_true(#known < 100)
  end)

  it("fit into one packet", function()
    for _, port in ipairs(known) do assert.is_true(#udp.question("2001:db8::1", port, 1) <= 1200, port) end
  end)

  it("ask a name server for the root, without recursion", function()
    local id, flags, questions, _, _, _, name, kind, class = (">I2I2I2I2I2I2s1I2I2"):unpack(
      udp.question("127.0.0.1", 53, 1))

    assert.is_true(id >= 0)
    assert.same({ 0, 1, "", 2, 1 }, { flags, questions, name, kind, class })
  end)

  it("ask a multicast name server for its services, to be answered to this port alone", function()
    local packet = udp.question("127.0.0.1", 5353, 1)

    assert.equal("\9_services\7_dns-sd\4_udp\5local\0\0\12\x80\1", packet:sub(13))
  end)

  it("are a client's of NTP, of 48 bytes", function()
    local packet = udp.question("127.0.0.1", 123, 1)

    assert.equal(48, #packet)
    assert.equal(3, packet:byte() & 7)
    assert.equal(4, packet:byte() >> 3 & 7)
  end)

  it("are whole values of BER for SNMP and LDAP", function()
    local function whole(bytes)
      local at = 1
      while at <= #bytes do
        local tag, length = bytes:byte(at, at + 1)
        assert.is_true(length < 128 and at + 1 + length <= #bytes)
        if tag & 0x20 ~= 0 then whole(bytes:sub(at + 2, at + 1 + length)) end
        at = at + 2 + length
      end
    end

    whole(udp.question("127.0.0.1", 161, 1))
    whole(udp.question("127.0.0.1", 161, 2))
    whole(udp.question("127.0.0.1", 389, 1))
  end)

  it("try the next way the second time, where there are two", function()
    assert.is_nil((udp.question("127.0.0.1", 161, 1):find("public", 1, true)))
    assert.is_truthy(udp.question("127.0.0.1", 161, 2):find("public", 1, true))
    assert.is_nil((udp.question("127.0.0.1", 161, 3):find("public", 1, true)))
  end)

  it("name the host to a telephone as a URI does", function()
    assert.matches("^OPTIONS sip:192%.0%.2%.1:5060 SIP/2%.0\r\n.*\r\n\r\n$",
      udp.question("192.0.2.1", 5060, 1))
    assert.matches("^OPTIONS sip:%[::1%]:5060 SIP/2%.0\r\n", udp.question("::1", 5060, 1))
  end)

  it("fill the first packet of QUIC", function()
    assert.equal(1200, #udp.question("127.0.0.1", 443, 1))
  end)
end)

describe("a socket for a UDP port", function()
  it("has sent the first question", function()
    local server <close> = assert(net.udp())
    assert(server:bind("127.0.0.1", 0))

    local s <close> = assert(udp.open(server:getsockname()))

    assert.equal("", server:recv(10, 5))
    assert.same({ server:getsockname() }, { s:getpeername() })
  end)

  it("hears that the port is closed", function()
    local server = assert(net.udp())
    assert(server:bind("127.0.0.1", 0))
    local address, port = server:getsockname()
    server:close()

    local s <close> = assert(udp.open(address, port))

    assert.equal("ECONNREFUSED", select(2, s:recv(10, 5)).code)
  end)

  it("is not made for an address without route", function()
    local s, err = udp.open("255.255.255.255", 9)

    assert.is_nil(s)
    assert.equal("EACCES", err.code)
  end)

  it("never asks itself", function()
    local island = require "island"
    if not island.possible() then return pending "no network namespaces here" end

    local out, err = island.run [[
      local range <close> = io.open("/proc/sys/net/ipv4/ip_local_port_range", "w")
      range:write "40000 40003"
      range:close()
      local states = {}
      for _ = 1, 30 do
        for _, address in ipairs { "127.0.0.1", "::1" } do
          for r in net.port.scan(address, "40000-40003", { udp = true }) do states[r.state] = true end
        end
      end
      for state in pairs(states) do print(state) end
    ]]

    assert.equal("", err)
    assert.equal("closed\n", out)
  end)
end)
