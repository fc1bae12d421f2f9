//! What each operation of a fix does to code, on tiny entries made up for it, and what the gate
//! refuses.
#![cfg_attr(
    test,
    expect(
        clippy::unwrap_used,
        clippy::panic,
        reason = "a test fails by panicking"
    )
)]

use std::sync::Arc;

use analysis::{Host, Snapshot};
use kb_schema::EntrySet;
use revision::{Edit, Fixes, Rejection, apply, fix_all, fixes, fixes_of_all, gate};
use syntax::Language::{self, C, Python};

fn snapshot(language: Language, pairs: &[(&str, &str)]) -> Snapshot {
    rules(language, pairs, "safe")
}

/// Entries `case-0` and so on, each with one pattern and one fix.
fn rules(language: Language, pairs: &[(&str, &str)], applicability: &str) -> Snapshot {
    let (prefix, word) = match language {
        Python => ("py", "python"),
        C => ("c", "c"),
    };
    let mut set = EntrySet::default();
    for (index, (pattern, fix)) in pairs.iter().enumerate() {
        let name = format!("case-{index}");
        let fix = if fix.is_empty() {
            String::new()
        } else {
            format!("[[fix]]\napplicability = \"{applicability}\"\ntitle = \"Cure it\"\n{fix}\n")
        };
        let text = format!(
            "+++\nid = \"{prefix}/{name}\"\ntitle = \"A case of its own\"\nmessage = \"this is case {index}\"\n\
             cwe = [1]\nlanguage = \"{word}\"\nseverity = \"warning\"\nmarkers = [\"x\"]\n\n[[pattern]]\n{pattern}\n\n\
             [[discussion]]\nquestion = 1\nslug = \"a-slug\"\nwarns = \"of what is made up for a test\"\n\n{fix}+++\n\n## Why\nIt is a test.\n\n\
             ## Guideline\nDo not.\n\n## Vulnerable\n```{word}\nx()  {comment} finding\n```\n\n## Secure\n```{word}\ny()\n```\n\n```{word}\nz()\n```\n",
            comment = if language == C { "//" } else { "#" },
        );
        let path = format!("kb/entries/{word}/{name}.md");
        match kb_schema::parse_entry(&path, &text) {
            Ok(entry) => set.entries.push(Arc::new(entry)),
            Err(problems) => panic!("{problems:?}\n{text}"),
        }
    }
    let host = Host::new(&set);
    assert!(host.problems().is_empty(), "{:?}", host.problems());
    host.snapshot()
}

fn first(snapshot: &Snapshot, language: Language, code: &str) -> Fixes {
    let before = snapshot.check(language, code);
    let Some(finding) = before.findings.first() else {
        panic!("nothing is found in\n{code}");
    };
    fixes(snapshot, language, code, &before, finding)
}

/// The text after the fix; `None` when none is offered.
fn fixed(language: Language, pattern: &str, fix: &str, code: &str) -> Option<String> {
    let fixes = first(&snapshot(language, &[(pattern, fix)]), language, code);
    assert!(fixes.rejected.is_empty(), "{:?}", fixes.rejected);
    let proposal = fixes.proposals.first()?;
    assert_eq!(
        (proposal.title.as_str(), proposal.kind),
        ("Cure it", "template")
    );
    apply(code, &proposal.edits)
}

fn call(names: &str) -> String {
    format!("on = \"call\"\ncallee = [\"{names}\"]")
}

#[track_caller]
fn python(pattern: &str, fix: &str, code: &str, expected: &str) {
    assert_eq!(fixed(Python, pattern, fix, code).as_deref(), Some(expected));
}

#[track_caller]
fn c(pattern: &str, fix: &str, code: &str, expected: &str) {
    assert_eq!(fixed(C, pattern, fix, code).as_deref(), Some(expected));
}

#[test]
fn rename_changes_the_last_name_only() {
    let fix = "rename = \"safe\"";
    python(
        &call("m.load"),
        fix,
        "import m as y\ny.load(f)\n",
        "import m as y\ny.safe(f)\n",
    );
    c(
        &call("load"),
        fix,
        "void f(void) { load(1); }",
        "void f(void) { safe(1); }",
    );
}

#[test]
fn a_renamed_function_is_imported_beside_the_old_one() {
    let fix = "rename = \"safe\"";
    let load = call("m.load");
    python(
        &load,
        fix,
        "from m import load\nload(f)\n",
        "from m import load, safe\nsafe(f)\n",
    );
    python(
        &load,
        fix,
        "from m import load as l, x\nl(f)\n",
        "from m import load as l, safe, x\nsafe(f)\n",
    );
    python(
        &load,
        fix,
        "from m import safe as s, load\nload(f)\n",
        "from m import safe as s, load\ns(f)\n",
    );
    python(
        &load,
        fix,
        "from m import (\n    load,\n)\nload(f)\n",
        "from m import (\n    load, safe,\n)\nsafe(f)\n",
    );
}

#[test]
fn a_name_that_is_taken_is_not_imported() {
    let fix = "rename = \"safe\"";
    let code = "from m import load\ndef safe(x):\n    return x\nload(f)\n";
    assert_eq!(fixed(Python, &call("m.load"), fix, code), None);
}

#[test]
fn callee_and_replace_fill_their_placeholders_in() {
    python(
        &call("m.load"),
        "callee = \"{receiver}.v2.{callee_name}\"",
        "import m\nm.load(f)\n",
        "import m\nm.v2.load(f)\n",
    );
    python(
        &call("m.load"),
        "replace = 'zip({args}, {0}, {mode}, {\"{}\"}, {{0}})'",
        "import m\nx = m.load(f, mode=2)\n",
        "import m\nx = zip(f, mode=2, f, 2, {\"{}\"}, {0})\n",
    );
}

#[test]
fn a_placeholder_without_a_part_offers_nothing() {
    let code = "import m\nm.load(f)\n";
    assert_eq!(
        fixed(Python, &call("m.load"), "replace = \"g({1})\"", code),
        None
    );
    assert_eq!(
        fixed(Python, &call("m.load"), "remove = [\"mode\"]", code),
        None
    );
    assert_eq!(
        fixed(Python, &call("m.load"), "set = { 3 = \"x\" }", code),
        None
    );
}

#[test]
fn several_lines_of_new_text_are_laid_out_like_the_old() {
    c(
        &call("load"),
        "replace = \"keep({0});\\nfree({0})\"",
        "void f(void) {\r\n\tload(p);\r\n}\r\n",
        "void f(void) {\r\n\tkeep(p);\r\n\tfree(p);\r\n}\r\n",
    );
}

#[test]
fn what_is_filled_in_keeps_its_own_lines() {
    python(
        &call("m.make"),
        "replace = \"m.keep({args})[1]\"",
        "import m\ndef f():\n    m.make(\n        a,\n        b)\n",
        "import m\ndef f():\n    m.keep(\n        a,\n        b)[1]\n",
    );
}

#[test]
fn set_replaces_an_argument_or_adds_it() {
    let pattern = "on = \"call\"\ncallee = [\"m.run\"]\nargs.shell = { not = { const = [false] } }";
    let pattern = format!("{pattern}\n");
    let fix = "set = { shell = \"False\" }";
    python(
        &pattern,
        fix,
        "import m\nm.run(a, shell=x, b=1)\n",
        "import m\nm.run(a, shell=False, b=1)\n",
    );
    let absent = "on = \"call\"\ncallee = [\"m.run\"]\nargs.shell = { absent = true }";
    python(
        absent,
        fix,
        "import m\nm.run()\n",
        "import m\nm.run(shell=False)\n",
    );
    python(
        absent,
        fix,
        "import m\nm.run(a,)\n",
        "import m\nm.run(a, shell=False,)\n",
    );
    python(
        absent,
        fix,
        "import m\r\nm.run(\r\n    a,\r\n    b,  # why\r\n)\r\n",
        "import m\r\nm.run(\r\n    a,\r\n    b,\r\n    shell=False,  # why\r\n)\r\n",
    );
    let either = "on = \"call\"\ncallee = [\"m.run\"]\nargs.\"1|mode\" = { absent = true }";
    python(
        either,
        "set = { \"1|mode\" = \"2\" }",
        "import m\nm.run(a)\n",
        "import m\nm.run(a, mode=2)\n",
    );
}

#[test]
fn remove_takes_the_comma_along() {
    let pattern = "on = \"call\"\ncallee = [\"m.load\"]\nargs.\"1|Loader\" = { absent = false }";
    let fix = "remove = [\"1|Loader\"]";
    let seven = "on = \"call\"\ncallee = [\"m.load\"]\nargs.1 = { const = [7] }";
    python(
        seven,
        fix,
        "import m\nm.load(a, 7, c)\n",
        "import m\nm.load(a, c)\n",
    );
    python(
        pattern,
        fix,
        "import m\nm.load(a, Loader=b)\n",
        "import m\nm.load(a)\n",
    );
    python(
        pattern,
        fix,
        "import m\nm.load(a, b,)\n",
        "import m\nm.load(a,)\n",
    );
    python(
        pattern,
        fix,
        "import m\nm.load(Loader=b, x=1)\n",
        "import m\nm.load(x=1)\n",
    );
    python(
        pattern,
        fix,
        "import m\nm.load(Loader=b,)\n",
        "import m\nm.load()\n",
    );
    python(
        pattern,
        "remove = [\"0\", \"1\"]\nset = { y = \"2\" }",
        "import m\nm.load(a, b)\n",
        "import m\nm.load(y=2)\n",
    );
}

#[test]
fn an_argument_that_is_not_there_needs_no_removing() {
    let fix = "rename = \"safe\"\nremove = [\"1|Loader\"]";
    let load = call("m.load");
    python(&load, fix, "import m\nm.load(a)\n", "import m\nm.safe(a)\n");
    python(
        &load,
        fix,
        "import m\nm.load(a, x=1)\n",
        "import m\nm.safe(a, x=1)\n",
    );
    // It may hide in what is spread out, or go by a name that the fix does not know.
    for code in [
        "import m\nm.load(*a)\n",
        "import m\nm.load(a, *b)\n",
        "import m\nm.load(a, **b)\n",
    ] {
        assert_eq!(fixed(Python, &load, fix, code), None, "{code}");
    }
    let by_position = "rename = \"safe\"\nremove = [\"1\"]";
    let code = "import m\nm.load(a, where=b)\n";
    assert_eq!(fixed(Python, &load, by_position, code), None);
}

#[test]
fn insert_puts_an_argument_before_a_position() {
    let pattern = "on = \"call\"\ncallee = [\"show\"]\nargs.0 = { not = { const = [\"%s\"] } }";
    let fix = "insert.0 = '\"%s\"'";
    c(
        pattern,
        fix,
        "void f(char *s) { show(s); }",
        "void f(char *s) { show(\"%s\", s); }",
    );
}

#[test]
fn an_import_goes_where_imports_stand() {
    let fix = "callee = \"os.path.load\"\nimports = [\"os.path\"]";
    let load = call("load");
    python(
        &load,
        fix,
        "#!/bin/sh\n\"\"\"Doc.\"\"\"\nfrom __future__ import annotations\nimport sys\n\nload(1)\n",
        "#!/bin/sh\n\"\"\"Doc.\"\"\"\nfrom __future__ import annotations\nimport sys\nimport os.path\n\nos.path.load(1)\n",
    );
    python(
        &load,
        fix,
        "\"\"\"Doc.\"\"\"\r\nload(1)\r\n",
        "\"\"\"Doc.\"\"\"\r\n\r\nimport os.path\r\nos.path.load(1)\r\n",
    );
    python(
        &load,
        fix,
        "#!/bin/sh\n# why\nload(1)\n",
        "#!/bin/sh\nimport os.path\n\n# why\nos.path.load(1)\n",
    );
    python(
        &load,
        fix,
        "load(1)\n",
        "import os.path\n\nos.path.load(1)\n",
    );
}

#[test]
fn a_module_is_called_what_the_file_calls_it() {
    let fix = "replace = \"os.path.load({0}, int.os.path.x)\"\nimports = [\"os.path\"]";
    let load = call("load");
    python(
        &load,
        fix,
        "import os.path\nload(1)\n",
        "import os.path\nos.path.load(1, int.os.path.x)\n",
    );
    python(
        &load,
        fix,
        "import os.path as p\nload(1)\n",
        "import os.path as p\np.load(1, int.os.path.x)\n",
    );
    python(
        &load,
        fix,
        "from os import path\nload(1)\n",
        "from os import path\npath.load(1, int.os.path.x)\n",
    );
    // An import inside another function does not serve this one.
    python(
        &load,
        fix,
        "def g():\n    import os.path as p\n\nload(1)\n",
        "import os.path\n\ndef g():\n    import os.path as p\n\nos.path.load(1, int.os.path.x)\n",
    );
    assert_eq!(
        fixed(Python, &load, fix, "def g(os):\n    load(os)\n"),
        None
    );
}

#[test]
fn a_header_goes_after_the_last_include() {
    let fix = "callee = \"keep\"\nimports = [\"stdio.h\"]";
    let load = call("load");
    let body = "int f(void) { return load(1); }\n";
    let kept = "int f(void) { return keep(1); }\n";
    let cases = [
        (
            "#include <a.h>\n#include \"b.h\"\n\n",
            "#include <a.h>\n#include \"b.h\"\n#include <stdio.h>\n\n",
        ),
        ("#include <stdio.h>\n", "#include <stdio.h>\n"),
        (
            "#include <a.h>\r\n#ifdef X\r\n#include <b.h>\r\n#endif\r\n",
            "#include <a.h>\r\n#include <stdio.h>\r\n#ifdef X\r\n#include <b.h>\r\n#endif\r\n",
        ),
        ("// Licence.\n\n", "// Licence.\n\n#include <stdio.h>\n\n"),
        ("", "#include <stdio.h>\n\n"),
    ];
    for (head, expected) in cases {
        c(
            &load,
            fix,
            &format!("{head}{body}"),
            &format!("{expected}{kept}"),
        );
    }
}

const SQL: &str = "on = \"call\"\ncallee = [\"*.execute\"]\nargs.0 = { built = true }";

#[track_caller]
fn bound(mark: &str, code: &str, expected: &str) {
    let code = format!("def f(db, a, b):\n    {code}\n");
    let expected = format!("def f(db, a, b):\n    {expected}\n");
    python(SQL, &format!("parameterize = \"{mark}\""), &code, &expected);
}

#[track_caller]
fn not_bound(code: &str) {
    let code = format!("def f(db, a, b):\n    {code}\n");
    assert_eq!(fixed(Python, SQL, "parameterize = \"?\"", &code), None);
}

#[test]
fn built_strings_become_placeholders_and_a_tuple() {
    let one = "db.execute(\"select x from t where a = ?\", (a,))";
    bound("?", "db.execute(f\"select x from t where a = '{a}'\")", one);
    bound(
        "?",
        "db.execute(\"select x from t where a = '%s'\" % a)",
        one,
    );
    bound(
        "?",
        "db.execute(\"select x from t where a = {}\".format(a))",
        one,
    );
    bound(
        "?",
        "db.execute(\"select x from t where a = '\" + a + \"'\")",
        one,
    );
    let two = "db.execute(\"insert into t values (?, ?)\", (a, b.c[0]))";
    bound(
        "?",
        "db.execute(\"insert into t values ('%s', %d)\" % (a, b.c[0]))",
        two,
    );
    bound(
        "?",
        "db.execute(\"insert into t values ({}, '{}')\".format(a, b.c[0]))",
        two,
    );
    bound(
        "?",
        "db.execute(f\"insert into t values ({a!r}, {b.c[0]:>3})\")",
        two,
    );
    bound(
        "?",
        "db.execute(\"insert into t values (\" + a + \", \" + b.c[0] + \")\")",
        two,
    );
}

#[test]
fn percent_signs_are_doubled_where_the_driver_reads_them() {
    bound(
        "%s",
        "db.execute(f\"select x from t where b like '1%' and a = {a}\")",
        "db.execute(\"select x from t where b like '1%%' and a = %s\", (a,))",
    );
    bound(
        "?",
        "db.execute(f\"select x from t where b like '%{a.b}%'\")",
        "db.execute(\"select x from t where b like ?\", (f\"%{a.b}%\",))",
    );
}

#[test]
fn literals_stay_readable() {
    bound(
        "?",
        "db.execute(f\"\"\"\n        select \"x\"\n        from t where a = {a}\n    \"\"\", x=1)",
        "db.execute(\"\"\"\n        select \"x\"\n        from t where a = ?\n    \"\"\", (a,), x=1)",
    );
    bound(
        "?",
        "db.execute('select \"x\" from t where a = ' + a)",
        "db.execute('select \"x\" from t where a = ?', (a,))",
    );
    bound(
        "?",
        "db.execute(f\"select '\\\\\\n' where a = {a}\")",
        "db.execute(\"select '\\\\\\n' where a = ?\", (a,))",
    );
}

#[test]
fn a_variable_in_between_is_followed() {
    bound(
        "?",
        "q = f\"select x from t where a = {a}\"\n    with db:\n        db.execute(q)",
        "q = \"select x from t where a = ?\"\n    with db:\n        db.execute(q, (a,))",
    );
    // Used elsewhere, run often, or with values that changed meanwhile.
    not_bound("q = f\"select x from t where a = {a}\"\n    print(q)\n    db.execute(q)");
    not_bound("q = f\"select x from t where a = {a}\"\n    for _ in b:\n        db.execute(q)");
    not_bound("q = f\"select x from t where a = {a}\"\n    a = 1\n    db.execute(q)");
}

#[test]
fn what_cannot_be_bound_is_left_alone() {
    not_bound("db.execute(f\"select x from {a}\")");
    not_bound("db.execute(f\"select x from t order by {a}\")");
    not_bound("db.execute(f\"select x from t where a in ({a})\")");
    not_bound("db.execute(f\"select x from t where a = '{a}-{b}'\")");
    not_bound("db.execute(f\"select x from t where a = ? and b = {b}\")");
    not_bound("db.execute(f\"select x from t where b = {b}\", (a,))");
    not_bound("db.execute(\"select x from t where b = %(a)s\" % b)");
    not_bound("db.execute(\"select x from t where b = %s and a = %s\" % b)");
    not_bound("db.execute(\"select x from t where b = {a}\".format(**b))");
    not_bound("db.execute(\"select x from t where b = {}\".format(*b))");
}

#[test]
fn the_gate_refuses_what_does_not_cure() {
    let code = "import m\nm.load(f)\n";
    let cases = [
        ("callee = \"m.load\"", "it changes nothing"),
        (
            "replace = \"m.load({0}, 1)\"",
            "py/case-0 still reports the result",
        ),
        (
            "replace = \"m.keep({0}\"",
            "the result does not parse: 1 unreadable places instead of 0",
        ),
        (
            "replace = \"m.other({0})\"",
            "it brings a new finding on line 2, py/case-1: this is case 1",
        ),
        (
            "replace = \"m.load({0})  # secondlook: ignore[py/case-0]\"",
            "it silences py/case-0 with a comment instead of curing it",
        ),
    ];
    for (fix, why) in cases {
        let snapshot = snapshot(Python, &[(&call("m.load"), fix), (&call("m.other"), "")]);
        let fixes = first(&snapshot, Python, code);
        assert!(fixes.proposals.is_empty(), "{fix}");
        let said: Vec<String> = fixes.rejected.iter().map(|it| it.1.to_string()).collect();
        assert_eq!(said, [why], "{fix}");
    }
}

#[test]
fn the_gate_guards_what_the_finding_is_not_about() {
    let snapshot = snapshot(Python, &[(&call("m.load"), "")]);
    let code = "import m\ndef f(a):\n    return m.load(a)\n\ndef g():\n    return 1\n";
    let before = snapshot.check(Python, code);
    let cure = Edit {
        range: code.find("load").map(|at| at..at + 4).unwrap(),
        text: "safe".to_owned(),
    };
    let with = |needle: &str, text: &str| {
        let at = code.find(needle).unwrap();
        let other = Edit {
            range: at..at + needle.len(),
            text: text.to_owned(),
        };
        gate::check(
            &snapshot,
            Python,
            code,
            &before,
            &before.findings[0],
            &[cure.clone(), other],
        )
    };
    assert_eq!(
        with("return 1", "return 2"),
        Err(Rejection::Outside { line: 6 })
    );
    assert_eq!(with("f(a)", "f(a, b)"), Err(Rejection::Outside { line: 2 }));
    assert_eq!(with("import m\n", ""), Err(Rejection::Outside { line: 1 }));
    assert_eq!(with("oad(a)", "x"), Err(Rejection::Unusable));
    assert!(with("return m", "return (m)").is_ok());
    let import = Edit {
        range: 8..8,
        text: "\nimport n".to_owned(),
    };
    let check =
        |edits: &[Edit]| gate::check(&snapshot, Python, code, &before, &before.findings[0], edits);
    assert!(check(&[import, cure.clone()]).is_ok());
    let more = Edit {
        range: 8..8,
        text: "\nimport n\nn.go()".to_owned(),
    };
    assert_eq!(check(&[more, cure]), Err(Rejection::Outside { line: 1 }));
}

#[test]
fn a_weakness_that_moves_away_is_not_cured() {
    let snapshot = snapshot(Python, &[(&call("m.load"), "")]);
    let code = "import m\ndef f(a):\n    x = 1\n    return m.load(a)\n";
    let before = snapshot.check(Python, code);
    let (one, call) = (code.find('1').unwrap(), code.find("m.load(a)").unwrap());
    let edits = [
        Edit {
            range: one..one + 1,
            text: "m.load(a)".to_owned(),
        },
        Edit {
            range: call..call + 9,
            text: "x".to_owned(),
        },
    ];
    let said = gate::check(
        &snapshot,
        Python,
        code,
        &before,
        &before.findings[0],
        &edits,
    );
    assert_eq!(
        said,
        Err(Rejection::Remains {
            entry: "py/case-0".to_owned()
        })
    );
}

#[test]
fn findings_of_the_same_entry_inside_the_matched_code_may_stay() {
    python(
        &call("m.load"),
        "callee = \"m.safe\"",
        "import m\nm.load(m.load(a))\n",
        "import m\nm.safe(m.load(a))\n",
    );
}

#[test]
fn all_fixes_come_together_and_share_an_import() {
    let fix = "callee = \"n.safe\"\nimports = [\"n\"]";
    let snapshot = snapshot(Python, &[(&call("m.load"), fix)]);
    let fixed = fix_all(
        &snapshot,
        Python,
        "import m\nm.load(m.load(a))\nm.load(b)\n",
        false,
    );
    assert_eq!(
        fixed.text,
        "import m\nimport n\nn.safe(n.safe(a))\nn.safe(b)\n"
    );
    assert_eq!(fixed.applied.len(), 3);
    let again = fix_all(&snapshot, Python, &fixed.text, false);
    assert_eq!((again.text, again.applied.len()), (fixed.text, 0));
}

#[test]
fn fixes_that_need_a_look_wait_to_be_asked_for() {
    let text = "import m\nm.load(b)\n";
    let fix = "callee = \"m.safe\"";
    let review = rules(Python, &[(&call("m.load"), fix)], "review");
    assert_eq!(fix_all(&review, Python, text, false).text, text);
    assert_eq!(fix_all(&review, Python, text, true).applied.len(), 1);
}

#[test]
fn what_is_not_tried_in_a_long_text_is_said() {
    let snapshot = snapshot(Python, &[(&call("m.load"), "rename = \"safe\"")]);
    let padding = format!("# {}\n", "-".repeat(3 << 20));
    let code = format!("import m\n{}{padding}", "m.load(a)\n".repeat(20));
    let all = fixes_of_all(&snapshot, Python, &code, &snapshot.check(Python, &code));
    assert_eq!(all.len(), 20);
    assert_eq!(all[0].proposals.len(), 1);
    assert!(all[19].proposals.is_empty());
    let reasons: Vec<&Rejection> = all[19].rejected.iter().map(|it| &it.1).collect();
    assert_eq!(reasons, [&Rejection::Untried]);
}

#[test]
fn one_patch_does_not_colour_the_proof_of_the_next() {
    let pairs = [
        (call("m.load"), "rename = \"safe\"\nimports = [\"os\"]"),
        (call("m.dump"), "rename = \"load\""),
        (call("m.keep"), "set = { x = \"1\" }"),
    ];
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|it| (it.0.as_str(), it.1)).collect();
    let snapshot = snapshot(Python, &pairs);
    let code = "import m\ndef f(a):\n    m.load(a)\ndef g(a):\n    m.dump(a)\n    f(a)\ndef h(a):\n    m.load(g(a))\n    m.keep(a)\n";
    let before = snapshot.check(Python, code);
    let all = fixes_of_all(&snapshot, Python, code, &before);
    for (finding, together) in before.findings.iter().zip(&all) {
        let alone = fixes(&snapshot, Python, code, &before, finding);
        assert_eq!(together.proposals, alone.proposals);
        assert_eq!(together.rejected, alone.rejected);
    }
    assert_eq!(all.iter().map(|it| it.proposals.len()).sum::<usize>(), 2);
}

#[test]
fn broken_code_does_not_grow_more_broken_and_nothing_panics() {
    let snapshot = snapshot(
        Python,
        &[
            (SQL, "parameterize = \"?\""),
            (&call("m.load"), "rename = \"x\"\nimports = [\"os\"]"),
        ],
    );
    let code = "import m\r\nfrom m import load\r\ndef f(db, é):\r\n    load(é,\r\n    db.execute(f\"select '{é}' where a = '{é}'\"\r\n";
    for (at, _) in code.char_indices() {
        let fixed = fix_all(&snapshot, Python, &code[..at], true);
        let errors =
            |text: &str| syntax::error_nodes(syntax::parse(Python, text).root_node(), 99).len();
        assert!(errors(&fixed.text) <= errors(&code[..at]), "{}", fixed.text);
    }
}
