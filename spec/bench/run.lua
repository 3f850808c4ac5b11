-- Benchmark report: netlua against the same in plain C and its peers, every figure measured here
-- and now, in turns, on one machine. Traffic goes to 127.0.0.1 only.
--
--   ./netlua spec/bench/run.lua [--quick] [BUILD_DIR] [SUBJECT...]
--
-- BUILD_DIR/bench holds the programs built from the C files here ("build" unless given). Subjects are
-- servers, clients, program, prompt, scanning, pathing and tls; all of them unless some are named. The
-- environment variable NETLUA names another netlua than ./netlua. Missed bars are reported and the
-- status is still 0; it is 1 when something could not be run.

package.path = (arg[0]:match("^(.*)/[^/]*$") or ".") .. "/?.lua;" .. package.path

local frame = require "frame"

local all, named = { "servers", "clients", "program", "prompt", "scanning", "pathing", "tls" }, {}
local issubject = {}
for _, subject in ipairs(all) do issubject[subject] = true end
for _, argument in ipairs(arg) do
  if argument == "--quick" then frame.quick, frame.rounds = true, 1
  elseif issubject[argument] then named[#named + 1] = argument
  else frame.build = argument end
end

for _, name in ipairs { "load", "echo", "startup", "datagrams", "udp", "names", "sink", "dial", "select",
  "scan", "echo_tls" } do
  local path = frame.build .. "/bench/" .. name
  assert(io.open(path), path .. " is not built"):close()
end
assert(frame.succeeds(frame.netlua() .. " -e return"), "netlua does not run")

for _, subject in ipairs(#named > 0 and named or all) do require(subject)() end
frame.print_table()
os.exit(#frame.failed == 0)
