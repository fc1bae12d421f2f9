//! What a reader can do about a finding: apply a proved fix, open who explained it, or silence it
//! here; and what can be done about all of a text at once. Computes no fix itself.

use std::collections::HashMap;
use std::ops::Range;

use analysis::Finding;
use kb_schema::Applicability;
use tower_lsp::gen_lsp_types as types;
use types::{
    CodeAction, CodeActionDisabled, CodeActionKind, CodeActionParams, CodeActionResponse,
    CodeActionTriggerKind, Command, Diagnostic, OptionalVersionedTextDocumentIdentifier,
    TextDocumentEdit, TextDocumentIdentifier, TextEdit, Uri, WorkspaceEdit,
};

use crate::capabilities::{EditDelivery, Profile};
use crate::ext::{self, ActionData, Wish};
use crate::state::View;
use crate::suppression;
use crate::worker::Analyzed;
use crate::{from_proto, revise, to_proto};

/// Every action for a range: fixes, then discussions, then suppressions, then what is for the whole
/// text.
pub(crate) fn list(
    view: &View,
    params: &CodeActionParams,
    profile: &Profile,
    marks: &[origin::Mark],
) -> Vec<CodeAction> {
    let only = params.context.only.as_deref();
    let mut out = Vec::new();
    if wants(only, "quickfix") {
        out = quick_fixes(view, params, profile);
    }
    if wants(only, revise::REWRITE) {
        out.extend(block(view, params, profile, marks));
    }
    // Proving all fixes takes its time, so it is left to resolving, or done when asked for by name.
    let asked = only.is_some() || profile.edits == EditDelivery::OnResolve;
    if asked && wants(only, ext::FIX_ALL) {
        out.extend(fix_all(view, &params.text_document.uri, profile));
    }
    out
}

/// Actions in the form that the client can read.
pub(crate) fn answer(actions: Vec<CodeAction>, profile: &Profile) -> Vec<CodeActionResponse> {
    if profile.action_literals {
        return actions.into_iter().map(Into::into).collect();
    }
    // A client of the first days of the protocol knows commands only.
    let command = |action: CodeAction| match (action.command, action.edit) {
        (Some(command), _) => Some(command),
        (None, Some(edit)) if profile.applies_edits => Some(Command {
            title: action.title,
            tooltip: None,
            command: ext::APPLY_EDIT.to_owned(),
            arguments: Some(vec![serde_json::to_value(edit).ok()?]),
        }),
        (None, _) => None,
    };
    let commands = actions.into_iter().filter_map(command);
    commands.map(Into::into).collect()
}

/// Whether actions of a kind are asked for. A kind means itself and all below it.
fn wants(only: Option<&[CodeActionKind]>, kind: &str) -> bool {
    only.is_none_or(|only| {
        only.iter().any(|it| {
            let rest = kind.strip_prefix(it.as_str());
            rest.is_some_and(|rest| {
                it.as_str().is_empty() || rest.is_empty() || rest.starts_with('.')
            })
        })
    })
}

fn quick_fixes(view: &View, params: &CodeActionParams, profile: &Profile) -> Vec<CodeAction> {
    let analyzed = &view.analyzed;
    let range = from_proto::range(params.range, &analyzed.document.text, profile.encoding);
    let uri = &params.text_document.uri;
    let shown = to_proto::diagnostics(view, uri, profile);
    let asked = &params.context.diagnostics;
    // What cannot be done is said to those who ask, not at every move of a cursor.
    let invoked = params.context.trigger_kind != Some(CodeActionTriggerKind::Automatic);
    let says_why = profile.disabled_actions && invoked;
    let (mut fixes, mut discussions, mut suppressions) = (Vec::new(), Vec::new(), Vec::new());
    for ((index, finding, _), ours) in view.findings().zip(&shown) {
        let theirs = known(asked, ours);
        // Neovim asks for the cursor's place but names every diagnostic of its line.
        if theirs.is_none() && !touches(&finding.range, &range) {
            continue;
        }
        let diagnostic = theirs.unwrap_or(ours).clone();
        let maker = Maker {
            analyzed,
            uri,
            profile,
            diagnostic,
        };
        if analyzed.settings().show_fixes {
            fixes.extend(maker.fixes(index, says_why));
            let revisions = revise::of_finding(analyzed, uri, index, profile).into_iter();
            fixes.extend(revisions.map(|action| CodeAction {
                diagnostics: Some(vec![maker.diagnostic.clone()]),
                ..action
            }));
        }
        if analyzed.settings().show_discussions {
            discussions.extend(maker.discussions(finding));
        }
        suppressions.extend(maker.suppression(finding, says_why));
    }
    let findings = view.findings().count();
    for (idle, ours) in analyzed.idle().iter().zip(&shown[findings..]) {
        let theirs = known(asked, ours);
        if theirs.is_some() || touches(&idle.range, &range) {
            let diagnostic = theirs.unwrap_or(ours).clone();
            let maker = Maker {
                analyzed,
                uri,
                profile,
                diagnostic,
            };
            suppressions.push(maker.removal(idle));
        }
    }
    // Two findings of one entry would offer the same discussion twice.
    let mut seen = Vec::new();
    discussions.retain(|action: &CodeAction| {
        let new = !seen.contains(&action.title);
        seen.push(action.title.clone());
        new
    });
    fixes.extend(discussions);
    fixes.extend(suppressions);
    fixes
}

/// What a model can do about the block under the cursor that an AI inserted.
fn block(
    view: &View,
    params: &CodeActionParams,
    profile: &Profile,
    marks: &[origin::Mark],
) -> Vec<CodeAction> {
    let text = &view.analyzed.document.text;
    let range = from_proto::range(params.range, text, profile.encoding);
    let Some(mark) = marks.iter().find(|it| touches(&it.range, &range)) else {
        return Vec::new();
    };
    let block = to_proto::range(&mark.range, text, profile.encoding);
    revise::of_block(&view.analyzed, &params.text_document.uri, block, profile)
}

/// The action that applies every safe fix; the edit of a client that resolves comes later.
fn fix_all(view: &View, uri: &Uri, profile: &Profile) -> Option<CodeAction> {
    let analyzed = &view.analyzed;
    let may_fix = |(_, it): (usize, &Finding)| {
        let mut fixes = it.entry.fixes.iter();
        fixes.any(|fix| fix.applicability == Some(Applicability::Safe))
    };
    if !analyzed.settings().show_fixes || !analyzed.shown().any(may_fix) {
        return None;
    }
    let mut action = CodeAction {
        title: "Apply all safe fixes of secondlook".to_owned(),
        kind: Some(ext::FIX_ALL.into()),
        ..Default::default()
    };
    match profile.edits {
        EditDelivery::OnResolve => {
            let data = ActionData {
                uri: uri.clone(),
                version: analyzed.version,
                wish: Wish::All,
            };
            action.data = serde_json::to_value(data).ok();
        }
        EditDelivery::Inline => {
            let edits = analyzed.fix_all();
            if edits.is_empty() {
                return None;
            }
            action.edit = Some(workspace_edit(edits, analyzed, uri, profile));
        }
    }
    Some(action)
}

/// The edit of an action that was listed without it.
pub(crate) fn resolve(view: &View, data: &ActionData, profile: &Profile) -> Option<WorkspaceEdit> {
    let analyzed = &view.analyzed;
    let edits = match data.wish {
        Wish::One { finding, fix } => {
            let fixes = analyzed.fixes(finding);
            let edits = fixes.proposals.get(fix)?.edits.iter();
            edits
                .map(|edit| (edit.range.clone(), edit.text.clone()))
                .collect()
        }
        Wish::All => analyzed.fix_all(),
    };
    Some(workspace_edit(edits, analyzed, &data.uri, profile))
}

fn touches(one: &Range<usize>, other: &Range<usize>) -> bool {
    one.start <= other.end && other.start <= one.end
}

/// The diagnostic as the client has it, so that it can tell which of its own the action cures.
fn known<'c>(clients: &'c [Diagnostic], ours: &Diagnostic) -> Option<&'c Diagnostic> {
    clients
        .iter()
        .find(|it| it.code == ours.code && it.range == ours.range)
}

struct Maker<'v> {
    analyzed: &'v Analyzed,
    uri: &'v Uri,
    profile: &'v Profile,
    diagnostic: Diagnostic,
}

impl Maker<'_> {
    fn action(&self, title: String) -> CodeAction {
        CodeAction {
            title,
            kind: Some(CodeActionKind::QuickFix),
            diagnostics: Some(vec![self.diagnostic.clone()]),
            ..Default::default()
        }
    }

    fn fixes(&self, index: usize, says_why: bool) -> Vec<CodeAction> {
        let fixes = self.analyzed.fixes(index);
        let action = |(at, fix): (usize, &revision::Proposal)| {
            let mut action = self.action(fix.title.clone());
            action.is_preferred = (fix.applicability == Applicability::Safe).then_some(true);
            match self.profile.edits {
                EditDelivery::OnResolve => {
                    let data = ActionData {
                        uri: self.uri.clone(),
                        version: self.analyzed.version,
                        wish: Wish::One {
                            finding: index,
                            fix: at,
                        },
                    };
                    action.data = serde_json::to_value(data).ok();
                }
                EditDelivery::Inline => {
                    let edits = fix.edits.iter();
                    let edits = edits.map(|edit| (edit.range.clone(), edit.text.clone()));
                    action.edit = Some(self.workspace_edit(edits.collect()));
                }
            }
            action
        };
        let refused = |(title, reason): &(String, revision::Rejection)| {
            self.disabled(title.clone(), reason.to_string())
        };
        let proposals = fixes.proposals.iter().enumerate().map(action);
        let refused = fixes.rejected.iter().filter(|_| says_why).map(refused);
        proposals.chain(refused).collect()
    }

    fn disabled(&self, title: String, reason: String) -> CodeAction {
        let mut action = self.action(title);
        action.disabled = Some(CodeActionDisabled { reason });
        action
    }

    fn discussions(&self, finding: &Finding) -> Vec<CodeAction> {
        let open = |discussion: &kb_schema::Discussion| {
            let title = format!("Open the discussion: {}", discussion.title);
            let mut action = self.action(title.clone());
            action.command = Some(Command {
                title,
                tooltip: None,
                command: ext::OPEN_RATIONALE.to_owned(),
                arguments: Some(vec![discussion.url().into()]),
            });
            action
        };
        finding.entry.discussions.iter().map(open).collect()
    }

    fn suppression(&self, finding: &Finding, says_why: bool) -> Option<CodeAction> {
        let title = format!("Suppress `{}` here", finding.entry.id);
        let Some(edit) = suppression::of(self.analyzed, finding) else {
            let reason = "no comment can stand on these lines or above them".to_owned();
            return says_why.then(|| self.disabled(title, reason));
        };
        let mut action = self.action(title);
        action.edit = Some(self.workspace_edit(vec![edit]));
        Some(action)
    }

    fn removal(&self, idle: &analysis::Idle) -> CodeAction {
        let title = match &idle.name {
            Some(name) => format!("Take `{name}` out of the comment"),
            None => "Take out the comment that silences nothing".to_owned(),
        };
        let mut action = self.action(title);
        action.edit = Some(self.workspace_edit(vec![(idle.removal.clone(), String::new())]));
        action
    }

    fn workspace_edit(&self, edits: Vec<(Range<usize>, String)>) -> WorkspaceEdit {
        workspace_edit(edits, self.analyzed, self.uri, self.profile)
    }
}

fn workspace_edit(
    edits: Vec<(Range<usize>, String)>,
    analyzed: &Analyzed,
    uri: &Uri,
    profile: &Profile,
) -> WorkspaceEdit {
    annotated_edit(edits, analyzed, uri, profile, None)
}

/// An edit of one text, with a note about what it is where the client shows such notes.
pub(crate) fn annotated_edit(
    edits: Vec<(Range<usize>, String)>,
    analyzed: &Analyzed,
    uri: &Uri,
    profile: &Profile,
    note: Option<(String, String)>,
) -> WorkspaceEdit {
    let text = &analyzed.document.text;
    let edits = edits.into_iter().map(|(range, new_text)| TextEdit {
        range: to_proto::range(&range, text, profile.encoding),
        new_text,
    });
    if !profile.document_changes {
        let changes = HashMap::from([(uri.clone(), edits.collect())]);
        return WorkspaceEdit {
            changes: Some(changes),
            ..Default::default()
        };
    }
    let text_document = OptionalVersionedTextDocumentIdentifier {
        version: Some(analyzed.version),
        text_document_identifier: TextDocumentIdentifier { uri: uri.clone() },
    };
    let noted = note.is_some();
    let edit = |edit: TextEdit| -> types::Edit {
        if noted {
            types::AnnotatedTextEdit::new(revise::ANNOTATION.to_owned(), edit).into()
        } else {
            edit.into()
        }
    };
    let edits = edits.map(edit).collect();
    let change = TextDocumentEdit {
        text_document,
        edits,
    };
    WorkspaceEdit {
        document_changes: Some(vec![change.into()]),
        change_annotations: note.map(|(label, about)| revise::annotations(label, about)),
        ..Default::default()
    }
}
