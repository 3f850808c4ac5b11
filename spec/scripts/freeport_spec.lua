local island = require "island"
local netlua = require "netlua"
local tools = require "tools"

local function listening(host)
  local server = assert(net.listen(host or "127.0.0.1", 0))
  local _, port = server:getsockname()
  return server, tostring(port)
end

describe("freeport", function()
  it("answers yes with 0, and a listener can have the port", function()
    local server, port = listening()
    server:close()

    local out, err, status = tools.run("freeport", port)
    local records = tools.records("freeport", port)

    assert.same({ port .. "  free\n", "", 0 }, { out, err, status })
    local rec = records[1]
    assert.same({ true, port, tonumber(port), "tcp", true },
      { rec.ok, rec.target, rec.port, rec.proto, rec.available })
    assert.is_nil(rec.reason)
    assert.is_nil(rec.address)
    assert(net.listen("127.0.0.1", port)):close()
  end)

  it("answers no with 1, and says where it is taken", function()
    local server <close>, port = listening()

    local out, _, status = tools.run("freeport", port)
    local records = tools.records("freeport", port)

    assert.equal(port .. "  in use  127.0.0.1:" .. port .. "\n", out)
    assert.equal(1, status)
    local rec = records[1]
    assert.same({ true, false, "EADDRINUSE", "127.0.0.1" },
      { rec.ok, rec.available, rec.reason, rec.address })
    assert.is_nil(rec.owner)
    assert.truthy(server)
  end)

  it("names the process on request", function()
    local server <close>, port = listening "::1" -- luacheck: ignore server

    local out, _, status = tools.run("freeport", port, "--who")
    local records = tools.records("freeport", port, "--who")

    assert.equal(1, status)
    local pid = records[1].owner.pid
    assert.equal(("%s  in use  [::1]:%s  %s (%d)\n"):format(port, port, records[1].owner.command, pid), out)
    local file <close> = assert(io.open(("/proc/%d/comm"):format(pid)))
    assert.equal(file:read "l", records[1].owner.command)
  end)

  it("escapes what a process calls itself", function()
    local out = netlua.run [[
      local server = assert(net.listen("127.0.0.1", 0))
      local file <close> = assert(io.open("/proc/self/comm", "w"))
      file:write "a\27[2Jb"
      file:close()
      local _, port = server:getsockname()
      print((select(2, net.tool.call("freeport", { tostring(port), "--who" }))))
    ]]

    assert.truthy(out:find("a\\x1b[2Jb (", 1, true))
    assert.is_nil(out:find "\27")
  end)

  it("answers for each of several, and with 1 where one is taken", function()
    local server <close>, taken = listening()
    local other, free = listening()
    other:close()

    local records, status = tools.records("freeport", taken, free)

    assert.equal(1, status)
    assert.equal(2, #records)
    for _, rec in ipairs(records) do assert.equal(rec.port == tonumber(free), rec.available) end
    assert.truthy(server)
  end)

  it("keeps UDP and TCP apart", function()
    local server <close>, port = listening()

    local records, status = tools.records("freeport", port, "-u")

    assert.equal(0, status)
    assert.same({ "udp", true }, { records[1].proto, records[1].available })
    assert.truthy(server)
  end)

  it("asks at the address that is given", function()
    local server <close>, port = listening "127.0.0.1"

    local _, _, there = tools.run("freeport", port, "--addr", "127.0.0.1")
    local _, _, elsewhere = tools.run("freeport", port, "--addr", "127.0.0.2")
    local records, none = tools.records("freeport", port, "--addr", "192.0.2.1")

    assert.same({ 1, 0, 1 }, { there, elsewhere, none })
    assert.same({ false, "EADDRNOTAVAIL", "192.0.2.1" },
      { records[1].available, records[1].reason, records[1].address })
    assert.truthy(server)
  end)

  it("says that the port needs a privilege", function()
    if not island.possible() then return pending "no network namespaces here" end

    local out, err, status = netlua.shell(
      "unshare -rn setpriv --bounding-set -net_bind_service %s freeport 80 --json --fields available,reason")

    assert.equal("", err)
    assert.equal(1, status)
    assert.truthy(out:find('"available":false,"reason":"EACCES"', 1, true), out)
  end)

  it("fails where it could not try", function()
    local out, err = netlua.shell [[ulimit -n 40; %s -e '
      net.sleep(0.001)
      local held = {}
      for s in net.udp, {} do held[#held + 1] = s end
      local status, results, hints = net.tool.call("freeport", { "8080" })
      for _, s in ipairs(held) do s:close() end
      print(status, results == "", hints)']]

    assert.equal("", err)
    assert.matches("^1\ttrue\tnetlua freeport: 8080: [^\n]*EMFILE", out)
  end)
end)

describe("freeport without a port", function()
  it("names a free one, and nothing else", function()
    local out, err, status = tools.run "freeport"

    local port = out:match "^(%d+)\n$"
    assert.same({ "", 0 }, { err, status })
    assert(net.listen(nil, port)):close()
  end)

  it("names several that differ", function()
    local records, status = tools.records("freeport", "--count", "50", "-u", "--addr", "127.0.0.1")

    local seen = {}
    assert.same({ 50, 0 }, { #records, status })
    for _, rec in ipairs(records) do
      assert.same({ "udp", "127.0.0.1", true }, { rec.proto, rec.address, rec.available })
      assert.is_nil(seen[rec.port])
      seen[rec.port] = true
    end
  end)

  it("fails at an address that is not this machine's", function()
    local out, err, status = tools.run("freeport", "--addr", "192.0.2.1")

    assert.equal("", out)
    assert.matches("192.0.2.1: .*EADDRNOTAVAIL", err)
    assert.equal(1, status)
  end)
end)

describe("freeport with a list and a number", function()
  it("names the first so many that are free", function()
    local server <close>, taken = listening()
    local other, free = listening()
    other:close()

    local out, err, status = tools.run("freeport", taken .. "," .. free, "--count", "1")

    assert.same({ free .. "\n", "", 0 }, { out, err, status })
    assert.truthy(server)
  end)

  it("ends with 1 where they are fewer", function()
    local server <close>, taken = listening()

    local out, err, status = tools.run("freeport", taken, "--count", "1")

    assert.same({ "", "0 of 1 are free\n", 1 }, { out, err, status })
    assert.truthy(server)
  end)
end)

describe("freeport refuses", function()
  for words, message in pairs {
    ["0"] = 'bad ports "0"', ["65536"] = 'bad ports "65536"', ["9-8"] = 'bad ports "9-8"',
    ["nosuch"] = 'bad ports "nosuch"',
    ["80 --addr localhost"] = 'bad address "localhost"', ["--count 0"] = 'bad number "0"',
    ["--count"] = "--count", ["80 --nosuch"] = "unknown option",
  } do
    it(words, function()
      local list = {}
      for word in words:gmatch "%S+" do list[#list + 1] = word end
      local out, err, status = tools.run("freeport", table.unpack(list))

      assert.same({ "", 2 }, { out, status })
      assert.truthy(err:find(message, 1, true), err)
    end)
  end
end)
