//! The arrows of docs/architecture.md: who may name whom.
//! It reads their text form and knows nothing of manifests.

use std::collections::{BTreeMap, BTreeSet};

/// The subject of the arrow that speaks of everybody's tests.
const TESTS_OF_ANY: &str = "tests of any";

/// Who may name whom among our own crates, by folder name without `server/`.
#[derive(Debug, Default)]
pub struct Arrows {
    allowed: BTreeMap<String, BTreeSet<String>>,
    everything: BTreeSet<String>,
    in_tests: BTreeSet<String>,
}

impl Arrows {
    /// Reads the fenced block `arrows` of a page.
    ///
    /// # Errors
    /// Says which line is no arrow, or that there is no block.
    pub fn read(page: &str) -> Result<Self, String> {
        let mut out = Self::default();
        for (from, to) in block(page, "arrows")? {
            match (from.as_str(), to.as_str()) {
                (TESTS_OF_ANY, _) => out.in_tests.extend(words(&to)),
                (_, "any of ours") => {
                    for name in words(&from) {
                        out.everything.insert(name);
                    }
                }
                (_, "none of ours") => {
                    for name in words(&from) {
                        out.allowed.entry(name).or_default();
                    }
                }
                _ => {
                    for name in words(&from) {
                        out.allowed.entry(name).or_default().extend(words(&to));
                    }
                }
            }
        }
        Ok(out)
    }

    /// Whether an arrow leads from one crate to another; `testing` for development dependencies.
    #[must_use]
    pub fn allow(&self, from: &str, to: &str, testing: bool) -> bool {
        self.everything.contains(from)
            || self.allowed.get(from).is_some_and(|set| set.contains(to))
            || testing && self.in_tests.contains(to)
    }

    /// Every crate that some arrow mentions.
    #[must_use]
    pub fn mentioned(&self) -> BTreeSet<&str> {
        let ends = self.allowed.values().flatten().chain(&self.in_tests);
        self.allowed
            .keys()
            .chain(&self.everything)
            .chain(ends)
            .map(String::as_str)
            .collect()
    }
}

/// Which of our crates may name a crate from outside, for those that the page restricts.
#[derive(Debug)]
pub struct Outside(BTreeMap<String, BTreeSet<String>>);

impl Outside {
    /// Reads the fenced block `outside` of a page.
    ///
    /// # Errors
    /// Says which line is no arrow, or that there is no block.
    pub fn read(page: &str) -> Result<Self, String> {
        let pairs = block(page, "outside")?;
        Ok(Self(
            pairs
                .into_iter()
                .map(|(name, ours)| (name, words(&ours).collect()))
                .collect(),
        ))
    }

    /// Whether our crate may name the crate from outside.
    #[must_use]
    pub fn allow(&self, ours: &str, theirs: &str) -> bool {
        self.0.get(theirs).is_none_or(|set| set.contains(ours))
    }
}

/// The arrows of a fenced block; two or more spaces part those that share a line.
fn block(page: &str, name: &str) -> Result<Vec<(String, String)>, String> {
    let open = format!("```{name}");
    let mut lines = page.lines().skip_while(|line| line.trim_end() != open);
    if lines.next().is_none() {
        return Err(format!("the page has no block ```{name}"));
    }
    let mut out = Vec::new();
    for line in lines.take_while(|line| line.trim_end() != "```") {
        for arrow in line.split("  ").map(str::trim).filter(|it| !it.is_empty()) {
            let Some((from, to)) = arrow.split_once("->") else {
                return Err(format!("`{arrow}` is no arrow"));
            };
            out.push((from.trim().to_owned(), to.trim().to_owned()));
        }
    }
    Ok(out)
}

fn words(list: &str) -> impl Iterator<Item = String> + '_ {
    list.split(',')
        .map(|word| word.trim().to_owned())
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::allow_attributes,
        reason = "a panic is how a test fails"
    )]

    use super::{Arrows, Outside};

    const PAGE: &str = "\
text -> not an arrow
```arrows
cli -> any of ours            tests -> none of ours
lsp, eval -> analysis, kb/schema
tests of any -> kb/index
```
```outside
tokio -> lsp
```
";

    #[test]
    fn an_arrow_allows_its_own_direction_only() {
        let arrows = Arrows::read(PAGE).unwrap();
        assert!(arrows.allow("eval", "kb/schema", false));
        assert!(!arrows.allow("analysis", "lsp", false));
        assert!(!arrows.allow("tests", "analysis", false));
        assert!(arrows.allow("cli", "analysis", false));
    }

    #[test]
    fn tests_may_name_more() {
        let arrows = Arrows::read(PAGE).unwrap();
        assert!(arrows.allow("lsp", "kb/index", true));
        assert!(!arrows.allow("lsp", "kb/index", false));
    }

    #[test]
    fn what_is_not_restricted_is_free() {
        let outside = Outside::read(PAGE).unwrap();
        assert!(outside.allow("lsp", "tokio") && outside.allow("eval", "serde"));
        assert!(!outside.allow("analysis", "tokio"));
    }

    #[test]
    fn a_line_that_is_no_arrow_is_refused() {
        let error = Arrows::read("```arrows\nlsp => analysis\n```\n").unwrap_err();
        assert!(error.contains("lsp => analysis"), "{error}");
        assert!(Arrows::read("nothing").is_err());
    }
}
