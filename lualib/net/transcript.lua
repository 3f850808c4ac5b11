-- net.transcript: a text of several entries, as it is pasted at the prompt, taken apart.

local chunk = require "net.chunk"
local commands = require "net.commands"
local text = require "net.text"

local transcript = {}

local LINES = 100 -- of an entry, outside of blocks and brackets; each is compiled with those before it

-- What a text is as one entry, as transcript.one gives it. A command ends with its line, unless what it takes
-- is Lua.
local function try(source, scope)
  if not commands.is(source) then return chunk.compile(source, "=stdin", scope) end
  local code = commands.code(source)
  if not code and source:find "\n" then return nil, "a command has one line", false end
  if not code then return true end
  local entry, message, more = chunk.compile(code, "=stdin", scope)
  return entry and true, message, more
end

-- The message about a part, with the numbers that lines have in the whole text.
local function located(source, from, scope)
  local _, message, more = try(source:sub(1, from - 1):gsub("[^\n]+", "") .. source:sub(from), scope)
  return message .. ", and nothing of it has run", more
end

local function trimmed(part)
  return text.trimend(part:match "^%s*\n(.*)" or part)
end

-- The entries of a text, each of which ends with the first line that makes it whole, as if it were typed; or
-- nil, why it is not made of entries, and whether more lines may complete the last. Nothing where not even
-- the first is whole.
local function split(source, scope)
  local parts, from, depth, lines, behind = {}, 1, 0, 0, nil
  for _, token in ipairs(chunk.tokens(source)) do
    local gap = behind and source:sub(behind + 1, token.from - 1):match "^.*()\n"
    if gap and (depth <= 0 or source:find("^%s*[.?]", from)) then
      local part = trimmed(source:sub(from, behind + gap - 1))
      local whole, _, more = try(part, scope)
      lines = lines + 1
      if not whole and (not more or lines == LINES) then break end
      if whole then parts[#parts + 1], from, depth, lines = part, behind + gap + 1, 0, 0 end
    end
    depth, behind = depth + chunk.nesting(token), token.to
  end
  if #parts == 0 then return nil end
  parts[#parts + 1] = trimmed(source:sub(from))
  if try(parts[#parts], scope) then return parts end
  return nil, located(source, from, scope)
end

---What a text is as one entry: true for a command, else what chunk.compile gives; or nil, why it is none, and
---whether more lines may complete it.
function transcript.one(source, scope)
  if commands.is(source) and not source:find "\n" then return true end -- which tells by itself what is wrong
  return try(source, scope)
end

---What a text is, as one entry or as {parts}, the sources of several; or nil, why it is neither, and whether
---more lines may complete it.
function transcript.read(source, scope)
  local entry, message, more = transcript.one(source, scope)
  if entry or not source:find "\n" then return entry, message, more end
  local parts, wrong, unfinished = split(source, scope)
  if parts then return { parts = parts } end
  if wrong then return nil, wrong, unfinished end
  return nil, message, more
end

return transcript
