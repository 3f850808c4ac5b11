-- net.nearest: which of many names somebody may have meant.

local nearest = {}

local MOST = 3      -- names that are offered
local LONGEST = 60  -- bytes of a name that is compared

-- How many letters have to be added, left out, changed or exchanged with their neighbour to make b of a.
local function distance(a, b)
  local before, last = nil, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + cost)
      if before and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, last = last, row
  end
  return last[#b]
end

---The names that are like a word, the likest first; at most three. Upper and lower case are the same.
function nearest.names(word, names)
  local found, seen, most = {}, {}, math.max(1, #word // 3)
  word = word:lower()
  for _, name in ipairs(names) do
    local near = math.abs(#name - #word) <= most and #word <= LONGEST
    local far = near and distance(word, name:lower())
    if far and far <= most and not seen[name] then
      seen[name] = true
      found[#found + 1] = { name = name, far = far }
    end
  end
  table.sort(found, function(a, b)
    if a.far ~= b.far then return a.far < b.far end
    return a.name < b.name
  end)
  local list = {}
  for index = 1, math.min(#found, MOST) do list[index] = found[index].name end
  return list
end

---The same as a question, or "" where nothing is like it.
function nearest.question(word, names)
  local list = nearest.names(word, names)
  return #list > 0 and ("did you mean %s?"):format(table.concat(list, ", or ")) or ""
end

return nearest
