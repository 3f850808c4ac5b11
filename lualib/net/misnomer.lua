-- net.misnomer: what a name in an entry may have been meant for that stands for nothing.

local complete = require "net.complete"
local nearest = require "net.nearest"

local misnomer = {}

local SHORTEST = 3 -- bytes of a name; shorter ones are like too many others

-- What other prompts call it.
local ELSEWHERE = {
  exit = ".exit or ^D leaves", quit = ".exit or ^D leaves",
  help = ".help lists commands and topics; ?name explains one",
}

-- The names that may stand where this one does: fields, behind what is written before it.
local function candidates(kind, name, source, scope)
  if kind == "global" then return (complete.candidates("", 0, scope)) end
  local front = source:match("([%a_][%w_.]*[.:])%s*" .. name .. "%f[^%w_]")
  return front and complete.candidates(front, #front, scope) or {}
end

---What helps with an entry that gave nil, or an error about a nil value.
---@param source string the entry
---@param scope table where the names of the prompt are
---@param message? string the error as Lua puts it; nil: there was none
---@return string? hint nil: nobody knows
---```lua
---local message = "stdin:1: attempt to call a nil value (field 'conect')"
---assert(require("net.misnomer").hint("net.conect 'h'", {}, message) == "did you mean connect?")
---```
function misnomer.hint(source, scope, message)
  if not message then return ELSEWHERE[source:match "^%s*(%l+)%s*$"] end
  local kind, name = message:match "^[^\n]- a nil value %((%l+) '([%a_][%w_]*)'%)"
  if kind == "global" and ELSEWHERE[name] then return ELSEWHERE[name] end
  if not (kind == "global" or kind == "field" or kind == "method") or #name < SHORTEST then return nil end
  local question = nearest.question(name, candidates(kind, name, source, scope))
  return question ~= "" and question or nil
end

return misnomer
