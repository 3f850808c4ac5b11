-- net.x509: certificates read, judged and made. How chains are judged stands in net.chain, what is
-- made in net.issue.

local bundle = require "net.bundle"
local chain = require "net.chain"
local check = require "net.check"
local issue = require "net.issue"

---Certificates (X.509): reading them, finding out whether a chain is to be trusted, and making keys,
---requests, certificates and revocation lists.
---@class net.x509
local x509 = {
  verify = chain.verify,
  generate_key = issue.generate_key,
  request = issue.request,
  make = issue.make,
  make_crl = issue.make_crl,
}

-- ---- reading

---Reads a certificate: the first block of it in PEM, whatever stands before, or bytes in DER.
---@param data string
---@return net.x509.certificate? certificate
---@return net.error? err X509_PARSE, whose message says what is there instead; TOOBIG
---```lua
---local c = assert(net.x509.parse(net.x509.make({ subject = "CN=a.test" }):pem()))
---assert(c.common_name == "a.test")
---assert(select(2, net.x509.parse "hello").code == "X509_PARSE")
---```
function x509.parse(data)
  check.bytes("parse", 1, data)
  local list, err = bundle.parse(data, "x509.parse", 1)
  if not list then return nil, err end
  return list[1]
end

---Reads all certificates in PEM, up to 1,000 in 16 MiB, each of at most 1 MiB; other blocks, such as keys,
---are passed over.
---@param data string PEM, or one certificate in DER
---@return net.x509.certificate[]? list at least one
---@return net.error? err X509_PARSE, TOOBIG
---```lua
---local a, b = net.x509.make { subject = "CN=a" }, net.x509.make { subject = "CN=b" }
---assert(#net.x509.parse_all(a:pem() .. b:pem()) == 2)
---```
function x509.parse_all(data)
  check.bytes("parse_all", 1, data)
  return bundle.parse(data, "x509.parse_all")
end

---Reads all certificates of a file.
---@param path string
---@return net.x509.certificate[]? list at least one
---@return net.error? err ENOENT and other codes of the system, X509_PARSE, TOOBIG; `address` is the path
---```lua
---local list, err = net.x509.load "/nonexistent.pem"
---assert(not list and err.code == "ENOENT")
---```
function x509.load(path)
  check.text("load", 1, path)
  return bundle.load(path, "x509.load")
end

return x509
