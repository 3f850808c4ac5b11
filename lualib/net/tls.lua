-- net.tls: contexts, and what the options of TLS mean. The handshakes are in net.tlsstream.

local core = require "net.core.tlscontext"
local session = require "net.core.tlssession"
local core_error = require "net.core.error"
local check = require "net.check"

---TLS as net.connect, net.listen and starttls use it: contexts. Peers are verified unless an option of that one
---call says otherwise; TLS 1.2 is the oldest version that is spoken.
---@class net.tls
local tls = {}

---What many connections have in common: whom to trust, who we are, versions and ciphers. net.tls.context makes
---them; the option tls of net.connect, net.listen and starttls takes one, alone or as its field `context`.
---@class net.tls.context
local context = {}
context.__index = context
context.__name = "net.tls.context"

local LONGEST_NAME = 255 -- bytes in one ALPN name
local LARGEST_FILE = 16 * 1024 * 1024

---The options of net.tls.context. All are optional. Where a field is a file's content it may be given as the
---path of the file or as the text itself, which begins with "-----BEGIN" somewhere.
---@class net.tls.context.options
---@field ca? string authorities to trust, PEM text or path; the system's if neither ca, cafile nor capath is there
---@field cafile? string path of a file with authorities to trust, besides `ca`
---@field capath? string folder of such files by the hash of their names, see openssl-rehash(1)
---@field cert? string our certificate and those that lead to its authority, PEM text or path; with `key`
---@field key? string private key of `cert`, PEM text or path
---@field password? string of an encrypted key
---@field client_ca? string of a server: authorities of client certificates, PEM text or path; clients must then
--- have one. Such a context is for servers only
---@field verify? boolean|"optional" of a client: false believes any certificate; true if absent. Of a server: true
--- demands a certificate of the client, "optional" takes those without one too; by client_ca if absent
---@field verify_time? integer seconds since 1970 for which certificates are judged; now if absent
---@field depth? integer certificates between ours and theirs, 0 to 100; 100 if absent
---@field partial_chain? boolean trusts certificates of `ca` that are no roots; false if absent
---@field crl? string lists of revoked certificates, PEM text or path: the certificate itself must have one
---@field crl_all? boolean authorities too must have one; false if absent
---@field min? "TLSv1"|"TLSv1.1"|"TLSv1.2"|"TLSv1.3" oldest version; "TLSv1.2" if absent. Older ones need
--- security_level 0
---@field max? "TLSv1"|"TLSv1.1"|"TLSv1.2"|"TLSv1.3" newest version; "TLSv1.3" if absent
---@field ciphers? string of TLS 1.2, as in openssl-ciphers(1)
---@field ciphersuites? string of TLS 1.3: "TLS_AES_128_GCM_SHA256:..."
---@field groups? string of the key exchange: "X25519:P-256:..."
---@field security_level? integer 0 to 5, see SSL_CTX_set_security_level(3); 2, that is 112 bits, if absent
---@field alpn? string[] application protocols, the best first; of a server: its choice goes by this list, and a
--- client that offers only others is refused
---@field session? boolean sessions are resumed; true if absent
---@field keylog? string|false file that the secrets of the sessions are appended to, for Wireshark;
--- $SSLKEYLOGFILE if absent
---@field ocsp? boolean|"required"|string of a client: true asks for a stapled OCSP response and heeds it,
--- "required" takes no certificate without a good one. Of a server: the response to staple, in DER
---@field psk? table keys that both sides know: {identity = key}, of a client one; keys are 1 to 256 bytes

local contextfields = {
  "ca", "cafile", "capath", "cert", "key", "password", "client_ca", "verify", "verify_time", "depth",
  "partial_chain", "crl", "crl_all", "min", "max", "ciphers", "ciphersuites", "groups", "security_level", "alpn",
  "session", "keylog", "ocsp", "psk",
}
local isfield = {}
for _, name in ipairs(contextfields) do isfield[name] = true end

-- These are handed over as they are.
local plain = {
  "cafile", "capath", "password", "verify_time", "depth", "partial_chain", "crl_all", "min", "max", "ciphers",
  "ciphersuites", "groups", "security_level", "session",
}

-- Fields that are the content of a file.
local contents = { "ca", "cert", "key", "client_ca", "crl" }

local function fail(message, ...)
  return nil, core_error.new("tls", "TLS_CONFIG", message:format(...))
end

local function bad(name, arg, field, want, value)
  check.bad(name, arg, ("option %q: %s"):format(field, want), value)
end

-- The text of a file, or that text as it was given.
local function content(field, value)
  if value:find("-----BEGIN", 1, true) then return value end
  local file, why, number = io.open(value, "rb")
  if not file then
    local err = core_error.errno("open", number)
    err.message = why
    return nil, err
  end
  local held <close> = file -- luacheck: ignore held
  local text = file:read(LARGEST_FILE)
  if not text or #text == LARGEST_FILE then return fail("option %q: %s cannot be read", field, value) end
  return text
end

-- Names for ALPN as they stand on the wire.
local function wirenames(name, arg, list)
  local parts = {}
  if type(list) ~= "table" or #list == 0 then bad(name, arg, "alpn", "list of names", list) end
  for index, word in ipairs(list) do
    local good = type(word) == "string" and #word >= 1 and #word <= LONGEST_NAME
    if not good then bad(name, arg, ("alpn[%d]"):format(index), "string of 1 to 255 bytes", word) end
    parts[index] = string.pack("s1", word)
  end
  return table.concat(parts)
end

local function sharedkeys(name, arg, keys)
  local list = {}
  if keys == nil then return nil end
  if type(keys) ~= "table" then bad(name, arg, "psk", "table", keys) end
  for identity, key in pairs(keys) do
    local good = type(identity) == "string" and #identity >= 1 and #identity <= 128 and not identity:find "\0"
      and type(key) == "string" and #key >= 1 and #key <= 256
    if not good then
      check.bad(name, arg, 'option "psk": identities of 1 to 128 bytes with keys of 1 to 256 bytes', "another")
    end
    list[#list + 1] = { identity, key }
  end
  return list
end

local function checkverify(name, arg, value)
  if value == nil or type(value) == "boolean" or value == "optional" then return end
  bad(name, arg, "verify", 'boolean or "optional"', value)
end

local function checkocsp(name, arg, value)
  if value == nil or type(value) == "boolean" or type(value) == "string" then return end
  bad(name, arg, "ocsp", 'boolean, "required" or a response in DER', value)
end

-- The table for the binding; nil, err where a file cannot be read.
local function corefields(name, arg, options, serving)
  local fields, err = {}, nil
  for _, field in ipairs(plain) do fields[field] = options[field] end
  for _, field in ipairs(contents) do
    local value = options[field]
    if value ~= nil and (type(value) ~= "string" or value:find "\0") then
      bad(name, arg, field, "PEM text or path", value)
    end
    if value ~= nil then fields[field], err = content(field, value) end
    if err then return nil, err end
  end
  if options.cert and not options.key then return fail 'option "cert" needs the option "key" beside it' end
  if options.key and not options.cert then return fail 'option "key" needs the option "cert" beside it' end
  if options.alpn ~= nil then fields.alpn = wirenames(name, arg, options.alpn) end
  fields.psk = sharedkeys(name, arg, options.psk)
  local staple = type(options.ocsp) == "string" and options.ocsp ~= "required"
  if staple then fields.staple = options.ocsp end
  if options.keylog == nil then fields.keylog = core.environment "SSLKEYLOGFILE" end
  if options.keylog then fields.keylog = options.keylog end
  local verifies = not serving or options.verify
  fields.system = verifies and not (options.ca or options.cafile or options.capath or options.client_ca) or nil
  return fields
end

-- A context of options that are checked in the name of a function. serving: for a server only.
function tls.make(name, arg, options, serving)
  checkverify(name, arg, options.verify)
  checkocsp(name, arg, options.ocsp)
  local fields, err = corefields(name, arg, options, serving)
  if not fields then return nil, err end
  local made
  made, err = check.callat(name, arg, core.context, fields)
  if not made then return nil, err end
  local self = { core = made, options = options, sessions = session.cache(), psk = fields.psk ~= nil }
  return setmetatable(self, context)
end

---Makes a context, reading its files at once: what cannot be used is told here and not with the first
---connection.
---@param options? net.tls.context.options an unknown field raises
---@return net.tls.context? context
---@return net.error? err TLS_CONFIG (what a field holds cannot be used, and why), ENOENT, EACCES ... of a file
---@see SSL_CTX_new(3)
---```lua
---local context = assert(net.tls.context { min = "TLSv1.3", alpn = { "h2", "http/1.1" } })
---local _, err = net.tls.context { cafile = "/nonexistent" }
---assert(err.code == "TLS_CONFIG")
---```
function tls.context(options)
  if options == nil then options = {} end
  check.table("context", 1, options)
  for field in pairs(options) do
    if not isfield[field] then check.unknown("context", 1, field) end
  end
  local copy = {}
  for field, value in pairs(options) do copy[field] = value end
  return tls.make("context", 1, copy)
end

function context:__tostring()
  return ("net.tls.context (%p)"):format(self)
end

-- Whether it is a context.
function tls.is(value)
  return getmetatable(value) == context
end

-- Loads with the first call.
function tls.negotiate(stream, protocol, options)
  return require("net.starttls").negotiate(stream, protocol, options)
end

local default

-- What connections use whose options name nothing that needs a context of their own.
function tls.default()
  local err
  if not default then default, err = tls.make("connect", 3, {}) end
  return default, err
end

tls.isfield, tls.wirenames, tls.checkverify, tls.checkocsp, tls.fail = isfield, wirenames, checkverify, checkocsp, fail

return tls
