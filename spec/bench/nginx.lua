-- nginx as a server with TLS: its certificate of P-256 is for example.test, by an authority made here too.

local frame = require "frame"

local nginx = {}

local CERTIFICATES = [[
cd %s && {
  openssl ecparam -name prime256v1 -genkey -noout -out ca.key &&
  openssl req -x509 -new -key ca.key -subj '/CN=authority of the benchmarks' -days 2 -out ca.pem &&
  openssl ecparam -name prime256v1 -genkey -noout -out key.pem &&
  openssl req -new -key key.pem -subj '/CN=example.test' -out request.pem &&
  printf 'subjectAltName=DNS:example.test\nbasicConstraints=CA:FALSE\n' >extensions &&
  openssl x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions \
    -out cert.pem
} >/dev/null 2>&1]]

local CONFIGURATION = [[
daemon off; master_process off; pid pid;
events { worker_connections 1024; }
http {
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  access_log off; sendfile on;
  server {
    listen 127.0.0.1:%d ssl backlog=1024;
    ssl_certificate cert.pem; ssl_certificate_key key.pem; ssl_protocols TLSv1.2 TLSv1.3;
    root .;
  }
}
]]

-- It ends when the pipe is closed, so also when the benchmark is ended.
local RUN = [[
trap '' INT HUP
cd %s && { PATH=$PATH:/usr/sbin nginx -p . -e errors -c configuration & } && read -r nothing
kill $! && wait $!]]

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

local function freeport()
  local listener <close> = assert(net.listen("127.0.0.1", 0))
  return select(2, listener:getsockname())
end

-- Sizes of files with nothing in them, by name: what the server has.
function nginx.start(files)
  local self = { folder = assert(frame.capture "mktemp -d -t netlua-bench.XXXXXX"):gsub("\n", "") }
  setmetatable(self, { __index = nginx, __close = nginx.close })
  self.quoted = frame.quote(self.folder)
  assert(frame.succeeds(CERTIFICATES:format(self.quoted)), "openssl makes no certificates")
  for name, bytes in pairs(files) do
    assert(frame.succeeds(("truncate -s %d %s/%s"):format(bytes, self.quoted, name)))
  end
  self.port = freeport()
  write(self.folder .. "/configuration", CONFIGURATION:format(self.port))
  self.pipe = assert(io.popen(RUN:format(self.quoted), "w"))
  local deadline = net.now() + 10
  while not net.is_port_open("127.0.0.1", self.port, 1) do
    assert(net.now() < deadline, "nginx does not start")
    net.sleep(0.01)
  end
  return self
end

-- The path of one of its files, for a command.
function nginx:file(name)
  return frame.quote(self.folder .. "/" .. name)
end

function nginx:close()
  if self.pipe then self.pipe:close() end
  os.execute("rm -rf " .. self.quoted)
end

return nginx
