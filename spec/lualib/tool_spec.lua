local netlua = require "netlua"
local tool = require "net.tool"
local tools = require "tools"

describe("the exit status of an error", function()
  local cases = {
    { 6, "dns", "EAI_NONAME" }, { 7, "refused", "ECONNREFUSED" },
    { 7, "unreachable", "ENETUNREACH" }, { 28, "timeout", "TIMEOUT" },
    { 7, "reset", "ECONNRESET", "connect" },
    { 56, "reset", "ECONNRESET", "recv" },
    { 55, "reset", "ECONNRESET", "write" }, { 55, "closed", "EPIPE", "send" },
    { 56, "closed", "EOF", "read" },
    { 5, "proxy", "SOCKS_PROTOCOL" }, { 67, "auth", "AUTH" }, { 35, "tls", "TLS_HANDSHAKE" },
    { 60, "tls", "TLS_VERIFY" }, { 60, "tls", "TLS_VERIFY", "handshake" },
    { 35, "tls", "TLS_PLAINTEXT" },
    { 35, "protocol", "STARTTLS_REFUSED" }, { 35, "closed", "EOF", "handshake" },
    { 35, "reset", "ECONNRESET", "handshake" }, { 35, "tls", "TLS_PROTOCOL", "handshake" },
    { 28, "timeout", "TIMEOUT", "handshake" }, { 56, "tls", "TLS_TRUNCATED", "read" },
    { 56, "tls", "TLS_PROTOCOL", "read" }, { 56, "tls", "TLS_ALERT", "recv" },
    { 56, "protocol", "EPROTO", "recv" }, { 1, "permission", "EACCES" },
    { 1, "inuse", "EADDRINUSE" }, { 1, "address", "EINVAL" }, { 1, "limit", "EMFILE" }, { 1, "busy", "BUSY" },
    { 130, "canceled", "CANCELED" }, { 1, "new", "NEW" },
  }

  for _, case in ipairs(cases) do
    it(("is %d for %s while %s"):format(case[1], case[3], case[4] or "asking"), function()
      assert.equal(case[1], tool.statusof { kind = case[2], code = case[3], op = case[4] or "x" })
    end)
  end
end)

describe("a tool", function()
  it("escapes what a message repeats", function()
    local _, err = netlua.shell "%s hostname \"$(printf -- '--\\033[2J')\""

    assert.truthy(err:find("unknown option '--\\x1b[2J'", 1, true))
  end)

  it("ends with 3 and a traceback when it raises", function()
    local _, err, status = tools.echo "raise"

    assert.equal(3, status)
    assert.truthy(err:find "oops")
    assert.truthy(err:find "stack traceback")
  end)

  it("has the status of its one target, and 0 or 1 for several", function()
    for words, expected in pairs { a = 0, no = 6, ["a no"] = 1, ["no no"] = 1, ["a b"] = 0 } do
      local _, _, status = tools.echo(words)
      assert.equal(expected, status, words)
    end
  end)

  it("ends at its deadline with 28", function()
    local began = net.now()
    local out, _, status = tools.echo "--json -P 2 --deadline 0.2 wait wait wait"

    assert.equal(28, status)
    assert.equal(3, select(2, out:gsub('"code":"TIMEOUT"', "")))
    assert.truthy(net.now() - began < 20)
  end)

  -- Another process had made the pipe non-blocking: what did not fit at once was lost, and the status was 1.
  it("waits for the readers of rows and hints where a write would not", function()
    local refusing = '%s -e "net.fromfd(3)" 3>&1; '
    local words, slow = "%s inet 10.0.0.0/21 --hosts --json; echo $?", "| dd bs=1 2>/dev/null "
    local wrong = "%s gai $(yes 10.0.0.256 | head -n 1500) 2>&1 >/dev/null; echo $?"

    local rows = netlua.shell(("(%s%s) %s| cut -d, -f2,4 | cksum"):format(refusing, words, slow))
    local hints = netlua.shell(("(%s%s) %s| cksum"):format(refusing, wrong, slow))

    assert.equal(netlua.shell(("(%s) | cut -d, -f2,4 | cksum"):format(words)), rows)
    assert.equal(netlua.shell(("(%s) | cksum"):format(wrong)), hints)
  end)

  it("that waits so is ended by a signal", function()
    local dir = os.tmpname()
    os.remove(dir)
    local program = netlua.program:gsub("^%.", "$OLDPWD")
    local out = netlua.shell(("mkdir %s && cd %s; netlua=%s; "):format(dir, dir, program)
      .. '($netlua -e "net.fromfd(3)" 3>&1; $netlua inet 10.0.0.0/16 --hosts & echo $! >pid; wait $!; '
      .. "echo $? >status) 2>/dev/null "
      .. "| (read line; kill $(cat pid); while [ ! -s status ]; do sleep 0.05; done; cat status)")
    os.execute("rm -r " .. dir)

    assert.equal("143\n", out)
  end)

  it("without options reads its words itself", function()
    local out, err, status = tools.with([[
return { summary = "old", usage = "WORD",
  run = function(args) print(#args, args[1]) return 4 end }]], "--json x")

    assert.equal("2\t--json\n", out)
    assert.equal("", err)
    assert.equal(4, status)
    assert.equal("usage: netlua hostname WORD\nold\n",
      (tools.with("return { summary = 'old', usage = 'WORD', run = error }", "-h")))
  end)

  it("is called from a script, by its name or as a table", function()
    local words = { "10.0.0.0/8", "--format", "plain", "--fields", "hosts" }
    local status, results, hints = tool.call("inet", words)

    assert.equal(0, status)
    assert.equal("16777214\n", results)
    assert.equal("", hints)
    assert.equal(4, (tool.call({ run = function() return 4 end }, {})))
    assert.equal(2, (tool.call("inet", { "--nosuch" })))
    assert.error(function() tool.call("nosuch", {}) end,
      "bad argument #1 to 'call' (name of a tool expected, got \"nosuch\")")
  end)

  it("of a script is run as those of the program are, under a name of its own", function()
    local script = [[
      net.tool.run({
        name = "ports.lua", columns = { "target", "port" },
        options = function(parser) parser:argument("PORT"):target "port":convert(net.tool.port) end,
        run = function(args, out) out:record { target = "x", port = args.port } return 4 end,
      }, ...)]]

    local out, err, status = netlua.run(script, "80")
    assert.equal("x  80\n", out)
    assert.equal("", err)
    assert.equal(4, status)
    out, err, status = netlua.run(script, "80", "--json")
    assert.matches('"tool":"ports.lua"', out, 1, true)
    assert.equal("", err)
    assert.equal(4, status)
    out, err, status = netlua.run(script)
    assert.equal("", out)
    assert.equal("netlua ports.lua: missing argument 'PORT'\ntry: netlua ports.lua --help\n", err)
    assert.equal(2, status)
    assert.error(function() tool.run { name = 5, run = print } end,
      "bad argument #1 to 'run' (option \"name\": string expected, got 5)")
  end)

  it("of a script tidies up when it is interrupted or ended, without a traceback", function()
    -- SIGTERM left the file of -o as it had been, and ^C showed a traceback of the library.
    local script = [[
      local signal = table.remove(arg, 1)
      net.tool.run({ name = "slow.lua", columns = { "target" }, run = function(_, out)
        out:record { target = "a" }
        io.popen("kill -" .. signal .. " $PPID"):close()
        net.sleep(60)
      end }, table.unpack(arg))]]

    for name, number in pairs { INT = 2, TERM = 15, HUP = 1 } do
      local file = os.tmpname()
      local _, err, status = netlua.run(script, name, "-o", file)
      local results <close> = assert(io.open(file))
      os.remove(file)

      assert.equal("a\n", results:read "a")
      assert.not_matches("traceback", err)
      assert.equal(128 + number, status)
    end
  end)

  it("run by a script gives it its status, unless that fails or a prompt follows", function()
    -- The status was that of the script alone: 0, whatever the tool had said.
    local closed = 'net.tool.run("portcheck", "127.0.0.1:1", "-q")\n'
    local fine = 'net.tool.run("inet", "10.0.0.1", "-o", "/dev/null")\n'

    for code, expected in pairs {
      [closed] = 1, [fine] = 0, [closed .. fine] = 0, [fine .. closed] = 1, ["net.spawn(function() "
        .. closed .. "end)"] = 1, [closed .. "os.exit(5)"] = 5, [fine .. "error 'oops'"] = 1,
    } do
      assert.equal(expected, select(3, netlua.run(code)), code)
    end
    assert.equal(0, select(3, netlua.shell("printf '%%s' '" .. closed .. "' | %s -i")))
  end)

  it("leaves the words of a call as they were", function()
    local words = { "::1", "--json" }

    tool.call("inet", words)

    assert.same({ "::1", "--json" }, words)
  end)
end)
