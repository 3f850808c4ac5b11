local core = require "net.core.ocsp"
local programs = require "server"
local secure = require "secure"
local stapling = require "stapling"

describe("a response of OCSP", function()
  local needs = programs.needing(stapling.openssl, "the package openssl", it, pending)
  local a = secure.authority()

  local function read(response, leaf, time)
    return core.read(response, (leaf or a.leaf).der, a.intermediate.der, time)
  end

  needs("tells what the authority says, and until when", function()
    local good = read(stapling.respond(a.leaf, a.intermediate, "V", a.intermediate, a.intermediatekey))
    local revoked = read(stapling.respond(a.leaf, a.intermediate, "R", a.intermediate, a.intermediatekey))
    local unknown = read(stapling.respond(a.leaf, a.intermediate, "E", a.intermediate, a.intermediatekey))

    assert.equal("good", good.status)
    assert.is_true(good.next_update > os.time() and good.this_update <= os.time())
    assert.equal("revoked", revoked.status)
    assert.equal("keyCompromise", revoked.reason)
    assert.equal(os.time { year = 2026, month = 1, day = 1, hour = 0 }, revoked.revoked_at + 0)
    assert.equal("unknown", unknown.status)
  end)

  needs("need not bring the certificate of the authority, which is known", function()
    local other = secure.authority "other.test"
    local namesake = assert(net.x509.make { subject = "CN=Test Intermediate", ca = true, key = other.key })
    for _, more in ipairs { "-resp_no_certs", "-resp_no_certs -resp_key_id" } do
      local bare = stapling.respond(a.leaf, a.intermediate, "V", a.intermediate, a.intermediatekey, nil, more)
      local forged = stapling.respond(a.leaf, a.intermediate, "V", namesake, other.key, nil, more)

      assert.equal("good", read(bare).status)
      assert.equal("it is not signed by the authority", read(forged).problem)
    end
  end)

  needs("is not believed where another signed it, about another certificate, or of another time", function()
    local other = secure.authority "other.test"
    local stranger = assert(net.x509.make { subject = "CN=Stranger", ca = true, key = other.key })
    local response = stapling.respond(a.leaf, a.intermediate, "V", a.intermediate, a.intermediatekey)
    local forged = stapling.respond(a.leaf, a.intermediate, "V", stranger, other.key)

    assert.same({ "invalid", "it is not signed by the authority" },
      { read(forged).status, read(forged).problem })
    assert.equal("it is about another certificate", read(response, other.leaf).problem)
    assert.equal("it is not of this time", read(response, nil, os.time() + 30 * 86400).problem)
    assert.equal("invalid", read(response, nil, os.time() - 30 * 86400).status)
  end)

  needs("that is damaged at any byte says nothing good", function()
    local response = stapling.respond(a.leaf, a.intermediate, "R", a.intermediate, a.intermediatekey)

    for at = 1, #response, 5 do
      local damaged = response:sub(1, at - 1) .. string.char(response:byte(at) ~ 0x41) .. response:sub(at + 1)
      assert.are_not.equal("good", read(damaged).status)
      assert.equal("invalid", read(response:sub(1, at - 1)).status)
    end
  end)

  it("is not there in what is none", function()
    for _, bytes in ipairs { "", "text", ("\48"):rep(100), "\48\3\10\1\1" } do
      assert.equal("invalid", read(bytes).status)
    end
    assert.is_false(pcall(core.read, "", "no certificate", a.leaf.der))
  end)

  needs("is fit to be stapled to the certificate that it is about", function()
    local response = stapling.respond(a.leaf, a.intermediate, "V", a.intermediate, a.intermediatekey)

    assert.is_nil(core.problem(response))
    assert.is_nil(core.problem(response, a.leaf.der))
    assert.equal("it is about another certificate", core.problem(response, a.intermediate.der))
    assert.equal("it is no OCSP response", core.problem "text")
  end)
end)
