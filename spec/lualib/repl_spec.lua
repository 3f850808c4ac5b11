local netlua = require "netlua"

-- What the prompt prints for that input; the prompts themselves are on stderr.
local function session(input)
  local name = os.tmpname()
  local file <close> = assert(io.open(name, "w"))
  file:write(input)
  file:close()
  local out, err, status = netlua.shell("%s -i <" .. name)
  os.remove(name)
  return out, err, status
end

describe("the prompt", function()
  it("prints the values of an expression", function()
    local out, _, status = session "1 + 1, 'x'\n"

    assert.equal("2\tx\n", out)
    assert.equal(0, status)
  end)

  it("prints nothing for a statement", function()
    assert.equal("", (session "x = 5\n"))
  end)

  it("asks for more until a statement is complete", function()
    local out, err = session "function f()\nreturn 7\nend\nf()\n"

    assert.equal("7\n", out)
    assert.matches(">> >> ", err, 1, true)
  end)

  it("shows an error and goes on", function()
    local out, err, status = session "error 'first'\nerror { 'x' }\n= 3\n'still here'\n"

    assert.matches("first", err)
    assert.equal("still here\n", out)
    assert.equal(0, status)
  end)

  it("lets tasks run while it waits for input", function()
    local out = netlua.shell [[
      { echo 'net.spawn(function() net.sleep(0.01) print "from a task" end)'
        sleep 0.3
        echo "'later'"; } | %s -i
    ]]

    assert.matches("from a task\nlater\n$", out)
  end)

  it("waits within an entry", function()
    local out = session "a, b = net.pair()\na:write 'hello\\n' and nil\nb:read()\n"

    assert.matches("hello\n$", out)
  end)

  it("ends with the input in the middle of a statement", function()
    local _, err, status = session "function f()\n"

    assert.matches("<eof>", err, 1, true)
    assert.equal(0, status)
  end)
end)
