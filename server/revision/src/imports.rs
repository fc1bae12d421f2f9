//! What new text needs at the top of the file: Python imports and C includes. Knows no entries.

use std::ops::Range;

use syntax::{Descend, Language, Node, NodeNames, walk};

use crate::edit::{Edit, line_ending};

/// What a module is called in this file, and what must be added for that.
#[derive(Debug)]
pub(crate) struct Import {
    /// The name that stands for the module: `os`, or `np` for numpy.
    pub(crate) name: String,
    /// The import to add; `None` when it is there.
    pub(crate) edit: Option<Edit>,
}

/// Makes a module or header available at a place. `None` when its name means something else here.
pub(crate) fn ensure(
    language: Language,
    text: &str,
    root: Node<'_>,
    module: &str,
    at: usize,
) -> Option<Import> {
    match language {
        Language::Python => ensure_module(text, root, module, at),
        Language::C => Some(ensure_header(text, root, module, at)),
    }
}

/// One name that an import statement binds.
struct Bound<'t> {
    /// The module, or the module and the name taken from it: `os.path`.
    path: String,
    name: String,
    /// The item in a `from` statement, beside which others can be added.
    from: Option<(String, Node<'t>)>,
}

fn bound<'t>(text: &str, root: Node<'t>, at: usize) -> Vec<Bound<'t>> {
    let mut out = Vec::new();
    walk(root, |node| {
        match node.kind_name() {
            "import_statement" => items(text, node, "", &mut out),
            "import_from_statement" => {
                if let Some(module) = node.field("module_name") {
                    let module = text[module.byte_range()].to_owned();
                    items(text, node, &module, &mut out);
                }
            }
            // An import inside a function serves that function only.
            "function_definition" | "class_definition" if !node.byte_range().contains(&at) => {
                return Descend::Past;
            }
            _ => return Descend::Into,
        }
        Descend::Past
    });
    out
}

fn items<'t>(text: &str, statement: Node<'t>, module: &str, out: &mut Vec<Bound<'t>>) {
    let mut cursor = statement.walk();
    for item in statement.children_by_field_name("name", &mut cursor) {
        let (path, alias) = match item.kind_name() {
            "aliased_import" => (item.field("name"), item.field("alias")),
            _ => (Some(item), None),
        };
        let Some(path) = path else { continue };
        let path = &text[path.byte_range()];
        let name = alias.map_or(path, |it| &text[it.byte_range()]).to_owned();
        out.push(if module.is_empty() {
            Bound {
                path: path.to_owned(),
                name,
                from: None,
            }
        } else {
            Bound {
                path: format!("{module}.{path}"),
                name,
                from: Some((path.to_owned(), item)),
            }
        });
    }
}

fn ensure_module(text: &str, root: Node<'_>, module: &str, at: usize) -> Option<Import> {
    let bound = bound(text, root, at);
    if let Some(found) = bound.iter().find(|it| it.path == module) {
        return Some(Import {
            name: found.name.clone(),
            edit: None,
        });
    }
    let top = module.split('.').next().unwrap_or(module);
    let taken = bound
        .iter()
        .any(|it| it.name == top && it.path.split('.').next() != Some(top));
    if taken || is_bound(text, root, top) {
        return None;
    }
    Some(Import {
        name: module.to_owned(),
        edit: Some(new_import(text, root, module)),
    })
}

/// Whether the code gives this name to something that is no import.
fn is_bound(text: &str, root: Node<'_>, name: &str) -> bool {
    let mut found = false;
    walk(root, |node| {
        if node.kind_name() == "identifier" && &text[node.byte_range()] == name {
            found |= node.parent().is_some_and(|parent| binds(parent, node));
        }
        if found { Descend::Stop } else { Descend::Into }
    });
    found
}

/// Whether a parent node binds this child as a name.
pub(crate) fn binds(parent: Node<'_>, child: Node<'_>) -> bool {
    let is = |field| parent.field(field) == Some(child);
    match parent.kind_name() {
        "assignment" | "augmented_assignment" | "for_statement" | "for_in_clause" => is("left"),
        "function_definition"
        | "class_definition"
        | "named_expression"
        | "default_parameter"
        | "typed_default_parameter" => is("name"),
        "parameters"
        | "lambda_parameters"
        | "typed_parameter"
        | "pattern_list"
        | "tuple_pattern"
        | "list_pattern"
        | "list_splat_pattern"
        | "dictionary_splat_pattern"
        | "as_pattern_target"
        | "global_statement"
        | "nonlocal_statement"
        | "delete_statement" => true,
        _ => false,
    }
}

fn new_import(text: &str, root: Node<'_>, module: &str) -> Edit {
    let end = line_ending(text);
    let mut last: Option<Node<'_>> = None;
    let mut first = true;
    let mut is_import = false;
    let mut cursor = root.walk();
    for child in root.named_children(&mut cursor) {
        match child.kind_name() {
            "comment" => continue,
            "future_import_statement" | "import_statement" | "import_from_statement" => {
                last = Some(child);
                is_import = true;
            }
            "expression_statement" if first && is_docstring(child) => last = Some(child),
            _ => break,
        }
        first = false;
    }
    if let Some(last) = last {
        let at = line_end(text, last.end_byte());
        let gap = if is_import { "" } else { end };
        return Edit::insertion(at, format!("{end}{gap}import {module}"));
    }
    let at = after_head(text, "#");
    Edit::insertion(at, format!("import {module}{end}{end}"))
}

fn is_docstring(statement: Node<'_>) -> bool {
    statement
        .named_child(0)
        .is_some_and(|it| it.kind_name() == "string")
}

/// The end of the line around a byte, before its terminator.
fn line_end(text: &str, byte: usize) -> usize {
    let rest = &text[byte..];
    let line = rest.find('\n').map_or(rest, |at| &rest[..at]);
    byte + line.strip_suffix('\r').unwrap_or(line).len()
}

/// The place after a byte order mark and after what must or may come first: a line for the shell,
/// the encoding, or a block of comments that a blank line sets apart.
fn after_head(text: &str, comment: &str) -> usize {
    let mut at = if text.starts_with('\u{feff}') { 3 } else { 0 };
    let mut forced = at;
    let start = at;
    for line in text[at..].split_inclusive('\n') {
        if line.trim().is_empty() {
            return if at > start { at + line.len() } else { forced };
        }
        if !line.starts_with(comment) || !line.ends_with('\n') {
            return forced;
        }
        at += line.len();
        if line.starts_with("#!") || line.contains("coding") {
            forced = at;
        }
    }
    forced
}

fn ensure_header(text: &str, root: Node<'_>, header: &str, at: usize) -> Import {
    let mut last: Option<Range<usize>> = None;
    let mut present = false;
    walk(root, |node| {
        match node.kind_name() {
            "preproc_include" => {
                let path = node.field("path");
                let path = path.map_or("", |it| &text[it.byte_range()]);
                present |= path.trim_matches(['<', '>', '"']) == header;
                // One that only some builds see is no place for another, but a guard is.
                if node.end_byte() <= at && !conditional(node) {
                    last = Some(node.byte_range());
                }
                Descend::Past
            }
            "function_definition" | "struct_specifier" | "declaration" => Descend::Past,
            _ => Descend::Into,
        }
    });
    let end = line_ending(text);
    let line = format!("#include <{header}>");
    let edit = match last {
        Some(last) => Edit::insertion(line_end(text, last.start), format!("{end}{line}")),
        None => Edit::insertion(after_head(text, "//"), format!("{line}{end}{end}")),
    };
    Import {
        name: header.to_owned(),
        edit: (!present).then_some(edit),
    }
}

fn conditional(mut node: Node<'_>) -> bool {
    while let Some(parent) = node.parent() {
        match parent.kind_name() {
            "preproc_if" | "preproc_elif" | "preproc_else" => return true,
            "preproc_ifdef" if parent.parent().is_some_and(|it| it.parent().is_some()) => {
                return true;
            }
            "preproc_ifdef" => {
                // A guard encloses the file; anything shorter is a condition.
                let root = parent.parent();
                return root.is_some_and(|root| {
                    parent.next_named_sibling().is_some() && root.named_child(0) != Some(parent)
                });
            }
            _ => node = parent,
        }
    }
    false
}

/// Makes another name of a module available that one name is already taken from:
/// `from yaml import load` gains `, safe_load`. The original name of `name` comes with it.
pub(crate) fn also_from(
    text: &str,
    root: Node<'_>,
    name: &str,
    new: &str,
    at: usize,
) -> Option<Import> {
    let bound = bound(text, root, at);
    let (_, item) = bound.iter().find(|it| it.name == name)?.from.as_ref()?;
    let statement = item.parent()?;
    let sibling = bound.iter().find(|it| {
        let from = it.from.as_ref();
        from.is_some_and(|(path, node)| path == new && node.parent() == Some(statement))
    });
    if let Some(sibling) = sibling {
        return Some(Import {
            name: sibling.name.clone(),
            edit: None,
        });
    }
    if bound.iter().any(|it| it.name == new) || is_bound(text, root, new) {
        return None;
    }
    Some(Import {
        name: new.to_owned(),
        edit: Some(Edit::insertion(item.end_byte(), format!(", {new}"))),
    })
}

/// The name under which a module offers what the file calls `name`.
pub(crate) fn original_name(text: &str, root: Node<'_>, name: &str, at: usize) -> Option<String> {
    let bound = bound(text, root, at);
    let found = bound.into_iter().find(|it| it.name == name)?;
    found.from.map(|(path, _)| path)
}

/// Whether an edit does nothing but add imports.
pub(crate) fn only_imports(language: Language, root: Node<'_>, edit: &Edit) -> bool {
    if !edit.range.is_empty() {
        return false;
    }
    let mut lines = edit.text.lines().map(str::trim).filter(|it| !it.is_empty());
    match language {
        Language::C => edit.text.contains('\n') && lines.all(|line| line.starts_with("#include ")),
        Language::Python => {
            let name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ' ' | ',');
            let plain = |line: &str| line.chars().all(name);
            let is_import = |line: &str| {
                plain(line) && (line.starts_with("import ") || line.starts_with("from "))
            };
            let at = edit.range.start;
            let in_from = || {
                let before = at.saturating_sub(1);
                let mut node = root.descendant_for_byte_range(before, at);
                while let Some(it) = node {
                    if it.kind_name() == "import_from_statement" {
                        return true;
                    }
                    node = it.parent();
                }
                false
            };
            edit.text.contains('\n') && lines.all(is_import)
                || edit.text.starts_with(',') && plain(&edit.text) && in_from()
        }
    }
}
