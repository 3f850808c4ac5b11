describe("net.tls", function()
  it("makes contexts", function()
    assert.matches("^net.tls.context %(0x%x+%)$", tostring(net.tls.context()))
  end)

  it("is loaded when it is first touched, with what it needs", function()
    local netlua = require "netlua"

    local out, err = netlua.run [[
      print(package.loaded["net.tls"], package.loaded["net.core.tlscontext"])
      assert(net.tls.context)
      print(package.loaded["net.tls"] ~= nil, package.loaded["net.tlsstream"])
    ]]

    assert.equal("", err)
    assert.equal("nil\tnil\ntrue\tnil\n", out)
  end)

  it("has no more in it than is documented", function()
    local names = {}
    for name in pairs(net.tls) do names[#names + 1] = name end
    table.sort(names)

    assert.same({ "context", "negotiate" }, names)
  end)
end)
