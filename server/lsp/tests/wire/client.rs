//! A client that speaks raw JSON-RPC to a server in this process. Uses none of the server's types,
//! so that what it proves is what an editor would see.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use kb_schema::{EntrySet, Hit, Knowledge, Query};
use lsp::ServerOptions;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Long enough for any answer on a busy machine; only a failing test ever waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A knowledge base that tests can change.
#[derive(Default)]
pub(crate) struct Shelf {
    state: std::sync::Mutex<(u64, Arc<EntrySet>)>,
    /// Whether a search fails as a defect would.
    pub(crate) is_broken: std::sync::atomic::AtomicBool,
}

impl Shelf {
    pub(crate) fn new(set: EntrySet) -> Arc<Self> {
        Arc::new(Self {
            state: std::sync::Mutex::new((1, Arc::new(set))),
            is_broken: false.into(),
        })
    }

    pub(crate) fn replace(&self, set: EntrySet) {
        let mut state = self.state.lock().unwrap();
        *state = (state.0 + 1, Arc::new(set));
    }
}

impl Knowledge for Shelf {
    fn entries(&self) -> Arc<EntrySet> {
        Arc::clone(&self.state.lock().unwrap().1)
    }

    fn generation(&self) -> u64 {
        self.state.lock().unwrap().0
    }

    fn search(&self, _: &Query) -> Vec<Hit> {
        assert!(!self.is_broken.load(std::sync::atomic::Ordering::Relaxed));
        Vec::new()
    }
}

/// One connection, from the client's side.
pub(crate) struct Client {
    input: DuplexStream,
    output: BufReader<DuplexStream>,
    server: JoinHandle<u8>,
    changed: watch::Sender<()>,
    waiting: VecDeque<Value>,
    next_id: i64,
    pub(crate) capabilities: Value,
}

impl Client {
    /// Connects and initializes.
    /// Every client understands actions and codes with links; those of the first days, which do
    /// not, are met in the protocol tests.
    pub(crate) async fn start(shelf: Arc<Shelf>, mut capabilities: Value) -> Self {
        let mut client = Self::connect(shelf);
        let document = &mut capabilities["textDocument"];
        document["codeAction"]["codeActionLiteralSupport"] =
            json!({ "codeActionKind": { "valueSet": [] } });
        document["publishDiagnostics"]["codeDescriptionSupport"] = true.into();
        let params = json!({
            "processId": std::process::id(),
            "rootUri": null,
            "capabilities": capabilities,
            "initializationOptions": null,
        });
        let answer = client.request("initialize", params).await;
        client.capabilities = answer["result"]["capabilities"].clone();
        client.notify("initialized", json!({})).await;
        client
    }

    /// Connects and says nothing.
    pub(crate) fn connect(shelf: Arc<Shelf>) -> Self {
        Self::connect_with(shelf, ServerOptions::default())
    }

    /// Connects to a server with these options and says nothing.
    pub(crate) fn connect_with(shelf: Arc<Shelf>, options: ServerOptions) -> Self {
        let (input, server_input) = tokio::io::duplex(1 << 20);
        let (server_output, output) = tokio::io::duplex(1 << 20);
        let (changed, news) = watch::channel(());
        let server = lsp::serve_on(server_input, server_output, shelf, news, options);
        Self {
            input,
            output: BufReader::new(output),
            server: tokio::spawn(server),
            changed,
            waiting: VecDeque::new(),
            next_id: 0,
            capabilities: Value::Null,
        }
    }

    pub(crate) fn knowledge_changed(&self) {
        self.changed.send_replace(());
    }

    async fn write(&mut self, message: &Value) {
        let body = message.to_string();
        let message = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        self.input.write_all(message.as_bytes()).await.unwrap();
    }

    pub(crate) async fn notify(&mut self, method: &str, params: Value) {
        self.write(&json!({ "jsonrpc": "2.0", "method": method, "params": params }))
            .await;
    }

    /// Sends a request and leaves its answer for later.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> i64 {
        self.next_id += 1;
        let id = self.next_id;
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.write(&message).await;
        id
    }

    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.ask(method, params).await;
        self.answer(id).await
    }

    pub(crate) async fn answer(&mut self, id: i64) -> Value {
        self.wait(|it| it["id"] == id && it.get("method").is_none())
            .await
    }

    /// The next message of that method from the server, a request or a notification.
    pub(crate) async fn incoming(&mut self, method: &str) -> Value {
        self.wait(|it| it["method"] == method).await
    }

    /// The next published diagnostics of a document's version.
    pub(crate) async fn published(&mut self, uri: &str, version: i64) -> Vec<Value> {
        let message = self
            .wait(|it| {
                it["method"] == "textDocument/publishDiagnostics"
                    && it["params"]["uri"] == uri
                    && it["params"]["version"] == version
            })
            .await;
        message["params"]["diagnostics"].as_array().unwrap().clone()
    }

    /// The versions of a document that diagnostics were published for, in the order they came,
    /// among the messages that nobody has waited for.
    pub(crate) fn passed_over(&self, uri: &str) -> Vec<i64> {
        let published = self.waiting.iter().filter(|it| {
            it["method"] == "textDocument/publishDiagnostics" && it["params"]["uri"] == uri
        });
        published
            .filter_map(|it| it["params"]["version"].as_i64())
            .collect()
    }

    /// Whether a message of that method has come so far.
    pub(crate) fn has_come(&self, method: &str) -> bool {
        self.waiting.iter().any(|it| it["method"] == method)
    }

    pub(crate) async fn reply(&mut self, request: &Value, result: Value) {
        self.write(&json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }))
            .await;
    }

    async fn wait(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.waiting.iter().position(&wanted) {
            return self.waiting.remove(at).unwrap();
        }
        loop {
            let message = timeout(PATIENCE, self.read())
                .await
                .expect("the server stays silent");
            let message = message.expect("the server has closed its output");
            if wanted(&message) {
                return message;
            }
            self.waiting.push_back(message);
        }
    }

    async fn read(&mut self) -> Option<Value> {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).await.unwrap() == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).await.unwrap();
        Some(serde_json::from_slice(&body).unwrap())
    }

    pub(crate) async fn open(&mut self, uri: &str, language: &str, text: &str) {
        let item = json!({ "uri": uri, "languageId": language, "version": 1, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": item }))
            .await;
    }

    pub(crate) async fn change(&mut self, uri: &str, version: i64, changes: Value) {
        let document = json!({ "uri": uri, "version": version });
        let params = json!({ "textDocument": document, "contentChanges": changes });
        self.notify("textDocument/didChange", params).await;
    }

    /// The text and version as the server has them.
    pub(crate) async fn text(&mut self, uri: &str) -> (String, i64) {
        let answer = self.request("secondlook/text", json!({ "uri": uri })).await;
        let result = &answer["result"];
        (
            result["text"].as_str().unwrap().to_owned(),
            result["version"].as_i64().unwrap(),
        )
    }

    /// Returns when the document's current text has been analysed.
    pub(crate) async fn settled(&mut self, uri: &str) {
        let params = json!({
            "textDocument": { "uri": uri },
            "position": { "line": 0, "character": 0 },
        });
        self.request("textDocument/hover", params).await;
    }

    pub(crate) async fn pull(&mut self, uri: &str, previous: Option<&str>) -> Value {
        let mut params = json!({ "textDocument": { "uri": uri } });
        if let Some(previous) = previous {
            params["previousResultId"] = previous.into();
        }
        self.request("textDocument/diagnostic", params).await["result"].take()
    }

    /// Closes the connection after `shutdown` and `exit`; the exit code.
    pub(crate) async fn stop(mut self) -> u8 {
        let answer = self.request("shutdown", Value::Null).await;
        assert_eq!(answer["result"], Value::Null);
        self.notify("exit", Value::Null).await;
        self.exit_code().await
    }

    /// Waits for the server to end while its input stays open.
    pub(crate) async fn exit_code(self) -> u8 {
        let Self {
            input,
            output,
            server,
            ..
        } = self;
        let code = timeout(PATIENCE, server)
            .await
            .expect("the server runs on")
            .unwrap();
        drop((input, output));
        code
    }

    /// Closes the server's input; the exit code.
    pub(crate) async fn hang_up(self) -> u8 {
        let Self {
            input,
            output,
            server,
            ..
        } = self;
        drop(input);
        let code = timeout(PATIENCE, server)
            .await
            .expect("the server runs on")
            .unwrap();
        drop(output);
        code
    }
}
