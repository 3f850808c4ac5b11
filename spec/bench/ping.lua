-- 1,000 addresses of the loopback at once: how many answer, and the milliseconds it took.

local hosts = {}
for n = 1, 1000 do hosts[n] = ("127.0.%d.%d"):format(n // 256, n % 256) end

local began, alive = net.now(), 0
local reports, errors = net.map(hosts, function(host) return net.ping(host) end, { limit = #hosts })
for n = 1, #hosts do
  if not reports[n] then error(errors[n]) end
  if reports[n].alive then alive = alive + 1 end
end
print(("alive=%d ms=%.1f"):format(alive, (net.now() - began) * 1000))
os.exit(alive == #hosts)
