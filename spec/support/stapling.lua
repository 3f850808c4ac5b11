-- stapling: OCSP responses of the command openssl, about certificates of an authority.

local programs = require "server"

local stapling = {}

stapling.openssl = programs.find "openssl"

---A response in DER about `certificate`, issued by `by`. status: "V" valid, "R" revoked, "E" unknown.
---Signed by
---`signer` with its key, whose certificate is in it, unless `more` is "-resp_no_certs".
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

return stapling
