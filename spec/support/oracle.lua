-- oracle: asks another implementation what the right answer is.

local netlua = require "netlua"

local oracle = {}

local function write(text)
  local name = os.tmpname()
  local file <close> = assert(io.open(name, "wb"))
  file:write(text)
  return name
end

---Runs a python3 script over lines: `answer(line)`, which the script defines, gives one line for each.
---Returns the list of answers, or nil if there is no python3.
function oracle.python(script, lines)
  local _, _, missing = netlua.shell "python3 -c pass"
  if missing ~= 0 then return nil end
  local program = write("import sys\n" .. script .. "\nfor line in sys.stdin:\n  print(answer(line[:-1]))\n")
  local input = write(table.concat(lines, "\n") .. "\n")
  local out, err, status = netlua.shell(("python3 %s <%s"):format(program, input), 30)
  os.remove(program)
  os.remove(input)
  assert(status == 0, err)
  local answers = {}
  for line in out:gmatch "([^\n]*)\n" do answers[#answers + 1] = line end
  assert(#answers == #lines, "as many answers as questions")
  return answers
end

return oracle
