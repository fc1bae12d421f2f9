//! The escape hatch: raw tree-sitter queries, run only where their words stand.
//! It knows queries and text; what a hit means is the rule's business.

mod around;
mod below;
mod matcher;
mod needs;
mod pattern;

use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
use around::{Around, Match};
pub(crate) use below::Below;
use kb_schema::{Shape, open_expression};
use memchr::memmem;
use pattern::Pattern;
use syntax::{Descend, Language, NodeNames, walk};
use tree_sitter::{Node, Query, QueryCursor, StreamingIterator};

use crate::layout;

/// The capture that is reported.
const CAPTURE: &str = "finding";

/// A raw query of one rule.
pub(crate) struct RawQuery {
    pub(crate) rule: u32,
    language: Language,
    source: String,
    /// How many levels of a tree a match can span.
    depth: usize,
    /// It begins at the root, and so is run once for a text.
    pub(crate) whole_file: bool,
    /// A match takes in the methods of a class.
    pub(crate) spans_classes: bool,
    /// It asks about the methods of a class, which lie outside of the module's own text.
    pub(crate) reads_methods: bool,
    /// As a pattern of our own, where it can be read as one.
    own: OnceLock<Option<Own>>,
    /// As tree-sitter runs it, which is asked for the rest.
    compiled: OnceLock<Option<Compiled>>,
    /// Of each group one word must occur in the text.
    words: Vec<Vec<String>>,
    /// Its expressions, as the entry has them.
    known: Vec<Shape>,
    /// The expressions that some node's text must fit, and those that text around it must.
    shapes: OnceLock<(Vec<Shape>, Vec<Shape>)>,
    /// Keywords and operators that the nodes it names are written with: of each group one.
    implied: Vec<Vec<String>>,
    /// A match begins at one node.
    rooted: bool,
    /// The kind of node that a match begins at, where there is only one.
    kind: Option<String>,
    /// Finders of the pieces that its expressions demand.
    pieces: OnceLock<Vec<(AhoCorasick, Option<Shape>)>>,
}

/// Something that no match of a query is without, by its number among its like.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Demanded {
    /// A keyword or an operator.
    Implied(usize),
    /// A whole word.
    Word(usize),
    /// A piece of what an expression asks for.
    Piece(usize),
}

/// A query that is run by our own matcher.
struct Own {
    pattern: Pattern,
    /// What it asks of the text around a match.
    around: Around,
    /// The capture that is reported.
    finding: u32,
}

/// A query that tree-sitter runs.
struct Compiled {
    query: Query,
    /// What each of its patterns asks of the text around a match.
    around: Vec<Around>,
    /// The capture that is reported.
    finding: u32,
}

/// Where a query is run.
struct Place<'r, 't> {
    text: &'r str,
    /// The function.
    root: Node<'t>,
    /// The nodes that a match may begin at; all, where they are not known.
    starts: Option<Vec<Node<'t>>>,
}

impl RawQuery {
    /// Takes a query in. One that is not `proven` is compiled at once, so that its author hears of
    /// a mistake; compiling takes milliseconds, which a bundled one costs only when it is needed.
    ///
    /// # Errors
    /// What is wrong with the query.
    pub(crate) fn new(
        rule: u32,
        language: Language,
        source: &str,
        proven: bool,
    ) -> Result<Self, String> {
        let compiled = OnceLock::new();
        if !proven {
            let query = compile(language, source)?;
            let _ = compiled.set(Some(query));
        }
        let asks = |of: &str| source.contains(of);
        let spans_classes = asks("(class_definition");
        Ok(Self {
            rule,
            language,
            spans_classes,
            reads_methods: spans_classes && (asks("(block) @") || asks("(function_definition")),
            source: source.to_owned(),
            own: OnceLock::new(),
            compiled,
            depth: needs::depth(source),
            whole_file: begins_at_root(source),
            implied: needs::implied(source),
            kind: needs::kind(source),
            rooted: needs::is_rooted(source),
            words: needs::words(source),
            known: Vec::new(),
            shapes: OnceLock::new(),
            pieces: OnceLock::new(),
        })
    }

    /// The same with its expressions, what they need worked out already.
    pub(crate) fn with(mut self, expressions: &[Shape]) -> Self {
        self.known = expressions.to_vec();
        self
    }

    /// Whether it asks for an `except` that names nothing: its colon follows at once.
    pub(crate) fn asks_bare_except(&self) -> bool {
        needs::patterns(&self.source) == 1
            && self.source.contains("(except_clause \"except\" . (block")
    }

    /// The words it cannot do without: of each group one must occur.
    pub(crate) fn words(&self) -> &[Vec<String>] {
        &self.words
    }

    /// Keywords and operators without which it matches nothing: of each group one is written.
    pub(crate) fn implied(&self) -> &[Vec<String>] {
        &self.implied
    }

    /// The expressions that some node's text must fit.
    pub(crate) fn shapes(&self) -> &[Shape] {
        &self.expressions().0
    }

    /// Those that text around it must fit, captures left open.
    pub(crate) fn surroundings(&self) -> &[Shape] {
        &self.expressions().1
    }

    fn expressions(&self) -> &(Vec<Shape>, Vec<Shape>) {
        self.shapes.get_or_init(|| {
            let (own, around) = needs::expressions(&self.source);
            let own = own.iter().map(|it| self.shape(it));
            let around = around.iter().map(|it| self.shape(&open_expression(it)));
            (own.collect(), around.collect())
        })
    }

    /// Whether an expression is asked of identifiers only: what fits it is one whole word.
    pub(crate) fn asks_of_names(&self, shape: &Shape) -> bool {
        let written = shape.as_str().replace('\\', "\\\\").replace('"', "\\\"");
        let asked = format!("\"{written}\"");
        let captures = self.source.match_indices(&asked).map(|(at, _)| {
            let before = self.source[..at].trim_end();
            before.rsplit_once("(#match? @").map(|it| it.1)
        });
        let captures: Vec<Option<&str>> = captures.collect();
        let is_name = |capture: Option<&str>| {
            let Some(capture) = capture.filter(|it| it.bytes().all(layout::is_part)) else {
                return false;
            };
            let sign = format!("@{capture}");
            let mut places = self.source.match_indices(&sign).filter(|(at, sign)| {
                let next = self.source.as_bytes().get(at + sign.len());
                let opened = self.source[..*at].rsplit_once('(').map_or("", |it| it.1);
                !next.is_some_and(|it| layout::is_part(*it)) && !opened.starts_with('#')
            });
            places.all(|(at, _)| self.source[..at].trim_end().ends_with("(identifier)"))
        };
        // One that was written in another way is asked of anything.
        !captures.is_empty() && captures.into_iter().all(is_name)
    }

    /// Whether the query could match anything in this text. Running one costs ten times a walk.
    pub(crate) fn may_match(&self, text: &str) -> bool {
        self.missing(text).is_none()
    }

    /// Something that this text is without and no match is.
    pub(crate) fn missing(&self, text: &str) -> Option<Demanded> {
        let implied = (0..self.implied.len()).map(Demanded::Implied);
        let words = (0..self.words.len()).map(Demanded::Word);
        // Building the finders costs more than all the rest, so the rest comes first.
        let pieces = || (0..self.pieces().len()).map(Demanded::Piece);
        let mut demanded = implied.chain(words);
        let is_missing = |it: &Demanded| !self.has(*it, text);
        demanded
            .find(is_missing)
            .or_else(|| pieces().find(is_missing))
    }

    /// Whether something that a match demands stands in a text.
    pub(crate) fn has(&self, demanded: Demanded, text: &str) -> bool {
        let text = text.as_bytes();
        match demanded {
            Demanded::Implied(at) => {
                let mut group = self.implied[at].iter();
                group.any(|it| memmem::find(text, it.as_bytes()).is_some())
            }
            Demanded::Word(at) => self.words[at].iter().any(|word| {
                memmem::find_iter(text, word.as_bytes()).any(|at| is_word(text, at, word.len()))
            }),
            Demanded::Piece(at) => match &self.pieces()[at] {
                (finder, None) => finder.is_match(text),
                (finder, Some(name)) => {
                    let mut found = finder.find_overlapping_iter(text);
                    found.any(|it| layout::word_fits(name, text, &it.range()))
                }
            },
        }
    }

    /// How many bytes the longest text has that one of its demands asks for.
    pub(crate) fn reach(&self, demanded: Demanded) -> usize {
        let longest = |group: &[String]| group.iter().map(String::len).max();
        let longest = match demanded {
            Demanded::Implied(at) => longest(&self.implied[at]),
            Demanded::Word(at) => longest(&self.words[at]),
            Demanded::Piece(at) => Some(self.pieces()[at].0.max_pattern_len()),
        };
        longest.unwrap_or_default()
    }

    fn pieces(&self) -> &[(AhoCorasick, Option<Shape>)] {
        self.pieces.get_or_init(|| self.finders())
    }

    /// One finder for each expression, of which some word must occur; with the expression, where
    /// it is asked of a whole name.
    fn finders(&self) -> Vec<(AhoCorasick, Option<Shape>)> {
        let finder = |shape: &Shape| {
            let groups = shape.needs()?;
            let words: Option<Vec<&str>> = groups
                .iter()
                .map(|group| group.first().map(|need| &*need.text))
                .collect();
            AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .build(words?)
                .ok()
        };
        let own = self.shapes().iter().filter_map(|it| {
            let name = self.asks_of_names(it).then(|| it.clone());
            Some((finder(it)?, name))
        });
        let around = self.surroundings().iter();
        own.chain(around.filter_map(|it| Some((finder(it)?, None))))
            .collect()
    }

    /// Calls `hit` with the bytes of every reported node below one, each once.
    pub(crate) fn run(&self, text: &str, below: &Below<'_, '_>, hit: &mut dyn FnMut(Range<usize>)) {
        let root = below.root();
        let place = Place {
            text,
            root,
            starts: match self.whole_file {
                true => Some(vec![root]),
                false => self.roots(text, below),
            },
        };
        if place.starts.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        let mut seen: Vec<Range<usize>> = Vec::new();
        match self.own() {
            Some(own) => own.run(&place, &mut seen),
            None => self
                .compiled()
                .iter()
                .for_each(|it| it.run(&place, &mut seen)),
        }
        seen.into_iter().for_each(hit);
    }

    fn own(&self) -> Option<&Own> {
        let read = || Own::read(self.language, &self.source, &|it| self.shape(it));
        self.own.get_or_init(read).as_ref()
    }

    fn compiled(&self) -> Option<&Compiled> {
        let compile = || compile(self.language, &self.source).ok();
        self.compiled.get_or_init(compile).as_ref()
    }

    /// An expression of it; one that was worked out before is there, and others are as good.
    fn shape(&self, text: &str) -> Shape {
        let known = self.known.iter().find(|it| it.as_str() == text);
        known.cloned().unwrap_or_else(|| Shape::new(text))
    }

    /// The nodes at which a match may begin, no deeper than the query is above one of its rarest
    /// words. `None` where it demands neither a word nor a kind of node. A cursor over all of a
    /// function costs ten times its parsing.
    fn roots<'t>(&self, text: &str, below: &Below<'_, 't>) -> Option<Vec<Node<'t>>> {
        if !self.rooted {
            return None;
        }
        let node = below.root();
        let groups = self
            .words
            .iter()
            .chain(&self.implied)
            // That one stands in the middle of a token.
            .filter(|group| *group != &["define"]);
        let bytes = node.byte_range();
        let own = text.as_bytes().get(bytes.clone())?;
        let places = |group: &Vec<String>| -> Vec<Range<usize>> {
            let of = |word: &str| -> Vec<Range<usize>> {
                memmem::find_iter(own, word.as_bytes())
                    .filter(|at| is_word(own, *at, word.len()))
                    .map(|at| bytes.start + at..bytes.start + at + word.len())
                    .take(FEW + 1)
                    .collect()
            };
            group.iter().flat_map(|word| of(word)).collect()
        };
        let rarest = groups.map(places).min_by_key(Vec::len);
        let rarest = match (rarest, &self.kind) {
            (Some(few), _) if few.len() <= FEW => few,
            (_, Some(kind)) => {
                return Some(below.of_kind(kind).collect());
            }
            (_, None) => return None,
        };
        let mut roots: Vec<Node<'t>> = Vec::new();
        let mut path = Vec::new();
        for place in rarest {
            path_to(node, &place, &mut path);
            let Some(first) = path.iter().position(|it| it.byte_range() == place) else {
                continue;
            };
            for root in path.drain(first.saturating_sub(self.depth)..) {
                let fits = self.kind.as_ref().is_none_or(|it| *it == root.kind_name());
                if fits && !roots.contains(&root) {
                    roots.push(root);
                }
            }
        }
        // In the order of a walk, in which findings are reported.
        roots.sort_by_key(|it| (it.start_byte(), std::cmp::Reverse(it.end_byte())));
        Some(roots)
    }
}

/// Up to so many places of a word the nodes around each are looked at; beyond, all nodes of the
/// kind that a match begins at.
const FEW: usize = 4;

/// The kinds of nodes that queries begin at, by their numbers in the grammar.
pub(crate) fn begins(language: Language, queries: &[RawQuery]) -> Vec<bool> {
    let names = queries.iter().filter_map(|it| it.kind.as_deref());
    below::numbers(&language.grammar(), &names.collect::<Vec<_>>())
}

/// The nodes from `node` down to the smallest that holds these bytes.
fn path_to<'t>(node: Node<'t>, bytes: &Range<usize>, path: &mut Vec<Node<'t>>) {
    path.clear();
    path.push(node);
    let mut cursor = node.walk();
    while cursor.goto_first_child_for_byte(bytes.start).is_some() {
        let child = cursor.node();
        if child.start_byte() > bytes.start || child.end_byte() < bytes.end {
            return;
        }
        path.push(child);
    }
}

impl Own {
    fn read(language: Language, source: &str, shape: &dyn Fn(&str) -> Shape) -> Option<Self> {
        let pattern = pattern::read(language, source, shape)?;
        let finding = pattern.names.iter().position(|it| **it == *CAPTURE)?;
        let around = Around::new(pattern.names.clone(), &pattern.others);
        Some(Self {
            pattern,
            around,
            finding: u32::try_from(finding).ok()?,
        })
    }

    /// Adds the bytes of every reported node.
    fn run(&self, place: &Place<'_, '_>, seen: &mut Vec<Range<usize>>) {
        let (text, root) = (place.text, place.root);
        if !self
            .around
            .may_hold(text.get(root.byte_range()).unwrap_or(""))
        {
            return;
        }
        let (mut steps, mut asked) = (matcher::MAX_STEPS, 0);
        let mut from = |start| {
            matcher::matches(&self.pattern, text, start, &mut steps, &mut |captured| {
                let range = captured[self.finding as usize].map(|it| it.byte_range());
                let at = Match {
                    captured,
                    root,
                    text,
                    finding: self.finding,
                };
                let is_new = range.filter(|it| asked < matcher::MAX_ASKED && !seen.contains(it));
                asked += usize::from(is_new.is_some());
                seen.extend(is_new.filter(|_| self.around.hold(&at)));
            });
        };
        match &place.starts {
            Some(starts) => starts.iter().for_each(|it| from(*it)),
            None => walk(root, |node| {
                from(node);
                Descend::Into
            }),
        }
    }
}

impl Compiled {
    /// Adds the bytes of every reported node.
    fn run(&self, place: &Place<'_, '_>, seen: &mut Vec<Range<usize>>) {
        let (text, root) = (place.text, place.root);
        let own = text.get(root.byte_range()).unwrap_or("");
        if !self.around.iter().any(|it| it.may_hold(own)) {
            return;
        }
        let mut cursor = QueryCursor::new();
        if place.starts.is_some() {
            cursor.set_max_start_depth(Some(0));
        }
        let captures = 0..u32::try_from(self.query.capture_names().len()).unwrap_or(0);
        for start in place.starts.as_ref().unwrap_or(&vec![root]) {
            let mut matches = cursor.matches(&self.query, *start, text.as_bytes());
            while let Some(found) = matches.next() {
                let first = |it| found.nodes_for_capture_index(it).next();
                let captured: Vec<Option<Node<'_>>> = captures.clone().map(first).collect();
                let at = Match {
                    captured: &captured,
                    root,
                    text,
                    finding: self.finding,
                };
                let asks = self.around.get(found.pattern_index);
                if !asks.is_none_or(|it| it.hold(&at)) {
                    continue;
                }
                for node in found.nodes_for_capture_index(self.finding) {
                    let range = node.byte_range();
                    if !seen.contains(&range) {
                        seen.push(range);
                    }
                }
            }
        }
    }
}

/// Compiles a query and refuses what tree-sitter itself would ignore.
fn compile(language: Language, source: &str) -> Result<Compiled, String> {
    if let Some(at) = stray_predicate(source) {
        let line = source[..at].matches('\n').count() + 1;
        return Err(format!(
            "the query does not compile: in its line {line} a predicate stands where a node should"
        ));
    }
    let query = Query::new(&language.grammar(), &in_ascii(source))
        .or_else(|_| Query::new(&language.grammar(), source))
        .map_err(|error| format!("the query does not compile: {}", error.message))?;
    let Some(finding) = query.capture_index_for_name(CAPTURE) else {
        return Err(format!("the query needs a capture `@{CAPTURE}`"));
    };
    let names = query.capture_names();
    let mut around = Vec::new();
    for pattern in 0..query.pattern_count() {
        let predicates = query.general_predicates(pattern);
        for predicate in predicates {
            around::check(names, predicate)?;
        }
        let names = names.iter().map(|it| (*it).into()).collect();
        around.push(Around::new(names, predicates));
    }
    Ok(Compiled {
        query,
        around,
        finding,
    })
}

/// The query with `\w`, `\b` and their like read as ASCII in its expressions, as in all of ours:
/// with all of Unicode's letters each takes far longer to compile.
fn in_ascii(source: &str) -> String {
    let mut out = String::new();
    let mut rest = source;
    while let Some((before, behind)) = rest.split_once("match? @") {
        let opened = behind.find('"').map_or(behind.len(), |it| it + 1);
        out.push_str(before);
        out.push_str("match? @");
        out.push_str(&behind[..opened]);
        out.push_str("(?-u)");
        rest = &behind[opened..];
    }
    out + rest
}

/// Where a predicate stands for a node: behind a field's name, among alternatives, at a group's
/// beginning or outside all brackets. Tree-sitter does not refuse that but ends the process.
fn stray_predicate(source: &str) -> Option<usize> {
    // Each open bracket with what stands before it.
    let mut open: Vec<(u8, u8)> = Vec::new();
    let mut last = b'(';
    let mut bytes = source.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b';' => {
                while bytes.next_if(|(_, it)| *it != b'\n').is_some() {}
                continue;
            }
            b'"' => {
                while let Some((_, it)) = bytes.next() {
                    match it {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'(' | b'[' => open.push((byte, last)),
            b')' | b']' => drop(open.pop()),
            b'#' | b'.' if last == b'(' => {
                let inside = open.iter().rev().nth(1).map(|(bracket, _)| *bracket);
                let behind = open.last().map(|(_, before)| *before);
                if inside != Some(b'(') || matches!(behind, Some(b':' | b'[' | b'(')) {
                    return Some(at);
                }
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            last = byte;
        }
    }
    None
}

/// Whether what stands there is a word of its own, as a node's whole text is.
fn is_word(text: &[u8], at: usize, len: usize) -> bool {
    if len == 0 {
        return false;
    }
    let part = |byte: Option<&u8>| byte.is_some_and(|it| it.is_ascii_alphanumeric() || *it == b'_');
    let before = at.checked_sub(1).and_then(|it| text.get(it));
    let glued_before = part(text.get(at)) && part(before);
    let glued_after = part(text.get(at + len - 1)) && part(text.get(at + len));
    !glued_before && !glued_after
}

/// Whether a query's one pattern is about the root of a tree.
fn begins_at_root(source: &str) -> bool {
    let head = source.trim_start().trim_start_matches('(');
    needs::patterns(source) == 1
        && (head.starts_with("translation_unit") || head.starts_with("module"))
}

#[cfg(test)]
mod tests;
