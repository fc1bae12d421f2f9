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
seen.progress, seen.messages, seen.offered = {}, {}, {}

local settings = vim.json.decode(vim.env.SETTINGS)
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
client:notify("secondlook/markInserted", {
  uri = vim.uri_from_bufnr(buffer),
  version = vim.lsp.util.buf_versions[buffer],
  range = { start = { line = line, character = from }, ["end"] = { line = line, character = to } },
  source = "a test",
})
vim.api.nvim_win_set_cursor(0, { line + 1, from + 1 })

wait_for("the diagnostic", function() return #vim.diagnostic.get(buffer) == 1 end)

local function text() return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n") end
local before = text()

local function regenerate()
  vim.lsp.buf.code_action({
    apply = true,
    filter = function(action)
      table.insert(seen.offered, action.title)
      return action.title == "Regenerate securely (local)"
    end,
  })
end

local function ended()
  local count = 0
  for _, it in ipairs(seen.progress) do
    count = count + (vim.startswith(it, "end") and 1 or 0)
  end
  return count
end

regenerate()
wait_for("the model's first words", function()
  for _, it in ipairs(seen.progress) do
    if it:find("answering", 1, true) then
      return true
    end
  end
end)
client:notify("window/workDoneProgress/cancel", { token = token })
wait_for("the end of the first", function() return ended() == 1 end)
seen.untouched = before == text()

regenerate()
wait_for("the end of the second", function() return ended() == 2 end)
wait_for("the edit, or a reason", function() return text() ~= before or #seen.messages > 0 end)
wait_for("the end of the diagnostic", function() return #vim.diagnostic.get(buffer) == 0 end)
vim.cmd.write()
seen.saved = true
finish(0)
