//! The connection: capabilities, life and death, marks, commands.

use kb_schema::EntrySet;
use lsp::ServerOptions;
use serde_json::{Value, json};

use crate::client::{Client, Shelf};

const URI: &str = "file:///demo.py";
const BLOCK: &str = "def f(name):\n    path = base + name\n    return open(path).read()\n";

fn empty() -> std::sync::Arc<Shelf> {
    Shelf::new(EntrySet::default())
}

fn pulling() -> Value {
    json!({
        "textDocument": { "diagnostic": {} },
        "workspace": { "diagnostics": { "refreshSupport": true } },
    })
}

/// A client that looks at the versions of what is pushed, and so is told of every one.
fn versioned() -> Value {
    json!({ "textDocument": { "publishDiagnostics": { "versionSupport": true } } })
}

fn mark(version: i64, from: (u32, u32), to: (u32, u32)) -> Value {
    let position = |(line, character): (u32, u32)| json!({ "line": line, "character": character });
    json!({
        "uri": URI,
        "version": version,
        "range": { "start": position(from), "end": position(to) },
        "source": "tool",
    })
}

#[tokio::test]
async fn a_client_that_pulls_gets_no_push_and_the_other_way_round() {
    let mut puller = Client::start(empty(), pulling()).await;
    assert_eq!(
        puller.capabilities["diagnosticProvider"]["workspaceDiagnostics"],
        true
    );
    puller.open(URI, "python", "a = 1\n").await;
    let report = puller.pull(URI, None).await;
    assert_eq!(
        (&report["kind"], &report["items"]),
        (&json!("full"), &json!([]))
    );
    let same = puller.pull(URI, report["resultId"].as_str()).await;
    assert_eq!(same["kind"], "unchanged");
    assert_eq!(same["resultId"], report["resultId"]);
    puller
        .notify(
            "textDocument/didClose",
            json!({ "textDocument": { "uri": URI } }),
        )
        .await;
    puller.pull(URI, None).await;
    assert!(!puller.has_come("textDocument/publishDiagnostics"));

    let mut pushed = Client::start(empty(), versioned()).await;
    assert!(pushed.capabilities.get("diagnosticProvider").is_none());
    pushed.open(URI, "python", "a = 1\n").await;
    pushed.published(URI, 1).await;
    pushed.change(URI, 7, json!([{ "text": "a = 2\n" }])).await;
    pushed.published(URI, 7).await;
}

#[tokio::test]
async fn a_pull_that_would_take_too_long_is_told_to_ask_again() {
    let never = std::time::Duration::from_secs(3_600);
    let patience = std::time::Duration::from_millis(20);
    let options = ServerOptions {
        debounce: never,
        patience,
        ..ServerOptions::default()
    };
    let mut client = Client::connect_with(empty(), options);
    let params = json!({ "capabilities": pulling() });
    client.request("initialize", params).await;
    client.open(URI, "python", "a = 1\n").await;
    let params = json!({ "textDocument": { "uri": URI } });
    let answer = client.request("textDocument/diagnostic", params).await;
    assert_eq!(answer["error"]["code"], -32802, "{answer}");
    assert_eq!(answer["error"]["data"]["retriggerRequest"], true);
    // The server ends although the document's worker sleeps.
    assert_eq!(client.stop().await, 0);
}

#[tokio::test]
async fn new_knowledge_is_published_or_the_client_is_asked_to_pull() {
    let shelf = empty();
    let mut pushed = Client::start(shelf.clone(), versioned()).await;
    pushed.open(URI, "python", "a = 1\n").await;
    pushed.published(URI, 1).await;
    shelf.replace(EntrySet::default());
    pushed.knowledge_changed();
    pushed.published(URI, 1).await;

    let mut puller = Client::start(shelf.clone(), pulling()).await;
    puller.open(URI, "python", "a = 1\n").await;
    puller.pull(URI, None).await;
    puller.knowledge_changed();
    puller.incoming("workspace/diagnostic/refresh").await;
    // Nobody has answered the refresh; pulls must be answered all the same.
    for _ in 0..20 {
        puller.pull(URI, None).await;
    }
    assert_eq!(puller.stop().await, 0);
}

#[tokio::test]
async fn exit_codes_say_whether_the_client_shut_us_down() {
    assert_eq!(Client::start(empty(), json!({})).await.stop().await, 0);

    let mut rude = Client::start(empty(), json!({})).await;
    rude.notify("exit", Value::Null).await;
    assert_eq!(rude.exit_code().await, 1);

    let mut gone = Client::start(empty(), json!({})).await;
    gone.open(URI, "python", "a = 1\n").await;
    assert_eq!(gone.hang_up().await, 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_server_ends_with_the_process_that_started_it() {
    let mut parent = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .unwrap();
    let mut client = Client::connect(empty());
    let params = json!({ "processId": parent.id(), "rootUri": null, "capabilities": {} });
    client.request("initialize", params).await;
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert_eq!(client.exit_code().await, 1);
}

#[tokio::test]
async fn what_is_unknown_or_too_early_gets_an_error_and_nothing_breaks() {
    let mut client = Client::connect(empty());
    client.open(URI, "python", "a = 1\n").await;
    let early = client.request("textDocument/hover", json!({})).await;
    assert_eq!(early["error"]["code"], -32002, "{early}");
    let params = json!({ "capabilities": {} });
    let answer = client.request("initialize", params).await;
    assert_eq!(answer["result"]["serverInfo"]["name"], "secondlook");
    let early = client
        .request("secondlook/text", json!({ "uri": URI }))
        .await;
    assert_eq!(early["error"]["code"], -32602, "{early}");

    for method in ["textDocument/foldingRange", "$/unheardOf"] {
        let unknown = client.request(method, json!({})).await;
        assert_eq!(unknown["error"]["code"], -32601, "{unknown}");
    }
    let command = json!({ "command": "secondlook.nothing" });
    let unknown = client.request("workspace/executeCommand", command).await;
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    client.notify("textDocument/didSave", json!({})).await;
    client.notify("$/somethingElse", json!([])).await;
    assert_eq!(client.stop().await, 0);
}

#[tokio::test]
async fn a_mark_comes_by_notification_or_command_and_moves_with_edits() {
    let mut client = Client::start(empty(), json!({})).await;
    client.open(URI, "python", BLOCK).await;
    client
        .notify("secondlook/markInserted", mark(1, (1, 0), (2, 0)))
        .await;
    let above = json!({
        "range": { "start": { "line": 0, "character": 0 }, "end": { "line": 0, "character": 0 } },
        "text": "import os\n",
    });
    client.change(URI, 2, json!([above])).await;
    let origins = client
        .request("secondlook/origins", json!({ "uri": URI }))
        .await;
    let expected = json!([{
        "range": { "start": { "line": 2, "character": 0 }, "end": { "line": 3, "character": 0 } },
        "source": "tool",
        "confidence": "certain",
    }]);
    assert_eq!(origins["result"], expected);

    let command =
        |argument| json!({ "command": "secondlook.markInserted", "arguments": [argument] });
    let late = command(mark(1, (0, 0), (1, 0)));
    let answer = client.request("workspace/executeCommand", late).await;
    assert_eq!(answer["result"], Value::Null);
    let origins = client
        .request("secondlook/origins", json!({ "uri": URI }))
        .await;
    assert_eq!(origins["result"][0]["range"]["start"]["line"], 1);

    let ahead = command(mark(3, (0, 0), (1, 0)));
    let refused = client.request("workspace/executeCommand", ahead).await;
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("version 3") && message.contains("version 2"),
        "{message}"
    );
    let unknown = command(mark(-5, (0, 0), (1, 0)));
    let refused = client.request("workspace/executeCommand", unknown).await;
    assert_eq!(refused["error"]["code"], -32801, "{refused}");
    client
        .notify("secondlook/markInserted", mark(-5, (0, 0), (1, 0)))
        .await;
    let broken = command(json!({ "uri": URI }));
    let refused = client.request("workspace/executeCommand", broken).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    assert_eq!(client.stop().await, 0);
}

#[tokio::test]
async fn an_insertion_of_several_lines_is_likely_an_ais_and_undo_takes_the_mark_along() {
    let mut client = Client::start(empty(), pulling()).await;
    client.open(URI, "python", "x = 1\n").await;
    let at = |line: u32| json!({ "line": line, "character": 0 });
    let insertion = json!({ "range": { "start": at(1), "end": at(1) }, "text": BLOCK });
    client.change(URI, 2, json!([insertion])).await;
    let origins = client
        .request("secondlook/origins", json!({ "uri": URI }))
        .await;
    assert_eq!(origins["result"][0]["confidence"], "likely");
    assert_eq!(
        origins["result"][0]["range"],
        json!({ "start": at(1), "end": at(4) })
    );

    let undo = json!({ "range": { "start": at(1), "end": at(4) }, "text": "" });
    client.change(URI, 3, json!([undo])).await;
    let origins = client
        .request("secondlook/origins", json!({ "uri": URI }))
        .await;
    assert_eq!(origins["result"], json!([]));
}

#[tokio::test]
async fn a_discussion_opens_where_the_client_can_and_is_named_where_it_cannot() {
    let address = "https://stackoverflow.com/questions/1";
    let open = json!({ "command": "secondlook.openRationale", "arguments": [address] });

    let able = json!({ "window": { "showDocument": { "support": true } } });
    let mut client = Client::start(empty(), able).await;
    // The answer comes although the client has not yet opened anything.
    let answer = client
        .request("workspace/executeCommand", open.clone())
        .await;
    assert_eq!(answer["result"], Value::Null);
    let shown = client.incoming("window/showDocument").await;
    assert_eq!(shown["params"]["uri"], address);
    assert_eq!(shown["params"]["external"], true);
    client.reply(&shown, json!({ "success": false })).await;
    let told = client.incoming("window/showMessage").await;
    assert_eq!(told["params"]["message"], address);

    let mut plain = Client::start(empty(), json!({})).await;
    plain.request("workspace/executeCommand", open).await;
    let told = plain.incoming("window/showMessage").await;
    assert_eq!(told["params"]["message"], address);
    let file =
        json!({ "command": "secondlook.openRationale", "arguments": ["file:///etc/passwd"] });
    let refused = plain.request("workspace/executeCommand", file).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
}
