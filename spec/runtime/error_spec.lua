local errors = require "net.core.error"
local netlua = require "netlua"

local KINDS = {}
for kind in ("dns refused timeout unreachable reset closed tls proxy auth protocol permission inuse address "
  .. "limit canceled busy"):gmatch "%S+" do KINDS[kind] = true end

local function refused()
  local _, err = net.connect("127.0.0.1", 1, { timeout = 5 })
  return err
end

describe("the list of codes", function()
  local seen = {}
  for _, row in ipairs(errors.codes()) do
    it("explains " .. row.code, function()
      local err = errors.new("test", row.code)

      assert.is_nil(seen[row.code])
      seen[row.code] = true
      assert.is_true(KINDS[row.kind], row.kind)
      assert.equal(row.code, err.code)
      assert.equal(row.kind, err.kind)
      assert.equal(row.message, err.message)
      assert.equal(row.explain, err:explain())
      assert.matches("^%u.+%.$", row.explain)
      assert.matches("^[^%u].*[^.]$", row.message)
      assert.equal(("test: %s (%s)"):format(row.message, row.code), tostring(err))
    end)
  end

  it("holds every kind of code that a program branches on", function()
    for _, code in ipairs { "ECONNREFUSED", "ETIMEDOUT", "ECONNRESET", "EPIPE", "EADDRINUSE", "EACCES",
      "EMFILE", "EAI_NONAME", "EAI_AGAIN", "TIMEOUT", "EOF", "CLOSED", "CANCELED", "BUSY", "TOOBIG" } do
      assert.not_equal("The system gives no more than its message.", errors.new("x", code):explain())
    end
  end)
end)

describe("an error", function()
  local function made(fields)
    local err = errors.new("connect", "ECONNREFUSED")
    for name, value in pairs(fields) do err[name] = value end
    return err
  end

  local TEXT = ": connection refused (ECONNREFUSED)"
  local forms = {
    { {}, "connect" .. TEXT },
    { { address = "127.0.0.1", port = 81 }, "connect 127.0.0.1:81" .. TEXT },
    { { address = "::1", port = 81 }, "connect [::1]:81" .. TEXT },
    { { address = "fe80::1%lo", port = 81 }, "connect [fe80::1%lo]:81" .. TEXT },
    { { address = "10.0.0.1" }, "connect 10.0.0.1" .. TEXT },
    { { address = "unix:/run/x" }, "connect unix:/run/x" .. TEXT },
    { { address = "unix:/run/x", port = 5 }, "connect unix:/run/x" .. TEXT },
    { { host = "example.org" }, "connect example.org" .. TEXT },
    { { host = "example.org", port = 443 }, "connect example.org:443" .. TEXT },
    { { host = "example.org", address = "10.0.0.1", port = 443 }, "connect 10.0.0.1:443" .. TEXT },
    { { port = 443 }, "connect" .. TEXT },
    { { port = "443", host = "h" }, "connect h" .. TEXT },
    { { address = 5, host = "h" }, "connect h" .. TEXT },
    { { op = 5 }, "?" .. TEXT },
    { { message = {} }, "connect: ? (ECONNREFUSED)" },
    { { message = "100%s" }, "connect: 100%s (ECONNREFUSED)" },
  }
  for _, form in ipairs(forms) do
    it("reads " .. form[2], function()
      local err = made(form[1])

      assert.equal(form[2], tostring(err))
      assert.equal("<" .. form[2] .. ">", "<" .. err .. ">")
    end)
  end

  it("can be joined with text, numbers and another error", function()
    local err = errors.new("read", "EOF")
    local text = tostring(err)

    assert.equal("a" .. text, "a" .. err)
    assert.equal(text .. "a", err .. "a")
    assert.equal(text .. "1", err .. 1)
    assert.equal(text .. text, err .. err)
    assert.equal(text .. "nil", err .. nil) -- luacheck: ignore
  end)

  it("tells what was tried, and where, as fields", function()
    local err = refused()

    assert.equal("ECONNREFUSED", err.code)
    assert.equal("refused", err.kind)
    assert.equal("connect", err.op)
    assert.equal("127.0.0.1", err.address)
    assert.equal(1, err.port)
    assert.equal(111, err.errno)
    assert.equal("connection refused", err.message)
  end)

  it("keeps its class through rethrowing", function()
    local err = refused()

    local ok, same = pcall(error, err)

    assert.is_false(ok)
    assert.equal(err, same)
    assert.equal("net.error", getmetatable(same).__name)
  end)

  it("is what assert raises", function()
    local out = netlua.run [[
      local _, err = pcall(function() assert(net.connect("127.0.0.1", 1)) end)
      print(err.code, getmetatable(err).__name)]]

    assert.equal("ECONNREFUSED\tnet.error\n", out)
  end)

  it("made in Lua takes a message of its own", function()
    local err = errors.new("fetch", "TIMEOUT", "no answer")

    assert.equal("fetch: no answer (TIMEOUT)", tostring(err))
    assert.equal("timeout", err.kind)
  end)

  it("of an unknown code still has a kind, a text and an explanation", function()
    local err = errors.new("fetch", "ODDITY")

    assert.equal("protocol", err.kind)
    assert.equal("fetch: ODDITY (ODDITY)", tostring(err))
    assert.equal("The system gives no more than its message.", err:explain())
  end)

  it("of a unix path speaks of no host, port or firewall", function()
    local _, refusal = net.connect "unix:/dev/null"
    local _, inuse = net.listen "unix:/dev/null"

    assert.equal("ECONNREFUSED", refusal.code)
    assert.equal("EADDRINUSE", inuse.code)
    for _, err in ipairs { refusal, inuse } do
      assert.matches("no socket", err:explain(), 1, true)
      for _, word in ipairs { "host", "port", "firewall" } do
        assert.is_nil(err:explain():find("%f[%w]" .. word .. "%f[%W]"))
      end
    end
  end)

  it("without a code explains itself no further", function()
    local err = made { code = false }

    assert.equal("The system gives no more than its message.", err:explain())
    assert.equal("connect: connection refused (?)", tostring(err))
  end)

  it("refuses what is no error", function()
    local meta = getmetatable(errors.new("x", "EOF"))

    for _, wrong in ipairs { 1, "x", true, print, io.stdout } do
      assert.has_error(function() meta.__tostring(wrong) end)
      assert.has_error(function() meta.__index.explain(wrong) end)
    end
    assert.has_error(function() meta.__tostring() end)
    assert.has_error(function() errors.new() end)
    assert.has_error(function() errors.new("x") end)
    assert.has_error(function() errors.new("x", {}) end)
  end)
end)

local OURS = { EAI_NONAME = true, CLOSED = true, TIMEOUT = true, TOOBIG = true }

describe("errors of the world", function()
  local cases = {
    { "ECONNREFUSED", "refused", function() return net.connect("127.0.0.1", 1) end },
    { "ENOENT", "address", function() return net.connect "unix:/nonexistent/socket" end },
    { "EADDRNOTAVAIL", "address", function() return net.listen("192.0.2.1", 0) end },
    { "EBADF", "closed", function() return net.fromfd(9999) end },
    { "EAFNOSUPPORT", "address", function()
      local s <close> = assert(net.socket("inet", "dgram"))
      return s:bind("::1", 0)
    end },
    { "EADDRINUSE", "inuse", function()
      local first <close> = assert(net.listen("127.0.0.1", 0))
      return net.listen("127.0.0.1", select(2, first:getsockname()))
    end },
    { "EISCONN", "inuse", function()
      local server <close> = assert(net.listen("127.0.0.1", 0))
      local s <close> = assert(net.connect(server:getsockname()))
      return s:connect(server:getsockname())
    end },
    { "ENOTCONN", "closed", function()
      local s <close> = assert(net.socket "inet")
      return s:getpeername()
    end },
    { "EPIPE", "closed", function()
      local a <close>, b = net.pair()
      b:close()
      return a:write "x"
    end },
    { "EMSGSIZE", "limit", function()
      local s <close> = assert(net.udp())
      return s:sendto(("x"):rep(70000), "127.0.0.1", 9)
    end },
    { "EOPNOTSUPP", "protocol", function()
      local s <close> = assert(net.udp())
      s:bind("127.0.0.1", 0)
      return s:listen()
    end },
    { "EAI_NONAME", "dns", function() return net.connect("1.2.3.4.5", 1) end },
    { "CLOSED", "closed", function()
      local a <close>, b = net.pair()
      b:close()
      a:close()
      return a:recv(1)
    end },
    { "TIMEOUT", "timeout", function()
      local a <close>, b = net.pair()
      local held <close> = b -- luacheck: ignore held
      return a:recv(1, 0)
    end },
    { "TOOBIG", "limit", function()
      local a <close>, b = net.pair()
      local held <close> = b
      held:write "more than four"
      return a:setlimits { max_line = 4 }:read "l"
    end },
  }
  for _, case in ipairs(cases) do
    it("come as " .. case[1], function()
      local value, err = case[3]()

      assert.is_nil(value)
      assert.equal(case[1], err.code)
      assert.equal(case[2], err.kind)
      assert.equal(OURS[case[1]] and "nil" or "integer", math.type(err.errno) or "nil")
      assert.is_string(err.op)
      assert.matches("(" .. case[1] .. ")", tostring(err), 1, true)
    end)
  end

  it("have a code even where the list has none", function()
    local out, _, status = netlua.run [[
      local _, err = net.socket(2, 1, 255)
      print(err.code, err.kind, math.type(err.errno))]]

    assert.matches("^E%u+\t%l+\tinteger\n$", out)
    assert.equal(0, status)
  end)
end)

describe("an error made of a number", function()
  it("is what the system's call would have given", function()
    local err = errors.errno("connect", refused().errno)

    assert.equal("ECONNREFUSED", err.code)
    assert.equal(refused().errno, err.errno)
    assert.equal("connect: connection refused (ECONNREFUSED)", tostring(err))
  end)

  it("is of no other number", function()
    for _, wrong in ipairs { 0, -1, 1 << 31, 1.5, "x" } do
      assert.is_false((pcall(errors.errno, "x", wrong)))
    end
  end)
end)
