-- net.listeners: several listeners as one: what `net.listen` gives for a name with several addresses.

local task = require "net.core.task"
local newerror = require "net.core.error".new
local check = require "net.check"
local select = require("net.select").select
local shared = require "net.stream"

local BACKOFF = 0.05 -- seconds

---Several listeners as one. net.listen makes them of a list of addresses and of a name that has several.
---It has no descriptor of its own: net.select and net.poll take the listeners in `list`, each ready when it
---has a connection.
---@class net.listeners
---@field list net.listener[] one for each address
local listeners = {}
listeners.__index = listeners
listeners.__name = "net.listeners"

-- A list of open listeners, which it owns from now on: no function of the class.
local function new(list)
  return setmetatable({ list = list }, listeners)
end

local function checkself(name, self)
  if getmetatable(self) ~= listeners then check.class(name, self, listeners, "net.listeners") end
end

local function fail(code)
  return nil, newerror("accept", code)
end

-- The first connection that one of them has; false if none has.
local function first(list)
  for _, listener in ipairs(list) do
    local client, err = listener:accept(0)
    if client or err.code ~= "TIMEOUT" then return client, err end
  end
  return false
end

-- One that is ready and gives nothing lacks descriptors, most likely: it would be ready again at once.
local function accept(self, timeout)
  local deadline = timeout and task.now() + timeout
  local function left() return deadline and math.max(deadline - task.now(), 0) end
  local ready
  while true do
    local client, err = first(self.list)
    if client ~= false then return client, err end
    if ready and left() == 0 then return fail "TIMEOUT" end
    if ready then task.sleep(math.min(BACKOFF, left() or BACKOFF)) end
    ready, err = select(self.list, nil, nil, left())
    if self.closed then return fail "CLOSED" end
    if not ready then return fail(err.code) end
    if #ready == 0 then return fail "TIMEOUT" end
  end
end

---Accepts from whichever has a connection.
---@async
---@param timeout? number seconds; nil: as long as the enclosing deadline allows; 0: only who is there already
---@return net.stream? client
---@return net.error? err TIMEOUT, CLOSED or BUSY
---```lua
---local server <close> = assert(net.listen({ "127.0.0.1", "127.0.0.2" }, 0))
---assert(select(2, server:accept(0)).code == "TIMEOUT")
---```
function listeners:accept(timeout)
  checkself("accept", self)
  check.timeout("accept", 1, timeout)
  if self.closed then return fail "CLOSED" end
  if self.busy then return fail "BUSY" end
  self.busy = true
  local free <close> = setmetatable({}, { __close = function() self.busy = nil end }) -- luacheck: ignore free
  return accept(self, timeout or self.timeout)
end

---Sets the time that every later accept may wait, as for one listener.
---@param seconds number? nil: no limit, as at first; 0: never wait
---@return net.listeners? self
---@return net.error? err CLOSED
---```lua
---local server <close> = assert(net.listen({ "127.0.0.1", "127.0.0.2" }, 0))
---assert(select(2, server:settimeout(0):accept()).code == "TIMEOUT")
---```
function listeners:settimeout(seconds)
  checkself("settimeout", self)
  check.timeout("settimeout", 1, seconds)
  if self.closed then return nil, newerror("settimeout", "CLOSED") end
  self.timeout = seconds
  return self
end

---Gives the address of the first listener; those of the others are in `list`.
---@return string? address
---@return integer|net.error|nil port or the error: CLOSED
---```lua
---local server <close> = assert(net.listen({ "127.0.0.1", "127.0.0.2" }, 0))
---assert(server:getsockname() == "127.0.0.1")
---```
function listeners:getsockname()
  checkself("getsockname", self)
  return self.list[1]:getsockname()
end

---Closes all of them; a task that waits in accept gets CLOSED. Closing twice does nothing.
---@return true
---```lua
---local server = assert(net.listen({ "127.0.0.1", "127.0.0.2" }, 0))
---server:close()
---assert(select(2, server:accept()).code == "CLOSED")
---```
function listeners:close()
  checkself("close", self)
  self.closed = true
  for _, listener in ipairs(self.list) do listener:close() end
  return true
end

listeners.__close = listeners.close

---Iterates over the connections that come in, until it is closed.
---@async
---@return fun(): net.stream? iterator raises what accept fails with, other than CLOSED
---@see net.listener.clients
---```lua
---local server = assert(net.listen({ "127.0.0.1", "127.0.0.2" }, 0))
---server:close()
---for client in server:clients() do client:close() end
---```
function listeners:clients()
  checkself("clients", self)
  return shared.clients(self)
end

---Runs `handler(client)` in a task of its own for every connection, as for one listener.
---@async
---@param handler fun(client: net.stream)
---@param options? {limit: integer?} limit: how many clients at a time, 1 to 1000000; nil: no limit
---@return true? done all listeners were closed and the last client has ended
---@return net.error? err TIMEOUT, BUSY or what accept failed with; the clients are canceled then
---@see net.listener.serve
---```lua
---local server = assert(net.listen({ "127.0.0.1", "127.0.0.2" }, 0))
---net.spawn(server.serve, server, function(client) client:write "hello\n" end)
---server:close()
---```
function listeners:serve(handler, options)
  checkself("serve", self)
  check.callable("serve", 1, handler)
  return shared.serve(self, handler, options)
end

return { new = new, class = listeners }
