---@meta
-- luacheck: ignore

-- Functions and constants of bindings/resolve.c that are fields of net as they are; the lookups that wait are
-- in net/resolve.lua.

---@class net
---@field AI_PASSIVE integer 1
---@field AI_CANONNAME integer 2
---@field AI_NUMERICHOST integer 4
---@field AI_NUMERICSERV integer 1024
---@field AI_V4MAPPED integer 8
---@field AI_ALL integer 16
---@field AI_ADDRCONFIG integer 32
---@field AI_IDN integer 64
---@field AI_CANONIDN integer 128
---@field NI_NUMERICHOST integer 1
---@field NI_NUMERICSERV integer 2
---@field NI_NOFQDN integer 4
---@field NI_NAMEREQD integer 8
---@field NI_DGRAM integer 16
---@field NI_IDN integer 32
local net = {}

---Gives the name of this host, as it was set.
---@return string? name
---@return net.error? err a system code
---@see gethostname(2)
---```lua
---print(net.gethostname())
---```
function net.gethostname() end

---Gives the port of a service.
---@param name string
---@param protocol? string "tcp", "udp"; any if absent
---@return integer? port
---@return net.error? err EAI_SERVICE
---@see getservbyname(3)
---```lua
---assert(net.getservbyname("http", "tcp") == 80)
---```
function net.getservbyname(name, protocol) end

---Gives the name of the service at a port.
---@param port integer|string 0 to 65535; anything else raises
---@param protocol? string "tcp", "udp"; any if absent
---@return string? name
---@return net.error? err EAI_SERVICE
---@see getservbyport(3)
---```lua
---assert(net.getservbyport(80, "tcp") == "http")
---```
function net.getservbyport(port, protocol) end

---Gives the number of a protocol over IP.
---@param name string
---@return integer? number
---@return net.error? err EPROTONOSUPPORT
---@see getprotobyname(3)
---```lua
---assert(net.getprotobyname("udp") == 17)
---```
function net.getprotobyname(name) end

---Gives the name of a protocol over IP.
---@param number integer 0 to 2147483647; anything else raises
---@return string? name
---@return net.error? err EPROTONOSUPPORT
---@see getprotobynumber(3)
---```lua
---assert(net.getprotobynumber(6) == "tcp")
---```
function net.getprotobynumber(number) end

return net
