-- Drives a Neovim with inline completion (0.12): enables it, waits for what the server offers in a
-- line, accepts it, saves. Prints what it saw as one JSON object.
--
--   nvim --headless --clean -n -l inline.lua SERVER FILE LINE
--
-- LINE, from 1, is where somebody types, at its end. Environment: PATIENCE_MS, how long to wait for
-- anything; SETTINGS, the settings as JSON.
-- Exit code 1 when something that should come does not, with what it was in `missing`.

local server, file, line = arg[1], arg[2], tonumber(arg[3])
local shared = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/story.lua")
local seen, finish, wait_for = shared.seen, shared.finish, shared.wait_for

vim.lsp.inline_completion.enable(true)
local client, buffer = shared.open(server, file, vim.json.decode(vim.env.SETTINGS))
seen.provider = client.server_capabilities.inlineCompletionProvider

-- Suggestions come in insert mode only, which a script without a screen cannot stay in.
vim.o.virtualedit = "onemore"
vim.api.nvim_win_set_cursor(0, { line, #vim.fn.getline(line) })
local mode = vim.api.nvim_get_mode
vim.api.nvim_get_mode = function() return { mode = "i", blocking = false } end
local asked = 0
wait_for("the suggestion", function()
  if vim.uv.now() - asked > 2000 then
    asked = vim.uv.now()
    vim.api.nvim_exec_autocmds("CursorMovedI", { buffer = buffer })
  end
  return vim.lsp.inline_completion.get({ bufnr = buffer })
end)
vim.api.nvim_get_mode = mode
wait_for("the text", function() return #vim.trim(vim.fn.getline(line)) > 0 end)
vim.cmd.write()
seen.saved = true
finish(0)
