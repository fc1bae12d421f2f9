//! What analysis promises beyond single entries: the same findings after an edit as from scratch,
//! work in proportion to the edit, flow through functions, and calm on hostile input.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::fmt::Write as _;

use analysis::{Analysis, Host, Memo, Snapshot, Source};
use syntax::Language;

mod common;

fn snapshot() -> Snapshot {
    Host::new(&common::load()).snapshot()
}

fn analyze(snapshot: &Snapshot, text: &str, memo: &mut Memo) -> Analysis {
    let tree = syntax::parse(Language::Python, text);
    let source = Source {
        language: Language::Python,
        text,
        nodes: (&tree).into(),
    };
    snapshot.analyze(&source, memo, &|| false).unwrap()
}

/// Entry ids with the text of the line they are on.
fn summary(analysis: &Analysis, text: &str) -> Vec<(String, String)> {
    analysis
        .findings
        .iter()
        .map(|it| {
            let start = text[..it.range.start].rfind('\n').map_or(0, |at| at + 1);
            let line = text[start..].lines().next().unwrap_or("").trim().to_owned();
            (it.entry.id.clone(), line)
        })
        .collect()
}

fn details(analysis: &Analysis) -> Vec<String> {
    analysis
        .findings
        .iter()
        .map(|it| {
            format!(
                "{} {:?} {:?} {:?} {:?}",
                it.entry.id, it.range, it.trace, it.slice, it.parts
            )
        })
        .collect()
}

const SHOP: &str = r#"import os
import sqlite3
import subprocess as sp
from flask import Flask, request

app = Flask(__name__)
TABLE = "orders"

def fetch(cursor, wanted):
    query = "SELECT * FROM orders WHERE name = '%s'" % wanted
    cursor.execute(query)
    return cursor.fetchall()

def fixed(cursor):
    cursor.execute("SELECT * FROM " + TABLE + " WHERE id = 1")

@app.route("/run")
def run():
    name = request.args.get("name")
    return launch(name)

def launch(tool):
    sp.call("convert " + tool, shell=True)
    return "ok"
"#;

#[test]
fn aliases_and_built_text_are_followed() {
    let found = summary(&analyze(&snapshot(), SHOP, &mut Memo::default()), SHOP);
    let lines: Vec<&str> = found.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "cursor.execute(query)",
            r#"sp.call("convert " + tool, shell=True)"#
        ]
    );
}

#[test]
fn a_memo_never_changes_the_answer() {
    let snapshot = snapshot();
    let mut memo = Memo::default();
    let mut text = SHOP.to_owned();
    let edits = [
        ("wanted\n", "wanted.strip()\n"),
        ("TABLE = \"orders\"", "TABLE = input()"),
        ("import subprocess as sp", "import subprocess as other"),
        ("import subprocess as other", "import subprocess as sp"),
        ("def launch(tool):", "def launch(tool, extra=None):"),
        (
            "    return launch(name)",
            "    if name == \"a\":\n        return launch(name)\n    return \"\"",
        ),
        (
            "def fixed(cursor):",
            "def fetch_all(cursor):\n    return fetch(cursor, \"x\")\n\ndef fixed(cursor):",
        ),
        ("\"convert \" + tool", "[\"convert\", tool]"),
    ];
    for (from, to) in edits {
        assert!(text.contains(from), "the edit {from:?} applies");
        text = text.replace(from, to);
        let kept = analyze(&snapshot, &text, &mut memo);
        let fresh = analyze(&snapshot, &text, &mut Memo::default());
        assert_eq!(
            details(&kept),
            details(&fresh),
            "after {from:?} became {to:?}"
        );
    }
}

#[test]
fn a_memo_follows_what_a_class_is_made_from_and_which_fields_it_has() {
    let snapshot = snapshot();
    let handler = "\
from http.server import BaseHTTPRequestHandler


class Pages(BaseHTTPRequestHandler):
    def do_GET(self):
        with open(\"/srv/\" + self.path) as page:
            self.wfile.write(page.read())
";
    let record = "\
import subprocess
from dataclasses import dataclass


@dataclass
class Job:
    name: str
    tool: str


def run():
    job = Job(\"x\", input())
    subprocess.run(\"convert \" + job.tool, shell=True)
";
    for (text, from, to) in [
        (handler, "Pages(BaseHTTPRequestHandler)", "Pages(Plain)"),
        (
            record,
            "    name: str\n    tool: str",
            "    tool: str\n    name: str",
        ),
    ] {
        let edited = text.replace(from, to);
        let mut memo = Memo::default();
        for text in [text, &edited, text] {
            let kept = analyze(&snapshot, text, &mut memo);
            let fresh = analyze(&snapshot, text, &mut Memo::default());
            assert_eq!(details(&kept), details(&fresh), "{text}");
        }
        let before = details(&analyze(&snapshot, text, &mut Memo::default()));
        let after = details(&analyze(&snapshot, &edited, &mut Memo::default()));
        assert_ne!(before, after, "the edit means something: {edited}");
    }
}

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }
}

#[test]
fn random_edits_give_what_a_fresh_analysis_gives() {
    let snapshot = snapshot();
    let demo = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/demo");
    let mut files: Vec<_> = std::fs::read_dir(demo)
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let mut seen = 0;
    for path in files {
        let Some(language) = Language::from_path(&path.to_string_lossy()) else {
            continue;
        };
        let original = std::fs::read_to_string(&path).unwrap();
        let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ original.len() as u64);
        let mut memo = Memo::default();
        let mut lines: Vec<String> = original.lines().map(str::to_owned).collect();
        for step in 0..60 {
            let at = random.below(lines.len());
            match random.below(4) {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, lines[random.below(lines.len())].clone()),
                2 => lines[at].push_str("  "),
                _ => lines = original.lines().map(str::to_owned).collect(),
            }
            let text = lines.join("\n");
            let tree = syntax::parse(language, &text);
            let source = Source {
                language,
                text: &text,
                nodes: (&tree).into(),
            };
            let kept = snapshot.analyze(&source, &mut memo, &|| false).unwrap();
            let fresh = snapshot
                .analyze(&source, &mut Memo::default(), &|| false)
                .unwrap();
            assert_eq!(
                details(&kept),
                details(&fresh),
                "{} after step {step}",
                path.display()
            );
            seen += fresh.findings.len();
        }
    }
    assert!(seen > 500, "the edits left too little to compare: {seen}");
}

#[test]
fn an_edit_evaluates_only_what_it_can_change() {
    let snapshot = snapshot();
    let mut memo = Memo::default();
    let mut text = String::from("import os\n\n");
    for number in 0..200 {
        let _ = write!(
            text,
            "def step_{number}(value):\n    total = value + {number}\n    return total\n\n"
        );
    }
    let _ = analyze(&snapshot, &text, &mut memo);
    assert_eq!(memo.evaluated(), 200);
    let edited = text.replace(
        "total = value + 100\n",
        "total = value + 100\n    os.system(\"ls \" + value)\n",
    );
    let analysis = analyze(&snapshot, &edited, &mut memo);
    assert_eq!(analysis.findings.len(), 1);
    assert_eq!(
        memo.evaluated(),
        1,
        "one function changed and nobody calls it"
    );
    let renamed = edited.replace("import os", "import shutil as os");
    let analysis = analyze(&snapshot, &renamed, &mut memo);
    assert!(
        analysis.findings.is_empty(),
        "shutil.system is no such thing"
    );
    assert_eq!(
        memo.evaluated(),
        1,
        "one function mentions what the import changed"
    );
}

#[test]
fn a_comment_silences_what_it_names() {
    let snapshot = snapshot();
    let line = "    os.system(\"ls \" + path)";
    for (comment, silent) in [
        ("", false),
        ("  # secondlook: ignore", true),
        ("  # secondlook: ignore[py/some-other-entry]", false),
        ("  # a secondlook: ignore inside a sentence", false),
    ] {
        let text = format!("import os\n\ndef show(path):\n{line}{comment}\n");
        let analysis = analyze(&snapshot, &text, &mut Memo::default());
        assert_eq!(analysis.findings.is_empty(), silent, "{comment:?}");
        assert_eq!(
            analysis.suppressed.len(),
            usize::from(silent),
            "{comment:?}"
        );
    }
}

#[test]
fn deep_and_long_input_is_said_not_crashed_on() {
    let snapshot = snapshot();
    // 1 MiB is half of what a default thread has.
    let worker = std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(move || {
            let deep = [
                "(".repeat(10_000) + "1" + &")".repeat(10_000),
                "[".repeat(10_000),
                "x = ".to_owned() + &"a + ".repeat(20_000) + "b\n",
                (0..3_000).fold(String::new(), |mut text, depth| {
                    let _ = writeln!(text, "{}if x:", " ".repeat(depth));
                    text
                }),
                "def f():\n    ".to_owned() + &"lambda x: ".repeat(5_000) + "x\n",
                "f(".repeat(8_000),
                "a.b".to_owned() + &".c".repeat(20_000) + "()\n",
            ];
            for text in &deep {
                let _ = analyze(&snapshot, text, &mut Memo::default());
            }
            let c = [
                "int f(void) { ".to_owned() + &"if (x) ".repeat(5_000) + "y(); }",
                "int f(void) { ".to_owned() + &"if (x) y(); else ".repeat(5_000) + "z(); }",
                "int f(void) { ".to_owned() + &"{".repeat(10_000),
                "int a = ".to_owned() + &"!".repeat(10_000) + "1;",
            ];
            for text in &c {
                let _ = snapshot.check(Language::C, text);
            }
            let nested = analyze(&snapshot, &deep[0], &mut Memo::default());
            assert!(
                nested
                    .notes
                    .iter()
                    .any(|note| note.message.contains("deeply")),
                "{:?}",
                nested.notes
            );
        });
    worker.unwrap().join().unwrap();
}

/// What the fuzzer found: where something is broken, the same text of a function is read in another
/// way after an edit around it.
#[test]
fn a_memo_never_changes_the_answer_in_broken_text() {
    let snapshot = snapshot();
    let text = r#"import os
from pathlib import Path


def install(script, log):
    os.chmod(script, 0o777)  # finding
    Path("/srv/shared").chmod(0o77 mode=mode)  # finding
    &Path("/srv/shared").chmod(0o777)  # finding


def daemonize():
    os.setsid()
    os.umask(0)  # finding
"#;
    let (from, to) = (
        text.find(" &Path").unwrap(),
        text.rfind(")  # finding\n\n").unwrap(),
    );
    let edited = format!("{}{text}{}", &text[..from], &text[to..]);
    let mut memo = Memo::default();
    for text in [text, &edited, text] {
        assert_eq!(
            details(&analyze(&snapshot, text, &mut memo)),
            details(&analyze(&snapshot, text, &mut Memo::default())),
            "{text}"
        );
    }
}

/// What an edit is, a text, and what of it becomes what. None touches the function with the finding.
const EDITS_ELSEWHERE: [(&str, &str, &str, &str); 11] = [
    (
        "a later function of the same name takes a call",
        "import os, random
from cryptography.hazmat.primitives.ciphers import modes

def fresh(self):
    return random.randbytes(16)

def cipher(self):
    return modes.CTR(self.fresh())
",
        "    return modes.CTR(self.fresh())\n",
        "    return modes.CTR(self.fresh())\n\ndef fresh(self):\n    return os.urandom(16)\n",
    ),
    (
        "a function is called under another name",
        "import os

def helper(x):
    os.system('ls ' + x)

def show():
    run(input())

run = helper
",
        "os.system('ls ' + x)",
        "os.system(['ls', x])",
    ),
    (
        "a method whose name many classes share",
        "import os

class A:
    def run(self):
        return input()

class B:
    def run(self): pass

class C:
    def run(self): pass

class D:
    def run(self): pass

class E:
    def run(self): pass

def show():
    os.system('ls ' + A().run())
",
        "return input()",
        "return ['a']",
    ),
    (
        "a new call enters a cycle at another function",
        "import os

def first(x):
    return 1

def one(x):
    os.system(two(x))
    return input()

def two(x):
    if x:
        one(x)
    return input()
",
        "return 1",
        "return two(x)",
    ),
    (
        "another of two functions is there",
        "import os

def x():
    return 'ls'

def show():
    os.system(x())
    os.system('ls ' + y())
",
        "def x",
        "def y",
    ),
    (
        "a step of the trace has another name",
        "import os

def ask():
    one = input()
    return one

def show():
    os.system('ls ' + ask())
",
        "one = input()\n    return one",
        "two = input()\n    return two",
    ),
    (
        "arguments at the sink change places",
        "import subprocess

def run(a):
    subprocess.run(args=a, shell=True)

def show():
    run('ls ' + input())
",
        "args=a, shell=True",
        "shell=True, args=a",
    ),
    (
        "two constants swap their values",
        "import os

ONE = 0o777
TWO = 0o600

def share(path):
    os.chmod(path, ONE)
",
        "ONE = 0o777\nTWO = 0o600",
        "ONE = 0o600\nTWO = 0o777",
    ),
    (
        "a function takes the name of a module",
        "import yaml

def read(text):
    return yaml.load(text)

def show():
    pass
",
        "def show",
        "def yaml",
    ),
    (
        "two classes swap their names",
        "import os

class A:
    MODE = 0o777

class B:
    MODE = 0o600

def share(path):
    os.chmod(path, A.MODE)
",
        "class A:\n    MODE = 0o777\n\nclass B:",
        "class B:\n    MODE = 0o777\n\nclass A:",
    ),
    (
        "a decorator of a class, and what a method of it reads",
        "\
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

@method_decorator(csrf_exempt, name='dispatch')
class Transfer(View):
    def post(self, request):
        request.user.account.pay(request.GET['to'], request.GET['sum'])
",
        "request.GET['to'], request.GET['sum']",
        "request.POST['to'], request.POST['sum']",
    ),
];

#[test]
fn a_memo_knows_all_that_a_finding_rests_on() {
    let snapshot = snapshot();
    for (what, text, from, to) in EDITS_ELSEWHERE {
        assert!(text.contains(from), "{what}: the edit applies");
        let edited = text.replace(from, to);
        let mut memo = Memo::default();
        let mut seen = Vec::new();
        for text in [text, &edited, text] {
            let kept = details(&analyze(&snapshot, text, &mut memo));
            let fresh = details(&analyze(&snapshot, text, &mut Memo::default()));
            assert_eq!(kept, fresh, "{what}:\n{text}");
            seen.push(fresh);
        }
        assert_ne!(seen[0], seen[1], "{what}: the edit counts");
    }
}

/// What the fuzzer found: a number ends where no part of it follows, and a scan read on.
#[test]
fn a_word_right_behind_a_number_is_a_word() {
    let snapshot = snapshot();
    for text in [
        "n = 3 * n + 1ecdsa.SECP128r1\n",
        "n = 7 if 0x1fecdsa.SECP128r1 else 8\n",
    ] {
        let whole = analyze(&snapshot, text, &mut Memo::default()).findings;
        let found = snapshot.check(Language::Python, text).findings;
        assert_eq!(found.len(), whole.len(), "{text}");
        assert!(whole.is_empty() || snapshot.may_find(Language::Python, text.as_bytes()));
    }
    let found = snapshot
        .check(Language::Python, "n = 1ecdsa.SECP128r1\n")
        .findings;
    assert_eq!(found.len(), 1);
}

/// What is left out of a scan is judged by what a pattern asks for, and where.
#[test]
fn a_scan_finds_what_the_whole_text_has() {
    let snapshot = snapshot();
    for (text, number) in [
        // A pattern's `body` counts comments.
        (
            "import json\n\ndef save_account(handle, password):\n    # handle is open('a.json', 'w')\n    json.dump({'password': password}, handle)\n",
            1,
        ),
        // A key in a string.
        (
            "import os\n\ndef f():\n    os.environ['PATH'] = '/tmp:/bin'\n",
            1,
        ),
        // The text of a statement in one function, its sink in another.
        (
            "import sqlite3\n\nSQL = 'SELECT a FROM t WHERE b = '\n\ndef run(c, q):\n    c.execute(q)\n\ndef f(x):\n    c = sqlite3.connect('a')\n    run(c, SQL + x)\n\ndef g(x):\n    f(x)\n",
            1,
        ),
        // A division in a formatted string.
        (
            "from flask import Flask, request\n\napp = Flask(__name__)\n\n@app.get('/')\ndef f():\n    return f\"{7 / int(request.args['n'])}\"\n",
            1,
        ),
        // The function that has the name a pattern asks for stands inside of another.
        (
            "import random\n\ndef outer():\n    def make_token():\n        a = list('abcdef')\n        random.shuffle(a)\n        return ''.join(a)\n    return make_token\n",
            1,
        ),
    ] {
        let whole = analyze(&snapshot, text, &mut Memo::default());
        let found = snapshot.check(Language::Python, text);
        assert_eq!(summary(&found, text), summary(&whole, text), "{text}");
        assert_eq!(found.findings.len(), number, "{text}");
    }
}

/// What the fuzzer found: the parser skips such a character, and a scan took it for a letter.
#[test]
fn a_scan_sees_words_beside_what_is_no_letter() {
    let snapshot = snapshot();
    for space in ["\u{a0}", "\u{9e}", "\u{200b}"] {
        let text = format!("import yaml\n\ndef read(text):\n    return yaml.load{space}(text)\n");
        let found = snapshot.check(Language::Python, &text).findings;
        assert_eq!(found.len(), 1, "{text:?}");
        assert!(snapshot.may_find(Language::Python, text.as_bytes()));
    }
}

/// What a breaking trial found: a text that doubles with each line, a thousand lines long.
#[test]
fn a_text_that_doubles_line_by_line_ends() {
    let snapshot = snapshot();
    let text = format!(
        "import os\na = 'x' * 10 + input()\nb = 'y' + 'z'\n{}os.system(a)\nos.system(b)\n",
        "a = a + a\nb = b + b\n".repeat(1_000)
    );
    let analysis = analyze(&snapshot, &text, &mut Memo::default());
    let found = summary(&analysis, &text);
    assert_eq!(found.len(), 1, "{found:?}");
}

/// What a breaking trial found: each condition of a long function is compared with all others.
#[test]
fn thousands_of_conditions_cost_no_more_than_thousands() {
    let snapshot = snapshot();
    let mut text = "import os\ndef f(x):\n".to_owned();
    for number in 0..2_000 {
        let _ = writeln!(text, "    if a{number}:\n        x = x + '{number}'");
    }
    text.push_str("    os.system(input())\n");
    let found = summary(&analyze(&snapshot, &text, &mut Memo::default()), &text);
    assert_eq!(found.len(), 1, "{found:?}");
}

/// What the fuzzer found: tree-sitter ends the process where a predicate stands for a node.
#[test]
fn a_query_with_a_stray_predicate_is_refused() {
    let of = |query: &str| {
        let text = format!(
            "+++\nid = \"py/odd-query\"\ntitle = \"Odd\"\nmessage = \"an odd thing\"\ncwe = [20]\nlanguage = \"python\"\nseverity = \"error\"\n\n[[pattern]]\non = \"query\"\nquery = '''\n{query}\n'''\n+++\n\n## Why\nIt is.\n\n## Guideline\nDo not.\n\n## Vulnerable\n```python\nx = 1  # finding\n```\n\n```python\nx = 2  # finding\n```\n\n## Secure\n```python\ny = 2\n```\n\n```python\ny = 3\n```\n"
        );
        let mut set = kb_schema::EntrySet::default();
        let entry = kb_schema::parse_entry("kb/entries/python/odd-query.md", &text).unwrap();
        set.entries.push(entry.into());
        Host::new(&set).problems().to_vec()
    };
    for query in [
        "(assignment left: (#eq? @finding \"x\")) @finding",
        "(assignment left: ; a comment\n  (#eq? @finding \"x\")) @finding",
        "((#eq? @finding \"x\")) @finding",
        "[(identifier) @finding (#eq? @finding \"x\")]",
        "(identifier) @finding (#eq? @finding \"x\")",
        "(#eq? @finding \"x\")",
    ] {
        let problems = of(query);
        assert_eq!(problems.len(), 1, "{query}");
        assert!(
            problems[0].message.contains("a predicate"),
            "{}",
            problems[0]
        );
    }
    for query in [
        "((identifier) @finding (#eq? @finding \"x\"))",
        "(assignment left: (identifier) @finding . (_) (#eq? @finding \"(#\")) ; (#",
        "(assignment left: (identifier) @finding (#eq? @finding \"x\") (#not-eq? @finding \"y\"))",
    ] {
        assert_eq!(of(query), [], "{query}");
    }
}

#[test]
fn a_cancelled_analysis_gives_nothing() {
    let tree = syntax::parse(Language::Python, SHOP);
    let source = Source {
        language: Language::Python,
        text: SHOP,
        nodes: (&tree).into(),
    };
    assert!(
        snapshot()
            .analyze(&source, &mut Memo::default(), &|| true)
            .is_none()
    );
}

#[test]
fn a_slice_holds_what_the_sink_depends_on() {
    let analysis = analyze(&snapshot(), SHOP, &mut Memo::default());
    let slice = analysis.findings[0].slice_text(SHOP);
    assert!(slice.contains("query = "), "{slice}");
    assert!(slice.contains("cursor.execute(query)"), "{slice}");
    assert!(!slice.contains("fetchall"), "{slice}");
}

#[test]
fn quiet_code_is_silent() {
    let snapshot = snapshot();
    let quiet = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/quiet");
    let mut open = vec![quiet];
    let mut files = 0;
    while let Some(folder) = open.pop() {
        for path in std::fs::read_dir(folder)
            .unwrap()
            .map(|it| it.unwrap().path())
        {
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let Some(language) = Language::from_path(&path.to_string_lossy()) else {
                continue;
            };
            let text = std::fs::read_to_string(&path).unwrap();
            let found = summary(&snapshot.check(language, &text), &text);
            assert!(found.is_empty(), "{}: {found:?}", path.display());
            files += 1;
        }
    }
    assert!(files >= 10, "only {files} files of quiet code");
}

/// What the fuzzer found: a call without its second bracket, its last letter outside ASCII.
#[test]
fn the_arguments_of_a_call_without_its_end_are_part_of_the_text() {
    let snapshot = snapshot();
    for (language, text) in [
        (
            Language::C,
            "void f(void)\n{\n    system(getenv(\"A\"), \u{ff}\u{ff};\n}\n",
        ),
        (
            Language::C,
            "void f(void)\n{\n    setenv(\"PATH\", \".:/bin\", \u{ff}\u{ff}\n",
        ),
        (
            Language::Python,
            "import os\nos.system(input(), \u{e9}\u{e9}",
        ),
    ] {
        for finding in snapshot.check(language, text).findings {
            for part in &finding.parts {
                assert!(text.get(part.range.clone()).is_some(), "{text}: {part:?}");
            }
        }
    }
}
