-- ping: is a host there, how far away, and how many packets get lost.

local COUNT = 4 -- probes, where neither -c nor --deadline says when to end
local MOST = 1000 -- hosts at a time

local function options(args)
  return {
    count = args.count or args.deadline and math.huge or COUNT, interval = args.interval,
    timeout = args.timeout, size = args.size, ttl = args.ttl, family = args.net.family,
    source = args.source, interface = args.interface,
    mode = args.tcp and "tcp" or "icmp", port = args.tcp,
  }
end

-- ---- one reply

local NOTES = { "duplicate", "late", "damaged", "different" }

local function notes(reply)
  local list = {}
  for _, name in ipairs(NOTES) do
    if reply[name] then list[#list + 1] = name end
  end
  return #list > 0 and list or nil
end

local function describe(host, reply)
  local err = reply.error
  return {
    target = host, address = reply.address, seq = reply.seq, state = err and "lost" or "reply",
    reply = reply.reply, ms = reply.ms or net.tool.null, ttl = reply.ttl, bytes = reply.bytes,
    notes = notes(reply), code = err and err.code, reason = err and err.message,
  }
end

-- ---- one host

-- Shows the replies as they come, and keeps what they are read from for the summary. The status, where
-- nothing could be asked.
local function ping(host, wanted, out, kept)
  local began = net.now()
  local replies <close>, err = net.pings(host, wanted)
  if not replies then return out:fail(host, err, began) end
  kept[host] = replies
  for reply in replies do out:record(describe(host, reply), net.now() - (reply.ms or 0) / 1000) end
end

-- ---- the summary

local function name(report)
  local port = report.port and (" port %d"):format(report.port) or ""
  if report.host == report.address then return report.host .. port end
  return ("%s (%s)%s"):format(report.host, report.address, port)
end

local function sentence(report)
  local counts = ("%s: %d sent, %d received, %.4g %% lost"):format(name(report), report.sent, report.received,
    report.loss * 100)
  for _, field in ipairs { "duplicates", "late", "ignored" } do
    if report[field] > 0 then counts = ("%s, %d %s"):format(counts, report[field], field) end
  end
  if not report.alive then return counts end
  return ("%s, min %.3f avg %.3f max %.3f p95 %.3f mdev %.3f ms"):format(counts, report.min_ms, report.avg_ms,
    report.max_ms, report.p95_ms, report.mdev_ms)
end

local function sumup(hosts, kept, out)
  local sums = { hosts = {}, alive = 0, sent = 0, received = 0, lost = 0 }
  for _, host in ipairs(hosts) do
    local report = kept[host] and kept[host]:report()
    if report then
      table.insert(sums.hosts, report)
      sums.alive = sums.alive + (report.alive and 1 or 0)
      for _, field in ipairs { "sent", "received", "lost" } do sums[field] = sums[field] + report[field] end
      if not out.machine then out:note(sentence(report)) end
    end
  end
  out:summary(sums)
end

-- Each once.
local function unique(hosts)
  local list, seen = {}, {}
  for _, host in ipairs(hosts) do
    if not seen[host] then list[#list + 1] = host end
    seen[host] = true
  end
  return list
end

-- Also where the deadline ended it.
local function status(hosts, kept, failures)
  for _, host in ipairs(hosts) do
    local alive = kept[host] and kept[host]:report().alive
    if #hosts == 1 then return alive and 0 or failures[host] or 1 end
    if not alive then return 1 end
  end
  return 0
end

local function run(args, out)
  local hosts, wanted, kept, failures = unique(args.targets), options(args), {}, {}
  local last <close> = setmetatable({}, { -- luacheck: ignore last
    __close = function() sumup(hosts, kept, out) end, -- also after ^C
  })
  net.map(hosts, function(host)
    failures[host] = ping(host, wanted, out, kept)
    return true
  end, { limit = args.parallel or MOST })
  return status(hosts, kept, failures)
end

return {
  summary = "Is a host there, how far away, and how many packets get lost.",
  common = { "net", "targets", "repeat" },
  examples = { "ping localhost", "ping 192.0.2.1 192.0.2.2 -c 1",
    "ping example.com --tcp 443 --json --summary", "ping 192.0.2.1 -i 200ms --deadline 10" },
  notes = "Four probes, one a second, each with 1 second for its answer; with --deadline as many as there is "
    .. "time for. -w limits the lookup of a name too, to a second at least. -P is 1000 if absent. Without "
    .. "the privilege for ICMP, --tcp asks by connections: a host that refuses one is there.",
  needs = "HOST",
  options = function(parser)
    parser:argument("HOST"):args "*":target "targets"
      :description "Names or addresses, asked at the same time."
    parser:option "--size":argname "N":convert(net.tool.integer(0, 65507))
      :description "Bytes of payload; 56 if absent."
    parser:option "--ttl":argname "N":convert(net.tool.integer(1, 255))
      :description "Hops that packets may take."
    parser:option "--tcp":argname "PORT":convert(net.tool.port):description "Connect to a port instead."
  end,
  columns = { "target", "address", "seq", "state", "reply", "ms", "ttl", "bytes", "notes", "code", "reason" },
  human = function(rec, args)
    local lost = rec.state == "lost"
    return {
      #args.targets > 1 and rec.target or "", rec.seq, rec.address or "-",
      lost and rec.reason or ("%.3f ms"):format(rec.ms), rec.ttl and ("ttl %d"):format(rec.ttl) or "",
      rec.reply ~= "echo" and rec.reply or "", rec.notes or "",
    }
  end,
  run = run,
}
