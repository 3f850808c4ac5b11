-- net.sockets: the sockets of this machine, from /proc/net, and who holds them, from /proc/PID. A name of a
-- process or the path of a socket is whatever its owner chose: bytes that may try to look like something
-- else.

local core = require "net.core.addr"
local procfs = require "net.core.procfs"
local errors = require "net.core.error"
local check = require "net.check"

local sockets = {}

-- ---- fields of the tables

-- The numbers of proc(5), tcp: those of the kernel's TCP states.
local TCP = { "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE",
  "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING", "SYN_RECV" }
local UDP = { "ESTABLISHED", [7] = "UNCONNECTED" }
local UNIX = { "UNCONNECTED", "CONNECTING", "ESTABLISHED", "DISCONNECTING" }
local LISTENS = 0x10000 -- __SO_ACCEPTCON among the flags of a unix socket
local UNIXTYPES = { "stream", "dgram", [5] = "seqpacket" }

local FILES = {
  tcp = { { "/proc/net/tcp", "inet" }, { "/proc/net/tcp6", "inet6" } },
  udp = { { "/proc/net/udp", "inet" }, { "/proc/net/udp6", "inet6" } },
}
local ORDER = { "tcp", "udp", "unix" }
local MAPPED = ("\0"):rep(10) .. "\xff\xff"

-- Words of 32 bits in the machine's own order: "0100007F" is 127.0.0.1 on a PC.
local function address(hex)
  local bytes = hex:gsub("%x%x%x%x%x%x%x%x", function(word) return ("=I4"):pack(tonumber(word, 16)) end)
  if #bytes == 16 and bytes:sub(1, 12) == MAPPED then bytes = bytes:sub(13) end
  return core.inet_ntop(#bytes == 4 and "inet" or "inet6", bytes)
end

local ROW = "^%s*%d+: (%x+):(%x+) (%x+):(%x+) (%x%x) (%x+):(%x+) %S+ %x+%s+(%d+)%s+%d+%s+(%d+)"

local function inetrow(line, protocol, family)
  local near, nearport, far, farport, state, tx, rx, uid, inode = line:match(ROW)
  if not near then return nil end
  local states = protocol == "tcp" and TCP or UDP
  return {
    protocol = protocol, family = family, state = states[tonumber(state, 16)] or state,
    local_address = address(near), local_port = tonumber(nearport, 16),
    remote_address = address(far), remote_port = tonumber(farport, 16),
    tx_queue_bytes = tonumber(tx, 16), rx_queue_bytes = tonumber(rx, 16),
    uid = math.tointeger(uid), inode = math.tointeger(inode),
  }
end

-- ---- reading

local ALWAYS = "/proc/net/dev" -- is there with every kernel, unlike the tables of IPv6
local UNMOUNTED = "The sockets of this machine are in /proc, which is not there or may not be read. Outside "
  .. "of a chroot or sandbox it is; inside, somebody has to mount it: mount -t proc proc /proc"

-- A table | nil: the kernel has none of that kind | nil, err
local function open(name)
  local file, _, number = io.open(name, "rb")
  if file then return file end
  local known <close> = io.open(ALWAYS, "rb")
  local err = errors.errno("open", number)
  if known and err.code == "ENOENT" then return nil end
  err.message = ("%s: %s"):format(name, err.message)
  if not known then err.hint = UNMOUNTED end
  return nil, err
end

-- Calls f(line) for every line of a table after its heading. true | nil, err
local function eachline(name, f)
  local file <close>, err = open(name)
  if err then return nil, err end
  if not file then return true end
  file:read "l"
  for line in file:lines() do f(line) end
  return true
end

-- The sockets of one protocol over IP. `port`: those only, so that of a large table few rows are taken apart.
-- true | nil, err
local function inet(found, protocol, port, listen)
  local mark = port and (":%04X "):format(port)
  for _, source in ipairs(FILES[protocol]) do
    local read, err = eachline(source[1], function(line)
      if mark and not line:find(mark, 1, true) then return end
      if listen and protocol == "tcp" and not line:find(" 0A ", 1, true) then return end
      local row = inetrow(line, protocol, source[2])
      if row and (not port or row.local_port == port) then found[#found + 1] = row end
    end)
    if not read then return nil, err end
  end
  return true
end

local UNIXROW = "^%x+: %x+ %x+ (%x+) (%x+) (%x%x) +(%d+) ?(.*)$"

local function unixrow(line)
  local flags, kind, state, inode, path = line:match(UNIXROW)
  if not flags then return nil end
  local listens = tonumber(flags, 16) & LISTENS ~= 0
  return {
    protocol = "unix", family = "unix", type = UNIXTYPES[tonumber(kind, 16)],
    state = listens and "LISTEN" or UNIX[tonumber(state, 16)] or state,
    local_address = path ~= "" and "unix:" .. path or nil, inode = math.tointeger(inode),
  }
end

-- A path may hold line feeds: what is no row belongs to the path before. true | nil, err
local function unix(found)
  return eachline("/proc/net/unix", function(line)
    local row, last = unixrow(line), found[#found]
    if row then
      found[#found + 1] = row
    elseif last and last.local_address then
      last.local_address = last.local_address .. "\n" .. line
    end
  end)
end

-- ---- processes

local function command(pid)
  local file <close> = io.open(("/proc/%d/comm"):format(pid), "rb")
  local text = file and file:read "a"
  return text and (text:gsub("\n$", ""))
end

-- Adds pid, command and pids to the sockets whose processes may be looked at.
local function addholders(found)
  local wanted, commands = {}, {}
  for _, row in ipairs(found) do
    if row.inode ~= 0 then wanted[row.inode] = true end
  end
  local holders = next(wanted) and procfs.holders(wanted) or {}
  for _, row in ipairs(found) do
    local pids = holders[row.inode]
    if pids then
      local pid = pids[1]
      commands[pid] = commands[pid] or command(pid)
      row.pid, row.command = pid, commands[pid]
      row.pids = #pids > 1 and pids or nil
    end
  end
  return found
end

-- ---- the public functions

local function listening(found)
  local some = {}
  for _, row in ipairs(found) do
    local waits = row.state == "LISTEN" or row.state == "UNCONNECTED" and row.local_address
    if waits then some[#some + 1] = row end
  end
  return some
end

local KNOWN = { protocol = "string", listen = "boolean" }

---All sockets, or those that the options name: list | nil, err
function sockets.list(options)
  options = options == nil and {} or options
  if type(options) ~= "table" then check.bad("sockets", 1, "table", options) end
  for field, value in pairs(options) do
    local kind = KNOWN[field]
    if not kind then check.unknown("sockets", 1, field, KNOWN) end
    if type(value) ~= kind then check.bad("sockets", 1, ("option %q: %s"):format(field, kind), value) end
  end
  local protocol, found = options.protocol, {}
  if protocol and not FILES[protocol] and protocol ~= "unix" then
    check.bad("sockets", 1, 'option "protocol": "tcp", "udp" or "unix"', protocol)
  end
  for _, name in ipairs(ORDER) do
    if protocol == nil or protocol == name then
      local read, err = (name == "unix" and unix or inet)(found, name, nil, options.listen)
      if not read then return nil, err end
    end
  end
  return addholders(options.listen and listening(found) or found)
end

-- An address as the tables have it: no zone, and a mapped one as IPv4.
local function plain(text)
  local bytes = core.inet_pton("inet", text) or core.inet_pton("inet6", (text:gsub("%%.*", "")))
  if #bytes == 16 and bytes:sub(1, 12) == MAPPED then bytes = bytes:sub(13) end
  return core.inet_ntop(#bytes == 4 and "inet" or "inet6", bytes)
end

-- Whether sockets at these addresses are in each other's way. One at "::" may be at all of IPv4 too.
local function meet(a, b)
  if a == b or a == "::" or b == "::" then return true end
  local any, other = a, b
  if b == "0.0.0.0" then any, other = b, a end
  return any == "0.0.0.0" and not other:find ":"
end

---The sockets at a port that a new one at that address would meet, those that listen first: list | nil, err
function sockets.atport(port, protocol, near)
  local found, first, rest = {}, {}, {}
  local read, err = inet(found, protocol, port)
  if not read then return nil, err end
  near = near and plain(near)
  for _, row in ipairs(found) do
    local meets = near == nil or meet(near, row.local_address)
    local waiting = row.state == "LISTEN" or row.state == "UNCONNECTED"
    if meets and waiting then first[#first + 1] = row elseif meets then rest[#rest + 1] = row end
  end
  return addholders(table.move(rest, 1, #rest, #first + 1, first))
end

return sockets
