local cjson = require "cjson"
local island = require "island"
local tools = require "tools"

local function mypid()
  local file <close> = assert(io.open "/proc/self/stat")
  return file:read "n"
end

local function find(records, f)
  for _, rec in ipairs(records) do
    if f(rec) then return rec end
  end
end

-- A server, a client and what the server accepted, to be closed; ports as text.
local function connection()
  local server = assert(net.listen("127.0.0.1", 0))
  local host, port = server:getsockname()
  local client = assert(net.connect(host, port))
  local accepted = assert(server:accept(5))
  return setmetatable({
    client = client, port = tostring(port), own = tostring(select(2, client:getsockname())),
  }, { __close = function()
    for _, s in ipairs { server, client, accepted } do s:close() end
  end })
end

describe("conns", function()
  -- Elsewhere the port may be that of somebody else's connection, too.
  it("shows a row for each socket, and whose it is with --who", function()
    if not island.possible() then return pending "no namespaces here" end

    local out = island.run([[
      local server <close> = assert(net.listen("127.0.0.1", 0))
      local host, port = server:getsockname()
      local a <close> = assert(net.connect(host, port))
      local b <close> = assert(server:accept(5))
      local _, own = a:getsockname()
      local status, rows, hints = net.tool.call("conns", { "--tcp", "--port", tostring(port) })
      local _, who = net.tool.call("conns", { "--tcp", "--listen", "--who" })
      print(require "cjson".encode { "127.0.0.1:" .. port, "127.0.0.1:" .. own, status, rows, hints, who })]])
    local here, there, status, shown, hints, who = table.unpack(cjson.decode(out))

    assert.equal("", hints)
    assert.equal(0, status)
    local rows = {}
    for row in shown:gmatch "[^\n]+" do rows[#rows + 1] = row:gsub(" +", " ") end
    table.sort(rows)
    local wanted = { ("tcp ESTABLISHED %s %s"):format(here, there),
      ("tcp ESTABLISHED %s %s"):format(there, here), ("tcp LISTEN %s *"):format(here) }
    table.sort(wanted)
    assert.same(wanted, rows)
    assert.matches("^tcp  LISTEN  127.0.0.1:%d+  %*  netlua %(%d+%)\n$", who)
  end)

  it("gives records with queues, and with processes on request", function()
    local c <close> = connection()
    local port, own = c.port, c.own
    local waiting <close> = assert(net.connect("127.0.0.1", tonumber(port)))
    c.client:write "unread"

    local records, status = tools.records("conns", "--port", port, "--who")

    assert.equal(0, status)
    local here, there = "127.0.0.1:" .. port, "127.0.0.1:" .. own
    local far = find(records, function(r) return r["local"] == here and r.remote == there end)
    assert.same({ "tcp", "inet", "ESTABLISHED", 6, mypid(), "netlua" },
      { far.proto, far.family, far.state, far.queue_bytes, far.pid, far.command })
    local listener = find(records, function(r) return r.state == "LISTEN" end)
    assert.same({ here, here, "*", 1, 0 },
      { listener.target, listener["local"], listener.remote, listener.backlog, listener.queue_bytes })
    assert.is_nil(find(tools.records("conns", "--port", port), function(r) return r.pid or r.command end))
    waiting:close()
  end)

  it("tells what waits in queues", function()
    local c <close> = connection()
    local port = c.port
    local waiting <close> = assert(net.connect("127.0.0.1", tonumber(port))) -- luacheck: ignore
    c.client:write "unread"

    local out = tools.run("conns", "--port", port)

    assert.matches("queue 6 B\n", out)
    assert.matches("LISTEN .* backlog 1\n", out)
  end)

  it("shows UDP, and IPv6 in brackets", function()
    local s <close> = assert(net.udp { family = "inet" })
    assert(s:bind("127.0.0.1", 0))
    local six <close> = net.listen("::1", 0)
    if not six then return pending "no IPv6 here" end
    local _, udp = s:getsockname()
    local _, tcp = six:getsockname()
    local ports = ("%d,%d"):format(udp, tcp)

    local both = tools.records("conns", "--udp", "--tcp", "--listen", "--port", ports)
    local one = tools.records("conns", "--udp", "--port", ports)
    local four = tools.records("conns", "-4", "--listen", "--port", ports)

    local function found(records)
      local list = {}
      for index, rec in ipairs(records) do list[index] = rec["local"] end
      table.sort(list)
      return list
    end
    local near, far = "127.0.0.1:" .. udp, "[::1]:" .. tcp
    assert.same({ near, far }, found(both))
    assert.same({ near }, found(one))
    assert.same({ near }, found(four))
    assert.equal("UNCONNECTED", one[1].state)
  end)

  it("ends with 1 where there is none", function()
    local s <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = s:getsockname()

    local out, err, status = tools.run("conns", "--udp", "--listen", "--port", tostring(port))

    assert.same({ "", "", 1 }, { out, err, status })
  end)

  it("escapes names of processes and paths, and leaves them whole in records", function()
    if not island.possible() then return pending "no namespaces here" end
    local dir = os.tmpname()
    os.remove(dir)
    assert(os.execute("mkdir " .. dir))

    local out, err, status = island.run(([[
      local file <close> = assert(io.open("/proc/self/comm", "wb"))
      file:write "ev\27[2J\nil\155"
      file:flush()
      local tcp <close> = assert(net.listen("127.0.0.1", 0))
      local unix <close> = assert(net.listen("unix:%s/a\27[2Jb\nc"))
      local _, human = net.tool.call("conns", { "--listen", "--who" })
      local _, plain = net.tool.call("conns", { "--listen", "--who", "--format", "plain" })
      local _, json = net.tool.call("conns", { "--listen", "--who", "--json" })
      print(require "cjson".encode { human, plain, json })]]):format(dir), nil, 20)
    os.execute("rm -r " .. dir)

    assert.equal("", err)
    assert.equal(0, status)
    local human, plain, json = table.unpack(cjson.decode(out))
    for _, shown in ipairs { human, plain } do
      assert.is_nil(shown:find "[\27\155]")
      assert.is_truthy(shown:find("ev\\x1b[2J\\nil\\x9b", 1, true), shown)
      assert.is_truthy(shown:find("unix:" .. dir .. "/a\\x1b[2Jb\\nc", 1, true), shown)
    end
    local records = {}
    for line in json:gmatch "[^\n]+" do records[#records + 1] = cjson.decode(line) end
    assert.equal("unix:" .. dir .. "/a\27[2Jb\nc",
      find(records, function(r) return r.proto == "unix" end)["local"])
    assert.equal("ev\27[2J\nil\u{fffd}", find(records, function(r) return r.proto == "tcp" end).command)
  end)

  it("ends with 2 for a wrong command line", function()
    for _, words in ipairs { { "a" }, { "--port" }, { "--port", "0" }, { "--port", "x" }, { "-4", "-6" } } do
      local out, err, status = tools.run("conns", table.unpack(words))

      assert.equal("", out)
      assert.equal(2, status)
      assert.matches("^netlua conns: .*\ntry: netlua conns %-%-help\n$", err)
    end
  end)
end)
