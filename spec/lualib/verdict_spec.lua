local verdict = require "net.verdict"
local newerror = require("net.core.error").new

local function failure(code, address, more)
  local step = { step = "connect", address = address or "192.0.2.1", port = 80, ok = false,
    error = newerror("connect", code) }
  for name, value in pairs(more or {}) do step[name] = value end
  return step
end

local function success(address)
  return { step = "connect", address = address, port = 80, ok = true }
end

local function judge(...)
  return verdict.of { host = "x.test", port = 80, options = {}, steps = { ... } }
end

describe("a verdict", function()
  it("has a name, a sentence and advice for every code that a connect may answer", function()
    for _, entry in ipairs(require("net.core.error").codes()) do
      local name, sentence, advice, step = judge(failure(entry.code))

      assert.truthy(type(name) == "string" and #name > 0, entry.code)
      assert.truthy(#sentence > 0)
      assert.truthy(#advice > 0)
      assert.equal(entry.code, step.error.code)
    end
  end)

  it("has one for every code that a lookup may answer", function()
    for _, entry in ipairs(require("net.core.error").codes()) do
      local err = newerror("getaddrinfo", entry.code)

      local name, sentence, advice = judge { step = "resolve", host = "x.test", ok = false, error = err }

      assert.truthy(#name > 0 and #sentence > 0 and #advice > 0, entry.code)
    end
  end)

  it("is that of the best informed failure", function()
    local cases = {
      { "refused", "ENETUNREACH", "ECONNREFUSED" }, { "refused", "TIMEOUT", "ECONNREFUSED" },
      { "reset", "EHOSTUNREACH", "ECONNRESET" }, { "host-silent", "ENETUNREACH", "TIMEOUT" },
      { "prohibited", "TIMEOUT", "EACCES" }, { "net-unreachable", "ENETUNREACH", "EMFILE" },
    }
    for _, case in ipairs(cases) do
      assert.equal(case[1], (judge(failure(case[2]), failure(case[3]))))
      assert.equal(case[1], (judge(failure(case[3]), failure(case[2]))))
    end
  end)

  it("tells one family that fails from some addresses that do", function()
    assert.equal("half-dual-stack", (judge(success "192.0.2.1", failure("ECONNREFUSED", "2001:db8::1"))))
    assert.equal("half-dual-stack", (judge(failure("TIMEOUT", "192.0.2.1"), success "2001:db8::1")))
    assert.equal("some-addresses", (judge(success "192.0.2.1", failure("ECONNREFUSED", "192.0.2.2"))))
    assert.equal("some-addresses", (judge(success "192.0.2.1", success "2001:db8::1",
      failure("ECONNREFUSED", "2001:db8::2"))))
  end)

  it("holds no missing family against the service", function()
    local name, _, advice = judge(success "192.0.2.1", failure("ENETUNREACH", "2001:db8::1"))

    assert.equal("ok", name)
    assert.matches("^IPv6 does not work here", advice[1])
  end)

  it("names who says no", function()
    local router = newerror("connect", "EHOSTUNREACH")
    router.address = "192.0.2.254"
    local err = newerror("connect", "EHOSTUNREACH")
    err.cause = router

    local name, sentence = judge(failure("EHOSTUNREACH", "198.51.100.1", { error = err }))

    assert.equal("host-unreachable", name)
    assert.equal("the router 192.0.2.254 cannot reach 198.51.100.1", sentence)
  end)
end)
