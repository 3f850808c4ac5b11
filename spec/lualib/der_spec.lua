local der = require "net.der"

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

describe("DER", function()
  for _, case in ipairs { { 0, "020100" }, { 127, "02017f" }, { 128, "02020080" }, { 256, "02020100" },
    { 0x7fffffffffffffff, "02087fffffffffffffff" } } do
    it("has the number " .. case[1] .. " in the fewest bytes, and never as a negative one", function()
      assert.equal(case[2], hex(der.integer(case[1])))
    end)
  end

  for _, case in ipairs { { 0, "0400" }, { 127, "047f" }, { 128, "048180" }, { 255, "0481ff" },
    { 256, "04820100" }, { 65536, "0483010000" } } do
    it("tells a length of " .. case[1] .. " in the fewest bytes", function()
      assert.equal(case[2], hex(der.octets(("x"):rep(case[1])):sub(1, #case[2] // 2)))
    end)
  end

  it("names bits without zeros at the end", function()
    assert.equal("030100", hex(der.bits {}))
    assert.equal("03020780", hex(der.bits { [0] = true }))
    assert.equal("03020106", hex(der.bits { [5] = true, [6] = true }))
    assert.equal("0303070080", hex(der.bits { [8] = true }))
  end)

  it("nests", function()
    assert.equal("30050101ff8000", hex(der.sequence(der.boolean(true), der.tagged(0, ""))))
    assert.equal("a203020101", hex(der.tagged(2, der.integer(1), true)))
  end)
end)
