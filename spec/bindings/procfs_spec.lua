local procfs = require "net.core.procfs"

local function inode(s)
  local target = require("lfs").symlinkattributes("/proc/self/fd/" .. s:fileno(), "target")
  return math.tointeger(target:match "^socket:%[(%d+)%]$")
end

local function mypid()
  local file <close> = assert(io.open "/proc/self/stat")
  return file:read "n"
end

describe("the holders of sockets", function()
  it("name this process for its own", function()
    local a <close>, b = assert(net.pair())
    local held <close> = b -- luacheck: ignore held

    local holders, hidden = procfs.holders()

    assert.same({ mypid() }, holders[inode(a)])
    assert.same({ mypid() }, holders[inode(b)])
    assert.equal("integer", math.type(hidden))
  end)

  it("are those of the wanted sockets only", function()
    local a <close>, b = assert(net.pair())
    local held <close> = b -- luacheck: ignore held

    local holders = procfs.holders { [inode(a)] = true }

    assert.same({ [inode(a)] = { mypid() } }, holders)
  end)

  it("are nobody for a socket that does not exist", function()
    assert.same({}, (procfs.holders { [0] = true }))
  end)

  it("are found while processes come and go", function()
    local a <close>, b = assert(net.pair())
    local held <close> = b -- luacheck: ignore held
    local churn <close> = -- luacheck: ignore churn
      assert(io.popen "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do (true; true) & done; wait")

    for _ = 1, 20 do
      assert.same({ mypid() }, procfs.holders { [inode(a)] = true }[inode(a)])
    end
  end)

  it("takes a table or nothing", function()
    assert.error_matches(function() procfs.holders(1) end, "table expected")
  end)
end)
