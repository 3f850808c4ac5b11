local text = require "net.text"

describe("text for a terminal", function()
  it("has nothing that a terminal acts on, whatever the bytes", function()
    for i = 0, 255 do
      local shown = text.escape("a" .. string.char(i) .. "b")
      assert.truthy(utf8.len(shown))
      assert.is_true(#shown > 2) -- 0x80 to 0xbf after a letter was left out
      assert.is_nil(shown:find "[%c\x80-\xff]")
    end
    for _, code in ipairs { 0x80, 0x9b, 0x61c, 0x200e, 0x200f, 0x202a, 0x202e, 0x2066, 0x2069,
      0x2028, 0xfeff } do
      assert.equal(("\\u{%x}"):format(code), text.escape(utf8.char(code)))
    end
  end)

  it("keeps text of every language", function()
    for _, word in ipairs { "", "plain", "\u{e9}t\u{e9}", "\u{6f22}\u{5b57}", "\u{1f600}" } do
      assert.equal(word, text.escape(word))
    end
  end)

  it("has its lines and tabs where they are wanted", function()
    assert.equal("a\n\tb\\x1b\n", text.lines "a\n\tb\27\n")
  end)

  it("takes two columns for wide characters and none for marks", function()
    assert.equal(5, text.width "ab\u{6f22}c")
    assert.equal(1, text.width "e\u{301}")
    assert.equal("\u{6f22} |", text.pad("\u{6f22}", 3) .. "|")
  end)
end)
