-- net.tool: runs tools: `netlua NAME words`. It reads the command line, gives the tool an output, and makes
-- the exit status.

local host = require "net.core.host"
local check = require "net.check"
local commandline = require "net.commandline"
local convert = require "net.convert"
local output = require "net.output"
local record = require "net.record"
local text = require "net.text"

---Tools: what runs them, what reads their words, and what their exit statuses mean.
---@class net.tool
---@field statuses {[1]: integer, [2]: string, kinds: string[]?, codes: string[]?}[] exit statuses: number,
--- meaning, and the kinds and codes of the errors that it stands for
---@field null table stands for null in a record, where a field of a table cannot be nil
local tool = {}

---A tool, as a file in scripts/ returns it.
---@class net.tool.spec
---@field name? string what it is called in messages and records, such as "check.lua"; "tool" if absent
---@field summary? string one sentence: what it does
---@field run fun(args: table, out: net.tool.output): integer? the work; its result is the exit status, and
--- without one that of what was reported
---@field options? fun(parser: table) declares its own options, on a parser of argparse
---@field common? string[] groups of common options: "net" or its parts "family", "time" and "source";
--- "targets" or its parts "file" and "parallel"; "repeat"
---@field columns? string[] fields of records, in the order in which rows have them
---@field human? fun(record: table, args: table): table? the row that a person sees, as a
--- list of cells, or several as { rows = list }; without it, the columns
---@field heading? string[] of the rows of `human`, where they stand on a terminal
---@field examples? string[] command lines, without "netlua"
---@field notes? string what its help says beside the options
---@field needs? string the name of a target, where there must be one
---@field usage? string for a tool that reads its words itself: run(words) gets them as they are and may print

for name, converter in pairs(convert) do tool[name] = converter end
tool.null = record.null

-- ---- exit statuses

---What a tool's exit status says. An error has the status of its code, else of its kind.
tool.statuses = {
  { 0, "yes" },
  { 1, "no; or some of several targets failed; or the machine refused: permission, in use, a limit",
    kinds = { "permission", "inuse", "address", "limit", "busy" } },
  { 2, "usage" },
  { 3, "internal error, with traceback" },
  { 5, "proxy", kinds = { "proxy" } },
  { 6, "name resolution", kinds = { "dns" } },
  { 7, "connect: refused, unreachable or reset", kinds = { "refused", "unreachable" } },
  { 22, "HTTP status 400 or more, with --fail" },
  { 28, "timeout or --deadline", kinds = { "timeout" } },
  { 35, "TLS handshake", kinds = { "tls" }, codes = { "STARTTLS_REFUSED" } },
  { 52, "empty reply" },
  { 55, "send failed", kinds = { "closed", "reset", "protocol" }, sending = true },
  { 56, "receive failed or reply malformed", kinds = { "closed", "reset", "protocol" },
    codes = { "TLS_TRUNCATED", "TLS_PROTOCOL", "TLS_ALERT" } },
  { 60, "certificate", codes = { "TLS_VERIFY" } },
  { 67, "authentication", kinds = { "auth" } },
  { 130, "SIGINT", kinds = { "canceled" } },
}

local SHAKING = { tls = true, reset = true, closed = true }
local SENDING = { send = true, write = true, sendto = true, sendmsg = true, sendfile = true }

local function has(list, item)
  for _, other in ipairs(list or {}) do
    if other == item then return true end
  end
  return false
end

---The exit status that stands for an error.
---@param err net.error
---@return integer status
---```lua
---local _, err = net.getaddrinfo("10.0.0.256", nil, { flags = "numerichost" })
---assert(net.tool.statusof(err) == 6)
---```
function tool.statusof(err)
  check.error("statusof", 1, err)
  if err.op == "connect" and err.kind == "reset" then return 7 end
  if err.op == "handshake" and SHAKING[err.kind] and err.code ~= "TLS_VERIFY" then return 35 end
  local sending, status = SENDING[err.op] or false, 1
  for _, row in ipairs(tool.statuses) do
    if has(row.codes, err.code) then return row[1] end
    if has(row.kinds, err.kind) and (row.sending == nil or row.sending == sending)
      and not (sending and row[1] == 56) then
      status = row[1]
    end
  end
  return status
end

---Gives an error as records hold it.
---@param err net.error
---@return table fields kind, code, op, message; where known errno, address, host, port, ms, partial_b64,
--- attempts, cause, and reason, depth, alert of a handshake
---```lua
---local _, err = net.inet_pton("inet", "10.0.0.256")
---assert(net.tool.errorfields(err).kind == "address")
---```
function tool.errorfields(err)
  check.error("errorfields", 1, err)
  return record.error(err)
end

-- ---- streams

-- --color, then the environment, then whether that very stream is a terminal.
local function colored(args, fd)
  local function set(name)
    local value = os.getenv(name)
    return value and value ~= "" and value ~= "0"
  end
  if args.color and args.color ~= "auto" then return args.color == "always" end
  if (os.getenv "NO_COLOR" or "") ~= "" then return false end
  if set "FORCE_COLOR" or set "CLICOLOR_FORCE" then return true end
  return os.getenv "TERM" ~= "dumb" and host.isterminal(fd)
end

-- Whoever shares a pipe or terminal with us may have made it one that refuses to take more for the time
-- being: that is waited for. All else is for stdio, which remembers what failed.
local function put(file, fd, line)
  local n, more = host.put(fd, line)
  while more do
    line = line:sub(n + 1)
    n, more = host.put(fd, line)
  end
  if n < #line then file:write(line:sub(n + 1)) end
  file:flush()
end

local function toout(line)
  io.stdout:flush()
  put(io.stdout, 1, line)
end

local function toerr(line)
  io.stdout:flush()
  put(io.stderr, 2, line)
end

-- Bytes go through a stream, so that a reader who is slow stops no other task.
local function streamed()
  local stream
  return function(bytes)
    io.stdout:flush()
    stream = stream or assert(net.fromfd(1))
    return stream:write(bytes)
  end
end

-- Where results and hints go, and what may stand there.
local function standard(args)
  local toterminal = not args.output and host.isterminal(1)
  return {
    write = toout, warn = toerr, bytes = streamed(),
    terminal = { ["in"] = host.isterminal(0), out = toterminal, err = host.isterminal(2) },
    colored = { out = not args.output and colored(args, 1), err = colored(args, 2) },
  }
end

-- Neither stream is a terminal.
local function captured(write, warn)
  return { write = write, warn = warn, terminal = {}, colored = {} }
end

local function keeper()
  local lines = {}
  return function(line) lines[#lines + 1] = line end, lines
end

-- Ends the file at `path`, and puts it in the place of `name` if all of it was written; else it says why.
local function settle(file, path, name, lost)
  local good, message = file:close()
  lost = lost or not good and message
  if path == name then return lost end
  if not lost then
    good, message = os.rename(path, name)
    lost = not good and message:sub(#path + 3)
  end
  if lost then os.remove(path) end
  return lost
end

-- Results go to a file beside the one that is wanted, which takes its place when the tool has ended. What is
-- no file, such as /dev/null, is written to as it is. An object whose `finish` says what went wrong, if
-- anything did, and whose `drop` leaves the file that is there.
local function tofile(name, streams)
  if not name then return nil end
  local type = host.filetype(name)
  local path = (type == "file" or not type) and ("%s.%d"):format(name, net.now() * 1e6 // 1) or name
  local file, err = io.open(path, "wb")
  if not file then return nil, "cannot write " .. name .. err:sub(#path + 1) end
  if type == "file" then host.copymode(name, path) end -- before there is anything to read
  local lost
  streams.write = function(line)
    local good, message = file:write(line)
    lost = lost or not good and message
  end
  streams.bytes = streams.write
  local function finish()
    if io.type(file) == "file" then lost = settle(file, path, name, lost) end
    return lost
  end
  local function drop() settle(file, path, name, "nothing to write") end
  return setmetatable({ finish = finish, drop = drop }, { __close = finish })
end

-- ---- running

local function usage(name, message, streams)
  message = text.escape(text.brief(message))
  streams.warn(("netlua %s: %s\ntry: netlua %s --help\n"):format(name, message, name))
  return 2
end

local function perform(name, spec, args, streams)
  local file <close>, message = tofile(args.output, streams)
  if message then return usage(name, message, streams) end
  local out <close> = output.new(name, spec, args, streams)
  local scope <close> = net.scope { timeout = args.deadline }
  local status = spec.run(args, out)
  local final = out:finish()
  status = math.type(status) == "integer" and status or final
  if file and out.misused then file.drop() end -- a mistyped word costs no results
  local lost = file and file.finish()
  if lost then
    streams.warn(("netlua %s: cannot write %s: %s\n"):format(name, text.escape(args.output), lost))
    return 1
  end
  return status ~= 0 and scope:remaining() <= 0 and 28 or status
end

-- `connect(args)` makes the streams.
local function runspec(name, spec, words, connect)
  local args, message, help = commandline.parse(name, spec, words)
  local streams = connect(args or {})
  if help then
    streams.write(help .. "\n")
    return 0
  end
  if not args then return usage(name, message, streams) end
  return perform(name, spec, args, streams)
end

local function runplain(name, spec, words)
  for _, word in ipairs(words) do
    if word == "-h" or word == "--help" then
      local form = name .. (spec.usage ~= "" and " " .. spec.usage or "")
      toout(("usage: netlua %s\n%s\n"):format(form, spec.summary))
      return 0
    end
  end
  return spec.run(words) or 0
end

---Loads a tool that is in the program.
---@param name string
---@return net.tool.spec? spec nil if there is none of that name
---```lua
---assert(net.tool.load("inet").summary)
---assert(net.tool.load "nosuch" == nil)
---```
function tool.load(name)
  check.text("load", 1, name)
  local chunk = host.loadtool(name)
  return chunk and chunk()
end

---Gives the names of the tools that are in the program.
---@return string[] names sorted
---```lua
---assert(#net.tool.names() > 0)
---```
function tool.names()
  local names = host.tools()
  table.sort(names)
  return names
end

---Tells what there is on a name: on what is in `net`, on an error code, on a tool; the same as `?name` at
---the prompt.
---@param name string "net.connect", "stream:read", "connect", "ECONNREFUSED", "ping"; "x509.*" for all that
--- fits
---@return {name: string, kind: string, signature: string?, summary: string, page: string}[]? pages several
--- if several are called so, or fit; kind is "function", "class", "field", "constant", "error" or "tool"
---@return string? message what may have been meant by a name that is unknown
---```lua
---assert(net.tool.doc("net.pair")[1].signature == "net.pair([type]) -> a, b")
---assert(select(2, net.tool.doc "net.pear"):find "net.pair")
---```
function tool.doc(name)
  check.text("doc", 1, name)
  return require("net.help").records(name)
end

local FIELDS = {
  name = "string", summary = "string", run = "function", options = "function", common = "table",
  columns = "table", human = "function", heading = "table", examples = "table", notes = "string",
  needs = "string", usage = "string",
}

local function checkspec(caller, spec)
  if type(spec) ~= "table" then check.bad(caller, 1, "tool, by name or as a table,", spec) end
  for field, value in pairs(spec) do
    local kind = FIELDS[field]
    if not kind then check.unknown(caller, 1, field, FIELDS) end
    local good = type(value) == kind and not (kind == "string" and value:find("\0", 1, true))
    if not good then check.bad(caller, 1, ("option %q: %s"):format(field, kind), value) end
  end
  if not spec.run then check.bad(caller, 1, 'option "run": function', nil) end
end

-- The name of a tool and the tool, of a name or a table.
local function named(caller, spec)
  if type(spec) == "string" then
    check.text(caller, 1, spec)
    return spec, tool.load(spec) or check.bad(caller, 1, "name of a tool", spec)
  end
  checkspec(caller, spec)
  return spec.name or "tool", spec
end

---Runs a tool within this program, and keeps what it says or hands it on at once.
---@async
---@param spec string|net.tool.spec name of a tool of the program, or one of your own
---@param words string[] its words; none is empty
---@param write? fun(text: string) is called with what it writes to standard output
---@param warn? fun(text: string) is called with what it writes to standard error
---@return integer status
---@return string results what it wrote to standard output; "" with `write`
---@return string hints what it wrote to standard error; "" with `warn`
---```lua
---local status, results = net.tool.call("inet", { "127.0.0.1", "--fields", "class" })
---assert(status == 0 and results == "loopback\n")
---```
function tool.call(spec, words, write, warn)
  local name
  name, spec = named("call", spec)
  check.texts("call", 2, words)
  if write ~= nil then check.callable("call", 3, write) end
  if warn ~= nil then check.callable("call", 4, warn) end
  local keepout, out = keeper()
  local keeperr, err = keeper()
  local streams = captured(write or keepout, warn or keeperr)
  local status = runspec(name, spec, { table.unpack(words) }, function() return streams end)
  return status, table.concat(out), table.concat(err)
end

---Runs a tool as `netlua NAME WORDS` does: it writes to standard output and standard error, and its status
---will be that of the program, unless that ends in another way; of several tools the last one's counts. From
---then on ^C ends the program without a traceback, and SIGTERM and SIGHUP let it tidy up as ^C does.
---@async
---@param spec string|net.tool.spec name of a tool of the program, or one of your own
---@param ... string words
---```lua
---net.tool.run("inet", "10.0.0.0/8", "--output", "/dev/null")
---net.tool.run { name = "hello.lua", run = function(_, out) out:record { greeting = "hello" } end }
---```
function tool.run(spec, ...)
  local name, found = named("run", spec)
  local words = { ... }
  check.texts("run", 2, words)
  local status
  host.toolruns()
  if found.usage then
    status = runplain(name, found, words)
  else
    status = runspec(name, found, words, standard)
  end
  host.exitstatus(status)
end

return tool
