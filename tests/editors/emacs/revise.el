;;; revise.el --- Has a model revise a finding through eglot  -*- lexical-binding: t; -*-
;;; Commentary:
;; emacs -Q --batch -l story.el -l revise.el PAGE FILE ASKED
;; PAGE is the configuration from the page, loaded as it is.  The first revision is ended by an edit
;; once the file ASKED says that the model was asked, the second is applied.
;;; Code:
(require 'story)
(let ((page (story-argument)) (file (story-argument)))
  (story-open page file))
(defvar revise-asked (story-argument))

(defun revise ()
  "Choose the revision from the actions at the finding."
  (story-finding)
  (let* ((actions (eglot-code-actions (point) (1+ (point)) nil nil))
         (action (seq-find (lambda (it)
                             (equal (plist-get (plist-get it :command) :command)
                                    "secondlook.revise"))
                           actions))
         (command (plist-get action :command)))
    (story-seen "action %s" (plist-get action :title))
    (setq story-said nil)
    (eglot-execute-command (eglot-current-server)
                           (intern (plist-get command :command))
                           (plist-get command :arguments))
    (story-words "question" "asking")))

(revise)
(story-wait "the question at the model" (lambda () (file-exists-p revise-asked)))
(goto-char (point-max))
(insert "# more\n")
(story-tell)
(story-words "end" "the text changed")
(delete-region (- (point-max) (length "# more\n")) (point-max))
(story-tell)

(let ((before (buffer-string)))
  (revise)
  (story-wait "the revision" (lambda () (not (equal (buffer-string) before)))))
(story-tell)
(story-silence)
(save-buffer)
(story-seen "revised")
(story-end)
;;; revise.el ends here
