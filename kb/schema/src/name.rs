//! Patterns over resolved names such as `subprocess.run` or `sqlite3.connect().cursor().execute`.
//! It knows text only; what a name resolves to is the analysis' business.

use std::fmt;

use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

/// A pattern over dotted names.
///
/// `os.system` matches that name only. `*.execute` matches `execute` on any receiver, resolved or
/// not, with at least one segment before it. `**` stands for any number of segments, none
/// included: `django.**.raw`. Inside a segment `*` stands for any characters: `*.*_raw`.
/// A call in the middle of a name is written with its brackets: `hashlib.md5().update`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NamePattern {
    text: Box<str>,
    /// Where the last segment begins.
    last: usize,
    exact: bool,
    /// `*.last` or `**.last`: only the last segment and whether something stands before it count.
    any_prefix: Option<bool>,
}

impl NamePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Says what is wrong with the text: empty, or a segment missing.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.split('.').any(str::is_empty) {
            return Err(format!("name `{text}` has an empty part"));
        }
        if text.chars().any(|c| c.is_whitespace()) {
            return Err(format!("name `{text}` may not hold spaces"));
        }
        if matches!(last_segment(text), "*" | "**") {
            return Err(format!(
                "name `{text}` must end in a name, or it would match everything"
            ));
        }
        Ok(Self::valid(text.into()))
    }

    /// Takes in a text that was found to be a pattern.
    fn valid(text: Box<str>) -> Self {
        let last = text.len() - last_segment(&text).len();
        let any_prefix = match &text[..last] {
            "*." => Some(true),
            "**." => Some(false),
            _ => None,
        };
        Self {
            last,
            exact: !text.contains('*'),
            any_prefix,
            text,
        }
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The last segment, which analysis dispatches on.
    #[must_use]
    pub fn last(&self) -> &str {
        &self.text[self.last..]
    }

    /// Whether the last segment is a plain word that can stand in a hash table.
    #[must_use]
    pub fn last_is_plain(&self) -> bool {
        !self.last().contains('*')
    }

    /// The first segment when it is a plain word: a module or a top-level name.
    #[must_use]
    pub fn root(&self) -> Option<&str> {
        self.text.split('.').next().filter(|it| !it.contains('*'))
    }

    /// Whether the name stands alone or holds `*`.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// Whether `name` fits. Segments of an unresolved receiver may be anything, `?` included.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        if self.exact {
            return *self.text == *name;
        }
        let last = last_segment(name);
        if !glob(self.last().as_bytes(), last.as_bytes()) {
            return false;
        }
        if let Some(needs_receiver) = self.any_prefix {
            return !needs_receiver || last.len() < name.len();
        }
        let segments: Vec<&str> = self.text.split('.').collect();
        let parts: Vec<&str> = name.split('.').collect();
        match_segments(&segments, &parts)
    }
}

impl Serialize for NamePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Takes back what was written from a pattern, without looking for mistakes again.
impl<'de> Deserialize<'de> for NamePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::valid(Box::deserialize(deserializer)?))
    }
}

/// What stands behind the last dot of a name.
#[must_use]
pub fn last_segment(name: &str) -> &str {
    let dot = name.as_bytes().iter().rposition(|byte| *byte == b'.');
    dot.map_or(name, |dot| &name[dot + 1..])
}

fn match_segments(pattern: &[&str], parts: &[&str]) -> bool {
    // A leading `*` stands for one or more segments, because receivers are chains.
    match pattern.split_first() {
        None => parts.is_empty(),
        Some((&"*", rest)) => (1..=parts.len()).any(|taken| match_segments(rest, &parts[taken..])),
        Some((&"**", rest)) => (0..=parts.len()).any(|taken| match_segments(rest, &parts[taken..])),
        Some((head, rest)) => parts.split_first().is_some_and(|(part, others)| {
            glob(head.as_bytes(), part.as_bytes()) && match_segments(rest, others)
        }),
    }
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && pattern[p] == text[t] {
            p += 1;
            t += 1;
        } else if let Some((star_p, star_t)) = star {
            p = star_p + 1;
            t = star_t + 1;
            star = Some((star_p, star_t + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&b| b == b'*')
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::NamePattern;

    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let pattern = NamePattern::parse(pattern).expect("a valid pattern");
        for name in yes {
            assert!(pattern.matches(name), "{pattern} should match {name}");
        }
        for name in no {
            assert!(!pattern.matches(name), "{pattern} should not match {name}");
        }
    }

    #[test]
    fn exact_names_match_themselves_only() {
        check(
            "os.system",
            &["os.system"],
            &["system", "my.os.system", "os.systems"],
        );
    }

    #[test]
    fn a_star_is_any_receiver_but_not_none() {
        check(
            "*.execute",
            &["?c.execute", "a.b().execute"],
            &["execute", "a.executemany"],
        );
        check("**.execute", &["execute", "a.execute"], &["a.executes"]);
        check(
            "*.*run_ssh",
            &["?self._run_ssh", "x.run_ssh"],
            &["run_ssh", "x.run_ssh2"],
        );
        check(
            "django.**.raw",
            &["django.raw", "django.db.models.raw"],
            &["raw", "flask.raw"],
        );
    }

    #[test]
    fn empty_parts_and_catch_alls_are_refused() {
        for bad in ["", "a..b", "*", "a.*", "a b"] {
            assert!(
                NamePattern::parse(bad).is_err(),
                "{bad:?} should be refused"
            );
        }
    }
}
