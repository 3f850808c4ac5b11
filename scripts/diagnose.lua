-- diagnose: why a connection does not come about, and what to do next.

-- net.diagnose works with what the system resolves; the port may come by -p.
local function options(args)
  return {
    port = args.port, timeout = args.timeout, family = args.net.family, source = args.source,
    interface = args.interface, tls = args.protection,
  }
end

-- What TLS is to be like, where options say something of it: true | nil, message
local function readtls(args)
  if not (args.tls or args.cafile or args.name) then return true end
  local context, err = net.tls.context { cafile = args.cafile }
  if not context then return nil, err.message end
  args.protection = { context = context, host = args.name }
  return true
end

-- The locale decides whether there are signs for yes and no.
local function marks()
  local locale = ""
  for _, name in ipairs { "LANG", "LC_CTYPE", "LC_ALL" } do
    local value = os.getenv(name)
    if value and value ~= "" then locale = value end
  end
  if locale:upper():find "UTF%-?8" then return { ok = "\u{2713}", FAIL = "\u{2717}" } end
  return { ok = "ok", FAIL = "FAIL" }
end

-- Errors as records have them, and no stream or socket among the facts.
local function plain(step)
  local rec = {}
  for name, value in pairs(step) do
    if name == "error" then
      rec.error = net.tool.errorfields(value)
    elseif name == "data" then
      rec.data_b64 = value
    elseif name == "ms" then
      rec.ms = tonumber(("%.3f"):format(value))
    else
      rec[name] = value
    end
  end
  return rec
end

-- What is wrong with the targets, if anything is.
local function wrongtarget(args)
  for _, word in ipairs(args.targets) do
    local target, message = net.tool.target(word)
    if not target then return message end
    if target.kind == "unix" and args.tls and not args.name then
      return ('"%s" needs --name: whom the certificate has to be for'):format(target.text)
    end
    if target.kind ~= "unix" and not target.port and not args.port then
      return ('no port in "%s": use host:port, a URL, or -p'):format(target.text)
    end
  end
end

local function describe(report)
  local steps = {}
  for i, step in ipairs(report.steps) do steps[i] = plain(step) end
  return {
    target = report.target, host = report.host, port = report.port, verdict = report.verdict,
    explanation = report.explanation, advice = report.advice, steps = steps, rows = report:rows(),
  }
end

-- Verdicts that errors of several kinds lead to, by the family and by how long one waits: they have one
-- status.
local UNREACHED = {
  refused = true, prohibited = true, ["host-unreachable"] = true, ["net-unreachable"] = true,
}

local function statusof(report)
  if report.ok then return 0 end
  if UNREACHED[report.verdict] then return 7 end
  return report.error and net.tool.statusof(report.error) or 1
end

return {
  summary = "Why a connection does not come about: evidence, a verdict, what to do next.",
  common = { "net", "targets" },
  examples = { "diagnose localhost:8080", "diagnose https://example.com -6", "diagnose [::1]:443 --json",
    "diagnose 192.0.2.1:8443 --name www.example.com", "diagnose unix:/run/x.sock" },
  notes = "It looks the name up, asks the kernel for the way, connects to every address side by side, and\n"
    .. "looks for the reason where that fails. For https, port 443 and --tls it does the handshake of TLS\n"
    .. "on each connection too. -w is 5 if absent, for the lookup and for the connections. Exit status: 0\n"
    .. "if all is well; 7 for what is refused, prohibited or unreachable, whoever says so; else that of the\n"
    .. "step that failed.",
  needs = "TARGET",
  options = function(parser)
    parser:argument("TARGET"):args "*":target "targets"
      :description "host:port, [v6]:port, URL, unix:/path; or a host with -p."
    parser:option "-p --port":argname "PORT":convert(net.tool.port)
      :description "Port of targets that name none."
    parser:flag "--tls":description "Look at the TLS handshake, whatever the port."
    parser:option "--cafile":argname "FILE"
      :description "Trust these authorities, and not the system's; with TLS."
    parser:option "--name":argname "NAME":description "Whom the certificate has to be for; with TLS."
  end,
  columns = { "target", "verdict", "explanation" },
  human = function(rec, args)
    local rows, sign = {}, marks()
    if args.targets[2] then rows[1] = { rec.target } end
    for _, row in ipairs(rec.rows) do
      rows[#rows + 1] = { sign[row[1]] .. " " .. row[2], row[3], row[4], row[5] }
    end
    rows[#rows + 1] = { ("verdict %s: %s"):format(rec.verdict, rec.explanation) }
    for _, advice in ipairs(rec.advice) do rows[#rows + 1] = { "try     " .. advice } end
    return { rows = rows }
  end,
  run = function(args, out)
    local message = wrongtarget(args)
    local good, problem = readtls(args)
    if message or not good then return out:usage(message or problem) end
    return out:each(args.targets, function(target)
      local report, err = net.diagnose(target, options(args))
      if not report then return nil, err end
      local rec = describe(report)
      if out.form:find "^json" then rec.rows = nil end
      return rec, statusof(report)
    end)
  end,
}
