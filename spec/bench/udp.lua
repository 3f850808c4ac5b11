-- The datagram echo server under test.
local net = require "net"

local s = assert(net.udp())
assert(s:bind("127.0.0.1", 0))
print((select(2, s:getsockname())))
io.stdout:flush()

while true do
  local data, address, port = assert(s:recvfrom(2048))
  assert(s:sendto(data, address, port))
end
