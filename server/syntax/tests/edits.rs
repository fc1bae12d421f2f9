//! Edited documents against a plain string model, and their trees against a fresh parse's.

use syntax::{
    Change, Descend, Document, Edit, Encoding, Language, Node, Point, Position, Text, Tree, parse,
    walk,
};

/// A small xorshift generator: the tests need variety that is the same every time, not randomness.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit") % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const ENCODINGS: [Encoding; 3] = [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32];

/// The starts and ends (before the terminator) of a string's lines, found the slow way.
fn lines(text: &str) -> Vec<(usize, usize)> {
    let (mut lines, mut start) = (Vec::new(), 0);
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        let end = at;
        match char {
            '\r' if chars.peek().is_some_and(|(_, next)| *next == '\n') => {
                chars.next();
            }
            '\r' | '\n' => {}
            _ => continue,
        }
        lines.push((start, end));
        start = chars.peek().map_or(text.len(), |(next, _)| *next);
    }
    lines.push((start, text.len()));
    lines
}

fn model_byte(text: &str, position: Position, encoding: Encoding) -> usize {
    let Some((start, end)) = lines(text).get(position.line).copied() else {
        return text.len();
    };
    let mut units = 0;
    for (at, char) in text[start..end].char_indices() {
        units += encoding.units(char);
        if units > position.column {
            return start + at;
        }
    }
    end
}

const PIECES: [&str; 22] = [
    "x = 1\n",
    "def f(a, b):\n    return a + b\n",
    "if a:\n    b()\nelse:\n    c()\n",
    "'😀'",
    "# é e\u{301} 漢\n",
    "\r\n",
    "\r",
    "\n",
    "    ",
    "\t",
    "(",
    ")",
    "\"\"\"",
    "f'{a}'",
    ":",
    "import os\r\n",
    "class A:\n    pass\n",
    "int f(void) { return 1; }\n",
    "#define X 1\n",
    "\u{2028}",
    "\u{b}\u{c}\u{85}",
    "",
];

fn random_change(dice: &mut Dice, text: &Text, encoding: Encoding) -> Change {
    let inserted = dice.pick(&PIECES).to_owned();
    if dice.below(50) == 0 {
        let start = Position::new(dice.below(text.len_lines() + 1), dice.below(9));
        let kept = text.slice(0..text.byte_of(start, encoding));
        return Change {
            range: None,
            encoding,
            text: format!("{kept}{inserted}"),
        };
    }
    let from = Position::new(dice.below(text.len_lines() + 1), dice.below(20));
    let to = Position::new(from.line + dice.below(3), dice.below(20));
    let range = Some((from, if dice.below(2) == 0 { from } else { to }));
    Change {
        range,
        encoding,
        text: inserted,
    }
}

fn apply_to_model(model: &mut String, change: &Change) {
    match change.range {
        None => change.text.clone_into(model),
        Some((from, to)) => {
            let from = model_byte(model, from, change.encoding);
            let to = model_byte(model, to, change.encoding);
            model.replace_range(from.min(to)..from.max(to), &change.text);
        }
    }
}

/// A node's kind, whether it is missing, and where it stands.
type Seen = (u16, bool, std::ops::Range<usize>, Point, Point);

/// Everything about a tree, so that two can be compared.
fn dump(tree: &Tree) -> Vec<Seen> {
    dump_node(tree.root_node())
}

/// The same of a node and what is in it.
fn dump_node(root: Node<'_>) -> Vec<Seen> {
    let mut nodes = Vec::new();
    walk(root, |node| {
        let (start, end) = (node.start_position(), node.end_position());
        nodes.push((
            node.kind_id(),
            node.is_missing(),
            node.byte_range(),
            start,
            end,
        ));
        Descend::Into
    });
    nodes
}

const FUNCTIONS: [(Language, &str, &str); 2] = [
    (
        Language::Python,
        "def f():\n    if a:\n        b('é')\n    return c\n\n",
        "    d = 1\n",
    ),
    (
        Language::C,
        "int f(int a) {\n    if (a)\n        b(\"é\");\n    return c;\n}\n",
        "    d = 1;\n",
    ),
];

#[test]
fn a_thousand_random_edits_leave_text_and_tree_as_if_opened_afresh() {
    for (language, function, _) in FUNCTIONS {
        let mut dice = Dice(0x5EED);
        let (mut model, mut document) = (String::new(), Document::parse(language, ""));
        for round in 0..1000 {
            if round % 20 == 0 {
                // Otherwise all ends in one error, where there is little to go wrong.
                model = function.repeat(5) + "x = '😀'\r\n";
                document = Document::parse(language, &model);
            }
            let mut batch = Vec::new();
            let mut ahead = Text::new(&model);
            for _ in 0..=dice.below(3) {
                let encoding = ENCODINGS[dice.below(3)];
                let change = random_change(&mut dice, &ahead, encoding);
                apply_to_model(&mut model, &change);
                ahead = Text::new(&model);
                batch.push(change);
            }
            document.apply(&batch);
            let fresh = parse(language, &model);
            assert_eq!(
                document.text.to_string(),
                model,
                "{language:?}, round {round}"
            );
            assert_eq!(
                dump(document.tree()),
                dump(&fresh),
                "{language:?}, round {round}"
            );
        }
    }
}

/// Definitions with what makes reading them alone hard, what stands between them, and what is typed.
struct Hard {
    language: Language,
    definitions: &'static [&'static str],
    between: &'static [&'static str],
    typed: &'static [&'static str],
}

const HARD: [Hard; 2] = [
    Hard {
        language: Language::Python,
        // Lines that go on, comments at any depth, strings over lines.
        definitions: &[
            "def f(a,\n      b=1):\n    if a:\n        b('é')\n    # over\n    return c\n\n",
            "@once\ndef g():\n    x = 1; y = [\n 2]\n    \"\"\"a\nb\"\"\"\n    return x\n",
            "class A(B):\n    k = 1\n\n    def m(self):\n        return f'{self.k}'\n\n    # end\n# of it\n\n",
            "async def h(): return 1\n",
            "class C:\r\n    def m(self):\r\n        pass # no more\r\n  # less\r\n",
            "def k():\n    try:\n        a()\n    except E:\n        b(\"#\")\n    else:\n        c()\n# k\n",
        ],
        between: &[
            "z = 1\n",
            "import os\n",
            "# c\n",
            "x = 1; y = 2\n",
            "if x:\n    y()\n",
            "try:\n    a()\nexcept E:\n    b()\n",
            "  # in\n",
            "match x:\n    case 1:\n        pass\n",
            "\n",
            "z = [\n1,\n]\n",
            "\"\"\"a\nb\"\"\"\n",
            "while x: y()\n",
            "x = 1; \\\nif_y = 2\n",
        ],
        typed: &[
            "x",
            "1",
            " ",
            "\n",
            "\r\n",
            "    ",
            "\n    d = 1",
            "\n  e",
            "\ny",
            ":",
            ",",
            "(",
            ")",
            "[]",
            "\\",
            "\\\n",
            "#",
            "# no\n",
            "'",
            "\"\"\"",
            "def n(): pass\n",
            "else:",
            "return\n",
            "@d\n",
            "import re\n",
            "case 2:\n",
            "\ny,",
            "print",
            "type",
            "exec",
            "match",
            "*",
            "=",
            "except F:\n",
        ],
    },
    Hard {
        language: Language::C,
        // Directives within, old parameters, macros for types, braces in strings and comments.
        definitions: &[
            "int f(int a,\n      char *b)\n{\n    if (a)\n        b(\"é{\");\n    // over }\n    return c;\n}\n\n",
            "static void *\ng(a, b)\n    int a;\n    char b;\n{\n    return (void *)a;\n}\n",
            "void h(void)\n{\n#ifdef A\n    x = 1;\n#else\n    x = '}';\n#endif\n}\n/* of\nit */\n",
            "EXPORT int k(void) { return 1; }\n",
            "struct s *m(struct s { int a; } *p) {\r\n    for (;;) { p->a++; } /* no\r\nmore */\r\n}\r\n",
            "int n(int z) {\n#define TWICE(x) \\\n  (2 * (x))\n    switch (z) { case 1: return TWICE(z); default: break; }\n    if (z) { a(); } else b();\n    do { c(); } while (z);\n}\n",
            "else_t e(void) { int i = k *w; return 0; }\n",
        ],
        between: &[
            "int z = 1;\n",
            "#define N 4\n",
            "#include <x.h>\n",
            "typedef struct { int q; } t;\n",
            ";\n",
            "int (*table[])(int) = { f };\n",
            "if (x) { y(); }\n",
            "do { y(); } while (0);\n",
            "void p(int);\n",
            "#if X\nint q(void) { return 1; }\n#endif\n",
            "extern \"C\" {\nint r(void) { return 2; }\n}\n",
        ],
        typed: &[
            "x",
            "1",
            " ",
            "\n",
            "\r\n",
            "    ",
            "\n    d = 1;",
            ";",
            "{",
            "}",
            "{}",
            "(",
            ")",
            "*",
            "[]",
            "\\",
            "\\\n",
            "//",
            "/*",
            "*/",
            "'",
            "\"",
            "\n#if Y\n",
            "\n#endif\n",
            "\n#else\n",
            "\n#define W 1\n",
            "\n#",
            "int o(void) { return 1; }\n",
            "else ",
            "return;",
            "int i;",
            "=",
            ",",
            "struct ",
            "} else {",
        ],
    },
];

#[test]
fn what_was_edited_is_read_alone_as_it_would_be_among_the_rest() {
    for hard in &HARD {
        edit_definitions(hard, 6000);
    }
}

fn edit_definitions(hard: &Hard, rounds: usize) {
    let language = hard.language;
    let mut dice = Dice(29);
    let (mut alone, mut model) = (0, String::new());
    let mut document = Document::parse(language, "");
    for round in 0..rounds {
        // What cannot be read is never read alone.
        let is_torn = document.nodes().has_error();
        if round % 12 == 0 || is_torn && dice.below(2) == 0 {
            let pieces = (0..6).map(|_| match dice.below(4) {
                0 => dice.pick(hard.between),
                _ => dice.pick(hard.definitions),
            });
            model = pieces.collect::<String>() + hard.between[0] + dice.pick(hard.definitions);
            document = Document::parse(language, &model);
        }
        let mut batch = Vec::new();
        let row = dice.below(model.lines().count());
        for _ in 0..=dice.below(2) {
            let from = Position::new(row + dice.below(2), dice.below(24));
            let to = Position::new(from.line, from.column + dice.below(3));
            batch.push(Change {
                range: Some((from, to)),
                encoding: Encoding::Utf8,
                text: dice.pick(hard.typed).to_owned(),
            });
        }
        for change in &batch {
            apply_to_model(&mut model, change);
        }
        document.apply(&batch);
        let fresh = parse(language, &model);
        let nodes = document.nodes();
        assert_eq!(nodes.has_error(), fresh.root_node().has_error(), "{model}");
        let mut cursor = fresh.walk();
        let statements = fresh.root_node().children(&mut cursor);
        // What is missing has no place of its own.
        for statement in statements.filter(|it| !it.byte_range().is_empty()) {
            let range = statement.byte_range();
            let root = nodes.root_of(&range);
            alone += usize::from(root.start_byte() > 0);
            let known = root.descendant_for_byte_range(range.start, range.end);
            let known = std::iter::successors(known, |it| it.parent())
                .filter(|it| it.byte_range() == range && it.kind_id() == statement.kind_id())
                .last();
            let known = known.map(dump_node);
            assert_eq!(known, Some(dump_node(statement)), "{range:?} in\n{model}");
        }
        let mut cursor = fresh.walk();
        let statements = fresh.root_node().named_children(&mut cursor);
        let statements: Vec<Seen> = statements.flat_map(dump_node).collect();
        let known = nodes.statements().into_iter();
        assert_eq!(known.flat_map(dump_node).collect::<Vec<_>>(), statements);
        if dice.below(4) == 0 {
            assert_eq!(dump(document.tree()), dump(&fresh));
        }
    }
    assert!(alone > rounds / 24, "read alone was only {alone} times");
}

#[test]
fn lines_coming_and_going_in_a_valid_program_keep_its_tree_exact() {
    for (language, function, statement) in FUNCTIONS {
        let mut model = function.repeat(30);
        let mut document = Document::parse(language, &model);
        let mut dice = Dice(11);
        for _ in 0..300 {
            // Right after a function's header a statement may always come, and go again.
            let chosen = dice.below(30);
            let headers = model
                .lines()
                .enumerate()
                .filter(|(_, line)| line.contains("f("));
            let line = headers
                .map(|(number, _)| number + 1)
                .nth(chosen)
                .expect("30 functions");
            let is_there = model.lines().nth(line) == Some(statement.trim_end());
            let to = Position::new(line + usize::from(is_there), 0);
            let text = if is_there {
                String::new()
            } else {
                statement.to_owned()
            };
            let range = Some((Position::new(line, 0), to));
            let change = Change {
                range,
                encoding: Encoding::Utf16,
                text,
            };
            apply_to_model(&mut model, &change);
            document.apply(&[change]);
            let fresh = parse(language, &model);
            assert!(
                !fresh.root_node().has_error(),
                "the edits are meant to be valid:\n{model}"
            );
            assert_eq!(dump(document.tree()), dump(&fresh));
        }
    }
}

#[test]
fn steps_tell_what_went_and_what_came() {
    let mut document = Document::parse(Language::Python, "a = '😀'\r\nb = 2\n");
    let change = |range, encoding, text: &str| Change {
        range,
        encoding,
        text: text.to_owned(),
    };
    let emoji = (Position::new(0, 5), Position::new(0, 7));
    let backwards_and_past_the_end = (Position::new(9, 9), Position::new(1, 99));
    let applied = document.apply_unless(
        &[
            change(Some(emoji), Encoding::Utf16, "é"),
            change(None, Encoding::Utf16, "a = 'è'\r\nb = 2\n"),
            change(Some(backwards_and_past_the_end), Encoding::Utf8, "!"),
        ],
        &|| false,
    );
    assert!(applied.parsed);
    assert_eq!(document.text.to_string(), "a = 'è'\r\nb = 2!");
    let steps: Vec<_> = applied
        .steps
        .iter()
        .map(|step| {
            (
                step.edit,
                step.deleted.as_str(),
                step.inserted.as_str(),
                step.whole,
            )
        })
        .collect();
    assert_eq!(
        steps,
        [
            (
                Edit {
                    start: 5,
                    old_end: 9,
                    new_end: 7
                },
                "😀",
                "é",
                false
            ),
            // Both letters begin with the same byte; the edit still takes whole characters.
            (
                Edit {
                    start: 5,
                    old_end: 7,
                    new_end: 7
                },
                "é",
                "è",
                true
            ),
            (
                Edit {
                    start: 15,
                    old_end: 16,
                    new_end: 16
                },
                "\n",
                "!",
                false
            ),
        ]
    );
}

#[test]
fn a_cancelled_parse_keeps_the_text_and_catches_up_with_the_next_edit() {
    let content = "def f(a):\n    return [a, (a), {a: a}]\n\n".repeat(500);
    assert!(Document::parse_unless(Language::Python, &content, &|| true).is_none());
    let mut document = Document::parse(Language::Python, &content);

    let at_start = |text: &str| Change {
        range: Some((Position::default(), Position::default())),
        encoding: Encoding::Utf8,
        text: text.to_owned(),
    };
    // No old node can be reused inside the brackets that this opens, so there is work to cancel.
    let applied = document.apply_unless(&[at_start("((")], &|| true);
    assert!(!applied.parsed && document.is_stale());
    assert_eq!(
        applied.steps[0].edit,
        Edit {
            start: 0,
            old_end: 0,
            new_end: 2
        }
    );
    assert_eq!(document.text.to_string(), format!("(({content}"));
    assert_eq!(document.tree().root_node().end_byte(), content.len() + 2);
    assert!(!document.reparse_unless(&|| true));

    document.apply(&[at_start("0\n")]);
    assert!(!document.is_stale());
    let model = format!("0\n(({content}");
    assert_eq!(document.text.to_string(), model);
    assert_eq!(
        dump(document.tree()),
        dump(&parse(Language::Python, &model))
    );
    assert!(document.reparse_unless(&|| true), "nothing is left to do");

    // The parser that was cancelled does not resume on the next text.
    let next = parse(Language::Python, "x");
    assert_eq!(
        next.root_node().to_sexp(),
        "(module (expression_statement (identifier)))"
    );
}

#[test]
fn a_callback_that_parses_does_not_disturb_the_parse_it_interrupts() {
    let content = "x = 1\n".repeat(2000);
    let tree = syntax::parse_unless(Language::Python, &content, &|| {
        parse(Language::Python, "y").root_node().has_error()
    });
    let tree = tree.expect("the inner parse has no errors, so it cancels nothing");
    assert_eq!(dump(&tree), dump(&parse(Language::Python, &content)));
}

#[test]
fn errors_are_the_same_however_the_text_came_about() {
    // Found by search: an incremental parse alone recovers from this one differently.
    let mut document = Document::parse(Language::C, ") else static int x");
    let range = Some((Position::new(0, 0), Position::new(0, 1)));
    document.apply(&[Change {
        range,
        encoding: Encoding::Utf8,
        text: String::new(),
    }]);
    assert_eq!(
        dump(document.tree()),
        dump(&parse(Language::C, " else static int x"))
    );
}

#[test]
fn a_comment_that_ends_behind_a_function_is_no_division() {
    let mut document = Document::parse(
        Language::C,
        "int f(int *w) { return 4  *w; }\nint g(void) { return 1; }\n/* h */\n",
    );
    let at = Position::new(0, 26);
    document.apply(&[Change {
        range: Some((at, at)),
        encoding: Encoding::Utf8,
        text: "/".to_owned(),
    }]);
    assert!(document.nodes().has_error(), "{}", document.text);
}

#[test]
fn what_stands_before_an_edit_may_go_on_in_it_and_what_was_deleted_is_gone() {
    for (text, from, to) in [
        ("y,\nk + 1\nz = 3\n", "+", "="),
        ("y,\nk.b()\nz = 3\n", "()", " = 4"),
        ("y,  # c\n\nk.b()\nz = 3\n", "()", " += 4"),
        ("def f(): y,\nk + 1\nz = 3\n", "+", "="),
        ("x = 1; \\\nif_y = 2\nz = 3\n", "_y = 2", " y: 2"),
        ("foo(1)", "foo(1)", ""),
        ("foo(1)\n\nz = 3\n", "foo(1)\n", ""),
        ("foo(1)\n# c\nz = 3\n", "foo(1)\n", ""),
        ("a\nfoo(1)\nz = 3\n", "foo(1)\n", ""),
        ("z = 3\nfoo(1)\n", "foo(1)\n", ""),
    ] {
        let at = text.find(from).expect("it is there");
        let mut document = Document::parse(Language::Python, text);
        let place = |byte| document.text.position_of(byte, Encoding::Utf8);
        let range = Some((place(at), place(at + from.len())));
        document.apply(&[Change {
            range,
            encoding: Encoding::Utf8,
            text: to.to_owned(),
        }]);
        let fresh = parse(Language::Python, &text.replacen(from, to, 1));
        let nodes = document.nodes();
        assert_eq!(nodes.has_error(), fresh.root_node().has_error(), "{text}");
        let mut cursor = fresh.walk();
        let statements = fresh.root_node().named_children(&mut cursor);
        let statements: Vec<Seen> = statements.flat_map(dump_node).collect();
        let known = nodes.statements().into_iter().flat_map(dump_node);
        assert_eq!(known.collect::<Vec<_>>(), statements, "{text}");
    }
}
