-- What is kept under a key shows in the sessions of TLS, of which it keeps a few for each peer.

local secure = require "secure"

describe("what is kept of peers", function()
  local server

  -- One server's context for all: its tickets are of no use to another.
  setup(function() server = assert(net.tls.context(secure.server())) end)

  -- Whether a connection to that host, with that context of a client, resumed a session.
  local function connect(context, host)
    local a, b = assert(net.pair())
    local held <close> = b -- luacheck: ignore held
    local task = net.spawn(b.starttls, b, { context = server, server = true }, 5)
    assert(a:starttls({ context = context, host = host, verify = false }, 5))
    assert(task:join(30))
    local writer = net.spawn(b.write, b, "x")
    assert(a:recv(1, 5))
    assert(writer:join(30))
    local resumed = a:tls().resumed
    a:close()
    return resumed
  end

  it("is found under its own key only", function()
    local context = assert(net.tls.context { max = "TLSv1.2" })

    assert.is_false(connect(context, "one.test"))
    assert.is_false(connect(context, "two.test"))
    assert.is_true(connect(context, "one.test"))
    assert.is_true(connect(context, "two.test"))
  end)

  it("is of a bounded number of peers: the one that was used longest ago is forgotten", function()
    local context = assert(net.tls.context { max = "TLSv1.2" })
    connect(context, "first.test")
    connect(context, "second.test")
    connect(context, "first.test")

    for index = 1, 255 do connect(context, ("host%d.test"):format(index)) end

    assert.is_true(connect(context, "first.test"))
    assert.is_false(connect(context, "second.test"))
  end)

  it("is used once with TLS 1.3, and a few are kept for connections side by side", function()
    local context = assert(net.tls.context())
    connect(context, "one.test") -- leaves two tickets

    assert.is_true(connect(context, "one.test"))
    assert.is_true(connect(context, "one.test"))
    assert.is_true(connect(context, "one.test"))
  end)

  it("is gone with its context", function()
    local context = assert(net.tls.context { max = "TLSv1.2" })
    connect(context, "one.test")
    context = nil -- luacheck: ignore context
    collectgarbage()

    assert.is_false(connect(assert(net.tls.context { max = "TLSv1.2" }), "one.test"))
  end)

  it("outlives its context where a connection still uses it", function()
    local context = assert(net.tls.context())
    local a, b = assert(net.pair())
    local held <close> = b -- luacheck: ignore held
    local task = net.spawn(b.starttls, b, { context = server, server = true }, 5)
    assert(a:starttls({ context = context, host = "x.test", verify = false }, 5))
    assert(task:join(30))
    context = nil -- luacheck: ignore context
    for _ = 1, 3 do collectgarbage() end

    local writer = net.spawn(b.write, b, "x") -- the tickets come with it
    assert.equal("x", a:recv(1, 5))
    assert(writer:join(30))
    a:close()
  end)
end)
