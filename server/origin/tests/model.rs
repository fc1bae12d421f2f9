//! Marks against a model that keeps one label for each byte.

use origin::{Carried, Confidence, Origins};
use syntax::Edit;

/// A small xorshift generator, so that every run is the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit") % limit
    }
}

type Label = Option<(Confidence, i32)>;

fn labels(origins: &Origins, len: usize) -> Vec<Label> {
    let mut labels = vec![None; len];
    let mut end = 0;
    for mark in origins {
        assert!(
            mark.range.start >= end && !mark.range.is_empty(),
            "marks are in order"
        );
        end = mark.range.end;
        labels[mark.range.clone()].fill(Some((mark.confidence, mark.version)));
    }
    labels
}

/// A text that never comes twice, so that nothing is taken for an undo.
fn new_text(dice: &mut Dice, serial: usize) -> String {
    let len = dice.below(12);
    let text = format!("{serial}:{}", "x".repeat(len));
    if dice.below(3) == 0 {
        String::new()
    } else {
        text
    }
}

#[test]
fn two_thousand_random_edits_and_marks_agree_with_a_label_for_each_byte() {
    for seed in [1, 22, 333] {
        let mut dice = Dice(seed);
        let mut origins = Origins::new();
        let mut text = String::from("a text to start with");
        let mut model: Vec<Label> = vec![None; text.len()];
        let mut marked = 0;
        for serial in 0..2000 {
            let start = dice.below(text.len() + 1);
            let end = (start + dice.below(10)).min(text.len());
            if dice.below(3) == 0 {
                let confidence = [Confidence::Likely, Confidence::Certain][dice.below(2)];
                let version = i32::try_from(dice.below(4)).expect("it is small");
                origins.mark(start..end, confidence, "tool", version);
                for label in &mut model[start..end] {
                    if label.is_none_or(|(old, _)| old <= confidence) {
                        *label = Some((confidence, version));
                    }
                }
            } else {
                let inserted = new_text(&mut dice, serial);
                // Deletions prevail, so that the text stays short and marks meet.
                let end = if text.len() > 200 {
                    (end + 20).min(text.len())
                } else {
                    end
                };
                let deleted = text[start..end].to_owned();
                text.replace_range(start..end, &inserted);
                let edit = Edit {
                    start,
                    old_end: end,
                    new_end: start + inserted.len(),
                };
                assert_eq!(origins.edit(&edit, &deleted, &inserted), Carried::Fresh);
                model.splice(start..end, vec![None; inserted.len()]);
            }
            assert_eq!(
                labels(&origins, text.len()),
                model,
                "seed {seed}, step {serial}"
            );
            marked += usize::from(!origins.is_empty());
        }
        assert!(marked > 1000, "marks were there to be moved: {marked}");
    }
}

#[test]
fn undoing_everything_in_reverse_restores_every_label() {
    for seed in 1..60 {
        let mut dice = Dice(seed);
        let mut origins = Origins::new();
        let mut text: String = ('!'..='~').collect();
        origins.mark(10..30, Confidence::Certain, "tool", 1);
        origins.mark(30..50, Confidence::Likely, "tool", 2);
        origins.mark(60..61, Confidence::Certain, "tool", 3);
        let mut done = Vec::new();
        for serial in 0..60 {
            let start = dice.below(text.len() + 1);
            let end = (start + dice.below(8)).min(text.len());
            let inserted = new_text(&mut dice, serial + 1000);
            let deleted = text[start..end].to_owned();
            let before = labels(&origins, text.len());
            text.replace_range(start..end, &inserted);
            let edit = Edit {
                start,
                old_end: end,
                new_end: start + inserted.len(),
            };
            origins.edit(&edit, &deleted, &inserted);
            done.push((edit, deleted, inserted, before));
        }
        for (edit, deleted, inserted, before) in done.into_iter().rev() {
            text.replace_range(edit.new_range(), &deleted);
            let back = Edit {
                old_end: edit.new_end,
                new_end: edit.old_end,
                ..edit
            };
            let carried = origins.edit(&back, &inserted, &deleted);
            assert_eq!(
                carried == Carried::Again,
                !deleted.is_empty(),
                "seed {seed}"
            );
            assert_eq!(labels(&origins, text.len()), before, "seed {seed}: {text}");
        }
    }
}
