local connected = require "connected"
local secure = require "secure"

describe("a context of net.tls", function()
  it("reads files, whose paths stand where their text may", function()
    local a = secure.authority()
    local names = {}
    for index, text in ipairs { a.chain, a.key, a.capem } do
      names[index] = os.tmpname()
      local file <close> = assert(io.open(names[index], "w"))
      file:write(text)
    end
    local held <close>, left, right = connected.pair() -- luacheck: ignore held

    local context = assert(net.tls.context { cert = names[1], key = names[2], ca = names[3],
      cafile = names[3] })
    local task = net.spawn(right.starttls, right, { context = context, server = true }, 5)

    assert(left:starttls({ context = context, host = a.host }, 5))
    assert(task:join(30))
    for _, name in ipairs(names) do os.remove(name) end
  end)

  it("names the file that is not there, and what cannot be read", function()
    local _, err = net.tls.context { cert = "/nonexistent/cert", key = "x" }
    local _, folder = net.tls.context { ca = "/" }

    assert.equal("ENOENT", err.code)
    assert.equal('option "cert": /nonexistent/cert: no such file or directory', err.message)
    assert.matches("-----BEGIN", err:explain(), 1, true)
    assert.equal("TLS_CONFIG", folder.code)

    local name = os.tmpname()
    local _, empty = net.tls.context { ca = name }
    os.remove(name)
    assert.matches(name .. " is empty", empty.message, 1, true)
  end)

  it("takes the security level from no list of ciphers", function()
    -- "@SECLEVEL=0" there let weak certificates pass, also beside security_level = 2.
    for _, ciphers in ipairs { "ALL:@SECLEVEL=0", "DEFAULT@SECLEVEL=1" } do
      local made, err = net.tls.context { ciphers = ciphers, security_level = 2 }

      assert.is_nil(made)
      assert.equal("TLS_CONFIG", err.code)
      assert.matches('option "security_level"', err.message, 1, true)
    end
    assert(net.tls.context { ciphers = "ALL:@STRENGTH", security_level = 0 })
  end)

  it("names the word in a list that stands for nothing, of which OpenSSL says nothing", function()
    for _, row in ipairs {
      { "ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256:NOTHING", "NOTHING" }, { "ciphers", "ALL:!aNUL", "aNUL" },
      { "ciphers", "HIGH kRSA+NO", "NO" }, { "ciphers", "AES:DEFAULT", "DEFAULT" },
      { "ciphers", "HIGH:!ECDHE-RSA-AES128-GCM-SHA265", "ECDHE-RSA-AES128-GCM-SHA265" },
      { "ciphers", "ALL:DES-CBC3-SHAM", "DES-CBC3-SHAM" }, { "ciphers", "ALL:\27", "\\x1b" },
      { "ciphers", "ALL:TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256" },
      { "ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_AES_128_GCM_SHA257", "TLS_AES_128_GCM_SHA257" },
      { "ciphersuites", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" },
      { "ciphersuites", "TLS_AES_128_GCM_SHA256:", "" }, { "groups", "X25519:P-1", "P-1" },
    } do
      local made, err = net.tls.context { [row[1]] = row[2] }

      assert.is_nil(made)
      assert.equal("TLS_CONFIG", err.code)
      assert.matches(('option "%s": "%s" is no '):format(row[1], row[3]), err.message, 1, true)
    end
  end)

  it("takes lists with words for ciphers that OpenSSL has no more", function()
    for _, row in ipairs {
      { "ciphers", "DEFAULT:!RC4:!EXPORT" }, { "ciphers", "HIGH:MEDIUM:!aNULL:!MD5" },
      { "ciphers", "kRSA+AES, ALL;-SHA1 +PSK:!EDH-RSA-DES-CBC3-SHA:!KRB5-DES-CBC3-SHA:@STRENGTH" },
      { "ciphersuites", " TLS_AES_128_GCM_SHA256 : TLS_CHACHA20_POLY1305_SHA256" },
      { "groups", "x25519: P-256" },
    } do
      assert(net.tls.context { [row[1]] = row[2] })
    end
  end)

  it("raises for what it does not know", function()
    local long = {}
    for index = 1, 129 do long[index] = ("x"):rep(255) end
    for text, options in pairs {
      ['unknown option "hots"'] = { hots = "x" }, ['option "alpn"'] = { alpn = "h2" },
      ['option "alpn[1]"'] = { alpn = { "" } },
      ["of at most 32768 bytes in all"] = { alpn = long }, ['option "psk"'] = { psk = { [""] = "x" } },
      ['option "psk": at least one key'] = { psk = {} }, ['option "alpn[2]"'] = { alpn = { "a", nil, "b" } },
      ['option "alpn": names in a list alone'] = { alpn = { "a", b = "c" } },
      ['option "verify"'] = { verify = "yes" }, ['option "ocsp"'] = { ocsp = 1 },
      ['option "cert"'] = { cert = 1 }, ['option "crl_all"'] = { crl_all = 1 },
    } do
      local ok, message = pcall(net.tls.context, options)
      assert.is_false(ok)
      assert.matches(text, message, 1, true)
      assert.matches("bad argument #1 to 'context'", message, 1, true)
    end
  end)

  it("does not change the table it is made of", function()
    local options = { alpn = { "h2" } }
    net.tls.context(options)

    assert.same({ alpn = { "h2" } }, options)
  end)

  it("does not wait for a reader of the file for secrets", function()
    local path = os.tmpname()
    os.remove(path)
    assert(os.execute("mkfifo " .. path))
    local context, err = net.tls.context { keylog = path }
    os.remove(path)

    assert.is_nil(context)
    assert.equal("ENXIO", err.code)
  end)

  it("of several keys is one for servers", function()
    local context = assert(net.tls.context { psk = { one = "0123456789abcdef", two = "0123456789abcdef" } })

    assert.error_matches(function()
      net.connect("127.0.0.1", 1, { tls = { context = context, host = "x.test" } })
    end, 'option "psk": one key of a client expected, got 2')
  end)

  it("keeps no key and no password where a script could show them", function()
    local a = secure.authority()
    local context = assert(net.tls.context { cert = a.chain, key = a.key })

    for _, value in pairs(context.options) do assert.are_not.equal("string", type(value)) end
  end)

  it("never shows a key or a password in what it refuses", function()
    local a = secure.authority()
    local secret = "correct horse battery staple"
    local locked = assert(net.x509.generate_key { password = secret })
    for _, options in ipairs {
      { cert = a.chain, key = locked, password = secret },
      { cert = a.chain, key = locked, password = secret .. "x" },
      { cert = a.chain, key = a.key:sub(1, 100) }, { psk = { x = secret:rep(20) } },
      { cert = a.chain, key = a.key:gsub("%-+[^-]+%-+", "") }, { cert = a.chain, key = secret .. "\0" },
      { cert = a.chain, key = (a.key:gsub("%-+[^-]+%-+", ""):gsub("%s", "")) },
    } do
      local ok, made, err = pcall(net.tls.context, options)
      local text = ok and tostring(err) or made
      assert.is_nil(ok and made or nil)
      assert.is_nil(text:find(secret, 1, true))
      assert.is_nil(text:find(a.key:sub(40, 60), 1, true))
    end
  end)
end)
