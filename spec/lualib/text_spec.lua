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

  it("names an address with its port, IPv6 in brackets", function()
    assert.equal("192.0.2.1:80", text.endpoint("192.0.2.1", 80))
    assert.equal("[fe80::1%eth0]:80", text.endpoint("fe80::1%eth0", "80"))
    assert.equal("a.test:443", text.endpoint("a.test", 443))
  end)

  it("loses the blanks at its end, and all of it where it is blank", function()
    assert.equal(" a\n b", text.trimend " a\n b \t\n")
    assert.equal("", text.trimend " \n")
    assert.equal("", text.trimend "")
  end)

  it("takes two columns for wide characters and none for marks", function()
    assert.equal(5, text.width "ab\u{6f22}c")
    assert.equal(1, text.width "e\u{301}")
    assert.equal("\u{6f22} |", text.pad("\u{6f22}", 3) .. "|")
  end)

  it("breaks between words where the width ends", function()
    assert.equal("one two\n  three", text.wrap("one two three", 8, 2))
    assert.equal("\u{6f22}\u{6f22}\nab", text.wrap("\u{6f22}\u{6f22} ab", 6))
    assert.equal("toolong\na", text.wrap("toolong a", 3))
    assert.equal("", text.wrap("", 3))
  end)

  it("has in common what all of a list begin with", function()
    assert.equal("ab", text.common { "abc", "abd", "ab" })
    assert.equal("", text.common { "x", "y" })
    assert.equal("", text.common {})
    assert.equal("one", text.common { "one" })
    assert.equal("n", text.common { "n\u{e9}", "n\u{e8}" })
    assert.equal("n\u{e9}", text.common { "n\u{e9}", "n\u{e9}e" })
    assert.equal("\u{65e5}", text.common { "\u{65e5}\u{672c}", "\u{65e5}\u{672d}", "\u{65e5}" })
  end)

  it("is arranged in columns that fit, read downwards", function()
    assert.equal("a  c\nb", text.inrows({ "a", "b", "c" }, 6))
    assert.equal("a\nb\nc", text.inrows({ "a", "b", "c" }, 3))
    assert.equal("toolong", text.inrows({ "toolong" }, 3))
  end)
end)
