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

  it("holds an address of many hosts against the name, not against this machine", function()
    local odd = failure("ENETUNREACH", "224.0.0.1", { group = "multicast" })

    local name, sentence = judge(success "192.0.2.1", odd)

    assert.equal("some-addresses", name)
    assert.matches("224.0.0.1 is a multicast group", sentence, 1, true)
    assert.equal("multicast", (judge(odd, failure("ENETUNREACH", "2001:db8::1"))))
    assert.equal("refused", (judge(odd, failure "ECONNREFUSED")))
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

  it("takes what the host itself says of its network for the word of a firewall", function()
    local cases = {
      { "ENETUNREACH", "ENETUNREACH" }, { "ENETUNREACH", "PROHIBITED" },
      { "EHOSTUNREACH", "EHOSTUNREACH" }, { "EHOSTUNREACH", "PROHIBITED" },
    }
    for _, case in ipairs(cases) do
      local err, cause = newerror("connect", case[1]), newerror("connect", case[2])
      cause.address, err.cause = "198.51.100.1", cause

      local name, sentence = judge(failure(case[1], "198.51.100.1", { error = err }))

      assert.equal("prohibited", name)
      assert.equal("198.51.100.1 prohibits it", sentence)
    end
  end)

  it("knows a rule of this machine by the address that says no", function()
    local words = { ENETUNREACH = "prohibited", EHOSTUNREACH = "prohibited", ENOPROTOOPT = "refused" }
    for code, word in pairs(words) do
      local err, cause = newerror("connect", code), newerror("connect", code)
      cause.address, err.cause = "192.0.2.9", cause

      local name, sentence = judge(failure(code, "198.51.100.1", { error = err, source = "192.0.2.9" }))

      assert.equal(word, name)
      assert.matches("rule of this machine", sentence)
    end
  end)

  it("tells a network that a router prohibits from one that it does not know", function()
    local words = { PROHIBITED = "prohibited", ENETUNREACH = "net-unreachable" }
    for code, word in pairs(words) do
      local err, cause = newerror("connect", "ENETUNREACH"), newerror("connect", code)
      cause.address, err.cause = "192.0.2.254", cause

      assert.equal(word, (judge(failure("ENETUNREACH", "198.51.100.1", { error = err }))))
    end
  end)

  it("takes a refusal of the protocol for that of a firewall", function()
    local err, cause = newerror("connect", "ENOPROTOOPT"), newerror("connect", "ENOPROTOOPT")
    cause.address, err.cause = "198.51.100.1", cause

    local name, sentence = judge(failure("ENOPROTOOPT", "198.51.100.1", { error = err }))

    assert.equal("refused", name)
    assert.matches("^198.51.100.1 rejects it by an ICMP message", sentence)
  end)

  it("has one for every code that a handshake may answer", function()
    for _, entry in ipairs(require("net.core.error").codes()) do
      local failed = { step = "tls", address = "192.0.2.1", port = 443, ok = false,
        error = newerror("handshake", entry.code) }

      local name, sentence, advice, step = judge(success "192.0.2.1", failed)

      assert.equal(entry.code == "TLS_VERIFY" and "tls-cert" or "tls-proto", name)
      assert.truthy(#sentence > 0 and #advice > 1, entry.code)
      assert.equal(failed, step)
    end
  end)

  it("takes large packets that vanish for the reason of a handshake that stalls", function()
    local stalled = { step = "tls", address = "192.0.2.1", port = 443, ok = false,
      error = newerror("handshake", "TIMEOUT") }
    local refused = { step = "tls", address = "192.0.2.1", port = 443, ok = false,
      error = newerror("handshake", "TLS_HANDSHAKE") }
    local hole = { step = "mtu", address = "192.0.2.1", mtu = 1300, ok = false }

    assert.equal("mtu-blackhole", (judge(success "192.0.2.1", stalled, hole)))
    assert.equal("tls-proto", (judge(success "192.0.2.1", refused, hole)))
    assert.equal("tls-proto", (judge(success "192.0.2.1", stalled)))
  end)
end)
