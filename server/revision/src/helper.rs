//! Small functions that an entry's safe code calls: whoever takes over the call needs the function as
//! well. What the entry vouches for word for word needs no other proof. It knows no models.

use analysis::Finding;
use kb_schema::{Entry, Example, ExampleKind};
use syntax::{Descend, Language, Node, NodeNames, walk};

use crate::candidate::{has_word, is_import, name_of, serves};
use crate::demonstration::outer;
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
    let others = tops.iter().filter(|it| it.id() != function.id());
    let others: Vec<&str> = others.filter_map(|it| code.get(it.byte_range())).collect();
    // Nobody else there calls it: then it is what the example is about.
    if !others.iter().any(|it| has_word(it, name)) {
        return None;
    }
    let is_imported =
        |it: &Node<'_>| matches!(it.kind_name(), "import_statement" | "import_from_statement");
    let defined = tops.iter().filter(|it| !is_imported(it));
    let defined = defined.filter_map(|it| name_of(code, *it));
    let bound = defined.chain(outer(code).map(str::to_owned));
    let leans = bound.filter(|it| it != name).any(|it| has_word(text, &it));
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
    let Some(node) = root.descendant_for_byte_range(at, at + 1) else {
        return at;
    };
    let mut node = ancestor(root, node);
    while let Some(above) = node.prev_sibling()
        && above.kind_name() == "comment"
        && above.end_position().row + 1 == node.start_position().row
    {
        node = above;
    }
    node.start_byte()
}

/// What a node is part of at the top level.
fn ancestor<'t>(root: Node<'t>, mut node: Node<'t>) -> Node<'t> {
    while let Some(parent) = node.parent().filter(|it| it.id() != root.id()) {
        node = parent;
    }
    node
}

/// Whether a text has the function of that name at its top level just as a finding's entry has it,
/// and the name stands for nothing else there.
pub(crate) fn stands(
    finding: &Finding,
    language: Language,
    text: &str,
    root: Node<'_>,
    name: &str,
) -> bool {
    let Some(helper) = of(&finding.entry, language, name) else {
        return false;
    };
    let (mut vouched, mut others) = (0, 0);
    walk(root, |node| {
        if node.kind_name() == "identifier"
            && text.get(node.byte_range()) == Some(name)
            && !is_use(node)
        {
            let top = text.get(ancestor(root, node).byte_range());
            let same = top.is_some_and(|it| it.replace("\r\n", "\n") == helper.text);
            *if same { &mut vouched } else { &mut others } += 1;
        }
        Descend::Into
    });
    vouched == 1 && others == 0
}

/// Whether a name is called, or is that of an attribute or an argument.
fn is_use(name: Node<'_>) -> bool {
    name.parent().is_some_and(|it| match it.kind_name() {
        "attribute" => it.field("attribute") == Some(name),
        "keyword_argument" => it.field("name") == Some(name),
        _ => it.field("function") == Some(name),
    })
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
