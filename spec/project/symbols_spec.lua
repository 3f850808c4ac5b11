-- What the compiled objects define and use. The objects lie in the folder of the build.

local tree = require "tree"

local build = os.getenv "BUILD" or "build"

local function object(source)
  return build .. "/" .. source:gsub("%.c$", ".o")
end

local function lines(command)
  local pipe <close> = assert(io.popen(command))
  local found = {}
  for line in pipe:lines() do found[#found + 1] = line end
  assert(pipe:close(), command)
  return found
end

-- A sanitizer brings symbols of its own.
local function foreign(name)
  return name:find "^__[au]b?san" or name:find "^__odr_asan" or name:find "^%." or name:find "^_GLOBAL__"
end

-- Source = what it exports instead of a luaopen_: what bindings share belongs into runtime/, but not what is
-- made of OpenSSL, which the runtime must not know.
local shared = {
  ["bindings/openssl.c"] = { "nl_beginopenssl", "nl_dropbio", "nl_dropbytes", "nl_dropcrl", "nl_dropkey",
    "nl_dropobject", "nl_dropstore", "nl_dropx509", "nl_isdelta", "nl_malformed", "nl_need", "nl_newbio",
    "nl_pushbio", "nl_pushdigest", "nl_pushhex", "nl_pushspki", "nl_sslreason", "nl_tox509" },
}

local bindings = tree.files("bindings", ".c")
local everything = tree.all({ "runtime", ".c" }, { "bindings", ".c" })
local missing = {}
for _, source in ipairs(everything) do
  if not tree.exists(object(source)) then missing[#missing + 1] = object(source) end
end

describe("the compiled objects", function()
  it("are there: set BUILD to the folder of the build", function()
    assert.is_true(#bindings > 0)
    assert.same({}, missing)
  end)
  if #missing > 0 then return end

  for _, source in ipairs(bindings) do
    local expected = shared[source] or { "luaopen_net_" .. source:match "([%w_]+)%.c$" }

    it("of " .. source .. " export " .. table.concat(expected, ", ") .. " and nothing else", function()
      local exported = {}

      for _, line in ipairs(lines("nm --extern-only --defined-only " .. object(source))) do
        local symbol = line:match "%S+$"
        if not foreign(symbol) then exported[#exported + 1] = symbol end
      end

      table.sort(exported)
      assert.same(expected, exported)
    end)

    it("of " .. source .. " keep no data that can change", function()
      local writable = {}

      for _, line in ipairs(lines("objdump --syms " .. object(source))) do
        local kind, section, symbol = line:match "^%x+ (.......) (%S+)%s+%x+ (%S+)$"
        local changes = section == "*COM*" or section and section:find "^%.t?%l+%f[.\0]"
          and (section:find "^%.t?data" or section:find "^%.t?bss") and not section:find "^%.data%.rel%.ro"
        if changes and (kind:find "O" or section == "*COM*") and not foreign(symbol) then
          writable[#writable + 1] = symbol .. " in " .. section
        end
      end

      assert.same({}, writable)
    end)
  end

  it("export something else only where such a source is", function()
    for source in pairs(shared) do assert.is_true(tree.exists(source), source) end
  end)

  it("use neither select(2) nor its descriptor sets", function()
    local wrong = {}

    for _, source in ipairs(everything) do
      for _, line in ipairs(lines("nm --undefined-only " .. object(source))) do
        local symbol = line:match "(%S+)$":gsub("@.*", "")
        if symbol == "select" or symbol == "pselect" or symbol:find "^__fdelt_" then
          wrong[#wrong + 1] = source .. ": " .. symbol
        end
      end
    end

    assert.same({}, wrong)
  end)
end)
