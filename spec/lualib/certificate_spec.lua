local certificate = require "net.certificate"

local x509 = net.x509
local DAY = 86400

describe("the host that is to be checked", function()
  for host, name in pairs { ["a.test"] = "a.test", ["a.test."] = "a.test", ["127.1"] = "127.1",
    ["A.test"] = "A.test" } do
    it("is the name " .. name .. " for " .. host, function()
      assert.same({ name }, { certificate.target(host) })
    end)
  end

  for host, bytes in pairs { ["127.0.0.1"] = "\127\0\0\1",
    ["fe80::1%eth0"] = "\xfe\x80" .. ("\0"):rep(13) .. "\1",
    ["::ffff:127.0.0.1"] = ("\0"):rep(10) .. "\xff\xff\127\0\0\1" } do
    it("is an address for " .. host, function()
      assert.same({ nil, bytes }, { certificate.target(host) })
    end)
  end

  for _, host in ipairs { "", ".", ".a.test", "a\0b" } do
    it(("is nothing for %q"):format(host), function()
      assert.same({ n = 1 }, table.pack(certificate.target(host)))
    end)
  end
end)

describe("a certificate", function()
  local c

  setup(function()
    c = x509.make { subject = "CN=b.test,O=Büro\27[31m", names = { "*.a.test", "b.test" },
      addresses = { "192.0.2.1", "2001:db8::1" } }
  end)

  for host, answer in pairs {
    ["x.a.test"] = true, ["X.A.TEST"] = true, ["x.a.test."] = true, ["b.test"] = true, ["a.test"] = false,
    ["x.y.a.test"] = false, ["xb.test"] = false, [".a.test"] = false, [".test"] = false, [""] = false,
    ["192.0.2.1"] = true, ["192.0.2.2"] = false, ["2001:db8::1"] = true, ["2001:0db8::1%lo"] = true,
    ["2001:db8::2"] = false, ["::ffff:192.0.2.1"] = false, ["192.0.2.1."] = false, ["*.a.test"] = true,
    [("x"):rep(300)] = false,
  } do
    it((answer and "is" or "is not") .. " for " .. (#host > 0 and host or "nothing"), function()
      assert.equal(answer, c:matches(host))
    end)
  end

  it("is for no host with a NUL: that is misuse", function()
    assert.error_matches(function() c:matches "b.test\0.x" end, "#1 to 'matches'.*NUL")
  end)

  it("is one line without anything that a terminal acts on", function()
    local line = tostring(c)

    assert.is_nil(line:find "[\0-\x1f]")
    assert.matches("CN=b.test,O=Büro", line, 1, true)
    assert.matches("for *.a.test, b.test, 192.0.2.1, 2001:db8::1", line, 1, true)
    assert.matches("issued by itself", line, 1, true)
    assert.equal("x" .. line, "x" .. c)
  end)

  it("counts the days that are left, with fractions, and those that are over", function()
    assert.equal(0.5, c:days_left(c.not_after - DAY // 2))
    assert.equal(-2.0, c:days_left(c.not_after + 2 * DAY))
    assert.is_true(c:days_left() > 29)
  end)

  it("equals one of the same bytes and nothing else", function()
    assert.is_true(x509.parse(c:pem()) == c)
    assert.is_false(x509.make { subject = "CN=x" } == c)
    assert.is_false(c == c.der)
  end)

  it("gives its bytes, its key and its fingerprints", function()
    assert.equal(c.der, x509.parse(c.der).der)
    assert.equal(c.sha256, c:fingerprint())
    assert.equal(c.sha1, c:fingerprint "sha1")
    assert.equal(128, #c:fingerprint "sha512")
    assert.error_matches(function() c:fingerprint "sha256\0" end, "#1 to 'fingerprint'")
    assert.matches("^%-%-%-%-%-BEGIN PUBLIC KEY", c:public_key())
  end)

  it("shows everything, escaped", function()
    local text = c:text()

    assert.matches("DNS:*.a.test", text, 1, true)
    assert.is_nil(text:find "[\0-\9\11-\x1f]")
  end)

  it("knows what it issued by name and signature", function()
    local ca, key = x509.make { subject = "CN=CA", ca = true }
    local twin = x509.make { subject = "CN=CA", ca = true }
    local leaf = x509.make { names = { "a.test" }, issuer = { certificate = ca, key = key } }

    assert.is_true(ca:issued(leaf))
    assert.is_true(ca:issued(ca))
    assert.is_false(twin:issued(leaf))
    assert.is_false(leaf:issued(ca))
  end)

  it("verifies itself, with others to go between", function()
    local ca, cakey = x509.make { subject = "CN=CA", ca = true }
    local between, key = x509.make { subject = "CN=Between", ca = true,
      issuer = { certificate = ca, key = cakey } }
    local leaf = x509.make { names = { "a.test" }, issuer = { certificate = between, key = key } }

    assert.equal(3, #assert(leaf:verify { chain = between, ca = ca, host = "a.test" }).chain)
    local nothing, err = leaf:verify { ca = ca }
    assert.is_nil(nothing)
    assert.equal("unknown_issuer", err.reason)
  end)
end)
