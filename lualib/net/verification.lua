-- net.verification: why a certificate is not trusted, in words. It decides nothing and asks nobody: what
-- was decided is in the facts.

local certificate = require "net.certificate"
local core = require "net.core.x509"
local escape = require "net.text".escape
local fail = require "net.core.error".new

local verification = {}

local DAY = 86400
local SHOWN = 6 -- names in a message

-- ---- pieces of a sentence

local function quoted(name)
  return '"' .. (#name > 0 and escape(name) or "(empty)") .. '"'
end

local function day(seconds)
  local shown = os.date("!%Y-%m-%d", seconds)
  return shown
end

-- "3 days", "1 hour": the largest unit, rounded down.
local function span(seconds)
  for _, unit in ipairs { { DAY * 365, "year" }, { DAY, "day" }, { 3600, "hour" }, { 60, "minute" } } do
    local count = seconds // unit[1]
    if count >= 1 and (unit[1] < DAY * 365 or count >= 2) then
      return ("%d %s%s"):format(count, unit[2], count == 1 and "" or "s")
    end
  end
  return "less than a minute"
end

local function leafof(facts)
  return facts.host and "certificate of " .. escape(facts.host) or "certificate"
end

-- Which certificate of the chain is meant.
local function who(facts, c)
  if facts.depth == 0 or not c then return leafof(facts) end
  local kind = c.self_issued and "authority certificate " or "intermediate certificate "
  return kind .. certificate.title(c)
end

local function subject(facts, c)
  return facts.depth == 0 and c and #c.subject > 0 and (" (subject %s)"):format(escape(c.subject)) or ""
end

-- ---- one sentence for each reason, and what to do next

local sentences = {}

function sentences.expired(facts, c)
  if not c or not c.not_after then return who(facts, c) .. " has expired" .. subject(facts, c) end
  local ago, on = span(facts.time - c.not_after), day(c.not_after)
  return ("%s expired %s ago, on %s%s"):format(who(facts, c), ago, on, subject(facts, c))
end

function sentences.not_yet_valid(facts, c)
  if not c or not c.not_before then return who(facts, c) .. " is not valid yet" .. subject(facts, c) end
  return ("%s is valid only in %s, from %s on%s"):format(who(facts, c), span(c.not_before - facts.time),
    day(c.not_before), subject(facts, c))
end

function sentences.self_signed(facts, c)
  return ("%s is signed by itself and not among the trusted ones%s"):format(who(facts, c), subject(facts, c))
end

function sentences.self_signed_root(_, c)
  return ("the chain ends in %s, which is not among the trusted authorities"):format(
    quoted(c and c.subject or "?"))
end

function sentences.unknown_issuer(facts, c)
  local came = facts.namesake and "what came with it in that name is another, by its key or its identifiers"
    or "did not come with it"
  return ("%s was issued by %s, which is not among the trusted authorities and %s"):format(
    who(facts, c), quoted(c and c.issuer or "?"), came)
end

function sentences.wrong_host(facts, c)
  local valid = c and certificate.valid(c) or {}
  return ("certificate is for %s and not for %s"):format(certificate.listed(valid, SHOWN),
    escape(facts.host or "that host"))
end

-- A name that looks like an address is none.
function sentences.wrong_address(facts, c)
  local host = escape(facts.host or "that address")
  if #c.addresses > 0 then
    return ("certificate is for %s and not for %s"):format(certificate.listed(c.addresses, SHOWN), host)
  end
  return ("certificate is for no address, only for the name%s %s, and not for the address %s"):format(
    #c.names == 1 and "" or "s", certificate.listed(c.names, SHOWN), host)
end

function sentences.no_names(facts, c)
  return ("certificate names no host at all, so it is not for %s%s"):format(escape(facts.host or "that host"),
    subject(facts, c))
end

function sentences.wrong_purpose(facts, c)
  local uses = c and (c.extended_key_usage or c.key_usage)
  return ("%s is not meant for this use%s"):format(who(facts, c),
    uses and #uses > 0 and ", but for " .. certificate.listed(uses, SHOWN) or "")
end

function sentences.weak_key(facts, c)
  local key = c and c.key
  local what = key and key.bits and (" of %d bits (%s)"):format(key.bits, escape(key.type)) or ""
  return ("%s has a key%s, which is too weak"):format(who(facts, c), what)
end

function sentences.weak_signature(facts, c)
  return ("%s is signed with %s, which is too weak"):format(who(facts, c),
    c and escape(c.signature_algorithm) or "a digest")
end

function sentences.malformed(facts, c)
  local unreadable = c and #c.malformed > 0
    and ("; of its extensions these cannot be read, or are there twice: %s"):format(
      certificate.listed(c.malformed, SHOWN)) or ""
  return ("%s breaks the rules for certificates%s%s"):format(who(facts, c), subject(facts, c), unreadable)
end

-- reason = what stands behind "certificate of HOST"
local PLAIN = {
  rejected = "is one that is explicitly not trusted here",
  not_a_ca = "has signed another one and is not an authority that may do so",
  path_length = "has more authorities below it than it allows",
  name_constraints = "is for a name that an authority above it may not sign for",
  revoked = "was revoked by its issuer",
  no_crl = "has an issuer of whom there is no revocation list",
  bad_crl = "has an issuer whose revocation list is out of date or not signed by it",
  bad_signature = "has a signature that its issuer did not make",
  too_long = "stands in a chain that is longer than allowed",
  unknown_extension = "has a critical extension that is not understood here",
  other = "cannot be verified",
}

for reason, text in pairs(PLAIN) do
  sentences[reason] = function(facts, c)
    return ("%s %s%s"):format(who(facts, c), text, subject(facts, c))
  end
end

local hints = {
  expired = "The owner has to renew it. If it was renewed, the server still serves the old one: "
    .. "reload it. Check this machine's clock too.",
  not_yet_valid = "Check this machine's clock first; otherwise the certificate was put into use "
    .. "too early.",
  self_signed = "Compare its fingerprint with the owner, then trust exactly this one: put it in a "
    .. "file and give that as cafile.",
  self_signed_root = "If that is an authority of your own, give its certificate as cafile, or add "
    .. "it to the system's store. Otherwise somebody on the way, such as a proxy or a virus "
    .. "scanner, answers in the server's place.",
  unknown_issuer = "Mostly the server does not send its intermediate certificates: its operator "
    .. "has to configure the full chain. If the authority is your own, give its certificate as "
    .. "cafile.",
  wrong_host = "Ask for one of the names that the certificate is for, or have it issued anew with "
    .. "this name. A server with several sites picks the certificate by the name that is sent "
    .. "(SNI).",
  wrong_address = "Connect by name, or have the certificate issued with this address as an IP "
    .. "entry of subjectAltName: an address written as a name does not count.",
  no_names = "Have it issued anew with subjectAltName: the common name (CN) has not counted for "
    .. "years.",
  wrong_purpose = "Use a certificate whose extended key usage has serverAuth for servers, "
    .. "clientAuth for clients.",
  not_a_ca = "Somebody signed with a certificate that is not for signing. Do not trust this "
    .. "chain.",
  path_length = "The authority has to issue with fewer intermediates.",
  name_constraints = "The authority may sign for some names only: use one that may sign for this "
    .. "name.",
  weak_key = "Have it issued anew with an EC P-256 key, or RSA of 2048 bits or more.",
  weak_signature = "Have it issued anew with SHA-256: MD5 and SHA-1 can be forged.",
  revoked = "Do not trust it. The owner has to get a new certificate, with a new key.",
  no_crl = "Give a current revocation list of that issuer, or do without `crl`.",
  bad_crl = "Fetch the revocation list anew from the address in crl_urls.",
  bad_signature = "The certificate was changed, or its issuer's name is used by another key. Do "
    .. "not trust it.",
  too_long = "Raise `depth`, if a chain of that length is expected.",
  unknown_extension = "What the extension demands cannot be honoured here, so the certificate "
    .. "cannot be accepted.",
  malformed = "Have it issued anew: the fields of err.certificate show what is in it.",
}

-- ---- the error

local function object(item)
  if type(item) ~= "string" then return item end
  return (certificate.new(item))
end

-- Names are wrong in one of three ways.
local function refine(reason, facts, c)
  if reason ~= "wrong_host" and reason ~= "wrong_address" then return reason end
  if not c then return "wrong_host" end
  if #certificate.valid(c) == 0 then return "no_names" end
  local _, address = certificate.target(facts.host or "")
  return address and "wrong_address" or "wrong_host"
end

-- Why the issuer of `c` was not found: the place of one of the two that is broken, which OpenSSL takes for
-- nobody's issuer or subject, and it; or nil, and one that has the issuer's name alone.
local function unfound(chain, c)
  local namesake
  for place, item in ipairs(chain) do
    local one = object(item)
    local named = one and one ~= c and one.subject == c.issuer
    if one and (one == c or named) and one.broken then return place, one end
    if named then namesake = one end
  end
  return nil, namesake
end

---The error of a chain that is not trusted. facts: number (X509_V_ERR_*), depth, chain (DER or
---certificates, the leaf first), host, time, and `certificate` where it is known which one is at fault.
function verification.failure(op, facts)
  local chain = facts.chain or {}
  local known = { depth = facts.depth or 0, host = facts.host, time = facts.time or os.time() }
  local c = object(facts.certificate or chain[known.depth + 1])
  local leaf = object(chain[1])
  local reason = refine(core.reasons[facts.number] or "other", known, c)
  if reason == "unknown_issuer" and c then
    local place, one = unfound(chain, c)
    if place then reason, known.depth, c = "malformed", place - 1, one else known.namesake = one end
  end
  local err = fail(op, "TLS_VERIFY", sentences[reason](known, c))
  err.reason, err.depth, err.certificate, err.hint = reason, known.depth, c, hints[reason]
  err.host = facts.host
  if leaf then err.names = certificate.valid(leaf) end
  return err
end

return verification
