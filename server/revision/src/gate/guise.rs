//! Changes that only look like a cure. Small models write them, and checkers that go by the
//! wording of a call believe them; each check here names one guise that was seen.

use std::collections::HashSet;
use std::ops::Range;

use analysis::{Finding, PartKey};
use syntax::{Descend, Language, Node, NodeNames, walk};

use super::Rejection;
use super::tree::{Call, Side, last, tally};

/// Comments that ask a checker to look away, in lower case.
const SILENCERS: &[&str] = &[
    "secondlook: ignore",
    "secondlook:ignore",
    "nosec",
    "noqa",
    "nolint",
    "nosemgrep",
    "nosonar",
    "flawfinder: ignore",
    "rats: ignore",
    "pylint: disable",
    "type: ignore",
    "noinspection",
    "codeql[",
    "lgtm",
    "coverity[",
    "its4: ignore",
    "gcc diagnostic",
    "clang diagnostic",
];

/// Names through which code reaches other names unseen.
const REFLECTION: &[&str] = &[
    "__import__",
    "__builtins__",
    "builtins",
    "compile",
    "dlsym",
    "eval",
    "exec",
    "getattr",
    "globals",
    "importlib",
    "locals",
    "setattr",
    "vars",
    "attrgetter",
    "methodcaller",
    "partial",
];

/// Calls that pass on what they are given: they refuse nothing and clean nothing.
const PROVES_NOTHING: &[&str] = &[
    "HttpResponse",
    "Markup",
    "Path",
    "PurePath",
    "Response",
    "abspath",
    "bytes",
    "bytearray",
    "decode",
    "encode",
    "expanduser",
    "expandvars",
    "format",
    "fspath",
    "getcwd",
    "html_safe",
    "join",
    "lower",
    "make_response",
    "mark_safe",
    "normcase",
    "normpath",
    "print",
    "repr",
    "str",
    "strdup",
    "strip",
    "upper",
];

/// Calls that a cure may add as statements of their own: they end, complain, clear or release.
const HARMLESS: &[&str] = &[
    "_exit",
    "abort",
    "append",
    "close",
    "debug",
    "error",
    "exit",
    "explicit_bzero",
    "extend",
    "fclose",
    "fflush",
    "fprintf",
    "free",
    "info",
    "memcpy",
    "memset",
    "perror",
    "puts",
    "raise_for_status",
    "snprintf",
    "strncat",
    "strncpy",
    "update",
    "validate",
    "warning",
];

/// How Python starts other programs.
const RUNNERS: &[&str] = &["run", "call", "check_call", "check_output", "Popen"];

/// How often a text asks a checker to look away.
pub(crate) fn silences(text: &str) -> usize {
    let text = text.to_lowercase();
    SILENCERS.iter().filter(|it| text.contains(**it)).count()
}

/// What is compared.
pub(super) struct Guises<'a> {
    pub(super) before: Side<'a>,
    pub(super) after: Side<'a>,
    /// The finding's function in both texts.
    pub(super) region: (Range<usize>, Range<usize>),
}

impl<'a> Guises<'a> {
    pub(super) fn check(&self, finding: Option<&Finding>) -> Result<(), Rejection> {
        self.silenced()?;
        self.reflection(finding)?;
        self.swallowed(finding)?;
        self.extra_calls(finding)?;
        if self.before.language == Language::Python {
            self.shell_string()?;
            self.compared()?;
        }
        if let Some(finding) = finding {
            self.proves_something(finding)
        } else {
            Ok(())
        }
    }

    fn silenced(&self) -> Result<(), Rejection> {
        // Reading a text takes less than visiting its tree, and most say no such thing.
        if silences(self.after.text) == 0 {
            return Ok(());
        }
        let comments = |side: &Side<'a>| {
            let mut out: Vec<(usize, usize)> = Vec::new();
            walk(side.root, |node| {
                if matches!(node.kind_name(), "comment" | "preproc_call") {
                    let count = silences(side.of(node));
                    if count > 0 {
                        out.push((node.start_byte(), count));
                    }
                }
                Descend::Into
            });
            out
        };
        let (old, new) = (comments(&self.before), comments(&self.after));
        let sum = |list: &[(usize, usize)]| list.iter().map(|it| it.1).sum::<usize>();
        if sum(&new) > sum(&old) {
            let line = new.last().map_or(1, |it| self.after.line(it.0));
            return Err(Rejection::Silenced { line });
        }
        Ok(())
    }

    fn reflection(&self, finding: Option<&Finding>) -> Result<(), Rejection> {
        for name in REFLECTION {
            if self.after.count_name(name) > self.before.count_name(name) {
                return Err(Rejection::Reflection {
                    name: (*name).to_owned(),
                });
            }
        }
        // The flagged function under another name.
        let callee =
            finding.and_then(|it| it.parts.iter().find(|it| it.key == PartKey::CalleeName));
        let Some(name) = callee.and_then(|it| self.before.text.get(it.range.clone())) else {
            return Ok(());
        };
        let spoken = |side: &Side<'a>| {
            let counts = |leaf: &Node<'a>| {
                let mut text = None;
                let mut node = *leaf;
                loop {
                    if matches!(node.kind_name(), "string" | "string_literal") {
                        text = Some(node);
                    }
                    match node.parent() {
                        Some(parent) => node = parent,
                        None => break,
                    }
                }
                match (text, leaf.kind_name()) {
                    (Some(text), _) => side.of(text).trim_matches(['"', '\'']) == name,
                    (None, "identifier" | "field_identifier") => {
                        side.of(*leaf) == name && !is_called(*leaf) && !is_keyword(*leaf)
                    }
                    _ => false,
                }
            };
            side.leaves(name).filter(counts).count()
        };
        if spoken(&self.after) > spoken(&self.before) {
            return Err(Rejection::Reflection {
                name: name.to_owned(),
            });
        }
        Ok(())
    }

    /// The flagged call stands in a new `try` as it stood before.
    fn swallowed(&self, finding: Option<&Finding>) -> Result<(), Rejection> {
        let Some(call) = finding.and_then(|it| self.before.text.get(it.matched.clone())) else {
            return Ok(());
        };
        let wanted: String = call.split_whitespace().collect();
        let tries = |side: &Side<'a>, range: &Range<usize>| {
            let mut found = false;
            side.within(range, |node| {
                if node.kind_name() == "try_statement" {
                    let text: String = side.of(node).split_whitespace().collect();
                    found |= text.contains(&wanted);
                }
            });
            found
        };
        if tries(&self.after, &self.region.1) && !tries(&self.before, &self.region.0) {
            return Err(Rejection::Swallowed);
        }
        Ok(())
    }

    /// A call that nothing asked for: an answer may do what a comment in the code told it to do.
    fn extra_calls(&self, finding: Option<&Finding>) -> Result<(), Rejection> {
        let bare = |side: &Side<'a>, range: &Range<usize>| {
            let calls = side.calls(range).into_iter();
            let bare = calls.filter(|it| {
                let node = side
                    .root
                    .descendant_for_byte_range(it.range.start, it.range.end);
                let statement = node.and_then(|it| it.parent());
                statement.is_some_and(|it| it.kind_name() == "expression_statement")
            });
            bare.map(|it| it.name).collect::<Vec<_>>()
        };
        let old = bare(&self.before, &self.region.0);
        let new = bare(&self.after, &self.region.1);
        if new.len() <= old.len() {
            return Ok(());
        }
        let own = finding
            .map(|it| super::words_of(&it.entry))
            .unwrap_or_default();
        let known = tally(&old);
        for (name, count) in tally(&new) {
            let more = known.get(name).copied().unwrap_or(0) < count;
            let end = last(name);
            if more && !HARMLESS.contains(&end) && !own.contains(end) {
                return Err(Rejection::Extra { call: name.clone() });
            }
        }
        Ok(())
    }

    /// `shell=True` is gone, and the command is one string still: nothing runs any more.
    fn shell_string(&self) -> Result<(), Rejection> {
        if !self.after.text.contains("subprocess") {
            return Ok(());
        }
        let runs = |side: &Side<'a>, range: &Range<usize>| {
            let calls = side.calls(range).into_iter();
            calls
                .filter(|it| RUNNERS.contains(&last(&it.name)))
                .map(|it| Run::of(side, &it))
                .collect::<Vec<_>>()
        };
        let old = runs(&self.before, &self.region.0);
        let new = runs(&self.after, &self.region.1);
        let strings = |runs: &[Run<'a>]| runs.iter().filter(|it| !it.shell && it.string).count();
        if strings(&new) > strings(&old) {
            return Err(Rejection::ShellString);
        }
        // The same variable without the shell: unless its value was changed into a list.
        for run in new.iter().filter(|it| !it.shell && it.name.is_some()) {
            let was = old.iter().any(|it| it.shell && it.name == run.name);
            if was && !self.now_list(run.name.unwrap_or("")) {
                return Err(Rejection::ShellString);
            }
        }
        Ok(())
    }

    /// Whether a variable is bound to a list, or to what splits a string into one.
    fn now_list(&self, name: &str) -> bool {
        let side = &self.after;
        let mut listed = false;
        side.within(&self.region.1, |node| {
            if node.kind_name() == "assignment"
                && node.field("left").is_some_and(|it| side.of(it) == name)
                && let Some(value) = node.field("right")
            {
                listed = matches!(value.kind_name(), "list" | "list_comprehension" | "tuple")
                    || value.kind_name() == "call" && side.of(value).contains("split(");
            }
        });
        listed
    }

    /// `password == username`: a constant gave way to what the same caller sends.
    fn compared(&self) -> Result<(), Rejection> {
        let pairs = |side: &Side<'a>, range: &Range<usize>| {
            let mut out = HashSet::new();
            let mut parameters = HashSet::new();
            side.within(range, |node| {
                if node.kind_name() == "parameters" {
                    parameters.extend(side.name_set(&node.byte_range()));
                }
            });
            side.within(range, |node| {
                if node.kind_name() == "comparison_operator" && node.named_child_count() == 2 {
                    let operands: Vec<_> = (0..2).filter_map(|at| node.named_child(at)).collect();
                    let free = |it: &Node<'_>| {
                        it.kind_name() == "identifier" && parameters.contains(side.of(*it))
                            || side.of(*it).starts_with("request.")
                    };
                    if operands.iter().all(free) {
                        out.insert(side.of(node).split_whitespace().collect::<String>());
                    }
                }
            });
            out
        };
        let old = pairs(&self.before, &self.region.0);
        let new = pairs(&self.after, &self.region.1);
        if let Some(pair) = new.difference(&old).min() {
            return Err(Rejection::Compared { pair: pair.clone() });
        }
        Ok(())
    }

    /// Something other than passing the same data through another call was done.
    fn proves_something(&self, finding: &Finding) -> Result<(), Rejection> {
        let old = tally(
            self.before
                .calls(&self.region.0)
                .into_iter()
                .map(|it| it.name),
        );
        let new = tally(
            self.after
                .calls(&self.region.1)
                .into_iter()
                .map(|it| it.name),
        );
        let added: Vec<&String> = new
            .iter()
            .filter(|(name, count)| old.get(*name).copied().unwrap_or(0) < **count)
            .map(|(name, _)| name)
            .collect();
        let own = super::words_of(&finding.entry);
        let idle =
            |name: &&String| PROVES_NOTHING.contains(&last(name)) && !own.contains(last(name));
        if added.is_empty() || !added.iter().all(idle) {
            return Ok(());
        }
        let guards = |side: &Side<'a>, range: &Range<usize>| {
            let mut count = 0;
            side.within(range, |node| {
                count += usize::from(matches!(
                    node.kind_name(),
                    "if_statement"
                        | "elif_clause"
                        | "raise_statement"
                        | "assert_statement"
                        | "conditional_expression"
                        | "comparison_operator"
                        | "boolean_operator"
                ));
            });
            count
        };
        let literals = |side: &Side<'a>, range: &Range<usize>| side.literals(range);
        let (was, is) = (
            literals(&self.before, &self.region.0),
            literals(&self.after, &self.region.1),
        );
        let kept = was
            .iter()
            .all(|(text, count)| is.get(text).copied().unwrap_or(0) >= *count);
        let guarded = guards(&self.after, &self.region.1) > guards(&self.before, &self.region.0);
        if kept && !guarded {
            let call = added.into_iter().min().cloned().unwrap_or_default();
            return Err(Rejection::Wrapped { call });
        }
        Ok(())
    }
}

/// How one call starts a program.
struct Run<'a> {
    shell: bool,
    /// The command is written as one string.
    string: bool,
    /// The command is this variable.
    name: Option<&'a str>,
}

impl<'a> Run<'a> {
    fn of(side: &Side<'a>, call: &Call<'a>) -> Self {
        let mut out = Self {
            shell: false,
            string: false,
            name: None,
        };
        let Some(arguments) = call.arguments else {
            return out;
        };
        let mut cursor = arguments.walk();
        for argument in arguments.named_children(&mut cursor) {
            if argument.kind_name() == "keyword_argument" {
                let text: String = side.of(argument).split_whitespace().collect();
                out.shell |= text.starts_with("shell=") && text != "shell=False";
            }
        }
        let mut cursor = arguments.walk();
        let first = arguments
            .named_children(&mut cursor)
            .find(|it| it.kind_name() != "comment");
        if let Some(first) = first {
            let blank = |node: Node<'_>| side.of(node).contains(' ');
            out.string = matches!(first.kind_name(), "string" | "concatenated_string")
                && blank(first)
                || first.kind_name() == "binary_operator";
            out.name = (first.kind_name() == "identifier").then(|| side.of(first));
        }
        out
    }
}

fn is_called(node: Node<'_>) -> bool {
    let Some(parent) = node.parent() else {
        return false;
    };
    if parent.field("function") == Some(node) {
        return true;
    }
    let last_of = parent.field("attribute") == Some(node) || parent.field("field") == Some(node);
    last_of
        && parent
            .parent()
            .is_some_and(|it| it.field("function") == Some(parent))
}

fn is_keyword(node: Node<'_>) -> bool {
    node.parent()
        .is_some_and(|it| it.kind_name() == "keyword_argument" && it.field("name") == Some(node))
}
