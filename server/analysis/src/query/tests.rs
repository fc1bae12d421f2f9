//! Queries as they are read, and their matches by our own matcher against tree-sitter's.

use std::ops::Range;
use std::path::{Path, PathBuf};

use syntax::{Descend, Language, walk};
use tree_sitter::Node;

use super::needs::{implied, is_rooted, kind, patterns, words};
use super::{Below, Place, RawQuery, begins, is_word};

#[test]
fn words_are_those_without_which_nothing_matches() {
    let one = r#"((call function: (identifier) @f) @finding (#any-of? @f "exec" "eval") (#not-eq? @f "x"))"#;
    assert_eq!(words(one), [["exec", "eval"]]);
    assert_eq!(patterns("(a) (b \"(\")"), 2);
    let loops = r#"(for_statement condition: (binary_expression operator: "<=") body: [(while_statement) (return_statement)]) @finding"#;
    assert_eq!(implied(loops)[..2], [["for"], ["<="]]);
    let either =
        r#"([(sizeof_expression) (b (return_statement))] (c operator: "+=")? (d)) @finding"#;
    assert_eq!(implied(either), [["return", "sizeof"]]);
    assert_eq!(kind("((a_b) @x (#eq? @x \"y\"))").as_deref(), Some("a_b"));
    assert!(is_rooted("((a) @x (#eq? @x \"y\"))") && !is_rooted("((a) . (b))"));
    assert!(words("((a) @finding (#eq? @x \"one\")) ((b) @finding)").is_empty());
    assert!(words(r#"((a) @finding (#any-of? @x "" "one"))"#).is_empty());
    assert!(!is_word(b"one", 0, 0), "what is missing has no text");
    let query = RawQuery::new(0, Language::Python, one, false).expect("it compiles");
    assert!(query.may_match("exec(x)"));
    assert!(!query.may_match("execute(x)"));
}

#[test]
fn mistakes_are_refused() {
    for (source, says) in [
        ("(nonsense_node) @finding", "compile"),
        ("(call) @other", "@finding"),
        (
            "((call) @finding (#has-parent? @finding block))",
            "has-parent?",
        ),
    ] {
        let error = RawQuery::new(0, Language::Python, source, false)
            .err()
            .unwrap_or_default();
        assert!(error.contains(says), "{source}: {error:?}");
    }
}

/// What a query reports below a node, by our own matcher where it can, and by tree-sitter.
fn both(query: &RawQuery, text: &str, root: Node<'_>) -> Option<[Vec<Range<usize>>; 2]> {
    let begins = begins(query.language, std::slice::from_ref(query));
    let below = Below::new(root, &begins);
    let place = Place {
        text,
        root,
        starts: match query.whole_file {
            true => Some(vec![root]),
            false => query.roots(text, &below),
        },
    };
    let mut found = [Vec::new(), Vec::new()];
    query.own()?.run(&place, &mut found[0]);
    query
        .compiled()
        .expect("the query compiles")
        .run(&place, &mut found[1]);
    found
        .iter_mut()
        .for_each(|it| it.sort_by_key(|it| (it.start, it.end)));
    Some(found)
}

/// Asks both of every function and of the whole text; gives how often something was found.
fn compare(queries: &[RawQuery], text: &str, name: &str) -> usize {
    let mut count = 0;
    let Some(language) = queries.first().map(|it| it.language) else {
        return 0;
    };
    let tree = syntax::parse(language, text);
    let mut roots = vec![tree.root_node()];
    walk(tree.root_node(), |node| {
        let is_function = node.kind() == "function_definition";
        roots.extend(is_function.then_some(node));
        Descend::Into
    });
    for query in queries {
        for root in &roots {
            let own = text.get(root.byte_range()).unwrap_or("");
            if query.whole_file && root.parent().is_some() || !query.may_match(own) {
                continue;
            }
            if let Some([own, other]) = both(query, text, *root) {
                assert_eq!(own, other, "{name}: {}\n{text}", query.source);
                count += own.len();
            }
        }
    }
    count
}

#[test]
fn each_construct_gives_what_tree_sitter_gives() {
    let c = "int a(char *p, int n) {\n    int x, y = 1; /* z */\n    f(x, /* c */ 1);\n    f();\n    f(1, 2, 3);\n    for (;;) { g(p[n]); }\n    if (n) return x; else return y;\n    x = y; y = x; x = x;\n}\n";
    let python = "import os\n\n@once\ndef f(a, b=1, *c):\n    # over\n    x = a\n    return g(a, k=b)\n\nasync def g(a): return a\n";
    for (language, text, sources) in [
        (
            Language::C,
            c,
            &[
                "(call_expression arguments: (argument_list . (_) @finding .))",
                "(call_expression arguments: (argument_list . (_) . (_) @finding))",
                "(call_expression arguments: (argument_list (_) @finding (_)))",
                "(call_expression arguments: (argument_list \"(\" . (_) @finding))",
                "(for_statement !condition !update body: (_) @finding)",
                "(for_statement !body) @finding",
                "((assignment_expression left: (identifier) @l right: (identifier) @r) @finding (#eq? @l @r))",
                "((assignment_expression left: (identifier) @l right: (identifier) @r) @finding (#not-eq? @l @r))",
                "((assignment_expression left: (identifier) @l right: [(identifier) (number_literal)] @r) @finding (#eq? @l \"x\") (#not-any-of? @r \"x\" \"z\"))",
                "(binary_expression [left: (_) right: (_)] @finding)",
                "(declaration declarator: [(identifier) @finding (init_declarator value: (number_literal) @finding)])",
                "(if_statement [consequence: (return_statement (identifier) @finding) alternative: (else_clause (return_statement (identifier) @finding))])",
                "(compound_statement (expression_statement (assignment_expression left: (identifier) @a)) . (expression_statement (assignment_expression left: (identifier) @b)) @finding (#eq? @a \"y\"))",
                "(compound_statement (declaration) (expression_statement) @finding)",
                "(function_definition body: (compound_statement (expression_statement) @finding .))",
                "(function_definition _ @finding)",
                "(compound_statement (declaration) @a . (declaration)* . (for_statement) @finding)",
                "(compound_statement (declaration) @a . (expression_statement)* . (for_statement) @finding)",
                "(compound_statement (for_statement) . (declaration)? . (if_statement) @finding)",
                "((argument_list (number_literal) @n (number_literal) @n) @finding (#any-of? @n \"1\" \"3\"))",
                "(compound_statement (if_statement) . (expression_statement)* . (_) @finding)",
                "(argument_list \"(\" . (identifier)? . (number_literal) @finding)",
                "((identifier) @finding (#match? @finding \"^[a-f]$\"))",
                "((function_definition declarator: (_ (identifier) @n) @finding) (#not-match? @n \"b\"))",
                "[(subscript_expression) @finding (return_statement (identifier) @finding)]",
            ][..],
        ),
        (
            Language::Python,
            python,
            &[
                "(function_definition \"async\" name: (identifier) @finding)",
                "(function_definition . \"def\" name: (identifier) @finding)",
                "(decorated_definition (decorator (_) @finding) definition: (_))",
                "(parameters . (identifier) . (default_parameter) @finding)",
                "(block . (expression_statement) @finding)",
                "(block (return_statement) @finding .)",
                "((call arguments: (argument_list (keyword_argument name: (identifier) @k) @finding)) (#times? @finding @k \"1\"))",
            ][..],
        ),
    ] {
        for source in sources {
            let query = RawQuery::new(0, language, source, false).expect("it compiles");
            assert!(query.own().is_some(), "it is read: {source}");
            compare(std::slice::from_ref(&query), text, source);
        }
    }
}

#[test]
fn what_is_not_read_is_left_to_tree_sitter() {
    let source = r#"((call_expression function: (identifier) @f
        arguments: (argument_list . [(number_literal) (string_literal)] (_)? @more)) @finding
        (#any-of? @f "open" "creat"))"#;
    let query = RawQuery::new(0, Language::C, source, true).expect("it is not compiled yet");
    assert!(query.own().is_none());
    let hits = |text: &str| {
        let tree = syntax::parse(Language::C, text);
        let begins = begins(Language::C, std::slice::from_ref(&query));
        let below = Below::new(tree.root_node(), &begins);
        let mut count = 0;
        query.run(text, &below, &mut |_| count += 1);
        count
    };
    assert_eq!(hits("void f(void) { shut(1); open(x); openly(1); }"), 0);
    assert_eq!(hits("void f(void) { { open(1); } creat(\"a\", 2); }"), 2);
}

#[test]
fn a_pattern_that_fits_in_too_many_ways_ends() {
    let source = "(compound_statement (expression_statement (identifier) @a) (expression_statement (identifier) @b) (expression_statement (identifier) @c) (return_statement) @finding (#eq? @a @b) (#eq? @b @c))";
    let query = RawQuery::new(0, Language::C, source, true).expect("it is not compiled yet");
    let text = format!("void f(void) {{ {} return; }}", "x; y; ".repeat(5000));
    let tree = syntax::parse(Language::C, &text);
    let begins = begins(Language::C, std::slice::from_ref(&query));
    let below = Below::new(tree.root_node(), &begins);
    let mut found = Vec::new();
    query.run(&text, &below, &mut |it| found.push(it));
    assert_eq!(found.len(), 1);
}

#[test]
fn a_long_list_is_no_deep_one() {
    let source =
        "(compound_statement (declaration) . (declaration)* . (return_statement) @finding)";
    let query = RawQuery::new(0, Language::C, source, true).expect("it is not compiled yet");
    let text = format!("void f(void) {{ {} return; }}", "int x; ".repeat(100_000));
    let tree = syntax::parse(Language::C, &text);
    let begins = begins(Language::C, std::slice::from_ref(&query));
    let below = Below::new(tree.root_node(), &begins);
    let mut found = Vec::new();
    query.run(&text, &below, &mut |it| found.push(it));
    assert_eq!(found.len(), 1);
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for it in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        match it.path() {
            path if path.is_dir() => files(&path, out),
            path => out.push(path),
        }
    }
}

/// The queries of all entries of the repository.
fn queries(language: Language) -> Vec<RawQuery> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../kb/entries");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    paths.retain(|it| it.extension().is_some_and(|it| it == "md"));
    let mut out = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("an entry can be read");
        let entry = kb_schema::parse_entry(&path.display().to_string(), &text).expect("it is one");
        let is_own = match language {
            Language::Python => entry.language == kb_schema::Language::Python,
            Language::C => entry.language == kb_schema::Language::C,
        };
        let sources = entry.patterns.iter().filter_map(|it| it.query.as_deref());
        for source in sources.filter(|_| is_own) {
            out.push(RawQuery::new(0, language, source, true).expect("it is not compiled yet"));
        }
    }
    out
}

#[test]
fn entries_find_what_tree_sitter_finds_in_all_fixtures() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let mut paths = Vec::new();
    files(&fixtures, &mut paths);
    paths.sort();
    for language in [Language::Python, Language::C] {
        let queries = queries(language);
        let own = queries.iter().filter(|it| it.own().is_some()).count();
        assert!(own == queries.len(), "{own} of {}", queries.len());
        let mut found = 0;
        let of = |it: &&PathBuf| Language::from_path(&it.to_string_lossy()) == Some(language);
        for path in paths.iter().filter(of) {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            if text.len() < 200_000 {
                found += compare(&queries, &text, &path.display().to_string());
            }
        }
        assert!(found > 50, "only {found} were found");
    }
}
