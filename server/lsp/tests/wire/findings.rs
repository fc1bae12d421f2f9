//! Findings as a client meets them: diagnostics, hovers, actions. The entries are the tests' own,
//! so that the bundled ones may change.

use std::sync::Arc;

use kb_schema::{EntrySet, parse_entry, parse_library};
use serde_json::{Value, json};

use crate::client::{Client, Shelf};
use crate::model::Model;

const URI: &str = "file:///demo.py";
const C_URI: &str = "file:///demo.c";

const SHELL: &str = r#"+++
id = "py/os-system"
title = "A __shell__ command"
message = "the shell runs this text"
cwe = [78, 88]
language = "python"
severity = "error"

[[pattern]]
on = "call"
callee = ["os.system"]
args.0 = { dynamic = true }

[[discussion]]
question = 4256107
slug = "running-bash-commands-in-python"
warns = "a shell splits and expands what it is given"

[[fix]]
applicability = "safe"
title = "Call os.spawn"
rename = "spawn"
+++
## Why
A shell reads the text as a program.

Second paragraph.

## Guideline
Pass a list.

## Vulnerable
```python
import os
def f(name):
    os.system("ls " + name)  # finding
```

## Secure
```python
import os
os.system("ls")
```
```python
x = 1
```
"#;

const GETS: &str = r#"+++
id = "c/gets"
title = "Reading a line of any length"
message = "gets cannot know how large the buffer is"
cwe = [242]
language = "c"
severity = "warning"

[[pattern]]
on = "call"
callee = ["gets"]

[[discussion]]
question = 1694036
slug = "why-is-the-gets-function-so-dangerous-that-it-should-not-be-used"
warns = "no call of it can be made safe"
+++
## Why
It writes past the end.

## Guideline
Use fgets.

## Vulnerable
```c
void f(void) {
    char b[8];
    gets(b);  // finding
}
```

## Secure
```c
int x;
```
```c
int y;
```
"#;

const TEXT: &str = "import os\ndef f(name):\n    os.system('ls 😀 ' + name)\n";

fn set(entries: &[(&str, &str)]) -> EntrySet {
    let parse = |(path, text): &(&str, &str)| Arc::new(parse_entry(path, text).unwrap());
    EntrySet {
        entries: entries.iter().map(parse).collect(),
        ..Default::default()
    }
}

fn shelf() -> Arc<Shelf> {
    Shelf::new(set(&[("c/gets.md", GETS), ("py/os-system.md", SHELL)]))
}

fn place(line: u32, character: u32) -> Value {
    json!({ "line": line, "character": character })
}

async fn actions(client: &mut Client, uri: &str, line: u32, only: Value) -> Vec<Value> {
    let params = json!({
        "textDocument": { "uri": uri },
        "range": { "start": place(line, 5), "end": place(line, 5) },
        "context": { "diagnostics": [], "only": only },
    });
    let answer = client.request("textDocument/codeAction", params).await;
    answer["result"].as_array().unwrap().clone()
}

fn titled<'a>(actions: &'a [Value], start: &str) -> &'a Value {
    let mut found = actions
        .iter()
        .filter(|it| it["title"].as_str().unwrap().starts_with(start));
    found
        .next()
        .unwrap_or_else(|| panic!("no action `{start}` in {actions:#?}"))
}

/// Applies an action's edit, which must be a single insertion, as an editor would.
async fn insert(client: &mut Client, uri: &str, version: i64, edit: &Value) -> String {
    assert_eq!(edit["range"]["start"], edit["range"]["end"]);
    let change = json!({ "range": edit["range"], "text": edit["newText"] });
    client.change(uri, version, json!([change])).await;
    client.text(uri).await.0
}

#[tokio::test]
async fn a_finding_says_what_where_and_why() {
    let mut client = Client::start(shelf(), json!({})).await;
    client.open(URI, "python", TEXT).await;
    let published = client.published(URI, 1).await;
    let [found] = published.as_slice() else {
        panic!("{published:#?}")
    };
    assert_eq!(found["range"]["start"]["line"], 2);
    assert_eq!(found["severity"], 1);
    assert_eq!(found["code"], "py/os-system");
    assert_eq!(found["source"], "secondlook");
    let address = "https://stackoverflow.com/questions/4256107/running-bash-commands-in-python";
    assert_eq!(found["codeDescription"]["href"], address);
    assert_eq!(
        found["message"],
        "the shell runs this text (CWE-78, CWE-88)"
    );
    assert_eq!(found["data"]["entry"], "py/os-system");
    assert!(found["data"].get("origin").is_none());
    assert!(found.get("relatedInformation").is_none());
}

#[tokio::test]
async fn the_way_of_the_data_is_related_information_where_the_client_shows_it() {
    let library = "language = \"python\"\n[source.stdin]\nabout = \"input\"\nnames = [\"input\"]\n";
    let tainted = SHELL.replace("{ dynamic = true }", "{ tainted = [\"stdin\"] }");
    let mut set = set(&[("py/os-system.md", &tainted)]);
    let library = parse_library("python/library.toml", library).unwrap();
    set.libraries = vec![Arc::new(library)];
    let capabilities = json!({
        "textDocument": { "publishDiagnostics": { "relatedInformation": true } },
    });
    let mut client = Client::start(Shelf::new(set), capabilities).await;
    client
        .open(
            URI,
            "python",
            "import os\nname = input()\n\nos.system('ls ' + name)\n",
        )
        .await;
    let published = client.published(URI, 1).await;
    let related = published[0]["relatedInformation"].as_array().unwrap();
    assert_eq!(related[0]["location"]["uri"], URI);
    assert_eq!(related[0]["location"]["range"]["start"]["line"], 1);

    let at = json!({ "textDocument": { "uri": URI }, "position": place(3, 6) });
    let answer = client.request("textDocument/hover", at).await;
    let page = answer["result"]["contents"]["value"].as_str().unwrap();
    assert!(page.contains("- line 2: "), "{page}");
}

#[tokio::test]
async fn columns_count_what_was_agreed() {
    let text = "import os\ndef f(name):\n    x = '😀'; os.system('ls ' + name)\n";
    for (encoding, column) in [("utf-8", 16), ("utf-16", 14), ("utf-32", 13)] {
        let general = json!({ "general": { "positionEncodings": [encoding] } });
        let mut client = Client::start(shelf(), general).await;
        client.open(URI, "python", text).await;
        let found = client.published(URI, 1).await;
        assert_eq!(found[0]["range"]["start"], place(2, column), "{encoding}");
    }
}

#[tokio::test]
async fn an_ais_insertion_is_named_in_the_message() {
    let mut client = Client::start(shelf(), json!({})).await;
    client.open(URI, "python", TEXT).await;
    client.published(URI, 1).await;
    let mark = json!({
        "uri": URI,
        "version": 1,
        "range": { "start": place(1, 0), "end": place(3, 0) },
        "source": "tool",
    });
    client.notify("secondlook/markInserted", mark).await;
    let published = client.published(URI, 1).await;
    let message = "the shell runs this text (CWE-78, CWE-88) [AI-inserted]";
    assert_eq!(published[0]["message"], message);
    let origin = json!({ "source": "tool", "confidence": "certain" });
    assert_eq!(published[0]["data"]["origin"], origin);
    assert_eq!(published[0]["severity"], 1);

    let block = "def g(name):\n    line = 'ls ' + name\n    return os.system(line)\n";
    let range = json!({ "start": place(3, 0), "end": place(3, 0) });
    client
        .change(URI, 2, json!([{ "range": range, "text": block }]))
        .await;
    let published = client.published(URI, 2).await;
    let message = published[1]["message"].as_str().unwrap();
    assert!(message.ends_with(" [likely AI-inserted]"), "{message}");
}

#[tokio::test]
async fn a_pull_right_after_an_edit_is_of_the_edited_text() {
    let mut client = Client::start(shelf(), json!({ "textDocument": { "diagnostic": {} } })).await;
    client.open(URI, "python", TEXT).await;
    let before = client.pull(URI, None).await;
    assert_eq!(before["items"].as_array().unwrap().len(), 1);
    client
        .change(URI, 2, json!([{ "text": "import os\n" }]))
        .await;
    let after = client.pull(URI, before["resultId"].as_str()).await;
    assert_eq!(
        (&after["kind"], &after["items"]),
        (&json!("full"), &json!([]))
    );
    let moved = format!("\n{TEXT}");
    client.change(URI, 3, json!([{ "text": moved }])).await;
    let again = client.pull(URI, after["resultId"].as_str()).await;
    assert_eq!(again["items"][0]["range"]["start"]["line"], 3);
}

#[tokio::test]
async fn what_a_client_shows_already_is_not_sent_again() {
    let at = |line: u32, text: &str| json!([{ "range": { "start": place(line, 0), "end": place(line, 0) }, "text": text }]);
    let mut client = Client::start(shelf(), json!({})).await;
    client.open(URI, "python", &format!("{TEXT}x = 1\n")).await;
    assert_eq!(client.published(URI, 1).await.len(), 1);
    // Below everything that is shown, then above it, and back to where it was.
    client.change(URI, 2, at(4, "y = 1\n")).await;
    client.settled(URI).await;
    client.change(URI, 3, at(0, "\n")).await;
    assert_eq!(client.published(URI, 3).await.len(), 1);
    let undo = json!([{ "range": { "start": place(0, 0), "end": place(1, 0) }, "text": "" }]);
    client.change(URI, 4, undo).await;
    assert_eq!(client.published(URI, 4).await.len(), 1);
    assert_eq!(client.passed_over(URI), [0; 0]);

    let mut puller = Client::start(shelf(), json!({ "textDocument": { "diagnostic": {} } })).await;
    puller.open(URI, "python", &format!("{TEXT}x = 1\n")).await;
    let first = puller.pull(URI, None).await;
    puller.change(URI, 2, at(4, "y = 1\n")).await;
    let id = first["resultId"].as_str();
    assert_eq!(puller.pull(URI, id).await["kind"], "unchanged");
    puller.change(URI, 3, at(2, "")).await;
    assert_eq!(puller.pull(URI, id).await["kind"], "full");
}

#[tokio::test]
async fn a_new_entry_is_live_in_open_documents() {
    let shelf = Shelf::new(EntrySet::default());
    let mut client = Client::start(shelf.clone(), json!({})).await;
    client.open(URI, "python", TEXT).await;
    assert!(client.published(URI, 1).await.is_empty());
    shelf.replace(set(&[("py/os-system.md", SHELL)]));
    client.knowledge_changed();
    assert_eq!(client.published(URI, 1).await.len(), 1);
}

#[tokio::test]
async fn a_hover_shows_the_reason_and_who_explained_it() {
    let markdown = json!({ "textDocument": { "hover": { "contentFormat": ["markdown"] } } });
    for (capabilities, kind, expected) in [
        (
            markdown,
            "markdown",
            [
                "**A \\_\\_shell\\_\\_ command**",
                "A shell reads the text as a program.",
                "Pass a list.",
                "[running bash commands in python](https://stackoverflow.com/questions/4256107/",
                "a shell splits and expands",
                "[CWE-88](https://cwe.mitre.org/data/definitions/88.html)",
                "`py/os-system`",
            ],
        ),
        (
            json!({}),
            "plaintext",
            [
                "A __shell__ command",
                "A shell reads the text as a program.",
                "Pass a list.",
                "running bash commands in python <https://stackoverflow.com/questions/4256107/",
                "a shell splits and expands",
                "CWE-88 <https://cwe.mitre.org/data/definitions/88.html>",
                "py/os-system",
            ],
        ),
    ] {
        let mut client = Client::start(shelf(), capabilities).await;
        client.open(URI, "python", TEXT).await;
        let at = |line, character| json!({ "textDocument": { "uri": URI }, "position": place(line, character) });
        let answer = client.request("textDocument/hover", at(2, 6)).await;
        let contents = &answer["result"]["contents"];
        assert_eq!(contents["kind"], kind);
        let page = contents["value"].as_str().unwrap();
        for part in expected {
            assert!(page.contains(part), "no {part:?} in:\n{page}");
        }
        assert!(!page.contains("Second paragraph"), "{page}");
        let beside = client.request("textDocument/hover", at(0, 0)).await;
        assert_eq!(beside["result"], Value::Null);
    }
}

#[tokio::test]
async fn a_defect_costs_one_answer() {
    let shelf = shelf();
    let mut client = Client::start(shelf.clone(), json!({})).await;
    client.open(URI, "python", TEXT).await;
    assert_eq!(client.published(URI, 1).await.len(), 1);
    let about = json!({ "textDocument": { "uri": URI }, "position": place(2, 6) });
    shelf
        .is_broken
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let answer = client.request("textDocument/hover", about.clone()).await;
    assert_eq!(answer["error"]["code"], -32603, "{answer}");
    shelf
        .is_broken
        .store(false, std::sync::atomic::Ordering::Relaxed);
    let answer = client.request("textDocument/hover", about).await;
    assert!(answer["result"]["contents"].is_object(), "{answer}");
    assert_eq!(client.stop().await, 0);
}

#[tokio::test]
async fn a_suppression_silences_the_finding_wherever_a_comment_can_stand() {
    for (uri, language, text, line, expected) in [
        (
            URI,
            "python",
            "import os\ndef f(n):\n    os.system('a' + n)\n",
            2,
            "import os\ndef f(n):\n    os.system('a' + n)  # secondlook: ignore[py/os-system]\n",
        ),
        (
            URI,
            "python",
            "import os\r\ndef f(n):\r\n    os.system('a' + n)  # secondlook: ignore[py/x]\r\n",
            2,
            "import os\r\ndef f(n):\r\n    os.system('a' + n)  # secondlook: ignore[py/x, py/os-system]\r\n",
        ),
        (
            URI,
            "python",
            "import os\ndef f(n):\n    os.system('''a\n''' + n)",
            2,
            "import os\ndef f(n):\n    os.system('''a\n''' + n)  # secondlook: ignore[py/os-system]",
        ),
        (
            URI,
            "python",
            "import os\ndef f(n):\n    os.system(n + '''\n'''); s = '''\n'''\n",
            2,
            "import os\ndef f(n):\n    # secondlook: ignore[py/os-system]\n    os.system(n + '''\n'''); s = '''\n'''\n",
        ),
        (
            C_URI,
            "c",
            "void f(void) {\n  char b[8];\n  gets(b); // read\n}\n",
            2,
            "void f(void) {\n  char b[8];\n  gets(b); // read  // secondlook: ignore[c/gets]\n}\n",
        ),
        (
            C_URI,
            "c",
            "void f(void) {\n  char b[8];\n  gets( \\\n    b); \\\n  b[0] = 1;\n}\n",
            2,
            "void f(void) {\n  char b[8];\n  gets( /* secondlook: ignore[c/gets] */ \\\n    b); \\\n  b[0] = 1;\n}\n",
        ),
        (
            URI,
            "python",
            "import os\ndef f(n):\n    os.system('a' + n, 'a long line, a long line, a long line, a long line, a long line')\n",
            2,
            "import os\ndef f(n):\n    # secondlook: ignore[py/os-system]\n    os.system('a' + n, 'a long line, a long line, a long line, a long line, a long line')\n",
        ),
    ] {
        let blank = text.find("f(").unwrap() + 2;
        let before = format!("{} {}", &text[..blank], &text[blank..]);
        let (row, column) = if language == "c" { (0, 7) } else { (1, 6) };
        let range = json!({ "start": place(row, column), "end": place(row, column + 1) });
        let change = json!([{ "range": range, "text": "" }]);
        // The text as it is opened, and as it is typed.
        for typed in [false, true] {
            let mut client = Client::start(shelf(), json!({})).await;
            let opened = if typed { &before } else { text };
            client.open(uri, language, opened).await;
            let found = client.published(uri, 1).await;
            let unused = |it: &&Value| it["code"] == "unused-suppression";
            let idle = found.iter().filter(unused).count();
            assert_eq!(found.len(), 1 + idle, "{text}");
            let mut version = 1;
            if typed {
                version += 1;
                client.change(uri, version, change.clone()).await;
            }
            let offered = actions(&mut client, uri, line, Value::Null).await;
            let action = titled(&offered, "Suppress `");
            let edit = &action["edit"]["changes"][uri][0];
            version += 1;
            let silenced = insert(&mut client, uri, version, edit).await;
            assert_eq!(silenced, expected, "typed: {typed}");
            assert_eq!(client.published(uri, version).await.len(), idle, "{text}");
        }
    }
}

#[tokio::test]
async fn actions_are_quick_fixes_with_the_clients_own_diagnostic() {
    let capabilities = json!({ "workspace": { "workspaceEdit": { "documentChanges": true } } });
    let mut client = Client::start(shelf(), capabilities).await;
    client.open(URI, "python", TEXT).await;
    let mut shown = client.published(URI, 1).await[0].clone();
    shown["tags"] = json!([1]);
    // The cursor is elsewhere on the line; the diagnostic says what is meant.
    let params = json!({
        "textDocument": { "uri": URI },
        "range": { "start": place(2, 0), "end": place(2, 0) },
        "context": { "diagnostics": [shown], "only": ["quickfix"] },
    });
    let answer = client.request("textDocument/codeAction", params).await;
    let offered = answer["result"].as_array().unwrap();
    for action in offered {
        assert_eq!(action["kind"], "quickfix");
        assert_eq!(action["diagnostics"], json!([shown]));
    }
    let suppress = titled(offered, "Suppress `py/os-system` here");
    let document = &suppress["edit"]["documentChanges"][0]["textDocument"];
    assert_eq!(document, &json!({ "uri": URI, "version": 1 }));

    let open = titled(
        offered,
        "Open the discussion: running bash commands in python",
    );
    let arguments = &open["command"]["arguments"];
    let command = json!({ "command": open["command"]["command"], "arguments": arguments });
    client.request("workspace/executeCommand", command).await;
    let told = client.incoming("window/showMessage").await;
    assert_eq!(told["params"]["message"], arguments[0]);

    assert!(
        actions(&mut client, URI, 2, json!(["refactor"]))
            .await
            .is_empty()
    );
    assert!(actions(&mut client, URI, 0, Value::Null).await.is_empty());
}

#[tokio::test]
async fn a_fix_comes_with_its_edit_or_is_resolved_to_it() {
    let mended = TEXT.replace("os.system", "os.spawn");
    for resolves in [false, true] {
        let properties = if resolves { json!(["edit"]) } else { json!([]) };
        let capabilities = json!({
            "textDocument": { "codeAction": { "resolveSupport": { "properties": properties } } },
        });
        let mut client = Client::start(shelf(), capabilities).await;
        let offered = &client.capabilities["codeActionProvider"]["resolveProvider"];
        assert_eq!(offered, &json!(resolves));
        client.open(URI, "python", TEXT).await;
        client.published(URI, 1).await;
        let offered = actions(&mut client, URI, 2, Value::Null).await;
        let mut fix = titled(&offered, "Call os.spawn").clone();
        assert_eq!(fix["isPreferred"], true);
        if resolves {
            assert!(fix.get("edit").is_none());
            fix = client.request("codeAction/resolve", fix).await["result"].take();
        }
        let edit = &fix["edit"]["changes"][URI][0];
        let change = json!({ "range": edit["range"], "text": edit["newText"] });
        client.change(URI, 2, json!([change])).await;
        assert_eq!(client.text(URI).await.0, mended);
        assert!(client.published(URI, 2).await.is_empty());
    }
}

#[tokio::test]
async fn a_fix_for_an_older_version_is_not_resolved() {
    let capabilities = json!({
        "textDocument": { "codeAction": { "resolveSupport": { "properties": ["edit"] } } },
    });
    let mut client = Client::start(shelf(), capabilities).await;
    client.open(URI, "python", TEXT).await;
    let offered = actions(&mut client, URI, 2, Value::Null).await;
    let fix = titled(&offered, "Call os.spawn").clone();
    client
        .change(URI, 2, json!([{ "text": format!("# more\n{TEXT}") }]))
        .await;
    let answer = client.request("codeAction/resolve", fix).await;
    assert_eq!(answer["error"]["code"], -32801, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_many_edits_the_diagnostics_are_those_of_a_fresh_open() {
    let call = "\ndef g(n):\n    os.system('é😀' + n)\n";
    let start = format!("import os\r\n{}", call.repeat(8));
    for (seed, encoding) in [(5, "utf-8"), (6, "utf-16"), (7, "utf-32")] {
        let capabilities = json!({
            "general": { "positionEncodings": [encoding] },
            "textDocument": { "diagnostic": {} },
        });
        let mut client = Client::start(shelf(), capabilities).await;
        let mut model = Model::new(&start, seed);
        client.open(URI, "python", &start).await;
        let mut version = 1;
        let mut total = 0;
        for round in 0..25 {
            for _ in 0..8 {
                version += 1;
                let change = model.edit(encoding);
                client.change(URI, version, json!([change])).await;
            }
            // The edits wear the calls away, so each round brings one back.
            version += 1;
            let end = model.append(call, encoding);
            client.change(URI, version, json!([end])).await;
            let fresh = format!("file:///fresh{round}.py");
            client.open(&fresh, "python", &model.text).await;
            let (mut edited, mut opened) = (
                client.pull(URI, None).await,
                client.pull(&fresh, None).await,
            );
            let (edited, opened) = (bare(&mut edited["items"]), bare(&mut opened["items"]));
            assert_eq!(
                edited, opened,
                "round {round} in {encoding}:\n{}",
                model.text
            );
            total += edited.len();
        }
        assert!(total > 0, "the texts had nothing to find");
    }
}

/// Diagnostics without what differs by design: the version and who wrote the text.
fn bare(items: &mut Value) -> Vec<Value> {
    let mut items = items.as_array().unwrap().clone();
    for item in &mut items {
        item["data"] = Value::Null;
        let message = item["message"].as_str().unwrap();
        item["message"] = message.split(" [").next().unwrap().into();
    }
    items
}
