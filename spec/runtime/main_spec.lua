-- The command line, by child processes.

local lfs = require "lfs"
local netlua = require "netlua"

local folder

local function path(name)
  return folder .. "/" .. name
end

local function write(name, text)
  local file <close> = assert(io.open(path(name), "wb"))
  file:write(text)
  return path(name)
end

local function sh(command, ...)
  return netlua.shell(command:format(...):gsub("NETLUA%f[^%w_]", "%%s"):gsub("DIR", folder), 10)
end

-- The program begins its messages with its own name.
local function message(err)
  return (err:gsub("^[^\n]-netlua: ", "", 1):match "^[^\n]*")
end

local function lines(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do list[#list + 1] = line end
  return list
end

setup(function()
  folder = os.tmpname()
  os.remove(folder)
  assert(lfs.mkdir(folder))
end)

teardown(function()
  os.execute("rm -rf " .. folder)
end)

describe("the options", function()
  local cases = {
    { "-e 'print(1)'", "1" },
    { "-e'print(1)'", "1" },
    { "-e 'x = 1' -e 'print(x)'", "1" },
    { "-e ''", nil },
    { "-l lfs -e 'print(type(lfs))'", "table" },
    { "-llfs -e 'print(type(lfs))'", "table" },
    { "-l j=cjson -e 'print(type(j), cjson)'", "table\tnil" },
    { "-e 'print(1)' -l lfs -e 'print(type(lfs))'", "1 table" },
    { "-e 'print(arg[0])' -- DIR/args.lua a", "DIR/args.lua DIR/args.lua a" },
    { "-- DIR/args.lua -e", "DIR/args.lua -e" },
    { "DIR/args.lua -v", "DIR/args.lua -v" },
    { "-W DIR/warn.lua 2>&1", "Lua warning: careful" },
    { "DIR/warn.lua 2>&1", nil },
    { "-E -W -e 'warn \"x\"' 2>&1", "Lua warning: x" },
    { "-", "stdin" },
    { "- a b", "stdin a b" },
    { "-e 'x = 1' -", "stdin" },
    { "-i -e 'x = 1' 2>/dev/null", "stdin" },
    { "", "stdin" },
  }
  for _, case in ipairs(cases) do
    it(("run `netlua %s`"):format(case[1]), function()
      write("args.lua", "io.write(table.concat({ arg[0], ... }, ' '), '\\n')")
      write("warn.lua", "warn 'careful'")

      local input = [[printf "print(table.concat({ 'stdin', ... }, ' '))"]]
      local out, err, status = sh(input .. " | NETLUA " .. case[1])

      assert.equal("", err)
      assert.same(case[2] and case[2]:gsub("DIR", folder) or "", table.concat(lines(out), " "))
      assert.equal(0, status)
    end)
  end

  for _, case in ipairs { { "-e", "-e" }, { "-l", "-l" }, { "-e -v", "-e" }, { "-x", "-x" }, { "-vi", "-vi" },
    { "--verbose", "--verbose" }, { "-e ok -z", "-z" } } do
    it(("answer `netlua %s` with the word and how to use it"):format(case[1]), function()
      local out, err, status = sh("NETLUA %s", case[1])

      assert.equal("", out)
      assert.matches("'" .. case[2] .. "'", message(err), 1, true)
      assert.matches("\nusage: netlua ", err, 1, true)
      assert.equal(2, status)
    end)
  end

  for _, words in ipairs { "--help", "-h", "--help nosuch", "-i -h" } do
    it(("show how to use the program, and its tools, for %s"):format(words), function()
      local out, err, status = sh("LUA_INIT='print(1)' NETLUA %s", words)

      local shown = lines(out)
      assert.equal("", err)
      assert.matches("^usage: netlua ", shown[1])
      assert.matches("\n  gai       What getaddrinfo answers.\n", out, 1, true)
      assert.matches("^  trace     The routers", shown[#shown])
      assert.equal(0, status)
    end)
  end

  it("show the version and go on only if there is something to run", function()
    local out, _, status = sh "NETLUA --version && NETLUA -v -e 'print(2)'"

    local shown = lines(out)
    assert.equal(3, #shown)
    assert.matches("^netlua %d+%.%d+%.%d+  Lua 5%.4", shown[1])
    assert.equal("2", shown[3])
    assert.equal(0, status)
  end)

  it("stop at the first -e that fails", function()
    local out, err, status = sh "NETLUA -e 'error \"one\"' -e 'print(2)'"

    assert.equal("", out)
    assert.equal("(command line):1: one", message(err))
    assert.equal(1, status)
  end)

  it("say so when a library is not there", function()
    local _, err, status = sh "NETLUA -l no.such.module -e 'print(1)'"

    assert.matches("module 'no.such.module' not found", message(err), 1, true)
    assert.equal(1, status)
  end)
end)

describe("a script", function()
  it("finds its words in arg, the program and its options before them", function()
    local name = write("neg.lua", "for i = -4, 3 do print(i, arg[i]) end print(#arg, select('#', ...), ...)")

    local out = sh("NETLUA -e '' %s 'a b' ''", name)

    local shown = lines(out)
    assert.equal("-4\tnil", shown[1])
    assert.equal("-3\t" .. netlua.program, shown[2])
    assert.equal("-2\t-e", shown[3])
    assert.equal("-1\t", shown[4])
    assert.equal("0\t" .. name, shown[5])
    assert.equal("1\ta b", shown[6])
    assert.equal("2\t", shown[7])
    assert.equal("3\tnil", shown[8])
    assert.equal("2\t2\ta b\t", shown[9])
  end)

  it("may have very many arguments", function()
    local name = write("many.lua", "print(select('#', ...), #arg, (select(-1, ...)))")

    local out, err, status = sh("seq 1 20000 | xargs -n 20000 NETLUA %s", name)

    assert.equal("", err)
    assert.equal("20000\t20000\t20000\n", out)
    assert.equal(0, status)
  end)

  for name, text in pairs {
    ["may begin with a #! line"] = "#!/usr/bin/env netlua\nprint('ran', debug.getinfo(1, 'l').currentline)",
    ["may begin with a byte order mark"] = "\xef\xbb\xbf\nprint('ran', debug.getinfo(1, 'l').currentline)",
    ["may begin with a byte order mark and a #! line"] =
      "\xef\xbb\xbf#!x\nprint('ran', debug.getinfo(1, 'l').currentline)",
    ["may end its lines with CR LF"] = "\r\nprint('ran', debug.getinfo(1, 'l').currentline)\r\n",
  } do
    it(name, function()
      local out, err, status = netlua.run(text)

      assert.equal("", err)
      assert.equal("ran\t2\n", out)
      assert.equal(0, status)
    end)
  end

  it("may be empty", function()
    for _, text in ipairs { "", "#", "#!/usr/bin/netlua", "\xef\xbb\xbf", "\n" } do
      local out, err, status = netlua.run(text)

      assert.same({ "", "", 0 }, { out, err, status })
    end
  end)

  it("comes through a pipe that the shell made", function()
    local out, err, status = sh "echo 'print(...)' | NETLUA /dev/stdin a"

    assert.same({ "a\n", "", 0 }, { out, err, status })
  end)

  local refused = {
    { "NETLUA DIR/missing.lua", "cannot open DIR/missing.lua: No such file or directory" },
    { "NETLUA ./missing", "cannot open ./missing: No such file or directory" },
    { "NETLUA DIR", "cannot read DIR: Is a directory" },
    { "NETLUA /dev/zero", "cannot read /dev/zero: it is not a regular file; use - for standard input" },
    { "mkfifo DIR/fifo && NETLUA DIR/fifo", "cannot read DIR/fifo: it is not a regular file" },
    { "NETLUA DIR/bytecode", "attempt to load a binary chunk" },
    { "NETLUA - <DIR/bytecode", "attempt to load a binary chunk" },
    { "NETLUA <DIR/bytecode", "attempt to load a binary chunk" },
    { "NETLUA DIR/marked", "attempt to load a binary chunk" },
    { "env LUA_INIT=@DIR/bytecode NETLUA -e 'print(1)'", "attempt to load a binary chunk" },
    { "NETLUA DIR/syntax.lua", "DIR/syntax.lua:2: syntax error near 'x'" },
    { "NETLUA -e 'x x'", "(command line):1: syntax error near 'x'" },
    { "NETLUA - <DIR/syntax.lua", "stdin:2: syntax error near 'x'" },
  }
  for _, case in ipairs(refused) do
    it(("is refused: `%s`"):format(case[1]), function()
      local bytecode = string.dump(function() print "ran" end)
      write("bytecode", bytecode)
      write("marked", "#!/usr/bin/netlua\n" .. bytecode)
      write("syntax.lua", "print 'ran'\nx x")

      local out, err, status = sh("%s", case[1])

      assert.equal("", out)
      assert.matches((case[2]:gsub("DIR", folder)), message(err), 1, true)
      assert.equal(1, status)
    end)
  end

  it("is refused without permission to read it", function()
    write("secret.lua", "print 'ran'")
    os.execute("chmod 755 " .. folder .. "; chmod 000 " .. path "secret.lua")
    local drop = sh "id -u" == "0\n" and "setpriv --reuid 65534 --clear-groups " or ""
    if select(3, sh("%sNETLUA -v", drop)) ~= 0 then return pending "cannot run as another user" end

    local out, err, status = sh("%sNETLUA DIR/secret.lua", drop)

    assert.equal("", out)
    assert.equal("cannot open " .. path "secret.lua" .. ": Permission denied", message(err))
    assert.equal(1, status)
  end)
end)

describe("the first word", function()
  it("is a script where it names a file", function()
    write("plain", "print 'plain'")

    local out, _, status = sh "P=$(realpath NETLUA); cd DIR && $P plain"

    assert.equal("plain\n", out)
    assert.equal(0, status)
  end)

  it("is a tool even beside a file of that name", function()
    write("tour", "print 'the file'")

    local out = sh "P=$(realpath NETLUA); cd DIR && $P tour --help"

    assert.matches("tour", out)
    assert.not_matches("the file", out)
  end)

  for _, word in ipairs { "tou", "toour", "tuor", "tous", "our" } do
    it(("is suggested where %s is all but a tool's name"):format(word), function()
      local out, err, status = sh("NETLUA %s", word)

      assert.equal("", out)
      assert.equal(("no script or tool named '%s'; did you mean 'tour'?"):format(word), message(err))
      assert.equal(2, status)
    end)
  end

  it("gets no suggestion where nothing is like it", function()
    local _, err, status = sh "NETLUA banana"

    assert.equal("no script or tool named 'banana'", message(err))
    assert.matches("\ntry: netlua --help\n", err, 1, true)
    assert.equal(2, status)
  end)
end)

describe("the exit status", function()
  local cases = {
    { "os.exit()", 0 }, { "os.exit(true)", 0 }, { "os.exit(false)", 1 }, { "os.exit(7)", 7 },
    { "os.exit(256)", 0 }, { "os.exit(-1)", 255 }, { "os.exit(3, true)", 3 },
    { "net.spawn(function() os.exit(4) end) net.sleep(10)", 4 },
    { "net.spawn(function() net.sleep(0.01) os.exit(5) end)", 5 },
    { "coroutine.wrap(function() os.exit(6, true) end)()", 6 },
    { "return 9", 0 }, { "net.sleep(0)", 0 },
    { "error 'x'", 1, "x" }, { "error()", 1, "(error object is a nil value)" },
    { "error {}", 1, "(error object is a table value)" }, { "error(42)", 1, "42" },
    { "error(print)", 1, "(error object is a function value)" },
    { "error(setmetatable({}, { __tostring = function() return 'mine' end }))", 1, "mine" },
    { "error(setmetatable({}, { __tostring = function() return 1 end }))", 1,
      "(error object is a table value)" },
    { "error(setmetatable({}, { __tostring = function() error('worse', 0) end }))", 1, "worse" },
    { "assert(net.connect('127.0.0.1', 1))", 1,
      "connect 127.0.0.1:1: connection refused (ECONNREFUSED)" },
    { "net.spawn(function() error('late', 0) end)", 1, "late" },
    { "net.spawn(function() error('now', 0) end) net.sleep(10)", 1, "now" },
    { "local x <close> = setmetatable({}, { __close = function() error('closing', 0) end })", 1, "closing" },
  }
  for _, case in ipairs(cases) do
    it(("is %d after %s"):format(case[2], case[1]), function()
      local out, err, status = netlua.run(case[1])

      assert.equal(case[2], status)
      assert.equal("", out)
      assert.equal(case[3], case[3] and message(err):gsub("^/.-:1: ", "") or nil)
      assert.equal(case[3] ~= nil, err ~= "")
    end)
  end

  it("comes after what was printed", function()
    local out = sh "NETLUA -e 'io.write \"no newline\" os.exit(0)'"

    assert.equal("no newline", out)
  end)
end)

describe("a message on standard error", function()
  local cases = {
    { "\\27[31mred\\27[0m", "\\x1b[31mred\\x1b[0m" }, { "a\\0b", "a\\x00b" }, { "a\\rb", "a\\x0db" },
    { "\\x9b31m", "\\x9b31m" }, { "\\xc2\\x9b31m", "\\xc2\\x9b31m" }, { "\\x7f\\b\\a", "\\x7f\\x08\\x07" },
    { "\\xff\\xfe", "\\xff\\xfe" }, { "\\xc3", "\\xc3" }, { "\\xc0\\xaf", "\\xc0\\xaf" },
    { "\\xed\\xa0\\x80", "\\xed\\xa0\\x80" }, { "\\u{202e}abc", "\\xe2\\x80\\xaeabc" },
    { "\\u{fff9}\\u{e0041}", "\\xef\\xbf\\xb9\\xf3\\xa0\\x81\\x81" },
    { "\\u{200b}", "\\xe2\\x80\\x8b" }, { "\\xf5\\x80\\x80\\x80", "\\xf5\\x80\\x80\\x80" },
    { "h\\u{e4}tte \\u{20ac} \\u{4e2d} \\u{1f600} \\u{c4}", "h\u{e4}tte \u{20ac} \u{4e2d} \u{1f600} \u{c4}" },
    { "tab\\there", "tab\there" }, { "", "" }, { "100%s%n", "100%s%n" },
  }
  for _, case in ipairs(cases) do
    it(("shows \"%s\" so that no terminal obeys it"):format(case[1]), function()
      local _, err, status = netlua.run(('error("%s", 0)'):format(case[1]))

      assert.equal(case[2], message(err))
      assert.equal(1, status)
    end)
  end

  it("names an unknown word safely", function()
    local _, err, status = sh "NETLUA \"$(printf 'a\\033[31m')\""

    assert.equal("no script or tool named 'a\\x1b[31m'", message(err))
    assert.equal(2, status)
  end)
end)

describe("the environment", function()
  local show = "-e 'print(1)'"
  local cases = {
    { "LUA_INIT='print(0)' NETLUA " .. show, "0 1" },
    { "LUA_INIT='print(0)' LUA_INIT_5_4='print(54)' NETLUA " .. show, "54 1" },
    { "LUA_INIT=@DIR/init.lua NETLUA " .. show, "init 1" },
    { "LUA_INIT_5_4=@DIR/init.lua LUA_INIT='print(0)' NETLUA " .. show, "init 1" },
    { "LUA_INIT= NETLUA " .. show, "1" },
    { "LUA_INIT='print(0)' NETLUA -E " .. show, "1" },
    { "LUA_INIT='print(0)' NETLUA " .. show .. " -E", "1" },
    { "LUA_INIT='net.sleep(0) print(0)' NETLUA " .. show, "0 1" },
    { "LUA_PATH='DIR/?.lua' NETLUA -l init -e 'print(1)'", "init 1" },
    { "NETLUA_PATH=DIR/tree NETLUA -e 'print(require \"net.check\".tree)'", "here" },
    { "NETLUA_PATH=DIR/tree NETLUA -E -e 'print(require \"net.check\".tree)'", "nil" },
  }
  for _, case in ipairs(cases) do
    it("counts in: " .. case[1], function()
      write("init.lua", "print 'init'")
      assert(os.execute(("mkdir -p %s && cp -r lualib %s && echo 'return { tree = \"here\" }' >%s"):format(
        path "tree", path "tree", path "tree/lualib/net/check.lua")))

      local out, err, status = sh("env %s", case[1])

      assert.equal("", err)
      assert.equal(case[2], table.concat(lines(out), " "))
      assert.equal(0, status)
    end)
  end

  it("ends the program where LUA_INIT fails", function()
    local out, err, status = sh "env LUA_INIT='error \"x\"' NETLUA -e 'print(1)'"

    assert.equal("", out)
    assert.equal("LUA_INIT:1: x", message(err))
    assert.equal(1, status)
  end)
end)

describe("the standard descriptors", function()
  for case = 0, 7 do
    local closed = {}
    for fd = 0, 2 do if case >> fd & 1 == 1 then closed[#closed + 1] = fd end end
    it(("may be closed: {%s}"):format(table.concat(closed, ", ")), function()
      local script = write("closed.lua", [[
        local a = net.pair()
        local file = io.open(arg[1], "w")
        print "out"
        io.stderr:write "err"
        file:write(a:fileno() > 2 and "above" or "among")
        file:close()]])
      local redirect = ""
      for _, fd in ipairs(closed) do redirect = redirect .. (" %d>&-"):format(fd) end

      local out, err, status = sh("NETLUA %s DIR/answer%s", script, redirect)

      local answer <close> = assert(io.open(path "answer"))
      assert.equal("above", answer:read "a")
      assert.equal(case & 2 == 0 and "out\n" or "", out)
      assert.equal(case & 4 == 0 and "err" or "", err)
      assert.equal(0, status)
    end)
  end

  it("that are full make the program fail", function()
    local _, err, status = sh "NETLUA -e 'print(1)' >/dev/full"

    assert.equal("standard output: No space left on device", message(err))
    assert.equal(1, status)
  end)

  it("that are full do not hide a failure", function()
    local _, err, status = sh "NETLUA -e 'print(1) error(\"x\", 0)' >/dev/full"

    assert.matches("x\n", err, 1, true)
    assert.matches("No space left on device", err, 1, true)
    assert.equal(1, status)
  end)

  it("end an endless printer quietly when nobody reads on", function()
    local out, err, status = sh "NETLUA -e 'while true do print \"y\" end' | head -1"

    assert.same({ "y\n", "", 0 }, { out, err, status })
  end)

  it("end a printer that waits in between as quietly", function()
    local out, err = sh "NETLUA -e 'while true do print \"y\" io.flush() net.sleep(0) end' | head -1"

    assert.same({ "y\n", "" }, { out, err })
  end)

  it("leave a broken pipe elsewhere to the script", function()
    local out, err, status = netlua.run [[
      local p = io.popen("true", "w")
      net.sleep(0.05)
      local ok, why
      for _ = 1, 100 do
        ok, why = p:write(("x"):rep(100000))
        if not ok then break end
      end
      print(ok, why)]]

    assert.equal("", err)
    assert.equal("nil\tBroken pipe\n", out)
    assert.equal(0, status)
  end)
end)

describe("a program that is started", function()
  local function ignored(text)
    return tonumber(text:match "SigIgn:%s*(%x+)", 16) >> 12 & 1
  end

  it("gets the default action of SIGPIPE", function()
    for _, code in ipairs { "io.write(io.popen('grep SigIgn /proc/self/status'):read 'a')",
      "os.execute 'grep SigIgn /proc/self/status'" } do
      local out, _, status = netlua.run("net.pair() " .. code)

      assert.equal(0, ignored(out))
      assert.equal(0, status)
    end
  end)

  it("inherits no descriptor", function()
    local out = netlua.run [[
      local keep = { net.pair() }
      keep[3], keep[4] = net.listen("127.0.0.1", 0), net.udp()
      net.sleep(0.001)
      io.write(io.popen("ls -l /proc/self/fd"):read "a")]]

    assert.not_matches("socket:", out, 1, true)
    assert.not_matches("anon_inode", out, 1, true)
  end)
end)

describe("the program", function()
  it("does not crash without a single argument word", function()
    local out, err, status = sh [[python3 -c '
import ctypes, os
libc = ctypes.CDLL(None)
none = (ctypes.c_char_p * 1)(None)
libc.execve(os.path.realpath("NETLUA").encode(), none, none)' </dev/null]]

    assert.same({ "", "", 0 }, { out, err, status })
  end)

  for name, code in pairs {
    lpeg = "print(lpeg.match(lpeg.R'09'^1, '123x'))",
    cjson = "print(cjson.encode { 1, 'a' })",
    lfs = "print(lfs.attributes('/', 'mode'))",
  } do
    it("loads the packaged module " .. name, function()
      local out, err, status = sh("NETLUA -l %s -e \"%s\"", name, code)

      assert.equal("", err)
      assert.equal(({ lpeg = "4", cjson = '[1,"a"]', lfs = "directory" })[name] .. "\n", out)
      assert.equal(0, status)
    end)
  end

  it("has net as a global and as a module, and no other global of its own", function()
    local out = netlua.run [[
      print(net == require "net")
      local known = {}
      local names = "_G _VERSION arg assert collectgarbage coroutine debug dofile error getmetatable io "
        .. "ipairs load loadfile math net next os package pairs pcall print rawequal rawget rawlen rawset "
        .. "require select setmetatable string table tonumber tostring type utf8 warn xpcall"
      for name in names:gmatch "%S+" do known[name] = true end
      for name in pairs(_G) do if not known[name] then print(name) end end]]

    assert.equal("true\n", out)
  end)
end)

describe("the prompt on a pipe", function()
  local function prompt(input, options)
    local name = write("input", input)
    local out, err, status = sh("NETLUA -i %s <%s", options or "", name)
    return out, err:gsub(">>? ", ""), status
  end

  local cases = {
    { "prints the values of an expression", "1 + 1, 'x'\n", "2\tx\n" },
    { "prints nothing for a statement", "local x = 1\n", "" },
    { "keeps globals", "x = 4\nx * 2\n", "8\n" },
    { "takes a function over several lines", "function f()\n  return 7\nend\nf()\n", "7\n" },
    { "takes a string over several lines", "[[a\nb]]\n", "a\nb\n" },
    { "runs what has no newline at its end", "1 + 2", "3\n" },
    { "waits without stopping tasks",
      "t = net.spawn(function() return 'task' end)\nnet.sleep(0)\nt:join(30)\n", "true\ntask\n" },
  }
  for _, case in ipairs(cases) do
    it(case[1], function()
      local out, err, status = prompt(case[2])

      assert.equal(case[3], out)
      assert.equal("\n", err)
      assert.equal(0, status)
    end)
  end

  for _, case in ipairs {
    { "an error", "error 'oops'", "stdin:1: oops" },
    { "a syntax error", "x x", "stdin:1: syntax error near 'x'" },
    { "a table that is raised", "error { 1 }", "{ 1 }" }, { "nil that is raised", "error()", "nil" },
  } do
    it("goes on after " .. case[1], function()
      local out, err, status = prompt(case[2] .. "\n3\n")

      assert.equal("3\n", out)
      assert.matches(case[3], err, 1, true)
      assert.equal(0, status)
    end)
  end

  it("comes after the script, even one that failed", function()
    local name = write("before.lua", "x = 5 error('failed', 0)")

    local out, err, status = prompt("x\n", name)

    assert.equal("5\n", out)
    assert.matches("failed", err, 1, true)
    assert.equal(0, status)
  end)
end)
