-- authority: certificates for tests, good ones and one for each way of being wrong, made when they are asked
-- for. Their keys are EC and few, so that all of them take no time.

local authority = {}

local DAY = 86400
local LONG = 3650
local x509 = net.x509

local keys = {}

-- One key for each purpose, made once.
local function key(name, options)
  keys[name] = keys[name] or assert(x509.generate_key(options))
  return keys[name]
end

-- A certificate with a key of that name.
local function make(name, options)
  options.key = key(name, options.keytype)
  options.keytype = nil
  return (assert(x509.make(options)))
end

local function issuer(certificate, name)
  return { certificate = certificate, key = key(name) }
end

local function root(subject, name, more)
  local options = { subject = subject, ca = true, days = LONG, not_before = os.time() - 400 * DAY }
  for field, value in pairs(more or {}) do options[field] = value end
  return make(name, options)
end

-- A certificate that an authority signed; `more` overrides.
local function issued(by, name, more)
  local options = { issuer = by, days = 90, not_before = os.time() - DAY }
  for field, value in pairs(more) do options[field] = value end
  return make(name, options)
end

local function pem(...)
  local parts = {}
  for index, certificate in ipairs { ... } do parts[index] = certificate:pem() end
  return table.concat(parts)
end

---An authority with its intermediate and certificates for a host: {ca, cakey, intermediate, intermediatekey,
---leaf, key, chain (PEM: leaf, intermediate), capem, host}.
function authority.new(host)
  host = host or "server.test"
  local a = { host = host, cakey = key "root", intermediatekey = key "intermediate", key = key "leaf" }
  a.ca = root("CN=Test Root", "root")
  a.intermediate = issued(issuer(a.ca, "root"), "intermediate",
    { subject = "CN=Test Intermediate", ca = true, pathlen = 0, days = LONG })
  a.leaf = issued(issuer(a.intermediate, "intermediate"), "leaf",
    { subject = "CN=" .. host, names = { host } })
  a.chain, a.capem = pem(a.leaf, a.intermediate), a.ca:pem()
  return a
end

-- name, reason or nil, what is special: `leaf` overrides fields of the leaf; `host` is asked for.
local function cases(a, host)
  local parent = host:match "%.(.*)$" or host
  local now = os.time()
  return {
    { "good", nil, {} },
    { "good wildcard", nil, { names = { "*." .. parent } } },
    { "good IPv4", nil, { addresses = { "127.0.0.1" } }, host = "127.0.0.1" },
    { "good IPv6", nil, { addresses = { "::1" } }, host = "::1" },
    { "good a-label", nil, { names = { "xn--bcher-kva.test" } }, host = "xn--bcher-kva.test" },
    { "good with a last dot", nil, {}, host = host .. "." },
    { "good in capitals", nil, {}, host = host:upper() },
    { "expired", "expired", { not_before = now - 93 * DAY } },
    { "not yet valid", "not_yet_valid", { not_before = now + 2 * DAY } },
    { "wrong host", "wrong_host", { names = { "other.test" } } },
    { "CN only", "no_names", { subject = "CN=" .. host, names = {} } },
    { "partial wildcard", "wrong_host", { names = { host:sub(1, 1) .. "*." .. parent } } },
    { "wildcard of a top level", "wrong_host", { names = { "*.test" } }, host = "example.test" },
    { "wildcard for two labels", "wrong_host", { names = { "*." .. parent } }, host = "a.b." .. parent },
    { "IP in CN", "no_names", { subject = "CN=127.0.0.1", names = {} }, host = "127.0.0.1" },
    { "IP as DNS name", "wrong_address", { names = { "127.0.0.1" } }, host = "127.0.0.1" },
    { "wrong IPv4", "wrong_address", { names = {}, addresses = { "127.0.0.2" } }, host = "127.0.0.1" },
    { "IPv4-mapped IPv6", "wrong_address", { addresses = { "127.0.0.1" } }, host = "::ffff:127.0.0.1" },
    { "NUL in a name", "wrong_host", { names = { host .. "\0.evil.test" } } },
    { "empty list of names", "no_names", { extensions = { { oid = "2.5.29.17", value = "0\0" } } } },
    { "for clients only", "wrong_purpose", { extended_key_usage = { "clientAuth" } } },
    { "SHA-1 signature", "weak_signature", { digest = "sha1" } },
    { "unknown critical extension", "unknown_extension",
      { extensions = { { oid = "1.3.6.1.4.1.99999.1", critical = true, value = "\5\0" } } } },
    { "RSA-1024 key", "weak_key", { keytype = { type = "rsa", bits = 1024 } }, key = "rsa1024" },
    { "good RSA-2048", nil, { keytype = { type = "rsa" } }, key = "rsa2048" },
    { "good Ed25519", nil, { keytype = { type = "ed25519" } }, key = "ed25519" },
    { "revoked", "revoked", { serial = 4711 }, crl = { 4711 } },
    { "not revoked", nil, {}, crl = { 4711 } },
    { "revocation list of another", "no_crl", {}, crl = {}, crlissuer = issuer(a.ca, "root") },
  }
end

-- Those where more than the leaf is special: name, reason or nil, a function that gives chain and CA.
local function chains(a, host)
  local now = os.time()
  local byroot, byintermediate = issuer(a.ca, "root"), issuer(a.intermediate, "intermediate")
  local function leaf(by) return issued(by, "leaf", { names = { host } }) end
  local function middle(by, name, more)
    local options = { subject = "CN=Test Intermediate 2", ca = true, days = LONG }
    for field, value in pairs(more or {}) do options[field] = value end
    return issued(by, name, options)
  end
  return {
    { "MD5 signature", "weak_signature", function() -- there is no such signature by an EC key
      local between = middle(byroot, "rsa2048", { keytype = { type = "rsa" } })
      local weak = issued(issuer(between, "rsa2048"), "leaf", { names = { host }, digest = "md5" })
      return pem(weak, between), a.ca
    end },
    { "expired intermediate", "expired", function()
      local between = middle(byroot, "middle", { not_before = now - 93 * DAY, days = 90 })
      return pem(leaf(issuer(between, "middle")), between), a.ca
    end },
    { "expired root", "expired", function()
      local old = root("CN=Old Root", "oldroot", { days = 390 })
      return pem(leaf(issuer(old, "oldroot"))), old
    end },
    { "issuer that is no authority", "not_a_ca", function()
      local server = issued(byroot, "middle", { subject = "CN=Server", names = { "server.test" } })
      return pem(leaf(issuer(server, "middle")), server), a.ca
    end },
    { "path length", "path_length", function()
      local below = middle(byintermediate, "middle")
      return pem(leaf(issuer(below, "middle")), below, a.intermediate), a.ca
    end },
    { "name constraints", "name_constraints", function()
      local limited = middle(byroot, "middle",
        { name_constraints = { permitted = { "DNS:permitted.test" } } })
      return pem(leaf(issuer(limited, "middle")), limited), a.ca
    end },
    { "self-signed", "self_signed", function()
      return pem(make("leaf", { subject = "CN=" .. host, names = { host } })), a.ca
    end },
    { "untrusted root", "self_signed_root", function()
      local other = root("CN=Other Root", "otherroot")
      return pem(leaf(issuer(other, "otherroot")), other), a.ca
    end },
    { "missing intermediate", "unknown_issuer", function() return pem(leaf(byintermediate)), a.ca end },
    { "bad signature", "bad_signature", function()
      local der = leaf(byroot).der
      local last = der:byte(-1)
      return pem(assert(x509.parse(der:sub(1, -2) .. string.char(last ~ 1)))), a.ca
    end },
    { "root of the same name with another key", "bad_signature", function()
      local twin = root("CN=Test Root", "twin",
        { extensions = { { oid = "2.5.29.14", value = "\4\20" .. a.ca.subject_key_id:gsub("%x%x",
          function(pair) return string.char(tonumber(pair, 16)) end) } } })
      return pem(leaf(issuer(twin, "twin"))), a.ca
    end },
    { "leaf that is trusted itself", nil, function()
      local own = make("leaf", { subject = "CN=" .. host, names = { host } })
      return pem(own), own
    end },
  }
end

---Certificates in every state: a list of {name, chain (PEM, leaf first), key (PEM), ca (PEM, to be trusted),
---host (to ask for), crl (PEM, where it is to be checked), reason (of the error; nil: must be accepted)}.
function authority.matrix(host)
  host = host or "server.test"
  local a, list = authority.new(host), {}
  local by = issuer(a.intermediate, "intermediate")
  for _, case in ipairs(cases(a, host)) do
    local name, reason, options = table.unpack(case, 1, 3)
    if not options.names and not options.addresses then options.names = { host } end
    local leaf = issued(by, case.key or "leaf", options)
    local crl = case.crl and assert(x509.make_crl { issuer = case.crlissuer or by, revoked = case.crl })
    list[#list + 1] = { name = name, reason = reason, chain = pem(leaf, a.intermediate),
      key = key(case.key or "leaf"), ca = a.capem, host = case.host or host, crl = crl }
  end
  for _, case in ipairs(chains(a, host)) do
    local chain, trusted = case[3]()
    list[#list + 1] = { name = case[1], reason = case[2], chain = chain, key = key "leaf", ca = trusted:pem(),
      host = host }
  end
  return list
end

return authority
