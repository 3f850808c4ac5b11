-- Line echo server on cqueues.
local cqueues = require "cqueues"
local socket = require "cqueues.socket"

local function echo(client)
  client:setmode("b", "bl")
  for line in client:lines("*L") do
    client:write(line)
  end
  client:close()
end

local server = assert(socket.listen("127.0.0.1", 0))
assert(server:listen())
local _, _, port = server:localname()
print(port)
io.stdout:flush()

local loop = cqueues.new()
loop:wrap(function()
  for client in server:clients() do
    loop:wrap(echo, client)
  end
end)
assert(loop:loop())
