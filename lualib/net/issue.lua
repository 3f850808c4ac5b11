-- net.issue: what net.x509 makes: keys, requests, certificates, revocation lists. What is to be in them is
-- put into DER here, byte by byte, so that tests can make what no authority would issue; C signs it.

local bundle = require "net.bundle"
local certificate = require "net.certificate"
local check = require "net.check"
local core = require "net.core.x509"
local der = require "net.der"
local extend = require "net.extend"
local sign = require "net.core.certify"

---@class net.x509
local issue = {}

local DAY = 86400
local EARLIEST, LATEST = -62167219200, 253402300799 -- the years 0 to 9999

local KEYTYPES = { ec = "EC", rsa = "RSA", ed25519 = "ED25519", ed448 = "ED448" }
local DIGESTS = { "word", "sha256", "sha384", "sha512", "sha1", "md5" }
local TIME = { "integer", EARLIEST, LATEST }
local DAYS = { "number", -4e6, 4e6 }

local KEY = { type = { "word", "ec", "rsa", "ed25519", "ed448" }, curve = { "text" },
  bits = { "integer", 512, 16384 }, password = { "secret" } }

local REQUEST = { key = { "secret" }, password = { "secret" }, digest = DIGESTS, subject = {},
  names = {}, addresses = {}, emails = {}, uris = {}, must_staple = { "boolean" }, extensions = {} }

local MAKE = { key = { "secret" }, password = { "secret" }, request = { "text" }, issuer = {},
  digest = DIGESTS, subject = {}, names = {}, addresses = {}, emails = {}, uris = {}, ca = { "boolean" },
  pathlen = { "integer", 0, 1000 }, serial = {}, days = DAYS, not_before = TIME, not_after = TIME,
  key_usage = {}, extended_key_usage = {}, name_constraints = {}, ocsp_urls = {}, crl_urls = {},
  must_staple = { "boolean" }, extensions = {} }

local CRL = { issuer = {}, revoked = {}, days = DAYS, not_before = TIME, not_after = TIME, digest = DIGESTS }

local function refuse(name, field, wanted, value)
  check.bad(name, 1, ("option %q: %s"):format(field, wanted), value)
end

-- Fields with an empty row are checked where they are read.
local function fields(name, options, known)
  if options == nil then return {} end
  check.table(name, 1, options)
  local plain = {}
  for field, value in pairs(options) do
    if not known[field] then check.unknown(name, 1, field, known) end
    if #known[field] > 0 then plain[field] = value end
  end
  check.fields(name, 1, plain, known)
  return options
end

-- ---- names of subjects

local function unescaped(value)
  return (value:gsub("\\(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
    :gsub("\\(.)", "%1"))
end

-- "CN=x,O=y" as RFC 4514 has it, so the last is the first in the certificate. "\" escapes.
local function readsubject(text)
  local list, at = {}, 1
  while at <= #text do
    local attribute, from = text:match("^ *([%w.]+)=()", at)
    if not attribute then return nil end
    local stop = from
    while stop <= #text and text:sub(stop, stop) ~= "," do
      if text:sub(stop, stop) == "+" then return nil end
      stop = stop + (text:sub(stop, stop) == "\\" and 2 or 1)
    end
    table.insert(list, 1, { attribute, unescaped(text:sub(from, stop - 1)) })
    at = stop + 1
    if stop == #text then return nil end -- nothing behind a comma
  end
  return list
end

local function goodlist(value)
  if type(value) ~= "table" then return false end
  for _, item in ipairs(value) do
    if type(item) ~= "table" then return false end
    if type(item.name or item[1]) ~= "string" or type(item.value or item[2]) ~= "string" then return false end
  end
  return true
end

-- A list of {attribute, value}, in the order of the certificate. Attributes are known to OpenSSL, or
-- numbers.
local function subject(name, value)
  if value == nil then return {} end
  local list = {}
  if type(value) == "string" and not value:find "\0" then
    list = readsubject(value)
  elseif goodlist(value) then
    for index, item in ipairs(value) do list[index] = { item.name or item[1], item.value or item[2] } end
  else
    list = nil
  end
  for _, item in ipairs(list or {}) do
    if item[1]:find "\0" or not core.oid(item[1]) then list = nil break end
  end
  return list or refuse(name, "subject", 'name such as "CN=x,O=y", or list of {name, value},', value)
end

-- ---- keys

local function generate(name, options)
  local kind = KEYTYPES[options.type or "ec"]
  local curve, bits = options.curve, options.bits
  if curve and kind ~= "EC" then refuse(name, "curve", "no curve for this type of key", curve) end
  if bits and kind ~= "RSA" then refuse(name, "bits", "no count of bits for this type of key", bits) end
  if kind == "EC" then curve = curve or "P-256" end
  if kind == "RSA" then bits = bits or 2048 end
  return sign.generate(kind, curve, bits, options.password)
end

---Makes a private key, in the form of PKCS #8.
---@param options? net.x509.generate_key.options
---@return string? pem encrypted if there is a password
---@return net.error? err TLS_CONFIG for a curve that OpenSSL does not have
---```lua
---local key = net.x509.generate_key { type = "ed25519" }
---assert(key:find "BEGIN PRIVATE KEY")
---```
function issue.generate_key(options)
  return generate("generate_key", fields("generate_key", options, KEY))
end

-- The key of the options, made where there is none: PEM, and its public half.
local function keyof(name, options)
  local key, err = options.key, nil
  if not key then key, err = generate(name, { password = options.password }) end
  if not key then return nil, err end
  local spki, problem = sign.public(key, options.password)
  if not spki then return nil, problem end
  return key, spki
end

local function renamed(err, op)
  err.op = op
  return nil, err
end

-- ---- requests

---Makes a request for a certificate (CSR, PKCS #10), and the key if there is none.
---@param options? net.x509.request.options
---@return string? pem
---@return string|net.error? key the private key in PEM; err TLS_CONFIG
---```lua
---local csr, key = net.x509.request { subject = "CN=a.test", names = { "a.test" } }
---local c = net.x509.make { request = csr, issuer = { certificate = net.x509.make { key = key }, key = key
---} } assert(c.names[1] == "a.test")
---```
function issue.request(options)
  options = fields("request", options, REQUEST)
  local name = subject("request", options.subject)
  local extensions = extend.request("request", options, #name == 0)
  local key, spki = keyof("request", options)
  if not key then return renamed(spki, "x509.request") end
  local bytes, err = sign.request { subject = name, extensions = extensions, digest = options.digest,
    signer = key, password = options.password }
  if not bytes then return nil, err end
  return core.armor("CERTIFICATE REQUEST", bytes), key
end

-- ---- who signs

local ISSUER = { certificate = {}, key = { "secret" }, password = { "secret" } }

-- The field "issuer": {certificate, key, password}; nil where there is none.
local function issuerof(name, value)
  local wanted = "{certificate =, key =}"
  if value == nil then return nil end
  if type(value) ~= "table" or getmetatable(value) then refuse(name, "issuer", wanted, value) end
  for field in pairs(value) do
    if not ISSUER[field] then refuse(name, "issuer", wanted, "unknown field " .. tostring(field)) end
  end
  local c, key, password = value.certificate, value.key, value.password
  if not certificate.is(c) and type(c) ~= "string" then
    refuse(name, "issuer", wanted .. ": certificate", c)
  end
  if type(key) ~= "string" then refuse(name, "issuer", wanted .. ": key", type(key)) end
  if password ~= nil and type(password) ~= "string" then
    refuse(name, "issuer", wanted .. ": password", type(password))
  end
  return { certificate = c, key = key, password = password }
end

-- Its certificate as an object.
local function opened(issuer, op)
  if certificate.is(issuer.certificate) then return issuer.certificate end
  local list, err = bundle.parse(issuer.certificate, op, 1)
  return list and list[1], err
end

-- ---- numbers and times

-- A number as bytes: given as an integer, as hexadecimal digits, or drawn (RFC 5280 asks for one that
-- cannot be guessed). At most 20 bytes.
local function serialof(name, field, value)
  if value == nil then
    local bytes = assert(core.random(8))
    return string.char(bytes:byte() & 0x7f | 0x40) .. bytes:sub(2)
  end
  if math.type(value) == "integer" and value >= 0 then return (">I8"):pack(value) end
  local digits = type(value) == "string" and value:match "^%x+$"
  if not digits or #digits > 40 then
    refuse(name, field, "integer from 0 on, or up to 40 hexadecimal digits,", value)
  end
  if #digits % 2 == 1 then digits = "0" .. digits end
  return (digits:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end))
end

local function times(name, options, days)
  local from = options.not_before or os.time()
  if options.not_after then return from, options.not_after end
  local to = math.tointeger(math.floor(from + (options.days or days) * DAY))
  if to < EARLIEST or to > LATEST then
    refuse(name, "days", "days that end within the years 0 to 9999", options.days)
  end
  return from, to
end

-- ---- certificates

-- Subject, public key and names of the request, or of the options.
local function applicant(options)
  local name = subject("make", options.subject)
  if not options.request then
    local key, spki = keyof("make", options)
    if not key then return renamed(spki, "x509.make") end
    return { subject = name, spki = spki, key = key, empty = #name == 0 }
  end
  local request, err = sign.openrequest(options.request)
  if not request then return nil, err end
  if options.subject ~= nil then request.subject = name end
  request.empty = #request.subject <= (options.subject ~= nil and 0 or 2)
  return request
end

local function checkcombination(options)
  for _, field in ipairs { "key", "password" } do
    if options.request and options[field] then
      refuse("make", field, "nothing beside a request", "one")
    end
  end
  if options.request and not options.issuer then
    refuse("make", "request", "an issuer beside it: nobody else can sign", "none")
  end
  if options.pathlen and not options.ca then
    refuse("make", "pathlen", "ca = true beside it", options.ca)
  end
end

---Makes a certificate and signs it: with the issuer's key, or with its own. For tests, laboratories and
---authorities of one's own: what is asked for is made, whether others would accept it or not.
---@param options? net.x509.make.options
---@return net.x509.certificate? certificate
---@return string|net.error? key the private key in PEM; nil if there was a request; err TLS_CONFIG,
--- X509_PARSE
---```lua
---local ca, cakey = net.x509.make { subject = "CN=Test CA", ca = true, days = 365 }
---local c, key = net.x509.make { names = { "a.test" }, issuer = { certificate = ca, key = cakey } }
---assert(ca:issued(c) and key:find "PRIVATE KEY")
---```
function issue.make(options)
  options = fields("make", options, MAKE)
  local issuer = issuerof("make", options.issuer)
  local serial = serialof("make", "serial", options.serial)
  local from, to = times("make", options, 30)
  subject("make", options.subject)
  extend.check("make", options)
  checkcombination(options)
  local who, problem = applicant(options)
  if not who then return nil, problem end
  local above, trouble
  if issuer then
    above, trouble = opened(issuer, "x509.make")
    if not above then return nil, trouble end
  end
  local bytes, err = sign.certificate {
    serial = serial, not_before = from, not_after = to, subject = who.subject, spki = who.spki,
    digest = options.digest, issuer = above and above.der, signer = issuer and issuer.key or who.key,
    extensions = extend.certificate("make", options, who, above),
    password = issuer and issuer.password or not issuer and options.password or nil,
  }
  if not bytes then return nil, err end
  local made, wrong = certificate.new(bytes)
  if not made then return nil, wrong end
  return made, who.key
end

-- ---- revocation lists

local function numbers(list)
  if list == nil then return {} end
  if type(list) ~= "table" or getmetatable(list) then
    refuse("make_crl", "revoked", "list of certificates or serial numbers", list)
  end
  local found = {}
  for index, item in ipairs(list) do
    found[index] = serialof("make_crl", "revoked", certificate.is(item) and item.serial or item)
  end
  return found
end

---Makes a revocation list (CRL): the certificates that their issuer takes back.
---@param options net.x509.make_crl.options
---@return string? pem
---@return net.error? err TLS_CONFIG, X509_PARSE
---```lua
---local ca, key = net.x509.make { subject = "CN=CA", ca = true }
---local c = net.x509.make { names = { "a.test" }, issuer = { certificate = ca, key = key } }
---local crl = net.x509.make_crl { issuer = { certificate = ca, key = key }, revoked = { c } }
---local ok, err = net.x509.verify { chain = { c }, ca = { ca }, crl = crl }
---assert(not ok and err.reason == "revoked")
---```
function issue.make_crl(options)
  options = fields("make_crl", options, CRL)
  local revoked = numbers(options.revoked)
  local from, to = times("make_crl", options, 30)
  local issuer = issuerof("make_crl", options.issuer)
  if not issuer then refuse("make_crl", "issuer", "{certificate =, key =}", nil) end
  local above, problem = opened(issuer, "x509.make_crl")
  if not above then return nil, problem end
  local extensions = { { "2.5.29.20", false, der.integer(os.time()) } }
  table.insert(extensions, extend.authority(above))
  local bytes, err = sign.crl { issuer = above.der, signer = issuer.key, password = issuer.password,
    not_before = from, not_after = to, revoked = revoked, digest = options.digest, extensions = extensions }
  if not bytes then return nil, err end
  return core.armor("X509 CRL", bytes)
end

return issue
