-- server: real programs as peers. Each runs in a temporary folder below a shell that ends it and removes the
-- folder when the handle is closed, and also when the specs themselves are killed: the shell then reads the
-- end of its standard input. Nothing outlives the run.

local server = {}

local LONGEST = 600 -- seconds that a program may run, whatever happens
local START = 30    -- seconds to get ready
local TEST = 60     -- seconds for a test

local function capture(command)
  local pipe <close> = assert(io.popen(command))
  return (pipe:read "a":gsub("%s+$", ""))
end

---The path of a program, or nil; administrators' programs too.
function server.find(name)
  local path = capture(("PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin command -v '%s'"):format(name))
  return path ~= "" and path or nil
end

---Of a spec's `it` and `pending`, an `it` whose tests need something and have TEST seconds. Where it is
---missing they are pending, and `what` is told.
function server.needing(present, what, it, pending)
  return function(claim, f)
    if not present then return pending(("%s (needs %s)"):format(claim, what)) end
    it(claim, function() net.timeout(TEST, f) end)
  end
end

local function newfolder()
  local path = capture "mktemp -d -t netlua-spec.XXXXXX"
  assert(path:find "^/[%w/._-]+$", "no temporary folder")
  return path
end

---Removes such a folder, or something in it, with all that is below.
function server.remove(path)
  assert(path:find "netlua%-spec")
  assert(os.execute(("rm -rf '%s'"):format(path)))
end

---A new temporary folder, as `path`; gone when it is closed.
function server.folder()
  local path = newfolder()
  return setmetatable({ path = path }, { __close = function() server.remove(path) end })
end

---A port that was free a moment ago.
function server.port()
  local listener <close> = assert(net.listen("127.0.0.1", 0))
  local _, port = listener:getsockname()
  return port
end

---Whether this process is root, whose servers must be told not to change their user.
function server.isroot()
  return capture "id -u" == "0"
end

-- The program's own exit is noted in `status`; an end of input ends it. Both come to the last two lines.
local SHELL = [[
trap '' INT HUP
exec 3<&0 2>/dev/null
cd '%s' || exit
timeout -k 2 %d sh ./command <input >output 2>errors 3<&- &
pid=$!
(read -r nothing <&3; [ -e status ] || kill $pid) &
wait $pid
echo $? >status.new && mv status.new status
wait
cd / && rm -rf '%s'
]]

---@class server
local running = {}
running.__index = running

local function write(name, text)
  local file <close> = assert(io.open(name, "wb"))
  assert(file:write(text))
end

---What a file in the program's folder holds: "output", "errors", or one of its own. nil if there is none.
function running:read(name)
  local file <close> = io.open(self.folder .. "/" .. name, "rb")
  return file and file:read "a"
end

---Puts a file into the program's folder.
function running:write(name, text)
  write(self.folder .. "/" .. name, text)
end

---Ends the program, waits for it, removes its folder.
function running:close()
  if self.handle then self.handle:close() end
  self.handle = nil
end

running.__close = running.close

-- Asks again and again until there is an answer; the program's words otherwise.
local function poll(self, seconds, what, question)
  local deadline = net.now() + seconds
  repeat
    local answer = question()
    if answer then return answer end
    net.sleep(0.005)
  until net.now() > deadline
  error(("%s after %g s\noutput: %s\nerrors: %s"):format(what, seconds, self:read "output",
    self:read "errors"), 0)
end

---Waits until the program has ended: its exit status, output and errors.
function running:wait(seconds)
  local status = poll(self, seconds or START, "the program still runs", function()
    return self:read "status"
  end)
  return tonumber(status), self:read "output", self:read "errors"
end

---Waits until the program's output, or its "errors", holds the pattern: its captures.
function running:expect(pattern, seconds, where)
  local found = poll(self, seconds or START, "no output matches " .. pattern, function()
    local captures = table.pack((self:read(where or "output") or ""):match(pattern))
    return captures[1] and captures
  end)
  return table.unpack(found, 1, found.n)
end

---Waits until somebody accepts connections on its port.
function running:listening(seconds)
  poll(self, seconds or START, "nobody listens on port " .. self.port, function()
    local s <close> = net.connect("127.0.0.1", self.port, { timeout = 1 })
    if not s and self:read "status" then error("the program has ended: " .. self:read "errors", 0) end
    return s ~= nil
  end)
  return self
end

---Starts a shell command (use `exec`) in a new folder. `files` (name -> text) are written there first,
---`input` is its standard input, `seconds` the limit on its time. In command and files, @FOLDER@ and @PORT@
---stand for the folder and a port.
---@param options {command: string, files: table?, input: string?, port: integer?, seconds: integer?}
function server.start(options)
  local folder = newfolder()
  local self = setmetatable({ folder = folder, port = options.port or server.port() }, running)
  local words = { FOLDER = folder, PORT = tostring(self.port) }
  for name, text in pairs(options.files or {}) do self:write(name, (text:gsub("@(%u+)@", words))) end
  self:write("command", (options.command:gsub("@(%u+)@", words)))
  self:write("input", options.input or "")
  self.handle = assert(io.popen(SHELL:format(folder, options.seconds or LONGEST, folder), "w"))
  return self
end

return server
