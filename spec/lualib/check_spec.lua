local check = require "net.check"

local function message(f, ...)
  local ok, err = pcall(f, ...)
  assert.is_false(ok)
  return err
end

describe("an argument check", function()
  it("names function, argument, wish and value", function()
    local err = message(function() check.bad("map", 2, "function", "x") end)

    assert.matches([[bad argument #2 to 'map' %(function expected, got "x"%)]], err)
  end)

  -- The message of a function that was given 50 MB of data by mistake had them all.
  it("shows the beginning of a long value", function()
    local most = ("x"):rep(60)

    assert.matches(('got "%s")'):format(most), message(check.bad, "f", 1, "y", most), 1, true)
    assert.matches(('got "%s...")'):format(most), message(check.bad, "f", 1, "y", most .. "x"), 1, true)
  end)

  it("blames the line of the caller", function()
    local line
    local err = message(function()
      line = debug.getinfo(1, "l").currentline + 1
      net.map({}, 1)
    end)

    assert.matches("check_spec.lua:" .. line .. ": bad argument #2 to 'map'", err, 1, true)
  end)

  for _, wrong in ipairs { -1, 1.5, "3", 11, 0 / 0, math.huge, true } do
    it("takes no " .. tostring(wrong) .. " for an integer from 0 to 10", function()
      assert.matches("integer from 0 to 10 expected", message(check.integer, "f", 1, wrong, 0, 10))
    end)
  end

  it("takes the ends of the range", function()
    assert.equal(0, check.integer("f", 1, 0, 0, 10))
    assert.equal(10, check.integer("f", 1, 10, 0, 10))
  end)

  it("gives the default for nil, where there is one", function()
    assert.equal(7, check.integer("f", 1, nil, 0, 10, 7))
    assert.matches("got nil", message(check.integer, "f", 1, nil, 0, 10))
  end)

  it("refuses an unknown option", function()
    local err = message(check.options, "serve", 2, { limt = 1 }, { limit = { 1, 10 } })

    assert.matches('unknown option "limt"', err, 1, true)
  end)

  it("says which option may have been meant", function()
    for call, meant in pairs {
      [function() net.ping("127.0.0.1", { timout = 1 }) end] = "timeout",
      [function() net.hexdump("x", { widht = 3 }) end] = "width",
      [function() net.port.scan("127.0.0.1", 1, { randomise = true }) end] = "randomize",
      [function() net.x509.make { subjekt = "CN=x" } end] = "subject",
      [function() net.tls.context { cerfile = "x" } end] = "cafile",
      [function() net.connect("127.0.0.1", 1, { tls = { verfy = false } }) end] = "verify",
      [function() net.free_port { adress = "127.0.0.1" } end] = "address",
    } do
      assert.error_matches(call, ('unknown option "%%l+" %%(did you mean "%s"%%?%%)'):format(meant))
    end
  end)

  it("refuses an option beyond its bounds", function()
    local err = message(check.options, "serve", 2, { limit = 0 }, { limit = { 1, 10 } })

    assert.matches('option "limit": integer from 1 to 10 expected', err, 1, true)
  end)

  it("takes no options for none", function()
    assert.same({}, check.options("serve", 2, nil, {}))
  end)

  it("passes on what a binding returns", function()
    assert.same({ 1, 2 }, { check.call("f", function(a, b) return a, b end, 1, 2) })
  end)

  it("passes on an error object untouched", function()
    local object = setmetatable({}, { __tostring = function() return "object" end })

    assert.equal(object, message(check.call, "f", function() error(object) end))
  end)

  it("names the public function in what a binding raises", function()
    local err = message(check.call, "listen", require "net.core.socket".open, "127.0.0.1", 70000, nil)

    assert.matches("bad argument #2 to 'listen' (port from 0 to 65535 expected, got 70000)", err, 1, true)
  end)
end)

describe("a check of fields", function()
  local known = {
    count = { "count" },
    limit = { "integer", 1, 10 },
    seconds = { "number", 0, 5 },
    mode = { "word", "tcp", "udp" },
    name = { "text" },
  }

  local function refusal(options)
    return message(check.fields, "f", 2, options, known)
  end

  it("takes what is of its kind, and none for none", function()
    local good = { count = math.huge, limit = 10, seconds = 0.5, mode = "udp", name = "" }

    assert.equal(good, check.fields("f", 2, good, known))
    assert.same({}, check.fields("f", 2, nil, known))
  end)

  it("names the field, what is wanted and what was given", function()
    assert.matches('bad argument #2 to \'f\' (option "limit": integer from 1 to 10 expected, got 11)',
      refusal { limit = 11 }, 1, true)
    assert.matches('option "mode": "tcp" or "udp" expected, got "icmp"', refusal { mode = "icmp" }, 1, true)
    assert.matches('unknown option "mod"', refusal { mod = 1 }, 1, true)
    assert.matches("table expected, got 1", refusal(1), 1, true)
  end)

  for field, values in pairs {
    count = { 0, -1, 1.5, "1", -math.huge, 0 / 0 },
    limit = { 0, 1.0, "5", 0 / 0, true },
    seconds = { -1, 6, "1", 0 / 0, math.huge },
    mode = { 1, "", true },
    name = { 1, "a\0b", true },
  } do
    it("refuses what is no " .. field, function()
      for _, value in ipairs(values) do
        assert.matches(('option "%s"'):format(field), refusal { [field] = value }, 1, true)
      end
    end)
  end
end)

describe("an option that is a secret", function()
  for _, value in ipairs { "hunter2\0", "", 7777, setmetatable({},
    { __tostring = function() return "hunter2" end }) } do
    it("is not shown: " .. type(value), function()
      local ok, err = pcall(check.fields, "f", 1, { password = value }, { password = { "secret" } })

      assert.is_false(ok)
      assert.matches('option "password": string expected, got', err, 1, true)
      assert.is_nil(err:find "hunter2" or err:find "7777")
    end)
  end
end)
