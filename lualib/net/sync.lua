-- net.sync: channels, semaphores and events between tasks. All stand on the waitlist, which hands a value
-- to the task that has waited longest: nothing is handed to a task that timed out or was canceled.

local waitlist = require "net.core.task".waitlist
local newerror = require "net.core.error".new
local check = require "net.check"

---@class net
local sync = {}

-- What succeeds at once lets the others have a turn now and then, and hears there of deadline and
-- cancellation.
local function turn(list, op)
  local ok, err = list:turn()
  if ok then return true end
  err.op = op
  return nil, err
end

-- ---- channel

---Carries values from tasks to tasks, in order. net.channel makes one. A `<close>` variable closes it where
---the variable ends.
---@class net.channel
local channel = {}
channel.__index = channel
channel.__name = "net.channel"

---A queue of values from tasks to tasks, in order.
---@param capacity? integer values that wait without their senders waiting, 0 to 1000000; 0 if absent
---@return net.channel
---```lua
---local numbers = net.channel(10)
---numbers:send(1)
---numbers:close()
---for n in numbers:values() do assert(n == 1) end
---```
function sync.channel(capacity)
  capacity = check.integer("channel", 1, capacity, 0, 1000000, 0)
  return setmetatable({ capacity = capacity, first = 1, last = 0, senders = waitlist(),
    receivers = waitlist(), closed = false }, channel)
end

---Gives a value to a receiver, or leaves it where there is room, or waits for one of both.
---@async
---@param value any not nil
---@param timeout? number seconds; nil: as long as the enclosing deadline allows
---@return true? sent
---@return net.error? err CLOSED or TIMEOUT; the value was not taken
---```lua
---local c = net.channel(1)
---assert(c:send "x")
---assert(select(2, c:send("y", 0)).code == "TIMEOUT")
---```
function channel:send(value, timeout)
  if value == nil then check.bad("send", 1, "a value that is not nil", value) end
  check.timeout("send", 2, timeout)
  local ok, late = turn(self.receivers, "send")
  if not ok then return nil, late end
  if self.closed then return nil, newerror("send", "CLOSED", "channel is closed") end
  if self.receivers:wake { value } then return true end
  if self.last - self.first + 1 < self.capacity then
    self[self.last + 1] = value -- first what may run out of memory
    self.last = self.last + 1
    return true
  end
  local sent, err = self.senders:wait(timeout, value)
  if sent then return true end
  if err then err.op = "send" end
  return nil, err or newerror("send", "CLOSED", "channel is closed")
end

---Takes the next value.
---@async
---@param timeout? number seconds; nil: as long as the enclosing deadline allows
---@return any value nil alone once the channel is closed and empty
---@return net.error? err TIMEOUT
---```lua
---local c = net.channel()
---net.spawn(function() c:send "hello" end)
---assert(c:receive(1) == "hello")
---```
function channel:receive(timeout)
  check.timeout("receive", 1, timeout)
  local ok, late = turn(self.receivers, "receive")
  if not ok then return nil, late end
  if self.first <= self.last then
    local value = self[self.first]
    self[self.first] = nil
    self.first = self.first + 1
    local waited, next = self.senders:wake(true)
    if waited then
      self.last = self.last + 1
      self[self.last] = next
    end
    return value
  end
  local waited, offer = self.senders:wake(true)
  if waited then return offer end
  if self.closed then return nil end
  local box, err = self.receivers:wait(timeout)
  if not box then
    err.op = "receive"
    return nil, err
  end
  return box[1]
end

---Ends the channel: values that are in it can still be received, nothing can be sent.
---@return true
---```lua
---local c = net.channel()
---c:close()
---assert(c:receive() == nil)
---```
function channel:close()
  self.closed = true
  while self.receivers:wake {} do end
  while self.senders:wake(false) do end
  return true
end

channel.__close = channel.close

---Iterates over the values until the channel is closed and empty. A timeout of an enclosing scope is
---raised.
---@async
---@return fun(): any iterator
---```lua
---local c = net.channel(2)
---c:send(1)
---c:close()
---for value in c:values() do assert(value == 1) end
---```
function channel:values()
  return function()
    local value, err = self:receive()
    if err then error(err, 2) end
    return value
  end
end

-- ---- semaphore

---Permits of which only so many are out at a time. net.semaphore makes one.
---@class net.semaphore
local semaphore = {}
semaphore.__index = semaphore
semaphore.__name = "net.semaphore"

---Permits that tasks take and give back: at most n at a time.
---@param n integer permits, 1 to 1000000
---@return net.semaphore
---```lua
---local two = net.semaphore(2)
---two:acquire()
---two:release()
---```
function sync.semaphore(n)
  check.integer("semaphore", 1, n, 1, 1000000)
  return setmetatable({ limit = n, free = n, waiters = waitlist() }, semaphore)
end

---Takes a permit, in the order of asking.
---@async
---@param timeout? number seconds; nil: as long as the enclosing deadline allows; 0: only if one is free
---@return true? taken
---@return net.error? err TIMEOUT
---```lua
---local one = net.semaphore(1)
---one:acquire()
---assert(not one:acquire(0))
---```
function semaphore:acquire(timeout)
  check.timeout("acquire", 1, timeout)
  local ok, late = turn(self.waiters, "acquire")
  if not ok then return nil, late end
  if self.free > 0 then
    self.free = self.free - 1
    return true
  end
  local taken, err = self.waiters:wait(timeout)
  if err then err.op = "acquire" end
  return taken, err
end

---Gives a permit back; it goes straight to the task that has waited longest. One more than were taken raises.
---@return true
---```lua
---local one = net.semaphore(1)
---one:acquire()
---one:release()
---assert(one:acquire(0))
---```
function semaphore:release()
  if self.waiters:wake(true) then return true end
  if self.free == self.limit then error("semaphore released more often than acquired", 2) end
  self.free = self.free + 1
  return true
end

-- ---- event

---Something that has happened or not. net.event makes one.
---@class net.event
local event = {}
event.__index = event
event.__name = "net.event"

---Something that happens once, for any number of tasks to wait for.
---@return net.event
---```lua
---local ready = net.event()
---net.spawn(function() ready:set() end)
---assert(ready:wait(1))
---```
function sync.event()
  return setmetatable({ happened = false, waiters = waitlist() }, event)
end

---Waits until the event is set; returns at once if it is.
---@async
---@param timeout? number seconds; nil: as long as the enclosing deadline allows
---@return true? set
---@return net.error? err TIMEOUT
---```lua
---local e = net.event()
---assert(select(2, e:wait(0)).code == "TIMEOUT")
---```
function event:wait(timeout)
  check.timeout("wait", 1, timeout)
  local ok, late = turn(self.waiters, "wait")
  if not ok then return nil, late end
  if self.happened then return true end
  local set, err = self.waiters:wait(timeout)
  if err then err.op = "wait" end
  return set, err
end

---Sets the event and wakes all who wait.
---@return true
---```lua
---local e = net.event()
---e:set()
---assert(e:isset())
---```
function event:set()
  self.happened = true
  while self.waiters:wake(true) do end
  return true
end

---Makes later waits wait again.
---@return true
---```lua
---local e = net.event()
---e:set()
---e:clear()
---assert(not e:isset())
---```
function event:clear()
  self.happened = false
  return true
end

---Whether it is set.
---@return boolean
---```lua
---assert(not net.event():isset())
---```
function event:isset()
  return self.happened
end

return sync
