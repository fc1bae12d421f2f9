" Sourced after copilot.vim: each of its functions that inserts a suggestion says so. It stands under
" this name because Vim lets only a file of that name define functions of that name.
for s:name in ['Accept', 'AcceptWord', 'AcceptLine']
  if exists('*copilot#' .. s:name)
    " funcref() holds the function itself, which outlives the new one of its name.
    let g:SecondlookCopilot{s:name} = funcref('copilot#' .. s:name)
    execute 'function! copilot#' .. s:name .. "(...) abort\n"
      \ .. "return v:lua.require'secondlook.marks'.copilot_vim("
      \ .. 'call(g:SecondlookCopilot' .. s:name .. ", a:000))\nendfunction"
  endif
endfor
