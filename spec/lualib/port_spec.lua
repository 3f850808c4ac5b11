local island = require "island"
local netlua = require "netlua"

describe("net.port.parse", function()
  it("reads a list of ports", function()
    assert.same({ 22, 80, 81, 443 }, net.port.parse "22,80-81,https")
    assert.same({ 69 }, net.port.parse("tftp", "udp"))
  end)

  it("names the word that is no port", function()
    local none, err = net.port.parse "22,70000"

    assert.is_nil(none)
    assert.equal("EINVAL", err.code)
    assert.equal("70000", err.host)
  end)

  it("raises for another protocol", function()
    assert.error_matches(function() net.port.parse("80", "sctp") end, "#2 to 'parse'")
  end)
end)

describe("net.port.count", function()
  it("counts addresses, and names as one", function()
    assert.equal(1, net.port.count "127.0.0.1")
    assert.equal(254 + 3 + 1, net.port.count { "192.0.2.0/24", "192.0.2.1-3 name.invalid" })
  end)

  it("names the word that is no target, or has too many addresses", function()
    local bad = { ["::1 10.0.0.0/33"] = "10.0.0.0/33", ["10.0.0.0/8"] = "10.0.0.0/8", [""] = "" }
    for text, word in pairs(bad) do
      local none, err = net.port.count(text)

      assert.is_nil(none)
      assert.equal("EINVAL", err.code)
      assert.equal(word, err.host)
    end
    assert.equal((1 << 24) - 2, net.port.count("10.0.0.0/8", 1 << 24))
  end)

  it("raises for a limit that is none", function()
    for _, wrong in ipairs { 0, -1, 1.5, "1", (1 << 32) + 1 } do
      assert.error_matches(function() net.port.count("127.0.0.1", wrong) end, "#2 to 'count'")
    end
  end)
end)

describe("net.port.scan", function()
  it("is a loop over records", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = server:getsockname()
    local states = {}

    for r in net.port.scan("127.0.0.1", { port, 1 }) do states[r.port] = r.state end

    assert.same({ [port] = "open", [1] = "closed" }, states)
  end)

  it("asks all ports of this machine", function()
    local count = 0

    for _ in net.port.scan("127.0.0.1", "1-65535") do count = count + 1 end

    assert.equal(65535, count)
  end)

  it("finds what nmap finds", function()
    if not os.execute "command -v nmap >/dev/null" then return pending "nmap is not installed" end
    if not island.possible() then return pending "no network namespaces here" end

    local out, err = island.run([[
      local held = {}
      for _, port in ipairs { 22, 80, 443, 8080, 20000, 20001, 30000 } do
        held[#held + 1] = assert(net.listen("127.0.0.1", port))
      end
      local function ours(ports)
        local list = {}
        for r in net.port.scan("127.0.0.1", ports) do
          if r.state ~= "closed" then list[#list + 1] = ("%d/%s/%s"):format(r.port, r.state, r.protocol) end
        end
        table.sort(list)
        return table.concat(list, " ")
      end
      local function theirs(arguments)
        local name, list = os.tmpname(), {}
        assert(os.execute("nmap -n -Pn " .. arguments .. " -oG " .. name .. " 127.0.0.1 >/dev/null"))
        for port, state, protocol in io.open(name):read("a"):gmatch "(%d+)/([%a|]+)/(%l+)" do
          if state ~= "closed" then list[#list + 1] = ("%s/%s/%s"):format(port, state, protocol) end
        end
        os.remove(name)
        table.sort(list)
        return table.concat(list, " ")
      end
      print(ours "1-31000", "\n" .. theirs "-sT -p1-31000")
    ]], nil, 50)

    assert.equal("", err)
    local ours, theirs = out:match "^(.-)%s*\n(.-)\n$"
    assert.matches("22/open/tcp", ours)
    assert.equal(theirs, ours)
  end)
end)

describe("net.port.owner", function()
  it("tells who listens at a port", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = server:getsockname()

    local list = net.port.owner(port)

    assert.equal(1, #list)
    assert.equal("127.0.0.1", list[1].local_address)
    assert.equal("LISTEN", list[1].state)
    assert.is_true(list[1].pid > 0)
  end)

  it("of a port that nobody uses is an empty list", function()
    assert.same({}, net.port.owner(net.free_port()))
  end)

  it("raises for what is no port or option", function()
    assert.error_matches(function() net.port.owner(0) end, "#1 to 'owner'")
    assert.error_matches(function() net.port.owner("80") end, "#1 to 'owner'")
    assert.error_matches(function() net.port.owner(80, { protocol = "tcp" }) end, "#2 to 'owner'")
  end)
end)

describe("net.port.sockets", function()
  it("lists a socket of another process with its command", function()
    local child <close> = assert(io.popen(netlua.program .. " -e '" .. [[
      local server = assert(net.listen("127.0.0.1", 0))
      print((select(2, server:getsockname())))
      io.stdout:flush()
      io.stdin:read "a"
      net.sleep(1)
    ]] .. "' </dev/null"))
    local port = child:read "n"

    local found
    for _, row in ipairs(net.port.sockets { protocol = "tcp", listen = true }) do
      if row.local_port == port then found = row end
    end

    assert.equal("netlua", found.command)
  end)
end)
