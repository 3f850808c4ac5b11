-- nameserver: a name server of a few records on UDP port 53 of loopback, for use inside an island.

local nameserver = {}

local TYPES = { [1] = "A", [5] = "CNAME", [12] = "PTR", [28] = "AAAA" }
local NUMBERS = { A = 1, CNAME = 5, PTR = 12, AAAA = 28 }
local RCODES = { SERVFAIL = 2, NXDOMAIN = 3 }

local function encode(name)
  return (name:gsub("([^.]+)%.?", function(label) return string.pack("s1", label) end)) .. "\0"
end

local function data(kind, value)
  if kind == "A" then return net.inet_pton("inet", value) end
  if kind == "AAAA" then return net.inet_pton("inet6", value) end
  return encode(value)
end

local function question(query)
  local labels, at = {}, 13
  while query:byte(at) ~= 0 do
    labels[#labels + 1], at = string.unpack("s1", query, at)
  end
  return table.concat(labels, "."), TYPES[string.unpack(">I2", query, at + 1)], query:sub(13, at + 4)
end

-- Answers of a zone: {name = {{kind, value}, ...} or "NXDOMAIN"}; a CNAME is followed.
local function answers(zone, name, kind, list)
  local rows = zone[name] or "NXDOMAIN"
  if type(rows) == "string" then return RCODES[rows], list end
  for _, row in ipairs(rows) do
    if row[1] == kind or row[1] == "CNAME" then
      local bytes = data(row[1], row[2])
      list[#list + 1] = encode(name) .. string.pack(">I2I2I4s2", NUMBERS[row[1]], 1, 60, bytes)
    end
    if row[1] == "CNAME" then return answers(zone, row[2], kind, list) end
  end
  return 0, list
end

---Serves a zone in a task until `server.close()`.
function nameserver.serve(zone)
  local socket = assert(net.udp {})
  assert(socket:bind("127.0.0.1", 53))
  local task = net.spawn(function()
    while true do
      local query, address, port = socket:recvfrom(512)
      if not query then return end
      local name, kind, section = question(query)
      local code, list = answers(zone, name:lower(), kind, {})
      local head = query:sub(1, 2) .. string.pack(">I2I2I2I2I2", 0x8180 | code, 1, #list, 0, 0)
      socket:sendto(head .. section .. table.concat(list), address, port)
    end
  end)
  return { close = function() task:cancel() socket:close() end }
end

return nameserver
