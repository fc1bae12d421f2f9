//! Gives every `%s` and `%[` of a scan the width that its buffer has room for. Knows formats of
//! scanf and arrays whose size is a number in the code.

use analysis::Finding;
use syntax::{Descend, Language, Node, NodeNames, walk};

use crate::arguments::Arguments;
use crate::edit::Edit;

/// The widths as edits. `None` when the size of some buffer is not known.
pub(crate) fn edits(
    language: Language,
    text: &str,
    root: Node<'_>,
    finding: &Finding,
    arguments: &Arguments,
) -> Option<Vec<Edit>> {
    if language != Language::C {
        return None;
    }
    let list = &arguments.list;
    // The first argument that is a text is the format; the stream before it is none.
    let at = list
        .iter()
        .position(|it| text[it.value.clone()].starts_with('"'))?;
    let format = list[at].value.clone();
    let source = &text[format.clone()];
    // Texts that touch would need to be read as one.
    if source[1..source.len() - 1].contains('"') {
        return None;
    }
    let bytes = source.as_bytes();
    let mut edits = Vec::new();
    let mut next = at + 1;
    let mut index = 0;
    while index < bytes.len() {
        if bytes[index] != b'%' {
            index += 1;
            continue;
        }
        index += 1;
        let begin = index;
        let dropped = bytes.get(index) == Some(&b'*');
        index += usize::from(dropped);
        let digits = index;
        while bytes.get(index).is_some_and(u8::is_ascii_digit) {
            index += 1;
        }
        let wide = index > digits;
        while matches!(
            bytes.get(index),
            Some(b'h' | b'l' | b'L' | b'j' | b'z' | b't')
        ) {
            index += 1;
        }
        let kind = *bytes.get(index)?;
        index += 1;
        if kind == b'%' || dropped {
            continue;
        }
        let argument = list.get(next)?;
        next += 1;
        if kind == b'[' {
            // A bracket that comes first belongs to the set.
            index += usize::from(bytes.get(index) == Some(&b'^'));
            index += usize::from(bytes.get(index) == Some(&b']'));
            while *bytes.get(index)? != b']' {
                index += 1;
            }
            index += 1;
        }
        if matches!(kind, b's' | b'[') && !wide {
            let name = &text[argument.value.clone()];
            let size = size_of(text, root, finding, name)?;
            let width = size.checked_sub(1).filter(|it| *it > 0)?;
            edits.push(Edit::insertion(format.start + begin, width.to_string()));
        }
    }
    (!edits.is_empty()).then_some(edits)
}

/// The size of the one array of characters of that name in the finding's function.
fn size_of(text: &str, root: Node<'_>, finding: &Finding, name: &str) -> Option<usize> {
    let around = &finding.function;
    let mut sizes = Vec::new();
    walk(root, |node| {
        if node.end_byte() <= around.start || node.start_byte() >= around.end {
            return Descend::Past;
        }
        let declared = matches!(
            node.kind_name(),
            "array_declarator" | "pointer_declarator" | "init_declarator" | "declaration"
        );
        if declared
            && let Some(inner) = node.field("declarator")
            && inner.kind_name() == "identifier"
            && &text[inner.byte_range()] == name
        {
            let size = node.field("size");
            let size = size.and_then(|it| text[it.byte_range()].parse().ok());
            let mut parent = node.parent();
            while parent.is_some_and(|it| it.kind_name().ends_with("declarator")) {
                parent = parent.and_then(|it| it.parent());
            }
            let kind = parent.and_then(|it| it.field("type"));
            let chars = kind.is_some_and(|it| text[it.byte_range()].ends_with("char"));
            sizes.push(size.filter(|_| chars));
        }
        Descend::Into
    });
    match sizes.as_slice() {
        [Some(size)] => Some(*size),
        _ => None,
    }
}
