-- peer: the other side of a connection, as a task in the same process.

local peer = {}

---A listener on a free loopback port that serves one connection with `f(client)`.
---Fields: address ("127.0.0.1:port"), host, port, task. Closing it closes the listener and cancels the task.
function peer.once(f)
  return peer.each(f, 1)
end

---The same for every connection, each in a task of its own; at most `most` of them.
function peer.each(f, most)
  local listener = assert(net.listen("127.0.0.1", 0))
  local host, port = listener:getsockname()
  local task = net.spawn(function()
    local scope <close> = net.scope()
    for _ = 1, most or math.huge do
      local client, err = listener:accept()
      if not client then
        if err.code == "CLOSED" then break end
        error(err)
      end
      scope:spawn(function()
        local held <close> = client
        f(held)
      end)
    end
    assert(scope:wait())
  end)
  local function close()
    task:cancel()
    listener:close()
  end
  return setmetatable({ address = host .. ":" .. port, host = host, port = port, task = task, close = close },
    { __close = close })
end

---Answers every line with itself.
function peer.echo()
  return peer.each(function(client)
    for line in client:lines "L" do client:write(line) end
  end)
end

return peer
