//! A revision keeps what the code is to others: functions, parameters, what they give back, the
//! calls they make, what they read. Knows nothing of weaknesses but where the finding stands.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use analysis::{Finding, PartKey};
use syntax::{Descend, Node, NodeNames, walk};

use super::Rejection;
use super::tree::{Call, Side, contains, is_function, last, overlap, statements, tally};
use crate::helper;

/// Calls without an effect, which building a text in another way may do without.
const PURE: &[&str] = &[
    "bool",
    "bytearray",
    "bytes",
    "chr",
    "decode",
    "dict",
    "encode",
    "enumerate",
    "float",
    "format",
    "hex",
    "hexdigest",
    "int",
    "isinstance",
    "items",
    "iter",
    "join",
    "keys",
    "len",
    "list",
    "lower",
    "lstrip",
    "map",
    "max",
    "min",
    "next",
    "now",
    "ord",
    "quote",
    "range",
    "replace",
    "repr",
    "rstrip",
    "set",
    "snprintf",
    "sorted",
    "split",
    "sprintf",
    "str",
    "strcat",
    "strcpy",
    "strip",
    "strlen",
    "strncat",
    "strncpy",
    "time",
    "time_ns",
    "tuple",
    "upper",
    "utcnow",
    "values",
    "zip",
];

/// What is compared.
pub(super) struct Shapes<'a> {
    pub(super) before: Side<'a>,
    pub(super) after: Side<'a>,
    /// The finding's function in both texts.
    pub(super) region: (Range<usize>, Range<usize>),
}

impl<'a> Shapes<'a> {
    pub(super) fn check(&self, finding: Option<&Finding>) -> Result<(), Rejection> {
        self.signatures(finding)?;
        self.results()?;
        self.reachable()?;
        self.not_gutted()?;
        self.inputs(finding)?;
        self.idle_names()?;
        self.calls(finding)
    }

    /// Every function and class with its name, parameters, type and decorators.
    fn signatures(&self, finding: Option<&Finding>) -> Result<(), Rejection> {
        let matched = finding.map(|it| it.matched.clone());
        let list = |side: &Side<'a>, skip: Option<&Range<usize>>| {
            let mut out: Vec<String> = Vec::new();
            walk(side.root, |node| {
                let kind = node.kind_name();
                if kind == "decorator" {
                    if !skip.is_some_and(|skip| overlap(skip, &node.byte_range())) {
                        out.push(flat(side.of(node)));
                    }
                } else if is_function(node)
                    || kind == "class_definition"
                    || kind == "struct_specifier"
                {
                    let body = node.field("body");
                    let end = body.map_or(node.end_byte(), |it| it.start_byte());
                    let head = side.text.get(node.start_byte()..end).unwrap_or("");
                    let head = without_comments(head);
                    out.push(flat(&head));
                }
                Descend::Into
            });
            out
        };
        let in_decorator = matched.filter(|range| {
            let mut node = self
                .before
                .root
                .descendant_for_byte_range(range.start, range.end);
            while let Some(it) = node {
                if it.kind_name() == "decorator" {
                    return true;
                }
                node = it.parent();
            }
            false
        });
        let old = list(&self.before, in_decorator.as_ref());
        let new = list(&self.after, None);
        let (old, new) = (tally(old), tally(new));
        for (head, count) in &old {
            if new.get(head).copied().unwrap_or(0) < *count {
                return Err(Rejection::Signature {
                    name: name_of(head),
                });
            }
        }
        for (head, count) in &new {
            let known = old.get(head).copied().unwrap_or(0);
            if known < *count && (in_decorator.is_none() || !head.starts_with('@')) {
                let name = name_of(head);
                let vouched = |it: &Finding| {
                    helper::stands(
                        it,
                        self.after.language,
                        self.after.text,
                        self.after.root,
                        &name,
                    )
                };
                if known + 1 < *count || !finding.is_some_and(vouched) {
                    return Err(Rejection::Wrapper { name });
                }
            }
        }
        Ok(())
    }

    /// What each function gives back.
    fn results(&self) -> Result<(), Rejection> {
        let functions = |side: &Side<'a>, range: &Range<usize>| {
            let mut out = Vec::new();
            walk(side.root, |node| {
                if !overlap(range, &node.byte_range()) {
                    return Descend::Past;
                }
                if is_function(node) {
                    out.push(node);
                }
                Descend::Into
            });
            out
        };
        let old = functions(&self.before, &self.region.0);
        let new = functions(&self.after, &self.region.1);
        for (old, new) in old.iter().zip(&new) {
            let before = Results::of(&self.before, *old);
            let after = Results::of(&self.after, *new);
            let name = || {
                let declarator = old.field("name").or_else(|| old.field("declarator"));
                name_of(declarator.map_or("", |it| self.before.of(it)))
            };
            let fewer = after.values < before.values;
            let first = before.values == 0 && after.values > 0;
            let tuples = before.tuples == 0 && after.tuples > 0 && !before.decorated;
            let yields = (before.yields == 0) != (after.yields == 0);
            if fewer || first || tuples || yields {
                return Err(Rejection::Result { function: name() });
            }
        }
        Ok(())
    }

    /// Code that can no longer run.
    fn reachable(&self) -> Result<(), Rejection> {
        let old = dead(&self.before, &self.region.0);
        let new = dead(&self.after, &self.region.1);
        if new.len() > old.len() {
            let line = new.last().map_or(1, |at| self.after.line(*at));
            return Err(Rejection::Unreachable { line });
        }
        Ok(())
    }

    fn not_gutted(&self) -> Result<(), Rejection> {
        let empty = |side: &Side<'_>, range: &Range<usize>| {
            let mut count = 0;
            walk(side.root, |node| {
                if !overlap(range, &node.byte_range()) {
                    return Descend::Past;
                }
                if is_function(node)
                    && let Some(body) = node.field("body")
                {
                    count += usize::from(statements(body).into_iter().all(|it| is_idle(it)));
                }
                Descend::Into
            });
            count
        };
        if empty(&self.after, &self.region.1) > empty(&self.before, &self.region.0) {
            return Err(Rejection::Gutted);
        }
        Ok(())
    }

    /// Parameters and sources that were read must still be read.
    fn inputs(&self, finding: Option<&Finding>) -> Result<(), Rejection> {
        let old = self.reads(&self.before, &self.region.0);
        let new = self.reads(&self.after, &self.region.1);
        // What is drawn at random is made of nothing, where the entry says to draw it.
        let drawn = finding.is_some_and(|it| {
            let draws = |call: &Call<'_>| {
                call.name.starts_with("secrets.") && it.entry.apis.contains(&call.name)
            };
            let before = self.before.calls(&self.region.0);
            let after = self.after.calls(&self.region.1);
            after.iter().any(draws) && !before.iter().any(draws)
        });
        for (function, name) in old.iter().filter(|_| !drawn) {
            if !new.contains(&(*function, *name)) {
                return Err(Rejection::Input {
                    name: (*name).to_owned(),
                });
            }
        }
        let source = finding.and_then(|it| it.trace.first().map(|step| &step.range));
        if let Some(source) = source.filter(|it| contains(&self.region.0, it)) {
            let mut node = self
                .before
                .root
                .descendant_for_byte_range(source.start, source.end);
            // A call is looked at with the other calls, a parameter with the parameters.
            while let Some(it) = node.filter(|it| contains(source, &it.byte_range())) {
                if matches!(
                    it.kind_name(),
                    "subscript" | "attribute" | "subscript_expression"
                ) {
                    let wanted = flat(self.before.of(it));
                    let mut kept = false;
                    self.after.within(&self.region.1, |node| {
                        kept |= node.kind_name() == it.kind_name()
                            && flat(self.after.of(node)) == wanted;
                    });
                    if !kept {
                        return Err(Rejection::Input { name: wanted });
                    }
                }
                node = it.parent();
            }
        }
        Ok(())
    }

    /// Every variable that is new is used.
    fn idle_names(&self) -> Result<(), Rejection> {
        let names = self.after.names(&self.region.1);
        let counts = tally(names.iter().map(|(name, _)| *name));
        let assigned = |node: &Node<'_>| {
            node.parent().is_some_and(|it| {
                it.kind_name() == "assignment" && it.field("left") == Some(*node)
                    || it.kind_name() == "init_declarator" && it.field("declarator") == Some(*node)
            })
        };
        for (name, node) in &names {
            // What a module binds may be used by others.
            let inner = || node.start_byte() > self.region.1.start && enclosed(*node);
            let idle = counts.get(name).copied() == Some(1) && !name.starts_with('_');
            if idle && assigned(node) && inner() && self.before.count_name(name) == 0 {
                return Err(Rejection::Idle {
                    name: (*name).to_owned(),
                });
            }
        }
        Ok(())
    }

    /// The parameters that each function reads, with the place of the function among all.
    fn reads(&self, side: &Side<'a>, range: &Range<usize>) -> HashSet<(usize, &'a str)> {
        let mut out = HashSet::new();
        let mut at = 0;
        walk(side.root, |node| {
            if !overlap(range, &node.byte_range()) {
                return Descend::Past;
            }
            if is_function(node) {
                let head = node.field("parameters").or_else(|| parameters_of(node));
                if let (Some(head), Some(body)) = (head, node.field("body")) {
                    let used = side.name_set(&body.byte_range());
                    for (name, _) in side.names(&head.byte_range()) {
                        if used.contains(name) && !matches!(name, "self" | "cls") {
                            out.insert((at, name));
                        }
                    }
                }
                at += 1;
            }
            Descend::Into
        });
        out
    }

    /// No call is lost, but for the one that the finding is about, which something must replace.
    fn calls(&self, finding: Option<&Finding>) -> Result<(), Rejection> {
        let old = self.before.calls(&self.region.0);
        let new = self.after.calls(&self.region.1);
        let kept = tally(new.iter().map(|it| it.name.as_str()));
        let known = tally(old.iter().map(|it| it.name.as_str()));
        let added = kept
            .iter()
            .any(|(name, count)| known.get(name).copied().unwrap_or(0) < *count);
        let mut lost: HashMap<&str, usize> = HashMap::new();
        for (name, count) in &known {
            let left = kept.get(name).copied().unwrap_or(0);
            if left < *count {
                lost.insert(name, count - left);
            }
        }
        // What is done with the result of the flagged call is done in another way only where that call
        // itself is gone.
        let replaced = finding.is_some_and(|it| {
            let callee = it.parts.iter().find(|it| it.key == PartKey::Callee);
            let flagged = callee.and_then(|it| old.iter().find(|call| call.callee == it.range));
            flagged.is_none_or(|it| lost.contains_key(it.name.as_str()))
        });
        for call in &old {
            let Some(missing) = lost.get_mut(call.name.as_str()).filter(|it| **it > 0) else {
                continue;
            };
            // Another way to open the same, another callee in the very same place, or another way to
            // do all that was done with what is flagged, that the entry itself shows as safe.
            let opens = matches!(last(&call.name), "open" | "fopen");
            let renewed = added
                && finding.is_some_and(|it| {
                    let shown = |way: &str| {
                        let mut safe = it.entry.examples(kb_schema::ExampleKind::Secure);
                        safe.any(|it| it.code.contains(way))
                    };
                    let more = |it: &&Call<'_>| !known.contains_key(it.name.as_str());
                    let mut ways = new.iter().filter(more);
                    let place = self.before.around(call);
                    let around = replaced && self.is_made_of(call, it);
                    ways.any(|it| {
                        (opens || around || self.after.around(it) == place) && shown(last(&it.name))
                    })
                });
            if !renewed && !self.may_go(call, finding) {
                continue;
            }
            *missing -= 1;
            let same = new.iter().any(|it| {
                it.name == call.name
                    && self.after.text.get(it.range.clone())
                        == self.before.text.get(call.range.clone())
            });
            let cure = finding.is_some_and(|it| removal_cures(&it.entry));
            if !added && !same && !cure && !PURE.contains(&last(&call.name)) {
                return Err(Rejection::Dropped {
                    call: call.name.clone(),
                });
            }
        }
        if let Some((name, _)) = lost.iter().filter(|(_, it)| **it > 0).min() {
            return Err(Rejection::Dropped {
                call: (*name).to_owned(),
            });
        }
        self.target(finding)
    }

    fn may_go(&self, call: &Call<'_>, finding: Option<&Finding>) -> bool {
        if PURE.contains(&last(&call.name)) {
            return true;
        }
        let Some(finding) = finding else {
            return false;
        };
        let callee = finding.parts.iter().find(|it| it.key == PartKey::Callee);
        let of_finding = callee.is_some_and(|it| it.range == call.callee)
            || call.range == finding.matched
            // `os.popen(x).read()`: a method of what the flagged call gives.
            || contains(&call.callee, &finding.matched);
        // Where what is flagged is no call, a call within may be the weak one.
        let within = callee.is_none() && contains(&finding.matched, &call.range);
        let mut apis = finding.entry.apis.iter();
        let named = apis.any(|it| last(it) == last(&call.name))
            && (contains(&finding.matched, &call.range)
                || finding
                    .trace
                    .iter()
                    .any(|it| overlap(&it.range, &call.range))
                || finding.slice.iter().any(|it| overlap(it, &call.range)));
        // A constant in the form of a call: `EVP_md5()`.
        let constant = call.arguments.is_some_and(|it| it.named_child_count() == 0)
            && callee.is_some_and(|it| it.range != call.callee)
            && contains(&finding.matched, &call.range)
            && !call.name.contains('.');
        of_finding || within || named || constant
    }

    /// Whether a call is given what is flagged, or is a method of what was made of it.
    fn is_made_of(&self, call: &Call<'a>, finding: &Finding) -> bool {
        let within = |range: &Range<usize>| contains(range, &finding.matched);
        // A call that nobody takes the value of is there for what it does.
        let node = self.before.root;
        let node = node.descendant_for_byte_range(call.range.start, call.range.end);
        let parent = node.and_then(|it| it.parent());
        if parent.is_none_or(|it| it.kind_name() == "expression_statement") {
            return false;
        }
        if within(&call.range) && !within(&call.callee) {
            return true;
        }
        let Some(receiver) = call.name.split('.').next().filter(|it| *it != call.name) else {
            return false;
        };
        let mut made: HashSet<&str> = HashSet::new();
        self.before.within(&self.region.0, |node| {
            let right = node.field("right").or_else(|| node.field("value"));
            let left = node.field("left").or_else(|| node.field("declarator"));
            let (Some(left), Some(right)) = (left, right) else {
                return;
            };
            let of = within(&right.byte_range())
                || !self.before.name_set(&right.byte_range()).is_disjoint(&made);
            if of {
                made.extend(self.before.name_set(&left.byte_range()));
            }
        });
        made.contains(receiver)
    }

    /// What is flagged for being assigned is still assigned.
    fn target(&self, finding: Option<&Finding>) -> Result<(), Rejection> {
        let target = finding.and_then(|it| it.parts.iter().find(|it| it.key == PartKey::Target));
        let Some(target) = target else {
            return Ok(());
        };
        for (name, node) in self.before.names(&target.range) {
            let left = |it: Node<'_>| {
                it.field("left") == Some(node) || it.field("declarator") == Some(node)
            };
            let assigned = node.parent().is_some_and(left);
            if assigned && !self.after.name_set(&self.region.1).contains(name) {
                return Err(Rejection::Dropped {
                    call: name.to_owned(),
                });
            }
        }
        Ok(())
    }
}

fn enclosed(mut node: Node<'_>) -> bool {
    while let Some(parent) = node.parent() {
        if is_function(parent) {
            return true;
        }
        node = parent;
    }
    false
}

/// Whether an entry itself cures by taking the call out.
fn removal_cures(entry: &kb_schema::Entry) -> bool {
    let mut fixes = entry.fixes.iter().filter_map(|it| it.replace.as_deref());
    fixes.any(|it| !it.contains(['(', '{', '[']))
}

fn parameters_of(function: Node<'_>) -> Option<Node<'_>> {
    let mut node = function.field("declarator")?;
    loop {
        if let Some(list) = node.field("parameters") {
            return Some(list);
        }
        node = node.field("declarator")?;
    }
}

fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn without_comments(head: &str) -> String {
    let lines = head.lines();
    lines
        .map(|line| line.split(" #").next().unwrap_or(line))
        .map(|line| line.split("//").next().unwrap_or(line))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The name in a head such as `def name(a, b):` or `static int name(char *p)`.
fn name_of(head: &str) -> String {
    let head = head.split(['(', ':', '{']).next().unwrap_or(head).trim();
    let name = head.rsplit([' ', '*']).next().unwrap_or(head);
    name.to_owned()
}

/// Whether a statement does nothing.
fn is_idle(statement: Node<'_>) -> bool {
    match statement.kind_name() {
        "pass_statement" | "raise_statement" => true,
        "return_statement" => statement.named_child(0).is_none_or(is_constant),
        "expression_statement" => statement
            .named_child(0)
            .is_none_or(|it| matches!(it.kind_name(), "string" | "ellipsis")),
        _ => false,
    }
}

fn is_constant(node: Node<'_>) -> bool {
    let simple = matches!(
        node.kind_name(),
        "none"
            | "true"
            | "false"
            | "string"
            | "integer"
            | "float"
            | "number_literal"
            | "string_literal"
            | "null"
            | "char_literal"
            | "list"
            | "dictionary"
            | "tuple"
            | "unary_operator"
            | "unary_expression"
            | "parenthesized_expression"
    );
    let mut cursor = node.walk();
    simple
        && (!matches!(node.kind_name(), "string")
            || !node
                .named_children(&mut cursor)
                .any(|it| it.kind_name() == "interpolation"))
        && (!matches!(
            node.kind_name(),
            "list"
                | "dictionary"
                | "tuple"
                | "unary_operator"
                | "unary_expression"
                | "parenthesized_expression"
        ) || {
            let mut cursor = node.walk();
            let children: Vec<_> = node.named_children(&mut cursor).collect();
            children.into_iter().all(|it| {
                matches!(
                    it.kind_name(),
                    "none"
                        | "true"
                        | "false"
                        | "string"
                        | "integer"
                        | "float"
                        | "number_literal"
                        | "string_literal"
                        | "null"
                        | "char_literal"
                )
            })
        })
}

/// What the `return`s of one function give.
#[derive(Debug, Default)]
struct Results {
    /// Returns of something that is no constant.
    values: usize,
    tuples: usize,
    yields: usize,
    decorated: bool,
}

impl Results {
    fn of(side: &Side<'_>, function: Node<'_>) -> Self {
        let mut out = Self {
            decorated: function
                .parent()
                .is_some_and(|it| it.kind_name() == "decorated_definition"),
            ..Self::default()
        };
        let Some(body) = function.field("body") else {
            return out;
        };
        walk(body, |node| {
            match node.kind_name() {
                "function_definition" | "lambda" | "class_definition" => return Descend::Past,
                "yield" => out.yields += 1,
                "return_statement" => {
                    let value = node.named_child(0).filter(|it| it.kind_name() != "comment");
                    if let Some(value) = value {
                        // C gives one value, whose number says what went wrong.
                        let counts = side.language == syntax::Language::C || !is_constant(value);
                        out.values += usize::from(counts);
                        let tuple = matches!(value.kind_name(), "expression_list" | "tuple");
                        out.tuples += usize::from(tuple);
                    }
                }
                _ => {}
            }
            Descend::Into
        });
        out
    }
}

/// Where code stands that cannot run: after what ends its block, or under a condition that is
/// written as a constant.
fn dead(side: &Side<'_>, range: &Range<usize>) -> Vec<usize> {
    let mut out = Vec::new();
    side.within(range, |node| match node.kind_name() {
        "block" | "compound_statement" => {
            let list = statements(node);
            for pair in list.windows(2) {
                let ends = matches!(
                    pair[0].kind_name(),
                    "return_statement"
                        | "raise_statement"
                        | "break_statement"
                        | "continue_statement"
                ) || is_exit(side, pair[0]);
                let label = matches!(pair[1].kind_name(), "labeled_statement" | "case_statement");
                if ends && !label {
                    out.push(pair[1].start_byte());
                }
            }
        }
        "if_statement" | "while_statement" | "elif_clause" => {
            let condition = node.field("condition");
            let condition = condition.map_or("", |it| side.of(it));
            let condition = condition.trim_matches(['(', ')', ' ']);
            let idle = [
                "False",
                "True",
                "0",
                "1",
                "None",
                "false",
                "true",
                "not True",
                "not False",
            ];
            if idle.contains(&condition)
                && (node.kind_name() != "while_statement"
                    || condition != "True" && condition != "1")
            {
                out.push(node.start_byte());
            }
        }
        "conditional_expression" => {
            let condition = node.field("condition").or_else(|| node.named_child(1));
            let text = condition.map_or("", |it| side.of(it));
            if ["False", "True", "0", "1", "None"].contains(&text.trim_matches(['(', ')', ' '])) {
                out.push(node.start_byte());
            }
        }
        "preproc_if" | "preproc_ifdef" => out.push(node.start_byte()),
        _ => {}
    });
    out
}

fn is_exit(side: &Side<'_>, statement: Node<'_>) -> bool {
    let text = side.of(statement);
    ["exit(", "sys.exit(", "abort(", "os._exit(", "quit("]
        .iter()
        .any(|it| text.starts_with(it))
        && statement.kind_name() == "expression_statement"
}
