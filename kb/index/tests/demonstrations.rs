//! The demonstration base from outside: pairs that are added, refused and found, and dense retrieval
//! where this build has it.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::fs;
use std::path::Path;

use kb_index::{Added, Demonstrations, ModelError, PairStore, Ranking, Retriever, fuse};
use kb_schema::{Demonstration, Language};

const PAIR: &str = r#"{"language":"python","cwe":["CWE-22"],"before":"def read(n):\n    return open(n)\n","after":"def read_below_root(n):\n    return open(checked(n))\n"}"#;

fn demonstration(id: &str, code: &str) -> Demonstration {
    Demonstration {
        id: id.to_owned(),
        language: Language::Python,
        cwe: vec![22],
        code: code.to_owned(),
        before: None,
    }
}

fn added(store: &PairStore, folder: &Path, text: &str) -> Result<Added, String> {
    let file = folder.join("given");
    fs::write(&file, text).unwrap();
    store.add(&file).map_err(|error| error.to_string())
}

#[test]
fn a_pair_that_is_added_is_found_by_whoever_had_the_base_open() {
    let home = tempfile::tempdir().unwrap();
    let (reader, writer) = (
        PairStore::new(home.path().join("base")),
        PairStore::new(home.path().join("base")),
    );
    assert!(reader.pairs().0.is_empty());
    assert_eq!(
        added(&writer, home.path(), PAIR),
        Ok(Added { new: 1, known: 0 })
    );
    let (pairs, generation) = reader.pairs();
    assert_eq!(pairs.len(), 1);
    assert_eq!(pairs[0].cwe, [22]);
    assert_eq!(
        added(&writer, home.path(), PAIR),
        Ok(Added { new: 0, known: 1 })
    );
    assert_eq!(
        reader.pairs().1,
        generation,
        "nothing was added, so nothing is read again"
    );
}

#[test]
fn a_text_with_both_sides_is_a_pair() {
    let home = tempfile::tempdir().unwrap();
    let store = PairStore::new(home.path().join("base"));
    let text = "cwe: CWE-78\n\n```python before\nrun(a, shell=True)\n```\n\n```python after\nrun([a])\n```\n";
    assert_eq!(
        added(&store, home.path(), text),
        Ok(Added { new: 1, known: 0 })
    );
    assert_eq!(store.pairs().0[0].code, "run([a])\n");
}

#[test]
fn a_file_with_one_bad_line_adds_nothing_and_names_it() {
    let home = tempfile::tempdir().unwrap();
    let store = PairStore::new(home.path().join("base"));
    let check = |text: &str, expected: &str| {
        let error = added(&store, home.path(), text).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(store.pairs().0.is_empty());
    };
    check(
        &format!("{PAIR}\n{{\"language\":\"cobol\"}}\n"),
        "given:2: ",
    );
    check(&PAIR.replace("python", "cobol"), "neither python nor c");
    check(&PAIR.replace("CWE-22", "22"), "no weakness such as CWE-89");
    check("", "there is no pair");
    check("```python before\nx\n```\n", "no block `after`");
    check("```python before\nx\n", "has no end");
}

#[test]
fn a_line_that_was_cut_short_is_left_out_and_the_next_pair_is_whole() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("base");
    let store = PairStore::new(folder.clone());
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("pairs.jsonl"), &PAIR[..PAIR.len() / 2]).unwrap();
    assert!(store.pairs().0.is_empty());
    assert_eq!(
        added(&store, home.path(), PAIR),
        Ok(Added { new: 1, known: 0 })
    );
    assert_eq!(store.pairs().0.len(), 1);
}

#[test]
fn shared_terms_rank_and_a_missing_model_leaves_bm25_alone() {
    let all = vec![
        demonstration("other", "def total(rows):\n    return sum(rows)\n"),
        demonstration(
            "near",
            "def fetch(name):\n    return open(safe_join(ROOT, name))\n",
        ),
    ];
    let base = Demonstrations::new(all, None, None, &|_| ()).unwrap();
    let query = "def load(name):\n    return open(os.path.join(ROOT, name))\n";
    let found = |retriever| base.rank(query, Some(Language::Python), retriever, 5);
    assert_eq!(found(Retriever::Bm25)[0].0, 1);
    assert_eq!(found(Retriever::Fused), found(Retriever::Bm25));
    assert!(found(Retriever::Dense).is_empty());
    assert!(
        base.rank(query, Some(Language::C), Retriever::Bm25, 5)
            .is_empty()
    );
}

#[test]
fn agreement_outranks_one_voice_and_a_threshold_silences_it() {
    let ranking = |found: &[(usize, f32)], threshold| Ranking {
        found: found.to_vec(),
        weight: 1.0,
        threshold,
        depth: 10,
    };
    let (a, b) = ([(7, 9.0), (3, 8.0)], [(3, 0.9), (5, 0.2)]);
    let order = |rankings: &[Ranking]| -> Vec<usize> {
        fuse(rankings)
            .into_iter()
            .map(|(number, _)| number)
            .collect()
    };
    assert_eq!(order(&[ranking(&a, 0.0), ranking(&b, 0.0)]), [3, 7, 5]);
    assert_eq!(order(&[ranking(&a, 8.5), ranking(&b, 0.5)]), [3, 7]);
    assert!(order(&[ranking(&a, 10.0), ranking(&b, 1.0)]).is_empty());
}

#[test]
fn a_folder_that_holds_no_model_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let error = kb_index::Model::open(home.path()).unwrap_err();
    if kb_index::DENSE_IS_BUILT {
        assert!(error.to_string().contains("config.json"), "{error}");
    } else {
        assert_eq!(error, ModelError::NotBuilt);
    }
    assert_eq!(kb_index::installed_model(home.path()), None);
}

#[cfg(feature = "dense")]
mod dense {
    use std::sync::Arc;

    use super::*;
    use kb_index::Model;

    /// What an implementation of the model in numpy gives, written for this test and not kept.
    const REFERENCE_TEXT: &str =
        "def run(command):\n    return subprocess.run(command, shell=True)\n";
    const REFERENCE: [(usize, f32); 5] = [
        (0, 0.008_231_7),
        (1, -0.041_854_4),
        (100, -0.036_282_5),
        (200, -0.074_464_6),
        (383, 0.020_023_0),
    ];
    /// The model's own documentation prints the same number for these two sentences.
    const REFERENCE_COSINE: f32 = 0.7553;

    /// The folder of all-MiniLM-L6-v2 that `tests/run` fetches. Without it these tests say so and
    /// prove nothing.
    fn model() -> Option<Arc<Model>> {
        let Some(folder) = std::env::var_os("SECONDLOOK_TEST_EMBEDDING") else {
            eprintln!("skipped: SECONDLOOK_TEST_EMBEDDING names no model");
            return None;
        };
        Some(Arc::new(Model::open(Path::new(&folder)).unwrap()))
    }

    fn cosine(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    #[test]
    fn vectors_are_those_that_another_implementation_computes() {
        let Some(model) = model() else { return };
        let texts = [
            REFERENCE_TEXT,
            "A man is eating food.",
            "A man is eating a piece of bread.",
        ];
        let vectors = model.encode(&texts).unwrap();
        for (place, expected) in REFERENCE {
            assert!(
                (vectors[0][place] - expected).abs() < 2e-4,
                "{place}: {}",
                vectors[0][place]
            );
        }
        assert!((cosine(&vectors[1], &vectors[2]) - REFERENCE_COSINE).abs() < 1e-3);
        // Alone or beside longer ones, a text has one vector.
        let alone = model.encode(&texts[..1]).unwrap();
        assert!(cosine(&alone[0], &vectors[0]) > 0.9999);
    }

    #[test]
    fn a_long_text_is_read_past_the_models_length() {
        let Some(model) = model() else { return };
        let filler = "total = total + 1\n".repeat(100);
        let (with, without) = (format!("{filler}os.system(command)\n"), filler);
        let vectors = model.encode(&[&with, &without, ""]).unwrap();
        assert!(cosine(&vectors[0], &vectors[1]) < 0.99999);
        for vector in &vectors {
            assert!((cosine(vector, vector) - 1.0).abs() < 1e-3);
        }
    }

    #[test]
    fn vectors_are_kept_and_a_damaged_file_is_made_anew() {
        let Some(model) = model() else { return };
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("vectors.bin");
        let all = || {
            vec![
                demonstration(
                    "cursor",
                    "cursor.execute('select * from t where n = ?', (n,))\n",
                ),
                demonstration("path", "return open(checked_path(root, name))\n"),
            ]
        };
        let made = std::cell::Cell::new(0);
        let base = || {
            made.set(0);
            Demonstrations::new(all(), Some(Arc::clone(&model)), Some(&file), &|n| {
                made.set(made.get() + n)
            })
            .unwrap()
        };
        let query = "db.run(f'select * from t where n = {n}')\n";
        let first = base().rank(query, None, Retriever::Dense, 2);
        assert_eq!((made.get(), first[0].0), (2, 0));
        assert_eq!(base().rank(query, None, Retriever::Dense, 2), first);
        assert_eq!(made.get(), 0, "the file has them");
        let whole = fs::read(&file).unwrap();
        for damaged in [&whole[..whole.len() - 5], &whole[..20], b"".as_slice()] {
            fs::write(&file, damaged).unwrap();
            assert_eq!(base().rank(query, None, Retriever::Dense, 2), first);
            assert_eq!(made.get(), 2);
        }
        let mut flipped = whole.clone();
        *flipped.last_mut().unwrap() ^= 1;
        fs::write(&file, &flipped).unwrap();
        base();
        assert_eq!(made.get(), 2, "a flipped bit is seen");
    }
}
