-- net.tls: the public part of TLS. Its connections are those of net.connect, net.listen and starttls.

local check = require "net.check"
local contexts = require "net.tlscontext"

---TLS as net.connect, net.listen and starttls use it: contexts. Peers are verified unless an option of that
---one call says otherwise; TLS 1.2 is the oldest version that is spoken.
---@class net.tls
local tls = {}

---The options of net.tls.context. All are optional. Where a field is a file's content it may be given as the
---path of the file or as the text itself, which begins with "-----BEGIN" somewhere.
---@class net.tls.context.options
---@field ca? string authorities to trust, PEM text or path; the system's if neither ca, cafile nor capath
--- is there
---@field cafile? string path of a file with authorities to trust, besides `ca`
---@field capath? string folder of such files by the hash of their names, see openssl-rehash(1)
---@field cert? string our certificate and those that lead to its authority, PEM text or path; with `key`
---@field key? string private key of `cert`, PEM text or path
---@field password? string of an encrypted key
---@field client_ca? string of a server: authorities of client certificates, PEM text or path; clients must
--- then have one. Such a context is for servers only
---@field verify? boolean|"optional" of a client: false believes any certificate; true if absent. Of a
--- server: true demands a certificate of the client, "optional" takes those without one too; by client_ca
--- if absent
---@field verify_time? integer seconds since 1970 for which certificates are judged; now if absent
---@field depth? integer certificates between ours and theirs, 0 to 100; 100 if absent
---@field partial_chain? boolean trusts certificates of `ca` that are no roots; false if absent
---@field crl? string lists of revoked certificates, PEM text or path, no deltas: the certificate itself must
--- have one
---@field crl_all? boolean authorities too must have one; false if absent
---@field min? "TLSv1"|"TLSv1.1"|"TLSv1.2"|"TLSv1.3" oldest version; "TLSv1.2" if absent. Older ones need
--- security_level 0
---@field max? "TLSv1"|"TLSv1.1"|"TLSv1.2"|"TLSv1.3" newest version; "TLSv1.3" if absent
---@field ciphers? string of TLS 1.2, as in openssl-ciphers(1), without @SECLEVEL
---@field ciphersuites? string of TLS 1.3: "TLS_AES_128_GCM_SHA256:..."
---@field groups? string of the key exchange: "X25519:P-256:..."; those that take long, ffdhe6144, ffdhe8192
--- and other fields of more than 4096 bits, only where it names one of the two
---@field security_level? integer 0 to 5, see SSL_CTX_set_security_level(3); 2, that is 112 bits, if absent
---@field alpn? string[] application protocols, the best first; of a server: its choice goes by this list,
--- and a client that offers only others is refused
---@field session? boolean sessions are resumed; true if absent, and never with psk
---@field keylog? string|false file that the secrets of the sessions are appended to, for Wireshark;
--- $SSLKEYLOGFILE if absent
---@field ocsp? boolean|"required"|string of a client: true asks for a stapled OCSP response and heeds it,
--- "required" takes no certificate without a good one, and true none that promises one itself (must
--- staple); no session is resumed then. Of a server: the response to staple, in DER
---@field psk? table keys that both sides know: {identity = key}, of a client one; keys are 1 to 256 bytes.
--- With TLS 1.3 they need a cipher suite with SHA-256

---Makes a context, reading its files at once: what cannot be used is told here and not with the first
---connection.
---@param options? net.tls.context.options an unknown field raises
---@return net.tls.context? context
---@return net.error? err TLS_CONFIG (what a field holds cannot be used, and why), ENOENT, EACCES ... of a
--- file
---@see SSL_CTX_new(3)
---```lua
---local context = assert(net.tls.context { min = "TLSv1.3", alpn = { "h2", "http/1.1" } })
---local _, err = net.tls.context { cafile = "/nonexistent" }
---assert(err.code == "TLS_CONFIG")
---```
function tls.context(options)
  if options == nil then options = {} end
  check.table("context", 1, options)
  local copy = {}
  for field, value in pairs(options) do
    if not contexts.isfield[field] then check.unknown("context", 1, field, contexts.isfield) end
    copy[field] = value
  end
  return contexts.make("context", 1, copy)
end

-- Loads with the first call.
function tls.negotiate(stream, protocol, options)
  return require("net.starttls").negotiate(stream, protocol, options)
end

return tls
