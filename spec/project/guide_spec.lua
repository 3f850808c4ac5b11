-- Runs the guide and the README: every `lua` block is a script of its own, and an `output` block that
-- follows it is what it prints. On the fence: `file=NAME` keeps the script for the commands of the chapter,
-- `peer=echo` gives it the address of an echo server in arg[1] and arg[2]. A `sh` block that an `output`
-- block follows runs too, with `netlua` in its path; its output is both streams together. A `console` block
-- is what a terminal shows: what stands behind its prompts is typed at one, and `^C` is the key.

local lfs = require "lfs"
local netlua = require "netlua"
local pty = require "pty"

local SECONDS = 10

-- Runs before a script with peer=echo: a server for one client in a task beside it.
local ECHO = [[
local server = assert(net.listen("127.0.0.1", 0))
net.spawn(function()
  local listener <close> = server
  local client <close> = assert(listener:accept(5))
  for line in client:lines "L" do client:write(line) end
end)
arg[1], arg[2] = server:getsockname()
]]

local function readfile(name)
  local file <close> = assert(io.open(name, "rb"))
  return file:read "a"
end

local function writefile(name, text)
  local file <close> = assert(io.open(name, "wb"))
  assert(file:write(text))
end

-- The fenced blocks of a page: {kind, info, text, line, output}.
local function blocks(page)
  local found, open, number = {}, nil, 0
  for line in io.lines(page) do
    number = number + 1
    local kind, info = line:match "^```(%w*) ?(.*)$"
    if open and kind then
      open.text = table.concat(open, "\n") .. "\n"
      local before = found[#found]
      if open.kind == "output" and before then before.output = open.text else found[#found + 1] = open end
      open = nil
    elseif kind then
      open = { kind = kind, info = info, line = number }
    elseif open then
      open[#open + 1] = line
    end
  end
  assert(not open, page .. ": a block without end")
  return found
end

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- Runs a command in a folder of its own that holds the chapter's files, and netlua in its path.
local function run(chapter, command)
  local folder = os.tmpname()
  os.remove(folder)
  assert(lfs.mkdir(folder))
  for _, block in ipairs(chapter) do
    local name = block.info:match "file=(%S+)"
    if name then writefile(folder .. "/" .. name, block.text) end
  end
  writefile(folder .. "/block.sh", command)
  local program = netlua.program:find "^/" and netlua.program or lfs.currentdir() .. "/" .. netlua.program
  assert(lfs.link(program, folder .. "/netlua", true))
  local out, err, status = netlua.shell(("cd %s && PATH=$PWD:$PATH sh block.sh 2>&1"):format(folder), SECONDS)
  assert(os.execute("rm -r " .. quote(folder)))
  return out, err, status
end

local function script(block)
  local before = block.info:find "peer=echo" and "-e " .. quote(ECHO) or ""
  return ("netlua %s - <<'END-OF-BLOCK'\n%sEND-OF-BLOCK\n"):format(before, block.text)
end

-- Types a transcript, line by line, each when the screen is as it is said to be until there.
local function replay(transcript)
  local term <close> = pty.open { args = { "-q" }, rows = 60, cols = 88 }
  local shown = {}
  for line in transcript:gmatch "[^\n]+" do
    local prompt, typed = line:match "^(>>? )(.*)$"
    if prompt then
      shown[#shown + 1] = prompt:gsub(" ", "")
      term:shows(table.concat(shown, "\n"))
      term:enter(typed)
      shown[#shown] = line
    elseif line == "^C" then
      term:wait("the entry does not run", function() return term:modes().icanon end, nil, 0.01)
      term:type "\3"
      shown[#shown + 1] = line
    else
      shown[#shown + 1] = line
    end
  end
  term:shows(table.concat(shown, "\n") .. "\n>")
end

-- Nothing in these may be left out when a chapter is renamed.
local CHAPTERS = {
  "first-script", "waiting", "streams", "servers", "datagrams", "names", "reverse", "addresses", "bytes",
  "options", "timeouts", "shutdown", "multicast", "select", "interfaces", "ports", "path", "diagnose",
  "tls", "tls-servers", "certificates", "errors", "command-line", "prompt", "tools", "known", "recipes",
}

local pages = { "README.md" }
for _, name in ipairs(CHAPTERS) do pages[#pages + 1] = "docs/guide/" .. name .. ".md" end

for _, page in ipairs(pages) do
  local chapter = blocks(page)

  describe(page, function()
    it("has blocks that run and outputs to compare", function()
      local scripts, outputs = 0, 0

      for _, block in ipairs(chapter) do
        if block.kind == "lua" or (block.kind == "sh" and block.output) then scripts = scripts + 1 end
        if block.output then outputs = outputs + 1 end
      end

      assert.is_true(scripts > 0 and outputs > 0)
      assert.is_true(select(2, readfile(page):gsub("\n", "")) <= 160, "too long")
    end)

    for _, block in ipairs(chapter) do
      if block.kind == "lua" and not block.info:find "file=" then
        it(("runs line %d"):format(block.line), function()
          local out, _, status = run(chapter, script(block))

          if block.output then assert.equal(block.output, out) end
          assert.equal("0", tostring(status) .. (status == 0 and "" or ": " .. out))
        end)
      elseif block.kind == "sh" and block.output then
        it(("runs line %d"):format(block.line), function()
          local out = run(chapter, block.text)

          assert.equal(block.output, out)
        end)
      elseif block.kind == "console" then
        it(("replays line %d"):format(block.line), function() replay(block.text) end)
      end
    end
  end)
end

describe("the guide", function()
  it("has no chapter that is not run", function()
    local known, stray = { ["README.md"] = true }, {}
    for _, name in ipairs(CHAPTERS) do known[name .. ".md"] = true end

    for name in lfs.dir "docs/guide" do
      if name:find "%.md$" and not known[name] then stray[#stray + 1] = name end
    end

    assert.same({}, stray)
  end)
end)
