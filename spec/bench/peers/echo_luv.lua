-- Line echo server on luv (libuv).
local uv = require "luv"

local function on_client(server)
  local client = uv.new_tcp()
  local pending = ""
  server:accept(client)
  client:nodelay(true)
  client:read_start(function(err, chunk)
    if err or not chunk then
      client:close()
      return
    end
    pending = pending .. chunk
    local from = 1
    for line, after in pending:gmatch("([^\n]*\n)()") do
      client:write(line)
      from = after
    end
    pending = pending:sub(from)
  end)
end

local server = uv.new_tcp()
assert(server:bind("127.0.0.1", 0))
assert(server:listen(1024, function(err)
  assert(not err, err)
  on_client(server)
end))
print(server:getsockname().port)
io.stdout:flush()
uv.run()
