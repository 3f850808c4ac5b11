-- net.history: the entries of earlier prompts. A file keeps them, each below a line with the time it was
-- made: "#" and seconds. Whole entries are appended under a lock, so prompts side by side neither lose nor
-- tear any.

local host = require "net.core.host"
local xdg = require "net.xdg"

local history = {}

local MOST = 10000       -- entries that are kept
local LARGEST = 64 << 20 -- bytes of a file that is read

local methods = {}
local class = { __index = methods }

---Where the entries are: NETLUA_HISTORY, or netlua/history under XDG_STATE_HOME; nil for nowhere.
function history.path()
  local named = os.getenv "NETLUA_HISTORY"
  if named then return named ~= "" and named or nil end
  local folder = xdg.folder("XDG_STATE_HOME", ".local/state")
  return folder and folder .. "/netlua/history"
end

-- A line of an entry that looks like a time gets a blank that Lua does not mind.
local function encode(entry, time)
  local text = ("\n%s\n"):format(entry):gsub("\n(#%d+)%f[\n]", "\n%1 ")
  return ("#%d%s"):format(time, text)
end

-- The entries of a file, oldest first, and where each begins. Lines in front of the first time are entries of
-- their own, as other programs write them.
local function decode(text)
  local entries, starts, at = {}, {}, 1
  while at <= #text do
    local timed = text:match("^#%d+\n()", at)
    local body = timed or at
    local finish = timed and text:find("\n#%d+\n", timed - 1) or not timed and text:find("\n", at, true)
      or text:find("\n?$", body)
    local entry = text:sub(body, finish - 1)
    if entry ~= "" and not entry:find "\0" then entries[#entries + 1], starts[#starts + 1] = entry, at end
    at = finish + 1
  end
  return entries, starts
end

-- Of repetitions the last remains.
local function unique(entries)
  local seen, kept = {}, {}
  for index = #entries, 1, -1 do
    local entry = entries[index]
    if not seen[entry] then
      seen[entry] = true
      table.insert(kept, entry)
    end
  end
  for index = 1, #kept // 2 do kept[index], kept[#kept + 1 - index] = kept[#kept + 1 - index], kept[index] end
  return kept
end

-- Nothing of what is no file: a FIFO would have the prompt wait for its other end.
local function read(path)
  if host.target(path) ~= "file" then return "" end
  local file <close> = io.open(path, "rb")
  return file and file:read(LARGEST) or ""
end

---Reads a history. One that has grown too long loses its oldest entries. path: nil for one that is kept
---nowhere.
function history.open(path)
  local text = path and read(path) or ""
  local entries, starts = decode(text)
  if path and #entries > MOST then host.dropfront(path, starts[#entries - MOST + 1] - 1, #text) end
  entries = unique(table.move(entries, math.max(#entries - MOST, 0) + 1, #entries, 1, {}))
  return setmetatable({ path = path, entries = entries }, class)
end

---Keeps an entry, unless it is blank, begins with a blank, repeats the last one or has a zero byte. True if
---it is to be recalled, and why it could not be written.
function methods:add(entry)
  if entry == "" or entry:find "^%s" or entry:find "\0" then return false end
  if entry == self.entries[#self.entries] then return false end
  table.insert(self.entries, entry)
  if not self.path then return true end
  local good, err = host.appendfile(self.path, encode(entry, os.time()))
  return true, not good and err or nil
end

return history
