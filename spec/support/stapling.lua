-- stapling: OCSP responses of the command openssl, about certificates of an authority.

local core = require "net.core.tlscontext"
local programs = require "server"

local stapling = {}

stapling.openssl = programs.find "openssl"

---A response in DER about `certificate`, issued by `by`. status: "V" valid, "R" revoked, "E" unknown.
---Signed by `signer` with its key, whose certificate is in it, unless `more` is "-resp_no_certs".
function stapling.respond(certificate, by, status, signer, key, days, more)
  local serial = certificate.serial:upper()
  local index = status == "E" and "" or ("%s\t%s\t%s\t%s\tunknown\t/CN=x\n"):format(status, "301231235959Z",
    status == "R" and "260101000000Z,keyCompromise" or "", serial)
  local run <close> = programs.start {
    command = ("exec '%s' ocsp -index index -CA ca.pem -rsigner signer.pem -rkey key.pem -issuer ca.pem "
      .. "-cert leaf.pem -no_nonce -ndays %d -respout response -noverify %s")
      :format(stapling.openssl, days or 3, more or ""),
    files = { index = index, ["index.attr"] = "unique_subject = no\n", ["ca.pem"] = by:pem(),
      ["leaf.pem"] = certificate:pem(), ["signer.pem"] = signer:pem(), ["key.pem"] = key },
  }
  local _, _, errors = run:wait()
  local response = assert(run:read "response", errors)
  return response
end

local function tlv(tag, ...)
  local body = table.concat { ... }
  local long = #body > 127 and string.char(#body >> 8, #body & 255)
  return string.char(tag, long and 0x82 or #body) .. (long or "") .. body
end

---A response about `certificate` that is whole, and signed by nobody.
function stapling.unsigned(certificate)
  local digest, time = tlv(4, ("\0"):rep(20)), tlv(0x18, "20260101000000Z")
  local serial = certificate.serial:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end)
  if serial:byte() > 127 then serial = "\0" .. serial end
  local id = tlv(0x30, tlv(0x30, "\6\5\43\14\3\2\26"), digest, digest, tlv(2, serial))
  local data = tlv(0x30, tlv(0xa2, digest), time, tlv(0x30, tlv(0x30, id, "\x80\0", time)))
  local basic = tlv(0x30, data, tlv(0x30, "\6\8\42\134\72\206\61\4\3\2"), tlv(3, "\0\0"))
  return tlv(0x30, tlv(10, "\0"), tlv(0xa0, tlv(0x30, "\6\9\43\6\1\5\5\7\48\1\1", tlv(4, basic))))
end

---A context for servers that staples any bytes, also what net.tls.context refuses.
function stapling.context(chain, key, bytes)
  local context = assert(net.tls.context { cert = chain, key = key })
  context.core = assert(core.context { cert = chain, key = key, staple = bytes })
  return context
end

return stapling
