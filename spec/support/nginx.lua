-- nginx: the web server as a peer, with everything it writes in its own folder.

local server = require "server"

local nginx = {}

---Its path, or nil where it is not installed.
nginx.path = server.find "nginx"

local CONFIG = [[
daemon off;
%s
worker_processes 1;
pid @FOLDER@/pid;
lock_file @FOLDER@/lock;
error_log @FOLDER@/error.log;
events { worker_connections 64; }
http {
  access_log off;
  client_body_temp_path @FOLDER@/body; proxy_temp_path @FOLDER@/proxy; fastcgi_temp_path @FOLDER@/fastcgi;
  uwsgi_temp_path @FOLDER@/uwsgi; scgi_temp_path @FOLDER@/scgi;
  %s
}
]]

---Starts it with what stands in its block `http`, and files for its folder; see server.start. It accepts
---connections on its port when this returns.
function nginx.start(http, files, port)
  local all = { ["nginx.conf"] = CONFIG:format(server.isroot() and "user root;" or "", http) }
  for name, text in pairs(files or {}) do all[name] = text end
  local command = ("exec '%s' -p @FOLDER@ -c @FOLDER@/nginx.conf"):format(nginx.path)
  return server.start({ command = command, files = all, port = port }):listening()
end

return nginx
