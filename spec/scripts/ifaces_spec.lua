local cjson = require "cjson"
local netlua = require "netlua"
local network = require "network"
local tools = require "tools"

local function answers(setup, lines)
  return network.tool("ifaces", setup, lines)
end

local CABLE = network.CABLE .. [[
ip link set v0 address 02:00:00:00:00:01
ip addr add 192.168.1.5/24 broadcast 192.168.1.255 dev v0
ip -6 addr add fd00::5/64 dev v0 nodad
ip route add default via 192.168.1.1
ip link add off0 type veth peer name off1
ip link set off0 address 02:00:00:00:00:03 mtu 1400
]]

describe("ifaces", function()
  it("shows a row for each interface that is up, and with -a for all", function()
    if not network.possible() then return pending "no veth here" end

    local list = answers(CABLE, { {}, { "-a" } })

    local lo = "lo    UP    65536  00:00:00:00:00:00  127.0.0.1/8 ::1/128\n"
    local v0 = "v0    UP    1500   02:00:00:00:00:01  192.168.1.5/24 fd00::5/64\n"
    assert.equal(0, list[1][1])
    assert.equal("", list[1][3])
    assert.is_truthy(list[1][2]:find((v0:gsub("v0    UP    ", "v0  UP  ")), 1, true), list[1][2])
    assert.is_nil(list[1][2]:find "off0")
    assert.is_truthy(list[2][2]:find(lo, 1, true), list[2][2])
    assert.is_truthy(list[2][2]:find("off0  DOWN  1400   02:00:00:00:00:03\n", 1, true))
  end)

  it("shows one by name or index, also where it is down", function()
    if not network.possible() then return pending "no veth here" end

    local list = answers(CABLE, { { "off0" }, { "1" }, { "off0", "lo" } })

    assert.same({ 0, "off0  DOWN  1400  02:00:00:00:00:03\n", "" }, list[1])
    assert.same({ 0, "lo  UP  65536  00:00:00:00:00:00  127.0.0.1/8 ::1/128\n", "" }, list[2])
    assert.matches("^off0 .*\nlo ", list[3][2])
  end)

  it("finds an interface whose name is a number, where no index is", function()
    if not network.possible() then return pending "no veth here" end

    local list = answers("ip link add 4711 type veth peer name v1", { { "4711" }, { "1" } })

    assert.matches("^4711  DOWN", list[1][2])
    assert.matches("^lo ", list[2][2])
  end)

  it("tells a cable without a peer from one that works", function()
    if not network.possible() then return pending "no veth here" end

    local list = answers(network.CABLE .. "ip link set v1 down\n" .. network.LOST, {
      { "v0", "--fields", "name,up,running" }, { "v0" },
    })

    assert.equal("v0  yes  no\n", list[1][2])
    assert.matches("^v0  UP, no carrier  1500", list[2][2])
  end)

  it("gives records with every field", function()
    if not network.possible() then return pending "no veth here" end

    local list = answers(CABLE, { { "v0", "--routes", "--json" } })
    local rec = cjson.decode(list[1][2])

    assert.same({ "v0", true, "v0", 1500, "02:00:00:00:00:01", "ether", "veth", true, true },
      { rec.target, rec.ok, rec.name, rec.mtu, rec.mac, rec.type, rec.kind, rec.up, rec.running })
    assert.is_true(rec.index > 1)
    assert.is_truthy((" " .. table.concat(rec.flags, " ")):find(" up ", 1, true))
    assert.equal(2, #rec.addresses)
    local first = rec.addresses[1]
    assert.same({ "inet", "192.168.1.5", 24, "255.255.255.0", "192.168.1.255", "global" },
      { first.family, first.address, first.prefix, first.netmask, first.broadcast, first.scope })
    assert.same({ "inet6", "fd00::5", 64 },
      { rec.addresses[2].family, rec.addresses[2].address, rec.addresses[2].prefix })
    assert.equal("number", type(rec.stats.rx_bytes))
    assert.same({ "default", "192.168.1.1", "inet" },
      { rec.routes[1].destination, rec.routes[1].gateway, rec.routes[1].family })
  end)

  it("shows counters and default routes on request", function()
    if not network.possible() then return pending "no veth here" end

    local list = answers(CABLE, { { "v0", "--stats", "--routes" } })

    assert.matches("^v0  UP  1500  02:00:00:00:00:01  192.168.1.5/24 fd00::5/64  via 192.168.1.1  "
      .. "rx %d+ B %d+ packets.*  tx %d+ B %d+ packets.*\n$", list[1][2])
  end)

  it("ends with 1 for an interface that is not there, and shows the others", function()
    for _, name in ipairs { "nosuch0", "0", "2147483647", "99999999999999999999", ("x"):rep(40) } do
      local records, status = tools.records("ifaces", name)

      assert.equal(1, status, name)
      assert.same({ name, false, "ENODEV" }, { records[1].target, records[1].ok, records[1].error.code })
    end

    local out, err, status = tools.run("ifaces", "nosuch0", "lo")

    assert.equal(1, status)
    assert.matches("^lo  UP", out)
    assert.matches("^netlua ifaces: nosuch0: no interface ", err)
  end)

  -- The library takes an address for its interface: as the tool did not, it found none and had no error.
  it("shows the interface of an address", function()
    for _, address in ipairs(assert(net.local_addresses { interface = "lo" })) do
      local records, status = tools.records("ifaces", address)

      assert.same({ 0, 1, "lo" }, { status, #records, records[1].name })
    end
  end)

  it("escapes what a name could do to a terminal, and leaves it whole in records", function()
    if not network.possible() then return pending "no veth here" end
    local setup = [[ip link add "$(printf 'v\033[2J\302\233\233\377')" type veth peer name v1]]

    local list = answers(setup, { { "-a" }, { "-a", "--format", "plain" }, { "-a", "--json" } })

    for index = 1, 3 do assert.is_nil(list[index][2]:find "[\27\xff]") end
    assert.is_truthy(list[1][2]:find("v\\x1b[2J\\u{9b}\\x9b\\xff  DOWN", 1, true), list[1][2])
    assert.is_truthy(list[2][2]:find("v\\x1b[2J\\u{9b}\\x9b\\xff\t", 1, true), list[2][2])
    assert.is_truthy(list[3][2]:find('"v\\u001b[2J\\u009b\u{fffd}\u{fffd}"', 1, true), list[3][2])
  end)

  it("ends with 2 for a wrong command line", function()
    for _, words in ipairs { { "" }, { "--nosuch" }, { "--watch", "-c", "0" }, { "-w", "x" } } do
      local out, err, status = tools.run("ifaces", table.unpack(words))

      assert.equal("", out)
      assert.equal(2, status)
      assert.matches("^netlua ifaces: .*\ntry: netlua ifaces %-%-help\n$", err)
    end
  end)
end)

-- Runs the tool beside shell commands that begin once it watches: {status, output, hints}.
local function watching(words, change, setup)
  return network.run(network.CABLE .. (setup or ""), ([[
    local out, status = {}, nil
    local begun = net.event()
    local task = net.spawn(function()
      status = net.tool.call("ifaces", cjson.decode %q, function(line) out[#out + 1] = line end,
        function(line) if line == "waiting for changes\n" then begun:set() else out[#out + 1] = line end end)
    end)
    assert(begun:wait(5))
    sh %q
    assert(net.timeout(30, task.join, task))
    answer { status, table.concat(out) }]]):format(cjson.encode(words), change))
end

describe("ifaces --watch", function()
  it("shows changes as they come, until there were enough", function()
    if not network.possible() then return pending "no veth here" end

    local status, out = table.unpack(watching({ "--watch", "-c", "6" }, [[
      ip addr add 192.168.1.5/24 dev v0; ip link set v0 mtu 1400; ip link set v1 down
      ip link set v0 down; ip link set v0 name w0]]))

    assert.equal(0, status)
    local rows = {}
    for row in out:gmatch "[^\n]+" do
      rows[#rows + 1] = row:gsub("^%d%d:%d%d:%d%d%.%d%d%d +", ""):gsub(" +", " ")
    end
    assert.same({ "v0 address_added 192.168.1.5/24", "v0 changed mtu 1400" }, { rows[1], rows[2] })
    assert.is_truthy(out:find "v1 +down")
    assert.equal(6, #rows)
  end)

  it("shows those of the named interfaces only, as records", function()
    if not network.possible() then return pending "no veth here" end

    local status, out = table.unpack(watching({ "v0", "--watch", "-c", "2", "--json" }, [[
      ip addr add 192.168.2.5/24 dev v1
      ip addr add 192.168.1.5/24 dev v0; ip addr del 192.168.1.5/24 dev v0]]))
    local records = {}
    for line in out:gmatch "[^\n]+" do records[#records + 1] = cjson.decode(line) end

    assert.equal(0, status)
    assert.equal(2, #records)
    for index, event in ipairs { "address_added", "address_removed" } do
      local rec = records[index]
      assert.same({ "v0", "v0", event, "192.168.1.5", 24, 1500 },
        { rec.target, rec.name, rec.event, rec.address.address, rec.address.prefix, rec.mtu })
    end
  end)

  -- It waited in silence: no event has an address for its name.
  it("takes an address for the interface that has it when it begins", function()
    if not network.possible() then return pending "no veth here" end

    local status, out = table.unpack(watching({ "192.168.1.5", "--watch", "-c", "1", "--deadline", "20" },
      "ip link set v1 mtu 1400; ip addr del 192.168.1.5/24 dev v0", "ip addr add 192.168.1.5/24 dev v0"))

    assert.equal(0, status)
    assert.matches("^%S+  v0  address_removed  192%.168%.1%.5/24\n$", out)
  end)

  it("ends well at its deadline, with 28 where -w or -c wanted more, with 130 after ^C", function()
    assert.equal(0, (select(2, tools.records("ifaces", "--watch", "nosuch0", "--deadline", "0.05"))))
    for _, words in ipairs { { "-w", "0.05" }, { "--deadline", "0.05", "-c", "1" } } do
      local records, status = tools.records("ifaces", "--watch", table.unpack(words))

      assert.equal(28, status)
      assert.equal("TIMEOUT", records[1].error.code)
    end
    assert.equal(130, (select(3, netlua.shell("timeout --preserve-status -s INT 0.3 %s ifaces --watch", 10))))
  end)
end)
