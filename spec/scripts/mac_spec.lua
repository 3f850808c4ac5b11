local tools = require "tools"

describe("mac", function()
  it("shows what an address says", function()
    for _, word in ipairs { "00:11:32:3c:c3:0b", "00-11-32-3C-C3-0B", "0011.323c.c30b", "0011323cc30b" } do
      local out, err, status = tools.run("mac", word)

      assert.equal("00:11:32:3c:c3:0b  unicast universal  eui64 0211:32ff:fe3c:c30b\n", out)
      assert.equal("", err)
      assert.equal(0, status)
    end
  end)

  it("gives records", function()
    local records = tools.records("mac", "03:00:5e:00:00:01", "--style", "dash")
    local rec = records[1]

    assert.same({ "03-00-5e-00-00-01", "03005e000001", "03:00:5e", true, true, "0100:5eff:fe00:0001",
      "fe80::100:5eff:fe00:1" },
      { rec.mac, rec.hex, rec.oui, rec["local"], rec.multicast, rec.eui64, rec.link_local })
  end)

  it("takes addresses of 8 bytes", function()
    local records, status = tools.records("mac", "00:11:32:ff:fe:3c:c3:0b")

    assert.equal(0, status)
    assert.equal("fe80::211:32ff:fe3c:c30b", records[1].link_local)
  end)

  it("ends with 2 for what is none, and shows nothing", function()
    for _, words in ipairs { { "xx" }, { "00:11:32:3c:c3" }, { "00:11:32:3c:c3:0b", "00:11-32:3c:c3:0b" }, {},
      { "" }, { "0011323cc30b", "--style", "x" } } do
      local out, err, status = tools.run("mac", table.unpack(words))

      assert.equal(2, status)
      assert.equal("", out)
      assert.truthy(err:find "^netlua mac: ")
    end
  end)
end)
