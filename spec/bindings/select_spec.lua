-- What lies below net.select: looks that never wait, and the poller that waits. The whole is in
-- spec/lualib/select_spec.lua.

local core = require "net.core.select"

describe("a look", function()
  it("is false where nothing is ready", function()
    local a <close>, b = net.pair()

    assert.is_false(core.look({ a, b }, nil, nil))
    assert.is_false(core.lookone { a, { b, "r" } })
    b:close()
  end)

  it("gives three lists, or rows with letters", function()
    local a <close>, b = net.pair()
    b:write "x"

    local readable, writable, exceptional = core.look({ b, a }, { b, a }, { a })
    local rows = core.lookone { a, { b, "rw" } }

    assert.same({ { a }, { b, a }, {} }, { readable, writable, exceptional })
    assert.same({ { a, "r" }, { b, "w" } }, rows)
    b:close()
  end)

  it("finds what stands behind its first portion of 256", function()
    local a <close>, b = net.pair()
    local quiet <close>, other = net.pair()
    b:write "x"
    local list = {}
    for index = 1, 600 do list[index] = quiet end
    list[601] = a

    assert.same({ a }, (core.look(list)))
    b:close()
    other:close()
  end)

  it("names the operation and the entry that is closed", function()
    local a, b = net.pair()
    a:close()

    local none, err = core.look({ b, a })

    assert.is_nil(none)
    assert.same({ "CLOSED", "select", 2 }, { err.code, err.op, err.entry })
    none, err = core.lookone { a }
    assert.is_nil(none)
    assert.same({ "CLOSED", "poll", 1 }, { err.code, err.op, err.entry })
    b:close()
  end)
end)

describe("a poller", function()
  it("waits until one of its members is ready", function()
    local a <close>, b = net.pair()
    local poller <close> = assert(core.poller({ a }, nil, nil))
    local task = net.spawn(core.wait, poller, 5, { a }, nil, nil)
    net.sleep(0)

    b:write "x"

    assert.same({ a }, (task:join(30)))
    b:close()
  end)

  it("gives up after its time", function()
    local a <close>, b = net.pair()
    local poller <close> = assert(core.pollerof { a })

    local none, err = core.waitone(poller, 0.01, { a })

    assert.is_nil(none)
    assert.same({ "TIMEOUT", "poll" }, { err.code, err.op })
    b:close()
  end)

  it("tells of a member that is closed meanwhile", function()
    local a, b = net.pair()
    local poller <close> = assert(core.pollerof { a })
    local task = net.spawn(core.waitone, poller, 5, { a })
    net.sleep(0)

    a:close()

    local none, err = task:join(30)
    assert.is_nil(none)
    assert.equal("CLOSED", err.code)
    b:close()
  end)
end)
