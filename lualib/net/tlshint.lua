-- net.tlshint: what a failed handshake tells: what to try next, from the alert that came or from what the
-- peer said instead of TLS.

local hint = {}

-- What servers begin with that speak something else: pattern, what that is, what to do.
local beginnings = {
  { "^HTTP/%d", "plain HTTP", "connect without TLS, or to its HTTPS port" },
  { "^<", "plain HTTP", "connect without TLS, or to its HTTPS port" },
  { "^220[ %-]", "SMTP or FTP", "begin in plain text and use starttls, or use its port for TLS" },
  { "^%* OK", "IMAP", "begin in plain text and use starttls, or use port 993" },
  { "^%+OK", "POP3", "begin in plain text and use starttls, or use port 995" },
  { "^SSH%-", "SSH", "this is not a TLS port" },
  { "^RFB ", "VNC", "this is not a TLS port" },
  { "^.\0\0\0\10", "MySQL", "begin in plain text and use starttls" },
  { "^%u+ /", "plain HTTP", "the client has to use https" },
  { "^%u+ https?://", "plain HTTP", "the client has to use https" },
  { "^CONNECT ", "plain HTTP", "the client has to use https" },
}

-- Alerts by their names in RFC 8446.
local alerts = {
  handshake_failure = "The peer found nothing in common: versions, ciphers, groups or certificates. Try "
    .. "other versions with min and max, or ask which it speaks: netlua tls --protocols",
  protocol_version = "The peer speaks none of the versions that were offered. An old server may need "
    .. "min=\"TLSv1\" with security_level=0",
  unrecognized_name = "The server has no certificate for that name: check the name, or the server's "
    .. "virtual hosts",
  no_application_protocol = "The server speaks none of the protocols of the option alpn",
  certificate_required = "The server wants a certificate of this client: the options cert and key",
  bad_certificate = "The peer refuses our certificate",
  unknown_ca = "The peer does not trust the authority of our certificate, or knows it not: it may need "
    .. "the intermediate certificates in cert",
  certificate_expired = "Our certificate has ended: renew it",
  certificate_revoked = "The authority of our certificate has revoked it: get another one, with a new key",
  unsupported_certificate = "Our certificate is not for this use, or of a kind that the peer does not know: "
    .. "that of a client needs clientAuth among its extended key usages, if it has any",
  insufficient_security = "The peer demands stronger ciphers or keys than were offered: look at ciphers, "
    .. "groups, and the key of our certificate",
  certificate_unknown = "The peer refuses our certificate, without saying why",
  access_denied = "Our certificate is valid, and not allowed there",
  unknown_psk_identity = "The peer has no key under the identity of the option psk",
  decrypt_error = "The peer could not check what was sent: with psk, the two keys differ",
  internal_error = "The peer failed: its log knows why",
}

-- Reasons by the words of OpenSSL.
local reasons = {
  ["unsupported protocol"] = "The peer's version is older than `min`. An old server may need "
    .. "min=\"TLSv1\" with security_level=0",
  ["no shared cipher"] = "Client and server have no cipher in common, or the server has no certificate",
  ["dh key too small"] = "The server's key exchange is weak: it has to be mended, or security_level lowered. "
    .. "Or it has more than 4096 bits, which takes too long where `groups` does not name such a group",
  ["no protocols available"] = "No version lies between min and max with that security_level",
}

local function spoken(received)
  for _, row in ipairs(beginnings) do
    if received:find(row[1]) then return row end
  end
end

---Completes the error of a handshake: `hint`, and a message that says what the peer spoke.
function hint.complete(err)
  if err.alert then
    err.hint = alerts[err.wants_certificate and "certificate_required" or err.alert]
  elseif err.received then
    local row = spoken(err.received)
    if row and err.received:byte() ~= 22 then
      err.message = ("the peer speaks %s here, not TLS"):format(row[2])
      err.hint = "What came first is " .. row[2] .. ": " .. row[3] .. "."
      return err
    end
    if err.message == "wrong version number" or err.message == "packet length too long" then
      err.message = "the peer does not speak TLS here"
      err.hint = "What came first is no TLS record: check the port, or begin in plain text and use starttls."
    end
  end
  err.hint = err.hint or reasons[err.message]
  return err
end

return hint
