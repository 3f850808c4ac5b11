local list = require "net.portlist"

local function ports(...)
  return assert(list.ports(..., "tcp"))
end

describe("a list of ports", function()
  for text, want in pairs {
    ["443"] = { 443 }, ["22,80,8000-8003"] = { 22, 80, 8000, 8001, 8002, 8003 }, ["https"] = { 443 },
    ["22, 80  443"] = { 22, 80, 443 }, ["80,80,79-81"] = { 80, 79, 81 }, ["1-1"] = { 1 },
    ["65535"] = { 65535 }, ["00080"] = { 80 },
  } do
    it("is read: " .. text, function()
      assert.same(want, ports(text))
    end)
  end

  it("is an integer, or a list of all that", function()
    assert.same({ 443 }, ports(443))
    assert.same({ 22, 80, 81, 443 }, ports { 22, "80-81", { "https" } })
    assert.same({}, ports {})
  end)

  it("knows the most common ports of both protocols", function()
    assert.same({ 80, 443, 22 }, ports "top3")
    assert.equal(20, #ports "top20")
    assert.equal(100, #ports "top100")
    assert.same({ 53, 123 }, list.ports("top2", "udp"))
    assert.is_true(#list.ports("top50", "udp") == 50)
  end)

  it("reads services of the protocol", function()
    assert.same({ 69 }, list.ports("tftp", "udp"))
  end)

  for _, text in ipairs { "", " , ", "0", "65536", "80-", "-80", "90-80", "0-10", "80-65536", "1-2-3",
    "nosuch", "top0", "top", "8o", "99999999999999999999", "80\0", "-1", "1e3", "0x50" } do
    it(("refuses %q"):format(text), function()
      local none, err = list.ports(text, "tcp")

      assert.is_nil(none)
      assert.equal("EINVAL", err.code)
      assert.is_string(err.host)
    end)
  end

  it("refuses what is no list", function()
    for _, value in ipairs { 1.5, true, -1, 65536 } do assert.is_nil((list.ports(value, "tcp"))) end
    assert.is_nil((list.ports(nil, "tcp")))
    assert.is_nil((list.ports({ 80, false }, "tcp")))
  end)
end)

-- All addresses of a target as texts.
local function expand(target, most)
  local entryat, count = list.entries(assert(list.targets(target, most or 4096)))
  local found = {}
  for index = 0, count - 1 do found[#found + 1] = entryat(index).address end
  return found
end

describe("a target", function()
  for text, want in pairs {
    ["127.0.0.1"] = { "127.0.0.1" }, ["::1"] = { "::1" }, ["192.0.2.0/30"] = { "192.0.2.1", "192.0.2.2" },
    ["192.0.2.5/31"] = { "192.0.2.4", "192.0.2.5" }, ["192.0.2.5/32"] = { "192.0.2.5" },
    ["10.0.0.254-10.0.1.1"] = { "10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1" },
    ["10.0.0.1-3"] = { "10.0.0.1", "10.0.0.2", "10.0.0.3" },
    ["2001:db8::/126"] = { "2001:db8::1", "2001:db8::2", "2001:db8::3" },
    ["2001:db8::1-2001:db8::2"] = { "2001:db8::1", "2001:db8::2" },
    ["fe80::1%lo"] = { "fe80::1%lo" }, ["10.0.0.1,10.0.0.9"] = { "10.0.0.1", "10.0.0.9" },
  } do
    it("is read: " .. text, function()
      assert.same(want, expand(text))
    end)
  end

  it("is a list of all that", function()
    assert.same({ "10.0.0.1", "10.0.0.2", "::1" }, expand { "10.0.0.1-2", { "::1" } })
  end)

  it("is a name where it is nothing else", function()
    assert.same({ { host = "my-host-1.example" } }, list.targets("my-host-1.example", 1))
  end)

  it("has as many addresses as a network may have, and not one more", function()
    assert.equal(4094, #expand("10.0.0.0/20"))
    assert.equal(4096, #expand "10.0.0.0-10.0.15.255")

    local none, err = list.targets("10.0.0.0-10.0.16.0", 4096)

    assert.is_nil(none)
    assert.matches("max_addresses", err.message, 1, true)
    assert.is_nil((list.targets("2001:db8::/64", 1 << 32)))
  end)

  it("may be large without taking room", function()
    local entryat, count = list.entries(list.targets({ "10.0.0.0/8", "::1", "11.0.0.0/8" }, 1 << 24))

    assert.equal(2 * ((1 << 24) - 2) + 1, count)
    assert.equal("10.0.0.1", entryat(0).address)
    assert.equal("10.255.255.254", entryat((1 << 24) - 3).address)
    assert.equal("::1", entryat((1 << 24) - 2).address)
    assert.equal("11.0.0.1", entryat((1 << 24) - 1).address)
    assert.equal("11.255.255.254", entryat(count - 1).address)
  end)

  for _, text in ipairs { "", "10.0.0.9-10.0.0.1", "10.0.0.9-1", "10.0.0.1-::1", "10.0.0.0/33", "::/129",
    "10.0.0.1-256", "10.0.0.1-10.0.0.0/8", "x/24" } do
    it(("is not %q"):format(text), function()
      local none, err = list.targets(text, 4096)

      assert.is_nil(none)
      assert.equal("EINVAL", err.code)
    end)
  end
end)

describe("a permutation", function()
  for _, n in ipairs { 1, 2, 3, 4, 5, 17, 1000, 4097 } do
    it(("of %d numbers has each of them once"):format(n), function()
      local at, seen, count = list.permutation(n), {}, 0

      for index = 0, n - 1 do
        local value = at(index)
        assert.is_true(value >= 0 and value < n)
        if not seen[value] then count = count + 1 end
        seen[value] = true
      end

      assert.equal(n, count)
    end)
  end

  it("is another each time, and not the order of counting", function()
    local first, second, same, fixed = list.permutation(1000), list.permutation(1000), 0, 0

    for index = 0, 999 do
      if first(index) == second(index) then same = same + 1 end
      if first(index) == index then fixed = fixed + 1 end
    end

    assert.is_true(same < 50 and fixed < 50)
  end)

  -- One in eighty began in the order of counting.
  it("of few numbers leaves their order, whatever its keys", function()
    for _ = 1, 2000 do
      local at, kept = list.permutation(300), 0
      for index = 0, 4 do kept = kept + (at(index) == index and 1 or 0) end
      assert.is_true(kept < 5)
    end
  end)
end)
