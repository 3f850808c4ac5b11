local authority = require "authority"
local compile = require "compile"
local netlua = require "netlua"
local server = require "server"
local stapling = require "stapling"

local WRAPPED = "-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=strdup,--wrap=strndup"
-- A part of the sites, and another one with sanitizers, where a run takes longer. SWEEP=full: all.
local SPARSE = os.getenv "SWEEP" == "full" and 1 or compile.sanitized and 7 or 3
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
      step = 7 },
  }
  for _, sweep in ipairs(sweeps) do
    it(sweep.claim, function()
      if not program then return pending "the objects of this build are not there" end

      local out, err, status = netlua.shell(("%s %s %s 1 %d"):format(program, sweep.mode,
        sweep.collecting and collecting or script, (sweep.step or 1) * SPARSE), 55)

      local sites, fine, failures = out:match "sites (%d+), ok (%d+), failures (%d+)"
      assert.equal("", err)
      assert.equal(0, status)
      assert.is_true(tonumber(sites) * SPARSE > 200)
      assert.equal(sites, fine)
      assert.equal("0", failures)
    end)
  end

  for _, mode in ipairs { "pair", "all" } do
    it("leaves nothing of a scan behind: " .. mode, function()
      if not program then return pending "the objects of this build are not there" end

      local out, err, status = netlua.shell(("%s %s spec/support/oom_scan.lua 1 %d"):format(program, mode,
        SPARSE), 55)

      assert.equal("", err)
      assert.equal(0, status)
      assert.matches("failures 0", out, 1, true)
    end)
  end

  -- Of OpenSSL every allocation by itself takes minutes, so a part of them.
  for _, case in ipairs { { "crypto", 1, 47 }, { "crypto", -1, 59 }, { "lua", 2, 3 }, { "lua", -1, 3 } } do
    local which, span, step = table.unpack(case)
    it(("lets no certificate pass that is not to be trusted: %s, %d"):format(which, span), function()
      local module = compile.module("spec/support/starve.c", "-lcrypto -Wl,-z,nodelete")

      local command = ("%%s spec/support/starving.lua %s %s %d %d"):format(module, which, span,
        step * SPARSE)
      local out, err, status = netlua.shell(command, 55)

      os.remove(module)
      assert.equal("", err)
      assert.equal(0, status)
      assert.is_true(tonumber(out:match "runs (%d+)") * SPARSE > 100)
    end)
  end

  -- Ten thousand sites, of which every few are tried: most are those of the start. OpenSSL's own allocations
  -- are not among them, see spec/bindings/tlsmemory_spec.lua.
  for _, mode in ipairs { "single", "pair", "all" } do
    it("leaves nothing of TLS behind, nor lets a wrong certificate pass: " .. mode, function()
      if not program then return pending "the objects of this build are not there" end
      local folder <close> = server.folder()
      local a, wrong = authority.new(), nil
      for _, row in ipairs(authority.matrix()) do wrong = row.name == "wrong host" and row.chain or wrong end
      local files = { ca = a.capem, chain = a.chain, key = a.key, wrong = wrong,
        staple = stapling.unsigned(a.leaf) }
      for name, text in pairs(files) do
        local file <close> = assert(io.open(folder.path .. "/" .. name, "w"))
        file:write(text)
      end

      local command = ("TLS_FOLDER=%s %s %s spec/support/oom_tls.lua 1 %d"):format(folder.path,
        program, mode, 61 * SPARSE)
      local out, err, status = netlua.shell(command, 55)

      assert.equal("", err)
      assert.equal(0, status)
      assert.matches("failures 0", out, 1, true)
      assert.is_true(tonumber(out:match "sites (%d+)") * SPARSE > 100)
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
