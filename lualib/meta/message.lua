---@meta
-- luacheck: ignore

---@class net.datagram: net.handle
local datagram = {}

---What net.datagram.ancillary switches, and where recvmsg then tells it. All are optional.
---@class net.ancillary
---@field pktinfo? boolean where a datagram was sent and where it came in: `destination`
---@field ttl? boolean hops it had left: `ttl`
---@field tos? boolean type of service, traffic class: `tos`
---@field timestamp? boolean when it came: `timestamp`, `timestamp_ns`, `received`
---@field error? boolean ICMP errors with their details; see recvmsg
---@field original? boolean where it was sent before a firewall redirected it: `original`
---@field drops? boolean how many were lost before it for want of room: `drops`
---@field credentials? boolean who sent it, on unix sockets: `credentials`
---@field segment? boolean several of one size may come at once: `segment`

---Switches ancillary data on or off: what recvmsg tells of a datagram besides its bytes and its sender. What
---is not named stays as it is.
---@param wanted net.ancillary an unknown field raises
---@return net.datagram? self
---@return net.error? err ENOPROTOOPT, EOPNOTSUPP or EINVAL (not on this kind of socket), CLOSED
---@see ip(7), ipv6(7), socket(7)
---```lua
---local s <close> = assert(net.udp())
---assert(s:ancillary { ttl = true, pktinfo = true })
---```
function datagram:ancillary(wanted) end

---The options of net.datagram.recvmsg.
---@class net.recvmsg.options
---@field errqueue? boolean take an error off the error queue instead of a datagram
---@field errors? boolean queued errors are results like datagrams, and not failures: `error` tells them apart
---@field peek? boolean leave the datagram where it is

---What net.datagram.recvmsg tells of a datagram. What was not asked for with ancillary is absent.
---@class net.message
---@field address? string the sender; from the error queue: where the datagram was sent
---@field port? integer
---@field flags integer MSG_*
---@field truncated? integer the full length, where the datagram was longer than `max`
---@field control_truncated? true ancillary data was lost
---@field ttl? integer
---@field tos? integer
---@field destination? {address: string, interface: string|integer|false, index: integer, own: string?} own:
--- the address to answer from
---@field timestamp? number seconds since 1970
---@field timestamp_ns? integer the same in nanoseconds
---@field received? number the same on the clock of net.now
---@field original? {address: string, port: integer}
---@field drops? integer
---@field segment? integer bytes in each datagram but the last
---@field credentials? {pid: integer, uid: integer, gid: integer}
---@field refused_descriptors? integer descriptors that came with it over a unix socket: they are closed at
--- once
---@field error? {errno: integer, name: string?, origin: string, type: integer, code: integer, info: integer,
--- offender: string?} origin: "icmp", "icmp6", "local" ...; type and code: of the ICMP message; info: the MTU
--- where that was too small; offender: who sent it

---Receives a datagram with what the kernel knows about it. With `ancillary{error = true}` an ICMP error is in
---the socket's error queue: `errqueue = true` waits for it and gives the datagram that failed; without, it is
---the failure of the next receive, which takes it off the queue and has `detail`, like `error` of a message;
---with `errors = true` it is a message like others, whose data is what the router quoted.
---@async
---@param max? integer 1 to 16777216, 65536 if absent; what is longer is cut and `truncated`
---@param timeout? number seconds; nil: as long as the enclosing deadline allows; 0: only what is already
--- there
---@param options? net.recvmsg.options an unknown field raises
---@return string? data "" is an empty datagram; nil alone is the end, as in recvfrom
---@return net.message|net.error|nil info or err TIMEOUT, ECONNREFUSED, EHOSTUNREACH and other errors that the
--- network reports, BUSY, CLOSED
---@see recvmsg(2)
---```lua
---local s <close> = assert(net.udp())
---assert(s:bind("127.0.0.1", 0))
---assert(s:ancillary { ttl = true })
---s:sendto("x", s:getsockname())
---local data, info = s:recvmsg(100, 1)
---assert(data == "x" and info.ttl == 64)
---```
function datagram:recvmsg(max, timeout, options) end

---The options of net.datagram.sendmsg. All are optional.
---@class net.sendmsg.options
---@field address? string numeric address or unix path; nil: where it is connected
---@field port? integer 0 to 65535
---@field ttl? integer 1 to 255
---@field tos? integer 0 to 255
---@field source? string numeric address of this host to send from
---@field interface? string|integer name, index or address
---@field segment? integer the kernel cuts `data` into datagrams of so many bytes, up to 65535; 0: it does not

---Sends a datagram, with what holds for this one only.
---@async
---@param data string
---@param options? net.sendmsg.options an unknown field raises
---@param timeout? number seconds; nil: as long as the enclosing deadline allows
---@return integer? count bytes sent: all
---@return net.error? err EMSGSIZE, EDESTADDRREQ, EAI_NONAME (not a numeric address), EAFNOSUPPORT, ENODEV,
--- EINVAL, ENETUNREACH, TIMEOUT, BUSY, CLOSED ...
---@see sendmsg(2)
---```lua
---local s <close> = assert(net.udp())
---assert(s:bind("127.0.0.1", 0))
---local address, port = s:getsockname()
---assert(s:sendmsg("x", { address = address, port = port, ttl = 5 }) == 1)
---```
function datagram:sendmsg(data, options, timeout) end

return datagram
