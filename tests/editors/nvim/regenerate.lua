-- Drives a real Neovim through a block written anew: marks it, asks, cancels the first one, asks
-- again, lets the edit be applied, saves. Prints what it saw as one JSON object.
--
--   nvim --headless --clean -n -l regenerate.lua SERVER FILE LINE FROM TO
--
-- The block stands in LINE, from 0, between two columns. Environment: PATIENCE_MS, how long to wait for
-- anything; SETTINGS, the settings as JSON.
-- Exit code 1 when something that should come does not, with what it was in `missing`.

local server, file = arg[1], arg[2]
local line, from, to = tonumber(arg[3]), tonumber(arg[4]), tonumber(arg[5])
local shared = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/story.lua")
local seen, finish, wait_for = shared.seen, shared.finish, shared.wait_for
seen.offered = {}

local cancel, ended = shared.follow()
local client, buffer = shared.open(server, file, vim.json.decode(vim.env.SETTINGS))
client:notify("secondlook/markInserted", {
  uri = vim.uri_from_bufnr(buffer),
  version = vim.lsp.util.buf_versions[buffer],
  range = { start = { line = line, character = from }, ["end"] = { line = line, character = to } },
  source = "a test",
})
vim.api.nvim_win_set_cursor(0, { line + 1, from + 1 })

wait_for("the diagnostic", function() return #vim.diagnostic.get(buffer) == 1 end)

local before = shared.text(buffer)

local function regenerate()
  vim.lsp.buf.code_action({
    apply = true,
    filter = function(action)
      table.insert(seen.offered, action.title)
      return action.title == "Regenerate securely (local)"
    end,
  })
end

regenerate()
shared.wait_for_words()
cancel(client)
wait_for("the end of the first", function() return ended() == 1 end)
seen.untouched = before == shared.text(buffer)

regenerate()
wait_for("the end of the second", function() return ended() == 2 end)
wait_for("the edit, or a reason", function() return shared.text(buffer) ~= before or #seen.messages > 0 end)
wait_for("the end of the diagnostic", function() return #vim.diagnostic.get(buffer) == 0 end)
vim.cmd.write()
seen.saved = true
finish(0)
