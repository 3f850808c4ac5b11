local network = require "network"

-- What the scripts have besides: collect(watch, n) reads n events; shown(event) makes a line of one.
local COLLECT = [[
local function shown(e)
  return table.concat({ e.event, e.name or "", e.old_name or "", e.address and e.address.address or "",
    e.changes and table.concat(e.changes, ",") or "" }, " "):gsub(" +$", "")
end
local function collect(watch, n)
  local found = {}
  for i = 1, n do
    local event, err = watch:read(5)
    found[i] = event and shown(event) or err.code
  end
  return found
end
-- All that has come already.
local function rest(watch)
  local found = {}
  for event in function() return (watch:read(0)) end do found[#found + 1] = shown(event) end
  return found
end
]]

local function isolated(setup, script, seconds)
  if not network.possible() then pending "no network namespaces here" end
  return network.run(setup, COLLECT .. script, seconds)
end

local function sorted(list)
  table.sort(list)
  return list
end

describe("net.watch_links", function()
  it("tells of interfaces that come, go up, go down and go", function()
    local got = isolated(":", [[
      local watch <close> = assert(net.watch_links())
      local found = {}
      local function after(command, n)
        sh(command)
        found[#found + 1] = collect(watch, n)
      end
      after("ip link add br0 type bridge", 1)
      after("ip link add v0 type veth peer name v1", 2)
      for name in pairs { v0 = 1, v1 = 1 } do sh("ip link set " .. name .. " addrgenmode none") end
      rest(watch)
      sh "ip link set v1 up"
      rest(watch)
      sh "ip link set v0 up"
      for _ = 1, 200 do
        if net.interfaces().v0.running then break end
        net.sleep(0.01)
      end
      found[#found + 1] = rest(watch)
      after("ip link set v0 down", 2)
      after("ip link del br0", 1)
      sh "ip link del v0"
      found[#found + 1] = rest(watch)
      answer(found)]])

    assert.same({ "added br0" }, got[1])
    assert.same({ "added v0", "added v1" }, sorted(got[2]))
    local seen = table.concat(got[3], "\n")
    assert.matches("up v0", seen)
    assert.matches("up v1", seen)
    assert.same({ "down v0", "down v1" }, sorted(got[4]))
    assert.same({ "removed br0" }, got[5])
    assert.matches("removed v0", table.concat(got[6], "\n"))
    assert.matches("removed v1", table.concat(got[6], "\n"))
  end)

  it("tells of addresses with all that net.interfaces tells of them", function()
    local got = isolated(network.CABLE, [[
      local watch <close> = assert(net.watch_links())
      sh "ip addr add 192.0.2.1/24 dev v0; ip addr add 192.0.2.1/25 dev v0"
      sh "ip addr add 10.8.0.1 peer 10.8.0.2 dev v0; ip addr add fe80::1/64 dev v1 nodad"
      local first = watch:read(5)
      local added = collect(watch, 3)
      sh "ip addr del 192.0.2.1/24 dev v0"
      answer { address = first.address, known = net.interfaces().v0.addresses,
        added = added, removed = collect(watch, 1), left = rest(watch) }]])

    assert.equal("255.255.255.0", got.address.netmask)
    -- The kernel tells of an IPv6 address in its own time.
    assert.same({ "address_added v0  10.8.0.1", "address_added v0  192.0.2.1",
      "address_added v1  fe80::1%v1" }, sorted(got.added))
    assert.same({ "address_removed v0  192.0.2.1" }, got.removed)
    assert.same({}, got.left)
  end)

  it("tells of new names, and of what else changes", function()
    local setup = network.CABLE .. "ip link set v0 down; ip link add br0 type bridge\n" .. network.LOST
    local got = isolated(setup, [[
      local watch <close> = assert(net.watch_links())
      sh "ip link set v0 name v7"
      local found = { collect(watch, 1) }
      sh "ip link set v7 mtu 1400"
      found[2] = rest(watch)
      sh "ip link set v7 address 02:00:00:00:00:07"
      found[3] = rest(watch)
      sh "ip link set v7 master br0"
      found[4] = rest(watch)
      sh "ip link set v7 nomaster"
      found[5] = rest(watch)
      answer(found)]])

    assert.same({ "renamed v7 v0" }, got[1])
    assert.same({ "changed v7   mtu" }, got[2])
    assert.same({ "changed v7   mac" }, got[3])
    assert.equal("changed v7   master", got[4][1])
    assert.equal("changed v7   master", got[5][1])
    for _, line in ipairs(got[5]) do assert.not_matches("removed", line) end
  end)

  -- The kernel tells of an IPv6 address when it is confirmed: none is made here.
  it("keeps in step with net.interfaces, whatever happens", function()
    local got = isolated("sysctl -q net.ipv6.conf.default.addr_gen_mode=1\n" .. network.CABLE, [[
      local watch <close> = assert(net.watch_links())
      local before, state = assert(net.interfaces()), {}
      for _, link in ipairs(before) do
        state[link.index] = { name = link.name, running = link.running, addresses = {} }
        local known = state[link.index].addresses
        for _, a in ipairs(link.addresses) do known[a.address .. "/" .. a.prefix] = true end
      end
      math.randomseed(7)
      local function flip(i)
        local name = "b" .. math.random(3)
        local commands = {
          "ip link add " .. name .. " type bridge", "ip link del " .. name, "ip link set " .. name .. " up",
          ("ip addr add 10.0.%d.1/24 dev %s"):format(math.random(4), name),
          "ip addr flush dev " .. name, "ip link set v0 down", "ip link set v0 up",
          ("ip link set v1 master %s"):format(name), "ip link set v1 nomaster",
          "ip link set " .. name .. " name c" .. i,
        }
        os.execute(commands[math.random(#commands)] .. " 2>/dev/null")
      end
      for i = 1, 120 do flip(i) end
      for event in function() return (watch:read(0.2)) end do
        local link = state[event.index]
        if event.event == "added" then
          state[event.index] = { name = event.name, running = false, addresses = {} }
        elseif event.event == "removed" then state[event.index] = nil
        elseif event.event == "renamed" then link.name = event.name
        elseif event.event == "up" or event.event == "down" then link.running = event.event == "up"
        elseif event.address then
          link.addresses[event.address.address .. "/" .. event.address.prefix] =
            event.event ~= "address_removed" or nil
        end
      end
      local ours, now = {}, {}
      for index, link in pairs(state) do ours[tostring(index)] = link end
      for _, link in ipairs(assert(net.interfaces())) do
        local set = {}
        for _, a in ipairs(link.addresses) do set[a.address .. "/" .. a.prefix] = true end
        now[tostring(link.index)] = { name = link.name, running = link.running, addresses = set }
      end
      answer { ours = ours, now = now }]], 40)

    assert.same(got.now, got.ours)
  end)

  it("says when the kernel dropped messages, and tells the difference then", function()
    local got = isolated(network.CABLE .. "ip link add br0 type bridge; ip addr add 192.0.2.1/24 dev v0", [[
      local watch <close> = assert(net.watch_links())
      local name = os.tmpname()
      local file = assert(io.open(name, "w"))
      file:write "link del br0\nlink add br9 type bridge\naddr del 192.0.2.1/24 dev v0\n"
      for i = 1, 6000 do file:write(("addr add 10.1.%d.%d/32 dev v0\n"):format(i // 256, i % 256)) end
      file:close()
      sh("ip -batch " .. name)
      os.remove(name)
      local first, counts, others = watch:read(5).event, { address_added = 0 }, {}
      local ready = #net.select({ watch }, nil, nil, 0)
      for event in function() return (watch:read(0)) end do
        counts[event.event] = (counts[event.event] or 0) + 1
        if event.event ~= "address_added" then others[#others + 1] = shown(event) end
      end
      ready = ready .. #net.select({ watch }, nil, nil, 0)
      sh "ip link del br9"
      answer { first = first, ready = ready, added = counts.address_added, others = others,
        after = collect(watch, 1) }]])

    assert.equal("lost", got.first)
    assert.equal("10", got.ready) -- before and after the rest was read
    assert.equal(6000, got.added)
    assert.same({ "added br9", "address_removed v0  192.0.2.1", "removed br0" }, sorted(got.others))
    assert.same({ "removed br9" }, got.after)
  end)

  it("is an iterator, and is closed where the loop ends", function()
    local got = isolated(":", [[
      local function open()
        local n = 0
        for line in io.popen("ls -l /proc/$PPID/fd"):lines() do if line:find "socket:" then n = n + 1 end end
        return n
      end
      local before, seen = open(), {}
      net.spawn(function() sh "ip link add br0 type bridge; ip link add br1 type bridge" end)
      for event in net.watch_links() do
        seen[#seen + 1] = shown(event)
        if event.name == "br1" then break end
      end
      answer { seen = seen, left = open() - before }]])

    assert.same({ "added br0", "added br1" }, got.seen)
    assert.equal(0, got.left)
  end)

  it("lets other tasks run, and ends the loop when it is closed", function()
    local watch = assert(net.watch_links())
    local task = net.spawn(function()
      local n = 0
      for _ in watch do n = n + 1 end
      return "ended"
    end)

    net.sleep(0)
    watch:close()

    assert.equal("ended", task:join(30))
    assert.equal("CLOSED", select(2, watch:read()).code)
  end)

  it("obeys timeouts, deadlines and cancellation", function()
    local watch <close> = assert(net.watch_links())

    assert.equal("TIMEOUT", select(2, watch:read(0)).code)
    assert.equal("TIMEOUT", select(2, watch:read(0.01)).code)
    assert.equal("TIMEOUT", select(2, net.timeout(0.01, watch.read, watch)).code)
    assert.equal("TIMEOUT", select(2, watch:settimeout(0.01):read()).code)
    local ok, err = pcall(function() for _ in watch do end end) -- luacheck: ignore
    assert.is_false(ok)
    assert.equal("TIMEOUT", err.code)

    watch:settimeout(nil)
    local task = net.spawn(watch.read, watch)
    net.sleep(0)
    task:cancel()
    assert.equal("CANCELED", select(2, task:join(30)).code)
  end)

  it("lets one task wait at a time", function()
    local watch <close> = assert(net.watch_links())
    local task = net.spawn(watch.read, watch, 5)
    net.sleep(0)

    local event, err = watch:read(5)

    assert.is_nil(event)
    assert.equal("BUSY", err.code)
    task:cancel()
    task:join(30)
  end)

  it("waits for no longer than asked while messages come that are no news", function()
    local got = isolated(network.CABLE .. [[
ip addr add 2001:db8::1/64 dev v0 nodad valid_lft 1000 preferred_lft 900]], [[
      local watch <close> = assert(net.watch_links())
      local stop = false
      local task = net.spawn(function()
        for i = 1, 200 do
          if stop then break end
          sh("ip addr change 2001:db8::1/64 dev v0 nodad valid_lft " .. 1000 + i .. " preferred_lft 900")
          net.sleep(0.001)
        end
      end)
      local began = net.now()
      local event, err = watch:settimeout(0.2):read()
      stop = true
      task:join()
      answer { event = event, code = err and err.code, late = net.now() - began > 3 }]])

    assert.is_nil(got.event)
    assert.equal("TIMEOUT", got.code)
    assert.is_false(got.late)
  end)

  it("works in net.select", function()
    local got = isolated(":", [[
      local watch <close> = assert(net.watch_links())
      local before = #net.select({ watch }, nil, nil, 0)
      net.spawn(function() sh "ip link add br0 type bridge" end)
      local ready = assert(net.select({ watch }, nil, nil, 5))
      answer { before, ready[1] == watch, collect(watch, 1)[1], math.type(watch:fileno()) }]])

    assert.same({ 0, true, "added br0", "integer" }, got)
  end)

  it("raises misuse", function()
    local watch <close> = assert(net.watch_links())

    assert.has_error(function() watch:read(-1) end)
    assert.has_error(function() watch:read "1" end)
    assert.has_error(function() watch.read(1) end)
    assert.has_error(function() watch.read(net.pair()) end)
  end)
end)
