local compile = require "compile"

describe("a guard", function()
  local guard

  setup(function()
    local name = compile.module "spec/support/guard.c"
    guard = assert(package.loadlib(name, "luaopen_guard"))()
    os.remove(name)
  end)

  before_each(function()
    collectgarbage()
    guard.count()
  end)

  it("frees what it holds when the function returns", function()
    local a, b = guard.hold(function(...) return ... end, 1, "x")

    assert.equal(1, a)
    assert.equal("x", b)
    assert.equal(1, guard.count())
  end)

  it("holds it until then", function()
    local during

    guard.hold(function()
      collectgarbage()
      during = guard.count()
    end)

    assert.equal(0, during)
    assert.equal(1, guard.count())
  end)

  it("frees it when an error passes", function()
    local ok, err = pcall(guard.hold, error, "on its way")

    assert.is_false(ok)
    assert.equal("on its way", err)
    assert.equal(1, guard.count())
  end)

  it("frees it once only", function()
    guard.hold(function() end)
    collectgarbage()
    collectgarbage()

    assert.equal(1, guard.count())
  end)

  it("frees it once even when it is closed again", function()
    local kept = guard.keep()

    getmetatable(kept).__close(kept)
    getmetatable(kept).__gc(kept)

    assert.equal(1, guard.count())
  end)

  it("frees the inner one first when guards nest", function()
    local inner, outer

    outer = guard.hold(function()
      guard.hold(function() end)
      inner = guard.count()
      return true
    end)

    assert.is_true(outer)
    assert.equal(1, inner)
    assert.equal(1, guard.count())
  end)

  it("frees it when the coroutine it is in ends with an error", function()
    local co = coroutine.create(function() guard.hold(error, "inside") end)

    local ok = coroutine.resume(co)
    coroutine.close(co)

    assert.is_false(ok)
    assert.equal(1, guard.count())
  end)

  it("frees it in a task that fails", function()
    local task = net.spawn(guard.hold, error, "inside")

    local _, err = task:join(30)

    assert.equal("inside", err)
    assert.equal(1, guard.count())
  end)

  it("that is empty frees nothing", function()
    guard.empty()
    collectgarbage()

    assert.equal(0, guard.count())
  end)
end)
