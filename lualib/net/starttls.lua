-- net.starttls: what client and server say in plain text before TLS begins, in the protocols that do so.
-- Nothing of it is protected: whatever comes is bounded in size, and no byte of it is left for what follows.

local socket = require "net.core.socket"
local check = require "net.check"
local escape = require "net.text".escape
local newerror = require "net.core.error".new
local timeout = require "net.task".timeout

---@class net.tls
local starttls = {}

local LINE = 2048 -- bytes of one line of a reply; RFC 5321 asks for 512
local LINES = 128 -- lines of one reply
local SHOWN = 200 -- bytes of what a server said, in a message
local MESSAGE = 4096 -- bytes of one message of LDAP
local PACKET = 2048 -- bytes of the first packet of MySQL
local TAG = 4096 -- bytes up to the end of a tag of XML
local TAGS = 256 -- tags in the features of a stream
local NAME = 255 -- bytes of a host name

-- ---- errors

local function said(reply)
  local cut = #reply > SHOWN and "..." or ""
  return escape(reply:sub(1, SHOWN)) .. cut
end

-- The server will not: `reply` is how it said so.
local function refused(message, reply)
  local err = newerror("starttls", "STARTTLS_REFUSED", message)
  err.reply = reply
  return nil, err
end

local function saidno(reply)
  return refused("the server refuses to begin TLS: " .. said(reply), reply)
end

local function offersnone(word)
  return refused(("the server does not offer %s"):format(word))
end

-- What came is nothing that the protocol has.
local function malformed(protocol, reply)
  local text = "the answer is none of %s: %s"
  local err = newerror("starttls", "EBADMSG", text:format(protocol, reply == "" and "(empty)" or said(reply)))
  err.reply = reply
  return nil, err
end

-- ---- reading

-- `cause`: the error that has what came before.
local function ended(what, cause)
  local err = newerror("starttls", "EOF", ("the server closed before %s"):format(what))
  err.partial = cause and cause.partial or ""
  return nil, err
end

-- The protocol promised it, so an end is an error.
local function line(s)
  local text, err = s:read_until("\n", LINE)
  if not text and (not err or err.code == "EOF") then return ended("its answer was complete", err) end
  if not text then return nil, err end
  return (text:gsub("\r$", ""))
end

local function need(s, count)
  local data, err = s:read(count)
  if not data and (not err or err.code == "EOF") then return ended("its answer was complete", err) end
  return data, err
end

local function toomuch(what)
  return nil, newerror("starttls", "TOOBIG", ("%s has no end: over %d lines"):format(what, LINES))
end

-- A reply of SMTP or FTP: code, lines. `loose`: the lines between may have any form, as FTP allows.
local function reply(s, protocol, loose)
  local lines, code = {}, nil
  while #lines < LINES do
    local text, err = line(s)
    if not text then return nil, err end
    local digits, mark = text:match "^(%d%d%d)([ %-]?)"
    if digits and #text > 3 and mark == "" then digits = nil end
    if not digits and not (loose and code) then return malformed(protocol, text) end
    if digits and code and digits ~= code and not loose then return malformed(protocol, text) end
    code = code or digits
    lines[#lines + 1] = text
    if digits == code and mark ~= "-" then return code, lines end
  end
  return toomuch "the reply"
end

-- Sends, where there is something to send, and reads with that function.
local function ask(s, words, read, ...)
  local good, err = true, nil
  if words then good, err = s:write(words) end
  if not good then return nil, err end
  return read(s, ...)
end

-- The lines of a reply that has to have that code; nil, err where it has another.
local function expect(s, words, wanted, protocol, loose)
  local code, lines = ask(s, words, reply, protocol, loose)
  if not code then return nil, lines end
  if code ~= wanted then return saidno(lines[1]) end
  return lines
end

-- ---- a rule for each protocol: talks until TLS begins; a true value | nil, err

local rules = {}

-- Who we are, to a mail server: RFC 5321, section 4.1.3, has a form for those without a name.
local function ownname(s)
  local address = s:getsockname()
  if type(address) ~= "string" or not address:find "^[%x.:]+$" then return "localhost" end
  return (address:find ":" and "[IPv6:%s]" or "[%s]"):format(address)
end

-- RFC 3207
function rules.smtp(s)
  local lines, err = expect(s, nil, "220", "SMTP")
  if lines then lines, err = expect(s, ("EHLO %s\r\n"):format(ownname(s)), "250", "SMTP") end
  if not lines then return nil, err end
  for _, text in ipairs(lines) do
    if text:upper():find "^250[ %-]STARTTLS%s*$" then return expect(s, "STARTTLS\r\n", "220", "SMTP") end
  end
  return offersnone "STARTTLS"
end

-- RFC 4217. A server that is busy says so with 120 and greets later.
function rules.ftp(s)
  local code, lines = reply(s, "FTP", true)
  if code == "120" then code, lines = reply(s, "FTP", true) end
  if not code then return nil, lines end
  if code ~= "220" then return saidno(lines[1]) end
  return expect(s, "AUTH TLS\r\n", "234", "FTP", true)
end

-- The lines before the answer of IMAP to the command of that tag, and the answer.
local function imapanswer(s, tag)
  local lines = {}
  while #lines < LINES do
    local text, err = line(s)
    if not text then return nil, err end
    if text:sub(1, #tag + 1) == tag .. " " then return lines, text:sub(#tag + 2) end
    if not text:find "^%* " then return malformed("IMAP", text) end
    lines[#lines + 1] = text
  end
  return toomuch "the reply"
end

-- Sends a command that has to succeed.
local function imapcommand(s, tag, command)
  local lines, answer = ask(s, ("%s %s\r\n"):format(tag, command), imapanswer, tag)
  if not lines then return nil, answer end
  if not answer:upper():find "^OK" then return saidno(answer) end
  return lines
end

-- RFC 2595, RFC 9051. A server that takes the client for known from the start never begins TLS.
function rules.imap(s)
  local greeting, err = line(s)
  if not greeting then return nil, err end
  local word = greeting:upper():match "^%* (%u+)"
  if word == "PREAUTH" or word == "BYE" then return saidno(greeting) end
  if word ~= "OK" then return malformed("IMAP", greeting) end
  local lines
  lines, err = imapcommand(s, "a1", "CAPABILITY")
  if not lines then return nil, err end
  for _, text in ipairs(lines) do
    local list = text:upper():match "^%* CAPABILITY( .*)$"
    local offered = list and (list .. " "):find(" STARTTLS ", 1, true)
    if offered then return imapcommand(s, "a2", "STARTTLS") end
  end
  return offersnone "STARTTLS"
end

-- The first line of an answer of POP3; nil, err where it is a no. `either`: false then.
local function popanswer(s, either)
  local text, err = line(s)
  if not text then return nil, err end
  if text:find "^%+OK" then return text end
  if not text:find "^%-ERR" then return malformed("POP3", text) end
  if either then return false end
  return saidno(text)
end

-- Whether STLS is among the capabilities; true too where the server has no list of them.
local function popoffers(s)
  local answer, err = popanswer(s, true)
  if answer == nil then return nil, err end
  if not answer then return true end
  local offered = false
  for _ = 1, LINES do
    local capability
    capability, err = line(s)
    if not capability then return nil, err end
    if capability == "." then return offered end
    offered = offered or capability:upper():find "^STLS%s*$" ~= nil
  end
  return toomuch "the list of capabilities"
end

-- RFC 2595
function rules.pop3(s)
  local greeting, err = popanswer(s)
  if not greeting then return nil, err end
  local offered
  offered, err = ask(s, "CAPA\r\n", popoffers)
  if offered == nil then return nil, err end
  if not offered then return offersnone "STLS" end
  return ask(s, "STLS\r\n", popanswer)
end

-- ---- LDAP: RFC 4511, section 4.14

local STARTTLS = "1.3.6.1.4.1.1466.20037"
local REQUEST = "\x30\x1d\2\1\1\x77\x18\x80\x16" .. STARTTLS -- message 1: an extended request of that name

-- One element of BER from a position: tag, content, the position behind; nil where it is none.
local function element(bytes, at)
  local tag, length = bytes:byte(at, at + 1)
  if not length then return nil end
  at = at + 2
  if length > 0x80 and length <= 0x84 then
    local octets = length - 0x80
    if at + octets > #bytes + 1 then return nil end
    length = (">I" .. octets):unpack(bytes, at)
    at = at + octets
  elseif length >= 0x80 then
    return nil -- without a length, which LDAP does not have, or too long
  end
  if length > #bytes - at + 1 then return nil end
  return tag, bytes:sub(at, at + length - 1), at + length
end

-- The bytes of one message, and no byte more.
local function ldapmessage(s)
  local head, err = need(s, 2)
  if not head then return nil, err end
  local length = head:byte(2)
  if head:byte() ~= 0x30 then return malformed("LDAP", head) end
  if length >= 0x80 then
    local octets = length - 0x80
    if octets < 1 or octets > 4 then return malformed("LDAP", head) end
    local more
    more, err = need(s, octets)
    if not more then return nil, err end
    length = (">I" .. octets):unpack(more)
  end
  if length > MESSAGE then return nil, newerror("starttls", "TOOBIG", "the answer is too long") end
  return need(s, length)
end

-- The elements of a content: {{tag, content}, ...}; nil where anything is left over.
local function elements(bytes)
  local list, at = {}, 1
  while at <= #bytes do
    local tag, content, after = element(bytes, at)
    if not tag then return nil end
    list[#list + 1] = { tag = tag, content = content }
    at = after
  end
  return list
end

-- id, code, text of an extended response; nil where it is none.
local function ldapresult(bytes)
  local message = elements(bytes) or {}
  local id, response = message[1], message[2]
  local shaped = id and id.tag == 2 and #id.content >= 1 and #id.content <= 4 and response
    and response.tag == 0x78
  if not shaped or message[3] and (message[3].tag ~= 0xa0 or message[4]) then return nil end
  local parts = elements(response.content) or {}
  local code, matched, text = parts[1], parts[2], parts[3]
  if not text or code.tag ~= 10 or #code.content ~= 1 or matched.tag ~= 4 or text.tag ~= 4 then return nil end
  return (">i" .. #id.content):unpack(id.content), code.content:byte(), text.content
end

function rules.ldap(s)
  local bytes, err = ask(s, REQUEST, ldapmessage)
  if not bytes then return nil, err end
  local id, code, text = ldapresult(bytes)
  if not id or id ~= 0 and id ~= 1 then return malformed("LDAP", bytes) end
  if id == 1 and code == 0 then return true end -- message 0 is the server's, which then closes
  return saidno(("result %d %s"):format(code, text))
end

-- ---- XMPP: RFC 6120, section 5

local HEADER = "<?xml version='1.0'?><stream:stream to='%s' version='1.0' xml:lang='en' "
  .. "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
local TLS = "urn:ietf:params:xml:ns:xmpp-tls"

-- The next tag: what stands between "<" and ">", and its name without prefix, "/" before an end.
local function nexttag(s)
  local text, err = s:read_until(">", TAG)
  if not text and (not err or err.code == "EOF") then return ended("its answer was complete", err) end
  if not text then return nil, err end
  local tag = text:match "^[^<]*<([^<]*)$"
  local slash, name = (tag or ""):match "^(/?)([^%s/>]+)"
  if not name then return malformed("XMPP", text) end
  return tag, slash .. name:gsub("^.*:", "")
end

-- An error of the stream, whose condition is the next tag, or its end.
local function streamended(s, tag, name)
  local condition = name == "error" and nexttag(s)
  return saidno(condition and ("%s %s"):format(tag, condition) or tag)
end

-- Reads the header and features of the stream: whether TLS is among them.
local function features(s)
  local offered = false
  for count = 1, TAGS do
    local tag, name = nexttag(s)
    if not tag then return nil, name end
    if count == 1 and name ~= "?xml" and name ~= "stream" then return malformed("XMPP", tag) end
    if name == "error" or name == "/stream" then return streamended(s, tag, name) end
    if name == "starttls" and tag:find(TLS, 1, true) then offered = true end
    if name == "/features" or name == "features" and tag:find "/$" then return offered end
  end
  return toomuch "the list of features"
end

function rules.xmpp(s, host)
  local offered, err = ask(s, HEADER:format(host), features)
  if offered == nil then return nil, err end
  if not offered then return offersnone "starttls" end
  local tag, name = ask(s, ("<starttls xmlns='%s'/>"):format(TLS), nexttag)
  if not tag then return nil, name end
  if name == "failure" or name == "error" or name == "/stream" then return streamended(s, tag, name) end
  if name ~= "proceed" or not tag:find(TLS, 1, true) then return malformed("XMPP", tag) end
  if tag:find "/$" then return true end
  tag, name = nexttag(s)
  if not tag then return nil, name end
  if name ~= "/proceed" then return malformed("XMPP", tag) end
  return true
end

-- ---- databases

-- SSLRequest of PostgreSQL: one byte answers it. An error's text is not looked at: anybody may have sent it.
function rules.postgres(s)
  local answer, err = ask(s, (">I4I4"):pack(8, 80877103), need, 1)
  if not answer then return nil, err end
  if answer == "S" then return true end
  if answer == "N" then return refused("the server has no TLS for this client", answer) end
  if answer == "E" then
    return refused("the server answers with an error, and not whether it has TLS", answer)
  end
  return malformed("PostgreSQL", answer)
end

local SSL = 0x800 -- CLIENT_SSL
local WANTED = 0x200 | SSL | 0x8000 | 0x80000 -- protocol 4.1, TLS, secure connection, plugins
local LARGEST = 1 << 24 -- bytes of a packet that we take
local UTF8MB4 = 45

-- The capabilities in the first packet of MySQL: nil where it has none.
local function capabilities(packet)
  local behind = packet:match "^\10[^\0]*\0()"
  local at = behind and behind + 4 + 8 + 1 -- thread, challenge, filler
  return at and at + 1 <= #packet and ("<I2"):unpack(packet, at) or nil
end

function rules.mysql(s)
  local head, err = need(s, 4)
  if not head then return nil, err end
  local length, sequence = ("<I3I1"):unpack(head)
  if length == 0 or length > PACKET or sequence ~= 0 then return malformed("MySQL", head) end
  local packet
  packet, err = need(s, length)
  if not packet then return nil, err end
  if packet:byte() == 0xff then return saidno(packet:sub(4)) end
  local offered = capabilities(packet)
  if not offered then return malformed("MySQL", packet) end
  if offered & SSL == 0 then return refused "the server has no TLS" end
  return s:write(("<I3I1I4I4I1"):pack(32, 1, WANTED, LARGEST, UTF8MB4), ("\0"):rep(23))
end

-- ---- the public function

-- Where TLS begins the server is silent. What has come all the same would count as protected.
local function silent(s)
  local data, err = s:peek(1, 0)
  if data then
    return nil, newerror("starttls", "TLS_PLAINTEXT", "the server sent plain bytes behind its go-ahead")
  end
  if not err then return ended("TLS began") end
  if err.code ~= "TIMEOUT" then return nil, err end
  return true
end

local function talk(s, protocol, host)
  local good, err = rules[protocol](s, host)
  if not good then return nil, err end
  return silent(s)
end

local names = {}
for name in pairs(rules) do names[#names + 1] = name end
table.sort(names)

local OPTIONS = { host = { "text" }, timeout = { "number", 0, 2 ^ 53 } }

-- What may stand in an attribute of XML without escapes, and in no line end.
local function checkhost(protocol, host)
  if host == nil and protocol ~= "xmpp" then return end
  local good = host and #host > 0 and #host <= NAME and not host:find "[^%w._:%-%%%[%]]"
  if not good then check.bad("negotiate", 3, 'option "host": name or address', host) end
end

---Says to a server in plain text that TLS begins now, in the way of its protocol, from its greeting on. The
---stream then stands where the handshake begins, which starttls does. Servers that do not offer it, and
---such as go on talking, are refused; nothing secret is sent. Where it fails the stream is of no more use.
---@async
---@param stream net.stream connected, and nothing read from it
---@param protocol "smtp"|"imap"|"pop3"|"ftp"|"ldap"|"xmpp"|"postgres"|"mysql" what the server speaks
---@param options? {host: string?, timeout: number?} host: of xmpp the domain that is asked for, which it
--- needs; of the others it is not used. timeout: seconds for all of it
---@return net.stream? stream
---@return net.error? err STARTTLS_REFUSED (`reply` is what the server said), EBADMSG (the server speaks
--- something else), TLS_PLAINTEXT (it said more than it may), EOF, TOOBIG, ECONNRESET, EPIPE, TIMEOUT, CLOSED
--- or BUSY
---@see net.stream.starttls, RFC 3207, RFC 9051, RFC 2595, RFC 4217, RFC 4511, RFC 6120
---```lua
---local client, server = net.pair()
---server:write "* OK ready\r\n* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK\r\na2 OK begin\r\n"
---assert(net.tls.negotiate(client, "imap", { timeout = 1 }) == client)
---assert(server:read() == "a1 CAPABILITY" and server:read() == "a2 STARTTLS")
---```
function starttls.negotiate(stream, protocol, options)
  local meta = getmetatable(stream)
  local right = type(stream) == "userdata" and meta and meta.__index == socket.stream
  if not right then check.bad("negotiate", 1, "net.stream", stream) end
  if not rules[protocol] then
    check.bad("negotiate", 2, '"' .. table.concat(names, '", "') .. '"', protocol)
  end
  options = check.fields("negotiate", 3, options, OPTIONS)
  checkhost(protocol, options.host)
  local good, err = timeout(options.timeout, talk, stream, protocol, options.host)
  if not good then return nil, err end
  return stream
end

return starttls
