-- lazy.lua: build helper. Some libraries are loaded with their first use, because loading them takes as
-- long as all the rest of the start. This writes, for each function of theirs that the given objects call,
-- a stub of that name which jumps to where lazy.c will have found it; the sources call the functions as
-- usual.
-- usage: lua5.4 lazy.lua OUTPUT.c MACHINE LIBRARY.so ... -- OBJECT.o ...

local output, machine = arg[1], arg[2]

local function lines(command)
  local pipe <close> = assert(io.popen(command))
  local found = {}
  for line in pipe:lines() do found[#found + 1] = line end
  assert(pipe:close(), command)
  return found
end

-- The instructions of a stub; registers are left as they are, or are those that calls may use up.
local JUMPS = {
  x86_64 = "endbr64\\n jmp *nl_lazyslots+%d(%%rip)",
  aarch64 = "hint #34\\n adrp x16, nl_lazyslots+%d\\n ldr x16, [x16, #:lo12:nl_lazyslots+%d]\\n br x16",
}
local libraries, objects = {}, {}
local list = libraries
for index = 3, #arg do
  if arg[index] == "--" then list = objects else list[#list + 1] = arg[index] end
end

local jump = #libraries == 0 or assert(JUMPS[machine], "no stubs for " .. machine)

local wanted = {}
for _, line in ipairs(lines("nm --undefined-only " .. table.concat(objects, " "))) do
  local name = line:match "U ([%w_]+)$"
  if name then wanted[name] = true end
end

local sonames, names = {}, {}
for index, library in ipairs(libraries) do
  sonames[index] = lines("objdump -p " .. library .. " | awk '$1 == \"SONAME\" { print $2 }'")[1]
  local found = {}
  for _, line in ipairs(lines("nm --dynamic --defined-only " .. library)) do
    local name = line:match " [TW] ([%w_]+)"
    if name and wanted[name] then
      found[#found + 1] = name
      wanted[name] = nil
    end
  end
  table.sort(found)
  names[index] = found
end

local text, rows, starts, count = {}, {}, {}, 0
for index, found in ipairs(names) do
  for _, name in ipairs(found) do
    rows[#rows + 1] = ('  "%s",\n'):format(name)
    local code = jump:gsub("%%d", tostring(count * 8)):gsub("%%%%", "%%")
    local line = '  ".globl NAME\\n.hidden NAME\\n.type NAME, %function\\nNAME: CODE\\n"\n'
    text[#text + 1] = line:gsub("NAME", name):gsub("CODE", (code:gsub("%%", "%%%%")))
    count = count + 1
  end
  starts[index] = ('  {"%s", %d},\n'):format(sonames[index], count)
end

local file <close> = assert(io.open(output, "w"))
file:write('#include <stddef.h>\n\n#include "lazy.h"\n\n',
  ("_Static_assert(%d * sizeof(void *) <= NL_LAZYSIZE, \"too many for one page\");\n\n"):format(count),
  "const char *const nl_lazynames[] = {\n", table.concat(rows), "  NULL};\n\n",
  "/* Each library with the number of the first name that is not its own. */\n",
  "const nl_lazylibrary nl_lazylibraries[] = {\n", table.concat(starts), "  {NULL, 0}};\n\n",
  '__asm__(".text\\n.balign 16\\n"\n', table.concat(text), ");\n")
