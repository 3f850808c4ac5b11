local lfs = require "lfs"
local netlua = require "netlua"
local server = require "server"

local nginx = server.find "nginx"

local function entries(path)
  local names = {}
  for name in lfs.dir(path) do
    if name ~= "." and name ~= ".." then names[#names + 1] = name end
  end
  return names
end

local function read(name)
  local file <close> = io.open(name, "rb")
  return file and file:read "a" or ""
end

-- Whether a process has the path on its command line or a file below it open.
local function uses(pid, path)
  if read("/proc/" .. pid .. "/cmdline"):find(path, 1, true) then return true end
  local directory = "/proc/" .. pid .. "/fd"
  local readable, iterate, state = pcall(lfs.dir, directory)
  if not readable then return false end
  for name in iterate, state do
    local target = lfs.symlinkattributes(directory .. "/" .. name, "target")
    if target and target:find(path, 1, true) then return true end
  end
  return false
end

local function processes(path)
  local found = {}
  for pid in lfs.dir "/proc" do
    if tonumber(pid) and uses(pid, path) then found[#found + 1] = pid end
  end
  return found
end

-- What a tour that was killed leaves goes away a moment later: its shell notices.
local function settled(path)
  local deadline = net.now() + 3
  while net.now() < deadline and (#entries(path) > 0 or #processes(path) > 0) do net.sleep(0.02) end
  return entries(path), processes(path)
end

-- Runs the tour after some shell words (settings, a limit) with its temporary files in `dir`, so that a test
-- can see what is left.
local function tour(dir, before, after)
  local began = net.now()
  local out, err, status = netlua.shell(("%s TMPDIR='%s' exec %%s tour %s"):format(before or "", dir.path,
    after or ""), 20)
  return { out = out, err = err, status = status, seconds = net.now() - began }
end

-- A program named nginx in front of the real one.
local function impostor(dir, script)
  local bin = dir.path .. "/bin"
  assert(lfs.mkdir(bin))
  local file <close> = assert(io.open(bin .. "/nginx", "w"))
  assert(file:write("#!/bin/sh\n", script))
  assert(os.execute("chmod +x " .. bin .. "/nginx"))
  return ("PATH='%s':$PATH"):format(bin)
end

-- Without the line breaks of the layout.
local function flat(text)
  return (text:gsub("%s+", " "))
end

describe("netlua tour", function()
  local withnginx = server.needing(nginx, "the package nginx-light", it, pending)
  local withscript = server.needing(server.find "script", "the package bsdutils", it, pending)
  local shown

  -- One run serves the tests that read its text.
  local function whole()
    if not shown then
      local dir <close> = server.folder()
      shown = tour(dir)
      shown.flat = flat(shown.out)
      shown.files, shown.processes = settled(dir.path)
    end
    return shown
  end

  local outcomes = {
    ["has every line of a thousand clients echoed"] =
      "ok 1,000 clients, 3,000 lines sent, 3,000 came back right, in %d+%.%d+ s; [%d,]+ descriptors",
    ["measures a deadline of a quarter of a second"] =
      "ok asked for 0%.25 s, it fired after %d%.%d+ s: read: timed out %(TIMEOUT%)",
    ["reads the answer after a half%-close"] =
      'ok sent 100,000 bytes and the end, then read the answer: "got 100000 bytes, the end included"',
    ["counts the tasks that a scope took with it"] = "ok 201 tasks waited, 201 are gone, %d+%.%d ms",
    ["names the refused connection"] = "ok connect [^ ]+: connection refused %(ECONNREFUSED%)",
    ["lists the attempts behind a name"] =
      "err%.attempts%[1%]: connect [^ ]+: connection refused %(ECONNREFUSED%) after %d+%.%d+ ms",
    ["explains the failure"] = "err:explain%(%): The host answers, but nothing listens",
  }

  for claim, pattern in pairs(outcomes) do
    it(claim:gsub("%%", ""), function()
      assert.matches(pattern, whole().flat)
    end)
  end

  it("shows the code of each step", function()
    local out = whole().out

    for number = 1, 6 do assert.matches("\n" .. number .. "%. %u", out) end
    for _, call in ipairs { "net.map(", "net.timeout(0.25", 's:shutdown "w"', "net.scope()", '"GET /' } do
      assert.is_truthy(out:find("\n     [^\n]*" .. call:gsub("%p", "%%%0")), call)
    end
  end)

  withnginx("fetches a page from nginx", function()
    assert.matches("ok HTTP/1%.1 200 OK Server: nginx", whole().flat)
    assert.matches("Content%-Length: 15538 ", whole().flat)
    assert.matches("body: 15,538 bytes, the same as in the file", whole().flat)
  end)

  withnginx("ends with status 0 and within ten seconds when every step did what it says", function()
    assert.matches("\n7 of 7 steps did what they say", whole().out)
    assert.equal("", whole().err)
    assert.equal(0, whole().status)
    assert.is_true(whole().seconds < 10)
  end)

  it("leaves no file and no process", function()
    assert.same({}, whole().files)
    assert.same({}, whole().processes)
  end)

  it("is plain text where the output is no terminal, and fits 82 columns", function()
    assert.is_nil(whole().out:find "[^\n\32-\126]")
    for line in whole().out:gmatch "[^\n]+" do assert.is_true(#line <= 82, line) end
  end)

  withscript("has colors on a terminal, unless NO_COLOR is set", function()
    local dir <close> = server.folder()
    local command = "TMPDIR='%s' TERM=xterm %s script -qec '%%s tour' /dev/null"

    local colored = netlua.shell(command:format(dir.path, ""), 20)
    local plain = netlua.shell(command:format(dir.path, "NO_COLOR=1"), 20)

    assert.matches("\27%[32m", colored)
    assert.matches("steps did what they say", plain)
    assert.is_nil(plain:find "\27")
  end)

  it("connects fewer clients at a time where descriptors are few, and says so", function()
    local dir <close> = server.folder()

    local run = tour(dir, "ulimit -n 64;")

    assert.matches("ok 1,000 clients, 3,000 lines sent, 3,000 came back right", flat(run.out))
    assert.matches("2%d connected at a time: this shell allows 64 open files; `ulimit %-n 2096`",
      flat(run.out))
    assert.equal(nginx and 0 or 1, run.status, run.out)
  end)

  it("fails with the package's name where nginx is missing", function()
    local out, _, status = netlua.run [[
      local tool, popen = dofile "scripts/tour.lua", io.popen
      io.popen = function(command, mode)
        return popen(command:find "command %-v" and "false" or command, mode)
      end
      os.exit(tool.run {}, true)
    ]]

    assert.matches("FAILED nginx is not installed[^\n]*apt%-get install nginx%-light", flat(out))
    assert.matches("\n6 of 7 steps did what they say", out)
    assert.equal(1, status)
  end)

  it("fails with nginx's own words where nginx does not start", function()
    local dir <close> = server.folder()
    local path = impostor(dir, "echo 'nginx: [emerg] no mood for it'; exit 1\n")

    local run = tour(dir, path)

    assert.matches("FAILED nginx does not start: %[emerg%] no mood for it", flat(run.out))
    assert.matches("\n6 of 7 steps did what they say", run.out)
    assert.equal(1, run.status)
    assert.same({ "bin" }, entries(dir.path))
  end)

  -- The impostor strikes while the tour waits for it: the tour is its parent's parent.
  for signal, status in pairs { INT = 130, KILL = 137 } do
    it("takes its server and files with it when it ends by SIG" .. signal, function()
      local dir <close> = server.folder()
      local path = impostor(dir, ([[
        tour=$(sed -n 's/^PPid:[^0-9]*//p' /proc/$PPID/status)
        grep -q netlua /proc/$tour/comm && kill -%s $tour
        exec sleep 30
      ]]):format(signal))

      local run = tour(dir, path)
      server.remove(dir.path .. "/bin")
      local files, left = settled(dir.path)

      assert.equal(status, run.status)
      assert.is_nil(run.out:find "steps did what they say")
      assert.same({}, files)
      assert.same({}, left)
    end)
  end

  it("refuses arguments", function()
    local dir <close> = server.folder()

    local run = tour(dir, "", "further")

    assert.equal("usage: netlua tour\n", run.err)
    assert.equal(2, run.status)
  end)
end)
