local lfs = require "lfs"

local GATED = { "socket", "connect", "bind", "listen", "sendto", "sendmsg", "sendmmsg" }

-- C text without comments, strings and character constants.
local function bare(text)
  text = text:gsub("/%*.-%*/", " "):gsub("//[^\n]*", " ")
  return (text:gsub('\\.', ""):gsub('"[^"\n]*"', '""'):gsub("'[^'\n]*'", "' '"))
end

local function calls(text, name)
  local found = {}
  for line in bare(text):gmatch "[^\n]+" do
    if line:find("%f[%w_]" .. name .. "%s*%(") then found[#found + 1] = line end
  end
  return found
end

local function sources()
  local files = {}
  for _, folder in ipairs { "runtime", "bindings" } do
    for name in lfs.dir(folder) do
      if name:find "%.[ch]$" then
        local file <close> = assert(io.open(folder .. "/" .. name))
        files[folder .. "/" .. name] = file:read "a"
      end
    end
  end
  return files
end

describe("the gate", function()
  for _, name in ipairs(GATED) do
    it(("is the only file that calls %s(2)"):format(name), function()
      for file, text in pairs(sources()) do
        if file ~= "runtime/permit.c" then assert.same({}, calls(text, name), file) end
      end
    end)
  end

  for _, name in ipairs { "socket", "connect", "bind", "listen", "sendmsg", "sendto" } do
    it(("itself calls %s(2), so that the search above finds calls"):format(name), function()
      assert.equal(1, #calls(sources()["runtime/permit.c"], name))
    end)
  end

  it("sees sources at all", function()
    local files = sources()

    assert.is_string(files["runtime/permit.c"])
    assert.is_string(files["bindings/socket.c"])
  end)

  it("makes every socket close-on-exec and non-blocking", function()
    local s <close> = assert(net.udp {})
    local fdinfo <close> = assert(io.open("/proc/self/fdinfo/" .. s:fileno()))
    local flags = tonumber(fdinfo:read("a"):match "flags:%s+(%d+)", 8)

    assert.equal(tonumber("02000000", 8), flags & tonumber("02000000", 8))
    assert.equal(tonumber("04000", 8), flags & tonumber("04000", 8))
  end)
end)
