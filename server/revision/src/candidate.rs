//! From the code that a model wrote to edits of the text: found, put back in its place, laid out as
//! the file is. What the edits are worth is the gate's business.

use std::ops::Range;

use analysis::Finding;
use kb_schema::{Entry, ExampleKind};
use syntax::{Descend, Language, Node, NodeNames, walk};

use crate::answer::Fault;
use crate::edit::{Edit, line_ending};
use crate::gate::{self, Code};
use crate::{helper, imports, parts};

/// The most bytes of a snippet that a model is asked to write again.
pub(crate) const MAX_REGION: usize = 24 << 10;

/// The lines that a model is asked to write again.
#[derive(Debug, Clone)]
pub(crate) struct Region {
    /// Whole lines.
    pub(crate) lines: Range<usize>,
    /// The function that they are, when they are one.
    pub(crate) function: Option<String>,
}

impl Region {
    /// The function around a finding; for code outside of functions, the statements from the first
    /// that the finding depends on to its own. `None` when that is too much.
    pub(crate) fn of_finding(text: &str, root: Node<'_>, finding: &Finding) -> Option<Self> {
        let whole = finding.function.start == 0 && finding.function.end >= text.trim_end().len();
        let function = function_at(root, &finding.function)
            .filter(|_| !whole || one_function(root, &finding.function));
        if let Some(function) = function {
            let lines = gate::whole_lines(text, &finding.function);
            let function = name_of(text, function);
            return (lines.len() <= MAX_REGION).then_some(Self { lines, function });
        }
        let first = finding
            .slice
            .first()
            .map_or(finding.matched.start, |it| it.start);
        let span = first.min(finding.matched.start)..finding.matched.end;
        let block = Self::of_block(text, root, &span);
        block.or_else(|| Self::of_block(text, root, &finding.matched))
    }

    /// The statements of the top level that a range touches, as whole lines.
    pub(crate) fn of_block(text: &str, root: Node<'_>, range: &Range<usize>) -> Option<Self> {
        // A block within one function is asked about with its function.
        let mut node = root.descendant_for_byte_range(range.start, range.end.max(range.start));
        let mut around = None;
        while let Some(it) = node {
            if it.kind_name() == "function_definition" {
                around = Some(it);
            }
            node = it.parent();
        }
        if let Some(function) = around {
            let lines = gate::whole_lines(text, &function.byte_range());
            let function = name_of(text, function);
            return (lines.len() <= MAX_REGION).then_some(Self { lines, function });
        }
        let mut cursor = root.walk();
        let mut lines: Option<Range<usize>> = None;
        for child in root.named_children(&mut cursor) {
            let here = child.byte_range();
            if here.start < range.end.max(range.start + 1) && range.start < here.end {
                let start = lines.as_ref().map_or(here.start, |it| it.start);
                lines = Some(start..here.end);
            }
        }
        let lines = gate::whole_lines(text, &lines?);
        (lines.len() <= MAX_REGION).then_some(Self {
            lines,
            function: None,
        })
    }
}

fn one_function(root: Node<'_>, range: &Range<usize>) -> bool {
    root.named_child_count() == 1
        && root
            .named_child(0)
            .is_some_and(|it| it.byte_range().end >= range.end && is_function(it))
}

fn is_function(node: Node<'_>) -> bool {
    matches!(
        node.kind_name(),
        "function_definition" | "decorated_definition"
    )
}

fn function_at<'t>(root: Node<'t>, range: &Range<usize>) -> Option<Node<'t>> {
    let mut found = None;
    walk(root, |node| {
        let here = node.byte_range();
        if here.end < range.start || here.start > range.end || found.is_some() {
            return Descend::Past;
        }
        let definition = match node.kind_name() {
            "function_definition" => Some(node),
            "decorated_definition" => node.field("definition"),
            _ => None,
        };
        if let Some(definition) = definition
            && definition.kind_name() == "function_definition"
            && here.start >= range.start
            && here.end <= range.end
        {
            found = Some(definition);
        }
        Descend::Into
    });
    found
}

/// What a function is called.
pub(crate) fn name_of(text: &str, function: Node<'_>) -> Option<String> {
    let mut node = function
        .field("name")
        .or_else(|| function.field("declarator"))?;
    while let Some(inner) = node.field("declarator") {
        node = inner;
    }
    text.get(node.byte_range()).map(str::to_owned)
}

/// The code that a model wrote for a region, laid out as the file is.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// The imports that came with it.
    imports: Vec<String>,
    body: String,
}

impl Candidate {
    /// Finds it in an answer.
    pub(crate) fn read(code: &Code<'_>, region: &Region, answer: &str) -> Result<Self, Fault> {
        let answer = answer.replace("\r\n", "\n").replace('\r', "\n");
        let answer = answer.trim_matches('\n');
        let old = &code.text[region.lines.clone()];
        let (imports, body) = match &region.function {
            Some(name) => of_function(code.language, answer, name, old)?,
            None => without_imports(code.language, answer, old),
        };
        let body = laid_out(&body, old, line_ending(code.text));
        Ok(Self { imports, body })
    }

    /// Smaller changes out of the same answer, the nearest to it first.
    pub(crate) fn parts(&self, code: &Code<'_>, region: &Region) -> Vec<Self> {
        let old = &code.text[region.lines.clone()];
        let bodies = parts::parts(code.language, old, &self.body);
        let part = |body: String| Self {
            imports: self
                .imports
                .iter()
                .filter(|it| serves(code.language, it, &body))
                .cloned()
                .collect(),
            body,
        };
        bodies.into_iter().map(part).collect()
    }

    /// The edits that put it in the place of the region; an import that it forgot, and a small
    /// function that it only calls, are taken from the entry's own safe examples.
    pub(crate) fn edits(
        &self,
        code: &Code<'_>,
        region: &Region,
        entry: Option<&Entry>,
    ) -> Vec<Edit> {
        let old = &code.text[region.lines.clone()];
        let at = region.lines.start;
        let mut edits = changed_lines(code.language, old, &self.body, at);
        for line in &self.imports {
            add_import(code, line, at, &mut edits);
        }
        let mut helpers = Vec::new();
        for name in gate::unknown_names(code, &region.lines, &edits) {
            if let Some(line) = entry.and_then(|it| shown_import(it, &name, code.text)) {
                add_import(code, &line, at, &mut edits);
            } else if let Some(helper) = entry.and_then(|it| helper::of(it, code.language, &name)) {
                for line in &helper.imports {
                    add_import(code, line, at, &mut edits);
                }
                helpers.push(helper.before(code, at));
            }
        }
        with_imports(code, &region.lines, &mut edits);
        // After the imports, where both come to stand at one place.
        edits.extend(helpers);
        edits.sort_by_key(|it| (it.range.start, it.range.end));
        edits
    }
}

/// The import of a name from a module, as the entry's safe examples have it. Other people's packages
/// count only where the file uses them already.
fn shown_import(entry: &Entry, name: &str, text: &str) -> Option<String> {
    const STANDARD: &[&str] = &[
        "collections",
        "contextlib",
        "html",
        "pathlib",
        "urllib",
        "xml",
    ];
    let used = |module: &str| {
        let top = module.split('.').next().unwrap_or(module);
        let mut imports = text.lines().filter_map(|line| {
            let line = line.trim_start();
            let rest = line
                .strip_prefix("import ")
                .or(line.strip_prefix("from "))?;
            rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
        });
        STANDARD.contains(&top) || imports.any(|it| it == top)
    };
    let safe = entry.examples(ExampleKind::Secure);
    let lines = safe.flat_map(|it| it.code.lines().map(str::trim).collect::<Vec<_>>());
    lines.into_iter().find_map(|line| {
        let (module, names) = line.strip_prefix("from ")?.split_once(" import ")?;
        let mut names = names.trim_matches(['(', ')']).split(',');
        let binds = names.any(|it| it.trim() == name);
        (binds && used(module)).then(|| format!("from {module} import {name}"))
    })
}

/// Adds the imports that new names need, and puts everything in the order of the text.
pub(crate) fn with_imports(code: &Code<'_>, region: &Range<usize>, edits: &mut Vec<Edit>) {
    // Names that one import would explain: models forget it more often than they need another name.
    for name in gate::unknown_names(code, region, edits) {
        if let Some(module) = gate::provider(code.language, &name)
            && let Some(import) =
                imports::ensure(code.language, code.text, code.root, module, region.start)
            && let Some(edit) = import.edit
            && (code.language == Language::C || import.name == name)
            && !edits.contains(&edit)
        {
            edits.push(edit);
        }
    }
    edits.sort_by_key(|it| (it.range.start, it.range.end));
    // Imports that begin a file bring a blank line each; one is enough for all.
    let blank = line_ending(code.text).repeat(2);
    for at in 1..edits.len() {
        let same = edits[at - 1].range == edits[at].range && edits[at].range.is_empty();
        if same && edits[at - 1].text.ends_with(&blank) {
            let short = edits[at - 1].text.len() - blank.len() / 2;
            edits[at - 1].text.truncate(short);
        }
    }
}

pub(crate) fn is_import(language: Language, line: &str) -> bool {
    match language {
        Language::Python => {
            line.starts_with("import ") || line.starts_with("from ") && line.contains(" import ")
        }
        Language::C => line.starts_with("#include"),
    }
}

/// Whether code uses a name that an import binds.
pub(crate) fn serves(language: Language, import: &str, code: &str) -> bool {
    if language == Language::C {
        return true;
    }
    let names = import.rsplit(" import ").next().unwrap_or(import);
    let names = names.strip_prefix("import ").unwrap_or(names);
    let mut bound = names.trim_matches(['(', ')']).split(',').map(|it| {
        let name = it.rsplit(" as ").next().unwrap_or(it).trim();
        name.split('.').next().unwrap_or(name)
    });
    bound.any(|name| has_word(code, name))
}

/// Whether a name stands in code, not as a part of another.
pub(crate) fn has_word(code: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.split(|c| !is_part(c)).any(|it| it == name)
}

/// The function of that name in an answer, which may hold more, and the imports around it.
fn of_function(
    language: Language,
    answer: &str,
    name: &str,
    old: &str,
) -> Result<(Vec<String>, String), Fault> {
    let tree = syntax::parse(language, answer);
    let mut found: Option<Range<usize>> = None;
    let mut several = false;
    walk(tree.root_node(), |node| {
        if node.kind_name() == "function_definition"
            && name_of(answer, node).as_deref() == Some(name)
        {
            several |= found.is_some();
            let decorated = node
                .parent()
                .filter(|it| it.kind_name() == "decorated_definition");
            let keeps = old.trim_start().starts_with('@');
            let node = decorated.filter(|_| keeps).unwrap_or(node);
            found = Some(gate::whole_lines(answer, &node.byte_range()));
            return Descend::Past;
        }
        Descend::Into
    });
    if several {
        return Err(Fault::SeveralBlocks);
    }
    let Some(found) = found else {
        return Err(Fault::OtherFunction);
    };
    let outside = answer[..found.start]
        .lines()
        .chain(answer[found.end.min(answer.len())..].lines());
    let body = &answer[found.clone()];
    let imports = outside
        .map(str::trim)
        .filter(|line| is_import(language, line) && serves(language, line, body));
    let imports = imports.map(str::to_owned).collect();
    Ok((imports, answer[found].to_owned()))
}

/// The imports that an answer begins with, and the rest.
fn without_imports(language: Language, answer: &str, old: &str) -> (Vec<String>, String) {
    let (mut imports, mut rest) = (Vec::new(), String::new());
    let mut begins = true;
    for line in answer.split_inclusive('\n') {
        let bare = line.trim();
        let known = old.lines().any(|it| it.trim() == bare);
        if begins && is_import(language, bare) && !known {
            imports.push(bare.to_owned());
            continue;
        }
        if begins && bare.is_empty() && !imports.is_empty() {
            continue;
        }
        begins &= bare.is_empty() || is_import(language, bare);
        rest.push_str(line);
    }
    (imports, rest)
}

/// Code with the indentation, the line endings and the last line's end of what it replaces.
fn laid_out(body: &str, old: &str, end: &str) -> String {
    let first = |text: &str| {
        let line = text
            .lines()
            .find(|it| !it.trim().is_empty())
            .unwrap_or("")
            .to_owned();
        line[..line.len() - line.trim_start().len()].to_owned()
    };
    let (was, is) = (first(old), first(body));
    let mut out = String::new();
    let tabs =
        old.lines().any(|it| it.starts_with('\t')) && !old.lines().any(|it| it.starts_with("  "));
    for line in body.lines() {
        let line = line.trim_end();
        if !line.is_empty() {
            let line = line.strip_prefix(is.as_str()).unwrap_or(line);
            if tabs {
                let blanks = line.len() - line.trim_start_matches(' ').len();
                out.push_str(&was);
                out.push_str(&"\t".repeat(blanks / 4));
                out.push_str(&line[blanks / 4 * 4..]);
            } else {
                out.push_str(&was);
                out.push_str(line);
            }
        }
        out.push_str(end);
    }
    if !old.ends_with('\n') {
        out.truncate(out.trim_end_matches(['\r', '\n']).len());
    }
    out
}

/// One edit for each run of lines that differ in more than blanks and comments.
fn changed_lines(language: Language, old: &str, new: &str, start: usize) -> Vec<Edit> {
    let mark = match language {
        Language::Python => "#",
        Language::C => "//",
    };
    let bare = |text: &str| {
        let lines = text.lines().map(|line| {
            let code = line.split(mark).next().unwrap_or(line);
            let indent = code.len() - code.trim_start().len();
            let words: String = code.split_whitespace().collect();
            let depth = if language == Language::Python && !words.is_empty() {
                indent
            } else {
                0
            };
            (depth, words)
        });
        lines
            .filter(|(_, words)| !words.is_empty())
            .collect::<Vec<_>>()
    };
    let hunks = gate::hunks(old, new);
    let real = hunks.into_iter().filter(|it| {
        let (was, is) = (&old[it.before.clone()], &new[it.after.clone()]);
        // A comment that hides the problem is an answer, and the gate shall see it.
        bare(was) != bare(is) || gate::silences(is) > gate::silences(was)
    });
    real.map(|it| tight(old, new, &it.before, &it.after, start))
        .collect()
}

/// An edit without what both sides begin and end with.
pub(crate) fn tight(
    old: &str,
    new: &str,
    before: &Range<usize>,
    after: &Range<usize>,
    start: usize,
) -> Edit {
    let (was, is) = (&old[before.clone()], &new[after.clone()]);
    if was.is_empty() {
        // What comes after the last line belongs to it, not to what follows.
        let end = line_ending(old);
        if before.start == old.len() && old.ends_with(end) && is.ends_with(end) {
            let at = start + before.start - end.len();
            return Edit::insertion(at, format!("{end}{}", &is[..is.len() - end.len()]));
        }
        return Edit::insertion(start + before.start, is);
    }
    let pairs = was.chars().zip(is.chars());
    let same = pairs.take_while(|(a, b)| a == b);
    let head: usize = same.map(|it| it.0.len_utf8()).sum();
    let pairs = was[head..].chars().rev().zip(is[head..].chars().rev());
    let same = pairs.take_while(|(a, b)| a == b);
    let tail: usize = same.map(|it| it.0.len_utf8()).sum();
    let range = start + before.start + head..start + before.end - tail;
    Edit::new(range, &is[head..is.len() - tail])
}

fn add_import(code: &Code<'_>, line: &str, at: usize, edits: &mut Vec<Edit>) {
    if code.text.lines().any(|it| it.trim() == line) {
        return;
    }
    let plain = match code.language {
        Language::Python => line.strip_prefix("import ").filter(|it| {
            it.chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
        }),
        Language::C => line
            .strip_prefix("#include")
            .map(|it| it.trim().trim_matches(['<', '>', '"'])),
    };
    if let Some(module) = plain {
        if let Some(import) = imports::ensure(code.language, code.text, code.root, module, at) {
            edits.extend(import.edit.filter(|it| !edits.contains(it)));
        }
        return;
    }
    // `from x import y`: the same place as for any import, with these words.
    let end = line_ending(code.text);
    let Some(line) = &missing(code.text, line) else {
        return;
    };
    if let Some(import) = imports::ensure(
        Language::Python,
        code.text,
        code.root,
        "__second_look__",
        at,
    ) && let Some(mut edit) = import.edit
    {
        edit.text = edit.text.replace("import __second_look__", line);
        if !edit.text.contains(end) {
            edit.text.push_str(end);
        }
        edits.push(edit);
    }
}

/// What of `from x import y, z` a text does not import so yet. `None` where all of it is there.
fn missing(text: &str, line: &str) -> Option<String> {
    let Some((module, names)) = line.split_once(" import ") else {
        return Some(line.to_owned());
    };
    if names.contains(['(', '*']) {
        return Some(line.to_owned());
    }
    let begin = format!("{module} import ");
    let known: Vec<&str> = text
        .lines()
        .filter_map(|it| it.strip_prefix(&begin))
        .flat_map(|it| it.trim_matches(['(', ')']).split(','))
        .map(str::trim)
        .collect();
    let fresh: Vec<&str> = names.split(',').map(str::trim).collect();
    let fresh: Vec<&str> = fresh.into_iter().filter(|it| !known.contains(it)).collect();
    (!fresh.is_empty()).then(|| format!("{begin}{}", fresh.join(", ")))
}

/// How much an edit changes, in bytes: what the smallest of several candidates is found by.
pub(crate) fn size(edits: &[Edit]) -> usize {
    edits.iter().map(|it| it.range.len() + it.text.len()).sum()
}
