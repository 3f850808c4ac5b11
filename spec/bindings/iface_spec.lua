local cjson = require "cjson"
local netlua = require "netlua"
local network = require "network"

local function isolated(setup, script, seconds)
  if not network.possible() then pending "no network namespaces here" end
  return network.run(setup, script, seconds)
end

local function set(list)
  local found = {}
  for _, name in ipairs(list) do found[name:lower()] = true end
  return found
end

-- What `ip -j -s addr` prints of an interface, in our words.
local function asours(link)
  local flags = set(link.flags)
  flags["no-carrier"] = nil
  local addresses = {}
  for index, a in ipairs(link.addr_info) do
    addresses[index] = {
      family = a.family, address = a["local"], prefix = a.prefixlen, broadcast = a.broadcast,
      peer = a.address, scope = a.scope, label = a.label, secondary = a.secondary, nodad = a.nodad,
    }
  end
  return {
    name = link.ifname, index = link.ifindex, mtu = link.mtu, type = link.link_type,
    mac = link.link_type ~= "none" and link.address or nil, operstate = link.operstate:lower(),
    master = link.master, parent = link.link, flags = flags, addresses = addresses,
  }
end

-- The same fields of ours.
local function comparable(link)
  local flags = set(link.flags)
  flags.running = nil
  local addresses = {}
  for index, a in ipairs(link.addresses) do
    local is = set(a.flags)
    addresses[index] = {
      family = a.family, address = a.address:gsub("%%.*", ""), prefix = a.prefix, broadcast = a.broadcast,
      peer = a.peer, scope = a.scope, label = a.label, secondary = is.secondary, nodad = is.nodad,
    }
  end
  return {
    name = link.name, index = link.index, mtu = link.mtu, type = link.type, mac = link.mac,
    operstate = link.operstate, master = link.master, parent = link.parent, flags = flags,
    addresses = addresses,
  }
end

local function each(list, f)
  local found = {}
  for index, item in ipairs(list) do found[index] = f(item) end
  return found
end

local COMPARE = "answer { ours = assert(net.interfaces()), theirs = ip 'addr' }"

-- Both must agree on every interface; returns ours by name.
local function agreeing(setup)
  local got = isolated(setup, COMPARE)
  assert.same(each(got.theirs, asours), each(got.ours, comparable))
  local byname = {}
  for _, link in ipairs(got.ours) do byname[link.name] = link end
  return byname
end

local function byaddress(link)
  local found = {}
  for _, a in ipairs(link.addresses) do found[a.address] = a end
  return found
end

describe("net.interfaces", function()
  it("agrees with ip about a machine that has its loopback only", function()
    local lo = agreeing(":").lo

    assert.equal("127.0.0.1", lo.addresses[1].address)
    assert.equal("255.0.0.0", lo.addresses[1].netmask)
    assert.equal("host", lo.addresses[1].scope)
    assert.equal("00:00:00:00:00:00", lo.mac)
    assert.is_true(lo.up and lo.running)
  end)

  it("agrees with ip about the two ends of a cable, one in a bridge, and a vlan on the other", function()
    local links = agreeing(network.CABLE .. [[
ip link add br0 type bridge; ip link set v1 master br0; ip link set v1 mtu 1400
ip link set v0 address 02:00:00:00:00:07; ip link set v0 promisc on]])

    assert.equal("veth", links.v0.kind)
    assert.equal("bridge", links.br0.kind)
    assert.equal("br0", links.v1.master)
    assert.equal("v1", links.v0.parent)
    assert.equal("02:00:00:00:00:07", links.v0.mac)
    assert.equal(1400, links.v1.mtu)
    assert.equal(10000, links.v0.speed_mbit)
    assert.is_false(links.br0.up)
    assert.is_nil(links.br0.speed_mbit)
  end)

  it("agrees with ip about secondary, broadcast and point-to-point addresses", function()
    local v0 = agreeing(network.CABLE .. [[
ip addr add 192.0.2.1/24 brd + dev v0; ip addr add 192.0.2.2/24 dev v0 label v0:x
ip addr add 10.8.0.1 peer 10.8.0.2/32 dev v0; ip addr add 198.51.100.1/31 scope link dev v0]]).v0

    local found = byaddress(v0)
    assert.equal("192.0.2.255", found["192.0.2.1"].broadcast)
    assert.equal("10.8.0.2", found["10.8.0.1"].peer)
    assert.equal("255.255.255.255", found["10.8.0.1"].netmask)
    assert.equal("255.255.255.254", found["198.51.100.1"].netmask)
    assert.equal("link", found["198.51.100.1"].scope)
    assert.equal("v0:x", found["192.0.2.2"].label)
    assert.is_true(set(found["192.0.2.2"].flags).secondary)
  end)

  it("agrees with ip about IPv6 addresses, and gives the link-local ones their zone", function()
    local v0 = agreeing(network.CABLE .. [[
ip addr add 2001:db8::1/64 dev v0 nodad; ip addr add fe80::1/64 dev v0 nodad
ip addr add 2001:db8::5 peer 2001:db8::6/128 dev v0 nodad
ip addr add fd00::9/48 dev v0 nodad valid_lft 1000 preferred_lft 500]]).v0

    local found = byaddress(v0)
    assert.equal("link", found["fe80::1%v0"].scope)
    assert.equal("global", found["2001:db8::1"].scope)
    assert.equal("2001:db8::6", found["2001:db8::5"].peer)
    assert.is_nil(found["2001:db8::1"].netmask)
    assert.is_nil(found["2001:db8::1"].valid)
    assert.is_true(found["fd00::9"].valid > 900 and found["fd00::9"].valid <= 1000)
    assert.is_true(found["fd00::9"].preferred > 400 and found["fd00::9"].preferred <= 500)
  end)

  it("agrees with ip about an interface that has no hardware address", function()
    local tun = agreeing "ip tuntap add tun0 mode tun; ip addr add 10.8.0.1 peer 10.8.0.2/32 dev tun0".tun0

    assert.equal("none", tun.type)
    assert.is_nil(tun.mac)
    assert.equal("10.8.0.2", tun.addresses[1].peer)
  end)

  it("agrees with ip about what was counted", function()
    local got = isolated(network.CABLE .. "ip addr add 192.0.2.1/24 dev v0", [[
      local out <close> = assert(net.udp())
      for _ = 1, 5 do assert(out:sendto(("x"):rep(1000), "127.0.0.1", 9)) end
      answer { ours = assert(net.interfaces()), theirs = ip "-s link" }]])

    for index, link in ipairs(got.theirs) do
      local rx, tx, stats = link.stats64.rx, link.stats64.tx, got.ours[index].stats
      assert.same({
        rx_bytes = rx.bytes, rx_packets = rx.packets, rx_errors = rx.errors, rx_dropped = rx.dropped,
        tx_bytes = tx.bytes, tx_packets = tx.packets, tx_errors = tx.errors, tx_dropped = tx.dropped,
        multicast = rx.multicast, collisions = tx.collisions,
      }, stats)
    end
    assert.is_true(got.ours[1].stats.rx_bytes > 5000)
  end)

  it("takes names of 15 bytes, whatever they are", function()
    local name = "a\xff!$*#\"'\\234567"
    local got = isolated(":", ([[
      local name = %q
      sh("ip link add '" .. name:gsub("'", "'\\''") .. "' type bridge")
      local link = net.interfaces()[name]
      answer { #name, link and link.name == name and link.kind }]]):format(name))

    assert.same({ 15, "bridge" }, got)
  end)

  it("lists thousands of addresses in proportionate time", function()
    local got = isolated(network.CABLE, [[
      local function fill(from, to)
        local name = os.tmpname()
        local file = assert(io.open(name, "w"))
        for i = from, to do
          file:write(("addr add 10.1.%d.%d/32 dev v0\n"):format(i // 256, i % 256))
        end
        file:close()
        sh("ip -batch " .. name)
        os.remove(name)
      end
      local function measure()
        local best = math.huge
        for _ = 1, 5 do
          local began = os.clock()
          assert(net.interfaces())
          best = math.min(best, os.clock() - began)
        end
        return best
      end
      fill(1, 1000)
      local few = measure()
      fill(1001, 8000)
      answer { #net.interfaces().v0.addresses, measure() / few }]], 50)

    assert.equal(8000, got[1])
    assert.is_true(got[2] < 24, "8 times as many take " .. got[2] .. " times as long") -- 64, if quadratic
  end)

  it("needs no privilege", function()
    local got = isolated(network.CABLE .. "ip addr add 192.0.2.1/24 dev v0", [[
      local name = os.tmpname()
      local file = assert(io.open(name, "w"))
      file:write [=[print(#net.interfaces(), net.route("192.0.2.9").device, #net.neighbors(),
        net.watch_links())]=]
      file:close()
      local pipe <close> = assert(io.popen("setpriv --bounding-set=-all --inh-caps=-all --no-new-privs " ..
        arg[-1] .. " " .. name))
      answer { (pipe:read "a") }
      os.remove(name)]])

    assert.matches("^3\tv0\t%d+\tnet.linkwatch", got[1])
  end)

  it("has a field for each name and address, apart from the list", function()
    local list = assert(net.interfaces())

    assert.equal(list.lo, list["127.0.0.1"])
    assert.is_nil(list["192.0.2.99"])
    assert.is_nil(list["*"])
    assert.is_nil(list["lo\0"])
    assert.equal("lo", list.lo.name)
    assert.is_nil(list.nope)
    assert.is_nil(list[#list + 1])
    for key in pairs(list) do assert.equal("integer", math.type(key)) end
    assert.is_true(#cjson.encode(list) > 0)
  end)

  it("leaves no descriptor open and says so when there are none left", function()
    local out, err, status = netlua.shell(([[ulimit -n 30; exec %%s -e '%s']]):format [[
      local open = { net.interfaces(), net.watch_links(), (net.route "127.0.0.1") }
      repeat open[#open + 1] = io.open "/dev/null" until not io.open "/dev/null"
      local list, failure = net.interfaces() print(list, failure.code, failure.kind)
      local watch, problem = net.watch_links() print(watch, problem.code)
      print(net.route "127.0.0.1")]])

    assert.equal("", err)
    assert.equal("nil\tEMFILE\tlimit\nnil\tEMFILE\nnil\troute 127.0.0.1: too many open files (EMFILE)\n", out)
    assert.equal(0, status)
  end)
end)

describe("events that a watch holds", function()
  -- It went on waiting where another task read one of two events that had come as one message.
  it("wake who waits for it in net.select", function()
    local core = require "net.core.iface"
    local watch <close> = assert(core.open())
    local waiting = net.spawn(net.select, { watch }, nil, nil, 0.5)
    net.sleep(0)

    core.pending(watch, true)

    assert.same({ watch }, assert(waiting:join()))
  end)
end)
