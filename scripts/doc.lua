-- doc: help on what netlua has, by name.

-- A page as rows; several pages as one row each.
local function rows(records)
  if records[2] then
    for _, rec in ipairs(records) do rec.rows = { { rec.name, rec.summary } } end
    return
  end
  records[1].rows = {}
  for line in (records[1].page .. "\n"):gmatch "(.-)\n" do table.insert(records[1].rows, { line }) end
end

return {
  summary = "What netlua has under a name: functions, options, error codes, tools.",
  common = { "file" },
  examples = { "doc net.connect", "doc stream:read ECONNREFUSED", "doc 'x509.*'", "doc net.connect --json" },
  notes = "NAME is net.connect or connect, stream:read, net.connect.options, SO_REUSEADDR, ECONNREFUSED or\n"
    .. "a tool such as ping; * stands for any letters.",
  needs = "NAME",
  options = function(parser)
    parser:argument("NAME"):args "*":target "targets"
      :description "Function, method, class, field, constant, error code or tool."
  end,
  columns = { "name", "kind", "signature", "summary" },
  human = function(rec) return { rows = rec.rows } end,
  run = function(args, out)
    local found = {}
    for _, word in ipairs(args.targets) do
      local records, message = net.tool.doc(word)
      if not records then return out:usage(message) end
      if out.form == "human" then rows(records) end
      found[word] = records
    end
    return out:each(args.targets, function(word) return found[word] end)
  end,
}
