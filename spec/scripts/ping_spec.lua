local chain = require "chain"
local netlua = require "netlua"
local tools = require "tools"

-- Figures taken out.
local function plain(text)
  return (text:gsub("%d+%.%d%d%d", "N"))
end

-- The tool at the near end of three hops. Returns standard output, standard error, exit status.
local function overhops(words, options)
  options = options or {}
  options.setup = "export NETLUA_BIN\n" .. (options.setup or "")
  return chain.run(([[
    local _, _, code = os.execute(os.getenv "NETLUA_BIN" .. " ping %s")
    os.exit(code)]]):format(words), options)
end

describe("netlua ping", function()
  it("shows a row for each reply, and a summary beside the results", function()
    local out, err, status = tools.run("ping", "127.0.0.1", "--tcp", "1", "-c", "2", "-i", "0", "-w", "2",
      "-4")

    assert.equal("1  127.0.0.1  N ms  refused\n2  127.0.0.1  N ms  refused\n", plain(out))
    assert.equal("127.0.0.1 port 1: 2 sent, 2 received, 0 % lost, min N avg N max N p95 N mdev N ms\n",
      plain(err))
    assert.equal(0, status)
  end)

  it("asks four times, once a second, and as often as --deadline and -i allow", function()
    local began = net.now()
    local records, status = tools.records("ping", "127.0.0.1", "--tcp", "1", "--deadline", "300ms", "-i",
      "0.02")

    assert.equal(0, status)
    assert.is_true(#records > 4, #records .. " replies")
    assert.is_true(net.now() - began < 5)
  end)

  it("gives a record for each reply, and one that sums up", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = server:getsockname()
    local out, err, status = tools.run("ping", "localhost", "-4", "--tcp", tostring(port), "-c", "2", "-i",
      "0", "--json", "--summary")
    local records = {}
    for line in out:gmatch "[^\n]+" do records[#records + 1] = require "cjson".decode(line) end

    assert.equal("", err)
    assert.equal(0, status)
    assert.equal(3, #records)
    for seq = 1, 2 do
      local rec = records[seq]
      assert.same({ "localhost", true, "127.0.0.1", seq, "reply", "open" },
        { rec.target, rec.ok, rec.address, rec.seq, rec.state, rec.reply })
      assert.is_true(rec.ms > 0 and rec.ms < 5000)
    end
    local sums = records[3].summary
    assert.same({ 1, 2, 2, 0 }, { sums.alive, sums.sent, sums.received, sums.lost })
    assert.same({ "localhost", "127.0.0.1", port, true },
      { sums.hosts[1].host, sums.hosts[1].address, sums.hosts[1].port, sums.hosts[1].alive })
    assert.is_true(sums.hosts[1].min_ms <= sums.hosts[1].max_ms)
  end)

  it("asks several hosts at once, and says which is which", function()
    local out, err, status = tools.run("ping", "127.0.0.1", "127.0.0.2", "127.0.0.1", "--tcp", "1", "-c", "1")

    assert.equal(0, status)
    local rows = {}
    for row in plain(out):gmatch "[^\n]+" do rows[#rows + 1] = row end
    table.sort(rows)
    assert.same({ "127.0.0.1  1  127.0.0.1  N ms  refused", "127.0.0.2  1  127.0.0.2  N ms  refused" }, rows)
    assert.matches("^127.0.0.1 port 1: 1 sent.*\n127.0.0.2 port 1: 1 sent.*\n$", err)
  end)

  it("reads hosts from a file, and ends with 1 if one of several is not there", function()
    local name = os.tmpname()
    local file <close> = assert(io.open(name, "wb"))
    file:write "127.0.0.1 # this host\nname.invalid\n"
    file:flush()

    local records, status = tools.records("ping", "-f", name, "--tcp", "1", "-c", "1")
    os.remove(name)

    assert.equal(1, status)
    table.sort(records, function(a, b) return a.target < b.target end)
    assert.same({ "127.0.0.1", true }, { records[1].target, records[1].ok })
    assert.same({ "name.invalid", false, "dns" },
      { records[2].target, records[2].ok, records[2].error.kind })
  end)

  it("ends with 6 for a name that is none", function()
    local out, err, status = tools.run("ping", "name.invalid")

    assert.equal("", out)
    assert.matches("^netlua ping: name.invalid: .+ %(EAI_%u+%)\n", err)
    assert.equal(6, status)
  end)

  it("ends with 1 for an address or interface that this machine has not", function()
    for words, code in pairs { ["-s 192.0.2.1"] = "EADDRNOTAVAIL", ["-I nosuch0"] = "ENODEV",
      ["-I 2147483647"] = "ENODEV" } do
      local option, value = words:match "(%S+) (%S+)"
      local records, status = tools.records("ping", "127.0.0.1", "--tcp", "1", option, value)

      assert.equal(1, status)
      assert.equal(code, records[1].error.code)
    end
  end)

  it("ends with 2 for a wrong command line", function()
    for _, words in ipairs { {}, { "" }, { "a", "--nosuch" }, { "a", "-c" }, { "a", "-c", "0" },
      { "a", "-c", "x" }, { "a", "--ttl", "256" }, { "a", "--ttl", "0" }, { "a", "--size", "65508" },
      { "a", "--tcp", "0" }, { "a", "-i", "x" }, { "a", "-4", "-6" }, { "a", "-s", "localhost" } } do
      local out, err, status = tools.run("ping", table.unpack(words))

      assert.equal("", out)
      assert.equal(2, status, table.concat(words, " "))
      assert.matches("^netlua ping: .*\ntry: netlua ping %-%-help\n$", err)
    end
  end)

  it("sums up after ^C too, and ends with 130", function()
    local command = "timeout --preserve-status -s INT 0.5 %s ping 127.0.0.1 --tcp 1 -i 0.1 -c 1000"
    local out, err, status = netlua.shell(command, 10)

    assert.equal(130, status)
    assert.matches("^1  127.0.0.1  [%d.]+ ms  refused\n2  127.0.0.1  ", out)
    assert.matches("^127.0.0.1 port 1: %d+ sent, %d+ received, 0 %% lost, min .* ms\n$", err)
  end)

  it("asks by ICMP, with size and hops", function()
    if not chain.possible() then return pending "needs namespaces" end

    local out, err, status = overhops "10.9.0.9 fd00:9::9 -c 1 --size 100 -I a1 --json"
    local records = {}
    for line in out:gmatch "[^\n]+" do records[#records + 1] = require "cjson".decode(line) end
    table.sort(records, function(a, b) return a.target < b.target end)

    assert.equal("", err)
    assert.equal(0, status)
    for index, target in ipairs { "10.9.0.9", "fd00:9::9" } do
      local rec = records[index]
      assert.same({ target, "reply", "echo", 100, 62 },
        { rec.target, rec.state, rec.reply, rec.bytes, rec.ttl })
    end
  end)

  it("ends with 1 where nothing comes back, and names who says why", function()
    if not chain.possible() then return pending "needs namespaces" end

    local out, err, status = overhops "10.9.0.9 --ttl 2 -c 1"
    local json = overhops "10.9.0.9 --ttl 2 -c 1 --json"

    assert.equal("1  10.2.0.2  the packet's hops ran out on the way\n", out)
    assert.equal("10.9.0.9: 1 sent, 0 received, 100 % lost\n", err)
    assert.equal(1, status)
    local rec = require "cjson".decode(json)
    assert.same({ true, "lost", "TTL_EXCEEDED", "10.2.0.2", require "cjson".null },
      { rec.ok, rec.state, rec.code, rec.address, rec.ms })
  end)

  it("ends with 28 where the deadline passed without a reply", function()
    if not chain.possible() then return pending "needs namespaces" end

    local out, err, status = overhops("10.9.0.9 --deadline 0.3 -w 5",
      { setup = "ip -n two route add blackhole 10.9.0.0/24; ip -n two route del 10.9.0.9" })

    assert.equal("", out)
    assert.matches("10.9.0.9: 1 sent, 0 received", err)
    assert.equal(28, status)
  end)

  it("names three remedies where a privilege is missing", function()
    if not chain.possible() then return pending "needs namespaces" end

    local out, err, status = overhops("10.9.0.9",
      { raw = true, with = "setpriv --inh-caps=-net_raw --bounding-set=-net_raw" })

    assert.equal("", out)
    assert.matches("ICMP_DENIED.*sysctl.*setcap.*%-%-tcp", err)
    assert.equal(1, status)
  end)
end)
