local oracle = require "oracle"

local ip = net.ip

local function texts(iterator, most)
  local list = {}
  for item in iterator do
    list[#list + 1] = tostring(item)
    if #list == most then break end
  end
  return list
end

describe("net.ip.parse", function()
  local good = {
    ["10.1.2.3"] = { 4, 32 }, ["0.0.0.0"] = { 4, 32 }, ["255.255.255.255"] = { 4, 32 }, ["10.0.0.0/8"] = { 4,
    8 },
    ["10.1.2.3/0"] = { 4, 0 }, ["10.1.2.3/32"] = { 4, 32 }, ["::"] = { 6, 128 }, ["::1/128"] = { 6, 128 },
    ["2001:db8::/32"] = { 6, 32 }, ["::/0"] = { 6, 0 }, ["fe80::1%eth0"] = { 6, 128, "eth0" },
    ["fe80::1%eth0/64"] = { 6, 64, "eth0" }, ["::ffff:192.0.2.128"] = { 6, 128 },
  }
  for text, want in pairs(good) do
    it("reads " .. text .. " and writes it again", function()
      local a = assert(ip.parse(text))

      assert.equal(text, tostring(a))
      assert.equal(want[1], a.version)
      assert.equal(want[1] == 4 and net.AF_INET or net.AF_INET6, a.family)
      assert.equal(want[2], a.prefix)
      assert.equal(want[3], a.zone)
    end)
  end

  it("takes IPv4 netmasks for prefixes", function()
    assert.equal("10.0.0.0/8", tostring(ip.parse "10.0.0.0/255.0.0.0"))
    assert.equal("10.0.0.0/0", tostring(ip.parse "10.0.0.0/0.0.0.0"))
    assert.equal("10.0.0.0/32", tostring(ip.parse "10.0.0.0/255.255.255.255"))
    assert.equal("10.0.0.0/31", tostring(ip.parse "10.0.0.0/255.255.255.254"))
  end)

  local bad = { "", " ", "1", "127.1", "0x7f.1", "01.2.3.4", "10.0.0.256", "1.2.3.4.", " 1.2.3.4", "1.2.3.4 ",
    "1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/08", "1.2.3.4/ 8", "1.2.3.4/8/8", "1.2.3.4/255.0.255.0",
    "1.2.3.4/0x8", "1.2.3.4/1e1", "1.2.3.4%lo", "::1%", "::1%a%b", "::1%a b", "%lo", "/8", "::1/129",
    "::/255.0.0.0",
    "[::1]", "fe80::1/64%lo", "localhost", "a\0b", "1.2.3.4\0", "1.2.3.4/8\0", ("1"):rep(300), "\xff" }
  it("says which forms there are, of an address and of a prefix", function()
    local _, address = ip.parse "300.1.1.1"
    local _, prefix = ip.parse "10.0.0.0/33"

    assert.matches("four numbers from 0 to 255", address:explain())
    assert.matches("a number to 32", prefix:explain())
  end)

  for _, text in ipairs(bad) do
    it(("gives nil, err for %q"):format(text), function()
      local a, err = ip.parse(text)

      assert.is_nil(a)
      assert.equal("EINVAL", err.code)
      assert.equal(text, err.address)
    end)
  end

  it("takes the old forms only on request", function()
    for text, address in pairs { ["0x7f.1"] = "127.0.0.1", ["2130706433"] = "127.0.0.1",
      ["010.0.0.1/8"] = "8.0.0.1/8" } do
      assert.is_nil((ip.parse(text)))
      assert.is_nil((ip.parse(text, { legacy = false })))
      assert.equal(address, tostring(assert(ip.parse(text, { legacy = true }))))
    end
    assert.is_nil((ip.parse("127.0.0.1 foo", { legacy = true })))
    assert.is_nil((ip.parse("fe80::1%nope/129", { legacy = true })))
  end)

  it("raises for misuse", function()
    for _, value in ipairs { 5, true, {} } do
      assert.error_matches(function() ip.parse(value) end, "#1 to 'parse'.*string expected")
    end
    assert.error_matches(function() ip.parse() end, "#1 to 'parse'.*string expected")
    assert.error_matches(function() ip.parse("::", { legasy = true }) end, "#2 to 'parse'.*legasy")
    assert.error_matches(function() ip.parse("::", { old = true }) end, '#2 to .parse.*unknown option "old"')
    assert.error_matches(function() ip.parse("::", { legacy = 1 }) end, "#2 to 'parse'.*boolean expected")
    assert.error_matches(function() ip.parse("::", 5) end, "#2 to 'parse'.*table expected")
  end)

  it("has a short form for literals, which raises", function()
    assert.equal("10.0.0.0/8", tostring(ip "10.0.0.0/8"))
    assert.error_matches(function() ip "10.0.0.256" end, "address or network expected")
    assert.error_matches(function() ip(10) end, "address or network expected")
  end)

  it("has a counterpart for bytes", function()
    assert.equal("127.0.0.1", tostring(ip.frombytes "\127\0\0\1"))
    assert.equal("\127\0\0\1", ip.frombytes("\127\0\0\1"):bytes())
    assert.equal("::/0", tostring(ip.frombytes(("\0"):rep(16), 0)))
    assert.equal(16, #ip "::1":bytes())
    for _, bytes in ipairs { "", "abc", "abcde", ("x"):rep(15) } do
      assert.error_matches(function() ip.frombytes(bytes) end, "4 or 16 bytes expected, got " .. #bytes)
    end
    for _, prefix in ipairs { -1, 33, 1.5, "8" } do
      assert.error_matches(function() ip.frombytes("abcd", prefix) end,
        "#2 to 'frombytes'.*integer from 0 to 32")
    end
  end)
end)

describe("an address", function()
  it("equals another of the same text", function()
    assert.is_true(ip "::1" == ip "0:0:0:0:0:0:0:1")
    assert.is_true(ip "10.0.0.1" ~= ip "10.0.0.1/32")
    assert.is_true(ip "::ffff:1.2.3.4" ~= ip "1.2.3.4")
    assert.is_true(ip "fe80::1%a" ~= ip "fe80::1%b")
    assert.is_true(ip "::1" ~= "::1")
  end)

  it("has an order, in which text takes part", function()
    local sorted = { "0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0", "10.0.0.9", "10.0.0.10",
      "200.0.0.1",
      "::", "::1", "7fff::", "8000::", "fe80::1%a", "fe80::1%b" }
    for i = 1, #sorted do
      for k = 1, #sorted do
        assert.equal(i < k, ip(sorted[i]) < ip(sorted[k]), sorted[i] .. " < " .. sorted[k])
        assert.equal(i <= k, ip(sorted[i]) <= ip(sorted[k]))
        assert.equal(i < k and -1 or i > k and 1 or 0, ip.compare(sorted[i], sorted[k]))
      end
    end
    assert.is_true(ip "10.0.0.9" < "10.0.0.10")
    assert.error_matches(function() return ip "::" < 5 end, "address or network expected, got 5")
    assert.error_matches(function() return ip.compare("::", "x") end, "#2 to 'compare'")
  end)

  it("steps and counts", function()
    assert.equal("10.0.1.0", tostring(ip "10.0.0.255" + 1))
    assert.equal("10.0.0.255", tostring(-1 + ip "10.0.1.0"))
    assert.equal("10.0.1.0/24", tostring(ip "10.0.0.0/24" + 256))
    assert.equal("0:0:0:1::", tostring(ip "::ffff:ffff:ffff:ffff" + 1))
    assert.equal("::ffff:ffff:ffff:ffff", tostring(ip "0:0:0:1::" - 1))
    assert.equal("fe80::2%lo", tostring(ip "fe80::1%lo" + 1))
    assert.equal(256, ip "10.0.1.0" - ip "10.0.0.0")
    assert.equal(-256, ip "10.0.0.0" - ip "10.0.1.0")
    assert.equal(math.maxinteger, ip "::7fff:ffff:ffff:ffff" - ip "::")
    assert.equal(math.mininteger, ip "::" - ip "::8000:0:0:0")
    assert.equal(2.0 ^ 63, ip "::8000:0:0:0" - ip "::")
    assert.equal(2.0 ^ 127, ip "8000::" - ip "::")
    assert.equal(-2.0 ^ 127, ip "::" - ip "8000::")
    local last = ip "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    assert.equal(2.0 ^ 128, last - ip "::")
    assert.equal(-2.0 ^ 128, ip "::" - last)
    assert.equal(-2.0 ^ 64, ip "::" - ip "::ffff:ffff:ffff:ffff")
    assert.equal(2.0 ^ 64, ip "::ffff:ffff:ffff:ffff" - ip "::")
  end)

  it("does not step out of the numbers there are", function()
    local beyond = {
      function() return ip "255.255.255.255" + 1 end, function() return ip "0.0.0.0" - 1 end,
      function() return ip "1.2.3.4" + math.maxinteger end,
      function() return ip "1.2.3.4" + math.mininteger end,
      function() return ip "::" - 1 end, function() return ip "::" - math.maxinteger end,
      function() return ip "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" + 1 end,
      function() return ip "::1" - math.mininteger end,
    }
    for _, f in ipairs(beyond) do assert.error_matches(f, "address out of range") end
    assert.error_matches(function() return ip "::" + 1.5 end, "steps by an integer")
    assert.error_matches(function() return ip "::" + "1" end, "steps by an integer")
    assert.error_matches(function() return 5 - ip "::" end, "cannot be subtracted from")
    assert.error_matches(function() return ip "::" - ip "0.0.0.0" end, "two versions")
  end)

  it("joins text", function()
    assert.equal("at ::1, 10.0.0.0/8", "at " .. ip "::1" .. ", " .. ip "10.0.0.0/8")
  end)

  it("can be written with all digits", function()
    assert.equal("2001:0db8:0000:0000:0000:0000:0000:000f", ip "2001:db8::f":expanded())
    assert.equal("fe80:0000:0000:0000:0000:0000:0000:0001%lo", ip "fe80::1%lo/64":expanded())
    assert.equal("1.2.3.4", ip "1.2.3.4/8":expanded())
  end)
end)

describe("a network", function()
  local rows = {
    -- text, network, first, last, broadcast, netmask, count
    { "10.1.2.3/8", "10.0.0.0/8", "10.0.0.0", "10.255.255.255", "10.255.255.255", "255.0.0.0", 1 << 24 },
    { "10.1.2.3", "10.1.2.3/32", "10.1.2.3", "10.1.2.3", nil, "255.255.255.255", 1 },
    { "10.1.2.3/31", "10.1.2.2/31", "10.1.2.2", "10.1.2.3", nil, "255.255.255.254", 2 },
    { "10.1.2.3/30", "10.1.2.0/30", "10.1.2.0", "10.1.2.3", "10.1.2.3", "255.255.255.252", 4 },
    { "1.2.3.4/0", "0.0.0.0/0", "0.0.0.0", "255.255.255.255", "255.255.255.255", "0.0.0.0", 1 << 32 },
    { "::1/0", "::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", nil, "::", 2.0 ^ 128 },
    { "::1/65", "::/65", "::", "::7fff:ffff:ffff:ffff", nil, "ffff:ffff:ffff:ffff:8000::", 2.0 ^ 63 },
    { "::1/66", "::/66", "::", "::3fff:ffff:ffff:ffff", nil, "ffff:ffff:ffff:ffff:c000::", 1 << 62 },
    { "1:2:3:4:5::/64", "1:2:3:4::/64", "1:2:3:4::", "1:2:3:4:ffff:ffff:ffff:ffff", nil,
    "ffff:ffff:ffff:ffff::",
      2.0 ^ 64 },
  }
  for _, row in ipairs(rows) do
    it("around " .. row[1] .. " has its bounds", function()
      local a = ip(row[1])
      local broadcast = a:broadcast()

      assert.equal(row[2], tostring(a:network()))
      assert.equal(row[3], tostring(a:first()))
      assert.equal(row[4], tostring(a:last()))
      assert.equal(row[5], broadcast and tostring(broadcast))
      assert.equal(row[6], tostring(a:netmask()))
      assert.equal(row[7], a:count())
      assert.equal(math.type(row[7]), math.type(a:count()))
      assert.equal(row[1]:match "^[^/]*", tostring(a:address()))
    end)
  end

  it("contains what is inside", function()
    local inside = { "10.0.0.0", "10.255.255.255", "10.0.0.0/8", "10.20.0.0/16" }
    for _, text in ipairs(inside) do assert.is_true(ip "10.0.0.0/8":contains(text), text) end
    for _, text in ipairs { "9.255.255.255", "11.0.0.0", "10.0.0.0/7", "0.0.0.0/0", "::ffff:10.0.0.1",
      "::" } do
      assert.is_false(ip "10.0.0.0/8":contains(text), text)
    end
    assert.is_true(ip "::/0":contains "ffff::")
    assert.is_false(ip "::/0":contains "1.2.3.4")
    assert.is_true(ip "fe80::/10":contains "fe80::1%lo")
    assert.is_false(ip "fe80::%a/10":contains "fe80::1%b")
    assert.is_true(ip "10.20.0.0/16":overlaps "10.0.0.0/8")
    assert.is_false(ip "10.20.0.0/16":overlaps "10.21.0.0/16")
    assert.error_matches(function() ip "::/0":contains "x" end, "#1 to 'contains'")
    assert.error_matches(function() ip "::/0":contains() end, "#1 to 'contains'.*got nil")
  end)

  it("gives its hosts one by one", function()
    assert.same({ "192.0.2.1", "192.0.2.2" }, texts(ip "192.0.2.0/30":hosts()))
    assert.same({ "192.0.2.0", "192.0.2.1" }, texts(ip "192.0.2.1/31":hosts()))
    assert.same({ "192.0.2.1" }, texts(ip "192.0.2.1":hosts()))
    assert.same({ "::1", "::2", "::3" }, texts(ip "::/126":hosts()))
    assert.same({ "::", "::1" }, texts(ip "::1/127":hosts()))
    assert.same({ "255.255.255.254", "255.255.255.255" }, texts(ip "255.255.255.255/31":hosts()))
    assert.equal(254, #texts(ip "192.0.2.77/24":hosts()))
    local highest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    assert.same({ highest }, texts(ip(highest):hosts()))
  end)

  it("takes no memory for hosts that nobody asks for", function()
    assert.same({ "::1", "::2", "::3" }, texts(ip "::/0":hosts(), 3))
    assert.same({ "0.0.0.1", "0.0.0.2" }, texts(ip "0.0.0.0/0":hosts(), 2))
  end)

  it("splits", function()
    assert.same({ "10.0.0.0/9", "10.128.0.0/9" }, texts(ip "10.1.1.1/8":split(9)))
    assert.same({ "10.0.0.0/8" }, texts(ip "10.0.0.0/8":split(8)))
    assert.same({ "0.0.0.0/1", "128.0.0.0/1" }, texts(ip "0.0.0.0/0":split(1)))
    assert.same({ "::/1", "8000::/1" }, texts(ip "::/0":split(1)))
    assert.same({ "::/0" }, texts(ip "::/0":split(0)))
    assert.same({ "::/64", "0:0:0:1::/64", "0:0:0:2::/64", "0:0:0:3::/64" }, texts(ip "::/62":split(64)))
    assert.same({ "255.255.255.254/32", "255.255.255.255/32" }, texts(ip "255.255.255.254/31":split(32)))
    assert.same({ "::/128", "::1/128" }, texts(ip "::/0":split(128), 2))
    assert.equal(65536, #texts(ip "10.0.0.0/16":split(32)))
    for _, prefix in ipairs { 7, 33, -1, 8.5, "9", math.maxinteger } do
      assert.error_matches(function() ip "10.0.0.0/8":split(prefix) end,
        "#1 to 'split'.*integer from 8 to 32")
    end
    assert.error_matches(function() ip "10.0.0.0/8":split() end, "#1 to 'split'")
  end)

  it("has larger ones around it", function()
    assert.equal("10.0.0.0/15", tostring(ip "10.1.0.0/16":supernet()))
    assert.equal("10.0.0.0/8", tostring(ip "10.1.2.3/16":supernet(8)))
    assert.equal("0.0.0.0/0", tostring(ip "0.0.0.0/0":supernet()))
    assert.error_matches(function() ip "10.1.0.0/16":supernet(17) end,
      "#1 to 'supernet'.*integer from 0 to 16")
  end)
end)

describe("classify", function()
  local classes = {
    unspecified = "0.0.0.0 ::", ["this-network"] = "0.0.0.1 0.128.0.0/9",
      loopback = "127.0.0.1 127.255.255.255 ::1",
    private = "10.0.0.1 172.16.0.0 172.31.255.255 192.168.1.1 10.0.0.0/8",
      shared = "100.64.0.0 100.127.255.255",
    ["link-local"] = "169.254.1.1 fe80::1%lo febf::", documentation = "192.0.2.1 198.51.100.7 203.0.113.9 "
      .. "2001:db8::1 3fff::1 192.0.2.0/24", benchmarking = "198.18.0.1 198.19.255.255 2001:2::1",
    multicast = "224.0.0.1 239.255.255.255 ff02::1 ff00::/8", reserved = "240.0.0.1 4000:: ::2",
    broadcast = "255.255.255.255", mapped = "::ffff:10.0.0.1", nat64 = "64:ff9b::1 64:ff9b:1::1",
    teredo = "2001::1", orchid = "2001:10::1 2001:20::1", ["6to4"] = "2002::1", ula = "fc00:: fdff::",
    ["site-local"] = "fec0::1", discard = "100::1", srv6 = "5f00::1", protocol = "192.0.0.1 2001:5::",
    global = "8.8.8.8 9.255.255.255 11.0.0.0 172.15.255.255 172.32.0.0 100.63.255.255 100.128.0.0 192.0.0.9 "
      .. "2606:4700::1 2001:4860::1 2a00::/16",
    mixed = "0.0.0.0/0 ::/0 10.0.0.0/7 192.0.0.0/16 fe00::/7 0.0.0.0/8",
  }
  for class, list in pairs(classes) do
    for text in list:gmatch "%S+" do
      it(("finds %s %s"):format(text, class), function() assert.equal(class, ip(text):classify()) end)
    end
  end

  it("finds the IPv4 address inside", function()
    for text, want in pairs { ["::ffff:192.0.2.1"] = "192.0.2.1", ["2002:c000:201::9"] = "192.0.2.1",
      ["64:ff9b::192.0.2.1"] = "192.0.2.1" } do
      assert.equal(want, tostring(ip(text):ipv4()))
    end
    for _, text in ipairs { "1.2.3.4", "::1", "::1.2.3.4", "64:ff9b:1::1", "2001:db8::1" } do
      assert.is_nil(ip(text):ipv4(), text)
    end
  end)
end)

describe("names and hardware addresses", function()
  it("give reverse names", function()
    assert.equal("1.0.0.127.in-addr.arpa", ip "127.0.0.1":reverse())
    assert.equal("10.in-addr.arpa", ip "10.1.2.3/8":reverse())
    assert.equal("in-addr.arpa", ip "0.0.0.0/0":reverse())
    assert.equal("8.b.d.0.1.0.0.2.ip6.arpa", ip "2001:db8::/32":reverse())
    assert.equal("1." .. ("0."):rep(31) .. "ip6.arpa", ip "::1":reverse())
    local name, err = ip "10.0.0.0/9":reverse()
    assert.is_nil(name)
    assert.equal("EINVAL", err.code)
    assert.is_nil((ip "2001:db8::/33":reverse()))
  end)

  it("give the addresses that hosts make of their hardware address", function()
    assert.equal("fe80::211:32ff:fe3c:c30b", tostring(ip.eui64 "00:11:32:3c:c3:0b"))
    assert.equal("2001:db8:1:2:211:32ff:fe3c:c30b", tostring(ip.eui64("0011.323c.c30b", "2001:db8:1:2::/64")))
    assert.equal("fe80::", tostring(ip.eui64(net.mac.frombytes("\2" .. ("\0"):rep(7)))))
    assert.equal("00:11:32:3c:c3:0b", tostring(ip "fe80::211:32ff:fe3c:c30b":mac()))
    assert.is_nil(ip "fe80::1":mac())
    assert.is_nil(ip "1.2.3.4":mac())
    local a, err = ip.eui64 "00:11"
    assert.is_nil(a)
    assert.equal("EINVAL", err.code)
    for _, network in ipairs { "fe80::/65", "fe80::", "10.0.0.0/8", "x", 5 } do
      assert.error_matches(function() ip.eui64("00:11:32:3c:c3:0b", network) end, "#2 to 'eui64'")
    end
    assert.error_matches(function() ip.eui64(5) end, "#1 to 'eui64' %(hardware address expected")
  end)

  it("sort lists of objects and texts", function()
    local list = { "::1", "10.0.0.10", "10.0.0.9", "10.0.0.0/8", "10.0.0.9" }
    assert.equal(list, ip.sort(list))
    assert.same({ "10.0.0.0/8", "10.0.0.9", "10.0.0.9", "10.0.0.10", "::1" }, list)
    local mixed = ip.sort { ip "10.0.0.2", "10.0.0.1" }
    assert.equal("10.0.0.1", mixed[1])
    assert.same({}, ip.sort {})
    assert.error_matches(function() ip.sort { "10.0.0.1", "x" } end,
      "#1 to 'sort'.*address or network expected")
    assert.error_matches(function() ip.sort "x" end, "#1 to 'sort'.*table expected")
  end)
end)

describe("net.ip, beside Python's ipaddress,", function()
  local function word()
    local n = math.random(4)
    return n == 1 and 0 or n == 2 and 65535 or math.random(0, 65535)
  end

  local function random(bits)
    local words = {}
    for i = 1, bits // 16 do words[i] = word() end
    return words
  end

  local function address()
    if math.random(2) == 1 then
      local w = random(32)
      return ("%d.%d.%d.%d"):format(w[1] >> 8, w[1] & 255, w[2] >> 8, w[2] & 255), 32
    end
    return ("%x:%x:%x:%x:%x:%x:%x:%x"):format(table.unpack(random(128))), 128
  end

  -- Python's own text of a mapped address varies between versions.
  local COMMON = [[
import ipaddress, itertools, socket
def t(a):
  f = socket.AF_INET if a.version == 4 else socket.AF_INET6
  return socket.inet_ntop(f, a.packed)
def n(x): return t(x.network_address) + "/" + str(x.prefixlen)
]]

  it("agrees on bounds, counts, hosts, parts and reverse names", function()
    local lines = {}
    math.randomseed(4711)
    for i = 1, 1500 do
      local text, bits = address()
      lines[i] = text .. "/" .. math.random(0, bits)
    end
    local answers = oracle.python(COMMON .. [[
def answer(s):
  i = ipaddress.ip_interface(s); w = i.network
  few = [t(h) for h in itertools.islice(w.hosts(), 3)]
  p = min(w.prefixlen + 2, w.max_prefixlen)
  parts = [n(x) for x in itertools.islice(w.subnets(new_prefix=p), 4)]
  up = n(w.supernet()) if w.prefixlen else n(w)
  count = w.num_addresses if w.num_addresses < 2 ** 63 else "%.17g" % w.num_addresses
  return " ".join([n(w), t(w.broadcast_address), t(w.netmask), str(count), *few, *parts, up, i.ip.exploded,
    i.ip.reverse_pointer])]], lines)
    if not answers then pending "python3 is missing" end

    for i, line in ipairs(lines) do
      local a = ip(line)
      local count = a:count()
      local words = { tostring(a:network()), tostring(a:last()), tostring(a:netmask()),
        math.type(count) == "float" and ("%.17g"):format(count) or tostring(count) }
      local bits = a.version == 4 and 32 or 128
      for _, text in ipairs(texts(a:hosts(), 3)) do words[#words + 1] = text end
      for _, text in ipairs(texts(a:split(math.min(a.prefix + 2, bits)), 4)) do words[#words + 1] = text end
      words[#words + 1] = tostring(a:supernet())
      words[#words + 1] = a:expanded()
      words[#words + 1] = a:address():reverse()

      assert.equal(line .. ": " .. answers[i], line .. ": " .. table.concat(words, " "))
    end
  end)

  it("agrees on containment, order and distance", function()
    local lines = {}
    math.randomseed(815)
    for i = 1, 1500 do
      local first, bits = address()
      local second = math.random(3) == 1 and first or address()
      lines[i] = ("%s/%d %s"):format(first, math.random(0, bits), second)
    end
    local answers = oracle.python([[
import ipaddress
def answer(s):
  a, b = s.split()
  w = ipaddress.ip_network(a, strict=False); x = ipaddress.ip_address(b); y = ipaddress.ip_interface(a).ip
  if y.version != x.version: return "%s %s" % (x in w, y.version < x.version)
  d = int(y) - int(x)
  return "%s %s %s" % (x in w, y < x, d if -2**63 <= d < 2**63 else "%.12g" % d)]], lines)
    if not answers then pending "python3 is missing" end

    for i, line in ipairs(lines) do
      local a, b = line:match "^(%S+) (%S+)$"
      local network, other = ip(a), ip(b)
      local own = network:address()
      local function title(flag) return flag and "True" or "False" end
      local ours = title(network:contains(other)) .. " " .. title(own < other)
      if own.version == other.version then
        local d = own - other
        ours = ours .. " " .. (math.type(d) == "float" and ("%.12g"):format(d) or tostring(d))
      end

      assert.equal(line .. ": " .. answers[i], line .. ": " .. ours)
    end
  end)

  it("agrees on what addresses are for", function()
    local lines = {}
    math.randomseed(1)
    for i = 1, 3000 do lines[i] = address() end
    for _, text in ipairs { "127.0.0.1", "224.0.0.1", "169.254.0.1", "240.0.0.1", "::1", "fe80::1",
      "ff02::1", "fd00::1",
      "0.0.0.0", "::", "fec0::1", "::ffff:1.2.3.4" } do lines[#lines + 1] = text end
    local answers = oracle.python([[
import ipaddress
def answer(s):
  a = ipaddress.ip_address(s)
  for name in ["is_loopback", "is_multicast", "is_link_local", "is_unspecified"]:
    if getattr(a, name): return name
  if a.version == 6 and a.is_site_local: return "is_site_local"
  return "other" ]], lines)
    if not answers then pending "python3 is missing" end
    local names = { loopback = "is_loopback", multicast = "is_multicast", ["link-local"] = "is_link_local",
      unspecified = "is_unspecified", ["site-local"] = "is_site_local" }

    for i, line in ipairs(lines) do
      assert.equal(line .. ": " .. answers[i], line .. ": " .. (names[ip(line):classify()] or "other"))
    end
  end)
end)
