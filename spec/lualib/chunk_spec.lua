local chunk = require "net.chunk"

-- The results of an entry; raises its error.
local function run(entry)
  local results
  chunk.run(entry, function(_, ...) results = table.pack(...) end)
  if not results[1] then error(results[2], 0) end
  return table.unpack(results, 2, results.n)
end

-- A prompt: runs entries one after another, gives the results of the last.
local function prompt()
  local scope, declare = chunk.scope()
  local function enter(source)
    local entry, message, more = chunk.compile(source, "=entry", scope)
    if not entry then return nil, message, more end
    declare(entry.names)
    return run(entry)
  end
  return enter, scope
end

describe("an entry of the prompt", function()
  it("is an expression, or else statements", function()
    local enter = prompt()

    assert.equal(2, enter "1 + 1")
    assert.equal(3, enter "return 3")
    assert.is_nil(enter "do end")
    assert.same({ 1, 2 }, { enter "1, 2" })
  end)

  it("tells whether more lines may complete it", function()
    local enter = prompt()

    for _, source in ipairs { "for i = 1, 2 do", "x = {", "f(", "s = [[open", "if a then b()",
      "local function f()", "{", "{ 1,", "1 +", "'a' ..", "not" } do
      local _, message, more = enter(source)
      assert.is_true(more, source)
      assert.is_string(message)
    end
    for _, source in ipairs { "x = = 1", "end", "1 1", "{ 1 1", "1 + = 2" } do
      local _, _, more = enter(source)
      assert.is_false(more)
    end
  end)

  -- It was told to be a binary chunk.
  it("that begins with an escape byte is told to be no Lua", function()
    local _, message, more = chunk.compile("\27[31m", "=entry", (chunk.scope()))

    assert.equal("entry:1: unexpected symbol near '<\\27>'", message)
    assert.is_false(more)
  end)

  it("keeps its top-level locals for the next ones", function()
    local enter = prompt()
    enter "local a, b = 1, 2"
    enter "local function f(x) if x == 0 then return a end return f(x - 1) end"
    enter "local c"

    assert.equal(3, enter "a + b")
    assert.equal(1, enter "f(3)")
    assert.is_nil(enter "c")
    enter "c = 5"
    assert.equal(5, enter "c")
    assert.is_nil(rawget(_G, "c"))
    assert.is_nil(rawget(_G, "a"))
  end)

  -- The name meant nothing from the declaration on: `local print = print` left the prompt without print.
  it("sees behind a local what its name meant before, until it is assigned", function()
    local enter = prompt()
    enter "local print = print"
    enter "local string, nosuch = string, nosuch"
    enter "local n = 1"
    enter "local n = n + 1"
    pcall(enter, "local tostring = error()")

    assert.equal(print, enter "print")
    assert.equal(string, enter "string")
    assert.is_nil(enter "nosuch")
    assert.equal(2, enter "n")
    assert.equal(tostring, enter "tostring")
    enter "print = nil"
    assert.is_nil(enter "print")
    enter "local type"
    assert.is_nil(enter "type")
    assert.equal("function", type(print))
  end)

  -- A string that goes on behind \z or the end of a line was taken to end there.
  it("knows where a string of several lines ends", function()
    local enter = prompt()
    enter 'local s = "a\\z\n  end"; local a = 1'
    enter "local s = 'a\\\nend'; local b = 2"
    enter "local s = 'a\\\r\nend'; local c = 3"

    assert.equal(6, enter "a + b + c")
  end)

  it("does so for all of an entry, and for none inside blocks, strings and comments", function()
    local enter = prompt()
    enter [==[
      local s = "local x = 1" -- local y = 2
      do local inner = 1 end
      local t = { f = function() local deep = 1 return deep end }
      for i = 1, 1 do local loop = i end
      if true then local branch = 1 else local other = 1 end
      repeat local again = 1 until again
      local u <const> = 7; local v = u + 1
      --[[ local w = 1 ]] local z = [[ local q = 1 ]]
    ]==]

    assert.equal("local x = 1", enter "s")
    assert.equal(8, enter "v")
    assert.equal(" local q = 1 ", enter "z")
    assert.equal(1, enter "t.f()")
    for _, name in ipairs { "x", "y", "inner", "deep", "loop", "branch", "other", "again", "w", "q", "u" } do
      assert.is_nil(enter(name), name)
    end
  end)

  it("leaves what has an attribute to its own entry, and says so", function()
    local scope = chunk.scope()
    local entry = assert(chunk.compile("local s <close> = nil", "=x", scope))

    assert.same({ "s" }, entry.kept)
    assert.same({}, entry.names)

    -- The others of such a declaration, which stay with it, were said to have an attribute, too.
    local mixed = assert(chunk.compile("local s <close>, err = nil, 1; local x", "=x", scope))
    assert.same({ { "s" }, { "err" }, { "x" } }, { mixed.kept, mixed.beside, mixed.names })
    local twice = assert(chunk.compile("local a <const> = 1; local a = 2", "=x", scope))
    assert.same({ { "a" }, { "a" }, {} }, { twice.kept, twice.beside, twice.names })
  end)

  it("cannot break a module by a local of its own", function()
    local enter = prompt()
    enter "local string = 1"

    assert.equal(1, enter "string")
    assert.equal("table", type(_G.string))
    assert.equal("x", ("X"):lower())
  end)

  it("assigns globals where globals are", function()
    local enter = prompt()
    enter "chunk_spec_global = 4"

    assert.equal(4, _G.chunk_spec_global)
    _G.chunk_spec_global = nil
    assert.is_nil(enter "chunk_spec_global")
  end)

  it("gives the globals that it assigned what they were before, when asked to forget", function()
    local scope, declare, forget = chunk.scope()
    declare { "last" }
    _G.chunk_spec_old, _G.chunk_spec_kept = 1, 1
    run(assert(chunk.compile([[
      chunk_spec_old, chunk_spec_new, last = 2, 2, 2
      chunk_spec_old, chunk_spec_new, _G.chunk_spec_kept = 3, 3, 3]], "=entry", scope)))
    assert.equal(3, _G.chunk_spec_new)

    forget()

    assert.same({ 1, 3, 2 }, { _G.chunk_spec_old, _G.chunk_spec_kept, scope.last })
    assert.is_nil(_G.chunk_spec_new)
    _G.chunk_spec_old, _G.chunk_spec_kept = nil, nil
  end)

  it("keeps the numbers of its lines", function()
    local enter = prompt()

    local _, message = pcall(enter, "local a = 1\nlocal b\n\nerror 'here'")

    assert.matches("^entry:4: here", message)
  end)

  it("is mute with a semicolon at its end", function()
    for source, mute in pairs { ["1;"] = true, ["x = 1; "] = true, ["f() ; -- comment"] = true,
      ["1 -- ;"] = false, ["';'"] = false } do
      assert.equal(mute, chunk.compile(source, "=x", {}).muted, source)
    end
  end)

  it("is compiled as text only", function()
    assert.is_nil((chunk.compile(string.dump(function() end), "=x", {})))
  end)

  it("of any bytes ends in an answer", function()
    math.randomseed(7)
    local words = { "local", "function", "end", "do", "(", ")", "{", "}", "[[", "]]", "--", "--[[", "'", '"',
      "x", "=", "<close>", ",", ";", "\n", " ", "\\", "\0", "\255", "1", "...", "then", "if", "goto", "::" }
    for _ = 1, 3000 do
      local parts = {}
      for index = 1, math.random(1, 12) do parts[index] = words[math.random(#words)] end
      local entry, message = chunk.compile(table.concat(parts, " "), "=x", {})
      assert.is_true(entry ~= nil or type(message) == "string")
    end
  end)
end)
