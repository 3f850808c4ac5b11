-- tls: what a server shows in the handshake: version, certificate, and whether it is to be trusted.

local PORT = 443
local PORTS = {
  smtp = 25, imap = 143, pop3 = 110, ftp = 21, ldap = 389, xmpp = 5222, postgres = 5432, mysql = 3306,
}
local VERSIONS = { "TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1" }
local OLD = { ["TLSv1.1"] = true, TLSv1 = true } -- RFC 8996
local PATIENCE = 10 -- seconds for what comes before TLS, and for the handshake
local SHOWN = 8 -- names of a certificate in a row

-- ---- what is asked

local function protocol(word)
  if PORTS[word] then return word end
  local known = {}
  for name in pairs(PORTS) do known[#known + 1] = name end
  table.sort(known)
  return nil, ('bad protocol "%s": use %s'):format(word, table.concat(known, ", "))
end

local function hostname(word)
  if #word <= 255 and not word:find "[^%w._:%-]" then return word end
  return nil, ('bad name "%s": use a host name or an address'):format(word)
end

local function names(word)
  local list = {}
  for name in (word .. ","):gmatch "([^,]*)," do
    if #name < 1 or #name > 255 then return nil, ('bad list "%s": use h2,http/1.1'):format(word) end
    list[#list + 1] = name
  end
  return list
end

-- Where a word points: {text, place, port, name} | nil, message
local function placeof(word, args)
  local target, message = net.tool.target(word)
  if not target then return nil, message end
  local name = args.name or target.host and target.host:gsub("%.$", ""):gsub("%%.*$", "")
  if not name then return nil, ('"%s" needs --name: whom the certificate has to be for'):format(word) end
  if args.starttls == "xmpp" and not hostname(name) then
    return nil, ('bad target "%s": XMPP asks for a domain'):format(word)
  end
  local port = not target.path and (target.port or args.port or PORTS[args.starttls] or PORT) or nil
  return { text = target.text, place = target.path and "unix:" .. target.path or target.host, port = port,
    name = name }
end

local function places(args)
  local list = {}
  for index, word in ipairs(args.targets) do
    local place, message = placeof(word, args)
    if not place then return nil, message end
    list[index] = place
  end
  return list
end

-- The context of all connections; those of --protocols speak one version and take what is weak, too.
local function contextof(args, version)
  return net.tls.context {
    cafile = args.cafile, cert = args.cert, key = args.key, session = false, min = version, max = version,
    security_level = version and 0 or nil, ciphers = version and "ALL" or nil,
  }
end

-- ---- one connection

-- Connected, and where TLS begins: s, facts | nil, err
local function open(place, args)
  local s, facts = net.connect(place.place, place.port, {
    timeout = args.timeout, family = args.net.family, source = args.source, interface = args.interface,
  })
  if not s or not args.starttls then return s, facts end
  local options = { host = place.name, timeout = args.timeout or PATIENCE }
  local good, err = net.tls.negotiate(s, args.starttls, options)
  if good then return s, facts end
  s:close()
  return nil, err
end

-- What is known after the handshake: info, facts | nil, err, whether the handshake had begun
local function shake(place, args, options)
  local s <close>, facts = open(place, args)
  if not s then return nil, facts, false end
  local began = net.now()
  local good, err = s:starttls(options, args.timeout or PATIENCE)
  if not good then return nil, err, true end
  facts.tls_ms = (net.now() - began) * 1000
  local info
  info, err = s:tls()
  if not info then return nil, err, true end
  return info, facts
end

-- ---- the certificate

local function cut(days)
  return days and math.floor(days * 100) / 100
end

local function described(c, args)
  return {
    subject = c.subject, issuer = c.issuer, not_before = c.not_before_text, not_after = c.not_after_text,
    days_left = cut(c:days_left()), ca = c.ca, serial = c.serial, sha256 = c.sha256,
    pem = args.pem and c:pem() or nil,
  }
end

-- Fields of the record that are about the server's own certificate.
local function addcertificate(rec, c)
  if not c then return end
  rec.subject, rec.issuer, rec.serial, rec.sha256 = c.subject, c.issuer, c.serial, c.sha256
  rec.san = table.move(c.names, 1, #c.names, 1, {})
  table.move(c.addresses, 1, #c.addresses, #rec.san + 1, rec.san)
  rec.not_before, rec.not_after = c.not_before_text, c.not_after_text
  rec.days_left = cut(c:days_left())
  rec.key, rec.signature = c.key, c.signature_algorithm
end

local function ocspfields(report)
  if not report then return nil end
  local function time(seconds) return seconds and os.date("!%Y-%m-%dT%H:%M:%SZ", seconds) end
  return {
    status = report.status, problem = report.problem, reason = report.reason,
    this_update = time(report.this_update), next_update = time(report.next_update),
    revoked_at = time(report.revoked_at),
  }
end

-- Why it is not trusted, as a field of the record.
local function refusal(err)
  return err and { code = err.code, reason = err.reason, depth = err.depth, message = err.message,
    explanation = err:explain() }
end

local function describe(place, args, info, facts, err)
  local rec = {
    target = place.text, host = place.place, port = place.port, name = place.name, address = facts.address,
    starttls = args.starttls, protocol = info.protocol, cipher = info.cipher, group = info.group,
    alpn = info.alpn, verified = info.verified, verify_error = refusal(err), ocsp = ocspfields(info.ocsp),
    lookup_ms = facts.lookup_ms, connect_ms = facts.ms, tls_ms = facts.tls_ms, chain = {},
  }
  addcertificate(rec, info.certificate)
  for index, c in ipairs(info.chain) do rec.chain[index] = described(c, args) end
  local anchor = info.trusted and info.trusted[#info.trusted]
  rec.anchor = anchor and anchor.subject
  return rec
end

-- ---- the two questions

-- Says why a certificate is not trusted. The status of that, which --insecure spares.
local function distrust(place, args, out, err)
  if not out.machine then
    out:warning(("%s: NOT TRUSTED: %s (%s)"):format(place.text, err.message, err.code))
    out:note("  " .. err:explain())
  end
  return args.insecure and 0 or net.tool.statusof(err)
end

-- The handshake as every program does it. Where the certificate is refused, another one only looks at it.
local function inspect(place, args, out, context)
  local options = { context = context, host = place.name, ocsp = true, alpn = args.alpn }
  local info, facts = shake(place, args, options)
  local err, status = nil, 0
  if not info then
    err = facts
    if err.code ~= "TLS_VERIFY" then return nil, err end
    options.verify = false
    info, facts = shake(place, args, options)
    if not info then return nil, err end
    status = distrust(place, args, out, err)
    local other = err.depth == 0 and err.certificate and err.certificate ~= info.certificate
    if other then out:note(place.text .. ": what is shown is another one, of a second connection") end
  end
  local rec = describe(place, args, info, facts, err)
  if status == 0 and args.days and (rec.days_left or -1) < args.days then
    status = 1
    out:note(("%s: the certificate ends before %d days have passed"):format(place.text, args.days))
  end
  return rec, status
end

-- A handshake that failed says no; a connection that failed says nothing.
local function refuses(err, begun)
  return begun and (err.kind == "tls" or err.kind == "reset" or err.kind == "closed")
end

-- One version: a record | nil, err, whether it is an answer all the same
local function ask(place, args, version, context)
  local info, facts, begun = shake(place, args, { context = context, host = place.name, verify = false })
  local rec = { target = place.text, protocol = version, state = "spoken", old = OLD[version] or false }
  if info then
    rec.cipher, rec.group, rec.address = info.cipher, info.group, facts.address
    return rec
  end
  if facts.wants_certificate then -- the version was agreed on before
    rec.reason = "it wants a certificate of the client"
    return rec
  end
  rec.state, rec.reason = refuses(facts, begun) and "refused" or "unknown", facts.message
  return rec, facts
end

-- Which versions the server speaks: a list of records | nil, err
local function versions(place, args, out, contexts)
  local list, spoken, old, first = {}, 0, {}, nil
  for index, version in ipairs(VERSIONS) do
    local began = net.now()
    local rec, err = ask(place, args, version, contexts[version])
    first = first or err
    rec.ms = (net.now() - began) * 1000
    if rec.state == "unknown" and spoken == 0 then return nil, err end
    if rec.state == "spoken" then spoken = spoken + 1 end
    if rec.state == "spoken" and rec.old then table.insert(old, 1, version) end
    list[index] = rec
  end
  if spoken == 0 then return nil, first end
  if old[1] and not out.machine then
    local text = "%s: speaks %s, which RFC 8996 forbids: turn off what is older than TLS 1.2"
    out:warning(text:format(place.text, table.concat(old, " and ")))
  end
  return list, 0
end

-- ---- for people

local function some(list)
  local shown = table.concat(list, ", ", 1, math.min(#list, SHOWN))
  return #list > SHOWN and ("%s, %d more"):format(shown, #list - SHOWN) or shown
end

local function left(days)
  if not days then return "?" end
  if days < 0 then return ("ended %d days ago"):format(-days // 1) end
  return ("%d days left"):format(days // 1)
end

local function keyname(key)
  return key.curve and ("%s %s"):format(key.type, key.curve)
    or key.bits and ("%s %d bits"):format(key.type, key.bits) or key.type
end

local function add(rows, name, value)
  if value and value ~= "" then rows[#rows + 1] = { "  " .. name, value } end
end

local function addchain(rows, rec, args)
  if not args.chain then
    local anchor = rec.anchor and ", trusted by " .. rec.anchor or ""
    return add(rows, "chain", ("%d sent%s"):format(#rec.chain, anchor))
  end
  for index, c in ipairs(rec.chain) do
    add(rows, ("chain %d"):format(index - 1),
      ("%s, issued by %s, until %s"):format(c.subject, c.issuer, c.not_after))
  end
  add(rows, "anchor", rec.anchor)
end

local function addpem(rows, rec)
  for _, c in ipairs(rec.chain) do
    for line in c.pem:gmatch "[^\n]+" do rows[#rows + 1] = { line } end
  end
end

local function human(rec, args)
  if rec.state then return { rec.target, rec.protocol, rec.state, rec.cipher or rec.reason } end
  local trust = rec.verified and "verified" or "NOT TRUSTED"
  local parts = { rec.protocol, rec.cipher }
  parts[#parts + 1] = rec.group
  parts[#parts + 1] = rec.alpn
  local rows = { { rec.target, table.concat(parts, " ") .. "  " .. trust } }
  add(rows, "subject", rec.subject)
  add(rows, "names", rec.san and some(rec.san))
  add(rows, "issuer", rec.issuer)
  if rec.not_after then
    add(rows, "valid", ("%s to %s, %s"):format(rec.not_before, rec.not_after, left(rec.days_left)))
    add(rows, "key", ("%s, signed with %s"):format(keyname(rec.key), rec.signature))
    add(rows, "sha256", rec.sha256)
  end
  addchain(rows, rec, args)
  local ocsp = rec.ocsp and rec.ocsp.status ~= "none" and rec.ocsp
  add(rows, "ocsp", ocsp and (ocsp.problem and "invalid: " .. ocsp.problem or ocsp.status))
  if args.pem then addpem(rows, rec) end
  return { rows = rows }
end

-- ---- the command line

-- A message where the options do not go together.
local function check(args)
  if args.protocols and (args.days or args.chain or args.pem or args.alpn or args.insecure) then
    return "--protocols asks for the versions only: without --days, --chain, --pem, --alpn and --insecure"
  end
  if (args.cert == nil) ~= (args.key == nil) then return "--cert and --key belong together" end
  if args.timeout == 0 then return "-w 0 leaves no time for an answer" end
end

-- The contexts by version, or the one of all | nil, message
local function contexts(args)
  local made = {}
  for _, version in ipairs(args.protocols and VERSIONS or { false }) do
    local context, err = contextof(args, version or nil)
    if not context then return nil, err.message end
    made[version] = context
  end
  return made
end

return {
  summary = "The certificate of a server, and how it speaks TLS.",
  common = { "net", "targets" },
  examples = {
    "tls example.com", "tls example.com:8443 --days 30", "tls mx.example.com --starttls smtp",
    "tls 192.0.2.1 --name www.example.com --chain", "tls example.com --protocols",
  },
  notes = [[Without -w a connection has 30 seconds to come about and the handshake 10. Exit status: 0
if the certificate is trusted and for that name; 1 if it ends before --days; 60 if it is not
trusted, which is shown all the same; 35 if there was no handshake. A server that wants a
certificate of the client may say so only after the handshake of TLS 1.3: nobody waits for that.]],
  needs = "TARGET",
  options = function(parser)
    parser:argument("TARGET"):args "*":target "targets"
      :description "host, host:port, [v6]:port, URL, unix:/path. Port 443, or that of --starttls."
    parser:option "-p --port":argname "PORT":convert(net.tool.port)
      :description "Port of targets that name none."
    parser:option "--starttls":argname "PROTO":convert(protocol)
      :description "Begin in plain text: smtp, imap, pop3, ftp, ldap, xmpp, postgres, mysql."
    parser:option "--name --sni":target "name":argname "NAME":convert(hostname)
      :description "Ask for this name, and expect it in the certificate."
    parser:option "--days":argname "N":convert(net.tool.integer(0, 100000))
      :description "Exit status 1 if the certificate has fewer days left."
    parser:flag "--protocols":description "Which versions the server speaks, a connection for each."
    parser:flag "--chain":description "Show every certificate that the server sends."
    parser:flag "--pem":description "Show them as PEM, too."
    parser:option "--alpn":argname "A,B":convert(names):description "Offer these application protocols."
    parser:option "--cafile":argname "FILE"
      :description "Trust these authorities, and not the system's."
    parser:option "--cert":argname "FILE":description "Own certificate, for servers that want one."
    parser:option "--key":argname "FILE":description "Its key."
    parser:flag "--insecure"
      :description "Exit status 0 for what is not trusted, too; it says so all the same."
  end,
  columns = { "target", "protocol", "cipher", "state", "verified", "subject", "not_after", "days_left" },
  human = human,
  run = function(args, out)
    local message = check(args)
    if message then return out:usage(message) end
    local list, made
    list, message = places(args)
    if not list then return out:usage(message) end
    made, message = contexts(args)
    if not made then return out:usage(message) end
    return out:each(list, function(place)
      if args.protocols then return versions(place, args, out, made) end
      return inspect(place, args, out, made[false])
    end)
  end,
}
