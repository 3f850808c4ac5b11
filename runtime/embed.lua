-- embed.lua: build helper. Compiles the Lua files of the library and the tools; writes them as one C table.
-- usage: lua5.4 embed.lua OUTPUT.c FILE.lua ...

local output = assert(io.open(arg[1], "w"))

-- lualib/net/dial.lua is the module net.dial, also where the build made it; scripts/tour.lua is the tool
-- scripts.tour; a file of the system is the module of its own name.
local function modulename(file)
  file = file:match "lualib/(.*)$" or file:gsub("^/.*/", "")
  return (file:gsub("%.lua$", ""):gsub("/", "."))
end

local function bytes(data)
  local lines = {}
  for i = 1, #data, 20 do
    lines[#lines + 1] = "  " .. table.concat({ data:byte(i, i + 19) }, ",") .. ",\n"
  end
  return table.concat(lines)
end

output:write('#include <stddef.h>\n\n#include "embedded.h"\n\n')
local rows = {}
for i = 2, #arg do
  local file = io.open(arg[i], "rb")
  local source = assert(file):read("a")
  file:close()
  local chunk = assert(load(source, "@" .. arg[i]:gsub("^/.*/", ""), "t"))
  local data = string.dump(chunk, arg[i]:find "/lualib/" ~= nil) -- what was made has no lines to tell of
  output:write(("static const unsigned char file%d[] = {\n%s};\n"):format(i, bytes(data)))
  rows[#rows + 1] = ('  {"%s", file%d, sizeof file%d},\n'):format(modulename(arg[i]), i, i)
end
output:write("\nconst nl_embedded nl_embeddedfiles[] = {\n", table.concat(rows), "  {NULL, NULL, 0}};\n")
output:close()
