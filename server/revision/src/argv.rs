//! Turns a command that is put together for a shell into the list of its words. Knows Python's
//! literals and how a shell splits plain words, and gives up on everything that a shell would do.

use std::ops::Range;

use analysis::Finding;
use syntax::{Language, Node, NodeNames};

use crate::arguments::Arguments;
use crate::edit::Edit;
use crate::parameterize::{
    Merged, assigned_once, is_bytes, literal, outside_brackets, pieces_in, surrounded, unwrapped,
};

/// A list of words in the place of a command.
pub(crate) struct Argv {
    /// What the call is given: the list, or the variable that holds it.
    pub(crate) text: String,
    /// The list, where a variable holds it.
    pub(crate) edit: Option<Edit>,
}

/// Words that only a shell understands.
const BUILTIN: [&str; 17] = [
    "cd", "export", "source", ".", "exit", "alias", "set", "unset", "ulimit", "umask", "eval",
    "exec", "trap", "read", "wait", "if", "for",
];

/// The command of a finding as a list. `None` when a shell would do more than split it.
pub(crate) fn of(
    language: Language,
    text: &str,
    root: Node<'_>,
    finding: &Finding,
    arguments: &Arguments,
) -> Option<Argv> {
    if language != Language::Python {
        return None;
    }
    let (built, pieces) = finding.built.as_ref()?;
    let first = arguments.list.first()?;
    if is_bytes(text, root, built) {
        return None;
    }
    let inner = unwrapped(text, root, first.value.clone())?;
    let list = words(text, root, &pieces_in(text, root, pieces)?)?;
    if inner.byte_range() == *built {
        return Some(Argv {
            text: list,
            edit: None,
        });
    }
    assigned_once(text, root, finding, inner, built)?;
    Some(Argv {
        text: text.get(inner.byte_range())?.to_owned(),
        edit: Some(Edit::new(built.clone(), list)),
    })
}

/// What a word is made of: fixed text, and values with whether they are text already.
enum Bit {
    Text(String),
    Value(String, bool),
}

fn words(text: &str, root: Node<'_>, pieces: &[Merged]) -> Option<String> {
    let mut all: Vec<Vec<Bit>> = Vec::new();
    let mut word: Option<Vec<Bit>> = None;
    let mut quote: Option<char> = None;
    for piece in pieces {
        let piece = match piece {
            Merged::Hole(hole) => {
                let source = text.get(hole.clone())?.to_owned();
                let value = Bit::Value(source, is_added(text, root, hole)?);
                word.get_or_insert_with(Vec::new).push(value);
                continue;
            }
            Merged::Text(piece) => piece,
        };
        for c in piece.chars() {
            match quote {
                Some(end) if c == end => quote = None,
                // What a shell replaces within double quotes, and a quote within quotes.
                Some('"') if matches!(c, '$' | '`' | '\\' | '!') => return None,
                Some(_) => push(&mut word, c),
                None if c == ' ' || c == '\t' => all.extend(word.take()),
                None if c == '"' || c == '\'' => {
                    quote = Some(c);
                    word.get_or_insert_with(Vec::new);
                }
                None if "|&;<>()$`\\*?[]#~{}!\n\r".contains(c) => return None,
                None => push(&mut word, c),
            }
        }
    }
    if quote.is_some() {
        return None;
    }
    all.extend(word);
    let mut out = Vec::new();
    for (at, word) in all.iter().enumerate() {
        match word.as_slice() {
            // The program is a fixed word, and no variable that is set for it.
            [Bit::Text(name)] if at == 0 => {
                if BUILTIN.contains(&name.as_str()) || name.contains('=') {
                    return None;
                }
                out.push(literal(name, false, "\n"));
            }
            _ if at == 0 => return None,
            [] => out.push("\"\"".to_owned()),
            [Bit::Text(fixed)] => out.push(literal(fixed, false, "\n")),
            [Bit::Value(value, true)] => out.push(value.clone()),
            [Bit::Value(value, false)] => out.push(format!("str({value})")),
            [Bit::Text(before), Bit::Value(value, _)] => {
                out.push(surrounded(before, value, "")?);
            }
            [Bit::Value(value, _), Bit::Text(after)] => out.push(surrounded("", value, after)?),
            [Bit::Text(before), Bit::Value(value, _), Bit::Text(after)] => {
                out.push(surrounded(before, value, after)?);
            }
            _ => return None,
        }
    }
    // A command of one word is no list that anything could be put into.
    (out.len() > 1).then(|| format!("[{}]", out.join(", ")))
}

fn push(word: &mut Option<Vec<Bit>>, c: char) {
    let bits = word.get_or_insert_with(Vec::new);
    match bits.last_mut() {
        Some(Bit::Text(text)) => text.push(c),
        _ => bits.push(Bit::Text(c.to_string())),
    }
}

/// Whether a value is added to text with `+`, which only text can be.
fn is_added(text: &str, root: Node<'_>, hole: &Range<usize>) -> Option<bool> {
    let node = root.named_descendant_for_byte_range(hole.start, hole.end)?;
    let parent = outside_brackets(node).parent()?;
    let operator = parent.field("operator");
    Some(
        parent.kind_name() == "binary_operator"
            && operator.is_some_and(|it| &text[it.byte_range()] == "+"),
    )
}
