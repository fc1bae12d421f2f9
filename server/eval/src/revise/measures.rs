//! The measures of METHODS.md §1.7 and those beside them, from attempts, verdicts and trials.
//! Counts and shares only; nothing is printed here.

use std::collections::{BTreeMap, HashMap};

use analysis::Language;
use serde::{Deserialize, Serialize};
use similar::{ChangeTag, TextDiff};

use super::attempt::{Attempt, How};
use super::language_of;
use super::verdict::{Change, OWN, Verdicts, change};
use crate::Case;

/// Which text of an attempt is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// What the gate let pass.
    Proven,
    /// What the model's first answer would have left without the gate.
    Believed,
}

impl Variant {
    /// The text of this variant; `None` where there is none.
    #[must_use]
    pub fn of(self, attempt: &Attempt) -> Option<&str> {
        match self {
            Self::Proven => Some(&attempt.after),
            Self::Believed => attempt.believed.as_deref(),
        }
    }
}

/// How a case's own tests ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trial {
    /// They passed.
    Passed,
    /// They failed, did not start, or took too long.
    Failed,
}

/// Fixed of flagged, for one CWE.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CweRow {
    /// `CWE-89`.
    pub cwe: String,
    /// Flagged before.
    pub flagged: usize,
    /// Of them clean after.
    pub fixed: usize,
}

/// One mode in one judge's eyes.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The mode's id.
    pub mode: String,
    /// Proven by the gate, or believed.
    pub variant: Variant,
    /// The judge; `outside` is all judges but our own together.
    pub judge: String,
    /// `all`, `python` or `c`.
    pub lang: String,
    /// `n`: cases that the judge saw.
    pub cases: usize,
    /// `V0`: flagged before.
    pub flagged: usize,
    /// `F`: of them silent after.
    pub fixed: usize,
    /// `n - V0`: clean before.
    pub clean: usize,
    /// `N`: of them a rule speaks that did not.
    pub introduced: usize,
    /// Flagged before, and a rule speaks more often than before, fixed or not.
    pub added: usize,
    /// Fix Rate, `F / V0`.
    pub fix_rate: Option<f64>,
    /// Intro Rate, `N / (n - V0)`; nothing where no case was clean.
    pub intro_rate: Option<f64>,
    /// The 95 % upper bound of the Intro Rate where `N` is 0: `1 - 0.05^(1 / (n - V0))`.
    pub intro_bound: Option<f64>,
    /// No-Change Rate, `(n - F - N) / n`: of verdicts, not of texts.
    pub no_change_rate: Option<f64>,
    /// The mean of the Fix Rates of the CWEs.
    pub macro_fix_rate: Option<f64>,
    /// By CWE, where the judge had flagged one.
    pub cwes: Vec<CweRow>,
    /// Texts that are the same to the byte.
    pub identical: usize,
    /// Lines added and removed, mean over changed texts.
    pub edited_lines: Option<f64>,
    /// Likeness of changed texts to what they were (twice what is shared by the sum of lengths, in
    /// characters), mean.
    pub likeness: Option<f64>,
    /// Cases whose own tests passed before.
    pub tested: usize,
    /// Of them those whose tests pass after.
    pub kept: usize,
    /// Of them those that the judge no longer flags: secure@1 with one sample a case.
    pub secure: usize,
    /// Of them both: SecurePass@1 (METHODS.md §2.5) is this by `tested`.
    pub secure_pass: usize,
}

/// What a mode cost and how its questions ended.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Effort {
    /// The mode's id.
    pub mode: String,
    /// Cases that were tried.
    pub cases: usize,
    /// Answers of the model.
    pub calls: u32,
    /// Tokens asked.
    pub asked_tokens: u64,
    /// Tokens answered.
    pub answered_tokens: u64,
    /// Seconds of waiting for the model.
    pub seconds: f64,
    /// Seconds of each case for which a model was asked.
    pub each: Vec<f32>,
    /// Revised by an entry's fix.
    pub by_template: usize,
    /// Revised by the model.
    pub by_model: usize,
    /// The model would leave it.
    pub unchanged: usize,
    /// Nothing passed the gate.
    pub refused: usize,
    /// No fix and nobody to ask.
    pub nothing: usize,
    /// No readable answer.
    pub failed: usize,
}

/// All measures of a run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Measures {
    /// By mode, variant, judge and language.
    pub rows: Vec<Row>,
    /// By mode.
    pub efforts: Vec<Effort>,
}

/// Trials by digest of language, text and tests.
pub type Trials = HashMap<String, Trial>;

/// The name of a trial in [`Trials`].
#[must_use]
pub fn trial_key(case: &Case, text: &str) -> String {
    super::digest(&[&case.lang, text, case.tests.as_deref().unwrap_or("")])
}

/// Measures everything that was tried. Attempts of cases that are not there are left out.
#[must_use]
pub fn measure(
    cases: &[Case],
    attempts: &[Attempt],
    verdicts: &Verdicts,
    trials: &Trials,
) -> Measures {
    let by_id: HashMap<&str, &Case> = cases.iter().map(|it| (it.id.as_str(), it)).collect();
    let mut modes: Vec<&str> = Vec::new();
    for attempt in attempts {
        if !modes.contains(&attempt.mode.as_str()) {
            modes.push(&attempt.mode);
        }
    }
    let judges = judges(verdicts);
    let mut out = Measures::default();
    for mode in modes {
        let of_mode: Vec<(&Case, &Attempt)> = attempts
            .iter()
            .filter(|it| it.mode == mode)
            .filter_map(|it| Some((*by_id.get(it.case.as_str())?, it)))
            .collect();
        out.efforts.push(effort(mode, &of_mode));
        for variant in [Variant::Proven, Variant::Believed] {
            for (judge, members) in &judges {
                for lang in ["all", "python", "c"] {
                    let seen: Vec<Seen<'_>> = of_mode
                        .iter()
                        .filter(|(case, _)| lang == "all" || case.lang == lang)
                        .filter_map(|(case, attempt)| {
                            let after = variant.of(attempt)?;
                            look(case, after, members, verdicts, trials)
                        })
                        .collect();
                    if !seen.is_empty() {
                        let mut row = row(&seen);
                        row.mode = mode.to_owned();
                        row.variant = variant;
                        row.judge.clone_from(judge);
                        row.lang = lang.to_owned();
                        out.rows.push(row);
                    }
                }
            }
        }
    }
    out
}

/// Each judge alone, and all others than our own together.
fn judges(verdicts: &Verdicts) -> Vec<(String, Vec<String>)> {
    let mut out: Vec<(String, Vec<String>)> = verdicts
        .names()
        .map(|it| (it.to_owned(), vec![it.to_owned()]))
        .collect();
    let others: Vec<String> = verdicts
        .names()
        .filter(|it| *it != OWN)
        .map(str::to_owned)
        .collect();
    if !others.is_empty() {
        out.push(("outside".to_owned(), others));
    }
    out
}

struct Seen<'a> {
    case: &'a Case,
    after: &'a str,
    change: Change,
    /// Tests before and after, where there are some and they passed before.
    kept: Option<bool>,
}

/// A case in the eyes of one or several judges: flagged by one is flagged, fixed is silent in all.
fn look<'a>(
    case: &'a Case,
    after: &'a str,
    members: &[String],
    verdicts: &Verdicts,
    trials: &Trials,
) -> Option<Seen<'a>> {
    let language: Language = language_of(case)?;
    let mut all: Option<Change> = None;
    for judge in members {
        if !verdicts.knows(judge, language) {
            continue;
        }
        let before = verdicts.of(judge, language, &case.code)?;
        let now = verdicts.of(judge, language, after)?;
        let one = change(case, judge, before, now);
        let sum = all.get_or_insert_with(Change::default);
        sum.flagged |= one.flagged;
        sum.still |= one.still;
        sum.more |= one.more;
    }
    let passed = |text: &str| {
        case.tests.as_ref()?;
        let trial = trials.get(&trial_key(case, text))?;
        Some(*trial == Trial::Passed)
    };
    let kept = match passed(&case.code) {
        Some(true) => passed(after),
        _ => None,
    };
    Some(Seen {
        case,
        after,
        change: all?,
        kept,
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[expect(clippy::cast_precision_loss, reason = "counts of cases are small")]
fn row(seen: &[Seen<'_>]) -> Row {
    let count = |wanted: &dyn Fn(&Seen<'_>) -> bool| seen.iter().filter(|it| wanted(it)).count();
    let cases = seen.len();
    let flagged = count(&|it| it.change.flagged);
    let fixed = count(&|it| it.change.flagged && !it.change.still);
    let clean = cases - flagged;
    let introduced = count(&|it| !it.change.flagged && it.change.more);
    let mut cwes: BTreeMap<u32, CweRow> = BTreeMap::new();
    for it in seen.iter().filter(|it| it.change.flagged) {
        let number = crate::detect::cwe_number(it.case).unwrap_or(0);
        let row = cwes.entry(number).or_insert_with(|| CweRow {
            cwe: it.case.cwe.clone().unwrap_or_else(|| "none".to_owned()),
            ..CweRow::default()
        });
        row.flagged += 1;
        row.fixed += usize::from(!it.change.still);
    }
    let cwes: Vec<CweRow> = cwes.into_values().collect();
    let rates: Vec<f64> = cwes
        .iter()
        .filter_map(|it| share(it.fixed, it.flagged))
        .collect();
    let changed: Vec<(usize, f64)> = seen
        .iter()
        .filter(|it| it.after != it.case.code)
        .map(|it| distance(&it.case.code, it.after))
        .collect();
    let mean = |sum: f64, number: usize| (number > 0).then(|| sum / number as f64);
    let tested = count(&|it| it.kept.is_some());
    let kept = count(&|it| it.kept == Some(true));
    Row {
        mode: String::new(),
        variant: Variant::Proven,
        judge: String::new(),
        lang: String::new(),
        cases,
        flagged,
        fixed,
        clean,
        introduced,
        added: count(&|it| it.change.flagged && it.change.more),
        fix_rate: share(fixed, flagged),
        intro_rate: share(introduced, clean),
        intro_bound: (introduced == 0 && clean > 0)
            .then(|| 1.0 - 0.05_f64.powf(1.0 / clean as f64)),
        no_change_rate: share(cases - fixed - introduced, cases),
        macro_fix_rate: mean(rates.iter().sum(), rates.len()),
        cwes,
        identical: cases - changed.len(),
        edited_lines: mean(changed.iter().map(|it| it.0 as f64).sum(), changed.len()),
        likeness: mean(changed.iter().map(|it| it.1).sum(), changed.len()),
        tested,
        kept,
        secure: count(&|it| it.kept.is_some() && secure(it)),
        secure_pass: count(&|it| it.kept == Some(true) && secure(it)),
    }
}

/// Whether a judge has nothing to say about the case's weakness afterwards, and nothing new.
fn secure(it: &Seen<'_>) -> bool {
    if it.change.flagged {
        !it.change.still
    } else {
        !it.change.more
    }
}

/// Lines added and removed, and likeness.
fn distance(before: &str, after: &str) -> (usize, f64) {
    let lines = TextDiff::from_lines(before, after);
    let edited = lines
        .iter_all_changes()
        .filter(|it| it.tag() != ChangeTag::Equal)
        .count();
    let likeness = TextDiff::from_chars(before, after).ratio();
    (edited, f64::from(likeness))
}

fn effort(mode: &str, of_mode: &[(&Case, &Attempt)]) -> Effort {
    let mut out = Effort {
        mode: mode.to_owned(),
        cases: of_mode.len(),
        ..Effort::default()
    };
    for (_, attempt) in of_mode {
        out.calls += attempt.calls;
        out.asked_tokens += attempt.asked_tokens;
        out.answered_tokens += attempt.answered_tokens;
        out.seconds += f64::from(attempt.seconds);
        if attempt.calls > 0 {
            out.each.push(attempt.seconds);
        }
        for step in &attempt.steps {
            match step.how {
                How::Revised if step.by == "template" => out.by_template += 1,
                How::Revised => out.by_model += 1,
                How::Unchanged => out.unchanged += 1,
                How::Refused => out.refused += 1,
                How::Nothing => out.nothing += 1,
                How::Failed => out.failed += 1,
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revise::verdict::Firing;

    fn case(id: &str, cwe: &str, code: &str) -> Case {
        let text = format!(
            r#"{{"id": "{id}", "suite": "s", "lang": "python", "cwe": "{cwe}", "code": "{code}"}}"#
        );
        serde_json::from_str(&text).expect("a case")
    }

    fn attempt(id: &str, after: &str) -> Attempt {
        Attempt {
            key: String::new(),
            case: id.to_owned(),
            mode: "m".to_owned(),
            after: after.to_owned(),
            believed: None,
            steps: Vec::new(),
            calls: 0,
            asked_tokens: 0,
            answered_tokens: 0,
            seconds: 0.0,
        }
    }

    /// LLMSecEval-C's row of METHODS.md §1.8: 40 samples, 15 flagged, 11 fixed, none new.
    #[test]
    fn the_rates_are_those_of_the_paper() {
        let fire = |rule: &str| {
            vec![Firing {
                rule: rule.to_owned(),
                line: 1,
                cwe: vec![78],
            }]
        };
        let (mut cases, mut attempts) = (Vec::new(), Vec::new());
        let mut verdicts = Verdicts::default();
        verdicts.judge("j", &[Language::Python]);
        for number in 0..40 {
            let (id, code) = (format!("c{number}"), format!("x = {number}"));
            let after = format!("y = {number}");
            let before = if number < 15 { fire("bad") } else { Vec::new() };
            let later = if (11..15).contains(&number) {
                fire("bad")
            } else {
                Vec::new()
            };
            verdicts.say("j", Language::Python, &code, before);
            verdicts.say("j", Language::Python, &after, later);
            cases.push(case(&id, "CWE-78", &code));
            attempts.push(attempt(&id, &after));
        }
        let measures = measure(&cases, &attempts, &verdicts, &Trials::new());
        let row = measures.rows.iter().find(|it| it.judge == "j");
        let row = row.expect("the judge's row");
        let percent = |it: Option<f64>| it.map(|it| (it * 1000.0).round() / 10.0);
        assert_eq!((row.flagged, row.fixed, row.clean), (15, 11, 25));
        assert_eq!(percent(row.fix_rate), Some(73.3));
        assert_eq!(percent(row.no_change_rate), Some(72.5));
        assert_eq!(row.intro_rate, Some(0.0));
        assert_eq!(row.identical, 0);
    }

    #[test]
    fn nothing_clean_means_no_intro_rate() {
        let mut verdicts = Verdicts::default();
        verdicts.judge("j", &[Language::Python]);
        let fired = vec![Firing {
            rule: "r".to_owned(),
            line: 1,
            cwe: vec![78],
        }];
        verdicts.say("j", Language::Python, "x = 1", fired);
        let cases = [case("a", "CWE-78", "x = 1")];
        let measures = measure(&cases, &[attempt("a", "x = 1")], &verdicts, &Trials::new());
        assert_eq!(measures.rows[0].intro_rate, None);
        assert_eq!(measures.rows[0].identical, 1);
    }
}
