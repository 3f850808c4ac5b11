---@meta
-- luacheck: ignore

---@class net.handle
local handle = {}

---Sets a socket option. `net.options()` lists them all, with what their values mean. They are Lua values by
---kind: booleans (0 and 1 too), integers, times in seconds whatever the kernel counts in, `{on =, seconds =}`
---or false for SO_LINGER, interfaces by name, index or address (false: the system's choice), memberships as
---`{group =, interface =, source =}`, text and bytes. After a level and a number a string is the C structure
---itself where the kind is none of text; an option that is not in the list takes an integer, a boolean or
---bytes.
---@param option string|integer "SO_REUSEADDR", LuaSocket's "reuseaddr" or "tcp-nodelay"; or a level, which
--- the number follows
---@param value any the value; after a level: the number of the option, and the value after that
---@param ... any the value, after a level and a number
---@return net.handle? self
---@return net.error? err ENOPROTOOPT, EINVAL, EPERM, ENODEV (no such interface), CLOSED ...
---@see setsockopt(2)
---```lua
---local s = assert(net.socket("inet", "stream"))
---assert(s:setsockopt("SO_KEEPALIVE", true))
---assert(s:setsockopt("linger", { on = true, seconds = 3 }))
---assert(s:setsockopt(net.IPPROTO_TCP, net.TCP_KEEPIDLE, 60))
---```
function handle:setsockopt(option, value, ...) end

---Reads a socket option, as a Lua value of its kind. What is read need not be what was set: Linux doubles
---buffer sizes, say.
---@param option string|integer as in setsockopt
---@param size? integer bytes to read raw, 0 to 65536: the result is a string then; after a level: the number
--- of the option, and the size after that
---@param ... integer? the size, after a level and a number
---@return any value an option that is not in the list gives an integer if it has four bytes, else bytes
---@return net.error? err ENOPROTOOPT (also for what can only be set, and for the credentials of the peer
--- where the socket is none of unix), EOPNOTSUPP, ENOTCONN, CLOSED ...
---@see getsockopt(2)
---```lua
---local a, b = net.pair()
---assert(a:getsockopt("SO_TYPE") == net.SOCK_STREAM)
---assert(a:getsockopt(net.SOL_SOCKET, net.SO_TYPE, 4) == string.pack("i4", net.SOCK_STREAM))
---local peer = assert(a:getsockopt "SO_PEERCRED")
---print(peer.pid, peer.uid, peer.gid)
---```
function handle:getsockopt(option, size, ...) end

---@class net.stream: net.handle
local stream = {}

---What net.stream.info tells.
---@class net.tcpinfo
---@field state string "ESTABLISHED", "SYN_SENT", "CLOSE_WAIT" ...
---@field rtt number smoothed round trip time in seconds; so are rttvar, min_rtt, rcv_rtt, rto, ato,
--- last_data_sent, last_data_recv, last_ack_recv, busy_time, rwnd_limited and sndbuf_limited
---@field timestamps boolean like sack, ecn and window_scaling: negotiated
---@field snd_cwnd integer like all others a count, or bytes; a field that this kernel does not have is
--- absent, and so is min_rtt until it was measured, and pacing_rate and max_pacing_rate where nothing limits
--- them

---Tells what the kernel knows of a TCP connection: state, times, windows, counters.
---@return net.tcpinfo? info
---@return net.error? err EOPNOTSUPP (not TCP), CLOSED
---@see tcp(7)
---```lua
---local server <close> = assert(net.listen("127.0.0.1", 0))
---local s <close> = assert(net.connect("127.0.0.1", select(2, server:getsockname())))
---assert(s:info().state == "ESTABLISHED")
---```
function stream:info() end

---@class net
local net = {}

---One row of what net.options lists.
---@class net.option
---@field name string "SO_REUSEADDR"
---@field level integer
---@field number integer
---@field kind string boolean integer time linger text interface membership credentials groups tcp_info filter
--- bytes none
---@field value any what is in effect; nil where the option cannot be read there
---@field explanation string

---Lists the socket options, with the values that the kernel has for a fresh socket or for one of your own.
---@param object? net.handle whose values; nil: those of fresh TCP sockets, and of UDP sockets for the options
--- of UDP, IP and IPv6
---@return net.option[]? list
---@return net.error? err CLOSED, ENOMEM
---```lua
---for _, option in ipairs(assert(net.options())) do
---  if option.name == "TCP_NODELAY" then assert(option.kind == "boolean" and option.value == false) end
---end
---```
function net.options(object) end

return net
