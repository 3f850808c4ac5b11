-- net.ocsp: what a stapled response means for a connection. No function here is public.

local core = require "net.core.ocsp"
local newerror = require "net.core.error".new

local ocsp = {}

---What a stapled OCSP response says of the server's certificate.
---@class net.ocsp.report
---@field status "good"|"revoked"|"unknown"|"invalid"|"none" "invalid": there is one that cannot be
--- believed, see `problem`; "none": there is none
---@field problem? string why it cannot be believed
---@field reason? string why the certificate was revoked, as RFC 5280 names it: "keyCompromise"
---@field revoked_at? integer seconds since 1970
---@field produced_at? integer seconds since 1970
---@field this_update? integer since when that holds, in seconds since 1970
---@field next_update? integer until when, in seconds since 1970

-- The issuer is where the chain of trust has it; a chain of one is its own.
function ocsp.report(facts, time)
  local trusted = facts.trusted or {}
  local leaf, issuer = trusted[1], trusted[2] or trusted[1]
  if not facts.staple then return { status = "none" } end
  if not leaf then return { status = "invalid", problem = "the certificate is not trusted itself" } end
  return core.read(facts.staple, leaf, issuer, time)
end

-- Whether the certificate itself says that a response comes with it, RFC 7633 ("must staple"): one that does
-- not was perhaps kept back by who has stolen the key.
function ocsp.promised(facts)
  local leaf = (facts.trusted or {})[1]
  return leaf ~= nil and require("net.x509").parse(leaf).must_staple
end

local messages = {
  revoked = "its authority has revoked the server's certificate",
  unknown = "its authority does not know the server's certificate",
}

-- The error for a response with which the connection must not go on. promised: see above.
function ocsp.failure(op, report, host, promised)
  local why = promised and "its certificate demands" or "was required"
  local message = messages[report.status]
    or report.status == "none" and "the server gave no OCSP response, which " .. why
    or "the server's OCSP response cannot be believed: " .. report.problem
  local err = newerror(op, "TLS_VERIFY", message)
  err.reason = report.status == "revoked" and "revoked" or "ocsp"
  err.host, err.ocsp = host, report
  err.hint = report.status == "revoked"
    and "The key may be in wrong hands: do not go on. The server's owner has to install a new certificate."
    or "The server has to staple a current response of its authority"
    .. (promised and "." or "; without ocsp=\"required\" it need not.")
  return err
end

return ocsp
