-- Stands in for nvim-lspconfig's table of servers. As there, a buffer gets a server when the
-- configuration finds a folder for it, or takes single files.
local function set_up(name, config)
  vim.api.nvim_create_autocmd("FileType", {
    pattern = config.filetypes,
    callback = function(event)
      local root = config.root_dir(vim.api.nvim_buf_get_name(event.buf), event.buf)
      if root or config.single_file_support then
        local made = vim.tbl_extend("force", config, { name = name })
        made.root_dir = root
        vim.lsp.start(made, { bufnr = event.buf })
      end
    end,
  })
end

return setmetatable({}, {
  __newindex = function(configs, name, definition)
    rawset(configs, name, {
      setup = function(given)
        set_up(name, vim.tbl_deep_extend("keep", given, definition.default_config))
      end,
    })
  end,
})
