local netlua = require "netlua"

describe("net", function()
  it("is the module of that name", function()
    assert.equal(net, require "net")
  end)

  it("has nothing under an unknown name", function()
    assert.is_nil(net.nosuch)
    assert.is_nil(net[1])
  end)

  it("loads what is big with its first use", function()
    local out, err, status = netlua.run [[
      print(package.loaded["net.dial"], rawget(net, "connect"))
      assert(type(net.connect) == "function")
      print(package.loaded["net.dial"] ~= nil, rawget(net, "connect") == net.connect)
    ]]

    assert.equal("nil\tnil\ntrue\ttrue\n", out)
    assert.equal("", err)
    assert.equal(0, status)
  end)

  it("shows all it has to who looks at all of it", function()
    local out = netlua.run [[
      local seen = {}
      for name, value in pairs(net) do seen[name] = type(value) end
      print(seen.spawn, seen.connect, seen.ip, seen.x509, seen.AF_INET, seen.SO_LINGER, seen.MSG_PEEK)
    ]]

    assert.equal("function\tfunction\ttable\ttable\tnumber\tnumber\tnumber\n", out)
  end)

  it("replaces the stand-ins of methods with their first call", function()
    local out, _, status = netlua.run [[
      local a, b = net.pair()
      local before = a.lines
      b:write "x\n"
      b:close()
      for line in a:lines() do print(line) end
      print(a.lines ~= before, package.loaded["net.stream"] ~= nil)
    ]]

    assert.equal("x\ntrue\ttrue\n", out)
    assert.equal(0, status)
  end)

  -- A message named net.core.addr.htons, or net.htons, as the order of a hash table would have it.
  it("is what messages name, and nothing below it, where a call has no name for a function", function()
    local out = netlua.run [[
      for _, name in ipairs { "htons", "ntohl", "inet_pton", "socket", "pair", "options", "sleep",
        "getservbyname" } do
        print((select(2, pcall(net[name], {}, {})):match "to '(.-)'"))
      end
    ]]

    assert.equal("net.htons net.ntohl net.inet_pton net.socket net.pair net.options net.sleep "
      .. "net.getservbyname", (out:gsub("\n", " "):gsub(" $", "")))
  end)

  it("has the constants of the system", function()
    assert.equal(2, net.AF_INET)
    assert.equal(1, net.SOCK_STREAM)
    assert.equal(1, net.SHUT_WR)
  end)
end)
