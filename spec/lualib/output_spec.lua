local netlua = require "netlua"
local tools = require "tools"

describe("the output of a tool", function()
  it("aligns its columns by the width of what is shown", function()
    local out = tools.echo "a '\u{6f22}\u{5b57}' ccc"

    assert.equal("a     1\n\u{6f22}\u{5b57}  6\nccc   3\n", out)
  end)

  it("says failures and what to do on standard error, less with -q", function()
    local out, err = tools.echo "no a"
    local _, quiet = tools.echo "-q no a"

    assert.equal("a  1\n", out)
    assert.truthy(err:find("netlua hostname: no: name does not exist (EAI_NONAME)\n  ", 1, true))
    assert.equal("netlua hostname: no: name does not exist (EAI_NONAME)\n", quiet)
  end)

  it("names the port of a failure, where the target has none", function()
    local _, err = net.is_port_open("127.0.0.1", 1)
    local function said(target)
      local run = function(_, out) return out:fail(target, err) end
      return select(3, net.tool.call({ run = run }, { "-q" }))
    end

    assert.equal("netlua tool: 127.0.0.1: connect 127.0.0.1:1: connection refused (ECONNREFUSED)\n",
      said "127.0.0.1")
    assert.equal("netlua tool: 127.0.0.1:1: connection refused (ECONNREFUSED)\n", said "127.0.0.1:1")
  end)

  it("writes a record per line with --json, failures too", function()
    local out, err, status = tools.echo "--json a no"
    local lines = {}
    for line in out:gmatch "[^\n]+" do lines[#lines + 1] = line end

    assert.equal("", err)
    assert.equal(1, status)
    assert.equal(2, #lines)
    assert.truthy(lines[1]:find('^{"v":1,"tool":"hostname","ts":"%d+%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ",'
      .. '"target":"a","ok":true,"ms":[%d.e-]+,"word":"a","length":1}$'))
    local failure = require "cjson".decode(lines[2])
    assert.is_false(failure.ok)
    assert.equal("no", failure.target)
    assert.equal("dns", failure.error.kind)
    assert.equal("EAI_NONAME", failure.error.code)
    assert.equal("gethostbyname", failure.error.op)
    assert.equal("name does not exist", failure.error.message)
  end)

  it("keeps to --fields, and tells of one that no record has", function()
    local out, err = tools.echo "--json --fields length,bogus a"

    assert.truthy(out:find '^{"v":1,"tool":"hostname","ts":"[^"]+","target":"a","ok":true,"length":1}\n$')
    assert.equal('no record has a field "bogus"\n', err)
    assert.equal("1  a\n", (tools.echo "--fields length,word a"))
  end)

  it("names the columns of csv although there are no rows, but not after wrong usage", function()
    local spec = { columns = { "a", "b" }, run = function() return 1 end }
    local wrong = { columns = { "a" }, run = function(_, out) return out:usage "one word too many" end }

    assert.equal("a,b\r\n", (select(2, net.tool.call(spec, { "--format", "csv" }))))
    assert.equal("b\r\n", (select(2, net.tool.call(spec, { "--format", "csv", "--fields", "b" }))))
    assert.equal("", (select(2, net.tool.call(spec, { "--format", "plain" }))))
    assert.equal("", (select(2, net.tool.call(wrong, { "--format", "csv" }))))
  end)

  it("has no NaN and no infinity in any form", function()
    local spec = { columns = { "a", "b", "c", "d" }, run = function(_, out)
      out:record { a = 0 / 0, b = 1 / 0, c = -1 / 0, d = 0.5 }
    end }

    assert.equal("a,b,c,d\r\n,,,0.5\r\n", (select(2, net.tool.call(spec, { "--format", "csv" }))))
    assert.equal("\t\t\t0.5\n", (select(2, net.tool.call(spec, { "--format", "plain" }))))
    assert.matches('"a":null,"b":null,"c":null,"d":0.5', (select(2, net.tool.call(spec, { "--json" }))))
  end)

  it("writes a row of csv also where its only value is empty", function()
    local spec = { columns = { "a" }, run = function(_, out) out:record {} end }

    assert.equal('a\r\n""\r\n', (select(2, net.tool.call(spec, { "--format", "csv" }))))
  end)

  it("writes plain and csv forms", function()
    assert.equal("a\t1\nb\\t\t2\n", (tools.echo "--format plain a \"$(printf 'b\\t')\""))
    assert.equal('word,length\r\n"a,b",3\r\n"c""",2\r\n', (tools.echo "--format csv a,b 'c\"'"))
  end)

  it("shows values that say themselves in words, and their fields in records", function()
    local meta = { __tostring = function(value) return value.a .. "/" .. value.b .. "\27" end }
    local spec = { columns = { "pairs" }, run = function(_, out)
      out:record { pairs = { setmetatable({ a = 1, b = 2 }, meta), setmetatable({ a = 3, b = 4 }, meta) } }
    end }

    local _, plain = net.tool.call(spec, { "--format", "plain" })
    local _, json = net.tool.call(spec, { "--json" })

    assert.equal("1/2\\x1b 3/4\\x1b\n", plain)
    assert.truthy(json:find('"pairs":[{"a":1,"b":2},{"a":3,"b":4}]', 1, true))
  end)

  it("escapes what could steer a terminal", function()
    local out = tools.echo "\"$(printf 'a\\033[31m\\302\\233x\\342\\200\\256\\377\\177')\""

    assert.equal("a\\x1b[31m\\u{9b}x\\u{202e}\\xff\\x7f  14\n", out)
  end)

  it("takes no longer for many blanks than for other bytes", function()
    local began, many = os.clock(), (" "):rep(60000) .. "x"
    local function run(_, out)
      out:record { word = many, length = 1 }
      out:record { word = "", length = 2 }
    end

    local _, rows = net.tool.call({ columns = { "word", "length" }, run = run }, {})

    assert.equal(many .. "  1\n" .. (" "):rep(60003) .. "2\n", rows)
    assert.is_true(os.clock() - began < 2)
  end)

  it("colors on request, and where it may", function()
    local _, plain = tools.echo "no"
    local _, colored = tools.echo "--color always no"

    assert.is_nil(plain:find "\27")
    assert.truthy(colored:find "\27%[2m")
    for setting, expected in pairs { FORCE_COLOR = true, NO_COLOR = false } do
      local _, err = netlua.shell(setting .. "=1 %s hostname nosuch.invalid")
      assert.equal(expected, err:find "\27" ~= nil)
    end
  end)

  it("shows a heading, and color, on a terminal only", function()
    local _, _, missing = netlua.shell "script --version"
    if missing ~= 0 then return pending "no script(1) here" end

    local out = netlua.shell "TERM=xterm script -qec '%s gai 127.0.0.1 80 --fields family,port' /dev/null"
    local dumb = netlua.shell "TERM=dumb script -qec '%s gai 127.0.0.1 80 --fields family,port' /dev/null"

    assert.truthy(out:find("\27[2mFAMILY  PORT\27[0m\r\ninet    80\r\n", 1, true))
    assert.truthy(dumb:find("FAMILY  PORT\r\ninet    80\r\n", 1, true))
    assert.is_nil(dumb:find "\27")
  end)

  it("writes what was finished when it is interrupted, and ends with 130", function()
    local cases = { ["a interrupt"] = "a  1\n", ["--format plain a interrupt"] = "a\t1\n" }
    for words, expected in pairs(cases) do
      local out, err, status = tools.echo(words)

      assert.equal(expected, out)
      assert.equal("", err)
      assert.equal(130, status)
    end
  end)

  it("keeps the mode of the file of --output", function()
    local out = netlua.shell [[
      file=$(mktemp); chmod 640 $file; umask 022; %s inet ::1 -o $file; stat -c %a $file; rm $file
      %s inet ::1 -o $file; stat -c %a $file; rm $file]]

    assert.equal("640\n644\n", out)
  end)

  -- Left the file of --output as it was, and an empty one beside it: `timeout 60 netlua ... -o FILE`.
  it("ends by SIGTERM when it has written what was finished", function()
    local file = os.tmpname()
    local _, _, status = tools.echo("--output " .. file .. " a terminate")
    local lines = netlua.shell(("cat %s; ls %s*"):format(file, file))
    os.remove(file)

    assert.equal("a  1\n" .. file .. "\n", lines)
    assert.equal(128 + 15, status)
  end)

  it("sums up what was finished when it is interrupted", function()
    for _, word in ipairs { "interrupt", "terminate" } do
      local out, err = tools.echo("--json --summary a " .. word)
      local _, hint = tools.echo("--summary a " .. word)

      assert.truthy(out:find '"summary":{"failed":0,"ms":[%d.]+,"ok":1}}\n$', out .. err)
      assert.truthy(hint:find "^1 ok, 0 failed, %d+ ms\n", hint)
    end
  end)

  it("ends quietly when nobody reads on", function()
    local out, err = netlua.shell "%s sockopt --json | head -1 | wc -l"

    assert.equal("", err)
    assert.equal("1", out:match "%d+")
  end)

  it("goes to a file with --output, whole at the end, and to a device as it is", function()
    local file = os.tmpname()
    local slow = { run = function(_, out)
      out:record { target = "a" }
      out:flush()
      local before <close> = io.open(file)
      return out:record { target = before:read "a" }
    end }
    assert(io.open(file, "wb")):write("old"):close()

    local status, results = net.tool.call(slow, { "--json", "--output", file })
    local after <close> = io.open(file)
    local lines = after:read "a"
    local device = net.tool.call(slow, { "--output", "/dev/null" })
    os.remove(file)

    assert.equal(0, status)
    assert.equal("", results)
    assert.truthy(lines:find '"target":"a".*\n.*"target":"old".*\n$')
    assert.equal(0, device)
    assert.equal("other", require("net.core.host").filetype "/dev/null")
  end)

  it("that does not fit into its file is a failure, and leaves the old one", function()
    local device, _, hints = net.tool.call("inet", { "::1", "--output", "/dev/full" })
    local file = os.tmpname()
    assert(io.open(file, "wb")):write("old"):close()
    local words = "--hosts 10.0.0.0/20 --json --output FILE; echo $?; cat FILE; ls FILE.*"
    local out, err = netlua.shell("trap '' XFSZ; ulimit -f 64; %s inet " .. words:gsub("FILE", file))
    os.remove(file)

    assert.equal(1, device)
    assert.equal("netlua inet: cannot write /dev/full: No space left on device\n", hints)
    assert.equal("1\nold", out)
    assert.truthy(err:find("netlua inet: cannot write " .. file .. ": File too large\n", 1, true))
  end)

  -- A mistyped word cost the results of the last run.
  it("leaves the old file where the words are wrong", function()
    local file = os.tmpname()
    assert(io.open(file, "wb")):write("old"):close()

    local out, _, status = netlua.shell(("%%s inet 10.0.0.256 -o %s; echo $?; ls %s*; cat %s")
      :format(file, file, file))
    os.remove(file)

    assert.equal(("2\n%s\nold"):format(file), out)
    assert.equal(0, status)
  end)

  -- What had the status 2 without a word of usage was taken for that, and lost.
  it("is in the file whatever the status says", function()
    local file = os.tmpname()
    local status = net.tool.call({ run = function(_, out)
      return out:each({ "one" }, function() return { value = 1 }, 2 end)
    end, columns = { "value" } }, { "-o", file, "--format", "plain" })
    local handle <close> = assert(io.open(file))
    os.remove(file)

    assert.equal(2, status)
    assert.equal("1\n", handle:read "a")
  end)

  it("that has no place to go is a usage error", function()
    local _, err, status = tools.run("inet", "::1", "-o", "/nonexistent/file")

    assert.equal(2, status)
    assert.truthy(err:find("cannot write /nonexistent/file", 1, true))
  end)

  it("ends with a record that sums up, on request", function()
    local spec = { run = function(_, out)
      out:record { target = "a" }
      return out:fail("b", select(2, net.inet_pton("inet", "x")))
    end }

    local _, plain = net.tool.call(spec, { "--json" })
    local _, results = net.tool.call(spec, { "--json", "--summary" })
    local _, _, hints = net.tool.call(spec, { "-q", "--summary" })
    local _, _, shown = net.tool.call(spec, { "--summary" })

    assert.is_nil(plain:find "summary")
    local last = require "cjson".decode(results:match "([^\n]+)\n$")
    assert.same({ 1, "tool", 1, 1 }, { last.v, last.tool, last.summary.ok, last.summary.failed })
    assert.is_nil(hints:find "1 ok")
    assert.truthy(shown:find "1 ok, 1 failed, %d+ ms\n$")
  end)

  it("shows progress on request only where there is no terminal, and erases it", function()
    local spec = { columns = { "target" }, run = function(_, out)
      out:progress(1, 2, "a\27b")
      out:record { target = "x" }
    end }

    local _, _, quiet = net.tool.call(spec, {})
    local _, results, hints = net.tool.call(spec, { "--progress", "always" })

    assert.equal("", quiet)
    assert.equal("x\n", results)
    assert.equal("tool 1/2  a\\x1bb\r\27[K", hints)
  end)

  it("reports what a target raised, and cancels the others", function()
    local others = 0
    local spec = { run = function(_, out)
      return out:each({ 1, 2, 3 }, function(n)
        if n == 2 then error "oops" end
        net.sleep(10)
        others = others + 1
        return {}
      end)
    end }

    local ok, err = pcall(net.tool.call, spec, {})

    assert.is_false(ok)
    assert.truthy(tostring(err):find "oops")
    assert.equal(0, others)
  end)

  it("of many targets does so many at a time as -P says", function()
    local running, most = 0, 0
    local spec = { common = { "parallel" }, run = function(_, out)
      local list = {}
      for i = 1, 50 do list[i] = i end
      return out:each(list, function()
        running = running + 1
        most = math.max(most, running)
        net.sleep(0)
        running = running - 1
        return {}
      end)
    end }

    local status = net.tool.call(spec, { "--json", "-P", "7" })

    assert.equal(0, status)
    assert.equal(7, most)
  end)
end)
