local authority = require "authority"
local peer = require "peer"
local secure = require "secure"
local server = require "server"

local openssl = server.find "openssl"

local DAY = 86400

-- 1024 bits.
local WEAK = [[
-----BEGIN DH PARAMETERS-----
MIGHAoGBANCjmDuT6M1o88BuxQucEnsVMvGmgfRooXywaxEHe+3aV99C2i6Zz6s8
X4csX7xkuJowEQxTglVar9hrpzii1rwcmZChL0mxEpLR0kcoNPQxfcXit27DYS3O
B1ocaotmpU0YRIhQMMP7DUSz+EXOQ2EmhG45WFQj2zKx8M94qLUXAgEC
-----END DH PARAMETERS-----
]]

-- 6144 bits.
local function long()
  local made <close> = server.start { command = ("exec '%s' genpkey -genparam -algorithm DH "
    .. "-pkeyopt group:ffdhe6144 -out long"):format(openssl) }
  assert(made:wait() == 0, made:read "errors")
  return made:read "long"
end

-- The certificates of the matrix by their names, made once.
local rows
local function row(name)
  if not rows then
    rows = {}
    for _, each in ipairs(authority.matrix()) do rows[each.name] = each end
  end
  return rows[name]
end

-- s_server, which reverses lines. A mode of false: it shows what comes, and sends what the spec writes to the
-- pipe `commands`, of which some single letters are commands.
local function serving(arguments, options)
  options = options or {}
  local a = options.row or row "good"
  local leaf, rest = a.chain:match "^(.-END CERTIFICATE%-+\n)(.*)$"
  local files = { leaf = leaf, rest = rest, key = a.key, ca = a.ca, dh = WEAK }
  for name, text in pairs(options.files or {}) do files[name] = text end
  local mode = options.mode == nil and "-rev" or options.mode or ""
  local own = options.own or "-cert leaf -cert_chain rest -key key"
  local s = server.start {
    command = ("mkfifo commands && exec env OPENSSL_CONF=/dev/null stdbuf -o0 '%s' s_server "
      .. "-accept 127.0.0.1:@PORT@ %s %s %s <>commands"):format(openssl, own, mode, arguments),
    files = files,
  }
  s:expect "ACCEPT"
  return s
end

local function dial(s, options)
  local all = { ca = row "good".ca, host = "server.test" }
  for field, value in pairs(options or {}) do all[field] = (value or field == "verify") and value end
  all.ca = all.ca or nil
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
  local function stamp(time) return os.date("!%y%m%d%H%M%SZ", time) end
  local revoked = status == "R" and stamp(os.time() - DAY) .. ",keyCompromise" or ""
  local serial, subject = about.serial:upper(), "/CN=server.test"
  local entry = { status, stamp(about.not_after), revoked, serial, "unknown", subject }
  local signer = stranger or a
  local made <close> = server.start {
    command = ("exec '%s' ocsp -index index -CA issuer -rsigner signer -rkey signerkey -issuer issuer "
      .. "-cert leaf -respout response -ndays 1"):format(openssl),
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
        local tls <close> = serving("-" .. version:lower():gsub("v", ""):gsub("%.", "_"), { row = row(name) })
        local s <close> = assert(dial(tls))

        local answer, info = reversed(s, "stressed"), s:tls()

        assert.equal("desserts", answer)
        assert.same({ version, true, false }, { info.protocol, info.verified, info.resumed })
        assert.equal(2, #info.chain)
        assert.equal(3, #info.trusted)
      end)
    end

    it("resumes a session with " .. version, function()
      local context = net.tls.context { ca = row "good".ca, max = version }
      local tls <close> = serving ""
      local resumed = {}

      for n = 1, 3 do
        local s <close> = assert(dial(tls, { ca = false, context = context }))
        assert.equal("cba", reversed(s, "abc"))
        resumed[n] = s:tls().resumed
        assert.is_true(s:tls().verified)
      end

      assert.same({ false, true, true }, resumed)
    end)

    it("has the same key with " .. version, function()
      local tls <close> = serving("-psk 00112233445566778899aabbccddeeff -psk_identity me -cipher PSK",
        { own = "-nocert" })
      local keys = { me = "\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff" }
      local options = { psk = keys, max = version, ciphers = "PSK" }
      local s <close> = assert(dial(tls, options))

      local answer, info = reversed(s, "abc"), s:tls()
      s:close()
      keys.me = "another"
      local other, err = dial(tls, options)

      assert.equal("cba", answer)
      assert.same({ version, true, true }, { info.protocol, info.psk, info.verified })
      assert.is_nil(other)
      assert.equal("TLS_HANDSHAKE", err.code)
    end)
  end

  it("agrees on an application protocol, or refuses", function()
    local tls <close> = serving "-alpn h2,http/1.1"
    local s <close> = assert(dial(tls, { alpn = { "http/1.1", "http/1.0" } }))

    local agreed = s:tls().alpn
    s:close()
    local other, err = dial(tls, { alpn = { "imap" } })

    assert.equal("http/1.1", agreed)
    assert.is_nil(other)
    assert.same({ "TLS_HANDSHAKE", "no_application_protocol" }, { err.code, err.alert })
  end)

  it("has the certificate of the name that it is asked for", function()
    local other = row "wrong host"
    local tls <close> = serving("-servername other.test -cert2 leaf2 -key2 key2",
      { files = { leaf2 = other.chain, key2 = other.key } })
    local names = {}

    for n, host in ipairs { "server.test", "other.test" } do
      local ca = other.ca .. secure.authority().intermediate:pem() -- s_server sends the leaf alone
      local s <close> = assert(dial(tls, { host = host, ca = ca }))
      names[n] = s:tls().certificate.names[1]
    end

    assert.same({ "server.test", "other.test" }, names)
  end)

  it("gets the certificate that it demands, and says so where there is none", function()
    local a = row "good"
    local tls <close> = serving "-Verify 3 -CAfile ca -verify_return_error -tls1_3"
    local s <close> = assert(dial(tls, { cert = row "for clients only".chain, key = a.key }))
    local answer = reversed(s, "abc")
    s:close()
    local none <close> = assert(dial(tls)) -- TLS 1.3: the client is done before the server has seen this

    local read, err = none:read()

    assert.equal("cba", answer)
    assert.is_nil(read)
    assert.same({ "TLS_ALERT", "certificate_required" }, { err.code, err.alert })
  end)

  describe("with a stapled answer of the authority", function()
    local function stapled(...)
      local a = secure.authority()
      return serving("-status_file staple",
        { row = { chain = a.chain, key = a.key, ca = a.capem }, files = { staple = response(...) } })
    end

    it("that is good is believed", function()
      local tls <close> = stapled "V"

      for _, ocsp in ipairs { true, "required" } do
        local s <close> = assert(dial(tls, { ocsp = ocsp }))
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
      local tls <close> = stapled "R"

      for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
        local context = net.tls.context { ca = secure.authority().capem, max = version }
        for _, ocsp in ipairs { true, true, "required", "required" } do
          local s, err = dial(tls, { ca = false, context = context, ocsp = ocsp })

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
        local tls <close> = stapled(case[3], about)

        local s <close> = assert(dial(tls, { ocsp = true, verify_time = case[5] }))
        local report = s:tls().ocsp
        s:close()
        local none, err = dial(tls, { ocsp = "required", verify_time = case[5] })

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
    local tls <close> = serving("-tls1_3", { mode = false })
    local s <close> = assert(dial(tls))
    local lines = {}

    for n, command in ipairs { "k", "K", "K", "k" } do
      assert(s:write("to ", n, "\n"))
      tls:expect("to " .. n .. "\n")
      tls:write("commands", command .. "\n")
      tls:expect(("SSL_do_handshake %-> 1.*"):rep(n), 2)
      tls:write("commands", "from " .. n .. "\n")
      lines[n] = s:read()
    end

    assert.same({ "from 1", "from 2", "from 3", "from 4" }, lines)
    assert(s:write "last\n")
    tls:expect "last\n"
  end)

  for _, command in ipairs { "r", "R" } do
    it("that wants to negotiate anew is refused: " .. command, function()
      local tls <close> = serving("-tls1_2 -state", { mode = false })
      local s <close> = assert(dial(tls))
      assert(s:write "first\n")
      tls:expect "first\n"
      local before = s:export_key("EXPORTER-test", 16)

      tls:write("commands", command .. "\n")
      local line, err = s:read "l"

      assert.is_nil(line)
      assert.is_not_nil(err)
      assert.equal(before, s:export_key("EXPORTER-test", 16))
    end)
  end
end)

-- What OpenSSL refuses or is refused, and with which of our options it is not.
describe("s_server of OpenSSL that is weak:", function()
  local it = server.needing(openssl, "the package openssl", it, pending)

  local cases = {
    { "speaks TLS 1.0 only", "-tls1 -cipher DEFAULT@SECLEVEL=0", "protocol_version", { min = "TLSv1",
      security_level = 0 }, "TLSv1" },
    { "speaks TLS 1.1 only", "-tls1_1 -cipher DEFAULT@SECLEVEL=0", "protocol_version", { min = "TLSv1.1",
      security_level = 0 }, "TLSv1.1" },
    { "exchanges keys by 1024 bits", "-tls1_2 -dhparam dh -cipher DHE@SECLEVEL=0", "dh key too small",
      { security_level = 0 }, "TLSv1.2" },
    { "exchanges keys by 6144 bits", "-tls1_2 -dhparam long -cipher DHE", "dh key too small",
      { groups = "ffdhe6144:X25519" }, "TLSv1.2" },
    { "does not encrypt", "-tls1_2 -cipher eNULL@SECLEVEL=0", "handshake_failure",
      { security_level = 0, ciphers = "eNULL" }, "TLSv1.2" },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      local files = case[2]:find "long" and { long = long() }
      local tls <close> = serving(case[2], { row = row "good RSA-2048", files = files })

      local none, err = dial(tls)
      local s <close> = assert(dial(tls, case[4]))

      assert.is_nil(none)
      assert.equal("TLS_HANDSHAKE", err.code)
      assert.equal(case[3], err.alert or err.message)
      assert.is_string(err.hint)
      assert.equal("cba", reversed(s, "abc"))
      assert.same({ case[5], true }, { s:tls().protocol, s:tls().verified })
    end)
  end

  it("has no certificate, which no option makes up for but verify = false", function()
    local tls <close> = serving("-tls1_2 -cipher aNULL@SECLEVEL=0", { own = "-nocert" })
    local options = { security_level = 0, ciphers = "aNULL" }

    local none, err = dial(tls)
    local unproven, why = dial(tls, options)
    options.verify = false
    local s <close> = assert(dial(tls, options))

    assert.is_nil(none)
    assert.same({ "TLS_HANDSHAKE", "handshake_failure" }, { err.code, err.alert })
    assert.is_nil(unproven)
    assert.equal("TLS_VERIFY", why.code)
    assert.is_false(s:tls().verified)
  end)

  it("would compress: that is not offered", function()
    local tls <close> = serving "-comp -trace -tls1_2"
    local s <close> = assert(dial(tls))

    assert.equal("cba", reversed(s, "abc"))
    local offered = tls:expect "compression_methods %(len=(%d+)%)%s+No Compression"

    assert.equal("1", offered)
  end)
end)

-- ---- OpenSSL as the client

-- A listener that echoes lines. Second: what it knows of each client, third: the errors of those that failed.
local function listening(options, f)
  local seen, failures = {}, {}
  local all = { security_level = 0, failed = function(_, err) failures[#failures + 1] = err end }
  for field, value in pairs(options or {}) do all[field] = value end
  local s = secure.serve(all, f or function(client)
    seen[#seen + 1] = client:tls()
    for line in function() return client:read "L" end do
      if not client:write(line) then break end
    end
  end)
  return s, seen, failures
end

-- s_client, which gets its input from what the spec writes to the pipe `commands`.
local function calling(port, arguments, files)
  local all = { ca = secure.authority().capem }
  for name, text in pairs(files or {}) do all[name] = text end
  return server.start {
    command = ("mkfifo commands && exec stdbuf -o0 '%s' s_client -connect 127.0.0.1:@PORT@ -CAfile ca "
      .. "-verify_return_error -verify_hostname server.test %s <>commands"):format(openssl, arguments),
    files = all, port = port,
  }
end

-- Sends a line and waits for it to come back; ends the client. Its exit status.
local function echoed(caller, line)
  caller:expect "\n%-%-%-\nSSL handshake"
  caller:write("commands", line .. "\n")
  caller:expect("\n" .. line .. "\n")
  caller:write("commands", "Q\n")
  return caller:wait()
end

-- Waits until a list has that many.
local function filled(list, n)
  while #list < n do net.sleep(0.002) end
  return list
end

describe("s_client of OpenSSL", function()
  local it = server.needing(openssl, "the package openssl", it, pending)

  for version, flag in pairs { ["TLSv1.2"] = "-tls1_2", ["TLSv1.3"] = "-tls1_3" } do
    it("is served with " .. version, function()
      local web <close>, seen = listening()
      local caller <close> = calling(web.port, flag)

      local status = echoed(caller, "hello")

      assert.equal(0, status)
      assert.same({ version, false }, { seen[1].protocol, seen[1].verified })
    end)

    it("resumes a session with " .. version, function()
      local web <close>, seen = listening()
      local folder <close> = server.folder()
      local file = folder.path .. "/session"

      for _, words in ipairs { "-sess_out ", "-sess_in " } do
        local caller <close> = calling(web.port, flag .. " " .. words .. file)
        assert.equal(0, echoed(caller, "hello"))
      end

      assert.same({ false, true }, { seen[1].resumed, seen[2].resumed })
    end)

    it("has the same key with " .. version, function()
      local web <close>, seen, failures = listening {
        psk = { me = "\1\2\3\4\5\6\7\8\1\2\3\4\5\6\7\8" }, ciphers = "PSK",
        ciphersuites = "TLS_AES_128_GCM_SHA256", -- beside a certificate OpenSSL uses keys with no other
      }
      local words = flag .. " -cipher PSK -psk_identity me -psk %s02030405060708"
      local caller <close> = calling(web.port, words:format "010203040506070801")
      local stranger <close> = calling(web.port, words:format "010203040506070899")

      local status = echoed(caller, "hello")
      local refused = stranger:wait()

      assert.equal(0, status)
      assert.is_true(seen[1].psk)
      assert.equal(1, refused)
      assert.equal("TLS_HANDSHAKE", filled(failures, 1)[1].code)
    end)

    it("shows its certificate with " .. version, function()
      local a = row "good"
      local web <close>, seen, failures = listening { client_ca = a.ca }
      local files = { cert = row "for clients only".chain, key = a.key, bad = row "untrusted root".chain }
      local good <close> = calling(web.port, flag .. " -cert cert -cert_chain cert -key key", files)
      local status = echoed(good, "hello")
      local none <close> = calling(web.port, flag, files)
      none:wait()
      filled(failures, 1)
      local bad <close> = calling(web.port, flag .. " -cert bad -cert_chain bad -key key", files)
      bad:wait()
      filled(failures, 2)

      assert.equal(0, status)
      assert.equal(1, #seen)
      assert.is_true(seen[1].verified)
      assert.same({ "TLS_HANDSHAKE", "TLS_VERIFY" }, { failures[1].code, failures[2].code })
    end)
  end

  it("reconnects five times with one session", function()
    local web <close>, seen = listening()
    local caller <close> = calling(web.port, "-tls1_2 -reconnect")

    filled(seen, 6)
    caller:write("commands", "Q\n")

    assert.equal(0, (caller:wait()))
    assert.is_false(seen[1].resumed)
    for n = 2, 6 do assert.is_true(seen[n].resumed) end
  end)

  it("finds out that our certificate is for somebody else, or by a stranger", function()
    for _, name in ipairs { "wrong host", "untrusted root" } do
      local a = row(name)
      local web <close>, seen, failures = listening { cert = a.chain, key = a.key }
      local caller <close> = calling(web.port, "", { ca = a.ca })

      local status = caller:wait()

      assert.equal(1, status)
      assert.equal("TLS_HANDSHAKE", filled(failures, 1)[1].code)
      assert.equal("string", type(failures[1].alert))
      assert.equal(0, #seen)
    end
  end)

  it("agrees on an application protocol, or is refused", function()
    local web <close>, seen, failures = listening { alpn = { "h2", "http/1.1" } }
    local caller <close> = calling(web.port, "-alpn imap,http/1.1")
    local status, output = echoed(caller, "hello")
    local other <close> = calling(web.port, "-alpn imap")
    local refused = other:wait()

    assert.same({ 0, 1 }, { status, refused })
    assert.matches("ALPN protocol: http/1.1", output, 1, true)
    assert.equal("http/1.1", seen[1].alpn)
    assert.equal("TLS_HANDSHAKE", filled(failures, 1)[1].code)
  end)

  it("gets the certificate of the name that it asks for", function()
    local other = row "wrong host"
    local web <close>, seen = listening { servername = {
      ["other.test"] = { cert = other.chain, key = other.key },
      ["*.wild.test"] = { cert = other.chain, key = other.key },
    } }
    local shown = {}

    for n, name in ipairs { "server.test", "other.test", "a.wild.test" } do
      local host = n == 1 and "server.test" or "other.test"
      local caller <close> = calling(web.port, ("-servername %s -verify_hostname %s"):format(name, host))
      assert.equal(0, (echoed(caller, "hello")))
      shown[n] = seen[n].host
    end

    assert.same({ "server.test", "other.test", "a.wild.test" }, shown)
  end)

  it("sees the answer that we staple", function()
    local a = secure.authority()
    local web <close> = listening { ocsp = response("V", { about = a.leaf }) }
    local caller <close> = calling(web.port, "-status")

    local status, output = echoed(caller, "hello")

    assert.equal(0, status)
    assert.matches("OCSP Response Status: successful", output, 1, true)
    assert.matches("Cert Status: good", output, 1, true)
  end)

  it("does not negotiate anew, nor keeps others from being served by trying to", function()
    local web <close>, seen = listening()
    local caller <close> = calling(web.port, "-tls1_2")
    caller:expect "\n%-%-%-\nSSL handshake"

    caller:write("commands", "R\n")
    local status = caller:wait()
    local other <close> = calling(web.port, "-tls1_2")

    assert.equal(1, status)
    assert.equal(0, (echoed(other, "hello")))
    assert.equal(2, #seen)
  end)

  it("changes its keys while data flows", function()
    local web <close> = listening()
    local caller <close> = calling(web.port, "-tls1_3")
    caller:expect "\n%-%-%-\nSSL handshake"

    for n, command in ipairs { "k", "K", "K", "k" } do
      caller:write("commands", command .. "\n")
      caller:expect(("KEYUPDATE.*"):rep(n), nil, "errors")
      caller:write("commands", "line " .. n .. "\n")
      caller:expect("\nline " .. n .. "\n")
    end
    caller:write("commands", "Q\n")

    assert.equal(0, (caller:wait()))
  end)

  it("sends no data before the handshake", function()
    local web <close>, seen = listening()
    local folder <close> = server.folder()
    local file = folder.path .. "/session"

    for _, words in ipairs { "-sess_out ", "-early_data early -sess_in " } do
      local caller <close> = calling(web.port, "-tls1_3 " .. words .. file, { early = "early\n" })
      local status, output = echoed(caller, "hello")
      assert.equal(0, status)
      assert.matches("Early data was not sent", output, 1, true)
      assert.is_nil(output:find("\nearly\n", 1, true))
    end

    assert.is_true(seen[2].resumed)
  end)

  it("begins with plain SMTP", function()
    local a = secure.authority()
    local mail <close> = peer.each(function(client)
      client:write "220 mail.test ESMTP\r\n"
      for line in client:lines() do
        local word = line:upper():match "^%u+"
        if word == "EHLO" then
          client:write(client:tls() and "250 mail.test\r\n" or "250-mail.test\r\n250 STARTTLS\r\n")
        elseif word == "STARTTLS" then
          client:write "220 go ahead\r\n"
          assert(client:starttls { server = true, cert = a.chain, key = a.key })
        elseif word == "QUIT" then
          client:write "221 bye\r\n"
          return
        end
      end
    end)
    local caller <close> = calling(mail.port, "-starttls smtp -name me.test -crlf")
    caller:expect "\n%-%-%-\nSSL handshake"

    caller:write("commands", "EHLO me.test\n")
    caller:expect "\n250 mail.test\r"
    caller:write("commands", "quit\n")
    caller:expect "\n221 bye\r"

    assert.equal(0, (caller:wait()))
  end)
end)
