-- Starts the server again when it ended by itself, and says so.

local client = require("secondlook.client")
local config = require("secondlook.config")

local M = {}

-- More than this many ends within this many seconds are no accident; then the user decides.
local MOST, WITHIN = 5, 180

---When the server ended by itself.
local ends = {}

---The buffers of each client, because a client that is gone has none.
local buffers = {}

---Configurations by client, to start them again as they were.
local configs = {}

---Clients that were told to end.
local told = {}

---@param id integer
---@param buf integer
function M.attached(id, buf)
  buffers[id] = buffers[id] or {}
  buffers[id][buf] = true
  local it = vim.lsp.get_client_by_id(id)
  configs[id] = it and it.config or configs[id]
end

---@param id integer
function M.expect(id)
  told[id] = true
end

local function start(id)
  for buf in pairs(buffers[id] or {}) do
    if vim.api.nvim_buf_is_loaded(buf) then
      vim.lsp.start(configs[id], { bufnr = buf })
    end
  end
  buffers[id] = nil
end

---@param code integer
---@param signal integer
---@param id integer
function M.exited(code, signal, id)
  local it = vim.lsp.get_client_by_id(id)
  local wanted = told[id] or (it and rawget(it, "_is_stopping")) or vim.v.exiting ~= vim.NIL
  told[id] = nil
  if wanted or (code == 0 and signal == 0) or not configs[id] then
    return
  end
  vim.schedule(function()
    local now = os.time()
    ends = vim.tbl_filter(function(at)
      return now - at < WITHIN
    end, ends)
    ends[#ends + 1] = now
    local how = signal ~= 0 and ("by signal " .. signal) or ("with code " .. code)
    if not config.get().restart then
      client.say(("the server ended %s; `:SecondLook restart` starts it"):format(how), vim.log.levels.WARN)
    elseif #ends > MOST then
      local text = "the server ended %s, %d times now; it stays off until `:SecondLook restart`"
      client.say(text:format(how, #ends), vim.log.levels.ERROR)
    else
      client.say(("the server ended %s and is started again"):format(how), vim.log.levels.WARN)
      -- The old client has to be gone first, or it would be taken for the running one.
      vim.defer_fn(function()
        start(id)
      end, 100)
    end
  end)
end

---Stops what runs and starts it anew.
function M.restart()
  ends = {}
  local ids = vim.tbl_keys(buffers)
  for _, it in ipairs(client.all()) do
    M.expect(it.id)
    client.stop(it)
  end
  local left = 50
  local function try()
    left = left - 1
    if #client.all() > 0 and left > 0 then
      vim.defer_fn(try, 100)
      return
    end
    for _, it in ipairs(client.all()) do
      client.stop(it, true)
    end
    for _, id in ipairs(ids) do
      start(id)
    end
    client.say("the server was started anew")
  end
  vim.defer_fn(try, 50)
end

return M
