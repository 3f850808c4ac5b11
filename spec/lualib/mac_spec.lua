local mac = net.mac

local BYTES = "\0\17\50\60\195\11"

describe("net.mac.parse", function()
  local styles = { "00:11:32:3c:c3:0b", "00:11:32:3C:C3:0B", "00-11-32-3c-c3-0b", "00-11-32-3C-C3-0B",
    "0011.323c.c30b",
    "0011.323C.C30B", "0011323cc30b", "0011323CC30B", "00:11:32:3C:c3:0b" }
  for _, text in ipairs(styles) do
    it("reads " .. text, function()
      local m = assert(mac.parse(text))

      assert.equal("00:11:32:3c:c3:0b", tostring(m))
      assert.equal(BYTES, m:bytes())
      assert.equal(BYTES, mac.bytes(text))
    end)
  end

  it("reads eight bytes", function()
    for _, text in ipairs { "00:11:32:ff:fe:3c:c3:0b", "00-11-32-ff-fe-3c-c3-0b", "0011.32ff.fe3c.c30b",
      "001132fffe3cc30b" } do
      assert.equal("00:11:32:ff:fe:3c:c3:0b", tostring(mac.parse(text)))
    end
  end)

  local bad = { "", "00", "00:11:32:3c:c3", "00:11:32:3c:c3:0b:00", "00:11:32:3c:c3:0g", "0:11:32:3c:c3:0b",
    "00:11:32:3c:c3:0", "00:11-32:3c:c3:0b", "00:11:32:3c:c3:0b:", ":00:11:32:3c:c3:0b", "00::11:32:3c:c3:0b",
    "0011:323c:c30b", "0011-323c-c30b", "00.11.32.3c.c3.0b", "001132-3cc30b", "0011323cc30", "0011323cc30b0",
    " 00:11:32:3c:c3:0b", "00:11:32:3c:c3:0b\n", "00:11:32:3c:c3:0b\0", "0x0011323cc3", ("0"):rep(300),
    "\xff" }
  for _, text in ipairs(bad) do
    it(("gives nil, err for %q"):format(text), function()
      local m, err = mac.parse(text)

      assert.is_nil(m)
      assert.equal("EINVAL", err.code)
      assert.matches("6 or 8 bytes", err:explain())
      assert.equal(text, err.address)
      assert.is_nil((mac.bytes(text)))
    end)
  end

  it("raises for what is no text", function()
    for _, value in ipairs { 5, true, {} } do
      assert.error_matches(function() mac.parse(value) end, "#1 to 'parse'.*string expected")
      assert.error_matches(function() mac.bytes(value) end, "#1 to 'bytes'.*hardware address expected")
    end
  end)
end)

describe("net.mac.format", function()
  it("writes every style, and each is read again", function()
    local want = { colon = "00:11:32:3c:c3:0b", dash = "00-11-32-3c-c3-0b", dot = "0011.323c.c30b",
      bare = "0011323cc30b" }
    for style, text in pairs(want) do
      assert.equal(text, mac.format(BYTES, style))
      assert.equal(text, mac.frombytes(BYTES):format(style))
      assert.equal(text:upper(), mac.format(BYTES, style, true))
      assert.equal(BYTES, mac.bytes(text))
    end
    assert.equal("00:11:32:3c:c3:0b", mac.format(BYTES))
    assert.equal("0011.32ff.fe3c.c30b", mac.frombytes(BYTES):eui64():format "dot")
  end)

  it("raises for other than 6 or 8 bytes, or an unknown style", function()
    for _, bytes in ipairs { "", "abc", "abcde", "abcdefg", ("x"):rep(9), ("x"):rep(300) } do
      assert.error_matches(function() mac.format(bytes) end,
        "#1 to 'format'.*6 or 8 bytes expected, got " .. #bytes)
      assert.error_matches(function() mac.frombytes(bytes) end, "#1 to 'frombytes'.*6 or 8 bytes expected")
    end
    for _, style in ipairs { "Colon", "", 5, true } do
      assert.error_matches(function() mac.format(BYTES, style) end, "#2 to 'format'.*colon")
    end
    assert.error_matches(function() mac.frombytes(BYTES):format "x" end, "#1 to 'format'.*colon")
    assert.error_matches(function() mac.format() end, "#1 to 'format'.*string expected")
  end)
end)

describe("net.mac with a literal", function()
  it("gives the address, or raises", function()
    local m = mac "00:11:32:3c:c3:0b"

    assert.equal(BYTES, m:bytes())
    assert.equal(m, mac(m))
    for _, wrong in ipairs { "00:11", "", 5, {} } do
      assert.error_matches(function() return mac(wrong) end, "to 'net.mac' %(hardware address expected, got ")
    end
  end)
end)

describe("capital letters", function()
  it("are asked for with a boolean", function()
    for _, wrong in ipairs { 1, "upper" } do
      assert.error_matches(function() return mac.format(BYTES, "dash", wrong) end,
        "#3 to 'format' %(boolean expected, got")
      assert.error_matches(function() return mac.parse("0011323cc30b"):format("dash", wrong) end,
        "#2 to 'format' %(boolean expected")
    end
  end)
end)

describe("a hardware address", function()
  it("tells its bits", function()
    local rows = { -- text, group, local
      { "00:11:32:3c:c3:0b", false, false }, { "01:00:5e:00:00:01", true, false }, { "02:00:00:00:00:01",
      false, true },
      { "ff:ff:ff:ff:ff:ff", true, true }, { "33:33:00:00:00:01", true, true },
    }
    for _, row in ipairs(rows) do
      local m = mac.parse(row[1])
      assert.equal(row[2], m:is_multicast(), row[1])
      assert.equal(row[3], m:is_local(), row[1])
    end
    assert.equal("00:11:32", mac.parse("0011323cc30b"):oui())
  end)

  it("becomes EUI-64 and a link-local address", function()
    local m = mac.parse "00:11:32:3c:c3:0b"

    assert.equal("00:11:32:ff:fe:3c:c3:0b", tostring(m:eui64()))
    assert.equal(m:eui64(), m:eui64():eui64())
    assert.equal("fe80::211:32ff:fe3c:c30b", tostring(m:link_local()))
    assert.equal(m:link_local(), m:eui64():link_local())
    assert.equal(m, m:link_local():mac())
  end)

  it("is equal and ordered by its bytes", function()
    local texts = { "00:00:00:00:00:01", "00:00:00:00:01:00", "00:00:00:00:01:00:00:00",
      "00:00:00:00:01:00:00:01",
      "00:00:00:00:01:00:01:00", "7f:00:00:00:00:00", "80:00:00:00:00:00", "ff:ff:ff:ff:ff:ff" }
    for i = 1, #texts do
      for k = 1, #texts do
        local a, b = mac.parse(texts[i]), mac.parse(texts[k])
        assert.equal(i < k, a < b, texts[i] .. " < " .. texts[k])
        assert.equal(i <= k, a <= b)
        assert.equal(i == k, a == b)
      end
    end
    assert.error_matches(function() return mac.parse(texts[1]) < "x" end, "compare with their like")
    assert.equal("is 00:00:00:00:00:01", "is " .. mac.parse(texts[1]))
  end)
end)
