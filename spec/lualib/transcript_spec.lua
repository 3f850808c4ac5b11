local chunk = require "net.chunk"
local transcript = require "net.transcript"

local function read(source)
  return transcript.read(source, (chunk.scope()))
end

local function parts(source)
  local found, message = read(source)
  return assert(found, message).parts
end

describe("what is pasted", function()
  it("is one entry where it is one chunk, or one expression", function()
    for _, source in ipairs { "x = 1\ny = x\nprint(x)", "1 +\n1", "f()\ng()", "do\n  x = 1\nend\n\n-- done",
      ".bg function()\n  return 1\nend", ".time 1 +\n2" } do
      local entry = read(source)
      assert.is_truthy(entry, source)
      assert.is_true(entry == true or entry.parts == nil, source)
    end
  end)

  it("is several where it is not, each of which ends with the first line that makes it whole", function()
    assert.same({ "x = 1", "x + 1", "for i = 1, 2 do\n  print(i)\nend", "x * 2" },
      parts "x = 1\nx + 1\nfor i = 1, 2 do\n  print(i)\nend\nx * 2")
    assert.same({ "f()", "g()", "1" }, parts "f()\ng()\n1")
    assert.same({ "return 1", "x = 2" }, parts "return 1\nx = 2")
    assert.same({ "{\n  1,\n}", "local s = [[\nend\n]]", "s" }, parts "{\n  1,\n}\nlocal s = [[\nend\n]]\ns")
    assert.same({ "x = 1 +\n2", "x" }, parts "x = 1 +\n2\nx")
    assert.same({ "if a then\n  b()\nelse\n  c()\nend", "1" }, parts "if a then\n  b()\nelse\n  c()\nend\n1")
    assert.same({ "repeat\n  a()\nuntil b", "1" }, parts "repeat\n  a()\nuntil b\n1")
  end)

  it("keeps comments, and leaves out what is blank between entries", function()
    assert.same({ "-- first\n1 -- one", "2\n-- and\n\n-- so on", "3 --[[\n]]" },
      parts "\n\n-- first\n1 -- one\n\n  \n2\n-- and\n\n-- so on\n\n3 --[[\n]]\n")
    assert.same({ "1 --[[ of\ntwo ]]", "2" }, parts "1 --[[ of\ntwo ]]\n2")
  end)

  it("may have commands, which end with their line unless they take Lua", function()
    assert.same({ "x = 1", ".tasks", "?net.pair (", ".load f(.lua", "x" },
      parts "x = 1\n.tasks\n?net.pair (\n.load f(.lua\nx")
    assert.same({ ".help", "1" }, parts ".help\n1")
    assert.same({ ".bg function()\n  return 1\nend", ".json {\n1 }", "2" },
      parts ".bg function()\n  return 1\nend\n.json {\n1 }\n2")
  end)

  it("is nothing as a whole where a part is no Lua; the message has the line of it", function()
    local entry, message, more = read "x = 1\n\nx + 1\ny = = 2\nz = 3"

    assert.is_nil(entry)
    assert.equal("stdin:4: unexpected symbol near '=', and nothing of it has run", message)
    assert.is_false(more)
  end)

  it("that begins with what is no Lua has the message of the whole", function()
    for _, source in ipairs { "x = = 1\ny = 2", "function f()\nx = = 1", "end\n1" } do
      local entry, message, more = read(source)
      assert.is_nil(entry)
      assert.is_nil(message:find("nothing of it", 1, true))
      assert.is_false(more)
    end
  end)

  it("may lack its end, also that of its last entry", function()
    for _, source in ipairs { "x = 1\nfunction f()", "x = 1\nx + 1\nfunction f()\n  return 1" } do
      local entry, _, more = read(source)
      assert.is_nil(entry)
      assert.is_true(more)
    end
  end)

  -- To compile up to each line of a block would take a million lines of it.
  it("is taken apart without a look at each line of a block", function()
    local loads = 0
    debug.sethook(function()
      if debug.getinfo(2, "f").func == load then loads = loads + 1 end
    end, "c")
    local found = parts("1\nfunction f()\n" .. ("  x = 1\n"):rep(2000) .. "end\n2")
    debug.sethook()

    assert.equal(3, #found)
    assert.is_true(loads < 20, loads)
    assert.equal(3, #parts("1\n1" .. (" +\n1"):rep(90) .. "\n2"))
    assert.is_nil(read("1\n1" .. (" +\n1"):rep(9000) .. "\n2"))
  end)
end)
