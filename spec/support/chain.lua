-- chain: three hops in network namespaces of their own, between which packets are really forwarded. A script
-- runs at one end; addresses of both families:
--
--   near   10.1.0.1  fd00:1::1 -- 10.1.0.2  fd00:1::2   one
--   one    10.2.0.1  fd00:2::1 -- 10.2.0.2  fd00:2::2   two
--   two    10.3.0.1  fd00:3::1 -- 10.3.0.2  fd00:3::2   far, which has 10.9.0.9 and fd00:9::9 too

local netlua = require "netlua"

local chain = {}

local SETUP = [[
set -e
mount -t tmpfs none /run
ip link set lo up
for n in one two far; do ip netns add $n; ip -n $n link set lo up; done
for n in "" one two far; do
  in=${n:+ip netns exec $n}
  $in sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0 net.ipv6.conf.all.forwarding=1 \
    net.ipv6.icmp.ratelimit=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.accept_dad=0
  # The limit on all messages together, where a namespace has its own (since Linux 6.13 or so).
  $in sysctl -q -w net.ipv4.icmp_msgs_per_sec=100000 net.ipv4.icmp_msgs_burst=100000 2>/dev/null || true
done
link () { # number, namespace, namespace
  ip link add a$1 type veth peer name b$1
  [ "$2" = near ] || ip link set a$1 netns $2
  ip link set b$1 netns $3
  at=$([ "$2" = near ] || echo "-n $2")
  ip $at addr add 10.$1.0.1/24 dev a$1; ip $at addr add fd00:$1::1/64 dev a$1 nodad; ip $at link set a$1 up
  ip -n $3 addr add 10.$1.0.2/24 dev b$1; ip -n $3 addr add fd00:$1::2/64 dev b$1 nodad
  ip -n $3 link set b$1 up
}
link 1 near one; link 2 one two; link 3 two far
ip -n far addr add 10.9.0.9/32 dev lo; ip -n far addr add fd00:9::9/128 dev lo
ip route add default via 10.1.0.2; ip route add default via fd00:1::2
ip -n one route add default via 10.2.0.2; ip -n one route add default via fd00:2::2
ip -n two route add 10.1.0.0/24 via 10.2.0.1; ip -n two route add fd00:1::/64 via fd00:2::1
ip -n two route add 10.9.0.9 via 10.3.0.2; ip -n two route add fd00:9::9 via fd00:3::2
ip -n far route add default via 10.3.0.1; ip -n far route add default via fd00:3::1
]]

-- Without this the namespace allows no datagram sockets of ICMP, so that raw ones are used.
local DATAGRAM = "echo 0 0 >/proc/sys/net/ipv4/ping_group_range\n"


local function write(text)
  local name = os.tmpname()
  local file <close> = assert(io.open(name, "wb"))
  file:write(text)
  return name
end

local possible

---Whether the system lets us make such namespaces.
function chain.possible()
  if possible == nil then
    local _, _, status = chain.run("return")
    possible = status == 0
  end
  return possible
end

local firewall

---Whether the system lets rules drop packets there.
function chain.firewall()
  if firewall == nil then
    local rules = "iptables -A OUTPUT -j ACCEPT\nip6tables -A OUTPUT -j ACCEPT"
    local _, _, status = chain.run("return", { setup = rules })
    firewall = status == 0
  end
  return firewall
end

---Whether a program is there.
function chain.has(program)
  local _, _, status = netlua.shell("command -v " .. program)
  return status == 0
end

---Runs a script at the near end. Options: `setup`, shell commands that change what it finds; `raw`, without
---datagram sockets of ICMP; `with`, what stands in front of the program. Returns stdout, stderr, exit status.
function chain.run(script, options)
  options = options or {}
  local lua = write(script)
  local shell = write(table.concat({
    SETUP,
    options.raw and "" or DATAGRAM,
    options.setup or "",
    ("\nexec %s $NETLUA_BIN %s\n"):format(options.with or "", lua),
  }))
  local out, err, status = netlua.shell("NETLUA_BIN=%s unshare -rmn sh " .. shell, 30)
  os.remove(lua)
  os.remove(shell)
  return out, err, status
end

---The same for a script that must end well. Returns its stdout.
function chain.output(script, options)
  local out, err, status = chain.run(script, options)
  assert(err == "" and status == 0, err)
  return out
end

return chain
