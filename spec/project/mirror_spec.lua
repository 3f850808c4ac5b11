-- Each source has its spec at the mirrored path: runtime/task.c -> spec/runtime/task_spec.lua,
-- lualib/net/dial.lua -> spec/lualib/dial_spec.lua.

local tree = require "tree"

-- source = why it has none
local exceptions = {
  ["runtime/embed.lua"] = "runs at build time; the program that results is what every spec runs in",
}

-- spec = what it is about, where that is no single source
local across = {
  ["spec/bindings/receive_spec.lua"] = "receiving with a timeout, from streams and datagram sockets alike",
  ["spec/bindings/tlsmemory_spec.lua"] = "whom TLS trusts while allocations of OpenSSL fail",
  ["spec/runtime/repl_complete_spec.lua"] = "TAB at the prompt, on a terminal",
  ["spec/runtime/repl_fuzz_spec.lua"] = "the prompt under random keys",
  ["spec/runtime/repl_history_spec.lua"] = "what the prompt remembers, and pasting",
  ["spec/runtime/repl_interrupt_spec.lua"] = "^C at the prompt",
  ["spec/runtime/repl_output_spec.lua"] = "output while a line is edited",
  ["spec/runtime/repl_terminal_spec.lua"] = "how the prompt leaves the terminal",
  ["spec/runtime/oom_spec.lua"] = "every constructor, with each of its allocations failing in turn",
}

local folders = {
  { "runtime", ".c", "spec/runtime/" },
  { "runtime", ".lua", "spec/runtime/" },
  { "bindings", ".c", "spec/bindings/" },
  { "lualib", ".lua", "spec/lualib/" },
  { "lualib/net", ".lua", "spec/lualib/" },
  { "scripts", ".lua", "spec/scripts/" },
}

-- source -> its spec
local function pairsof()
  local found = {}
  for _, folder in ipairs(folders) do
    for _, source in ipairs(tree.files(folder[1], folder[2])) do
      found[source] = folder[3] .. source:match "([^/]+)%.%w+$" .. "_spec.lua"
    end
  end
  return found
end

local function sorted(list)
  table.sort(list)
  return list
end

describe("the tree of specs", function()
  it("mirrors the sources", function()
    local wrong = {}

    for source, spec in pairs(pairsof()) do
      if not tree.exists(spec) and not exceptions[source] then
        wrong[#wrong + 1] = source .. " has no " .. spec
      end
    end

    assert.same({}, sorted(wrong))
  end)

  it("lists no exception that is none", function()
    local known, wrong = pairsof(), {}

    for source in pairs(exceptions) do
      if not known[source] or tree.exists(known[source]) then wrong[#wrong + 1] = source end
    end

    assert.same({}, sorted(wrong))
  end)

  it("has no spec whose source is gone", function()
    local expected, wrong = {}, {}
    for _, spec in pairs(pairsof()) do expected[spec] = true end

    for _, folder in ipairs { "runtime", "bindings", "lualib", "scripts" } do
      for _, spec in ipairs(tree.files("spec/" .. folder, "_spec.lua", true)) do
        if not expected[spec] and not across[spec] then wrong[#wrong + 1] = spec end
      end
    end

    assert.same({}, sorted(wrong))
  end)
end)
