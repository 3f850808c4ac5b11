local authority = require "authority"
local secure = require "secure"
local server = require "server"

local curl = server.find "curl"

-- A minimal HTTP server of the test's own: `answer(method, path, headers, client)` gives status and body.
local function serve(answer, tls)
  local listener = assert(net.listen("127.0.0.1", 0, { tls = tls }))
  local _, port = listener:getsockname()
  local requests = {}
  local task = net.spawn(listener.serve, listener, function(client)
    local function request() return (client:read()) end -- nil also where curl goes with a reset
    for line in request do
      local method, path = line:match "^(%u+) (%S+) HTTP/1%.[01]$"
      local headers = {}
      for field in client:lines() do
        if field == "" then break end
        local name, value = field:match "^([%w-]+): *(.*)$"
        headers[name:lower()] = value
      end
      requests[#requests + 1] = method .. " " .. path
      local status, body = answer(method, path, headers, client)
      client:write("HTTP/1.1 ", status, "\r\nContent-Length: ", #body, "\r\n\r\n", body)
    end
  end)
  local function close()
    listener:close()
    assert(task:join(30))
  end
  return setmetatable({ port = port, requests = requests }, { __close = close })
end

-- curl with these arguments, @URL@ being the server: status, output, errors
local function fetch(port, arguments, files, url)
  url = url or "http://127.0.0.1:" .. port
  local command = ("exec '%s' --silent --show-error --noproxy '*' --max-time 10 "):format(curl) .. arguments
  local run <close> = server.start { command = (command:gsub("@URL@", url)), files = files }
  return run:wait()
end

describe("curl", function()
  local it = server.needing(curl, "the package curl", it, pending)

  it("gets a page from a server written in a dozen lines", function()
    local web <close> = serve(function(_, path) return "200 OK", "you asked for " .. path end)

    local status, output, errors = fetch(web.port, "@URL@/page")

    assert.equal("you asked for /page", output)
    assert.equal("", errors)
    assert.equal(0, status)
  end)

  it("sends two requests over one connection", function()
    local clients = {}
    local web <close> = serve(function(_, path, _, client)
      clients[client] = true
      return "200 OK", path .. "\n"
    end)

    local status, output = fetch(web.port, "@URL@/one @URL@/two")

    assert.equal("/one\n/two\n", output)
    assert.is_nil(next(clients, next(clients)))
    assert.equal(0, status)
  end)

  it("uploads a mebibyte, told to go on", function()
    local body
    local web <close> = serve(function(_, _, headers, client)
      if headers.expect == "100-continue" then client:write "HTTP/1.1 100 Continue\r\n\r\n" end
      body = client:read(math.tointeger(headers["content-length"]))
      return "201 Created", #body .. " bytes"
    end)

    local status, output = fetch(web.port, "-H 'Expect: 100-continue' --upload-file zeros @URL@/up",
      { zeros = ("\0"):rep(1 << 20) })

    assert.equal(0, status)
    assert.equal("1048576 bytes", output)
    assert.is_true(body == ("\0"):rep(1 << 20))
  end)

  it("says so when the server closes without an answer", function()
    local listener <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = listener:getsockname()
    net.spawn(function()
      local client <close> = assert(listener:accept(10))
      client:read_until "\r\n\r\n"
    end)

    local status = fetch(port, "@URL@/")

    assert.equal(52, status)
  end)

  it("gets what it asks for over a unix socket", function()
    local folder <close> = server.folder()
    local listener <close> = assert(net.listen("unix:" .. folder.path .. "/http"))
    net.spawn(function()
      local client <close> = assert(listener:accept(10))
      client:read_until "\r\n\r\n"
      client:write "HTTP/1.0 200 OK\r\n\r\nover a path"
    end)

    local status, output = fetch(0, ("--unix-socket %s/http http://localhost/"):format(folder.path))

    assert.equal("over a path", output)
    assert.equal(0, status)
  end)
end)

describe("curl with HTTPS", function()
  local it = server.needing(curl, "the package curl", it, pending)

  local rows = {}
  for _, row in ipairs(authority.matrix()) do rows[row.name] = row end

  -- A server with that certificate, or a good one.
  local function secured(answer, options, name)
    local row = rows[name or "good"]
    local tls = { cert = row.chain, key = row.key, failed = function() end }
    for field, value in pairs(options or {}) do tls[field] = value end
    return serve(answer or function(_, path, _, client)
      local info = client:tls()
      return "200 OK", ("%s %s %s %s\n"):format(path, info.protocol, info.alpn, info.verified)
    end, tls)
  end

  local function get(web, arguments, files)
    local all = { ca = secure.authority().capem }
    for field, text in pairs(files or {}) do all[field] = text end
    local host = ("server.test:%d"):format(web.port)
    arguments = ("--cacert ca --resolve %s:127.0.0.1 %s"):format(host, arguments)
    return fetch(web.port, arguments, all, "https://" .. host)
  end

  it("gets pages, two over one connection", function()
    local web <close> = secured()

    local status, output, errors = get(web, "@URL@/one @URL@/two -w '%{num_connects}'")

    assert.equal("/one TLSv1.3 nil false\n1/two TLSv1.3 nil false\n0", output)
    assert.equal("", errors)
    assert.equal(0, status)
  end)

  it("agrees on version and application protocol", function()
    local web <close> = secured(nil, { alpn = { "http/1.1" } })

    local _, newest = get(web, "--http1.1 @URL@/")
    local _, older = get(web, "--tls-max 1.2 @URL@/") -- offers h2 too

    assert.equal("/ TLSv1.3 http/1.1 false\n", newest)
    assert.equal("/ TLSv1.2 http/1.1 false\n", older)
  end)

  it("finds no version that both speak", function()
    local web <close> = secured(nil, { min = "TLSv1.3" })

    assert.equal(35, (get(web, "--tls-max 1.2 @URL@/")))
  end)

  for _, name in ipairs { "wrong host", "untrusted root", "expired" } do
    it("refuses our certificate where it is: " .. name, function()
      local web <close> = secured(nil, nil, name)

      local status, output = get(web, "@URL@/")

      assert.equal(60, status)
      assert.equal("", output)
      assert.same({}, web.requests)
    end)
  end

  it("shows its certificate, or is refused", function()
    local a = secure.authority()
    local web <close> = secured(nil, { client_ca = a.capem })
    local files = { cert = rows["for clients only"].chain, key = a.key, bad = rows["untrusted root"].chain }

    local status, output = get(web, "--cert cert --key key @URL@/", files)
    local without = get(web, "@URL@/", files)
    local untrusted = get(web, "--cert bad --key key @URL@/", files)

    assert.equal("/ TLSv1.3 nil true\n", output)
    assert.equal(0, status)
    assert.equal(56, without)
    assert.equal(56, untrusted)
    assert.equal(1, #web.requests)
  end)

  it("moves ten mebibytes both ways", function()
    local body
    local text = ("0123456789abcdef"):rep(655360)
    local web <close> = secured(function(method, _, headers, client)
      if method == "GET" then return "200 OK", text end
      if headers.expect == "100-continue" then client:write "HTTP/1.1 100 Continue\r\n\r\n" end
      body = client:read(math.tointeger(headers["content-length"]))
      return "201 Created", "done"
    end)

    local down, output = get(web, "@URL@/")
    local up = get(web, "--upload-file text @URL@/up", { text = text })

    assert.same({ 0, 0 }, { down, up })
    assert.is_true(output == text)
    assert.is_true(body == text)
  end)
end)
