-- `:checkhealth secondlook`: is the program there, does it start, what does it serve.

local client = require("secondlook.client")
local config = require("secondlook.config")

local M = {}

local function program()
  vim.health.start("secondlook: the program")
  local cmd = config.get().cmd[1]
  if vim.fn.executable(cmd) == 0 then
    vim.health.error(("`%s` cannot be run"):format(cmd), {
      "build it with `cargo install --path server/cli`, and have its folder on your PATH",
      "or say where it is: `require('secondlook').setup({ cmd = { '/path/to/secondlook', 'lsp' } })`",
    })
    return
  end
  local done = vim.system({ cmd, "--version" }, { text = true }):wait(10000)
  if done.code == 0 then
    vim.health.ok(("%s: %s"):format(vim.fn.exepath(cmd), vim.trim(done.stdout)))
  else
    vim.health.error(("`%s --version` ended with code %d"):format(cmd, done.code))
  end
end

local function servers()
  vim.health.start("secondlook: the server")
  local all = client.all()
  if #all == 0 then
    vim.health.info("no server runs; it starts with the first Python or C buffer")
    return
  end
  for _, it in ipairs(all) do
    local names = {}
    for buf in pairs(it.attached_buffers) do
      local name = vim.api.nvim_buf_get_name(buf)
      names[#names + 1] = name == "" and "[No Name]" or vim.fn.fnamemodify(name, ":~:.")
    end
    vim.health.ok(("client %d serves %s"):format(it.id, table.concat(names, ", ")))
    local answer
    client.request(it, "secondlook/status", {}, function(error, result)
      answer = { error = error, result = result }
    end)
    vim.wait(3000, function()
      return answer ~= nil
    end, 20)
    local status = answer and answer.result
    if not status then
      vim.health.warn("it did not answer within 3 s")
      return
    end
    vim.health.info(("%d entries, %d imported discussions"):format(status.entries, status.discussions))
    if status.model then
      vim.health.ok("revisions are asked of " .. status.model)
    else
      vim.health.info("no model is configured: nothing is ever sent; fixes of entries work without one")
    end
  end
end

local function assistants()
  vim.health.start("secondlook: what an AI inserted")
  if not config.get().mark then
    vim.health.info("accepted suggestions are not marked, because `mark` is false")
    return
  end
  local seen = vim.tbl_keys(require("secondlook.marks").seen)
  table.sort(seen)
  if #seen == 0 then
    vim.health.info("no assistant was seen yet; several lines at once are taken as likely inserted")
  else
    vim.health.ok("marks come from " .. table.concat(seen, ", "))
  end
end

function M.check()
  vim.health.start("secondlook: Neovim")
  if vim.fn.has("nvim-0.10") == 0 then
    vim.health.error("Neovim 0.10 or later is needed")
    return
  end
  vim.health.ok("Neovim " .. tostring(vim.version()))
  program()
  servers()
  assistants()
end

return M
