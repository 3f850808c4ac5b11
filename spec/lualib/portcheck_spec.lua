local island = require "island"
local netlua = require "netlua"
local silence = require "silence"

local function closedport()
  local server <close> = assert(net.listen("127.0.0.1", 0))
  return (select(2, server:getsockname()))
end

local function mypid()
  local file <close> = assert(io.open "/proc/self/stat")
  return file:read "n"
end

-- What is_port_available says, once it is sure that net.listen, asked next, says the same.
local function available(port, options)
  local yes, reason = net.is_port_available(port, options)
  local server <close>, err = net.listen(options and options.address, port)
  assert.equal(server ~= nil, yes)
  if err then assert.equal(err.code, reason.code) end
  return yes, reason
end

describe("net.is_port_open", function()
  local quietly = silence.needing(it, pending)

  it("is true where somebody listens", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local host, port = server:getsockname()

    assert.is_true(net.is_port_open(host, port))
    assert.is_true(net.is_port_open("localhost", port, 5))
    assert.is_true(net.is_port_open(host, tostring(port)))
  end)

  it("says that the connection was refused", function()
    local port = closedport()

    local open, reason = net.is_port_open("127.0.0.1", port)

    assert.is_false(open)
    assert.equal("refused", reason.kind)
    assert.equal(port, reason.port)
  end)

  it("says that there is no such name", function()
    local open, reason = net.is_port_open("256.256.256.256", 80)

    assert.is_false(open)
    assert.equal("dns", reason.kind)
  end)

  it("raises for what is no port or timeout", function()
    assert.error_matches(function() net.is_port_open("127.0.0.1", 70000) end, "#2 to 'is_port_open'.*70000")
    assert.error_matches(function() net.is_port_open("127.0.0.1", 80, -1) end, "#3 to 'is_port_open'")
    assert.error_matches(function() net.is_port_open(nil, 80) end, "#1 to 'is_port_open'")
  end)

  quietly("tells silence, missing routes and prohibitions apart, in the time allowed", function()
    local out, err = silence.run [[
      run "ip route add unreachable 10.1.0.0/24"
      run "ip route add prohibit 10.2.0.0/24"
      local addresses = { "10.9.0.2", "fd09::2", "10.1.0.1", "10.2.0.1", "192.0.2.1", "2001:db8::1" }
      for _, address in ipairs(addresses) do
        local began = net.now()
        local open, reason = net.is_port_open(address, 80, 0.2)
        print(address, open, reason.code, reason.kind, net.now() - began < 20)
      end
    ]]

    assert.equal("", err)
    assert.equal("10.9.0.2\tfalse\tTIMEOUT\ttimeout\ttrue\n" .. "fd09::2\tfalse\tTIMEOUT\ttimeout\ttrue\n"
      .. "10.1.0.1\tfalse\tEHOSTUNREACH\tunreachable\ttrue\n" .. "10.2.0.1\tfalse\tEACCES\tpermission\ttrue\n"
      .. "192.0.2.1\tfalse\tENETUNREACH\tunreachable\ttrue\n"
      .. "2001:db8::1\tfalse\tENETUNREACH\tunreachable\ttrue\n", out)
  end)

  quietly("tries every address of a name", function()
    local out, err = silence.run([[
      local server <close> = assert(net.listen("::1", 0))
      local _, port = server:getsockname()
      print(net.is_port_open("both", port, 5), net.is_port_open("slow", port, 5))
      local open, reason = net.is_port_open("both", 1, 5)
      print(open, #reason.attempts)
    ]], { ["/etc/hosts"] = "127.0.0.1 both\n::1 both\n10.9.0.2 slow\n::1 slow\n" })

    assert.equal("", err)
    assert.equal("true\ttrue\nfalse\t2\n", out)
  end)

  quietly("has one deadline for the lookup and all attempts", function()
    local out, err = silence.run([[
      local began = net.now()
      local open, reason = net.is_port_open("slow", 80, 2)
      print(open, reason.code, net.now() - began < 5)
    ]], { ["/etc/hosts"] = "10.9.0.2 slow\n10.9.0.3 slow\n10.9.0.4 slow\n" })

    assert.equal("", err)
    assert.equal("false\tTIMEOUT\ttrue\n", out)
  end)

  it("is not fooled by a connection to itself", function()
    if not island.possible() then return pending "no network namespaces here" end

    local out, err = island.run [[
      local range <close> = io.open("/proc/sys/net/ipv4/ip_local_port_range", "w")
      range:write "40000 40001"
      range:close()
      local answers = {}
      for try = 1, 50 do
        for _, address in ipairs { "127.0.0.1", "::1" } do
          local open, reason = net.is_port_open(address, 40000 + try % 2, 5)
          answers[tostring(open) .. " " .. reason.code] = true
        end
      end
      for answer in pairs(answers) do print(answer) end
    ]]

    assert.equal("", err)
    assert.equal("false ECONNREFUSED\n", out)
  end)
end)

describe("net.is_port_available", function()
  it("is true for a port that nobody uses", function()
    assert.is_true(available(assert(net.free_port())))
    assert.is_true((net.is_port_available(tostring(net.free_port()))))
  end)

  for _, host in ipairs { "127.0.0.1", "0.0.0.0", "::" } do
    it("sees a listener on " .. host, function()
      local server <close> = net.listen(host, 0)
      if not server then return pending "no IPv6 here" end
      local _, port = server:getsockname()

      local yes, reason = available(port)

      assert.is_false(yes)
      assert.equal("EADDRINUSE", reason.code)
      assert.equal("inuse", reason.kind)
    end)
  end

  it("sees a listener that takes IPv6 alone", function()
    local server <close> = net.listen("::", 0, { v6only = true })
    if not server then return pending "no IPv6 here" end
    local _, port = server:getsockname()

    assert.is_false((available(port)))
    assert.is_true((available(port, { address = "127.0.0.1" })))
  end)

  it("looks at the address that is asked for", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = server:getsockname()

    assert.is_true((available(port, { address = "127.0.0.2" })))
    assert.is_false((available(port, { address = "127.0.0.1" })))
  end)

  it("names the process that holds the port", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = server:getsockname()

    local _, reason = net.is_port_available(port)

    assert.equal(mypid(), reason.owner.pid)
    assert.equal("127.0.0.1", reason.owner.address)
    assert.is_string(reason.owner.command)
  end)

  it("is true again at once after a server that had clients, unlike with plain bind", function()
    local function used(options)
      local server <close> = assert(net.listen("127.0.0.1", 0, options))
      local host, port = server:getsockname()
      local client <close> = assert(net.connect(host, port))
      assert(server:accept(5)):close() -- this side closes first: TIME_WAIT is here
      assert.equal("", client:read "a")
      return port
    end

    assert.is_true((available(used())))
    local yes, reason = available(used { reuseaddr = false })
    assert.is_false(yes)
    assert.equal("EADDRINUSE", reason.code)
  end)

  it("says that the address is not this machine's", function()
    local yes, reason = available(net.free_port(), { address = "192.0.2.1" })

    assert.is_false(yes)
    assert.equal("EADDRNOTAVAIL", reason.code)
    assert.is_nil(reason.owner)
  end)

  it("says that the port needs a privilege", function()
    if not island.possible() then return pending "no network namespaces here" end
    local name = os.tmpname()
    local file <close> = assert(io.open(name, "w"))
    file:write [[
      local yes, reason = net.is_port_available(80)
      print(yes, reason.code, reason.kind, reason.op)
    ]]
    file:close()

    local out, err = netlua.shell("exec unshare -rn setpriv --bounding-set -net_bind_service %s " .. name)
    os.remove(name)

    assert.equal("", err)
    assert.equal("false\tEACCES\tpermission\tlisten\n", out)
  end)

  it("keeps UDP and TCP apart", function()
    local s <close> = assert(net.udp())
    assert(s:bind("127.0.0.1", 0))
    local _, port = s:getsockname()

    local yes, reason = net.is_port_available(port, { type = "udp" })

    assert.is_false(yes)
    assert.equal("EADDRINUSE", reason.code)
    assert.equal(mypid(), reason.owner.pid)
    assert.is_true((net.is_port_available(port, { type = "udp", address = "127.0.0.2" })))
  end)

  it("raises for what is no port or option", function()
    for _, port in ipairs { 0, 65536, -1, 1.5, "x", "" } do
      assert.error_matches(function() net.is_port_available(port) end, "#1 to 'is_port_available'")
    end
    for _, options in ipairs { 5, { kind = "tcp" }, { type = "sctp" }, { address = "localhost" },
      { address = 1 } } do
      assert.error_matches(function() net.is_port_available(80, options) end, "#2 to 'is_port_available'")
    end
  end)

  it("works without IPv6", function()
    if not island.possible() then return pending "no network namespaces here" end

    local out, err = island.run [[
      assert(os.execute "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")
      local server <close> = assert(net.listen("127.0.0.1", 0))
      print(net.is_port_available(net.free_port()), (net.is_port_available(select(2, server:getsockname()))))
    ]]

    assert.equal("", err)
    assert.equal("true\tfalse\n", out)
  end)
end)

describe("net.free_port", function()
  it("gives a port that can be listened on", function()
    local port = assert(net.free_port())

    local server <close> = assert(net.listen(nil, port))

    assert.equal(port, select(2, server:getsockname()))
  end)

  it("gives one for UDP, and for an address", function()
    assert.is_true(net.free_port { type = "udp" } > 0)
    assert.is_true(net.free_port { address = "127.0.0.1" } > 0)
  end)

  it("fails for an address that is not this machine's", function()
    local port, err = net.free_port { address = "192.0.2.1" }

    assert.is_nil(port)
    assert.equal("EADDRNOTAVAIL", err.code)
  end)

  it("raises for what is no option", function()
    assert.error_matches(function() net.free_port(80) end, "#1 to 'free_port'")
    assert.error_matches(function() net.free_port { type = "x" } end, "to 'free_port'")
  end)
end)
