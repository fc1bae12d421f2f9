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

local settings = {
  ["model-provider"] = "openai-chat",
  ["model-url"] = url,
  ["model-name"] = "test-model",
  ["model-timeout"] = 60000,
}
if vim.env.SETTINGS then
  settings = vim.json.decode(vim.env.SETTINGS)
end
local cancel, ended = shared.follow()
local client, buffer = shared.open(server, file, settings)
wait_for("the diagnostic", function() return #vim.diagnostic.get(buffer) == 1 end)
local first = vim.diagnostic.get(buffer)[1]
vim.api.nvim_win_set_cursor(0, { first.lnum + 1, first.col })
local before = shared.text(buffer)

local function revise()
  vim.lsp.buf.code_action({
    apply = true,
    filter = function(action) return vim.startswith(action.title, "Revise with") end,
  })
end

revise()
shared.wait_for_words()
cancel(client)
wait_for("the end of the first", function() return ended() == 1 end)
seen.untouched = before == shared.text(buffer)

revise()
if vim.env.REFUSED then
  wait_for("the end of the second", function() return ended() == 2 end)
  wait_for("the reason", function() return #seen.messages > 0 end)
  seen.untouched = seen.untouched and before == shared.text(buffer)
  finish(0)
end
wait_for("the cure", function() return #vim.diagnostic.get(buffer) == 0 end)
wait_for("the end of the second", function() return ended() == 2 end)
vim.cmd.write()
seen.saved = true
finish(0)
