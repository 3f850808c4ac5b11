local island = require "island"
local netlua = require "netlua"
local peer = require "peer"
local pty = require "pty"
local silence = require "silence"
local tools = require "tools"

-- Two ports, the first of which is listened on; and the listener.
local function ports()
  local server, other = assert(net.listen("127.0.0.1", 0)), assert(net.listen("127.0.0.1", 0))
  local _, open = server:getsockname()
  local _, closed = other:getsockname()
  other:close()
  return open, closed, server
end

-- Runs a shell command in a network of its own, where 10.9.0.2 and others are silent; %s is the program.
local function alone(command)
  local script = "local _, how, code = os.execute(%q)\nos.exit(how == 'signal' and 128 + code or code)"
  return silence.run(script:format((command:gsub("%%s", netlua.program))))
end

local function byport(records)
  local found = {}
  for _, rec in ipairs(records) do found[rec.port or rec.target] = rec end
  return found
end

describe("portcheck", function()
  it("counts what it has asked until ^C", function()
    local listener <close> = assert(net.listen("127.0.0.1", 0))
    local target, lines = ("127.0.0.1:%d"):format(select(2, listener:getsockname())), {}
    local words = { target, "--banner", "-w", "20", "--json", "--summary" }
    local task = net.spawn(net.tool.call, "portcheck", words, function(line) lines[#lines + 1] = line end)
    local silent <close> = assert(listener:accept(5)) -- luacheck: ignore silent

    task:cancel()
    task:join(30)

    local last = require "cjson".decode(lines[#lines])
    assert.same({ 0, 1 }, { last.summary.asked, last.summary.total })
  end)

  it("answers yes with 0, with a row and a record of the port", function()
    local open, _, server = ports()
    local held <close> = server -- luacheck: ignore held

    local out, err, status = tools.run("portcheck", "127.0.0.1:" .. open)
    local records, again = tools.records("portcheck", "127.0.0.1:" .. open)

    assert.equal(0, status)
    assert.equal(0, again)
    assert.equal("", err)
    assert.equal(("127.0.0.1  %d/tcp  open  N\n"):format(open), (out:gsub("%d+%.%d\n", "N\n")))
    local rec = records[1]
    assert.equal(1, #records)
    assert.same({ true, "127.0.0.1:" .. open, "127.0.0.1", "127.0.0.1", open, "tcp", "open", "connect" },
      { rec.ok, rec.target, rec.host, rec.address, rec.port, rec.proto, rec.state, rec.reason })
    assert.equal("number", type(rec.ms))
    assert.is_nil(rec.banner_b64)
  end)

  it("answers no with 1 where one of the ports is closed, which is no failure", function()
    local open, closed, server = ports()
    local held <close> = server -- luacheck: ignore held

    local records, status = tools.records("portcheck", "127.0.0.1", "-p", ("%d,%d"):format(open, closed))

    assert.equal(1, status)
    local found = byport(records)
    assert.same({ "open", "closed" }, { found[open].state, found[closed].state })
    assert.same({ true, "ECONNREFUSED" }, { found[closed].ok, found[closed].reason })
  end)

  it("is content with one open port on request", function()
    local open, closed, server = ports()
    local held <close> = server -- luacheck: ignore held

    local both = ("127.0.0.1:%d,%d"):format(open, closed)
    local _, _, status = tools.run("portcheck", both, "--any")
    local _, _, none = tools.run("portcheck", "127.0.0.1:" .. closed, "--any")

    assert.same({ 0, 1 }, { status, none })
  end)

  it("sums up on standard error, where people look", function()
    local open, closed, server = ports()
    local held <close> = server -- luacheck: ignore held

    local _, err = tools.run("portcheck", ("127.0.0.1:%d,%d"):format(open, closed))
    local out, quiet = tools.run("portcheck", ("127.0.0.1:%d,%d"):format(open, closed), "-q")

    assert.matches("^1 open, 1 closed in %d+%.%d s\n$", err)
    assert.equal("", quiet)
    assert.equal(2, select(2, out:gsub("\n", "")))
  end)

  it("shows people only the open ones of many, and tells programs of all", function()
    local open, _, server = ports()
    local held <close> = server -- luacheck: ignore held
    local words = { "127.0.0.1", "-p", ("1-200,%d"):format(open) }

    local out, err = tools.run("portcheck", table.unpack(words))
    local all, note = tools.run("portcheck", "-v", table.unpack(words))
    local plain = tools.run("portcheck", "--format", "plain", table.unpack(words))
    local some = tools.run("portcheck", "--format", "plain", "--open", table.unpack(words))

    assert.is_true(select(2, out:gsub("\n", "")) < 10)
    assert.truthy(out:find(open .. "/tcp", 1, true))
    assert.matches("%d+ closed in .* s; %-v shows all\n$", err)
    local lines = select(2, all:gsub("\n", ""))
    assert.is_true(lines == 201 or open <= 200 and lines == 200)
    assert.is_nil(note:find "-v")
    assert.equal(lines, select(2, plain:gsub("\n", "")))
    assert.equal(select(2, out:gsub("\n", "")), select(2, some:gsub("\n", "")))
  end)

  it("asks the most common ports where none are named, and one is enough", function()
    local records, status = tools.records("portcheck", "127.0.0.1")

    local open = 0
    for _, rec in ipairs(records) do open = open + (rec.state == "open" and 1 or 0) end
    assert.equal(100, #records)
    assert.equal(open > 0 and 0 or 1, status)
  end)

  it("leaves ports out", function()
    local records = tools.records("portcheck", "127.0.0.1", "-p", "1-10", "--exclude", "2-9")

    local found = byport(records)
    assert.equal(2, #records)
    assert.truthy(found[1] and found[10])
  end)

  it("keeps to a rate", function()
    local began = net.now()
    local records = tools.records("portcheck", "127.0.0.1:1-10", "127.0.0.1:11-20", "--rate", "100",
      "--randomize", "-P", "3")

    assert.equal(20, #records)
    assert.is_true(net.now() - began > 0.12)
  end)

  it("takes hosts in every form", function()
    local open, _, server = ports()
    local held <close> = server -- luacheck: ignore held

    for words, wanted in pairs {
      ["127.0.0.1:%d"] = "127.0.0.1",
      ["http://user:secret@127.0.0.1:%d/x?y"] = "127.0.0.1",
      ["127.0.0.1/32 -p %d"] = "127.0.0.1", ["127.0.0.1-1:%d"] = "127.0.0.1",
      ["localhost:%d -4"] = "localhost",
    } do
      local list = {}
      for word in words:format(open):gmatch "%S+" do list[#list + 1] = word end
      local records, status = tools.records("portcheck", table.unpack(list))

      assert.equal(0, status, words)
      assert.same({ wanted, "127.0.0.1", open }, { records[1].host, records[1].address, records[1].port })
    end
  end)

  it("takes IPv6 with brackets where a port follows", function()
    local server <close> = assert(net.listen("::1", 0))
    local _, open = server:getsockname()

    for _, words in ipairs { { ("[::1]:%d"):format(open) }, { "[::1]", "-p", tostring(open) },
      { "::1", "-p", tostring(open) }, { "::1/128", "-p", tostring(open) } } do
      local records, status = tools.records("portcheck", table.unpack(words))

      assert.equal(0, status)
      assert.equal(("[::1]:%d"):format(open), records[1].target)
    end
  end)

  it("reads targets from a file", function()
    local open, closed, server = ports()
    local held <close> = server -- luacheck: ignore held
    local name = os.tmpname()
    local file <close> = assert(io.open(name, "w"))
    file:write(("# two\n127.0.0.1:%d\n127.0.0.1:%d # closed\n"):format(open, closed))
    file:close()

    local records, status = tools.records("portcheck", "-f", name)
    os.remove(name)

    assert.equal(2, #records)
    assert.equal(1, status)
  end)

  it("shows the address beside a name that has several", function()
    if not island.possible() then return pending "no network namespaces here" end

    local out = island.run(([[
      local server = assert(net.listen("127.0.0.1", 80))
      os.execute "%s portcheck both:80 -q | sort"]]):format(netlua.program),
      { ["/etc/hosts"] = "127.0.0.1 both\n::1 both\n" })

    out = out:gsub("%d+%.%d  http", "N  http")
    assert.equal("both  127.0.0.1  80/tcp  open    N  http\nboth  ::1        80/tcp  closed  N  http\n", out)
  end)

  it("ends with 6 for a name that has no address, and tells of it once", function()
    local out, err, status = tools.run("portcheck", "name.invalid", "-p", "1-500")
    local records, again = tools.records("portcheck", "name.invalid", "-p", "1-500")
    local _, _, two = tools.run("portcheck", "name.invalid:80", "127.0.0.1:1")

    assert.equal("", out)
    assert.matches("^netlua portcheck: name.invalid: ", err)
    assert.equal(1, select(2, err:gsub("netlua portcheck", "")))
    assert.same({ 6, 6, 1 }, { status, again, two })
    assert.equal(1, #records)
    assert.same({ false, "name.invalid", "dns" }, { records[1].ok, records[1].target, records[1].error.kind })
  end)

  it("sums up in a record", function()
    local records = tools.records("portcheck", "127.0.0.1:1-3", "--open", "--summary")

    assert.equal(1, #records)
    local sum = records[1].summary
    assert.same({ 3, 3, 3, 0, 0, 0 }, { sum.asked, sum.total, sum.closed, sum.open, sum.open_filtered,
      sum.nameless })
  end)
end)

describe("portcheck refuses", function()
  local cases = {
    [{}] = "missing HOST", [{ "" }] = "empty word", [{ "127.0.0.1:0" }] = 'bad ports "0"',
    [{ "127.0.0.1:80-1" }] = 'bad ports "80-1"', [{ "127.0.0.1", "-p", "nosuch" }] = 'bad ports "nosuch"',
    [{ "127.0.0.1:80", "--exclude", "x" }] = 'bad ports "x"', [{ "a:b:c" }] = 'bad target "a:b:c"',
    [{ "127.0.0.1:" }] = 'bad target "127.0.0.1:"', [{ "user@host" }] = 'bad target "user@host"',
    [{ "10.0.0.0/33" }] = 'bad target "10.0.0.0/33"', [{ "10.0.0.9-1:80" }] = 'bad target "10.0.0.9-1"',
    [{ "10.0.0.0/8:80" }] = "10.0.0.0/8 has more than 4096 addresses: --yes-large",
    [{ "::/0", "--yes-large" }] = "::/0 has more than 4294967296 addresses: too many",
    [{ "2001:db8::/64" }] = "2001:db8::/64 has more than 4294967296 addresses: too many",
    [{ "127.0.0.1:1", "--exclude", "1" }] = "leaves nothing",
    [{ "127.0.0.1:1", "-w", "0" }] = "-w 0", [{ "127.0.0.1:1", "--rate", "0" }] = 'bad number "0"',
    [{ "127.0.0.1:1", "-P", "0" }] = 'bad number "0"', [{ "http://u:secret@a b/" }] = "bad target",
    [{ "127.0.0.1\27[31m:x" }] = 'bad ports "x"', [{ "\27[31m:1:2" }] = "\\x1b[31m",
    [{ "127.0.0.1", "22" }] = '"22" is no host: use HOST:22, or -p 22',
    [{ "127.0.0.1", "22,8000-8100" }] = '"22,8000-8100" is no host',
  }
  for words, message in pairs(cases) do
    it(("%q"):format(table.concat(words, " ")), function()
      local out, err, status = tools.run("portcheck", table.unpack(words))

      assert.equal(2, status)
      assert.equal("", out)
      assert.truthy(err:find(message, 1, true), err)
      assert.is_nil(err:find "\27")
      assert.truthy(err:find("try: netlua portcheck --help", 1, true))
    end)
  end
end)

describe("portcheck with banners", function()
  local HOSTILE = "220 \27[2J\27]0;x\7\r\226\128\174evil\194\155\255\nsecond line\n"

  local function said(bytes, ...)
    local server <close> = peer.once(function(s) s:write(bytes) end)
    return tools.records("portcheck", server.address, "--banner", ...)
  end

  it("keeps the bytes exactly, and escapes them for people", function()
    local records = said(HOSTILE)
    local server <close> = peer.once(function(s) s:write(HOSTILE) end)
    local out = tools.run("portcheck", server.address, "--banner")

    assert.equal(HOSTILE, tools.bytes(records[1].banner_b64))
    assert.equal("banner", records[1].reason)
    assert.is_nil(out:find "[\27\7\r\255]")
    assert.is_nil(out:find "\226\128\174")
    assert.is_nil(out:find "\194\155")
    assert.equal(1, select(2, out:gsub("\n", "")))
    assert.truthy(out:find("220 \\x1b[2J", 1, true))
  end)

  it("waits for one no longer than told", function()
    local records, status
    local seconds = pty.soonest(1, 1, 20, function()
      local server <close> = peer.once(function(s) s:read "a" end)
      local began = net.now()
      records, status = tools.records("portcheck", server.address, "--banner", "-w", "0.1")
      return net.now() - began
    end)

    assert.is_true(seconds < 1)
    assert.equal(0, status)
    assert.same({ "open", "connect" }, { records[1].state, records[1].reason })
  end)

  it("calls a port open whose server resets at once", function()
    local server <close> = peer.once(function(s)
      s:setsockopt("SO_LINGER", { on = true, seconds = 0 })
    end)

    local records, status = tools.records("portcheck", server.address, "--banner")

    assert.equal(0, status)
    assert.equal("open", records[1].state)
  end)
end)

describe("portcheck of UDP", function()
  it("tells an answer, a refusal and silence apart", function()
    local server <close> = assert(net.udp { family = "inet" })
    assert(server:bind("127.0.0.1", 0))
    local _, port = server:getsockname()
    local echo = net.spawn(function()
      while true do
        local _, host, from = server:recvfrom(2000)
        server:sendto("pong\27", host, from)
      end
    end)
    local records, status = tools.records("portcheck", "127.0.0.1:1," .. port, "-u", "-w", "0.4", "--banner")
    echo:cancel()
    local silent, no = tools.records("portcheck", "127.0.0.1:" .. port, "-u", "-w", "0.05")

    local found = byport(records)
    assert.same({ "open", "reply", "udp" }, { found[port].state, found[port].reason, found[port].proto })
    assert.equal("pong\27", tools.bytes(found[port].banner_b64))
    assert.equal("closed", found[1].state)
    assert.equal("open|filtered", silent[1].state)
    assert.same({ 1, 1 }, { status, no })
  end)
end)

describe("portcheck in a network", function()
  local it = silence.needing(it, pending)

  it("says that nothing answered, and how long it waited", function()
    local out, err, status = alone "%s portcheck 10.9.0.2:22 10.10.0.1:80 -w 300ms"

    assert.equal(1, status)
    local seconds = out:match "10%.9%.0%.2 +22/tcp +filtered +no answer in (%d+%.%d) s\n"
    assert.is_true(tonumber(seconds) >= 0.3)
    assert.truthy(out:find "10%.10%.0%.1 +80/tcp +unreachable .*ENETUNREACH\n")
    assert.matches("^1 filtered, 1 unreachable in %d+%.%d s\n$", err)
  end)

  it("ends with 28 at the deadline, with what it knows by then", function()
    local out, err, status = alone "%s portcheck 10.9.0.2 127.0.0.1 -p 1-50 --deadline 3 -w 30"

    assert.equal(28, status)
    assert.equal(50, select(2, out:gsub("closed", "")))
    assert.truthy(err:find("netlua portcheck: timed out (TIMEOUT)", 1, true))
    assert.truthy(err:find "50 closed, 50 left in %d+%.%d s\n")
  end)

  it("loses no port where descriptors are few, and says so", function()
    local out, err, status = alone "ulimit -n 20; %s portcheck 10.9.0.2 -p 1-40 -w 200ms -v"

    assert.equal(1, status)
    assert.equal(40, select(2, out:gsub("filtered", "")))
    assert.truthy(err:find("fewer at a time than allowed, for want of resources (EMFILE)", 1, true))
  end)

  it("leaves whole lines when it is interrupted in the middle", function()
    local interrupted = "%s portcheck 10.9.0.2 127.0.0.1 -p 1-60 -w 5 "
    local after = " & sleep 0.4; kill -INT $!; wait $!"
    local out, err, status = alone(interrupted .. "--json" .. after)
    local human, _, again = alone(interrupted .. "-v" .. after)

    assert.same({ 130, 130 }, { status, again }, err)
    for line in out:gmatch "[^\n]*\n?" do
      if line ~= "" then assert.equal("closed", require("cjson").decode(line).state) end
    end
    assert.equal(60, select(2, out:gsub("\n", "")))
    assert.equal(60, select(2, human:gsub("closed[^\n]*\n", "")))
  end)

  it("asks all ports in a few seconds", function()
    local out, err, status = alone "%s portcheck 127.0.0.1 -p 1-65535"

    assert.same({ "", 1 }, { out, status })
    assert.matches("^65535 closed in %d%.%d s; %-v shows all\n$", err)
  end)

  it("shows how far it is", function()
    local _, err = alone "%s portcheck 10.9.0.2 -p 1-40 -P 10 -w 0.2 --progress always"

    assert.matches("portcheck %d+/40  0 open  %d+/s  %d s left", err)
    assert.matches("40 filtered in %d+%.%d s\n$", err)
  end)
end)

describe("portcheck at a shell", function()
  it("ends quietly when nobody reads on", function()
    local out, err = netlua.shell(
      "%s portcheck 127.0.0.1 -p 1-65535 --format plain --fields port | head -2 | wc -l")

    assert.equal("2\n", out:gsub(" ", ""))
    assert.equal("", err)
  end)

  it("has a heading on a terminal", function()
    local _, _, missing = netlua.shell "script --version"
    if missing ~= 0 then return pending "no script(1) here" end

    local out = netlua.shell "TERM=dumb script -qec '%s portcheck 127.0.0.1:1 127.0.0.1:2 -q' /dev/null"

    assert.truthy(out:find "^HOST +PORT +STATE +MS +SERVICE\r\n127%.0%.0%.1 ")
  end)
end)
