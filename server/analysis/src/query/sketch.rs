//! A query's structure without order, fields and most predicates: a quick test that a node cannot
//! match. It never says no to a node that would; compiling a query costs ten milliseconds.

use tree_sitter::Node;

use super::needs::{MAX_DEPTH, SUPERTYPES, Token, tokens};

/// What a node must be like.
#[derive(Debug)]
pub(super) enum Sketch {
    Node {
        /// `None` stands for any.
        kind: Option<String>,
        /// The texts of which a capture must be one.
        texts: Option<Vec<String>>,
        children: Vec<Sketch>,
    },
    Choice(Vec<Sketch>),
    /// A token.
    Text(String),
    /// Anything.
    Any,
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
                        texts: None,
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
            Token::Word("_") => out.items.push(Sketch::Any),
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
        Sketch::Node { texts, .. } => texts.get_or_insert_default().push(name.to_owned()),
        Sketch::Choice(all) => all.iter_mut().for_each(|it| mark(it, name)),
        Sketch::Text(_) | Sketch::Any => {}
    }
}

/// Captures and the texts of which they must be one.
fn predicates(source: &str) -> Vec<(String, Vec<String>)> {
    let mut out = Vec::new();
    for name in ["(#eq? @", "(#any-of? @"] {
        for (at, _) in source.match_indices(name) {
            let inside = source[at + name.len()..].split(')').next().unwrap_or("");
            let capture = inside.split_whitespace().next().unwrap_or("");
            let texts = inside.split('"').skip(1).step_by(2).map(str::to_owned);
            let texts: Vec<String> = texts.collect();
            if !texts.is_empty() && !inside.contains('\\') {
                out.push((capture.to_owned(), texts));
            }
        }
    }
    out
}

/// Puts texts in the place of captures' names.
fn demand(sketch: &mut Sketch, known: &[(String, Vec<String>)]) {
    match sketch {
        Sketch::Node {
            texts, children, ..
        } => {
            let names = texts.take().unwrap_or_default();
            *texts = known
                .iter()
                .find(|(name, _)| names.contains(name))
                .map(|(_, texts)| texts.clone());
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
            Self::Text(token) => node.kind() == token,
            Self::Choice(all) => all.iter().any(|it| it.may_match(text, node)),
            Self::Node {
                kind,
                texts,
                children,
            } => {
                let is_kind = kind.as_ref().is_none_or(|it| it == node.kind());
                let own = || text.get(node.byte_range()).unwrap_or("");
                is_kind
                    && texts
                        .as_ref()
                        .is_none_or(|it| it.iter().any(|word| word == own()))
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
