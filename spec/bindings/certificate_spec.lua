local decode = require("net.core.certificate").decode

describe("the fields of a certificate, from its bytes,", function()
  local der

  setup(function() der = net.x509.make({ subject = "CN=a", names = { "a\0b" } }).der end)

  it("are a plain table", function()
    local fields = assert(decode(der))

    assert.is_nil(getmetatable(fields))
    assert.equal(der, fields.der)
    assert.same({ "a\0b" }, fields.names)
  end)

  it("need all of the bytes and no more", function()
    for _, bytes in ipairs { "", "x", der:sub(1, -2), der .. "\0", ("\0"):rep(1000) } do
      local fields, err = decode(bytes)

      assert.is_nil(fields)
      assert.equal("X509_PARSE", err.code)
    end
  end)

  it("leave nothing behind, however often", function()
    for _ = 1, 2 do collectgarbage() end
    local before = collectgarbage "count"
    for _ = 1, 300 do decode(der) decode(der:sub(2)) end
    collectgarbage() -- runs finalizers
    collectgarbage()

    assert.is_true(collectgarbage "count" - before < 64)
  end)

  it("are asked of a string", function()
    assert.error_matches(function() decode {} end, "string expected")
  end)
end)
