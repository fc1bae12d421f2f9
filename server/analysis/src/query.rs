//! The escape hatch: raw tree-sitter queries, run only where their words stand.
//! It knows queries and text; what a hit means is the rule's business.

use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
use kb_schema::Shape;
use memchr::memmem;
use syntax::Language;
use tree_sitter::{Node, Query, QueryCursor, StreamingIterator};

/// The capture that is reported.
const CAPTURE: &str = "finding";

/// A raw query of one rule.
pub(crate) struct RawQuery {
    pub(crate) rule: u32,
    language: Language,
    source: String,
    /// It begins at the root, and so is run once for a text.
    pub(crate) whole_file: bool,
    compiled: OnceLock<Option<Query>>,
    /// Of each group one word must occur in the text.
    words: Vec<Vec<String>>,
    /// Keywords and operators that the nodes it names are written with.
    implied: Vec<&'static str>,
    /// The expressions that some node's text must fit.
    shapes: OnceLock<Vec<Shape>>,
    /// Finders of the pieces that its expressions demand.
    pieces: OnceLock<Vec<AhoCorasick>>,
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
            whole_file: begins_at_root(source),
            implied: implied(source),
            words: words(source),
            shapes: OnceLock::new(),
            pieces: OnceLock::new(),
        })
    }

    /// The words it cannot do without: of each group one must occur.
    pub(crate) fn words(&self) -> &[Vec<String>] {
        &self.words
    }

    /// The expressions that some node's text must fit.
    pub(crate) fn shapes(&self) -> &[Shape] {
        self.shapes.get_or_init(|| self.expressions())
    }

    fn expressions(&self) -> Vec<Shape> {
        if patterns(&self.source) != 1 {
            return Vec::new();
        }
        let name = "(#match? ";
        self.source
            .match_indices(name)
            .filter_map(|(at, _)| {
                let text = self.source[at..].split_once('"')?.1.split('"').next()?;
                // Escapes of the query's own would have to be undone first.
                (!text.contains('\\')).then(|| Shape::new(text))
            })
            .collect()
    }

    /// Whether the query could match anything in this text. Running one costs ten times a walk.
    pub(crate) fn may_match(&self, text: &str) -> bool {
        let text = text.as_bytes();
        // Building the finders costs more than all the rest, so the rest comes first.
        let has_pieces = || {
            let pieces = self.pieces.get_or_init(|| self.finders());
            pieces.iter().all(|finder| finder.is_match(text))
        };
        let written = |it: &&str| memmem::find(text, it.as_bytes()).is_some();
        self.implied.iter().all(written)
            && self.words.iter().all(|group| {
                group.iter().any(|word| {
                    memmem::find_iter(text, word.as_bytes()).any(|at| is_word(text, at, word.len()))
                })
            })
            && has_pieces()
    }

    /// One finder for each expression, of which some word must occur.
    fn finders(&self) -> Vec<AhoCorasick> {
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
        self.shapes().iter().filter_map(finder).collect()
    }

    /// Calls `hit` with the bytes of every reported node below `node`.
    pub(crate) fn run(&self, text: &str, node: Node<'_>, hit: &mut dyn FnMut(Range<usize>)) {
        let compiled = self
            .compiled
            .get_or_init(|| compile(self.language, &self.source).ok());
        let Some(query) = compiled else { return };
        let Some(capture) = query.capture_index_for_name(CAPTURE) else {
            return;
        };
        let mut cursor = QueryCursor::new();
        if self.whole_file {
            cursor.set_max_start_depth(Some(0));
        }
        let mut matches = cursor.matches(query, node, text.as_bytes());
        while let Some(found) = matches.next() {
            let captures = found.captures().iter().filter(|it| it.index == capture);
            captures.for_each(|it| hit(it.node.byte_range()));
        }
    }
}

/// Compiles a query and refuses what tree-sitter itself would ignore.
fn compile(language: Language, source: &str) -> Result<Query, String> {
    let query = Query::new(&language.grammar(), source)
        .map_err(|error| format!("the query does not compile: {}", error.message))?;
    if query.capture_index_for_name(CAPTURE).is_none() {
        return Err(format!("the query needs a capture `@{CAPTURE}`"));
    }
    let mut unknown = (0..query.pattern_count()).flat_map(|it| query.general_predicates(it));
    if let Some(predicate) = unknown.next() {
        return Err(format!("unknown predicate `#{}`", predicate.operator));
    }
    Ok(query)
}

/// Whether what stands there is a word of its own, as a node's whole text is.
fn is_word(text: &[u8], at: usize, len: usize) -> bool {
    let part = |byte: Option<&u8>| byte.is_some_and(|it| it.is_ascii_alphanumeric() || *it == b'_');
    let before = at.checked_sub(1).and_then(|it| text.get(it));
    let glued_before = part(text.get(at)) && part(before);
    let glued_after = part(text.get(at + len - 1)) && part(text.get(at + len));
    len > 0 && !glued_before && !glued_after
}

/// The words that a query's `#eq?` and `#any-of?` predicates demand. Alternative patterns demand
/// different words, so a query with several demands none.
fn words(source: &str) -> Vec<Vec<String>> {
    if patterns(source) != 1 {
        return Vec::new();
    }
    let mut out = Vec::new();
    if source.contains("(preproc_def") {
        out.push(vec!["define".to_owned()]);
    }
    for name in ["(#eq? ", "(#any-of? "] {
        for (at, _) in source.match_indices(name) {
            let inside = source[at..].split(')').next().unwrap_or("");
            let group: Vec<String> = inside
                .split('"')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect();
            if !group.is_empty() && !inside.contains('\\') {
                out.push(group);
            }
        }
    }
    out
}

/// Whether a query's one pattern is about the root of a tree.
fn begins_at_root(source: &str) -> bool {
    let head = source.trim_start().trim_start_matches('(');
    patterns(source) == 1 && (head.starts_with("translation_unit") || head.starts_with("module"))
}

/// What stands in every text where a node of that kind does.
const WRITTEN: [(&str, &str); 9] = [
    ("sizeof_expression", "sizeof"),
    ("for_statement", "for"),
    ("while_statement", "while"),
    ("return_statement", "return"),
    ("assert_statement", "assert"),
    ("except_clause", "except"),
    ("try_statement", "try"),
    ("goto_statement", "goto"),
    ("preproc_def", "define"),
];

/// Keywords and operators without which nothing matches: those of nodes that are no alternative
/// and not optional.
fn implied(source: &str) -> Vec<&'static str> {
    let optional = [")?", ")*", "]?", "]*"];
    if patterns(source) != 1 || optional.iter().any(|it| source.contains(it)) {
        return Vec::new();
    }
    let mut outside = String::new();
    let (mut choices, mut quoted, mut escaped) = (0_usize, false, false);
    for c in source.chars() {
        match c {
            '"' if !escaped => quoted = !quoted,
            '[' if !quoted => choices += 1,
            ']' if !quoted => choices = choices.saturating_sub(1),
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
        if choices == 0 {
            outside.push(c);
        }
    }
    let operators = ["<=", ">=", "+=", "-="];
    let operator = |it: &&'static str| outside.contains(&format!("operator: \"{it}\""));
    let kinds = WRITTEN
        .iter()
        .filter(|(kind, _)| outside.contains(&format!("({kind}")));
    kinds
        .map(|(_, word)| *word)
        .chain(operators.into_iter().filter(|it| operator(it)))
        .collect()
}

/// How many patterns stand side by side in a query's source.
fn patterns(source: &str) -> usize {
    let (mut depth, mut count) = (0_usize, 0);
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                while let Some(c) = chars.next() {
                    match c {
                        '\\' => drop(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            ';' => drop(chars.by_ref().find(|it| *it == '\n')),
            '(' | '[' => {
                count += usize::from(depth == 0);
                depth += 1;
            }
            ')' | ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::{RawQuery, patterns, words};
    use syntax::Language;

    #[test]
    fn words_are_those_without_which_nothing_matches() {
        let one = r#"((call function: (identifier) @f) @finding (#any-of? @f "exec" "eval") (#not-eq? @f "x"))"#;
        assert_eq!(words(one), [["exec", "eval"]]);
        assert_eq!(patterns("(a) (b \"(\")"), 2);
        let loops = r#"(for_statement condition: (binary_expression operator: "<=") body: [(while_statement) (return_statement)]) @finding"#;
        assert_eq!(super::implied(loops), ["for", "<="]);
        assert!(words("((a) @finding (#eq? @x \"one\")) ((b) @finding)").is_empty());
        let query = RawQuery::new(0, Language::Python, one, false).expect("it compiles");
        assert!(query.may_match("exec(x)"));
        assert!(!query.may_match("execute(x)"));
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
