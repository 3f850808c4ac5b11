-- oom_tls: what oom.c runs while allocations fail, with TLS on both ends. Certificates come from files that
-- the spec made: $TLS_FOLDER. Whatever fails, a certificate for somebody else lets nobody through.

local net = require "net"

local folder = os.getenv "TLS_FOLDER"

local function read(name)
  local file <close> = assert(io.open(folder .. "/" .. name, "rb"))
  return file:read "a"
end

local files = {}
for _, name in ipairs { "ca", "chain", "key", "wrong", "staple" } do files[name] = read(name) end

local function serving(more)
  local options = { cert = files.chain, key = files.key, alpn = { "b", "a" } }
  for field, value in pairs(more or {}) do options[field] = value end
  return options
end

local function calling(more)
  local options = { ca = files.ca, host = "server.test", alpn = { "a" } }
  for field, value in pairs(more or {}) do options[field] = value end
  return options
end

-- Both ends of a pair. If one fails the other must hear of it at once.
local function pair(client, server, talk)
  local a <close>, b = assert(net.pair())
  local task = net.spawn(function()
    local held <close> = b
    assert(held:starttls(server, 5))
    talk(held)
  end)
  local ok, err = a:starttls(client, 5)
  if ok then ok, err = a:write "line\n" end
  if ok then ok, err = a:read(5) end
  local info = ok and a:tls()
  a:close()
  local done, why = task:join(30)
  return assert(ok, err), info, assert(done, why)
end

local function echo(s)
  assert(s:write(assert(s:read "L")))
  s:finish(5)
end

local function handshakes()
  local server = serving { ocsp = files.staple, ciphers = "HIGH:!aNULL", groups = "X25519:P-256" }
  server.server = true
  local line, info = pair(calling { ocsp = true }, server, echo)
  assert(line == "line\n" and info.verified and info.alpn == "a")
end

-- With a wrong name there is no success, out of memory or not.
local function wrong()
  local server = serving { cert = files.wrong }
  server.server = true
  local ran, line, info = pcall(pair, calling(), server, echo)
  if not ran then return end
  io.stderr:write("a certificate for somebody else got through: ", tostring(line), tostring(info), "\n")
  os.exit(99)
end

-- A listener, names, a client's certificate, resumption.
local function listening(version)
  local scope <close> = net.scope { timeout = 10 }
  local other = { cert = files.wrong, key = files.key }
  local tls = serving { client_ca = files.ca, verify = "optional", servername = { ["other.test"] = other } }
  local listener <close> = assert(net.listen("127.0.0.1", 0, { tls = tls }))
  local address, port = listener:getsockname()
  scope:spawn(function()
    local held <close> = listener -- luacheck: ignore held
    listener:serve(function(client) client:write(client:read "L") end)
  end)
  scope:spawn(function()
    local context = assert(net.tls.context { ca = files.ca, max = version })
    for n, host in ipairs { "server.test", "server.test", "other.test" } do
      local with = { timeout = 5, tls = { context = context, host = host } }
      local s <close> = assert(net.connect(address, port, with))
      assert(s:write "hello\n")
      assert(s:read "L" == "hello\n")
      local info = assert(s:tls())
      assert(info.verified and info.resumed == (n == 2))
      assert(#assert(s:export_key("EXPORTER-x", 20)) == 20 and s:channel_binding "tls-server-end-point")
      s:finish(5)
    end
    listener:close()
  end)
  assert(scope:wait(10))
end

local function nested()
  local a <close>, b = assert(net.pair())
  local server = serving()
  server.server = true
  local task = net.spawn(function()
    local held <close> = b
    for _ = 1, 2 do assert(held:starttls(server, 5)) end
    echo(held)
  end)
  local ok, err = a:starttls(calling(), 5)
  if ok then ok, err = a:starttls(calling(), 5) end
  if ok then ok, err = a:write "line\n" end
  if ok then ok, err = a:read "L" end
  a:close()
  local done, why = task:join(30)
  assert(ok, err)
  assert(done, why)
end

-- Nothing here is closed, nor is any handshake done.
local function dropped()
  local a, b = net.pair()
  net.spawn(a.starttls, a, calling(), 5)
  net.sleep(0)
  b:close()
  net.listen("127.0.0.1", 0, { tls = serving() })
end

handshakes()
wrong()
listening "TLSv1.2"
listening "TLSv1.3"
nested()
dropped()
