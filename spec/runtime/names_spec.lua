describe("a constant", function()
  local function socktype(value)
    local list = net.getaddrinfo("127.0.0.1", 7, { socktype = value, family = "inet" })
    return list and list[1].socktype
  end

  it("goes by its number, its name or its name without prefix, in any case", function()
    for _, value in ipairs { net.SOCK_DGRAM, "SOCK_DGRAM", "sock_dgram", "dgram", "DGRAM", "DGram" } do
      assert.equal(net.SOCK_DGRAM, socktype(value), tostring(value))
    end
  end)

  it("goes by nothing that is only nearly so", function()
    for _, value in ipairs { "", "_", "_DGRAM", "SOCK_", "SOCK", "DGRAM_SOCK", "AF_DGRAM", "dgram ",
      " dgram", "dgra",
      "dgramm", "dgram\0", "2", ("d"):rep(300), "\xff", -1, 2 ^ 31, 2 ^ 53, math.mininteger, 1.5, 2.0, 0 / 0,
      1 / 0,
      true, {} } do
      assert.error_matches(function() socktype(value) end, 'option "socktype"')
    end
  end)
end)
