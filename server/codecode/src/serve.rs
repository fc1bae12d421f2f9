//! The server on loopback or a Unix socket: who may come in, what is running, and when models leave memory.
//! Knows sockets and routes; what a request means is in `api`, and the one thread that decodes in `worker`.

mod api;
mod door;
mod worker;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use axum::{
    Router,
    routing::{get, post},
};
use tokio::sync::watch;

use crate::{engine::Load, law::Law, options::Plans};

pub use door::fresh_token;

/// How to serve.
#[derive(Clone, Debug)]
pub struct Serve {
    /// The base model.
    pub base: Load,
    /// Its security model, if any.
    pub security: Option<Load>,
    /// The law where a request says nothing else.
    pub law: Law,
    /// How far ahead to work where a request says nothing else.
    pub plans: Plans,
    /// Where to listen.
    pub place: Place,
    /// What a request must present; `None` lets everyone in who reaches the place.
    pub token: Option<String>,
    /// Requests that may wait; more are turned away.
    pub queue: usize,
    /// Models leave memory after this long without a request.
    pub idle: Duration,
    /// Stop when standard input closes, as it does when the program that started this one is gone.
    pub follow_stdin: bool,
    /// Who hears what the models are doing whenever that changes: `unloaded`, `loading`, `decoding` or `ready`.
    pub states: Option<fn(&'static str)>,
}

/// Where to listen.
#[derive(Clone, Debug)]
pub enum Place {
    /// A loopback address; port 0 takes a free one.
    Address(SocketAddr),
    /// A Unix socket that only this user can open.
    Socket(PathBuf),
}

/// What all handlers share.
pub(crate) struct Shared {
    pub(crate) worker: worker::Handle,
    pub(crate) token: Option<[u8; 32]>,
    pub(crate) law: Law,
    pub(crate) plans: Plans,
    pub(crate) name: String,
    pub(crate) pair: bool,
}

/// Serves until told to stop. `ready` is called once with the address, when requests are accepted.
///
/// # Errors
/// When the place cannot be taken, or is not this machine's own.
pub fn serve(options: Serve, ready: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(run(options, ready));
    // A forward pass that is under way is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(200));
    outcome
}

async fn run(options: Serve, ready: impl FnOnce(&str) -> Result<()>) -> Result<()> {
    // The files are looked at before anyone is told that requests are welcome.
    options.base.need()?;
    if let Some(load) = &options.security {
        load.need()?;
    }
    let name = options
        .base
        .model
        .file_stem()
        .map_or_else(|| "model".into(), |name| name.to_string_lossy());
    let name = name.into_owned();
    let shared = Arc::new(Shared {
        token: options.token.as_deref().map(door::digest),
        law: options.law,
        plans: options.plans,
        name,
        pair: options.security.is_some(),
        worker: worker::start(
            options.base,
            options.security,
            options.queue,
            options.idle,
            options.states,
        )?,
    });
    let guarded = Router::new()
        .route("/v1/models", get(api::models))
        .route("/v1/completions", post(api::completions))
        .route("/v1/chat/completions", post(api::chat))
        .route("/metrics", get(api::metrics))
        .route_layer(axum::middleware::from_fn_with_state(
            Arc::clone(&shared),
            door::guard,
        ));
    let app = Router::new()
        .route("/health", get(api::health))
        .merge(guarded)
        .layer(axum::extract::DefaultBodyLimit::max(4 << 20))
        .with_state(shared);

    let (stop, mut stopped) = watch::channel(());
    watch_for_the_end(stop, options.follow_stdin)?;
    let ended = async move {
        let _ = stopped.changed().await;
    };
    match options.place {
        Place::Address(address) => {
            ensure!(
                is_loopback(address.ip()),
                "{address} is not a loopback address; this server is for this machine only"
            );
            let listener = tokio::net::TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address}"))?;
            ready(&format!("http://{}", listener.local_addr()?))?;
            race(axum::serve(listener, app).into_future(), ended).await
        }
        Place::Socket(path) => {
            let listener = door::private_socket(&path).await?;
            let _remover = door::Remover(path.clone());
            ready(&format!("unix:{}", path.display()))?;
            race(axum::serve(listener, app).into_future(), ended).await
        }
    }
}

async fn race(
    server: impl Future<Output = std::io::Result<()>>,
    ended: impl Future<Output = ()>,
) -> Result<()> {
    tokio::select! {
        outcome = server => Ok(outcome?),
        () = ended => Ok(()),
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.is_loopback()
}

/// Ends on an interrupt, a request to terminate, or the end of standard input.
fn watch_for_the_end(stop: watch::Sender<()>, follow_stdin: bool) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (closed, mut on_close) = tokio::sync::mpsc::channel::<()>(1);
    if follow_stdin {
        std::thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || {
                let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
                drop(closed);
            })?;
    } else {
        // Never dropped, so that only signals end the server.
        std::mem::forget(closed);
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = on_close.recv() => {}
        }
        let _ = stop.send(());
    });
    Ok(())
}
