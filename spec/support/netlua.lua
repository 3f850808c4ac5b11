-- netlua: runs the program itself as a child, with a limit on its time.

local netlua = {}

local PATIENCE = 30 -- seconds; with sanitizers, beside other work, some commands take several

-- The interpreter of this run: the sanitizer build tests the sanitizer build.
netlua.program = os.getenv "NETLUA" or "./netlua"

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

---Runs a shell command around the program: `%s` stands for it. Returns stdout, stderr and the exit status,
---128 + n for a signal.
function netlua.shell(command, seconds)
  local out, err = os.tmpname(), os.tmpname()
  local full = ("timeout -k 1 %g sh -c %s >%s 2>%s </dev/null"):format(seconds or PATIENCE,
    quote((command:gsub("%%s", (netlua.program:gsub("%%", "%%%%"))))), out, err)
  local _, how, code = os.execute(full)
  local function take(name)
    local file <close> = assert(io.open(name, "rb"))
    os.remove(name)
    return file:read "a"
  end
  return take(out), take(err), how == "signal" and 128 + code or code
end

---Runs a script given as text, with the arguments after it.
function netlua.run(script, ...)
  local name = os.tmpname()
  local file <close> = assert(io.open(name, "wb"))
  file:write(script)
  file:close()
  local words = {}
  for _, word in ipairs { ... } do words[#words + 1] = quote(word) end
  local out, err, status = netlua.shell("%s " .. name .. " " .. table.concat(words, " "))
  os.remove(name)
  return out, err, status
end

return netlua
