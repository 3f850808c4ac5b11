local core = require "net.core.x509"

local x509 = net.x509

describe("the binding x509", function()
  local c, key

  setup(function() c, key = x509.make { names = { "a.test", "*.b.test" }, addresses = { "127.0.0.1" } } end)

  it("splits PEM into certificates and the words of other blocks", function()
    local ders, labels = core.split(key .. c:pem() .. "-----BEGIN A B-----\nAAAA\n-----END A B-----\n")

    assert.same({ c.der }, ders)
    assert.same({ "PRIVATE KEY", "A B" }, labels)
  end)

  it("names a few other blocks only", function()
    local ders, labels = core.split(("-----BEGIN X-----\nAAAA\n-----END X-----\n"):rep(100))

    assert.same({}, ders)
    assert.equal(8, #labels)
  end)

  it("takes the end of a block for what it is", function()
    for _, text in ipairs { c:pem():sub(1, -20), "-----BEGIN CERTIFICATE-----\n", (c:pem():gsub("END",
      "FIN")) } do
      local ders, err = core.split(text)

      assert.is_nil(ders)
      assert.equal("X509_PARSE", err.code)
    end
  end)

  it("compares names without the traps of OpenSSL", function()
    for name, answer in pairs { ["a.test"] = true, ["x.b.test"] = true, [".b.test"] = false, [""] = false,
      ["a.test\0"] = false, ["a.test\0x"] = false, ["x.a.test"] = false } do
      assert.equal(answer, core.matches(c.der, name), name)
    end
    assert.is_true(core.matches(c.der, nil, "\127\0\0\1"))
    assert.is_false(core.matches(c.der, "a.test", "\127\0\0\2")) -- an address is never a name too
    assert.error_matches(function() core.matches(c.der, nil, "\127") end, "4 or 16 bytes")
    assert.error_matches(function() core.matches(c.der) end, "name expected")
  end)

  it("knows digests by name", function()
    assert.equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", core.digest("abc",
      "sha256"))
    assert.equal("900150983cd24fb0d6963f7d28e17f72", core.digest("abc", "md5"))
    assert.error_matches(function() core.digest("abc", "sha0") end, "invalid option")
  end)

  it("knows object identifiers by name and number", function()
    assert.equal("\6\3U\4\3", core.oid "CN")
    assert.equal("\6\3U\4\3", core.oid "2.5.4.3")
    for _, text in ipairs { "", "x", "1", "9.9", "1.2.", ("1."):rep(300) } do
      local _ = core.oid(text) -- whatever it says, it survives
    end
    assert.is_nil(core.oid "nosuchname")
  end)

  it("draws as many random bytes as asked for", function()
    assert.equal(64, #core.random(64))
    assert.not_equal(core.random(16), core.random(16))
    assert.error_matches(function() core.random(65) end, "1 to 64")
  end)

  it("refuses what is no certificate, in every function", function()
    for _, f in ipairs { "show", "spki" } do
      local answer, err = core[f] "x"
      assert.is_nil(answer)
      assert.equal("X509_PARSE", err.code)
    end
    assert.is_nil((core.matches("x", "a.test")))
    assert.is_nil((core.issued("x", c.der)))
    assert.is_nil((core.issued(c.der, "x")))
    assert.is_nil((core.keyid "x"))
  end)

  it("has a word for the numbers of X509_V_ERR_*", function()
    assert.equal("expired", core.reasons[10])
    assert.equal("wrong_host", core.reasons[62])
    for number, word in pairs(core.reasons) do
      assert.is_true(math.type(number) == "integer" and number > 0)
      assert.matches("^[%l_]+$", word)
    end
  end)
end)
