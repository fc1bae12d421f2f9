-- The configuration of a Neovim that is recorded: a server that listens, formatting on save, and an
-- assistant's key. What is typed, pasted and undone is done by hand.
--
-- Environment: PYTHON, RECORDER, OUT, LABEL, ENCODING: how the recorder is started; SUGGESTION, a
-- file with what the assistant inserts.
vim.o.autoread = true
vim.o.completeopt = "menuone,noselect"
vim.cmd("filetype on")

local recorder = { vim.env.PYTHON, vim.env.RECORDER, vim.env.OUT, vim.env.LABEL, vim.env.ENCODING }
vim.api.nvim_create_autocmd("FileType", {
  pattern = "python",
  callback = function(event)
    -- New lines begin at the margin, and a comment does not go on by itself.
    vim.schedule(function()
      vim.bo.autoindent, vim.bo.indentexpr, vim.bo.formatoptions = false, "", ""
    end)
    vim.lsp.start({ name = "recorder", cmd = recorder }, { bufnr = event.buf })
  end,
})
vim.api.nvim_create_autocmd("LspAttach", {
  callback = function(event)
    vim.lsp.completion.enable(true, event.data.client_id, event.buf)
  end,
})
vim.api.nvim_create_autocmd("BufWritePre", {
  callback = function() vim.lsp.buf.format({ timeout_ms = 10000 }) end,
})

-- As copilot.lua accepts: the text goes in as an edit of a server.
vim.keymap.set("i", "<C-l>", function()
  local text = table.concat(vim.fn.readfile(vim.env.SUGGESTION, "b"), "\n")
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local here = { line = row - 1, character = column }
  local range = { start = here, ["end"] = here }
  vim.lsp.util.apply_text_edits({ { range = range, newText = text } }, vim.api.nvim_get_current_buf(), "utf-8")
end)
