local network = require "network"

local function isolated(setup, script, seconds)
  if not network.possible() then pending "no network namespaces here" end
  return network.run(setup, script, seconds)
end

describe("net.local_addresses", function()
  local NETWORK = network.CABLE .. [[
ip addr add 192.0.2.1/24 dev v0; ip addr add 192.0.2.5/24 dev v0; ip addr add 10.8.0.1 peer 10.8.0.2 dev v1
ip addr add 2001:db8::1/64 dev v0 nodad; ip addr add fe80::1/64 dev v0 nodad
ip addr add fe80::1/64 dev v1 nodad
]]

  it("lists what a socket can be bound to, as it stands", function()
    local got = isolated(NETWORK, [[
      local found = assert(net.local_addresses())
      for _, address in ipairs(found) do
        local listener <close> = assert(net.listen(address, 0))
        local own <close> = assert(net.udp())
        assert(own:bind(address, 0))
        assert(net.route(address).type == "local")
      end
      table.sort(found)
      answer(found)]])

    assert.same({ "10.8.0.1", "127.0.0.1", "192.0.2.1", "192.0.2.5", "2001:db8::1", "::1", "fe80::1%v0",
      "fe80::1%v1" }, got)
  end)

  it("chooses by family, scope and interface", function()
    local got = isolated(NETWORK, [[
      local function of(options) return table.concat(assert(net.local_addresses(options)), " ") end
      answer { of { family = "inet6", scope = "global" }, of { scope = "link" }, of { scope = "host" },
        of { interface = "v1" }, of { interface = "192.0.2.5", family = "inet" }, of { interface = 1 } }]])

    assert.same({ "2001:db8::1", "fe80::1%v1 fe80::1%v0", "127.0.0.1 ::1", "10.8.0.1 fe80::1%v1",
      "192.0.2.1 192.0.2.5", "127.0.0.1 ::1" }, got)
  end)

  it("leaves out what no socket can use: of a link that is down, or not confirmed as unique", function()
    local got = isolated([[ip link add v0 type veth peer name v1; ip addr add 192.0.2.1/24 dev v0
ip link set v0 addrgenmode none; ip link set v1 addrgenmode none
ip link set v1 up; ip addr add 192.0.2.2/24 dev v1; ip addr add 2001:db8::1/64 dev v1]], [[
      answer { net.local_addresses { scope = "global" },
        net.interfaces().v0.addresses[1].address, net.interfaces().v1.addresses[2].flags }]])

    assert.same({ "192.0.2.2" }, got[1]) -- no carrier: the check of the IPv6 address has not begun
    assert.equal("192.0.2.1", got[2])
    assert.equal("tentative", got[3][1])
  end)

  it("answers ENODEV for an interface that is not there", function()
    local list, err = net.local_addresses { interface = "nope0" }

    assert.is_nil(list)
    assert.equal("ENODEV", err.code)
    assert.equal("nope0", err.interface)
  end)

  for index, options in ipairs { 1, "lo", { familie = "inet" }, { family = "unix" }, { family = 2 },
    { scope = "world" }, { interface = {} }, { "inet" } } do
    it("raises misuse " .. index, function()
      assert.has_error(function() net.local_addresses(options) end)
    end)
  end
end)
