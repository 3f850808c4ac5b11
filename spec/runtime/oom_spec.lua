local compile = require "compile"
local netlua = require "netlua"

local WRAPPED = "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free"
local COLLECTING = 'collectgarbage("incremental", 1, 1000, 1)\n'

local function read(name)
  local file <close> = assert(io.open(name))
  return file:read "a"
end

local function scriptfile(text)
  local name = os.tmpname()
  local file <close> = assert(io.open(name, "w"))
  file:write(text)
  return name
end

describe("running out of memory", function()
  local program, script, collecting

  setup(function()
    program = compile.program("spec/support/oom.c", WRAPPED)
    script = scriptfile(read "spec/support/oom.lua")
    collecting = scriptfile(COLLECTING .. read "spec/support/oom.lua")
  end)

  teardown(function()
    for _, name in ipairs { program or script, script, collecting } do os.remove(name) end
  end)

  -- One failure alone never shows: Lua collects and tries again. With collections all the time, the script
  -- is slow, and Lua itself loses a finalizer when even its call finds no memory.
  local sweeps = {
    { claim = "goes unnoticed when a collection helps", mode = "single" },
    { claim = "leaves nothing behind, wherever it strikes", mode = "pair" },
    { claim = "leaves nothing behind when it lasts to the end", mode = "all" },
    { claim = "goes unnoticed while finalizers run all the time", mode = "single", collecting = true,
      step = 3 },
  }
  for _, sweep in ipairs(sweeps) do
    it(sweep.claim, function()
      if not program then return pending "the objects of this build are not there" end

      local out, err, status = netlua.shell(("%s %s %s 1 %d"):format(program, sweep.mode,
        sweep.collecting and collecting or script, sweep.step or 1), 55)

      local sites, fine, failures = out:match "sites (%d+), ok (%d+), failures (%d+)"
      assert.equal("", err)
      assert.equal(0, status)
      assert.is_true(tonumber(sites) > 500)
      assert.equal(sites, fine)
      assert.equal("0", failures)
    end)
  end

  for _, mode in ipairs { "pair", "all" } do
    it("leaves nothing of a scan behind: " .. mode, function()
      if not program then return pending "the objects of this build are not there" end

      local out, err, status = netlua.shell(("%s %s spec/support/oom_scan.lua 1 1"):format(program, mode), 55)

      assert.equal("", err)
      assert.equal(0, status)
      assert.matches("failures 0", out, 1, true)
    end)
  end

  -- Of OpenSSL every allocation by itself takes minutes, so a part of them.
  for _, case in ipairs { { "crypto", 1, 23 }, { "crypto", -1, 29 }, { "lua", 2, 1 }, { "lua", -1, 3 } } do
    local which, span, step = table.unpack(case)
    it(("lets no certificate pass that is not to be trusted: %s, %d"):format(which, span), function()
      local module = compile.module("spec/support/starve.c", "-lcrypto -Wl,-z,nodelete")

      local out, err, status = netlua.shell(("%%s spec/support/starving.lua %s %s %d %d"):format(module,
        which,
        span, step), 55)

      os.remove(module)
      assert.equal("", err)
      assert.equal(0, status)
      assert.is_true(tonumber(out:match "runs (%d+)") > 300)
    end)
  end

  it("is not taken for a mistake in the script", function()
    if not program then return pending "the objects of this build are not there" end
    local wrong = scriptfile "net.sleep(0) error 'on purpose'"

    local _, err, status = netlua.shell(("%s single %s 100000"):format(program, wrong))
    os.remove(wrong)

    assert.equal(1, status)
    assert.matches("on purpose", err, 1, true)
    assert.matches("failures of the script itself", err, 1, true)
  end)
end)
