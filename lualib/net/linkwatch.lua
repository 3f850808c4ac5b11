-- net.linkwatch: what happens to interfaces and addresses, as events. The kernel tells states, and often the
-- same one twice: a watch remembers what it was told and says what is new. When the kernel had to drop
-- messages, that is said, and the difference to what is there now follows.

local core = require "net.core.iface"
local newerror = require "net.core.error".new
local task = require "net.core.task"
local check = require "net.check"

---Changes of the machine's interfaces and addresses. As a function it is an iterator that raises what `read`
---fails with, other than CLOSED. One task at a time may read. It is ready for net.select when events are left
---or the kernel has told something, which need not be news.
---@class net.linkwatch
local linkwatch = {}

---What has happened. Interfaces and addresses are as in net.interfaces, without `addresses`, `stats` and
---`speed_mbit`.
---@class net.linkwatch.event
---@field event string "added", "removed", "up" (carries packets), "down", "renamed", "changed",
--- "address_added", "address_removed", "address_changed", or "lost": the kernel dropped messages, and what
--- follows is the difference to the state now
---@field name string? of the interface; absent for "lost"
---@field index integer? of the interface; absent for "lost"
---@field interface net.interface? as it is now; of "removed", as it was
---@field address net.interface.address? as it is now; of "address_removed", as it was
---@field old_name string? of "renamed"
---@field changes string[]? of "changed" and "address_changed": the fields that differ; "up" and "down" stand
--- for up, running, operstate and flags

local states = setmetatable({}, { __mode = "k" })
-- watch -> {links, names, addresses: by index; queue, first; stale: to be read anew}

local LINKFIELDS = { "mtu", "mac", "master", "parent", "type", "kind" }
local LOSSES = { ENOBUFS = true, EBADMSG = true }
local STATEFIELDS = { "up", "operstate", "flags" } -- of a link that goes on running, or not running
local ADDRESSFIELDS = { "broadcast", "scope", "label", "flags" }

local function add(state, event, link, fields)
  fields = fields or {}
  fields.event = event
  if link then fields.name, fields.index, fields.interface = link.name, link.index, link end
  state.queue[#state.queue + 1] = fields
end

local function differ(a, b)
  if type(a) == "table" and type(b) == "table" then return table.concat(a, " ") ~= table.concat(b, " ") end
  return a ~= b
end

local function differences(fields, old, new, found)
  found = found or {}
  for _, field in ipairs(fields) do
    if differ(old[field], new[field]) then found[#found + 1] = field end
  end
  return found
end

-- ---- addresses

-- What makes an address another one.
local function key(address)
  return ("%s/%d %s"):format(address.address:gsub("%%.*", ""), address.prefix, address.peer or "")
end

local function droplink(state, index)
  local link = state.links[index]
  for _, address in pairs(state.addresses[index] or {}) do
    add(state, "address_removed", link, { address = address })
  end
  state.addresses[index], state.links[index], state.names[index] = nil, nil, nil
  if link.running then add(state, "down", link) end
  add(state, "removed", link)
end

local function setaddress(state, address)
  local link = state.links[address.index]
  if not link then return end -- its interface went already
  local known = state.addresses[address.index]
  local old = known[key(address)]
  known[key(address)] = address
  if not old then return add(state, "address_added", link, { address = address }) end
  local changes = differences(ADDRESSFIELDS, old, address)
  if #changes > 0 then add(state, "address_changed", link, { address = address, changes = changes }) end
end

local function dropaddress(state, address)
  local known = state.addresses[address.index]
  local old = known and known[key(address)]
  if not old then return end
  known[key(address)] = nil
  add(state, "address_removed", state.links[address.index], { address = old })
end

-- ---- links

-- One that is new begins as one that is down.
local function setlink(state, link)
  local old = state.links[link.index]
  link.mtu6, link.stats = nil, nil
  link.master, link.parent = state.names[link.master or 0], state.names[link.parent or 0]
  state.links[link.index], state.names[link.index] = link, link.name
  if not old then
    state.addresses[link.index] = {}
    add(state, "added", link)
    if link.running then add(state, "up", link) end
    return
  end
  if old.name ~= link.name then add(state, "renamed", link, { old_name = old.name }) end
  local changes = differences(LINKFIELDS, old, link)
  local switched = old.running ~= link.running
  if not switched then differences(STATEFIELDS, old, link, changes) end
  if #changes > 0 then add(state, "changed", link, { changes = changes }) end
  if switched then add(state, link.running and "up" or "down", link) end
end

local function apply(state, change)
  if change.address then
    if change.gone then dropaddress(state, change.address) else setaddress(state, change.address) end
  elseif not change.gone then
    setlink(state, change.link)
  elseif state.links[change.link.index] then
    droplink(state, change.link.index)
  end
end

-- ---- the state as a whole

-- Removes what is not in the lists any more.
local function sweep(state, links, addresses)
  local present, kept = {}, {}
  for _, link in ipairs(links) do present[link.index], kept[link.index] = true, {} end
  for _, address in ipairs(addresses) do
    if kept[address.index] then kept[address.index][key(address)] = true end
  end
  for index in pairs(state.links) do
    if not present[index] then droplink(state, index) end
  end
  for index, known in pairs(state.addresses) do
    for name, address in pairs(known) do
      if not kept[index][name] then dropaddress(state, address) end
    end
  end
end

local function snapshot()
  local links, err = core.links()
  if not links then return nil, err end
  local addresses, problem = core.addresses()
  return addresses and links, addresses or problem
end

local function synchronize(state, links, addresses)
  sweep(state, links, addresses)
  for _, link in ipairs(links) do state.names[link.index] = link.name end
  for _, link in ipairs(links) do setlink(state, link) end
  for _, address in ipairs(addresses) do setaddress(state, address) end
end

-- After a loss. What came before it may be older than what the lists say.
local function recover(watch, state)
  local dropped, err = core.drop(watch)
  if not dropped then return nil, err end
  local links, addresses = snapshot()
  if not links then return nil, addresses end
  add(state, "lost")
  synchronize(state, links, addresses)
  state.stale = false
  return true
end

-- Makes events of what has come. Where that fails half way, for want of memory, the next call begins anew.
local function take(watch, state, timeout)
  if state.stale then return recover(watch, state) end
  local changes, err = core.receive(watch, timeout)
  if not changes and not LOSSES[err.code] then return nil, err end
  state.stale = true
  if not changes then return recover(watch, state) end
  for _, change in ipairs(changes) do apply(state, change) end
  state.stale = false
  return true
end

local function nextevent(state)
  local event = state.queue[state.first]
  if not event then return nil end
  state.queue[state.first] = nil
  state.first = state.first + 1
  if #state.queue == 0 then state.queue, state.first = {}, 1 end
  return event
end

---Waits for the next event.
---@async
---@param timeout? number seconds; nil: as long as the enclosing deadline allows; 0: what has come already
---@return net.linkwatch.event? event
---@return net.error? err TIMEOUT, CLOSED, BUSY, and where the state must be read anew those of net.interfaces
---```lua
---local watch <close> = assert(net.watch_links())
---assert(select(2, watch:read(0)).code == "TIMEOUT")
---```
function linkwatch:read(timeout)
  check.class("read", self, core.class.__index, "net.linkwatch")
  check.timeout("read", 1, timeout)
  local state = states[self]
  local limit = timeout or core.limit(self)
  local deadline = limit and task.now() + limit
  if not self:fileno() then return nil, newerror("read", "CLOSED") end
  while true do
    local event = nextevent(state)
    core.pending(self, state.queue[state.first] ~= nil)
    if event then return event end
    local ok, err = take(self, state, deadline and math.max(deadline - task.now(), 0))
    if not ok then return nil, err end
  end
end

local function iterate(watch)
  local event, err = watch:read()
  if event or err.code == "CLOSED" then return event end
  error(err, 2)
end

for name, method in pairs(linkwatch) do core.class.__index[name] = method end
core.class.__call = iterate

---@class net
local functions = {}

---Watches the interfaces and addresses of this machine: what changes from now on. List what is there after
---this call, and nothing is missed in between. A `for` loop over the result closes it where it ends.
---@return net.linkwatch? watch to be closed; also an iterator over events
---@return net.error|nil err those of net.interfaces
---@return nil
---@return net.linkwatch? closing the same again: what a `for` loop closes at its end
---@see rtnetlink(7)
---```lua
---local watch <close> = assert(net.watch_links())
---local event, err = watch:read(0.01)
---assert(event or err.code == "TIMEOUT")
---```
function functions.watch_links()
  local watch, err = core.open()
  if not watch then return nil, err end
  local links, addresses = snapshot()
  if not links then
    watch:close()
    return nil, addresses
  end
  local state = { links = {}, names = {}, addresses = {}, queue = {}, first = 1 }
  synchronize(state, links, addresses)
  state.queue = {}
  states[watch] = state
  return watch, nil, nil, watch
end

return functions
