;;; crash.el --- Kills the server under eglot  -*- lexical-binding: t; -*-
;;; Commentary:
;; emacs -Q --batch -l story.el -l crash.el PAGE FILE
;; PAGE is the configuration from the page, loaded as it is.  Nothing is saved before: without a
;; screen, Emacs 28 hears of no process' end any more once it has written a file.
;;; Code:
(require 'story)
(let ((page (story-argument)) (file (story-argument)))
  (story-open page file))
(story-finding)
;; Only a connection that lasted is made again.
(let ((first (eglot-current-server)))
  (story-wait "a connection that lasted" (lambda () (not (eglot--inhibit-autoreconnect first))))
  (setq story-said nil)
  (kill-process (jsonrpc--process first))
  (story-words "end" "Reconnecting after unexpected server exit")
  (story-wait "another server"
              (lambda () (let ((now (eglot-current-server))) (and now (not (eq now first)))))))
(flymake-mode 1)
(goto-char (point-max))
(insert "\nvoid again(const char *message)\n{\n    printf(message);\n}\n")
(story-tell)
(story-wait "its findings" (lambda () (flymake-start) (length> (flymake-diagnostics) 1)))
(story-seen "recovered")
(story-end)
;;; crash.el ends here
