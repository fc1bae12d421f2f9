//! How code and prose become terms: names whole and in parts, operators as words of their own.
//! It knows no language's grammar, so that half a line of any language still gives its signs.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// The longest term, in characters; what is longer is cut, the same way on both sides.
pub const MAX_TERM_CHARS: usize = 64;
/// The most parts a joined name or one word is taken apart into.
const MAX_PARTS: usize = 16;

/// Operators that are found as terms, the longest first.
const OPERATORS: [&str; 28] = [
    "...", "<<=", ">>=", "**=", "//=", "->", "=>", "==", "!=", "<=", ">=", "::", ":=", "&&", "||",
    "<<", ">>", "++", "--", "+=", "-=", "*=", "/=", "%=", "**", "//", "..", "{}",
];
/// What joins words into one name when it stands between them without spaces.
const JOINTS: [&str; 5] = ["->", "::", ".", "=", "-"];

/// Every term of a text, in order, lower case.
///
/// `yaml.load(f, Loader=None)` gives `yaml.load`, `yaml`, `load`, `f`, `loader=none`, `loader`,
/// `none`.
#[must_use]
pub fn tokenize(text: &str) -> Vec<String> {
    let mut terms = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        rest = next(rest, &mut |term| terms.push(term));
    }
    terms
}

/// The places of names in a text, in order, as [`tokenize`] takes them: joined words are one name.
pub(crate) fn names(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
    let mut rest = text;
    std::iter::from_fn(move || {
        while let Some(first) = rest.chars().next() {
            let start = text.len() - rest.len();
            rest = next(rest, &mut |_| ());
            if is_word(first) {
                return Some(start..text.len() - rest.len());
            }
        }
        None
    })
}

/// Takes the terms at the front of the text and gives back what follows them.
fn next<'a>(text: &'a str, emit: &mut impl FnMut(String)) -> &'a str {
    let Some(first) = text.chars().next() else {
        return "";
    };
    if is_word(first) {
        return name(text, emit);
    }
    if let Some(length) = conversion(text) {
        emit(cut(&text[..length]));
        return &text[length..];
    }
    if let Some(operator) = OPERATORS
        .iter()
        .find(|&&operator| text.starts_with(operator))
    {
        emit((*operator).to_owned());
        return &text[operator.len()..];
    }
    &text[first.len_utf8()..]
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the word at the front.
fn word_len(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len())
}

/// A word, or words joined as in `a.b`, `p->q`, `shell=True`, `CWE-78`.
fn name<'a>(text: &'a str, emit: &mut impl FnMut(String)) -> &'a str {
    let mut words = vec![(0, word_len(text))];
    let mut end = words[0].1;
    let mut joints = Vec::new();
    while words.len() < MAX_PARTS {
        let Some(joint) = JOINTS.iter().find(|&&joint| text[end..].starts_with(joint)) else {
            break;
        };
        let start = end + joint.len();
        let length = word_len(&text[start..]);
        if length == 0 {
            break;
        }
        joints.push(*joint);
        end = start + length;
        words.push((start, end));
    }
    if words.len() > 1 {
        emit(cut(&text[..end]));
    }
    if words.len() > 2 {
        for pair in words.windows(2) {
            emit(cut(&text[pair[0].0..pair[1].1]));
        }
    }
    for (index, &(from, to)) in words.iter().enumerate() {
        if index > 0 && joints[index - 1].len() > 1 {
            emit(joints[index - 1].to_owned());
        }
        word(&text[from..to], emit);
    }
    &text[end..]
}

/// One word whole, and its parts where it is `snake_case` or `camelCase`.
fn word(text: &str, emit: &mut impl FnMut(String)) {
    emit(cut(text));
    let parts = parts(text);
    if parts.len() > 1 || parts.first().is_some_and(|part| part.len() < text.len()) {
        for part in parts {
            emit(cut(part));
        }
    }
}

/// Parts end at `_`, before a capital after a small letter, and before the last capital of a row
/// that a small letter follows (`HTTPServer`). Digits stay with what they follow (`md5`),
/// and numbers whole (`0x1F`).
fn parts(word: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for piece in word.split('_').filter(|piece| !piece.is_empty()) {
        let is_number = piece.starts_with(|c: char| c.is_ascii_digit());
        let mut start = 0;
        let mut before: Option<char> = None;
        let mut chars = piece.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let rises = before.is_some_and(|b| !b.is_uppercase() && b.is_alphanumeric());
            let row_ends = before.is_some_and(char::is_uppercase)
                && chars.peek().is_some_and(|&(_, after)| after.is_lowercase());
            if c.is_uppercase() && (rises || row_ends) && !is_number {
                parts.push(&piece[start..at]);
                start = at;
            }
            before = Some(c);
        }
        parts.push(&piece[start..]);
        if parts.len() >= MAX_PARTS {
            parts.truncate(MAX_PARTS);
            break;
        }
    }
    parts
}

/// The length of a printf conversion (`%s`, `%02x`, `%.*lf`) at the front. It must not run into a
/// word: `a%size` is a remainder.
fn conversion(text: &str) -> Option<usize> {
    let after = text.strip_prefix('%')?;
    let flags = after.find(|c: char| !matches!(c, '0'..='9' | '.' | '*' | '+' | '#'))?;
    let length = flags + after[flags..].find(|c| !matches!(c, 'h' | 'l' | 'z' | 'j' | 't'))?;
    let mut tail = after[length..].chars();
    let is_letter = tail.next().is_some_and(|c| "diouxXeEfgGcspnrS".contains(c));
    let ends = !tail.next().is_some_and(|c| c.is_alphanumeric());
    (is_letter && ends).then_some(length + 2)
}

fn cut(text: &str) -> String {
    text.chars()
        .flat_map(char::to_lowercase)
        .take(MAX_TERM_CHARS)
        .collect()
}

/// The tokenizer as tantivy wants it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CodeTokenizer;

impl Tokenizer for CodeTokenizer {
    type TokenStream<'a> = CodeStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> CodeStream<'a> {
        CodeStream {
            text,
            rest: text,
            ready: std::collections::VecDeque::new(),
            token: Token::default(),
        }
    }
}

/// Terms of one text, one name at a time.
pub(crate) struct CodeStream<'a> {
    text: &'a str,
    rest: &'a str,
    ready: std::collections::VecDeque<String>,
    token: Token,
}

impl TokenStream for CodeStream<'_> {
    fn advance(&mut self) -> bool {
        while self.ready.is_empty() && !self.rest.is_empty() {
            self.token.offset_from = self.text.len() - self.rest.len();
            let ready = &mut self.ready;
            self.rest = next(self.rest, &mut |term| ready.push_back(term));
            self.token.offset_to = self.text.len() - self.rest.len();
        }
        let Some(term) = self.ready.pop_front() else {
            return false;
        };
        self.token.text = term;
        self.token.position = self.token.position.wrapping_add(1);
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
