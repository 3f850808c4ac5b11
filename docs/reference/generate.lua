-- generate: writes docs/reference/*.md and docs/errors.md from the annotations and the list of error codes.
-- usage: ./netlua docs/reference/generate.lua [--check]
-- With --check it writes nothing and fails if a page is not what it would write.

package.path = "./docs/reference/?.lua;" .. package.path

local annotations = require "annotations"

local INTRO = "<!-- Made by docs/reference/generate.lua from the annotations: change those, not this. -->\n\n"

-- The page of each class; one that is not listed gets a page of its own.
local PAGES = {
  { file = "net", title = "net", "net" },
  { file = "task", title = "Tasks and scopes", "net.task", "net.scope" },
  { file = "sync", title = "Channels, semaphores, events", "net.channel", "net.semaphore", "net.event" },
  { file = "handle", title = "What every socket has", "net.handle" },
  { file = "stream", title = "Streams", "net.stream" },
  { file = "listener", title = "Listeners", "net.listener", "net.listeners" },
  { file = "datagram", title = "Datagrams", "net.datagram" },
  { file = "interfaces", title = "Interfaces and routes", "net.linkwatch", "net.linkwatch.event",
    "net.interface", "net.interface.address", "net.interface.stats", "net.way", "net.gateway",
    "net.neighbor" },
  { file = "error", title = "Errors", "net.error" },
  { file = "options", title = "Options", "net.connect.options", "net.listen.options", "net.udp.options",
    "net.scope.options", "net.getaddrinfo.hints", "net.membership", "net.ancillary", "net.sendmsg.options",
    "net.recvmsg.options", "net.local_addresses.options", "net.route.options",
    "net.neighbors.options" },
  { file = "tables", title = "Tables that calls give", "net.getaddrinfo.entry", "net.message", "net.option",
    "net.tcpinfo" },
  { file = "ip", title = "Addresses", "net.ip", "net.ip.address" },
  { file = "port", title = "Ports", "net.port", "net.port.scanner", "net.port.scan.options",
    "net.port.record", "net.port.socket" },
  { file = "diagnose", title = "Diagnosis", "net.diagnose.report", "net.diagnose.options", "net.diagnosis",
    "net.diagnosis.stage" },
  { file = "tls", title = "TLS", "net.tls", "net.tls.context", "net.tls.context.options", "net.tls.options",
    "net.tls.server.options", "net.tls.tlsa", "net.tls.info", "net.ocsp.report" },
  { file = "x509", title = "Certificates", "net.x509", "net.x509.certificate", "net.x509.verify.options",
    "net.x509.make.options", "net.x509.request.options", "net.x509.generate_key.options",
    "net.x509.make_crl.options" },
  { file = "mac", title = "Hardware addresses", "net.mac", "net.mac.address" },
  { file = "tool", title = "Tools", "net.tool", "net.tool.spec", "net.tool.output",
    "net.tool.target" },
  { file = "path", title = "Ping, trace and the path MTU", "net.pings", "net.hops", "net.ping.options",
    "net.ping.reply", "net.ping.report", "net.trace.options", "net.trace.hop", "net.trace.report",
    "net.path_mtu.options", "net.path_mtu.report" },
}

local function addpages(all)
  local placed = {}
  for _, page in ipairs(PAGES) do
    for _, name in ipairs(page) do placed[name] = true end
  end
  local rest = {}
  for name in pairs(all.classes) do if not placed[name] then rest[#rest + 1] = name end end
  table.sort(rest)
  for _, name in ipairs(rest) do
    PAGES[#PAGES + 1] = { file = name:gsub("^net%.", ""), title = name, name }
  end
end

-- ---- names and links

local anchors = {} -- "net.stream.read" -> "stream.md#streamread"
local classes = {} -- "net.stream" -> "stream.md#netstream"; net.scope is a class and a function

local function variable(class)
  return class.name == "net" and "net" or class.name:match "[^.]+$"
end

-- Functions of a module have its full name, methods the name of a variable that holds such an object.
local function title(class, f)
  return (f.dot == "." and class.name or variable(class)) .. f.dot .. f.name
end

local function anchor(text)
  return (text:lower():gsub("[^%w _-]", ""):gsub(" ", "-"))
end

local function addanchors(all)
  for _, page in ipairs(PAGES) do
    for _, name in ipairs(page) do
      local class = all.classes[name]
      classes[name] = page.file .. ".md#" .. anchor(name)
      for _, f in ipairs(class.functions) do
        anchors[name .. "." .. f.name] = page.file .. ".md#" .. anchor(title(class, f))
      end
    end
  end
end

-- Names of functions and classes in a text become links, outside code.
local function linked(text)
  return (text:gsub("%f[%w]net%.[%w_.]*[%w_]", function(name)
    local target = anchors[name] or classes[name]
    return target and ("[%s](%s)"):format(name, target)
  end))
end

-- Every second piece between backticks is code.
local function prose(text)
  local pieces, code = {}, false
  for piece in (text .. "`"):gmatch "([^`]*)`" do
    pieces[#pieces + 1] = code and piece or linked(piece:gsub("<", "&lt;"))
    code = not code
  end
  return table.concat(pieces, "`")
end

local function cell(text)
  return (prose(text):gsub("|", "\\|"))
end

local function code(text)
  return "`" .. text:gsub("|", "\\|") .. "`"
end

local function sentence(text)
  return text:match "^(.-[.:]) %u" or text:match "^(.-%.)$" or text
end

-- The type of an argument or field; a `?` behind a function's type would be that of its last result.
local function typed(item)
  if not item.optional then return item.type end
  return (item.type:find "^fun%(" and "(%s)?" or "%s?"):format(item.type)
end

-- ---- one page

local function signature(class, f)
  local args = {}
  for index, param in ipairs(f.params) do
    args[index] = param.optional and "[" .. param.name .. "]" or param.name
  end
  return ("%s(%s)"):format(title(class, f), table.concat(args, ", "))
end

local function results(out, f)
  if #f.returns == 0 then return end
  out[#out + 1] = "\n| returns | type | |\n|---|---|---|\n"
  for index, r in ipairs(f.returns) do
    local name = r.name and code(r.name) or index
    out[#out + 1] = ("| %s | %s | %s |\n"):format(name, code(r.type), cell(r.text))
  end
end

local function arguments(out, f)
  if #f.params == 0 then return end
  out[#out + 1] = "\n| argument | type | |\n|---|---|---|\n"
  for _, param in ipairs(f.params) do
    local kind = typed(param)
    out[#out + 1] = ("| %s | %s | %s |\n"):format(code(param.name), code(kind), cell(param.text))
  end
end

local function references(out, f)
  if #f.see == 0 then return end
  local links = {}
  for index, reference in ipairs(f.see) do
    links[index] = anchors[reference] and ("[%s](%s)"):format(reference, anchors[reference]) or reference
  end
  out[#out + 1] = "\nSee " .. table.concat(links, ", ") .. ".\n"
end

local function example(out, f)
  if f.example then out[#out + 1] = "\n```lua\n" .. f.example .. "\n```\n" end
end

local function writefunction(out, class, f)
  out[#out + 1] = ("\n### %s\n\n"):format(title(class, f))
  out[#out + 1] = ("`%s`%s\n\n%s\n"):format(signature(class, f), f.async and " waits." or "", prose(f.text))
  arguments(out, f)
  results(out, f)
  references(out, f)
  example(out, f)
end

local function writefields(out, class)
  if #class.fields == 0 then return end
  out[#out + 1] = "\n| field | type | |\n|---|---|---|\n"
  for _, field in ipairs(class.fields) do
    local kind = typed(field)
    out[#out + 1] = ("| %s | %s | %s |\n"):format(code(field.name), code(kind), cell(field.text))
  end
end

local function byname(functions)
  local sorted = { table.unpack(functions) }
  table.sort(sorted, function(a, b) return a.name < b.name end)
  return sorted
end

local function inherited(out, all, class)
  local parent = all.classes[class.parent]
  if not parent then return end
  local links = {}
  for index, f in ipairs(byname(parent.functions)) do
    links[index] = ("[%s](%s)"):format(f.name, anchors[parent.name .. "." .. f.name])
  end
  out[#out + 1] = ("\nFrom [%s](%s) it has %s.\n"):format(parent.name, classes[parent.name],
    table.concat(links, ", "))
end

local function writeclass(out, all, class)
  out[#out + 1] = ("\n## %s\n\n%s\n"):format(class.name, prose(class.text))
  inherited(out, all, class)
  writefields(out, class)
  for _, f in ipairs(byname(class.functions)) do writefunction(out, class, f) end
end

local function page(all, spec)
  local out = { INTRO, "# " .. spec.title .. "\n" }
  for _, name in ipairs(spec) do writeclass(out, all, all.classes[name]) end
  return table.concat(out)
end

local function index(all)
  local out = { INTRO, "# Reference\n\nEverything that `net` holds, and the methods of its objects. ",
    "`waits` marks what may let other tasks run. All codes: [errors](../errors.md).\n" }
  for _, spec in ipairs(PAGES) do
    out[#out + 1] = ("\n## [%s](%s.md)\n\n| | | |\n|---|---|---|\n"):format(spec.title, spec.file)
    for _, name in ipairs(spec) do
      local class = all.classes[name]
      if #class.functions == 0 then
        out[#out + 1] = ("| [%s](%s) | | %s |\n"):format(name, classes[name], cell(sentence(class.text)))
      end
      for _, f in ipairs(byname(class.functions)) do
        out[#out + 1] = ("| [%s](%s) | %s | %s |\n"):format(title(class, f), anchors[name .. "." .. f.name],
          f.async and "waits" or "", cell(sentence(f.text)))
      end
    end
  end
  return table.concat(out)
end

-- ---- errors.md

local ERRORS = [[
# Error codes

A call that fails in the world gives `nil, err`. Programs branch on `err.code` or on its coarse class
`err.kind`, never on the text; `err:explain()` gives the last column. Names that begin with `EAI_` are the
name resolver's, other names that begin with `E`, but EOF, the system's; the rest is netlua's own. A system
code that is not in this list comes with its own name and the kind `protocol`. The guide has a chapter on
[errors](guide/errors.md).

| code | kind | message | meaning and next step |
|---|---|---|---|
]]

local function errorpage()
  local out = { INTRO, ERRORS }
  for _, row in ipairs(require("net.core.error").codes()) do
    out[#out + 1] = ("| %s | %s | %s | %s |\n"):format(code(row.code), row.kind, row.message,
      (row.explain:gsub("|", "\\|")))
  end
  return table.concat(out)
end

-- ---- all of it

local function build()
  local all = annotations.read(annotations.files())
  addpages(all)
  addanchors(all)
  local pages = { ["docs/reference/README.md"] = index(all), ["docs/errors.md"] = errorpage() }
  for _, spec in ipairs(PAGES) do pages["docs/reference/" .. spec.file .. ".md"] = page(all, spec) end
  return pages
end

local function current(name)
  local file <close> = io.open(name, "rb")
  return file and file:read "a"
end

local function write(name, text)
  local file <close> = assert(io.open(name, "wb"))
  assert(file:write(text))
end

local stale = {}
for name, text in pairs(build()) do
  if current(name) ~= text then
    stale[#stale + 1] = name
    if arg[1] ~= "--check" then write(name, text) end
  end
end
table.sort(stale)
for _, name in ipairs(stale) do print(name) end
if arg[1] == "--check" and #stale > 0 then os.exit(1) end
