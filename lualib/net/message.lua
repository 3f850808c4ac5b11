-- net.message: waiting for the error queue of a datagram socket, on behalf of recvmsg.

local core = require "net.core.message"
local task = require "net.core.task"

local message = {}

-- Data that is there makes the socket readable and says nothing of its error queue: that is waited for as a
-- failure. A socket that is shut down has failed for good, with or without something in the queue.
function message.fromqueue(s, max, timeout)
  local deadline = timeout and task.now() + timeout
  local last
  while true do
    local data, info = core.queued(s, max)
    if data or info.code ~= "EAGAIN" then return data, info end
    if last then return nil end
    local left = deadline and math.max(deadline - task.now(), 0)
    local ready, err = require("net.select").poll({ { s, "" } }, left)
    if not ready then return nil, err end
    if #ready == 0 then return nil, require("net.core.error").new("recvmsg", "TIMEOUT") end
    last = ready[1].hangup
  end
end

return message
