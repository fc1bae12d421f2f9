//! From our types to the protocol's. Asks no engine and keeps nothing.

use std::hash::Hasher;
use std::ops::Range;

use analysis::{Finding, Idle};
use kb_schema::Severity;
use origin::{Confidence, Mark};
use rustc_hash::FxHasher;
use syntax::{Encoding, Text};
use tower_lsp::gen_lsp_types as types;
use types::{
    CodeDescription, Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag,
    Location, Uri,
};

use crate::capabilities::Profile;
use crate::ext::{self, DataOrigin, DiagnosticData};
use crate::state::{Shown, View};

/// Who speaks in the editor's list of problems.
pub(crate) const SOURCE: &str = "secondlook";

pub(crate) fn position(byte: usize, text: &Text, encoding: Encoding) -> types::Position {
    let position = text.position_of(byte, encoding);
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    types::Position {
        line: number(position.line),
        character: number(position.column),
    }
}

pub(crate) fn range(range: &Range<usize>, text: &Text, encoding: Encoding) -> types::Range {
    types::Range {
        start: position(range.start, text, encoding),
        end: position(range.end, text, encoding),
    }
}

pub(crate) fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Certain => "certain",
        Confidence::Likely => "likely",
    }
}

/// What a reader is told of a range's origin.
pub(crate) fn origin_note(mark: &Mark) -> &'static str {
    match mark.confidence {
        Confidence::Certain => "AI-inserted",
        Confidence::Likely => "likely AI-inserted",
    }
}

/// Every finding that is shown as a diagnostic, in the same order, and then the comments that
/// silence nothing.
pub(crate) fn diagnostics(view: &View, uri: &Uri, profile: &Profile) -> Vec<Diagnostic> {
    let findings = view.findings();
    let idle = view.analyzed.idle().iter();
    findings
        .map(|(_, it, origin)| diagnostic(it, origin, view, uri, profile))
        .chain(idle.map(|it| unused(it, view, profile)))
        .collect()
}

/// What is said of a comment that silences nothing.
fn unused(idle: &Idle, view: &View, profile: &Profile) -> Diagnostic {
    let message = match &idle.name {
        Some(name) => format!("`{name}` silences nothing here; take it out of the comment"),
        None => "this comment silences nothing; take it out".to_owned(),
    };
    Diagnostic {
        range: range(&idle.range, &view.analyzed.document.text, profile.encoding),
        severity: Some(DiagnosticSeverity::Hint),
        code: Some(ext::UNUSED.to_owned().into()),
        source: Some(SOURCE.to_owned()),
        message: message.into(),
        tags: profile.tags.then(|| vec![DiagnosticTag::Unnecessary]),
        ..Default::default()
    }
}

fn diagnostic(
    finding: &Finding,
    origin: Option<&Mark>,
    view: &View,
    uri: &Uri,
    profile: &Profile,
) -> Diagnostic {
    let text = &view.analyzed.document.text;
    let place = |bytes: &Range<usize>| range(bytes, text, profile.encoding);
    let related = finding
        .trace
        .iter()
        .map(|step| DiagnosticRelatedInformation {
            location: Location {
                uri: uri.clone(),
                range: place(&step.range),
            },
            message: step.note.clone(),
        });
    let data = DiagnosticData {
        entry: &finding.entry.id,
        cwe: finding.entry.cwe_names().collect(),
        origin: origin.map(|mark| DataOrigin {
            source: mark.source.clone(),
            confidence: confidence(mark.confidence),
        }),
    };
    Diagnostic {
        range: place(&finding.range),
        severity: Some(severity(finding.severity)),
        code: Some(finding.entry.id.as_str().into()),
        code_description: profile.code_description.then(|| CodeDescription {
            href: finding.entry.href().into(),
        }),
        source: Some(SOURCE.to_owned()),
        message: message(finding, origin).into(),
        related_information: (profile.related_information && !finding.trace.is_empty())
            .then(|| related.collect()),
        data: serde_json::to_value(data).ok(),
        ..Default::default()
    }
}

fn message(finding: &Finding, origin: Option<&Mark>) -> String {
    let mut message = finding.message.clone();
    let cwe: Vec<String> = finding.entry.cwe_names().collect();
    if !cwe.is_empty() {
        message.push_str(&format!(" ({})", cwe.join(", ")));
    }
    if let Some(mark) = origin {
        message.push_str(&format!(" [{}]", origin_note(mark)));
    }
    message
}

fn severity(severity: Severity) -> DiagnosticSeverity {
    match severity {
        Severity::Error => DiagnosticSeverity::Error,
        Severity::Warning => DiagnosticSeverity::Warning,
        Severity::Note => DiagnosticSeverity::Information,
    }
}

/// What a client shows when it has been sent these diagnostics.
pub(crate) fn shown(diagnostics: &[Diagnostic], view: &View) -> Shown {
    Shown {
        hash: hash(diagnostics),
        moves: if diagnostics.is_empty() {
            0
        } else {
            view.moves
        },
    }
}

/// A name for what a client shows: equal diagnostics have equal names as long as no edit moved
/// them in between.
pub(crate) fn result_id(diagnostics: &[Diagnostic], view: Option<&View>) -> String {
    match (hash(diagnostics), view) {
        (None, _) => "none".to_owned(),
        (Some(hash), None) => format!("{hash:016x}"),
        (Some(hash), Some(view)) => format!("{hash:016x}-{}", view.moves),
    }
}

fn hash(diagnostics: &[Diagnostic]) -> Option<u64> {
    if diagnostics.is_empty() {
        return None;
    }
    let mut writer = HashWriter(FxHasher::default());
    serde_json::to_writer(&mut writer, diagnostics).ok()?;
    Some(writer.0.finish())
}

/// Hashes what is written, so that the text of a hash is never kept.
struct HashWriter(FxHasher);

impl std::io::Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
