-- net.select: waiting for the first of many objects.

local core = require "net.core.select"
local task = require "net.core.task"
local check = require "net.check"

---@class net
local select = {}

-- Waits with as many pollers as it takes. `a` is false when the time of this call is over, while the end of
-- an enclosing deadline is an error.
local function wait(make, await, timeout, ...)
  local deadline = timeout and task.now() + timeout
  while true do
    local poller <close>, failed = make(...)
    if not poller then return nil, failed end
    local left = deadline and math.max(deadline - task.now(), 0)
    local a, b, c = await(poller, left, ...)
    if a == nil and b.code == "TIMEOUT" and deadline and task.now() >= deadline then return false end
    if a ~= false then return a, b, c end
  end
end

local function checktimeout(name, arg, timeout)
  local good = timeout == nil or type(timeout) == "number" and timeout >= 0 and timeout <= 2 ^ 53
  if not good then check.bad(name, arg, "seconds, a number from 0 to 2^53,", timeout) end
end

---Waits until one of many objects can be used, as select(2) does, without its limit of 1024. What has
---buffered bytes is readable at once; an object that failed or whose peer is gone is ready in each list it is
---in. Several listeners that are one, as net.listen makes of a name, are waited for by the entries of their
---`list`. A stream that reads ahead makes `select` right for it, but a task per stream is shorter.
---@async
---@param readers? (net.handle|integer)[] objects, or descriptor numbers that something else owns; nil: none
---@param writers? (net.handle|integer)[] ready when they take data; a connecting stream when that is decided
---@param excepts? (net.handle|integer)[] ready when urgent data is there
---@param timeout? number seconds; nil: as long as the enclosing deadline allows; 0: only what is ready now
---@return table? readable those of `readers`, in their order; all three lists are empty after `timeout`
---@return table|net.error writable those of `writers`; or err CLOSED or EBADF (`entry` says which; also when
--- one is closed while this waits), TIMEOUT of an enclosing deadline, EMFILE
---@return table? exceptional those of `excepts`
---@see select(2)
---```lua
---local a, b = net.pair()
---b:write "x"
---local readable = assert(net.select({ a, b }, nil, nil, 1))
---assert(#readable == 1 and readable[1] == a)
---```
function select.select(readers, writers, excepts, timeout)
  checktimeout("select", 4, timeout)
  local r, w, x = check.call("select", core.look, readers, writers, excepts)
  if r == false and timeout ~= 0 then
    r, w, x = wait(core.poller, core.wait, timeout, readers, writers, excepts)
  end
  if r == false then return {}, {}, {} end
  return r, w, x
end

---Waits until something of what is asked has happened, as poll(2) does: `net.select` with one question per
---object.
---@async
---@param list (net.handle|integer|{[1]: net.handle|integer, [2]: string?})[] an object or {object, events}:
--- letters of "r" readable (if none are given), "w" writable, "x" urgent data, "" only failure
---@param timeout? number seconds; nil: as long as the enclosing deadline allows; 0: only what is ready now
---@return {[1]: net.handle|integer, [2]: string, error: true?, hangup: true?}[]? ready in the order of
--- `list`, with the letters that came true; empty after `timeout`
---@return net.error? err CLOSED or EBADF (`entry` says which), TIMEOUT of an enclosing deadline, EMFILE
---@see poll(2)
---```lua
---local a, b = net.pair()
---local ready = assert(net.poll({ { a, "rw" }, { b, "r" } }, 1))
---assert(#ready == 1 and ready[1][1] == a and ready[1][2] == "w")
---```
function select.poll(list, timeout)
  checktimeout("poll", 2, timeout)
  if type(list) ~= "table" then check.bad("poll", 1, "table", list) end
  local ready, err = check.call("poll", core.lookone, list)
  if ready == false and timeout ~= 0 then ready, err = wait(core.pollerof, core.waitone, timeout, list) end
  if ready == false then return {} end
  return ready, err
end

return select
