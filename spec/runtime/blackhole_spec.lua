local network = require "network"

local ROUTES = network.CABLE .. [[
ip addr add 192.0.2.1/24 dev v0; ip -6 addr add fd00::1/64 dev v0 nodad
ip route add default via 192.0.2.7; ip -6 route add default via fd00::7
ip route add blackhole 203.0.113.0/24; ip -6 route add blackhole 2001:db8::/32
]]

-- {code, kind, message, address} for each way of sending to each address.
local SCRIPT = [[
local function tell(ok, err)
  return { ok and true or err.code, err and err.kind, err and err.message, err and err.address }
end
local found = {}
for index, to in ipairs { "203.0.113.1", "2001:db8::1" } do
  local u <close> = assert(net.udp())
  local w <close> = assert(net.udp())
  found[index] = {
    tell(net.connect(to, 80, { timeout = 2 })),
    tell(u:sendto("x", to, 9)),
    tell(u:sendmsg("x", { address = to, port = 9 })),
    tell(w:connect(to, 9)),
  }
end
answer(found)]]

describe("EINVAL of connect and send", function()
  it("says that a blackhole route is there, if one is", function()
    if not network.possible() then return pending "no veth here" end

    local found = network.run(ROUTES, SCRIPT)

    for index, to in ipairs { "203.0.113.1", "2001:db8::1" } do
      for way = 1, 4 do
        assert.same({ "EINVAL", "unreachable", "a blackhole route of this machine drops it", to },
          found[index][way])
      end
    end
  end)

  -- Where the stack had to grow at the wrong moment, what followed was written where it had been.
  it("says so wherever the stack of the caller ends", function()
    if not network.possible() then return pending "no veth here" end

    local ended, how = table.unpack(network.run(ROUTES, [==[
      local code = [[
        local u <close> = assert(net.udp())
        for n = 1, 250 do
          local call = coroutine.wrap(function(...)
            local ok, err = u:sendto("x", "203.0.113.1", 9)
            return err, ...
          end)
          local err = call(table.unpack({}, 1, n))
          assert(err.code == "EINVAL" and err.kind == "unreachable")
        end]]
      local program = os.getenv "NETLUA" or "./netlua"
      local perturbed = "MALLOC_PERTURB_=165 " .. program .. " - >&2" -- what is freed is overwritten
      local child = assert(io.popen(perturbed, "w"))
      child:write(code)
      answer { child:close() }]==]))

    assert.is_true(ended, how)
  end)

  it("says so of IPv4 on a socket for IPv6, too", function()
    if not network.possible() then return pending "no veth here" end

    local found = network.run(ROUTES, [[
      local s <close> = assert(net.udp { family = "inet6", v6only = false })
      local results = {}
      for index, to in ipairs { "203.0.113.1", "::ffff:203.0.113.1" } do
        for _, try in ipairs { function() return s:sendto("x", to, 9) end,
          function() return s:sendmsg("x", { address = to, port = 9 }) end } do
          local _, err = try()
          results[#results + 1] = { err.code, err.kind }
        end
      end
      answer(results)]])

    for index = 1, 4 do assert.same({ "EINVAL", "unreachable" }, found[index]) end
  end)

  it("stays about the address where that is wrong", function()
    if not network.possible() then return pending "no veth here" end

    local found = network.run(ROUTES, [[
      local zone, failure = net.connect("fe80::1", 80, { timeout = 2 })
      local _, source = net.connect("198.51.100.1", 80, { timeout = 2, source = "127.0.0.1" })
      local u <close> = assert(net.udp())
      local _, datagram = u:connect("fe80::1", 9)
      local results = {}
      for index, err in ipairs { failure, source, datagram } do
        results[index] = { err.code, err.kind, err:explain():find("zone", 1, true) ~= nil }
      end
      answer(results)]])

    for index = 1, 3 do assert.same({ "EINVAL", "address", true }, found[index]) end
  end)
end)
