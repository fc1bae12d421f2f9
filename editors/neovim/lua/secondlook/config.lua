-- What the plugin was told, and the client's configuration that follows from it.
-- It starts nothing.

local M = {}

---@class secondlook.Options
---@field cmd string[] how the server is started
---@field mark boolean whether accepted suggestions are marked as AI-inserted
---@field restart boolean whether a server that ends by itself is started again
---@field settings table<string, any> options of the server
local defaults = {
  cmd = { "secondlook", "lsp" },
  mark = true,
  restart = true,
  settings = {},
}

M.filetypes = { "python", "c" }
M.root_markers = { "secondlook.toml", "pyproject.toml", "compile_commands.json", ".git" }

---@type secondlook.Options?
local given

---Takes options; those that are wrong are named and left out.
---@param opts table?
function M.set(opts)
  given = vim.deepcopy(defaults)
  for name, value in pairs(opts or {}) do
    if defaults[name] == nil then
      vim.notify(("secondlook: there is no setting `%s`"):format(name), vim.log.levels.WARN)
    elseif type(value) ~= type(defaults[name]) then
      vim.notify(
        ("secondlook: `%s` must be a %s"):format(name, type(defaults[name])),
        vim.log.levels.WARN
      )
    else
      given[name] = value
    end
  end
end

---@return secondlook.Options
function M.get()
  if not given then
    M.set(vim.g.secondlook)
  end
  return given --[[@as secondlook.Options]]
end

---The configuration of the client, as vim.lsp.config and vim.lsp.start take it.
---@return table
function M.client()
  local opts = M.get()
  local settings = opts.settings
  if next(settings) == nil then
    settings = vim.empty_dict()
  end
  return {
    name = "secondlook",
    cmd = opts.cmd,
    filetypes = M.filetypes,
    root_markers = M.root_markers,
    init_options = settings,
    settings = { secondlook = settings },
    handlers = {
      ["workspace/diagnostic/refresh"] = function(_, _, context)
        local client = vim.lsp.get_client_by_id(context.client_id)
        for buf in pairs(client and client.attached_buffers or {}) do
          require("secondlook.client").pull(client, buf)
        end
        return vim.NIL
      end,
    },
    on_exit = function(code, signal, id)
      require("secondlook.recover").exited(code, signal, id)
    end,
  }
end

return M
