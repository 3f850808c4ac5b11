describe("getaddrinfo", function()
  it("takes a port as a number or a service name", function()
    local byport = assert(net.getaddrinfo("127.0.0.1", 80, { socktype = "stream" }))
    local byname = assert(net.getaddrinfo("127.0.0.1", "80", { socktype = "stream" }))

    assert.equal(80, byport[1].port)
    assert.equal(80, byname[1].port)
  end)

  for _, wrong in ipairs { -1, 65536, 1.5, 0 / 0 } do
    it("refuses the port " .. wrong, function()
      local call = function() net.getaddrinfo("127.0.0.1", wrong) end

      assert.error_matches(call, "integer from 0 to 65535 expected")
    end)
  end

  it("gives nil, err for what is no address where only addresses are asked for", function()
    local list, err = net.getaddrinfo("10.0.0.256", nil, { flags = "numerichost" })

    assert.is_nil(list)
    assert.equal("EAI_NONAME", err.code)
    assert.equal("dns", err.kind)
    assert.equal("10.0.0.256", err.host)
  end)

  it("obeys a deadline that has passed", function()
    local list, err = net.timeout(0, net.getaddrinfo, "nosuch.invalid")

    assert.is_nil(list)
    assert.is_true(err.code == "TIMEOUT" or err.kind == "dns")
  end)

  it("is called from several tasks at once", function()
    local results = net.map({ 1, 2, 3, 4, 5, 6, 7, 8 }, function(n)
      return net.getaddrinfo("127.0.0." .. n, 80, { socktype = "stream", flags = "numerichost" })
    end)

    for n = 1, 8 do assert.equal("127.0.0." .. n, results[n][1].address) end
  end)
end)
