local function output(command)
  local pipe <close> = io.popen("timeout 10 sh -c '" .. command .. "' 2>/dev/null")
  return pipe and pipe:read "a" or ""
end

describe("the table of options", function()
  it("has every name once, and every number once in its level", function()
    local names, numbers = {}, {}

    for _, row in ipairs(assert(net.options())) do
      local number = row.level .. "/" .. row.number
      assert.is_nil(names[row.name], row.name)
      assert.is_nil(numbers[number], row.name)
      names[row.name], numbers[number] = true, true
    end
  end)

  it("has the level that the name says", function()
    local levels = { SO = net.SOL_SOCKET, TCP = net.IPPROTO_TCP, UDP = net.IPPROTO_UDP, IP = net.IPPROTO_IP,
      IPV6 = net.IPPROTO_IPV6, MCAST = net.IPPROTO_IP }

    for _, row in ipairs(assert(net.options())) do
      assert.equal(levels[row.name:match "^%u+%d*"], row.level, row.name)
    end
  end)

  it("has the numbers that python's socket module has", function()
    local text = output [[python3 -c "import socket
for k in dir(socket):
    if k.split(\"_\")[0] in (\"SO\", \"TCP\", \"IP\", \"IPV6\", \"SOL\", \"MSG\", \"IPPROTO\"):
        print(k, int(getattr(socket, k)))"]]
    if text == "" then pending "python3 is not installed" return end

    local compared = 0
    for name, number in text:gmatch "(%g+) (%-?%d+)" do
      if net[name] ~= nil then
        compared = compared + 1
        assert.equal(tonumber(number), net[name], name)
      end
    end

    assert.is_true(compared > 80, compared .. " compared")
  end)

  it("knows older names of the same number", function()
    local pairsof = { IPV6_ADD_MEMBERSHIP = "IPV6_JOIN_GROUP", IP_ORIGDSTADDR = "IP_RECVORIGDSTADDR",
      SO_DETACH_BPF = "SO_DETACH_FILTER" }

    for old, new in pairs(pairsof) do assert.equal(net[new], net[old]) end
    assert.is_nil(net.RECV_BUFFER_SIZE)
  end)
end)
