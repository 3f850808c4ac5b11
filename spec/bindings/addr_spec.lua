local oracle = require "oracle"

describe("byte order", function()
  it("swaps as the network does", function()
    assert.equal(256, net.htons(1))
    assert.equal(1, net.ntohs(256))
    assert.equal(16777216, net.htonl(1))
    assert.equal(1, net.ntohl(16777216))
    assert.equal(1 << 56, net.hton64(1))
    assert.equal(1, net.ntoh64(1 << 56))
  end)

  it("keeps all 64 bits", function()
    assert.equal("\x80\0\0\0\0\0\0\1", string.pack("=i8", net.hton64(math.mininteger + 1)))
    assert.equal(-1, net.hton64(-1))
  end)

  it("gives back what it was given", function()
    for _, n in ipairs { 0, 1, 255, 256, 65535 } do assert.equal(n, net.ntohs(net.htons(n))) end
    for _, n in ipairs { 0, 1, 65536, 2 ^ 31 | 0, 2 ^ 32 - 1 | 0 } do
      assert.equal(n, net.ntohl(net.htonl(n)))
    end
    for _, n in ipairs { 0, -1, math.mininteger, math.maxinteger } do
      assert.equal(n, net.ntoh64(net.hton64(n)))
    end
  end)

  local wrong = { -1, 65536, 2 ^ 31, 2 ^ 32, 2 ^ 53, math.maxinteger, 0 / 0, 1 / 0, 1.5, "1", "0x50", {},
    true }
  for _, value in ipairs(wrong) do
    it("refuses " .. tostring(value) .. " for 16 bits", function()
      assert.error_matches(function() net.htons(value) end, "#1.*integer from 0 to 65535 expected, got")
      assert.error_matches(function() net.ntohs(value) end, "#1.*integer from 0 to 65535 expected, got")
    end)
  end

  it("refuses what does not fit 32 bits, and nothing at all", function()
    for _, value in ipairs { -1, 2 ^ 32, math.maxinteger, 0 / 0, 1.5, "1" } do
      assert.error_matches(function() net.htonl(value) end, "integer from 0 to 4294967295 expected")
      assert.error_matches(function() net.ntohl(value) end, "integer from 0 to 4294967295 expected")
    end
    assert.error_matches(function() net.hton64(1.5) end, "integer from")
    assert.error_matches(function() net.hton64(2 ^ 63) end, "integer from")
    assert.error_matches(function() net.htons() end, "got no value")
  end)
end)

describe("inet_pton", function()
  local good = {
    { "inet", "192.0.2.244", "\xc0\0\2\xf4" },
    { "inet", "0.0.0.0", "\0\0\0\0" },
    { "inet", "255.255.255.255", "\xff\xff\xff\xff" },
    { "inet6", "::", ("\0"):rep(16) },
    { "inet6", "::1", ("\0"):rep(15) .. "\1" },
    { "inet6", "2001:db8:f00d::1:d", "\x20\1\x0d\xb8\xf0\x0d\0\0\0\0\0\0\0\1\0\x0d" },
    { "inet6", "::ffff:192.0.2.128", ("\0"):rep(10) .. "\xff\xff\xc0\0\2\x80" },
  }
  for _, row in ipairs(good) do
    it("reads " .. row[2], function() assert.equal(row[3], net.inet_pton(row[1], row[2])) end)
  end

  local bad = {
    { "inet", "10.0.0.256" }, { "inet", "256.1.1.1" }, { "inet", "127.0.0.08" }, { "inet", "127.0.0.01" },
    { "inet", "0xc000027b" }, { "inet", "127.1" }, { "inet", "127.0.0.1 foo" }, { "inet", "127.0.0.1\t" },
    { "inet", " 127.0.0.1" }, { "inet", "127.0.0.1." }, { "inet", "" }, { "inet", "::1" }, { "inet", "0" },
    { "inet", ("1"):rep(300) }, { "inet", "\xff\xfe" },
    { "inet6", "fe80::1%lo" }, { "inet6", "[::1]" }, { "inet6", "" }, { "inet6", "::1 " }, { "inet6", ":::" },
    { "inet6", "192.0.2.1" }, { "inet6", ("1:"):rep(150) },
  }
  for _, row in ipairs(bad) do
    it(("gives nil, err for %q as %s"):format(row[2], row[1]), function()
      local bytes, err = net.inet_pton(row[1], row[2])

      assert.is_nil(bytes)
      assert.equal("EINVAL", err.code)
      assert.equal("inet_pton", err.op)
      assert.equal(row[2], err.address)
    end)
  end

  it("takes the family as a number or a name", function()
    for _, family in ipairs { net.AF_INET, "inet", "INET", "AF_INET", "af_inet" } do
      assert.equal("\127\0\0\1", net.inet_pton(family, "127.0.0.1"))
    end
  end)

  it("raises for other families and for NUL bytes", function()
    for _, family in ipairs { 1, "unix", "inet7", -2, 2 ^ 40, 2.5, "", {}, true } do
      assert.error_matches(function() net.inet_pton(family, "127.0.0.1") end,
        "#1.*AF_INET or AF_INET6 expected")
    end
    assert.error_matches(function() net.inet_pton("inet", "127.0.0.1\0") end, "#2.*NUL")
    assert.error_matches(function() net.inet_pton("inet", 127) end, "#2.*string expected")
    assert.error_matches(function() net.inet_pton() end, "#1.*value expected")
  end)
end)

describe("inet_ntop and inet_ntoa", function()
  it("write addresses", function()
    assert.equal("192.0.2.244", net.inet_ntop(net.AF_INET, "\xc0\0\2\xf4"))
    assert.equal("2001:db8::d", net.inet_ntop(net.AF_INET6, "\x20\1\x0d\xb8" .. ("\0"):rep(11) .. "\x0d"))
    assert.equal("1.2.3.4", net.inet_ntoa "\1\2\3\4")
  end)

  it("raise for a wrong number of bytes", function()
    for _, bytes in ipairs { "", "abc", "abcde", ("x"):rep(16) } do
      assert.error_matches(function() net.inet_ntop("inet", bytes) end,
        "#2.*4 bytes expected, got " .. #bytes)
      assert.error_matches(function() net.inet_ntoa(bytes) end, "#1.*4 bytes expected, got " .. #bytes)
    end
    assert.error_matches(function() net.inet_ntop("inet6", "abcd") end, "16 bytes expected, got 4")
    assert.error_matches(function() net.inet_ntoa(1234) end, "string expected")
  end)
end)

describe("inet_aton", function()
  local good = {
    ["192.0.2.244"] = "192.0.2.244", ["0xc000027b"] = "192.0.2.123", ["0XC000027B"] = "192.0.2.123",
    ["0177.0.0.1"] = "127.0.0.1", ["127.1"] = "127.0.0.1", ["0x7f.1"] = "127.0.0.1",
    ["2130706433"] = "127.0.0.1", ["127.0.0.01"] = "127.0.0.1", ["1.2.3"] = "1.2.0.3", ["0"] = "0.0.0.0",
  }
  for text, address in pairs(good) do
    it("takes " .. text .. " for " .. address, function()
      assert.equal(address, net.inet_ntoa(assert(net.inet_aton(text))))
    end)
  end

  for _, text in ipairs { "127.0.0.1 foo", "127.0.0.1\t", "127.0.0.1\n", " 127.0.0.1", "10.0.0.256",
    "127.0.0.08",
    "", "4294967296", "0x100000000", "127.0.0.1.", "::1", "localhost", "-1", ".", ".1", "1..2" } do
    it(("gives nil, err for %q"):format(text), function()
      local bytes, err = net.inet_aton(text)

      assert.is_nil(bytes)
      assert.equal("EINVAL", err.code)
    end)
  end
end)

describe("the address functions, beside Python's,", function()
  local ALPHABET = { "0", "1", "2", "255", "256", ".", ".", ".", "0x", "7f", "08", ":", "::", "ffff", "a",
    "%" }

  local function texts(n)
    local list = {}
    math.randomseed(20240101)
    for i = 1, n do
      local parts = {}
      for k = 1, math.random(1, 9) do parts[k] = ALPHABET[math.random(#ALPHABET)] end
      list[i] = table.concat(parts)
    end
    return list
  end

  it("read the same from random texts", function()
    local list = texts(4000)
    local answers = oracle.python([[
import socket
def one(f, *a):
  try: return f(*a).hex()
  except (OSError, ValueError): return "-"
def answer(s):
  return " ".join([one(socket.inet_pton, socket.AF_INET, s), one(socket.inet_pton, socket.AF_INET6, s),
    one(socket.inet_aton, s)])]], list)
    if not answers then pending "python3 is missing" end
    local function hex(bytes)
      return bytes and (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) or "-"
    end

    for i, text in ipairs(list) do
      local ours = hex(net.inet_pton("inet", text)) .. " " .. hex(net.inet_pton("inet6", text)) .. " "
        .. hex(net.inet_aton(text))

      assert.equal(text .. ": " .. answers[i], text .. ": " .. ours)
    end
  end)

  it("write the same for random bytes", function()
    local list = {}
    math.randomseed(7)
    for i = 1, 2000 do
      local words = {}
      for k = 1, 8 do words[k] = ("%04x"):format(math.random(3) == 1 and math.random(0, 65535) or 0) end
      list[i] = table.concat(words)
    end
    local answers = oracle.python([[
import socket
def answer(s): return socket.inet_ntop(socket.AF_INET6, bytes.fromhex(s))]], list)
    if not answers then pending "python3 is missing" end

    for i, hex in ipairs(list) do
      local bytes = hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end)

      assert.equal(answers[i], net.inet_ntop("inet6", bytes))
    end
  end)
end)

describe("the constants", function()
  it("have the numbers of the system's headers", function()
    local names, kinds = {}, { AF = true, SOCK = true, IPPROTO = true, AI = true, NI = true, SHUT = true }
    for name, value in pairs(net) do
      local kind = type(name) == "string" and name:match "^(%u+)_"
      if kind and kinds[kind] then
        names[#names + 1] = name .. " " .. value
      end
    end
    local answers = oracle.python([[
import socket
def answer(s):
  name, value = s.split()
  return "%s %d" % (name, getattr(socket, name, int(value)))]], names)
    if not answers then pending "python3 is missing" end

    assert.is_true(#names > 50)
    assert.same(answers, names)
  end)

  it("include those that programs use", function()
    for _, name in ipairs { "AF_INET", "AF_INET6", "AF_UNIX", "AF_UNSPEC", "SOCK_STREAM", "SOCK_DGRAM",
      "SOCK_RAW",
      "SOCK_SEQPACKET", "IPPROTO_TCP", "IPPROTO_UDP", "IPPROTO_ICMP", "IPPROTO_ICMPV6", "IPPROTO_IPV6",
      "IPPROTO_IP", "IPPROTO_SCTP", "SHUT_RD", "SHUT_WR", "SHUT_RDWR", "AI_PASSIVE", "AI_CANONNAME",
      "AI_NUMERICHOST", "AI_NUMERICSERV", "AI_V4MAPPED", "AI_ALL", "AI_ADDRCONFIG", "NI_NUMERICHOST",
      "NI_NUMERICSERV", "NI_NAMEREQD", "NI_DGRAM", "NI_NOFQDN" } do
      assert.equal("integer", math.type(net[name]), name)
    end
  end)
end)

describe("random bytes", function()
  local random = require "net.core.addr".random

  it("are as many as were asked for, and others each time", function()
    assert.equal(1, #random(1))
    assert.equal(256, #random(256))
    assert.not_equal(random(16), random(16))
  end)

  it("come in no other number", function()
    for _, wrong in ipairs { 0, -1, 257, 1 << 32, 1.5, "x" } do assert.is_false((pcall(random, wrong))) end
  end)
end)
