local delta = require "deltalist"
local trust = require "net.core.trust"

local x509 = net.x509

describe("the binding trust", function()
  local ca, key, c

  setup(function()
    ca, key = x509.make { subject = "CN=CA", ca = true }
    c = x509.make { names = { "a.test" }, addresses = { "127.0.0.1" }, issuer = { certificate = ca,
      key = key } }
  end)

  it("gives the chain, or what is wrong, where, and the certificate at fault", function()
    assert.same({ c.der, ca.der }, trust.verify({ c.der }, { ca = { ca.der }, name = "a.test" }))

    local verified, built, number, depth, culprit = trust.verify({ c.der }, { ca = { ca.der },
      name = "b.test" })
    assert.is_false(verified)
    assert.same({ c.der, ca.der }, built)
    assert.same({ 62, 0 }, { number, depth })
    assert.equal(c.der, culprit)
  end)

  it("trusts nothing where nothing is named", function()
    assert.is_false((trust.verify({ c.der, ca.der }, {})))
    assert.is_false((trust.verify({ ca.der }, { ca = {} })))
  end)

  it("checks an address by its bytes, and no name beside it", function()
    assert.is_table((trust.verify({ c.der }, { ca = { ca.der }, address = "\127\0\0\1" })))
    assert.is_false((trust.verify({ c.der }, { ca = { ca.der }, address = "\127\0\0\2", name = "a.test" })))
  end)

  for _, name in ipairs { "", ".test", "a.test\0", "a.test\0.b" } do
    it(("takes no name like %q"):format(name), function()
      assert.error_matches(function() trust.verify({ c.der }, { ca = { ca.der }, name = name }) end,
        "no name")
    end)
  end

  it("takes addresses of 4 and 16 bytes only", function()
    for _, address in ipairs { "", "1", "12345" } do
      assert.error_matches(function() trust.verify({ c.der }, { ca = { ca.der }, address = address }) end,
        "bytes")
    end
  end)

  it("refuses what is no certificate", function()
    for _, case in ipairs { { {}, {} }, { { "x" }, {} }, { { c.der, "" }, {} }, { { c.der },
      { ca = { "x" } } },
      { { c.der .. "\0" }, {} } } do
      local verified, err = trust.verify(case[1], case[2])

      assert.is_nil(verified)
      assert.equal("X509_PARSE", err.code)
    end
    assert.error_matches(function() trust.verify({ {} }, {}) end, "string expected")
    assert.error_matches(function() trust.verify(c.der, {}) end, "table expected")
  end)

  it("holds the CN of a client against name constraints, as the handshake does", function()
    local below, belowkey = x509.make { subject = "CN=Below", ca = true,
      name_constraints = { permitted = { "DNS:b.test" } }, issuer = { certificate = ca, key = key } }
    local function reason(name)
      local client = x509.make { subject = "CN=" .. name,
        issuer = { certificate = below, key = belowkey } }
      local verified, err = x509.verify { chain = { client, below }, ca = ca, purpose = "client" }
      return verified and "trusted" or err.reason
    end

    assert.equal("trusted", reason "a.b.test")
    assert.equal("name_constraints", reason "a.test")
  end)

  it("refuses a list of changes alone", function()
    -- OpenSSL took it for a whole list, and what it revoked beside an older whole one for good.
    local verified, err = trust.verify({ c.der }, { ca = { ca.der }, crl = { delta } })

    assert.is_nil(verified)
    assert.equal("X509_PARSE", err.code)
    assert.matches("delta", err.message, 1, true)
  end)

  it("refuses lists with something behind them", function()
    local crl = x509.make_crl { issuer = { certificate = ca, key = key } }

    assert.is_table((trust.verify({ c.der }, { ca = { ca.der }, crl = { crl } })))
    assert.is_nil((trust.verify({ c.der }, { ca = { ca.der }, crl = { "0" } })))
    assert.is_nil((trust.verify({ c.der }, { ca = { ca.der }, crl = { crl:sub(1, -40) } })))
  end)
end)
