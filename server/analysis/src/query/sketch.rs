//! A query's structure without order, fields and most predicates: a quick test that a node cannot
//! match. It never says no to a node that would; compiling a query costs ten milliseconds.

use kb_schema::Shape;
use syntax::NodeNames;
use tree_sitter::Node;

use super::needs::{MAX_DEPTH, SUPERTYPES, Token, tokens};

/// What a node must be like.
#[derive(Debug)]
pub(super) enum Sketch {
    Node {
        /// `None` stands for any.
        kind: Option<String>,
        /// The names of its captures, and what their texts must be.
        captures: Vec<String>,
        texts: Vec<Demand>,
        children: Vec<Sketch>,
    },
    Choice(Vec<Sketch>),
    /// A token.
    Text(String),
    /// Anything.
    Any,
}

/// What a predicate asks of a capture's text.
#[derive(Debug, Clone)]
pub(super) enum Demand {
    OneOf(Vec<String>),
    Fits(Shape),
}

impl Demand {
    fn holds(&self, text: &str) -> bool {
        match self {
            Self::OneOf(words) => words.iter().any(|it| it == text),
            Self::Fits(shape) => shape.is_match(text) || !shape.compiles(),
        }
    }
}

/// Reads the one pattern of a query.
pub(super) fn read(source: &str) -> Sketch {
    let tokens = tokens(source);
    let mut at = 0;
    let items = items(&tokens, &mut at, 0);
    let mut read = Sketch::Choice(items.items);
    demand(&mut read, &predicates(source));
    read
}

/// What stands between two brackets.
struct Items<'a> {
    kind: Option<&'a str>,
    items: Vec<Sketch>,
    is_predicate: bool,
}

fn items<'a>(tokens: &[Token<'a>], at: &mut usize, depth: usize) -> Items<'a> {
    let mut out = Items {
        kind: None,
        items: Vec::new(),
        is_predicate: false,
    };
    let mut first = true;
    while let Some(token) = tokens.get(*at) {
        *at += 1;
        match token {
            Token::Close | Token::CloseChoice => break,
            Token::Open | Token::OpenChoice if depth >= MAX_DEPTH => out.items.push(Sketch::Any),
            Token::Open => {
                let mut inner = items(tokens, at, depth + 1);
                if inner.is_predicate {
                    continue;
                }
                out.items.push(match inner.kind {
                    Some("MISSING" | "ERROR") => Sketch::Any,
                    Some(kind) => Sketch::Node {
                        kind: is_plain(kind).then(|| kind.to_owned()),
                        captures: Vec::new(),
                        texts: Vec::new(),
                        children: inner.items,
                    },
                    // A group of one.
                    None if inner.items.len() == 1 => inner.items.pop().unwrap_or(Sketch::Any),
                    None => Sketch::Any,
                });
            }
            Token::OpenChoice => {
                let inner = items(tokens, at, depth + 1);
                out.items.push(Sketch::Choice(inner.items));
            }
            Token::Text(text) if text.contains('\\') => out.items.push(Sketch::Any),
            Token::Text(text) => out.items.push(Sketch::Text((*text).to_owned())),
            Token::Optional => {
                if let Some(last) = out.items.last_mut() {
                    *last = Sketch::Any;
                }
            }
            Token::Word(word) if first && names_kind(word) => {
                out.kind = Some(word);
                out.is_predicate = word.starts_with('#');
            }
            Token::Word("_") => out.items.push(Sketch::Node {
                kind: None,
                captures: Vec::new(),
                texts: Vec::new(),
                children: Vec::new(),
            }),
            Token::Word(word) => {
                if let (Some(name), Some(last)) = (word.strip_prefix('@'), out.items.last_mut()) {
                    mark(last, name);
                }
            }
        }
        first = false;
    }
    out
}

/// Whether what stands first between brackets says what they are about.
fn names_kind(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '#')
        && !word.ends_with(':')
}

fn is_plain(kind: &str) -> bool {
    kind.starts_with(|c: char| c.is_ascii_lowercase())
        && !kind.contains('/')
        && !SUPERTYPES.contains(&kind)
}

/// Remembers a capture's name until its texts are known.
fn mark(sketch: &mut Sketch, name: &str) {
    match sketch {
        Sketch::Node { captures, .. } => captures.push(name.to_owned()),
        Sketch::Choice(all) => all.iter_mut().for_each(|it| mark(it, name)),
        Sketch::Text(_) | Sketch::Any => {}
    }
}

/// Captures and what their texts must be.
fn predicates(source: &str) -> Vec<(String, Demand)> {
    let mut out = Vec::new();
    for name in ["(#eq? @", "(#any-of? @"] {
        for (at, _) in source.match_indices(name) {
            let inside = source[at + name.len()..].split(')').next().unwrap_or("");
            let capture = inside.split_whitespace().next().unwrap_or("");
            let texts = inside.split('"').skip(1).step_by(2).map(str::to_owned);
            let texts: Vec<String> = texts.collect();
            if !texts.is_empty() && !inside.contains('\\') {
                out.push((capture.to_owned(), Demand::OneOf(texts)));
            }
        }
    }
    let name = "(#match? @";
    for (at, _) in source.match_indices(name) {
        let inside = source[at + name.len()..].split_once('"');
        if let Some((capture, rest)) = inside
            && let Some(text) = unescape(rest)
        {
            let shape = Demand::Fits(Shape::new(&text));
            out.push((capture.trim().to_owned(), shape));
        }
    }
    out
}

/// A text of a query up to its quotation mark, as tree-sitter reads it.
fn unescape(rest: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = rest.chars();
    loop {
        match chars.next()? {
            '"' => return Some(out),
            '\\' => out.push(match chars.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                '0' => '\0',
                other => other,
            }),
            other => out.push(other),
        }
    }
}

/// Puts what captures must be in the place of their names.
fn demand(sketch: &mut Sketch, known: &[(String, Demand)]) {
    match sketch {
        Sketch::Node {
            captures,
            texts,
            children,
            ..
        } => {
            let of = known.iter().filter(|(name, _)| captures.contains(name));
            texts.extend(of.map(|(_, it)| it.clone()));
            children.iter_mut().for_each(|it| demand(it, known));
        }
        Sketch::Choice(all) => all.iter_mut().for_each(|it| demand(it, known)),
        Sketch::Text(_) | Sketch::Any => {}
    }
}

impl Sketch {
    /// Whether the node may match; `false` is a proof that it does not.
    pub(super) fn may_match(&self, text: &str, node: Node<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Text(token) => node.kind_name() == token,
            Self::Choice(all) => all.iter().any(|it| it.may_match(text, node)),
            Self::Node {
                kind,
                texts,
                children,
                ..
            } => {
                let is_kind = kind.as_ref().is_none_or(|it| it == node.kind_name());
                let own = || text.get(node.byte_range()).unwrap_or("");
                is_kind
                    && texts.iter().all(|it| it.holds(own()))
                    && children.iter().all(|it| it.is_below(text, node))
            }
        }
    }

    fn is_below(&self, text: &str, node: Node<'_>) -> bool {
        if matches!(self, Self::Any) {
            return true;
        }
        let mut cursor = node.walk();
        node.children(&mut cursor)
            .any(|child| self.may_match(text, child))
    }
}

#[cfg(test)]
mod tests {
    use super::read;
    use syntax::{Language, NodeNames};

    #[test]
    fn what_a_capture_must_fit_is_asked_before_the_query_is_compiled() {
        let source = r#"((call_expression function: (identifier) @f arguments: (argument_list (_) @text)) @finding
            (#any-of? @f "printf" "puts") (#match? @text "^\"a\\b") (#not-match? @text "z"))"#;
        let fits = |text: &str| {
            let tree = syntax::parse(Language::C, text);
            let mut found = false;
            syntax::walk(tree.root_node(), |node| {
                found |=
                    node.kind_name() == "call_expression" && read(source).may_match(text, node);
                syntax::Descend::Into
            });
            found
        };
        assert!(fits("void f(void) { puts(\"a z\"); }"));
        assert!(!fits("void f(void) { puts(\"ab\"); }"));
        assert!(!fits("void f(void) { gets(\"a\"); }"));
        assert!(!fits("void f(void) { puts(); }"));
    }
}
