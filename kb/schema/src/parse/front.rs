//! The TOML half of an entry, and the checks that need both halves.
//! Raw forms mirror the file; `build` turns them into the public types or says why not.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Reporter, body, line_of, toml_message};
use crate::body::Later;
use crate::discussion::RawDiscussion;
use crate::expressions;
use crate::{
    ArgKey, Entry, Event, ExampleKind, Fix, Guard, Language, Literal, NamePattern, On, Op, Pattern,
    Problem, Severity, Shape, Subject, Test, Use,
};

/// The fence around the front matter.
const FENCE: &str = "+++";
/// The longest message, so that it fits beside a line of code.
const MESSAGE_CHARS: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    id: String,
    title: String,
    message: String,
    cwe: Vec<u32>,
    language: Language,
    severity: Severity,
    #[serde(default)]
    markers: Vec<String>,
    #[serde(default)]
    apis: Vec<String>,
    #[serde(default)]
    pattern: Vec<RawPattern>,
    #[serde(default)]
    discussion: Vec<RawDiscussion>,
    #[serde(default)]
    fix: Vec<Fix>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPattern {
    on: On,
    message: Option<String>,
    severity: Option<Severity>,
    #[serde(default)]
    callee: Vec<String>,
    #[serde(default)]
    args: BTreeMap<String, RawTest>,
    receiver: Option<RawTest>,
    target: Option<String>,
    value: Option<RawTest>,
    other: Option<RawTest>,
    #[serde(default)]
    op: Vec<Op>,
    base: Option<RawTest>,
    index: Option<RawTest>,
    key: Option<RawTest>,
    unused: Option<bool>,
    logged: Option<bool>,
    handler: Option<bool>,
    function: Option<String>,
    not_function: Option<String>,
    body: Option<String>,
    not_body: Option<String>,
    #[serde(default)]
    sanitizers: Vec<String>,
    #[serde(default)]
    guards: Vec<String>,
    at: Option<String>,
    start: Option<RawEvent>,
    end: Option<RawEvent>,
    #[serde(default)]
    cancel: Vec<RawEvent>,
    query: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEvent {
    #[serde(default)]
    call: Vec<String>,
    value: Option<String>,
    #[serde(default)]
    args: BTreeMap<String, RawTest>,
    r#use: Option<Use>,
}

/// A constant is told by the type of its value.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawLiteral {
    Bool(bool),
    Int(i64),
    Text(String),
}

impl From<RawLiteral> for Literal {
    fn from(raw: RawLiteral) -> Self {
        match raw {
            RawLiteral::Bool(value) => Self::Bool(value),
            RawLiteral::Int(value) => Self::Int(value),
            RawLiteral::Text(value) => Self::Text(value),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawTest {
    absent: Option<bool>,
    r#const: Vec<RawLiteral>,
    not_const: Vec<RawLiteral>,
    dynamic: Option<bool>,
    built: Option<bool>,
    tainted: Vec<String>,
    amount: Vec<String>,
    names: Vec<String>,
    text: Option<String>,
    not_text: Option<String>,
    named: Option<String>,
    not_named: Option<String>,
    kind: Option<String>,
    element: Option<Box<RawTest>>,
    part: Option<Box<RawTest>>,
    given: BTreeMap<String, RawTest>,
    entry: BTreeMap<String, RawTest>,
    wraps: Option<bool>,
    factors: Option<u8>,
    signed: Option<bool>,
    minus: Option<bool>,
    past: Option<bool>,
    past_bound: Option<bool>,
    past_loop: Option<bool>,
    overrun: Option<bool>,
    tallied: Option<bool>,
    claimed: Option<bool>,
    stepped: Option<bool>,
    past_count: Option<String>,
    unmeasured: Option<String>,
    checked: Vec<String>,
    local: Option<bool>,
    fits: Option<String>,
    exceeds: Option<String>,
    smaller: Option<String>,
    shorter: Option<u64>,
    too_wide: Option<String>,
    sizeof_pointer: Option<bool>,
    same_as: Option<String>,
    any: Vec<RawTest>,
    not: Option<Box<RawTest>>,
}

const KINDS: [&str; 11] = [
    "string",
    "bytes",
    "number",
    "bool",
    "none",
    "list",
    "dict",
    "array",
    "array-start",
    "pointer",
    "function",
];

/// Reads an entry.
pub(super) fn parse(path: &str, text: &str) -> Result<Entry, Vec<Problem>> {
    let mut report = Reporter::new(path, text);
    let Some((front, body_start)) = split(text) else {
        report.at_line(
            1,
            "an entry begins with front matter between two lines `+++`",
        );
        return Err(report.problems);
    };
    let raw: RawEntry = match toml::from_str(front) {
        Ok(raw) => raw,
        Err(error) => {
            let byte = error.span().map_or(0, |span| span.start) + FENCE.len() + 1;
            report.at_byte(byte, toml_message(&error));
            return Err(report.problems);
        }
    };
    let body = body::parse(
        &text[body_start..],
        line_of(text, body_start),
        raw.language,
        !raw.pattern.is_empty(),
        &mut report,
    );
    check_head(path, &raw, &mut report);
    let mut patterns = Vec::new();
    for pattern in raw.pattern {
        match build_pattern(pattern) {
            Ok(pattern) => {
                for shape in pattern.shapes() {
                    if let Err(message) = shape.check() {
                        report.at_word(shape.as_str(), message);
                    }
                }
                patterns.push(pattern);
            }
            Err((word, message)) => report.at_word(&word, message),
        }
    }
    let mut discussions = Vec::new();
    for discussion in raw.discussion {
        let word = discussion
            .slug
            .clone()
            .or_else(|| discussion.url.clone())
            .unwrap_or_default();
        match discussion.build() {
            Ok(discussion) => discussions.push(discussion),
            Err(message) => report.at_word(
                if word.is_empty() {
                    "[[discussion]]"
                } else {
                    &word
                },
                message,
            ),
        }
    }
    check_fixes(&raw.fix, patterns.len(), &mut report);
    if body.why.is_empty() {
        report.at_byte(body_start, "the section `## Why` is missing or empty");
    }
    if body.guideline.is_empty() {
        report.at_byte(body_start, "the section `## Guideline` is missing or empty");
    }
    let count = |kind| {
        body.examples
            .iter()
            .filter(|example| example.kind == kind)
            .count()
    };
    if count(ExampleKind::Vulnerable) < 1 {
        report.at_byte(body_start, "at least one vulnerable example is needed");
    }
    if count(ExampleKind::Secure) < 2 {
        report.at_byte(body_start, "at least two secure examples are needed");
    }
    if !report.problems.is_empty() {
        return Err(report.problems);
    }
    Ok(Entry {
        id: raw.id,
        title: raw.title,
        message: raw.message,
        cwe: raw.cwe,
        language: raw.language,
        severity: raw.severity,
        markers: raw.markers,
        apis: raw.apis,
        patterns,
        discussions,
        fixes: raw.fix,
        body: Later::new(|| body),
        path: path.to_owned(),
        bundled: false,
    })
}

/// The front matter's text and where the body begins.
fn split(text: &str) -> Option<(&str, usize)> {
    let rest = text
        .strip_prefix("+++\n")
        .or_else(|| text.strip_prefix("+++\r\n"))?;
    let start = text.len() - rest.len();
    let mut at = start;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == FENCE {
            return Some((&text[start..at], at + line.len()));
        }
        at += line.len();
    }
    None
}

fn check_head(path: &str, raw: &RawEntry, report: &mut Reporter<'_>) {
    let prefix = format!("{}/", raw.language.prefix());
    match raw.id.strip_prefix(&prefix) {
        Some(name) if is_kebab(name) => {
            let stem = path
                .rsplit(['/', '\\'])
                .next()
                .unwrap_or(path)
                .trim_end_matches(".md");
            if stem != name {
                report.at_word(
                    &raw.id,
                    format!("id `{}` belongs into a file `{name}.md`", raw.id),
                );
            }
        }
        _ => report.at_word(
            &raw.id,
            format!(
                "id `{}` must be `{prefix}` and lower-case words joined by `-`",
                raw.id
            ),
        ),
    }
    for remedy in ["use-", "avoid-", "no-", "do-not-", "prefer-"] {
        if raw
            .id
            .split('/')
            .nth(1)
            .is_some_and(|name| name.starts_with(remedy))
        {
            report.at_word(&raw.id, "an id names the bad pattern, never the remedy");
        }
    }
    if raw.message.chars().count() > MESSAGE_CHARS || raw.message.trim().is_empty() {
        report.at_word(
            "message",
            format!("`message` must be one sentence of at most {MESSAGE_CHARS} characters"),
        );
    }
    if raw.title.trim().is_empty() {
        report.at_word("title", "`title` is empty");
    }
    if raw.cwe.is_empty() {
        report.at_word("cwe", "`cwe` needs at least one number");
    }
}

fn is_kebab(name: &str) -> bool {
    !name.is_empty()
        && name.split('-').all(|word| {
            !word.is_empty()
                && word
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
}

fn check_fixes(fixes: &[Fix], patterns: usize, report: &mut Reporter<'_>) {
    for fix in fixes {
        if fix.title.is_empty() || fix.applicability.is_none() {
            report.at_word(
                "[[fix]]",
                "a fix needs `title` and `applicability` (safe or review)",
            );
        }
        if fix
            .patterns
            .iter()
            .any(|&number| number == 0 || number > patterns)
        {
            report.at_word("[[fix]]", format!("`patterns` counts from 1 to {patterns}"));
        }
        let does_nothing = fix.replace.is_none()
            && fix.rename.is_none()
            && fix.callee.is_none()
            && fix.parameterize.is_none()
            && fix.escape.is_none()
            && fix.swap.is_empty()
            && fix.compare.is_none()
            && fix.raise.is_none()
            && !fix.scan_width
            && !fix.null_check
            && fix.set.is_empty()
            && fix.remove.is_empty()
            && fix.insert.is_empty();
        if does_nothing {
            report.at_word("[[fix]]", "a fix needs at least one of replace, rename, callee, set, remove, insert, parameterize, escape, swap, compare, raise, scan_width, null_check");
        }
        for old in fix.swap.keys() {
            if let Err(error) = regex_syntax::parse(old) {
                report.at_word(old, format!("`swap`: {error}"));
            }
        }
        let keys = fix.set.keys().chain(&fix.remove).chain(fix.insert.keys());
        for key in keys {
            if let Err(message) = ArgKey::parse(key) {
                report.at_word(key, message);
            }
        }
    }
}

/// What went wrong and the word near which it stands.
type Trouble = (String, String);

fn near<T>(word: &str, result: Result<T, String>) -> Result<T, Trouble> {
    result.map_err(|message| (word.to_owned(), message))
}

fn names(raw: &[String]) -> Result<Vec<NamePattern>, Trouble> {
    raw.iter()
        .map(|name| near(name, NamePattern::parse(name)))
        .collect()
}

fn maybe_regex(raw: Option<&String>) -> Option<Shape> {
    raw.map(|source| Shape::new(source))
}

fn tests(raw: BTreeMap<String, RawTest>) -> Result<BTreeMap<ArgKey, Test>, Trouble> {
    raw.into_iter()
        .map(|(key, test)| Ok((near(&key, ArgKey::parse(&key))?, build_test(test)?)))
        .collect()
}

fn maybe_test(raw: Option<RawTest>) -> Result<Option<Test>, Trouble> {
    raw.map(build_test).transpose()
}

fn build_test(raw: RawTest) -> Result<Test, Trouble> {
    if let Some(kind) = &raw.kind
        && !KINDS.contains(&kind.as_str())
    {
        return Err((
            kind.clone(),
            format!("unknown kind `{kind}`; known are {}", KINDS.join(", ")),
        ));
    }
    let key = |text: Option<String>| {
        text.map(|text| near(&text, ArgKey::parse(&text)))
            .transpose()
    };
    Ok(Test {
        absent: raw.absent,
        constant: raw.r#const.into_iter().map(Into::into).collect(),
        not_const: raw.not_const.into_iter().map(Into::into).collect(),
        dynamic: raw.dynamic,
        built: raw.built,
        tainted: raw.tainted,
        amount: raw.amount,
        names: names(&raw.names)?,
        text: maybe_regex(raw.text.as_ref()),
        not_text: maybe_regex(raw.not_text.as_ref()),
        named: maybe_regex(raw.named.as_ref()),
        not_named: maybe_regex(raw.not_named.as_ref()),
        kind: raw.kind,
        element: raw
            .element
            .map(|test| build_test(*test).map(Box::new))
            .transpose()?,
        part: raw
            .part
            .map(|test| build_test(*test).map(Box::new))
            .transpose()?,
        given: tests(raw.given)?,
        entry: raw
            .entry
            .into_iter()
            .map(|(key, test)| Ok((key, build_test(test)?)))
            .collect::<Result<_, Trouble>>()?,
        wraps: raw.wraps,
        factors: raw.factors,
        signed: raw.signed,
        minus: raw.minus,
        past: raw.past,
        past_bound: raw.past_bound,
        past_loop: raw.past_loop,
        overrun: raw.overrun,
        tallied: raw.tallied,
        claimed: raw.claimed,
        stepped: raw.stepped,
        past_count: maybe_regex(raw.past_count.as_ref()),
        unmeasured: maybe_regex(raw.unmeasured.as_ref()),
        checked: raw
            .checked
            .iter()
            .map(|guard| near(guard, Guard::parse(guard)))
            .collect::<Result<_, _>>()?,
        local: raw.local,
        fits: key(raw.fits)?,
        exceeds: key(raw.exceeds)?,
        smaller: key(raw.smaller)?,
        shorter: raw.shorter,
        too_wide: key(raw.too_wide)?,
        sizeof_pointer: raw.sizeof_pointer,
        same_as: key(raw.same_as)?,
        any: raw
            .any
            .into_iter()
            .map(build_test)
            .collect::<Result<_, _>>()?,
        not: raw
            .not
            .map(|test| build_test(*test).map(Box::new))
            .transpose()?,
    })
}

fn build_event(raw: RawEvent) -> Result<Event, Trouble> {
    match (raw.call.is_empty(), raw.r#use) {
        (false, None) => {
            let subject = match raw.value.as_deref() {
                None | Some("result") => Subject::Result,
                Some("receiver") => Subject::Receiver,
                Some(key) => Subject::Argument(near(key, ArgKey::parse(key))?),
            };
            Ok(Event::Call {
                callee: names(&raw.call)?,
                subject,
                args: tests(raw.args)?,
            })
        }
        (true, Some(kind)) => Ok(Event::Use(kind)),
        _ => Err((
            "[[pattern]]".into(),
            "an event needs either `call` or `use`".into(),
        )),
    }
}

fn build_pattern(raw: RawPattern) -> Result<Pattern, Trouble> {
    let needs = |present: bool, what: &str| {
        if present {
            Ok(())
        } else {
            Err((
                "[[pattern]]".to_owned(),
                format!("a pattern of this kind needs {what}"),
            ))
        }
    };
    match raw.on {
        On::Call | On::Mention | On::Ignored => needs(!raw.callee.is_empty(), "`callee`")?,
        On::Assign => needs(
            (raw.target.is_some() && raw.value.is_some()) || raw.key.is_some(),
            "`target` and `value`, or `key`",
        )?,
        On::Index => needs(raw.index.is_some(), "`index`")?,
        On::Return | On::Compare | On::Divide | On::Assert => {
            needs(raw.value.is_some(), "`value`")?;
        }
        On::Events => needs(
            raw.start.is_some() && raw.end.is_some(),
            "`start` and `end`",
        )?,
        On::Query => needs(raw.query.is_some(), "`query`")?,
    }
    if let Some(message) = &raw.message
        && message.chars().count() > MESSAGE_CHARS
    {
        return Err((
            message.clone(),
            format!("`message` may have at most {MESSAGE_CHARS} characters"),
        ));
    }
    Ok(Pattern {
        on: raw.on,
        message: raw.message,
        severity: raw.severity,
        callee: names(&raw.callee)?,
        args: tests(raw.args)?,
        receiver: maybe_test(raw.receiver)?,
        target: maybe_regex(raw.target.as_ref()),
        value: maybe_test(raw.value)?,
        other: maybe_test(raw.other)?,
        base: maybe_test(raw.base)?,
        index: maybe_test(raw.index)?,
        key: maybe_test(raw.key)?,
        op: raw.op,
        unused: raw.unused,
        logged: raw.logged,
        handler: raw.handler,
        function: maybe_regex(raw.function.as_ref()),
        not_function: maybe_regex(raw.not_function.as_ref()),
        body: maybe_regex(raw.body.as_ref()),
        not_body: maybe_regex(raw.not_body.as_ref()),
        guards: raw
            .guards
            .iter()
            .map(|guard| near(guard, Guard::parse(guard)))
            .collect::<Result<_, _>>()?,
        sanitizers: raw.sanitizers,
        at: raw
            .at
            .map(|key| near(&key, ArgKey::parse(&key)))
            .transpose()?,
        start: raw.start.map(build_event).transpose()?,
        end: raw.end.map(build_event).transpose()?,
        cancel: raw
            .cancel
            .into_iter()
            .map(build_event)
            .collect::<Result<_, _>>()?,
        expressions: raw.query.as_deref().map_or_else(Vec::new, expressions::of),
        query: raw.query,
    })
}
