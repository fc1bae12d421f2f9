-- Drives a real Neovim with our plugin through a story and prints what it saw as one JSON object.
--
--   nvim --headless --clean -n -l plugin.lua STORY FILE [INSERTION]
--
-- Environment: PLUGIN, the folder of the plugin; STUBS, a folder with stand-ins for assistants;
-- PATIENCE_MS; MODEL_URL for the story `revise`, SETTINGS as JSON for others; LSPCONFIG or OLD_SETUP
-- for the older ways to set it up. The program `secondlook` is found on the PATH.
-- Exit code 1 when something that should come does not, with what it was in `missing`.

local story, file, insertion = arg[1], arg[2], arg[3]
local shared = dofile(vim.fs.dirname(debug.getinfo(1, "S").source:sub(2)) .. "/story.lua")
local seen, finish, wait_for = shared.seen, shared.finish, shared.wait_for
seen.messages, seen.progress = {}, {}

vim.notify = function(text) table.insert(seen.messages, text) end
local function said(word)
  for _, text in ipairs(seen.messages) do
    if text:find(word, 1, true) then
      return true
    end
  end
end

vim.opt.runtimepath:prepend(vim.env.PLUGIN)
vim.opt.runtimepath:append(vim.env.STUBS)
if vim.env.SETTINGS then
  vim.g.secondlook = { settings = vim.json.decode(vim.env.SETTINGS) }
elseif vim.env.MODEL_URL then
  vim.g.secondlook = {
    settings = {
      ["model-provider"] = "openai-chat",
      ["model-url"] = vim.env.MODEL_URL,
      ["model-name"] = "test-model",
      ["model-timeout"] = 60000,
    },
  }
end
vim.cmd("runtime! plugin/secondlook.lua")
if vim.env.LSPCONFIG then
  require("secondlook").lspconfig()
  require("lspconfig").secondlook.setup({})
elseif vim.lsp.enable and not vim.env.OLD_SETUP then
  vim.lsp.enable("secondlook")
else
  require("secondlook").setup()
end
vim.cmd("filetype on")
vim.cmd.edit(vim.fn.fnameescape(file))
local buffer = vim.api.nvim_get_current_buf()

local function client_of_buffer()
  local client = vim.lsp.get_clients({ bufnr = buffer, name = "secondlook" })[1]
  return client and client.initialized and client or nil
end
wait_for("the client", client_of_buffer)

local function findings()
  return vim.tbl_filter(function(it) return it.source == "secondlook" end, vim.diagnostic.get(buffer))
end

local function diagnostic(it)
  local data = it.user_data and it.user_data.lsp and it.user_data.lsp.data
  return {
    line = it.lnum,
    code = it.code,
    message = it.message,
    origin = data and data.origin or vim.NIL,
  }
end

local function text()
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n")
end

local function float()
  for _, window in ipairs(vim.api.nvim_list_wins()) do
    if vim.api.nvim_win_get_config(window).relative ~= "" then
      return window
    end
  end
end

local function to_finding()
  local first = findings()[1]
  vim.api.nvim_win_set_cursor(0, { first.lnum + 1, first.col })
end

local stories = {}

-- An assistant inserts, the finding says so, its reason is read, the fix applied and saved; then
-- the server is killed and comes back.
function stories.whole()
  vim.g.completion = vim.fn.readfile(insertion)
  if vim.env.ASSISTANT == "copilot.vim" then
    -- As copilot.vim's own map does it: the function gives keys, which insert later.
    vim.cmd("runtime autoload/copilot.vim")
    vim.keymap.set("i", "<Plug>(accept)", "copilot#Accept('')", { expr = true, replace_keycodes = false })
    vim.api.nvim_feedkeys(vim.keycode("Go<Plug>(accept)<Esc>"), "x", false)
  elseif vim.env.ASSISTANT == "inline completion" then
    vim.lsp.inline_completion.enable(true)
    vim.lsp.config("assistant", {
      cmd = { vim.env.PYTHON, vim.env.STUBS .. "/assistant.py", insertion },
      filetypes = { "c" },
    })
    vim.lsp.enable("assistant")
    wait_for("the assistant", function()
      local client = vim.lsp.get_clients({ bufnr = buffer, name = "assistant" })[1]
      return client and client.initialized
    end)
    vim.api.nvim_buf_set_lines(buffer, -1, -1, false, { "" })
    vim.api.nvim_win_set_cursor(0, { vim.api.nvim_buf_line_count(buffer), 0 })
    -- Suggestions come in insert mode only, which a script without a screen cannot stay in.
    local mode = vim.api.nvim_get_mode
    vim.api.nvim_get_mode = function() return { mode = "i", blocking = false } end
    local asked = 0
    wait_for("the suggestion", function()
      if vim.uv.now() - asked > 1000 then
        asked = vim.uv.now()
        vim.api.nvim_exec_autocmds("CursorMovedI", { buffer = buffer })
      end
      return vim.lsp.inline_completion.get({ bufnr = buffer })
    end)
    vim.api.nvim_get_mode = mode
  else
    vim.api.nvim_win_set_cursor(0, { vim.api.nvim_buf_line_count(buffer), 0 })
    require("copilot.suggestion").accept()
  end
  wait_for("a finding that is marked", function()
    local first = findings()[1]
    return first and first.message:find("[AI-inserted]", 1, true)
  end)
  seen.diagnostics = vim.tbl_map(diagnostic, findings())

  to_finding()
  vim.cmd("SecondLook")
  wait_for("the reason", function() return float() ~= nil end)
  local shown = vim.api.nvim_win_get_buf(float())
  seen.reason = table.concat(vim.api.nvim_buf_get_lines(shown, 0, -1, false), "\n")
  -- A second time enters the window, which stays while it is read.
  local code = vim.api.nvim_get_current_win()
  vim.cmd("SecondLook")
  vim.cmd("normal! G")
  seen.entered = vim.api.nvim_get_current_win() == float()
  vim.api.nvim_feedkeys("q", "xt", false)
  wait_for("the window's end", function() return float() == nil end)
  vim.api.nvim_set_current_win(code)

  seen.status = require("secondlook").status()
  seen.words = vim.fn.getcompletion("SecondLook ", "cmdline")

  -- An undo takes the text away and a redo brings it back, with its mark.
  vim.cmd.undo()
  wait_for("silence after the undo", function() return #findings() == 0 end)
  vim.cmd.redo()
  wait_for("the mark after the redo", function()
    local first = findings()[1]
    return first and first.message:find("[AI-inserted]", 1, true)
  end)

  to_finding()
  vim.cmd("SecondLook fix")
  wait_for("the fix", function() return #findings() == 0 end)
  vim.cmd.write()
  seen.saved = true

  vim.cmd("checkhealth secondlook")
  seen.health = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
  vim.cmd.buffer(buffer)

  local before = client_of_buffer().id
  vim.cmd.undo()
  wait_for("the finding again", function() return #findings() == 1 end)
  for _, pid in ipairs(vim.api.nvim_get_proc_children(vim.fn.getpid())) do
    vim.uv.kill(pid, "sigkill")
  end
  wait_for("word of the server's end", function() return said("is started again") end)
  wait_for("another server", function()
    local client = client_of_buffer()
    return client and client.id ~= before
  end)
  wait_for("its findings", function() return #findings() == 1 end)
  seen.recovered = true

  -- A fix that wants to be read is chosen from a menu, not refused.
  vim.api.nvim_buf_set_lines(0, 0, -1, false, {
    "#include <stdio.h>", "#include <string.h>", "", "void greet(const char *name)", "{",
    "    char copy[16];", "    strcpy(copy, name);", "    puts(copy);", "}",
  })
  wait_for("the other finding", function()
    local first = findings()[1]
    return #findings() == 1 and first.code == "c/strcpy-unbounded"
  end)
  vim.ui.select = function(items, _, done) done(items[1], 1) end
  vim.api.nvim_win_set_cursor(0, { 7, 0 })
  vim.cmd("SecondLook fix")
  wait_for("the chosen fix", function() return #findings() == 0 end)
  seen.chosen = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
end

-- A model is asked: cancelled once, applied once.
function stories.revise()
  vim.api.nvim_create_autocmd("LspProgress", {
    callback = function(event)
      local value = (event.data.params or event.data.result).value
      table.insert(seen.progress, value.kind .. ": " .. (value.message or ""))
    end,
  })
  local function count(word)
    return #vim.tbl_filter(function(it) return vim.startswith(it, word) end, seen.progress)
  end
  wait_for("the finding", function() return #findings() == 1 end)
  to_finding()
  local before = text()

  vim.cmd("SecondLook prompt")
  wait_for("the prompt", function() return vim.api.nvim_get_current_buf() ~= buffer end)
  seen.prompt = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
  vim.cmd.close()
  vim.cmd.buffer(buffer)
  to_finding()

  vim.cmd("SecondLook revise")
  wait_for("the model's first words", function()
    for _, it in ipairs(seen.progress) do
      if it:find("answering", 1, true) then
        return true
      end
    end
  end)
  seen.status = require("secondlook").status()
  vim.cmd("SecondLook cancel")
  wait_for("the end of the first", function() return count("end") == 1 end)
  seen.untouched = before == text()

  vim.cmd("SecondLook revise")
  wait_for("the cure", function() return #findings() == 0 end)
  wait_for("the end of the second", function() return count("end") == 2 end)
  vim.cmd.write()
  seen.saved = true
end

-- A block that an AI inserted is written anew by a local model.
function stories.regenerate()
  vim.g.completion = vim.fn.readfile(insertion)
  vim.api.nvim_win_set_cursor(0, { vim.api.nvim_buf_line_count(buffer), 0 })
  require("copilot.suggestion").accept()
  wait_for("a finding that is marked", function()
    local first = findings()[1]
    return first and first.message:find("[AI-inserted]", 1, true)
  end)
  to_finding()
  vim.cmd("SecondLook regenerate")
  wait_for("the safe block", function() return #findings() == 0 end)
  vim.cmd.write()
  seen.saved = true
end

-- A file that stands alone, in no project.
function stories.alone()
  wait_for("the finding", function() return #findings() >= 1 end)
  seen.root = client_of_buffer().config.root_dir or vim.NIL
end

-- Everything else that `:SecondLook` does.
function stories.commands()
  wait_for("the finding", function() return #findings() >= 1 end)
  to_finding()
  vim.cmd("SecondLook mark a robot")
  wait_for("the mark", function() return findings()[1].message:find("[AI-inserted]", 1, true) end)
  seen.diagnostics = vim.tbl_map(diagnostic, findings())

  vim.ui.select = function(items, _, done)
    seen.choices = vim.tbl_map(function(it) return it.address end, items)
    done(items[1])
  end
  vim.ui.open = function(address) seen.opened = address end
  vim.cmd("SecondLook open")
  wait_for("a discussion", function() return seen.opened ~= nil end)

  vim.cmd("SecondLook info")
  wait_for("the info", function() return said("entries") end)

  vim.cmd("SecondLook search gets")
  wait_for("the knowledge", function() return vim.bo.buftype == "nofile" end)
  seen.knowledge = table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n")
  vim.cmd.close()
  vim.cmd.buffer(buffer)

  vim.cmd("SecondLook scan")
  wait_for("the scan", function() return #vim.fn.getqflist() > 0 end)
  seen.list = vim.tbl_map(function(it)
    return vim.fn.fnamemodify(vim.fn.bufname(it.bufnr), ":t")
  end, vim.fn.getqflist())
  vim.cmd.cclose()
  vim.cmd.buffer(buffer)

  vim.cmd("SecondLook nonsense")
  wait_for("an objection", function() return said("there is no `:SecondLook nonsense`") end)

  local before = client_of_buffer().id
  vim.cmd("SecondLook restart")
  wait_for("another server", function()
    local client = client_of_buffer()
    return client and client.id ~= before
  end)
  wait_for("its findings", function() return #findings() >= 1 end)
  seen.restarted = not said("is started again")
end

stories[story]()
finish(0)
