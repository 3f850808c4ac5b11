local tools = require "tools"

describe("doc", function()
  it("shows a page for a name", function()
    local out, err, status = tools.run("doc", "net.pair")

    assert.matches("^net.pair%(%[type%]%) %-> a, b\n\nMakes two unix sockets.*\nexample\n  local a", out)
    assert.equal("", err)
    assert.equal(0, status)
  end)

  it("shows a line each for what fits a pattern", function()
    local out = tools.run("doc", "x509.parse*")

    assert.matches("^net.x509.parse +Reads a certificate[^\n]*\nnet.x509.parse_all +Reads all[^\n]*\n$", out)
  end)

  it("gives records", function()
    local records, status = tools.records("doc", "net.pair", "ECONNREFUSED", "x509.parse*")

    assert.equal(0, status)
    assert.equal(4, #records)
    assert.same({ "net.pair", "function", "net.pair([type]) -> a, b" },
      { records[1].name, records[1].kind, records[1].signature })
    assert.equal("net.pair", records[1].target)
    assert.same({ "error", "connection refused" }, { records[2].kind, records[2].summary })
    assert.matches("^ECONNREFUSED: connection refused\n", records[2].page)
    assert.equal("x509.parse*", records[4].target)
    assert.is_nil(records[1].rows)
  end)

  it("ends with 2 for an unknown name, says what was meant, and shows nothing", function()
    for words, message in pairs {
      [{ "net.pear" }] = "did you mean net.pair?", [{ "net.pair", "xyzzyq" }] = "nothing is known of xyzzyq",
      [{ "nosuch*" }] = "nothing is known of nosuch*", [{ "\27[2J" }] = "\\x1b[2J",
      [{}] = "NAME", [{ "" }] = "",
    } do
      local out, err, status = tools.run("doc", table.unpack(words))

      assert.equal(2, status)
      assert.equal("", out)
      assert.is_truthy(err:find(message, 1, true), err)
      assert.is_nil(err:find "\27")
    end
  end)
end)
