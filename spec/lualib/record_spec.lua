local record = require "net.record"

describe("JSON", function()
  local cases = {
    { 1, "1" }, { -0x8000000000000000, "-9223372036854775808" }, { 1.0, "1.0" }, { 0.1, "0.1" },
    { -0.0, "-0.0" }, { 1e300, "1e+300" }, { 0 / 0, "null" }, { math.huge, "null" },
    { -math.huge, "null" }, { true, "true" },
    { {}, "[]" }, { { 1, 2 }, "[1,2]" }, { { a = 1 }, '{"a":1}' }, { record.null, "null" },
    { "", '""' }, { 'a"b\\c', '"a\\"b\\\\c"' }, { "\n\r\t\0\27\127", '"\\n\\r\\t\\u0000\\u001b\\u007f"' },
    { "\u{e9}\u{1f600}", '"\u{e9}\u{1f600}"' }, { "\u{9b}\u{202e}", '"\\u009b\\u202e"' },
    { "a\255b", '"a\u{fffd}b"' }, { "\xed\xa0\x80", '"\u{fffd}\u{fffd}\u{fffd}"' },
    { "\xf0\x9f", '"\u{fffd}\u{fffd}"' },
    { { data_b64 = "hi" }, '{"data_b64":"aGk="}' },
    { { ms = 1.23456789 }, '{"ms":1.235}' }, { { ms = record.null }, '{"ms":null}' },
    { { rtt_ms = { 1.23456789, record.null, 2 } }, '{"rtt_ms":[1.235,null,2]}' },
    { { max_ms = 1 / 0, min_ms = 0 / 0 }, '{"max_ms":null,"min_ms":null}' },
    { { rtt_ms = { a = 1.23456789 }, terms = 1.2345678 }, '{"rtt_ms":{"a":1.23456789},"terms":1.2345678}' },
  }

  for index, case in ipairs(cases) do
    it(("of value %d is %s"):format(index, case[2]:gsub("[^\x20-\x7e]", "?")), function()
      assert.equal(case[2], record.json(case[1]))
    end)
  end

  it("keeps every float", function()
    for _, n in ipairs { 0.1 + 0.2, 1 / 3, 2 ^ 53 + 2.0, 5e-324, 1.7976931348623157e308 } do
      assert.equal(n, tonumber(record.json(n)))
    end
  end)

  it("has the fields in the order asked for, the others sorted", function()
    assert.equal('{"z":1,"a":2,"b":3}', record.json({ a = 2, b = 3, z = 1 }, false, { "z", "nosuch" }))
  end)

  it("goes over lines on request", function()
    local expected = '{\n  "a": [\n    1,\n    2\n  ],\n  "b": []\n}'

    assert.equal(expected, record.json({ a = { 1, 2 }, b = {} }, true))
  end)

  it("raises for what it cannot say", function()
    local circle = {}
    circle[1] = circle

    assert.error(function() record.json(print) end)
    assert.error(function() record.json(circle) end)
    assert.error(function() record.json { [2.5] = 1 } end)
    assert.error(function() record.json { 1, 2, a = 3 } end) -- a was left out
    assert.error(function() record.json { 1, [3] = 3 } end)
  end)

  it("is read back by another implementation", function()
    local all = {}
    for i = 0, 255 do all[#all + 1] = string.char(i) end
    local value = { s = table.concat(all, "", 1, 128), n = { 1, 2.5, "x" },
      o = { deep = { true, false } } }

    assert.same(value, require "cjson".decode(record.json(value)))
  end)
end)

describe("base64", function()
  it("is that of RFC 4648", function()
    local cases = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=",
      foobar = "Zm9vYmFy", ["\255\254\0"] = "//4A" }
    for bytes, expected in pairs(cases) do assert.equal(expected, record.base64(bytes)) end
  end)
end)

describe("a timestamp", function()
  it("is UTC with milliseconds", function()
    assert.equal("1970-01-01T00:00:00.000Z", record.timestamp(0))
    assert.equal("2026-01-01T10:00:00.123Z", record.timestamp(1767261600.1239))
  end)
end)

describe("an error as a field", function()
  it("has what is known of it, attempts and cause too", function()
    local err = { kind = "refused", code = "ECONNREFUSED", op = "connect", message = "connection refused",
      errno = 111, partial = "x", ms = 1.23456, cause = { code = "EOF" },
      attempts = { { code = "TIMEOUT", address = "::1", ms = 2 } } }

    assert.same({
      kind = "refused", code = "ECONNREFUSED", op = "connect", message = "connection refused",
      errno = 111, partial_b64 = "x", ms = 1.235,
      attempts = { { code = "TIMEOUT", address = "::1", ms = 2 } },
      cause = { code = "EOF" },
    }, record.error(err))
  end)
end)
