//! Which findings of a file are reported: those that its settings want, that no comment silences
//! and that the baseline does not know. It looks at findings and never at code.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use analysis::{Analysis, Dialect};
use config::Settings;

use crate::baseline::{Baseline, fingerprints};
use crate::options::absolute;

/// What becomes of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is reported.
    Reported,
    /// A comment for another checker silences it.
    Silenced,
    /// The settings do not want it.
    Unwanted,
    /// The baseline knows it.
    Known,
}

/// Judges the findings of one file.
#[derive(Debug, Clone)]
pub(crate) struct Judge {
    settings: Arc<Settings>,
    baseline: Option<Arc<Baseline>>,
    path: PathBuf,
    dialects: Vec<Dialect>,
}

impl Judge {
    pub(crate) fn new(
        path: &Path,
        settings: Arc<Settings>,
        baseline: Option<Arc<Baseline>>,
    ) -> Self {
        let mut dialects = Vec::new();
        if settings.honour_nosec {
            dialects.push(Dialect::Nosec);
        }
        if settings.honour_noqa {
            dialects.push(Dialect::Noqa);
        }
        Self {
            settings,
            baseline,
            path: absolute(path),
            dialects,
        }
    }

    /// One verdict and one fingerprint for each finding.
    pub(crate) fn judge(&self, text: &str, analysis: &Analysis) -> Vec<(Verdict, String)> {
        let prints = fingerprints(text, &analysis.findings);
        let silenced = analysis.silenced_for_others(text, &self.dialects);
        let known = match &self.baseline {
            Some(baseline) => baseline.known(&self.path, &prints),
            None => vec![false; prints.len()],
        };
        let findings = analysis.findings.iter();
        findings
            .zip(silenced)
            .zip(known)
            .zip(prints)
            .map(|(((finding, silenced), known), print)| {
                let entry = &finding.entry;
                let wanted =
                    self.settings
                        .wants(&self.path, &entry.id, &entry.cwe, finding.severity);
                let verdict = match (wanted, silenced, known) {
                    (false, _, _) => Verdict::Unwanted,
                    (_, true, _) => Verdict::Silenced,
                    (_, _, true) => Verdict::Known,
                    _ => Verdict::Reported,
                };
                (verdict, print)
            })
            .collect()
    }

    /// For each finding, whether it is reported.
    pub(crate) fn reported(&self, text: &str, analysis: &Analysis) -> Vec<bool> {
        self.judge(text, analysis)
            .into_iter()
            .map(|(verdict, _)| verdict == Verdict::Reported)
            .collect()
    }
}
