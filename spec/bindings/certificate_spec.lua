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

  it("name the extensions that cannot be read or are there twice, of any kind", function()
    -- Key usage, basic constraints and all that have no field of their own were left out.
    local function made(...)
      local certificate = net.x509.make { subject = "CN=a", names = { "a.test" }, extensions = { ... } }
      return decode(certificate.der).malformed
    end
    local none, usage = "\x30\x00", "2.5.29.15"

    assert.same({}, made({ oid = "1.2.3.4", value = "no form at all" }))
    assert.same({ "keyUsage" }, made({ oid = usage, value = none }))
    assert.same({ "basicConstraints" }, made({ oid = "2.5.29.19", value = "\xff\xff" }))
    assert.same({ "subjectAltName" }, made({ oid = "2.5.29.17", value = "\x30\x05abc" }))
    assert.same({ "1.2.3.4" }, made({ oid = "1.2.3.4", value = none }, { oid = "1.2.3.4", value = none },
      { oid = "1.2.3.4", value = none }))
  end)

  it("say whether it is broken for chains", function()
    local function broken(...)
      return decode(net.x509.make { subject = "CN=a", extensions = { ... } }.der).broken
    end

    assert.is_false(broken())
    assert.is_false(broken { oid = "1.3.6.1.5.5.7.1.1", value = "no access" })
    assert.is_true(broken { oid = "2.5.29.15", value = "no usage" })
    assert.is_true(broken { oid = "2.5.29.15", value = "\3\2\7\0" }) -- of nothing
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
