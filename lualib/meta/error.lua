---@meta
-- luacheck: ignore

---What went wrong in the world: the second result of a call that failed. Programs branch on `code` or
---`kind`, never on the text. `tostring(err)` reads `connect 127.0.0.1:81: connection refused
---(ECONNREFUSED)`, and `..` takes an error like a string. Misuse, such as a port of 70000, is not one of
---these: it raises a message.
---@class net.error
---@field code string stable and in capitals, such as "ECONNREFUSED"; the whole list: docs/errors.md
---@field kind string the coarse class: dns, refused, timeout, unreachable, reset, closed, tls, protocol,
--- permission, inuse, address, limit, canceled or busy
---@field op string what was being done: "connect", "read"
---@field message string in words, for people
---@field errno? integer the system's number, if the system reported it
---@field address? string the address it was about
---@field host? string the name it was about
---@field port? integer
---@field source? string the option of that name, where it is what was wrong
---@field interface? string|integer the option or argument of that name, where it is what was wrong
---@field partial? string|integer what came before the failure, of a read; how many bytes left, of a write
---@field entry? integer of net.select and net.poll: which of the list it was
---@field mtu? integer of EMSGSIZE, of a reply of net.ping: the size that the way takes, if it is known
---@field detail? table of net.datagram.recvmsg: what the error queue knows, like `error` of a net.message
---@field cause? net.error what is behind it, where that is known, as in the steps of net.diagnose
---@field reply? string what a server answered that does not begin TLS, as it came
---@field alert? string of TLS_HANDSHAKE and TLS_ALERT: the word that the peer said, "certificate_required"
---@field received? string of TLS_HANDSHAKE: the first bytes that came from the peer
---@field wants_certificate? true of TLS_HANDSHAKE: the peer asked for a certificate and got none
---@field owner? {pid: integer?, command: string?, address: string} who holds the port, of
--- net.is_port_available
---@field reason? string of TLS_VERIFY: "expired", "wrong_host", "unknown_issuer" ...
---@field certificate? net.x509.certificate of TLS_VERIFY: the one at fault
---@field depth? integer of TLS_VERIFY: its place in the chain, 0 for the leaf
---@field names? string[] of TLS_VERIFY: the names and addresses that the leaf is for
---@field hint? string what to do next, where more is known than the code tells; explain gives it
---@field ms? number milliseconds that the attempt to connect took
---@field attempts? net.error[] of connect with a name: every address that was tried, with its own error
local error = {}

---Says what the likely cause is and what to try next.
---@return string explanation one or two sentences in English
---```lua
---local s, err = net.connect("127.0.0.1", 1)
---if not s then print(err, err:explain()) end
---```
function error:explain() end

return error
