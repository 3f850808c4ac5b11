local tools = require "tools"

local little = string.pack("=I2", 1) == "\1\0"

describe("byteorder", function()
  it("shows host and network order, and the bytes on the wire", function()
    if not little then return pending "a big-endian host" end
    local out, err, status = tools.run("byteorder", "1")

    assert.equal("16-bit  host 1 0x0001  net 256 0x0100  bytes 00 01\n", out)
    assert.equal("", err)
    assert.equal(0, status)
  end)

  it("takes the smallest size that holds the number", function()
    local records = tools.records("byteorder", "65535", "65536", "4294967295", "4294967296")

    assert.same({ 16, 32, 32, 64 }, { records[1].size, records[2].size, records[3].size, records[4].size })
  end)

  it("keeps all of 64 bits, as text", function()
    local records = tools.records("byteorder", "18446744073709551615", "0x8000000000000001", "--size", "64")

    assert.equal("18446744073709551615", records[1].host)
    assert.equal("ffffffffffffffff", records[1].hex)
    assert.equal("9223372036854775809", records[2].value)
    assert.equal("8000000000000001", records[2].hex)
  end)

  it("reads the number as of the network on request", function()
    local records = tools.records("byteorder", "0x0102", "--from", "net", "--size", "32")
    local rec = records[1]

    assert.equal(258, rec.value)
    assert.equal(258, rec.net)
    assert.equal(net.ntohl(258), rec.host)
    assert.equal(little and "little" or "big", rec.endian)
  end)

  local bad = { "-1", "", "x", "0x", "1.5", "65536", "0x10000", "18446744073709551616", "0x10000000000000000",
    "1e3", "80 " }
  for _, word in ipairs(bad) do
    it(("ends with 2 for %q as 16 bits"):format(word), function()
      local out, err, status = tools.run("byteorder", "1", "--size", "16", "--", word)

      assert.equal(2, status)
      assert.equal("", out)
      assert.truthy(err:find "^netlua byteorder: ")
    end)
  end

  it("ends with 2 without a number", function()
    assert.equal(2, (select(3, tools.run "byteorder")))
  end)
end)
