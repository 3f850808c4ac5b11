-- net.certificate: the class net.x509.certificate. A certificate is a table of what C found in it, with
-- methods.

local addr = require "net.core.addr"
local check = require "net.check"
local core = require "net.core.x509"
local decode = require "net.core.certificate".decode
local escape = require "net.text".escape

---A certificate, as net.x509.parse gives it; not to be changed. Equal if their bytes are. `tostring` gives
---one line that is safe to show. All texts are bytes as the certificate has them, a NUL in a name
---included, but for
---`subject` and `issuer`, where they are escaped.
---@class net.x509.certificate
---@field der string the bytes
---@field subject string whom it is about, as RFC 4514 writes it, what cannot be shown escaped
---@field issuer string who signed it, in the same form
---@field common_name? string the last CN of the subject; no name of a host for those who check it
---@field subject_fields {name: string, value: string}[] the subject's attributes in their order
---@field issuer_fields {name: string, value: string}[]
---@field names string[] host names that it is for, wildcards among them
---@field addresses string[] IP addresses that it is for
---@field emails string[]
---@field uris string[]
---@field other_names string[] further names, such as "dirName:CN=x" or "IP:" with digits of no address
---@field serial string hexadecimal digits
---@field version integer 3, rarely 1
---@field not_before? integer when it begins, in seconds since 1970; nil if the date is none
---@field not_after? integer when it ends
---@field not_before_text string "2026-01-31T12:00:00Z"
---@field not_after_text string
---@field key {type: string, bits: integer?, curve: string?} type: "ec", "rsa", "ed25519" ...; curve:
--- "P-256" ...
---@field signature_algorithm string "ecdsa-with-SHA256", "sha256WithRSAEncryption" ...
---@field ca boolean it may sign certificates
---@field pathlen? integer how many authorities may follow below it
---@field self_issued boolean subject and issuer are the same
---@field key_usage? string[] "digitalSignature", "keyCertSign" ...; nil: not limited
---@field extended_key_usage? string[] "serverAuth", "clientAuth" ... or numbers; nil: not limited
---@field name_constraints? {permitted: string[], excluded: string[]} "DNS:a.test", "IP:10.0.0.0/255.0.0.0"
--- ...
---@field ocsp_urls string[]
---@field crl_urls string[]
---@field ca_issuers string[] where the issuer's certificate is
---@field subject_key_id? string hexadecimal digits
---@field authority_key_id? string the same of the issuer
---@field must_staple boolean servers have to send an OCSP answer along
---@field extensions {oid: string, name: string, critical: boolean, value: string}[] all; value: hexadecimal
--- digits of the DER
---@field malformed string[] names of extensions that cannot be read, or are there twice
---@field broken boolean an extension that matters to chains is among those, or has a value that none may have
---@field sha256 string fingerprint: hexadecimal digits, lower case, without colons
---@field sha1 string
---@field public_key_sha256 string of the SubjectPublicKeyInfo, by which keys are pinned
local certificate = {}
local meta = { __index = certificate, __name = "net.x509.certificate" }

local DAY = 86400
local DIGESTS = { sha256 = true, sha1 = true, sha384 = true, sha512 = true, md5 = true }
local SHOWN = 4 -- names in one line

local module = { class = certificate }

-- Bytes over 0x7f: those that are harmless characters as they are, the others escaped.
local function reescaped(run)
  local parts, at = {}, 1
  while at <= #run do
    local stop = utf8.len(run, at, at) and utf8.offset(run, 2, at) or at + 1
    local piece = run:sub(at, stop - 1)
    parts[#parts + 1] = escape(piece) == piece and piece or piece:gsub(".", function(c)
      return ("\\%02X"):format(c:byte())
    end)
    at = stop
  end
  return table.concat(parts)
end

-- OpenSSL escapes every byte over 0x7f. What is harmless text of UTF-8 becomes readable again.
local function readable(name)
  local bytes = name:gsub("\\(.)(%x?)", function(first, second)
    local high = second ~= "" and first:find "[89A-F]"
    return high and string.char(tonumber(first .. second, 16)) or nil
  end)
  return (bytes:gsub("[\x80-\xff]+", reescaped))
end

local function commonname(fields)
  for at = #fields, 1, -1 do
    if fields[at].name == "CN" then return fields[at].value end
  end
end

---The certificate of bytes in DER: nothing before or behind it.
function module.new(der)
  local c, err = decode(der)
  if not c then return nil, err end
  c.subject, c.issuer = readable(c.subject), readable(c.issuer)
  c.common_name = commonname(c.subject_fields)
  return setmetatable(c, meta)
end

---Whether a value is a certificate.
function module.is(value)
  return getmetatable(value) == meta
end

---What is to be checked of a host as the user gave it: a name without its last dot, or the bytes of an
---address without its zone; nil for what can be neither.
function module.target(host)
  if host:find("\0", 1, true) then return nil end
  local bytes = addr.inet_pton("inet", host) or addr.inet_pton("inet6", (host:gsub("%%.*$", "")))
  if bytes then return nil, bytes end
  local name = host:gsub("%.$", "")
  if name == "" or name:find "^%." then return nil end
  return name
end

local function listed(list, limit)
  local parts = {}
  for at = 1, math.min(#list, limit) do parts[at] = list[at] == "" and '""' or escape(list[at]) end
  if #list > limit then parts[#parts + 1] = ("%d more"):format(#list - limit) end
  return table.concat(parts, ", ")
end

---A list of names that is safe to show; some only, if there are many.
function module.listed(list, limit)
  return listed(list, limit or SHOWN)
end

---The names and addresses of a certificate in one list.
function module.valid(c)
  local all = table.move(c.names, 1, #c.names, 1, {})
  return table.move(c.addresses, 1, #c.addresses, #all + 1, all)
end

---How long it is valid still.
---@param now? integer seconds since 1970; the time of day if absent
---@return number? days negative when it has ended; nil if its end is no date
---```lua
---local c = net.x509.make { subject = "CN=a.test", days = 30 }
---assert(c:days_left() > 29 and c:days_left(c.not_after + 86400) == -1)
---```
function certificate:days_left(now)
  if now ~= nil then check.integer("days_left", 1, now, math.mininteger, math.maxinteger) end
  return self.not_after and (self.not_after - (now or os.time())) / DAY
end

---The certificate in PEM.
---@return string pem
---```lua
---local c = net.x509.make { subject = "CN=a.test" }
---assert(net.x509.parse(c:pem()) == c)
---```
function certificate:pem()
  return core.armor("CERTIFICATE", self.der)
end

---Everything in it, over many lines, as `openssl x509 -text` writes it; what cannot be shown is escaped.
---@return string text
---```lua
---local c = net.x509.make { subject = "CN=a.test" }
---assert(c:text():find("Subject: CN=a.test", 1, true))
---```
function certificate:text()
  local shown = core.show(self.der)
  return shown and shown:gsub("[^\n]+", escape) or ""
end

---A digest of its bytes.
---@param algorithm? "sha256"|"sha1"|"sha384"|"sha512"|"md5" sha256 if absent
---@return string fingerprint hexadecimal digits, lower case, without colons
---```lua
---local c = net.x509.make { subject = "CN=a.test" }
---assert(c:fingerprint() == c.sha256 and #c:fingerprint "sha512" == 128)
---```
function certificate:fingerprint(algorithm)
  if algorithm ~= nil and not DIGESTS[algorithm] then
    check.bad("fingerprint", 1, '"sha256", "sha1", "sha384", "sha512" or "md5"', algorithm)
  end
  return core.digest(self.der, algorithm)
end

---Its public key in PEM.
---@return string pem
---```lua
---local c = net.x509.make { subject = "CN=a.test" }
---assert(c:public_key():find "BEGIN PUBLIC KEY")
---```
function certificate:public_key()
  return core.armor("PUBLIC KEY", assert(core.spki(self.der)))
end

---Whether it is for a host. A name is looked for among the names, of which "*.a.test" covers one label; an
---address among the addresses and nowhere else. The subject does not count.
---@param host string a name or an address, as the user gave it; a last dot and a zone do not count
---@return boolean answer
---```lua
---local c = net.x509.make { names = { "*.a.test" }, addresses = { "192.0.2.1" } }
---assert(c:matches "www.a.test" and c:matches "192.0.2.1" and not c:matches "a.b.a.test")
---```
function certificate:matches(host)
  check.text("matches", 1, host)
  local name, address = module.target(host)
  if not name and not address then return false end
  return core.matches(self.der, name, address) == true
end

---Whether it signed another: its name stands there as the issuer, and its key made the signature. That
---alone is no reason to trust the other.
---@param other net.x509.certificate
---@return boolean answer
---```lua
---local ca, key = net.x509.make { subject = "CN=CA", ca = true }
---local c = net.x509.make { subject = "CN=a.test", issuer = { certificate = ca, key = key } }
---assert(ca:issued(c) and ca:issued(ca) and not c:issued(ca))
---```
function certificate:issued(other)
  if not module.is(other) then check.bad("issued", 1, "certificate", other) end
  return core.issued(self.der, other.der) == true
end

---Verifies it as net.x509.verify does, as the first of a chain.
---@param options? net.x509.verify.options `chain` are those that go with it
---@return {chain: net.x509.certificate[]}? verified
---@return net.error? err TLS_VERIFY, X509_PARSE, ENOENT
---```lua
---local c = net.x509.make { names = { "a.test" } }
---assert(c:verify { ca = { c }, host = "a.test" })
---local verified, err = c:verify { ca = { c }, host = "b.test" }
---assert(not verified and err.reason == "wrong_host")
---```
function certificate:verify(options)
  return require("net.chain").leaf(self, options)
end

-- For one line: the subject, or what it is for where that is empty.
function module.title(c)
  if #c.subject > 0 then return escape(c.subject) end
  local valid = module.valid(c)
  return #valid > 0 and listed(valid, 1) or "without a name"
end

function meta:__tostring()
  local parts = { "certificate " .. module.title(self) }
  local valid = module.valid(self)
  if #valid > 0 then parts[#parts + 1] = "for " .. listed(valid, SHOWN) end
  parts[#parts + 1] = self.self_issued and "issued by itself" or "issued by " .. escape(self.issuer)
  parts[#parts + 1] = "valid until " .. escape(self.not_after_text)
  return table.concat(parts, "; ")
end

function meta.__concat(a, b)
  return tostring(a) .. tostring(b)
end

function meta.__eq(a, b)
  return getmetatable(a) == getmetatable(b) and a.der == b.der
end

return module
