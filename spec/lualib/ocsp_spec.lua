local programs = require "server"
local secure = require "secure"
local stapling = require "stapling"

describe("a stapled response", function()
  local needs = programs.needing(stapling.openssl, "the package openssl", it, pending)
  local a = secure.authority()

  local function respond(status, days)
    return stapling.respond(a.leaf, a.intermediate, status, a.intermediate, a.intermediatekey, days)
  end

  local function connect(staple, ocsp)
    local server <close> = secure.serve { context = stapling.context(a.chain, a.key, staple) }
    local s, err = secure.connect(server, { ocsp = ocsp })
    if not s then return nil, err end
    local held <close> = s -- luacheck: ignore held
    return s:tls()
  end

  needs("is told where it was asked for", function()
    local response = respond "V"

    assert.equal("good", connect(response, true).ocsp.status)
    assert.equal("good", connect(response, "required").ocsp.status)
    assert.is_nil(connect(response).ocsp)
  end)

  needs("that says revoked ends the connection", function()
    local response = respond "R"

    for _, asked in ipairs { true, "required" } do
      local info, err = connect(response, asked)
      assert.is_nil(info)
      assert.equal("TLS_VERIFY", err.code)
      assert.equal("revoked", err.reason)
      assert.equal("keyCompromise", err.ocsp.reason)
      assert.matches("revoked", err.message, 1, true)
    end
    assert.is_table(connect(response))
  end)

  for _, version in ipairs { "TLSv1.2", "TLSv1.3" } do
    needs("is asked for anew by every connection, as resumed sessions bring none: " .. version, function()
      local context = assert(net.tls.context { ca = a.capem })
      for _, row in ipairs { { "V", "required" }, { "R", true } } do
        local server <close> = secure.serve { ocsp = respond(row[1]), max = version }
        for _ = 1, 3 do
          local s, err = net.connect(server.host, server.port,
            { tls = { context = context, host = a.host, ocsp = row[2] }, timeout = 5 })
          assert.equal(row[1] == "V" and "good" or "revoked", s and s:tls().ocsp.status or err.reason)
          if s then
            s:write "x\n"
            s:read()
            s:close()
          end
        end
      end
    end)
  end

  needs("that cannot be believed is no answer, and not enough where one is required", function()
    for _, response in ipairs { respond "E", "garbage" } do
      assert.is_true(connect(response, true).verified)
      local info, err = connect(response, "required")
      assert.is_nil(info)
      assert.equal("TLS_VERIFY", err.code)
      assert.equal("ocsp", err.reason)
    end
  end)

  needs("is looked at when a server is given it", function()
    -- Any bytes were taken, and clients refused the server for them, if they looked.
    local function given(staple)
      local made, err = net.tls.context { cert = a.chain, key = a.key, ocsp = staple }
      return made and "made" or err.code .. " " .. err.message
    end
    local other = secure.authority "other.test"
    local good = respond "V"
    local elsewhere = stapling.respond(other.leaf, other.intermediate, "V", other.intermediate,
      other.intermediatekey)

    assert.equal("made", given(good))
    assert.equal("made", given(respond "R"))
    for staple, problem in pairs {
      ["Required"] = "it is no OCSP response", [""] = "it is no OCSP response",
      [good:sub(1, -2)] = "it is no OCSP response", [good .. "\0"] = "it is no OCSP response",
      ["0\3\10\1\3"] = "trylater", ["0\3\10\1\0"] = "it is of an unknown type",
      [elsewhere] = "it is about another certificate",
    } do
      assert.equal('TLS_CONFIG option "ocsp": ' .. problem, given(staple))
    end
  end)

  needs("has to come with a certificate that promises one", function()
    -- It was heeded where it came; who has a stolen key does not send the one that says so.
    local leaf, key = net.x509.make { names = { a.host }, must_staple = true,
      issuer = { certificate = a.intermediate, key = a.intermediatekey } }
    local function connected(staple, ocsp)
      local context = stapling.context(leaf:pem() .. a.intermediate:pem(), key, staple)
      local server <close> = secure.serve { context = context }
      local s, err = secure.connect(server, { ocsp = ocsp })
      if s then s:close() end
      return s and "connected" or err.reason, err
    end
    local good = stapling.respond(leaf, a.intermediate, "V", a.intermediate, a.intermediatekey)

    local reason, err = connected(nil, true)
    assert.equal("ocsp", reason)
    assert.matches("gave no OCSP response, which its certificate demands", err.message, 1, true)
    assert.equal("ocsp", (connected("garbage", true)))
    assert.equal("connected", (connected(good, true)))
    assert.equal("connected", (connected()))
  end)

  it("that does not come is no failure, unless one is required", function()
    assert.equal("none", connect(nil, true).ocsp.status)
    local info, err = connect(nil, "required")

    assert.is_nil(info)
    assert.equal("ocsp", err.reason)
    assert.matches("gave no OCSP response", err.message, 1, true)
  end)
end)
