-- net.resolve: host names to addresses, through the system's resolver in a worker thread.

local core = require "net.core.resolve"
local check = require "net.check"

---@class net
local resolve = {}

---Looks a name up as getaddrinfo(3) does: hosts file, name servers, whatever the system is set up for. Other
---tasks go on meanwhile; the deadline and cancellation hold, even while the resolver is stuck.
---@async
---@param host? string name or numeric address; nil: the wildcard or loopback address
---@param service? integer|string port 0 to 65535, or a service name
---@param hints? net.getaddrinfo.hints an unknown field raises
---@return net.getaddrinfo.entry[]? list in the order to try them
---@return net.error? err EAI_NONAME, EAI_AGAIN, EAI_FAIL, EAI_SERVICE ... (kind dns), TIMEOUT
---@see getaddrinfo(3)
---```lua
---local list = assert(net.getaddrinfo("127.0.0.1", 80, { socktype = "stream" }))
---assert(list[1].address == "127.0.0.1" and list[1].port == 80)
---```
function resolve.getaddrinfo(host, service, hints)
  if math.type(service) then
    service = tostring(check.integer("getaddrinfo", 2, service, 0, 65535))
  end
  local lookup <close>, err = check.call("getaddrinfo", core.start, host, service, hints)
  if not lookup then return nil, err end
  return core.wait(lookup)
end

return resolve
