;;; revise.el --- Has a model revise a finding through eglot  -*- lexical-binding: t; -*-
;;; Commentary:
;; emacs -Q --batch -l revise.el PAGE FILE
;; PAGE is the configuration from the page, loaded as it is.  What was seen is printed as lines
;; that begin with "SEEN"; the exit code is 1 when something did not come.
;;; Code:
(dolist (folder (file-expand-wildcards "/usr/share/emacs/site-lisp/elpa-src/*"))
  (add-to-list 'load-path folder))
(require 'eglot)
(require 'flymake)
(setq eglot-confirm-server-initiated-edits nil
      eglot-sync-connect 20
      flymake-no-changes-timeout 0.1
      python-indent-guess-indent-offset nil
      project-find-functions
      (list (lambda (_) (cons 'transient default-directory))))
(defvar drive-page (pop command-line-args-left))
(defvar drive-file (pop command-line-args-left))
(setq command-line-args-left nil)
(load drive-page nil t)

(defun drive-wait (what condition)
  "Wait until CONDITION gives something; name WHAT where it does not."
  (let ((end (+ (float-time) 60)) value)
    (while (and (not (setq value (funcall condition))) (< (float-time) end))
      (accept-process-output nil 0.05))
    (unless value
      (message "MISSING %s" what)
      (kill-emacs 1))
    value))

(find-file drive-file)
(python-mode)
(apply #'eglot--connect (eglot--guess-contact))
(drive-wait "the client" (lambda () (bound-and-true-p eglot--managed-mode)))
(flymake-mode 1)
(drive-wait "the finding" (lambda () (flymake-start) (flymake-diagnostics)))
(goto-char (flymake-diagnostic-beg (car (flymake-diagnostics))))
(let* ((actions (eglot-code-actions (point) (1+ (point)) nil nil))
       (revise (seq-find (lambda (it)
                           (equal (plist-get (plist-get it :command) :command)
                                  "secondlook.revise"))
                         actions))
       (command (plist-get revise :command))
       (before (buffer-string)))
  (message "SEEN action %s" (plist-get revise :title))
  (eglot-execute-command (eglot-current-server)
                         (intern (plist-get command :command))
                         (plist-get command :arguments))
  (drive-wait "the revision" (lambda () (not (equal (buffer-string) before)))))
(eglot--signal-textDocument/didChange)
(drive-wait "silence" (lambda () (flymake-start) (null (flymake-diagnostics))))
(save-buffer)
(message "SEEN revised")
(ignore-errors (eglot-shutdown (eglot-current-server)))
(kill-emacs 0)
;;; revise.el ends here
