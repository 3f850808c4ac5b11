local netlua = require "netlua"

-- What the folder is in that environment.
local function folder(environment)
  local script = [[ %s -e 'print(require("net.xdg").folder("XDG_STATE_HOME", ".state"))']]
  return (netlua.shell(environment .. script))
end

describe("a folder of a person's", function()
  for _, row in ipairs {
    { "XDG_STATE_HOME=/s HOME=/h", "/s" },
    { "env -u XDG_STATE_HOME HOME=/h", "/h/.state" },
    { "XDG_STATE_HOME= HOME=/h", "/h/.state" },
    { "XDG_STATE_HOME=relative HOME=/h", "/h/.state" },
    { "env -u XDG_STATE_HOME -u HOME", "nil" },
    { "XDG_STATE_HOME= HOME=", "nil" },
    { "XDG_STATE_HOME= HOME=.", "nil" },
  } do
    it("is found with " .. row[1], function() assert.equal(row[2] .. "\n", folder(row[1])) end)
  end
end)
