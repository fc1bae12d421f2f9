//! Keeps the settings as the client and the files say them, and says what is wrong with them. It
//! decides when, never what a setting means.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use config::Problem;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tower_lsp::gen_lsp_types as types;
use types::{
    ConfigurationItem, Diagnostic, DiagnosticSeverity, MessageType, Position, Range, Registration,
};

use crate::capabilities::Delivery;
use crate::session::Session;
use crate::settings::{self, Reload};
use crate::{scan, to_proto, uri};

/// The place of our settings among those of a client.
const SECTION: &str = "secondlook";

/// The least time between two looks at the files while somebody types.
const PAUSE: Duration = Duration::from_secs(1);

/// How much of a line a problem underlines; lines of settings are shorter.
const LINE: u32 = 1_000;

/// Reads the settings again whenever that was asked for; several wishes become one.
pub(crate) async fn follow(session: Arc<Session>) {
    loop {
        session.reconfigure.notified().await;
        let forced = session.forced.swap(false, Ordering::AcqRel);
        let (config, open) = (Arc::clone(&session.config), session.documents.uris());
        let reload = spawn_blocking(move || config.reload(&open, forced)).await;
        if matches!(reload, Ok(Reload::Changed)) {
            tracing::info!("the settings changed");
            session.documents.supersede_all();
            session.refresh.notify_one();
            scan::start_if_wanted(&session);
        }
        tell(&session).await;
    }
}

/// Looks whether a file with settings has changed.
pub(crate) fn look(session: &Session) {
    session.reconfigure.notify_one();
}

/// As [`look`], but not at every edit: for clients that do not watch files.
pub(crate) fn look_now_and_then(session: &Session) {
    let now = session.started.elapsed().as_secs();
    if session.looked.swap(now, Ordering::Relaxed) + PAUSE.as_secs() <= now {
        look(session);
    }
}

/// Reads the files again whatever they look like.
pub(crate) fn read_again(session: &Session) {
    session.forced.store(true, Ordering::Release);
    session.reconfigure.notify_one();
}

/// Asks for what the client can tell, and to be told of what changes.
pub(crate) async fn begin(session: Arc<Session>) {
    let Some(profile) = session.profile() else {
        return;
    };
    let mut wishes = Vec::new();
    if profile.registers_configuration {
        wishes.push(registration(
            "workspace/didChangeConfiguration",
            json!({ "section": SECTION }),
        ));
    }
    if profile.registers_watchers {
        let names = config::FILE_NAMES.map(|it| json!({ "globPattern": format!("**/{it}") }));
        wishes.push(registration(
            "workspace/didChangeWatchedFiles",
            json!({ "watchers": names }),
        ));
    }
    if !wishes.is_empty()
        && let Err(error) = session.client.register_capability(wishes).await
    {
        tracing::warn!(%error, "the client refused what it had offered");
    }
    ask_client(&session).await;
    look(&session);
    scan::start_if_wanted(&session);
}

/// Asks the client for its settings, where it can be asked.
pub(crate) async fn ask_client(session: &Session) {
    if !session.profile().is_some_and(|it| it.configuration) {
        return;
    }
    let item = ConfigurationItem {
        scope_uri: None,
        section: Some(SECTION.to_owned()),
    };
    match session.client.configuration(vec![item]).await {
        Ok(answers) => {
            if let Some(settings) = answers.first() {
                session.config.client_says(settings);
                look(session);
            }
        }
        Err(error) => tracing::warn!(%error, "the client did not tell its settings"),
    }
}

/// Tells the user once of each problem, and marks it in the file where that is open.
pub(crate) async fn tell(session: &Session) {
    let Some(news) = session.config.news() else {
        return;
    };
    for problem in news {
        let text = format!("secondlook: {problem}");
        session
            .client
            .show_message(MessageType::Warning, text)
            .await;
    }
    let push = session
        .profile()
        .is_some_and(|it| it.delivery == Delivery::Push);
    let open = session
        .open_configs
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    if !push && !open.is_empty() {
        session.refresh.notify_one();
    }
    for name in open.iter().filter(|_| push) {
        let found = diagnostics(session, name);
        session
            .client
            .publish_diagnostics(name.as_str().into(), found, None)
            .await;
    }
}

/// What is wrong with an open configuration file, by its address.
pub(crate) fn diagnostics(session: &Session, name: &str) -> Vec<Diagnostic> {
    let Some(path) = uri::path(name) else {
        return Vec::new();
    };
    let problems = session.config.problems_in(Path::new(&path));
    problems.iter().map(diagnostic).collect()
}

fn diagnostic(problem: &Problem) -> Diagnostic {
    let line = problem.line.map_or(0, |it| it.saturating_sub(1));
    let line = u32::try_from(line).unwrap_or(u32::MAX);
    let position = |character| Position { line, character };
    Diagnostic {
        range: Range {
            start: position(0),
            end: position(LINE),
        },
        severity: Some(DiagnosticSeverity::Warning),
        source: Some(to_proto::SOURCE.to_owned()),
        message: problem.message.clone().into(),
        ..Default::default()
    }
}

/// Notes that a configuration file was opened; says whether the document is one.
pub(crate) fn opened(session: &Arc<Session>, name: &str) -> bool {
    if !settings::is_config(name) {
        return false;
    }
    let mut open = session
        .open_configs
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    open.insert(name.to_owned());
    let (session, name) = (Arc::clone(session), name.to_owned());
    tokio::spawn(async move { show(&session, &name).await });
    true
}

/// Takes back what was said of a configuration file that is closed.
pub(crate) fn closed(session: &Arc<Session>, name: &str) {
    let mut open = session
        .open_configs
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if open.remove(name) {
        let (session, name) = (Arc::clone(session), name.to_owned());
        tokio::spawn(async move { show(&session, &name).await });
    }
}

async fn show(session: &Session, name: &str) {
    if session
        .profile()
        .is_some_and(|it| it.delivery == Delivery::Push)
    {
        let open = session
            .open_configs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(name);
        let found = if open {
            diagnostics(session, name)
        } else {
            Vec::new()
        };
        session
            .client
            .publish_diagnostics(name.into(), found, None)
            .await;
    }
}

fn registration(method: &str, options: Value) -> Registration {
    Registration {
        id: format!("secondlook {method}"),
        method: method.to_owned(),
        register_options: Some(options),
    }
}
