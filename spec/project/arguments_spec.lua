-- Every public function with arguments it should not be given: what spec/support/sweep.lua makes of the
-- annotations. It runs where nothing but loopback exists.

local island = require "island"
local sweep = require "sweep"

local SECONDS = 60

local function etc()
  local files = { ["/etc/resolv.conf"] = "nameserver 127.0.0.1\n", ["/etc/hosts"] = "127.0.0.1 localhost\n" }
  local switch = io.open "/etc/nsswitch.conf"
  if switch then
    switch:close()
    files["/etc/nsswitch.conf"] = "hosts: files dns\nservices: files\nprotocols: files\n"
  end
  return files
end

local SCRIPT = [[
package.path = "./spec/support/?.lua;" .. package.path
local calls, problems = require("sweep").class %q
print(calls)
for _, problem in ipairs(problems) do print((problem:gsub("%%c", "?"))) end
os.exit(0) -- and not with the status of a tool that ran
]]

describe("a wrong argument is refused, by name and value, in", function()
  for _, class in ipairs(sweep.classes()) do
    it("the functions of " .. class, function()
      if not island.possible() then return pending "no namespaces here" end

      local out, err, status = island.run(SCRIPT:format(class), etc(), SECONDS)

      assert.equal("", err)
      assert.equal(0, status)
      local calls, problems = out:match "^(%d+)\n(.*)$"
      assert.equal("", problems)
      assert.is_true(tonumber(calls) > 0, "no call was made")
    end)
  end
end)

describe("the sweep", function()
  it("sees a value that is let through, a wrong message and a wrong name", function()
    local verdict = sweep.verdict
    local named = "bad argument #1 to 'f'"

    assert.is_nil(verdict(named, true, true, "fine"))
    assert.is_nil(verdict(named, false, false, "x:1: bad argument #1 to 'f' (integer expected, got 1.5)"))
    assert.equal("works", verdict(named, false, true, "fine"))
    assert.matches("^does not name", verdict(named, false, false, "x:1: bad argument #2 to 'f' (got 1.5)"))
    assert.matches("^does not tell", verdict(named, false, false, "x:1: bad argument #1 to 'f' (wrong)"))
    assert.matches("^names the library",
      verdict(named, false, false, "lualib/net/x.lua:1: bad argument #1 to 'f' (got 1.5)"))
    assert.matches("^raised no message", verdict(named, false, false, {}))
    local late = select(2, net.timeout(0, net.sleep, 1))
    assert.equal("TIMEOUT", late.code)
    assert.matches("^raised no message", verdict(named, false, false, late))
    assert.is_nil(verdict(named, true, false, late)) -- a scan that a slow machine had not begun
    assert.matches("^answered no error object", verdict(named, true, true, nil, "text"))
  end)

  it("knows what an annotation excludes", function()
    local port = { name = "port", type = "integer|string", text = "0 to 65535" }
    local seconds = { name = "timeout", type = "number", text = "seconds", optional = true }
    local host = { name = "host", type = "string", text = "" }
    local how = { name = "how", type = '"r"|"w"|integer', text = "" }

    for _, case in ipairs {
      { port, 65536, true }, { port, 80, false }, { port, 1.5, true }, { port, 0 / 0, true },
      { port, "http", false }, { port, "80\0", true }, { port, nil, true }, { port, {}, true },
      { seconds, -1, true }, { seconds, 0.5, false }, { seconds, 1 / 0, true }, { seconds, "1", true },
      { seconds, nil, false }, { host, 5, true }, { host, "a\0b", true }, { host, ("x"):rep(300), false },
      { how, "r", false }, { how, "x", true }, { how, 1, false }, { how, true, true },
    } do
      local excluded = sweep.excludes(case[1], case[2])

      assert.equal(case[3], excluded, case[1].name .. " " .. tostring(case[2]))
    end
  end)
end)
