local netlua = require "netlua"

local function elapsed(f, ...)
  local began = net.now()
  local results = table.pack(f(...))
  return net.now() - began, table.unpack(results, 1, results.n)
end

describe("net.timeout", function()
  it("gives TIMEOUT from the wait that was cut", function()
    local seconds, ok, err = elapsed(net.timeout, 0.02, net.sleep, 60)

    assert.is_nil(ok)
    assert.equal("TIMEOUT", err.code)
    assert.is_true(seconds >= 0.02 and seconds < 9)
  end)

  it("can be nested, the nearest wins", function()
    local seconds, _, err = elapsed(net.timeout, 60, net.timeout, 0.01, net.timeout, 60, net.sleep, 60)

    assert.equal("TIMEOUT", err.code)
    assert.is_true(seconds < 9)
  end)

  it("passes on arguments and results, nils too", function()
    assert.same({ nil, 2, nil, n = 3 }, table.pack(net.timeout(1, function(...) return ... end, nil, 2, nil)))
  end)

  it("of nothing still gives what needs no wait", function()
    assert.equal(1, net.timeout(0, function() return 1 end))
  end)

  for name, args in pairs {
    ["negative time"] = { -1, print }, ["no time"] = { nil, nil }, ["text"] = { "x", print },
    ["no function"] = { 1 }, ["not a number"] = { 0 / 0, print },
  } do
    it("refuses " .. name .. " at the line of the caller", function()
      local ok, err = pcall(function() net.timeout(args[1], args[2]) end)

      assert.is_false(ok)
      assert.matches("task_spec.lua:%d+: bad argument .* to 'timeout'", err)
    end)
  end
end)

describe("net.map", function()
  it("gives the results in the order of the list", function()
    local results = net.map({ 5, 1, 3 }, function(ms, index)
      net.sleep(ms / 1000)
      return ms .. ":" .. index
    end)

    assert.same({ "5:1", "1:2", "3:3", n = 3 }, results)
  end)

  it("of nothing is nothing", function()
    local results, errors = net.map({}, error)

    assert.same({ n = 0 }, results)
    assert.same({}, errors)
  end)

  it("runs them at the same time", function()
    local seconds = elapsed(net.map, { 1, 2, 3, 4, 5, 6, 7, 8 }, function() net.sleep(1) end)

    assert.is_true(seconds < 7)
  end)

  for limit = 1, 3 do
    it("runs no more at a time than the limit of " .. limit, function()
      local now, most = 0, 0
      local function f()
        now = now + 1
        most = math.max(most, now)
        net.sleep(0.001)
        now = now - 1
        return true
      end

      local results = net.map({ 1, 2, 3, 4, 5, 6, 7 }, f, { limit = limit })

      assert.equal(limit, most)
      assert.equal(7, #results)
    end)
  end

  it("keeps errors apart, by index", function()
    local results, errors = net.map({ 1, 2, 3 }, function(n)
      if n == 2 then return nil, "no " .. n end
      return n
    end)

    assert.same({ 1, nil, 3, n = 3 }, results)
    assert.same({ [2] = "no 2" }, errors)
  end)

  it("raises what a call raises, after the others were canceled", function()
    local log = {}

    local ok, err = pcall(net.map, { 1, 2, 3 }, function(n)
      if n == 2 then error { "boom" } end
      log[#log + 1] = select(2, pcall(net.sleep, 60)).code
    end)

    assert.is_false(ok)
    assert.same({ "boom" }, err)
    assert.same({ "CANCELED", "CANCELED" }, log)
  end)

  it("does not begin the rest once a call raised", function()
    local began = 0

    pcall(net.map, { 1, 2, 3, 4 }, function()
      began = began + 1
      error "boom"
    end, { limit = 1 })

    assert.equal(1, began)
  end)

  -- The end of the time was raised, although it is the world's doing.
  it("gives TIMEOUT when the deadline passes", function()
    local seconds, results, err = elapsed(net.timeout, 0.02, net.map, { 1, 2 }, function()
      while true do net.sleep(60) net.sleep(0) end
    end)

    assert.is_nil(results)
    assert.equal("TIMEOUT", err.code)
    assert.equal("map", err.op)
    assert.is_true(seconds < 9)
  end)

  it("raises a timeout that a call raised", function()
    local ok, err = pcall(net.map, { 1 }, function() error(select(2, net.channel():receive(0))) end)

    assert.is_false(ok)
    assert.equal("TIMEOUT", err.code)
    assert.equal("receive", err.op)
  end)

  -- The end of the time was raised in its place.
  it("raises what a call raised when the deadline passed before the others had ended", function()
    local began, ok, err
    for _ = 1, 100 do -- until a call begins before the deadline
      ok, err = pcall(net.timeout, 0.05, net.map, { 1, 2 }, function(n)
        began = true
        if n == 2 then return net.sleep(60) end
        net.sleep(0)
        local late = net.now() + 0.1
        repeat until net.now() > late
        error("no luck", 0)
      end)
      if began then break end
    end

    assert.is_false(ok)
    assert.equal("no luck", err)
  end)

  it("ends its calls when it is canceled", function()
    local codes = {}
    local task = net.spawn(net.map, { 1, 2 }, function(i)
      codes[i] = select(2, pcall(net.sleep, 60)).code
    end)
    net.sleep(0)
    net.sleep(0)

    task:cancel()
    local _, err = task:join(30)

    assert.equal("CANCELED", err.code)
    assert.same({ "CANCELED", "CANCELED" }, codes)
  end)

  for name, call in pairs {
    ["no list"] = function() net.map(nil, print) end,
    ["no function"] = function() net.map({}, {}) end,
    ["an unknown option"] = function() net.map({}, print, { limits = 1 }) end,
    ["a limit of nothing"] = function() net.map({}, print, { limit = 0 }) end,
    ["half a limit"] = function() net.map({}, print, { limit = 1.5 }) end,
    ["options that are no table"] = function() net.map({}, print, 3) end,
  } do
    it("refuses " .. name .. " at the line of the caller", function()
      local ok, err = pcall(call)

      assert.is_false(ok)
      assert.matches("task_spec.lua:%d+: bad argument .* to 'map'", err)
    end)
  end
end)

describe("net.every", function()
  it("calls after each period until it gets false", function()
    local times, began = {}, net.now()
    local task = net.every(0.01, function(a, b)
      assert(a == 1 and b == 2)
      times[#times + 1] = net.now() - began
      return #times < 3
    end, 1, 2)

    task:join(30)

    assert.equal(3, #times)
    for i, time in ipairs(times) do assert.is_true(time >= i * 0.01 - 1e-6, i .. ": " .. time) end
  end)

  it("goes on when it gets nil", function()
    local n = 0
    local task = net.every(0.001, function()
      n = n + 1
      if n == 3 then return false end
    end)

    task:join(30)

    assert.equal(3, n)
  end)

  it("skips the calls that a long one missed and keeps its beat", function()
    local times, began = {}, net.now()
    local task = net.every(0.1, function()
      times[#times + 1] = net.now() - began
      if #times == 1 then net.sleep(0.25) end
      return #times < 3
    end)

    task:join(30)

    -- Beats at 100, 200, 300, 400, 500 ms; the first call lasts until 350 or a little later.
    for i, time in ipairs(times) do
      local beat = time / 0.1
      assert.is_true(beat - beat // 1 < 0.9, ("call %d at %g"):format(i, time))
    end
    assert.is_true(times[2] >= 0.4 - 1e-6)
    assert.is_true(times[3] >= times[2] + 0.01)
  end)

  it("ends when it is canceled", function()
    local n = 0
    local task = net.every(0.001, function() n = n + 1 end)
    net.sleep(0.01)

    task:cancel()
    local _, err = task:join(30)
    local after = n
    net.sleep(0.005)

    assert.equal("CANCELED", err.code)
    assert.is_true(after > 0)
    assert.equal(after, n)
  end)

  it("gives the failure of a call to join", function()
    local _, err = net.every(0.001, error, "boom", 0):join(30)

    assert.equal("boom", err)
  end)

  -- What stands behind the zero byte was lost: the rest of the text, the traceback and the place.
  it("reports a failure whose text has a zero byte whole", function()
    local _, err = netlua.run 'net.spawn(function() error "a\\0b" end)'

    assert.matches("a\\x00b\nstack traceback:\n.*in a task spawned at [^\n]*:1\n$", err)
  end)

  -- The place named was the library's own line.
  it("ends the program when a call fails and nobody joins, naming the caller's line", function()
    local _, err, status = netlua.run [[
      net.every(0.001, error, "boom", 0)
      net.sleep(5)
    ]]

    assert.matches("^[^\n]*netlua: boom\n.*in a task spawned at [^\n]*:1\n$", err)
    assert.equal(1, status)
  end)

  for name, args in pairs {
    ["no time at all"] = { 0, print }, ["negative time"] = { -1, print }, ["not a number"] = { 0 / 0, print },
    ["an infinite time"] = { math.huge, print }, ["text"] = { "1", print }, ["no function"] = { 1, 1 },
  } do
    it("refuses " .. name .. " at the line of the caller", function()
      local ok, err = pcall(function() net.every(args[1], args[2]) end)

      assert.is_false(ok)
      assert.matches("task_spec.lua:%d+: bad argument .* to 'every'", err)
    end)
  end
end)

describe("sleep(0)", function()
  it("is a wait like any other under a deadline", function()
    local ok, err = net.timeout(0.02, function()
      while true do
        local slept, late = net.sleep(0)
        if not slept then return slept, late end
      end
    end)

    assert.is_nil(ok)
    assert.equal("TIMEOUT", err.code)
  end)
end)

describe("a worker of map that was canceled and failed with text", function()
  it("has its text raised", function()
    assert.error_matches(function()
      net.map({ 1 }, function()
        net.current():cancel()
        error "own words"
      end)
    end, "own words")
  end)
end)
