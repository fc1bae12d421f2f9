//! A regular expression that is checked when it is read and compiled when it is first used.
//! Most runs meet few of the entries' expressions, and compiling all of them cost 30 ms at start.

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};

use crate::needs::{self, Need};

/// The largest compiled form, so that a hostile entry cannot take the memory.
const SIZE_LIMIT: usize = 1 << 20;

/// What a text must look like, as a regular expression.
#[derive(Debug)]
pub struct Shape {
    source: String,
    compiled: OnceLock<Option<Regex>>,
}

impl Shape {
    /// Takes an expression; whether it is one, `check` says.
    #[must_use]
    pub fn new(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            compiled: OnceLock::new(),
        }
    }

    /// Checks the syntax. The bundled entries were checked when they were built in; doing it again
    /// at every start took a sixth of it.
    ///
    /// # Errors
    /// What is wrong with it, in one line.
    pub fn check(&self) -> Result<(), String> {
        let problem = |error: regex_syntax::Error| {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or("");
            let last = last.trim_start_matches("error: ");
            format!("pattern `{}` is no regular expression: {last}", self.source)
        };
        regex_syntax::parse(&self.source)
            .map_err(problem)
            .map(|_| ())
    }

    /// The expression as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether it can be compiled within the size limit; one that cannot matches nothing.
    #[must_use]
    pub fn compiles(&self) -> bool {
        self.compiled().is_some()
    }

    /// Whether it matches somewhere in `text`.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.compiled().is_some_and(|regex| regex.is_match(text))
    }

    fn compiled(&self) -> Option<&Regex> {
        let build = || {
            RegexBuilder::new(&self.source)
                .size_limit(SIZE_LIMIT)
                .build()
                .ok()
        };
        self.compiled.get_or_init(build).as_ref()
    }

    /// Groups of words: all words of one of them occur in every text that it matches. `None` where
    /// it demands none. A scan skips what cannot match by them.
    #[must_use]
    pub fn needs(&self) -> Option<Vec<Vec<Need>>> {
        needs::of(&regex_syntax::parse(&self.source).ok()?)
    }
}

impl Clone for Shape {
    fn clone(&self) -> Self {
        Self {
            source: self.source.clone(),
            compiled: self.compiled.clone(),
        }
    }
}

#[cfg(test)]
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
