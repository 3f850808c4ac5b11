local misnomer = require "net.misnomer"
local netlua = require "netlua"

local MESSAGE <const> = "stdin:1: attempt to call a nil value (%s)\nstack traceback:\n\t(global 'print')"

-- The hint for an entry that Lua fails for with "a nil value (KIND 'NAME')".
local function hint(source, what, scope)
  return misnomer.hint(source, scope or {}, MESSAGE:format(what))
end

describe("a name that stands for nothing", function()
  it("is a command where other prompts have one of that name", function()
    assert.equal(".exit or ^D leaves", misnomer.hint("exit", {}))
    assert.equal(".exit or ^D leaves", misnomer.hint(" quit\n", {}))
    assert.matches("^%.help ", misnomer.hint("help", {}))
    assert.matches("^%.help ", hint("help(1)", "global 'help'"))
    assert.is_nil(misnomer.hint("x = exit", {}))
    assert.is_nil(misnomer.hint("nothing", {}))
    assert.is_nil(misnomer.hint("", {}))
  end)

  it("is like a global, a name of the prompt, or a member of what is before it", function()
    assert.equal("did you mean print?", hint("prnt(1)", "global 'prnt'"))
    assert.equal("did you mean server?", hint("sevrer()", "global 'sevrer'", { server = 1 }))
    assert.equal("did you mean connect?", hint("x = 1; net.conect('h')", "field 'conect'"))
    assert.equal("did you mean generate_key?", hint("net.x509. generte_key()", "field 'generte_key'"))
    assert.equal("did you mean value?", hint("a.b.valeu()", "field 'valeu'", { a = { b = { value = 1 } } }))
    local s <close> = assert(net.udp {})
    assert.equal("did you mean send?", hint("s: sned 'x'", "method 'sned'", { s = s }))
  end)

  it("is nothing that is known where nothing is like it, it is short, or not in the entry", function()
    assert.is_nil(hint("abracadabra()", "global 'abracadabra'"))
    assert.is_nil(hint("nt()", "global 'nt'"))
    assert.is_nil(hint("f()", "field 'conect'"))
    assert.is_nil(hint("f().conect()", "field 'conect'"))
    assert.is_nil(hint("local prnt; prnt()", "local 'prnt'"))
    assert.is_nil(misnomer.hint("f()", {}, "f: attempt to call a nil value"))
    assert.is_nil(misnomer.hint("f()", {}, "its own\nattempt to call a nil value (global 'prnt')"))
  end)

  it("runs nothing to find out", function()
    local called = false
    local trap = setmetatable({}, { __index = function() called = true end })

    assert.is_nil(hint("trap.conect()", "field 'conect'", { trap = trap }))
    assert.is_false(called)
  end)

  it("is explained at the prompt below the value or the error", function()
    local out, err, status = netlua.shell(
      "printf 'exit\\nnet.conect(1)\\nexit = 1\\nexit\\nerror{}\\n' | %s -i -q")

    assert.equal("nil\n1\n", out)
    assert.matches("^> %.exit or %^D leaves\n> stdin:1: [^\n]+'conect'%)\n", err)
    assert.matches("main chunk\ndid you mean connect%?\n> > > ", err)
    assert.equal(0, status)
  end)
end)
