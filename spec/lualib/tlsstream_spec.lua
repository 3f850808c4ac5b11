local authority = require "authority"
local connected = require "connected"
local netlua = require "netlua"
local peer = require "peer"
local programs = require "server"
local secure = require "secure"

-- The client's view of a server with those options: its info, or nil and the error.
local function view(client, server)
  local listening <close> = secure.serve(server)
  local s, err = secure.connect(listening, client)
  if not s then return nil, err end
  local held <close> = s -- luacheck: ignore held
  assert(s:write "ping\n")
  local answer, failed = s:read()
  if not answer then return nil, failed end
  return s:tls()
end

describe("a client", function()
  for _, row in ipairs(authority.matrix "www.example.test") do
    it(("%s a certificate that is: %s"):format(row.reason and "refuses" or "takes", row.name), function()
      local seen
      local options = { cert = row.chain, key = row.key, security_level = 0 }
      local server <close> = secure.serve(options, function(client) seen = client:recv(1) or "nothing" end)

      local s, err = net.connect(server.host, server.port,
        { tls = { ca = row.ca, host = row.host, crl = row.crl }, timeout = 5 })

      if row.reason then
        assert.is_nil(s)
        assert.equal("TLS_VERIFY", err.code)
        assert.equal(row.reason, err.reason)
        assert.equal(row.host, err.host)
        assert.equal("tls", err.kind)
        assert.equal(server.port, err.port)
        assert.is_true(#err.message > 20 and #err:explain() > 20)
        assert.is_nil(seen)
      else
        assert(s, err)
        assert.is_true(s:tls().verified)
        s:close()
      end
    end)
  end

  it("refuses all of them by default: no authority of a test is trusted by the system", function()
    local server <close> = secure.serve()

    local s, err = net.connect(server.host, server.port, { tls = { host = "server.test" }, timeout = 5 })

    assert.is_nil(s)
    assert.equal("unknown_issuer", err.reason)
  end)

  it("checks the address that it connects to where no name is given", function()
    local server <close> = secure.serve()

    local _, err = net.connect(server.host, server.port,
      { tls = { ca = secure.authority().capem }, timeout = 5 })

    assert.equal("TLS_VERIFY", err.code)
    assert.equal("127.0.0.1", err.host)
    assert.equal("wrong_address", err.reason)
  end)

  it("believes anything with verify = false, on that call alone, and says so", function()
    local server <close> = secure.serve()
    local context = assert(net.tls.context())

    local loose <close> = assert(net.connect(server.host, server.port,
      { tls = { context = context, host = "wrong.test", verify = false }, timeout = 5 }))
    local info = loose:tls()
    local strict, err = net.connect(server.host, server.port,
      { tls = { context = context, host = "wrong.test" }, timeout = 5 })

    assert.is_false(info.verified)
    assert.equal(2, #info.chain)
    assert.is_nil(strict)
    assert.equal("TLS_VERIFY", err.code)
  end)

  it("judges certificates for another time", function()
    local later = os.time() + 400 * 86400
    local _, err = view { verify_time = later }

    assert.equal("expired", err.reason)
  end)

  it("never resumes what was made without verification for a call that verifies", function()
    local server <close> = secure.serve()
    local context = assert(net.tls.context { ca = secure.authority().capem, max = "TLSv1.2" })
    local function connect(verify, host)
      local s, err = net.connect(server.host, server.port,
        { tls = { context = context, host = host, verify = verify }, timeout = 5 })
      if not s then return nil, err end
      local held <close> = s -- luacheck: ignore held
      s:write "x\n"
      s:read()
      return s:tls().resumed
    end

    assert.is_false(connect(false, "wrong.test"))
    assert.is_true(connect(false, "wrong.test"))
    assert.equal("wrong_host", select(2, connect(nil, "wrong.test")).reason)
    assert.is_false(connect(nil, "server.test"))
    assert.is_true(connect(nil, "server.test"))
    assert.equal("wrong_host", select(2, connect(nil, "wrong.test")).reason)
  end)

  it("takes no name for all that are below it, nor what is no name", function()
    for _, host in ipairs { ".test", ".", "..", "unix:/path", ".\27", ("x"):rep(256), "server.test\r\nX",
      "server.test ", "*.test" } do
      local held <close>, a, b = connected.pair() -- luacheck: ignore held
      local ok, err = secure.shake(a, b, { host = host })

      assert.is_nil(ok)
      assert.equal("TLS_CONFIG", err.code)
      assert.is_nil(err.message:find "\27")
    end
    local _, err = net.connect(".test", 1, { tls = true })
    assert.equal("TLS_CONFIG", err.code)
  end)

  it("needs to know whom to expect on a path", function()
    local ok, message = pcall(net.connect, "unix:/nonexistent", nil, { tls = true })

    assert.is_false(ok)
    assert.matches('option "host"', message, 1, true)
  end)

  it("sends the name it asks for, and no address", function()
    local names = {}
    local server <close> = secure.serve { servername = function(name) names[#names + 1] = name end }
    local a = secure.authority()

    for _, host in ipairs { "server.test", "SERVER.test.", "127.0.0.1" } do
      local s = net.connect(server.host, server.port, { tls = { ca = a.capem, host = host }, timeout = 5 })
      if s then s:close() end
    end

    assert.same({ "server.test", "server.test" }, names)
  end)

  it("keeps the deadline over everything", function()
    local silent <close> = assert(net.listen("127.0.0.1", 0))
    local began = net.now()

    local s, err = net.connect("127.0.0.1", select(2, silent:getsockname()), { tls = true, timeout = 0.05 })

    assert.is_nil(s)
    assert.equal("TIMEOUT", err.code)
    assert.equal("handshake", err.op)
    assert.equal("127.0.0.1", err.address)
    assert.is_true(net.now() - began < 20)
  end)

  it("tells a mistake in its options before anything is connected", function()
    local calls = {
      ['unknown option "cafil"'] = { cafil = "x" }, ['option "min"'] = { min = "SSLv3" },
      ['option "verify"'] = { verify = 1 }, ['option "alpn"'] = { alpn = {} },
      ['option "ocsp"'] = { ocsp = 1 }, ['option "ocsp": boolean or "required"'] = { ocsp = "Required" },
      ['option "psk"'] = { psk = { 1 } },
      ['option "host"'] = { host = "a\0b" }, ['option "dane"'] = { dane = {} },
      ['option "context"'] = { context = {} }, ['option "depth"'] = { depth = -1 },
      ['option "ca" in the context'] = { context = assert(net.tls.context()), ca = "x" },
    }
    for text, options in pairs(calls) do
      local ok, message = pcall(net.connect, "127.0.0.1", 1, { tls = options })
      assert.is_false(ok, text)
      assert.matches(text, message, 1, true)
      assert.matches("bad argument #3 to 'connect'", message, 1, true)
    end
  end)

  it("says what it cannot use, and why", function()
    local a = secure.authority()
    local other = assert(net.x509.generate_key())
    local locked = assert(net.x509.generate_key { password = "secret word" })
    local rows = {
      { { ca = "-----BEGIN nothing" }, "ca", "no certificate" },
      { { cafile = "/nonexistent" }, "cafile", "/nonexistent" },
      { { cert = a.chain, key = other }, "key", "does not belong" },
      { { cert = a.chain, key = locked }, "key", "password" },
      { { cert = a.chain, key = locked, password = "wrong" }, "key", "with that password" },
      { { cert = a.chain, key = a.chain }, "key", "no private key" }, { { cert = a.chain }, "cert", '"key"' },
      { { key = a.key }, "key", '"cert"' }, { { ciphers = "nothing" }, "ciphers", "no cipher" },
      { { ciphersuites = "nothing" }, "ciphersuites", "no cipher suite" },
      { { groups = "nothing" }, "groups", "no group" },
      { { crl = "-----BEGIN" }, "crl", "no list" }, { { min = "TLSv1.3", max = "TLSv1.2" }, "max", "older" },
      { { host = "b\xc3\xbccher.test" }, "b\xc3\xbccher", "xn--" },
    }
    for _, row in ipairs(rows) do
      local s, err = net.connect("127.0.0.1", 1, { tls = row[1] })

      assert.is_nil(s)
      assert.equal("TLS_CONFIG", err.code)
      assert.matches(row[2], err.message, 1, true)
      assert.matches(row[3], err.message, 1, true)
      assert.is_nil(err.message:find("secret word", 1, true))
    end
    assert.equal("ENOENT", select(2, net.connect("127.0.0.1", 1, { tls = { ca = "/nonexistent/ca" } })).code)
  end)
end)

describe("what is told of a connection", function()
  it("names protocol, cipher, group and certificates", function()
    local info = view()

    assert.equal("TLSv1.3", info.protocol)
    assert.matches("^TLS_", info.cipher)
    assert.equal("x25519", info.group)
    assert.is_true(info.verified)
    assert.is_false(info.resumed)
    assert.is_false(info.early_data)
    assert.is_false(info.server)
    assert.equal("server.test", info.host)
    assert.equal("CN=server.test", info.certificate.subject)
    assert.equal(2, #info.chain)
    assert.equal("CN=Test Root", info.trusted[3].subject)
  end)

  it("follows what the options ask for", function()
    local old = view { max = "TLSv1.2", ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256", groups = "P-384:P-256" }
    local new = view({ groups = "P-256" }, { ciphersuites = "TLS_CHACHA20_POLY1305_SHA256" })

    assert.same({ "TLSv1.2", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "secp384r1" },
      { old.protocol, old.cipher, old.group })
    assert.same({ "TLS_CHACHA20_POLY1305_SHA256", "secp256r1" }, { new.cipher, new.group })
  end)

  it("has no group that takes long to work with, unless it is named", function()
    -- A stranger's ClientHello kept a server busy for a tenth of a second, and a server its clients.
    for _, group in ipairs { "ffdhe6144", "ffdhe8192" } do
      local _, err = view({}, { groups = group })
      local _, refused = view { groups = group }

      assert.equal("handshake_failure", err.alert)
      assert.equal("handshake_failure", refused.alert)
    end
    assert.equal("ffdhe6144", view({ groups = "ffdhe6144" }, { groups = "ffdhe6144:P-256" }).group)
    assert.equal("ffdhe3072", view({ groups = "ffdhe3072" }).group)
  end)

  it("has the groups of the listener, however large, for each of its names", function()
    local plain = { ["server.test"] = secure.server() }
    local named = { ["server.test"] = secure.server { groups = "ffdhe6144" } }
    local client = { groups = "ffdhe6144" }

    assert.equal("ffdhe6144", view(client, { groups = "ffdhe6144", servername = plain }).group)
    local _, err = view(client, { servername = named })
    assert.equal("handshake_failure", err.alert)
  end)

  it("is nil of a plain stream, and CLOSED of a closed one", function()
    local held <close>, a = connected.pair() -- luacheck: ignore held
    local info, err = a:tls()

    assert.is_nil(info)
    assert.is_nil(err)
    a:close()
    assert.equal("CLOSED", select(2, a:tls()).code)
  end)

  it("has the same bytes at both ends for those who bind to it, and others for each connection", function()
    local a <close>, b = secure.pair()
    local c <close>, d = secure.pair()
    local held <close> = b -- luacheck: ignore held

    assert.equal(32, #a:channel_binding())
    assert.equal(a:channel_binding(), b:channel_binding "tls-exporter")
    assert.are_not.equal(a:channel_binding(), c:channel_binding())
    assert.equal(a:channel_binding "tls-server-end-point", d:channel_binding "tls-server-end-point")
    assert.equal(secure.authority().leaf:fingerprint "sha256",
      (a:channel_binding("tls-server-end-point"):gsub(".", function(byte)
        return ("%02x"):format(byte:byte())
      end)))
    assert.equal(a:export_key("EXPORTER-x", 40, "c"), b:export_key("EXPORTER-x", 40, "c"))
    assert.are_not.equal(a:export_key("EXPORTER-x", 40, "c"), a:export_key("EXPORTER-x", 40))
    d:close()
  end)
end)

describe("a session", function()
  for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
    it("is resumed with " .. version .. ", and verified again", function()
      local server <close> = secure.serve()
      local context = assert(net.tls.context { ca = secure.authority().capem, max = version })
      local infos = {}

      for index = 1, 3 do
        local s <close> = assert(net.connect(server.host, server.port,
          { tls = { context = context, host = "server.test" }, timeout = 5 }))
        s:write "x\n"
        s:read()
        infos[index] = s:tls()
      end

      assert.same({ false, true, true }, { infos[1].resumed, infos[2].resumed, infos[3].resumed })
      assert.is_true(infos[3].verified)
      assert.equal("CN=server.test", infos[3].certificate.subject)
    end)
  end

  it("is not resumed with session = false, nor by another context", function()
    local server <close> = secure.serve()
    for _, options in ipairs { secure.client { session = false }, secure.client() } do
      for _ = 1, 2 do
        local s <close> = assert(net.connect(server.host, server.port, { tls = options, timeout = 5 }))
        s:write "x\n"
        s:read()
        assert.is_false(s:tls().resumed)
      end
    end
  end)
end)

describe("application protocols", function()
  it("are agreed on, the server's best first", function()
    local both = view({ alpn = { "http/1.1", "h2" } }, { alpn = { "h2", "http/1.1" } })
    local none = view({ alpn = { "h2" } })

    assert.equal("h2", both.alpn)
    assert.is_nil(none.alpn)
  end)

  it("may hold any byte", function()
    local names = { "a\0b", ("\n"):rep(10) }

    assert.equal("a\0b", view({ alpn = names }, { alpn = names }).alpn)
  end)

  it("that the server does not speak are refused", function()
    local info, err = view({ alpn = { "x" } }, { alpn = { "h2" } })

    assert.is_nil(info)
    assert.equal("TLS_HANDSHAKE", err.code)
    assert.equal("no_application_protocol", err.alert)
  end)
end)

describe("a server", function()
  it("asks again where the choice by the name was interrupted", function()
    local calls = 0
    local one = secure.authority "one.test"
    local context = assert(net.tls.context { cert = one.chain, key = one.key })
    local listener <close> = assert(net.listen("127.0.0.1", 0, { tls = secure.server {
      servername = function()
        calls = calls + 1
        if calls == 1 then error "not this time" end
        return context
      end,
    } }))
    local host, port = listener:getsockname()
    local client = net.spawn(net.connect, host, port,
      { tls = { ca = one.capem, host = "one.test" }, timeout = 5 })
    local s <close> = assert(listener:accept(5))

    assert.error_matches(function() s:handshake(5) end, "not this time")
    assert(s:handshake(5))

    assert.equal("CN=one.test", assert(client:join(30)):tls().certificate.subject)
  end)

  it("keeps the context that was made for one client", function()
    local made = setmetatable({}, { __mode = "v" })
    local server <close> = secure.serve {
      servername = function()
        made[1] = assert(net.tls.context(secure.server()))
        return made[1]
      end,
    }
    local s <close> = assert(secure.connect(server))
    s:write "x\n"
    assert.equal("x", s:read())
    collectgarbage()
    collectgarbage()

    assert.is_table(made[1])
  end)

  it("tells a function for names that reads from its client that it cannot", function()
    local inner
    local server <close> = secure.serve {
      servername = function(_, client)
        inner = { select(2, client:read()).code, select(2, client:starttls { host = "x.test" }).code }
      end,
    }
    local s <close> = assert(secure.connect(server))

    assert.same({ "BUSY", "BUSY" }, inner)
    assert(s:write "x\n")
    assert.equal("x", s:read())
  end)

  it("chooses its certificate by the name that is asked for", function()
    local one, two = secure.authority "one.test", secure.authority "two.test"
    local wild = secure.authority "x.wild.test"
    local server <close> = secure.serve { servername = {
      ["One.test."] = { cert = one.chain, key = one.key },
      ["two.test"] = assert(net.tls.context { cert = two.chain, key = two.key }),
      ["*.wild.test"] = { cert = wild.chain, key = wild.key },
    } }
    local function subject(host)
      local s <close> = assert(net.connect(server.host, server.port,
        { tls = { verify = false, host = host }, timeout = 5 }))
      return s:tls().certificate.subject
    end

    assert.equal("CN=one.test", subject "one.test")
    assert.equal("CN=two.test", subject "TWO.test")
    assert.equal("CN=x.wild.test", subject "x.wild.test")
    assert.equal("CN=server.test", subject "x.y.wild.test")
    assert.equal("CN=server.test", subject "wild.test")
  end)

  it("may ask a function, which may wait, and refuses names by false", function()
    local one = secure.authority "one.test"
    local context = assert(net.tls.context { cert = one.chain, key = one.key })
    local failures = {}
    local server <close> = secure.serve {
      servername = function(name)
        net.sleep(0.001)
        if name == "bad.test" then return false end
        return name == "one.test" and context or nil
      end,
      failed = function(_, err) failures[#failures + 1] = err.message end,
    }
    local function info(host)
      local s, err = net.connect(server.host, server.port,
        { tls = { verify = false, host = host }, timeout = 5 })
      if not s then return err.code end
      local held <close> = s -- luacheck: ignore held
      return s:tls().certificate.subject
    end

    assert.equal("CN=one.test", info "one.test")
    assert.equal("CN=server.test", info "other.test")
    assert.equal("TLS_HANDSHAKE", info "bad.test")
    assert.matches("bad.test", failures[1], 1, true)
  end)

  it("says by an alert that it refuses a name", function()
    for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
      local server <close> = secure.serve {
        servername = function()
          net.sleep(0.001)
          return false
        end,
      }
      local held <close>, a, b = connected.pair() -- luacheck: ignore held

      local s, err = secure.connect(server, { max = version })
      local ok, why, own = secure.shake(a, b, { max = version }, { servername = function() return false end })

      assert.is_nil(s)
      assert.equal("unrecognized_name", err.alert)
      assert.matches("no certificate for that name", err.hint, 1, true)
      assert.is_nil(ok)
      assert.equal("unrecognized_name", why.alert)
      assert.equal('no certificate for "server.test"', own.message)
    end
  end)

  it("never goes on with its own certificate where the function for the name raised", function()
    -- The second call on the stream took the handshake up behind the question, and ended it with the
    -- certificate of the listener.
    local asked = 0
    local options = secure.server { servername = function()
      asked = asked + 1
      error "no such name"
    end }
    local server <close> = assert(net.listen("127.0.0.1", 0, { tls = options }))
    local host, port = server:getsockname()
    local client = net.spawn(net.connect, host, port, { tls = secure.client(), timeout = 5 })
    local s = assert(server:accept(5))

    local first, second = pcall(s.handshake, s, 1), pcall(s.read, s)
    s:close()
    local stream, err = client:join(30)

    assert.same({ false, false, 2 }, { first, second, asked })
    assert.is_nil(stream)
    assert.equal("TLS_HANDSHAKE", err.code)
  end)

  it("gives a servername function no more time than the handshake and the call have", function()
    local one = secure.authority "one.test"
    local context = assert(net.tls.context { cert = one.chain, key = one.key })
    local asked = 0
    local listener <close> = assert(net.listen("127.0.0.1", 0, { tls = secure.server {
      handshake_timeout = 5, servername = function()
        asked = asked + 1
        -- It is cut short, and then nil would mean the listener's own certificate.
        if asked == 1 then net.sleep(30) end
        return nil
      end,
    } }))
    local client = net.spawn(net.connect, "127.0.0.1", select(2, listener:getsockname()),
      { tls = { context = context, host = "one.test", verify = false }, timeout = 30 })
    local s <close> = assert(listener:accept(30))
    local began = net.now()

    assert.equal("TIMEOUT", select(2, s:recv(1, 0.05)).code)
    assert.is_true(net.now() - began < 25)
    assert(s:handshake(30)) -- asks again
    assert(client:join(30)):close()
  end)

  it("does the handshake with the first call on what it accepted", function()
    local server <close> = assert(net.listen("127.0.0.1", 0, { tls = secure.server() }))
    local host, port = server:getsockname()
    local client = net.spawn(function()
      local s <close> = assert(net.connect(host, port, { tls = secure.client(), timeout = 5 }))
      s:write "hello\n"
      return s:read()
    end)

    local s <close> = assert(server:accept(5))
    local reader = net.spawn(s.read, s)
    assert(s:write "from the server\n") -- two tasks at once

    assert.equal("hello", (reader:join(30)))
    assert.equal("from the server", (client:join(30)))
    assert.is_true(s:tls().server)
  end)

  it("does it before it ends one direction of what it accepted, too", function()
    -- The plain connection was shut down, and the handshake failed for that.
    local said = {}
    local server <close> = secure.serve(nil, function(client)
      local how = said[1] and "r" or "w"
      said[#said + 1] = tostring(client:shutdown(how))
      if how == "r" then client:write "answer\n" end
    end)

    for index, answer in ipairs { "", "answer\n" } do
      local s <close> = assert(secure.connect(server))
      assert.equal(answer, s:read "a")
      assert.equal("true", said[index])
    end
  end)

  it("is not held up by a client that does not shake hands", function()
    local failures = {}
    local server <close> = secure.serve { handshake_timeout = 0.05, failed = function(_, err)
      failures[#failures + 1] = err.code
    end }
    local silent <close> = assert(net.connect(server.host, server.port))

    local s <close> = assert(secure.connect(server))
    s:write "x\n"

    assert.equal("x", s:read())
    assert.is_nil((silent:recv(10, 5)))
    assert.same({ "TIMEOUT" }, failures)
  end)

  it("says what a client spoke that did not speak TLS", function()
    local errors = {}
    local server <close> = secure.serve { failed = function(_, err) errors[#errors + 1] = err end }
    local plain <close> = assert(net.connect(server.host, server.port))

    plain:write "GET / HTTP/1.1\r\n\r\n"
    plain:read "a"

    assert.equal("TLS_HANDSHAKE", errors[1].code)
    assert.matches("plain HTTP", errors[1].message, 1, true)
  end)

  it("goes on after a handshake that a call had no time for", function()
    local server <close> = assert(net.listen("127.0.0.1", 0, { tls = secure.server() }))
    local host, port = server:getsockname()
    local raw <close> = assert(net.connect(host, port))
    local s <close> = assert(server:accept(5))

    assert.equal("TIMEOUT", select(2, s:recv(10, 0.01)).code)
    local client = net.spawn(raw.starttls, raw, secure.client(), 5)
    assert(s:handshake(5))
    assert(client:join(30))
    raw:write "x"

    assert.equal("x", s:recv(1, 5))
  end)

  it("tells the same failure again", function()
    local server <close> = assert(net.listen("127.0.0.1", 0, { tls = secure.server() }))
    local host, port = server:getsockname()
    local raw <close> = assert(net.connect(host, port))
    local s <close> = assert(server:accept(5))
    raw:write "garbage that is no TLS\r\n"

    local _, first = s:read()
    local _, second = s:write "x"

    assert.equal("TLS_HANDSHAKE", first.code)
    assert.equal(first, second)
  end)

  it("reports a handler's error and serves on", function()
    local server <close> = secure.serve(nil, function(client)
      client:write(client:read() .. "\n")
    end)

    for _ = 1, 3 do
      local s <close> = assert(secure.connect(server))
      s:write "again\n"
      assert.equal("again", s:read())
    end
  end)

  it("listens with TLS on several addresses", function()
    local server <close> = assert(net.listen({ "127.0.0.1", "127.0.0.2" }, 0, { tls = secure.server() }))
    local _, port = server:getsockname()
    local task = net.spawn(server.serve, server, function(client) client:write(client:read(), "\n") end)

    for _, host in ipairs { "127.0.0.1", "127.0.0.2" } do
      local s <close> = assert(net.connect(host, port, { tls = secure.client(), timeout = 5 }))
      s:write "x\n"
      assert.equal("x", s:read())
    end
    server:close()
    assert(task:join(30))
  end)

  it("is not made of what does not fit together", function()
    local a, other = secure.authority(), assert(net.x509.generate_key())

    local server, err = net.listen("127.0.0.1", 0, { tls = { cert = a.chain, key = other } })
    assert.is_nil(server)
    assert.equal("TLS_CONFIG", err.code)
    for text, options in pairs {
      ["cert and key"] = {}, ['option "servername"'] = secure.server { servername = 1 },
      ['cert and key for "x.test"'] = secure.server { servername = { ["x.test"] = { min = "TLSv1.3" } } },
      ["unknown option"] = secure.server { host = "x" },
      ["seconds"] = secure.server { handshake_timeout = -1 },
    } do
      local ok, message = pcall(net.listen, "127.0.0.1", 0, { tls = options })
      assert.is_false(ok)
      assert.matches(text, message, 1, true)
    end
    for _, name in ipairs { "", ".", "*", "*.", ".a.test", "*.*.test", "a*.test", "a b", "b\xc3\xbc.test" } do
      local tls = secure.server { servername = { [name] = secure.server() } }
      local ok, message = pcall(net.listen, "127.0.0.1", 0, { tls = tls })
      assert.is_false(ok)
      assert.matches("keys such as", message, 1, true)
    end
  end)

  it("and a client refuse sockets that are no streams, which would stay plain", function()
    local name = "unix:@netlua-spec-" .. tostring({}):match "0x(%x+)"
    local ok, message = pcall(net.listen, name, { type = "seqpacket", tls = secure.server() })
    assert.is_false(ok)
    assert.matches("a listener of streams", message, 1, true)

    local listener <close> = assert(net.listen(name, { type = "seqpacket" }))
    ok, message = pcall(net.connect, name, { type = "seqpacket", tls = secure.client() })
    assert.is_false(ok)
    assert.matches("a stream, not a socket of type", message, 1, true)
    listener:accept(1):close()
  end)
end)

describe("a client's certificate", function()
  local ours = authority.new "client.test"
  local rows = authority.matrix "www.example.test"

  local function served(client, server)
    local failures, subject = {}, nil
    local options = { client_ca = ours.capem, failed = function(_, err) failures[#failures + 1] = err end }
    for field, value in pairs(server or {}) do options[field] = value end
    local listening <close> = secure.serve(options, function(s)
      local info = s:tls()
      subject = { info.certificate and info.certificate.subject, info.verified }
      s:read()
    end)
    local s, err = secure.connect(listening, client)
    if s then
      s:write "x\n"
      local _, late = s:read()
      err = late
      s:close()
    end
    listening.listener:close()
    listening.task:join(30)
    return subject, failures[1], err
  end

  it("is demanded, verified and told", function()
    local subject, failure = served { cert = ours.chain, key = ours.key }

    assert.is_nil(failure)
    assert.same({ "CN=client.test", true }, subject)
  end)

  it("that is missing ends the handshake, and the client hears why", function()
    local subject, failure, err = served()

    assert.is_nil(subject)
    assert.equal("TLS_HANDSHAKE", failure.code)
    assert.equal("TLS_ALERT", err.code)
    assert.equal("certificate_required", err.alert)
  end)

  it("is demanded under every name whose context says nothing else", function()
    local plain = { cert = secure.authority().chain, key = secure.authority().key }
    local function reaches(context)
      local subject = served(nil, { verify = true, servername = { ["server.test"] = context } })
      return subject ~= nil
    end

    assert.is_false(reaches(plain))
    plain.verify = false
    assert.is_true(reaches(plain))
  end)

  it("is judged by the rules of the context for the name alone", function()
    local a = secure.authority()
    local named = secure.server { client_ca = a.intermediate:pem() }
    local subject, failure = served({ cert = a.leaf:pem(), key = a.key },
      { partial_chain = true, servername = { ["server.test"] = named } })

    assert.is_nil(subject)
    assert.equal("TLS_VERIFY", failure.code)
  end)

  it("is demanded whatever becomes of the table that said so", function()
    local named = secure.server { client_ca = ours.capem }
    local listener <close> = assert(net.listen("127.0.0.1", 0,
      { tls = secure.server { servername = { ["server.test"] = named } } }))
    named.client_ca = nil
    local host, port = listener:getsockname()
    local client = net.spawn(net.connect, host, port, { tls = secure.client(), timeout = 5 })
    local s <close> = assert(listener:accept(5))

    assert.equal("TLS_HANDSHAKE", select(2, s:handshake(5)).code)
    client:join(30)
  end)

  it("is judged for the time that was asked for", function()
    local a = secure.authority "late.test"
    local now = os.time()
    local key = assert(net.x509.generate_key())
    local old = assert(net.x509.make { subject = "CN=old.test", names = { "old.test" }, key = key,
      issuer = { certificate = a.ca, key = a.cakey },
      not_before = now - 20 * 86400, days = 10 })
    local subject, failure = served({ cert = old:pem(), key = key },
      { client_ca = a.capem, verify_time = now - 15 * 86400 })

    assert.is_nil(failure)
    assert.same({ "CN=old.test", true }, subject)
  end)

  it("may be left out where it is optional", function()
    local subject = served(nil, { verify = "optional" })

    assert.same({ nil, false }, subject)
  end)

  it("of another authority is refused, also where it is optional", function()
    local other = secure.authority "other.test"
    local intruder = authority.matrix("intruder.test")
    local untrusted
    for _, row in ipairs(intruder) do
      if row.name == "untrusted root" then untrusted = row end
    end
    for _, verify in ipairs { true, "optional" } do
      local subject, failure, err = served({ cert = untrusted.chain, key = untrusted.key },
        { verify = verify })
      assert.is_nil(subject)
      assert.equal("TLS_VERIFY", failure.code)
      assert.equal("TLS_ALERT", err.code)
    end
    assert.is_table(other)
  end)

  local wrong = { "expired", "not yet valid", "issuer that is no authority", "RSA-1024 key", "bad signature" }
  for _, name in ipairs(wrong) do
    it("that is refused: " .. name, function()
      for _, row in ipairs(rows) do
        if row.name == name then
          local subject, failure = served({ cert = row.chain, key = row.key, security_level = 0 },
            { client_ca = row.ca })

          assert.is_nil(subject)
          assert.equal("TLS_VERIFY", failure.code)
          assert.equal(row.reason, failure.reason)
        end
      end
    end)
  end

  it("is not verified by the system's store where a server has authorities of its own", function()
    local context = assert(net.tls.context(secure.server { client_ca = ours.capem }))

    assert.is_nil(context.options.ca)
    local ok, message = pcall(net.connect, "127.0.0.1", 1, { tls = context })
    assert.is_false(ok)
    assert.matches("a context for clients", message, 1, true)
  end)

  it("of one name's authority does not open another name by a resumed session", function()
    local one, two = secure.authority "one.test", secure.authority "two.test"
    local stranger = authority.matrix("stranger.test")
    local foreign
    for _, row in ipairs(stranger) do
      if row.name == "untrusted root" then foreign = row end
    end
    local server <close> = secure.serve { servername = {
      ["one.test"] = { cert = one.chain, key = one.key, client_ca = one.capem },
      ["two.test"] = { cert = two.chain, key = two.key, client_ca = foreign.chain:match "%-%-%-%-%-BEGIN.*" },
    } }
    local context = assert(net.tls.context { ca = one.capem, cert = one.chain, key = one.key })
    local function ask(host)
      local s, err = net.connect(server.host, server.port,
        { tls = { context = context, host = host }, timeout = 5 })
      if not s then return err.code end
      local held <close> = s -- luacheck: ignore held
      s:write "x\n"
      local line, late = s:read()
      return line or late.code
    end

    assert.equal("x", ask "one.test")
    assert.equal("x", ask "one.test")
    assert.equal("TLS_ALERT", ask "two.test")
  end)
end)

describe("starttls", function()
  it("goes on where plain text ends", function()
    local held <close>, a, b = connected.pair() -- luacheck: ignore held
    local server = net.spawn(function()
      assert.equal("STARTTLS", b:read())
      b:write "220 go ahead\r\n"
      assert(b:starttls(secure.server { server = true }, 5))
      return b:read()
    end)

    a:write "STARTTLS\r\n"
    assert.equal("220 go ahead", a:read())
    assert.equal(a, a:starttls(secure.client(), 5))
    a:write "secret\r\n"

    assert.equal("secret", (server:join(30)))
  end)

  it("refuses plain bytes that came before it, and closes", function()
    for _, options in ipairs { secure.client(), secure.server { server = true } } do
      local held <close>, a, b = connected.pair() -- luacheck: ignore held
      b:write "220 go ahead\r\n250 injected\r\n"
      a:read()

      local ok, err = a:starttls(options, 1)

      assert.is_nil(ok)
      assert.equal("TLS_PLAINTEXT", err.code)
      assert.equal("CLOSED", select(2, a:read()).code)
    end
  end)

  it("is BUSY while another task reads, and leaves the stream as it is", function()
    local held <close>, a, b = connected.pair() -- luacheck: ignore held
    local reader = net.spawn(a.read, a)
    net.sleep(0)

    assert.equal("BUSY", select(2, a:starttls(secure.client(), 1)).code)
    b:write "still plain\n"
    assert.equal("still plain", (reader:join(30)))
  end)

  it("is BUSY while another waits for the answer of servername, and leaves the stream as it is", function()
    -- The second starttls put its layer on top of the first and closed the stream; handshake went on without
    -- the answer.
    local held <close>, a, b = connected.pair() -- luacheck: ignore held
    local asked, answer = net.event(), net.event()
    local one = secure.authority "one.test"
    local context = assert(net.tls.context { cert = one.chain, key = one.key })
    local server = net.spawn(b.starttls, b, secure.server { server = true, servername = function()
      asked:set()
      answer:wait()
      return context
    end }, 5)
    local client = net.spawn(a.starttls, a, secure.client { host = "one.test", ca = one.capem }, 5)
    asked:wait(5)

    assert.equal("BUSY", select(2, b:starttls(secure.client(), 1)).code)
    assert.equal("BUSY", select(2, b:handshake(1)).code)
    answer:set()

    assert.equal(b, (server:join(30)))
    assert.equal(a, (client:join(30)))
    assert.equal("CN=one.test", a:tls().certificate.subject)
  end)

  it("leaves nothing for others to do until it is done: they are told that it is BUSY", function()
    -- They were told that the stream is not connected.
    local held <close>, a, b = connected.pair() -- luacheck: ignore held
    local asked, answer = net.event(), net.event()
    local server = net.spawn(b.starttls, b, secure.server { server = true, servername = function()
      asked:set()
      answer:wait()
    end }, 30)
    local client = net.spawn(a.starttls, a, secure.client(), 30)
    asked:wait(30)
    local function told(s)
      local codes = {}
      for _, call in ipairs { { "write", "x" }, { "send", "x" }, { "read" }, { "recv", 1 }, { "peek", 1 },
        { "shutdown", "w" }, { "shutdown", "r" }, { "shutdown", "rw" }, { "finish" } } do
        codes[#codes + 1] = select(2, s[call[1]](s, table.unpack(call, 2))).code
      end
      return table.concat(codes, " ")
    end

    assert.equal(("BUSY "):rep(9), told(a) .. " ")
    assert.equal(("BUSY "):rep(9), told(b) .. " ")
    answer:set()

    assert.equal(b, (server:join(30)))
    assert.equal(a, (client:join(30)))
    assert(a:write "x\n")
    assert.equal("x", b:read())
    assert(b:write "y\n")
    assert.equal("y", a:read())
  end)

  it("closes the stream where another task closes it meanwhile, or servername does", function()
    local held <close>, a = connected.pair() -- luacheck: ignore held
    local client = net.spawn(a.starttls, a, secure.client(), 5)
    net.sleep(0)
    a:close()
    assert.equal("CLOSED", select(2, client:join(30)).code)

    local kept <close>, c, d = connected.pair() -- luacheck: ignore kept
    client = net.spawn(c.starttls, c, secure.client(), 5)
    local _, err = d:starttls(secure.server { server = true, servername = function() d:close() end }, 5)
    assert.equal("CLOSED", err.code)
    assert.equal("TLS_HANDSHAKE", select(2, client:join(30)).code)
  end)

  it("closes the stream where it is canceled or late", function()
    local held <close>, a = connected.pair() -- luacheck: ignore held
    assert.equal("TIMEOUT", select(2, a:starttls(secure.client(), 0.01)).code)
    assert.equal("CLOSED", select(2, a:read()).code)

    local kept <close>, c = connected.pair() -- luacheck: ignore kept
    local task = net.spawn(c.starttls, c, secure.client())
    net.sleep(0)
    task:cancel()
    assert.equal("CANCELED", select(2, task:join(30)).code)
    assert.equal("CLOSED", select(2, c:read()).code)
  end)
end)

describe("keys that both sides know", function()
  it("are some: who resumes a session is not verified by none", function()
    -- With psk = {} there were sessions, and one that was resumed passed for a key.
    local server = secure.server { psk = {}, verify = "optional", client_ca = secure.authority().capem }

    assert.error_matches(function() net.listen("127.0.0.1", 0, { tls = server }) end,
      'option "psk": at least one key expected')
  end)

  it("are not had by whoever came without one and resumes", function()
    for _, verify in ipairs { false, "optional" } do
      local seen
      local server <close> = secure.serve({ psk = { me = "0123456789abcdef" }, verify = verify,
        client_ca = secure.authority().capem }, function(client)
        seen = client:tls()
        client:write "x\n"
        client:read()
      end)
      local context = assert(net.tls.context { ca = secure.authority().capem })
      for _ = 1, 3 do
        local s <close> = assert(net.connect(server.host, server.port,
          { tls = { context = context, host = "server.test" }, timeout = 5 }))
        assert.equal("x", s:read())

        assert.is_false(seen.psk)
        assert.is_false(seen.verified)
      end
    end
  end)

  for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
    it("stand for certificates with " .. version, function()
      local function options(server, key)
        return { psk = { ["client 1"] = key }, max = version, ciphers = "PSK", server = server,
          host = not server and "x.test" or nil }
      end
      local held <close>, a, b = connected.pair() -- luacheck: ignore held
      local task = net.spawn(b.starttls, b, options(true, "0123456789abcdef"), 5)

      assert(a:starttls(options(false, "0123456789abcdef"), 5))
      assert(task:join(30))
      assert.is_true(a:tls().psk)
      assert.is_true(a:tls().verified)
      assert.is_false(a:tls().resumed)
      assert.same({}, a:tls().chain)

      local kept <close>, c, d = connected.pair() -- luacheck: ignore kept
      task = net.spawn(d.starttls, d, options(true, "0123456789abcdef"), 5)
      local ok, err = c:starttls(options(false, "another key here"), 5)
      assert.is_nil(ok)
      assert.equal("TLS_HANDSHAKE", err.code)
      assert.is_nil((task:join(30)))
    end)
  end

  it("do not let a server without them pass", function()
    local s, err = view({ psk = { me = "0123456789abcdef" }, host = "wrong.test" })

    assert.is_nil(s)
    assert.equal("TLS_VERIFY", err.code)
  end)
end)

describe("DANE", function()
  local a = secure.authority()
  local function record(usage, selector, matching, data)
    return { usage = usage, selector = selector, matching = matching, data = data }
  end
  local function bytes(hex) return (hex:gsub("..", function(c) return string.char(tonumber(c, 16)) end)) end

  it("takes the certificate whose key is the one of the record, whatever its name and authority", function()
    local server <close> = secure.serve()
    local s <close> = assert(net.connect(server.host, server.port, { timeout = 5, tls = {
      host = "other.test", dane = { record(3, 1, 1, bytes(a.leaf.public_key_sha256)) },
    } }))
    local info = s:tls()

    assert.is_true(info.verified)
    assert.same({ depth = 0, usage = 3, selector = 1, matching = 1 }, info.dane)
  end)

  it("refuses another key, and the name where the record is an authority's", function()
    local _, err = view { dane = { record(3, 1, 1, ("x"):rep(32)) } }
    local _, wrong = view { host = "other.test", dane = { record(2, 0, 1, bytes(a.ca.sha256)) } }
    local right = view { dane = { record(2, 0, 1, bytes(a.intermediate.sha256)) } }

    assert.equal("TLS_VERIFY", err.code)
    assert.equal("TLS_VERIFY", wrong.code)
    assert.equal(2, right.dane.usage)
  end)

  it("is for names, and not together with verify = false", function()
    local records = { record(3, 1, 1, ("x"):rep(32)) }
    local s, err = net.connect("127.0.0.1", 1, { tls = { dane = records } })
    assert.is_nil(s)
    assert.equal("TLS_CONFIG", err.code)
    local ok, message = pcall(net.connect, "127.0.0.1", 1,
      { tls = { host = "x.test", dane = records, verify = false } })
    assert.is_false(ok)
    assert.matches('option "dane"', message, 1, true)
  end)

  it("refuses records of which none can be used", function()
    for _, unusable in ipairs { record(3, 1, 1, "too short"), record(3, 1, 0, ""), record(2, 0, 0, "junk"),
      record(255, 1, 1, ("x"):rep(32)), record(3, 1, 9, ("x"):rep(32)) } do
      local _, err = view { dane = { unusable } }

      assert.equal("TLS_CONFIG", err.code)
    end
  end)

  it("passes over records that it cannot use, which a zone may have for others", function()
    -- Usages that are not assigned, such as 255 for private use, raised: what a zone holds is no misuse.
    local key = bytes(a.leaf.public_key_sha256)
    local info = view { dane = { record(255, 1, 1, key), record(3, 7, 1, key), record(3, 1, 200, key),
      record(3, 1, 0, ""), record(3, 1, 1, key) } }

    assert.same({ depth = 0, usage = 3, selector = 1, matching = 1 }, info.dane)
  end)
end)

describe("the environment", function()
  local function connect(environment, options, code)
    local a = secure.authority()
    local server <close> = secure.serve()
    local script = ([[
      local s, err = net.connect("127.0.0.1", %d, { tls = { host = "server.test" %s }, timeout = 5 })
      %s
      print(s and "connected" or err.reason or err.code)
    ]]):format(server.port, code or "", "")
    local run <close> = programs.start {
      command = ("exec env %s %s %s script.lua"):format(environment, netlua.program, options),
      files = { ["ca.pem"] = a.capem, ["script.lua"] = script },
    }
    local _, output, errors = run:wait()
    return output:match "%S+" or errors
  end

  it("may name the authorities, and does not with -E", function()
    assert.equal("connected", connect("SSL_CERT_FILE=@FOLDER@/ca.pem", ""))
    assert.equal("unknown_issuer", connect("SSL_CERT_FILE=@FOLDER@/ca.pem", "-E"))
    assert.equal("TLS_CONFIG", connect("SSL_CERT_FILE=/nonexistent", ""))
  end)

  it("is asked for no configuration of OpenSSL", function()
    assert.equal("connected", connect("OPENSSL_CONF=/nonexistent OPENSSL_MODULES=/nonexistent "
      .. "SSL_CERT_FILE=@FOLDER@/ca.pem", ""))
  end)

  it("that names a file which cannot be written, or no folder, keeps nobody from connecting", function()
    assert.equal("connected", connect("SSL_CERT_FILE=@FOLDER@/ca.pem SSLKEYLOGFILE=/nonexistent/keys", ""))
    assert.equal("connected", connect("SSL_CERT_FILE=@FOLDER@/ca.pem SSL_CERT_DIR=", ""))
  end)

  it("may name a file for the secrets, which is ours alone", function()
    local log = os.tmpname()
    os.remove(log)
    connect("SSL_CERT_FILE=@FOLDER@/ca.pem SSLKEYLOGFILE=" .. log, "")
    local mode = netlua.shell("stat -c %a " .. log)
    local file <close> = assert(io.open(log))
    local text = file:read "a"
    os.remove(log)

    assert.matches("CLIENT_TRAFFIC_SECRET_0 %x+ %x+\n", text)
    assert.equal("600\n", mode)
    connect("SSL_CERT_FILE=@FOLDER@/ca.pem SSLKEYLOGFILE=" .. log, "", ", keylog = false")
    assert.is_nil(io.open(log))
  end)
end)

describe("plain text", function()
  it("to a port with TLS does not hang", function()
    local server <close> = secure.serve { handshake_timeout = 1 }
    local s <close> = assert(net.connect(server.host, server.port))

    s:write "hello\r\n"

    assert.is_true(#(s:read "a" or "") >= 0)
  end)

  it("is not sent where a handshake fails", function()
    local got
    local listening <close> = peer.once(function(client)
      got = client:read "a"
    end)
    local s, err = net.connect(listening.host, listening.port, { tls = true, timeout = 0.05 })

    assert.is_nil(s)
    assert.equal("TIMEOUT", err.code)
    listening.task:join(30)
    assert.equal(22, got:byte())
  end)
end)
