local netlua = require "netlua"
local network = require "network"

local function isolated(setup, script, seconds)
  if not network.possible() then pending "no network namespaces here" end
  return network.run(setup, script, seconds)
end

-- Sends a message "the loopback is gone" to every netlink socket that listens for such messages.
local FORGER = [[
import socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
message = struct.pack("=LHHLL", 32, 17, 0, 0, 0) + struct.pack("=BxHiII", 0, 772, 1, 0, 0)
message += struct.pack("=HH3sx", 7, 3, b"lo\0")
message = struct.pack("=L", len(message)) + message[4:]
sent = 0
for line in open("/proc/net/netlink").readlines()[1:]:
    fields = line.split()
    if fields[1] == "0" and int(fields[3], 16) != 0:
        s.sendto(message, (int(fields[2]), 0))
        sent += 1
print(sent)
]]

describe("rtnetlink", function()
  it("is not believed when another process speaks in the name of the kernel", function()
    local _, _, status = netlua.shell "python3 -c 'import socket; socket.AF_NETLINK'"
    if status ~= 0 then pending "no python3 here" end

    local got = isolated(":", ([[
      local name = os.tmpname()
      local file = assert(io.open(name, "w"))
      file:write(%q)
      file:close()
      local watch <close> = assert(net.watch_links())
      local pipe <close> = assert(io.popen("python3 " .. name))
      local sent = pipe:read "n"
      os.remove(name)
      local nothing, err = watch:read(0)
      sh "ip link add br0 type bridge"
      local event = watch:read(5)
      answer { sent, nothing == nil and err.code, event.event, event.name }]]):format(FORGER))

    assert.same({ 1, "TIMEOUT", "added", "br0" }, got)
  end)

  it("may have messages that are longer than a datagram usually is", function()
    local got = isolated(network.CABLE, [[
      local watch <close> = assert(net.watch_links())
      for i = 1, 280 do
        sh(("ip link property add dev v0 altname %s%03d"):format(("x"):rep(120), i))
        if i % 20 == 0 then repeat until not watch:read(0) end
      end
      sh "ip link set v0 mtu 1400"
      local event
      repeat event = watch:read(5) until not event or event.event == "changed"
      answer { net.interfaces().v0.mtu, net.interfaces().v1.name, event and event.interface.mtu }]], 40)

    assert.same({ 1400, "v1", 1400 }, got)
  end)

  it("gives lists that are whole although they change while they are read", function()
    local got = isolated(network.CABLE, [[
      local function batch(lines)
        local name = os.tmpname()
        local file = assert(io.open(name, "w"))
        file:write(table.concat(lines))
        file:close()
        return name
      end
      local fixed, changing = {}, {}
      for i = 1, 3000 do fixed[i] = ("addr add 10.1.%d.%d/32 dev v0\n"):format(i // 256, i % 256) end
      for i = 1, 4000 do
        changing[2 * i - 1] = "addr add 10.2.0.1/32 dev v1\n"
        changing[2 * i] = "addr del 10.2.0.1/32 dev v1\n"
      end
      local first, second = batch(fixed), batch(changing)
      sh("ip -batch " .. first)
      local ended = assert(io.popen("ip -batch " .. second .. "; echo ended"))
      local wrong, busy, whole = 0, 0, 0
      for _ = 1, 60 do
        local list, err = net.interfaces()
        if list then
          local seen, n = {}, 0
          for _, a in ipairs(list.v0.addresses) do
            if not seen[a.address] then n = n + 1 end
            seen[a.address] = true
          end
          if n == 3000 and #list.v0.addresses == 3000 then whole = whole + 1 else wrong = wrong + 1 end
        elseif err.code == "EBUSY" then busy = busy + 1
        else wrong = wrong + 1 end
      end
      ended:close()
      os.remove(first)
      os.remove(second)
      answer { wrong = wrong, whole = whole, all = whole + busy }]], 50)

    assert.equal(0, got.wrong)
    assert.equal(60, got.all)
    assert.is_true(got.whole > 0)
  end)

  it("makes no descriptor that a child inherits, or that blocks", function()
    local watch <close> = assert(net.watch_links())
    local file <close> = assert(io.open("/proc/self/fdinfo/" .. watch:fileno()))

    local flags = tonumber(file:read("a"):match "flags:%s*(%d+)", 8)

    assert.is_true(flags & 0x80000 ~= 0) -- O_CLOEXEC
    assert.is_true(flags & 0x800 ~= 0) -- O_NONBLOCK
  end)
end)
