-- Line echo server on copas (LuaSocket, so select()).
local copas = require "copas"
local socket = require "socket"

local server = assert(socket.bind("127.0.0.1", 0, 1024))
local _, port = server:getsockname()
print(port)
io.stdout:flush()

copas.addserver(server, function(raw)
  local client = copas.wrap(raw)
  while true do
    local line = client:receive("*l")
    if not line then break end
    client:send(line .. "\n")
  end
  raw:close()
end)
copas.loop()
