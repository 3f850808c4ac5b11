-- net.message: waiting for the error queue of a datagram socket, on behalf of recvmsg.

local core = require "net.core.message"
local errors = require "net.core.error"
local task = require "net.core.task"

local message = {}

-- What failed where the socket has failed and its queue holds nothing: without the option `error` of
-- ancillary an ICMP error is kept beside it. A socket that is shut down has failed for good.
local function failure(s, state)
  local number = s:getsockopt "SO_ERROR"
  if number and number ~= 0 then return true, errors.errno("recvmsg", number) end
  return state.hangup
end

-- Data that is there makes the socket readable and says nothing of its error queue: that is waited for as a
-- failure.
function message.fromqueue(s, max, timeout)
  local deadline = timeout and task.now() + timeout
  local state
  while true do
    local data, info = core.queued(s, max)
    if data or info.code ~= "EAGAIN" then return data, info end
    if state then
      local last, why = failure(s, state)
      if last then return nil, why end
    end
    local left = deadline and math.max(deadline - task.now(), 0)
    local ready, err = require("net.select").poll({ { s, "" } }, left)
    if not ready then return nil, err end
    if #ready == 0 then return nil, errors.new("recvmsg", "TIMEOUT") end
    state = ready[1]
  end
end

return message
