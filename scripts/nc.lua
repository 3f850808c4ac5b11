-- nc: a byte pipe with honest endings.

local PIECE = 65536
local KEPT = 65536 -- received bytes that a record holds
local LAST = 1 -- seconds for what a broken connection still holds
local DATAGRAM = 8192 -- bytes of standard input in one
local WHOLE = 1 << 24 -- room for any datagram: those of unix sockets may be larger than those of UDP
local SILENCE = 1 -- seconds that a probe of a UDP port waits

-- ---- what goes out

local ESCAPES = { n = "\n", r = "\r", t = "\t", ["0"] = "\0", ["\\"] = "\\" }

-- \n, \r, \t, \0, \\ and \xHH, as shells write them.
local function unescape(word)
  local parts, at = {}, 1
  while at <= #word do
    local plain, next = word:match("^([^\\]+)()", at)
    if not plain then
      local hex = word:match("^\\x(%x%x)", at)
      plain = hex and string.char(tonumber(hex, 16)) or ESCAPES[word:sub(at + 1, at + 1)]
      next = at + (hex and 4 or 2)
    end
    if not plain then return nil, ('bad data "%s": use \\n \\r \\t \\0 \\\\ \\xHH'):format(word) end
    parts[#parts + 1], at = plain, next
  end
  return table.concat(parts)
end

-- ---- what was seen

---@class pipe what goes both ways over one connection
---@field s net.stream|net.datagram
---@field sent integer
---@field received integer
---@field last number of net.now(): when bytes went either way
local function newpipe(s, args, out)
  return { s = s, args = args, out = out, sent = 0, received = 0, last = net.now(), kept = {}, room = KEPT }
end

-- What came goes to standard output, as it is or as a hexdump; into the record where records are wanted.
local function show(pipe, data, mark)
  if pipe.out.machine then
    if mark == "<" and pipe.room > 0 then
      pipe.kept[#pipe.kept + 1] = data:sub(1, pipe.room)
      pipe.room = pipe.room - #data
    end
    return true
  end
  if pipe.args.hex then
    local offset = (mark == "<" and pipe.received or pipe.sent) - #data
    data = net.hexdump(data, { offset = offset }):gsub("[^\n]+", mark .. " %0") .. "\n"
  elseif mark == ">" then
    return true
  end
  return pipe.out:write(data)
end

-- Lines end with CRLF; a pair may come in two pieces.
local function withcrlf(pipe, data)
  local first = pipe.tail == "\r" and data:sub(1, 1) == "\n" and "\n" or ""
  pipe.tail = data:sub(-1)
  return first .. data:sub(#first + 1):gsub("\r?\n", "\r\n")
end

local function transmit(pipe, data)
  if pipe.args.crlf then data = withcrlf(pipe, data) end
  local good, err
  if pipe.args.udp then good, err = pipe.s:send(data) else good, err = pipe.s:write(data) end
  if not good then
    pipe.sent = pipe.sent + (math.type(err.partial) and err.partial or 0)
    return nil, err
  end
  pipe.sent, pipe.last = pipe.sent + #data, net.now()
  return show(pipe, data, ">")
end

-- --send, then standard input, then what follows its end. "linger" | "sent": nothing more to say | nil, err
local function outward(pipe)
  local args, good, err = pipe.args, true, nil
  pipe.feeding = args.dash or not args.stdin
  if args.send then good, err = transmit(pipe, args.send) end
  while good and args.stdin do
    local data
    data, err = args.stdin:recv(args.udp and DATAGRAM or PIECE)
    if err then return nil, err end
    if not data then break end
    good, err = transmit(pipe, data)
  end
  if not good then return nil, err end
  pipe.feeding = false
  if args.halfclose and not args.udp then pipe.s:shutdown "w" end
  if not args.linger then return "sent" end
  net.sleep(args.linger)
  return "linger"
end

-- A wait under -w, which counts from the last byte in either direction.
local function patiently(pipe, wait)
  local timeout = pipe.args.timeout
  while true do
    local left = timeout and math.max(pipe.last + timeout - net.now(), 0)
    local item, err = wait(left)
    if item or not err or err.code ~= "TIMEOUT" then return item, err end
    if not timeout or net.now() >= pipe.last + timeout then return nil, err end
  end
end

local function early(pipe)
  local message = ("the peer ended after %d of %d bytes"):format(pipe.received, pipe.args.recv)
  return { code = "EOF", kind = "closed", op = "recv", message = message }
end

-- How much to ask for. A datagram is taken whole: what is left of it would be lost.
local function piece(pipe)
  local wanted = pipe.args.recv
  if pipe.args.udp then return WHOLE end
  return wanted and math.min(wanted - pipe.received, PIECE) or PIECE
end

-- What comes, to the end: "eof", "received" | nil, err
local function inward(pipe)
  local wanted = pipe.args.recv
  while not wanted or pipe.received < wanted do
    local data, err = patiently(pipe, function(left) return pipe.s:recv(piece(pipe), left) end)
    if err then return nil, err end
    if not data then
      if wanted then return nil, early(pipe) end
      return "eof"
    end
    pipe.received, pipe.last = pipe.received + #data, net.now()
    local good
    good, err = show(pipe, data, "<")
    if not good then return nil, err end
  end
  return "received"
end

-- ---- one connection

local ENDS = { timeout = "timeout", reset = "reset", refused = "refused", canceled = "canceled" }

local function endof(err)
  return err.code == "TLS_TRUNCATED" and "truncated" or ENDS[err.kind] or "error"
end

-- What the handshake agreed on, as a field of the record and as a hint.
local function protection(s, args)
  local info = args.tls and s:tls()
  if not info then return nil, "" end
  local trust = info.verified and ", verified" or ""
  return { protocol = info.protocol, cipher = info.cipher, alpn = info.alpn, verified = info.verified },
    (" with %s%s"):format(info.protocol, trust)
end

-- Silence is how a conversation over UDP ends, if there was one.
local function fine(pipe, err)
  return pipe.args.udp and err.code == "TIMEOUT" and pipe.received > 0 and not pipe.args.recv
end

local function summary(pipe, target, ending)
  local data = table.concat(pipe.kept)
  return {
    target = target, tls = protection(pipe.s, pipe.args), sent_bytes = pipe.sent,
    received_bytes = pipe.received, ["end"] = ending, data_b64 = pipe.out.machine and data or nil,
    data_cut = pipe.received > #data and pipe.out.machine or nil,
  }
end

local BROKEN = { closed = true, reset = true }

-- Sending failed because the connection is broken: what the peer said before can still be read.
local function lastwords(results, how, err)
  if how or err.op == "recv" or not BROKEN[err.kind] then return how, err end
  results:receive(LAST)
  return how, err
end

-- What came of a direction.
local function outcome(item, late)
  if not item then return nil, late end
  return item[1], item[2]
end

-- The peer has said all, and may listen still: it gets the rest of what is to be sent. Only a terminal is not
-- waited for: it has no end of its own.
local function remainder(pipe, results)
  if not pipe.feeding then return "eof" end
  local how, err = outcome(patiently(pipe, function(left) return results:receive(left) end))
  return how == "sent" and "eof" or how, err
end

-- Both directions until one of them decides: how it ended | nil, err
local function bothways(pipe)
  local scope <close>, results = net.scope(), net.channel(2)
  for _, direction in ipairs { outward, inward } do
    scope:spawn(function() results:send { direction(pipe) } end)
  end
  local how, err = outcome(results:receive())
  if how == "sent" then return outcome(results:receive()) end
  if how == "eof" then return remainder(pipe, results) end
  return lastwords(results, how, err)
end

-- Code may raise and return tables of its own.
local function iserror(value)
  return type(value) == "table" and type(value.code) == "string" and type(value.message) == "string"
end

-- What the code of -e returns. What it raises ends its connection only, where others follow: a peer that says
-- nothing does not end the service. Its status is the third value.
local function execute(pipe)
  if not pipe.args.keep then return pipe.args.code(pipe.s) end
  local ran, good, err = pcall(pipe.args.code, pipe.s)
  if ran then return good, err end
  local raised = iserror(good) and good
  if raised and raised.kind == "canceled" then error(raised, 0) end
  return nil, raised or { kind = "protocol", code = "EPROTO", op = "-e", message = tostring(good) }, 3
end

-- The code of -e has the connection instead of the pipe. The status.
local function evaluate(pipe, target, began)
  local good, err, status = execute(pipe)
  if not good and iserror(err) then return pipe.out:fail(target, err, began, status) end
  pipe.out:record({ target = target, ["end"] = "done" }, began)
  return 0
end

-- ^C is the usual end of many a pipe; the record tells what went over it until then.
local function interrupted(pipe, target, began, err)
  if not pipe.out.machine or type(err) ~= "table" or err.kind ~= "canceled" then return end
  pipe.out:fail(target, err, began, nil, summary(pipe, target, endof(err)))
end

-- Tells how it went. The status.
local function converse(pipe, target, began)
  local out = pipe.out
  if pipe.args.timeout then pipe.s:settimeout(pipe.args.timeout) end
  if pipe.args.code then return evaluate(pipe, target, began) end
  local last <close> = setmetatable({}, { -- luacheck: ignore last
    __close = function(_, err) interrupted(pipe, target, began, err) end,
  })
  local ending, err = bothways(pipe)
  local rec = summary(pipe, target, ending or endof(err))
  if out.verbose > 0 then
    out:note(("%s: %d bytes sent, %d received, %s"):format(target, pipe.sent, pipe.received, rec["end"]))
  end
  if not ending and not fine(pipe, err) then return out:fail(target, err, began, nil, rec) end
  out:record(rec, began)
  return 0
end

-- ---- ways to get one

local function clientoptions(args)
  local kind = args.udp and "dgram" or nil
  return {
    timeout = args.timeout, family = args.net.family, source = args.source, interface = args.interface,
    type = kind, tls = args.tls and { context = args.context, host = args.name } or nil,
  }
end

local function dial(args)
  if args.unix then
    local kind = args.udp and "dgram" or nil
    local tls = args.tls and { context = args.context, host = args.name } or nil
    return net.connect("unix:" .. args.words[1], { timeout = args.timeout, type = kind, tls = tls })
  end
  return net.connect(args.words[1], args.words[2], clientoptions(args))
end

local function label(args)
  if args.unix then return "unix:" .. args.words[1] end
  local host = args.words[1]
  return (host:find ":" and "[%s]:%s" or "%s:%s"):format(host, args.words[2])
end

-- Nothing answers an empty datagram that it does not expect, so silence says nothing.
local function probe(s, args, out, began)
  local rec = { target = label(args), state = "open" }
  if args.udp then
    local _, err = s:send ""
    local data
    if not err then data, err = s:recv(PIECE, args.timeout or SILENCE) end
    if not data and err.code ~= "TIMEOUT" then return out:fail(rec.target, err, began) end
    if not data then rec.state = "open|filtered" end
  end
  out:record(rec, began)
  return rec.state == "open" and 0 or 28
end

local function client(args, out)
  local began = net.now()
  local s <close>, err = dial(args)
  if not s then return out:fail(label(args), err, began) end
  if args.zero then return probe(s, args, out, began) end
  if out.verbose > 0 then out:note("connected to " .. label(args) .. select(2, protection(s, args))) end
  return converse(newpipe(s, args, out), label(args), began)
end

local function named(address, port)
  if not port then return address or "unix:" end
  return (address:find ":" and "[%s]:%d" or "%s:%d"):format(address, port)
end

-- The connections of a listener, one after the other. The status of the last one.
local function accepting(server, args, out)
  local status
  repeat
    local began = net.now()
    local s <close>, err = server:accept(args.timeout)
    if not s then return out:fail(named(server:getsockname()), err, began) end
    if not args.keep then server:close() end
    local good = true
    if args.tls then good, err = s:handshake(args.timeout) end
    if good then
      status = converse(newpipe(s, args, out), named(s:getpeername()), began)
    else
      status = out:fail(named(s:getpeername()), err, began)
    end
  until not args.keep
  return status
end

-- The sender of the first datagram is the peer; with -k all senders are, and nothing is sent. A unix socket
-- without a name cannot be answered.
local function receiving(s, args, out)
  while true do
    local began = net.now()
    local data, address, port = s:recvfrom(WHOLE, args.timeout)
    if not data then return out:fail(named(s:getsockname()), address, began) end
    local pipe = newpipe(s, args, out)
    pipe.received = #data
    show(pipe, data, "<")
    if not args.keep then
      local good, err = true, nil
      if address then good, err = s:connect(address, port) end
      if not good then return out:fail(named(address, port), err, began) end
      return converse(pipe, named(address, port), began)
    end
    out:record(summary(pipe, named(address, port), "datagram"), began)
  end
end

-- A datagram socket has one address: the first, where a name has several.
local function udpaddress(args)
  local family = args.net.family
  if args.unix then return args.address end
  if not args.address then return family == "inet6" and "::" or "0.0.0.0" end
  local list, err = net.getaddrinfo(args.address, nil, { family = family, socktype = "dgram" })
  return list and list[1].address, err
end

local function boundudp(args)
  local address, err = udpaddress(args)
  if not address then return nil, err end
  local s, good
  s, err = net.udp()
  if not s then return nil, err end
  good, err = s:bind(address, args.port)
  if good then return s end
  s:close()
  return nil, err
end

local function bound(args)
  if args.udp then return boundudp(args) end
  return net.listen(args.address, args.port, {
    family = not args.unix and args.net.family or nil, tls = args.context,
  })
end

local function server(args, out)
  local s <close>, err = bound(args)
  if not s then return out:fail(named(args.address or "*", args.port), err) end
  out:note("listening on " .. named(s:getsockname()))
  return (args.udp and receiving or accepting)(s, args, out)
end

-- ---- the command line

-- "8080", ":8080", "127.0.0.1:8080", "[::1]:8080": address, port | nil, nil, message
local function listenaddress(word, family)
  local address, service = word:match "^(.*):([^:]*)$"
  local port, message = net.tool.listenport(service or word)
  if not port then return nil, nil, message end
  address = address and address:gsub("^%[(.*)%]$", "%1")
  if address == "" then address = nil end
  return address or family == "inet" and "0.0.0.0" or family == "inet6" and "::" or nil, port
end

local function code(word)
  return load("local s = ... " .. word, "=-e", "t")
end

-- The words without "-", and whether it was there.
local function takedash(words)
  local rest, dash = {}, false
  for _, word in ipairs(words) do
    if word == "-" then dash = true else rest[#rest + 1] = word end
  end
  return rest, dash
end

-- The same of the options of TLS; makes the context of them.
local function checktls(args)
  if not args.tls then
    local lost = args.cafile or args.cert or args.key or args.name
    return lost and "--cafile, --cert, --key and --name need --tls" or nil
  end
  if args.udp then return "--tls is for streams: without -u" end
  if (args.cert == nil) ~= (args.key == nil) then return "--cert and --key belong together" end
  if args.listen and not args.cert then return "-l --tls needs --cert and --key" end
  if args.listen and (args.name or args.cafile) then return "--name and --cafile are for clients" end
  if args.unix and not args.listen and not args.name then
    return "-U --tls needs --name: whom the certificate has to be for"
  end
  local err
  args.context, err = net.tls.context { cafile = args.cafile, cert = args.cert, key = args.key }
  return err and err.message
end

-- A message where the words and options do not go together.
local function check(args)
  if args.keep and not args.listen then return "-k needs -l" end
  if args.code and (args.dash or args.send or args.recv or args.zero) then
    return "-e sends and receives itself: without -, --send, --recv and -z"
  end
  if (args.source or args.interface) and (args.listen or args.unix) then
    return "-s and -I are for a connection to a host"
  end
  if args.zero and args.listen then return "-z and -l contradict each other" end
  if args.keep and args.dash then return "-k does not read standard input" end
  local wanted = (args.unix or args.listen) and 1 or 2
  if #args.words ~= wanted then
    return args.unix and "PATH expected" or args.listen and "[ADDR:]PORT expected" or "HOST and PORT expected"
  end
  local message
  if args.listen and args.unix then
    args.address = "unix:" .. args.words[1]
  elseif args.listen then
    args.address, args.port, message = listenaddress(args.words[1], args.net.family)
  elseif not args.unix then
    args.words[2], message = net.tool.port(args.words[2])
  end
  return message
end

return {
  summary = "A byte pipe to a host, or from one, that says how it ended.",
  common = { "net" },
  examples = {
    "nc localhost 80 --send 'GET / HTTP/1.0\\r\\n\\r\\n'", "nc -N localhost 7 - <file", "nc -l 8080",
    "nc -z localhost 22", "nc -u localhost 53 --hex --send '\\x00\\x01' -w 1",
    "nc -lk 8080 -e 's:write(s:read(), \"\\n\")'", "nc --tls example.com 443",
  },
  notes = "Standard input is sent where it is a terminal, or where - is given. In records the first 64 KiB "
    .. "of what came stand as data_b64, and nothing else is printed. Without -w a connection has 30 seconds "
    .. "to come about, and a peer may be silent for ever; with -z a UDP port has 1 second to answer.",
  options = function(parser)
    parser:argument("WORD"):args "*":target "words"
      :description "HOST PORT; with -l [ADDR:]PORT; with -U PATH. And - for standard input."
    parser:flag "-l --listen":description "Wait for one connection."
    parser:flag "-k --keep":description "With -l: for one after the other."
    parser:flag "-u --udp":description "Datagrams. With -l the first sender is the peer."
    parser:flag "-U --unix":description "A unix socket."
    parser:flag "-N --halfclose":description "Say that nothing follows when standard input has ended."
    parser:flag "-z --zero":description "Connect, and send nothing: is it open?"
    parser:flag "-C --crlf":description "Send CRLF for each line end."
    parser:flag "--hex":description "Show what goes (>) and comes (<) in hexadecimal."
    parser:option "--recv":argname "N":convert(net.tool.size)
      :description "End after so many bytes: 10, 64k. Datagrams are taken whole."
    parser:option "--send":argname "DATA":convert(unescape)
      :description "Send this: \\n \\r \\t \\0 \\\\ \\xHH."
    parser:option "-e":argname "LUA":target "code":convert(code)
      :description "Run this with the connection in s, and end."
    parser:option "--linger":argname "D":convert(net.tool.duration)
      :description "End so long after the end of what is sent."
    parser:flag "--tls":description "TLS; with -l it needs --cert and --key."
    parser:option "--cafile":argname "FILE"
      :description "Trust these authorities, and not the system's."
    parser:option "--name":argname "NAME":description "Whom the server's certificate has to be for."
    parser:option "--cert":argname "FILE":description "Own certificate."
    parser:option "--key":argname "FILE":description "Its key."
  end,
  columns = { "target", "state", "sent_bytes", "received_bytes", "end" },
  human = function(rec) return rec.state and { rec.target, rec.state } end,
  run = function(args, out)
    args.words, args.dash = takedash(args.words)
    local message = check(args) or checktls(args)
    if message then return out:usage(message) end
    local reads = args.dash or out.terminal["in"] and not args.keep and not args.code
    args.stdin = reads and not args.zero and assert(net.fromfd(0)) or nil
    return (args.listen and server or client)(args, out)
  end,
}
