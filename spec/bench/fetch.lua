-- Reads what a server with TLS sends for a path, to its end, and throws it away.
--
--   netlua spec/bench/fetch.lua PATH BYTES PORT AUTHORITY
local net = require "net"

local path, bytes, port, authority = arg[1], tonumber(arg[2]), tonumber(arg[3]), arg[4]
local tls = { host = "example.test", cafile = authority }
local s <close> = assert(net.connect("127.0.0.1", port, { tls = tls }))
assert(s:write("GET ", path, " HTTP/1.0\r\nHost: example.test\r\n\r\n"))
assert(assert(s:read "l"):find " 200 ")
repeat until assert(s:read "l") == ""
local got = 0
while true do
  local data, err = s:recv(65536)
  if not data then
    assert(not err, err)
    break
  end
  got = got + #data
end
assert(got == bytes, got)
