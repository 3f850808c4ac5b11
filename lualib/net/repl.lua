-- net.repl: the prompt, line by line. Tasks go on while it waits for input.

local chunk = require "net.chunk"
local commands = require "net.commands"
local core = require "net.core.task"
local show = require "net.show"
local socket = require "net.core.socket"
local text = require "net.text"

local repl = {}

local LONGEST = 1 << 20 -- bytes of a line
local SLOW = 1          -- seconds from which on the time of an entry is shown

local function write(message)
  io.stderr:write(message)
  io.stderr:flush()
end

local function explain(err)
  return type(err) == "string" and debug.traceback(err, 2) or err
end

-- Keeps the results of an entry in _, __ and ___, or its error in _err, and shows them.
local function conclude(session, muted, ok, ...)
  local scope, first = session.scope, ...
  local count = select("#", ...)
  if not ok then
    scope._err = first
    return write(text.lines(tostring(first)) .. "\n")
  end
  if count == 0 then return end
  scope.___, scope.__, scope._ = scope.__, scope._, first
  if muted then return end
  local shown, hint = show.results(session.options, count, ...)
  if hint then
    scope._err = select(2, ...)
    return write(shown .. "\n" .. text.escape(hint) .. "\n")
  end
  print(shown)
end

local function run(session, entry)
  session.declare(entry.names)
  for _, name in ipairs(entry.kept) do
    write(("-- %s has an attribute: it ends with this entry\n"):format(name))
  end
  conclude(session, entry.muted, xpcall(entry.run, explain))
end

local function tell(message)
  write(message .. "\n")
end

-- A session: where its names are, what the entries were, how results are shown, and what .bg has started.
local function newsession()
  local session = { entries = {}, options = {}, jobs = {}, saved = {}, tell = tell }
  function session.reset()
    local scope, declare = chunk.scope()
    declare { "_", "__", "___", "_err" }
    session.scope, session.declare = scope, declare
  end
  function session.perform(entry) run(session, entry) end
  session.reset()
  return session
end

-- The last line may lack its end.
local function readline(input)
  local line, err = input:read "l"
  if line or not err then return line end
  if err.code ~= "EOF" then write(tostring(err) .. "\n") end
  return err.partial
end

-- The source of an entry, or nil at the end of the input; and the entry, or nil and why it is none.
local function readentry(session, input)
  write "> "
  local source = readline(input)
  while source do
    if commands.is(source) then return source end
    local entry, message, more = chunk.compile(source, "=stdin", session.scope)
    if entry or not more then return source, entry, message end
    write ">> "
    local line = readline(input)
    if not line then return source, nil, message end
    source = source .. "\n" .. line
  end
end

local function obey(session, source)
  local shown, remark = commands.run(session, source)
  if shown then print(shown) end
  if remark then tell(remark) end
end

local function evaluate(session, source, entry, message)
  if commands.is(source) then return obey(session, source) end
  if not entry then return tell(text.escape(message)) end
  table.insert(session.entries, source)
  local began = core.now()
  run(session, entry)
  local seconds = core.now() - began
  if seconds >= SLOW then tell(commands.took(seconds)) end
end

-- Gives the status that .exit asked for, or nil at the end of the input.
local function converse()
  local input <close> = assert(socket.fromfd(0))
  local session = newsession()
  input:setlimits { max_line = LONGEST }
  while not session.ending do
    local source, entry, message = readentry(session, input)
    if not source then break end
    evaluate(session, source, entry, message)
  end
  return session.ending
end

---Reads, evaluates and prints until the end of the input, or until .exit.
---@async
function repl.run()
  local status = converse()
  if status then os.exit(status, true) end
  write "\n"
end

return repl
