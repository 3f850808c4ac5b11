-- starttls: servers that speak in plain text before TLS, for tests: what they say in each protocol.

local starttls = {}

local XMPP = "urn:ietf:params:xml:ns:xmpp-tls"
local LDAP = "\x30\x1d\2\1\1\x77\x18\x80\x16" .. "1.3.6.1.4.1.1466.20037"
local SSLREQUEST = ("<I3I1I4I4I1"):pack(32, 1, 0x88a00, 1 << 24, 45) .. ("\0"):rep(23)

-- The first packet of MySQL with those capabilities.
local function mysql(capabilities)
  local payload = "\10" .. "8.0.36\0" .. ("\1\0\0\0" .. "12345678" .. "\0") .. ("<I2"):pack(capabilities)
    .. "\45\2\0" .. ("<I2"):pack(0xc1ff) .. "\21" .. ("\0"):rep(10)
    .. "123456789012\0caching_sha2_password\0"
  return ("<I3I1"):pack(#payload, 0) .. payload
end

local function bytes(count)
  return function(s) return s:read(count) end
end

local function tag(s)
  local data = s:read_until ">"
  return data and data .. ">"
end

-- XML declaration and header are two tags.
local function header(s)
  local first = tag(s)
  return first and first .. (tag(s) or "")
end

local line = function(s) return s:read() end

---protocol = list of steps: {what the client says (nil: nothing), what the server answers, read = a function
---that reads it}. `refusals` are answers with which the last step says no, `none` is {step, answer} that does
---not offer TLS.
starttls.dialogs = {
  smtp = {
    { nil, "220 mx.test ESMTP\r\n" },
    { "EHLO [127.0.0.1]", "250-mx.test\r\n250-SIZE 1000\r\n250-STARTTLS\r\n250 HELP\r\n", read = line },
    { "STARTTLS", "220 go ahead\r\n", read = line },
    refusals = { "454 TLS not available\r\n", "500-what\r\n500 no\r\n", "250 fine\r\n" },
    none = { 2, "250-mx.test\r\n250-XSTARTTLS\r\n250 HELP\r\n" },
  },
  ftp = {
    { nil, "220-Welcome\r\n to this server\r\n221 is no code here\r\n220 ready\r\n" },
    { "AUTH TLS", "234 proceed\r\n", read = line },
    refusals = { "500 no\r\n", "431-later\r\nsome text\r\n431 perhaps\r\n", "334 what\r\n" },
  },
  imap = {
    { nil, "* OK IMAP4rev1 ready\r\n" },
    { "a1 CAPABILITY", "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\na1 OK done\r\n", read = line },
    { "a2 STARTTLS", "* OK still here\r\na2 OK begin\r\n", read = line },
    refusals = { "a2 NO never\r\n", "a2 BAD what\r\n" },
    none = { 2, "* CAPABILITY IMAP4rev1 XSTARTTLS\r\na1 OK done\r\n" },
  },
  pop3 = {
    { nil, "+OK ready\r\n" },
    { "CAPA", "+OK list\r\nUSER\r\nSTLS\r\n.\r\n", read = line },
    { "STLS", "+OK begin\r\n", read = line },
    refusals = { "-ERR no\r\n" },
    none = { 2, "+OK list\r\nUSER\r\n.\r\n" },
  },
  ldap = {
    { LDAP, "\x30\x0c\2\1\1\x78\7\10\1\0\4\0\4\0", read = bytes(#LDAP) },
    refusals = {
      "\x30\x0e\2\1\1\x78\9\10\1\2\4\0\4\2no", "\x30\x10\2\1\0\x78\11\10\1\52\4\0\4\4bye!",
      "\x30\x81\x0f\2\1\1\x78\x81\9\10\1\2\4\0\4\2no",
    },
  },
  xmpp = {
    { "<?xml version='1.0'?><stream:stream to='x.test' version='1.0' xml:lang='en' xmlns='jabber:client' "
      .. "xmlns:stream='http://etherx.jabber.org/streams'>",
      "<?xml version='1.0'?><stream:stream from='x.test' id='1' xmlns='jabber:client' xmlns:stream="
      .. "'http://etherx.jabber.org/streams'><stream:features><starttls xmlns='" .. XMPP
      .. "'><required/></starttls></stream:features>", read = header },
    { "<starttls xmlns='" .. XMPP .. "'/>", "<proceed xmlns='" .. XMPP .. "'/>", read = tag },
    refusals = { "<failure xmlns='" .. XMPP .. "'/></stream:stream>",
      "<stream:error><policy-violation/>", "</stream:stream>" },
    none = { 1, "<stream:stream from='x.test'><stream:features><bind/></stream:features>" },
  },
  postgres = {
    { "\0\0\0\8\4\xd2\x16\x2f", "S", read = bytes(8) },
    refusals = { "N", "E" },
  },
  mysql = {
    { nil, mysql(0xffff) },
    { SSLREQUEST, "", read = bytes(36) },
    none = { 1, mysql(0xffff & ~0x800) },
  },
}

---The protocols, sorted.
starttls.protocols = {}
for name in pairs(starttls.dialogs) do table.insert(starttls.protocols, name) end
table.sort(starttls.protocols)

---Does the server's part of a protocol. `more`: {at = step, answer = other answer, behind = bytes after the
---answer of step `behindstep`, slowly = a byte at a time, domain = asked for}. Returns true, or false where
---the client says something else or nothing, and what it said.
function starttls.serve(s, protocol, more)
  more = more or {}
  local dialog = starttls.dialogs[protocol]
  for index, step in ipairs(dialog) do
    local heard = step.read and step.read(s)
    local wanted = step[1]
    if wanted and more.domain then wanted = wanted:gsub("x%.test", more.domain) end
    if heard ~= wanted then return false, heard end
    local answer = index == more.at and more.answer or step[2]
    if answer == true then return true end
    if index == (more.behindstep or #dialog) then answer = answer .. (more.behind or "") end
    for piece in answer:gmatch(more.slowly and "." or ".+") do
      if not s:write(piece) then return false end
      if more.slowly then net.sleep(0) end
    end
  end
  return true
end

local function copy(from, to)
  while true do
    local data = from:recv(65536)
    if not data or not to:write(data) then break end
  end
  to:shutdown "w"
end

---Does the server's part of MySQL, whose client goes on with TLS without waiting for an answer: what follows
---goes to a server with TLS at that address.
function starttls.relay(s, host, port)
  local request
  s:write(starttls.dialogs.mysql[1][2])
  local data = s:recv(65536)
  while data and #data < #SSLREQUEST do data = data .. (s:recv(65536) or "") end
  request, data = data:sub(1, #SSLREQUEST), data:sub(#SSLREQUEST + 1)
  if request ~= SSLREQUEST then return false, request end
  local other <close> = assert(net.connect(host, port))
  other:write(data)
  local scope <close> = net.scope()
  scope:spawn(copy, s, other)
  scope:spawn(copy, other, s)
  return scope:wait()
end

return starttls
