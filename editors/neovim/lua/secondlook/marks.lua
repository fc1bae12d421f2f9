-- Tells the server what an AI inserted: it compares the buffer before and after a suggestion is
-- accepted. It knows the assistants by their functions and none by its text.

local client = require("secondlook.client")
local config = require("secondlook.config")

local M = {}

-- How long an assistant may take to insert what was accepted, in milliseconds.
local PATIENCE = 1000

---Which assistants were seen, for :checkhealth.
---@type table<string, boolean>
M.seen = {}

local function text(buf)
  return table.concat(vim.api.nvim_buf_get_lines(buf, 0, -1, false), "\n")
end

local function place(whole, byte)
  local before = whole:sub(1, byte)
  local _, row = before:gsub("\n", "")
  local line = before:match("[^\n]*$")
  return row, #line
end

---Where two texts differ: the first byte and the end in the second one.
local function difference(old, new)
  local limit = math.min(#old, #new)
  local head = 0
  -- By blocks first, because a buffer may be long.
  while head + 4096 <= limit and old:sub(head + 1, head + 4096) == new:sub(head + 1, head + 4096) do
    head = head + 4096
  end
  while head < limit and old:byte(head + 1) == new:byte(head + 1) do
    head = head + 1
  end
  local tail = 0
  limit = limit - head
  while tail + 4096 <= limit and old:sub(#old - tail - 4095, #old - tail) == new:sub(#new - tail - 4095, #new - tail) do
    tail = tail + 4096
  end
  while tail < limit and old:byte(#old - tail) == new:byte(#new - tail) do
    tail = tail + 1
  end
  -- Half a character is no place.
  while head > 0 and (new:byte(head + 1) or 0) >= 0x80 and (new:byte(head + 1) or 0) < 0xC0 do
    head = head - 1
  end
  return head, #new - tail
end

---Sends a mark for a range of bytes in rows and columns, both from 0.
function M.send(buf, first, from, last, to, source)
  local it = client.of(buf)
  if not it then
    return false
  end
  client.notify(it, "secondlook/markInserted", {
    uri = vim.uri_from_bufnr(buf),
    version = vim.lsp.util.buf_versions[buf],
    range = client.range(it, buf, first, from, last, to),
    source = source,
  })
  client.pull(it, buf)
  return true
end

local function finish(buf, before, source)
  if not vim.api.nvim_buf_is_loaded(buf) then
    return
  end
  local after = text(buf)
  local from, to = difference(before, after)
  if to <= from then
    return
  end
  local first, column = place(after, from)
  local last, final = place(after, to)
  M.send(buf, first, column, last, final, source)
end

---Everything that changes from now until shortly after the next change was inserted by `source`.
---@param source string
---@return fun() forget for when nothing will be inserted after all
function M.begin(source)
  local buf = vim.api.nvim_get_current_buf()
  local forgotten = false
  local function forget()
    forgotten = true
  end
  if not config.get().mark or not client.of(buf) then
    return forget
  end
  local before, tick = text(buf), vim.api.nvim_buf_get_changedtick(buf)
  local started = vim.uv.now()
  local function look()
    if forgotten or not vim.api.nvim_buf_is_loaded(buf) then
      return
    end
    if vim.api.nvim_buf_get_changedtick(buf) ~= tick then
      -- One turn more, for assistants that insert in two steps.
      vim.schedule(function()
        finish(buf, before, source)
      end)
    elseif vim.uv.now() - started < PATIENCE then
      vim.defer_fn(look, 10)
    end
  end
  vim.schedule(look)
  return forget
end

local function wrap_neovim()
  local ok, module = pcall(function()
    return vim.lsp.inline_completion
  end)
  if not ok or type(module) ~= "table" or rawget(module, "_secondlook") then
    return
  end
  module._secondlook = true
  M.seen["inline completion"] = true
  local get = module.get
  module.get = function(...)
    -- It inserts a turn later, and is asked at every press of the key: only "yes" means something.
    local taken = get(...)
    if taken then
      M.begin("inline completion")
    end
    return taken
  end
end

local function wrap_copilot_lua(module)
  if rawget(module, "_secondlook") then
    return
  end
  module._secondlook = true
  M.seen["copilot.lua"] = true
  for _, name in ipairs({ "accept", "accept_word", "accept_line" }) do
    local accept = module[name]
    if type(accept) == "function" then
      module[name] = function(...)
        if not module.is_visible or module.is_visible() then
          M.begin("copilot.lua")
        end
        return accept(...)
      end
    end
  end
end

local function wrap_copilot_vim()
  if vim.g.secondlook_copilot_vim or vim.fn.exists("*copilot#Accept") == 0 then
    return
  end
  vim.g.secondlook_copilot_vim = true
  M.seen["copilot.vim"] = true
  local here = debug.getinfo(1, "S").source:sub(2)
  local plugin = vim.fs.dirname(vim.fs.dirname(vim.fs.dirname(here)))
  vim.cmd.source(vim.fn.fnameescape(plugin .. "/wrap/autoload/copilot.vim"))
end

---What copilot.vim's functions give to Neovim as keys: its text, or what the key means otherwise.
---@param keys any
---@return any
function M.copilot_vim(keys)
  if type(keys) == "string" and keys:find("TextQueuedForInsertion", 1, true) then
    M.begin("copilot.vim")
  end
  return keys
end

---Looks for assistants now and when they are loaded.
function M.watch()
  local group = vim.api.nvim_create_augroup("secondlook.marks", {})
  wrap_neovim()
  local name = "copilot.suggestion"
  if package.loaded[name] then
    wrap_copilot_lua(package.loaded[name])
  else
    -- Called once, when somebody asks for the module first; it then looks for the real one.
    package.preload[name] = package.preload[name]
      or function()
        package.preload[name] = nil
        package.loaded[name] = nil
        for _, find in ipairs(package.loaders or package.searchers) do
          local loader = find(name)
          if type(loader) == "function" then
            local module = loader(name)
            if type(module) == "table" then
              wrap_copilot_lua(module)
            end
            return module
          end
        end
        error(("module '%s' not found"):format(name), 0)
      end
  end
  wrap_copilot_vim()
  vim.api.nvim_create_autocmd("SourcePost", {
    group = group,
    pattern = "*/autoload/copilot.vim",
    callback = wrap_copilot_vim,
  })
end

return M
