local connected = require "connected"

local pair = connected.pair

-- Sends the pieces one after the other, each received before the next is sent, and ends the stream.
local function feed(pieces)
  local near, far = net.pair()
  local writer = net.spawn(function()
    for _, piece in ipairs(pieces) do
      far:write(piece)
      if #pieces > 1 then net.sleep(1e-4) end -- the loop looks at the sockets meanwhile
    end
    far:shutdown "w"
  end)
  local function close()
    writer:cancel()
    near:close()
    far:close()
  end
  return setmetatable({}, { __close = close }), near
end

-- What a read gives, in a form that compares: values, code, partial, and what is left in the stream.
local function outcome(pieces, formats, limits)
  local _ <close>, s = feed(pieces)
  if limits then s:setlimits(limits) end
  local got = table.pack(net.timeout(30, s.read, s, table.unpack(formats)))
  local last = got[got.n]
  if type(last) == "table" then
    got[got.n] = last.code
    got.partial = last.partial
  end
  s:setlimits { max_read = 1 << 20 }
  got.rest = net.timeout(30, s.read, s, "a")
  return got
end

local function bytewise(text)
  local pieces = {}
  for i = 1, #text do pieces[i] = text:sub(i, i) end
  return pieces
end

local function want(rest, ...)
  local expected = table.pack(...)
  expected.rest = rest
  return expected
end

local function cut(rest, partial, ...)
  local expected = want(rest, ...)
  expected.partial = partial
  return expected
end

local digits200 = ("7"):rep(200)

-- claim, input, formats, what comes out
local cases = {
  { "nothing at all is an end for a line", "", { "l" }, want("", nil) },
  { "no format means a line", "one\ntwo", {}, want("two", "one") },
  { "a line loses its LF", "one\ntwo", { "l" }, want("two", "one") },
  { "a line loses its CRLF", "one\r\ntwo", { "l" }, want("two", "one") },
  { "a line loses one CR only", "one\r\r\ntwo", { "l" }, want("two", "one\r") },
  { "a CR inside a line stays", "o\rne\r\ntwo", { "l" }, want("two", "o\rne") },
  { "a CR at the beginning stays", "\rone\ntwo", { "l" }, want("two", "\rone") },
  { "an empty line is an empty string", "\n\r\nx", { "l", "l" }, want("x", "", "") },
  { "a line may hold NUL", "a\0b\nc", { "l" }, want("c", "a\0b") },
  { "L keeps LF", "one\ntwo", { "L" }, want("two", "one\n") },
  { "L keeps CRLF", "one\r\ntwo", { "L" }, want("two", "one\r\n") },
  { "the star of older Lua is taken", "one\ntwo", { "*l", "*a" }, want("", "one", "two") },
  { "a line without an end is cut short", "tail", { "l" }, cut("", "tail", nil, "EOF") },
  { "a CR alone ends no line", "tail\r", { "l" }, cut("", "tail\r", nil, "EOF") },
  { "L without an end is cut short", "tail", { "L" }, cut("", "tail", nil, "EOF") },
  { "a is everything", "one\ntwo\0", { "a" }, want("", "one\ntwo\0") },
  { "a at the end is an empty string", "", { "a" }, want("", "") },
  { "a again is empty", "xyz", { "a", "a" }, want("", "xyz", "") },
  { "a count is exact", "abcdef", { 3 }, want("def", "abc") },
  { "a count may be a float that is whole", "abcdef", { 3.0 }, want("def", "abc") },
  { "a count takes line ends as they are", "a\r\nb", { 3 }, want("b", "a\r\n") },
  { "all there is can be counted", "abc", { 3 }, want("", "abc") },
  { "a count of one more is cut short", "abc", { 4 }, cut("", "abc", nil, "EOF") },
  { "a count at the end is an end", "", { 4 }, want("", nil) },
  { "a count of nothing takes nothing", "abc", { 0 }, want("abc", "") },
  { "several formats in one call", "one\r\ntwo\n12 34rest", { "l", "L", "n", 3, "a" },
    want("", "one", "two\n", 12, " 34", "rest") },
  { "a count of nothing between others", "ab\ncd", { "l", 0, 2 }, want("", "ab", "", "cd") },
  { "the end between two formats gives what was complete and nil", "one\n", { "l", "l" },
    want("", "one", nil) },
  { "nothing is tried after the end", "one\n", { "l", "l", "a" }, want("", "one", nil) },
  { "the end inside a later format", "one\ntw", { "l", "l" }, cut("", "tw", "one", nil, "EOF") },
  { "an integer", "42\n", { "n" }, want("\n", 42) },
  { "a number that the end of the stream ends", "42", { "n" }, want("", 42) },
  { "a negative number", "-7 ", { "n" }, want(" ", -7) },
  { "a positive sign", "+7 ", { "n" }, want(" ", 7) },
  { "white space before a number", " \t\r\n 5x", { "n" }, want("x", 5) },
  { "a float", "1.5,", { "n" }, want(",", 1.5) },
  { "a float without an integer part", ".5,", { "n" }, want(",", 0.5) },
  { "a float without a fraction", "5.,", { "n" }, want(",", 5.0) },
  { "an exponent", "1e3,", { "n" }, want(",", 1000.0) },
  { "a signed exponent", "1E-2,", { "n" }, want(",", 0.01) },
  { "a hexadecimal number", "0xFf,", { "n" }, want(",", 255) },
  { "a hexadecimal float", "0x.8p1,", { "n" }, want(",", 1.0) },
  { "a zero before something else", "0z", { "n" }, want("z", 0) },
  { "two numbers and their separator", "1,2 ", { "n", 1, "n" }, want(" ", 1, ",", 2) },
  { "the largest integer", "9223372036854775807 ", { "n" }, want(" ", math.maxinteger) },
  { "a number of 200 digits", digits200 .. " ", { "n" }, want(" ", tonumber(digits200)) },
  { "201 digits are no number", digits200 .. "7 ", { "n" }, want(digits200 .. "7 ", nil, "EBADMSG") },
  { "a word is no number and stays", "abc", { "n" }, want("abc", nil, "EBADMSG") },
  { "a sign alone is no number and stays", "- 5", { "n" }, want("- 5", nil, "EBADMSG") },
  { "a sign at the end is a number cut short", "-", { "n" }, cut("", "-", nil, "EOF") },
  { "an exponent at the end is a number cut short", "1\n 1e", { "n", "n" }, cut("", "\n 1e", 1, nil, "EOF") },
  { "a point alone is no number", ".x", { "n" }, want(".x", nil, "EBADMSG") },
  { "0x alone is no number and stays", "0x\n", { "n" }, want("0x\n", nil, "EBADMSG") },
  { "an exponent without digits is no number and stays", "1e+ ", { "n" }, want("1e+ ", nil, "EBADMSG") },
  { "a word after a number leaves both", "1\nabc", { "n", "n" }, want("1\nabc", nil, "EBADMSG") },
  { "no number at the end", "", { "n" }, want("", nil) },
  { "white space up to the end is no number", "  ", { "n" }, cut("", "  ", nil, "EOF") },
  { "bytes above 127 are no number", "\xff1", { "n" }, want("\xff1", nil, "EBADMSG") },
  { "NUL is no number", "\0001", { "n" }, want("\0001", nil, "EBADMSG") },
  { "a line that just fits", "abc\nx", { "l" }, want("x", "abc"), { max_line = 4 } },
  { "a line one too long stays", "abcd\nx", { "l" }, want("abcd\nx", nil, "TOOBIG"), { max_line = 4 } },
  { "an unterminated line too long stays", "abcdef", { "L" }, want("abcdef", nil, "TOOBIG"),
    { max_line = 4 } },
  { "a number that just fits, blanks included", "  42,", { "n" }, want(",", 42), { max_line = 4 } },
  { "a number one too long stays", "12345,", { "n" }, want("12345,", nil, "TOOBIG"), { max_line = 4 } },
  { "a that just fits", "abcd", { "a" }, want("", "abcd"), { max_read = 4 } },
  { "a that is one too long stays", "abcde", { "a" }, want("abcde", nil, "TOOBIG"), { max_read = 4 } },
}

describe("reading:", function()
  for _, case in ipairs(cases) do
    local claim, input, formats, expected, limits = table.unpack(case)

    it(claim, function()
      assert.same(expected, outcome({ input }, formats, limits))
    end)

    it(claim .. ", one byte at a time", function()
      assert.same(expected, outcome(bytewise(input), formats, limits))
    end)

    it(claim .. ", cut anywhere", function()
      for at = 1, math.min(#input - 1, 24) do
        assert.same(expected, outcome({ input:sub(1, at), input:sub(at + 1) }, formats, limits),
          "cut at " .. at)
      end
    end)
  end

  for _, case in ipairs {
    { "an unknown letter", "x" }, { "an empty format", "" }, { "a star alone", "*" }, { "a table", {} },
    { "a negative count", -1 }, { "a count with a fraction", 1.5 }, { "NaN", 0 / 0 },
    { "infinity", math.huge },
    { "a boolean", true }, { "a count above max_read", (1 << 26) + 1 },
  } do
    it("raises for " .. case[1], function()
      local _ <close>, s = pair()

      local ok, message = pcall(function() return s:read(case[2]) end)

      assert.is_false(ok)
      assert.matches("bad argument #1 to 'read'", message)
    end)
  end

  it("does not wait for ever for white space before a number to end", function()
    local _ <close>, s = feed { "  ", "  ", "  ", "  1 " }
    s:setlimits { max_line = 4 }

    local got, err = net.timeout(30, s.read, s, "n")

    assert.is_nil(got)
    assert.equal("TOOBIG", err.code)
    assert.equal("        1 ", s:read(10))
  end)

  it("gives the bytes as they come: each piece is one segment", function()
    local _ <close>, s = feed { "a", "bc", "d" }

    assert.same({ "a", "bc", "d" }, { s:recv(10), s:recv(10), s:recv(10) })
  end)

  it("raises for a nil among the formats", function()
    local _ <close>, s = pair()

    assert.is_false(pcall(s.read, s, nil))
  end)

  it("takes nothing when a later format is wrong", function()
    local _ <close>, s, other = pair()
    other:write "one\ntwo\n"

    assert.is_false(pcall(s.read, s, "l", "x"))

    assert.equal("one", s:read())
  end)

  it("takes 200 formats at once", function()
    local _ <close>, s = feed { ("ab"):rep(100) }
    local formats = {}
    for i = 1, 200 do formats[i] = 1 end

    local got = table.pack(s:read(table.unpack(formats)))

    assert.equal(200, got.n)
    assert.equal(("ab"):rep(100), table.concat(got))
  end)

  it("counts of nothing do not wait", function()
    local _ <close>, s = pair()

    assert.equal("", net.timeout(1, s.read, s, 0))
  end)

  it("gives lines of the largest size by default", function()
    local line = ("x"):rep(65535)
    local _ <close>, s = feed { line, "\n", line, "y\n" }

    assert.equal(line, s:read())

    local got, err = s:read()
    assert.is_nil(got)
    assert.equal("TOOBIG", err.code)
    assert.equal("limit", err.kind)
  end)

  it("gives a line that was too big once the limit is raised", function()
    local line = ("x"):rep(100000)
    local _ <close>, s = feed { line .. "\nnext\n" }
    local _, err = s:read()
    assert.equal("TOOBIG", err.code)

    assert.equal(s, s:setlimits { max_line = 200000 })

    assert.equal(line, s:read())
    assert.equal("next", s:read())
  end)

  it("gives a whole stream that was too big once the limit is raised", function()
    local _ <close>, s = feed { "0123456789" }
    s:setlimits { max_read = 4 }
    local _, err = s:read "a"
    assert.equal("TOOBIG", err.code)

    s:setlimits { max_read = 10 }

    assert.equal("0123456789", s:read "a")
  end)
end)

describe("a read that runs out of time", function()
  for _, format in ipairs { "l", "L", "n", "a", 10 } do
    it("keeps what came, for " .. tostring(format), function()
      local _ <close>, s, other = pair()
      other:write "12"
      s:settimeout(0.01)

      local got, err = s:read(format)

      assert.is_nil(got)
      assert.equal("TIMEOUT", err.code)
      assert.equal("read", err.op)
      assert.equal(2, s:buffered())
      other:write "34\n"
      s:settimeout(5)
      assert.equal("1234", s:read())
    end)
  end

  it("keeps the pieces of the formats that were complete", function()
    local _ <close>, s, other = pair()
    other:write "one\ntw"

    local got, err = net.timeout(0.01, s.read, s, "l", "l")

    assert.is_nil(got)
    assert.equal("TIMEOUT", err.code)
    other:write "o\n"
    assert.same({ "one", "two" }, { s:read("l", "l") })
  end)

  it("with the time 0 takes what is there already", function()
    local _ <close>, s, other = pair()
    other:write "one\ntwo"
    s:settimeout(0)

    assert.equal("one", s:read())
    local _, err = s:read()
    assert.equal("TIMEOUT", err.code)
    other:write "\n"
    assert.equal("two", s:read())
  end)

  it("as non-blocking socket says TIMEOUT at once", function()
    local _ <close>, s, other = pair()

    assert.equal(s, s:setblocking(false))
    local _, err = s:recv(1)
    assert.equal("TIMEOUT", err.code)

    s:setblocking(true)
    net.spawn(function() other:write "late" end)
    assert.equal("late", s:recv(10))
  end)
end)

describe("a reset", function()
  local makers = { pair = connected.pair, tcp = connected.tcp }
  for name, make in pairs(makers) do
    it("in the middle of a line is an error with the beginning, again and again, on a " .. name, function()
      local _ <close>, s, other = make()
      other:write "first\npart"
      assert.equal("first", s:read())
      connected.reset(other, s)

      for _ = 1, 3 do
        local got, err = net.timeout(30, s.read, s)
        assert.is_nil(got)
        assert.equal("ECONNRESET", err.code)
        assert.equal("reset", err.kind)
        assert.equal("part", err.partial)
      end
    end)

    it("lets the bytes before it be read, on a " .. name, function()
      local _ <close>, s, other = make()
      other:write "rest"
      connected.reset(other, s)

      assert.equal("rest", net.timeout(30, s.read, s, 4))
      local got, err = net.timeout(30, s.recv, s, 10)
      assert.is_nil(got)
      assert.equal("ECONNRESET", err.code)
    end)

    for _, method in ipairs { "read", "recv", "peek", "read_until" } do
      it("is never an end for " .. method .. ", on a " .. name, function()
        local _ <close>, s, other = make()
        connected.reset(other, s)
        local argument = ({ read = "a", recv = 10, peek = 10, read_until = "x" })[method]

        for _ = 1, 3 do
          local got, err = net.timeout(5, s[method], s, argument)
          assert.is_nil(got)
          assert.equal("ECONNRESET", err and err.code)
        end
      end)
    end

    it("wakes a waiting reader, on a " .. name, function()
      local _ <close>, s, other = make()
      local reader = net.spawn(s.read, s)
      net.sleep(0)

      connected.reset(other, s)

      local got, err = reader:join(30)
      assert.is_nil(got)
      assert.equal("ECONNRESET", err.code)
    end)
  end
end)

describe("a closed stream", function()
  local calls = {
    read = {}, read_until = { "x" }, recv = { 1 }, peek = { 1 }, unread = { "x" }, write = { "x" },
    send = { "x" },
    shutdown = {}, finish = {}, settimeout = { 1 }, setblocking = { true }, fileno = {}, getsockname = {},
    getpeername = {},
  }
  for method, arguments in pairs(calls) do
    it("answers CLOSED to " .. method, function()
      local _ <close>, s = pair()
      s:close()

      local got, err = s[method](s, table.unpack(arguments))

      assert.is_nil(got)
      assert.equal("CLOSED", err and err.code)
      assert.equal(method, err.op)
    end)
  end

  for method, argument in pairs { read = "a", recv = 1, peek = 1, read_until = "x", finish = 5 } do
    it("wakes who waits in " .. method, function()
      local _ <close>, s = pair()
      local reader = net.spawn(s[method], s, argument)
      net.sleep(0)

      s:close()

      local got, err = reader:join(30)
      assert.is_nil(got)
      assert.equal("CLOSED", err.code)
    end)
  end

  it("closes twice and forgets what was buffered", function()
    local _ <close>, s, other = pair()
    other:write "abc"
    s:peek(1)

    assert.is_true(s:close())
    assert.is_true(s:close())

    assert.equal("CLOSED", select(2, s:buffered()).code)
    assert.equal("net.stream (closed)", tostring(s))
  end)
end)

describe("a second reader", function()
  it("gets BUSY, and the first goes on", function()
    local _ <close>, s, other = pair()
    local reader = net.spawn(s.read, s)
    net.sleep(0)

    local got, err = s:recv(1)

    assert.is_nil(got)
    assert.equal("BUSY", err.code)
    other:write "mine\n"
    assert.equal("mine", reader:join(30))
  end)
end)

describe("read_until", function()
  local function until_(pieces, delimiter, max)
    local _ <close>, s = feed(pieces)
    local got, err = net.timeout(30, s.read_until, s, delimiter, max)
    local partial = err and err.partial
    return { got or false, err and err.code or false, partial or false, (net.timeout(30, s.read, s, "a")) }
  end

  local edges = {
    { "gives what is before the delimiter and uses the delimiter up", "ab--cd", "--", nil,
      { "ab", false, false, "cd" } },
    { "gives an empty string before a delimiter", "--cd", "--", nil, { "", false, false, "cd" } },
    { "takes a delimiter of one byte", "a,b", ",", nil, { "a", false, false, "b" } },
    { "takes a delimiter with NUL", "a\0\0b", "\0\0", nil, { "a", false, false, "b" } },
    { "finds NUL inside of the data", "a\0b\nc", "\n", nil, { "a\0b", false, false, "c" } },
    { "keeps a CR", "a\r\nb", "\n", nil, { "a\r", false, false, "b" } },
    { "takes a number as delimiter", "a12b", 12, nil, { "a", false, false, "b" } },
    { "finds the first of overlapping ones", "aaab", "aa", nil, { "", false, false, "ab" } },
    { "finds one that begins again", "abababac", "ababac", nil, { "ab", false, false, "" } },
    { "is cut short by the end", "abc", "--", nil, { false, "EOF", "abc", "" } },
    { "is cut short inside of the delimiter", "abc-", "--", nil, { false, "EOF", "abc-", "" } },
    { "gives the end as nil alone", "", "--", nil, { false, false, false, "" } },
    { "allows exactly max bytes", "abc--d", "--", 3, { "abc", false, false, "d" } },
    { "says TOOBIG for one more and keeps all", "abcd--e", "--", 3, { false, "TOOBIG", false, "abcd--e" } },
    { "says TOOBIG without a delimiter", "abcdefgh", "--", 3, { false, "TOOBIG", false, "abcdefgh" } },
    { "waits for the rest of a delimiter after max bytes", "abc-", "--", 3, { false, "EOF", "abc-", "" } },
  }
  for _, case in ipairs(edges) do
    local claim, input, delimiter, max, expected = table.unpack(case, 1, 5)

    it(claim, function()
      assert.same(expected, until_({ input }, delimiter, max))
    end)

    it(claim .. ", one byte at a time", function()
      assert.same(expected, until_(bytewise(input), delimiter, max))
    end)

    it(claim .. ", cut anywhere", function()
      for at = 1, #input - 1 do
        assert.same(expected, until_({ input:sub(1, at), input:sub(at + 1) }, delimiter, max),
          "cut at " .. at)
      end
    end)
  end

  for _, case in ipairs {
    { "an empty delimiter", "" }, { "no delimiter" }, { "a table", {} }, { "a max of 0", "x", 0 },
    { "a max with a fraction", "x", 1.5 }, { "a negative timeout", "x", 1, -1 }, { "NaN", "x", 1, 0 / 0 },
  } do
    it("raises for " .. case[1], function()
      local _ <close>, s = pair()

      assert.is_false(pcall(s.read_until, s, table.unpack(case, 2, 4)))
    end)
  end

  it("keeps what came at a timeout and finds the delimiter later", function()
    local _ <close>, s, other = pair()
    other:write "abc-"

    local _, err = s:read_until("--", nil, 0.01)

    assert.equal("TIMEOUT", err.code)
    other:write "-d"
    assert.equal("abc", s:read_until("--", nil, 5))
  end)

  it("obeys max_line where it gets no max", function()
    local _ <close>, s = feed { ("x"):rep(100) }
    s:setlimits { max_line = 50 }

    local _, err = s:read_until "\n"

    assert.equal("TOOBIG", err.code)
    assert.equal(100, s:buffered())
  end)

  it("sees a delimiter that another task puts back in front of what it has", function()
    -- The search went on where it had stopped, and so missed what unread had put before that place.
    local _ <close>, s, other = pair()
    other:write "abcdef"
    local reader = net.spawn(s.read_until, s, "\n")
    while s:buffered() < 6 do net.sleep(0) end

    s:unread "q\n"

    assert.equal("q", reader:join(30))
    assert.equal("abcdef", s:recv(10))
  end)

  it("finds a delimiter across many reads in a long text", function()
    local text = ("x"):rep(50000)
    local _ <close>, s = feed { text, "\r", "\n", "\r", "\nrest" }

    assert.equal(text, s:read_until("\r\n\r\n", 60000, 5))
    assert.equal("rest", s:read "a")
  end)
end)

describe("recv", function()
  it("gives what is there and waits for no more", function()
    local _ <close>, s, other = pair()
    other:write "abc"

    assert.equal("abc", s:recv(100))
  end)

  it("leaves what is above max", function()
    local _ <close>, s, other = pair()
    other:write "abc"

    assert.equal("ab", s:recv(2))
    assert.equal(1, s:buffered())
    assert.equal("c", s:recv(2))
  end)

  it("gives nil alone at the end, again and again", function()
    local _ <close>, s, other = pair()
    other:close()

    for _ = 1, 3 do
      local got = table.pack(s:recv(10))
      assert.equal(1, got.n)
      assert.is_nil(got[1])
    end
  end)

  for _, max in ipairs { 0, -1, 1.5, (1 << 24) + 1, "x", {} } do
    it("raises for a max of " .. tostring(max):gsub(":.*", ""), function()
      local _ <close>, s = pair()

      assert.is_false(pcall(s.recv, s, max))
    end)
  end

  it("takes the highest max and gives less", function()
    local _ <close>, s, other = pair()
    other:write "x"

    assert.equal("x", s:recv(1 << 24))
  end)
end)

describe("peek", function()
  it("shows what is there and leaves it", function()
    local _ <close>, s, other = pair()
    other:write "abc"

    assert.equal("ab", s:peek(2))
    assert.equal("abc", s:peek(100))
    assert.equal("abc", s:recv(100))
  end)

  it("gives nil alone at the end", function()
    local _ <close>, s, other = pair()
    other:close()

    assert.equal(1, select("#", s:peek(1)))
  end)

  it("has a timeout", function()
    local _ <close>, s = pair()

    local _, err = s:peek(1, 0.01)

    assert.equal("TIMEOUT", err.code)
    assert.equal("peek", err.op)
  end)
end)

describe("unread", function()
  it("puts bytes before what is buffered", function()
    local _ <close>, s, other = pair()
    other:write "def"
    s:peek(1)

    assert.equal(s, s:unread "abc")

    assert.equal(6, s:buffered())
    assert.equal("abcdef", s:read(6))
  end)

  it("works on an empty buffer, with nothing and with a number", function()
    local _ <close>, s = pair()

    s:unread "":unread(12)

    assert.equal("12", s:recv(10))
  end)

  it("works after the end of the stream", function()
    local _ <close>, s, other = pair()
    other:close()
    assert.is_nil(s:recv(1))

    s:unread "again\n"

    assert.equal("again", s:read())
    assert.is_nil(s:read())
  end)

  it("wakes a reader of the same stream", function()
    local _ <close>, s = pair()
    local reader = net.spawn(s.read, s)
    net.sleep(0)

    s:unread "line\n"

    assert.equal("line", reader:join(30))
  end)

  it("refuses more than max_read", function()
    local _ <close>, s = pair()
    s:setlimits { max_read = 4 }

    local got, err = s:unread "12345"

    assert.is_nil(got)
    assert.equal("TOOBIG", err.code)
    assert.equal(0, s:buffered())
  end)

  it("undoes any read in small steps", function()
    local _ <close>, s, other = pair()
    other:write "0123456789"
    for n = 1, 10 do
      local got = s:read(n)
      s:unread(got)
    end

    assert.equal("0123456789", s:read(10))
  end)

  -- Each call moved all that was buffered.
  it("gives back a byte in a time that what is buffered has no part in", function()
    local _ <close>, s = pair()
    s:unread(("x"):rep(1 << 25))
    local began = os.clock()

    for _ = 1, 20000 do s:unread(s:recv(1)) end

    assert.is_true(os.clock() - began < 5)
    assert.equal(1 << 25, s:buffered())
  end)

  it("keeps the order whether or not there is room in front", function()
    local _ <close>, s, other = pair()
    other:write "0123456789"

    assert.equal("01234", s:read(5))
    s:unread("cd"):unread("ab"):unread(("-"):rep(20000))

    assert.equal(("-"):rep(20000) .. "abcd56789", s:read(20009))
  end)
end)

describe("setlimits", function()
  for _, limits in ipairs {
    { max_line = 0 }, { max_read = 0 }, { max_line = -1 }, { max_line = 1.5 }, { max_line = (1 << 31) + 1 },
    { max_line = "10" }, { max_lines = 10 }, { 10 },
  } do
    local name, value = next(limits)
    it(("raises for %s = %s"):format(name, value), function()
      local _ <close>, s = pair()

      assert.is_false(pcall(s.setlimits, s, limits))
    end)
  end

  it("suggests the option that was meant", function()
    local _ <close>, s = pair()

    local _, message = pcall(s.setlimits, s, { max_lines = 10 })

    assert.matches('did you mean "max_line"', message, 1, true)
  end)

  it("changes only what is given", function()
    local _ <close>, s = feed { "12345\n" }
    s:setlimits { max_line = 3 }:setlimits { max_read = 100 }

    local _, err = s:read()

    assert.equal("TOOBIG", err.code)
  end)
end)
