//! `secondlook lsp`: gives the server its knowledge and its streams.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::{Resolver, Size};
use kb_schema::Knowledge;
use lsp::{Files, WorkspaceFile};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::args::Args;
use crate::checks::Commands;
use crate::{files, kb, memory, model, options, output};

/// How often the entry folders are looked at: a new entry is live before its author has switched
/// windows, and looking costs a few system calls.
const POLL: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    memory::take_small_pages();
    let filter =
        EnvFilter::try_from_env("SECONDLOOK_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let writer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_filter(filter)
        .with_filter(filter_fn(|about| is_ours(about.target())));
    tracing_subscriber::registry().with(writer).init();
    let store = kb::open_here(args)?;
    for problem in &store.entries().problems {
        output::warning(&problem.to_string());
    }
    let (sender, changed) = watch::channel(());
    let _watch = store.clone().watch(POLL, move || {
        sender.send_replace(());
    });
    let options = lsp::ServerOptions {
        files: Some(Arc::new(Disk)),
        models: Some(Arc::new(Configured::default())),
        user_config: options::user_file(),
        ..lsp::ServerOptions::default()
    };
    Ok(lsp::run(store, changed, options)?)
}

/// Whether one of our crates speaks. Others write whole messages to the log when they are asked for
/// detail, and with them the user's code.
fn is_ours(target: &str) -> bool {
    const OURS: [&str; 9] = [
        "analysis",
        "config",
        "kb_index",
        "kb_schema",
        "llm",
        "lsp",
        "origin",
        "revision",
        "syntax",
    ];
    OURS.contains(&target.split("::").next().unwrap_or(target))
}

/// The models that settings name.
#[derive(Debug, Default)]
struct Configured {
    /// The co-decoding program, once somebody asked for it.
    local: Arc<llm::Local>,
}

impl lsp::Models for Configured {
    fn model(
        &self,
        settings: &config::Settings,
    ) -> Result<Option<Box<dyn revision::Model>>, String> {
        model::with(settings, &self.local).map_err(|error| error.to_string())
    }

    fn effort(&self, settings: &config::Settings) -> revision::Effort {
        model::effort(settings)
    }

    fn checks(
        &self,
        settings: &config::Settings,
        path: &Path,
    ) -> Option<Box<dyn revision::Checks>> {
        let commands = Commands::of(settings, path)?;
        Some(Box::new(commands))
    }

    fn show(&self, prompt: &str) -> Result<std::path::PathBuf, String> {
        // Only its owner may read it. It is left behind, because an editor reads it later.
        let folder = std::env::temp_dir();
        let file = tempfile::Builder::new()
            .prefix("secondlook-prompt-")
            .suffix(".md")
            .tempfile_in(folder);
        let mut file =
            file.map_err(|error| format!("the prompt cannot be shown: {}", error.kind()))?;
        std::io::Write::write_all(&mut file, prompt.as_bytes())
            .map_err(|error| format!("the prompt cannot be shown: {}", error.kind()))?;
        let (_, path) = file
            .keep()
            .map_err(|error| format!("the prompt cannot be shown: {}", error.error.kind()))?;
        Ok(path)
    }
}

/// The files of a workspace, as `check` finds and reads them. The cells of notebooks are left to
/// `check`: an editor shows them as documents of their own.
#[derive(Debug)]
struct Disk;

impl Files for Disk {
    fn find(&self, folder: &Path, resolver: &Arc<Resolver>) -> Vec<WorkspaceFile> {
        let run = resolver.of_folder(folder);
        let found = files::find(&[folder.to_owned()], resolver, &run);
        let targets = found.targets.into_iter().filter(|it| !it.is_notebook());
        let file = |it: files::Target| WorkspaceFile {
            path: it.path,
            language: it.language,
        };
        targets.map(file).collect()
    }

    fn read(&self, path: &Path, limit: Size) -> Result<Vec<u8>, String> {
        files::read(path, limit)
    }
}
