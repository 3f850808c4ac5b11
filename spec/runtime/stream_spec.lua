local connected = require "connected"
local netlua = require "netlua"

local pair, tcp, reset = connected.pair, connected.tcp, connected.reset
local MEGABYTE = 1 << 20

local function tempfile(text)
  local name = os.tmpname()
  local file = assert(io.open(name, "w+b"))
  os.remove(name)
  file:write(text)
  file:flush()
  return file
end

-- Text in which every 509 bytes look different, so that a piece lost, doubled or moved shows.
local function pattern(size)
  local parts = {}
  for i = 1, size // 509 + 1 do parts[i] = ("%08d"):format(i):rep(63) .. "\0\r\n\n\xff" end
  return table.concat(parts):sub(1, size)
end

-- Everything up to the end, in small reads.
local function drain(s, each)
  local parts = {}
  for piece in function() return s:recv(each) end do parts[#parts + 1] = piece end
  return table.concat(parts)
end

-- Fills what the system buffers for `s`; how much that was.
local function fill(s)
  local sent, piece = 0, ("f"):rep(65536)
  while true do
    local n, err = s:send(piece, 0)
    if not n then
      assert(err.code == "TIMEOUT")
      return sent
    end
    sent = sent + n
  end
end

for name, make in pairs { pair = pair, tcp = tcp } do
  describe("write on a " .. name, function()
    it("gives the stream back and sends its strings in order", function()
      local _ <close>, s, other = make()

      assert.equal(s, s:write("a", "", "b\0c"))

      assert.equal("ab\0c", other:read(4))
    end)

    it("takes numbers as Lua prints them", function()
      local _ <close>, s, other = make()

      s:write(1, " ", 2.5, " ", -3, " ", 1e100, "\n")

      assert.equal("1 2.5 -3 1e+100", other:read())
    end)

    it("with nothing to send is a success", function()
      local _ <close>, s, other = make()

      assert.equal(s, s:write())
      assert.equal(s, s:write "")
      assert.equal(s, s:write("", "", ""))

      s:shutdown "w"
      assert.equal("", other:read "a")
    end)

    for _, n in ipairs { 63, 64, 65, 128, 129, 200 } do
      it(("sends %d strings in one call"):format(n), function()
        local _ <close>, s, other = make()
        local words = {}
        for i = 1, n do words[i] = i .. "," end

        s:write(table.unpack(words))
        s:shutdown "w"

        assert.equal(table.concat(words), other:read "a")
      end)
    end

    it("sends nothing when one of its arguments is wrong, however late", function()
      -- The strings were looked at 64 at a time: the first 64 were on the wire when the next one raised.
      local _ <close>, s, other = make()
      local words = {}
      for i = 1, 100 do words[i] = "x" end
      words[101] = {}

      assert.is_false(pcall(s.write, s, table.unpack(words)))
      assert.is_false(pcall(s.write, s, "x", nil))
      assert.is_false(pcall(s.write, s, true))

      s:shutdown "w"
      assert.equal("", other:read "a")
    end)

    it("gets 10 MiB through a reader that takes 1,000 bytes at a time", function()
      local _ <close>, s, other = make()
      local text = pattern(10 * MEGABYTE)
      local writer = net.spawn(function()
        assert(s:write(text))
        return s:shutdown "w"
      end)

      local got = net.timeout(20, drain, other, 1000)

      assert.is_true(writer:join(30))
      assert.is_true(text == got, "other bytes than were sent")
    end)

    it("gets many large strings through in order", function()
      local _ <close>, s, other = make()
      local words = {}
      for i = 1, 100 do words[i] = ("%d,"):format(i):rep(10000) end
      local writer = net.spawn(function()
        assert(s:write(table.unpack(words)))
        return s:shutdown "w"
      end)

      local got = net.timeout(20, drain, other, 65536)

      assert.is_true(writer:join(30))
      assert.is_true(table.concat(words) == got, "other bytes than were sent")
    end)

    it("says at a timeout how many bytes are sent", function()
      local _ <close>, s, other = make()
      local text = pattern(10 * MEGABYTE)
      s:settimeout(0.05)

      local ok, err = s:write(text)

      assert.is_nil(ok)
      assert.equal("TIMEOUT", err.code)
      assert.equal("write", err.op)
      assert.equal("integer", math.type(err.partial))
      s:close()
      local got = other:read "a"
      assert.equal(err.partial, #got)
      assert.is_true(text:sub(1, #got) == got)
    end)

    it("says nothing of partial where nothing was sent", function()
      local _ <close>, s = make()
      fill(s)

      local _, err = net.timeout(0.01, s.write, s, "more")

      assert.equal("TIMEOUT", err.code)
      assert.is_nil(err.partial)
    end)

    it("is BUSY while another task writes", function()
      local _ <close>, s, other = make()
      fill(s)
      local writer = net.spawn(s.write, s, "first")
      net.sleep(0)

      local ok, err = s:write "second"

      assert.is_nil(ok)
      assert.equal("BUSY", err.code)
      net.spawn(drain, other, 65536)
      assert.equal(s, writer:join(30))
      s:shutdown "w"
    end)

    it("is woken with CLOSED when the stream is closed", function()
      local _ <close>, s = make()
      fill(s)
      local writer = net.spawn(s.write, s, "never")
      net.sleep(0)

      s:close()

      local ok, err = writer:join(30)
      assert.is_nil(ok)
      assert.equal("CLOSED", err.code)
    end)

    it("does not keep a reader of the same stream waiting", function()
      local _ <close>, s, other = make()
      fill(s)
      local writer = net.spawn(s.write, s, "later")
      net.sleep(0)

      other:write "hello\n"

      assert.equal("hello", net.timeout(30, s.read, s))
      writer:cancel()
    end)

    it("fails after shutdown with EPIPE and raises no signal", function()
      local _ <close>, s = make()
      s:shutdown "w"

      local ok, err = s:write "x"

      assert.is_nil(ok)
      assert.equal("EPIPE", err.code)
      assert.equal("closed", err.kind)
    end)

    it("fails after a reset, and so do reads", function()
      local _ <close>, s, other = make()
      reset(other, s)
      local codes = {}

      for i = 1, 3 do
        local _, err = s:write "x"
        codes[i] = err and err.code
      end

      for i = 1, 3 do assert.is_true(codes[i] == "ECONNRESET" or codes[i] == "EPIPE", codes[i]) end
      for _ = 1, 2 do
        local got, err = net.timeout(30, s.read, s, "a")
        assert.is_nil(got)
        assert.equal("ECONNRESET", err and err.code)
      end
    end)

    it("leaves what the peer had sent before it closed", function()
      local _ <close>, s, other = make()
      other:write "last words"
      other:close()

      for _ = 1, 100 do
        if not s:write "x" then break end
        net.sleep(0.001)
      end

      assert.equal("last words", net.timeout(30, s.read, s, 10))
    end)
  end)

  describe("send on a " .. name, function()
    it("counts what it sent", function()
      local _ <close>, s, other = make()

      assert.equal(3, s:send "abc")
      assert.equal(2, s:send(42))
      assert.equal(0, s:send "")

      assert.equal("abc42", other:read(5))
    end)

    it("sends a part and says how much", function()
      local _ <close>, s, other = make()
      local text = pattern(20 * MEGABYTE)

      local n = s:send(text, 5)

      assert.is_true(n > 0 and n < #text)
      s:close()
      assert.is_true(text:sub(1, n) == drain(other, 65536))
    end)

    it("waits for room no longer than its timeout", function()
      local _ <close>, s = make()
      fill(s)

      local n, err = s:send("x", 0.01)

      assert.is_nil(n)
      assert.equal("TIMEOUT", err.code)
      assert.equal("send", err.op)
    end)

    it("raises for what is no string", function()
      local _ <close>, s = make()

      for _, wrong in ipairs { {}, true, print } do assert.is_false(pcall(s.send, s, wrong)) end
      assert.is_false(pcall(s.send, s))
      assert.is_false(pcall(s.send, s, "x", -1))
      assert.is_false(pcall(s.send, s, "x", "1"))
    end)
  end)

  describe("sendfile on a " .. name, function()
    local whole = pattern(200000)
    local cases = {
      { "sends all of it", nil, nil, whole },
      { "begins at an offset", 1000, nil, whole:sub(1001) },
      { "sends no more than count", 0, 10, whole:sub(1, 10) },
      { "sends a piece of the middle", 100000, 50000, whole:sub(100001, 150000) },
      { "sends nothing for a count of 0", 0, 0, "" },
      { "stops where the file ends", 199990, 1000, whole:sub(199991) },
      { "sends nothing from the end", 200000, nil, "" },
      { "sends nothing from behind the end", 300000, nil, "" },
    }
    for _, case in ipairs(cases) do
      local claim, offset, count, expected = table.unpack(case, 1, 4)

      it(claim, function()
        local _ <close>, s, other = make()
        local file <close> = tempfile(whole)
        local reader = net.spawn(drain, other, 65536)

        local n = s:sendfile(file, offset, count, 5)

        s:shutdown "w"
        assert.equal(#expected, n)
        assert.is_true(expected == reader:join(30))
      end)
    end

    it("sends what was written to the file and not yet flushed", function()
      local _ <close>, s, other = make()
      local file <close> = tempfile ""
      file:write "in the buffer"

      assert.equal(13, s:sendfile(file))

      assert.equal("in the buffer", other:read(13))
    end)

    it("says of a pipe that it is no file", function()
      local _ <close>, s = make()
      local pipe <close> = assert(io.popen "echo hello")

      local n, err = s:sendfile(pipe)

      assert.is_nil(n)
      assert.equal("ESPIPE", err.code)
      assert.matches("pipe", err:explain(), 1, true)
    end)

    it("leaves the position of the file alone", function()
      local _ <close>, s = make()
      local file <close> = tempfile "0123456789"
      file:seek("set", 4)

      s:sendfile(file, 0, 3)

      assert.equal("456789", file:read "a")
    end)

    it("stops where a file that shrinks ends", function()
      local _ <close>, s, other = make()
      local path = os.tmpname()
      local file <close> = assert(io.open(path, "w+b"))
      file:write(pattern(20 * MEGABYTE))
      file:flush()
      local sender = net.spawn(s.sendfile, s, file)
      net.sleep(0)

      assert(io.open(path, "wb")):close()

      local reader = net.spawn(drain, other, 65536)
      local n = sender:join(30)
      s:shutdown "w"
      assert.equal(n, #reader:join(30))
      assert.is_true(n < 20 * MEGABYTE)
      os.remove(path)
    end)

    it("counts what was sent before a timeout", function()
      local _ <close>, s, other = make()
      local file <close> = tempfile(pattern(20 * MEGABYTE))

      local n, err = s:sendfile(file, 0, nil, 0.05)

      assert.is_nil(n)
      assert.equal("TIMEOUT", err.code)
      s:close()
      assert.equal(err.partial, #drain(other, 65536))
    end)

    it("fails on a file that is not open for reading", function()
      local _ <close>, s = make()
      local path = os.tmpname()
      local file <close> = assert(io.open(path, "wb"))

      local n, err = s:sendfile(file)

      os.remove(path)
      assert.is_nil(n)
      assert.equal("EBADF", err.code)
    end)

    it("fails after shutdown", function()
      local _ <close>, s = make()
      local file <close> = tempfile "x"
      s:shutdown "w"

      local n, err = s:sendfile(file)

      assert.is_nil(n)
      assert.equal("EPIPE", err.code)
    end)

    it("raises for what is no open file", function()
      local _ <close>, s = make()
      local file = tempfile "x"

      assert.is_false(pcall(s.sendfile, s, "name"))
      assert.is_false(pcall(s.sendfile, s, file, -1))
      assert.is_false(pcall(s.sendfile, s, file, 1.5))
      assert.is_false(pcall(s.sendfile, s, file, 0, -1))
      file:close()
      assert.is_false(pcall(s.sendfile, s, file))
    end)
  end)

  describe("shutdown on a " .. name, function()
    it("of the writing half ends the peer's reading and leaves the own", function()
      local _ <close>, s, other = make()
      s:write "request"

      assert.is_true(s:shutdown "w")

      assert.equal("request", other:read "a")
      other:write "answer"
      other:close()
      assert.equal("answer", s:read "a")
    end)

    it("is of the writing half when it is not told", function()
      local _ <close>, s, other = make()

      assert.is_true(s:shutdown())

      assert.is_nil((other:recv(1)))
      other:write "x"
      assert.equal("x", s:recv(1))
    end)

    it("takes the numbers of the system", function()
      local _ <close>, s, other = make()

      assert.is_true(s:shutdown(net.SHUT_WR))

      assert.equal("", other:read "a")
    end)

    it("of the reading half ends it at once and forgets what was received", function()
      local _ <close>, s, other = make()
      other:write "abc"
      s:peek(1)

      assert.is_true(s:shutdown "r")

      assert.equal(0, s:buffered())
      assert.is_nil((s:recv(1)))
      assert.equal("", s:read "a")
      s:write "still writes"
      assert.equal("still writes", other:read(12))
    end)

    it("of the reading half wakes its reader with the end", function()
      local _ <close>, s = make()
      local reader = net.spawn(s.recv, s, 1)
      net.sleep(0)

      s:shutdown "r"

      local got, err = reader:join(30)
      assert.is_nil(got)
      assert.is_nil(err)
    end)

    it("of both ends both", function()
      local _ <close>, s, other = make()

      assert.is_true(s:shutdown "rw")

      assert.is_nil((s:recv(1)))
      assert.is_nil((other:recv(1)))
      local _, err = s:write "x"
      assert.equal("EPIPE", err.code)
    end)

    it("raises for another word", function()
      local _ <close>, s = make()

      for _,
        wrong in ipairs { "x", "", "wr", 3, -1, true } do assert.is_false(pcall(s.shutdown, s, wrong)) end
    end)
  end)

  describe("finish on a " .. name, function()
    it("is clean when the peer ends too, and closes", function()
      local _ <close>, s, other = make()
      local peer = net.spawn(function()
        local got = other:read "a"
        other:close()
        return got
      end)
      s:write "bye"

      assert.equal(0, s:finish(5))

      assert.equal("bye", peer:join(30))
      assert.equal("net.stream (closed)", tostring(s))
    end)

    it("counts what came unread, the buffered too", function()
      local _ <close>, s, other = make()
      other:write "0123456789"
      s:peek(4)
      net.spawn(function()
        other:write(("x"):rep(100000))
        other:close()
      end)

      assert.equal(100010, s:finish(5))
    end)

    it("reports a reset and closes", function()
      local _ <close>, s, other = make()
      reset(other, s)

      local n, err = s:finish(5)

      assert.is_nil(n)
      assert.equal("ECONNRESET", err.code)
      assert.equal("net.stream (closed)", tostring(s))
    end)

    it("reports a peer that never ends and closes", function()
      local _ <close>, s = make()

      local n, err = s:finish(0.01)

      assert.is_nil(n)
      assert.equal("TIMEOUT", err.code)
      assert.equal("net.stream (closed)", tostring(s))
    end)

    it("reports a peer that sends more than max_read and closes", function()
      local _ <close>, s, other = make()
      s:setlimits { max_read = 1000 }
      net.spawn(function()
        other:write(("x"):rep(2000))
        other:close()
      end)

      local n, err = s:finish(5)

      assert.is_nil(n)
      assert.equal("TOOBIG", err.code)
      assert.equal("net.stream (closed)", tostring(s))
    end)

    it("is BUSY while another task reads, and leaves the stream open", function()
      local _ <close>, s, other = make()
      local reader = net.spawn(s.read, s)
      net.sleep(0)

      local n, err = s:finish(5)

      assert.is_nil(n)
      assert.equal("BUSY", err.code)
      other:write "line\n"
      assert.equal("line", reader:join(30))
    end)

    it("works after both directions have ended", function()
      -- The system says ENOTCONN of a connection that is over, which was taken for a failure.
      local _ <close>, s, other = make()
      s:shutdown "w"
      other:close()
      assert.is_nil((s:recv(1)))

      assert.equal(0, s:finish(5))
    end)

    it("works after the end was read", function()
      local _ <close>, s, other = make()
      other:close()
      assert.is_nil((s:recv(1)))

      assert.equal(0, s:finish(5))
    end)
  end)
end

describe("settimeout", function()
  it("is the limit of every call that has none", function()
    local _ <close>, s = pair()

    assert.equal(s, s:settimeout(0.01))

    for _, call in ipairs { { "read" }, { "recv", 1 }, { "peek", 1 }, { "read_until", "x" } } do
      local got, err = s[call[1]](s, table.unpack(call, 2))
      assert.is_nil(got)
      assert.equal("TIMEOUT", err.code)
    end
  end)

  it("lets a shorter timeout of the call win", function()
    local _ <close>, s = pair()
    s:settimeout(50)

    local _, err = s:recv(1, 0.01)

    assert.equal("TIMEOUT", err.code)
  end)

  it("lets a shorter timeout of the object win", function()
    local _ <close>, s = pair()
    s:settimeout(0.01)

    local _, err = s:recv(1, 50)

    assert.equal("TIMEOUT", err.code)
  end)

  it("is taken back by nil", function()
    local _ <close>, s, other = pair()
    s:settimeout(0):settimeout(nil)
    net.spawn(other.write, other, "x")

    assert.equal("x", net.timeout(30, s.recv, s, 1))
  end)

  for _, wrong in ipairs { -1, 0 / 0, math.huge, -math.huge, "1", true, 1e300 } do
    it("raises for " .. tostring(wrong), function()
      local _ <close>, s = pair()

      local ok, message = pcall(function() s:settimeout(wrong) end)

      assert.is_false(ok)
      assert.matches("bad argument #1 to 'settimeout'", message, 1, true)
    end)
  end

  it("raises without an argument", function()
    local _ <close>, s = pair()

    assert.is_false(pcall(s.settimeout, s))
  end)

  it("raises for a setblocking that is no boolean", function()
    local _ <close>, s = pair()

    assert.is_false(pcall(s.setblocking, s))
    assert.is_false(pcall(s.setblocking, s, 1))
    assert.is_false(pcall(s.setblocking, s, nil))
  end)
end)

describe("a stream without a connection", function()
  for _, call in ipairs {
    { "read" }, { "recv", 1 }, { "peek", 1 }, { "read_until", "x" },
    { "shutdown" }, { "finish", 1 }, { "getpeername" },
  } do
    it("answers ENOTCONN to " .. call[1], function()
      local s <close> = assert(net.socket("inet", "stream"))

      local got, err = net.timeout(1, s[call[1]], s, table.unpack(call, 2))

      assert.is_nil(got)
      assert.equal("ENOTCONN", err.code)
    end)
  end

  it("reads well once it is connected", function()
    -- The ENOTCONN of the first read came again instead of the end.
    local server <close> = assert(net.listen("127.0.0.1", 0))
    local s <close> = assert(net.socket("inet", "stream"))
    local _, err = s:recv(1)
    assert.equal("ENOTCONN", err.code)

    assert.equal(s, s:connect(server:getsockname()))

    local client <close> = assert(server:accept(5))
    client:write "hello"
    client:close()
    assert.equal("hello", s:recv(10))
    assert.equal(1, select("#", s:recv(10)))
  end)

  it("cannot be written to", function()
    local s <close> = assert(net.socket("inet", "stream"))

    local _, err = s:write "x"

    assert.equal("EPIPE", err.code)
  end)
end)

describe("a connection that was reset", function()
  it("has nothing left to shut down, and still says that it was reset", function()
    local _ <close>, s, other = connected.tcp()
    connected.reset(other, s)
    assert(net.poll({ { s, "r" } }, 5)) -- it has come

    local done, err = s:shutdown "w"

    assert.is_nil(done)
    assert.equal("ENOTCONN", err.code)
    assert.equal("ECONNRESET", select(2, s:recv(1, 5)).code)
  end)

  it("by a peer that left input unread gives what the peer sent before", function()
    local _ <close>, s, other = connected.tcp()
    assert(s:write "never read")
    assert(other:write "reply")
    assert(other:close())

    assert.equal("reply", s:read(5))
    assert.equal("ECONNRESET", select(2, s:recv(1, 5)).code)
  end)
end)

describe("a broken pipe", function()
  it("does not end the program", function()
    local out, _, status = netlua.run [[
      local a, b = net.pair()
      b:close()
      local ok, err = a:write "x"
      local file = io.tmpfile()
      file:write "abc"
      local n, err2 = a:sendfile(file)
      print(ok, err.code, n, err2.code)
    ]]

    assert.equal("nil\tEPIPE\tnil\tEPIPE\n", out)
    assert.equal(0, status)
  end)
end)
