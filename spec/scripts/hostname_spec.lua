local island = require "island"
local netlua = require "netlua"
local tools = require "tools"

describe("hostname", function()
  it("shows the name of this host and its address", function()
    if not island.possible() then return pending "no namespaces here" end
    local script = [[
      net.tool.call("hostname", { "--fqdn" }, io.write, io.write)
    ]]

    local out = island.run(script, { ["/etc/hosts"] = ("172.20.10.4 %s.local %s\n"):format(
      net.gethostname(), net.gethostname()) })

    assert.equal(("%s.local  172.20.10.4\n"):format(net.gethostname()), out)
  end)

  it("notes that the own name leads nowhere, and ends with 0", function()
    if not island.possible() then return pending "no namespaces here" end
    local script = [[
      print((net.tool.call("hostname", {}, io.write, io.write)))
    ]]

    local out = island.run(script, { ["/etc/hosts"] = "127.0.0.1 other\n", ["/etc/resolv.conf"] = "",
      ["/etc/nsswitch.conf"] = "hosts: files\n" })

    assert.truthy(out:find("the name of this host does not resolve: name does not exist\n", 1, true))
    assert.truthy(out:find("\n" .. net.gethostname():gsub("%p", "%%%0") .. "\n0\n"))
  end)

  it("gives records with host, fqdn and addresses", function()
    local records, status = tools.records("hostname", "localhost", "127.0.0.1")

    assert.equal(0, status)
    assert.equal(2, #records)
    for _, rec in ipairs(records) do
      assert.equal(rec.target, rec.host)
      assert.equal("string", type(rec.fqdn))
      assert.same({ "127.0.0.1" }, rec.addresses)
    end
  end)

  it("gives the addresses of every family with --all", function()
    local records = tools.records("hostname", "::1", "--all")

    assert.same({ "::1" }, records[1].addresses)
  end)

  it("gives the name of an IPv6 address, or the address where it has none", function()
    if not island.possible() then return pending "no namespaces here" end
    local script = [[
      local form = { "--format", "plain", "--fields", "fqdn,addresses" }
      local words = { "--fqdn", "2001:db8::1", "2001:db8::2", table.unpack(form) }
      print((net.tool.call("hostname", words, io.write, io.write)))
    ]]

    local out = island.run(script, { ["/etc/hosts"] = "2001:db8::1 six.example.test six\n",
      ["/etc/resolv.conf"] = "", ["/etc/nsswitch.conf"] = "hosts: files\n" })

    assert.truthy(out:find("six.example.test\t2001:db8::1\n", 1, true))
    assert.truthy(out:find("2001:db8::2\t2001:db8::2\n", 1, true))
    assert.matches("\n0\n$", out)
  end)

  it("ends with 6 for a name that is not there, with 1 where others are", function()
    assert.equal(6, (select(3, tools.run("hostname", "10.0.0.256"))))
    assert.equal(6, (select(3, tools.run("hostname", "::1"))))
    assert.equal(1, (select(3, tools.run("hostname", "10.0.0.256", "localhost"))))
  end)

  it("ends with 28 while the resolver is stuck", function()
    if not island.possible() then return pending "no namespaces here" end
    local script = [[
      local silent = assert(net.udp {})
      assert(silent:bind("127.0.0.1", 53))
      print((net.tool.call("hostname", { "example.com", "-w", "0.2" }, print, print)))
    ]]

    local out = island.run(script, { ["/etc/resolv.conf"] = "nameserver 127.0.0.1\n",
      ["/etc/nsswitch.conf"] = "hosts: dns\n" })

    assert.truthy(out:find "%(TIMEOUT%)")
    assert.truthy(out:find "\n28\n$")
  end)

  -- Told of this host instead.
  it("ends with 2 for a list of names that is empty", function()
    local out, err, status = tools.run("hostname", "-f", "/dev/null")

    assert.equal("", out)
    assert.matches("missing NAME", err)
    assert.equal(2, status)
  end)

  it("ends with 2 for a wrong option", function()
    local _, _, status = netlua.shell "%s hostname --nosuch"

    assert.equal(2, status)
  end)
end)
