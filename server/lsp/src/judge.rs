//! Which findings of a document are shown: those that its settings want and that no comment
//! silences. It looks at findings and never at code.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use analysis::{Analysis, Dialect, Finding, Idle};
use config::Settings;

/// What is known of a document beside its text.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    pub(crate) path: Option<PathBuf>,
    pub(crate) settings: Arc<Settings>,
}

impl Judge {
    /// A judge that lets everything pass.
    pub(crate) fn lenient() -> Self {
        Self {
            path: None,
            settings: Arc::new(Settings::resolve(Path::new("/"), [])),
        }
    }

    /// Whether a text of this length is looked at.
    pub(crate) fn wants_text(&self, bytes: usize) -> bool {
        let excluded = |path: &PathBuf| self.settings.force_exclude && self.settings.excludes(path);
        bytes as u64 <= self.settings.max_file_size.0 && !self.path.as_ref().is_some_and(excluded)
    }

    /// For each finding, whether it is shown.
    pub(crate) fn shows(&self, text: &str, analysis: &Analysis) -> Vec<bool> {
        let path = self.path.as_deref().unwrap_or(Path::new(""));
        let honoured = [
            (self.settings.honour_nosec, Dialect::Nosec),
            (self.settings.honour_noqa, Dialect::Noqa),
        ];
        let dialects: Vec<Dialect> = honoured
            .into_iter()
            .filter_map(|(is_honoured, dialect)| is_honoured.then_some(dialect))
            .collect();
        let silenced = analysis.silenced_for_others(text, &dialects);
        let wanted = |finding: &Finding| {
            let entry = &finding.entry;
            self.settings
                .wants(path, &entry.id, &entry.cwe, finding.severity)
        };
        let findings = analysis.findings.iter().zip(silenced);
        findings
            .map(|(finding, silenced)| !silenced && wanted(finding))
            .collect()
    }

    /// The comments that silence nothing, where that is to be said.
    pub(crate) fn idle(&self, text: &str, analysis: &Analysis) -> Vec<Idle> {
        if self.settings.report_unused_suppressions {
            analysis.idle_comments(text)
        } else {
            Vec::new()
        }
    }
}
