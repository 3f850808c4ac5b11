local netlua = require "netlua"

local function message(f, ...)
  local ok, text = pcall(f, ...)
  assert.is_false(ok)
  return tostring(text)
end

describe("net.select", function()
  it("gives the objects that are ready, each in its list and in order", function()
    local a <close>, b = net.pair()
    local c <close>, d = net.pair()
    b:write "x"

    local r, w, x = net.select({ c, a, d }, { d, b }, { a, c }, 1)

    assert.same({ a }, r)
    assert.same({ d, b }, w)
    assert.same({}, x)
    b:close()
    d:close()
  end)

  it("gives three empty lists when the time is over", function()
    local a <close>, b = net.pair()

    for _, timeout in ipairs { 0, 0.01 } do
      local began = net.now()
      local r, w, x = net.select({ a, b }, nil, { a }, timeout)

      assert.same({ {}, {}, {} }, { r, w, x })
      assert.is_true(net.now() - began >= timeout)
    end
    assert.same({}, (net.select(nil, nil, nil, 0.01)))
    assert.same({}, (net.select({}, {}, {}, 0)))
    b:close()
  end)

  it("waits for the first to become ready while others run", function()
    local a <close>, b = net.pair()
    local c <close>, d = net.pair()
    local writer = net.spawn(function() net.sleep(0.01) d:write "x" end)

    local r = assert(net.select({ a, c }, nil, nil, 5))

    assert.same({ c }, r)
    assert.is_true(writer:join(30))
    b:close()
    d:close()
  end)

  it("finds buffered bytes at once, before and beside what the kernel knows", function()
    local a <close>, b = net.pair()
    local c <close>, d = net.pair()
    b:write "line\nmore"
    assert.equal("line", a:read "l")
    d:write "x"

    assert.same({ a }, (net.select({ a }, nil, nil, 5)))
    assert.same({ a, c }, (net.select({ a, c }, nil, nil, 5)))
    assert.same({}, (net.select(nil, nil, { a }, 0)))
    assert.equal("more", a:recv(10))
    assert.same({}, (net.select({ a }, nil, nil, 0)))
    b:close()
    d:close()
  end)

  it("calls the end of a stream readable", function()
    local a <close>, b = net.pair()

    b:close()

    local r, w = net.select({ a }, { a }, nil, 5)
    assert.same({ a }, r)
    assert.same({ a }, w)
    assert.is_nil((a:recv(1)))
  end)

  -- The bytes had left the kernel before it could tell of them, and the wait went on.
  it("wakes when another task reads and leaves bytes in the buffer", function()
    local a <close>, b = net.pair()
    local waiting = net.spawn(function() return net.select({ a }, nil, nil, 30) end)
    net.sleep(0)

    b:write "line\nmore"
    assert.equal("line", a:read "l")
    local began = net.now()
    local readable = waiting:join()

    assert.same({ a }, readable)
    assert.is_true(net.now() - began < 25)
    b:close()
  end)

  it("goes on waiting when another task reads all there was", function()
    local a <close>, b = net.pair()
    local waiting = net.spawn(function() return net.select({ a }, nil, nil, 5) end)
    net.sleep(0)

    b:write "line\n"
    assert.equal("line", a:read "l")
    net.sleep(0)
    net.sleep(0)
    assert.equal("waiting", waiting:status())
    b:write "x"

    assert.same({ a }, (waiting:join()))
    b:close()
  end)

  it("wakes for bytes that are put back", function()
    local a <close>, b = net.pair()
    local waiting = net.spawn(function() return net.poll({ a }, 5) end)
    net.sleep(0)

    assert(a:unread "x")
    local ready = waiting:join()

    assert.same({ { a, "r" } }, ready)
    b:close()
  end)

  it("takes listeners, datagram sockets and bare descriptors", function()
    local listener <close> = assert(net.listen("127.0.0.1", 0))
    local client <close> = assert(net.connect("127.0.0.1", select(2, listener:getsockname())))
    local s <close> = assert(net.udp { family = "inet" })
    assert(s:bind("127.0.0.1", 0))
    s:sendto("", "127.0.0.1", select(2, s:getsockname()))

    local r, w = net.select({ listener, s, client:fileno() }, { client:fileno() }, nil, 5)

    assert.same({ listener, s }, r)
    assert.same({ client:fileno() }, w)
    assert(listener:accept(1)):close()
  end)

  it("reports urgent data as exceptional", function()
    local listener <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = listener:getsockname()
    local child <close> = io.popen(([[command -v python3 >/dev/null && timeout 5 python3 -c 'import socket
s = socket.create_connection(("127.0.0.1", %d))
s.send(b"!", socket.MSG_OOB)
s.recv(1)' 2>/dev/null]]):format(port))
    assert.is_not_nil(child)
    local server = listener:accept(3)
    if not server then pending "python3 is not installed" return end

    local r, _, x = net.select({ server }, nil, { server }, 3)

    assert.same({ server }, x)
    assert.same({}, r)
    server:close()
  end)

  it("names an entry that is closed or not open", function()
    local a <close>, b = net.pair()
    b:close()

    local r, err = net.select({ a }, { a, b })
    assert.is_nil(r)
    assert.equal("CLOSED", err.code)
    assert.equal(2, err.entry)
    assert.matches("writers%[2%]", err.message)

    r, err = net.select({ 19999 }, nil, nil, 1)
    assert.is_nil(r)
    assert.equal("EBADF", err.code)
    assert.matches("readers%[1%]: descriptor 19999", err.message)
  end)

  it("ends with CLOSED when an object in it is closed meanwhile", function()
    local a <close>, b = net.pair()
    local c <close>, d = net.pair()
    local waiting = net.spawn(function() return select(2, net.select({ a, c }, nil, nil, 5)) end)
    net.sleep(0)

    c:close()

    local err = waiting:join(30)
    assert.equal("CLOSED", err.code)
    assert.equal(2, err.entry)
    b:close()
    d:close()
  end)

  it("raises on what is neither an object nor a descriptor", function()
    local a <close>, b = net.pair()
    for _, entry in ipairs { -1, 1 << 31, 1 << 53, 0 / 0, 1 / 0, 1.5, "80 ", {}, true, io.stdout } do
      assert.matches("bad argument #1 to 'select' %(readers%[2%]", message(net.select, { a, entry }))
      assert.matches("bad argument #2 to 'select' %(writers%[1%]", message(net.select, { a }, { entry }))
    end
    assert.matches("bad argument #3 to 'select'", message(net.select, {}, {}, 1))
    for _, time in ipairs { -1, 0 / 0, 1 / 0, "1", true, 1 << 62 } do
      assert.matches("bad argument #4 to 'select'", message(net.select, { a }, nil, nil, time))
    end
    b:close()
  end)

  it("obeys the deadline of a scope and a cancellation", function()
    local a <close>, b = net.pair()

    local r, err = net.timeout(0.01, net.select, { a })
    assert.is_nil(r)
    assert.equal("TIMEOUT", err.code)

    local task = net.spawn(function() net.select({ a }) end)
    net.sleep(0)
    task:cancel()
    local _, canceled = task:join(30)
    assert.equal("CANCELED", canceled.code)
    b:close()
  end)

  it("lets others run although something is always ready", function()
    local a <close>, b = net.pair()
    b:write "x"
    local stop = false
    local other = net.spawn(function() stop = true end)

    for _ = 1, 100000 do
      if stop then break end
      net.select({ a }, nil, nil, 0)
    end

    assert.is_true(stop)
    assert.is_true(other:join(30))
    b:close()
  end)

  it("waits where Lua cannot yield", function()
    local a <close>, b = net.pair()
    local found

    table.sort({ 1, 2 }, function(x, y)
      found = found or net.select({ a }, nil, nil, 0.01)
      return x < y
    end)

    assert.same({}, found)
    b:close()
  end)

  it("takes the same descriptor several times, with different questions", function()
    local a <close>, b = net.pair()
    local writer = net.spawn(function() net.sleep(0.01) b:write "x" end)

    local r = assert(net.select({ a, a, a:fileno() }, nil, { a }, 5))

    assert.equal(3, #r)
    assert.is_true(writer:join(30))
    b:close()
  end)

  it("takes thousands of descriptors, with numbers far above 1024", function()
    local out, err, status = netlua.run [[
      local list, peers = {}, {}
      for i = 1, 4000 do
        local a, b = net.pair()
        if not a then break end
        list[i], peers[i] = a, b
      end
      local last = list[#list]
      assert(#list > 600 and last:fileno() > 1024, #list)
      assert(#net.select(list, nil, nil, 0) == 0)
      assert(#select(2, net.select(nil, list, nil, 1)) == #list)
      net.spawn(function() net.sleep(0.05) peers[#list]:write "x" end)
      local r = net.select(list, nil, list, 5)
      assert(#r == 1 and r[1] == last)
      assert(last:recv(1, 1) == "x")
      local ready = net.poll(peers, 0)
      assert(#ready == 0)
      print "ok"
    ]]

    assert.equal("", err)
    assert.equal("ok\n", out)
    assert.equal(0, status)
  end)

  it("leaves no descriptor behind when it waited", function()
    local a <close>, b = net.pair()
    local lfs = require "lfs"
    local function open()
      local n = 0
      for _ in lfs.dir "/proc/self/fd" do n = n + 1 end
      return n
    end
    net.sleep(0.001)
    local before = open()

    for _ = 1, 50 do net.select({ a }, nil, nil, 0.0001) end

    assert.equal(before, open())
    b:close()
  end)
end)

describe("net.poll", function()
  it("answers each question with the letters that came true", function()
    local a <close>, b = net.pair()
    local c <close>, d = net.pair()
    d:write "x"

    local ready = assert(net.poll({ { a, "rw" }, { b, "r" }, c, { d, "wx" } }, 1))

    assert.same({ { a, "w" }, { c, "r" }, { d, "w" } }, ready)
    b:close()
    d:close()
  end)

  it("tells a hang-up even where nothing was asked", function()
    local a <close>, b = net.pair()
    assert.same({}, net.poll({ { a, "" } }, 0))
    local closing = net.spawn(function() net.sleep(0.01) b:close() end)

    local ready = assert(net.poll({ { a, "" } }, 5))

    assert.equal(a, ready[1][1])
    assert.equal("", ready[1][2])
    assert.is_true(ready[1].hangup)
    assert.is_true(closing:join(30))
  end)

  it("tells the failure of a connection that was refused", function()
    local listener = assert(net.listen("127.0.0.1", 0))
    local _, port = listener:getsockname()
    listener:close()
    local s <close> = assert(net.socket("inet", "stream"))
    s:connect("127.0.0.1", port, 0)

    local ready = assert(net.poll({ { s, "w" } }, 5))

    assert.equal("w", ready[1][2])
    assert.is_true(ready[1].hangup)
  end)

  it("gives an empty list when the time is over, and TIMEOUT for a scope's deadline", function()
    local a <close>, b = net.pair()

    assert.same({}, net.poll({ a }, 0))
    assert.same({}, net.poll({ a }, 0.01))
    assert.same({}, net.poll({}, 0.01))
    assert.equal("TIMEOUT", select(2, net.timeout(0.01, net.poll, { a })).code)
    b:close()
  end)

  it("names a bad entry", function()
    local a <close>, b = net.pair()
    b:close()

    assert.matches("entry%[2%]: unknown event", message(net.poll, { a, { a, "q" } }))
    assert.matches("entry%[1%]: events", message(net.poll, { { a, 1 } }))
    assert.matches("entry%[1%]: object", message(net.poll, { {} }))
    assert.matches("bad argument #1 to 'poll'", message(net.poll, nil))
    assert.matches("bad argument #2 to 'poll'", message(net.poll, {}, "1"))
    local ready, err = net.poll { a, { b, "w" } }
    assert.is_nil(ready)
    assert.equal("CLOSED", err.code)
    assert.equal(2, err.entry)
  end)
end)
