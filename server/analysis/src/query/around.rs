//! Predicates of a query about the text around a match: of its function, of what stands before or
//! behind, of a statement that it stands in. It knows text and captures; what they mean is the
//! entries' business.

use kb_schema::Shape;
use syntax::NodeNames;
use tree_sitter::{Node, Query, QueryMatch, QueryPredicate, QueryPredicateArg};

/// Which text must fit.
enum Where<'a> {
    /// All of the function.
    Around,
    /// The function up to what is reported.
    Before,
    /// The function behind what is reported.
    After,
    /// One of the statements of these kinds that what is reported stands in.
    Inside(&'a str),
    /// A capture's own text.
    Within(u32),
}

/// What such a predicate asks.
struct Asked<'a> {
    place: Where<'a>,
    /// The expression, in which `{name}` stands for a capture's text.
    shape: &'a str,
    wanted: bool,
}

fn asked(predicate: &QueryPredicate) -> Option<Asked<'_>> {
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
        ) => (Where::Inside(kinds), shape),
        (
            "within",
            [
                QueryPredicateArg::Capture(capture),
                QueryPredicateArg::String(shape),
            ],
        ) => (Where::Within(*capture), shape),
        _ => return None,
    };
    Some(Asked {
        place,
        shape,
        wanted,
    })
}

/// Fits no text.
const NOTHING: &str = r"[^\s\S]";

/// Whether a predicate is one of these; otherwise why not, where it means to be.
pub(super) fn is_known(query: &Query, predicate: &QueryPredicate) -> Result<bool, String> {
    let Some(asked) = asked(predicate) else {
        return Ok(false);
    };
    let names = query.capture_names();
    let one = filled(asked.shape, |name| {
        names.contains(&name).then(|| "x".into())
    });
    Shape::new(&one).check().map(|()| true)
}

/// Whether the predicates of a match hold in the function that `root` is.
pub(super) fn hold(
    query: &Query,
    found: &QueryMatch<'_, '_>,
    root: Node<'_>,
    text: &str,
    finding: u32,
) -> bool {
    let predicates = query.general_predicates(found.pattern_index).iter();
    let node = |capture| found.nodes_for_capture_index(capture).next();
    predicates.filter_map(asked).all(|asked| {
        let names = query.capture_names();
        let shape = Shape::new(&filled(asked.shape, |name| {
            let at = names.iter().position(|it| *it == name)?;
            let node = node(u32::try_from(at).ok()?);
            // What this match did not capture stands nowhere.
            let text = node.and_then(|it| text.get(it.byte_range()));
            Some(text.map_or_else(|| NOTHING.into(), escaped))
        }));
        let fits = |from: usize, to: usize| shape.is_match(text.get(from..to).unwrap_or(""));
        let all = root.byte_range();
        let own = node(finding).map_or(all.clone(), |it| it.byte_range());
        let holds = match asked.place {
            Where::Around => fits(all.start, all.end),
            Where::Before => fits(all.start, own.start),
            Where::After => fits(own.end, all.end),
            Where::Within(capture) => {
                node(capture).is_some_and(|it| fits(it.start_byte(), it.end_byte()))
            }
            Where::Inside(kinds) => {
                let mut above = node(finding).and_then(|it| it.parent());
                let mut any = false;
                while let Some(it) = above.filter(|it| !any && it.id() != root.id()) {
                    any = kinds.split(' ').any(|kind| kind == it.kind_name())
                        && fits(it.start_byte(), it.end_byte());
                    above = it.parent();
                }
                any
            }
        };
        holds == asked.wanted
    })
}

/// An expression with the texts of captures in the place of their names.
fn filled(shape: &str, of: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = shape;
    while let Some((before, behind)) = rest.split_once('{') {
        out.push_str(before);
        let named = behind.split_once('}');
        match named.and_then(|(name, after)| Some((of(name)?, after))) {
            Some((text, after)) => {
                out.push_str(&text);
                rest = after;
            }
            None => {
                out.push('{');
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out
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
