-- Stands in for copilot.lua: its module, its function, and its habit of inserting a turn later.
local M = {}

function M.is_visible() return true end

function M.accept()
  vim.schedule(function()
    local row = vim.api.nvim_buf_line_count(0)
    vim.api.nvim_buf_set_lines(0, row, row, false, vim.g.completion)
  end)
end

return M
