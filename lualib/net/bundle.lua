-- net.bundle: certificates out of texts and files, and what stands there instead.

local certificate = require "net.certificate"
local core = require "net.core.x509"
local errors = require "net.core.error"
local escape = require "net.text".escape

local bundle = {}

local LIMIT = 1 << 24 -- bytes of a file
local MOST = 1000 -- certificates in a list

-- A pattern of the word in -----BEGIN ...----- = what it is.
local BLOCKS = {
  { "PRIVATE KEY$", "a private key" }, { "PUBLIC KEY$", "a public key" },
  { "CERTIFICATE REQUEST$", "a certificate request (CSR)" }, { "X509 CRL$", "a revocation list (CRL)" },
  { "PKCS7$", "a PKCS #7 bundle" }, { "CMS$", "a PKCS #7 bundle" }, { "PARAMETERS$", "parameters of a key" },
}

local function block(label)
  for _, row in ipairs(BLOCKS) do
    if label:find(row[1]) then return row[2] end
  end
  return "a block of " .. escape(label)
end

-- What data is that has no certificate.
local function instead(data, labels)
  if #labels > 0 then return "it is " .. block(labels[1]) end
  if data == "" then return "there is nothing in it" end
  if data:find "^%s*<" then return "it is a page of HTML or XML" end
  if data:find "^0" then return "it begins like DER, but not as a certificate does" end
  return "it has no line -----BEGIN CERTIFICATE-----"
end

local function refuse(op, why)
  return nil, errors.new(op, "X509_PARSE", "not a certificate: " .. why)
end

local function isder(data)
  return data:byte() == 0x30 and not data:find("-----BEGIN ", 1, true)
end

---The bytes of the certificates in PEM, or of one in DER: a list of DER.
function bundle.ders(data, op)
  if isder(data) then
    local c, err = certificate.new(data)
    if c then return { data } end
    if err.code ~= "TOOBIG" then return refuse(op, instead(data, {})) end
    err.op = op
    return nil, err
  end
  local ders, labels = core.split(data)
  if not ders then
    labels.op = op
    return nil, labels
  end
  if #ders == 0 then return refuse(op, instead(data, labels)) end
  return ders
end

---The same as certificates. `count`: no more of them.
function bundle.parse(data, op, count)
  local ders, err = bundle.ders(data, op)
  if not ders then return nil, err end
  local list = {}
  for index = 1, math.min(#ders, count or #ders) do
    local c, problem = certificate.new(ders[index])
    if not c and problem.code ~= "TOOBIG" then return refuse(op, ("block %d is damaged"):format(index)) end
    if not c then return nil, problem end
    list[index] = c
  end
  return list
end

local function read(path)
  local file, _, number = io.open(path, "rb")
  if not file then return nil, number end
  local held <close> = file -- luacheck: ignore held
  local data, _, problem = file:read(LIMIT + 1)
  if problem then return nil, problem end
  return data or ""
end

---The bytes of a file, whose name the errors have.
function bundle.file(path, op)
  local data, number = read(path)
  local err
  if not data then err = errors.errno(op, number) end
  if data and #data > LIMIT then err = errors.new(op, "TOOBIG", "a file of more than 16 MiB") end
  if err then err.address = path end
  return not err and data or nil, err
end

---The certificates of a file, as a list of DER.
function bundle.filed(path, op)
  local data, problem = bundle.file(path, op)
  if not data then return nil, problem end
  local ders, err = bundle.ders(data, op)
  if err then err.address = path end
  return ders, err
end

---The certificates of a file.
function bundle.load(path, op)
  local data, problem = bundle.file(path, op)
  if not data then return nil, problem end
  local list, err = bundle.parse(data, op)
  if err then err.address = path end
  return list, err
end

local function add(ders, item, op)
  if certificate.is(item) then
    ders[#ders + 1] = item.der
    return true
  end
  local more, err = bundle.ders(item, op)
  if not more then return nil, err end
  table.move(more, 1, #more, #ders + 1, ders)
  return true
end

---Whether a value is a certificate, text, or a list of both.
function bundle.accepts(value)
  if certificate.is(value) or type(value) == "string" then return true end
  if type(value) ~= "table" or getmetatable(value) then return false end
  for index, item in ipairs(value) do
    if not certificate.is(item) and type(item) ~= "string" then return false, index end
  end
  return true
end

---A certificate, text, or a list of both, as a list of DER.
function bundle.flatten(value, op)
  local ders = {}
  if certificate.is(value) or type(value) == "string" then value = { value } end
  for _, item in ipairs(value) do
    local fine, err = add(ders, item, op)
    if not fine then return nil, err end
    if #ders > MOST then return nil, errors.new(op, "TOOBIG", "more than 1,000 certificates") end
  end
  return ders
end

return bundle
