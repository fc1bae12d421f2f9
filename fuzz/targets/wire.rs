//! The protocol as a client's bytes: broken frames, broken JSON, and whole sessions of messages in
//! any order. Uses the server as any client would and knows none of its types.
//!
//! The first byte says how the rest is read: as the bytes of the wire, or as bodies, one a line,
//! that are framed here after a client has said hello and opened a file. The second byte says how
//! much arrives at once.
//! Nothing may panic, not even where the server would survive it; whatever is sent must be whole
//! messages; a request is answered once, and nobody else is.
#![no_main]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use kb_schema::{EntrySet, Hit, Knowledge, Query};
use libfuzzer_sys::fuzz_target;
use lsp::ServerOptions;
use serde_json::Value;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

const HELLO: [&str; 3] = [
    r#"{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"processId":null,"rootUri":null,"capabilities":{"workspace":{"configuration":true,"applyEdit":true,"workspaceFolders":true},"window":{"workDoneProgress":true,"showDocument":{"support":true}},"textDocument":{"diagnostic":{},"codeAction":{"codeActionLiteralSupport":{"codeActionKind":{"valueSet":[]}},"dataSupport":true},"publishDiagnostics":{"codeDescriptionSupport":true,"relatedInformation":true}}}}}"#,
    r#"{"jsonrpc":"2.0","method":"initialized","params":{}}"#,
    r#"{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":"file:///a.py","languageId":"python","version":1,"text":"import yaml, subprocess\ndef f(x):\n    yaml.load(x)\n    subprocess.run(x, shell=True)  # é🦀\n"}}}"#,
];
const GOODBYE: [&str; 2] = [
    r#"{"jsonrpc":"2.0","id":"goodbye","method":"shutdown"}"#,
    r#"{"jsonrpc":"2.0","method":"exit"}"#,
];

/// Enough entries that documents have diagnostics and actions, few enough to compile each time.
const ENTRIES: [&str; 3] = [
    "yaml-load-unsafe.md",
    "subprocess-shell-built.md",
    "gets-call.md",
];

fuzz_target!(|data: &[u8]| {
    let ([mode, pace], bytes) = fuzz::head::<2>(data);
    let mut wire = Vec::new();
    if mode & 1 == 0 {
        wire.extend_from_slice(bytes);
    } else {
        HELLO.iter().for_each(|it| frame(&mut wire, it.as_bytes()));
        bytes
            .split(|it| *it == b'\n')
            .for_each(|it| frame(&mut wire, it));
        GOODBYE
            .iter()
            .for_each(|it| frame(&mut wire, it.as_bytes()));
    }
    let mut output = Vec::new();
    let sent = wire.clone();
    let input = Paced {
        wire,
        at: 0,
        step: usize::from(pace) * 16 + 1,
    };
    let options = ServerOptions {
        patience: Duration::from_millis(20),
        ..ServerOptions::default()
    };
    let (changed, news) = watch::channel(());
    let serving = lsp::serve_on(input, &mut output, Arc::new(Shelf), news, options);
    let code = RUNTIME.with_borrow_mut(|(runtime, served)| {
        *served += 1;
        if *served % SESSIONS == 0 {
            *runtime = start();
        }
        runtime.block_on(serving)
    });
    assert!(code <= 1);
    drop(changed);
    answered(&output, &sent);
});

/// How many sessions share a runtime: a process serves one and ends, so that what still waits for
/// its client then is nobody's concern, but thousands of them would fill the memory.
const SESSIONS: usize = 128;

thread_local! {
    static RUNTIME: RefCell<(Runtime, usize)> = RefCell::new((start(), 0));
}

fn start() -> Runtime {
    let mut builder = Builder::new_current_thread();
    let built = builder.enable_all().max_blocking_threads(2).build();
    built.expect("a runtime starts")
}

/// Every message is whole, and no id is answered more often than it was asked.
fn answered(output: &[u8], sent: &[u8]) {
    let mut answers = BTreeMap::<String, usize>::new();
    let mut rest = output;
    while !rest.is_empty() {
        let head = rest
            .windows(4)
            .position(|it| it == b"\r\n\r\n")
            .expect("a message has a head");
        let size = std::str::from_utf8(&rest[..head])
            .ok()
            .and_then(|it| it.strip_prefix("Content-Length: "));
        let size: usize = size
            .and_then(|it| it.parse().ok())
            .expect("a head has a length");
        let body = rest
            .get(head + 4..head + 4 + size)
            .expect("a message is whole");
        let message: Value = serde_json::from_slice(body).expect("a message is JSON");
        if message.get("method").is_none() && !message["id"].is_null() {
            *answers.entry(message["id"].to_string()).or_default() += 1;
        }
        rest = &rest[head + 4 + size..];
    }
    for (id, count) in answers {
        // An id as the client wrote it may be spelt in other ways, so that only plain ones count.
        let plain = id.trim_matches('"');
        let is_plain = !plain.is_empty() && plain.bytes().all(|it| it.is_ascii_alphanumeric());
        let asked = sent
            .windows(plain.len().max(1))
            .filter(|it| *it == plain.as_bytes())
            .count();
        assert!(
            !is_plain || count <= asked || sent.contains(&b'\\'),
            "{id} was answered {count} times, asked {asked}"
        );
    }
}

fn frame(wire: &mut Vec<u8>, body: &[u8]) {
    wire.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    wire.extend_from_slice(body);
}

/// Gives a few bytes at a time and lets others run between them.
struct Paced {
    wire: Vec<u8>,
    at: usize,
    step: usize,
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let end = self
            .wire
            .len()
            .min(self.at + self.step.min(buffer.remaining()));
        buffer.put_slice(&self.wire[self.at..end]);
        self.at = end;
        Poll::Ready(Ok(()))
    }
}

struct Shelf;

impl Knowledge for Shelf {
    fn entries(&self) -> Arc<EntrySet> {
        static SET: OnceLock<Arc<EntrySet>> = OnceLock::new();
        let wanted = |name: &str| ENTRIES.iter().any(|it| name.ends_with(it));
        Arc::clone(SET.get_or_init(|| Arc::new(fuzz::knowledge(&wanted))))
    }

    fn generation(&self) -> u64 {
        1
    }

    fn search(&self, _: &Query) -> Vec<Hit> {
        Vec::new()
    }
}
