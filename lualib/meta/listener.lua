---@meta
-- luacheck: ignore

---A socket that connections come in on. net.listen makes them.
---@class net.listener: net.handle
local listener = {}

---Waits for a connection and gives it. A client that went away before is passed over. Where the process has
---no descriptors left it tries again every 50 ms, as the connection stays in the backlog.
---@async
---@param timeout? number seconds; nil: as long as the enclosing deadline allows; 0: only who is there
--- already
---@return net.stream? client a datagram object where the listener is of type "seqpacket"
---@return net.error? err TIMEOUT, CLOSED or BUSY
---@see accept(2)
---```lua
---local server = assert(net.listen("127.0.0.1", 0))
---local client, err = server:accept(0)
---assert(not client and err.code == "TIMEOUT")
---```
function listener:accept(timeout) end

return listener
