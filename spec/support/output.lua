-- output: how a run of the specs looks, and the check that every test leaves the process as it found it.

local lfs = require "lfs"

local LIMIT = os.getenv "GC" == "stress" and 300 or 120 -- seconds for one test; then the run ends, naming it
local SLOWEST = 10 -- so many files are named with their time

local function descriptors()
  local open = {}
  for name in lfs.dir "/proc/self/fd" do
    local target = lfs.symlinkattributes("/proc/self/fd/" .. name, "target")
    if tonumber(name) and target then open[#open + 1] = name .. " " .. target end
  end
  return open
end

-- Descriptors that belong to the runtime as a whole come once and stay.
local function isours(text)
  return text:find "anon_inode" or text:find "/proc/" or text:find "/dev/"
end

local function countopen()
  local n = 0
  for _, text in ipairs(descriptors()) do if not isours(text) then n = n + 1 end end
  return n
end

local tasks = require "net.core.task".count

local function globals()
  local names = {}
  for name in pairs(_G) do names[name] = true end
  return names
end

-- Peers see the end of their connection one turn after the test closed it, and what nobody holds goes with a
-- collection, which takes long beside all the specs: only where it is needed.
local function settle(before)
  for _ = 1, 200 do
    if countopen() <= before.open and tasks() <= before.tasks then return end
    collectgarbage()
    net.sleep(0.005)
  end
end

local function leaks(before)
  settle(before)
  local found = {}
  local open = countopen()
  if open > before.open then
    found[#found + 1] = ("%d descriptors left open: %s"):format(open - before.open,
      table.concat(descriptors(), ", "))
  end
  if tasks() > before.tasks then found[#found + 1] = ("%d tasks left"):format(tasks() - before.tasks) end
  for name in pairs(_G) do
    if not before.globals[name] then found[#found + 1] = "global " .. tostring(name) end
  end
  if #found > 0 then return table.concat(found, "; ") end
end

return function()
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()
  local counts = { passed = 0, failed = 0, skipped = 0 }
  local skipped, before, running, began = {}, nil, nil, nil
  local spent, current = {}, nil -- spent: seconds by file, in order
  local again, isagain = {}, {} -- the files in which something failed, in order

  local function fail(name, text)
    counts.failed = counts.failed + 1
    if current and not isagain[current.name] then
      again[#again + 1] = current.name
      isagain[current.name] = true
    end
    text = tostring(text)
    if #text > 4000 then text = text:sub(1, 4000) .. "..." end
    io.write("FAILED ", name, "\n  ", (text:gsub("\n", "\n  ")), "\n")
    io.flush()
  end

  local function message(element, text, trace)
    local at = element.trace
    local place = at and (at.short_src .. ":" .. at.currentline .. ": ") or ""
    if type(text) ~= "string" then text = tostring(text) end
    return place .. text .. (trace and trace.traceback and os.getenv "VERBOSE" and trace.traceback or "")
  end

  net.spawn(function()
    while true do
      net.sleep(1)
      if running and net.now() - began > LIMIT then
        io.stderr:write("timed out after ", LIMIT, " s: ", running, "\n")
        os.exit(1)
      end
    end
  end)

  busted.subscribe({ "file", "start" }, function(element)
    current = { name = element.name, began = net.now() }
    spent[#spent + 1] = current
    return nil, true
  end)

  busted.subscribe({ "file", "end" }, function()
    current.seconds = net.now() - current.began
    return nil, true
  end)

  busted.subscribe({ "test", "start" }, function(element)
    running, began = handler.getFullName(element), net.now()
    before = { open = countopen(), tasks = tasks(), globals = globals() }
    if os.getenv "VERBOSE" then io.write(running, "\n") io.flush() end
    return nil, true
  end)

  busted.subscribe({ "test", "end" }, function(element, _, status)
    local name = handler.getFullName(element)
    running = nil
    if status == "pending" then
      counts.skipped = counts.skipped + 1
      skipped[#skipped + 1] = name
      return nil, true
    end
    local leak = leaks(before)
    if status == "success" and not leak then counts.passed = counts.passed + 1 end
    if leak then fail(name, "leaves behind: " .. leak) end
    return nil, true
  end)

  for _, event in ipairs { "failure", "error" } do
    busted.subscribe({ event }, function(element, _, text, trace)
      fail(handler.getFullName(element), message(element, text, trace))
      return nil, true
    end)
  end

  busted.subscribe({ "exit" }, function()
    for _, name in ipairs(skipped) do io.write("skipped: ", name, "\n") end
    if #spent > SLOWEST then
      table.sort(spent, function(a, b) return a.seconds > b.seconds end)
      local slowest = {}
      for i = 1, SLOWEST do
        slowest[i] = ("%s %.0f s"):format(spent[i].name:match "[^/]+$", spent[i].seconds)
      end
      io.write("longest: ", table.concat(slowest, ", "), "\n")
    end
    if counts.passed + counts.failed == 0 then fail("the run", "no test was found") end
    if #again > 0 then io.write("failed in: ", table.concat(again, " "), "\n") end
    io.write(("%d passed, %d failed, %d skipped\n"):format(counts.passed, counts.failed, counts.skipped))
    io.flush()
    os.exit(counts.failed == 0, true)
  end)

  return handler
end
