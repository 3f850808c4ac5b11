-- luacheck: the Lua sources and the specs.
std = "lua54"
globals = { "net" }
max_line_length = 110
exclude_files = { "build", "build-san" }
files["spec"] = { std = "+busted" }
files["spec/support/run.lua"] = { globals = { "arg" } }
