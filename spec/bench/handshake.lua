-- Connects with TLS to a port of 127.0.0.1, one time after the other, each closed at once. The server has to
-- be example.test, by an authority of a file.
--
--   netlua spec/bench/handshake.lua COUNT PORT AUTHORITY [resume]
local net = require "net"

local count, port, authority, resume = tonumber(arg[1]), tonumber(arg[2]), arg[3], arg[4] == "resume"
local context = assert(net.tls.context {
  cafile = authority, session = resume, max = resume and "TLSv1.2" or nil,
})

local function connect()
  return assert(net.connect("127.0.0.1", port, { tls = { host = "example.test", context = context } }))
end

for _ = 1, count do
  local s <close> = connect() -- luacheck: ignore s
end
if resume then
  local s <close> = connect()
  assert(require "net.core.tlssession".facts(s).resumed, "the session was not resumed")
end
