-- net.repl: the prompt, line by line. Tasks go on while it waits for input.

local chunk = require "net.chunk"
local show = require "net.show"
local socket = require "net.core.socket"
local text = require "net.text"

local repl = {}

local LONGEST = 1 << 20 -- bytes of a line

local function write(message)
  io.stderr:write(message)
  io.stderr:flush()
end

local function explain(err)
  return type(err) == "string" and debug.traceback(err, 2) or err
end

-- A session: where its names are, and what the last entries gave.
local function newsession()
  local scope, declare = chunk.scope()
  declare { "_", "__", "___", "_err" }
  return { scope = scope, declare = declare }
end

-- Keeps the results of an entry in _, __ and ___, or its error in _err, and shows them.
local function conclude(session, muted, ok, ...)
  local scope, first = session.scope, ...
  local count = select("#", ...)
  if not ok then
    scope._err = first
    return write(text.escape(tostring(first)):gsub("\\n", "\n"):gsub("\\t", "\t") .. "\n")
  end
  if count == 0 then return end
  scope.___, scope.__, scope._ = scope.__, scope._, first
  if muted then return end
  local shown, hint = show.results(nil, count, ...)
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

-- The last line may lack its end.
local function readline(input)
  local line, err = input:read "l"
  if line or not err then return line end
  if err.code ~= "EOF" then write(tostring(err) .. "\n") end
  return err.partial
end

local function readentry(session, input)
  write "> "
  local source = readline(input)
  while source do
    local entry, message, more = chunk.compile(source, "=stdin", session.scope)
    if entry or not more then return true, entry, message end
    write ">> "
    local line = readline(input)
    if not line then return true, nil, message end
    source = source .. "\n" .. line
  end
end

---Reads, evaluates and prints until the end of the input.
---@async
function repl.run()
  local input <close> = assert(socket.fromfd(0))
  local session = newsession()
  input:setlimits { max_line = LONGEST }
  while true do
    local going, entry, message = readentry(session, input)
    if not going then break end
    if entry then run(session, entry) else write(text.escape(message) .. "\n") end
  end
  write "\n"
end

return repl
