local nearest = require "net.nearest"

local NAMES = { "connect", "connections", "listen", "read", "recv", "lines" }

describe("the nearest names", function()
  it("are those with a letter changed, left out, added or exchanged", function()
    for _, word in ipairs { "conect", "connnect", "cobnect", "conncet", "CONNECT" } do
      assert.equal("connect", nearest.names(word, NAMES)[1])
    end
  end)

  it("are none for what is like nothing, or for nothing", function()
    assert.same({}, nearest.names("xyzzy", NAMES))
    assert.same({}, nearest.names("", NAMES))
    assert.same({}, nearest.names(("x"):rep(1000000), NAMES))
    assert.equal("", nearest.question("xyzzy", NAMES))
  end)

  it("are asked for, each once", function()
    assert.equal("did you mean lines?", nearest.question("line", { "lines", "lines" }))
    assert.equal("did you mean bat, or cat?", nearest.question("rat", { "cat", "bat" }))
  end)
end)
