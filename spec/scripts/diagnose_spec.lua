local authority = require "authority"
local island = require "island"
local netlua = require "netlua"
local peer = require "peer"
local tools = require "tools"

describe("diagnose", function()
  it("shows steps in columns, the verdict and what to do", function()
    local out, err, status = netlua.shell "LC_ALL=C %s diagnose 127.0.0.1:1"

    assert.equal("", err)
    assert.equal(7, status)
    assert.matches("^ok resolve    127%.0%.0%.1 %-> 127%.0%.0%.1 +[%d.]+ ms\n", out)
    assert.matches("\nFAIL connect  127%.0%.0%.1:1 +connection refused  [%d.]+ ms\n", out)
    assert.matches("\nverdict refused: nothing listens on port 1 of this machine\ntry     start the ser", out)
  end)

  it("has signs where the locale has them", function()
    local out = netlua.shell "LC_ALL=C.UTF-8 %s diagnose 127.0.0.1:1"

    assert.truthy(out:find("\u{2713} resolve", 1, true) and out:find("\u{2717} connect", 1, true))
  end)

  it("ends with 0 where all is well", function()
    local server <close> = peer.each(function(s) s:write "hi\27" s:read "a" end)

    local records, status = tools.records("diagnose", server.address, "-w", "2")

    assert.equal(0, status)
    assert.equal("ok", records[1].verdict)
    assert.is_true(records[1].ok)
    assert.same({}, records[1].advice)
    local last = records[1].steps[#records[1].steps]
    assert.same({ "greeting", "data", "hi\27" }, { last.step, last.greeting, tools.bytes(last.data_b64) })
  end)

  it("gives records with verdict, steps and advice, and the status of the step that failed", function()
    local records, status = tools.records("diagnose", "http://user:secret@127.0.0.1:1/")

    assert.equal(7, status)
    assert.equal(1, #records)
    local rec = records[1]
    assert.is_true(rec.ok)
    assert.same({ "http://127.0.0.1:1/", "127.0.0.1", 1, "refused" },
      { rec.target, rec.host, rec.port, rec.verdict })
    assert.same({ "connect", false, "ECONNREFUSED", "127.0.0.1", 1 }, { rec.steps[3].step, rec.steps[3].ok,
      rec.steps[3].error.code, rec.steps[3].address, rec.steps[3].port })
    assert.truthy(#rec.advice > 0 and rec.ms > 0)
    assert.is_nil(rec.rows)
  end)

  -- Which of 1, 7 and 28 it was depended on the family and on -w.
  it("ends with 7 where it is prohibited or cannot be reached, whatever says so", function()
    if not island.possible() then return pending "no network namespaces here" end
    local out, err, status = island.run([[
      local function sh(command) assert(os.execute(command), command) end
      sh "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up"
      sh "ip addr add 10.9.0.1/24 dev v0 && ip addr add fd09::1/64 dev v0 nodad"
      sh "ip route add prohibit 203.0.113.9 && ip route add prohibit 2001:db8::9"
      for _, words in ipairs { { "203.0.113.9:80" }, { "[2001:db8::9]:80" }, { "203.0.113.1:80" },
        { "10.9.0.77:80", "-w", "0.2" }, { "[fd09::77]:80", "-w", "0.2" } } do
        local status, out = net.tool.call("diagnose", { "--fields", "verdict", table.unpack(words) })
        print(status, out:match "%S+")
      end
    ]])

    assert.same({ "", 0 }, { err, status })
    local expected = ("7\tprohibited\n"):rep(2) .. "7\tnet-unreachable\n" .. ("7\thost-unreachable\n"):rep(2)
    assert.equal(expected, out)
  end)

  it("ends with 6 for a name that is not there, with 1 where others are well", function()
    local server <close> = peer.each(function(s) s:read "a" end)

    assert.equal(6, (select(2, tools.records("diagnose", "10.0.0.256:80"))))
    assert.equal(1, (select(2, tools.records("diagnose", "10.0.0.256:80", server.address))))
  end)

  it("names each of several targets, and takes the port from -p", function()
    local out = tools.run("diagnose", "127.0.0.1", "127.0.0.2", "-p", "1")

    assert.truthy(out:find "127%.0%.0%.1\n" and out:find "\n127%.0%.0%.2\n")
  end)

  it("ends with 2 for what is no target, or has no port", function()
    for _, words in ipairs { {}, { "localhost" }, { "a b" }, { "nosuch://x" }, { "127.0.0.1", "-p", "0" } } do
      local _, err, status = tools.run("diagnose", table.unpack(words))

      assert.equal(2, status)
      assert.matches("^netlua diagnose: .*\ntry: netlua diagnose %-%-help\n$", err)
    end
  end)

  it("looks at TLS on request, for a name and with authorities of one's own", function()
    local a, ca = authority.new "www.server.test", os.tmpname()
    local file <close> = assert(io.open(ca, "wb"))
    file:write(a.capem)
    file:close()
    local server <close> = peer.each(function(s)
      if s:starttls({ server = true, cert = a.chain, key = a.key }, 5) then s:finish(1) end
    end)

    local function words(name) return server.address, "--cafile", ca, "--name", name end
    local good, well = tools.records("diagnose", words "www.server.test")
    local bad, ill = tools.records("diagnose", words "other.test")
    local out = tools.run("diagnose", words "other.test")
    local _, untrusted = tools.records("diagnose", server.address, "--tls")
    os.remove(ca)

    assert.same({ 0, 60, 60 }, { well, ill, untrusted })
    local step = good[1].steps[#good[1].steps]
    assert.same({ "tls", true, "TLSv1.3", true }, { step.step, step.ok, step.protocol, step.verified })
    step = bad[1].steps[#bad[1].steps]
    assert.same({ "tls-cert", false, "TLS_VERIFY", "wrong_host", 0 },
      { bad[1].verdict, step.ok, step.error.code, step.error.reason, step.error.depth })
    assert.same({ "www.server.test" }, step.names)
    assert.matches("\nverdict tls%-cert: certificate is for www%.server%.test and not for other%.test\n", out)
  end)

  it("has the status of a handshake that fails, and shows nothing of the peer raw", function()
    local web <close> = peer.each(function(s)
      s:recv(999)
      s:write "HTTP/1.1 400 Bad\27[2J\r\n"
      s:finish(1)
    end)
    local silent <close> = peer.each(function(s) s:read "a" end)

    local records, status = tools.records("diagnose", web.address, "--tls")
    local out, err = tools.run("diagnose", web.address, "--tls", "-v")

    assert.equal(35, status)
    assert.equal("tls-proto", records[1].verdict)
    assert.matches("^HTTP/1", tools.bytes(records[1].steps[4].data_b64))
    assert.is_nil((out .. err):gsub("\n", ""):find "%c")
    assert.equal(28, (select(2, tools.records("diagnose", silent.address, "--tls", "-w", "0.1"))))
    assert.equal(2, (select(2, tools.records("diagnose", "unix:/x", "--tls"))))
    assert.equal(2, (select(2, tools.records("diagnose", web.address, "--cafile", "/nonexistent"))))
  end)
end)
