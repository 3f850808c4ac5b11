-- net.tool: runs a bundled tool: `netlua NAME args`.

local host = require "net.core.host"

local tool = {}

---Runs the tool of that name; its exit status is what `run` returns, or 0.
---@param name string as in `netlua NAME`
---@param ... string its arguments
function tool.run(name, ...)
  local spec = host.loadtool(name)()
  local args = { ... }
  for _, word in ipairs(args) do
    if word == "-h" or word == "--help" then
      print(("usage: netlua %s %s\n%s"):format(name, spec.usage or "", spec.summary))
      return
    end
  end
  host.exitstatus(spec.run(args) or 0)
end

return tool
