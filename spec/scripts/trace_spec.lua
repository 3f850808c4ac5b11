local chain = require "chain"
local cjson = require "cjson"
local tools = require "tools"

local function plain(text)
  return (text:gsub("%d+%.%d%d%d", "N"))
end

local FIGURES = "loss 0 %  last N  avg N  best N  worst N ms"

-- The tool at the near end of three hops. Returns standard output, standard error, exit status.
local function overhops(words, setup)
  local out, err, status = chain.run(([[
    local _, _, code = os.execute(os.getenv "NETLUA_BIN" .. " trace -n %s")
    os.exit(code)]]):format(words), { setup = "export NETLUA_BIN\n" .. (setup or "") })
  return plain(out), err, status
end

local function records(out)
  local list = {}
  for line in out:gmatch "[^\n]+" do list[#list + 1] = cjson.decode(line) end
  return list
end

describe("netlua trace", function()
  it("shows a row for each hop, and a summary beside the results", function()
    for _, words in ipairs { {}, { "--udp", "-4" }, { "--tcp", "1", "-m", "3", "-w", "2" } } do
      local out, err, status = tools.run("trace", "127.0.0.1", "-n", table.unpack(words))

      assert.equal("1  127.0.0.1  " .. FIGURES .. "\n", plain(out))
      assert.matches("^127.0.0.1 %(127.0.0.1%) by %l+: reached at hop 1\n$", err)
      assert.equal(0, status)
    end
  end)

  it("names the routers, unless -n says not to", function()
    local named = tools.records("trace", "127.0.0.1")
    local numeric = tools.records("trace", "127.0.0.1", "-n")

    assert.equal(net.getnameinfo("127.0.0.1", nil, "namereqd"), named[1].name)
    assert.is_nil(numeric[1].name)
  end)

  it("gives a record for each hop, and one that sums up", function()
    local out, err, status = tools.run("trace", "127.0.0.1", "-p", "2", "--json", "--summary")
    local list = records(out)
    local hop = list[1]

    assert.equal("", err)
    assert.equal(0, status)
    assert.same({ "127.0.0.1", true, 1, "127.0.0.1", 2, 0, true, 2 },
      { hop.target, hop.ok, hop.ttl, hop.address, hop.sent, hop.lost, hop.reached, #hop.rtt_ms })
    assert.is_true(hop.best_ms <= hop.avg_ms and hop.avg_ms <= hop.worst_ms)
    assert.same({ address = "127.0.0.1", hops = 1, mode = "udp", reached = true }, list[2].summary)
  end)

  it("ends with 6 for a name that is none, and with 1 for an interface that is none", function()
    local list, status = tools.records("trace", "name.invalid")
    assert.equal(6, status)
    assert.equal("dns", list[1].error.kind)

    for _, interface in ipairs { "nosuch0", "2147483647" } do
      list, status = tools.records("trace", "127.0.0.1", "-I", interface)
      assert.equal(1, status)
      assert.equal("ENODEV", list[1].error.code)
    end
  end)

  it("ends with 2 for a wrong command line", function()
    for _, words in ipairs { {}, { "a", "b" }, { "a", "-m" }, { "a", "-m", "0" }, { "a", "-m", "256" },
      { "a", "-p", "11" }, { "a", "--udp", "--icmp" }, { "a", "--tcp", "1", "--icmp" }, { "a", "--tcp" },
      { "a", "-4", "-6" }, { "a", "-w", "x" } } do
      local out, err, status = tools.run("trace", table.unpack(words))

      assert.equal("", out)
      assert.equal(2, status, table.concat(words, " "))
      assert.matches("^netlua trace: .*\ntry: netlua trace %-%-help\n$", err)
    end
  end)

  -- The name was looked up once more, and its first address measured.
  it("measures the MTU of the address that was traced", function()
    local measured = net.path_mtu
    local spy <close> = setmetatable({}, { __close = function() net.path_mtu = measured end })
    net.path_mtu = function(host, ...)
      spy.host = host
      return measured(host, ...)
    end

    local _, _, status = tools.run("trace", "localhost", "-4", "--mtu", "-n")

    assert.equal(0, status)
    assert.equal("127.0.0.1", spy.host)
  end)

  it("shows routers, silence and the MTU", function()
    if not chain.possible() then return pending "needs namespaces" end
    if not chain.firewall() then return pending "needs iptables in a namespace" end
    local setup = [[
      ip netns exec one iptables -A OUTPUT -p icmp --icmp-type 11 -j DROP
      ip -n two link set a3 mtu 1400; ip -n far link set b3 mtu 1400]]

    local out, err, status = overhops("10.9.0.9 --mtu -w 0.2", setup)
    local list = records((overhops("10.9.0.9 --mtu -w 0.2 --json --summary", setup):gsub("N", "1.5")))

    assert.equal("1  *         loss 100 %\n2  10.2.0.2  loss 0 %    last N  avg N  best N  worst N ms\n"
      .. "3  10.9.0.9  loss 0 %    last N  avg N  best N  worst N ms\nmtu 1400; 10.2.0.2 says 1400\n", out)
    assert.equal("10.9.0.9 (10.9.0.9) by udp: reached at hop 3\n", err)
    assert.equal(0, status)
    assert.same({ cjson.null, cjson.null, cjson.null }, list[1].rtt_ms)
    assert.is_nil(list[1].address)
    assert.same({ 1400, true, { { address = "10.2.0.2", mtu = 1400 } } },
      { list[4].mtu, list[4].confirmed, list[4].routers })
    assert.equal(1400, list[5].summary.mtu)
  end)

  it("ends with 1 where the host is not reached, and says who said no", function()
    if not chain.possible() then return pending "needs namespaces" end

    local out, err, status = overhops("10.51.0.1 --icmp -p 1", "ip -n two route add prohibit 10.51.0.0/16")

    assert.equal("1  10.1.0.2  " .. FIGURES .. "\n2  10.2.0.2  " .. FIGURES
      .. "  a router or firewall prohibits it\n", out)
    assert.equal("10.51.0.1 (10.51.0.1) by icmp: not reached\n", err)
    assert.equal(1, status)
  end)

  it("ends with 7 where this machine has no way to the host", function()
    if not chain.possible() then return pending "needs namespaces" end

    for _, mode in ipairs { "--udp", "--tcp 80", "--icmp" } do
      local out, err, status = overhops("10.51.0.1 " .. mode, "ip route add unreachable 10.51.0.0/16")

      assert.equal("", out)
      assert.matches("^netlua trace: 10.51.0.1: .*EHOSTUNREACH", err)
      assert.equal(7, status)
    end
  end)

  it("ends with 28 at the deadline, and with 130 after ^C, and sums up", function()
    if not chain.possible() then return pending "needs namespaces" end
    local setup = "ip -n two route add blackhole 10.51.0.0/16"

    local out, err, status = overhops("10.51.0.1 -w 5 --deadline 0.3 -p 1", setup)
    assert.matches("^1  10.1.0.2  ", out)
    assert.matches("TIMEOUT.*\n10.51.0.1 %(10.51.0.1%) by udp: not reached\n$", err)
    assert.equal(28, status)

    out, err, status = chain.run([[
      local command = "timeout --preserve-status -s INT 0.3 " .. os.getenv "NETLUA_BIN"
      local _, _, code = os.execute(command .. " trace -n 10.51.0.1 -w 5 -p 1")
      os.exit(code)]], { setup = "export NETLUA_BIN\n" .. setup })
    assert.matches("^1  10.1.0.2  ", out)
    assert.matches("10.51.0.1 %(10.51.0.1%) by udp: not reached\n$", err)
    assert.equal(130, status)
  end)

  it("says how to get the privilege for ICMP", function()
    if not chain.possible() then return pending "needs namespaces" end

    local _, err, status = chain.run([[
      local _, _, code = os.execute(os.getenv "NETLUA_BIN" .. " trace --icmp 10.9.0.9")
      os.exit(code)]], { setup = "export NETLUA_BIN", raw = true,
      with = "setpriv --inh-caps=-net_raw --bounding-set=-net_raw" })

    assert.matches("ICMP_DENIED.*sysctl.*setcap", err)
    assert.equal(1, status)
  end)
end)
