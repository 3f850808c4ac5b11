-- The program itself: what a task costs, and a start.

local frame = require "frame"

local STARTS = frame.quick and 20 or 100
local SPAWNS = frame.quick and 50000 or 200000

local function bench_spawn()
  local one, batch, bare = {}, {}, {}
  for round = 1, frame.rounds do
    frame.progress("tasks, round %d of %d", round, frame.rounds)
    local values = frame.figures(frame.netlua "spawn.lua" .. " " .. SPAWNS)
    if not values then
      frame.failed[#frame.failed + 1] = "spawn.lua"
      return
    end
    one[round], batch[round] = values.spawn_join_us, values.batch_us
    bare[round] = values.coroutine_us
  end
  local base = frame.median(bare)
  local function row(how, value)
    frame.report("CPU us/spawn and join, " .. how .. ", bare coroutine", "%.3f", value, base,
      "<= 1.0", value <= 1.0)
  end
  row("one by one", frame.median(one))
  row("in batches", frame.median(batch))
end

local function bench_startup()
  local python = frame.python()
  local commands = { frame.netlua() .. " -e return", "lua5.4 -e return" }
  if python then
    commands[3] = python .. " -S -c 0" -- without what the packages installed here add to it
  end
  frame.progress("start-up, %d runs", STARTS)
  local options = " " .. STARTS .. " "
  local output = frame.capture(frame.program "startup" .. options .. table.concat(commands, " -- "))
  if not output then
    frame.failed[#frame.failed + 1] = "start-up"
    return
  end
  local cpu, wall = {}, {}
  for cpu_us, wall_us in output:gmatch("cpu_us=(%d+) wall_us=(%d+)") do
    cpu[#cpu + 1], wall[#wall + 1] = tonumber(cpu_us), tonumber(wall_us)
  end
  local function row(kind, us)
    local measure = "start-up, " .. kind .. " us, "
    frame.report(measure .. "lua5.4", "%d", us[1], us[2], "ratio <= 3.00", us[1] <= us[2] * 3)
    if python then
      frame.report(measure .. "python3 -S", "%d", us[1], us[3], "ratio <= 0.33", us[1] * 3 <= us[3])
    end
  end
  row("CPU", cpu)
  row("wall", wall)
end

return function()
  bench_spawn()
  bench_startup()
end
