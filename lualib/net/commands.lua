-- net.commands: what the prompt does for an entry that begins with a dot or a question mark, which is never
-- Lua. A session is what net.repl makes: its scope, its entries so far, and how to run and show things.

local chunk = require "net.chunk"
local core = require "net.core.task"
local host = require "net.core.host"
local show = require "net.show"
local text = require "net.text"

local commands = {}

-- name = least and most, or what there is to choose from
local SETTINGS = { color = { on = true, off = false }, depth = { 1, 100 }, items = { 1, 100000 },
  width = { 20, 1000 } }

local RECENT = 40          -- entries that .history shows
local LINE = 60            -- columns of a source in a list
local LARGEST = 64 << 20   -- bytes of a file to load

local list = {}    -- of commands, in the order of .help
local byname = {}

local function command(name, words, summary, f)
  local row = { name = name, words = words, summary = summary, run = f }
  list[#list + 1], byname[name] = row, row
end

-- A command gives what to show, or nil and a remark; either may be nil.
local function compiled(session, source)
  if source == "" then return nil, "what?" end
  local entry, message = chunk.compile(source, "=stdin", session.scope)
  if not entry then return nil, text.escape(message) end
  session.declare(entry.names)
  return entry
end

local function oneline(source)
  local line = text.escape((source:gsub("%s+", " ")))
  return text.width(line) <= LINE and line or line:sub(1, LINE - 2) .. ".."
end

-- ---- help

local function overview()
  local lines = {}
  for index, row in ipairs(list) do
    lines[index] = ("  %-16s %s"):format(row.name .. " " .. row.words, row.summary)
  end
  return ([[
Lua is run, and what it gives is shown; calls may wait. _ is the last result,
_err the last error; ; at the end shows nothing.

  ?name            help; ??name the source; ?x509.* what there is
%s]]):format(table.concat(lines, "\n"))
end

command(".help", "[topic]", "this, or what there is on a command or a name", function(session, topic)
  if topic == "" then return overview() end
  local row = byname[topic] or byname["." .. topic]
  if row then return ("%s %s\n  %s"):format(row.name, row.words, row.summary) end
  return commands.run(session, "?" .. topic:gsub("^[?.]+", ""))
end)

-- ---- entries and files

-- What is in a file, or nil and why it cannot be read.
local function contents(name)
  local file <close>, message = io.open(name, "rb")
  if not file then return nil, message end
  local source, failure = file:read(LARGEST)
  if failure then return nil, ("%s: %s"):format(name, failure) end
  return source or "" -- it is empty
end

command(".load", "FILE", "runs a file; its top-level locals last", function(session, name)
  if name == "" then return nil, ".load needs a file" end
  if host.target(name) == "fifo" then return nil, text.escape(name) .. " is a FIFO" end -- who would write?
  local source, message = contents(name)
  if not source then return nil, text.escape(message) end
  if #source == LARGEST then return nil, text.escape(name) .. " is too large" end
  local entry, wrong = chunk.compilefile(source, name, session.scope)
  if not entry then return nil, text.escape(wrong) end
  session.perform(entry)
end)

-- An entry as a part of a script, where an expression is no statement, nothing comes behind a return, and a
-- bracket goes on with the line before.
local function statement(source)
  if not load(source, "=stdin", "t") then return "_ = " .. source end
  if not load(source .. "\n;;", "=stdin", "t") then return ";(function(...) " .. source .. "\nend)(...)" end
  local first = chunk.tokens(source)[1]
  return first and first.text == "(" and ";" .. source or source
end

command(".save", "FILE", "writes the entries so far to a file", function(session, name)
  if name == "" then return nil, ".save needs a file" end
  local there = host.filetype(name) ~= nil
  if there and not session.saved[name] then return nil, text.escape(name) .. " is there already" end
  local file <close>, message = io.open(name, "wb")
  if not file then return nil, text.escape(message) end
  local parts = {}
  for index, source in ipairs(session.entries) do parts[index] = statement(source) .. "\n" end
  local good, failure = file:write(table.concat(parts))
  good, failure = good and file:close(), failure
  if not good then return nil, ("cannot write %s: %s"):format(text.escape(name), failure or "?") end
  session.saved[name] = true
  return nil, ("-- %d entries"):format(#session.entries)
end)

-- Lets somebody change a text in their editor, while tasks go on: the text then, or nil and what went wrong.
local function edited(source)
  local name = os.tmpname()
  assert(os.rename(name, name .. ".lua"))
  name = name .. ".lua"
  local remover = { __close = function() os.remove(name) end }
  local _ <close> = setmetatable({}, remover)
  local file <close> = assert(io.open(name, "wb"))
  assert(file:write(source, "\n"))
  file:close()
  local child, err = require("net.core.terminal").start('${VISUAL:-${EDITOR:-vi}} "$1"', name)
  if not child then return nil, tostring(err) end
  local status = child:wait()
  if status ~= 0 then return nil, ("the editor ended with status %d"):format(status) end
  local result, message = contents(name)
  return result and text.trimend(result), message
end

local function lastlua(past)
  local index = #past
  while index > 0 and commands.is(past[index]) do index = index - 1 end
  return index
end

command(".edit", "[N]", "an entry, or the last, in $VISUAL or $EDITOR; then runs it", function(session, word)
  local past, index = session.record.entries, math.tointeger(tonumber(word))
  if word == "" then index = lastlua(past) end
  local source = past[index] or word == "" and ""
  if not source then return nil, ('.edit needs a number of .history, not "%s"'):format(text.escape(word)) end
  if not host.isterminal(0) then return nil, ".edit needs a terminal" end
  if source:find "^%s*%.edit" then return nil, ".edit would open itself" end
  local result, problem = edited(source)
  if not result then return nil, text.escape(problem) end
  if result ~= "" then session.enter(result) end
end)

command(".history", "[text]", "the last entries, or all those with a text in them", function(session, part)
  local lines, past = {}, session.record.entries
  for index = part == "" and math.max(#past - RECENT, 0) + 1 or 1, #past do
    local source = past[index]
    if source:find(part, 1, true) and not source:find "^%.history" then
      local shown = source:gsub("[^\n\t]+", text.escape):gsub("\n", "\n       ")
      lines[#lines + 1] = ("%5d  %s"):format(index, shown)
    end
  end
  return #lines > 0 and table.concat(lines, "\n") or nil
end)

-- ---- running

local function duration(seconds)
  if seconds < 0.001 then return ("%.0f us"):format(seconds * 1e6) end
  if seconds < 1 then return ("%.3g ms"):format(seconds * 1e3) end
  return ("%.2f s"):format(seconds)
end

---How long something took, as a remark.
function commands.took(seconds)
  return "-- " .. duration(seconds)
end

command(".time", "EXPR", "runs it and shows how long it took", function(session, source)
  local entry, problem = compiled(session, source)
  if not entry then return nil, problem end
  local began = core.now()
  session.perform(entry)
  return nil, commands.took(core.now() - began)
end)

local function ended(job, session, trace, ok, ...)
  local err, shown = ...
  if ok then
    job.state = "done"
    shown = show.results(session.options, select("#", ...), ...)
  elseif show.iscancellation(err) then
    job.state = "canceled"
    if not job.killed then return end -- the prompt ends
  else
    job.state = "failed"
    shown = show.failure(err, session.options)
    if trace then shown = shown .. "\n" .. text.lines(trace) end
  end
  session.tell(("[%d] %s"):format(job.id, shown or job.state))
end

command(".bg", "EXPR", "runs it as a task, beside what follows", function(session, source)
  local entry, problem = compiled(session, source)
  if not entry then return nil, problem end
  local job = { id = #session.jobs + 1, source = source, state = "runs", began = core.now() }
  session.jobs[job.id] = job
  job.task = core.spawn(chunk.run, entry, function(...) ended(job, session, ...) end)
  return nil, ("[%d]"):format(job.id)
end)

-- Gives a number to each task that entries have started without .bg.
local function number(session)
  local known = {}
  for _, job in ipairs(session.jobs) do known[job.task] = true end
  for _, task in ipairs(core.tasks()) do
    if not known[task] then
      table.insert(session.jobs, { id = #session.jobs + 1, source = "spawned at " .. task:place(),
        state = "runs", task = task, spawned = true })
    end
  end
end

local function isalive(status)
  return status == "running" or status == "waiting"
end

command(".tasks", "", "what runs beside the prompt, and what became of .bg", function(session)
  number(session)
  local lines = {}
  for _, job in ipairs(session.jobs) do
    local status = job.task:status()
    local runs = isalive(status)
    local age = runs and job.began and duration(core.now() - job.began) or ""
    if runs or not job.spawned then
      lines[#lines + 1] = ("%4d  %-8s  %-8s  %s"):format(job.id, runs and status or job.state, age,
        oneline(job.source))
    end
  end
  return #lines > 0 and table.concat(lines, "\n") or nil
end)

command(".kill", "ID", "cancels one of .tasks", function(session, word)
  number(session)
  local job = session.jobs[math.tointeger(tonumber(word))]
  if not job then return nil, ('.kill needs a number of .tasks, not "%s"'):format(text.escape(word)) end
  local status = job.task:status()
  if not isalive(status) then return nil, ("[%d] has ended"):format(job.id) end
  job.killed = true
  job.task:cancel()
end)

-- ---- looking

local function ownpid()
  local file <close> = io.open("/proc/self/stat", "rb")
  return file and file:read "n"
end

local function endpoint(address, port)
  if not address then return "" end
  return port and text.endpoint(address, port) or address
end

command(".socks", "", "the open sockets of this program, and which of .tasks waits for one", function(session)
  number(session)
  local rows, pid, waits, ids = {}, ownpid(), core.waits(), {}
  for _, job in ipairs(session.jobs) do ids[job.task] = job.id end
  for _, socket in ipairs(require("net.port").sockets()) do
    local ours = socket.pid == pid
    for _, holder in ipairs(socket.pids or {}) do ours = ours or holder == pid end
    if ours then
      rows[#rows + 1] = { protocol = socket.protocol, state = socket.state,
        here = endpoint(socket.local_address, socket.local_port),
        there = socket.remote_port ~= 0 and endpoint(socket.remote_address, socket.remote_port) or "",
        task = ids[waits[socket.inode]] or "" }
    end
  end
  return #rows > 0 and show.columns(rows, session.options) or nil
end)

-- The results of a source, or nil and what went wrong; ^C is for the prompt to tell of.
local function results(session, source)
  local entry, problem = compiled(session, source)
  if not entry then return nil, problem end
  local values
  chunk.run(entry, function(_, ...) values = table.pack(...) end)
  if not values[1] and show.iscancellation(values[2]) then error(values[2], 0) end
  if not values[1] then return nil, show.failure(values[2]) end
  return table.move(values, 2, values.n, 1, { n = values.n - 1 })
end

-- A character that terminals act on, as JSON has it too.
local function harmless(character)
  if text.escape(character) == character then return character end
  local code = utf8.codepoint(character)
  if code < 0x10000 then return ("\\u%04x"):format(code) end
  code = code - 0x10000
  return ("\\u%04x\\u%04x"):format(0xd800 | code >> 10, 0xdc00 | code & 0x3ff)
end

command(".json", "EXPR", "shows its value as JSON", function(session, source)
  local values, problem = results(session, source)
  if not values then return nil, problem end
  local record = require "net.record"
  local value, err = values[1], values[2]
  if value == nil and type(err) == "table" and err.code then value = { error = record.error(err) } end
  local good, shown = pcall(record.json, value, true)
  if not good and show.iscancellation(shown) then error(shown, 0) end
  if not good then return nil, show.failure(shown) end
  return (shown:gsub("[\x7f-\xf4][\x80-\xbf]*", harmless))
end)

command(".table", "EXPR", "shows its value in columns", function(session, source)
  local values, problem = results(session, source)
  if not values then return nil, problem end
  if values[1] == nil then
    return show.results(session.options, values.n, table.unpack(values, 1, values.n))
  end
  return show.columns(values[1], session.options)
end)

-- ---- the session

command(".reset", "", "forgets the variables and results of the prompt", function(session)
  session.reset()
end)

local function settings(session)
  local lines = {}
  for name in pairs(SETTINGS) do
    local value = session.options[name]
    if type(value) == "boolean" then value = value and "on" or "off" end
    lines[#lines + 1] = ("  %-6s %s"):format(name, value or "as usual")
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end

-- The value that a word stands for, or nil and what it should be.
local function setting(name, word)
  local allowed, value = SETTINGS[name], math.tointeger(tonumber(word))
  if not allowed then
    return nil, ("no setting %s: color, depth, items or width"):format(text.escape(name))
  end
  if allowed.on then return allowed[word], ("%s is on or off"):format(name) end
  if value and value >= allowed[1] and value <= allowed[2] then return value end
  return nil, ("%s is a number from %d to %d"):format(name, allowed[1], allowed[2])
end

command(".set", "NAME VALUE", "how results are shown: color, depth, items, width", function(session, words)
  if words == "" then return settings(session) end
  local name, word = words:match "^(%S+)%s*(.-)$"
  local value, problem = setting(name, word)
  if value == nil then return nil, problem end
  session.options[name], session.set[name] = value, true
end)

command(".exit", "[status]", "leaves", function(session, word)
  local status = math.tointeger(tonumber(word == "" and "0" or word))
  if not status or status < 0 or status > 255 then return nil, "a status is a number from 0 to 255" end
  session.ending = status
end)

-- ---- the module

---Whether an entry is for this module.
function commands.is(line)
  return line:find "^%s*[.?]" ~= nil
end

---The Lua that such an entry takes, or nil if it is a command that takes none.
function commands.code(line)
  local name, words = line:match "^%s*(%.%S*)%s*(.*)"
  return byname[name] and byname[name].words == "EXPR" and words or nil
end

---The names of the commands.
function commands.names()
  local names = {}
  for index, row in ipairs(list) do names[index] = row.name end
  return names
end

---What .set takes.
function commands.settings()
  local names = {}
  for name in pairs(SETTINGS) do names[#names + 1] = name end
  table.sort(names)
  return names
end

---Does what such an entry says: what to show, and a remark; either may be nil.
function commands.run(session, line)
  if line:find "^%s*%?" then
    local options = { width = session.options.width, scope = session.scope }
    local page, found = require("net.help").answer(line, options)
    if found then return page end
    return nil, page
  end
  local name, words = line:match "^%s*(%.%S*)%s*(.*)"
  if byname[name] then return byname[name].run(session, text.trimend(words)) end
  local question = require("net.nearest").question(name, commands.names())
  if question == "" then question = ".help shows all" end
  return nil, ("no command %s; %s"):format(text.escape(name), question)
end

return commands
