-- net.extend: the extensions of certificates and requests that net.issue makes, from its options.

local addr = require "net.core.addr"
local check = require "net.check"
local core = require "net.core.x509"
local der = require "net.der"

local extend = {}

local SAN, BASIC, USAGE, EXTENDED = "2.5.29.17", "2.5.29.19", "2.5.29.15", "2.5.29.37"
local CONSTRAINTS, SUBJECTKEY, AUTHORITYKEY = "2.5.29.30", "2.5.29.14", "2.5.29.35"
local POINTS, ACCESS, FEATURE = "2.5.29.31", "1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.1.24"
local OCSP = "1.3.6.1.5.5.7.48.1"

-- The tags of GeneralName (RFC 5280, 4.2.1.6).
local EMAIL, DNS, URI, IP = 1, 2, 6, 7

local USES = { digitalSignature = 0, nonRepudiation = 1, keyEncipherment = 2, dataEncipherment = 3,
  keyAgreement = 4, keyCertSign = 5, cRLSign = 6, encipherOnly = 7, decipherOnly = 8 }

local function refuse(name, field, wanted, value)
  check.bad(name, 1, ("option %q: %s"):format(field, wanted), value)
end

-- A list of strings, any bytes; {} where there is none.
local function strings(name, options, field)
  local list = options[field]
  if list == nil then return {} end
  if type(list) ~= "table" or getmetatable(list) then refuse(name, field, "list of strings", list) end
  for _, item in ipairs(list) do
    if type(item) ~= "string" then refuse(name, field, "list of strings", item) end
  end
  return list
end

local function oid(name, field, text)
  local bytes = not text:find "\0" and core.oid(text)
  return bytes or refuse(name, field, "name of a purpose, or numbers such as 1.3.6.1,", text)
end

-- ---- alternative names

local function addressbytes(name, field, text)
  local bytes = addr.inet_pton("inet", text) or addr.inet_pton("inet6", text)
  return bytes or refuse(name, field, "list of addresses", text)
end

local function alternatives(name, options)
  local parts = {}
  local function add(field, tag, convert)
    for _, item in ipairs(strings(name, options, field)) do
      parts[#parts + 1] = der.tagged(tag, convert and convert(name, field, item) or item)
    end
  end
  add("names", DNS)
  add("addresses", IP, addressbytes)
  add("emails", EMAIL)
  add("uris", URI)
  return #parts > 0 and der.sequence(table.concat(parts)) or nil
end

-- ---- name constraints

-- The address and the mask of a network.
local function network(text)
  local a = require("net.ip").parse(text)
  return a and a:network():bytes() .. a:netmask():bytes()
end

local KINDS = { DNS = DNS, email = EMAIL, URI = URI, IP = IP }

local function subtree(name, text)
  local kind, value = text:match "^(%a+):(.*)$"
  local tag = KINDS[kind]
  if tag == IP then value = network(value) end
  if not tag or not value then
    refuse(name, "name_constraints", 'entries such as "DNS:a.test" or "IP:10.0.0.0/8"', text)
  end
  return der.sequence(der.tagged(tag, value))
end

local function constraints(name, options)
  local value, parts = options.name_constraints, {}
  if value == nil then return nil end
  if type(value) ~= "table" then refuse(name, "name_constraints", "table", value) end
  for field in pairs(value) do
    if field ~= "permitted" and field ~= "excluded" then
      refuse(name, "name_constraints", "permitted and excluded only", tostring(field))
    end
  end
  for number, field in ipairs { "permitted", "excluded" } do
    local trees = {}
    for index, text in ipairs(strings(name, value, field)) do trees[index] = subtree(name, text) end
    if #trees > 0 then parts[#parts + 1] = der.tagged(number - 1, table.concat(trees), true) end
  end
  return der.sequence(table.concat(parts))
end

-- ---- the others

local function usage(name, options)
  local set = {}
  for _, use in ipairs(strings(name, options, "key_usage")) do
    if not USES[use] then refuse(name, "key_usage", "uses such as digitalSignature", use) end
    set[USES[use]] = true
  end
  return next(set) and der.bits(set)
end

local function purposes(name, options)
  local parts = {}
  for index, purpose in ipairs(strings(name, options, "extended_key_usage")) do
    parts[index] = oid(name, "extended_key_usage", purpose)
  end
  return #parts > 0 and der.sequence(table.concat(parts))
end

local function access(name, options)
  local parts = {}
  for index, url in ipairs(strings(name, options, "ocsp_urls")) do
    parts[index] = der.sequence(core.oid(OCSP), der.tagged(URI, url))
  end
  return #parts > 0 and der.sequence(table.concat(parts))
end

local function points(name, options)
  local parts = {}
  for index, url in ipairs(strings(name, options, "crl_urls")) do
    local full = der.tagged(0, der.tagged(URI, url), true)
    parts[index] = der.sequence(der.tagged(0, full, true))
  end
  return #parts > 0 and der.sequence(table.concat(parts))
end

local function goodextra(item)
  return type(item) == "table" and type(item.oid) == "string" and not item.oid:find "\0"
    and core.oid(item.oid) and (item.value == false or type(item.value) == "string")
    and (item.critical == nil or type(item.critical) == "boolean")
end

-- The option "extensions": what is there takes the place of an extension that would be made, and with the
-- value false nothing does.
local function extras(name, options)
  local list = options.extensions
  if list == nil then return {} end
  if type(list) ~= "table" or getmetatable(list) then refuse(name, "extensions", "list", list) end
  for _, item in ipairs(list) do
    if not goodextra(item) then refuse(name, "extensions", "list of {oid =, critical =, value =}", item) end
  end
  return list
end

local function merged(made, more)
  local replaced, list = {}, {}
  for _, item in ipairs(more) do replaced[core.oid(item.oid)] = true end
  for _, item in ipairs(made) do
    if item[3] and not replaced[core.oid(item[1])] then list[#list + 1] = item end
  end
  for _, item in ipairs(more) do
    if item.value then list[#list + 1] = { item.oid, item.critical or false, item.value } end
  end
  return list
end

local function bytesof(hex)
  return (hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

---The extension that names the key of whoever signs.
function extend.authority(issuer)
  local id = issuer.subject_key_id
  if not id then return nil end
  return { AUTHORITYKEY, false, der.sequence(der.tagged(0, bytesof(id))) }
end

---The extensions of a request: {oid, critical, DER}.
function extend.request(name, options, empty)
  local feature = options.must_staple and der.sequence(der.integer(5))
  return merged({ { SAN, empty, alternatives(name, options) }, { FEATURE, false, feature } },
    extras(name, options))
end

---Raises for options that make no extension.
function extend.check(name, options)
  for _, read in ipairs { alternatives, constraints, usage, purposes, access, points, extras } do
    read(name, options)
  end
end

-- What a certificate may do where the options do not say: of an authority sign, of others serve and ask.
local function uses(name, options, rsa)
  local keyuse = { key_usage = options.key_usage }
  local purpose = { extended_key_usage = options.extended_key_usage }
  if not keyuse.key_usage then
    keyuse.key_usage = options.ca and { "keyCertSign", "cRLSign", "digitalSignature" }
      or { "digitalSignature", rsa and "keyEncipherment" or nil }
  end
  if not purpose.extended_key_usage and not options.ca then
    purpose.extended_key_usage = { "serverAuth", "clientAuth" }
  end
  return usage(name, keyuse), purposes(name, purpose)
end

local RSA = core.oid "rsaEncryption"

---The extensions of a certificate: {oid, critical, DER}. `who` has its key, the names that a request
---brings, and whether the subject is empty; `issuer` is the certificate of another that signs it.
function extend.certificate(name, options, who, issuer)
  local keyid = assert(core.keyid(who.spki))
  local keyuse, purpose = uses(name, options, who.spki:find(RSA, 1, true))
  local basic = options.ca and der.boolean(true) .. (options.pathlen and der.integer(options.pathlen) or "")
  local made = {
    { BASIC, true, der.sequence(basic or "") },
    { USAGE, true, keyuse },
    { EXTENDED, false, purpose },
    { SAN, who.empty, alternatives(name, options) or who.names },
    { CONSTRAINTS, true, constraints(name, options) },
    { SUBJECTKEY, false, der.octets(keyid) },
    issuer and extend.authority(issuer) or { AUTHORITYKEY, false, not issuer
      and der.sequence(der.tagged(0, keyid)) },
    { ACCESS, false, access(name, options) },
    { POINTS, false, points(name, options) },
    { FEATURE, false, options.must_staple and der.sequence(der.integer(5)) },
  }
  return merged(made, extras(name, options))
end

return extend
