local netlua = require "netlua"

describe("net.getaddrinfo", function()
  it("gives a numeric address back", function()
    local list = assert(net.getaddrinfo("127.0.0.1", 80, { socktype = "stream" }))

    assert.same({ { family = "inet", socktype = "stream", protocol = 6, address = "127.0.0.1",
      port = 80 } }, list)
  end)

  it("gives a numeric IPv6 address back", function()
    local list = assert(net.getaddrinfo("::1", "443", { socktype = "dgram" }))

    assert.same({ { family = "inet6", socktype = "dgram", protocol = 17, address = "::1", port = 443 } },
      list)
  end)

  it("gives every type of socket when none is asked for", function()
    local types = {}
    for _, entry in ipairs(assert(net.getaddrinfo "127.0.0.1")) do types[entry.socktype] = entry.port end

    assert.equal(0, types.stream)
    assert.equal(0, types.dgram)
  end)

  it("knows localhost", function()
    local list = assert(net.getaddrinfo("localhost", 1, { socktype = "stream" }))

    for _, entry in ipairs(list) do
      assert.is_true(entry.address == "127.0.0.1" or entry.address == "::1", entry.address)
      assert.equal(1, entry.port)
    end
    assert.is_true(#list >= 1)
  end)

  it("gives addresses of one family only when asked to", function()
    for _, entry in ipairs(assert(net.getaddrinfo("localhost", nil, { family = "inet" }))) do
      assert.equal("inet", entry.family)
    end
    assert.equal("inet6", assert(net.getaddrinfo("::1", nil, { family = "inet6" }))[1].family)
    assert.equal("inet6", assert(net.getaddrinfo("::1", nil, { family = net.AF_INET6 }))[1].family)
  end)

  it("reads the forms of inet_aton as addresses", function()
    for text, address in pairs {
      ["127.1"] = "127.0.0.1", ["0x7f000001"] = "127.0.0.1", ["2130706433"] = "127.0.0.1",
      ["010.0.0.1"] = "8.0.0.1",
    } do
      assert.equal(address, assert(net.getaddrinfo(text, nil, { numeric = true }))[1].address)
    end
  end)

  it("without a host gives the loopback address, or the wildcard for a server", function()
    local loopback = assert(net.getaddrinfo(nil, 80, { family = "inet", socktype = "stream" }))
    local wildcard = assert(net.getaddrinfo(nil, 80,
      { family = "inet", socktype = "stream", passive = true }))

    assert.equal("127.0.0.1", loopback[1].address)
    assert.equal("0.0.0.0", wildcard[1].address)
  end)

  it("gives the canonical name when asked for it", function()
    local list = assert(net.getaddrinfo("127.0.0.1", nil, { canonname = true, socktype = "stream" }))

    assert.equal("127.0.0.1", list[1].canonname)
  end)

  it("knows the names of services", function()
    local list, err = net.getaddrinfo("127.0.0.1", "domain", { socktype = "stream" })
    if not list and err.code == "EAI_SERVICE" then pending "no /etc/services here" end

    assert.equal(53, list[1].port)
  end)

  for claim, case in pairs {
    ["an address that is none"] = { "EAI_NONAME", "10.0.0.256", nil, { numeric = true } },
    ["a name where an address must be"] = { "EAI_NONAME", "localhost", nil, { numeric = true } },
    ["nothing at all"] = { "EAI_NONAME", nil, nil },
    ["a service that does not exist"] = { "EAI_SERVICE", "127.0.0.1", "no-such-service",
      { socktype = "stream" } },
    ["a port with a blank"] = { "EAI_SERVICE", "127.0.0.1", "80 ", { socktype = "stream" } },
    ["a family that names no hosts"] = { "EAI_FAMILY", "127.0.0.1", nil, { family = "unix" } },
    ["an address of the other family"] = { "EAI_ADDRFAMILY", "127.0.0.1", nil, { family = "inet6" } },
  } do
    it(("says %s for %s"):format(case[1], claim), function()
      local list, err = net.getaddrinfo(table.unpack(case, 2, 4))

      assert.is_nil(list)
      assert.equal(case[1], err.code)
      assert.equal("dns", err.kind)
      assert.equal("getaddrinfo", err.op)
      assert.equal(case[2], err.host)
      assert.is_string(err:explain())
    end)
  end

  for _, wrong in ipairs {
    { {} }, { 1 }, { true }, { "a\0b" }, { "x", -1 }, { "x", 65536 }, { "x", 1.5 }, { "x", {} },
    { "x", "8\0000" },
    { "x", 1, "inet" }, { "x", 1, { family = "inet5" } }, { "x", 1, { family = "ip6" } },
    { "x", 1, { family = true } },
    { "x", 1, { socktype = "dgarm" } }, { "x", 1, { socktype = {} } }, { "x", 1, { numeric = 1 } },
    { "x", 1, { famly = "inet" } }, { "x", 1, { "inet" } },
  } do
    local third = type(wrong[3]) == "table" and ("{ %s = %s }"):format(next(wrong[3])) or tostring(wrong[3])
    it(("raises for (%s, %s, %s)"):format(tostring(wrong[1]):gsub(":.*", ""),
      tostring(wrong[2]):gsub(":.*", ""),
      third), function()
      local ok, message = pcall(function()
        local list = net.getaddrinfo(table.unpack(wrong, 1, 3))
        return list
      end)

      assert.is_false(ok)
      assert.matches("^spec/.*'getaddrinfo'", message)
    end)
  end

  it("names the words that a field takes", function()
    local _, message = pcall(net.getaddrinfo, "x", 1, { family = "inet5" })

    assert.matches("inet, inet6", message, 1, true)
    assert.matches("inet5", message, 1, true)
  end)

  it("lets other tasks run meanwhile", function()
    local ticks = 0
    local clock = net.every(0.001, function() ticks = ticks + 1 end)

    repeat assert(net.getaddrinfo "localhost") until ticks > 3

    clock:cancel()
  end)

  it("obeys a deadline that is over", function()
    local list, err = net.timeout(0, net.getaddrinfo, "localhost")

    if not list then assert.equal("TIMEOUT", err.code) end
  end)

  it("can be canceled", function()
    local task = net.spawn(net.getaddrinfo, "localhost")
    net.sleep(0)

    task:cancel()

    local _, err = task:join(5)
    if err then assert.equal("CANCELED", err.code) end
  end)

  it("looks up many names at a time", function()
    local names = {}
    for i = 1, 100 do names[i] = i % 2 == 0 and "localhost" or "127.0.0." .. i end

    local lists = net.map(names, net.getaddrinfo)

    for i = 1, 100 do assert.is_true(#lists[i] > 0) end
    assert.equal("127.0.0.99", lists[99][1].address)
  end)

  it("works where Lua cannot yield", function()
    local list
    table.sort({ 1, 2 }, function(a, b)
      list = list or net.getaddrinfo "localhost"
      return a < b
    end)

    assert.is_true(#list > 0)
  end)

  it("does not keep the program from ending", function()
    local out, err, status = netlua.run [[
      net.spawn(function() net.getaddrinfo("localhost") print "done" end)
    ]]

    assert.equal("done\n", out)
    assert.equal("", err)
    assert.equal(0, status)
  end)
end)
