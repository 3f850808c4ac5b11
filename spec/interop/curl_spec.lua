local server = require "server"

local curl = server.find "curl"

-- A minimal HTTP server of the test's own: `answer(method, path, headers, client)` gives status and body.
local function serve(answer)
  local listener = assert(net.listen("127.0.0.1", 0))
  local _, port = listener:getsockname()
  local requests = {}
  local task = net.spawn(listener.serve, listener, function(client)
    for line in client:lines() do
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
    assert(task:join(5))
  end
  return setmetatable({ port = port, requests = requests }, { __close = close })
end

-- curl with these arguments, @URL@ being the server: status, output, errors
local function fetch(port, arguments, files)
  local url = "http://127.0.0.1:" .. port
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
