//! The language server: protocol in, engine call, protocol out.
//!
//! It holds no security knowledge and computes no finding: handlers convert a request, ask the
//! engine once and convert the answer. Document state changes in wire order, in [`ordered`];
//! analysis runs off the reader's thread, in [`worker`].

mod actions;
mod capabilities;
mod ext;
mod from_proto;
mod guard;
mod hover;
mod inline;
mod judge;
mod late;
mod lines;
mod ordered;
mod pace;
mod parent;
mod publish;
mod reconfigure;
mod revise;
mod scan;
mod scanned;
mod server;
mod session;
mod settings;
mod state;
mod suppression;
mod to_proto;
mod transport;
mod uri;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use kb_schema::Knowledge;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tower_lsp::LspService;

use crate::ordered::Ordered;
use crate::server::Server;
use crate::session::Session;

pub use ext::{
    COPY_PROMPT, MARK_INSERTED, OPEN_RATIONALE, REGENERATE, REVISE, SCAN_WORKSPACE, SHOW_PROMPT,
};
pub use revise::Models;
pub use scan::{Files, WorkspaceFile};

/// How the server behaves where the protocol leaves it open.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// How long after a change its analysis starts. None is needed: the next change ends an
    /// analysis that it makes useless.
    pub debounce: Duration,
    /// Finds and reads the files of a workspace; without it the workspace is not scanned.
    pub files: Option<Arc<dyn Files>>,
    /// Whoever has models; without it none is ever asked.
    pub models: Option<Arc<dyn Models>>,
    /// The user's own configuration file, which need not exist.
    pub user_config: Option<PathBuf>,
    /// How long a request waits for the analysis of the text as it now stands. Clients give up
    /// after three seconds, so it is less than that.
    pub patience: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            debounce: Duration::ZERO,
            files: None,
            models: None,
            user_config: None,
            patience: Duration::from_millis(2_500),
        }
    }
}

/// Serves one client on standard input and output; returns the exit code that the protocol asks
/// for: 0 after a `shutdown` request, 1 otherwise.
///
/// `changed` is marked whenever `knowledge` has changed. Reading standard input blocks a thread of
/// the runtime for as long as the client keeps it open, so the caller must end its runtime with
/// `shutdown_background`, or use [`run`].
pub async fn serve(
    knowledge: Arc<dyn Knowledge>,
    changed: watch::Receiver<()>,
    options: ServerOptions,
) -> u8 {
    serve_on(
        tokio::io::stdin(),
        tokio::io::stdout(),
        knowledge,
        changed,
        options,
    )
    .await
}

/// As [`serve`], on any pair of streams.
pub async fn serve_on<I, O>(
    input: I,
    output: O,
    knowledge: Arc<dyn Knowledge>,
    changed: watch::Receiver<()>,
    options: ServerOptions,
) -> u8
where
    I: AsyncRead + Unpin,
    O: AsyncWrite,
{
    let mut session = None;
    let (service, socket) = LspService::build_with_lifecycle_methods(|client| {
        let new = Arc::new(Session::new(client, knowledge, &options));
        session = Some(Arc::clone(&new));
        Server::new(new)
    })
    .custom_method("textDocument/diagnostic", Server::diagnostic)
    .custom_method("workspace/diagnostic", Server::workspace_diagnostic)
    .custom_method("textDocument/hover", Server::hover)
    .custom_method("textDocument/codeAction", Server::code_action)
    .custom_method("textDocument/inlineCompletion", Server::inline_completion)
    .custom_method("codeAction/resolve", Server::resolve)
    .custom_method("workspace/executeCommand", Server::execute)
    .custom_method(ext::STATUS, Server::status)
    .finish();
    let session = session.expect("the service is built with its server at once");

    let background = [
        tokio::spawn(worker::follow_knowledge(Arc::clone(&session), changed)),
        tokio::spawn(publish::send_refreshes(Arc::clone(&session))),
        tokio::spawn(reconfigure::follow(Arc::clone(&session))),
    ];
    let service = Ordered::new(service, Arc::clone(&session));
    tokio::select! {
        () = transport::serve(input, output, service, socket) => {}
        () = session.orphaned() => tracing::info!("the client's process is gone, stopping"),
    }
    for task in background {
        task.abort();
    }
    session.ended.store(true, Ordering::Release);
    session.documents.close_all();
    u8::from(!session.shut_down.load(Ordering::Acquire))
}

/// Serves one client on standard input and output, with a runtime of its own that does not wait
/// for a client that forgets to close its end. Returns the exit code.
///
/// # Errors
/// When the runtime's threads cannot be started.
pub fn run(
    knowledge: Arc<dyn Knowledge>,
    changed: watch::Receiver<()>,
    options: ServerOptions,
) -> std::io::Result<u8> {
    guard::keep_panics_quiet();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let code = runtime.block_on(serve(knowledge, changed, options));
    runtime.shutdown_background();
    Ok(code)
}
