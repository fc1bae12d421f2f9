//! A regular expression that is checked when it is read and compiled when it is first used.
//! Most runs meet few of the entries' expressions, and compiling all of them cost 30 ms at start.

use std::sync::{Arc, OnceLock};

#[cfg(feature = "match")]
use regex::bytes::{Regex, RegexBuilder};
use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::needs::{self, Need};

/// The largest compiled form, so that a hostile entry cannot take the memory.
#[cfg(feature = "match")]
const SIZE_LIMIT: usize = 1 << 20;

/// The longest text whose words are looked for one by one.
#[cfg(feature = "match")]
const SHORT: usize = 256;

/// What a text must look like, as a regular expression. Clones share what was compiled.
#[derive(Debug, Clone)]
pub struct Shape(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    source: Box<str>,
    needs: OnceLock<Needs>,
    #[cfg(feature = "match")]
    compiled: OnceLock<Option<Regex>>,
}

/// Groups of words, or nothing where an expression demands none.
type Needs = Option<Vec<Vec<Need>>>;

impl Shape {
    /// Takes an expression; whether it is one, `check` says.
    #[must_use]
    pub fn new(source: &str) -> Self {
        Self::with(source.into(), OnceLock::new())
    }

    fn with(source: Box<str>, needs: OnceLock<Needs>) -> Self {
        Self(Arc::new(Inner {
            source,
            needs,
            #[cfg(feature = "match")]
            compiled: OnceLock::new(),
        }))
    }

    /// Checks the syntax.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn check(&self) -> Result<(), String> {
        let source = &self.0.source;
        let problem = |error: regex_syntax::Error| {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or("");
            let last = last.trim_start_matches("error: ");
            format!("pattern `{source}` is no regular expression: {last}")
        };
        regex_syntax::parse(source).map_err(problem).map(|_| ())
    }

    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.source
    }

    /// Groups of words: all words of one of them occur in every text that it matches. `None` where
    /// it demands none. A scan skips what cannot match by them.
    #[must_use]
    pub fn needs(&self) -> Option<&[Vec<Need>]> {
        let find = || needs::of(&regex_syntax::parse(&self.0.source).ok()?);
        self.0.needs.get_or_init(find).as_deref()
    }
}

#[cfg(feature = "match")]
impl Shape {
    /// Whether it can be compiled within the size limit; one that cannot matches nothing.
    #[must_use]
    pub fn compiles(&self) -> bool {
        self.compiled().is_some()
    }

    /// Whether it matches somewhere in `text`.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.may_match(text)
            && self
                .compiled()
                .is_some_and(|regex| regex.is_match(text.as_bytes()))
    }

    /// Whether the words stand in a short text without which it does not match, as long as asking
    /// is cheaper than to compile the expression.
    fn may_match(&self, text: &str) -> bool {
        if self.0.compiled.get().is_some() || text.len() > SHORT || !text.is_ascii() {
            return true;
        }
        let has = |need: &Need| {
            let Some((first, rest)) = need.text.as_bytes().split_first() else {
                return true;
            };
            let mut windows = text.as_bytes().windows(1 + rest.len());
            windows
                .any(|it| it[0].eq_ignore_ascii_case(first) && it[1..].eq_ignore_ascii_case(rest))
        };
        self.needs()
            .is_none_or(|groups| groups.iter().any(|group| group.iter().all(has)))
    }

    /// Letters, spaces and the ends of words are those of ASCII: with all of Unicode's an
    /// expression takes far longer to compile. One that names others gets what it asks for.
    fn compiled(&self) -> Option<&Regex> {
        let build = |unicode| {
            RegexBuilder::new(&self.0.source)
                .unicode(unicode)
                .size_limit(SIZE_LIMIT)
                .build()
                .ok()
        };
        let build = || build(false).or_else(|| build(true));
        self.0.compiled.get_or_init(build).as_ref()
    }
}

/// The words travel with the expression: finding them out means parsing it.
impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.as_str(), self.needs()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (source, needs) = <(Box<str>, Needs)>::deserialize(deserializer)?;
        Ok(Self::with(source, OnceLock::from(needs)))
    }
}

#[cfg(all(test, feature = "match"))]
mod tests {
    use super::Shape;

    #[test]
    fn mistakes_are_found_when_read_and_matches_when_used() {
        let shape = Shape::new(r"(?i)^select\b");
        assert_eq!(shape.check(), Ok(()));
        assert!(shape.is_match("SELECT 1") && !shape.is_match("selected"));
        let error = Shape::new("(unclosed").check().expect_err("refused");
        assert!(
            error.contains("(unclosed") && !error.contains('\n'),
            "{error}"
        );
    }

    #[test]
    fn what_is_too_large_matches_nothing() {
        let shape = Shape::new("(a{1000}){1000}");
        assert_eq!(shape.check(), Ok(()));
        assert!(!shape.compiles() && !shape.is_match("a"));
    }
}
