---@meta
-- luacheck: ignore

---Bytes in order, both ways: TCP, unix streams, pipes and terminals. net.connect, net.pair, net.fromfd and
---listeners make them. What was received and not read stays in the object: no timeout loses any of it. The
---end of the stream is nil alone, an end in the middle of what was asked for `nil, err` with the code EOF,
---and a connection that was cut off is never an end.
---@class net.stream: net.handle
local stream = {}

---Reads what the formats name, in the manner of io.read: "l" a line without its end ("\n" or "\r\n"), "L" a
---line with it, "n" a number, "a" everything to the end, a number that many bytes. Waits until all of it is
---there; the bytes are used up only then.
---@async
---@param ... string|integer "l", "L", "n", "a" or a count from 0 to max_read; "l" if there are none
---@return string|number|nil ... one value for each format; nil for the one where the stream ended, and none
--- after it. "a" gives "" at the end
---@return net.error? err EOF (`partial` is what came), TOOBIG (a line over max_line, "a" over max_read),
--- EBADMSG (no number there), ECONNRESET (`partial` too), TIMEOUT, CLOSED or BUSY
---@see net.stream.setlimits
---```lua
---local a, b = net.pair()
---b:write "GET /\r\n12 abc"
---assert(a:read() == "GET /")
---local n, text = a:read("n", 4)
---assert(n == 12 and text == " abc")
---```
function stream:read(...) end

---Reads up to a delimiter, which is used up and not part of the result.
---@async
---@param delimiter string|number one byte or more
---@param max? integer bytes before the delimiter, 1 to 2147483648; max_line if absent
---@param timeout? number seconds; nil: as long as the enclosing deadline allows
---@return string? data nil alone at the end of the stream
---@return net.error? err TOOBIG, EOF (`partial` is what came), ECONNRESET, ENOTCONN, TIMEOUT, CLOSED or BUSY
---```lua
---local a, b = net.pair()
---b:write "Host: x\r\n\r\nbody"
---assert(a:read_until "\r\n\r\n" == "Host: x")
---```
function stream:read_until(delimiter, max, timeout) end

---Receives what is there, up to `max` bytes, waiting for the first of them.
---@async
---@param max integer 1 to 16777216
---@param timeout? number seconds; nil: as long as the enclosing deadline allows; 0: only what is there
---@return string? data at least one byte; nil alone at the end of the stream
---@return net.error? err TIMEOUT, CLOSED, BUSY, ENOTCONN or another system code such as ECONNRESET
---@see recv(2)
---```lua
---local a, b = net.pair()
---b:send "hi"
---assert(a:recv(16) == "hi")
---```
function stream:recv(max, timeout) end

---Shows what recv would give, and leaves it there.
---@async
---@param max integer 1 to 16777216
---@param timeout? number seconds; nil: as long as the enclosing deadline allows; 0: only what is there
---@return string? data at least one byte; nil alone at the end of the stream
---@return net.error? err TIMEOUT, CLOSED, BUSY, ENOTCONN or another system code such as ECONNRESET
---```lua
---local a, b = net.pair()
---b:write "\22\3\1"
---assert(a:peek(1) == "\22")
---assert(a:read(3) == "\22\3\1")
---```
function stream:peek(max, timeout) end

---Puts bytes back: the next read begins with them.
---@param data string|number
---@return net.stream? self
---@return net.error? err TOOBIG (over max_read together with what is there), ENOMEM or CLOSED
---```lua
---local a, b = net.pair()
---a:unread "hello\n"
---assert(a:read() == "hello")
---```
function stream:unread(data) end

---Counts the bytes that were received and are not read yet.
---@return integer? count
---@return net.error? err CLOSED
---```lua
---local a, b = net.pair()
---b:write "abc"
---a:read(1)
---assert(a:buffered() == 2)
---```
function stream:buffered() end

---Writes all of its arguments, one after the other, waiting where the peer is slow.
---@async
---@param ... string|number
---@return net.stream? self so that calls can follow each other
---@return net.error? err EPIPE (the peer no longer reads), ECONNRESET, ENOTCONN, TIMEOUT, CLOSED or BUSY;
--- `partial` is the number of bytes that left before
---```lua
---local a, b = net.pair()
---assert(a:write("x=", 1, "\n"))
---assert(b:read() == "x=1")
---```
function stream:write(...) end

---Sends what the system takes at once, waiting only until it takes something. write sends all.
---@async
---@param data string|number
---@param timeout? number seconds; nil: as long as the enclosing deadline allows; 0: only what fits now
---@return integer? count bytes sent, perhaps fewer than given
---@return net.error? err EPIPE, ECONNRESET, ENOTCONN, TIMEOUT, CLOSED or BUSY
---@see send(2)
---```lua
---local a, b = net.pair()
---assert(a:send "hello" == 5)
---```
function stream:send(data, timeout) end

---Sends the content of a file. The position of the file is neither used nor changed.
---@async
---@param file file* open for reading
---@param offset? integer byte of the file to begin at; 0 if absent
---@param count? integer bytes to send; to the end of the file if absent
---@param timeout? number seconds; nil: as long as the enclosing deadline allows
---@return integer? sent bytes; fewer than count if the file ends before
---@return net.error? err ESPIPE (a pipe is no file), EPIPE, ECONNRESET, ENOTCONN, ENOMEM, EIO, TIMEOUT,
--- CLOSED or BUSY; `partial` is the number of bytes that left before
---@see sendfile(2)
---```lua
---local a, b = net.pair()
---local file <close> = assert(io.tmpfile())
---file:write "content"
---assert(a:sendfile(file) == 7)
---```
function stream:sendfile(file, offset, count, timeout) end

---Ends one direction or both: "w" tells the peer that no more will come, "r" throws away what is there and
---makes every later read an end. On what a listener with TLS accepted, the handshake comes before "r" and
---"w".
---@async
---@param how? "r"|"w"|"rw"|integer "w" if absent
---@return true? done
---@return net.error? err ENOTCONN, ENOTSOCK (a pipe or terminal), CLOSED, or BUSY in the middle of
--- starttls
---@see shutdown(2)
---```lua
---local a, b = net.pair()
---a:shutdown "w"
---assert(b:read "a" == "")
---```
function stream:shutdown(how) end

---Sets how much one read may gather, against a peer that never ends its line. A field that is absent keeps
---its value.
---@param limits {max_line: integer?, max_read: integer?} bytes, 1 to 2147483648 each. max_line: of "l" and
--- "L" with the line's end, of "n" with the blanks before it, and of read_until; 65536 at first. max_read: of
--- "a", a count, unread and finish; 67108864 at first
---@return net.stream self
---```lua
---local a, b = net.pair()
---a:setlimits { max_line = 4 }
---b:write "too long\n"
---assert(select(2, a:read()).code == "TOOBIG")
---```
function stream:setlimits(limits) end

---Connects a stream that net.socket made. What timed out goes on: net.select tells when it is decided, and
---this call then what came of it; EALREADY says that it is not.
---@async
---@param address string numeric, or "unix:/path" or "unix:@name"; net.connect takes names
---@param port? integer|string 0 to 65535; none for unix
---@param timeout? number seconds; nil: as long as the enclosing deadline allows
---@return net.stream? self
---@return net.error? err ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EHOSTUNREACH, EAFNOSUPPORT, EISCONN,
--- EALREADY, EAI_NONAME (a name is no address), ENOENT (unix), TIMEOUT, CLOSED or BUSY
---@see connect(2)
---```lua
---local server = assert(net.listen("127.0.0.1", 0))
---local s <close> = assert(net.socket("inet"))
---assert(s:connect(server:getsockname()))
---```
function stream:connect(address, port, timeout) end

---Gives a stream that net.socket made an address of this machine. The file of a unix path is removed on
---close.
---@param address string numeric, "0.0.0.0" or "::" for every interface, or "unix:/path" or "unix:@name"
---@param port? integer|string 0 to 65535; 0: a free one, see getsockname; none for unix
---@return net.stream? self
---@return net.error? err EADDRINUSE, EADDRNOTAVAIL, EACCES, EINVAL (bound already), EAFNOSUPPORT,
--- EAI_NONAME or CLOSED
---@see bind(2)
---```lua
---local s = assert(net.socket("inet"))
---assert(s:bind("127.0.0.1", 0))
---```
function stream:bind(address, port) end

---Makes a bound stream a listener: the object is a net.listener from then on.
---@param backlog? integer connections that wait to be accepted, 0 to 65535; 4096 if absent
---@return net.listener? self
---@return net.error? err EADDRINUSE, EOPNOTSUPP, EINVAL or CLOSED
---@see listen(2)
---```lua
---local s = assert(net.socket("inet"))
---assert(s:bind("127.0.0.1", 0))
---assert(s:listen():accept(0) == nil)
---```
function stream:listen(backlog) end

return stream
