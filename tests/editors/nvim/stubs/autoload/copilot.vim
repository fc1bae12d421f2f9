" Stands in for copilot.vim: its function, which gives the keys that insert the suggestion.
function! copilot#TextQueuedForInsertion() abort
  return join(g:completion, "\n")
endfunction

function! copilot#Accept(...) abort
  return "\<C-R>\<C-O>=copilot#TextQueuedForInsertion()\<CR>"
endfunction
