local oracle = require "oracle"
local island = require "island"

-- What a script printed, with "|" for tabs.
local function tabbed(text)
  return (text:gsub("|", "\t"))
end

local function numeric(host, hints)
  hints = hints or {}
  hints.flags, hints.protocol = "numerichost", "tcp"
  return net.getaddrinfo(host, nil, hints)
end

-- The resolver's own tests run where nothing but loopback exists.
local function onisland(script, files, seconds)
  if not island.possible() then pending "no namespaces here" end
  local out, err, status = island.run(script, files, seconds)
  assert.equal("", err)
  assert.equal(0, status)
  return out
end

local HOSTS = "127.0.0.1 localhost\n"
  .. "192.0.2.9 file.example.org file alias\n"
  .. "192.0.2.10 short short.example.org\n"
  .. "2001:db8::9 six.file\n"
local RESOLV = "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n"

describe("getaddrinfo with an address", function()
  local good = {
    { "192.0.2.244", "inet", "192.0.2.244" },
    { "2001:db8:f00d::1:d", "inet6", "2001:db8:f00d::1:d" },
    { "fe80::1%lo", "inet6", "fe80::1%lo", 1 },
    { "fe80::1%99", "inet6", "fe80::1%99", 99 },
    { "::1%1", "inet6", "::1%1", 1 },
    { "::ffff:192.0.2.128", "inet6", "::ffff:192.0.2.128" },
    { "0xc000027b", "inet", "192.0.2.123" },
    { "0xC000027B", "inet", "192.0.2.123" },
    { "0177.0.0.1", "inet", "127.0.0.1" },
    { "010.0.0.1", "inet", "8.0.0.1" },
    { "127.1", "inet", "127.0.0.1" },
    { "0x7f.1", "inet", "127.0.0.1" },
    { "2130706433", "inet", "127.0.0.1" },
    { "127.0.0.01", "inet", "127.0.0.1" },
    { "1.2.3", "inet", "1.2.0.3" },
    { "0", "inet", "0.0.0.0" },
  }
  for _, row in ipairs(good) do
    it("takes " .. row[1] .. " for " .. row[3], function()
      local list = assert(numeric(row[1]))

      assert.equal(1, #list)
      assert.equal(row[3], list[1].address)
      assert.equal(row[2] == "inet" and net.AF_INET or net.AF_INET6, list[1].family)
      assert.equal(row[2] == "inet6" and (row[4] or 0) or nil, list[1].scope_id)
      assert.equal(net.SOCK_STREAM, list[1].socktype)
      assert.equal(net.IPPROTO_TCP, list[1].protocol)
      assert.equal(0, list[1].port)
    end)
  end

  local bad = { "10.0.0.256", "256.1.1.1", "127.0.0.08", "not-exist.example.com", "127.0.0.1 foo",
    "127.0.0.1\t",
    "fe80::1%", "fe80::1%nope", "fe80::1%25lo", "::1%lo", "[::1]", "", " 127.0.0.1", "::1 ", "4294967296",
    "0x100000000", "0x", "127.0.0.1.", "localhost", ("a"):rep(64) .. ".b", ("a."):rep(127) .. "b",
    ("a"):rep(300),
    "\xff\xfe" }
  for _, text in ipairs(bad) do
    it(("gives EAI_NONAME for %q"):format(text), function()
      local list, err = numeric(text)

      assert.is_nil(list)
      assert.equal("EAI_NONAME", err.code)
      assert.equal("dns", err.kind)
      assert.equal("getaddrinfo", err.op)
      assert.equal(text, err.host)
    end)
  end

  it("asks nobody about text that cannot be a name", function()
    for _, text in ipairs { "", "[::1]", "::1 ", " 127.0.0.1", "127.0.0.1 foo", "fe80::1%nope", "10.0.0.0/8",
      ("a"):rep(64), ("a."):rep(127) .. "b" } do
      local _, err = net.timeout(0, net.getaddrinfo, text)

      assert.equal("EAI_NONAME", err.code, text)
    end
  end)

  for _, text in ipairs { "0xc000027b", "0177.0.0.1", "010.0.0.1", "127.1", "0x7f.1", "2130706433",
    "127.0.0.01",
    "1.2.3", "0", "10.0.0.256", "256.1.1.1", "127.0.0.08", "0x", "127.0.0.1.", "4294967296" } do
    it("refuses " .. text .. " when strict, and asks nobody", function()
      local list, err = net.timeout(0, net.getaddrinfo, text, 80, { strict = true })

      assert.is_nil(list)
      assert.equal("EAI_NONAME", err.code)
      assert.matches("four decimal numbers", err.message)
    end)
  end

  it("takes what is right when strict", function()
    for _, text in ipairs { "127.0.0.1", "0.0.0.0", "::1", "::ffff:1.2.3.4", "fe80::1%lo" } do
      assert.equal(text, assert(numeric(text, { strict = true }))[1].address)
    end
    assert.is_truthy(net.getaddrinfo("localhost", nil, { strict = true, socktype = "stream" }))
  end)

  it("gives back an address that can be passed on", function()
    for _, text in ipairs { "fe80::1%lo", "::1%1", "::ffff:192.0.2.128", "192.0.2.1" } do
      local first = assert(numeric(text))[1]
      local second = assert(numeric(first.address))[1]

      assert.same(first, second)
    end
  end)

  it("needs no worker, so that it has an answer at once", function()
    local list = assert(net.timeout(0, net.getaddrinfo, "127.0.0.1", "80"))

    assert.equal(3, #list)
    assert.equal(80, list[1].port)
  end)

  it("says that an address is of the other family", function()
    local _, err = net.getaddrinfo("127.0.0.1", nil, { family = "inet6" })
    assert.equal("EAI_ADDRFAMILY", err.code)

    local list = assert(net.getaddrinfo("127.0.0.1", nil,
      { family = "inet6", flags = "v4mapped", socktype = "stream" }))
    assert.equal("::ffff:127.0.0.1", list[1].address)
  end)

  it("reads random texts as Python does", function()
    local parts = { "0", "1", "255", "256", ".", ".", "0x7f", "08", ":", "::", "ffff", "a", "%lo", "%1",
      "%9" }
    local texts = {}
    math.randomseed(99)
    for i = 1, 2000 do
      local words = {}
      for k = 1, math.random(1, 8) do words[k] = parts[math.random(#parts)] end
      texts[i] = table.concat(words)
    end
    local answers = oracle.python([[
import socket
def answer(s):
  try:
    row = socket.getaddrinfo(s, None, 0, 0, socket.IPPROTO_TCP, socket.AI_NUMERICHOST)[0]
    return "%d %s %d" % (row[0], row[4][0].split("%")[0], row[4][3] if row[0] == socket.AF_INET6 else 0)
  except (OSError, UnicodeError): return "-"]], texts)
    if not answers then pending "python3 is missing" end

    for i, text in ipairs(texts) do
      local list = numeric(text)
      local e = list and list[1]
      local ours = e and ("%d %s %d"):format(e.family, e.address:match "^[^%%]*", e.scope_id or 0) or "-"

      assert.equal(text .. ": " .. answers[i], text .. ": " .. ours)
    end
  end)
end)

describe("getaddrinfo with a service", function()
  local function port(service, hints)
    hints = hints or { socktype = "stream" }
    local list, err = net.getaddrinfo("127.0.0.1", service, hints)
    return list and list[1].port, err
  end

  it("takes numbers and names", function()
    assert.equal(80, port(80))
    assert.equal(80, port "80")
    assert.equal(80, port "http")
    assert.equal(65535, port(65535))
    assert.equal(65535, port "65535")
    assert.equal(0, port(0))
    assert.equal(0, port "")
    assert.equal(53, port("domain", { socktype = "dgram" }))
  end)

  for _, service in ipairs { "-1", "-2", "+80", " 80", "0x50", "80 ", "nosuch", "8o", "\xff" } do
    it(("gives EAI_SERVICE for %q"):format(service), function()
      local n, err = port(service)

      assert.is_nil(n)
      assert.equal("EAI_SERVICE", err.code)
    end)
  end

  it("says that a zone names no interface", function()
    local _, err = net.getaddrinfo("fe80::1%nosuch0", 80)

    assert.equal("EAI_NONAME", err.code)
    assert.equal("no interface of the name or number after %", err.message)
  end)

  it("names the service or protocol that is unknown", function()
    assert.equal('unknown service "nosuch"', select(2, port "nosuch").message)
    assert.equal("no service nosuch in /etc/services", select(2, net.getservbyname "nosuch").message)
    local _, err = net.getservbyname("http", "nosuch")
    assert.equal("no service http/nosuch in /etc/services", err.message)
    assert.equal("no service 64999/udp in /etc/services", select(2, net.getservbyport(64999, "udp")).message)
    assert.equal("no protocol nosuch in /etc/protocols", select(2, net.getprotobyname "nosuch").message)
  end)

  it("gives EAI_SERVICE for a name with raw, and where names are not allowed EAI_NONAME", function()
    local _, err = port("http", { socktype = "raw" })
    assert.equal("EAI_SERVICE", err.code)

    _, err = port("http", { socktype = "stream", flags = "numericserv" })
    assert.equal("EAI_NONAME", err.code)
  end)

  for _, service in ipairs { 65536, -1, 2 ^ 31 | 0, 2 ^ 53 | 0, math.maxinteger, math.mininteger, 0 / 0,
    1 / 0, 1.5,
    "65536", "99999999999999999999999", "4294967376" } do
    it("raises for " .. tostring(service) .. " of type " .. type(service), function()
      assert.error_matches(function() port(service) end, "#2 to 'getaddrinfo'.*from 0 to 65535 expected")
    end)
  end
end)

describe("the hints of getaddrinfo", function()
  it("give one entry per address with a protocol, three without", function()
    assert.equal(1, #assert(net.getaddrinfo("127.0.0.1", 80, { protocol = "tcp" })))
    assert.equal(1, #assert(net.getaddrinfo("127.0.0.1", 80, { socktype = "dgram" })))
    local types = {}
    for i, entry in ipairs(assert(net.getaddrinfo("127.0.0.1", 80))) do types[i] = entry.socktype end
    assert.same({ net.SOCK_STREAM, net.SOCK_DGRAM, net.SOCK_RAW }, types)
  end)

  it("are numbers or names", function()
    local forms = {
      { family = net.AF_INET, socktype = net.SOCK_DGRAM, protocol = net.IPPROTO_UDP },
      { family = "inet", socktype = "dgram", protocol = "udp" },
      { family = "AF_INET", socktype = "SOCK_DGRAM", protocol = "IPPROTO_UDP" },
      { family = "INET", socktype = "Dgram", protocol = "UDP" },
    }
    for _, hints in ipairs(forms) do
      local list = assert(net.getaddrinfo("127.0.0.1", 7, hints))
      assert.equal(1, #list)
      assert.equal(net.SOCK_DGRAM, list[1].socktype)
      assert.equal(net.IPPROTO_UDP, list[1].protocol)
    end
  end)

  it("take flags as a number, a name or a list", function()
    local want = net.AI_PASSIVE | net.AI_NUMERICHOST
    for _, flags in ipairs { want, { "passive", "numerichost" }, { "AI_PASSIVE", net.AI_NUMERICHOST },
      { "PASSIVE", "ai_numerichost" } } do
      local list = assert(net.getaddrinfo(nil, 80, { flags = flags, family = "inet", socktype = "stream" }))
      assert.equal("0.0.0.0", list[1].address)
    end
    for _, name in ipairs { "passive", "canonname", "numerichost", "numericserv", "v4mapped", "all",
      "addrconfig",
      "idn", "canonidn" } do
      assert.is_truthy(pcall(net.getaddrinfo, "127.0.0.1", 80, { flags = name }), name)
      assert.equal("integer", math.type(net["AI_" .. name:upper()]))
    end
  end)

  it("without a host mean this host, or any with passive", function()
    local list = assert(net.getaddrinfo(nil, 80, { family = "inet", socktype = "stream" }))
    assert.equal("127.0.0.1", list[1].address)

    list = assert(net.getaddrinfo(nil, 80, { family = "inet6", socktype = "stream", flags = "passive" }))
    assert.equal("::", list[1].address)
  end)

  it("ask for the canonical name, which the first entry has", function()
    local list = assert(net.getaddrinfo("localhost", 80, { flags = "canonname" }))

    assert.equal("localhost", list[1].canonname)
    assert.is_nil(list[2].canonname)
  end)

  it("that contradict each other are an error of the call", function()
    local _, err = net.getaddrinfo(nil, 80, { flags = "canonname" })
    assert.equal("EAI_BADFLAGS", err.code)

    _, err = net.getaddrinfo("127.0.0.1", 80, { family = 77 })
    assert.equal("EAI_FAMILY", err.code)

    _, err = net.getaddrinfo(nil, nil)
    assert.equal("EAI_NONAME", err.code)
  end)

  local wrong = {
    { { familly = "inet" }, 'unknown option "familly" %(did you mean "family"%?%)' },
    { { numeric = true }, 'unknown option "numeric"' },
    { { "inet" }, "option names are strings" },
    { { family = "inet7" }, 'option "family": "inet7" is unknown' },
    { { family = "inet\0" }, 'option "family"' },
    { { family = -1 }, 'option "family"' },
    { { family = 2 ^ 31 | 0 }, 'option "family"' },
    { { family = 2.5 }, 'option "family"' },
    { { family = {} }, 'option "family"' },
    { { socktype = "tcp" }, 'option "socktype": "tcp" is unknown' },
    { { protocol = "http" }, 'option "protocol": "http" is unknown' },
    { { protocol = true }, 'option "protocol"' },
    { { flags = "nope" }, 'option "flags": a number, a name or a list of names' },
    { { flags = { "passive", "nope" } }, 'option "flags"' },
    { { flags = { "nope", "passive" } }, 'option "flags"' },
    { { flags = { passive = true } }, 'option "flags"' },
    { { flags = { x = "passive" } }, 'option "flags"' },
    { { flags = -1 }, 'option "flags"' },
    { { flags = math.maxinteger }, 'option "flags"' },
    { { flags = true }, 'option "flags"' },
    { { strict = 1 }, 'option "strict": boolean' },
    { { timeout = -1 }, 'option "timeout": seconds' },
    { { timeout = "1" }, 'option "timeout": seconds' },
    { { timeout = 0 / 0 }, 'option "timeout": seconds' },
    { 5, "table expected" },
    { "tcp", "table expected" },
  }
  for i, row in ipairs(wrong) do
    it("that are wrong raise, case " .. i, function()
      assert.error_matches(function() net.getaddrinfo("127.0.0.1", 80, row[1]) end,
        "bad argument #3 to 'getaddrinfo'.*" .. row[2])
    end)
  end

  it("do not excuse a wrong host", function()
    assert.error_matches(function() net.getaddrinfo("a\0b") end, "#1 to 'getaddrinfo'.*NUL")
    assert.error_matches(function() net.getaddrinfo(127) end, "#1 to 'getaddrinfo'.*string expected")
    assert.error_matches(function() net.getaddrinfo("a", "8\0") end, "#2 to 'getaddrinfo'.*NUL")
  end)
end)

describe("getnameinfo", function()
  it("gives names, or numbers on request", function()
    local host, service = net.getnameinfo("127.0.0.1", 80)
    assert.equal("localhost", host)
    assert.equal("http", service)

    host, service = net.getnameinfo("127.0.0.1", 80, { "numerichost", "NI_NUMERICSERV" })
    assert.equal("127.0.0.1", host)
    assert.equal("80", service)

    host, service = net.getnameinfo("fe80::1%lo", "53", net.NI_NUMERICHOST | net.NI_DGRAM)
    assert.equal("fe80::1%lo", host)
    assert.equal("domain", service)
  end)

  it("gives nil, err for what is no address", function()
    for _, text in ipairs { "localhost", "", "10.0.0.256", "127.1", "unix:/tmp/x", ("x"):rep(300) } do
      local host, err = net.getnameinfo(text, 80)

      assert.is_nil(host)
      assert.equal("EAI_NONAME", err.code)
      assert.equal(text, err.host)
    end
  end)

  it("raises for a wrong port, flags or timeout", function()
    for _, port in ipairs { -1, 65536, 1.5, "80 ", "0x50", {} } do
      assert.error_matches(function() net.getnameinfo("127.0.0.1", port) end,
        "#2 to 'getnameinfo'.*port from 0")
    end
    for _, flags in ipairs { "nope", -1, { "dgram", 1.5 }, true } do
      assert.error_matches(function() net.getnameinfo("127.0.0.1", 80, flags) end,
        "#3 to 'getnameinfo'.*list of names")
    end
    assert.error_matches(function() net.getnameinfo("127.0.0.1", 80, 0, -1) end,
      "#4 to 'getnameinfo'.*seconds")
    assert.error_matches(function() net.getnameinfo(nil, 80) end, "#1 to 'getnameinfo'.*string expected")
  end)
end)

describe("services and protocols", function()
  it("have numbers and names", function()
    assert.equal(80, net.getservbyname "http")
    assert.equal(53, net.getservbyname("domain", "udp"))
    assert.equal("http", net.getservbyport(80))
    assert.equal("http", net.getservbyport("80", "tcp"))
    assert.equal(6, net.getprotobyname "tcp")
    assert.equal("udp", net.getprotobynumber(17))
    assert.equal("ip", net.getprotobynumber(0))
  end)

  it("that are unknown are nil, err", function()
    local cases = {
      { net.getservbyname, "nosuch" }, { net.getservbyname, "" }, { net.getservbyname, ("x"):rep(300) },
      { net.getservbyname, "http", "nosuch" }, { net.getservbyport, 64999 }, { net.getservbyport, 80, "" },
      { net.getprotobyname, "nosuch" }, { net.getprotobyname, "" }, { net.getprotobynumber, 2147483647 },
    }
    for i, case in ipairs(cases) do
      local found, err = case[1](table.unpack(case, 2))

      assert.is_nil(found, "case " .. i)
      assert.equal(i <= 6 and "EAI_SERVICE" or "EPROTONOSUPPORT", err.code)
    end
  end)

  it("raise for misuse", function()
    for _, port in ipairs { -1, 65536, 0 / 0, 1.5, "80 " } do
      assert.error_matches(function() net.getservbyport(port) end, "port from 0 to 65535 expected")
    end
    for _, number in ipairs { -1, 2 ^ 31, 1.5, "6" } do
      assert.error_matches(function() net.getprotobynumber(number) end,
        "integer from 0 to 2147483647 expected")
    end
    assert.error_matches(function() net.getservbyname "a\0" end, "NUL")
    assert.error_matches(function() net.getservbyname("http", "tcp\0") end, "NUL")
    assert.error_matches(function() net.getprotobyname() end, "string expected")
    assert.error_matches(function() net.getfqdn "a\0b" end, "#1 to 'getfqdn'.*NUL")
  end)
end)

describe("a stuck resolver", function()
  local PRELUDE = [[
    local lfs = require "lfs"
    local hole = assert(net.udp {})
    assert(hole:bind("127.0.0.1", 53))
    local function count(dir)
      local n = 0
      for _ in lfs.dir(dir) do n = n + 1 end
      return n
    end
    local function measured(f, ...)
      local began = net.now()
      local found, err = f(...)
      return net.now() - began, found, err
    end
  ]]
  local FILES = { ["/etc/hosts"] = HOSTS, ["/etc/resolv.conf"] = RESOLV }

  it("costs what the timeout says, with threads and descriptors flat", function()
    local out = onisland(PRELUDE .. [[
      local function lookup() return net.getaddrinfo("stuck.example", 80, { timeout = 0.3 }) end
      net.map({ table.unpack({}, 1, 40) }, lookup)
      local crowd = {}
      for i = 1, 40 do crowd[i] = i end
      local _, errors = net.map(crowd, lookup)
      for i = 1, 40 do assert(errors[i].code == "TIMEOUT") end
      local threads, files = count "/proc/self/task", count "/proc/self/fd"
      local times = {}
      for i = 1, 20 do
        local found, err
        times[i], found, err = measured(lookup)
        assert(not found and err.code == "TIMEOUT")
        assert(err.op == "getaddrinfo" and err.host == "stuck.example")
      end
      table.sort(times)
      print(threads, count "/proc/self/task" - threads, count "/proc/self/fd" - files)
      print(times[1], times[20])
    ]], FILES, 40)

    local threads, morethreads, morefiles, least, most = out:match "^(%S+)%s+(%S+)%s+(%S+)\n(%S+)%s+(%S+)\n$"
    assert.is_true(tonumber(threads) <= 40, out)
    assert.equal("0", morethreads)
    assert.equal("0", morefiles)
    assert.is_true(tonumber(least) >= 0.3, out)
    assert.is_true(tonumber(most) <= 20, out)
  end)

  it("is left by every call at its timeout or the scope's", function()
    local out = onisland(PRELUDE .. [[
      local calls = {
        function() return net.getaddrinfo("stuck.example", nil, { timeout = 0.1 }) end,
        function() return net.timeout(0.1, net.getaddrinfo, "stuck.example") end,
        function() return net.gethostbyname("stuck.example", 0.1) end,
        function() return net.timeout(0.1, net.gethostbyname, "stuck.example") end,
        function() return net.gethostbyname_ex("stuck.example", 0.1) end,
        function() return net.gethostbyaddr("192.0.2.77", 0.1) end,
        function() return net.getnameinfo("192.0.2.77", 80, 0, 0.1) end,
        function() return net.getaddrinfo("stuck.example", nil, { timeout = 0 }) end,
      }
      for i, call in ipairs(calls) do
        local time, found, err = measured(call)
        print(i, found, err.code, err.op, time < 20)
      end
      local time, name, err = measured(net.getfqdn, "stuck.example", 0.1)
      print(name, err.code, time < 20)
    ]], FILES)

    assert.equal(tabbed [[
1|nil|TIMEOUT|getaddrinfo|true
2|nil|TIMEOUT|getaddrinfo|true
3|nil|TIMEOUT|gethostbyname|true
4|nil|TIMEOUT|gethostbyname|true
5|nil|TIMEOUT|gethostbyname_ex|true
6|nil|TIMEOUT|gethostbyaddr|true
7|nil|TIMEOUT|getnameinfo|true
8|nil|TIMEOUT|getaddrinfo|true
stuck.example|TIMEOUT|true
]], out)
  end)

  it("holds up neither cancellation nor the other tasks nor the exit", function()
    local out = onisland(PRELUDE .. [[
      assert(net.getaddrinfo("localhost", 80)) -- one idle worker
      local began = net.now()
      local stuck = net.spawn(net.getaddrinfo, "stuck.example")
      local other = net.spawn(net.getaddrinfo, "file.example.org", 80, { socktype = "stream" })
      local ticks = 0
      local ticker = net.every(0.01, function() ticks = ticks + 1 end)
      print(other:join(30)[1].address)
      while ticks < 5 do net.sleep(0.01) end
      ticker:cancel()
      stuck:cancel()
      local _, err = stuck:join(30)
      print(err.code, net.now() - began < 20)
    ]], FILES, 25)

    assert.equal("192.0.2.9\nCANCELED\ttrue\n", out)
  end)

  it("blocks only where Lua cannot yield, and not beyond the timeout", function()
    local out = onisland(PRELUDE .. [[
      local time, err
      table.sort({ 2, 1 }, function(a, b)
        if not time then
          local _
          time, _, err = measured(net.getaddrinfo, "stuck.example", nil, { timeout = 0.1 })
        end
        return a < b
      end)
      print(err.code, time >= 0.1 and time < 20)
    ]], FILES)

    assert.equal("TIMEOUT\ttrue\n", out)
  end)
end)

describe("a name server", function()
  local PRELUDE = [[
    package.path = "./spec/support/?.lua;" .. package.path
    local server = require("nameserver").serve {
      ["real.example"] = { { "A", "192.0.2.1" }, { "A", "192.0.2.2" }, { "AAAA", "2001:db8::1" } },
      ["alias.example"] = { { "CNAME", "real.example" } },
      ["six.example"] = { { "AAAA", "2001:db8::6" } },
      ["empty.example"] = {},
      ["broken.example"] = "SERVFAIL",
      ["1.2.0.192.in-addr.arpa"] = { { "PTR", "real.example" } },
      [net.ip "2001:db8::1":reverse()] = { { "PTR", "real.example" } },
      ["local.domain"] = { { "A", "192.0.2.50" } },
    }
    local function show(list, ...)
      if type(list) ~= "table" then return ... end
      local words = {}
      for i, item in ipairs(list) do words[i] = item.address or item end
      table.sort(words)
      words = "{" .. table.concat(words, " ") .. "}"
      if ... == nil then return words end
      return words, show(...)
    end
    local function code(found, err) return found, err and err.code, err and err.kind end
  ]]
  local FILES = { ["/etc/hosts"] = HOSTS,
    ["/etc/resolv.conf"] = "nameserver 127.0.0.1\noptions attempts:1\n" }

  local function answer(script)
    local out = onisland(PRELUDE .. script .. "\nserver.close()", FILES)
    return out
  end

  it("gives addresses of both families", function()
    local out = answer [[
      print(show(net.getaddrinfo("real.example", 80, { socktype = "stream" })))
      print(show(net.getaddrinfo("real.example", 80, { socktype = "stream", family = "inet6" })))
      print(net.gethostbyname "real.example")
      print(net.getaddrinfo("alias.example", nil, { flags = "canonname" })[1].canonname)
    ]]

    assert.matches("^{192.0.2.1 192.0.2.2 2001:db8::1}\n{2001:db8::1}\n192.0.2.[12]\nreal.example\n$", out)
  end)

  it("says no in different ways, which have different codes", function()
    local out = answer [[
      print(code(net.getaddrinfo("nosuch.example")))
      print(code(net.getaddrinfo("empty.example")))
      print(code(net.getaddrinfo("broken.example")))
      print(code(net.gethostbyname_ex "nosuch.example"))
      print(code(net.gethostbyname_ex "empty.example"))
      print(code(net.gethostbyaddr "192.0.2.99"))
      print(code(net.getnameinfo("192.0.2.99", 80, "namereqd")))
      print(net.getnameinfo("192.0.2.99", 80))
    ]]

    assert.equal(tabbed [[
nil|EAI_NONAME|dns
nil|EAI_NODATA|dns
nil|EAI_AGAIN|dns
nil|EAI_NONAME|dns
nil|EAI_NODATA|dns
nil|EAI_NONAME|dns
nil|EAI_NONAME|dns
192.0.2.99|http
]], out)
  end)

  it("points to getaddrinfo for a name that has IPv6 addresses only", function()
    local out = answer [[
      for _, f in ipairs { net.gethostbyname, net.gethostbyname_ex } do
        local found, err = f "six.example"
        print(found, err.code, err.kind, err.host, err.message:match "getaddrinfo")
      end
      print(code(net.gethostbyname "empty.example"))
      print(select(2, net.gethostbyname "six.file").code)
    ]]

    assert.equal(tabbed [[
nil|EAI_ADDRFAMILY|dns|six.example|getaddrinfo
nil|EAI_ADDRFAMILY|dns|six.example|getaddrinfo
nil|EAI_NODATA|dns
EAI_ADDRFAMILY
]], out)
  end)

  it("gives aliases, from the files too", function()
    local out = answer [[
      local name, aliases, addresses = net.gethostbyname_ex "real.example"
      print(name, show(aliases, addresses))
      name, aliases, addresses = net.gethostbyname_ex "alias.example"
      print(name, show(aliases, addresses))
      name, aliases, addresses = net.gethostbyname_ex "alias"
      print(name, show(aliases, addresses))
      name, aliases, addresses = net.gethostbyaddr "192.0.2.9"
      print(name, show(aliases, addresses))
    ]]

    assert.matches("^real.example\t{}\t{192.0.2.1 192.0.2.2}\n", out)
    assert.matches("\nreal.example\t{alias.example}\t{192.0.2.1 192.0.2.2}\n", out)
    assert.matches(("\nfile.example.org\t{alias file}\t{192.0.2.9}"):rep(2) .. "\n$", out)
  end)

  it("gives the name of an address, IPv4 and IPv6", function()
    local out = answer [[
      for _, address in ipairs { "192.0.2.1", "2001:db8::1" } do
        local name, aliases, addresses = net.gethostbyaddr(address)
        print(name, show(aliases, addresses))
        print(net.getnameinfo(address, 443))
      end
    ]]

    assert.equal(tabbed [[
real.example|{}|{192.0.2.1}
real.example|https
real.example|{}|{2001:db8::1}
real.example|https
]], out)
  end)

  it("makes full names", function()
    local out = answer [[
      print(net.getfqdn "alias")
      print(net.getfqdn "short")
      print(net.getfqdn "192.0.2.1")
      print(net.getfqdn "2001:db8::1")
      print(net.getfqdn "alias.example")
      print(net.getfqdn "six.example")
      local name, err = net.getfqdn "192.0.2.99"
      print(name, err.code)
      name, err = net.getfqdn "nosuch.example"
      print(name, err.code)
      print(net.getfqdn() == net.getfqdn "" and net.getfqdn "0.0.0.0" == net.getfqdn "::")
    ]]

    assert.equal(tabbed [[
file.example.org
short.example.org
real.example
real.example
real.example
six.example
192.0.2.99|EAI_NONAME
nosuch.example|EAI_NONAME
true
]], out)
  end)

  it("that is not there is EAI_AGAIN", function()
    local out = onisland([[
      local found, err = net.getaddrinfo("some.example", 80, { timeout = 5 })
      print(found, err.code, err.kind)
    ]], FILES)

    assert.equal("nil\tEAI_AGAIN\tdns\n", out)
  end)
end)

describe("the list of services", function()
  it("has what is found one by one", function()
    local services = require("net.core.resolve").services()

    for _, protocol in ipairs { "tcp", "udp" } do
      local seen = 0
      for port, name in pairs(services[protocol]) do
        seen = seen + 1
        assert.equal(net.getservbyport(port, protocol), name)
      end
      assert.is_true(seen > 50)
    end
  end)
end)
