-- failing: handshakes in which allocations of OpenSSL fail, one site after another. It runs in a process of
-- its own, with the module of failing.c; the other end is another process. Whatever fails, a peer that has to
-- be refused must not get through: there is no stream, nothing is verified, no byte can be read.
--
-- usage: netlua failing.lua MODULE serve FOLDER CASE ...
--        netlua failing.lua MODULE client FOLDER CASE context|handshake SPAN FIRST STEP
--   serve: servers at the paths FOLDER/CASE, with FOLDER/CASE.chain and FOLDER/CASE.key
--   client: at the sites FIRST, FIRST + STEP ... SPAN allocations fail, from making the context on or from
--     the handshake on. FOLDER/CASE.context and FOLDER/CASE.host say what is asked for. Prints what comes
--     of it

local module, mode, folder = arg[1], arg[2], arg[3]

local SECONDS = 5 -- for one handshake, which takes a few milliseconds

local function read(name)
  local file <close> = assert(io.open(folder .. "/" .. name, "rb"))
  return file:read "a"
end

local function serve()
  for index = 4, #arg do
    local path = folder .. "/" .. arg[index]
    local tls = { cert = path .. ".chain", key = path .. ".key", security_level = 0 }
    local listener = assert(net.listen("unix:" .. path, { tls = tls }))
    net.spawn(listener.serve, listener, function(client)
      if client:write "secret" then client:read(1) end
    end)
  end
  print "ready"
  io.stdout:flush()
end

-- What got through that only a trusted peer may do, or nil, and what was said instead.
local function outcome(s, ran, ok, err)
  local _, info, none = pcall(s.tls, s)
  local plain = info == nil and none == nil -- the options could not be used, and nothing was begun
  local data = nil
  if not plain then _, data = pcall(s.recv, s, 6, SECONDS) end
  if ran and ok then return "stream" end
  if type(info) == "table" and info.verified then return "verified" end
  if type(data) == "string" then return "data" end
  return nil, ran and err.code or tostring(ok):match "[^:]*$"
end

local function client(case, part, span, first, step)
  local failing = assert(package.loadlib(module, "luaopen_failing"))()
  local fields = load("return " .. read(case .. ".context"))()
  local host = read(case .. ".host")
  local shared = part == "handshake" and assert(net.tls.context(fields)) or nil

  local function once(site)
    local s <close> = assert(net.connect("unix:" .. folder .. "/" .. case, { timeout = SECONDS }))
    failing.arm(site, site + span - 1)
    local got, said = outcome(s, pcall(function()
      local context, err = shared, nil
      if not context then context, err = net.tls.context(fields) end
      if not context then return nil, err end
      return s:starttls({ context = context, host = host }, SECONDS)
    end))
    local _, failed, place = failing.disarm()
    return failed, place, got, said
  end

  local function inuse()
    collectgarbage()
    collectgarbage()
    return failing.inuse()
  end

  for _ = 1, 3 do once(-span) end -- what is made once and kept
  local blocks, sockets = inuse()
  local sites, through, said = 0, 0, {}
  for site = first, math.huge, step do
    local failed, place, got, what = once(site)
    if failed == 0 then break end
    sites = sites + 1
    if got then
      through = through + 1
      print(("site %d at %s: %s"):format(site, place, got))
    else
      said[what] = (said[what] or 0) + 1
    end
  end
  local blocksafter, socketsafter = inuse()
  for what, n in pairs(said) do print(("%d times %s"):format(n, what)) end
  print(("%s: sites %d, through %d, sockets left %d, blocks left %d"):format(case, sites, through,
    socketsafter - sockets, blocksafter - blocks))
end

if mode == "serve" then
  serve()
else
  client(arg[4], arg[5], tonumber(arg[6]), tonumber(arg[7]), tonumber(arg[8]))
end
