-- The running clients, and one way to talk to them in every version of Neovim.
-- It knows no command and shows nothing.

local M = {}

local methods = vim.fn.has("nvim-0.11") == 1

---@param buf integer?
---@return vim.lsp.Client?
function M.of(buf)
  return vim.lsp.get_clients({ name = "secondlook", bufnr = buf })[1]
end

---@return vim.lsp.Client[]
function M.all()
  return vim.lsp.get_clients({ name = "secondlook" })
end

---Sends a request.
---@param client vim.lsp.Client
---@param method string
---@param params table
---@param done fun(error: table?, result: any)
---@param buf integer?
function M.request(client, method, params, done, buf)
  local handler = function(error, result)
    done(error, result)
  end
  if methods then
    client:request(method, params, handler, buf)
  else
    client.request(method, params, handler, buf)
  end
end

---Sends a notification, after all changes that are still waiting.
---@param client vim.lsp.Client
---@param method string
---@param params table
function M.notify(client, method, params)
  if methods then
    client:notify(method, params)
  else
    client.notify(method, params)
  end
end

---Asks for a buffer's diagnostics anew where nobody else would: when only marks have changed,
---Neovim before 0.12 cannot be told to ask again, and 0.12 then asks for closed files only.
---@param client vim.lsp.Client
---@param buf integer
function M.pull(client, buf)
  local asks = (client.server_capabilities or {}).diagnosticProvider
  if not asks then
    return
  end
  local method = "textDocument/diagnostic"
  local params = {
    textDocument = { uri = vim.uri_from_bufnr(buf) },
    identifier = type(asks) == "table" and asks.identifier or nil,
  }
  if methods then
    client:request(method, params, nil, buf)
  else
    client.request(method, params, nil, buf)
  end
end

---@param client vim.lsp.Client
---@param force boolean?
function M.stop(client, force)
  if methods then
    client:stop(force)
  else
    client.stop(force)
  end
end

---The range of a place in a buffer, in the client's columns.
---@param client vim.lsp.Client
---@param buf integer
---@param first integer line, from 0
---@param from integer byte in it
---@param last integer line, from 0
---@param to integer byte in it
---@return table
function M.range(client, buf, first, from, last, to)
  local function column(row, byte)
    local line = vim.api.nvim_buf_get_lines(buf, row, row + 1, false)[1] or ""
    byte = math.min(byte, #line)
    if client.offset_encoding == "utf-8" then
      return byte
    end
    if methods then
      return vim.str_utfindex(line, client.offset_encoding, byte, false)
    end
    local wide, narrow = vim.str_utfindex(line, byte)
    return client.offset_encoding == "utf-16" and narrow or wide
  end
  return {
    start = { line = first, character = column(first, from) },
    ["end"] = { line = last, character = column(last, to) },
  }
end

---@param text string
---@param level integer?
function M.say(text, level)
  vim.notify("secondlook: " .. text, level or vim.log.levels.INFO)
end

return M
