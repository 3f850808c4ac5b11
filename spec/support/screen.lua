-- screen: a small terminal, as xterm is one: what a program under TERM=xterm-256color writes goes in, rows of
-- text come out. Colours are left out. Rows that scrolled away are kept. Each character carries the number of
-- its writing, so that one can ask for what was written after something else.

local screen = {}
screen.__index = screen

local KEPT = 50000 -- rows that scrolled away
local TAB = 8

-- Pairs of first and last code point, ascending.
local ZERO = { 0x300, 0x36f, 0x483, 0x489, 0x591, 0x5bd, 0x610, 0x61a, 0x64b, 0x65f, 0x1ab0, 0x1aff, 0x1dc0,
  0x1dff, 0x200b, 0x200f, 0x202a, 0x202e, 0x2060, 0x2064, 0x20d0, 0x20ff, 0x3099, 0x309a, 0xfe00, 0xfe0f,
  0xfe20, 0xfe2f, 0xfeff, 0xfeff }
local WIDE = { 0x1100, 0x115f, 0x2e80, 0x303e, 0x3041, 0x33ff, 0x3400, 0x4dbf, 0x4e00, 0x9fff, 0xa000, 0xa4cf,
  0xa960, 0xa97c, 0xac00, 0xd7a3, 0xf900, 0xfaff, 0xfe30, 0xfe6f, 0xff01, 0xff60, 0xffe0, 0xffe6, 0x1f300,
  0x1f64f, 0x1f680, 0x1f6ff, 0x1f900, 0x1f9ff, 0x20000, 0x3fffd }

local function within(ranges, code)
  for index = 1, #ranges, 2 do
    if code < ranges[index] then return false end
    if code <= ranges[index + 1] then return true end
  end
  return false
end

local function width(code)
  if code < 0x300 then return 1 end
  return within(ZERO, code) and 0 or within(WIDE, code) and 2 or 1
end

---Columns that a text takes.
function screen.width(text)
  local sum = 0
  for _, code in utf8.codes(text) do sum = sum + width(code) end
  return sum
end

-- A row: in [column] the character (false: the right half of the one before; nil: never written), in `stamps`
-- when it was written. `wrapped`: the next row goes on with it.
local function blank()
  return { stamps = {} }
end

---A terminal of that size, empty, with the cursor in the upper left corner.
function screen.new(rows, cols)
  local self = setmetatable({ rows = rows, cols = cols, y = 1, x = 1, saved = { 1, 1 }, serial = 0, past = {},
    gone = 0, rest = "", bells = 0, unknown = {}, modes = { [7] = true, [25] = true } }, screen)
  for y = 1, rows do self[y] = blank() end
  return self
end

-- ---- what changes rows

-- A row as a text, its stamps as runs: the column and stamp where each begins.
local function compact(line)
  local pieces, last = {}, 0
  for x in pairs(line) do if math.type(x) == "integer" and x > last then last = x end end
  local runs = {}
  for x = 1, last do
    local stamp = line.stamps[x] or 0
    if line[x] ~= false then pieces[#pieces + 1] = line[x] or " " end
    if not runs[1] or stamp ~= runs[#runs] + x - runs[#runs - 1] then
      runs[#runs + 1], runs[#runs + 2] = x, stamp
    end
  end
  return { text = table.concat(pieces), runs = runs, wrapped = line.wrapped }
end

local function keep(self, line)
  if self.other then return end -- the alternate screen has no past
  table.insert(self.past, compact(line))
  if #self.past > KEPT then
    self.past = table.move(self.past, KEPT // 2 + 1, #self.past, 1, {})
    self.gone = self.gone + KEPT // 2
  end
end

local function scroll(self)
  keep(self, self[1])
  table.move(self, 2, self.rows, 1)
  self[self.rows] = blank()
end

local function index(self)
  self.pending = false
  if self.y < self.rows then self.y = self.y + 1 else scroll(self) end
end

local function reverseindex(self)
  self.pending = false
  if self.y > 1 then
    self.y = self.y - 1
  else
    table.move(self, 1, self.rows - 1, 2)
    self[1] = blank()
  end
end

-- A character that loses one half is gone.
local function halve(line, x)
  if line[x] == false then line[x - 1], line[x] = " ", " " end
  if line[x + 1] == false then line[x + 1] = " " end
end

local function erase(self, y, first, last)
  local line = self[y]
  if line[first] == false then halve(line, first) end
  if line[last + 1] == false then line[last + 1] = " " end
  for x = first, last do line[x], line.stamps[x] = nil, nil end
  if last >= self.cols then line.wrapped = nil end
end

local function insertcells(self, count)
  local line, x = self[self.y], self.x
  if line[x] == false then halve(line, x) end
  for at = self.cols, x + count, -1 do
    line[at], line.stamps[at] = line[at - count], line.stamps[at - count]
  end
  erase(self, self.y, x, math.min(x + count - 1, self.cols))
end

local function deletecells(self, count)
  local line, x = self[self.y], self.x
  if line[x] == false then halve(line, x) end
  if line[x + count] == false then line[x + count] = " " end
  for at = x, self.cols do
    local from = at + count <= self.cols and at + count or nil
    line[at], line.stamps[at] = from and line[from], from and line.stamps[from]
  end
  line.wrapped = nil
end

local function insertrows(self, count)
  for _ = 1, math.min(count, self.rows - self.y + 1) do
    table.remove(self, self.rows)
    table.insert(self, self.y, blank())
  end
end

local function deleterows(self, count)
  for _ = 1, math.min(count, self.rows - self.y + 1) do
    table.remove(self, self.y)
    table.insert(self, self.rows, blank())
  end
end

-- ---- characters

local function wrap(self)
  self[self.y].wrapped = true
  index(self)
  self.x = 1
end

local function put(self, character, columns)
  if self.pending and self.modes[7] then wrap(self) end
  if columns == 2 and self.x == self.cols then
    if self.modes[7] then wrap(self) else self.x = self.x - 1 end
  end
  if self.inserting then insertcells(self, columns) end
  local line, x = self[self.y], self.x
  self.serial = self.serial + 1
  for at = x, x + columns - 1 do
    if line[at] == false or line[at + 1] == false then halve(line, at) end
    line[at], line.stamps[at] = at == x and character, self.serial
  end
  self.x = math.min(x + columns, self.cols)
  self.pending = x + columns > self.cols
end

-- The same for text that is plain ASCII.
local function putplain(self, text)
  local at = 1
  while at <= #text do
    put(self, text:sub(at, at), 1)
    local line, x, stamps = self[self.y], self.x, self[self.y].stamps
    local count = not self.pending and not self.inserting and math.min(#text - at, self.cols - x) or 0
    if count > 0 then
      halve(line, x)
      halve(line, x + count - 1)
      for n = 0, count - 1 do
        line[x + n], stamps[x + n] = text:sub(at + 1 + n, at + 1 + n), self.serial + 1 + n
      end
      self.serial, self.x = self.serial + count, x + count
    end
    at = at + 1 + count
  end
end

-- What has no width joins what is before it.
local function combine(self, character)
  local line, x = self[self.y], self.pending and self.x or self.x - 1
  if line[x] == false then x = x - 1 end
  if not line[x] then return end
  self.serial = self.serial + 1
  line[x], line.stamps[x] = line[x] .. character, self.serial
end

local function show(self, character)
  local code = utf8.codepoint(character)
  if code < 0xa0 then -- the controls of C1
    self.unknown[#self.unknown + 1] = character
    return
  end
  local columns = width(code)
  if columns == 0 then return combine(self, character) end
  put(self, character, columns)
end

-- ---- control sequences

local function note(self, sequence)
  self.unknown[#self.unknown + 1] = sequence
end

local function move(self, y, x)
  self.y, self.x = math.max(1, math.min(y, self.rows)), math.max(1, math.min(x, self.cols))
  self.pending = false
end

local function eraserow(self, how)
  local x = self.x
  erase(self, self.y, how == 0 and x or 1, how == 1 and x or self.cols)
  self.pending = false
end

local function erasedisplay(self, how)
  if how == 3 then
    self.gone, self.past = self.gone + #self.past, {}
    return
  end
  eraserow(self, how)
  local first, last = how == 0 and self.y + 1 or 1, how == 1 and self.y - 1 or self.rows
  for y = first, last do self[y] = blank() end
end

local function save(self)
  self.saved = { self.y, self.x }
end

local function restore(self)
  move(self, self.saved[1], self.saved[2])
end

local function alternate(self, on)
  if on == (self.other ~= nil) then return end
  local other = self.other or {}
  for y = 1, self.rows do self[y], other[y] = other[y] or blank(), self[y] end
  self.other = on and other or nil
end

-- Private modes that change nothing that is looked at here, besides those that do.
local PRIVATE = { [1] = true, [7] = true, [12] = true, [25] = true, [1034] = true, [2004] = true }

local function setmode(self, private, number, on)
  if private and (number == 1049 or number == 1047 or number == 47) then
    if number == 1049 and on then save(self) end
    alternate(self, on)
    if number == 1049 and not on then restore(self) end
  elseif private and PRIVATE[number] then
    self.modes[number] = on
  elseif not private and number == 4 then
    self.inserting = on
  else
    return false
  end
  return true
end

local function up(self, n) move(self, self.y - n, self.x) end
local function down(self, n) move(self, self.y + n, self.x) end
local function right(self, n) move(self, self.y, self.x + n) end
local function left(self, n) move(self, self.y, self.x - n) end
local function column(self, n) move(self, self.y, n) end

-- With a count or position that is 1 if absent or 0.
local counted = {
  A = up, B = down, C = right, D = left, e = down, a = right, G = column, ["`"] = column,
  E = function(self, n) move(self, self.y + n, 1) end,
  F = function(self, n) move(self, self.y - n, 1) end,
  H = function(self, y, x) move(self, y, x) end,
  f = function(self, y, x) move(self, y, x) end,
  d = function(self, n) move(self, n, self.x) end,
  ["@"] = insertcells, P = deletecells, L = insertrows, M = deleterows,
  X = function(self, n) erase(self, self.y, self.x, math.min(self.x + n - 1, self.cols)) end,
  S = function(self, n) for _ = 1, math.min(n, self.rows) do scroll(self) end end,
}

local function control(self, sequence)
  local private, list, final = sequence:match "^\27%[(%??)([%d;:]*)([@-~])$"
  if not final then return note(self, sequence) end
  local numbers = {}
  for digits in (list .. ";"):gmatch "([^;]*);" do numbers[#numbers + 1] = tonumber(digits) or 0 end
  if final == "h" or final == "l" then
    for _, number in ipairs(numbers) do
      if not setmode(self, private ~= "", number, final == "h") then note(self, sequence) end
    end
  elseif private ~= "" then
    note(self, sequence)
  elseif counted[final] then
    counted[final](self, math.max(1, numbers[1]), math.max(1, numbers[2] or 1))
  elseif final == "K" and numbers[1] <= 2 then
    eraserow(self, numbers[1])
  elseif final == "J" and numbers[1] <= 3 then
    erasedisplay(self, numbers[1])
  elseif final ~= "m" then
    note(self, sequence)
  end
end

local function backspace(self)
  left(self, 1)
end

local function tabulate(self)
  column(self, ((self.x - 1) // TAB + 1) * TAB + 1)
end

local controls = {
  ["\0"] = function() end, -- padding
  ["\7"] = function(self) self.bells = self.bells + 1 end,
  ["\8"] = backspace,
  ["\t"] = tabulate,
  ["\n"] = index, ["\11"] = index, ["\12"] = index,
  ["\r"] = function(self) column(self, 1) end,
  ["\127"] = function() end,
}

local escapes = {
  ["7"] = save, ["8"] = restore, D = index, M = reverseindex,
  E = function(self)
    index(self)
    self.x = 1
  end,
  ["="] = function() end, [">"] = function() end, -- the keypad
  ["\\"] = function() end, -- the end of a string
}

-- Where the sequence that begins with an escape at `at` ends, or nil if more has to come.
local function finish(text, at)
  local second = text:sub(at + 1, at + 1)
  if second == "" then return nil end
  if second == "[" then
    local last = text:match("^[0-?]*[ -/]*()", at + 2)
    return last <= #text and last or nil
  end
  if second == "]" or second == "P" or second == "_" or second == "^" then
    return select(2, text:find("^.[^\7\27]*\7", at)) or select(2, text:find("^.[^\7\27]*\27\\", at))
  end
  if second:find "[ -/]" then return select(2, text:find("^[ -/]+[0-~]", at + 1)) end
  return at + 1
end

local function escape(self, sequence)
  local second = sequence:sub(2, 2)
  if second == "[" then return control(self, sequence) end
  if second == "]" and sequence:find "^\27%][012];" then return end -- a title
  if sequence:find "^\27[()][B0]$" then return end -- character sets: B is what there is
  local act = #sequence == 2 and escapes[second]
  if not act then return note(self, sequence) end
  act(self)
end

-- One character at `at`: where the next begins, or nil if more has to come.
local function character(self, text, at)
  local length = text:find("^[\xc2-\xdf]", at) and 2 or text:find("^[\xe0-\xef]", at) and 3
    or text:find("^[\xf0-\xf4]", at) and 4 or 1
  local found = text:match("^[\xc2-\xf4][\x80-\xbf]*", at)
  if length > 1 and found and #found < length and at + #found > #text then return nil end
  local good = length > 1 and text:sub(at, at + length - 1)
  if not good or not utf8.len(good) then
    put(self, "\u{fffd}", 1)
    return at + 1
  end
  show(self, good)
  return at + length
end

-- What begins at `at`, one sequence or character: where the next begins, or nil if more has to come.
local function step(self, text, at)
  local last = select(2, text:find("^[ -~]+", at))
  if last then
    putplain(self, text:sub(at, last))
    return last + 1
  end
  local byte = text:sub(at, at)
  if byte == "\27" then
    local stop = finish(text, at)
    if not stop then return nil end
    escape(self, text:sub(at, stop))
    return stop + 1
  end
  if not byte:find "[\0-\31\127]" then return character(self, text, at) end
  local act = controls[byte] or note
  act(self, byte)
  return at + 1
end

---What a program writes; a sequence may come in pieces.
function screen:feed(bytes)
  local text, at = self.rest .. bytes, 1
  self.rest = ""
  while at <= #text do
    local after = step(self, text, at)
    if not after then
      self.rest = text:sub(at)
      return
    end
    at = after
  end
end

---Another size. Rows are cut or filled up, never wrapped anew; the cursor stays in the text.
function screen:resize(rows, cols)
  while self.rows > rows do
    if self.y == self.rows then
      keep(self, table.remove(self, 1))
      self.y = self.y - 1
    else
      table.remove(self)
    end
    self.rows = self.rows - 1
  end
  for y = self.rows + 1, rows do self[y] = blank() end
  self.rows, self.cols = rows, cols
  for y = 1, rows do
    for x = cols + 1, #self[y] do self[y][x], self[y].stamps[x] = nil, nil end
  end
  move(self, self.y, self.x)
end

-- ---- looking at it

local function trimmed(text)
  return (text:gsub(" +$", ""))
end

---The text of a row, the first is 1, without blanks at its end.
function screen:row(y)
  return trimmed(compact(self[y]).text)
end

---The number of the last row that is not empty; 0 if all are.
function screen:last()
  for y = self.rows, 1, -1 do
    if self:row(y) ~= "" then return y end
  end
  return 0
end

---The rows that are seen, without blanks at the end of any and empty ones at the end.
function screen:text()
  local rows = {}
  for y = 1, self:last() do rows[y] = self:row(y) end
  return table.concat(rows, "\n")
end

---The number of rows that there have ever been above the first one that is seen.
function screen:above()
  return self.gone + #self.past
end

-- Rows from a number on, as compact ones, the last of them the last that is not empty.
local function rowsfrom(self, first)
  local rows = {}
  local shift = self:above()
  for number = math.max(first, self.gone + 1), shift do rows[#rows + 1] = self.past[number - self.gone] end
  for y = math.max(1, first - shift), self:last() do rows[#rows + 1] = compact(self[y]) end
  return rows
end

---The lines from row `first` on (1: the oldest): rows, or, if `joined`, with those that wrapped as one.
function screen:lines(first, joined)
  local lines, open = {}, false
  for _, row in ipairs(rowsfrom(self, first)) do
    if open then lines[#lines] = lines[#lines] .. row.text else lines[#lines + 1] = row.text end
    open = joined and row.wrapped
  end
  for number, line in ipairs(lines) do lines[number] = trimmed(line) end
  return lines
end

---All rows that there are, scrolled away or seen; if `joined`, those that wrapped are one line.
function screen:all(joined)
  return table.concat(self:lines(1, joined), "\n")
end

---Row and column of the cursor, from 1. Behind the last column it stays on that column.
function screen:cursor()
  return self.y, self.x
end

-- When the last of the characters that take bytes `first` to `last` of a row was written.
local function newest(row, first, last)
  local stamp, x = 0, 1
  for at, code in utf8.codes(row.text) do
    if at > last then break end
    if at >= first then
      for run = #row.runs - 1, 1, -2 do
        if row.runs[run] <= x then
          stamp = math.max(stamp, row.runs[run + 1] + x - row.runs[run])
          break
        end
      end
    end
    x = x + width(code)
  end
  return stamp
end

-- The rows as one text, and the byte where each of them begins.
local function joinrows(rows)
  local pieces, starts, at = {}, {}, 1
  for number, row in ipairs(rows) do
    starts[number] = at
    pieces[number] = row.wrapped and row.text or row.text .. "\n"
    at = at + #pieces[number]
  end
  return table.concat(pieces), starts
end

local function stampof(rows, starts, first, last)
  local stamp = 0
  for number = #rows, 1, -1 do
    local from, to = first - starts[number] + 1, last - starts[number] + 1
    if to >= 1 then stamp = math.max(stamp, newest(rows[number], math.max(from, 1), to)) end
    if from >= 1 then break end
  end
  return stamp
end

---Looks for a plain text of which something was written after `mark`, from row `first` on. Rows that wrapped
---are one, others end with a newline. Gives the mark of the one that was written first.
function screen:find(text, mark, first)
  local rows = rowsfrom(self, first or 1)
  local all, starts = joinrows(rows)
  local best
  local from, to = all:find(text, 1, true)
  while from do
    local stamp = stampof(rows, starts, from, to)
    if stamp > mark and (not best or stamp < best) then best = stamp end
    from, to = all:find(text, from + 1, true)
  end
  return best
end

return screen
