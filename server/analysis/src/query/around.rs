//! Predicates of a query about the text around a match: of its function, of what stands before or
//! behind, of a statement that it stands in. It knows text and captures; what they mean is the
//! entries' business.

use std::sync::{Mutex, PoisonError};

use kb_schema::{Shape, fill_expression as filled, open_expression as open};
use rustc_hash::FxHashMap;
use syntax::NodeNames;
use tree_sitter::{Node, Query, QueryMatch, QueryPredicate, QueryPredicateArg};

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

/// Whether a predicate is one of these; otherwise why not, where it means to be.
pub(super) fn is_known(query: &Query, predicate: &QueryPredicate) -> Result<bool, String> {
    let Some(asked) = asked(predicate) else {
        return Ok(false);
    };
    let names = query.capture_names();
    match asked.shape {
        Form::Plain(shape) => shape.check().map(|()| true),
        Form::Open(shape) => {
            let of = |name: &str| names.contains(&name).then(|| "x".into());
            Shape::new(&filled(&shape, of)).check().map(|()| true)
        }
    }
}

/// A match whose surroundings are looked at.
pub(super) struct Match<'m, 'c, 't> {
    pub(super) query: &'m Query,
    pub(super) found: &'m QueryMatch<'c, 't>,
    /// The function.
    pub(super) root: Node<'t>,
    pub(super) text: &'m str,
    /// The capture that is reported.
    pub(super) finding: u32,
}

/// What a query asks of the text around its matches, by pattern.
pub(super) struct Around {
    asked: Vec<Vec<Asked>>,
    kept: Mutex<FxHashMap<String, Shape>>,
}

impl Around {
    pub(super) fn new(query: &Query) -> Self {
        let of = |pattern| {
            let predicates = query.general_predicates(pattern).iter();
            let mut all: Vec<Asked> = predicates.filter_map(asked).collect();
            // What needs no compiling comes first.
            all.sort_by_key(|it| matches!(it.shape, Form::Open(_)));
            all
        };
        Self {
            asked: (0..query.pattern_count()).map(of).collect(),
            kept: Mutex::default(),
        }
    }

    /// Whether a function's text lets any match hold: far cheaper to ask than the query is to run.
    pub(super) fn may_hold(&self, text: &str) -> bool {
        self.asked.iter().any(|all| {
            let mut wholes = all.iter().filter_map(|it| it.whole.as_ref());
            wholes.all(|it| !it.compiles() || it.is_match(text))
        })
    }

    /// Whether all that is asked of a match's surroundings holds.
    pub(super) fn hold(&self, at: &Match<'_, '_, '_>) -> bool {
        let asked = self.asked.get(at.found.pattern_index);
        asked.is_none_or(|all| all.iter().all(|it| self.holds(it, at) == it.wanted))
    }

    fn holds(&self, asked: &Asked, at: &Match<'_, '_, '_>) -> bool {
        let shape = match &asked.shape {
            Form::Plain(shape) => shape.clone(),
            Form::Open(shape) => self.closed(shape, at),
        };
        let node = |capture| at.found.nodes_for_capture_index(capture).next();
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
    fn closed(&self, shape: &str, at: &Match<'_, '_, '_>) -> Shape {
        let names = at.query.capture_names();
        let text = filled(shape, |name| {
            let capture = names.iter().position(|it| *it == name)?;
            let mut nodes = at
                .found
                .nodes_for_capture_index(u32::try_from(capture).ok()?);
            // What this match did not capture stands nowhere.
            let text = nodes.next().and_then(|it| at.text.get(it.byte_range()));
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
