-- net.commandline: the words of a tool's command line as a table, by argparse, with the options that all
-- tools share. Letters mean the same everywhere.

local convert = require "net.convert"

local commandline = {}

local WIDTH = 100 -- columns of help
local MOST = 10000 -- targets at a time
local LARGEST = 64 << 20 -- bytes of a file of words

-- ---- common options

local function fieldnames(word)
  local list = {}
  for name in (word .. ","):gmatch "([^,]*)," do
    if not name:find "^[%w_]+$" then return nil, ('bad fields "%s": use target,ms'):format(word) end
    list[#list + 1] = name
  end
  return list
end

local WHEN = { "auto", "always", "never" }

local groups = {}

function groups.every(parser)
  parser:flag "-h --help":description "Show this help."
  parser:flag "-j --json":description "The same as --format json: JSON Lines."
  parser:option "--format":argname "FORM":choices { "human", "plain", "json", "json-pretty", "csv" }
    :description "human, plain (separated by tabs), json, json-pretty or csv."
  parser:option "--fields":argname "A,B":convert(fieldnames):description "Only these fields."
  parser:option "-o --output":argname "FILE":description "Write results to a file, replaced at the end."
  parser:flag "-q --quiet":description "No hints."
  parser:flag "-v --verbose":count "0-2":description "Tell more; twice: even more."
  parser:option "--color":argname "WHEN":choices(WHEN):description "auto, always or never."
  parser:option "--progress":argname "WHEN":choices(WHEN):description "auto, always or never."
  parser:flag "--summary":description "End with a record that sums up."
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
  parser:option "-I --interface":argname "IF":convert(convert.interface)
    :description "Own interface, by name or index."
end

function groups.file(parser)
  parser:option "-f --file":argname "FILE":target "files":count "*"
    :description "Take words from a file, one per line; - is standard input."
end

function groups.parallel(parser)
  parser:option "-P --parallel":argname "N":convert(convert.integer(1, MOST))
    :description "How many at a time."
end

groups["repeat"] = function(parser)
  parser:option "-c --count":argname "N":convert(convert.integer(1, math.maxinteger))
    :description "How many times."
  parser:option "-i --interval":argname "D":convert(convert.duration)
    :description "Time between two: 1, 200ms."
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

-- The parser of a tool, of argparse, with its own and the common options.
function commandline.parser(name, spec)
  local parser = require "argparse"("netlua " .. name, spec.summary, epilog(spec)):add_help(false)
  if spec.options then spec.options(parser) end
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

-- What is wrong where a word is empty, or the value in --name=VALUE.
local function emptyword(words)
  local options = true
  for _, word in ipairs(words) do
    options = options and word ~= "--"
    if word == "" then return "empty word" end
    if options and word:find "^%-%-[%w-]+=$" then return ("empty value: %s"):format(word) end
  end
end

-- What argparse says, in one line; a guess is worth something for long names only.
local function sentence(message)
  local first, guess = message:match "^(.-)\n(.*)$"
  if not first then return message end
  return first:find "'%-[^-]'" and first or first .. ". " .. guess
end

-- args | nil, message | nil, nil, help
local function split(name, spec, words)
  local parser = commandline.parser(name, spec)
  local command = commandfirst(parser, words)
  if wantshelp(words) then return nil, nil, (command or parser):get_help() end
  local empty = emptyword(words)
  if empty then return nil, empty end
  local good, args = parser:pparse(words)
  if not good then return nil, sentence(args) end
  if args.help then return nil, nil, (command or parser):get_help() end
  return args
end

-- ---- what args hold beyond the words

local function family(args)
  return args.ipv4 and "inet" or args.ipv6 and "inet6" or nil
end

local BOM = "^\xef\xbb\xbf" -- editors elsewhere begin UTF-8 with it

-- One word per line; comments begin with "#". true | nil, message
local function addlines(list, name, lines)
  local size = 0
  for line in lines do
    if size == 0 then line = line:gsub(BOM, "") end
    size = size + #line + 1
    if size > LARGEST then return nil, "cannot read " .. name .. ": it is too large" end
    if line:find("\0", 1, true) then return nil, "cannot read " .. name .. ": not text" end
    local word = line:gsub("%s#.*$", ""):gsub("^#.*$", ""):match "%S.*"
    if word then list[#list + 1] = word:match "^.*%S" end
  end
  return true
end

-- Standard input is read as any stream is: the other tasks go on.
local function addinput(list)
  local ran, good, message = pcall(addlines, list, "standard input", assert(net.fromfd(0)):lines())
  if ran then return good, message end
  if type(good) == "table" and good.code == "TOOBIG" then
    return nil, "cannot read standard input: a line is too long"
  end
  error(good, 0)
end

local function addfile(list, name)
  if name == "-" then return addinput(list) end
  local file <close>, err = io.open(name, "rb")
  if not file then return nil, "cannot read " .. err end
  local text, problem = file:read(LARGEST)
  if text and #text == LARGEST then problem = "the file is too large" end
  if problem then return nil, "cannot read " .. name .. ": " .. problem end
  return addlines(list, name, (text or ""):gmatch "[^\n]+")
end

-- true | nil, message
local function complete(args, spec)
  args.net = {
    family = family(args), timeout = args.timeout, source = args.source, interface = args.interface,
  }
  args.form = args.json and "json" or args.format or "human"
  if args.json and args.form ~= (args.format or "json") then
    return nil, "--json and --format contradict each other"
  end
  for _, name in ipairs(args.files or {}) do
    local good, message = addfile(args.targets, name)
    if not good then return nil, message end
  end
  if spec.needs and #(args.targets or {}) == 0 then return nil, "missing " .. spec.needs end
  return true
end

-- Reads the words for a tool: args | nil, message | nil, nil, help
function commandline.parse(name, spec, words)
  local args, message, help = split(name, spec, words)
  if not args then return nil, message, help end
  local good
  good, message = complete(args, spec)
  if not good then return nil, message end
  return args
end

return commandline
