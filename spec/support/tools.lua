-- tools: runs a bundled tool inside this process, where the peers of the test can answer it.

local tools = {}

---Runs a tool. Returns standard output, standard error, exit status.
function tools.run(name, ...)
  local out, err = {}, {}
  local status = net.tool.invoke(name, { ... }, {
    write = function(text) out[#out + 1] = text end,
    warn = function(text) err[#err + 1] = text end,
  })
  return table.concat(out), table.concat(err), status
end

---Runs a tool with --json. Returns the list of records, the exit status, standard error.
function tools.records(name, ...)
  local out, err, status = tools.run(name, "--json", ...)
  local records = {}
  for line in out:gmatch "([^\n]*)\n" do records[#records + 1] = require "cjson".decode(line) end
  return records, status, err
end

---Bytes of a field in base64.
function tools.bytes(text)
  local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  local bits = text:gsub("=", ""):gsub(".", function(c)
    local n, parts = digits:find(c, 1, true) - 1, {}
    for i = 5, 0, -1 do parts[#parts + 1] = n >> i & 1 end
    return table.concat(parts)
  end)
  return (bits:gsub("%d%d?%d?%d?%d?%d?%d?%d?", function(eight)
    return #eight == 8 and string.char(tonumber(eight, 2)) or ""
  end))
end

return tools
