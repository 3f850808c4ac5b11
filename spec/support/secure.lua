-- secure: TLS between two ends in the process.

local authority = require "authority"
local peer = require "peer"

local secure = {}

local made = {}

---An authority, with a certificate for that host; made once.
function secure.authority(host)
  host = host or "server.test"
  made[host] = made[host] or authority.new(host)
  return made[host]
end

local function with(options, more)
  local all = {}
  for _, table in ipairs { options, more or {} } do
    for field, value in pairs(table) do all[field] = value end
  end
  return all
end

---Options of a client that trusts the authority; `more` overrides. A field of false is left out.
function secure.client(more)
  local a = secure.authority()
  return with({ ca = a.capem, host = a.host }, more)
end

---Options of a server with its certificate, or with a context.
function secure.server(more)
  if more and more.context then return more end
  local a = secure.authority()
  return with({ cert = a.chain, key = a.key }, more)
end

---Shakes hands over two connected streams, a as the client: true, or nil, the client's error, the server's.
function secure.shake(a, b, client, server)
  local task = net.spawn(function()
    return b:starttls(with(secure.server(server), { server = true }), 5)
  end)
  local ok, err = a:starttls(secure.client(client), 5)
  if not ok then a:close() end
  local served, why = task:join(30)
  if ok and served then return true end
  return nil, err, why
end

---Two ends of a connection after the handshake: the client's and the server's.
function secure.pair(client, server)
  local a, b = assert(net.pair())
  local ok, err, why = secure.shake(a, b, client, server)
  assert(ok, err or why)
  return a, b
end

local function echo(client)
  for line in function() return client:read "L" end do
    if not client:write(line) then break end
  end
end

---A listener with TLS, which serves each client with `f`, or echoes lines. Fields as those of peer.each.
function secure.serve(options, f)
  local listener = assert(net.listen("127.0.0.1", 0, { tls = secure.server(options) }))
  local host, port = listener:getsockname()
  local task = net.spawn(listener.serve, listener, f or echo)
  local function close()
    listener:close()
    task:cancel()
    task:join(30)
  end
  return setmetatable({ host = host, port = port, task = task, listener = listener, close = close },
    { __close = close })
end

---Connects to such a server.
function secure.connect(server, options)
  return net.connect(server.host, server.port, { tls = secure.client(options), timeout = 5 })
end

---A relay in front of another port. `change(data, sofar)` gives what goes to the client instead of the data
---that the server sent after `sofar` bytes, and "cut" or "reset" if both connections shall end then, or
---"stall" if nothing more shall go to the client.
function secure.between(port, change)
  return peer.each(function(client)
    local upstream <close> = assert(net.connect("127.0.0.1", port))
    local scope <close> = net.scope()
    scope:spawn(function()
      for data in function() return client:recv(65536) end do
        if not upstream:write(data) then break end
      end
      upstream:close()
    end)
    local sofar = 0
    for data in function() return upstream:recv(65536) end do
      local changed, next = change(data, sofar)
      sofar = sofar + #data
      if next == "reset" then client:setsockopt("SO_LINGER", { on = true, seconds = 0 }) end
      if not client:write(changed) or next == "cut" or next == "reset" then break end
      if next == "stall" then net.sleep(60) end
    end
    client:close()
    upstream:close()
  end)
end

return secure
