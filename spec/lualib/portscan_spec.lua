local peer = require "peer"
local silence = require "silence"

-- What a scan finds, by port, and how many records.
local function byport(...)
  local found, count = {}, 0
  for r in net.port.scan(...) do
    found[r.port], count = r, count + 1
  end
  return found, count
end

local function listener(host)
  local server = assert(net.listen(host or "127.0.0.1", 0))
  return server, select(2, server:getsockname())
end

-- A port that nobody listens on.
local function closedport()
  local server, port = listener()
  server:close()
  return port
end

describe("a scan", function()
  it("tells open ports from closed ones", function()
    local server <close>, open = listener()
    local closed = closedport()

    local found, count = byport("127.0.0.1", { open, closed })

    assert.equal(2, count)
    assert.equal("open", found[open].state)
    assert.equal("connect", found[open].reason)
    assert.equal("closed", found[closed].state)
    assert.equal("ECONNREFUSED", found[closed].reason)
    assert.is_true(server:accept(1) ~= nil)
  end)

  it("says what it asked, and how long the answer took", function()
    local closed = closedport()

    local r = byport("127.0.0.1", closed)[closed]

    assert.equal("127.0.0.1", r.host)
    assert.equal("127.0.0.1", r.address)
    assert.equal("tcp", r.protocol)
    assert.is_nil(r.banner)
    assert.is_true(r.ms >= 0 and r.ms < 5000)
  end)

  it("names the service of a port", function()
    assert.equal("ssh", byport("127.0.0.1", 22)[22].service)
    assert.is_nil(byport("127.0.0.1", 1023)[1023].service)
  end)

  it("asks all addresses of a name, and keeps the name", function()
    local server <close>, port = listener() -- luacheck: ignore server
    local addresses = assert(net.getaddrinfo("localhost", nil, { socktype = "stream" }))

    local states = {}
    for r in net.port.scan("localhost", port) do
      assert.equal("localhost", r.host)
      states[r.address] = r.state
    end

    assert.equal("open", states["127.0.0.1"])
    for _, entry in ipairs(addresses) do assert.is_string(states[entry.address]) end
  end)

  it("asks the addresses of one family of a name", function()
    for r in net.port.scan("localhost", 1, { family = "inet" }) do assert.equal("127.0.0.1", r.address) end
  end)

  it("has a record of every port of a name that has no address", function()
    local found, count = byport("256.256.256.256", "1-3")

    assert.equal(3, count)
    for port = 1, 3 do
      assert.equal("unreachable", found[port].state)
      assert.equal("EAI_NONAME", found[port].reason)
      assert.equal("EAI_NONAME", found[port].error.code)
      assert.is_nil(found[port].address)
    end
  end)

  it("gives addresses their turns before the next port", function()
    local order = {}

    for r in net.port.scan("127.0.0.1-3", "1,2") do order[#order + 1] = r.address .. ":" .. r.port end

    assert.same({ "127.0.0.1:1", "127.0.0.2:1", "127.0.0.3:1", "127.0.0.1:2", "127.0.0.2:2", "127.0.0.3:2" },
      order)
  end)

  it("leaves out excluded ports", function()
    local found, count = byport("127.0.0.1", "1-9", { exclude = "2-8" })

    assert.equal(2, count)
    assert.is_true(found[1] ~= nil and found[9] ~= nil)
  end)

  it("of nothing gives nothing", function()
    assert.equal(0, select(2, byport("127.0.0.1", "1-9", { exclude = "1-9" })))
    assert.equal(0, select(2, byport("127.0.0.1", {}, { randomize = true })))
  end)

  it("in random order asks every port once, in another order", function()
    local order, seen = {}, {}

    for r in net.port.scan("127.0.0.1", "1-300", { randomize = true }) do
      assert.is_nil(seen[r.port])
      seen[r.port] = true
      order[#order + 1] = r.port
    end

    assert.equal(300, #order)
    assert.is_nil((table.concat(order, " "):find "^1 2 3 4 5 "))
  end)

  it("keeps to its rate", function()
    local began = net.now()

    local _, count = byport("127.0.0.1", "1-21", { rate = 200 })

    assert.equal(21, count)
    assert.is_true(net.now() - began >= 0.08)
  end)

  it("lets other tasks run", function()
    local turns = 0
    local ticker <close> = net.every(0.001, function() turns = turns + 1 end) -- luacheck: ignore ticker

    byport("127.0.0.1", "1-3000")

    assert.is_true(turns > 3)
  end)

  it("raises for what is no target, port or option", function()
    for message, args in pairs {
      ["#1 to 'scan'.*10%.0%.0%.0/7"] = { "10.0.0.0/7", 80 }, ["#1 to 'scan'.*x/y"] = { "x/y", 80 },
      ["#2 to 'scan'.*70000"] = { "127.0.0.1", 70000 },
      ["#2 to 'scan'.*nosuch"] = { "127.0.0.1", "80,nosuch" },
      ["#3 to 'scan'.*unknown option \"limits\""] = { "127.0.0.1", 80, { limits = 1 } },
      ["#3 to 'scan'.*limit"] = { "127.0.0.1", 80, { limit = 0 } },
      ["#3 to 'scan'.*timeout"] = { "127.0.0.1", 80, { timeout = 0 } },
      ["#3 to 'scan'.*rate"] = { "127.0.0.1", 80, { rate = "fast" } },
      ["#3 to 'scan'.*banner"] = { "127.0.0.1", 80, { banner = 65537 } },
      ["#3 to 'scan'.*protocol"] = { "127.0.0.1", 80, { protocol = "sctp" } },
      ["#3 to 'scan'.*table"] = { "127.0.0.1", 80, 5 },
      ["#3 to 'scan'.*zzz"] = { "127.0.0.1", 80, { exclude = "zzz" } },
    } do
      local ok, err = pcall(net.port.scan, table.unpack(args))
      assert.is_false(ok)
      assert.matches(message, err)
    end
  end)
end)

describe("a banner", function()
  local function bannerof(text, banner)
    local server <close> = peer.each(function(client) client:write(text) end)
    local found = byport("127.0.0.1", server.port, { banner = banner, timeout = 30 })
    return found[server.port]
  end

  it("is the first line that the server sends", function()
    local r = bannerof("SSH-2.0-test\r\n", true)

    assert.equal("SSH-2.0-test\r\n", r.banner)
    assert.equal("banner", r.reason)
    assert.equal("open", r.state)
  end)

  it("keeps every byte, whatever it is", function()
    local bytes = "\27[2J\0\255\xc3(" .. "\r\n"

    assert.equal(bytes, bannerof(bytes, true).banner)
  end)

  it("is cut at its limit", function()
    assert.equal(("x"):rep(512), bannerof(("x"):rep(5000), true).banner)
    assert.equal("xx", bannerof(("x"):rep(5000), 2).banner)
  end)

  it("is put together from pieces", function()
    local server <close> = peer.each(function(client)
      for piece in ("220 ready\n"):gmatch "." do
        client:write(piece)
        net.sleep(0.001)
      end
    end)

    local r = byport("127.0.0.1", server.port, { banner = true, timeout = 30 })[server.port]

    assert.equal("220 ready\n", r.banner)
  end)

  it("is not waited for longer than the timeout", function()
    local server <close> = peer.each(function(client) client:read "a" end)
    local began = net.now()

    local r = byport("127.0.0.1", server.port, { banner = true, timeout = 0.1 })[server.port]

    assert.equal("open", r.state)
    assert.equal("connect", r.reason)
    assert.is_nil(r.banner)
    assert.is_true(net.now() - began < 20)
  end)

  it("may be missing because the server closed or reset the connection", function()
    local server <close> = peer.each(function(client) client:setsockopt("SO_LINGER", 0) end)

    local r = byport("127.0.0.1", server.port, { banner = true })[server.port]

    assert.equal("open", r.state)
    assert.is_nil(r.banner)
  end)
end)

describe("leaving a scan", function()
  it("early ends everything that is under way", function()
    local server <close> = peer.each(function(client) client:read "a" end)
    local scan = net.port.scan("127.0.0.1", { server.port, 1 }, { banner = true, timeout = 30 })
    local began = net.now()

    for r in scan, nil, nil, scan do
      assert.equal("closed", r.state)
      if r.port == 1 then break end
    end

    assert.is_nil(scan:next())
    assert.is_true(net.now() - began < 25)
  end)

  it("by an error closes it too", function()
    local server <close> = peer.each(function(client) client:read "a" end)

    local ok, err = pcall(function()
      for _ in net.port.scan("127.0.0.1", { server.port, 1 }, { banner = true, timeout = 30 }) do
        error "mine"
      end
    end)

    assert.is_false(ok)
    assert.matches("mine", err)
  end)

  it("by the end of the time allowed raises it, and calls no port filtered", function()
    local server <close> = peer.each(function(client) client:read "a" end)
    local records = 0

    local ok, err = pcall(net.timeout, 0.05, function()
      for _ in net.port.scan("127.0.0.1", server.port, { banner = true, timeout = 30 }) do
        records = records + 1
      end
    end)

    assert.is_false(ok)
    assert.equal("TIMEOUT", err.code)
    assert.equal(0, records)
  end)

  it("by cancellation leaves nothing", function()
    local server <close> = peer.each(function(client) client:read "a" end)
    local task = net.spawn(function()
      local scan <close> = net.port.scan("127.0.0.1", server.port, { banner = true, timeout = 30 })
      return scan:next()
    end)
    net.sleep(0.01)

    task:cancel()

    assert.equal("CANCELED", select(2, task:join(30)).code)
  end)

  it("can be done without a loop, and twice", function()
    local scan = net.port.scan("127.0.0.1", "1-10")
    assert.equal("closed", scan().state)

    assert.is_true(scan:close())
    assert.is_true(scan:close())

    assert.is_nil(scan())
    assert.equal(10, scan.total)
    assert.equal(1, scan.reported)
  end)

  it("is no duty: a scan that is forgotten is collected", function()
    local scan = net.port.scan("127.0.0.1", "1-10")
    assert.equal("closed", scan:next().state)
    scan = nil -- luacheck: ignore scan
    collectgarbage()
    collectgarbage()
  end)
end)

describe("a scan of UDP ports", function()
  local function udpserver(answer)
    local s = assert(net.udp())
    assert(s:bind("127.0.0.1", 0))
    local task = net.spawn(function()
      while true do
        local data, address, port = s:recvfrom()
        if not data then return end
        if answer then s:sendto(answer, address, port) end
      end
    end)
    return setmetatable({ port = select(2, s:getsockname()) }, { __close = function()
      s:close()
      task:join()
    end })
  end

  it("tells ports that answer, refuse and are silent", function()
    local talks <close> = udpserver "\0hello"
    local mute <close> = udpserver()
    local closed = udpserver()
    getmetatable(closed).__close()

    local found, count = byport("127.0.0.1", { talks.port, mute.port, closed.port },
      { udp = true, timeout = 0.1 })

    assert.equal(3, count)
    assert.equal("open", found[talks.port].state)
    assert.equal("reply", found[talks.port].reason)
    assert.is_nil(found[talks.port].banner)
    assert.equal("open|filtered", found[mute.port].state)
    assert.equal("TIMEOUT", found[mute.port].reason)
    assert.is_true(found[mute.port].ms >= 90)
    assert.equal("closed", found[closed.port].state)
    assert.equal("udp", found[closed.port].protocol)
  end)

  it("keeps the answer where it is asked for", function()
    local talks <close> = udpserver "\0hello"

    local found = byport("127.0.0.1", talks.port, { protocol = "udp", banner = true })

    assert.equal("\0hello", found[talks.port].banner)
  end)

  it("asks a second time, and hears an answer to that alone", function()
    local s <close> = assert(net.udp())
    assert(s:bind("127.0.0.1", 0))
    local questions = {}
    local task = net.spawn(function()
      for try = 1, 2 do
        local data, address, port = s:recvfrom(100, 5)
        questions[try] = data
        if try == 2 then s:sendto("late", address, port) end
      end
    end)
    local _, port = s:getsockname()

    local r = byport("127.0.0.1", port, { udp = true, timeout = 3 })[port]
    task:join(30)

    assert.equal("open", r.state)
    assert.same({ "", "" }, questions)
    assert.is_true(r.ms >= 1450)
  end)

  it("takes an empty datagram for an answer", function()
    local talks <close> = udpserver ""

    assert.equal("open", byport("127.0.0.1", talks.port, { udp = true })[talks.port].state)
  end)

  silence.needing(it, pending)("has no more questions open than there are local ports", function()
    local out, err = silence.run [[
      local range <close> = io.open("/proc/sys/net/ipv4/ip_local_port_range", "w")
      range:write "40000 40009"
      range:close()
      local scan <close> = net.port.scan("10.9.0.2", "1-60", { udp = true, timeout = 0.1, limit = 100 })
      local states = {}
      for r in scan do states[r.state] = (states[r.state] or 0) + 1 end
      print(states["open|filtered"], scan.lowered, scan.limit < 10)
    ]]

    assert.equal("", err)
    assert.equal("60\tEADDRNOTAVAIL\ttrue\n", out)
  end)
end)

describe("a scan in a network where nobody answers", function()
  local it = silence.needing(it, pending)

  it("calls ports filtered after the timeout, all at once", function()
    local out, err = silence.run [[
      local began, states = net.now(), {}
      for r in net.port.scan({ "10.9.0.2-9", "fd09::2" }, "1-100", { timeout = 0.3, limit = 900 }) do
        local key = r.state .. " " .. r.reason
        states[key] = (states[key] or 0) + 1
        assert(r.ms >= 299 and r.ms < 20000, r.ms)
      end
      for key, count in pairs(states) do print(key, count) end
      print(net.now() - began < 20)
    ]]

    assert.equal("", err)
    assert.equal("filtered TIMEOUT\t900\ntrue\n", out)
  end)

  it("tells unreachable networks, hosts and prohibited ones apart", function()
    local out, err = silence.run [[
      for _, kind in ipairs { "unreachable 10.1.0.0/24", "prohibit 10.2.0.0/24", "blackhole 10.3.0.0/24" } do
        run("ip route add " .. kind)
      end
      local found = {}
      local targets = { "10.1.0.1", "10.2.0.1", "10.3.0.1", "192.0.2.1", "2001:db8::1" }
      for _, protocol in ipairs { "tcp", "udp" } do
        for r in net.port.scan(targets, 80, { protocol = protocol }) do
          print(r.address, r.protocol, r.state, r.reason)
        end
      end
    ]]

    assert.equal("", err)
    local want = { ["10.1.0.1"] = "EHOSTUNREACH", ["10.2.0.1"] = "EACCES", ["10.3.0.1"] = "EINVAL",
      ["192.0.2.1"] = "ENETUNREACH", ["2001:db8::1"] = "ENETUNREACH" }
    local count = 0
    for address, protocol, state, reason in out:gmatch "(%S+)\t(%S+)\t(%S+)\t(%S+)\n" do
      assert.equal("unreachable " .. want[address], state .. " " .. reason, protocol)
      count = count + 1
    end
    assert.equal(10, count)
  end)

  it("reports all ports with 32 descriptors, and says that it did with fewer at a time", function()
    local out, err = silence.run([[
      local name = os.tmpname()
      local file = io.open(name, "w")
      file:write [=[
        local scan <close> = net.port.scan({ "10.9.0.2", "10.9.0.1" }, "1-250", { timeout = 0.1 })
        local seen, states = {}, {}
        for r in scan do
          local key = r.address .. ":" .. r.port
          assert(not seen[key])
          seen[key] = true
          states[r.state .. " " .. r.address] = (states[r.state .. " " .. r.address] or 0) + 1
        end
        print(states["filtered 10.9.0.2"], states["closed 10.9.0.1"], scan.lowered, scan.limit < 32)
      ]=]
      file:close()
      local program = io.popen "readlink /proc/$PPID/exe":read "l"
      run("ulimit -n 32; exec " .. program .. " " .. name)
      os.remove(name)
    ]], nil, 20)

    assert.equal("", err)
    assert.equal("250\t250\tEMFILE\ttrue\n", out)
  end)

  it("says that a port was never asked where no descriptor comes free", function()
    local out, err = silence.run([[
      local name = os.tmpname()
      local file = io.open(name, "w")
      file:write [=[
        local held = {}
        local scan <close> = net.port.scan("127.0.0.1", "1-3")
        while true do
          local f = io.open "/dev/null"
          if not f then break end
          held[#held + 1] = f
        end
        for r in scan do print(r.port, r.state, r.reason) end
      ]=]
      file:close()
      local program = io.popen "readlink /proc/$PPID/exe":read "l"
      run("ulimit -n 32; exec " .. program .. " " .. name)
      os.remove(name)
    ]], nil, 20)

    assert.equal("", err)
    assert.equal("1\tunknown\tEMFILE\n2\tunknown\tEMFILE\n3\tunknown\tEMFILE\n", out)
  end)

  it("lets go of everything when it is left", function()
    local out, err = silence.run [[
      local function descriptors() -- as many as are open, where there are no holes
        local s <close> = assert(net.udp())
        return s:fileno()
      end
      net.sleep(0.001) -- the loop's own
      local before, began = descriptors(), net.now()
      for r in net.port.scan({ "10.9.0.1", "10.9.0.2" }, "1-300", { timeout = 20 }) do
        if r.port == 300 or r.port == 128 then break end
      end
      print(descriptors() - before, net.now() - began < 18)
    ]]

    assert.equal("", err)
    assert.equal("0\ttrue\n", out)
  end)

  it("ends with the deadline around it", function()
    local out, err = silence.run [[
      local records = 0
      local ok, err = pcall(net.timeout, 0.1, function()
        for _ in net.port.scan("10.9.0.2", "1-20", { timeout = 5 }) do records = records + 1 end
      end)
      print(ok, err.code, records)
    ]]

    assert.equal("", err)
    assert.equal("false\tTIMEOUT\t0\n", out)
  end)

  it("looks names up that have addresses of both families, and says so of those that have none", function()
    local out, err = silence.run([[
      local server <close> = assert(net.listen("::1", 0))
      local _, port = server:getsockname()
      for r in net.port.scan({ "both", "six" }, port) do print(r.host, r.address, r.state) end
      for r in net.port.scan("nobody.invalid", 80) do
        print(r.host, r.address, r.state, r.reason:sub(1, 4))
      end
    ]], { ["/etc/hosts"] = "127.0.0.1 both\n::1 both six\n" })

    assert.equal("", err)
    local lines = {}
    for line in out:gmatch "[^\n]+" do lines[#lines + 1] = line end
    table.sort(lines)
    assert.same({ "both\t127.0.0.1\tclosed", "both\t::1\topen", "nobody.invalid\tnil\tunreachable\tEAI_",
      "six\t::1\topen" }, lines)
  end)
end)
