//! Trees far deeper than any stack, and trees with errors.

use std::thread;

use syntax::{Change, Descend, Document, Encoding, Language, error_nodes, parse, walk};

/// Runs where recursion over the trees below could not survive.
fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(512 * 1024).spawn(work);
    thread
        .expect("a thread starts")
        .join()
        .expect("the work ends without overflowing");
}

#[test]
fn ten_thousand_levels_are_parsed_walked_edited_and_dropped() {
    on_a_small_stack(|| {
        let brackets = format!("x = {}1{}\n", "(".repeat(10_000), ")".repeat(10_000));
        let blocks = format!("void f(void) {}{}", "{".repeat(10_000), "}".repeat(10_000));
        for (language, text) in [(Language::Python, brackets), (Language::C, blocks)] {
            let mut document = Document::parse(language, &text);
            let mut visited = 0;
            walk(document.tree().root_node(), |_| {
                visited += 1;
                Descend::Into
            });
            assert!(visited > 20_000, "{language:?}: {visited}");
            assert!(error_nodes(document.tree().root_node(), 10).is_empty());
            let change = Change {
                range: None,
                encoding: Encoding::Utf8,
                text: "x;\n".into(),
            };
            document.apply(&[change]);
            assert_eq!(document.tree().root_node().end_byte(), 3);
        }
    });
}

#[test]
fn unbalanced_depth_ends_in_errors_and_not_in_a_crash() {
    on_a_small_stack(|| {
        for language in Language::ALL {
            for opener in ["(", "[", "{", "f(", "-"] {
                let tree = parse(language, &opener.repeat(10_000));
                assert!(
                    !error_nodes(tree.root_node(), 3).is_empty(),
                    "{language:?} {opener}"
                );
            }
        }
    });
}

#[test]
fn a_walk_goes_where_it_is_told() {
    let tree = parse(Language::Python, "a(b)\nc(d)\ne\n");
    let names = |descend: &dyn Fn(&str) -> Descend| {
        let mut names = Vec::new();
        walk(tree.root_node(), |node| {
            names.push(node.kind());
            descend(node.kind())
        });
        names
    };
    let all = names(&|_| Descend::Into);
    assert_eq!(all.iter().filter(|name| **name == "identifier").count(), 5);
    let past = names(&|name| {
        if name == "call" {
            Descend::Past
        } else {
            Descend::Into
        }
    });
    assert_eq!(past.iter().filter(|name| **name == "identifier").count(), 1);
    let stopped = names(&|name| {
        if name == "call" {
            Descend::Stop
        } else {
            Descend::Into
        }
    });
    assert_eq!(stopped, ["module", "expression_statement", "call"]);

    // A walk that starts below the root stays there.
    let statement = tree
        .root_node()
        .child(1)
        .expect("there are three statements");
    let mut texts = Vec::new();
    walk(statement, |node| {
        texts.push(node.byte_range());
        Descend::Into
    });
    assert!(
        texts.iter().all(|range| range.start >= 5 && range.end <= 9),
        "{texts:?}"
    );
}

#[test]
fn errors_are_found_up_to_the_limit() {
    let text = "int f(void) { return 1 }\nint g(void) { @ return 2; }\nint ok;\n";
    let tree = parse(Language::C, text);
    let errors = error_nodes(tree.root_node(), 10);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].is_empty(), "the missing semicolon has no text");
    assert_eq!(&text[errors[1].clone()], "@");
    assert_eq!(error_nodes(tree.root_node(), 1), errors[..1]);
    assert!(error_nodes(tree.root_node(), 0).is_empty());
    assert!(error_nodes(parse(Language::C, "int ok;").root_node(), 9).is_empty());
}
