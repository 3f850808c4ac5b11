-- net.tool: runs a bundled tool: `netlua NAME words`. It reads the command line for it, gives it an output,
-- and makes the exit status.

local host = require "net.core.host"
local convert = require "net.convert"
local text = require "net.text"

local tool = {}

for name, converter in pairs(convert) do tool[name] = converter end
tool.null = require("net.record").null

local WIDTH = 100 -- columns of help
local MOST = 10000 -- targets at a time

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
  { 35, "TLS handshake", kinds = { "tls" } },
  { 52, "empty reply" },
  { 55, "send failed", kinds = { "closed", "reset", "protocol" }, sending = true },
  { 56, "receive failed or reply malformed", kinds = { "closed", "reset", "protocol" } },
  { 60, "certificate", codes = { "TLS_VERIFY" } },
  { 67, "authentication", kinds = { "auth" } },
  { 130, "SIGINT", kinds = { "canceled" } },
}

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
  if err.op == "connect" and err.kind == "reset" then return 7 end
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

-- ---- common options

local function fieldnames(word)
  local list = {}
  for name in (word .. ","):gmatch "([^,]*)," do
    if not name:find "^[%w_]+$" then return nil, ('bad fields "%s": use target,ms'):format(word) end
    list[#list + 1] = name
  end
  return list
end

local groups = {}

function groups.every(parser)
  parser:flag "-h --help":description "Show this help."
  parser:flag "-j --json":description "The same as --format json: JSON Lines."
  parser:option "--format":argname "FORM":choices { "human", "plain", "json", "json-pretty", "csv" }
    :description "human, plain (separated by tabs), json, json-pretty or csv."
  parser:option "--fields":argname "A,B":convert(fieldnames):description "Only these fields."
  parser:flag "-q --quiet":description "No hints."
  parser:flag "-v --verbose":count "0-2":description "Tell more; twice: even more."
  parser:option "--color":argname "WHEN":choices { "auto", "always", "never" }
    :description "auto, always or never."
end

function groups.family(parser)
  parser:mutex(parser:flag "-4":target "ipv4":description "IPv4 only.",
    parser:flag "-6":target "ipv6":description "IPv6 only.")
end

function groups.time(parser)
  parser:option "-w --timeout":argname "D":convert(convert.duration)
    :description "Limit of one operation: 5, 300ms, 2m."
  parser:option "--deadline":argname "D":convert(convert.duration):description "Limit of the whole run."
end

function groups.source(parser)
  parser:option "-s --source":argname "ADDR":convert(convert.address):description "Own address to use."
end

function groups.file(parser)
  parser:option "-f --file":argname "FILE":target "files":count "*"
    :description "Take words from a file, one per line; - is standard input."
end

function groups.parallel(parser)
  parser:option "-P --parallel":argname "N":convert(convert.integer(1, MOST))
    :description "How many at a time."
end

local SEVERAL = { net = { "family", "time", "source" }, targets = { "file", "parallel" } }

local function addgroups(parser, names)
  groups.every(parser)
  for _, name in ipairs(names or {}) do
    for _, group in ipairs(SEVERAL[name] or { name }) do groups[group](parser) end
  end
end

-- ---- the parser

local function epilog(spec)
  local lines = {}
  for _, example in ipairs(spec.examples or {}) do lines[#lines + 1] = "   netlua " .. example end
  if #lines > 0 then table.insert(lines, 1, "Examples:") end
  if spec.notes then table.insert(lines, 1, spec.notes .. "\n") end
  return table.concat(lines, "\n")
end

-- "-w, --timeout D" in one line, where argparse would take two.
local function label(option)
  local words = table.concat(option._aliases, ", ")
  return { option._maxargs > 0 and words .. " " .. option:_get_argname(1) or words }
end

local function tidied(parser)
  parser:usage_max_width(WIDTH):help_max_width(WIDTH):help_description_margin(26)
  for _, option in ipairs(parser._options) do option._get_label_lines = label end
  return parser
end

---Builds the parser of a tool, with its own and the common options.
---@param name string
---@param spec table what the tool's file returns
---@return table parser of argparse
function tool.parser(name, spec)
  local parser = require "argparse"("netlua " .. name, spec.summary, epilog(spec)):add_help(false)
  spec.options(parser)
  if #parser._commands == 0 then
    addgroups(parser, spec.common)
    return tidied(parser)
  end
  parser:flag "-h --help":description "Show this help."
  parser:command_target "command"
  for _, command in ipairs(parser._commands) do
    command:add_help(false)
    addgroups(command, spec.common)
    tidied(command)
  end
  return tidied(parser)
end

-- Options may stand before the command too: it moves to the front.
local function commandfirst(parser, words)
  local known = {}
  for _, command in ipairs(parser._commands) do known[command._name] = command end
  for i, word in ipairs(words) do
    if word == "--" then return nil end
    if known[word] then
      table.insert(words, 1, table.remove(words, i))
      return known[word]
    end
  end
end

local function wantshelp(words)
  for _, word in ipairs(words) do
    if word == "--" then return false end
    if word == "-h" or word == "--help" then return true end
  end
  return false
end

-- What argparse says, in one line; a guess is worth something for long names only.
local function sentence(message)
  local first, guess = message:match "^(.-)\n(.*)$"
  if not first then return message end
  return first:find "'%-[^-]'" and first or first .. ". " .. guess
end

-- args | nil, message | nil, nil, help
local function parse(name, spec, words)
  local parser = tool.parser(name, spec)
  local command = commandfirst(parser, words)
  if wantshelp(words) then return nil, nil, (command or parser):get_help() end
  for _, word in ipairs(words) do
    if word == "" then return nil, "empty word" end
  end
  local good, args = parser:pparse(words)
  if not good then return nil, sentence(args) end
  if args.help then return nil, nil, (command or parser):get_help() end
  return args
end

-- ---- what args hold beyond the words

local function family(args)
  return args.ipv4 and "inet" or args.ipv6 and "inet6" or nil
end

-- One word per line; comments begin with "#".
local function addlines(list, lines)
  for line in lines do
    line = line:gsub("%s#.*$", ""):gsub("^#.*$", ""):match "^%s*(.-)%s*$"
    if line ~= "" then list[#list + 1] = line end
  end
end

-- Standard input is read as any stream is: the other tasks go on.
local function addfile(list, name)
  if name == "-" then
    addlines(list, assert(net.fromfd(0)):lines())
    return true
  end
  local file <close>, err = io.open(name, "rb")
  if not file then return nil, "cannot read " .. err end
  if not file:read(0) and file:seek "end" ~= 0 then return nil, "cannot read " .. name .. ": not a file" end
  addlines(list, file:lines())
  return true
end

-- true | nil, message
local function complete(args, spec)
  args.net = { family = family(args), timeout = args.timeout, source = args.source }
  args.form = args.json and "json" or args.format or "human"
  if args.json and args.form ~= (args.format or "json") then
    return nil, "--json and --format contradict each other"
  end
  for _, name in ipairs(args.files or {}) do
    local good, message = addfile(args.targets, name)
    if not good then return nil, message end
  end
  if spec.needs and #args.targets == 0 then return nil, "missing " .. spec.needs end
  return true
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

local function write(line)
  io.stdout:write(line)
  io.stdout:flush()
end

local function warn(line)
  io.stdout:flush()
  io.stderr:write(line)
end

local STANDARD = { write = write, warn = warn }

local function outputof(name, spec, args, streams)
  return require("net.output").new {
    name = name, args = args, form = args.form, fields = args.fields, columns = spec.columns,
    human = spec.human,
    quiet = args.quiet or false, verbose = args.verbose or 0, parallel = args.parallel,
    write = streams.write, warn = streams.warn, clock = host.clock,
    terminal = streams == STANDARD and { ["in"] = host.isterminal(0), out = host.isterminal(1),
      err = host.isterminal(2) } or {},
    colored = streams == STANDARD and { out = colored(args, 1), err = colored(args, 2) } or {},
  }
end

local function usage(name, message, streams)
  streams.warn(("netlua %s: %s\ntry: netlua %s --help\n"):format(name, text.escape(message), name))
  return 2
end

-- ---- running

local function perform(name, spec, args, streams)
  local out <close> = outputof(name, spec, args, streams)
  local scope <close> = net.scope { timeout = args.deadline }
  local status = spec.run(args, out)
  local final = out:finish()
  status = math.type(status) == "integer" and status or final
  return status ~= 0 and scope:remaining() <= 0 and 28 or status
end

local function runspec(name, spec, words, streams)
  local args, message, help = parse(name, spec, words)
  if help then
    streams.write(help .. "\n")
    return 0
  end
  if not args then return usage(name, message, streams) end
  local good
  good, message = complete(args, spec)
  if not good then return usage(name, message, streams) end
  return perform(name, spec, args, streams)
end

-- A tool without `options` reads its words itself, and may print.
local function runplain(name, spec, words)
  if wantshelp(words) then
    write(("usage: netlua %s %s\n%s\n"):format(name, spec.usage or "", spec.summary))
    return 0
  end
  return spec.run(words) or 0
end

---The tool of that name, as its file returns it.
---@param name string
---@return table? spec nil if there is none
function tool.load(name)
  local chunk = host.loadtool(name)
  return chunk and chunk()
end

---The names of all tools.
---@return string[] names
function tool.names()
  return host.tools()
end

---Runs a tool within this program.
---@async
---@param name string
---@param words string[] its words
---@param streams {write: fun(text: string), warn: fun(text: string)} where its results and its hints go
---@return integer status
function tool.invoke(name, words, streams)
  return runspec(name, tool.load(name), words, streams)
end

---Runs the tool of that name and sets the exit status of the program.
---@async
---@param name string as in `netlua NAME`
---@param ... string its words
function tool.run(name, ...)
  local spec, words = tool.load(name), { ... }
  local run = spec.options and runspec or runplain
  host.exitstatus(run(name, spec, words, STANDARD))
end

return tool
