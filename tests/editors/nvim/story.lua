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

-- Starts the server on a file, with settings where there are any; gives its client and the buffer.
function story.open(server, file, settings)
  vim.lsp.config("secondlook", {
    cmd = { server, "lsp" },
    filetypes = { "python", "c" },
    init_options = settings,
    settings = settings and { secondlook = settings },
  })
  vim.lsp.enable("secondlook")
  vim.cmd("filetype on")
  vim.cmd.edit(vim.fn.fnameescape(file))
  local buffer, client = vim.api.nvim_get_current_buf(), nil
  story.wait_for("the client", function()
    client = vim.lsp.get_clients({ bufnr = buffer })[1]
    return client ~= nil and client.initialized
  end)
  return client, buffer
end

-- The whole text of a buffer.
function story.text(buffer) return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n") end

-- Remembers what is shown and how work goes on; gives what ends the last work that began, and how
-- many have ended.
function story.follow()
  local seen, token = story.seen, nil
  seen.progress, seen.messages = {}, {}
  vim.lsp.handlers["window/showMessage"] = function(_, params) table.insert(seen.messages, params.message) end
  vim.api.nvim_create_autocmd("LspProgress", {
    callback = function(event)
      local params = event.data.params
      token = params.token
      table.insert(seen.progress, params.value.kind .. ": " .. (params.value.message or ""))
    end,
  })
  local function cancel(client) client:notify("window/workDoneProgress/cancel", { token = token }) end
  local function ended()
    return #vim.tbl_filter(function(it) return vim.startswith(it, "end") end, seen.progress)
  end
  return cancel, ended
end

-- Waits until a model has begun to answer.
function story.wait_for_words()
  story.wait_for("the model's first words", function()
    return vim.iter(story.seen.progress):any(function(it) return it:find("answering", 1, true) ~= nil end)
  end)
end

return story
