local tools = require "tools"

describe("gai", function()
  it("shows a row for each address", function()
    local out, err, status = tools.run("gai", "2001:db8::4", "443", "-t", "stream")

    assert.equal("inet6  [2001:db8::4]:443  stream  tcp\n", out)
    assert.equal("", err)
    assert.equal(0, status)
  end)

  local addresses = {
    ["192.0.2.244"] = "192.0.2.244", ["2001:db8:f00d::1:d"] = "2001:db8:f00d::1:d",
    ["0xc000027b"] = "192.0.2.123", ["::ffff:192.0.2.128"] = "::ffff:192.0.2.128", ["127.1"] = "127.0.0.1",
  }
  for word, address in pairs(addresses) do
    it(("answers %s for %s"):format(address, word), function()
      local records, status = tools.records("gai", word, "-t", "stream")

      assert.equal(0, status)
      assert.equal(1, #records)
      assert.equal(address, records[1].address)
    end)
  end

  it("gives records with every field of an entry", function()
    local records = tools.records("gai", "fe80::1%lo", "domain", "-t", "dgram",
      "--flags", "numerichost,canonname")
    local rec = records[1]

    assert.equal("inet6", rec.family)
    assert.equal("fe80::1%lo", rec.address)
    assert.equal(1, rec.scope_id)
    assert.equal(53, rec.port)
    assert.equal("dgram", rec.socktype)
    assert.equal("udp", rec.protocol)
    assert.equal("string", type(rec.canonname))
    assert.equal("fe80::1%lo", rec.target)
  end)

  it("gives the wildcard addresses for * with passive", function()
    local records = tools.records("gai", "*", "80", "-t", "stream", "--flags", "passive", "-4")

    assert.equal("0.0.0.0", records[1].address)
  end)

  it("ends with 6 for what is no name or address, and refuses old forms with --strict", function()
    local cases = { { "10.0.0.256" }, { "127.1", "--strict" }, { "::1", "-4" }, { "::1", "nosuchservice" } }
    for _, words in ipairs(cases) do
      local records, status = tools.records("gai", table.unpack(words))

      assert.equal(6, status, words[1])
      assert.is_false(records[1].ok)
      assert.equal("dns", records[1].error.kind)
      assert.equal("getaddrinfo", records[1].error.op)
    end
  end)

  it("ends with 2 for a wrong command line", function()
    for _, words in ipairs { {}, { "a", "b", "c" }, { "::1", "-t", "tcp" }, { "::1", "--flags", "nosuch" },
      { "::1", "-4", "-6" }, { "::1", "65536" }, { "::1", ("9"):rep(400) } } do
      local out, err, status = tools.run("gai", table.unpack(words))

      assert.equal(2, status)
      assert.equal("", out)
      assert.truthy(err:find "^netlua gai: .*\ntry: netlua gai %-%-help\n$")
    end
  end)
end)
