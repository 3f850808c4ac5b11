local chain = require "chain"
local netlua = require "netlua"

local function trace(words)
  return netlua.shell("%s trace " .. words)
end

-- The same over three hops; without figures.
local function overhops(words, setup)
  local out, err, status = chain.run(([[
    local _, _, code = os.execute(os.getenv "NETLUA_BIN" .. " trace %s")
    os.exit(code)]]):format(words), { setup = "export NETLUA_BIN\n" .. (setup or "") })
  return out:gsub("%d+%.%d%d%d", "N"), err, status
end

describe("netlua trace", function()
  it("shows a line for each hop", function()
    for _, words in ipairs { "127.0.0.1", "127.0.0.1 --udp -4", "127.0.0.1 --tcp 1 -m 3 -p 3 -t 2" } do
      local out, err, status = trace(words)

      assert.equal("", err)
      assert.equal(0, status)
      assert.matches("^trace to 127.0.0.1 %(127.0.0.1%) by %l+\n 1  127.0.0.1  N N N ms\n$",
        (out:gsub("%d+%.%d%d%d", "N")))
    end
  end)

  it("ends with 6 for a name that is none, and 2 for wrong usage", function()
    for words, want in pairs {
      ["name.invalid"] = { 6, "EAI_" }, [""] = { 2, "no host given" }, ["a b"] = { 2, "unknown argument b" },
      ["a -m"] = { 2, "-m needs a number" }, ["a -I"] = { 2, "-I needs a value" },
      ["127.0.0.1 -m 0"] = { 2, 'option "max_hops": integer from 1 to 255 expected, got 0' },
    } do
      local out, err, status = trace(words)

      assert.equal("", out)
      assert.equal(want[1], status)
      assert.matches(want[2], err, 1, true)
    end
  end)

  it("shows routers, silence and the MTU", function()
    if not chain.possible() then return pending "needs namespaces" end
    if not chain.firewall() then return pending "needs iptables in a namespace" end

    local out, err, status = overhops("10.9.0.9 --mtu -t 0.2", [[
      ip netns exec one iptables -A OUTPUT -p icmp --icmp-type 11 -j DROP
      ip -n two link set a3 mtu 1400; ip -n far link set b3 mtu 1400]])

    assert.equal("", err)
    assert.equal(0, status)
    assert.equal("trace to 10.9.0.9 (10.9.0.9) by udp\n 1  *  * * *\n 2  10.2.0.2  N N N ms\n"
      .. " 3  10.9.0.9  N N N ms\nmtu 1400; 10.2.0.2 says 1400\n", out)
  end)

  it("ends with 1 where the host is not reached, and says who said no", function()
    if not chain.possible() then return pending "needs namespaces" end

    local out, err, status = overhops("10.51.0.1 --icmp -p 1", "ip -n two route add prohibit 10.51.0.0/16")

    assert.equal("", err)
    assert.equal(1, status)
    assert.equal("trace to 10.51.0.1 (10.51.0.1) by icmp\n 1  10.1.0.2  N ms\n"
      .. " 2  10.2.0.2  N ms  a router or firewall prohibits it\n", out)
  end)
end)
