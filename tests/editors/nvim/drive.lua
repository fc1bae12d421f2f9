-- Drives a real Neovim as a person would: opens a file, lets a completion insert lines, waits for
-- the diagnostic, hovers, applies the fix, saves. Prints what it saw as one JSON object.
--
--   nvim --headless --clean -n -l drive.lua SERVER FILE EXPECTED [INSERTION]
--
-- EXPECTED is the number of diagnostics to wait for; 0 means to make sure that none comes.
-- INSERTION is a file whose lines are inserted at the end of FILE in one change.
-- Environment: PATIENCE_MS, how long to wait for anything.
-- Exit code 1 when something that should come does not, with what it was in `missing`.

local server, file, expected, insertion = arg[1], arg[2], tonumber(arg[3]), arg[4]
local shared = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/story.lua")
local seen, finish, wait_for = shared.seen, shared.finish, shared.wait_for

local client, buffer = shared.open(server, file)
seen.encoding = client.offset_encoding
seen.pulls = client.server_capabilities.diagnosticProvider ~= nil
seen.before = #vim.diagnostic.get(buffer)

if insertion then
  -- As a completion does it: all lines in one change, at the end of the buffer.
  local lines = vim.fn.readfile(insertion)
  vim.api.nvim_buf_set_lines(buffer, -1, -1, false, lines)
end

if expected == 0 then
  -- The server's answer to a request of ours proves that the text was looked at.
  local asked = vim.lsp.util.make_text_document_params(buffer)
  local answer
  client:request("textDocument/diagnostic", { textDocument = asked }, function(error, result)
    answer = { error = error, result = result }
  end, buffer)
  wait_for("an answer", function() return answer ~= nil end)
  if answer.error then
    seen.missing = "an answer without an error: " .. vim.inspect(answer.error)
    finish(1)
  end
  seen.diagnostics = answer.result.items
  if #answer.result.items > 0 then
    seen.missing = "silence"
    finish(1)
  end
  finish(0)
end

wait_for("the diagnostics", function() return #vim.diagnostic.get(buffer) == expected end)
seen.diagnostics = vim.tbl_map(function(it)
  return { line = it.lnum, column = it.col, code = it.code, source = it.source, message = it.message }
end, vim.diagnostic.get(buffer))

-- Hover shows its text in a floating window; read it from there, as a person does.
local first = vim.diagnostic.get(buffer)[1]
vim.api.nvim_win_set_cursor(0, { first.lnum + 1, first.col })
vim.lsp.buf.hover()
local function float()
  for _, window in ipairs(vim.api.nvim_list_wins()) do
    if vim.api.nvim_win_get_config(window).relative ~= "" then
      return window
    end
  end
end
wait_for("the hover", function() return float() ~= nil end)
local shown = vim.api.nvim_win_get_buf(float())
seen.hover = table.concat(vim.api.nvim_buf_get_lines(shown, 0, -1, false), "\n")
vim.api.nvim_win_close(float(), true)

vim.lsp.buf.code_action({
  apply = true,
  filter = function(action) return action.isPreferred == true end,
})
wait_for("the fix", function() return #vim.diagnostic.get(buffer) == expected - 1 end)
vim.cmd.write()
seen.saved = true
finish(0)
