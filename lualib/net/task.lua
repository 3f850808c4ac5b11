-- net.task: what can be said in terms of tasks and scopes.

local core = require "net.core.task"
local check = require "net.check"

---@class net
local task = {}

---Calls `f(...)` under a deadline: every wait inside returns `nil, err` TIMEOUT once it has passed, and
---tasks that f spawned in scopes of its own are canceled.
---@async
---@param seconds number? from now; 0 to 2^53; nil: no deadline of its own
---@param f function
---@param ... any its arguments
---@return any ... what f returns
---```lua
---local ok, err = net.timeout(0.01, net.sleep, 10)
---assert(not ok and err.code == "TIMEOUT")
---```
function task.timeout(seconds, f, ...)
  check.timeout("timeout", 1, seconds)
  check.callable("timeout", 2, f)
  local scope <close> = core.scope { timeout = seconds } -- luacheck: ignore scope
  return f(...)
end

---Calls `f(item, index)` for every item of a list, many at a time, and gives the results in the list's
---order. What f raises is raised here, after the others were canceled.
---@async
---@param list any[]
---@param f fun(item: any, index: integer): any, any
---@param options? {limit: integer?} limit: how many at a time, 1 to 1000000; 100 if absent
---@return table? results the first value of each call, with `n` = #list; nil if the enclosing deadline passed
--- before all calls were done, which are canceled then
---@return table|net.error errors the second value of the calls that gave a nil or false first, or TIMEOUT
---```lua
---local doubled = net.map({ 1, 2, 3 }, function(n) net.sleep(0.001) return 2 * n end, { limit = 2 })
---assert(doubled[3] == 6)
---```
function task.map(list, f, options)
  if type(list) ~= "table" then check.bad("map", 1, "table", list) end
  check.callable("map", 2, f)
  local limit = check.options("map", 3, options, { limit = { 1, 1000000 } }).limit or 100
  local results, errors, nextindex = { n = #list }, {}, 0
  local function work()
    while nextindex < results.n do
      nextindex = nextindex + 1
      local index = nextindex
      local value, err = f(list[index], index)
      results[index] = value
      if not value then errors[index] = err end
    end
  end
  local scope <close> = core.scope()
  local tasks = {}
  for i = 1, math.min(limit, results.n) do tasks[i] = scope:spawn(work) end
  local ok, err = scope:wait()
  if ok then return results, errors end
  scope:close() -- raises what f raised where the deadline came before the others had ended
  for _, worker in ipairs(tasks) do
    if worker:status() == "failed" then error(err, 0) end
  end
  if type(err) ~= "table" then error(err, 0) end
  err.op = "map"
  return nil, err
end

---Calls `f(...)` every so many seconds in a task of its own, the first time after one period. A call that
---takes longer than a period skips the ones it missed.
---@param seconds number the period; more than 0
---@param f function ends the repetition by returning false
---@param ... any its arguments
---@return net.task task cancel it to stop
---```lua
---local n = 0
---local task = net.every(0.001, function() n = n + 1 return n < 3 end)
---task:join()
---assert(n == 3)
---```
function task.every(seconds, f, ...)
  if math.type(seconds) == nil or not (seconds > 0 and seconds <= 2 ^ 53) then
    check.bad("every", 1, "seconds, a number above 0,", seconds)
  end
  check.callable("every", 2, f)
  return core.spawn(function(...)
    local due = core.now()
    repeat
      due = math.max(due + seconds, core.now() + seconds - (core.now() - due) % seconds)
      core.sleep(math.max(due - core.now(), 0))
    until f(...) == false
  end, ...)
end

return task
