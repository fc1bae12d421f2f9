//! Text to tree: one parser per thread and language, reading any text chunk by chunk. Knows no
//! edits and no positions.

use std::cell::Cell;
use std::ops::{ControlFlow, Range};

use tree_sitter::{ParseOptions, Parser, Tree};

use crate::{Language, Text};

/// The longest text that is parsed whole. Tree-sitter counts bytes in 32 bits; what lies beyond is
/// left out of the tree.
pub const MAX_BYTES: usize = i32::MAX as usize;

thread_local! {
    static PARSERS: [Cell<Option<Parser>>; Language::ALL.len()] = const { [Cell::new(None), Cell::new(None)] };
}

/// Parses a string.
#[must_use]
pub fn parse(language: Language, text: &str) -> Tree {
    parse_unless(language, text, &|| false).expect("a parse that nobody cancels ends with a tree")
}

/// Parses a string, asking now and then whether to give up. `None` means that it was told to.
pub fn parse_unless(language: Language, text: &str, cancelled: &dyn Fn() -> bool) -> Option<Tree> {
    let bytes = text.as_bytes();
    run(
        language,
        |offset| bytes.get(offset..).unwrap_or_default(),
        None,
        &[],
        cancelled,
    )
}

/// Parses a rope; `old` is its previous tree, already edited to match.
pub(crate) fn parse_text(
    language: Language,
    text: &Text,
    old: Option<&Tree>,
    cancelled: &dyn Fn() -> bool,
) -> Option<Tree> {
    run(
        language,
        |offset| text.chunk_bytes_from(offset),
        old,
        &[],
        cancelled,
    )
}

/// Parses a range of a rope as if nothing stood around it; nodes have the places of the whole text.
pub(crate) fn parse_range(language: Language, text: &Text, range: &Range<usize>) -> Option<Tree> {
    let range = tree_sitter::Range {
        start_byte: range.start,
        end_byte: range.end,
        start_point: text.point_of(range.start),
        end_point: text.point_of(range.end),
    };
    let read = |offset| text.chunk_bytes_from(offset);
    run(language, read, None, &[range], &|| false)
}

fn run<'t>(
    language: Language,
    read: impl Fn(usize) -> &'t [u8],
    old: Option<&Tree>,
    ranges: &[tree_sitter::Range],
    cancelled: &dyn Fn() -> bool,
) -> Option<Tree> {
    // The parser is taken out while it works: a `cancelled` that itself parses gets another one.
    let mut parser = PARSERS
        .with(|parsers| parsers[language as usize].take())
        .unwrap_or_else(|| {
            let mut parser = Parser::new();
            parser
                .set_language(&language.grammar())
                .expect("the grammars fit the linked tree-sitter");
            parser
        });
    parser
        .set_included_ranges(ranges)
        .expect("there is at most one range, which ends behind its start");
    let mut chunk = |offset: usize, _| {
        let bytes = read(offset);
        &bytes[..bytes.len().min(MAX_BYTES.saturating_sub(offset))]
    };
    let mut progress = |_: &_| match cancelled() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let tree = parser.parse_with_options(&mut chunk, old, Some(options));
    // After a cancelled parse the parser would resume with whatever text comes next.
    parser.reset();
    PARSERS.with(|parsers| parsers[language as usize].set(Some(parser)));
    tree
}
