-- The server's configuration for vim.lsp.config and vim.lsp.enable, in the form of nvim-lspconfig.
return require("secondlook.config").client()
