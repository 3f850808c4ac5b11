---@meta
-- luacheck: ignore

---Sockets, waiting and what goes with them: a global of every script, and what `require "net"` returns.
---Besides the constants below it has those of socket options and messages, SO_*, TCP_*, UDP_*, IP_*, IPV6_*,
---SOL_* and MSG_*, and the other IPPROTO_*: net.options lists the options. `net.ip`,
---`net.mac`, `net.port`, `net.tls`, `net.tool` and `net.x509` are modules.
---@class net
local net = {}

---Reads a clock that only goes forward.
---@return number seconds since some moment in the past; differences count, not the value
---@see clock_gettime(2)
---```lua
---local began = net.now()
---net.sleep(0.01)
---assert(net.now() - began >= 0.01)
---```
function net.now() end

---Waits for a time while the other tasks run. 0 gives every other task that is ready one turn.
---@async
---@param seconds number 0 to 2^53
---@return true? slept
---@return net.error? err TIMEOUT if the deadline of an enclosing scope comes first
---```lua
---net.spawn(function() print "second" end)
---print "first"
---net.sleep(0)
---```
function net.sleep(seconds) end

---Starts a task that belongs to no scope: it lives until its function returns. It begins to run at the next
---wait of the task that runs now. A task that fails and that nobody joins ends the program with status 1,
---its traceback and the place of this call.
---@param f function runs as `f(...)`
---@param ... any its arguments
---@return net.task task
---```lua
---local task = net.spawn(function(a, b) return a + b end, 1, 2)
---assert(task:join() == 3)
---```
function net.spawn(f, ...) end

---Enters a scope: a deadline for every wait inside it, and a home for tasks that must not outlive it. Hold
---it in a `<close>` variable; it is left where that variable ends.
---@param options? net.scope.options an unknown field raises
---@return net.scope scope
---```lua
---local scope <close> = net.scope { timeout = 0.01 }
---local ok, err = net.sleep(10)
---assert(not ok and err.code == "TIMEOUT")
---```
function net.scope(options) end

---Gives the task that runs this code.
---@return net.task? task nil only where no task runs, as in a finalizer when the program ends
---```lua
---assert(net.current():status() == "running")
---```
function net.current() end

---Makes a socket that is neither bound nor connected, for the steps that connect, listen and udp do not take
---on their own. The words have numbers too: the constants of `net`.
---@param family "inet"|"inet6"|"unix"|integer
---@param type? "stream"|"dgram"|"seqpacket"|"raw"|integer "stream" if absent; raw sockets need privilege
---@param protocol? integer 0 to 255; 0 if absent: the usual one of that type
---@return net.stream|net.datagram|nil socket a stream for "stream", a datagram object for the rest
---@return net.error? err EPERM, EACCES, EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT, EMFILE or ENFILE
---@see socket(2)
---```lua
---local s <close> = assert(net.socket("inet"))
---assert(s:bind("127.0.0.1", 0))
---local server = assert(s:listen(16))
---```
function net.socket(family, type, protocol) end

---Makes two unix sockets that are connected to each other.
---@param type? "stream"|"dgram"|"seqpacket"|"raw"|integer "stream" if absent
---@return net.stream|net.datagram|nil a
---@return net.stream|net.datagram|net.error b the other end, or the error: EMFILE, ENFILE or ENOBUFS
---@see socketpair(2)
---```lua
---local a, b = net.pair()
---a:write "ping\n"
---assert(b:read() == "ping")
---```
function net.pair(type) end

---Makes a UDP socket. It is not bound to a port yet: bind does that, or the first sendto, which takes a free
---one. Without the option `family` it takes the family of the first address it is given.
---@param options? net.udp.options an unknown field raises
---@return net.datagram? datagram
---@return net.error? err EMFILE, ENFILE, EAFNOSUPPORT, or EADDRNOTAVAIL and EADDRINUSE for the option source
---@see udp(7)
---```lua
---local a, b = assert(net.udp()), assert(net.udp())
---assert(b:bind("127.0.0.1", 0))
---a:sendto("ping", b:getsockname())
---assert(b:recvfrom() == "ping")
---```
function net.udp(options) end

---Takes over a descriptor that something else opened: a socket, a pipe, a terminal. It is made non-blocking
---and close-on-exec and is closed with the object. The standard descriptors 0, 1 and 2 keep their mode, as
---other programs share them.
---@param fd integer 0 to 2147483647
---@return net.stream|net.listener|net.datagram|nil object a stream for what is no socket
---@return net.error? err EBADF
---@see fcntl(2)
---```lua
---local input = assert(net.fromfd(0))
---assert(input:fileno() == 0)
---```
function net.fromfd(fd) end

return net
