-- The line echo server with TLS.
--
--   netlua spec/bench/echo_tls.lua CERTIFICATE KEY
local net = require "net"

local server = assert(net.listen("127.0.0.1", 0, { tls = { cert = arg[1], key = arg[2] } }))
local _, port = server:getsockname()
print(port)
io.stdout:flush()

server:serve(function(client)
  while true do
    local line = client:read("L")
    if not line then return end
    client:write(line)
  end
end)
