-- The prompt: a start until it can be typed at, and an entry until the next prompt, each on a terminal of
-- its own.

local frame = require "frame"

package.path = (arg[0]:match "^(.*)/[^/]*$" or ".") .. "/../support/?.lua;" .. package.path

local STARTS = frame.quick and 3 or 15
local ENTRIES = frame.quick and 50 or 500

local pty

-- The reference, netlua and the others.
local function subjects()
  local list = {
    { name = "lua5.4", args = { "-i" }, prompt = "> " },
    { name = frame.SUBJECT, program = require("netlua").program, args = { "-q" }, prompt = "> " },
  }
  for _, peer in ipairs {
    { name = "python3", args = { "-q" }, prompt = ">>> " },
    { name = "node", args = { "-i" }, prompt = "> " },
  } do
    if frame.succeeds("command -v " .. peer.name) then list[#list + 1] = peer
    else frame.skipped[#frame.skipped + 1] = peer.name .. " (prompt: not installed)" end
  end
  for _, one in ipairs(list) do
    one.program = one.program or frame.capture("command -v " .. one.name):match "[^\n]+"
  end
  return list
end

local function open(subject)
  local term = pty.open { program = subject.program, args = subject.args }
  term:prompt(subject.prompt)
  return term
end

-- What a measure takes of starts until the first prompt is there.
local function starts(measure)
  return function(subject)
    local values = {}
    for i = 1, STARTS do
      local term <close> = open(subject)
      values[i] = measure(term)
    end
    return frame.median(values)
  end
end

local wall = starts(function(term) return (net.now() - term.began) * 1e3 end)
local cpu = starts(function(term) return term:cpu() * 1e3 end)

-- Microseconds of processor time for an entry, with its line typed, edited and shown.
local function entries(subject)
  local term <close> = open(subject)
  local before = term:cpu()
  for _ = 1, ENTRIES do
    term:enter "1 + 1"
    term:prompt(subject.prompt)
  end
  return (term:cpu() - before) / ENTRIES * 1e6
end

return function()
  pty = require "pty"
  local list = subjects()
  local ready = frame.compare("prompt, ms from start by the clock", "%.2f", list, wall)
  frame.report("prompt, ms from start by the clock", "%.2f", ready, nil, "< 30", ready and ready < 30)
  frame.compare("prompt, CPU ms from start", "%.2f", list, cpu)
  frame.compare("prompt, CPU us/entry", "%.2f", list, entries)
end
