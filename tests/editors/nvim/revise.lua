-- Drives a real Neovim through revisions: asks, cancels the first one, asks again, lets the edit be
-- applied, saves. Prints what it saw as one JSON object.
--
--   nvim --headless --clean -n -l revise.lua SERVER FILE MODEL_URL
--
-- Environment: PATIENCE_MS, how long to wait for anything; SETTINGS, other settings as JSON; REFUSED,
-- set where the second answer must be refused instead of applied.
-- Exit code 1 when something that should come does not, with what it was in `missing`.

local server, file, url = arg[1], arg[2], arg[3]
local shared = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/story.lua")
local seen, finish, wait_for = shared.seen, shared.finish, shared.wait_for
seen.progress = {}

local settings = {
  ["model-provider"] = "openai-chat",
  ["model-url"] = url,
  ["model-name"] = "test-model",
  ["model-timeout"] = 60000,
}
if vim.env.SETTINGS then
  settings = vim.json.decode(vim.env.SETTINGS)
end
seen.messages = {}
vim.lsp.handlers["window/showMessage"] = function(_, params)
  table.insert(seen.messages, params.message)
end
local token
vim.api.nvim_create_autocmd("LspProgress", {
  callback = function(event)
    local params = event.data.params
    token = params.token
    table.insert(seen.progress, params.value.kind .. ": " .. (params.value.message or ""))
  end,
})
vim.lsp.config("secondlook", {
  cmd = { server, "lsp" },
  filetypes = { "python", "c" },
  init_options = settings,
  settings = { secondlook = settings },
})
vim.lsp.enable("secondlook")
vim.cmd("filetype on")
vim.cmd.edit(vim.fn.fnameescape(file))
local buffer = vim.api.nvim_get_current_buf()

local client
wait_for("the client", function()
  client = vim.lsp.get_clients({ bufnr = buffer })[1]
  return client ~= nil and client.initialized
end)
wait_for("the diagnostic", function() return #vim.diagnostic.get(buffer) == 1 end)
local first = vim.diagnostic.get(buffer)[1]
vim.api.nvim_win_set_cursor(0, { first.lnum + 1, first.col })
local before = table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n")

local function revise()
  vim.lsp.buf.code_action({
    apply = true,
    filter = function(action) return vim.startswith(action.title, "Revise with") end,
  })
end

local function ended()
  local count = 0
  for _, it in ipairs(seen.progress) do
    count = count + (vim.startswith(it, "end") and 1 or 0)
  end
  return count
end

revise()
wait_for("the model's first words", function()
  for _, it in ipairs(seen.progress) do
    if it:find("answering", 1, true) then
      return true
    end
  end
end)
client:notify("window/workDoneProgress/cancel", { token = token })
wait_for("the end of the first", function() return ended() == 1 end)
seen.untouched = before == table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n")

revise()
if vim.env.REFUSED then
  wait_for("the end of the second", function() return ended() == 2 end)
  wait_for("the reason", function() return #seen.messages > 0 end)
  seen.untouched = seen.untouched
    and before == table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n")
  finish(0)
end
wait_for("the cure", function() return #vim.diagnostic.get(buffer) == 0 end)
wait_for("the end of the second", function() return ended() == 2 end)
vim.cmd.write()
seen.saved = true
finish(0)
