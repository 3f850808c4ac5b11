-- silence: a network of its own with 10.9.0.1 and fd09::1 on this side, and nobody at 10.9.0.2 to 10.9.0.9
-- and fd09::2, which do not even refuse.

local island = require "island"
local server = require "server"

local silence = {}

local SETUP = [[
local function run(command) assert(os.execute(command), command) end
run "ip link add v0 type veth peer name v1 && ip link set v0 up && ip link set v1 up"
run "ip addr add 10.9.0.1/24 dev v0 && ip addr add fd09::1/64 dev v0 nodad"
for last = 2, 9 do run("ip neigh add 10.9.0." .. last .. " lladdr 02:00:00:00:00:02 dev v0 nud permanent") end
run "ip neigh add fd09::2 lladdr 02:00:00:00:00:02 dev v0 nud permanent"
]]

---Of a spec's `it` and `pending`, an `it` whose tests run scripts there.
function silence.needing(it, pending)
  return server.needing(island.possible(), "network namespaces", it, pending)
end

---Runs a script there. `files` as for island.run. Returns stdout, stderr, exit status.
function silence.run(script, files, seconds)
  return island.run(SETUP .. script, files, seconds)
end

return silence
