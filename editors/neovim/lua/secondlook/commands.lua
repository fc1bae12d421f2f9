-- `:SecondLook`: what each word does, and the completion of the words.

local client = require("secondlook.client")
local config = require("secondlook.config")
local rationale = require("secondlook.rationale")

local M = {}

---The client of this buffer; says so where there is none.
local function here()
  local it = client.of(vim.api.nvim_get_current_buf())
  if not it then
    client.say("no server runs for this buffer; see `:checkhealth secondlook`", vim.log.levels.WARN)
  end
  return it
end

---The server's actions at the finding of the cursor, or at the cursor.
local function actions(done)
  local it = here()
  if not it then
    return
  end
  local buf = vim.api.nvim_get_current_buf()
  local finding = rationale.finding()
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local place = finding or { lnum = row - 1, col = column }
  client.request(it, "textDocument/codeAction", {
    textDocument = { uri = vim.uri_from_bufnr(buf) },
    range = client.range(it, buf, place.lnum, place.col, place.lnum, place.col),
    context = { diagnostics = {} },
  }, function(error, result)
    if error then
      client.say(error.message, vim.log.levels.WARN)
      return
    end
    done(it, buf, result or {})
  end, buf)
end

---Does what an action says: its edit, asked for where it is not there yet, and its command.
local function apply(it, buf, action)
  local function finish(full)
    if full.edit then
      vim.lsp.util.apply_workspace_edit(full.edit, it.offset_encoding)
    end
    if full.command then
      client.request(it, "workspace/executeCommand", {
        command = full.command.command,
        arguments = full.command.arguments,
      }, function(error)
        if error then
          client.say(error.message, vim.log.levels.WARN)
        end
      end, buf)
    end
  end
  if action.edit or not action.data then
    finish(action)
    return
  end
  client.request(it, "codeAction/resolve", action, function(error, full)
    if error then
      client.say(error.message, vim.log.levels.WARN)
    else
      finish(full)
    end
  end, buf)
end

---Applies the first action that a test takes; `none` is said, or done with all of them.
local function first(test, none)
  actions(function(it, buf, list)
    for _, action in ipairs(list) do
      if not action.disabled and test(action) then
        apply(it, buf, action)
        return
      end
    end
    if type(none) == "function" then
      none(list)
    else
      client.say(none)
    end
  end)
end

local function runs(name)
  return function(action)
    return type(action.command) == "table" and action.command.command == name
  end
end

---Shows a text in a window of its own.
local function show(text, filetype)
  vim.cmd("botright new")
  local buf = vim.api.nvim_get_current_buf()
  vim.bo[buf].buftype = "nofile"
  vim.bo[buf].bufhidden = "wipe"
  vim.bo[buf].swapfile = false
  vim.api.nvim_buf_set_lines(buf, 0, -1, false, vim.split(text, "\n"))
  vim.bo[buf].modifiable = false
  vim.bo[buf].filetype = filetype
  vim.keymap.set("n", "q", "<cmd>close<cr>", { buffer = buf, nowait = true })
end

---@type table<string, fun(args: string[], command: table)>
M.words = {}

M.words.why = function()
  rationale.show()
end

M.words.fix = function()
  first(function(action)
    return action.isPreferred == true
  end, function(list)
    local finding = rationale.finding()
    if not finding or #list == 0 then
      client.say("nothing is flagged here")
      return
    end
    -- A fix that may change more than the weakness is chosen by whoever reads it.
    local at = { finding.lnum + 1, finding.col }
    vim.lsp.buf.code_action({
      context = { only = { "quickfix" }, diagnostics = {} },
      range = { start = at, ["end"] = at },
    })
  end)
end

M.words.revise = function()
  first(runs("secondlook.revise"), "nothing to revise here, or no model is configured")
end

M.words.regenerate = function()
  first(runs("secondlook.regenerate"), "no AI-inserted block is here, or no local model is configured")
end

M.words.prompt = function()
  actions(function(it, buf, list)
    for _, action in ipairs(list) do
      if runs("secondlook.showPrompt")(action) or runs("secondlook.copyPrompt")(action) then
        -- The command that only gives the text back, so that it is shown once.
        client.request(it, "workspace/executeCommand", {
          command = "secondlook.copyPrompt",
          arguments = action.command.arguments,
        }, function(error, text)
          if error or type(text) ~= "string" then
            client.say("no prompt could be made" .. (error and (": " .. error.message) or ""))
          else
            show(text, "markdown")
          end
        end, buf)
        return
      end
    end
    client.say("nothing is flagged here that a model could be asked about")
  end)
end

M.words.cancel = function()
  local count = 0
  for _, it in ipairs(client.all()) do
    for token in pairs(rationale.busy) do
      client.notify(it, "window/workDoneProgress/cancel", { token = token })
      count = count + 1
    end
  end
  if count == 0 then
    client.say("nothing is running")
  end
end

M.words.scan = function()
  local it = here()
  if not it then
    return
  end
  client.request(it, "workspace/executeCommand", { command = "secondlook.scanWorkspace" }, function(error, result)
    if error or type(result) ~= "table" then
      client.say("the scan failed" .. (error and (": " .. error.message) or ""), vim.log.levels.WARN)
      return
    end
    client.say(("%d findings in %d files"):format(result.findings, result.files))
    -- The findings come as diagnostics of their own; a moment later all are there.
    vim.defer_fn(function()
      local items = vim.tbl_filter(function(diagnostic)
        return diagnostic.source == "secondlook"
      end, vim.diagnostic.get())
      vim.fn.setqflist({}, " ", { title = "Second Look", items = vim.diagnostic.toqflist(items) })
      if #items > 0 then
        vim.cmd("botright copen")
      end
    end, 300)
  end)
end

M.words.mark = function(args, command)
  local source = table.concat(args, " ")
  local buf = vim.api.nvim_get_current_buf()
  if here() then
    require("secondlook").mark(buf, command.line1, command.line2, source ~= "" and source or nil)
  end
end

M.words.search = function(args)
  if #args == 0 then
    client.say("search for what? `:SecondLook search yaml.load`")
    return
  end
  local words = { config.get().cmd[1], "kb", "search" }
  vim.list_extend(words, args)
  vim.system(words, { text = true, env = { NO_COLOR = "1" } }, function(done)
    vim.schedule(function()
      if done.code > 1 then
        client.say(vim.trim(done.stderr), vim.log.levels.WARN)
      elseif vim.trim(done.stdout) == "" then
        client.say("nothing found")
      else
        show(done.stdout, "secondlook")
      end
    end)
  end)
end

M.words.open = function()
  rationale.open()
end

M.words.restart = function()
  require("secondlook.recover").restart()
end

M.words.info = function()
  local it = here()
  if it then
    client.request(it, "secondlook/status", {}, function(error, result)
      if error then
        client.say(error.message, vim.log.levels.WARN)
        return
      end
      client.say(("version %s, %d entries, %d discussions, %s"):format(
        result.version,
        result.entries,
        result.discussions,
        result.model and ("model " .. result.model) or "no model"
      ))
    end)
  end
end

---@param command table as nvim_create_user_command gives it
function M.run(command)
  local args = vim.deepcopy(command.fargs)
  local word = table.remove(args, 1) or "why"
  local action = M.words[word]
  if not action then
    local known = vim.tbl_keys(M.words)
    table.sort(known)
    client.say(
      ("there is no `:SecondLook %s`; there are %s"):format(word, table.concat(known, ", ")),
      vim.log.levels.ERROR
    )
    return
  end
  action(args, command)
end

---@param lead string
---@param line string
---@return string[]
function M.complete(lead, line)
  -- Only the first word is completed; what follows is free text.
  if line:match("SecondLook%s+%S+%s") then
    return {}
  end
  local found = vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, vim.tbl_keys(M.words))
  table.sort(found)
  return found
end

return M
