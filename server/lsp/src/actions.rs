//! What a reader can do about a finding: apply a proved fix, open who explained it, or silence it
//! here. Computes no fix itself.

use std::collections::HashMap;
use std::ops::Range;

use analysis::Finding;
use kb_schema::Applicability;
use syntax::{Language, Node};
use tower_lsp::gen_lsp_types as types;
use types::{
    CodeAction, CodeActionKind, CodeActionParams, Command, Diagnostic,
    OptionalVersionedTextDocumentIdentifier, TextDocumentEdit, TextDocumentIdentifier, TextEdit,
    Uri, WorkspaceEdit,
};

use crate::capabilities::{EditDelivery, Profile};
use crate::ext::{self, ActionData};
use crate::state::View;
use crate::worker::Analyzed;
use crate::{from_proto, to_proto};

/// Every action for the findings that a range touches: fixes, then discussions, then suppressions.
pub(crate) fn list(view: &View, params: &CodeActionParams, profile: &Profile) -> Vec<CodeAction> {
    if !wanted(params.context.only.as_deref()) {
        return Vec::new();
    }
    let analyzed = &view.analyzed;
    let range = from_proto::range(params.range, &analyzed.document.text, profile.encoding);
    let uri = &params.text_document.uri;
    let shown = to_proto::diagnostics(view, uri, profile);
    let asked = &params.context.diagnostics;
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
            finding,
            diagnostic,
        };
        fixes.extend(maker.fixes(index));
        discussions.extend(maker.discussions());
        suppressions.extend(maker.suppression());
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

/// The edit of an action that was listed without it.
pub(crate) fn resolve(view: &View, data: &ActionData, profile: &Profile) -> Option<WorkspaceEdit> {
    let analyzed = &view.analyzed;
    let fixes = analyzed.fixes(data.finding);
    let edits = fixes.get(data.fix)?.edits.iter();
    let edits = edits
        .map(|edit| (edit.range.clone(), edit.text.clone()))
        .collect();
    Some(workspace_edit(edits, analyzed, &data.uri, profile))
}

/// Everything here is a quick fix, so a request for anything else gets nothing.
fn wanted(only: Option<&[CodeActionKind]>) -> bool {
    only.is_none_or(|only| {
        only.iter()
            .any(|kind| matches!(kind, CodeActionKind::QuickFix | CodeActionKind::Empty))
    })
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
    finding: &'v Finding,
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

    fn fixes(&self, index: usize) -> Vec<CodeAction> {
        let fixes = self.analyzed.fixes(index);
        let action = |(at, fix): (usize, &revision::Proposal)| {
            let mut action = self.action(fix.title.clone());
            action.is_preferred = (fix.applicability == Applicability::Safe).then_some(true);
            match self.profile.edits {
                EditDelivery::OnResolve => {
                    let data = ActionData {
                        uri: self.uri.clone(),
                        version: self.analyzed.version,
                        finding: index,
                        fix: at,
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
        fixes.iter().enumerate().map(action).collect()
    }

    fn discussions(&self) -> Vec<CodeAction> {
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
        self.finding.entry.discussions.iter().map(open).collect()
    }

    fn suppression(&self) -> Option<CodeAction> {
        let edit = suppression(self.analyzed, self.finding)?;
        let mut action = self.action(format!("Suppress `{}` here", self.finding.entry.id));
        action.edit = Some(self.workspace_edit(vec![edit]));
        Some(action)
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
    let edits = edits.map(Into::into).collect();
    let change = TextDocumentEdit {
        text_document,
        edits,
    };
    WorkspaceEdit {
        document_changes: Some(vec![change.into()]),
        ..Default::default()
    }
}

/// The insertion that silences a finding: into a comment that silences others already, or at the
/// end of its first or last line, or above it; nowhere, where a comment would become part of the
/// code.
fn suppression(analyzed: &Analyzed, finding: &Finding) -> Option<(Range<usize>, String)> {
    let text = analyzed.text.as_str();
    let id = &finding.entry.id;
    let first = line_at(text, finding.range.start);
    let last = line_at(text, finding.matched.end.max(finding.range.start + 1) - 1);
    let above = (first.start > 0).then(|| line_at(text, first.start - 1));
    let alone = above.filter(|line| {
        let line = text[line.clone()].trim_start();
        line.starts_with('#') || line.starts_with("//") || line.starts_with("/*")
    });
    let merged = [Some(first.clone()), Some(last.clone()), alone];
    if let Some(at) = merged
        .into_iter()
        .flatten()
        .find_map(|line| list_end(text, line))
    {
        return Some((at..at, format!(", {id}")));
    }
    let comment = match analyzed.document.language {
        Language::Python => format!("# secondlook: ignore[{id}]"),
        Language::C => format!("// secondlook: ignore[{id}]"),
    };
    let root = analyzed.document.tree.root_node();
    if let Some(line) = [&first, &last]
        .into_iter()
        .find(|line| can_end(text, line, root))
    {
        let at = line.end;
        let gap = if text[..at].ends_with([' ', '\t']) {
            ""
        } else {
            "  "
        };
        return Some((at..at, format!("{gap}{comment}")));
    }
    let continued = text[..first.start]
        .trim_end_matches(['\r', '\n'])
        .ends_with('\\');
    if continued || inside_token(root, first.start) {
        return None;
    }
    let line = &text[first.clone()];
    let indent = &line[..line.len() - line.trim_start().len()];
    let end = if text[first.end..].starts_with("\r\n") {
        "\r\n"
    } else {
        "\n"
    };
    Some((first.start..first.start, format!("{indent}{comment}{end}")))
}

/// The line around a byte, without its terminator.
fn line_at(text: &str, byte: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let byte = byte.min(bytes.len());
    let start = bytes[..byte]
        .iter()
        .rposition(|it| *it == b'\n')
        .map_or(0, |at| at + 1);
    let end = bytes[byte..]
        .iter()
        .position(|it| *it == b'\n')
        .map_or(bytes.len(), |at| byte + at);
    let end = if end > start && bytes[end - 1] == b'\r' {
        end - 1
    } else {
        end
    };
    start..end
}

/// Where another id can join those that a comment on this line silences.
fn list_end(text: &str, line: Range<usize>) -> Option<usize> {
    const OPEN: &str = "secondlook: ignore[";
    let content = &text[line.clone()];
    let open = content.find(OPEN)? + OPEN.len();
    content[open..]
        .find(']')
        .map(|close| line.start + open + close)
}

/// Whether a comment can stand at a line's end: the line does not continue and does not end within
/// a string or a comment of several lines.
fn can_end(text: &str, line: &Range<usize>, root: Node<'_>) -> bool {
    !text[line.clone()].ends_with('\\') && !inside_token(root, line.end)
}

/// Whether a byte lies inside a string or a comment, not at its edge.
fn inside_token(root: Node<'_>, byte: usize) -> bool {
    let mut cursor = root.walk();
    loop {
        let node = cursor.node();
        let kind = node.kind();
        let token = ["string", "comment", "char"]
            .iter()
            .any(|part| kind.contains(part));
        if token && node.start_byte() < byte && byte < node.end_byte() {
            return true;
        }
        if cursor.goto_first_child_for_byte(byte).is_none() {
            return false;
        }
    }
}
