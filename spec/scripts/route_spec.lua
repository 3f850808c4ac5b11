local network = require "network"
local tools = require "tools"

local function answers(setup, lines)
  return network.tool("route", setup, lines)
end

local ROUTED = network.CABLE .. [[
ip addr add 192.168.1.5/24 dev v0
ip -6 addr add fd00::5/64 dev v0 nodad
ip route add default via 192.168.1.1
ip -6 route add 2001:db8::/32 via fd00::1 mtu 1400
ip route add unreachable 198.51.100.0/25
ip route add prohibit 198.51.100.128/25
ip route add blackhole 203.0.113.0/24
]]

describe("route", function()
  it("shows which way packets to this machine take", function()
    local out, err, status = tools.run("route", "127.0.0.1", "--fields", "destination,interface,type")

    assert.equal("127.0.0.1  lo  local\n", out)
    assert.equal("", err)
    assert.equal(0, status)
  end)

  it("shows router, interface and source", function()
    if not network.possible() then return pending "no veth here" end

    local list = answers(ROUTED, { { "192.0.2.9" }, { "192.168.1.9" }, { "192.168.1.5" }, { "2001:db8::1" },
      { "192.168.1.9", "192.0.2.9" } })

    assert.same({
      { 0, "192.0.2.9  via 192.168.1.1  dev v0  src 192.168.1.5\n", "" },
      { 0, "192.168.1.9  dev v0  src 192.168.1.5\n", "" },
      { 0, "192.168.1.5  dev lo  src 192.168.1.5  local\n", "" },
      { 0, "2001:db8::1  via fd00::1  dev v0  src fd00::5\n", "" },
      { 0, "192.168.1.9                   dev v0  src 192.168.1.5\n"
        .. "192.0.2.9    via 192.168.1.1  dev v0  src 192.168.1.5\n", "" },
    }, list)
  end)

  it("gives records with every field", function()
    if not network.possible() then return pending "no veth here" end

    local list = answers(ROUTED, { { "2001:db8::1", "--json" } })
    local rec = require "cjson".decode(list[1][2])

    assert.same({ "2001:db8::1", true, "2001:db8::1", "fd00::1", "v0", "fd00::5", 1400, "unicast", "inet6" },
      { rec.target, rec.ok, rec.destination, rec.gateway, rec.interface, rec.source, rec.mtu, rec.type,
        rec.family })
  end)

  it("ends with 7 where there is no way, 1 where it is forbidden", function()
    if not network.possible() then return pending "no veth here" end
    local cases = { { "198.51.100.1", 7, "EHOSTUNREACH" }, { "198.51.100.200", 1, "EACCES" },
      { "203.0.113.1", 7, "EINVAL" }, { "2002::1", 7, "ENETUNREACH" } }
    local lines = {}
    for index, case in ipairs(cases) do lines[index] = { case[1], "--json" } end

    local list = answers(ROUTED, lines)

    for index, case in ipairs(cases) do
      local rec = require "cjson".decode(list[index][2])
      assert.equal(case[2], list[index][1], case[1])
      assert.equal(case[3], rec.error.code)
      assert.is_false(rec.ok)
    end
  end)

  it("ends with 1 if one of several has no way, and shows the others", function()
    if not network.possible() then return pending "no veth here" end

    local list = answers(ROUTED, { { "198.51.100.1", "192.168.1.9" } })

    assert.equal(1, list[1][1])
    assert.equal("192.168.1.9  dev v0  src 192.168.1.5\n", list[1][2])
    assert.matches("^netlua route: 198.51.100.1: .*EHOSTUNREACH", list[1][3])
  end)

  it("looks names up, and shows the way to each address", function()
    local records, status = tools.records("route", "localhost", "-4")

    assert.equal(0, status)
    assert.same({ "localhost", "127.0.0.1", "lo" },
      { records[1].target, records[1].destination, records[1].interface })
  end)

  it("ends with 6 for a name that is none", function()
    for _, name in ipairs { "name.invalid", "10.0.0.256" } do
      local records, status = tools.records("route", name)

      assert.equal(6, status)
      assert.equal("dns", records[1].error.kind)
    end
  end)

  it("obeys source and interface", function()
    local records, status = tools.records("route", "127.0.0.1", "-s", "127.0.0.9")
    assert.equal(0, status)
    assert.equal("127.0.0.9", records[1].source)

    for words, code in pairs { ["-I nosuch0"] = "ENODEV", ["-s 192.0.2.77"] = "EADDRNOTAVAIL" } do
      local option, value = words:match "(%S+) (%S+)"
      records, status = tools.records("route", "127.0.0.1", option, value)
      assert.equal(1, status)
      assert.equal(code, records[1].error.code)
    end
  end)

  it("says that a link-local address needs a zone", function()
    local records, status = tools.records("route", "fe80::1")

    assert.equal(1, status)
    assert.matches("zone", records[1].error.message)
  end)

  it("ends with 2 for a wrong command line", function()
    for _, words in ipairs { {}, { "" }, { "a", "--nosuch" }, { "a", "-4", "-6" }, { "a", "-s", "x" } } do
      local out, err, status = tools.run("route", table.unpack(words))

      assert.equal("", out)
      assert.equal(2, status)
      assert.matches("^netlua route: .*\ntry: netlua route %-%-help\n$", err)
    end
  end)
end)
