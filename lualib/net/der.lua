-- net.der: writes the few forms of DER (X.690) that certificates are made of. It reads nothing.

local der = {}

local function length(n)
  if n < 128 then return string.char(n) end
  local bytes = (">I8"):pack(n):gsub("^\0+", "")
  return string.char(0x80 | #bytes) .. bytes
end

-- An element of any kind.
function der.element(tag, content)
  return string.char(tag) .. length(#content) .. content
end

function der.sequence(...)
  return der.element(0x30, table.concat { ... })
end

-- A tag of the context: number, content; constructed where it holds elements.
function der.tagged(number, content, constructed)
  return der.element(0x80 | (constructed and 0x20 or 0) | number, content)
end

function der.boolean(value)
  return der.element(0x01, value and "\xff" or "\0")
end

-- A number that is not negative.
function der.integer(n)
  local bytes = (">I8"):pack(n):gsub("^\0+", "")
  if bytes == "" or bytes:byte() >= 0x80 then bytes = "\0" .. bytes end
  return der.element(0x02, bytes)
end

function der.octets(bytes)
  return der.element(0x04, bytes)
end

-- Named bits, as X.690 11.2.2 has them: no zeros at the end. Bit 0 comes first.
function der.bits(set)
  local last = -1
  for bit in pairs(set) do last = math.max(last, bit) end
  if last < 0 then return der.element(0x03, "\0") end
  local bytes = {}
  for at = 0, last // 8 do
    local value = 0
    for bit = 0, 7 do
      if set[at * 8 + bit] then value = value | 0x80 >> bit end
    end
    bytes[#bytes + 1] = string.char(value)
  end
  return der.element(0x03, string.char(7 - last % 8) .. table.concat(bytes))
end

return der
