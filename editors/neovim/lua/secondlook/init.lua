-- Second Look in Neovim: what others call. Each function hands on to the module that does it.

local config = require("secondlook.config")

local M = {}

---Starts the server for its buffers, in any version of Neovim.
---@param opts secondlook.Options?
function M.setup(opts)
  config.set(opts or vim.g.secondlook)
  if vim.lsp.config and vim.lsp.enable then
    vim.lsp.config("secondlook", config.client())
    vim.lsp.enable("secondlook")
    return
  end
  local function start(buf)
    local made = config.client()
    made.root_dir = vim.fs.root(buf, config.root_markers)
    vim.lsp.start(made, { bufnr = buf })
  end
  vim.api.nvim_create_autocmd("FileType", {
    group = vim.api.nvim_create_augroup("secondlook.start", {}),
    pattern = config.filetypes,
    callback = function(event)
      start(event.buf)
    end,
  })
  for _, buf in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_is_loaded(buf) and vim.tbl_contains(config.filetypes, vim.bo[buf].filetype) then
      start(buf)
    end
  end
end

---Makes the server known to nvim-lspconfig in its form before Neovim 0.11.
function M.lspconfig()
  local configs = require("lspconfig.configs")
  if not configs.secondlook then
    local made = config.client()
    made.root_dir = function(name)
      return vim.fs.root(name, config.root_markers)
    end
    made.root_markers = nil
    -- A file in no project gets a server as well, as it does everywhere else.
    made.single_file_support = true
    configs.secondlook = { default_config = made }
  end
end

---Calls a function and marks what it inserts into the current buffer.
---@param source string
---@param fn function
function M.accepting(source, fn)
  require("secondlook.marks").begin(source)
  return fn()
end

---Marks lines as inserted by an AI, counted from 1, both included.
---@param buf integer
---@param first integer
---@param last integer
---@param source string?
function M.mark(buf, first, last, source)
  local line = vim.api.nvim_buf_get_lines(buf, last - 1, last, false)[1] or ""
  return require("secondlook.marks").send(buf, first - 1, 0, last - 1, #line, source or "hand")
end

---Why the finding at the cursor is flagged.
function M.why()
  require("secondlook.rationale").show()
end

---A text for a status line; empty when there is nothing to say.
---@return string
function M.status()
  return require("secondlook.rationale").status()
end

return M
