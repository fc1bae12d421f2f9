//! What terms a text becomes, as a table.
//! It knows no index.

use kb_index::{MAX_TERM_CHARS, tokenize};

fn check(text: &str, expected: &[&str]) {
    assert_eq!(tokenize(text), expected, "terms of `{text}`");
}

#[test]
fn names_are_found_whole_and_in_parts() {
    check("shell=True", &["shell=true", "shell", "true"]);
    check("pickle.loads", &["pickle.loads", "pickle", "loads"]);
    check(
        "flask.request.args",
        &[
            "flask.request.args",
            "flask.request",
            "request.args",
            "flask",
            "request",
            "args",
        ],
    );
    check("CWE-78", &["cwe-78", "cwe", "78"]);
    check("os_system", &["os_system", "os", "system"]);
    check("safeLoadAll", &["safeloadall", "safe", "load", "all"]);
    check("HTTPServer", &["httpserver", "http", "server"]);
    check("__init__", &["__init__", "init"]);
    check("md5 sha256", &["md5", "sha256"]);
    check("md5Hash", &["md5hash", "md5", "hash"]);
    check("0x1F 4096", &["0x1f", "4096"]);
}

#[test]
fn operators_and_conversions_are_terms() {
    check("p->next", &["p->next", "p", "->", "next"]);
    check("p -> q", &["p", "->", "q"]);
    check("std::string", &["std::string", "std", "::", "string"]);
    check("a == b != c", &["a", "==", "b", "!=", "c"]);
    check("x==y", &["x", "==", "y"]);
    check("\"%s\"", &["%s"]);
    check("%s%02x %.*lf", &["%s", "%02x", "%.*lf"]);
    check("'{}'.format", &["{}", "format"]);
}

#[test]
fn a_remainder_is_no_conversion() {
    check("a%size", &["a", "size"]);
    check("100% sure", &["100", "sure"]);
}

#[test]
fn joints_need_a_word_on_both_sides() {
    check("end.", &["end"]);
    check("x =", &["x"]);
    check("shell = True", &["shell", "true"]);
    check("f().update", &["f", "update"]);
    check("-- a-", &["--", "a"]);
}

#[test]
fn nothing_and_signs_give_no_terms() {
    for text in ["", " \t\r\n", "()[];,'\"", "\u{feff}", "🦀"] {
        check(text, &[]);
    }
}

#[test]
fn every_term_is_short_lower_case_and_never_empty() {
    let long = "Aé".repeat(5_000);
    let dotted = "a.".repeat(5_000) + "b";
    let snakes = "Ab_".repeat(5_000);
    let turkish = "İstanbul.İZMİR=ẞ";
    for text in [
        long.as_str(),
        &dotted,
        &snakes,
        turkish,
        "%%%s%",
        "a=-b->.c::",
    ] {
        let terms = tokenize(text);
        assert!(!terms.is_empty());
        // Parts multiply a text by a constant at most.
        assert!(terms.len() <= 4 * text.len());
        for term in terms {
            assert!(!term.is_empty());
            assert!(term.chars().count() <= MAX_TERM_CHARS, "`{term}` is long");
            assert_eq!(term, tokenize_lower(&term), "`{term}` is lower case");
        }
    }
}

fn tokenize_lower(term: &str) -> String {
    term.chars().flat_map(char::to_lowercase).collect()
}

#[test]
fn a_long_name_is_still_found_by_its_beginning() {
    let long = "x".repeat(200);
    check(&long, &["x".repeat(MAX_TERM_CHARS).as_str()]);
}
