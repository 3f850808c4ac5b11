local netlua = require "netlua"

-- A resolver that never answers: a namespace of its own with a silent socket as its only name server.
local STUCK = [[
unshare -rmn sh -c '
  ip link set lo up && ip addr add 192.0.2.1/32 dev lo || exit 77
  printf "nameserver 192.0.2.1\noptions timeout:60 attempts:1\n" >"$1.conf"
  mount --bind "$1.conf" /etc/resolv.conf || exit 77
  exec "$2" "$1"
' sh %q %q
]]

local SILENT = [[
local silent = net.udp {}
assert(silent:bind("192.0.2.1", 53))
local function threads()
  local file <close> = io.open "/proc/self/status"
  return tonumber(file:read("a"):match "Threads:%s*(%d+)")
end
local function lookup(name) return net.getaddrinfo(name or "stuck.example", 80) end
]]

-- Runs a script under the stuck resolver; stdout, stderr, status, seconds.
local function stuck(script)
  local name = os.tmpname()
  do
    local file <close> = assert(io.open(name, "wb"))
    file:write(SILENT, script)
  end
  local began = net.now()
  local out, err, status = netlua.shell((STUCK:format(name, netlua.program):gsub("%%", "%%%%")), 50)
  os.remove(name)
  os.remove(name .. ".conf")
  return out, err, status, net.now() - began
end

local function possible()
  local _, _, status = stuck "os.exit(0)"
  return status == 0
end

describe("a lookup", function()
  it("lets other tasks go on", function()
    local turns = 0
    local other <close> = net.spawn(function() while net.sleep(0) do turns = turns + 1 end end)

    for _ = 1, 1000 do -- each may end before anybody has to wait for it; in the end the others get their turn
      assert(net.getaddrinfo("localhost", 80))
      if turns > 0 then break end
    end
    other:cancel()

    assert.is_true(turns > 0)
  end)

  it("can be made by many tasks at once", function()
    local hosts = {}
    for i = 1, 200 do hosts[i] = "127.0.0." .. i end

    local lists, errors = net.map(hosts, function(host) return net.getaddrinfo(host, 80) end, { limit = 200 })

    assert.same({}, errors)
    for i = 1, 200 do assert.equal(hosts[i], lists[i][1].address) end
  end)

  it("uses a bounded number of threads", function()
    local out, _, status = netlua.run [[
      local hosts = {}
      for i = 1, 500 do hosts[i] = "127.0.0.1" end
      net.map(hosts, function(host) return net.getaddrinfo(host, 80) end, { limit = 500 })
      local file <close> = io.open "/proc/self/status"
      print(tonumber(file:read("a"):match "Threads:%s*(%d+)") <= 33)
    ]]

    assert.equal("true\n", out)
    assert.equal(0, status)
  end)

  it("can be canceled", function()
    local task = net.spawn(net.getaddrinfo, "localhost", 80)
    net.spawn(function() task:cancel() end)

    local list, err = task:join(30)

    assert.is_true(list ~= nil or err.code == "CANCELED")
  end)

  it("without any time is TIMEOUT or already done", function()
    for _ = 1, 100 do
      local list, err = net.timeout(0, net.getaddrinfo, "127.0.0.1", 80)
      assert.is_true(list ~= nil or err.code == "TIMEOUT")
    end
  end)
end)

describe("under a stuck resolver", function()
  local run = possible() and it or pending

  run("a lookup returns at the deadline", function()
    local out, err, status, seconds = stuck [[
      local began = net.now()
      local list, err = net.timeout(0.1, lookup)
      print(list, err.code, net.now() - began < 20)
    ]]

    assert.equal("", err)
    assert.equal("nil\tTIMEOUT\ttrue\n", out)
    assert.equal(0, status)
    assert.is_true(seconds < 20)
  end)

  run("a lookup where Lua cannot yield returns at the deadline", function()
    local out, err, status, seconds = stuck [[
      table.sort({ 1, 2 }, function() print(select(2, net.timeout(0.1, lookup)).code) end)
    ]]

    assert.equal("", err)
    assert.equal("TIMEOUT\n", out)
    assert.equal(0, status)
    assert.is_true(seconds < 20)
  end)

  run("a lookup can be canceled", function()
    local out, _, status, seconds = stuck [[
      local task = net.spawn(lookup)
      net.sleep(0.05)
      task:cancel()
      print(select(2, task:join(30)).code)
    ]]

    assert.equal("CANCELED\n", out)
    assert.equal(0, status)
    assert.is_true(seconds < 20)
  end)

  run("connect returns at its timeout", function()
    local out, _, status, seconds = stuck [[
      print(select(2, net.connect("stuck.example", 80, { timeout = 0.1 })).code)
    ]]

    assert.equal("TIMEOUT\n", out)
    assert.equal(0, status)
    assert.is_true(seconds < 20)
  end)

  run("other tasks go on", function()
    local out, _, _, seconds = stuck [[
      local task = net.spawn(lookup)
      for i = 1, 5 do net.sleep(0.01) end
      print(task:status())
      os.exit(0)
    ]]

    assert.equal("waiting\n", out)
    assert.is_true(seconds < 20)
  end)

  run("threads are bounded, and what waits in line for one still obeys its deadline", function()
    local out, err, status, seconds = stuck [[
      local tasks = {}
      for i = 1, 200 do tasks[i] = net.spawn(net.timeout, 0.2, lookup, "stuck" .. i .. ".example") end
      local codes = {}
      for i = 1, 200 do
        local _, err = tasks[i]:join(30)
        codes[err.code] = (codes[err.code] or 0) + 1
      end
      print(codes.TIMEOUT, threads() <= 33)
    ]]

    assert.equal("", err)
    assert.equal("200\ttrue\n", out)
    assert.equal(0, status)
    assert.is_true(seconds < 20)
  end)

  run("the program exits at once", function()
    local out, err, status, seconds = stuck [[
      net.timeout(0.05, lookup)
      print "end"
    ]]

    assert.equal("", err)
    assert.equal("end\n", out)
    assert.equal(0, status)
    assert.is_true(seconds < 20)
  end)

  for name, wait in pairs {
    ["a lookup"] = "lookup()",
    ["a blocked lookup"] = "table.sort({ 1, 2 }, function() lookup() end)",
  } do
    run("^C ends " .. name, function()
      local _, _, status, seconds = stuck("os.execute '(sleep 0.1; kill -INT $PPID) &' " .. wait)

      assert.equal(130, status)
      assert.is_true(seconds < 20)
    end)
  end
end)

describe("a lookup that is pending at the end of the state", function()
  it("lets go of its task", function()
    local _, err, status = require("netlua").run [[
      local task
      local keep = setmetatable({}, { __gc = function() task:cancel() end })
      task = net.spawn(net.getaddrinfo, "localhost")
      net.sleep(0)
      KEPT = keep
      os.exit(0, true)
    ]]

    assert.same({ "", 0 }, { err, status })
  end)
end)
