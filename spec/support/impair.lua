-- impair: a bad network between a client and a server, in this process: a proxy on a free loopback port that
-- delays, slows, cuts up, stalls or resets what it forwards.

local impair = {}

local CHUNK = 65536

local KNOWN = { delay = true, rate = true, split = true, stall_after = true, reset_after = true }

local function check(name, options)
  for field, value in pairs(options) do
    if not KNOWN[field] then error(("impair: unknown option %q for %s"):format(field, name), 3) end
    if type(value) ~= "number" or value < 0 then
      error(("impair: option %q for %s: a number expected"):format(field, name), 3)
    end
  end
  return options
end

local function hexport(address, port)
  local bytes = {}
  for byte in address:gmatch "%d+" do table.insert(bytes, 1, ("%02X"):format(byte)) end
  return ("%s:%04X"):format(table.concat(bytes), port)
end

-- Whether the system holds bytes for `s` that nobody has received. IPv4 only.
local function unread(s)
  local own, other = hexport(s:getsockname()), hexport(s:getpeername())
  for line in io.lines "/proc/net/tcp" do
    local a, b, queue = line:match "^%s*%d+: (%S+) (%S+) %x+ %x+:(%x+)"
    if a == own and b == other then return tonumber(queue, 16) > 0 end
  end
  return false
end

-- A socket closed with unread bytes sends a reset: so the end that is to be reset has to send something
-- more. Until then it sees a connection that stalls.
local function reset(victim, other, pumps)
  for _, pump in ipairs(pumps) do
    if pump ~= net.current() then pump:cancel() end
  end
  while not unread(victim) do net.sleep(0.001) end
  victim:close()
  other:close()
end

-- The bytes that came, each with the time when they may go on.
local function receive(from, queue, delay)
  while true do
    local data, err = from:recv(CHUNK)
    if not queue:send { data = data, err = err, due = net.now() + delay } then return end
    if not data then return end
  end
end

local function pieces(data, options, left)
  local size = options.split or (options.rate and math.max(1, options.rate // 50)) or #data
  local at = 1
  return function()
    if at > #data then return nil end
    local piece = data:sub(at, math.min(at + size - 1, at + left() - 1))
    at = at + math.max(#piece, 1)
    return piece
  end
end

-- One direction. Ends when the source has ended, and tells the target so.
local function pump(from, to, options, pumps)
  local limit = math.min(options.stall_after or math.huge, options.reset_after or math.huge)
  local sent = 0
  local function full()
    if sent < limit then return false end
    if options.reset_after == limit then reset(to, from, pumps) end
    return true
  end
  if full() then return end
  local scope <close> = net.scope()
  local queue = net.channel(1024)
  scope:spawn(receive, from, queue, options.delay or 0)
  for item in queue:values() do
    net.sleep(math.max(item.due - net.now(), 0))
    if not item.data then
      if not item.err then to:shutdown "w" else to:close() end
      return
    end
    for piece in pieces(item.data, options, function() return limit - sent end) do
      if not to:write(piece) then return end
      sent = sent + #piece
      if full() then return end
      if options.rate then net.sleep(#piece / options.rate) elseif options.split then net.sleep(1e-4) end
    end
  end
end

---A proxy in front of `host` and `port`. Each direction has options of its own, absent ones do nothing:
---  delay        seconds that every byte is late
---  rate         bytes per second
---  split        at most so many bytes in one segment
---  stall_after  bytes that pass; then nothing more, and no end either
---  reset_after  bytes that pass; then the end that received them is reset as soon as it sends something more
---Fields: host, port, address. Closing it closes its listener and every connection through it.
---```lua
---local bad <close> = impair.proxy(server.host, server.port, { down = { split = 1 } })
---local s <close> = assert(net.connect(bad.host, bad.port))
---```
function impair.proxy(host, port, options)
  options = options or {}
  for field in pairs(options) do
    if field ~= "up" and field ~= "down" then error(("impair: unknown direction %q"):format(field), 2) end
  end
  local up, down = check("up", options.up or {}), check("down", options.down or {})
  local listener = assert(net.listen("127.0.0.1", 0))
  local name, number = listener:getsockname()
  local function forward(client)
    local near <close> = client
    local far <close> = net.connect(host, port, { timeout = 5 })
    if not far then return end
    local scope <close> = net.scope()
    local pumps = {}
    pumps[1] = scope:spawn(pump, near, far, up, pumps)
    pumps[2] = scope:spawn(pump, far, near, down, pumps)
    -- A direction that stalls keeps both ends open until the proxy is closed.
    for i, direction in ipairs { up, down } do
      local _, err = pumps[i]:join()
      if err and err.code ~= "CANCELED" then error(err, 0) end
      if direction.stall_after then net.event():wait() end
    end
  end
  local task = net.spawn(function()
    local scope <close> = net.scope()
    for client in listener:clients() do scope:spawn(forward, client) end
  end)
  local function close()
    task:cancel()
    listener:close()
    task:join()
  end
  return setmetatable({ host = name, port = number, address = name .. ":" .. number, close = close },
    { __close = close })
end

return impair
