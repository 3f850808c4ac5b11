local chain = require "chain"
local netlua = require "netlua"

local function ping(words)
  return netlua.shell("%s ping " .. words)
end

describe("netlua ping", function()
  it("shows a line for each reply, and a summary", function()
    local out, err, status = ping "127.0.0.1 --tcp 1 -c 2 -i 0 -t 2 -4"

    assert.equal("", err)
    assert.equal(0, status)
    assert.equal("ping 127.0.0.1 (127.0.0.1) port 1\n"
      .. "   1  127.0.0.1  N ms  refused\n   2  127.0.0.1  N ms  refused\n"
      .. "2 sent, 2 received, 0 % lost\nmin N  avg N  p95 N  max N  mdev N ms\n",
      (out:gsub("%d+%.%d%d%d", "N")))
  end)

  it("ends with 6 for a name that is none", function()
    local out, err, status = ping "name.invalid"

    assert.equal("", out)
    assert.matches("^netlua ping: ping name.invalid: .+ %(EAI_%u+%)\n%u", err)
    assert.equal(6, status)
  end)

  it("ends with 2 for wrong usage, and says what is wrong", function()
    for words, problem in pairs {
      [""] = "no host given", ["a b"] = "unknown argument b", ["-x a"] = "unknown argument -x",
      ["a -c"] = "-c needs a number", ["a -c x"] = "-c needs a number", ["a -s"] = "-s needs a value",
      ["127.0.0.1 --ttl 300"] = 'option "ttl": integer from 1 to 255 expected, got 300',
      ["127.0.0.1 -c 0"] = 'option "count": positive integer',
    } do
      local out, err, status = ping(words)

      assert.equal("", out)
      assert.matches("netlua ping: " .. problem, err, 1, true)
      assert.equal(2, status)
    end
  end)

  it("ends with 1 where nothing comes back, and names who says why", function()
    if not chain.possible() then return pending "needs namespaces" end

    local out, err, status = chain.run([[
      local _, _, code = os.execute(os.getenv "NETLUA_BIN" .. " ping 10.9.0.9 --ttl 2 -c 1")
      os.exit(code)]], { setup = "export NETLUA_BIN" })

    assert.equal("", err)
    assert.equal(1, status)
    assert.equal("ping 10.9.0.9 (10.9.0.9)\n   1  10.2.0.2  the packet's hops ran out on the way\n"
      .. "1 sent, 0 received, 100 % lost\n", out)
  end)

  it("explains what privilege is missing", function()
    if not chain.possible() then return pending "needs namespaces" end

    local _, err, status = chain.run([[
      local _, _, code = os.execute(os.getenv "NETLUA_BIN" .. " ping 10.9.0.9")
      os.exit(code)]], { setup = "export NETLUA_BIN", raw = true,
      with = "setpriv --inh-caps=-net_raw --bounding-set=-net_raw" })

    assert.equal(1, status)
    assert.matches("ICMP_DENIED.*sysctl.*setcap.*tcp", err)
  end)
end)
