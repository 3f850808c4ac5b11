-- The parts of the style that a program can check.

local tree = require "tree"

local COLUMNS = 110
local EFFECT = "%[%-[%w?()+|]+, %+[%w?()+|]+, [-mv]%]"
local MEDIAN, LONGEST, FILE = 12, 60, 600

local csources = tree.all({ "runtime", ".c" }, { "runtime", ".h" }, { "bindings", ".c" })
local cfiles = tree.all({ "runtime", ".c" }, { "bindings", ".c" })
local luafiles = tree.all({ "runtime", ".lua" }, { "lualib", ".lua", true }, { "scripts", ".lua" })
local specs = tree.files("spec", ".lua", true)

local function join(...)
  local found = {}
  for _, list in ipairs { ... } do table.move(list, 1, #list, #found + 1, found) end
  return found
end

local everything = join(csources, luafiles, specs, { "Makefile" })

-- The lines of the files that `wrong(line, file)` is true of, as "file:line".
local function places(files, wrong)
  local found = {}
  for _, file in ipairs(files) do
    for number, line in tree.lines(tree.read(file)) do
      if wrong(line, file) then found[#found + 1] = file .. ":" .. number end
    end
  end
  return found
end

-- Where a file uses one of the words; `exempt` is a set of files that may.
local function usesof(files, bare, words, exempt)
  local found = {}
  for _, file in ipairs(files) do
    local code = not exempt[file] and bare(tree.read(file)) or ""
    for _, word in ipairs(words) do found = join(found, tree.uses(file, code, word)) end
  end
  return found
end

-- The functions of a C file: their names, places and the number of lines between the braces.
local function functions(file)
  local found, name, start = {}, nil, nil
  local code = tree.barec(tree.read(file))
  local header = ""
  for number, line in tree.lines(code) do
    if line:find "^[%a_]" then header = "" end
    header = header .. " " .. line
    if not start and line:find "{%s*$" and header:find "^ [%a_]" then
      name = not header:find "=" and header:match "([%w_]+) %(.*%)%s*{%s*$"
      start = name and number
    elseif start and line:find "^}" then
      found[#found + 1] = { name = name, lines = number - start - 1, place = file .. ":" .. start }
      start = nil
    elseif not start and line:find "^[%a_].*%) {.*}%s*$" and not line:find "=" then
      found[#found + 1] = { name = line:match "([%w_]+) %(", lines = 1, place = file .. ":" .. number }
    end
  end
  return found
end

local function allfunctions()
  local found = {}
  for _, file in ipairs(cfiles) do found = join(found, functions(file)) end
  table.sort(found, function(a, b) return a.lines > b.lines end)
  return found
end

-- The prototypes of a header, each with the comment behind it.
local function prototypes(file)
  local found = {}
  local text = tree.read(file):gsub("\n[%w_ ]*struct[^\n]*{.-\n}[^\n]*", "")
  for prototype, finish in text:gmatch "%f[^\n]([%a_][%w_ ]* %*?[%w_]+ %([^;{}]*%)[^;{}]*;)()" do
    found[#found + 1] = { text = prototype, comment = text:match("^[ \n]*(/%*.-%*/)", finish) or "" }
  end
  return found
end

describe("the sources", function()
  it("have no tabs, except a Makefile's, and no trailing blanks", function()
    assert.same({}, places(everything, function(line, file)
      return line:find "%s$" or (file ~= "Makefile" and line:find "\t")
    end))
  end)

  it("have no line over " .. COLUMNS .. " columns", function()
    assert.same({}, places(join(csources, luafiles, specs), function(line)
      return (utf8.len(line) or #line) > COLUMNS
    end))
  end)

  it("end with a newline", function()
    local wrong = {}

    for _, file in ipairs(everything) do
      if not tree.read(file):find "[^\n]\n$" then wrong[#wrong + 1] = file end
    end

    assert.same({}, wrong)
  end)

  it("have at most " .. FILE .. " lines in a file", function()
    local wrong = {}

    for _, file in ipairs(join(csources, luafiles)) do
      local _, count = tree.read(file):gsub("\n", "")
      if count > FILE then wrong[#wrong + 1] = ("%s: %d"):format(file, count) end
    end

    assert.same({}, wrong)
  end)
end)

describe("the C functions", function()
  local list = allfunctions()

  it("are found, all of them", function()
    local names = {}
    for _, f in ipairs(list) do names[f.name] = true end

    assert.is_true(#list > 300)
    for _, name in ipairs { "main", "nl_await", "luaopen_net_socket", "nl_now" } do
      assert.is_true(names[name], name)
    end
  end)

  it("have a median of at most " .. MEDIAN .. " lines", function()
    io.write "the ten longest functions:\n"
    for index = 1, 10 do
      local f = list[index]
      io.write(("  %3d %s %s\n"):format(f.lines, f.place, f.name))
    end

    local median = list[(#list + 1) // 2].lines
    io.write(("median of %d functions: %d lines\n"):format(#list, median))

    assert.is_true(median <= MEDIAN)
  end)

  it("have at most " .. LONGEST .. " lines each", function()
    local wrong = {}

    for _, f in ipairs(list) do
      if f.lines > LONGEST then wrong[#wrong + 1] = ("%s: %s has %d"):format(f.place, f.name, f.lines) end
    end

    assert.same({}, wrong)
  end)

  it("do without those that overflow, lie about errors or limit descriptors", function()
    local banned = { "sprintf", "vsprintf", "strcpy", "strcat", "atoi", "atol", "atof", "gets", "strtok",
      "gethostbyname", "gethostbyaddr", "inet_ntoa", "inet_addr", "select", "fd_set" }

    assert.same({}, usesof(csources, tree.barec, banned, {}))
  end)

  it("print and exit in the host only", function()
    local exempt = {
      ["runtime/main.c"] = "the host",
      ["runtime/editor.c"] = "it draws on the terminal",
      ["runtime/libedit.c"] = "it draws on the terminal",
      ["runtime/state.c"] = "a state that could not be made has nobody else to say why",
    }

    local words = { "printf", "vprintf", "puts", "putchar", "fprintf", "vfprintf", "fputs", "fputc", "perror",
      "exit", "abort" }

    assert.same({}, usesof(cfiles, tree.barec, words, exempt))
  end)

  for file, least in pairs { ["runtime/netlua.h"] = 40, ["runtime/core.h"] = 10 } do
    it("of " .. file .. " tell their effect on the Lua stack", function()
      local seen, wrong = 0, {}

      for _, p in ipairs(prototypes(file)) do
        if p.text:find "[(,] ?lua_State %*" then
          seen = seen + 1
          if not p.comment:find(EFFECT) then wrong[#wrong + 1] = p.text end
        end
      end

      assert.is_true(seen >= least, "only " .. seen .. " found")
      assert.same({}, wrong)
    end)
  end
end)

describe("the Lua library", function()
  it("prints and exits in the prompt and the tool runner only", function()
    local exempt = { ["lualib/net/repl.lua"] = "the prompt", ["lualib/net/tool.lua"] = "the tool runner" }

    assert.same({}, usesof(tree.files("lualib", ".lua", true), tree.barelua,
      { "print", "io%.write", "io%.stdout", "io%.stderr", "os%.exit" }, exempt))
  end)

  it("sets no global", function()
    local wrong = {}

    for _, file in ipairs(luafiles) do
      for number, line in tree.lines(tree.barelua(tree.read(file))) do
        if line:find "^function [%w_]+%s*%(" or line:find "_G%." then
          wrong[#wrong + 1] = file .. ":" .. number
        end
      end
    end

    assert.same({}, wrong)
  end)
end)
