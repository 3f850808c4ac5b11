---@meta
-- luacheck: ignore

---What streams, listeners and datagram objects have in common: a descriptor. One task at a time may wait for
---each direction; a second gets BUSY. Where the system watches as many descriptors as it may (epoll(7)), a
---wait gives ENOSPC. Closing wakes those who wait, with CLOSED. An object nobody refers to
---any more is closed by the garbage collector, at some time; a `<close>` variable closes it where it ends.
---@class net.handle
local handle = {}

---Closes the descriptor; tasks that wait here get CLOSED. What was received and not read is lost. Closing
---twice does nothing.
---@return true
---@see close(2)
---```lua
---local a, b = net.pair()
---a:close()
---assert(select(2, a:write "x").code == "CLOSED")
---```
function handle:close() end

---Gives the number of the descriptor, which stays the object's.
---@return integer? fd
---@return net.error? err CLOSED
---```lua
---local a, b = net.pair()
---assert(a:fileno() > 2)
---```
function handle:fileno() end

---Sets the time that every later call on the object may wait. A `timeout` argument and the deadlines of
---scopes hold as well: the nearest wins.
---@param seconds number? nil: no limit, as at first; 0: never wait
---@return net.handle? self
---@return net.error? err CLOSED
---```lua
---local a, b = net.pair()
---a:settimeout(0.01)
---assert(select(2, a:read()).code == "TIMEOUT")
---```
function handle:settimeout(seconds) end

---Spells settimeout in the words of other socket libraries: true is `settimeout(nil)`, false
---`settimeout(0)`.
---@param blocking boolean
---@return net.handle? self
---@return net.error? err CLOSED
---```lua
---local a, b = net.pair()
---a:setblocking(false)
---assert(select(2, a:recv(1)).code == "TIMEOUT")
---```
function handle:setblocking(blocking) end

---Gives the address on this side.
---@return string? address numeric, or "unix:/path", "unix:@name", "unix:" for an unnamed socket
---@return integer|net.error|nil port none for unix; or the error: CLOSED, ENOTSOCK
---@see getsockname(2)
---```lua
---local server = assert(net.listen("127.0.0.1", 0))
---local address, port = server:getsockname()
---assert(address == "127.0.0.1" and port > 0)
---```
function handle:getsockname() end

---Gives the address of the other side. Ask while the connection is there: the system forgets it when both
---directions have ended.
---@return string? address numeric, or "unix:/path", "unix:@name", "unix:" for an unnamed socket
---@return integer|net.error|nil port none for unix; or the error: CLOSED, ENOTCONN, ENOTSOCK
---@see getpeername(2)
---```lua
---local s = assert(net.socket("inet"))
---local address, err = s:getpeername()
---assert(not address and err.code == "ENOTCONN")
---```
function handle:getpeername() end

return handle
