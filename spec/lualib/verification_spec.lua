local verification = require "net.verification"

local x509 = net.x509
local EXPIRED, HOSTNAME, REVOKED, SELFSIGNED, NOISSUER, UNHEARDOF = 10, 62, 23, 18, 20, 9999
local NOW = 1790000000 -- 2026-09-21

local function failure(facts)
  facts.time = NOW
  local err = verification.failure("tls.connect", facts)
  assert.equal("TLS_VERIFY", err.code)
  assert.equal("tls", err.kind)
  assert.equal("tls.connect", err.op)
  return err
end

describe("the words for a certificate that is not trusted", function()
  local leaf

  setup(function()
    leaf = x509.make { subject = "CN=example.test", names = { "a.test", "b.test" },
      not_before = NOW - 100 * 86400, not_after = NOW - 3 * 86400 }
  end)

  it("tell when it expired", function()
    local err = failure { number = EXPIRED, depth = 0, chain = { leaf.der }, host = "example.test" }

    assert.equal("certificate of example.test expired 3 days ago, on 2026-09-18 (subject CN=example.test)",
      err.message)
    assert.equal("expired", err.reason)
    assert.equal("example.test", err.host)
    assert.equal(leaf, err.certificate)
    assert.matches("renew", err:explain(), 1, true)
    assert.equal(err.hint, err:explain())
  end)

  it("tell whom it is for", function()
    local err = failure { number = HOSTNAME, depth = 0, chain = { leaf }, host = "c.test" }

    assert.equal("certificate is for a.test, b.test and not for c.test", err.message)
    assert.same({ "a.test", "b.test" }, err.names)
  end)

  it("tell a few of many names", function()
    local names = {}
    for i = 1, 10000 do names[i] = ("n%d.test"):format(i) end
    local err = failure { number = HOSTNAME, depth = 0, chain = { x509.make { names = names } },
      host = "c.test" }

    assert.matches("n6.test, 9994 more and not", err.message, 1, true)
    assert.is_true(#err.message < 200)
    assert.equal(10000, #err.names)
  end)

  it("tell that there are no names, and that a name is no address", function()
    local bare = x509.make { subject = "CN=c.test" }
    assert.equal("no_names", failure({ number = HOSTNAME, depth = 0, chain = { bare },
      host = "c.test" }).reason)

    local err = failure { number = HOSTNAME, depth = 0, chain = { x509.make { names = { "127.0.0.1" } } },
      host = "127.0.0.1" }
    assert.equal("wrong_address", err.reason)
    assert.matches("only for the name 127.0.0.1", err.message, 1, true)
  end)

  it("tell which certificate of the chain is meant", function()
    local ca, key = x509.make { subject = "CN=My CA", ca = true }
    local c = x509.make { names = { "a.test" }, issuer = { certificate = ca, key = key } }
    local between = x509.make { subject = "CN=Between", ca = true, issuer = { certificate = ca, key = key } }

    assert.matches("^intermediate certificate CN=Between was revoked",
      failure({ number = REVOKED, depth = 1, chain = { c, between } }).message)
    assert.matches("^authority certificate CN=My CA was revoked",
      failure({ number = REVOKED, depth = 1, chain = { c, ca } }).message)
    assert.equal(ca, failure({ number = REVOKED, depth = 1, chain = { c, between },
      certificate = ca }).certificate)
    assert.matches('issued by "CN=My CA"', failure({ number = NOISSUER, depth = 0, chain = { c } }).message)
  end)

  it("show nothing that a terminal acts on", function()
    local evil = x509.make { subject = { { "CN", "\27[2J\0\r\n" } }, names = { "\27]0;x\7", "a\0b" } }
    for number = 0, 100 do
      local err = failure { number = number, depth = 0, chain = { evil }, host = "a\27[31m.test" }

      assert.is_nil(err.message:find "[\0-\x1f\x7f]", err.message)
    end
  end)

  it("are there for every number, with and without facts", function()
    for number = 0, 120 do
      for _, facts in ipairs { {}, { chain = {} }, { chain = { "rubbish" }, depth = 3 }, { chain = { leaf } },
        { chain = { leaf }, host = "x.test" }, { host = "::1" }, { chain = { leaf }, host = "127.0.0.1" } } do
        facts.number = number
        local err = failure(facts)

        assert.is_true(#err.message > 10 and #err:explain() > 10 and #err.reason > 0)
      end
    end
    assert.equal("other", failure({ number = UNHEARDOF }).reason)
  end)

  it("are general where no hint is known", function()
    assert.matches("authority that is trusted here", failure({ number = UNHEARDOF }):explain(), 1, true)
    assert.matches("fingerprint", failure({ number = SELFSIGNED, chain = { leaf } }):explain(), 1, true)
  end)
end)
