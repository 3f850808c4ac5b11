local tool = require "net.tool"

describe("a converter", function()
  local cases = {
    { "duration", { ["5"] = 5, ["0.3"] = 0.3, ["300ms"] = 0.3, ["2m"] = 120, ["1h"] = 3600, ["0"] = 0 },
      { "", "5x", "-1", "=5", "1e3", "ms", ".", "1.2.3", "5 ", "9" .. ("9"):rep(400), "0x5", "nan", "inf" } },
    { "size", { ["0"] = 0, ["512"] = 512, ["64k"] = 65536, ["10M"] = 10485760, ["1G"] = 1073741824 },
      { "", "1.5k", "k", "-1", "64kb", "99999999999999999999", "9007199254740993", "10000000T" } },
    { "port", { ["1"] = 1, ["443"] = 443, ["65535"] = 65535, https = 443 },
      { "", "0", "65536", "-1", "1.0", "0x50", "80 ", "nosuchservice", "000080", "a b", "http\0" } },
    { "listenport", { ["0"] = 0, ["8080"] = 8080 }, { "65536", "" } },
    { "address", { ["192.0.2.1"] = "192.0.2.1", ["::1"] = "::1", ["fe80::1%lo"] = "fe80::1%lo" },
      { "", "10.0.0.256", "localhost", "10.0.0.0/8", "127.1" } },
    { "interface", { lo = "lo", ["1"] = 1, ["2147483647"] = 2147483647, ["2147483648"] = "2147483648",
      ["0"] = "0", ["99999999999999999999"] = "99999999999999999999" }, { "", "*", "a\0b" } },
  }

  for _, case in ipairs(cases) do
    local name, good, bad = table.unpack(case)

    it("reads every form of a " .. name, function()
      for word, value in pairs(good) do assert.equal(value, (tool[name](word)), word) end
    end)

    it("refuses what is no " .. name .. ", and says the word and the form", function()
      for _, word in ipairs(bad) do
        local value, message = tool[name](word)

        assert.is_nil(value, word)
        assert.truthy(message:find("^bad %l+ \".*\": use "), message)
        assert.is_nil(message:find "%z")
      end
    end)
  end

  it("says of a value that begins with = that it needs a blank", function()
    local _, message = tool.duration "=5"

    assert.equal('bad duration "=5": use 5, 300ms, 2m, with a blank instead of "="', message)
  end)

  it("reads lists and ranges of ports, each port once", function()
    assert.same({ 80, 22, 8000, 8001, 443 }, (tool.ports "80,22,8000-8001,https,80"))
    assert.equal(65535, #tool.ports "1-65535")
    for _, word in ipairs { "", ",", "80,", "10-5", "0-5", "80-", "a-b", "1-65536" } do
      assert.is_nil((tool.ports(word)), word)
    end
  end)

  it("reads numbers within bounds only", function()
    local number = tool.integer(-1, 255)
    assert.equal(-1, number "-1")
    assert.equal(255, number "255")
    for _, word in ipairs { "256", "-2", "1.0", "", "0x1", "99999999999999999999" } do
      assert.is_nil((number(word)), word)
    end
  end)

  it("tells hosts, ports, URLs and unix paths apart", function()
    local targets = {
      localhost = { kind = "host", host = "localhost" },
      ["localhost:https"] = { kind = "host", host = "localhost", port = 443 },
      ["10.0.0.1:80"] = { kind = "host", host = "10.0.0.1", port = 80 },
      ["::1"] = { kind = "host", host = "::1" },
      ["fe80::1%lo"] = { kind = "host", host = "fe80::1%lo" },
      ["[::1]"] = { kind = "host", host = "::1" },
      ["[fe80::1%lo]:80"] = { kind = "host", host = "fe80::1%lo", port = 80 },
      ["http://example.com/"] = { kind = "url", scheme = "http", host = "example.com", port = 80 },
      ["HTTPS://[::1]:8443/a?b"] = { kind = "url", scheme = "https", host = "::1", port = 8443 },
      ["nosuch://a"] = { kind = "url", scheme = "nosuch", host = "a" },
      ["unix:/tmp/s"] = { kind = "unix", path = "/tmp/s" },
      ["unix:" .. ("p"):rep(107)] = { kind = "unix", path = ("p"):rep(107) },
    }
    for word, expected in pairs(targets) do
      expected.text = word
      assert.same(expected, (tool.target(word)))
    end
  end)

  it("does not repeat the secret in a URL", function()
    local target = tool.target "http://user:secret@example.com:81/x"

    assert.same({ "http://example.com:81/x", "example.com", 81 }, { target.text, target.host, target.port })
  end)

  it("refuses targets that are none", function()
    local words = { "", "a b", "a:0", "a:65536", "[::1", "[::1]80", "[::1]:", ":80", "a/b", "1:2:3", "[]:80",
      "a\n", "unix:", "[localhost]:80", "http://", "http:///x", "http://a:x/", "http://[::1",
      "http://@:1", "a@b", "unix:" .. ("p"):rep(108) }
    for _, word in ipairs(words) do
      local target, message = tool.target(word)
      assert.is_nil(target, word)
      assert.truthy(message:find "^bad target ")
    end
  end)

  -- A line of a list of targets: each colon was tried with all those behind it.
  it("takes no longer for a word of many colons", function()
    local began = os.clock()

    local target = tool.target("[" .. (":"):rep(1 << 18))

    assert.is_nil(target)
    assert.is_true(os.clock() - began < 5)
  end)
end)
