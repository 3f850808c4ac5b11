local authority = require "authority"
local starttls = require "starttls"

local HOST = { host = "x.test", timeout = 5 }

-- A connection whose server does its part of the protocol, and what came of it.
local function meet(protocol, more, options)
  local server <close> = assert(net.listen("127.0.0.1", 0))
  local s <close> = assert(net.connect(server:getsockname()))
  local far <close> = assert(server:accept(5))
  local scope <close> = net.scope { timeout = 10 }
  local served, heard
  scope:spawn(function()
    served, heard = starttls.serve(far, protocol, more)
    if more and more.closes then far:close() end
  end)
  local good, err = net.tls.negotiate(s, protocol, options or HOST)
  s:close()
  scope:wait()
  if good then assert(served, heard) end
  return good, err
end

-- What comes of a server that says just that.
local function hear(protocol, words, options)
  local near, far = net.pair()
  local held <close> = near -- luacheck: ignore held
  local other <close> = far
  other:write(words)
  return net.tls.negotiate(near, protocol, options or HOST)
end

local function each(claim, f)
  for _, protocol in ipairs(starttls.protocols) do
    it(claim:format(protocol), function() f(protocol, starttls.dialogs[protocol]) end)
  end
end

describe("net.tls.negotiate", function()
  each("leaves a stream of %s where TLS begins, both ways", function(protocol)
    local a = authority.new "x.test"
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local s <close> = assert(net.connect(server:getsockname()))
    local scope <close> = net.scope { timeout = 10 }
    local served = net.event()
    scope:spawn(function()
      local far <close> = assert(server:accept())
      assert(starttls.serve(far, protocol))
      served:set()
      assert(far:starttls { server = true, cert = a.chain, key = a.key })
      assert(far:write("secret ", far:read(), "\n"))
      far:finish()
    end)

    assert(net.tls.negotiate(s, protocol, HOST) == s)
    assert(served:wait(5)) -- this server would take the next bytes for plain ones, too
    assert(s:starttls { host = "x.test", ca = a.capem })

    assert(s:write "hello\n")
    assert.equal("secret hello", s:read())
    assert.is_true(s:tls().verified)
    s:finish()
    assert(scope:wait())
  end)

  each("takes the answers of %s byte by byte", function(protocol)
    assert(meet(protocol, { slowly = true }))
  end)

  each("refuses a server of %s that says more than its go-ahead", function(protocol, dialog)
    local first = protocol == "mysql" and 1 or #dialog
    for _, behind in ipairs { "\0", "250 injected\r\n", "\22\3\1\0\5", ("x"):rep(5000) } do
      local good, err = meet(protocol, { behind = behind, behindstep = first })

      assert.is_nil(good)
      assert.equal("TLS_PLAINTEXT", err.code)
      assert.equal("tls", err.kind)
    end
  end)

  each("says that a server of %s refuses, and how it said so", function(protocol, dialog)
    for _, answer in ipairs(dialog.refusals or {}) do
      local good, err = meet(protocol, { at = #dialog, answer = answer })

      assert.is_nil(good)
      assert.equal("STARTTLS_REFUSED", err.code)
      assert.equal("protocol", err.kind)
      assert.matches("^the server ", err.message)
      assert.truthy(#err.reply > 0)
    end
  end)

  each("says that a server of %s does not offer TLS", function(protocol, dialog)
    if not dialog.none then return end

    local good, err = meet(protocol, { at = dialog.none[1], answer = dialog.none[2] })

    assert.is_nil(good)
    assert.equal("STARTTLS_REFUSED", err.code)
    assert.matches("^the server .*does not offer", protocol == "mysql" and "the server does not offer"
      or err.message)
  end)

  each("gives up on a server of %s that stalls, at each step", function(protocol, dialog)
    for at = 1, protocol == "mysql" and 1 or #dialog do
      local good, err = meet(protocol, { at = at, answer = true }, { host = "x.test", timeout = 0.05 })

      assert.is_nil(good)
      assert.equal("TIMEOUT", err.code)
    end
  end)

  each("tells a server of %s that closes, at each byte of what it says", function(protocol, dialog)
    for at = 1, protocol == "mysql" and 1 or #dialog do
      local answer = dialog[at][2]
      for length = 0, #answer - 1, #answer > 100 and 9 or 1 do
        local server <close> = assert(net.listen("127.0.0.1", 0))
        local s <close> = assert(net.connect(server:getsockname()))
        local scope <close> = net.scope { timeout = 10 }
        scope:spawn(function()
          local far <close> = assert(server:accept())
          for index = 1, at do
            local step = dialog[index]
            if step.read then step.read(far) end
            far:write(index == at and answer:sub(1, length) or step[2])
          end
        end)

        local good, err = net.tls.negotiate(s, protocol, HOST)

        assert.is_nil(good)
        assert.truthy(({ EOF = true, EPIPE = true, ECONNRESET = true })[err.code], err)
        assert(scope:wait())
      end
    end
  end)

  each("raises nothing and hangs nowhere, whatever comes instead of %s", function(protocol, dialog)
    local seed = math.random
    local patience = { host = "x.test", timeout = 0.05 }
    for round = 1, 60 do
      local at = seed(1, protocol == "mysql" and 1 or #dialog)
      local answer = dialog[at][2]
      local parts = {}
      for index = 1, #answer do
        parts[index] = seed(1, 12) == 1 and string.char(seed(0, 255)) or answer:sub(index, index)
      end
      local junk = round % 3 == 0 and table.concat(parts)
        or round % 3 == 1 and answer:rep(seed(2, 400)) or ("\r\n>\0"):rep(seed(1, 9)) .. table.concat(parts)

      local good, err = meet(protocol, { at = at, answer = junk, closes = true }, patience)

      assert.truthy(good or type(err.code) == "string")
    end
  end)

  it("reads no more than a bounded amount", function()
    local endless = {
      smtp = { ("220-x\r\n"):rep(300), ("x"):rep(5000) }, ftp = { "220-x\r\n" .. ("x\r\n"):rep(300) },
      imap = { "* OK\r\n" .. ("* x\r\n"):rep(300), "* OK " .. ("x"):rep(5000) },
      pop3 = { "+OK\r\n+OK\r\n" .. ("x\r\n"):rep(300) },
      xmpp = { "<stream>" .. ("<x>"):rep(300), "<stream>" .. ("x"):rep(5000) },
      ldap = { "\x30\x82\x20\0" .. ("x"):rep(0x2000) },
    }
    for protocol, answers in pairs(endless) do
      for _, answer in ipairs(answers) do
        local good, err = hear(protocol, answer)

        assert.is_nil(good)
        assert.equal("TOOBIG", err.code)
      end
    end
  end)

  it("gives what came before the server closed", function()
    local near, far = net.pair()
    local held <close> = near -- luacheck: ignore held
    far:write "22"
    far:close()

    local _, err = net.tls.negotiate(near, "smtp", { timeout = 1 })

    assert.same({ "EOF", "22", "closed" }, { err.code, err.partial, err.kind })
    assert.equal("the server closed before its answer was complete", err.message)
  end)

  it("says that a server closed after it agreed", function()
    local near, far <close> = net.pair()
    local held <close> = near -- luacheck: ignore held
    far:write "S"
    far:shutdown "w"

    local _, err = net.tls.negotiate(near, "postgres", { timeout = 1 })

    assert.same({ "EOF", "the server closed before TLS began" }, { err.code, err.message })
  end)

  it("says what came where a server speaks something else, nothing of it raw", function()
    local strange = {
      smtp = { "HTTP/1.1 400 Bad\27[2J\r\n", "220\27 x\r\n", "22 x\r\n", "220-a\r\n221 b\r\n" },
      imap = { "220 smtp\27\r\n", "* OK\r\n\27\r\n" }, pop3 = { "* OK\27\r\n", "+OK\r\n250 x\r\n" },
      ftp = { "\27\r\n" }, xmpp = { "\27>", "<html>", "<stream><a<b>", "<stream>>" },
      postgres = { "\27", "H" }, mysql = { "\5\0\0\1hello", "\0\0\0\0",
        "\5\0\0\0\9abcd", "\3\0\0\0\0108\0",
        "\xff\xff\xff\0" },
      ldap = { "HTTP", "\x30\x80\0\0", "\x30\0", "\x30\5\2\1\1\x78\0", "\x30\x0c\2\1\5\x78\7\10\1\0\4\0\4\0",
        "\x30\x0c\2\1\1\x78\7\10\1\0\4\0\4\5", "\x30\x0c\2\1\1\x61\7\10\1\0\4\0\4\0" },
    }
    for protocol, answers in pairs(strange) do
      for _, answer in ipairs(answers) do
        local good, err = hear(protocol, answer)

        assert.is_nil(good)
        assert.equal("EBADMSG", err.code, protocol .. " " .. answer)
        assert.is_nil(tostring(err):find "%c")
      end
    end
  end)

  it("shows what a server says escaped and cut, and keeps it as it came", function()
    local words = "554 \27]0;owned\7" .. ("x"):rep(1000)

    local _, err = hear("smtp", words .. "\r\n")

    assert.equal("STARTTLS_REFUSED", err.code)
    assert.is_nil(err.message:find "%c")
    assert.truthy(#err.message < 300)
    assert.equal(words, err.reply)
  end)

  it("believes no server of IMAP that knows the client from the start, or says goodbye", function()
    for _, greeting in ipairs { "* PREAUTH hello\r\n", "* BYE busy\r\n" } do
      local _, err = hear("imap", greeting .. "* CAPABILITY STARTTLS\r\na1 OK\r\na2 OK\r\n")

      assert.equal("STARTTLS_REFUSED", err.code)
    end
  end)

  it("asks a server of POP3 that has no list of capabilities all the same", function()
    assert(hear("pop3", "+OK ready\r\n-ERR what\r\n+OK begin\r\n"))
  end)

  it("waits for a server of FTP that will be ready later", function()
    assert(hear("ftp", "120 in a minute\r\n220 now\r\n234 begin\r\n"))
  end)

  it("tells the error of a server of MySQL that takes no connection", function()
    local payload = "\xff\x10\4Too many connections"

    local _, err = hear("mysql", ("<I3I1"):pack(#payload, 0) .. payload)

    assert.equal("STARTTLS_REFUSED", err.code)
    assert.matches("Too many connections$", err.message)
  end)

  it("tells what a server of XMPP has against the stream", function()
    local _, err = hear("xmpp", "<stream:stream><stream:error><host-unknown xmlns='x'/>")

    assert.equal("STARTTLS_REFUSED", err.code)
    assert.matches("TLS: stream:error host%-unknown", err.message)
  end)

  it("sends no name that could end a line or an attribute", function()
    for code = 0, 255 do
      local c = string.char(code)
      local ran = pcall(hear, "xmpp", "</stream>", { host = "a" .. c .. "b", timeout = 1 })

      assert.equal(c:find "[%w._:%-%%%[%]]" ~= nil, ran, code)
    end
    for _, host in ipairs { "", ("x"):rep(256) } do
      assert.is_false((pcall(hear, "xmpp", "</stream>", { host = host })))
    end
  end)

  it("refuses what is no stream, no protocol, no host or no option", function()
    local near <close> = assert(net.socket "inet")
    local listener <close> = assert(net.listen("127.0.0.1", 0))
    local cases = {
      { 1, listener, "smtp" }, { 1, 5, "smtp" }, { 2, near, "http" }, { 2, near, nil }, { 3, near, "xmpp" },
      { 3, near, "smtp", { timeout = -1 } }, { 3, near, "smtp", { nosuch = 1 } }, { 3, near, "smtp", 5 },
    }
    for _, case in ipairs(cases) do
      local ran, message = pcall(net.tls.negotiate, case[2], case[3], case[4])

      assert.is_false(ran)
      assert.matches("bad argument #" .. case[1] .. " to 'negotiate'", message)
    end
  end)

  it("heeds an enclosing deadline, and says that a stream is closed", function()
    local near, far = net.pair()

    local _, late = net.timeout(0.05, net.tls.negotiate, near, "smtp")
    near:close()
    far:close()
    local _, over = net.tls.negotiate(near, "smtp")

    assert.equal("TIMEOUT", late.code)
    assert.equal("CLOSED", over.code)
  end)
end)
