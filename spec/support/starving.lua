-- starving: net.x509 while every allocation fails in turn, of Lua or of OpenSSL. arg: the module of starve.c,
-- "crypto" or "lua", how many fail in a row (-1: all from there on), the step from one run to the next.
-- Prints "runs N"; whatever is wrong raises.

local starve = assert(package.loadlib(arg[1], "luaopen_starve"))()
local which, span, step = arg[2], tonumber(arg[3]), tonumber(arg[4])

local x509 = net.x509
local ca, key = assert(x509.make { subject = "CN=CA", ca = true })
local issuer = { certificate = ca, key = key }
local good = assert(x509.make { names = { "a.test" }, addresses = { "127.0.0.1" }, issuer = issuer })
local expired = assert(x509.make { names = { "a.test" }, issuer = issuer, not_before = 0, days = 1 })
local stranger = assert(x509.make { names = { "a.test" } })
local crl = assert(x509.make_crl { issuer = issuer, revoked = { good } })
local csr = assert(x509.request { subject = "CN=a.test", names = { "a.test" } })
local pem = good:pem() .. ca:pem()
local locked = assert(x509.generate_key { password = "secret" })

-- name = what is called; those in `never` must not succeed, whatever fails.
local never = {
  host = function() return x509.verify { chain = good, ca = ca, host = "b.test" } end,
  address = function() return x509.verify { chain = good, ca = ca, host = "127.0.0.2" } end,
  expired = function() return x509.verify { chain = expired, ca = ca, host = "a.test" } end,
  stranger = function() return x509.verify { chain = stranger, ca = ca, host = "a.test" } end,
  revoked = function() return x509.verify { chain = good, ca = ca, crl = crl } end,
  purpose = function() return x509.verify { chain = ca, ca = ca, host = "a.test" } end,
  matches = function() return good:matches "b.test" or nil end,
  issued = function() return ca:issued(stranger) or nil end,
  password = function() return x509.make { key = locked, password = "wrong" } end,
}
local maybe = {
  verify = function() return x509.verify { chain = pem, ca = ca, host = "a.test" } end,
  parse = function() return x509.parse_all(pem) end,
  text = function() return good:text() end,
  make = function()
    return x509.make { subject = "CN=a,O=b", names = { "a" }, key = key, crl_urls = { "u" },
      name_constraints = { permitted = { "DNS:a" } } }
  end,
  request = function() return x509.make { request = csr, issuer = issuer } end,
  csr = function() return x509.request { subject = "CN=a", names = { "a" }, key = key } end,
  crl = function() return x509.make_crl { issuer = issuer, revoked = { 1, 2 } } end,
  key = function() return x509.generate_key { password = "x" } end,
}

local function collect()
  for _ = 1, 2 do collectgarbage() end
end

local runs = 0

-- One run; false: nothing failed any more.
local function run(name, call, n, forbidden)
  starve[which](n, span < 0 and -1 or n + span - 1)
  local ok, result = pcall(call)
  local failed = starve.rest()
  runs = runs + 1
  if ok and result and forbidden then error(("%s succeeded without allocation %d"):format(name, n)) end
  return failed > 0
end

for _, calls in ipairs { never, maybe } do
  for name, call in pairs(calls) do
    for _ = 1, 3 do call() end -- OpenSSL keeps some things from the first time
    collect()
    local before, n = starve.live(), 1
    while run(name, call, n, calls == never) do
      n = n + step
      if n % 50 == 1 then collect() end
    end
    collect()
    local left = starve.live() - before
    local leak = "%s: OpenSSL holds %d blocks more than before %d runs"
    if left > 12 then error(leak:format(name, left, n)) end
  end
end
print("runs " .. runs)
