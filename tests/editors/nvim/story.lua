-- What every script that drives Neovim shares: what it saw, waiting, and an end that says both.
-- It knows no editor's feature and no server.

local story = { seen = { version = tostring(vim.version()) } }
local patience = tonumber(vim.env.PATIENCE_MS or 60000)

-- Prints what was seen as one JSON object and ends Neovim when its clients have ended.
function story.finish(code)
  io.stdout:write(vim.json.encode(story.seen) .. "\n")
  for _, client in ipairs(vim.lsp.get_clients()) do
    -- Called so, it does what it should in 0.10 too, where clients are no classes.
    client.stop(client)
  end
  vim.wait(5000, function() return #vim.lsp.get_clients() == 0 end, 20)
  vim.cmd("cquit " .. code)
end

-- Ends with exit code 1, and with `what` in `missing`, where the condition does not come to hold.
function story.wait_for(what, condition)
  if not vim.wait(patience, condition, 20) then
    story.seen.missing = what
    story.finish(1)
  end
end

return story
