local connected = require "connected"
local netlua = require "netlua"

local pair = connected.pair

-- Runs a script in a process of its own, whose memory nothing else has stirred. It answers with the kilobytes
-- that the process has asked the system for.
local function kilobytes(script)
  local out, err = netlua.run([[
    local function memory()
      for line in io.lines "/proc/self/status" do
        local size = line:match "^VmData:%s+(%d+)"
        if size then return tonumber(size) end
      end
    end
    local function makepairs(n)
      local held = {}
      for _ = 1, n do
        local a, b = assert(net.pair())
        held[#held + 1], held[#held + 2] = a, b
      end
      return held
    end
  ]] .. script)
  assert.equal("", err)
  return tonumber(out)
end

-- The sanitizer keeps what was freed for a while, to find who still uses it.
local function sanitized()
  local maps <close> = assert(io.open "/proc/self/maps")
  return maps:read("a"):find "libasan" ~= nil
end

describe("the buffer of a stream", function()
  it("holds the same bytes as a string would, through any order of calls", function()
    local _ <close>, s, other = pair()
    math.randomseed(20240)
    s:settimeout(0)
    local model, sent = "", 0
    local calls = {
      function()
        local piece = ("%06d,"):format(sent):rep(math.random(0, 600))
        sent = sent + 1
        other:write(piece)
        model = model .. piece
      end,
      function()
        local n = math.random(1, 3000)
        local got = s:recv(n)
        if got then
          assert.equal(model:sub(1, #got), got)
          model = model:sub(#got + 1)
        else
          assert.equal("", model)
        end
      end,
      function()
        local got = s:peek(math.random(1, 3000))
        if got then assert.equal(model:sub(1, #got), got) else assert.equal("", model) end
      end,
      function()
        local n = math.random(0, 5000)
        local got, err = s:read(n)
        if got then
          assert.equal(model:sub(1, n), got)
          model = model:sub(n + 1)
        else
          assert.equal("TIMEOUT", err.code)
          assert.is_true(#model < n)
        end
      end,
      function()
        local piece = ("u"):rep(math.random(0, 4000))
        s:unread(piece)
        model = piece .. model
      end,
      function()
        local got, err = s:read_until(",", nil, 0)
        local at = model:find(",", 1, true)
        if got then
          assert.equal(model:sub(1, at - 1), got)
          model = model:sub(at + 1)
        elseif err.code == "TIMEOUT" then
          assert.is_nil(at)
        else
          assert.equal("TOOBIG", err.code)
        end
      end,
    }

    for _ = 1, 3000 do
      calls[math.random(#calls)]()
      assert.is_true(s:buffered() <= #model)
      if #model > 100000 then model = model:sub(#s:recv(100000) + 1) end
    end

    other:shutdown "w"
    s:settimeout(5)
    assert.is_true(model == s:read "a")
  end)

  it("grows to what one read asks for", function()
    local _ <close>, s, other = pair()
    local text = ("0123456789abcdef"):rep(1 << 16)
    net.spawn(other.write, other, text)

    assert.is_true(text == net.timeout(30, s.read, s, #text))
    assert.equal(0, s:buffered())
  end)

  it("counts what it holds", function()
    local _ <close>, s, other = pair()
    assert.equal(0, s:buffered())
    other:write "abcdef"

    s:peek(1)
    assert.equal(6, s:buffered())
    s:recv(2)
    assert.equal(4, s:buffered())
    s:read(4)
    assert.equal(0, s:buffered())
  end)

  it("costs an idle stream no memory", function()
    local cost = kilobytes [[
      local held = makepairs(1000)
      collectgarbage()
      local before = memory()

      for i = 1, #held, 2 do
        held[i + 1]:write "line\npart"
        assert(held[i]:read() == "line")
        local _, err = held[i]:recv(100)
        assert(not err)
        _, err = held[i]:recv(1, 0)
        assert(err.code == "TIMEOUT")
      end

      collectgarbage()
      print(memory() - before)]]

    assert.is_true(cost < 4000, cost .. " KiB for 1,000 streams")
  end)

  it("costs a stream that waits in the middle of a line little", function()
    local cost = kilobytes [[
      local held = makepairs(1000)
      collectgarbage()
      local before = memory()

      local tasks = {}
      for i = 1, #held, 2 do
        held[i + 1]:write "part"
        tasks[#tasks + 1] = net.spawn(held[i].read, held[i])
      end
      while held[#held - 1]:buffered() == 0 do net.sleep(0.001) end

      local cost = memory() - before
      for i = 1, #held, 2 do held[i + 1]:write " rest\n" end
      for _, task in ipairs(tasks) do assert(task:join(30) == "part rest") end
      print(cost)]]

    assert.is_true(cost < 8000, cost .. " KiB for 1,000 streams with a task each")
  end)

  it("gives its memory back when the stream is closed with bytes in it", function()
    if sanitized() then pending "freed memory is kept for a while here" end

    local cost = kilobytes [[
      local before
      for round = 1, 300 do
        local a, b = assert(net.pair())
        b:write(("x"):rep(100000))
        a:peek(1)
        a:close()
        b:close()
        if round == 50 then before = memory() end
      end
      print(memory() - before)]]

    assert.is_true(cost < 4000, cost .. " KiB more after 250 streams")
  end)
end)
