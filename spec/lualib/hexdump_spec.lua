local netlua = require "netlua"

describe("net.hexdump", function()
  it("shows nothing for nothing", function()
    assert.equal("", net.hexdump "")
  end)

  it("shows sixteen bytes in a line, in two groups, with their text", function()
    assert.equal("00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n"
      .. "00000010  0a                                                |.|", net.hexdump "0123456789abcdef\n")
  end)

  it("shows what is no printable ASCII as dots", function()
    assert.matches("|%. ~%.%.%.|$", net.hexdump "\x1f\x20\x7e\x7f\x80\xff")
  end)

  it("begins at an offset and takes another width", function()
    assert.equal("00000ff0  61 62 63  |abc|\n00000ff3  64        |d|",
      net.hexdump("abcd", { offset = 0xff0, width = 3 }))
    assert.equal("7ffffffffffffffe  61  |a|\n7fffffffffffffff  62  |b|",
      net.hexdump("ab", { offset = math.maxinteger - 1, width = 1 }))
    assert.equal(1, select(2, net.hexdump(("x"):rep(256), { width = 256 }):gsub("|x+|", "")))
  end)

  it("looks as hexdump -C does", function()
    local bytes = {}
    math.randomseed(3)
    for i = 1, 1000 do bytes[i] = string.char(math.random(0, 255)) end
    local text = table.concat(bytes)
    local name = os.tmpname()
    do
      local file <close> = assert(io.open(name, "wb"))
      file:write(text)
    end
    local out, _, status = netlua.shell("hexdump -vC " .. name)
    os.remove(name)
    if status ~= 0 then pending "hexdump is missing" end

    assert.equal(out, net.hexdump(text) .. "\n000003e8\n")
  end)

  it("is right in every width and for every length of the last line", function()
    local bytes = {}
    for byte = 0, 255 do bytes[byte + 1] = string.char(byte) end
    local text = table.concat(bytes)
    local function line(piece, offset, width)
      local columns = {}
      for i = 1, width do
        local byte = piece:byte(i)
        columns[i] = (i > 1 and i % 8 == 1 and " " or "") .. (byte and ("%02x"):format(byte) or "  ")
      end
      local shown = piece:gsub("[^\x20-\x7e]", ".")
      return ("%08x  %s  |%s|"):format(offset, table.concat(columns, " "), shown)
    end

    for width = 1, 256 do
      local lines = {}
      for at = 1, #text, width do lines[#lines + 1] = line(text:sub(at, at + width - 1), at - 1, width) end

      assert.equal(table.concat(lines, "\n"), net.hexdump(text, { width = width }))
    end
    for length = 1, 16 do
      local piece = text:sub(-length)
      assert.equal(line(piece, 0, 16), net.hexdump(piece))
    end
  end)

  it("raises for misuse", function()
    assert.error_matches(function() net.hexdump(5) end, "#1 to 'hexdump'.*string expected")
    assert.error_matches(function() net.hexdump() end, "#1 to 'hexdump'.*string expected")
    for _, width in ipairs { 0, -1, 257, 1.5, "16", 0 / 0, math.maxinteger } do
      assert.error_matches(function() net.hexdump("x", { width = width }) end,
        'option "width": integer from 1 to 256')
    end
    for _, offset in ipairs { -1, 1.5, "0", 1 / 0 } do
      assert.error_matches(function() net.hexdump("x", { offset = offset }) end,
        'option "offset": integer from 0')
    end
    assert.error_matches(function() net.hexdump("x", { with = 3 }) end, 'unknown option "with"')
    assert.error_matches(function() net.hexdump("x", 3) end, "#2 to 'hexdump'.*table expected")
  end)
end)
