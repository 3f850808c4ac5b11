local compile = require "compile"
local connected = require "connected"
local programs = require "server"
local secure = require "secure"

-- Runs f(client, server) with two ends after their handshake.
local function both(f, client, server)
  local a <close>, b = secure.pair(client, server)
  local held <close> = b -- luacheck: ignore held
  net.timeout(90, f, a, b)
end

local function bytes(n)
  local parts = {}
  for index = 1, n // 8 + 1 do parts[index] = ("%08x"):format(index * 2654435761 & 0xffffffff) end
  return table.concat(parts):sub(1, n)
end

describe("TLS on a stream", function()
  it("carries bytes both ways", function()
    both(function(a, b)
      assert(a:write("one\n", "two\n"))
      local first, second = b:read("l", "l")
      assert(b:write "three")

      assert.same({ "one", "two" }, { first, second })
      assert.equal("three", a:read(5))
    end)
  end)

  it("runs inside TLS, and inside that", function()
    local a <close>, b = secure.pair()
    local held <close> = b -- luacheck: ignore held

    for _ = 1, 2 do assert(secure.shake(a, b)) end
    local writer = net.spawn(function()
      assert(b:write(bytes(300000)))
      assert(b:shutdown "w")
    end)

    assert.equal(bytes(300000), a:read "a")
    assert.is_true(writer:join(30))
  end)

  it("inside TLS fails with its own reason", function()
    -- The layer below cleared OpenSSL's queue of errors with the alert: what remained was "failure inside of
    -- OpenSSL".
    local a <close>, b = secure.pair()
    local held <close> = b -- luacheck: ignore held

    local _, err, why = secure.shake(a, b, { alpn = { "x" } }, { alpn = { "y" } })

    assert.equal("no_application_protocol", err.alert)
    assert.matches("no application protocol", why.message, 1, true)
  end)

  it("lets other tasks run while a peer floods it with what needs no reader", function()
    -- The answers to key updates kept one call in OpenSSL for as long as the peer sent more.
    local flood = compile.tool("spec/support/keyupdates.c", "-lssl -lcrypto")
    local begin, done, turns = net.event(), net.event(), 0
    local listener <close> = assert(net.listen("127.0.0.1", 0, { tls = secure.server(), rcvbuf = 1 << 20 }))
    local _, port = listener:getsockname()
    net.spawn(function()
      local client <close> = assert(listener:accept(10))
      assert(client:handshake())
      begin:wait()
      client:read()
      done:set()
    end)
    local client <close> = programs.start { command = ("exec '%s' %d 15000"):format(flood, port) }
    client:expect "sent"

    begin:set()
    repeat
      net.sleep(0.0001) -- it takes the loop to come round, which it does once for each part of the flood
      turns = turns + 1
    until done:isset()
    os.remove(flood)

    assert.is_true(turns >= 6, turns)
  end)

  it("says why it fails inside TLS too", function()
    local a <close>, b = secure.pair()
    local held <close> = b -- luacheck: ignore held

    local _, _, why = secure.shake(a, b, { min = "TLSv1.3" }, { max = "TLSv1.2" })

    assert.equal("unsupported protocol", why.message)
    assert.is_string(why.hint)
  end)

  it("carries megabytes both ways at once through small buffers", function()
    local server <close> = secure.serve(nil, function(client)
      client:setsockopt("SO_SNDBUF", 4096)
      local data = assert(client:read(3000000))
      assert(client:write(data))
    end)
    local a <close> = assert(secure.connect(server))
    a:setsockopt("SO_SNDBUF", 4096)
    local data = bytes(3000000)

    local writer = net.spawn(a.write, a, data)
    local back = assert(a:read(#data))

    assert(writer:join(30))
    assert.is_true(back == data)
  end)

  it("puts many short strings into few records, in order", function()
    both(function(a, b)
      local parts, whole = {}, {}
      for index = 1, 20000 do parts[index] = tostring(index) end
      for index = 1, 200 do
        whole[index] = table.concat(parts, " ", (index - 1) * 100 + 1, index * 100)
      end
      local text = table.concat(whole)
      local writer = net.spawn(b.write, b, table.unpack(whole))

      local got = a:read(#text)

      assert(writer:join(30))
      assert.is_true(got == text)
    end)
  end)

  local openssl = programs.find "openssl"
  local needs = programs.needing(openssl, "the package openssl", it, pending)

  needs("sends all in small records to a peer that asks for them", function()
    local data = bytes(100000)
    local server <close> = secure.serve(nil, function(client)
      assert(client:write(data, "\n", data))
      client:finish(5)
    end)

    local run <close> = programs.start { command = ("sleep 2 | '%s' s_client -quiet -maxfraglen 512 "
      .. "-connect 127.0.0.1:%d"):format(openssl, server.port) }
    run:wait()

    assert.is_true(run:read "output" == data .. "\n" .. data)
  end)

  it("takes empty strings, which send nothing", function()
    both(function(a, b)
      assert(a:write "")
      assert(a:write("", "x", ""))
      assert.equal(0, a:send "")
      assert.equal("x", b:recv(10))
      assert.equal("TIMEOUT", select(2, b:recv(10, 0)).code)
    end)
  end)

  it("sends files", function()
    local file <close> = assert(io.tmpfile())
    file:write(bytes(100000))
    both(function(a, b)
      local task = net.spawn(a.sendfile, a, file, 10, 50000)

      local got = b:read(50000)

      assert.equal(50000, (task:join(30)))
      assert.is_true(got == bytes(100000):sub(11, 50010))
    end)
  end)

  it("loses nothing of a line that comes late", function()
    both(function(a, b)
      b:write "half"
      assert.equal("TIMEOUT", select(2, net.timeout(0.01, a.read, a)).code)
      b:write " done\n"

      assert.equal("half done", a:read())
    end)
  end)

  it("counts what a write that ran out of time has sent, and goes on after it", function()
    both(function(a, b)
      local data = bytes(4000000)
      local ok, err = net.timeout(0.02, a.write, a, data)
      assert.is_nil(ok)
      assert.equal("TIMEOUT", err.code)
      local rest = net.spawn(a.write, a, data:sub(err.partial + 1))

      local got = b:read(#data)

      assert(rest:join(30))
      assert.is_true(err.partial > 0 and err.partial < #data)
      assert.is_true(got == data)
    end)
  end)

  it("sends what a write that ran out of time began even if other bytes follow", function()
    both(function(a, b)
      local data = bytes(4000000)
      local _, err = net.timeout(0.02, a.write, a, data)
      local other = net.spawn(a.write, a, "END")

      local got = b:read(err.partial + 3)

      assert(other:join(30))
      assert.is_true(got == data:sub(1, err.partial) .. "END")
    end)
  end)

  it("lets one task read and another write", function()
    both(function(a, b)
      local reader = net.spawn(a.read, a)
      net.sleep(0)
      assert.equal("BUSY", select(2, a:read()).code)
      assert(a:write "from a\n")
      assert.equal("from a", b:read())
      b:write "from b\n"

      assert.equal("from b", (reader:join(30)))
    end)
  end)

  it("wakes a reader with CLOSED when the stream is closed", function()
    both(function(a)
      local reader = net.spawn(a.read, a)
      net.sleep(0)
      a:close()

      local _, err = reader:join(30)

      assert.equal("CLOSED", err.code)
    end)
  end)

  it("gives peeked and unread bytes again", function()
    both(function(a, b)
      b:write "abc"
      assert.equal("abc", a:peek(10))
      a:unread "x"
      assert.equal("xabc", a:read(4))
    end)
  end)
end)

describe("the end of TLS", function()
  it("is an end where the peer says so", function()
    both(function(a, b)
      b:write "last"
      b:close()

      assert.equal("last", a:read "a")
      local data, err = a:recv(10)
      assert.is_nil(data)
      assert.is_nil(err)
    end)
  end)

  it("of one direction leaves the other open", function()
    both(function(a, b)
      a:write "question"
      assert.is_true(a:shutdown "w")
      assert.equal("question", b:read "a")
      assert(b:write "answer")
      b:close()

      assert.equal("answer", a:read "a")
      assert.equal("EPIPE", select(2, a:write "more").code)
    end)
  end)

  it("of both is waited for by finish, which drains what comes", function()
    both(function(a, b)
      local server = net.spawn(function()
        assert.equal("bye", b:read "a")
        b:write "12345"
        return b:finish(5)
      end)
      a:write "bye"

      assert.equal(5, a:finish(5))
      assert.equal(0, (server:join(30)))
    end)
  end)

  -- finish then took the place of the reader, whom nothing woke any more.
  it("that has to wait for room leaves a reader that comes meanwhile alone", function()
    both(function(a, b)
      repeat local sent = a:send(bytes(16384), 0) until not sent
      local finisher = net.spawn(a.finish, a, 30)
      net.sleep(0)
      local reader = net.spawn(a.read, a)
      net.sleep(0)
      while b:recv(65536, 30) do end
      b:write "line\n"

      assert.equal("line", reader:join(30))
      assert.equal("BUSY", select(2, finisher:join(30)).code)
    end)
  end)

  it("is told to a peer that has not read yet, after what it has not read", function()
    both(function(a, b)
      local data = bytes(2000000)
      local writer = net.spawn(function()
        assert(a:write(data))
        return a:shutdown "w"
      end)

      assert.is_true(b:read "a" == data)
      assert.is_true((writer:join(30)))
    end)
  end)

  it("without the peer's word is TLS_TRUNCATED, with what came", function()
    local a <close>, b = secure.pair()
    b:write "partial"
    b = nil -- luacheck: ignore b
    for _ = 1, 3 do collectgarbage() end

    local data, err = a:read "a"

    assert.is_nil(data)
    assert.equal("TLS_TRUNCATED", err.code)
    assert.equal("tls", err.kind)
    assert.equal("partial", err.partial)
    assert.equal("partial", a:read(7))
    assert.equal("TLS_TRUNCATED", select(2, a:read(1)).code)
  end)

  it("is never taken for the end of a reply that is cut after any byte of it", function()
    local whole = "HTTP/1.0 200 OK\r\n\r\n0123456789"
    local server <close> = secure.serve(nil, function(client)
      client:read()
      client:write(whole:sub(1, 19))
      client:write(whole:sub(20))
    end)
    local cut, began
    local relay <close> = secure.between(server.port, function(data, sofar)
      if not began then return data end
      began = began == true and sofar or began
      local left = cut - (sofar - began)
      if left >= #data then return data end
      return data:sub(1, math.max(left, 0)), "cut"
    end)
    local last

    for length = 0, 200 do
      cut, began = length, false
      local s <close> = assert(secure.connect(relay, { max = "TLSv1.2" }))
      began = true
      assert(s:write "GET\n")
      local data, err = s:read "a"
      if data then
        last = length
        assert.equal(whole, data)
        break
      end
      assert.equal("TLS_TRUNCATED", err.code)
      assert.equal(err.partial or "", whole:sub(1, #(err.partial or "")))
    end

    assert.is_true(last > 100)
  end)

  it("by a reset is ECONNRESET", function()
    local server <close> = secure.serve()
    local armed
    local relay <close> = secure.between(server.port, function(data)
      return data, armed and "reset" or nil
    end)
    local a <close> = assert(secure.connect(relay))
    armed = true
    a:write "hello\n"
    a:settimeout(5)

    local data, err = a:read "a"

    assert.is_nil(data)
    assert.equal("ECONNRESET", err.code)
  end)

  it("of a peer that has said so and gone is EPIPE or ECONNRESET for who still writes", function()
    -- OpenSSL calls whatever fails after the peer's last word an end: it was "failure inside of OpenSSL".
    both(function(a, b)
      a:close()
      assert.is_nil((b:recv(1)))

      local _, err = b:write "x"

      assert.is_truthy(err.code == "EPIPE" or err.code == "ECONNRESET", err.code)
    end)
  end)

  it("is not waited for by close, nor by the collector", function()
    local server <close> = secure.serve(nil, function(client) client:read() net.sleep(60) end)
    local a = assert(secure.connect(server))
    a:setsockopt("SO_SNDBUF", 4096)
    net.timeout(0.02, a.write, a, bytes(4000000)) -- nothing more can be sent

    local before = net.now()
    a:close()
    local b = secure.pair() -- luacheck: ignore b
    b = nil -- luacheck: ignore b
    collectgarbage()

    assert.is_true(net.now() - before < 5)
  end)
end)

describe("select", function()
  it("finds a stream ready that holds decrypted bytes", function()
    both(function(a, b)
      b:write(("x"):rep(100000))
      assert.equal(10, #a:read(10))

      local ready = net.select({ a }, nil, nil, 0)

      assert.same({ a }, ready)
    end)
  end)

  it("finds a stream ready at its end, also after that was read", function()
    -- The descriptor has nothing to read after the peer's word, while its connection stays.
    both(function(a, b)
      b:shutdown "w"
      for _ = 1, 2 do
        assert.same({ a }, (net.select({ a }, nil, nil, 5)))
        assert.is_nil((a:recv(1)))
      end
    end)
  end)

  it("waits where nothing came but what TLS says for itself", function()
    both(function(a)
      assert.same({}, (net.select({ a }, nil, nil, 0)))
    end)
  end)

  it("waits where a part of a record came with the end of the handshake", function()
    local server <close> = secure.serve({ max = "TLSv1.2" }, function(client)
      client:write(bytes(4000))
      client:read()
    end)
    local held = ""
    local relay <close> = secure.between(server.port, function(data, sofar)
      if sofar == 0 then return data end
      held = held .. data
      if #held > 4000 then return held:sub(1, -6), "stall" end
      return ""
    end)
    local a <close> = assert(secure.connect(relay))

    assert.same({}, (net.select({ a }, nil, nil, 0)))
    assert.equal("TIMEOUT", select(2, a:recv(1, 0.01)).code)
  end)

  it("is woken by what comes", function()
    both(function(a, b)
      local task = net.spawn(function() return net.select({ a }, nil, nil, 5) end)
      net.sleep(0)
      b:write "x"

      assert.same({ a }, (task:join(30)))
      assert.equal("x", a:recv(1, 1))
    end)
  end)
end)

describe("a handshake", function()
  -- What a client is told by a server whose bytes `change` spoils; see secure.between.
  local function through(change, timeout)
    local server <close> = secure.serve()
    local relay <close> = secure.between(server.port, change)
    local began = net.now()
    local s, err = net.connect(relay.host, relay.port, { tls = secure.client(), timeout = timeout or 5 })
    if s then s:close() end
    return s and "connected" or err.code, net.now() - began, err
  end

  it("works one byte at a time", function()
    local server <close> = secure.serve()
    local relay <close> = secure.between(server.port, function(data) return data end)
    local held <close>, a, b = connected.pair() -- luacheck: ignore held
    local up <close> = assert(net.connect(relay.host, relay.port))
    local one = net.spawn(function()
      for byte in function() return b:recv(1) end do up:write(byte) end
    end)
    local two = net.spawn(function()
      for byte in function() return up:recv(1) end do
        b:write(byte)
        net.sleep(0)
      end
    end)

    assert(a:starttls(secure.client(), 5))
    a:write "slowly\n"
    assert.equal("slowly", a:read())

    one:cancel()
    two:cancel()
    one:join()
    two:join()
  end)

  it("ends at the deadline wherever the server stalls", function()
    for at = 0, 900, 60 do
      local code, seconds = through(function(data, sofar)
        if sofar + #data <= at then return data end
        return data:sub(1, math.max(at - sofar, 0)), "stall"
      end, 0.05)

      assert.equal("TIMEOUT", code)
      assert.is_true(seconds < 25)
    end
  end)

  it("fails at once wherever the server closes", function()
    for at = 0, 700, 35 do
      local code, seconds = through(function(data, sofar)
        if sofar + #data <= at then return data end
        return data:sub(1, math.max(at - sofar, 0)), "cut"
      end)

      assert.equal("TLS_HANDSHAKE", code)
      assert.is_true(seconds < 25)
    end
  end)

  it("fails on garbage, wherever it begins", function()
    for at = 0, 700, 35 do
      local code = through(function(data, sofar)
        if sofar + #data <= at then return data end
        return data:sub(1, math.max(at - sofar, 0)) .. ("\xff\x00garbage\r\n"):rep(200)
      end)

      assert.equal("TLS_HANDSHAKE", code)
    end
  end)

  it("can be canceled", function()
    local silent <close> = assert(net.listen("127.0.0.1", 0))
    local task = net.spawn(net.connect, "127.0.0.1", select(2, silent:getsockname()), { tls = true })
    local client <close> = assert(silent:accept(5))
    assert(client:recv(1, 5))

    task:cancel()
    local _, err = task:join(30)

    assert.equal("CANCELED", err.code)
    while client:recv(65536) do end -- the ClientHello's rest, and then the end
  end)

  -- What a client is told by a server that answers with that.
  local function answered(data)
    local listener <close> = assert(net.listen("127.0.0.1", 0))
    local task = net.spawn(function()
      local c <close> = assert(listener:accept(5))
      c:write(data)
      c:finish(1)
    end)
    local s, err = net.connect("127.0.0.1", select(2, listener:getsockname()),
      { tls = secure.client(), timeout = 5 })
    task:join(30)
    assert.is_nil(s)
    assert.equal("TLS_HANDSHAKE", err.code)
    return err
  end

  it("says that a server speaks something else", function()
    for spoken, word in pairs {
      ["HTTP/1.0 400 Bad Request\r\n\r\n"] = "plain HTTP", ["220 mail.test ESMTP\r\n"] = "SMTP or FTP",
      ["SSH-2.0-test\r\n"] = "SSH", ["* OK ready\r\n"] = "IMAP", ["+OK ready\r\n"] = "POP3",
      ["\0\0\0\0\0"] = "the peer does not speak TLS here",
    } do
      local err = answered(spoken)

      assert.matches(word, err.message, 1, true)
      assert.is_true(#err:explain() > 20)
    end
  end)

  it("says with what alert a server refuses, also one that nobody knows, and that it said goodbye", function()
    -- Both were "failure inside of OpenSSL".
    local known = answered "\21\3\3\0\2\2\40"
    local unknown = answered "\21\3\3\0\2\2\238"
    local goodbye = answered "\21\3\3\0\2\1\0"

    assert.equal("handshake_failure", known.alert)
    assert.equal("alert 238", unknown.alert)
    assert.equal("the peer refused: alert 238", unknown.message)
    assert.equal("the peer closed the connection during the handshake", goodbye.message)
  end)
end)
