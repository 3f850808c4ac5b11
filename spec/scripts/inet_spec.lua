local tools = require "tools"

describe("inet", function()
  it("shows what an address with a prefix says", function()
    local out, err, status = tools.run("inet", "192.168.1.1/24")

    assert.equal("192.168.1.1/24  net 192.168.1.0  broadcast 192.168.1.255  hosts 254  hex c0a80101  "
      .. "private  ptr 1.1.168.192.in-addr.arpa\n", out)
    assert.equal("", err)
    assert.equal(0, status)
  end)

  it("leaves no room for what an address does not have", function()
    local out = tools.run("inet", "10.0.0.1")

    assert.equal("10.0.0.1  hex 0a000001  private  ptr 1.0.0.10.in-addr.arpa\n", out)
  end)

  it("gives records", function()
    local records = tools.records("inet", "192.168.1.1/24", "fe80::1%lo")
    local rec, other = table.unpack(records)

    assert.same({ "192.168.1.1", "inet", 24, "192.168.1.0", "192.168.1.255", 254, "c0a80101", "private",
      "1.1.168.192.in-addr.arpa" }, { rec.address, rec.family, rec.prefix, rec.network, rec.broadcast,
      rec.hosts, rec.hex, rec.class, rec.ptr })
    assert.equal("inet6", other.family)
    assert.equal("link-local", other.class)
    assert.is_nil(other.prefix)
  end)

  it("says with its status whether a network contains an address", function()
    for word, expected in pairs { ["10.1.2.3"] = 0, ["11.1.2.3"] = 1, ["10.0.0.0/16"] = 0, ["::1"] = 1 } do
      local records, status = tools.records("inet", "10.0.0.0/8", "--contains", word)

      assert.equal(expected, status)
      assert.is_true(records[1].ok)
      assert.equal(expected == 0, records[1].contains)
    end
  end)

  it("divides a network and lists its hosts", function()
    local split = tools.run("inet", "192.0.2.0/24", "--split", "/26", "--fields", "network,prefix")
    local hosts = tools.run("inet", "192.0.2.0/30", "--hosts", "--format", "plain", "--fields", "address")

    assert.equal("192.0.2.0    26\n192.0.2.64   26\n192.0.2.128  26\n192.0.2.192  26\n", split)
    assert.equal("192.0.2.1\n192.0.2.2\n", hosts)
  end)

  it("counts the hosts that it would list", function()
    for _, network in ipairs { "10.0.0.0/29", "10.0.0.0/30", "10.0.0.0/31", "10.0.0.0/32", "::/124", "::/127",
      "::/128" } do
      local records = tools.records("inet", network, "--hosts")
      local counted = tools.records("inet", network)[1].hosts

      assert.equal(counted, #records, network)
    end
  end)

  it("sorts, and reads hexadecimal and old forms on request", function()
    local out = tools.run("inet", "--sort", "--legacy", "--hex", "127.1", "10.0.0.10", "10.0.0.9",
      "0xc000027b", "c0a80101", "--format", "plain", "--fields", "address")

    assert.equal("10.0.0.9\n10.0.0.10\n127.0.0.1\n192.0.2.123\n192.168.1.1\n", out)
  end)

  local wrong = { { "1.2.3" }, { "0xc000027b" }, { "10.0.0.256" }, { "10.0.0.0/33" }, { "" }, {},
    { "10.0.0.0/8", "--contains", "x" }, { "10.0.0.0/8", "--split", "4" }, { "10.0.0.0/8", "--split", "33" },
    { "10.0.0.0/8", "--split", "30" }, { "::/0", "--hosts" }, { "10.0.0.1", "x" },
    { "10.0.0.1", "--split", "x" } }
  for _, words in ipairs(wrong) do
    it(("ends with 2 for '%s', and shows nothing"):format(table.concat(words, " ")), function()
      local out, err, status = tools.run("inet", table.unpack(words))

      assert.equal(2, status)
      assert.equal("", out)
      assert.truthy(err:find "^netlua inet: .+\ntry: netlua inet %-%-help\n$")
    end)
  end
end)
