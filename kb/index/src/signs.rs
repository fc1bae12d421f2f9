//! Signs of code: the names in it that could tell one library or habit from another, with places.
//! It knows how comments and strings of our languages begin and end, and no other grammar.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use kb_schema::Language;

use crate::tokens::{names, tokenize};

/// The most text that is looked through, in bytes.
const MAX_TEXT: usize = 512 << 10;
/// The most different signs of one text.
const MAX_SIGNS: usize = 4096;
/// The most imports that are looked at.
const MAX_ALIASES: usize = 1024;
/// The shortest called name that says anything by itself, in characters.
const MIN_NAME: usize = 4;

/// A sign with the place where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sign {
    /// As the tokenizer gives it.
    pub(crate) term: String,
    /// In bytes of the text.
    pub(crate) range: Range<usize>,
    /// Whether it is a name by itself, which may belong to anything.
    pub(crate) plain: bool,
    /// Whether it is called, or an argument of a call; other names are mostly a program's own.
    pub(crate) acts: bool,
}

/// The signs of code outside its comments and strings, in order: qualified names, keyword
/// arguments, and names that are called.
pub(crate) fn signs(text: &str, language: Option<Language>) -> Vec<Sign> {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = &text[..end];
    let quiet = language.map_or_else(Vec::new, |it| quiet(text, it));
    let mut quiet = quiet.into_iter().peekable();
    let aliases = match language {
        Some(Language::Python) => aliases(text),
        _ => HashMap::new(),
    };
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for range in names(text) {
        while quiet.next_if(|it| it.end <= range.start).is_some() {}
        if quiet.peek().is_some_and(|it| it.start < range.end) {
            continue;
        }
        let name = &text[range.clone()];
        let called = text[range.end..].trim_start_matches(' ').starts_with('(');
        let last = name
            .rsplit(['.', '>', ':', '=', '-'])
            .next()
            .unwrap_or(name);
        let first = name.split('.').next().unwrap_or(name);
        let whole = aliases.get(first).filter(|_| !imports(text, range.start));
        let whole = whole.map(|it| {
            let whole = format!("{it}{}", &name[first.len()..]);
            tokenize(&whole).into_iter().filter(|it| it.contains('.'))
        });
        for term in tokenize(name)
            .into_iter()
            .chain(whole.into_iter().flatten())
        {
            let joined = is_joined(&term);
            let plain = called && !joined && term == last.to_lowercase();
            let acts = term.contains('=')
                || called
                    && (last_word(&term) == last.to_lowercase() || aliases.contains_key(name));
            if !(joined || plain && term.chars().count() >= MIN_NAME) {
                continue;
            }
            if seen.len() == MAX_SIGNS && !seen.contains(&term) {
                return found;
            }
            seen.insert(term.clone());
            found.push(Sign {
                term,
                range: range.clone(),
                plain,
                acts,
            });
        }
    }
    found
}

/// Whether a place is in an import, which uses nothing yet.
fn imports(text: &str, at: usize) -> bool {
    let start = text[..at].rfind('\n').map_or(0, |it| it + 1);
    let line = text[start..].trim_start();
    line.starts_with("import ") || line.starts_with("from ")
}

/// What the names that imports bind stand for, where that is another name: `import a.b as c`,
/// `from a import b` and `from a import b as c`, each on one line.
fn aliases(text: &str) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let plain = |it: &str| it.chars().all(|c| c.is_alphanumeric() || "_.".contains(c));
    let renamed = |part: &str| -> Option<(String, String)> {
        let mut words = part.split_whitespace();
        let name = words.next()?;
        let bound = match (words.next(), words.next()) {
            (Some("as"), Some(bound)) => bound,
            _ => name,
        };
        (plain(name) && plain(bound)).then(|| (name.to_owned(), bound.to_owned()))
    };
    let mut bind = |bound: String, whole: String| {
        if found.len() < MAX_ALIASES {
            found.insert(bound, whole);
        }
    };
    for line in text.lines().map(str::trim_start) {
        let line = line.split('#').next().unwrap_or_default();
        if let Some(rest) = line.strip_prefix("import ") {
            for (name, bound) in rest.split(',').filter_map(renamed) {
                if name != bound {
                    bind(bound, name);
                }
            }
        } else if let Some((module, names)) = line
            .strip_prefix("from ")
            .and_then(|it| it.split_once(" import "))
        {
            let names = names.trim().trim_matches(['(', ')', ',']);
            for (name, bound) in names.split(',').filter_map(renamed) {
                bind(
                    bound,
                    format!("{}.{name}", module.trim().trim_start_matches('.')),
                );
            }
        }
    }
    found
}

/// Whether a term is a qualified name or a keyword argument with its value.
fn is_joined(term: &str) -> bool {
    let word = |it: &str| it.starts_with(|c: char| c.is_alphabetic() || c == '_');
    if let Some((key, value)) = term.split_once('=') {
        return key.len() > 3 && word(key) && !value.is_empty();
    }
    ["->", "::", "."].into_iter().any(|joint| {
        let parts = term.split(joint);
        term.contains(joint) && parts.clone().count() > 1 && parts.clone().all(word)
    })
}

/// The last word of a sign.
pub(crate) fn last_word(term: &str) -> &str {
    match term.split_once('=') {
        Some((key, _)) => key,
        None => term.rsplit(['.', '>', ':']).next().unwrap_or(term),
    }
}

/// The word before the last, where there is one.
pub(crate) fn qualifier(term: &str) -> Option<&str> {
    let last = last_word(term);
    let before = term
        .strip_suffix(last)?
        .trim_end_matches(['.', '>', '-', ':']);
    let word = before.rsplit(['.', '>', ':']).next()?;
    (!word.is_empty() && !term.contains('=')).then_some(word)
}

/// The comments and strings of a text, in order. What is never closed ends with its line, a block
/// with the text.
fn quiet(text: &str, language: Language) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = match (language, rest[0]) {
            (Language::Python, b'#') => line(rest),
            (Language::C, b'/') if rest.starts_with(b"//") => line(rest),
            (Language::C, b'/') if rest.starts_with(b"/*") => {
                let close = rest[2..].windows(2).position(|it| it == b"*/");
                close.map_or(rest.len(), |it| it + 4)
            }
            (Language::Python, quote @ (b'"' | b'\'')) if rest.starts_with(&[quote; 3]) => {
                string(rest, &[quote; 3])
            }
            (_, quote @ (b'"' | b'\'')) => string(rest, &[quote]),
            _ => {
                at += 1;
                continue;
            }
        };
        found.push(at..at + length);
        at += length;
    }
    found
}

fn line(text: &[u8]) -> usize {
    text.iter()
        .position(|it| *it == b'\n')
        .unwrap_or(text.len())
}

/// The length of a string that the text begins with.
fn string(text: &[u8], quote: &[u8]) -> usize {
    let mut at = quote.len();
    while at < text.len() {
        match text[at] {
            b'\\' => at += 1,
            b'\n' if quote.len() == 1 => return at,
            _ if text[at..].starts_with(quote) => return at + quote.len(),
            _ => {}
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(text: &str, language: Language) -> Vec<String> {
        signs(text, Some(language))
            .into_iter()
            .map(|it| it.term)
            .collect()
    }

    #[test]
    fn signs_are_names_that_tell_something_apart() {
        let text = "import parcel\nx = parcel.unwrap(data, strict=False, n=3)\ny = a-b\n";
        let found = terms(text, Language::Python);
        assert_eq!(found, ["parcel.unwrap", "unwrap", "strict=false"]);
        let text = "import parcel as p\nfrom box import lid as top\np.unwrap(x)\ntop()\n";
        let found = terms(text, Language::Python);
        assert_eq!(found, ["p.unwrap", "unwrap", "parcel.unwrap", "box.lid"]);
        let found = terms("box->lid = getwd(buf);\n", Language::C);
        assert_eq!(found, ["box->lid", "getwd"]);
    }

    #[test]
    fn comments_and_strings_have_no_signs() {
        let text = "# parcel.unwrap(x)\ns = 'parcel.unwrap(x)' + \"\"\"\nparcel.unwrap(\n\"\"\"\nt = 'cut\nkept.name\n";
        assert_eq!(terms(text, Language::Python), ["kept.name"]);
        let text = "// a.bc(\n/* a.bc( */ char q = '\"'; d.ef(\"a.bc\\\"a.bc\");\n";
        assert_eq!(terms(text, Language::C), ["d.ef"]);
        assert_eq!(
            terms("/* never closed a.bc", Language::C),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_sign_has_a_last_word_and_what_stands_before_it() {
        assert_eq!(last_word("a.parcel.unwrap"), "unwrap");
        assert_eq!(qualifier("a.parcel.unwrap"), Some("parcel"));
        assert_eq!(qualifier("box->lid"), Some("box"));
        assert_eq!(
            (last_word("strict=false"), qualifier("strict=false")),
            ("strict", None)
        );
        assert_eq!(qualifier("unwrap"), None);
    }
}
