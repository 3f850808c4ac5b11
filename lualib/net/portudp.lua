-- net.portudp: what to say to a UDP port so that its server answers. An empty datagram is ignored by most;
-- each of these is the smallest question of the port's protocol that anybody may ask and that changes
-- nothing.

local socket = require "net.core.socket"

local portudp = {}

-- ---- pieces

local function random(count)
  local bytes = {}
  for i = 1, count do bytes[i] = string.char(math.random(0, 255)) end
  return table.concat(bytes)
end

-- BER, for bodies of at most 127 bytes.
local function tlv(tag, ...)
  local body = table.concat { ... }
  return string.char(tag, #body) .. body
end

local function integer(n)
  return tlv(0x02, n < 128 and string.char(n) or (">I4"):pack(n))
end

-- A DNS question (RFC 1035, section 4.1).
local function question(flags, name, kind, class)
  local labels = name:gsub("[^.]+%.?", function(label)
    return string.pack("s1", (label:gsub("%.$", "")))
  end)
  return random(2) .. (">I2I2I2I2I2"):pack(flags, 1, 0, 0, 0) .. labels .. "\0" .. (">I2I2"):pack(kind, class)
end

-- Procedure 0 of a program, which does nothing (RFC 5531).
local function rpcnull(program, version)
  return function()
    return random(4) .. (">I4I4I4I4I4I4I4I4I4"):pack(0, 2, program, version, 0, 0, 0, 0, 0)
  end
end

-- A version nobody speaks makes a server list those it does (RFC 9000, section 6); its first packet has to
-- fill 1,200 bytes.
local function quic()
  local head = "\xc0" .. "\x1a\x2a\x3a\x4a" .. "\8" .. random(8) .. "\0"
  return head .. ("\0"):rep(1200 - #head)
end

-- Discovery of the engine (RFC 3414, section 4), which needs no name of a community.
local function snmp3()
  local engine = tlv(0x30, tlv(0x04), integer(0), integer(0), tlv(0x04), tlv(0x04), tlv(0x04))
  local pdu = tlv(0xa0, integer(1), integer(0), integer(0), tlv(0x30))
  return tlv(0x30, integer(3), tlv(0x30, integer(math.random(1, 127)), integer(65507), tlv(0x04, "\4"),
    integer(3)), tlv(0x04, engine), tlv(0x30, tlv(0x04), tlv(0x04), pdu))
end

-- sysDescr of version 1 (RFC 1157), with the usual community.
local function snmp1()
  local variable = tlv(0x30, tlv(0x06, "\x2b\6\1\2\1\1\1\0"), "\5\0")
  local pdu = tlv(0xa0, integer(math.random(1, 127)), integer(0), integer(0), tlv(0x30, variable))
  return tlv(0x30, integer(0), tlv(0x04, "public"), pdu)
end

-- The root entry by connectionless LDAP.
local function ldap()
  local search = tlv(0x63, tlv(0x04), tlv(0x0a, "\0"), tlv(0x0a, "\0"), integer(0), integer(0),
    tlv(0x01, "\0"), tlv(0x87, "objectClass"), tlv(0x30))
  return tlv(0x30, integer(1), search)
end

-- A header of a major version nobody speaks (RFC 7296, section 2.5).
local function ike()
  return random(8) .. ("\0"):rep(8) .. "\0\x30\x22\8" .. (">I4I4"):pack(0, 28)
end

local function sip(address, port)
  local host = address:find(":", 1, true) and "[" .. address .. "]" or address
  return table.concat({ ("OPTIONS sip:%s:%d SIP/2.0"):format(host, port),
    ("Via: SIP/2.0/UDP 0.0.0.0;branch=z9hG4bK%d;rport"):format(math.random(1 << 30)),
    ("From: <sip:probe@%s>;tag=%d"):format(host, math.random(1 << 30)), ("To: <sip:%s>"):format(host),
    ("Call-ID: %d"):format(math.random(1 << 30)), "CSeq: 1 OPTIONS", "Max-Forwards: 0", "Content-Length: 0",
    "", "" }, "\r\n")
end

local function fixed(bytes)
  return function() return bytes end
end

-- ---- port = the questions in turn: a retransmission takes the next one

local ROOT = function() return question(0, "", 2, 1) end -- name servers of "."
local NODE = "\x20CK" .. ("A"):rep(30) .. "\0" -- "*" in the encoding of RFC 1001, section 14.1

local QUESTIONS = {
  [53] = { ROOT },
  [69] = { fixed "\0\1netlua-probe\0octet\0" }, -- RFC 1350; files come from another port
  [111] = { rpcnull(100000, 2) },
  [123] = { fixed("\x23" .. ("\0"):rep(47)) }, -- RFC 5905: version 4, client
  [137] = { function() return random(2) .. (">I2I2I2I2I2"):pack(0, 1, 0, 0, 0) .. NODE .. "\0\x21\0\1" end },
  [161] = { snmp3, snmp1 },
  [389] = { ldap },
  [443] = { quic },
  [500] = { ike },
  [520] = { fixed("\1\1\0\0" .. ("\0"):rep(19) .. "\16") }, -- RFC 2453: the whole table
  [623] = { fixed "\6\0\xff\6\0\0\x11\xbe\x80\0\0\0" }, -- RMCP: presence ping
  [853] = { quic },
  [1194] = { function() return "\x38" .. random(8) .. ("\0"):rep(5) end }, -- OpenVPN: reset of a new client
  [1434] = { fixed "\2" }, -- SQL Server Browser: which instances
  [1900] = { fixed("M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\n"
    .. "MX: 1\r\nST: ssdp:all\r\n\r\n") },
  [2049] = { rpcnull(100003, 3) },
  [3478] = { function() return "\0\1\0\0\x21\x12\xa4\x42" .. random(12) end }, -- RFC 8489: binding request
  [4500] = { function() return "\0\0\0\0" .. ike() end }, -- RFC 3948: no ESP
  [5060] = { sip },
  [5351] = { fixed "\0\0" }, -- RFC 6886: public address
  [5353] = { function() return question(0, "_services._dns-sd._udp.local", 12, 0x8001) end }, -- RFC 6763
  [5355] = { function() return question(0, "netlua-probe", 1, 1) end },
  [5683] = { function() return "\x40\0" .. random(2) end }, -- RFC 7252, section 4.3: ping
  [11211] = { function() return random(2) .. "\0\0\0\1\0\0version\r\n" end },
}

---The datagram to send to a port: the first time, the second time ...
function portudp.question(address, port, time)
  local list = QUESTIONS[port]
  if not list then return "" end
  return list[(time - 1) % #list + 1](address, port)
end

-- A socket that hears what ICMP says of that port.
local function connected(address, port, family)
  local s, err = socket.udp { family = family }
  if not s then return nil, err end
  local ok
  ok, err = s:setsockopt(family == "inet6" and "IPV6_RECVERR" or "IP_RECVERR", true)
  if ok then ok, err = s:connect(address, port) end
  if ok then return s end
  s:close()
  return nil, err
end

---A socket connected to the port, with the first question sent; or nil and an error. One that got the very
---port that it asks would hear itself: it makes way for another.
function portudp.open(address, port)
  local family = address:find(":", 1, true) and "inet6" or "inet"
  local s, err = connected(address, port, family)
  if s and select(2, s:getsockname()) == port then
    local first <close> = s -- luacheck: ignore first
    s, err = connected(address, port, family)
  end
  if not s then return nil, err end
  local ok
  ok, err = s:send(portudp.question(address, port, 1))
  if ok then return s end
  s:close()
  return nil, err
end

return portudp
