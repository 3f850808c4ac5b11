-- Who may know whom: scripts -> lualib -> bindings -> runtime -> Lua and the system.

local tree = require "tree"

local sources = tree.all({ "runtime", ".c" }, { "runtime", ".h" }, { "bindings", ".c" }, { "bindings", ".h" })

-- Calls f(file, header, isquoted) for each include.
local function includes(files, f)
  for _, file in ipairs(files) do
    for opening, header in ("\n" .. tree.read(file)):gmatch '\n#%s*include%s+([<"])([^>"]+)' do
      f(file, header, opening == '"')
    end
  end
end

local function requires(files, f)
  for _, file in ipairs(files) do
    local text = tree.read(file):gsub("%-%-[^\n]*", "")
    for name in text:gmatch "require%s*%(?%s*[\"']([^\"']+)[\"']" do f(file, name) end
  end
end

local function modulefile(name)
  return "lualib/" .. name:gsub("%.", "/") .. ".lua"
end

-- Libraries that only the files of their subject know: header -> its files.
local owners = {
  ["^ev%.h$"] = { "runtime/loop.c" },
  ["^openssl/"] = { "bindings/openssl.c", "bindings/tls.c", "bindings/tlscontext.c",
    "bindings/tlssession.c", "bindings/ocsp.c", "bindings/certificate.c",
    "bindings/x509.c", "bindings/trust.c", "bindings/certify.c", "bindings/dnssec.c", "bindings/dns.c" },
  ["^ldns/"] = { "bindings/dns.c", "bindings/dnssec.c" },
}

local function contains(list, value)
  for _, entry in ipairs(list) do
    if entry == value then return true end
  end
  return false
end

describe("the layers of the program", function()
  it("have sources to look at", function()
    local seen = 0

    includes(sources, function() seen = seen + 1 end)

    assert.is_true(#sources > 20)
    assert.is_true(seen > 50)
  end)

  it("keep bindings apart: of this project they include netlua.h alone", function()
    local wrong = {}

    includes(tree.files("bindings", ".c"), function(file, header, quoted)
      local own = tree.exists("runtime/" .. header) or tree.exists("bindings/" .. header)
      if (quoted or own) and header ~= "netlua.h" then wrong[#wrong + 1] = file .. ": " .. header end
    end)

    assert.same({}, wrong)
  end)

  it("have no headers between bindings", function()
    assert.same({}, tree.files("bindings", ".h"))
  end)

  it("leave the runtime without knowledge of bindings", function()
    local known = { ["netlua.h"] = true, ["core.h"] = true, ["embedded.h"] = true,
      ["lazy.h"] = true, ["readline.h"] = true }
    local wrong = {}

    includes(tree.all({ "runtime", ".c" }, { "runtime", ".h" }), function(file, header, quoted)
      if quoted and not known[header] then wrong[#wrong + 1] = file .. ": " .. header end
    end)

    assert.same({}, wrong)
  end)

  it("name libev, OpenSSL and ldns only in the files of their subject", function()
    local wrong = {}

    includes(sources, function(file, header)
      for pattern, files in pairs(owners) do
        if header:find(pattern) and not contains(files, file) then
          wrong[#wrong + 1] = file .. ": " .. header
        end
      end
    end)

    assert.same({}, wrong)
  end)

  it("let tools use the public net only", function()
    local wrong = {}

    requires(tree.files("scripts", ".lua"), function(file, name)
      if name:find "^net%." then wrong[#wrong + 1] = file .. ": " .. name end
    end)
    for _, file in ipairs(tree.files("scripts", ".lua")) do
      local code = tree.barelua(tree.read(file))
      for _, way in ipairs { "package", "debug" } do
        for _, place in ipairs(tree.uses(file, code, way)) do wrong[#wrong + 1] = place end
      end
    end

    assert.same({}, wrong)
  end)

  it("let the library require what exists: its own modules and those of the core", function()
    local core = {}
    for _, file in ipairs(tree.files("runtime", ".c")) do
      for name in tree.read(file):gmatch '"(net%.core%.[%w_]+)"' do core[name] = true end
    end
    local wrong = {}

    requires(tree.all({ "lualib", ".lua" }, { "lualib/net", ".lua", true }), function(file, name)
      local known = core[name] or tree.exists(modulefile(name))
      if name:find "^net%f[.\0]" and not known or name:find "^scripts" then
        wrong[#wrong + 1] = file .. ": " .. name
      end
    end)

    assert.same({}, wrong)
  end)

  it("have the public module depend on its parts and not the other way round", function()
    local wrong = {}

    requires(tree.files("lualib/net", ".lua", true), function(file, name)
      if name == "net" then wrong[#wrong + 1] = file end
    end)

    assert.same({}, wrong)
  end)
end)
