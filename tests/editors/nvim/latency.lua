-- Measures what a key costs in Neovim: types a line letter by letter into the middle of a long file
-- and prints the time from each key to the end of its handling, in microseconds, as JSON.
--
--   nvim --headless --clean -n -l latency.lua FILE KEYS
--
-- Environment: PLUGIN, the folder of the plugin, or nothing to measure without it; REVISE, to have
-- a model asked meanwhile; MODEL_URL.

local file, keys = arg[1], tonumber(arg[2])
local plugin = vim.env.PLUGIN
if plugin then
  vim.opt.runtimepath:prepend(plugin)
  if vim.env.MODEL_URL then
    vim.g.secondlook = {
      settings = {
        ["model-provider"] = "openai-chat",
        ["model-url"] = vim.env.MODEL_URL,
        ["model-name"] = "slow",
      },
    }
  end
  vim.cmd("runtime! plugin/secondlook.lua")
  require("secondlook").setup()
end
vim.cmd("filetype on")
vim.cmd.edit(vim.fn.fnameescape(file))
local buffer = vim.api.nvim_get_current_buf()
if plugin then
  assert(vim.wait(60000, function() return #vim.diagnostic.get(buffer) > 0 end, 50), "no finding")
  local first = vim.diagnostic.get(buffer)[1]
  vim.api.nvim_win_set_cursor(0, { first.lnum + 1, first.col })
  if vim.env.MODEL_URL then
    vim.cmd("SecondLook revise")
    assert(vim.wait(30000, function()
      return next(require("secondlook.rationale").busy) ~= nil
    end, 20), "no revision")
  end
end
vim.api.nvim_win_set_cursor(0, { math.floor(vim.api.nvim_buf_line_count(buffer) / 2), 0 })
local took = {}
for _ = 1, keys do
  local started = vim.uv.hrtime()
  vim.api.nvim_feedkeys("ix", "xt", false)
  vim.cmd.redraw()
  took[#took + 1] = math.floor((vim.uv.hrtime() - started) / 1000)
  -- A fast typist's pause, in which what was put off is done; it counts when it blocks the next key.
  local woken = vim.uv.hrtime()
  vim.wait(60, function() return false end, 60)
  took[#took] = took[#took] + math.max(0, math.floor((vim.uv.hrtime() - woken) / 1000) - 60000)
end
io.stdout:write(vim.json.encode(took) .. "\n")
for _, client in ipairs(vim.lsp.get_clients()) do
  client.stop(client, true)
end
vim.cmd("qall!")
