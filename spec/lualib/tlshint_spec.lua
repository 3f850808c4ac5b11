local hint = require "net.tlshint"
local newerror = require "net.core.error".new

local function complete(fields)
  local err = newerror("handshake", "TLS_HANDSHAKE", fields.message)
  for name, value in pairs(fields) do err[name] = value end
  return hint.complete(err)
end

describe("the error of a handshake", function()
  it("names what the peer spoke instead", function()
    for received, word in pairs {
      ["HTTP/1.1 400 Bad"] = "plain HTTP", ["<html>"] = "plain HTTP", ["220-mail"] = "SMTP or FTP",
      ["* OK IMAP"] = "IMAP", ["+OK POP"] = "POP3", ["SSH-2.0-x"] = "SSH", ["GET / HTTP/1.1"] = "plain HTTP",
      ["GET /a-long-path-that-is-cut"] = "plain HTTP", ["GET http://a.test/"] = "plain HTTP",
      ["CONNECT a.test:443"] = "plain HTTP",
      ["RFB 003.008"] = "VNC",
    } do
      local err = complete { received = received, message = "wrong version number" }

      assert.equal(("the peer speaks %s here, not TLS"):format(word), err.message)
      assert.matches(word, err:explain(), 1, true)
    end
  end)

  it("says so where the peer spoke nothing that is known", function()
    -- Any word in capitals, such as a greeting of SMTP's client, was taken for HTTP.
    for _, received in ipairs { "\1\2\3\4", "EHLO a.test\r\n", "PROXY TCP4 1.2.3.4", "QUIT\r\n" } do
      local err = complete { received = received, message = "wrong version number" }

      assert.equal("the peer does not speak TLS here", err.message)
    end
  end)

  it("takes no TLS record for something else", function()
    local err = complete { received = "\22\3\3\0\1", message = "bad extension" }

    assert.equal("bad extension", err.message)
  end)

  it("has what to do about an alert and about reasons of this side", function()
    local required = complete { alert = "certificate_required" }
    assert.matches("certificate of this client", required:explain(), 1, true)
    for _, alert in ipairs { "bad_certificate", "certificate_expired", "certificate_revoked",
      "certificate_unknown", "unknown_ca", "unsupported_certificate" } do
      assert.matches("certificate", complete({ alert = alert }).hint, 1, true)
    end
    assert.matches("stronger", complete({ alert = "insufficient_security" }):explain(), 1, true)
    assert.matches("min", complete({ message = "unsupported protocol" }):explain(), 1, true)
    assert.is_true(#complete({ alert = "unheard of" }):explain() > 20)
  end)
end)
