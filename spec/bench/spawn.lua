-- What a task costs: spawned and joined one by one, and in batches; and what a bare coroutine
-- costs here, as the reference. Processor time in microseconds each.
--
--   netlua spec/bench/spawn.lua [COUNT]
local net = require "net"

local BATCH = 1000
local count = (tonumber(arg[1]) or 200000) // BATCH * BATCH

local function task()
end

local function coroutines()
  for _ = 1, count do
    coroutine.resume(coroutine.create(task))
  end
end

local function one_by_one()
  for _ = 1, count do
    net.spawn(task):join()
  end
end

local function in_batches()
  local tasks = {}
  for _ = 1, count // BATCH do
    for i = 1, BATCH do
      tasks[i] = net.spawn(task)
    end
    for i = 1, BATCH do
      tasks[i]:join()
    end
  end
end

local function microseconds(run)
  collectgarbage()
  local start = os.clock()
  run()
  return (os.clock() - start) / count * 1e6
end

print(string.format("coroutine_us=%.3f spawn_join_us=%.3f batch_us=%.3f",
  microseconds(coroutines), microseconds(one_by_one), microseconds(in_batches)))
