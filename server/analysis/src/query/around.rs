//! Predicates of a query about the text around a match: of its function, of what stands before or
//! behind, of a statement that it stands in. It knows text and captures; what they mean is the
//! entries' business.

use std::sync::{Mutex, PoisonError};

use kb_schema::{Shape, fill_expression as filled, open_expression as open};
use memchr::memmem;
use rustc_hash::FxHashMap;
use syntax::NodeNames;
use tree_sitter::{Node, QueryPredicate, QueryPredicateArg};

use super::is_word;
use super::matcher::Captured;

/// Which text must fit.
enum Where {
    /// All of the function.
    Around,
    /// The function up to what is reported.
    Before,
    /// The function behind what is reported.
    After,
    /// One of the statements of these kinds that what is reported stands in.
    Inside(Box<str>),
    /// A capture's own text.
    Within(u32),
}

/// What such a predicate asks.
struct Asked {
    place: Where,
    shape: Form,
    wanted: bool,
    /// What all of a function must look like for it to hold, captures left open.
    whole: Option<Shape>,
}

/// An expression.
enum Form {
    Plain(Shape),
    /// With `{name}` in the place of a capture's text.
    Open(Box<str>),
}

fn asked(predicate: &QueryPredicate) -> Option<Asked> {
    let name = predicate.operator.strip_suffix('?')?;
    let (wanted, name) = match name.strip_prefix("not-") {
        Some(name) => (false, name),
        None => (true, name),
    };
    let (place, shape) = match (name, &*predicate.args) {
        ("around", [QueryPredicateArg::String(shape)]) => (Where::Around, shape),
        ("before", [QueryPredicateArg::String(shape)]) => (Where::Before, shape),
        ("after", [QueryPredicateArg::String(shape)]) => (Where::After, shape),
        (
            "inside",
            [
                QueryPredicateArg::String(kinds),
                QueryPredicateArg::String(shape),
            ],
        ) => (Where::Inside(kinds.clone()), shape),
        (
            "within",
            [
                QueryPredicateArg::Capture(capture),
                QueryPredicateArg::String(shape),
            ],
        ) => (Where::Within(*capture), shape),
        _ => return None,
    };
    let form = match open(shape) == **shape {
        true => Form::Plain(Shape::new(shape)),
        false => Form::Open(shape.clone()),
    };
    let whole = (wanted && matches!(place, Where::Around)).then(|| match &form {
        Form::Plain(shape) => shape.clone(),
        Form::Open(_) => Shape::new(&open(shape)),
    });
    Some(Asked {
        place,
        shape: form,
        wanted,
        whole,
    })
}

/// Fits no text.
const NOTHING: &str = r"[^\s\S]";

/// The most expressions with captures filled in that a query keeps compiled.
const MAX_KEPT: usize = 16;

/// `(#times? @where @name "2")`: the word that `@name` is stands so often in the text of `@where`.
const TIMES: &str = "times?";

/// What `#times?` asks: where, for what and how often.
fn times(predicate: &QueryPredicate) -> Option<(u32, u32, usize)> {
    match &*predicate.args {
        [
            QueryPredicateArg::Capture(place),
            QueryPredicateArg::Capture(name),
            QueryPredicateArg::String(count),
        ] if &*predicate.operator == TIMES => Some((*place, *name, count.parse().ok()?)),
        _ => None,
    }
}

/// Why a predicate is none of these, where it is none.
pub(super) fn check(names: &[&str], predicate: &QueryPredicate) -> Result<(), String> {
    match asked(predicate).map(|it| it.shape) {
        Some(Form::Plain(shape)) => shape.check(),
        Some(Form::Open(shape)) => {
            let of = |name: &str| names.contains(&name).then(|| "x".into());
            Shape::new(&filled(&shape, of)).check()
        }
        None if &*predicate.operator != TIMES => {
            Err(format!("unknown predicate `#{}`", predicate.operator))
        }
        None => match times(predicate) {
            Some(_) => Ok(()),
            None => Err(format!(
                "`#{TIMES}` takes two captures and a number in quotes"
            )),
        },
    }
}

/// A match whose surroundings are looked at.
pub(super) struct Match<'m, 't> {
    pub(super) captured: &'m Captured<'t>,
    /// The function.
    pub(super) root: Node<'t>,
    pub(super) text: &'m str,
    /// The capture that is reported.
    pub(super) finding: u32,
}

impl<'t> Match<'_, 't> {
    fn node(&self, capture: u32) -> Option<Node<'t>> {
        *self.captured.get(capture as usize)?
    }

    fn text_of(&self, capture: u32) -> Option<&str> {
        self.text.get(self.node(capture)?.byte_range())
    }
}

/// What a query asks of the text of its matches and around them.
pub(super) struct Around {
    names: Vec<Box<str>>,
    asked: Vec<Asked>,
    counts: Vec<(u32, u32, usize)>,
    kept: Mutex<FxHashMap<String, Shape>>,
}

impl Around {
    pub(super) fn new(names: Vec<Box<str>>, predicates: &[QueryPredicate]) -> Self {
        let mut all: Vec<Asked> = predicates.iter().filter_map(asked).collect();
        // What needs no compiling comes first.
        all.sort_by_key(|it| matches!(it.shape, Form::Open(_)));
        Self {
            names,
            asked: all,
            counts: predicates.iter().filter_map(times).collect(),
            kept: Mutex::default(),
        }
    }

    /// Whether a function's text lets any match hold: far cheaper to ask than the query is to run.
    pub(super) fn may_hold(&self, text: &str) -> bool {
        let mut wholes = self.asked.iter().filter_map(|it| it.whole.as_ref());
        wholes.all(|it| !it.compiles() || it.is_match(text))
    }

    /// Whether all that is asked of a match holds.
    pub(super) fn hold(&self, at: &Match<'_, '_>) -> bool {
        let mut counts = self.counts.iter();
        counts.all(|it| counts_to(*it, at).unwrap_or(false))
            && self.asked.iter().all(|it| self.holds(it, at) == it.wanted)
    }

    fn holds(&self, asked: &Asked, at: &Match<'_, '_>) -> bool {
        let shape = match &asked.shape {
            Form::Plain(shape) => shape.clone(),
            Form::Open(shape) => self.closed(shape, at),
        };
        let node = |capture| at.node(capture);
        let fits = |from: usize, to: usize| shape.is_match(at.text.get(from..to).unwrap_or(""));
        let all = at.root.byte_range();
        let own = node(at.finding).map_or(all.clone(), |it| it.byte_range());
        match &asked.place {
            Where::Around => fits(all.start, all.end),
            Where::Before => fits(all.start, own.start),
            Where::After => fits(own.end, all.end),
            Where::Within(capture) => {
                node(*capture).is_some_and(|it| fits(it.start_byte(), it.end_byte()))
            }
            Where::Inside(kinds) => {
                let mut above = node(at.finding).and_then(|it| it.parent());
                let mut any = false;
                while let Some(it) = above.filter(|it| !any && it.id() != at.root.id()) {
                    any = kinds.split(' ').any(|kind| kind == it.kind_name())
                        && fits(it.start_byte(), it.end_byte());
                    above = it.parent();
                }
                any
            }
        }
    }

    /// An expression with a match's captures filled in. One name is often asked about many times.
    fn closed(&self, shape: &str, at: &Match<'_, '_>) -> Shape {
        let text = filled(shape, |name| {
            let capture = self.names.iter().position(|it| **it == *name)?;
            let text = at.text_of(u32::try_from(capture).ok()?);
            // What this match did not capture stands nowhere.
            Some(text.map_or_else(|| NOTHING.into(), escaped))
        });
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(&text) {
            return known.clone();
        }
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        let shape = Shape::new(&text);
        kept.insert(text, shape.clone());
        shape
    }
}

/// Whether the word that one capture is stands so often in another's text.
fn counts_to((place, name, count): (u32, u32, usize), at: &Match<'_, '_>) -> Option<bool> {
    let (place, name) = (at.text_of(place)?.as_bytes(), at.text_of(name)?.as_bytes());
    let found = memmem::find_iter(place, name);
    let words = found.filter(|at| is_word(place, *at, name.len()));
    Some(words.take(count + 1).count() == count)
}

/// Text as an expression that fits it, however it is spaced.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for part in text.chars() {
        match part {
            it if it.is_whitespace() => {
                if !out.ends_with("\\s*") {
                    out.push_str("\\s*");
                }
            }
            it if r"\.+*?()|[]{}^$#&-~".contains(it) => {
                out.push('\\');
                out.push(it);
            }
            it => out.push(it),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{escaped, filled};

    #[test]
    fn names_of_captures_are_filled_in_and_repetitions_stay() {
        let of = |name: &str| (name == "p").then(|| escaped("s->at [0]"));
        assert_eq!(
            filled(r"\b{p}\s{2,}={q}{1}", of),
            r"\bs\->at\s*\[0\]\s{2,}={q}{1}"
        );
    }
}
