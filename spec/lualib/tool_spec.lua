local netlua = require "netlua"

describe("a tool", function()
  it("shows its summary for --help and runs nothing", function()
    local out, err, status = netlua.shell "%s tour --help"

    assert.matches("^usage: netlua tour", out)
    assert.equal(2, select(2, out:gsub("\n", "")))
    assert.equal("", err)
    assert.equal(0, status)
  end)

  it("is found by its name before a file of that name", function()
    local out, _, status = netlua.shell "cd $(mktemp -d) && echo 'print(1)' > tour && %s tour -h"

    assert.matches("^usage: netlua tour", out)
    assert.equal(0, status)
  end)
end)
