-- Measures what a key costs in Neovim: types letters into the middle of a long file and prints the
-- time from each key to the end of its handling, in milliseconds, and the processor time that
-- Neovim itself took for a key, as JSON.
--
--   nvim --headless --clean -n -l latency.lua FILE KEYS
--
-- Environment: PLUGIN, the folder of the plugin, or nothing to measure without it; MODEL_URL, to
-- have a model asked meanwhile, about SMALL, a file with a finding; LISTENER, the command of a
-- server that does nothing, to have Neovim's own client alone.

local file, keys = arg[1], tonumber(arg[2])
local plugin, model = vim.env.PLUGIN, vim.env.MODEL_URL
if plugin then
  vim.opt.runtimepath:prepend(plugin)
  if model then
    local settings = { ["model-provider"] = "openai-chat", ["model-url"] = model, ["model-name"] = "slow" }
    vim.g.secondlook = { settings = settings }
  end
  vim.cmd("runtime! plugin/secondlook.lua")
  require("secondlook").setup()
end
vim.cmd("filetype on")

local function open(name)
  vim.cmd.edit(vim.fn.fnameescape(name))
  local buffer = vim.api.nvim_get_current_buf()
  if vim.env.LISTENER then
    vim.lsp.start({ name = "listener", cmd = vim.split(vim.env.LISTENER, "\n") })
    vim.wait(3000, function() return false end, 100)
  end
  if plugin then
    assert(vim.wait(60000, function() return #vim.diagnostic.get(buffer) > 0 end, 50), "no finding")
  end
  return buffer
end

-- An edit of the text that a model was asked about ends the question, so it is about another file.
local function asked()
  return next(require("secondlook.rationale").busy) ~= nil
end
if plugin and model then
  local finding = vim.diagnostic.get(open(vim.env.SMALL))[1]
  vim.api.nvim_win_set_cursor(0, { finding.lnum + 1, finding.col })
  vim.cmd("SecondLook revise")
  assert(vim.wait(30000, asked, 20), "no revision")
end
local buffer = open(file)
vim.api.nvim_win_set_cursor(0, { math.floor(vim.api.nvim_buf_line_count(buffer) / 2), 0 })
local function busy()
  local used = vim.uv.getrusage()
  return (used.utime.sec + used.stime.sec) * 1e3 + (used.utime.usec + used.stime.usec) / 1e3
end
local took, before = {}, busy()
for _ = 1, keys do
  local started = vim.uv.hrtime()
  vim.api.nvim_feedkeys("ix", "xt", false)
  vim.cmd.redraw()
  local cost = (vim.uv.hrtime() - started) / 1e6
  -- A fast typist's pause, in which what was put off is done; it counts when it blocks the next key.
  local woken = vim.uv.hrtime()
  vim.wait(60, function() return false end, 60)
  took[#took + 1] = cost + math.max(0, (vim.uv.hrtime() - woken) / 1e6 - 60)
end
assert(not (plugin and model) or asked(), "the model is not asked any more")
io.stdout:write(vim.json.encode({ times = took, cpu = (busy() - before) / keys }) .. "\n")
for _, client in ipairs(vim.lsp.get_clients()) do
  client.stop(client, true)
end
vim.cmd("qall!")
