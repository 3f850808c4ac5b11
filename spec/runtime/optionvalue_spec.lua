local connected = require "connected"

local function output(command)
  local pipe <close> = io.popen("timeout 10 sh -c '" .. command .. "' 2>/dev/null")
  return pipe and pipe:read "a" or ""
end

describe("info", function()
  it("tells state, times and counters of a connection", function()
    local _ <close>, client, server = connected.tcp()
    client:write(("x"):rep(5000))
    assert(server:read(5000))

    local info, other = assert(client:info()), assert(server:info())

    assert.equal("ESTABLISHED", info.state)
    assert.equal(5000, other.bytes_received)
    assert.equal(5000, info.bytes_sent)
    assert.is_true(info.rtt > 0 and info.rtt < 1)
    assert.equal("float", math.type(info.rto))
    assert.equal("integer", math.type(info.snd_cwnd))
    assert.equal("boolean", type(info.sack))
    assert.same(info.snd_mss, client:getsockopt("TCP_INFO").snd_mss)
  end)

  it("agrees with ss", function()
    if output "command -v ss" == "" then pending "ss is not installed" return end
    local _ <close>, client, server = connected.tcp()
    local port = select(2, server:getsockname())
    client:write "hello"
    assert(server:read(5))

    local text = output("ss -tinoH dport = :" .. port)
    local info = assert(client:info())

    assert.equal(tonumber(text:match "%f[%w]mss:(%d+)"), info.snd_mss)
    assert.equal(tonumber(text:match "pmtu:(%d+)"), info.pmtu)
    assert.equal(tonumber(text:match "advmss:(%d+)"), info.advmss)
    assert.equal(tonumber(text:match "cwnd:(%d+)"), info.snd_cwnd)
    assert.equal(text:match "%f[%w]ts%f[%W]" ~= nil, info.timestamps)
    assert.equal(client:getsockopt "TCP_CONGESTION", text:match "(%a+) wscale")
  end)

  -- min_rtt was 4294.967295 seconds, the rates were -1.
  it("leaves out what the kernel does not know or limit", function()
    local s <close> = assert(net.socket "inet")

    local info = assert(s:info())

    assert.same({}, { info.min_rtt, info.pacing_rate, info.max_pacing_rate })
  end)

  it("is an error on what is not TCP, and CLOSED after close", function()
    local a <close>, b = net.pair()

    assert.equal("EOPNOTSUPP", select(2, a:info()).code)
    b:close()
    assert.equal("CLOSED", select(2, b:info()).code)
  end)
end)

describe("the value of an option", function()
  -- name, its kind, a socket that has it
  local kinds = {
    { "SO_REUSEADDR", "boolean", "boolean" }, { "SO_TYPE", "integer", "integer" },
    { "SO_MARK", "integer", "integer" }, { "SO_COOKIE", "integer", "integer" },
    { "SO_RCVTIMEO", "time", "float" }, { "TCP_KEEPIDLE", "time", "integer" },
    { "TCP_USER_TIMEOUT", "time", "float" }, { "TCP_CONGESTION", "text", "string" },
    { "SO_LINGER", "linger", "table" }, { "TCP_INFO", "tcp_info", "table" },
    { "SO_MEMINFO", "bytes", "string" },
  }
  for _, case in ipairs(kinds) do
    local name, kind, type_ = table.unpack(case)
    it(("%s is of the kind %s: a %s"):format(name, kind, type_), function()
      local s <close> = assert(net.socket "inet")

      local value = s:getsockopt(name)

      assert.equal(type_, math.type(value) or type(value))
      for _, row in ipairs(net.options(s)) do
        if row.name == name then assert.equal(kind, row.kind) end
      end
    end)
  end

  it("is an error where the option can only be set, or is of another protocol", function()
    local s <close> = assert(net.socket "inet")

    for _, name in ipairs { "IP_ADD_MEMBERSHIP", "SO_ATTACH_FILTER", "SO_DETACH_FILTER", "SO_PEERCRED" } do
      assert.equal("ENOPROTOOPT", select(2, s:getsockopt(name)).code, name)
    end
  end)
end)
