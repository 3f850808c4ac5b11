local core = require "net.core.tlscontext"
local secure = require "secure"

local function refused(options)
  local made, err = core.context(options)
  assert.is_nil(made)
  assert.equal("TLS_CONFIG", err.code)
  return err.message
end

describe("a context", function()
  it("is made of nothing", function()
    assert.is_userdata((core.context {}))
  end)

  it("takes certificate, key and authorities as PEM text", function()
    local a = secure.authority()

    assert(core.context { cert = a.chain, key = a.key, ca = a.capem, client_ca = a.capem })
  end)

  it("opens a key with its password only", function()
    local a = secure.authority()
    local leaf, key = net.x509.make { subject = "CN=x", names = { "x.test" },
      issuer = { certificate = a.intermediate, key = a.intermediatekey }, key = a.key }
    assert.is_nil(key and nil)
    local locked = assert(net.x509.generate_key { password = "open sesame" })
    local own = assert(net.x509.make { subject = "CN=y", names = { "y.test" }, key = locked,
      password = "open sesame" })

    assert(core.context { cert = own:pem(), key = locked, password = "open sesame" })
    assert.matches('option "password" is missing', refused { cert = own:pem(), key = locked }, 1, true)
    assert.matches("that password", refused { cert = own:pem(), key = locked, password = "x" }, 1, true)
    assert.matches("belong", refused { cert = leaf:pem(), key = locked, password = "open sesame" }, 1, true)
  end)

  it("refuses what is no certificate, key or list, by the name of the option", function()
    local a = secure.authority()
    local broken = a.key:gsub("%w", "A", 40)
    local damaged = a.chain:gsub("\n%w%w%w", "\n!!!", 1)

    for _, option in ipairs { "ca", "cert", "client_ca", "crl", "key" } do
      assert.matches(('option "%s"'):format(option), refused { [option] = "text" }, 1, true)
    end
    assert.matches("broken", refused { cert = a.chain, key = broken }, 1, true)
    local text = refused { cert = damaged, key = a.key }
    assert.matches('option "cert": certificate 1 in it is damaged', text, 1, true)
    assert.matches('option "ca": certificate 2 in it is damaged',
      refused { ca = a.capem .. a.capem:gsub("\n%w+", "\nAAAA", 1) }, 1, true)
    assert.matches("there is no certificate in it", refused { ca = a.key }, 1, true)
    assert.matches("it is a delta", refused { crl = require "deltalist" }, 1, true)
  end)

  it("refuses a certificate of its own that is too weak, by the setting that says so", function()
    local key = net.x509.generate_key { type = "rsa", bits = 1024 }
    local weak = net.x509.make { names = { "a.test" }, key = key }:pem()

    local text = refused { cert = weak, key = key }
    assert.matches('option "cert": its key is too weak for the security_level', text, 1, true)
  end)

  it("refuses files and settings that OpenSSL does not take", function()
    local missing = 'option "cafile": /nonexistent: No such file or directory'
    assert.matches(missing, refused { cafile = "/nonexistent" }, 1, true)
    assert.matches("/dev/null: no certificates in it", refused { cafile = "/dev/null" }, 1, true)
    assert.matches("/nonexistent", refused { capath = "/nonexistent" }, 1, true)
    assert.matches("ciphers", refused { ciphers = "NOTHING" }, 1, true)
    assert.matches("ciphersuites", refused { ciphersuites = "NOTHING" }, 1, true)
    assert.matches("groups", refused { groups = "P-1" }, 1, true)
    assert.matches("older", refused { min = "TLSv1.3", max = "TLSv1.2" }, 1, true)
    assert.equal("ENOENT", select(2, core.context { keylog = "/nonexistent/file" }).code)
  end)

  it("finds the word of a list that stands for nothing", function()
    assert.is_nil(core.unknown("ciphers", { "ECDHE+AESGCM", "SUITEB128" }))
    assert.is_nil(core.unknown("ciphersuites", { "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384" }))
    assert.is_nil(core.unknown("groups", { "P-256", "X25519", "P-256" }))
    assert.is_nil(core.unknown("groups", {}))
    for option, words in pairs { ciphers = { "NOTHING", "" }, groups = { "P-1", "" },
      ciphersuites = { "NOTHING", "", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" } } do
      for _, word in ipairs(words) do assert.equal(word, core.unknown(option, { word, "x" })) end
    end
    assert.equal("NOTHING", core.unknown("ciphers", { "SUITEB128", "NOTHING" }))
  end)

  it("raises for fields it does not know and values of the wrong kind", function()
    for text, options in pairs {
      ['unknown option "cafil" (did you mean "cafile"?)'] = { cafil = "x" }, ['"depth"'] = { depth = 101 },
      ['"min"'] = { min = "SSLv3" }, ['"security_level"'] = { security_level = 6 },
      ['"session"'] = { session = 1 },
      ['"cafile"'] = { cafile = "a\0b" }, ['"verify_time"'] = { verify_time = -1 },
    } do
      local ok, message = pcall(core.context, options)
      assert.is_false(ok)
      assert.matches(text, message, 1, true)
    end
  end)

  it("stays until the collector takes it, whatever closes it", function()
    local context = assert(core.context {})

    assert.is_true(context:close())
    assert(require("net.core.tlssession").prepare(context, {}))
  end)
end)

describe("the trust of the system", function()
  it("is a folder with an index, a file, or both", function()
    local folder, file = core.systemtrust()

    assert.is_true(folder == nil or folder:find "^/" == 1)
    assert.is_true(file == nil or file:find "^/" == 1)
  end)

  it("may be empty: then nobody is trusted", function()
    local netlua = require "netlua"
    local out, err = netlua.shell("SSL_CERT_DIR=/nonexistent %s -e 'print(net.tls.context())'")

    assert.equal("", err)
    assert.matches("net.tls.context", out, 1, true)
  end)
end)
