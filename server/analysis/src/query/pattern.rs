//! A query's source as a pattern of our own, for the part of tree-sitter's query language that
//! entries are written in: a node with children, fields, anchors, alternatives and captures.
//! It knows how queries are written; what matches is the matcher's business, and what is not read
//! here, such as captures that may be missing and supertypes, is tree-sitter's.

use kb_schema::Shape;
use syntax::Language;
use tree_sitter::{QueryPredicate, QueryPredicateArg};

use super::CAPTURE;
use super::needs::{MAX_DEPTH, SUPERTYPES, Token, patterns, tokens, unescaped};

/// A query of one pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) root: Item,
    /// The names of captures, by their numbers.
    pub(super) names: Vec<Box<str>>,
    /// What the text of a capture must be, or must not be.
    pub(super) texts: Vec<(u32, Demand, bool)>,
    /// Captures that must have one text, or must not.
    pub(super) pairs: Vec<(u32, u32, bool)>,
    /// Predicates that tree-sitter does not know.
    pub(super) others: Vec<QueryPredicate>,
}

/// What a node must be.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) what: What,
    /// The number of the field that it stands in; nought for any or none.
    pub(super) field: u16,
    /// No named sibling stands between it and what the item before it matched.
    pub(super) immediate: bool,
    /// No named sibling stands behind it.
    pub(super) last: bool,
    pub(super) times: Times,
    pub(super) captures: Vec<u32>,
}

/// How many nodes side by side an item stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Times {
    Once,
    /// None or one.
    Optional,
    /// None or more.
    Any,
}

#[derive(Debug)]
pub(super) enum What {
    /// Anything but an error, marks of the language included.
    Any,
    /// A node of that kind, by its number in the grammar, or any that has a name.
    Node {
        kind: Option<u16>,
        /// These are among its children, in this order.
        children: Vec<Item>,
        /// It has none in these fields.
        absent: Vec<u16>,
    },
    /// One of these.
    Choice(Vec<Item>),
}

/// What a predicate asks of a text.
#[derive(Debug)]
pub(super) enum Demand {
    OneOf(Vec<Box<str>>),
    Fits(Shape),
}

/// Reads a query's source, whose expressions `shape` makes. `None` leaves it to tree-sitter.
pub(super) fn read(
    language: Language,
    source: &str,
    shape: &dyn Fn(&str) -> Shape,
) -> Option<Pattern> {
    if patterns(source) != 1 {
        return None;
    }
    let tokens = tokens(source);
    let mut reader = Reader {
        grammar: language.grammar(),
        tokens: &tokens,
        at: 0,
        names: Vec::new(),
        predicates: Vec::new(),
    };
    let is_group = matches!(tokens.get(1)?, Token::Open | Token::OpenChoice);
    let root = match is_group && tokens[0] == Token::Open {
        true => {
            reader.at = 1;
            let mut inside = reader.items(&Token::Close, 1)?;
            let root = inside.items.pop()?;
            let is_alone = inside.items.is_empty() && inside.absent.is_empty();
            (is_alone && !root.immediate && !root.last).then_some(root)?
        }
        false => {
            let mut all = reader.items(&Token::CloseChoice, 0)?;
            let root = all.items.pop()?;
            all.items.is_empty().then_some(root)?
        }
    };
    let is_one = root.field == 0 && root.times == Times::Once;
    (is_one && reader.at >= tokens.len()).then_some(())?;
    let mut out = Pattern {
        root,
        names: reader.names,
        texts: Vec::new(),
        pairs: Vec::new(),
        others: Vec::new(),
    };
    for predicate in reader.predicates {
        out.ask(predicate, shape)?;
    }
    let mut bound = vec![0; out.names.len()];
    bindings(&out.root, &mut bound);
    // Which of several nodes is compared, and which is reported, is tree-sitter's to say.
    let pairs = &out.pairs;
    let compared = |it| {
        pairs
            .iter()
            .any(|(one, other, _)| *one == it || *other == it)
    };
    let mut numbers = (0_u32..).zip(&out.names).zip(bound);
    let is_plain = numbers.all(|((number, name), count)| {
        count == 1 || count > 1 && **name != *CAPTURE && !compared(number)
    });
    is_plain.then_some(out)
}

impl Pattern {
    /// Takes a predicate in.
    fn ask(&mut self, asked: QueryPredicate, shape: &dyn Fn(&str) -> Shape) -> Option<()> {
        let name = asked.operator.strip_suffix('?')?;
        let (wanted, name) = match name.strip_prefix("not-") {
            Some(name) => (false, name),
            None => (true, name),
        };
        match (name, &*asked.args) {
            (
                "eq",
                [
                    QueryPredicateArg::Capture(one),
                    QueryPredicateArg::Capture(other),
                ],
            ) => self.pairs.push((*one, *other, wanted)),
            (
                "match",
                [
                    QueryPredicateArg::Capture(capture),
                    QueryPredicateArg::String(text),
                ],
            ) => {
                let demand = Demand::Fits(shape(text));
                self.texts.push((*capture, demand, wanted));
            }
            ("eq" | "any-of", [QueryPredicateArg::Capture(capture), texts @ ..]) => {
                let text = |it: &QueryPredicateArg| match it {
                    QueryPredicateArg::String(text) => Some(text.clone()),
                    QueryPredicateArg::Capture(_) => None,
                };
                let texts: Option<Vec<Box<str>>> = texts.iter().map(text).collect();
                let texts = texts.filter(|it| name == "any-of" || it.len() == 1)?;
                self.texts.push((*capture, Demand::OneOf(texts), wanted));
            }
            ("eq" | "match" | "any-of" | "set" | "is" | "any-eq" | "any-match", _) => return None,
            _ => self.others.push(asked),
        }
        Some(())
    }
}

fn has_captures(item: &Item) -> bool {
    !item.captures.is_empty()
        || match &item.what {
            What::Any => false,
            What::Node { children: all, .. } | What::Choice(all) => all.iter().any(has_captures),
        }
}

/// How many nodes have each capture in a match.
fn bindings(item: &Item, out: &mut [usize]) {
    item.captures.iter().for_each(|it| out[*it as usize] += 1);
    match &item.what {
        What::Any => {}
        What::Node { children, .. } => children.iter().for_each(|it| bindings(it, out)),
        What::Choice(all) => {
            let before = out.to_vec();
            for one in all {
                let mut with = before.clone();
                bindings(one, &mut with);
                let pairs = out.iter_mut().zip(with);
                pairs.for_each(|(most, here)| *most = here.max(*most));
            }
        }
    }
}

struct Reader<'a> {
    grammar: tree_sitter::Language,
    tokens: &'a [Token<'a>],
    at: usize,
    names: Vec<Box<str>>,
    predicates: Vec<QueryPredicate>,
}

/// What stands between two brackets.
#[derive(Default)]
struct Inside {
    items: Vec<Item>,
    absent: Vec<u16>,
}

impl<'a> Reader<'a> {
    /// What stands up to a closing bracket or the end.
    fn items(&mut self, close: &Token<'_>, depth: usize) -> Option<Inside> {
        let mut out = Inside::default();
        let (mut field, mut immediate) = (0, false);
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            let what = match token {
                it if it == close && depth > 0 => {
                    // What is expected is not there.
                    (field == 0).then_some(())?;
                    if let Some(last) = out.items.last_mut() {
                        last.last = immediate;
                        (!immediate || last.times == Times::Once).then_some(())?;
                    }
                    return (!immediate || !out.items.is_empty()).then_some(out);
                }
                _ if depth >= MAX_DEPTH => return None,
                Token::Close | Token::CloseChoice => return None,
                Token::Optional { many } => {
                    let is_first = out.items.len() == 1;
                    let last = out.items.last_mut()?;
                    // Of matches with a capture and without it tree-sitter gives some only, and so it
                    // does where an anchor opens the list.
                    let is_plain = last.times == Times::Once
                        && !has_captures(last)
                        && !(is_first && last.immediate);
                    is_plain.then_some(())?;
                    last.times = match many {
                        true => Times::Any,
                        false => Times::Optional,
                    };
                    continue;
                }
                Token::Open => match self.tokens.get(self.at)? {
                    Token::Word(word) if word.starts_with('#') => {
                        self.predicate()?;
                        continue;
                    }
                    Token::Word(kind) => {
                        self.at += 1;
                        self.node(kind, depth)?
                    }
                    _ => return None,
                },
                Token::OpenChoice => {
                    let inside = self.items(&Token::CloseChoice, depth + 1)?;
                    let is_plain = |it: &Item| !it.immediate && !it.last && it.times == Times::Once;
                    let is_plain = inside.absent.is_empty() && inside.items.iter().all(is_plain);
                    is_plain.then_some(What::Choice(inside.items))?
                }
                Token::Text(text) => What::Node {
                    kind: Some(self.kind(text, false)?),
                    children: Vec::new(),
                    absent: Vec::new(),
                },
                Token::Word("_") => What::Any,
                Token::Word(".") => {
                    immediate = true;
                    continue;
                }
                Token::Word(word) => {
                    if let Some(name) = word.strip_prefix('@') {
                        let capture = self.capture(name);
                        let last = out.items.last_mut()?;
                        (last.times == Times::Once).then_some(())?;
                        last.captures.push(capture);
                    } else if let Some(name) = word.strip_prefix('!') {
                        out.absent.push(self.field(name)?);
                    } else {
                        field = self.field(word.strip_suffix(':')?)?;
                    }
                    continue;
                }
            };
            out.items.push(Item {
                what,
                field: std::mem::take(&mut field),
                immediate: std::mem::take(&mut immediate),
                last: false,
                times: Times::Once,
                captures: Vec::new(),
            });
        }
        (depth == 0 && field == 0 && !immediate).then_some(out)
    }

    /// A node, behind its kind.
    fn node(&mut self, kind: &str, depth: usize) -> Option<What> {
        let is_known = !SUPERTYPES.contains(&kind) && !matches!(kind, "ERROR" | "MISSING");
        let kind = match kind {
            "_" => None,
            kind => Some(self.kind(kind, true).filter(|_| is_known)?),
        };
        let Inside { items, absent } = self.items(&Token::Close, depth + 1)?;
        Some(What::Node {
            kind,
            children: items,
            absent,
        })
    }

    /// A predicate, behind its bracket.
    fn predicate(&mut self) -> Option<()> {
        let mut operator = None;
        let mut args = Vec::new();
        loop {
            let token = self.tokens.get(self.at)?;
            self.at += 1;
            match token {
                Token::Close => break,
                Token::Word(word) => match (word.strip_prefix('#'), word.strip_prefix('@')) {
                    (Some(name), _) if operator.is_none() => operator = Some(name),
                    (_, Some(name)) => args.push(QueryPredicateArg::Capture(self.capture(name))),
                    _ => return None,
                },
                Token::Text(text) => {
                    args.push(QueryPredicateArg::String(unescaped(text).into()));
                }
                _ => return None,
            }
        }
        self.predicates.push(QueryPredicate {
            operator: operator?.into(),
            args: args.into(),
        });
        Some(())
    }

    fn capture(&mut self, name: &str) -> u32 {
        let known = self.names.iter().position(|it| **it == *name);
        let at = known.unwrap_or_else(|| {
            self.names.push(name.into());
            self.names.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    fn kind(&self, name: &str, named: bool) -> Option<u16> {
        let is_plain = !(name.contains('\\') || named && name.contains('/'));
        let id = self.grammar.id_for_node_kind(name, named);
        (is_plain && id != 0).then_some(id)
    }

    fn field(&self, name: &str) -> Option<u16> {
        self.grammar.field_id_for_name(name).map(Into::into)
    }
}
