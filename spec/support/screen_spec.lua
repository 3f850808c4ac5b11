-- The model of a terminal: what is checked here is what xterm does.

local screen = require "screen"

-- A terminal of 4 rows of 10 columns, or another size, that was written to.
local function after(bytes, rows, cols)
  local s = screen.new(rows or 4, cols or 10)
  s:feed(bytes)
  return s
end

local function shows(expected, bytes, rows, cols)
  local s = after(bytes, rows, cols)
  assert.equal(expected, s:text())
  assert.same({}, s.unknown)
  return s
end

local function at(s)
  return table.concat({ s:cursor() }, ",")
end

describe("the screen", function()
  it("is empty, with the cursor in the corner", function()
    local s = shows("", "")

    assert.equal("1,1", at(s))
    assert.equal(0, s:last())
  end)

  it("shows text, and moves with carriage return, line feed, backspace and tab", function()
    assert.equal("2,1", at(shows("one", "one\r\n")))
    assert.equal("2,4", at(shows("one", "one\n")))
    assert.equal("1,3", at(shows("onX", "one\8X\8")))
    assert.equal("1,1", at(shows("", "\8\8")))
    assert.equal("1,9", at(shows("a", "a\t")))
    assert.equal("1,10", at(shows("a", "a\t\t")))
    assert.equal("1,5", at(shows("Xbc de", "abc de\rX\27[3C")))
  end)

  it("counts bells and shows none", function()
    assert.equal(2, shows("ab", "a\7b\7").bells)
  end)

  it("wraps with the character after the last column, not before", function()
    local s = after "0123456789"
    assert.equal("1,10", at(s))

    s:feed "a"

    assert.equal("0123456789\na", s:text())
    assert.equal("0123456789a", s:all(true))
    assert.equal("2,2", at(s))
  end)

  it("makes no empty row of a newline behind a full one", function()
    local s = shows("0123456789\nabc", "0123456789\r\nabc")

    assert.equal("0123456789\nabc", s:all(true))
  end)

  it("forgets that it was to wrap when the cursor moves", function()
    shows("012345678X", "0123456789\27[20CX")
    shows("X123456789", "0123456789\rX")
    shows("01234567X9", "0123456789\8X")
  end)

  it("writes over the last column while it does not wrap", function()
    shows("012345678b", "\27[?7l0123456789ab")
  end)

  it("moves the cursor, and stops at the borders", function()
    assert.equal("3,4", at(shows("", "\27[3;4H")))
    assert.equal("4,10", at(shows("", "\27[99;99H")))
    assert.equal("1,1", at(shows("", "\27[3;4H\27[99A\27[99D")))
    assert.equal("4,10", at(shows("", "\27[99B\27[99C")))
    assert.equal("2,7", at(shows("", "\27[2d\27[7G")))
    assert.equal("3,1", at(shows("", "\27[5C\27[2E")))
    assert.equal("2,3", at(shows("", "\27[2;3H\0277\27[H\0278")))
  end)

  it("erases parts of a row", function()
    shows("abc", "abcdef\27[4G\27[K")
    shows("    ef", "abcdef\27[4G\27[1K")
    shows("", "abcdef\27[2K")
    shows("a  def", "abcdef\27[2G\27[2X")
    shows("012345678", "0123456789\27[K")
  end)

  it("erases parts of the display", function()
    local text = "one\r\ntwo\r\nthree\27[2;2H"

    shows("one\nt", text .. "\27[J")
    shows("\n  o\nthree", text .. "\27[1J")
    assert.equal("2,2", at(shows("", text .. "\27[2J")))
  end)

  it("inserts and deletes characters and rows", function()
    shows("ab  cd", "abcd\27[3G\27[2@")
    shows("01X2345678", "0123456789\27[3G\27[4hX\27[4l")
    shows("abef", "abcdef\27[3G\27[2P")
    shows("one\n\ntwo", "one\r\ntwo\27[L")
    shows("two", "one\r\ntwo\27[H\27[M")
  end)

  it("keeps what scrolls away", function()
    local s = shows("3\n4\n5\n6", "1\r\n2\r\n3\r\n4\r\n5\r\n6")

    assert.equal("1\n2\n3\n4\n5\n6", s:all())
    assert.equal(2, s:above())
    assert.same({ "5", "6" }, s:lines(5))
  end)

  it("scrolls backwards without a past", function()
    shows("\none", "one\27M")
  end)

  it("joins rows that wrapped while they scrolled", function()
    local s = after("0123456789abcdefghijklmnopqrst", 2)

    assert.equal("0123456789\nabcdefghij\nklmnopqrst", s:all())
    assert.equal("0123456789abcdefghijklmnopqrst", s:all(true))
  end)

  it("does not join what was erased since", function()
    local s = after "0123456789abc\27[1;5H\27[K"

    assert.equal("0123\nabc", s:all(true))
  end)

  it("knows characters of more bytes, two columns, and none", function()
    assert.equal("1,4", at(shows("é€x", "é€x")))
    assert.equal("1,5", at(shows("日本", "日本")))
    assert.equal("1,2", at(shows("e\u{301}", "e\u{301}")))
    shows("012345678e\u{301}", "012345678e\u{301}")
    shows("012345678\n日", "012345678日")
    assert.equal(5, screen.width "a日e\u{301}é")
  end)

  it("shows nothing of a character that lost a half", function()
    shows("X 本", "日本\rX")
    shows(" X本", "日本\27[2GX")
    shows("  本", "日本\27[2G\27[X")
  end)

  it("takes sequences and characters in pieces", function()
    local s = screen.new(4, 10)

    for byte in ("a\27[3;5Hé\27[1m日\27[0m\27[?2004hx"):gmatch "." do s:feed(byte) end

    assert.equal("a\n\n    é日x", s:text())
    assert.same({}, s.unknown)
  end)

  it("shows wrong bytes as such", function()
    shows("a\u{fffd}b\u{fffd}\u{fffd}", "a\xffb\xe2\x82\r")
  end)

  it("takes colours, modes, titles and keypads without a trace", function()
    local s = shows("red",
      "\27]0;title\7\27[1;31mred\27(B\27[m\27[?2004h\27[?1034h\27[?1h\27=\27[?25l\27]2;x\27\\")

    assert.is_true(s.modes[2004])
    assert.is_false(s.modes[25])
  end)

  it("comes back from the other screen as it was", function()
    local s = after "one\r\ntwo\27[?1049h\27[H\27[Jnine\r\n\r\n\r\n\r\n\r\n\r\n"
    assert.equal("", s:text())

    s:feed "\27[?1049l"

    assert.equal("one\ntwo", s:all())
    assert.equal("2,4", at(s))
  end)

  it("remembers what it does not know", function()
    for _, sequence in ipairs { "\27[5n", "\27[?99h", "\27[>c", "\27[3;4r", "\27Z", "\27Pq\27\\", "\14",
      "\u{9b}" } do
      assert.same({ sequence }, after("a" .. sequence).unknown)
    end
  end)

  it("keeps the cursor in the text when the size changes", function()
    local s = after "1\r\n2\r\n3\r\n4"

    s:resize(2, 20)
    assert.equal("3\n4", s:text())
    assert.equal("2,2", at(s))

    s:resize(5, 3)
    s:feed "567"
    assert.equal("3\n456\n7", s:text())
    assert.equal("1\n2\n3\n456\n7", s:all())
  end)
end)

describe("a search on the screen", function()
  it("finds text by when it was written", function()
    local s = after "one two\r\none"

    local first = s:find("one", 0)
    local two = s:find("two", first)
    local second = s:find("one", two)

    assert.is_true(first < two and two < second)
    assert.is_nil(s:find("one", second))
    assert.is_nil(s:find("three", 0))
  end)

  it("finds what was written above as new", function()
    local s = after "> abc"
    local mark = s:find("> abc", 0)

    s:feed "\r\27[Ktick\r\n> abc"

    assert.is_truthy(s:find("tick", mark))
    assert.is_truthy(s:find("> abc", s:find("tick", mark)))
  end)

  it("takes a text as new when its end is", function()
    local s = after "foo"
    local mark = s:find("foo", 0)

    s:feed "bar"

    assert.is_truthy(s:find("foobar", mark))
    assert.is_nil(s:find("foo", mark))
  end)

  it("looks across rows that wrapped, and across lines", function()
    local s = after "0123456789abc\r\ndef"

    assert.is_truthy(s:find("89ab", 0))
    assert.is_truthy(s:find("abc\ndef", 0))
    assert.is_nil(s:find("9\na", 0))
  end)

  it("finds what scrolled away, in order", function()
    local s = after "1 a\r\n2 日 b\r\n3\r\n4\r\n5\r\n6\r\n7"

    local a = s:find("a", 0)
    local b = s:find("b", a)

    assert.is_true(a < b)
    assert.is_nil(s:find("a", b))
    assert.is_nil(s:find("日 b", b))
    assert.is_truthy(s:find("3", b))
  end)
end)
