-- island: runs a script in namespaces of its own (user, mount, network), where loopback is all there is and
-- files of /etc are what the test says.

local netlua = require "netlua"

local island = {}

local function write(text)
  local name = os.tmpname()
  local file <close> = assert(io.open(name, "wb"))
  file:write(text)
  return name
end

local possible

---Whether the system lets us make such namespaces.
function island.possible()
  if possible == nil then
    local _, _, status = netlua.shell "unshare -rmn ip link set lo up"
    possible = status == 0
  end
  return possible
end

---Runs a script given as text. `files`: path = contents, put in the place of that file.
---Returns stdout, stderr, exit status.
function island.run(script, files, seconds)
  local names, steps = { write(script) }, { "ip link set lo up" }
  for path, text in pairs(files or {}) do
    names[#names + 1] = write(text)
    steps[#steps + 1] = ("mount --bind %s %s"):format(names[#names], path)
  end
  steps[#steps + 1] = "exec %s " .. names[1]
  local command = ('unshare -rmn sh -c "%s"'):format(table.concat(steps, " && "))
  local out, err, status = netlua.shell(command, seconds)
  for _, name in ipairs(names) do os.remove(name) end
  return out, err, status
end

return island
