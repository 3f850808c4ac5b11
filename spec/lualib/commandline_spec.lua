local commandline = require "net.commandline"
local netlua = require "netlua"
local tools = require "tools"

describe("the parser of a tool", function()
  for _, name in ipairs(net.tool.names()) do
    local spec = net.tool.load(name)

    it(("of %s has a summary, and its letters and names do not clash"):format(name), function()
      assert.equal("string", type(spec.summary))
      if not spec.options then return end
      local parser = commandline.parser(name, spec)
      for _, part in ipairs { parser, table.unpack(parser._commands) } do
        local seen = {}
        for _, option in ipairs(part._options) do
          for _, alias in ipairs(option._aliases) do
            assert.is_nil(seen[alias], alias)
            seen[alias] = true
          end
        end
        assert.truthy(seen["-h"] and (seen["-j"] or #part._commands > 0))
      end
    end)

    it(("of %s has help in ASCII of 100 columns, and examples"):format(name), function()
      if not spec.options then return end
      assert.truthy(#spec.examples > 0)
      local parser = commandline.parser(name, spec)
      for _, part in ipairs { parser, table.unpack(parser._commands) } do
        for line in part:get_help():gmatch "[^\n]+" do
          assert.is_nil(line:find "[^\x20-\x7e]")
          assert.truthy(#line <= 100, line)
        end
      end
    end)
  end
end)

describe("a command line", function()
  it("shows its help wherever -h stands, even beside a mistake", function()
    for _, words in ipairs { "--help", "-h", "a --nosuch -h", "-jh" } do
      local out, err, status = netlua.shell("%s hostname " .. words)

      assert.equal(0, status)
      assert.equal("", err)
      assert.truthy(out:find "^Usage: netlua hostname ")
      assert.truthy(out:find("Examples:\n   netlua hostname\n", 1, true))
    end
  end)

  it("does not take words after -- for options", function()
    local out, _, status = tools.echo "-- -h --json"

    assert.equal(0, status)
    assert.equal("-h      2\n--json  6\n", out)
  end)

  it("answers a wrong command line with one line, where help is, and 2", function()
    local cases = {
      ["--jsn"] = "unknown option '--jsn'. Did you mean '--json'?",
      ["-x"] = "unknown option '-x'",
      ["-w 5x"] = 'bad duration "5x": use 5, 300ms, 2m',
      ["''"] = "empty word",
      ["--source="] = "empty value: --source=",
      ["--format xml"] = "argument for option '--format' must be one of 'human', 'plain', 'json', "
        .. "'json-pretty', 'csv'",
      ["-j --format csv"] = "--json and --format contradict each other",
      ["--fields a,,b"] = 'bad fields "a,,b": use target,ms',
      ["-P 0"] = 'bad number "0": use 1 to 10000',
      ["-f /tmp"] = "cannot read /tmp: Is a directory",
      ["-f /nonexistent/x"] = "cannot read /nonexistent/x: No such file or directory",
    }
    for words, message in pairs(cases) do
      local out, err, status = netlua.shell("%s hostname " .. words)

      assert.equal(("netlua hostname: %s\ntry: netlua hostname --help\n"):format(message), err)
      assert.equal("", out)
      assert.equal(2, status)
    end
  end)

  it("refuses a list of targets that is no text, or has a line without end", function()
    local list = os.tmpname()
    local file <close> = assert(io.open(list, "wb"))
    file:write(("one\n%s\n"):format(("a"):rep(70000)))
    file:flush()

    local _, long, longstatus = netlua.shell("%s hostname -f - <" .. list)
    file:write "two\0\n"
    file:flush()
    local _, binary, status = netlua.shell("%s hostname -f " .. list)
    os.remove(list)

    assert.truthy(long:find("netlua hostname: cannot read standard input: a line is too long\n", 1, true))
    assert.equal(2, longstatus)
    assert.truthy(binary:find("netlua hostname: cannot read " .. list .. ": not text\n", 1, true))
    assert.equal(2, status)
  end)

  -- /dev/zero took all the memory there was.
  it("refuses a list of targets that has no end", function()
    local _, err, status = netlua.shell("head -c 70000000 /dev/zero | %s hostname -f /dev/stdin")

    assert.truthy(err:find("netlua hostname: cannot read /dev/stdin: the file is too large\n", 1, true), err)
    assert.equal(2, status)
  end)

  -- Standard input was read until there was no memory left.
  it("refuses that of standard input too", function()
    local words = "yes 192.0.2.123456789abcdefghijklmnopqrstuvwxyz0123456789"
    local _, err, status = netlua.shell(words .. " | %s hostname -f -")

    assert.truthy(err:find("netlua hostname: cannot read standard input: it is too large\n", 1, true), err)
    assert.equal(2, status)
  end)

  it("shows a long word in part", function()
    local word = "a" .. ("b"):rep(100000) .. "c"

    local _, err, status = tools.run("ping", "-c", word)
    local _, late = tools.run("mac", word)

    assert.equal(2, status)
    for _, message in ipairs { err, late } do
      assert.truthy(#message < 500 and message:find "ab+ ?%.%.%.", message)
    end
  end)

  it("reads a file that begins with the mark of UTF-8", function()
    local list = os.tmpname()
    local file <close> = assert(io.open(list, "wb"))
    file:write "\xef\xbb\xbfone\r\ntwo\r\n"
    file:close()

    local out = tools.echo("-f " .. list)
    os.remove(list)

    assert.equal("one  3\ntwo  3\n", out)
  end)

  it("reads targets from a file and from standard input, where - is given", function()
    local list = os.tmpname()
    local file <close> = assert(io.open(list, "wb"))
    file:write "# comment\n one \n\ntwo # more\nthr#ee"
    file:close()

    local out = tools.echo("-f " .. list)
    local piped = tools.echo("-f - < " .. list)
    local untouched = tools.echo("zero < " .. list)
    local _, nothing, empty = netlua.shell "true | %s hostname -f /dev/stdin localhost"
    os.remove(list)

    assert.equal("one     3\ntwo     3\nthr#ee  6\n", out)
    assert.equal(out, piped)
    assert.equal("zero  4\n", untouched)
    assert.equal("", nothing)
    assert.equal(0, empty)
  end)
end)
