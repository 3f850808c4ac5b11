---@meta
-- luacheck: ignore

---A socket for messages that keep their bounds: UDP, unix datagrams and sequenced packets, raw sockets.
---net.udp, net.pair and net.socket make them. Addresses are numeric here; net.getaddrinfo looks names up.
---@class net.datagram: net.handle
local datagram = {}

---Waits for a datagram and gives it with its sender. An empty datagram is "". nil alone is the end: of a
---"seqpacket" connection, or, once all that came was taken, of a socket that was shut down for reading. Empty
---ones right before the end of a connection cannot be told from it.
---@async
---@param max? integer bytes of it to keep, 1 to 16777216; 65536 if absent
---@param timeout? number seconds; nil: as long as the enclosing deadline allows; 0: only what is there
---@return string? data
---@return string|net.error|nil address of the sender, nil if it has none; or the error: TIMEOUT, CLOSED,
--- BUSY, or ECONNREFUSED if an earlier datagram of a connected socket was refused
---@return integer? port none for unix
---@return integer? length how long it was, only if it was longer than max and has been cut
---@see recvmsg(2)
---```lua
---local a, b = net.pair "dgram"
---a:send "hello"
---local data, _, _, length = b:recvfrom(2)
---assert(data == "he" and length == 5)
---```
function datagram:recvfrom(max, timeout) end

---Waits for a datagram and gives it; for connected sockets, whose sender is known.
---@async
---@param max? integer bytes of it to keep, 1 to 16777216; 65536 if absent
---@param timeout? number seconds; nil: as long as the enclosing deadline allows; 0: only what is there
---@return string? data nil alone at the end, as in recvfrom
---@return integer|net.error|nil length how long it was, only if it has been cut; or the error: TIMEOUT,
--- CLOSED, BUSY, ECONNREFUSED, or ECONNRESET of a "seqpacket" connection
---@see recv(2)
---```lua
---local a, b = net.pair "seqpacket"
---a:send "one"
---a:close()
---assert(b:recv() == "one" and b:recv() == nil)
---```
function datagram:recv(max, timeout) end

---Sends one datagram to an address. Waits only while the system has no room for it.
---@async
---@param data string|number at most 65,507 bytes over IPv4 UDP; more is EMSGSIZE
---@param address string numeric, or "unix:/path" or "unix:@name"
---@param port? integer|string 0 to 65535; none for unix
---@param timeout? number seconds; nil: as long as the enclosing deadline allows
---@return integer? count bytes sent, all of them
---@return net.error? err EMSGSIZE, EACCES (broadcast without the option), ENETUNREACH, EHOSTUNREACH,
--- EAI_NONAME (a name is no address), EAFNOSUPPORT, ECONNREFUSED, ENOBUFS, TIMEOUT, CLOSED or BUSY
---@see sendmsg(2)
---```lua
---local s = assert(net.udp())
---local count, err = s:sendto("ping", "example.org", 7)
---assert(not count and err.code == "EAI_NONAME")
---```
function datagram:sendto(data, address, port, timeout) end

---Sends one datagram to where the socket is connected.
---@async
---@param data string|number
---@param timeout? number seconds; nil: as long as the enclosing deadline allows
---@return integer? count bytes sent, all of them
---@return net.error? err EDESTADDRREQ or ENOTCONN (not connected), ECONNREFUSED (an earlier one was
--- refused), EMSGSIZE, EPIPE, ENETUNREACH, ENOBUFS, TIMEOUT, CLOSED or BUSY
---@see send(2)
---```lua
---local a, b = net.pair "dgram"
---assert(a:send "ping" == 4)
---assert(b:recv() == "ping")
---```
function datagram:send(data, timeout) end

---Sets the address that send sends to; only datagrams from there are received from then on. No packet is
---sent for it, so this waits only for a unix "seqpacket" peer.
---@async
---@param address string numeric, or "unix:/path" or "unix:@name"
---@param port? integer|string 0 to 65535; none for unix
---@param timeout? number seconds; nil: as long as the enclosing deadline allows
---@return net.datagram? self
---@return net.error? err EAI_NONAME (a name is no address), ENETUNREACH, EACCES, ECONNREFUSED and ENOENT
--- (unix), EPROTOTYPE (unix, another type), TIMEOUT, CLOSED or BUSY
---@see connect(2)
---```lua
---local s = assert(net.udp())
---assert(s:connect("127.0.0.1", 9))
---assert(s:getpeername() == "127.0.0.1")
---```
function datagram:connect(address, port, timeout) end

---Gives the socket an address of this machine to receive on. The file of a unix path is removed on close.
---@param address string numeric, "0.0.0.0" or "::" for every interface, or "unix:/path" or "unix:@name"
---@param port? integer|string 0 to 65535; 0: a free one, see getsockname; none for unix
---@return net.datagram? self
---@return net.error? err EADDRINUSE, EADDRNOTAVAIL, EACCES, EINVAL (bound already), EAFNOSUPPORT,
--- EAI_NONAME or CLOSED
---@see bind(2)
---```lua
---local s = assert(net.udp())
---assert(s:bind("127.0.0.1", 0))
---local _, port = s:getsockname()
---```
function datagram:bind(address, port) end

---Makes a "seqpacket" socket that is bound a listener: the object is a net.listener from then on.
---@param backlog? integer connections that wait to be accepted, 0 to 65535; 4096 if absent
---@return net.listener? self
---@return net.error? err EOPNOTSUPP (no connections on this type), EINVAL or CLOSED
---@see listen(2)
---```lua
---local s = assert(net.socket("unix", "seqpacket"))
---assert(s:bind "unix:@example-seqpacket")
---assert(s:listen())
---```
function datagram:listen(backlog) end

---Ends one direction, or both, of a connected socket. After "r" receiving gives what has come, and then nil.
---What is not connected gives ENOTCONN, and receives no more than that, either.
---@param how? "r"|"w"|"rw"|integer "w" if absent
---@return true? done
---@return net.error? err ENOTCONN or CLOSED
---@see shutdown(2)
---```lua
---local a, b = net.pair "seqpacket"
---a:shutdown "w"
---assert(b:recv() == nil)
---```
function datagram:shutdown(how) end

return datagram
