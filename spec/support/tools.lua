-- tools: runs a bundled tool inside this process, where the peers of the test can answer it.

local netlua = require "netlua"

local tools = {}

---Runs a tool. Returns standard output, standard error, exit status.
function tools.run(name, ...)
  local status, out, err = net.tool.call(name, { ... })
  return out, err, status
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

---Runs the program on a copy of the tree in which scripts/hostname.lua is another tool. Returns standard
---output, standard error, exit status.
function tools.with(source, words)
  local dir = os.tmpname()
  os.remove(dir)
  os.execute(("mkdir -p %s/scripts && cp -r lualib %s/"):format(dir, dir))
  local file <close> = assert(io.open(dir .. "/scripts/hostname.lua", "wb"))
  file:write(source)
  file:close()
  local out, err, status = netlua.shell(("NETLUA_PATH=%s %%s hostname %s"):format(dir, words))
  os.execute("rm -rf " .. dir)
  return out, err, status
end

-- A tool that says words and how long they are, and does what some of them ask for.
local ECHO = [[
return {
  summary = "Says words.", common = { "time", "targets" },
  options = function(parser) parser:argument("WORD"):args "*":target "targets" end,
  columns = { "word", "length" },
  run = function(args, out)
    return out:each(args.targets, function(word)
      if word == "no" then return nil, select(2, net.gethostbyname "10.0.0.256") end
      local signal = ({ interrupt = "INT", terminate = "TERM" })[word]
      if signal then io.popen("kill -" .. signal .. " $PPID"):close() net.sleep(5) end
      if word == "raise" then error "oops" end
      if word == "wait" then local _, err = net.sleep(5) return nil, err end
      return { word = word, length = #word }
    end)
  end,
}
]]

---Runs the program with a tool that says words and how long they are; it fails for "no", raises for "raise",
---waits for "wait", gets a ^C for "interrupt" and SIGTERM for "terminate".
function tools.echo(words)
  return tools.with(ECHO, words)
end

return tools
