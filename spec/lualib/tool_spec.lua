local host = require "net.core.host"
local netlua = require "netlua"
local tool = require "net.tool"

-- A copy of the tree in which scripts/hostname.lua is another tool: the program reads it from there.
local function withtool(source, words)
  local dir = os.tmpname()
  os.remove(dir)
  os.execute(("mkdir -p %s/scripts && cp -r lualib %s/"):format(dir, dir))
  local file <close> = assert(io.open(dir .. "/scripts/hostname.lua", "wb"))
  file:write(source)
  file:close()
  local out, err, status = netlua.shell(("NETLUA_PATH=%s %%s hostname %s"):format(dir, words))
  os.execute("rm -rf " .. dir)
  return out, err, status
end

local ECHO = [[
return {
  summary = "Says words.", common = { "time", "targets" },
  options = function(parser) parser:argument("WORD"):args "*":target "targets" end,
  columns = { "word", "length" },
  run = function(args, out)
    return out:each(args.targets, function(word)
      if word == "no" then return nil, select(2, net.gethostbyname "10.0.0.256") end
      if word == "interrupt" then io.popen("kill -INT $PPID"):close() net.sleep(5) end
      if word == "raise" then error "oops" end
      if word == "wait" then local _, err = net.sleep(5) return nil, err end
      return { word = word, length = #word }
    end)
  end,
}
]]

local function echo(words)
  return withtool(ECHO, words)
end

describe("a converter", function()
  local cases = {
    { "duration", { ["5"] = 5, ["0.3"] = 0.3, ["300ms"] = 0.3, ["2m"] = 120, ["1h"] = 3600, ["0"] = 0 },
      { "", "5x", "-1", "=5", "1e3", "ms", ".", "1.2.3", "5 ", "9" .. ("9"):rep(400), "0x5", "nan", "inf" } },
    { "size", { ["0"] = 0, ["512"] = 512, ["64k"] = 65536, ["10M"] = 10485760, ["1G"] = 1073741824 },
      { "", "1.5k", "k", "-1", "64kb", "99999999999999999999", "9007199254740993", "10000000T" } },
    { "port", { ["1"] = 1, ["443"] = 443, ["65535"] = 65535, https = 443 },
      { "", "0", "65536", "-1", "1.0", "0x50", "80 ", "nosuchservice", "000080", "a b", "http\0" } },
    { "listenport", { ["0"] = 0, ["8080"] = 8080 }, { "65536", "" } },
    { "address", { ["192.0.2.1"] = "192.0.2.1", ["::1"] = "::1", ["fe80::1%lo"] = "fe80::1%lo" },
      { "", "10.0.0.256", "localhost", "10.0.0.0/8", "127.1" } },
  }

  for _, case in ipairs(cases) do
    local name, good, bad = table.unpack(case)

    it("reads every form of a " .. name, function()
      for word, value in pairs(good) do assert.equal(value, (tool[name](word)), word) end
    end)

    it("refuses what is no " .. name .. ", and says the word and the form", function()
      for _, word in ipairs(bad) do
        local value, message = tool[name](word)

        assert.is_nil(value, word)
        assert.truthy(message:find("^bad %l+ \".*\": use "), message)
        assert.is_nil(message:find "%z")
      end
    end)
  end

  it("says of a value that begins with = that it needs a blank", function()
    local _, message = tool.duration "=5"

    assert.equal('bad duration "=5": use 5, 300ms, 2m, with a blank instead of "="', message)
  end)

  it("reads lists and ranges of ports, each port once", function()
    assert.same({ 80, 22, 8000, 8001, 443 }, (tool.ports "80,22,8000-8001,https,80"))
    assert.equal(65535, #tool.ports "1-65535")
    for _, word in ipairs { "", ",", "80,", "10-5", "0-5", "80-", "a-b", "1-65536" } do
      assert.is_nil((tool.ports(word)), word)
    end
  end)

  it("reads numbers within bounds only", function()
    local number = tool.integer(-1, 255)
    assert.equal(-1, number "-1")
    assert.equal(255, number "255")
    for _, word in ipairs { "256", "-2", "1.0", "", "0x1", "99999999999999999999" } do
      assert.is_nil((number(word)), word)
    end
  end)

  it("tells hosts, ports, URLs and unix paths apart", function()
    local targets = {
      localhost = { kind = "host", host = "localhost" },
      ["localhost:https"] = { kind = "host", host = "localhost", port = 443 },
      ["10.0.0.1:80"] = { kind = "host", host = "10.0.0.1", port = 80 },
      ["::1"] = { kind = "host", host = "::1" },
      ["fe80::1%lo"] = { kind = "host", host = "fe80::1%lo" },
      ["[::1]"] = { kind = "host", host = "::1" },
      ["[fe80::1%lo]:80"] = { kind = "host", host = "fe80::1%lo", port = 80 },
      ["http://example.com/"] = { kind = "url" },
      ["unix:/tmp/s"] = { kind = "unix", path = "/tmp/s" },
    }
    for word, expected in pairs(targets) do
      expected.text = word
      assert.same(expected, (tool.target(word)))
    end
  end)

  it("refuses targets that are none", function()
    local words = { "", "a b", "a:0", "a:65536", "[::1", "[::1]80", "[::1]:", ":80", "a/b", "1:2:3", "[]:80",
      "a\n", "unix:", "[localhost]:80" }
    for _, word in ipairs(words) do
      local target, message = tool.target(word)
      assert.is_nil(target, word)
      assert.truthy(message:find "^bad target ")
    end
  end)
end)

describe("the exit status of an error", function()
  local cases = {
    { 6, "dns", "EAI_NONAME" }, { 7, "refused", "ECONNREFUSED" },
    { 7, "unreachable", "ENETUNREACH" }, { 28, "timeout", "TIMEOUT" },
    { 7, "reset", "ECONNRESET", "connect" },
    { 56, "reset", "ECONNRESET", "recv" },
    { 55, "reset", "ECONNRESET", "write" }, { 55, "closed", "EPIPE", "send" },
    { 56, "closed", "EOF", "read" },
    { 5, "proxy", "SOCKS_PROTOCOL" }, { 67, "auth", "AUTH" }, { 35, "tls", "TLS_HANDSHAKE" },
    { 60, "tls", "TLS_VERIFY" }, { 56, "protocol", "EPROTO", "recv" }, { 1, "permission", "EACCES" },
    { 1, "inuse", "EADDRINUSE" }, { 1, "address", "EINVAL" }, { 1, "limit", "EMFILE" }, { 1, "busy", "BUSY" },
    { 130, "canceled", "CANCELED" }, { 1, "new", "NEW" },
  }

  for _, case in ipairs(cases) do
    it(("is %d for %s while %s"):format(case[1], case[3], case[4] or "asking"), function()
      assert.equal(case[1], tool.statusof { kind = case[2], code = case[3], op = case[4] or "x" })
    end)
  end
end)

describe("the parser of a tool", function()
  for _, name in ipairs(host.tools()) do
    local spec = tool.load(name)

    it(("of %s has a summary, and its letters and names do not clash"):format(name), function()
      assert.equal("string", type(spec.summary))
      if not spec.options then return end
      local parser = tool.parser(name, spec)
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
      local parser = tool.parser(name, spec)
      for _, part in ipairs { parser, table.unpack(parser._commands) } do
        for line in part:get_help():gmatch "[^\n]+" do
          assert.is_nil(line:find "[^\x20-\x7e]")
          assert.truthy(#line <= 100, line)
        end
      end
    end)
  end
end)

describe("a tool", function()
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
    local out, _, status = echo "-- -h --json"

    assert.equal(0, status)
    assert.equal("-h      2\n--json  6\n", out)
  end)

  it("answers a wrong command line with one line, where help is, and 2", function()
    local cases = {
      ["--jsn"] = "unknown option '--jsn'. Did you mean '--json'?",
      ["-x"] = "unknown option '-x'",
      ["-w 5x"] = 'bad duration "5x": use 5, 300ms, 2m',
      ["''"] = "empty word",
      ["--format xml"] = "argument for option '--format' must be one of 'human', 'plain', 'json', "
        .. "'json-pretty', 'csv'",
      ["-j --format csv"] = "--json and --format contradict each other",
      ["--fields a,,b"] = 'bad fields "a,,b": use target,ms',
      ["-P 0"] = 'bad number "0": use 1 to 10000',
      ["-f /nonexistent/x"] = "cannot read /nonexistent/x: No such file or directory",
    }
    for words, message in pairs(cases) do
      local out, err, status = netlua.shell("%s hostname " .. words)

      assert.equal(("netlua hostname: %s\ntry: netlua hostname --help\n"):format(message), err)
      assert.equal("", out)
      assert.equal(2, status)
    end
  end)

  it("escapes what a message repeats", function()
    local _, err = netlua.shell "%s hostname \"$(printf -- '--\\033[2J')\""

    assert.truthy(err:find("unknown option '--\\x1b[2J'", 1, true))
  end)

  it("ends with 3 and a traceback when it raises", function()
    local _, err, status = echo "raise"

    assert.equal(3, status)
    assert.truthy(err:find "oops")
    assert.truthy(err:find "stack traceback")
  end)

  it("has the status of its one target, and 0 or 1 for several", function()
    for words, expected in pairs { a = 0, no = 6, ["a no"] = 1, ["no no"] = 1, ["a b"] = 0 } do
      local _, _, status = echo(words)
      assert.equal(expected, status, words)
    end
  end)

  it("aligns its columns by the width of what is shown", function()
    local out = echo "a '\u{6f22}\u{5b57}' ccc"

    assert.equal("a     1\n\u{6f22}\u{5b57}  6\nccc   3\n", out)
  end)

  it("says failures and what to do on standard error, less with -q", function()
    local out, err = echo "no a"
    local _, quiet = echo "-q no a"

    assert.equal("a  1\n", out)
    assert.truthy(err:find("netlua hostname: no: name does not exist (EAI_NONAME)\n  ", 1, true))
    assert.equal("netlua hostname: no: name does not exist (EAI_NONAME)\n", quiet)
  end)

  it("writes a record per line with --json, failures too", function()
    local out, err, status = echo "--json a no"
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
    local out, err = echo "--json --fields length,bogus a"

    assert.truthy(out:find '^{"v":1,"tool":"hostname","ts":"[^"]+","target":"a","ok":true,"length":1}\n$')
    assert.equal('no record has a field "bogus"\n', err)
    assert.equal("1  a\n", (echo "--fields length,word a"))
  end)

  it("writes plain and csv forms", function()
    assert.equal("a\t1\nb\\t\t2\n", (echo "--format plain a \"$(printf 'b\\t')\""))
    assert.equal('word,length\r\n"a,b",3\r\n"c""",2\r\n', (echo "--format csv a,b 'c\"'"))
  end)

  it("escapes what could steer a terminal", function()
    local out = echo "\"$(printf 'a\\033[31m\\302\\233x\\342\\200\\256\\377\\177')\""

    assert.equal("a\\x1b[31m\\u{9b}x\\u{202e}\\xff\\x7f  14\n", out)
  end)

  it("colors on request, and where it may", function()
    local _, plain = echo "no"
    local _, colored = echo "--color always no"

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

  it("reads targets from a file and from standard input, where - is given", function()
    local list = os.tmpname()
    local file <close> = assert(io.open(list, "wb"))
    file:write "# comment\n one \n\ntwo # more\nthr#ee"
    file:close()

    local out = echo("-f " .. list)
    local piped = echo("-f - < " .. list)
    local untouched = echo("zero < " .. list)
    os.remove(list)

    assert.equal("one     3\ntwo     3\nthr#ee  6\n", out)
    assert.equal(out, piped)
    assert.equal("zero  4\n", untouched)
  end)

  it("ends at its deadline with 28", function()
    local began = net.now()
    local out, _, status = echo "--json -P 2 --deadline 0.2 wait wait wait"

    assert.equal(28, status)
    assert.equal(3, select(2, out:gsub('"code":"TIMEOUT"', "")))
    assert.truthy(net.now() - began < 3)
  end)

  it("writes what was finished when it is interrupted, and ends with 130", function()
    local cases = { ["a interrupt"] = "a  1\n", ["--format plain a interrupt"] = "a\t1\n" }
    for words, expected in pairs(cases) do
      local out, _, status = echo(words)

      assert.equal(expected, out)
      assert.equal(130, status)
    end
  end)

  it("ends quietly when nobody reads on", function()
    local out, err = netlua.shell "%s sockopt --json | head -1 | wc -l"

    assert.equal("", err)
    assert.equal("1", out:match "%d+")
  end)

  it("without options reads its words itself", function()
    local out, err, status = withtool([[
return { summary = "old", usage = "WORD",
  run = function(args) print(#args, args[1]) return 4 end }]], "--json x")

    assert.equal("2\t--json\n", out)
    assert.equal("", err)
    assert.equal(4, status)
    assert.equal("usage: netlua hostname WORD\nold\n",
      (withtool("return { summary = 'old', usage = 'WORD', run = error }", "-h")))
  end)
end)
