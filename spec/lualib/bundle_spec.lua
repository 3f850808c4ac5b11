local bundle = require "net.bundle"

local x509 = net.x509

local function file(text)
  local name = os.tmpname()
  local f <close> = assert(io.open(name, "wb"))
  f:write(text)
  return name
end

describe("a bundle", function()
  local a, b, key

  setup(function()
    a, key = x509.make { subject = "CN=a" }
    b = x509.make { subject = "CN=b" }
  end)

  it("has the certificates in their order, whatever stands between", function()
    local text = "some words\n" .. a:pem() .. key .. "\nmore\r\n" .. b:pem():gsub("\n", "\r\n")

    local list = assert(bundle.parse(text, "op"))

    assert.same({ "CN=a", "CN=b" }, { list[1].subject, list[2].subject })
  end)

  it("takes the older and the trusted form of the block", function()
    for _, word in ipairs { "X509 CERTIFICATE", "TRUSTED CERTIFICATE" } do
      local list = assert(bundle.parse(a:pem():gsub("CERTIFICATE", word), "op"))

      assert.equal(a, list[1])
    end
  end)

  it("ends at a thousand certificates and at 16 MiB", function()
    assert.equal(1000, #assert(bundle.ders(a:pem():rep(1000), "op")))
    local many, err = bundle.ders(a:pem():rep(1001), "op")
    assert.is_nil(many)
    assert.equal("TOOBIG", err.code)
    local long, problem = bundle.ders(("x"):rep((1 << 24) + 1), "op")
    assert.is_nil(long)
    assert.equal("TOOBIG", problem.code)
  end)

  it("has no certificate of more than a mebibyte: what is made of one takes much more", function()
    local big = x509.make { extensions = { { oid = "1.2.3", value = ("x"):rep(1 << 20) } } }
    assert.is_nil(big)
    local near = assert(x509.make { extensions = { { oid = "1.2.3", value = ("x"):rep((1 << 20) - 1000) } } })
    local long = near.der .. ("x"):rep(2000)
    for _, data in ipairs { long, require("net.core.x509").armor("CERTIFICATE", long) } do
      local list, err = bundle.parse(data, "op")
      assert.is_nil(list)
      assert.equal("TOOBIG", err.code)
    end
  end)

  it("is a list of at most a thousand where it is to be judged", function()
    local list = {}
    for i = 1, 1001 do list[i] = a end
    local ders, err = bundle.flatten(list, "op")

    assert.is_nil(ders)
    assert.equal("TOOBIG", err.code)
  end)

  it("is a list of bytes where it is to be judged", function()
    local ders = assert(bundle.flatten({ a, b:pem(), b.der }, "op"))

    assert.same({ a.der, b.der, b.der }, ders)
    assert.same({ a.der }, bundle.flatten(a, "op"))
  end)

  it("says which file cannot be read", function()
    local name = file "no certificate"
    for path, code in pairs { ["/nonexistent"] = "ENOENT", ["/"] = "EISDIR", [name] = "X509_PARSE" } do
      local list, err = bundle.load(path, "op")

      assert.is_nil(list)
      assert.equal(code, err.code)
      assert.equal(path, err.address)
    end
    os.remove(name)
  end)

  it("reads no more of an endless file than it may", function()
    local list, err = bundle.load("/dev/zero", "op")

    assert.is_nil(list)
    assert.equal("TOOBIG", err.code)
  end)
end)
