-- pty: a program on a terminal of its own, which a spec types at and looks at. The program's files are its
-- own, too: HOME and the XDG folders are a temporary one.
--
--   local term <close> = pty.open { args = { "-q" } }
--   term:prompt()
--   assert.equal("2", term:run "1 + 1")
--   term:type "\4"
--   assert.same({ "exited", 0 }, { term:exit() })

local compile = require "compile"
local lfs = require "lfs"
local netlua = require "netlua"
local screen = require "screen"
local server = require "server"

local pty = {}

local PATIENCE = 20 -- seconds to wait for anything
local SLOWER = 4    -- times as long with sanitizers
local TOLD = 3000   -- bytes of the screen in a message
local CALM = 3      -- looks in a row at a program that has read everything
local DRAINED = 0.5 -- seconds of silence after which a program that has ended has left nothing unread

pty.signals = { HUP = 1, INT = 2, QUIT = 3, KILL = 9, USR1 = 10, ALRM = 14, TERM = 15, CONT = 18, STOP = 19,
  TSTP = 20, XCPU = 24, WINCH = 28 }

---How much longer things take than in a plain build.
pty.slower = compile.sanitized and SLOWER or 1

---The least seconds that `try` gives, of `least` tries and up to `most` while none was below the limit: other
---programs run, too.
function pty.soonest(limit, least, most, try)
  local best, tries = math.huge, 0
  while tries < least or best >= limit and tries < most do
    best, tries = math.min(best, (try())), tries + 1
  end
  return best
end

local native

local function load()
  if native then return native end
  local name = compile.module "spec/support/pty.c"
  native = assert(package.loadlib(name, "luaopen_pty"))()
  os.remove(name)
  return native
end

---@class pty
local terminal = {}

-- `bytes`: all that the program has written.
function terminal.__index(self, name)
  if name ~= "bytes" then return terminal[name] end
  local all = table.concat(self.pieces)
  self.pieces = { all }
  return all
end

-- ---- starting

-- What a program keeps of our environment. A file of readline's is none.
local KEPT = { "PATH", "TMPDIR", "LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
  "NETLUA_PATH" }

local function environment(home, given)
  local names = { TERM = "xterm-256color", LC_ALL = "C.UTF-8", INPUTRC = "/dev/null", HOME = home,
    XDG_STATE_HOME = home .. "/state", XDG_CONFIG_HOME = home .. "/config" }
  for _, name in ipairs(KEPT) do names[name] = os.getenv(name) end
  for name, value in pairs(given or {}) do names[name] = value or nil end
  local list = {}
  for name, value in pairs(names) do list[#list + 1] = name .. "=" .. value end
  return list
end

local function fill(home, files)
  for name, text in pairs(files or {}) do
    local path = home
    for folder in name:gmatch "([^/]+)/" do
      path = path .. "/" .. folder
      lfs.mkdir(path)
    end
    local file <close> = assert(io.open(home .. "/" .. name, "wb"))
    assert(file:write(text))
  end
end

local function read(self)
  while true do
    local data = self.stream:recv(65536)
    if not data then break end -- EIO: nobody has the other side open
    table.insert(self.pieces, data)
    self.screen:feed(data)
    self.news:set()
    self.news:clear()
  end
  self.drained = true
  self.news:set()
end

-- Asks the system what became of the program, and keeps what it says in the end.
local function look(self)
  if self.how then return self.how, self.code end
  local how, code = native.wait(self.pid)
  if how == "stopped" then
    self.halted = code
  elseif how then
    self.how, self.code = how, code
  end
  return how, code
end

-- When the program has ended: how its terminal is set is forgotten when nobody has it open any more, and
-- only then the other side sees the end.
local function mourn(self)
  assert(net.select { self.watch })
  look(self)
  if self.slave then -- no hangup
    self.after = native.attributes(self.fd)
    native.close(self.slave)
  end
  self.slave = nil
  self.over:set()
end

local KNOWN = { args = 1, program = 1, env = 1, rows = 1, cols = 1, cwd = 1, stdin = 1, stdout = 1,
  stderr = 1, home = 1, files = 1 }

local function start(self, options)
  fill(self.home, options.files)
  self.fd, self.slave, self.pid, self.before = load().spawn({ options.program or netlua.program,
    table.unpack(options.args or {}) }, environment(self.home, options.env), { rows = options.rows,
    cols = options.cols, cwd = options.cwd, stdin = options.stdin, stdout = options.stdout,
    stderr = options.stderr })
  self.stream, self.watch = assert(net.fromfd(self.fd)), assert(net.fromfd(native.watch(self.pid)))
  self.tasks = { net.spawn(read, self), net.spawn(mourn, self) }
end

---What a terminal sends for a text that is pasted.
function pty.paste(text)
  return "\27[200~" .. text .. "\27[201~"
end

---Starts netlua, or another program, on a new terminal. Options, none of them needed:
---  args, program           words behind the program; the program, if not netlua
---  env                     name = value, or false for one that shall not be there
---  rows, cols              the terminal's size, 24 and 80
---  stdin, stdout, stderr   files in the place of the terminal
---  home                    a folder for HOME that stays; else it is new and goes in the end
---  files                   name below HOME = text, written before the start
---@return pty
function pty.open(options)
  for name in pairs(options) do assert(KNOWN[name], "unknown option " .. name) end
  local folder = not options.home and server.folder() or nil
  local self = setmetatable({ home = options.home or folder.path, folder = folder, began = net.now(),
    screen = screen.new(options.rows or 24, options.cols or 80), pieces = {}, mark = 0, typed = 0,
    news = net.event(), over = net.event() }, terminal)
  local ok, message = pcall(start, self, options)
  if not ok then
    if folder then server.remove(folder.path) end
    error(message, 2)
  end
  return self
end

---Starts netlua, as `open` does, and waits for its prompt.
---@return pty
function pty.prompt(options)
  local self = pty.open(options or {})
  local ok, message = pcall(self.prompt, self)
  if ok then return self end
  self:close()
  error(message, 0)
end

-- ---- ending

local function patience(seconds)
  return (seconds or PATIENCE) * pty.slower
end

-- What is on the screen, for a message.
local function told(self)
  local y, x = self.screen:cursor()
  local text = self.screen:all():sub(-TOLD)
  return ("the cursor is at %d,%d; the screen:\n%s"):format(y, x, text)
end

-- Raises, and names the place in the spec.
local function fail(self, ...)
  local level, own = 2, debug.getinfo(1, "S").source
  local place
  repeat
    place = debug.getinfo(level, "Sl")
    level = level + 1
  until place.source ~= own and place.what ~= "C"
  error(("%s:%d: %s; %s"):format(place.short_src, place.currentline, string.format(...), told(self)), 0)
end

---Waits for the end: "exited" and the status, or "signaled" and the number.
function terminal:exit(seconds)
  if not self.over:wait(patience(seconds)) then fail(self, "the program has not ended") end
  local deadline = net.now() + patience(seconds)
  while not self.drained and net.now() < deadline and self.news:wait(DRAINED) do end
  return self.how, self.code
end

---Whether it is there, not ended and not a corpse.
function terminal:alive()
  look(self)
  return self.how == nil
end

---Ends the program if need be, and all that was opened.
function terminal:close()
  if self.closed then return end
  self.closed = true
  if not self.how then
    native.kill(-self.pid, pty.signals.KILL)
    native.kill(self.pid, pty.signals.KILL)
  end
  local ended = self.over:wait(patience())
  for _, task in ipairs(self.tasks) do task:cancel() end
  if self.slave then native.close(self.slave) end
  self.stream:close()
  self.watch:close()
  if self.folder then server.remove(self.folder.path) end
  if not ended then error("the program cannot be killed", 0) end
end

terminal.__close = terminal.close

-- ---- doing

---Types bytes. What is on the screen from before is no prompt any more.
function terminal:type(bytes)
  self.typed = self.screen.serial
  local ok, err = net.timeout(patience(), function() return self.stream:write(bytes) end)
  if not ok then fail(self, "cannot type: %s", err) end
end

---Types a line and the key Return.
function terminal:enter(line)
  self:type(line .. "\r")
end

---Types ^C, and waits until its signal has reached the program.
function terminal:strike()
  local echoes = self:modes().echo
  self:type "\3"
  if echoes then self:expect "^C" end
  self:wait("the signal waits", function()
    local file <close> = assert(io.open("/proc/" .. self.pid .. "/status"))
    return tonumber(file:read("a"):match "ShdPnd:%s*(%x+)", 16) & 1 << pty.signals.INT - 1 == 0
  end, nil, 0.002)
end

---Sends a signal, by number or name ("TERM"), to the program alone.
function terminal:signal(number)
  self.typed = self.screen.serial
  assert(native.kill(self.pid, pty.signals[number] or number))
end

---Gives the terminal another size, which sends SIGWINCH. The program may be told another one than it is.
function terminal:resize(rows, cols, toldrows, toldcols)
  self.typed = self.screen.serial
  self.screen:resize(rows, cols)
  native.resize(self.fd, toldrows or rows, toldcols or cols)
end

---Sets the terminal as it was before the start, as another program may do.
function terminal:restore()
  native.restore(self.fd, self.before)
end

---Takes the terminal away, as the end of a connection does.
function terminal:hangup()
  if self.slave then native.close(self.slave) end
  self.slave = nil
  self.stream:close()
end

-- ---- waiting

-- Waits until `question` has an answer, asking again whenever bytes came.
local function untilthere(self, seconds, question, what, beyond)
  local deadline = net.now() + patience(seconds)
  while true do
    local answer = question()
    if answer then return answer end
    if self.drained and not beyond then fail(self, "%s, and the program has closed its terminal", what()) end
    if not self.news:wait(math.max(0, deadline - net.now())) then
      answer = question()
      if answer then return answer end
      fail(self, "%s within %g s", what(), patience(seconds))
    end
  end
end

local function count(text, part)
  return select(2, text:gsub(part, ""))
end

---Waits until a plain text is on the screen, or has been, that was written after what was found before.
function terminal:expect(text, seconds)
  local from, overlap = 1, count(text, "\n") + self.screen.rows
  self.mark = untilthere(self, seconds, function()
    local found = self.screen:find(text, self.mark, from)
    from = math.max(1, self.screen:above() - overlap)
    return found
  end, function() return ("no %q"):format(text) end)
end

---Waits until the last lines on the screen, of which rows that wrapped are one, are exactly these.
function terminal:shows(text, seconds)
  local _, breaks = text:gsub("\n", "")
  untilthere(self, seconds, function()
    local lines = self.screen:lines(self.screen:above() - self.screen.rows, true)
    return table.concat(lines, "\n", math.max(1, #lines - breaks)) == text
  end, function() return ("the screen does not end with %q"):format(text) end)
end

-- Whether the last row is the prompt, written since something was typed, and the cursor behind it.
local function asks(self, text)
  local s = self.screen
  local y, x = s:cursor()
  local row = s:last()
  if row ~= y or s:row(y) ~= text:gsub(" +$", "") or x ~= screen.width(text) + 1 then return false end
  local stamp = 0
  for _, at in pairs(s[y].stamps) do stamp = math.max(stamp, at) end
  return stamp > self.typed and stamp >= self.mark and stamp
end

---Waits until the last row that is not empty is the prompt ("> "), or another text, with the cursor behind
---it, newer than what was typed or found last. What is on the screen by then is found by no `expect` any
---more.
function terminal:prompt(text, seconds)
  text = text or "> "
  self.mark = untilthere(self, seconds, function() return asks(self, text) end,
    function() return ("no prompt %q with the cursor behind it"):format(text) end)
end

---Enters a line, waits for the prompt, and gives what was written in between, rows that wrapped as one line.
---The time that an entry took is left out: it is told of one that took a second, if only for a stall.
function terminal:run(line, seconds)
  local first = self.screen:above() + self.screen:cursor()
  local echo = "> " .. line
  self:enter(line)
  self.mark = untilthere(self, seconds, function() return self.screen:find(echo, self.typed, first) end,
    function() return ("no %q"):format(echo) end)
  self:prompt(nil, seconds)
  local lines = self.screen:lines(first, true)
  table.remove(lines)
  for _ = 0, count(line, "\n") do table.remove(lines, 1) end
  if lines[#lines] and lines[#lines]:find "^%-%- %d+%.%d%d s$" then table.remove(lines) end
  return table.concat(lines, "\n")
end

---Waits until nothing has been written for so many seconds.
function terminal:quiet(seconds)
  local deadline = net.now() + patience()
  while self.news:wait(seconds) and not self.drained do
    if net.now() > deadline then fail(self, "the program writes on and on") end
  end
end

---Waits until the program was stopped: the signal's number. Nothing tells of that but the question.
function terminal:stopped(seconds)
  local deadline = net.now() + patience(seconds)
  self.halted = nil
  while look(self) ~= "stopped" do
    if self.how then fail(self, "the program has ended (%s %d)", self.how, self.code) end
    if net.now() > deadline then fail(self, "the program was not stopped") end
    net.sleep(0.005)
  end
  return self.halted
end

---Waits until a question has an answer, which it gives. It is asked whenever bytes come; with `every`, also
---after so many seconds, for what no bytes tell. `what` is said if there is none.
function terminal:wait(what, question, seconds, every)
  local ticks <close> = every and net.every(every, function() -- luacheck: ignore ticks
    self.news:set()
    self.news:clear()
  end) or nil
  return untilthere(self, seconds, question, function() return what end, every)
end

-- ---- looking

---How the terminal is set: icanon, echo, isig, icrnl, opost.
function terminal:modes()
  return native.modes(self.fd)
end

---All of how it is set, or was when the program ended, as bytes; `before` is what it was before the start.
function terminal:attributes()
  return self.after or native.attributes(self.fd)
end

---Waits until the program has read all that was typed, and sleeps. A terminal passes on what is typed a
---moment later, so this is not certain, and right for specs that hold either way.
function terminal:taken(seconds)
  local calm = 0
  self:wait("what was typed is not read", function()
    local file <close> = io.open("/proc/" .. self.pid .. "/stat")
    if not file then fail(self, "the program has ended (%s %s)", look(self)) end
    local sleeps = file:read("a"):match "%) S "
    calm = sleeps and native.unread(self.slave) == 0 and calm + 1 or 0
    return calm == CALM
  end, seconds, 0.001)
end

---The process group in the foreground.
function terminal:foreground()
  return native.foreground(self.fd)
end

---How many descriptors the program has open.
function terminal:fds()
  local n = 0
  for name in lfs.dir("/proc/" .. self.pid .. "/fd") do
    if tonumber(name) then n = n + 1 end
  end
  return n
end

---Seconds of processor time that the program's first thread has used.
function terminal:cpu()
  local file <close> = assert(io.open("/proc/" .. self.pid .. "/schedstat"))
  return file:read "n" / 1e9
end

---What a file below HOME holds; nil: there is none.
function terminal:read(name)
  local file <close> = io.open(self.home .. "/" .. name, "rb")
  return file and file:read "a"
end

return pty
