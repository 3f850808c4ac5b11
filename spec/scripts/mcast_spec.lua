local island = require "island"
local tools = require "tools"

-- A port that was free a moment ago.
local function freeport()
  local s <close> = assert(net.udp { family = "inet" })
  assert(s:bind("0.0.0.0", 0))
  return (select(2, s:getsockname()))
end

-- Sends to the group until `stop()`: a datagram sent before the tool has joined is lost.
local function sending(data, group, port)
  local s = assert(net.udp { family = "inet" })
  assert(s:interface "lo")
  local task = net.spawn(function()
    while true do
      s:sendto(data, group, port)
      net.sleep(0.02)
    end
  end)
  return function()
    task:cancel()
    s:close()
  end
end

describe("mcast recv", function()
  it("shows what comes to the group, escaped", function()
    local port = freeport()
    local stop = sending("hi\27[2J", "224.1.1.1", port)

    local to = "224.1.1.1:" .. port
    local out, err, status = tools.run("mcast", "recv", to, "-I", "lo", "-c", "1", "-w", "5")
    stop()

    assert.truthy(out:find("^%d%d:%d%d:%d%d%.%d%d%d  127%.0%.0%.1:%d+ > 224%.1%.1%.1:" .. port
      .. '  6 B  "hi\\x1b%[2J"\n$'), out)
    assert.equal(("joined 224.1.1.1 port %d\n"):format(port), err)
    assert.equal(0, status)
  end)

  it("gives records, and hears its own group only", function()
    local port = freeport()
    local other <close> = assert(net.udp { reuseaddr = true })
    assert(other:bind("0.0.0.0", port))
    assert(other:join("224.1.1.2", { interface = "lo" }))
    local stops = { sending("other", "224.1.1.2", port), sending("unicast", "127.0.0.1", port),
      sending("mine", "224.1.1.1", port) }

    local to = "224.1.1.1:" .. port
    local records, status = tools.records("mcast", "recv", to, "-I", "lo", "-c", "3", "-w", "5")
    for _, stop in ipairs(stops) do stop() end

    assert.equal(0, status)
    assert.equal(3, #records)
    for _, rec in ipairs(records) do
      assert.equal("mine", tools.bytes(rec.data_b64))
      assert.same({ "224.1.1.1", port, 4, 1, "lo" },
        { rec.group, rec.port, rec.bytes, rec.ttl, rec.interface })
      assert.truthy(rec.from:find "^127%.0%.0%.1:%d+$")
    end
  end)

  it("hears an IPv6 group however it is written", function()
    if not island.possible() then pending "no network namespaces here" end
    local out, err = island.run [[
      assert(os.execute("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up && "
        .. "ip addr add fe80::1/64 dev v0 nodad && ip addr add fe80::2/64 dev v1 nodad"))
      local s = assert(net.udp { family = "inet6" })
      assert(s:interface "v0")
      net.spawn(function()
        while true do
          s:sendto("x", "ff02::4d4d%v0", 5007)
          net.sleep(0.02)
        end
      end)
      local to = "[FF02:0:0::4D4d%v1]:5007"
      local status, rows, hints = net.tool.call("mcast", { "recv", to, "-c", "1", "-w", "5" })
      print(status, rows, hints)
      os.exit(0)
    ]]

    assert.equal("", err)
    assert.truthy(out:find("^0\t.* > %[ff02::4d4d%%v1%]:5007  1 B"), out)
  end)

  it("hears one source only with --from", function()
    local port = freeport()
    local stop = sending("x", "232.1.1.1", port)

    local function from(source, timeout)
      local words = { "recv", "232.1.1.1:" .. port, "-I", "lo", "--from", source, "-c", "1", "-w", timeout }
      return select(2, tools.records("mcast", table.unpack(words)))
    end
    local wrong, right = from("127.0.0.2", "0.1"), from("127.0.0.1", "5")
    stop()

    assert.equal(28, wrong)
    assert.equal(0, right)
  end)

  it("ends with 28 where nothing came, and with 0 where something did", function()
    local port = freeport()
    local records, status = tools.records("mcast", "recv", "224.1.1.1:" .. port, "-I", "lo", "-w", "0.05")

    assert.equal(28, status)
    assert.equal("TIMEOUT", records[1].error.code)
  end)

  it("ends with 1 for an interface that is not there", function()
    assert.equal(1, (select(2, tools.records("mcast", "recv", "224.1.1.1:5007", "-I", "nosuch0"))))
  end)
end)

describe("mcast send", function()
  it("sends one datagram, and says how", function()
    local port = freeport()
    local s <close> = assert(net.udp { reuseaddr = true })
    assert(s:bind("0.0.0.0", port))
    assert(s:join("224.1.1.1", { interface = "lo" }))

    local out, _, status = tools.run("mcast", "send", "224.1.1.1:" .. port, "hello", "-I", "lo", "--ttl", "3")
    local records = tools.records("mcast", "--json", "send", "224.1.1.1:" .. port, "again", "-I", "127.0.0.1")

    assert.equal(0, status)
    assert.equal(("224.1.1.1:%d  5 B  lo  ttl 3\n"):format(port), out)
    assert.equal("hello", (s:recv(100, 5)))
    assert.equal("again", (s:recv(100, 5)))
    assert.same({ "224.1.1.1", port, 5, 1, "lo" }, { records[1].group, records[1].port, records[1].bytes,
      records[1].ttl, records[1].interface })
  end)

  it("ends with 1 where the system refuses", function()
    assert.equal(1, (select(2, tools.records("mcast", "send", "224.1.1.1:5007", "x", "-I", "nosuch0"))))
  end)
end)

describe("mcast groups", function()
  it("lists what this host has joined", function()
    local s <close> = assert(net.udp { reuseaddr = true })
    assert(s:join("224.7.7.7", { interface = "lo" }))

    local records, status = tools.records("mcast", "groups", "-4", "-I", "lo")

    assert.equal(0, status)
    local found
    for _, rec in ipairs(records) do found = found or rec.group == "224.7.7.7" and rec end
    assert.equal("lo", found.interface)
    assert.equal(1, found.users)
    assert.truthy(tools.run("mcast", "groups", "-4"):find "lo +224%.7%.7%.7 +1\n")
  end)

  it("knows an interface by name, index and address, and says which there is not", function()
    local byname = tools.run("mcast", "groups", "-4", "-I", "lo")

    assert.truthy(#byname > 0)
    assert.equal(byname, (tools.run("mcast", "groups", "-4", "-I", "1")))
    assert.equal(byname, (tools.run("mcast", "groups", "-4", "-I", "127.0.0.1")))
    local out, err, status = tools.run("mcast", "groups", "-I", "nosuch")
    assert.equal("", out)
    assert.truthy(err:find("netlua mcast: nosuch: ", 1, true))
    assert.equal(1, status)
  end)
end)

describe("mcast probe", function()
  it("gets back what it sent", function()
    local records, status = tools.records("mcast", "probe", "-4")

    assert.equal(0, status)
    assert.equal("received", records[1].state)
    assert.equal("lo", records[1].interface)
  end)
end)

describe("mcast", function()
  it("ends with 2 for a wrong command line", function()
    for _, words in ipairs { {}, { "nosuch" }, { "recv" }, { "send", "224.1.1.1:5007" },
      { "recv", "1.2.3.4:5" }, { "recv", "224.1.1.1" }, { "recv", "224.1.1.1:0" }, { "recv", "224.1.1.0/24" },
      { "recv", "name:5007" }, { "send", "224.1.1.1:5007", "x", "--ttl", "256" },
      { "recv", "224.1.1.1:5007", "-c", "0" } } do
      local out, err, status = tools.run("mcast", table.unpack(words))

      assert.equal(2, status, table.concat(words, " "))
      assert.equal("", out)
      assert.truthy(err:find "^netlua mcast: ")
    end
  end)

  it("has help for each command", function()
    assert.truthy(tools.run("mcast", "recv", "-h"):find("Usage: netlua mcast recv ", 1, true))
    assert.truthy(tools.run("mcast", "-h"):find("Usage: netlua mcast ", 1, true))
  end)
end)
