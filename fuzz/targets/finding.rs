//! From text to findings: a file as `check` reads it, then an edit as an editor makes it, then its
//! undoing. Knows nothing of how an analysis works; it compares what comes out.
//!
//! Four bytes say the language and the edit, the rest is the file.
//! Nothing may crash; what a memo remembers must give what a fresh analysis gives; a text in which
//! something is found must not be one that a scan would skip; ranges must lie on characters.
#![no_main]

use std::ops::Range;
use std::sync::OnceLock;

use analysis::{Analysis, Finding, Host, Memo, Snapshot, Source};
use libfuzzer_sys::fuzz_target;
use syntax::{Change, Document, Encoding, Language};

/// What an edit may put in: what opens and closes things, and what makes names of others.
const TYPED: [&str; 16] = [
    "", "\"", "\"\"\"", "'", "(", ")", "\n", "\n    ", "{", "}", "/*", "*/", "# ", "x", " = ",
    "é🦀",
];

fuzz_target!(init: { std::hint::black_box(snapshot()); }, |data: &[u8]| {
    let ([mode, at, length, typed], bytes) = fuzz::head::<4>(data);
    let language = if mode & 1 == 0 { Language::Python } else { Language::C };
    let Ok(decoded) = syntax::decode(bytes) else { return };
    let text = decoded.text;
    let snapshot = snapshot();

    let once = snapshot.check(language, &text);
    well_formed(&once, &text);

    let mut document = Document::parse(language, &text);
    let mut memo = Memo::default();
    let first = analyze(snapshot, &document, &text, &mut memo);
    well_formed(&first, &text);
    assert!(
        first.findings.is_empty() || may_find(snapshot, language, &text),
        "a scan skips what has {} findings",
        first.findings.len()
    );

    let start = text.floor_char_boundary(text.len() * usize::from(at) / 255);
    let end = text.floor_char_boundary((start + usize::from(length) * usize::from(length) / 16).min(text.len()));
    let range = start..end.max(start);
    let new = match typed {
        // Something that stands elsewhere in the file, such as another function.
        128.. => &text[..text.floor_char_boundary(text.len().min(usize::from(typed - 128) * 8))],
        _ => TYPED[usize::from(typed) % TYPED.len()],
    };
    let mut edited = text.clone();
    edited.replace_range(range.clone(), new);
    edit(&mut document, range.clone(), new);
    same(snapshot, &document, &edited, &mut memo);

    edit(&mut document, start..start + new.len(), &text[range]);
    same(snapshot, &document, &text, &mut memo);
});

fn snapshot() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(|| {
        let snapshot = Host::new(&fuzz::knowledge(&|_| true)).snapshot();
        for language in [Language::Python, Language::C] {
            let _ = snapshot.may_find(language, b"");
        }
        snapshot
    })
}

fn edit(document: &mut Document, range: Range<usize>, new: &str) {
    let position = |byte| document.text.position_of(byte, Encoding::Utf16);
    // A position cannot stand inside `\r\n`; such an edit replaces the whole text.
    let (from, to) = (position(range.start), position(range.end));
    let exact = document.text.byte_of(from, Encoding::Utf16) == range.start
        && document.text.byte_of(to, Encoding::Utf16) == range.end;
    let change = if exact {
        Change {
            range: Some((from, to)),
            encoding: Encoding::Utf16,
            text: new.to_owned(),
        }
    } else {
        let mut text = document.text.to_string();
        text.replace_range(range, new);
        Change {
            range: None,
            encoding: Encoding::Utf16,
            text,
        }
    };
    document.apply(&[change]);
}

fn analyze(snapshot: &Snapshot, document: &Document, text: &str, memo: &mut Memo) -> Analysis {
    let source = Source {
        language: document.language,
        text,
        nodes: document.nodes(),
    };
    let analysis = snapshot.analyze(&source, memo, &|| false);
    analysis.expect("an analysis that nobody cancels has a result")
}

/// Compares what the memo gives with what is found without one, and a moved tree with a new one.
fn same(snapshot: &Snapshot, document: &Document, text: &str, memo: &mut Memo) {
    assert!(document.text == *text, "the document is not the text");
    let remembered = analyze(snapshot, document, text, memo);
    let fresh = Document::parse(document.language, text);
    let anew = analyze(snapshot, &fresh, text, &mut Memo::default());
    well_formed(&anew, text);
    let told = |it: &Analysis| {
        let told: Vec<String> = it.findings.iter().chain(&it.suppressed).map(tell).collect();
        format!("{}\n{:?}\n{:?}", told.join("\n"), it.comments, it.notes)
    };
    let (remembered, anew) = (told(&remembered), told(&anew));
    assert!(
        remembered == anew,
        "remembered:\n{remembered}\nanew:\n{anew}"
    );
}

fn tell(finding: &Finding) -> String {
    format!(
        "{} {} {:?} {:?} {} {:?} {:?} {:?} {:?} {:?}",
        finding.entry.id,
        finding.pattern,
        finding.range,
        finding.matched,
        finding.message,
        finding.trace,
        finding.function,
        finding.slice,
        finding.parts,
        finding.built
    )
}

fn well_formed(analysis: &Analysis, text: &str) {
    for finding in analysis.findings.iter().chain(&analysis.suppressed) {
        let inside = |range: &Range<usize>| {
            assert!(
                text.get(range.clone()).is_some(),
                "{}: {range:?} is no part of the text",
                finding.entry.id
            );
        };
        inside(&finding.range);
        inside(&finding.matched);
        inside(&finding.function);
        finding.trace.iter().for_each(|it| inside(&it.range));
        finding.parts.iter().for_each(|it| inside(&it.range));
        finding.slice.iter().for_each(&inside);
        let _ = finding.slice_text(text);
    }
    analysis
        .notes
        .iter()
        .for_each(|it| assert!(text.get(it.range.clone()).is_some()));
    analysis
        .comments
        .iter()
        .for_each(|it| assert!(text.get(it.range.clone()).is_some()));
}

/// Whether a scan would look at the text. A word that is put together from pieces (two literals
/// side by side, an escape) is not seen by one, as docs/architecture.md says, so that the pieces
/// may be joined here.
fn may_find(snapshot: &Snapshot, language: Language, text: &str) -> bool {
    let joined = || -> String {
        let apart = |it: &char| !(it.is_whitespace() || "\"'+()\\{}%,".contains(*it));
        text.chars().filter(apart).collect()
    };
    snapshot.may_find(language, text.as_bytes())
        || text.contains('\\')
        || snapshot.may_find(language, joined().as_bytes())
}
