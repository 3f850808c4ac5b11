local x509 = net.x509

local function unfit(nothing, err)
  assert.is_nil(nothing)
  assert.equal("TLS_CONFIG", err.code)
  assert.equal("tls", err.kind)
  return err
end

describe("net.x509.generate_key", function()
  for _, case in ipairs { { nil, "ec", 256 }, { { curve = "P-384" }, "ec", 384 },
    { { type = "ed25519" }, "ed25519", 256 }, { { type = "rsa" }, "rsa", 2048 },
    { { type = "rsa", bits = 1024 }, "rsa", 1024 } } do
    it(("makes a key of %d bits, %s"):format(case[3], case[2]), function()
      local key = assert(x509.generate_key(case[1]))

      local c = assert(x509.make { key = key })
      assert.equal(case[2], c.key.type)
      assert.is_true(math.abs(case[3] - c.key.bits) <= 3)
      assert(x509.verify { chain = c, ca = c, security_level = 0 })
    end)
  end

  it("encrypts with a password", function()
    local key = assert(x509.generate_key { password = "secret" })

    assert.matches("BEGIN ENCRYPTED PRIVATE KEY", key, 1, true)
    assert(x509.make { key = key, password = "secret" })
    assert.matches("password", unfit(x509.make { key = key, password = "wrong" }).message)
    assert.matches("no password", unfit(x509.make { key = key }).message)
  end)

  it("reports a curve that does not exist, and raises for what does not go together", function()
    unfit(x509.generate_key { curve = "P-257" })
    assert.error_matches(function() x509.generate_key { type = "rsa", curve = "P-256" } end, 'option "curve"')
    assert.error_matches(function() x509.generate_key { bits = 2048 } end, 'option "bits"')
    assert.error_matches(function() x509.generate_key { type = "dsa" } end, 'option "type"')
  end)

  it("asks nobody for a password, even on a terminal", function()
    local netlua = require "netlua"
    local name = os.tmpname()
    local f <close> = assert(io.open(name, "w"))
    f:write [[
      local ca, key = net.x509.make { subject = "CN=CA", ca = true }
      local locked = net.x509.generate_key { password = "secret" }
      local issuer = { certificate = ca, key = key }
      local function encrypted(pem)
        return (pem:gsub("\n",
          "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,000102030405060708090A0B0C0D0E0F\n\n", 1))
      end
      print(select(2, net.x509.make { key = locked }).code)
      print(select(2, net.x509.make { key = encrypted(key:gsub("PRIVATE", "EC PRIVATE")) }).code)
      print(select(2, net.x509.make { request = encrypted(net.x509.request()), issuer = issuer }).code)
      print(select(2, ca:verify { ca = ca, crl = encrypted(net.x509.make_crl { issuer = issuer }) }).code)
    ]]
    f:close()

    local out = netlua.shell(("python3 -c 'import pty; pty.spawn([\"%%s\", \"%s\"])'"):format(name))
    os.remove(name)

    assert.equal("TLS_CONFIG TLS_CONFIG TLS_CONFIG X509_PARSE ", (out:gsub("%s+", " ")))
  end)

  it("is never shown, nor a password", function()
    local key = x509.generate_key { password = "hunter2" }
    local body = key:match "\n(.-)\n"
    for _, call in ipairs {
      function() return x509.make { key = key, password = "wrong-hunter3" } end,
      function() return x509.make { key = key .. "\0", password = "hunter2" } end,
      function() return x509.make { key = key, password = "hunter2\0" } end,
      function() return x509.make { request = "x", key = key, password = "hunter2" } end,
      function() return x509.make { issuer = { certificate = "x", key = key, pasword = "hunter2" } } end,
      function() return x509.make { issuer = { certificate = key, key = key, password = "hunter2" } } end,
      function() return x509.make { issuer = { certificate = 5, key = key } } end,
      function() return x509.make { key = key, password = setmetatable({}, { __tostring = function()
        return "hunter2"
      end }) } end,
      function() return x509.parse(key) end,
    } do
      local _, first, second = pcall(call)
      local shown = tostring(first) .. tostring(second)

      assert.is_nil(shown:find("hunter", 1, true), shown)
      assert.is_nil(shown:find(body, 1, true), shown)
    end
  end)
end)

describe("net.x509.make", function()
  it("makes a key where there is none, and gives it", function()
    local c, key = assert(x509.make { subject = "CN=a" })

    assert.equal(c.public_key_sha256, x509.make({ key = key }).public_key_sha256)
    assert.is_nil(c:verify { ca = c, host = "a" })
  end)

  it("fits servers and clients, or authorities", function()
    local leaf, ca = x509.make(), x509.make { ca = true }

    assert.same({ "digitalSignature" }, leaf.key_usage)
    assert.same({ "serverAuth", "clientAuth" }, leaf.extended_key_usage)
    assert.same({ "digitalSignature", "keyCertSign", "cRLSign" }, ca.key_usage)
    assert.is_nil(ca.extended_key_usage)
    local rsa = x509.make { key = x509.generate_key { type = "rsa" } }
    assert.same({ "digitalSignature", "keyEncipherment" }, rsa.key_usage)
  end)

  it("draws numbers that do not repeat", function()
    local a, b = x509.make(), x509.make()

    assert.equal(16, #a.serial)
    assert.not_equal(a.serial, b.serial)
  end)

  for serial, hex in pairs { [0] = "00", [255] = "ff", ["0"] = "00", ["00ff"] = "ff", ["f"] = "0f",
    [("f"):rep(40)] = ("f"):rep(40) } do
    it("takes the number " .. serial, function()
      assert.equal(hex, x509.make({ serial = serial }).serial)
    end)
  end

  it("takes subjects as text and as a list", function()
    for text, first in pairs { ["CN=a,O=b"] = "O", ["CN=a\\,b"] = "CN", ["2.5.4.3=x"] = "CN",
      ["CN=\\41"] = "CN" } do
      assert.equal(first, x509.make({ subject = text }).subject_fields[1].name)
    end
    assert.equal("CN=A", x509.make({ subject = "CN=\\41" }).subject)
    local c = x509.make { subject = "CN=a,O=b\\,c,C=DE" }
    assert.equal("CN=a,O=b\\,c,C=DE", c.subject)
    assert.equal(c.subject, x509.make({ subject = c.subject_fields }).subject)
  end)

  for _, subject in ipairs { "x", "CN", "=x", "CN=x,", "CN=x+O=y", "NOSUCH=x", 5, { "CN=x" },
    { { "CN" } } } do
    it("raises for the subject " .. tostring(subject), function()
      assert.error_matches(function() x509.make { subject = subject } end, 'option "subject"')
    end)
  end

  for field, value in pairs { names = "a.test", addresses = { "300.1.1.1" }, emails = { 5 },
    serial = -1, days = 0 / 0, not_after = 1 << 50, key_usage = { "sign" }, extended_key_usage = { "web" },
    name_constraints = { permitted = { "a.test" } }, digest = "sha0", extensions = { { oid = "x",
      value = "" } },
    pathlen = 1, issuer = {}, ocsp_urls = 5, request = "no issuer beside it" } do
    it("raises for a wrong " .. field, function()
      assert.error_matches(function() x509.make { [field] = value } end, ('option "%s"'):format(field))
    end)
  end

  it("replaces its own extensions by those given, and leaves out", function()
    local c = x509.make { names = { "a.test" }, extensions = { { oid = "2.5.29.17", value = "0\0" },
      { oid = "basicConstraints", value = false }, { oid = "1.2.3.4", critical = true, value = "\5\0" } } }

    assert.same({}, c.names)
    for _, extension in ipairs(c.extensions) do assert.not_equal("2.5.29.19", extension.oid) end
    assert.same({ oid = "1.2.3.4", name = "1.2.3.4", critical = true, value = "0500" },
      c.extensions[#c.extensions])
  end)

  it("signs with the digest that is asked for", function()
    assert.equal("ecdsa-with-SHA1", x509.make({ digest = "sha1" }).signature_algorithm)
    assert.equal("ecdsa-with-SHA512", x509.make({ digest = "sha512" }).signature_algorithm)
    local rsa = x509.generate_key { type = "rsa", bits = 1024 }
    assert.equal("md5WithRSAEncryption", x509.make({ key = rsa, digest = "md5" }).signature_algorithm)
    unfit(x509.make { subject = { { "CN", "\255" } } }) -- no UTF-8: OpenSSL would not read it
    unfit(x509.make { digest = "md5" }) -- there is none by an EC key
  end)

  it("reports keys that are none, or another's", function()
    local ca, key = x509.make { subject = "CN=CA", ca = true }
    local c, other = x509.make()

    unfit(x509.make { key = "x" })
    unfit(x509.make { key = c:pem() })
    assert.matches("does not fit", unfit(x509.make { issuer = { certificate = ca, key = other } }).message)
    local made, err = x509.make { issuer = { certificate = "x", key = key } }
    assert.is_nil(made)
    assert.equal("X509_PARSE", err.code)
  end)
end)

describe("net.x509.request", function()
  local issuer

  setup(function()
    local ca, key = x509.make { subject = "CN=CA", ca = true }
    issuer = { certificate = ca, key = key }
  end)

  it("brings subject, key and names, and makes nobody an authority", function()
    local csr, key = assert(x509.request { subject = "CN=a", names = { "a.test" },
      extensions = { { oid = "2.5.29.19", value = "\x30\3\1\1\xff" } } })

    local c, none = assert(x509.make { request = csr, issuer = issuer })

    assert.equal("CN=a", c.subject)
    assert.same({ "a.test" }, c.names)
    assert.is_false(c.ca)
    assert.is_nil(none)
    assert.equal(x509.make({ key = key }).public_key_sha256, c.public_key_sha256)
  end)

  it("yields to what the issuer says", function()
    local csr = x509.request { subject = "CN=a", names = { "a.test" } }

    local c = assert(x509.make { request = csr, issuer = issuer, subject = "CN=b", names = { "b.test" } })

    assert.equal("CN=b", c.subject)
    assert.same({ "b.test" }, c.names)
  end)

  it("is refused if its signature is wrong, and if it is none", function()
    local csr = x509.request { subject = "CN=aaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
    local body = csr:gsub("YWFhYWFh", "YWFhYWFi", 1)

    assert.not_equal(csr, body)
    assert.matches("signature", unfit(x509.make { request = body, issuer = issuer }).message)
    assert.matches("no certificate request", unfit(x509.make { request = "x", issuer = issuer }).message)
  end)

  it("is made with any key", function()
    for _, options in ipairs { {}, { type = "rsa" }, { type = "ed25519" } } do
      local csr = assert(x509.request { key = x509.generate_key(options) })

      assert(x509.make { request = csr, issuer = issuer })
    end
    unfit(x509.request { key = "x" })
  end)
end)

describe("net.x509.make_crl", function()
  it("reports a key of another, and raises without an issuer", function()
    local ca = x509.make { ca = true }
    unfit(x509.make_crl { issuer = { certificate = ca, key = x509.generate_key() } })
    assert.error_matches(x509.make_crl, 'option "issuer"')
    assert.error_matches(function() x509.make_crl { revoked = { "x" } } end, 'option "revoked"')
  end)

  it("holds thousands", function()
    local ca, key = x509.make { subject = "CN=CA", ca = true }
    local serials = {}
    for i = 1, 5000 do serials[i] = i end
    local crl = assert(x509.make_crl { issuer = { certificate = ca, key = key }, revoked = serials })

    for serial, reason in pairs { [5000] = "revoked", [5001] = "good" } do
      local c = x509.make { serial = serial, issuer = { certificate = ca, key = key } }
      local _, err = x509.verify { chain = c, ca = ca, crl = crl }
      assert.equal(reason, err and err.reason or "good")
    end
  end)
end)
