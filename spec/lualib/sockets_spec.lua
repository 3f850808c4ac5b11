local island = require "island"
local peer = require "peer"
local sockets = require "net.sockets"

local function mypid()
  local file <close> = assert(io.open "/proc/self/stat")
  return file:read "n"
end

local function find(list, f)
  for _, row in ipairs(list) do
    if f(row) then return row end
  end
end

describe("the sockets of this machine", function()
  it("have both ends of a connection, and what is in their queues", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local host, port = server:getsockname()
    local a <close> = assert(net.connect(host, port))
    local b <close> = assert(server:accept(5))
    a:write "unread"
    local _, own = a:getsockname()

    local list = sockets.list { protocol = "tcp" }

    local near = find(list, function(r) return r.local_port == own and r.remote_port == port end)
    local far = find(list, function(r) return r.local_port == port and r.remote_port == own end)
    assert.equal("ESTABLISHED", near.state)
    assert.equal("127.0.0.1", near.remote_address)
    assert.equal("inet", near.family)
    assert.equal(mypid(), near.pid)
    assert.equal(6, far.rx_queue_bytes)
    assert.equal(0, near.rx_queue_bytes)
    assert.is_true(near.inode > 0 and near.uid >= 0)
    b:close()
  end)

  it("have IPv6 addresses in their usual form", function()
    local server <close> = net.listen("::1", 0)
    if not server then return pending "no IPv6 here" end
    local _, port = server:getsockname()

    local row = find(sockets.list { listen = true }, function(r) return r.local_port == port end)

    assert.same({ "tcp", "inet6", "LISTEN", "::1", "::", 0 }, { row.protocol, row.family, row.state,
      row.local_address, row.remote_address, row.remote_port })
  end)

  it("are UDP sockets too, connected or not", function()
    local s <close> = assert(net.udp())
    local c <close> = assert(net.udp())
    assert(s:bind("127.0.0.1", 0))
    assert(c:connect(s:getsockname()))
    local _, port = s:getsockname()

    local list = sockets.list { protocol = "udp" }

    assert.equal("UNCONNECTED", find(list, function(r) return r.local_port == port end).state)
    assert.equal("ESTABLISHED", find(list, function(r) return r.remote_port == port end).state)
  end)

  it("are unix sockets with paths and abstract names", function()
    local path = os.tmpname()
    os.remove(path)
    path = path .. " with blanks"
    local listener <close> = assert(net.listen("unix:" .. path))
    local abstract <close> = assert(net.listen("unix:@netlua-spec-" .. mypid()))

    local list = sockets.list { protocol = "unix", listen = true }

    local row = find(list, function(r) return r.local_address == "unix:" .. path end)
    assert.same({ "unix", "unix", "LISTEN", "stream", mypid() },
      { row.protocol, row.family, row.state, row.type, row.pid })
    assert.is_truthy(find(list, function(r) return r.local_address == "unix:@netlua-spec-" .. mypid() end))
    assert.is_true(listener ~= abstract)
  end)

  it("keep a path with line feeds in one piece", function()
    local path = os.tmpname()
    os.remove(path)
    path = path .. "\nffff: 1 2\n"
    local listener <close> = assert(net.listen("unix:" .. path)) -- luacheck: ignore listener

    local list = sockets.list { protocol = "unix" }
    local row = find(list, function(r) return r.local_address == "unix:" .. path end)

    assert.equal(mypid(), row.pid)
  end)

  it("that listen are a part of all", function()
    local server <close> = peer.echo()
    local s <close> = assert(net.connect(server.host, server.port)) -- luacheck: ignore s

    for _, row in ipairs(sockets.list { listen = true }) do
      assert.is_true(row.state == "LISTEN" or row.state == "UNCONNECTED")
    end
    assert.is_true(#sockets.list() > #sockets.list { listen = true })
  end)

  -- There were "none".
  it("are an error that names the file where there is no /proc", function()
    if not island.possible() then return pending "no network namespaces here" end
    local out, err, status = island.run([[
      local server <close> = assert(net.listen("127.0.0.1", 0))
      local _, port = server:getsockname()
      local pid = io.open("/proc/self/stat"):read "n" -- LeakSanitizer needs the rest of /proc
      assert(os.execute(("mount -t tmpfs none /proc/%d/net"):format(pid)))
      for _, protocol in ipairs { "tcp", "udp", "unix" } do
        local list, err = net.port.sockets { protocol = protocol }
        print(list, err.code, err.message, err:explain():match "mount %-t proc")
      end
      print(select(2, net.port.owner(port)))
      local free, reason = net.is_port_available(port)
      print(free, reason.code, reason.owner, reason.cause.code)
      local report = net.diagnose("127.0.0.2:" .. port)
      print(report.verdict, (report.explanation:gsub("%d+", "N")), report.advice[1])
      for _, words in ipairs { { "conns", "-q" }, { "conns", "--json" }, { "mcast", "groups", "-q" },
        { "freeport", tostring(port), "--who" } } do
        local status, rows, hints = net.tool.call(words[1], { table.unpack(words, 2) })
        print(status, rows:find '"ENOENT"' and "ENOENT" or rows ~= "", (hints:gsub("\n", "")))
      end
    ]])

    assert.same({ "", 0 }, { err, status })
    local missing = "no such file or directory"
    assert.equal(([[
nil|ENOENT|/proc/net/tcp: missing|mount -t proc
nil|ENOENT|/proc/net/udp: missing|mount -t proc
nil|ENOENT|/proc/net/unix: missing|mount -t proc
open: /proc/net/tcp: missing (ENOENT)
false|EADDRINUSE|nil|ENOENT
refused|port N of this machine refuses|what listens here cannot be seen: /proc/net/tcp: missing
1|false|netlua conns: /proc/net/tcp: missing (ENOENT)
1|ENOENT|
1|false|netlua mcast: /proc/net/udp: missing (ENOENT)
1|true|/proc/net/tcp: missing
]]):gsub("missing", missing), (out:gsub("\t", "|")))
  end)

  it("have commands that are any bytes", function()
    local out, err = require("netlua").run [[
      local file <close> = io.open("/proc/self/comm", "w")
      file:write "\27[2J) 1 \n\255"
      file:close()
      local server <close> = assert(net.listen("127.0.0.1", 0))
      local _, port = server:getsockname()
      print(("%q"):format(net.port.owner(port)[1].command))
    ]]

    assert.equal("", err)
    assert.equal('"\\27[2J) 1 \\\n\255"\n', out)
  end)

  it("are read fast where there are many", function()
    if not island.possible() then return pending "no network namespaces here" end

    local out, err = island.run([[
      local held = {}
      for port = 20001, 24000 do held[#held + 1] = assert(net.listen("127.0.0.1", port, { backlog = 1 })) end
      local began = os.clock()
      local list = net.port.owner(22000)
      print(#list, list[1].local_port, list[1].pid ~= nil, os.clock() - began < 2)
      print(#net.port.sockets { listen = true } >= 4000)
    ]], nil, 30)

    assert.equal("", err)
    assert.equal("1\t22000\ttrue\ttrue\ntrue\n", out)
  end)

  it("raises for what is no option", function()
    for _, options in ipairs { 5, { port = 1 }, { protocol = "sctp" }, { listen = 1 } } do
      assert.error_matches(function() sockets.list(options) end, "#1 to 'sockets'")
    end
  end)
end)

describe("the sockets at a port", function()
  it("are those that listen first, then the rest", function()
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local host, port = server:getsockname()
    local a <close> = assert(net.connect(host, port)) -- luacheck: ignore a
    local b <close> = assert(server:accept(5)) -- luacheck: ignore b

    local list = sockets.atport(port, "tcp")

    assert.equal(2, #list)
    assert.equal("LISTEN", list[1].state)
    assert.equal("ESTABLISHED", list[2].state)
  end)

  it("are those that an address would meet", function()
    local one <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = one:getsockname()

    assert.equal(1, #sockets.atport(port, "tcp", "::ffff:127.0.0.1"))
    assert.equal(1, #sockets.atport(port, "tcp", "::"))
    assert.equal(0, #sockets.atport(port, "tcp", "::1"))
    assert.equal(1, #sockets.atport(port, "tcp", "127.0.0.1"))
    assert.equal(1, #sockets.atport(port, "tcp", "0.0.0.0"))
    assert.equal(0, #sockets.atport(port, "tcp", "127.0.0.2"))
    assert.equal(0, #sockets.atport(port, "udp"))
  end)
end)
