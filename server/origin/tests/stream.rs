//! What in a stream of changes looks like an AI's work, and what does not.

use origin::heuristics::classify;
use origin::{Confidence, Origins};
use syntax::{Change, Document, Encoding, Language, Position};

const COMPLETION: &str =
    "def load(path):\n    with open(path) as file:\n        return pickle.load(file)\n";

#[test]
fn several_lines_at_once_look_inserted() {
    assert_eq!(classify(&[("", COMPLETION)]), Some(Confidence::Likely));
    assert_eq!(
        classify(&[("def lo", COMPLETION)]),
        Some(Confidence::Likely)
    );
    let classic_mac = COMPLETION.replace('\n', "\r");
    assert_eq!(classify(&[("", &classic_mac)]), Some(Confidence::Likely));
}

#[test]
fn typing_skeletons_formatting_and_batches_do_not() {
    let long_line = "x = ".to_owned() + &"1 + ".repeat(100) + "1\n";
    let formatted = COMPLETION.replace("    ", "\t");
    for changes in [
        &[("", "x")][..],
        &[("", long_line.as_str())],
        &[("", "\n\n\n    \n")],
        &[("", "for x in y:\n    if z:\n        a\n")],
        &[("", "{\n}\n{\n}\n\n\n\n")],
        &[(COMPLETION, formatted.as_str())],
        &[(COMPLETION, "")],
        &[("", COMPLETION), ("", COMPLETION)],
        &[],
    ] {
        assert_eq!(classify(changes), None, "{changes:?}");
    }
}

/// A document and its origins, fed as a server feeds them.
struct Session {
    document: Document,
    origins: Origins,
    version: i32,
}

impl Session {
    fn new(text: &str) -> Self {
        let document = Document::parse(Language::Python, text);
        Self {
            document,
            origins: Origins::new(),
            version: 1,
        }
    }

    fn send(&mut self, range: Option<(Position, Position)>, text: &str) {
        let change = Change {
            range,
            encoding: Encoding::Utf16,
            text: text.to_owned(),
        };
        let applied = self.document.apply_unless(&[change], &|| false);
        self.version += 1;
        self.origins.follow(&applied.steps, self.version);
    }

    fn marked(&self) -> Vec<(String, i32)> {
        let text = |mark: &origin::Mark| self.document.text.slice(mark.range.clone()).into_owned();
        self.origins
            .iter()
            .map(|mark| (text(mark), mark.version))
            .collect()
    }
}

fn lines(from: usize, to: usize) -> Option<(Position, Position)> {
    Some((Position::new(from, 0), Position::new(to, 0)))
}

#[test]
fn a_completion_is_marked_where_it_stands_and_through_undo_and_redo() {
    let mut session = Session::new("# 😀\n\n");
    session.send(lines(1, 1), COMPLETION);
    let expected = [(COMPLETION.to_owned(), 2)];
    assert_eq!(session.marked(), expected);
    session.send(lines(0, 0), "# typed\n");
    assert_eq!(session.marked(), expected);
    session.send(lines(2, 5), "");
    assert_eq!(session.marked(), []);
    session.send(lines(2, 2), COMPLETION);
    assert_eq!(
        session.marked(),
        expected,
        "a redo keeps the version of the insertion"
    );
}

#[test]
fn a_persons_own_text_stays_their_own_when_it_is_moved_or_restored() {
    let mut session = Session::new(&format!("{COMPLETION}x = 1\n"));
    session.send(lines(0, 3), "");
    session.send(lines(0, 0), COMPLETION);
    assert_eq!(session.marked(), [], "an undo");
    session.send(lines(0, 3), "");
    session.send(lines(1, 1), COMPLETION);
    assert_eq!(session.marked(), [], "a cut and paste");
}

#[test]
fn a_reload_marks_nothing_and_keeps_what_it_does_not_touch() {
    let mut session = Session::new("x = 1\n");
    session.send(None, &format!("x = 1\n{COMPLETION}"));
    assert_eq!(session.marked(), []);
    session.send(lines(4, 4), COMPLETION);
    let text = session.document.text.to_string();
    session.send(None, &format!("# a new first line\n{text}"));
    assert_eq!(session.marked(), [(COMPLETION.to_owned(), 3)]);
}
