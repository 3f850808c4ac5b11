local authority = require "authority"
local netlua = require "netlua"
local peer = require "peer"
local tools = require "tools"

local function nc(server, ...)
  local records, status, err = tools.records("nc", server.host, tostring(server.port), "-w", "5", ...)
  assert.equal(1, #records, err)
  return records[1], status, records[1].error
end

-- A peer that drops the connection: what it has not read makes the kernel send a reset.
local function resetting(s)
  s:peek(1)
  s:setsockopt("SO_LINGER", { on = true, seconds = 0 })
  s:close()
end

describe("nc to a host", function()
  it("sends, and receives to the peer's end", function()
    local heard
    local server <close> = peer.once(function(s)
      heard = s:read "a"
      s:write "answer\0\255"
    end)

    local rec, status = nc(server, "-N", "--send", "hi\\r\\n\\x00\\\\")

    assert.equal("hi\r\n\0\\", heard)
    assert.equal(0, status)
    assert.equal("answer\0\255", tools.bytes(rec.data_b64))
    assert.same({ 6, 8, "eof", server.address },
      { rec.sent_bytes, rec.received_bytes, rec["end"], rec.target })
  end)

  it("ends a line with CRLF on request", function()
    local heard
    local server <close> = peer.once(function(s) heard = s:read "a" end)

    nc(server, "-N", "-C", "--send", "a\\nb\\r\\n\\n")

    assert.equal("a\r\nb\r\n\r\n", heard)
  end)

  it("ends after the bytes that it was to receive", function()
    local server <close> = peer.once(function(s)
      s:write "0123456789"
      s:read "a"
    end)

    local rec, status = nc(server, "--recv", "4")

    assert.equal(0, status)
    assert.equal("received", rec["end"])
    assert.equal("0123", tools.bytes(rec.data_b64))
  end)

  it("calls a peer that ends before them a failure", function()
    local server <close> = peer.once(function(s) s:write "012" end)

    local rec, status, err = nc(server, "--recv", "4")

    assert.equal(56, status)
    assert.equal("EOF", err.code)
    assert.equal("the peer ended after 3 of 4 bytes", err.message)
    assert.equal(3, rec.received_bytes)
  end)

  it("never calls a reset an end", function()
    local server <close> = peer.once(resetting)

    local rec, status, err = nc(server, "--send", "x")

    assert.equal(56, status)
    assert.equal("reset", rec["end"])
    assert.equal("ECONNRESET", err.code)
    assert.is_true(rec.ms < 20000) -- and does not wait for more
  end)

  it("keeps the record small, and says so", function()
    local server <close> = peer.once(function(s) s:write(("x"):rep(100000)) end)

    local rec = nc(server)

    assert.equal(100000, rec.received_bytes)
    assert.equal(65536, #tools.bytes(rec.data_b64))
    assert.is_true(rec.data_cut)
  end)

  it("gives up on a silent peer with 28, on a refusal with 7, on a name with 6", function()
    local server <close> = peer.once(function(s) s:read "a" end)
    local _, silent = tools.records("nc", server.host, tostring(server.port), "-w", "0.1")
    local reserved <close> = assert(net.socket("inet", "stream"))
    assert(reserved:bind("127.0.0.1", 0))
    local _, refused = tools.records("nc", "127.0.0.1", tostring(select(2, reserved:getsockname())))
    local _, unknown = tools.records("nc", "10.0.0.256", "80")

    assert.same({ 28, 7, 6 }, { silent, refused, unknown })
  end)

  it("counts -w from the last byte", function()
    local server <close> = peer.once(function(s)
      for _ = 1, 6 do
        s:write "x"
        net.sleep(0.35)
      end
    end)

    local records, status = tools.records("nc", server.host, tostring(server.port), "-w", "1.6")

    assert.equal(0, status)
    assert.equal(6, records[1].received_bytes)
  end)

  it("ends so long after what it sent with --linger", function()
    local server <close> = peer.once(function(s) s:read "a" end)

    local rec, status = nc(server, "--send", "x", "--linger", "0.05")

    assert.equal(0, status)
    assert.equal("linger", rec["end"])
  end)

  it("asks with -z and sends nothing", function()
    local heard
    local server <close> = peer.once(function(s) heard = s:read "a" end)

    local out, _, status = tools.run("nc", "-z", server.host, tostring(server.port))
    server.task:join(30)

    assert.equal(0, status)
    assert.equal(server.address .. "  open\n", out)
    assert.equal("", heard)
  end)

  it("goes by the interface that it is told, by name or index", function()
    local server <close> = peer.once(function(s) s:read "a" end)
    local port = tostring(server.port)

    local _, hints, wrong = tools.run("nc", "-z", "-I", "nosuch0", server.host, port)
    local _, _, status = tools.run("nc", "-z", "-I", "1", server.host, port)
    server.task:join(30)

    assert.equal(1, wrong)
    assert.truthy(hints:find("ENODEV", 1, true))
    assert.equal(0, status)
  end)

  it("talks over unix sockets", function()
    local path = os.tmpname()
    os.remove(path)
    local listener <close> = assert(net.listen("unix:" .. path))
    local task = net.spawn(function()
      local s <close> = assert(listener:accept(5))
      s:write "hello"
    end)

    local records, status = tools.records("nc", "-U", path)
    task:join(30)

    assert.equal(0, status)
    assert.equal("hello", tools.bytes(records[1].data_b64))
    assert.equal("unix:" .. path, records[1].target)
    assert.equal(1, (select(2, tools.records("nc", "-U", path .. "-nosuch"))))
  end)
end)

describe("nc with datagrams", function()
  local function echo()
    local s = assert(net.udp { family = "inet" })
    assert(s:bind("127.0.0.1", 0))
    local task = net.spawn(function()
      while true do
        local data, address, port = s:recvfrom()
        if not data then return end
        if data ~= "" then s:sendto(data:upper(), address, port) end
      end
    end)
    return select(2, s:getsockname()), function()
      task:cancel()
      s:close()
    end
  end

  it("sends and receives, and takes silence after an answer for the end", function()
    local port, stop = echo()

    local records, status = tools.records("nc", "-u", "127.0.0.1", tostring(port), "--send", "abc",
      "-w", "0.2")
    stop()

    assert.equal(0, status)
    assert.equal("ABC", tools.bytes(records[1].data_b64))
    assert.equal("timeout", records[1]["end"])
  end)

  it("never calls silence open", function()
    local port, stop = echo()

    local records, status = tools.records("nc", "-zu", "127.0.0.1", tostring(port), "-w", "0.1")
    stop()

    assert.equal(28, status)
    assert.equal("open|filtered", records[1].state)
  end)

  it("calls a port unreachable refused", function()
    local s = assert(net.udp { family = "inet" })
    assert(s:bind("127.0.0.1", 0))
    local _, port = s:getsockname()
    s:close()

    for _, words in ipairs { { "-zu" }, { "-u", "--send", "x" } } do
      local records, status = tools.records("nc", "127.0.0.1", tostring(port), "-w", "2", table.unpack(words))

      assert.equal(7, status)
      assert.equal("ECONNREFUSED", records[1].error.code)
    end
  end)

  -- A datagram of more bytes than --recv named ended it with an error inside.
  it("takes datagrams whole with --recv", function()
    local server <close> = assert(net.udp { family = "inet" })
    assert(server:bind("127.0.0.1", 0))
    local _, port = server:getsockname()
    local answering = net.spawn(function()
      local _, address, from = server:recvfrom(100, 5)
      return server:sendto("0123456789", address, from)
    end)

    local records, status = tools.records("nc", "-u", "127.0.0.1", tostring(port), "--send", "?",
      "--recv", "4", "-w", "5")

    answering:join()
    assert.equal(0, status)
    assert.same({ 10, "received" }, { records[1].received_bytes, records[1]["end"] })
    assert.equal("0123456789", tools.bytes(records[1].data_b64))
  end)
end)

describe("nc -l", function()
  -- Runs it in a task; gives its port as soon as it listens.
  local function listening(...)
    local out, ready = { records = {} }, net.channel(1)
    out.task = net.spawn(function(...)
      out.status = net.tool.call("nc", { "-l", "-j", ... }, function(line)
        table.insert(out.records, require "cjson".decode(line))
      end, function(line)
        local where = line:match "^listening on (.*)\n"
        if where then ready:send(tonumber(where:match ":(%d+)$") or where) end
      end)
      return true
    end, ...)
    out.port = assert(ready:receive(5))
    return out
  end

  it("serves one connection and ends", function()
    local listener = listening("127.0.0.1:0", "--send", "hello", "-w", "5")
    local s <close> = assert(net.connect("127.0.0.1", listener.port))

    s:write "abc"
    s:shutdown "w"
    assert.equal("hello", s:read(5))
    assert(listener.task:join(30))

    assert.equal(0, listener.status)
    assert.same({ 5, 3, "eof" }, { listener.records[1].sent_bytes, listener.records[1].received_bytes,
      listener.records[1]["end"] })
    assert.equal("ECONNREFUSED", select(2, net.connect("127.0.0.1", listener.port)).code)
  end)

  it("serves one after the other with -k", function()
    local listener = listening("127.0.0.1:0", "-k", "-w", "0.5")
    for i = 1, 3 do
      local s <close> = assert(net.connect("127.0.0.1", listener.port))
      s:write(("x"):rep(i))
      s:finish(5)
    end
    assert(listener.task:join(30))

    assert.equal(28, listener.status)
    assert.same({ 1, 2, 3 }, { listener.records[1].received_bytes, listener.records[2].received_bytes,
      listener.records[3].received_bytes })
  end)

  -- Whoever looked whether the port was open ended the server: s:read() gave nil.
  it("goes on with -k where the code of -e raises for a connection", function()
    local listener = listening("127.0.0.1:0", "-k", "-e", 's:write("you said ", s:read(), "\\n")')
    local function say(words)
      local s <close> = assert(net.connect("127.0.0.1", listener.port))
      if words then s:write(words, "\n") end
      s:shutdown "w"
      return s:read "a"
    end

    local answers = { say(), say "one", say(), say "two" }
    listener.task:cancel()
    listener.task:join(30)

    assert.same({ "", "you said one\n", "", "you said two\n" }, answers)
    assert.same({ false, true, false, true }, { listener.records[1].ok, listener.records[2].ok,
      listener.records[3].ok, listener.records[4].ok })
    assert.matches("^%-e:1: bad argument", listener.records[1].error.message)
  end)

  it("goes on with -k where what the code of -e raises is a table, and no error of net", function()
    local listener = listening("127.0.0.1:0", "-k", "-e", "error { code = 1 }")
    for _ = 1, 2 do
      local s <close> = assert(net.connect("127.0.0.1", listener.port))
      assert.is_nil(s:read())
    end
    listener.task:cancel()
    listener.task:join(30)

    assert.equal("EPROTO", listener.records[1].error.code)
    assert.equal("EPROTO", listener.records[2].error.code)
  end)

  it("ends with -k where the code of -e waits and ^C comes", function()
    local listener = listening("127.0.0.1:0", "-k", "-e", "s:write 'go' s:read 'a'")
    local s <close> = assert(net.connect("127.0.0.1", listener.port))

    assert.equal("go", s:read(2))
    listener.task:cancel()

    assert.equal("CANCELED", select(2, listener.task:join(30)).code)
  end)

  it("tells what went over a connection until ^C", function()
    local listener = listening("127.0.0.1:0", "--send", "hello")
    local s <close> = assert(net.connect("127.0.0.1", listener.port))

    assert.equal("hello", s:read(5))
    listener.task:cancel()
    listener.task:join(30)

    assert.same({ 5, 0, "canceled" }, { listener.records[1].sent_bytes, listener.records[1].received_bytes,
      listener.records[1]["end"] })
  end)

  it("talks to the first that sends, over UDP", function()
    local listener = listening("-u", "127.0.0.1:0", "--send", "hello", "-w", "0.3")
    local s <close> = assert(net.udp { family = "inet" })

    s:sendto("first", "127.0.0.1", listener.port)
    assert.equal("hello", (s:recv(100, 5)))
    assert(listener.task:join(30))

    assert.equal(0, listener.status)
    assert.equal(5, listener.records[1].received_bytes)
    assert.equal("first", tools.bytes(listener.records[1].data_b64))
  end)

  -- Was a traceback: a unix socket that was not bound has no address to answer to.
  it("hears a sender without a name, over a unix socket", function()
    local path = os.tmpname()
    os.remove(path)
    local listener = listening("-u", "-U", path, "-w", "0.3")
    local s <close> = assert(net.connect("unix:" .. path, { type = "dgram" }))

    s:send "first"
    assert(listener.task:join(30))

    assert.equal(0, listener.status)
    assert.equal("first", tools.bytes(listener.records[1].data_b64))
  end)

  -- "not a numeric address", while nc -l took the name.
  it("takes a name over UDP", function()
    local listener = listening("-u", "localhost:0", "-4", "-w", "0.3")
    local s <close> = assert(net.udp())

    assert(s:sendto("first", "127.0.0.1", listener.port))
    assert(listener.task:join(30))

    assert.equal(5, listener.records[1].received_bytes)
  end)

  it("says that a name is none, or none of that family, over UDP and TCP", function()
    for _, option in ipairs { "-lu", "-l" } do
      for word, family in pairs { ["10.0.0.256:0"] = "-4", ["127.0.0.1:0"] = "-6" } do
        local records, status = tools.records("nc", option, family, word, "-w", "0.1")

        assert.equal(6, status)
        assert.equal("dns", records[1].error.kind)
      end
    end
  end)

  it("times each datagram by itself with -k", function()
    local listener = listening("-uk", "127.0.0.1:0", "-w", "1.5")
    local s <close> = assert(net.udp { family = "inet" })

    for _ = 1, 2 do
      s:sendto("x", "127.0.0.1", listener.port)
      net.sleep(0.1)
    end
    assert(listener.task:join(30))

    assert.equal(28, listener.status)
    assert.equal(3, #listener.records)
    assert.is_true(listener.records[1].ts < listener.records[3].ts)
  end)

  it("ends with 28 when nobody comes, with 1 when the port is taken", function()
    local taken <close> = assert(net.listen("127.0.0.1", 0))

    assert.equal(28, (select(2, tools.records("nc", "-l", "127.0.0.1:0", "-w", "0.05"))))
    assert.equal(1, (select(2, tools.records("nc", "-l", "127.0.0.1:" .. select(2, taken:getsockname())))))
  end)
end)

describe("nc on a command line", function()
  -- Two of them: `server` prints what it hears, `client` is what follows `netlua nc 127.0.0.1 PORT`.
  local function both(server, client)
    return netlua.shell(([[
      log=$(mktemp); trap 'rm -f $log' EXIT
      %%s nc -l 127.0.0.1:0 2>$log %s & server=$!
      until grep -q listening $log; do sleep 0.02; done
      port=$(sed -n 's/.*://p' $log); %s
      wait $server; echo "[$?]"]]):format(server, client))
  end

  it("copies standard input where - is given, and what comes to standard output", function()
    local out = both("-w 5", "printf 'from stdin\\n' | %s nc -N 127.0.0.1 $port -; echo \"[$?]\"")

    assert.truthy(out:find("from stdin\n", 1, true))
    assert.equal(2, select(2, out:gsub("%[0%]\n", "")))
  end)

  -- Ended with 0 as soon as the peer had said its end, wherever standard input was.
  it("sends all of standard input to a peer that has nothing to say", function()
    local out = both("- -N -w 10 </dev/null | cksum",
      "head -c 30000000 /dev/zero | %s nc -N 127.0.0.1 $port - -w 10; echo \"[$?]\"")
    local expected = netlua.shell "head -c 30000000 /dev/zero | cksum"

    assert.truthy(out:find(expected, 1, true), out)
    assert.equal(2, select(2, out:gsub("%[0%]\n", "")))
  end)

  it("does not read standard input without -", function()
    local out = both("-w 5", "printf x | { %s nc -N 127.0.0.1 $port; cat; echo; }")

    assert.truthy(out:find("x\n", 1, true))
    assert.truthy(out:find "%[0%]\n$")
  end)

  it("shows both directions in hexadecimal", function()
    local out = both("-w 5 --send hi >/dev/null", "%s nc -N 127.0.0.1 $port --hex --send 'a\\x00'")

    assert.truthy(out:find("> 00000000  61 00 ", 1, true))
    assert.truthy(out:find("< 00000000  68 69 ", 1, true))
  end)

  it("passes a large file through unharmed", function()
    local out = both("-w 10 | cksum",
      "head -c 3000000 /dev/zero | tr '\\0' 'x' | %s nc -N 127.0.0.1 $port - -w 10")
    local expected = netlua.shell "head -c 3000000 /dev/zero | tr '\\0' 'x' | cksum"

    assert.truthy(out:find(expected, 1, true), out)
  end)

  it("ends with 2 for words that do not go together", function()
    for _, words in ipairs { "", "host", "host 80 90", "host 0", "host 99999", "-k host 80", "-l", "-l 1 2",
      "-lz 0", "-lk 0 -", "-U", "-U a b", "host 80 --send 'a\\q'", "host 80 --send '\\x0'", "host 80 -4 -6",
      "host 80 --recv x",
      "-l 127.0.0.1:x", "-l 0 -s 127.0.0.1", "-U /nonexistent/s -I lo" } do
      local out, err, status = netlua.shell("%s nc " .. words:gsub("%%", "%%%%"))

      assert.equal(2, status, words)
      assert.equal("", out)
      assert.truthy(err:find "^netlua nc: .+\ntry: netlua nc %-%-help\n$")
    end
  end)

  it("says what went wrong, and what to do", function()
    local _, err, status = netlua.shell "%s nc 10.0.0.256 80"

    assert.equal(6, status)
    assert.truthy(err:find("netlua nc: 10.0.0.256:80: name does not exist (EAI_NONAME)\n  ", 1, true))
  end)
end)

describe("nc -e", function()
  it("runs code with the connection", function()
    local server <close> = peer.once(function(s) s:write(s:read():upper(), "\n") end)
    local code = "s:write 'hello\\n' assert(s:read() == 'HELLO')"

    local records, status = tools.records("nc", server.host, tostring(server.port), "-e", code, "-w", "5")

    assert.equal(0, status)
    assert.equal("done", records[1]["end"])
    assert.is_nil(records[1].sent_bytes)
  end)

  it("has the status of the error that the code returns", function()
    local server <close> = peer.once(function(s) s:read "a" end)

    local words = { "nc", server.host, tostring(server.port), "-e", "return s:read()", "-w", "0.05" }
    local _, err, status = tools.run(table.unpack(words))

    assert.equal(28, status)
    assert.truthy(err:find "timed out")
  end)

  it("ends with 3 and the place when the code raises", function()
    local server <close> = peer.once(function(s) s:read "a" end)

    local ok, err = pcall(tools.run, "nc", server.host, tostring(server.port), "-e", "error 'oops'")

    assert.is_false(ok)
    assert.equal("-e:1: oops", err)
  end)

  it("refuses what is not Lua, and what would come between", function()
    for _, words in ipairs { { "-e", "x x" }, { "-e", "", "-z" }, { "-e", "return", "--send", "x" } } do
      local _, err, status = tools.run("nc", "127.0.0.1", "1", table.unpack(words))
      assert.equal(2, status)
      assert.truthy(err:find "^netlua nc: ")
    end
  end)
end)

describe("nc --tls", function()
  local a, files

  -- The name of a file with that text.
  local function file(text)
    local name = os.tmpname()
    local f <close> = assert(io.open(name, "wb"))
    f:write(text)
    files[#files + 1] = name
    return name
  end

  local function serve(f)
    return peer.each(function(s)
      if s:starttls({ server = true, cert = a.chain, key = a.key }, 5) then f(s) end
    end)
  end

  setup(function()
    a, files = authority.new "server.test", {}
    a.cafile, a.certfile, a.keyfile = file(a.capem), file(a.chain), file(a.key)
  end)

  teardown(function()
    for _, name in ipairs(files) do os.remove(name) end
  end)

  it("sends and receives, and tells what was agreed on", function()
    local server <close> = serve(function(s)
      s:write(s:read():upper(), "\n")
      s:finish(1)
    end)

    local rec, status = nc(server, "--tls", "--cafile", a.cafile, "--name", "server.test", "--send", "hi\\n")

    assert.equal(0, status)
    assert.same({ "HI\n", "eof", 3, 3 },
      { tools.bytes(rec.data_b64), rec["end"], rec.sent_bytes, rec.received_bytes })
    assert.same({ "TLSv1.3", true }, { rec.tls.protocol, rec.tls.verified })
  end)

  it("sends nothing to a server that is not trusted, with 60, or speaks no TLS, with 35", function()
    local heard = 0
    local server <close> = serve(function(s) heard = heard + #(s:read "a" or "") end)
    local plain <close> = peer.each(function(s) s:write "220 hello\r\n" s:finish(1) end)

    local _, system = nc(server, "--tls", "--send", "secret", "--name", "server.test")
    local _, other, err = nc(server, "--tls", "--send", "secret", "--cafile", a.cafile, "--name", "x.test")
    local _, none = nc(plain, "--tls", "--send", "secret")

    assert.same({ 60, 60, 35, "wrong_host" }, { system, other, none, err.reason })
    assert.equal(0, heard)
  end)

  it("calls a stream that was cut no end", function()
    local proxied <close> = serve(function(s) s:write "part" s:read "a" end)
    local server <close> = peer.each(function(s)
      local other <close> = assert(net.connect(proxied.host, proxied.port))
      local scope <close> = net.scope()
      scope:spawn(function()
        for piece in function() return s:recv(65536) end do other:write(piece) end
      end)
      for piece in function() return other:recv(65536, 0.2) end do s:write(piece) end
      s:shutdown "w"
      s:recv(1, 1)
    end)

    local rec, status, err = nc(server, "--tls", "--cafile", a.cafile, "--name", "server.test")

    assert.same({ 56, "TLS_TRUNCATED", "truncated", "part" },
      { status, err.code, rec["end"], tools.bytes(rec.data_b64) })
  end)

  it("listens, and gives a client that fails the handshake its status", function()
    for _, case in ipairs { { 0, a.capem }, { 35, nil } } do
      local port
      local scope <close> = net.scope { timeout = 10 }
      local listening = net.event()
      local status, out
      local words = { "-l", "--tls", "--cert", a.certfile, "--key", a.keyfile, "-w", "5", "127.0.0.1:0" }
      scope:spawn(function()
        status, out = net.tool.call("nc", words, nil, function(text)
          port = port or tonumber(text:match "listening on 127%.0%.0%.1:(%d+)")
          listening:set()
        end)
      end)
      assert(listening:wait(5))
      local s <close>, err = net.connect("127.0.0.1", port, { tls = { host = "server.test", ca = case[2] } })

      if s then
        assert(s:write "over TLS")
        s:finish(1)
      end
      scope:wait()

      assert.equal(case[1], status, err)
      assert.equal(s and "over TLS" or "", out)
    end
  end)

  it("refuses words that do not go together", function()
    for _, words in ipairs {
      { "-u", "--tls", "x", "1" }, { "--cafile", "x", "x", "1" }, { "--tls", "-l", "0" },
      { "--tls", "-U", "/x" },
      { "--tls", "--cert", "x", "x", "1" }, { "--tls", "--cafile", "/nonexistent", "x", "1" },
      { "--tls", "-l", "--cert", a.certfile, "--key", a.keyfile, "--name", "x", "0" },
    } do
      assert.equal(2, (select(3, tools.run("nc", table.unpack(words)))))
    end
  end)
end)
