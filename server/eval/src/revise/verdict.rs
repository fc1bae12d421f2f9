//! What judges said about texts, and what that means for a case before and after. A judge is known
//! by its name only; who runs it is nobody's business here.

use std::collections::{BTreeMap, HashMap};

use analysis::{Language, Snapshot};
use serde::{Deserialize, Serialize};

use super::digest;
use crate::Case;
use crate::detect::cwe_number;
use crate::same_family;

/// The name of our own checker among the judges.
pub const OWN: &str = "secondlook";

/// One rule that spoke about a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firing {
    /// The rule's name, as its judge calls it.
    pub rule: String,
    /// The line, from 1; 0 where the judge names none.
    pub line: usize,
    /// The numbers of the weaknesses that the judge names.
    #[serde(default)]
    pub cwe: Vec<u32>,
}

/// What our own checker says.
#[must_use]
pub fn own(snapshot: &Snapshot, language: Language, text: &str) -> Vec<Firing> {
    let analysis = snapshot.check(language, text);
    let findings = analysis.findings.iter();
    findings
        .map(|it| Firing {
            rule: it.entry.id.clone(),
            line: text
                .get(..it.range.start)
                .unwrap_or("")
                .matches('\n')
                .count()
                + 1,
            cwe: it.entry.cwe.clone(),
        })
        .collect()
}

/// Everything that judges said, by judge and text.
#[derive(Debug, Default)]
pub struct Verdicts {
    said: HashMap<(String, String), Vec<Firing>>,
    judges: Vec<(String, Vec<Language>)>,
}

impl Verdicts {
    /// Adds a judge and the languages that it knows.
    pub fn judge(&mut self, name: &str, languages: &[Language]) {
        self.judges.push((name.to_owned(), languages.to_vec()));
    }

    /// The judges, in the order they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.judges.iter().map(|it| it.0.as_str())
    }

    /// Whether a judge knows a language.
    #[must_use]
    pub fn knows(&self, judge: &str, language: Language) -> bool {
        let found = self.judges.iter().find(|it| it.0 == judge);
        found.is_some_and(|it| it.1.contains(&language))
    }

    /// Remembers what a judge said about a text.
    pub fn say(&mut self, judge: &str, language: Language, text: &str, firings: Vec<Firing>) {
        self.said
            .insert((judge.to_owned(), text_key(language, text)), firings);
    }

    /// What a judge said about a text; `None` when it was not asked.
    #[must_use]
    pub fn of(&self, judge: &str, language: Language, text: &str) -> Option<&[Firing]> {
        let key = (judge.to_owned(), text_key(language, text));
        self.said.get(&key).map(Vec::as_slice)
    }
}

/// The name of a text for caches of verdicts.
#[must_use]
pub(crate) fn text_key(language: Language, text: &str) -> String {
    digest(&[&format!("{language:?}"), text])
}

/// Before and after, in one judge's eyes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Change {
    /// A rule that stands for the case's weakness spoke before.
    pub(crate) flagged: bool,
    /// Such a rule speaks afterwards.
    pub(crate) still: bool,
    /// Any rule speaks more often than before.
    pub(crate) more: bool,
}

/// Whether a rule stands for the weakness of a case: it is named by the case, or, where the case
/// names none for this judge, its weakness is of the family of the case's.
fn stands_for(case: &Case, judge: &str, firing: &Firing) -> bool {
    match case.rules.get(judge) {
        Some(rules) => rules.contains(&firing.rule),
        None => cwe_number(case)
            .is_some_and(|wanted| firing.cwe.iter().any(|it| same_family(*it, wanted))),
    }
}

pub(crate) fn change(case: &Case, judge: &str, before: &[Firing], after: &[Firing]) -> Change {
    // "Fixed" asks for the silence of the rules that had spoken, whatever stands for the weakness.
    let fired: Vec<&str> = before
        .iter()
        .filter(|it| stands_for(case, judge, it))
        .map(|it| it.rule.as_str())
        .collect();
    let count = |firings: &[Firing]| {
        let mut out: BTreeMap<String, usize> = BTreeMap::new();
        for firing in firings {
            *out.entry(firing.rule.clone()).or_default() += 1;
        }
        out
    };
    let was = count(before);
    Change {
        flagged: !fired.is_empty(),
        still: after.iter().any(|it| fired.contains(&it.rule.as_str())),
        more: count(after)
            .iter()
            .any(|(rule, number)| *number > was.get(rule).copied().unwrap_or(0)),
    }
}
