-- net.tlscontext: contexts of TLS and what their options mean, for net.tls and net.tlsstream. No function
-- here is public.

local core = require "net.core.tlscontext"
local session = require "net.core.tlssession"
local core_error = require "net.core.error"
local check = require "net.check"
local escape = require("net.text").escape

local contexts = {}

---What many connections have in common: whom to trust, who we are, versions and ciphers. net.tls.context
---makes them; the option tls of net.connect, net.listen and starttls takes one, alone or as its field
---`context`.
---@class net.tls.context
local context = {}
context.__index = context
context.__name = "net.tls.context"

local LONGEST_NAME = 255 -- bytes in one ALPN name
local LONGEST_LIST = 32768 -- bytes of all of them: the extensions of a ClientHello have 65,535 together
local LARGEST_FILE = 16 * 1024 * 1024
local PIECE = 65536 -- read at a time: what read is asked for is allocated, however short the file

local contextfields = {
  "ca", "cafile", "capath", "cert", "key", "password", "client_ca", "verify", "verify_time", "depth",
  "partial_chain", "crl", "crl_all", "min", "max", "ciphers", "ciphersuites", "groups", "security_level",
  "alpn", "session", "keylog", "ocsp", "psk",
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

-- What stands in the place of a path may be the secret itself.
local function shown(value)
  local path = #value <= 100 and not value:find "%c"
  return path and value or ("%d bytes that are no PEM text"):format(#value)
end

-- The text of a file, or that text as it was given.
local function content(field, value)
  if value:find("-----BEGIN", 1, true) then return value end
  local file, _, number = io.open(value, "rb")
  if not file then
    local err = core_error.errno("tls", number)
    err.message = ("option %q: %s: %s"):format(field, shown(value), err.message)
    err.hint = "Give the text of a file, with its line -----BEGIN, or the path of one that can be read."
    return nil, err
  end
  local held <close> = file -- luacheck: ignore held
  local parts, size = {}, 0
  while size < LARGEST_FILE do
    local piece, problem = file:read(PIECE)
    if not piece and not problem and size == 0 then
      return fail("option %q: %s is empty", field, shown(value))
    end
    if not piece then break end
    parts[#parts + 1], size = piece, size + #piece
  end
  if size == 0 or size >= LARGEST_FILE then
    return fail("option %q: %s cannot be read", field, shown(value))
  end
  return table.concat(parts)
end

-- Names for ALPN as they stand on the wire.
local function wirenames(name, arg, list)
  local parts = {}
  if type(list) ~= "table" or #list == 0 then bad(name, arg, "alpn", "list of names", list) end
  for key in pairs(list) do
    local place = math.type(key) == "integer" and key >= 1 and key <= #list
    if not place then bad(name, arg, "alpn", "names in a list alone", key) end
  end
  for index = 1, #list do
    local word = list[index]
    local good = type(word) == "string" and #word >= 1 and #word <= LONGEST_NAME
    if not good then bad(name, arg, ("alpn[%d]"):format(index), "string of 1 to 255 bytes", word) end
    parts[index] = string.pack("s1", word)
  end
  local wire = table.concat(parts)
  if #wire > LONGEST_LIST then
    bad(name, arg, "alpn", ("names of at most %d bytes in all"):format(LONGEST_LIST), #wire)
  end
  return wire
end

local function sharedkeys(name, arg, keys)
  local list = {}
  if keys == nil then return nil end
  if type(keys) ~= "table" then bad(name, arg, "psk", "table", keys) end
  if next(keys) == nil then bad(name, arg, "psk", "at least one key", "none") end
  for identity, key in pairs(keys) do
    local good = type(identity) == "string" and #identity >= 1 and #identity <= 128 and not identity:find "\0"
      and type(key) == "string" and #key >= 1 and #key <= 256
    if not good then
      bad(name, arg, "psk", "identities of 1 to 128 bytes with keys of 1 to 256 bytes", "another")
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

-- Words of openssl-ciphers(1) that an OpenSSL may have no cipher for.
local CLASSES = {}
for word in ([[
  3DES ADH AECDH AES AES128 AES256 AESCCM AESCCM8 AESGCM ARIA ARIA128 ARIA256 ARIAGCM CAMELLIA CAMELLIA128
  CAMELLIA256 CBC CHACHA20 DES DSS ECDH EDH EXP EXPORT EXPORT40 EXPORT56 GOST89MAC GOST94 IDEA KRB5 LOW MD5
  MEDIUM PSK RC2 RC4 SEED SRP SSLv2 SSLv3 aDH aDSS aECDH aGOST aGOST01 aGOST12 aKRB5 aPSK aSRP eNULL kDH kDHd
  kDHEPSK kDHr kECDH kECDHEPSK kECDHe kECDHr kEDH kGOST kGOST18 kKRB5 kPSK kRSAPSK kSRP aNULL
]]):gmatch "%S+" do CLASSES[word] = true end

-- Of a cipher that an OpenSSL may have no more it can still be said that it is not wanted.
local GONE = {
  DES = true, EXP = true, IDEA = true, KRB5 = true, MD5 = true, RC2 = true, RC4 = true, SEED = true,
}

local function gone(word)
  for part in word:gmatch "[^%-]+" do
    if GONE[part] then return true end
  end
end

-- The words to ask OpenSSL about; nil and one that is wrong anyway. "DEFAULT" is a word at the beginning
-- only, "@..." a command.
local function cipherwords(text)
  local words, first = {}, true
  for word in text:gmatch "[^:;, ]+" do
    local sign, rest = word:match "^([!+%-]?)(.*)$"
    for part in rest:gmatch "[^+]+" do
      if part == "DEFAULT" and not (first and sign == "") then return nil, part end
      local known = CLASSES[part] or part:find "^@" or (sign == "!" or sign == "-") and gone(part)
      if not known then words[#words + 1] = part end
    end
    first = false
  end
  return words
end

local function wordsof(text)
  local words = {}
  for word in (text .. ":"):gmatch "([^:]*):" do words[#words + 1] = word:match "^%s*(.-)%s*$" end
  return words
end

local lists = {
  { "ciphers", cipherwords, "no cipher of TLS 1.2" },
  { "ciphersuites", wordsof, "no cipher suite of TLS 1.3" },
  { "groups", wordsof, "no group" },
}

-- nil, err for a list with a word that stands for nothing: of most OpenSSL says nothing.
local function checkwords(options)
  for _, row in ipairs(lists) do
    local field, split, what = table.unpack(row)
    local text, words, word = options[field], nil, nil
    if type(text) == "string" and text ~= "" and not text:find "\0" then words, word = split(text) end
    word = word or words and core.unknown(field, words)
    if word then
      if #word > LONGEST_NAME then word = word:sub(1, LONGEST_NAME) .. "..." end
      return fail('option %q: "%s" is %s that is known here', field, escape(word), what)
    end
  end
  return true
end

-- The table for the binding; nil, err where a file cannot be read.
local function corefields(name, arg, options, serving)
  local fields, ok, err = {}, checkwords(options)
  if not ok then return nil, err end
  for _, field in ipairs(plain) do fields[field] = options[field] end
  for _, field in ipairs(contents) do
    local value = options[field]
    if value ~= nil and (type(value) ~= "string" or value:find "\0") then
      bad(name, arg, field, "PEM text or path", type(value) == "string" and "one with NUL" or value)
    end
    if value ~= nil then fields[field], err = content(field, value) end
    if err then return nil, err end
  end
  if options.cert and not options.key then return fail 'option "cert" needs the option "key" beside it' end
  if options.key and not options.cert then return fail 'option "key" needs the option "cert" beside it' end
  -- OpenSSL would let it set the level of certificates, too, whatever the option says.
  if type(options.ciphers) == "string" and options.ciphers:find("@SECLEVEL", 1, true) then
    return fail 'option "ciphers": the level is said by the option "security_level", not by @SECLEVEL'
  end
  if options.alpn ~= nil then fields.alpn = wirenames(name, arg, options.alpn) end
  fields.psk = sharedkeys(name, arg, options.psk)
  local staple = type(options.ocsp) == "string" and options.ocsp ~= "required"
  if staple then fields.staple = options.ocsp end
  if options.keylog == nil then fields.keylog = core.environment "SSLKEYLOGFILE" end
  if options.keylog then fields.keylog = options.keylog end
  local verifies = not serving or options.verify
  local own = options.ca or options.cafile or options.capath or options.client_ca
  fields.system = verifies and not own or nil
  return fields
end

-- What a server cannot staple to its certificate would be found out by its clients alone.
local function checkstaple(fields)
  if not fields.staple then return true end
  local leaf = fields.cert and require("net.x509").parse(fields.cert)
  local problem = require("net.core.ocsp").problem(fields.staple, leaf and leaf.der)
  if problem then return fail('option "ocsp": %s', problem) end
  return true
end

-- A context of options that are checked in the name of a function. serving: for a server only.
function contexts.make(name, arg, options, serving)
  checkverify(name, arg, options.verify)
  checkocsp(name, arg, options.ocsp)
  local fields, err = corefields(name, arg, options, serving)
  if not fields then return nil, err end
  local made
  made, err = check.callat(name, arg, core.context, fields)
  if not made and err.op == "keylog" and options.keylog == nil then -- the variable is no reason to fail
    fields.keylog = nil
    made, err = check.callat(name, arg, core.context, fields)
  end
  if not made then return nil, err end
  local ok
  ok, err = checkstaple(fields)
  if not ok then return nil, err end
  local kept = { -- no more than is asked for later: neither keys nor what the caller may change
    verify = options.verify, verify_time = options.verify_time, session = options.session,
    ocsp = options.ocsp, cert = options.cert and true, client_ca = options.client_ca and true,
  }
  local self = { core = made, options = kept, sessions = session.cache(), psk = fields.psk ~= nil,
    keys = fields.psk and #fields.psk or 0 }
  return setmetatable(self, context)
end

function context:__tostring()
  return ("net.tls.context (%p)"):format(self)
end

-- Whether a host is a numeric address.
function contexts.isaddress(host)
  return require("net.certificate").target(host) == nil
end

-- Whether it is a context.
function contexts.is(value)
  return getmetatable(value) == context
end

local default

-- What connections use whose options name nothing that needs a context of their own.
function contexts.default()
  local err
  if not default then default, err = contexts.make("connect", 3, {}) end
  return default, err
end

contexts.isfield, contexts.wirenames, contexts.fail = isfield, wirenames, fail
contexts.checkverify, contexts.checkocsp = checkverify, checkocsp

return contexts
