;;; drive.el --- Drives eglot as a person would  -*- lexical-binding: t; -*-
;;; Commentary:
;; emacs -Q --batch -l story.el -l drive.el PAGE FILE INSERTION
;; PAGE is the configuration from the page, loaded as it is; INSERTION is a file whose text goes to
;; the end of FILE in one piece.
;;; Code:
(require 'story)
(let ((page (story-argument)) (file (story-argument)) (insertion (story-argument)))
  (story-open page file)
  (goto-char (point-max))
  (insert-file-contents insertion)
  (story-tell))
(story-seen "finding %s" (flymake-diagnostic-text (story-finding)))

(let ((page (jsonrpc-request (eglot-current-server) :textDocument/hover
                             (eglot--TextDocumentPositionParams))))
  (story-seen "reason %s" (string-match-p "https://" (format "%S" page))))

(let* ((actions (eglot-code-actions (point) (1+ (point)) "quickfix" nil))
       (fix (seq-find (lambda (it) (eq (plist-get it :isPreferred) t)) actions)))
  (eglot--apply-workspace-edit (plist-get fix :edit))
  (story-tell))
(story-silence)
(save-buffer)
(story-seen "saved")
(story-end)
;;; drive.el ends here
