//! Options of a command line of which argparse makes numbers and flags, or which it takes from a
//! list only: no text of whoever types is left in them.

use std::sync::Arc;

use super::Eval;
use super::call::CallFact;
use crate::value::{Data, Entry, Kind, Value};

/// What is known of an option's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    /// A number.
    Number,
    /// A flag, or a word of the program's own list.
    Own,
    /// Any text.
    Text,
}

/// A parser, by its resolved name.
const PARSER: &str = "argparse.ArgumentParser()";

/// The most options of a parser that are kept: more than people write.
const MAX_OPTIONS: usize = 100;

impl<'a> Eval<'a> {
    /// Notes what `parser.add_argument("--lines", type=int)` says.
    pub(super) fn note_option(&mut self, call: &CallFact<'a>) {
        if !call.path.ends_with(".add_argument") || self.options.len() >= MAX_OPTIONS {
            return;
        }
        let Some(name) = name_of(call) else {
            return;
        };
        let holds = held(call);
        match self.options.iter_mut().find(|(known, _)| *known == name) {
            // Two commands may each have one of the name.
            Some((_, known)) if *known != holds => *known = Holds::Text,
            Some(_) => {}
            None => self.options.push((name, holds)),
        }
    }

    /// What `parser.parse_args()` gives, its options known one by one.
    pub(super) fn with_options(&self, call: &CallFact<'a>, value: Value) -> Value {
        let name = kb_schema::last_segment(&call.path);
        if !matches!(name, "parse_args" | "parse_known_args") {
            return value;
        }
        let told = call.receiver.iter().flat_map(|(_, it)| it.entries.iter());
        let mut known = self.known_options();
        known.extend(told.flat_map(|it| it.iter()).cloned());
        if known.is_empty() {
            return value;
        }
        for (_, held) in &mut known {
            if held.kind == Kind::Number {
                *held = Value::amount([&value]);
            }
        }
        value.with(|data| data.entries = Some(known.into()))
    }

    /// A parser that is given back, with what it was told.
    pub(super) fn parser_given_back(&self, value: Value) -> Value {
        if self.options.is_empty() || value.path.as_deref() != Some(PARSER) {
            return value;
        }
        let known = self.known_options();
        value.with(|data| data.entries = Some(known.into()))
    }

    fn known_options(&self) -> Vec<Entry> {
        let known = self.options.iter().filter_map(|(name, holds)| {
            let held = match holds {
                Holds::Number => Value::number(),
                Holds::Own => Data::default().into(),
                Holds::Text => return None,
            };
            Some((name.clone(), held))
        });
        known.collect()
    }
}

/// What an attribute of the result of parsing is known to hold.
pub(super) fn option<'v>(parsed: &'v Value, name: &str) -> Option<&'v Value> {
    let path = parsed.path.as_deref()?;
    if !path.ends_with("parse_args()") && !path.ends_with("parse_known_args()[]") {
        return None;
    }
    let mut known = parsed.entries.as_ref()?.iter();
    let (_, held) = known.find(|(known, _)| **known == *name)?;
    Some(held)
}

/// The attribute that an option becomes.
fn name_of(call: &CallFact<'_>) -> Option<Arc<str>> {
    if let Some(dest) = call.keyword("dest") {
        return dest.value.as_str().cloned();
    }
    let names = call.args.iter().filter(|it| it.name.is_none());
    let names: Vec<&Arc<str>> = names.filter_map(|it| it.value.as_str()).collect();
    let long = names.iter().find(|it| it.starts_with("--"));
    let name = long.or_else(|| names.first())?;
    Some(name.trim_start_matches('-').replace('-', "_").into())
}

fn held(call: &CallFact<'_>) -> Holds {
    let action = call.keyword("action").and_then(|it| it.value.as_str());
    if matches!(
        action.map(|it| &**it),
        Some("store_true" | "store_false" | "count" | "store_const")
    ) || call.keyword("choices").is_some()
    {
        return Holds::Own;
    }
    let made = call.keyword("type").and_then(|it| it.value.path.as_deref());
    match made {
        Some("int" | "float" | "decimal.Decimal" | "fractions.Fraction") => Holds::Number,
        _ => Holds::Text,
    }
}
