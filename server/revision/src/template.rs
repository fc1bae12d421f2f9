//! An entry's fix, carried out on the parts of the matched code. It proves nothing; the gate does.

use analysis::{Finding, PartKey};
use kb_schema::{ArgKey, Fix};
use syntax::{Language, Node, NodeNames};

use crate::arguments::Arguments;
use crate::edit::{Edit, indentation, line_ending};
use crate::render::{Renderer, part};
use crate::{argv, escape, guard, imports, parameterize, rewrite, width};

/// How many ways of carrying a fix out there may be; the gate chooses.
pub(crate) fn attempts(fix: &Fix) -> usize {
    if fix.escape.is_some() {
        escape::MOST
    } else {
        1
    }
}

/// What the fix changes here, in one of its ways. `None` when the code lacks a part that it speaks of.
pub(crate) fn edits(
    language: Language,
    text: &str,
    root: Node<'_>,
    finding: &Finding,
    fix: &Fix,
    attempt: usize,
) -> Option<Vec<Edit>> {
    if !fix.callees.is_empty() {
        let name = text.get(part(finding, &PartKey::CalleeName)?)?;
        if !fix.callees.iter().any(|it| it == name) {
            return None;
        }
    }
    let at = finding.matched.start;
    let mut edits = Vec::new();
    let mut modules = Vec::new();
    for module in &fix.imports {
        let import = imports::ensure(language, text, root, module, at)?;
        // Each import is found out from the same text, so two may want the same place.
        edits.extend(import.edit);
        modules.push((module.clone(), import.name));
    }
    let mut arguments = Arguments::of(finding);
    let original = bare_name(language, text, finding)
        .and_then(|name| imports::original_name(text, root, name, at));
    let listed = Arguments::of(finding);
    let argv = if speaks_of_argv(fix) {
        let argv = argv::of(language, text, root, finding, &listed)?;
        edits.extend(argv.edit);
        Some(argv.text)
    } else {
        None
    };
    let renderer = Renderer {
        text,
        argv: argv.as_deref(),
        finding,
        arguments: &listed,
        modules: &modules,
        callee_name: original.as_deref(),
    };
    // Only the template's own lines: what is filled in was laid out by whoever wrote it.
    let lay_out = |new: &str| {
        let end = format!("{}{}", line_ending(text), indentation(text, at));
        new.replace("\r\n", "\n").replace('\n', &end)
    };
    if let Some(new) = &fix.rename {
        rename(
            language,
            text,
            root,
            finding,
            &renderer.render(new)?,
            &mut edits,
        )?;
    }
    if let Some(new) = &fix.callee {
        edits.push(Edit::new(
            part(finding, &PartKey::Callee)?,
            renderer.render(new)?,
        ));
    }
    if let Some(new) = &fix.replace {
        if language == Language::C && measures_parameter(text, root, finding, new) {
            return None;
        }
        edits.push(Edit::new(
            finding.matched.clone(),
            renderer.render(&lay_out(new))?,
        ));
    }
    for (key, new) in &fix.set {
        arguments.set(&ArgKey::parse(key).ok()?, renderer.render(&lay_out(new))?)?;
    }
    for key in &fix.remove {
        arguments.remove(&ArgKey::parse(key).ok()?)?;
    }
    for (position, new) in &fix.insert {
        arguments.insert(position.parse().ok()?, &renderer.render(&lay_out(new))?)?;
    }
    if let Some(mark) = &fix.parameterize {
        edits.extend(parameterize::edits(
            language, text, root, finding, &listed, mark,
        )?);
    }
    edits.extend(beyond_arguments(
        language,
        text,
        root,
        finding,
        (fix, attempt),
        &renderer,
    )?);
    edits.extend(arguments.finish(text)?);
    if edits.is_empty() {
        return None;
    }
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    Some(edits)
}

/// What the fix changes that is no argument.
fn beyond_arguments(
    language: Language,
    text: &str,
    root: Node<'_>,
    finding: &Finding,
    (fix, attempt): (&Fix, usize),
    renderer: &Renderer<'_>,
) -> Option<Vec<Edit>> {
    let mut edits = Vec::new();
    if let Some(wrapper) = &fix.escape {
        let wrapper = renderer.render(wrapper)?;
        edits.push(escape::edit(
            language, text, root, finding, &wrapper, attempt,
        )?);
    }
    for (old, new) in &fix.swap {
        let new = renderer.render(new)?;
        edits.extend(rewrite::swap(text, root, finding, old, &new)?);
    }
    if let Some(same) = &fix.compare {
        let same = renderer.render(same)?;
        edits.push(rewrite::compare(language, text, root, finding, &same)?);
    }
    if let Some(error) = &fix.raise {
        edits.push(rewrite::raise(language, text, root, finding, error)?);
    }
    if fix.scan_width {
        edits.extend(width::edits(
            language,
            text,
            root,
            finding,
            renderer.arguments,
        )?);
    }
    if fix.null_check {
        edits.push(guard::edit(language, text, root, finding)?);
    }
    Some(edits)
}

/// Whether new text would take the size of a parameter, which is that of a pointer: the array is the
/// caller's.
fn measures_parameter(text: &str, root: Node<'_>, finding: &Finding, new: &str) -> bool {
    let named = finding.parts.iter().find(|it| match &it.key {
        PartKey::Arg { position, .. } => new.contains(&format!("sizeof({{{position}}})")),
        _ => false,
    });
    let Some(name) = named.and_then(|it| text.get(it.range.clone())) else {
        return false;
    };
    let mut node = root.descendant_for_byte_range(finding.matched.start, finding.matched.end);
    while let Some(it) = node.filter(|it| it.kind_name() != "function_definition") {
        node = it.parent();
    }
    let mut head = node.and_then(|it| it.field("declarator"));
    while let Some(it) = head {
        if let Some(parameters) = it.field("parameters") {
            let text = text.get(parameters.byte_range()).unwrap_or("");
            let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            return words.any(|it| it == name);
        }
        head = it.field("declarator");
    }
    false
}

fn speaks_of_argv(fix: &Fix) -> bool {
    let texts = fix.replace.iter().chain(fix.set.values());
    texts.into_iter().any(|it| it.contains("{argv}"))
}

/// The callee where it is one plain name, which Python has to import.
fn bare_name<'a>(language: Language, text: &'a str, finding: &Finding) -> Option<&'a str> {
    if language != Language::Python || part(finding, &PartKey::Receiver).is_some() {
        return None;
    }
    text.get(part(finding, &PartKey::CalleeName)?)
}

fn rename(
    language: Language,
    text: &str,
    root: Node<'_>,
    finding: &Finding,
    new: &str,
    edits: &mut Vec<Edit>,
) -> Option<()> {
    let place = part(finding, &PartKey::CalleeName)?;
    let mut name = new.to_owned();
    if let Some(bare) = bare_name(language, text, finding) {
        let import = imports::also_from(text, root, bare, new, finding.matched.start)?;
        name = import.name;
        edits.extend(import.edit);
    }
    edits.push(Edit::new(place, name));
    Some(())
}
