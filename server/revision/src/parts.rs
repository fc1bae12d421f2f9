//! Parts of an answer: where the whole is refused, its good half may pass alone, such as a check that
//! comes before lines which the model had no reason to write anew. What a part is worth is the gate's
//! business; this knows lines and statements, no weakness.

use syntax::{Language, Node, NodeNames};

use crate::gate::{self, Hunk};

/// More changes than this are no revision of one place.
const MOST_CHANGES: usize = 4;

/// How many parts of an answer are tried.
const MOST_PARTS: usize = 8;

/// What becomes of one change; the cheaper ones are nearer to the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Take {
    /// As the model wrote it.
    All,
    /// The checks that it begins with, and the old lines behind them. Bytes of the new text.
    Checks(usize),
    /// The old lines.
    Nothing,
}

/// What stands between the code that was and the code that a model wrote: some of its changes, or
/// only the checks that they begin with; what is nearest to the answer comes first.
pub(crate) fn parts(language: Language, old: &str, new: &str) -> Vec<String> {
    let hunks = gate::hunks(old, new);
    if hunks.is_empty() || hunks.len() > MOST_CHANGES {
        return Vec::new();
    }
    let tree = syntax::parse(language, new);
    let mut ways: Vec<(usize, Vec<Take>)> = vec![(0, Vec::new())];
    for hunk in &hunks {
        let checks = checks(tree.root_node(), new, hunk);
        let takes = [
            Some((0, Take::All)),
            checks.map(|end| (1, Take::Checks(end))),
            Some((2, Take::Nothing)),
        ];
        ways = ways
            .iter()
            .flat_map(|(cost, way)| {
                takes.into_iter().flatten().map(move |(more, take)| {
                    let mut way = way.clone();
                    way.push(take);
                    (cost + more, way)
                })
            })
            .collect();
    }
    // The answer itself was refused, and nothing at all is no part of it.
    ways.retain(|(_, way)| {
        way.iter().any(|it| *it != Take::All) && way.iter().any(|it| *it != Take::Nothing)
    });
    ways.sort_by_key(|it| it.0);
    let parts = ways.iter().take(MOST_PARTS);
    parts.map(|(_, way)| put(old, new, &hunks, way)).collect()
}

/// The old text with what is taken of each change.
fn put(old: &str, new: &str, hunks: &[Hunk], way: &[Take]) -> String {
    let mut out = String::with_capacity(old.len() + new.len());
    let mut done = 0;
    for (hunk, take) in hunks.iter().zip(way) {
        out.push_str(&old[done..hunk.before.start]);
        match take {
            Take::All => out.push_str(&new[hunk.after.clone()]),
            Take::Checks(end) => {
                out.push_str(&new[hunk.after.start..*end]);
                out.push_str(&old[hunk.before.clone()]);
            }
            Take::Nothing => out.push_str(&old[hunk.before.clone()]),
        }
        done = hunk.before.end;
    }
    out.push_str(&old[done..]);
    out
}

/// Where the checks end that a change of lines begins with, and what is assigned for them. `None`
/// where it begins with none, replaces nothing, or is nothing else.
fn checks(root: Node<'_>, new: &str, hunk: &Hunk) -> Option<usize> {
    if hunk.before.is_empty() {
        return None;
    }
    let first = new[hunk.after.clone()].find(|c: char| !c.is_whitespace())?;
    let mut node =
        root.descendant_for_byte_range(hunk.after.start + first, hunk.after.start + first + 1)?;
    // The statement that begins there.
    while !is_statement(node) {
        node = node.parent()?;
    }
    let mut end = None;
    let mut next = Some(node);
    while let Some(statement) = next.filter(|it| it.end_byte() <= hunk.after.end) {
        if refuses(statement) {
            end = Some(gate::whole_lines(new, &statement.byte_range()).end);
        } else if !assigns(statement) {
            break;
        }
        next = statement.next_named_sibling();
    }
    end.filter(|it| *it < hunk.after.end)
}

fn is_statement(node: Node<'_>) -> bool {
    let kind = node.kind_name();
    kind.ends_with("_statement") || kind == "declaration"
}

fn assigns(statement: Node<'_>) -> bool {
    let inner = statement.named_child(0);
    statement.kind_name() == "declaration"
        || inner.is_some_and(|it| matches!(it.kind_name(), "assignment" | "assignment_expression"))
}

/// Whether it is an `if` without another way, which ends in a jump or in a call, which may not return
/// (`abort(400)`).
fn refuses(statement: Node<'_>) -> bool {
    if statement.kind_name() != "if_statement" || statement.field("alternative").is_some() {
        return false;
    }
    let Some(body) = statement.field("consequence") else {
        return false;
    };
    let last = match body.kind_name() {
        "block" | "compound_statement" => {
            let count = u32::try_from(body.named_child_count()).unwrap_or(0);
            count.checked_sub(1).and_then(|it| body.named_child(it))
        }
        _ => Some(body),
    };
    last.is_some_and(|it| {
        matches!(
            it.kind_name(),
            "return_statement"
                | "raise_statement"
                | "continue_statement"
                | "break_statement"
                | "goto_statement"
        ) || it
            .named_child(0)
            .is_some_and(|it| it.kind_name() == "call" || it.kind_name() == "call_expression")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_taken_without_what_follows() {
        let old = "def f(a):\n    b = g(a)\n    return b.c\n";
        let new = "def f(a):\n    if not h(a):\n        raise ValueError\n    return g(a)\n";
        let found = parts(Language::Python, old, new);
        assert_eq!(
            found,
            [
                "def f(a):\n    if not h(a):\n        raise ValueError\n    b = g(a)\n    return b.c\n"
            ]
        );
    }

    #[test]
    fn each_change_may_stay_away() {
        let old = "def f(a):\n    b = 1\n    g(a)\n    return b\n";
        let new = "def f(a):\n    b = 2\n    g(a)\n    return 3\n";
        let found = parts(Language::Python, old, new);
        assert!(found.contains(&"def f(a):\n    b = 2\n    g(a)\n    return b\n".to_owned()));
        assert!(found.contains(&"def f(a):\n    b = 1\n    g(a)\n    return 3\n".to_owned()));
        assert!(!found.contains(&old.to_owned()) && !found.contains(&new.to_owned()));
    }

    #[test]
    fn c_has_checks_too() {
        let old = "int f(int a) {\n    int b = g(a);\n    return b + 1;\n}\n";
        let new =
            "int f(int a) {\n    if (a < 0) {\n        return 0;\n    }\n    return g(a);\n}\n";
        let found = parts(Language::C, old, new);
        let wanted = "int f(int a) {\n    if (a < 0) {\n        return 0;\n    }\n    int b = g(a);\n    return b + 1;\n}\n";
        assert_eq!(found, [wanted]);
    }
}
