local authority = require "authority"
local nginx = require "nginx"
local secure = require "secure"
local server = require "server"

local HTTP = [[
  keepalive_timeout 2s;
  ssl_certificate_key @FOLDER@/key;
  ssl_session_cache shared:s:1m;
  root @FOLDER@;
  %s
  server {
    listen 127.0.0.1:@PORT@ ssl default_server;
    server_name server.test;
    ssl_certificate @FOLDER@/chain;
    location = /facts { return 200 "$ssl_protocol $ssl_session_reused $ssl_client_verify $ssl_server_name"; }
    location = /cut { return 444; }
  }
  server {
    listen 127.0.0.1:@PORT@ ssl;
    server_name other.test;
    ssl_certificate @FOLDER@/otherchain;
    location / { return 200 "the other"; }
  }
]]

local rows = {}
for _, row in ipairs(authority.matrix()) do rows[row.name] = row end

local function start(more, files)
  local a = secure.authority()
  local all = { chain = a.chain, key = a.key, otherchain = rows["wrong host"].chain, ca = a.capem }
  for name, text in pairs(files or {}) do all[name] = text end
  return nginx.start(HTTP:format(more or ""), all)
end

local function dial(web, tls)
  return net.connect("127.0.0.1", web.port, { tls = secure.client(tls), timeout = 10 })
end

-- What nginx answers to a request, on a connection that it closes then.
local function get(s, path)
  assert(s:write("GET ", path, " HTTP/1.0\r\nHost: server.test\r\n\r\n"))
  local head, err = s:read_until("\r\n\r\n", 10000)
  if not head then return nil, err end
  return s:read "a", head
end

describe("nginx with TLS", function()
  local it = server.needing(nginx.path, "the package nginx-light", it, pending)

  for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
    it("answers, ends, and resumes the session with " .. version, function()
      local web <close> = start(("ssl_protocols %s;"):format(version))
      local context = assert(net.tls.context { ca = secure.authority().capem })
      local facts = {}

      for n = 1, 2 do
        local s <close> = assert(net.connect("127.0.0.1", web.port,
          { tls = { context = context, host = "server.test" }, timeout = 10 }))
        facts[n] = get(s, "/facts")
        assert.same({ n = 1 }, table.pack(s:read(1)))
        assert.same({ version, n == 2, true }, { s:tls().protocol, s:tls().resumed, s:tls().verified })
      end

      assert.same({ version .. " . NONE server.test", version .. " r NONE server.test" }, facts)
    end)
  end

  it("speaks another version only: that is an error with a hint", function()
    local web <close> = start "ssl_protocols TLSv1.2;"

    local s, err = dial(web, { min = "TLSv1.3" })

    assert.is_nil(s)
    assert.same({ "TLS_HANDSHAKE", "protocol_version" }, { err.code, err.alert })
    assert.is_string(err.hint)
  end)

  it("sends ten mebibytes, every byte of them, to fast and to slow readers", function()
    local pieces = {}
    for n = 1, 10 * 65536 do pieces[n] = ("%015d\n"):format(n) end
    local text = table.concat(pieces)
    local web <close> = start(nil, { large = text })
    local fast <close> = assert(dial(web))
    local slow <close> = assert(dial(web))
    local got = {}

    local body = get(fast, "/large")
    assert(slow:write "GET /large HTTP/1.0\r\n\r\n")
    slow:read_until("\r\n\r\n", 10000)
    for piece in function() return slow:recv(12345) end do got[#got + 1] = piece end

    assert.is_true(text == body)
    assert.is_true(text == table.concat(got))
  end)

  it("demands a certificate", function()
    local web <close> = start "ssl_client_certificate @FOLDER@/ca; ssl_verify_client on; ssl_verify_depth 3;"
    local function ask(tls)
      local s <close> = assert(dial(web, tls))
      return (get(s, "/facts"))
    end

    local good = ask { cert = rows["for clients only"].chain, key = secure.authority().key }

    assert.matches("SUCCESS", good, 1, true)
    assert.matches("No required SSL certificate was sent", ask(), 1, true)
    assert.matches("certificate error", ask { cert = rows["untrusted root"].chain,
      key = secure.authority().key }, 1, true)
  end)

  it("serves two names with two certificates", function()
    local web <close> = start()

    local one <close> = assert(dial(web))
    local other <close> = assert(dial(web, { host = "other.test" }))
    local none, err = dial(web, { host = "third.test" })

    assert.equal("server.test", one:tls().certificate.names[1])
    assert.equal("other.test", other:tls().certificate.names[1])
    assert(other:write "GET / HTTP/1.0\r\nHost: other.test\r\n\r\n")
    assert.matches("the other$", (other:read "a"))
    assert.is_nil(none)
    assert.same({ "TLS_VERIFY", "wrong_host" }, { err.code, err.reason })
  end)

  it("staples what it is told to", function()
    local refusal = "\48\3\10\1\6" -- of whom the authority does not know, RFC 6960, section 4.2.1
    local web <close> = start("ssl_stapling on; ssl_stapling_file @FOLDER@/staple;", { staple = refusal })

    local s <close> = assert(dial(web, { ocsp = true }))
    local report = s:tls().ocsp

    assert.same({ "invalid", "unauthorized" }, { report.status, report.problem })
  end)

  it("closes without a word of HTTP where it is told to", function()
    local web <close> = start()
    local s <close> = assert(dial(web))

    assert(s:write "GET /cut HTTP/1.0\r\n\r\n")
    local data, err = s:read()

    assert.is_nil(data)
    assert.is_true(err == nil or err.code == "TLS_TRUNCATED")
  end)
end)
