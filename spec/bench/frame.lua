-- What the measures have in common: running commands, taking turns, rows of a table.

local frame = {
  SUBJECT = "netlua",
  quick = false, -- fewer of everything
  rounds = 3,
  build = "build", -- where the programs in C are
  skipped = {}, -- what there was no way to measure, by name
  failed = {},
}

local rows = {}

-- Commands --------------------------------------------------------------------------------------

function frame.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

frame.here = frame.quote(arg[0]:match("^(.*)/[^/]*$") or ".")

-- What a command prints, or nil when it fails.
function frame.capture(command)
  local pipe = assert(io.popen(command))
  local output = pipe:read("a")
  return pipe:close() and output or nil
end

function frame.succeeds(command)
  return os.execute(command .. " >/dev/null 2>&1") == true
end

-- The key=value pairs a command prints, or nil; numbers as numbers.
function frame.figures(command)
  local output = frame.capture(command)
  if not output then
    return nil
  end
  local values = {}
  for key, value in output:gmatch("([%w_]+)=(%S+)") do
    values[key] = tonumber(value) or value
  end
  return values
end

function frame.progress(...)
  io.stderr:write("bench: ", string.format(...), "\n")
end

-- Programs --------------------------------------------------------------------------------------

-- One of the programs in C, ready for a command.
function frame.program(name)
  return frame.quote(frame.build .. "/bench/" .. name)
end

function frame.netlua(script)
  local program = frame.quote(os.getenv("NETLUA") or "./netlua")
  return script and program .. " " .. frame.here .. "/" .. script or program
end

-- The interpreter itself, as `python3` may be a shell script that picks one; nil where there is none.
function frame.python()
  local path = frame.capture("python3 -c 'import sys; print(sys.executable)' 2>/dev/null")
  return path and frame.quote(path:match("[^\n]+"))
end

-- The reference, netlua and python running what belongs to a name: NAME.c, NAME.lua, peers/NAME_python.py.
function frame.trio(name)
  local subjects = {
    { name = name .. ".c", command = frame.program(name) },
    { name = frame.SUBJECT, command = frame.netlua(name .. ".lua") },
  }
  local python = frame.python()
  if python then
    local script = frame.here .. "/peers/" .. name .. "_python.py"
    subjects[3] = { name = "python3", command = python .. " " .. script }
  else
    frame.skipped[#frame.skipped + 1] = "python3 (" .. name .. ": not installed)"
  end
  return subjects
end

-- Figures ---------------------------------------------------------------------------------------

function frame.median(values)
  table.sort(values)
  return values[(#values + 1) // 2]
end

-- Adds a row; bar is a limit on the value, or on the ratio when it starts with "ratio", or nil.
function frame.report(measure, format, value, base, bar, met)
  rows[#rows + 1] = {
    measure,
    value and format:format(value) or "-",
    base and format:format(base) or "-",
    value and base and string.format("%.2f", value / base) or "-",
    bar or "-",
    not bar and "" or met and "met" or "NOT met",
  }
end

-- Runs `measure` on every server in turn, several rounds; the median of each, by name.
function frame.in_turns(servers, label, measure)
  local values, broken = {}, {}
  for round = 1, frame.rounds do
    for _, server in ipairs(servers) do
      if not broken[server.name] then
        frame.progress("%s, round %d of %d, %s", label, round, frame.rounds, server.name)
        local value = measure(server)
        broken[server.name] = not value
        values[server.name] = values[server.name] or {}
        table.insert(values[server.name], value)
      end
    end
  end
  local medians = {}
  for _, server in ipairs(servers) do
    local what = server.name .. " (" .. label .. ")"
    if not broken[server.name] then
      medians[server.name] = frame.median(values[server.name])
    elseif server.may_fail then
      frame.skipped[#frame.skipped + 1] = what
    else
      frame.failed[#frame.failed + 1] = what
    end
  end
  return medians
end

-- Takes the value of every subject, the first being the reference and the second netlua, in turns, and
-- reports netlua beside each other one. `bar` is the limit of its ratio to the reference, `peerbar` to be
-- below the peers, or nil. Returns the value of netlua.
function frame.compare(label, format, subjects, measure, bar, peerbar)
  local values = frame.in_turns(subjects, label, measure)
  local value = values[frame.SUBJECT]
  for index, other in ipairs(subjects) do
    local base = values[other.name]
    local name = label .. ", " .. other.name
    if index == 1 then
      local limit = bar and string.format("ratio <= %.2f", bar)
      frame.report(name, format, value, base, limit, value and base and value <= base * (bar or 0))
    elseif other.name ~= frame.SUBJECT and base then
      frame.report(name, format, value, base, peerbar and "ratio < 1.00", value and value < base)
    end
  end
  return value
end

-- Report ----------------------------------------------------------------------------------------

function frame.print_table()
  table.insert(rows, 1, { "measure, reference", frame.SUBJECT, "reference", "ratio", "bar", "" })
  local widths = { 0, 0, 0, 0, 0, 0 }
  for _, row in ipairs(rows) do
    for i, cell in ipairs(row) do
      widths[i] = math.max(widths[i], #cell)
    end
  end
  local format = string.format("%%-%ds  %%%ds  %%%ds  %%%ds  %%-%ds  %%s",
    table.unpack(widths, 1, 5))
  for _, row in ipairs(rows) do
    print((format:format(table.unpack(row)):gsub("%s+$", "")))
  end
  for _, name in ipairs(frame.skipped) do
    print("skipped: " .. name)
  end
  for _, name in ipairs(frame.failed) do
    print("failed: " .. name)
  end
end

return frame
