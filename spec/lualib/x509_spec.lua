local netlua = require "netlua"

local x509 = net.x509

local function refused(data)
  local c, err = x509.parse(data)
  assert.is_nil(c)
  assert.equal("X509_PARSE", err.code)
  assert.equal("protocol", err.kind)
  assert.is_true(#err:explain() > 20)
  return err.message
end

describe("net.x509.parse", function()
  local c, key, csr

  setup(function()
    c, key = x509.make { subject = "CN=a.test,O=Test", names = { "a.test" }, addresses = { "192.0.2.1" } }
    csr = assert(x509.request { key = key, subject = "CN=a.test" })
  end)

  it("reads PEM and DER alike", function()
    assert.equal(c, x509.parse("words before\n" .. c:pem()))
    assert.equal(c, x509.parse(c.der))
  end)

  it("gives the first of several", function()
    local other = x509.make { subject = "CN=other" }

    assert.equal("CN=a.test,O=Test", x509.parse(c:pem() .. other:pem()).subject)
    assert.equal(2, #x509.parse_all(c:pem() .. other:pem()))
  end)

  it("says what is there instead", function()
    assert.matches("a private key", refused(key))
    assert.matches("a certificate request", refused(csr))
    assert.matches("a public key", refused(c:public_key()))
    assert.matches("a revocation list", refused(x509.make_crl { issuer = { certificate = c, key = key } }))
    assert.matches("nothing in it", refused "")
    assert.matches("HTML", refused "<!doctype html><html></html>")
    assert.matches("no line %-%-%-%-%-BEGIN CERTIFICATE", refused "hello")
    assert.matches("like DER", refused "0\3\1\2\3")
    assert.matches("a block of X\\x1b", refused "-----BEGIN X\27-----\nAAAA\n-----END X\27-----\n")
  end)

  it("tells no part of a key that stands where a certificate should", function()
    local _, err = x509.parse(key)

    assert.is_nil(tostring(err):find(key:match "\n(.-)\n", 1, true))
  end)

  it("refuses DER that ends early, at every byte, and DER with more behind it", function()
    for length = 1, #c.der - 1 do refused(c.der:sub(1, length)) end
    refused(c.der .. "\0")
    refused(c.der .. c.der)
  end)

  it("refuses PEM that is damaged, at any line", function()
    local pem = c:pem()
    local lines = {}
    for line in pem:gmatch "[^\n]+" do lines[#lines + 1] = line end
    for index = 2, #lines - 1 do
      local kept = lines[index]
      lines[index] = kept:sub(1, 10) .. "!" .. kept:sub(12)
      refused(table.concat(lines, "\n") .. "\n")
      lines[index] = kept
    end
    refused(pem:sub(1, -30))
  end)

  it("reads or refuses a certificate with any one byte changed, and shows what it reads", function()
    local read = 0
    for at = 1, #c.der do
      for _, change in ipairs { 0x01, 0x80, 0xff } do
        local bytes = c.der:sub(1, at - 1) .. string.char(c.der:byte(at) ~ change) .. c.der:sub(at + 1)
        local other, err = x509.parse(bytes)
        if other then
          read = read + 1
          assert.is_nil(tostring(other):find "[\0-\x1f\x7f]")
          assert.is_string(other:text())
          other:matches "a.test"
          assert.is_nil((other:verify { ca = c }))
        else
          assert.equal("X509_PARSE", err.code)
        end
      end
    end
    assert.is_true(read > 100)
  end)

  it("survives rubbish that looks like DER", function()
    math.randomseed(7)
    for _ = 1, 3000 do
      local bytes = { "\x30\x82" }
      for i = 2, math.random(2, 60) do bytes[i] = string.char(math.random(0, 255)) end
      refused(table.concat(bytes))
    end
  end)

  it("takes bytes only", function()
    assert.error_matches(function() x509.parse(5) end, "#1 to 'parse' %(string expected, got 5")
    assert.error_matches(function() x509.load "a\0b" end, "#1 to 'load'.*NUL")
  end)
end)

describe("a hostile certificate", function()
  it("shows a NUL in a name, and is not for what stands before it", function()
    local c = x509.make { subject = { { "CN", "a.test\0.evil.test" } }, names = { "a.test\0.evil.test" } }

    assert.equal("a.test\0.evil.test", c.names[1])
    assert.equal("a.test\0.evil.test", c.common_name)
    assert.equal("CN=a.test\\00.evil.test", c.subject)
    assert.is_false(c:matches "a.test")
    assert.matches("a.test\\x00.evil.test", tostring(c), 1, true)
  end)

  it("has its escape sequences escaped where it is shown", function()
    local c = x509.make { subject = { { "CN", "\27[2J\u{202e}\u{9b}x" }, { "O", "Ünïcode" } } }

    assert.equal("\27[2J\u{202e}\u{9b}x", c.common_name)
    assert.equal("O=Ünïcode,CN=\\1B[2J\\E2\\80\\AE\\C2\\9Bx", c.subject)
    assert.is_nil(tostring(c):find "[\0-\x1f]")
  end)

  it("may have 10,000 names", function()
    local names = {}
    for i = 1, 10000 do names[i] = ("host%d.example.test"):format(i) end
    local c = assert(x509.make { names = names })

    assert.same(names, c.names)
    assert.is_true(c:matches "host9999.example.test")
    assert.is_true(#tostring(c) < 300)
  end)

  it("may have dates before 1970 and until 9999", function()
    local c = x509.make { not_before = -86400 * 200, not_after = 253402300799 }

    assert.equal(-86400 * 200, c.not_before)
    assert.equal("1969-06-15T00:00:00Z", c.not_before_text)
    assert.equal(253402300799, c.not_after)
    assert.equal("9999-12-31T23:59:59Z", c.not_after_text)
    assert.equal(2051, tonumber(x509.make({ not_after = 2556144000 }).not_after_text:sub(1, 4)))
    assert.equal("1901-01-01", x509.make({ not_before = -2177452800 }).not_before_text:sub(1, 10))
  end)

  it("may have dates that are none", function()
    local good = x509.make { not_before = 1483228799, not_after = 1483228799 + 86400 }
    local der = good.der:gsub("161231235959Z", "161231235960Z")
    local c = assert(x509.parse(der))

    assert.is_nil(c.not_before)
    assert.equal("161231235960Z", c.not_before_text)
    local late = assert(x509.parse((good.der:gsub("170101235959Z", "170231235959Z"))))
    assert.is_nil(late.not_after)
    assert.is_nil(late:days_left())
    local verified, err = c:verify { ca = good, time = 1483228900, partial = true }
    assert.is_nil(verified)
    assert.equal("TLS_VERIFY", err.code)
  end)

  it("may have extensions that cannot be read, or are there twice", function()
    local c = x509.make { names = { "a.test" }, extensions = {
      { oid = "2.5.29.37", value = "rubbish" },
      { oid = "2.5.29.17", value = "\x30\x08\x82\6a.test" },
      { oid = "2.5.29.17", value = "\x30\x08\x82\6b.test" },
    } }

    table.sort(c.malformed)
    assert.same({ "extendedKeyUsage", "subjectAltName" }, c.malformed)
    assert.same({}, c.names)
  end)

  it("may have names of every other kind, and addresses that are none", function()
    local value = "\x30\x17\x87\3\1\2\3\x88\3\x2a\3\4\x81\5a@b.c\x86\4u://"
    local c = x509.make { extensions = { { oid = "2.5.29.17", value = value } } }

    assert.same({ "IP:010203", "RID:1.2.3.4" }, c.other_names)
    assert.same({ "a@b.c" }, c.emails)
    assert.same({ "u://" }, c.uris)
    assert.same({}, c.addresses)
  end)
end)

describe("the fields of a certificate", function()
  it("are those that were asked for", function()
    local ca, key = x509.make { subject = "CN=CA", ca = true, pathlen = 3 }
    local c = assert(x509.make { issuer = { certificate = ca, key = key }, serial = "0aFF",
      subject = { { "C", "DE" }, { "O", "a,b" }, { "CN", "c.test" } }, emails = { "a@b.test" },
        uris = { "u:x" },
      ocsp_urls = { "http://ocsp" }, crl_urls = { "http://crl" }, must_staple = true,
      key_usage = { "keyAgreement", "decipherOnly" }, extended_key_usage = { "codeSigning", "1.2.3.4" } })

    assert.equal("CN=c.test,O=a\\,b,C=DE", c.subject)
    assert.same({ name = "O", value = "a,b" }, c.subject_fields[2])
    assert.equal("CN=CA", c.issuer)
    assert.equal("0aff", c.serial)
    assert.equal(3, c.version)
    assert.same({ "keyAgreement", "decipherOnly" }, c.key_usage)
    assert.same({ "codeSigning", "1.2.3.4" }, c.extended_key_usage)
    assert.same({ "http://ocsp" }, c.ocsp_urls)
    assert.same({ "http://crl" }, c.crl_urls)
    assert.same({ "a@b.test" }, c.emails)
    assert.same({ "u:x" }, c.uris)
    assert.is_true(c.must_staple)
    assert.equal(ca.subject_key_id, c.authority_key_id)
    assert.same({ type = "ec", bits = 256, curve = "P-256" }, c.key)
    assert.equal("ecdsa-with-SHA256", c.signature_algorithm)
    assert.is_false(c.ca or c.self_issued)
    assert.is_true(ca.ca and ca.self_issued)
    assert.equal(3, ca.pathlen)
    assert.equal("2.5.29.19", c.extensions[1].oid)
    assert.equal("basicConstraints", c.extensions[1].name)
    assert.is_true(c.extensions[1].critical)
    assert.equal("3000", c.extensions[1].value)
    assert.same({}, c.malformed)
  end)

  it("are absent where a certificate has none", function()
    local c = x509.make { key_usage = {}, extended_key_usage = {} }

    for _, field in ipairs { "key_usage", "extended_key_usage", "pathlen", "name_constraints",
      "common_name" } do
      assert.is_nil(c[field], field)
    end
    assert.equal("", c.subject)
  end)
end)

describe("the openssl command", function()
  local possible = os.execute "command -v openssl >/dev/null"

  local function ask(pem, how)
    local name = os.tmpname()
    local f <close> = assert(io.open(name, "w"))
    f:write(pem)
    f:close()
    local out, err, status = netlua.shell(("openssl %s -in %s"):format(how, name))
    os.remove(name)
    assert.equal(0, status, err)
    return out
  end

  it("reads what is made here as it is read here", function()
    if not possible then return pending "no openssl here" end
    local c = x509.make { subject = "CN=a.test,O=x", names = { "a.test" }, addresses = { "::1" },
      serial = 4711 }

    local out = ask(c:pem(),
      "x509 -noout -subject -nameopt RFC2253 -serial -fingerprint -sha256 -ext subjectAltName")

    assert.matches("subject=CN=a.test,O=x\n", out, 1, true)
    assert.matches("serial=" .. c.serial:gsub("^0+", ""):upper(), out, 1, true)
    assert.equal(c.sha256, out:match "Fingerprint=(%S+)":gsub(":", ""):lower())
    assert.matches("DNS:a.test, IP Address:0:0:0:0:0:0:0:1", out, 1, true)
    assert.equal(c:public_key(), ask(c:pem(), "x509 -noout -pubkey"))
  end)

  it("finds the same chain trusted", function()
    if not possible then return pending "no openssl here" end
    local a = require("authority").new "a.test"
    local names = { os.tmpname(), os.tmpname() }
    for index, text in ipairs { a.capem, a.chain } do
      local f <close> = assert(io.open(names[index], "w"))
      f:write(text)
    end

    local command = "openssl verify -x509_strict -verify_hostname a.test -CAfile %s -untrusted %s %s"
    local out, _, status = netlua.shell(command:format(names[1], names[2], names[2]))
    for _, name in ipairs(names) do os.remove(name) end

    assert.matches("OK", out)
    assert.equal(0, status)
  end)

  it("reads requests and revocation lists", function()
    if not possible then return pending "no openssl here" end
    local ca, key = x509.make { subject = "CN=CA", ca = true }
    local csr = x509.request { subject = "CN=q", names = { "q.test" } }
    local crl = x509.make_crl { issuer = { certificate = ca, key = key }, revoked = { 255 } }

    assert.matches("DNS:q.test", ask(csr, "req -noout -text -verify"), 1, true)
    assert.matches("Serial Number: FF", ask(crl, "crl -noout -text"), 1, true)
  end)
end)
