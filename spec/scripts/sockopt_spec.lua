local tools = require "tools"

describe("sockopt", function()
  it("shows what was asked and what the kernel made of it", function()
    local out, err, status = tools.run("sockopt", "so_sndbuf=65536", "--udp")

    assert.truthy(out:find "^SO_SNDBUF  default %d+  asked 65536  kernel 131072  %(Linux doubles it%)\n$")
    assert.equal("", err)
    assert.equal(0, status)
  end)

  it("lists every option that netlua knows", function()
    local records, status = tools.records "sockopt"

    assert.equal(0, status)
    assert.equal(#net.options(), #records)
    for _, rec in ipairs(records) do
      assert.truthy(rec.level:find "^[SI]%u+" and rec.type and rec.explanation, rec.name)
      assert.is_nil(rec.asked)
    end
  end)

  it("gives records with values of their kind", function()
    local cases = {
      { "TCP_NODELAY=on", "IPPROTO_TCP", "boolean", true, true },
      { "SO_LINGER=3", "SOL_SOCKET", "linger", { on = true, seconds = 3 }, { on = true, seconds = 3 } },
      { "TCP_KEEPIDLE=2m", "IPPROTO_TCP", "time", 120, 120 },
      { "IP_TTL=9", "IPPROTO_IP", "integer", 9, 9 },
      { "IPV6_UNICAST_HOPS=9", "IPPROTO_IPV6", "integer", 9, 9 },
      { "IP_MULTICAST_IF=lo", "IPPROTO_IP", "interface", "lo", "lo" },
      { "UDP_CORK=yes", "IPPROTO_UDP", "boolean", true, true },
    }
    for _, case in ipairs(cases) do
      local records, status = tools.records("sockopt", case[1])
      local rec = records[1]

      assert.equal(0, status, case[1])
      assert.same({ case[2], case[3], case[4], case[5] }, { rec.level, rec.type, rec.asked, rec.value })
    end
  end)

  it("explains on request", function()
    assert.truthy(tools.run("sockopt", "SO_BROADCAST", "--explain"):find("broadcast addresses", 1, true))
    assert.is_nil(tools.run("sockopt", "SO_BROADCAST"):find("broadcast addresses", 1, true))
  end)

  it("ends with 1 where the kernel refuses", function()
    local records, status = tools.records("sockopt", "IP_TTL=900")

    assert.equal(1, status)
    assert.equal("EINVAL", records[1].error.code)
    assert.equal(1, (select(2, tools.records("sockopt", "SO_TYPE=3"))))
    assert.equal(1, (select(2, tools.records("sockopt", "IP_MULTICAST_IF=nosuch0"))))
  end)

  it("ends with 2 for unknown options and for values of another form", function()
    for _, word in ipairs { "nosuch", "nosuch=1", "=1", "SO_SNDBUF=x", "SO_SNDBUF=", "SO_SNDBUF=1.5",
      "TCP_NODELAY=maybe", "SO_LINGER=x", "TCP_KEEPIDLE=5x", "TCP_INFO=1", "IP_ADD_MEMBERSHIP=", "SO_MARK=-1",
      "SO_SNDBUF=99999999999", "SO_SNDBUF=0x10000000000001000" } do
      local _, err, status = tools.run("sockopt", word)

      assert.equal(2, status, word)
      assert.truthy(err:find "^netlua sockopt: ")
    end
  end)
end)
