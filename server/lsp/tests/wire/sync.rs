//! Documents: order, encodings, versions, languages.

use kb_schema::EntrySet;
use serde_json::json;

use crate::client::{Client, Shelf};
use crate::model::Model;

const URI: &str = "file:///demo.py";

async fn client(encodings: &[&str]) -> Client {
    let capabilities = json!({
        "general": { "positionEncodings": encodings },
        "textDocument": { "publishDiagnostics": { "versionSupport": true } },
    });
    Client::start(Shelf::new(EntrySet::default()), capabilities).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_edits_at_once_leave_the_clients_text() {
    for (seed, encoding) in [(11, "utf-8"), (22, "utf-16"), (33, "utf-32")] {
        let mut client = client(&[encoding]).await;
        assert_eq!(client.capabilities["positionEncoding"], encoding);
        let start = "import os\r\nname = '😀'\r\n\r\ndef f(x):\n    return os.path.join(x, name)\n";
        let mut model = Model::new(start, seed);
        let mut other = Model::new("a = 1\n", seed + 1);
        client.open(URI, "python", start).await;
        client.open("file:///other.py", "python", "a = 1\n").await;
        let mut hovers = Vec::new();
        for version in 2..=1_001 {
            let edits = [model.edit(encoding), model.edit(encoding)];
            client.change(URI, version, json!(edits)).await;
            client
                .change("file:///other.py", version, json!([other.edit(encoding)]))
                .await;
            if version % 50 == 0 {
                let position = json!({ "line": 1, "character": 2 });
                let params = json!({ "textDocument": { "uri": URI }, "position": position });
                hovers.push(client.ask("textDocument/hover", params).await);
            }
        }
        assert_eq!(client.text(URI).await, (model.text, 1_001), "{encoding}");
        assert_eq!(
            client.text("file:///other.py").await,
            (other.text, 1_001),
            "{encoding}"
        );
        for hover in hovers {
            let answer = client.answer(hover).await;
            assert!(answer.get("error").is_none(), "{answer}");
        }
        client.published(URI, 1_001).await;
        let earlier = client.passed_over(URI);
        assert!(earlier.is_sorted_by(|one, next| one < next), "{earlier:?}");
        assert_eq!(client.stop().await, 0);
    }
}

#[tokio::test]
async fn a_text_read_between_two_edits_is_the_text_between_them() {
    let mut client = client(&["utf-16"]).await;
    client.open(URI, "python", "").await;
    let mut reads = Vec::new();
    for version in 2..=201 {
        client
            .change(
                URI,
                version,
                json!([{ "text": format!("a = {version}\n") }]),
            )
            .await;
        reads.push((
            version,
            client.ask("secondlook/text", json!({ "uri": URI })).await,
        ));
    }
    for (version, read) in reads {
        let result = &client.answer(read).await["result"];
        assert_eq!(result["version"], version);
        assert_eq!(result["text"], format!("a = {version}\n"));
    }
}

#[tokio::test]
async fn closing_takes_back_what_was_published_and_reopening_starts_anew() {
    let mut client = client(&["utf-8"]).await;
    client.open(URI, "python", "a = 1\n").await;
    client.published(URI, 1).await;
    client
        .notify(
            "textDocument/didClose",
            json!({ "textDocument": { "uri": URI } }),
        )
        .await;
    let cleared = client.incoming("textDocument/publishDiagnostics").await;
    assert_eq!(cleared["params"]["uri"], URI);
    assert_eq!(cleared["params"]["diagnostics"], json!([]));
    assert!(cleared["params"].get("version").is_none());

    let answer = client
        .request("secondlook/text", json!({ "uri": URI }))
        .await;
    assert_eq!(answer["error"]["code"], -32602);
    client.open(URI, "python", "b = 2\n").await;
    assert_eq!(client.text(URI).await, ("b = 2\n".to_owned(), 1));
    client.published(URI, 1).await;
}

#[tokio::test]
async fn a_document_in_another_language_is_left_alone() {
    let mut client = client(&["utf-8"]).await;
    client.open("file:///a.rs", "rust", "fn main() {}\n").await;
    client
        .change("file:///a.rs", 2, json!([{ "text": "fn main() { }\n" }]))
        .await;
    client.open("file:///a.hpp", "cpp", "int x;\n").await;
    let params = json!({
        "textDocument": { "uri": "file:///a.rs" },
        "position": { "line": 0, "character": 0 },
    });
    let answer = client.request("textDocument/hover", params).await;
    assert_eq!(answer["result"], json!(null));
    client.open(URI, "python", "a = 1\n").await;
    client.published(URI, 1).await;
    assert!(!client.has_come("textDocument/publishDiagnostics"));
}

#[tokio::test]
async fn a_change_that_cannot_be_read_ends_what_we_say_of_the_document() {
    let mut client = client(&["utf-8"]).await;
    client.open(URI, "python", "a = 1\n").await;
    client
        .change(URI, 2, json!([{ "range": "all", "words": 1 }]))
        .await;
    let answer = client
        .request("secondlook/text", json!({ "uri": URI }))
        .await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
}
