-- net.chain: whether a chain of certificates is to be trusted, and by whom.

local bundle = require "net.bundle"
local certificate = require "net.certificate"
local systemtrust = require("net.core.tlscontext").systemtrust
local check = require "net.check"
local trust = require "net.core.trust"
local verification = require "net.verification"

---@class net.x509
local chain = {}

-- Seconds since 1970 that a certificate can name: the years 0 to 9999.
local EARLIEST, LATEST = -62167219200, 253402300799

local OPTIONS = {
  chain = { "bytes" }, host = { "text" }, purpose = { "word", "server", "client", "any" },
  time = { "integer", EARLIEST, LATEST }, ca = { "bytes" }, cafile = { "text" }, capath = { "text" },
  crl = { "bytes" }, crl_all = { "boolean" }, depth = { "integer", 0, 100 },
  security_level = { "integer", 0, 5 }, partial = { "boolean" }, strict = { "boolean" },
}

local function refuse(name, field, wanted, value)
  check.bad(name, 1, ("option %q: %s"):format(field, wanted), value)
end

-- Fields that are certificates, or lists of them, are checked here; the rest by check.fields.
local function checkoptions(name, options)
  check.table(name, 1, options)
  local plain = {}
  for field, value in pairs(options) do plain[field] = value end
  for _, field in ipairs { "chain", "ca" } do
    if plain[field] ~= nil and not bundle.accepts(plain[field]) then
      refuse(name, field, "certificates, or a list of them,", plain[field])
    end
    plain[field] = nil
  end
  local crl = plain.crl
  if type(crl) == "table" then
    for _, item in ipairs(crl) do
      if type(item) ~= "string" then refuse(name, "crl", "list of strings", item) end
    end
    plain.crl = nil
  end
  check.fields(name, 1, plain, OPTIONS)
end

-- Whom the leaf has to be for, as the binding takes it.
local function identify(name, question, host)
  if host == nil then return end
  question.name, question.address = certificate.target(host)
  if not question.name and not question.address then refuse(name, "host", "name or address", host) end
end

-- What is trusted: what is given, or else what the system trusts.
local function authorities(question, options, op)
  local folder, file = options.capath, options.cafile
  if options.ca == nil and not folder and not file then folder, file = systemtrust() end
  question.capath = folder
  local given, err = bundle.flatten(options.ca or {}, op)
  local filed = {}
  if given and file then filed, err = bundle.filed(file, op) end
  if not given or not filed then return nil, err end
  question.ca = table.move(filed, 1, #filed, #given + 1, given) -- each of them at most 1,000
  return true
end

local function certificates(ders)
  local list = {}
  for index, der in ipairs(ders) do list[index] = assert(certificate.new(der)) end
  return list
end

local function ask(name, given, options)
  local op = "x509.verify"
  local question = { purpose = options.purpose, time = options.time, depth = options.depth,
    crl_all = options.crl_all, partial = options.partial, strict = options.strict,
    security_level = options.security_level or 2 }
  identify(name, question, options.host)
  if type(options.crl) == "string" then question.crl = { options.crl } else question.crl = options.crl end
  local ders, problem = bundle.flatten(given, op)
  if not ders then return nil, problem end
  local fine, trouble = authorities(question, options, op)
  if not fine then return nil, trouble end
  local verified, built, number, depth, culprit = trust.verify(ders, question)
  if verified then return { chain = certificates(verified) } end
  if verified == nil then return nil, built end
  return nil, verification.failure(op, { number = number, depth = depth, chain = ders, certificate = culprit,
    host = options.host, time = options.time })
end

---Verifies a chain: that the first certificate is for the host, is in date, may be used for the purpose,
---and leads to an authority that is trusted. Nothing is fetched: what is missing in the chain is not
---looked for.
---@param options net.x509.verify.options
---@return {chain: net.x509.certificate[]}? verified from the leaf to the authority that is trusted
---@return net.error? err TLS_VERIFY with `reason`, `depth`, `certificate`, `host`, `names` and `hint`;
--- X509_PARSE; ENOENT and other codes of the system
---```lua
---local ca, key = net.x509.make { subject = "CN=My CA", ca = true }
---local c = net.x509.make { names = { "a.test" }, issuer = { certificate = ca, key = key } }
---assert(net.x509.verify { chain = { c }, ca = { ca }, host = "a.test" })
---local verified, err = net.x509.verify { chain = { c }, ca = { ca }, host = "b.test" }
---assert(not verified and err.reason == "wrong_host")
---```
function chain.verify(options)
  checkoptions("verify", options)
  local given = options.chain
  if given == nil or type(given) == "table" and not certificate.is(given) and #given == 0 then
    refuse("verify", "chain", "at least one certificate", given)
  end
  return ask("verify", given, options)
end

-- For the method of certificates: `leaf` comes first, then those of the options.
local function leaf(first, options)
  if options == nil then options = {} end
  checkoptions("verify", options)
  local rest = options.chain or {}
  if certificate.is(rest) or type(rest) == "string" then rest = { rest } end
  return ask("verify", table.move(rest, 1, #rest, 2, { first }), options)
end

return { verify = chain.verify, leaf = leaf }
