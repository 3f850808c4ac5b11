local core = require "net.core.tlscontext"
local connected = require "connected"
local secure = require "secure"
local session = require "net.core.tlssession"

describe("a session", function()
  local context

  setup(function() context = assert(core.context {}) end)

  it("is prepared for a name, an address, or nobody", function()
    for _, host in ipairs { "a.test", "127.0.0.1", "::1", "fe80::1%lo" } do
      assert(session.prepare(context, { host = host }))
    end
    assert(session.prepare(context, { verify = "none" }))
    assert(session.prepare(context, { server = true, verify = "optional" }))
  end)

  it("refuses a name that is longer than names are", function()
    local made, err = session.prepare(context, { host = ("x"):rep(300) })

    assert.is_nil(made)
    assert.equal("ENOMEM", err.code)
  end)

  it("takes records for DANE of which one can be used", function()
    local good, bad = { 3, 1, 1, ("x"):rep(32) }, { 3, 1, 1, "short" }

    assert(session.prepare(context, { host = "a.test", dane = { bad, good } }))
    local made, err = session.prepare(context, { host = "a.test", dane = { bad } })
    assert.is_nil(made)
    assert.equal("TLS_CONFIG", err.code)
  end)

  it("raises for fields it does not know", function()
    assert.is_false(pcall(session.prepare, context, { hots = "x" }))
    assert.is_false(pcall(session.prepare, context, { verify = "some" }))
    assert.is_false(pcall(session.prepare, {}, {}))
  end)
end)

describe("of a stream", function()
  it("without TLS nothing is told", function()
    local held <close>, a = connected.pair() -- luacheck: ignore held

    assert.is_nil(session.facts(a))
    assert.is_nil(session.refusal(a))
    assert.equal("ENOTCONN", select(2, session.export(a, "x", 16)).code)
    assert.equal("ENOTCONN", select(2, session.endpoint(a)).code)
    assert.equal("CLOSED", select(2, session.choose(a, assert(core.context {}), {})).code)
  end)

  it("with TLS the facts are those of both ends", function()
    local a <close>, b = secure.pair({ alpn = { "x" } }, { alpn = { "x" } })
    local held <close> = b -- luacheck: ignore held
    local client, server = session.facts(a), session.facts(b)

    for _, field in ipairs { "protocol", "cipher", "group", "alpn", "host" } do
      assert.equal(client[field], server[field])
    end
    assert.equal(secure.authority().leaf.der, client.chain[1])
    assert.equal(3, #client.trusted)
    assert.is_true(client.verified)
    assert.is_false(server.verified)
    assert.is_nil(server.chain)
  end)

  it("exports up to a kilobyte", function()
    local a <close>, b = secure.pair()
    local held <close> = b -- luacheck: ignore held

    assert.equal(1024, #session.export(a, "EXPORTER-x", 1024))
    assert.is_false(pcall(session.export, a, "EXPORTER-x", 1025))
    assert.is_false(pcall(session.export, a, "EXPORTER-x", 0))
  end)
end)
