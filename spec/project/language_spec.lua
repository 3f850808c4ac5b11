-- The host does not disturb the language: a script sees what the standalone Lua shows it, although it runs
-- in a task. A case runs under both programs; what they print and their exit status are compared.

local netlua = require "netlua"

local stock = os.getenv "LUA" or "lua5.4"

-- Addresses differ from run to run, each program begins its reports with its own name, and the host takes
-- a level or two of the C stack more.
local function tidy(text, program)
  text = ("\n" .. text):gsub("\n" .. program:gsub("%p", "%%%0") .. ": ", "\nPROGRAM: ")
  return (text:gsub("0x%x+", "ADDRESS"):gsub("skipping %d+ levels", "skipping levels"))
end

local function run(program, file, command)
  local out, err, status = netlua.shell(("L=%s F=%s; "):format(program, file) .. command)
  return { out = tidy(out, program), err = tidy(err, program), status = status }
end

-- `$L` in the command is the program, `$F` a file that holds the script.
local function compare(command, script)
  local name = os.tmpname()
  local file <close> = assert(io.open(name, "wb"))
  file:write(script or "")
  file:close()
  local expected, got = run(stock, name, command), run(netlua.program, name, command)
  os.remove(name)
  assert.not_equal("", expected.out .. expected.err, "the case prints nothing")
  assert.not_equal(127, expected.status, "no " .. stock)
  assert.same(expected, got)
end

local function scripts(cases)
  for _, case in ipairs(cases) do
    it(case[1], function() compare("$L $F one two", case[2]) end)
  end
end

local function commands(cases)
  for _, case in ipairs(cases) do
    it(case[1], function() compare(case[2], case[3]) end)
  end
end

describe("the main chunk", function()
  scripts {
    { "is the main coroutine, which nobody can resume, close or yield from", [[
      local main, ismain = coroutine.running()
      print(type(main), ismain, coroutine.status(main), coroutine.isyieldable(), coroutine.isyieldable(main))
      print(coroutine.resume(main))
      print(pcall(coroutine.close, main))
      print(pcall(coroutine.yield, 1))
      print(pcall(table.sort, { 3, 2, 1 }, coroutine.yield))
    ]] },
    { "is normal while a coroutine runs", [[
      local main = coroutine.running()
      coroutine.wrap(function()
        print(coroutine.status(main), coroutine.isyieldable(main), select(2, coroutine.running()))
        print(coroutine.resume(main))
        print(pcall(coroutine.close, main))
      end)()
    ]] },
    -- Resuming it called what the host keeps there, closing it ended in a panic.
    { "cannot be reached through the registry", [[
      local base = debug.getregistry()[1]
      print(coroutine.resume(base))
      print((pcall(coroutine.close, base)))
      print(coroutine.status(base) == "dead" or coroutine.status(base) == "suspended")
    ]] },
    { "has two levels, itself and the host", [[
      for level = 0, 4 do
        local info = debug.getinfo(level)
        print(level, info and info.what, info and info.name, info and info.currentline, info and info.nups)
      end
      print(pcall(debug.getlocal, 9, 1))
      for level = 0, 3 do print(debug.traceback("here", level)) end
    ]] },
    { "has hooks of its own: call, return, line, count", [[
      local seen, count = {}, 0
      print(debug.gethook())
      debug.sethook(function(event, line) seen[#seen + 1] = event .. (line or "") end, "crl")
      local function f() return 1 end
      f()
      coroutine.wrap(f)()
      debug.sethook()
      debug.sethook(function() count = count + 1 end, "", 1)
      for _ = 1, 100 do f() end
      debug.sethook()
      print(table.concat(seen, " "), count, debug.gethook())
    ]] },
    { "can be stopped by an error in a hook", [[
      debug.sethook(function() debug.sethook() error "enough" end, "", 1000)
      while true do end
    ]] },
    { "gets the script's arguments", "print(#arg, arg[1], arg[2], arg[3], ...)" },
    { "sees the language's globals and modules, and `net`", [[
      local function names(t)
        local list = {}
        for name in pairs(t) do if not name:find "^net" then list[#list + 1] = name end end
        table.sort(list)
        return table.concat(list, " ")
      end
      print(names(_G))
      print(names(package.loaded))
      print(names(package), #package.searchers, package.path, package.cpath, package.config)
      print(names(coroutine), names(os), names(debug), getmetatable(_G), _ENV == _G)
    ]] },
    { "may lose its globals and modules", [[
      for name in pairs(package.loaded) do package.loaded[name] = nil end
      local wrap, yield, print, error = coroutine.wrap, coroutine.yield, print, error
      local globals = _G
      for name in pairs(globals) do globals[name] = nil end
      local next = wrap(function() yield(1) error "end" end)
      print(next())
      next()
    ]] },
  }

  it("adds no global but `net`", function()
    local out = netlua.run [[
      local names = {}
      for name in pairs(_G) do if name:find "^net" then names[#names + 1] = name end end
      print(table.concat(names, " "), package.loaded.net == net)
    ]]

    assert.equal("net\ttrue\n", out)
  end)
end)

describe("an error that nobody catches", function()
  local values = {
    { "a text", "'text'" }, { "a text without a place", "'text', 0" }, { "the caller's place", "'text', 2" },
    { "nothing", "" }, { "nil", "nil" }, { "false", "false" }, { "an integer", "12" }, { "a float", "1.5" },
    { "a function", "print" }, { "a table", "{}" },
    { "a table with a name", "setmetatable({}, {__name = 'My.Type'})" },
    { "a table whose text is no string", "setmetatable({}, {__tostring = function() return 1 end})" },
    { "a table whose text fails", "setmetatable({}, {__tostring = function() error 'inner' end})" },
  }
  for _, case in ipairs(values) do
    it("is reported with its traceback: " .. case[1], function()
      compare("$L $F", ("local function f() error(%s) end\nf()\n"):format(case[2]))
    end)
  end

  scripts {
    { "is reported from inside a coroutine", "coroutine.wrap(function() error 'inside' end)()" },
    { "is reported when the main chunk yields", "coroutine.yield(1)" },
    { "is reported for a syntax error", "x = = 1" },
    { "is reported for a failed assertion", "assert(false)" },
    { "is reported for memory", "print(string.rep('x', 1 << 62))" },
    { "is reported for the C stack", "local function f() return string.gsub('a', '.', f) end f()" },
    { "follows what was written before", "io.write 'unfinished' error 'x'" },
  }

  -- __tostring ran later, in another coroutine, and saw no stack.
  it("gives __tostring the stack of the error", function()
    local _, err, status = netlua.run [[
      local shown = { __tostring = function() return "line " .. debug.getinfo(4, "l").currentline end }
      error(setmetatable({}, shown))
    ]]

    assert.matches("^[^\n]*: line 2\n", err)
    assert.equal(1, status)
  end)
end)

describe("a coroutine", function()
  scripts {
    { "passes values both ways and says what it is", [[
      local co
      co = coroutine.create(function(...)
        print(..., coroutine.running() == co, coroutine.status(co), coroutine.isyieldable())
        print(coroutine.resume(co))
        print(pcall(coroutine.close, co))
        print("resumed with", coroutine.yield(1, nil, 3))
        return "end", nil
      end)
      print(coroutine.status(co), coroutine.isyieldable(co), coroutine.resume(co, "a", "b"))
      print(coroutine.status(co), coroutine.isyieldable(co), coroutine.resume(co, "c", nil))
      print(coroutine.status(co), coroutine.resume(co))
      print(coroutine.close(co), coroutine.status(co))
    ]] },
    { "names the functions and arguments in its errors", [[
      for _, name in ipairs { "create", "wrap", "resume", "status", "close", "isyieldable" } do
        print(pcall(coroutine[name], 1))
        if name ~= "isyieldable" then print(pcall(coroutine[name])) end
      end
    ]] },
    { "that fails under wrap gets the caller's place in front, texts only", [[
      local function raise(value, level)
        return coroutine.wrap(function() error(value, level) end)
      end
      for _, f in ipairs { raise "text", raise("bare", 0), raise(5), raise(nil), raise(true) } do
        print(pcall(function() local x = f() return x end))
        print(pcall(f))
      end
      print(pcall(function() coroutine.wrap(raise "nested")() end))
    ]] },
    { "closes its variables, and the last error wins", [[
      local function guard(name, raised)
        return setmetatable({}, { __close = function(_, err)
          print(name, err, coroutine.isyieldable())
          if raised then error(raised, 0) end
        end })
      end
      local function body()
        local a <close> = guard "a"
        local b <close> = guard("b", "from b")
        local c <close> = guard("c", "from c")
        coroutine.yield()
        error("from the body", 0)
      end
      local co = coroutine.create(body)
      print(coroutine.resume(co))
      print(coroutine.close(co))
      print(coroutine.close(co), coroutine.status(co))
      local f = coroutine.wrap(body)
      f()
      print(pcall(f))
    ]] },
    { "cannot yield from a handler while it is closed from outside", [[
      local co = coroutine.create(function()
        local x <close> = setmetatable({}, { __close = function() print(pcall(coroutine.yield, 1)) end })
        coroutine.yield()
      end)
      coroutine.resume(co)
      print(coroutine.close(co))
    ]] },
    { "yields through calls, metamethods, iterators and handlers, not through C", [[
      local mt = {}
      for event in ("add concat eq lt le index newindex call len unm"):gmatch "%a+" do
        mt["__" .. event] = function() return coroutine.yield(event) end
      end
      local a, b = setmetatable({}, mt), setmetatable({}, mt)
      local f = coroutine.wrap(function()
        local r = { a + b, a .. "x", a == b, a < b, a <= b, a.x, a(1), #a, -a }
        r[#r + 1] = select(2, pcall(coroutine.yield, "pcall"))
        a.x = 1
        for i in coroutine.yield, "iterator" do r[#r + 1] = i break end
        r[#r + 1] = select(2, xpcall(function() coroutine.yield "body" error("x", 0) end, string.upper))
        do local c <close> = setmetatable({}, { __close = function() coroutine.yield "end" end }) end
        print(pcall(table.sort, { 2, 1 }, coroutine.yield))
        print(pcall(string.gsub, "a", ".", coroutine.yield))
        return r
      end)
      local n, x = 0, f()
      while type(x) == "string" do
        io.write(x, " ")
        n, x = n + 1, f(n)
      end
      for _, value in ipairs(x) do io.write(tostring(value), " ") end
    ]] },
    { "cannot be resumed by itself or by one it resumed", [[
      local f
      f = coroutine.wrap(function() return pcall(f) end)
      print(f())
      local outer
      outer = coroutine.create(function()
        return coroutine.wrap(function() return coroutine.status(outer), coroutine.resume(outer) end)()
      end)
      print(coroutine.resume(outer))
    ]] },
    { "refuses more values than a stack holds", [[
      local function many(n) return table.unpack({}, 1, n) end
      local co = coroutine.create(function(...)
        coroutine.yield()
        return ...
      end)
      print(coroutine.resume(co, many(500000)))
      print(coroutine.resume(co, many(600000)))
      local full = coroutine.create(function() return many(600000) end)
      print((function(...) return coroutine.resume(full) end)(many(500000)))
    ]] },
    { "can be debugged while it is suspended and after it failed", [[
      local trace = {}
      local co = coroutine.create(function(x)
        local y = 1
        coroutine.yield(x)
        error("failed " .. y)
      end)
      debug.sethook(co, function(event, line) trace[#trace + 1] = event .. (line or "") end, "crl")
      coroutine.resume(co, 10)
      print(debug.getinfo(co, 0, "n").name, debug.getinfo(co, 1, "l").currentline, debug.getinfo(co, 2))
      print(debug.getlocal(co, 1, 1))
      print(debug.setlocal(co, 1, 2, "changed"), debug.gethook())
      print(debug.traceback(co), debug.traceback(co, "from 1", 1), debug.traceback(co, nil, 5))
      print(coroutine.resume(co))
      print(debug.traceback(co), table.concat(trace, " "))
      print(coroutine.close(co), debug.traceback(co))
    ]] },
    { "shows its own levels only", [[
      local function deep(n) if n == 0 then return debug.traceback "m" end return (deep(n - 1)) end
      print(coroutine.wrap(deep)(30))
      print(coroutine.wrap(function() return (coroutine.wrap(deep)(2)) end)())
    ]] },
    { "is collected while suspended, without closing anything", [[
      local weak = setmetatable({}, { __mode = "k" })
      do
        local co = coroutine.create(function()
          local x <close> = setmetatable({}, { __close = print, __gc = function() print "collected" end })
          coroutine.yield()
        end)
        coroutine.resume(co)
        weak[co] = true
      end
      collectgarbage()
      collectgarbage()
      print(next(weak))
    ]] },
  }
end)

describe("recursion without end", function()
  -- How deep it goes may differ by the frames of the host.
  local cases = {
    { "of Lua calls", "local function f() return f() + 1 end print(pcall(f))" },
    { "of coroutine.resume", [[
      local function f() return select(2, coroutine.resume(coroutine.create(f))) end
      print(f())]] },
    { "of coroutine.wrap", [[
      local function f() coroutine.wrap(f)() end
      local _, err = pcall(f)
      print((err:gsub("^.*: ", "")))]] },
    { "of string.gsub", "local function f() string.gsub('a', '.', f) end print(pcall(f))" },
    { "of pcall", "local function f() local ok, err = pcall(f) return err end print(f())" },
    { "of xpcall", "local function f() return select(2, xpcall(f, tostring)) end print(f())" },
    { "of table.sort", "local function f() table.sort({ 1, 2 }, f) end print(pcall(f))" },
    { "of __index functions", [[
      local t = setmetatable({}, { __index = function(self, k) return self[k + 1] end })
      print(pcall(function() return t[1] end))]] },
    { "of __index tables", [[
      local t = setmetatable({}, {})
      getmetatable(t).__index = t
      print(pcall(function() return t.x end))]] },
    { "of __tostring", [[
      local t = setmetatable({}, {})
      getmetatable(t).__tostring = function() return tostring(t) end
      print(pcall(tostring, t))]] },
    { "of __close", [[
      local function f() local x <close> = setmetatable({}, { __close = f }) end
      print(pcall(f))]] },
    { "of patterns", "print(pcall(string.match, ('a'):rep(300000), ('.?'):rep(300000)))" },
    { "of message handlers", [[
      local function f() return 1 + f() end
      print(xpcall(f, f))
      print(xpcall(error, error))]] },
  }
  for _, case in ipairs(cases) do
    it("is an error that names the overflow: " .. case[1], function() compare("$L $F", case[2]) end)
  end
end)

describe("modules", function()
  scripts {
    { "that are missing are reported with the places searched", [[
      print(pcall(require, "nosuch"))
      print(pcall(require, "net.nosuch"))
      package.path, package.cpath = "a/?;b/?", "c/?"
      print(pcall(require, "no.such"))
      package.path = nil
      print(pcall(require, "nosuch"))
    ]] },
    { "come from package.preload and added searchers", [[
      package.preload.here = function(...) print(...) return "value" end
      print(require "here", require "here", package.loaded.here)
      local function found(name) return name .. "!" end
      table.insert(package.searchers, 2, function() return found, "extra" end)
      print(require "there")
      package.searchers = nil
      print(pcall(require, "nowhere"))
    ]] },
    { "load from binary and text, in the mode asked for", [[
      local binary = string.dump(function() return 42 end)
      print(load(binary)(), load(binary, "name", "t"))
      print(load("return 1", "=name", "b"))
      print(load("x ="), loadfile "/nonexistent")
      print(pcall(dofile, "/nonexistent"))
    ]] },
  }
end)

describe("the end of the program", function()
  local endings = {
    "", "nil", "true", "false", "0", "7", "300", "true, true", "false, true", "7, true", "nil, true",
  }
  for _, arguments in ipairs(endings) do
    it("is os.exit(" .. arguments .. ")", function()
      compare("$L $F; echo status $?", ([[
        io.write "unflushed "
        kept = setmetatable({}, { __gc = function() print "collected" end })
        local function guard(name)
          return setmetatable({}, { __close = function(_, err) print(name, err) end })
        end
        local a <close> = guard "a"
        local function f()
          local b <close> = guard "b"
          os.exit(%s)
        end
        f()
      ]]):format(arguments))
    end)
  end

  scripts {
    { "closes the main chunk's variables when a coroutine asks for it", [[
      local a <close> = setmetatable({}, { __close = function(_, err) print("main", err) end })
      coroutine.wrap(function()
        local b <close> = setmetatable({}, { __close = function() print "coroutine" end })
        os.exit(5, true)
      end)()
    ]] },
    { "can come from where Lua cannot yield",
      "print 'yes' table.sort({ 2, 1 }, function() os.exit(8, true) end) print 'no'" },
    { "can come from a hook", "print 'yes' debug.sethook(function() os.exit(9, true) end, 'l')\nprint 'no'" },
    { "can come from a handler that closes", [[
      local a <close> = setmetatable({}, { __close = function() print "a" end })
      local b <close> = setmetatable({}, { __close = function() print "b" os.exit(4, true) end })
      error "not reported"
    ]] },
    { "runs finalizers in reverse, and those made meanwhile never", [[
      for i = 1, 3 do _G["kept" .. i] = setmetatable({}, { __gc = function() print(i) end }) end
      kept4 = setmetatable({}, { __gc = function()
        print(4, collectgarbage(), coroutine.isyieldable(), select(2, coroutine.running()))
        setmetatable({}, { __gc = function() print "never" end })
        os.exit(0, true)
      end })
      print "end"
    ]] },
    { "warns of finalizers that fail", [[
      warn "@on"
      first = setmetatable({}, { __gc = function() error "one" end })
      second = setmetatable({}, { __gc = function() error {} end })
      warn("in ", "parts")
    ]] },
    { "rejects a status that is none", "print(pcall(os.exit, 'x')) print(pcall(os.exit, 1.5))" },
  }

  it("closes the main chunk's variables when a task asks for it, and lets them wait", function()
    local out, err, status = netlua.run [[
      local function close(_, err) print(err, net.sleep(0.001)) end
      local guard <close> = setmetatable({}, { __close = close })
      net.spawn(function() os.exit(3, true) end)
      net.sleep(5)
    ]]

    assert.equal("nil\ttrue\n", out)
    assert.equal("", err)
    assert.equal(3, status)
  end)
end)

describe("the collector", function()
  scripts {
    { "takes every option", [[
      collectgarbage "incremental"
      print(collectgarbage "generational", collectgarbage "incremental")
      print(collectgarbage("incremental", 150, 200), collectgarbage("setpause", 200))
      print(collectgarbage "stop", collectgarbage "isrunning", collectgarbage "restart")
      print(collectgarbage "isrunning")
      print(collectgarbage("step", 100000), collectgarbage(), math.type(collectgarbage "count"))
      print(pcall(collectgarbage, "nothing"))
    ]] },
  }
end)

describe("the command line", function()
  commands {
    { "fills arg from before the script's name on", "$L '-e ' -- $F a b c",
      "print(#arg, arg[3], arg[4], arg[-1], arg[-2] == '-e ', arg[-3] ~= nil, arg[-4], ...)" },
    { "runs -e and -l in order and stops at the first failure",
      "$L -eprint\\(1\\) -e a=3 -e 'print(a)' -e 'error(a)' -e 'print(4)' $F; echo status $?",
      "print 'script'" },
    { "gives libraries to globals, of their name or another",
      "$L -l string '-lm=math' -l _G -e 'print(string.rep, m == math, _G._G == _G)' | cat" },
    -- The report named a line of the host's own.
    { "reports a missing library as `require` does", "$L -l nosuch; echo status $?" },
    { "reports a require that is gone", "$L -e 'require = nil' -l string; echo status $?" },
    -- They were read from the process and not from the table.
    { "passes what arg holds when the script begins",
      "$L -e 'arg[1], arg[2] = 100, nil' $F a b", "print(...)" },
    { "passes as many as the length of arg",
      "$L -e 'setmetatable(arg, {__len = function() return 3 end})' $F a", "print(select('#', ...), ...)" },
    { "needs a table arg", "echo | $L -e 'arg = 1' -; echo status $?" },
    { "passes thousands of arguments", "$L $F $(seq 3000)", "print(select('#', ...), (select(3000, ...)))" },
    { "reads standard input for -",
      "$L - a <$F", "print(arg[0], ...) print(debug.traceback()) error 'x'" },
    { "reads standard input without a script", "$L <$F", "print(#arg, arg[0] ~= nil, ...)" },
    { "takes - for a file's name after --",
      "L=$(realpath $(command -v $L)); cd $(mktemp -d) && cp $F - && $L -- - a; rm ./-; rmdir $PWD",
      "print(arg[0], ...)" },
    { "takes a pipe for a script", "cat $F | $L /dev/stdin a", "print(...)" },
    { "reports files that are none", "$L nosuch.lua; $L ./nosuch; $L /; echo status $?" },
    { "skips a mark and a first line with #", "printf '\\357\\273\\277# x\\nprint(1, ...)' >$F; $L $F a" },
    { "turns warnings on from -W on", "$L -e 'warn \"off\"' -W -e 'warn \"on\"'" },
    -- It ran before arg was there.
    { "runs LUA_INIT first, with arg", "LUA_INIT='print(#arg, arg[1])' $L $F a", "print(2)" },
    { "prefers LUA_INIT_5_4", "LUA_INIT_5_4='print(1)' LUA_INIT='print(2)' $L $F", "print(3)" },
    { "runs the file that LUA_INIT names", "LUA_INIT=@$F $L $F", "n = (n or 0) + 1 print(n)" },
    { "ends when LUA_INIT fails", "LUA_INIT='error [[x]]' $L $F; echo status $?", "print 'no'" },
    { "ignores the environment with -E", "LUA_INIT='error(1)' LUA_PATH=x LUA_CPATH=y $L -E $F",
      "print(package.path, package.cpath)" },
    { "reads paths from the environment", "LUA_PATH='a;;b' LUA_CPATH_5_4=c $L $F",
      "print(package.path, package.cpath)" },
  }

  for _, word in ipairs { "-x", "---", "-Ex", "-vv", "-iv", "-Wx", "-e", "-l", "-l -e" } do
    it("refuses " .. word .. " in the standalone Lua's words", function()
      local _, expected = netlua.shell(stock .. " " .. word)
      local _, err, status = netlua.shell("%s " .. word)

      assert.equal(expected:match ": ([^\n]*)\n", err:match ": ([^\n]*)\n")
      assert.equal(2, status)
    end)
  end

  it("shows both versions with -v and goes on", function()
    local out = netlua.shell "%s -v -e 'print(_VERSION)'"

    assert.matches("^netlua %S+  Lua 5%.4%.%d+  Copyright .* PUC%-Rio\nLua 5%.4\n$", out)
  end)
end)

describe("the world outside", function()
  scripts {
    { "is read from standard input", "print(io.read(), io.read 'n', io.read 'a', io.stdin:close())" },
    { "has standard files", [[
      print(io.type(io.stdin), io.type(io.stdout), io.close(io.stdout))
      print(pcall(io.lines, "/nonexistent"))
      print(pcall(io.output, "/nonexistent/x"))
      io.output():write("a", 1, 2.5, "\n")
    ]] },
    { "runs commands and says how they ended", [[
      print(os.execute(), os.execute "exit 3")
      print(os.execute "kill -9 $$")
      print(os.execute "kill -2 $$")
      print(os.execute "kill -13 $$; exit 1")
      local p = io.popen("cat; exit 4", "w")
      p:write "to a command\n"
      print(p:close())
      for line in io.popen("echo a; echo b"):lines() do print(line) end
    ]] },
  }

  commands {
    { "is line by line where the script asks for lines", "printf 'a\\n12 rest\\nb' | $L $F",
      "print(io.read 'L', io.read 'n', io.read(2)) for l in io.lines() do print(l) end print(io.read(0))" },
    { "can read standard input between the lines of debug.debug",
      "printf 'print(1)\\nerror(2)\\ncont\\nrest\\n' | $L -e 'debug.debug() print(io.read())'" },
    { "sends ^C, which a protected call catches once",
      "$L $F >$F.out & while ! grep -sq . $F.out; do sleep 0.01; done; kill -INT $!; wait $!; "
        .. "echo status $?; cat $F.out; rm $F.out",
      "print(pcall(function() print 'ready' while true do end end) and 'no' or 'caught')" },
  }
end)
