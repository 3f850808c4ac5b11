-- net.port: which ports are open, and who holds those of this machine.

local check = require "net.check"
local list = require "net.portlist"
local scan = require "net.portscan"
local sockets = require "net.sockets"

---Ports of other machines and of this one. The predicates net.is_port_open and net.is_port_available ask one.
---@class net.port
local port = {}

---The options of net.port.scan. All are optional.
---@class net.port.scan.options
---@field limit? integer questions that are open at a time, 1 to 100000; 256 if absent. It is lowered where
--- descriptors or local ports run out
---@field timeout? number seconds that each port has for its answer, and an open one for its banner; 1 if
--- absent. The lookup of a name has 5 seconds, whatever this is
---@field rate? number questions per second; no limit if absent
---@field banner? boolean|integer waits for what the server says first: its first line, or so many bytes, 1 to
--- 65536; true: 512; false if absent. For UDP the whole answer is kept
---@field randomize? boolean asks in random order; false if absent
---@field exclude? integer|string|table ports that are left out, as a list of ports
---@field protocol? "tcp"|"udp" "tcp" if absent
---@field udp? boolean the same as protocol "udp"
---@field family? "inet"|"inet6" which addresses of names are asked; all if absent
---@field max_addresses? integer how many addresses one network or range may have, 1 to 4294967296; 4096 if
--- absent

---Asks ports of machines whether something listens, many at a time, and iterates over what they say, in the
---order of the answers. A TCP port is asked by connecting to it, which takes no privilege; an open
---connection is closed at once, or after the banner. A UDP port is sent a question of the protocol that
---usually lives there, or an empty datagram, and once more after half of the time: without an answer it may
---be open all the same. Systems refuse only so many datagrams in a second, so closed UDP ports that are
---asked fast look like that too.
---Every port of every address has one record; of a name, all addresses are asked. Addresses take turns. A
---port that could not be asked for want of descriptors or local ports is asked again, with fewer at a time:
---`lowered` of the scanner then says why. Leaving the loop, in any way, ends the scan.
---@async
---@param targets string|table address, name, network ("192.0.2.0/24": its hosts), range
--- ("192.0.2.1-192.0.2.9", "192.0.2.1-9"), several of them with commas or blanks between, or a list
---@param ports integer|string|table 443, "443", "8000-8100", "https", "top20" to "top100" (so many of the
--- most common), several of them with commas or blanks between, or a list
---@param options? net.port.scan.options an unknown field raises
---@return net.port.scanner scanner a deadline around the loop raises its error, TIMEOUT
---@return nil state
---@return nil control
---@return net.port.scanner closing the same: a `for` closes it
---@see connect(2)
---```lua
---for r in net.port.scan("127.0.0.1", "1-5") do
---  print(r.port, r.state, r.reason, r.service)
---end
---```
function port.scan(targets, ports, options)
  local scanner = scan.new(targets, ports, options)
  return scanner, nil, nil, scanner
end

---Reads a list of ports as net.port.scan takes it.
---@param ports integer|string|table 443, "22,80,8000-8100", "https", "top20", or a list of them
---@param protocol? "tcp"|"udp" for the names of services and the most common ports; "tcp" if absent
---@return integer[]? numbers each once, in the order of the list
---@return net.error? err EINVAL; `host` is the word that is no port
---```lua
---assert(#net.port.parse("22,80,8000-8100") == 103)
---```
function port.parse(ports, protocol)
  if protocol ~= nil and protocol ~= "tcp" and protocol ~= "udp" then
    check.bad("parse", 2, '"tcp" or "udp"', protocol)
  end
  return list.ports(ports, protocol or "tcp")
end

---Counts the addresses of targets as net.port.scan takes them, without looking at a name.
---@param targets string|table addresses, names, networks, ranges, or a list of them
---@param max_addresses? integer how many one network or range may have, 1 to 4294967296; 4096 if absent
---@return integer? count a name counts as one
---@return net.error? err EINVAL; `host` is the word that is no target or has too many
---```lua
---assert(net.port.count "192.0.2.0/24, 192.0.2.1-9, localhost" == 254 + 9 + 1)
---```
function port.count(targets, max_addresses)
  local most = check.integer("count", 2, max_addresses, 1, 1 << 32, 4096)
  local ranges, err = list.targets(targets, most)
  if not ranges then return nil, err end
  return select(2, list.entries(ranges))
end

---One socket of this machine.
---@class net.port.socket
---@field protocol "tcp"|"udp"|"unix"
---@field family "inet"|"inet6"|"unix"
---@field state string LISTEN, ESTABLISHED, TIME_WAIT ... as in the information on TCP connections;
--- UNCONNECTED for a UDP or unix socket without a peer
---@field local_address? string "unix:/path" or "unix:@name" for a unix socket with a name
---@field local_port? integer
---@field remote_address? string
---@field remote_port? integer 0: no peer
---@field rx_queue_bytes? integer received and not read yet; of a listener: connections that wait for accept
---@field tx_queue_bytes? integer sent and not acknowledged yet
---@field type? string "stream", "dgram" or "seqpacket"; of unix sockets
---@field uid? integer the user it belongs to
---@field inode integer the number of the socket; 0 if no process holds it
---@field pid? integer a process that holds it; nil if there is none or it may not be looked at
---@field pids? integer[] all of them, if there are several
---@field command? string the name of that process: any bytes of its choice, not to be shown as they are

---Lists the sockets of this machine, as far as its files in /proc tell: those of the network namespace this
---program runs in. Processes of other users show to root only. It reads all at once, which takes some
---milliseconds and lets no other task run.
---@param options? {protocol: string?, listen: boolean?} protocol: "tcp", "udp" or "unix" only; listen: only
--- those that wait for peers
---@return net.port.socket[]? sockets
---@return net.error? err ENOENT (no /proc, in a chroot say), EACCES, EMFILE ...; the message names the file
---@see proc(5)
---```lua
---local server <close> = assert(net.listen("127.0.0.1", 0))
---assert(#net.port.sockets { protocol = "tcp", listen = true } >= 1)
---```
function port.sockets(options)
  return sockets.list(options)
end

---Tells which sockets of this machine stand at a port, and who holds them; those that listen come first.
---@param number integer 1 to 65535
---@param options? {type: string?, address: string?} type: "tcp" or "udp"; "tcp" if absent. address: only
--- those that a socket at that address would meet
---@return net.port.socket[]? sockets empty if there are none, or the one at the port does not listen
---@return net.error? err as of net.port.sockets
---@see proc(5)
---```lua
---local server <close> = assert(net.listen("127.0.0.1", 0))
---local _, number = server:getsockname()
---print(net.port.owner(number)[1].command)
---```
function port.owner(number, options)
  check.integer("owner", 1, number, 1, 65535)
  options = require("net.portcheck").options("owner", 2, options)
  return sockets.atport(number, options.type or "tcp", options.address)
end

return port
