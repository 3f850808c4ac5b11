-- data: build helper. Writes what the annotations say as a Lua module, which the program carries for help and
-- completion. usage: lua5.4 docs/reference/data.lua OUTPUT.lua

package.path = "./docs/reference/?.lua;" .. package.path

local annotations = require "annotations"

-- What nobody asks for, or what follows from the place in the table.
local DROPPED = { owner = true, args = true }

local function sortedkeys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = key end
  table.sort(keys)
  return keys
end

local function empty(value)
  return value == "" or value == false or type(value) == "table" and next(value) == nil
end

local function write(out, value)
  if type(value) ~= "table" then
    out[#out + 1] = ("%q"):format(value)
    return
  end
  out[#out + 1] = "{"
  for _, item in ipairs(value) do
    write(out, item)
    out[#out + 1] = ","
  end
  for _, key in ipairs(#value > 0 and {} or sortedkeys(value)) do
    if not DROPPED[key] and not empty(value[key]) then
      out[#out + 1] = ("[%q]="):format(key)
      write(out, value[key])
      out[#out + 1] = ","
    end
  end
  out[#out + 1] = "}\n"
end

local out = { "return " }
write(out, annotations.read(annotations.files()).classes)
local file <close> = assert(io.open(arg[1], "w"))
assert(file:write(table.concat(out)))
