-- net.repl: the prompt. It reads entries, runs each as a task that ^C cancels, and shows what they give; the
-- other tasks go on all the while.

local chunk = require "net.chunk"
local commands = require "net.commands"
local core = require "net.core.task"
local history = require "net.history"
local host = require "net.core.host"
local show = require "net.show"
local socket = require "net.core.socket"
local text = require "net.text"
local transcript = require "net.transcript"
local xdg = require "net.xdg"

local repl = {}

local LONGEST = 64 << 20 -- bytes of a line
local LARGEST = 16 << 20 -- bytes of the file that is run at the start
local WIDTH = 80         -- columns where a terminal does not say
local SLOW = 1           -- seconds from which on the time of an entry is shown
local INTERRUPTED = 130  -- the status to leave with

local DIM <const>, RED <const>, PLAIN <const> = "\27[2m", "\27[31m", "\27[0m"

local stdout, stderr = io.stdout, io.stderr -- whatever an entry makes of `io`
local find, move = string.find, table.move

-- Behind what has been printed.
local function write(message)
  stdout:flush()
  stderr:write(message)
  stderr:flush()
end

local function paint(session, color, message)
  if not session.options.color then return message end
  return (message:gsub("[^\n]+", color .. "%0" .. PLAIN))
end

-- ---- running

-- Runs a function as a task that ^C cancels: what it returns, or nil and what it raised.
local function foreground(f, ...)
  local task = core.spawn(f, ...)
  core.foreground(task)
  return task:join()
end

-- Shows an error, what to do about it, and where it was raised, if it was.
local function fail(session, err, trace)
  local hint = show.hint(err)
  write(paint(session, RED, show.failure(err, session.options)) .. "\n")
  if hint then session.tell(text.wrap(text.escape(hint), session.options.width or WIDTH)) end
  if trace then write(paint(session, RED, text.lines(trace)) .. "\n") end
end

-- What ^C has ended leaves its sockets to the collector, which would leave them open.
local function complain(session, err, trace)
  if not show.iscancellation(err) then return fail(session, err, trace) end
  collectgarbage()
  session.tell(session.echoes .. "interrupted")
end

local function advise(session, entry, message)
  local hint = entry.source and require("net.misnomer").hint(entry.source, session.scope, message)
  if hint then session.tell(hint) end
end

-- Keeps the results of an entry in _, __ and ___, or its error in _err, and shows them.
local function conclude(session, entry, trace, ok, ...)
  local scope, first, second = session.scope, ...
  local count = select("#", ...)
  if not ok then
    scope._err, session.failed = first, true
    complain(session, first, trace)
    return type(first) == "string" and advise(session, entry, first)
  end
  if count == 0 then return end
  scope.___, scope.__, scope._ = scope.__, scope._, first
  local failed = first == nil and show.iserror(second)
  if failed then scope._err = second end
  if entry.muted then return end
  if failed then return fail(session, second) end
  print(show.results(session.options, count, ...))
  if count == 1 and first == nil then advise(session, entry) end
end

local function run(session, entry)
  session.declare(entry.names)
  for _, name in ipairs(entry.kept) do
    session.tell(("-- %s has an attribute: it ends with this entry"):format(name))
  end
  for _, name in ipairs(entry.beside) do session.tell(("-- %s ends with this entry, too"):format(name)) end
  chunk.run(entry, function(...) conclude(session, entry, ...) end)
end

local enter

-- A session: where its names are, what the entries were, how results are shown, and what .bg has started.
-- Behind plain lines the terminal has shown ^C itself, and stays on that row.
local function newsession(plain, color)
  local session = { entries = {}, queue = {}, taken = 0, options = { color = color }, set = {}, jobs = {},
    saved = {}, echoes = plain and "\n" or "" }
  function session.tell(message)
    write(paint(session, DIM, message) .. "\n")
  end
  function session.reset()
    if session.forget then session.forget() end
    session.scope, session.declare, session.forget = chunk.scope()
    session.declare { "_", "__", "___", "_err" }
  end
  function session.perform(entry) run(session, entry) end
  function session.enter(source) enter(session, source) end
  session.reset()
  return session
end

-- ---- where entries come from: `read(prompt)` gives a line, nil at the end, or false after ^C

-- Plain lines. The last may lack its end. Where nobody types, ^C is for the program.
local function lines(session)
  local input = assert(socket.fromfd(0))
  local terminal = host.isterminal(0)
  input:setlimits { max_line = LONGEST }
  local function readline()
    local line, err = input:read "l"
    if err and err.code ~= "EOF" then write(tostring(err) .. "\n") end
    return { line or err and err.partial }
  end
  local function read(prompt)
    write(prompt)
    local result, err = foreground(readline)
    if result then return result[1] end
    if not show.iscancellation(err) then error(err, 0) end
    write "\n"
    if terminal then return false end
    session.ending = INTERRUPTED
    return nil
  end
  local function none() end
  return { read = read, remember = none, width = none, close = function() input:close() end }
end

-- What TAB does: candidates that have more in common than what is there complete it, others are listed. The
-- lines before belong to the entry, too: an open table is that of a call.
local function completer(session)
  return function(line, point)
    local complete = require "net.complete"
    local before = session.before
    local source, cursor = before .. line, #before + point
    local signature = complete.hint(source, cursor, session.scope)
    if signature then
      session.tell(text.lines(signature))
      return point + 1
    end
    local found, first = complete.candidates(source, cursor, session.scope)
    local common = text.common(found)
    if #found == 0 then return nil end
    if #found > 1 and #common <= cursor + 1 - first then
      print(text.inrows(found, session.options.width or WIDTH))
      return point + 1
    end
    return first - #before, common
  end
end

-- Lines that are edited on a terminal; nil and why it cannot be.
local function editor(session)
  local terminal, problem = require("net.core.terminal").open(completer(session))
  if not terminal then return nil, problem end
  local input = {}
  function input.read(prompt)
    local result, err = foreground(function() return { terminal:readline(prompt) } end)
    if result then return result[1] end
    if not show.iscancellation(err) then error(err, 0) end
    if not terminal:abandon() and prompt == "> " then session.tell "^D to leave" end
    return false
  end
  function input.remember(entry) -- what could be typed: the terminal acts on other controls
    if utf8.len(entry) and not entry:find "\xc2[\x80-\x9f]" then terminal:remember(entry) end
  end
  function input.width() return terminal:width() end
  function input.close() terminal:close() end
  return input
end

local function open(session, terminal)
  if not terminal then return lines(session) end
  local input, problem = editor(session)
  if not input then session.tell("-- no line editing: " .. problem) end
  return input or lines(session)
end

-- ---- entries

-- What a source is, as transcript.read tells, or transcript.one. An entry that has spoiled the library,
-- string.find say, does not end the prompt.
local function understand(session, source, read)
  local good, entry, message, more = pcall(read, source, session.scope)
  if good then return entry, message, more end
  return nil, tostring(entry), false
end

-- The source of an entry, nil at the end of the input, false after ^C; and what it is.
local function readentry(session)
  local read = session.input.read
  session.before = "" -- of the line that is edited, in the entry
  local source = read "> "
  local pasted = false -- lines came together, and may be several entries
  while source do
    pasted = pasted or find(source, "\n", #session.before + 1, true) ~= nil
    local understood = pasted and transcript.read or transcript.one
    local entry, message, more = understand(session, source, understood)
    if entry or not more then return source, entry, message end
    session.before = source .. "\n"
    local line = read ">> "
    if line == false then return false end
    if not line then return source, nil, message end
    source = session.before .. line
  end
  return source
end

local function remember(session, source)
  local kept, problem = session.record:add(source)
  if kept then session.input.remember(source) end
  if problem and not session.unwritten then
    session.unwritten = true
    session.tell("-- the history is not kept: " .. text.escape(tostring(problem)))
  end
  return kept
end

local function obey(session, source)
  local shown, remark = commands.run(session, source)
  if shown then print(shown) end
  if remark then session.tell(remark) end
end

-- Whether a source has several entries, which are then the next ones.
local function enqueue(session, entry)
  local parts, queue = entry and entry ~= true and entry.parts, session.queue
  if not parts then return false end
  session.queue = move(queue, session.taken + 1, #queue, #parts + 1, parts)
  session.taken = 0
  return true
end

local function evaluate(session, source, entry, message)
  if entry == true then return obey(session, source) end
  if not entry then return write(paint(session, RED, text.escape(message)) .. "\n") end
  table.insert(session.entries, source)
  entry.source = source
  local began = core.now()
  run(session, entry)
  local seconds = core.now() - began
  if seconds >= SLOW then session.tell(commands.took(seconds)) end
end

-- What has been written elsewhere becomes an entry like those that were typed, or several.
enter = function(session, source)
  local entry, message = understand(session, source, transcript.read)
  if enqueue(session, entry) then return end
  remember(session, source)
  evaluate(session, source, entry, message)
end

-- Runs a part of an entry so that ^C ends it and not the prompt. The text of an error may raise one, too.
local function guarded(session, f, ...)
  local done, err = foreground(f, ...)
  if done then return end
  session.failed = true
  if not foreground(complain, session, err) then core.report "an error that cannot be shown" end
end

local function perform(session, source, entry, message)
  pcall(remember, session, source) -- an entry may have spoiled what it needs
  if not session.set.width then session.options.width = session.input.width() end
  session.failed = false
  guarded(session, evaluate, session, source, entry, message)
end

local function echo(session, source)
  session.tell("> " .. text.lines(source):gsub("\n", "\n>> "))
end

-- What stands behind an entry that has failed is not run, but can be recalled.
local function drop(session)
  local rest = move(session.queue, session.taken + 1, #session.queue, 1, {})
  local kept = remember(session, table.concat(rest, "\n"))
  session.tell(("-- %d more not run%s"):format(#rest, kept and "; Up recalls what is left" or ""))
end

-- Takes the entries of the queue as if they were typed: each is seen above what it gives.
local function work(session)
  while session.queue[session.taken + 1] and not session.ending do
    session.taken = session.taken + 1
    local source = session.queue[session.taken]
    pcall(echo, session, source)
    perform(session, source, understand(session, source, transcript.one))
    if session.failed and session.queue[session.taken + 1] then
      pcall(drop, session)
      session.queue = {}
    end
  end
end

-- Gives the status to leave with, or nil at the end of the input.
local function converse(session)
  while not session.ending do
    local source, entry, message = readentry(session)
    if source == nil then break end
    if source and not enqueue(session, entry) then perform(session, source, entry, message) end
    work(session)
  end
  return session.ending
end

-- ---- the start

local function start(session)
  local folder = xdg.folder("XDG_CONFIG_HOME", ".config")
  local name = folder and folder .. "/netlua/repl.lua"
  if not name or host.target(name) ~= "file" then return end
  local file <close>, problem = io.open(name, "rb")
  local source = file and (file:read(LARGEST) or "")
  if source and #source == LARGEST then problem = name .. " is too large" end
  local entry, wrong = nil, problem
  if not problem then entry, wrong = chunk.compilefile(source, name, session.scope) end
  if not entry then return write(paint(session, RED, text.escape(wrong)) .. "\n") end
  entry.muted = true
  run(session, entry)
end

local function banner(session)
  local there, context = pcall(require, "net.core.tlscontext")
  local versions = { "netlua " .. host.version, host.lua, there and "OpenSSL " .. context.version() or nil }
  session.tell(table.concat(versions, ", ") .. "; .help for help, ^D to leave")
end

---Reads, evaluates and prints until the end of the input, or until .exit. Gives the status to leave with at
---once, or nil where tasks may go on to their end.
---@async
---@param quiet? boolean no banner
---@param bare? boolean no file is run at the start
function repl.run(quiet, bare)
  local stdin, kind = host.isterminal(0), os.getenv "TERM" or ""
  local edited = stdin and host.isterminal(1) and kind ~= "dumb" and kind ~= ""
  local color = edited and host.isterminal(2) and (os.getenv "NO_COLOR" or "") == ""
  local session = newsession(stdin and not edited, color)
  local input = open(session, edited)
  session.input, session.record = input, history.open(stdin and history.path() or nil)
  for _, entry in ipairs(session.record.entries) do input.remember(entry) end
  if stdin and not quiet then banner(session) end
  if not bare then guarded(session, start, session) end
  local status = converse(session)
  input.close()
  if status then return status end
  if not edited then write "\n" end
  return stdin and 0 or nil
end

return repl
