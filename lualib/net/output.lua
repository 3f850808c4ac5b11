-- net.output: what a tool says. It is given records; here they become lines of the form that was asked for,
-- and the exit status. Where lines go is the business of net.tool.

local clock = require("net.core.host").clock
local check = require "net.check"
local record = require "net.record"
local text = require "net.text"

---What a tool says: it is given records, and makes lines and the exit status of them.
---@class net.tool.output
---@field name string of the tool
---@field form "human"|"plain"|"json"|"json-pretty"|"csv"
---@field machine boolean whether records are wanted, and no text
---@field quiet boolean whether hints are unwanted
---@field verbose integer how often -v was given
---@field terminal {in: boolean?, out: boolean?, err: boolean?} which of the three streams are terminals
local output = {}
output.__index = output
output.__name = "net.tool.output"

local FIRST = { "v", "tool", "ts", "target", "ok", "ms" }
local KEPT = { "v", "tool", "ts", "target", "ok", "error" } -- whatever --fields says
local TOGETHER = 0.2 -- seconds that rows wait for others, to be aligned with them
local MOST = 500 -- rows that wait
local PATIENCE, PERIOD = 0.5, 0.1 -- seconds before the first progress, and between two
local PARALLEL = 20 -- targets at a time

-- The output of a tool. `streams` says where lines go: write(text), warn(text), bytes(text) for results that
-- are no lines, if those take another way; and of in, out and err which are a `terminal` and which `colored`.
local function new(name, spec, args, streams)
  return setmetatable({
    name = name, args = args, columns = spec.columns, human = spec.human, head = spec.heading,
    form = args.form, machine = args.form ~= "human", fields = args.fields, parallel = args.parallel,
    quiet = args.quiet or false, verbose = args.verbose or 0,
    toout = streams.write, toerr = streams.warn, bytes = streams.bytes or streams.write,
    terminal = streams.terminal, colored = streams.colored,
    rows = {}, widths = {}, statuses = {}, present = {}, counts = { ok = 0, failed = 0 },
    began = net.now(), shown = false, misused = false, scope = net.scope(),
  }, output)
end

local function erase(self)
  if self.shown then self.toerr "\r\27[K" end
  self.shown = false
end

local function put(self, lines)
  erase(self)
  self.toout(lines)
end

-- ---- cells

local function number(n)
  if math.type(n) == "integer" then return ("%d"):format(n) end
  if n - n ~= 0 then return "" end -- NaN and the infinities are no values, as in JSON
  return (("%.3f"):format(n):gsub("%.?0+$", ""))
end

local function cell(value)
  if value == nil or value == record.null then return "" end
  if type(value) == "boolean" then return value and "yes" or "no" end
  if type(value) == "number" then return number(value) end
  local meta = getmetatable(value)
  local saysitself = type(value) == "table" and meta and meta.__tostring
  if type(value) ~= "table" or saysitself then return text.escape(tostring(value)) end
  local parts = {}
  for i, item in ipairs(value) do parts[i] = cell(item) end
  if #parts > 0 or next(value) == nil then return table.concat(parts, " ") end
  return text.escape(record.json(value))
end

local function field(rec, name)
  local value = rec[name]
  if name:find "_b64$" and type(value) == "string" then return record.base64(value) end
  return cell(value)
end

local function shownfields(self)
  return self.fields or self.columns or { "target", "ok", "ms" }
end

local function cells(self, rec)
  local list = {}
  for i, name in ipairs(shownfields(self)) do list[i] = field(rec, name) end
  return list
end

-- ---- human rows

local function paint(self, style, stream, shown)
  return self.colored[stream] and "\27[" .. style .. "m" .. shown .. "\27[0m" or shown
end

-- The last cell of a row makes no room for itself: it may be a sentence.
local function widen(self, row)
  for i, shown in ipairs(row) do
    local width = i < #row and text.width(shown) or math.min(#shown, 1)
    self.widths[i] = math.max(self.widths[i] or 0, width)
  end
end

-- A column without any value takes no room. Blanks at the end are cut in one pass: a peer may send many.
local function joined(self, row)
  local parts = {}
  for i, shown in ipairs(row) do
    local width = i < #row and self.widths[i] or text.width(shown)
    if self.widths[i] > 0 then parts[#parts + 1] = text.pad(shown, width) end
  end
  return table.concat(parts, "  "):match "^.*[^ ]" or ""
end

-- The words above the rows, if there are any.
local function heading(self)
  if self.headed or not self.terminal.out then return nil end
  local human = self.human and not self.fields
  if human and not self.head then return nil end
  local names = {}
  local list = human and self.head or self.fields or self.columns or {}
  for i, name in ipairs(list) do names[i] = name:upper() end
  return #names > 0 and names or nil
end

---Writes the rows that wait for others, to be aligned with them; they wait a fifth of a second at most.
---```lua
---local status, results = net.tool.call({ columns = { "n" }, run = function(_, out)
---  out:record { n = 1 }
---  out:flush()
---end }, {})
---assert(status == 0 and results == "1\n")
---```
function output:flush()
  if #self.rows == 0 then return end
  local head, lines = heading(self), {}
  for _, row in ipairs(self.rows) do widen(self, row) end
  if head then
    for i = 1, #head do head[i] = (self.widths[i] or 0) > 0 and head[i] or "" end
    widen(self, head)
    table.insert(self.rows, 1, head)
  end
  for i, row in ipairs(self.rows) do
    local line = joined(self, row)
    lines[i] = (head and i == 1 and paint(self, "2", "out", line) or line) .. "\n"
  end
  self.headed, self.rows = true, {}
  put(self, table.concat(lines))
end

local function flushlater(self)
  net.sleep(TOGETHER)
  self.waiting = false
  self:flush()
end

local function addrow(self, row)
  if not row then return end
  for i, value in ipairs(row) do row[i] = cell(value) end
  table.insert(self.rows, row)
  if #self.rows >= MOST then return self:flush() end
  if not self.waiting then
    self.waiting = true
    self.scope:spawn(flushlater, self)
  end
end

-- ---- forms

local forms = {}

function forms.human(self, rec)
  if not rec.ok then return end
  if self.fields or not self.human then return addrow(self, cells(self, rec)) end
  local row = self.human(rec, self.args)
  for _, each in ipairs(row and row.rows or { row }) do addrow(self, each) end
end

function forms.plain(self, rec)
  if rec.ok then put(self, table.concat(cells(self, rec), "\t") .. "\n") end
end

local function commas(list)
  local parts = {}
  for i, value in ipairs(list) do
    parts[i] = value:find '[," ]' and '"' .. value:gsub('"', '""') .. '"' or value
  end
  if #parts == 1 and parts[1] == "" then parts[1] = '""' end -- an empty line is no row to many readers
  return table.concat(parts, ",") .. "\r\n"
end

local function namecolumns(self)
  if not self.headed then put(self, commas(shownfields(self))) end
  self.headed = true
end

function forms.csv(self, rec)
  if not rec.ok then return end
  namecolumns(self)
  put(self, commas(cells(self, rec)))
end

local function chosen(self, rec)
  if not self.fields then return rec end
  local some = {}
  for _, name in ipairs(KEPT) do some[name] = rec[name] end
  for _, name in ipairs(self.fields) do some[name] = rec[name] end
  return some
end

local function json(self, rec)
  local own = self.fields or self.columns or {}
  local order = table.move(own, 1, #own, #FIRST + 1, table.move(FIRST, 1, #FIRST, 1, {}))
  put(self, record.json(chosen(self, rec), self.form == "json-pretty", order) .. "\n")
end

forms.json, forms["json-pretty"] = json, json

-- ---- hints

---Tells the person that runs the tool something that must not be missed, on standard error.
---@param message string is escaped
---```lua
---local _, _, hints = net.tool.call({ run = function(_, out) out:warning "too late" end }, {})
---assert(hints == "netlua tool: too late\n")
---```
function output:warning(message)
  check.bytes("warning", 1, message)
  self:flush()
  erase(self)
  self.toerr(("netlua %s: %s\n"):format(self.name, text.escape(message)))
end

---Gives a hint, on standard error; none with --quiet.
---@param message string is escaped
---```lua
---local _, _, hints = net.tool.call({ run = function(_, out) out:note "or so" end }, { "-v" })
---assert(hints == "or so\n")
---```
function output:note(message)
  check.bytes("note", 1, message)
  if self.quiet then return end
  self:flush()
  erase(self)
  self.toerr(paint(self, "2", "err", text.escape(message)) .. "\n")
end

local function wantsprogress(self, now)
  local wish = self.args.progress
  if wish and wish ~= "auto" then return wish == "always" end
  return not self.quiet and self.terminal.err and now - self.began >= PATIENCE
end

---Tells how far the work is: on standard error, if that is a terminal and the work takes longer than half a
---second. --progress says never, or always.
---@param done integer 0 or more
---@param total? integer 0 or more
---@param message? string is escaped
---```lua
---local run = function(_, out) out:progress(3, 10, "hosts") end
---local _, _, hints = net.tool.call({ run = run }, { "--progress", "always" })
---assert(hints:find "^tool 3/10  hosts")
---```
function output:progress(done, total, message)
  check.integer("progress", 1, done, 0, math.maxinteger)
  if total ~= nil then check.integer("progress", 2, total, 0, math.maxinteger) end
  if message ~= nil then check.bytes("progress", 3, message) end
  local now = net.now()
  if not wantsprogress(self, now) or now - (self.last or 0) < PERIOD then return end
  self.last = now
  self:flush()
  erase(self)
  local counted = total and ("%d/%d"):format(done, total) or ("%d"):format(done)
  self.toerr(("%s %s  %s"):format(self.name, counted, text.escape(message or "")))
  self.shown = true
end

---Writes results that are bytes and no records, as they are.
---@async
---@param bytes string
---@return boolean|net.stream? ok nil when nobody reads on
---@return net.error? err EPIPE and what else write(2) says
---```lua
---local _, results = net.tool.call({ run = function(_, out) out:write "\0\1" end }, {})
---assert(results == "\0\1")
---```
function output:write(bytes)
  check.bytes("write", 1, bytes)
  erase(self)
  local good, err = self.bytes(bytes)
  if err then return nil, err end
  return good or true
end

-- ---- records

---Reports one result. It gets the fields that every record has.
---@param rec table its own fields, and `target`; `ok` is true if absent. Fields whose names end in _b64 hold
--- bytes
---@param since? number of net.now(): when the operation began; nil: the start of the tool
---```lua
---local run = function(_, out) out:record { target = "a", state = "open" } end
---local _, results = net.tool.call({ run = run }, { "--json", "--fields", "state" })
---assert(results:find '"target":"a","ok":true,"state":"open"')
---```
function output:record(rec, since)
  check.table("record", 1, rec)
  check.timeout("record", 2, since)
  local elapsed = net.now() - (since or self.began)
  rec.v, rec.tool = record.VERSION, self.name
  rec.ts = rec.ts or record.timestamp(clock() - elapsed)
  rec.ms = rec.ms or record.round(elapsed * 1000)
  if rec.ok == nil then rec.ok = true end
  for _, name in ipairs(self.fields or {}) do
    if rec[name] ~= nil then self.present[name] = true end
  end
  local result = rec.ok and "ok" or "failed"
  self.counts[result] = self.counts[result] + 1
  forms[self.form](self, rec)
end

-- Whether the error is about another address or port than the target that is named anyway.
local function elsewhere(target, err)
  if not err.address or not err.port then return err.address ~= nil and err.address ~= target end
  return target ~= text.endpoint(err.address, err.port)
end

-- The message, without the target where it begins with it: that is named anyway.
local function messageof(target, err)
  local named = target and target .. ": " or ""
  return err.message:sub(1, #named) == named and err.message:sub(#named + 1) or err.message
end

local function described(target, err)
  local lines = { ("%s (%s)"):format(messageof(target, err), err.code) }
  if elsewhere(target, err) then lines[1] = tostring(err) end
  for _, attempt in ipairs(err.attempts or {}) do lines[#lines + 1] = attempt.code and tostring(attempt) end
  return lines
end

---Reports a failure: a record with --json, else a line on standard error and what to do.
---@param target string?
---@param err net.error
---@param since? number as in record
---@param status? integer the exit status, 0 to 255, where it is not that of the error
---@param fields? table more of the record
---@return integer status
---```lua
---local _, wrong = net.inet_pton("inet", "10.0.0.256")
---local run = function(_, out) return out:fail("10.0.0.256", wrong) end
---local status, _, hints = net.tool.call({ run = run }, {})
---assert(status == 1 and hints:find "^netlua tool: 10.0.0.256: ")
---```
function output:fail(target, err, since, status, fields)
  if target ~= nil then check.bytes("fail", 1, target) end
  check.error("fail", 2, err)
  check.timeout("fail", 3, since)
  if status ~= nil then check.integer("fail", 4, status, 0, 255) end
  if fields ~= nil then check.table("fail", 5, fields) end
  status = status or require("net.tool").statusof(err)
  table.insert(self.statuses, status)
  local label = target and target .. ": " or ""
  if self.form:find "^json" then
    local rec = fields or {}
    rec.target, rec.ok, rec.error = target, false, record.error(err)
    self:record(rec, since)
  else
    local lines = described(target, err)
    self.counts.failed = self.counts.failed + 1
    self:warning(label .. lines[1])
    if self.verbose > 0 and #lines > 2 then
      for i = 2, #lines do self:note("  " .. lines[i]) end
    end
    if err.explain then self:note("  " .. err:explain()) end
  end
  return status
end

---Says what is wrong with the command line.
---@param message string is escaped, and cut in the middle where it has more than 400 bytes
---@return integer status 2
---```lua
---local status = net.tool.call({ run = function(_, out) return out:usage "one word too many" end }, {})
---assert(status == 2)
---```
function output:usage(message)
  check.bytes("usage", 1, message)
  self.misused = true
  self:warning(text.brief(message))
  self.refused = true
  self.toerr(("try: netlua %s --help\n"):format(self.name))
  return 2
end

---Sets the exit status.
---@param status integer 0 to 255
---@return integer status
---```lua
---assert(net.tool.call({ run = function(_, out) out:status(1) end }, {}) == 1)
---```
function output:status(status)
  check.integer("status", 1, status, 0, 255)
  self.statuses = { status }
  return status
end

-- One target has its own status; several are well or not.
local function overall(statuses, count)
  if count == 1 then return statuses[1] or 0 end
  for _, status in ipairs(statuses) do
    if status ~= 0 then return 1 end
  end
  return 0
end

local function labelof(item)
  return type(item) == "table" and item.text or tostring(item)
end

-- What f said of one target. The status.
local function reportone(self, item, since, result, extra, status)
  if not result then return self:fail(labelof(item), extra, since, status) end
  for _, rec in ipairs(result[1] and result or { result }) do
    rec.target = rec.target or labelof(item)
    self:record(rec, since)
  end
  return extra or 0
end

---Calls `f(target, index)` for every target, several at a time (-P), and reports what it returns: a record or
---a list of records, and perhaps a status; or nil, a net.error and perhaps a status.
---@async
---@param list any[]
---@param f fun(target: any, index: integer): table?, any, integer?
---@return integer status of the one target; of several 0 if all are well, else 1
---```lua
---local run = function(_, out)
---  return out:each({ 1, 2 }, function(n) return { square = n * n } end)
---end
---local _, results = net.tool.call({ columns = { "target", "square" }, run = run }, {})
---assert(results == "1  1\n2  4\n")
---```
function output:each(list, f)
  check.table("each", 1, list)
  check.callable("each", 2, f)
  local statuses, started, done = {}, 0, 0
  local scope <close> = net.scope()
  local function work()
    while started < #list do
      started = started + 1
      local index, since = started, net.now()
      local item = list[index]
      local result, extra, status = f(item, index) -- extra: an error, or the status
      if statuses[index] then return end -- the deadline was faster
      statuses[index] = reportone(self, item, since, result, extra, status)
      done = done + 1
      self:progress(done, #list)
    end
  end
  for _ = 1, math.min(self.parallel or PARALLEL, #list) do scope:spawn(work) end
  local good, err = scope:wait()
  if not good and not (type(err) == "table" and err.code == "TIMEOUT") then error(err, 0) end
  for index, item in ipairs(good and {} or list) do
    statuses[index] = statuses[index] or self:fail(labelof(item), err)
  end
  return self:status(overall(statuses, #list))
end

---Sums up: the last record with --summary, a hint in the human form.
---@param fields table of the record
---@param sentence? string for people; nil: none
---```lua
---local run = function(_, out) out:summary({ sent = 3, lost = 0 }, "3 sent, none lost") end
---local _, results, hints = net.tool.call({ run = run }, { "--json", "--summary" })
---assert(results == '{"v":1,"tool":"tool","summary":{"lost":0,"sent":3}}\n' and hints == "")
---```
function output:summary(fields, sentence)
  check.table("summary", 1, fields)
  if sentence ~= nil then check.bytes("summary", 2, sentence) end
  self.summed = true
  if not self.machine then return sentence and self:note(sentence) end
  if not self.args.summary or not self.form:find "^json" then return end
  local rec = { v = record.VERSION, tool = self.name, summary = fields }
  put(self, record.json(rec, self.form == "json-pretty", FIRST) .. "\n")
end

local function sumup(self)
  if self.summed or not self.args.summary then return end
  local ok, failed, ms = self.counts.ok, self.counts.failed, record.round((net.now() - self.began) * 1000)
  self:summary({ ok = ok, failed = failed, ms = ms }, ("%d ok, %d failed, %d ms"):format(ok, failed, ms // 1))
end

---Ends the output. Whoever runs the tool does this.
---@return integer status
---```lua
---assert(net.tool.call({ run = function(_, out) return out:finish() end }, {}) == 0)
---```
function output:finish()
  self.scope:close()
  self:flush()
  erase(self)
  if self.form == "csv" and not self.refused then namecolumns(self) end -- also of no rows
  for _, name in ipairs(self.fields or {}) do
    if self.counts.ok > 0 and not self.present[name] then
      self:note(("no record has a field %q"):format(name))
    end
  end
  sumup(self)
  return overall(self.statuses, math.max(#self.statuses, 1))
end

-- What was finished is written, whatever ended the tool.
function output:__close()
  self:flush()
  erase(self)
  self.scope:close()
  sumup(self)
end

return { new = new, class = output }
