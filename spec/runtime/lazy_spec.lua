local netlua = require "netlua"
local programs = require "server"

local MAPS = [[
local function mapped(name)
  for line in io.lines "/proc/self/maps" do
    if line:find(name, 1, true) then return true end
  end
  return false
end
]]

describe("a library that is loaded with its first use", function()
  it("is not there before", function()
    local out, err = netlua.run(MAPS .. [[
      local a = assert(net.pair())
      print(mapped "libssl", mapped "libcrypto")
      assert(net.tls.context())
      print(mapped "libssl", mapped "libcrypto")
      a:close()
    ]])

    assert.equal("", err)
    assert.equal("false\tfalse\ntrue\ttrue\n", out)
  end)

  it("is called through addresses that cannot be changed any more", function()
    local out = netlua.run [[
      assert(net.tls.context())
      local name = io.popen("readlink /proc/" .. io.open("/proc/self/stat"):read "n" .. "/exe"):read()
      for line in io.lines "/proc/self/maps" do
        if line:find(name, 1, true) then print(line:match "^%x+%-%x+ (%S+)") end
      end
    ]]

    local kinds = {}
    for kind in out:gmatch "%S+" do kinds[#kinds + 1] = kind end
    local seen = table.concat(kinds, " ")
    assert.matches("r%-%-p.*rw%-p.*r%-%-p", seen .. " r--p") -- writable data, and a page in it that is not
    assert.is_nil(seen:find "wx")
  end)

  it("that is missing is told with its name, and the rest goes on", function()
    local folder <close> = programs.folder()
    assert(io.open(folder.path .. "/libssl.so.3", "w")):close() -- found first, and no library

    local out, err, status = netlua.shell(("LD_LIBRARY_PATH=%s %%s -e '%s'"):format(folder.path,
      'print(select(2, pcall(net.connect, "127.0.0.1", 1, { tls = true })))'))

    assert.matches("libssl.so.3", out, 1, true)
    assert.matches("installed", out, 1, true)
    assert.equal(0, status, err)
  end)
end)
