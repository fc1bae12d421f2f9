//! `secondlook lsp`: gives the server its knowledge and its streams.

use std::time::Duration;

use kb_schema::Knowledge;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::args::Args;
use crate::{kb, output};

/// How often the entry folders are looked at: a new entry is live before its author has switched
/// windows, and looking costs a few system calls.
const POLL: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    let filter =
        EnvFilter::try_from_env("SECONDLOOK_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let store = kb::open(args);
    for problem in &store.entries().problems {
        output::warning(&problem.to_string());
    }
    let (sender, changed) = watch::channel(());
    let _watch = store.clone().watch(POLL, move || {
        sender.send_replace(());
    });
    Ok(lsp::run(store, changed, lsp::ServerOptions::default())?)
}
