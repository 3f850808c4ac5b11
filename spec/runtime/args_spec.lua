-- Every number and every text that a function takes, with values it should not be given: it works, or it
-- raises or answers with an error that names the argument. What is right, the other specs say.

local errors = require "net.core.error"
local netlua = require "netlua"

local NUMBERS = { -1, 0, 1, 2 ^ 16, 1 << 16, 1 << 31, 1 << 32, 1 << 53, 2 ^ 53, math.maxinteger,
  math.mininteger, 0 / 0, 1 / 0, -1 / 0, "0x50", "80 ", " 80", "1e1", "", 1.5, 0.0, -0.0, true, false, {},
  print, io.stdout }

local TEXTS = { "", "\0", "a\0b", "127.0.0.1\0", ("x"):rep(300), ("1"):rep(300), "\xff\xfe\x80", "%s%n",
  "\27[31m", "l\0", "unix:", "unix:@", "unix:\0", "unix:@\0", "unix:/" .. ("x"):rep(300),
  "unix:@" .. ("x"):rep(300), "unix:/tmp/a\0b", "::1%", "::1%lo\0", "1.2.3.4.5", "0x7f.1", 0, 1, 2 ^ 53,
  0 / 0, true, {}, print, io.stdout }

local function show(value)
  return type(value) == "string" and ("%q"):format(value:sub(1, 20)) or tostring(value)
end

local function tidy(value)
  if type(value) == "userdata" and io.type(value) == nil and value.close then value:close() end
end

-- Works, or an error that names the argument.
local function assertnamed(name, value, named, ok, result, err, ...)
  if not ok then
    local text = type(result) == "string" and result or ("raised %s"):format(result)
    assert(text:find(named) and not text:find "lualib/", name .. " with " .. show(value) .. ": " .. text)
  elseif result == nil and err ~= nil then
    local meta = getmetatable(err)
    assert(meta and meta.__name == "net.error", name .. " with " .. show(value) .. ": " .. tostring(err))
    assert(tostring(err) ~= "" and err:explain() ~= "")
  end
  for _, made in ipairs { result or false, err or false, ... } do tidy(made) end
end

-- A stream that has an answer to everything at once.
local function busy()
  local a, b = net.pair()
  b:write("12 line\n", ("x"):rep(2000), "\n")
  b:shutdown "w"
  a:settimeout(0)
  return a, b
end

local function bound(host, port)
  local s = assert(net.udp())
  assert(s:bind(host or "127.0.0.1", port or 0))
  s:settimeout(0)
  return s
end

-- Calls object:method(..., value) as a script would, so that the message counts without self.
local function method(make, name, ...)
  local arguments, n = { ... }, select("#", ...) + 1
  local list = table.concat({ "a", "b", "c", "d" }, ", ", 1, n)
  local code = "local self, %s = ... local x, y, z = self:%s(%s) return x, y, z"
  local call = load(code:format(list, name, list))
  return function(value)
    local object <close>, other = make()
    local held <close> = other -- luacheck: ignore held
    arguments[n] = value
    return call(object, table.unpack(arguments, 1, n))
  end
end

local function onstream(...)
  return method(busy, ...)
end

local function ondatagram(...)
  return method(bound, ...)
end

local function onsocket(...)
  return method(function() return assert(net.socket "inet") end, ...)
end

local function onunix(...)
  return method(function() return assert(net.socket "unix") end, ...)
end

local function option(make, field, ...)
  local arguments = table.pack(...)
  return function(value)
    arguments[arguments.n + 1] = { [field] = value }
    return make(table.unpack(arguments, 1, arguments.n + 1))
  end
end

local function sendfile(...)
  local before, n = { ... }, select("#", ...)
  return function(value)
    local file <close> = assert(io.open "spec/runtime/args_spec.lua")
    before[n + 1] = value
    return onstream("sendfile", file, table.unpack(before, 1, n))(value)
  end
end

local function briefly(f, ...)
  local before, n = { ... }, select("#", ...)
  return function(value)
    before[n + 1] = value
    local task = net.spawn(f, table.unpack(before, 1, n + 1))
    net.sleep(0)
    task:cancel()
    local ok, err = task:join(30)
    if type(err) == "table" then return ok, err end
    if not ok and err then error(err, 0) end
    return ok
  end
end

local numbers = {
  { "recv", "#1 to 'recv'", onstream "recv" },
  { "recv's timeout", "#2 to 'recv'", onstream("recv", 1) },
  { "peek", "#1 to 'peek'", onstream "peek" },
  { "peek's timeout", "#2 to 'peek'", onstream("peek", 1) },
  { "read's count", "#1 to 'read'", onstream "read" },
  { "read's second count", "#2 to 'read'", onstream("read", "n") },
  { "read_until's max", "#2 to 'read_until'", onstream("read_until", "\n") },
  { "read_until's timeout", "#3 to 'read_until'", onstream("read_until", "\n", 100) },
  { "send's timeout", "#2 to 'send'", onstream("send", "x") },
  { "finish", "#1 to 'finish'", onstream "finish" },
  { "settimeout", "#1 to 'settimeout'", onstream "settimeout" },
  { "setblocking", "#1 to 'setblocking'", onstream "setblocking" },
  { "setlimits' max_line", "\"max_line\"", option(onstream "setlimits", "max_line") },
  { "setlimits' max_read", "\"max_read\"", option(onstream "setlimits", "max_read") },
  { "sendfile's offset", "#2 to 'sendfile'", sendfile() },
  { "sendfile's count", "#3 to 'sendfile'", sendfile(0) },
  { "sendfile's timeout", "#4 to 'sendfile'", sendfile(0, 1) },
  { "datagram recv", "#1 to 'recv'", ondatagram "recv" },
  { "datagram recv's timeout", "#2 to 'recv'", ondatagram("recv", 1) },
  { "recvfrom", "#1 to 'recvfrom'", ondatagram "recvfrom" },
  { "recvfrom's timeout", "#2 to 'recvfrom'", ondatagram("recvfrom", 1) },
  { "sendto's port", "#3 to 'sendto'", ondatagram("sendto", "x", "127.0.0.1") },
  { "sendto's timeout", "#4 to 'sendto'", ondatagram("sendto", "x", "127.0.0.1", 9) },
  { "bind's port", "#2 to 'bind'", onsocket("bind", "127.0.0.1") },
  { "connect's port", "#2 to 'connect'", onsocket("connect", "127.0.0.1") },
  { "connect's timeout", "#3 to 'connect'", onsocket("connect", "127.0.0.1", 1) },
  { "listen's backlog", "#1 to 'listen'", onsocket "listen" },
  { "net.socket's family", "#1 to 'socket'", net.socket },
  { "net.socket's type", "#2 to 'socket'", function(v) return net.socket("inet", v) end },
  { "net.socket's protocol", "#3 to 'socket'", function(v) return net.socket("inet", "stream", v) end },
  { "net.pair", "#1 to 'pair'", net.pair },
  { "net.connect's port", "#2 to 'connect'", function(v) return net.connect("127.0.0.1", v) end },
  { "net.connect's options", "#3 to 'connect'", function(v) return net.connect("127.0.0.1", 1, v) end },
  { "net.listen's port", "#2 to 'listen'", function(v) return net.listen("127.0.0.1", v) end },
  { "net.listen's options", "#3 to 'listen'", function(v) return net.listen("127.0.0.1", 0, v) end },
  { "net.getaddrinfo's service", "#2 to 'getaddrinfo'", function(v)
    return net.getaddrinfo("127.0.0.1", v, { flags = "numerichost", socktype = "stream" })
  end },
  { "net.udp", "#1 to 'udp'", net.udp },
  { "net.sleep", "#1 to 'sleep'", briefly(net.sleep) },
  { "net.timeout", "#1 to 'timeout'", function(v) return net.timeout(v, tostring, 1) end },
  { "net.timeout's function", "#2 to 'timeout'", function(v)
    return net.timeout(1, v ~= print and v or nil)
  end },
  { "net.every", "#1 to 'every'", function(v)
    net.every(v, function() return false end):cancel()
    return true
  end },
  { "net.map's limit", "\"limit\"", function(v) return net.map({ 1 }, tostring, { limit = v }) end },
  { "net.map's list", "#1 to 'map'", function(v) return net.map(v, tostring) end },
  { "net.channel", "#1 to 'channel'", net.channel },
  { "channel send's timeout", "#2 to 'send'", function(v) return net.channel(1):send(1, v) end },
  { "net.semaphore", "#1 to 'semaphore'", net.semaphore },
  { "net.scope's timeout", "\"timeout\"", option(net.scope, "timeout") },
  { "net.scope", "#1 to 'scope'", net.scope },
  { "net.htons", "#1 to 'htons'", net.htons },
  { "net.ntohl", "#1 to 'ntohl'", net.ntohl },
  { "net.hton64", "#1 to 'hton64'", net.hton64 },
  { "net.getservbyport", "#1 to 'getservbyport'", net.getservbyport },
  { "net.getprotobynumber", "#1 to 'getprotobynumber'", net.getprotobynumber },
  { "net.getnameinfo's port", "#2 to 'getnameinfo'", function(v)
    return net.getnameinfo("127.0.0.1", v, { "numerichost", "numericserv" })
  end },
  { "net.getnameinfo's timeout", "#4 to 'getnameinfo'", function(v)
    return net.getnameinfo("127.0.0.1", 80, { "numerichost", "numericserv" }, v)
  end },
  { "net.gethostbyname's timeout", "#2 to 'gethostbyname'", function(v)
    return net.gethostbyname("127.0.0.1", v)
  end },
  { "net.getaddrinfo's timeout", "\"timeout\"", option(net.getaddrinfo, "timeout", "127.0.0.1", 80) },
  { "net.select's timeout", "#4 to 'select'", function(v)
    local a <close>, b = net.pair()
    b:close()
    return net.select({ a }, nil, nil, v)
  end },
  { "net.poll's timeout", "#2 to 'poll'", function(v)
    local a <close>, b = net.pair()
    b:close()
    return net.poll({ a }, v)
  end },
  { "setsockopt's value", "#2 to 'setsockopt'", onsocket("setsockopt", "TCP_KEEPCNT") },
  { "setsockopt's boolean", "#2 to 'setsockopt'", onsocket("setsockopt", "SO_KEEPALIVE") },
  { "setsockopt's time", "#2 to 'setsockopt'", onsocket("setsockopt", "TCP_USER_TIMEOUT") },
  { "setsockopt's number", "#[23] to 'setsockopt'", onsocket("setsockopt", net.SOL_SOCKET) },
  { "getsockopt's size", "#2 to 'getsockopt'", onsocket("getsockopt", "SO_TYPE") },
  { "net.options", "#1 to 'options'", net.options },
  { "recvmsg", "#1 to 'recvmsg'", ondatagram "recvmsg" },
  { "recvmsg's timeout", "#2 to 'recvmsg'", ondatagram("recvmsg", 1) },
  { "recvmsg's options", "#3 to 'recvmsg'", ondatagram("recvmsg", 1, 0) },
  { "sendmsg's options", "#2 to 'sendmsg'", ondatagram("sendmsg", "x") },
  { "sendmsg's ttl", "\"ttl\"", option(ondatagram("sendmsg", "x"), "ttl") },
  { "sendmsg's port", "port", option(ondatagram("sendmsg", "x"), "port") },
  { "ancillary", "#1 to 'ancillary'", ondatagram "ancillary" },
  { "ttl", "#1 to 'ttl'", ondatagram "ttl" },
  { "loop", "#1 to 'loop'", ondatagram "loop" },
  { "info", "#1 to 'info'", onstream "info" },
  { "net.hexdump's width", "\"width\"", option(net.hexdump, "width", "x") },
  { "net.mac.format's bytes", "#1 to 'format'", net.mac.format },
  { "net.spawn", "#1 to 'spawn'", function(v) return net.spawn(v ~= print and v or nil) end },
}
for _, field in ipairs { "timeout", "rcvbuf", "sndbuf", "max_line", "max_read", "nodelay", "keepalive",
  "tos", "ttl", "fastopen", "happy_eyeballs", "strict" } do
  numbers[#numbers + 1] = { "net.connect's " .. field, "\"" .. field .. "\"",
    option(net.connect, field, "127.0.0.1", 1) }
end
for _, field in ipairs { "backlog", "mode", "reuseport", "v6only", "rcvbuf" } do
  numbers[#numbers + 1] = { "net.listen's " .. field, "\"" .. field .. "\"",
    option(net.listen, field, "127.0.0.1", 0) }
end

local NUMERIC = { flags = "numerichost" }

local texts = {
  { "read's format", "#1 to 'read'", onstream "read" },
  { "read_until's delimiter", "#1 to 'read_until'", onstream "read_until" },
  { "write", "#1 to 'write'", onstream "write" },
  { "write's second", "#2 to 'write'", onstream("write", "x") },
  { "send", "#1 to 'send'", onstream "send" },
  { "unread", "#1 to 'unread'", onstream "unread" },
  { "shutdown", "#1 to 'shutdown'", onstream "shutdown" },
  { "sendfile", "#1 to 'sendfile'", function(v)
    return onstream "sendfile" (v ~= io.stdout and v or nil)
  end },
  { "setlimits' field", "#1 to 'setlimits'", function(v)
    return onstream "setlimits" { [v == v and v or 1] = 1 }
  end },
  { "datagram send", "#1 to 'send'", ondatagram "send" },
  { "sendto", "#[12] to 'sendto'", ondatagram "sendto" },
  { "sendto's address", "#[23] to 'sendto'", ondatagram("sendto", "x") },
  { "bind's address", "#[12] to 'bind'", onunix "bind" },
  { "connect's address", "#[12] to 'connect'", onunix "connect" },
  { "datagram shutdown", "#1 to 'shutdown'", ondatagram "shutdown" },
  { "net.socket", "#1 to 'socket'", net.socket },
  { "net.socket's type", "#2 to 'socket'", function(v) return net.socket("inet", v) end },
  { "net.pair", "#1 to 'pair'", net.pair },
  { "net.connect's port", "#2 to 'connect'", function(v) return net.connect("127.0.0.1", v) end },
  { "net.connect's field", "#3 to 'connect'", function(v)
    return net.connect("127.0.0.1", 1, { [v == v and v or 1] = 1 })
  end },
  { "net.udp's family", "\"family\"", option(net.udp, "family") },
  { "net.connect's type", "\"type\"", option(net.connect, "type", "127.0.0.1", 1) },
  { "net.connect's source", "\"source\"", option(net.connect, "source", "127.0.0.1", 1) },
  { "net.connect's interface", "\"interface\"", option(net.connect, "interface", "127.0.0.1", 1) },
  { "net.getaddrinfo", "#1 to 'getaddrinfo'", function(v) return net.getaddrinfo(v, 80, NUMERIC) end },
  { "net.getaddrinfo's service", "#2 to 'getaddrinfo'", function(v)
    return net.getaddrinfo("127.0.0.1", v, NUMERIC)
  end },
  { "net.getaddrinfo's family", "\"family\"", option(net.getaddrinfo, "family", "127.0.0.1", 80) },
  { "net.getaddrinfo's socktype", "\"socktype\"", option(net.getaddrinfo, "socktype", "127.0.0.1", 80) },
  { "net.getaddrinfo's protocol", "\"protocol\"", option(net.getaddrinfo, "protocol", "127.0.0.1", 80) },
  { "net.getaddrinfo's flags", "\"flags\"", option(net.getaddrinfo, "flags", "127.0.0.1", 80) },
  { "net.getaddrinfo's strict", "\"strict\"", option(net.getaddrinfo, "strict", "127.0.0.1", 80) },
  { "net.getnameinfo", "#1 to 'getnameinfo'", function(v) return net.getnameinfo(v, 80, "numerichost") end },
  { "net.getnameinfo's flags", "#3 to 'getnameinfo'", function(v)
    return net.getnameinfo("127.0.0.1", 80, v)
  end },
  { "net.getservbyname", "#1 to 'getservbyname'", net.getservbyname },
  { "net.getservbyname's protocol", "#2 to 'getservbyname'", function(v)
    return net.getservbyname("http", v)
  end },
  { "net.getprotobyname", "#1 to 'getprotobyname'", net.getprotobyname },
  { "net.inet_pton's family", "#1 to 'inet_pton'", function(v) return net.inet_pton(v, "::1") end },
  { "net.inet_pton", "#2 to 'inet_pton'", function(v) return net.inet_pton("inet", v) end },
  { "net.inet_ntop", "#2 to 'inet_ntop'", function(v) return net.inet_ntop("inet", v) end },
  { "net.inet_aton", "#1 to 'inet_aton'", net.inet_aton },
  { "net.inet_ntoa", "#1 to 'inet_ntoa'", net.inet_ntoa },
  { "setsockopt", "#[12] to 'setsockopt'", onsocket "setsockopt" },
  { "setsockopt's text", "#2 to 'setsockopt'", onsocket("setsockopt", "TCP_CONGESTION") },
  { "getsockopt", "#[12] to 'getsockopt'", onsocket "getsockopt" },
  { "join", "#1 to 'join'", ondatagram "join" },
  { "join's source", "\"source\"", option(ondatagram("join", "232.1.1.1"), "source") },
  { "leave", "#1 to 'leave'", ondatagram "leave" },
  { "interface", "#1 to 'interface'", ondatagram "interface" },
  { "sendmsg", "#1 to 'sendmsg'", ondatagram "sendmsg" },
  { "sendmsg's address", "\"address\"", function(v)
    return ondatagram("sendmsg", "x") { address = v, port = 9 }
  end },
  { "sendmsg's source", "\"source\"", option(ondatagram("sendmsg", "x"), "source") },
  { "net.hexdump", "#1 to 'hexdump'", net.hexdump },
  { "net.ip", "#1 to 'net.ip'", net.ip },
  { "net.mac.parse", "#1 to 'parse'", net.mac.parse },
  { "net.poll's events", "#1 to 'poll'", function(v)
    local a <close>, b = net.pair()
    b:close()
    return net.poll({ { a, v } }, 0)
  end },
  { "an error's op", "#1 to 'new'", function(v) return tostring(errors.new(v, "EOF")) end },
  { "an error's code", "#2 to 'new'", function(v) return tostring(errors.new("x", v)) end },
  { "an error's message", "#3 to 'new'", function(v) return tostring(errors.new("x", "EOF", v)) end },
}

local function sweep(cases, values)
  for _, case in ipairs(cases) do
    it(case[1], function()
      for index = 1, #values do
        local named = case[2]:gsub("^(#%S+) to '", "bad argument %1 to '[%%w.]-"):gsub("^\"", "option \"")
        assertnamed(case[1], values[index], named, pcall(case[3], values[index]))
      end
    end)
  end
end

describe("a wrong number is named:", function()
  sweep(numbers, NUMBERS)
end)

describe("a wrong text is named:", function()
  sweep(texts, TEXTS)

  -- Names that are no addresses are not tried: they would be asked of a name server.
  for _, name in ipairs { "connect", "listen" } do
    it("net." .. name .. "'s host", function()
      for _, value in ipairs(TEXTS) do
        local isname = type(value) == "string" and value:find "^[^%d:]" and not value:find "^unix:"
          and not value:find "\0"
        if not isname then
          assertnamed(name, value, "bad argument #[12] to '" .. name .. "'", pcall(net[name], value, 0))
        end
      end
    end)
  end
end)

describe("a descriptor", function()
  it("that cannot be is refused by fromfd", function()
    local out, err, status = netlua.run [[
      local wrong = { -1, 1 << 31, 1 << 32, 1 << 53, math.maxinteger, 0 / 0, 1 / 0, "0x50", "80 ", 1.5, {} }
      for _, fd in ipairs(wrong) do
        local ok, err = pcall(net.fromfd, fd)
        assert(not ok and err:find "bad argument #1 to '[%w.]*fromfd'", err)
      end
      for _, fd in ipairs { 1000, 65536, (1 << 31) - 1 } do
        local s, err = net.fromfd(fd)
        assert(not s and err.code == "EBADF")
      end
      print "all"]]

    assert.same({ "all\n", "", 0 }, { out, err, status })
  end)
end)

describe("a port", function()
  for _, port in ipairs { 0, 65535, 80.0, "0", "80", "65535", "00080" } do
    it(("may be %s (%s)"):format(port, math.type(port) or "text"), function()
      local s <close> = assert(net.socket("inet", "dgram"))

      local ok, err = pcall(s.connect, s, "127.0.0.1", port)

      assert.is_true(ok, err)
    end)
  end

  for _, port in ipairs { -1, 65536, 70000, 1.5, 0 / 0, "65536", "-1", "+80", "80 ", " 80", "0x50", "8e1", "",
    "http", "80\0", "000080", true, {} } do
    it(("may not be %s"):format(show(port)), function()
      local s <close> = assert(net.socket("inet", "dgram"))

      local ok, err = pcall(function() return (s:connect("127.0.0.1", port)) end)

      assert.is_false(ok)
      assert.matches("bad argument #2 to 'connect' (port from 0 to 65535 expected, got ", err, 1, true)
    end)
  end
end)

describe("a timeout", function()
  for _, seconds in ipairs { 0, 1, 0.5, 2 ^ 53, 1 << 53, -0.0 } do
    it(("may be %s"):format(seconds), function()
      local s <close> = net.pair()

      assert.equal(s, s:settimeout(seconds))
    end)
  end

  for _, seconds in ipairs { -1, -0.001, 0 / 0, 1 / 0, (1 << 53) + 2, "1", true, {} } do
    it(("may not be %s"):format(show(seconds)), function()
      local s <close> = net.pair()

      local ok, err = pcall(s.settimeout, s, seconds)

      assert.is_false(ok)
      assert.matches("(seconds, a number from 0 to 2^53, expected, got ", err, 1, true)
    end)
  end
end)

describe("the value of an option", function()
  it("is shown as what it is: text in quotes, and no more than a piece of it", function()
    for _, case in ipairs { { "1", 'got "1"' }, { 1.5, "got 1.5" }, { true, "got true" },
      { ("x"):rep(300), ("x"):rep(60) .. '..."' } } do
      local ok, err = pcall(net.udp, { rcvbuf = case[1] })

      assert.is_false(ok)
      assert.matches(case[2] .. ")", err, 1, true)
      assert.is_true(#err < 300)
    end
  end)
end)

describe("an option table", function()
  local function raised(options)
    local ok, err = pcall(net.connect, "127.0.0.1", 1, options)
    assert.is_false(ok)
    return err
  end

  for given, meant in pairs { timout = "timeout", timeoout = "timeout", timeour = "timeout",
    tiemout = "timeout", soruce = "source", nodela = "nodelay" } do
    it(("suggests %s for %s"):format(meant, given), function()
      local text = ('unknown option "%s" (did you mean "%s"?)'):format(given, meant)

      assert.matches(text, raised { [given] = 1 }, 1, true)
    end)
  end

  for name, options in pairs { ["no such option"] = { colour = 1 }, ["an empty name"] = { [""] = 1 } } do
    it("suggests nothing for " .. name, function()
      local err = raised(options)

      assert.matches("unknown option \"" .. next(options) .. "\"", err, 1, true)
      assert.not_matches("did you mean", err, 1, true)
    end)
  end

  it("takes only names for keys", function()
    for _, key in ipairs { 1, true, 1.5, {} } do
      assert.matches("option names are strings, got a " .. type(key), raised { [key] = 1 }, 1, true)
    end
  end)

  it("is refused where it is no table", function()
    for _, wrong in ipairs { 1, "x", true, print, io.stdout } do
      assert.matches("bad argument #3 to 'connect' (table expected", raised(wrong), 1, true)
    end
  end)
end)

describe("a word", function()
  it("may be given by its number", function()
    local a <close>, b = net.pair(net.SOCK_STREAM)
    local held <close> = b -- luacheck: ignore held

    assert.is_true(a:shutdown(net.SHUT_WR))
  end)

  it("that is unknown is answered with those there are", function()
    local ok, err = pcall(net.pair, "steam")

    assert.is_false(ok)
    assert.matches("bad argument #1 to '.*pair' %(stream, dgram, seqpacket", err)
    assert.matches("got \"steam\"", err, 1, true)
  end)
end)

-- A megabyte that a program took from the network and passed on stood in the message, or in the text of the
-- error.
describe("a value of a megabyte is not shown whole", function()
  local long = ("q"):rep(1 << 20)
  local s, u = "s", "u" -- methods of a stream and of a datagram socket

  local calls = {
    { net.inet_pton, "inet", long }, { net.inet_pton, long, "" }, { net.inet_ntop, long, "" },
    { net.inet_aton, "1" .. long }, { net.udp, { source = long } }, { net.udp, { [long] = 1 } },
    { net.connect, long, 1 }, { net.connect, "127.0.0.1", long }, { net.listen, long, 1 },
    { net.connect, "127.0.0.1", 1, { source = long } }, { net.connect, "127.0.0.1", 1, { interface = long } },
    { net.connect, "127.0.0.1", 1, { type = long } },
    { s, "connect", long, 1 }, { s, "connect", "fe80::1%" .. long, 1 }, { s, "bind", long, 1 },
    { s, "setlimits", { [long] = 1 } }, { s, "shutdown", long }, { s, "read", long },
    { u, "sendto", "", long, 1 }, { u, "sendmsg", "", { address = long, port = 1 } },
    { u, "sendmsg", "", { source = long, address = "127.0.0.1", port = 1 } }, { u, "join", long },
    { u, "join", "224.0.0.1", { source = long } }, { u, "interface", long },
    { u, "setsockopt", long, 1 }, { u, "setsockopt", "SO_REUSEADDR", long }, { u, "setsockopt", 1, long, 1 },
    { u, "setsockopt", "SO_RCVBUF", long }, { u, "setsockopt", "SO_LINGER", long }, { u, "getsockopt", long },
    { u, "setsockopt", "IP_ADD_MEMBERSHIP", { group = long } },
    { net.getaddrinfo, long }, { net.getaddrinfo, "127.0.0.1", ("9"):rep(1 << 20) },
    { net.getaddrinfo, "127.0.0.1", 1, { family = long } },
    { net.getaddrinfo, "127.0.0.1", 1, { flags = long } },
    { net.getaddrinfo, "127.0.0.1", 1, { [long] = 1 } }, { net.getnameinfo, long },
    { net.getnameinfo, "127.0.0.1", 1, long }, { net.gethostbyname, long }, { net.gethostbyaddr, long },
    { net.select, { long } }, { net.poll, { long } }, { net.poll, { { 0, long } } },
    { net.scope, { [long] = 1 } }, { net.ip.parse, long }, { net.ip.parse, "1.2.3.4/" .. long },
    { net.ip.parse, "", { [long] = 1 } }, { net.mac.parse, long }, { net.route, long },
    { net.tool.duration, long }, { net.tool.target, "a b" .. long }, { net.map, {}, print, { [long] = 1 } },
  }

  for index, call in ipairs(calls) do
    it(("in call %d"):format(index), function()
      local stream <close> = assert(net.socket "inet")
      local datagram <close> = assert(net.udp())
      local object = call[1] == s and stream or call[1] == u and datagram or nil
      local f = object and object[call[2]] or call[1]

      local ok, err
      if object then ok, err = select(2, pcall(f, object, table.unpack(call, 3)))
      else ok, err = select(2, pcall(f, table.unpack(call))) end

      local text = tostring(err or ok)
      assert.is_true(#text < 600, #text .. " bytes: " .. text:sub(1, 100))
      assert.is_true(#text > 20, text)
    end)
  end
end)
