-- net.stream: the methods of streams and listeners that are policy. They replace their stand-ins in the
-- classes when this module loads.

local task = require "net.core.task"
local socket = require "net.core.socket"
local greeting = require "net.core.greeting"
local check = require "net.check"

---@class net.stream
local stream = {}

---@class net.listener
local listener = {}

-- A format of read, whose own message would come from here and not from the loop.
local function checkformat(format)
  if format == nil then return "l" end
  local right = math.type(format) and math.tointeger(format) or type(format) == "string"
    and format:find "^%*?[lLna]"
  if not right then check.bad("lines", 1, '"l", "L", "n", "a" or a count', format) end
  return format
end

---Iterates over what `read(format)` returns. An unterminated last line is a line too.
---@async
---@param format? string|integer as in read; "l" if absent
---@return fun(): string|number|nil iterator ends with the stream; raises the error of a reset or a timeout,
--- as a loop would end there as if all had been read
---@see net.stream.read
---```lua
---local a, b = net.pair()
---b:write "one\ntwo"
---b:shutdown "w"
---for line in a:lines() do print(line) end
---```
function stream:lines(format)
  check.class("lines", self, socket.stream, "net.stream")
  format = checkformat(format)
  return function()
    local piece, err = self:read(format)
    if piece ~= nil or err == nil then return piece end
    if err.code == "EOF" then return err.partial end
    error(err, 2)
  end
end

---Ends a stream in order: says that nothing more will be sent, reads to the peer's end, closes.
---@async
---@param timeout? number seconds for the peer to end; nil: as long as the enclosing deadline allows
---@return integer? drained bytes that the peer still sent and nobody read; nil if the end was not clean
---@return net.error? err TIMEOUT, ECONNRESET, TOOBIG (more than max_read came), BUSY (then it stays open),
--- CLOSED or ENOTCONN
---@see shutdown(2)
---```lua
---local a, b = net.pair()
---b:write "bye"
---b:close()
---assert(a:finish(1) == 3)
---```
function stream:finish(timeout)
  check.class("finish", self, socket.stream, "net.stream")
  check.timeout("finish", 1, timeout)
  local drained, err = socket.finish(self, timeout)
  if drained or err.code ~= "BUSY" then self:close() end
  return drained, err
end

-- For whatever accepts.
local function clients(self)
  return function()
    local client, err = self:accept()
    if client or err.code == "CLOSED" then return client end
    error(err, 2)
  end
end

---Iterates over the connections that come in, until the listener is closed.
---@async
---@return fun(): net.stream? iterator raises what accept fails with, other than CLOSED
---```lua
---local server = assert(net.listen("127.0.0.1", 0))
---net.spawn(function()
---  for client in server:clients() do client:close() end
---end)
---server:close()
---```
function listener:clients()
  check.class("clients", self, socket.listener, "net.listener")
  return clients(self)
end

-- Keeps the traceback with what a handler raised; a cancellation is no news.
local function explain(err)
  if type(err) == "table" and err.code == "CANCELED" then return err end
  return debug.traceback(tostring(err), 2)
end

-- A client that does not come to terms with TLS is none: whoever wants to know of it says so to net.listen.
local function greeted(client)
  if not greeting.due(client) then return true end
  local plan = greeting.policy(client)
  local ok, err = client:handshake()
  if not ok and plan.failed then plan.failed(client, err) end
  return ok
end

local function serveone(client, handler, gate)
  local held <close> = client -- luacheck: ignore held
  local ok, err = xpcall(function() if greeted(client) then handler(client) end end, explain)
  if gate then gate:release() end
  if ok then return end
  if type(err) == "table" then task.sleep(0) end -- raises where it is this task that was canceled
  task.report("client failed: " .. tostring(err))
end

-- For whatever accepts.
local function serve(self, handler, options)
  check.callable("serve", 1, handler)
  local limit = check.options("serve", 2, options, { limit = { 1, 1000000 } }).limit
  local gate = limit and require("net.sync").semaphore(limit)
  local scope <close> = task.scope()
  while true do
    if gate then gate:acquire() end
    local client, err = self:accept()
    if not client then
      if err.code ~= "CLOSED" then return nil, err end
      return scope:wait()
    end
    local spawned, why = pcall(scope.spawn, scope, serveone, client, handler, gate)
    if not spawned then -- out of memory: the peer must not wait for a collection
      client:close()
      error(why, 0)
    end
  end
end

---Runs `handler(client)` in a task of its own for every connection, until the listener is closed; then
---waits for the clients that are left. A client is closed when its handler returns or raises; an error in
---a handler is reported on standard error and ends that client only. Without descriptors it stops
---accepting until there are some.
---@async
---@param handler fun(client: net.stream)
---@param options? {limit: integer?} limit: how many clients at a time, 1 to 1000000; nil: no limit
---@return true? done the listener was closed and the last client has ended
---@return net.error? err TIMEOUT, BUSY or what accept failed with; the clients are canceled then
---```lua
---local server = assert(net.listen("127.0.0.1", 0))
---net.spawn(server.serve, server, function(client)
---  for line in client:lines "L" do client:write(line) end
---end, { limit = 100 })
---server:close()
---```
function listener:serve(handler, options)
  check.class("serve", self, socket.listener, "net.listener")
  return serve(self, handler, options)
end

for name, method in pairs(stream) do socket.stream[name] = method end
for name, method in pairs(listener) do socket.listener[name] = method end

return { stream = stream, listener = listener, clients = clients, serve = serve }
