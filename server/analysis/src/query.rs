//! The escape hatch: raw tree-sitter queries, run only where their words stand.
//! It knows queries and text; what a hit means is the rule's business.

mod around;
mod below;
mod needs;
mod sketch;

use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
use around::{Around, Match};
pub(crate) use below::Below;
use kb_schema::{Shape, open_expression};
use memchr::memmem;
use sketch::Sketch;
use syntax::{Language, NodeNames};
use tree_sitter::{
    Node, Query, QueryCursor, QueryMatch, QueryPredicate, QueryPredicateArg, StreamingIterator,
};

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
    /// What a node must look like from far off.
    sketch: OnceLock<Sketch>,
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

/// A query ready to run.
struct Compiled {
    query: Query,
    /// What it asks of the text around a match.
    around: Around,
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
        Ok(Self {
            rule,
            language,
            source: source.to_owned(),
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
            sketch: OnceLock::new(),
        })
    }

    /// The same with its expressions, what they need worked out already.
    pub(crate) fn with(mut self, expressions: &[Shape]) -> Self {
        self.known = expressions.to_vec();
        self
    }

    /// Whether a match takes in the methods of a class.
    pub(crate) fn spans_classes(&self) -> bool {
        self.source.contains("(class_definition")
    }

    /// Whether it asks about the methods of a class, which lie outside of the module's own text.
    pub(crate) fn reads_methods(&self) -> bool {
        let asks = |of: &str| self.source.contains(of);
        self.spans_classes() && (asks("(block) @") || asks("(function_definition"))
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
            // One that was worked out before is there, and others are as good.
            let shape = |text: &str| {
                let known = self.known.iter().find(|it| it.as_str() == text);
                known.cloned().unwrap_or_else(|| Shape::new(text))
            };
            let own = own.iter().map(|it| shape(it));
            let around = around.iter().map(|it| shape(&open_expression(it)));
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
        let node = below.root();
        let around = match self.whole_file {
            true => {
                let sketch = self.sketch.get_or_init(|| sketch::read(&self.source));
                let found = sketch.may_match(text, node);
                Some(found.then_some(node).into_iter().collect())
            }
            false => self.roots(text, below),
        };
        if around.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        let compiled = self
            .compiled
            .get_or_init(|| compile(self.language, &self.source).ok());
        let Some(Compiled {
            query,
            around: asks,
        }) = compiled
        else {
            return;
        };
        let Some(capture) = query.capture_index_for_name(CAPTURE) else {
            return;
        };
        if !asks.may_hold(text.get(node.byte_range()).unwrap_or("")) {
            return;
        }
        let mut cursor = QueryCursor::new();
        let starts = match around {
            Some(starts) => {
                cursor.set_max_start_depth(Some(0));
                starts
            }
            None => vec![node],
        };
        let mut seen = Vec::new();
        for start in starts {
            let mut matches = cursor.matches(query, start, text.as_bytes());
            while let Some(found) = matches.next() {
                let own = Match {
                    query,
                    found,
                    root: node,
                    text,
                    finding: capture,
                };
                if !counts_hold(query, found, text) || !asks.hold(&own) {
                    continue;
                }
                for it in found.captures().iter().filter(|it| it.index == capture) {
                    let range = it.node.byte_range();
                    if !seen.contains(&range) {
                        hit(range.clone());
                        seen.push(range);
                    }
                }
            }
        }
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
        let sketch = self.sketch.get_or_init(|| sketch::read(&self.source));
        let rarest = match (rarest, &self.kind) {
            (Some(few), _) if few.len() <= FEW => few,
            (_, Some(kind)) => {
                let roots = below.of_kind(kind);
                return Some(roots.filter(|it| sketch.may_match(text, *it)).collect());
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
                if fits && !roots.contains(&root) && sketch.may_match(text, root) {
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
    if query.capture_index_for_name(CAPTURE).is_none() {
        return Err(format!("the query needs a capture `@{CAPTURE}`"));
    }
    for predicate in (0..query.pattern_count()).flat_map(|it| query.general_predicates(it)) {
        if around::is_known(&query, predicate)? {
            continue;
        }
        if &*predicate.operator != TIMES {
            return Err(format!("unknown predicate `#{}`", predicate.operator));
        }
        if times(predicate).is_none() {
            return Err(format!(
                "`#{TIMES}` takes two captures and a number in quotes"
            ));
        }
    }
    let around = Around::new(&query);
    Ok(Compiled { query, around })
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

/// `(#times? @where @name "2")`: the word that `@name` is stands so often in the text of `@where`.
const TIMES: &str = "times?";

/// What `#times?` asks: where, for what and how often.
fn times(predicate: &QueryPredicate) -> Option<(u32, u32, usize)> {
    match &*predicate.args {
        [
            QueryPredicateArg::Capture(place),
            QueryPredicateArg::Capture(name),
            QueryPredicateArg::String(count),
        ] => Some((*place, *name, count.parse().ok()?)),
        _ => None,
    }
}

/// Whether every `#times?` of a match holds.
fn counts_hold(query: &Query, found: &QueryMatch<'_, '_>, text: &str) -> bool {
    let asked = query.general_predicates(found.pattern_index).iter();
    asked.filter_map(times).all(|(place, name, count)| {
        let of = |capture| {
            let node = found.nodes_for_capture_index(capture).next()?;
            text.get(node.byte_range())
        };
        let (Some(place), Some(name)) = (of(place), of(name)) else {
            return false;
        };
        let at = memmem::find_iter(place.as_bytes(), name.as_bytes());
        let words = at.filter(|at| is_word(place.as_bytes(), *at, name.len()));
        words.take(count + 1).count() == count
    })
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
mod tests {
    use super::{Below, RawQuery, begins, is_word};
    use crate::query::needs::{implied, is_rooted, kind, patterns, words};
    use syntax::Language;

    #[test]
    fn words_are_those_without_which_nothing_matches() {
        let one = r#"((call function: (identifier) @f) @finding (#any-of? @f "exec" "eval") (#not-eq? @f "x"))"#;
        assert_eq!(words(one), [["exec", "eval"]]);
        assert_eq!(patterns("(a) (b \"(\")"), 2);
        let loops = r#"(for_statement condition: (binary_expression operator: "<=") body: [(while_statement) (return_statement)]) @finding"#;
        assert_eq!(implied(loops)[..2], [["for"], ["<="]]);
        let either =
            r#"([(sizeof_expression) (b (return_statement))] (c operator: "+=")? (d)) @finding"#;
        assert_eq!(implied(either), [["return", "sizeof"]]);
        assert_eq!(kind("((a_b) @x (#eq? @x \"y\"))").as_deref(), Some("a_b"));
        assert!(is_rooted("((a) @x (#eq? @x \"y\"))") && !is_rooted("((a) . (b))"));
        assert!(words("((a) @finding (#eq? @x \"one\")) ((b) @finding)").is_empty());
        assert!(words(r#"((a) @finding (#any-of? @x "" "one"))"#).is_empty());
        assert!(!is_word(b"one", 0, 0), "what is missing has no text");
        let query = RawQuery::new(0, Language::Python, one, false).expect("it compiles");
        assert!(query.may_match("exec(x)"));
        assert!(!query.may_match("execute(x)"));
    }

    #[test]
    fn a_node_that_cannot_match_is_told_from_afar() {
        let source = r#"((call_expression function: (identifier) @f
            arguments: (argument_list . [(number_literal) (string_literal)] (_)?)) @finding
            (#any-of? @f "open" "creat"))"#;
        let query = RawQuery::new(0, Language::C, source, true).expect("it is not compiled yet");
        let hits = |text: &str| {
            let mut parser = tree_sitter::Parser::new();
            parser
                .set_language(&Language::C.grammar())
                .expect("the grammar fits the parser");
            let tree = parser.parse(text, None).expect("nothing stops the parser");
            let mut count = 0;
            let begins = begins(Language::C, std::slice::from_ref(&query));
            let below = Below::new(tree.root_node(), &begins);
            query.run(text, &below, &mut |_| count += 1);
            count
        };
        assert_eq!(hits("void f(void) { shut(1); open(x); openly(1); }"), 0);
        assert!(query.compiled.get().is_none());
        assert_eq!(hits("void f(void) { { open(1); } creat(\"a\", 2); }"), 2);
    }

    #[test]
    fn mistakes_are_refused() {
        for (source, says) in [
            ("(nonsense_node) @finding", "compile"),
            ("(call) @other", "@finding"),
            (
                "((call) @finding (#has-parent? @finding block))",
                "has-parent?",
            ),
        ] {
            let error = RawQuery::new(0, Language::Python, source, false)
                .err()
                .unwrap_or_default();
            assert!(error.contains(says), "{source}: {error:?}");
        }
    }
}
