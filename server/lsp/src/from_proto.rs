//! From the protocol's types to ours. Asks no engine and keeps nothing.

use std::ops::Range;

use syntax::{Change, Encoding, Language, Position, Text};
use tower_lsp::gen_lsp_types as types;

/// Languages that a client tells apart from C although their files may end in `.h`, and from
/// Python although they are near it.
const NEIGHBOURS: [&str; 7] = [
    "cpp",
    "c++",
    "objective-c",
    "objective-cpp",
    "cuda",
    "cuda-cpp",
    "cython",
];

/// The language of an opened document, or `None` where we have nothing to say: by what the client
/// calls it, or else by its name.
pub(crate) fn language(item: &types::TextDocumentItem) -> Option<Language> {
    let id = item.language_id.as_str().to_ascii_lowercase();
    if NEIGHBOURS.contains(&id.as_str()) {
        return None;
    }
    Language::from_id(&id).or_else(|| Language::detect(item.uri.as_ref(), item.text.as_bytes()))
}

pub(crate) fn position(position: types::Position) -> Position {
    let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Position::new(number(position.line), number(position.character))
}

/// The bytes of a range; an inverted range is read the other way round.
pub(crate) fn range(range: types::Range, text: &Text, encoding: Encoding) -> Range<usize> {
    let start = text.byte_of(position(range.start), encoding);
    let end = text.byte_of(position(range.end), encoding);
    start.min(end)..start.max(end)
}

pub(crate) fn changes(
    events: Vec<types::TextDocumentContentChangeEvent>,
    encoding: Encoding,
) -> Vec<Change> {
    use types::TextDocumentContentChangeEvent as Event;
    let change = |event| match event {
        Event::TextDocumentContentChangePartial(part) => {
            let range = Some((position(part.range.start), position(part.range.end)));
            Change {
                range,
                encoding,
                text: part.text,
            }
        }
        Event::TextDocumentContentChangeWholeDocument(whole) => Change {
            range: None,
            encoding,
            text: whole.text,
        },
    };
    events.into_iter().map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(uri: &str, id: &str, text: &str) -> types::TextDocumentItem {
        types::TextDocumentItem {
            uri: uri.into(),
            language_id: id.to_owned().into(),
            version: 1,
            text: text.to_owned(),
        }
    }

    #[test]
    fn the_clients_word_for_a_language_comes_before_the_name() {
        for (uri, id, text, expected) in [
            ("file:///a", "python", "", Some(Language::Python)),
            ("file:///a.h", "c", "", Some(Language::C)),
            ("file:///a.h", "cpp", "", None),
            ("file:///a.py", "", "", Some(Language::Python)),
            ("file:///a.py", "plaintext", "", Some(Language::Python)),
            (
                "file:///tool",
                "",
                "#!/usr/bin/env python3\n",
                Some(Language::Python),
            ),
            ("untitled:Untitled-1", "Python", "", Some(Language::Python)),
            ("file:///a.md", "markdown", "", None),
        ] {
            assert_eq!(language(&item(uri, id, text)), expected, "{uri} as {id:?}");
        }
    }
}
