local authority = require "authority"
local netlua = require "netlua"
local peer = require "peer"
local starttls = require "starttls"
local tools = require "tools"

local HOST = "server.test"
local DAY = 86400

-- A file with that text, which is gone at the end of the scope: {name = its name}
local function file(text)
  local name = os.tmpname()
  local f <close> = assert(io.open(name, "wb"))
  f:write(text)
  return setmetatable({ name = name }, { __close = function() os.remove(name) end })
end

-- A server that does the handshake with every client and takes its end.
local function serve(options)
  return peer.each(function(s)
    options.server = true
    if s:starttls(options, 5) then s:finish(1) end
  end)
end

local a, ca

local function trusting(server, ...)
  return server.address, "--name", HOST, "--cafile", ca, "-w", "5", ...
end

describe("tls", function()
  setup(function()
    a = authority.new(HOST)
    ca = os.tmpname()
    local f <close> = assert(io.open(ca, "wb"))
    f:write(a.capem)
  end)

  teardown(function() os.remove(ca) end)

  it("shows what was agreed on, the certificate and who vouches for it", function()
    local server <close> = serve { cert = a.chain, key = a.key, alpn = { "h2" } }

    local out, err, status = tools.run("tls", trusting(server, "--alpn", "http/1.1,h2"))

    assert.equal("", err)
    assert.equal(0, status)
    local day = "%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ"
    assert.matches("^127%.0%.0%.1:%d+  TLSv1%.3 TLS_AES_256_GCM_SHA384 x25519 h2  verified\n", out)
    assert.matches("\n  subject +CN=server%.test\n  names +server%.test\n", out)
    assert.matches("\n  issuer +CN=Test Intermediate\n", out)
    assert.matches("\n  valid +" .. day .. " to " .. day .. ", 8%d days left\n", out)
    assert.matches("\n  key +ec P%-256, signed with ecdsa%-with%-SHA256\n  sha256 +%x+\n", out)
    assert.matches("\n  chain +2 sent, trusted by CN=Test Root\n$", out)
  end)

  it("gives a record with the certificate, the chain and times", function()
    local server <close> = serve { cert = a.chain, key = a.key }

    local records, status = tools.records("tls", trusting(server))

    assert.equal(0, status)
    local rec = records[1]
    assert.same({ true, true, server.address, "127.0.0.1", server.port, "127.0.0.1", HOST },
      { rec.ok, rec.verified, rec.target, rec.host, rec.port, rec.address, rec.name })
    assert.same({ "TLSv1.3", "TLS_AES_256_GCM_SHA384", "x25519" }, { rec.protocol, rec.cipher, rec.group })
    assert.same({ "CN=server.test", "CN=Test Intermediate", "CN=Test Root" },
      { rec.subject, rec.issuer, rec.anchor })
    assert.same({ HOST }, rec.san)
    assert.same({ type = "ec", bits = 256, curve = "P-256" }, rec.key)
    assert.same({ a.leaf.serial, a.leaf.sha256, a.leaf.not_before_text, a.leaf.not_after_text },
      { rec.serial, rec.sha256, rec.not_before, rec.not_after })
    assert.truthy(rec.days_left > 88 and rec.days_left < 90 and rec.connect_ms >= 0 and rec.tls_ms > 0)
    assert.equal("none", rec.ocsp.status)
    assert.same({ "CN=server.test", "CN=Test Intermediate" }, { rec.chain[1].subject, rec.chain[2].subject })
    assert.same({ false, true }, { rec.chain[1].ca, rec.chain[2].ca })
    assert.is_nil(rec.verify_error)
    assert.is_nil(rec.chain[1].pem)
  end)

  it("shows every certificate on request, and as PEM", function()
    local server <close> = serve { cert = a.chain, key = a.key }

    local chain = tools.run("tls", trusting(server, "--chain"))
    local pem = tools.run("tls", trusting(server, "--pem"))
    local records = tools.records("tls", trusting(server, "--pem"))

    assert.matches("\n  chain 0 +CN=server%.test, issued by CN=Test Intermediate, until %S+\n", chain)
    assert.matches("\n  chain 1 +CN=Test Intermediate, issued by CN=Test Root, until %S+\n", chain)
    local list = assert(net.x509.parse_all(pem))
    assert.truthy(#list == 2 and list[1] == a.leaf and list[2] == a.intermediate)
    assert.equal(a.leaf:pem(), records[1].chain[1].pem)
  end)

  it("shows the certificate that is not trusted, says why, and ends with 60", function()
    local seen = 0
    for _, case in ipairs(authority.matrix "www.server.test") do
      if not case.crl and not case.host:find ":" then
        local server <close> = serve { cert = case.chain, key = case.key, security_level = 0 }
        local trusted <close> = file(case.ca)
        local words = { server.address, "--name", case.host, "--cafile", trusted.name, "-w", "5" }

        local records, status = tools.records("tls", table.unpack(words))
        local out, err = tools.run("tls", table.unpack(words))

        local rec = records[1]
        assert.equal(1, #records)
        if not case.reason then
          assert.same({ 0, true }, { status, rec.verified }, case.name)
        elseif status == 60 then
          seen = seen + 1
          assert.same({ true, false, case.reason, "TLS_VERIFY" },
            { rec.ok, rec.verified, rec.verify_error.reason, rec.verify_error.code }, case.name)
          assert.truthy(#rec.verify_error.message > 0 and #rec.verify_error.explanation > 0)
          assert.truthy(rec.sha256 and rec.not_after and #rec.chain > 0)
          assert.matches("  NOT TRUSTED\n", out)
          assert.matches("^netlua tls: %S+: NOT TRUSTED: .- %(TLS_VERIFY%)\n  %u", err)
        else
          assert.equal(35, status, case.name) -- what is so weak or broken that there is no handshake at all
        end
      end
    end
    assert.truthy(seen > 20, seen)
  end)

  it("ends with 0 for what is not trusted on request, and says so all the same", function()
    local server <close> = serve { cert = a.chain, key = a.key }
    local words = { server.address, "--name", "other.test", "--cafile", ca, "--insecure" }

    local out, err, status = tools.run("tls", table.unpack(words))
    local records = tools.records("tls", table.unpack(words))

    assert.equal(0, status)
    assert.matches("NOT TRUSTED\n", out)
    assert.matches("NOT TRUSTED: certificate is for server%.test and not for other%.test", err)
    assert.same({ false, "wrong_host" }, { records[1].verified, records[1].verify_error.reason })
    assert.equal(1, (select(3, tools.run("tls", "--days", "365", table.unpack(words)))))
  end)

  it("ends with 1 where fewer days are left than asked for", function()
    local server <close> = serve { cert = a.chain, key = a.key }
    local left = (a.leaf.not_after - os.time()) // DAY

    local _, err, few = tools.run("tls", trusting(server, "--days", ("%d"):format(left + 1)))
    local _, _, enough = tools.run("tls", trusting(server, "--days", ("%d"):format(left - 1)))

    assert.same({ 1, 0 }, { few, enough })
    assert.matches("ends before %d+ days have passed\n$", err)
  end)

  it("tells which versions a server speaks, and warns of the old ones", function()
    local new <close> = serve { cert = a.chain, key = a.key, min = "TLSv1.3" }
    local old <close> = serve { cert = a.chain, key = a.key, min = "TLSv1", max = "TLSv1.2",
      security_level = 0, ciphers = "ALL" }

    local out, quiet, status = tools.run("tls", new.address, "--protocols")
    local records, oldstatus = tools.records("tls", old.address, "--protocols")
    local _, err = tools.run("tls", old.address, "--protocols")

    assert.equal("", quiet)
    assert.same({ 0, 0 }, { status, oldstatus })
    assert.matches("^%S+  TLSv1%.3  spoken   TLS_%S+\n%S+  TLSv1%.2  refused  .*\n", out)
    assert.matches("\n%S+  TLSv1%.1  refused  .*\n%S+  TLSv1 +refused  .*\n$", out)
    local states = {}
    for index, rec in ipairs(records) do
      states[index] = rec.protocol .. " " .. rec.state .. (rec.old and " old" or "")
      assert.truthy(rec.state == "spoken" and rec.cipher or rec.reason)
    end
    assert.same({ "TLSv1.3 refused", "TLSv1.2 spoken", "TLSv1.1 spoken old", "TLSv1 spoken old" }, states)
    assert.matches("^netlua tls: %S+: speaks TLSv1 and TLSv1%.1, which RFC 8996 forbids: .*\n$", err)
  end)

  it("counts a version as spoken where only a certificate of the client is missing", function()
    local server <close> = serve { cert = a.chain, key = a.key, max = "TLSv1.2", client_ca = a.capem }

    local records, status = tools.records("tls", server.address, "--protocols")
    local _, err = tools.run("tls", trusting(server))

    assert.equal(0, status)
    assert.same({ "TLSv1.2", "spoken", "it wants a certificate of the client" },
      { records[2].protocol, records[2].state, records[2].reason })
    assert.matches("The server wants a certificate of this client", err, 1, true)
  end)

  it("ends with 35 where no version is spoken, and 28 where nobody answers", function()
    local web <close> = peer.each(function(s) s:recv(100) s:write "HTTP/1.1 400 Bad\r\n\r\n" s:finish(1) end)
    local silent <close> = peer.each(function(s) s:read "a" end)

    local _, err, status = tools.run("tls", web.address, "--protocols", "-w", "2")
    local late = select(2, tools.records("tls", silent.address, "--protocols", "-w", "0.1"))

    assert.equal(35, status)
    assert.matches("the peer speaks plain HTTP here, not TLS", err)
    assert.equal(28, late)
  end)

  for _, protocol in ipairs(starttls.protocols) do
    it("begins TLS in the way of " .. protocol, function()
      local plain <close> = serve { cert = a.chain, key = a.key }
      local server <close> = peer.each(function(s)
        if protocol == "mysql" then return starttls.relay(s, plain.host, plain.port) end
        if not starttls.serve(s, protocol, { domain = HOST }) then return end
        if s:starttls({ server = true, cert = a.chain, key = a.key }, 5) then s:finish(1) end
      end)

      local records, status = tools.records("tls", trusting(server, "--starttls", protocol))

      assert.equal(0, status)
      assert.same({ true, true, protocol }, { records[1].ok, records[1].verified, records[1].starttls })
    end)
  end

  it("has the port of the protocol, else 443", function()
    local function port(...)
      local records = tools.records("tls", "127.0.0.1", "-w", "0.2", ...)
      return records[1].port or records[1].error.port
    end

    assert.equal(443, port())
    assert.equal(5222, port("--starttls", "xmpp"))
    assert.equal(9, port("-p", "9", "--starttls", "smtp"))
  end)

  it("ends with 35 where TLS is refused or tampered with, and begins none", function()
    local cases = {
      { "refuses", "^netlua tls: %S+: the server refuses to begin TLS: 454 no\\x1b %(STARTTLS_REFUSED%)",
        "220 x\r\n250 STARTTLS\r\n454 no\27\r\n" },
      { "offers none", "does not offer STARTTLS", "220 x\r\n250 x\r\n" },
      { "injects", "TLS_PLAINTEXT", "220 x\r\n250 STARTTLS\r\n220 go\r\nEHLO evil\r\n" },
    }
    for _, case in ipairs(cases) do
      local server <close> = peer.each(function(s) s:write(case[3]) s:read "a" end)

      local _, err, status = tools.run("tls", server.address, "--starttls", "smtp", "-w", "2")

      assert.equal(35, status, case[1])
      assert.matches(case[2], err)
      assert.is_nil(err:find "\27")
    end
  end)

  it("tells a server that closes, stalls or talks nonsense before TLS", function()
    local cases = { { 56, "" }, { 56, "\27[2J\r\n" }, { 28, "220 x\r\n", true }, { 56, ("x"):rep(9000) } }
    for _, case in ipairs(cases) do
      local server <close> = peer.each(function(s)
        s:write(case[2])
        if case[3] then s:read "a" end
        s:finish(1)
      end)

      local _, err, status = tools.run("tls", server.address, "--starttls", "smtp", "-w", "0.2")

      assert.equal(case[2]:find "xxx" and 1 or case[1], status)
      assert.is_nil(err:find "\27")
    end
  end)

  it("tells a peer that speaks no TLS, closes or stalls in the handshake", function()
    local cases = {
      { 35, "plain HTTP", "HTTP/1.0 400 Bad Request\r\n\r\n" }, { 35, "SMTP", "220 mx ESMTP\r\n" },
      { 35, "", "" }, { 35, "", "\27\1\2\3\4\5\6\7\8\9" }, { 35, "handshake_failure", "\21\3\3\0\2\2\40" },
    }
    for _, case in ipairs(cases) do
      local server <close> = peer.each(function(s) s:recv(1000) s:write(case[3]) s:finish(1) end)

      local _, err, status = tools.run("tls", server.address, "-w", "2")

      assert.equal(case[1], status, err)
      assert.truthy(err:find(case[2], 1, true), err)
      assert.is_nil(err:find "\27")
    end
    local server <close> = peer.each(function(s) s:read "a" end)
    assert.equal(28, (select(2, tools.records("tls", server.address, "-w", "0.1"))))
  end)

  it("has the status of the connection where there is none", function()
    assert.equal(7, (select(2, tools.records("tls", "127.0.0.1:1"))))
    assert.equal(6, (select(2, tools.records("tls", "10.0.0.256"))))
  end)

  it("lets nothing in a certificate steer the terminal", function()
    local evil = "x\27]0;owned\7\27[2J\u{202e}\u{9b}\r\ny"
    local key = net.x509.generate_key()
    local c = assert(net.x509.make { key = key, subject = { { "CN", evil }, { "O", evil } },
      names = { HOST, "a\27[31m.test", "b\0.test" }, days = 9 })
    local server <close> = serve { cert = c:pem(), key = key }
    local trusted <close> = file(c:pem())

    for _, words in ipairs { { "--chain" }, { "--format", "plain" }, { "--format", "csv" }, { "--json" },
      { "--name", "z.test", "-v" }, { "--pem" }, { "--fields", "subject,issuer,san,chain,verify_error" } } do
      local out, err = tools.run("tls", server.address, "--name", HOST, "--cafile", trusted.name,
        table.unpack(words))

      local text = (out .. err):gsub("[\n\t]", "")
      if words[2] == "csv" then text = text:gsub("\r", "") end
      assert.is_nil(text:find "%c", words[1])
      assert.is_nil(text:find("\u{9b}", 1, true))
      assert.is_nil(text:find("\u{202e}", 1, true))
      assert.truthy(#out > 0)
    end
  end)

  it("takes several targets, from a file too: 0 if all are well, else 1", function()
    local server <close> = serve { cert = a.chain, key = a.key }
    local list <close> = file(server.address .. " # the first\n" .. server.address .. "\n")

    local records, well = tools.records("tls", "-f", list.name, "--name", HOST, "--cafile", ca)
    local _, ill = tools.records("tls", trusting(server, "127.0.0.1:1"))

    assert.same({ 2, 0, 1 }, { #records, well, ill })
  end)

  it("reaches a unix socket, with a name to ask for", function()
    local path = os.tmpname()
    os.remove(path)
    local listener <close> = assert(net.listen("unix:" .. path, { tls = { cert = a.chain, key = a.key } }))
    local scope <close> = net.scope()
    scope:spawn(function()
      local s <close> = assert(listener:accept(5))
      if s:handshake(5) then s:finish(1) end
    end)

    local records, status = tools.records("tls", "unix:" .. path, "--name", HOST, "--cafile", ca)

    assert.same({ 0, true }, { status, records[1].verified })
    assert.equal(2, (select(2, tools.records("tls", "unix:" .. path))))
  end)

  it("shows its certificate to a server that wants one", function()
    local key <close> = file(a.key)
    local cert <close> = file(a.chain)
    local server <close> = serve { cert = a.chain, key = a.key, client_ca = a.capem, max = "TLSv1.2" }

    local _, without = tools.records("tls", trusting(server))
    local _, with = tools.records("tls", trusting(server, "--cert", cert.name, "--key", key.name))

    assert.same({ 35, 0 }, { without, with })
  end)

  it("ends with 2 for what cannot be asked", function()
    for _, words in ipairs {
      {}, { "a b" }, { "x", "--starttls", "http" }, { "x", "--days", "-1" }, { "x", "--name", "a\r\nb" },
      { "x", "--cafile", "/nonexistent" }, { "x", "--cert", "/nonexistent" }, { "x", "--alpn", "a,,b" },
      { "x", "--protocols", "--days", "3" }, { "x", "-w", "0" }, { "x", "-p", "0" },
      { "a'b", "--starttls", "xmpp" },
    } do
      local out, err, status = tools.run("tls", table.unpack(words))

      assert.equal(2, status)
      assert.equal("", out)
      assert.matches("^netlua tls: .*\ntry: netlua tls %-%-help\n$", err)
    end
  end)

  it("runs from the shell", function()
    local _, err, status = netlua.shell "%s tls 127.0.0.1:1 -q"

    assert.equal(7, status)
    assert.matches("^netlua tls: 127%.0%.0%.1:1: connection refused", err)
  end)
end)
