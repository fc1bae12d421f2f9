-- What is there from the start: the command, and the eyes on servers and assistants. The modules
-- are loaded when something happens.
if vim.g.loaded_secondlook or vim.fn.has("nvim-0.10") == 0 then
  return
end
vim.g.loaded_secondlook = true

vim.api.nvim_create_user_command("SecondLook", function(command)
  require("secondlook.commands").run(command)
end, {
  nargs = "*",
  range = true,
  desc = "Why a finding is flagged, and what can be done",
  complete = function(lead, line)
    return require("secondlook.commands").complete(lead, line)
  end,
})

local group = vim.api.nvim_create_augroup("secondlook", {})
local watching = false

vim.api.nvim_create_autocmd("LspAttach", {
  group = group,
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if not client or client.name ~= "secondlook" then
      return
    end
    require("secondlook.recover").attached(client.id, event.buf)
    if not watching then
      watching = true
      require("secondlook.marks").watch()
    end
  end,
})

vim.api.nvim_create_autocmd("LspProgress", {
  group = group,
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if not client or client.name ~= "secondlook" then
      return
    end
    local params = event.data.params or event.data.result
    local busy = require("secondlook.rationale").busy
    local value = params.value
    busy[params.token] = value.kind ~= "end" and (value.message or value.title or "busy") or nil
    vim.cmd.redrawstatus()
  end,
})

vim.api.nvim_create_autocmd("LspDetach", {
  group = group,
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if client and client.name == "secondlook" then
      local busy = require("secondlook.rationale").busy
      for token in pairs(busy) do
        busy[token] = nil
      end
    end
  end,
})
