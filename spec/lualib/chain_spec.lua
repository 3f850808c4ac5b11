local authority = require "authority"

local x509 = net.x509

local function refused(reason, options)
  local verified, err = x509.verify(options)
  assert.is_nil(verified)
  assert.equal("TLS_VERIFY", err.code)
  assert.equal("tls", err.kind)
  assert.equal(reason, err.reason)
  return err
end

describe("verification, of certificates in every state:", function()
  local matrix = authority.matrix "www.example.test"

  it("there are many", function()
    assert.is_true(#matrix >= 35, #matrix)
  end)

  for _, case in ipairs(matrix) do
    it(case.name .. " is " .. (case.reason and "refused: " .. case.reason or "accepted"), function()
      local options = { chain = case.chain, ca = case.ca, host = case.host, crl = case.crl }

      if not case.reason then
        assert.is_true(#assert(x509.verify(options)).chain >= 1)
      else
        local err = refused(case.reason, options)
        assert.equal(case.host, err.host)
        assert.is_true(#err:explain() > 20)
        assert.is_truthy(err.certificate.der)
      end
    end)
  end
end)

describe("verification", function()
  local a

  setup(function() a = authority.new "a.test" end)

  it("gives the chain from the leaf to the authority", function()
    local verified = assert(x509.verify { chain = a.chain, ca = a.capem, host = "a.test" })

    assert.same({ "CN=a.test", "CN=Test Intermediate", "CN=Test Root" },
      { verified.chain[1].subject, verified.chain[2].subject, verified.chain[3].subject })
  end)

  it("takes objects, PEM and DER, and what is between in any order", function()
    local other = x509.make { subject = "CN=other" }

    assert(x509.verify { chain = { a.leaf, other.der, a.intermediate:pem() }, ca = { a.ca.der, other } })
  end)

  it("trusts nobody who only came along", function()
    refused("self_signed_root", { chain = { a.leaf, a.intermediate, a.ca }, ca = {} })
    refused("self_signed_root", { chain = { a.leaf, a.intermediate, a.ca } }) -- the system's store
  end)

  it("blames a damaged certificate where OpenSSL finds no issuer for that reason", function()
    -- It was said that the issuer did not come with it, which had come.
    local issuer = { certificate = a.ca, key = a.cakey }
    local function below(options)
      options.subject, options.ca, options.issuer = "CN=Below", true, issuer
      return x509.make(options)
    end
    local sound, key = below {}
    local constraints = { oid = "2.5.29.30", critical = true, value = "\x30\3abc" }
    local unsound, other = below { extensions = { constraints } }
    local leaf = x509.make { names = { "a.test" }, issuer = { certificate = sound, key = key },
      extensions = { { oid = "2.5.29.15", value = "\4\0" } } }
    local plain = x509.make { names = { "a.test" }, issuer = { certificate = unsound, key = other } }

    local err = refused("malformed", { chain = { leaf, sound }, ca = a.ca, host = "a.test" })
    assert.equal(leaf, err.certificate)
    assert.matches("cannot be read, or are there twice: keyUsage", err.message, 1, true)
    err = refused("malformed", { chain = { plain, unsound }, ca = a.ca, host = "a.test" })
    assert.equal(unsound, err.certificate)
    assert.equal(1, err.depth)
    assert.matches("certificate CN=Below breaks the rules", err.message, 1, true)
    refused("unknown_issuer", { chain = { plain }, ca = a.ca, host = "a.test" })

    -- Of these, and of values that can be read and may not be, it was said that the issuer had another key.
    for oid, value in pairs { ["2.16.840.1.113730.1.1"] = "none", ["1.3.6.1.5.5.7.1.14"] = "none",
      ["2.5.29.15"] = "\3\2\7\0", ["2.5.29.19"] = "\x30\6\1\1\xff\2\1\xff" } do
      local odd = x509.make { names = { "a.test" }, issuer = { certificate = sound, key = key },
        extensions = { { oid = oid, value = value } } }
      err = refused("malformed", { chain = { odd, sound }, ca = a.ca, host = "a.test" })
      assert.equal(odd, err.certificate)
    end
  end)

  it("says that who came as the issuer is another", function()
    local function below()
      return x509.make { subject = "CN=Below", ca = true, issuer = { certificate = a.ca, key = a.cakey } }
    end
    local one, key = below()
    local other = below()
    local leaf = x509.make { names = { "a.test" }, issuer = { certificate = one, key = key } }

    local err = refused("unknown_issuer", { chain = { leaf, other }, ca = a.ca, host = "a.test" })
    assert.matches("in that name is another, by its key", err.message, 1, true)
  end)

  it("trusts an intermediate only where partial chains are asked for", function()
    refused("unknown_issuer", { chain = a.leaf, ca = a.intermediate })
    assert.equal(2, #assert(x509.verify { chain = a.leaf, ca = a.intermediate, partial = true }).chain)
  end)

  it("takes a file, a folder and the environment's store", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir %s"):format(folder)))
    local name = folder .. "/ca.pem"
    local f <close> = assert(io.open(name, "w"))
    f:write(a.capem)
    f:close()

    assert(x509.verify { chain = a.chain, cafile = name })
    refused("unknown_issuer", { chain = a.chain, capath = folder })
    if os.execute "command -v openssl >/dev/null" then
      assert(os.execute(("openssl rehash %s"):format(folder)))
      assert(x509.verify { chain = a.chain, capath = folder })
    end
    local script = ("assert(net.x509.verify { chain = assert(net.x509.load %q) })"):format(name)
    local netlua = require "netlua"
    local _, err = netlua.shell(("SSL_CERT_FILE=%s %%s -e '%s'"):format(name, script))
    assert.equal("", err)
    assert(os.execute("rm -r " .. folder))
  end)

  it("tells a file and a folder that are not there", function()
    for _, field in ipairs { "cafile", "capath" } do
      local verified, err = x509.verify { chain = a.chain, [field] = "/nonexistent" }

      assert.is_nil(verified)
      assert.equal("ENOENT", err.code)
    end
  end)

  it("asks for the time that is given", function()
    local err = refused("expired", { chain = a.chain, ca = a.ca, time = a.leaf.not_after + 86400 })
    assert.matches("expired 1 day ago", err.message, 1, true)
    refused("not_yet_valid", { chain = a.chain, ca = a.ca, time = a.leaf.not_before - 1 })
    assert(x509.verify { chain = a.chain, ca = a.ca, time = a.leaf.not_before })
  end)

  it("asks for the purpose that is given", function()
    local client = x509.make { subject = "CN=client", extended_key_usage = { "clientAuth" },
      issuer = { certificate = a.ca, key = a.cakey } }

    refused("wrong_purpose", { chain = client, ca = a.ca })
    assert(x509.verify { chain = client, ca = a.ca, purpose = "client" })
    assert(x509.verify { chain = client, ca = a.ca, purpose = "any" })
  end)

  it("limits the depth", function()
    assert(x509.verify { chain = a.chain, ca = a.ca, depth = 1 })
    refused("too_long", { chain = a.chain, ca = a.ca, depth = 0 })
  end)

  it("accepts weak keys and signatures only at level 0", function()
    local weak = x509.make { names = { "a.test" }, digest = "sha1",
      issuer = { certificate = a.ca, key = a.cakey } }

    for level = 1, 5 do
      local verified = x509.verify { chain = weak, ca = a.ca, security_level = level }
      assert.is_nil(verified)
    end
    assert(x509.verify { chain = weak, ca = a.ca, security_level = 0 })
  end)

  it("obeys RFC 5280 to the letter where it is asked to", function()
    local bare = x509.make { names = { "a.test" }, issuer = { certificate = a.ca, key = a.cakey },
      extensions = { { oid = "2.5.29.35", value = false } } }

    assert(x509.verify { chain = bare, ca = a.ca })
    refused("malformed", { chain = bare, ca = a.ca, strict = true })
  end)

  it("checks the lists of the whole chain where it is asked to", function()
    local leaves = assert(x509.make_crl { issuer = { certificate = a.intermediate,
      key = a.intermediatekey } })
    local roots = assert(x509.make_crl { issuer = { certificate = a.ca, key = a.cakey },
      revoked = { a.intermediate } })

    assert(x509.verify { chain = a.chain, ca = a.ca, crl = leaves })
    refused("no_crl", { chain = a.chain, ca = a.ca, crl = leaves, crl_all = true })
    local err = refused("revoked", { chain = a.chain, ca = a.ca, crl = { leaves, roots }, crl_all = true })
    assert.equal(1, err.depth)
    assert.equal(a.intermediate, err.certificate)
  end)

  it("refuses a list that is out of date, or that another signed", function()
    local by = { certificate = a.intermediate, key = a.intermediatekey }
    local old = assert(x509.make_crl { issuer = by, not_before = os.time() - 86400 * 9, days = 1 })
    refused("bad_crl", { chain = a.chain, ca = a.ca, crl = old })

    local twin, key = x509.make { subject = "CN=Test Intermediate", ca = true,
      extensions = { { oid = "2.5.29.14", value = false } } }
    local forged = assert(x509.make_crl { issuer = { certificate = twin, key = key }, revoked = { a.leaf } })
    refused("bad_crl", { chain = a.chain, ca = a.ca, crl = forged })
  end)

  it("reports what is no certificate or list", function()
    for _, options in ipairs { { chain = "x" }, { chain = { a.leaf, "x" } }, { chain = a.chain, ca = "x" },
      { chain = a.chain, ca = a.ca, crl = "x" }, { chain = a.chain, ca = a.ca, crl = { "" } },
      { chain = a.chain, ca = a.ca, crl = "0\3\1\2\3" }, { chain = a.chain, ca = a.ca, crl = a.capem } } do
      local verified, err = x509.verify(options)

      assert.is_nil(verified)
      assert.equal("X509_PARSE", err.code)
    end
  end)

  for message, options in pairs {
    ['option "chain": at least one'] = { chain = {} },
    ['option "host": name or address'] = { chain = "x", host = ".test" },
    ['option "host": string'] = { chain = "x", host = "a.test\0.x" },
    ['unknown option "hostname"'] = { chain = "x", hostname = "a" },
    ['option "purpose"'] = { chain = "x", purpose = "server\0" },
    ['option "security_level"'] = { chain = "x", security_level = -1 },
    ['option "time"'] = { chain = "x", time = 1 << 40 },
    ['option "ca"'] = { chain = "x", ca = { 5 } },
    ['option "crl"'] = { chain = "x", crl = { {} } },
  } do
    it("raises for a wrong " .. message, function()
      local ok, err = pcall(x509.verify, options)

      assert.is_false(ok)
      assert.matches(message, err, 1, true)
    end)
  end

  it("does not end where authorities sign each other in a circle", function()
    local akey, bkey = x509.generate_key(), x509.generate_key()
    local root1 = x509.make { subject = "CN=A", ca = true, key = akey }
    local root2 = x509.make { subject = "CN=B", ca = true, key = bkey }
    local one = x509.make { subject = "CN=A", ca = true, key = akey, issuer = { certificate = root2,
      key = bkey } }
    local two = x509.make { subject = "CN=B", ca = true, key = bkey, issuer = { certificate = root1,
      key = akey } }
    local leaf = x509.make { names = { "a.test" }, issuer = { certificate = one, key = akey } }

    local verified, err = x509.verify { chain = { leaf, one, two }, ca = a.ca }

    assert.is_nil(verified)
    assert.equal("TLS_VERIFY", err.code)
  end)
end)
