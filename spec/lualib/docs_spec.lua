package.path = "./docs/reference/?.lua;" .. package.path

local annotations = require "annotations"
local docs = require "net.docs"
local netlua = require "netlua"

describe("the data for help and completion", function()
  it("has every class, function and field of the annotations", function()
    local all, missing = annotations.read(annotations.files()).classes, {}

    for name, class in pairs(all) do
      for _, f in ipairs(class.functions) do
        local item = docs.member(name, f.name)
        if not item or (item.text or "") ~= f.text then missing[#missing + 1] = name .. "." .. f.name end
      end
      for _, field in ipairs(class.fields) do
        if not docs.member(name, field.name) then missing[#missing + 1] = name .. "." .. field.name end
      end
    end

    assert.same({}, missing)
  end)

  it("is not loaded before somebody asks", function()
    local out = netlua.run [[
      print(package.loaded["net.core.docs"])
      print(require("net.docs").member("net", "pair").name)
    ]]

    assert.equal("nil\npair\n", out)
  end)

  it("is there with a checkout for the library too", function()
    local out, err = netlua.shell [[NETLUA_PATH=. %s -e 'print(#require("net.docs").entries() > 500)']]

    assert.equal("", err)
    assert.equal("true\n", out)
  end)

  it("knows the class of a value without running its code", function()
    local trap = setmetatable({}, { __index = error, __eq = error, __name = "net.stream" })

    assert.equal("net", docs.classof(net))
    assert.equal("net.x509", docs.classof(net.x509))
    assert.equal("net.task", docs.classof(net.current()))
    assert.equal("net.ip.address", docs.classof(net.ip "::1"))
    assert.equal("net.stream", docs.classof(trap))
    assert.is_nil(docs.classof(setmetatable({}, { __name = {} })))
    assert.is_nil(docs.classof "net")
  end)

  it("finds inherited members", function()
    local f, kind, class = docs.member("net.stream", "setsockopt")

    assert.equal("setsockopt", f.name)
    assert.equal("function", kind)
    assert.equal("net.handle", class.name)
  end)

  it("names everything once, constants of socket options and tools included", function()
    local seen = {}

    for _, entry in ipairs(docs.entries()) do
      assert.is_nil(seen[entry.kind .. entry.path], entry.path)
      seen[entry.kind .. entry.path] = true
      seen[entry.kind .. " " .. entry.title] = true
    end

    for _, key in ipairs { "function net.connect", "function stream:read", "class net.stream",
      "tool netlua ping", "constant net.AF_INET", "constant net.SO_REUSEADDR",
      "constant net.MSG_PEEK", "error ECONNREFUSED",
      "field net.connect.options.timeout" } do
      assert.is_true(seen[key], key)
    end
  end)

  it("reads the fields and the words of a type", function()
    local function names(kind)
      local list = {}
      for index, field in ipairs(docs.fields(kind)) do list[index] = field.name end
      return list
    end

    assert.same({ "limit", "name" }, names "{limit: integer?, name: string}")
    assert.same({ "usage", "selector", "matching", "data" }, names "net.tls.tlsa[]")
    assert.same({}, names "boolean|net.tls.context")
    assert.same({ "r", "w" }, docs.words '"r"|"w"|integer')
  end)

  it("shows how a function is called", function()
    local f, _, class = docs.member("net", "pair")

    assert.equal("net.pair([type]) -> a, b", docs.signature(class, f))
  end)
end)
