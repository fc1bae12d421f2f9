//! Our additions to the protocol: names and message types. Knows no documents and no engine.

use serde::{Deserialize, Serialize};
use tower_lsp::gen_lsp_types::{Range, Uri};

/// The command that marks a range as inserted by an AI; its one argument is a [`MarkInserted`].
pub const MARK_INSERTED: &str = "secondlook.markInserted";
/// The command that opens a discussion; its one argument is the address.
pub const OPEN_RATIONALE: &str = "secondlook.openRationale";
/// The command that looks at every file of the workspace.
pub const SCAN_WORKSPACE: &str = "secondlook.scanWorkspace";
/// The command that asks a model for a revision.
pub const REVISE: &str = "secondlook.revise";
/// The command that asks a local model for a block anew.
pub const REGENERATE: &str = "secondlook.regenerate";
/// The command that shows what a model would be asked; it also gives it back.
pub const SHOW_PROMPT: &str = "secondlook.showPrompt";
/// The command that gives back what a model could be asked, for a clipboard.
pub const COPY_PROMPT: &str = "secondlook.copyPrompt";

/// The command that has the client apply an edit, for clients that know no actions with edits.
pub(crate) const APPLY_EDIT: &str = "secondlook.applyEdit";
/// The reason of a client that applied no edit because its reader decided so.
pub(crate) const DISCARDED: &str = "discarded";
/// The kind of the action that applies every safe fix.
pub(crate) const FIX_ALL: &str = "source.fixAll.secondlook";
/// The code of a diagnostic about a comment that silences nothing.
pub(crate) const UNUSED: &str = "unused-suppression";

/// The notification that marks a range as inserted by an AI.
pub(crate) const MARK_INSERTED_NOTE: &str = "secondlook/markInserted";
/// The notification that takes back what only looked as if an AI had inserted it.
pub(crate) const NOT_INSERTED: &str = "secondlook/notInserted";
/// The request for what the server runs with, for status lines.
pub(crate) const STATUS: &str = "secondlook/status";
/// The request for a document's text as the server has it, for tests and bug reports.
pub(crate) const TEXT: &str = "secondlook/text";
/// The request for a document's marks.
pub(crate) const ORIGINS: &str = "secondlook/origins";

/// What a tool says when it has inserted a text for an AI.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct MarkInserted {
    /// The document.
    pub(crate) uri: Uri,
    /// The version that the range belongs to: the one that the insertion led to.
    pub(crate) version: i32,
    /// What was inserted.
    pub(crate) range: Range,
    /// Which tool it was.
    #[serde(default = "unnamed")]
    pub(crate) source: String,
}

fn unnamed() -> String {
    "an unnamed tool".to_owned()
}

/// What the server runs with.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StatusAnswer {
    /// Our version.
    pub(crate) version: &'static str,
    /// The model that revisions are asked of; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    /// How many entries are loaded.
    pub(crate) entries: usize,
    /// How many imported discussions are installed.
    pub(crate) discussions: u64,
    /// Whether the workspace is being scanned.
    pub(crate) scanning: bool,
}

/// A question about one document.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct About {
    /// The document.
    pub(crate) uri: Uri,
}

/// A document's text as the server has it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TextAnswer {
    /// The version.
    pub(crate) version: i32,
    /// The whole text.
    pub(crate) text: String,
}

/// One mark.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct OriginAnswer {
    /// Where it is in the document's current version.
    pub(crate) range: Range,
    /// Who inserted it, as told.
    pub(crate) source: String,
    /// `certain` or `likely`.
    pub(crate) confidence: &'static str,
}

/// What a diagnostic carries along for code actions and for clients that show origin themselves.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DiagnosticData<'f> {
    /// The entry's id.
    pub(crate) entry: &'f str,
    /// The CWE names.
    pub(crate) cwe: Vec<String>,
    /// Who inserted the code; absent where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<DataOrigin>,
}

/// The origin inside a diagnostic's data.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DataOrigin {
    /// Who inserted it, as told.
    pub(crate) source: String,
    /// `certain` or `likely`.
    pub(crate) confidence: &'static str,
}

/// What a code action carries whose edit is asked for later.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct ActionData {
    /// The document.
    pub(crate) uri: Uri,
    /// The version that the edit was proved on.
    pub(crate) version: i32,
    /// What is asked for.
    #[serde(flatten)]
    pub(crate) wish: Wish,
}

/// What an action does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(tag = "wish", rename_all = "camelCase")]
pub(crate) enum Wish {
    /// One fix of one finding.
    One {
        /// Index of the finding in that version's analysis.
        finding: usize,
        /// Index of the fix among those of the finding.
        fix: usize,
    },
    /// Every safe fix of the text.
    All,
}
