-- What the machine may do to the program: little memory, no threads, a small stack, signals all the time.
-- A bit of everything goes on meanwhile, and each part of it may fail, but for the right reason.

local compile = require "compile"
local netlua = require "netlua"

local SCRIPT = [[
local stop, storm = arg[1]
if stop then storm = assert(io.popen(STORM .. "; : >" .. stop)) end
local listener = net.listen("127.0.0.1", 0)
local port = listener and select(2, listener:getsockname())
local function try(f, ...)
  local ran, value, err = pcall(f, ...)
  local known = ran or value == "not enough memory" or tostring(value):find "%u%u%u"
  if not known then io.stdout:write("raised: ", tostring(value), "\n") end
  if ran and value == nil and not err.code then io.stdout:write("no code: ", tostring(err), "\n") end
  return ran and value
end
local function round()
  local held = {}
  for _ = 1, 20 do
    local client = try(net.connect, "127.0.0.1", port, { timeout = 5 })
    local server = client and try(listener.accept, listener, 5)
    if server then
      try(server.write, server, ("x"):rep(1000), "\n")
      try(client.read, client, "l")
    end
    held[#held + 1], held[#held + 2] = client or nil, server or nil
  end
  try(net.getaddrinfo, "localhost", "80")
  try(net.interfaces)
  try(net.select, held, nil, nil, 0)
  for _ = 1, 20 do net.spawn(function() try(net.getaddrinfo, "127.0.0.1", "80") end) end
  net.sleep(0.01)
  for _, object in pairs(held) do object:close() end
end
repeat net.timeout(30, round) until not stop or io.open(stop)
io.stdout:write("done\n")
]]

-- Runs beside the script, and knows it as its parent.
local STORM = [[i=0
while [ $i -lt 1000 ]; do for s in WINCH CONT PIPE CHLD URG; do kill -$s $PPID; done; i=$((i+1)); done
kill -STOP $PPID; kill -CONT $PPID]]

describe("the program", function()
  local script

  setup(function()
    script = os.tmpname()
    local file <close> = assert(io.open(script, "w"))
    file:write(("local STORM = %q\n"):format(STORM), SCRIPT)
  end)

  teardown(function() os.remove(script) end)

  local limits = {
    { claim = "with 32 MiB of memory", words = "ulimit -v 32768" },
    { claim = "with 64 MiB of memory", words = "ulimit -v 65536" },
    { claim = "with a stack of 64 KiB", words = "ulimit -s 64" },
    { claim = "with 12 descriptors", words = "ulimit -n 12", always = true },
  }
  for _, limit in ipairs(limits) do
    it("works or says why not " .. limit.claim, function()
      if compile.sanitized and not limit.always then return pending "sanitizers need more" end

      local out, err, status = netlua.shell(("%s; exec %%s %s"):format(limit.words, script))

      assert.equal("", err)
      assert.equal("done\n", out)
      assert.equal(0, status)
    end)
  end

  it("takes no notice of signals that are none of its business", function()
    local stop = os.tmpname()
    os.remove(stop)

    local out, err, status = netlua.shell(("%%s %s %s"):format(script, stop), 60)
    os.remove(stop)

    assert.equal("", err)
    assert.equal("done\n", out)
    assert.equal(0, status)
  end)

  it("takes no method of waiting from the environment", function()
    local out = netlua.shell "LIBEV_FLAGS=1 %s -e 'net.sleep(0.001) os.execute \"ls -l /proc/$PPID/fd\"'"

    assert.matches("anon_inode:%[eventpoll%]", out)
  end)
end)
