//! What a search finds, how it is scored, and which discussions a finding gets.
//! It knows nothing of caches.

mod common;

use common::{Home, label, search};
use kb_index::{B, K1, discussions_for};
use kb_schema::{HitKind, Knowledge, Language, Query};

#[test]
fn code_signs_lead_to_their_entry() {
    let home = Home::with_two();
    let store = home.open();
    for (text, expected) in [
        ("subprocess.run(cmd, shell=True)", "py/pickle-of-strangers"),
        ("obj = pickle.loads(body)", "py/pickle-of-strangers"),
        ("session", "py/pickle-of-strangers"),
        ("readsession", "py/pickle-of-strangers"),
        ("unpickled", "py/pickle-of-strangers"),
        ("PICKLE-of-strangers", "py/pickle-of-strangers"),
        ("\"%s\"", "c/printf-of-data"),
        ("p->q", "c/printf-of-data"),
        ("printf", "c/printf-of-data"),
    ] {
        let hits = search(&store, text);
        let first = hits.first().map(|hit| hit.entry.id.as_str());
        assert_eq!(first, Some(expected), "best for `{text}`");
    }
}

#[test]
fn a_discussion_is_found_by_its_own_words() {
    let home = Home::with_two();
    let hits = search(&home.open(), "what can go wrong with python data");
    assert_eq!(
        label(&hits[0]),
        "py/pickle-of-strangers https://stackoverflow.com/questions/11/what-can-go-wrong-with-python-data"
    );
}

#[test]
fn what_no_document_holds_finds_nothing() {
    let home = Home::with_two();
    let store = home.open();
    for text in ["", "   ", "zyzzyva", "()", "🦀"] {
        assert!(search(&store, text).is_empty(), "`{text}`");
    }
}

#[test]
fn search_text_is_never_read_as_a_query_language() {
    let home = Home::with_two();
    let store = home.open();
    let plain = search(&store, "pickle").len();
    assert_eq!(search(&store, "-pickle").len(), plain);
    assert_eq!(search(&store, "nofield:pickle^9 AND (").len(), plain);
    let long = "pickle \u{e9}".repeat(40_000);
    assert_eq!(search(&store, &long).len(), plain);
}

#[test]
fn a_language_leaves_the_others_out_and_changes_no_score() {
    let home = Home::with_two();
    let store = home.open();
    let all = search(&store, "data pickle printf");
    for language in Language::ALL {
        let hits = store.search(&Query {
            text: "data pickle printf".into(),
            language: Some(language),
            limit: 20,
        });
        let expected: Vec<_> = all
            .iter()
            .filter(|hit| hit.entry.language == language)
            .map(|hit| (label(hit), hit.score.to_bits()))
            .collect();
        let got: Vec<_> = hits
            .iter()
            .map(|hit| (label(hit), hit.score.to_bits()))
            .collect();
        assert!(!got.is_empty());
        assert_eq!(got, expected);
    }
}

#[test]
fn limits_hold_at_their_ends() {
    let home = Home::with_two();
    let store = home.open();
    let of = |limit| {
        store
            .search(&Query {
                text: "cwe".into(),
                language: None,
                limit,
            })
            .len()
    };
    assert_eq!(of(0), 0);
    assert_eq!(of(1), 1);
    assert_eq!(of(usize::MAX), 6);
}

#[test]
fn a_score_is_the_sum_of_its_terms_best_first() {
    let home = Home::with_two();
    for hit in search(&home.open(), "pickle.loads(raw) of strangers' data") {
        let sum: f32 = hit.terms.iter().map(|term| term.score).sum();
        assert!(
            (sum - hit.score).abs() <= 1e-4 * hit.score,
            "{}",
            label(&hit)
        );
        assert!(
            hit.terms
                .windows(2)
                .all(|pair| pair[0].score >= pair[1].score)
        );
        assert!(!hit.terms.is_empty());
    }
}

#[test]
fn a_score_is_bm25_with_the_stated_constants() {
    // `strangers` stands once in the title of 1 of the 6 documents. Titles hold 11, 11, 9, 9, 7
    // and 7 terms or so; what the lengths are is read off a second term of the same title.
    let home = Home::with_two();
    let hits = search(&home.open(), "unpickled objects");
    let hit = &hits[0];
    let scores: Vec<f32> = hit
        .terms
        .iter()
        .filter(|term| term.field == "title")
        .map(|term| term.score)
        .collect();
    assert_eq!(scores.len(), 2);
    let idf = (1.0_f32 + (6.0 - 1.0 + 0.5) / (1.0 + 0.5)).ln();
    let weight = 2.0;
    // Solved for the length's ratio to the average: it must be a length that a title can have.
    let norm = (weight * idf * (K1 + 1.0) / scores[0] - 1.0) / K1;
    let ratio = (norm - (1.0 - B)) / B;
    let title = "Objects unpickled from strangers the data decides what happens here";
    let terms = kb_index::tokenize(title).len() as f32;
    let average = terms / ratio;
    assert!((6.0..=terms).contains(&average), "average {average}");
    assert!((scores[0] - scores[1]).abs() < 1e-6);
}

#[test]
fn equal_scores_are_ordered_by_id() {
    let home = Home::new();
    for name in ["b-doubled", "a-doubled", "c-doubled"] {
        home.write(&format!("{name}.md"), &common::pickle(name));
    }
    let hits = search(&home.open(), "unpickled");
    let ids: Vec<&str> = hits.iter().map(|hit| hit.entry.id.as_str()).collect();
    assert_eq!(ids, ["py/a-doubled", "py/b-doubled", "py/c-doubled"]);
    assert!(hits.windows(2).all(|pair| pair[0].score == pair[1].score));
}

#[test]
fn a_finding_gets_its_own_discussions_first_and_each_question_once() {
    let home = Home::with_two();
    home.write("pickle-other.md", &common::pickle("pickle-other"));
    let store = home.open();
    let hits = discussions_for(
        &store,
        "py/pickle-of-strangers",
        "the manual: pickle.loads(raw)",
        10,
    );
    let labels: Vec<String> = hits.iter().map(label).collect();
    assert_eq!(
        labels,
        [
            "py/pickle-of-strangers https://stackoverflow.com/questions/11/what-can-go-wrong-with-python-data",
            "py/pickle-of-strangers https://docs.example.org/py/pickle-of-strangers",
            "py/pickle-other https://docs.example.org/py/pickle-other",
        ]
    );
    assert!(hits.iter().all(|hit| hit.score > 0.0));
    assert_eq!(
        discussions_for(&store, "py/pickle-of-strangers", "pickle", 1).len(),
        1
    );
    assert!(discussions_for(&store, "py/unknown", "pickle", 5).is_empty());
}

#[test]
fn own_discussions_are_shown_even_when_the_slice_matches_nothing() {
    let home = Home::with_two();
    let hits = discussions_for(&home.open(), "c/printf-of-data", "zyzzyva", 5);
    assert_eq!(hits.len(), 2);
    for hit in hits {
        assert!(matches!(hit.kind, HitKind::Discussion(_)));
        assert!(hit.score == 0.0 && hit.terms.is_empty());
    }
}

#[test]
fn an_empty_store_answers() {
    let home = Home::new();
    let store = home.open();
    assert!(store.entries().entries.is_empty());
    assert!(search(&store, "pickle").is_empty());
}
