local authority = require "authority"
local secure = require "secure"
local server = require "server"

local openssl = server.find "openssl"

local DAY = 86400

-- 512 bits: a second's work to break.
local WEAK = [[
-----BEGIN DH PARAMETERS-----
MEYCQQDMGMTDPfX8LYkbJFgRMpdJV+NGDdxfnynzO6tqCSqeeqrl1MrZKmQgl6M5
1ChKebhGcWRF/GlycFEuxDdITIBvAgEC
-----END DH PARAMETERS-----
]]

-- The certificates of the matrix by their names, made once.
local rows
local function row(name)
  if not rows then
    rows = {}
    for _, each in ipairs(authority.matrix()) do rows[each.name] = each end
  end
  return rows[name]
end

-- What s_server shows. A mode of false: it reads commands from the pipe `commands` instead of reversing lines.
local function serving(arguments, options)
  options = options or {}
  local a = options.row or row "good"
  local leaf, rest = a.chain:match "^(.-END CERTIFICATE%-+\n)(.*)$"
  local files = { leaf = leaf, rest = rest, key = a.key, ca = a.ca, dh = WEAK }
  for name, text in pairs(options.files or {}) do files[name] = text end
  local mode = options.mode == nil and "-rev" or options.mode or ""
  local own = options.own or "-cert leaf -cert_chain rest -key key"
  local s = server.start {
    command = ("mkfifo commands && exec stdbuf -o0 '%s' s_server -accept 127.0.0.1:@PORT@ %s %s %s <>commands"):format(openssl,
      own, mode, arguments),
    files = files,
  }
  s:expect "ACCEPT"
  return s
end

local function dial(s, options)
  local all = { ca = row "good".ca, host = "server.test" }
  for field, value in pairs(options or {}) do all[field] = value or nil end
  return net.connect("127.0.0.1", s.port, { tls = all, timeout = 10 })
end

-- What s_server answers to a line.
local function reversed(s, line)
  assert(s:write(line, "\n"))
  return s:read()
end

-- A response of the authority about the server's certificate. status: "V" or "R"
local function response(status, options)
  options = options or {}
  local a = secure.authority()
  local stranger = options.stranger and secure.authority "stranger.test"
  local about = options.about or a.leaf
  local entry = { status, os.date("!%y%m%d%H%M%SZ", about.not_after),
    status == "R" and os.date("!%y%m%d%H%M%SZ", os.time() - DAY) .. ",keyCompromise" or "", about.serial:upper(), "unknown",
    "/CN=server.test" }
  local signer = stranger or a
  local made <close> = server.start {
    command = ("exec '%s' ocsp -index index -CA issuer -rsigner signer -rkey signerkey -issuer issuer -cert leaf "
      .. "-respout response %s"):format(openssl, options.validity or "-ndays 1"),
    files = {
      index = table.concat(entry, "\t") .. "\n", issuer = a.intermediate:pem(), leaf = about:pem(),
      signer = stranger and stranger.ca:pem() or a.intermediate:pem(),
      signerkey = stranger and stranger.cakey or signer.intermediatekey,
    },
  }
  assert(made:wait() == 0, made:read "errors")
  return made:read "response"
end

describe("s_server of OpenSSL", function()
  local it = server.needing(openssl, "the package openssl", it, pending)

  for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
    for _, name in ipairs { "good", "good RSA-2048", "good Ed25519" } do
      it(("is understood with %s and a certificate that is: %s"):format(version, name), function()
        local peer <close> = serving("-" .. version:lower():gsub("v", ""):gsub("%.", "_"), { row = row(name) })
        local s <close> = assert(dial(peer))

        local answer, info = reversed(s, "stressed"), s:tls()

        assert.equal("desserts", answer)
        assert.same({ version, true, false }, { info.protocol, info.verified, info.resumed })
        assert.equal(2, #info.chain)
        assert.equal(3, #info.trusted)
      end)
    end

    it("resumes a session with " .. version, function()
      local context = net.tls.context { ca = row "good".ca, max = version }
      local peer <close> = serving ""
      local resumed = {}

      for n = 1, 3 do
        local s <close> = assert(dial(peer, { ca = false, context = context }))
        assert.equal("cba", reversed(s, "abc"))
        resumed[n] = s:tls().resumed
        assert.is_true(s:tls().verified)
      end

      assert.same({ false, true, true }, resumed)
    end)

    it("has the same key with " .. version, function()
      local peer <close> = serving("-psk 00112233445566778899aabbccddeeff -psk_identity me -cipher PSK",
        { own = "-nocert" })
      local keys = { me = "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff" }
      local options = { psk = keys, max = version, ciphers = "PSK" }
      local s <close> = assert(dial(peer, options))

      local answer, info = reversed(s, "abc"), s:tls()
      s:close()
      keys.me = "another"
      local other, err = dial(peer, options)

      assert.equal("cba", answer)
      assert.same({ version, true, true }, { info.protocol, info.psk, info.verified })
      assert.is_nil(other)
      assert.equal("TLS_HANDSHAKE", err.code)
    end)
  end

  it("agrees on an application protocol, or refuses", function()
    local peer <close> = serving "-alpn h2,http/1.1"
    local s <close> = assert(dial(peer, { alpn = { "http/1.1", "http/1.0" } }))

    local agreed = s:tls().alpn
    s:close()
    local other, err = dial(peer, { alpn = { "imap" } })

    assert.equal("http/1.1", agreed)
    assert.is_nil(other)
    assert.same({ "TLS_HANDSHAKE", "no_application_protocol" }, { err.code, err.alert })
  end)

  it("has the certificate of the name that it is asked for", function()
    local other = row "wrong host"
    local peer <close> = serving("-servername other.test -cert2 leaf2 -key2 key2",
      { files = { leaf2 = other.chain, key2 = other.key } })
    local names = {}

    for n, host in ipairs { "server.test", "other.test" } do
      local ca = other.ca .. secure.authority().intermediate:pem() -- s_server sends no more than the leaf of it
      local s <close> = assert(dial(peer, { host = host, ca = ca }))
      names[n] = s:tls().certificate.names[1]
    end

    assert.same({ "server.test", "other.test" }, names)
  end)

  it("gets the certificate that it demands, and says so where there is none", function()
    local a = row "good"
    local peer <close> = serving "-Verify 3 -CAfile ca -verify_return_error -tls1_3"
    local s <close> = assert(dial(peer, { cert = row "for clients only".chain, key = a.key }))
    local answer = reversed(s, "abc")
    s:close()
    local none <close> = assert(dial(peer)) -- TLS 1.3: the client is done before the server has seen this

    local read, err = none:read()

    assert.equal("cba", answer)
    assert.is_nil(read)
    assert.same({ "TLS_ALERT", "certificate_required" }, { err.code, err.alert })
  end)

  describe("with a stapled answer of the authority", function()
    local function stapled(...)
      return serving("-status_file staple", { row = { chain = secure.authority().chain, key = secure.authority().key,
        ca = secure.authority().capem }, files = { staple = response(...) } })
    end

    it("that is good is believed", function()
      local peer <close> = stapled "V"

      for _, ocsp in ipairs { true, "required" } do
        local s <close> = assert(dial(peer, { ocsp = ocsp }))
        local report = s:tls().ocsp
        assert.equal("good", report.status)
        assert.is_true(math.abs(report.this_update - os.time()) < 60)
        assert.is_true(math.abs(report.produced_at - os.time()) < 60)
        assert.equal(DAY, report.next_update - report.this_update)
        assert.is_nil(report.problem)
      end
    end)

    it("that revokes the certificate is heeded, also the second time", function()
      -- The session of TLS 1.2 was kept before the response was looked at. Resumed, it has no response: the
      -- second connection to a server with a revoked certificate went through.
      local peer <close> = stapled "R"

      for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
        local context = net.tls.context { ca = secure.authority().capem, max = version }
        for _, ocsp in ipairs { true, true, "required", "required" } do
          local s, err = dial(peer, { ca = false, context = context, ocsp = ocsp })

          assert.is_nil(s)
          assert.same({ "TLS_VERIFY", "revoked" }, { err.code, err.reason })
          assert.same({ "revoked", "keyCompromise" }, { err.ocsp.status, err.ocsp.reason })
          assert.is_true(math.abs(err.ocsp.revoked_at - os.time() + DAY) < 60)
        end
      end
    end)

    local unbelievable = {
      { "is out of date", "it is not of this time", "V", nil, os.time() + 2 * DAY },
      { "a stranger signed", "it is not signed by the authority", "V", { stranger = true } },
      { "is about another certificate", "it is about another certificate", "V", "other" },
    }
    for _, case in ipairs(unbelievable) do
      it(("that %s is not believed"):format(case[1]), function()
        local about = case[4] == "other" and { about = net.x509.parse(row "wrong host".chain) } or case[4]
        local peer <close> = stapled(case[3], about)

        local s <close> = assert(dial(peer, { ocsp = true, verify_time = case[5] }))
        local report = s:tls().ocsp
        s:close()
        local none, err = dial(peer, { ocsp = "required", verify_time = case[5] })

        assert.same({ "invalid", case[2] }, { report.status, report.problem })
        assert.is_nil(none)
        assert.same({ "TLS_VERIFY", "ocsp" }, { err.code, err.reason })
      end)
    end

    it("that is absent fails where it is required, every time it is good otherwise", function()
      local without <close> = serving ""
      local with <close> = stapled "V"
      -- The second connection failed: its session was resumed, which comes without a response.
      local context = net.tls.context { ca = secure.authority().capem }
      local options = { ca = false, context = context, ocsp = "required" }

      local none, err = dial(without, options)
      local s <close> = assert(dial(without, { ocsp = true }))
      local status = s:tls().ocsp.status

      assert.is_nil(none)
      assert.same({ "TLS_VERIFY", "ocsp", "none" }, { err.code, err.reason, err.ocsp.status })
      assert.equal("none", status)
      for _ = 1, 3 do
        local again <close> = assert(dial(with, options))
        assert.equal("cba", reversed(again, "abc"))
        assert.equal("good", again:tls().ocsp.status)
      end
    end)
  end)

  it("changes its keys while data flows, also where it wants ours changed", function()
    local peer <close> = serving("-tls1_3", { mode = false })
    local s <close> = assert(dial(peer))
    local lines = {}

    for n, command in ipairs { "k", "K", "K", "k" } do
      assert(s:write("to ", n, "\n"))
      peer:expect("to " .. n .. "\n")
      peer:write("commands", command .. "\n")
      peer:expect(("SSL_do_handshake %-> 1.*"):rep(n), 2)
      peer:write("commands", "from " .. n .. "\n")
      lines[n] = s:read()
    end

    assert.same({ "from 1", "from 2", "from 3", "from 4" }, lines)
    assert(s:write "last\n")
    peer:expect "last\n"
  end)

  for _, command in ipairs { "r", "R" } do
    it("that wants to negotiate anew is refused: " .. command, function()
      local peer <close> = serving("-tls1_2 -state", { mode = false })
      local s <close> = assert(dial(peer))
      assert(s:write "first\n")
      peer:expect "first\n"
      local before = s:export_key("EXPORTER-test", 16)

      peer:write("commands", command .. "\n")
      local line, err = s:read "l"

      assert.is_nil(line)
      assert.is_not_nil(err)
      assert.equal(before, s:export_key("EXPORTER-test", 16))
    end)
  end
end)
