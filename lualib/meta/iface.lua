---@meta
-- luacheck: ignore

---@class net.linkwatch
local linkwatch = {}

---Stops watching; a task that waits here gets CLOSED. Closing twice does nothing.
---@return true
---```lua
---local watch = assert(net.watch_links())
---watch:close()
---assert(select(2, watch:read()).code == "CLOSED")
---```
function linkwatch:close() end

---Gives the number of the descriptor, which stays the watch's.
---@return integer? fd
---@return net.error? err CLOSED
---```lua
---local watch <close> = assert(net.watch_links())
---assert(watch:fileno() > 2)
---```
function linkwatch:fileno() end

---Sets the time that every later read may wait, also in a `for` loop.
---@param seconds number? nil: no limit, as at first; 0: never wait
---@return net.linkwatch? self
---@return net.error? err CLOSED
---```lua
---local watch <close> = assert(net.watch_links())
---assert(select(2, watch:settimeout(0):read()).code == "TIMEOUT")
---```
function linkwatch:settimeout(seconds) end

---Spells settimeout in the words of other libraries: true is `settimeout(nil)`, false `settimeout(0)`.
---@param blocking boolean
---@return net.linkwatch? self
---@return net.error? err CLOSED
---```lua
---local watch <close> = assert(net.watch_links())
---assert(select(2, watch:setblocking(false):read()).code == "TIMEOUT")
---```
function linkwatch:setblocking(blocking) end

return linkwatch
