-- The window that says why something is flagged, and the short text of a status line.

local client = require("secondlook.client")

local M = {}

---What the server is busy with, by token.
---@type table<string|integer, string>
M.busy = {}

---The window that is open, if one is.
local window

---The finding at the cursor, or else the first one of its line.
---@return vim.Diagnostic?
function M.finding()
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local best
  for _, it in ipairs(vim.diagnostic.get(0)) do
    if it.source == "secondlook" and it.lnum <= row - 1 and (it.end_lnum or it.lnum) >= row - 1 then
      local inside = (it.lnum < row - 1 or it.col <= column)
        and ((it.end_lnum or it.lnum) > row - 1 or (it.end_col or it.col) >= column)
      if inside then
        return it
      end
      best = best or it
    end
  end
  return best
end

---Asks for the page of the finding at the cursor.
---@param done fun(lines: string[], finding: vim.Diagnostic)
function M.fetch(done)
  local buf = vim.api.nvim_get_current_buf()
  local it = client.of(buf)
  if not it then
    client.say("no server runs for this buffer; see `:checkhealth secondlook`", vim.log.levels.WARN)
    return
  end
  local finding = M.finding()
  if not finding then
    client.say("nothing is flagged here")
    return
  end
  local range = client.range(it, buf, finding.lnum, finding.col, finding.lnum, finding.col)
  local params = { textDocument = { uri = vim.uri_from_bufnr(buf) }, position = range.start }
  client.request(it, "textDocument/hover", params, function(error, result)
    if error or not result then
      client.say("the server gave no reason: " .. (error and error.message or "none is known"))
      return
    end
    local lines = vim.lsp.util.convert_input_to_markdown_lines(result.contents)
    table.insert(lines, 1, ("**%s** %s"):format(tostring(finding.code), finding.message))
    table.insert(lines, 2, "")
    done(lines, finding)
  end, buf)
end

function M.show()
  if window and vim.api.nvim_win_is_valid(window) then
    vim.api.nvim_set_current_win(window)
    return
  end
  M.fetch(function(lines)
    -- What Markdown needs escaped reads better without.
    local plain = vim.tbl_map(function(line)
      return (line:gsub("\\([_*])", "%1"))
    end, lines)
    -- Not BufLeave: whoever enters the window to read on leaves the buffer.
    local buf, opened = vim.lsp.util.open_floating_preview(plain, "markdown", {
      border = "rounded",
      focus_id = "secondlook",
      max_width = 90,
      wrap = true,
      close_events = { "CursorMoved", "InsertCharPre" },
    })
    window = opened
    vim.wo[opened].linebreak = true
    vim.wo[opened].smoothscroll = true
    for _, key in ipairs({ "q", "<Esc>" }) do
      vim.keymap.set("n", key, "<cmd>close<cr>", { buffer = buf, nowait = true })
    end
  end)
end

---The discussions of the finding at the cursor, to choose one and open it.
function M.open()
  M.fetch(function(lines)
    local found, seen = {}, {}
    for _, line in ipairs(lines) do
      for title, address in line:gmatch("%[([^%]]+)%]%((https://[^%s%)]+)%)") do
        if not seen[address] then
          seen[address] = true
          found[#found + 1] = { title = title, address = address }
        end
      end
    end
    vim.ui.select(found, {
      prompt = "Discussion",
      format_item = function(it)
        return it.title .. "  " .. it.address
      end,
    }, function(it)
      if it then
        vim.ui.open(it.address)
      end
    end)
  end)
end

---@return string
function M.status()
  local _, what = next(M.busy)
  if what then
    return "secondlook: " .. what
  end
  local count = 0
  for _, it in ipairs(vim.diagnostic.get(0)) do
    count = count + (it.source == "secondlook" and 1 or 0)
  end
  return count > 0 and ("AI? " .. count) or ""
end

return M
