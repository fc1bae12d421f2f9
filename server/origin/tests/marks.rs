//! What happens to marks as people and tools edit around and inside them.

use origin::{Carried, Confidence, MAX_SOURCE, Origins};
use syntax::Edit;

use Confidence::{Certain, Likely};

/// A text with its origins, edited the way an editor does.
struct Page {
    text: String,
    origins: Origins,
}

impl Page {
    /// A page whose text between `[` and `]` an AI wrote.
    fn new(marked: &str) -> Self {
        let mut page = Self {
            text: String::new(),
            origins: Origins::new(),
        };
        let mut start = 0;
        for char in marked.chars() {
            match char {
                '[' => start = page.text.len(),
                ']' => page
                    .origins
                    .mark(start..page.text.len(), Certain, "tool", 1),
                _ => page.text.push(char),
            }
        }
        page
    }

    fn replace(&mut self, old: &str, new: &str) -> Carried {
        let start = self.text.find(old).expect("the text to replace is there");
        self.splice(start, start + old.len(), new)
    }

    fn splice(&mut self, start: usize, old_end: usize, new: &str) -> Carried {
        let deleted = self.text[start..old_end].to_owned();
        self.text.replace_range(start..old_end, new);
        self.origins.edit(
            &Edit {
                start,
                old_end,
                new_end: start + new.len(),
            },
            &deleted,
            new,
        )
    }

    /// The text with its marks drawn in.
    fn drawn(&self) -> String {
        let (mut drawn, mut at) = (String::new(), 0);
        for mark in &self.origins {
            let marked = &self.text[mark.range.clone()];
            drawn += &format!("{}[{marked}]", &self.text[at..mark.range.start]);
            at = mark.range.end;
        }
        drawn + &self.text[at..]
    }
}

#[test]
fn edits_outside_move_a_mark() {
    let mut page = Page::new("one [two] three");
    page.replace("one", "the first");
    assert_eq!(page.drawn(), "the first [two] three");
    page.replace(" three", "");
    assert_eq!(page.drawn(), "the first [two]");
    page.replace("the first ", "");
    assert_eq!(page.drawn(), "[two]");
}

#[test]
fn text_typed_inside_splits_and_text_typed_at_an_edge_stays_outside() {
    let mut page = Page::new("[abcd]");
    page.splice(2, 2, "mine");
    assert_eq!(page.drawn(), "[ab]mine[cd]");
    page.splice(0, 0, "<");
    page.splice(9, 9, ">");
    assert_eq!(page.drawn(), "<[ab]mine[cd]>");
    page.replace("mine", "");
    assert_eq!(page.drawn(), "<[abcd]>", "what was one mark is one again");
}

#[test]
fn deletions_shrink_a_mark_until_nothing_is_left() {
    let mut page = Page::new("x[abcd]y");
    page.splice(0, 2, "");
    assert_eq!(page.drawn(), "[bcd]y");
    page.splice(2, 4, "");
    assert_eq!(page.drawn(), "[bc]");
    page.splice(0, 2, "");
    assert_eq!(page.drawn(), "");
    assert!(page.origins.is_empty());
}

#[test]
fn replacing_part_of_a_mark_leaves_the_rest() {
    let mut page = Page::new("[one two three]");
    page.replace("two", "2");
    assert_eq!(page.drawn(), "[one ]2[ three]");
}

#[test]
fn undo_and_redo_bring_marks_back() {
    let mut page = Page::new("a [b] c");
    page.replace("b", "");
    assert_eq!(page.drawn(), "a  c");
    assert_eq!(page.splice(2, 2, "b"), Carried::Again);
    assert_eq!(page.drawn(), "a [b] c");
    // A human line in it: gone with the undo, and still human after the redo.
    page.splice(2, 2, "mine");
    page.splice(6, 7, "");
    assert_eq!(page.splice(6, 6, "b"), Carried::Again);
    page.replace("mine", "");
    assert_eq!(page.splice(2, 2, "mine"), Carried::Again);
    assert_eq!(page.drawn(), "a mine[b] c");
}

#[test]
fn undo_of_a_replacement_brings_marks_back_though_text_moved_meanwhile() {
    let mut page = Page::new("x = [secret]\n");
    page.replace("secret", "mine");
    assert_eq!(page.drawn(), "x = mine\n");
    page.splice(0, 0, "# above\n");
    assert_eq!(page.replace("mine", "secret"), Carried::Again);
    assert_eq!(page.drawn(), "# above\nx = [secret]\n");
}

#[test]
fn deletions_one_by_one_are_undone_together_or_one_by_one() {
    for together in [true, false] {
        // Backspace from the end, through the mark's edge.
        let mut page = Page::new("ab[cd]e");
        for end in (2..=5).rev() {
            page.splice(end - 1, end, "");
        }
        assert_eq!(page.text, "a");
        if together {
            assert_eq!(page.splice(1, 1, "bcde"), Carried::Again);
        } else {
            for (at, char) in "bcde".char_indices() {
                assert_eq!(
                    page.splice(at + 1, at + 1, &char.to_string()),
                    Carried::Again
                );
            }
        }
        assert_eq!(page.drawn(), "ab[cd]e");

        // The delete key.
        for _ in 0..4 {
            page.splice(1, 2, "");
        }
        if together {
            assert_eq!(page.splice(1, 1, "bcde"), Carried::Again);
        } else {
            for char in "edcb".chars() {
                assert_eq!(page.splice(1, 1, &char.to_string()), Carried::Again);
            }
        }
        assert_eq!(page.drawn(), "ab[cd]e");
    }
}

#[test]
fn a_deletion_within_a_deletion_is_undone_in_two_steps() {
    let mut page = Page::new("x[abcd]y");
    page.replace("bc", "");
    page.replace("ad", "");
    assert_eq!(page.drawn(), "xy");
    page.splice(1, 1, "ad");
    assert_eq!(page.drawn(), "x[ad]y");
    page.splice(2, 2, "bc");
    assert_eq!(page.drawn(), "x[abcd]y");
}

#[test]
fn the_same_short_text_elsewhere_is_somebody_elses() {
    let mut page = Page::new("[a] b");
    page.splice(0, 1, "");
    assert_eq!(page.splice(2, 2, "a"), Carried::Fresh);
    assert_eq!(page.drawn(), " ba");
}

#[test]
fn a_cut_and_paste_of_much_text_takes_its_marks_along_each_time() {
    let block = "def load(path):\n    with open(path) as file:\n        return file.read()\n";
    let mut page = Page::new(&format!("[{block}]# end\n"));
    page.replace(block, "");
    for _ in 0..2 {
        let end = page.text.len();
        assert_eq!(page.splice(end, end, block), Carried::Again);
    }
    assert_eq!(page.drawn(), format!("# end\n[{block}{block}]"));
}

#[test]
fn old_deletions_are_forgotten() {
    let mut page = Page::new("[a]");
    page.splice(0, 1, "");
    for _ in 0..1000 {
        page.splice(0, 0, "word ");
        page.splice(0, 5, "");
    }
    for number in 0..1000 {
        let text = number.to_string();
        page.splice(0, 0, &text);
        page.splice(0, text.len(), "");
    }
    assert_eq!(page.splice(0, 0, "a"), Carried::Fresh);
}

#[test]
fn formatting_keeps_marks() {
    let mut page = Page::new("if a :\n  [b( 1 )\n  c()]\nd()");
    assert_eq!(
        page.replace(" :\n  b( 1 )\n  c", ":\n    b(1)\n    c"),
        Carried::Formatted
    );
    assert_eq!(page.drawn(), "if a:\n    [b(1)\n    c()]\nd()");
    assert_eq!(page.replace("a:\n    b(1)", "a: b(1)"), Carried::Formatted);
    assert_eq!(page.drawn(), "if a: [b(1)\n    c()]\nd()");
}

#[test]
fn replacing_the_whole_text_keeps_the_marks_of_what_stayed() {
    let old = "import os\n\ndef a():\n    pass\n\ndef b():\n    pass\n";
    let mut origins = Origins::new();
    origins.mark(0..10, Certain, "tool", 1);
    origins.mark(29..old.len(), Certain, "tool", 1);
    let new = "import os\n\ndef a():\n    return 'changed'\n\ndef b():\n    pass\n";
    origins.replace(old, new);
    let texts: Vec<_> = origins
        .iter()
        .map(|mark| &new[mark.range.clone()])
        .collect();
    assert_eq!(texts, ["import os\n", "\ndef b():\n    pass\n"]);
    origins.replace(new, "quite another text");
    assert!(origins.is_empty());
}

#[test]
fn certain_beats_likely_and_newer_beats_older() {
    let mut origins = Origins::new();
    let drawn = |origins: &Origins| -> Vec<_> {
        origins
            .iter()
            .map(|mark| (mark.range.clone(), mark.confidence, mark.version))
            .collect()
    };
    origins.mark(0..10, Likely, "editor", 1);
    origins.mark(4..6, Certain, "tool", 2);
    assert_eq!(
        drawn(&origins),
        [(0..4, Likely, 1), (4..6, Certain, 2), (6..10, Likely, 1)]
    );
    origins.mark(2..8, Likely, "editor", 3);
    assert_eq!(
        drawn(&origins),
        [
            (0..2, Likely, 1),
            (2..4, Likely, 3),
            (4..6, Certain, 2),
            (6..8, Likely, 3),
            (8..10, Likely, 1)
        ]
    );
    origins.mark(0..12, Certain, "tool", 4);
    assert_eq!(drawn(&origins), [(0..12, Certain, 4)]);
    origins.mark(12..14, Certain, "tool", 4);
    assert_eq!(
        drawn(&origins),
        [(0..14, Certain, 4)],
        "a continuation is the same mark"
    );
    origins.mark(7..7, Likely, "editor", 5);
    assert_eq!(drawn(&origins), [(0..14, Certain, 4)]);
}

#[test]
fn the_strongest_overlapping_mark_is_found() {
    let mut origins = Origins::new();
    origins.mark(2..4, Likely, "editor", 1);
    origins.mark(6..8, Certain, "tool", 1);
    let source = |range| origins.at(range).map(|mark| mark.source.as_str());
    assert_eq!(source(0..2), None);
    assert_eq!(source(4..6), None);
    assert_eq!(source(3..5), Some("editor"));
    assert_eq!(source(0..99), Some("tool"));
    assert_eq!(source(2..2), Some("editor"));
    assert_eq!(source(4..4), None);
}

#[test]
fn a_source_is_short_and_plain() {
    let mut origins = Origins::new();
    origins.mark(0..1, Certain, &format!("a\nb\u{1b}{}", "é".repeat(500)), 1);
    let source = &origins.at(0..1).expect("it is marked").source;
    assert!(
        source.starts_with("abé") && source.chars().count() == MAX_SOURCE,
        "{source}"
    );
}

#[test]
fn texts_that_do_not_fit_their_edit_do_no_harm() {
    let mut origins = Origins::new();
    origins.mark(2..8, Certain, "tool", 1);
    origins.edit(
        &Edit {
            start: 4,
            old_end: 1,
            new_end: 0,
        },
        "deleted",
        "inserted",
    );
    origins.edit(
        &Edit {
            start: 90,
            old_end: 99,
            new_end: 95,
        },
        "",
        "",
    );
    assert!(origins.at(2..8).is_some());
}

#[test]
fn doubt_takes_back_what_was_only_likely() {
    let mut origins = Origins::new();
    origins.mark(0..10, Confidence::Likely, "editor", 1);
    origins.mark(10..20, Confidence::Certain, "copilot", 1);
    origins.doubt(5..15);
    let left: Vec<_> = origins.iter().map(|it| it.range.clone()).collect();
    assert_eq!(left, [0..5, 10..20]);
}
