-- trace: the routers on the way to a host.

local PATIENCE = 1 -- seconds for the name of a router

local function options(args)
  return {
    mode = args.tcp and "tcp" or args.icmp and "icmp" or "udp", port = args.tcp, max_hops = args.hops,
    probes = args.probes, timeout = args.timeout, family = args.net.family,
    source = args.source, interface = args.interface,
  }
end

-- ---- names

-- A function that gives the name of an address. A server that keeps silent once is not asked again.
local function namer(args, out)
  local silent = args.numeric
  return function(address)
    if silent or not address then return nil end
    local name, err = net.getnameinfo(address, nil, "namereqd", PATIENCE)
    if name then return name end
    silent = err.code == "TIMEOUT"
    if silent then out:note "names are left out: their server does not answer" end
  end
end

-- ---- one hop

local function roundtrips(hop)
  local list, values = {}, {}
  for i, reply in ipairs(hop.replies) do
    list[i] = reply.ms or net.tool.null
    values[#values + 1] = reply.ms
  end
  return list, values
end

local function addfigures(rec, values)
  if #values == 0 then return rec end
  local sum = 0
  for _, ms in ipairs(values) do sum = sum + ms end
  rec.last_ms, rec.avg_ms = values[#values], sum / #values
  rec.best_ms, rec.worst_ms = math.min(table.unpack(values)), math.max(table.unpack(values))
  return rec
end

local function describe(target, hop, name)
  local list, values = roundtrips(hop)
  return addfigures({
    target = target, ttl = hop.ttl, address = hop.address, addresses = hop.addresses, name = name,
    sent = hop.sent, lost = hop.lost, loss = hop.lost / hop.sent, rtt_ms = list, reached = hop.reached,
    code = hop.error and hop.error.code, reason = hop.error and hop.error.message,
  }, values)
end

-- ---- the MTU

-- Of the address that was traced: a name may have several.
local function addmtu(args, out, sum, address)
  local began = net.now()
  local report, err = net.path_mtu(address, {
    family = args.net.family, source = args.source, interface = args.interface, timeout = args.timeout,
  })
  if not report then return out:fail(args.HOST, err, began) end
  sum.mtu = report.mtu
  out:flush() -- its row is not aligned with those of hops
  out:record({
    target = args.HOST, address = report.address, mtu = report.mtu, first_mtu = report.first_mtu,
    confirmed = report.confirmed, black_hole = report.black_hole, routers = report.routers,
  }, began)
  return 0
end

local function mturow(rec)
  local words = { ("mtu %d"):format(rec.mtu) }
  for _, router in ipairs(rec.routers) do
    words[#words + 1] = ("%s says %d"):format(router.address, router.mtu)
  end
  if rec.black_hole then words[#words + 1] = "larger packets vanish and no router says so" end
  if not rec.confirmed then words[#words + 1] = "not confirmed: the host is silent" end
  return { table.concat(words, "; ") }
end

-- ---- the whole

-- Rows as they come. The status, where the trace was cut short or this machine sends nothing there.
local function showhops(hops, args, out, report)
  local nameof, began = namer(args, out), net.now()
  local hop, err = hops()
  while hop do
    if hop.error and not hop.address then return out:fail(args.HOST, hop.error, began) end
    report.hops = hop.ttl
    out:record(describe(args.HOST, hop, nameof(hop.address)), began)
    began = net.now()
    hop, err = hops()
  end
  return err and out:fail(args.HOST, err, began)
end

local function sumup(hops, report, out)
  local fields = { address = hops.address, mode = hops.mode, hops = report.hops, reached = hops.reached,
    mtu = report.mtu }
  local outcome = hops.reached and ("reached at hop %d"):format(report.hops) or "not reached"
  local sentence = ("%s (%s) by %s: %s"):format(hops.host, hops.address, hops.mode, outcome)
  out:summary(fields, report.hops > 0 and sentence or nil) -- of nothing there is nothing to say
end

local function run(args, out)
  local began, report = net.now(), { hops = 0 }
  local hops <close>, failed = net.hops(args.HOST, options(args))
  if not hops then return out:fail(args.HOST, failed, began) end
  local last <close> = setmetatable({}, { -- luacheck: ignore last
    __close = function() sumup(hops, report, out) end, -- also after ^C
  })
  local status = showhops(hops, args, out, report)
  if status or not args.mtu then return status or hops.reached and 0 or 1 end
  status = addmtu(args, out, report, hops.address)
  return hops.reached and status or 1
end

local function milliseconds(label, ms)
  return ms and ("%s %.3f"):format(label, ms) or ""
end

return {
  summary = "The routers on the way to a host.",
  common = { "net" },
  examples = { "trace localhost", "trace example.com --tcp 443 -n", "trace 192.0.2.1 --mtu --json" },
  notes = "By UDP if nothing else is said; only --icmp needs a privilege. -w is 1 if absent, for each probe; "
    .. "given, it limits the lookup of the name too, to a second at least.",
  options = function(parser)
    parser:argument("HOST"):description "Name or address."
    parser:mutex(
      parser:flag "--udp":description "Send datagrams to ports where nobody listens.",
      parser:option "--tcp":argname "PORT":convert(net.tool.port):description "Connect to a port.",
      parser:flag "--icmp":description "Send echo requests.")
    parser:option "-m --hops":argname "N":convert(net.tool.integer(1, 255))
      :description "Hops to look at; 30 if absent."
    parser:option "-p --probes":argname "N":convert(net.tool.integer(1, 10))
      :description "Probes to each hop; 3 if absent."
    parser:flag "-n --numeric":description "Look no names up."
    parser:flag "--mtu":description "Find the largest packet that arrives, too."
  end,
  columns = { "ttl", "address", "name", "loss", "last_ms", "avg_ms", "best_ms", "worst_ms", "sent", "lost",
    "rtt_ms", "reached", "code", "reason", "mtu" },
  human = function(rec)
    if rec.mtu then return mturow(rec) end
    local shown = #rec.addresses > 0 and rec.addresses or "*"
    return {
      rec.ttl, shown, rec.name or "", ("loss %.4g %%"):format(rec.loss * 100),
      milliseconds("last", rec.last_ms), milliseconds("avg", rec.avg_ms), milliseconds("best", rec.best_ms),
      rec.worst_ms and milliseconds("worst", rec.worst_ms) .. " ms" or "", rec.reason or "",
    }
  end,
  run = run,
}
