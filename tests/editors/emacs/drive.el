;;; drive.el --- Drives eglot as a person would  -*- lexical-binding: t; -*-
;;; Commentary:
;; emacs -Q --batch -l drive.el PAGE FILE INSERTION
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
      project-find-functions
      (list (lambda (_) (cons 'transient default-directory))))
(defvar drive-page (pop command-line-args-left))
(defvar drive-file (pop command-line-args-left))
(defvar drive-insertion (pop command-line-args-left))
(setq command-line-args-left nil)
(load drive-page nil t)

(defun drive-wait (what condition)
  "Wait until CONDITION gives something; name WHAT where it does not."
  (let ((end (+ (float-time) 20)) value)
    (while (and (not (setq value (funcall condition))) (< (float-time) end))
      (accept-process-output nil 0.05))
    (unless value
      (message "MISSING %s" what)
      (kill-emacs 1))
    value))

(defun drive-findings ()
  "The findings of this buffer."
  (flymake-diagnostics))

(find-file drive-file)
(c-mode)
(apply #'eglot--connect (eglot--guess-contact))
(drive-wait "the client" (lambda () (bound-and-true-p eglot--managed-mode)))
(flymake-mode 1)
(goto-char (point-max))
(insert-file-contents drive-insertion)
(eglot--signal-textDocument/didChange)
(drive-wait "the finding" (lambda () (flymake-start) (drive-findings)))
(message "SEEN finding %s" (flymake-diagnostic-text (car (drive-findings))))

(goto-char (flymake-diagnostic-beg (car (drive-findings))))
(let ((page (jsonrpc-request (eglot-current-server) :textDocument/hover
                             (eglot--TextDocumentPositionParams))))
  (message "SEEN reason %s" (string-match-p "https://" (format "%S" page))))

(let* ((actions (eglot-code-actions (point) (1+ (point)) "quickfix" nil))
       (fix (seq-find (lambda (it) (eq (plist-get it :isPreferred) t)) actions)))
  (eglot--apply-workspace-edit (plist-get fix :edit))
  (eglot--signal-textDocument/didChange))
(drive-wait "silence" (lambda () (flymake-start) (null (drive-findings))))
(save-buffer)
(message "SEEN saved")

(undo-boundary)
(let ((first (eglot-current-server)))
  (kill-process (jsonrpc--process first))
  (drive-wait "word of the end" (lambda () (not (jsonrpc-running-p first))))
  (message "SEEN end %s" (process-status (jsonrpc--process first)))
  ;; As M-x eglot does it: without a screen, eglot's own timer for that does not start.
  (apply #'eglot--connect (eglot--guess-contact))
  (drive-wait "another server"
              (lambda () (let ((now (eglot-current-server))) (and now (not (eq now first))))))
  (flymake-mode 1)
  (goto-char (point-max))
  (insert "\nvoid again(const char *message)\n{\n    printf(message);\n}\n")
  (eglot--signal-textDocument/didChange)
  (drive-wait "its finding" (lambda () (flymake-start) (drive-findings)))
  (message "SEEN recovered"))
(ignore-errors (eglot-shutdown (eglot-current-server)))
(kill-emacs 0)
;;; drive.el ends here
