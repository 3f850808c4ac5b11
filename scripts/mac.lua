-- mac: hardware addresses.

-- The half of an IPv6 address that is made of it, in its groups.
local function interfaceid(mac)
  local bytes = mac:link_local():bytes():sub(9)
  return ("%02x%02x:%02x%02x:%02x%02x:%02x%02x"):format(bytes:byte(1, 8))
end

local function describe(mac, style)
  return {
    mac = mac:format(style), hex = mac:format "bare", oui = mac:oui(), ["local"] = mac:is_local(),
    multicast = mac:is_multicast(), eui64 = interfaceid(mac), link_local = tostring(mac:link_local()),
  }
end

return {
  summary = "Hardware addresses in every form.",
  common = { "file" },
  examples = { "mac 00:11:32:3c:c3:0b", "mac 0011.323c.c30b --style dash", "mac 00-11-32-3C-C3-0B --json" },
  needs = "ADDRESS",
  options = function(parser)
    parser:argument("ADDRESS"):args "*":target "targets"
      :description "6 or 8 bytes: 00:11:32:3c:c3:0b, 00-11-32-3C-C3-0B, 0011.323c.c30b or 0011323cc30b."
    parser:option "--style":argname "STYLE":choices { "colon", "dash", "dot", "bare" }
      :description "How to write it: colon, dash, dot or bare."
  end,
  columns = { "mac", "hex", "oui", "local", "multicast", "eui64", "link_local" },
  human = function(rec)
    local whom, whose = rec.multicast and "multicast" or "unicast", rec["local"] and "local" or "universal"
    return { rec.mac, whom .. " " .. whose, "eui64 " .. rec.eui64 }
  end,
  run = function(args, out)
    local list = {}
    for i, word in ipairs(args.targets) do
      list[i] = net.mac.parse(word)
      if not list[i] then
        return out:usage(('bad hardware address "%s": use 00:11:32:3c:c3:0b'):format(word))
      end
    end
    return out:each(list, function(mac) return describe(mac, args.style) end)
  end,
}
