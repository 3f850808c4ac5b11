local core = require "net.core.certify"
local read = require "net.core.x509"

local x509 = net.x509

describe("the binding certify", function()
  local key, spki

  setup(function()
    key = assert(core.generate("EC", "P-256"))
    spki = assert(core.public(key))
  end)

  local function spec(more)
    local fields = { serial = "\1", not_before = 0, not_after = 86400, subject = { { "CN", "a" } },
      spki = spki, extensions = {}, signer = key }
    for field, value in pairs(more or {}) do fields[field] = value end
    return fields
  end

  it("makes keys of the types that OpenSSL knows", function()
    for _, case in ipairs { { "EC", "P-384" }, { "ED25519" }, { "RSA", nil, 1024 } } do
      assert.matches("^%-%-%-%-%-BEGIN PRIVATE KEY", core.generate(table.unpack(case, 1, 3)))
    end
    for _, case in ipairs { { "NOSUCH" }, { "EC", "nosuch" }, { "ED25519", "P-256" } } do
      local made, err = core.generate(table.unpack(case))
      assert.is_nil(made)
      assert.equal("TLS_CONFIG", err.code)
    end
    assert.error_matches(function() core.generate("RSA", nil, 100) end, "512 to 16384")
  end)

  it("reads a key with its password only", function()
    local locked = core.generate("EC", "P-256", nil, "pass\0word")

    assert.is_string(core.public(locked, "pass\0word"))
    for _, password in ipairs { "", "pass", "x", ("x"):rep(5000) } do
      local public, err = core.public(locked, password)
      assert.is_nil(public)
      assert.matches("wrong", err.message)
    end
    assert.matches("no password", select(2, core.public(locked)).message)
  end)

  it("survives keys that are cut or changed anywhere", function()
    for length = 0, #key, 7 do core.public(key:sub(1, length)) end
    for at = 1, #key, 5 do core.public(key:sub(1, at - 1) .. "A" .. key:sub(at + 1)) end
    assert.equal(spki, core.public(key))
  end)

  it("makes certificates with any bytes in them", function()
    local der = assert(core.certificate(spec { extensions = { { "1.2.3", true, "\0\255" } } }))

    local c = assert(x509.parse(der))
    assert.equal("00ff", c.extensions[1].value)
  end)

  it("reports a subject, a key, a time and an OID that cannot be", function()
    for what, more in pairs { subject = { subject = { { "NOSUCH", "x" } } },
      ["public key"] = { spki = "x" }, ["valid text"] = { subject = { { "CN", "\255" } } },
        time = { not_after = 1 << 60 }, ["object identifier"] = { extensions = { { "x", false, "" } } },
      issuer = { issuer = "x" }, ["private key"] = { signer = "x" } } do
      local der, err = core.certificate(spec(more))

      assert.is_nil(der)
      assert.equal("TLS_CONFIG", err.code)
      assert.matches(what, err.message, 1, true)
    end
  end)

  it("raises for fields of another type", function()
    for field, value in pairs { serial = {}, spki = 5, not_before = "x", subject = 5, extensions = 5,
      signer = {},
      digest = "sha0" } do
      assert.error_matches(function() core.certificate(spec { [field] = value }) end, "bad argument", 1,
        field)
    end
    assert.error_matches(function() core.certificate() end, "table expected")
    assert.error_matches(function() core.request {} end, "bad argument")
    assert.error_matches(function() core.crl {} end, "bad argument")
  end)

  it("leaves nothing in OpenSSL's queue of errors for the next call", function()
    core.public "x"
    core.certificate(spec { spki = "x" })
    read.split "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"

    assert.same({ {}, {} }, { read.split "nothing" })
  end)
end)
