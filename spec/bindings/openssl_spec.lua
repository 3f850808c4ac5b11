-- What openssl.c holds is seen through the bindings that use it.

local certify = require "net.core.certify"
local compile = require "compile"
local core = require "net.core.x509"
local decode = require("net.core.certificate").decode
local netlua = require "netlua"
local trust = require "net.core.trust"

-- Every function that takes the bytes of a certificate.
local readers = {
  decode = decode,
  show = core.show,
  spki = core.spki,
  matches = function(der) return core.matches(der, "a.test") end,
  issued = function(der) return core.issued(der, der) end,
}

describe("what the bindings of OpenSSL share", function()
  local key, spki

  setup(function()
    key = assert(certify.generate("EC", "P-256"))
    spki = assert(certify.public(key))
  end)

  -- A certificate with an extension of so many bytes, and another.
  local function certificate(size)
    return assert(certify.certificate { serial = "\1", not_before = 0, not_after = 86400,
      subject = { { "CN", "a" } }, spki = spki, signer = key,
      extensions = { { "1.2.3", false, ("x"):rep(size) }, { "1.2.4", false, ("x"):rep(size) } } })
  end

  it("takes the bytes of a certificate whole, and no more", function()
    local der = certificate(1)

    for name, read in pairs(readers) do
      assert.not_nil((read(der)), name)
      for _, bytes in ipairs { "", "x", der:sub(1, -2), der .. "\0" } do
        local answer, err = read(bytes)

        assert.is_nil(answer, name)
        assert.equal("X509_PARSE", err.code)
      end
    end
  end)

  it("has a limit for the size of a certificate", function()
    local most, more = certificate((1 << 19) - 1000), certificate(1 << 19)

    assert.is_true(#most <= 1 << 20 and #more > 1 << 20)
    for name, read in pairs(readers) do
      assert.not_nil((read(most)), name)
      local answer, err = read(more)

      assert.is_nil(answer, name)
      assert.equal(name == "decode" and "TOOBIG" or "X509_PARSE", err.code)
    end
  end)

  it("lets no error speak for a later call, of whichever binding", function()
    for _, fail in ipairs { function() return decode "x" end, function() return core.show "x" end,
      function() return certify.public "x" end, function() return trust.verify({ "x" }, {}) end } do
      assert.is_nil((fail()))

      assert.same({ {}, {} }, { core.split "nothing" })
    end
  end)

  it("raises where OpenSSL has no memory, and calls nothing malformed then", function()
    local module = compile.module("spec/support/starve.c", "-lcrypto -Wl,-z,nodelete")

    local out, err = netlua.run(([[
      local starve = assert(package.loadlib(%q, "luaopen_starve"))()
      local c = assert(net.x509.make { names = { "a.test" } })
      local pem = c:pem()
      local core, decode = require "net.core.x509", require("net.core.certificate").decode
      for _, call in ipairs { function() return decode(c.der) end, function() return core.show(c.der) end,
        function() return core.split(pem) end, function() return core.armor("X", c.der) end } do
        assert(call())
        starve.crypto(1, -1)
        local fine, message = pcall(call)
        starve.rest()
        print(fine, message:match "[^:]+$")
      end
    ]]):format(module))
    os.remove(module)

    assert.equal("", err)
    assert.equal(("false\t not enough memory\n"):rep(4), out)
  end)
end)
