;;; story.el --- What every script that drives Emacs shares  -*- lexical-binding: t; -*-
;;; Commentary:
;; It loads eglot and the page's configuration, opens a file with a server, waits, and remembers what
;; Emacs says.  It knows no finding and no fix.
;; What was seen is printed as lines that begin with "SEEN"; the exit code is 1 when something did
;; not come.
;;; Code:
;; Without its own start-up files Emacs leaves out what Debian's packages add.
(unless (locate-library "eglot")
  (dolist (folder (file-expand-wildcards "/usr/share/emacs/site-lisp/elpa-src/*"))
    (add-to-list 'load-path folder)))
(require 'eglot)
(require 'flymake)
(setq eglot-confirm-server-initiated-edits nil
      eglot-sync-connect 20
      flymake-no-changes-timeout 0.1
      python-indent-guess-indent-offset nil
      project-find-functions
      (list (lambda (_) (cons 'transient default-directory))))

(defvar story-patience (string-to-number (or (getenv "PATIENCE_S") "60")))
(defvar story-said nil "What Emacs has said, the latest first.")
(advice-add 'message :before
            (lambda (&optional format &rest arguments)
              (when format
                (push (apply #'format-message format arguments) story-said))))

(defun story-argument ()
  "The next word of the command line."
  (pop command-line-args-left))

(defun story-seen (what &rest arguments)
  "Print WHAT, a format for ARGUMENTS, as seen."
  (message "SEEN %s" (apply #'format what arguments)))

(defun story-stir ()
  "Ask for what is at the cursor, as eldoc does whenever somebody pauses.
What a server says right after an answer, eglot 1.9 reads with the next one."
  (let ((server (eglot-current-server)))
    (when (and server (jsonrpc-running-p server))
      (jsonrpc-async-request server :textDocument/hover (eglot--TextDocumentPositionParams)
                             :success-fn #'ignore :error-fn #'ignore :timeout-fn #'ignore
                             :deferred :textDocument/hover))))

(defun story-wait (what condition)
  "Wait until CONDITION gives something; name WHAT where it does not."
  (let ((end (+ (float-time) story-patience)) value)
    (while (and (not (setq value (funcall condition))) (< (float-time) end))
      (accept-process-output nil 0.2)
      (story-stir))
    (unless value
      (message "MISSING %s" what)
      (kill-emacs 1))
    value))

(defun story-words (what pattern)
  "Wait until Emacs says something like PATTERN, and print it as the WHAT that was seen."
  (let ((words (story-wait what (lambda ()
                                  (seq-find (lambda (it) (string-match-p pattern it)) story-said)))))
    (setq story-said nil)
    (story-seen "%s: %s" what words)))

(defun story-connect ()
  "Start the server for this buffer, as \\[eglot] does."
  (apply #'eglot--connect (eglot--guess-contact))
  (story-wait "the client" (lambda () (bound-and-true-p eglot--managed-mode)))
  (flymake-mode 1))

(defun story-open (page file)
  "Open FILE with a server, configured as PAGE says."
  (load page nil t)
  (find-file file)
  (story-connect))

(defun story-tell ()
  "Tell the server what was changed, without waiting for a pause."
  (eglot--signal-textDocument/didChange))

(defun story-finding ()
  "Wait for a finding in this buffer, and go there."
  (let ((found (story-wait "the finding" (lambda () (flymake-start) (flymake-diagnostics)))))
    (goto-char (flymake-diagnostic-beg (car found)))
    (car found)))

(defun story-silence ()
  "Wait until this buffer has no findings."
  (story-wait "silence" (lambda () (flymake-start) (null (flymake-diagnostics)))))

(defun story-end ()
  "End the server and Emacs."
  (ignore-errors (eglot-shutdown (eglot-current-server)))
  (kill-emacs 0))

(provide 'story)
;;; story.el ends here
