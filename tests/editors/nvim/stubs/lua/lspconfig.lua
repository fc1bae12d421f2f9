-- Stands in for nvim-lspconfig in its older form: a server that was made known is set up by its name.
return setmetatable({}, {
  __index = function(_, name) return require("lspconfig.configs")[name] end,
})
