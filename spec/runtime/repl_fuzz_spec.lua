-- Whatever is typed at the prompt, it lives: lines of random bytes and of random words of Lua. FUZZ=n types n
-- lines, SEED=n the same ones again.

local pty = require "pty"

local LINES = math.tointeger(tonumber(os.getenv "FUZZ")) or 1500
local SEED = math.tointeger(tonumber(os.getenv "SEED")) or os.time()
local ROUND = 2500 -- lines for one prompt, at most
local BATCH = 25   -- lines until ^C drops what may be open

-- ^C, ^D, ^Q, ^S, ^Z and ^\ are no input, but act on the terminal or leave.
local ACTING = { [3] = true, [4] = true, [17] = true, [19] = true, [26] = true, [28] = true }

-- No line takes away what the prompt itself is made of: nothing of that stands where it could be assigned to.
local TEXT = [[and break do else elseif end false for function goto if in local nil not or repeat return then
true until while + - * / // % ^ # & ~ | << >> == ~= <= >= < > = ( ) { } [ ] :: ; : , . .. ... x y z f g h
0 1 2 0x10 1e309 "" 'a' "\27[2J" [[ ]==] [==[ -- --[[ <close> <const> _ _err (print)(1) (type) (net.pair())
(net.ip) (error)(x) (pcall)(f) (setmetatable)({},{}) ("x"):rep(99) {} () x.y x:y .help .tasks .history .set
?net ??net.ip ?x. ?]]
local WORDS = {}
for word in TEXT:gmatch "%S+" do WORDS[#WORDS + 1] = word end

-- Bytes as keys come: mostly letters, with controls, escape sequences and UTF-8 in between.
local function bytes()
  local list = {}
  for i = 1, math.random(0, 40) do
    local kind, byte = math.random(10), math.random(0, 255)
    if kind <= 4 then byte = math.random(32, 126) end
    if ACTING[byte] then byte = 7 end
    list[i] = kind == 10 and "\27[" .. string.char(math.random(48, 126))
      or kind == 9 and utf8.char(math.random(0xa0, 0xd7ff)) or string.char(byte)
  end
  return table.concat(list)
end

local function tokens()
  local list = {}
  for i = 1, math.random(1, 12) do list[i] = WORDS[math.random(#WORDS)] end
  return table.concat(list, math.random(4) == 1 and "" or " ")
end

local function pasted()
  local text = math.random(2) == 1 and bytes() .. "\r" .. tokens() or tokens() .. "\r" .. tokens()
  return pty.paste(text)
end

-- Drops what is open, whatever that is, also a loop that runs.
local function recover(term, number)
  local word = "alive " .. number
  for _ = 1, 20 do
    term:type "\3"
    term:taken()
    term:enter(("('%%s %%d'):format('alive', %d)"):format(number))
    if pcall(term.expect, term, word, 0.25) then return end
  end
  term:expect(word, 0.25) -- fails, and tells what is on the screen
end

-- One prompt, which gets `count` lines of a kind.
local function round(kind, count, number)
  local term <close> = pty.prompt { args = { "-q" }, env = { VISUAL = "true", EDITOR = "true" } }
  for line = 1, count, BATCH do
    for _ = 1, math.min(BATCH, count - line + 1) do
      term:type(kind() .. "\r")
      if not pcall(term.taken, term) then break end -- a loop without end, most likely: ^C tells
    end
    recover(term, number * ROUND + line)
  end
  recover(term, number * ROUND)
  term:prompt()

  assert.is_true(term:alive())
  assert.equal("2", term:run "1 + 1")
  term:shows "> 1 + 1\n2\n>"
  local unknown = table.concat(term.screen.unknown, " ")
  assert.equal("", (unknown:gsub("\xc2[\x80-\x9f] ?", ""))) -- readline shows those as they were typed
  term:type "\4"
  assert.same({ "exited", 0 }, { term:exit() })
  assert.equal(term.before, term:attributes())
end

describe("the prompt", function()
  -- readline 8.2 jumps to where nobody is any more for a sequence that is bound to nothing, if that comes
  -- behind the key that ends a search, looks for a character or, in vi's way, ends the insertion.
  for name, keys in pairs {
    ["a search"] = "\18a\27Qabcdefgh\r", ["a search, and a long sequence"] = "\18\27[<0b|*\27[Q\12x\r",
    ["the look for a character"] = "\29\27G", ["another one"] = "\29\27{abc\r",
    ["the change to vi's way"] = "\27\r\27[5\x85", ["an argument"] = "\0275\27Q\27[5}x\r",
  } do
    it("lives through a sequence without a meaning behind " .. name, function()
      local term <close> = pty.prompt { args = { "-q" } }

      term:type(keys)
      term:taken()
      recover(term, 1)

      assert.is_true(term:alive())
    end)
  end
end)

describe(("the prompt, fuzzed with SEED=%d,"):format(SEED), function()
  for _, row in ipairs { { "bytes", bytes }, { "words of Lua", tokens }, { "pastes", pasted } } do
    local name, kind = table.unpack(row)
    local rounds = math.ceil(LINES / 3 / ROUND)
    for number = 1, rounds do
      it(("lives through random %s (%d)"):format(name, number), function()
        math.randomseed(SEED + number)

        round(kind, math.ceil(LINES / 3 / rounds), number)
      end)
    end
  end
end)
