-- The tools that look at TLS, with servers of OpenSSL and nginx.

local authority = require "authority"
local nginx = require "nginx"
local server = require "server"
local tools = require "tools"

local openssl = server.find "openssl"
local HOST = "server.test"

local a = authority.new(HOST)
local files = {
  ["chain.pem"] = a.chain, ["key.pem"] = a.key, ["ca.pem"] = a.capem, ["leaf.pem"] = a.leaf:pem(),
  ["issuer.pem"] = a.intermediate:pem(), ["issuerkey.pem"] = a.intermediatekey,
}

-- openssl s_server with those words; `before` runs in its folder first.
local function start(words, before)
  local command = "%s\nexec '%s' s_server -accept 127.0.0.1:@PORT@ -cert leaf.pem -cert_chain issuer.pem "
    .. "-key key.pem -quiet -naccept 9 %s"
  local s = server.start { command = command:format(before or "", openssl, words), files = files }
  return s:listening()
end

local function ask(s, ...)
  local records, status = tools.records("tls", "127.0.0.1:" .. s.port, "--name", HOST, "--cafile",
    s.folder .. "/ca.pem", "-w", "5", ...)
  return records[1], status, records
end

-- Has the authority of the certificate say of it what `line` says, in the form of its index.
local function stapling(line)
  local index = line:format(a.leaf.serial:upper())
  return ([[
printf '%s\n' >index
'%s' ocsp -issuer issuer.pem -cert leaf.pem -reqout request -no_nonce >/dev/null
'%s' ocsp -index index -CA issuer.pem -rsigner issuer.pem -rkey issuerkey.pem -reqin request -respout answer \
  -ndays 1 >/dev/null]]):format(index, openssl, openssl)
end

describe("netlua tls, with openssl s_server,", function()
  local it = server.needing(openssl, "the package openssl", it, pending)

  it("sees what it agrees on and the chain that it sends", function()
    local s <close> = start "-alpn h2"

    local rec, status = ask(s, "--alpn", "h2")

    assert.equal(0, status)
    assert.same({ "TLSv1.3", "h2", true, 2, "CN=Test Root", "none" },
      { rec.protocol, rec.alpn, rec.verified, #rec.chain, rec.anchor, rec.ocsp.status })
  end)

  it("tells which versions it speaks", function()
    local s <close> = start "-no_tls1_3 -cipher ALL:@SECLEVEL=0"

    local _, status, records = ask(s, "--protocols")

    local states = {}
    for index, rec in ipairs(records) do states[index] = rec.protocol .. " " .. rec.state end
    assert.equal(0, status)
    assert.same({ "TLSv1.3 refused", "TLSv1.2 spoken" }, { states[1], states[2] })
    assert.equal(4, #states)
  end)

  it("believes a response that says good, and one that says revoked", function()
    local good <close> = start("-status_file answer", stapling "V\\t401231235959Z\\t\\t%s\\tunknown\\t/CN=x")
    local revoked <close> = start("-status_file answer",
      stapling "R\\t401231235959Z\\t240101000000Z,keyCompromise\\t%s\\tunknown\\t/CN=x")

    local first, fine = ask(good)
    local second, bad = ask(revoked)

    assert.same({ 0, "good", true }, { fine, first.ocsp.status, first.verified })
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT", first.ocsp.next_update)
    assert.same({ 60, "revoked", false }, { bad, second.verify_error.reason, second.verified })
  end)
end)

local HTTP = [[
  server {
    listen 127.0.0.1:@PORT@;
    listen unix:@FOLDER@/socket ssl;
    ssl_certificate chain.pem;
    ssl_certificate_key key.pem;
  }
]]

describe("the diagnosis, with nginx,", function()
  local it = server.needing(nginx.path, "the package nginx-light", it, pending)

  local function web() return nginx.start(HTTP, files) end

  it("finds the certificate good on its port for TLS", function()
    local s <close> = web()

    local function look(host)
      return assert(net.diagnose("unix:" .. s.folder .. "/socket", { tls = { host = host, ca = a.capem } }))
    end
    local report, other = look(HOST), look "x.test"

    assert.same({ "ok", "tls-cert", "wrong_host" }, { report.verdict, other.verdict, other.error.reason })
  end)

  it("says that it speaks plain HTTP on the other", function()
    local s <close> = web()

    local report = assert(net.diagnose("127.0.0.1:" .. s.port, { tls = true, timeout = 5 }))

    assert.equal("tls-proto", report.verdict)
    assert.equal("the peer speaks plain HTTP here, not TLS", report.explanation)
  end)
end)
