local lfs = require "lfs"
local netlua = require "netlua"

-- The modules of the tree, as `require` names them.
local function modules()
  local names = { "net" }
  for file in lfs.dir "lualib/net" do
    local name = file:match "^(.*)%.lua$"
    if name then names[#names + 1] = "net." .. name end
  end
  return names
end

describe("the state", function()
  it("carries every module of the library", function()
    for _, name in ipairs(modules()) do
      local out, err, status = netlua.shell(
        ("cd / && %s -E -e 'io.write(type(require %q))'"):format(
          netlua.program:sub(1, 1) == "/" and "%s" or lfs.currentdir() .. "/%s", name))

      assert.equal("", err)
      assert.equal("table", out)
      assert.equal(0, status)
    end
  end)

  it("carries them with their lines, so that a traceback says where", function()
    local info = debug.getinfo(net.connect, "S")

    assert.equal("@lualib/net/dial.lua", info.source)
    assert.is_true(info.linedefined > 1)
  end)

  it("gives net as a global and to require, once", function()
    assert.equal(net, require "net")
    assert.equal(net, package.loaded.net)
  end)

  it("loads what is big when it is first touched", function()
    local out = netlua.run [[
      local before = package.loaded["net.dial"]
      local connect = net.connect
      print(before, package.loaded["net.dial"].connect == connect, rawget(net, "connect") == connect)]]

    assert.equal("nil\ttrue\ttrue\n", out)
  end)

  it("has no field that is not there", function()
    assert.is_nil(net.no_such_field)
    assert.is_nil(net[1])
    assert.is_nil(net[print])
  end)

  it("keeps the standard libraries", function()
    local out, err, status = netlua.run [[
      for name in ("coroutine debug io math os package string table utf8"):gmatch "%w+" do
        assert(require(name) == _G[name], name)
      end
      local seen = {}
      for name in pairs(coroutine) do seen[#seen + 1] = name end
      table.sort(seen)
      print(table.concat(seen, " "))]]

    assert.equal("", err)
    assert.equal("close create isyieldable resume running status wrap yield\n", out)
    assert.equal(0, status)
  end)

  it("says what is missing in a tree that is none", function()
    local out, err, status = netlua.shell "env NETLUA_PATH=/nonexistent %s -e 'print(1)'"

    assert.equal("", out)
    assert.matches("/nonexistent/lualib/net.lua", err, 1, true)
    assert.equal(1, status)
  end)

  it("takes a tree with errors for what it is", function()
    local folder = os.tmpname()
    os.remove(folder)
    assert(os.execute(("mkdir -p %s/lualib && echo 'x x' >%s/lualib/net.lua"):format(folder, folder)))

    local _, err, status = netlua.shell(("env NETLUA_PATH=%s %%s -e 'print(1)'"):format(folder))
    os.execute("rm -r " .. folder)

    assert.matches("lualib/net.lua:1: syntax error near 'x'", err, 1, true)
    assert.equal(1, status)
  end)

  it("collects what it has no use for", function()
    local out = netlua.run [[
      local function once()
        local a, b = net.pair()
        net.spawn(function() b:recv(1) end)
        a:write "x"
        net.sleep(0)
        local t = net.spawn(function() error "x" end)
        t:join()
        coroutine.wrap(function() net.sleep(0) end)()
      end
      for _ = 1, 100 do once() end
      collectgarbage() collectgarbage()
      local before = collectgarbage "count"
      for _ = 1, 500 do once() end
      collectgarbage() collectgarbage()
      print(collectgarbage "count" - before < 20)]]

    assert.equal("true\n", out)
  end)

  it("ends while tasks wait, without waiting for them", function()
    local began = net.now()

    local _, err, status = netlua.run [[
      local a, b = net.pair()
      net.spawn(function() b:recv(1) end)
      net.spawn(net.sleep, 100)
      net.spawn(net.getaddrinfo, "127.0.0.1")
      net.sleep(0)
      os.exit(0, true)]]

    assert.equal("", err)
    assert.equal(0, status)
    assert.is_true(net.now() - began < 5)
  end)

  -- require = nil kept what is loaded with its first use from ever being loaded.
  it("does not mind what a script makes of the globals", function()
    local out, err = netlua.run [[
      local say = print
      require, table, string, print, pcall, setmetatable, type, error = nil, 1, "x", 2, 3, 4, 5, 6
      say(net.ip.parse("127.0.0.1"), net.hexdump("a"), net.connect("127.0.0.1", 1))]]

    assert.equal("", err)
    assert.matches("^127.0.0.1\t0+  61 .*nil\tconnect 127.0.0.1:1: connection refused", out)
  end)

  it("lets the library see what a script defines", function()
    local out = netlua.run [[
      answer = 42
      print(require("net.chunk").scope().answer)]]

    assert.equal("42\n", out)
  end)
end)
