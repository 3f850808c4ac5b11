local nginx = require "nginx"
local server = require "server"

local HTTP = [[
  keepalive_timeout 1s;
  server {
    listen 127.0.0.1:@PORT@;
    listen unix:@FOLDER@/socket;
    root @FOLDER@;
    location = /cut { return 444; }
  }
]]

local SMALL = "a small page\n"

-- 10 MiB in which every piece differs from its neighbours, so that a lost or doubled one shows.
local function large()
  local pieces = {}
  for n = 1, 10 * 65536 do pieces[n] = ("%015d\n"):format(n) end
  return table.concat(pieces)
end

local function start(options)
  options = options or {}
  return nginx.start(HTTP, { ["small.txt"] = SMALL, ["large.txt"] = options.large }, options.port)
end

local function request(s, text)
  return assert(s:write((text:gsub("\n", "\r\n"))))
end

-- Status line and headers, by lower-case name.
local function head(s)
  local status, headers = assert(s:read()), {}
  for line in s:lines() do
    if line == "" then return status, headers end
    local name, value = line:match "^([%w-]+): (.*)$"
    headers[name:lower()] = value
  end
end

-- A response whose length the server tells.
local function response(s)
  local status, headers = head(s)
  return status, s:read(math.tointeger(headers["content-length"])), headers
end

-- The master first: it would start another worker.
local function killall(web)
  local master = web:read "pid":match "^%d+"
  assert(os.execute(("kill -KILL %s $(pgrep -P %s)"):format(master, master)))
end

describe("nginx", function()
  local it = server.needing(nginx.path, "the package nginx-light", it, pending)

  it("answers HTTP/1.0 and ends the stream after the body", function()
    local web <close> = start()
    local s <close> = assert(net.connect("127.0.0.1", web.port))

    request(s, "GET /small.txt HTTP/1.0\n\n")
    local status, headers = head(s)
    local body = s:read "a"

    assert.equal("HTTP/1.1 200 OK", status)
    assert.equal(tostring(#SMALL), headers["content-length"])
    assert.equal("close", headers.connection)
    assert.equal(SMALL, body)
    assert.same({ n = 1 }, table.pack(s:read(1)))
  end)

  it("sends ten mebibytes, every byte of them", function()
    local text = large()
    local web <close> = start { large = text }
    local s <close> = assert(net.connect("127.0.0.1", web.port))

    request(s, "GET /large.txt HTTP/1.0\n\n")
    local status = head(s)
    local body = s:read "a"

    assert.equal("HTTP/1.1 200 OK", status)
    assert.equal(#text, #body)
    assert.is_true(text == body)
  end)

  it("sends ten mebibytes to a reader that takes small pieces", function()
    local text = large()
    local web <close> = start { large = text }
    local s <close> = assert(net.connect("127.0.0.1", web.port, { rcvbuf = 4096 }))
    local pieces = {}

    request(s, "GET /large.txt HTTP/1.0\n\n")
    head(s)
    for piece in function() return s:recv(12345) end do pieces[#pieces + 1] = piece end

    assert.is_true(text == table.concat(pieces))
  end)

  it("answers two requests on one connection", function()
    local web <close> = start()
    local s <close> = assert(net.connect("127.0.0.1", web.port))
    local get = "GET /%s HTTP/1.1\nHost: localhost\n\n"

    request(s, get:format "small.txt")
    local status1, body1, headers1 = response(s)
    request(s, get:format "missing.txt")
    local status2, body2, headers2 = response(s)

    assert.same({ "HTTP/1.1 200 OK", SMALL, "keep-alive" }, { status1, body1, headers1.connection })
    assert.equal("HTTP/1.1 404 Not Found", status2)
    assert.equal(tonumber(headers2["content-length"]), #body2)
    assert.equal(0, s:buffered())
  end)

  it("answers requests that were sent all at once, in order", function()
    local web <close> = start()
    local s <close> = assert(net.connect("127.0.0.1", web.port))
    local get = "%s /small.txt HTTP/1.1\nHost: localhost\n\n"

    request(s, get:format "GET" .. get:format "HEAD" .. get:format "GET")
    local _, first = response(s)
    local _, headers = head(s)
    local _, third = response(s)

    assert.same({ SMALL, tostring(#SMALL), SMALL }, { first, headers["content-length"], third })
  end)

  it("understands a request that comes byte by byte", function()
    local web <close> = start()
    local s <close> = assert(net.connect("127.0.0.1", web.port, { nodelay = true }))

    for byte in ("GET /small.txt HTTP/1.0\r\n\r\n"):gmatch "." do assert(s:send(byte)) end
    head(s)

    assert.equal(SMALL, s:read "a")
  end)

  it("answers a client that has closed its sending side", function()
    local web <close> = start()
    local s <close> = assert(net.connect("127.0.0.1", web.port))

    request(s, "GET /small.txt HTTP/1.0\n\n")
    assert(s:shutdown "w")
    head(s)

    assert.equal(SMALL, s:read "a")
  end)

  it("answers on a unix socket", function()
    local web <close> = start()
    local s <close> = assert(net.connect("unix:" .. web.folder .. "/socket"))

    request(s, "GET /small.txt HTTP/1.0\n\n")
    head(s)

    assert.equal(SMALL, s:read "a")
  end)

  it("serves forty clients at a time", function()
    local web <close> = start()
    local numbers = {}
    for n = 1, 40 do numbers[n] = n end

    local bodies = net.map(numbers, function()
      local s <close> = assert(net.connect("127.0.0.1", web.port))
      request(s, "GET /small.txt HTTP/1.0\n\n")
      head(s)
      return s:read "a"
    end, { limit = 40 })

    for n = 1, 40 do assert.equal(SMALL, bodies[n]) end
  end)

  it("closes an idle connection, which reads as the end and no error", function()
    local web <close> = start()
    local s <close> = assert(net.connect("127.0.0.1", web.port))

    request(s, "GET /small.txt HTTP/1.1\nHost: localhost\n\n")
    response(s)

    assert.same({ n = 1 }, table.pack(s:read()))
  end)

  it("closes without a word where it is told to", function()
    local web <close> = start()
    local s <close> = assert(net.connect("127.0.0.1", web.port))

    request(s, "GET /cut HTTP/1.0\n\n")

    assert.same({ n = 1 }, table.pack(s:read()))
  end)

  it("resets a connection when it is killed before it has read all", function()
    local text = large()
    local web <close> = start { large = text }
    local s <close> = assert(net.connect("127.0.0.1", web.port, { rcvbuf = 4096 }))

    request(s, "GET /large.txt HTTP/1.0\n\n")
    head(s)
    assert(s:write(("x"):rep(1000)))
    killall(web)
    local body, err = s:read(#text)

    assert.is_nil(body)
    assert.equal("ECONNRESET", err.code)
    assert.equal("reset", err.kind)
    assert.is_true(#err.partial < #text and err.partial == text:sub(1, #err.partial))
  end)

  it("refuses connections while it is down, and serves again after a restart", function()
    local first <close> = start()
    local idle <close> = assert(net.connect("127.0.0.1", first.port))
    request(idle, "GET /small.txt HTTP/1.1\nHost: localhost\n\n")
    response(idle) -- so that nginx has accepted it
    first:close()

    local refused, err = net.connect("127.0.0.1", first.port)
    local ended = table.pack(idle:read())
    local second <close> = start { port = first.port }
    local s <close> = assert(net.connect("127.0.0.1", second.port))
    request(s, "GET /small.txt HTTP/1.0\n\n")
    local status = head(s)

    assert.is_nil(refused)
    assert.equal("ECONNREFUSED", err.code)
    assert.same({ n = 1 }, ended)
    assert.equal("HTTP/1.1 200 OK", status)
  end)
end)
