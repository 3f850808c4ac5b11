describe("a task", function()
  it("gives its results to join", function()
    local task = net.spawn(function(a, b) net.sleep(0) return a + b, "x" end, 1, 2)

    local sum, text = task:join(1)

    assert.equal(3, sum)
    assert.equal("x", text)
  end)
end)
