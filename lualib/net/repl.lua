-- net.repl: the prompt, line by line. Tasks go on while it waits for input.

local socket = require "net.core.socket"

local repl = {}

local LONGEST = 1 << 20 -- bytes of a line

local function write(text)
  io.stderr:write(text)
  io.stderr:flush()
end

-- An expression first, then a statement; `nil, true` asks for more.
local function compile(source)
  local chunk = load("return " .. source, "=stdin", "t")
  if chunk then return chunk end
  local err
  chunk, err = load(source, "=stdin", "t")
  if chunk then return chunk end
  return nil, err:sub(-5) == "<eof>", err
end

local function show(ok, ...)
  if not ok then
    write(tostring((...)) .. "\n")
  elseif select("#", ...) > 0 then
    print(...)
  end
end

local function explain(err)
  return type(err) == "string" and debug.traceback(err, 2) or err
end

-- The last line may lack its end.
local function readline(input)
  local line, err = input:read "l"
  if line or not err then return line end
  if err.code ~= "EOF" then write(tostring(err) .. "\n") end
  return err.partial
end

local function readentry(input)
  write "> "
  local source = readline(input)
  while source do
    local chunk, incomplete, err = compile(source)
    if chunk or not incomplete then return true, chunk, err end
    write ">> "
    local more = readline(input)
    if not more then return true, nil, err end
    source = source .. "\n" .. more
  end
end

---Reads, evaluates and prints until the end of the input.
---@async
function repl.run()
  local input <close> = assert(socket.fromfd(0))
  input:setlimits { max_line = LONGEST }
  while true do
    local going, chunk, err = readentry(input)
    if not going then break end
    if chunk then show(xpcall(chunk, explain)) else write(err .. "\n") end
  end
  write "\n"
end

return repl
