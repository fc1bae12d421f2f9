//! Small functions that an entry's safe code calls: whoever takes over the call needs the function as
//! well. What the entry vouches for word for word needs no other proof. It knows no models.

use analysis::Finding;
use kb_schema::{Entry, Example, ExampleKind};
use syntax::{Language, Node, NodeNames};

use crate::candidate::{is_import, name_of, serves};
use crate::edit::{Edit, line_ending};
use crate::gate::Code;

/// A function of an entry's safe example that others there call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Helper {
    /// The function, without the end of its last line.
    pub(crate) text: String,
    /// The lines that import what it uses.
    pub(crate) imports: Vec<String>,
}

/// The function of that name that an entry's safe code brings, where it leans on nothing but imports.
pub(crate) fn of(entry: &Entry, language: Language, name: &str) -> Option<Helper> {
    let mut safe = entry.examples(ExampleKind::Secure);
    safe.find_map(|it| in_example(it, language, name))
}

fn in_example(example: &Example, language: Language, name: &str) -> Option<Helper> {
    let code = example.code.as_str();
    if !code.contains(name) {
        return None;
    }
    let tree = syntax::parse(language, code);
    let root = tree.root_node();
    let mut cursor = root.walk();
    let tops: Vec<Node<'_>> = root.named_children(&mut cursor).collect();
    let function = *tops.iter().find(|it| {
        it.kind_name() == "function_definition" && name_of(code, **it).as_deref() == Some(name)
    })?;
    let text = code.get(function.byte_range())?;
    let words = |text: &str, word: &str| {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        text.split(|c| !part(c)).any(|it| it == word)
    };
    let others = || tops.iter().filter(|it| it.id() != function.id());
    // Nobody else there calls it: then it is what the example is about.
    others().find(|it| {
        let text = code.get(it.byte_range());
        text.is_some_and(|it| words(it, name))
    })?;
    let leans = others().any(|it| {
        let is_import = matches!(it.kind_name(), "import_statement" | "import_from_statement");
        let of_function = name_of(code, *it).filter(|_| !is_import);
        let left = it.named_child(0).and_then(|it| it.field("left"));
        let assigned = left.and_then(|it| code.get(it.byte_range()));
        let bound = of_function.as_deref().or(assigned);
        bound.is_some_and(|it| words(text, it))
    });
    let imports = code.lines().map(str::trim);
    let imports = imports.filter(|it| is_import(language, it) && serves(language, it, text));
    (!leans).then(|| Helper {
        text: text.trim_end().to_owned(),
        imports: imports.map(str::to_owned).collect(),
    })
}

impl Helper {
    /// The edit that puts it before the definition around a place.
    pub(crate) fn before(&self, code: &Code<'_>, at: usize) -> Edit {
        let end = line_ending(code.text);
        let blank = match code.language {
            Language::Python => end.repeat(3),
            Language::C => end.repeat(2),
        };
        let text = self.text.replace('\n', end);
        Edit::insertion(top(code.root, at), text + &blank)
    }
}

/// Where the statement of the top level around a place begins, with the comments right above it.
fn top(root: Node<'_>, at: usize) -> usize {
    let Some(mut node) = root.descendant_for_byte_range(at, at + 1) else {
        return at;
    };
    while let Some(parent) = node.parent().filter(|it| it.id() != root.id()) {
        node = parent;
    }
    while let Some(above) = node.prev_sibling()
        && above.kind_name() == "comment"
        && above.end_position().row + 1 == node.start_position().row
    {
        node = above;
    }
    node.start_byte()
}

/// Whether a text holds a function of that name just as a finding's entry has it.
pub(crate) fn stands(finding: &Finding, language: Language, text: &str, name: &str) -> bool {
    let helper = of(&finding.entry, language, name);
    helper.is_some_and(|it| text.replace("\r\n", "\n").contains(&it.text))
}

/// Whether an edit adds nothing but a function that the finding's entry vouches for.
pub(crate) fn only_helper(
    language: Language,
    root: Node<'_>,
    finding: &Finding,
    edit: &Edit,
) -> bool {
    let text = edit.text.replace("\r\n", "\n");
    let text = text.trim_end();
    if !edit.range.is_empty() || top(root, edit.range.start) != edit.range.start {
        return false;
    }
    let tree = syntax::parse(language, text);
    let Some(function) = tree.root_node().named_child(0) else {
        return false;
    };
    let name = name_of(text, function);
    name.and_then(|name| of(&finding.entry, language, &name))
        .is_some_and(|it| it.text == text)
}
