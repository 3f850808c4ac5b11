-- Looks one name up many times, so many at a time.
--
--   netlua spec/bench/names.lua NAME COUNT LIMIT
local net = require "net"

local name, count, limit = arg[1], tonumber(arg[2]), tonumber(arg[3])
local list = {}
for i = 1, count do list[i] = name end

local found = net.map(list, function(host)
  return #assert(net.getaddrinfo(host, nil, { socktype = "stream" }))
end, { limit = limit })
assert(#found == count and found[count] > 0)
