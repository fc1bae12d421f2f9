//! Puts a check behind the statement whose result may be null: the function is left with the value
//! that says so. Knows C's declarations, and of a function only its type.

use analysis::Finding;
use syntax::{Language, Node, NodeNames};

use crate::edit::{Edit, indentation, line_ending};

/// The check of the pointer that a finding's first step gets. `None` where no value of the
/// function's type is known to say that it failed.
pub(crate) fn edit(
    language: Language,
    text: &str,
    root: Node<'_>,
    finding: &Finding,
) -> Option<Edit> {
    if language != Language::C {
        return None;
    }
    let from = finding.trace.first().map(|it| it.range.clone());
    let from = from.unwrap_or_else(|| finding.matched.clone());
    let mut node = root.named_descendant_for_byte_range(from.start, from.end)?;
    let mut name = None;
    let statement = loop {
        match node.kind_name() {
            "init_declarator" => {
                let mut target = node.field("declarator")?;
                while target.kind_name() == "pointer_declarator" {
                    target = target.field("declarator")?;
                }
                name = Some(target).filter(|it| it.kind_name() == "identifier");
            }
            "assignment_expression" => {
                let left = node.field("left")?;
                let plain = matches!(left.kind_name(), "identifier" | "field_expression");
                name = Some(left).filter(|_| plain);
            }
            "expression_statement" | "declaration" => break node,
            "function_definition" => return None,
            _ => {}
        }
        node = node.parent()?;
    };
    let name = text.get(name?.byte_range())?;
    // A statement of its own, not the body of an `if` without braces.
    if statement.parent()?.kind_name() != "compound_statement" {
        return None;
    }
    let mut function = statement;
    while function.kind_name() != "function_definition" {
        function = function.parent()?;
    }
    let failure = failure(text, function)?;
    let end = line_ending(text);
    let indent = indentation(text, statement.start_byte());
    let step = if indent.contains('\t') { "\t" } else { "    " };
    let check =
        format!("{end}{indent}if ({name} == NULL) {{{end}{indent}{step}{failure}{end}{indent}}}");
    Some(Edit::insertion(statement.end_byte(), check))
}

/// How a function of this type says that it failed.
fn failure(text: &str, function: Node<'_>) -> Option<&'static str> {
    let declarator = function.field("declarator")?;
    if declarator.kind_name() == "pointer_declarator" {
        return Some("return NULL;");
    }
    let kind = text.get(function.field("type")?.byte_range())?;
    let name = declarator.field("declarator")?;
    if text.get(name.byte_range())? == "main" {
        return Some("return 1;");
    }
    match kind {
        "void" => Some("return;"),
        "int" | "long" | "ssize_t" | "off_t" => Some("return -1;"),
        "bool" => Some("return false;"),
        _ => None,
    }
}
