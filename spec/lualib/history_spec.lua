local history = require "net.history"
local host = require "net.core.host"
local netlua = require "netlua"

-- A file that is not there yet, in a folder that is not there either.
local function place()
  local name = os.tmpname()
  os.remove(name)
  return name .. "/deep/history", function() netlua.shell("rm -rf " .. name) end
end

local function contents(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function write(path, bytes)
  assert(host.appendfile(path, bytes))
end

describe("the history of the prompt", function()
  it("comes back with its lines as it was entered", function()
    local path, remove = place()
    local record = history.open(path)

    record:add "1 + 1"
    record:add "function f()\n\n  return '#1'\nend"
    record:add "x = [[\n#123\n#45\n]]"
    local entries = history.open(path).entries
    remove()

    assert.same({ "1 + 1", "function f()\n\n  return '#1'\nend", "x = [[\n#123 \n#45 \n]]" }, entries)
  end)

  it("is for its owner alone", function()
    local path, remove = place()

    history.open(path):add "1"
    local out = netlua.shell(("stat -c %%a %s $(dirname %s)"):format(path, path))
    remove()

    assert.equal("600\n700\n", out)
  end)

  it("closes the file of a careless owner to others", function()
    local path, remove = place()
    write(path, "")
    netlua.shell("chmod 666 " .. path)

    history.open(path):add "1"
    local out = netlua.shell("stat -c %a " .. path)
    remove()

    assert.equal("600\n", out)
  end)

  it("leaves out repeats, blank entries and those that begin with a blank", function()
    local path, remove = place()
    local record = history.open(path)

    assert.is_true(record:add "secret")
    assert.is_false(record:add "secret")
    assert.is_false(record:add " secret")
    assert.is_false(record:add "\tsecret")
    assert.is_false(record:add "")
    local text = contents(path)
    remove()

    assert.matches("^#%d+\nsecret\n$", text)
    assert.same({ "secret" }, record.entries)
  end)

  it("leaves out what is no text of Lua", function()
    local path, remove = place()

    local kept = history.open(path):add "print(1)\0"
    remove()

    assert.is_false(kept)
  end)

  it("recalls what is there more than once as the latest", function()
    local path, remove = place()
    write(path, "#1\na\n#2\nb\n#3\na\n")

    local entries = history.open(path).entries
    remove()

    assert.same({ "b", "a" }, entries)
  end)

  -- They were one entry of many lines.
  it("reads lines without times, too, each as an entry", function()
    local path, remove = place()
    write(path, "a\n\nd\n#1\nb\nc")

    local entries = history.open(path).entries
    remove()

    assert.same({ "a", "d", "b\nc" }, entries)
  end)

  it("cuts lines without times, too", function()
    local path, remove = place()
    write(path, ("x\n"):rep(5) .. ("#1\ny\n"):rep(9998))

    history.open(path)
    local text = contents(path)
    remove()

    assert.equal(("x\n"):rep(2) .. ("#1\ny\n"):rep(9998), text)
  end)

  -- The new entry became a part of the torn one.
  it("keeps a new entry apart from one that was torn", function()
    local path, remove = place()
    write(path, "#1\na\n#2\nb")

    history.open(path):add "c"
    local entries = history.open(path).entries
    remove()

    assert.same({ "a", "b", "c" }, entries)
  end)

  it("drops the oldest of more than 10,000", function()
    local path, remove = place()
    local lines = {}
    for i = 1, 10003 do lines[i] = ("#%d\nentry %d\n"):format(i, i) end
    write(path, table.concat(lines))

    local record = history.open(path)
    local text = contents(path)
    remove()

    assert.equal(10000, #record.entries)
    assert.equal("entry 4", record.entries[1])
    assert.equal("entry 10003", record.entries[10000])
    assert.equal(table.concat(lines, "", 4), text)
  end)

  it("does not drop the oldest twice where two prompts have seen them", function()
    local path, remove = place()
    write(path, "0123456789")

    assert(host.dropfront(path, 4, 10))
    local again, err = host.dropfront(path, 4, 10)
    local text = contents(path)
    remove()

    assert.equal("456789", text)
    assert.is_nil(again)
    assert.equal("EAGAIN", err.code)
  end)

  it("of several prompts at once loses and tears nothing", function()
    local path, remove = place()
    write(path, "")
    local script <close> = assert(io.open(path .. ".lua", "w"))
    script:write [[
      local record = require("net.history").open(arg[1])
      for i = 1, 100 do record:add(("x"):rep(i) .. "\n" .. arg[2] .. i) end
    ]]
    script:close()

    netlua.shell(("for n in a b c d; do %%s %s.lua %s $n & done; wait"):format(path, path), 60)
    local seen = {}
    for _, entry in ipairs(history.open(path).entries) do seen[entry] = true end
    remove()

    for i = 1, 100 do
      for name in ("abcd"):gmatch "." do assert.is_true(seen[("x"):rep(i) .. "\n" .. name .. i]) end
    end
  end)

  -- As root it made /dev/null one for root alone. To open a FIFO took until somebody opened its other end.
  it("leaves what is no file as it is, and does not wait for it", function()
    local path, remove = place()
    netlua.shell(("mkdir -p $(dirname %s); mkfifo -m 644 %s"):format(path, path))

    local record = history.open(path)
    local kept, err = record:add "1"
    local mode = netlua.shell("stat -c %a " .. path)
    remove()

    assert.same({ "1" }, record.entries)
    assert.is_true(kept)
    assert.equal("ENXIO", err.code)
    assert.equal("644\n", mode)
    assert.same({}, history.open("/dev/zero").entries)
  end)

  it("does not wait long for who keeps its file locked", function()
    local path, remove = place()
    write(path, "")
    local command = "flock %s sh -c 'echo locked; exec sleep 60' & echo $!"
    local holder <close> = assert(io.popen(command:format(path)))
    local pid = holder:read "n"
    holder:read "l"
    holder:read "l"
    local began = net.now()

    local _, err = history.open(path):add "1"
    netlua.shell(("pkill -P %d; kill %d"):format(pid, pid))
    remove()

    assert.equal("EAGAIN", err.code)
    assert.is_true(net.now() - began < 5)
  end)

  it("tells why an entry could not be written", function()
    local kept, err = history.open("/proc/nothing/history"):add "1"

    assert.is_true(kept)
    assert.equal("append", err.op)
  end)

  it("is kept nowhere without a place", function()
    local record = history.open(nil)

    assert.is_true(record:add "1")
    assert.same({ "1" }, record.entries)
  end)

  for _, case in ipairs {
    { "NETLUA_HISTORY=/x/y", "/x/y" },
    { "NETLUA_HISTORY=", "nil" },
    { "XDG_STATE_HOME=/s", "/s/netlua/history" },
    { "XDG_STATE_HOME=relative HOME=/h", "/h/.local/state/netlua/history" },
    { "HOME=/h", "/h/.local/state/netlua/history" },
    { "A=1", "nil" },
  } do
    it("is in " .. case[2] .. " with " .. case[1], function()
      local out = netlua.shell(("env -i %s %%s -e 'print(require([[net.history]]).path())'"):format(case[1]))

      assert.equal(case[2] .. "\n", out)
    end)
  end
end)
