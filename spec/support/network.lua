-- network: runs a script in a network of its own, with `ip` to build it, and gives back what it answers.

local cjson = require "cjson"
local island = require "island"

local network = {}

-- What the script has: sh(command), ip(arguments) -> what `ip -j` prints, answer(value).
local PREAMBLE = [[
local cjson = require "cjson"
local function sh(command) assert(os.execute("set -e; " .. command)) end
local function ip(arguments)
  local pipe <close> = assert(io.popen("ip -j " .. arguments))
  local text = pipe:read "a"
  return text:find "%S" and cjson.decode(text) or {}
end
local function answer(value) print(cjson.encode(value)) end
]]

---Shell commands that make two ends of a cable, v0 and v1, both switched on and without addresses. The kernel
---takes its own time to find their carrier, and tells whoever watches them: that is over by then.
network.CABLE = [[ip link add v0 type veth peer name v1
ip link set v0 addrgenmode none; ip link set v1 addrgenmode none
ip link set v0 up; ip link set v1 up
for i in $(seq 500); do [ "$(ip -o link | grep -c 'v[01]@.*state UP')" = 2 ] && break; sleep 0.01; done
]]

---Shell commands that wait until the kernel tells that both have lost their carrier.
network.LOST = [[
for i in $(seq 500); do ip -o link | grep -q 'v[01]@.*state UP' || break; sleep 0.01; done
]]

local usable

---Whether such networks can be made here.
function network.possible()
  if usable == nil then
    local _, _, status = island.run('assert(os.execute "ip link add v0 type veth peer name v1")')
    usable = island.possible() and status == 0
  end
  return usable
end

---Runs shell commands, then a script; returns what it gave to `answer`.
function network.run(setup, script, seconds)
  local text = PREAMBLE .. ("sh %q\n"):format(setup) .. script
  local out, err, status = island.run(text, nil, seconds or 20)
  if status ~= 0 or err ~= "" then error(("status %s: %s%s"):format(status, err, out), 0) end
  return cjson.decode(out)
end

---What a tool answers there: {status, output, hints} for each command line, a list of words.
function network.tool(name, setup, lines)
  return network.run(setup, ([[
    local list = {}
    for index, words in ipairs(cjson.decode %q) do
      local status, out, err = net.tool.call(%q, words)
      list[index] = { status, out, err }
    end
    answer(list)]]):format(cjson.encode(lines), name))
end

return network
