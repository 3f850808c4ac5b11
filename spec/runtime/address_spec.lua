local connected = require "connected"

describe("a numeric address", function()
  for _, address in ipairs { "127.0.0.1", "127.9.8.7", "0.0.0.0" } do
    it(("%s is given back as it was"):format(address), function()
      local s <close> = assert(net.udp {})

      assert.equal(s, s:bind(address, 0))

      local got, port = s:getsockname()
      assert.equal(address, got)
      assert.equal("integer", math.type(port))
      assert.is_true(port > 0)
    end)
  end

  for text, shown in pairs {
    ["::1"] = "::1", ["0:0:0:0:0:0:0:1"] = "::1", ["::0001"] = "::1", ["::"] = "::",
    ["::ffff:127.0.0.1"] = "127.0.0.1", ["::FFFF:7f00:1"] = "127.0.0.1", ["::1%lo"] = "::1",
  } do
    it(("%s is shown as %s"):format(text, shown), function()
      if not connected.has6() then pending "no ::1 here" end
      local s <close> = assert(net.udp {})

      assert(s:bind(text, 0))

      assert.equal(shown, (s:getsockname()))
    end)
  end

  for _, wrong in ipairs {
    "", " ", "127.0.0.1 ", " 127.0.0.1", "127.0.0.256", "127.0.0", "127.0.0.1.1", "0127.0.0.1x", "1.2.3.4:80",
    "1,2,3,4", "::1::", ":::", "[::1]", "::1%", "::1%nosuchinterface", "12345::", "::g", "localhost", "-1",
    "0x7f000001",
    ("1"):rep(300), ("::1%" .. ("x"):rep(300)), "127.0.0.1\n",
  } do
    it(("is not %q: EAI_NONAME"):format(#wrong > 40 and wrong:sub(1, 10) .. "..." or wrong), function()
      local s <close> = assert(net.udp {})

      local ok, err = s:bind(wrong, 0)

      assert.is_nil(ok)
      assert.equal("EAI_NONAME", err.code)
      assert.equal("dns", err.kind)
      assert.equal(wrong, err.host)
    end)
  end

  it("with a NUL inside raises", function()
    local s <close> = assert(net.udp {})

    local ok, message = pcall(function() return s:bind("127.0.0.1\0.evil", 0) end)

    assert.is_false(ok)
    assert.matches("NUL", message)
  end)

  it("with a zone names it in errors and takes its number too", function()
    if not connected.has6() then pending "no ::1 here" end
    local s <close> = assert(net.udp {})

    local ok, err = s:connect("fe80::1%lo", 9)

    if not ok then
      assert.equal("fe80::1%lo", err.address)
      assert.equal(9, err.port)
    end
    local by_number <close> = assert(net.udp {})
    local done, why = by_number:bind("::1%1", 0)
    assert.is_true(done == by_number or why.code ~= "EAI_NONAME")
  end)

  for text,
    what in pairs { ["::1%99999999999"] = "too large", ["::1%0"] = "zero", ["::1%1x"] = "half a number" } do
    it("refuses a zone number that is " .. what, function()
      local s <close> = assert(net.udp {})

      local _, err = s:bind(text, 0)

      assert.equal("EAI_NONAME", err.code)
    end)
  end
end)

describe("an address in an error", function()
  it("stands with its port in front of the message", function()
    local s <close> = assert(net.socket("inet"))
    local other <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = other:getsockname()
    other:close()

    local _, err = s:connect("127.0.0.1", port)

    assert.equal("127.0.0.1", err.address)
    assert.equal(port, err.port)
    assert.equal(("connect 127.0.0.1:%d: connection refused (ECONNREFUSED)"):format(port), tostring(err))
  end)

  it("stands in brackets if it is IPv6", function()
    if not connected.has6() then pending "no ::1 here" end
    local other <close> = assert(net.listen("::1", 0))
    local _, port = other:getsockname()
    other:close()

    local _, err = net.connect("::1", port)

    assert.equal(("connect [::1]:%d: connection refused (ECONNREFUSED)"):format(port), tostring(err))
  end)

  it("is the path of a unix socket", function()
    local _, err = net.connect "unix:/nonexistent/socket"

    assert.equal("unix:/nonexistent/socket", err.address)
    assert.is_nil(err.port)
    assert.equal("connect unix:/nonexistent/socket: no such file or directory (ENOENT)", tostring(err))
  end)
end)

describe("a unix path", function()
  for _, length in ipairs { 1, 2, 106, 107 } do
    it(("of %d bytes works, as an abstract name"):format(length), function()
      local name = "unix:@" .. ("n"):rep(length - 1)
      if length == 1 then
        assert.is_false(pcall(net.listen, name))
        return
      end
      local server <close> = assert(net.listen(name))

      assert.equal(name, server:getsockname())

      local s <close> = assert(net.connect(name))
      assert.equal(name, s:getpeername())
    end)
  end

  for _, length in ipairs { 106, 107 } do
    it(("of %d bytes works, as a file"):format(length), function()
      local directory <close> = connected.directory()
      local path = directory.name .. "/"
      path = path .. ("p"):rep(length - #path)
      local server <close> = assert(net.listen("unix:" .. path))

      assert.equal("unix:" .. path, server:getsockname())

      local s <close> = assert(net.connect("unix:" .. path))
      assert.equal("unix:" .. path, s:getpeername())
    end)
  end

  for claim, name in pairs {
    ["of 108 bytes"] = "unix:/" .. ("p"):rep(107), ["of 108 bytes, abstract"] = "unix:@" .. ("p"):rep(107),
    ["that is empty"] = "unix:", ["that is abstract and empty"] = "unix:@", ["with a NUL"] = "unix:/tmp/a\0b",
    ["with a NUL, abstract"] = "unix:@a\0b", ["of a megabyte"] = "unix:/" .. ("p"):rep(1 << 20),
  } do
    it(claim .. " raises and never is cut short", function()
      local ok, message = pcall(net.listen, name)

      assert.is_false(ok)
      assert.matches("unix path", message)
      assert.is_true(#message < 500)
      assert.is_false(pcall(net.connect, name))
    end)
  end

  it("is unix: alone for a socket without a name", function()
    local _ <close>, s = connected.pair()

    assert.equal("unix:", s:getsockname())
    assert.equal("unix:", s:getpeername())
    assert.equal(1, select("#", s:getpeername()))
  end)
end)
