//! The knowledge unit: one weakness pattern with its reasons, its tests and its cure.
//! It knows no file system and nothing of how patterns are matched.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::body::Later;
use crate::{Body, Discussion, Example, ExampleKind, Pattern};

/// A language that entries are written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Python 3, and what of Python 2 still parses.
    Python,
    /// C, with the C++ that reads as C.
    C,
}

impl Language {
    /// Every language, in the order of the folders.
    pub const ALL: [Self; 2] = [Self::Python, Self::C];

    /// The word used in front matter, folders and code fences.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::C => "c",
        }
    }

    /// The prefix of the ids of its entries.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Python => "py",
            Self::C => "c",
        }
    }
}

/// How much a finding matters when it is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Exploitable under conditions the code does not show.
    Warning,
    /// Exploitable as written.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// Whether a template fix may be applied unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Applicability {
    /// Keeps the behaviour for every input that was meant; applied by `--fix`.
    Safe,
    /// Right in most code; a person should look at it first.
    Review,
}

/// A mechanical cure, written over the parts of the matched code.
///
/// Placeholders in `replace`, `set` and `insert`: `{callee}`, `{receiver}`, `{0}`, `{name}` (the
/// text of an argument), `{args}` (everything between the brackets), `{value}`, `{target}`, and in
/// `replace` and `set` `{argv}` (a command for a shell as the list of its words).
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fix {
    /// Safe or needs review.
    pub applicability: Option<Applicability>,
    /// What the fix does, in the imperative, for the light bulb: `Use yaml.safe_load`.
    pub title: String,
    /// New text for the whole finding.
    pub replace: Option<String>,
    /// New last name of the callee (`y.load(f)` becomes `y.safe_load(f)`).
    pub rename: Option<String>,
    /// New text for the whole callee, where a rename is not enough.
    pub callee: Option<String>,
    /// Arguments to set, by position or keyword; a keyword that is absent is added at the end.
    pub set: std::collections::BTreeMap<String, String>,
    /// Arguments to take out.
    pub remove: Vec<String>,
    /// Arguments to put in before a position.
    pub insert: std::collections::BTreeMap<String, String>,
    /// Turns a built string into one with placeholders of this form and passes its parts as a
    /// tuple after it: `?` or `%s`.
    pub parameterize: Option<String>,
    /// Puts a part of a built text through a function, `html.escape({})`: the first part that
    /// satisfies the gate.
    pub escape: Option<String>,
    /// New text for every expression of the finding whose whole text fits a regular expression;
    /// `{}` stands for the old text.
    pub swap: std::collections::BTreeMap<String, String>,
    /// Asks this function in place of `==` and `!=`: `hmac.compare_digest` (Python).
    pub compare: Option<String>,
    /// Raises this error where an assertion stood (Python).
    pub raise: Option<String>,
    /// Gives `%s` and `%[` of a scan the width that their buffers have room for (C).
    pub scan_width: bool,
    /// Leaves the function when the pointer that the finding begins with is null (C).
    pub null_check: bool,
    /// Serves only calls whose callee has one of these last names; empty means all.
    pub callees: Vec<String>,
    /// Modules (Python) or headers (C) that the new text needs.
    pub imports: Vec<String>,
    /// Which patterns of the entry the fix serves, from 1; empty means all.
    pub patterns: Vec<usize>,
}

/// One weakness pattern: rule, documentation, tests, advice, guideline and demonstration at once.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub struct Entry {
    /// Such as `py/subprocess-shell-true`; names the bad pattern, never the remedy.
    pub id: String,
    /// A short noun phrase.
    pub title: String,
    /// One sentence of at most 100 characters, shown at the finding.
    pub message: String,
    /// CWE numbers, the most telling first.
    pub cwe: Vec<u32>,
    /// The language of its code.
    pub language: Language,
    /// How much a finding matters.
    pub severity: Severity,
    /// Lexical signs such as `shell=True`, for retrieval.
    pub markers: Vec<String>,
    /// APIs involved, for retrieval (RESCUE's API facet).
    pub apis: Vec<String>,
    /// What is flagged; empty means knowledge only.
    pub patterns: Vec<Pattern>,
    /// Who explained it.
    pub discussions: Vec<Discussion>,
    /// The mechanical cures, tried in order.
    pub fixes: Vec<Fix>,
    /// Its Markdown half, which does not travel with it.
    #[serde(skip)]
    pub(crate) body: Later,
    /// Where it was read from.
    pub path: String,
    /// It came with the program, whose tests have proven it.
    pub bundled: bool,
}

impl Entry {
    /// Its reasons, advice and examples, read now if nobody asked before.
    #[must_use]
    pub fn body(&self) -> &Body {
        self.body.get()
    }

    /// Has the body read by `read` when it is first asked for.
    #[must_use]
    pub fn with_body(mut self, read: impl FnOnce() -> Body + Send + 'static) -> Self {
        self.body = Later::new(read);
        self
    }

    /// `CWE-78` and so on.
    pub fn cwe_names(&self) -> impl Iterator<Item = String> + '_ {
        self.cwe.iter().map(|number| format!("CWE-{number}"))
    }

    /// Whether the entry flags nothing and only advises.
    #[must_use]
    pub fn is_knowledge_only(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The address of its first discussion, or of its CWE page when it has none.
    #[must_use]
    pub fn href(&self) -> String {
        self.discussions.first().map_or_else(
            || {
                let number = self.cwe.first().copied().unwrap_or(0);
                format!("https://cwe.mitre.org/data/definitions/{number}.html")
            },
            Discussion::url,
        )
    }

    /// The examples of one kind.
    pub fn examples(&self, kind: ExampleKind) -> impl Iterator<Item = &Example> {
        self.body()
            .examples
            .iter()
            .filter(move |example| example.kind == kind)
    }
}
