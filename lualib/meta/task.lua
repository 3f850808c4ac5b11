---@meta
-- luacheck: ignore

---A function that runs beside the others. Tasks take turns: one runs until it waits. net.spawn makes them.
---In a `<close>` variable a task is canceled where the variable ends.
---@class net.task
local task = {}

---Waits until the task is done and gives what its function returned; the results stay and can be asked for
---again. Who joins takes the failure: it ends nothing else then.
---@async
---@param timeout? number seconds; nil: as long as the enclosing deadline allows; 0: only if it is done
---@return any ... the results, true if there were none; nil if it failed
---@return any err what the task raised, a net.error or anything else; CANCELED if it was canceled; TIMEOUT
--- if it is not done yet
---```lua
---local task = net.spawn(function() error("no luck", 0) end)
---local ok, err = task:join()
---assert(ok == nil and err == "no luck")
---```
function task:join(timeout) end

---Asks the task to end: the wait it is in, or its next one, raises an error with the code CANCELED, and so
---does every wait after that. A task that has not begun never runs. Does not wait for the end; join does.
---@return true
---```lua
---local task = net.spawn(net.sleep, 10)
---task:cancel()
---assert(select(2, task:join()).code == "CANCELED")
---```
function task:cancel() end

---The same as cancel; what a `<close>` variable calls.
---@return true
---```lua
---do local ticker <close> = net.every(1, print) end
---```
function task:close() end

---Says how far it is.
---@return "running"|"waiting"|"done"|"failed"|"canceled" status waiting: parked, or ready and not yet
--- running
---```lua
---local task = net.spawn(function() end)
---assert(task:status() == "waiting")
---task:join()
---assert(task:status() == "done")
---```
function task:status() end

---Gives the traceback of the place where the task failed.
---@return string? traceback nil if it has not failed
---```lua
---local task = net.spawn(error, "no luck")
---task:join()
---assert(task:traceback():find "stack traceback")
---```
function task:traceback() end

---Gives the place of the call that spawned it.
---@return string place "file:line"
---```lua
---local task = net.spawn(net.sleep, 0)
---print(task:place())
---```
function task:place() end

---A deadline, and a home for tasks that must not outlive it. net.scope makes them. The deadline holds for
---what the task that entered it does inside, and for the tasks spawned in it. Leaving it, where its
---`<close>` variable ends, cancels the tasks that still run in it and waits for their end.
---@class net.scope
local scope = {}

---Starts a task in the scope. If it fails while nobody joins it, the other tasks of the scope are canceled,
---and what it raised is the result of wait; where nobody waits either, it is raised when the scope is left.
---@param f function runs as `f(...)`
---@param ... any its arguments
---@return net.task? task
---@return net.error? err CLOSED: it was left, or is being left and waits for the tasks it has
---```lua
---local scope <close> = net.scope()
---scope:spawn(print, "one")
---scope:spawn(print, "two")
---scope:wait()
---```
function scope:spawn(f, ...) end

---Waits until every task of the scope is done.
---@async
---@param timeout? number seconds; nil: as long as the deadlines allow; 0: only looks
---@return true? done
---@return any err what the first failed task raised, a net.error or anything else; or TIMEOUT, or CLOSED
---```lua
---local scope <close> = net.scope { timeout = 0.01 }
---scope:spawn(net.sleep, 0)
---assert(scope:wait())
---```
function scope:wait(timeout) end

---Cancels every task of the scope, but not the task that entered it.
---@return true
---```lua
---local scope <close> = net.scope()
---local task = scope:spawn(net.sleep, 10)
---scope:cancel()
---assert(select(2, task:join()).code == "CANCELED")
---```
function scope:cancel() end

---Tells how long it is until the scope's own deadline; those of the scopes around it are not counted.
---@return number seconds 0 if it has passed, math.huge if there is none
---```lua
---local scope <close> = net.scope { timeout = 5 }
---assert(scope:remaining() > 4)
---```
function scope:remaining() end

---Leaves the scope: cancels its tasks and waits for their end, for as long as they take. Raises what a task
---raised if nobody joined it or waited. What a `<close>` variable calls; closing twice does nothing.
---@async
---@return true
---```lua
---local scope = net.scope()
---scope:spawn(net.sleep, 10)
---scope:close()
---```
function scope:close() end

return { task = task, scope = scope }
