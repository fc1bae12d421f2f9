-- Records what a real Neovim tells a server while somebody edits: one JSON line for each change,
-- with a label that says what the person did. The person is this script; the text is ours.
--
--   nvim --headless --clean -n -l record.lua FILE > fixtures/streams/neovim.jsonl

local file = arg[1]
local label = "open"

local function say(method, params)
  io.stdout:write(vim.json.encode({ label = label, method = method, params = params }) .. "\n")
end

-- A server inside of Neovim, which only listens.
local function listener()
  return {
    request = function(method, _, done)
      if method == "initialize" then
        done(nil, { capabilities = { textDocumentSync = { openClose = true, change = 2 } } })
      else
        done(nil, vim.NIL)
      end
      return true, 1
    end,
    notify = function(method, params)
      if vim.startswith(method, "textDocument/") then
        local made = vim.deepcopy(params)
        made.textDocument.uri = "file:///recorded.py"
        say(method, made)
      end
      return true
    end,
    is_closing = function() return false end,
    terminate = function() end,
  }
end

vim.fn.writefile({ "import os", "", "", "def names(folder):", "    return os.listdir(folder)" }, file)
vim.cmd("filetype on")
vim.o.autoread = true
vim.cmd.edit(vim.fn.fnameescape(file))
local buffer = vim.api.nvim_get_current_buf()
vim.lsp.start({ name = "recorder", cmd = listener, flags = { debounce_text_changes = 0 } })
vim.wait(500, function() return false end, 20)

local function settle()
  vim.wait(120, function() return false end, 20)
end

local function keys(text)
  vim.api.nvim_feedkeys(vim.keycode(text), "xt", false)
end

local function does(what, action)
  settle()
  label = what
  action()
  settle()
end

does("typing", function()
  for letter in ("# lists"):gmatch(".") do
    keys(letter == "#" and "Go" .. letter or "A" .. letter)
  end
end)
does("paste", function()
  vim.fn.setreg("a", "def first(folder):\n    found = names(folder)\n    return found[0]\n", "l")
  keys('G"ap')
end)
does("undo", function() vim.cmd.undo() end)
does("redo", function() vim.cmd.redo() end)
does("snippet", function()
  keys("Go<Esc>")
  vim.snippet.expand("for ${1:item} in ${2:items}:\n    $0")
  vim.snippet.stop()
  keys("<Esc>")
end)
does("rename", function() vim.cmd("%s/folder/place/g") end)
does("completion-one-line", function()
  local last = vim.api.nvim_buf_line_count(buffer)
  vim.api.nvim_buf_set_lines(buffer, last, last, false, { "    print(place)" })
end)
does("completion-many-lines", function()
  local last = vim.api.nvim_buf_line_count(buffer)
  local lines = { "", "", "def ping(host):", '    """Whether it answers."""', '    return os.system("ping -c 1 " + host) == 0' }
  vim.api.nvim_buf_set_lines(buffer, last, last, false, lines)
end)
does("format-on-save", function()
  vim.api.nvim_create_autocmd("BufWritePre", {
    buffer = buffer,
    callback = function() vim.cmd([[keeppatterns %s/\s\+$//e | keeppatterns %s/(place)/( place )/e]]) end,
  })
  vim.cmd.write()
end)
does("external-reload", function()
  local lines = vim.fn.readfile(file)
  table.insert(lines, 2, "import sys")
  vim.fn.writefile(lines, file)
  vim.uv.fs_utime(file, os.time() + 5, os.time() + 5)
  vim.cmd.checktime()
end)
vim.cmd("qall!")
