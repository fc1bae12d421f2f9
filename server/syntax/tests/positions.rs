//! Positions in every encoding, in texts that are hard on them.

use syntax::{Encoding, InputEdit, LineColumn, LineIndex, Point, Position, Text};

use Encoding::{Utf8, Utf16, Utf32};

/// A table of bytes and their places: emoji, combining mark, all three line ends, a break that is
/// none, and no line break at the end.
const HARD: &str = "a😀b\r\ne\u{301}\rx\u{2028}y\n\nend";

#[test]
fn each_encoding_counts_its_own_units() {
    let text = Text::new(HARD);
    // byte, line, columns in UTF-8, UTF-16 and UTF-32
    for (byte, line, columns) in [
        (0, 0, [0, 0, 0]),
        (1, 0, [1, 1, 1]),
        (5, 0, [5, 3, 2]),
        (6, 0, [6, 4, 3]),
        (8, 1, [0, 0, 0]),
        (9, 1, [1, 1, 1]),
        (11, 1, [3, 2, 2]),
        (12, 2, [0, 0, 0]),
        (16, 2, [4, 2, 2]),
        (17, 2, [5, 3, 3]),
        (18, 3, [0, 0, 0]),
        (19, 4, [0, 0, 0]),
        (22, 4, [3, 3, 3]),
    ] {
        for (encoding, column) in [Utf8, Utf16, Utf32].into_iter().zip(columns) {
            let position = Position::new(line, column);
            assert_eq!(
                text.position_of(byte, encoding),
                position,
                "byte {byte}, {encoding:?}"
            );
            assert_eq!(
                text.byte_of(position, encoding),
                byte,
                "{position:?}, {encoding:?}"
            );
        }
    }
}

#[test]
fn what_is_out_of_bounds_is_clamped() {
    let text = Text::new(HARD);
    for (position, encoding, byte) in [
        (Position::new(0, 4), Utf16, 6),
        (Position::new(0, 5), Utf16, 6),
        (Position::new(0, usize::MAX), Utf8, 6),
        (Position::new(0, usize::MAX), Utf16, 6),
        (Position::new(0, usize::MAX), Utf32, 6),
        (Position::new(3, 7), Utf8, 18),
        (Position::new(4, 9), Utf32, 22),
        (Position::new(5, 0), Utf16, 22),
        (Position::new(usize::MAX, usize::MAX), Utf16, 22),
        // Inside the surrogate pair, inside the emoji's bytes, inside the accent's bytes.
        (Position::new(0, 2), Utf16, 1),
        (Position::new(0, 2), Utf8, 1),
        (Position::new(0, 4), Utf8, 1),
        (Position::new(1, 2), Utf8, 9),
    ] {
        assert_eq!(
            text.byte_of(position, encoding),
            byte,
            "{position:?}, {encoding:?}"
        );
    }
    // Between the two bytes of a line end, inside a character, past the end.
    assert_eq!(text.position_of(7, Utf8), Position::new(0, 6));
    assert_eq!(text.position_of(3, Utf16), Position::new(0, 1));
    assert_eq!(text.position_of(999, Utf16), Position::new(4, 3));
}

#[test]
fn an_empty_text_has_one_place() {
    let text = Text::new("");
    assert_eq!(text.byte_of(Position::new(0, 3), Utf16), 0);
    assert_eq!(text.position_of(5, Utf16), Position::new(0, 0));
    assert_eq!(text.point_of(5), Point { row: 0, column: 0 });
}

#[test]
fn a_byte_order_mark_left_in_a_text_is_a_character() {
    let text = Text::new("\u{feff}x");
    assert_eq!(text.byte_of(Position::new(0, 1), Utf16), 3);
    assert_eq!(text.position_of(3, Utf8), Position::new(0, 3));
}

#[test]
fn points_follow_the_tree_and_not_the_editor() {
    let mut text = Text::new("a\rb\r\nc\n\rd");
    let points = |text: &Text, model: &str| {
        for byte in 0..=model.len() {
            let before = &model[..byte];
            let row = before.matches('\n').count();
            let column = byte - before.rfind('\n').map_or(0, |at| at + 1);
            assert_eq!(
                text.point_of(byte),
                Point { row, column },
                "{model:?}, byte {byte}"
            );
        }
    };
    points(&text, "a\rb\r\nc\n\rd");
    // A return becomes lone and paired again as its neighbours come and go.
    for (range, new, after) in [
        (4..5, "", "a\rb\rc\n\rd"),
        (1..2, "", "ab\rc\n\rd"),
        (3..3, "\n", "ab\r\nc\n\rd"),
        (6..7, "\r\n", "ab\r\nc\n\r\nd"),
        (3..3, "x", "ab\rx\nc\n\r\nd"),
        (2..4, "", "ab\nc\n\r\nd"),
        (2..2, "\r", "ab\r\nc\n\r\nd"),
        (0..9, "", ""),
    ] {
        text.replace(range, new);
        assert_eq!(text, *after);
        points(&text, after);
    }
}

#[test]
fn a_replacement_says_what_moved() {
    let mut text = Text::new("one\ntwo\nthree");
    assert_eq!(
        text.replace(2..9, "é\n"),
        InputEdit {
            start_byte: 2,
            old_end_byte: 9,
            new_end_byte: 5,
            start_position: Point { row: 0, column: 2 },
            old_end_position: Point { row: 2, column: 1 },
            new_end_position: Point { row: 1, column: 0 },
        }
    );
    assert_eq!(text, *"oné\nhree");
    // Inside the character and past the end: never a panic, never half a character.
    assert_eq!(text.replace(3..99, "").start_byte, 2);
    assert_eq!(text, *"on");
}

#[test]
fn a_clone_does_not_see_later_edits() {
    let mut text = Text::new("a");
    let before = text.clone();
    text.replace(0..1, "b");
    assert_eq!(
        (before.to_string(), text.to_string()),
        ("a".into(), "b".into())
    );
}

#[test]
fn the_difference_of_two_texts_is_as_small_as_whole_characters_allow() {
    for (old, new, expected) in [
        ("abc", "abc", (3..3, 3..3)),
        ("abc", "axc", (1..2, 1..2)),
        ("aa", "aaa", (2..2, 2..3)),
        ("aaa", "aa", (2..3, 2..2)),
        ("", "x", (0..0, 0..1)),
        ("x", "", (0..1, 0..0)),
        ("é", "è", (0..2, 0..2)),
        // Equal last bytes of different characters.
        ("x\u{e9}", "x\u{129}", (1..3, 1..3)),
    ] {
        assert_eq!(
            Text::new(old).difference(new),
            expected,
            "{old:?} to {new:?}"
        );
    }
    // Across chunks of the rope.
    let old = "0123456789é\n".repeat(1000);
    let mut new = old.clone();
    new.insert_str(6500, "more");
    let (gone, come) = Text::new(&old).difference(&new);
    assert!(gone.is_empty());
    assert_eq!(come.len(), 4);
    assert_eq!(
        format!("{}{}{}", &old[..gone.start], &new[come], &old[gone.end..]),
        new
    );
}

#[test]
fn people_count_from_one_and_in_characters() {
    let index = LineIndex::new(HARD);
    for (byte, line, column) in [
        (0, 1, 1),
        (5, 1, 3),
        (6, 1, 4),
        (8, 2, 1),
        (11, 2, 3),
        (12, 3, 1),
        (17, 3, 4),
        (18, 4, 1),
        (19, 5, 1),
        (22, 5, 4),
    ] {
        let place = LineColumn { line, column };
        assert_eq!(index.line_column(byte), place, "byte {byte}");
        assert_eq!(index.byte_of(place), byte, "{place:?}");
    }
    assert_eq!(index.len(), 5);
    let lines: Vec<_> = (0..=6).map(|line| index.line(line)).collect();
    assert_eq!(lines, ["", "a😀b", "e\u{301}", "x\u{2028}y", "", "end", ""]);
    assert_eq!(
        index.line_column(3),
        LineColumn { line: 1, column: 2 },
        "inside the emoji"
    );
    assert_eq!(
        index.line_column(7),
        LineColumn { line: 1, column: 4 },
        "inside the line end"
    );
    assert_eq!(index.line_column(99), LineColumn { line: 5, column: 4 });
    assert_eq!(index.byte_of(LineColumn { line: 0, column: 0 }), 0);
    assert_eq!(
        index.byte_of(LineColumn {
            line: 1,
            column: 99
        }),
        6
    );
    assert_eq!(
        index.byte_of(LineColumn {
            line: 99,
            column: 1
        }),
        22
    );
}

#[test]
fn both_ways_of_finding_lines_agree() {
    for text in [
        HARD,
        "",
        "\r",
        "\n",
        "\r\n",
        "\n\r",
        "\r\r\n\n",
        "a\u{85}b\u{b}c\u{c}d\u{2029}e",
    ] {
        let (rope, index) = (Text::new(text), LineIndex::new(text));
        assert_eq!(rope.len_lines(), index.len(), "{text:?}");
        for (byte, _) in text.char_indices() {
            let (here, there) = (rope.position_of(byte, Utf32), index.line_column(byte));
            assert_eq!(
                (here.line + 1, here.column + 1),
                (there.line, there.column),
                "{text:?}"
            );
        }
    }
}
