local x509 = net.x509

local function constrained(constraints, names, addresses)
  local ca, key = assert(x509.make { subject = "CN=CA", ca = true, name_constraints = constraints })
  local leaf = assert(x509.make { names = names, addresses = addresses, subject = "CN=x",
    issuer = { certificate = ca, key = key } })
  local _, err = leaf:verify { ca = ca }
  return err and err.reason or "good", ca
end

describe("name constraints that are made here", function()
  it("hold for those who check", function()
    local permitted = { permitted = { "DNS:a.test", "IP:10.0.0.0/8", "IP:2001:db8::/32" } }

    assert.equal("good", (constrained(permitted, { "www.a.test" }, { "10.1.2.3", "2001:db8::1" })))
    assert.equal("name_constraints", (constrained(permitted, { "b.test" })))
    assert.equal("name_constraints", (constrained(permitted, {}, { "11.1.2.3" })))
    assert.equal("name_constraints", (constrained({ excluded = { "DNS:a.test" } }, { "a.test" })))
    assert.equal("good", (constrained({ excluded = { "DNS:a.test" } }, { "b.test" })))
  end)

  it("are read as they were given", function()
    local _, ca = constrained({ permitted = { "DNS:a.test", "IP:10.0.0.0/8", "email:b.test" },
      excluded = { "URI:c.test" } }, { "a.test" })

    assert.same({ permitted = { "DNS:a.test", "IP:10.0.0.0/255.0.0.0", "email:b.test" },
      excluded = { "URI:c.test" } }, ca.name_constraints)
  end)
end)

describe("an extension", function()
  it("is critical where the rules say so", function()
    local critical = {}
    for _, e in ipairs(x509.make({ names = { "a.test" } }).extensions) do critical[e.name] = e.critical end

    assert.same({ basicConstraints = true, keyUsage = true, extendedKeyUsage = false, subjectAltName = true,
      subjectKeyIdentifier = false, authorityKeyIdentifier = false }, critical)
    local named = x509.make { subject = "CN=a", names = { "a.test" } }
    for _, e in ipairs(named.extensions) do
      if e.name == "subjectAltName" then assert.is_false(e.critical) end
    end
  end)

  it("satisfies the strictest of OpenSSL's rules", function()
    local ca, key = x509.make { subject = "CN=CA", ca = true }
    local c = x509.make { names = { "a.test" }, issuer = { certificate = ca, key = key } }

    assert(c:verify { ca = ca, strict = true })
  end)
end)
