-- tour: what netlua does, shown in seven steps on servers that it starts itself. The code that a step shows
-- is the code that runs; then the tour checks what came out of it.

local CLIENTS = 1000
local LIMIT = 8 -- seconds for one step
local SPARE = 8 -- descriptors kept for the loop, the listener and pipes
local NGINX_START = 5
local TEXT, SENTENCE = 76, 68 -- columns of running text and of outcomes

-- ---- output

local colors = { bold = "1", dim = "2", good = "32", bad = "1;31" }
local colored = false

local function paint(style, text)
  return colored and ("\27[%sm%s\27[0m"):format(colors[style], text) or text
end

local function say(...)
  io.write(...)
  io.write "\n"
  io.flush()
end

local function wantscolor()
  if os.getenv "NO_COLOR" or os.getenv "TERM" == "dumb" then return false end
  return os.execute "test -t 1" == true
end

-- 1234567 -> "1,234,567"
local function count(n)
  local text = tostring(n):reverse():gsub("(%d%d%d)", "%1,"):reverse()
  return (text:gsub("^,", ""))
end

local function showcode(code)
  for line in code:gmatch "([^\n]*)\n" do
    say(line == "" and "" or "     " .. paint("dim", line))
  end
end

-- ---- the steps: `code` runs with `given` as its globals; `check` makes a sentence of what it returns, or
-- raises one where that is not what the step promised. More sentences become lines of their own.

local function expect(condition, ...)
  if not condition then error(table.concat({ ... }), 0) end
end

local function capture(command)
  local pipe <close> = assert(io.popen(command))
  return (pipe:read "a":gsub("%s+$", ""))
end

-- The lowest free descriptor: as many as are open, where there are no holes.
local function descriptors()
  local probe <close> = assert(net.udp {})
  return probe:fileno()
end

local function allowed()
  return tonumber(capture "ulimit -n") or math.huge
end

local thousand = {
  title = "A thousand clients and their server, in one process",
  text = "A task for each side of each connection. numbers is 1 to 1000; together() waits for all.",
  code = [[
local server <close> = assert(net.listen("127.0.0.1", 0))
local address, port = server:getsockname()
net.spawn(server.serve, server, function(client)
  for line in client:lines "L" do client:write(line) end
end)

local function talk(number)
  local s <close> = assert(net.connect(address, port))
  for round = 1, 3 do
    local line = ("client %d, line %d"):format(number, round)
    s:write(line, "\n")
    if s:read() == line then echoes = echoes + 1 end
  end
  together()
end
net.map(numbers, talk, { limit = atonce })
return echoes
]],
}

function thousand.given()
  local limit = allowed()
  local room = math.max((math.min(limit, 2 ^ 30) - descriptors() - SPARE) // 2 | 0, 1)
  local given = { numbers = {}, echoes = 0, atonce = math.min(CLIENTS, room), limit = limit }
  for n = 1, CLIENTS do given.numbers[n] = n end
  local present, everybody = 0, net.event()
  function given.together()
    present = present + 1
    if present == given.atonce then
      given.descriptors = descriptors()
      everybody:set()
    end
    everybody:wait()
  end
  return given
end

function thousand.check(given, seconds, echoes)
  expect(echoes == 3 * CLIENTS, count(echoes), " of ", count(3 * CLIENTS), " lines came back right")
  local sentence = "%s clients, %s lines sent, %s came back right, in %.2f s; %s descriptors at the most"
  sentence = sentence:format(count(CLIENTS), count(3 * CLIENTS), count(echoes), seconds,
    count(given.descriptors))
  if given.atonce == CLIENTS then return sentence, "All of them were connected at the same time." end
  local fewer = "%s connected at a time: this shell allows %s open files; `ulimit -n %d` allows all at once."
  return sentence, fewer:format(count(given.atonce), count(given.limit), 2 * CLIENTS + 96)
end

local deadline = {
  title = "A deadline",
  text = "This listener never answers. Every wait inside net.timeout ends when its time is over.",
  code = [[
local silent <close> = assert(net.listen("127.0.0.1", 0))
local s <close> = assert(net.connect(silent:getsockname()))

local began = net.now()
local line, err = net.timeout(0.25, s.read, s)
return line, err, net.now() - began
]],
}

function deadline.check(_, _, line, err, seconds)
  expect(line == nil and err and err.code == "TIMEOUT", "the read gave ", tostring(line), ", ", tostring(err))
  expect(seconds >= 0.25 and seconds < 5, ("it fired after %.3f s"):format(seconds))
  return ("asked for 0.25 s, it fired after %.4f s: %s"):format(seconds, tostring(err))
end

local halfclose = {
  title = "A half-close",
  text = "The client says that it has sent everything, and still reads the answer.",
  code = [[
local server <close> = assert(net.listen("127.0.0.1", 0))
local scope <close> = net.scope { timeout = 5 }
scope:spawn(function()
  local client <close> = assert(server:accept())
  local request = client:read "a"           -- to the end
  client:write("got ", #request, " bytes, the end included\n")
end)

local s <close> = assert(net.connect(server:getsockname()))
s:write(("x"):rep(100000))
s:shutdown "w"
return s:read "a"
]],
}

function halfclose.check(_, _, answer, err)
  expect(answer == "got 100000 bytes, the end included\n", "the answer was ", tostring(answer or err))
  return ("sent 100,000 bytes and the end, then read the answer: %q"):format(answer:sub(1, -2))
end

local canceled = {
  title = "Tasks that cannot be forgotten",
  text = "Leaving a scope cancels what still waits in it, whatever it waits for, and waits until it is gone.",
  code = [[
local tasks, began = {}, nil
do
  local scope <close> = net.scope()
  local channel, reader, silent = net.channel(), net.pair()
  for n = 1, 100 do
    tasks[n] = scope:spawn(net.sleep, 3600)
    tasks[100 + n] = scope:spawn(channel.receive, channel)
  end
  tasks[201] = scope:spawn(reader.read, reader)
  net.sleep(0.01)                           -- now all 201 wait
  began = net.now()
end
return tasks, net.now() - began
]],
}

function canceled.check(_, _, tasks, seconds)
  local gone = 0
  for _, task in ipairs(tasks) do
    local _, err = task:join(0)
    if err and err.code == "CANCELED" then gone = gone + 1 end
  end
  expect(gone == 201, "201 tasks were canceled and ", count(gone), " are gone")
  local sentence = "%d tasks waited, %d are gone, %.1f ms after the scope was left"
  return sentence:format(#tasks, gone, seconds * 1000)
end

local refused = {
  title = "A failure that explains itself",
  text = "Nobody listens on this port. The error keeps what became of each address of the name.",
  code = [[
local reserved <close> = assert(net.socket("inet", "stream"))
assert(reserved:bind("127.0.0.1", 0))       -- taken, but no listener
local _, port = reserved:getsockname()

local s, err = net.connect("localhost", port, { timeout = 5 })
return s, err
]],
}

function refused.check(_, _, s, err)
  expect(not s and err.code == "ECONNREFUSED", "connect gave ", tostring(s), ", ", tostring(err))
  expect(err.attempts and #err.attempts > 0, "the error has no attempts")
  local lines = { tostring(err) }
  for n, attempt in ipairs(err.attempts) do
    lines[#lines + 1] = ("err.attempts[%d]: %s after %.2f ms"):format(n, tostring(attempt), attempt.ms)
  end
  lines[#lines + 1] = "err:explain(): " .. err:explain()
  return table.unpack(lines)
end

local verified = {
  title = "TLS, verified",
  text = "An authority and a certificate for server.test are made on the spot. The second connection asks "
    .. "for another name.",
  code = [[
local ca, cakey = net.x509.make { subject = "CN=Tour CA", ca = true }
local cert, key = net.x509.make {
  subject = "CN=server.test", names = { "server.test" },
  issuer = { certificate = ca, key = cakey },
}
local options = { tls = { cert = cert:pem(), key = key } }
local listener <close> = assert(net.listen("127.0.0.1", 0, options))
net.spawn(listener.serve, listener, function(client)
  client:write "for your eyes only\n"
end)

local _, port = listener:getsockname()
local function connect(host)
  local tls = { ca = ca:pem(), host = host }
  return net.connect("127.0.0.1", port, { tls = tls })
end
local s <close> = assert(connect "server.test")
return s:read(), s:tls(), select(2, connect "other.test")
]],
}

function verified.check(_, _, line, info, err)
  expect(line == "for your eyes only", "the server sent ", tostring(line))
  expect(info and info.verified, "the connection is not verified")
  expect(err and err.code == "TLS_VERIFY", "another name gave ", tostring(err))
  return ("%s, %s, verified: %s"):format(info.protocol, info.cipher, info.certificate.subject), tostring(err),
    "err:explain(): " .. err:explain()
end

-- ---- a real web server

local CONFIG = [[
daemon off;
%sworker_processes 1;
pid %q;
lock_file %q;
error_log %q;
events { worker_connections 64; }
http {
  access_log off;
  default_type text/html;
  client_body_temp_path %q; proxy_temp_path %q; fastcgi_temp_path %q; uwsgi_temp_path %q; scgi_temp_path %q;
  server { listen 127.0.0.1:%d; root %q; }
}
]]

-- Runs nginx until its standard input ends, which it does when the handle is closed or this program is gone.
local RUN = [[
trap '' INT
exec 3<&0
'%s' -p '%s' -c '%s/nginx.conf' </dev/null >'%s/output' 2>&1 3<&- &
read -r nothing <&3
kill $! 2>/dev/null
wait $!
rm -rf '%s'
]]

local page = "<!doctype html>\n<title>netlua</title>\n" .. ("<p>Served by a real nginx.</p>\n"):rep(500)

local function writefile(name, text)
  local file <close> = assert(io.open(name, "wb"))
  assert(file:write(text))
end

local function readfile(name)
  local file <close> = io.open(name, "rb")
  return file and file:read "a" or ""
end

local function freeport()
  local listener <close> = assert(net.listen("127.0.0.1", 0))
  local _, port = listener:getsockname()
  return port
end

local function configure(dir, port)
  local function path(name) return dir .. "/" .. name end
  local user = capture "id -u" == "0" and ("user %s;\n"):format(capture "id -un") or ""
  writefile(path "nginx.conf", CONFIG:format(user, path "pid", path "lock", path "error.log", path "body",
    path "proxy", path "fastcgi", path "uwsgi", path "scgi", port, dir))
  writefile(path "index.html", page)
end

-- Until somebody listens on the port; false and nginx's own words if it gives up first.
local function answers(dir, port)
  local scope <close> = net.scope { timeout = NGINX_START }
  repeat
    local s <close> = net.connect("127.0.0.1", port, { timeout = 1 })
    if s then return true end
    local problem = (readfile(dir .. "/output") .. readfile(dir .. "/error.log")):match "%[emerg%][^\n]*"
    if problem then return false, problem end
    net.sleep(0.01)
  until scope:remaining() == 0
  return false, "nobody listens after " .. NGINX_START .. " s"
end

-- Somebody else may take the port in between: then another one.
local function startnginx(program)
  local problem
  for _ = 1, 3 do
    local dir, port = capture "mktemp -d -t netlua-tour.XXXXXX", freeport()
    expect(dir ~= "" and not dir:find "['\"\\$]", "there is no folder for temporary files")
    configure(dir, port)
    local handle = assert(io.popen(RUN:format(program, dir, dir, dir, dir), "w"))
    local ready
    ready, problem = answers(dir, port)
    if ready then return handle, port end
    handle:close()
  end
  error("nginx does not start: " .. problem, 0)
end

local web = {
  title = "A real server: HTTP by hand",
  text = "The tour has started nginx on a free port of this machine, as the user who runs it.",
  code = [[
local s <close> = assert(net.connect("127.0.0.1", port, { timeout = 5 }))
s:write("GET /index.html HTTP/1.0\r\nHost: localhost\r\n\r\n")
local status, headers = s:read(), {}
for line in s:lines() do
  if line == "" then break end
  headers[#headers + 1] = line
end
return status, headers, s:read "a"
]],
}

function web.given()
  local program = capture "PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nginx"
  expect(program ~= "", "nginx is not installed. On Debian and Ubuntu: apt-get install nginx-light")
  local handle, port = startnginx(program)
  return { port = port, server = handle }
end

function web.check(given, _, status, headers, body)
  given.server:close()
  expect(status and status:find "^HTTP/1%.1 200 ", "the status line is ", tostring(status))
  expect(body == page, "the body, ", #(body or ""), " bytes, differs from the ", #page, " of the file")
  local lines = { status }
  for _, line in ipairs(headers) do
    if line:find "^Server:" or line:find "^Content%-" or line:find "^Last" then lines[#lines + 1] = line end
  end
  lines[#lines + 1] = ("body: %s bytes, the same as in the file"):format(count(#body))
  lines[#lines + 1] = "nginx is stopped and its temporary folder removed."
  return table.unpack(lines)
end

local steps = { thousand, deadline, halfclose, canceled, refused, verified, web }

-- ---- running them

-- The values a step returned, under the step's own deadline.
local function perform(step, given)
  local environment = setmetatable(given, { __index = _G })
  local chunk = assert(load(step.code, "=" .. step.title, "t", environment))
  local began = net.now()
  local results = table.pack(net.timeout(LIMIT, chunk))
  return net.now() - began, table.unpack(results, 1, results.n)
end

local function run(step)
  local given = step.given and step.given() or {}
  local server <close> = given.server -- luacheck: ignore server
  return step.check(given, perform(step, given))
end

local function wrapped(text, width)
  local lines, line = {}, ""
  for word in text:gmatch "%S+" do
    if line ~= "" and #line + #word >= width then
      lines[#lines + 1], line = line, ""
    end
    line = line == "" and word or line .. " " .. word
  end
  lines[#lines + 1] = line
  return lines
end

local function sayall(label, style, sentences)
  for n, sentence in ipairs(sentences) do
    for m, line in ipairs(wrapped(sentence, SENTENCE)) do
      say(n == 1 and m == 1 and paint(style, label) or (" "):rep(#label), line)
    end
  end
end

local function show(number, step)
  say("\n", paint("bold", ("%d. %s"):format(number, step.title)))
  for _, line in ipairs(wrapped(step.text, TEXT)) do say("   ", line) end
  say()
  showcode(step.code)
  say()
  local outcome = table.pack(pcall(run, step))
  local err = outcome[2]
  if type(err) == "table" and err.code == "CANCELED" then error(err, 0) end -- ^C
  if outcome[1] then
    sayall("   ok      ", "good", { table.unpack(outcome, 2) })
  else
    sayall("   FAILED  ", "bad", { tostring(err) })
  end
  return outcome[1]
end

return {
  summary = "What netlua does, on servers that it starts itself.",
  usage = "",
  run = function(args)
    if #args > 0 then
      io.stderr:write "usage: netlua tour\n"
      return 2
    end
    colored = wantscolor()
    local began, fine = net.now(), 0
    say("netlua in seven steps. Each shows the code that it runs, then what came of it.\n",
      "Nothing leaves this machine.")
    for number, step in ipairs(steps) do
      if show(number, step) then fine = fine + 1 end
    end
    local total = ("%d of %d steps did what they say, in %.1f s."):format(fine, #steps, net.now() - began)
    say("\n", paint(fine == #steps and "good" or "bad", total))
    if fine < #steps then return 1 end
    say "Next: `netlua file.lua` runs a script, `netlua` alone opens a prompt."
    return 0
  end,
}
