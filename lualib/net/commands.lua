-- net.commands: what the prompt does for an entry that begins with a dot or a question mark, which is never
-- Lua. A session is what net.repl makes: its scope, its entries so far, and how to run and show things.

local chunk = require "net.chunk"
local core = require "net.core.task"
local show = require "net.show"
local text = require "net.text"

local commands = {}

-- name = least and most
local SETTINGS = { depth = { 1, 100 }, items = { 1, 100000 }, width = { 20, 1000 } }

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

command(".load", "FILE", "runs a file; its top-level locals last", function(session, name)
  if name == "" then return nil, ".load needs a file" end
  local file <close>, message = io.open(name, "rb")
  local source, failure = nil, message
  if file then source, failure = file:read(LARGEST) end
  if file and not source and not failure then source = "" end -- it is empty
  if not source then return nil, text.escape(failure) end
  if #source == LARGEST then return nil, text.escape(name) .. " is too large" end
  local entry, wrong = chunk.compile(source:gsub("^#[^\n]*", ""), "@" .. name, session.scope)
  if not entry then return nil, text.escape(wrong) end
  session.perform(entry)
end)

command(".save", "FILE", "writes the entries so far to a file", function(session, name)
  if name == "" then return nil, ".save needs a file" end
  local there <close> = io.open(name, "rb")
  if there and not session.saved[name] then return nil, text.escape(name) .. " is there already" end
  local file <close>, message = io.open(name, "wb")
  if not file then return nil, text.escape(message) end
  local good, failure = file:write(table.concat(session.entries, "\n"), "\n")
  good, failure = good and file:close(), failure
  if not good then return nil, ("cannot write %s: %s"):format(text.escape(name), failure or "?") end
  session.saved[name] = true
  return nil, ("-- %d entries"):format(#session.entries)
end)

command(".history", "[text]", "the entries so far, or those with a text in them", function(session, part)
  local lines = {}
  for index, source in ipairs(session.entries) do
    if source:find(part, 1, true) then
      local shown = source:gsub("[^\n\t]+", text.escape):gsub("\n", "\n      ")
      lines[#lines + 1] = ("%4d  %s"):format(index, shown)
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

local function explained(err)
  return type(err) == "string" and debug.traceback(err, 2) or err
end

local function ended(job, session, ok, ...)
  local shown
  if ok then
    job.state = "done"
    shown = show.results(session.options, select("#", ...), ...)
  else
    job.state = job.canceled and "canceled" or "failed"
    shown = not job.canceled and text.lines(tostring((...))) or nil
  end
  session.tell(("[%d] %s"):format(job.id, shown or job.state))
end

command(".bg", "EXPR", "runs it as a task, beside what follows", function(session, source)
  local entry, problem = compiled(session, source)
  if not entry then return nil, problem end
  local job = { id = #session.jobs + 1, source = source, state = "runs", began = core.now() }
  session.jobs[job.id] = job
  job.task = core.spawn(function() ended(job, session, xpcall(entry.run, explained)) end)
  return nil, ("[%d]"):format(job.id)
end)

command(".tasks", "", "what .bg has started", function(session)
  local lines, running = {}, 0
  for index, job in ipairs(session.jobs) do
    if job.state == "runs" then running = running + 1 end
    local age = job.state == "runs" and duration(core.now() - job.began) or ""
    lines[index] = ("%4d  %-8s  %-8s  %s"):format(job.id, job.state, age, oneline(job.source))
  end
  local others = core.count() - running - 1 -- the prompt
  if others > 0 then lines[#lines + 1] = ("      and %d that entries have started"):format(others) end
  return #lines > 0 and table.concat(lines, "\n") or nil
end)

command(".kill", "ID", "cancels a task of .bg", function(session, word)
  local job = session.jobs[math.tointeger(tonumber(word))]
  if not job then return nil, (".kill needs a number of .tasks, not %q"):format(text.escape(word)) end
  if job.state ~= "runs" then return nil, ("[%d] has ended"):format(job.id) end
  job.canceled = true
  job.task:cancel()
end)

-- ---- looking

local function ownpid()
  local file <close> = io.open("/proc/self/stat", "rb")
  return file and file:read "n"
end

local function endpoint(host, port)
  if not host then return "" end
  return port and (host:find(":", 1, true) and "[%s]:%d" or "%s:%d"):format(host, port) or host
end

command(".socks", "", "the open sockets of this program", function(session)
  local rows, pid = {}, ownpid()
  for _, socket in ipairs(require("net.port").sockets()) do
    local ours = socket.pid == pid
    for _, holder in ipairs(socket.pids or {}) do ours = ours or holder == pid end
    if ours then
      rows[#rows + 1] = { protocol = socket.protocol, state = socket.state,
        here = endpoint(socket.local_address, socket.local_port),
        there = socket.remote_port ~= 0 and endpoint(socket.remote_address, socket.remote_port) or "" }
    end
  end
  return #rows > 0 and show.columns(rows, session.options) or nil
end)

-- The results of a source, or nil and what went wrong.
local function results(session, source)
  local entry, problem = compiled(session, source)
  if not entry then return nil, problem end
  local values = table.pack(pcall(entry.run))
  if not values[1] then return nil, text.lines(tostring(values[2])) end
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
  if not good then return nil, text.lines(tostring(shown)) end
  return (shown:gsub("[\x7f-\xf4][\x80-\xbf]*", harmless))
end)

command(".table", "EXPR", "shows its value in columns", function(session, source)
  local values, problem = results(session, source)
  if not values then return nil, problem end
  if values[1] == nil then
    return (show.results(session.options, values.n, table.unpack(values, 1, values.n)))
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
    lines[#lines + 1] = ("  %-6s %s"):format(name, session.options[name] or "as usual")
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end

command(".set", "NAME VALUE", "how results are shown: depth, items, width", function(session, words)
  if words == "" then return settings(session) end
  local name, word = words:match "^(%S+)%s*(.-)$"
  local range, value = SETTINGS[name], math.tointeger(tonumber(word))
  if not range then
    return nil, ("no setting %s: depth, items or width"):format(text.escape(name))
  end
  if not value or value < range[1] or value > range[2] then
    return nil, ("%s is a number from %d to %d"):format(name, range[1], range[2])
  end
  session.options[name] = value
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
  local name, words = line:match "^%s*(%.%S*)%s*(.-)%s*$"
  if byname[name] then return byname[name].run(session, words) end
  local question = require("net.nearest").question(name, commands.names())
  if question == "" then question = ".help shows all" end
  return nil, ("no command %s; %s"):format(text.escape(name), question)
end

return commands
