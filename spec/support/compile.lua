-- compile: builds the C helpers of the specs with the flags of this build and, where asked for, its objects.

local netlua = require "netlua"

local compile = {}

local function output(command)
  local pipe <close> = assert(io.popen(command))
  return (pipe:read "a":gsub("%s+$", ""))
end

-- Where the objects of the program that runs lie: beside it, or in build/.
local function objects()
  local dir = netlua.program:match "^(.*)/" or "."
  for _, folder in ipairs { dir, dir .. "/build" } do
    local file = io.open(folder .. "/runtime/state.o")
    if file then
      file:close()
      return folder
    end
  end
end

-- Whether the program that runs is the one with sanitizers.
local function sanitized()
  local file <close> = assert(io.open(netlua.program, "rb"))
  return file:read "a":find("__asan_init", 1, true) ~= nil
end

compile.sanitized = sanitized()

-- The Makefile's own variables, so that they are kept in one place.
local function flags(names)
  return output(("make -s --no-print-directory %s--eval='spec-flags: ; @echo $(%s)' spec-flags"):format(
    compile.sanitized and "SAN=1 " or "", table.concat(names, ") $(")))
end

local function run(command)
  local out, err, status = netlua.shell(command, 60)
  assert(status == 0, out .. err)
end

---A module for `require`, from one C file and with more options for the linker. Returns the name of the file.
function compile.module(source, options)
  local name = os.tmpname()
  run(("cc -shared %s -fPIC -o %s %s %s"):format(flags { "ALL_CFLAGS" }, name, source, options or ""))
  return name
end

---A program from one C file that has nothing of netlua. Returns the name of the file.
function compile.tool(source, libraries)
  local name = os.tmpname()
  run(("cc %s -o %s %s %s"):format(flags { "ALL_CFLAGS", "ALL_LDFLAGS" }, name, source, libraries or ""))
  return name
end

-- A program from one C file and every object of netlua but one; nil where the objects are not there.
local function link(source, options, without)
  local dir = objects()
  if not dir then return nil end
  local name = os.tmpname()
  run(("cc %s %s %s -o %s %s $(ls %s/*.o %s/runtime/*.o %s/bindings/*.o | grep -v /%s) %s"):format(
    flags { "ALL_CFLAGS" }, flags { "ALL_LDFLAGS" }, options, name, source, dir, dir, dir, without,
    flags { "LIBS" }))
  return name
end

---A program from one C file and every object of netlua but main.o; nil where the objects are not there.
function compile.program(source, options)
  return link(source, options, "main.o")
end

---netlua with one of its C files compiled with more options; nil where the objects are not there.
function compile.variant(source, options)
  return link(source, options, source:match "[^/]+$":gsub("%.c$", ".o"))
end

return compile
