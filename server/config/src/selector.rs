//! Which findings are meant: `all`, `py/sql-built`, `py/*`, `CWE-89`, `warning`.
//! It compares names and numbers and does not know which of them exist.

use std::fmt;

use kb_schema::Severity;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One way to mean findings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// Every finding.
    All,
    /// One entry.
    Id(String),
    /// Entries whose ids fit; `*` stands for any letters.
    Pattern(String),
    /// Entries that carry the number.
    Cwe(u32),
    /// Findings of exactly this severity.
    Severity(Severity),
}

impl Selector {
    /// Reads one selector.
    ///
    /// # Errors
    /// Says what a selector looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let word = text.trim();
        let lower = word.to_ascii_lowercase();
        let cwe = lower.strip_prefix("cwe-").or(lower.strip_prefix("cwe"));
        if let Some(number) = cwe.and_then(|it| it.parse().ok()) {
            return Ok(Self::Cwe(number));
        }
        match lower.as_str() {
            "all" | "*" => return Ok(Self::All),
            "note" => return Ok(Self::Severity(Severity::Note)),
            "warning" => return Ok(Self::Severity(Severity::Warning)),
            "error" => return Ok(Self::Severity(Severity::Error)),
            _ => {}
        }
        let fits =
            |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "/-_*.".contains(it);
        if word.is_empty() || !word.contains('/') || !word.chars().all(fits) {
            return Err(format!(
                "`{word}` means no findings; write an id (`py/sql-built`), a pattern (`py/*`), a weakness (`CWE-89`), a severity (`note`) or `all`"
            ));
        }
        Ok(if word.contains('*') {
            Self::Pattern(word.to_owned())
        } else {
            Self::Id(word.to_owned())
        })
    }

    /// Whether a finding is meant.
    #[must_use]
    pub fn matches(&self, id: &str, cwe: &[u32], severity: Severity) -> bool {
        match self {
            Self::All => true,
            Self::Id(own) => own == id,
            Self::Pattern(pattern) => fits(pattern.as_bytes(), id.as_bytes()),
            Self::Cwe(number) => cwe.contains(number),
            Self::Severity(own) => *own == severity,
        }
    }
}

/// Whether a text fits a pattern in which `*` stands for any bytes.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last star does not fit.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            p += 1;
            retry = Some((p, t));
        } else if p < pattern.len() && pattern[p] == text[t] {
            p += 1;
            t += 1;
        } else if let Some((after, from)) = retry {
            p = after;
            t = from + 1;
            retry = Some((after, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|it| *it == b'*')
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Id(text) | Self::Pattern(text) => f.write_str(text),
            Self::Cwe(number) => write!(f, "CWE-{number}"),
            Self::Severity(severity) => severity.fmt(f),
        }
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use kb_schema::Severity;

    use super::Selector;

    #[test]
    fn a_selector_means_ids_patterns_weaknesses_and_severities() {
        let means = |text: &str| {
            Selector::parse(text)
                .is_ok_and(|it| it.matches("py/sql-built", &[89, 943], Severity::Error))
        };
        for text in [
            "all",
            "py/sql-built",
            "py/*",
            "*/sql-*",
            "py/*built",
            "CWE-89",
            "cwe943",
            "error",
        ] {
            assert!(means(text), "{text}");
        }
        for text in ["c/*", "py/sql", "py/*x", "CWE-8", "warning"] {
            assert!(!means(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused_with_what_one_looks_like() {
        for text in ["", "sql", "S608", "py/sql built", "CWE-"] {
            let error = Selector::parse(text).unwrap_err();
            assert!(error.contains("py/*"), "{error}");
        }
    }
}
