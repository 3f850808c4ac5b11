local island = require "island"
local probe = require "net.core.probe"

local function descriptors()
  local n = 0
  for _ in require("lfs").dir "/proc/self/fd" do n = n + 1 end
  return n
end

describe("a prober", function()
  it("gives a connected stream for an open port", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local prober <close> = probe.prober()
    local s, connected = prober:connect(server:getsockname())
    local stream <close> = s

    local client <close> = assert(server:accept(5))
    client:write "hello\n"

    assert.is_true(connected)
    assert.equal("hello", stream:read("l"))
  end)

  it("gives the code alone for a closed port, and leaves no descriptor", function()
    local server = assert(net.listen("127.0.0.1", 0))
    local host, port = server:getsockname()
    server:close()
    local prober <close> = probe.prober()
    local before = descriptors()

    local s, code = prober:connect(host, port)

    assert.is_nil(s)
    assert.equal("ECONNREFUSED", code)
    assert.equal(before, descriptors())
  end)

  it("connects to IPv6 addresses", function()
    local server <close> = net.listen("::1", 0)
    if not server then return pending "no IPv6 here" end
    local prober <close> = probe.prober()

    local s, connected = prober:connect(server:getsockname())

    assert.is_true(connected)
    s:close()
  end)

  it("does not take a name", function()
    local prober <close> = probe.prober()

    assert.same({ nil, "EINVAL" }, { prober:connect("localhost", 80) })
  end)

  it("says so when it is closed", function()
    local prober = probe.prober()
    prober:close()

    local s, code = prober:connect("127.0.0.1", 1)

    assert.is_nil(s)
    assert.equal("CLOSED", code)
  end)

  it("raises for a port out of range", function()
    local prober <close> = probe.prober()

    assert.error_matches(function() prober:connect("127.0.0.1", 65536) end, "65536")
  end)

  it("is not fooled by a socket that connects to itself", function()
    if not island.possible() then return pending "no network namespaces here" end

    local out, err = island.run [[
      local range <close> = io.open("/proc/sys/net/ipv4/ip_local_port_range", "w")
      range:write "40000 40003"
      range:close()
      local prober = require "net.core.probe".prober()
      local codes = {}
      for try = 1, 400 do
        for _, address in ipairs { "127.0.0.1", "::1" } do
          local s, code = prober:connect(address, 40000 + try % 4)
          codes[s and "connected" or code] = true
          if s then s:close() end
        end
      end
      for code in pairs(codes) do print(code) end
    ]]

    assert.equal("", err)
    assert.equal("ECONNREFUSED\n", out)
  end)
end)

describe("waiting for a stream of a prober", function()
  -- The script has `silent`, an address that nobody answers for.
  local function insilence(script)
    if not island.possible() then pending "no network namespaces here" end
    return island.run([[
      assert(os.execute("ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up "
        .. "&& ip addr add 10.9.0.1/24 dev v0 "
        .. "&& ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev v0 nud permanent"))
      local silent, probe = "10.9.0.2", require "net.core.probe"
    ]] .. script)
  end

  it("ends with its timeout", function()
    local out, err = insilence [[
      local s, connected = probe.prober():connect(silent, 80)
      local ok, err = probe.wait(s, 0.05)
      print(connected, ok, err.code)
    ]]

    assert.equal("", err)
    assert.equal("false\tnil\tTIMEOUT\n", out)
  end)

  it("ends when the stream is closed", function()
    local out, err = insilence [[
      local s = probe.prober():connect(silent, 80)
      local task = net.spawn(probe.wait, s, 5)
      net.sleep(0)
      s:close()
      local ok, err = task:join(30)
      print(ok, err.code)
    ]]

    assert.equal("", err)
    assert.equal("nil\tCLOSED\n", out)
  end)

  it("hears of the answer that comes later", function()
    local out, err = insilence [[
      local s = probe.prober():connect("10.9.0.77", 80) -- no hardware address
      local ok, err = probe.wait(s, 8)
      print(ok, err.code)
    ]]

    assert.equal("", err)
    assert.equal("nil\tEHOSTUNREACH\n", out)
  end)
end)
