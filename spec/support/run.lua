-- run: the specs, inside netlua: `./netlua spec/support/run.lua [busted's arguments] [files]`.
-- Ends with "N passed, N failed, N skipped" and exit status 0 only if nothing failed.

package.path = "./spec/support/?.lua;" .. package.path

-- GC=stress: a collection is always under way.
if os.getenv "GC" == "stress" then collectgarbage("incremental", 1, 200, 12) end

-- What is loaded on first touch is loaded now, so that a spec's descriptors and globals are its own.
local USED = {
  "connect", "getaddrinfo", "map", "channel", "select", "hexdump", "ip", "mac", "tool",
  "port", "is_port_open", "interfaces", "route", "watch_links", "ping", "trace", "path_mtu", "diagnose",
  "tls", "x509",
}
for _, name in ipairs(USED) do assert(net[name]) end
require "net.stream"
require "net.listeners"
require "net.tlsstream"
require "net.verification"
require "net.ocsp"
require "argparse"

local words = {}
for _, word in ipairs(arg) do words[#words + 1] = word end
if #words == 0 or words[#words]:sub(1, 1) == "-" then words[#words + 1] = "spec" end
arg = { [0] = "spec", "--output=spec/support/output.lua", "--pattern=_spec%.lua$", table.unpack(words) }

require "busted.runner" { standalone = false }
