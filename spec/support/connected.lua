-- connected: two ends of one connection, both in this process. Each maker gives first what closes both:
-- `local _ <close>, near, far = connected.pair()`.

local lfs = require "lfs"

local connected = {}

local function closer(near, far)
  local function close()
    near:close()
    far:close()
  end
  return setmetatable({}, { __close = close })
end

---A pair of unix sockets.
function connected.pair(type)
  local near, far = assert(net.pair(type))
  return closer(near, far), near, far
end

local function dial(host, port, listening, dialing)
  local server <close> = assert(net.listen(host, port, listening))
  local name, number = server:getsockname()
  local near = assert(net.connect(name, number, dialing or { timeout = 5 }))
  local far = assert(server:accept(5))
  return closer(near, far), near, far
end

---A TCP connection over 127.0.0.1: the end that connected, the end that was accepted.
function connected.tcp(listening, dialing)
  return dial("127.0.0.1", 0, listening, dialing)
end

---The same over ::1; see has6.
function connected.tcp6(listening, dialing)
  return dial("::1", 0, listening, dialing)
end

---Whether this machine has ::1.
function connected.has6()
  local probe <close> = net.listen("::1", 0)
  return probe ~= nil
end

---Resets `victim`: the other end closes with data that it was sent and never read.
function connected.reset(far, victim)
  assert(victim:write "unread")
  assert(far:close())
end

---A directory of its own for socket files, in `name`; closing it removes it with what is left in it.
function connected.directory()
  local name = os.tmpname()
  os.remove(name)
  assert(lfs.mkdir(name))
  local function close()
    for file in lfs.dir(name) do
      if file ~= "." and file ~= ".." then os.remove(name .. "/" .. file) end
    end
    lfs.rmdir(name)
  end
  return setmetatable({ name = name }, { __close = close })
end

return connected
