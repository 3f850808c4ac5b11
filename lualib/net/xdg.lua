-- net.xdg: where a person's files are, as the XDG Base Directory Specification has it.

local xdg = {}

---The folder for files of one kind.
---@param variable string environment variable that names it, "XDG_STATE_HOME" say; a relative path is ignored
---@param usual string where it is below HOME otherwise
---@return string? folder absolute; nil where HOME is not set either
---```lua
---print(require("net.xdg").folder("XDG_CONFIG_HOME", ".config"))
---```
function xdg.folder(variable, usual)
  local named, home = os.getenv(variable), os.getenv "HOME"
  if named and named:sub(1, 1) == "/" then return named end
  return home and home:sub(1, 1) == "/" and home .. "/" .. usual or nil
end

return xdg
