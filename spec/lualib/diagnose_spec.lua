local authority = require "authority"
local chain = require "chain"
local island = require "island"
local peer = require "peer"

-- The steps of a report of that name.
local function steps(report, name)
  local found = {}
  for _, step in ipairs(report.steps) do
    if step.step == name then found[#found + 1] = step end
  end
  return found
end

describe("net.diagnose", function()
  it("is TIMEOUT where an enclosing deadline ends before, wherever it does", function()
    local late = 0
    for index = 1, 60 do
      local report, err = net.timeout(index * 0.00005, net.diagnose, "127.0.0.1:1")
      late = late + (report and 0 or 1)
      assert.is_true(report ~= nil or err.code == "TIMEOUT")
    end

    assert.is_true(late > 0)
  end)

  it("says that all is well, with what it saw", function()
    local server <close> = peer.each(function(s) s:read "a" end)

    local report = assert(net.diagnose(server.address, { timeout = 2 }))

    assert.equal("ok", report.verdict)
    assert.is_true(report.ok)
    assert.is_nil(report.error)
    assert.same({}, report.advice)
    assert.equal(server.port, report.port)
    local names = {}
    for i, step in ipairs(report.steps) do
      names[i] = step.step
      assert.is_true(step.ok and step.ms >= 0)
    end
    assert.same({ "resolve", "route", "connect", "greeting" }, names)
    assert.equal("lo", steps(report, "route")[1].device)
    assert.equal("silent", steps(report, "greeting")[1].greeting)
  end)

  it("hears what a service says first", function()
    local server <close> = peer.each(function(s) s:write "220 hello\r\n" s:read "a" end)

    local report = assert(net.diagnose(server.address, { timeout = 2 }))

    assert.equal("220 hello\r\n", steps(report, "greeting")[1].data)
  end)

  it("tells a service that hangs up at once, by a reset or an end", function()
    local ends = {
      resets = function(s) s:setsockopt("SO_LINGER", { on = true, seconds = 0 }) s:close() end,
      closes = function(s) s:close() end,
    }
    for how, f in pairs(ends) do
      local server <close> = peer.each(f)

      local report = assert(net.diagnose(server.address, { timeout = 2 }))

      assert.equal("reset", report.verdict)
      assert.equal(("the service accepts and %s the connection at once"):format(how), report.explanation)
      assert.equal(how == "resets" and "ECONNRESET" or nil, report.error and report.error.code)
    end
  end)

  it("says that nothing listens here, and what does where the address is another", function()
    local server <close> = peer.each(function(s) s:read "a" end)

    local nothing = assert(net.diagnose "127.0.0.1:1")
    local elsewhere = assert(net.diagnose("127.0.0.2:" .. server.port))

    assert.equal("refused", nothing.verdict)
    assert.equal("nothing listens on port 1 of this machine", nothing.explanation)
    assert.equal("ECONNREFUSED", nothing.error.code)
    assert.same({}, steps(nothing, "listeners")[1].listeners)
    assert.equal("refused", elsewhere.verdict)
    assert.matches("is listened on at 127%.0%.0%.1 .*only, not at 127%.0%.0%.2$", elsewhere.explanation)
    assert.equal("127.0.0.1", steps(elsewhere, "listeners")[1].listeners[1].local_address)
  end)

  it("says the same of a target as URL or with the option port, and keeps a secret", function()
    local url = assert(net.diagnose("http://user:secret@127.0.0.1:1/x"))
    local option = assert(net.diagnose("127.0.0.1", { port = 1 }))

    assert.equal("refused", url.verdict)
    assert.equal("refused", option.verdict)
    assert.equal("http://127.0.0.1:1/x", url.target)
    assert.is_nil(tostring(url):find "secret")
  end)

  it("tells of unix sockets", function()
    local path = os.tmpname()
    os.remove(path)
    local missing = assert(net.diagnose("unix:" .. path))
    local server <close> = assert(net.listen("unix:" .. path))

    local there = assert(net.diagnose("unix:" .. path))

    assert.equal("ENOENT", missing.error.code)
    assert.is_false(missing.ok)
    assert.equal("ok", there.verdict)
    assert.equal("unix:" .. path, server:getsockname())
  end)

  it("tells a unix socket that nobody listens at from one that nobody accepts at", function()
    local path = os.tmpname()
    local stale <close> = assert(net.listen("unix:" .. path .. ".a", nil, { backlog = 1 }))
    local full <close> = assert(net.listen("unix:" .. path .. ".b", nil, { backlog = 1 }))
    local waiting = {}
    repeat
      local s = net.connect("unix:" .. path .. ".b", nil, { timeout = 0.05 })
      waiting[#waiting + 1] = s
    until not s
    assert(os.rename(path .. ".a", path .. ".c"))
    stale:close()

    local refused = assert(net.diagnose("unix:" .. path .. ".c", { timeout = 1 }))
    local plain = assert(net.diagnose("unix:" .. path, { timeout = 1 }))
    local silent = assert(net.diagnose("unix:" .. path .. ".b", { timeout = 0.05 }))

    for _, s in ipairs(waiting) do s:close() end
    os.remove(path)
    os.remove(path .. ".c")
    assert.equal("refused", refused.verdict)
    assert.equal(("nobody listens at unix:%s.c"):format(path), refused.explanation)
    assert.equal("refused", plain.verdict)
    assert.equal("timeout", silent.verdict)
    assert.equal("TIMEOUT", silent.error.code)
    assert.equal("unix:" .. path .. ".b", full:getsockname())
  end)

  it("tells a listener of this machine that accepts nobody from a firewall", function()
    local full <close> = assert(net.listen("127.0.0.1", 0, { backlog = 1 }))
    local _, port = full:getsockname()
    local waiting = {}
    repeat
      local s = net.connect("127.0.0.1", port, { timeout = 0.1 })
      waiting[#waiting + 1] = s
    until not s

    local report = assert(net.diagnose("127.0.0.1:" .. port, { timeout = 0.1 }))

    for _, s in ipairs(waiting) do s:close() end
    assert.equal("timeout", report.verdict)
    assert.matches("^what listens on port %d+ .*does not accept: %d in its queue$", report.explanation)
  end)

  it("reads as text, in which nothing steers a terminal", function()
    local server <close> = peer.each(function(s) s:write "\27[2J" s:read "a" end)

    local text = tostring(assert(net.diagnose(server.address)))

    assert.matches("^ok  resolve  127%.0%.0%.1 %->", text)
    assert.matches("\nverdict ok: connected to 127%.0%.0%.1:%d+$", text)
    assert.is_nil(text:find "[^\n\x20-\x7e]")
    text = tostring(assert(net.diagnose "127.0.0.1:1"))
    assert.matches("FAIL  connect  127%.0%.0%.1:1  connection refused  [%d.]+ ms\n", text)
    assert.matches("\nverdict refused: [^\n]*\ntry     start", text)
  end)

  it("refuses what is no target", function()
    for _, target in ipairs { "", "127.0.0.1", "::1", "a b:80", "http://", "nosuch://host", "127.0.0.1:0" } do
      local report, err = net.diagnose(target)

      assert.is_nil(report)
      assert.equal("EINVAL", err.code)
      assert.equal("diagnose", err.op)
    end
    assert.error_matches(function() net.diagnose("127.0.0.1:1", { nosuch = 1 }) end, "nosuch")
  end)

  it("takes the index of an interface for its name", function()
    local report = assert(net.diagnose("127.0.0.1:1", { interface = net.interfaces().lo.index }))

    assert.equal("refused", report.verdict)
    assert.equal("lo", report.steps[2].device)
    assert.equal("ENODEV", net.diagnose("127.0.0.1:1", { interface = 0x7fffffff }).error.code)
  end)

  it("ends at an enclosing deadline, and leaves nothing behind", function()
    local listener <close> = assert(net.listen("127.0.0.1", 0))
    local _, port = listener:getsockname()
    local began = net.now()

    local report, err = net.timeout(0.005, net.diagnose, "127.0.0.1:" .. port)

    assert.truthy(report or err.code == "TIMEOUT")
    assert.truthy(net.now() - began < 20)
  end)

  it("can be canceled", function()
    local task = net.spawn(net.diagnose, "127.0.0.1:1")

    task:cancel()
    local _, err = task:join(30)

    assert.equal("CANCELED", err.code)
  end)

  it("runs a stage that is put in", function()
    local stages = require("net.diagnose").stages
    local began = net.now()
    table.insert(stages, { name = "custom", applies = function(d) return d.port == 1 end,
      run = function(d) d:add("custom", began, { ok = false, address = "here" }) end })

    local report = assert(net.diagnose "127.0.0.1:1")
    table.remove(stages)

    assert.is_false(steps(report, "custom")[1].ok)
    assert.matches("FAIL  custom  here", tostring(report))
  end)
end)

-- ---- TLS

-- A server that does the handshake with every client and takes its end.
local function serve(options)
  return peer.each(function(s)
    options.server = true
    if s:starttls(options, 5) then s:finish(1) end
  end)
end

local function look(server, tls, timeout)
  return assert(net.diagnose(server.address, { timeout = timeout or 5, tls = tls }))
end

describe("net.diagnose of TLS", function()
  local HOST = "www.server.test"

  it("says what was agreed on, and for whom the certificate is good", function()
    local a = authority.new(HOST)
    local server <close> = serve { cert = a.chain, key = a.key, alpn = { "h2" } }

    local report = look(server, { host = HOST, ca = a.capem, alpn = { "h2" } })

    assert.same({ "ok", true }, { report.verdict, report.ok })
    local text = "connected to %s with TLSv1.3, and the certificate is good for %s"
    assert.equal(text:format(server.address, HOST), report.explanation)
    assert.same({}, report.advice)
    local step = report.steps[#report.steps]
    assert.same({ "tls", true, HOST, "127.0.0.1", server.port },
      { step.step, step.ok, step.name, step.address, step.port })
    assert.same({ "TLSv1.3", "TLS_AES_256_GCM_SHA384", "h2", true },
      { step.protocol, step.cipher, step.alpn, step.verified })
    assert.truthy(step.days_left > 88 and step.not_after == a.leaf.not_after_text and step.ms > 0)
    assert.equal(0, #steps(report, "greeting"))
    assert.matches("\nok  tls  127%.0%.0%.1:%d+  TLSv1%.3 TLS_%S+ verified  [%d.]+ ms\n", tostring(report))
  end)

  it("judges a certificate in every state as a connection does", function()
    local seen = 0
    for _, case in ipairs(authority.matrix(HOST)) do
      local server <close> = serve { cert = case.chain, key = case.key, security_level = 0 }

      local report = look(server, { host = case.host, ca = case.ca, crl = case.crl })

      if not case.reason then
        assert.equal("ok", report.verdict, case.name)
      else
        seen = seen + 1
        assert.same({ "tls-cert", case.reason, "TLS_VERIFY" },
          { report.verdict, report.error.reason, report.error.code }, case.name)
        assert.equal(report.error.message, report.explanation)
        assert.truthy(#report.advice[1] > 0)
        assert.matches("^look closer: netlua tls 127%.0%.0%.1:%d+", report.advice[2])
        assert.is_false(report.ok)
        assert.same(report.error.names, steps(report, "tls")[1].names)
      end
    end
    assert.truthy(seen > 20)
  end)

  it("tells what the peer speaks instead, and how to begin there", function()
    local cases = {
      { "HTTP/1.1 400 Bad Request\r\n\r\n", "plain HTTP", "%-%-protocols$" },
      { "220 mx.test ESMTP\r\n", "SMTP or FTP", "%-%-starttls smtp$" },
      { "220 (vsFTPd 3.0.5)\r\n", "SMTP or FTP", "%-%-starttls ftp$" },
      { "* OK IMAP ready\r\n", "IMAP", "%-%-starttls imap$" },
      { "+OK ready\r\n", "POP3", "%-%-starttls pop3$" },
      { "SSH-2.0-OpenSSH_9.9\r\n", "SSH", "%-%-protocols$" },
    }
    for _, case in ipairs(cases) do
      local server <close> = peer.each(function(s) s:write(case[1]) s:recv(1000) s:finish(1) end)

      local report = look(server, true)

      assert.same({ "tls-proto", "TLS_HANDSHAKE" }, { report.verdict, report.error.code })
      assert.equal(("the peer speaks %s here, not TLS"):format(case[2]), report.explanation)
      assert.matches(case[3], report.advice[2])
    end
  end)

  it("tells a peer that stalls, ends, refuses or babbles in the handshake", function()
    local function reset(s) s:setsockopt("SO_LINGER", { on = true, seconds = 0 }) end
    local function alert(s) s:recv(999) s:write "\21\3\3\0\2\2\40" s:finish(1) end
    local cases = {
      { "is silent in the TLS handshake$", "TIMEOUT", function(s) s:read "a" end },
      { "ends the connection in the TLS handshake$", "ECONNRESET", function(s) s:recv(9) reset(s) end },
      { "handshake_failure", "TLS_HANDSHAKE", alert },
      { "", "TLS_HANDSHAKE", function(s) s:recv(999) s:write(("\27]0;x\7"):rep(99)) s:finish(1) end },
      { "is silent in the TLS handshake$", "TIMEOUT", function(s) s:write "\22\3\3\64\0" s:read "a" end },
    }
    for _, case in ipairs(cases) do
      local server <close> = peer.each(case[3])

      local report = look(server, true, 0.2)

      assert.equal("tls-proto", report.verdict)
      assert.matches(case[1], report.explanation)
      assert.equal(case[2], report.error.code)
      assert.truthy(#report.advice > 1)
      assert.is_nil(tostring(report):gsub("\n", ""):find "%c")
    end
  end)

  it("tells an end of the connection in the handshake", function()
    local server <close> = peer.each(function(s) s:recv(999) s:finish(1) end)

    local report = look(server, true)

    assert.equal("tls-proto", report.verdict)
    assert.truthy(#report.explanation > 0 and #report.advice > 1)
  end)

  it("says that a certificate was not checked, or ends soon", function()
    local a = authority.new(HOST)
    local short, key = net.x509.make { names = { HOST }, days = 5 }
    local one <close> = serve { cert = a.chain, key = a.key }
    local other <close> = serve { cert = short:pem(), key = key }

    local unchecked = look(one, { host = HOST, verify = false })
    local soon = look(other, { host = HOST, ca = short:pem() })

    assert.matches("but the certificate was not checked$", unchecked.explanation)
    assert.same({ "ok", "ok" }, { unchecked.verdict, soon.verdict })
    assert.matches("^the certificate ends in [45] days: have it renewed$", soon.advice[1])
  end)

  it("looks at TLS for URLs that say so and for port 443, and on request only elsewhere", function()
    local server <close> = peer.each(function(s) s:read "a" end)

    for scheme, expected in pairs { https = 1, HTTPS = 1, ldaps = 1, http = 0 } do
      local report = assert(net.diagnose(scheme .. "://" .. server.address, { timeout = 0.1 }))

      assert.equal(expected, #steps(report, "tls"), scheme)
      assert.equal(1 - expected, #steps(report, "greeting"))
    end
    local off = assert(net.diagnose("https://" .. server.address, { timeout = 0.1, tls = false }))
    assert.equal("ok", off.verdict)
    assert.equal("refused", net.diagnose("https://127.0.0.1:1").verdict)
  end)

  it("does not resume a session, which would hide the certificate", function()
    local a = authority.new(HOST)
    local server <close> = serve { cert = a.chain, key = a.key }
    local context = assert(net.tls.context { ca = a.capem })

    for _ = 1, 3 do
      local report = look(server, { context = context, host = HOST })

      assert.equal(a.leaf.not_after_text, steps(report, "tls")[1].not_after)
      assert.is_true(steps(report, "tls")[1].verified)
    end
  end)

  it("refuses options of TLS that are wrong, and says what cannot be used", function()
    assert.error_matches(function() net.diagnose("127.0.0.1:1", { tls = 5 }) end,
      "bad argument #2 to 'diagnose' .*tls")
    assert.error_matches(function() net.diagnose("127.0.0.1:1", { tls = { nosuch = 1 } }) end,
      "bad argument #2 to 'diagnose' .*unknown option \"nosuch\"")
    assert.error_matches(function() net.diagnose("unix:/x", { tls = true }) end,
      "bad argument #2 to 'diagnose' .*host")

    local report, err = net.diagnose("127.0.0.1:1", { tls = { cafile = "/nonexistent" } })

    assert.is_nil(report)
    assert.equal("TLS_CONFIG", err.code)
  end)

  it("reaches a unix socket", function()
    local a, path = authority.new(HOST), os.tmpname()
    os.remove(path)
    local listener <close> = assert(net.listen("unix:" .. path, { tls = { cert = a.chain, key = a.key } }))
    local scope <close> = net.scope()
    scope:spawn(function()
      local s <close> = assert(listener:accept(5))
      if s:handshake(5) then s:finish(1) end
    end)

    local report = assert(net.diagnose("unix:" .. path, { tls = { host = HOST, ca = a.capem } }))

    assert.equal("ok", report.verdict)
    assert.equal("unix:" .. path, steps(report, "tls")[1].address)
  end)
end)

-- ---- on an island, where files of /etc and routes are what the test says

local NAMES = { ["/etc/nsswitch.conf"] = "hosts: files dns\n", ["/etc/resolv.conf"] =
  "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
  ["/etc/hosts"] = "127.0.0.1 both.test\n::1 both.test\n127.0.0.1 v4.test\n192.0.2.9 v4.test\n" }

local PRELUDE = [[
local function diagnose(target, options)
  options = options or {}
  options.timeout = options.timeout or 1
  local report = assert(net.diagnose(target, options))
  local told = (report.verdict .. ": " .. report.explanation):gsub("[%d.]+ ms", "MS ms")
  told = told:gsub("port %d%d%d%d%d", "port PORT"):gsub("0.1:%d%d%d%d%d", "0.1:PORT")
  print((told:gsub("netlua, %d+", "netlua, PID")))
  return report
end
local function sh(command) assert(os.execute(command), command) end
]]

local function onisland(claim, script, expected, files)
  it(claim, function()
    if not island.possible() then return pending "no network namespaces here" end

    local out, err, status = island.run(PRELUDE .. script, files or NAMES)

    assert.equal("", err)
    assert.equal(expected .. "\n", out)
    assert.equal(0, status)
  end)
end

local SERVER = [[
local nameserver = dofile "spec/support/nameserver.lua"
local held = nameserver.serve { ["broken.test"] = "SERVFAIL", ["v6.test"] = { { "AAAA", "::1" } } }
]]

local TWO = {
  ["/etc/hosts"] = "127.0.0.1 two.test\n127.0.0.2 two.test\n", ["/etc/nsswitch.conf"] = "hosts: files\n",
}

local TWOSERVERS = [[
package.path = "./spec/support/?.lua;" .. package.path
local a = require("authority").new "two.test"
local old = net.x509.make { names = { "two.test" }, key = a.key, issuer = { certificate = a.intermediate,
  key = a.intermediatekey }, not_before = os.time() - 9 * 86400, days = 5 }
local port
local function serve(address, f)
  local server = assert(net.listen(address, port or 0))
  port = select(2, server:getsockname())
  net.spawn(function()
    local s <close> = assert(server:accept(5))
    f(s)
    server:close()
  end)
end
local function with(chain)
  return function(s)
    if s:starttls({ server = true, cert = chain, key = a.key }, 5) then s:finish(1) end
  end
end
]]

describe("net.diagnose of TLS on several addresses", function()
  onisland("tells the certificate that one of them has", TWOSERVERS .. [[
    serve("127.0.0.1", with(a.chain))
    serve("127.0.0.2", with(old:pem() .. a.intermediate:pem()))
    local report = net.diagnose("two.test:" .. port, { tls = { ca = a.capem } })
    print(report.verdict, (report.explanation:gsub("expired.*", "...")))
    for _, step in ipairs(report.steps) do
      if step.step == "tls" then print(step.address, step.ok) end
    end
  ]], "tls-cert\tTLS is well on 127.0.0.1, but not on 127.0.0.2: certificate of two.test ...\n"
    .. "127.0.0.1\ttrue\n127.0.0.2\tfalse", TWO)

  onisland("tells the one that speaks no TLS", TWOSERVERS .. [[
    serve("127.0.0.1", function(s) s:recv(999) s:write "HTTP/1.1 400 Bad\r\n\r\n" s:finish(1) end)
    serve("127.0.0.2", with(a.chain))
    local report = net.diagnose("two.test:" .. port, { tls = { ca = a.capem } })
    print(report.verdict, report.explanation)
  ]], "tls-proto\tTLS is well on 127.0.0.2, but not on 127.0.0.1: "
    .. "the peer speaks plain HTTP here, not TLS", TWO)

  onisland("names the certificate first where others fail otherwise", TWOSERVERS .. [[
    serve("127.0.0.1", function(s) s:recv(999) s:write "HTTP/1.1 400 Bad\r\n\r\n" s:finish(1) end)
    serve("127.0.0.2", with(old:pem() .. a.intermediate:pem()))
    print(net.diagnose("two.test:" .. port, { tls = { ca = a.capem } }).verdict)
  ]], "tls-cert", TWO)
end)

describe("net.diagnose of a name", function()
  onisland("says that it does not exist", SERVER .. [[ diagnose "nosuch.test:80" held.close() ]],
    "dns-nxdomain: there is no host of the name nosuch.test")

  onisland("says that it has no address of that family, and which it has", [[
    local report = diagnose("v4.test:80", { family = "inet6" })
    assert(report.error.code == "EAI_ADDRFAMILY")
  ]], "dns-nodata: v4.test has no IPv6 address, only 127.0.0.1, 192.0.2.9", {
    ["/etc/hosts"] = NAMES["/etc/hosts"], ["/etc/nsswitch.conf"] = "hosts: files\n" })

  -- "The name exists, but has no address", and name servers were asked for an address.
  onisland("says where the source or the zone is to blame", [[
    local report = diagnose("v4.test:80", { source = "::1" })
    print(report.advice[1])
    report = diagnose "[fe80::1%nosuch0]:80"
    print(#report.steps)
  ]], "dns-nodata: v4.test has no IPv6 address, only 127.0.0.1, 192.0.2.9\n"
    .. "the source ::1 leaves IPv6 only: connect from another, or from any\n"
    .. "dns-nxdomain: fe80::1%nosuch0: no interface of the name or number after %\n1", {
    ["/etc/hosts"] = NAMES["/etc/hosts"], ["/etc/nsswitch.conf"] = "hosts: files\n" })

  onisland("says which name server fails", SERVER .. [[
    local report = diagnose "broken.test:80"
    assert(report.error.kind == "dns")
    held.close()
  ]], "dns-servfail: the name server 127.0.0.1 answers SERVFAIL: it cannot look broken.test up")

  onisland("gives each name server its own time", SERVER .. [[
    local silent = assert(net.udp {})
    assert(silent:bind("127.0.0.2", 53))
    local report = diagnose("broken.test:80", { timeout = 2 })
    local first, second = report.steps[2], report.steps[3]
    assert(first.rcode == "SERVFAIL" and second.error.code == "TIMEOUT")
    assert(first.ms < 1400 and second.ms > 1400, first.ms)
    held.close()
  ]], "dns-servfail: the name server 127.0.0.1 answers SERVFAIL: it cannot look broken.test up", {
    ["/etc/hosts"] = NAMES["/etc/hosts"], ["/etc/nsswitch.conf"] = NAMES["/etc/nsswitch.conf"],
    ["/etc/resolv.conf"] =
      "nameserver 127.0.0.1\nnameserver 127.0.0.2\noptions timeout:1 attempts:1\n" })

  onisland("believes no name server that answers nonsense", [[
    local wrong = assert(net.udp {})
    assert(wrong:bind("127.0.0.1", 53))
    local task = net.spawn(function()
      while true do
        local query, address, port = wrong:recvfrom(512)
        if not query then return end
        wrong:sendto(query:sub(1, 2) .. "\x81\x81" .. ("\0"):rep(8), address, port)
      end
    end)
    diagnose "any.test:80"
    task:cancel()
  ]], "dns-servfail: the name server 127.0.0.1 answers FORMERR: it cannot look any.test up")

  onisland("says that no name server answers, and how that shows", [[
    diagnose "any.test:80"
    local silent = assert(net.udp {})
    assert(silent:bind("127.0.0.1", 53))
    local report = diagnose("any.test:80", { timeout = 0.3 })
    assert(report.steps[1].ms < 4500, "the lookup took " .. report.steps[1].ms)
  ]], "dns-timeout: no name server answers: 127.0.0.1 (connection refused)\n"
    .. "dns-timeout: no name server answers: 127.0.0.1 (timed out)")

  onisland("says which family of it is open", [[
    local server = assert(net.listen("127.0.0.1", 0))
    local _, port = server:getsockname()
    local task = net.spawn(server.serve, server, function(s) s:read "a" end)
    local report = diagnose("both.test:" .. port)
    assert(not report.ok and report.error.code == "ECONNREFUSED")
    assert(report.explanation:find "^open on 127.0.0.1, but not on ::1: ")
    task:cancel()
  ]], "half-dual-stack: open on 127.0.0.1, but not on ::1: port PORT of this machine is listened on at "
    .. "127.0.0.1 (netlua, PID) only, not at ::1")
end)

describe("net.diagnose of a route", function()
  local routes = {
    none = "net-unreachable: this machine has no route to 203.0.113.9",
    unreachable = "host-unreachable: a route of this machine says that 203.0.113.9 cannot be reached",
    prohibit = "prohibited: a rule of this machine prohibits it",
    blackhole = "blackhole: a blackhole route of this machine drops what goes to 203.0.113.9",
  }
  for kind, expected in pairs(routes) do
    local setup = kind == "none" and "" or ('sh "ip route add %s 203.0.113.9"\n'):format(kind)
    local script = [[ local report = diagnose "203.0.113.9:80" assert(report.error and report.advice[1]) ]]
    onisland("tells " .. kind, setup .. script, expected)
  end

  -- It was said that there is no route, with the advice to look whether IPv4 works here at all.
  onisland("tells an address of many hosts, with and without a route there", [[
    local targets = { "224.0.0.1:80", "[ff05::1]:80", "[::ffff:239.1.2.3]:80", "255.255.255.255:80" }
    for _, target in ipairs(targets) do diagnose(target) end
    sh "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up"
    sh "ip addr add 10.9.0.1/24 dev v0 && ip route add default dev v0"
    for _, target in ipairs(targets) do diagnose(target) end
    local report = diagnose "10.9.0.255:80"
    print(report.advice[1], report.steps[#report.steps].group)
  ]], (([[
multicast: 224.0.0.1 is a multicast group: SINGLE
multicast: ff05::1 is a multicast group: SINGLE
multicast: ::ffff:239.1.2.3 is a multicast group: SINGLE
broadcast: 255.255.255.255 is a broadcast address, of all hosts of a network: SINGLE
]]):rep(2) .. "broadcast: 10.9.0.255 is a broadcast address, of all hosts of a network: SINGLE\n")
    :gsub("SINGLE", "connections go to single hosts only")
    .. "use the address of one host; who is there: netlua ping 10.9.0.255\tbroadcast")

  onisland("calls a service well where only IPv6 is missing, and says that", [[
    local server = assert(net.listen("127.0.0.1", 0))
    local _, port = server:getsockname()
    local task = net.spawn(server.serve, server, function(s) s:read "a" end)
    local report = diagnose("mixed.test:" .. port)
    assert(report.ok and report.advice[1]:find "^IPv6 does not work here")
    task:cancel()
  ]], "ok: connected to 127.0.0.1:PORT", { ["/etc/hosts"] = "127.0.0.1 mixed.test\n2001:db8::9 mixed.test\n",
    ["/etc/nsswitch.conf"] = "hosts: files\n" })

  onisland("takes the wildcard address for this machine, and says so", [[
    for _, target in ipairs { "0.0.0.0:80", "[::]:80" } do
      local report = diagnose(target)
      assert(report.advice[#report.advice]:find "is this machine on Linux only")
    end
  ]], ("refused: nothing listens on port 80 of this machine\n"):rep(2):sub(1, -2))

  onisland("tells a host that nobody on the link answers for, before and after the system gives up", [[
    sh "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up"
    sh "ip addr add 10.9.0.1/24 dev v0"
    diagnose("10.9.0.77:80", { timeout = 0.5 })
    local report = diagnose("10.9.0.77:80", { timeout = 8 })
    assert(report.error.code == "EHOSTUNREACH")
  ]], "host-unreachable: nobody on v0 answers for 10.9.0.77\n"
    .. "host-unreachable: nobody on v0 answers for 10.9.0.77")

  -- All of it was "the host is off, on another network, or the address is wrong".
  onisland("tells a router that does not answer, and an interface without a link", [[
    sh "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up"
    sh "ip addr add 10.9.0.1/24 dev v0 && ip route add default via 10.9.0.254"
    local report = diagnose("203.0.113.9:80", { timeout = 0.3 })
    assert(report.advice[1]:find "^the router is off")
    sh "ip link set v1 down"
    for _ = 1, 3000 do
      if net.interfaces().v0.running == false then break end
      net.sleep(0.01)
    end
    report = diagnose("10.9.0.9:80", { timeout = 0.3 })
    assert(report.advice[1]:find "netlua ifaces v0$")
  ]], "host-unreachable: nobody on v0 answers for 10.9.0.254, the router on the way to 203.0.113.9\n"
    .. "host-unreachable: the interface v0 has no link: nothing goes out by it")

  onisland("tells a host that gives no sign of life", [[
    sh "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up"
    sh "ip addr add 10.9.0.1/24 dev v0 && ip neigh add 10.9.0.9 lladdr 02:00:00:00:00:09 dev v0 nud permanent"
    sh "ip addr add fd09::1/64 dev v0 nodad"
    sh "ip neigh add fd09::9 lladdr 02:00:00:00:00:09 dev v0 nud permanent"
    diagnose("10.9.0.9:80", { timeout = 0.3 })
    diagnose("[fd09::9]:80", { timeout = 0.3 })
  ]], "host-silent: 10.9.0.9 gives no sign of life\nhost-silent: fd09::9 gives no sign of life")
end)

-- ---- over routers

-- At the far end: 8080 is open on IPv4, 8081 on both; it ends with its standard input.
local FAR = [[
local far <close> = assert(io.popen("ip netns exec far $NETLUA_BIN -e '" .. [=[
  for _, place in ipairs { { "0.0.0.0", 8080 }, { "::", 8081 } } do
    local l = assert(net.listen(table.unpack(place)))
    net.spawn(l.serve, l, function(s) s:read "a" end)
  end
  io.open("/run/ready", "w"):close()
  net.fromfd(0):read "a"
  os.exit(0)]=] .. "'", "w"))
local tries = 0
while not io.open "/run/ready" and tries < 500 do net.sleep(0.01) tries = tries + 1 end
]]

local function overrouters(claim, setup, script, expected, options)
  it(claim, function()
    if not chain.possible() then return pending "no network namespaces here" end
    if setup:find "iptables" and not chain.firewall() then return pending "no iptables here" end

    options = options or {}
    options.setup = setup
    local out, err, status = chain.run(PRELUDE .. FAR .. script, options)

    assert.equal("", err)
    assert.equal(expected .. "\n", out)
    assert.equal(0, status)
  end)
end

local function far(rule) return "ip netns exec far iptables -A INPUT " .. rule end

describe("net.diagnose over routers", function()
  overrouters("tells an open port from one where nothing listens, of both families", "", [[
    local report = diagnose "10.9.0.9:8080"
    assert(report.steps[2].via == "10.1.0.2" and report.steps[2].source == "10.1.0.1")
    diagnose "[fd00:9::9]:8081"
    diagnose "10.9.0.9:7"
    diagnose "[fd00:9::9]:8080"
  ]], "ok: connected to 10.9.0.9:8080\nok: connected to [fd00:9::9]:8081\n"
    .. "refused: the host answers but nothing listens on 7\n"
    .. "refused: the host answers but nothing listens on 8080")

  overrouters("tells a port whose packets are dropped, as the host answers otherwise",
    far "-p tcp --dport 8080 -j DROP", [[
    local report = diagnose("10.9.0.9:8080", { timeout = 0.6 })
    print((report.explanation:gsub("%(.-%)", "(...)")))
  ]], "filtered: the host is there (it answers a ping after MS ms), but packets to port 8080 are dropped\n"
    .. "the host is there (...), but packets to port 8080 are dropped")

  overrouters("tells the same without any privilege, by a port that answers",
    far "-p tcp --dport 8080 -j DROP", [[ diagnose("10.9.0.9:8080", { timeout = 0.6 }) ]],
    "filtered: the host is there (port 22 refuses), but packets to port 8080 are dropped",
    { raw = true, with = "setpriv --inh-caps=-net_raw --bounding-set=-net_raw" })

  overrouters("tells where the path to a silent host ends", far "-j DROP",
    [[ diagnose("10.9.0.9:8080", { timeout = 0.6 }) ]],
    "host-silent: 10.9.0.9 gives no sign of life: the last router that answers is 10.2.0.2")

  overrouters("tells a firewall that rejects from a host that refuses", far "-p tcp --dport 8080 -j REJECT\n"
    .. far "-p tcp --dport 8081 -j REJECT --reject-with tcp-reset", [[
    diagnose "10.9.0.9:8080"
    diagnose "10.9.0.9:8081"
  ]], "refused: 10.9.0.9 rejects it by an ICMP message: a firewall does that, no service\n"
    .. "refused: the host answers but nothing listens on 8081")

  overrouters("tells who prohibits", far "-p tcp --dport 8080 -j REJECT --reject-with icmp-admin-prohibited",
    [[ diagnose "10.9.0.9:8080" ]], "prohibited: 10.9.0.9 prohibits it")

  local all = "iptables -A OUTPUT -d 10.9.0.9 -j DROP"
  overrouters("tells a rule of this machine that drops all to a host", all,
    [[ diagnose("10.9.0.9:8080", { timeout = 0.6 }) ]], "prohibited: a rule of this machine prohibits it")

  overrouters("tells a rule of this machine", "iptables -A OUTPUT -p tcp --dport 8080 -j REJECT",
    [[ diagnose "10.9.0.9:8080" ]], "refused: a firewall rule of this machine rejects what goes out")

  local way = "ip -n two route del 10.9.0.9 via 10.3.0.2\n"

  overrouters("tells a router that knows no way", way, [[ diagnose "10.9.0.9:8080" ]],
    "net-unreachable: the router 10.2.0.2 knows no way to 10.9.0.9")

  overrouters("tells a router that cannot reach the host", way .. "ip -n two route add unreachable 10.9.0.9",
    [[ diagnose "10.9.0.9:8080" ]], "host-unreachable: the router 10.2.0.2 cannot reach 10.9.0.9")

  overrouters("tells a router that prohibits", way .. "ip -n two route add prohibit 10.9.0.9",
    [[ diagnose "10.9.0.9:8080" ]], "prohibited: 10.2.0.2 prohibits it")

  local nobody = "ip -n two route add 10.9.0.9 via 10.3.0.77"
  overrouters("tells a router behind which nobody answers", way .. nobody,
    [[ diagnose("10.9.0.9:8080", { timeout = 5 }) ]],
    "host-unreachable: the router 10.2.0.2 cannot reach 10.9.0.9")

  -- Was "the router 10.2.0.2 cannot reach 10.9.0.9: the host is off".
  overrouters("tells routers that send packets in a circle", way
    .. "ip -n two route add 10.9.0.9 via 10.2.0.1; ip -n two route change fd00:9::9 via fd00:2::1", [[
    for _, target in ipairs { "10.9.0.9:8080", "[fd00:9::9]:8081" } do
      local report = net.diagnose(target)
      print(report.verdict, (report.explanation:gsub(" at [%x.:]+:", " at ROUTER:")))
    end
  ]], "host-unreachable\tpackets to 10.9.0.9 run out of hops at ROUTER: routers send them in a circle\n"
    .. "host-unreachable\tpackets to fd00:9::9 run out of hops at ROUTER: routers send them in a circle")

  overrouters("tells a path on which large packets vanish from one where a router says so",
    "ip -n one link set a2 mtu 1300; ip -n two link set b2 mtu 1300\n"
    .. "ip netns exec one iptables -A OUTPUT -p icmp --icmp-type fragmentation-needed -j DROP", [[
    diagnose "10.9.0.9:8080"
    os.execute "ip netns exec one iptables -F OUTPUT"
    diagnose "10.9.0.9:8080"
  ]], "mtu-blackhole: small packets arrive, but those over 1300 bytes vanish, and no router says so\n"
    .. "ok: connected to 10.9.0.9:8080")
end)
