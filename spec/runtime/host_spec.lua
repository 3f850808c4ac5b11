local host = require "net.core.host"
local netlua = require "netlua"

describe("the host", function()
  it("has the tools of the program, by name", function()
    local names = host.tools()

    assert.truthy(#names > 0)
    for _, name in ipairs(names) do assert.equal("function", type(host.loadtool(name))) end
    assert.is_nil(host.loadtool "nosuch")
  end)

  it("tells files from what is none", function()
    local file = os.tmpname()

    assert.equal("file", host.filetype(file))
    os.remove(file)
    assert.is_nil(host.filetype(file))
    for _, path in ipairs { "/dev/null", "/tmp", "/proc/self/exe" } do
      assert.equal("other", host.filetype(path))
    end
  end)

  it("knows a terminal", function()
    local code = "print(require('net.core.host').isterminal(0))"

    assert.equal("false\n", (netlua.shell("%s -e \"" .. code .. "\" < /dev/null")))
    local out, _, missing = netlua.shell("TERM=dumb script -qec \"%s -e \\\"" .. code .. "\\\"\" /dev/null")
    if missing == 127 then return pending "no script(1) here" end
    assert.equal("true\r\n", out)
    assert.is_false(host.isterminal(-1))
  end)

  it("has the time of day with its fraction", function()
    local before = os.time()
    local now = host.clock()

    assert.equal("float", math.type(now))
    assert.truthy(now >= before and now < before + 5)
  end)

  it("lists a folder, and tells what is a folder in it", function()
    local name = os.tmpname()
    netlua.shell(("rm %s; mkdir -p %s/sub; touch %s/file; ln -s sub %s/link"):format(name, name, name, name))

    local list = host.folder(name)
    netlua.shell("rm -r " .. name)
    table.sort(list)

    assert.same({ "../", "./", "file", "link/", "sub/" }, list)
    assert.same({}, host.folder(name))
  end)

  it("appends to a file that is full with an error", function()
    local good, err = host.appendfile("/dev/full", "x")

    assert.is_nil(good)
    assert.equal("append", err.op)
  end)
end)
